/// What a part of a screen asks of the hub: one by one what a person wants, and what it shows besides what `house` keeps.
/// Why a wish was not done stands until the next one begins; why something could not be read, until it was read.
import type { Entry } from "../api/client.ts";
import { why } from "../say/failure.ts";
import { house } from "./house.svelte.ts";

const nothing = (): Promise<unknown> => Promise.resolve();

export class Asking {
  /// Whether a wish is on its way.
  busy = $state(false);
  /// Why the last wish was not done.
  refused = $state<string | null>(null);
  /// What is said of the last wish, where its being done shows nowhere else.
  told = $state<string | null>(null);
  #unread = $state<string | null>(null);
  #read: () => Promise<unknown>;
  #running = 0;

  /// `read`: brings what is shown up to date.
  constructor(read = nothing) {
    this.#read = read;
  }

  /// What is wrong, in a sentence; null while all is well. That the hub is away the page says once, for all its parts.
  get fault(): string | null {
    return this.refused ?? (house.phase === "away" ? null : this.#unread);
  }

  /// Does what a person wants, and reads again, as a refusal too may mean that something changed. `done` is told then.
  /// Whether it was done.
  async run(wish = nothing, done: string | null = null): Promise<boolean> {
    this.#running += 1;
    this.busy = true;
    this.refused = this.told = this.#unread = null;
    try {
      await wish();
      this.told = done;
      return true;
    } catch (error) {
      this.refused = why(error);
      return false;
    } finally {
      await this.read();
      this.#running -= 1;
      this.busy = this.#running > 0;
    }
  }

  /// Reads again, without a wish of anybody.
  async read(): Promise<void> {
    try {
      await this.#read();
      this.#unread = null;
    } catch (error) {
      this.#unread = why(error);
    }
  }

  /// Reads whenever the hub is live again, and at each entry that concerns what is shown; for as long as the component
  /// lives that calls this at its beginning.
  follow(concerns: (entry: Entry) => boolean = () => false): void {
    $effect(() => {
      if (house.phase !== "live") return;
      this.#unread = null;
      void this.read();
    });
    $effect(() =>
      house.onEntry((entry) => {
        if (concerns(entry)) void this.read();
      }),
    );
  }
}
