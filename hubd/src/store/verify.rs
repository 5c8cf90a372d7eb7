//! Verifying a journal offline: one thread reads, the other hashes, and the first bad entry is named.
//!
//! Without the identity it shows that the entries are those that were chained, up to the end that is written beside
//! them. With it (`deep`) every payload is opened too; since a payload is bound to its entry's number, time, kind and
//! subjects, nobody without the keys can rebuild a chain that passes. What neither can show is that the whole folder
//! was put back to an earlier day; a hash noted elsewhere shows that.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use hubd_core::journal::chain::{ChainError, EntryHeader, Link, Verifier};
use hubd_model::UnixMillis;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::database;
use super::error::StoreError;
use super::journal::{BLOCK, Head, LOST, Opener, Unreadable, read_month_key};
use super::spool::{self, MonthKeys, Spool};
use super::vault::{Missing, Vault};
use super::{Store, StoreOptions};

/// How many entries travel between the threads at once, and how many such batches may wait.
const BATCH: usize = 1024;
const BATCHES_WAITING: usize = 4;
/// How often the spool of a hub at work is looked at until it holds still.
const SPOOL_LOOKS: usize = 5;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// How many good entries stand before the first bad one, or in the whole journal.
    pub entries: u64,
    /// How many entries wait in the spool: the next start of the hub appends them.
    pub spooled: u64,
    /// How many entries the hub itself recorded as lost before they could be written.
    pub lost: u64,
    /// How many payloads cannot be read because their month was forgotten; 0 unless `deep`.
    pub forgotten: u64,
    /// The last good entry's number.
    pub last_seq: u64,
    /// The last good entry's hash. Note it elsewhere: a later journal must still contain it.
    pub last_hash: [u8; 32],
    /// The first bad entry.
    pub first_bad: Option<BadEntry>,
}

/// The first bad entry and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry {
    /// Its number.
    pub seq: u64,
    /// One sentence.
    pub what: String,
}

/// One entry in a batch; its bytes are in the batch's buffer.
struct Raw {
    seq: i64,
    at_ms: i64,
    clock_synced: i64,
    names: [Option<i64>; 4],
    sealed: (usize, usize),
    hash: Option<[u8; 32]>,
    well_formed: bool,
}

#[derive(Default)]
struct Batch {
    rows: Vec<Raw>,
    bytes: Vec<u8>,
}

/// Verifies the journal in a data folder. Nothing is changed; a hub may run on it meanwhile.
///
/// # Errors
/// When the database cannot be read at all, or `deep` is asked for without the identity.
pub fn verify(dir: &Path, deep: Option<&StoreOptions>) -> Result<VerifyReport, StoreError> {
    verify_telling(dir, deep, |_| {})
}

impl Store {
    /// Verifies the chain of this journal beside everything else, telling now and then how many good entries there
    /// were so far. Payloads stay closed.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn verify(
        &self,
        tell: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<VerifyReport, StoreError> {
        let dir = self.inner.dir.clone();
        tokio::task::spawn_blocking(move || verify_telling(&dir, None, tell))
            .await
            .map_err(|_| StoreError::Closed)?
    }
}

/// The same, telling now and then how many good entries there were so far.
///
/// # Errors
/// As [`verify`].
fn verify_telling(
    dir: &Path,
    deep: Option<&StoreOptions>,
    tell: impl Fn(u64) + Send + Sync,
) -> Result<VerifyReport, StoreError> {
    let db = database::open_reader(dir)?;
    let vault = match deep {
        Some(options) => Some(Vault::open(
            dir,
            options.credentials_dir.as_deref(),
            &[],
            Missing::Refuse,
        )?),
        None => None,
    };
    let names = read_names(&db)?;
    let (to_hasher, batches) = sync_channel(BATCHES_WAITING);
    let path = database::path(dir);
    thread::scope(|scope| {
        let hasher = thread::Builder::new()
            .name("verify".to_owned())
            .spawn_scoped(scope, {
                let (names, vault, tell) = (&names, vault.as_ref(), &tell);
                move || Walk::new(names).run(&batches, vault.map(|vault| (vault, dir)), tell)
            })
            .map_err(StoreError::file("start a thread to verify", &path))?;
        let read = read_journal(&db, dir, &to_hasher);
        drop(to_hasher);
        let mut report = match hasher.join() {
            Ok(report) => report?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        if report.first_bad.is_none() {
            let (head, blocks) = read?;
            finish(&mut report, head, &blocks);
        }
        if report.first_bad.is_none() {
            check_spool(&mut report, &db, dir, vault.as_ref())?;
        }
        Ok(report)
    })
}

/// Looks at what was shown and is not in the journal yet. A hub at work changes that all the time; what it changes
/// between two looks is its own business.
fn check_spool(
    report: &mut VerifyReport,
    db: &Connection,
    dir: &Path,
    vault: Option<&Vault>,
) -> Result<(), StoreError> {
    let mut key;
    for _ in 0..SPOOL_LOOKS {
        let bytes = Spool::read(dir)?;
        let committed = Head::read(db)?.seq;
        let month_key: Option<&mut MonthKeys<'_>> = match vault {
            Some(vault) => {
                key = |month| read_month_key(db, vault, month);
                Some(&mut key)
            }
            None => None,
        };
        let (spooled, damage) = spool::inspect(&bytes, committed, month_key)?;
        if damage.is_some() && (Spool::read(dir)? != bytes || Head::read(db)?.seq != committed) {
            continue;
        }
        report.spooled = spooled;
        report.first_bad = damage.map(|damage| BadEntry {
            seq: damage.first,
            what: damage.what.to_owned(),
        });
        break;
    }
    Ok(())
}

