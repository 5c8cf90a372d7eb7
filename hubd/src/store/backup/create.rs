//! Making a backup: a copy of the database as of one moment, taken while the hub runs, sealed with everything else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hubd_model::UnixMillis;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::manifest::{Counts, JournalEnd, Manifest, Part, PartName};
use super::scratch::Scratch;
use super::{Progress, Step};
use crate::store::journal::Head;
use crate::store::shape::{hex, time};
use crate::store::vault::{Missing, Vault};
use crate::store::{StoreError, StoreOptions, database, recipients};

/// How many pages are copied between two looks at the progress (1 MiB).
const PAGES_AT_ONCE: i32 = 256;
/// How much is sealed between two looks at the progress.
const CHUNK_BYTES: usize = 256 * 1024;
/// Room beyond the copies, so that the disk is not filled to the last byte beside a hub that runs.
const SPARE_BYTES: u64 = 16 * 1024 * 1024;

/// What a backup is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The data folder. A hub may run on it.
    pub dir: &'a Path,
    /// How its vault is opened.
    pub options: &'a StoreOptions,
    /// The configuration's file; one that is not there is left out.
    pub config: Option<&'a Path>,
    /// Now.
    pub at: UnixMillis,
    /// Whether a backup that only this hub can open is good enough.
    pub hub_only: bool,
}

enum Content {
    File(PathBuf),
    Bytes(zeroize::Zeroizing<Vec<u8>>),
}

/// Makes a backup at `target`, which must not exist. It is there whole or not at all.
///
/// # Errors
/// One clear sentence; nothing is left behind then.
pub fn create(
    sources: Sources<'_>,
    target: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let db = database::open_reader(sources.dir)?;
    let vault = Vault::open(
        sources.dir,
        sources.options.credentials_dir.as_deref(),
        &sources.options.recovery_recipients,
        Missing::Refuse,
    )?;
    recipients::require_identity(&db, sources.dir, &vault)?;
    recipients::take(&db, &vault)?;
    let sealed_to = vault.all();
    if sealed_to.len() < 2 && !sources.hub_only {
        return Err(BackupError::NoRecoveryKey);
    }
    require_room(parent, &db)?;
    let scratch = Scratch::new(parent)?;
    let copy = scratch.path().join("hubd.db");
    copy_database(&db, &copy, progress)?;
    drop(db);
    let (journal, counts) = {
        let db = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(StoreError::database("open the copy"))?;
        let head = Head::read(&db)?;
        let end = JournalEnd {
            seq: head.seq,
            entries: head.entries,
            hash: hex(&head.hash),
        };
        (end, Counts::read(&db)?)
    };

    let mut contents = vec![
        (PartName::Database, Content::File(copy)),
        (
            PartName::Identity,
            Content::Bytes(zeroize::Zeroizing::new(vault.identity_text().as_bytes().to_vec())),
        ),
    ];
    if let Some(config) = sources.config {
        match fs::read(config) {
            Ok(text) => contents.push((PartName::Config, Content::Bytes(zeroize::Zeroizing::new(text)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::file("read", config)(error)),
        }
    }
    let mut parts = Vec::with_capacity(contents.len());
    for (name, content) in &contents {
        let (bytes, sha256) = content.digest()?;
        parts.push(Part {
            name: *name,
            bytes,
            sha256,
        });
    }
    let manifest = Manifest::new(
        env!("CARGO_PKG_VERSION"),
        time(sources.at),
        vault.public(),
        sealed_to.len().saturating_sub(1),
        journal,
        counts,
        parts,
    );
    let sealed = scratch.path().join("sealed");
    let recipients = sealed_to.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor =
        age::Encryptor::with_recipients(recipients).map_err(|_| StoreError::Sealed("seal a backup"))?;
    seal(encryptor, &sealed, &manifest, &contents, sources.at, progress)?;
    put_in_place(&sealed, target, parent)?;
    Ok(manifest)
}

/// Copies the database as of this moment, whatever is written to it meanwhile.
fn copy_database(
    db: &Connection,
    copy: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let failed = || StoreError::database("copy the database");
    new_file(copy).map_err(BackupError::file("create", copy))?;
    let mut to = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed())?;
    // Within a transaction the source stays as it is now: the copy never has to begin again because the hub writes.
    let moment = db.unchecked_transaction().map_err(failed())?;
    let _now = Head::read(&moment)?;
    {
        let backup = Backup::new(&moment, &mut to).map_err(failed())?;
        loop {
            let step = backup.step(PAGES_AT_ONCE).map_err(failed())?;
            let state = backup.progress();
            let total = u64::try_from(state.pagecount).unwrap_or_default();
            let left = u64::try_from(state.remaining).unwrap_or_default();
            progress(Progress {
                step: Step::Copying,
                done: total.saturating_sub(left),
                total,
            });
            // The list of results is SQLite's and grows.
            #[allow(clippy::wildcard_enum_match_arm, reason = "a list that is not ours")]
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => {
                    let busy = "the copy of the database was held up by another program".to_owned();
                    return Err(StoreError::Failing(busy).into());
                }
            }
        }
    }
    drop(moment);
    // One file, without a log beside it.
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(failed())?;
    // A backup of a damaged database would only be found out when it is needed.
    database::check(&to, copy, "quick_check")?;
    Ok(())
}

