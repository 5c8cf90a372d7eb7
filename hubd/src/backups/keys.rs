//! Recovery keys over the API: what `hubd keys` does on the data folder, done by the hub that runs there.
//!
//! Promise: a key is shown only when everything is sealed for it, and kept nowhere.

use thiserror::Error;

use super::Backups;
use crate::store::{self, RecoveryKey, RecoveryKeyError, RecoveryRecipient, StoreError};

/// Why a recovery key is not made or removed.
#[derive(Debug, Error)]
pub enum KeyRefused {
    /// No such one.
    #[error("there is no such recovery key; list them with GET /api/v1/recovery-keys")]
    NoSuch,
    /// It stands in the configuration.
    #[error(
        "this recovery key stands in the hub's configuration (vault.recovery_recipients): remove it there"
    )]
    Configured,
    /// It could not be made.
    #[error(transparent)]
    Key(#[from] RecoveryKeyError),
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Backups {
    /// The recipients of the recovery keys, those of the configuration first. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recovery_keys(&self) -> Result<Vec<RecoveryRecipient>, StoreError> {
        let parts = &self.0.parts;
        store::list_recipients_beside(&parts.dir, &parts.options)
    }

    /// Makes a recovery key and seals everything for it, which writes to the disk.
    ///
    /// # Errors
    /// When there are too many, or it cannot be written.
    pub fn make_recovery_key(&self, name: String) -> Result<(RecoveryKey, RecoveryRecipient), KeyRefused> {
        let parts = &self.0.parts;
        let key = RecoveryKey::generate()?;
        let added = RecoveryRecipient {
            recipient: key.recipient(),
            name,
            added_at: Some((parts.clock)()),
        };
        store::add_recipient_beside(&parts.dir, &parts.options, &added)?;
        Ok((key, added))
    }

    /// Removes a recovery key and seals everything anew without it; what it was.
    ///
    /// # Errors
    /// When there is none with this recipient, it stands in the configuration, or it cannot be written.
    pub fn remove_recovery_key(&self, recipient: &str) -> Result<RecoveryRecipient, KeyRefused> {
        let mut all = self.recovery_keys()?.into_iter();
        let known = all.find(|one| one.recipient == recipient);
        let known = known.ok_or(KeyRefused::NoSuch)?;
        if known.added_at.is_none() {
            return Err(KeyRefused::Configured);
        }
        let parts = &self.0.parts;
        store::remove_recipient_beside(&parts.dir, &parts.options, recipient)?;
        Ok(known)
    }
}
