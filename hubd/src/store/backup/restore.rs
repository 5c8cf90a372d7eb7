//! Putting a backup in the place of what is in a data folder.
//!
//! ```text
//!   staged beside, checked          everything that was there    everything new
//!   ----------------------> mark 1 ------ moves aside -----> mark 2 ---- moves in ----> no mark
//!      kill: nothing happened         kill: goes on here          kill: goes on here
//! ```
//!
//! Before the first mark what was there is untouched; from it on every start of a hub, and every restore, first goes
//! on where it was left. A data folder may be a disk of its own, so it is never renamed itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hubd_model::{RadioName, UnixMillis};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use super::manifest::Manifest;
use super::open::{Opener, Unpacked, unpack};
use super::scratch::{PREFIX, Scratch};
use super::{Progress, stamp, sync_folder};
use crate::store::shape::time;
use crate::store::tokens::writer;
use crate::store::vault::{self, Vault};
use crate::store::{StoreError, StoreOptions, database, opening, recipients};

/// The marks: first what is there moves aside, then what is new moves in.
const MARK_ASIDE: &str = "restore-1-aside";
const MARK_IN: &str = "restore-2-in";
/// Both.
pub(super) const MARKS: [&str; 2] = [MARK_ASIDE, MARK_IN];
/// How the folder begins that keeps what was there.
const ASIDE: &str = "before-restore-";
/// Backups that the hub keeps stay where they are.
const BACKUPS: &str = "backups";
/// Where the configuration's text comes back: the file that is in use is the owner's.
const CONFIG_BACK: &str = "restored-hubd.toml";
/// The row that tells the hub at its next start that it was restored.
const META_RESTORED: &str = "restored";

/// What was put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup holds.
    pub manifest: Manifest,
    /// Where what was there before is kept; `None` when there was nothing.
    pub aside: Option<PathBuf>,
    /// The configuration's text, when the backup holds it.
    pub config: Option<PathBuf>,
}

/// What a mark says.
#[derive(Serialize, Deserialize)]
struct Mark {
    staged: String,
    aside: String,
}

