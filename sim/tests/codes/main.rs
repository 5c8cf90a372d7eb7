//! Codes of simulated locks, read and changed by the real host: each kind of lock, its faults, and who goes first.
//!
//! A failure prints its seed; the same seed replays it byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test that panics fails, as it should"
)]

mod log;
mod long;
mod memory;
mod naming;
mod relocking;
mod rig;
mod taking;

use hubd_model::{
    CodeChange, CodeRefusal, CodeReport, CodeTask, CodeTaskEnd, CredentialKind, LocalMinute, LockSchedule,
    Millis, MinuteOfDay, Over, Report, SlotKey, Urgency, WeekDay, WeeklyWindow,
};
use hubd_sim::chance::Chance;
use hubd_sim::device::{Act, CodeFaults, CodesBy, Device, LockConfig, Protection, ScheduleSlots};
use hubd_sim::dongle::DeviceKey;
use rig::{Rig, pin_key, wish};

const NO_SCHEDULE: LockSchedule = LockSchedule {
    dated: None,
    weekly: Vec::new(),
};

fn codes() -> Vec<(u16, String)> {
    vec![(2, "2580".into()), (7, "0471".into())]
}

/// The kinds of locks: User Code v1 under S0, v2 one by one and in bulk, and User Credential, all with schedules.
fn v1() -> LockConfig {
    LockConfig {
        codes: codes(),
        door_lock_version: 2,
        user_code_version: 1,
        schedules: ScheduleSlots {
            week_day: 7,
            year_day: 1,
            daily: 0,
        },
        ..LockConfig::default()
    }
}

fn v2() -> LockConfig {
    LockConfig {
        user_code_version: 2,
        door_lock_version: 4,
        schedules: ScheduleSlots {
            week_day: 7,
            year_day: 1,
            daily: 2,
        },
        ..v1()
    }
}

fn bulk() -> LockConfig {
    LockConfig { bulk: true, ..v2() }
}

fn credential() -> LockConfig {
    LockConfig {
        codes_by: CodesBy::UserCredential,
        schedules: ScheduleSlots {
            week_day: 0,
            year_day: 1,
            daily: 3,
        },
        ..v2()
    }
}

fn device(config: LockConfig, seed: u64) -> Device {
    let protection = if config.codes_by == CodesBy::UserCode && config.user_code_version == 1 {
        Protection::S0
    } else {
        Protection::s2_lock(seed)
    };
    Device::lock("Front door", config, protection, seed)
}

/// One lock of each kind, known to the host.
fn house(seed: u64) -> (Rig, Vec<DeviceKey>) {
    let locks = [v1(), v2(), bulk(), credential()];
    let devices = (seed..).zip(locks).map(|(seed, config)| device(config, seed));
    let (mut rig, members) = Rig::new(seed, devices.collect());
    rig.interview();
    (rig, members)
}

fn one(config: LockConfig) -> (Rig, DeviceKey) {
    let (mut rig, members) = Rig::new(5, vec![device(config, 5)]);
    rig.interview();
    (rig, members[0])
}

fn write(slot: u16, pin: &str, schedule: LockSchedule) -> CodeTask {
    CodeTask::Write {
        key: pin_key(slot),
        wish: wish(pin, schedule),
    }
}

fn enrol(key: SlotKey, over: Over) -> CodeTask {
    CodeTask::Enrol { key, over }
}

fn other(end: &CodeTaskEnd) -> String {
    match end {
        CodeTaskEnd::Refused {
            reason: CodeRefusal::Other(sentence),
        } => sentence.clone(),
        end => panic!("{end:?}"),
    }
}

fn refused(reason: CodeRefusal) -> CodeTaskEnd {
    CodeTaskEnd::Refused { reason }
}

fn until(hour: u8) -> LockSchedule {
    let at = |hour| LocalMinute {
        year: 2026,
        month: 11,
        day: 25,
        hour,
        minute: 0,
    };
    LockSchedule {
        dated: Some((at(20), at(hour))),
        weekly: Vec::new(),
    }
}

