/// A journal entry as a sentence with an icon.
import type { Entry } from "../api/client.ts";
import { house } from "../live/house.svelte.ts";
import type { IconName } from "../ui/icons.ts";
import { type Hazard, hazard } from "./alarm.ts";
import { tellMore } from "./entry-more.ts";
import { m } from "./language.ts";
import { type Tone, bolt, door, via, wish } from "./lock.ts";

export interface Told {
  text: string;
  icon: IconName;
  tone: Tone;
}

const quiet = (text: string, icon: IconName): Told => ({ text, icon, tone: "unsure" });
const bad = (text: string, icon: IconName = "warning"): Told => ({ text, icon, tone: "bad" });

/// What happened. Which device it happened to stands beside it.
export function tell(entry: Entry): Told {
  const data = entry.data as Record<string, unknown>;
  const text = (key: string): string => (typeof data[key] === "string" ? data[key] : "");
  const number = (key: string): number => (typeof data[key] === "number" ? data[key] : 0);
  const danger = (): string =>
    ["smoke", "co", "heat"].includes(text("hazard")) ? hazard(text("hazard") as Hazard) : "";
  switch (entry.kind) {
    case "lock.operated": {
      const shown = bolt(text("bolt") as Parameters<typeof bolt>[0]) ?? bolt("unknown");
      const by = via(data.via as Parameters<typeof via>[0]);
      return { text: by === "" ? shown.words : `${shown.words}, ${by}`, icon: shown.icon, tone: shown.tone };
    }
    case "lock.logged": {
      // Old news, by the lock's own clock.
      const clock = text("lock_clock").replace("T", " ");
      const shown = bolt(text("bolt") as Parameters<typeof bolt>[0]) ?? bolt("unknown");
      const by = via(data.via as Parameters<typeof via>[0]);
      const moved = by === "" ? shown.words : `${shown.words}, ${by}`;
      const what = text("event") === "keypad_denied" ? m.e_denied() : moved;
      return quiet(clock === "" ? m.e_logged({ what }) : m.e_logged_at({ what, clock }), "locked");
    }
    case "lock.door": {
      const leaf = door(text("door") as Parameters<typeof door>[0]) ?? door("unknown");
      return quiet(leaf.words, leaf.icon);
    }
    case "lock.jammed":
      return bad(m.e_jammed());
    case "lock.battery":
    case "alarm.battery":
      return quiet(m.e_battery({ percent: number("battery_percent") }), "battery");
    case "lock.tampered":
      return bad(m.e_tampered());
    case "lock.keypad_denied":
      return bad(m.e_denied(), "key");
    case "lock.keypad_locked_out":
      return bad(m.e_locked_out(), "key");
    case "lock.online":
    case "alarm.online":
      return quiet(m.e_online(), "link");
    case "lock.offline":
    case "alarm.offline":
      return bad(m.e_offline(), "cut");
    case "lock.trouble":
    case "alarm.trouble":
      return bad(m.e_trouble({ what: text("what") }));
    case "command.ended": {
      const who = text("requester");
      const op = text("op") as Parameters<typeof wish>[0];
      if (text("status") === "done") return quiet(m.e_command_done({ op: opName(op), who }), "check");
      return bad(m.e_command_failed({ op: opName(op), who, reason: text("reason") || text("status") }));
    }
    case "alarm.raised":
      return bad(m.e_raised({ hazard: danger() }), "siren");
    case "alarm.cleared":
      return quiet(m.e_cleared({ hazard: danger() }), "check");
    case "alarm.tested":
      return quiet(m.e_tested(), "smoke");
    case "alarm.silenced":
      return quiet(m.e_silenced(), "smoke");
    case "device.included":
      return quiet(m.e_included({ model: text("model"), radio: text("radio") }), "plus");
    case "device.excluded":
      return quiet(m.e_excluded({ radio: text("radio") }), "out");
    case "token.created":
      return quiet(m.e_token_created({ name: text("name"), scope: text("scope") }), "key");
    case "token.removed":
      return quiet(m.e_token_removed({ name: text("name") }), "key");
    case "session.refused":
      return bad(m.e_refused({ reason: text("reason") }), "key");
    case "session.opened":
      return quiet(m.e_session_opened({ name: text("name"), address: text("address") }), "person");
    case "session.ended":
      return quiet(m.e_session_ended({ name: text("name") }), "out");
    case "account.created":
      return quiet(m.e_account_created({ name: text("name"), role: text("role") }), "person");
    case "account.changed":
      return quiet(m.e_account_changed({ name: text("name"), what: text("what") }), "person");
    case "account.removed":
      return quiet(m.e_account_removed({ name: text("name") }), "out");
    case "hub.started":
      return quiet(m.e_started({ version: text("version") }), "home");
    case "hub.stopped":
      return quiet(m.e_stopped(), "home");
    case "hub.degraded":
      return bad(m.e_degraded({ what: text("what"), reason: text("reason") }));
    case "hub.recovered":
      return quiet(m.e_recovered({ what: text("what") }), "check");
    default: {
      const more = tellMore(entry);
      if (more !== null) return more;
      // A newer hub may tell of things that this page has no sentence for yet.
      return quiet(`${entry.kind} ${plain(data)}`.trim(), "list");
    }
  }
}

function opName(op: "lock" | "unlock" | "unlatch"): string {
  return op === "lock" ? m.op_lock() : op === "unlock" ? m.op_unlock() : m.op_unlatch();
}

function plain(data: Record<string, unknown>): string {
  return Object.entries(data)
    .filter(([, value]) => typeof value === "string" || typeof value === "number")
    .map(([key, value]) => `${key}: ${String(value)}`)
    .join(", ");
}

/// Whom or what it is about.
export function subject(entry: Entry): string {
  const device = entry.lock ?? entry.alarm;
  if (device !== null) return house.deviceName(device);
  if (entry.person !== null) return house.personName(entry.person) ?? entry.person;
  return m.the_hub();
}

/// Kinds that a person may ask for alone.
export const KINDS: Record<string, () => string> = {
  "lock.operated": () => m.k_operated(),
  "lock.logged": () => m.k_logged(),
  "lock.door": () => m.k_door(),
  "lock.keypad_denied": () => m.k_denied(),
  "lock.jammed": () => m.k_jammed(),
  "lock.battery": () => m.k_battery(),
  "command.ended": () => m.k_commands(),
  "credential.changed": () => m.k_credentials(),
  "slot.synced": () => m.k_slots(),
  "incident.opened": () => m.k_incidents(),
  "drill.ended": () => m.k_drills(),
  "alarm.raised": () => m.k_raised(),
  "alarm.tested": () => m.k_tested(),
  "device.included": () => m.k_included(),
  "session.opened": () => m.k_sessions(),
  "session.refused": () => m.k_refused(),
  "hub.degraded": () => m.k_degraded(),
};
