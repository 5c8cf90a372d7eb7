//! Multi Command: several commands in one frame.
//!
//! Spec: CC:008F, version 1.

use std::fmt;

use super::codec::{Fault, Hidden, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

/// A Multi Command command.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// The commands inside, each from its class on; at most 255 of at most 255 bytes. All that are there are given,
    /// also when the frame announces more.
    Encapsulation(Vec<Vec<u8>>),
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Encapsulation(inner) = self;
        f.write_str("Encapsulation")?;
        f.debug_list()
            .entries(inner.iter().map(|command| Hidden(command)))
            .finish()
    }
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        if command != 0x01 {
            return Ok(None);
        }
        let count = reader.u8("number of commands")?;
        let inner = (0..count)
            .map_while(|_| optional(reader).map(|length| take_up_to(reader, length.into()).to_vec()))
            .collect();
        Ok(Some(Self::Encapsulation(inner)))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let Self::Encapsulation(inner) = self;
        let count = u8::try_from(inner.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[0x01, count]);
        for command in inner.iter().take(count.into()) {
            put_counted(command, u8::MAX, 0, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Command;
    use crate::wire::cc;

    #[test]
    fn the_commands_that_are_there_are_given() {
        let bytes = [0x8F, 0x01, 0x03, 0x02, 0x20, 0x02, 0x03, 0x80, 0x03];
        assert_eq!(
            cc::Command::parse(&bytes),
            Ok(Command::Encapsulation(vec![vec![0x20, 0x02], vec![0x80, 0x03]]).into())
        );
    }
}
