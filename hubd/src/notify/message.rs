//! What people are told of a journal entry: how serious it is, and one sentence.

use hubd_model::UnixMillis;
use serde_json::{Value, json};

use crate::config::Level;
use crate::store::StoredEntry;
use crate::store::shape::time;

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The entry's number; 0 for a test.
    pub seq: u64,
    /// How serious it is.
    pub level: Level,
    /// A few words.
    pub title: String,
    /// One sentence.
    pub text: String,
    /// The whole entry in the API's shape.
    pub event: Value,
}

/// From here down a battery is to be changed soon, in percent.
const LOW_BATTERY: u64 = 20;

/// How serious an entry is. What is not known here is daily life.
pub fn level(entry: &StoredEntry) -> Level {
    let says = |key: &str, word: &str| entry.data.get(key).and_then(Value::as_str) == Some(word);
    let look = match &*entry.kind {
        "alarm.raised" | "incident.opened" | "incident.released" | "incident.escalated"
        | "policy.unreadable" => return Level::Urgent,
        // Only what is new to an account is worth a look.
        "session.opened" => entry.data.get("familiar").and_then(Value::as_bool) != Some(true),
        "command.ended" => says("status", "jammed"),
        // A code for emergencies that opens nothing until somebody sees to it.
        "credential.changed" => says("change", "not_replaced"),
        // Who stands before an empty lock is locked out, or in.
        "lock.battery" | "alarm.battery" => {
            let percent = entry.data.get("battery_percent").and_then(Value::as_u64);
            percent.is_some_and(|percent| percent <= LOW_BATTERY)
        }
        kind => is_worth_a_look(kind),
    };
    if look { Level::Warning } else { Level::Info }
}

/// What says by its kind alone that somebody should see to it, or that somebody changed who gets in or what watches.
fn is_worth_a_look(kind: &str) -> bool {
    matches!(
        kind,
        "lock.jammed"
            | "lock.tampered"
            | "lock.keypad_locked_out"
            | "lock.trouble"
            | "lock.offline"
            | "lock.codes_lost"
            | "slot.drifted"
            | "slot.stuck"
            | "credential.misused"
            | "alarm.trouble"
            | "alarm.cleared"
            | "alarm.offline"
            | "incident.held"
            | "incident.door_locked_by_hand"
            | "incident.closed"
            | "drill.ended"
            | "maintenance.started"
            | "session.refused"
            | "account.created"
            | "account.changed"
            | "account.removed"
            | "security.changed"
            | "token.created"
            | "recovery.added"
            | "recovery.removed"
            | "device.excluded"
            | "radio.memory_failed"
            | "backup.restored"
            | "hub.degraded"
            | "hub.recovered"
    )
}

impl Message {
    /// What is told of an entry; `name` is what the household calls the device.
    pub fn of(entry: &StoredEntry, level: Level, name: Option<String>) -> Self {
        let lock = entry.lock.as_ref().map(|id| id.as_str().to_owned());
        let alarm = entry.alarm.as_ref().map(|id| id.as_str().to_owned());
        let who = name.or(lock).or(alarm);
        let what = entry.kind.replace(['.', '_'], " ");
        let title = match &who {
            Some(who) => format!("{who}: {what}"),
            None => what,
        };
        Self {
            seq: entry.seq,
            level,
            text: sentence(entry, &title),
            title,
            event: entry.to_json(),
        }
    }

    /// What the test button sends.
    pub fn test(now: UnixMillis) -> Self {
        Self {
            seq: 0,
            level: Level::Info,
            title: "Test".to_owned(),
            text: format!(
                "This is a test of hubd's notifications, sent {}. Nothing happened.",
                time(now)
            ),
            event: json!({ "kind": "test", "at": time(now) }),
        }
    }

    /// The message as JSON, for programs.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "seq": self.seq,
            "level": self.level.as_str(),
            "title": self.title,
            "text": self.text,
            "event": self.event,
        })
    }
}

