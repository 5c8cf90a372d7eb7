//! What waits for the writer: bounded, and never a reason for the sender to wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use hubd_core::output::DeviceRecord;
use hubd_core::view::CommandView;
use hubd_model::{AlarmId, CommandId, LockId, RadioName, SecretBytes, UnixMillis};
use tokio::sync::oneshot;

use super::StoredEntry;
use super::accounts::AccountChange;
use super::error::StoreError;
use super::tokens::{NewToken, TokenRow};
use super::{credentials, lifesafety};

/// How many journal entries may wait for the writer.
pub(crate) const ENTRIES_MAX: usize = 4096;
/// How many different rows may wait; a row that is saved twice waits once.
pub(crate) const ROWS_MAX: usize = 4096;
/// How many callers may wait for something to be durable.
pub(crate) const CHANGES_MAX: usize = 64;

/// Names a waiting row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    Lock(LockId),
    Alarm(AlarmId),
    Command(CommandId),
    LifeSafety(lifesafety::Key),
    Credentials(credentials::Key),
    Cache(RadioName),
    TokenUse(String),
    SessionUse(String),
}

impl RowKey {
    /// The key of a device's row.
    pub(crate) fn of(record: &DeviceRecord) -> Self {
        match record {
            DeviceRecord::Lock(view) => Self::Lock(view.id.clone()),
            DeviceRecord::Alarm(view) => Self::Alarm(view.id.clone()),
        }
    }
}

/// What a row shall become.
#[derive(Debug, Clone)]
pub(crate) enum RowChange {
    Device(DeviceRecord),
    Command(CommandView),
    LifeSafety {
        revision: u64,
        row: String,
    },
    /// Sealed already.
    Credentials(Vec<u8>),
    Cache(Vec<u8>),
    TokenUse(UnixMillis),
    SessionUse(UnixMillis),
    Forget,
}

/// Something that its caller waits for until it is on disk.
pub(crate) enum Change {
    PutSecret {
        radio: RadioName,
        name: String,
        secret: SecretBytes,
    },
    PutSheet(SecretBytes),
    AddToken(NewToken),
    RemoveToken(String),
    Account(AccountChange),
    ForgetMonth(u32),
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Changed {
    Done,
    Removed(Option<TokenRow>),
}

/// A change and who waits for it.
pub(crate) struct Waiting {
    pub(crate) change: Change,
    pub(crate) reply: oneshot::Sender<Result<Changed, StoreError>>,
}

/// An entry on its way to disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Arc<StoredEntry>,
    /// Live listeners have it already.
    pub(crate) shown: bool,
}

/// What the queue did not take.
#[derive(Default)]
pub(crate) struct Refused {
    pub(crate) entries: Vec<Pending>,
    pub(crate) rows: Vec<RowKey>,
}

/// Everything that waited.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) entries: VecDeque<Pending>,
    pub(crate) rows: BTreeMap<RowKey, RowChange>,
    pub(crate) changes: Vec<Waiting>,
    /// It is time to try again.
    pub(crate) retry: bool,
    /// Nothing more will come.
    pub(crate) closing: bool,
}

impl Batch {
    fn is_empty(&self) -> bool {
        let nothing = self.entries.is_empty() && self.rows.is_empty() && self.changes.is_empty();
        nothing && !self.retry && !self.closing
    }
}

/// The queue in front of the writer.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Batch>,
    wake: Condvar,
}

impl Inbox {
    fn waiting(&self) -> MutexGuard<'_, Batch> {
        // Nothing panics while holding it; should it ever, the queue itself is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer for what was queued.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Queues entries and rows, without waking the writer, which takes all of them or none: a row belongs to what
    /// happened. Hands back what finds the queue full or closed.
    pub(crate) fn records(
        &self,
        entries: impl IntoIterator<Item = Pending>,
        rows: impl IntoIterator<Item = (RowKey, RowChange)>,
    ) -> Refused {
        let mut waiting = self.waiting();
        let mut refused = Refused::default();
        for entry in entries {
            if waiting.closing || waiting.entries.len() >= ENTRIES_MAX {
                refused.entries.push(entry);
            } else {
                waiting.entries.push_back(entry);
            }
        }
        for (key, change) in rows {
            let full = waiting.rows.len() >= ROWS_MAX && !waiting.rows.contains_key(&key);
            if waiting.closing || full {
                refused.rows.push(key);
            } else {
                waiting.rows.insert(key, change);
            }
        }
        refused
    }

    /// Queues a change that its caller waits for.
    pub(crate) fn change(
        &self,
        change: Change,
    ) -> Result<oneshot::Receiver<Result<Changed, StoreError>>, StoreError> {
        let (reply, done) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.closing {
            return Err(StoreError::Closed);
        }
        if waiting.changes.len() >= CHANGES_MAX {
            return Err(StoreError::Busy);
        }
        waiting.changes.push(Waiting { change, reply });
        self.wake.notify_one();
        Ok(done)
    }

    /// Lets the writer try again.
    pub(crate) fn retry(&self) {
        self.waiting().retry = true;
        self.wake.notify_one();
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        self.waiting().closing = true;
        self.wake.notify_one();
    }

    /// Waits until there is something and takes it all.
    pub(crate) fn take(&self) -> Batch {
        let mut waiting = self.waiting();
        while waiting.is_empty() {
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let closing = waiting.closing;
        let batch = std::mem::take(&mut *waiting);
        waiting.closing = closing;
        batch
    }
}
