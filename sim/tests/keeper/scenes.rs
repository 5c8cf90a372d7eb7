//! Stories of a household.

use hubd_core::credentials::event::{Change, CredentialsEvent};
use hubd_core::credentials::request::{
    CredentialPatch, CredentialsRequest, NewCredential, NewMeans, Patch, PersonPatch, SchedulePatch,
};
use hubd_core::credentials::view::Why;
use hubd_core::event::Event;
use hubd_model::{CodeCapabilities, CodeTask, Role, Usage};

use crate::home::{DAY, HOUR, Home, MINUTE, SECOND, pin};
use crate::lock::{Lock, Manners, Midnight, pin_slot};

fn caps() -> CodeCapabilities {
    CodeCapabilities {
        pin_slots: 20,
        ..CodeCapabilities::default()
    }
}

fn plain() -> Lock {
    Lock::new(caps(), Manners::default())
}

fn masking() -> Lock {
    Lock::new(
        caps(),
        Manners {
            masks: true,
            ..Manners::default()
        },
    )
}

#[test]
fn a_code_is_written_verified_and_shown() {
    for lock in [plain(), masking()] {
        let mut home = Home::with_locks(1, [lock]);
        let anna = home.person("Anna", Role::Resident);
        home.grant(&anna, "739416", &[2]);
        home.wait(MINUTE);
        assert!(home.opens(2, "739416"));
        assert!(home.is_quiet());
        assert_eq!(
            home.kinds(),
            [
                "person.changed",
                "credential.changed",
                "slot.pending",
                "slot.synced"
            ]
        );
        home.forget_past();
        home.wait(DAY);
        assert_eq!(home.orders, [], "what is as wanted is left alone");
    }
}

#[test]
fn a_revoked_code_never_works_again_although_its_write_comes_late() {
    for seed in 0..40 {
        let mut home = Home::with_locks(seed, [plain()]);
        let anna = home.person("Anna", Role::Guest);
        home.online.remove(&2);
        let code = home.grant(&anna, "739416", &[2]);
        home.wait(2 * MINUTE);
        home.revoke(&code);
        home.wait(30 * SECOND);
        home.come_back(2);
        home.wait(HOUR);
        assert!(!home.opens(2, "739416"));
        assert!(
            home.engine().credentials().is_empty(),
            "it is proven: {:#?}",
            home.codes(2)
        );
        home.wait(DAY);
        assert!(!home.opens(2, "739416"));
        assert_eq!(home.dead.len(), 1);
    }
}

#[test]
fn a_lock_that_was_away_for_an_hour_holds_what_is_wanted_when_it_is_back() {
    for (seed, lock) in [(1, plain()), (2, masking())] {
        let mut home = Home::with_locks(seed, [lock]);
        let anna = home.person("Anna", Role::Resident);
        home.grant(&anna, "739416", &[2]);
        let leaves = home.grant(&anna, "184039", &[2]);
        home.wait(MINUTE);
        home.online.remove(&2);
        home.grant(&anna, "620583", &[2]);
        home.revoke(&leaves);
        home.wait(HOUR);
        assert!(home.opens(2, "184039"), "it was out of reach all the while");
        assert!(!home.opens(2, "620583") && !home.is_quiet());
        home.come_back(2);
        home.wait(MINUTE);
        assert!(home.opens(2, "739416") && home.opens(2, "620583") && !home.opens(2, "184039"));
        home.wait(HOUR);
        assert!(home.is_quiet(), "{:#?}", home.codes(2));
    }
}

#[test]
fn a_foreign_code_is_shown_and_left_alone() {
    let mut lock = plain();
    lock.held.insert(
        pin_slot(1),
        crate::lock::Held {
            pin: pin("482915"),
            schedule: hubd_model::LockSchedule::default(),
            typed: true,
        },
    );
    let mut home = Home::with_locks(1, [lock]);
    let anna = home.person("Anna", Role::Resident);
    home.grant(&anna, "739416", &[2]);
    home.wait(MINUTE);
    assert!(home.opens(2, "739416") && home.opens(2, "482915"));
    home.condemned.insert((2, pin_slot(1)));
    let id = home.id(2);
    home.ask(CredentialsRequest::ClearForeign {
        lock: id,
        key: pin_slot(1),
    })
    .unwrap();
    home.wait(MINUTE);
    assert!(!home.opens(2, "482915"));
    assert!(
        home.orders
            .iter()
            .any(|(_, task)| matches!(task, CodeTask::Clear(_)))
    );
}

