//! `hubd journal verify` and `hubd journal export`: offline, on a data folder, into any writer.

use std::io::{self, Write};
use std::path::Path;

use hubd_model::MonoTime;
use serde_json::json;
use thiserror::Error;

use crate::store::{self, StoreError, StoreOptions, StoredEntry, shape};

/// Why a journal could not be verified or exported.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The records could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output could not be written.
    #[error("cannot write the output ({0}); check its disk, or where it is piped to")]
    Output(#[from] io::Error),
}

/// How `verify` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyFormat {
    /// A sentence or two.
    Text,
    /// One JSON object.
    Json,
}

/// How `export` writes entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line, in the contract's shape.
    JsonLines,
    /// Comma-separated values with a header line, safe to open in a spreadsheet.
    Csv,
}

/// Verifies the hash chain and says so; with `deep` options every payload is opened too. `clock` only measures.
/// Returns whether the journal is whole: the exit code is 0 then, else 1.
///
/// # Errors
/// When the records cannot be read or the output not be written.
pub fn verify(
    dir: &Path,
    deep: Option<&StoreOptions>,
    format: VerifyFormat,
    clock: impl Fn() -> MonoTime,
    out: &mut dyn Write,
) -> Result<bool, JournalError> {
    let start = clock();
    let report = store::verify(dir, deep)?;
    let millis = clock().since(start).0.max(1);
    let per_second = report.entries.saturating_mul(1000) / millis;
    let hash = shape::hex(&report.last_hash);
    match format {
        VerifyFormat::Json => {
            let bad = report
                .first_bad
                .as_ref()
                .map(|bad| json!({ "seq": bad.seq, "what": bad.what }));
            let answer = json!({
                "ok": report.first_bad.is_none(),
                "entries": report.entries,
                "spooled": report.spooled,
                "lost": report.lost,
                "forgotten": report.forgotten,
                "last_seq": report.last_seq,
                "last_hash": hash,
                "first_bad": bad,
                "duration_ms": millis,
            });
            writeln!(out, "{answer}")?;
        }
        VerifyFormat::Text => {
            let (count, seq) = (report.entries, report.last_seq);
            match &report.first_bad {
                None => {
                    writeln!(
                        out,
                        "The journal is whole: {count} entries verified, {per_second} a second."
                    )?;
                    writeln!(
                        out,
                        "It ends with entry {seq}, hash {hash}. Note this elsewhere to notice a cut-off end."
                    )?;
                }
                Some(bad) => {
                    writeln!(
                        out,
                        "The journal is NOT whole. First bad entry: {}: {}.",
                        bad.seq, bad.what
                    )?;
                    writeln!(
                        out,
                        "{count} good entries stand before it; the last good one is {seq}. Compare with a backup."
                    )?;
                }
            }
            if report.spooled > 0 {
                writeln!(
                    out,
                    "{} entries wait in the spool; the hub appends them when it starts.",
                    report.spooled
                )?;
            }
            if report.lost > 0 {
                writeln!(
                    out,
                    "{} entries are recorded as lost: the hub could not write them at the time.",
                    report.lost
                )?;
            }
            if report.forgotten > 0 {
                writeln!(out, "{} entries belong to forgotten months.", report.forgotten)?;
            }
        }
    }
    out.flush()?;
    Ok(report.first_bad.is_none())
}

/// Writes every entry, oldest first, without holding more than a few at a time. Returns how many.
///
/// # Errors
/// When the records cannot be read or opened, or the output not be written.
pub fn export(
    dir: &Path,
    options: &StoreOptions,
    format: ExportFormat,
    out: &mut dyn Write,
) -> Result<u64, JournalError> {
    let mut count = 0;
    if format == ExportFormat::Csv {
        writeln!(out, "seq,at,clock_synced,kind,lock,alarm,person,data")?;
    }
    store::for_each_entry(dir, options, |entry| -> Result<(), JournalError> {
        count += 1;
        match format {
            ExportFormat::JsonLines => writeln!(out, "{}", entry.to_json())?,
            ExportFormat::Csv => csv_line(&entry, out)?,
        }
        Ok(())
    })?;
    out.flush()?;
    Ok(count)
}

fn csv_line(entry: &StoredEntry, out: &mut dyn Write) -> io::Result<()> {
    let subject = |id: Option<&str>| csv_field(id.unwrap_or_default());
    writeln!(
        out,
        "{},{},{},{},{},{},{},{}",
        entry.seq,
        shape::time(entry.at),
        entry.clock_synced,
        csv_field(&entry.kind),
        subject(entry.lock.as_ref().map(hubd_model::LockId::as_str)),
        subject(entry.alarm.as_ref().map(hubd_model::AlarmId::as_str)),
        subject(entry.person.as_ref().map(hubd_model::PersonId::as_str)),
        csv_field(&entry.data.to_string()),
    )
}

/// A field that no spreadsheet takes for a formula: those begin with `=`, `+`, `-`, `@`, a tab or a carriage return,
/// and a leading apostrophe makes them text. Quoted where CSV needs it.
fn csv_field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    if guard.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_field_is_never_a_formula() {
        let cases = [
            ("front-door", "front-door"),
            ("=1+1", "\"'=1+1\""),
            ("+49", "\"'+49\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("{\"a\":1}", "\"{\"\"a\"\":1}\""),
            ("a,b", "\"a,b\""),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(csv_field(text), expected);
        }
    }
}
