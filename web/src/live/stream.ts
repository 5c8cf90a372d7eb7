/// One event stream to the hub that stays: it resumes after the last entry that it has, after a cut and after sleep.
///
///   connecting ──head──▶ live ──cut, silence, sleep──▶ away ──wait──▶ connecting
///
/// The world is an argument, so that a test can let hours pass.
import { parser } from "./sse.ts";

/// The hub shows every 15 seconds that it lives; after so long without a byte the connection is dead.
export const SILENCE_MS_MAX = 35_000;
/// How long to wait before each try; the last one repeats.
export const WAITS_MS = [0, 500, 1000, 2000, 4000, 8000];

export type Phase = "connecting" | "live" | "away";

export interface World {
  open(after: string | null, signal: AbortSignal): Promise<Response>;
  later(ms: number, work: () => void): number;
  never(timer: number): void;
}

export interface Listener {
  entry(data: string): void;
  /// Told on each change. On `live` everything that the stream does not tell must be asked anew.
  phase(phase: Phase): void;
  /// The hub refused; nothing is tried again until `wake`.
  refused(status: number): void;
}

export class Stream {
  #world: World;
  #listener: Listener;
  #last: string | null = null;
  #tries = 0;
  #timer: number | null = null;
  #abort: AbortController | null = null;
  #stopped = true;

  constructor(world: World, listener: Listener) {
    this.#world = world;
    this.#listener = listener;
  }

  start(): void {
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#forget();
  }

  /// Tries again now: the page is looked at again, or the network came back.
  wake(): void {
    if (this.#stopped) return;
    this.#tries = 0;
    this.#forget();
    this.#connect();
  }

  #forget(): void {
    if (this.#timer !== null) this.#world.never(this.#timer);
    this.#timer = null;
    this.#abort?.abort();
    this.#abort = null;
  }

  #connect(): void {
    const abort = new AbortController();
    this.#abort = abort;
    this.#listener.phase("connecting");
    void this.#follow(abort).finally(() => {
      if (this.#abort !== abort || this.#stopped) return;
      this.#forget();
      this.#listener.phase("away");
      const wait = WAITS_MS[Math.min(this.#tries, WAITS_MS.length - 1)] ?? 0;
      this.#tries += 1;
      this.#timer = this.#world.later(wait, () => this.#connect());
    });
  }

  #watch(abort: AbortController): void {
    if (this.#abort !== abort) return;
    if (this.#timer !== null) this.#world.never(this.#timer);
    this.#timer = this.#world.later(SILENCE_MS_MAX, () => abort.abort());
  }

  async #follow(abort: AbortController): Promise<void> {
    try {
      this.#watch(abort);
      const response = await this.#world.open(this.#last, abort.signal);
      if (this.#abort !== abort) return;
      if (!response.ok || response.body === null) {
        if (response.status === 401 || response.status === 403) {
          this.stop();
          this.#listener.refused(response.status);
        }
        return;
      }
      this.#tries = 0;
      this.#listener.phase("live");
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const parse = parser();
      for (;;) {
        this.#watch(abort);
        const { done, value } = await reader.read();
        if (done || this.#abort !== abort) return;
        for (const message of parse(decoder.decode(value, { stream: true }))) {
          if (message.id !== "") this.#last = message.id;
          this.#listener.entry(message.data);
        }
      }
    } catch {
      // Cut, refused by the network or aborted: all the same, it is tried again.
    }
  }
}
