//! Wake Up: when a sleeping device listens.
//!
//! Spec: CC:0084, versions 1 to 3.

use super::codec::{Fault, optional, put_u24, u24};
use crate::wire::reader::Reader;

/// A Wake Up command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Wake up this often and tell this node.
    IntervalSet(Interval),
    /// Report how often you wake up.
    IntervalGet,
    /// How often the device wakes up.
    IntervalReport(Interval),
    /// The device is awake.
    Notification,
    /// The device may sleep again.
    NoMoreInformation,
    /// Report which intervals you can do.
    IntervalCapabilitiesGet,
    /// Which intervals the device can do.
    IntervalCapabilitiesReport(IntervalCapabilities),
}

/// How often a device wakes up, and whom it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The interval in seconds, 24 bits; 0 means only when somebody presses its button.
    pub seconds: u32,
    /// Whom it tells.
    pub node: u8,
}

/// Which intervals a device can do; all in seconds, 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalCapabilities {
    /// The shortest.
    pub min_seconds: u32,
    /// The longest.
    pub max_seconds: u32,
    /// The one it has after a reset.
    pub default_seconds: u32,
    /// Between two intervals.
    pub step_seconds: u32,
    /// Whether it can be woken through Supervision; since version 3.
    pub on_demand: Option<bool>,
}

fn interval(reader: &mut Reader<'_>) -> Result<Interval, Fault> {
    Ok(Interval {
        seconds: u24(reader, "wake up interval")?,
        node: reader.u8("node id")?,
    })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x04 => Self::IntervalSet(interval(reader)?),
            0x05 => Self::IntervalGet,
            0x06 => Self::IntervalReport(interval(reader)?),
            0x07 => Self::Notification,
            0x08 => Self::NoMoreInformation,
            0x09 => Self::IntervalCapabilitiesGet,
            0x0A => Self::IntervalCapabilitiesReport(IntervalCapabilities {
                min_seconds: u24(reader, "minimum interval")?,
                max_seconds: u24(reader, "maximum interval")?,
                default_seconds: u24(reader, "default interval")?,
                step_seconds: u24(reader, "interval step")?,
                on_demand: optional(reader).map(|flags| flags & 0x01 != 0),
            }),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::IntervalSet(interval) => put_interval(0x04, *interval, out),
            Self::IntervalGet => out.push(0x05),
            Self::IntervalReport(interval) => put_interval(0x06, *interval, out),
            Self::Notification => out.push(0x07),
            Self::NoMoreInformation => out.push(0x08),
            Self::IntervalCapabilitiesGet => out.push(0x09),
            Self::IntervalCapabilitiesReport(report) => {
                out.push(0x0A);
                for seconds in [
                    report.min_seconds,
                    report.max_seconds,
                    report.default_seconds,
                    report.step_seconds,
                ] {
                    put_u24(seconds, out);
                }
                out.extend(report.on_demand.map(u8::from));
            }
        }
    }
}

fn put_interval(command: u8, interval: Interval, out: &mut Vec<u8>) {
    out.push(command);
    put_u24(interval.seconds, out);
    out.push(interval.node);
}
