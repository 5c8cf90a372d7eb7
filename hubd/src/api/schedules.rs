//! Schedules in the API's words: times with offset, windows of the week by the clock on the home's wall.

use hubd_core::credentials::request::{Patch, SchedulePatch};
use hubd_model::{LocalMinute, LockSchedule, MinuteOfDay, Schedule, UnixMillis, WeekDay, WeeklyWindow};
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::shape::{parse_rfc3339, rfc3339};

/// A field of a change: absent means that it stays, `null` takes the restriction away.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A change of one field.
pub(super) fn patch<T>(field: Option<T>) -> Patch<T> {
    field.map_or(Patch::Keep, Patch::Set)
}

/// A point in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) UnixMillis);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            let expected = "a time with offset, such as 2026-11-25T18:00:00+01:00";
            de::Error::invalid_value(Unexpected::Other("text"), &expected)
        };
        parse_rfc3339(&text).map(Self).ok_or_else(wrong)
    }
}

/// A minute of the day, `08:00` to `24:00`.
#[derive(Debug, Clone, Copy)]
struct Minute(MinuteOfDay);

impl<'de> Deserialize<'de> for Minute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        minute(&text).map(Self).ok_or_else(|| {
            let expected = "a time of day from 00:00 to 24:00";
            de::Error::invalid_value(Unexpected::Other("text"), &expected)
        })
    }
}

fn minute(text: &str) -> Option<MinuteOfDay> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| -> Option<u16> {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    if minutes >= 60 {
        return None;
    }
    MinuteOfDay::new(hours.checked_mul(60)?.checked_add(minutes)?)
}

fn clock(minute: MinuteOfDay) -> String {
    format!("{:02}:{:02}", minute.minutes() / 60, minute.minutes() % 60)
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Day {
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

impl From<WeekDay> for Day {
    fn from(day: WeekDay) -> Self {
        match day {
            WeekDay::Monday => Self::Monday,
            WeekDay::Tuesday => Self::Tuesday,
            WeekDay::Wednesday => Self::Wednesday,
            WeekDay::Thursday => Self::Thursday,
            WeekDay::Friday => Self::Friday,
            WeekDay::Saturday => Self::Saturday,
            WeekDay::Sunday => Self::Sunday,
        }
    }
}

impl From<Day> for WeekDay {
    fn from(day: Day) -> Self {
        match day {
            Day::Monday => Self::Monday,
            Day::Tuesday => Self::Tuesday,
            Day::Wednesday => Self::Wednesday,
            Day::Thursday => Self::Thursday,
            Day::Friday => Self::Friday,
            Day::Saturday => Self::Saturday,
            Day::Sunday => Self::Sunday,
        }
    }
}

/// A window that recurs each week on one day, by the clock on the home's wall; its end is not part of it. One that goes
/// past midnight is two.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WeeklyWindow)]
pub(super) struct WindowDto {
    /// The day.
    day: Day,
    /// Its first minute.
    #[schema(example = "08:00", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    start: String,
    /// The minute after its last, up to `24:00`.
    #[schema(example = "12:30", pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
    end: String,
}

impl From<WeeklyWindow> for WindowDto {
    fn from(window: WeeklyWindow) -> Self {
        Self {
            day: window.day().into(),
            start: clock(window.start()),
            end: clock(window.end()),
        }
    }
}

/// A window as it comes in.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewWindow(WeeklyWindow);

impl<'de> Deserialize<'de> for NewWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            day: Day,
            start: Minute,
            end: Minute,
        }
        let parts = Parts::deserialize(deserializer)?;
        WeeklyWindow::new(parts.day.into(), parts.start.0, parts.end.0)
            .map(Self)
            .ok_or_else(|| {
                let expected = "an end that is after the start; a window past midnight is two";
                de::Error::invalid_value(Unexpected::Other("window"), &expected)
            })
    }
}

/// When a credential opens the door. Without any field: always.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleDto {
    /// Not before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    from: Option<String>,
    /// Not at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Only in these windows; none means the whole week.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weekly: Vec<WindowDto>,
}