#[test]
fn a_lock_that_lost_everything_is_filled_after_one_word() {
    let mut home = Home::with_locks(1, [plain()]);
    let anna = home.person("Anna", Role::Resident);
    home.grant(&anna, "739416", &[2]);
    home.grant(&anna, "184039", &[2]);
    home.wait(MINUTE);
    home.reset(2, true);
    home.wait(HOUR);
    assert!(
        !home.opens(2, "739416"),
        "nothing is written without a person's word"
    );
    let codes = home.codes(2);
    assert_eq!(codes.emptied.map(|emptied| emptied.codes), Some(2));
    assert!(home.kinds().contains(&"lock.codes_lost"));
    let lock = home.id(2);
    home.ask(CredentialsRequest::Refill { lock, from: None }).unwrap();
    home.wait(MINUTE);
    assert!(home.opens(2, "739416") && home.opens(2, "184039") && home.is_quiet());
}

#[test]
fn a_lock_that_is_included_again_gets_its_codes_after_one_word() {
    for reset in [true, false] {
        let mut home = Home::with_locks(1, [plain()]);
        let anna = home.person("Anna", Role::Resident);
        home.grant(&anna, "739416", &[2]);
        let guest = home.grant(&anna, "184039", &[2]);
        home.wait(MINUTE);
        home.online.remove(&2);
        home.revoke(&guest);
        home.wait(MINUTE);
        let old = home.id(2);
        let mut lock = home.exclude(2).unwrap();
        if reset {
            lock.held.clear();
        }
        home.include(3, lock);
        home.wait(20 * MINUTE);
        assert_eq!(home.codes(3).could_replace, std::slice::from_ref(&old));
        let lock = home.id(3);
        let from = Some(old);
        home.ask(CredentialsRequest::Refill { lock, from }).unwrap();
        home.wait(HOUR);
        assert!(home.opens(3, "739416") && home.is_quiet(), "reset: {reset}");
        assert!(!home.opens(3, "184039"), "what was revoked meanwhile goes, too");
        assert_eq!(home.engine().credentials().len(), 1, "and is proven gone");
    }
}

#[test]
fn a_lock_that_keeps_fewer_codes_says_who_is_left_out_and_takes_them_when_there_is_room() {
    for (seed, mut lock) in [(1, plain()), (2, masking()), (3, plain()), (4, masking())] {
        lock.capabilities.pin_slots = 6;
        let mut home = Home::with_locks(seed, [lock]);
        let anna = home.person("Anna", Role::Resident);
        let codes = ["739416", "184039", "620583", "951372"].map(|code| home.grant(&anna, code, &[2]));
        home.wait(MINUTE);
        assert!(home.is_quiet());
        home.online.remove(&2);
        // Nobody knows of these writes whether they arrived.
        let last = home.grant(&anna, "407283", &[2]);
        home.ask(CredentialsRequest::Rotate {
            credential: codes[3].clone(),
            pin: Some(pin("268415")),
        })
        .unwrap();
        home.revoke(&codes[2]);
        home.wait(2 * MINUTE);
        home.shrink(2, 2);
        home.come_back(2);
        home.wait(HOUR);
        let left_out = |home: &Home| -> Vec<_> {
            let codes = home.codes(2);
            let left = codes.left_out.into_iter().map(|left| (left.credential, left.why));
            left.collect()
        };
        assert!(home.opens(2, "739416") && home.opens(2, "184039"));
        assert!(home.is_quiet(), "{:#?}", home.codes(2));
        let waits = [&codes[3], &last].map(|code| (code.clone(), Why::NoRoom));
        assert_eq!(left_out(&home), waits);
        assert!(
            home.engine().credential(&codes[2]).is_none(),
            "what was revoked is proven gone: {:#?}",
            home.codes(2)
        );
        home.revoke(&codes[0]);
        home.wait(MINUTE);
        assert!(home.opens(2, "268415") && !home.opens(2, "951372"));
        assert_eq!(left_out(&home), waits[1..]);
        home.revoke(&codes[1]);
        home.wait(MINUTE);
        assert!(home.opens(2, "407283") && home.is_quiet());
        assert_eq!(left_out(&home), []);
    }
}

