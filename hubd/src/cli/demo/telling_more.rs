//! Journal entries about emergencies, people and their codes as sentences for somebody who watches.

use serde_json::Value;

use super::telling::{Names, plain};
use crate::store::StoredEntry;

/// What an entry says about `who`; `None` for what nobody watches for.
pub(super) fn sentence(names: &Names, who: &str, entry: &StoredEntry) -> Option<String> {
    let text = |key: &str| entry.data.get(key).and_then(Value::as_str).unwrap_or("?");
    let number = |key: &str| entry.data.get(key).and_then(Value::as_u64);
    let doors = || doors(names, entry.data.get("doors"));
    let slot = || number("slot").map_or_else(String::new, |slot| format!(", slot {slot}"));
    Some(match &*entry.kind {
        "policy.changed" => match entry.data.get("enabled").and_then(Value::as_bool) {
            Some(true) => format!("in an emergency these doors are opened from now on: {}", doors()),
            _ => "in an emergency no door is opened from now on".to_owned(),
        },
        "policy.unreadable" => format!(
            "NO DOOR WOULD BE OPENED in an emergency: {}; set the policy anew",
            text("reason")
        ),
        "incident.opened" => match entry.data.get("hazard").and_then(Value::as_str) {
            Some(hazard) => format!("EMERGENCY: {hazard}"),
            None => "EMERGENCY: a person calls for help".to_owned(),
        },
        "incident.pending" => format!(
            "emergency: {} will open in {} s unless a person calls it off: {}",
            doors(),
            number("window_s").unwrap_or(0),
            text("why")
        ),
        "incident.released" => format!("emergency: the hub opens {}: {}", doors(), text("why")),
        "incident.door_opened" => match number("latency_ms") {
            Some(ms) => format!("{who}: open for the helpers, {ms} ms after the alarm"),
            None => format!("{who}: open for the helpers"),
        },
        "incident.door_relocked" => format!("{who}: locked itself in the emergency; the hub opens it again"),
        "incident.door_locked_by_hand" => {
            format!("{who}: somebody locked it in the emergency, and it stays so")
        }
        "incident.escalated" => format!("LOOK AT IT: {}", text("what")),
        "incident.held" => "emergency: every chosen door is open, and is kept open".to_owned(),
        "incident.clear" => format!(
            "emergency: the danger is over; the hub locks nothing by itself, a person locks {}",
            doors()
        ),
        "incident.cancelled" => format!(
            "emergency: {} called the release off: {}",
            text("by"),
            text("reason")
        ),
        "incident.closed" => format!("emergency: ended by {}: {}", text("by"), text("reason")),
        "incident.review_opened" => "emergency: doors stood open; a person has to say what it was".to_owned(),
        "incident.reviewed" => format!("emergency: {} says what it was: {}", text("by"), text("reason")),
        "drill.started" => match entry.data.get("dry").and_then(Value::as_bool) {
            Some(true) => format!("a dry drill, asked for by {}: no door moves", text("by")),
            _ => format!("a drill, asked for by {}: the doors open", text("by")),
        },
        "drill.ended" => match entry.data.get("passed").and_then(Value::as_bool) {
            Some(true) => "the drill passed".to_owned(),
            _ => "the drill did NOT pass; its report says why".to_owned(),
        },
        "maintenance.started" => format!(
            "detectors are worked on for {} minutes, says {}: alarms open nothing",
            number("minutes").unwrap_or(0),
            text("by")
        ),
        "maintenance.ended" => "the work on detectors is over: alarms count again".to_owned(),
        "person.changed" => format!("{}: this person was {}", text("name"), plain(text("change"))),
        "credential.changed" => match text("change") {
            "began" => "the time of a code has begun".to_owned(),
            "expired" => "the time of a code is over".to_owned(),
            change => format!("a code or key was {}", plain(change)),
        },
        "credential.revealed" => format!("{} looked at a PIN", text("by")),
        "slot.synced" => format!("{who}: holds what is wanted{}", slot()),
        "slot.drifted" => format!("{who}: holds something else than wanted{}", slot()),
        "slot.stuck" => format!(
            "{who}: cannot be made to hold what is wanted{}: {}",
            slot(),
            text("reason")
        ),
        "lock.codes_lost" => format!("{who}: lost its codes; a person confirms that they are written again"),
        _ => return None,
    })
}

/// Doors by name.
fn doors(names: &Names, doors: Option<&Value>) -> String {
    let doors: Vec<&str> = doors
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|id| names.called(id))
        .collect();
    if doors.is_empty() {
        "no door".to_owned()
    } else {
        doors.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use hubd_model::{LockId, MonoTime, UnixMillis};
    use hubd_zwave::security::NetworkKeys;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use serde_json::json;

    use super::*;
    use hubd_sim::home::Home;

    #[test]
    fn an_emergency_is_told_by_the_names_of_its_doors() {
        let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let mut names = Names::new(&Home::new(MonoTime::default(), &keys, 1, 60).expect("room"));
        names.learn("lock-2", "d00d0001/2", "Lock");
        let told = |kind: &str, lock: Option<&str>, data| {
            let entry = StoredEntry {
                seq: 1,
                at: UnixMillis(0),
                clock_synced: true,
                kind: kind.into(),
                lock: lock.and_then(|lock| LockId::parse(lock).ok()),
                alarm: None,
                person: None,
                data,
            };
            names.sentence(&entry)
        };
        for (kind, lock, data, expected) in [
            (
                "incident.opened",
                None,
                json!({"hazard": "smoke"}),
                "EMERGENCY: smoke",
            ),
            (
                "incident.released",
                None,
                json!({"doors": ["lock-2", "lock-9"], "why": "smoke at once"}),
                "emergency: the hub opens Front door, lock-9: smoke at once",
            ),
            (
                "incident.door_opened",
                Some("lock-2"),
                json!({"latency_ms": 812}),
                "Front door: open for the helpers, 812 ms after the alarm",
            ),
            (
                "policy.changed",
                None,
                json!({"enabled": false, "doors": []}),
                "in an emergency no door is opened from now on",
            ),
            (
                "slot.synced",
                Some("lock-2"),
                json!({"slot": 4}),
                "Front door: holds what is wanted, slot 4",
            ),
        ] {
            assert_eq!(told(kind, lock, data).as_deref(), Some(expected));
        }
    }
}
