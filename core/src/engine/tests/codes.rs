//! Codes as the rest of the mind sees them: emergencies, and who opened.

use std::collections::BTreeSet;

use hubd_model::{
    BoltState, CodeCapabilities, CodeReport, CodeTask, CodeTaskEnd, CredentialId, IncidentId, LockId, Order,
    Pin, Report, Role, Schedule, SecretString, SlotContent, SlotKey, Source, Usage, Via,
};

use super::house::{House, address, description, radio};
use crate::credentials::record::{CredentialsKey, CredentialsRecord, Means, Standing};
use crate::credentials::request::{
    CredentialsAnswer, CredentialsRequest, NewCredential, NewMeans, NewPerson,
};
use crate::event::Event;
use crate::input::{Answer, Request};

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
    let mut lock = description(
        hubd_model::DeviceKind::Lock,
        hubd_model::Security::S2AccessControl,
    );
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

/// Does what the lock was told since, and says so.
fn obey(house: &mut House) -> Vec<CodeTask> {
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
        let said = match &*what {
            CodeTask::Write { key, wish } => Some((
                *key,
                SlotContent::Pin {
                    pin: wish.pin.clone(),
                    enabled: true,
                },
            )),
            CodeTask::Clear(key) | CodeTask::Read(key) => Some((*key, SlotContent::Empty)),
            CodeTask::ReadAll { .. } | CodeTask::Enrol(_) => None,
        };
        let said = said.map(|(key, content)| CodeReport::Slot {
            key,
            content,
            schedule: None,
        });
        let end = CodeReport::Ended {
            task,
            end: CodeTaskEnd::Done,
            frames: 4,
        };
        for report in said.into_iter().chain([end]) {
            let device = device.clone();
            house.report(Report::Codes { device, report });
        }
        obeyed.push(*what);
    }
    obeyed
}

fn emergency_code(house: &mut House, lock: &LockId, role: Role) -> CredentialId {
    let new = NewPerson {
        name: "Fire brigade".into(),
        role,
        may_sign_in: false,
    };
    let CredentialsAnswer::Person(person) = ask(house, CredentialsRequest::AddPerson(new)) else {
        panic!("a person is answered with the person");
    };
    let new = NewCredential {
        person: person.id,
        label: "at the key safe".into(),
        means: NewMeans::Pin(Pin::parse(SecretString::new("739416".into())).unwrap()),
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
        assert_eq!(obey(&mut house), [], "it is prepared");
        let incident = IncidentId::parse("incident-1").unwrap();
        house.engine.enable_emergency_codes(&incident);
        house.give(crate::input::Input::Tick);
        let written = obey(&mut house);
        let [CodeTask::Write { key, wish }] = &written[..] else {
            panic!("it is written, and nothing else: {written:?}");
        };
        let (key, pin) = (*key, wish.pin.clone());
        if used {
            house.moved(BoltState::Unlocked, Via::slot(Source::Keypad, Some(key.slot)));
            let person = house.engine.credential(&code).unwrap().person;
            let opened = house.lock().bolt.unwrap().value.1;
            assert_eq!(opened.person, Some(person), "the lock shows who opened it");
            assert!(house.kinds().contains(&"credential.used"));
        }
        house.engine.disable_emergency_codes(&incident);
        house.give(crate::input::Input::Tick);
        assert_eq!(obey(&mut house), [CodeTask::Clear(key)]);
        let view = house.engine.credential(&code).unwrap();
        assert_eq!(view.standing, Standing::Ready);
        let key = CredentialsKey::Credential(code);
        let Some(CredentialsRecord::Credential(row)) = house.rows.get(&key) else {
            panic!("its row is kept");
        };
        assert_eq!(
            row.means != Means::Pin(pin),
            used,
            "it has another PIN once it was used"
        );
    }
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
