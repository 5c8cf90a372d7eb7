//! Active Schedule: when something of another class counts, such as a user of User Credential, in local time.
//!
//! Schedules of a target add up: it counts while any of them does. A schedule that is not there is `None`: the wire
//! has zeros in its fields.
//!
//! Spec: CC:00A4, version 1.

use super::codec::{Fault, flag, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

/// An Active Schedule command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report what you can keep.
    CapabilitiesGet,
    /// What the node can keep, at most 255 classes.
    CapabilitiesReport(Vec<Capability>),
    /// Let a target's schedules count, or not.
    EnableSet(Enable),
    /// Report whether a target's schedules count.
    EnableGet(Target),
    /// Whether a target's schedules count.
    EnableReport(EnableReport),
    /// Write a span between two dates; without one it is erased.
    YearDaySet(Entry<YearDay>),
    /// Report a span between two dates.
    YearDayGet(Place),
    /// A span between two dates.
    YearDayReport(Report<YearDay>),
    /// Write a window that repeats daily; without one it is erased.
    DailySet(Entry<Daily>),
    /// Report a window that repeats daily.
    DailyGet(Place),
    /// A window that repeats daily.
    DailyReport(Report<Daily>),
}

/// What can be kept for one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// The class.
    pub class: u8,
    /// How many targets it has.
    pub targets: u16,
    /// How many spans between two dates each has.
    pub year_day: u16,
    /// How many windows that repeat daily each has.
    pub daily: u16,
}

/// What a schedule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The class.
    pub class: u8,
    /// Which of that class; a user of User Credential.
    pub id: u16,
}

/// Whether a target's schedules count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enable {
    /// Whose.
    pub target: Target,
    /// Whether they count.
    pub enabled: bool,
}

/// Whether a target's schedules count, as reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnableReport {
    /// Whose.
    pub target: Target,
    /// Whether they count.
    pub enabled: bool,
    /// Why it is reported; three bits: 0 somebody asked, 1 changed by another way, 2 changed by radio.
    pub code: u8,
}

/// Where a schedule is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub target: Target,
    /// Its slot, from 1; 0 in a question for the first.
    pub slot: u16,
}

/// A schedule as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// Where.
    pub place: Place,
    /// What; `None` to erase it.
    pub schedule: Option<T>,
    /// Up to seven bytes that the controller wants kept with it.
    pub metadata: Vec<u8>,
}

/// A schedule as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<T> {
    /// Why it is reported; three bits: 0 somebody asked, 1 changed by another way, 2 changed by radio.
    pub code: u8,
    /// Where.
    pub place: Place,
    /// The next slot of this target that keeps one; 0 when there is none.
    pub next_slot: u16,
    /// What; `None` when nothing is kept.
    pub schedule: Option<T>,
    /// Up to seven bytes that the controller wanted kept with it.
    pub metadata: Vec<u8>,
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

/// Set action: the schedule is erased.
const ERASE: u8 = 0;
/// Set action: the schedule is written.
const WRITE: u8 = 1;
/// How many bytes may be kept with a schedule.
const METADATA_MAX: u8 = 7;

