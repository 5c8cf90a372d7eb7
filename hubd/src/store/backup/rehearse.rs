//! Proving a backup end to end: opened with the key, checked, started as a hub starts it, and compared with the hub
//! that is here - in a folder of its own, which goes afterwards.

use std::path::Path;

use hubd_core::output::DeviceRecord;
use hubd_model::UnixMillis;
use rusqlite::OptionalExtension;

use super::Progress;
use super::error::BackupError;
use super::manifest::{Counts, Manifest};
use super::open::{Opener, unpack};
use super::scratch::Scratch;
use crate::store::shape::time;
use crate::store::tokens::writer_beside;
use crate::store::{Store, StoreError, StoreOptions, database, recipients};

/// What a rehearsal showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// What the backup holds.
    pub manifest: Manifest,
    /// What a hub found in it at its start.
    pub found: Counts,
    /// The names of the locks and detectors that would be there.
    pub devices: Vec<String>,
    /// How it compares with the hub that is here.
    pub here: Here,
}

/// How a backup compares with the hub that is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// There is no hub here to compare with.
    Nobody,
    /// Another hub is here.
    OtherHub,
    /// The same hub is here, and its journal goes on from the backup's end.
    Continues {
        /// With so many entries, which the backup does not have.
        entries_since: u64,
    },
    /// The same hub is here, but its journal does not hold the backup's last entry: one of them was rewritten.
    Differs,
}

/// Rehearses a restore in a folder of its own within `scratch`. `dir` is the data folder to compare with; a hub may
/// run on it.
///
/// # Errors
/// One clear sentence: then a restore would have failed, too.
pub fn rehearse(
    file: &Path,
    opener: &Opener,
    dir: &Path,
    scratch: &Path,
    at: UnixMillis,
    progress: &mut dyn FnMut(Progress),
) -> Result<Rehearsal, BackupError> {
    let scratch = Scratch::new(scratch)?;
    let unpacked = unpack(file, opener, scratch.path(), progress)?;
    let manifest = unpacked.manifest;
    let devices = {
        let (store, opened) = Store::open(scratch.path(), &StoreOptions::default())?;
        let devices = opened.memory.devices.iter().map(|device| match device {
            DeviceRecord::Lock(lock) => lock.name.clone(),
            DeviceRecord::Alarm(alarm) => alarm.name.clone(),
        });
        let devices: Vec<String> = devices.collect();
        // Dropped, it ends and lets go of the folder.
        drop(store);
        devices
    };
    let found = Counts::read(&database::open_reader(scratch.path())?)?;
    let here = compare(dir, &manifest)?;
    match here {
        Here::Continues { .. } => note(dir, &manifest, at)?,
        Here::Nobody | Here::OtherHub | Here::Differs => {}
    }
    Ok(Rehearsal {
        manifest,
        found,
        devices,
        here,
    })
}

fn compare(dir: &Path, manifest: &Manifest) -> Result<Here, BackupError> {
    let Ok(here) = recipients::hub_recipient(dir) else {
        return Ok(Here::Nobody);
    };
    if here != manifest.hub {
        return Ok(Here::OtherHub);
    }
    let failed = || StoreError::database("compare the journals");
    let db = database::open_reader(dir)?;
    let end = &manifest.journal;
    let seq = i64::try_from(end.seq).unwrap_or(i64::MAX);
    let hash: Option<Vec<u8>> = db
        .query_row("SELECT hash FROM journal WHERE seq = ?1", [seq], |row| row.get(0))
        .optional()
        .map_err(failed())?;
    let same = match hash {
        Some(hash) => crate::store::shape::hex(&hash) == end.hash,
        None => end.seq == 0,
    };
    if !same {
        return Ok(Here::Differs);
    }
    let since: i64 = db
        .query_row("SELECT count(*) FROM journal WHERE seq > ?1", [seq], |row| {
            row.get(0)
        })
        .map_err(failed())?;
    Ok(Here::Continues {
        entries_since: u64::try_from(since).unwrap_or_default(),
    })
}

/// Notes when a backup was last rehearsed: a backup that nobody ever opened is a hope.
fn note(dir: &Path, manifest: &Manifest, at: UnixMillis) -> Result<(), BackupError> {
    let note = serde_json::json!({ "made_at": manifest.created_at, "rehearsed_at": time(at) });
    writer_beside(dir)?
        .execute(
            "INSERT INTO meta (key, value) VALUES ('rehearsed', ?1) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [note.to_string()],
        )
        .map_err(StoreError::database("note the rehearsal"))?;
    Ok(())
}
