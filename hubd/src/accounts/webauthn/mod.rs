//! What a passkey answers, checked: the relying party's half of WebAuthn, as far as a second factor needs it.
//!
//! Promise: an answer counts only when everything in it is what was asked for - the ceremony, the challenge, the page
//! that asked, the name that the passkey belongs to, that a person was there and was recognised, its counter, and the
//! signature over all of it. Any bytes are parsed without a panic. Nothing here knows the time, draws a number or
//! keeps anything: who asks brings the challenge, and keeps what comes out.
//!
//! Attestation is neither asked for nor believed: which maker's device holds the key decides nothing here, so its
//! statement is read over.
//!
//! Spec: Web Authentication Level 3, sections 7.1 (registration) and 7.2 (authentication).

mod authenticator;
mod cbor;
mod key;
mod origin;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use authenticator::{Attestation, AuthenticatorData};
pub use key::ALGORITHMS;
use key::PublicKey;
pub use origin::Origin;

/// How long a credential's id may be.
/// Spec: Level 3, 4, credential id.
pub const CREDENTIAL_ID_BYTES_MAX: usize = 1023;
/// More than browsers write there.
pub const CLIENT_DATA_BYTES_MAX: usize = 4096;
/// More than an attestation with its certificates takes.
pub const ATTESTATION_BYTES_MAX: usize = 16 * 1024;

/// What is wrong with an answer. `Display` is one sentence and repeats nothing that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// What the browser says about the ceremony cannot be read.
    #[error("what the browser said about the passkey cannot be read")]
    ClientData,
    /// It is an answer to something else.
    #[error("this answers another question than was asked")]
    WrongType,
    /// It answers another challenge.
    #[error("this answers another challenge than was given")]
    WrongChallenge,
    /// Another page asked.
    #[error("another page than this one asked for the passkey")]
    WrongOrigin,
    /// It was asked for in a frame of another page.
    #[error("the passkey was asked for inside another page")]
    InFrame,
    /// What the authenticator says cannot be read.
    #[error("what the authenticator said cannot be read")]
    Malformed,
    /// The passkey belongs to another name.
    #[error("this passkey belongs to another name")]
    WrongName,
    /// Nobody was there.
    #[error("the authenticator did not see that somebody is there")]
    NotPresent,
    /// Nobody was recognised.
    #[error("the authenticator did not check who is there, by finger, face or PIN")]
    NotVerified,
    /// It says that it is copied and that it cannot be.
    #[error("the authenticator contradicts itself about copies of its passkey")]
    Backup,
    /// There is no new passkey in it.
    #[error("the authenticator made no passkey")]
    NoCredential,
    /// Its key is of a kind that was not asked for, or is none.
    #[error("the passkey's key is of a kind that the hub does not know")]
    BadKey,
    /// The answer came with another passkey than the one that it is checked against.
    #[error("this is another passkey")]
    WrongCredential,
    /// The passkey belongs to another account.
    #[error("this passkey belongs to another account")]
    WrongUser,
    /// The signature is not the passkey's.
    #[error("the passkey's signature is wrong")]
    BadSignature,
    /// Its counter did not go on: there may be a copy of it.
    #[error("the passkey's counter did not go on; there may be a copy of it")]
    Counter,
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The challenge, as it was given out.
    pub challenge: &'a [u8],
    /// The page that asked.
    pub origin: &'a Origin,
    /// By what the authenticator knows the account.
    pub user: &'a [u8],
}

/// A passkey that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id, chosen by the authenticator.
    pub credential: Vec<u8>,
    /// Its public key in COSE form.
    /// Spec: RFC 9052, section 7.
    pub key: Vec<u8>,
    /// How often it says that it was used; 0 for ever when it does not count.
    pub counter: u32,
}

/// A passkey as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its id.
    pub credential: &'a [u8],
    /// Its public key in COSE form.
    pub key: &'a [u8],
    /// What its counter said last.
    pub counter: u32,
}

/// What an authenticator answers when it is asked for a new passkey.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// What the browser says about the ceremony, as JSON.
    pub client_data: &'a [u8],
    /// What the authenticator made, as CBOR.
    pub attestation: &'a [u8],
}

/// What an authenticator answers when it is asked to use a passkey.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// The id of the passkey that it used.
    pub credential: &'a [u8],
    /// What the browser says about the ceremony, as JSON.
    pub client_data: &'a [u8],
    /// What the authenticator says.
    pub authenticator_data: &'a [u8],
    /// Its signature over both.
    pub signature: &'a [u8],
    /// By what it knows the account, where it says so.
    pub user: Option<&'a [u8]>,
}

