//! The schedules that a simulated lock keeps for its users, and the clock by which it judges them.
//!
//! A lock whose clock was never set lets no code with a schedule open the door.
//!
//! Spec: CC:004E (Schedule Entry Lock v3), CC:00A4 (Active Schedule v1), CC:008B (Time Parameters v1).

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{MonoTime, UnixMillis, Zone};

use super::Answer;

/// How many schedules a lock keeps for each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ScheduleSlots {
    /// Windows on days of the week; Schedule Entry Lock alone.
    pub week_day: u8,
    /// Spans between two dates.
    pub year_day: u8,
    /// Windows that repeat daily.
    pub daily: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    WeekDay,
    YearDay,
    Daily,
}

/// What a lock keeps: the fields of each schedule as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedules {
    slots: ScheduleSlots,
    users: u16,
    kept: BTreeMap<(u16, Kind, u16), Vec<u8>>,
    /// Of the kinds of Schedule Entry Lock only the one written last counts.
    counts: BTreeMap<u16, Kind>,
    off: BTreeSet<u16>,
    /// When the clock was set, and to which second since 1970 in UTC.
    clock: Option<(MonoTime, i64)>,
    offset: [u8; 3],
}

/// Erased fields of Schedule Entry Lock.
const ABSENT: u8 = 0xff;
const USER_CREDENTIAL: u8 = 0x83;

impl Schedules {
    pub(crate) fn new(slots: ScheduleSlots, users: u16) -> Self {
        Self {
            slots,
            users,
            kept: BTreeMap::new(),
            counts: BTreeMap::new(),
            off: BTreeSet::new(),
            clock: None,
            offset: [0; 3],
        }
    }

    /// Whether the lock keeps any.
    pub(crate) const fn exist(slots: ScheduleSlots) -> bool {
        slots.week_day > 0 || slots.year_day > 0 || slots.daily > 0
    }

    /// Whether anything is kept for a user.
    pub(crate) fn restricts(&self, user: u16) -> bool {
        self.kept.keys().any(|(owner, _, _)| *owner == user)
    }

    /// A user's schedules go with the user.
    pub(crate) fn forget(&mut self, user: u16) {
        self.kept.retain(|(owner, _, _), _| *owner != user);
        self.counts.remove(&user);
        self.off.remove(&user);
    }

    pub(crate) fn forget_all(&mut self) {
        *self = Self::new(self.slots, self.users);
    }

    /// The clock stops when the power fails.
    pub(crate) fn power_cut(&mut self) {
        self.clock = None;
    }

    /// Whether a user's code opens the door now.
    pub(crate) fn allows(&self, now: MonoTime, user: u16) -> bool {
        if !self.restricts(user) || self.off.contains(&user) {
            return true;
        }
        let Some(utc) = self.utc(now) else { return false };
        let zone = Zone::fixed(self.offset_minutes());
        let at = UnixMillis(utc.saturating_mul(1000));
        let (day, minute) = zone.wall(at);
        let Some(local) = zone.local(at) else { return false };
        // The standard counts the days of the week from Sunday.
        let day = (day.since_monday() + 1) % 7;
        let minute = minute.minutes();
        let date = [local.year, local.month.into(), local.day.into(), minute];
        let counting = self.counts.get(&user);
        self.kept.iter().any(|((owner, kind, _), fields)| {
            *owner == user
                && counting.is_none_or(|counting| counting == kind)
                && is_open(*kind, fields, day, minute, date)
        })
    }

    fn utc(&self, now: MonoTime) -> Option<i64> {
        let (set, utc) = self.clock?;
        Some(utc + i64::try_from(now.since(set).0 / 1000).ok()?)
    }

    fn offset_minutes(&self) -> i32 {
        let [hours, minutes, dst] = self.offset.map(|byte| i32::from(byte & 0x7f));
        let standard = hours * 60 + minutes;
        let sign = |byte: Option<&u8>, value: i32| {
            if byte.is_some_and(|byte| byte & 0x80 != 0) {
                -value
            } else {
                value
            }
        };
        sign(self.offset.first(), standard) + sign(self.offset.last(), dst)
    }

