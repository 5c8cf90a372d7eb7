//! Two S0 exchanges that cross: the hub asks the lock for a nonce while the lock asks the hub for one.

use hubd_core::view::CommandStatus;
use hubd_model::{LockOp, Millis, Source};
use hubd_sim::device::Act;

use crate::rig::Rig;
use crate::{happened, learnt, s0_lock};

/// How far the hub's order and what somebody does at the door are apart, in steps of this many milliseconds.
const STEP: usize = 7;
/// The longest distance: an S0 exchange with a beam before it takes less.
const APART_MAX: u64 = 2_100;

/// Somebody turns the bolt so long before or after the hub is asked to move it the other way.
fn cross(rig: &mut Rig, who: hubd_sim::dongle::DeviceKey, apart: u64, person_first: bool) {
    let lock = rig.lock_id(who);
    let locked = rig.dongle.device(who).unwrap().is_locked().unwrap();
    let op = if locked == person_first {
        LockOp::Lock
    } else {
        LockOp::Unlock
    };
    let turn = Act::Turn {
        locked: op == LockOp::Unlock,
    };
    let command = if person_first {
        rig.act(who, &turn);
        rig.run(Millis(apart));
        rig.ask(&lock, op)
    } else {
        let command = rig.ask(&lock, op);
        rig.run(Millis(apart));
        rig.act(who, &turn);
        command
    };
    rig.run(Millis::from_secs(60));
    let story = || format!("{apart} ms apart, person first: {person_first}\n{}", rig.story());
    let status = rig.commands[&command].status;
    if person_first {
        assert_eq!(status, CommandStatus::Done, "{}", story());
        assert_eq!(
            rig.dongle.device(who).unwrap().is_locked(),
            Some(locked),
            "{}",
            story()
        );
    } else {
        // Whoever turned it back before the hub looked is said to have done so.
        assert!(
            matches!(status, CommandStatus::Done | CommandStatus::Refused),
            "{status:?} {}",
            story()
        );
    }
}

#[test]
fn s0_exchanges_that_cross_lose_no_command_and_double_no_event() {
    let (mut rig, members) = Rig::new(5, vec![s0_lock(1)]);
    rig.run(Millis::from_secs(120));
    let lock = rig.lock_id(members[0]);
    let mut crossed = 0;
    for person_first in [true, false] {
        for apart in (0..APART_MAX).step_by(STEP) {
            let from = rig.line.len();
            cross(&mut rig, members[0], apart, person_first);
            crossed += usize::from(both_ask_at_once(&rig.line[from..]));
            // What is told is what happened, in order, once; the story of a long test is cut.
            assert_eq!(
                learnt(&rig, &lock),
                happened(&rig, members[0]),
                "{apart} ms apart, person first: {person_first}\n{}",
                rig.story()
            );
            rig.journal.clear();
            rig.truths.clear();
        }
    }
    assert!(crossed >= 20, "only {crossed} of them crossed");
}

/// Whether the lock asked for a nonce after the hub had asked and before the hub had its own.
fn both_ask_at_once(line: &[(u64, char, Vec<u8>)]) -> bool {
    let holds = |bytes: &[u8], what: [u8; 2]| bytes.windows(2).any(|two| two == what);
    let mut asked = false;
    for (_, way, bytes) in line {
        match way {
            '>' if holds(bytes, [0x98, 0x40]) => asked = true,
            '<' if holds(bytes, [0x98, 0x80]) => asked = false,
            '<' if asked && holds(bytes, [0x98, 0x40]) => return true,
            _ => {}
        }
    }
    false
}

#[test]
fn keypad_entries_during_an_s0_lock_s_interview_are_told_once() {
    for seed in 1..=40 {
        let (mut rig, members) = Rig::new(seed, vec![s0_lock(seed)]);
        // The interview asks about twenty things; every entry at the door falls into another one of them.
        rig.run(Millis(2_000 + seed * 370));
        rig.act(members[0], &Act::TypeCode("0471".into()));
        rig.run(Millis(1_700));
        rig.act(members[0], &Act::Turn { locked: true });
        rig.run(Millis::from_secs(120));
        let lock = rig.lock_id(members[0]);
        let told = learnt(&rig, &lock);
        let entries = told.iter().filter(|moved| moved.1 == Source::Keypad).count();
        let turns = told.iter().filter(|moved| moved.1 == Source::Manual).count();
        assert!(
            entries <= 1 && turns <= 1,
            "seed {seed} {told:?}\n{}",
            rig.story()
        );
        assert!(
            rig.lock(members[0]).unwrap().bolt.is_some(),
            "seed {seed}\n{}",
            rig.story()
        );
        let command = rig.ask(&lock, LockOp::Unlock);
        rig.run(Millis::from_secs(20));
        assert_eq!(
            rig.commands[&command].status,
            CommandStatus::Done,
            "seed {seed}\n{}",
            rig.story()
        );
    }
}
