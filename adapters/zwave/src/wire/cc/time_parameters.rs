//! Time Parameters: date and time in UTC, to set a device's clock.
//!
//! Spec: CC:008B, version 1.

use super::codec::Fault;
use crate::wire::reader::Reader;

/// A Time Parameters command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Set the clock.
    Set(DateTime),
    /// Report the clock.
    Get,
    /// The clock.
    Report(DateTime),
}

/// Date and time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

fn date_time(reader: &mut Reader<'_>) -> Result<DateTime, Fault> {
    let year = reader.u16("year")?;
    let [month, day, hour, minute, second] = reader.array("date and time")?;
    Ok(DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    })
}

fn put_date_time(command: u8, at: DateTime, out: &mut Vec<u8>) {
    out.push(command);
    out.extend_from_slice(&at.year.to_be_bytes());
    out.extend_from_slice(&[at.month, at.day, at.hour, at.minute, at.second]);
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Set(date_time(reader)?),
            0x02 => Self::Get,
            0x03 => Self::Report(date_time(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set(at) => put_date_time(0x01, *at, out),
            Self::Get => out.push(0x02),
            Self::Report(at) => put_date_time(0x03, *at, out),
        }
    }
}
