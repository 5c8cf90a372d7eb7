//! Application Status: a device that cannot do now what it was asked.
//!
//! Spec: CC:0022, version 1.

use super::codec::{Fault, byte_enum, optional};
use crate::wire::reader::Reader;

byte_enum! {
    /// What a busy device wants.
    pub enum BusyStatus {
        /// Ask again later.
        TryAgainLater = 0x00,
        /// Ask again after the given seconds.
        TryAgainAfter = 0x01,
        /// The request is queued and will be done.
        Queued = 0x02,
    }
}

/// An Application Status command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The device is busy.
    Busy(Busy),
    /// The device does not do it; the status is 0 in version 1.
    RejectedRequest(u8),
}

/// A device is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// What it wants.
    pub status: BusyStatus,
    /// Seconds to wait, where `status` says so.
    pub wait_seconds: u8,
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Busy(Busy {
                status: BusyStatus::from_byte(reader.u8("status")?),
                wait_seconds: optional(reader).unwrap_or_default(),
            }),
            0x02 => Self::RejectedRequest(optional(reader).unwrap_or_default()),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        match self {
            Self::Busy(busy) => out.extend_from_slice(&[0x01, busy.status.to_byte(), busy.wait_seconds]),
            Self::RejectedRequest(status) => out.extend_from_slice(&[0x02, status]),
        }
    }
}