#[test]
fn every_kind_of_lock_is_read_written_and_cleared() {
    let (mut rig, members) = house(1);
    for (kind, lock) in members.into_iter().enumerate() {
        let read = rig.codes(lock, CodeTask::ReadAll { known: None });
        assert_eq!(read.end, CodeTaskEnd::Done, "kind {kind}\n{}", rig.story());
        let pin = |slot| (CredentialKind::Pin, slot);
        let expected = [(pin(2), "2580".to_owned()), (pin(7), "0471".to_owned())];
        assert_eq!(read.slots(), expected.into(), "kind {kind}");

        let written = rig.codes(lock, write(3, "00412", NO_SCHEDULE));
        assert_eq!(written.end, CodeTaskEnd::Done, "kind {kind}\n{}", rig.story());
        assert_eq!(written.slots(), [(pin(3), "00412".to_owned())].into());
        assert_eq!(rig.opens(lock, "00412"), Some(3));

        let again = rig.codes(lock, write(3, "98765", NO_SCHEDULE));
        assert_eq!(again.end, CodeTaskEnd::Done, "kind {kind}\n{}", rig.story());
        assert_eq!(
            (rig.opens(lock, "00412"), rig.opens(lock, "98765")),
            (None, Some(3))
        );

        let one = rig.codes(lock, CodeTask::Read(pin_key(3)));
        assert_eq!(one.slots(), [(pin(3), "98765".to_owned())].into(), "kind {kind}");
        assert_eq!(one.schedule(), Some(NO_SCHEDULE), "kind {kind}");

        let cleared = rig.codes(lock, CodeTask::Clear(pin_key(3)));
        assert_eq!(cleared.end, CodeTaskEnd::Done, "kind {kind}\n{}", rig.story());
        assert_eq!(cleared.slots(), [(pin(3), "empty".to_owned())].into());
        assert_eq!(rig.kept(lock), codes(), "nobody else's code was touched");
        assert!(
            rig.code_reports()
                .iter()
                .all(|report| !matches!(report, CodeReport::Changed { .. }))
        );
    }
}

#[test]
fn a_known_checksum_ends_a_read_and_a_bulk_read_costs_few_frames() {
    let (mut rig, members) = house(2);
    let mut frames = Vec::new();
    for lock in members {
        let read = rig.codes(lock, CodeTask::ReadAll { known: None });
        let checksum = read.reports.iter().find_map(|report| match report {
            CodeReport::Checksum(checksum) => Some(*checksum),
            _ => None,
        });
        let again = rig.codes(lock, CodeTask::ReadAll { known: checksum });
        assert_eq!(again.end, CodeTaskEnd::Done);
        frames.push((read.frames, again.frames, again.slots().len()));
    }
    // Version 1 has no checksum and is read slot by slot: 20 slots, each nonce, nonce, question, answer.
    let (first, second, slots) = frames[0];
    assert!(first >= 40 && second == first && slots == 2, "{frames:?}");
    for (first, second, slots) in &frames[1..] {
        assert!(*second <= 4 && *slots == 0, "{frames:?}");
        assert!(*first <= 16, "{frames:?}");
    }
    println!("frames of a read of 20 slots, and when nothing changed (v1, v2, bulk, credential): {frames:?}");
}

/// The core checks a lock with a checksum once in 7 days and reads another once in 56; `queryAllUserCodes` of zwave-js
/// costs 1,500 frames for such a lock under S0.
#[test]
fn a_full_lock_is_read_once_and_costs_few_frames_a_day_when_idle() {
    const PEER: u32 = 1_500;
    let pins = (1..=250_u32).map(|slot| (u16::try_from(slot).unwrap(), format!("{}", 100_000 + slot * 37)));
    let codes: Vec<(u16, String)> = pins.collect();
    for (name, config) in [
        ("v1 over S0", v1()),
        ("v2", v2()),
        ("v2 in bulk", bulk()),
        ("User Credential", credential()),
    ] {
        let config = LockConfig {
            slots: 250,
            codes: codes.clone(),
            ..config
        };
        let by = config.codes_by;
        let (mut rig, lock) = one(config);
        let read = rig.codes(lock, CodeTask::ReadAll { known: None });
        assert_eq!(
            (&read.end, read.slots().len()),
            (&CodeTaskEnd::Done, 250),
            "{name}"
        );
        let known = read.reports.iter().find_map(|report| match report {
            CodeReport::Checksum(checksum) => Some(*checksum),
            _ => None,
        });
        let again = rig.codes(lock, CodeTask::ReadAll { known });
        let days = if known.is_some() { 7 } else { 56 };
        println!(
            "{name}: a first read of 250 codes costs {} frames, a check {}: {:.1} a day when idle, {:.0} times less than {PEER}",
            read.frames,
            again.frames,
            f64::from(again.frames) / f64::from(days),
            f64::from(PEER * days) / f64::from(again.frames),
        );
        assert!(
            again.frames * 50 <= PEER * days,
            "{name}: {} frames in {days} days",
            again.frames
        );
        // With a checksum: the checksum, and a question and its answer for each code, or for each user and credential.
        let questions = if by == CodesBy::UserCredential { 2 } else { 1 };
        let most = 2 + questions * 2 * 250;
        assert!(known.is_none() || read.frames <= most, "{name}: {}", read.frames);
    }
}

