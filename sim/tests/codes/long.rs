//! Frames longer than the radio allows: they go in segments, whatever of them is lost, and others go between.

use hubd_model::{ActuationStep, CodeTask, CodeTaskEnd, CommandId, LockOp, Millis, Order, Report, Urgency};
use hubd_sim::device::Device;
use hubd_sim::dongle::DeviceKey;

use crate::rig::{Rig, pin_key, wish};
use crate::{NO_SCHEDULE, credential, device};

const NAME: &str = "Wilhelmine Friederike von Achten";

fn house(make: impl FnOnce(Device) -> Device) -> (Rig, DeviceKey) {
    let (mut rig, members) = Rig::new(21, vec![make(device(credential(), 21))]);
    rig.interview();
    rig.line.clear();
    (rig, members[0])
}

fn long(slot: u16) -> CodeTask {
    let mut wish = wish("0041279", NO_SCHEDULE);
    NAME.clone_into(&mut wish.name);
    CodeTask::Write {
        key: pin_key(slot),
        wish,
    }
}

/// The frames that went to the lock.
fn sent(rig: &Rig) -> Vec<Vec<u8>> {
    let to_radio = rig
        .line
        .iter()
        .filter(|(_, way, bytes)| *way == '>' && bytes[3] == 0xa9);
    let frames = to_radio.map(|(_, _, bytes)| bytes[7..7 + usize::from(bytes[6])].to_vec());
    frames.collect()
}

fn segments(rig: &Rig) -> usize {
    sent(rig).iter().filter(|frame| frame[0] == 0x55).count()
}

#[test]
fn a_long_name_goes_in_segments_whatever_of_them_is_lost() {
    let (mut rig, lock) = house(|lock| lock.with_transport_service(&[], false));
    let all = rig.codes(lock, long(3));
    assert_eq!(all.end, CodeTaskEnd::Done, "\n{}", rig.story());
    let needed = segments(&rig);
    assert!(needed >= 2, "{needed}\n{}", rig.story());
    for deaf in [&[0][..], &[1], &[0, 1], &[1, 2], &[0, 1, 2], &[1, 2, 3]] {
        for busy in [false, true] {
            let (mut rig, lock) = house(|lock| lock.with_transport_service(deaf, busy));
            let written = rig.codes(lock, long(3));
            let case = format!("deaf to {deaf:?}, busy {busy}");
            assert_eq!(written.end, CodeTaskEnd::Done, "{case}\n{}", rig.story());
            assert_eq!(rig.opens(lock, "0041279"), Some(3), "{case}");
            assert!(segments(&rig) > needed, "{case}");
            let longest = sent(&rig).iter().map(Vec::len).max();
            assert!(longest <= Some(46), "{case}: {longest:?}");
        }
    }
}

#[test]
fn a_lock_that_cannot_put_segments_together_gets_none() {
    let (mut rig, lock) = house(|lock| lock);
    let written = rig.codes(lock, long(3));
    assert_eq!(written.end, CodeTaskEnd::Done, "\n{}", rig.story());
    assert_eq!(segments(&rig), 0);
}

#[test]
fn a_door_does_not_wait_for_a_long_frame() {
    for urgency in [Urgency::LifeSafety, Urgency::Person] {
        for seen in 1..=3 {
            // The third of four segments is lost again and again, so that the long frame takes its time.
            let (mut rig, lock) = house(|lock| lock.with_transport_service(&[1, 2], false));
            let order = rig.start(lock, long(3), Urgency::Housekeeping);
            rig.run_until(Millis::from_secs(30), |rig| segments(rig) >= seen);
            let command = CommandId::parse("c1").unwrap();
            rig.order(Order::Actuate {
                command: command.clone(),
                device: rig.address(lock),
                op: LockOp::Unlock,
                urgency,
                expires: rig.now + Millis::from_secs(10),
            });
            let asked = rig.now;
            let opened = rig.run_until(Millis::from_secs(10), |rig| {
                rig.dongle.device(lock).unwrap().is_locked() == Some(false)
            });
            assert!(opened, "{urgency:?} {seen}\n{}", rig.story());
            let took = rig.now.since(asked);
            assert!(
                took < Millis(3_500),
                "{urgency:?} {seen}: {took:?}\n{}",
                rig.story()
            );
            let ended = rig.run_until(Millis::from_secs(60), |rig| rig.end_of(order).is_some());
            assert!(ended, "{urgency:?} {seen}\n{}", rig.story());
            let (end, _) = rig.end_of(order).unwrap();
            assert_eq!(end, CodeTaskEnd::Done, "{urgency:?} {seen}\n{}", rig.story());
            rig.run(Millis::from_secs(10));
            let done = rig.reports.contains(&Report::Actuation {
                command: command.clone(),
                step: ActuationStep::Done,
            });
            let steps: Vec<_> = rig
                .reports
                .iter()
                .filter(|report| matches!(report, Report::Actuation { .. }))
                .collect();
            assert!(done, "{urgency:?} {seen} {steps:?}\n{}", rig.story());
        }
    }
}
