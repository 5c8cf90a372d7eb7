//! Time-based one-time passwords as second factor.
//!
//! Spec: RFC 6238 with SHA-1, 6 digits, 30 seconds and one step of tolerance, which is what every authenticator knows.

use std::fmt::Write as _;

use hubd_model::{SecretBytes, SecretString, UnixMillis};
use totp_rs::{Builder, Totp};

use super::AccountError;

/// 160 bits, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// What an authenticator shows above the code.
const ISSUER: &str = "hubd";

/// A new secret.
pub(super) fn random() -> Result<SecretBytes, AccountError> {
    let mut bytes = vec![0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Random)?;
    Ok(SecretBytes::new(bytes))
}

fn machine(secret: &SecretBytes) -> Totp {
    // The builder's defaults are the parameters at the head of this module, and the secret's length is our own.
    Builder::new().with_secret(secret.expose()).build_noncompliant()
}

/// The step whose code this is, around `now`.
pub(super) fn step(secret: &SecretBytes, code: &str, now: UnixMillis) -> Option<u64> {
    let digits: String = code.chars().filter(|c| *c != ' ').collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = u64::try_from(now.0.div_euclid(1000)).ok()?;
    machine(secret).check(&digits, seconds)
}

/// The secret for people who type it, and the URI for a QR code.
pub(super) fn shown(secret: &SecretBytes, name: &str) -> (SecretString, SecretString) {
    let text = totp_rs::Secret::from(secret.expose()).to_base32();
    let mut label = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            label.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(label, "%{byte:02X}");
        }
    }
    let uri = format!(
        "otpauth://totp/{ISSUER}:{label}?secret={text}&issuer={ISSUER}&algorithm=SHA1&digits=6&period=30"
    );
    (SecretString::new(text), SecretString::new(uri))
}

/// The code of this moment, for tests and tools that play the authenticator.
///
/// # Errors
/// When the secret is not base 32.
pub fn code(base32: &str, now: UnixMillis) -> Result<String, AccountError> {
    let secret = totp_rs::Secret::try_from_base32(base32).map_err(|_| AccountError::WrongCode)?;
    let secret = SecretBytes::new(secret.as_bytes().to_vec());
    let seconds = u64::try_from(now.0 / 1000).unwrap_or(0);
    Ok(machine(&secret).generate(seconds).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_standard() {
        // RFC 6238, appendix B, SHA-1: the last six of its eight digits.
        let secret = SecretBytes::new(b"12345678901234567890".to_vec());
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let at = |seconds: i64| UnixMillis(seconds * 1000);
            assert_eq!(
                step(&secret, code, at(seconds)),
                Some(u64::try_from(seconds).unwrap() / 30)
            );
            assert!(step(&secret, code, at(seconds + 30)).is_some(), "one step late");
            assert_eq!(step(&secret, code, at(seconds + 90)), None, "three steps late");
        }
        for bad in ["", "28708", "2870822", "28708a", "２８７０８２", "-87082"] {
            assert_eq!(step(&secret, bad, UnixMillis(59_000)), None, "{bad}");
        }
        assert!(step(&secret, "287 082", UnixMillis(59_000)).is_some());
        assert_eq!(step(&secret, "287082", UnixMillis(-1)), None);
    }

    #[test]
    fn what_is_shown_can_be_scanned_and_typed() {
        let secret = SecretBytes::new(b"12345678901234567890".to_vec());
        let (text, uri) = shown(&secret, "Ann & Ben");
        assert_eq!(text.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(
            uri.expose()
                .starts_with("otpauth://totp/hubd:Ann%20%26%20Ben?secret=GEZDG")
        );
        assert_eq!(code(text.expose(), UnixMillis(59_000)).unwrap(), "287082");
    }
}
