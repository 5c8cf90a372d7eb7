//! When a credential opens doors, and who sees to it: the lock, where it can keep the schedule, or the hub.
//!
//! Windows are the clock on the home's wall, read minute by minute. So a window in the hour that daylight saving
//! leaves out does not happen that day, one that reaches into it is shorter, and one in the hour that comes twice is
//! open both times. A lock that keeps its own windows does the same by its own clock.

use hubd_model::{
    CodeCapabilities, LocalMinute, LockSchedule, MinuteOfDay, Schedule, UnixMillis, WallTime, WeekDay,
    WeeklyWindow, Zone,
};

use super::record::Phase;
use super::view::{KeptBy, Why};

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;
const WEEK_MINUTES: i64 = 7 * DAY_MINUTES;
/// How far ahead of a transition the repeated hour can reach: no zone ever went back by more than a day.
const FOLD_MINUTES_MAX: i64 = DAY_MINUTES;

/// The start of a span that has none, in the words of a lock.
const LONG_AGO: LocalMinute = LocalMinute {
    year: 2020,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
};

/// How a schedule is divided between a lock and the hub.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// What the lock keeps.
    pub lock: LockSchedule,
    /// Whether the hub writes the code at the start of its span and clears it at the end.
    pub span_by_hub: bool,
    /// Whether the hub writes the code at the start of each window and clears it at the end.
    pub windows_by_hub: bool,
}

impl Kept {
    /// Who keeps it.
    pub const fn by(&self) -> KeptBy {
        match (self.span_by_hub || self.windows_by_hub, self.lock.is_none()) {
            (false, true) => KeptBy::Nobody,
            (false, false) => KeptBy::Lock,
            (true, true) => KeptBy::Hub,
            (true, false) => KeptBy::Both,
        }
    }

    /// Whether the lock needs no help.
    pub const fn by_lock_alone(&self) -> bool {
        !self.span_by_hub && !self.windows_by_hub
    }
}

/// Whether a code shall be on a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Now.
    Now,
    /// Not now, but it will be.
    Later(Why),
    /// Its time is over.
    Over,
    /// The date decides and is not known: whatever is, stays.
    Frozen,
}

/// Divides a schedule. `refused` is one that the lock said it cannot keep.
pub fn divide(
    schedule: &Schedule,
    zone: &Zone,
    capabilities: &CodeCapabilities,
    refused: Option<&LockSchedule>,
) -> Kept {
    let span = schedule.from.is_some() || schedule.until.is_some();
    let windows = !schedule.weekly.is_empty();
    let dated = (capabilities.dated_per_slot > 0)
        .then(|| dated(schedule, zone))
        .flatten();
    let weekly = windows && schedule.weekly.len() <= usize::from(capabilities.weekly_per_slot);
    let (keep_span, keep_windows) = match (dated.is_some(), weekly) {
        // Where a lock keeps only one of them, it keeps the end: a code must not outlive it because the hub is off.
        (true, true) => (true, capabilities.both_schedules),
        (keep_span, keep_windows) => (
            keep_span,
            keep_windows && (!keep_span || capabilities.both_schedules),
        ),
    };
    let lock = LockSchedule {
        dated: dated.filter(|_| keep_span),
        weekly: if keep_windows {
            schedule.weekly.clone()
        } else {
            Vec::new()
        },
    };
    if refused.is_some_and(|refused| *refused == lock) {
        return Kept {
            lock: LockSchedule::default(),
            span_by_hub: span,
            windows_by_hub: windows,
        };
    }
    Kept {
        lock,
        span_by_hub: span && !keep_span,
        windows_by_hub: windows && !keep_windows,
    }
}

/// Whether a code shall be on a lock at an instant.
pub fn presence(schedule: &Schedule, kept: &Kept, zone: &Zone, wall: WallTime) -> Presence {
    if schedule.is_always() {
        return Presence::Now;
    }
    let WallTime::Synced(at) = wall else {
        return Presence::Frozen;
    };
    if is_over(schedule, at) {
        Presence::Over
    } else if let Some(from) = schedule.from.filter(|from| kept.span_by_hub && at < *from) {
        Presence::Later(Why::NotYet(from))
    } else if kept.windows_by_hub && !in_window(schedule, zone, at) {
        Presence::Later(Why::OutsideWindows)
    } else {
        Presence::Now
    }
}

