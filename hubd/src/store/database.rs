//! Opening the database file: what is not ours, newer or damaged is refused and left as it is.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::error::StoreError;
use super::migrations::{APPLICATION_ID, NEWEST, migrate};

/// How long a connection waits for another program's short write (a token made on the command line).
const BUSY_MAX: Duration = Duration::from_secs(5);
/// The hub's own writer waits less: events are shown, and the other program named, instead.
const WRITER_BUSY_MAX: Duration = Duration::from_millis(500);
/// Up to this size the whole of a file is checked before the hub starts, indexes included; a bigger one is checked
/// while the hub runs, without its indexes, because nobody waits at a door for a disk to be read.
pub(crate) const FULL_CHECK_BYTES_MAX: u64 = 16 * 1024 * 1024;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The database in a data folder.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("hubd.db")
}

/// The write-ahead log beside the database.
pub(crate) fn wal_path(dir: &Path) -> PathBuf {
    dir.join("hubd.db-wal")
}

/// Takes the folder for this process alone, until the returned file is dropped.
pub(crate) fn lock_folder(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("hubd.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::file("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse(dir.to_owned())),
        Err(error) => Err(StoreError::File {
            doing: "lock",
            path,
            source: error.into(),
        }),
    }
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    Absent,
    Ours,
}

/// Looks at the file's first bytes without SQLite, so that what is not ours is not even opened. The folder must be
/// locked: closing a file drops this process's own locks on it.
fn look(path: &Path) -> Result<Header, StoreError> {
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => file
            .take(100)
            .read_to_end(&mut header)
            .map_err(StoreError::file("read", path))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Header::Absent),
        Err(source) => {
            return Err(StoreError::File {
                doing: "open",
                path: path.to_owned(),
                source,
            });
        }
    };
    if header.is_empty() {
        return Ok(Header::Absent);
    }
    if !header.starts_with(MAGIC) {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: "its first bytes are not those of a database".to_owned(),
        });
    }
    let word = |offset: usize| -> Option<u32> {
        let bytes = header.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    // Offsets in the database header. Spec: SQLite Database File Format, 1.3.
    let (Some(user_version), Some(application_id)) = (word(60), word(68)) else {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: "it is cut short".to_owned(),
        });
    };
    judge(path, i64::from(user_version), i64::from(application_id))?;
    Ok(Header::Ours)
}

/// Whether a database with these marks is one that this program may write to.
fn judge(path: &Path, user_version: i64, application_id: i64) -> Result<(), StoreError> {
    // Both are 0 until the first migration has reached the main file.
    let fresh = user_version == 0 && application_id == 0;
    if !fresh && application_id != APPLICATION_ID {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    if user_version > NEWEST {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: user_version,
            known: NEWEST,
        });
    }
    Ok(())
}

/// Opens the database for writing, creating it where there is none, and brings it to the newest format.
pub(crate) fn open(dir: &Path) -> Result<Connection, StoreError> {
    let path = path(dir);
    if look(&path)? == Header::Absent {
        // Made private before SQLite fills it; its log and index files take over the mode.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::file("create", &path))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&path, flags).map_err(damage(&path, "open the database"))?;
    // Until it is known to be ours, not even a log that is there is folded into the file.
    let logged = wal_path(dir).metadata().is_ok_and(|log| log.len() > 0);
    let keep = |on| db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
    keep(logged).map_err(StoreError::database("configure the database"))?;
    let marks = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = marks("user_version").map_err(damage(&path, "read the database"))?;
    let application = marks("application_id").map_err(damage(&path, "read the database"))?;
    judge(&path, found, application)?;
    if path
        .metadata()
        .is_ok_and(|file| file.len() <= FULL_CHECK_BYTES_MAX)
    {
        check(&db, &path, "integrity_check")?;
    }
    keep(false).map_err(StoreError::database("configure the database"))?;
    configure(&db, 1024).map_err(StoreError::database("configure the database"))?;
    migrate(&db, found).map_err(StoreError::database(
        "bring the database to this version's format",
    ))?;
    db.busy_timeout(WRITER_BUSY_MAX)
        .map_err(StoreError::database("configure the database"))?;
    Ok(db)
}

/// Settings of a connection that writes, with so many KiB of cache.
///
/// `synchronous=NORMAL`: a commit reaches the log without waiting for the disk; `durable.rs` syncs the log before
/// anything is called durable. The log is folded into the file by `durable.rs` too, never in the middle of a commit.
pub(crate) fn configure(db: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_MAX)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    // A forgotten month's key is overwritten, not only unlinked.
    db.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", 8 * 1024 * 1024, |_| Ok(()))?;
    db.pragma_update(None, "cache_size", -cache_kib)
}

/// Opens the database for reading only.
pub(crate) fn open_reader(dir: &Path) -> Result<Connection, StoreError> {
    let path = path(dir);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&path, flags).map_err(damage(&path, "open the database"))?;
    let settings = || {
        db.busy_timeout(BUSY_MAX)?;
        db.pragma_update(None, "query_only", true)?;
        db.pragma_update(None, "cache_size", -512)
    };
    settings().map_err(damage(&path, "read the database"))?;
    let marks = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = marks("user_version").map_err(damage(&path, "read the database"))?;
    let application = marks("application_id").map_err(damage(&path, "read the database"))?;
    judge(&path, found, application)?;
    if found == 0 {
        return Err(StoreError::Foreign(path));
    }
    Ok(db)
}

/// The same, for who knows only the newest format: with an older one, the hub that runs on that folder is older than this
/// program, as it is for a moment when another version was installed.
pub(crate) fn open_newest(dir: &Path) -> Result<Connection, StoreError> {
    let db = open_reader(dir)?;
    let found = db
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map_err(damage(&path(dir), "read the database"))?;
    if found == NEWEST {
        return Ok(db);
    }
    Err(StoreError::Older {
        path: path(dir),
        found,
        known: NEWEST,
    })
}

/// Runs SQLite's own check.
pub(crate) fn check(db: &Connection, path: &Path, pragma: &str) -> Result<(), StoreError> {
    let found: String = db
        .query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0))
        .map_err(damage(path, "check the database"))?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: path.to_owned(),
        detail: found.replace('\n', " "),
    })
}

/// Tells damage from other faults.
pub(crate) fn damage(path: &Path, doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
            path: path.clone(),
            detail: source.to_string(),
        },
        _ => StoreError::Database { doing, source },
    }
}
