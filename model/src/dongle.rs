//! A copy of what a dongle keeps in its memory: the network that it made, so that another dongle can take its place.

use crate::secret::SecretBytes;

/// A copy of a dongle's memory, in a form of the radio's own that says of which kind of dongle it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DongleImage(SecretBytes);

impl DongleImage {
    /// A copy that was kept. Only the radio can tell whether it is one.
    pub const fn new(bytes: SecretBytes) -> Self {
        Self(bytes)
    }

    /// Shows the bytes to a seal or the radio. Never store them unsealed.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// What becomes of an order about a dongle's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DongleMemory {
    /// So many bytes of so many were copied, or written back.
    Progress {
        /// Done.
        done: u32,
        /// In all.
        total: u32,
    },
    /// The copy.
    Copied(DongleImage),
    /// The copy was written back, and the dongle started with it.
    Restored,
    /// Nothing was changed, or the dongle says that what was written is not whole.
    Failed {
        /// One sentence: what is wrong, what to do.
        reason: String,
    },
}