/// Whether a schedule's end has come.
pub fn is_over(schedule: &Schedule, at: UnixMillis) -> bool {
    schedule.until.is_some_and(|until| until <= at)
}

/// Where an instant lies in the span of a schedule.
pub fn phase(schedule: &Schedule, at: UnixMillis) -> Phase {
    if is_over(schedule, at) {
        Phase::After
    } else if schedule.from.is_some_and(|from| at < from) {
        Phase::Before
    } else {
        Phase::Within
    }
}

/// Whether a schedule lets a door be opened at an instant.
pub fn is_open(schedule: &Schedule, zone: &Zone, at: UnixMillis) -> bool {
    !is_over(schedule, at)
        && schedule.from.is_none_or(|from| from <= at)
        && (schedule.weekly.is_empty() || in_window(schedule, zone, at))
}

/// The next instant after `at` at which something may change: an end of the span or of a window, or the clock itself.
pub fn next_change(schedule: &Schedule, zone: &Zone, at: UnixMillis) -> Option<UnixMillis> {
    if schedule.is_always() || is_over(schedule, at) {
        return None;
    }
    let ends = [schedule.from, schedule.until];
    let ends = ends.into_iter().flatten().filter(|end| *end > at);
    if schedule.weekly.is_empty() {
        return ends.min();
    }
    let (day, minute) = zone.wall(at);
    let now = minute_of_week(day, i64::from(minute.minutes()));
    let began = at.0.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
    let edges = schedule.weekly.iter().flat_map(|window| {
        [window.start(), window.end()].map(|edge| minute_of_week(window.day(), i64::from(edge.minutes())))
    });
    let windows = edges.map(|edge| {
        let ahead = (edge - now - 1).rem_euclid(WEEK_MINUTES) + 1;
        UnixMillis(began.saturating_add(ahead * MINUTE_MS))
    });
    ends.chain(windows).chain(zone.next_transition(at)).min()
}

/// Whether what a lock says that it keeps is what it was told. A lock has no 24:00: an end at midnight comes back as 0:00
/// of the next day or as 23:59, and one at 23:59 as midnight. To a lock these are one.
pub fn same_on_a_lock(told: &LockSchedule, said: &LockSchedule) -> bool {
    if told == said {
        return true;
    }
    let dated = match (told.dated, said.dated) {
        (None, None) => true,
        (Some((from, until)), Some((said_from, said_until))) => {
            from == said_from && is_same_end(until, said_until)
        }
        (Some(_), None) | (None, Some(_)) => false,
    };
    let windows = told.weekly.iter().zip(&said.weekly);
    dated
        && told.weekly.len() == said.weekly.len()
        && windows.into_iter().all(|(told, said)| {
            let until_midnight = |window: &WeeklyWindow| window.end().minutes() >= MinuteOfDay::PER_DAY - 1;
            told.day() == said.day()
                && told.start() == said.start()
                && (told.end() == said.end() || until_midnight(told) && until_midnight(said))
        })
}

/// Whether two ends of a span are one to a lock: equal, or midnight and the minute before it.
fn is_same_end(one: LocalMinute, other: LocalMinute) -> bool {
    let (first, second) = (one.min(other), one.max(other));
    first == second
        || (first.hour, first.minute) == (23, 59)
            && (second.hour, second.minute) == (0, 0)
            && is_next_day(first, second)
}

/// Whether a date is the one after another.
fn is_next_day(day: LocalMinute, next: LocalMinute) -> bool {
    let is_leap =
        day.year.is_multiple_of(4) && (!day.year.is_multiple_of(100) || day.year.is_multiple_of(400));
    let days = match day.month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let expected = match (day.month, day.day) {
        (12, 31) => (day.year.saturating_add(1), 1, 1),
        (month, last) if last >= days => (day.year, month.saturating_add(1), 1),
        (month, date) => (day.year, month, date.saturating_add(1)),
    };
    (next.year, next.month, next.day) == expected
}

/// What is wrong with a schedule, in words that follow "the schedule".
///
/// # Errors
/// When it could never open a door, or its windows are too many, out of order or overlap.
pub fn check(schedule: &Schedule) -> Result<(), &'static str> {
    if let (Some(from), Some(until)) = (schedule.from, schedule.until)
        && until <= from
    {
        return Err("ends before it begins");
    }
    if schedule.weekly.len() > hubd_model::schedule::WINDOWS_MAX {
        return Err("has more than 28 windows");
    }
    let overlap = schedule
        .weekly
        .iter()
        .zip(schedule.weekly.iter().skip(1))
        .any(|(one, next)| (one.day(), one.end()) > (next.day(), next.start()) || one.day() > next.day());
    if overlap {
        return Err("has windows that overlap or are out of order");
    }
    Ok(())
}

