//! Who may sign in: accounts, their recovery codes and their sessions, known in memory so that a request needs no disk.
//!
//! Promise: each change is one transaction that checks what it rests on, so that two at the same time cannot both use
//! a code, make a third owner, or take away the last one. What the command line changes beside a running hub is seen
//! by its next request, as with tokens.

mod access;
mod book;
mod handle;
mod passkeys;

use std::path::Path;

use hubd_model::{Role, SecretString, UnixMillis};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use thiserror::Error;

use super::error::StoreError;
pub use access::{Access, LOCKS_MAX};
pub(crate) use book::Accounts;
pub use passkeys::{PASSKEYS_PER_ACCOUNT_MAX, PasskeyRow};

/// More accounts than a household has people.
pub const ACCOUNTS_MAX: usize = 64;
/// More sessions than a person has devices; the one that was seen last longest ago gives way.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 16;
/// More owners than this only where somebody says that it is meant.
pub const OWNERS_MAX: usize = 2;

/// An account as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its id.
    pub id: String,
    /// Its name; no two accounts share one, whatever the case of its letters.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The password's Argon2id hash as a PHC string; `None` until an invitation was taken.
    pub password: Option<SecretString>,
    /// The sealed TOTP secret.
    pub totp: Option<Vec<u8>>,
    /// The last TOTP step whose code was used.
    pub totp_step: u64,
    /// Its passkeys, the oldest first.
    pub passkeys: Vec<PasskeyRow>,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
    /// The SHA-256 of its invitation's code, and until when it holds.
    pub invitation: Option<([u8; 32], UnixMillis)>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// What it was given; it restricts guests and nobody else.
    pub access: Access,
}

impl AccountRow {
    /// Whether it has a second factor.
    pub fn has_second_factor(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }
}

/// A session as it is kept: never its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Whose.
    pub account: String,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it was used last, to the minute.
    pub last_seen: UnixMillis,
    /// When the person last proved who they are.
    pub confirmed_at: UnixMillis,
    /// From which address it was opened.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// A session to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// What is shown of it.
    pub row: SessionRow,
    /// SHA-256 of its token.
    pub hash: [u8; 32],
}

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its password's hash.
    pub password: Option<SecretString>,
    /// Its invitation.
    pub invitation: Option<([u8; 32], UnixMillis)>,
    /// When it is made.
    pub created_at: UnixMillis,
}

/// How many owners there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// This is the first account: there must be no owner yet.
    First,
    /// At most [`OWNERS_MAX`].
    Few,
    /// As many as wanted: somebody said that it is meant.
    Any,
}

