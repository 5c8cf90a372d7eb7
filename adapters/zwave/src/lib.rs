//! Z-Wave: from the dongle's bytes to the household's words and back.

pub mod io;
pub mod security;
pub mod transport_service;
pub mod wire;
