//! What each fuzz target does with its bytes: a parser of outside bytes must never panic, must hold its limits, and
//! what it accepts must survive being written and read again.
//!
//! The fuzzer runs these (`cargo xtask fuzz`), and an ordinary test replays the committed corpora through them.

#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a panic is how a target tells the fuzzer that a parser is wrong"
)]

mod command;
mod host;
mod http;
mod link;
mod passkey;
mod session;
mod text;

pub use command::{command_class, node_info};
pub use host::{host, node_cache};
pub use http::http_request;
pub use link::{serial_command, serial_frame};
pub use passkey::passkey;
pub use session::{network_keys, s2_session, security_0, security_2};
pub use text::{configuration, pairing_code};

/// A fuzz target: its name, which is also its corpus's, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("command_class", command_class),
    ("configuration", configuration),
    ("host", host),
    ("http_request", http_request),
    ("network_keys", network_keys),
    ("node_cache", node_cache),
    ("node_info", node_info),
    ("pairing_code", pairing_code),
    ("passkey", passkey),
    ("s2_session", s2_session),
    ("security_0", security_0),
    ("security_2", security_2),
    ("serial_command", serial_command),
    ("serial_frame", serial_frame),
];
