//! The only clock. Everything else is told the time.
//!
//! Deadlines run on `CLOCK_BOOTTIME`, which goes on while the machine sleeps: a request that was waiting when the
//! lid was closed is stale when it is opened. The date is trusted once the time service says that it set it:
//! systemd-timesyncd leaves a mark in `/run` when it did so since boot. Without that mark the date counts as not
//! trusted, whatever it says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hubd_model::{MonoTime, Now, Transition, UnixMillis, WallTime, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The mark that systemd-timesyncd leaves when it has set the clock since boot.
///
/// Source: systemd-timesyncd.service(8), section Files.
pub const SYNCED_MARK: &str = "/run/systemd/timesync/synchronized";
/// How long an absent mark is taken for absent, in microseconds.
const LOOK_AGAIN_US: u64 = 1_000_000;
/// How many changes of the home's offset are known in advance: two a year, for a hundred years.
const ZONE_CHANGES_MAX: usize = 200;

/// Both clocks, and whether the date may be relied on.
#[derive(Debug)]
pub struct Clock {
    mark: PathBuf,
    synced: AtomicBool,
    look_again: AtomicU64,
}

impl Clock {
    /// The machine's clock, vouched for by systemd-timesyncd.
    pub fn system() -> Self {
        Self::with_mark(SYNCED_MARK.into())
    }

    /// The machine's clock, vouched for by the file `mark`.
    pub const fn with_mark(mark: PathBuf) -> Self {
        Self {
            mark,
            synced: AtomicBool::new(false),
            look_again: AtomicU64::new(0),
        }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        let mono = mono();
        let wall = unix_millis();
        Now {
            mono,
            wall: if self.is_synced(mono) {
                WallTime::Synced(wall)
            } else {
                WallTime::Unsynced(wall)
            },
        }
    }

    /// The mark stays until the machine boots again, so it is looked for only until it is there.
    fn is_synced(&self, mono: MonoTime) -> bool {
        if self.synced.load(Ordering::Relaxed) {
            return true;
        }
        if mono.as_micros() < self.look_again.load(Ordering::Relaxed) {
            return false;
        }
        self.look_again
            .store(mono.as_micros().saturating_add(LOOK_AGAIN_US), Ordering::Relaxed);
        let synced = self.mark.exists();
        self.synced.store(synced, Ordering::Relaxed);
        synced
    }
}

/// The monotonic clock.
pub fn mono() -> MonoTime {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
    let micros = tv_sec.saturating_mul(1_000_000).saturating_add(tv_nsec / 1_000);
    MonoTime::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// The date, trusted or not.
pub fn unix_millis() -> UnixMillis {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
    UnixMillis(tv_sec.saturating_mul(1_000).saturating_add(tv_nsec / 1_000_000))
}

/// How far the system's time zone was ahead of UTC at this moment, in minutes.
pub fn utc_offset_minutes(at: UnixMillis) -> i32 {
    Timestamp::from_millisecond(at.0).map_or(0, |at| TimeZone::system().to_offset(at).seconds() / 60)
}

/// The home's time zone as the mind takes it: its offset at `since` and its changes after that.
pub fn home_zone(zone: &TimeZone, since: UnixMillis) -> Zone {
    let Ok(since) = Timestamp::from_millisecond(since.0) else {
        return Zone::default();
    };
    let changes = zone
        .following(since)
        .take(ZONE_CHANGES_MAX)
        .map(|change| Transition {
            at: UnixMillis(change.timestamp().as_millisecond()),
            offset_minutes: change.offset().seconds() / 60,
        });
    Zone::new(zone.to_offset(since).seconds() / 60, changes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_zone_is_that_of_the_system_for_a_hundred_years() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let since = UnixMillis(1_767_225_600_000);
        let home = home_zone(&zone, since);
        for hours in 0..24 * 365 * 99 {
            let at = UnixMillis(since.0 + hours * 3_600_000);
            let stamp = Timestamp::from_millisecond(at.0).unwrap();
            assert_eq!(
                home.offset_minutes(at),
                zone.to_offset(stamp).seconds() / 60,
                "{stamp}"
            );
        }
        assert_eq!(home_zone(&TimeZone::UTC, since), Zone::fixed(0));
    }

    #[test]
    fn the_date_is_trusted_once_the_mark_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("synchronized");
        let clock = Clock::with_mark(mark.clone());
        let first = clock.now();
        assert!(!first.wall.is_synced());
        std::fs::write(&mark, "").unwrap();
        // An absent mark is not looked for at every reading.
        assert!(!clock.is_synced(first.mono));
        assert!(clock.is_synced(MonoTime::from_micros(first.mono.as_micros() + 2 * LOOK_AGAIN_US)));
        assert!(clock.now().wall.is_synced());
        assert!(clock.now().mono >= first.mono);
    }
}
