//! Notification, in its first two versions called Alarm: what happened at a device.
//!
//! Spec: CC:0071, versions 1 to 8. A report has up to two parts: the maker's own alarm type and level (version 1),
//! and the standard's notification type and event (since version 2). What the numbers mean is in [`crate::lock`] and
//! [`crate::alarm`].

use std::collections::BTreeSet;
use std::fmt;

use super::codec::{Fault, Hidden, bit_mask, bit_set, flag, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

/// Notification types.
///
/// Spec: CC:0071, list of assigned notification types.
pub mod kind {
    /// Smoke.
    pub const SMOKE: u8 = 0x01;
    /// Carbon monoxide.
    pub const CO: u8 = 0x02;
    /// Carbon dioxide.
    pub const CO2: u8 = 0x03;
    /// Heat.
    pub const HEAT: u8 = 0x04;
    /// Water.
    pub const WATER: u8 = 0x05;
    /// Locks and doors.
    pub const ACCESS_CONTROL: u8 = 0x06;
    /// Burglars and tampering.
    pub const HOME_SECURITY: u8 = 0x07;
    /// Mains and batteries.
    pub const POWER_MANAGEMENT: u8 = 0x08;
    /// The device itself.
    pub const SYSTEM: u8 = 0x09;
    /// Somebody calls for help.
    pub const EMERGENCY: u8 = 0x0A;
}

/// A Notification command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report which events of this notification type you know.
    EventSupportedGet(u8),
    /// Which events of a notification type the device knows.
    EventSupportedReport(EventSupportedReport),
    /// Report the last or a certain event.
    Get(Get),
    /// Something happened, or the answer to a Get.
    Report(Report),
    /// Turn the reports of a notification type on or off.
    Set(Set),
    /// Report which notification types you know.
    SupportedGet,
    /// Which notification types the device knows.
    SupportedReport(SupportedReport),
}

/// Which events of a notification type the device knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSupportedReport {
    /// The notification type.
    pub notification_type: u8,
    /// The events, each below 248.
    pub events: BTreeSet<u8>,
}

/// Which event to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Get {
    /// The maker's alarm type; 0 since version 2.
    pub alarm_type: u8,
    /// The standard's event; since version 2.
    pub notification: Option<Selector>,
}

/// An event by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    /// The notification type; 0xFF is the oldest of any type that was not reported yet.
    pub notification_type: u8,
    /// The event; 0 with type 0xFF; since version 3.
    pub event: Option<u8>,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The maker's alarm type; 0 when the device does not use it.
    pub alarm_type: u8,
    /// The maker's alarm level, whose meaning depends on the type.
    pub alarm_level: u8,
    /// What happened in the standard's words; since version 2.
    pub notification: Option<Notification>,
}

/// What happened in the standard's words.
#[derive(Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "the standard's name for the field, as in the other commands"
)]
pub struct Notification {
    /// Which node of a Zensor network it came from (versions 2 and 3), else 0.
    pub zensor_node: u8,
    /// Whether reports of this type are on (0xFF) or off (0x00); 0xFE when there is nothing to report.
    pub status: u8,
    /// The notification type.
    pub notification_type: u8,
    /// The event within the type; 0 when a state has ended, 0xFE when the device has no number for it.
    pub event: u8,
    /// More about the event, at most 31 bytes; may hold an encapsulated User Code Report and with it a PIN.
    pub parameters: Vec<u8>,
    /// Counts the reports; since version 3.
    pub sequence: Option<u8>,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("status", &self.status)
            .field("notification_type", &self.notification_type)
            .field("event", &self.event)
            .field("parameters", &Hidden(&self.parameters))
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// Turns the reports of a notification type on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// The notification type.
    pub notification_type: u8,
    /// On (0xFF) or off (0x00).
    pub status: u8,
}

/// Which notification types the device knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedReport {
    /// Whether it uses the maker's alarm types too.
    pub v1_alarm: bool,
    /// The notification types, each below 248.
    pub types: BTreeSet<u8>,
}