#[test]
fn a_code_with_a_schedule_dies_on_time_without_the_hub() {
    let (mut rig, members) = house(3);
    for lock in &members {
        let written = rig.codes(*lock, write(4, "112358", until(22)));
        assert_eq!(written.end, CodeTaskEnd::Done, "\n{}", rig.story());
        assert_eq!(written.schedule(), Some(until(22)));
        assert_eq!(rig.opens(*lock, "112358"), Some(4), "it is 21:00 and a little");
        let read = rig.codes(*lock, CodeTask::Read(pin_key(4)));
        assert_eq!(read.schedule(), Some(until(22)));
    }
    // The hub is off.
    rig.plug(false);
    rig.run(Millis::from_secs(3600));
    for lock in &members {
        assert_eq!(rig.opens(*lock, "112358"), None, "it is past 22:00");
    }
    rig.plug(true);
    rig.run(Millis::from_secs(5));
    for lock in members {
        let written = rig.codes(lock, write(4, "112358", NO_SCHEDULE));
        assert_eq!(written.end, CodeTaskEnd::Done, "\n{}", rig.story());
        assert_eq!(
            rig.opens(lock, "112358"),
            Some(4),
            "the restriction was lifted on purpose"
        );
    }
}

#[test]
fn windows_of_the_week_are_kept_by_each_kind() {
    let (mut rig, members) = house(4);
    let window = |day, from, to| {
        WeeklyWindow::new(
            day,
            MinuteOfDay::new(from).unwrap(),
            MinuteOfDay::new(to).unwrap(),
        )
        .unwrap()
    };
    // Now it is Wednesday, 21:00.
    let weekly = LockSchedule {
        dated: None,
        weekly: vec![
            window(WeekDay::Tuesday, 1200, 1320),
            window(WeekDay::Wednesday, 1200, 1320),
        ],
    };
    for lock in members {
        let written = rig.codes(lock, write(4, "112358", weekly.clone()));
        assert_eq!(written.end, CodeTaskEnd::Done, "\n{}", rig.story());
        assert_eq!(rig.opens(lock, "112358"), Some(4));
        let read = rig.codes(lock, CodeTask::Read(pin_key(4)));
        assert_eq!(read.schedule(), Some(weekly.clone()));
        let cleared = rig.codes(lock, CodeTask::Clear(pin_key(4)));
        assert_eq!(cleared.end, CodeTaskEnd::Done);
        let both = LockSchedule {
            dated: until(22).dated,
            ..weekly.clone()
        };
        let refusal = rig.codes(lock, write(4, "112358", both));
        assert_eq!(refusal.end, refused(CodeRefusal::BadSchedule));
        assert_eq!(refusal.frames, 0, "it was refused without a frame");
    }
}

/// A code that restricts is never valid without its restriction, wherever the order breaks off.
#[test]
fn invariant_a_restricted_code_is_never_valid_without_its_restriction() {
    for config in [v1(), v2(), bulk(), credential()] {
        for cut in 0..40 {
            let (mut rig, lock) = one(config.clone());
            // The window is over: the code must never open, whatever happens.
            rig.start(lock, write(4, "112358", until(21)), Urgency::Person);
            let before = rig.line.len();
            rig.run_until(Millis::from_secs(60), |rig| rig.line.len() >= before + cut);
            assert_eq!(rig.opens(lock, "112358"), None, "after {cut} frames");
            rig.plug(false);
            rig.run(Millis::from_secs(30));
            assert_eq!(
                rig.opens(lock, "112358"),
                None,
                "cut after {cut} frames\n{}",
                rig.story()
            );
        }
    }
}

