//! Locks' own records: what happened while nobody listened is told afterwards, once.

use hubd_core::event::Event;
use hubd_core::view::CommandStatus;
use hubd_model::{BoltState, LockClock, LockId, LockOp, Logged, Millis, Source};
use hubd_sim::chance::Chance;
use hubd_sim::device::{Act, Device, LockConfig, LogClock as Shows, LogConfig, LogNumbers, Protection};
use hubd_sim::dongle::{DeviceKey, Fault};

use crate::rig::Rig;
use crate::{Moved, codes, happened, learnt};

const DAY: Millis = Millis::from_secs(86_400);

fn lock(log: LogConfig, protection: Protection, seed: u64) -> Device {
    let config = LockConfig {
        codes: codes(),
        log,
        ..LockConfig::default()
    };
    Device::lock("Front door", config, protection, seed)
}

/// What was told of a lock's record: the movements, and what the lock's clock showed.
fn logged(rig: &Rig, lock: &LockId) -> Vec<(Moved, Option<LockClock>)> {
    let entries = rig
        .journal
        .iter()
        .filter(|entry| entry.lock.as_ref() == Some(lock));
    let told = entries.filter_map(|entry| match &entry.event {
        Event::LockLogged {
            said: Logged::Moved { bolt, via },
            clock,
        } => {
            let slot = via.slot.map(hubd_model::CodeSlot::number);
            Some(((*bolt == BoltState::Locked, via.source, slot), *clock))
        }
        _ => None,
    });
    told.collect()
}

fn told(rig: &Rig, lock: &LockId) -> Vec<Moved> {
    logged(rig, lock).into_iter().map(|(moved, _)| moved).collect()
}

/// Somebody opens with a code and locks again by hand.
fn passes(rig: &mut Rig, lock: DeviceKey, code: &str) {
    rig.act(lock, &Act::TypeCode(code.into()));
    rig.run(Millis::from_secs(60));
    rig.act(lock, &Act::Turn { locked: true });
    rig.run(Millis::from_secs(60));
}

const OPENED_1: Moved = (false, Source::Keypad, Some(1));
const OPENED_3: Moved = (false, Source::Keypad, Some(3));
const LOCKED: Moved = (true, Source::Manual, None);

#[test]
fn keypad_entries_while_nobody_listened_are_told_once_whatever_the_lock_keeps() {
    let clocks = [Shows::Runs(0), Shows::Runs(5 * 3600 + 17), Shows::Empty];
    for numbers in [LogNumbers::NewestFirst, LogNumbers::Ring] {
        for clock in clocks {
            for protection in [Protection::s2_lock(1), Protection::S0] {
                let log = LogConfig {
                    numbers,
                    clock,
                    ..LogConfig::default()
                };
                let case = format!("{log:?} {protection:?}");
                let (mut rig, members) = Rig::new(11, vec![lock(log, protection, 1)]);
                rig.run(Millis::from_secs(300));
                let id = rig.lock_id(members[0]);
                passes(&mut rig, members[0], "0471");
                assert_eq!(learnt(&rig, &id), [OPENED_3, LOCKED], "{case}");
                rig.run(Millis::from_secs(3600));
                rig.plug(false);
                passes(&mut rig, members[0], "2580");
                passes(&mut rig, members[0], "2580");
                rig.plug(true);
                rig.run(Millis::from_secs(300));
                let expected = [OPENED_1, LOCKED, OPENED_1, LOCKED];
                assert_eq!(told(&rig, &id), expected, "{case}\n{}", rig.story());
                let clocks = logged(&rig, &id).into_iter().filter(|(_, clock)| clock.is_some());
                assert_eq!(
                    clocks.count(),
                    if clock == Shows::Empty { 0 } else { 4 },
                    "{case}"
                );
                // A record is no event: nothing else was said of it, and no bolt was moved for it.
                assert_eq!(learnt(&rig, &id), [OPENED_3, LOCKED], "{case}");
                passes(&mut rig, members[0], "0471");
                rig.run(DAY);
                rig.run(DAY);
                assert_eq!(told(&rig, &id), expected, "told once; {case}");
                assert_eq!(learnt(&rig, &id), [OPENED_3, LOCKED, OPENED_3, LOCKED], "{case}");
            }
        }
    }
}

#[test]
fn a_lock_that_was_out_of_range_without_anybody_noticing_is_told_of_the_next_day() {
    let (mut rig, members) = Rig::new(12, vec![lock(LogConfig::default(), Protection::s2_lock(1), 1)]);
    rig.run(Millis::from_secs(300));
    let id = rig.lock_id(members[0]);
    rig.act(members[0], &Act::Unreachable(true));
    passes(&mut rig, members[0], "2580");
    rig.act(members[0], &Act::Unreachable(false));
    passes(&mut rig, members[0], "0471");
    assert_eq!(learnt(&rig, &id), [OPENED_3, LOCKED]);
    rig.run(DAY);
    assert_eq!(told(&rig, &id), [OPENED_1, LOCKED], "\n{}", rig.story());
}

#[test]
fn of_a_record_that_went_round_the_newest_are_told() {
    for numbers in [LogNumbers::NewestFirst, LogNumbers::Ring] {
        let log = LogConfig {
            records: 5,
            numbers,
            ..LogConfig::default()
        };
        let (mut rig, members) = Rig::new(13, vec![lock(log, Protection::s2_lock(1), 1)]);
        rig.run(Millis::from_secs(300));
        let id = rig.lock_id(members[0]);
        passes(&mut rig, members[0], "0471");
        rig.plug(false);
        for code in ["0471", "2580", "0471", "2580"] {
            passes(&mut rig, members[0], code);
        }
        rig.plug(true);
        rig.run(Millis::from_secs(300));
        let expected = [LOCKED, OPENED_3, LOCKED, OPENED_1, LOCKED];
        assert_eq!(told(&rig, &id), expected, "{numbers:?}\n{}", rig.story());
        rig.run(DAY);
        assert_eq!(told(&rig, &id), expected, "{numbers:?}");
    }
}

