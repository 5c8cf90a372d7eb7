//! What all command classes share: enums over one byte, bit masks, durations, and bytes that are not printed.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::wire::reader::{Reader, TooShort, bits};

/// What is wrong with one command's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes end before a field that every version of the command has.
    #[error(transparent)]
    Short(#[from] TooShort),
    /// The checksum says that the bytes changed on their way.
    #[error("the checksum is {carried:#06x}, the bytes give {computed:#06x}; drop the frame")]
    Checksum {
        /// The checksum in the frame.
        carried: u16,
        /// The checksum of its bytes.
        computed: u16,
    },
    /// A field has a value that the command cannot have.
    #[error("{field} is {value}, allowed is {allowed}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: u32,
        /// What it may be.
        allowed: &'static str,
    },
}

/// Why bytes are not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseError {
    /// There are no bytes.
    #[error("an empty frame holds no command; drop it")]
    Empty,
    /// There is a command class but no command.
    #[error("command class {class:#04x} without a command byte; drop the frame")]
    NoCommand {
        /// The command class.
        class: u8,
    },
    /// A known command whose fields cannot be read.
    #[error("command class {class:#04x}, command {command:#04x}: {fault}")]
    Malformed {
        /// The command class.
        class: u8,
        /// The command.
        command: u8,
        /// What is wrong.
        fault: Fault,
    },
}

/// An enum over one byte that keeps values it does not know.
macro_rules! byte_enum {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value that this program does not know.
            Other(u8),
        }

        impl $name {
            /// From its byte on the wire.
            pub const fn from_byte(byte: u8) -> Self {
                match byte {
                    $($value => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// Its byte on the wire.
            pub const fn to_byte(self) -> u8 {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Other(other) => other,
                }
            }
        }
    };
}
pub(super) use byte_enum;

/// A span of time in one byte, as reports give it.
///
/// Spec: CC:0000 "actuator duration": 0x00..=0x7F seconds, 0x80..=0xFD minutes from 1, 0xFE unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Duration(u8);

impl Duration {
    /// The span is not known.
    pub const UNKNOWN: Self = Self(0xFE);

    /// So many seconds; above 127 rounded up to minutes, at most 126 minutes.
    pub const fn from_secs(seconds: u16) -> Self {
        if seconds <= 0x7F {
            Self(seconds.to_be_bytes()[1])
        } else {
            let minutes = seconds.div_ceil(60);
            let minutes = if minutes > 126 { 126 } else { minutes };
            Self(0x7F + minutes.to_be_bytes()[1])
        }
    }

    /// The span in seconds; `None` when it is unknown or the value is reserved.
    pub const fn as_secs(self) -> Option<u16> {
        match self.0 {
            seconds @ 0..=0x7F => Some(seconds as u16),
            minutes @ 0x80..=0xFD => Some((minutes - 0x7F) as u16 * 60),
            0xFE.. => None,
        }
    }

    /// From its byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Its byte on the wire.
    pub const fn to_byte(self) -> u8 {
        self.0
    }
}

/// Shows how many bytes there are and not which: they may hold a PIN.
pub(crate) struct Hidden<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// The next byte, where an older version of the command may end before it.
pub(super) fn optional(reader: &mut Reader<'_>) -> Option<u8> {
    reader.u8("optional field").ok()
}

/// The next `count` bytes or as many as there are.
pub(super) fn take_up_to<'a>(reader: &mut Reader<'a>, count: usize) -> &'a [u8] {
    let count = count.min(reader.rest().len());
    reader.take(count, "bytes").unwrap_or_default()
}

/// Everything that is left.
pub(super) fn take_rest<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    take_up_to(reader, usize::MAX)
}

/// The next three bytes as a number.
pub(super) fn u24(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, TooShort> {
    let [high, middle, low] = reader.array(field)?;
    Ok(u32::from_be_bytes([0, high, middle, low]))
}

/// The lowest three bytes of a number.
pub(super) fn put_u24(value: u32, out: &mut Vec<u8>) {
    let [_, high, middle, low] = value.to_be_bytes();
    out.extend_from_slice(&[high, middle, low]);
}

/// The numbers of the set bits, counted from 0.
pub(super) fn bit_set(mask: &[u8]) -> BTreeSet<u8> {
    bits(mask, 0).filter_map(|bit| u8::try_from(bit).ok()).collect()
}

/// The shortest mask of at most `limit` bytes with these bits; bits beyond it are left out.
pub(super) fn bit_mask(set: &BTreeSet<u8>, limit: usize) -> Vec<u8> {
    let mut mask = Vec::new();
    for bit in set {
        let index = usize::from(bit / 8);
        if index >= limit {
            break;
        }
        if mask.len() <= index {
            mask.resize(index + 1, 0);
        }
        if let Some(byte) = mask.get_mut(index) {
            *byte |= 1 << (bit % 8);
        }
    }
    mask
}

/// Appends a length byte, with `flags` in its upper bits, and at most `limit` of the bytes.
pub(super) fn put_counted(bytes: &[u8], limit: u8, flags: u8, out: &mut Vec<u8>) {
    let count = u8::try_from(bytes.len()).unwrap_or(u8::MAX).min(limit);
    out.push(flags | count);
    out.extend(bytes.iter().take(count.into()));
}

/// One bit of a flags byte.
pub(super) const fn flag(on: bool, bit: u8) -> u8 {
    if on { bit } else { 0 }
}

/// CRC-CCITT: polynomial 0x1021, initial value 0x1D0F, not reflected.
///
/// Spec: CC:0056.01.01, CC:0055.02.C0
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x1D0F, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_seconds_then_minutes() {
        for (byte, seconds) in [
            (0x00, Some(0)),
            (0x7F, Some(127)),
            (0x80, Some(60)),
            (0xFD, Some(7560)),
            (0xFE, None),
            (0xFF, None),
        ] {
            assert_eq!(Duration::from_byte(byte).as_secs(), seconds, "{byte:#x}");
        }
        assert_eq!(Duration::from_secs(5).to_byte(), 5);
        assert_eq!(Duration::from_secs(128).to_byte(), 0x82);
        assert_eq!(Duration::from_secs(u16::MAX).to_byte(), 0xFD);
    }

    #[test]
    fn crc_known_answers() {
        // The check value of CRC-16/SPI-FUJITSU (also known as AUG-CCITT).
        assert_eq!(crc16(b"123456789"), 0xE5CC);
        assert_eq!(crc16(&[]), 0x1D0F);
    }

    #[test]
    fn masks_and_sets_are_each_other() {
        let set = BTreeSet::from([0, 1, 9, 16]);
        assert_eq!(bit_mask(&set, 31), vec![0x03, 0x02, 0x01]);
        assert_eq!(bit_set(&[0x03, 0x02, 0x01]), set);
        assert_eq!(bit_mask(&set, 1), vec![0x03]);
        assert!(bit_mask(&BTreeSet::new(), 31).is_empty());
    }
}
