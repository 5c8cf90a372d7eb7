//! `cargo xtask ci`: everything that must pass before a change is good, in the order in which failures are cheapest.

use anyhow::{Context, Result};

use crate::step::{Steps, cargo, root, run, say, target};
use crate::{tools, web};

/// Runs everything.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run_all(steps: &mut Steps) -> Result<()> {
    steps.step("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    steps.step("tools", || {
        tools::cargo_helper("nextest", "cargo-nextest")?;
        tools::cargo_helper("deny", "cargo-deny")?;
        tools::node()
    })?;
    steps.step("peers: packages", tools::zwave_peers)?;
    steps.step("clippy, warnings denied", || {
        run(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.step(
        "tests: unit, property, simulation, store, API, fuzz corpus",
        || {
            let args = [
                "nextest",
                "run",
                "--workspace",
                "--exclude",
                "hubd-peers",
                "--locked",
                "--no-fail-fast",
            ];
            run(cargo().args(args))
        },
    )?;
    steps.step("tests: examples in the documentation", || {
        run(cargo().args(["test", "--workspace", "--doc", "--locked"]))
    })?;
    steps.step("tests: the daemon against the peers", || run_peers(&[]))?;
    web::steps(steps, &web::PROJECTS)?;
    steps.step("documentation, warnings denied", || {
        let args = [
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--locked",
        ];
        run(cargo()
            .args(args)
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
    })?;
    steps.step("dependencies: licences, bans, sources, advisories", deny)
}

/// `cargo xtask ci`.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run_ci() -> Result<()> {
    let mut steps = Steps::new();
    run_all(&mut steps)?;
    steps.finish();
    Ok(())
}

/// `cargo xtask peers`.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn peers(filter: &[&str]) -> Result<()> {
    let mut steps = Steps::new();
    steps.step("tools", || {
        tools::cargo_helper("nextest", "cargo-nextest")?;
        tools::node()
    })?;
    steps.step("packages", tools::zwave_peers)?;
    steps.step("the daemon against the peers", || run_peers(filter))?;
    steps.finish();
    Ok(())
}

/// A word that is a file of tests means all of that file; any other word is part of a test's name.
fn run_peers(words: &[&str]) -> Result<()> {
    let filter = words.iter().flat_map(|word| {
        let is_file = root()
            .join("tests/peers/tests")
            .join(format!("{word}.rs"))
            .is_file();
        is_file.then_some("--test").into_iter().chain([*word])
    });
    run(cargo().args(["build", "--package", "hubd", "--locked"]))?;
    let args = [
        "nextest",
        "run",
        "--package",
        "hubd-peers",
        "--locked",
        "--no-fail-fast",
    ];
    run(cargo()
        .args(args)
        .args(filter)
        .env("HUBD_BIN", target().join("debug/hubd")))
}

/// Licences, bans and sources always; advisories where their database can be fetched.
fn deny() -> Result<()> {
    run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))
        .context("see deny.toml for the reasons")?;
    if run(cargo().args(["deny", "fetch", "db"])).is_err() {
        say("\n    *** The advisory database could not be fetched: known vulnerabilities were NOT checked.");
        say("    *** Run `cargo deny check advisories` on a machine with access to it before a release.\n");
        return Ok(());
    }
    run(cargo().args(["deny", "check", "--disable-fetch", "advisories"]))
}