fn require_room(folder: &Path, db: &Connection) -> Result<(), BackupError> {
    let number = |name: &str| -> Result<u64, StoreError> {
        let number: i64 = db
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(StoreError::database("look at the database's size"))?;
        Ok(u64::try_from(number).unwrap_or_default())
    };
    let database = number("page_count")?.saturating_mul(number("page_size")?);
    // The copy and what is sealed of it stand side by side for a moment.
    super::require_room(folder, database.saturating_mul(2).saturating_add(SPARE_BYTES))
}

impl Content {
    fn digest(&self) -> Result<(u64, String), BackupError> {
        match self {
            Self::Bytes(bytes) => Ok((bytes.len() as u64, hex(&Sha256::digest(bytes.as_slice())))),
            Self::File(path) => {
                let digest = || -> io::Result<(u64, String)> {
                    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
                    let mut file = File::open(path)?;
                    let mut chunk = vec![0; CHUNK_BYTES];
                    loop {
                        let count = file.read(&mut chunk)?;
                        if count == 0 {
                            return Ok((bytes, hex(&hash.finalize())));
                        }
                        hash.update(chunk.get(..count).unwrap_or_default());
                        bytes = bytes.saturating_add(count as u64);
                    }
                };
                digest().map_err(BackupError::file("read", path))
            }
        }
    }
}

/// Tells how much of a reader was read.
struct Told<'a, R> {
    reader: R,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        let before = self.done / CHUNK_BYTES as u64;
        self.done = self.done.saturating_add(count as u64);
        if self.done / CHUNK_BYTES as u64 != before || self.done == self.total {
            (self.progress)(Progress {
                step: Step::Sealing,
                done: self.done,
                total: self.total,
            });
        }
        Ok(count)
    }
}

fn seal(
    encryptor: age::Encryptor,
    path: &Path,
    manifest: &Manifest,
    contents: &[(PartName, Content)],
    at: UnixMillis,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let write = || -> io::Result<()> {
        let file = new_file(path)?;
        let writer = encryptor.wrap_output(BufWriter::with_capacity(CHUNK_BYTES, file))?;
        let mut archive = tar::Builder::new(writer);
        let seconds = u64::try_from(at.0 / 1000).unwrap_or_default();
        let header = |bytes: u64| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes);
            header.set_mode(0o600);
            header.set_mtime(seconds);
            header.set_entry_type(tar::EntryType::Regular);
            header
        };
        let text = serde_json::to_vec_pretty(manifest)?;
        let mut first = header(text.len() as u64);
        archive.append_data(&mut first, super::MANIFEST, text.as_slice())?;
        for ((name, content), part) in contents.iter().zip(&manifest.parts) {
            let mut header = header(part.bytes);
            match content {
                Content::Bytes(bytes) => archive.append_data(&mut header, name.as_str(), bytes.as_slice())?,
                Content::File(path) => {
                    let told = Told {
                        reader: File::open(path)?.take(part.bytes),
                        done: 0,
                        total: part.bytes,
                        progress: &mut *progress,
                    };
                    archive.append_data(&mut header, name.as_str(), told)?;
                }
            }
        }
        let file = archive.into_inner()?.finish()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    };
    write().map_err(BackupError::file("write", path))
}

/// Gives the finished file its name, unless somebody took that meanwhile.
fn put_in_place(sealed: &Path, target: &Path, parent: &Path) -> Result<(), BackupError> {
    match renameat_with(CWD, sealed, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Err(BackupError::Exists(target.to_owned())),
        // A disk that cannot refuse to replace: it was looked at before, and now once more.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if target.symlink_metadata().is_err() => {
            fs::rename(sealed, target).map_err(BackupError::file("write", target))?;
        }
        Err(error) => return Err(BackupError::file("write", target)(error.into())),
    }
    super::sync_folder(parent)
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
