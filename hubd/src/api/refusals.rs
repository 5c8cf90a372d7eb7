//! Whom the gate refused: why, how often in a row from where, and what of it is recorded. All of it has a limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// More addresses than fail at once in a home; the one that failed longest ago is forgotten first.
const ADDRESSES_MAX: usize = 1024;
/// So many failures in a row are answered as such; further ones are only told to wait.
const FAILURES_MAX: u32 = 10;
/// Failures are forgotten when the address was quiet for so long.
const FAILURES_WINDOW: Duration = Duration::from_mins(1);
/// A refusal of one kind is recorded at most so often.
const RECORD_EVERY: Duration = Duration::from_mins(1);

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing was shown.
    Missing,
    /// A wrong token was shown.
    Wrong,
    /// The session has ended.
    Ended,
    /// Somebody known may not do this.
    TooSmall,
    /// It comes from another site's page.
    Foreign,
    /// A sign-in did not succeed.
    SignIn,
}

const REFUSALS: usize = 6;

/// The gate's memory of those whom it refused.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: Mutex<Failures>,
}

impl Gate {
    /// Whether this refusal is to be recorded: at most one of its kind a minute.
    pub(super) fn records(&self, refused: Refused) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.records(refused, Instant::now())
    }

    /// Notes a refusal of somebody at this address: how many seconds they have to wait when there were too many, and
    /// whether it is to be recorded.
    pub(super) fn note(&self, refused: Refused, address: Option<IpAddr>) -> (Option<u32>, bool) {
        let now = Instant::now();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match refused {
            Refused::Missing | Refused::Wrong => address.and_then(|address| failures.count(address, now)),
            Refused::Ended | Refused::TooSmall | Refused::Foreign | Refused::SignIn => None,
        };
        (wait, failures.records(refused, now))
    }
}

#[derive(Debug, Default)]
struct Failures {
    by_address: HashMap<IpAddr, (u32, Instant)>,
    recorded: [Option<Instant>; REFUSALS],
}

impl Failures {
    /// Counts a failure; the seconds to wait when there were too many.
    fn count(&mut self, address: IpAddr, now: Instant) -> Option<u32> {
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&address) {
            self.by_address
                .retain(|_, (_, last)| now.duration_since(*last) < FAILURES_WINDOW);
            if self.by_address.len() >= ADDRESSES_MAX {
                let oldest = self
                    .by_address
                    .iter()
                    .min_by_key(|(_, (_, last))| *last)
                    .map(|(who, _)| *who);
                oldest.and_then(|who| self.by_address.remove(&who));
            }
        }
        let (count, last) = self.by_address.entry(address).or_insert((0, now));
        if now.duration_since(*last) >= FAILURES_WINDOW {
            *count = 0;
        }
        *last = now;
        *count = count.saturating_add(1);
        (*count > FAILURES_MAX).then_some(60)
    }

    fn records(&mut self, refused: Refused, now: Instant) -> bool {
        let Some(last) = self.recorded.get_mut(refused as usize) else {
            return false;
        };
        if last.is_some_and(|last| now.duration_since(last) < RECORD_EVERY) {
            return false;
        }
        *last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_failures_is_bounded_and_forgets() {
        let mut failures = Failures::default();
        let mine = IpAddr::from([127, 0, 0, 1]);
        let start = Instant::now();
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.count(mine, start), None);
        }
        assert_eq!(failures.count(mine, start), Some(60));
        let later = start + FAILURES_WINDOW;
        assert_eq!(failures.count(mine, later), None);
        for number in 0..5000_u32 {
            failures.count(IpAddr::from(number.to_be_bytes()), later);
        }
        assert!(failures.by_address.len() <= ADDRESSES_MAX);
    }

    #[test]
    fn a_refusal_of_one_kind_is_recorded_once_a_minute() {
        let mut failures = Failures::default();
        let start = Instant::now();
        assert!(failures.records(Refused::Wrong, start));
        assert!(!failures.records(Refused::Wrong, start));
        assert!(failures.records(Refused::Missing, start));
        assert!(failures.records(Refused::Wrong, start + RECORD_EVERY));
    }
}
