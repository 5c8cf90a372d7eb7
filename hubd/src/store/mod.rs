//! What is on disk: rows, the journal and the vault.
//!
//! ```text
//!           +--> spool --> live listeners (at once)
//!           |
//!  submit --+--> inbox --> writer thread --commit--> log --> live listeners, of what was not spooled
//!  (never waits)                                     |
//!                                                    +--> sync thread --> Durable{seq}, callers who wait for the disk
//! ```
//!
//! An event is shown when it is spooled or committed (it survives the death of the process) and called durable when
//! the log is synced (it survives a power cut). Neither the event loop nor a door ever waits for a disk. See ADR 0005
//! and 0008.

mod accounts;
pub mod backup;
mod credentials;
mod database;
mod durable;
mod error;
mod health;
mod inbox;
mod journal;
mod lifesafety;
mod migrations;
mod opening;
mod page;
mod progress;
mod recipients;
mod recovery;
mod rows;
pub mod shape;
mod sheet;
mod spool;
mod tokens;
mod vault;
mod verify;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use hubd_core::event::Entry;
use hubd_core::input::Memory;
use hubd_core::output::{Record, RecordKey};
use hubd_model::{AlarmId, DongleImage, LockId, PersonId, RadioName, SecretBytes, UnixMillis};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, broadcast, mpsc};

use crate::clock;
use crate::radios::DONGLE_SECRET;

use credentials::CodesKey;
use durable::{SyncQueue, Syncer};
use health::{Health, Part};
use inbox::{Change, Changed, Inbox, Pending, RowChange, RowKey};
use journal::Tail;
use progress::Progress;
use spool::{NotSpooled, Spool};
use vault::Vault;
use writer::{Tools, Writer};

pub use accounts::{
    ACCOUNTS_MAX, Access, AccountChange, AccountRefusal, AccountRow, ConsoleNote, LOCKS_MAX, NewAccount,
    NewSession, OWNERS_MAX, Owners, PASSKEYS_PER_ACCOUNT_MAX, PasskeyRow, SESSIONS_PER_ACCOUNT_MAX,
    SessionRow, change_accounts_beside, list_accounts_beside,
};
pub use error::StoreError;
pub use opening::read_life_safety_beside;
pub use page::{Filter, PAGE_MAX, for_each_entry};
pub use recipients::{
    RECIPIENTS_MAX, RecoveryRecipient, add_recipient_beside, hub_recipient, list_recipients_beside,
    remove_recipient_beside,
};
pub use recovery::{RecoveryKey, RecoveryKeyError, TEXT_BYTES_MAX};
pub use tokens::{
    NewToken, TOKENS_MAX, TokenRow, create_token_beside, list_tokens_beside, remove_token_beside,
};
pub use verify::{BadEntry, VerifyReport, verify};

/// How many entries a slow live listener may miss before it has to read them as pages.
pub const LIVE_MAX: usize = 1024;
/// How many pages are read at the same time, and how many askers may wait beyond that.
const READERS: usize = 2;
const READS_WAITING_MAX: usize = 64;

/// One journal entry as the outside sees it: from the API, the live stream and the export alike.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    /// Its place in the journal.
    pub seq: u64,
    /// When it happened.
    pub at: UnixMillis,
    /// Whether the clock could be trusted then.
    pub clock_synced: bool,
    /// The stable name of what happened.
    pub kind: Arc<str>,
    /// The lock that it is about.
    pub lock: Option<LockId>,
    /// The detector that it is about.
    pub alarm: Option<AlarmId>,
    /// The person that it is about.
    pub person: Option<PersonId>,
    /// What happened, in the contract's shape.
    pub data: Value,
}

impl StoredEntry {
    /// The entry in the contract's shape; `clock_synced` appears only when the time could not be trusted.
    pub fn to_json(&self) -> Value {
        let mut shape = json!({
            "seq": self.seq,
            "at": shape::time(self.at),
            "kind": *self.kind,
            "lock": self.lock.as_ref().map(LockId::as_str),
            "alarm": self.alarm.as_ref().map(AlarmId::as_str),
            "person": self.person.as_ref().map(PersonId::as_str),
            "data": self.data,
        });
        if let (false, Value::Object(fields)) = (self.clock_synced, &mut shape) {
            fields.insert("clock_synced".to_owned(), Value::Bool(false));
        }
        shape
    }
}