/// One change of who may sign in.
#[derive(Debug, Clone)]
pub enum AccountChange {
    /// Makes an account.
    Add(NewAccount, Owners),
    /// Gives it another name.
    Rename(String, String),
    /// Gives it another role.
    SetRole(String, Role, Owners),
    /// Says which doors a guest may see and open, and when.
    SetAccess(String, Access),
    /// Says whether people have to prove again who they are before a door is opened.
    SetConfirmUnlock(bool),
    /// Sets the password and ends every session but this one. An invitation is used up.
    SetPassword {
        /// Whose.
        account: String,
        /// Its hash.
        password: SecretString,
        /// The session that stays.
        keep: Option<String>,
    },
    /// Invites anew; with `forget_factor` the second factor and the recovery codes are forgotten. Sessions end.
    Invite {
        /// Whom.
        account: String,
        /// The code's SHA-256, and until when it holds.
        invitation: ([u8; 32], UnixMillis),
        /// Whether the second factor is forgotten.
        forget_factor: bool,
    },
    /// Takes an invitation: its code is used up, the password is set.
    TakeInvitation {
        /// Whose.
        account: String,
        /// The code's SHA-256.
        code: [u8; 32],
        /// The password's hash.
        password: SecretString,
        /// The time.
        now: UnixMillis,
    },
    /// Sets the TOTP secret. `step` is the one that proved it. Every session but this one ends.
    SetTotp {
        /// Whose.
        account: String,
        /// The sealed secret.
        sealed: Vec<u8>,
        /// The step whose code proved it.
        step: u64,
        /// The session that stays.
        keep: String,
    },
    /// Forgets every second factor and the recovery codes.
    ForgetFactors(String),
    /// Forgets the TOTP secret; refused when it is an owner's last second factor.
    ForgetTotp(String),
    /// Adds a passkey; with `only` every other session ends.
    AddPasskey {
        /// Whose.
        account: String,
        /// The passkey.
        passkey: PasskeyRow,
        /// The session that stays, when the others end.
        only: Option<String>,
    },
    /// Notes that a passkey was used; refused when its counter did not go on.
    UsePasskey {
        /// Whose.
        account: String,
        /// Its id here.
        passkey: String,
        /// What its counter says now.
        counter: u32,
        /// When.
        at: UnixMillis,
    },
    /// Removes a passkey of an account; refused when it is an owner's last second factor.
    RemovePasskey(String, String),
    /// Notes that this step's code is used; refused when it, or a later one, was.
    UseStep(String, u64),
    /// Uses up a recovery code.
    UseRecoveryCode(String, [u8; 32]),
    /// Replaces the recovery codes.
    SetRecoveryCodes(String, Vec<[u8; 32]>),
    /// Removes an account with everything that belongs to it; never the last owner.
    Remove(String),
    /// Opens a session.
    OpenSession(NewSession),
    /// Notes that the person proved again who they are.
    Confirm(String, UnixMillis),
    /// Ends a session.
    EndSession(String),
    /// Ends every session of an account but this one.
    EndSessions(String, Option<String>),
    /// Forgets sessions that were seen last before this, or began before that.
    ForgetSessions {
        /// Seen last before.
        seen: UnixMillis,
        /// Began before.
        began: UnixMillis,
    },
    /// Forgets notes of the command line up to this one: they are in the journal.
    ForgetNotes(i64),
}

/// Why a change was refused. It concerns its caller alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AccountRefusal {
    /// The name is taken.
    #[error("there is an account with this name already; choose another name")]
    NameTaken,
    /// There are too many.
    #[error("there are as many accounts as the hub keeps; remove one first")]
    TooMany,
    /// There is an owner already.
    #[error("the hub has an owner already; sign in, or use `hubd account` at the console")]
    AlreadySetUp,
    /// There would be a third owner.
    #[error("there are two owners already; say that a further one is meant")]
    TooManyOwners,
    /// It is the last owner.
    #[error("this is the last owner; make another owner first")]
    LastOwner,
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// It is an owner's last second factor.
    #[error("an owner needs a second factor; add another one first")]
    FactorNeeded,
    /// There is no such passkey.
    #[error("this account has no such passkey")]
    NoSuchPasskey,
    /// There are too many of them.
    #[error("this account has as many passkeys as the hub keeps; remove one first")]
    TooManyPasskeys,
    /// It is there already.
    #[error("this passkey is known already")]
    PasskeyKnown,
    /// The code was used, or is none.
    #[error("this code is wrong, was used already, or is too old")]
    BadCode,
}

/// A note of the command line for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleNote {
    /// Its number.
    pub id: i64,
    /// The account's id.
    pub account: String,
    /// The account's name.
    pub name: String,
    /// What was done.
    pub what: String,
}

fn failed() -> impl FnOnce(rusqlite::Error) -> StoreError {
    StoreError::database("change the accounts")
}