#[test]
fn a_scheduled_code_starts_and_stops_with_the_hub_off() {
    let mut lock = plain();
    lock.capabilities.dated_per_slot = 1;
    let mut home = Home::with_locks(1, [lock]);
    let anna = home.person("Anna", Role::Guest);
    let at = |ms: u64| hubd_model::UnixMillis(i64::try_from(ms).unwrap());
    let schedule = hubd_model::Schedule {
        from: Some(at(home.now + 2 * DAY)),
        until: Some(at(home.now + 5 * DAY)),
        weekly: Vec::new(),
    };
    home.try_grant(&anna, "739416", &[2], schedule).unwrap();
    home.wait(MINUTE);
    home.power_off();
    let mut open = Vec::new();
    for _ in 0..7 {
        open.push(home.opens(2, "739416"));
        home.wait(DAY);
    }
    assert_eq!(open, [false, false, true, true, true, false, false]);
    home.power_on();
    home.wait(HOUR);
    assert!(
        home.locks[&2].held.is_empty(),
        "and the hub clears up when it is back"
    );
}

#[test]
fn a_code_whose_time_begins_or_is_over_is_told_once_whoever_keeps_the_time() {
    let told = |home: &Home| -> Vec<(&'static str, Option<hubd_model::UnixMillis>)> {
        let changes = home.journal.iter().filter_map(|entry| match &entry.event {
            Event::Credentials(CredentialsEvent::CredentialChanged { change, due, .. })
                if matches!(change, Change::Began | Change::Expired) =>
            {
                assert!(change.reason().is_some());
                Some((change.as_str(), *due))
            }
            _ => None,
        });
        changes.collect()
    };
    for by_lock in [false, true] {
        let mut lock = plain();
        lock.capabilities.dated_per_slot = u8::from(by_lock);
        let mut home = Home::with_locks(1, [lock]);
        let anna = home.person("Anna", Role::Guest);
        let at = |ms: u64| hubd_model::UnixMillis(i64::try_from(ms).unwrap());
        let (from, until) = (at(home.now + 2 * DAY), at(home.now + 5 * DAY));
        let schedule = hubd_model::Schedule {
            from: Some(from),
            until: Some(until),
            weekly: Vec::new(),
        };
        home.try_grant(&anna, "739416", &[2], schedule.clone()).unwrap();
        // One on no lock, one whose time has begun, and one that is always valid.
        home.try_grant(&anna, "184039", &[], schedule).unwrap();
        home.try_grant(
            &anna,
            "620583",
            &[2],
            hubd_model::Schedule {
                until: Some(until),
                ..hubd_model::Schedule::default()
            },
        )
        .unwrap();
        home.grant(&anna, "951372", &[2]);
        home.wait(2 * DAY - HOUR);
        assert_eq!(told(&home), [], "kept by the lock: {by_lock}");
        home.wait(2 * HOUR);
        assert_eq!(told(&home), [("began", Some(from)); 2]);
        home.power_off();
        home.wait(DAY);
        home.power_on();
        home.wait(HOUR);
        assert_eq!(told(&home).len(), 2, "a restart tells nothing again");
        // It ends while the date is unknown.
        home.synced = false;
        home.wait(2 * DAY);
        assert_eq!(told(&home).len(), 2);
        home.learn_date();
        home.wait(MINUTE);
        assert_eq!(told(&home)[2..], [("expired", Some(until)); 3]);
        home.wait(10 * DAY);
        assert_eq!(told(&home).len(), 5);
    }
}

#[test]
fn what_begins_and_ends_with_the_hub_off_is_told_when_it_is_back_and_what_a_person_changes_is_not() {
    let mut home = Home::with_locks(1, [plain()]);
    let anna = home.person("Anna", Role::Guest);
    let at = |ms: u64| hubd_model::UnixMillis(i64::try_from(ms).unwrap());
    let schedule = hubd_model::Schedule {
        from: Some(at(home.now + DAY)),
        until: Some(at(home.now + 2 * DAY)),
        weekly: Vec::new(),
    };
    let code = home.try_grant(&anna, "739416", &[2], schedule).unwrap();
    home.wait(MINUTE);
    home.power_off();
    home.wait(7 * DAY);
    home.power_on();
    home.wait(MINUTE);
    let told = |home: &Home| -> Vec<&'static str> {
        let changes = home.journal.iter().filter_map(|entry| match &entry.event {
            Event::Credentials(CredentialsEvent::CredentialChanged { change, .. }) => Some(change.as_str()),
            _ => None,
        });
        changes.collect()
    };
    assert_eq!(told(&home), ["added", "began", "expired"]);
    home.forget_past();
    let until = |at| CredentialPatch {
        schedule: SchedulePatch {
            until: Patch::Set(at),
            ..SchedulePatch::default()
        },
        ..CredentialPatch::default()
    };
    for end in [None, Some(at(home.now - DAY)), Some(at(home.now + DAY))] {
        let (credential, patch) = (code.clone(), until(end));
        home.ask(CredentialsRequest::ChangeCredential { credential, patch })
            .unwrap();
        home.wait(MINUTE);
    }
    assert_eq!(told(&home), ["changed", "changed", "changed"]);
    home.wait(2 * DAY);
    assert_eq!(told(&home)[3..], ["expired"]);
}

