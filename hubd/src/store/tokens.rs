//! Machines' tokens: stored as hashes, known in memory so that a request needs no disk.
//!
//! A token may also be made or removed by the command line while the hub runs: SQLite tells by a counter in shared
//! memory that the database changed, and only then the table is read again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hubd_model::UnixMillis;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};

use super::database;
use super::error::StoreError;

/// More tokens than a household has machines.
pub const TOKENS_MAX: usize = 256;
/// A token's last use is written at most this often.
const USE_WRITTEN_EVERY_MS: i64 = 60_000;

/// A token as it is kept: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// Its name, for people; no two tokens share one.
    pub name: String,
    /// What it may do: `read`, `actuate` or `manage`.
    pub scope: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was used last, to the minute.
    pub last_used: Option<UnixMillis>,
}

/// A token to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scope: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: UnixMillis,
}

const COLUMNS: &str = "id, name, scope, created_at, last_used";

fn row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: row.get(0)?,
        name: row.get(1)?,
        scope: row.get(2)?,
        created_at: UnixMillis(row.get(3)?),
        last_used: row.get::<_, Option<i64>>(4)?.map(UnixMillis),
    })
}

/// Adds a token on a connection that may write.
pub(crate) fn add(db: &Connection, token: &NewToken) -> Result<(), StoreError> {
    let failed = || StoreError::database("keep a token");
    let count: i64 = db
        .query_row("SELECT count(*) FROM tokens", [], |row| row.get(0))
        .map_err(failed())?;
    if usize::try_from(count).is_ok_and(|count| count >= TOKENS_MAX) {
        return Err(StoreError::TooManyTokens);
    }
    let added = db.execute(
        "INSERT INTO tokens (id, name, scope, hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![token.id, token.name, token.scope, token.hash, token.created_at.0],
    );
    match added {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(StoreError::NameTaken(token.name.clone()))
        }
        Err(source) => Err(failed()(source)),
    }
}

/// Removes a token and says what it was.
pub(crate) fn remove(db: &Connection, id: &str) -> Result<Option<TokenRow>, StoreError> {
    db.query_row(
        &format!("DELETE FROM tokens WHERE id = ?1 RETURNING {COLUMNS}"),
        [id],
        row,
    )
    .optional()
    .map_err(StoreError::database("remove a token"))
}

/// Adds a token from the command line, whether or not a hub runs on that folder; durable when it returns. The folder
/// must have been opened by a hub before.
///
/// # Errors
/// When there is no database, the name is taken, or it cannot be written.
pub fn create_token_beside(dir: &Path, token: &NewToken) -> Result<(), StoreError> {
    add(&writer_beside(dir)?, token)
}

/// Removes a token from the command line and says what it was, under the same terms as [`create_token_beside`].
///
/// # Errors
/// When there is no database, or it cannot be written.
pub fn remove_token_beside(dir: &Path, id: &str) -> Result<Option<TokenRow>, StoreError> {
    remove(&writer_beside(dir)?, id)
}

/// Every token, by name, whether or not a hub runs on that folder.
///
/// # Errors
/// When there is no database, or it cannot be read.
pub fn list_tokens_beside(dir: &Path) -> Result<Vec<TokenRow>, StoreError> {
    Tokens::open(dir)?.list()
}

/// A connection that may write, beside a running hub or without one.
pub(super) fn writer_beside(dir: &Path) -> Result<Connection, StoreError> {
    // Judges the file before anything is written.
    drop(database::open_newest(dir)?);
    writer(dir)
}

/// A connection that may write to a file that was judged.
pub(super) fn writer(dir: &Path) -> Result<Connection, StoreError> {
    let failed = || StoreError::database("change the tokens");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(database::path(dir), flags).map_err(failed())?;
    database::configure(&db, 64).map_err(failed())?;
    db.pragma_update(None, "synchronous", "FULL").map_err(failed())?;
    Ok(db)
}

struct Book {
    /// `None` once closed: then nobody is let in.
    db: Option<Connection>,
    version: i64,
    by_hash: HashMap<[u8; 32], TokenRow>,
}

/// The tokens in memory.
pub(crate) struct Tokens {
    book: Mutex<Book>,
}

impl Tokens {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let db = database::open_newest(dir)?;
        db.pragma_update(None, "cache_size", -64)
            .map_err(StoreError::database("read the tokens"))?;
        Ok(Self {
            book: Mutex::new(Book {
                db: Some(db),
                version: -1,
                by_hash: HashMap::new(),
            }),
        })
    }

    fn book(&self) -> Result<MutexGuard<'_, Book>, StoreError> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.refresh()?;
        Ok(book)
    }

    /// Lets go of the database.
    pub(crate) fn close(&self) {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).db = None;
    }

    /// Every token, by name.
    pub(crate) fn list(&self) -> Result<Vec<TokenRow>, StoreError> {
        let mut rows: Vec<TokenRow> = self.book()?.by_hash.values().cloned().collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }

    /// The token with this hash, and whether its use should be written down now.
    pub(crate) fn by_hash(
        &self,
        hash: &[u8; 32],
        now: UnixMillis,
    ) -> Result<Option<(TokenRow, bool)>, StoreError> {
        let mut book = self.book()?;
        let Some(token) = book.by_hash.get_mut(hash) else {
            return Ok(None);
        };
        let due = token
            .last_used
            .is_none_or(|last| now.0.abs_diff(last.0) >= USE_WRITTEN_EVERY_MS.unsigned_abs());
        if due {
            token.last_used = Some(now);
        }
        Ok(Some((token.clone(), due)))
    }
}

impl Book {
    fn refresh(&mut self) -> Result<(), StoreError> {
        let failed = || StoreError::database("read the tokens");
        let db = self.db.as_ref().ok_or(StoreError::Closed)?;
        let version: i64 = db
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(failed())?;
        if version == self.version {
            return Ok(());
        }
        let mut read = db
            .prepare(&format!("SELECT {COLUMNS}, hash FROM tokens"))
            .map_err(failed())?;
        let rows = read
            .query_map([], |columns| Ok((columns.get::<_, [u8; 32]>(5)?, row(columns)?)))
            .map_err(failed())?;
        let mut by_hash = HashMap::new();
        for found in rows {
            let (hash, mut token) = found.map_err(failed())?;
            // A use that is not written yet is not forgotten by reading again.
            let seen = self.by_hash.get(&hash).and_then(|known| known.last_used);
            token.last_used = token.last_used.max(seen);
            by_hash.insert(hash, token);
        }
        self.by_hash = by_hash;
        self.version = version;
        Ok(())
    }
}
