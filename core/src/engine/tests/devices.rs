//! Scenes of devices that join, speak, fall silent and leave.

use hubd_model::{
    AlarmSignal, BatteryPercent, BoltState, CodeSlot, DeviceKind, DoorState, Hazard, LinkState, LockSignal,
    Millis, RadioState, RemovalCause, Report, Security, Source, Via,
};

use super::house::*;
use crate::devices::DEVICES_PER_RADIO_MAX;
use crate::event::Event;
use crate::input::{Input, Request};

fn device(house: &mut House, node: u8, kind: DeviceKind, fresh: bool) {
    let description = description(kind, Security::S2Authenticated);
    house.report(Report::Device {
        device: address(node),
        description,
        fresh,
    });
}

#[test]
fn an_id_is_the_number_of_the_inclusion_and_survives() {
    let mut house = House::new();
    device(&mut house, 2, DeviceKind::Lock, true);
    device(&mut house, 3, DeviceKind::Alarm, true);
    device(&mut house, 4, DeviceKind::Other, true);
    assert_eq!(
        house.kinds(),
        [
            "hub.started",
            "device.included",
            "device.included",
            "device.included"
        ]
    );
    let lock = house.engine.lock_at(&radio(), &address(2)).unwrap();
    assert_eq!(
        (
            lock.as_str(),
            house.engine.locks().len(),
            house.engine.alarms().len()
        ),
        ("lock-2", 1, 1)
    );
    assert_eq!(
        house.engine.alarm_at(&radio(), &address(3)).unwrap().as_str(),
        "alarm-3"
    );
    house.restart();
    house.forget_past();
    for node in [2, 3, 4] {
        let kind = [DeviceKind::Lock, DeviceKind::Alarm, DeviceKind::Other][usize::from(node - 2)];
        device(&mut house, node, kind, false);
        device(&mut house, node, kind, false);
    }
    assert_eq!(house.kinds(), [""; 0], "a known device is nothing new");
    assert_eq!(house.engine.lock_at(&radio(), &address(2)), Some(lock));
}

#[test]
fn another_device_at_a_known_address_is_another_device() {
    let (mut house, lock) = House::with_lock();
    device(&mut house, 2, DeviceKind::Lock, true);
    assert_eq!(house.kinds(), [""; 0], "announced again while it joins");
    house.disk = false;
    let last = Input::Stopping;
    house.give(last);
    house.restart();
    house.forget_past();
    device(&mut house, 2, DeviceKind::Lock, true);
    assert_eq!(house.kinds(), ["device.excluded", "device.included"]);
    assert_ne!(house.engine.lock_at(&radio(), &address(2)), Some(lock));
    house.forget_past();
    device(&mut house, 2, DeviceKind::Alarm, false);
    assert_eq!(house.kinds(), ["device.excluded", "device.included"]);
    assert_eq!((house.engine.locks().len(), house.engine.alarms().len()), (0, 1));
    assert!(house.locks.is_empty(), "the row went with the lock");
}

#[test]
fn names_are_unique_until_people_give_them() {
    let mut house = House::new();
    for node in 2..5 {
        device(&mut house, node, DeviceKind::Lock, true);
    }
    let mut names: Vec<String> = house.engine.locks().into_iter().map(|lock| lock.name).collect();
    names.sort();
    assert_eq!(names, ["Acme One", "Acme One 2", "Acme One 3"]);
    let lock = house.engine.lock_at(&radio(), &address(2)).unwrap();
    for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
        let refused = house.request(Request::RenameLock {
            lock: lock.clone(),
            name: bad.into(),
        });
        assert_eq!(refused.unwrap_err().code(), "bad_name", "{bad:?}");
    }
    house
        .request(Request::RenameLock {
            lock: lock.clone(),
            name: " Front door ".into(),
        })
        .unwrap();
    house.restart();
    assert_eq!(house.engine.lock(&lock).unwrap().name, "Front door");
}

#[test]
fn a_reading_that_confirms_is_no_event_and_one_that_differs_is() {
    let (mut house, _) = House::with_lock();
    assert_eq!(house.bolt(), None);
    house.read(BoltState::Locked);
    house.ms += 1_000;
    house.read(BoltState::Locked);
    assert_eq!(house.kinds(), [""; 0]);
    assert_eq!(house.lock().bolt.unwrap().at.0, 1_000);
    house.read(BoltState::Unlocked);
    house.read(BoltState::Unknown);
    house.read(BoltState::Unlocked);
    house.read(BoltState::Jammed);
    house.read(BoltState::Locked);
    let (unlocked, locked) = (BoltState::Unlocked, BoltState::Locked);
    let via = Via::source(Source::Unknown);
    let expected = [
        Event::LockOperated {
            bolt: unlocked,
            via: via.clone(),
        },
        Event::LockJammed,
        Event::LockOperated { bolt: locked, via },
    ];
    assert_eq!(house.events(), expected);
}