#[test]
fn a_lock_that_drops_schedules_does_not_keep_the_code() {
    for config in [v1(), v2(), credential()] {
        let faults = CodeFaults {
            drops_schedules: true,
            ..CodeFaults::default()
        };
        let (mut rig, lock) = one(LockConfig {
            code_faults: faults,
            ..config
        });
        let end = rig.codes(lock, write(4, "112358", until(21))).end;
        assert_eq!(end, refused(CodeRefusal::BadSchedule), "\n{}", rig.story());
        assert_eq!(rig.opens(lock, "112358"), None);
    }
}

#[test]
fn what_a_lock_does_wrong_has_a_clear_end() {
    for config in [v1(), v2(), credential()] {
        let with = |code_faults| LockConfig {
            code_faults,
            ..config.clone()
        };
        let (mut rig, lock) = one(with(CodeFaults {
            ignores_clear: true,
            ..CodeFaults::default()
        }));
        let end = rig.codes(lock, CodeTask::Clear(pin_key(7))).end;
        assert!(other(&end).contains("still holds a code"), "{end:?}");

        let (mut rig, lock) = one(with(CodeFaults {
            masks_pins: true,
            ..CodeFaults::default()
        }));
        let read = rig.codes(lock, CodeTask::ReadAll { known: None });
        assert!(
            read.slots().values().all(|content| content == "hidden"),
            "{:?}",
            read.slots()
        );
        let written = rig.codes(lock, write(3, "98765", NO_SCHEDULE));
        assert_eq!(written.end, CodeTaskEnd::Done, "it took it, and does not show it");
        assert_eq!(written.slots()[&(CredentialKind::Pin, 3)], "hidden");
    }
    for config in [v1(), v2()] {
        let (mut rig, lock) = one(LockConfig {
            code_faults: CodeFaults {
                forgets_writes: true,
                ..CodeFaults::default()
            },
            ..config
        });
        let written = rig.codes(lock, write(3, "98765", NO_SCHEDULE));
        assert!(
            other(&written.end).contains("did not keep it"),
            "{:?}",
            written.end
        );
        assert_eq!(written.slots()[&(CredentialKind::Pin, 3)], "empty");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let (mut rig, members) = house(6);
    for lock in members {
        assert_eq!(
            rig.codes(lock, write(21, "98765", NO_SCHEDULE)).end,
            refused(CodeRefusal::NoSuchSlot)
        );
        assert_eq!(
            rig.codes(lock, write(3, "12345678901", NO_SCHEDULE)).end,
            refused(CodeRefusal::BadPin)
        );
        let duplicate = rig.codes(lock, write(3, "0471", NO_SCHEDULE));
        assert_eq!(duplicate.slots()[&(CredentialKind::Pin, 3)], "empty");
        // A lock under S0 without supervision says it by its notification.
        assert_eq!(
            duplicate.end,
            refused(CodeRefusal::Duplicate),
            "\n{}",
            rig.story()
        );
        let key = SlotKey {
            kind: CredentialKind::Rfid,
            slot: hubd_model::CodeSlot::new(1).unwrap(),
        };
        assert_eq!(
            rig.codes(lock, enrol(key, Over::Nothing)).end,
            refused(CodeRefusal::NotSupported)
        );
    }
}

#[test]
fn changes_at_the_keypad_are_told_and_our_own_are_not() {
    let (mut rig, members) = house(7);
    for lock in members {
        let change = |rig: &mut Rig, act: Act| {
            rig.reports.clear();
            rig.act(lock, &act);
            rig.run(Millis::from_secs(20));
            rig.code_reports()
        };
        let told = change(
            &mut rig,
            Act::ChangeCode {
                slot: 5,
                digits: Some("13579".into()),
            },
        );
        let key = Some(pin_key(5));
        let added = CodeReport::Changed {
            key,
            change: CodeChange::Added,
        };
        assert_eq!(told, [added], "\n{}", rig.story());
        let told = change(
            &mut rig,
            Act::ChangeCode {
                slot: 5,
                digits: None,
            },
        );
        let deleted = CodeReport::Changed {
            key,
            change: CodeChange::Deleted,
        };
        assert_eq!(told, [deleted]);
        let told = change(&mut rig, Act::ClearAllCodes);
        let all = CodeReport::Changed {
            key: None,
            change: CodeChange::AllDeleted,
        };
        assert_eq!(told, [all]);
        rig.codes(lock, write(5, "13579", NO_SCHEDULE));
        rig.run(Millis::from_secs(20));
        let echo = rig
            .code_reports()
            .into_iter()
            .any(|report| matches!(report, CodeReport::Changed { .. }));
        assert!(
            !echo,
            "what we write is no change of somebody else\n{}",
            rig.story()
        );
    }
}

#[test]
fn a_tag_is_read_in_at_the_lock_and_nobody_holds_up_the_others() {
    let config = LockConfig {
        tags: 8,
        ..credential()
    };
    let (mut rig, lock) = one(config);
    let slot = hubd_model::CodeSlot::new(2).unwrap();
    let key = SlotKey {
        kind: CredentialKind::Rfid,
        slot,
    };
    rig.reports.clear();
    let task = rig.start(lock, enrol(key, Over::Nothing), Urgency::Person);
    rig.run(Millis::from_secs(10));
    assert_eq!(rig.end_of(task), None, "it waits for somebody\n{}", rig.story());
    rig.act(lock, &Act::ShowTag(vec![1, 2, 3, 4]));
    rig.run(Millis::from_secs(10));
    assert_eq!(
        rig.end_of(task).map(|(end, _)| end),
        Some(CodeTaskEnd::Done),
        "\n{}",
        rig.story()
    );
    assert_eq!(rig.dongle.device(lock).unwrap().tags(), [(2, vec![1, 2, 3, 4])]);
    // The tag opens the door by a user of its own: the PIN of slot 2 is another user's.
    let read = rig.codes(lock, CodeTask::ReadAll { known: None });
    assert_eq!(read.slots()[&(CredentialKind::Rfid, 2)], "hidden");
    assert_eq!(read.slots()[&(CredentialKind::Pin, 2)], "2580");
    rig.codes(lock, CodeTask::Clear(pin_key(2)));
    assert_eq!(rig.dongle.device(lock).unwrap().tags().len(), 1);
    // Nobody comes.
    let end = rig
        .codes(
            lock,
            enrol(
                SlotKey {
                    slot: hubd_model::CodeSlot::new(3).unwrap(),
                    ..key
                },
                Over::Nothing,
            ),
        )
        .end;
    assert!(other(&end).contains("nobody held"), "{end:?}");
    assert_eq!(rig.codes(lock, CodeTask::Clear(key)).end, CodeTaskEnd::Done);
    assert!(rig.dongle.device(lock).unwrap().tags().is_empty());
}

#[test]
fn a_person_outranks_housekeeping_and_an_unlock_outranks_a_person() {
    // So many slots that their reading takes longer than everything else here.
    let (mut rig, lock) = one(LockConfig { slots: 100, ..v1() });
    let reading = rig.start(lock, CodeTask::ReadAll { known: None }, Urgency::Housekeeping);
    let later = rig.start(lock, CodeTask::ReadAll { known: None }, Urgency::Housekeeping);
    let person = rig.start(lock, write(3, "98765", NO_SCHEDULE), Urgency::Person);
    rig.run(Millis::from_secs(2));
    let device = rig.address(lock);
    let command = hubd_model::CommandId::parse("c1").unwrap();
    let expires = rig.now + Millis::from_secs(15);
    rig.order(hubd_model::Order::Actuate {
        command: command.clone(),
        device,
        op: hubd_model::LockOp::Unlock,
        urgency: Urgency::Person,
        expires,
    });
    let asked = rig.now;
    let moved = rig.run_until(Millis::from_secs(30), |rig| {
        rig.bolts().contains(&hubd_model::BoltState::Unlocked)
    });
    assert!(moved, "\n{}", rig.story());
    assert!(
        rig.now.since(asked) < Millis::from_secs(5),
        "{:?}",
        rig.now.since(asked)
    );
    assert_eq!(rig.end_of(reading), None, "the read goes on after the unlock");
    rig.run(Millis::from_secs(200));
    let order: Vec<_> = rig
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Codes {
                report: CodeReport::Ended { task, .. },
                ..
            } => Some(*task),
            _ => None,
        })
        .collect();
    assert_eq!(order, [reading, person, later]);
}