/// How to open a store.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// `age` recipients (`age1...`) who can open sealed records besides the hub.
    pub recovery_recipients: Vec<String>,
    /// systemd's credentials folder, when the hub runs under it: a credential `hubd-identity` there goes before the
    /// file `identity.key`.
    pub credentials_dir: Option<PathBuf>,
    /// The database may not grow beyond so many pages of 4 KiB; may be changed while the store is open.
    pub pages_max: Option<Arc<AtomicU32>>,
}

/// Something for the store to do. None of it makes the sender wait.
#[derive(Debug)]
pub enum StoreJob {
    /// Append to the journal and tell live listeners.
    Journal(Entry),
    /// Remember this row.
    Save(Record),
    /// Forget this row.
    Forget(RecordKey),
    /// Keep what an adapter knows of its network, in the adapter's own shape. Nothing secret.
    KeepCache {
        /// Whose.
        radio: RadioName,
        /// What.
        bytes: Vec<u8>,
    },
    /// Keep the newest copy of a dongle's memory, sealed. It is on disk no later than the entries that come after it.
    KeepDongle {
        /// Of which radio's dongle.
        radio: RadioName,
        /// The copy.
        image: DongleImage,
    },
}

/// When live listeners hear of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// At once, where the spool takes them.
    AtOnce,
    /// When they are committed: nothing comes between an order that was just given and its radio.
    AtCommit,
}

/// What became of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what waits has to be flushed"]
pub enum Taken {
    /// They are on their way to the database.
    Written,
    /// They are spooled and shown, or wait for their commit to be. [`Store::flush`] is to be called a moment later: the
    /// thread that writes is not woken while others still tell people of them, or carry out what was decided with them.
    Waiting,
}

/// What the store tells the event loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreStatus {
    /// Every entry up to this one survives a power cut, or is recorded as lost.
    Durable {
        /// The entry's number.
        seq: u64,
    },
    /// Records cannot be written. Told once; events are kept in memory and shown live meanwhile.
    Failing {
        /// One sentence: what is wrong, what the hub does, what a person can do.
        reason: String,
    },
    /// Records are written again, all that was kept included.
    Recovered,
}

/// What an opened store hands over once.
#[derive(Debug)]
pub struct Opened {
    /// What the mind knew.
    pub memory: Memory,
    /// When the backup was made that was restored into this folder since the last start, RFC 3339.
    pub restored: Option<String>,
    /// Into which radios' dongles the copies of that backup shall be written.
    pub write_dongles: Vec<RadioName>,
    /// When the last start of the hub began, if it was in vain: no radio could be used, and it stopped.
    pub vain_start: Option<UnixMillis>,
    /// How the store does from now on.
    pub status: mpsc::Receiver<StoreStatus>,
}

/// The store; cheap to clone. It ends, with everything written, at [`Store::close`] or when the last clone is gone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    inbox: Arc<Inbox>,
    progress: Arc<Progress>,
    /// Absent when it could not be opened: then everything is shown at its commit.
    spool: Mutex<Option<Spool>>,
    /// The next row of life safety gets this one.
    revision: AtomicU64,
    health: Arc<Health>,
    vault: Arc<Vault>,
    codes: CodesKey,
    tokens: Arc<tokens::Tokens>,
    accounts: accounts::Accounts,
    readers: Arc<Readers>,
    reads: Arc<Semaphore>,
    running: Mutex<Option<Running>>,
}

struct Running {
    writer: JoinHandle<()>,
    syncer: JoinHandle<Connection>,
    /// Held, never read: it keeps other hubs out of the folder.
    _folder: File,
}

impl Store {
    /// Opens the store in a data folder, creating it at the first start. Blocks while it reads; call it before the
    /// event loop runs.
    ///
    /// # Errors
    /// One clear sentence; nothing on disk was changed then.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<(Self, Opened), StoreError> {
        vault::require_folder(dir)?;
        let folder = database::lock_folder(dir)?;
        backup::finish_restore(dir).map_err(|error| StoreError::Restore(Box::new(error)))?;
        let db = database::open(dir)?;
        let vault = Arc::new(opening::open_vault(&db, dir, options)?);
        let tail = Tail::read(&db)?;
        let (restored, write_dongles) = backup::restored(&db)?;
        let codes = CodesKey::open(&db, &vault)?;
        let durable = tail.head.seq;