fn read_names(db: &Connection) -> Result<Vec<Option<Arc<str>>>, StoreError> {
    let failed = || StoreError::database("read the journal's names");
    let mut statement = db.prepare("SELECT id, text FROM names").map_err(failed())?;
    let mut rows = statement.query([]).map_err(failed())?;
    let mut names = Vec::new();
    while let Some(row) = rows.next().map_err(failed())? {
        let Ok(id) = usize::try_from(row.get::<_, i64>(0).map_err(failed())?) else {
            continue;
        };
        // Numbers are given out one by one; a huge one was not given out by hubd, and its entry shows as bad.
        if id > 1 << 20 {
            continue;
        }
        if names.len() <= id {
            names.resize(id + 1, None);
        }
        if let Some(place) = names.get_mut(id) {
            *place = row.get::<_, Option<Arc<str>>>(1).map_err(failed())?;
        }
    }
    Ok(names)
}

/// Times of a block: its number, the earliest and the latest.
type Times = (i64, i64, i64);

/// Reads every entry and what is kept beside them, all of one moment. The blocks handed back are those whose times
/// are not those of their entries.
fn read_journal(
    db: &Connection,
    dir: &Path,
    to_hasher: &SyncSender<Batch>,
) -> Result<(Head, Vec<i64>), StoreError> {
    let path = database::path(dir);
    let failed = || database::damage(&path, "read the journal");
    let tx = db.unchecked_transaction().map_err(failed())?;
    let head = Head::read(&tx)?;
    let mut seen: Vec<Times> = Vec::new();
    {
        let mut statement = tx
            .prepare(
                "SELECT seq, at_ms, clock_synced, kind, lock, alarm, person, sealed, hash FROM journal ORDER BY seq",
            )
            .map_err(failed())?;
        let mut rows = statement.query([]).map_err(failed())?;
        let mut batch = Batch::default();
        while let Some(row) = rows.next().map_err(failed())? {
            batch.push(row).map_err(failed())?;
            if let Some(raw) = batch.rows.last() {
                note_time(&mut seen, raw.seq, raw.at_ms);
            }
            if batch.rows.len() >= BATCH && to_hasher.send(std::mem::take(&mut batch)).is_err() {
                // The hasher has found a bad entry and gone home.
                return Ok((head, Vec::new()));
            }
        }
        // Same: without a hasher there is already a verdict.
        let _ = to_hasher.send(batch);
    }
    let mut statement = tx
        .prepare("SELECT block, at_min, at_max FROM journal_blocks ORDER BY block")
        .map_err(failed())?;
    let blocks = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(failed())?;
    let stored = blocks
        .collect::<rusqlite::Result<Vec<Times>>>()
        .map_err(failed())?;
    let wrong = stored.iter().filter(|times| !seen.contains(times));
    let missing = seen.iter().filter(|times| !stored.contains(times));
    let mut wrong: Vec<i64> = wrong.chain(missing).map(|times| times.0).collect();
    wrong.sort_unstable();
    Ok((head, wrong))
}

fn note_time(seen: &mut Vec<Times>, seq: i64, at_ms: i64) {
    let block = seq / i64::try_from(BLOCK).unwrap_or(i64::MAX);
    match seen.last_mut() {
        Some(times) if times.0 == block => {
            times.1 = times.1.min(at_ms);
            times.2 = times.2.max(at_ms);
        }
        _ => seen.push((block, at_ms, at_ms)),
    }
}

impl Batch {
    fn push(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let mut well_formed = true;
        let mut number = |column| -> rusqlite::Result<Option<i64>> {
            Ok(match row.get_ref(column)? {
                ValueRef::Integer(number) => Some(number),
                ValueRef::Null => None,
                ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                    well_formed = false;
                    None
                }
            })
        };
        let (seq, at_ms, clock_synced) = (number(0)?, number(1)?, number(2)?);
        let names = [number(3)?, number(4)?, number(5)?, number(6)?];
        let blob = |column| -> rusqlite::Result<Option<&[u8]>> { Ok(row.get_ref(column)?.as_blob().ok()) };
        let sealed = blob(7)?;
        let hash = blob(8)?.and_then(|hash| hash.try_into().ok());
        well_formed &= seq.is_some() && at_ms.is_some() && names[0].is_some() && sealed.is_some();
        well_formed &= matches!(clock_synced, Some(0 | 1));
        let start = self.bytes.len();
        self.bytes.extend_from_slice(sealed.unwrap_or_default());
        self.rows.push(Raw {
            seq: seq.unwrap_or_default(),
            at_ms: at_ms.unwrap_or_default(),
            clock_synced: clock_synced.unwrap_or_default(),
            names,
            sealed: (start, self.bytes.len()),
            hash,
            well_formed,
        });
        Ok(())
    }
}

