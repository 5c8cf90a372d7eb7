//! The one thread that writes. It commits what waits in one transaction, tells live listeners at once, and leaves
//! it to `durable.rs` to say when that survives a power cut.
//!
//! ```text
//!            commit fails: tell once, show what came anyway
//!   Good ------------------------------------------------------> Failing
//!    ^                                                            |  ^
//!    |   commit succeeds: everything kept is written in order     |  | still fails: keep up to
//!    +------------------------------------------------------------+--+ 10,000 entries, wait longer
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};

use super::durable::{Committed, SyncQueue};
use super::error::StoreError;
use super::health::{Health, Part};
use super::inbox::{Batch, Change, Changed, Inbox, Pending, ROWS_MAX, RowChange, RowKey, Waiting};
use super::journal::{Appender, LOST, Tail, lost, lost_for};
use super::progress::Progress;
use super::sheet;
use super::spool::Recovered;
use super::vault::Vault;
use super::{
    StoredEntry, accounts, backup, credentials, lifesafety, recipients, rows, secret_context, tokens,
};

/// How many entries are kept in memory while they cannot be written.
pub(crate) const BACKLOG_MAX: usize = 10_000;
/// How many entries go into one transaction.
const COMMIT_MAX: usize = 4096;
/// How many ended commands are remembered.
pub(crate) const COMMANDS_KEPT: i64 = 1000;
/// How many command rows are written between two clearings of old ones.
const CLEAR_EVERY: usize = 256;

/// Writes until closed.
pub(crate) struct Writer {
    db: Connection,
    vault: Arc<Vault>,
    inbox: Arc<Inbox>,
    progress: Arc<Progress>,
    health: Arc<Health>,
    syncs: Arc<SyncQueue>,
    pages_max: Option<Arc<AtomicU32>>,
    tail: Tail,
    entries: VecDeque<Pending>,
    rows: BTreeMap<RowKey, RowChange>,
    commands_written: usize,
    failing: bool,
}

/// What the writer works with.
pub(crate) struct Tools {
    pub(crate) db: Connection,
    pub(crate) vault: Arc<Vault>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) health: Arc<Health>,
    pub(crate) syncs: Arc<SyncQueue>,
    pub(crate) pages_max: Option<Arc<AtomicU32>>,
    pub(crate) tail: Tail,
}

impl Writer {
    pub(crate) fn new(tools: Tools) -> Self {
        Self {
            db: tools.db,
            vault: tools.vault,
            inbox: tools.inbox,
            progress: tools.progress,
            health: tools.health,
            syncs: tools.syncs,
            pages_max: tools.pages_max,
            tail: tools.tail,
            entries: VecDeque::new(),
            rows: BTreeMap::new(),
            commands_written: 0,
            failing: false,
        }
    }

    /// Commits what the spool held, before anything else is asked of the store. Says whether that went well; if not,
    /// it is kept and tried again like everything that comes later.
    pub(crate) fn recover(&mut self, recovered: &Recovered) -> bool {
        let damage = recovered.damage.as_ref().map(|damage| {
            let at = crate::clock::unix_millis();
            Arc::new(lost_for(damage.first, damage.last, at, false, damage.what))
        });
        for entry in recovered.entries.iter().cloned().chain(damage) {
            self.entries.push_back(Pending { entry, shown: true });
        }
        if self.entries.is_empty() {
            return true;
        }
        self.rows.extend(recovered.rows.iter().cloned());
        self.write(Vec::new());
        !self.failing
    }

    /// The connection, for what is read before the thread runs.
    pub(crate) const fn db(&self) -> &Connection {
        &self.db
    }

    /// The thread's body.
    pub(crate) fn run(mut self) {
        loop {
            let batch = self.inbox.take();
            let (retry, closing) = (batch.retry, batch.closing);
            let changes = self.take_in(batch);
            if self.failing && !retry && !closing {
                self.show_all();
                refuse(changes, self.health.fault());
                continue;
            }
            self.write(changes);
            if closing {
                self.syncs.close();
                return;
            }
        }
    }

