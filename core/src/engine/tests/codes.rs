//! Codes as the rest of the mind sees them: emergencies, and who opened.

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    AlarmSignal, BoltState, CodeCapabilities, CodeReport, CodeTask, CodeTaskEnd, CredentialId, DeviceKind,
    Hazard, LockId, Millis, Order, PersonId, Pin, Report, Role, Schedule, SecretString, Security,
    SlotContent, SlotKey, Source, Usage, Via,
};

use super::house::{House, address, description, radio};
use crate::credentials::event::CredentialsEvent;
use crate::credentials::record::{CredentialsKey, CredentialsRecord, EnabledFor, Means, Standing};
use crate::credentials::request::{
    CredentialPatch, CredentialsAnswer, CredentialsRequest, NewCredential, NewMeans, NewPerson, Patch,
};
use crate::event::Event;
use crate::input::{Answer, Request};
use crate::lifesafety::policy::{Confirm, Detectors, DoorRule, Rules, WhenAway};
use crate::lifesafety::request::LifeSafetyRequest;

fn ask(house: &mut House, what: CredentialsRequest) -> CredentialsAnswer {
    let what = Box::new(what);
    let requester = "anna".into();
    match house.request(Request::Credentials { what, requester }) {
        Ok(Answer::Credentials { answer, .. }) => answer,
        other => panic!("{other:?}"),
    }
}

/// A house with a lock that keeps ten PINs, and was read.
fn house() -> (House, LockId) {
    let mut house = House::new();
    let mut lock = description(DeviceKind::Lock, Security::S2AccessControl);
    lock.lock.codes = CodeCapabilities {
        pin_slots: 10,
        ..CodeCapabilities::default()
    };
    house.report(Report::Device {
        device: address(2),
        description: lock,
        fresh: true,
    });
    let id = house.engine.lock_at(&radio(), &address(2)).unwrap();
    ask(&mut house, CredentialsRequest::ReadLock { lock: id.clone() });
    obey(&mut house);
    house.forget_past();
    (house, id)
}

/// Does what the lock was told since, and says so; `held` is what it holds.
fn obey_with(house: &mut House, held: &mut BTreeMap<SlotKey, Pin>) -> Vec<CodeTask> {
    let mut obeyed = Vec::new();
    while let Some(at) = house
        .orders
        .iter()
        .position(|order| matches!(order, Order::Codes { .. }))
    {
        let Order::Codes {
            task, what, device, ..
        } = house.orders.remove(at)
        else {
            continue;
        };
        let said: Vec<SlotKey> = match &*what {
            CodeTask::Write { key, wish } => {
                held.insert(*key, wish.pin.clone());
                vec![*key]
            }
            CodeTask::Clear(key) => {
                held.remove(key);
                vec![*key]
            }
            CodeTask::Read(key) => vec![*key],
            CodeTask::ReadAll { .. } => held.keys().copied().collect(),
            CodeTask::Enrol { .. } | CodeTask::Name { .. } => Vec::new(),
        };
        let said = said.into_iter().map(|key| CodeReport::Slot {
            key,
            content: held.get(&key).map_or(SlotContent::Empty, |pin| SlotContent::Pin {
                pin: pin.clone(),
                enabled: true,
            }),
            schedule: None,
        });
        let end = CodeReport::Ended {
            task,
            end: CodeTaskEnd::Done,
            frames: 4,
        };
        for report in said.chain([end]) {
            let device = device.clone();
            house.report(Report::Codes { device, report });
        }
        obeyed.push(*what);
    }
    obeyed
}

fn obey(house: &mut House) -> Vec<CodeTask> {
    obey_with(house, &mut BTreeMap::new())
}