fn in_window(schedule: &Schedule, zone: &Zone, at: UnixMillis) -> bool {
    let (day, minute) = zone.wall(at);
    let mut windows = schedule.weekly.iter();
    windows.any(|window| window.day() == day && window.start() <= minute && minute < window.end())
}

fn minute_of_week(day: WeekDay, minute: i64) -> i64 {
    i64::from(day.since_monday()) * DAY_MINUTES + minute
}

/// A span in the words of a lock: never wider than the schedule's own. `None` where it has no end, which is all that a
/// lock has to see to alone, or where nothing is left of it.
fn dated(schedule: &Schedule, zone: &Zone) -> Option<(LocalMinute, LocalMinute)> {
    let until = zone.local(schedule.until?)?;
    let from = match schedule.from {
        None => LONG_AGO,
        Some(from) => {
            let minute = from.0.div_euclid(MINUTE_MS) + i64::from(from.0.rem_euclid(MINUTE_MS) != 0);
            zone.local(after_fold(zone, UnixMillis(minute.saturating_mul(MINUTE_MS))))?
        }
    };
    (from < until).then_some((from, until))
}

/// The same instant, or the end of the repeated hour when the clock on the wall shows this reading for the second time:
/// a lock would take the first.
fn after_fold(zone: &Zone, at: UnixMillis) -> UnixMillis {
    let before = UnixMillis(at.0.saturating_sub(FOLD_MINUTES_MAX * MINUTE_MS));
    let mut seen = before;
    // A zone changes a few times a year; two within a day is more than any ever did.
    for _ in 0..2 {
        let Some(transition) = zone.next_transition(seen).filter(|transition| *transition <= at) else {
            return at;
        };
        let back = i64::from(zone.offset_minutes(UnixMillis(transition.0.saturating_sub(1))))
            - i64::from(zone.offset_minutes(transition));
        let end = transition.0.saturating_add(back.saturating_mul(MINUTE_MS));
        if at.0 < end {
            return UnixMillis(end);
        }
        seen = transition;
    }
    at
}

#[cfg(test)]
mod tests {
    use hubd_model::Transition;
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-29T01:00:00Z and 2026-10-25T01:00:00Z, when Central European Summer Time begins and ends.
    const SUMMER: i64 = 1_774_746_000_000;
    const WINTER: i64 = 1_792_890_000_000;
    const HOUR: i64 = 3_600_000;

    fn berlin() -> Zone {
        let change = |at, offset_minutes| Transition {
            at: UnixMillis(at),
            offset_minutes,
        };
        Zone::new(60, vec![change(SUMMER, 120), change(WINTER, 60)])
    }

    fn window(day: WeekDay, start: u16, end: u16) -> WeeklyWindow {
        let minute = |minute| MinuteOfDay::new(minute).unwrap();
        WeeklyWindow::new(day, minute(start), minute(end)).unwrap()
    }

    fn weekly(windows: &[WeeklyWindow]) -> Schedule {
        Schedule {
            weekly: windows.to_vec(),
            ..Schedule::default()
        }
    }

    /// How many minutes a schedule is open between two instants.
    fn open_minutes(schedule: &Schedule, from: i64, to: i64) -> usize {
        (from / MINUTE_MS..to / MINUTE_MS)
            .filter(|minute| is_open(schedule, &berlin(), UnixMillis(minute * MINUTE_MS)))
            .count()
    }

    #[test]
    fn windows_follow_the_clock_on_the_wall_across_daylight_saving() {
        let sunday = |start, end| weekly(&[window(WeekDay::Sunday, start, end)]);
        let day = |around: i64| (around - 12 * HOUR, around + 12 * HOUR);
        let table = [
            // name, window, day, minutes that it is open
            ("the hour that is left out", sunday(120, 180), SUMMER, 0),
            ("reaches into the hour left out", sunday(90, 150), SUMMER, 30),
            ("around the hour left out", sunday(60, 240), SUMMER, 120),
            ("the hour that comes twice", sunday(120, 180), WINTER, 120),
            ("around the hour that comes twice", sunday(60, 240), WINTER, 240),
            ("an ordinary hour", sunday(480, 540), SUMMER, 60),
        ];
        for (name, schedule, around, expected) in table {
            let (from, to) = day(around);
            assert_eq!(open_minutes(&schedule, from, to), expected, "{name}");
        }
    }

