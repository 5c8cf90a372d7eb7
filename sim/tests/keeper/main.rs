//! The keeper of codes among locks that do what locks do: mask, forget, refuse, answer late or not at all.
//!
//! `home.rs` is a household around the real mind, `folk.rs` what its people do, `lock.rs` a lock as the mind's radio would show it. `scenes.rs` tells
//! single stories; `years.rs` lets whole years of random ones pass and checks the invariants all along.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that panics fails, as it should, and a broken year is named"
)]

mod enrolling;
mod faults;
mod folk;
mod home;
mod lock;
mod scenes;
mod years;
