//! Journal entries as sentences for somebody who watches.

use std::collections::BTreeMap;

use hubd_sim::home::Home;
use serde_json::Value;

use super::telling_more;
use crate::store::StoredEntry;

/// What is included later is the lock of the shed.
const NEWCOMER: &str = "Shed";

/// Who is who in the simulated home.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Device names by node id.
    by_node: BTreeMap<u16, &'static str>,
    /// Names by the hub's ids.
    by_id: BTreeMap<String, String>,
    /// People by slot, from slot 1 on.
    people: Vec<String>,
    first_lock: Option<String>,
}

impl Names {
    pub(super) fn new(home: &Home) -> Self {
        let by_node = home
            .members
            .iter()
            .filter_map(|(key, name)| Some((home.dongle.node_of(*key)?, *name)))
            .collect();
        Self {
            by_node,
            by_id: BTreeMap::new(),
            people: home.people.clone(),
            first_lock: None,
        }
    }

    /// Learns of a device; the name that it shall get, when it has another.
    pub(super) fn learn(&mut self, id: &str, address: &str, name: &str) -> Option<String> {
        let node: u16 = address.rsplit('/').next()?.parse().ok()?;
        let wanted = self.by_node.get(&node).copied().unwrap_or(NEWCOMER);
        if id.starts_with("lock") && (self.first_lock.is_none() || node == 2) {
            self.first_lock = Some(id.to_owned());
        }
        self.by_id.insert(id.to_owned(), wanted.to_owned());
        (wanted != name).then(|| wanted.to_owned())
    }

    /// Whether every device that was there from the start is known.
    pub(super) fn knows_all(&self) -> bool {
        self.by_id.len() >= self.by_node.len()
    }

    pub(super) fn first_lock(&self) -> Option<&str> {
        self.first_lock.as_deref()
    }

    /// What an entry says; `None` for what nobody watches for.
    pub(super) fn sentence(&self, entry: &StoredEntry) -> Option<String> {
        let id = entry.lock.as_ref().map(hubd_model::LockId::as_str);
        let id = id.or_else(|| entry.alarm.as_ref().map(hubd_model::AlarmId::as_str));
        let who = id.map_or("a device that the hub does not know yet", |id| self.called(id));
        let text = |key: &str| entry.data.get(key).and_then(Value::as_str).unwrap_or("?");
        Some(match &*entry.kind {
            "lock.operated" => format!(
                "{who}: {}{}",
                plain(text("bolt")),
                self.by_what(entry.data.get("via"))
            ),
            "lock.jammed" => format!("{who}: JAMMED, the bolt could not finish its movement"),
            "lock.door" => format!("{who}: the door is {}", text("door")),
            "lock.battery" | "alarm.battery" => {
                let percent = entry
                    .data
                    .get("battery_percent")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                format!("{who}: battery at {percent} %")
            }
            "lock.tampered" => format!("{who}: somebody tampers with it"),
            "lock.logged" => {
                let what = if text("event") == "keypad_denied" {
                    "a wrong code was typed".to_owned()
                } else {
                    format!("{}{}", plain(text("bolt")), self.by_what(entry.data.get("via")))
                };
                format!(
                    "{who}: its own record says: {what}, at {} by its clock",
                    text("lock_clock")
                )
            }
            "lock.keypad_denied" => format!("{who}: a wrong code was typed"),
            "lock.keypad_locked_out" => {
                format!("{who}: too many wrong codes, the keypad is shut for a while")
            }
            "lock.online" | "alarm.online" => format!("{who}: answers again"),
            "lock.offline" | "alarm.offline" => format!("{who}: does not answer"),
            "lock.trouble" | "alarm.trouble" => format!("{who}: {}", text("what")),
            "command.ended" => {
                let reason = entry.data.get("reason").and_then(Value::as_str);
                let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!(
                    "{who}: {} asked by {} ended: {}{reason}",
                    text("op"),
                    text("requester"),
                    plain(text("status"))
                )
            }
            "alarm.raised" => format!("{who}: ALARM, {}", text("hazard")),
            "alarm.cleared" => format!("{who}: the {} is gone", text("hazard")),
            "alarm.tested" => format!(
                "{who}: its {} test button was pressed; a test opens no door",
                text("hazard")
            ),
            "alarm.silenced" => format!("{who}: somebody silenced the {} alarm", text("hazard")),
            "device.included" if id.is_none() => {
                format!("a device joined the network, link {}", text("security"))
            }
            "device.included" => format!(
                "{who}: {} ({}), link {}",
                text("kind"),
                text("model"),
                text("security")
            ),
            "device.excluded" => format!("{who}: left the network"),
            "session.refused" => format!("a request was refused: {}", text("reason")),
            "hub.started" => "the hub starts".to_owned(),
            "hub.stopped" => "the hub stopped in good order".to_owned(),
            "hub.degraded" => format!("{} does not work: {}", text("what"), text("reason")),
            "hub.recovered" => format!("{} works again", text("what")),
            "token.created" => format!("a token named {} was made", text("name")),
            "token.removed" => format!("the token named {} was removed", text("name")),
            _ => return telling_more::sentence(self, who, entry),
        })
    }