    #[test]
    fn a_lock_keeps_what_it_can_and_the_end_before_the_windows() {
        let span = Schedule {
            from: Some(UnixMillis(SUMMER)),
            until: Some(UnixMillis(WINTER)),
            weekly: vec![
                window(WeekDay::Monday, 480, 720),
                window(WeekDay::Monday, 840, 1_080),
            ],
        };
        let windows = weekly(&span.weekly);
        let dates = Schedule {
            weekly: Vec::new(),
            ..span.clone()
        };
        let begins = Schedule {
            from: span.from,
            ..Schedule::default()
        };
        let table = [
            // name, schedule, weekly, dated, both, who keeps it, span by hub, windows by hub
            (
                "always",
                Schedule::default(),
                7,
                1,
                true,
                KeptBy::Nobody,
                false,
                false,
            ),
            ("everything", span.clone(), 7, 1, true, KeptBy::Lock, false, false),
            (
                "one of them",
                span.clone(),
                7,
                1,
                false,
                KeptBy::Both,
                false,
                true,
            ),
            ("no dates", span.clone(), 7, 0, false, KeptBy::Both, true, false),
            (
                "too few windows",
                span.clone(),
                1,
                1,
                true,
                KeptBy::Both,
                false,
                true,
            ),
            ("nothing", span, 0, 0, false, KeptBy::Hub, true, true),
            (
                "windows",
                windows.clone(),
                2,
                0,
                false,
                KeptBy::Lock,
                false,
                false,
            ),
            (
                "windows, too many",
                windows,
                1,
                0,
                false,
                KeptBy::Hub,
                false,
                true,
            ),
            ("dates", dates, 0, 1, false, KeptBy::Lock, false, false),
            ("a beginning alone", begins, 7, 1, true, KeptBy::Hub, true, false),
        ];
        for (name, schedule, weekly_per_slot, dated_per_slot, both_schedules, by, span, windows) in table {
            let capabilities = CodeCapabilities {
                weekly_per_slot,
                dated_per_slot,
                both_schedules,
                ..CodeCapabilities::default()
            };
            let kept = divide(&schedule, &berlin(), &capabilities, None);
            assert_eq!(
                (kept.by(), kept.span_by_hub, kept.windows_by_hub),
                (by, span, windows),
                "{name}"
            );
            if !kept.lock.is_none() {
                let refused = divide(&schedule, &berlin(), &capabilities, Some(&kept.lock));
                assert_eq!(refused.by(), KeptBy::Hub, "{name}, refused by the lock");
            }
        }
    }

    #[test]
    fn a_span_on_a_lock_is_never_wider_than_the_schedule() {
        let capabilities = CodeCapabilities {
            dated_per_slot: 1,
            ..CodeCapabilities::default()
        };
        let on_lock = |from: i64, until: i64| {
            let schedule = Schedule {
                from: Some(UnixMillis(from)),
                until: Some(UnixMillis(until)),
                weekly: Vec::new(),
            };
            let kept = divide(&schedule, &berlin(), &capabilities, None);
            kept.lock.dated.map(|(from, until)| {
                (
                    (from.day, from.hour, from.minute),
                    (until.day, until.hour, until.minute),
                )
            })
        };
        // Seconds are cut so that it begins later and ends earlier.
        assert_eq!(
            on_lock(SUMMER + 1, SUMMER + HOUR + 59_999),
            Some(((29, 3, 1), (29, 4, 0)))
        );
        // A beginning in the second of two equal hours waits until it is over.
        assert_eq!(
            on_lock(WINTER + HOUR / 2, WINTER + 5 * HOUR),
            Some(((25, 3, 0), (25, 7, 0)))
        );
        assert_eq!(
            on_lock(WINTER - HOUR / 2, WINTER + 5 * HOUR),
            Some(((25, 2, 30), (25, 7, 0)))
        );
        // Nothing is left of it: the hub keeps it.
        assert_eq!(on_lock(SUMMER + 1, SUMMER + 2), None);
    }

