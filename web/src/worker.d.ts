/// The few words of a service worker's world that TypeScript's DOM library leaves out.
declare global {
  interface ExtendableEvent extends Event {
    waitUntil(work: Promise<unknown>): void;
  }
  interface FetchEvent extends ExtendableEvent {
    readonly request: Request;
    respondWith(response: Promise<Response>): void;
  }
  interface ServiceWorkerGlobalScope {
    readonly clients: { claim(): Promise<void> };
    skipWaiting(): Promise<void>;
    addEventListener(kind: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
    addEventListener(kind: "fetch", listener: (event: FetchEvent) => void): void;
  }
}
export {};
