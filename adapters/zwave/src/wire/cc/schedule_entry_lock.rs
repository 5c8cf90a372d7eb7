//! Schedule Entry Lock: when the codes of a lock's users open the door, in the lock's local time.
//!
//! Of the kinds of schedules only the one that was written last counts for a user; several schedules of this kind add
//! up. A schedule that is not there is `None`: the wire has 0xFF in its first field.
//!
//! Spec: CC:004E, versions 1 to 4.

use super::codec::{Fault, flag, optional};
use crate::wire::reader::Reader;

/// A Schedule Entry Lock command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Let a user's schedules count, or not.
    EnableSet(Enable),
    /// Let all schedules count, or none.
    EnableAllSet(bool),
    /// Write a window on a day of the week; without one it is erased.
    WeekDaySet(Entry<WeekDay>),
    /// Report a window on a day of the week.
    WeekDayGet(Place),
    /// A window on a day of the week.
    WeekDayReport(Entry<WeekDay>),
    /// Write a span between two dates; without one it is erased.
    YearDaySet(Entry<YearDay>),
    /// Report a span between two dates.
    YearDayGet(Place),
    /// A span between two dates.
    YearDayReport(Entry<YearDay>),
    /// Report what you can keep.
    SupportedGet,
    /// What the lock can keep.
    SupportedReport(SupportedReport),
    /// Report how far your local time is from UTC; since version 2.
    TimeOffsetGet,
    /// How far the lock's local time is from UTC; since version 2.
    TimeOffsetReport(TimeOffset),
    /// Your local time is so far from UTC; since version 2.
    TimeOffsetSet(TimeOffset),
    /// Report a window that repeats daily; since version 3.
    DailyGet(Place),
    /// A window that repeats daily; since version 3.
    DailyReport(Entry<Daily>),
    /// Write a window that repeats daily; without one it is erased; since version 3.
    DailySet(Entry<Daily>),
}

/// Whether a user's schedules count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enable {
    /// The user.
    pub user: u8,
    /// Whether they count.
    pub enabled: bool,
}

/// Where a schedule is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The user.
    pub user: u8,
    /// The schedule's slot, from 1.
    pub slot: u8,
}

/// A schedule in its place; `None` for an empty place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<T> {
    /// Where.
    pub place: Place,
    /// What.
    pub schedule: Option<T>,
}

/// A window on a day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekDay {
    /// 0 Sunday to 6 Saturday.
    pub day: u8,
    /// 0 to 23.
    pub start_hour: u8,
    /// 0 to 59.
    pub start_minute: u8,
    /// 0 to 23.
    pub stop_hour: u8,
    /// 0 to 59.
    pub stop_minute: u8,
}

/// A span between two dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YearDay {
    /// From here.
    pub start: Moment,
    /// To here.
    pub stop: Moment,
}

/// A date and time to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Years since 2000; 0 to 99.
    pub year: u8,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// A window that repeats on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// Bit 0 Sunday to bit 6 Saturday.
    pub days: u8,
    /// 0 to 23.
    pub start_hour: u8,
    /// 0 to 59.
    pub start_minute: u8,
    /// How many hours it lasts.
    pub duration_hours: u8,
    /// And how many minutes.
    pub duration_minutes: u8,
}

/// How many schedules the lock keeps for each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedReport {
    /// Windows on days of the week.
    pub week_day: u8,
    /// Spans between two dates.
    pub year_day: u8,
    /// Windows that repeat daily; since version 3.
    pub daily_repeating: Option<u8>,
}

/// How far local time is from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOffset {
    /// Whether local time is behind UTC.
    pub behind: bool,
    /// Hours between local time and UTC; 0 to 14.
    pub hours: u8,
    /// Minutes beyond the hours; 0 to 59.
    pub minutes: u8,
    /// Whether daylight saving time turns the clock back instead of on.
    pub dst_back: bool,
    /// By how many minutes daylight saving time moves the clock; 0 to 127.
    pub dst_minutes: u8,
}

/// What the wire has in the fields of a schedule that is not there.
const ABSENT: u8 = 0xFF;
/// Set action: the schedule is erased.
const ERASE: u8 = 0;
/// Set action: the schedule is written.
const WRITE: u8 = 1;

