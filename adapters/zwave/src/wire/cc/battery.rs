//! Battery: what is left in a device's battery.
//!
//! Spec: CC:0080, versions 1 to 3.

use hubd_model::BatteryPercent;

use super::codec::{Fault, byte_enum, flag, optional};
use crate::wire::reader::Reader;

/// A Battery command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Report the battery.
    Get,
    /// The battery.
    Report(Report),
}

/// The level of a battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// So much is left.
    Percent(BatteryPercent),
    /// The device warns that its battery is low (0xFF).
    Low,
    /// A value that no version defines.
    Other(u8),
}

impl Level {
    /// From its byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        match (byte, BatteryPercent::new(byte)) {
            (0xFF, _) => Self::Low,
            (_, Some(percent)) => Self::Percent(percent),
            (other, None) => Self::Other(other),
        }
    }

    /// Its byte on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Percent(percent) => percent.percent(),
            Self::Low => 0xFF,
            Self::Other(other) => other,
        }
    }
}

/// A battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// What is left.
    pub level: Level,
    /// How it is; since version 2.
    pub condition: Option<Condition>,
}

byte_enum! {
    /// Whether a battery is being charged.
    pub enum ChargeState {
        /// It is used.
        Discharging = 0x00,
        /// It is charged.
        Charging = 0x01,
        /// It is full and kept so.
        Maintaining = 0x02,
    }
}

byte_enum! {
    /// Whether a battery must be replaced or recharged.
    pub enum Replacement {
        /// Not yet.
        No = 0x00,
        /// Soon.
        Soon = 0x01,
        /// Now.
        Now = 0x03,
    }
}

/// How a battery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is being charged; 0 to 3 on the wire.
    pub charging: ChargeState,
    /// Whether it can be charged.
    pub rechargeable: bool,
    /// Whether it is only a reserve.
    pub backup: bool,
    /// Whether it is too hot.
    pub overheating: bool,
    /// Whether its fluid is low.
    pub low_fluid: bool,
    /// Whether it must be replaced or recharged; 0 to 3 on the wire.
    pub replace: Replacement,
    /// Whether it stopped charging because it is too cold; since version 3.
    pub low_temperature: bool,
    /// Whether it was taken out.
    pub disconnected: bool,
}

fn condition(flags: u8, more: u8) -> Condition {
    Condition {
        charging: ChargeState::from_byte(flags >> 6),
        rechargeable: flags & 0x20 != 0,
        backup: flags & 0x10 != 0,
        overheating: flags & 0x08 != 0,
        low_fluid: flags & 0x04 != 0,
        replace: Replacement::from_byte(flags & 0x03),
        low_temperature: more & 0x02 != 0,
        disconnected: more & 0x01 != 0,
    }
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x02 => Self::Get,
            0x03 => Self::Report(Report {
                level: Level::from_byte(reader.u8("battery level")?),
                condition: optional(reader)
                    .map(|flags| condition(flags, optional(reader).unwrap_or_default())),
            }),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get => out.push(0x02),
            Self::Report(report) => {
                out.extend_from_slice(&[0x03, report.level.to_byte()]);
                if let Some(condition) = report.condition {
                    out.push(
                        condition.charging.to_byte() << 6
                            | flag(condition.rechargeable, 0x20)
                            | flag(condition.backup, 0x10)
                            | flag(condition.overheating, 0x08)
                            | flag(condition.low_fluid, 0x04)
                            | (condition.replace.to_byte() & 0x03),
                    );
                    out.push(flag(condition.low_temperature, 0x02) | flag(condition.disconnected, 0x01));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn levels() {
        for (byte, level) in [
            (0x57, Level::Percent(BatteryPercent::new(87).unwrap())),
            (0xFF, Level::Low),
            (0x65, Level::Other(0x65)),
        ] {
            assert_eq!(
                cc::Command::parse(&[0x80, 0x03, byte]),
                Ok(Command::Report(Report {
                    level,
                    condition: None
                })
                .into()),
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn both_bits_of_replacement_mean_now() {
        let Ok(cc::Command::Battery(Command::Report(report))) =
            cc::Command::parse(&[0x80, 0x03, 0x00, 0x03, 0x01])
        else {
            panic!("not a report");
        };
        let condition = report.condition.unwrap();
        assert_eq!(condition.replace, Replacement::Now);
        assert!(condition.disconnected && !condition.low_temperature);
    }
}
