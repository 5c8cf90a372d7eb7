//! Opening a backup into a folder of its own and checking everything in it before anybody relies on it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use age::DecryptError;
use age::x25519::Identity;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::BackupError;
use super::manifest::{BadManifest, Counts, MANIFEST_BYTES_MAX, Manifest, Part, PartName, VERSION};
use super::{Progress, Step};
use crate::store::credentials::CodesKey;
use crate::store::recovery::RecoveryKey;
use crate::store::shape::hex;
use crate::store::vault::{self, Vault};
use crate::store::verify::verify;
use crate::store::{StoreError, StoreOptions, database, opening};

const CHUNK_BYTES: usize = 256 * 1024;
/// What may follow the last part: the archive's end and its padding.
const TRAILER_BYTES_MAX: u64 = 64 * 1024;

/// With which keys a backup is opened.
pub struct Opener {
    identities: Vec<Identity>,
}

impl Opener {
    /// With a recovery key alone: no hub needs to be here.
    pub fn recovery(key: &RecoveryKey) -> Self {
        Self {
            identities: vec![key.identity().clone()],
        }
    }

    /// With the identity of the hub whose data folder this is.
    ///
    /// # Errors
    /// When there is none.
    pub fn hub(dir: &Path, options: &StoreOptions) -> Result<Self, BackupError> {
        let credential = options
            .credentials_dir
            .as_ref()
            .map(|folder| folder.join(vault::CREDENTIAL));
        let file = dir.join(vault::IDENTITY_FILE);
        let path = credential.filter(|path| path.exists()).unwrap_or(file);
        if !path.exists() {
            return Err(BackupError::NoKey(dir.to_owned()));
        }
        Ok(Self {
            identities: vec![vault::read_identity(&path)?],
        })
    }
}

/// A backup that was opened and checked, in a folder.
pub(super) struct Unpacked {
    pub(super) manifest: Manifest,
    pub(super) identity: Identity,
    /// Where its database is.
    pub(super) dir: PathBuf,
}