    /// Puts what came behind what is kept, within the limits.
    fn take_in(&mut self, batch: Batch) -> Vec<Waiting> {
        for pending in batch.entries {
            let entry = &pending.entry;
            let next = self
                .entries
                .back()
                .map_or(self.tail.head.seq, |last| last.entry.seq);
            if entry.seq <= next {
                tracing::error!(
                    seq = entry.seq,
                    next,
                    "a journal entry with a used number was dropped"
                );
            } else if self.entries.len() >= BACKLOG_MAX {
                // Its number is missing from now on, and the next entry that is written says so. What came before it
                // is shown before it.
                self.show_all();
                self.progress.show_lost(entry);
            } else {
                self.entries.push_back(pending);
            }
        }
        for (key, change) in batch.rows {
            if self.rows.len() < ROWS_MAX || self.rows.contains_key(&key) {
                self.rows.insert(key, change);
            } else {
                tracing::error!(?key, "a row was dropped because too many wait to be written");
            }
        }
        batch.changes
    }

    fn show(&self, entry: &Arc<StoredEntry>) {
        self.progress.show(entry);
    }

    fn show_all(&mut self) {
        for pending in self.entries.iter_mut().filter(|pending| !pending.shown) {
            pending.shown = true;
            self.progress.show(&pending.entry);
        }
    }

    /// Commits everything that waits, in as many transactions as its size needs.
    fn write(&mut self, changes: Vec<Waiting>) {
        let mut changes = Some(changes);
        loop {
            let waiting = changes.take().unwrap_or_default();
            match self.commit(&waiting) {
                Ok(done) => self.committed(done, waiting),
                Err(error) => {
                    self.failed(&error);
                    refuse(waiting, Some(error.to_string()));
                    return;
                }
            }
            if self.entries.is_empty() {
                return;
            }
        }
    }

    /// One transaction: what it did, or nothing of it happened.
    fn commit(&self, waiting: &[Waiting]) -> Result<Done, StoreError> {
        let failed = || StoreError::database("write the records");
        if let Some(pages) = &self.pages_max {
            self.db
                .pragma_update_and_check(None, "max_page_count", pages.load(Ordering::Relaxed), |_| Ok(()))
                .map_err(failed())?;
        }
        let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate).map_err(failed())?;
        let mut lost_entries = Vec::new();
        let count = self.entries.len().min(COMMIT_MAX);
        let mut tail = self.tail.clone();
        if count > 0 {
            let mut appender = Appender::new(&tx, &self.vault, tail)?;
            for pending in self.entries.iter().take(count) {
                let next = appender.tail.head.seq.saturating_add(1);
                if pending.entry.seq > next && &*pending.entry.kind != LOST {
                    let entry = Arc::new(lost(next, &pending.entry));
                    appender.append(&entry)?;
                    lost_entries.push(entry);
                }
                appender.append(&pending.entry)?;
                if &*pending.entry.kind == "backup.restored" {
                    backup::forget_restored(&tx)?;
                }
            }
            tail = appender.finish()?;
        }
        let mut commands = 0;
        for (key, change) in &self.rows {
            commands += usize::from(write_row(&tx, key, change)?);
        }
        let clear = self.commands_written + commands >= CLEAR_EVERY;
        if clear {
            clear_commands(&tx)?;
        }
        let mut changed = Vec::with_capacity(waiting.len());
        for one in waiting {
            changed.push(tell_apart(apply(&tx, &self.vault, &one.change))?);
        }
        tx.commit().map_err(failed())?;
        let commands_written = if clear {
            0
        } else {
            self.commands_written + commands
        };
        Ok(Done {
            tail,
            count,
            lost: lost_entries,
            changed,
            commands_written,
        })
    }

    fn committed(&mut self, done: Done, waiting: Vec<Waiting>) {
        self.tail = done.tail;
        self.commands_written = done.commands_written;
        let rows = self.rows.len();
        self.rows.clear();
        self.progress.committed(self.tail.head.seq, self.tail.month_key());
        for entry in &done.lost {
            tracing::error!(what = %entry.data, "journal entries were lost");
            self.show(entry);
        }
        let mut awaited = !waiting.is_empty();
        for _ in 0..done.count {
            let Some(pending) = self.entries.pop_front() else {
                break;
            };
            awaited |= is_awaited(&pending.entry);
            if !pending.shown {
                self.show(&pending.entry);
            }
        }
        let mut replies = Vec::new();
        for (one, changed) in waiting.into_iter().zip(done.changed) {
            match changed {
                Ok(changed) => replies.push((one.reply, changed)),
                // A caller that has gone away does not need to be told.
                Err(error) => drop(one.reply.send(Err(error))),
            }
        }
        // A small commit touches about eight pages: the table's and its indexes' last ones and the journal's end.
        let pages = 8 + (done.count / 8 + rows * 2) as u64;
        self.syncs.committed(Committed {
            seq: self.tail.head.seq,
            pages,
            replies,
            awaited,
        });
        if self.failing {
            self.failing = false;
            self.health.note(Part::Writing, None);
        }
    }

    fn failed(&mut self, error: &StoreError) {
        self.failing = true;
        self.health.note(Part::Writing, Some(advice(error)));
        self.show_all();
        self.progress.stuck();
        self.syncs.wake_writer_later();
    }
}

