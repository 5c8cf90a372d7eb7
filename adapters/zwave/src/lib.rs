//! Z-Wave: from the dongle's bytes to the household's words and back.

pub mod alarm;
pub mod io;
pub mod lock;
pub mod security;
pub mod signal;
pub mod transport_service;
pub mod wire;
