//! Keys at rest: month keys and adapter keys are sealed with `age` to the hub's identity and to the owner's
//! recovery recipients. The identity comes from systemd's credentials or from `identity.key`, which is created at
//! the first start, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::error::StoreError;

pub(crate) const IDENTITY_FILE: &str = "identity.key";
pub(crate) const CREDENTIAL: &str = "hubd-identity";
/// An identity file is some lines; more is something else.
const IDENTITY_BYTES_MAX: u64 = 16 * 1024;
/// The format of a sealed payload.
const PAYLOAD_FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
/// Format, month and nonce stand before the ciphertext.
const PREFIX_BYTES: usize = 1 + 4 + NONCE_BYTES;

/// Where the identity may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing is sealed yet: make one.
    Create,
    /// Records are sealed to it: a new one would not open them.
    Refuse,
}

/// Seals and opens.
pub(crate) struct Vault {
    identity: Identity,
    /// The recovery recipients of the configuration.
    configured: Vec<Recipient>,
    /// Those that were added by command, as the database has them.
    added: RwLock<Vec<Recipient>>,
}

impl Vault {
    /// Reads the identity from the credentials folder when it has one, else from the data folder.
    pub(crate) fn open(
        dir: &Path,
        credentials: Option<&Path>,
        recovery: &[String],
        missing: Missing,
    ) -> Result<Self, StoreError> {
        let credential = credentials
            .map(|folder| folder.join(CREDENTIAL))
            .filter(|path| path.exists());
        let identity = match credential {
            // systemd guards its credentials folder itself; the modes inside are its own business.
            Some(path) => read_identity(&path)?,
            None => {
                let path = dir.join(IDENTITY_FILE);
                match (path.exists(), missing) {
                    (true, _) => {
                        require_private(&path, 0o077, 0o600)?;
                        read_identity(&path)?
                    }
                    (false, Missing::Create) => create_identity(dir, &path)?,
                    (false, Missing::Refuse) => return Err(StoreError::NoIdentity(path)),
                }
            }
        };
        let configured = recovery
            .iter()
            .map(|text| parse_recipient(text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            identity,
            configured,
            added: RwLock::default(),
        })
    }

    /// A vault of this identity alone.
    pub(crate) const fn of(identity: Identity) -> Self {
        Self {
            identity,
            configured: Vec::new(),
            added: RwLock::new(Vec::new()),
        }
    }

    /// Takes the recovery recipients that were added by command: everything is sealed to them from now on. Says
    /// whether they are others than before.
    pub(crate) fn set_added(&self, texts: &[String]) -> Result<bool, StoreError> {
        let found: Vec<Recipient> = texts
            .iter()
            .map(|text| parse_recipient(text))
            .collect::<Result<_, _>>()?;
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        let same = added.len() == found.len()
            && added
                .iter()
                .zip(&found)
                .all(|(one, other)| one.to_string() == other.to_string());
        *added = found;
        Ok(!same)
    }

    /// The identity's own text, for a backup.
    pub(crate) fn identity_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.identity.to_string().expose_secret().to_owned())
    }

    /// The recipient that belongs to the identity.
    pub(crate) fn public(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// Every recipient that a seal is made for: the hub first, then each recovery recipient once.
    pub(crate) fn all(&self) -> Vec<Recipient> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Recipient> = vec![self.identity.to_public()];
        for recipient in self.configured.iter().chain(added.iter()) {
            let text = recipient.to_string();
            if all.iter().all(|known| known.to_string() != text) {
                all.push(recipient.clone());
            }
        }
        all
    }

    /// Every recipient that a seal is made for, one a line.
    pub(crate) fn recipients(&self) -> String {
        let texts: Vec<String> = self.all().iter().map(ToString::to_string).collect();
        texts.join("\n")
    }

    /// Seals a secret. `context` says what it is; it opens only under the same context, so that sealed rows cannot
    /// be swapped.
    pub(crate) fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let failed = || StoreError::Sealed("seal a record");
        let length = u16::try_from(context.len()).map_err(|_| failed())?;
        let all = self.all();
        let recipients = all.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| failed())?;
        let mut sealed = Vec::with_capacity(secret.len() + 512);
        let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| failed())?;
        let parts = [&length.to_be_bytes()[..], context.as_bytes(), secret];
        for part in parts {
            writer.write_all(part).map_err(|_| failed())?;
        }
        writer.finish().map_err(|_| failed())?;
        Ok(sealed)
    }

    /// Opens what `seal` made under the same context.
    pub(crate) fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let failed = || StoreError::Sealed("open a sealed record");
        let opened = Zeroizing::new(age::decrypt(&self.identity, sealed).map_err(|_| failed())?);
        let (length, rest) = opened.split_first_chunk::<2>().ok_or_else(failed)?;
        let (found, secret) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or_else(failed)?;
        if found != context.as_bytes() {
            return Err(failed());
        }
        Ok(Zeroizing::new(secret.to_vec()))
    }
}