/// Opens a backup into `dir` and checks everything in it. Nothing outside `dir` is changed.
pub(super) fn unpack(
    file: &Path,
    opener: &Opener,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Unpacked, BackupError> {
    let opened = File::open(file).map_err(BackupError::file("open", file))?;
    let length = opened
        .metadata()
        .map_err(BackupError::file("look at", file))?
        .len();
    super::require_room(dir, length)?;
    let decryptor = age::Decryptor::new_buffered(BufReader::with_capacity(CHUNK_BYTES, opened))
        .map_err(|_| BackupError::Foreign(file.to_owned()))?;
    let identities = opener
        .identities
        .iter()
        .map(|identity| identity as &dyn age::Identity);
    // The list of faults is age's and grows.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a list that is not ours")]
    let plain = decryptor.decrypt(identities).map_err(|error| match error {
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => {
            BackupError::WrongKey(file.to_owned())
        }
        _ => BackupError::damaged(file, "its header was altered"),
    })?;
    let manifest = read_archive(file, plain, dir, progress)?;
    let identity = check(file, &manifest, dir, progress)?;
    Ok(Unpacked {
        manifest,
        identity,
        dir: dir.to_owned(),
    })
}

/// Reads the archive: the manifest, then exactly the parts that it lists, then nothing.
fn read_archive(
    file: &Path,
    plain: impl Read,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let broken = |error: io::Error| BackupError::damaged(file, error.to_string());
    let mut archive = tar::Archive::new(plain);
    let manifest = {
        let mut entries = archive.entries().map_err(broken)?.raw(true);
        let first = entries.next();
        let mut first = first
            .ok_or_else(|| BackupError::Foreign(file.to_owned()))?
            .map_err(|error| cut_or_foreign(file, &error))?;
        if &*first.path_bytes() != super::MANIFEST.as_bytes() || first.size() > MANIFEST_BYTES_MAX {
            return Err(BackupError::Foreign(file.to_owned()));
        }
        let mut text = Vec::new();
        first.read_to_end(&mut text).map_err(broken)?;
        let manifest = Manifest::read(&text).map_err(|bad| match bad {
            BadManifest::Foreign => BackupError::Foreign(file.to_owned()),
            BadManifest::Newer(found) => BackupError::Newer {
                path: file.to_owned(),
                found,
                known: VERSION,
            },
            BadManifest::Wrong(detail) => BackupError::damaged(file, format!("its manifest: {detail}")),
        })?;
        for part in &manifest.parts {
            let name = part.name.as_str();
            let mut entry = entries
                .next()
                .ok_or_else(|| BackupError::damaged(file, format!("{name} is missing")))?
                .map_err(broken)?;
            let expected = entry.header().entry_type().is_file()
                && &*entry.path_bytes() == name.as_bytes()
                && entry.size() == part.bytes;
            if !expected {
                return Err(BackupError::damaged(
                    file,
                    format!("{name} is not where it belongs"),
                ));
            }
            copy_part(file, &mut entry, part, dir, progress)?;
        }
        if entries.next().is_some() {
            return Err(BackupError::damaged(
                file,
                "there is something after its last part",
            ));
        }
        manifest
    };
    // Only the last byte tells that nothing was cut off.
    let mut rest = archive.into_inner().take(TRAILER_BYTES_MAX);
    let mut trailer = Vec::new();
    rest.read_to_end(&mut trailer).map_err(broken)?;
    if trailer.iter().any(|byte| *byte != 0) || trailer.len() as u64 == TRAILER_BYTES_MAX {
        return Err(BackupError::damaged(file, "there is something after its end"));
    }
    Ok(manifest)
}

/// The first block tells apart what was sealed by others and what is damaged.
fn cut_or_foreign(file: &Path, error: &io::Error) -> BackupError {
    match error.get_ref().map(ToString::to_string) {
        Some(text) if text.contains("checksum") || text.contains("archive header") => {
            BackupError::Foreign(file.to_owned())
        }
        Some(_) | None => BackupError::damaged(file, error.to_string()),
    }
}

fn copy_part(
    file: &Path,
    from: &mut impl Read,
    part: &Part,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let path = dir.join(part.name.as_str());
    let failed = |error| BackupError::file("write", &path)(error);
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    let (mut hash, mut done) = (Sha256::new(), 0_u64);
    let mut chunk = Zeroizing::new(vec![0; CHUNK_BYTES]);
    loop {
        let count = from
            .read(&mut chunk)
            .map_err(|error| BackupError::damaged(file, error.to_string()))?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hash.update(bytes);
        to.write_all(bytes).map_err(failed)?;
        done = done.saturating_add(count as u64);
        if part.name == PartName::Database {
            progress(Progress {
                step: Step::Opening,
                done,
                total: part.bytes,
            });
        }
    }
    to.sync_all().map_err(failed)?;
    if done != part.bytes || hex(&hash.finalize()) != part.sha256 {
        let detail = format!("{} is not what its manifest says", part.name.as_str());
        return Err(BackupError::damaged(file, detail));
    }
    Ok(())
}

/// Checks that the parts are whole, belong together and open.
fn check(
    file: &Path,
    manifest: &Manifest,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Identity, BackupError> {
    const STEPS: u64 = 4;
    let mut step = |done| {
        progress(Progress {
            step: Step::Checking,
            done,
            total: STEPS,
        });
    };
    let wrong = |detail: String| BackupError::damaged(file, detail);
    let told = |error: StoreError| {
        // A newer database has its own sentence; what else is wrong with the records is wrong with the backup.
        if matches!(error, StoreError::Newer { .. }) {
            return BackupError::Store(error);
        }
        BackupError::damaged(file, error.to_string())
    };
    step(0);
    let identity = vault::read_identity(&dir.join(vault::IDENTITY_FILE))
        .map_err(|_| wrong("it holds no identity".to_owned()))?;
    if identity.to_public().to_string() != manifest.hub {
        return Err(wrong("its identity is not that of its hub".to_owned()));
    }
    let path = database::path(dir);
    let db = database::open_reader(dir).map_err(told)?;
    database::check(&db, &path, "integrity_check").map_err(told)?;
    drop(db);
    // Of an older hub: from here on in today's format.
    let db = database::open(dir).map_err(told)?;
    step(1);
    let vault = Vault::of(identity.clone());
    let known: String = db
        .query_row("SELECT value FROM meta WHERE key = 'identity'", [], |row| {
            row.get(0)
        })
        .map_err(|error| wrong(error.to_string()))?;
    if known != manifest.hub {
        return Err(wrong("its records are sealed to another hub".to_owned()));
    }
    opening::open_all(&db, &vault).map_err(told)?;
    if Counts::read(&db).map_err(told)? != manifest.counts {
        return Err(wrong("it does not hold what its manifest counts".to_owned()));
    }
    drop(db);
    step(2);
    let report = verify(dir, Some(&StoreOptions::default())).map_err(told)?;
    if let Some(bad) = report.first_bad {
        return Err(wrong(format!("journal entry {}: {}", bad.seq, bad.what)));
    }
    let end = &manifest.journal;
    if (report.last_seq, report.entries) != (end.seq, end.entries) || hex(&report.last_hash) != end.hash {
        return Err(wrong(
            "its journal does not end where its manifest says".to_owned(),
        ));
    }
    step(3);
    // Readable as a hub reads it at its start.
    let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| wrong(error.to_string()))?;
    CodesKey::open(&db, &vault)
        .and_then(|codes| opening::read_memory(&db, &codes, end.seq))
        .map_err(told)?;
    step(STEPS);
    Ok(identity)
}