/// A detector at node 20, and a policy by which its smoke opens the door.
fn life_safety(house: &mut House, lock: &LockId) {
    let mut detector = description(DeviceKind::Alarm, Security::S2Unauthenticated);
    detector.hazards = vec![Hazard::Smoke];
    house.report(Report::Device {
        device: address(20),
        description: detector,
        fresh: true,
    });
    let rule = DoorRule {
        hazards: BTreeSet::from([Hazard::Smoke]),
        detectors: Detectors::Any,
        confirm: Confirm {
            at_once: BTreeSet::from([Hazard::Smoke]),
            second_within: None,
            lasting: None,
        },
        when_away: WhenAway::Same,
        cancel_window: Millis(0),
    };
    let rules = Rules {
        enabled: true,
        doors: BTreeMap::from([(lock.clone(), rule)]),
    };
    let set = LifeSafetyRequest::SetPolicy {
        rules,
        from_version: None,
        by: "anna".into(),
    };
    house.request(Request::LifeSafety(set)).unwrap();
}

fn pin_of(house: &House, code: &CredentialId) -> Pin {
    let key = CredentialsKey::Credential(code.clone());
    let Some(CredentialsRecord::Credential(row)) = house.rows.get(&key) else {
        panic!("its row is kept");
    };
    let Means::Pin(pin) = &row.means else {
        panic!("it is a PIN")
    };
    pin.clone()
}

fn is_enabled(house: &House, code: &CredentialId) -> bool {
    let standing = house.engine.credential(code).unwrap().standing;
    matches!(
        standing,
        Standing::Enabled {
            cause: EnabledFor::Incident(_),
            ..
        }
    )
}

fn person(house: &mut House, role: Role) -> PersonId {
    let new = NewPerson {
        name: "Fire brigade".into(),
        role,
        may_sign_in: false,
    };
    let CredentialsAnswer::Person(person) = ask(house, CredentialsRequest::AddPerson(new)) else {
        panic!("a person is answered with the person");
    };
    person.id
}

fn emergency_code(house: &mut House, lock: &LockId, role: Role) -> CredentialId {
    // No two people have the same PIN.
    let pin = if role == Role::Responder {
        "739416"
    } else {
        "863057"
    };
    let new = NewCredential {
        person: person(house, role),
        label: "at the key safe".into(),
        means: NewMeans::Pin(Pin::parse(SecretString::new(pin.into())).unwrap()),
        usage: Usage::Emergency,
        schedule: Schedule::default(),
        uses_left: None,
        locks: BTreeSet::from([lock.clone()]),
    };
    let CredentialsAnswer::Credential { view, .. } = ask(house, CredentialsRequest::AddCredential(new))
    else {
        panic!("a credential is answered with the credential");
    };
    view.id
}

#[test]
fn an_emergency_code_is_on_no_lock_until_an_incident_and_is_replaced_once_used() {
    for used in [true, false] {
        let (mut house, lock) = house();
        let code = emergency_code(&mut house, &lock, Role::Responder);
        life_safety(&mut house, &lock);
        assert_eq!(obey(&mut house), [], "it is prepared");
        let first = pin_of(&house, &code);
        house.orders.clear();
        house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
        let orders: Vec<bool> = house
            .orders
            .iter()
            .map(|order| matches!(order, Order::Codes { .. }))
            .collect();
        assert!(
            !orders[0] && orders.iter().is_sorted(),
            "the door is told before any code: {orders:?}"
        );
        let mut held = BTreeMap::new();
        let written = obey_with(&mut house, &mut held);
        let [CodeTask::Write { key, .. }] = &written[..] else {
            panic!("it is written, and nothing else: {written:?}");
        };
        let key = *key;
        house.moved(BoltState::Unlocked, Via::source(Source::Remote));
        // The power goes and comes back in the middle: it goes on.
        house.restart();
        obey_with(&mut house, &mut held);
        assert!(is_enabled(&house, &code));
        assert_eq!(held.get(&key), Some(&first));
        if used {
            house.moved(BoltState::Unlocked, Via::slot(Source::Keypad, Some(key.slot)));
            let person = house.engine.credential(&code).unwrap().person;
            let opened = house.lock().bolt.unwrap().value.1;
            assert_eq!(opened.person, Some(person), "the lock shows who opened it");
            assert!(house.kinds().contains(&"credential.used"));
        }
        house.alarm_says(20, AlarmSignal::Cleared(Hazard::Smoke), true);
        obey_with(&mut house, &mut held);
        assert!(is_enabled(&house, &code), "it works until the incident is over");
        house.moved(BoltState::Locked, Via::source(Source::Manual));
        obey_with(&mut house, &mut held);
        assert_eq!(house.engine.credential(&code).unwrap().standing, Standing::Ready);
        assert!(held.is_empty(), "the lock is free of it");
        assert_eq!(
            pin_of(&house, &code) != first,
            used,
            "it has another PIN once it was used"
        );
    }
}

