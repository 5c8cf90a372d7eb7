//! Devices that are gone are removed; devices that answer, or may only sleep, are kept.

use hubd_core::event::Event;
use hubd_model::{InclusionState, LockOp, Millis, RemovalCause};
use hubd_sim::device::Act;
use hubd_sim::dongle::Fault;

use crate::rig::Rig;
use crate::{alarm, s0_lock, s2_lock};

const HOUR: Millis = Millis::from_secs(3600);

fn removals(rig: &Rig) -> usize {
    let gone = |event: &&Event| matches!(event, Event::DeviceExcluded { cause, .. } if *cause == RemovalCause::Failed);
    rig.events().filter(gone).count()
}

#[test]
fn a_lock_that_is_gone_is_removed_and_one_that_answers_is_kept() {
    let (mut rig, members) = Rig::new(1, vec![s2_lock(1), s0_lock(2)]);
    rig.run(Millis::from_secs(60));
    let [here, gone] = [members[0], members[1]].map(|device| rig.lock_id(device));
    rig.remove_lock(&here);
    assert_eq!(rig.exclusion().state, InclusionState::Waiting);
    rig.run(Millis::from_secs(30));
    assert_eq!(rig.exclusion_failure(), "answers");
    assert!(rig.dongle.node_of(members[0]).is_some());
    assert_eq!(removals(&rig), 0);

    rig.act(members[1], &Act::PowerCut);
    rig.remove_lock(&gone);
    rig.run(Millis::from_secs(60));
    rig.excluded();
    assert_eq!((rig.dongle.node_of(members[1]), removals(&rig)), (None, 1));
    assert_eq!(rig.engine.locks().len(), 1);
    rig.restart_host();
    rig.run(Millis::from_secs(60));
    assert_eq!(rig.engine.locks().len(), 1, "and stays away");
    rig.move_bolt(&here, LockOp::Unlock);
}

#[test]
fn a_lock_whose_bolt_is_under_way_ends_its_commands_when_it_is_removed() {
    let (mut rig, members) = Rig::new(2, vec![s0_lock(2)]);
    rig.run(Millis::from_secs(60));
    let lock = rig.lock_id(members[0]);
    rig.act(members[0], &Act::PowerCut);
    rig.remove_lock(&lock);
    let command = rig.ask(&lock, LockOp::Unlock);
    rig.run(Millis::from_secs(60));
    assert!(rig.commands[&command].status.is_ended(), "{:?}", rig.commands);
    assert_eq!(removals(&rig), 1, "\n{}", rig.story());
}

#[test]
fn nothing_is_removed_because_the_channel_is_occupied() {
    let (mut rig, members) = Rig::new(3, vec![s2_lock(1)]);
    rig.run(Millis::from_secs(60));
    let lock = rig.lock_id(members[0]);
    rig.fault(Fault::Jam(true));
    rig.remove_lock(&lock);
    rig.run(Millis::from_secs(200));
    assert_eq!(rig.exclusion_failure(), "busy", "\n{}", rig.story());
    rig.fault(Fault::Jam(false));
    rig.plug(false);
    rig.plug(true);
    rig.run(Millis::from_secs(60));
    rig.remove_lock(&lock);
    rig.plug(false);
    rig.run(Millis::from_secs(5));
    rig.act(members[0], &Act::PowerCut);
    rig.plug(true);
    rig.run(Millis::from_secs(200));
    assert_eq!(rig.exclusion_failure(), "controller_failed", "\n{}", rig.story());
    assert_eq!(
        rig.dongle.node_of(members[0]),
        Some(2),
        "what was cut off is not taken up again"
    );
    assert_eq!(removals(&rig), 0);
}

#[test]
fn a_detector_that_sleeps_is_kept_until_it_was_silent_for_longer_than_it_sleeps() {
    let (mut rig, members) = Rig::new(4, vec![alarm(4)]);
    rig.run(Millis::from_secs(60));
    rig.act(members[0], &Act::Wake);
    rig.run(HOUR);
    rig.remove_alarm();
    rig.run(Millis::from_secs(60));
    assert_eq!(rig.exclusion_failure(), "sleeps", "\n{}", rig.story());
    rig.act(members[0], &Act::Wake);
    rig.run(Millis::from_secs(2));
    rig.remove_alarm();
    rig.run(Millis::from_secs(60));
    assert_eq!(
        rig.exclusion_failure(),
        "sleeps",
        "nobody knows when it falls asleep\n{}",
        rig.story()
    );
    assert!(rig.dongle.node_of(members[0]).is_some());

    rig.act(members[0], &Act::PowerCut);
    rig.run(Millis(20 * HOUR.0));
    rig.plug(false);
    rig.run(HOUR);
    rig.plug(true);
    rig.run(Millis(20 * HOUR.0));
    rig.remove_alarm();
    rig.run(Millis::from_secs(60));
    assert_eq!(
        rig.exclusion_failure(),
        "sleeps",
        "nobody listened in between\n{}",
        rig.story()
    );
    rig.run(Millis(7 * HOUR.0));
    rig.remove_alarm();
    rig.run(Millis::from_secs(60));
    rig.excluded();
    assert_eq!((rig.engine.alarms().len(), removals(&rig)), (0, 1));
}

#[test]
fn a_lock_that_says_it_was_reset_is_forgotten_by_the_stick_too() {
    let (mut rig, members) = Rig::new(5, vec![s2_lock(1), s2_lock(2)]);
    rig.run(Millis::from_secs(60));
    let lock = rig.lock_id(members[1]);
    rig.move_bolt(&lock, LockOp::Unlock);
    assert_eq!(rig.dongle.nodes().count(), 2);
    rig.act(members[1], &Act::FactoryReset);
    rig.run(Millis::from_secs(60));
    assert_eq!(rig.dongle.nodes().collect::<Vec<_>>(), [2], "\n{}", rig.story());
    let told: Vec<RemovalCause> = rig
        .events()
        .filter_map(|event| match event {
            Event::DeviceExcluded { cause, .. } => Some(*cause),
            _ => None,
        })
        .collect();
    assert_eq!(told, [RemovalCause::ResetLocally], "told once");
}
