//! What the tests need beyond Rust, installed when it is missing: Node.js, the peers' packages, cargo's helpers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::step::{cargo, output, program, root, run, say, target};

/// The oldest Node.js that the peers were tried with.
const NODE_MAJOR_MIN: u32 = 20;
/// Debian's browser for the journeys through the web interface.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Makes sure that `cargo NAME` works, installing its crate otherwise.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn cargo_helper(name: &str, package: &str) -> Result<()> {
    if output(cargo().args([name, "--version"])).is_some() {
        return Ok(());
    }
    say(&format!("    cargo {name} is missing: installing {package}"));
    run(cargo().args(["install", "--locked", package]))
        .with_context(|| format!("install it by hand: cargo install --locked {package}"))
}

/// Makes sure that Node.js and npm are there, installing Debian's where that is allowed.
///
/// # Errors
/// When there is none that is new enough.
pub(crate) fn node() -> Result<()> {
    if node_major().is_none() || output(program("npm").arg("--version")).is_none() {
        say("    Node.js or npm is missing: trying Debian's packages");
        debian(&["nodejs", "npm"])
            .context("install Node.js 20 or newer by hand: apt-get install nodejs npm")?;
    }
    match node_major() {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        Some(major) => bail!("Node.js {major} is too old for the peers: {NODE_MAJOR_MIN} or newer is needed"),
        None => bail!("`node` does not run: install Node.js {NODE_MAJOR_MIN} or newer"),
    }
}

/// Makes sure that there is a Chromium, installing Debian's where that is allowed.
///
/// # Errors
/// When there is none.
pub(crate) fn chromium() -> Result<()> {
    let chosen = std::env::var("CHROMIUM").unwrap_or_else(|_| CHROMIUM.to_owned());
    if output(program(&chosen).arg("--version")).is_some() {
        return Ok(());
    }
    say("    Chromium is missing: trying Debian's package");
    debian(&["chromium"])
        .context("install Chromium by hand, or name one in CHROMIUM: apt-get install chromium")
}

/// Installs Debian's packages, as root or where sudo asks nothing.
fn debian(packages: &[&str]) -> Result<()> {
    let is_root = output(program("id").arg("-u")).as_deref() == Some("0");
    let (first, rest): (&str, &[&str]) = if is_root {
        ("apt-get", &[])
    } else {
        ("sudo", &["-n", "apt-get"])
    };
    // A stale package index is refreshed on the way; the install below tells whether it worked.
    let _ = run(program(first).args(rest).arg("update"));
    run(program(first)
        .args(rest)
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages))
}

fn node_major() -> Option<u32> {
    let version = output(program("node").arg("--version"))?;
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Installs the web interface's packages with those for its tests, unless that was done already.
///
/// # Errors
/// When npm fails.
pub(crate) fn web_packages() -> Result<()> {
    let folder = root().join("web");
    let lock = fs::read_to_string(folder.join("package-lock.json")).context("no package-lock.json")?;
    // The build script leaves the same copy, but without the tests' packages.
    let installed = folder.join("node_modules/.installed.json");
    let complete = folder.join("node_modules/@playwright/test").exists();
    if complete && fs::read_to_string(&installed).is_ok_and(|installed| installed == lock) {
        say("    packages are as the lock file says");
        return Ok(());
    }
    run(program("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder))?;
    fs::write(&installed, lock)?;
    Ok(())
}

/// Installs schemathesis exactly as its list says into an environment of its own, unless that was done already; the program.
///
/// # Errors
/// When there is no Python, or pip fails.
pub(crate) fn schemathesis() -> Result<PathBuf> {
    let list = root().join("xtask/schemathesis/requirements.txt");
    let wanted = fs::read_to_string(&list).context("no list of packages")?;
    let folder = target().join("schemathesis/venv");
    let (python, schemathesis) = (folder.join("bin/python"), folder.join("bin/schemathesis"));
    let stamp = folder.join(".installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        say("    packages are as the list says");
        return Ok(schemathesis);
    }
    let make = |folder: &Path| run(program("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if make(&folder).is_err() {
        say("    Python or its venv is missing: trying Debian's packages");
        debian(&["python3", "python3-venv"])
            .context("install Python by hand: apt-get install python3 python3-venv")?;
        make(&folder)?;
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ];
    run(program(&python.to_string_lossy()).args(pip).arg(&list))?;
    fs::write(&stamp, wanted)?;
    Ok(schemathesis)
}

/// Installs the Z-Wave peers exactly as the lock file says, unless that was done already.
///
/// # Errors
/// When npm fails.
pub(crate) fn zwave_peers() -> Result<()> {
    let folder = root().join("tests/peers/zwave");
    let lock = fs::read_to_string(folder.join("package-lock.json")).context("no package-lock.json")?;
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        say("    packages are as the lock file says");
        return Ok(());
    }
    run(program("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder))?;
    fs::write(&stamp, lock)?;
    Ok(())
}
