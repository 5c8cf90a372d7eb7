//! A lock's record and its codes: one conversation with a lock, and codes go first.

use hubd_model::{CodeTask, CodeTaskEnd, LogEnd, Millis, Order, Report, Urgency};
use hubd_sim::device::Act;

use crate::rig::Rig;
use crate::{NO_SCHEDULE, credential, one, until, v1, v2, write};

fn read(rig: &mut Rig, lock: hubd_sim::dongle::DeviceKey) {
    let device = rig.address(lock);
    rig.order(Order::ReadLog {
        device,
        known: vec![],
        at_least: 0,
        at_most: 255,
    });
}

fn ended(rig: &Rig) -> Vec<(usize, LogEnd, u32)> {
    let told = rig.reports.iter().filter_map(|report| match report {
        Report::Log {
            records, end, frames, ..
        } => Some((records.len(), end.clone(), *frames)),
        _ => None,
    });
    told.collect()
}

#[test]
fn codes_go_first_and_the_record_is_read_to_its_end_afterwards() {
    for config in [v1(), v2(), credential()] {
        let tasks = [
            write(4, "112358", until(22)),
            write(3, "00412", NO_SCHEDULE),
            CodeTask::ReadAll { known: None },
        ];
        for task in tasks {
            for urgency in [Urgency::Person, Urgency::Housekeeping] {
                let (mut rig, lock) = one(config.clone());
                let alone = rig.codes(lock, task.clone());
                assert_eq!(alone.end, CodeTaskEnd::Done);
                for wait in [0, 150, 900, 1_150, 1_250] {
                    let (mut rig, lock) = one(config.clone());
                    for _ in 0..4 {
                        rig.act(lock, &Act::Turn { locked: false });
                        rig.run(Millis::from_secs(5));
                        rig.act(lock, &Act::Turn { locked: true });
                        rig.run(Millis::from_secs(5));
                    }
                    rig.reports.clear();
                    read(&mut rig, lock);
                    rig.run(Millis(wait));
                    assert_eq!(ended(&rig), [], "the reading has not ended yet");
                    let order = rig.start(lock, task.clone(), urgency);
                    let done = rig.run_until(Millis::from_secs(60), |rig| rig.end_of(order).is_some());
                    assert!(done, "{wait}\n{}", rig.story());
                    let (end, frames) = rig.end_of(order).unwrap();
                    let case = format!("{task:?} {urgency:?} after {wait} ms");
                    assert_eq!(end, CodeTaskEnd::Done, "{case}\n{}", rig.story());
                    assert_eq!(ended(&rig), [], "{case}: it goes on later");
                    assert!(
                        frames <= alone.frames + 3,
                        "{case}: {frames} frames, alone {}: nothing came between",
                        alone.frames
                    );
                    rig.run(Millis::from_secs(120));
                    let told = ended(&rig);
                    assert!(
                        matches!(told[..], [(8, LogEnd::Whole, frames)] if frames < 80),
                        "{case}: {told:?}\n{}",
                        rig.story()
                    );
                }
            }
        }
    }
}

#[test]
fn a_record_of_a_lock_that_went_away_is_broken_off_and_nothing_of_it_is_told() {
    let (mut rig, lock) = one(v2());
    rig.act(lock, &Act::Turn { locked: false });
    rig.run(Millis::from_secs(5));
    rig.act(lock, &Act::Unreachable(true));
    read(&mut rig, lock);
    rig.run(Millis::from_secs(120));
    assert!(matches!(ended(&rig)[..], [(0, LogEnd::BrokenOff { .. }, _)]));
    rig.reports.clear();
    rig.act(lock, &Act::Unreachable(false));
    read(&mut rig, lock);
    rig.plug(false);
    rig.run(Millis::from_secs(5));
    assert!(matches!(ended(&rig)[..], [(0, LogEnd::BrokenOff { .. }, _)]));
}
