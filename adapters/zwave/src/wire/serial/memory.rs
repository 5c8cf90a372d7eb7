//! The dongle's memory: questions and answers about it, of three generations.
//!
//! Spec: Silicon Labs INS12350, `NVM_GET_ID` (0x29), `NVM_EXT_READ_LONG_BUFFER` (0x2A), `NVM_EXT_WRITE_LONG_BUFFER`
//! (0x2B), `NVM_BACKUP_RESTORE` (0x2E); Z-Wave Host API, Extended NVM Backup and Restore (0x3D).

use hubd_model::SecretBytes;

use super::function;
use crate::wire::reader::{Reader, TooShort};

/// One question or order about the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nvm {
    /// How large it is; 500 series.
    Id,
    /// Read a piece; 500 series.
    ReadLong {
        /// From where.
        offset: u32,
        /// How many bytes.
        length: u16,
    },
    /// Write a piece; 500 series.
    WriteLong {
        /// To where.
        offset: u32,
        /// What.
        bytes: SecretBytes,
    },
    /// Switch the receiver on or off; 500 series, whose memory changes under way otherwise.
    Receive(bool),
    /// An operation; 700 series and newer.
    Operate {
        /// Whether addresses have four bytes instead of two.
        extended: bool,
        /// Which.
        operation: NvmOperation,
    },
}

/// An operation on the memory of a dongle of the 700 series or newer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NvmOperation {
    /// Stop the radio and answer how large the memory is.
    Open,
    /// Read a piece.
    Read {
        /// From where.
        offset: u32,
        /// How many bytes.
        length: u8,
    },
    /// Write a piece.
    Write {
        /// To where.
        offset: u32,
        /// What; at most 255 bytes.
        bytes: SecretBytes,
    },
    /// Start the radio again.
    Close,
}

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvmAnswer {
    /// How it went.
    pub status: NvmStatus,
    /// The size of the memory after opening, else the offset; 0 in place of 65,536 where it has two bytes.
    pub number: u32,
    /// What was read.
    pub bytes: SecretBytes,
}

/// How an operation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NvmStatus {
    /// It was done.
    Ok,
    /// It was done, and this was the last piece.
    End,
    /// It was not done.
    Failed(u8),
}

