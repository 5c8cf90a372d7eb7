/// Credentials and where they stand, in words.
import type { Credential, Place, Slot } from "../api/client.ts";
import type { IconName } from "../ui/icons.ts";
import type { Tone } from "./lock.ts";
import { m } from "./language.ts";
import { waits } from "./reason.ts";

export function credentialKind(kind: Credential["kind"]): string {
  switch (kind) {
    case "pin":
      return m.c_pin();
    case "rfid":
      return m.c_rfid();
    case "fingerprint":
      return m.c_fingerprint();
    case "mechanical_key":
      return m.c_key();
    case "fob":
      return m.c_fob();
  }
}

export function usage(use: Credential["usage"]): string {
  switch (use) {
    case "daily":
      return m.u_daily();
    case "backup":
      return m.u_backup();
    case "emergency":
      return m.u_emergency();
  }
}

export interface Mark {
  words: string;
  icon: IconName;
  tone: Tone;
}

/// A credential on one lock: confirmed, on its way, not wanted now, or why not.
export function place(one: Place): Mark {
  if (one.why) return { words: waits(one.why), icon: "clock", tone: "wish" };
  if (one.wanted && one.confirmed === "acknowledged")
    return { words: m.place_acknowledged(), icon: "check", tone: "good" };
  if (one.wanted && one.confirmed === "vouched")
    return { words: m.place_vouched(), icon: "check", tone: "good" };
  if (one.wanted && one.confirmed) return { words: m.place_confirmed(), icon: "check", tone: "good" };
  if (one.wanted) return { words: m.place_waiting(), icon: "clock", tone: "wish" };
  return { words: m.place_not_now(), icon: "clock", tone: "unsure" };
}

/// A slot of a lock, whosever it is.
export function slot(one: Slot): Mark {
  if (one.pending) return { words: waits(one.pending.why), icon: "clock", tone: "wish" };
  switch (one.holder) {
    case "ours":
      return one.confirmed?.proof === "read"
        ? { words: m.place_confirmed(), icon: "check", tone: "good" }
        : { words: m.place_acknowledged(), icon: "check", tone: "good" };
    case "foreign":
      return { words: m.slot_foreign(), icon: "question", tone: "open" };
    case "ignored":
      return { words: m.slot_ignored(), icon: "question", tone: "unsure" };
    case "condemned":
      return { words: m.slot_condemned(), icon: "clock", tone: "wish" };
    case "nobody":
      return { words: m.slot_nobody(), icon: "question", tone: "unsure" };
  }
}
