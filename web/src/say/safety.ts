/// Life safety in words.
import type { Drill, Incident, Safety } from "../api/client.ts";
import type { IconName } from "../ui/icons.ts";
import { type Hazard, hazard } from "./alarm.ts";
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

/// How far a drill is with a door; a dry one moves none.
export function drillDoor(drill: Drill, state: Drill["doors"][number]["state"]): string {
  return drill.dry && state === "waiting" ? m.d_not_moved() : doorStage(state).words;
}

/// What began an incident.
export function cause(incident: Incident, name: (id: string) => string): string {
  const first = incident.triggers[0];
  if (first === undefined) return "";
  if (first.alarm && first.hazard) return `${hazard(first.hazard)}: ${name(first.alarm)}`;
  return m.called_by({ name: first.person ?? "" });
}

/// A sentence of the hub's with the devices' names in it instead of their ids.
export function named(text: string, name: (id: string) => string): string {
  return text.replace(/\b(?:lock|alarm)-[0-9]+\b/g, name);
}

/// Who began a drill: a person or machine, or a detector's own test button.
export function drillBy(by: string, name: (id: string) => string): string {
  const detector = /^the test button of (\S+)$/.exec(by)?.[1];
  return detector === undefined ? by : m.drill_by({ name: name(detector) });
}

/// Why doors were released: the hub's own words for it, in the person's language where they are known.
export function because(text: string, name: (id: string) => string): string {
  const at = "(smoke|co|heat) at (\\S+)";
  const match = (form: string): string[] | undefined => new RegExp(`^${form}$`).exec(text)?.slice(1);
  const place = ([kind, id]: (string | undefined)[]): string =>
    m.because_at({ hazard: hazard(kind as Hazard), name: name(id ?? "") });
  const alone = match(at);
  if (alone !== undefined) return place(alone);
  const lasting = match(`${at} for ([0-9]+) s`);
  if (lasting !== undefined) return m.because_lasting({ what: place(lasting), seconds: lasting[2] ?? "" });
  const two = match(`two detectors within ([0-9]+) s: ${at}, ${at}`);
  if (two !== undefined)
    return m.because_two({
      one: place(two.slice(1, 3)),
      other: place(two.slice(3, 5)),
      seconds: two[0] ?? "",
    });
  const person = match("(.+) called for help");
  if (person !== undefined) return m.because_called({ name: person[0] ?? "" });
  return named(text, name);
}

export function drillResult(drill: Drill): string {
  if (drill.state !== "ended") return drill.state === "armed" ? m.drill_armed() : m.drill_running();
  return drill.passed ? m.drill_passed() : m.drill_failed();
}