#[test]
fn a_person_who_is_renamed_is_renamed_on_locks_that_keep_names_and_no_code_is_touched() {
    for (names, battery, refuses) in [(true, true, false), (true, true, true), (false, true, false)] {
        let mut lock = plain();
        lock.capabilities.names = names;
        lock.capabilities.battery = battery;
        lock.manners.refuses_names = refuses;
        let mut home = Home::with_locks(1, [lock]);
        let anna = home.person("Anna", Role::Resident);
        let bert = home.person("Bert", Role::Resident);
        home.grant(&anna, "739416", &[2]);
        home.grant(&bert, "184039", &[2]);
        home.wait(HOUR);
        assert!(home.is_quiet());
        let held = home.locks[&2].held.clone();
        home.forget_past();
        let rename = |home: &mut Home, name: &str| {
            let patch = PersonPatch {
                name: Patch::Set(name.to_owned()),
                ..PersonPatch::default()
            };
            let person = anna.clone();
            home.ask(CredentialsRequest::ChangePerson { person, patch })
                .unwrap();
        };
        rename(&mut home, "Anna Berg");
        home.wait(HOUR);
        let expected: &[_] = if names {
            &[(
                2,
                CodeTask::Name {
                    key: pin_slot(1),
                    name: "Anna Berg".into(),
                },
            )]
        } else {
            &[]
        };
        assert_eq!(home.orders, expected, "refuses: {refuses}");
        assert!(home.is_quiet(), "{:#?}", home.codes(2));
        if names && !refuses {
            let keys = [pin_slot(1), pin_slot(2)];
            let kept = keys.map(|key| home.locks[&2].names[&key].as_str());
            assert_eq!(kept, ["Anna Berg", "Bert"]);
            // It is housekeeping: it waits for frames, and the last name is told.
            let lock = home.id(2);
            home.locks.get_mut(&2).unwrap().capabilities.pin_slots = 100;
            home.announce(2, false);
            home.ask(CredentialsRequest::ReadLock { lock }).unwrap();
            home.wait(MINUTE);
            home.forget_past();
            rename(&mut home, "Anna C.");
            home.wait(HOUR);
            let waits = home.codes(2).slots[0].pending.clone().unwrap();
            assert_eq!((waits.what, waits.why), ("rename", Why::Budget));
            rename(&mut home, "Anna D.");
            home.wait(3 * DAY);
            assert!(home.is_quiet(), "{:#?}", home.codes(2));
            assert_eq!(home.locks[&2].names[&pin_slot(1)], "Anna D.");
            assert_eq!(home.orders.len(), 1, "{:?}", home.orders);
        }
        assert_eq!(home.locks[&2].held, held, "no code was touched");
    }
}

#[test]
fn an_idle_lock_is_left_in_peace() {
    for (checksum, battery) in [(true, true), (false, true), (false, false)] {
        let mut lock = plain();
        lock.capabilities.pin_slots = 250;
        lock.capabilities.checksum = checksum;
        lock.capabilities.battery = battery;
        let mut home = Home::with_locks(1, [lock]);
        let anna = home.person("Anna", Role::Resident);
        home.grant(&anna, "739416", &[2]);
        home.wait(DAY);
        home.frames = 0;
        home.keep_orders = false;
        home.wait(252 * DAY);
        let frames = home.frames;
        println!("checksum: {checksum}, battery: {battery}: {frames} frames in 252 idle days");
        // A peer that reads everything once a day sends 1,500.
        assert!(frames * 50 <= 252 * 1_500, "{frames} frames");
    }
}

