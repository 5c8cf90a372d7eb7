//! The accounts and sessions in memory, read again only when the database changed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hubd_model::{Role, SecretString, UnixMillis};
use rusqlite::{Connection, Row};

use super::{AccountRow, ConsoleNote, SessionRow, access, failed, passkeys};
use crate::store::database;
use crate::store::error::StoreError;

/// A session's last use is written at most this often.
const SEEN_WRITTEN_EVERY_MS: u64 = 60_000;
/// Changes that the command line may leave for the journal.
const NOTES_MAX: i64 = 256;

fn role_of(name: &str) -> Option<Role> {
    [Role::Owner, Role::Resident, Role::Guest, Role::Responder]
        .into_iter()
        .find(|role| role.as_str() == name)
}

struct Book {
    /// `None` once closed: then nobody is let in.
    db: Option<Connection>,
    version: i64,
    accounts: HashMap<String, AccountRow>,
    sessions: HashMap<[u8; 32], SessionRow>,
    notes: Vec<ConsoleNote>,
    confirm_unlock: bool,
}

/// The accounts in memory.
pub(crate) struct Accounts {
    book: Mutex<Book>,
}

impl Accounts {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let db = database::open_newest(dir)?;
        db.pragma_update(None, "cache_size", -64)
            .map_err(StoreError::database("read the accounts"))?;
        Ok(Self {
            book: Mutex::new(Book {
                db: Some(db),
                version: -1,
                accounts: HashMap::new(),
                sessions: HashMap::new(),
                notes: Vec::new(),
                confirm_unlock: true,
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

    /// Every account, by name.
    pub(crate) fn list(&self) -> Result<Vec<AccountRow>, StoreError> {
        let mut rows: Vec<AccountRow> = self.book()?.accounts.values().cloned().collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }

    /// The account with this id.
    pub(crate) fn account(&self, id: &str) -> Result<Option<AccountRow>, StoreError> {
        Ok(self.book()?.accounts.get(id).cloned())
    }

    /// The account with this name.
    pub(crate) fn by_name(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        let book = self.book()?;
        let found = book
            .accounts
            .values()
            .find(|row| row.name.eq_ignore_ascii_case(name));
        Ok(found.cloned())
    }

    /// Every session, the newest first.
    pub(crate) fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        let mut rows: Vec<SessionRow> = self.book()?.sessions.values().cloned().collect();
        rows.sort_by(|one, other| other.created_at.cmp(&one.created_at).then(one.id.cmp(&other.id)));
        Ok(rows)
    }

    /// The session with this token's hash, its account, and whether its use should be written down now. `valid` says
    /// whether it still holds; one that does not is not touched.
    pub(crate) fn session(
        &self,
        hash: &[u8; 32],
        now: UnixMillis,
        valid: impl FnOnce(&SessionRow) -> bool,
    ) -> Result<Option<(SessionRow, AccountRow, bool)>, StoreError> {
        let mut book = self.book()?;
        let Some(session) = book.sessions.get_mut(hash).filter(|session| valid(session)) else {
            return Ok(None);
        };
        let due = now.0 > session.last_seen.0 && now.0.abs_diff(session.last_seen.0) >= SEEN_WRITTEN_EVERY_MS;
        if due {
            session.last_seen = now;
        }
        let session = session.clone();
        let account = book.accounts.get(&session.account).cloned();
        Ok(account.map(|account| (session, account, due)))
    }

    /// Whether people have to prove again who they are before a door is opened.
    pub(crate) fn confirm_unlock(&self) -> Result<bool, StoreError> {
        Ok(self.book()?.confirm_unlock)
    }

    /// What the command line left for the journal.
    pub(crate) fn notes(&self) -> Result<Vec<ConsoleNote>, StoreError> {
        Ok(self.book()?.notes.clone())
    }
}

impl Book {
    fn refresh(&mut self) -> Result<(), StoreError> {
        let db = self.db.as_ref().ok_or(StoreError::Closed)?;
        let version: i64 = db
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(failed())?;
        if version == self.version {
            return Ok(());
        }
        let accounts = read_accounts(db)?;
        let mut sessions = read_sessions(db)?;
        for (hash, session) in &mut sessions {
            // A use that is not written yet is not forgotten by reading again.
            if let Some(known) = self.sessions.get(hash) {
                session.last_seen = session.last_seen.max(known.last_seen);
            }
        }
        self.notes = read_notes(db)?;
        self.confirm_unlock = access::read_confirm_unlock(db)?;
        self.accounts = accounts;
        self.sessions = sessions;
        self.version = version;
        Ok(())
    }
}

fn read_accounts(db: &Connection) -> Result<HashMap<String, AccountRow>, StoreError> {
    let failed = || StoreError::database("read the accounts");
    let sql = "SELECT id, name, role, password, totp, totp_step, invitation, invitation_until, created_at, \
               (SELECT count(*) FROM recovery_codes WHERE account = accounts.id), \
               (SELECT access FROM account_access WHERE account = accounts.id) FROM accounts";
    let mut read = db.prepare(sql).map_err(failed())?;
    let mut accounts = HashMap::new();
    let rows = read.query_map([], account).map_err(failed())?;
    for row in rows {
        match row.map_err(failed())? {
            Ok(row) => {
                accounts.insert(row.id.clone(), row);
            }
            // Nobody is let in by a role that is not known here.
            Err(id) => tracing::warn!(account = %id, "an account has a role that is not known here"),
        }
    }
    for (account, passkey) in passkeys::read(db)? {
        if let Some(row) = accounts.get_mut(&account) {
            row.passkeys.push(passkey);
        }
    }
    Ok(accounts)
}

fn account(row: &Row<'_>) -> rusqlite::Result<Result<AccountRow, String>> {
    let id: String = row.get(0)?;
    let role: String = row.get(2)?;
    let Some(role) = role_of(&role) else {
        return Ok(Err(id));
    };
    let access = access::of_row(&id, row.get::<_, Option<String>>(10)?.as_deref());
    let code: Option<[u8; 32]> = row.get(6)?;
    let until: Option<i64> = row.get(7)?;
    Ok(Ok(AccountRow {
        id,
        name: row.get(1)?,
        role,
        password: row.get::<_, Option<String>>(3)?.map(SecretString::new),
        totp: row.get(4)?,
        totp_step: u64::try_from(row.get::<_, i64>(5)?).unwrap_or(u64::MAX),
        invitation: code.zip(until.map(UnixMillis)),
        created_at: UnixMillis(row.get(8)?),
        passkeys: Vec::new(),
        recovery_codes: usize::try_from(row.get::<_, i64>(9)?).unwrap_or(0),
        access,
    }))
}

pub(super) fn read_sessions(db: &Connection) -> Result<HashMap<[u8; 32], SessionRow>, StoreError> {
    let failed = || StoreError::database("read the sessions");
    let sql = "SELECT id, account, created_at, last_seen, confirmed_at, address, agent, hash FROM sessions";
    let mut read = db.prepare(sql).map_err(failed())?;
    let rows = read
        .query_map([], |row| {
            let session = SessionRow {
                id: row.get(0)?,
                account: row.get(1)?,
                created_at: UnixMillis(row.get(2)?),
                last_seen: UnixMillis(row.get(3)?),
                confirmed_at: UnixMillis(row.get(4)?),
                address: row.get(5)?,
                agent: row.get(6)?,
            };
            Ok((row.get::<_, [u8; 32]>(7)?, session))
        })
        .map_err(failed())?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed())
}

fn read_notes(db: &Connection) -> Result<Vec<ConsoleNote>, StoreError> {
    let failed = || StoreError::database("read the notes of the command line");
    let sql = "SELECT id, account, name, what FROM console_notes ORDER BY id LIMIT ?1";
    let mut read = db.prepare(sql).map_err(failed())?;
    let rows = read
        .query_map([NOTES_MAX], |row| {
            Ok(ConsoleNote {
                id: row.get(0)?,
                account: row.get(1)?,
                name: row.get(2)?,
                what: row.get(3)?,
            })
        })
        .map_err(failed())?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed())
}
