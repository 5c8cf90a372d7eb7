//! The spool: a small file that holds what was shown and is not committed yet.
//!
//! ```text
//!   place 0                            place           SPOOL_BYTES
//!   | record | record | ... | record | 0 | left-overs  |
//!   +--------------------------------+---+-------------+
//!     each: magic, hash, length, first and last number, sealed batch
//! ```
//! The event loop appends a batch by one `write` into space that is there already, so a full disk does not refuse it,
//! and shows it then; the writer thread commits it a moment later. What the kernel has been given survives the death
//! of the process, and the next start commits it. Once everything in it is committed, the spool begins at its start
//! again. A record counts only if it is whole, is sealed with a key of this store, and comes after the one before it;
//! anything else in its place is recorded as lost, so that nothing is altered here unseen. See ADR 0008.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hubd_model::{AlarmId, LockId, Millis, MonoTime, PersonId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::StoredEntry;
use super::error::StoreError;
use super::inbox::{RowChange, RowKey};
use super::journal::month;
use super::rows;
use super::shape::{hex, unhex};
use super::vault::{MonthKey, payload_month};
use super::{credentials, lifesafety};

/// How big the file is, always: some thousand entries, far more than the writer lets wait.
pub(crate) const SPOOL_BYTES: usize = 256 * 1024;
/// A disk that held up one append for so long, or refused it, is not asked again for a while: events are shown at their
/// commit then.
const SLOW: Millis = Millis(50);
/// For how long it is not asked.
const PAUSE: Millis = Millis::from_secs(60);
const MAGIC: [u8; 4] = *b"hsp1";
const HASH_BYTES: usize = 32;
/// Magic, hash, length, first and last number.
const HEAD_BYTES: usize = 4 + HASH_BYTES + 4 + 8 + 8;
/// Stands where the next record will begin.
const END: [u8; 4] = [0; 4];
/// More entries than that are not lost between two records: memory keeps fewer.
const GAP_MAX: u64 = 100_000;
const ALTERED: &str = "the spool, which held them, was altered, or a power cut took a part of it";
const ANOTHER_JOURNALS: &str = "the spool, which held them, goes on from another journal than this one";
const OF_ANOTHER_VERSION: &str = "the spool, which held them, was written by another version of hubd";
/// The version of the shapes below.
const VERSION: u32 = 1;

/// Where the spool of a data folder is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("spool")
}

/// Says what is wrong, what the hub does, and what a person can do. Nothing is lost by it, and nothing refused.
pub(crate) fn complain(fault: &impl std::fmt::Display) {
    tracing::warn!(
        "the spool cannot be written ({fault}), so events are shown a moment later, when they are committed: check the \
         disk that holds data_dir"
    );
}

#[derive(Serialize, Deserialize)]
struct BatchShape {
    version: u32,
    entries: Vec<EntryShape>,
    rows: Vec<RowShape>,
}

#[derive(Serialize, Deserialize)]
struct EntryShape {
    seq: u64,
    at: UnixMillis,
    clock_synced: bool,
    kind: String,
    lock: Option<LockId>,
    alarm: Option<AlarmId>,
    person: Option<PersonId>,
    data: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RowShape {
    Device {
        kind: String,
        version: i64,
        row: String,
    },
    Command {
        version: i64,
        row: String,
    },
    ForgetLock(LockId),
    ForgetAlarm(AlarmId),
    LifeSafety {
        key: lifesafety::Key,
        revision: u64,
        row: String,
    },
    ForgetLifeSafety(lifesafety::Key),
    Credentials {
        key: credentials::Key,
        /// Sealed, in hexadecimal.
        row: String,
    },
    ForgetCredentials(credentials::Key),
}

/// What was shown before the process died and was not committed.
#[derive(Default)]
pub(crate) struct Recovered {
    /// In their order. A gap is what was not in the spool.
    pub(crate) entries: Vec<Arc<StoredEntry>>,
    /// In their order; a later one of the same key counts.
    pub(crate) rows: Vec<(RowKey, RowChange)>,
    /// What comes after them and cannot be read.
    pub(crate) damage: Option<Damage>,
}

impl Recovered {
    /// The last entry that is known of, when there is any.
    pub(crate) fn last(&self) -> Option<u64> {
        let entry = self.entries.last().map(|entry| entry.seq);
        self.damage.as_ref().map(|damage| damage.last).or(entry)
    }
}

/// The file, open for appending.
pub(crate) struct Spool {
    file: File,
    /// Where the next record goes.
    place: usize,
    /// The last entry in it.
    last: u64,
    /// It was slow, so it is left alone until then.
    rests_until: MonoTime,
}

/// Why a batch is not in the spool.
#[derive(Debug)]
pub(crate) enum NotSpooled {
    /// It has to wait for its commit: no key, no room, or a spool that rests.
    Later,
    /// The file does not take it.
    Failed(io::Error),
}

impl Spool {
    /// What is in the spool of a data folder; nothing when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Vec<u8>, StoreError> {
        let path = path(dir);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(SPOOL_BYTES as u64).read_to_end(&mut bytes).map(drop),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(StoreError::file("read", &path))?;
        Ok(bytes)
    }

