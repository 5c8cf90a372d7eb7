//! The shell around the mind: the one event loop, the store, the API and the command line.

pub mod api;
pub mod cli;
pub mod config;
pub mod hub;
pub mod logging;
pub mod store;
pub mod token;
