//! Slows guessing down without shutting anybody out for long, in bounded memory.
//!
//! ```text
//!   free tries --> wait 1 s, 2 s, 4 s ... 15 min --(an hour of quiet, or the right answer)--> free tries
//! ```
//! Promise: an attempt counts when it begins, so that many at the same time gain nothing. A person's own device is
//! not held up by strangers who guess at the person's name: familiar addresses are counted apart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// More than fail at once in a home; the one that failed longest ago is forgotten first.
const COUNTED_MAX: usize = 1024;
/// So many attempts need not wait.
const FREE: u32 = 10;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_mins(15);
/// Attempts are forgotten after so much quiet.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Attempts from one address.
    Address(IpAddr),
    /// Attempts at one account from addresses where it never signed in.
    Account(String),
    /// Attempts at one account from an address where it did.
    Familiar(String, IpAddr),
}

/// A household's device has one IPv4 address, or as many IPv6 addresses of one network as it likes.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    attempts: u32,
    last: Instant,
}

impl Count {
    fn wait(self) -> Duration {
        let over = self.attempts.saturating_sub(FREE);
        if over == 0 {
            return Duration::ZERO;
        }
        let seconds = 1_u64.checked_shl(over - 1).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).min(WAIT_MAX)
    }
}

/// Everybody who tried.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    counted: HashMap<Key, Count>,
}

impl Throttle {
    /// Begins an attempt under all of these keys; the seconds to wait when one of them has to, then nothing counts.
    pub(super) fn begin(&mut self, keys: &[Key], now: Instant) -> Result<(), u32> {
        let wait = keys
            .iter()
            .filter_map(|key| {
                let count = self.counted.get(key)?;
                let since = now.duration_since(count.last);
                count.wait().checked_sub(since).filter(|left| !left.is_zero())
            })
            .max();
        if let Some(wait) = wait {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            return Err(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        for key in keys {
            self.make_room(key, now);
            let count = self.counted.entry(key.clone()).or_insert(Count {
                attempts: 0,
                last: now,
            });
            if now.duration_since(count.last) >= FORGET_AFTER {
                count.attempts = 0;
            }
            count.attempts = count.attempts.saturating_add(1);
            count.last = now;
        }
        Ok(())
    }

    /// The attempt was right: nothing is held against these any more.
    pub(super) fn right(&mut self, keys: &[Key]) {
        for key in keys {
            self.counted.remove(key);
        }
    }

    fn make_room(&mut self, key: &Key, now: Instant) {
        if self.counted.len() < COUNTED_MAX || self.counted.contains_key(key) {
            return;
        }
        self.counted
            .retain(|_, count| now.duration_since(count.last) < FORGET_AFTER);
        if self.counted.len() >= COUNTED_MAX {
            let oldest = self.counted.iter().min_by_key(|(_, count)| count.last);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| self.counted.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Key {
        Key::Address(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn waits_grow_end_and_are_forgiven() {
        let mut throttle = Throttle::default();
        let keys = [address(1)];
        let mut now = Instant::now();
        for _ in 0..FREE {
            assert_eq!(throttle.begin(&keys, now), Ok(()));
        }
        assert_eq!(
            throttle.begin(&keys, now),
            Ok(()),
            "the last one without a wait before it"
        );
        let mut waits = Vec::new();
        for _ in 0..12 {
            let seconds = throttle.begin(&keys, now).unwrap_err();
            waits.push(seconds);
            now += Duration::from_secs(u64::from(seconds));
            assert_eq!(throttle.begin(&keys, now), Ok(()));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        throttle.right(&keys);
        assert_eq!(throttle.begin(&keys, now), Ok(()));
        for _ in 0..20 {
            let _ = throttle.begin(&keys, now);
        }
        assert!(throttle.begin(&keys, now).is_err());
        now += FORGET_AFTER;
        for _ in 0..FREE {
            assert_eq!(throttle.begin(&keys, now), Ok(()), "forgotten");
        }
    }

    #[test]
    fn an_attempt_that_has_to_wait_counts_for_nobody() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let account = Key::Account("a".into());
        for number in 0..=FREE {
            let from = address(u8::try_from(number).unwrap());
            assert_eq!(throttle.begin(&[from, account.clone()], now), Ok(()));
        }
        for _ in 0..100 {
            assert_eq!(throttle.begin(&[address(200), account.clone()], now), Err(1));
        }
        assert_eq!(
            throttle.begin(&[address(200)], now),
            Ok(()),
            "a stranger who had to wait is not punished twice"
        );
        let familiar = Key::Familiar("a".into(), IpAddr::from([192, 0, 2, 7]));
        assert_eq!(
            throttle.begin(&[familiar], now),
            Ok(()),
            "their own device is not held up"
        );
    }

    #[test]
    fn memory_is_bounded_and_an_ipv6_network_is_one_address() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..5000_u32 {
            let key = Key::Address(IpAddr::from(number.to_be_bytes()));
            let _ = throttle.begin(&[key], now + Duration::from_millis(u64::from(number)));
        }
        assert!(throttle.counted.len() <= COUNTED_MAX);
        let six = |text: &str| network(text.parse().unwrap());
        assert_eq!(six("2001:db8::1"), six("2001:db8::ffff:1"));
        assert_ne!(six("2001:db8::1"), six("2001:db8:0:1::1"));
        assert_eq!(six("::ffff:192.0.2.1"), IpAddr::from([192, 0, 2, 1]));
    }
}