    /// Opens the spool, and reads what is in it.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Vec<u8>), StoreError> {
        let path = path(dir);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::file("open", &path))?;
        let bytes = Self::read(dir)?;
        let spool = Self {
            file,
            place: 0,
            last: 0,
            rests_until: MonoTime::default(),
        };
        Ok((spool, bytes))
    }

    /// Empties it and takes all the space that it will ever need. What was in it must be committed.
    pub(crate) fn clear(&mut self, dir: &Path) -> Result<(), StoreError> {
        let path = path(dir);
        self.file
            .write_all_at(&vec![0; SPOOL_BYTES], 0)
            .and_then(|()| self.file.set_len(SPOOL_BYTES as u64))
            .map_err(StoreError::file("write", &path))?;
        (self.place, self.last) = (0, 0);
        Ok(())
    }

    /// Keeps what is in it, because it could not be committed yet, and takes nothing more.
    pub(crate) fn keep(&mut self, last: u64) {
        (self.place, self.last) = (SPOOL_BYTES, last);
    }

    /// Appends a batch. Everything up to `committed` is in the database. When this returns without a fault, the batch
    /// survives the death of the process.
    pub(crate) fn append(
        &mut self,
        key: Option<&MonthKey>,
        committed: u64,
        entries: &[Arc<StoredEntry>],
        rows: &[(RowKey, RowChange)],
        clock: impl Fn() -> MonoTime,
    ) -> Result<(), NotSpooled> {
        let (Some(first), Some(last), Some(key)) = (entries.first(), entries.last(), key) else {
            return Err(NotSpooled::Later);
        };
        // A month that is forgotten later is to leave nothing here that another month's key opens.
        let fits = entries.iter().all(|entry| month(entry.at) == key.month());
        let begun = clock();
        if !fits || begun < self.rests_until {
            return Err(NotSpooled::Later);
        }
        let record = record(key, first.seq, last.seq, entries, rows).ok_or(NotSpooled::Later)?;
        if self.last <= committed {
            self.place = 0;
        }
        if self.place.saturating_add(record.len()) > SPOOL_BYTES {
            return Err(NotSpooled::Later);
        }
        if let Err(error) = self.file.write_all_at(&record, self.place as u64) {
            self.rests_until = begun + PAUSE;
            return Err(NotSpooled::Failed(error));
        }
        self.place += record.len() - END.len();
        self.last = last.seq;
        let now = clock();
        if now.since(begun) >= SLOW {
            self.rests_until = now + PAUSE;
            tracing::warn!(
                pause_s = PAUSE.0 / 1000,
                "the disk is slow: for a while events are shown only when they are committed"
            );
        }
        Ok(())
    }
}

/// A record and the end mark behind it, which the next record overwrites.
fn record(
    key: &MonthKey,
    first: u64,
    last: u64,
    entries: &[Arc<StoredEntry>],
    rows: &[(RowKey, RowChange)],
) -> Option<Vec<u8>> {
    let batch = BatchShape {
        version: VERSION,
        entries: entries.iter().map(|entry| shape_of(entry)).collect(),
        rows: rows.iter().filter_map(|(key, row)| row_shape(key, row)).collect(),
    };
    let sealed = key
        .seal_payload(&bound(first, last), &serde_json::to_vec(&batch).ok()?)
        .ok()?;
    let mut record = Vec::with_capacity(HEAD_BYTES + sealed.len() + END.len());
    record.extend(MAGIC);
    record.extend([0; HASH_BYTES]);
    record.extend(u32::try_from(sealed.len()).ok()?.to_be_bytes());
    record.extend(first.to_be_bytes());
    record.extend(last.to_be_bytes());
    record.extend(sealed);
    let (head, hashed) = record.split_at_mut_checked(MAGIC.len() + HASH_BYTES)?;
    head.get_mut(MAGIC.len()..)?
        .copy_from_slice(&Sha256::digest(hashed));
    record.extend(END);
    Some(record)
}

