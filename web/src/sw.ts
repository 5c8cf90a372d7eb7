/// The service worker: keeps the interface itself, so that it opens without the hub and can say what it knew last.
/// Nothing of the house is kept here: what goes to the API goes past it.

import type {} from "./worker.d.ts";
const worker = self as unknown as ServiceWorkerGlobalScope;
/// The list of files, put in by the build.
const { version, files } = JSON.parse("__FILES__") as { version: string; files: string[] };
const CACHE = `hubd-${version}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(files))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = new URL(request.url).pathname;
  if (request.method !== "GET" || path.includes("/api/")) return;
  if (request.mode === "navigate") {
    // The page names the files it needs: the hub's own page first, so that an update is seen at once.
    event.respondWith(fetch(request).catch(async () => (await caches.match("./")) ?? Response.error()));
    return;
  }
  event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
});
