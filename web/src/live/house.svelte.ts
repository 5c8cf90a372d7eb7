/// What is known of the house, as the hub reported it. Nothing here is a guess: a request changes nothing until the hub
/// says so, and when the hub is away everything stays as it was last known, with that said beside it.
import {
  type Alarm,
  type Codes,
  type Entry,
  type Health,
  type Lock,
  type Radio,
  type Safety,
  answer,
  api,
  base,
  send,
} from "../api/client.ts";
import { type Phase, Stream } from "./stream.ts";

/// So many entries of the stream are kept for the screens that show them.
const RECENT_MAX = 100;
/// How often everything is asked anew while all is well: what the journal does not tell, such as other people's wishes.
const REFRESH_MS = 60_000;
/// What was known last is kept at most so often, for a start without the hub.
const KEEP_EVERY_MS = 3_000;
/// Entries after which codes, names or life safety may be others.
const MORE = /^(person|credential|slot|lock\.codes|incident|drill|maintenance|policy|household|alarm)[._]/;
const KEPT = "hubd.house";

interface Kept {
  at: number;
  locks: Lock[];
  alarms: Alarm[];
}

class House {
  locks = $state<Record<string, Lock>>({});
  alarms = $state<Record<string, Alarm>>({});
  /// People's names by id.
  people = $state.raw<Record<string, string>>({});
  /// The codes of each lock, by the lock's id.
  codes = $state.raw<Record<string, Codes>>({});
  /// Where life safety stands; null while it is not known.
  safety = $state.raw<Safety | null>(null);
  radios = $state.raw<Radio[]>([]);
  health = $state.raw<Health | null>(null);
  /// The newest entries of the stream, the newest first.
  recent = $state.raw<Entry[]>([]);
  phase = $state<Phase>("connecting");
  /// When the hub was heard last; null before the first time.
  heard = $state<number | null>(null);
  /// Whether the house was read at least once.
  loaded = $state(false);
  /// The time of day, for ages; it moves every few seconds.
  now = $state(Date.now());

  #listeners = new Set<(entry: Entry) => void>();
  #pending = new Map<string, boolean>();
  #stream: Stream | null = null;
  #timers: number[] = [];
  #asleep = 0;
  #history = (): boolean => false;
  #kept = 0;

  /// Doors by name.
  get doors(): Lock[] {
    return Object.values(this.locks).sort((a, b) => a.name.localeCompare(b.name));
  }

  get detectors(): Alarm[] {
    return Object.values(this.alarms).sort((a, b) => a.name.localeCompare(b.name));
  }

  /// Detectors that warn of something now.
  get dangers(): Alarm[] {
    return this.detectors.filter((alarm) => alarm.state === "raised");
  }

  /// Whether what is shown is what is.
  get live(): boolean {
    return this.phase === "live" && this.loaded;
  }

  /// A person's name; null while it is not known.
  personName(id: string): string | null {
    return this.people[id] ?? null;
  }

  /// The name of whatever a journal entry is about.
  deviceName(id: string): string {
    return this.locks[id]?.name ?? this.alarms[id]?.name ?? id;
  }

