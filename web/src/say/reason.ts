/// Why an emergency needs a person, what a drill found and what to know of a backup. The hub gives each a code and a
/// sentence: it is said in the reader's language where the code is known, else as the hub says it.
import type { BackupNote, Escalation, Finding } from "../api/client.ts";
import { m } from "./language.ts";
import { named } from "./safety.ts";

type Name = (id: string) => string;

const CONCERNS: Record<string, (reason: string) => string> = {
  policy_unreadable: () => m.concern_policy_unreadable(),
  not_reported: () => m.concern_not_reported(),
  jammed: () => m.concern_jammed(),
  refused: (reason) => m.concern_refused({ reason }),
  given_up: () => m.concern_given_up(),
  lock_asked: () => m.concern_lock_asked(),
};

const FINDINGS: Record<string, (one: Finding, name: string) => string> = {
  not_tested: () => m.found_not_tested(),
  not_open: ({ within_s }, name) => m.found_not_open({ name, seconds: within_s ?? "?" }),
  emergency: () => m.found_emergency(),
  ended_early: ({ by }) => m.found_ended_early({ by: by ?? "?" }),
  restarted: () => m.found_restarted(),
  lock_gone: (_, name) => m.found_lock_gone({ name }),
  insecure: (_, name) => m.found_insecure({ name }),
  radio_away: (_, name) => m.found_radio_away({ name }),
  lock_away: (_, name) => m.found_lock_away({ name }),
};

const NOTES: Record<string, (one: BackupNote, radio: string) => string> = {
  no_dongle_copied: () => m.noted_no_dongle_copied(),
  dongle_away: (_, radio) => m.noted_dongle_away({ radio }),
  dongle_too_slow: (_, radio) => m.noted_dongle_too_slow({ radio }),
  dongle_disturbed: (_, radio) => m.noted_dongle_disturbed({ radio }),
  dongle_failed: ({ reason }, radio) => m.noted_dongle_failed({ radio, reason: reason ?? "?" }),
  entries_since: ({ entries }) => m.noted_entries_since({ count: entries ?? 0 }),
  not_recorded: ({ reason }) => m.noted_not_recorded({ reason: reason ?? "?" }),
};

/// Why somebody has to look at an emergency, or at the door that stands beside it. Older journal entries have no code.
export function concern(one: Pick<Escalation, "what" | "reason"> & { code?: string }, name: Name): string {
  return CONCERNS[one.code ?? ""]?.(one.reason ?? "?") ?? named(one.what, name);
}

/// What failed in a drill, or would have failed.
export function finding(one: Finding, name: Name): string {
  return FINDINGS[one.code]?.(one, name(one.lock ?? "?")) ?? named(one.detail, name);
}

/// What to know of a backup or its rehearsal.
export function note(one: BackupNote): string {
  return NOTES[one.code]?.(one, one.radio ?? "?") ?? one.detail;
}
