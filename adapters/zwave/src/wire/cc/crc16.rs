//! CRC-16 Encapsulation: a checksum around a command that travels unencrypted.
//!
//! Spec: CC:0056, version 1.

use std::fmt;

use super::class;
use super::codec::{Fault, Hidden, crc16};
use crate::wire::reader::{Reader, TooShort};

/// A CRC-16 Encapsulation command.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// The command inside, from its class on. The checksum was right.
    Encapsulation(Vec<u8>),
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Encapsulation(inner) = self;
        write!(f, "Encapsulation({:?})", Hidden(inner))
    }
}

const ENCAPSULATION: u8 = 0x01;

fn checksum(inner: &[u8]) -> u16 {
    let mut covered = vec![class::CRC16, ENCAPSULATION];
    covered.extend_from_slice(inner);
    crc16(&covered)
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        if command != ENCAPSULATION {
            return Ok(None);
        }
        let Some((inner, carried)) = reader.rest().split_last_chunk::<2>() else {
            return Err(TooShort {
                field: "checksum",
                missing: 2 - reader.rest().len(),
            }
            .into());
        };
        let (carried, computed) = (u16::from_be_bytes(*carried), checksum(inner));
        if carried != computed {
            return Err(Fault::Checksum { carried, computed });
        }
        Ok(Some(Self::Encapsulation(inner.to_vec())))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let Self::Encapsulation(inner) = self;
        out.push(ENCAPSULATION);
        out.extend_from_slice(inner);
        out.extend_from_slice(&checksum(inner).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::cc::{self, Fault, ParseError, basic};

    #[test]
    fn a_changed_byte_is_found() {
        let inner = cc::Command::from(basic::Command::Get).emit();
        let mut bytes = cc::Command::from(super::Command::Encapsulation(inner.clone())).emit();
        // The checksum over 56 01 20 02, worked out apart from this code.
        assert_eq!(bytes, [0x56, 0x01, 0x20, 0x02, 0x4D, 0x26]);
        assert_eq!(
            cc::Command::parse(&bytes),
            Ok(cc::Command::Crc16(super::Command::Encapsulation(inner)))
        );
        bytes[3] ^= 1;
        assert!(matches!(
            cc::Command::parse(&bytes),
            Err(ParseError::Malformed {
                fault: Fault::Checksum { carried: 0x4D26, .. },
                ..
            })
        ));
    }
}
