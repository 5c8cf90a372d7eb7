//! API tokens for machines: how they look and what they allow.
//!
//! A token is `hubd_ID_SECRET`: the id names it in lists and records, the secret is 256 random bits. Only the
//! SHA-256 of the whole text is kept, so neither the database nor a backup of it can be used to sign in.

use hubd_model::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use utoipa::ToSchema;
use zeroize::Zeroize;

use crate::store::shape::hex;

const PREFIX: &str = "hubd_";
const ID_BYTES: usize = 5;
const SECRET_BYTES: usize = 32;

/// What a token allows. Each scope allows what the ones before it allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See everything but secrets.
    Read,
    /// Also move bolts.
    Actuate,
    /// Also include, exclude, rename, and make and remove tokens.
    Manage,
}

impl Scope {
    /// Every scope, the smallest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Actuate, Self::Manage];

    /// The scope as the API and the store name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Actuate => "actuate",
            Self::Manage => "manage",
        }
    }

    /// The scope of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A token name that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token's name has 1 to 64 characters, without control characters and without spaces at its ends")]
pub struct BadName;

/// Checks a token's name.
///
/// # Errors
/// When it is empty, too long, or would not print as it is.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let fits = (1..=64).contains(&name.chars().count());
    if fits && name.trim() == name && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(BadName)
    }
}

/// A token that was just made: the only moment at which its text exists.
#[derive(Debug)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// The SHA-256 of its text.
    pub hash: [u8; 32],
    /// Its text, to be shown once.
    pub text: SecretString,
}

impl NewToken {
    /// Makes a token with the system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; ID_BYTES];
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        let id = hex(&id);
        let mut digits = hex(&secret);
        let text = format!("{PREFIX}{id}_{digits}");
        secret.zeroize();
        digits.zeroize();
        Ok(Self {
            id,
            hash: hash(&text),
            text: SecretString::new(text),
        })
    }
}

/// The id in a token's text; `None` when it cannot be a token.
pub fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let digits = |part: &str, bytes: usize| {
        part.len() == bytes * 2
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    (digits(id, ID_BYTES) && digits(secret, SECRET_BYTES)).then_some(id)
}

/// What is kept of a token's text.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_itself_and_only_its_hash_is_kept() {
        let token = NewToken::random().unwrap();
        let text = token.text.expose();
        assert_eq!(id_of(text), Some(token.id.as_str()));
        assert_eq!(hash(text), token.hash);
        assert_eq!(text.len(), "hubd__".len() + 2 * (ID_BYTES + SECRET_BYTES));
        assert!(!format!("{token:?}").contains(text));
    }

    #[test]
    fn other_texts_are_not_tokens() {
        let token = NewToken::random().unwrap();
        let text = token.text.expose();
        for bad in [
            "",
            "hubd_",
            "hubd__",
            &text[1..],
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &format!("{text}0"),
        ] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_scope_allows_what_the_smaller_ones_allow() {
        assert!(Scope::Read < Scope::Actuate && Scope::Actuate < Scope::Manage);
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("root"), None);
    }

    #[test]
    fn names_are_plain() {
        for (name, good) in [
            ("Home Assistant", true),
            ("", false),
            (" a", false),
            ("a\nb", false),
            ("ä", true),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        }
        assert!(check_name(&"x".repeat(65)).is_err());
    }
}
