//! `docs/benchmarks.md`: each benchmark writes its own section and leaves the others alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const HEAD: &str = "# Benchmarks\n\nWritten by `cargo xtask bench zwave`, `release`, `journal` and `scale`; figures of other machines differ, ratios less so.\n";

/// Prints a section and writes it into the document.
///
/// # Errors
/// When the file cannot be written.
#[expect(clippy::print_stdout, reason = "the table is the result")]
pub(crate) fn write(name: &str, text: &str) -> Result<()> {
    println!("{text}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    fs::write(&path, replaced(&old, name, text)).with_context(|| format!("cannot write {}", path.display()))
}

fn replaced(document: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let section = format!("{begin}\n{}\n{end}", text.trim_end());
    match (document.split_once(&begin), document.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{section}{after}"),
        _ => format!("{}\n\n{section}\n", document.trim_end()),
    }
}

/// What it was measured on. Whether the processor hashes by itself decides how fast a journal is verified.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |text| text.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let hashes = info
        .split_whitespace()
        .any(|word| matches!(word, "sha_ni" | "sha2"));
    let sha = if hashes { "hardware" } else { "software" };
    format!(
        "{cores} cores, {model}, {}, SHA-256 in {sha}",
        std::env::consts::ARCH
    )
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_section_replaces_itself_only() {
        let one = replaced("# B\n", "a", "first");
        let two = replaced(&one, "b", "second");
        assert_eq!(replaced(&two, "a", "third"), two.replace("first", "third"));
    }
}
