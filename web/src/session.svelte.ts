/// Who we are to the hub, and how far signed in.
///
///   asking ──▶ setup ──▶ enrolment ──▶ signed_in ──ended──▶ signed_out ──▶ second_factor ──▶ signed_in
import { type SessionInfo, answer, api, guard } from "./api/client.ts";
import { house } from "./live/house.svelte.ts";

export type Right = SessionInfo["rights"][number];
export type Where = "asking" | "setup" | SessionInfo["state"];

/// Whether this browser was signed in last, so that it opens without the hub with what it knew.
const WAS_IN = "hubd.signed_in";
/// How often to ask again while the hub does not say who we are.
const ASK_MS = 3000;

class Session {
  info = $state.raw<SessionInfo | null>(null);
  where = $state<Where>("asking");
  /// Whether the hub ended it, which a person should be told.
  ended = $state(false);
  /// Set while the person is asked to prove again who they are.
  confirming = $state.raw<((proved: boolean) => void) | null>(null);
  #opened = false;
  #waiting: Promise<boolean> | null = null;

  constructor() {
    guard.ended = () => this.#end(true);
    guard.confirm = () => {
      this.#waiting ??= new Promise<boolean>((resolve) => {
        this.confirming = resolve;
      }).finally(() => {
        this.confirming = null;
        this.#waiting = null;
      });
      return this.#waiting;
    };
  }

  /// Whether this person may; before the hub said so, what a resident may.
  may(right: Right): boolean {
    return this.info === null ? right !== "manage" : this.info.rights.includes(right);
  }

  /// Asks the hub who we are, until it answers.
  async ask(): Promise<void> {
    try {
      this.take(await answer(api.GET("/api/v1/session")));
    } catch {
      if (this.where === "asking" && localStorage.getItem(WAS_IN) !== null) this.#open();
      window.setTimeout(() => void this.ask(), ASK_MS);
    }
  }

  /// Takes over what the hub said of the session.
  take(info: SessionInfo): void {
    this.info = info;
    if (info.state === "signed_in") {
      localStorage.setItem(WAS_IN, "yes");
      this.ended = false;
      this.#open();
      return;
    }
    if (this.#opened) this.#end(true);
    this.where = info.set_up ? info.state : "setup";
  }

  async signOut(): Promise<void> {
    await answer(api.DELETE("/api/v1/session"));
    this.#end(false);
  }

  #open(): void {
    this.where = "signed_in";
    if (this.#opened) return;
    this.#opened = true;
    house.start({ refused: () => this.#end(true), history: () => this.may("history") });
  }

  #end(byHub: boolean): void {
    localStorage.removeItem(WAS_IN);
    if (!this.#opened) return;
    this.#opened = false;
    house.stop();
    this.info = null;
    this.ended = byHub;
    this.where = "signed_out";
  }
}

export const session = new Session();