    /// Answers a command of the classes that it speaks for.
    pub(crate) fn handle(&mut self, now: MonoTime, command: &[u8]) -> Answer {
        match *command {
            [0x8b, 0x01, high, low, month, day, hour, minute, second] => {
                let year = i64::from(u16::from_be_bytes([high, low]));
                let days = days_since_1970(year, month.into(), day.into());
                let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
                self.clock = Some((now, days * 86_400 + of_day));
                Answer::Done
            }
            [0x8b, 0x02] => self.clock_report(now),
            [0x4e, ref rest @ ..] => self.entry_lock(rest),
            [0xa4, ref rest @ ..] => self.active(rest),
            _ => Answer::Unknown,
        }
    }

    fn clock_report(&self, now: MonoTime) -> Answer {
        let seconds = self.utc(now).unwrap_or(0);
        let of_day = u32::try_from(seconds.rem_euclid(86_400)).unwrap_or(0);
        let local = Zone::fixed(0).local(UnixMillis(seconds.saturating_mul(1000)));
        let Some(date) = local else { return Answer::Fail };
        let [high, low] = date.year.to_be_bytes();
        let second = u8::try_from(of_day % 60).unwrap_or(0);
        Answer::Report(vec![
            0x8b,
            0x03,
            high,
            low,
            date.month,
            date.day,
            date.hour,
            date.minute,
            second,
        ])
    }

    fn entry_lock(&mut self, command: &[u8]) -> Answer {
        match *command {
            [0x01, user, on] => {
                self.switch(user.into(), on != 0);
                Answer::Done
            }
            [0x02, on] => {
                (1..=self.users).for_each(|user| self.switch(user, on != 0));
                Answer::Done
            }
            [0x03, action, user, slot, ref fields @ ..] if fields.len() >= 5 || action == 0 => {
                self.write(Kind::WeekDay, action != 0, user.into(), slot.into(), fields)
            }
            [0x06, action, user, slot, ref fields @ ..] if fields.len() >= 10 || action == 0 => {
                self.write(Kind::YearDay, action != 0, user.into(), slot.into(), fields)
            }
            [0x10, action, user, slot, ref fields @ ..] if fields.len() >= 5 || action == 0 => {
                self.write(Kind::Daily, action != 0, user.into(), slot.into(), fields)
            }
            [0x04, user, slot] => self.entry_report(0x05, Kind::WeekDay, user, slot, [ABSENT; 5].as_slice()),
            [0x07, user, slot] => self.entry_report(0x08, Kind::YearDay, user, slot, [ABSENT; 10].as_slice()),
            [0x0e, user, slot] => self.entry_report(0x0f, Kind::Daily, user, slot, [0; 5].as_slice()),
            [0x09] => Answer::Report(vec![
                0x4e,
                0x0a,
                self.slots.week_day,
                self.slots.year_day,
                self.slots.daily,
            ]),
            [0x0b] => {
                let [hours, minutes, dst] = self.offset;
                Answer::Report(vec![0x4e, 0x0c, hours, minutes, dst])
            }
            [0x0d, hours, minutes, dst] => {
                self.offset = [hours, minutes, dst];
                Answer::Done
            }
            _ => Answer::Unknown,
        }
    }

    fn switch(&mut self, user: u16, on: bool) {
        if on {
            self.off.remove(&user);
        } else {
            self.off.insert(user);
        }
    }

    fn room(&self, kind: Kind) -> u16 {
        u16::from(match kind {
            Kind::WeekDay => self.slots.week_day,
            Kind::YearDay => self.slots.year_day,
            Kind::Daily => self.slots.daily,
        })
    }

    fn write(&mut self, kind: Kind, set: bool, user: u16, slot: u16, fields: &[u8]) -> Answer {
        if user == 0 || user > self.users || slot == 0 || slot > self.room(kind) {
            return Answer::Fail;
        }
        if set {
            let length = if kind == Kind::YearDay { 10 } else { 5 };
            let fields = fields.get(..length).unwrap_or(fields);
            self.kept.insert((user, kind, slot), fields.to_vec());
            self.counts.insert(user, kind);
            self.off.remove(&user);
        } else {
            self.kept.remove(&(user, kind, slot));
        }
        Answer::Done
    }