/// Restores a backup into `dir`, on which no hub may run.
///
/// # Errors
/// One clear sentence; then what was there is untouched.
pub fn restore(
    file: &Path,
    opener: &Opener,
    dir: &Path,
    options: &StoreOptions,
    replace_other_hub: bool,
    at: UnixMillis,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, BackupError> {
    vault::require_folder(dir)?;
    let _folder = database::lock_folder(dir)?;
    finish_restore(dir)?;
    let mut scratch = Scratch::new(dir)?;
    let unpacked = unpack(file, opener, scratch.path(), progress)?;
    if !replace_other_hub
        && let Some(here) = hub_here(dir)
        && here != unpacked.manifest.hub
    {
        return Err(BackupError::OtherHub {
            path: file.to_owned(),
            dir: dir.to_owned(),
            here,
            theirs: unpacked.manifest.hub,
        });
    }
    prepare(&unpacked, options, at)?;
    let staged = scratch.path();
    let config = staged.join("hubd.toml");
    let config = if config.exists() {
        fs::rename(&config, staged.join(CONFIG_BACK)).map_err(BackupError::file("write", &config))?;
        Some(dir.join(CONFIG_BACK))
    } else {
        None
    };
    sync_folder(staged)?;
    let had = entries_to_move(dir, staged)?;
    let aside = format!("{ASIDE}{}", stamp(at));
    let name = staged
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mark = Mark {
        staged: name,
        aside: aside.clone(),
    };
    set_mark(dir, &mark)?;
    scratch.keep();
    finish_restore(dir)?;
    Ok(Restored {
        manifest: unpacked.manifest,
        aside: (!had.is_empty()).then(|| dir.join(aside)),
        config,
    })
}

/// The recipient of the hub in a folder; `None` when there is none whose database can be read. The folder is locked.
fn hub_here(dir: &Path) -> Option<String> {
    // A log means that SQLite's files are all there; without one even a reader would make some beside the database,
    // unless it is told that nobody writes.
    if database::wal_path(dir).exists() {
        return recipients::hub_recipient(dir).ok();
    }
    let path = database::path(dir);
    let plain: String = path.to_str()?.chars().fold(String::new(), |mut plain, c| {
        match c {
            '%' => plain.push_str("%25"),
            '?' => plain.push_str("%3f"),
            '#' => plain.push_str("%23"),
            other => plain.push(other),
        }
        plain
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(format!("file:{plain}?immutable=1"), flags).ok()?;
    recipients::hub_recipient_of(&db).ok()
}

/// Brings the staged database to today's format, seals it to this machine's own identity where systemd holds one, and
/// notes that it was restored.
fn prepare(unpacked: &Unpacked, options: &StoreOptions, at: UnixMillis) -> Result<(), BackupError> {
    let dir = &unpacked.dir;
    let db = database::open(dir)?;
    let failed = || StoreError::database("prepare the restored records");
    let tx = db.unchecked_transaction().map_err(failed())?;
    let credential = options
        .credentials_dir
        .as_ref()
        .map(|folder| folder.join(vault::CREDENTIAL))
        .filter(|path| path.exists());
    if let Some(path) = credential {
        let own = vault::read_identity(&path)?;
        let (from, to) = (Vault::of(unpacked.identity.clone()), Vault::of(own));
        recipients::take(&tx, &to)?;
        opening::seal_again(&tx, &from, &to)?;
        let file = dir.join(vault::IDENTITY_FILE);
        fs::remove_file(&file).map_err(BackupError::file("remove", &file))?;
    } else {
        let file = dir.join(vault::IDENTITY_FILE);
        vault::write_identity(dir, &file, &unpacked.identity)?;
    }
    let note = serde_json::json!({ "made_at": unpacked.manifest.created_at, "restored_at": time(at) });
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [META_RESTORED, &note.to_string()],
    )
    .map_err(failed())?;
    tx.commit().map_err(failed())?;
    // One file without a log: it is renamed into its place.
    db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(failed())?;
    drop(db);
    let path = database::path(dir);
    File::open(&path)
        .and_then(|file| file.sync_all())
        .map_err(BackupError::file("write", &path))
}

/// Leaves word for the next start of the hub that was just restored: it shall write the copies that its backup holds into
/// these radios' dongles.
///
/// # Errors
/// When it was not restored just now, or cannot be written.
pub fn ask_for_dongles(dir: &Path, radios: &[RadioName]) -> Result<(), BackupError> {
    // A backup of an older format is brought to the new one by the start that reads this.
    drop(database::open_reader(dir)?);
    let db = writer(dir)?;
    let radios: Vec<&str> = radios.iter().map(RadioName::as_str).collect();
    let changed = db
        .execute(
            "UPDATE meta SET value = json_set(value, '$.write_dongles', json(?2)) WHERE key = ?1",
            [META_RESTORED, &serde_json::json!(radios).to_string()],
        )
        .map_err(StoreError::database("note which dongles to write"))?;
    if changed == 0 {
        let nothing = "note which dongles to write: nothing was restored".to_owned();
        return Err(StoreError::Failing(nothing).into());
    }
    Ok(())
}

/// When the backup was made that was restored since the hub's last start, and into which radios' dongles the copies that
/// it holds shall be written.
pub(in crate::store) fn restored(db: &Connection) -> Result<(Option<String>, Vec<RadioName>), StoreError> {
    let note: Option<String> = db
        .query_row("SELECT value FROM meta WHERE key = ?1", [META_RESTORED], |row| {
            row.get(0)
        })
        .optional()
        .map_err(StoreError::database("read whether this was restored"))?;
    let note: serde_json::Value = note
        .and_then(|note| serde_json::from_str(&note).ok())
        .unwrap_or_default();
    let made_at = note.get("made_at").and_then(|at| at.as_str());
    let radios = note.get("write_dongles").and_then(|radios| radios.as_array());
    let radios = radios.into_iter().flatten();
    let radios = radios.filter_map(|name| RadioName::parse(name.as_str()?).ok());
    Ok((made_at.map(ToOwned::to_owned), radios.collect()))
}

/// Forgets that it was restored: the journal has it from now on.
pub(in crate::store) fn forget_restored(db: &Connection) -> Result<(), StoreError> {
    db.execute("DELETE FROM meta WHERE key = ?1", [META_RESTORED])
        .map_err(StoreError::database("forget that this was restored"))?;
    Ok(())
}

fn set_mark(dir: &Path, mark: &Mark) -> Result<(), BackupError> {
    let path = dir.join(MARK_ASIDE);
    let new = dir.join(format!("{PREFIX}mark"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(mark)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(BackupError::file("write", &path))?;
    sync_folder(dir)
}

/// Goes on with a restore that was begun in this folder, to its end. The folder has to be locked.
pub(in crate::store) fn finish_restore(dir: &Path) -> Result<(), BackupError> {
    let read = |name: &str| -> Result<Option<Mark>, BackupError> {
        let path = dir.join(name);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| BackupError::damaged(&path, error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BackupError::file("read", &path)(error)),
        }
    };
    if let Some(mark) = read(MARK_ASIDE)? {
        let (aside, staged) = (dir.join(&mark.aside), dir.join(&mark.staged));
        let entries = entries_to_move(dir, &staged)?;
        if !entries.is_empty() {
            match fs::DirBuilder::new().mode(0o700).create(&aside) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(BackupError::file("create", &aside)(error)),
            }
            for name in entries {
                let from = dir.join(&name);
                fs::rename(&from, aside.join(&name)).map_err(BackupError::file("move aside", &from))?;
            }
            sync_folder(&aside)?;
        }
        sync_folder(dir)?;
        let (from, to) = (dir.join(MARK_ASIDE), dir.join(MARK_IN));
        fs::rename(&from, &to).map_err(BackupError::file("write", &to))?;
        sync_folder(dir)?;
    }
    if let Some(mark) = read(MARK_IN)? {
        let staged = dir.join(&mark.staged);
        if staged.exists() {
            let names = fs::read_dir(&staged)
                .and_then(Iterator::collect::<io::Result<Vec<_>>>)
                .map_err(BackupError::file("read", &staged))?;
            for entry in names {
                let from = entry.path();
                fs::rename(&from, dir.join(entry.file_name()))
                    .map_err(BackupError::file("move in", &from))?;
            }
            sync_folder(dir)?;
            fs::remove_dir_all(&staged).map_err(BackupError::file("remove", &staged))?;
        }
        let path = dir.join(MARK_IN);
        fs::remove_file(&path).map_err(BackupError::file("remove", &path))?;
        sync_folder(dir)?;
    }
    Ok(())
}

/// What belongs to the hub that is there: everything but the lock, backups, marks, what earlier restores put aside
/// and what is staged.
fn entries_to_move(dir: &Path, staged: &Path) -> Result<Vec<std::ffi::OsString>, BackupError> {
    let mut names = Vec::new();
    let entries = fs::read_dir(dir)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(BackupError::file("read", dir))?;
    for entry in entries {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let stays = entry.path() == staged
            || text == "hubd.lock"
            || text == BACKUPS
            || text == MARK_ASIDE
            || text == MARK_IN
            || text == "lost+found"
            || text.starts_with(ASIDE)
            || text.starts_with(PREFIX);
        if !stays {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn contents(dir: &Path) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(dir).unwrap().flatten() {
            if entry.file_type().unwrap().is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                all.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
        all
    }

    fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    /// Every state in which a power cut can leave the swap leads to the same end.
    #[test]
    fn invariant_a_restore_goes_on_from_wherever_it_was_cut() {
        let old = [("hubd.db", "old"), ("identity.key", "old"), ("spool", "old")];
        let new = [("hubd.db", "new"), ("identity.key", "new"), (CONFIG_BACK, "new")];
        // So many files moved aside, the second mark or not, so many moved in.
        for state in 0..=7 {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            let (staged, aside) = (dir.join(".hubd-work-1"), dir.join("before-restore-1"));
            fs::create_dir(&staged).unwrap();
            fs::create_dir(&aside).unwrap();
            fs::write(dir.join("hubd.lock"), "").unwrap();
            let (moved_aside, moved_in) = (state.min(3), usize::saturating_sub(state, 4));
            for (index, (name, text)) in old.iter().enumerate() {
                let place = if index < moved_aside { &aside } else { dir };
                fs::write(place.join(name), text).unwrap();
            }
            for (index, (name, text)) in new.iter().enumerate() {
                let place = if index < moved_in { dir } else { &staged };
                fs::write(place.join(name), text).unwrap();
            }
            let mark = Mark {
                staged: ".hubd-work-1".into(),
                aside: "before-restore-1".into(),
            };
            set_mark(dir, &mark).unwrap();
            if state >= 4 {
                fs::rename(dir.join(MARK_ASIDE), dir.join(MARK_IN)).unwrap();
            }
            finish_restore(dir).unwrap();
            assert_eq!(contents(&aside), expected(&old), "state {state}");
            let mut wanted = expected(&new);
            wanted.insert("hubd.lock".into(), String::new());
            assert_eq!(contents(dir), wanted, "state {state}");
            assert!(!staged.exists());
            finish_restore(dir).unwrap();
            assert_eq!(contents(dir), wanted, "state {state}, once more");
        }
    }
}
