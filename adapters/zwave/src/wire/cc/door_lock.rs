//! Door Lock: the bolt, the latch and the door.
//!
//! Spec: CC:0062, versions 1 to 4.

use std::collections::BTreeSet;

use super::codec::{Duration, Fault, bit_mask, bit_set, byte_enum, flag, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

byte_enum! {
    /// How well the door is secured.
    pub enum Mode {
        /// Unlocked.
        Unsecured = 0x00,
        /// Unlocked until a time has passed.
        UnsecuredWithTimeout = 0x01,
        /// The inside handle opens the door.
        InsideUnsecured = 0x10,
        /// The inside handle opens the door until a time has passed.
        InsideUnsecuredWithTimeout = 0x11,
        /// The outside handle opens the door.
        OutsideUnsecured = 0x20,
        /// The outside handle opens the door until a time has passed.
        OutsideUnsecuredWithTimeout = 0x21,
        /// The lock does not know; some locks say so when they are jammed.
        Unknown = 0xFE,
        /// Locked.
        Secured = 0xFF,
    }
}

byte_enum! {
    /// Whether the lock locks again by itself.
    pub enum OperationType {
        /// It stays as it was left.
        Constant = 0x01,
        /// It locks again after a time.
        Timed = 0x02,
    }
}

/// A Door Lock command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Bring the door into this mode.
    OperationSet(Mode),
    /// Report mode, bolt, latch and door.
    OperationGet,
    /// Mode, bolt, latch and door.
    OperationReport(OperationReport),
    /// Change how the lock works.
    ConfigurationSet(Configuration),
    /// Report how you work.
    ConfigurationGet,
    /// How the lock works.
    ConfigurationReport(Configuration),
    /// Report what you can do; since version 4.
    CapabilitiesGet,
    /// What the lock can do; since version 4.
    CapabilitiesReport(CapabilitiesReport),
}

/// Up to four handles on each side of the door: bit 0 is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Handles {
    /// Outside; four bits.
    pub outside: u8,
    /// Inside; four bits.
    pub inside: u8,
}

impl Handles {
    const fn from_byte(byte: u8) -> Self {
        Self {
            outside: byte >> 4,
            inside: byte & 0x0F,
        }
    }

    const fn to_byte(self) -> u8 {
        self.outside << 4 | (self.inside & 0x0F)
    }
}

/// Door, bolt and latch as the lock senses them. Each means something only when the lock can sense it
/// ([`CapabilitiesReport`]); locks before version 4 do not say whether they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DoorCondition(u8);

impl DoorCondition {
    /// From its byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Its byte on the wire.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// Whether the door leaf is closed (bit 0 set).
    pub const fn is_door_closed(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Whether the bolt is in (bit 1 set).
    pub const fn is_bolt_unlocked(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// Whether the latch is closed (bit 2 set).
    pub const fn is_latch_closed(self) -> bool {
        self.0 & 0x04 != 0
    }
}

/// A time after which the lock locks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeout {
    /// 0 to 253; 254 without timeout.
    pub minutes: u8,
    /// 0 to 59; 254 without timeout.
    pub seconds: u8,
}

impl Timeout {
    /// No timeout.
    pub const NONE: Self = Self {
        minutes: 0xFE,
        seconds: 0xFE,
    };

    /// The time in seconds; `None` without timeout or when a value is reserved.
    pub fn as_secs(self) -> Option<u16> {
        (self.minutes <= 253 && self.seconds <= 59)
            .then(|| u16::from(self.minutes) * 60 + u16::from(self.seconds))
    }
}

/// Mode, bolt, latch and door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationReport {
    /// How well the door is secured now.
    pub mode: Mode,
    /// The rest, which every version has; `None` for a lock that cut its report off behind the mode.
    pub details: Option<Details>,
}

/// What an operation report says beside the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Details {
    /// The handles that open the door now.
    pub handles: Handles,
    /// Door, bolt and latch.
    pub condition: DoorCondition,
    /// What is left until the lock locks again.
    pub timeout: Timeout,
    /// Where the mode is going; since version 3.
    pub target: Option<Target>,
}

/// A mode under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The mode in the end.
    pub mode: Mode,
    /// Until then.
    pub duration: Duration,
}

impl OperationReport {
    /// Where the mode is going, where the lock says so.
    pub fn target(&self) -> Option<Target> {
        self.details.and_then(|details| details.target)
    }
}

