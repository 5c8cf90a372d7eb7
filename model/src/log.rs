//! A lock's own record of what happened at it, as a radio reads it after a gap.
//!
//! A record is old news: it says what happened, by the lock's own clock, which may be wrong. Nothing is done on its word.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lock::{BoltState, Via};
use crate::unit::CodeSlot;

/// What tells one record of a lock from its others; its bytes mean nothing but to its radio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogMark(pub [u8; 10]);

/// What a lock's own clock showed: a date and a time of day in the lock's own idea of local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockClock {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl LockClock {
    /// A date from 2000 on and a time of day; `None` when there is no such moment, as on a lock whose clock was never
    /// set.
    pub const fn new(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<Self> {
        let date = year >= 2000 && year <= 9999 && month >= 1 && month <= 12 && day >= 1;
        if date && day <= days_in(year, month) && hour < 24 && minute < 60 && second < 60 {
            Some(Self {
                year,
                month,
                day,
                hour,
                minute,
                second,
            })
        } else {
            None
        }
    }

    /// Seconds since 1970-01-01T00:00:00 on the same clock, to tell how far two moments are apart.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    pub fn seconds(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        days * 86_400 + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// As in RFC 3339, without an offset: nobody knows the lock's.
impl fmt::Display for LockClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// What a record tells, as far as it is of the household's doors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logged {
    /// The bolt moved.
    Moved {
        /// Where to.
        bolt: BoltState,
        /// By what.
        via: Via,
    },
    /// A code was refused.
    Denied {
        /// Which slot's, where the lock says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<CodeSlot>,
    },
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// What tells it from others.
    pub mark: LogMark,
    /// What the lock's clock showed, where it showed anything.
    pub clock: Option<LockClock>,
    /// What it tells; `None` for what is no business of the journal (codes, batteries, settings).
    pub said: Option<Logged>,
}

/// How a reading of a lock's own record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEnd {
    /// At the records that were known.
    Known,
    /// At the first record that the lock ever wrote: none is missing.
    Whole,
    /// At the oldest record that it keeps, or at as many as were wanted: older ones may be missing.
    Full,
    /// Before either: what was read is incomplete and is to be read again.
    BrokenOff {
        /// One sentence.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_moments_that_exist_are_a_clock() {
        for (date, exists) in [
            ((2026, 11, 28, 23, 59, 59), true),
            ((2024, 2, 29, 0, 0, 0), true),
            ((2026, 2, 29, 0, 0, 0), false),
            ((2100, 2, 29, 0, 0, 0), false),
            ((0, 0, 0, 0, 0, 0), false),
            ((1999, 12, 31, 0, 0, 0), false),
            ((2026, 13, 1, 0, 0, 0), false),
            ((2026, 4, 31, 0, 0, 0), false),
            ((2026, 1, 1, 24, 0, 0), false),
        ] {
            let (year, month, day, hour, minute, second) = date;
            let clock = LockClock::new(year, month, day, hour, minute, second);
            assert_eq!(clock.is_some(), exists, "{date:?}");
        }
    }

    #[test]
    fn a_clock_counts_and_prints() {
        for (clock, seconds, text) in [
            (
                LockClock::new(2000, 2, 29, 0, 0, 1),
                951_782_401,
                "2000-02-29T00:00:01",
            ),
            (
                LockClock::new(2026, 1, 1, 0, 0, 0),
                1_767_225_600,
                "2026-01-01T00:00:00",
            ),
            (
                LockClock::new(2026, 11, 25, 21, 0, 0),
                1_795_640_400,
                "2026-11-25T21:00:00",
            ),
        ] {
            let clock = clock.unwrap();
            assert_eq!((clock.seconds(), clock.to_string()), (seconds, text.to_owned()));
        }
    }
}
