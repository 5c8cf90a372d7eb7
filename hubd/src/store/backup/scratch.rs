//! A folder for what is only half done. It goes when it is done or fails; what a kill leaves behind is swept away by
//! the next one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::error::BackupError;
use super::restore::MARKS;

/// How its name begins.
pub(super) const PREFIX: &str = ".hubd-work-";
/// Its lock.
pub(super) const LOCK: &str = ".lock";

/// A folder, private to its owner, in use until it is dropped.
pub(super) struct Scratch {
    path: PathBuf,
    /// Removes the folder; `None` once it is kept.
    folder: Option<TempDir>,
    /// Held, never read: it keeps others from sweeping the folder away.
    _lock: File,
}

impl Scratch {
    /// Makes one in `parent`, and sweeps away those there that nobody uses any more.
    pub(super) fn new(parent: &Path) -> Result<Self, BackupError> {
        sweep(parent);
        let make = || -> io::Result<Self> {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(folder.path().join(LOCK))?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok(Self {
                path: folder.path().to_owned(),
                folder: Some(folder),
                _lock: lock,
            })
        };
        make().map_err(BackupError::file("make a working folder in", parent))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is from now on.
    pub(super) fn keep(&mut self) {
        if let Some(folder) = self.folder.take() {
            let _path = folder.keep();
        }
    }
}

/// Removes what a killed process left behind. What cannot be removed stays: it is only in the way of the disk's room.
fn sweep(parent: &Path) {
    // What is staged for a restore that was begun is needed to end it.
    if MARKS.iter().any(|mark| parent.join(mark).exists()) {
        return;
    }
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(folder = %entry.path().display(), %error, "an old working folder cannot be removed");
        }
    }
}
