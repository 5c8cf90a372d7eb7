//! A recovery key: an age identity that is printed once and kept on paper, as text for a scanner and as 24 words with
//! a checksum for a hand. The hub keeps only its recipient, so it seals for the key and cannot open with it.

use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use bech32::{Bech32, Hrp};
use bip39::{Language, Mnemonic};
use hubd_model::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

/// How an age identity's text begins. Source: age's format, `AGE-SECRET-KEY-1…`.
const PREFIX: &str = "AGE-SECRET-KEY-";
/// How many words 32 bytes and their checksum make. Source: BIP-39.
const WORDS: usize = 24;
/// More than any sheet of paper that somebody typed in.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A recovery key. Whoever has it and a backup, or the hub's disk, can read everything.
pub struct RecoveryKey(Identity);

/// Why a text is no recovery key. It never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecoveryKeyError {
    /// Neither of its two forms.
    #[error(
        "this is no recovery key: type its {WORDS} words, or its text AGE-SECRET-KEY-1…; {0} words were found"
    )]
    NotAKey(usize),
    /// A word that is not in the list.
    #[error(
        "word {0} of the recovery key is not one of the list: compare it with the paper, letter by letter"
    )]
    Word(usize),
    /// Every word is in the list, but they do not belong together.
    #[error(
        "the words of the recovery key do not belong together: compare them and their order with the paper"
    )]
    Checksum,
    /// The text form with a wrong letter.
    #[error(
        "the text of the recovery key has a wrong letter, or one too many or too few: compare it with the paper"
    )]
    Text,
    /// The system gave no randomness.
    #[error("the system gives no random numbers; check /dev/urandom")]
    Random,
}

impl RecoveryKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, RecoveryKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| RecoveryKeyError::Random)?;
        Self::from_bytes(&bytes).ok_or(RecoveryKeyError::Random)
    }

    fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let prefix = Hrp::parse("age-secret-key-").ok()?;
        let text = Zeroizing::new(bech32::encode::<Bech32>(prefix, bytes).ok()?);
        Identity::from_str(&text).ok().map(Self)
    }

    /// Reads either form, as it was printed or typed: capitals, line breaks and numbers before the words do not matter.
    ///
    /// # Errors
    /// What is wrong and where, never what was typed.
    pub fn parse(text: &SecretString) -> Result<Self, RecoveryKeyError> {
        let plain: Zeroizing<String> = Zeroizing::new(
            text.expose()
                .lines()
                .filter(|line| !line.trim_start().starts_with('#'))
                .flat_map(|line| line.chars().chain(['\n']))
                .collect(),
        );
        let joined: Zeroizing<String> = Zeroizing::new(
            plain
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
                .to_ascii_uppercase(),
        );
        if joined.starts_with(PREFIX) {
            return Identity::from_str(&joined)
                .map(Self)
                .map_err(|_| RecoveryKeyError::Text);
        }
        let words: Vec<Zeroizing<String>> = plain
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| !word.is_empty())
            .map(|word| Zeroizing::new(word.to_lowercase()))
            .collect();
        if words.len() != WORDS {
            return Err(RecoveryKeyError::NotAKey(words.len()));
        }
        let mut line = Zeroizing::new(String::new());
        for word in &words {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &line).map_err(told)?;
        let (entropy, length) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        entropy
            .first_chunk::<32>()
            .filter(|_| length == 32)
            .and_then(Self::from_bytes)
            .ok_or(RecoveryKeyError::Checksum)
    }

    /// The recipient that the hub seals to.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// The key as age's own program takes it.
    pub fn text(&self) -> SecretString {
        SecretString::new(self.0.to_string().expose_secret().to_owned())
    }

    /// The key as words.
    ///
    /// # Errors
    /// Never in practice: every age identity is 32 bytes.
    pub fn words(&self) -> Result<Vec<&'static str>, RecoveryKeyError> {
        let text = self.0.to_string();
        let (_, bytes) = bech32::decode(text.expose_secret()).map_err(|_| RecoveryKeyError::Text)?;
        let bytes = Zeroizing::new(bytes);
        let mnemonic = Mnemonic::from_entropy(&bytes).map_err(|_| RecoveryKeyError::Text)?;
        Ok(mnemonic.words().collect())
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.0
    }
}

fn told(error: bip39::Error) -> RecoveryKeyError {
    match error {
        bip39::Error::UnknownWord(index) => RecoveryKeyError::Word(index.saturating_add(1)),
        bip39::Error::BadWordCount(count) => RecoveryKeyError::NotAKey(count),
        bip39::Error::InvalidChecksum
        | bip39::Error::BadEntropyBitCount(_)
        | bip39::Error::AmbiguousLanguages(_) => RecoveryKeyError::Checksum,
    }
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RecoveryKey, RecoveryKeyError> {
        RecoveryKey::parse(&SecretString::new(text.to_owned()))
    }

    #[test]
    fn both_forms_come_back_however_they_were_typed() {
        let key = RecoveryKey::generate().unwrap();
        let words = key.words().unwrap();
        assert_eq!(words.len(), WORDS);
        let numbered: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(index, word)| format!("{:2}. {}", index + 1, word.to_uppercase()))
            .collect();
        let text = key.text();
        let (left, right) = text.expose().split_at(30);
        let forms = [
            words.join(" "),
            numbered.join("\n"),
            text.expose().to_owned(),
            format!("# a comment\n  {}\n{right}\n", left.to_lowercase()),
        ];
        for form in forms {
            assert_eq!(parse(&form).unwrap().recipient(), key.recipient());
        }
        assert_eq!(format!("{key:?}"), "[redacted]");
    }

    #[test]
    fn the_words_are_those_of_the_standard() {
        // The 256 zero bits of BIP-39's own vectors.
        let words = format!("{}art", "abandon ".repeat(23));
        let key = parse(&words).unwrap();
        let (_, bytes) = bech32::decode(key.text().expose()).unwrap();
        assert_eq!(bytes, [0; 32]);
    }

    #[test]
    fn a_slip_of_the_pen_is_told_by_its_place() {
        let mut words = ["abandon"; WORDS];
        words[WORDS - 1] = "art";
        let key = parse(&words.join(" ")).unwrap();
        assert_eq!(
            parse(&words[1..].join(" ")).unwrap_err(),
            RecoveryKeyError::NotAKey(23)
        );
        words[2] = "hubd";
        assert_eq!(parse(&words.join(" ")).unwrap_err(), RecoveryKeyError::Word(3));
        words[2] = "zoo";
        assert_eq!(parse(&words.join(" ")).unwrap_err(), RecoveryKeyError::Checksum);
        let text = key.text();
        assert_eq!(parse(&text.expose()[..50]).unwrap_err(), RecoveryKeyError::Text);
        assert_eq!(parse("").unwrap_err(), RecoveryKeyError::NotAKey(0));
    }
}
