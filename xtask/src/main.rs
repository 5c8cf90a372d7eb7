//! The project's own commands: `cargo xtask ci | peers | web | api-fuzz | bench | years | fuzz`. Each stops at the first failure and says how
//! long every step took.

mod api_fuzz;
mod bench;
mod ci;
mod fuzz;
mod step;
mod tools;
mod web;
mod years;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask COMMAND
  ci                          everything that must pass, installing what it needs; no step is skipped silently
  peers [FILTER...]           the daemon against the peers (tests/peers); FILTER as for cargo nextest
  web [FILTER...]             the web interface: types, units, and journeys in Chromium; FILTER as for playwright test
  api-fuzz [--seconds N]      schemathesis over the whole OpenAPI document, against a hub in a simulated home
  bench zwave|release|journal|scale|codes benchmarks; zwave runs side by side with zwave-js server and writes docs/benchmarks.md
  years [COUNT | --seed N]    seeded years of households and their locks (10000), or one again by its number
  fuzz [--seconds N] [NAME]   fuzz every target, or one, for N seconds each (default 60)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::complain(&format!("\nerror: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["ci"] => ci::run_ci(),
        ["peers", filter @ ..] => ci::peers(filter),
        ["web", filter @ ..] => web::run_web(filter),
        ["api-fuzz", rest @ ..] => api_fuzz::run_api_fuzz(rest),
        [
            "bench",
            which @ ("zwave" | "release" | "journal" | "scale" | "codes"),
            rest @ ..,
        ] => bench::run_bench(which, rest),
        ["years", rest @ ..] => years::live(rest),
        ["fuzz", rest @ ..] => fuzz::run_targets(rest),
        [] | ["help" | "--help" | "-h"] => {
            step::say(USAGE);
            Ok(())
        }
        other => bail!("unknown command `{}`\n{USAGE}", other.join(" ")),
    }
}
