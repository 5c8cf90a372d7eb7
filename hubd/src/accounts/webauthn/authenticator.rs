//! What an authenticator says: its data, and what it adds when it makes a passkey.
//!
//! Spec: Level 3, 6.1 (authenticator data) and 6.5 (attested credential data, attestation object).

use super::CREDENTIAL_ID_BYTES_MAX;
use super::cbor::{Item, Reader};

/// An attestation object holds three things.
const ATTESTATION_KEYS: u64 = 3;

/// The flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    const fn has(self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }

    /// UP: somebody was there.
    pub(super) const fn present(self) -> bool {
        self.has(0)
    }

    /// UV: somebody was recognised.
    pub(super) const fn verified(self) -> bool {
        self.has(2)
    }

    /// BE: the passkey may be copied to the person's other devices.
    pub(super) const fn may_be_backed_up(self) -> bool {
        self.has(3)
    }

    /// BS: it is.
    pub(super) const fn backed_up(self) -> bool {
        self.has(4)
    }

    const fn has_credential(self) -> bool {
        self.has(6)
    }

    const fn has_extensions(self) -> bool {
        self.has(7)
    }
}

/// A new passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewCredential<'a> {
    pub(super) id: &'a [u8],
    /// In COSE form.
    pub(super) key: &'a [u8],
}

/// What an authenticator signs beside what the browser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthenticatorData<'a> {
    /// SHA-256 of the name that the passkey belongs to.
    pub(super) name_hash: [u8; 32],
    pub(super) flags: Flags,
    pub(super) counter: u32,
    pub(super) credential: Option<NewCredential<'a>>,
}

impl<'a> AuthenticatorData<'a> {
    /// `None` when it is damaged, or more follows than belongs to it.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let name_hash = reader.array()?;
        let [flags] = reader.array()?;
        let flags = Flags(flags);
        let counter = u32::from_be_bytes(reader.array()?);
        let credential = if flags.has_credential() {
            let _aaguid: [u8; 16] = reader.array()?;
            let length = usize::from(u16::from_be_bytes(reader.array()?));
            if length == 0 || length > CREDENTIAL_ID_BYTES_MAX {
                return None;
            }
            let id = reader.take(length)?;
            let from = reader.rest();
            reader.skip()?;
            let key = from.get(..from.len().checked_sub(reader.rest().len())?)?;
            Some(NewCredential { id, key })
        } else {
            None
        };
        if flags.has_extensions() {
            let mut ahead = reader.clone();
            if !matches!(ahead.item()?, Item::Map(_)) {
                return None;
            }
            reader.skip()?;
        }
        reader.is_done().then_some(Self {
            name_hash,
            flags,
            counter,
            credential,
        })
    }
}

/// What an authenticator answers when it made a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attestation<'a> {
    pub(super) authenticator_data: &'a [u8],
}

impl<'a> Attestation<'a> {
    /// `None` when it is damaged, or is no attestation object. Its statement is read over.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let Item::Map(ATTESTATION_KEYS) = reader.item()? else {
            return None;
        };
        let (mut format, mut statement, mut data) = (None, None, None);
        for _ in 0..ATTESTATION_KEYS {
            let Item::Text(name) = reader.item()? else {
                return None;
            };
            let twice = match name {
                "fmt" => {
                    let Item::Text(text) = reader.item()? else {
                        return None;
                    };
                    format.replace(text).is_some()
                }
                "attStmt" => {
                    let mut ahead = reader.clone();
                    let Item::Map(_) = ahead.item()? else {
                        return None;
                    };
                    statement.replace(reader.skip()?).is_some()
                }
                "authData" => {
                    let Item::Bytes(found) = reader.item()? else {
                        return None;
                    };
                    data.replace(found).is_some()
                }
                _ => return None,
            };
            if twice {
                return None;
            }
        }
        let (Some(_), Some(()), Some(authenticator_data), true) = (format, statement, data, reader.is_done())
        else {
            return None;
        };
        Some(Self { authenticator_data })
    }
}
