//! One step at a time: a heading, the command, how long it took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

/// Prints a line for the person who waits.
#[expect(clippy::print_stdout, reason = "this is a command line tool")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Prints why it ended.
#[expect(clippy::print_stderr, reason = "this is a command line tool")]
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    // Set by cargo for this crate when it was built; xtask lies directly below the workspace.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// The cargo that runs us. It is not told of this package, or build scripts that ask for theirs (ring's) would find
/// another answer than under a cargo that a person runs, and everything above them would be built again each time.
pub(crate) fn cargo() -> Command {
    let mut command = program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || matches!(name, "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH")
        });
        if ours {
            command.env_remove(name);
        }
    }
    command
}

/// A program run in the workspace's folder.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// The steps of one run, with their times.
#[derive(Debug)]
pub(crate) struct Steps {
    started: Duration,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Starts counting.
    pub(crate) fn new() -> Self {
        Self {
            started: since_boot(),
            done: Vec::new(),
        }
    }

    /// Does one step under a heading.
    ///
    /// # Errors
    /// The step's own, with its heading.
    pub(crate) fn step(&mut self, heading: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        say(&format!("\n==> {heading}"));
        let start = since_boot();
        work().with_context(|| format!("step `{heading}` failed"))?;
        let took = since_boot().saturating_sub(start);
        say(&format!("    {heading}: done in {:.1} s", took.as_secs_f64()));
        self.done.push((heading.to_owned(), took));
        Ok(())
    }

    /// Prints the table of steps.
    pub(crate) fn finish(&self) {
        say("\nAll steps passed:");
        for (heading, took) in &self.done {
            say(&format!("  {:7.1} s  {heading}", took.as_secs_f64()));
        }
        let total = since_boot().saturating_sub(self.started);
        say(&format!("  {:7.1} s  in all", total.as_secs_f64()));
    }
}

/// Runs a command that must succeed.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    say(&format!("    $ {line}"));
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if status.success() {
        Ok(())
    } else {
        bail!("`{line}` ended with {status}")
    }
}

/// What a command prints, when it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
