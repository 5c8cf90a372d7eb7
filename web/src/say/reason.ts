/// Why an emergency needs a person, what a drill found, what to know of a backup and what a code waits for. The hub gives each a code and a
/// sentence: it is said in the reader's language where the code is known, else as the hub says it.
import type { BackupNote, Escalation, Finding, Why } from "../api/client.ts";
import { m } from "./language.ts";
import { named } from "./safety.ts";
import { moment } from "./time.ts";

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

const WAITS: Record<string, (one: Why) => string> = {
  in_progress: () => m.wait_in_progress(),
  queued: () => m.wait_queued(),
  recording: () => m.wait_recording(),
  lock_away: () => m.wait_lock_away(),
  radio_away: () => m.wait_radio_away(),
  // What the lock or its radio said stands after the colon.
  retrying: ({ detail }) => m.wait_retrying({ reason: detail.slice(detail.indexOf(":") + 1).trim() }),
  frame_budget: () => m.wait_frame_budget(),
  clock_unsynced: () => m.wait_clock_unsynced(),
  prepared: () => m.wait_prepared(),
  not_yet: ({ from, detail }) => (from ? m.wait_not_yet({ from: moment(from) }) : detail),
  outside_windows: () => m.wait_outside_windows(),
  codes_lost: () => m.wait_codes_lost(),
  unread: () => m.wait_unread(),
  pin_leaves: () => m.wait_pin_leaves(),
  settling: () => m.wait_settling(),
  no_room: () => m.wait_no_room(),
  same_pin: () => m.wait_same_pin(),
  same_pin_foreign: () => m.wait_same_pin_foreign(),
  pin_length: () => m.wait_pin_length(),
  not_kept: () => m.wait_not_kept(),
  still_asked: () => m.wait_still_asked(),
  insecure: () => m.wait_insecure(),
  lock_gone: () => m.wait_lock_gone(),
  enrol_again: () => m.wait_enrol_again(),
  not_enrolled: () => m.wait_not_enrolled(),
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

/// What a credential waits for on a lock, or why it is not there.
export function waits(one: Why): string {
  return WAITS[one.code]?.(one) ?? one.detail;
}
