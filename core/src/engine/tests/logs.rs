//! Scenes of locks' own records: when they are read, what is told, and that nothing is done on their word.

use hubd_model::{
    BoltState, CodeSlot, DeviceKind, LinkState, LockClock, LockId, LockSignal, LogEnd, LogMark, LogRecord,
    Logged, Millis, Order, RadioState, Report, Security, Source, Via,
};

use super::house::*;
use crate::event::Event;

const DAY: Millis = Millis::from_secs(86_400);

/// A house with a lock that keeps a record, read for the first time.
fn house() -> (House, LockId) {
    let mut house = House::new();
    announce(&mut house);
    let id = house.engine.lock_at(&radio(), &address(2)).unwrap();
    house.wait(Millis::from_secs(90));
    assert_eq!(asked(&house), Some((vec![], 3)), "where its record stands");
    answer(&mut house, vec![written(1, 1, 3)], LogEnd::Whole);
    house.forget_past();
    (house, id)
}

fn announce(house: &mut House) {
    let mut description = description(DeviceKind::Lock, Security::S2AccessControl);
    description.lock.log = true;
    house.report(Report::Device {
        device: address(2),
        description,
        fresh: false,
    });
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "one of the many orders is about a record"
)]
fn asked(house: &House) -> Option<(Vec<LogMark>, u8)> {
    house.orders.iter().rev().find_map(|order| match order {
        Order::ReadLog { known, at_most, .. } => Some((known.clone(), *at_most)),
        _ => None,
    })
}

fn answer(house: &mut House, records: Vec<LogRecord>, end: LogEnd) {
    house.report(Report::Log {
        device: address(2),
        records,
        end,
        frames: 4,
    });
}

/// A record: somebody opened with this slot's code.
fn written(hour: u8, minute: u8, slot: u16) -> LogRecord {
    let via = Via::slot(Source::Keypad, CodeSlot::new(slot));
    LogRecord {
        mark: LogMark([hour, minute, 0, 0, 0, 0, 0, 0, 0, 1]),
        clock: LockClock::new(2026, 1, 1, hour, minute, 0),
        said: Some(Logged::Moved {
            bolt: BoltState::Unlocked,
            via,
        }),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "one of the many events is about a record"
)]
fn told(house: &House) -> Vec<Option<u16>> {
    house
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::LockLogged {
                said: Logged::Moved { via, .. },
                clock: Some(_),
            } => Some(via.slot.map(CodeSlot::number)),
            _ => None,
        })
        .collect()
}

#[test]
fn after_each_kind_of_gap_the_record_is_read_once_and_told() {
    let gaps: [fn(&mut House); 3] = [
        |house| {
            house.report(Report::Link {
                device: address(2),
                link: LinkState::Offline,
            });
        },
        |house| {
            let reason = "unplugged".to_owned();
            house.report(Report::Radio(RadioState::Away { reason }));
            house.wait(Millis::from_secs(60));
            house.report(Report::Radio(RadioState::Ready));
        },
        |house| {
            house.restart();
            announce(house);
        },
    ];
    for gap in gaps {
        let (mut house, _) = house();
        house.wait(Millis::from_secs(400));
        gap(&mut house);
        house.orders.clear();
        house.wait(Millis::from_secs(20));
        assert_eq!(asked(&house), None, "it is left alone until it speaks");
        house.lock_says(2, LockSignal::BoltRead(BoltState::Locked));
        house.wait(Millis::from_secs(15));
        assert_eq!(asked(&house), Some((vec![written(1, 1, 3).mark], 255)));
        let before = house.lock();
        answer(
            &mut house,
            vec![written(3, 2, 4), written(2, 2, 5)],
            LogEnd::Known,
        );
        assert_eq!(told(&house), [Some(5), Some(4)], "the oldest first");
        assert_eq!(house.lock().bolt, before.bolt, "a record is no state");
        house.orders.clear();
        house.wait(Millis::from_secs(3600));
        assert_eq!(asked(&house), None, "once");
    }
}

#[test]
fn a_record_is_read_every_day_and_what_is_known_is_told_by_nobody() {
    let (mut house, _) = house();
    house.wait(DAY);
    assert_eq!(asked(&house), Some((vec![written(1, 1, 3).mark], 255)));
    answer(&mut house, vec![], LogEnd::Known);
    assert_eq!(told(&house), []);
    house.orders.clear();
    house.wait(DAY);
    assert!(asked(&house).is_some());
}

#[test]
fn a_lock_that_keeps_no_record_or_has_no_security_is_never_asked() {
    for (log, security) in [(false, Security::S2AccessControl), (true, Security::None)] {
        let mut house = House::new();
        let mut description = description(DeviceKind::Lock, security);
        description.lock.log = log;
        house.report(Report::Device {
            device: address(2),
            description,
            fresh: true,
        });
        house.lock_says(2, LockSignal::BoltRead(BoltState::Locked));
        house.wait(DAY);
        assert_eq!(asked(&house), None);
    }
}

#[test]
fn a_reading_waits_while_somebody_moves_the_bolt() {
    let (mut house, id) = house();
    house.restart();
    announce(&mut house);
    house.lock_says(2, LockSignal::BoltRead(BoltState::Locked));
    house.orders.clear();
    house.actuate(1, &id, hubd_model::LockOp::Unlock).unwrap();
    house.wait(Millis::from_secs(9));
    house.step(1, hubd_model::ActuationStep::Sent);
    house.wait(Millis::from_secs(2));
    assert_eq!(asked(&house), None);
    house.step(1, hubd_model::ActuationStep::Done);
    house.wait(Millis::from_secs(40));
    assert!(asked(&house).is_some());
}

#[test]
fn what_was_heard_live_is_remembered_across_a_restart() {
    let (mut house, _) = house();
    // The house's clock, as the lock's record has it.
    let at = house.now().wall.label().0.div_euclid(1000);
    house.moved(BoltState::Unlocked, Via::slot(Source::Keypad, CodeSlot::new(7)));
    house.restart();
    announce(&mut house);
    house.lock_says(2, LockSignal::BoltRead(BoltState::Unlocked));
    house.wait(Millis::from_secs(15));
    let clock = house
        .lock()
        .log
        .heard
        .first()
        .map(|heard| heard.at.0.div_euclid(1000));
    assert_eq!(clock, Some(at));
    let mut live = written(4, 4, 7);
    live.clock = None;
    answer(&mut house, vec![written(5, 5, 8), live], LogEnd::Known);
    assert_eq!(told(&house), [Some(8)]);
}
