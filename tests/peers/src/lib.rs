//! The harness that runs the real daemon against software that nobody here wrote, all on loopback.
//!
//! [`mock::Mock`] is a Z-Wave home made of zwave-js' mock nodes, [`hub::Hub`] the daemon as a process of its own,
//! [`http::Client`] the shortest client of its API, and [`home::Home`] the three together. Nothing here sleeps: every
//! wait is for an event or a condition and has a deadline.

#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers an unknown key with null and never panics"
)]

pub mod clock;
pub mod home;
pub mod household;
pub mod http;
pub mod hub;
pub mod lines;
pub mod mock;

pub use clock::Deadline;
pub use home::Home;
pub use household::Household;
pub use http::{Client, Events, Response};
pub use hub::{Hub, HubOptions};
pub use mock::{Mock, MockOptions};
