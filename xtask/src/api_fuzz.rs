//! `cargo xtask api-fuzz`: schemathesis, which nobody here wrote, goes through the committed OpenAPI document and asks a real
//! hub in a simulated home. No answer may be a server's fault, and none may be one that the document does not know. Each run
//! asks other things, as a fuzzer does, so it is no part of `cargo xtask ci`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{Steps, cargo, program, root, run, say, target};
use crate::tools;

/// How long it goes on unless told.
const SECONDS: u32 = 80;
/// So many cases for each operation and phase at most.
const CASES: &str = "25";
/// What is asked of every answer. Left out: what needs the rules between fields, which no schema says
/// (`positive_data_acceptance`); and what the gate answers strangers and unknown methods, which is walked more strictly
/// in `hubd/tests/api` (`ignored_auth`, `unsupported_method`).
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,use_after_free,allow_header_conformance";

/// `cargo xtask api-fuzz [--seconds N]`.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run_api_fuzz(rest: &[&str]) -> Result<()> {
    let seconds = match rest {
        [] => SECONDS,
        ["--seconds", number] => number.parse().context("--seconds takes a number")?,
        other => bail!("unknown arguments `{}`: api-fuzz [--seconds N]", other.join(" ")),
    };
    let mut steps = Steps::new();
    self::steps(&mut steps, seconds)?;
    steps.finish();
    Ok(())
}

fn steps(steps: &mut Steps, seconds: u32) -> Result<()> {
    let mut schemathesis = PathBuf::new();
    steps.step("api: schemathesis", || {
        schemathesis = tools::schemathesis()?;
        Ok(())
    })?;
    steps.step("api: every operation of the document", || {
        run(cargo().args(["build", "--package", "hubd", "--locked"]))?;
        fuzz(&schemathesis, seconds)
    })
}

/// A hub that ends with this value.
struct Hub {
    child: Child,
    url: String,
    token: String,
    setup: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It has no state worth keeping; that it is gone already is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn demo() -> Result<Hub> {
    let mut child = Command::new(target().join("debug/hubd"))
        .args(["demo", "--listen", "127.0.0.1:0", "--speed", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the demo")?;
    let out = child.stdout.take().context("the demo has no output")?;
    let mut hub = Hub {
        child,
        url: String::new(),
        token: String::new(),
        setup: String::new(),
    };
    let mut lines = BufReader::new(out).lines();
    for line in lines.by_ref() {
        let line = line.context("the demo's output ended")?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("API"), Some(url)) => hub.url = url.trim_end_matches("/api/v1").into(),
            (Some("Setup"), Some(code)) => hub.setup = code.into(),
            (Some("Token"), Some(token)) => hub.token = token.into(),
            (Some("The"), Some("hub")) if line.contains("knows the house") => {
                if hub.url.is_empty() || hub.token.is_empty() || hub.setup.is_empty() {
                    bail!("the demo did not say where it listens, its token and its setup code");
                }
                // What it tells from now on is read so that it never waits for a reader.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(hub);
            }
            _ => {}
        }
    }
    bail!("the demo ended before it knew its house")
}

fn fuzz(schemathesis: &Path, seconds: u32) -> Result<()> {
    let hub = demo()?;
    let folder = target().join("schemathesis/run");
    fs::create_dir_all(&folder)?;
    let document = root().join("docs/openapi.json");
    let seconds = seconds.to_string();
    let args = [
        "run",
        "--url",
        &hub.url,
        "--max-time",
        &seconds,
        "--max-examples",
        CASES,
        "--checks",
        CHECKS,
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--continue-on-failure",
        "--request-timeout",
        "30",
        // It never ends; `hubd/tests/api/stream.rs` follows it.
        "--exclude-path",
        "/api/v1/events/stream",
        // That ids which are made up do not exist, and that guessing is slowed down, is as it should be.
        "--warnings",
        "off",
    ];
    let hooks = root().join("xtask/schemathesis/hooks.py");
    let told = run(program(&schemathesis.to_string_lossy())
        .args(args)
        .arg(document)
        .current_dir(&folder)
        .env("HUBD_URL", &hub.url)
        .env("HUBD_TOKEN", &hub.token)
        .env("HUBD_SETUP", &hub.setup)
        .env("SCHEMATHESIS_HOOKS", hooks));
    if told.is_err() {
        say(
            "    the seed above replays it: add `--seed` to the command above, or replay one case with `st replay`",
        );
    }
    told
}
