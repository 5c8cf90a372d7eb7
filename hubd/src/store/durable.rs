//! The thread that makes commits durable: it syncs the write-ahead log and says so, one sync for all that was
//! committed meanwhile. It also folds the log into the database file, so that the writer never waits for that.
//!
//! After a failed sync the system may have dropped the pages and report the next sync as good although they never
//! reached the disk. So the log is not trusted then: it is folded into the database file, whose own sync counts.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hubd_model::{Millis, MonoTime};
use rusqlite::{Connection, OpenFlags};

use super::database;
use super::error::StoreError;
use super::health::{Health, Part};
use super::inbox::{Changed, Inbox};
use crate::clock;

/// About how many pages are logged before the log is folded into the file (4 MiB).
const FOLD_PAGES: u64 = 1024;
/// A log this big is folded even if the writer has to wait for it once.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long commits that nobody waits for are gathered for one sync. A sync holds up the next commit, and an alarm is
/// shown at its commit; and an SD card lasts longer with fewer of them.
const GATHER: Millis = Millis(25);
/// The first and the longest pause before trying again; each is twice the one before.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// How soon to tell the loop again when its queue was full.
const TELL_AGAIN: Duration = Duration::from_millis(20);

type Reply = (tokio::sync::oneshot::Sender<Result<Changed, StoreError>>, Changed);

/// What was committed.
#[derive(Default)]
pub(crate) struct Committed {
    /// The last journal entry.
    pub(crate) seq: u64,
    /// About how many pages it took.
    pub(crate) pages: u64,
    /// Who waits for it to be durable.
    pub(crate) replies: Vec<Reply>,
    /// Whether anybody waits: a caller, or the one who asked for a command that ended.
    pub(crate) awaited: bool,
}

#[derive(Default)]
struct Waiting {
    /// Something was committed since the last sync.
    dirty: bool,
    /// The first of it.
    since: MonoTime,
    committed: Committed,
    /// The writer failed and wants to be woken after a pause.
    wake_writer: bool,
    closing: bool,
}

/// What waits for the sync.
#[derive(Default)]
pub(crate) struct SyncQueue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl SyncQueue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was committed.
    pub(crate) fn committed(&self, committed: Committed) {
        let mut waiting = self.waiting();
        if !waiting.dirty {
            waiting.since = clock::mono();
        }
        waiting.dirty = true;
        waiting.committed.seq = waiting.committed.seq.max(committed.seq);
        waiting.committed.pages = waiting.committed.pages.saturating_add(committed.pages);
        waiting.committed.replies.extend(committed.replies);
        waiting.committed.awaited |= committed.awaited;
        self.wake.notify_one();
    }

    /// The writer failed: wake it after a pause.
    pub(crate) fn wake_writer_later(&self) {
        self.waiting().wake_writer = true;
        self.wake.notify_one();
    }

    /// The writer is done: sync what is left and end.
    pub(crate) fn close(&self) {
        self.waiting().closing = true;
        self.wake.notify_one();
    }
}

/// Syncs until closed.
pub(crate) struct Syncer {
    queue: Arc<SyncQueue>,
    inbox: Arc<Inbox>,
    health: Arc<Health>,
    log: File,
    db: Connection,
    pages: u64,
    /// Of the writer's trials.
    writer_pause: Duration,
    /// The last entry that is durable, and the last that the loop was told of.
    durable: u64,
    told: u64,
}

impl Syncer {
    /// The database must be open and its log exist.
    pub(crate) fn open(
        dir: &Path,
        queue: Arc<SyncQueue>,
        inbox: Arc<Inbox>,
        health: Arc<Health>,
        seq: u64,
    ) -> Result<Self, StoreError> {
        let log = database::wal_path(dir);
        // Opening the log beside SQLite is safe: its locks are on the database and the index file, never on the log.
        let log = File::open(&log).map_err(StoreError::file("open", &log))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = || StoreError::database("open the database");
        let db = Connection::open_with_flags(database::path(dir), flags).map_err(failed())?;
        database::configure(&db, 64).map_err(failed())?;
        Ok(Self {
            queue,
            inbox,
            health,
            log,
            db,
            pages: 0,
            writer_pause: RETRY_FIRST,
            durable: seq,
            told: seq,
        })
    }

    /// The thread's body. Hands back its connection: whoever closes the last one leaves a database without a log.
    pub(crate) fn run(mut self) -> Connection {
        loop {
            let (committed, closing) = self.next();
            if let Some(committed) = committed {
                self.make_durable(committed, closing);
            } else if closing {
                self.tell();
                return self.db;
            }
        }
    }

