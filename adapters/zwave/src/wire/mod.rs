//! Pure codecs: serial frames, Serial API commands and command classes.

pub mod cc;
pub mod frame;
pub mod reader;
pub mod serial;
