//! Scenes of radios: lost and back, inclusion and exclusion, requests that a radio cannot take.

use hubd_model::{
    InclusionAnswer, InclusionProgress, InclusionState, InclusionStrategy, Order, RadioName, RadioState,
    RemovalCause, Report, SecretString,
};

use super::house::*;
use crate::event::Event;
use crate::input::{Answer, Input, Request, Ticket};

fn progress(state: InclusionState) -> Report {
    Report::Inclusion(InclusionProgress {
        state,
        ..InclusionProgress::default()
    })
}

#[test]
fn an_inclusion_is_one_at_a_time_and_can_be_answered_and_ended() {
    let mut house = House::new();
    let include = Request::Include {
        radio: radio(),
        strategy: InclusionStrategy::Default,
    };
    let exclude = Request::Exclude { radio: radio() };
    let cancel = Request::CancelInclusion { radio: radio() };
    let pin = InclusionAnswer::DskPin(SecretString::new("12345".into()));
    let answer = Request::AnswerInclusion {
        radio: radio(),
        answer: pin.clone(),
    };
    let code = |result: Result<Answer, crate::input::Refusal>| result.unwrap_err().code();

    assert_eq!(code(house.request(cancel.clone())), "nothing_under_way");
    assert_eq!(house.request(include.clone()), Ok(Answer::Accepted));
    assert_eq!(code(house.request(include.clone())), "busy");
    assert_eq!(code(house.request(exclude.clone())), "busy");
    assert_eq!(code(house.request(answer.clone())), "nothing_under_way");
    house.report(progress(InclusionState::Asking));
    assert_eq!(house.request(answer), Ok(Answer::Accepted));
    assert_eq!(house.request(cancel), Ok(Answer::Accepted));
    house.report(progress(InclusionState::Failed));
    assert_eq!(house.request(exclude), Ok(Answer::Accepted));
    let expected = [
        Order::Include(InclusionStrategy::Default),
        Order::Answer(pin),
        Order::Cancel,
        Order::Exclude,
    ];
    assert_eq!(house.orders, expected);
    assert_eq!(
        house.engine.radio(&radio()).unwrap().exclusion.state,
        InclusionState::Waiting
    );
    house.give(Input::OrderLost {
        command: None,
        radio: radio(),
    });
    assert_eq!(
        house.engine.radio(&radio()).unwrap().exclusion.state,
        InclusionState::Failed
    );
}

#[test]
fn smartstart_leaves_the_radio_free() {
    let mut house = House::new();
    let strategy = InclusionStrategy::SmartStart(SecretString::new("9001".into()));
    house
        .request(Request::Include {
            radio: radio(),
            strategy,
        })
        .unwrap();
    assert!(house.request(Request::Exclude { radio: radio() }).is_ok());
}

#[test]
fn a_removal_is_one_at_a_time_and_its_end_is_told() {
    let (mut house, lock) = House::with_lock();
    let remove = Request::RemoveFailedLock { lock };
    let exclusion = |house: &House| house.engine.radio(&radio()).unwrap().exclusion.clone();
    assert_eq!(house.request(remove.clone()), Ok(Answer::Accepted));
    assert_eq!(exclusion(&house).state, InclusionState::Waiting);
    for other in [remove.clone(), Request::Exclude { radio: radio() }] {
        assert_eq!(house.request(other).unwrap_err().code(), "busy");
    }
    house.report(Report::Exclusion(InclusionProgress {
        state: InclusionState::Failed,
        ..InclusionProgress::default()
    }));
    assert_eq!(
        house.request(remove.clone()),
        Ok(Answer::Accepted),
        "it may be tried again"
    );
    house.give(Input::OrderLost {
        command: None,
        radio: radio(),
    });
    assert_eq!(
        exclusion(&house).state,
        InclusionState::Failed,
        "and is not waited for in vain"
    );
    house.request(remove).unwrap();
    house.report(Report::Removed {
        device: address(2),
        cause: RemovalCause::Failed,
    });
    house.report(Report::Exclusion(InclusionProgress {
        state: InclusionState::Done,
        ..InclusionProgress::default()
    }));
    assert_eq!(house.kinds(), ["device.excluded"]);
    house.restart();
    assert_eq!(house.engine.locks().len(), 0);
}

#[test]
fn a_lost_radio_takes_no_requests() {
    let (mut house, lock) = House::with_lock();
    house.report(Report::Radio(RadioState::Away {
        reason: "unplugged".into(),
    }));
    house.report(Report::Radio(RadioState::Failing {
        reason: "mute".into(),
    }));
    let requests = [
        Request::Include {
            radio: radio(),
            strategy: InclusionStrategy::Default,
        },
        Request::Exclude { radio: radio() },
        Request::RefreshLock { lock: lock.clone() },
        Request::RemoveFailedLock { lock },
    ];
    for request in requests {
        assert_eq!(
            house.request(request.clone()).unwrap_err().code(),
            "radio_not_ready",
            "{request:?}"
        );
    }
    let nowhere = RadioName::parse("zigbee").unwrap();
    assert_eq!(
        house
            .request(Request::Exclude { radio: nowhere })
            .unwrap_err()
            .code(),
        "no_such_radio"
    );
    let event = Event::HubDegraded {
        what: "radio:zwave".into(),
        reason: "unplugged".into(),
    };
    assert_eq!(house.events(), [event], "told once");
}

#[test]
fn a_refused_session_is_recorded_once_a_minute_and_reason() {
    let mut house = House::new();
    house.forget_past();
    for reason in ["wrong token", "wrong token", "no token"] {
        house
            .request(Request::Record(Event::SessionRefused {
                reason: reason.into(),
            }))
            .unwrap();
    }
    house.ms += 60_000;
    house
        .request(Request::Record(Event::SessionRefused {
            reason: "wrong token".into(),
        }))
        .unwrap();
    assert_eq!(house.kinds(), ["session.refused"; 3]);
}

#[test]
fn nothing_happens_before_the_start() {
    let mut engine = crate::engine::Engine::new();
    let now = House::new().now();
    engine.handle(now, Input::Tick);
    assert_eq!(engine.poll(), None);
    let request = Request::Exclude { radio: radio() };
    engine.handle(
        now,
        Input::Request {
            ticket: Ticket(1),
            request,
        },
    );
    assert!(engine.poll().is_some(), "a request is answered all the same");
    assert_eq!(engine.poll(), None);
}
