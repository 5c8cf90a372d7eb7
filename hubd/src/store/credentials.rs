//! People, credentials and locks' slots as rows: shapes of their own, each sealed whole, so that neither a PIN nor who
//! lives here can be read from the disk.
//!
//! They are sealed with one random key, which is sealed with `age` like the months' keys: a household has hundreds of
//! rows, and each is written often.

mod rows;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hubd_core::credentials::record::{CredentialsKey, CredentialsMemory, CredentialsRecord};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::StoreError;
use super::vault::Vault;
use rows::Row;

/// The version of the rows' shapes.
const VERSION: u8 = 1;
/// The name of the key in its table.
const KEY_NAME: &str = "credentials";
const NONCE_BYTES: usize = 24;
/// More than a row takes, whatever its schedules and locks.
const ROW_BYTES: usize = 32 * 1024;

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) id: String,
}

impl From<&CredentialsKey> for Key {
    fn from(key: &CredentialsKey) -> Self {
        let (kind, id) = match key {
            CredentialsKey::Person(id) => ("person", id.as_str().to_owned()),
            CredentialsKey::Credential(id) => ("credential", id.as_str().to_owned()),
            CredentialsKey::Slot(lock, key) => (
                "slot",
                format!("{} {} {}", lock.as_str(), key.kind.as_str(), key.slot.number()),
            ),
            CredentialsKey::Mirror(lock) => ("mirror", lock.as_str().to_owned()),
        };
        Self {
            kind: kind.to_owned(),
            id,
        }
    }
}

impl Key {
    /// What a row is bound to, so that none can take another's place.
    fn bound(&self) -> Vec<u8> {
        format!("hubd {VERSION} {} {}", self.kind, self.id).into_bytes()
    }
}

/// The key that every row is sealed with.
pub(crate) struct CodesKey(Zeroizing<[u8; 32]>);

impl CodesKey {
    /// Reads the key, or makes it when there are no rows yet.
    pub(crate) fn open(db: &Connection, vault: &Vault) -> Result<Self, StoreError> {
        let failed = || StoreError::database("read the key of people and codes");
        let sealed: Option<Vec<u8>> = db
            .query_row(
                "SELECT sealed FROM data_keys WHERE name = ?1",
                [KEY_NAME],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed())?;
        if let Some(sealed) = sealed {
            return Self::unseal(vault, &sealed);
        }
        let rows: i64 = db
            .query_row("SELECT count(*) FROM credentials", [], |row| row.get(0))
            .map_err(failed())?;
        if rows > 0 {
            return Err(StoreError::Sealed("open people and codes without their key"));
        }
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|_| StoreError::Random)?;
        db.execute(
            "INSERT INTO data_keys (name, sealed) VALUES (?1, ?2)",
            params![KEY_NAME, vault.seal(&context(KEY_NAME), &*key)?],
        )
        .map_err(failed())?;
        Ok(Self(key))
    }

    fn unseal(vault: &Vault, sealed: &[u8]) -> Result<Self, StoreError> {
        let opened = vault.unseal(&context(KEY_NAME), sealed)?;
        let key: [u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| StoreError::Sealed("open the key of people and codes"))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// A record's row.
    pub(crate) fn seal(&self, record: &CredentialsRecord) -> Result<(Key, Vec<u8>), StoreError> {
        let key = Key::from(&record.key());
        let failed = || StoreError::Sealed("seal a person or code");
        // A buffer that grows leaves its beginning behind in memory; only what was there at the end is wiped.
        let mut plain = Zeroizing::new(Vec::with_capacity(ROW_BYTES));
        serde_json::to_writer(&mut *plain, &Row::from(record)).map_err(|_| failed())?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::Random)?;
        let cipher = XChaCha20Poly1305::new(&(*self.0).into());
        let payload = Payload {
            msg: &plain,
            aad: &key.bound(),
        };
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| failed())?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend(nonce);
        sealed.extend(ciphertext);
        Ok((key, sealed))
    }

    /// A record from its row.
    pub(crate) fn open_row(&self, key: &Key, sealed: &[u8]) -> Result<CredentialsRecord, StoreError> {
        let told = |detail: &str| StoreError::Row {
            what: format!("{} {}", key.kind, key.id),
            detail: detail.to_owned(),
        };
        let (version, rest) = sealed.split_first().ok_or_else(|| told("it is empty"))?;
        if *version != VERSION {
            return Err(told(&format!("row version {version} is not known")));
        }
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(|| told("it is cut short"))?;
        let cipher = XChaCha20Poly1305::new(&(*self.0).into());
        let payload = Payload {
            msg: ciphertext,
            aad: &key.bound(),
        };
        let plain = cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| told("it was altered"))?;
        let plain = Zeroizing::new(plain);
        let row: Row = serde_json::from_slice(&plain).map_err(|error| told(&error.to_string()))?;
        let record = CredentialsRecord::try_from(row).map_err(told)?;
        if Key::from(&record.key()) == *key {
            Ok(record)
        } else {
            Err(told("it is another one's"))
        }
    }
}

