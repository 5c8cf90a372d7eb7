//! The one-time setup code: whoever can read the hub's terminal, its log or its data folder makes the first owner.
//!
//! Promise: there is no default password. The code is random, kept in a private file so that a restart and `hubd
//! doctor` show the same one, and it is gone as soon as there is an owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hubd_model::{Role, SecretString};

use super::{AccountError, code};
use crate::store::{Store, StoreError};

const FILE: &str = "setup-code";
/// 60 bits, behind a throttle.
const GROUPS: usize = 3;
/// The file holds one short line.
const FILE_BYTES_MAX: u64 = 256;

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The code that waits in this folder; `None` when there is none.
///
/// # Errors
/// When there is one that cannot be read.
pub fn waiting(dir: &Path) -> io::Result<Option<SecretString>> {
    let file = match File::open(path(dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    let text = text.trim();
    Ok(code::plain(text).map(|_| SecretString::new(text.to_owned())))
}

/// Sees to it that a code waits while there is no owner, and that none does when there is one. The code to be shown.
///
/// # Errors
/// When the accounts cannot be read, or the code cannot be written.
pub fn prepare(store: &Store) -> Result<Option<SecretString>, StoreError> {
    let path = path(store.dir());
    let failed = |doing| StoreError::file(doing, &path);
    if store
        .accounts()?
        .iter()
        .any(|account| account.role == Role::Owner)
    {
        forget(store.dir()).map_err(failed("remove"))?;
        return Ok(None);
    }
    if let Some(code) = waiting(store.dir()).map_err(failed("read"))? {
        return Ok(Some(code));
    }
    let code = code::random(GROUPS).map_err(|_| StoreError::Random)?;
    let write = || -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(file, "{}", code.expose())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(failed("create"))?;
    Ok(Some(code))
}

/// Whether this is the code that waits in this folder.
pub(super) fn is_right(dir: &Path, text: &str) -> Result<bool, AccountError> {
    let waiting = waiting(dir).map_err(StoreError::file("read", path(dir)))?;
    let waiting = waiting.and_then(|code| code::plain(code.expose()));
    Ok(waiting.is_some_and(|code| code::plain(text).is_some_and(|text| text == code)))
}

/// Nobody is set up by this code any more.
pub(super) fn forget(dir: &Path) -> io::Result<()> {
    match fs::remove_file(path(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
