//! What would let somebody in who should not, or say that it was somebody who it was not.

use hubd_core::credentials::event::{CredentialsEvent, Drift};
use hubd_core::credentials::record::{CredentialsRecord, Standing};
use hubd_core::credentials::request::{CredentialPatch, CredentialsRequest, NewCredential, NewMeans, Patch};
use hubd_core::event::Event;
use hubd_model::{CodeCapabilities, CodeTask, LockSchedule, PersonId, Role, Schedule, Usage};

use crate::home::{HOUR, Home, MINUTE, SECOND, pin};
use crate::lock::{Held, Lock, Manners, pin_slot};

fn home() -> (Home, PersonId) {
    let capabilities = CodeCapabilities {
        pin_slots: 20,
        ..CodeCapabilities::default()
    };
    let mut home = Home::with_locks(1, [Lock::new(capabilities, Manners::default())]);
    let anna = home.person("Anna", Role::Resident);
    (home, anna)
}

/// Who opened, as the journal says of each movement at the keypad.
fn openers(home: &Home) -> Vec<Option<PersonId>> {
    let moved = home.journal.iter().filter_map(|entry| match &entry.event {
        Event::LockOperated { via, .. } if via.slot.is_some() => Some(via.person.clone()),
        _ => None,
    });
    moved.collect()
}

#[test]
fn a_code_that_is_used_up_works_again_only_when_somebody_gives_it_uses() {
    let (mut home, anna) = home();
    let new = NewCredential {
        person: anna,
        label: String::new(),
        means: NewMeans::Pin(pin("739416")),
        usage: Usage::Daily,
        schedule: Schedule::default(),
        uses_left: Some(1),
        locks: [home.id(2)].into(),
    };
    let code = home.add(new).unwrap();
    home.wait(MINUTE);
    home.enter(2, pin_slot(1));
    home.wait(MINUTE);
    let standing = |home: &Home| home.engine().credential(&code).unwrap().standing;
    assert_eq!(standing(&home), Standing::UsedUp);
    let change = |home: &mut Home, patch| {
        let credential = code.clone();
        home.ask(CredentialsRequest::ChangeCredential { credential, patch })
    };
    let uses = |uses| CredentialPatch {
        uses_left: Patch::Set(uses),
        ..CredentialPatch::default()
    };
    let refused = change(&mut home, uses(Some(0))).unwrap_err();
    assert_eq!(refused.code(), "bad_uses");
    let label = CredentialPatch {
        label: Patch::Set("gardener".into()),
        ..CredentialPatch::default()
    };
    change(&mut home, label).unwrap();
    home.wait(HOUR);
    assert_eq!(standing(&home), Standing::UsedUp);
    assert!(!home.opens(2, "739416"));
    change(&mut home, uses(Some(1))).unwrap();
    home.wait(MINUTE);
    assert!(home.opens(2, "739416"));
}

#[test]
fn who_opens_with_a_code_that_somebody_typed_over_ours_is_not_taken_for_its_person() {
    let (mut home, anna) = home();
    home.grant(&anna, "739416", &[2]);
    home.wait(HOUR);
    home.enter(2, pin_slot(1));
    assert_eq!(openers(&home), [Some(anna.clone())]);
    home.forget_past();
    // The lock says that it was changed, and the hub will write ours over it.
    home.condemned.insert((2, pin_slot(1)));
    home.type_in(2, pin_slot(1), Some("482915"));
    home.enter(2, pin_slot(1));
    assert_eq!(openers(&home), [None]);
    home.wait(HOUR);
    home.forget_past();
    home.enter(2, pin_slot(1));
    assert_eq!(openers(&home), [Some(anna)], "it is put right");
}

#[test]
fn a_person_whose_codes_were_on_no_lock_is_forgotten_at_once() {
    let (mut home, anna) = home();
    home.grant(&anna, "739416", &[]);
    home.wait(HOUR);
    home.ask(CredentialsRequest::RemovePerson { person: anna })
        .unwrap();
    home.wait(MINUTE);
    let people = home.rows.values();
    let people = people.filter(|row| matches!(row, CredentialsRecord::Person(_)));
    assert_eq!(people.count(), 0);
}