fn context(name: &str) -> String {
    format!("hubd data key {name}")
}

/// Seals every data key anew.
pub(super) fn seal_again(tx: &Connection, from: &Vault, to: &Vault) -> Result<(), StoreError> {
    for (name, sealed) in data_keys(tx)? {
        let sealed = to.seal(&context(&name), &from.unseal(&context(&name), &sealed)?)?;
        tx.execute(
            "UPDATE data_keys SET sealed = ?2 WHERE name = ?1",
            params![name, sealed],
        )
        .map_err(StoreError::database(
            "seal a data key for the new recovery recipients",
        ))?;
    }
    Ok(())
}

/// Opens every data key and every row, to see that each of them opens.
pub(super) fn open_all(db: &Connection, vault: &Vault) -> Result<(), StoreError> {
    for (name, sealed) in data_keys(db)? {
        vault.unseal(&context(&name), &sealed)?;
    }
    read(db, &CodesKey::open(db, vault)?).map(drop)
}

fn data_keys(db: &Connection) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let failed = || StoreError::database("read the data keys");
    let mut read = db
        .prepare("SELECT name, sealed FROM data_keys")
        .map_err(failed())?;
    let rows = read
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(failed())?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed())
}

/// Reads every row.
pub(super) fn read(db: &Connection, key: &CodesKey) -> Result<CredentialsMemory, StoreError> {
    let failed = || StoreError::database("read people and codes");
    let mut memory = CredentialsMemory::default();
    let mut read = db
        .prepare("SELECT kind, id, sealed FROM credentials ORDER BY kind, id")
        .map_err(failed())?;
    let mut rows = read.query([]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let text = |column| row.get::<_, String>(column).map_err(failed());
        let sealed: Vec<u8> = row.get(2).map_err(failed())?;
        let name = Key {
            kind: text(0)?,
            id: text(1)?,
        };
        memory.insert(key.open_row(&name, &sealed)?);
    }
    Ok(memory)
}

/// Writes a row.
pub(super) fn write(tx: &Connection, key: &Key, sealed: &[u8]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO credentials (kind, id, sealed) VALUES (?1, ?2, ?3) \
         ON CONFLICT (kind, id) DO UPDATE SET sealed = excluded.sealed",
        params![key.kind, key.id, sealed],
    )
    .map_err(StoreError::database("write a person or code"))?;
    Ok(())
}

/// Forgets a row.
pub(super) fn forget(tx: &Connection, key: &Key) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM credentials WHERE kind = ?1 AND id = ?2",
        [&key.kind, &key.id],
    )
    .map_err(StoreError::database("forget a person or code"))?;
    Ok(())
}

/// Puts a row over what is remembered; `None` takes it out.
pub(super) fn overlay(memory: &mut CredentialsMemory, key: &Key, record: Option<CredentialsRecord>) {
    let is = |other: CredentialsKey| Key::from(&other) == *key;
    memory
        .people
        .retain(|person| !is(CredentialsKey::Person(person.id.clone())));
    memory
        .credentials
        .retain(|credential| !is(CredentialsKey::Credential(credential.id.clone())));
    memory
        .slots
        .retain(|slot| !is(CredentialsKey::Slot(slot.lock.clone(), slot.key)));
    memory
        .mirrors
        .retain(|mirror| !is(CredentialsKey::Mirror(mirror.lock.clone())));
    if let Some(record) = record {
        memory.insert(record);
    }
}