/// A kind of schedule as its bytes.
trait Wire: Copy {
    /// How many bytes it has.
    const LENGTH: usize;
    /// From exactly that many bytes; `None` when nothing is kept.
    fn take(reader: &mut Reader<'_>) -> Option<Self>;
    fn put(self, out: &mut Vec<u8>);
    /// What a report of an empty place has.
    const EMPTY: u8 = ABSENT;
}

impl Wire for WeekDay {
    const LENGTH: usize = 5;
    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        let [day, start_hour, start_minute, stop_hour, stop_minute] = reader.array("week day").ok()?;
        (day != ABSENT).then_some(Self {
            day,
            start_hour,
            start_minute,
            stop_hour,
            stop_minute,
        })
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[
            self.day,
            self.start_hour,
            self.start_minute,
            self.stop_hour,
            self.stop_minute,
        ]);
    }
}

impl Wire for YearDay {
    const LENGTH: usize = 10;
    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        let mut moment = || {
            let [year, month, day, hour, minute] = reader.array("year day").ok()?;
            Some(Moment {
                year,
                month,
                day,
                hour,
                minute,
            })
        };
        let (start, stop) = (moment()?, moment()?);
        (start.year != ABSENT).then_some(Self { start, stop })
    }
    fn put(self, out: &mut Vec<u8>) {
        for moment in [self.start, self.stop] {
            out.extend_from_slice(&[moment.year, moment.month, moment.day, moment.hour, moment.minute]);
        }
    }
}

impl Wire for Daily {
    const LENGTH: usize = 5;
    /// No day at all, or nothing but ones, is an empty place.
    const EMPTY: u8 = 0;
    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        let [days, start_hour, start_minute, duration_hours, duration_minutes] =
            reader.array("daily repeating").ok()?;
        (days != ABSENT && days != 0).then_some(Self {
            days,
            start_hour,
            start_minute,
            duration_hours,
            duration_minutes,
        })
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[
            self.days,
            self.start_hour,
            self.start_minute,
            self.duration_hours,
            self.duration_minutes,
        ]);
    }
}

fn place(reader: &mut Reader<'_>) -> Result<Place, Fault> {
    let [user, slot] = reader.array("user identifier and schedule slot")?;
    Ok(Place { user, slot })
}

fn set<T: Wire>(reader: &mut Reader<'_>) -> Result<Entry<T>, Fault> {
    let action = reader.u8("set action")?;
    let place = place(reader)?;
    let schedule = (action != ERASE).then(|| T::take(reader)).flatten();
    Ok(Entry { place, schedule })
}

fn report<T: Wire>(reader: &mut Reader<'_>) -> Result<Entry<T>, Fault> {
    Ok(Entry {
        place: place(reader)?,
        schedule: T::take(reader),
    })
}

fn put_get(command: u8, place: Place, out: &mut Vec<u8>) {
    out.extend_from_slice(&[command, place.user, place.slot]);
}

fn put_set<T: Wire>(command: u8, entry: Entry<T>, out: &mut Vec<u8>) {
    out.push(command);
    out.push(if entry.schedule.is_some() { WRITE } else { ERASE });
    put_entry(entry, ABSENT, out);
}

fn put_report<T: Wire>(command: u8, entry: Entry<T>, out: &mut Vec<u8>) {
    out.push(command);
    put_entry(entry, T::EMPTY, out);
}

fn put_entry<T: Wire>(entry: Entry<T>, empty: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[entry.place.user, entry.place.slot]);
    match entry.schedule {
        Some(schedule) => schedule.put(out),
        None => out.extend(std::iter::repeat_n(empty, T::LENGTH)),
    }
}

fn time_offset(reader: &mut Reader<'_>) -> Result<TimeOffset, Fault> {
    let [hours, minutes, dst] = reader.array("time offset")?;
    Ok(TimeOffset {
        behind: hours & 0x80 != 0,
        hours: hours & 0x7F,
        minutes: minutes & 0x7F,
        dst_back: dst & 0x80 != 0,
        dst_minutes: dst & 0x7F,
    })
}

