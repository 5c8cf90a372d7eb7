import { describe, expect, it } from "vitest";
import { SILENCE_MS_MAX, Stream, WAITS_MS } from "./stream.ts";

/// A world in which time passes when the test says so.
class Fake {
  now = 0;
  timers = new Map<number, { at: number; work: () => void }>();
  opened: (string | null)[] = [];
  phases: string[] = [];
  entries: string[] = [];
  refused: number[] = [];
  sources: ReadableStreamDefaultController<Uint8Array>[] = [];
  answer: "stream" | "fail" | number = "stream";
  #next = 1;

  stream = new Stream(
    {
      open: (after, signal) => {
        this.opened.push(after);
        if (this.answer === "fail") return Promise.reject(new Error("no network"));
        if (typeof this.answer === "number")
          return Promise.resolve(new Response(null, { status: this.answer }));
        const body = new ReadableStream<Uint8Array>({
          start: (source) => {
            this.sources.push(source);
            signal.addEventListener("abort", () => {
              try {
                source.error(new Error("aborted"));
              } catch {
                // It had ended before.
              }
            });
          },
        });
        return Promise.resolve(new Response(body));
      },
      later: (ms, work) => {
        const number = this.#next++;
        this.timers.set(number, { at: this.now + ms, work });
        return number;
      },
      never: (timer) => void this.timers.delete(timer),
    },
    {
      entry: (data) => this.entries.push(data),
      phase: (phase) => this.phases.push(phase),
      refused: (status) => this.refused.push(status),
    },
  );

  /// Lets every promise that is due come to its end.
  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }
  async pass(ms: number): Promise<void> {
    this.now += ms;
    for (const [number, timer] of [...this.timers]) {
      if (timer.at > this.now) continue;
      this.timers.delete(number);
      timer.work();
    }
    await this.settle();
  }
  async say(text: string): Promise<void> {
    this.sources.at(-1)?.enqueue(new TextEncoder().encode(text));
    await this.settle();
  }
}

describe("the event stream", () => {
  it("resumes after the last entry when the connection is cut", async () => {
    const fake = new Fake();
    fake.stream.start();
    await fake.settle();
    await fake.say("id: 41\ndata: a\n\nid: 42\ndata: b\n\n");
    fake.sources.at(-1)?.close();
    await fake.settle();
    expect(fake.phases).toEqual(["connecting", "live", "away"]);
    await fake.pass(0);
    expect(fake.opened).toEqual([null, "42"]);
    expect(fake.phases).toEqual(["connecting", "live", "away", "connecting", "live"]);
    expect(fake.entries).toEqual(["a", "b"]);
  });

  it("waits longer each time while there is no network, and not at all when woken", async () => {
    const fake = new Fake();
    fake.answer = "fail";
    fake.stream.start();
    await fake.settle();
    for (const wait of WAITS_MS) {
      const tries = fake.opened.length;
      if (wait > 0) {
        await fake.pass(wait - 1);
        expect(fake.opened.length).toBe(tries);
      }
      await fake.pass(1);
      expect(fake.opened.length).toBe(tries + 1);
    }
    const tries = fake.opened.length;
    fake.answer = "stream";
    fake.stream.wake();
    await fake.settle();
    expect(fake.opened.length).toBe(tries + 1);
    expect(fake.phases.at(-1)).toBe("live");
    expect(fake.timers.size).toBe(1);
  });

  it("takes silence for a dead connection, and a heartbeat for a live one", async () => {
    const fake = new Fake();
    fake.stream.start();
    await fake.settle();
    await fake.pass(SILENCE_MS_MAX - 1);
    await fake.say(":\n\n");
    await fake.pass(SILENCE_MS_MAX - 1);
    expect(fake.phases.at(-1)).toBe("live");
    await fake.pass(1);
    expect(fake.phases.at(-1)).toBe("away");
  });

  it("asks no more when it was refused", async () => {
    const fake = new Fake();
    fake.answer = 401;
    fake.stream.start();
    await fake.settle();
    await fake.pass(100_000);
    expect(fake.refused).toEqual([401]);
    expect(fake.opened.length).toBe(1);
  });
});
