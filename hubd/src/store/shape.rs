//! Events and commands in the contract's JSON shapes. What is here is stable: fields may be added, never renamed.

mod credentials;
pub mod lifesafety;

use hubd_core::event::{Entry, Event};
use hubd_core::view::CommandView;
use hubd_model::{CodeSlot, DeviceKind, Logged, RemovalCause, UnixMillis, Via};
use serde_json::{Map, Value, json};

use super::StoredEntry;

/// A point in time as RFC 3339 with offset, in UTC. What lies outside the calendar (years -9999 to 9999) is shown
/// as its nearest end.
pub fn time(at: UnixMillis) -> String {
    let clamped = jiff::Timestamp::from_millisecond(at.0).unwrap_or(if at.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    format!("{clamped:.3}")
}

/// How a state came about: `{"source","slot","person"}`, unknown parts left out.
pub fn via(via: &Via) -> Value {
    let mut shape = Map::new();
    shape.insert("source".into(), json!(via.source));
    if let Some(slot) = via.slot {
        shape.insert("slot".into(), json!(slot.number()));
    }
    if let Some(person) = &via.person {
        shape.insert("person".into(), json!(person.as_str()));
    }
    Value::Object(shape)
}

/// A command in the contract's shape.
pub fn command(command: &CommandView) -> Value {
    let mut shape = Map::new();
    shape.insert("id".into(), json!(command.id.as_str()));
    shape.insert("lock".into(), json!(command.lock.as_str()));
    shape.insert("op".into(), json!(command.op.as_str()));
    shape.insert("status".into(), json!(command.status.as_str()));
    shape.insert("requester".into(), json!(command.requester));
    shape.insert("requested_at".into(), json!(time(command.requested_at)));
    let times = [
        ("sent_at", command.sent_at),
        ("acknowledged_at", command.acknowledged_at),
        ("ended_at", command.ended_at),
    ];
    for (name, at) in times {
        if let Some(at) = at {
            shape.insert(name.into(), json!(time(at)));
        }
    }
    if let Some(reason) = &command.reason {
        shape.insert("reason".into(), json!(reason));
    }
    Value::Object(shape)
}

/// An entry as the outside sees it.
pub fn entry(entry: Entry) -> StoredEntry {
    StoredEntry {
        seq: entry.seq,
        at: entry.at,
        clock_synced: entry.clock_synced,
        kind: entry.event.kind().into(),
        data: data(&entry.event),
        lock: entry.lock,
        alarm: entry.alarm,
        person: entry.person,
    }
}

/// What happened, in the contract's shape of the event's kind.
pub fn data(event: &Event) -> Value {
    match event {
        Event::LockOperated { bolt, via: by } => json!({ "bolt": bolt, "via": via(by) }),
        Event::LockDoor { door } => json!({ "door": door }),
        Event::LockBattery { level } | Event::AlarmBattery { level } => {
            json!({ "battery_percent": level.percent() })
        }
        Event::LockKeypadDenied { slot } => match slot.map(CodeSlot::number) {
            Some(slot) => json!({ "slot": slot }),
            None => json!({}),
        },
        Event::LockLogged { said, clock } => {
            let mut shape = match said {
                Logged::Moved { bolt, via: by } => {
                    json!({ "event": "operated", "bolt": bolt, "via": via(by) })
                }
                Logged::Denied { slot: Some(slot) } => {
                    json!({ "event": "keypad_denied", "slot": slot.number() })
                }
                Logged::Denied { slot: None } => json!({ "event": "keypad_denied" }),
            };
            if let (Some(shape), Some(clock)) = (shape.as_object_mut(), clock) {
                shape.insert("lock_clock".into(), json!(clock.to_string()));
            }
            shape
        }
        Event::LockTrouble { what } | Event::AlarmTrouble { what } | Event::HubRecovered { what } => {
            json!({ "what": what })
        }
        Event::CommandEnded { command: ended } => command(ended),
        Event::AlarmRaised {
            hazard,
            authenticated,
            frame,
        } => json!({
            "hazard": hazard.as_str(), "authenticated": authenticated, "frame": hex(frame),
        }),
        Event::AlarmCleared { hazard } | Event::AlarmTested { hazard } | Event::AlarmSilenced { hazard } => {
            json!({ "hazard": hazard.as_str() })
        }
        Event::DeviceIncluded {
            radio,
            kind,
            model,
            security,
        } => json!({
            "radio": radio.as_str(), "kind": device_kind(*kind), "model": model, "security": security.as_str(),
        }),
        Event::DeviceExcluded { radio, cause } => {
            json!({ "radio": radio.as_str(), "cause": removal_cause(*cause) })
        }
        Event::Credentials(event) => credentials::data(event),
        Event::LifeSafety(event) => lifesafety::data(event),
        Event::TokenCreated { id, name, scope } => json!({ "id": id, "name": name, "scope": scope }),
        Event::TokenRemoved { id, name } => json!({ "id": id, "name": name }),
        Event::SessionRefused { reason } => json!({ "reason": reason }),
        Event::SessionOpened {
            account,
            name,
            address,
            agent,
            familiar,
            factor,
        } => json!({
            "account": account, "name": name, "address": address, "agent": agent, "familiar": familiar,
            "factor": factor,
        }),
        Event::SessionEnded { account, name, by } | Event::AccountRemoved { account, name, by } => {
            json!({ "account": account, "name": name, "by": by })
        }
        Event::AccountCreated {
            account,
            name,
            role,
            by,
        } => json!({ "account": account, "name": name, "role": role, "by": by }),
        Event::AccountChanged {
            account,
            name,
            what,
            by,
        } => json!({ "account": account, "name": name, "what": what, "by": by }),
        Event::SecurityChanged { by, confirm_unlock } => {
            json!({ "by": by, "confirm_unlock": confirm_unlock })
        }
        Event::SheetChanged { by } => json!({ "by": by }),
        Event::SheetPrinted { by, paper, pins } => json!({ "by": by, "paper": paper, "pins": pins }),
        Event::BackupCreated { name, recovery_keys } => {
            json!({ "name": name, "recovery_keys": recovery_keys })
        }
        Event::BackupRestored { made_at } => json!({ "made_at": made_at }),
        Event::BackupRehearsed { name, made_at } => json!({ "name": name, "made_at": made_at }),
        Event::RecoveryKeyAdded { recipient, name, by }
        | Event::RecoveryKeyRemoved { recipient, name, by } => {
            json!({ "recipient": recipient, "name": name, "by": by })
        }
        Event::DongleMemory {
            radio, by, failure, ..
        } => match failure {
            None => json!({ "radio": radio.as_str(), "by": by }),
            Some(reason) => json!({ "radio": radio.as_str(), "by": by, "reason": reason }),
        },
        Event::HubStarted { version } => json!({ "version": version }),
        Event::HubDegraded { what, reason } => json!({ "what": what, "reason": reason }),
        Event::LockJammed
        | Event::LockTampered
        | Event::LockKeypadLockedOut
        | Event::LockOnline
        | Event::LockOffline
        | Event::AlarmOnline
        | Event::AlarmOffline
        | Event::HubStopped => json!({}),
    }
}

const fn device_kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Lock => "lock",
        DeviceKind::Alarm => "alarm",
        DeviceKind::Other => "other",
    }
}

