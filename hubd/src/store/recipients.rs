//! Recovery recipients that were added by command, besides those of the configuration: whatever the hub seals opens
//! with their keys, too.
//!
//! They may be added and removed while the hub runs. What is sealed already is sealed anew in the same transaction,
//! and the hub's own writer reads the list in every transaction of its own, so nothing is ever sealed to yesterday's.

use std::path::Path;

use hubd_model::UnixMillis;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::error::StoreError;
use super::tokens::writer_beside;
use super::vault::{Missing, Vault, parse_recipient};
use super::{StoreOptions, opening};

/// More recovery keys than a household keeps. Every seal grows by each of them.
pub const RECIPIENTS_MAX: usize = 8;

/// A recovery recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRecipient {
    /// `age1…`
    pub recipient: String,
    /// Where its key lies, for people.
    pub name: String,
    /// When it was added; `None` for one of the configuration.
    pub added_at: Option<UnixMillis>,
}

/// Reads the list.
fn read(db: &Connection) -> Result<Vec<RecoveryRecipient>, StoreError> {
    let failed = || StoreError::database("read the recovery recipients");
    let mut read = db
        .prepare("SELECT recipient, name, added_at FROM recovery_recipients ORDER BY recipient")
        .map_err(failed())?;
    let rows = read
        .query_map([], |row| {
            Ok(RecoveryRecipient {
                recipient: row.get(0)?,
                name: row.get(1)?,
                added_at: Some(UnixMillis(row.get(2)?)),
            })
        })
        .map_err(failed())?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed())
}

/// Gives the vault the list as it is now.
pub(super) fn take(db: &Connection, vault: &Vault) -> Result<(), StoreError> {
    let texts: Vec<String> = read(db)?.into_iter().map(|row| row.recipient).collect();
    if vault.set_added(&texts)? && !texts.is_empty() {
        tracing::info!(
            recovery_keys = texts.len(),
            "what is sealed opens with these recovery keys, too"
        );
    }
    Ok(())
}

/// Every recovery recipient, those of the configuration first, whether or not a hub runs on that folder.
///
/// # Errors
/// When there is no database, or it cannot be read.
pub fn list_recipients_beside(
    dir: &Path,
    options: &StoreOptions,
) -> Result<Vec<RecoveryRecipient>, StoreError> {
    let mut all: Vec<RecoveryRecipient> = options
        .recovery_recipients
        .iter()
        .map(|recipient| RecoveryRecipient {
            recipient: recipient.clone(),
            name: "configuration".to_owned(),
            added_at: None,
        })
        .collect();
    for row in read(&super::database::open_newest(dir)?)? {
        if all.iter().all(|known| known.recipient != row.recipient) {
            all.push(row);
        }
    }
    Ok(all)
}

/// The recipient of the hub itself: whose folder it is.
///
/// # Errors
/// When there is no database, or it cannot be read.
pub fn hub_recipient(dir: &Path) -> Result<String, StoreError> {
    hub_recipient_of(&super::database::open_reader(dir)?)
}

/// The recipient of the hub whose database this is.
pub(super) fn hub_recipient_of(db: &Connection) -> Result<String, StoreError> {
    db.query_row("SELECT value FROM meta WHERE key = 'identity'", [], |row| {
        row.get(0)
    })
    .map_err(StoreError::database("read whom the records are sealed to"))
}

/// Refuses a vault whose identity is not the one that the records are sealed to.
pub(super) fn require_identity(db: &Connection, dir: &Path, vault: &Vault) -> Result<(), StoreError> {
    let (wanted, found) = (hub_recipient_of(db)?, vault.public());
    if wanted == found {
        return Ok(());
    }
    Err(StoreError::WrongIdentity {
        dir: dir.to_owned(),
        wanted,
        found,
    })
}

/// Adds a recovery recipient and seals for it everything that is sealed, whether or not a hub runs on that folder;
/// durable when it returns.
///
/// # Errors
/// When it is no recipient or there already, or the hub's identity is not readable here.
pub fn add_recipient_beside(
    dir: &Path,
    options: &StoreOptions,
    added: &RecoveryRecipient,
) -> Result<(), StoreError> {
    parse_recipient(&added.recipient)?;
    change(dir, options, |tx, vault| {
        let known = vault.all();
        if known.iter().any(|one| one.to_string() == added.recipient) {
            return Err(StoreError::RecipientKnown(added.recipient.clone()));
        }
        if known.len() > RECIPIENTS_MAX {
            return Err(StoreError::TooManyRecipients(RECIPIENTS_MAX));
        }
        tx.execute(
            "INSERT INTO recovery_recipients (recipient, name, added_at) VALUES (?1, ?2, ?3)",
            params![added.recipient, added.name, added.added_at.unwrap_or_default().0],
        )
        .map_err(StoreError::database("keep a recovery recipient"))?;
        Ok(())
    })
}

/// Removes a recovery recipient that was added by command and seals everything anew without it. Backups and copies
/// made before still open with its key.
///
/// # Errors
/// When there is no such one, or the hub's identity is not readable here.
pub fn remove_recipient_beside(
    dir: &Path,
    options: &StoreOptions,
    recipient: &str,
) -> Result<(), StoreError> {
    change(dir, options, |tx, _| {
        let removed = tx
            .execute(
                "DELETE FROM recovery_recipients WHERE recipient = ?1",
                [recipient],
            )
            .map_err(StoreError::database("remove a recovery recipient"))?;
        if removed == 0 {
            return Err(StoreError::NoSuchRecipient(recipient.to_owned()));
        }
        Ok(())
    })
}

/// Changes the list and seals everything for the new one, all or nothing.
fn change(
    dir: &Path,
    options: &StoreOptions,
    change: impl FnOnce(&Transaction<'_>, &Vault) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = || StoreError::database("change the recovery recipients");
    let db = writer_beside(dir)?;
    let tx = Transaction::new_unchecked(&db, TransactionBehavior::Immediate).map_err(failed())?;
    let vault = Vault::open(
        dir,
        options.credentials_dir.as_deref(),
        &options.recovery_recipients,
        Missing::Refuse,
    )?;
    require_identity(&tx, dir, &vault)?;
    take(&tx, &vault)?;
    change(&tx, &vault)?;
    take(&tx, &vault)?;
    opening::seal_again(&tx, &vault, &vault)?;
    tx.commit().map_err(failed())
}