/// The title, the texts of the entry that say more, and when it was.
fn sentence(entry: &StoredEntry, title: &str) -> String {
    const TOLD: [&str; 14] = [
        "bolt",
        "door",
        "hazard",
        "status",
        "op",
        "requester",
        "battery_percent",
        "name",
        "address",
        "by",
        "what",
        "reason",
        "radio",
        "role",
    ];
    let mut parts = vec![title.to_owned()];
    for key in TOLD {
        match entry.data.get(key) {
            // A sentence may have its reason in it already.
            Some(Value::String(text))
                if key == "reason" && parts.iter().any(|part| part.contains(&**text)) => {}
            Some(Value::String(text)) => parts.push(text.replace('_', " ")),
            Some(Value::Number(number)) => parts.push(number.to_string()),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {}
        }
    }
    if let Some(source) = entry.data.pointer("/via/source").and_then(Value::as_str) {
        parts.push(format!("by {source}"));
    }
    let clock = if entry.clock_synced {
        ""
    } else {
        " (the clock was not set)"
    };
    format!("{}. {}{clock}", parts.join(", "), time(entry.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, data: Value) -> StoredEntry {
        StoredEntry {
            seq: 7,
            at: UnixMillis(0),
            clock_synced: true,
            kind: kind.into(),
            lock: hubd_model::LockId::parse("lock-3").ok(),
            alarm: None,
            person: None,
            data,
        }
    }

    #[test]
    fn danger_is_urgent_and_what_needs_a_look_is_told_apart_from_daily_life() {
        let cases = [
            ("alarm.raised", json!({}), Level::Urgent),
            ("incident.opened", json!({}), Level::Urgent),
            ("policy.unreadable", json!({}), Level::Urgent),
            ("lock.tampered", json!({}), Level::Warning),
            ("session.opened", json!({"familiar": false}), Level::Warning),
            ("session.opened", json!({"familiar": true}), Level::Info),
            (
                "account.changed",
                json!({"what": "the passkey Phone was added"}),
                Level::Warning,
            ),
            ("command.ended", json!({"status": "jammed"}), Level::Warning),
            ("command.ended", json!({"status": "done"}), Level::Info),
            ("lock.operated", json!({}), Level::Info),
            ("lock.battery", json!({"battery_percent": 21}), Level::Info),
            ("lock.battery", json!({"battery_percent": 20}), Level::Warning),
            ("alarm.battery", json!({"battery_percent": 0}), Level::Warning),
            ("lock.codes_lost", json!({"codes": 12}), Level::Warning),
            ("slot.stuck", json!({"what": "write"}), Level::Warning),
            ("slot.drifted", json!({"drift": "changed"}), Level::Warning),
            ("slot.synced", json!({}), Level::Info),
            ("credential.misused", json!({}), Level::Warning),
            ("maintenance.started", json!({}), Level::Warning),
            (
                "credential.changed",
                json!({"change": "not_replaced"}),
                Level::Warning,
            ),
            ("credential.changed", json!({"change": "rotated"}), Level::Info),
            ("anything.new", json!({}), Level::Info),
        ];
        for (kind, data, expected) in cases {
            assert_eq!(level(&entry(kind, data)), expected, "{kind}");
        }
    }

    #[test]
    fn a_reason_that_stands_in_its_sentence_is_said_once() {
        let data = json!({"what": "it does not open (stuck)", "code": "jammed", "reason": "stuck"});
        let message = Message::of(
            &entry("incident.escalated", data),
            Level::Urgent,
            Some("Front door".into()),
        );
        assert!(
            message
                .text
                .starts_with("Front door: incident escalated, it does not open (stuck). "),
            "{}",
            message.text
        );
    }

    #[test]
    fn a_message_names_the_door_what_happened_and_when() {
        let entry = entry(
            "lock.operated",
            json!({"bolt": "not_fully_locked", "via": {"source": "keypad"}}),
        );
        let message = Message::of(&entry, Level::Info, Some("Front door".into()));
        assert_eq!(message.title, "Front door: lock operated");
        assert_eq!(
            message.text,
            "Front door: lock operated, not fully locked, by keypad. 1970-01-01T00:00:00.000Z"
        );
        assert_eq!(message.to_json()["event"]["seq"], 7);
    }
}
