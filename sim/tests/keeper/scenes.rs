//! Stories of a household.

use hubd_core::credentials::request::CredentialsRequest;
use hubd_model::{CodeCapabilities, CodeTask, Role};

use crate::home::{DAY, HOUR, Home, MINUTE, SECOND};
use crate::lock::{Lock, Manners, pin_slot};

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
fn a_foreign_code_is_shown_and_left_alone() {
    let mut lock = plain();
    lock.held.insert(
        pin_slot(1),
        crate::lock::Held {
            pin: crate::home::pin("482915"),
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