/// What a record is bound to, so that it is no other record and no journal payload.
fn bound(first: u64, last: u64) -> Vec<u8> {
    [&b"hubd spool"[..], &first.to_be_bytes(), &last.to_be_bytes()].concat()
}

fn shape_of(entry: &StoredEntry) -> EntryShape {
    EntryShape {
        seq: entry.seq,
        at: entry.at,
        clock_synced: entry.clock_synced,
        kind: (*entry.kind).to_owned(),
        lock: entry.lock.clone(),
        alarm: entry.alarm.clone(),
        person: entry.person.clone(),
        data: entry.data.clone(),
    }
}

/// A row that belongs to what happened. Node caches and the use of tokens and sessions are not lost for long without it.
fn row_shape(key: &RowKey, row: &RowChange) -> Option<RowShape> {
    match (key, row) {
        (_, RowChange::Device(record)) => {
            let (kind, _, row) = rows::device(record.clone()).ok()?;
            Some(RowShape::Device {
                kind: kind.to_owned(),
                version: rows::VERSION,
                row,
            })
        }
        (_, RowChange::Command(view)) => Some(RowShape::Command {
            version: rows::VERSION,
            row: rows::command(view).ok()?,
        }),
        (RowKey::Lock(id), RowChange::Forget) => Some(RowShape::ForgetLock(id.clone())),
        (RowKey::Alarm(id), RowChange::Forget) => Some(RowShape::ForgetAlarm(id.clone())),
        (RowKey::LifeSafety(key), RowChange::LifeSafety { revision, row }) => Some(RowShape::LifeSafety {
            key: key.clone(),
            revision: *revision,
            row: row.clone(),
        }),
        (RowKey::LifeSafety(key), RowChange::Forget) => Some(RowShape::ForgetLifeSafety(key.clone())),
        (RowKey::Credentials(key), RowChange::Credentials(sealed)) => Some(RowShape::Credentials {
            key: key.clone(),
            row: hex(sealed),
        }),
        (RowKey::Credentials(key), RowChange::Forget) => Some(RowShape::ForgetCredentials(key.clone())),
        (
            _,
            RowChange::Cache(_)
            | RowChange::TokenUse(_)
            | RowChange::SessionUse(_)
            | RowChange::LifeSafety { .. }
            | RowChange::Credentials(_)
            | RowChange::Forget,
        ) => None,
    }
}

/// A record that is whole.
struct Record<'b> {
    first: u64,
    last: u64,
    sealed: &'b [u8],
}

/// Entries that the spool held and that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The first of them.
    pub(crate) first: u64,
    /// The last one that is known of.
    pub(crate) last: u64,
    /// Why.
    pub(crate) what: &'static str,
}

/// What the spool holds beyond the database.
struct Found<'b> {
    records: Vec<Record<'b>>,
    damage: Option<Damage>,
}

/// What `verify` finds in the spool: how many entries wait in it beyond entry `committed`, and whether anything in it
/// was altered. Without a way to find a month's key the seals are not looked at.
pub(crate) fn inspect(
    bytes: &[u8],
    committed: u64,
    month_key: Option<&mut MonthKeys<'_>>,
) -> Result<(u64, Option<Damage>), StoreError> {
    let Some(month_key) = month_key else {
        let found = scan(bytes, committed);
        let count = |record: &Record<'_>| record.last - record.first.max(committed.saturating_add(1)) + 1;
        return Ok((found.records.iter().map(count).sum(), found.damage));
    };
    let recovered = recover(bytes, committed, month_key)?;
    Ok((recovered.entries.len() as u64, recovered.damage))
}

/// Finds a month's key, where there is one.
pub(crate) type MonthKeys<'a> = dyn FnMut(u32) -> Result<Option<MonthKey>, StoreError> + 'a;

