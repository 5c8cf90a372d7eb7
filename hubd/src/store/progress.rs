//! How far the journal is: what listeners have been told, what can be read, and the key that seals at the moment.
//! Shared by the event loop, which shows what it spooled, and the writer, which shows what it committed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hubd_model::Millis;
use tokio::sync::{broadcast, watch};

use super::StoredEntry;
use super::error::StoreError;
use super::vault::MonthKey;

/// How long a reader waits for what was shown a moment ago to be committed.
const READABLE_WAIT: Millis = Millis(2_000);

/// Where the journal stands.
pub(crate) struct Progress {
    live: broadcast::Sender<Arc<StoredEntry>>,
    /// The last entry that listeners were told of. They are told in order: whoever tells them of the next one has
    /// seen this one here.
    shown: AtomicU64,
    /// The last entry in the database.
    committed: AtomicU64,
    /// The last entry that was shown and that memory could not hold.
    lost: AtomicU64,
    /// The last entry that can be read, for those who wait; everything while nothing can be committed, so that nobody waits in vain.
    readable: watch::Sender<u64>,
    month: Mutex<Option<MonthKey>>,
}

impl Progress {
    /// A journal that ends with entry `seq`; listeners may fall `behind_max` entries behind.
    pub(crate) fn new(seq: u64, behind_max: usize) -> Self {
        Self {
            live: broadcast::channel(behind_max).0,
            shown: AtomicU64::new(seq),
            committed: AtomicU64::new(seq),
            lost: AtomicU64::new(0),
            readable: watch::Sender::new(seq),
            month: Mutex::default(),
        }
    }

    /// Every entry that is shown from now on.
    pub(crate) fn live(&self) -> broadcast::Receiver<Arc<StoredEntry>> {
        self.live.subscribe()
    }

    /// Shows an entry to live listeners.
    pub(crate) fn show(&self, entry: &Arc<StoredEntry>) {
        // Without listeners there is nobody to tell.
        let _ = self.live.send(Arc::clone(entry));
        self.shown.fetch_max(entry.seq, Ordering::AcqRel);
    }

    /// Shows an entry that will never be written: nobody waits until it can be read.
    pub(crate) fn show_lost(&self, entry: &Arc<StoredEntry>) {
        self.lost.fetch_max(entry.seq, Ordering::AcqRel);
        self.show(entry);
    }

    /// The last entry that was shown.
    pub(crate) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Acquire)
    }

    /// Everything up to this entry is in the database, sealed with this key at the end.
    pub(crate) fn committed(&self, seq: u64, key: Option<&MonthKey>) {
        self.committed.store(seq, Ordering::Release);
        {
            let mut month = self.month.lock().unwrap_or_else(PoisonError::into_inner);
            if month.as_ref().map(MonthKey::month) != key.map(MonthKey::month) {
                *month = key.cloned();
            }
        }
        self.readable
            .send_replace(seq.max(self.lost.load(Ordering::Acquire)));
    }

    /// The last entry in the database.
    pub(crate) fn committed_seq(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Nothing can be committed for now: what is read is what there is.
    pub(crate) fn stuck(&self) {
        self.readable.send_replace(u64::MAX);
    }

    /// The key of the entry that was committed last.
    pub(crate) fn month_key(&self) -> Option<MonthKey> {
        self.month.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all that was shown can be read.
    pub(crate) fn is_readable(&self) -> bool {
        *self.readable.borrow() >= self.shown()
    }

    /// Waits until what has been shown can be read.
    ///
    /// # Errors
    /// When the disk is too slow for that.
    pub(crate) async fn readable(&self) -> Result<(), StoreError> {
        let shown = self.shown();
        let mut readable = self.readable.subscribe();
        if *readable.borrow_and_update() >= shown {
            return Ok(());
        }
        let waited = readable.wait_for(|reached| *reached >= shown);
        match tokio::time::timeout(READABLE_WAIT.to_std(), waited).await {
            // An error is a store that has ended: it shows nothing more.
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Busy),
        }
    }
}
