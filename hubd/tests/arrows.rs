//! The arrows between the rooms run one way, the inner rooms depend on nothing that touches the world, and the house is tidy:
//! small files that say what they promise, and a reason beside each dependency.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// A file with more lines is asking to be two.
const LINES_MAX: usize = 700;

/// Which of our own crates each may depend on, and which more its tests may.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("hubd-model", &[], &[]),
    ("hubd-core", &["hubd-model"], &[]),
    ("hubd-zwave", &["hubd-model"], &[]),
    ("hubd-sim", &["hubd-model", "hubd-zwave"], &["hubd-core"]),
    (
        "hubd",
        &["hubd-model", "hubd-core", "hubd-zwave", "hubd-sim", "hubd-web"],
        &[],
    ),
    ("hubd-web", &[], &[]),
    // Tools and judges: nothing depends on them but each other.
    ("hubd-peers", &[], &["hubd-model", "hubd-zwave"]),
    (
        "hubd-fuzz-bodies",
        &["hubd-model", "hubd-zwave", "hubd", "hubd-core"],
        &[],
    ),
    (
        "hubd-bench",
        &[
            "hubd-model",
            "hubd-core",
            "hubd-zwave",
            "hubd-sim",
            "hubd",
            "hubd-peers",
        ],
        &[],
    ),
    ("xtask", &[], &[]),
];

/// What the model and the mind must not have anywhere below them: the world.
const WORLD: &[&str] = &[
    "async-std",
    "axum",
    "chrono",
    "getrandom",
    "hyper",
    "jiff",
    "libc",
    "mio",
    "nix",
    "rand",
    "rusqlite",
    "rustix",
    "serialport",
    "smol",
    "socket2",
    "time",
    "tokio",
    "tokio-serial",
    "tokio-util",
    "tracing-subscriber",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_path_buf()
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--offline".to_owned()]);
    command.exec().expect("cargo metadata")
}

#[test]
fn the_arrows_run_one_way() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let rule = ARROWS.iter().find(|(room, _, _)| *room == name);
        let (_, always, tests) =
            rule.unwrap_or_else(|| panic!("{name} is a new room: give it its arrows here"));
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| ours.contains(dependency.name.as_str()))
        {
            let to = dependency.name.as_str();
            let allowed =
                always.contains(&to) || dependency.kind == DependencyKind::Development && tests.contains(&to);
            assert!(allowed, "{name} must not depend on {to} ({:?})", dependency.kind);
        }
    }
}

/// The names of everything that a crate alone brings into a program on this machine. `cargo metadata` would add the
/// features that other rooms ask for.
fn below(name: &str) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "tree",
        "--offline",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--package",
        name,
    ]);
    let output = command.current_dir(root()).output().expect("cargo tree");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("names are text");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_model_and_the_mind_depend_on_nothing_that_touches_the_world() {
    for inner in ["hubd-model", "hubd-core"] {
        let below = below(inner);
        assert!(
            below.contains(inner) && below.contains("serde"),
            "cargo tree was understood: {below:?}"
        );
        let world: Vec<_> = below
            .iter()
            .filter(|name| WORLD.contains(&name.as_str()))
            .collect();
        assert!(
            world.is_empty(),
            "{inner} must not reach the world: {world:?}; see `cargo tree -p {inner} -i NAME`"
        );
    }
}

#[test]
fn the_simulation_is_no_part_of_what_runs_beside_a_real_door() {
    // It is reached by one command only; every other file of the shell does without it.
    for file in rust_files(&root().join("hubd/src")) {
        let text = fs::read_to_string(&file).expect("a source file");
        let relative = file.strip_prefix(root()).unwrap().display().to_string();
        assert!(
            !text.contains("hubd_sim") || relative.contains("demo"),
            "{relative} uses the simulation; only `hubd demo` may"
        );
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir()
            && !name.starts_with('.')
            && !["target", "node_modules", "found", "artifacts", "corpus"].contains(&name.as_str())
        {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_file_is_small_and_says_what_it_promises() {
    let mut wrong = Vec::new();
    for file in rust_files(&root()) {
        let text = fs::read_to_string(&file).expect("a source file");
        let shown = file.strip_prefix(root()).unwrap().display();
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{shown} has {lines} lines; {LINES_MAX} is the limit"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{shown} does not begin with `//!` and what it promises"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_dependency_has_its_reason_beside_it() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let section = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .expect("the section");
    let section = section.split("\n[").next().unwrap();
    for line in section
        .lines()
        .filter(|line| line.contains('=') && !line.trim_start().starts_with('#'))
    {
        let ours = line.contains("path = ");
        let reason = line
            .rsplit_once("# ")
            .is_some_and(|(_, reason)| reason.trim().len() > 8);
        assert!(ours || reason, "no reason beside: {line}");
    }
    for file in [
        "model",
        "core",
        "adapters/zwave",
        "sim",
        "web/embed",
        "hubd",
        "xtask",
        "bench",
        "tests/peers",
        "fuzz/bodies",
    ] {
        let text = fs::read_to_string(root().join(file).join("Cargo.toml")).expect("a manifest");
        let named = text
            .lines()
            .find(|line| line.contains("version = ") && !line.contains("workspace"));
        assert_eq!(
            named, None,
            "{file}/Cargo.toml: versions stand in the workspace's Cargo.toml"
        );
    }
}