const fn removal_cause(cause: RemovalCause) -> &'static str {
    match cause {
        RemovalCause::Excluded => "excluded",
        RemovalCause::ResetLocally => "reset_locally",
        RemovalCause::Failed => "failed",
        RemovalCause::Unknown => "unknown",
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The bytes of a hexadecimal text; `None` when it is none.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubd_core::view::CommandStatus;
    use hubd_model::{
        BatteryPercent, BoltState, CommandId, Hazard, LockClock, LockId, LockOp, PersonId, RadioName,
        Security, Source,
    };

    #[test]
    fn shapes_are_the_contracts() {
        let door = LockId::parse("front").unwrap();
        let ended = CommandView {
            id: CommandId::parse("c-1").unwrap(),
            lock: door,
            op: LockOp::Unlock,
            requester: "Ada".into(),
            status: CommandStatus::TimedOut,
            requested_at: UnixMillis(1_700_000_000_000),
            sent_at: Some(UnixMillis(1_700_000_000_004)),
            acknowledged_at: None,
            ended_at: Some(UnixMillis(1_700_000_010_000)),
            reason: Some("no answer".into()),
        };
        let by = Via {
            source: Source::Keypad,
            slot: CodeSlot::new(3),
            person: Some(PersonId::parse("ada").unwrap()),
        };
        let radio = RadioName::parse("zwave").unwrap();
        let level = BatteryPercent::new(87).unwrap();
        let cases = [
            (
                Event::LockOperated {
                    bolt: BoltState::NotFullyLocked,
                    via: by,
                },
                json!({"bolt":"not_fully_locked","via":{"source":"keypad","slot":3,"person":"ada"}}),
            ),
            (
                Event::LockOperated {
                    bolt: BoltState::Locked,
                    via: Via::source(Source::Auto),
                },
                json!({"bolt":"locked","via":{"source":"auto"}}),
            ),
            (Event::LockBattery { level }, json!({"battery_percent":87})),
            (Event::LockKeypadDenied { slot: None }, json!({})),
            (
                Event::LockLogged {
                    said: Logged::Moved {
                        bolt: BoltState::Unlocked,
                        via: Via::slot(Source::Keypad, CodeSlot::new(3)),
                    },
                    clock: LockClock::new(2026, 11, 28, 4, 31, 5),
                },
                json!({"event":"operated","bolt":"unlocked","via":{"source":"keypad","slot":3},
                       "lock_clock":"2026-11-28T04:31:05"}),
            ),
            (
                Event::LockLogged {
                    said: Logged::Denied { slot: None },
                    clock: None,
                },
                json!({"event":"keypad_denied"}),
            ),
            (
                Event::AlarmRaised {
                    hazard: Hazard::Co,
                    authenticated: true,
                    frame: vec![0x71, 5, 0xAB],
                },
                json!({"hazard":"co","authenticated":true,"frame":"7105ab"}),
            ),
            (
                Event::CommandEnded { command: ended },
                json!({"id":"c-1","lock":"front","op":"unlock","status":"timed_out","requester":"Ada",
                       "requested_at":"2023-11-14T22:13:20.000Z","sent_at":"2023-11-14T22:13:20.004Z",
                       "ended_at":"2023-11-14T22:13:30.000Z","reason":"no answer"}),
            ),
            (
                Event::DeviceIncluded {
                    radio: radio.clone(),
                    kind: DeviceKind::Lock,
                    model: "M".into(),
                    security: Security::S2AccessControl,
                },
                json!({"radio":"zwave","kind":"lock","model":"M","security":"s2_access_control"}),
            ),
            (
                Event::DeviceExcluded {
                    radio,
                    cause: RemovalCause::ResetLocally,
                },
                json!({"radio":"zwave","cause":"reset_locally"}),
            ),
            (Event::HubStopped, json!({})),
        ];
        for (event, expected) in cases {
            assert_eq!(data(&event), expected, "{}", event.kind());
        }
    }

    #[test]
    fn any_time_has_a_text() {
        assert_eq!(time(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert!(time(UnixMillis(i64::MAX)).starts_with("9999-"));
        assert!(time(UnixMillis(i64::MIN)).starts_with("-009999-"));
    }
}