        let (health, status) = Health::new();
        let (health, inbox, syncs) = (
            Arc::new(health),
            Arc::<Inbox>::default(),
            Arc::<SyncQueue>::default(),
        );
        let (mut spool, recovered) = opening::read_spool(&db, &vault, dir, tail.head.seq)?;
        let last = recovered.last().unwrap_or(durable);
        let progress = Arc::new(Progress::new(last, LIVE_MAX));
        let tokens = Arc::new(tokens::Tokens::open(dir)?);
        let accounts = accounts::Accounts::open(dir)?;
        let syncer = Syncer::open(
            dir,
            Arc::clone(&syncs),
            Arc::clone(&inbox),
            Arc::clone(&health),
            durable,
        )?;
        let mut writer = Writer::new(Tools {
            db,
            vault: Arc::clone(&vault),
            inbox: Arc::clone(&inbox),
            progress: Arc::clone(&progress),
            health: Arc::clone(&health),
            syncs,
            pages_max: options.pages_max.clone(),
            tail,
        });
        let written = writer.recover(&recovered);
        opening::reuse_spool(&mut spool, dir, last, written);
        let revision = opening::next_revision(writer.db(), &recovered)?;
        let mut memory = opening::read_memory(writer.db(), &codes, last)?;
        if !written {
            opening::overlay(&mut memory, &codes, recovered)?;
        }
        let vain_start = opening::vain_start(writer.db())?;
        opening::check_later(dir, &health)?;
        let running = Running {
            writer: spawn(dir, "store-writer", move || writer.run())?,
            syncer: spawn(dir, "store-sync", move || syncer.run())?,
            _folder: folder,
        };
        let inner = Inner {
            dir: dir.to_owned(),
            inbox,
            progress,
            spool: Mutex::new(spool),
            revision: AtomicU64::new(revision),
            health,
            vault,
            codes,
            tokens,
            accounts,
            readers: Arc::default(),
            reads: Arc::new(Semaphore::new(READERS + READS_WAITING_MAX)),
            running: Mutex::new(Some(running)),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            Opened {
                memory,
                restored,
                write_dongles,
                vain_start,
                status,
            },
        ))
    }

    /// Takes a job; never waits. What does not fit is shown live and recorded as lost later.
    pub fn submit(&self, job: StoreJob) {
        match self.submit_all([job], Show::AtOnce) {
            Taken::Written => {}
            Taken::Waiting => self.flush(),
        }
    }

    /// Takes jobs that belong together, in their order; never waits. What does not fit is shown live and recorded as
    /// lost later.
    pub fn submit_all(&self, jobs: impl IntoIterator<Item = StoreJob>, show: Show) -> Taken {
        let (mut entries, mut rows) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                StoreJob::Journal(entry) => entries.push(Arc::new(shape::entry(entry))),
                StoreJob::Save(Record::Device(record)) => {
                    rows.push((RowKey::of(&record), RowChange::Device(record)));
                }
                StoreJob::Save(Record::Command(view)) => {
                    rows.push((RowKey::Command(view.id.clone()), RowChange::Command(view)));
                }
                StoreJob::Forget(RecordKey::Lock(id)) => rows.push((RowKey::Lock(id), RowChange::Forget)),
                StoreJob::Forget(RecordKey::Alarm(id)) => rows.push((RowKey::Alarm(id), RowChange::Forget)),
                StoreJob::Save(Record::LifeSafety(record)) => match lifesafety::row(record) {
                    Ok((key, row)) => {
                        let revision = self.inner.revision.fetch_add(1, Ordering::Relaxed);
                        rows.push((RowKey::LifeSafety(key), RowChange::LifeSafety { revision, row }));
                    }
                    Err(error) => tracing::error!(%error, "a row of life safety has no shape"),
                },
                StoreJob::Forget(RecordKey::LifeSafety(key)) => {
                    rows.push((RowKey::LifeSafety(key.into()), RowChange::Forget));
                }
                StoreJob::Save(Record::Credentials(record)) => match self.inner.codes.seal(&record) {
                    Ok((key, sealed)) => {
                        rows.push((RowKey::Credentials(key), RowChange::Credentials(sealed)));
                    }
                    Err(error) => tracing::error!(%error, "a person or code was not saved"),
                },
                StoreJob::Forget(RecordKey::Credentials(key)) => {
                    rows.push((RowKey::Credentials((&key).into()), RowChange::Forget));
                }
                StoreJob::KeepCache { radio, bytes } => {
                    rows.push((RowKey::Cache(radio), RowChange::Cache(bytes)));
                }
                StoreJob::KeepDongle { radio, image } => {
                    let change = Change::PutSecret {
                        radio,
                        name: DONGLE_SECRET.to_owned(),
                        secret: SecretBytes::new(image.expose().to_vec()),
                    };
                    // Nobody waits for it: the entry that tells of it comes after it.
                    if let Err(error) = self.inner.inbox.change(change) {
                        tracing::error!(%error, "a copy of a dongle's memory is lost; copy it again");
                    }
                }
            }
        }
        let shown = show == Show::AtOnce && self.spooled(&entries, &rows);
        // Somebody waits until these are on disk.
        let awaited = entries.iter().any(|entry| writer::is_awaited(entry));
        let inbox = &self.inner.inbox;
        if shown {
            for entry in &entries {
                self.inner.progress.show(entry);
            }
        }
        let refused = inbox.records(entries.into_iter().map(|entry| Pending { entry, shown }), rows);
        for Pending { entry, .. } in refused.entries {
            tracing::error!(
                seq = entry.seq,
                "the journal's queue is full or closed: an entry is lost"
            );
            self.inner.progress.show_lost(&entry);
        }
        for key in refused.rows {
            tracing::error!(?key, "the store's queue is full or closed: a row was not saved");
        }
        if !awaited && (shown || show == Show::AtCommit) {
            return Taken::Waiting;
        }
        inbox.wake();
        Taken::Written
    }

    /// Lets everything be written that was taken.
    pub fn flush(&self) {
        self.inner.inbox.wake();
    }

    /// Puts into the spool what can be shown at once then: what comes right after all that was shown.
    fn spooled(&self, entries: &[Arc<StoredEntry>], rows: &[(RowKey, RowChange)]) -> bool {
        let Some(first) = entries.first() else {
            return false;
        };
        let progress = &self.inner.progress;
        if progress.shown().checked_add(1) != Some(first.seq) {
            return false;
        }
        let mut spool = self.inner.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(spool) = spool.as_mut() else { return false };
        let (key, committed) = (progress.month_key(), progress.committed_seq());
        match spool.append(key.as_ref(), committed, entries, rows, clock::mono) {
            Ok(()) => true,
            Err(NotSpooled::Later) => false,
            Err(NotSpooled::Failed(error)) => {
                spool::complain(&error);
                false
            }
        }
    }

    /// Every entry from now on, as soon as it is spooled or committed; while neither can be done, as soon as it comes.
    pub fn live(&self) -> broadcast::Receiver<Arc<StoredEntry>> {
        self.inner.progress.live()
    }

    /// What is wrong with the store, when something is.
    pub fn fault(&self) -> Option<String> {
        self.inner.health.fault()
    }

    /// Reads a page of the journal. Everything that was shown before is in it, unless nothing can be written.
    ///
    /// # Errors
    /// When it cannot be read, or too many read already.
    pub async fn page(&self, filter: Filter) -> Result<Vec<StoredEntry>, StoreError> {
        if !self.inner.progress.is_readable() {
            self.flush();
            self.inner.progress.readable().await?;
        }
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |db| page::page(db, &vault, &filter)).await
    }

    /// What an adapter kept of its network.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn cache(&self, radio: &RadioName) -> Result<Option<Vec<u8>>, StoreError> {
        let radio = radio.clone();
        self.read(move |db| {
            db.query_row(
                "SELECT bytes FROM adapter_cache WHERE radio = ?1",
                [radio.as_str()],
                |row| row.get(0),
            )
            .optional()
            .map_err(StoreError::database("read a radio's cache"))
        })
        .await
    }

    /// Keeps an adapter's key, sealed. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it could not be made durable: then it must not be used.
    pub async fn put_secret(
        &self,
        radio: &RadioName,
        name: &str,
        secret: SecretBytes,
    ) -> Result<(), StoreError> {
        let change = Change::PutSecret {
            radio: radio.clone(),
            name: name.to_owned(),
            secret,
        };
        self.change(change).await.map(drop)
    }

    /// An adapter's key.
    ///
    /// # Errors
    /// When it cannot be read or opened.
    pub async fn secret(&self, radio: &RadioName, name: &str) -> Result<Option<SecretBytes>, StoreError> {
        let (vault, radio, name) = (Arc::clone(&self.inner.vault), radio.clone(), name.to_owned());
        self.read(move |db| {
            let sealed: Option<Vec<u8>> = db
                .query_row(
                    "SELECT sealed FROM adapter_secret WHERE radio = ?1 AND name = ?2",
                    [radio.as_str(), &name],
                    |row| row.get(0),
                )
                .optional()
                .map_err(StoreError::database("read a secret"))?;
            let Some(sealed) = sealed else { return Ok(None) };
            let opened = vault.unseal(&secret_context(radio.as_str(), &name), &sealed)?;
            Ok(Some(SecretBytes::new(opened.to_vec())))
        })
        .await
    }

    /// Keeps a machine's token. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When the name is taken, there are too many, or it could not be made durable.
    pub async fn create_token(&self, token: NewToken) -> Result<(), StoreError> {
        self.change(Change::AddToken(token)).await.map(drop)
    }

    /// Removes a token and says what it was; `None` when there is none with this id. When this returns, it is gone.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn remove_token(&self, id: &str) -> Result<Option<TokenRow>, StoreError> {
        match self.change(Change::RemoveToken(id.to_owned())).await? {
            Changed::Removed(token) => Ok(token),
            Changed::Done => Ok(None),
        }
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.inner.tokens.list()
    }

    /// The token with this SHA-256 hash; notes its use. Needs no disk.
    ///
    /// # Errors
    /// When the tokens cannot be read: then nobody is let in.
    pub fn token_by_hash(&self, hash: &[u8; 32], now: UnixMillis) -> Result<Option<TokenRow>, StoreError> {
        let Some((token, due)) = self.inner.tokens.by_hash(hash, now)? else {
            return Ok(None);
        };
        if due {
            // Only a label for people: if the queue is full, the next use writes it.
            let row = (RowKey::TokenUse(token.id.clone()), RowChange::TokenUse(now));
            drop(self.inner.inbox.records([], [row]));
        }
        Ok(Some(token))
    }

    /// Forgets a month of the journal (`year * 100 + month`, UTC): its payloads can never be read again, the chain
    /// stays verifiable. Recovery copies of the key in old backups stay with whoever has them.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn forget_month(&self, month: u32) -> Result<(), StoreError> {
        self.change(Change::ForgetMonth(month)).await.map(drop)
    }

    /// Writes everything that waits, makes it durable and ends.
    ///
    /// # Errors
    /// When something could not be written.
    pub async fn close(&self) -> Result<(), StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.inner.stop())
            .await
            .map_err(|_| StoreError::Closed)?;
        match self.fault() {
            Some(reason) => Err(StoreError::Failing(reason)),
            None => Ok(()),
        }
    }

    async fn change(&self, change: Change) -> Result<Changed, StoreError> {
        self.inner
            .inbox
            .change(change)?
            .await
            .map_err(|_| StoreError::Closed)?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.inner.reads.try_acquire().map_err(|_| StoreError::Busy)?;
        let (dir, readers) = (self.inner.dir.clone(), Arc::clone(&self.inner.readers));
        tokio::task::spawn_blocking(move || {
            let db = readers.borrow(&dir)?;
            let found = read(&db);
            readers.give_back(db);
            found
        })
        .await
        .map_err(|_| StoreError::Closed)?
    }
}

