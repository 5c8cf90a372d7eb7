//! A folder for what is only half done. It goes when it is done or fails; what a kill leaves behind is swept away by
//! the next one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::error::BackupError;
use super::restore::MARKS;

/// How its name begins.
pub(super) const PREFIX: &str = ".hubd-work-";
/// So often another one is made when a sweeper was quicker than the lock.
const ATTEMPTS: usize = 8;

/// A folder, private to its owner, in use until it is dropped.
pub(super) struct Scratch {
    path: PathBuf,
    /// Removes the folder; `None` once it is kept.
    folder: Option<TempDir>,
    /// The folder itself, locked, never read: that keeps others from sweeping it away, and a kill at any moment leaves
    /// it unlocked.
    _lock: File,
}

impl Scratch {
    /// Makes one in `parent`, and sweeps away those there that nobody uses any more.
    pub(super) fn new(parent: &Path) -> Result<Self, BackupError> {
        sweep(parent);
        let make = || -> io::Result<Self> {
            let mut attempt = 1;
            loop {
                let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
                match lock(folder.path()) {
                    Ok(lock) => {
                        return Ok(Self {
                            path: folder.path().to_owned(),
                            folder: Some(folder),
                            _lock: lock,
                        });
                    }
                    // Another process took it for an old one before it was locked.
                    Err(_) if attempt < ATTEMPTS => attempt += 1,
                    Err(error) => return Err(error),
                }
            }
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

/// Locks a folder that is there, and still is once it is locked.
fn lock(folder: &Path) -> io::Result<File> {
    let lock = File::open(folder)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    fs::metadata(folder)?;
    Ok(lock)
}

/// Removes what a killed process left behind. What cannot be removed stays: it is only in the way of the disk's room.
fn sweep(parent: &Path) {
    // What is staged for a restore that was begun is needed to end it.
    if MARKS.iter().any(|mark| parent.join(mark).exists()) {
        return;
    }
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if ours
            && let Ok(_lock) = lock(&entry.path())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(folder = %entry.path().display(), %error, "an old working folder cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_left_is_swept_whatever_the_moment_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        // Killed right after the folder was made, and in the middle of its removal.
        fs::create_dir(parent.path().join(".hubd-work-bare")).unwrap();
        fs::create_dir(parent.path().join(".hubd-work-half")).unwrap();
        fs::write(parent.path().join(".hubd-work-half/hubd.db"), "half").unwrap();
        fs::create_dir(parent.path().join("another")).unwrap();
        let used = Scratch::new(parent.path()).unwrap();
        let second = Scratch::new(parent.path()).unwrap();
        let mut there: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        there.sort();
        let mut wanted = vec![
            used.path().to_owned(),
            second.path().to_owned(),
            parent.path().join("another"),
        ];
        wanted.sort();
        assert_eq!(there, wanted);
        drop((used, second));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