    fn entry_report(&self, report: u8, kind: Kind, user: u8, slot: u8, empty: &[u8]) -> Answer {
        if user == 0 || u16::from(user) > self.users || slot == 0 || u16::from(slot) > self.room(kind) {
            return Answer::Fail;
        }
        let kept = self.kept.get(&(user.into(), kind, slot.into()));
        let mut bytes = vec![0x4e, report, user, slot];
        bytes.extend_from_slice(kept.map_or(empty, Vec::as_slice));
        Answer::Report(bytes)
    }

    fn active(&mut self, command: &[u8]) -> Answer {
        match *command {
            [0x01] => {
                let mut report = vec![0xa4, 0x02, 1, USER_CREDENTIAL];
                report.extend_from_slice(&self.users.to_be_bytes());
                report.extend_from_slice(&[0, self.slots.year_day, 0, self.slots.daily]);
                Answer::Report(report)
            }
            [0x03, USER_CREDENTIAL, high, low, on] => {
                self.switch(u16::from_be_bytes([high, low]), on & 1 != 0);
                Answer::Done
            }
            [0x04, USER_CREDENTIAL, high, low] => {
                let off = self.off.contains(&u16::from_be_bytes([high, low]));
                Answer::Report(vec![0xa4, 0x05, USER_CREDENTIAL, high, low, u8::from(!off)])
            }
            [
                what @ (0x06 | 0x09),
                action,
                USER_CREDENTIAL,
                a,
                b,
                c,
                d,
                ref fields @ ..,
            ] => {
                let (user, slot) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let kind = if what == 0x06 { Kind::YearDay } else { Kind::Daily };
                let length = if what == 0x06 { 12 } else { 5 };
                if action & 3 == 1 && fields.len() < length {
                    return Answer::Fail;
                }
                self.write_active(
                    kind,
                    action & 3 == 1,
                    user,
                    slot,
                    fields.get(..length).unwrap_or(fields),
                )
            }
            [what @ (0x07 | 0x0a), USER_CREDENTIAL, a, b, c, d] => {
                let (user, slot) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let kind = if what == 0x07 { Kind::YearDay } else { Kind::Daily };
                self.active_report(what + 1, kind, user, slot)
            }
            _ => Answer::Unknown,
        }
    }

    fn write_active(&mut self, kind: Kind, set: bool, user: u16, slot: u16, fields: &[u8]) -> Answer {
        let answer = self.write(kind, false, user, slot, &[]);
        if set && answer == Answer::Done {
            self.kept.insert((user, kind, slot), fields.to_vec());
            self.off.remove(&user);
        }
        answer
    }

    fn active_report(&self, report: u8, kind: Kind, user: u16, slot: u16) -> Answer {
        if user == 0 || user > self.users || slot > self.room(kind) {
            return Answer::Fail;
        }
        let mut of_kind = self
            .kept
            .range((user, kind, 0)..=(user, kind, u16::MAX))
            .map(|((_, _, at), fields)| (*at, fields));
        let first = of_kind.clone().next().map_or(0, |(at, _)| at);
        let slot = if slot == 0 { first } else { slot };
        let next = of_kind.clone().find(|(at, _)| *at > slot).map_or(0, |(at, _)| at);
        let mut bytes = vec![0xa4, report, 0, USER_CREDENTIAL];
        for number in [user, slot, next] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        match of_kind.find(|(at, _)| *at == slot) {
            Some((_, fields)) => bytes.extend_from_slice(fields),
            None => bytes.extend(std::iter::repeat_n(0, if kind == Kind::YearDay { 12 } else { 5 })),
        }
        bytes.push(0);
        Answer::Report(bytes)
    }
}