    /// What a device is called.
    pub(super) fn called<'a>(&'a self, id: &'a str) -> &'a str {
        self.by_id.get(id).map_or(id, String::as_str)
    }

    fn by_what(&self, via: Option<&Value>) -> String {
        let source = via
            .and_then(|via| via.get("source"))
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        let slot = via.and_then(|via| via.get("slot")).and_then(Value::as_u64);
        let person = slot.and_then(|slot| {
            let index = usize::try_from(slot).ok()?.checked_sub(1)?;
            self.people.get(index)
        });
        match (source, slot, person) {
            ("keypad", Some(slot), Some(person)) => format!(" at the keypad, code {slot} ({person})"),
            ("keypad", Some(slot), None) => format!(" at the keypad, code {slot}"),
            ("keypad", None, _) => " at the keypad".to_owned(),
            ("manual", ..) => " by hand".to_owned(),
            ("remote", ..) => " by radio".to_owned(),
            ("auto", ..) => " by itself".to_owned(),
            ("unknown", ..) => String::new(),
            (other, ..) => format!(" by {other}"),
        }
    }
}

pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use hubd_model::{LockId, MonoTime, UnixMillis};
    use hubd_zwave::security::NetworkKeys;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(1));
        Names::new(&Home::new(MonoTime::default(), &keys, 1, 60).expect("room"))
    }

    #[test]
    fn a_device_gets_the_name_of_its_door_once() {
        let mut names = names();
        assert_eq!(
            names.learn("lock-3", "d00d0001/2", "Lock"),
            Some("Front door".to_owned())
        );
        assert_eq!(names.learn("lock-3", "d00d0001/2", "Front door"), None);
        assert_eq!(
            names.learn("lock-9", "d00d0001/9", "Lock 2"),
            Some("Shed".to_owned())
        );
        assert_eq!(names.first_lock(), Some("lock-3"));
    }

    #[test]
    fn an_operation_names_the_door_the_way_and_the_person() {
        let mut names = names();
        names.learn("lock-3", "d00d0001/2", "Lock");
        let entry = |data| StoredEntry {
            seq: 1,
            at: UnixMillis(0),
            clock_synced: true,
            kind: "lock.operated".into(),
            lock: LockId::parse("lock-3").ok(),
            alarm: None,
            person: None,
            data,
        };
        for (via, expected) in [
            (
                json!({ "source": "keypad", "slot": 2 }),
                "Front door: unlocked at the keypad, code 2 (Ben)",
            ),
            (
                json!({ "source": "keypad", "slot": 77 }),
                "Front door: unlocked at the keypad, code 77",
            ),
            (json!({ "source": "manual" }), "Front door: unlocked by hand"),
            (json!({ "source": "unknown" }), "Front door: unlocked"),
        ] {
            let entry = entry(json!({ "bolt": "unlocked", "via": via }));
            assert_eq!(names.sentence(&entry).as_deref(), Some(expected));
        }
    }
}
