//! The shell around the mind: the one event loop, the store, the API and the command line.

pub mod accounts;
pub mod api;
pub mod backups;
pub mod cli;
pub mod clock;
pub mod config;
mod dumps;
pub mod hub;
pub mod logging;
pub mod notify;
pub mod radios;
pub mod run;
pub mod sheet;
pub mod store;
pub mod supervise;
pub mod threads;
pub mod tls;
pub mod token;
mod token_watch;
