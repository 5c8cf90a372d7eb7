//! The mind of the hub: one value that is fed inputs and drained of outputs.
//!
//! No file, no clock, no socket, no random source: everything that happens comes in through
//! [`engine::Engine::handle`], everything that shall happen leaves through `poll`, and `next_deadline` says when
//! to come back. That is why a year of household life runs in a second in `hubd-sim`.

pub mod actuation;
pub mod credentials;
mod devices;
pub mod engine;
pub mod event;
pub mod input;
pub mod journal;
pub mod lifesafety;
mod outbox;
pub mod output;
mod radios;
pub mod view;
