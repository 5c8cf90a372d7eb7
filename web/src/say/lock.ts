/// A lock in words, an icon and a tone. Words and icon alone must be enough: the colour only helps.
import type { Lock, Via } from "../api/client.ts";
import { house } from "../live/house.svelte.ts";
import type { IconName } from "../ui/icons.ts";
import { m } from "./language.ts";

export type Tone = "good" | "open" | "bad" | "unsure" | "wish";

export interface Shown {
  words: string;
  icon: IconName;
  tone: Tone;
}

export function bolt(state: Lock["state"]["bolt"]): Shown {
  switch (state) {
    case "locked":
      return { words: m.bolt_locked(), icon: "locked", tone: "good" };
    case "unlocked":
      return { words: m.bolt_unlocked(), icon: "unlocked", tone: "open" };
    case "unlatched":
      return { words: m.bolt_unlatched(), icon: "unlocked", tone: "open" };
    case "not_fully_locked":
      return { words: m.bolt_not_fully_locked(), icon: "warning", tone: "bad" };
    case "jammed":
      return { words: m.bolt_jammed(), icon: "warning", tone: "bad" };
    case "unknown":
      return { words: m.bolt_unknown(), icon: "question", tone: "unsure" };
  }
}

export function wish(op: "lock" | "unlock" | "unlatch"): string {
  switch (op) {
    case "lock":
      return m.wish_lock();
    case "unlock":
      return m.wish_unlock();
    case "unlatch":
      return m.wish_unlatch();
  }
}

/// By what a bolt was moved: "with Anna's code", "by hand".
export function via(by: Via | null | undefined): string {
  if (by === null || by === undefined) return "";
  const who = by.person ?? null;
  const name = who === null ? null : house.personName(who);
  switch (by.source) {
    case "keypad":
      if (name !== null) return m.via_keypad_person({ name });
      return typeof by.slot === "number" ? m.via_keypad_slot({ slot: by.slot }) : m.via_keypad();
    case "manual":
      return m.via_manual();
    case "remote":
      return name === null ? m.via_remote() : m.via_remote_person({ name });
    case "auto":
      return m.via_auto();
    case "rfid":
      return name === null ? m.via_rfid() : m.via_rfid_person({ name });
    case "fingerprint":
      return name === null ? m.via_fingerprint() : m.via_fingerprint_person({ name });
    case "schedule":
      return m.via_schedule();
    case "unknown":
      return "";
  }
}

export function door(leaf: Lock["door"]): { words: string; icon: IconName; tone: Tone } {
  switch (leaf) {
    case "open":
      return { words: m.door_open(), icon: "door-open", tone: "open" };
    case "closed":
      return { words: m.door_closed(), icon: "door", tone: "good" };
    case "unknown":
      return { words: m.door_unknown(), icon: "door", tone: "unsure" };
  }
}

/// Under this the battery wants a new one soon, in percent.
export const BATTERY_LOW = 30;
