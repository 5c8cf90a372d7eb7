//! What releases, what does not, what is held, and how it ends.

use std::collections::BTreeSet;

use hubd_model::{
    AlarmSignal, BoltState, CommandId, Hazard, Hold, LinkState, LockOp, Millis, Report, Source, Urgency,
};

use super::world::*;
use crate::input::{Answer, Request};
use crate::lifesafety::incident::{DoorStage, Review, Stage};
use crate::lifesafety::policy::{Detectors, WhenAway};
use crate::lifesafety::reason::{Concern, Finding};
use crate::lifesafety::request::LifeSafetyRequest;
use crate::lifesafety::{DRILL_MAX, Readiness, StoredPolicy};

const SMOKE: Hazard = Hazard::Smoke;

fn by() -> String {
    "anna".into()
}

#[test]
fn smoke_opens_the_chosen_doors_and_only_those() {
    let mut world = World::new(3, 1);
    world.set_policy(&[2, 3], |_| ());
    world.synced = false;
    world.forget_past();
    world.raise(20, SMOKE);
    assert_eq!(
        world.kinds(),
        [
            "alarm.raised",
            "incident.opened",
            "incident.review_opened",
            "incident.released",
            "command.ended",
            "incident.door_opened",
            "lock.operated",
            "command.ended",
            "incident.door_opened",
            "incident.held",
            "lock.operated"
        ]
    );
    let moved: Vec<_> = world.told.iter().map(|told| (told.node, told.op)).collect();
    assert_eq!(moved, [(2, LockOp::Unlock), (3, LockOp::Unlock)]);
    assert_eq!(world.bolt(4), BoltState::Locked);
    let held: BTreeSet<_> = world
        .holds
        .iter()
        .copied()
        .map(|(node, hold)| (node, hold == Hold::Suspended))
        .collect();
    assert_eq!(held, BTreeSet::from([(2, true), (3, true)]));
    let incident = world.incident();
    assert_eq!((incident.stage, incident.policy_version), (Stage::Held, Some(1)));
    assert!(incident.doors.iter().all(|door| door.latency == Some(Millis(0))));
    // The danger is over: people are asked; when both doors are locked, it is over.
    world.clear(20, SMOKE);
    assert_eq!(world.incident().stage, Stage::Restoring);
    world.moves(2, BoltState::Locked, Source::Manual);
    assert_eq!(world.incident().stage, Stage::Restoring);
    world.moves(3, BoltState::Locked, Source::Keypad);
    let incident = world.incident();
    assert_eq!(
        (incident.stage, incident.review.clone()),
        (Stage::Closed, Review::Open)
    );
    assert_eq!(
        world.engine.life_safety().unreviewed,
        std::slice::from_ref(&incident.id)
    );
    assert!(world.holds.contains(&(2, Hold::Restored)));
    world
        .ask(LifeSafetyRequest::Review {
            incident: incident.id,
            false_alarm: true,
            reason: "burnt toast".into(),
            by: by(),
        })
        .unwrap();
    assert!(world.engine.life_safety().unreviewed.is_empty());
    assert!(
        world.told.iter().all(|told| told.op == LockOp::Unlock),
        "nothing was locked by the hub"
    );
}

#[test]
fn what_is_no_alarm_opens_nothing() {
    let mut world = World::new(1, 2);
    world.set_policy(&[2], |_| ());
    let detectors = Detectors::Only(BTreeSet::from([world.alarm(21)]));
    world
        .ask(LifeSafetyRequest::StartMaintenance {
            detectors,
            span: Millis::from_secs(600),
            reason: "new batteries".into(),
            by: by(),
        })
        .unwrap();
    for signal in [
        AlarmSignal::Tested(SMOKE),
        AlarmSignal::Silenced(SMOKE),
        AlarmSignal::EndOfLife(SMOKE),
        AlarmSignal::Maintenance(SMOKE),
        AlarmSignal::Cleared(SMOKE),
    ] {
        world.detector(20, signal, true);
    }
    // Nobody vouches for the message, for the link, or for a detector that is being worked on.
    world.detector(20, AlarmSignal::Raised(SMOKE), false);
    world.detector(30, AlarmSignal::Raised(SMOKE), true);
    world.raise(21, SMOKE);
    assert_eq!((world.told.len(), world.opened), (0, 0));
    // It ends by itself; a new word of the detector counts then, an old one does not.
    world.wait(Millis::from_secs(601));
    assert!(world.kinds().contains(&"maintenance.ended"));
    assert_eq!(world.told.len(), 0);
    world.raise(21, SMOKE);
    assert_eq!(world.told.len(), 1);
}

