//! Reads big-endian fields out of bytes that may be shorter than hoped.

use thiserror::Error;

/// The bytes ended before the field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too short: {missing} more byte(s) needed for {field}")]
pub struct TooShort {
    /// The field's name.
    pub field: &'static str,
    /// How many bytes are missing.
    pub missing: usize,
}

/// Takes fields from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    ///
    /// # Errors
    /// When the bytes are over.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, TooShort> {
        Ok(self.array::<1>(field)?[0])
    }

    /// The next two bytes as a number.
    ///
    /// # Errors
    /// When the bytes are over.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, TooShort> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// The next four bytes as a number.
    ///
    /// # Errors
    /// When the bytes are over.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, TooShort> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When the bytes are over.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], TooShort> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(TooShort {
                field,
                missing: N - self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(*head)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When the bytes are over.
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], TooShort> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(TooShort {
                field,
                missing: count - self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(head)
    }
}

/// The numbers of the bits that are set, counted from `first` at the lowest bit of the first byte.
pub fn bits(mask: &[u8], first: u16) -> impl Iterator<Item = u16> + '_ {
    mask.iter().zip(0u16..).flat_map(move |(byte, index)| {
        (0..8u16)
            .filter(move |bit| byte & (1 << bit) != 0)
            .map(move |bit| first + index * 8 + bit)
    })
}
