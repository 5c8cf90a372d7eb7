//! Device Reset Locally: a device was reset by hand and has left the network.
//!
//! Spec: CC:005A, version 1.

use super::codec::Fault;
use crate::wire::reader::Reader;

/// A Device Reset Locally command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The sender is about to forget the network.
    Notification,
}

impl Command {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "all command classes parse by the same signature"
    )]
    pub(super) fn parse(command: u8, _reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok((command == 0x01).then_some(Self::Notification))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        match self {
            Self::Notification => out.push(0x01),
        }
    }
}
