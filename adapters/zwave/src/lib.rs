//! Z-Wave: from the dongle's bytes to the household's words and back.
//!
//! From the wire inwards: `wire` (codecs), `link` (acknowledged frames), `dongle` (one command at a time),
//! `transport_service` (long frames), `security` (S0, S2), `lock`, `alarm` and `signal` (commands into the
//! household's words), `codes` (what a lock is asked about its codes), `host` (jobs, interview, inclusion, actuation),
//! `identify` (which dongle it is), `image` (a copy of its memory), `port` and `io` (the port and the bytes to and from
//! it), `zwave_js` (what an owner brings along from there).

pub mod alarm;
pub mod codes;
pub mod dongle;
pub mod host;
pub mod identify;
pub mod image;
pub mod interview;
pub mod io;
pub mod link;
pub mod lock;
pub mod node;
pub mod port;
pub mod security;
pub mod signal;
pub mod transport_service;
pub mod wire;
pub mod zwave_js;
