//! Pure codecs: serial frames, Serial API commands and command classes.

pub mod cc;