impl Nvm {
    pub(super) const fn function(&self) -> u8 {
        match self {
            Self::Id => function::NVM_ID,
            Self::ReadLong { .. } => function::NVM_READ_LONG,
            Self::WriteLong { .. } => function::NVM_WRITE_LONG,
            Self::Receive(_) => function::RECEIVE_MODE,
            Self::Operate { extended: false, .. } => function::NVM_OPERATIONS,
            Self::Operate { extended: true, .. } => function::EXTENDED_NVM_OPERATIONS,
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Id => {}
            Self::ReadLong { offset, length } => {
                put_offset24(*offset, out);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Self::WriteLong { offset, bytes } => {
                put_offset24(*offset, out);
                let length = u16::try_from(bytes.expose().len()).unwrap_or(u16::MAX);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(bytes.expose());
            }
            Self::Receive(on) => out.push(u8::from(*on)),
            Self::Operate { extended, operation } => put_operation(*extended, operation, out),
        }
    }
}

fn put_offset24(offset: u32, out: &mut Vec<u8>) {
    let [_, bytes @ ..] = offset.to_be_bytes();
    out.extend_from_slice(&bytes);
}

fn put_operation(extended: bool, operation: &NvmOperation, out: &mut Vec<u8>) {
    let mut head = |number: u8, length: u8, offset: u32| {
        out.extend_from_slice(&[number, length]);
        let [a, b, c, d] = offset.to_be_bytes();
        if extended {
            out.extend_from_slice(&[a, b]);
        }
        out.extend_from_slice(&[c, d]);
    };
    match operation {
        NvmOperation::Open => out.push(0x00),
        NvmOperation::Read { offset, length } => head(0x01, *length, *offset),
        NvmOperation::Write { offset, bytes } => {
            let length = u8::try_from(bytes.expose().len()).unwrap_or(u8::MAX);
            head(0x02, length, *offset);
            out.extend(bytes.expose().iter().take(length.into()));
        }
        NvmOperation::Close => out.push(0x03),
    }
}

/// Reads the answer to [`Nvm::Operate`].
///
/// # Errors
/// When it is too short.
pub fn parse_nvm_answer(extended: bool, payload: &[u8]) -> Result<NvmAnswer, TooShort> {
    let mut reader = Reader::new(payload);
    let status = match reader.u8("status")? {
        0x00 => NvmStatus::Ok,
        0xFF => NvmStatus::End,
        other => NvmStatus::Failed(other),
    };
    let length = reader.u8("length")?;
    let number = if extended {
        reader.u32("offset or size").unwrap_or_default()
    } else {
        reader.u16("offset or size").map(u32::from).unwrap_or_default()
    };
    // An answer without bytes may have a length all the same.
    let bytes = reader.rest().get(..usize::from(length)).unwrap_or_default();
    Ok(NvmAnswer {
        status,
        number,
        bytes: SecretBytes::new(bytes.to_vec()),
    })
}

/// Reads how large the memory is, in the answer to [`Nvm::Id`]; `None` when the dongle does not say.
///
/// # Errors
/// When it is too short.
pub fn parse_nvm_size(payload: &[u8]) -> Result<Option<u32>, TooShort> {
    let mut reader = Reader::new(payload);
    reader.take(3, "memory id")?;
    let size = reader.u8("memory size")?;
    // 16 KiB to 16 MiB as powers of two.
    Ok((14..=24).contains(&size).then(|| 1 << size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(nvm: &Nvm) -> Vec<u8> {
        let mut out = Vec::new();
        nvm.put(&mut out);
        out
    }

    #[test]
    fn addresses_have_two_three_or_four_bytes() {
        let operate = |extended, operation| Nvm::Operate { extended, operation };
        let read = |offset| NvmOperation::Read { offset, length: 64 };
        assert_eq!(bytes(&operate(false, read(0x1234))), [1, 64, 0x12, 0x34]);
        assert_eq!(
            bytes(&operate(true, read(0x0001_2345))),
            [1, 64, 0, 1, 0x23, 0x45]
        );
        let write = NvmOperation::Write {
            offset: 2,
            bytes: SecretBytes::new(vec![7, 8]),
        };
        assert_eq!(bytes(&operate(false, write)), [2, 2, 0, 2, 7, 8]);
        assert_eq!(bytes(&operate(true, NvmOperation::Open)), [0]);
        let long = Nvm::ReadLong {
            offset: 0x0001_0203,
            length: 64,
        };
        assert_eq!(bytes(&long), [1, 2, 3, 0, 64]);
    }

    #[test]
    fn answers_of_any_length_are_read_or_refused() {
        let answer = parse_nvm_answer(false, &[0, 2, 0x10, 0, 7, 8]).unwrap();
        assert_eq!((answer.number, answer.bytes.expose()), (0x1000, &[7, 8][..]));
        assert_eq!(
            parse_nvm_answer(false, &[2, 0]).unwrap().status,
            NvmStatus::Failed(2)
        );
        assert!(parse_nvm_answer(true, &[0]).is_err());
        let short = parse_nvm_answer(true, &[0xFF, 9, 0, 0, 0, 1, 5]).unwrap();
        assert_eq!((short.status, short.bytes.expose().len()), (NvmStatus::End, 0));
        assert_eq!(parse_nvm_size(&[4, 0, 0x80, 15]), Ok(Some(32_768)));
        assert_eq!(parse_nvm_size(&[4, 0, 0x80, 0xFF]), Ok(None));
        assert!(
            !format!("{answer:?}").contains("7, 8"),
            "what a memory holds is not printed"
        );
    }
}
