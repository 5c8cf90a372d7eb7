//! `cargo xtask bench`: builds the release daemon and the benchmarks and runs one of them.

use anyhow::Result;

use crate::step::{Steps, cargo, run, target};
use crate::tools;

/// Runs the benchmark `which` with further arguments.
///
/// # Errors
/// When a build or the benchmark fails.
pub(crate) fn run_bench(which: &str, rest: &[&str]) -> Result<()> {
    let mut steps = Steps::new();
    if matches!(which, "zwave" | "release") {
        steps.step("peers: packages", || {
            tools::node().and_then(|()| tools::zwave_peers())
        })?;
    }
    steps.step("release build", || {
        run(cargo().args([
            "build",
            "--release",
            "--locked",
            "--package",
            "hubd",
            "--package",
            "hubd-bench",
        ]))
    })?;
    steps.step(&format!("bench {which}"), || {
        let hubd = target().join("release/hubd");
        let args = [
            "run",
            "--release",
            "--locked",
            "--quiet",
            "--package",
            "hubd-bench",
            "--",
            which,
        ];
        run(cargo().args(args).args(rest).env("HUBD_BIN", hubd))
    })?;
    steps.finish();
    Ok(())
}
