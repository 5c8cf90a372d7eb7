//! The journal's entries on disk: sealed, chained and numbered without a gap that is not explained.
//!
//! When entries were lost (the disk was full for longer than memory lasts), the next thing written is an entry of
//! kind [`LOST`] with the number of the last lost one; `data` tells from which number to which.

use std::collections::HashMap;
use std::sync::Arc;

use hubd_core::journal::chain::{EntryHeader, GENESIS, entry_hash};
use hubd_model::{AlarmId, LockId, PersonId, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, Statement, Transaction, params};
use serde_json::{Value, json};

use super::StoredEntry;
use super::error::StoreError;
use super::recipients;
use super::vault::{MonthKey, Vault, payload_month};

/// Kind of the entry that stands for entries that were lost before they could be written.
pub(crate) const LOST: &str = "journal.lost";
/// How many entries share one row of times.
pub(crate) const BLOCK: u64 = 1024;
/// Kinds and subjects are few; beyond this the table of names is not kept in memory whole.
const NAMES_MAX: usize = 4096;

/// Where the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) entries: u64,
    pub(crate) hash: [u8; 32],
}

impl Head {
    pub(crate) const START: Self = Self {
        seq: 0,
        entries: 0,
        hash: GENESIS,
    };

    /// Reads where the journal ends.
    pub(crate) fn read(db: &Connection) -> Result<Self, StoreError> {
        let row = db
            .query_row(
                "SELECT seq, entries, hash FROM journal_head WHERE id = 1",
                [],
                |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, Vec<u8>>(2)?,
                    ))
                },
            )
            .optional()
            .map_err(StoreError::database("read the journal's end"))?;
        let Some((seq, entries, hash)) = row else {
            return Ok(Self::START);
        };
        let bad = |detail: &str| StoreError::Row {
            what: "the journal's end".into(),
            detail: detail.into(),
        };
        Ok(Self {
            seq: u64::try_from(seq).map_err(|_| bad("negative number"))?,
            entries: u64::try_from(entries).map_err(|_| bad("negative count"))?,
            hash: hash.try_into().map_err(|_| bad("hash of wrong length"))?,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Block {
    number: u64,
    at_min: i64,
    at_max: i64,
}

/// What the writer knows of the journal's end. It changes only when a commit succeeded: work on a copy.
#[derive(Clone)]
pub(crate) struct Tail {
    pub(crate) head: Head,
    block: Option<Block>,
    names: Arc<HashMap<Arc<str>, i64>>,
    month: Option<MonthKey>,
    month_number: u32,
}

impl Tail {
    /// The key of the last entry that was appended.
    pub(crate) const fn month_key(&self) -> Option<&MonthKey> {
        self.month.as_ref()
    }

    /// Reads the journal's end.
    pub(crate) fn read(db: &Connection) -> Result<Self, StoreError> {
        let failed = || StoreError::database("read the journal's end");
        let head = Head::read(db)?;
        let block = db
            .query_row(
                "SELECT block, at_min, at_max FROM journal_blocks WHERE block = ?1",
                [sql(head.seq / BLOCK)],
                |row| {
                    Ok(Block {
                        number: head.seq / BLOCK,
                        at_min: row.get(1)?,
                        at_max: row.get(2)?,
                    })
                },
            )
            .optional()
            .map_err(failed())?;
        Ok(Self {
            head,
            block,
            names: Arc::default(),
            month: None,
            month_number: 0,
        })
    }
}

/// Appends entries within one transaction.
pub(crate) struct Appender<'t> {
    tx: &'t Transaction<'t>,
    insert: Statement<'t>,
    vault: &'t Vault,
    pub(crate) tail: Tail,
}

impl<'t> Appender<'t> {
    pub(crate) fn new(tx: &'t Transaction<'t>, vault: &'t Vault, tail: Tail) -> Result<Self, StoreError> {
        let insert = tx
            .prepare(
                "INSERT INTO journal (seq, at_ms, clock_synced, kind, lock, alarm, person, sealed, hash) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .map_err(StoreError::database("append to the journal"))?;
        Ok(Self {
            tx,
            insert,
            vault,
            tail,
        })
    }

    /// Appends one entry whose number is the next one.
    pub(crate) fn append(&mut self, entry: &StoredEntry) -> Result<(), StoreError> {
        let failed = || StoreError::database("append to the journal");
        let header = header(entry);
        let payload = serde_json::to_vec(&entry.data).map_err(|error| StoreError::Row {
            what: "a journal entry".into(),
            detail: error.to_string(),
        })?;
        let sealed = self
            .month_key(month(entry.at))?
            .seal_payload(&bound(&header), &payload)?;
        let hash = entry_hash(&self.tail.head.hash, &header, &sealed);
        let kind = self.name(&entry.kind)?;
        let lock = entry.lock.as_ref().map(|id| self.name(id.as_str())).transpose()?;
        let alarm = entry
            .alarm
            .as_ref()
            .map(|id| self.name(id.as_str()))
            .transpose()?;
        let person = entry
            .person
            .as_ref()
            .map(|id| self.name(id.as_str()))
            .transpose()?;
        self.insert
            .execute(params![
                sql(entry.seq),
                entry.at.0,
                i64::from(entry.clock_synced),
                kind,
                lock,
                alarm,
                person,
                sealed,
                hash
            ])
            .map_err(failed())?;
        let entries = self.tail.head.entries.saturating_add(1);
        self.tail.head = Head {
            seq: entry.seq,
            entries,
            hash,
        };
        self.widen(entry)
    }

    /// Writes what belongs to the whole run of entries and hands back the new end.
    pub(crate) fn finish(self) -> Result<Tail, StoreError> {
        self.write_block()?;
        let Head { seq, entries, hash } = self.tail.head;
        self.tx
            .execute(
                "INSERT INTO journal_head (id, seq, entries, hash) VALUES (1, ?1, ?2, ?3) \
                 ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, entries = excluded.entries, hash = excluded.hash",
                params![sql(seq), sql(entries), hash],
            )
            .map_err(StoreError::database("write the journal's end"))?;
        Ok(self.tail)
    }

    fn widen(&mut self, entry: &StoredEntry) -> Result<(), StoreError> {
        let number = entry.seq / BLOCK;
        let at = entry.at.0;
        if let Some(block) = self.tail.block.as_mut().filter(|block| block.number == number) {
            block.at_min = block.at_min.min(at);
            block.at_max = block.at_max.max(at);
            return Ok(());
        }
        self.write_block()?;
        self.tail.block = Some(Block {
            number,
            at_min: at,
            at_max: at,
        });
        Ok(())
    }

    fn write_block(&self) -> Result<(), StoreError> {
        let Some(block) = self.tail.block else {
            return Ok(());
        };
        self.tx
            .execute(
                "INSERT INTO journal_blocks (block, at_min, at_max) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (block) DO UPDATE SET at_min = excluded.at_min, at_max = excluded.at_max \
                 WHERE at_min <> excluded.at_min OR at_max <> excluded.at_max",
                params![sql(block.number), block.at_min, block.at_max],
            )
            .map_err(StoreError::database("write the journal's times"))?;
        Ok(())
    }

    fn name(&mut self, text: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.tail.names.get(text) {
            return Ok(*id);
        }
        let failed = || StoreError::database("write a journal name");
        let id = match name_id(self.tx, text)? {
            Some(id) => id,
            None => self
                .tx
                .query_row(
                    "INSERT INTO names (text) VALUES (?1) RETURNING id",
                    [text],
                    |row| row.get(0),
                )
                .map_err(failed())?,
        };
        let names = Arc::make_mut(&mut self.tail.names);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert(text.into(), id);
        Ok(id)
    }

    fn month_key(&mut self, month: u32) -> Result<MonthKey, StoreError> {
        if let Some(key) = self
            .tail
            .month
            .as_ref()
            .filter(|_| self.tail.month_number == month)
        {
            return Ok(key.clone());
        }
        let key = match read_month_key(self.tx, self.vault, month)? {
            Some(key) => key,
            None => {
                let key = MonthKey::random(month)?;
                recipients::take(self.tx, self.vault)?;
                let sealed = key.seal(self.vault)?;
                self.tx
                    .execute(
                        "INSERT INTO month_keys (month, sealed) VALUES (?1, ?2)",
                        params![month, sealed],
                    )
                    .map_err(StoreError::database("write a month's key"))?;
                key
            }
        };
        self.tail.month = Some(key.clone());
        self.tail.month_number = month;
        Ok(key)
    }
}

/// The entry that stands for the lost ones from `first` to the one before `next`.
pub(crate) fn lost(first: u64, next: &StoredEntry) -> StoredEntry {
    let last = next.seq.saturating_sub(1);
    let reason = "the records could not be written for longer than memory lasted";
    lost_for(first, last, next.at, next.clock_synced, reason)
}

/// The entry that stands for the lost ones from `first` to `last`.
pub(crate) fn lost_for(
    first: u64,
    last: u64,
    at: UnixMillis,
    clock_synced: bool,
    reason: &str,
) -> StoredEntry {
    StoredEntry {
        seq: last,
        at,
        clock_synced,
        kind: LOST.into(),
        lock: None,
        alarm: None,
        person: None,
        data: json!({
            "from": first,
            "to": last,
            "lost": last.saturating_sub(first).saturating_add(1),
            "reason": reason,
        }),
    }
}

/// The number of a name, when it has one.
pub(crate) fn name_id(db: &Connection, text: &str) -> Result<Option<i64>, StoreError> {
    db.query_row("SELECT id FROM names WHERE text = ?1", [text], |row| row.get(0))
        .optional()
        .map_err(StoreError::database("look up a journal name"))
}

/// A month's key from its row; `None` when it was never made or was destroyed.
pub(crate) fn read_month_key(
    db: &Connection,
    vault: &Vault,
    month: u32,
) -> Result<Option<MonthKey>, StoreError> {
    let sealed: Option<Vec<u8>> = db
        .query_row("SELECT sealed FROM month_keys WHERE month = ?1", [month], |row| {
            row.get(0)
        })
        .optional()
        .map_err(StoreError::database("read a month's key"))?;
    sealed
        .map(|sealed| MonthKey::unseal(vault, month, &sealed))
        .transpose()
}

/// Opens entries read from disk; keeps the keys of the months that it met.
pub(crate) struct Opener<'v> {
    vault: &'v Vault,
    months: HashMap<u32, Option<MonthKey>>,
}

/// Why a payload does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Its month's key was destroyed on purpose.
    Forgotten,
    /// It is not what was sealed.
    Altered,
}

