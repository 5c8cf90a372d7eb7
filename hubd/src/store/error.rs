//! What can go wrong with the records: each sentence says what, where and what to do.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use thiserror::Error;

use super::accounts::AccountRefusal;

/// Why the store could not be opened or could not do something.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or folder could not be reached.
    #[error("cannot {doing} {path} ({source}): {}", file_advice(source.kind()))]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than the owner could read or change it.
    #[error(
        "{path} is open to other users (mode {mode:03o}): make it private with `chmod {wanted:o} {path}`"
    )]
    Permissions {
        /// Which file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        wanted: u32,
    },
    /// Another hub has this folder.
    #[error("{0} is in use by another hubd: stop it first, or give this one a data_dir of its own")]
    InUse(PathBuf),
    /// A hub of an older version runs on it.
    #[error(
        "{path} has the format of an older hubd (format {found}, this one needs {known}), which runs on it; nothing was \
         changed: restart the hub, which brings it to the new format, and try again"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format needed here.
        known: i64,
    },
    /// A newer hubd wrote it.
    #[error(
        "{path} was written by a newer hubd (format {found}, this one knows {known}); nothing was changed: \
         install that version again, or restore a backup of this one"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Some other program's file.
    #[error("{0} is not a database of hubd; nothing was changed: move it away or name another data_dir")]
    Foreign(PathBuf),
    /// The file is damaged.
    #[error(
        "{path} is damaged ({detail}); nothing was changed: copy it away, then restore a backup with \
         a copy of data_dir, or start anew with an empty data_dir"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The identity file is not one.
    #[error("{0} holds no age identity (a line AGE-SECRET-KEY-1...): restore it from your backup")]
    Identity(PathBuf),
    /// There are sealed records but no identity, or another one.
    #[error(
        "the records in {dir} are sealed to {wanted} but the identity here is {found}: restore identity.key, or the \
         hubd-identity credential, from your backup"
    )]
    WrongIdentity {
        /// The data folder.
        dir: PathBuf,
        /// The recipient that the records are sealed to.
        wanted: String,
        /// The recipient of the identity found.
        found: String,
    },
    /// The identity is missing although there are sealed records.
    #[error("{0} is missing although there are records sealed to it: restore it from your backup")]
    NoIdentity(PathBuf),
    /// A recovery recipient of the configuration is not one.
    #[error("recovery recipient {0:?} is not an age X25519 recipient (age1...): correct it")]
    Recipient(String),
    /// A restore that was begun could not be ended.
    #[error("a restore was begun in the data folder and cannot be ended: {0}")]
    Restore(Box<super::backup::BackupError>),
    /// A recovery recipient is there already.
    #[error("{0} is a recovery recipient already: nothing was changed")]
    RecipientKnown(String),
    /// No such recovery recipient was added by command.
    #[error(
        "{0} was not added by `hubd keys`: `hubd keys list` shows them, and one of the configuration is removed there"
    )]
    NoSuchRecipient(String),
    /// More recovery recipients than a household has.
    #[error("there are {0} recovery keys already: remove one that is no longer needed first")]
    TooManyRecipients(usize),
    /// Sealing or opening a sealed record failed.
    #[error("cannot {0}: it was altered, or sealed to another identity; restore it from a backup")]
    Sealed(&'static str),
    /// The system gave no randomness.
    #[error("the system gives no random numbers; check /dev/urandom")]
    Random,
    /// The database refused.
    #[error("cannot {doing} ({source}): {}", database_advice(source.sqlite_error_code()))]
    Database {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A row that this program cannot read.
    #[error("cannot read {what} from the database: {detail}; put back a copy of data_dir")]
    Row {
        /// Which row.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It could not be written now.
    #[error("the records cannot be written now: {0}")]
    Failing(String),
    /// A token has this name already.
    #[error("there is a token named {0:?} already: choose another name, or remove that one first")]
    NameTaken(String),
    /// More tokens than are allowed.
    #[error("there are too many tokens: remove those that are no longer used first")]
    TooManyTokens,
    /// A change of who may sign in was refused.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// Too much is waiting.
    #[error("the store is busy; try again in a few seconds")]
    Busy,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

fn file_advice(kind: io::ErrorKind) -> &'static str {
    // The list of kinds is the system's and grows.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a list that is not ours")]
    match kind {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            "something else has that name; move it away, or change data_dir"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk of data_dir",
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount the disk of data_dir for writing (dmesg says why it is not)"
        }
        io::ErrorKind::PermissionDenied => {
            "give data_dir to the user that runs hubd, or run this as that user"
        }
        io::ErrorKind::NotFound => "check that the disk of data_dir is mounted, or change data_dir",
        _ => "check that the disk of data_dir is mounted and works (dmesg)",
    }
}

fn database_advice(code: Option<ErrorCode>) -> &'static str {
    // The list of codes is SQLite's and grows.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a list that is not ours")]
    match code {
        Some(ErrorCode::DiskFull) => "make room on the disk of data_dir",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has the database open; stop it"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "give data_dir and its files to the user that runs hubd, on a disk mounted for writing"
        }
        _ => "check that the disk of data_dir has room and works; `hubd doctor` looks at it",
    }
}

impl StoreError {
    /// Wraps what SQLite said while `doing` something.
    pub(crate) fn database(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { doing, source }
    }

    /// Wraps what the system said while `doing` something to a file.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            doing,
            path: path.into(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_refuses_is_told_with_what_to_do() {
        let file =
            |kind: io::ErrorKind| StoreError::file("create the folder", "/data")(kind.into()).to_string();
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let database = StoreError::database("save")(rusqlite::Error::SqliteFailure(full, None)).to_string();
        let cases = [
            (file(io::ErrorKind::StorageFull), "make room"),
            (file(io::ErrorKind::AlreadyExists), "change data_dir"),
            (file(io::ErrorKind::PermissionDenied), "the user that runs hubd"),
            (file(io::ErrorKind::ReadOnlyFilesystem), "for writing"),
            (database, "make room"),
        ];
        for (said, words) in cases {
            assert!(said.contains(words), "{said}");
        }
    }
}
