/// Radios, links and inclusions in words.
import type { Inclusion, Lock, Radio } from "../api/client.ts";
import { m } from "./language.ts";

export function security(level: Lock["security"]): string {
  switch (level) {
    case "none":
      return m.security_none();
    case "s0":
      return m.security_s0();
    case "s2_unauthenticated":
      return m.security_s2_unauthenticated();
    case "s2_authenticated":
      return m.security_s2_authenticated();
    case "s2_access_control":
      return m.security_s2_access_control();
  }
}

export function radioState(state: Radio["state"]): string {
  switch (state) {
    case "starting":
      return m.radio_starting();
    case "ready":
      return m.radio_ready();
    case "failing":
      return m.radio_failing();
    case "away":
      return m.radio_away();
  }
}

/// How far an inclusion is.
export function stage(state: Inclusion["state"]): string {
  switch (state) {
    case "idle":
      return "";
    case "waiting":
      return m.stage_waiting();
    case "asking":
      return m.stage_asking();
    case "securing":
      return m.stage_securing();
    case "interviewing":
      return m.stage_interviewing();
    case "done":
      return m.stage_done();
    case "failed":
      return m.stage_failed();
  }
}

export const STAGES: Inclusion["state"][] = ["waiting", "asking", "securing", "interviewing", "done"];

/// Why a device that was said to be gone was kept.
export function whyKept(stage: Inclusion): string {
  switch (stage.error?.code) {
    case "answers":
      return m.remove_answers();
    case "busy":
    case "timeout":
    case "controller_failed":
      return m.remove_busy();
    case "sleeps":
      return m.remove_sleeps({ hours: /([0-9]+) more hours/.exec(stage.error.detail)?.[1] ?? "?" });
    default:
      return stage.error?.detail ?? m.failed_unknown();
  }
}