#[test]
fn a_movement_is_always_an_event_and_its_reading_is_not_another() {
    let (mut house, _) = House::with_lock();
    let keypad = Via::slot(Source::Keypad, CodeSlot::new(3));
    let manual = Via::source(Source::Manual);
    let unknown = Via::source(Source::Unknown);
    // (what the lock says, how many entries)
    let unlocked = BoltState::Unlocked;
    let table = [
        (
            "same code twice",
            vec![Some(keypad.clone()), Some(keypad.clone())],
            2,
        ),
        ("read, then the cause", vec![None, Some(keypad.clone())], 2),
        ("read, then no cause", vec![None, Some(unknown.clone())], 1),
        (
            "read, no cause, then a movement",
            vec![None, Some(unknown), Some(manual.clone())],
            2,
        ),
        ("cause, then read", vec![Some(manual), None], 1),
    ];
    for (name, words, entries) in table {
        house.moved(BoltState::Locked, Via::source(Source::Auto));
        house.forget_past();
        for via in words {
            match via {
                Some(via) => house.moved(unlocked, via),
                None => house.read(unlocked),
            }
        }
        assert_eq!(house.kinds(), vec!["lock.operated"; entries], "{name}");
        assert_eq!(house.bolt(), Some(unlocked));
    }
}

#[test]
fn doors_batteries_and_links_are_told_when_they_change() {
    let (mut house, _) = House::with_lock();
    let level = BatteryPercent::new(80).unwrap();
    for _ in 0..2 {
        house.lock_says(2, LockSignal::DoorRead(DoorState::Open));
        house.report(Report::Battery {
            device: address(2),
            level,
        });
        house.report(Report::Link {
            device: address(2),
            link: LinkState::Offline,
        });
    }
    // It speaks, so it answers; the radio's own loss says nothing of the lock.
    house.lock_says(2, LockSignal::Tampered);
    house.report(Report::Radio(RadioState::Away {
        reason: "unplugged".into(),
    }));
    assert_eq!(house.lock().link, LinkState::Unknown);
    house.report(Report::Radio(RadioState::Ready));
    house.report(Report::Link {
        device: address(2),
        link: LinkState::Online,
    });
    // The first word, which found it online, was nothing new.
    let expected = [
        "lock.door",
        "lock.battery",
        "lock.offline",
        "lock.online",
        "lock.offline",
        "lock.online",
        "lock.tampered",
        "hub.degraded",
        "hub.recovered",
    ];
    assert_eq!(house.kinds(), expected);
}

#[test]
fn a_keypad_is_heard() {
    let (mut house, lock) = House::with_lock();
    let slot = CodeSlot::new(7);
    house.lock_says(2, LockSignal::KeypadDenied(slot));
    house.lock_says(2, LockSignal::KeypadDenied(slot));
    house.lock_says(2, LockSignal::KeypadLockedOut);
    let denied = Event::LockKeypadDenied { slot };
    assert_eq!(
        house.events(),
        [denied.clone(), denied, Event::LockKeypadLockedOut]
    );
    assert!(
        house
            .journal
            .iter()
            .all(|entry| entry.lock.as_ref() == Some(&lock))
    );
}

#[test]
fn danger_is_told_at_once_and_then_once_a_minute() {
    let mut house = House::new();
    house.include(3, DeviceKind::Alarm, Security::S2Authenticated);
    let alarm = house.engine.alarm_at(&radio(), &address(3)).unwrap();
    house.forget_past();
    let raised = AlarmSignal::Raised(Hazard::Smoke);
    house.alarm_says(3, raised, false);
    house.alarm_says(3, raised, true);
    house.alarm_says(3, AlarmSignal::Raised(Hazard::Co), true);
    for _ in 0..8 {
        house.ms += 10_000;
        house.alarm_says(3, raised, true);
    }
    let told: Vec<(Hazard, bool)> = house
        .events()
        .into_iter()
        .filter_map(|event| {
            let Event::AlarmRaised {
                hazard,
                authenticated,
                frame,
            } = event
            else {
                return None;
            };
            assert_eq!(frame, [0x71, 5]);
            Some((hazard, authenticated))
        })
        .collect();
    let expected = [
        (Hazard::Smoke, false),
        (Hazard::Smoke, true),
        (Hazard::Co, true),
        (Hazard::Smoke, true),
    ];
    assert_eq!(told, expected);
    // Danger outlasts a restart; only a word that can be believed ends it.
    house.restart();
    house.forget_past();
    assert_eq!(house.engine.alarm(&alarm).unwrap().raised.len(), 2);
    house.alarm_says(3, AlarmSignal::Cleared(Hazard::Smoke), false);
    assert_eq!(house.engine.alarm(&alarm).unwrap().raised.len(), 2);
    for _ in 0..2 {
        house.alarm_says(3, AlarmSignal::Cleared(Hazard::Smoke), true);
    }
    house.alarm_says(3, raised, true);
    assert_eq!(
        house.kinds(),
        [
            "alarm.trouble",
            "alarm.cleared",
            "alarm.raised",
            "incident.joined"
        ]
    );
}

