//! Smoke, carbon monoxide and heat detectors: from Notification events to the household's words.
//!
//! Only `Raised` is danger. A test, a silenced horn, dirt or an old age are never `Raised`; an event that this hub has
//! no word for is told as trouble and not swallowed. Which event number means what differs between the three:
//!
//! ```text
//!                      smoke (1)   CO (2)      heat (4)
//! detected             1, 2        1, 2        1, 2; rapid rise 3, 4
//! test                 3           3           7
//! silenced             6           6           9
//! replace, end of life 4, 5        4, 5        8
//! inspection, dust     7, 8        7           11, 10
//! cold (no danger)     -           -           5, 6; rapid fall 12, 13
//! ```
//!
//! The odd one of each pair of detections (1 and 3) carries a location. Event 0 ends a state: its parameter is the
//! event that ended.
//!
//! Spec: CC:0071, list of assigned notifications, Smoke Alarm, CO Alarm, Heat Alarm.

use hubd_model::{AlarmSignal, Hazard};

use crate::signal::{Signal, trouble};
use crate::wire::cc::notification::{Notification, kind};

/// What an event of type smoke, carbon monoxide or heat means; nothing for other types.
pub(crate) fn notified(notification: &Notification) -> Vec<Signal> {
    let hazard = match notification.notification_type {
        kind::SMOKE => Hazard::Smoke,
        kind::CO => Hazard::Co,
        kind::HEAT => Hazard::Heat,
        _ => return Vec::new(),
    };
    match notification.event {
        0x00 => ended(hazard, notification.parameters.first().copied()),
        event => happened(hazard, event, &notification.parameters),
    }
}

fn one(signal: AlarmSignal) -> Vec<Signal> {
    vec![Signal::Alarm(signal)]
}

/// A state has ended. Without a parameter every state has, and the danger with them.
fn ended(hazard: Hazard, event: Option<u8>) -> Vec<Signal> {
    match event {
        None | Some(0x00..=0x02) => one(AlarmSignal::Cleared(hazard)),
        Some(_) => Vec::new(),
    }
}

fn happened(hazard: Hazard, event: u8, parameters: &[u8]) -> Vec<Signal> {
    match (hazard, event) {
        (_, 0x01 | 0x02) | (Hazard::Heat, 0x03 | 0x04) => one(AlarmSignal::Raised(hazard)),
        (Hazard::Smoke, 0x03) | (Hazard::Heat, 0x07) => one(AlarmSignal::Tested(hazard)),
        (Hazard::Co, 0x03) => co_test(parameters),
        (Hazard::Smoke | Hazard::Co, 0x04 | 0x05) | (Hazard::Heat, 0x08) => {
            one(AlarmSignal::EndOfLife(hazard))
        }
        (Hazard::Smoke | Hazard::Co, 0x06) | (Hazard::Heat, 0x09) => one(AlarmSignal::Silenced(hazard)),
        (Hazard::Smoke, 0x07 | 0x08) | (Hazard::Co, 0x07) | (Hazard::Heat, 0x0A | 0x0B) => {
            one(AlarmSignal::Maintenance(hazard))
        }
        (Hazard::Heat, 0x05 | 0x06) => trouble("It detects that it is too cold."),
        (Hazard::Heat, 0x0C | 0x0D) => trouble("It detects that the temperature falls quickly."),
        (_, event) => vec![Signal::Trouble(format!(
            "It reports {} event {event:#04x}, for which this hub has no word; look at the detector.",
            hazard.as_str()
        ))],
    }
}

/// The test of a carbon monoxide detector may say how it went: 1 well, 2 failed.
fn co_test(parameters: &[u8]) -> Vec<Signal> {
    let mut said = one(AlarmSignal::Tested(Hazard::Co));
    if parameters == [0x02] {
        said.extend(trouble(
            "Its test failed; test it again and replace it if that fails too.",
        ));
    }
    said
}

/// The makers' own numbers, as First Alert detectors send them: 1 smoke, 2 carbon monoxide, 12 the test button, each
/// with level 0 when it is over; 13 comes hourly and says only that the detector lives.
///
/// Source: the `ZCOMBO` and `ZSMOKE` handlers of SmartThings, Hubitat and zwave-js. Some of them take 13 for "all
/// clear"; a detector that counts its hours in a fire must not end the alarm.
pub(crate) fn legacy(alarm_type: u8, alarm_level: u8) -> Vec<Signal> {
    match (alarm_type, alarm_level) {
        (0x01, 0) => one(AlarmSignal::Cleared(Hazard::Smoke)),
        (0x01, _) => one(AlarmSignal::Raised(Hazard::Smoke)),
        (0x02, 0) => one(AlarmSignal::Cleared(Hazard::Co)),
        (0x02, _) => one(AlarmSignal::Raised(Hazard::Co)),
        (12, 1..) => one(AlarmSignal::Tested(Hazard::Smoke)),
        (0 | 12 | 13, _) | (_, 0) => Vec::new(),
        (alarm_type, level) => vec![Signal::Trouble(format!(
            "It reports alarm {alarm_type} with level {level}, for which this hub has no word; look at the detector."
        ))],
    }
}

