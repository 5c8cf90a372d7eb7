/// Journal entries about people, codes and emergencies as sentences.
import type { Entry } from "../api/client.ts";
import type { Told } from "./entry.ts";
import { house } from "../live/house.svelte.ts";
import { hazard } from "./alarm.ts";
import { m } from "./language.ts";
import { concern } from "./reason.ts";
import { because } from "./safety.ts";
import { moment } from "./time.ts";

const quiet = (text: string, icon: Told["icon"]): Told => ({ text, icon, tone: "unsure" });
const good = (text: string, icon: Told["icon"] = "check"): Told => ({ text, icon, tone: "good" });
const bad = (text: string, icon: Told["icon"] = "warning"): Told => ({ text, icon, tone: "bad" });

/// What happened; `null` for kinds that are none of these.
export function tellMore(entry: Entry): Told | null {
  const data = entry.data as Record<string, unknown>;
  const text = (key: string): string => (typeof data[key] === "string" ? data[key] : "");
  const number = (key: string): number => (typeof data[key] === "number" ? data[key] : 0);
  const danger = (): string => {
    const what = text("hazard");
    return what === "smoke" || what === "co" || what === "heat" ? hazard(what) : m.nav_emergency();
  };
  const changed = (): string => {
    switch (text("change")) {
      case "added":
        return m.h_added();
      case "removed":
        return m.h_removed();
      case "rotated":
        return m.h_rotated();
      case "adopted":
        return m.h_adopted();
      case "began":
        return m.h_began();
      case "expired":
        return m.h_expired();
      case "used_up":
        return m.h_used_up();
      case "not_replaced":
        return m.h_not_replaced();
      default:
        return m.h_changed();
    }
  };
  const slot = number("slot");
  switch (entry.kind) {
    case "person.changed":
      return quiet(`${text("name")}: ${changed()}`, "person");
    case "credential.changed":
      return quiet(m.e_credential({ change: changed() }), "key");
    case "credential.revealed":
      return bad(m.e_revealed({ by: text("by") }), "key");
    case "credential.used":
      return quiet(m.e_used(), "key");
    case "credential.misused":
      return bad(m.e_misused(), "key");
    case "slot.pending":
      return quiet(m.e_slot_pending({ slot }), "clock");
    case "slot.synced":
      return good(m.e_slot_synced({ slot }));
    case "slot.drifted":
      return bad(m.e_slot_drifted({ slot }));
    case "slot.decided":
      return quiet(m.e_slot_decided({ by: text("by"), slot }), "key");
    case "slot.stuck":
      return bad(m.e_slot_stuck({ slot, reason: text("reason") }));
    case "lock.codes_changed":
      return bad(m.e_codes_changed(), "key");
    case "lock.codes_lost":
      return bad(m.e_codes_lost(), "key");
    case "lock.refilled":
      return good(m.e_refilled({ by: text("by") }), "key");
    case "lock.forgotten":
      return quiet(m.e_forgotten({ by: text("by") }), "key");
    case "incident.opened":
      return bad(m.e_incident_opened({ hazard: danger() }), "siren");
    case "incident.joined":
      return bad(m.e_incident_joined({ hazard: danger() }), "siren");
    case "incident.pending":
      return bad(m.e_incident_pending({ seconds: number("window_s") }), "clock");
    case "incident.cancelled":
      return quiet(m.e_incident_cancelled({ by: text("by"), reason: text("reason") }), "cross");
    case "incident.released":
      return bad(
        m.e_incident_released({ why: because(text("why"), (id) => house.deviceName(id)) }),
        "unlocked",
      );
    case "incident.door_opened":
      return good(m.e_incident_door({ seconds: (number("latency_ms") / 1000).toFixed(1) }), "unlocked");
    case "incident.door_relocked":
      return bad(m.e_incident_relocked(), "locked");
    case "incident.door_locked_by_hand":
      return quiet(m.e_incident_by_hand(), "locked");
    case "incident.review_opened":
      return bad(m.unreviewed());
    case "incident.held":
      return bad(m.s_held_text(), "unlocked");
    case "incident.clear":
      return good(m.s_restoring());
    case "incident.escalated":
      return bad(
        concern({ what: text("what"), code: text("code"), reason: text("reason") }, (id) =>
          house.deviceName(id),
        ),
      );
    case "incident.closed":
      return quiet(m.e_incident_closed({ by: text("by"), reason: text("reason") }), "check");
    case "incident.reviewed":
      return quiet(m.e_reviewed({ by: text("by"), reason: text("reason") }), "check");
    case "drill.started":
      return quiet(m.e_drill_started({ by: text("by") }), "siren");
    case "drill.ended":
      return data.passed === true ? good(m.e_drill_passed()) : bad(m.e_drill_failed());
    case "maintenance.started":
      return quiet(m.e_maintenance({ by: text("by"), reason: text("reason") }), "clock");
    case "maintenance.ended":
      return quiet(m.e_maintenance_ended(), "clock");
    case "policy.changed":
      return quiet(m.e_policy({ by: text("by") }), "siren");
    case "policy.unreadable":
      return bad(m.e_policy_unreadable({ reason: text("reason") }), "siren");
    case "security.changed":
      return quiet(
        data.confirm_unlock === true
          ? m.e_security_on({ by: text("by") })
          : m.e_security_off({ by: text("by") }),
        "key",
      );
    case "sheet.changed":
      return quiet(m.e_sheet_changed({ by: text("by") }), "list");
    case "sheet.printed":
      return quiet(m.e_sheet_printed({ by: text("by"), count: number("pins") }), "list");
    case "backup.created":
      return good(m.e_backup({ name: text("name") }));
    case "backup.restored":
      return bad(m.e_restored({ at: moment(Date.parse(text("made_at"))) }));
    case "backup.rehearsed":
      return good(m.e_rehearsed({ name: text("name") }));
    case "recovery.added":
      return quiet(m.e_recovery_added({ by: text("by"), name: text("name") }), "key");
    case "recovery.removed":
      return bad(m.e_recovery_removed({ by: text("by"), name: text("name") }), "key");
    case "radio.memory_copied":
      return good(m.e_memory_copied({ radio: text("radio") }));
    case "radio.memory_written":
      return bad(m.e_memory_written({ radio: text("radio") }));
    case "radio.memory_failed":
      return bad(m.e_memory_failed({ radio: text("radio"), reason: text("reason") }));
    case "journal.lost":
      return bad(m.e_lost({ count: number("lost") }));
    case "household.away_changed":
      return quiet(data.away === true ? m.nobody_home() : m.somebody_home(), "home");
    default:
      return null;
  }
}