#[test]
fn a_state_from_before_a_restart_is_no_alarm_and_maintenance_ends_with_it() {
    let mut world = World::new(1, 1);
    world.raise(20, SMOKE);
    world.set_policy(&[2], |_| ());
    assert_eq!(
        world.told.len(),
        0,
        "an alarm from before the policy is confirmed by a person or a new one"
    );
    let incident = world.incident().id;
    let overrule = BTreeSet::from([world.alarm(20)]);
    let reason = "it is broken".into();
    world
        .ask(LifeSafetyRequest::Close {
            incident,
            reason,
            overrule,
            by: by(),
        })
        .unwrap();
    world
        .ask(LifeSafetyRequest::StartMaintenance {
            detectors: Detectors::Any,
            span: Millis::from_secs(1_800),
            reason: "paint".into(),
            by: by(),
        })
        .unwrap();
    world.restart();
    assert_eq!(world.engine.life_safety().readiness, Readiness::Armed);
    world.wait(Millis::from_secs(4_000));
    assert_eq!(world.told.len(), 0);
}

#[test]
fn each_way_of_confirmation_confirms() {
    let second = |rule: &mut crate::lifesafety::policy::DoorRule| {
        rule.confirm.at_once.clear();
        rule.confirm.second_within = Some(Millis::from_secs(60));
    };
    let mut world = World::new(1, 3);
    world.set_policy(&[2], second);
    world.raise(20, SMOKE);
    world.wait(Millis::from_secs(61));
    world.raise(21, SMOKE);
    assert_eq!(world.told.len(), 0, "too late to be the second");
    world.raise(22, Hazard::Co);
    assert_eq!(world.told.len(), 1, "a second within a minute");

    let mut world = World::new(1, 1);
    world.set_policy(&[2], |rule| {
        rule.confirm.at_once.clear();
        rule.confirm.lasting = Some(Millis::from_secs(30));
    });
    world.raise(20, SMOKE);
    world.wait(Millis::from_secs(29));
    world.clear(20, SMOKE);
    world.wait(Millis::from_secs(60));
    assert_eq!((world.told.len(), world.closed), (0, 1), "it did not last");
    world.raise(20, SMOKE);
    world.wait(Millis::from_secs(30));
    assert_eq!(world.told.len(), 1, "it lasts");

    let mut world = World::new(1, 1);
    world.set_policy(&[2], |rule| rule.confirm.at_once.clear());
    world.raise(20, SMOKE);
    world.wait(Millis::from_secs(3_600));
    assert_eq!(world.told.len(), 0);
    let incident = world.incident().id;
    world
        .ask(LifeSafetyRequest::Release { incident, by: by() })
        .unwrap();
    assert_eq!(world.told.len(), 1, "a person confirms");

    let mut world = World::new(1, 1);
    world.set_policy(&[2], |rule| rule.when_away = WhenAway::Person);
    world
        .ask(LifeSafetyRequest::SetAway { away: true, by: by() })
        .unwrap();
    world.raise(20, SMOKE);
    assert_eq!(world.told.len(), 0, "nobody is at home");
    world
        .ask(LifeSafetyRequest::SetAway {
            away: false,
            by: by(),
        })
        .unwrap();
    assert_eq!(world.told.len(), 1, "somebody is");
}

#[test]
fn a_release_can_be_called_off_in_its_window_and_a_further_detector_counts() {
    let mut world = World::new(1, 2);
    world.set_policy(&[2], |rule| rule.cancel_window = Millis::from_secs(20));
    world.raise(20, SMOKE);
    assert!(world.kinds().contains(&"incident.pending"));
    world.wait(Millis::from_secs(19));
    let incident = world.incident().id;
    let cancel = LifeSafetyRequest::Cancel {
        incident,
        reason: "toast".into(),
        by: by(),
    };
    world.ask(cancel.clone()).unwrap();
    world.wait(Millis::from_secs(100));
    assert_eq!(world.told.len(), 0);
    world.raise(21, SMOKE);
    world.wait(Millis::from_secs(20));
    assert_eq!(world.told.len(), 1);
    let refused = world.ask(cancel).unwrap_err();
    assert_eq!(refused.code(), "already_released");
}

#[test]
fn a_door_that_does_not_open_is_told_again_and_again_and_people_are_told() {
    for (manner, code) in [(Manner::Silent, "not_reported"), (Manner::Jams, "jammed")] {
        let mut world = World::new(2, 1);
        world.set_policy(&[2, 3], |_| ());
        world.doors.get_mut(&3).unwrap().manner = manner;
        world.raise(20, SMOKE);
        world.wait(Millis::from_secs(600));
        let tries = world.doors[&3].told;
        assert!((20..30).contains(&tries), "{tries} tries in ten minutes");
        let escalated = world
            .kinds()
            .iter()
            .filter(|kind| **kind == "incident.escalated")
            .count();
        assert_eq!(escalated, 1, "told once");
        let told = &world.incident().escalations[0];
        assert_eq!(
            (told.lock.as_ref(), told.what.code()),
            (Some(&world.lock(3)), code)
        );
        assert_eq!(world.incident().stage, Stage::Releasing);
        world.doors.get_mut(&3).unwrap().manner = Manner::Obeys;
        world.wait(Millis::from_secs(31));
        let incident = world.incident();
        assert_eq!(incident.stage, Stage::Held);
        assert!(
            incident
                .escalations
                .iter()
                .all(|escalation| escalation.over_at.is_some())
        );
    }
}

