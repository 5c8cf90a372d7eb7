//! Passwords: which are good enough, and their Argon2id hashes.
//!
//! Promise: hashing never holds up the front's thread, and at most two run at a time: each takes 19 MiB for a moment, and
//! a flood of sign-ins must not take the memory of a Raspberry Pi.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use hubd_model::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AccountError;

/// Fewer characters are guessed too easily.
pub const CHARS_MIN: usize = 10;
/// More is no password.
pub const CHARS_MAX: usize = 128;
/// A text that consists of fewer different characters is a pattern.
const DIFFERENT_MIN: usize = 5;
/// How many hashes are computed at a time.
const AT_A_TIME: usize = 2;
/// How many may wait beyond that.
const WAITING_MAX: usize = 16;

/// Checks whether a password is good enough for this account.
///
/// # Errors
/// One sentence: what it lacks.
pub(super) fn check(password: &SecretString, name: &str) -> Result<(), AccountError> {
    let text = password.expose();
    let chars = text.chars().count();
    let weak = |reason| Err(AccountError::WeakPassword(reason));
    if !(CHARS_MIN..=CHARS_MAX).contains(&chars) {
        return weak(
            "a password has 10 to 128 characters; a few words that belong together only for you are best",
        );
    }
    let lower = text.to_lowercase();
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT_MIN {
        return weak("this password repeats too few characters; take more different ones");
    }
    if is_run(&lower) {
        return weak("this password is a row of neighbours of the alphabet, the digits or the keyboard");
    }
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    if COMMON.contains(&letters.as_str()) || letters == name.to_lowercase() {
        return weak("this password is the name or one of the words that are guessed first");
    }
    Ok(())
}

/// Words that lead every list of stolen passwords, when nothing but digits and signs is put around them.
const COMMON: [&str; 8] = [
    "password",
    "passwort",
    "administrator",
    "letmein",
    "iloveyou",
    "welcome",
    "changeme",
    "opensesame",
];

fn is_run(text: &str) -> bool {
    const ROWS: [&str; 6] = [
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890123456789",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertzuiopasdfghjklyxcvbnm",
        "azertyuiopqsdfghjklmwxcvbn",
        "1qaz2wsx3edc4rfv5tgb",
    ];
    let back: String = text.chars().rev().collect();
    ROWS.iter().any(|row| row.contains(text) || row.contains(&back))
}

/// Computes and compares hashes on threads of their own, a few at a time.
#[derive(Debug, Clone)]
pub(super) struct Hashing {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self {
            running: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: Arc::new(Semaphore::new(AT_A_TIME + WAITING_MAX)),
        }
    }

    /// The hash of a password, with a new salt, as a PHC string.
    pub(super) async fn hash(&self, password: SecretString) -> Result<SecretString, AccountError> {
        let _turn = self.turn().await?;
        on_a_thread(move || hash(&password)).await?
    }

    /// Whether this is the password of that hash. Without a hash it takes as long and is not.
    pub(super) async fn verify(
        &self,
        password: SecretString,
        hash: Option<SecretString>,
    ) -> Result<bool, AccountError> {
        let _turn = self.turn().await?;
        on_a_thread(move || verify(&password, hash.as_ref())).await
    }

    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), AccountError> {
        let place = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| AccountError::Busy)?;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| AccountError::Busy)?;
        Ok((place, turn))
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AccountError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| AccountError::Busy)
}

/// The hash of a password with a new salt: Argon2id with 19 MiB, 2 passes, 1 lane.
///
/// Spec: RFC 9106; the parameters are OWASP's first recommendation.
pub(super) fn hash(password: &SecretString) -> Result<SecretString, AccountError> {
    let hash = Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map_err(|_| AccountError::Random)?;
    Ok(SecretString::new(hash.to_string()))
}

fn verify(password: &SecretString, hash: Option<&SecretString>) -> bool {
    /// The hash of a text that nobody knows: comparing with it takes as long as with a real one.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$\
                          AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let text = hash.map_or(NOBODY, SecretString::expose);
    let Ok(parsed) = PasswordHash::new(text) else {
        tracing::error!("a password hash in the database cannot be read; nobody is let in by it");
        return false;
    };
    let right = Argon2::default()
        .verify_password(password.expose().as_bytes(), &parsed)
        .is_ok();
    right && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::new(text.to_owned())
    }

    #[test]
    fn weak_passwords_are_refused_with_what_they_lack() {
        let cases = [
            ("short", Some("10 to 128")),
            ("aaaaaaaaaaaa", Some("repeats")),
            ("1212121212", Some("repeats")),
            ("1234567890", Some("row")),
            ("qwertyuiop", Some("row")),
            ("zyxwvutsrqp", Some("row")),
            ("Password123!", Some("guessed first")),
            ("Marianne-2024", Some("guessed first")),
            ("correct horse battery", None),
            ("drei Äpfel im Korb", None),
        ];
        for (text, words) in cases {
            let checked = check(&secret(text), "Marianne");
            match (checked, words) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{text}: {error}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_hash_opens_for_its_password_alone() {
        let hashing = Hashing::new();
        let hash = hashing.hash(secret("correct horse")).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(
            hashing
                .verify(secret("correct horse"), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!hashing.verify(secret("correct horsf"), Some(hash)).await.unwrap());
        assert!(!hashing.verify(secret("anything"), None).await.unwrap());
        assert!(
            !hashing
                .verify(secret("anything"), Some(secret("no hash")))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_that_the_hub_is_busy() {
        let hashing = Hashing::new();
        let mut held = Vec::new();
        for _ in 0..AT_A_TIME {
            held.push(hashing.turn().await.unwrap());
        }
        let waiting: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let hashing = hashing.clone();
                tokio::spawn(async move { hashing.turn().await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(matches!(hashing.turn().await, Err(AccountError::Busy)));
        drop(held);
        for one in waiting {
            assert!(one.await.unwrap());
        }
    }
}
