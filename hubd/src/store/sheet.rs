//! What the owner wrote for the emergency sheet: one row, sealed whole, because it says who lives here and where the key
//! box is.

use std::sync::Arc;

use hubd_model::SecretBytes;
use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::error::StoreError;
use super::inbox::Change;
use super::vault::Vault;

/// What the row is sealed as.
const CONTEXT: &str = "hubd emergency sheet";

/// Reads the row, when there is one.
pub(super) fn read(db: &Connection, vault: &Vault) -> Result<Option<SecretBytes>, StoreError> {
    let sealed: Option<Vec<u8>> = db
        .query_row("SELECT sealed FROM emergency_sheet", [], |row| row.get(0))
        .optional()
        .map_err(StoreError::database("read the emergency sheet"))?;
    let Some(sealed) = sealed else { return Ok(None) };
    let opened = vault.unseal(CONTEXT, &sealed)?;
    Ok(Some(SecretBytes::new(opened.to_vec())))
}

/// Writes the row.
pub(super) fn write(tx: &Connection, vault: &Vault, texts: &SecretBytes) -> Result<(), StoreError> {
    let sealed = vault.seal(CONTEXT, texts.expose())?;
    tx.execute(
        "INSERT INTO emergency_sheet (id, sealed) VALUES (1, ?1) \
         ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        [sealed],
    )
    .map_err(StoreError::database("write the emergency sheet"))?;
    Ok(())
}

impl Store {
    /// What was kept of the emergency sheet, in its own shape.
    ///
    /// # Errors
    /// When it cannot be read or opened.
    pub async fn sheet(&self) -> Result<Option<SecretBytes>, StoreError> {
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |db| read(db, &vault)).await
    }

    /// Keeps what is on the emergency sheet, sealed. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn put_sheet(&self, texts: SecretBytes) -> Result<(), StoreError> {
        self.change(Change::PutSheet(texts)).await.map(drop)
    }
}
