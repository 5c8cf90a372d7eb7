import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { session } from "./session.svelte.ts";
import { speak } from "./say/language.ts";

/// The worker's address is the only one that this page makes a script of.
function keepForLater(): void {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  const address = "./sw.js";
  const policy = window.trustedTypes?.createPolicy("hubd-worker", {
    createScriptURL: (url) => {
      if (url !== address) throw new Error(`not the worker: ${url}`);
      return url;
    },
  });
  const url = policy?.createScriptURL(address) ?? address;
  navigator.serviceWorker.register(url as string).catch(() => {
    // Without a secure connection there is none; the page works all the same.
  });
}

// Who we are is asked while the texts load: a slow phone waits for both at once.
void session.ask();
await speak();
const target = document.getElementById("app");
if (target !== null) mount(App, { target });
keepForLater();
