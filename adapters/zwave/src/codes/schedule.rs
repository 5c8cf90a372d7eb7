//! Schedules of a lock's users: from the household's words to entries on the wire and back.
//!
//! ```text
//!   Schedule Entry Lock (with User Code)        Active Schedule (with User Credential)
//!   weekly  ─▶ one entry for each window, or    weekly ─▶ one daily entry for all days with the same window
//!              one daily entry for all days
//!              with the same window
//!   dated   ─▶ one year-day entry               dated  ─▶ one year-day entry
//! ```
//!
//! Entries of one user add up, so a window of the week inside a span of dates cannot be kept. Entries are kept without
//! gaps from slot 1. An entry that ends at midnight ends at 23:59 where the wire has no 24:00; read back, 23:59 is
//! midnight.
//!
//! Spec: CC:004E, CC:00A4

use hubd_model::{LocalMinute, LockSchedule, MinuteOfDay, WeekDay, WeeklyWindow};
use serde::{Deserialize, Serialize};

use crate::wire::cc::{self, active_schedule, class, schedule_entry_lock as entry_lock};

/// Which class keeps the schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    EntryLock,
    Active,
}

/// How many entries each user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScheduleSlots {
    /// Windows on a day of the week.
    pub week_day: u16,
    /// Spans between two dates.
    pub year_day: u16,
    /// Windows that repeat on several days.
    pub daily: u16,
}

/// A kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    WeekDay,
    YearDay,
    Daily,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::WeekDay, Self::YearDay, Self::Daily];
}

impl ScheduleSlots {
    pub(crate) const fn of(self, kind: Kind) -> u16 {
        match kind {
            Kind::WeekDay => self.week_day,
            Kind::YearDay => self.year_day,
            Kind::Daily => self.daily,
        }
    }

    pub(crate) const fn set(&mut self, kind: Kind, count: u16) {
        match kind {
            Kind::WeekDay => self.week_day = count,
            Kind::YearDay => self.year_day = count,
            Kind::Daily => self.daily = count,
        }
    }

    /// How many windows of the week can be kept for sure, whatever they are.
    pub(crate) fn windows(self) -> u8 {
        u8::try_from(self.week_day.max(self.daily)).unwrap_or(u8::MAX)
    }

    /// How many spans between two dates can be kept.
    pub(crate) fn spans(self) -> u8 {
        u8::try_from(self.year_day).unwrap_or(u8::MAX)
    }
}

/// One entry, with the limits of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// On a day counted from Sunday, from a minute of the day to another, at most 23:59.
    Window { day: u8, start: u16, stop: u16 },
    /// From one minute to another.
    Span(LocalMinute, LocalMinute),
    /// On these days, bit 0 Sunday, from a minute of the day, for so many minutes.
    Daily { days: u8, start: u16, minutes: u16 },
}

/// The last minute of the day, which stands for midnight where the wire has no 24:00.
const LAST_MINUTE: u16 = MinuteOfDay::PER_DAY - 1;

/// A day of the week as the standard counts it, from Sunday.
const fn since_sunday(day: WeekDay) -> u8 {
    (day.since_monday() + 1) % 7
}

const fn from_sunday(day: u8) -> WeekDay {
    WeekDay::from_monday((day % 7) + 6)
}

/// The entries of a schedule with their kind; `None` when the lock cannot keep it.
pub(crate) fn entries(schedule: &LockSchedule, slots: ScheduleSlots) -> Option<(Kind, Vec<Entry>)> {
    let fits = |kind: Kind, entries: &[Entry]| entries.len() <= usize::from(slots.of(kind));
    match (schedule.dated, schedule.weekly.as_slice()) {
        (Some((start, stop)), []) => {
            let entries = vec![Entry::Span(start, stop)];
            let in_range = [start, stop]
                .iter()
                .all(|moment| (2000..2100).contains(&moment.year));
            (in_range && start < stop && fits(Kind::YearDay, &entries)).then_some((Kind::YearDay, entries))
        }
        (None, windows) if !windows.is_empty() => {
            let weekly: Vec<Entry> = windows.iter().map(|window| window_entry(*window)).collect();
            let daily = daily_entries(windows);
            // Fewer entries are fewer frames.
            if fits(Kind::Daily, &daily) && (daily.len() < weekly.len() || !fits(Kind::WeekDay, &weekly)) {
                Some((Kind::Daily, daily))
            } else {
                fits(Kind::WeekDay, &weekly).then_some((Kind::WeekDay, weekly))
            }
        }
        (Some(_) | None, _) => None,
    }
}

fn window_entry(window: WeeklyWindow) -> Entry {
    Entry::Window {
        day: since_sunday(window.day()),
        start: window.start().minutes(),
        stop: window.end().minutes().min(LAST_MINUTE),
    }
}

