//! The stick's memory copied and written back, with sticks of three generations.

use hubd_model::{
    BoltState, CommandId, DongleImage, DongleMemory, LockOp, Millis, Order, Report, SecretBytes, Urgency,
};
use hubd_sim::dongle::{DeviceKey, DongleConfig, Fault};

use crate::rig::Rig;
use crate::{device, v2};

/// A stick of this generation: chip, and the functions for its memory.
fn stick(chip: u8, memory: &[u8]) -> DongleConfig {
    let mut config = DongleConfig {
        chip: [chip, 0],
        nvm_size: 0x4000,
        ..DongleConfig::default()
    };
    config
        .functions
        .retain(|function| ![0x2a, 0x2b, 0x2e].contains(function));
    config.functions.extend(memory);
    config
}

fn sticks() -> [DongleConfig; 3] {
    [
        stick(5, &[0x10, 0x29, 0x2a, 0x2b]),
        stick(7, &[0x2e]),
        stick(8, &[0x2e, 0x3d]),
    ]
}

fn rig(config: DongleConfig) -> (Rig, DeviceKey) {
    let (mut rig, members) = Rig::on(3, config, vec![device(v2(), 3)]);
    rig.interview();
    (rig, members[0])
}

/// What was said of the memory, until its end.
fn said(rig: &mut Rig, order: Order) -> Vec<DongleMemory> {
    rig.reports.clear();
    rig.order(order);
    let is_over = |rig: &Rig| {
        rig.reports.iter().any(|report| match report {
            Report::Dongle(DongleMemory::Progress { .. }) => false,
            Report::Dongle(_) => true,
            _ => false,
        })
    };
    assert!(
        rig.run_until(Millis::from_secs(300), is_over),
        "it does not end\n{}",
        rig.story()
    );
    let said = rig.reports.iter().filter_map(|report| match report {
        Report::Dongle(what) => Some(what.clone()),
        _ => None,
    });
    said.collect()
}

fn copy(rig: &mut Rig) -> DongleImage {
    match said(rig, Order::CopyDongle).pop() {
        Some(DongleMemory::Copied(image)) => image,
        other => panic!("{other:?}\n{}", rig.story()),
    }
}

fn failure(said: &[DongleMemory]) -> &str {
    match said.last() {
        Some(DongleMemory::Failed { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_is_taken_and_makes_an_equal_stick_of_every_generation() {
    for config in sticks() {
        let (mut rig, _) = rig(config.clone());
        let image = copy(&mut rig);
        let memory = rig.dongle.memory().to_vec();
        assert!(
            image
                .expose()
                .windows(memory.len())
                .any(|window| window == memory)
        );
        assert!(!format!("{image:?}").contains("255"), "it is not printed");
        assert_eq!(
            rig.dongle.host_conduct(),
            hubd_sim::dongle::HostConduct::default()
        );
        // Another stick of the same kind, which knows another network.
        let other = DongleConfig {
            home_id: 0xd00d_0002,
            ..config
        };
        let (mut fresh, _) = self::rig(other);
        let told = said(&mut fresh, Order::RestoreDongle(image));
        assert_eq!(
            told.last(),
            Some(&DongleMemory::Restored),
            "{told:?}\n{}",
            fresh.story()
        );
        assert_eq!(fresh.dongle.memory(), memory, "byte for byte");
        assert!(told.len() > 2, "its progress was told");
    }
}

#[test]
fn what_is_not_of_this_kind_of_stick_is_refused_before_anything_is_written() {
    let images: Vec<DongleImage> = sticks()
        .into_iter()
        .map(|config| copy(&mut rig(config).0))
        .collect();
    for (at, config) in sticks().into_iter().enumerate() {
        for (of, image) in images.iter().enumerate().filter(|(of, _)| *of != at) {
            let (mut rig, _) = rig(config.clone());
            copy(&mut rig);
            let before = rig.dongle.memory().to_vec();
            let told = said(&mut rig, Order::RestoreDongle(image.clone()));
            assert!(
                failure(&told).contains("another kind of dongle"),
                "{of} into {at}: {told:?}"
            );
            assert_eq!(rig.dongle.memory(), before, "{of} into {at}: nothing was written");
        }
    }
    let (mut rig, _) = rig(stick(7, &[0x2e]));
    let mut damaged = images[1].expose().to_vec();
    damaged[100] ^= 1;
    for (bytes, words) in [(damaged, "damaged"), (b"something else".to_vec(), "no copy")] {
        let image = DongleImage::new(SecretBytes::new(bytes));
        let told = said(&mut rig, Order::RestoreDongle(image));
        assert!(failure(&told).contains(words), "{told:?}");
    }
    let older = DongleConfig {
        library: "Z-Wave 7.9".to_owned(),
        ..stick(7, &[0x2e])
    };
    let told = said(&mut self::rig(older).0, Order::RestoreDongle(images[1].clone()));
    assert!(failure(&told).contains("older"), "{told:?}");
}

#[test]
fn a_stick_without_it_says_so() {
    let (mut rig, _) = rig(stick(7, &[]));
    let told = said(&mut rig, Order::CopyDongle);
    assert!(
        failure(&told).contains("does not let its memory be copied"),
        "{told:?}"
    );
}

#[test]
fn a_copy_gives_way_to_a_person_and_begins_anew() {
    for config in sticks() {
        let (mut rig, lock) = rig(config);
        rig.reports.clear();
        rig.order(Order::CopyDongle);
        rig.run(Millis(300));
        let device = rig.address(lock);
        let expires = rig.now + Millis::from_secs(15);
        let asked = rig.now;
        rig.order(Order::Actuate {
            command: CommandId::parse("c1").unwrap(),
            device,
            op: LockOp::Unlock,
            urgency: Urgency::Person,
            expires,
        });
        let moved = rig.run_until(Millis::from_secs(15), |rig| {
            rig.bolts().contains(&BoltState::Unlocked)
        });
        assert!(moved, "\n{}", rig.story());
        assert!(
            rig.now.since(asked) < Millis::from_secs(4),
            "{:?}",
            rig.now.since(asked)
        );
        let copied = rig.run_until(Millis::from_secs(120), |rig| {
            rig.reports
                .iter()
                .any(|report| matches!(report, Report::Dongle(DongleMemory::Copied(_))))
        });
        assert!(copied, "it began anew\n{}", rig.story());
    }
}

#[test]
fn a_stick_that_is_pulled_out_or_hangs_ends_it() {
    for config in sticks() {
        let (mut rig, _) = rig(config.clone());
        rig.reports.clear();
        rig.order(Order::CopyDongle);
        rig.run(Millis(100));
        rig.plug(false);
        let told: Vec<&Report> = rig
            .reports
            .iter()
            .filter(|report| matches!(report, Report::Dongle(_)))
            .collect();
        assert!(
            matches!(told.last(), Some(Report::Dongle(DongleMemory::Failed { .. }))),
            "{told:?}"
        );
        let (mut rig, _) = self::rig(config);
        rig.order(Order::CopyDongle);
        rig.run(Millis(100));
        rig.dongle.fault(rig.now, Fault::Hang(true));
        rig.run(Millis::from_secs(60));
        let ended = rig
            .reports
            .iter()
            .any(|report| matches!(report, Report::Dongle(DongleMemory::Failed { .. })));
        assert!(ended, "\n{}", rig.story());
    }
}
