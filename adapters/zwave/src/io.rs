//! The only file of this crate that touches a serial port or a socket.

use hubd_model::{RadioName, Report, SecretBytes};

/// Where the dongle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// The radio's name.
    pub name: RadioName,
    /// A device path, or `tcp://HOST:PORT`.
    pub port: String,
}

/// What the adapter was given to remember at its last run.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The network keys ([`crate::security::NetworkKeys::to_bytes`]).
    pub keys: SecretBytes,
    /// The node cache; losing it costs an interview, never a code on a lock.
    pub cache: Option<Vec<u8>>,
}

/// What the adapter tells the shell.
#[derive(Debug)]
pub enum FromRadio {
    /// For the mind.
    Report(Report),
    /// Remember this node cache instead of the last one.
    KeepCache(Vec<u8>),
}
