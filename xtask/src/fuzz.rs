//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/` for a while each. CI replays their corpora instead.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::step::{Steps, cargo, root, run};
use crate::tools;

/// Runs every target, or the named one, for `--seconds N` each.
///
/// # Errors
/// When a target finds something, or on wrong arguments.
pub(crate) fn run_targets(arguments: &[&str]) -> Result<()> {
    let (seconds, names) = match arguments {
        ["--seconds", seconds, names @ ..] => {
            (seconds.parse::<u32>().context("--seconds needs a number")?, names)
        }
        names => (60, names),
    };
    let all = targets()?;
    if let Some(unknown) = names
        .iter()
        .find(|name| !all.iter().any(|target| target == *name))
    {
        bail!("there is no fuzz target {unknown}; there are: {}", all.join(", "));
    }
    tools::cargo_helper("fuzz", "cargo-fuzz")?;
    let mut steps = Steps::new();
    for target in all
        .iter()
        .filter(|target| names.is_empty() || names.contains(&target.as_str()))
    {
        // New inputs go to an own folder; the committed corpus stays small.
        let found = root().join("fuzz/found").join(target);
        fs::create_dir_all(&found)?;
        let corpus = root().join("fuzz/corpus").join(target);
        steps.step(&format!("fuzz {target} for {seconds} s"), || {
            // The coverage instrumentation needs a flag that a stable compiler grants only on request.
            let mut command = cargo();
            command
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["fuzz", "run", "--sanitizer", "none", target]);
            command.arg(&found).arg(&corpus).arg("--");
            run(command.args([
                "-print_final_stats=1",
                "-max_len=4096",
                &format!("-max_total_time={seconds}"),
            ]))
        })?;
    }
    steps.finish();
    Ok(())
}

/// The names of the targets: the files in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).context("no fuzz/fuzz_targets")? {
        let path = entry?.path();
        if let Some(name) = path
            .file_stem()
            .filter(|_| path.extension().is_some_and(|ext| ext == "rs"))
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