/// Carries out a change on a connection that may write; the caller commits.
pub(crate) fn apply(db: &Connection, change: &AccountChange) -> Result<(), StoreError> {
    match change {
        AccountChange::Add(account, owners) => add(db, account, *owners),
        AccountChange::Rename(id, name) => {
            let renamed = db.execute("UPDATE accounts SET name = ?2 WHERE id = ?1", [id, name]);
            one(taken(renamed)?)
        }
        AccountChange::SetRole(id, role, owners) => {
            if *role == Role::Owner {
                room_for_owner(db, *owners, Some(id))?;
            } else {
                not_the_last_owner(db, id)?;
            }
            one(db
                .execute("UPDATE accounts SET role = ?2 WHERE id = ?1", [id, role.as_str()])
                .map_err(failed())?)
        }
        AccountChange::SetAccess(id, access) => {
            is_there(db, id)?;
            access::write(db, id, access)
        }
        AccountChange::SetConfirmUnlock(on) => access::write_confirm_unlock(db, *on),
        AccountChange::SetPassword {
            account,
            password,
            keep,
        } => {
            let sql =
                "UPDATE accounts SET password = ?2, invitation = NULL, invitation_until = NULL WHERE id = ?1";
            one(db.execute(sql, [account, password.expose()]).map_err(failed())?)?;
            end_sessions(db, account, keep.as_deref())
        }
        AccountChange::Invite {
            account,
            invitation: (code, until),
            forget_factor,
        } => {
            let sql =
                "UPDATE accounts SET password = NULL, invitation = ?2, invitation_until = ?3 WHERE id = ?1";
            one(db
                .execute(sql, params![account, code, until.0])
                .map_err(failed())?)?;
            if *forget_factor {
                forget_factors(db, account)?;
            }
            end_sessions(db, account, None)
        }
        AccountChange::TakeInvitation {
            account,
            code,
            password,
            now,
        } => {
            let sql = "UPDATE accounts SET password = ?3, invitation = NULL, invitation_until = NULL \
                       WHERE id = ?1 AND invitation = ?2 AND invitation_until > ?4";
            let taken = db
                .execute(sql, params![account, code, password.expose(), now.0])
                .map_err(failed())?;
            used(taken)
        }
        AccountChange::SetTotp {
            account,
            sealed,
            step,
            keep,
        } => {
            let sql = "UPDATE accounts SET totp = ?2, totp_step = ?3 WHERE id = ?1";
            one(db
                .execute(sql, params![account, sealed, stored(*step)])
                .map_err(failed())?)?;
            end_sessions(db, account, Some(keep))
        }
        AccountChange::ForgetFactors(account) => forget_factors(db, account),
        AccountChange::ForgetTotp(account) => passkeys::forget_totp(db, account),
        AccountChange::AddPasskey {
            account,
            passkey,
            only,
        } => {
            passkeys::add(db, account, passkey)?;
            match only {
                Some(session) => end_sessions(db, account, Some(session)),
                None => Ok(()),
            }
        }
        AccountChange::UsePasskey {
            account,
            passkey,
            counter,
            at,
        } => passkeys::used(db, account, passkey, *counter, *at),
        AccountChange::RemovePasskey(account, passkey) => passkeys::remove(db, account, passkey),
        AccountChange::UseStep(account, step) => {
            let sql = "UPDATE accounts SET totp_step = ?2 WHERE id = ?1 AND totp_step < ?2";
            used(
                db.execute(sql, params![account, stored(*step)])
                    .map_err(failed())?,
            )
        }
        AccountChange::UseRecoveryCode(account, hash) => {
            let sql = "DELETE FROM recovery_codes WHERE account = ?1 AND hash = ?2";
            used(db.execute(sql, params![account, hash]).map_err(failed())?)
        }
        AccountChange::SetRecoveryCodes(account, hashes) => {
            is_there(db, account)?;
            db.execute("DELETE FROM recovery_codes WHERE account = ?1", [account])
                .map_err(failed())?;
            for hash in hashes {
                let sql = "INSERT INTO recovery_codes (account, hash) VALUES (?1, ?2)";
                db.execute(sql, params![account, hash]).map_err(failed())?;
            }
            Ok(())
        }
        AccountChange::Remove(id) => {
            not_the_last_owner(db, id)?;
            one(db
                .execute("DELETE FROM accounts WHERE id = ?1", [id])
                .map_err(failed())?)
        }
        AccountChange::OpenSession(session) => open_session(db, session),
        AccountChange::Confirm(session, at) => {
            let sql = "UPDATE sessions SET confirmed_at = ?2 WHERE id = ?1";
            one(db.execute(sql, params![session, at.0]).map_err(failed())?)
        }
        AccountChange::EndSession(id) => {
            db.execute("DELETE FROM sessions WHERE id = ?1", [id])
                .map_err(failed())?;
            Ok(())
        }
        AccountChange::EndSessions(account, keep) => end_sessions(db, account, keep.as_deref()),
        AccountChange::ForgetSessions { seen, began } => {
            let sql = "DELETE FROM sessions WHERE last_seen < ?1 OR created_at < ?2";
            db.execute(sql, params![seen.0, began.0]).map_err(failed())?;
            Ok(())
        }
        AccountChange::ForgetNotes(id) => {
            db.execute("DELETE FROM console_notes WHERE id <= ?1", [id])
                .map_err(failed())?;
            Ok(())
        }
    }
}

