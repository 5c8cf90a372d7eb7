//! The first start, with a stick that is pulled out or restarts in the middle of the interview.

use hubd_core::view::CommandStatus;
use hubd_model::{LockOp, Millis};
use hubd_sim::dongle::Fault;

use crate::rig::Rig;
use crate::{alarm, s0_lock, s2_lock};

/// What the dongle itself is asked of a node is answered in milliseconds: each of them is tried.
#[test]
fn a_question_to_the_stick_that_is_cut_off_is_asked_again() {
    for at in 0..200 {
        let (mut rig, members) = Rig::new(6, vec![s2_lock(1)]);
        rig.run(Millis(at));
        rig.plug(false);
        rig.run(Millis(900));
        rig.plug(true);
        rig.run(Millis::from_secs(90));
        let bolt = rig.lock(members[0]).and_then(|lock| lock.bolt);
        assert!(bolt.is_some(), "pulled out after {at} ms\n{}", rig.story());
    }
}

/// What interrupts the interview.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The stick is pulled out and put in again.
    Pulled,
    /// The stick loses its power for a moment and the port stays open.
    Restarted,
    /// The stick does nothing for ten seconds.
    Hung,
}

#[test]
fn a_first_interview_is_finished_wherever_it_was_interrupted() {
    for cut in [Cut::Pulled, Cut::Restarted, Cut::Hung] {
        // The interview of these three takes about half a minute; its first questions are the dongle's own.
        let moments = (0..40)
            .map(|step| step * 37)
            .chain((0..30).map(|step| 1_500 + step * 611));
        for at in moments {
            let (mut rig, members) = Rig::new(6, vec![s2_lock(1), s0_lock(2), alarm(3)]);
            rig.run(Millis(at));
            match cut {
                Cut::Pulled => {
                    rig.plug(false);
                    rig.run(Millis(900));
                    rig.plug(true);
                }
                Cut::Restarted => {
                    rig.dongle.power(rig.now, false);
                    rig.dongle.power(rig.now, true);
                }
                Cut::Hung => {
                    rig.fault(Fault::Hang(true));
                    rig.run(Millis::from_secs(10));
                    rig.fault(Fault::Hang(false));
                }
            }
            rig.run(Millis::from_secs(240));
            let story = || format!("{cut:?} after {at} ms\n{}", rig.story());
            for device in &members[..2] {
                let lock = rig
                    .lock(*device)
                    .unwrap_or_else(|| panic!("no lock; {}", story()));
                assert!(lock.bolt.is_some(), "its bolt was never read; {}", story());
            }
            let lock = rig.lock_id(members[0]);
            let command = rig.ask(&lock, LockOp::Unlock);
            rig.run(Millis::from_secs(20));
            assert_eq!(
                rig.commands[&command].status,
                CommandStatus::Done,
                "{cut:?} after {at} ms\n{}",
                rig.story()
            );
        }
    }
}

#[test]
fn a_stick_that_restarts_while_it_sends_holds_up_no_door() {
    let (mut rig, members) = Rig::new(7, vec![s2_lock(1), s0_lock(2)]);
    rig.run(Millis::from_secs(120));
    for device in members {
        let lock = rig.lock_id(device);
        for at in (0..2_000).step_by(90) {
            let op = if at % 180 == 0 {
                LockOp::Unlock
            } else {
                LockOp::Lock
            };
            let command = rig.ask(&lock, op);
            rig.run(Millis(at));
            rig.dongle.power(rig.now, false);
            rig.dongle.power(rig.now, true);
            rig.run(Millis::from_secs(14));
            assert_eq!(
                rig.commands[&command].status,
                CommandStatus::Done,
                "after {at} ms\n{}",
                rig.story()
            );
            rig.run(Millis::from_secs(30));
        }
    }
}