/// Reads an age recipient.
pub(crate) fn parse_recipient(text: &str) -> Result<Recipient, StoreError> {
    Recipient::from_str(text).map_err(|_| StoreError::Recipient(text.to_owned()))
}

/// The key of one month's payloads.
#[derive(Clone)]
pub(crate) struct MonthKey {
    month: u32,
    key: Zeroizing<[u8; 32]>,
}

impl MonthKey {
    /// A new random key.
    pub(crate) fn random(month: u32) -> Result<Self, StoreError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|_| StoreError::Random)?;
        Ok(Self { month, key })
    }

    /// The month that it seals, as year * 100 + month.
    pub(crate) const fn month(&self) -> u32 {
        self.month
    }

    /// The key sealed for its row.
    pub(crate) fn seal(&self, vault: &Vault) -> Result<Vec<u8>, StoreError> {
        vault.seal(&Self::context(self.month), &*self.key)
    }

    /// The key from its row.
    pub(crate) fn unseal(vault: &Vault, month: u32, sealed: &[u8]) -> Result<Self, StoreError> {
        let opened = vault.unseal(&Self::context(month), sealed)?;
        let key: [u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| StoreError::Sealed("open a month's key"))?;
        Ok(Self {
            month,
            key: Zeroizing::new(key),
        })
    }

    pub(crate) fn context(month: u32) -> String {
        format!("hubd month {month}")
    }

    /// Seals a payload; `bound` is authenticated with it.
    pub(crate) fn seal_payload(&self, bound: &[u8], payload: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::Random)?;
        let cipher = XChaCha20Poly1305::new(&(*self.key).into());
        let ciphertext = cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: payload,
                    aad: bound,
                },
            )
            .map_err(|_| StoreError::Sealed("seal a journal entry"))?;
        let mut sealed = Vec::with_capacity(PREFIX_BYTES + ciphertext.len());
        sealed.push(PAYLOAD_FORMAT);
        sealed.extend(self.month.to_be_bytes());
        sealed.extend(nonce);
        sealed.extend(ciphertext);
        Ok(sealed)
    }

    /// Opens a payload that `seal_payload` made.
    pub(crate) fn open_payload(&self, bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (prefix, ciphertext) = sealed.split_first_chunk::<PREFIX_BYTES>()?;
        let nonce: &[u8; NONCE_BYTES] = prefix.last_chunk()?;
        let cipher = XChaCha20Poly1305::new(&(*self.key).into());
        cipher
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: bound,
                },
            )
            .ok()
    }
}

/// The month whose key opens a sealed payload; `None` for bytes that are no sealed payload.
pub(crate) fn payload_month(sealed: &[u8]) -> Option<u32> {
    let (format, rest) = sealed.split_first()?;
    let (month, _) = rest.split_first_chunk::<4>()?;
    (*format == PAYLOAD_FORMAT).then(|| u32::from_be_bytes(*month))
}

