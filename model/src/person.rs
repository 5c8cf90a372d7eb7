//! People, and what opens a door for them.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::secret::SecretString;

/// What somebody is to the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides about everything.
    Owner,
    /// Lives here.
    Resident,
    /// Comes at times.
    Guest,
    /// Comes in an emergency.
    Responder,
}

impl Role {
    /// The role as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Resident => "resident",
            Self::Guest => "guest",
            Self::Responder => "responder",
        }
    }
}

/// A kind of credential that a lock keeps.
///
/// Spec: Matter Application Clusters, Door Lock, `CredentialTypeEnum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// Digits at the keypad.
    Pin,
    /// A tag or card.
    Rfid,
    /// A finger.
    Fingerprint,
}

impl CredentialKind {
    /// The kind as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Rfid => "rfid",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Every day.
    #[default]
    Daily,
    /// When the daily one fails.
    Backup,
    /// Kept ready, on no lock until an incident or a person enables it.
    Emergency,
}

impl Usage {
    /// The usage as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Backup => "backup",
            Self::Emergency => "emergency",
        }
    }
}

/// A PIN: a text of digits, whose leading zeros count.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(SecretString);

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A text that is no PIN. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a PIN is {min} to {max} digits from 0 to 9", min = Pin::DIGITS.start(), max = Pin::DIGITS.end())]
pub struct ParsePinError;

impl Pin {
    /// How many digits a PIN has. Each lock has limits of its own within these.
    pub const DIGITS: RangeInclusive<usize> = 4..=15;

    /// Parses a PIN.
    ///
    /// # Errors
    /// When it has too few or too many characters, or one that is no digit.
    pub fn parse(text: SecretString) -> Result<Self, ParsePinError> {
        let digits = text.expose().bytes().all(|byte| byte.is_ascii_digit());
        if digits && Self::DIGITS.contains(&text.expose().len()) {
            Ok(Self(text))
        } else {
            Err(ParsePinError)
        }
    }

    /// How many digits it has.
    pub fn digits(&self) -> usize {
        self.0.expose().len()
    }

    /// Shows the digits to a lock's frame, a seal or the person who asked. Never print or store them unsealed.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_digits_and_keeps_its_zeros() {
        let pin = |text: &str| Pin::parse(SecretString::new(text.to_owned()));
        assert_eq!(pin("0042").unwrap().expose(), "0042");
        assert_eq!(format!("{:?}", pin("0042").unwrap()), "[redacted]");
        for bad in ["", "123", "1234567890123456", "12a4", "12 4", "１２３４"] {
            assert_eq!(pin(bad), Err(ParsePinError), "{bad:?}");
        }
    }
}
