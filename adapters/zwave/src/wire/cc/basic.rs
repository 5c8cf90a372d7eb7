//! Basic: one value whose meaning is the device's own.
//!
//! Spec: CC:0020, versions 1 and 2.

use super::codec::{Duration, Fault, optional};
use crate::wire::reader::Reader;

/// A Basic command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Take this value.
    Set(u8),
    /// Report the value.
    Get,
    /// The value.
    Report(Report),
}

/// The value of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The value now.
    pub value: u8,
    /// Where it is going; since version 2.
    pub target: Option<Target>,
}

/// A value under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The value in the end.
    pub value: u8,
    /// Until then.
    pub duration: Duration,
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Set(reader.u8("value")?),
            0x02 => Self::Get,
            0x03 => Self::Report(Report {
                value: reader.u8("value")?,
                target: optional(reader).map(|value| Target {
                    value,
                    duration: Duration::from_byte(optional(reader).unwrap_or_default()),
                }),
            }),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        match self {
            Self::Set(value) => out.extend_from_slice(&[0x01, value]),
            Self::Get => out.push(0x02),
            Self::Report(report) => {
                out.extend_from_slice(&[0x03, report.value]);
                if let Some(target) = report.target {
                    out.extend_from_slice(&[target.value, target.duration.to_byte()]);
                }
            }
        }
    }
}