  /// Calls back for each entry as it happens; gives back the way to end that.
  onEntry(listener: (entry: Entry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /// Begins to follow the house. `history`: whether this person may know people and codes.
  start(how: { refused: () => void; history: () => boolean }): void {
    this.#history = how.history;
    this.#restore();
    document.addEventListener("visibilitychange", this.#seen);
    window.addEventListener("online", this.#seen);
    const tick = () => {
      this.now = Date.now();
    };
    this.#timers = [window.setInterval(tick, 5000)];
    this.#timers.push(window.setInterval(() => void this.refresh(), REFRESH_MS));
    this.#stream = new Stream(
      {
        open: (after, signal) =>
          send(new URL("api/v1/events/stream", base), {
            headers: { Accept: "text/event-stream", ...(after === null ? {} : { "Last-Event-ID": after }) },
            cache: "no-store",
            signal,
          }),
        later: (ms, work) => window.setTimeout(work, ms),
        never: (timer) => window.clearTimeout(timer),
      },
      {
        entry: (data) => this.#take(JSON.parse(data) as Entry),
        phase: (phase) => {
          // While it is tried again, "away" stays: a flicker tells nobody anything.
          if (phase === "connecting" && this.phase === "away") return;
          this.phase = phase;
          if (phase === "live") void this.refresh();
        },
        refused: how.refused,
      },
    );
    this.#stream.start();
    // What is shown first need not wait for the stream; once that is there, everything is asked again, so that nothing
    // that happened between the two is missed.
    void this.refresh();
  }

  stop(): void {
    this.#stream?.stop();
    this.#stream = null;
    this.#timers.forEach((timer) => window.clearInterval(timer));
    document.removeEventListener("visibilitychange", this.#seen);
    window.removeEventListener("online", this.#seen);
    localStorage.removeItem(KEPT);
    this.locks = {};
    this.alarms = {};
    this.people = {};
    this.codes = {};
    this.safety = null;
    this.radios = [];
    this.health = null;
    this.recent = [];
    this.loaded = false;
    this.heard = null;
    this.phase = "connecting";
  }

  /// Asks for everything; whether that worked. A failure changes nothing that is shown.
  async refresh(): Promise<boolean> {
    try {
      const [locks, alarms, radios, health] = await Promise.all([
        answer(api.GET("/api/v1/locks")),
        answer(api.GET("/api/v1/alarms")),
        answer(api.GET("/api/v1/radios")),
        answer(api.GET("/api/v1/health")),
      ]);
      this.locks = Object.fromEntries(locks.map((lock) => [lock.id, lock]));
      this.alarms = Object.fromEntries(alarms.map((alarm) => [alarm.id, alarm]));
      this.radios = radios;
      this.health = health;
      this.loaded = true;
      void this.more();
      this.#hear();
      return true;
    } catch {
      return false;
    }
  }

  /// Asks for what not everybody may see and what no card waits for: people's names, codes, life safety.
  async more(): Promise<void> {
    await this.#once("more", async () => {
      const [people, codes, safety] = await Promise.all([
        this.#history() ? api.GET("/api/v1/people") : null,
        this.#history() ? api.GET("/api/v1/slots") : null,
        api.GET("/api/v1/life-safety/state"),
      ]);
      if (people?.data) this.people = Object.fromEntries(people.data.map((one) => [one.id, one.name]));
      if (codes?.data) this.codes = Object.fromEntries(codes.data.map((one) => [one.lock, one]));
      if (safety.data) this.safety = safety.data;
    });
  }

  /// Asks for one lock, once for any number of reasons that come meanwhile.
  async lock(id: string): Promise<void> {
    await this.#once(`lock ${id}`, async () => {
      const { data, response } = await api.GET("/api/v1/locks/{id}", { params: { path: { id } } });
      if (data !== undefined) this.locks[id] = data;
      else if (response.status === 404) delete this.locks[id];
    });
  }

  async alarm(id: string): Promise<void> {
    await this.#once(`alarm ${id}`, async () => {
      const { data, response } = await api.GET("/api/v1/alarms/{id}", { params: { path: { id } } });
      if (data !== undefined) this.alarms[id] = data;
      else if (response.status === 404) delete this.alarms[id];
    });
  }

  async #once(key: string, ask: () => Promise<void>): Promise<void> {
    if (this.#pending.has(key)) {
      this.#pending.set(key, true);
      return;
    }
    do {
      this.#pending.set(key, false);
      try {
        await ask();
        this.#hear();
      } catch {
        break;
      }
    } while (this.#pending.get(key) === true);
    this.#pending.delete(key);
  }

  #take(entry: Entry): void {
    this.#hear();
    this.recent = [entry, ...this.recent].slice(0, RECENT_MAX);
    if (entry.kind.startsWith("device.")) {
      void this.refresh();
      // A new device gets its name a moment after its place.
      window.setTimeout(() => void this.refresh(), 1500);
    } else if (entry.lock !== null) void this.lock(entry.lock);
    else if (entry.alarm !== null) void this.alarm(entry.alarm);
    else if (entry.kind.startsWith("hub.")) void this.refresh();
    if (MORE.test(entry.kind)) void this.more();
    for (const listener of this.#listeners) listener(entry);
  }

  #hear(): void {
    this.heard = Date.now();
    this.now = this.heard;
    if (!this.loaded || this.heard - this.#kept < KEEP_EVERY_MS) return;
    this.#kept = this.heard;
    const kept: Kept = {
      at: this.heard,
      locks: Object.values(this.locks),
      alarms: Object.values(this.alarms),
    };
    localStorage.setItem(KEPT, JSON.stringify(kept));
  }

  #restore(): void {
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null") as Kept | null;
      if (kept === null) return;
      this.locks = Object.fromEntries(kept.locks.map((lock) => [lock.id, lock]));
      this.alarms = Object.fromEntries(kept.alarms.map((alarm) => [alarm.id, alarm]));
      this.heard = kept.at;
    } catch {
      localStorage.removeItem(KEPT);
    }
  }

  #seen = (): void => {
    this.now = Date.now();
    if (document.visibilityState === "hidden") {
      this.#asleep = this.now;
    } else if (this.phase !== "live" || this.now - this.#asleep > 10_000) {
      // A phone that slept may believe for a long time that its connection lives.
      this.#stream?.wake();
    }
  };
}

export const house = new House();
