//! A lock kept from relocking by itself, and let again, across a restart; and the clocks of locks with schedules.

use hubd_model::{CodeTaskEnd, Hold, HoldState, LocalMinute, LockSchedule, Millis, Order, Report};
use hubd_sim::device::{Act, LockConfig};
use hubd_sim::dongle::DeviceKey;

use crate::rig::Rig;
use crate::{NO_SCHEDULE, one, v1, v2, write};

fn hold(rig: &mut Rig, lock: DeviceKey, hold: Hold) -> Vec<HoldState> {
    rig.reports.clear();
    let device = rig.address(lock);
    rig.order(Order::HoldAutoRelock { device, hold });
    rig.run(Millis::from_secs(20));
    rig.reports
        .iter()
        .filter_map(|report| match report {
            Report::AutoRelock { hold, .. } => Some(*hold),
            _ => None,
        })
        .collect()
}

/// Somebody unlocks by hand; whether the lock has locked itself a minute later.
fn relocks(rig: &mut Rig, lock: DeviceKey) -> bool {
    rig.act(lock, &Act::Turn { locked: false });
    rig.run(Millis::from_secs(60));
    rig.dongle.device(lock).unwrap().is_locked() == Some(true)
}

#[test]
fn a_lock_is_kept_from_relocking_and_let_again_also_after_a_restart() {
    for config in [v1(), v2()] {
        let (mut rig, lock) = one(LockConfig {
            auto_relock: Some(Millis::from_secs(30)),
            ..config
        });
        assert!(relocks(&mut rig, lock), "it relocks by itself");
        assert_eq!(hold(&mut rig, lock, Hold::Restored), [HoldState::Normal]);
        assert_eq!(
            hold(&mut rig, lock, Hold::Suspended),
            [HoldState::Suspended],
            "\n{}",
            rig.story()
        );
        assert!(!relocks(&mut rig, lock), "it was kept from it");
        rig.restart();
        rig.run(Millis::from_secs(20));
        // Ordered again, as the mind does: what is remembered is how it was before the first time.
        assert_eq!(hold(&mut rig, lock, Hold::Suspended), [HoldState::Suspended]);
        rig.restart();
        rig.run(Millis::from_secs(20));
        assert_eq!(
            hold(&mut rig, lock, Hold::Restored),
            [HoldState::Normal],
            "\n{}",
            rig.story()
        );
        assert!(relocks(&mut rig, lock), "it relocks as before\n{}", rig.story());
    }
}

#[test]
fn a_lock_that_never_relocks_is_left_as_it_is() {
    let (mut rig, lock) = one(v2());
    let lines = rig.line.len();
    assert_eq!(hold(&mut rig, lock, Hold::Suspended), [HoldState::Suspended]);
    assert!(
        rig.line.len() - lines <= 12,
        "one question was enough\n{}",
        rig.story()
    );
    assert_eq!(hold(&mut rig, lock, Hold::Restored), [HoldState::Normal]);
}

#[test]
fn a_lock_out_of_reach_is_held_as_soon_as_it_is_back() {
    let (mut rig, lock) = one(LockConfig {
        auto_relock: Some(Millis::from_secs(30)),
        ..v2()
    });
    rig.act(lock, &Act::Unreachable(true));
    assert_eq!(hold(&mut rig, lock, Hold::Suspended), []);
    rig.act(lock, &Act::Unreachable(false));
    let held = rig.run_until(Millis::from_secs(120), |rig| {
        rig.reports.iter().any(|report| {
            matches!(
                report,
                Report::AutoRelock {
                    hold: HoldState::Suspended,
                    ..
                }
            )
        })
    });
    assert!(held, "\n{}", rig.story());
}

#[test]
fn a_lock_is_told_the_time_and_told_again_when_it_jumps() {
    let (mut rig, lock) = one(v2());
    // It is 21:00 UTC and 22:00 on the wall.
    rig.set_utc_offset(60);
    let at = |hour| LocalMinute {
        year: 2026,
        month: 11,
        day: 25,
        hour,
        minute: 30,
    };
    let schedule = LockSchedule {
        dated: Some((at(21), at(22))),
        weekly: Vec::new(),
    };
    assert_eq!(
        rig.codes(lock, write(4, "112358", schedule)).end,
        CodeTaskEnd::Done
    );
    assert_eq!(rig.opens(lock, "112358"), Some(4));
    // Summer begins: 23:00 on the wall.
    rig.set_utc_offset(120);
    rig.run(Millis::from_secs(60));
    rig.act(lock, &Act::Door { open: true });
    rig.run(Millis::from_secs(60));
    assert_eq!(rig.opens(lock, "112358"), None, "\n{}", rig.story());
    // Nobody vouches for the hub's clock: the lock keeps its own.
    rig.synced = false;
    rig.set_utc_offset(60);
    rig.run(Millis::from_secs(60));
    assert_eq!(rig.opens(lock, "112358"), None);
}

#[test]
fn a_lock_without_schedules_is_not_woken_for_its_clock() {
    let (mut rig, lock) = one(v2());
    assert_eq!(
        rig.codes(lock, write(4, "112358", NO_SCHEDULE)).end,
        CodeTaskEnd::Done
    );
    rig.run(Millis::from_secs(30));
    let lines = rig.line.len();
    rig.set_utc_offset(120);
    rig.run(Millis::from_secs(8 * 86_400));
    assert_eq!(rig.line.len(), lines, "\n{}", rig.story());
}