fn daily_entries(windows: &[WeeklyWindow]) -> Vec<Entry> {
    let mut entries: Vec<(u16, u16, u8)> = Vec::new();
    for window in windows {
        let (start, end) = (window.start().minutes(), window.end().minutes());
        let day = 1 << since_sunday(window.day());
        let minutes = end.saturating_sub(start);
        match entries.iter_mut().find(|(s, m, _)| (*s, *m) == (start, minutes)) {
            Some((_, _, days)) => *days |= day,
            None => entries.push((start, minutes, day)),
        }
    }
    entries
        .into_iter()
        .map(|(start, minutes, days)| Entry::Daily { days, start, minutes })
        .collect()
}

/// What entries that a lock keeps mean.
pub(crate) fn schedule(entries: &[Entry]) -> LockSchedule {
    let mut schedule = LockSchedule::default();
    let mut add = |day: u8, start: u16, stop: u16| {
        let stop = if stop >= LAST_MINUTE {
            MinuteOfDay::PER_DAY
        } else {
            stop
        };
        let window = MinuteOfDay::new(start)
            .zip(MinuteOfDay::new(stop))
            .and_then(|(start, stop)| WeeklyWindow::new(from_sunday(day), start, stop));
        schedule.weekly.extend(window);
    };
    for entry in entries {
        match *entry {
            Entry::Window { day, start, stop } => add(day, start, stop),
            Entry::Daily { days, start, minutes } => {
                for day in (0..7).filter(|day| days & (1 << day) != 0) {
                    let stop = start.saturating_add(minutes);
                    add(day, start, stop.min(MinuteOfDay::PER_DAY));
                    if stop > MinuteOfDay::PER_DAY {
                        add(day + 1, 0, stop - MinuteOfDay::PER_DAY);
                    }
                }
            }
            Entry::Span(start, stop) => schedule.dated = Some((start, stop)),
        }
    }
    schedule.weekly.sort_unstable();
    schedule
}

fn clock(minutes: u16) -> (u8, u8) {
    let part = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    (part(minutes / 60), part(minutes % 60))
}

fn minutes(hour: u8, minute: u8) -> u16 {
    u16::from(hour) * 60 + u16::from(minute)
}

/// The command that writes an entry, or erases it.
pub(crate) fn set(dialect: Dialect, kind: Kind, user: u16, slot: u16, entry: Option<Entry>) -> cc::Command {
    match dialect {
        Dialect::EntryLock => entry_lock_set(kind, user, slot, entry).into(),
        Dialect::Active => active_set(kind, user, slot, entry).into(),
    }
}

fn place(user: u16, slot: u16) -> entry_lock::Place {
    // A lock with User Code has at most 255 users with schedules: the facts see to it.
    let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    entry_lock::Place {
        user: byte(user),
        slot: byte(slot),
    }
}

fn entry_lock_set(kind: Kind, user: u16, slot: u16, entry: Option<Entry>) -> entry_lock::Command {
    let place = place(user, slot);
    match kind {
        Kind::WeekDay => entry_lock::Command::WeekDaySet(entry_lock::Entry {
            place,
            schedule: entry.and_then(week_day),
        }),
        Kind::YearDay => entry_lock::Command::YearDaySet(entry_lock::Entry {
            place,
            schedule: entry.and_then(year_day),
        }),
        Kind::Daily => entry_lock::Command::DailySet(entry_lock::Entry {
            place,
            schedule: entry.and_then(daily),
        }),
    }
}

fn week_day(entry: Entry) -> Option<entry_lock::WeekDay> {
    let Entry::Window { day, start, stop } = entry else {
        return None;
    };
    let ((start_hour, start_minute), (stop_hour, stop_minute)) = (clock(start), clock(stop));
    Some(entry_lock::WeekDay {
        day,
        start_hour,
        start_minute,
        stop_hour,
        stop_minute,
    })
}

fn year_day(entry: Entry) -> Option<entry_lock::YearDay> {
    let Entry::Span(start, stop) = entry else {
        return None;
    };
    let moment = |at: LocalMinute| {
        Some(entry_lock::Moment {
            year: u8::try_from(at.year.checked_sub(2000)?).ok()?,
            month: at.month,
            day: at.day,
            hour: at.hour,
            minute: at.minute,
        })
    };
    Some(entry_lock::YearDay {
        start: moment(start)?,
        stop: moment(stop)?,
    })
}

fn daily(entry: Entry) -> Option<entry_lock::Daily> {
    let Entry::Daily { days, start, minutes } = entry else {
        return None;
    };
    let ((start_hour, start_minute), (duration_hours, duration_minutes)) = (clock(start), clock(minutes));
    Some(entry_lock::Daily {
        days,
        start_hour,
        start_minute,
        duration_hours,
        duration_minutes,
    })
}

