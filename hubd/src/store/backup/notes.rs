//! What the command line did with backups, left for the journal of the hub, which takes it as soon as it runs.

use std::path::Path;

use hubd_core::event::Event;

use crate::store::tokens::writer_beside;
use crate::store::{ConsoleNote, StoreError};

/// Stands where other notes name an account.
const ABOUT: &str = "backup";
const CREATED: &str = "created";
const REHEARSED: &str = "rehearsed";

/// Leaves word that a backup was made, which so many recovery keys open.
///
/// # Errors
/// When there is no database, or it cannot be written.
pub fn note_created(dir: &Path, name: &str, recovery_keys: usize) -> Result<(), StoreError> {
    note(dir, name, &format!("{CREATED} {recovery_keys}"))
}

/// Leaves word that a backup made at this time was rehearsed.
///
/// # Errors
/// When there is no database, or it cannot be written.
pub fn note_rehearsed(dir: &Path, name: &str, made_at: &str) -> Result<(), StoreError> {
    note(dir, name, &format!("{REHEARSED} {made_at}"))
}

fn note(dir: &Path, name: &str, what: &str) -> Result<(), StoreError> {
    writer_beside(dir)?
        .execute(
            "INSERT INTO console_notes (account, name, what) VALUES (?1, ?2, ?3)",
            [ABOUT, name, what],
        )
        .map_err(StoreError::database("leave word of a backup"))?;
    Ok(())
}

/// What is to be recorded of a note, when it is about a backup.
pub fn noted(note: &ConsoleNote) -> Option<Event> {
    if note.account != ABOUT {
        return None;
    }
    let name = note.name.clone();
    match note.what.split_once(' ')? {
        (CREATED, keys) => Some(Event::BackupCreated {
            name,
            recovery_keys: keys.parse().ok()?,
        }),
        (REHEARSED, made_at) => Some(Event::BackupRehearsed {
            name,
            made_at: made_at.to_owned(),
        }),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_about_a_backup_is_told_from_others() {
        let note = |account: &str, what: &str| ConsoleNote {
            id: 1,
            account: account.into(),
            name: "home".into(),
            what: what.into(),
        };
        let created = Event::BackupCreated {
            name: "home".into(),
            recovery_keys: 2,
        };
        assert_eq!(noted(&note("backup", "created 2")), Some(created));
        let rehearsed = Event::BackupRehearsed {
            name: "home".into(),
            made_at: "2026-01-01T00:00:00Z".into(),
        };
        let what = "rehearsed 2026-01-01T00:00:00Z";
        assert_eq!(noted(&note("backup", what)), Some(rehearsed));
        assert_eq!(noted(&note("a1", "created 2")), None);
        assert_eq!(noted(&note("backup", "burnt 2")), None);
    }
}
