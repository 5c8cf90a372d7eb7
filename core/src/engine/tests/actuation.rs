//! Scenes of requests to move a bolt.

use hubd_model::{
    ActuationStep, BoltState, DeviceKind, LockOp, LockSignal, Millis, Order, RadioState, Report, Security,
    Source, Urgency, Via,
};

use super::house::*;
use crate::actuation::{OPEN_PER_LOCK_MAX, REMEMBERED_MAX, WORD_MAX};
use crate::event::Event;
use crate::input::{Answer, Input, Refusal, Request, Ticket};
use crate::output::Output;
use crate::view::CommandStatus;

fn orders(house: &House) -> Vec<String> {
    house
        .orders
        .iter()
        .map(|order| match order {
            Order::Actuate { command, op, .. } => format!("{} {command}", op.as_str()),
            Order::Withdraw { command } => format!("withdraw {command}"),
            Order::Refresh { .. }
            | Order::ReadLog { .. }
            | Order::Include(_)
            | Order::Answer(_)
            | Order::Cancel
            | Order::Exclude
            | Order::RemoveFailed { .. }
            | Order::CopyDongle
            | Order::RestoreDongle(_)
            | Order::Codes { .. }
            | Order::HoldAutoRelock { .. } => format!("{order:?}"),
        })
        .collect()
}

#[test]
fn the_order_leaves_before_anything_is_recorded_and_the_answer_last() {
    let (mut house, lock) = House::with_lock();
    let request = Request::Actuate {
        command: command(1),
        lock,
        op: LockOp::Unlock,
        requester: "anna".into(),
        urgency: Urgency::Person,
        time_to_live: TTL,
    };
    let outputs = house.give(Input::Request {
        ticket: Ticket(7),
        request,
    });
    let places: Vec<u8> = outputs
        .iter()
        .map(|output| match output {
            Output::Order { .. } => 0,
            Output::Journal(_) => 1,
            Output::Save(_) | Output::Forget(_) => 2,
            Output::Command(_) => 3,
            Output::Answer { .. } => 4,
        })
        .collect();
    assert_eq!(places, [0, 2, 3, 4]);
}

#[test]
fn an_end_is_shown_only_when_it_is_on_disk() {
    let (mut house, lock) = House::with_lock();
    house.disk = false;
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    assert_eq!(house.lock().wish, Some((LockOp::Unlock, command(1))));
    house.step(1, ActuationStep::Sent);
    house.step(1, ActuationStep::Done);
    assert_eq!(house.shown(1).status, CommandStatus::Acknowledged);
    assert_eq!(house.lock().wish, None);
    let ended = house.journal.last().unwrap();
    assert!(matches!(&ended.event, Event::CommandEnded { command } if command.status == CommandStatus::Done));
    let seq = ended.seq;
    house.give(Input::Durable { seq: seq - 1 });
    assert_eq!(house.shown(1).status, CommandStatus::Acknowledged);
    house.give(Input::Durable { seq });
    assert_eq!(house.shown(1).status, CommandStatus::Done);
    let statuses: Vec<CommandStatus> = house.shown.iter().map(|view| view.status).collect();
    let names: Vec<&str> = statuses.into_iter().map(CommandStatus::as_str).collect();
    assert_eq!(names, ["requested", "sent", "acknowledged", "done"]);
}

#[test]
fn a_failing_store_delays_nobody() {
    let (mut house, lock) = House::with_lock();
    house.disk = false;
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Done);
    assert_eq!(house.shown(1).status, CommandStatus::Acknowledged);
    house.give(Input::StoreFailing {
        reason: "the disk is full".into(),
    });
    assert_eq!(house.shown(1).status, CommandStatus::Done);
    house.actuate(2, &lock, LockOp::Lock).unwrap();
    house.step(2, ActuationStep::Done);
    assert_eq!(house.shown(2).status, CommandStatus::Done);
    house.give(Input::StoreFailing {
        reason: "the disk is still full".into(),
    });
    house.give(Input::StoreRecovered);
    house.give(Input::StoreRecovered);
    assert_eq!(
        house.kinds(),
        ["command.ended", "hub.degraded", "command.ended", "hub.recovered"]
    );
}

