//! `cargo xtask years`: many seeded years of households and their locks, optimised and on two cores. CI lives a few.

use anyhow::{Context, Result, bail};

use crate::step::{Steps, cargo, run};

/// How many years without a number.
const YEARS: u64 = 10_000;

/// Lives so many years, or one again by its seed.
///
/// # Errors
/// When a year breaks a promise (its seed is printed), or on wrong arguments.
pub(crate) fn live(arguments: &[&str]) -> Result<()> {
    let (variable, number) = match arguments {
        [] => ("HUBD_YEARS", YEARS),
        ["--seed", seed] => ("HUBD_SEED", seed.parse().context("--seed needs a number")?),
        [count] => ("HUBD_YEARS", count.parse().context("how many years is a number")?),
        other => bail!("`{}` is not how many years, and not --seed N", other.join(" ")),
    };
    let mut steps = Steps::new();
    let test = |rest: &[&str]| {
        let mut command = cargo();
        command.args([
            "test",
            "--profile",
            "dev-release",
            "--locked",
            "--package",
            "hubd-sim",
        ]);
        run(command
            .args(["--test", "keeper"])
            .args(rest)
            .env(variable, number.to_string()))
    };
    steps.step("optimised build", || test(&["--no-run"]))?;
    let what = match variable {
        "HUBD_SEED" => format!("the year of seed {number}"),
        _ => format!("{number} years"),
    };
    steps.step(&what, || test(&["--", "years", "--nocapture"]))?;
    steps.finish();
    Ok(())
}