    /// Waits for a commit or the end; sees to pauses meanwhile.
    fn next(&mut self) -> (Option<Committed>, bool) {
        let queue = Arc::clone(&self.queue);
        let mut waiting = queue.waiting();
        loop {
            let gathers = waiting.dirty && !waiting.committed.awaited && !waiting.closing;
            let left = (waiting.since + GATHER).since(clock::mono());
            if gathers && left > Millis(0) {
                let timed = queue.wake.wait_timeout(waiting, left.to_std());
                waiting = timed.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            if waiting.dirty {
                waiting.dirty = false;
                return (Some(std::mem::take(&mut waiting.committed)), waiting.closing);
            }
            if waiting.closing {
                return (None, true);
            }
            let pause = if self.told < self.durable {
                TELL_AGAIN
            } else if waiting.wake_writer {
                self.writer_pause
            } else {
                waiting = queue.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (guard, timeout) = queue
                .wake
                .wait_timeout(waiting, pause)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
            if self.told < self.durable {
                self.tell();
            } else if timeout.timed_out() && waiting.wake_writer {
                waiting.wake_writer = false;
                self.writer_pause = (self.writer_pause * 2).min(RETRY_LAST);
                self.inbox.retry();
            }
        }
    }

    fn make_durable(&mut self, committed: Committed, closing: bool) {
        self.writer_pause = RETRY_FIRST;
        self.pages = self.pages.saturating_add(committed.pages);
        if let Err(error) = self.log.sync_data() {
            let reason =
                format!("the disk does not take what is written to it ({error}): check it and its space");
            if !self.fold_until_durable(&reason, closing) {
                for (reply, _) in committed.replies {
                    // A caller that has gone away does not need to be told.
                    let _ = reply.send(Err(StoreError::Failing(reason.clone())));
                }
                return;
            }
        }
        self.durable = self.durable.max(committed.seq);
        self.tell();
        for (reply, changed) in committed.replies {
            let _ = reply.send(Ok(changed));
        }
        self.fold_if_due();
    }

    fn tell(&mut self) {
        if self.told < self.durable && self.health.durable(self.durable) {
            self.told = self.durable;
        }
    }

    /// Folds the log into the database file until that succeeds; at closing once.
    fn fold_until_durable(&self, reason: &str, closing: bool) -> bool {
        self.health.note(Part::Syncing, Some(reason.to_owned()));
        let mut pause = RETRY_FIRST;
        loop {
            if let Ok(true) = self.fold("TRUNCATE") {
                self.health.note(Part::Syncing, None);
                return true;
            }
            let waiting = self.queue.waiting();
            if closing || waiting.closing {
                return false;
            }
            // Commits wake it too; each is a fresh reason to try.
            drop(
                self.queue
                    .wake
                    .wait_timeout(waiting, pause)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            pause = (pause * 2).min(RETRY_LAST);
        }
    }

    fn fold_if_due(&mut self) {
        if self.pages < FOLD_PAGES {
            return;
        }
        self.pages = 0;
        let huge = self.log.metadata().is_ok_and(|log| log.len() > LOG_BYTES_MAX);
        // Not folding costs space, not records: the next turn tries again.
        if let Err(error) = self.fold(if huge { "TRUNCATE" } else { "PASSIVE" }) {
            tracing::warn!(%error, "the database's log could not be folded into it; trying again later");
        }
    }

    /// Whether everything in the log was folded into the file and synced.
    fn fold(&self, how: &str) -> rusqlite::Result<bool> {
        self.db
            .query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
                let (busy, logged, folded): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(busy == 0 && logged == folded)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreStatus;
    use crate::store::journal::Head;

    /// A disk whose sync always fails: a device file takes no sync at all.
    #[test]
    fn after_a_failed_sync_only_the_database_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(dir.path()).unwrap();
        db.execute("INSERT INTO journal_head VALUES (1, 7, 7, zeroblob(32))", [])
            .unwrap();
        let (health, mut status) = Health::new();
        let (queue, inbox, health) = (
            Arc::<SyncQueue>::default(),
            Arc::<Inbox>::default(),
            Arc::new(health),
        );
        let mut syncer = Syncer::open(dir.path(), Arc::clone(&queue), inbox, health, 0).unwrap();
        syncer.log = File::open("/dev/null").unwrap();
        assert!(syncer.log.sync_data().is_err());
        queue.committed(Committed {
            seq: 7,
            pages: 1,
            replies: Vec::new(),
            awaited: true,
        });
        queue.close();
        let syncer_db = syncer.run();
        assert!(matches!(status.try_recv(), Ok(StoreStatus::Failing { .. })));
        assert_eq!(status.try_recv(), Ok(StoreStatus::Recovered));
        assert_eq!(status.try_recv(), Ok(StoreStatus::Durable { seq: 7 }));
        // The log holds nothing any more: the row is in the file itself.
        assert_eq!(database::wal_path(dir.path()).metadata().unwrap().len(), 0);
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(database::path(dir.path()), database::path(copy.path())).unwrap();
        assert_eq!(
            Head::read(&database::open_reader(copy.path()).unwrap())
                .unwrap()
                .seq,
            7
        );
        drop((db, syncer_db));
    }
}
