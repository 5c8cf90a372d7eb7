//! The passkeys of accounts, and what it takes away a second factor by.

use hubd_model::{Role, UnixMillis};
use rusqlite::{Connection, ErrorCode, Row, params, params_from_iter};

use super::{AccountRefusal, failed, is_there};
use crate::store::error::StoreError;

/// More passkeys than a person has devices.
pub const PASSKEYS_PER_ACCOUNT_MAX: usize = 16;

/// A passkey as it is kept: its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRow {
    /// Its id here.
    pub id: String,
    /// What its person calls it.
    pub name: String,
    /// The page that it was made for.
    pub origin: String,
    /// The id that the authenticator chose.
    pub credential: Vec<u8>,
    /// Its public key in COSE form.
    pub public_key: Vec<u8>,
    /// What its counter said last.
    pub counter: u32,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was used last.
    pub used_at: Option<UnixMillis>,
}

/// Every passkey, by account, the oldest first.
pub(super) fn read(db: &Connection) -> Result<Vec<(String, PasskeyRow)>, StoreError> {
    let failed = || StoreError::database("read the passkeys");
    let sql = "SELECT account, id, name, origin, credential, public_key, counter, created_at, used_at FROM passkeys \
               ORDER BY account, created_at, id";
    let mut read = db.prepare(sql).map_err(failed())?;
    let rows = read.query_map([], row).map_err(failed())?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed())
}

fn row(row: &Row<'_>) -> rusqlite::Result<(String, PasskeyRow)> {
    let passkey = PasskeyRow {
        id: row.get(1)?,
        name: row.get(2)?,
        origin: row.get(3)?,
        credential: row.get(4)?,
        public_key: row.get(5)?,
        // What is no counter is the largest one: nothing goes on from there.
        counter: u32::try_from(row.get::<_, i64>(6)?).unwrap_or(u32::MAX),
        created_at: UnixMillis(row.get(7)?),
        used_at: row.get::<_, Option<i64>>(8)?.map(UnixMillis),
    };
    Ok((row.get(0)?, passkey))
}

/// Adds a passkey.
pub(super) fn add(db: &Connection, account: &str, passkey: &PasskeyRow) -> Result<(), StoreError> {
    is_there(db, account)?;
    let count: i64 = db
        .query_row(
            "SELECT count(*) FROM passkeys WHERE account = ?1",
            [account],
            |row| row.get(0),
        )
        .map_err(failed())?;
    if usize::try_from(count).is_ok_and(|count| count >= PASSKEYS_PER_ACCOUNT_MAX) {
        return Err(AccountRefusal::TooManyPasskeys.into());
    }
    let added = db.execute(
        "INSERT INTO passkeys (id, account, name, origin, credential, public_key, counter, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            passkey.id,
            account,
            passkey.name,
            passkey.origin,
            passkey.credential,
            passkey.public_key,
            passkey.counter,
            passkey.created_at.0
        ],
    );
    match added {
        Ok(_) => Ok(()),
        // Somebody's already, maybe this account's own.
        // Spec: Level 3, 7.1, "the credential id is not yet registered for any user".
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(AccountRefusal::PasskeyKnown.into())
        }
        Err(source) => Err(failed()(source)),
    }
}

/// Notes a use; refused when the counter did not go on since, as when two answers come at the same time.
pub(super) fn used(
    db: &Connection,
    account: &str,
    passkey: &str,
    counter: u32,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let sql = "UPDATE passkeys SET counter = ?3, used_at = ?4 \
               WHERE account = ?1 AND id = ?2 AND (counter < ?3 OR (counter = 0 AND ?3 = 0))";
    super::used(
        db.execute(sql, params![account, passkey, counter, at.0])
            .map_err(failed())?,
    )
}

/// Removes a passkey; an owner's last second factor stays.
pub(super) fn remove(db: &Connection, account: &str, passkey: &str) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM passkeys WHERE account = ?1 AND id = ?2";
    let found: i64 = db
        .query_row(sql, [account, passkey], |row| row.get(0))
        .map_err(failed())?;
    if found == 0 {
        return Err(AccountRefusal::NoSuchPasskey.into());
    }
    let left = "SELECT totp IS NOT NULL OR EXISTS (SELECT 1 FROM passkeys WHERE account = ?1 AND id <> ?2), role \
                FROM accounts WHERE id = ?1";
    prepare_removal(db, left, &[account, passkey], account)?;
    db.execute(
        "DELETE FROM passkeys WHERE account = ?1 AND id = ?2",
        [account, passkey],
    )
    .map_err(failed())?;
    Ok(())
}

/// Forgets the TOTP secret; an owner's last second factor stays.
pub(super) fn forget_totp(db: &Connection, account: &str) -> Result<(), StoreError> {
    is_there(db, account)?;
    let left = "SELECT EXISTS (SELECT 1 FROM passkeys WHERE account = ?1), role FROM accounts WHERE id = ?1";
    prepare_removal(db, left, &[account], account)?;
    db.execute("UPDATE accounts SET totp = NULL WHERE id = ?1", [account])
        .map_err(failed())?;
    Ok(())
}

/// Forgets every passkey of an account.
pub(super) fn forget_all(db: &Connection, account: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM passkeys WHERE account = ?1", [account])
        .map_err(failed())?;
    Ok(())
}

/// What comes before a second factor is removed; `left` asks whether another is left, and for the role. A refusal rolls
/// nothing back, so that it comes before anything is written.
fn prepare_removal(db: &Connection, left: &str, about: &[&str], account: &str) -> Result<(), StoreError> {
    let (is_left, role): (bool, String) = db
        .query_row(left, params_from_iter(about), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(failed())?;
    if is_left {
        return Ok(());
    }
    if role == Role::Owner.as_str() {
        return Err(AccountRefusal::FactorNeeded.into());
    }
    // They stand in for a second factor; without one they are worth nothing.
    db.execute("DELETE FROM recovery_codes WHERE account = ?1", [account])
        .map_err(failed())?;
    Ok(())
}
