//! The whole radio side of the hub in a simulated house on virtual time, under faults, with seeds.
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

mod crossing;
mod first;
mod log;
mod removal;
mod rig;

use hubd_core::event::Event;
use hubd_core::view::CommandStatus;
use hubd_model::{
    AlarmSignal, BoltState, Hazard, InclusionState, InclusionStrategy, LockId, LockOp, Millis, Report,
    SecretString, Security, Source,
};
use hubd_sim::chance::Chance;
use hubd_sim::device::{Act, AlarmConfig, Device, LockConfig, Protection, Truth};
use hubd_sim::dongle::{DeviceKey, Fault};
use rig::Rig;

/// How many houses are played for each family of faults.
const SEEDS: u64 = 200;

fn codes() -> Vec<(u16, String)> {
    vec![(1, "2580".into()), (3, "0471".into())]
}

fn s2_lock(seed: u64) -> Device {
    let config = LockConfig {
        codes: codes(),
        ..LockConfig::default()
    };
    Device::lock("Front door", config, Protection::s2_lock(seed), seed)
}

fn s0_lock(seed: u64) -> Device {
    let config = LockConfig {
        codes: codes(),
        door_lock_version: 2,
        user_code_version: 1,
        keypad: hubd_sim::device::KeypadEvent::UserCodeReport,
        ..LockConfig::default()
    };
    Device::lock("Back door", config, Protection::S0, seed)
}

fn alarm(seed: u64) -> Device {
    Device::alarm(
        "Hall alarm",
        AlarmConfig::default(),
        Protection::s2_detector(seed),
        seed,
    )
}

#[test]
fn smoke_is_raised_and_cleared_whatever_the_interview_does() {
    let (mut rig, members) = Rig::new(1, vec![s2_lock(1), s0_lock(2), s2_lock(3), alarm(4)]);
    rig.run(Millis::from_secs(60));
    let hall = members[3];
    rig.act(
        hall,
        &Act::Hazard {
            hazard: Hazard::Smoke,
            present: true,
        },
    );
    rig.run(Millis::from_secs(20));
    rig.act(
        hall,
        &Act::Hazard {
            hazard: Hazard::Smoke,
            present: false,
        },
    );
    rig.run(Millis::from_secs(20));
    let signals: Vec<_> = rig
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Alarm {
                signal,
                authenticated,
                ..
            } => Some((*signal, *authenticated)),
            _ => None,
        })
        .collect();
    let expected = [
        (AlarmSignal::Raised(Hazard::Smoke), true),
        (AlarmSignal::Cleared(Hazard::Smoke), true),
    ];
    assert_eq!(signals, expected, "\n{}", rig.story());
}

#[test]
fn a_bolt_moves_on_request_and_the_end_is_what_the_lock_said() {
    let (mut rig, members) = Rig::new(2, vec![s2_lock(1), s0_lock(2)]);
    rig.run(Millis::from_secs(60));
    for device in members {
        let lock = rig.lock_id(device);
        for (op, bolt) in [
            (LockOp::Unlock, BoltState::Unlocked),
            (LockOp::Lock, BoltState::Locked),
        ] {
            rig.move_bolt(&lock, op);
            let known = rig.lock(device).unwrap().bolt.unwrap().value;
            assert_eq!((known.0, known.1.source), (bolt, Source::Remote));
        }
    }
    let operated = rig
        .events()
        .filter(|event| matches!(event, Event::LockOperated { .. }))
        .count();
    assert_eq!(operated, 4);
}

/// One movement: whether to locked, by what, with which slot.
type Moved = (bool, Source, Option<u16>);

/// What the hub learnt of a lock: movements that the lock told by itself, with the source and the slot.
fn learnt(rig: &Rig, lock: &LockId) -> Vec<Moved> {
    let entries = rig
        .journal
        .iter()
        .filter(|entry| entry.lock.as_ref() == Some(lock));
    let told = entries.filter_map(|entry| match &entry.event {
        Event::LockOperated { bolt, via } if via.source != Source::Unknown => Some((
            *bolt == BoltState::Locked,
            via.source,
            via.slot.map(hubd_model::CodeSlot::number),
        )),
        _ => None,
    });
    told.collect()
}