impl From<Schedule> for ScheduleDto {
    fn from(schedule: Schedule) -> Self {
        Self {
            from: schedule.from.map(rfc3339),
            until: schedule.until.map(rfc3339),
            weekly: schedule.weekly.into_iter().map(WindowDto::from).collect(),
        }
    }
}

/// When a new credential shall open the door. Without any field: always.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSchedule)]
pub(super) struct NewScheduleDto {
    /// Not before this time.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Not at or after this time.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Only in these windows; none means the whole week.
    #[serde(default)]
    #[schema(value_type = Vec<WindowDto>, max_items = 28)]
    weekly: Vec<NewWindow>,
}

impl From<NewScheduleDto> for Schedule {
    fn from(dto: NewScheduleDto) -> Self {
        Self {
            from: dto.from.map(|time| time.0),
            until: dto.until.map(|time| time.0),
            weekly: dto.weekly.into_iter().map(|window| window.0).collect(),
        }
    }
}

/// A change of a schedule: what is absent stays, `null` takes a restriction away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScheduleChange)]
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
pub(super) struct SchedulePatchDto {
    /// Not before this time.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Option<Time>>,
    /// Not at or after this time.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Option<Time>>,
    /// Only in these windows; an empty list means the whole week.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<WindowDto>>, max_items = 28)]
    weekly: Option<Vec<NewWindow>>,
}

impl From<SchedulePatchDto> for SchedulePatch {
    fn from(dto: SchedulePatchDto) -> Self {
        let time = |field: Option<Option<Time>>| patch(field.map(|time| time.map(|time| time.0)));
        let weekly = dto
            .weekly
            .map(|windows| windows.into_iter().map(|window| window.0).collect());
        Self {
            from: time(dto.from),
            until: time(dto.until),
            weekly: patch(weekly),
        }
    }
}

/// What a lock keeps as the schedule of one slot, by the clock on the home's wall.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LockSchedule)]
pub(super) struct LockScheduleDto {
    /// From this minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-25T18:00")]
    from: Option<String>,
    /// Until this minute, which is not part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-29T11:00")]
    until: Option<String>,
    /// Only in these windows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weekly: Vec<WindowDto>,
}

impl From<LockSchedule> for LockScheduleDto {
    fn from(schedule: LockSchedule) -> Self {
        let local = |at: LocalMinute| {
            format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}",
                at.year, at.month, at.day, at.hour, at.minute
            )
        };
        let (from, until) = schedule.dated.unzip();
        Self {
            from: from.map(local),
            until: until.map(local),
            weekly: schedule.weekly.into_iter().map(WindowDto::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_the_day_is_two_pairs_of_digits() {
        for (text, minutes) in [("00:00", 0), ("08:05", 485), ("23:59", 1439), ("24:00", 1440)] {
            let parsed = minute(text).unwrap();
            assert_eq!(parsed.minutes(), minutes);
            assert_eq!(clock(parsed), text);
        }
        for bad in [
            "", "8:00", "08:60", "24:01", "08:0a", "+8:00", "08:00:00", "99:00",
        ] {
            assert_eq!(minute(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_change_tells_what_is_absent_from_what_is_null() {
        let change: SchedulePatchDto = serde_json::from_str(
            r#"{"until": null, "weekly": [{"day": "monday", "start": "08:00", "end": "09:00"}]}"#,
        )
        .unwrap();
        let change = SchedulePatch::from(change);
        assert_eq!(change.from, Patch::Keep);
        assert_eq!(change.until, Patch::Set(None));
        assert!(change.weekly.is_set());
        for bad in [
            r#"{"weekly": [{"day": "monday", "start": "09:00", "end": "08:00"}]}"#,
            r#"{"until": "tomorrow"}"#,
            r#"{"unitl": null}"#,
        ] {
            assert!(serde_json::from_str::<SchedulePatchDto>(bad).is_err(), "{bad}");
        }
    }
}
