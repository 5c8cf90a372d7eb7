//! Backups: one file, sealed with age to the hub and to the recovery keys, that holds everything a new machine needs.
//!
//! ```text
//!   create:   database --online copy--> folder --hash--> manifest --tar, age--> file.hubd   (a hub may run)
//!   open:     file --age--> manifest --> every part: length, hash --> database, identity, journal, sealed rows
//!   restore:  open --> staged beside what is there --mark--> old aside, new in its place     (no hub runs)
//!   rehearse: open --> a hub's store opens it in a folder of its own --> compared with the hub that is here
//! ```
//!
//! The inside is a tar archive, `manifest.json` first, so an owner can open it with `age` and `tar` alone. A restore is
//! refused whole until everything was checked; from the mark on it is carried through, even after a power cut.

mod create;
mod error;
mod manifest;
mod notes;
mod open;
mod rehearse;
mod restore;
mod scratch;

use std::fs::File;
use std::path::Path;

use hubd_model::UnixMillis;
use rustix::fs::statvfs;

use super::shape::time;

pub use create::{Sources, create};
pub use error::BackupError;
pub use manifest::{Counts, JournalEnd, Manifest, Part, PartName};
pub use notes::{note_created, note_rehearsed, noted};
pub use open::Opener;
pub use rehearse::{Here, Rehearsal, rehearse};
pub use restore::{Restored, ask_for_dongles, restore};
pub(super) use restore::{finish_restore, forget_restored, restored};

/// The manifest's name in the archive.
const MANIFEST: &str = "manifest.json";
/// How a backup's name ends.
pub const EXTENSION: &str = "hubd-backup";

/// A name for a backup made at this time.
pub fn file_name(at: UnixMillis) -> String {
    format!("hubd-{}.{EXTENSION}", stamp(at))
}

/// A time in a file's name: `20261125T220102Z`.
fn stamp(at: UnixMillis) -> String {
    let plain: String = time(at)
        .chars()
        .take_while(|c| *c != '.')
        .filter(char::is_ascii_alphanumeric)
        .collect();
    format!("{plain}Z")
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done now.
    pub step: Step,
    /// How much of it.
    pub done: u64,
    /// Out of how much.
    pub total: u64,
}

/// What is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The database is copied, in pages.
    Copying,
    /// The parts are sealed, in bytes of the database.
    Sealing,
    /// The parts are opened, in bytes of the database.
    Opening,
    /// What was opened is checked.
    Checking,
}

impl Step {
    /// The step for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Sealing => "sealing",
            Self::Opening => "opening",
            Self::Checking => "checking",
        }
    }
}

/// Makes what was renamed in a folder survive a power cut.
fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(BackupError::file("write", folder))
}

/// Refuses work that would fill the disk.
fn require_room(folder: &Path, needed: u64) -> Result<(), BackupError> {
    let disk = statvfs(folder).map_err(|error| BackupError::file("look at", folder)(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes / (1024 * 1024);
    Err(BackupError::NoRoom {
        path: folder.to_owned(),
        free_mib: mib(free),
        needed_mib: mib(needed),
    })
}