impl<'v> Opener<'v> {
    pub(crate) fn new(vault: &'v Vault) -> Self {
        Self {
            vault,
            months: HashMap::new(),
        }
    }

    /// Opens a payload.
    pub(crate) fn open(
        &mut self,
        db: &Connection,
        header: &EntryHeader<'_>,
        sealed: &[u8],
    ) -> Result<Result<Value, Unreadable>, StoreError> {
        let Some(month) = payload_month(sealed) else {
            return Ok(Err(Unreadable::Altered));
        };
        let key = match self.months.get(&month) {
            Some(key) => key,
            None => {
                let key = read_month_key(db, self.vault, month)?;
                self.months.entry(month).or_insert(key)
            }
        };
        let Some(key) = key else {
            return Ok(Err(Unreadable::Forgotten));
        };
        let value = key
            .open_payload(&bound(header), sealed)
            .and_then(|payload| serde_json::from_slice(&payload).ok());
        Ok(value.ok_or(Unreadable::Altered))
    }

    /// An entry from a row of [`COLUMNS`]. A payload that does not open is shown as such: one bad entry does not
    /// hide the others.
    pub(crate) fn entry(&mut self, db: &Connection, row: &Row<'_>) -> Result<StoredEntry, StoreError> {
        let failed = || StoreError::database("read a journal entry");
        let parts = RawEntry::read(row).map_err(failed())?;
        let data = match self.open(db, &parts.header(), &parts.sealed)? {
            Ok(data) => data,
            Err(Unreadable::Forgotten) => json!({ "unreadable": "forgotten" }),
            Err(Unreadable::Altered) => json!({ "unreadable": "altered" }),
        };
        let bad = |_| StoreError::Row {
            what: format!("journal entry {}", parts.seq),
            detail: "it names no valid subject".to_owned(),
        };
        Ok(StoredEntry {
            seq: parts.seq,
            at: UnixMillis(parts.at_ms),
            clock_synced: parts.clock_synced,
            lock: parts
                .lock
                .as_deref()
                .map(LockId::parse)
                .transpose()
                .map_err(bad)?,
            alarm: parts
                .alarm
                .as_deref()
                .map(AlarmId::parse)
                .transpose()
                .map_err(bad)?,
            person: parts
                .person
                .as_deref()
                .map(PersonId::parse)
                .transpose()
                .map_err(bad)?,
            kind: parts.kind,
            data,
        })
    }
}

