//! The power is cut after every single output of an emergency.

use std::collections::BTreeSet;

use hubd_model::{BoltState, Hazard, Hold, LockOp, Millis, Source};

use super::world::*;
use crate::lifesafety::incident::{DoorStage, Stage};
use crate::lifesafety::request::LifeSafetyRequest;

/// Everything that can happen in an emergency, step by step; the number of steps.
fn step(world: &mut World, number: usize) -> bool {
    match number {
        0 => world.raise(20, Hazard::Smoke),
        1 => world.wait(Millis::from_secs(3)),
        2 => world.moves(2, BoltState::Locked, Source::Auto),
        3 => world.raise(21, Hazard::Co),
        4 => {
            world.doors.get_mut(&3).unwrap().manner = Manner::Obeys;
            world.wait(Millis::from_secs(40));
        }
        5 => world.clear(20, Hazard::Smoke),
        6 => world.clear(21, Hazard::Co),
        7 => world.moves(2, BoltState::Locked, Source::Manual),
        8 => {
            let incident = world.incident().id;
            let reason = "done".into();
            let (overrule, by) = (BTreeSet::new(), "anna".into());
            let close = LifeSafetyRequest::Close {
                incident,
                reason,
                overrule,
                by,
            };
            // It may have ended by itself.
            let _ = world.ask(close);
        }
        _ => return false,
    }
    true
}

fn house() -> World {
    let mut world = World::new(4, 2);
    world.set_policy(&[2, 3, 4], |_| ());
    // One that takes a while, and one that obeys but does not say so.
    world.doors.get_mut(&3).unwrap().manner = Manner::Silent;
    world.doors.get_mut(&4).unwrap().manner = Manner::Mute;
    world.forget_past();
    world
}

#[test]
fn invariant_a_power_cut_after_any_output_loses_no_release() {
    let mut cuts = 0;
    for begin in 0..=8 {
        for after in 0.. {
            let mut world = house();
            for number in 0..begin {
                step(&mut world, number);
            }
            world.cut_after = Some(after);
            step(&mut world, begin);
            if !world.cut {
                break;
            }
            cuts += 1;
            check(world, begin, after);
        }
    }
    assert!(cuts > 60, "{cuts} cuts");
}

fn check(mut world: World, begin: usize, after: usize) {
    let about = format!("step {begin}, cut after {after} outputs");
    let left = world.told.len();
    let known = world.memory.life_safety.incidents.last().cloned();
    world.restart();
    // Before anything left the hub nothing has happened; from the first output on the emergency goes on.
    if begin == 0 && after == 0 {
        assert_eq!((known, world.told.len()), (None, 0), "{about}");
        return;
    }
    let known = known.unwrap_or_else(|| panic!("{about}: the emergency is lost"));
    let incident = world.incident();
    assert_eq!(incident.id, known.id, "{about}: it is the same emergency");
    assert!(
        !world.engine.incidents().iter().any(|other| other.id != known.id),
        "{about}: there is one"
    );
    if incident.is_alarming() {
        for door in &incident.doors {
            assert!(
                matches!(
                    door.state,
                    DoorStage::Open | DoorStage::Releasing | DoorStage::LockedByHand
                ),
                "{about}: {door:?} is open or being opened"
            );
        }
        world.doors.get_mut(&3).unwrap().manner = Manner::Obeys;
        world.wait(Millis::from_secs(120));
        for node in [2, 3, 4] {
            assert_eq!(world.bolt(node), BoltState::Unlocked, "{about}: node {node}");
        }
        world.clear(20, Hazard::Smoke);
        world.clear(21, Hazard::Co);
    }
    world.wait(Millis::from_secs(3_600));
    assert_eq!(
        world.bolt(5),
        BoltState::Locked,
        "{about}: a door that was not chosen moved"
    );
    assert!(
        world
            .told
            .iter()
            .all(|told| told.node != 5 && told.op == LockOp::Unlock),
        "{about}"
    );
    assert!(world.told.len() >= left, "{about}");
    let incident = world.incident();
    assert!(
        matches!(incident.stage, Stage::Restoring | Stage::Closed),
        "{about}: {:?}",
        incident.stage
    );
    if incident.stage == Stage::Restoring {
        assert!(!world.holds.iter().any(|(node, hold)| {
            *hold == Hold::Restored
                && incident
                    .doors
                    .iter()
                    .any(|door| door.state == DoorStage::Open && door.lock == world.lock(*node))
        }));
    }
}