#[test]
fn what_is_not_danger_raises_nothing() {
    let mut house = House::new();
    house.include(3, DeviceKind::Alarm, Security::S2Authenticated);
    house.forget_past();
    let signals = [
        (
            AlarmSignal::Tested(Hazard::Smoke),
            vec!["alarm.tested", "alarm.tested"],
        ),
        (
            AlarmSignal::Silenced(Hazard::Co),
            vec!["alarm.silenced", "alarm.silenced"],
        ),
        (AlarmSignal::EndOfLife(Hazard::Co), vec!["alarm.trouble"]),
        (AlarmSignal::Maintenance(Hazard::Heat), vec!["alarm.trouble"]),
        (AlarmSignal::Cleared(Hazard::Smoke), vec![]),
    ];
    for (signal, kinds) in signals {
        house.alarm_says(3, signal, true);
        house.alarm_says(3, signal, true);
        assert_eq!(house.kinds(), kinds, "{signal:?}");
        house.forget_past();
    }
    house.lock_says(3, LockSignal::Tampered);
    house.ms += 60_000;
    house.report(Report::Trouble {
        device: address(3),
        what: "mains lost".into(),
    });
    assert_eq!(house.kinds(), ["alarm.trouble", "alarm.trouble"]);
    assert!(house.engine.alarms()[0].raised.is_empty());
    assert!(house.engine.alarms()[0].end_of_life.is_some() && house.engine.alarms()[0].tested.is_some());
}

#[test]
fn a_stranger_is_heard_too() {
    let mut house = House::new();
    house.forget_past();
    house.lock_says(
        9,
        LockSignal::Bolt {
            bolt: BoltState::Unlocked,
            via: Via::source(Source::Keypad),
        },
    );
    house.alarm_says(9, AlarmSignal::Raised(Hazard::Smoke), false);
    house.lock_says(9, LockSignal::BoltRead(BoltState::Unlocked));
    assert_eq!(house.kinds(), ["lock.operated", "alarm.raised"]);
    assert!(house.engine.locks().is_empty());
}

#[test]
fn a_radio_has_room_for_so_many_devices() {
    let mut house = House::new();
    let announce = |house: &mut House, number: usize| {
        let device = hubd_model::DeviceAddress::parse(&format!("A/{number}")).unwrap();
        let description = description(DeviceKind::Lock, Security::S0);
        house.report(Report::Device {
            device,
            description,
            fresh: false,
        });
    };
    for number in 0..DEVICES_PER_RADIO_MAX + 3 {
        announce(&mut house, number);
    }
    assert_eq!(house.engine.locks().len(), DEVICES_PER_RADIO_MAX);
    assert_eq!(
        house
            .kinds()
            .iter()
            .filter(|kind| **kind == "hub.degraded")
            .count(),
        1
    );
    let device = hubd_model::DeviceAddress::parse("A/0").unwrap();
    house.report(Report::Removed {
        device,
        cause: RemovalCause::Excluded,
    });
    assert_eq!(house.kinds().last(), Some(&"hub.recovered"));
    house.wait(Millis(1));
}

#[test]
fn a_device_that_left_leaves_once() {
    let (mut house, lock) = House::with_lock();
    let gone = |cause| Report::Removed {
        device: address(2),
        cause,
    };
    house.report(gone(RemovalCause::Failed));
    assert_eq!(house.kinds().last(), Some(&"device.excluded"));
    let told = house.journal.len();
    house.report(gone(RemovalCause::Unknown));
    assert_eq!(house.journal.len(), told);
    assert!(house.engine.lock(&lock).is_none());
}