/// The columns that make an entry, names spelt out.
pub(crate) const COLUMNS: &str = "j.seq, j.at_ms, j.clock_synced, \
    (SELECT text FROM names WHERE id = j.kind), (SELECT text FROM names WHERE id = j.lock), \
    (SELECT text FROM names WHERE id = j.alarm), (SELECT text FROM names WHERE id = j.person), j.sealed";

struct RawEntry {
    seq: u64,
    at_ms: i64,
    clock_synced: bool,
    kind: Arc<str>,
    lock: Option<String>,
    alarm: Option<String>,
    person: Option<String>,
    sealed: Vec<u8>,
}

impl RawEntry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: unsigned(row.get(0)?),
            at_ms: row.get(1)?,
            clock_synced: row.get::<_, i64>(2)? != 0,
            kind: row.get(3)?,
            lock: row.get(4)?,
            alarm: row.get(5)?,
            person: row.get(6)?,
            sealed: row.get(7)?,
        })
    }

    fn header(&self) -> EntryHeader<'_> {
        EntryHeader {
            seq: self.seq,
            at: UnixMillis(self.at_ms),
            clock_synced: self.clock_synced,
            kind: &self.kind,
            lock: self.lock.as_deref(),
            alarm: self.alarm.as_deref(),
            person: self.person.as_deref(),
        }
    }
}

