//! The API from outside: real HTTP on loopback, the real loop and store, and a scripted adapter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod accounts;
mod auth;
mod authenticator;
mod backups;
mod cli;
mod client;
mod commands;
mod console;
mod credentials;
mod document;
mod guests;
mod hostile;
mod house;
mod life_safety;
mod limits;
mod notify;
mod passkeys;
mod recovery;
mod secrets;
mod sheet;
mod stream;
mod tls;
mod ui;
mod verification;
