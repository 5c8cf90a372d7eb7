//! One-time codes that people copy by hand: setup codes, invitations and recovery codes.
//!
//! Promise: they are random, and whatever people make of case, dashes, `O` and `I`, they are read as they were shown.

use hubd_model::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::AccountError;

/// Crockford's digits: none that is taken for another.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters between two dashes.
const GROUP: usize = 4;
/// Longer is no code.
const TEXT_MAX: usize = 64;

/// A new code of so many groups of four characters, of five bits each.
pub(super) fn random(groups: usize) -> Result<SecretString, AccountError> {
    let mut bytes = Zeroizing::new(vec![0; groups.saturating_mul(GROUP)]);
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Random)?;
    let mut text = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place % GROUP == 0 {
            text.push('-');
        }
        // A quotient of 256 by 32 without remainder: every digit is as likely as any other.
        text.push(
            DIGITS
                .get(usize::from(byte % 32))
                .map_or('0', |digit| char::from(*digit)),
        );
    }
    Ok(SecretString::new(text))
}

/// The code as it is compared: without dashes and spaces, in capitals. `None` when it can be none.
pub(super) fn plain(text: &str) -> Option<SecretString> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character.to_ascii_uppercase() {
            '-' | ' ' => {}
            'O' => plain.push('0'),
            'I' | 'L' => plain.push('1'),
            other if other.is_ascii() && DIGITS.contains(&(other as u8)) => plain.push(other),
            _ => return None,
        }
    }
    (!plain.is_empty()).then(|| SecretString::new(plain))
}

/// What is kept of a code. `purpose` keeps codes of one kind from being used as another.
pub(super) fn hash(purpose: &str, text: &str) -> Option<[u8; 32]> {
    let plain = plain(text)?;
    let digest = Sha256::new()
        .chain_update(purpose.as_bytes())
        .chain_update([0])
        .chain_update(plain.expose().as_bytes());
    Some(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_shown() {
        let code = random(4).unwrap();
        let text = code.expose();
        assert_eq!(text.len(), 19);
        assert_eq!(text.matches('-').count(), 3);
        let sloppy = text
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(hash("a", text), hash("a", &sloppy));
        assert_ne!(hash("a", text), hash("b", text));
        assert_ne!(random(4).unwrap(), code);
    }

    #[test]
    fn other_texts_are_no_codes() {
        for bad in ["", "----", "ABCU", "ÄBCD", "ab\ncd", &"A".repeat(65)] {
            assert!(plain(bad).is_none(), "{bad:?}");
        }
    }
}