/// Walks along the chain.
struct Walk<'a> {
    names: &'a [Option<Arc<str>>],
    verifier: Verifier,
    report: VerifyReport,
}

impl<'a> Walk<'a> {
    fn new(names: &'a [Option<Arc<str>>]) -> Self {
        let verifier = Verifier::new();
        let report = VerifyReport {
            entries: 0,
            spooled: 0,
            lost: 0,
            forgotten: 0,
            last_seq: 0,
            last_hash: verifier.hash(),
            first_bad: None,
        };
        Self {
            names,
            verifier,
            report,
        }
    }

    fn run(
        mut self,
        batches: &Receiver<Batch>,
        deep: Option<(&Vault, &Path)>,
        tell: impl Fn(u64),
    ) -> Result<VerifyReport, StoreError> {
        let mut deep = match deep {
            Some((vault, dir)) => Some((database::open_reader(dir)?, Opener::new(vault))),
            None => None,
        };
        'all: for batch in batches {
            for raw in &batch.rows {
                let sealed = batch.bytes.get(raw.sealed.0..raw.sealed.1).unwrap_or_default();
                let bad = match self.check(raw, sealed) {
                    Ok(header) => match &mut deep {
                        Some((db, opener)) => match opener.open(db, &header, sealed)? {
                            Ok(_) => None,
                            Err(Unreadable::Forgotten) => {
                                self.report.forgotten += 1;
                                None
                            }
                            Err(Unreadable::Altered) => Some(
                                "its payload does not open: the journal was rebuilt by somebody else"
                                    .to_owned(),
                            ),
                        },
                        None => None,
                    },
                    Err(what) => Some(what),
                };
                if let Some(what) = bad {
                    // A missing entry is named by its own number, not by that of the one found in its place.
                    let seq = u64::try_from(raw.seq)
                        .unwrap_or(0)
                        .min(self.verifier.seq().saturating_add(1));
                    self.report.first_bad = Some(BadEntry { seq, what });
                    break 'all;
                }
                self.report.entries += 1;
                self.report.last_seq = self.verifier.seq();
                self.report.last_hash = self.verifier.hash();
            }
            tell(self.report.entries);
        }
        Ok(self.report)
    }

    fn name(&self, id: Option<i64>) -> Result<Option<&'a str>, String> {
        let Some(id) = id else { return Ok(None) };
        let name = usize::try_from(id)
            .ok()
            .and_then(|id| self.names.get(id)?.as_deref());
        name.map(Some)
            .ok_or_else(|| format!("it refers to name {id}, which does not exist"))
    }

    fn check(&mut self, raw: &Raw, sealed: &[u8]) -> Result<EntryHeader<'a>, String> {
        let seq = u64::try_from(raw.seq).map_err(|_| "its number is negative".to_owned())?;
        if !raw.well_formed {
            return Err("a column holds what hubd never writes".to_owned());
        }
        let hash = raw.hash.ok_or("its hash is not 32 bytes long")?;
        let [kind, lock, alarm, person] = raw.names;
        let header = EntryHeader {
            seq,
            at: UnixMillis(raw.at_ms),
            clock_synced: raw.clock_synced == 1,
            kind: self.name(kind)?.unwrap_or_default(),
            lock: self.name(lock)?,
            alarm: self.name(alarm)?,
            person: self.name(person)?,
        };
        let next = self.verifier.seq().saturating_add(1);
        let mut verifier = self.verifier;
        if header.kind == LOST && seq > next {
            verifier = Verifier::after(seq - 1, verifier.hash());
        }
        verifier
            .check(&Link { header, sealed, hash })
            .map_err(|error: ChainError| error.to_string())?;
        if header.kind == LOST {
            self.report.lost += seq.saturating_sub(next).saturating_add(1);
        }
        self.verifier = verifier;
        Ok(header)
    }
}

/// Compares the walk's end with the end that was written beside the journal.
fn finish(report: &mut VerifyReport, head: Head, wrong_blocks: &[i64]) {
    let bad = |seq: u64, what: String| Some(BadEntry { seq, what });
    let (last, hash) = (report.last_seq, report.last_hash);
    if last < head.seq {
        let what = format!(
            "the journal ends at {last} but was written up to {}: its end was cut off",
            head.seq
        );
        report.first_bad = bad(last + 1, what);
    } else if last > head.seq {
        let what = format!("the journal was written up to {} but goes on to {last}", head.seq);
        report.first_bad = bad(head.seq + 1, what);
    } else if hash != head.hash || report.entries != head.entries {
        report.first_bad = bad(
            last,
            "the journal's end is not the one that was written".to_owned(),
        );
    } else if let Some(block) = wrong_blocks.first() {
        let seq = u64::try_from(*block).unwrap_or(0).saturating_mul(BLOCK).max(1);
        let what =
            "the table of times does not fit the entries from here on: a page by time may leave some out";
        report.first_bad = bad(seq, what.to_owned());
    }
}
