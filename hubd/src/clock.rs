//! The only clock. Everything else is told the time.
//!
//! Deadlines run on `CLOCK_BOOTTIME`, which goes on while the machine sleeps: a request that was waiting when the
//! lid was closed is stale when it is opened. The date is trusted once somebody who knows it vouches for it:
//! systemd-timesyncd leaves a mark in `/run` when it has set it since boot, and chrony, ntpd or a PTP service tell the
//! kernel how far it can be wrong. Without either the date counts as not trusted, whatever it says.

use std::ffi::c_long;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hubd_model::{MonoTime, Now, Transition, UnixMillis, WallTime, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rtime_clock::adjtime::{Timex, adjtimex};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The mark that systemd-timesyncd leaves when it has set the clock since boot.
///
/// Source: systemd-timesyncd.service(8), section Files.
pub const SYNCED_MARK: &str = "/run/systemd/timesync/synchronized";
/// The largest error that the kernel knows, in microseconds: it has this value since boot until a time service says how
/// far the date can be wrong, and reaches it again hours after the last word of one. `timedatectl` judges by it too.
///
/// Source: adjtimex(2), `maxerror`; `NTP_PHASE_LIMIT` of the kernel.
const MAX_ERROR_US: c_long = 16_000_000;
/// How long a date for which nobody vouches is taken for that, in microseconds.
const LOOK_AGAIN_US: u64 = 1_000_000;
/// How many changes of the home's offset are known in advance: two a year, for a hundred years.
const ZONE_CHANGES_MAX: usize = 200;

/// Both clocks, and whether the date may be relied on.
#[derive(Debug)]
pub struct Clock {
    mark: PathBuf,
    kernel_knows: fn() -> bool,
    synced: AtomicBool,
    look_again: AtomicU64,
}

impl Clock {
    /// The machine's clock, vouched for by systemd-timesyncd or through the kernel.
    pub fn system() -> Self {
        Self::vouched_by(SYNCED_MARK.into(), kernel_knows_the_date)
    }

    /// The machine's clock, vouched for by the file `mark`, or when `kernel_knows`.
    pub const fn vouched_by(mark: PathBuf, kernel_knows: fn() -> bool) -> Self {
        Self {
            mark,
            kernel_knows,
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

    /// What was set right once since boot stays right enough, so it is asked for only until then.
    fn is_synced(&self, mono: MonoTime) -> bool {
        if self.synced.load(Ordering::Relaxed) {
            return true;
        }
        if mono.as_micros() < self.look_again.load(Ordering::Relaxed) {
            return false;
        }
        self.look_again
            .store(mono.as_micros().saturating_add(LOOK_AGAIN_US), Ordering::Relaxed);
        let synced = self.mark.exists() || (self.kernel_knows)();
        self.synced.store(synced, Ordering::Relaxed);
        synced
    }
}

/// Whether a time service has told the kernel how far the date can be wrong. The flag `STA_UNSYNC` does not say it:
/// chrony leaves it set where the kernel is not to touch the battery clock.
fn kernel_knows_the_date() -> bool {
    let mut state = Timex::new();
    match adjtimex(&mut state) {
        Ok(_) => state.0.maxerror < MAX_ERROR_US,
        Err(error) => {
            tracing::debug!(%error, "the kernel does not say how right the date is");
            false
        }
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

/// How far a time zone was ahead of UTC at this moment, in minutes.
pub fn utc_offset_minutes(zone: &TimeZone, at: UnixMillis) -> i32 {
    Timestamp::from_millisecond(at.0).map_or(0, |at| zone.to_offset(at).seconds() / 60)
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
    fn the_date_is_trusted_once_the_kernel_knows_it() {
        static KNOWS: AtomicBool = AtomicBool::new(false);
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::vouched_by(folder.path().join("synchronized"), || {
            KNOWS.load(Ordering::Relaxed)
        });
        let first = clock.now();
        assert!(!first.wall.is_synced());
        KNOWS.store(true, Ordering::Relaxed);
        assert!(clock.is_synced(MonoTime::from_micros(first.mono.as_micros() + 2 * LOOK_AGAIN_US)));
        // A time service that is stopped does not make the date wrong.
        KNOWS.store(false, Ordering::Relaxed);
        assert!(clock.now().wall.is_synced());
    }

    #[test]
    fn the_kernel_says_how_far_the_date_can_be_wrong() {
        let mut state = Timex::new();
        adjtimex(&mut state).unwrap();
        let error = state.0.maxerror;
        assert!((0..=MAX_ERROR_US).contains(&error), "{error}");
        assert_eq!(kernel_knows_the_date(), error < MAX_ERROR_US);
    }

    #[test]
    fn the_date_is_trusted_once_the_mark_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("synchronized");
        let clock = Clock::vouched_by(mark.clone(), || false);
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
