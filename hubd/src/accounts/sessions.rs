//! Sessions: opaque tokens, and how long they hold.
//!
//! Promise: a date that was set back does not bring a session back that had ended by its own last use, and one that
//! lies in the future ends nothing.

use hubd_model::{Role, SecretString, UnixMillis};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::AccountError;
use crate::store::SessionRow;
use crate::store::shape::hex;

const DAY_MS: i64 = 24 * 3_600_000;
/// How long somebody who proved who they are need not prove it again, in milliseconds.
pub const CONFIRMED_FOR_MS: i64 = 5 * 60_000;

/// How long a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Without being used.
    idle_ms: i64,
    /// At all.
    whole_ms: i64,
}

impl Lifetime {
    /// A responder's tablet hangs on a wall and only shows; everybody else signs in again at times.
    pub const fn of(role: Role) -> Self {
        match role {
            Role::Owner | Role::Resident | Role::Guest => Self {
                idle_ms: 30 * DAY_MS,
                whole_ms: 180 * DAY_MS,
            },
            Role::Responder => Self {
                idle_ms: 180 * DAY_MS,
                whole_ms: 730 * DAY_MS,
            },
        }
    }

    /// Whether this session still holds.
    pub fn holds(self, session: &SessionRow, now: UnixMillis) -> bool {
        let now = now.0.max(session.last_seen.0);
        now.saturating_sub(session.last_seen.0) < self.idle_ms
            && now.saturating_sub(session.created_at.0) < self.whole_ms
    }

    /// Last use and beginning of the oldest session that may still hold.
    pub fn oldest(self, now: UnixMillis) -> (UnixMillis, UnixMillis) {
        let before = |span: i64| UnixMillis(now.0.saturating_sub(span));
        (before(self.idle_ms), before(self.whole_ms))
    }
}

/// Whether the person of this session proved who they are a short while ago.
pub fn is_confirmed(session: &SessionRow, now: UnixMillis) -> bool {
    let age = now.0.saturating_sub(session.confirmed_at.0);
    (0..CONFIRMED_FOR_MS).contains(&age)
}

/// A new token of 256 random bits, and what is kept of it.
pub(super) fn new_token() -> Result<(SecretString, [u8; 32]), AccountError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Random)?;
    let text = hex(&bytes);
    bytes.zeroize();
    let hash = hash(&text);
    Ok((SecretString::new(text), hash))
}

/// What is kept of a token. How long it takes to find tells nothing: nobody can choose the hash of a guess.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(created: i64, seen: i64) -> SessionRow {
        SessionRow {
            id: "s".into(),
            account: "a".into(),
            created_at: UnixMillis(created),
            last_seen: UnixMillis(seen),
            confirmed_at: UnixMillis(seen),
            address: String::new(),
            agent: String::new(),
        }
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_when_it_is_old() {
        let life = Lifetime::of(Role::Owner);
        let cases = [
            (0, 0, 30 * DAY_MS - 1, true),
            (0, 0, 30 * DAY_MS, false),
            (0, 170 * DAY_MS, 180 * DAY_MS - 1, true),
            (0, 170 * DAY_MS, 180 * DAY_MS, false),
            // Set back: the last use counts.
            (0, 181 * DAY_MS, DAY_MS, false),
            (0, 20 * DAY_MS, 0, true),
        ];
        for (created, seen, now, holds) in cases {
            assert_eq!(
                life.holds(&session(created, seen), UnixMillis(now)),
                holds,
                "{created} {seen} {now}"
            );
        }
    }

    #[test]
    fn a_confirmation_is_short_and_never_in_the_future() {
        let session = session(1000, 1000);
        assert!(is_confirmed(&session, UnixMillis(1000)));
        assert!(is_confirmed(&session, UnixMillis(1000 + CONFIRMED_FOR_MS - 1)));
        assert!(!is_confirmed(&session, UnixMillis(1000 + CONFIRMED_FOR_MS)));
        assert!(!is_confirmed(&session, UnixMillis(999)));
    }
}
