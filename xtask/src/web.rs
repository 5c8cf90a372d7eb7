//! `cargo xtask web`: the web interface by its types, its units, and journeys in a real browser against a real daemon.

use anyhow::Result;

use crate::step::{Steps, cargo, program, root, run, target};
use crate::tools;

/// `cargo xtask web`.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run_web(filter: &[&str]) -> Result<()> {
    let mut own = Steps::new();
    own.step("tools", tools::node)?;
    steps(&mut own, filter)?;
    own.finish();
    Ok(())
}

/// The journeys of CI. How quick the page is depends on the machine as well, so that CI does not judge by it.
pub(crate) const PROJECTS: [&str; 4] = [
    "--project=phone",
    "--project=desktop-dark",
    "--project=phone-dark",
    "--project=desktop",
];

/// Its steps, also for `cargo xtask ci`.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn steps(steps: &mut Steps, filter: &[&str]) -> Result<()> {
    steps.step("web: packages and browser", || {
        tools::web_packages()?;
        // Some journeys run the daemon on the devices of zwave-js.
        tools::zwave_peers()?;
        tools::chromium()
    })?;
    steps.step("web: types and units", || {
        npm(&["run", "check"])?;
        npm(&["run", "unit"])
    })?;
    steps.step("web: journeys", || {
        run(cargo().args(["build", "--package", "hubd", "--locked"]))?;
        let journeys = ["run", "journeys", "--"];
        run(program("npm")
            .args(journeys)
            .args(filter)
            .current_dir(root().join("web"))
            .env("HUBD_BIN", target().join("debug/hubd")))
    })
}

fn npm(arguments: &[&str]) -> Result<()> {
    run(program("npm").args(arguments).current_dir(root().join("web")))
}