/// Carries out changes of the command line, all or none, whether or not a hub runs on that folder; durable when it
/// returns. `what` is left for the journal.
///
/// # Errors
/// When there is no database, it cannot be written, or a change is refused.
pub fn change_accounts_beside(
    dir: &Path,
    changes: &[AccountChange],
    about: (&str, &str),
    what: &str,
) -> Result<(), StoreError> {
    let db = super::tokens::writer_beside(dir)?;
    let tx = db.unchecked_transaction().map_err(failed())?;
    for change in changes {
        apply(&tx, change)?;
    }
    let sql = "INSERT INTO console_notes (account, name, what) VALUES (?1, ?2, ?3)";
    tx.execute(sql, [about.0, about.1, what]).map_err(failed())?;
    tx.commit().map_err(failed())
}

/// Every account, by name, whether or not a hub runs on that folder.
///
/// # Errors
/// When there is no database, or it cannot be read.
pub fn list_accounts_beside(dir: &Path) -> Result<Vec<AccountRow>, StoreError> {
    Accounts::open(dir)?.list()
}

fn add(db: &Connection, account: &NewAccount, owners: Owners) -> Result<(), StoreError> {
    let count: i64 = db
        .query_row("SELECT count(*) FROM accounts", [], |row| row.get(0))
        .map_err(failed())?;
    if usize::try_from(count).is_ok_and(|count| count >= ACCOUNTS_MAX) {
        return Err(AccountRefusal::TooMany.into());
    }
    if account.role == Role::Owner {
        room_for_owner(db, owners, None)?;
    }
    let (code, until) = account.invitation.unzip();
    let added = db.execute(
        "INSERT INTO accounts (id, name, role, password, invitation, invitation_until, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            account.id,
            account.name,
            account.role.as_str(),
            account.password.as_ref().map(SecretString::expose),
            code,
            until.map(|until| until.0),
            account.created_at.0
        ],
    );
    taken(added).map(drop)
}

fn room_for_owner(db: &Connection, owners: Owners, but: Option<&str>) -> Result<(), StoreError> {
    let count: i64 = db
        .query_row(
            "SELECT count(*) FROM accounts WHERE role = 'owner' AND id IS NOT ?1",
            [but],
            |row| row.get(0),
        )
        .map_err(failed())?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match owners {
        Owners::First if count > 0 => Err(AccountRefusal::AlreadySetUp.into()),
        Owners::Few if count >= OWNERS_MAX => Err(AccountRefusal::TooManyOwners.into()),
        Owners::First | Owners::Few | Owners::Any => Ok(()),
    }
}

fn not_the_last_owner(db: &Connection, id: &str) -> Result<(), StoreError> {
    let others: i64 = db
        .query_row(
            "SELECT (SELECT count(*) FROM accounts WHERE role = 'owner' AND id <> ?1) \
             + (SELECT count(*) FROM accounts WHERE role <> 'owner' AND id = ?1)",
            [id],
            |row| row.get(0),
        )
        .map_err(failed())?;
    if others == 0 {
        return Err(AccountRefusal::LastOwner.into());
    }
    Ok(())
}