/// Reads what the spool holds beyond entry `committed`.
pub(crate) fn recover(
    bytes: &[u8],
    committed: u64,
    month_key: &mut MonthKeys<'_>,
) -> Result<Recovered, StoreError> {
    let found = scan(bytes, committed);
    let mut recovered = Recovered {
        damage: found.damage,
        ..Recovered::default()
    };
    for record in found.records {
        let key = match payload_month(record.sealed) {
            Some(month) => month_key(month)?,
            None => None,
        };
        let opened = key.and_then(|key| key.open_payload(&bound(record.first, record.last), record.sealed));
        let batch = opened.and_then(|batch| serde_json::from_slice::<BatchShape>(&batch).ok());
        let batch = match batch {
            Some(batch) if batch.version == VERSION => batch,
            unreadable => {
                let what = if unreadable.is_some() {
                    OF_ANOTHER_VERSION
                } else {
                    ALTERED
                };
                let first = record.first.max(committed.saturating_add(1));
                let last = record.last;
                recovered.damage = Some(Damage { first, last, what });
                break;
            }
        };
        let entries = batch.entries.into_iter().filter(|entry| entry.seq > committed);
        recovered
            .entries
            .extend(entries.map(|entry| Arc::new(entry_of(entry))));
        recovered.rows.extend(batch.rows.into_iter().filter_map(row_of));
    }
    Ok(recovered)
}

/// Walks over the records up to the end mark, and keeps those that reach beyond entry `committed`.
fn scan(bytes: &[u8], committed: u64) -> Found<'_> {
    let mut records = Vec::new();
    let mut rest = bytes;
    let mut before: Option<u64> = None;
    let damage = loop {
        if rest.len() < END.len() || rest.starts_with(&END) {
            break None;
        }
        let expected = before.unwrap_or(committed).max(committed).saturating_add(1);
        let Some((record, behind)) = split(rest) else {
            break Some(Damage {
                first: expected,
                last: expected,
                what: ALTERED,
            });
        };
        // Numbers go up. A gap is what was shown without being spooled while nothing could be written.
        let in_order = before.is_none_or(|before| record.first > before)
            && record.first <= record.last
            && record.last - record.first <= GAP_MAX
            && record.first.saturating_sub(expected) <= GAP_MAX;
        if !in_order {
            break Some(Damage {
                first: expected,
                last: expected,
                what: ANOTHER_JOURNALS,
            });
        }
        rest = behind;
        before = Some(record.last);
        if record.last > committed {
            records.push(record);
        }
    };
    Found { records, damage }
}

/// The first record, if it is whole, and what is behind it.
fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (hash, hashed) = rest.split_first_chunk::<HASH_BYTES>()?;
    let (length, rest) = hashed.split_first_chunk::<4>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (last, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (sealed, behind) = rest.split_at_checked(length)?;
    let hashed = hashed.get(..hashed.len() - behind.len())?;
    let record = Record {
        first: u64::from_be_bytes(*first),
        last: u64::from_be_bytes(*last),
        sealed,
    };
    (Sha256::digest(hashed).as_slice() == hash).then_some((record, behind))
}

fn entry_of(shape: EntryShape) -> StoredEntry {
    StoredEntry {
        seq: shape.seq,
        at: shape.at,
        clock_synced: shape.clock_synced,
        kind: shape.kind.into(),
        lock: shape.lock,
        alarm: shape.alarm,
        person: shape.person,
        data: shape.data,
    }
}