#[test]
fn an_absent_lock_ends_every_order_and_takes_them_when_it_is_back() {
    let (mut rig, members) = house(8);
    for lock in members {
        rig.act(lock, &Act::Unreachable(true));
        let end = rig.codes(lock, write(3, "98765", NO_SCHEDULE)).end;
        assert!(
            matches!(end, CodeTaskEnd::NoAnswer { left: false, .. }),
            "only questions left: {end:?}"
        );
        rig.act(lock, &Act::Unreachable(false));
        let end = rig.codes(lock, write(3, "98765", NO_SCHEDULE)).end;
        assert_eq!(end, CodeTaskEnd::Done, "\n{}", rig.story());
        // It goes away after it said what the slot holds.
        rig.reports.clear();
        let task = rig.start(lock, write(3, "13579", NO_SCHEDULE), Urgency::Person);
        let found = |rig: &Rig| {
            let reports = rig.code_reports();
            reports
                .iter()
                .any(|report| matches!(report, CodeReport::Found { .. }))
        };
        assert!(rig.run_until(Millis::from_secs(30), found), "\n{}", rig.story());
        rig.act(lock, &Act::Unreachable(true));
        rig.run(Millis::from_secs(120));
        let end = rig.end_of(task).map(|(end, _)| end);
        assert!(
            matches!(end, Some(CodeTaskEnd::NoAnswer { left: true, .. })),
            "a write may have arrived: {end:?}\n{}",
            rig.story()
        );
    }
}

