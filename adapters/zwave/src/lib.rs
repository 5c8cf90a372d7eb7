//! Z-Wave: from the dongle's bytes to the household's words and back.
//!
//! From the wire inwards: `wire` (codecs), `link` (acknowledged frames), `dongle` (one command at a time),
//! `security` (S0, S2), `host` (jobs, interview, inclusion, actuation), `io` (the port).

pub mod dongle;
pub mod io;
pub mod link;
pub mod security;
pub mod wire;
