//! Schedule Entry Lock: which schedules a lock keeps for its users.
//!
//! Spec: CC:004E, versions 1 to 4; so far only what a lock can keep.

use super::codec::{Fault, optional};
use crate::wire::reader::Reader;

/// A Schedule Entry Lock command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Report what you can keep.
    SupportedGet,
    /// What the lock can keep.
    SupportedReport(SupportedReport),
}

/// How many schedules the lock keeps for each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedReport {
    /// Windows on days of the week.
    pub week_day: u8,
    /// Spans between two dates.
    pub year_day: u8,
    /// Windows that repeat daily; since version 3.
    pub daily_repeating: Option<u8>,
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x09 => Self::SupportedGet,
            0x0A => Self::SupportedReport(SupportedReport {
                week_day: reader.u8("number of week day slots")?,
                year_day: reader.u8("number of year day slots")?,
                daily_repeating: optional(reader),
            }),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        match self {
            Self::SupportedGet => out.push(0x09),
            Self::SupportedReport(report) => {
                out.extend_from_slice(&[0x0A, report.week_day, report.year_day]);
                out.extend(report.daily_repeating);
            }
        }
    }
}
