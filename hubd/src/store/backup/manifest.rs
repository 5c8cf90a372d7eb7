//! What stands first in a backup: what it is, of which hub, and every part with its length and hash.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// Says that it is ours.
const FORMAT: &str = "hubd-backup";
/// The version of the format; a newer one is refused.
pub(super) const VERSION: u32 = 1;
/// A manifest is some lines; more is something else.
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 * 1024;
/// More parts than a hub has.
pub(super) const PARTS_MAX: usize = 64;

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// The version of the hub that made it.
    pub hubd: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// The recipient of the hub that it is of.
    pub hub: String,
    /// How many keys can open it besides the hub's own.
    pub recovery_keys: usize,
    /// The last entry of its journal.
    pub journal: JournalEnd,
    /// How much of everything.
    pub counts: Counts,
    /// The files, in their order.
    pub parts: Vec<Part>,
}

/// Where a journal ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEnd {
    /// The last entry's number.
    pub seq: u64,
    /// How many entries there are.
    pub entries: u64,
    /// The last entry's hash, hexadecimal.
    pub hash: String,
}

/// How much of everything a hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Locks.
    pub locks: u64,
    /// Detectors.
    pub alarms: u64,
    /// Radios whose keys are kept.
    pub radios: u64,
    /// Radios whose dongle's memory is in it.
    #[serde(default)]
    pub dongles: u64,
    /// Machines' tokens.
    pub tokens: u64,
    /// People.
    #[serde(default)]
    pub people: u64,
    /// PINs, tags, fingers, keys and fobs.
    #[serde(default)]
    pub credentials: u64,
    /// Who may sign in.
    #[serde(default)]
    pub accounts: u64,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is.
    pub name: PartName,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// The files that a backup may hold. Names come from here and never from the file, so none can lead elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PartName {
    /// The database: journal, people, sealed codes and keys, devices, what the radios know.
    #[serde(rename = "hubd.db")]
    Database,
    /// The hub's identity, which opens what the database holds sealed.
    #[serde(rename = "identity.key")]
    Identity,
    /// The configuration's text.
    #[serde(rename = "hubd.toml")]
    Config,
}

impl PartName {
    /// Its name in the archive.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "hubd.db",
            Self::Identity => "identity.key",
            Self::Config => "hubd.toml",
        }
    }

    /// The largest length that is read.
    pub(super) const fn bytes_max(self) -> u64 {
        match self {
            Self::Database => 64 * 1024 * 1024 * 1024,
            Self::Identity => 16 * 1024,
            Self::Config => 1024 * 1024,
        }
    }
}

/// Why a manifest cannot be used.
pub(super) enum BadManifest {
    Foreign,
    Newer(u32),
    Wrong(String),
}

impl Manifest {
    pub(super) fn new(
        hubd: &str,
        created_at: String,
        hub: String,
        recovery_keys: usize,
        journal: JournalEnd,
        counts: Counts,
        parts: Vec<Part>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            hubd: hubd.to_owned(),
            created_at,
            hub,
            recovery_keys,
            journal,
            counts,
            parts,
        }
    }

    /// Reads a manifest: first whether it is ours and not newer, then every field.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadManifest> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|_| BadManifest::Foreign)?;
        if head.format != FORMAT {
            return Err(BadManifest::Foreign);
        }
        if head.version != VERSION {
            return Err(BadManifest::Newer(head.version));
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| BadManifest::Wrong(error.to_string()))?;
        let mut names: Vec<PartName> = manifest.parts.iter().map(|part| part.name).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() != manifest.parts.len() || names.len() > PARTS_MAX {
            return Err(BadManifest::Wrong("a part is listed twice".to_owned()));
        }
        for needed in [PartName::Database, PartName::Identity] {
            if !names.contains(&needed) {
                return Err(BadManifest::Wrong(format!("it has no {}", needed.as_str())));
            }
        }
        if let Some(part) = manifest
            .parts
            .iter()
            .find(|part| part.bytes > part.name.bytes_max())
        {
            return Err(BadManifest::Wrong(format!("{} is too big", part.name.as_str())));
        }
        Ok(manifest)
    }
}

impl Counts {
    /// Counts in a database.
    pub(super) fn read(db: &Connection) -> Result<Self, StoreError> {
        let count = |sql: &str| -> Result<u64, StoreError> {
            let count: i64 = db
                .query_row(sql, [], |row| row.get(0))
                .map_err(StoreError::database("count what there is"))?;
            Ok(u64::try_from(count).unwrap_or_default())
        };
        Ok(Self {
            locks: count("SELECT count(*) FROM devices WHERE kind = 'lock'")?,
            alarms: count("SELECT count(*) FROM devices WHERE kind = 'alarm'")?,
            radios: count("SELECT count(DISTINCT radio) FROM adapter_secret")?,
            dongles: count("SELECT count(*) FROM adapter_secret WHERE name = 'dongle_memory'")?,
            tokens: count("SELECT count(*) FROM tokens")?,
            people: count("SELECT count(*) FROM credentials WHERE kind = 'person'")?,
            credentials: count("SELECT count(*) FROM credentials WHERE kind = 'credential'")?,
            accounts: count("SELECT count(*) FROM accounts")?,
        })
    }
}
