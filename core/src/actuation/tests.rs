//! Each arrow of the machine, in both ways: by a word and by the passing of time.

use hubd_model::{LockId, LockOp};

use super::*;

const TTL: Millis = Millis(5_000);

fn at(ms: u64) -> MonoTime {
    MonoTime::from_micros(0) + Millis(ms)
}

fn attempt() -> Attempt {
    let view = CommandView {
        id: CommandId::parse("c1").unwrap(),
        lock: LockId::parse("lock-1").unwrap(),
        op: LockOp::Unlock,
        requester: "anna".into(),
        status: CommandStatus::Requested,
        requested_at: UnixMillis(0),
        sent_at: None,
        acknowledged_at: None,
        ended_at: None,
        reason: None,
    };
    let radio = RadioName::parse("zwave").unwrap();
    let device = DeviceAddress::parse("C0FFEE00/2").unwrap();
    Attempt::new(view, radio, device, Urgency::Person, 1, at(0) + TTL)
}

/// What happens to an attempt, one after the other, at 1 ms each.
#[derive(Clone)]
enum Do {
    Order,
    Step(ActuationStep),
    Read(BoltState),
    Moved(BoltState),
    Supersede,
    LoseOrder,
    LoseLock,
    /// Nothing until its deadline; whether the radio works then.
    Wait(bool),
}

fn run(what: &[Do]) -> (Attempt, Option<CommandStatus>) {
    let mut attempt = attempt();
    let mut now = at(0);
    for (step, happens) in what.iter().enumerate() {
        now = now + Millis(1);
        let effect = match happens {
            Do::Order => {
                assert!(attempt.order(now).is_some(), "step {step}");
                Effect::None
            }
            Do::Step(word) => attempt.step(word, now, UnixMillis(1)),
            Do::Read(bolt) => attempt.bolt(*bolt, false, now, UnixMillis(1)),
            Do::Moved(bolt) => attempt.bolt(*bolt, true, now, UnixMillis(1)),
            Do::Supersede => attempt.supersede(&CommandId::parse("c2").unwrap(), now).1,
            Do::LoseOrder => attempt.lose_order(),
            Do::LoseLock => attempt.lose_lock().1,
            Do::Wait(ready) => {
                let deadline = attempt.deadline();
                assert_eq!(
                    attempt.tick(deadline - Millis(1), *ready),
                    (None, Effect::None),
                    "step {step}: too early"
                );
                now = deadline;
                attempt.tick(deadline, *ready).1
            }
        };
        if let Effect::End { status, reason } = effect {
            assert_eq!(step + 1, what.len(), "ended too early as {status:?}");
            assert_eq!(
                reason.is_none(),
                status == CommandStatus::Done,
                "a reason goes with every other end"
            );
            return (attempt, Some(status));
        }
    }
    (attempt, None)
}