/// Somebody types a code into the first slot, and the lock says nothing of it.
fn typed_unheard(home: &mut Home, code: &str) {
    let held = Held {
        pin: pin(code),
        schedule: LockSchedule::default(),
        typed: true,
    };
    home.locks.get_mut(&2).unwrap().held.insert(pin_slot(1), held);
}

/// How slots drifted, as the journal says.
fn drifts(home: &Home) -> Vec<Drift> {
    let drifted = home.journal.iter().filter_map(|entry| match &entry.event {
        Event::Credentials(CredentialsEvent::SlotDrifted { drift, .. }) => Some(*drift),
        _ => None,
    });
    drifted.collect()
}

#[test]
fn a_code_that_somebody_typed_unheard_into_a_slot_that_was_just_seen_free_stays_and_is_told() {
    let (mut home, anna) = home();
    let lock = home.id(2);
    home.ask(CredentialsRequest::ReadLock { lock }).unwrap();
    home.wait(MINUTE);
    typed_unheard(&mut home, "482915");
    home.forget_past();
    home.grant(&anna, "739416", &[2]);
    home.wait(MINUTE);
    assert!(home.locks[&2].held[&pin_slot(1)].typed, "it stays");
    assert_eq!(home.codes(2).slots[0].holder.as_str(), "foreign");
    assert_eq!(drifts(&home), [Drift::ForeignAdded]);
    assert!(home.opens(2, "739416"), "ours is in another slot");
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
}

#[test]
fn a_code_that_somebody_typed_unheard_over_ours_goes_when_ours_is_written_and_that_is_told() {
    let (mut home, anna) = home();
    let credential = home.grant(&anna, "739416", &[2]);
    home.wait(HOUR);
    home.forget_past();
    typed_unheard(&mut home, "482915");
    home.condemned.insert((2, pin_slot(1)));
    let pin = Some(pin("205846"));
    home.ask(CredentialsRequest::Rotate { credential, pin }).unwrap();
    home.wait(10 * SECOND);
    assert_eq!(drifts(&home), [Drift::Replaced]);
    home.wait(MINUTE);
    assert!(home.opens(2, "205846") && !home.opens(2, "482915"));
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
}

#[test]
fn a_code_that_may_have_arrived_unseen_is_cleared_however_long_ago_it_was() {
    let (mut home, anna) = home();
    let credential = home.grant(&anna, "739416", &[2]);
    home.grant(&anna, "205846", &[2]);
    home.wait(HOUR);
    // The lock loses one of two codes, and takes it again without saying so.
    home.locks.get_mut(&2).unwrap().held.remove(&pin_slot(1));
    let lock = home.id(2);
    home.forget_past();
    home.ask(CredentialsRequest::ReadLock { lock }).unwrap();
    let written = |(_, what): &(u8, CodeTask)| matches!(what, CodeTask::Write { .. });
    while !home.orders.iter().any(written) {
        home.wait(100);
    }
    home.locks.get_mut(&2).unwrap().manners.answer_lost = 1_000;
    home.wait(4 * SECOND);
    assert!(home.opens(2, "739416"), "it arrived");
    home.online.remove(&2);
    home.wait(24 * HOUR);
    home.revoke(&credential);
    home.wait(HOUR);
    home.locks.get_mut(&2).unwrap().manners.answer_lost = 0;
    home.come_back(2);
    home.wait(HOUR);
    assert!(!home.opens(2, "739416"), "{:#?}", home.codes(2));
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
}

#[test]
fn a_code_that_may_have_gone_unseen_is_looked_for_when_it_is_wanted_again() {
    let (mut home, anna) = home();
    let credential = home.grant(&anna, "739416", &[2]);
    home.wait(HOUR);
    home.locks.get_mut(&2).unwrap().manners.answer_lost = 1_000;
    let lock = home.id(2);
    let off = CredentialsRequest::Unassign {
        credential: credential.clone(),
        lock: lock.clone(),
    };
    home.ask(off).unwrap();
    home.wait(4 * SECOND);
    assert!(!home.opens(2, "739416"), "it went");
    home.locks.get_mut(&2).unwrap().manners.answer_lost = 0;
    home.ask(CredentialsRequest::Assign { credential, lock }).unwrap();
    home.wait(HOUR);
    assert!(home.opens(2, "739416"), "{:#?}", home.codes(2));
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
}