#[test]
fn a_person_waits_for_no_record_and_the_record_is_read_to_its_end() {
    for wait in [0, 40, 90, 150, 230, 300, 450] {
        let (mut rig, members) = Rig::new(14, vec![lock(LogConfig::default(), Protection::s2_lock(1), 1)]);
        rig.run(Millis::from_secs(300));
        let id = rig.lock_id(members[0]);
        rig.plug(false);
        for _ in 0..8 {
            passes(&mut rig, members[0], "2580");
        }
        rig.plug(true);
        let before = rig.line.len();
        let sends = |(_, way, bytes): &&(u64, char, Vec<u8>)| *way == '>' && bytes[3] == 0xa9;
        while rig.line[before..].iter().filter(sends).count() < 3 {
            rig.run(Millis(20));
        }
        rig.run(Millis(wait));
        assert_eq!(told(&rig, &id), [], "the reading has begun and not ended");
        let command = rig.ask(&id, LockOp::Unlock);
        rig.run(Millis::from_secs(6));
        let view = &rig.commands[&command];
        assert_eq!(view.status, CommandStatus::Done, "{wait}\n{}", rig.story());
        rig.run(Millis::from_secs(300));
        assert_eq!(told(&rig, &id).len(), 16, "{wait}\n{}", rig.story());
        assert_eq!(learnt(&rig, &id), [(false, Source::Remote, None)], "{wait}");
    }
}

/// A bad channel, a stick that is pulled, a lock out of range: whatever was missed is told from the record, and nothing is
/// told twice.
fn swallowed(seed: u64) {
    let log = LogConfig {
        numbers: if seed.is_multiple_of(2) {
            LogNumbers::Ring
        } else {
            LogNumbers::NewestFirst
        },
        records: 40,
        clock: Shows::Runs(seed % 5 * 1_000),
    };
    let (mut rig, members) = Rig::new(seed, vec![lock(log, Protection::s2_lock(seed), seed)]);
    let mut chance = Chance::new(seed);
    rig.run(Millis::from_secs(300));
    let (key, id) = (members[0], rig.lock_id(members[0]));
    for _ in 0..10 {
        let how = chance.between(0, 4);
        match how {
            0 => rig.plug(false),
            1 => rig.act(key, &Act::Unreachable(true)),
            2 => rig.fault(Fault::Loss(400)),
            _ => {}
        }
        let locked = rig.dongle.device(key).unwrap().is_locked().unwrap_or(true);
        match chance.between(0, 3) {
            0 => rig.act(key, &Act::Turn { locked: !locked }),
            1 if locked => rig.act(key, &Act::TypeCode("0471".into())),
            2 if locked => rig.act(key, &Act::TypeCode("2580".into())),
            _ => {
                rig.ask(&id, if locked { LockOp::Unlock } else { LockOp::Lock });
            }
        }
        rig.run(Millis(chance.between(60_000, 900_000)));
        if how == 0 {
            rig.plug(true);
        }
        rig.act(key, &Act::Unreachable(false));
        rig.fault(Fault::Loss(0));
        rig.run(Millis(chance.between(1_000, 900_000)));
    }
    rig.run(DAY);
    rig.run(DAY);
    let story = || {
        let entries = rig
            .journal
            .iter()
            .map(|entry| format!("{} {:?}", entry.at.0 / 1000 - 1_767_225_600, entry.event));
        let truths = rig
            .truths
            .iter()
            .map(|(at, _, truth)| format!("{} {truth:?}", at.as_micros() / 1_000_000));
        let (entries, truths): (Vec<_>, Vec<_>) = (entries.collect(), truths.collect());
        format!("seed {seed}\n{}\n{}", entries.join("\n"), truths.join("\n"))
    };
    let happened = happened(&rig, key);
    let mut known = learnt(&rig, &id);
    known.extend(told(&rig, &id));
    let count = |all: &[Moved], one: &Moved| all.iter().filter(|other| *other == one).count();
    for moved in &known {
        // invariant_nothing_is_told_twice. A movement by radio may be told live twice on such a channel, when its telling
        // comes after the next one.
        let (live, was) = (count(&learnt(&rig, &id), moved), count(&happened, moved));
        let live = if moved.1 == Source::Remote {
            live.min(was)
        } else {
            live
        };
        let told = live + count(&told(&rig, &id), moved);
        assert!(
            told <= was,
            "{moved:?}: {told} of {was}\n{happened:?}\n{}",
            story()
        );
    }
    for moved in &happened {
        // invariant_nothing_is_lost. Of what was found when the lock was asked it is known that it moved.
        let found = rig
            .events()
            .filter(|event| match event {
                Event::LockOperated { bolt, via } => {
                    via.source == Source::Unknown && (*bolt == BoltState::Locked) == moved.0
                }
                _ => false,
            })
            .count();
        let (told, was) = (count(&known, moved), count(&happened, moved));
        let by_nobody = moved.2.is_none();
        assert!(
            told + if by_nobody { found } else { 0 } >= was,
            "{moved:?}: {told} of {was}\n{happened:?}\n{}",
            story()
        );
    }
}

#[test]
fn invariant_what_nobody_heard_is_told_from_the_record_and_nothing_twice() {
    for seed in 1..=60 {
        swallowed(seed);
    }
}