/// How the lock works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration {
    /// Whether it locks again by itself.
    pub operation: OperationType,
    /// The handles that can open the door.
    pub handles: Handles,
    /// When it locks again, with [`OperationType::Timed`].
    pub timeout: Timeout,
    /// More; since version 4.
    pub extension: Option<ConfigurationExtension>,
}

/// What version 4 added to the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigurationExtension {
    /// After how many seconds it locks when the door has closed; 0 is never.
    pub auto_relock_seconds: u16,
    /// How many seconds the latch is held back; 0 is not at all.
    pub hold_and_release_seconds: u16,
    /// Whether it helps to turn.
    pub twist_assist: bool,
    /// Whether it turns until it meets the stop.
    pub block_to_block: bool,
}

/// What the lock can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilitiesReport {
    /// The numbers of the [`OperationType`]s, each below 248.
    pub operations: BTreeSet<u8>,
    /// The modes it can be set to, at most 255.
    pub modes: Vec<Mode>,
    /// The handles it has.
    pub handles: Handles,
    /// Whether it senses the door leaf.
    pub door: bool,
    /// Whether it senses the bolt.
    pub bolt: bool,
    /// Whether it senses the latch.
    pub latch: bool,
    /// Whether it can turn until it meets the stop.
    pub block_to_block: bool,
    /// Whether it can help to turn.
    pub twist_assist: bool,
    /// Whether it can hold the latch back for a while.
    pub hold_and_release: bool,
    /// Whether it can lock by itself when the door has closed.
    pub auto_relock: bool,
}

fn details(reader: &mut Reader<'_>) -> Option<Details> {
    let [handles, condition, minutes, seconds] = reader.array("operation details").ok()?;
    Some(Details {
        handles: Handles::from_byte(handles),
        condition: DoorCondition::from_byte(condition),
        timeout: Timeout { minutes, seconds },
        target: optional(reader).map(|mode| Target {
            mode: Mode::from_byte(mode),
            duration: Duration::from_byte(optional(reader).unwrap_or_default()),
        }),
    })
}

fn configuration(reader: &mut Reader<'_>) -> Result<Configuration, Fault> {
    let [operation, handles, minutes, seconds] = reader.array("door lock configuration")?;
    Ok(Configuration {
        operation: OperationType::from_byte(operation),
        handles: Handles::from_byte(handles),
        timeout: Timeout { minutes, seconds },
        extension: reader
            .array("configuration extension")
            .ok()
            .map(|[a, b, c, d, flags]| ConfigurationExtension {
                auto_relock_seconds: u16::from_be_bytes([a, b]),
                hold_and_release_seconds: u16::from_be_bytes([c, d]),
                twist_assist: flags & 0x01 != 0,
                block_to_block: flags & 0x02 != 0,
            }),
    })
}

fn capabilities(reader: &mut Reader<'_>) -> Result<CapabilitiesReport, Fault> {
    let length = reader.u8("operation types")? & 0x1F;
    let operations = bit_set(reader.take(length.into(), "operation types")?);
    let length = reader.u8("door lock modes")?;
    let modes = take_up_to(reader, length.into())
        .iter()
        .copied()
        .map(Mode::from_byte)
        .collect();
    let handles = Handles::from_byte(reader.u8("handles")?);
    let sensed = reader.u8("sensed components")?;
    let features = optional(reader).unwrap_or_default();
    Ok(CapabilitiesReport {
        operations,
        modes,
        handles,
        door: sensed & 0x01 != 0,
        bolt: sensed & 0x02 != 0,
        latch: sensed & 0x04 != 0,
        block_to_block: features & 0x01 != 0,
        twist_assist: features & 0x02 != 0,
        hold_and_release: features & 0x04 != 0,
        auto_relock: features & 0x08 != 0,
    })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::OperationSet(Mode::from_byte(reader.u8("door lock mode")?)),
            0x02 => Self::OperationGet,
            0x03 => Self::OperationReport(OperationReport {
                mode: Mode::from_byte(reader.u8("door lock mode")?),
                details: details(reader),
            }),
            0x04 => Self::ConfigurationSet(configuration(reader)?),
            0x05 => Self::ConfigurationGet,
            0x06 => Self::ConfigurationReport(configuration(reader)?),
            0x07 => Self::CapabilitiesGet,
            0x08 => Self::CapabilitiesReport(capabilities(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::OperationSet(mode) => out.extend_from_slice(&[0x01, mode.to_byte()]),
            Self::OperationGet => out.push(0x02),
            Self::OperationReport(report) => put_operation(report, out),
            Self::ConfigurationSet(configuration) => put_configuration(0x04, configuration, out),
            Self::ConfigurationGet => out.push(0x05),
            Self::ConfigurationReport(configuration) => put_configuration(0x06, configuration, out),
            Self::CapabilitiesGet => out.push(0x07),
            Self::CapabilitiesReport(report) => {
                out.push(0x08);
                put_counted(&bit_mask(&report.operations, 0x1F), 0x1F, 0, out);
                let modes: Vec<u8> = report.modes.iter().map(|mode| mode.to_byte()).collect();
                put_counted(&modes, u8::MAX, 0, out);
                out.push(report.handles.to_byte());
                out.push(flag(report.door, 0x01) | flag(report.bolt, 0x02) | flag(report.latch, 0x04));
                out.push(
                    flag(report.block_to_block, 0x01)
                        | flag(report.twist_assist, 0x02)
                        | flag(report.hold_and_release, 0x04)
                        | flag(report.auto_relock, 0x08),
                );
            }
        }
    }
}

