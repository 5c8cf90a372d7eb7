/// How the interface is built: plain files with hashed names, nothing from elsewhere, nothing inline.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  // Relative, so that the hub may be served below a path of a proxy.
  base: "./",
  build: {
    target: ["chrome111", "firefox115", "safari16.4"],
    // An inlined asset would be a `data:` address, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      input: { main: "index.html", sw: "src/sw.ts" },
      output: {
        // The worker's address must stay the same from version to version; everything else is named by its content.
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
