//! Any command of the classes that keep schedules.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{Command, active_schedule, schedule_entry_lock};
use super::bytes;

pub(super) fn schedule_entry_lock() -> impl Strategy<Value = Command> {
    use schedule_entry_lock::Command as Entry;
    let place = || {
        fields!(schedule_entry_lock::Place {
            user: any::<u8>(),
            slot: any::<u8>(),
        })
    };
    let moment = || {
        fields!(schedule_entry_lock::Moment {
            year: 0..100u8,
            month: any::<u8>(),
            day: any::<u8>(),
            hour: any::<u8>(),
            minute: any::<u8>(),
        })
    };
    let week_day = fields!(schedule_entry_lock::WeekDay {
        day: 0..7u8,
        start_hour: any::<u8>(),
        start_minute: any::<u8>(),
        stop_hour: any::<u8>(),
        stop_minute: any::<u8>(),
    });
    let year_day = fields!(schedule_entry_lock::YearDay {
        start: moment(),
        stop: moment(),
    });
    let daily = fields!(schedule_entry_lock::Daily {
        days: 1..0x80u8,
        start_hour: any::<u8>(),
        start_minute: any::<u8>(),
        duration_hours: any::<u8>(),
        duration_minutes: any::<u8>(),
    });
    let offset = fields!(schedule_entry_lock::TimeOffset {
        behind: any::<bool>(),
        hours: 0..0x80u8,
        minutes: 0..0x80u8,
        dst_back: any::<bool>(),
        dst_minutes: 0..0x80u8,
    });
    prop_oneof![
        prop_oneof![
            fields!(schedule_entry_lock::Enable {
                user: any::<u8>(),
                enabled: any::<bool>(),
            })
            .prop_map(Entry::EnableSet),
            any::<bool>().prop_map(Entry::EnableAllSet),
            prop::sample::select(vec![Entry::SupportedGet, Entry::TimeOffsetGet]),
            (place(), 0..3u8).prop_map(|(place, kind)| match kind {
                0 => Entry::WeekDayGet(place),
                1 => Entry::YearDayGet(place),
                _ => Entry::DailyGet(place),
            }),
        ],
        fields!(schedule_entry_lock::SupportedReport {
            week_day: any::<u8>(),
            year_day: any::<u8>(),
            daily_repeating: option::of(any::<u8>()),
        })
        .prop_map(Entry::SupportedReport),
        (
            fields!(schedule_entry_lock::Entry {
                place: place(),
                schedule: option::of(week_day)
            }),
            any::<bool>()
        )
            .prop_map(|(entry, set)| if set {
                Entry::WeekDaySet(entry)
            } else {
                Entry::WeekDayReport(entry)
            }),
        (
            fields!(schedule_entry_lock::Entry {
                place: place(),
                schedule: option::of(year_day)
            }),
            any::<bool>()
        )
            .prop_map(|(entry, set)| if set {
                Entry::YearDaySet(entry)
            } else {
                Entry::YearDayReport(entry)
            }),
        (
            fields!(schedule_entry_lock::Entry {
                place: place(),
                schedule: option::of(daily)
            }),
            any::<bool>()
        )
            .prop_map(|(entry, set)| if set {
                Entry::DailySet(entry)
            } else {
                Entry::DailyReport(entry)
            }),
        (offset, any::<bool>()).prop_map(|(offset, set)| if set {
            Entry::TimeOffsetSet(offset)
        } else {
            Entry::TimeOffsetReport(offset)
        }),
    ]
    .prop_map(Command::ScheduleEntryLock)
}

pub(super) fn active_schedule() -> impl Strategy<Value = Command> {
    use active_schedule::Command as Active;
    let target = || {
        fields!(active_schedule::Target {
            class: any::<u8>(),
            id: any::<u16>(),
        })
    };
    let place = || {
        fields!(active_schedule::Place {
            target: target(),
            slot: any::<u16>(),
        })
    };
    let moment = || {
        fields!(active_schedule::Moment {
            year: 1..u16::MAX,
            month: any::<u8>(),
            day: any::<u8>(),
            hour: any::<u8>(),
            minute: any::<u8>(),
        })
    };
    let year_day = || {
        option::of(fields!(active_schedule::YearDay {
            start: moment(),
            stop: moment(),
        }))
    };
    let daily = || {
        option::of(fields!(active_schedule::Daily {
            days: 1..0x80u8,
            start_hour: any::<u8>(),
            start_minute: any::<u8>(),
            duration_hours: any::<u8>(),
            duration_minutes: any::<u8>(),
        }))
    };
    let capability = fields!(active_schedule::Capability {
        class: any::<u8>(),
        targets: any::<u16>(),
        year_day: any::<u16>(),
        daily: any::<u16>(),
    });
    prop_oneof![
        Just(Active::CapabilitiesGet),
        vec(capability, 0..5).prop_map(Active::CapabilitiesReport),
        fields!(active_schedule::Enable {
            target: target(),
            enabled: any::<bool>(),
        })
        .prop_map(Active::EnableSet),
        target().prop_map(Active::EnableGet),
        fields!(active_schedule::EnableReport {
            target: target(),
            enabled: any::<bool>(),
            code: 0..8u8,
        })
        .prop_map(Active::EnableReport),
        place().prop_map(Active::YearDayGet),
        place().prop_map(Active::DailyGet),
        fields!(active_schedule::Entry {
            place: place(),
            schedule: year_day(),
            metadata: bytes(8),
        })
        .prop_map(Active::YearDaySet),
        fields!(active_schedule::Entry {
            place: place(),
            schedule: daily(),
            metadata: bytes(8),
        })
        .prop_map(Active::DailySet),
        fields!(active_schedule::Report {
            code: 0..8u8,
            place: place(),
            next_slot: any::<u16>(),
            schedule: year_day(),
            metadata: bytes(8),
        })
        .prop_map(Active::YearDayReport),
        fields!(active_schedule::Report {
            code: 0..8u8,
            place: place(),
            next_slot: any::<u16>(),
            schedule: daily(),
            metadata: bytes(8),
        })
        .prop_map(Active::DailyReport),
    ]
    .prop_map(Command::ActiveSchedule)
}
