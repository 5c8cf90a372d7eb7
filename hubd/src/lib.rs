//! The shell around the mind: the one event loop, the store, the API and the command line.

pub mod cli;
pub mod hub;
pub mod store;
