//! Benchmarks: side by side with the peer on the same mock in one run, and the figures that must stay flat.
//!
//! Each writes its own section of `docs/benchmarks.md`; `cargo xtask bench NAME` builds what they need.

#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers an unknown key with null and never panics"
)]

mod codes;
mod document;
mod journal;
mod peer;
mod probe;
mod release;
mod scale;
mod stats;
mod websocket;
mod zwave;

use std::process::ExitCode;

use anyhow::{Result, bail};

#[expect(clippy::print_stderr, reason = "this is a command line tool")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["zwave"] => zwave::run(200, 3),
        ["zwave", samples] => zwave::run(samples.parse()?, 3),
        ["release"] => release::run(100, 3),
        ["release", samples] => release::run(samples.parse()?, 3),
        ["journal"] => journal::run(1_000_000),
        ["journal", entries] => journal::run(entries.parse()?),
        ["codes"] => codes::run(200),
        ["scale"] => scale::run(1_000_000),
        ["scale", entries] => scale::run(entries.parse()?),
        _ => bail!(
            "usage: hubd-bench zwave [SAMPLES] | release [SAMPLES] | journal [ENTRIES] | scale [ENTRIES] | codes"
        ),
    }
}
