//! The API from outside: real HTTP on loopback, the real loop and store, and a scripted adapter.

mod auth;
mod cli;
mod client;
mod commands;
mod document;
mod house;
mod limits;
mod secrets;
mod stream;