#[test]
fn a_door_that_comes_back_is_told_at_once() {
    let mut world = World::new(1, 1);
    world.set_policy(&[2], |_| ());
    world.doors.get_mut(&2).unwrap().manner = Manner::Silent;
    world.raise(20, SMOKE);
    world.wait(Millis::from_secs(300));
    world.doors.get_mut(&2).unwrap().manner = Manner::Obeys;
    world.say(Report::Link {
        device: address(2),
        link: LinkState::Online,
    });
    assert_eq!(world.bolt(2), BoltState::Unlocked);
}

#[test]
fn what_was_never_reached_is_given_up_some_time_after_the_danger() {
    let mut world = World::new(1, 1);
    world.set_policy(&[2], |_| ());
    world.doors.get_mut(&2).unwrap().manner = Manner::Silent;
    world.raise(20, SMOKE);
    world.clear(20, SMOKE);
    world.wait(Millis::from_secs(599));
    assert_eq!(world.incident().doors[0].state, DoorStage::Releasing);
    world.wait(Millis::from_secs(30));
    let tries = world.doors[&2].told;
    world.wait(Millis::from_secs(3_600));
    assert_eq!(world.doors[&2].told, tries, "nothing is sent late");
    let incident = world.incident();
    assert_eq!(
        (incident.stage, incident.doors[0].state),
        (Stage::Closed, DoorStage::GivenUp)
    );
    let left = incident
        .escalations
        .iter()
        .filter(|escalation| escalation.over_at.is_none());
    let left: Vec<&Concern> = left.map(|escalation| &escalation.what).collect();
    assert_eq!(left, [&Concern::NotReported, &Concern::GivenUp]);
}

#[test]
fn a_held_door_is_opened_again_unless_somebody_at_the_door_locked_it() {
    let mut world = World::new(2, 2);
    world.set_policy(&[2, 3], |_| ());
    world.raise(20, SMOKE);
    world.forget_past();
    for source in [Source::Auto, Source::Unknown, Source::Remote, Source::Schedule] {
        world.moves(2, BoltState::Locked, source);
        world.wait(Millis::from_secs(120));
        assert_eq!(world.bolt(2), BoltState::Unlocked, "{source:?}");
    }
    for source in [Source::Manual, Source::Keypad] {
        world.moves(3, BoltState::Locked, source);
        world.wait(Millis::from_secs(120));
        assert_eq!(world.bolt(3), BoltState::Locked, "{source:?}");
        world.moves(3, BoltState::Unlocked, source);
    }
    world.moves(3, BoltState::Locked, Source::Manual);
    world.raise(21, SMOKE);
    assert_eq!(
        world.bolt(3),
        BoltState::Unlocked,
        "a further detector wants it open again"
    );
}

#[test]
fn nobody_locks_a_held_door_from_afar_while_a_detector_warns() {
    let mut world = World::new(2, 1);
    world.set_policy(&[2], |_| ());
    world.raise(20, SMOKE);
    let lock = |world: &mut World, node, number: u8| {
        let request = Request::Actuate {
            command: CommandId::parse(&format!("c{number}")).unwrap(),
            lock: world.lock(node),
            op: LockOp::Lock,
            requester: "an automation".into(),
            urgency: Urgency::Person,
            time_to_live: Millis(10_000),
        };
        world.request(request)
    };
    assert_eq!(lock(&mut world, 2, 1).unwrap_err().code(), "held_open");
    assert!(
        matches!(lock(&mut world, 3, 2), Ok(Answer::Command(_))),
        "another door is nobody's business"
    );
    world.clear(20, SMOKE);
    assert!(matches!(lock(&mut world, 2, 3), Ok(Answer::Command(_))));
    assert_eq!(
        (world.bolt(2), world.incident().stage),
        (BoltState::Locked, Stage::Closed)
    );
}