/// Refuses a file or folder whose mode has one of the `forbidden` bits.
pub(crate) fn require_private(path: &Path, forbidden: u32, wanted: u32) -> Result<(), StoreError> {
    let mode = fs::metadata(path)
        .map_err(StoreError::file("look at", path))?
        .mode()
        & 0o777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(StoreError::Permissions {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

/// Makes the data folder, private to its owner, or checks that nobody else can change what is in it.
pub(crate) fn require_folder(dir: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => require_private(dir, 0o022, 0o700),
        Err(source) => Err(StoreError::File {
            doing: "create the folder",
            path: dir.to_owned(),
            source,
        }),
    }
}

/// Reads an identity from a file of some lines.
pub(crate) fn read_identity(path: &Path) -> Result<Identity, StoreError> {
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(StoreError::file("read", path))?;
    file.take(IDENTITY_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(StoreError::file("read", path))?;
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .and_then(|line| Identity::from_str(line).ok())
        .ok_or_else(|| StoreError::Identity(path.to_owned()))
}

/// Writes the identity whole or not at all: a power cut leaves no half of one.
fn create_identity(dir: &Path, path: &Path) -> Result<Identity, StoreError> {
    let identity = Identity::generate();
    write_identity(dir, path, &identity)?;
    Ok(identity)
}

/// Writes an identity's file.
pub(crate) fn write_identity(dir: &Path, path: &Path, identity: &Identity) -> Result<(), StoreError> {
    let new: PathBuf = dir.join("identity.key.new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(
            file,
            "# hubd's identity. Whoever has it and the database can read everything. Keep a copy safe."
        )?;
        writeln!(file, "# public key: {}", identity.to_public())?;
        writeln!(file, "{}", identity.to_string().expose_secret())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(StoreError::file("create", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn vault(dir: &Path, recovery: &[String]) -> Result<Vault, StoreError> {
        Vault::open(dir, None, recovery, Missing::Create)
    }

    #[test]
    fn the_identity_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = vault(dir.path(), &[]).unwrap();
        let path = dir.path().join(IDENTITY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(vault(dir.path(), &[]).unwrap().public(), first.public());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = vault(dir.path(), &[]).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::write(&path, "nothing").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(vault(dir.path(), &[]), Err(StoreError::Identity(_))));
    }

    #[test]
    fn a_credential_goes_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let other = Identity::generate();
        fs::write(dir.path().join(CREDENTIAL), other.to_string().expose_secret()).unwrap();
        let vault = Vault::open(dir.path(), Some(dir.path()), &[], Missing::Refuse).unwrap();
        assert_eq!(vault.public(), other.to_public().to_string());
        assert!(!dir.path().join(IDENTITY_FILE).exists());
    }

    #[test]
    fn a_seal_opens_under_its_context_and_for_recovery() {
        let dir = tempfile::tempdir().unwrap();
        let recovery = Identity::generate();
        let vault = vault(dir.path(), &[recovery.to_public().to_string()]).unwrap();
        let sealed = vault.seal("a", b"secret").unwrap();
        assert_eq!(vault.unseal("a", &sealed).unwrap().as_slice(), b"secret");
        assert!(vault.unseal("b", &sealed).is_err());
        assert!(age::decrypt(&recovery, &sealed).unwrap().ends_with(b"secret"));
        for cut in 0..sealed.len() {
            assert!(vault.unseal("a", &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn a_payload_opens_with_what_it_was_bound_to() {
        let key = MonthKey::random(202_611).unwrap();
        let sealed = key.seal_payload(b"header", b"payload").unwrap();
        assert_eq!(payload_month(&sealed), Some(202_611));
        assert_eq!(key.open_payload(b"header", &sealed).unwrap(), b"payload");
        assert_eq!(key.open_payload(b"headex", &sealed), None);
        for place in PREFIX_BYTES - NONCE_BYTES..sealed.len() {
            let mut bad = sealed.clone();
            bad[place] ^= 1;
            assert_eq!(key.open_payload(b"header", &bad), None, "{place}");
            assert_eq!(key.open_payload(b"header", &sealed[..place]), None);
        }
    }
}