/// What the browser says about a ceremony.
/// Spec: Level 3, 5.8.1. Other members may be added to it by browsers and are not read.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

impl ClientData {
    fn check(bytes: &[u8], kind: &str, asked: &Asked<'_>) -> Result<(), Fault> {
        if bytes.len() > CLIENT_DATA_BYTES_MAX {
            return Err(Fault::ClientData);
        }
        let said: Self = serde_json::from_slice(bytes).map_err(|_| Fault::ClientData)?;
        if said.kind != kind {
            return Err(Fault::WrongType);
        }
        let wanted = URL_SAFE_NO_PAD.encode(asked.challenge);
        // An empty challenge is nobody's.
        if asked.challenge.is_empty() || !bool::from(wanted.as_bytes().ct_eq(said.challenge.as_bytes())) {
            return Err(Fault::WrongChallenge);
        }
        if said.origin != asked.origin.as_str() {
            return Err(Fault::WrongOrigin);
        }
        if said.cross_origin || said.top_origin.is_some() {
            return Err(Fault::InFrame);
        }
        Ok(())
    }
}

/// Checks what was signed but whether the person was recognised, which comes last: it is the one fault that people cause.
fn check_authenticator(said: &AuthenticatorData<'_>, asked: &Asked<'_>) -> Result<(), Fault> {
    let name = Sha256::digest(asked.origin.name().as_bytes());
    if said.name_hash[..] != name[..] {
        return Err(Fault::WrongName);
    }
    if !said.flags.present() {
        return Err(Fault::NotPresent);
    }
    if said.flags.backed_up() && !said.flags.may_be_backed_up() {
        return Err(Fault::Backup);
    }
    Ok(())
}

/// Checks the answer to a request for a new passkey; what of it is to be kept.
///
/// # Errors
/// The first thing that is not as it was asked for.
///
/// Spec: Level 3, 7.1.
pub fn register(asked: &Asked<'_>, answer: &Registration<'_>) -> Result<Made, Fault> {
    ClientData::check(answer.client_data, "webauthn.create", asked)?;
    if answer.attestation.len() > ATTESTATION_BYTES_MAX {
        return Err(Fault::Malformed);
    }
    let attestation = Attestation::parse(answer.attestation).ok_or(Fault::Malformed)?;
    let said = AuthenticatorData::parse(attestation.authenticator_data).ok_or(Fault::Malformed)?;
    check_authenticator(&said, asked)?;
    let made = said.credential.as_ref().ok_or(Fault::NoCredential)?;
    PublicKey::parse(made.key).ok_or(Fault::BadKey)?;
    if !said.flags.verified() {
        return Err(Fault::NotVerified);
    }
    Ok(Made {
        credential: made.id.to_vec(),
        key: made.key.to_vec(),
        counter: said.counter,
    })
}

/// Checks the answer to a request to use a passkey; what its counter says now, to be kept.
///
/// # Errors
/// The first thing that is not as it was asked for.
///
/// Spec: Level 3, 7.2.
pub fn authenticate(asked: &Asked<'_>, known: &Known<'_>, answer: &Assertion<'_>) -> Result<u32, Fault> {
    if answer.credential != known.credential {
        return Err(Fault::WrongCredential);
    }
    if answer.user.is_some_and(|user| user != asked.user) {
        return Err(Fault::WrongUser);
    }
    ClientData::check(answer.client_data, "webauthn.get", asked)?;
    let said = AuthenticatorData::parse(answer.authenticator_data).ok_or(Fault::Malformed)?;
    check_authenticator(&said, asked)?;
    if said.credential.is_some() {
        return Err(Fault::Malformed);
    }
    let mut signed = answer.authenticator_data.to_vec();
    signed.extend_from_slice(&Sha256::digest(answer.client_data));
    let key = PublicKey::parse(known.key).ok_or(Fault::BadKey)?;
    if !key.verify(&signed, answer.signature) {
        return Err(Fault::BadSignature);
    }
    if !said.flags.verified() {
        return Err(Fault::NotVerified);
    }
    if !goes_on(known.counter, said.counter) {
        return Err(Fault::Counter);
    }
    Ok(said.counter)
}

/// Whether a counter went on from one value to the other. One that stays 0 does not count.
pub fn goes_on(from: u32, to: u32) -> bool {
    (from == 0 && to == 0) || to > from
}

#[cfg(test)]
mod tests;