/// The part since version 2. A report may be cut off behind the event; what is there counts.
fn notification(reader: &mut Reader<'_>) -> Option<Notification> {
    let [zensor_node, status, notification_type, event] = reader.array("notification").ok()?;
    let properties = optional(reader).unwrap_or_default();
    Some(Notification {
        zensor_node,
        status,
        notification_type,
        event,
        parameters: take_up_to(reader, (properties & 0x1F).into()).to_vec(),
        sequence: if properties & 0x80 == 0 {
            None
        } else {
            optional(reader)
        },
    })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::EventSupportedGet(reader.u8("notification type")?),
            0x02 => {
                let notification_type = reader.u8("notification type")?;
                let length = optional(reader).unwrap_or_default() & 0x1F;
                Self::EventSupportedReport(EventSupportedReport {
                    notification_type,
                    events: bit_set(take_up_to(reader, length.into())),
                })
            }
            0x04 => Self::Get(Get {
                alarm_type: reader.u8("alarm type")?,
                notification: optional(reader).map(|notification_type| Selector {
                    notification_type,
                    event: optional(reader),
                }),
            }),
            0x05 => Self::Report(Report {
                alarm_type: reader.u8("alarm type")?,
                alarm_level: reader.u8("alarm level")?,
                notification: notification(reader),
            }),
            0x06 => Self::Set(Set {
                notification_type: reader.u8("notification type")?,
                status: reader.u8("notification status")?,
            }),
            0x07 => Self::SupportedGet,
            0x08 => {
                let properties = reader.u8("supported notification types")?;
                Self::SupportedReport(SupportedReport {
                    v1_alarm: properties & 0x80 != 0,
                    types: bit_set(take_up_to(reader, (properties & 0x1F).into())),
                })
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::EventSupportedGet(notification_type) => out.extend_from_slice(&[0x01, *notification_type]),
            Self::EventSupportedReport(report) => {
                out.extend_from_slice(&[0x02, report.notification_type]);
                put_counted(&bit_mask(&report.events, 0x1F), 0x1F, 0, out);
            }
            Self::Get(get) => {
                out.extend_from_slice(&[0x04, get.alarm_type]);
                if let Some(selector) = get.notification {
                    out.push(selector.notification_type);
                    out.extend(selector.event);
                }
            }
            Self::Report(report) => {
                out.extend_from_slice(&[0x05, report.alarm_type, report.alarm_level]);
                if let Some(part) = &report.notification {
                    out.extend_from_slice(&[
                        part.zensor_node,
                        part.status,
                        part.notification_type,
                        part.event,
                    ]);
                    put_counted(&part.parameters, 0x1F, flag(part.sequence.is_some(), 0x80), out);
                    out.extend(part.sequence);
                }
            }
            Self::Set(set) => out.extend_from_slice(&[0x06, set.notification_type, set.status]),
            Self::SupportedGet => out.push(0x07),
            Self::SupportedReport(report) => {
                out.push(0x08);
                put_counted(
                    &bit_mask(&report.types, 0x1F),
                    0x1F,
                    flag(report.v1_alarm, 0x80),
                    out,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    fn report(bytes: &[u8]) -> Report {
        match cc::Command::parse(bytes) {
            Ok(cc::Command::Notification(Command::Report(report))) => report,
            other => panic!("not a report: {other:?}"),
        }
    }

    #[test]
    fn reports_of_every_version() {
        let part = |event, parameters: &[u8], sequence| {
            Some(Notification {
                zensor_node: 0,
                status: 0xFF,
                notification_type: 6,
                event,
                parameters: parameters.to_vec(),
                sequence,
            })
        };
        for (bytes, alarm, notification) in [
            (&[0x71, 0x05, 0x13, 0x03][..], (0x13, 3), None),
            (&[0x71, 0x05, 0x13, 0x03, 0x00], (0x13, 3), None),
            (&[0x71, 0x05, 0, 0, 0, 0xFF, 6, 6], (0, 0), part(6, &[], None)),
            (&[0x71, 0x05, 0, 0, 0, 0xFF, 6, 1, 0], (0, 0), part(1, &[], None)),
            (
                &[0x71, 0x05, 0, 0, 0, 0xFF, 6, 6, 1, 3],
                (0, 0),
                part(6, &[3], None),
            ),
            (
                &[0x71, 0x05, 0, 0, 0, 0xFF, 6, 6, 0x81, 3, 9],
                (0, 0),
                part(6, &[3], Some(9)),
            ),
            // Announces four parameter bytes and a sequence number, brings three.
            (
                &[0x71, 0x05, 0, 0, 0, 0xFF, 6, 6, 0x84, 0x63, 3, 2],
                (0, 0),
                part(6, &[0x63, 3, 2], None),
            ),
        ] {
            let (alarm_type, alarm_level) = alarm;
            assert_eq!(
                report(bytes),
                Report {
                    alarm_type,
                    alarm_level,
                    notification
                },
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn parameters_are_not_printed() {
        let bytes = [
            0x71, 5, 0, 0, 0, 0xFF, 6, 6, 8, 0x63, 3, 2, 1, b'4', b'7', b'1', b'1',
        ];
        let printed = format!("{:?}", report(&bytes));
        assert!(
            printed.contains("[8 bytes]") && !printed.contains("52"),
            "{printed}"
        );
    }

    #[test]
    fn supported_types_are_bits() {
        let expected = SupportedReport {
            v1_alarm: false,
            types: BTreeSet::from([6, 8]),
        };
        assert_eq!(
            cc::Command::parse(&[0x71, 0x08, 0x02, 0x40, 0x01]),
            Ok(Command::SupportedReport(expected).into())
        );
    }
}
