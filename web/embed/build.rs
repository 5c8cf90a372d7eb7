//! Builds the web interface with Node.js, once for each state of its sources, and writes down what there is to embed.
//!
//! Promise: nothing is built when nothing changed, in whatever profile or target folder; a missing Node.js is one
//! sentence with what to do.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the interface is made of, below `web/`.
const INPUTS: &[&str] = &[
    "build",
    "index.html",
    "messages",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];
/// What its packages are made of.
const LOCK: &str = "package-lock.json";
/// A copy of the lock file whose packages are there; `npm ci` by hand leaves it too (`postinstall` in package.json).
const INSTALLED: &str = "node_modules/.installed.json";
/// The oldest Node.js that the bundler runs on.
const NODE_MIN: (u32, u32) = (20, 19);

fn main() -> Result<()> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let web = manifest.parent().ok_or("the crate has no folder above it")?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    for input in INPUTS {
        collect(&web.join(input), &mut files)?;
    }
    files.sort();
    let state = digest(web, &files)?;

    // Builds of other profiles wait here and then find the work done.
    let lock = File::create(web.join(".build.lock"))?;
    lock.lock()?;
    let dist = web.join("dist");
    let stamp = web.join("dist.stamp");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(state.as_str()) || !dist.join("index.html").exists()
    {
        packages(web)?;
        run(
            web,
            "node",
            &["build/build.mjs", "dist"],
            "the bundler's message is above",
        )?;
        fs::write(&stamp, &state)?;
    }
    embed(&dist, &out)
}

/// Every file below `path`, each told to cargo; what the build itself makes, and tests, are not looked at.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        // A folder's own change is a file that came or went.
        println!("cargo::rerun-if-changed={}", path.display());
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if ![".gen.", ".test."]
        .iter()
        .any(|part| path.to_string_lossy().contains(part))
    {
        println!("cargo::rerun-if-changed={}", path.display());
        files.push(path.to_path_buf());
    }
    Ok(())
}

fn digest(web: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(web)?.hash(&mut hasher);
        fs::read(file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Installs exactly what the lock file names, unless that was done.
fn packages(web: &Path) -> Result<()> {
    let version = Command::new("node").arg("--version").output();
    let version = version
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let new_enough = version
        .as_deref()
        .and_then(version_of)
        .is_some_and(|version| version >= NODE_MIN);
    if !new_enough {
        let found = version.map_or_else(|| "none was found".to_owned(), |v| format!("found {}", v.trim()));
        return Err(format!(
            "the web interface is built with Node.js {}.{} or newer and its npm, and {found}. Install them (Debian: \
             `apt install nodejs npm`, or a package from nodejs.org) and build again; they are needed for building only.",
            NODE_MIN.0, NODE_MIN.1
        )
        .into());
    }
    let wanted = fs::read(web.join(LOCK))?;
    let installed = web.join(INSTALLED);
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    // No package's own script runs: none is needed. Who has the tests' packages keeps them.
    let mut npm = vec!["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    if !web.join("node_modules/@playwright").exists() {
        npm.push("--omit=dev");
    }
    let advice = "without a network, build once with one: npm keeps what it fetched";
    run(web, "npm", &npm, advice)?;
    fs::write(&installed, &wanted)?;
    Ok(())
}

/// `v20.19.1` as (20, 19).
fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn run(web: &Path, program: &str, arguments: &[&str], advice: &str) -> Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(web)
        .output()
        .map_err(|error| format!("`{line}` cannot be started ({error}); is Node.js with npm installed?"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`{line}` failed in {} ({}); {advice}\n{}{}",
        web.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Copies the built files beside the crate's other output and writes the table that `lib.rs` includes.
fn embed(dist: &Path, out: &Path) -> Result<()> {
    let mut files = Vec::new();
    listing(dist, &mut files)?;
    files.sort();
    let kept = out.join("files");
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(&kept)?;
    let mut table = String::from("&[\n");
    for (number, file) in files.iter().filter(|file| !is_packed(file)).enumerate() {
        let name = file.strip_prefix(dist)?.to_string_lossy().replace('\\', "/");
        let plain = kept.join(number.to_string());
        fs::copy(file, &plain)?;
        let packed = PathBuf::from(format!("{}.gz", file.display()));
        let gzip = if packed.exists() {
            let copy = kept.join(format!("{number}.gz"));
            fs::copy(&packed, &copy)?;
            format!("Some({})", including(&copy))
        } else {
            "None".to_owned()
        };
        writeln!(
            table,
            "File {{ name: {name:?}, etag: \"W/\\\"{}\\\"\", plain: {}, gzip: {gzip} }},",
            digest(dist, std::slice::from_ref(file))?,
            including(&plain)
        )?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// The expression that carries a file; its path is written as Rust text, whatever is in it.
fn including(path: &Path) -> String {
    format!("include_bytes!({:?})", path.to_string_lossy())
}

fn is_packed(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "gz")
}

fn listing(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            listing(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