/// Whether a schedule lets the door be opened on this day of the week, at this minute, on this date.
fn is_open(kind: Kind, fields: &[u8], day: u8, minute: u16, date: [u16; 4]) -> bool {
    let at = |hour: u8, minute: u8| u16::from(hour) * 60 + u16::from(minute);
    match (kind, fields) {
        (Kind::WeekDay, [on, start_hour, start_minute, stop_hour, stop_minute]) => {
            *on == day && (at(*start_hour, *start_minute)..at(*stop_hour, *stop_minute)).contains(&minute)
        }
        (Kind::Daily, [days, start_hour, start_minute, hours, minutes]) => {
            let start = at(*start_hour, *start_minute);
            days & (1 << day) != 0 && (start..start + at(*hours, *minutes)).contains(&minute)
        }
        (Kind::YearDay, fields) if fields.len() == 10 || fields.len() == 12 => {
            let (start, stop) = fields.split_at(fields.len() / 2);
            let moment = |half: &[u8]| match *half {
                [year, month, day, hour, minute] => {
                    [2000 + u16::from(year), month.into(), day.into(), at(hour, minute)]
                }
                [high, low, month, day, hour, minute] => [
                    u16::from_be_bytes([high, low]),
                    month.into(),
                    day.into(),
                    at(hour, minute),
                ],
                _ => [0; 4],
            };
            moment(start) <= date && date < moment(stop)
        }
        (Kind::WeekDay | Kind::YearDay | Kind::Daily, _) => false,
    }
}

/// Days of the Gregorian calendar before a date, from 1970-01-01, year by year and month by month.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let months: i64 = lengths.iter().zip(1..month).map(|(length, _)| *length).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use hubd_model::Millis;

    use super::*;

    const SLOTS: ScheduleSlots = ScheduleSlots {
        week_day: 7,
        year_day: 1,
        daily: 7,
    };

    /// Wednesday 2026-11-25, 21:00 UTC.
    fn with_clock() -> Schedules {
        let mut schedules = Schedules::new(SLOTS, 20);
        let set = [0x8b, 0x01, 0x07, 0xea, 11, 25, 21, 0, 0];
        assert_eq!(schedules.handle(MonoTime::default(), &set), Answer::Done);
        schedules
    }

    #[test]
    fn the_clock_runs_and_is_told() {
        let mut schedules = with_clock();
        let later = MonoTime::default() + Millis::from_secs(3 * 3600 + 61);
        let report = vec![0x8b, 0x03, 0x07, 0xea, 11, 26, 0, 1, 1];
        assert_eq!(schedules.handle(later, &[0x8b, 0x02]), Answer::Report(report));
        assert_eq!(days_since_1970(2026, 11, 25), 20_782);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
    }

    #[test]
    fn a_window_is_judged_by_local_time() {
        let mut schedules = with_clock();
        let now = MonoTime::default();
        // One hour ahead of UTC: 22:00 on Wednesday, which is 3.
        schedules.handle(now, &[0x4e, 0x0d, 1, 0, 0]);
        schedules.handle(now, &[0x4e, 0x03, 1, 4, 1, 3, 21, 30, 22, 30]);
        assert!(schedules.allows(now, 4) && schedules.allows(now, 5));
        assert!(!schedules.allows(now + Millis::from_secs(30 * 60), 4));
        schedules.power_cut();
        assert!(!schedules.allows(now, 4), "a clock that stopped opens nothing");
        schedules.handle(now, &[0x4e, 0x03, 0, 4, 1]);
        assert!(schedules.allows(now, 4), "erased");
    }

    #[test]
    fn a_span_of_active_schedule_ends() {
        let mut schedules = with_clock();
        let now = MonoTime::default();
        let set = [
            0xa4, 0x06, 1, 0x83, 0, 4, 0, 1, 0x07, 0xea, 11, 25, 20, 0, 0x07, 0xea, 11, 25, 22, 0, 0,
        ];
        assert_eq!(schedules.handle(now, &set), Answer::Done);
        assert!(schedules.allows(now, 4));
        assert!(!schedules.allows(now + Millis::from_secs(3600), 4));
        let mut report = vec![0xa4, 0x08, 0, 0x83, 0, 4, 0, 1, 0, 0];
        report.extend_from_slice(&set[8..]);
        let get = [0xa4, 0x07, 0x83, 0, 4, 0, 0];
        assert_eq!(schedules.handle(now, &get), Answer::Report(report));
    }
}