impl Inner {
    fn stop(&self) {
        let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        self.inbox.close();
        let wrote = running.writer.join();
        self.readers.close();
        self.tokens.close();
        self.accounts.close();
        // The last connection to be closed folds the log into the database file and removes it.
        let synced = running.syncer.join().map(drop);
        if wrote.and(synced).is_err() {
            self.health.note(
                Part::Writing,
                Some("a thread of the store ended by a fault of the program".into()),
            );
        }
        let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut spool) = spool.filter(|_| self.progress.committed_seq() >= self.progress.shown())
            && let Err(error) = spool.clear(&self.dir)
        {
            tracing::warn!(%error, "the spool is left as it is");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Connections for reading, opened when first needed.
#[derive(Default)]
struct Readers {
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn borrow(&self, dir: &Path) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| database::open_reader(dir), Ok)
    }

    fn give_back(&self, db: Connection) {
        let mut idle = self.idle();
        if idle.len() < READERS {
            idle.push(db);
        }
    }

    fn close(&self) {
        self.idle().clear();
    }
}

/// What a secret is sealed as.
fn secret_context(radio: &str, name: &str) -> String {
    format!("hubd secret {radio} {name}")
}

fn spawn<T: Send + 'static>(
    dir: &Path,
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StoreError> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(512 * 1024)
        .spawn(body)
        .map_err(StoreError::file("start a thread for", dir))
}