/// A kind of schedule as its bytes.
trait Wire: Copy {
    const LENGTH: usize;
    fn take(reader: &mut Reader<'_>) -> Result<Option<Self>, Fault>;
    fn put(self, out: &mut Vec<u8>);
}

impl Wire for YearDay {
    const LENGTH: usize = 12;
    fn take(reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        let mut moment = || -> Result<Moment, Fault> {
            let year = reader.u16("year")?;
            let [month, day, hour, minute] = reader.array("date and time")?;
            Ok(Moment {
                year,
                month,
                day,
                hour,
                minute,
            })
        };
        let (start, stop) = (moment()?, moment()?);
        Ok((start.year != 0).then_some(Self { start, stop }))
    }
    fn put(self, out: &mut Vec<u8>) {
        for moment in [self.start, self.stop] {
            out.extend_from_slice(&moment.year.to_be_bytes());
            out.extend_from_slice(&[moment.month, moment.day, moment.hour, moment.minute]);
        }
    }
}

impl Wire for Daily {
    const LENGTH: usize = 5;
    fn take(reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        let [days, start_hour, start_minute, duration_hours, duration_minutes] =
            reader.array("daily repeating schedule")?;
        Ok((days != 0).then_some(Self {
            days,
            start_hour,
            start_minute,
            duration_hours,
            duration_minutes,
        }))
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

fn target(reader: &mut Reader<'_>) -> Result<Target, Fault> {
    Ok(Target {
        class: reader.u8("target class")?,
        id: reader.u16("target id")?,
    })
}

fn put_target(target: Target, out: &mut Vec<u8>) {
    out.push(target.class);
    out.extend_from_slice(&target.id.to_be_bytes());
}

fn place(reader: &mut Reader<'_>) -> Result<Place, Fault> {
    Ok(Place {
        target: target(reader)?,
        slot: reader.u16("schedule slot")?,
    })
}

fn put_place(place: Place, out: &mut Vec<u8>) {
    put_target(place.target, out);
    out.extend_from_slice(&place.slot.to_be_bytes());
}

fn metadata(reader: &mut Reader<'_>) -> Vec<u8> {
    let length = optional(reader).unwrap_or_default() & METADATA_MAX;
    take_up_to(reader, length.into()).to_vec()
}

fn put_schedule<T: Wire>(schedule: Option<T>, metadata: &[u8], out: &mut Vec<u8>) {
    match schedule {
        Some(schedule) => schedule.put(out),
        None => out.extend(std::iter::repeat_n(0, T::LENGTH)),
    }
    put_counted(metadata, METADATA_MAX, 0, out);
}

fn set<T: Wire>(reader: &mut Reader<'_>) -> Result<Entry<T>, Fault> {
    let action = reader.u8("set action")? & 0x03;
    let place = place(reader)?;
    let schedule = if action == ERASE {
        // An erasure may leave out the rest.
        T::take(reader).ok();
        None
    } else {
        T::take(reader)?
    };
    Ok(Entry {
        place,
        schedule,
        metadata: metadata(reader),
    })
}

fn put_set<T: Wire>(command: u8, entry: &Entry<T>, out: &mut Vec<u8>) {
    out.push(command);
    out.push(if entry.schedule.is_some() { WRITE } else { ERASE });
    put_place(entry.place, out);
    put_schedule(entry.schedule, &entry.metadata, out);
}

fn report<T: Wire>(reader: &mut Reader<'_>) -> Result<Report<T>, Fault> {
    Ok(Report {
        code: reader.u8("report code")? & 0x07,
        place: place(reader)?,
        next_slot: reader.u16("next schedule slot")?,
        schedule: T::take(reader)?,
        metadata: metadata(reader),
    })
}

fn put_report<T: Wire>(command: u8, report: &Report<T>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[command, report.code & 0x07]);
    put_place(report.place, out);
    out.extend_from_slice(&report.next_slot.to_be_bytes());
    put_schedule(report.schedule, &report.metadata, out);
}

/// The report keeps each field of all classes together.
fn capabilities(reader: &mut Reader<'_>) -> Result<Vec<Capability>, Fault> {
    let count = usize::from(reader.u8("number of target classes")?);
    let classes = reader.take(count, "target classes")?;
    let mut numbers =
        || -> Result<Vec<u16>, Fault> { (0..count).map(|_| Ok(reader.u16("number")?)).collect() };
    let (targets, year_day, daily) = (numbers()?, numbers()?, numbers()?);
    let all = classes.iter().zip(targets).zip(year_day.into_iter().zip(daily));
    Ok(all
        .map(|((class, targets), (year_day, daily))| Capability {
            class: *class,
            targets,
            year_day,
            daily,
        })
        .collect())
}

fn put_capabilities(all: &[Capability], out: &mut Vec<u8>) {
    let count = u8::try_from(all.len()).unwrap_or(u8::MAX);
    let all = || all.iter().take(count.into());
    out.extend_from_slice(&[0x02, count]);
    out.extend(all().map(|one| one.class));
    out.extend(all().flat_map(|one| one.targets.to_be_bytes()));
    out.extend(all().flat_map(|one| one.year_day.to_be_bytes()));
    out.extend(all().flat_map(|one| one.daily.to_be_bytes()));
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::CapabilitiesGet,
            0x02 => Self::CapabilitiesReport(capabilities(reader)?),
            0x03 => Self::EnableSet(Enable {
                target: target(reader)?,
                enabled: reader.u8("state")? & 0x01 != 0,
            }),
            0x04 => Self::EnableGet(target(reader)?),
            0x05 => {
                let target = target(reader)?;
                let state = reader.u8("state")?;
                Self::EnableReport(EnableReport {
                    target,
                    enabled: state & 0x01 != 0,
                    code: state >> 1 & 0x07,
                })
            }
            0x06 => Self::YearDaySet(set(reader)?),
            0x07 => Self::YearDayGet(place(reader)?),
            0x08 => Self::YearDayReport(report(reader)?),
            0x09 => Self::DailySet(set(reader)?),
            0x0A => Self::DailyGet(place(reader)?),
            0x0B => Self::DailyReport(report(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::CapabilitiesGet => out.push(0x01),
            Self::CapabilitiesReport(all) => put_capabilities(all, out),
            Self::EnableSet(enable) => {
                out.push(0x03);
                put_target(enable.target, out);
                out.push(flag(enable.enabled, 0x01));
            }
            Self::EnableGet(target) => {
                out.push(0x04);
                put_target(*target, out);
            }
            Self::EnableReport(report) => {
                out.push(0x05);
                put_target(report.target, out);
                out.push(flag(report.enabled, 0x01) | (report.code & 0x07) << 1);
            }
            Self::YearDaySet(entry) => put_set(0x06, entry, out),
            Self::YearDayGet(place) => {
                out.push(0x07);
                put_place(*place, out);
            }
            Self::YearDayReport(report) => put_report(0x08, report, out),
            Self::DailySet(entry) => put_set(0x09, entry, out),
            Self::DailyGet(place) => {
                out.push(0x0A);
                put_place(*place, out);
            }
            Self::DailyReport(report) => put_report(0x0B, report, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn a_span_of_a_user_is_written() {
        let place = Place {
            target: Target { class: 0x83, id: 3 },
            slot: 1,
        };
        let moment = |day| Moment {
            year: 2026,
            month: 11,
            day,
            hour: 8,
            minute: 15,
        };
        let set = Command::YearDaySet(Entry {
            place,
            schedule: Some(YearDay {
                start: moment(25),
                stop: moment(28),
            }),
            metadata: vec![],
        });
        let bytes = [
            0xA4, 0x06, 1, 0x83, 0, 3, 0, 1, 0x07, 0xEA, 11, 25, 8, 15, 0x07, 0xEA, 11, 28, 8, 15, 0,
        ];
        assert_eq!(cc::Command::from(set.clone()).emit(), bytes);
        assert_eq!(cc::Command::parse(&bytes), Ok(set.into()));
        // An erasure may end behind the slot.
        let erase = Command::YearDaySet(Entry {
            place,
            schedule: None,
            metadata: vec![],
        });
        assert_eq!(
            cc::Command::parse(&[0xA4, 0x06, 0, 0x83, 0, 3, 0, 1]),
            Ok(erase.into())
        );
    }

    #[test]
    fn each_number_of_all_classes_is_together() {
        let one = |class, targets| Capability {
            class,
            targets,
            year_day: 2,
            daily: 7,
        };
        let bytes = [0xA4, 0x02, 2, 0x83, 0x62, 0, 20, 0, 1, 0, 2, 0, 2, 0, 7, 0, 7];
        assert_eq!(
            cc::Command::parse(&bytes),
            Ok(Command::CapabilitiesReport(vec![one(0x83, 20), one(0x62, 1)]).into())
        );
    }
}
