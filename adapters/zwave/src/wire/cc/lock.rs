//! Lock: the oldest lock class, for devices without Door Lock.
//!
//! Spec: CC:0076, version 1.

use super::codec::{Fault, byte_enum};
use crate::wire::reader::Reader;

byte_enum! {
    /// Whether it is locked.
    pub enum State {
        /// Unlocked.
        Unlocked = 0x00,
        /// Locked.
        Locked = 0x01,
    }
}

/// A Lock command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Lock or unlock.
    Set(State),
    /// Report the state.
    Get,
    /// The state.
    Report(State),
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Set(State::from_byte(reader.u8("lock state")?)),
            0x02 => Self::Get,
            0x03 => Self::Report(State::from_byte(reader.u8("lock state")?)),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        match self {
            Self::Set(state) => out.extend_from_slice(&[0x01, state.to_byte()]),
            Self::Get => out.push(0x02),
            Self::Report(state) => out.extend_from_slice(&[0x03, state.to_byte()]),
        }
    }
}
