/// Life safety in words.
import type { Drill, Incident, Safety } from "../api/client.ts";
import type { IconName } from "../ui/icons.ts";
import { hazard } from "./alarm.ts";
import { m } from "./language.ts";
import type { Tone } from "./lock.ts";

export function safetyState(state: Safety["state"]): {
  words: string;
  text: string;
  icon: IconName;
  tone: Tone;
} {
  switch (state) {
    case "off":
      return { words: m.s_off(), text: m.s_off_text(), icon: "siren", tone: "unsure" };
    case "armed":
      return { words: m.s_armed(), text: m.s_armed_text(), icon: "check", tone: "good" };
    case "maintenance":
      return { words: m.s_maintenance(), text: m.s_maintenance_text(), icon: "clock", tone: "open" };
    case "alarm":
      return { words: m.s_alarm(), text: m.s_alarm_text(), icon: "siren", tone: "bad" };
    case "releasing":
      return { words: m.s_releasing(), text: m.s_releasing_text(), icon: "siren", tone: "bad" };
    case "held":
      return { words: m.s_held(), text: m.s_held_text(), icon: "unlocked", tone: "bad" };
    case "restoring":
      return { words: m.s_restoring(), text: m.s_restoring_text(), icon: "unlocked", tone: "open" };
    case "unreadable":
      return { words: m.s_unreadable(), text: m.s_unreadable_text(), icon: "warning", tone: "bad" };
  }
}

export function doorStage(state: Incident["doors"][number]["state"]): { words: string; tone: Tone } {
  switch (state) {
    case "waiting":
      return { words: m.d_waiting(), tone: "unsure" };
    case "pending":
      return { words: m.d_pending(), tone: "wish" };
    case "releasing":
      return { words: m.d_releasing(), tone: "wish" };
    case "open":
      return { words: m.d_open(), tone: "good" };
    case "locked_by_hand":
      return { words: m.d_by_hand(), tone: "open" };
    case "given_up":
      return { words: m.d_given_up(), tone: "bad" };
    case "restored":
      return { words: m.d_restored(), tone: "good" };
  }
}

/// What began an incident.
export function cause(incident: Incident, name: (id: string) => string): string {
  const first = incident.triggers[0];
  if (first === undefined) return "";
  if (first.alarm && first.hazard) return `${hazard(first.hazard)}: ${name(first.alarm)}`;
  return m.called_by({ name: first.person ?? "" });
}

export function drillResult(drill: Drill): string {
  if (drill.state !== "ended") return drill.state === "armed" ? m.drill_armed() : m.drill_running();
  return drill.passed ? m.drill_passed() : m.drill_failed();
}
