//! Tags that a lock learns: only while somebody stands there, and never in the place of somebody else's.

use std::collections::BTreeSet;

use hubd_core::credentials::event::CredentialsEvent;
use hubd_core::credentials::request::{CredentialsRequest, NewCredential, NewMeans};
use hubd_core::event::Event;
use hubd_model::{
    CodeCapabilities, CodeSlot, CodeTask, CredentialId, CredentialKind, LockSchedule, Role, Schedule,
    SlotKey, Usage,
};

use crate::home::{HOUR, Home, MINUTE, pin};
use crate::lock::{Held, Lock, Manners};

fn tag(number: u16) -> SlotKey {
    SlotKey {
        kind: CredentialKind::Rfid,
        slot: CodeSlot::new(number).unwrap(),
    }
}

fn home() -> (Home, CredentialId) {
    let capabilities = CodeCapabilities {
        pin_slots: 4,
        rfid_slots: 4,
        ..CodeCapabilities::default()
    };
    let mut home = Home::with_locks(1, [Lock::new(capabilities, Manners::default())]);
    let anna = home.person("Anna", Role::Resident);
    let new = NewCredential {
        person: anna,
        label: String::new(),
        means: NewMeans::Enrolled(CredentialKind::Rfid),
        usage: Usage::Daily,
        schedule: Schedule::default(),
        uses_left: None,
        locks: BTreeSet::new(),
    };
    let credential = home.add(new).unwrap();
    home.wait(MINUTE);
    (home, credential)
}

fn enrol(home: &mut Home, credential: &CredentialId) {
    let (credential, lock) = (credential.clone(), home.id(2));
    home.ask(CredentialsRequest::Enrol { credential, lock }).unwrap();
}

/// Somebody lets the lock learn a tag of theirs into the first slot, and the lock says nothing of it.
fn taught_unheard(home: &mut Home) -> Held {
    let theirs = Held {
        pin: pin("33333333"),
        schedule: LockSchedule::default(),
        typed: true,
    };
    let lock = home.locks.get_mut(&2).unwrap();
    lock.held.insert(tag(1), theirs.clone());
    theirs
}

fn not_learnt(home: &Home) -> Vec<String> {
    let stuck = home.journal.iter().filter_map(|entry| match &entry.event {
        Event::Credentials(CredentialsEvent::SlotStuck { what, reason, .. }) if *what == "enrol" => {
            Some(reason.clone())
        }
        _ => None,
    });
    stuck.collect()
}

fn asked_to_learn(home: &Home) -> usize {
    let orders = home.orders.iter();
    orders
        .filter(|(_, task)| matches!(task, CodeTask::Enrol { .. }))
        .count()
}

#[test]
fn a_lock_learns_a_tag_for_its_person_and_once_more() {
    let (mut home, credential) = home();
    home.locks.get_mut(&2).unwrap().tag = Some(pin("11111111"));
    enrol(&mut home, &credential);
    home.wait(MINUTE);
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
    assert_eq!(
        home.engine().credential(&credential).unwrap().places[0].key,
        Some(tag(1))
    );
    // Hours later it learns another one into the same slot.
    home.wait(3 * HOUR);
    home.forget_past();
    home.locks.get_mut(&2).unwrap().tag = Some(pin("22222222"));
    enrol(&mut home, &credential);
    home.wait(MINUTE);
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
    assert_eq!(asked_to_learn(&home), 1);
    assert_eq!(home.locks[&2].held[&tag(1)].pin, pin("22222222"));
    // Nobody holds anything to it: what it has stays.
    enrol(&mut home, &credential);
    home.wait(MINUTE);
    assert_eq!(not_learnt(&home).len(), 1);
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
    assert!(
        home.engine().credential(&credential).unwrap().places[0]
            .confirmed
            .is_some()
    );
}

#[test]
fn what_somebody_else_taught_the_lock_meanwhile_is_not_overwritten() {
    let (mut home, credential) = home();
    home.wait(HOUR);
    let theirs = taught_unheard(&mut home);
    home.locks.get_mut(&2).unwrap().tag = Some(pin("11111111"));
    home.forget_past();
    enrol(&mut home, &credential);
    home.wait(MINUTE);
    assert_eq!(home.locks[&2].held[&tag(1)], theirs);
    assert_eq!(asked_to_learn(&home), 0);
    assert_eq!(not_learnt(&home).len(), 1, "{:?}", home.kinds());
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
    // The next time it takes the next slot.
    enrol(&mut home, &credential);
    home.wait(MINUTE);
    assert!(
        home.locks[&2].held.contains_key(&tag(2)) && home.is_quiet(),
        "{:#?}",
        home.codes(2)
    );
}

#[test]
fn what_comes_between_the_look_and_the_learning_is_not_overwritten() {
    let (mut home, credential) = home();
    home.wait(HOUR);
    home.locks.get_mut(&2).unwrap().tag = Some(pin("11111111"));
    home.forget_past();
    enrol(&mut home, &credential);
    // The slot is seen empty; then the order to learn leaves.
    while asked_to_learn(&home) == 0 {
        home.wait(100);
    }
    let theirs = taught_unheard(&mut home);
    home.wait(MINUTE);
    assert_eq!(home.locks[&2].held[&tag(1)], theirs);
    assert_eq!(not_learnt(&home).len(), 1, "{:?}", home.kinds());
    // It stays when the credential goes, too.
    home.ask(CredentialsRequest::RemoveCredential { credential })
        .unwrap();
    home.wait(HOUR);
    assert_eq!(home.locks[&2].held[&tag(1)], theirs);
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
}

#[test]
fn a_lock_that_was_away_is_not_asked_to_learn_when_it_is_back() {
    let (mut home, credential) = home();
    home.wait(HOUR);
    home.online.remove(&2);
    home.forget_past();
    enrol(&mut home, &credential);
    home.wait(5 * MINUTE);
    assert_eq!(not_learnt(&home).len(), 1, "{:?}", home.kinds());
    home.locks.get_mut(&2).unwrap().tag = Some(pin("44444444"));
    home.come_back(2);
    home.wait(HOUR);
    assert_eq!(
        asked_to_learn(&home),
        0,
        "a stranger could stand there: {:?}",
        home.orders
    );
    assert!(
        home.locks[&2].held.is_empty() && home.is_quiet(),
        "{:#?}",
        home.codes(2)
    );
}
