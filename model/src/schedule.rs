//! When a credential opens a door: always, between two instants, in windows of the week, or both.
//!
//! Instants are absolute. Windows are the clock on the home's wall: what they mean in absolute time is decided by
//! [`crate::zone::Zone`], right across daylight saving.

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeekDay {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl WeekDay {
    /// The days in their order, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The day by its number, from Monday = 0, going round.
    pub const fn from_monday(number: u8) -> Self {
        match number % 7 {
            0 => Self::Monday,
            1 => Self::Tuesday,
            2 => Self::Wednesday,
            3 => Self::Thursday,
            4 => Self::Friday,
            5 => Self::Saturday,
            _ => Self::Sunday,
        }
    }

    /// Days since Monday.
    pub const fn since_monday(self) -> u8 {
        self as u8
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_monday(self.since_monday() + 1)
    }
}

/// A minute of the day on the wall clock: 0 is midnight, 1440 the midnight after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct MinuteOfDay(u16);

impl MinuteOfDay {
    /// The minutes of a day.
    pub const PER_DAY: u16 = 24 * 60;

    /// The first minute of a day.
    pub const MIDNIGHT: Self = Self(0);

    /// A minute of the day; `None` above 1440.
    pub const fn new(minute: u16) -> Option<Self> {
        if minute <= Self::PER_DAY {
            Some(Self(minute))
        } else {
            None
        }
    }

    /// Minutes since midnight.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for MinuteOfDay {
    type Error = &'static str;
    fn try_from(minute: u16) -> Result<Self, Self::Error> {
        Self::new(minute).ok_or("a minute of the day is 0 to 1440")
    }
}

impl From<MinuteOfDay> for u16 {
    fn from(minute: MinuteOfDay) -> u16 {
        minute.0
    }
}

/// A window that recurs each week on one day: from a minute to a later one, which is not part of it. A window that
/// goes past midnight is two windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WeeklyWindow {
    day: WeekDay,
    start: MinuteOfDay,
    end: MinuteOfDay,
}

impl WeeklyWindow {
    /// A window; `None` when it would be empty or end before it starts.
    pub fn new(day: WeekDay, start: MinuteOfDay, end: MinuteOfDay) -> Option<Self> {
        (start < end).then_some(Self { day, start, end })
    }

    /// Its day.
    pub const fn day(self) -> WeekDay {
        self.day
    }

    /// Its first minute.
    pub const fn start(self) -> MinuteOfDay {
        self.start
    }

    /// The minute after its last.
    pub const fn end(self) -> MinuteOfDay {
        self.end
    }
}

/// How many windows a schedule has at most.
pub const WINDOWS_MAX: usize = 28;

/// When a credential opens a door. The default is always.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Not before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixMillis>,
    /// Not at or after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
    /// Only in these windows; none means the whole week. In order, without overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekly: Vec<WeeklyWindow>,
}

impl Schedule {
    /// Whether it restricts nothing.
    pub const fn is_always(&self) -> bool {
        self.from.is_none() && self.until.is_none() && self.weekly.is_empty()
    }
}

/// A date and time on the home's wall clock, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalMinute {
    /// The year, such as 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// What a lock shall keep, or keeps, as the schedule of one of its slots, in the home's local time. The default is no
/// schedule: the code always works.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LockSchedule {
    /// From one minute to another, which is not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dated: Option<(LocalMinute, LocalMinute)>,
    /// Windows of the week.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekly: Vec<WeeklyWindow>,
}

impl LockSchedule {
    /// Whether the lock keeps no schedule for the slot.
    pub const fn is_none(&self) -> bool {
        self.dated.is_none() && self.weekly.is_empty()
    }
}