#[test]
fn a_code_taken_out_at_the_keypad_comes_back_and_is_told() {
    let mut home = Home::with_locks(1, [plain()]);
    let anna = home.person("Anna", Role::Resident);
    home.grant(&anna, "739416", &[2]);
    home.wait(HOUR);
    home.type_in(2, pin_slot(1), None);
    home.wait(MINUTE);
    assert!(home.opens(2, "739416"));
    assert!(home.kinds().contains(&"slot.drifted"));
}

#[test]
fn a_disk_that_fails_gives_nobody_access_and_takes_it_away_all_the_same() {
    let mut home = Home::with_locks(1, [plain()]);
    let anna = home.person("Anna", Role::Resident);
    let code = home.grant(&anna, "739416", &[2]);
    home.wait(MINUTE);
    home.store(false);
    let refused = home.try_grant(&anna, "184039", &[2], hubd_model::Schedule::default());
    assert_eq!(refused.unwrap_err().code(), "store_failing");
    home.revoke(&code);
    home.wait(MINUTE);
    assert!(!home.opens(2, "739416"));
}

#[test]
fn what_people_ask_for_may_cost_more_and_housekeeping_waits_for_the_next_day() {
    let mut lock = plain();
    lock.capabilities.pin_slots = 50;
    lock.capabilities.battery = true;
    let mut home = Home::with_locks(1, [lock]);
    home.wait(DAY);
    let before = home.frames;
    for _ in 0..50 {
        let person = home.person("Somebody", Role::Resident);
        let new = NewCredential {
            person,
            label: String::new(),
            means: NewMeans::GeneratedPin { digits: None },
            usage: Usage::Daily,
            schedule: hubd_model::Schedule::default(),
            uses_left: None,
            locks: [home.id(2)].into(),
        };
        home.add(new).unwrap();
        home.wait(MINUTE);
        assert!(home.codes(2).frames.left <= 150);
    }
    assert!(home.is_quiet(), "nobody waits: {:#?}", home.codes(2));
    assert!(home.frames - before > 150, "{} frames", home.frames - before);
    assert_eq!(home.codes(2).frames.left, 0, "and it owes nothing");
    // What somebody does at the lock is put right at once.
    home.type_in(2, pin_slot(1), None);
    home.wait(MINUTE);
    assert!(home.is_quiet(), "{:#?}", home.codes(2));
    assert!(home.locks[&2].held.contains_key(&pin_slot(1)));
    // What the lock does not tell is found when somebody looks, and put right when there are frames for it.
    home.locks.get_mut(&2).unwrap().held.remove(&pin_slot(1));
    home.ask(CredentialsRequest::ReadLock { lock: home.id(2) })
        .unwrap();
    home.wait(20 * HOUR);
    let waits = home.codes(2).slots[0].pending.clone();
    assert_eq!(waits.map(|pending| pending.why), Some(Why::Budget));
    let spent = home.frames;
    home.wait(6 * HOUR);
    assert!(home.is_quiet(), "the next day it is done: {:#?}", home.codes(2));
    assert!(home.frames > spent);
}

#[test]
fn a_write_that_waits_for_its_lock_is_recorded_once_for_each_try() {
    let mut home = Home::with_locks(1, [masking()]);
    let anna = home.person("Anna", Role::Resident);
    let code = home.grant(&anna, "739416", &[2]);
    home.wait(MINUTE);
    home.online.remove(&2);
    for other in ["184039", "739416"] {
        let what = CredentialsRequest::Rotate {
            credential: code.clone(),
            pin: Some(pin(other)),
        };
        home.ask(what).unwrap();
        home.wait(5 * MINUTE);
    }
    home.forget_past();
    home.wait(2 * DAY);
    let told = home
        .kinds()
        .iter()
        .filter(|kind| **kind == "slot.pending")
        .count();
    let tried = home
        .orders
        .iter()
        .filter(|(_, task)| matches!(task, CodeTask::Write { .. }))
        .count();
    assert!(
        told <= tried + 1,
        "told {told} times that it is to be written, and tried {tried} times"
    );
    assert!(tried < 30, "later each time");
    home.come_back(2);
    home.wait(HOUR);
    assert!(home.opens(2, "739416") && home.is_quiet(), "{:#?}", home.codes(2));
}

