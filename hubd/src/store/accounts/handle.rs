//! Who may sign in, as the shell asks the store for it.

use std::path::Path;

use hubd_model::{SecretBytes, UnixMillis};

use super::{AccountChange, AccountRow, ConsoleNote, SessionRow, totp_context};
use crate::store::inbox::{Change, RowChange, RowKey};
use crate::store::{Store, StoreError, database, recipients};

impl Store {
    /// The folder that it keeps everything in.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Changes who may sign in. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it is refused ([`StoreError::Account`]), or could not be made durable.
    pub async fn change_account(&self, change: AccountChange) -> Result<(), StoreError> {
        self.change(Change::Account(change)).await.map(drop)
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.inner.accounts.list()
    }

    /// The account with this id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn account(&self, id: &str) -> Result<Option<AccountRow>, StoreError> {
        self.inner.accounts.account(id)
    }

    /// The account with this name, whatever the case of its letters.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn account_by_name(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        self.inner.accounts.by_name(name)
    }

    /// Whether people have to prove again who they are before a door is opened. Needs no disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn confirm_unlock(&self) -> Result<bool, StoreError> {
        self.inner.accounts.confirm_unlock()
    }

    /// Every session, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        self.inner.accounts.sessions()
    }

    /// The session with this token's SHA-256 hash, and its account; notes its use. Needs no disk.
    ///
    /// # Errors
    /// When they cannot be read: then nobody is let in.
    pub fn session_by_hash(
        &self,
        hash: &[u8; 32],
        now: UnixMillis,
        valid: impl FnOnce(&SessionRow) -> bool,
    ) -> Result<Option<(SessionRow, AccountRow)>, StoreError> {
        let Some((session, account, due)) = self.inner.accounts.session(hash, now, valid)? else {
            return Ok(None);
        };
        if due {
            // Only for people and for the end of idle sessions: if the queue is full, the next use writes it.
            let row = (RowKey::SessionUse(session.id.clone()), RowChange::SessionUse(now));
            drop(self.inner.inbox.records([], [row]));
        }
        Ok(Some((session, account)))
    }

    /// What the command line did and the journal does not know yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn console_notes(&self) -> Result<Vec<ConsoleNote>, StoreError> {
        self.inner.accounts.notes()
    }

    /// Seals an account's TOTP secret for its row.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn seal_totp(&self, account: &str, secret: &SecretBytes) -> Result<Vec<u8>, StoreError> {
        // A recovery key may have been added beside.
        recipients::take(&database::open_reader(&self.inner.dir)?, &self.inner.vault)?;
        self.inner.vault.seal(&totp_context(account), secret.expose())
    }

    /// Opens an account's TOTP secret.
    ///
    /// # Errors
    /// When it is another account's, or sealed to another identity.
    pub fn unseal_totp(&self, account: &str, sealed: &[u8]) -> Result<SecretBytes, StoreError> {
        let opened = self.inner.vault.unseal(&totp_context(account), sealed)?;
        Ok(SecretBytes::new(opened.to_vec()))
    }
}
