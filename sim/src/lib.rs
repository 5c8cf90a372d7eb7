//! A simulated home on virtual time: a byte-level Z-Wave dongle with its devices, doors, people and faults.
//!
//! Nothing here reads a clock or draws a random number of its own: time is an argument and chance comes from a
//! seed. The one file with input and output is `runner.rs`.

pub mod agenda;
pub mod air;
pub mod chance;
pub mod device;
pub mod dongle;
pub mod home;
pub mod runner;
pub mod world;