#[test]
fn one_movement_of_ours_is_one_entry_in_whatever_order_its_words_come() {
    use LockSignal::{Bolt, BoltRead};
    let moved = Bolt {
        bolt: BoltState::Unlocked,
        via: Via::source(Source::Remote),
    };
    let unsaid = Bolt {
        bolt: BoltState::Unlocked,
        via: Via::source(Source::Unknown),
    };
    let read = BoltRead(BoltState::Unlocked);
    let words = [
        vec![moved.clone()],
        vec![read.clone()],
        vec![unsaid.clone()],
        vec![read.clone(), moved.clone()],
        vec![moved.clone(), read.clone()],
        vec![unsaid.clone(), moved.clone(), read.clone()],
        vec![read, unsaid, moved],
    ];
    for done_first in [false, true] {
        for signals in &words {
            let (mut house, lock) = House::with_lock();
            house.moved(BoltState::Locked, Via::source(Source::Manual));
            house.forget_past();
            house.actuate(1, &lock, LockOp::Unlock).unwrap();
            house.step(1, ActuationStep::Sent);
            if done_first {
                house.step(1, ActuationStep::Done);
            }
            for signal in signals {
                house.ms += 100;
                house.lock_says(2, signal.clone());
            }
            let operated: Vec<Event> = house
                .events()
                .into_iter()
                .filter(|event| event.kind() == "lock.operated")
                .collect();
            let via = Via::source(Source::Remote);
            assert_eq!(
                operated,
                [Event::LockOperated {
                    bolt: BoltState::Unlocked,
                    via
                }],
                "{done_first} {signals:?}"
            );
            assert_eq!(
                house
                    .kinds()
                    .iter()
                    .filter(|kind| **kind == "command.ended")
                    .count(),
                1
            );
            assert_eq!(house.shown(1).status, CommandStatus::Done);
        }
    }
}

#[test]
fn a_keypad_is_heard_while_a_request_of_ours_runs() {
    let (mut house, lock) = House::with_lock();
    house.moved(BoltState::Locked, Via::source(Source::Manual));
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.read(BoltState::Unlocked);
    house.forget_past();
    let via = Via::slot(Source::Keypad, hubd_model::CodeSlot::new(3));
    house.moved(BoltState::Unlocked, via.clone());
    assert_eq!(
        house.events(),
        [Event::LockOperated {
            bolt: BoltState::Unlocked,
            via: via.clone()
        }]
    );
    assert_eq!(house.lock().bolt.unwrap().value.1, via);
}

#[test]
fn our_own_movement_is_recorded_even_when_nothing_was_known_before() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.read(BoltState::Unlocked);
    let via = Via::source(Source::Remote);
    assert_eq!(
        house.events().first(),
        Some(&Event::LockOperated {
            bolt: BoltState::Unlocked,
            via
        })
    );
}

#[test]
fn a_second_movement_by_another_controller_is_an_event_of_its_own() {
    let (mut house, lock) = House::with_lock();
    let remote = Via::source(Source::Remote);
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.moved(BoltState::Unlocked, remote.clone());
    house.moved(BoltState::Locked, Via::source(Source::Manual));
    house.moved(BoltState::Unlocked, remote.clone());
    house.ms += 6_000;
    house.moved(BoltState::Unlocked, remote);
    assert_eq!(
        house
            .kinds()
            .iter()
            .filter(|kind| **kind == "lock.operated")
            .count(),
        4
    );
}

#[test]
fn a_contrary_request_takes_the_place_of_one_that_was_not_sent() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.actuate(2, &lock, LockOp::Lock).unwrap();
    assert_eq!(orders(&house), ["unlock c1", "withdraw c1", "lock c2"]);
    assert_eq!(house.lock().wish, Some((LockOp::Lock, command(2))));
    house.step(1, ActuationStep::Expired);
    assert_eq!(house.shown(1).status, CommandStatus::Expired);
    assert!(
        house
            .shown(1)
            .reason
            .unwrap()
            .contains("superseded by the newer request c2")
    );
    // A radio that says nothing is waited for only so long.
    house.actuate(3, &lock, LockOp::Unlock).unwrap();
    house.wait(WORD_MAX);
    assert_eq!(house.shown(2).status, CommandStatus::Expired);
    // One that was sent after all is told as it was.
    house.actuate(4, &lock, LockOp::Lock).unwrap();
    house.step(3, ActuationStep::Sent);
    house.step(3, ActuationStep::Done);
    assert_eq!(house.shown(3).status, CommandStatus::Done);
}

#[test]
fn a_contrary_request_waits_for_one_that_was_sent() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.actuate(2, &lock, LockOp::Lock).unwrap();
    house.actuate(3, &lock, LockOp::Unlock).unwrap();
    assert_eq!(
        house.shown(2).status,
        CommandStatus::Expired,
        "superseded in the queue"
    );
    assert_eq!(orders(&house), ["unlock c1"]);
    house.step(1, ActuationStep::Jammed);
    assert_eq!(orders(&house), ["unlock c1", "unlock c3"]);
    house.step(3, ActuationStep::Sent);
    house.actuate(4, &lock, LockOp::Lock).unwrap();
    house.wait(Millis(TTL.0 + 1));
    assert_eq!(house.shown(3).status, CommandStatus::TimedOut);
    // It was let go when the one before it ended, in the last moment of its life.
    assert_eq!(orders(&house), ["unlock c1", "unlock c3", "lock c4"]);
}

#[test]
fn a_waiting_request_dies_in_time() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.step(1, ActuationStep::Acknowledged);
    house.actuate(2, &lock, LockOp::Lock).unwrap();
    house.wait(Millis(60_000));
    assert_eq!(house.shown(1).status, CommandStatus::TimedOut);
    assert_eq!(house.shown(2).status, CommandStatus::Expired);
    assert_eq!(orders(&house), ["unlock c1"]);
}