#[cfg(test)]
mod tests {
    use AlarmSignal::{Cleared, EndOfLife, Maintenance, Raised, Silenced, Tested};
    use Hazard::{Co, Heat, Smoke};

    use super::*;

    fn said(notification_type: u8, event: u8, parameters: &[u8]) -> Vec<Signal> {
        notified(&Notification {
            zensor_node: 0,
            status: 0xFF,
            notification_type,
            event,
            parameters: parameters.to_vec(),
            sequence: None,
        })
    }

    #[test]
    fn every_event_of_the_list() {
        let table = [
            (
                kind::SMOKE,
                &[
                    (1, Raised(Smoke)),
                    (2, Raised(Smoke)),
                    (3, Tested(Smoke)),
                    (4, EndOfLife(Smoke)),
                    (5, EndOfLife(Smoke)),
                    (6, Silenced(Smoke)),
                    (7, Maintenance(Smoke)),
                    (8, Maintenance(Smoke)),
                ][..],
            ),
            (
                kind::CO,
                &[
                    (1, Raised(Co)),
                    (2, Raised(Co)),
                    (3, Tested(Co)),
                    (4, EndOfLife(Co)),
                    (5, EndOfLife(Co)),
                    (6, Silenced(Co)),
                    (7, Maintenance(Co)),
                ],
            ),
            (
                kind::HEAT,
                &[
                    (1, Raised(Heat)),
                    (2, Raised(Heat)),
                    (3, Raised(Heat)),
                    (4, Raised(Heat)),
                    (7, Tested(Heat)),
                    (8, EndOfLife(Heat)),
                    (9, Silenced(Heat)),
                    (10, Maintenance(Heat)),
                    (11, Maintenance(Heat)),
                ],
            ),
        ];
        for (notification_type, events) in table {
            for (event, signal) in events {
                assert_eq!(
                    said(notification_type, *event, &[]),
                    vec![Signal::Alarm(*signal)],
                    "type {notification_type} event {event}"
                );
            }
        }
    }

    #[test]
    fn only_the_end_of_danger_clears() {
        let cleared = vec![Signal::Alarm(Cleared(Smoke))];
        for (parameters, expected) in [
            (&[][..], cleared.clone()),
            (&[2], cleared.clone()),
            (&[1], cleared),
            // A test, a silence and an inspection that end.
            (&[3], vec![]),
            (&[6], vec![]),
            (&[7], vec![]),
        ] {
            assert_eq!(said(kind::SMOKE, 0, parameters), expected, "{parameters:?}");
        }
    }

    #[test]
    fn no_event_but_a_detection_is_danger_and_none_is_swallowed() {
        for notification_type in [kind::SMOKE, kind::CO, kind::HEAT] {
            for event in 1..=u8::MAX {
                let said = said(notification_type, event, &[]);
                assert!(!said.is_empty(), "type {notification_type} event {event}");
                let raised = said
                    .iter()
                    .any(|signal| matches!(signal, Signal::Alarm(Raised(_))));
                let detects = event <= 2 || (notification_type == kind::HEAT && event <= 4);
                assert_eq!(raised, detects, "type {notification_type} event {event}");
            }
        }
    }

    #[test]
    fn a_failed_test_is_trouble_too() {
        assert_eq!(said(kind::CO, 3, &[1]), vec![Signal::Alarm(Tested(Co))]);
        assert_eq!(said(kind::CO, 3, &[2]).len(), 2);
    }

    #[test]
    fn numbers_of_old_detectors() {
        for (alarm_type, level, expected) in [
            (1, 255, vec![Signal::Alarm(Raised(Smoke))]),
            (1, 0, vec![Signal::Alarm(Cleared(Smoke))]),
            (2, 255, vec![Signal::Alarm(Raised(Co))]),
            (2, 0, vec![Signal::Alarm(Cleared(Co))]),
            (12, 255, vec![Signal::Alarm(Tested(Smoke))]),
            (12, 0, vec![]),
            (13, 255, vec![]),
            (0, 0, vec![]),
        ] {
            assert_eq!(
                legacy(alarm_type, level),
                expected,
                "type {alarm_type} level {level}"
            );
        }
        assert!(matches!(legacy(9, 255).as_slice(), [Signal::Trouble(_)]));
    }
}