fn active_place(user: u16, slot: u16) -> active_schedule::Place {
    active_schedule::Place {
        target: active_schedule::Target {
            class: class::USER_CREDENTIAL,
            id: user,
        },
        slot,
    }
}

fn active_set(kind: Kind, user: u16, slot: u16, entry: Option<Entry>) -> active_schedule::Command {
    let place = active_place(user, slot);
    let moment = |at: LocalMinute| active_schedule::Moment {
        year: at.year,
        month: at.month,
        day: at.day,
        hour: at.hour,
        minute: at.minute,
    };
    match (kind, entry) {
        (Kind::YearDay, entry) => active_schedule::Command::YearDaySet(active_schedule::Entry {
            place,
            schedule: entry.and_then(|entry| match entry {
                Entry::Span(start, stop) => Some(active_schedule::YearDay {
                    start: moment(start),
                    stop: moment(stop),
                }),
                Entry::Window { .. } | Entry::Daily { .. } => None,
            }),
            metadata: Vec::new(),
        }),
        (Kind::WeekDay | Kind::Daily, entry) => active_schedule::Command::DailySet(active_schedule::Entry {
            place,
            schedule: entry.and_then(daily).map(|daily| active_schedule::Daily {
                days: daily.days,
                start_hour: daily.start_hour,
                start_minute: daily.start_minute,
                duration_hours: daily.duration_hours,
                duration_minutes: daily.duration_minutes,
            }),
            metadata: Vec::new(),
        }),
    }
}

/// The command that asks for an entry, and the number of the command that answers it.
pub(crate) fn get(dialect: Dialect, kind: Kind, user: u16, slot: u16) -> (cc::Command, (u8, u8)) {
    match dialect {
        Dialect::EntryLock => {
            let place = place(user, slot);
            let (command, answer) = match kind {
                Kind::WeekDay => (entry_lock::Command::WeekDayGet(place), 0x05),
                Kind::YearDay => (entry_lock::Command::YearDayGet(place), 0x08),
                Kind::Daily => (entry_lock::Command::DailyGet(place), 0x0F),
            };
            (command.into(), (class::SCHEDULE_ENTRY_LOCK, answer))
        }
        Dialect::Active => {
            let place = active_place(user, slot);
            let (command, answer) = match kind {
                Kind::YearDay => (active_schedule::Command::YearDayGet(place), 0x08),
                Kind::WeekDay | Kind::Daily => (active_schedule::Command::DailyGet(place), 0x0B),
            };
            (command.into(), (class::ACTIVE_SCHEDULE, answer))
        }
    }
}

/// A report about another place than the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elsewhere;