/// What really happened to a device's bolt.
fn happened(rig: &Rig, device: DeviceKey) -> Vec<Moved> {
    let truths = rig.truths.iter().filter(|(_, key, _)| *key == device);
    let moved = truths.filter_map(|(_, _, truth)| match truth {
        Truth::Bolt { locked, by, slot } => Some((*locked, *by, *slot)),
        _ => None,
    });
    moved.collect()
}

/// One line fault after another, people at the door, and requests: what must hold whatever the seed.
fn line_faults(seed: u64) {
    let devices = vec![s2_lock(seed), s0_lock(seed + 1), alarm(seed + 2)];
    let (mut rig, members) = Rig::new(seed, devices);
    let mut chance = Chance::new(seed);
    rig.run(Millis::from_secs(120));
    let locks: Vec<LockId> = members[..2].iter().map(|key| rig.lock_id(*key)).collect();
    let faults = [
        Fault::Nak(1),
        Fault::Can(1),
        Fault::Swallow(1),
        Fault::LoseAck(1),
        Fault::Garbage(2),
        Fault::Corrupt(1),
    ];
    for _ in 0..12 {
        if let Some(fault) = chance.pick(&faults) {
            rig.fault(*fault);
        }
        let who = usize::from(chance.happens(500));
        let locked = rig
            .dongle
            .device(members[who])
            .unwrap()
            .is_locked()
            .unwrap_or(true);
        match chance.between(0, 3) {
            0 => rig.act(members[who], &Act::Turn { locked: !locked }),
            1 if locked => rig.act(members[who], &Act::TypeCode("0471".into())),
            _ => {
                let op = if locked { LockOp::Unlock } else { LockOp::Lock };
                rig.ask(&locks[who], op);
            }
        }
        rig.run(Millis(chance.between(8_000, 30_000)));
    }
    rig.run(Millis::from_secs(120));
    let story = || format!("seed {seed}\n{}", rig.story());
    // invariant_every_command_ends
    for command in rig.commands.values() {
        assert!(command.status.is_ended(), "{command:?}\n{}", story());
    }
    for (device, lock) in members.iter().zip(&locks) {
        // invariant_no_event_is_lost_or_doubled
        assert_eq!(learnt(&rig, lock), happened(&rig, *device), "{lock} {}", story());
        // invariant_the_state_shown_is_the_state_reported
        let truth = rig.dongle.device(*device).unwrap().is_locked().unwrap();
        let shown = rig.lock(*device).unwrap().bolt.unwrap().value.0;
        assert_eq!(shown == BoltState::Locked, truth, "{lock} {}", story());
    }
}

#[test]
fn invariants_hold_under_faults_of_the_line() {
    for seed in 1..=SEEDS {
        line_faults(seed);
    }
}

/// Whether `part` is `whole` with some left out.
fn is_within<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|item| rest.any(|other| other == item))
}

/// A bad channel, jams, power cuts, lost nonces: nothing is invented, every command ends.
fn bad_air(seed: u64) {
    let (mut rig, members) = Rig::new(seed, vec![s2_lock(seed), s0_lock(seed + 1), alarm(seed + 2)]);
    let mut chance = Chance::new(seed);
    rig.run(Millis::from_secs(120));
    let locks: Vec<LockId> = members[..2].iter().map(|key| rig.lock_id(*key)).collect();
    rig.fault(Fault::Loss(150));
    for _ in 0..12 {
        let who = usize::from(chance.happens(500));
        match chance.between(0, 4) {
            0 => rig.fault(Fault::Jam(true)),
            1 => rig.act(members[who], &Act::PowerCut),
            2 => rig.act(members[who], &Act::LoseSpan),
            _ => {}
        }
        let locked = rig
            .dongle
            .device(members[who])
            .unwrap()
            .is_locked()
            .unwrap_or(true);
        if chance.happens(400) {
            rig.act(members[who], &Act::Turn { locked: !locked });
        } else {
            rig.ask(&locks[who], if locked { LockOp::Unlock } else { LockOp::Lock });
        }
        rig.run(Millis(chance.between(5_000, 20_000)));
        rig.fault(Fault::Jam(false));
        rig.act(members[who], &Act::PowerBack);
    }
    rig.run(Millis::from_secs(180));
    let story = || format!("seed {seed}\n{}", rig.story());
    // invariant_every_command_ends
    for command in rig.commands.values() {
        assert!(command.status.is_ended(), "{command:?}\n{}", story());
    }
    for (device, lock) in members.iter().zip(&locks) {
        // invariant_nothing_is_invented. A movement by radio is confirmed and told, and on a bad channel the telling
        // may come after the next movement: those are only looked up, the others are compared in order.
        let by_radio = |moved: &Moved| moved.1 == Source::Remote;
        let (learnt, happened) = (learnt(&rig, lock), happened(&rig, *device));
        for moved in learnt.iter().filter(|moved| by_radio(moved)) {
            assert!(
                happened.contains(moved),
                "{lock} {learnt:?} {happened:?} {}",
                story()
            );
        }
        let others = |moves: &[Moved]| -> Vec<Moved> {
            moves.iter().filter(|moved| !by_radio(moved)).copied().collect()
        };
        let (learnt, happened) = (others(&learnt), others(&happened));
        assert!(
            is_within(&learnt, &happened),
            "{lock} {learnt:?} {happened:?} {}",
            story()
        );
    }
    // A clean channel again: the house works as before.
    rig.fault(Fault::Loss(0));
    rig.run(Millis::from_secs(600));
    for (device, lock) in members.iter().zip(&locks) {
        let command = rig.ask(lock, LockOp::Unlock);
        rig.run(Millis::from_secs(30));
        let status = rig.commands[&command].status;
        assert_eq!(status, CommandStatus::Done, "{lock} seed {seed}\n{}", rig.story());
        assert_eq!(rig.dongle.device(*device).unwrap().is_locked(), Some(false));
    }
}