#[test]
fn every_arrow_leads_where_the_diagram_says() {
    use ActuationStep as Step;
    use CommandStatus as Status;
    let refused = Step::Refused {
        reason: "low battery".into(),
    };
    let no_answer = Step::NoAnswer {
        reason: "no acknowledgement".into(),
    };
    let (sent, acknowledged) = (Do::Step(Step::Sent), Do::Step(Step::Acknowledged));
    let table: Vec<(&str, Vec<Do>, Option<Status>)> = vec![
        ("queued too long", vec![Do::Wait(true)], Some(Status::Expired)),
        (
            "radio says nothing",
            vec![Do::Order, Do::Wait(true)],
            Some(Status::Expired),
        ),
        (
            "radio went away",
            vec![Do::Order, Do::Wait(false)],
            Some(Status::TimedOut),
        ),
        (
            "radio dropped it",
            vec![Do::Order, Do::Step(Step::Expired)],
            Some(Status::Expired),
        ),
        (
            "no acknowledgement",
            vec![Do::Order, sent.clone(), Do::Wait(true)],
            Some(Status::TimedOut),
        ),
        (
            "no end",
            vec![Do::Order, sent.clone(), acknowledged.clone(), Do::Wait(true)],
            Some(Status::TimedOut),
        ),
        (
            "done",
            vec![
                Do::Order,
                sent.clone(),
                acknowledged.clone(),
                Do::Step(Step::Done),
            ],
            Some(Status::Done),
        ),
        (
            "done at once",
            vec![Do::Order, Do::Step(Step::Done)],
            Some(Status::Done),
        ),
        (
            "read back",
            vec![Do::Order, sent.clone(), Do::Read(BoltState::Unlocked)],
            Some(Status::Done),
        ),
        (
            "reported",
            vec![Do::Order, sent.clone(), Do::Moved(BoltState::Unlocked)],
            Some(Status::Done),
        ),
        (
            "reported before it was sent",
            vec![Do::Order, Do::Moved(BoltState::Unlocked)],
            None,
        ),
        (
            "another state",
            vec![Do::Order, sent.clone(), Do::Moved(BoltState::Locked)],
            None,
        ),
        (
            "jam reported",
            vec![Do::Order, sent.clone(), Do::Moved(BoltState::Jammed)],
            Some(Status::Jammed),
        ),
        (
            "old jam read",
            vec![Do::Order, sent.clone(), Do::Read(BoltState::Jammed)],
            None,
        ),
        (
            "jammed",
            vec![Do::Order, sent.clone(), Do::Step(Step::Jammed)],
            Some(Status::Jammed),
        ),
        (
            "refused",
            vec![Do::Order, sent.clone(), Do::Step(refused)],
            Some(Status::Refused),
        ),
        (
            "no answer",
            vec![Do::Order, sent.clone(), Do::Step(no_answer)],
            Some(Status::TimedOut),
        ),
        (
            "expired after sent",
            vec![Do::Order, sent.clone(), Do::Step(Step::Expired)],
            None,
        ),
        (
            "superseded in the queue",
            vec![Do::Supersede],
            Some(Status::Expired),
        ),
        (
            "superseded, radio agrees",
            vec![Do::Order, Do::Supersede, Do::Step(Step::Expired)],
            Some(Status::Expired),
        ),
        (
            "superseded, radio mute",
            vec![Do::Order, Do::Supersede, Do::Wait(true)],
            Some(Status::Expired),
        ),
        (
            "superseded too late",
            vec![Do::Order, Do::Supersede, sent.clone(), Do::Step(Step::Done)],
            Some(Status::Done),
        ),
        (
            "not superseded when sent",
            vec![Do::Order, sent.clone(), Do::Supersede],
            None,
        ),
        (
            "order lost",
            vec![Do::Order, Do::LoseOrder],
            Some(Status::Refused),
        ),
        (
            "lock lost in the queue",
            vec![Do::LoseLock],
            Some(Status::Expired),
        ),
        (
            "lock lost",
            vec![Do::Order, sent, Do::LoseLock],
            Some(Status::TimedOut),
        ),
        ("word on a queued one", vec![Do::Step(Step::Done)], None),
    ];
    for (name, what, expected) in table {
        assert_eq!(run(&what).1, expected, "{name}");
    }
}

#[test]
fn an_order_is_given_once_and_only_while_it_lives() {
    let mut late = attempt();
    assert_eq!(late.order(at(0) + TTL + Millis(1)), None);
    let mut one = attempt();
    assert!(one.order(at(0) + TTL).is_some());
    assert_eq!(one.order(at(1)), None);
}

#[test]
fn times_are_kept_for_each_arrow() {
    let (attempt, _) = run(&[Do::Order, Do::Step(ActuationStep::Done)]);
    assert_eq!(attempt.view.status, CommandStatus::Acknowledged);
    assert!(attempt.view.sent_at.is_some() && attempt.view.acknowledged_at.is_some());
}
