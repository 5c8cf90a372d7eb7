// Builds the interface into the folder named as the first argument (default `dist`): messages, bundle, the worker's
// list of files, and beside every file that compresses its gzip form.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join, relative, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { compile } from "./messages.mjs";

const out = resolve(process.argv[2] ?? "dist");
const LIST = "__FILES__";
/** Below this a compressed form saves no packet. */
const COMPRESS_BYTES_MIN = 512;

compile();
await build({ logLevel: "warn", build: { outDir: out, emptyOutDir: true } });

const files = readdirSync(out, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(out, join(entry.parentPath, entry.name)))
  .filter((file) => file !== "sw.js")
  .sort();

const version = createHash("sha256");
for (const file of files) version.update(file).update(readFileSync(join(out, file)));
const worker = join(out, "sw.js");
const code = readFileSync(worker, "utf8");
if (!code.includes(LIST)) throw new Error(`sw.js has no ${LIST}`);
const list = {
  version: version.digest("hex").slice(0, 16),
  files: ["./", ...files.filter((f) => f !== "index.html")],
};
writeFileSync(worker, code.replace(/["'`]__FILES__["'`]/, JSON.stringify(JSON.stringify(list))));

for (const file of [...files, "sw.js"]) {
  const bytes = readFileSync(join(out, file));
  const packed = gzipSync(bytes, { level: 9 });
  if (bytes.length >= COMPRESS_BYTES_MIN && packed.length < bytes.length)
    writeFileSync(join(out, `${file}.gz`), packed);
}