fn row_of(shape: RowShape) -> Option<(RowKey, RowChange)> {
    match shape {
        RowShape::Device { kind, version, row } => match rows::device_from(&kind, version, &row) {
            Ok(record) => Some((RowKey::of(&record), RowChange::Device(record))),
            Err(detail) => {
                tracing::error!(detail, "a device's row in the spool cannot be read");
                None
            }
        },
        RowShape::Command { version, row } => match rows::command_from(version, &row) {
            Ok(view) => Some((RowKey::Command(view.id.clone()), RowChange::Command(view))),
            Err(detail) => {
                tracing::error!(detail, "a command's row in the spool cannot be read");
                None
            }
        },
        RowShape::ForgetLock(id) => Some((RowKey::Lock(id), RowChange::Forget)),
        RowShape::ForgetAlarm(id) => Some((RowKey::Alarm(id), RowChange::Forget)),
        RowShape::LifeSafety { key, revision, row } => {
            Some((RowKey::LifeSafety(key), RowChange::LifeSafety { revision, row }))
        }
        RowShape::Credentials { key, row } => {
            Some((RowKey::Credentials(key), RowChange::Credentials(unhex(&row)?)))
        }
        RowShape::ForgetCredentials(key) => Some((RowKey::Credentials(key), RowChange::Forget)),
        RowShape::ForgetLifeSafety(key) => Some((RowKey::LifeSafety(key), RowChange::Forget)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn entries(seq: u64) -> [Arc<StoredEntry>; 1] {
        let at = UnixMillis(1_769_903_940_000);
        [Arc::new(super::super::journal::lost_for(
            seq, seq, at, true, "why",
        ))]
    }

    /// Appends one entry after everything before it is committed; the clock goes on by `pause` at each look.
    fn append(
        spool: &mut Spool,
        key: &MonthKey,
        seq: u64,
        clock: &Cell<u64>,
        pause: u64,
    ) -> Result<(), NotSpooled> {
        spool.append(Some(key), seq - 1, &entries(seq), &[], || {
            clock.set(clock.get() + pause);
            MonoTime::from_micros(clock.get() * 1000)
        })
    }

    #[test]
    fn a_disk_that_is_slow_or_refuses_is_left_alone_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(dir.path()).unwrap();
        spool.clear(dir.path()).unwrap();
        let key = MonthKey::random(202_601).unwrap();
        let clock = Cell::new(0);
        append(&mut spool, &key, 1, &clock, 1).unwrap();
        // It took long, and was written all the same.
        append(&mut spool, &key, 2, &clock, SLOW.0).unwrap();
        let later = append(&mut spool, &key, 3, &clock, 1);
        assert!(matches!(later, Err(NotSpooled::Later)));
        clock.set(clock.get() + PAUSE.0);
        append(&mut spool, &key, 4, &clock, 1).unwrap();

        spool.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let refused = append(&mut spool, &key, 5, &clock, 1);
        assert!(matches!(refused, Err(NotSpooled::Failed(_))));
        spool.file = OpenOptions::new().write(true).open(path(dir.path())).unwrap();
        let later = append(&mut spool, &key, 6, &clock, 1);
        assert!(matches!(later, Err(NotSpooled::Later)));
        clock.set(clock.get() + PAUSE.0);
        append(&mut spool, &key, 7, &clock, 1).unwrap();
        let mut keys = |_| Ok(Some(key.clone()));
        let recovered = recover(&Spool::read(dir.path()).unwrap(), 6, &mut keys).unwrap();
        assert_eq!(recovered.entries, entries(7));
        assert_eq!(recovered.damage, None);
    }

    #[test]
    fn a_full_spool_and_another_month_wait_for_their_commit() {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(dir.path()).unwrap();
        let key = MonthKey::random(202_601).unwrap();
        let mut seq = 0;
        // Nothing is committed meanwhile.
        let full = loop {
            seq += 1;
            if let Err(full) = spool.append(Some(&key), 0, &entries(seq), &[], MonoTime::default) {
                break full;
            }
        };
        assert!(matches!(full, NotSpooled::Later) && seq > 500, "{seq}");
        let mut keys = |_| Ok(Some(key.clone()));
        let recovered = recover(&Spool::read(dir.path()).unwrap(), 0, &mut keys).unwrap();
        assert_eq!(recovered.last(), Some(seq - 1));
        assert_eq!(recovered.entries.len() as u64, seq - 1);
        // When all is committed, it begins again.
        spool
            .append(Some(&key), seq, &entries(seq), &[], MonoTime::default)
            .unwrap();
        let other = MonthKey::random(202_602).unwrap();
        for key in [Some(&other), None] {
            let later = spool.append(key, seq, &entries(seq), &[], MonoTime::default);
            assert!(matches!(later, Err(NotSpooled::Later)));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_no_spool_or_damaged(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            for bytes in [bytes.clone(), [&MAGIC[..], &bytes].concat()] {
                let recovered = recover(&bytes, 3, &mut |_| Ok(None)).unwrap();
                proptest::prop_assert!(recovered.entries.is_empty());
            }
        }
    }
}
