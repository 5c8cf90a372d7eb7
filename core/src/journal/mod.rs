//! The journal as values: how each entry is tied to the one before it.
//!
//! What is recorded is in [`crate::event`]; where it is kept is the store's business.

pub mod chain;