#[test]
fn no_drill_test_or_unconfirmed_alarm_enables_an_emergency_code() {
    let (mut house, lock) = house();
    let code = emergency_code(&mut house, &lock, Role::Responder);
    life_safety(&mut house, &lock);
    let drill = LifeSafetyRequest::StartDrill {
        doors: None,
        dry: false,
        detector: None,
        by: "anna".into(),
    };
    house.request(Request::LifeSafety(drill)).unwrap();
    assert!(house.kinds().contains(&"drill.started"));
    house.moved(BoltState::Unlocked, Via::source(Source::Remote));
    house.alarm_says(20, AlarmSignal::Tested(Hazard::Smoke), true);
    house.alarm_says(20, AlarmSignal::Silenced(Hazard::Smoke), true);
    house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), false);
    assert!(house.engine.incidents().is_empty());
    // An incident that releases no door enables nothing either.
    house.alarm_says(20, AlarmSignal::Raised(Hazard::Co), true);
    assert_eq!(house.engine.incidents().len(), 1);
    assert_eq!(house.engine.credential(&code).unwrap().standing, Standing::Ready);
    assert_eq!(obey(&mut house), []);
}

#[test]
fn invariant_a_power_cut_leaves_no_emergency_code_on_after_its_incident_and_none_off_in_it() {
    // The first cut falls into the release, the second into the end of the incident.
    for at_the_end in [false, true] {
        for cut in 0.. {
            let (mut house, lock) = house();
            let codes = [
                emergency_code(&mut house, &lock, Role::Responder),
                emergency_code(&mut house, &lock, Role::Owner),
            ];
            life_safety(&mut house, &lock);
            let mut held = BTreeMap::new();
            if !at_the_end {
                house.cut_after = Some(cut);
            }
            house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
            let mut was_cut = house.cut_after == Some(0);
            if !at_the_end {
                house.restart();
                // A detector says again and again that there is smoke.
                house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
            }
            house.moved(BoltState::Unlocked, Via::source(Source::Remote));
            obey_with(&mut house, &mut held);
            assert!(
                codes.iter().all(|code| is_enabled(&house, code)),
                "cut after {cut}"
            );
            assert_eq!(held.len(), 2, "cut after {cut}");
            house.alarm_says(20, AlarmSignal::Cleared(Hazard::Smoke), true);
            if at_the_end {
                house.cut_after = Some(cut);
            }
            house.moved(BoltState::Locked, Via::source(Source::Manual));
            if at_the_end {
                was_cut = house.cut_after == Some(0);
                house.restart();
                house.moved(BoltState::Locked, Via::source(Source::Manual));
            }
            obey_with(&mut house, &mut held);
            house.wait(Millis::from_secs(60));
            obey_with(&mut house, &mut held);
            for code in &codes {
                assert_eq!(
                    house.engine.credential(code).unwrap().standing,
                    Standing::Ready,
                    "cut after {cut}, at the end: {at_the_end}"
                );
            }
            assert!(
                held.is_empty(),
                "cut after {cut}, at the end: {at_the_end}: {held:?}"
            );
            if !was_cut {
                assert!(cut > 5, "there was something to cut");
                break;
            }
        }
    }
}

