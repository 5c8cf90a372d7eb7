//! S0 and S2: pure cryptography and session machines. No clock, no port, no source of chance: time and randomness
//! are arguments, so that everything here replays.
//!
//! From the bottom up: `crypto` and `ecdh` (formulas), `keys` (what the network owns), `s0_wire` and `s2_wire`
//! (codecs), [`S0`] and [`Spans`] (sessions with all peers), the `bootstrap_*` machines (giving a node its keys, and
//! getting them), `dsk` and `qr` (what stands on a device's label).

pub mod bootstrap_s0;
pub mod bootstrap_s2;
pub mod bootstrap_s2_device;
pub mod crypto;
pub mod dsk;
pub mod ecdh;
pub mod keys;
pub mod qr;
pub mod s0;
pub mod s0_wire;
pub mod s2;
pub mod s2_wire;
#[cfg(test)]
pub(crate) mod vectors;

pub use bootstrap_s0::{BootstrapS0, DeviceBootstrapS0};
pub use bootstrap_s2::{BootstrapS2, Grant, Under};
pub use bootstrap_s2_device::DeviceBootstrapS2;
pub use dsk::{Dsk, DskPin};
pub use ecdh::KeyPair;
pub use keys::{ClassSet, KeyRef, KeySet, KeysError, NetworkKeys, SecurityClass, SessionKey};
pub use qr::Provisioning;
pub use s0::{S0, S0Error, S0Keys, S0Link, S0Opened, S0SealError};
pub use s2::{Addressing, Opened, S2Error, SealError, Spans};
