//! Why a backup could not be made, opened or restored: each sentence says what, where and what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store::StoreError;

/// Why a backup could not be made, opened or restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The records could not be read, or those in the backup are not right.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder could not be reached.
    #[error("cannot {doing} {path} ({source}): {}", advice(source.kind()))]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is a file of this name.
    #[error("{0} is there already and is not overwritten: name another file")]
    Exists(PathBuf),
    /// Nobody could open it once this machine is gone.
    #[error(
        "there is no recovery key, so nobody could open this backup when this machine is gone: make one with `hubd \
         keys make`, or ask for a backup that only this hub can open with --hub-only"
    )]
    NoRecoveryKey,
    /// Not enough room.
    #[error("{} has {free_mib} MiB free and about {needed_mib} MiB are needed: make room, or name another folder", path.display())]
    NoRoom {
        /// On which disk.
        path: PathBuf,
        /// How much there is.
        free_mib: u64,
        /// How much it takes.
        needed_mib: u64,
    },
    /// Some other file.
    #[error("{0} is not a backup of hubd (or its beginning is damaged); nothing was changed")]
    Foreign(PathBuf),
    /// Sealed to others.
    #[error(
        "{0} was not sealed to this key; nothing was changed: use the recovery key that was printed when the backup's \
         hub was set up, with --recovery-key"
    )]
    WrongKey(PathBuf),
    /// No key is at hand.
    #[error(
        "there is no hub's identity in {0} that could open the backup: give the recovery key with --recovery-key"
    )]
    NoKey(PathBuf),
    /// Altered, cut short or inconsistent.
    #[error("{path} is damaged ({detail}); nothing was changed: use another backup")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A newer hubd made it.
    #[error(
        "{path} was made by a newer hubd (format {found}, this one knows {known}); nothing was changed: install that \
         version"
    )]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// Another hub lives in the folder.
    #[error(
        "{path} is a backup of another hub ({theirs}) than the one in {dir} ({here}); nothing was changed: name another \
         data_dir, or put it in the other's place with --replace-other-hub"
    )]
    OtherHub {
        /// The backup.
        path: PathBuf,
        /// The folder.
        dir: PathBuf,
        /// The recipient of the hub there.
        here: String,
        /// The recipient of the backup's hub.
        theirs: String,
    },
}

impl BackupError {
    /// Wraps what the system said while `doing` something to a file.
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// A backup that is damaged.
    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            detail: detail.into(),
        }
    }
}

fn advice(kind: io::ErrorKind) -> &'static str {
    // The list of kinds is the system's and grows.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a list that is not ours")]
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk",
        io::ErrorKind::ReadOnlyFilesystem => "mount that disk for writing",
        io::ErrorKind::PermissionDenied => "run this as the user that runs the hub, or name another place",
        io::ErrorKind::NotFound => "see that the file or its folder is there and its disk is mounted",
        io::ErrorKind::AlreadyExists => "something else has that name; move it away",
        _ => "see that its disk is mounted and works (dmesg)",
    }
}