#[test]
fn an_emergency_code_that_a_person_disables_stays_off_in_that_incident_also_after_a_restart() {
    let (mut house, lock) = house();
    let code = emergency_code(&mut house, &lock, Role::Responder);
    life_safety(&mut house, &lock);
    let mut held = BTreeMap::new();
    house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
    house.moved(BoltState::Unlocked, Via::source(Source::Remote));
    assert!(is_enabled(&house, &code));
    ask(
        &mut house,
        CredentialsRequest::DisableEmergency {
            credential: code.clone(),
        },
    );
    for restart in [false, true] {
        if restart {
            house.restart();
            house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
            house.moved(BoltState::Unlocked, Via::source(Source::Remote));
        }
        assert!(!is_enabled(&house, &code), "after a restart: {restart}");
        obey_with(&mut house, &mut held);
        assert!(held.is_empty(), "after a restart: {restart}: {held:?}");
    }
    house.alarm_says(20, AlarmSignal::Cleared(Hazard::Smoke), true);
    house.moved(BoltState::Locked, Via::source(Source::Manual));
    assert_eq!(house.engine.credential(&code).unwrap().standing, Standing::Ready);
    // The next emergency enables it again.
    house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
    assert!(is_enabled(&house, &code));
}

/// The lock at a node is announced while it is still asked what it keeps.
fn asked(house: &mut House, node: u8) -> LockId {
    let mut lock = description(DeviceKind::Lock, Security::S2AccessControl);
    lock.lock.codes.asking = true;
    house.report(Report::Device {
        device: address(node),
        description: lock,
        fresh: false,
    });
    house.engine.lock_at(&radio(), &address(node)).unwrap()
}

fn pin_for(person: PersonId, lock: &LockId) -> Request {
    let new = NewCredential {
        person,
        label: String::new(),
        means: NewMeans::Pin(Pin::parse(SecretString::new("739416".into())).unwrap()),
        usage: Usage::Daily,
        schedule: Schedule::default(),
        uses_left: None,
        locks: BTreeSet::from([lock.clone()]),
    };
    Request::Credentials {
        what: Box::new(CredentialsRequest::AddCredential(new)),
        requester: "anna".into(),
    }
}

#[test]
fn a_lock_that_is_asked_again_keeps_what_was_known_of_it_and_is_written_when_it_has_answered() {
    let (mut house, lock) = house();
    takes_digits(&mut house, 2, 6..=8);
    let person = person(&mut house, Role::Resident);
    asked(&mut house, 2);
    house.request(pin_for(person, &lock)).unwrap();
    let mut held = BTreeMap::new();
    obey_with(&mut house, &mut held);
    assert!(held.is_empty(), "it could not be told yet: {held:?}");
    takes_digits(&mut house, 2, 6..=8);
    obey_with(&mut house, &mut held);
    assert_eq!(held.len(), 1);
}

#[test]
fn a_lock_that_never_told_what_it_keeps_gets_no_code_until_it_does() {
    let (mut house, _) = house();
    let person = person(&mut house, Role::Resident);
    let lock = asked(&mut house, 3);
    let refusal = house.request(pin_for(person.clone(), &lock)).unwrap_err();
    let sentence = format!("{lock} is still being asked what it keeps; try again in a minute");
    assert_eq!(refusal.to_string(), sentence);
    takes_digits(&mut house, 3, 4..=8);
    house.request(pin_for(person, &lock)).unwrap();
}

/// The lock at a node says how long its PINs are.
fn takes_digits(house: &mut House, node: u8, digits: std::ops::RangeInclusive<u8>) -> LockId {
    let mut lock = description(DeviceKind::Lock, Security::S2AccessControl);
    lock.lock.codes = CodeCapabilities {
        pin_slots: 10,
        pin_digits_min: *digits.start(),
        pin_digits_max: *digits.end(),
        ..CodeCapabilities::default()
    };
    house.report(Report::Device {
        device: address(node),
        description: lock,
        fresh: false,
    });
    house.engine.lock_at(&radio(), &address(node)).unwrap()
}

/// An emergency code that was used in an incident, after which the locks had no length of PINs in common.
fn used_without_a_new_pin() -> (House, CredentialId, Pin) {
    let (mut house, lock) = house();
    let other = takes_digits(&mut house, 3, 4..=8);
    let code = emergency_code(&mut house, &lock, Role::Responder);
    life_safety(&mut house, &lock);
    ask(
        &mut house,
        CredentialsRequest::Assign {
            credential: code.clone(),
            lock: other,
        },
    );
    house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
    let mut held = BTreeMap::new();
    obey_with(&mut house, &mut held);
    let key = *held.keys().next().unwrap();
    house.moved(BoltState::Unlocked, Via::slot(Source::Keypad, Some(key.slot)));
    takes_digits(&mut house, 2, 8..=8);
    takes_digits(&mut house, 3, 4..=4);
    let known = pin_of(&house, &code);
    house.forget_past();
    house.alarm_says(20, AlarmSignal::Cleared(Hazard::Smoke), true);
    house.moved(BoltState::Locked, Via::source(Source::Manual));
    assert_eq!(house.engine.credential(&code).unwrap().standing, Standing::UsedUp);
    (house, code, known)
}