/// What a transaction did.
struct Done {
    tail: Tail,
    count: usize,
    lost: Vec<Arc<StoredEntry>>,
    changed: Vec<Result<Changed, StoreError>>,
    commands_written: usize,
}

/// Whether somebody waits until this entry is on disk.
pub(crate) fn is_awaited(entry: &StoredEntry) -> bool {
    matches!(
        &*entry.kind,
        "command.ended"
            | "person.changed"
            | "credential.changed"
            | "credential.revealed"
            | "slot.pending"
            | "slot.decided"
            | "lock.refilled"
            | "lock.forgotten"
    )
}

fn refuse(changes: Vec<Waiting>, reason: Option<String>) {
    let reason = reason.unwrap_or_else(|| "an earlier write failed".to_owned());
    for one in changes {
        drop(one.reply.send(Err(StoreError::Failing(reason.clone()))));
    }
}

/// A refusal that concerns one caller is theirs; any other fault concerns the whole transaction.
fn tell_apart(result: Result<Changed, StoreError>) -> Result<Result<Changed, StoreError>, StoreError> {
    match result {
        Ok(changed) => Ok(Ok(changed)),
        Err(error @ (StoreError::NameTaken(_) | StoreError::TooManyTokens | StoreError::Account(_))) => {
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

/// One sentence: what is wrong, what the hub does, what a person can do.
fn advice(error: &StoreError) -> String {
    let code = if let StoreError::Database { source, .. } = error {
        source.sqlite_error_code()
    } else {
        None
    };
    let rest = "events are kept in memory and written when it works again";
    match code {
        Some(ErrorCode::DiskFull) => {
            format!("the disk is full, {rest}: free some space on the disk that holds data_dir")
        }
        Some(ErrorCode::ReadOnly) => {
            format!("the disk is read-only, {rest}: check it and mount it for writing")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("another program holds the database, {rest}: stop that program")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("the database is damaged, {rest}: stop hubd and put back a copy of data_dir")
        }
        _ => format!("{error}, {rest}: check the disk that holds data_dir"),
    }
}

/// Writes one row; says whether it was a command's.
fn write_row(tx: &Transaction<'_>, key: &RowKey, change: &RowChange) -> Result<bool, StoreError> {
    let failed = || StoreError::database("write a row");
    let shapeless = |error: serde_json::Error| StoreError::Row {
        what: format!("{key:?}"),
        detail: error.to_string(),
    };
    match (key, change) {
        (_, RowChange::Device(record)) => {
            let (kind, id, row) = rows::device(record.clone()).map_err(shapeless)?;
            tx.execute(
                "INSERT INTO devices (kind, id, version, row) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, row = excluded.row",
                params![kind, id, rows::VERSION, row],
            )
            .map_err(failed())?;
        }
        (_, RowChange::Command(view)) => {
            let row = rows::command(view).map_err(shapeless)?;
            let ended = view.status.is_ended();
            tx.execute(
                "INSERT INTO commands (id, requested_at, ended, version, row) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, version = excluded.version, row = excluded.row",
                params![view.id.as_str(), view.requested_at.0, i64::from(ended), rows::VERSION, row],
            )
            .map_err(failed())?;
            return Ok(true);
        }
        (RowKey::LifeSafety(key), RowChange::LifeSafety { revision, row }) => {
            tx.execute(
                "INSERT INTO life_safety (kind, id, revision, version, row) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, version = excluded.version, \
                 row = excluded.row WHERE excluded.revision > life_safety.revision",
                params![
                    key.kind,
                    key.id,
                    i64::try_from(*revision).unwrap_or(i64::MAX),
                    lifesafety::VERSION,
                    row
                ],
            )
            .map_err(failed())?;
        }
        (RowKey::LifeSafety(key), RowChange::Forget) => {
            tx.execute(
                "DELETE FROM life_safety WHERE kind = ?1 AND id = ?2",
                [&key.kind, &key.id],
            )
            .map_err(failed())?;
        }
        (RowKey::Cache(radio), RowChange::Cache(bytes)) => {
            tx.execute(
                "INSERT INTO adapter_cache (radio, bytes) VALUES (?1, ?2) \
                 ON CONFLICT (radio) DO UPDATE SET bytes = excluded.bytes",
                params![radio.as_str(), bytes],
            )
            .map_err(failed())?;
        }
        (RowKey::TokenUse(id), RowChange::TokenUse(at)) => {
            tx.execute(
                "UPDATE tokens SET last_used = ?2 WHERE id = ?1",
                params![id, at.0],
            )
            .map_err(failed())?;
        }
        (RowKey::SessionUse(id), RowChange::SessionUse(at)) => accounts::seen(tx, id, *at)?,
        (RowKey::Lock(id), RowChange::Forget) => forget_device(tx, "lock", id.as_str())?,
        (RowKey::Alarm(id), RowChange::Forget) => forget_device(tx, "alarm", id.as_str())?,
        (RowKey::Credentials(key), RowChange::Credentials(sealed)) => credentials::write(tx, key, sealed)?,
        (RowKey::Credentials(key), RowChange::Forget) => credentials::forget(tx, key)?,
        (
            _,
            RowChange::Cache(_)
            | RowChange::TokenUse(_)
            | RowChange::SessionUse(_)
            | RowChange::LifeSafety { .. }
            | RowChange::Credentials(_)
            | RowChange::Forget,
        ) => {}
    }
    Ok(false)
}

fn forget_device(tx: &Transaction<'_>, kind: &str, id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM devices WHERE kind = ?1 AND id = ?2", [kind, id])
        .map_err(StoreError::database("forget a device"))?;
    Ok(())
}

fn clear_commands(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM commands WHERE ended = 1 AND id NOT IN \
         (SELECT id FROM commands WHERE ended = 1 ORDER BY requested_at DESC LIMIT ?1)",
        [COMMANDS_KEPT],
    )
    .map_err(StoreError::database("clear old commands"))?;
    Ok(())
}

fn apply(tx: &Transaction<'_>, vault: &Vault, change: &Change) -> Result<Changed, StoreError> {
    match change {
        Change::PutSecret { radio, name, secret } => {
            recipients::take(tx, vault)?;
            let sealed = vault.seal(&secret_context(radio.as_str(), name), secret.expose())?;
            tx.execute(
                "INSERT INTO adapter_secret (radio, name, sealed) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (radio, name) DO UPDATE SET sealed = excluded.sealed",
                params![radio.as_str(), name, sealed],
            )
            .map_err(StoreError::database("keep a secret"))?;
            Ok(Changed::Done)
        }
        Change::PutSheet(texts) => {
            recipients::take(tx, vault)?;
            sheet::write(tx, vault, texts).map(|()| Changed::Done)
        }
        Change::AddToken(token) => tokens::add(tx, token).map(|()| Changed::Done),
        Change::Account(change) => accounts::apply(tx, change).map(|()| Changed::Done),
        Change::RemoveToken(id) => tokens::remove(tx, id).map(Changed::Removed),
        Change::ForgetMonth(month) => {
            tx.execute("DELETE FROM month_keys WHERE month = ?1", [month])
                .map_err(StoreError::database("forget a month"))?;
            Ok(Changed::Done)
        }
    }
}