#[test]
fn invariants_hold_on_a_bad_channel() {
    for seed in 1..=SEEDS {
        bad_air(seed);
    }
}

#[test]
fn a_stick_that_was_away_for_a_minute_works_again_by_itself() {
    let (mut rig, members) = Rig::new(3, vec![s2_lock(1), s0_lock(2)]);
    rig.run(Millis::from_secs(120));
    let lock = rig.lock_id(members[0]);
    rig.plug(false);
    rig.run(Millis::from_secs(20));
    let lost = rig.ask(&lock, LockOp::Unlock);
    rig.run(Millis::from_secs(40));
    assert!(
        rig.commands
            .get(&lost)
            .is_none_or(|command| command.status.is_ended())
    );
    rig.plug(true);
    rig.run(Millis::from_secs(30));
    assert_eq!(
        rig.dongle.device(members[0]).unwrap().is_locked(),
        Some(true),
        "nothing is sent late"
    );
    rig.move_bolt(&lock, LockOp::Unlock);
}

#[test]
fn a_stick_that_hangs_is_noticed_and_works_again_after_its_power_was_cut() {
    let (mut rig, members) = Rig::new(3, vec![s2_lock(1)]);
    rig.run(Millis::from_secs(120));
    let lock = rig.lock_id(members[0]);
    rig.fault(Fault::Hang(true));
    let command = rig.ask(&lock, LockOp::Unlock);
    rig.run(Millis::from_secs(120));
    assert!(rig.commands[&command].status.is_ended());
    assert!(
        rig.events()
            .any(|event| matches!(event, Event::HubDegraded { .. })),
        "\n{}",
        rig.story()
    );
    rig.plug(false);
    rig.plug(true);
    rig.run(Millis::from_secs(60));
    rig.move_bolt(&lock, LockOp::Unlock);
}

#[test]
fn no_code_changes_whatever_the_hub_forgets() {
    let (mut rig, members) = Rig::new(4, vec![s2_lock(1), s0_lock(2)]);
    rig.run(Millis::from_secs(120));
    rig.forget_cache();
    rig.restart_host();
    rig.run(Millis::from_secs(300));
    for device in members {
        assert_eq!(rig.dongle.device(device).unwrap().codes(), codes());
    }
    let changed = rig
        .truths
        .iter()
        .any(|(_, _, truth)| matches!(truth, Truth::CodeChanged { .. }));
    assert!(!changed);
}

#[test]
fn a_hub_that_restarts_from_its_cache_sends_nothing_to_a_battery_device() {
    let (mut rig, _) = Rig::new(5, vec![s2_lock(1), s0_lock(2), alarm(3)]);
    rig.act(rig.dongle.devices().last().unwrap(), &Act::Wake);
    rig.run(Millis::from_secs(300));
    rig.restart_host();
    let before = rig.line.len();
    rig.run(Millis::from_secs(60));
    let sent = rig.line[before..].iter();
    let sent: Vec<_> = sent
        .filter(|(_, way, bytes)| *way == '>' && matches!(bytes[3], 0xa9 | 0x13 | 0x60))
        .collect();
    assert!(sent.is_empty(), "{sent:02x?}\n{}", rig.story());
    assert!(matches!(
        rig.engine.radios()[0].state,
        hubd_model::RadioState::Ready
    ));
}