#[test]
fn an_incident_is_ended_by_a_person_only_when_every_detector_is_clear_or_overruled() {
    let mut world = World::new(1, 1);
    world.set_policy(&[2], |_| ());
    world.raise(20, SMOKE);
    let close = |world: &mut World, overrule| {
        let incident = world.incident().id;
        let reason = "the fire service was here".into();
        world.ask(LifeSafetyRequest::Close {
            incident,
            reason,
            overrule,
            by: by(),
        })
    };
    assert_eq!(
        close(&mut world, BTreeSet::new()).unwrap_err().code(),
        "still_alarming"
    );
    let stuck = BTreeSet::from([world.alarm(20)]);
    close(&mut world, stuck).unwrap();
    // It is not believed for an hour, or until it says that its danger is over.
    world.raise(20, SMOKE);
    assert_eq!(world.opened, 1);
    world.clear(20, SMOKE);
    world.raise(20, SMOKE);
    assert_eq!(world.opened, 2);
}

#[test]
fn a_policy_that_cannot_be_read_releases_nothing_and_says_so() {
    let mut world = World::new(1, 1);
    world.set_policy(&[2], |_| ());
    world.memory.life_safety.policy = StoredPolicy::Unreadable("row version 9 is not known".into());
    world.restart();
    assert!(world.kinds().contains(&"policy.unreadable"));
    assert!(matches!(
        world.engine.life_safety().readiness,
        Readiness::Unreadable(_)
    ));
    world.raise(20, SMOKE);
    assert_eq!(world.told.len(), 0);
    let incident = world.incident();
    assert_eq!((incident.policy_version, incident.escalations.len()), (None, 1));
    let unreadable = Concern::PolicyUnreadable("row version 9 is not known".into());
    assert_eq!(incident.escalations[0].what, unreadable);
    // Setting one heals it.
    world.clear(20, SMOKE);
    world.set_policy(&[2], |_| ());
    world.raise(20, SMOKE);
    assert_eq!(world.told.len(), 1);
}

#[test]
fn help_is_called_for_by_a_person() {
    let mut world = World::new(1, 1);
    let help = LifeSafetyRequest::CallForHelp {
        reason: "grandfather fell".into(),
        by: by(),
    };
    assert_eq!(world.ask(help.clone()).unwrap_err().code(), "no_door_chosen");
    world.set_policy(&[2], |rule| rule.confirm.at_once.clear());
    assert!(matches!(world.ask(help), Ok(Answer::Incident(_))));
    assert_eq!(world.bolt(2), BoltState::Unlocked);
    let incident = world.incident().id;
    let close = LifeSafetyRequest::Close {
        incident,
        reason: "he is well".into(),
        overrule: BTreeSet::new(),
        by: by(),
    };
    world.ask(close).unwrap();
    assert_eq!(world.incident().stage, Stage::Closed);
}

#[test]
fn a_drill_takes_the_same_path_and_measures_it() {
    let mut world = World::new(2, 1);
    world.set_policy(&[2], |_| ());
    let drill = |dry, detector| LifeSafetyRequest::StartDrill {
        doors: None,
        dry,
        detector,
        by: by(),
    };
    world.ask(drill(true, None)).unwrap();
    assert_eq!(world.told.len(), 0);
    let report = world.engine.drills().pop().unwrap();
    assert!(report.passed && report.dry, "{report:?}");
    let detector = Some(world.alarm(20));
    world.ask(drill(false, detector)).unwrap();
    world.wait(Millis::from_secs(5));
    assert_eq!(world.told.len(), 0, "it waits for the button");
    world.detector(20, AlarmSignal::Tested(SMOKE), true);
    let report = world.engine.drills().pop().unwrap();
    assert!(
        report.passed && !report.dry && report.doors[0].latency.is_some(),
        "{report:?}"
    );
    assert_eq!(world.bolt(2), BoltState::Unlocked);
    assert_eq!(world.opened, 0, "a drill is no emergency");
    // A button that nobody armed is recorded, and moves nothing.
    world.forget_past();
    world.wait(Millis::from_secs(100));
    world.detector(20, AlarmSignal::Tested(SMOKE), true);
    assert_eq!(world.told.len(), 0);
    assert!(world.kinds().contains(&"drill.ended"));
    // A door that does not open is a finding, and an emergency ends a drill.
    world.doors.get_mut(&2).unwrap().manner = Manner::Silent;
    world.ask(drill(false, None)).unwrap();
    world.wait(Millis::from_secs(121));
    let report = world.engine.drills().pop().unwrap();
    assert_eq!(report.findings, [Finding::NotOpen(world.lock(2), DRILL_MAX)]);
    assert!(!report.passed, "{report:?}");
    world.ask(drill(false, None)).unwrap();
    world.raise(20, SMOKE);
    assert!(world.engine.life_safety().drill.is_none());
    let report = world.engine.drills().pop().unwrap();
    assert_eq!(
        (report.passed, report.findings),
        (false, vec![Finding::Emergency])
    );
    assert!(world.engine.life_safety().incident.is_some());
}
