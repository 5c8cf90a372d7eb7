//! The home's time zone as a value: from instants to the clock on the wall and back, without asking the system.

use crate::schedule::{LocalMinute, MinuteOfDay, WeekDay};
use crate::time::UnixMillis;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;

/// From this instant on, local time is so far ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The instant.
    pub at: UnixMillis,
    /// How far local time is ahead of UTC from then on, in minutes.
    pub offset_minutes: i32,
}

/// A time zone: an offset from UTC and the instants at which it changes. The shell fills it from the system's rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    first_offset_minutes: i32,
    transitions: Vec<Transition>,
}

impl Zone {
    /// A zone that never changes.
    pub const fn fixed(offset_minutes: i32) -> Self {
        Self {
            first_offset_minutes: offset_minutes,
            transitions: Vec::new(),
        }
    }

    /// A zone with changes, in any order.
    pub fn new(first_offset_minutes: i32, mut transitions: Vec<Transition>) -> Self {
        transitions.sort_by_key(|transition| transition.at);
        Self {
            first_offset_minutes,
            transitions,
        }
    }

    /// How far local time is ahead of UTC at an instant, in minutes.
    pub fn offset_minutes(&self, at: UnixMillis) -> i32 {
        let after = self.transitions.partition_point(|transition| transition.at <= at);
        after
            .checked_sub(1)
            .and_then(|index| self.transitions.get(index))
            .map_or(self.first_offset_minutes, |transition| transition.offset_minutes)
    }

    /// The next instant after `at` at which the offset changes.
    pub fn next_transition(&self, at: UnixMillis) -> Option<UnixMillis> {
        let after = self.transitions.partition_point(|transition| transition.at <= at);
        self.transitions.get(after).map(|transition| transition.at)
    }

    /// The day of the week and the minute of the day on the wall clock at an instant.
    pub fn wall(&self, at: UnixMillis) -> (WeekDay, MinuteOfDay) {
        let minutes = self.local_minutes(at);
        let day = minutes.div_euclid(DAY_MINUTES);
        let minute = minutes.rem_euclid(DAY_MINUTES);
        // 1970-01-01 was a Thursday.
        let week_day = (day + 3).rem_euclid(7);
        (
            WeekDay::from_monday(u8::try_from(week_day).unwrap_or(0)),
            u16::try_from(minute)
                .ok()
                .and_then(MinuteOfDay::new)
                .unwrap_or(MinuteOfDay::MIDNIGHT),
        )
    }

    /// The wall clock at an instant, to the minute below; `None` outside the years 1 to 9999.
    pub fn local(&self, at: UnixMillis) -> Option<LocalMinute> {
        let minutes = self.local_minutes(at);
        let (year, month, day) = civil(minutes.div_euclid(DAY_MINUTES));
        let minute = minutes.rem_euclid(DAY_MINUTES);
        Some(LocalMinute {
            year: u16::try_from(year)
                .ok()
                .filter(|year| (1..=9999).contains(year))?,
            month,
            day,
            hour: u8::try_from(minute / 60).ok()?,
            minute: u8::try_from(minute % 60).ok()?,
        })
    }

    fn local_minutes(&self, at: UnixMillis) -> i64 {
        at.0.div_euclid(MINUTE_MS)
            .saturating_add(i64::from(self.offset_minutes(at)))
    }
}

/// Year, month and day of a day since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        year,
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-29T01:00:00Z and 2026-10-25T01:00:00Z, when Central European Summer Time begins and ends.
    const SUMMER: UnixMillis = UnixMillis(1_774_746_000_000);
    const WINTER: UnixMillis = UnixMillis(1_792_890_000_000);

    fn berlin() -> Zone {
        let change = |at, offset_minutes| Transition { at, offset_minutes };
        Zone::new(60, vec![change(WINTER, 60), change(SUMMER, 120)])
    }

    #[test]
    fn the_wall_clock_jumps_with_daylight_saving() {
        let zone = berlin();
        let at = |instant: UnixMillis, shift: i64| {
            let (day, minute) = zone.wall(UnixMillis(instant.0 + shift));
            (day, minute.minutes())
        };
        assert_eq!(at(SUMMER, -1), (WeekDay::Sunday, 119));
        assert_eq!(at(SUMMER, 0), (WeekDay::Sunday, 180));
        assert_eq!(at(WINTER, -1), (WeekDay::Sunday, 179));
        assert_eq!(at(WINTER, 0), (WeekDay::Sunday, 120));
        assert_eq!(zone.next_transition(SUMMER), Some(WINTER));
        assert_eq!(zone.next_transition(WINTER), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let local = |at| {
            let local = Zone::fixed(0).local(UnixMillis(at)).unwrap();
            (local.year, local.month, local.day, local.hour, local.minute)
        };
        assert_eq!(local(0), (1970, 1, 1, 0, 0));
        assert_eq!(local(-1), (1969, 12, 31, 23, 59));
        assert_eq!(local(951_782_400_000), (2000, 2, 29, 0, 0));
        assert_eq!(local(SUMMER.0), (2026, 3, 29, 1, 0));
        assert_eq!(berlin().local(SUMMER).unwrap().hour, 3);
        assert_eq!(Zone::fixed(0).local(UnixMillis(i64::MAX)), None);
    }
}
