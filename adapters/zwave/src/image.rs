//! A copy of a dongle's memory as it is kept: which kind of dongle it is of, then what it held.
//!
//! ```text
//!   "HUBDNVM1" | way | chip type | chip version | library length, library | size (4) | memory | SHA-1 of all before
//! ```
//!
//! A copy is written back only into the same kind of dongle, with the same memory, whose firmware is not older: a dongle
//! that reads a memory of another kind loses its network.

use hubd_model::SecretBytes;
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::wire::reader::Reader;

/// How the memory is read; each generation of dongles has its own way, and its own layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// 500 series: buffers.
    Buffers,
    /// 700 series: operations with addresses of two bytes.
    Operations,
    /// 800 series: operations with addresses of four bytes.
    ExtendedOperations,
}

impl Way {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Buffers => 1,
            Self::Operations => 2,
            Self::ExtendedOperations => 3,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Buffers),
            2 => Some(Self::Operations),
            3 => Some(Self::ExtendedOperations),
            _ => None,
        }
    }
}

/// Which kind of dongle a memory belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// How it is read.
    pub way: Way,
    /// Chip type and version, as the dongle says.
    pub chip: (u8, u8),
    /// The firmware's library, such as `Z-Wave 7.18`.
    pub library: String,
    /// How many bytes the memory has.
    pub size: u32,
}

/// Why a copy is not written back. `Display` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageError {
    /// It is something else.
    #[error("this is no copy of a Z-Wave dongle's memory; take one that this program made")]
    NotAnImage,
    /// It changed since it was made.
    #[error("the copy of the dongle's memory is damaged; take an older one")]
    Damaged,
    /// It is of another kind of dongle.
    #[error(
        "the copy is of another kind of dongle (chip {}.{}, {} bytes of memory) than this one (chip {}.{}, {} bytes); \
         plug in a dongle of the same kind", of.chip.0, of.chip.1, of.size, here.chip.0, here.chip.1, here.size
    )]
    OtherKind {
        /// Of which kind the copy is.
        of: Box<Kind>,
        /// Which kind the dongle is.
        here: Box<Kind>,
    },
    /// The dongle's firmware is older than that of the copy.
    #[error("the dongle's firmware ({here}) is older than that of the copy ({of}); update the dongle first")]
    OlderFirmware {
        /// Of the copy.
        of: String,
        /// Of the dongle.
        here: String,
    },
}

const MAGIC: &[u8; 8] = b"HUBDNVM1";
const DIGEST_BYTES: usize = 20;
/// The largest memory that is copied.
pub const MEMORY_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Of which kind of dongle.
    pub kind: Kind,
    /// What it held.
    pub memory: SecretBytes,
}

impl Image {
    /// As it is kept.
    pub fn emit(&self) -> SecretBytes {
        let library = self.kind.library.as_bytes();
        let length = u8::try_from(library.len()).unwrap_or(u8::MAX);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[
            self.kind.way.to_byte(),
            self.kind.chip.0,
            self.kind.chip.1,
            length,
        ]);
        bytes.extend(library.iter().take(length.into()));
        bytes.extend_from_slice(&self.kind.size.to_be_bytes());
        bytes.extend_from_slice(self.memory.expose());
        let digest = Sha1::digest(&bytes);
        bytes.extend_from_slice(&digest);
        SecretBytes::new(bytes)
    }

    /// Reads a copy.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ImageError::NotAnImage);
        }
        let body = bytes.len().checked_sub(DIGEST_BYTES).ok_or(ImageError::Damaged)?;
        let (body, digest) = bytes.split_at_checked(body).ok_or(ImageError::Damaged)?;
        if Sha1::digest(body).as_slice() != digest {
            return Err(ImageError::Damaged);
        }
        Self::parse_body(body.get(MAGIC.len()..).unwrap_or_default()).ok_or(ImageError::Damaged)
    }

    fn parse_body(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let way = Way::from_byte(reader.u8("way").ok()?)?;
        let chip = (reader.u8("chip type").ok()?, reader.u8("chip version").ok()?);
        let length = reader.u8("library length").ok()?;
        let library = std::str::from_utf8(reader.take(length.into(), "library").ok()?).ok()?;
        let size = reader.u32("size").ok()?;
        let memory = reader.rest();
        let whole = u32::try_from(memory.len()) == Ok(size) && size <= MEMORY_BYTES_MAX;
        whole.then(|| Self {
            kind: Kind {
                way,
                chip,
                library: library.to_owned(),
                size,
            },
            memory: SecretBytes::new(memory.to_vec()),
        })
    }

    /// Whether it may be written into a dongle of this kind.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, here: &Kind) -> Result<(), ImageError> {
        let of = &self.kind;
        if (of.way, of.chip, of.size) != (here.way, here.chip, here.size) {
            return Err(ImageError::OtherKind {
                of: Box::new(of.clone()),
                here: Box::new(here.clone()),
            });
        }
        if version(&of.library) > version(&here.library) {
            return Err(ImageError::OlderFirmware {
                of: of.library.clone(),
                here: here.library.clone(),
            });
        }
        Ok(())
    }
}

/// The numbers in the name of a library, such as 7 and 18 in `Z-Wave 7.18`.
fn version(library: &str) -> Vec<u32> {
    library
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image(library: &str, memory: Vec<u8>) -> Image {
        let size = u32::try_from(memory.len()).unwrap();
        Image {
            kind: Kind {
                way: Way::Operations,
                chip: (7, 0),
                library: library.to_owned(),
                size,
            },
            memory: SecretBytes::new(memory),
        }
    }

    proptest! {
        #[test]
        fn a_copy_comes_back_and_any_damage_is_found(
            memory in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            flip in 1..=255u8,
        ) {
            let copy = image("Z-Wave 7.18", memory);
            let mut bytes = copy.emit().expose().to_vec();
            prop_assert_eq!(Image::parse(&bytes), Ok(copy));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Image::parse(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_a_copy_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Image::parse(&bytes);
            let _ = Image::parse(&[MAGIC.as_slice(), &bytes].concat());
        }
    }

    #[test]
    fn a_copy_goes_only_into_its_kind_of_dongle() {
        let copy = image("Z-Wave 7.18", vec![0; 64]);
        let here = |change: fn(&mut Kind)| {
            let mut kind = copy.kind.clone();
            change(&mut kind);
            copy.fits(&kind)
        };
        assert_eq!(here(|_| {}), Ok(()));
        assert_eq!(here(|kind| kind.library = "Z-Wave 7.19".into()), Ok(()));
        for other in [
            here(|kind| kind.chip = (5, 0)),
            here(|kind| kind.size = 32),
            here(|kind| kind.way = Way::Buffers),
            here(|kind| kind.library = "Z-Wave 7.9".into()),
        ] {
            let said = other.unwrap_err().to_string();
            assert!(said.contains("; "), "it says what to do: {said}");
        }
    }
}