/// The clear part of an entry, as the chain hashes it.
pub(crate) fn header(entry: &StoredEntry) -> EntryHeader<'_> {
    EntryHeader {
        seq: entry.seq,
        at: entry.at,
        clock_synced: entry.clock_synced,
        kind: &entry.kind,
        lock: entry.lock.as_ref().map(LockId::as_str),
        alarm: entry.alarm.as_ref().map(AlarmId::as_str),
        person: entry.person.as_ref().map(PersonId::as_str),
    }
}

/// What a payload is bound to: its entry's clear part, in the chain's frozen layout.
pub(crate) fn bound(header: &EntryHeader<'_>) -> [u8; 32] {
    entry_hash(&GENESIS, header, &[])
}

/// The month whose key seals an entry: year * 100 + month in UTC; times outside the calendar share month 0.
pub(crate) fn month(at: UnixMillis) -> u32 {
    let Ok(time) = jiff::Timestamp::from_millisecond(at.0) else {
        return 0;
    };
    let date = jiff::tz::TimeZone::UTC.to_datetime(time);
    let year = u32::try_from(date.year()).unwrap_or(0);
    year * 100 + u32::try_from(date.month()).unwrap_or(0)
}

/// A number for SQLite, whose integers are signed. Journals do not reach 2^63 entries.
pub(crate) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from SQLite; a negative one, which hubd never writes, becomes 0, which is no entry's number.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