/// The entry in a report for this place; `None` for an empty one.
///
/// # Errors
/// When the report is about another place.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few of the many commands report a schedule"
)]
pub(crate) fn reported(command: &cc::Command, user: u16, slot: u16) -> Result<Option<Entry>, Elsewhere> {
    let here = |place: entry_lock::Place| (u16::from(place.user), u16::from(place.slot)) == (user, slot);
    let active_here = |place: active_schedule::Place| (place.target.id, place.slot) == (user, slot);
    let daily = |days: u8, start: (u8, u8), lasts: (u8, u8)| Entry::Daily {
        days: days & 0x7F,
        start: minutes(start.0, start.1),
        minutes: minutes(lasts.0, lasts.1),
    };
    match command {
        cc::Command::ScheduleEntryLock(entry_lock::Command::WeekDayReport(entry)) if here(entry.place) => {
            Ok(entry.schedule.map(|window| Entry::Window {
                day: window.day % 7,
                start: minutes(window.start_hour, window.start_minute),
                stop: minutes(window.stop_hour, window.stop_minute).min(LAST_MINUTE),
            }))
        }
        cc::Command::ScheduleEntryLock(entry_lock::Command::YearDayReport(entry)) if here(entry.place) => {
            let moment = |at: entry_lock::Moment| LocalMinute {
                year: 2000 + u16::from(at.year),
                month: at.month,
                day: at.day,
                hour: at.hour,
                minute: at.minute,
            };
            Ok(entry
                .schedule
                .map(|span| Entry::Span(moment(span.start), moment(span.stop))))
        }
        cc::Command::ScheduleEntryLock(entry_lock::Command::DailyReport(entry)) if here(entry.place) => {
            Ok(entry.schedule.map(|window| {
                daily(
                    window.days,
                    (window.start_hour, window.start_minute),
                    (window.duration_hours, window.duration_minutes),
                )
            }))
        }
        cc::Command::ActiveSchedule(active_schedule::Command::YearDayReport(report))
            if active_here(report.place) =>
        {
            let moment = |at: active_schedule::Moment| LocalMinute {
                year: at.year,
                month: at.month,
                day: at.day,
                hour: at.hour,
                minute: at.minute,
            };
            Ok(report
                .schedule
                .map(|span| Entry::Span(moment(span.start), moment(span.stop))))
        }
        cc::Command::ActiveSchedule(active_schedule::Command::DailyReport(report))
            if active_here(report.place) =>
        {
            Ok(report.schedule.map(|window| {
                daily(
                    window.days,
                    (window.start_hour, window.start_minute),
                    (window.duration_hours, window.duration_minutes),
                )
            }))
        }
        _ => Err(Elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOTS: ScheduleSlots = ScheduleSlots {
        week_day: 7,
        year_day: 1,
        daily: 2,
    };

    fn window(day: WeekDay, start: u16, end: u16) -> WeeklyWindow {
        WeeklyWindow::new(
            day,
            MinuteOfDay::new(start).unwrap(),
            MinuteOfDay::new(end).unwrap(),
        )
        .unwrap()
    }

    fn local(day: u8) -> LocalMinute {
        LocalMinute {
            year: 2026,
            month: 11,
            day,
            hour: 8,
            minute: 15,
        }
    }

    #[test]
    fn days_with_one_window_are_one_entry_and_what_does_not_fit_is_refused() {
        let weekly = WeekDay::ALL[..5]
            .iter()
            .map(|day| window(*day, 540, 1020))
            .collect();
        let office = LockSchedule { dated: None, weekly };
        let entry = Entry::Daily {
            days: 0b011_1110,
            start: 540,
            minutes: 480,
        };
        assert_eq!(entries(&office, SLOTS), Some((Kind::Daily, vec![entry])));
        let without_daily = ScheduleSlots { daily: 0, ..SLOTS };
        assert_eq!(entries(&office, without_daily).unwrap().1.len(), 5);
        let small = ScheduleSlots {
            daily: 0,
            week_day: 4,
            ..SLOTS
        };
        assert_eq!(entries(&office, small), None);
        let both = LockSchedule {
            dated: Some((local(1), local(2))),
            ..office
        };
        assert_eq!(
            entries(&both, SLOTS),
            None,
            "entries add up, they do not narrow each other"
        );
    }

    #[test]
    fn midnight_survives_the_wire() {
        let night = LockSchedule {
            dated: None,
            weekly: vec![window(WeekDay::Sunday, 1200, 1440)],
        };
        let (_, kept) = entries(&night, ScheduleSlots { daily: 0, ..SLOTS }).unwrap();
        assert_eq!(schedule(&kept), night);
        let (_, kept) = entries(&night, ScheduleSlots { week_day: 0, ..SLOTS }).unwrap();
        assert_eq!(schedule(&kept), night);
    }

    proptest! {
        #[test]
        fn what_a_lock_can_keep_comes_back_as_it_was(
            days in prop::collection::btree_set((0..7u8, 0..1438u16, 1..1440u16), 1..7),
            active in any::<bool>(),
        ) {
            let weekly: Vec<WeeklyWindow> = days
                .into_iter()
                .map(|(day, start, length)| {
                    let end = start.saturating_add(length).min(1440);
                    // 23:59 is midnight to a lock.
                    let end = if end == 1439 { 1440 } else { end };
                    window(WeekDay::from_monday(day), start, end)
                })
                .collect();
            let mut wish = LockSchedule { dated: None, weekly };
            // Two may have become one by that.
            wish.weekly.sort_unstable();
            wish.weekly.dedup();
            let (dialect, slots) = if active {
                (Dialect::Active, ScheduleSlots { week_day: 0, daily: 7, ..SLOTS })
            } else {
                (Dialect::EntryLock, SLOTS)
            };
            let (kind, kept) = entries(&wish, slots).unwrap();
            let mut read = Vec::new();
            for (slot, entry) in (1..).zip(kept) {
                let bytes = set(dialect, kind, 3, slot, Some(entry)).emit();
                // The lock's report has the fields of the command that wrote it.
                let report = report_of(&cc::Command::parse(&bytes).unwrap());
                read.extend(reported(&report, 3, slot).unwrap());
            }
            prop_assert_eq!(schedule(&read), wish);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few of the many commands write a schedule"
    )]
    fn report_of(command: &cc::Command) -> cc::Command {
        match command {
            cc::Command::ScheduleEntryLock(entry_lock::Command::WeekDaySet(entry)) => {
                entry_lock::Command::WeekDayReport(*entry).into()
            }
            cc::Command::ScheduleEntryLock(entry_lock::Command::DailySet(entry)) => {
                entry_lock::Command::DailyReport(*entry).into()
            }
            cc::Command::ActiveSchedule(active_schedule::Command::DailySet(entry)) => {
                active_schedule::Command::DailyReport(active_schedule::Report {
                    code: 0,
                    place: entry.place,
                    next_slot: 0,
                    schedule: entry.schedule,
                    metadata: vec![],
                })
                .into()
            }
            other => panic!("{other:?}"),
        }
    }
}