#[test]
fn what_a_lock_told_of_its_keypad_is_not_forgotten_with_the_power() {
    for lock in [plain(), masking()] {
        let mut home = Home::with_locks(1, [lock]);
        let anna = home.person("Anna", Role::Guest);
        let schedule = hubd_model::Schedule {
            until: Some(hubd_model::UnixMillis(
                i64::try_from(home.now + 40 * DAY).unwrap(),
            )),
            ..hubd_model::Schedule::default()
        };
        home.try_grant(&anna, "739416", &[2], schedule).unwrap();
        home.wait(HOUR);
        home.touched.clear();
        home.synced = false;
        home.type_in(2, pin_slot(1), None);
        home.wait(HOUR);
        assert!(
            !home.opens(2, "739416"),
            "while the date is unknown it stays as it is"
        );
        home.power_off();
        home.wait(HOUR);
        home.power_on();
        home.learn_date();
        home.wait(HOUR);
        assert!(home.opens(2, "739416") && home.is_quiet(), "{:#?}", home.codes(2));
    }
}

#[test]
fn a_lock_that_knows_no_midnight_is_told_its_schedule_once() {
    let day_end = |home: &Home| {
        let zone_hour = i64::try_from(HOUR).unwrap();
        let day = i64::try_from(DAY).unwrap();
        // Midnight in Berlin in winter.
        hubd_model::UnixMillis((i64::try_from(home.now).unwrap() / day + 3) * day - zone_hour)
    };
    let window = |end| {
        let minute = |minute| hubd_model::MinuteOfDay::new(minute).unwrap();
        hubd_model::WeeklyWindow::new(hubd_model::WeekDay::Friday, minute(1_200), minute(end)).unwrap()
    };
    for (midnight, end) in [(true, 1_440), (false, 1_439), (true, 1_439)] {
        let mut lock = plain();
        lock.capabilities.weekly_per_slot = 7;
        lock.capabilities.dated_per_slot = 1;
        lock.manners.midnight = if midnight {
            Midnight::MinuteBefore
        } else {
            Midnight::Whole
        };
        let mut home = Home::with_locks(1, [lock]);
        let anna = home.person("Anna", Role::Guest);
        let weekly = hubd_model::Schedule {
            weekly: vec![window(end)],
            ..hubd_model::Schedule::default()
        };
        let dated = hubd_model::Schedule {
            until: Some(day_end(&home)),
            ..hubd_model::Schedule::default()
        };
        home.try_grant(&anna, "739416", &[2], weekly).unwrap();
        home.try_grant(&anna, "184039", &[2], dated).unwrap();
        home.wait(HOUR);
        let id = home.id(2);
        home.ask(CredentialsRequest::ReadLock { lock: id }).unwrap();
        home.wait(HOUR);
        let writes = home
            .orders
            .iter()
            .filter(|(_, task)| matches!(task, CodeTask::Write { .. }));
        assert_eq!(writes.count(), 2, "each is written once: {:?}", home.orders);
        assert!(!home.kinds().contains(&"slot.drifted"), "{:?}", home.kinds());
        assert!(home.is_quiet());
        let kept = home.codes(2).slots;
        assert!(
            kept.iter().all(|slot| slot
                .wanted
                .as_ref()
                .is_some_and(|wanted| wanted.kept_by.as_str() == "lock")),
            "the lock keeps both: {kept:#?}"
        );
    }
}

#[test]
fn what_waits_for_the_battery_is_done_at_once_when_a_person_asks() {
    let mut lock = plain();
    // Reading it once costs more than it may give in a day.
    lock.capabilities.pin_slots = 250;
    lock.capabilities.battery = true;
    let mut home = Home::with_locks(1, [lock]);
    let anna = home.person("Anna", Role::Resident);
    home.grant(&anna, "739416", &[2]);
    home.grant(&anna, "184039", &[2]);
    home.wait(HOUR);
    home.locks.get_mut(&2).unwrap().held.remove(&pin_slot(1));
    home.ask(CredentialsRequest::ReadLock { lock: home.id(2) })
        .unwrap();
    home.wait(HOUR);
    assert!(!home.opens(2, "739416"));
    let waits = home.codes(2).slots[0].pending.clone();
    assert_eq!(waits.map(|pending| pending.why), Some(Why::Budget));
    let (lock, key) = (home.id(2), pin_slot(1));
    home.ask(CredentialsRequest::RetrySlot { lock, key }).unwrap();
    home.wait(MINUTE);
    assert!(home.opens(2, "739416") && home.is_quiet());
}