fn put_time_offset(command: u8, offset: TimeOffset, out: &mut Vec<u8>) {
    out.extend_from_slice(&[
        command,
        flag(offset.behind, 0x80) | (offset.hours & 0x7F),
        offset.minutes & 0x7F,
        flag(offset.dst_back, 0x80) | (offset.dst_minutes & 0x7F),
    ]);
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => {
                let [user, enabled] = reader.array("user identifier and state")?;
                Self::EnableSet(Enable {
                    user,
                    enabled: enabled & 0x01 != 0,
                })
            }
            0x02 => Self::EnableAllSet(reader.u8("state")? & 0x01 != 0),
            0x03 => Self::WeekDaySet(set(reader)?),
            0x04 => Self::WeekDayGet(place(reader)?),
            0x05 => Self::WeekDayReport(report(reader)?),
            0x06 => Self::YearDaySet(set(reader)?),
            0x07 => Self::YearDayGet(place(reader)?),
            0x08 => Self::YearDayReport(report(reader)?),
            0x09 => Self::SupportedGet,
            0x0A => Self::SupportedReport(SupportedReport {
                week_day: reader.u8("number of week day slots")?,
                year_day: reader.u8("number of year day slots")?,
                daily_repeating: optional(reader),
            }),
            0x0B => Self::TimeOffsetGet,
            0x0C => Self::TimeOffsetReport(time_offset(reader)?),
            0x0D => Self::TimeOffsetSet(time_offset(reader)?),
            0x0E => Self::DailyGet(place(reader)?),
            0x0F => Self::DailyReport(report(reader)?),
            0x10 => Self::DailySet(set(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        match self {
            Self::EnableSet(enable) => {
                out.extend_from_slice(&[0x01, enable.user, flag(enable.enabled, 0x01)]);
            }
            Self::EnableAllSet(enabled) => out.extend_from_slice(&[0x02, flag(enabled, 0x01)]),
            Self::WeekDaySet(entry) => put_set(0x03, entry, out),
            Self::WeekDayGet(place) => put_get(0x04, place, out),
            Self::WeekDayReport(entry) => put_report(0x05, entry, out),
            Self::YearDaySet(entry) => put_set(0x06, entry, out),
            Self::YearDayGet(place) => put_get(0x07, place, out),
            Self::YearDayReport(entry) => put_report(0x08, entry, out),
            Self::SupportedGet => out.push(0x09),
            Self::SupportedReport(report) => {
                out.extend_from_slice(&[0x0A, report.week_day, report.year_day]);
                out.extend(report.daily_repeating);
            }
            Self::TimeOffsetGet => out.push(0x0B),
            Self::TimeOffsetReport(offset) => put_time_offset(0x0C, offset, out),
            Self::TimeOffsetSet(offset) => put_time_offset(0x0D, offset, out),
            Self::DailyGet(place) => put_get(0x0E, place, out),
            Self::DailyReport(entry) => put_report(0x0F, entry, out),
            Self::DailySet(entry) => put_set(0x10, entry, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    const PLACE: Place = Place { user: 3, slot: 2 };

    fn check(bytes: &[u8], command: Command) {
        assert_eq!(cc::Command::from(command).emit(), bytes);
        assert_eq!(cc::Command::parse(bytes), Ok(command.into()));
    }

    #[test]
    fn a_window_is_written_and_erased() {
        let monday = WeekDay {
            day: 1,
            start_hour: 9,
            start_minute: 30,
            stop_hour: 17,
            stop_minute: 0,
        };
        let entry = |schedule| Entry {
            place: PLACE,
            schedule,
        };
        check(
            &[0x4E, 0x03, 1, 3, 2, 1, 9, 30, 17, 0],
            Command::WeekDaySet(entry(Some(monday))),
        );
        check(
            &[0x4E, 0x03, 0, 3, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            Command::WeekDaySet(entry(None)),
        );
        check(
            &[0x4E, 0x05, 3, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            Command::WeekDayReport(entry(None)),
        );
        // A lock that leaves the fields out.
        assert_eq!(
            cc::Command::parse(&[0x4E, 0x05, 3, 2]),
            Ok(Command::WeekDayReport(entry(None)).into())
        );
    }

    #[test]
    fn a_span_counts_years_from_2000() {
        let moment = |day, hour| Moment {
            year: 26,
            month: 11,
            day,
            hour,
            minute: 15,
        };
        let entry = Entry {
            place: PLACE,
            schedule: Some(YearDay {
                start: moment(25, 8),
                stop: moment(28, 20),
            }),
        };
        check(
            &[0x4E, 0x08, 3, 2, 26, 11, 25, 8, 15, 26, 11, 28, 20, 15],
            Command::YearDayReport(entry),
        );
    }

    #[test]
    fn an_offset_has_its_signs() {
        let offset = TimeOffset {
            behind: true,
            hours: 3,
            minutes: 30,
            dst_back: false,
            dst_minutes: 60,
        };
        check(&[0x4E, 0x0D, 0x83, 30, 60], Command::TimeOffsetSet(offset));
    }
}