fn open_session(db: &Connection, session: &NewSession) -> Result<(), StoreError> {
    let row = &session.row;
    is_there(db, &row.account)?;
    let sql = "DELETE FROM sessions WHERE account = ?1 AND id NOT IN \
               (SELECT id FROM sessions WHERE account = ?1 ORDER BY last_seen DESC LIMIT ?2)";
    let keep = i64::try_from(SESSIONS_PER_ACCOUNT_MAX - 1).unwrap_or(i64::MAX);
    db.execute(sql, params![row.account, keep]).map_err(failed())?;
    let sql = "INSERT INTO sessions (id, account, hash, created_at, last_seen, confirmed_at, address, agent) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    db.execute(
        sql,
        params![
            row.id,
            row.account,
            session.hash,
            row.created_at.0,
            row.last_seen.0,
            row.confirmed_at.0,
            row.address,
            row.agent
        ],
    )
    .map_err(failed())?;
    Ok(())
}

fn end_sessions(db: &Connection, account: &str, keep: Option<&str>) -> Result<(), StoreError> {
    let sql = "DELETE FROM sessions WHERE account = ?1 AND id IS NOT ?2";
    db.execute(sql, params![account, keep]).map_err(failed())?;
    Ok(())
}

fn forget_factors(db: &Connection, account: &str) -> Result<(), StoreError> {
    let sql = "UPDATE accounts SET totp = NULL WHERE id = ?1";
    one(db.execute(sql, [account]).map_err(failed())?)?;
    passkeys::forget_all(db, account)?;
    db.execute("DELETE FROM recovery_codes WHERE account = ?1", [account])
        .map_err(failed())?;
    Ok(())
}

fn is_there(db: &Connection, account: &str) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM accounts WHERE id = ?1";
    let count: i64 = db.query_row(sql, [account], |row| row.get(0)).map_err(failed())?;
    one(usize::try_from(count).unwrap_or(0))
}

/// A step of 30 seconds fits for longer than the sun will shine.
fn stored(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn one(changed: usize) -> Result<(), StoreError> {
    if changed == 0 {
        return Err(AccountRefusal::NoSuchAccount.into());
    }
    Ok(())
}

fn used(changed: usize) -> Result<(), StoreError> {
    if changed == 0 {
        return Err(AccountRefusal::BadCode.into());
    }
    Ok(())
}

fn taken(result: rusqlite::Result<usize>) -> Result<usize, StoreError> {
    match result {
        Ok(count) => Ok(count),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(AccountRefusal::NameTaken.into())
        }
        Err(source) => Err(failed()(source)),
    }
}

/// Notes when a session was used.
pub(crate) fn seen(db: &Connection, session: &str, at: UnixMillis) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET last_seen = max(last_seen, ?2) WHERE id = ?1";
    db.execute(sql, params![session, at.0]).map_err(failed())?;
    Ok(())
}

/// The sealed TOTP secrets, for sealing them anew.
pub(super) fn sealed_secrets(db: &Connection) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let failed = || StoreError::database("read the second factors");
    let mut read = db
        .prepare("SELECT id, totp FROM accounts WHERE totp IS NOT NULL")
        .map_err(failed())?;
    let rows = read
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(failed())?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed())
}

/// Replaces a sealed TOTP secret.
pub(super) fn reseal(db: &Connection, account: &str, sealed: &[u8]) -> Result<(), StoreError> {
    let changed = db
        .query_row(
            "UPDATE accounts SET totp = ?2 WHERE id = ?1 RETURNING id",
            params![account, sealed],
            |_| Ok(()),
        )
        .optional();
    changed.map_err(failed()).map(drop)
}

/// What a TOTP secret is sealed as.
pub(super) fn totp_context(account: &str) -> String {
    format!("hubd totp {account}")
}

#[cfg(test)]
mod tests;
