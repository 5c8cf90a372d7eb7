//! Time: the clock of a node, as other nodes ask for it.
//!
//! Spec: CC:008A, versions 1 and 2.

use super::codec::{Fault, flag};
use crate::wire::reader::Reader;

/// A Time command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Report the time of day.
    TimeGet,
    /// The time of day.
    TimeReport(TimeReport),
    /// Report the date.
    DateGet,
    /// The date.
    DateReport(DateReport),
    /// Use this zone.
    OffsetSet(Offset),
    /// Report the zone.
    OffsetGet,
    /// The zone.
    OffsetReport(Offset),
}

/// The local time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeReport {
    /// Whether the clock failed, so that the time means nothing.
    pub clock_failed: bool,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// The local date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateReport {
    /// The year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// The zone, with the dates of daylight saving time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Whether local time is behind UTC.
    pub behind: bool,
    /// Hours between local time and UTC; 0 to 14.
    pub hours: u8,
    /// Minutes beyond the hours; 0 to 59.
    pub minutes: u8,
    /// Whether daylight saving time turns the clock back instead of on.
    pub dst_back: bool,
    /// By how many minutes daylight saving time moves the clock; 0 to 127.
    pub dst_minutes: u8,
    /// When it starts.
    pub dst_start: Turn,
    /// When it ends.
    pub dst_end: Turn,
}

/// When daylight saving time starts or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
}

fn turn(reader: &mut Reader<'_>) -> Result<Turn, Fault> {
    let [month, day, hour] = reader.array("daylight saving date")?;
    Ok(Turn { month, day, hour })
}

fn offset(reader: &mut Reader<'_>) -> Result<Offset, Fault> {
    let hours = reader.u8("hour offset")?;
    let minutes = reader.u8("minute offset")?;
    let dst = reader.u8("daylight saving offset")?;
    Ok(Offset {
        behind: hours & 0x80 != 0,
        hours: hours & 0x7F,
        minutes,
        dst_back: dst & 0x80 != 0,
        dst_minutes: dst & 0x7F,
        dst_start: turn(reader)?,
        dst_end: turn(reader)?,
    })
}

fn put_offset(command: u8, offset: &Offset, out: &mut Vec<u8>) {
    out.extend_from_slice(&[
        command,
        flag(offset.behind, 0x80) | (offset.hours & 0x7F),
        offset.minutes,
    ]);
    out.push(flag(offset.dst_back, 0x80) | (offset.dst_minutes & 0x7F));
    for turn in [offset.dst_start, offset.dst_end] {
        out.extend_from_slice(&[turn.month, turn.day, turn.hour]);
    }
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::TimeGet,
            0x02 => {
                let hour = reader.u8("hour")?;
                Self::TimeReport(TimeReport {
                    clock_failed: hour & 0x80 != 0,
                    hour: hour & 0x1F,
                    minute: reader.u8("minute")?,
                    second: reader.u8("second")?,
                })
            }
            0x03 => Self::DateGet,
            0x04 => Self::DateReport(DateReport {
                year: reader.u16("year")?,
                month: reader.u8("month")?,
                day: reader.u8("day")?,
            }),
            0x05 => Self::OffsetSet(offset(reader)?),
            0x06 => Self::OffsetGet,
            0x07 => Self::OffsetReport(offset(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::TimeGet => out.push(0x01),
            Self::TimeReport(report) => {
                let hour = flag(report.clock_failed, 0x80) | (report.hour & 0x1F);
                out.extend_from_slice(&[0x02, hour, report.minute, report.second]);
            }
            Self::DateGet => out.push(0x03),
            Self::DateReport(report) => {
                out.push(0x04);
                out.extend_from_slice(&report.year.to_be_bytes());
                out.extend_from_slice(&[report.month, report.day]);
            }
            Self::OffsetSet(offset) => put_offset(0x05, offset, out),
            Self::OffsetGet => out.push(0x06),
            Self::OffsetReport(offset) => put_offset(0x07, offset, out),
        }
    }
}
