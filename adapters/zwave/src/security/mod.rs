//! S0 and S2: pure cryptography and session machines. No clock, no port, no source of chance: time and randomness
//! are arguments, so that everything here replays.

pub mod crypto;
pub mod keys;
pub mod s0;
pub mod s0_wire;
pub mod s2;
pub mod s2_wire;
#[cfg(test)]
pub(crate) mod vectors;

pub use keys::{ClassSet, KeyRef, KeySet, KeysError, NetworkKeys, SecurityClass, SessionKey};
pub use s0::{S0, S0Error, S0Keys, S0Link, S0Opened, S0SealError};
pub use s2::{Addressing, Opened, S2Error, SealError, Spans};