#[test]
fn invariant_every_order_ends_once_whatever_the_line_and_the_air_do() {
    for seed in 0..60 {
        let (mut rig, members) = house(seed);
        let mut chance = Chance::new(seed);
        rig.fault_loss(&mut chance);
        let mut tasks = Vec::new();
        for _ in 0..30 {
            let lock = *chance.pick(&members).unwrap();
            let slot = u16::try_from(chance.between(1, 20)).unwrap();
            let task = match chance.between(0, 4) {
                0 => CodeTask::ReadAll { known: None },
                1 => CodeTask::Clear(pin_key(slot)),
                2 => CodeTask::Read(pin_key(slot)),
                3 => write(slot, &format!("{:05}", chance.between(0, 99_999)), until(22)),
                _ => write(slot, &format!("{:05}", chance.between(0, 99_999)), NO_SCHEDULE),
            };
            let urgency = if chance.happens(500) {
                Urgency::Person
            } else {
                Urgency::Housekeeping
            };
            tasks.push(rig.start(lock, task, urgency));
            match chance.between(0, 9) {
                0 => rig.act(lock, &Act::PowerCut),
                1 => rig.act(lock, &Act::PowerBack),
                2 => rig.act(lock, &Act::LoseSpan),
                3 => {
                    rig.plug(false);
                    rig.run(Millis::from_secs(3));
                    rig.plug(true);
                }
                _ => {}
            }
            rig.run(Millis(chance.between(0, 8_000)));
        }
        rig.run(Millis::from_secs(1_800));
        for task in tasks {
            let ends = rig
                .reports
                .iter()
                .filter(|report| {
                    matches!(report, Report::Codes { report: CodeReport::Ended { task: of, .. }, .. } if *of == task)
                })
                .count();
            assert_eq!(ends, 1, "seed {seed}, {task:?}\n{}", rig.story());
        }
    }
}

#[test]
fn no_pin_is_in_a_report_or_a_cache_that_is_printed() {
    let (mut rig, members) = house(9);
    for lock in members {
        rig.codes(lock, write(3, "918273", NO_SCHEDULE));
        rig.codes(lock, CodeTask::ReadAll { known: None });
    }
    rig.run(Millis::from_secs(10));
    assert!(!rig.printed.is_empty());
    for secret in ["918273", "2580", "0471", "57, 49, 56"] {
        assert!(!rig.printed.contains(secret), "{secret} was printed");
    }
}