/// A house with one member and a device that is still to be included.
fn house_and_newcomer(newcomer: Device) -> (Rig, DeviceKey, DeviceKey) {
    let (mut rig, members) = Rig::new(6, vec![s2_lock(1), alarm(2)]);
    rig.run(Millis::from_secs(120));
    let newcomer = rig.dongle.add_device(newcomer);
    (rig, newcomer, members[1])
}

fn label(rig: &Rig, device: DeviceKey) -> String {
    rig.dongle.device(device).unwrap().dsk_text().unwrap()
}

#[test]
fn a_lock_is_included_by_its_pin_and_smoke_is_heard_meanwhile() {
    let (mut rig, new, hall) = house_and_newcomer(s2_lock(9));
    rig.include(InclusionStrategy::S2(None));
    rig.run(Millis::from_secs(5));
    rig.act(new, &Act::LearnButton);
    rig.run(Millis::from_secs(20));
    assert_eq!(rig.inclusion().state, InclusionState::Asking, "\n{}", rig.story());
    rig.act(
        hall,
        &Act::Hazard {
            hazard: Hazard::Smoke,
            present: true,
        },
    );
    rig.run(Millis::from_secs(5));
    let raised = |report: &Report| {
        matches!(
            report,
            Report::Alarm {
                signal: AlarmSignal::Raised(Hazard::Smoke),
                authenticated: true,
                ..
            }
        )
    };
    assert!(rig.reports.iter().any(raised), "\n{}", rig.story());
    let pin = label(&rig, new)[..5].to_owned();
    rig.answer(&pin);
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.included().security, Some(Security::S2AccessControl));
    let lock = rig.lock_id(new);
    rig.move_bolt(&lock, LockOp::Unlock);
    rig.act(new, &Act::Turn { locked: true });
    rig.run(Millis::from_secs(5));
    let moved = learnt(&rig, &lock);
    assert_eq!(
        moved.last(),
        Some(&(true, Source::Manual, None)),
        "its lifeline leads to the hub: {moved:?}"
    );
}

#[test]
fn a_wrong_pin_ends_without_a_usable_lock() {
    let (mut rig, new, _) = house_and_newcomer(s2_lock(9));
    rig.include(InclusionStrategy::S2(None));
    rig.run(Millis::from_secs(2));
    rig.act(new, &Act::LearnButton);
    rig.run(Millis::from_secs(20));
    let pin: u16 = label(&rig, new)[..5].parse().unwrap();
    rig.answer(&format!("{:05}", pin ^ 1));
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.inclusion_failure(), "wrong_pin");
    assert_eq!(rig.dongle.device(new).unwrap().security(), None);
    if let Some(lock) = rig.lock(new) {
        let command = rig.ask(&lock.id, LockOp::Unlock);
        rig.run(Millis::from_secs(30));
        assert!(
            !rig.commands
                .get(&command)
                .is_some_and(|command| command.status == CommandStatus::Done)
        );
    }
    assert_eq!(rig.dongle.device(new).unwrap().is_locked(), Some(true));
}

#[test]
fn a_lock_is_included_with_s0() {
    let (mut rig, new, _) = house_and_newcomer(s0_lock(9));
    rig.include(InclusionStrategy::S0);
    rig.run(Millis::from_secs(2));
    rig.act(new, &Act::LearnButton);
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.included().security, Some(Security::S0));
    let lock = rig.lock_id(new);
    rig.move_bolt(&lock, LockOp::Unlock);
}

#[test]
fn a_lock_and_an_alarm_are_included_by_smart_start() {
    for (newcomer, security) in [
        (s2_lock(9), Security::S2AccessControl),
        (alarm(9), Security::S2Authenticated),
    ] {
        let (mut rig, new, _) = house_and_newcomer(newcomer);
        rig.include(InclusionStrategy::SmartStart(SecretString::new(label(&rig, new))));
        rig.run(Millis::from_secs(2));
        rig.act(new, &Act::SmartStart(true));
        rig.run(Millis::from_secs(180));
        assert_eq!(rig.included().security, Some(security));
        assert!(rig.dongle.device(new).unwrap().security().is_some());
    }
}