    #[test]
    fn to_a_lock_midnight_and_the_minute_before_it_are_one_end() {
        let end = |year, month, day, hour, minute| LockSchedule {
            dated: Some((
                LONG_AGO,
                LocalMinute {
                    year,
                    month,
                    day,
                    hour,
                    minute,
                },
            )),
            weekly: Vec::new(),
        };
        let until = |minute| LockSchedule {
            dated: None,
            weekly: vec![window(WeekDay::Friday, 1_200, minute)],
        };
        let saturday = LockSchedule {
            dated: None,
            weekly: vec![window(WeekDay::Saturday, 1_200, 1_440)],
        };
        let table = [
            // told, said, whether they are one
            (until(1_440), until(1_439), true),
            (until(1_440), until(1_438), false),
            (until(1_440), saturday, false),
            (until(1_440), LockSchedule::default(), false),
            (end(2026, 4, 1, 0, 0), end(2026, 3, 31, 23, 59), true),
            (end(2026, 5, 1, 0, 0), end(2026, 4, 30, 23, 59), true),
            (end(2028, 3, 1, 0, 0), end(2028, 2, 29, 23, 59), true),
            (end(2100, 3, 1, 0, 0), end(2100, 2, 28, 23, 59), true),
            (end(2027, 1, 1, 0, 0), end(2026, 12, 31, 23, 59), true),
            (end(2026, 4, 2, 0, 0), end(2026, 4, 1, 23, 59), true),
            (end(2028, 3, 1, 0, 0), end(2028, 2, 28, 23, 59), false),
            (end(2026, 4, 1, 0, 0), end(2026, 3, 31, 23, 58), false),
            (end(2026, 4, 1, 0, 0), end(2026, 4, 1, 23, 59), false),
            (end(2026, 4, 1, 0, 0), end(2026, 4, 1, 0, 1), false),
            (end(2026, 4, 1, 0, 0), until(1_440), false),
        ];
        for (told, said, one) in table {
            assert_eq!(same_on_a_lock(&told, &said), one, "{told:?}, {said:?}");
            assert_eq!(same_on_a_lock(&said, &told), one, "{said:?}, {told:?}");
        }
    }

    #[test]
    fn while_the_date_is_unknown_only_what_is_always_open_is_decided() {
        let always = Schedule::default();
        let span = Schedule {
            until: Some(UnixMillis(10)),
            ..Schedule::default()
        };
        let unsynced = WallTime::Unsynced(UnixMillis(50));
        let here = |schedule: &Schedule, wall| presence(schedule, &Kept::default(), &Zone::default(), wall);
        assert_eq!(here(&always, unsynced), Presence::Now);
        assert_eq!(here(&span, unsynced), Presence::Frozen);
        assert_eq!(here(&span, WallTime::Synced(UnixMillis(9))), Presence::Now);
        assert_eq!(here(&span, WallTime::Synced(UnixMillis(10))), Presence::Over);
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let window =
            (0_u8..7, 0_u16..1_440, 1_u16..=1_440).prop_filter_map("empty", |(day, start, length)| {
                let end = MinuteOfDay::new(start.saturating_add(length).min(1_440))?;
                WeeklyWindow::new(WeekDay::from_monday(day), MinuteOfDay::new(start)?, end)
            });
        let weeks = proptest::collection::vec(window, 0..6);
        let edge = || proptest::option::of(SUMMER - 40 * 24 * HOUR..WINTER + 40 * 24 * HOUR);
        (edge(), edge(), weeks).prop_map(|(from, until, weekly)| Schedule {
            from: from.map(UnixMillis),
            until: until.map(UnixMillis),
            weekly,
        })
    }

    proptest! {
        #[test]
        fn nothing_changes_before_the_next_change(
            schedule in any_schedule(),
            start in prop_oneof![SUMMER - 50 * HOUR..SUMMER + 50 * HOUR, WINTER - 50 * HOUR..WINTER + 50 * HOUR],
        ) {
            let zone = berlin();
            let at = UnixMillis(start);
            let open = is_open(&schedule, &zone, at);
            let next = next_change(&schedule, &zone, at);
            prop_assert!(next.is_none_or(|next| next > at));
            let until = next.map_or(start + 14 * 24 * HOUR, |next| next.0);
            for step in 0..200 {
                let between = UnixMillis(start + (until - start) * step / 200);
                prop_assert_eq!(is_open(&schedule, &zone, between), open, "at {:?}", between);
            }
            prop_assert_eq!(is_open(&schedule, &zone, UnixMillis(until - 1)), open);
        }
    }
}