/// How a credential changed, as the journal says.
fn changes(house: &House) -> Vec<&'static str> {
    let events = house.journal.iter().filter_map(|entry| {
        if let Event::Credentials(CredentialsEvent::CredentialChanged { change, .. }) = &entry.event {
            Some(change.as_str())
        } else {
            None
        }
    });
    events.collect()
}

#[test]
fn an_emergency_code_for_which_no_new_pin_was_found_says_so_and_gets_one_as_soon_as_there_is_one() {
    for restart in [false, true] {
        let (mut house, code, known) = used_without_a_new_pin();
        assert_eq!(changes(&house), ["disabled", "not_replaced"], "it is told");
        if restart {
            house.restart();
        }
        house.forget_past();
        house.wait(Millis::from_secs(3 * 3_600));
        assert_eq!(changes(&house), [""; 0], "and told once");
        takes_digits(&mut house, 3, 4..=8);
        house.wait(Millis::from_secs(3_600));
        assert_eq!(changes(&house), ["replaced"]);
        assert_eq!(house.engine.credential(&code).unwrap().standing, Standing::Ready);
        assert_ne!(pin_of(&house, &code), known);
        house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
        assert!(is_enabled(&house, &code), "the next emergency has it again");
    }
}

#[test]
fn a_used_emergency_code_is_given_back_by_a_new_pin_alone_and_by_nothing_while_doors_are_released() {
    let (mut house, code, known) = used_without_a_new_pin();
    let uses = CredentialPatch {
        uses_left: Patch::Set(None),
        ..CredentialPatch::default()
    };
    ask(
        &mut house,
        CredentialsRequest::ChangeCredential {
            credential: code.clone(),
            patch: uses,
        },
    );
    let standing = |house: &House| house.engine.credential(&code).unwrap().standing;
    assert_eq!(
        standing(&house),
        Standing::UsedUp,
        "whoever used it knows its PIN"
    );
    assert_eq!(pin_of(&house, &code), known);
    // In the next incident its locks take PINs again, and nobody is given one that nobody was told.
    house.alarm_says(20, AlarmSignal::Raised(Hazard::Smoke), true);
    house.moved(BoltState::Unlocked, Via::source(Source::Remote));
    takes_digits(&mut house, 2, 4..=8);
    takes_digits(&mut house, 3, 4..=8);
    house.wait(Millis::from_secs(2 * 3_600));
    assert_eq!(standing(&house), Standing::UsedUp);
    let pin = Some(Pin::parse(SecretString::new("58204613".into())).unwrap());
    ask(
        &mut house,
        CredentialsRequest::Rotate {
            credential: code.clone(),
            pin,
        },
    );
    assert_eq!(standing(&house), Standing::Ready, "a person may");
    assert_ne!(pin_of(&house, &code), known);
}

#[test]
fn a_slot_that_is_not_ours_names_nobody() {
    let (mut house, _) = house();
    house.report(Report::Codes {
        device: address(2),
        report: CodeReport::Slot {
            key: SlotKey::pin(hubd_model::CodeSlot::new(7).unwrap()),
            content: SlotContent::Hidden { enabled: true },
            schedule: None,
        },
    });
    house.moved(
        BoltState::Unlocked,
        Via::slot(Source::Keypad, hubd_model::CodeSlot::new(7)),
    );
    let via = house.lock().bolt.unwrap().value.1;
    assert_eq!(
        (via.person, via.slot.map(hubd_model::CodeSlot::number)),
        (None, Some(7))
    );
    assert!(
        house
            .events()
            .iter()
            .any(|event| matches!(event, Event::LockOperated { .. }))
    );
}