#[test]
fn life_safety_waits_for_nobody() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Lock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.actuate(2, &lock, LockOp::Lock).unwrap();
    house
        .actuate_as(3, &lock, LockOp::Unlock, Urgency::LifeSafety)
        .unwrap();
    assert_eq!(orders(&house), ["lock c1", "unlock c3"]);
    assert_eq!(house.shown(2).status, CommandStatus::Expired);
    // And nobody takes its place.
    house.actuate(4, &lock, LockOp::Lock).unwrap();
    assert_eq!(orders(&house), ["lock c1", "unlock c3"]);
    // It finds room where others do not.
    for number in 10..10 + OPEN_PER_LOCK_MAX {
        let _ = house.actuate(number, &lock, LockOp::Lock);
    }
    assert_eq!(house.actuate(30, &lock, LockOp::Lock).unwrap_err().code(), "busy");
    assert!(
        house
            .actuate_as(31, &lock, LockOp::Unlock, Urgency::LifeSafety)
            .is_ok()
    );
    assert_eq!(orders(&house).last().unwrap(), "unlock c31");
}

#[test]
fn a_repeat_is_answered_and_sends_nothing() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    for ended in [false, true] {
        if ended {
            house.step(1, ActuationStep::Done);
        }
        house.orders.clear();
        assert_eq!(
            house.actuate(1, &lock, LockOp::Unlock),
            Ok(Answer::Command(house.shown(1)))
        );
        assert_eq!(
            house.actuate(1, &lock, LockOp::Lock),
            Err(Refusal::CommandConflict)
        );
        assert!(house.orders.is_empty());
    }
}

#[test]
fn a_restart_ends_what_had_not_ended_and_sends_nothing() {
    let (mut house, lock) = House::with_lock();
    house.include(3, DeviceKind::Lock, Security::S0);
    let other = house.engine.lock_at(&radio(), &address(3)).unwrap();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.actuate(2, &other, LockOp::Unlock).unwrap();
    house.orders.clear();
    house.restart();
    house.wait(Millis(120_000));
    assert_eq!(house.shown(1).status, CommandStatus::TimedOut);
    assert_eq!(house.shown(2).status, CommandStatus::Expired);
    assert_eq!(
        house.actuate(2, &other, LockOp::Unlock),
        Ok(Answer::Command(house.shown(2)))
    );
    assert!(house.orders.is_empty());
    let ended = house
        .kinds()
        .iter()
        .filter(|kind| **kind == "command.ended")
        .count();
    house.restart();
    assert_eq!(
        house
            .kinds()
            .iter()
            .filter(|kind| **kind == "command.ended")
            .count(),
        ended
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    let (mut house, lock) = House::with_lock();
    house.include(3, DeviceKind::Lock, Security::None);
    let insecure = house.engine.lock_at(&radio(), &address(3)).unwrap();
    let nowhere = hubd_model::LockId::parse("lock-99").unwrap();
    assert_eq!(
        house.actuate(1, &nowhere, LockOp::Lock).unwrap_err().code(),
        "no_such_lock"
    );
    assert_eq!(
        house.actuate(1, &insecure, LockOp::Unlock).unwrap_err().code(),
        "insecure_lock"
    );
    assert_eq!(
        house.actuate(1, &lock, LockOp::Unlatch).unwrap_err().code(),
        "not_capable"
    );
    for state in [
        RadioState::Failing {
            reason: "mute".into(),
        },
        RadioState::Away {
            reason: "unplugged".into(),
        },
    ] {
        house.report(Report::Radio(state));
        assert_eq!(
            house.actuate(1, &lock, LockOp::Unlock).unwrap_err().code(),
            "radio_not_ready"
        );
    }
    assert!(house.orders.is_empty());
    house.report(Report::Radio(RadioState::Starting));
    assert!(house.actuate(1, &lock, LockOp::Unlock).is_ok());
    house.give(Input::OrderLost {
        command: Some(command(1)),
        radio: radio(),
    });
    assert_eq!(house.shown(1).status, CommandStatus::Refused);
}

#[test]
fn a_removed_lock_ends_its_requests() {
    let (mut house, lock) = House::with_lock();
    house.actuate(1, &lock, LockOp::Unlock).unwrap();
    house.step(1, ActuationStep::Sent);
    house.actuate(2, &lock, LockOp::Lock).unwrap();
    house.orders.clear();
    house.report(Report::Removed {
        device: address(2),
        cause: hubd_model::RemovalCause::ResetLocally,
    });
    assert_eq!(house.shown(1).status, CommandStatus::TimedOut);
    assert_eq!(house.shown(2).status, CommandStatus::Expired);
    assert!(house.orders.is_empty());
    assert_eq!(house.engine.next_deadline(), None);
}

#[test]
fn the_oldest_ended_commands_are_forgotten() {
    let (mut house, lock) = House::with_lock();
    for number in 0..REMEMBERED_MAX + 5 {
        house.actuate(number, &lock, LockOp::Unlock).unwrap();
        house.step(number, ActuationStep::Done);
    }
    assert_eq!(house.engine.command(&command(4)), None);
    assert!(house.engine.command(&command(5)).is_some());
}