fn put_operation(report: &OperationReport, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x03, report.mode.to_byte()]);
    if let Some(details) = report.details {
        out.extend_from_slice(&[details.handles.to_byte(), details.condition.to_byte()]);
        out.extend_from_slice(&[details.timeout.minutes, details.timeout.seconds]);
        if let Some(target) = details.target {
            out.extend_from_slice(&[target.mode.to_byte(), target.duration.to_byte()]);
        }
    }
}

fn put_configuration(command: u8, configuration: &Configuration, out: &mut Vec<u8>) {
    out.extend_from_slice(&[
        command,
        configuration.operation.to_byte(),
        configuration.handles.to_byte(),
    ]);
    out.extend_from_slice(&[configuration.timeout.minutes, configuration.timeout.seconds]);
    if let Some(more) = configuration.extension {
        out.extend_from_slice(&more.auto_relock_seconds.to_be_bytes());
        out.extend_from_slice(&more.hold_and_release_seconds.to_be_bytes());
        out.push(flag(more.twist_assist, 0x01) | flag(more.block_to_block, 0x02));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn operation_reports_of_every_length() {
        let details = Details {
            handles: Handles {
                outside: 0x0F,
                inside: 0x0F,
            },
            condition: DoorCondition::from_byte(0),
            timeout: Timeout::NONE,
            target: None,
        };
        let target = Some(Target {
            mode: Mode::Unsecured,
            duration: Duration::from_secs(0),
        });
        for (bytes, expected) in [
            (
                &[0x62, 0x03, 0xFF][..],
                OperationReport {
                    mode: Mode::Secured,
                    details: None,
                },
            ),
            (
                &[0x62, 0x03, 0x00, 0xFF, 0x00, 0xFE, 0xFE],
                OperationReport {
                    mode: Mode::Unsecured,
                    details: Some(details),
                },
            ),
            (
                &[0x62, 0x03, 0x00, 0xFF, 0x00, 0xFE, 0xFE, 0x00, 0x00],
                OperationReport {
                    mode: Mode::Unsecured,
                    details: Some(Details { target, ..details }),
                },
            ),
            (
                &[0x62, 0x03, 0x42],
                OperationReport {
                    mode: Mode::Other(0x42),
                    details: None,
                },
            ),
        ] {
            assert_eq!(
                cc::Command::parse(bytes),
                Ok(Command::OperationReport(expected).into()),
                "{bytes:x?}"
            );
        }
        assert!(cc::Command::parse(&[0x62, 0x03]).is_err());
    }

    #[test]
    fn capabilities_of_a_lock_that_senses_everything() {
        let expected = CapabilitiesReport {
            operations: BTreeSet::from([1]),
            modes: vec![Mode::Unsecured, Mode::Secured],
            handles: Handles {
                outside: 0x0F,
                inside: 0x0F,
            },
            door: true,
            bolt: true,
            latch: true,
            block_to_block: false,
            twist_assist: false,
            hold_and_release: false,
            auto_relock: false,
        };
        let bytes = [0x62, 0x08, 0x01, 0x02, 0x02, 0x00, 0xFF, 0xFF, 0x07, 0x00];
        assert_eq!(
            cc::Command::parse(&bytes),
            Ok(Command::CapabilitiesReport(expected).into())
        );
    }

    #[test]
    fn a_timeout_counts_minutes_and_seconds() {
        assert_eq!(
            Timeout {
                minutes: 2,
                seconds: 30
            }
            .as_secs(),
            Some(150)
        );
        assert_eq!(Timeout::NONE.as_secs(), None);
    }
}
