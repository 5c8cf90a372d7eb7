//! The dongle against a recorded start of an independent host, and against the rules of the line.

#![allow(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

mod common;

use common::{Host, frame, hex, keys};
use hubd_model::{Millis, MonoTime};
use hubd_sim::device::{Act, AlarmConfig, Device, LockConfig, Protection};
use hubd_sim::dongle::{DeviceKey, Dongle, DongleConfig, Fault, HostConduct};

/// The stick of the recorded trace: same identity, same functions, three members.
fn recorded_stick() -> Dongle {
    let functions = [
        0x02, 0x05, 0x13, 0x14, 0x15, 0x20, 0x41, 0x4a, 0x4b, 0x51, 0x55, 0x60, 0xa9, 0xab,
    ];
    let config = DongleConfig {
        home_id: 0x7e57_0001,
        library: "Z-Wave 7.17.99".into(),
        library_type: 1,
        application: [1, 0],
        product: [0xffff, 0xffff, 0xfffe],
        functions: functions.to_vec(),
        classes: hex("5e989f556c568f74"),
        ..DongleConfig::default()
    };
    let mut dongle = Dongle::new(config, 1);
    for name in ["a", "b", "c"] {
        let lock = Device::lock(name, LockConfig::default(), Protection::None, 1);
        dongle.add_member(MonoTime::default(), lock, &keys()).unwrap();
    }
    dongle
}

#[test]
fn the_start_of_a_recorded_host_gets_the_recorded_answers() {
    let mut host = Host::new(recorded_stick());
    assert_eq!(host.send(&[0x15], Millis(500)), Vec::<Vec<u8>>::new());
    for (question, answer) in [
        (
            "01030007fb",
            "012b01070100fffffffffffe12001c8000000000010611800000000000000000000500000000000000000000cf",
        ),
        (
            "01030002fe",
            "0125010209081d0f000000000000000000000000000000000000000000000000000000000700cd",
        ),
        ("01030015e9", "011301155a2d5761766520372e31372e39390001ba"),
        ("01030005f9", "010401051ce3"),
        ("01030008f4", "0112000a0700010100085e989f556c568f740025"),
        ("01030020dc", "010801207e57000101ff"),
        ("01030056aa", "0104015601ad"),
        ("0104004101bb", "01090141db9201020100fd"),
    ] {
        let answers = host.send(&hex(question), Millis(1000));
        assert_eq!(answers, [hex(answer)], "{question}");
    }
    assert_eq!(host.dongle.host_conduct(), HostConduct::default());
}

fn house() -> (Host, DeviceKey, DeviceKey) {
    let mut dongle = Dongle::new(DongleConfig::default(), 7);
    let start = MonoTime::default();
    let config = LockConfig {
        codes: vec![(3, "0471".into())],
        ..LockConfig::default()
    };
    let lock = dongle
        .add_member(start, Device::lock("Front", config, Protection::None, 1), &keys())
        .unwrap();
    let alarm = Device::alarm("Hall", AlarmConfig::default(), Protection::None, 2);
    let alarm = dongle.add_member(start, alarm, &keys()).unwrap();
    (Host::new(dongle), lock, alarm)
}

#[test]
fn a_sleeping_lock_is_beamed_first_and_answers() {
    let (mut host, ..) = house();
    let before = host.now;
    let (status, heard) = host.command(2, &[0x62, 0x02], Millis(3000));
    assert_eq!(status, Some(0));
    assert_eq!(
        heard,
        [vec![0x62, 0x03, 0xff, 0x01, 0x05, 0xfe, 0xfe, 0xff, 0x00]]
    );
    let first = host
        .seen
        .iter()
        .find(|(_, bytes)| bytes.get(3) == Some(&0x13) && bytes.get(2) == Some(&0));
    assert!(
        first.unwrap().0 > 1050 + before.as_micros() / 1000,
        "the beam takes over a second"
    );
    let (status, heard) = host.command(2, &[0x80, 0x02], Millis(100));
    assert_eq!(
        (status, heard.len()),
        (None, 0),
        "a while later it needs a beam again"
    );
}

#[test]
fn a_lock_moves_tells_and_can_be_jammed() {
    let (mut host, lock, _) = house();
    let (_, heard) = host.command(2, &[0x6c, 0x01, 5, 3, 0x62, 0x01, 0x00], Millis(4000));
    assert_eq!(heard[0], [0x6c, 0x02, 0x85, 0x01, 1], "working");
    assert_eq!(heard[1], [0x6c, 0x02, 0x05, 0xff, 0], "success");
    assert_eq!(
        heard[2],
        [0x71, 0x05, 0, 0, 0, 0xff, 6, 4, 0],
        "unlocked by radio"
    );
    assert_eq!(host.dongle.device(lock).unwrap().is_locked(), Some(false));

    host.act(lock, &Act::Block(true));
    let (_, heard) = host.command(2, &[0x6c, 0x01, 6, 3, 0x62, 0x01, 0xff], Millis(4000));
    assert_eq!(heard[1], [0x6c, 0x02, 0x06, 0x02, 0], "fail");
    assert!(
        heard
            .iter()
            .any(|command| command[..2] == [0x62, 0x03] && command[2] == 0xfe)
    );
    assert!(heard.iter().any(|command| command.get(6..8) == Some(&[6, 0x0b])));
}

#[test]
fn a_keypad_code_arrives_with_its_slot_and_a_wrong_one_as_denied() {
    let (mut host, lock, _) = house();
    host.act(lock, &Act::TypeCode("0471".into()));
    let heard = common::heard(&host.wait(Millis(3000)));
    assert_eq!(heard[0], [0x71, 0x05, 0, 0, 0, 0xff, 6, 6, 1, 3]);
    host.act(lock, &Act::TypeCode("9999".into()));
    let heard = common::heard(&host.wait(Millis(3000)));
    assert_eq!(heard, [vec![0x71, 0x05, 0, 0, 0, 0xff, 7, 4, 0]]);
}

#[test]
fn a_sleeping_alarm_is_heard_at_once_but_hears_only_when_awake() {
    let (mut host, _, alarm) = house();
    let (status, heard) = host.command(3, &[0x80, 0x02], Millis(6000));
    assert_eq!((status, heard.len()), (Some(1), 0));
    host.act(
        alarm,
        &Act::Hazard {
            hazard: hubd_model::Hazard::Smoke,
            present: true,
        },
    );
    let heard = common::heard(&host.wait(Millis(50)));
    assert_eq!(heard, [vec![0x71, 0x05, 0, 0, 0, 0xff, 1, 2, 0]]);
    let (status, heard) = host.command(3, &[0x80, 0x02], Millis(200));
    assert_eq!((status, heard), (Some(0), vec![vec![0x80, 0x03, 94]]));
    let (status, _) = host.command(3, &[0x84, 0x08], Millis(1000));
    assert_eq!(status, Some(0));
    assert_eq!(
        host.command(3, &[0x80, 0x02], Millis(6000)).0,
        Some(1),
        "asleep again"
    );
    let later = common::heard(&host.wait(Millis::from_secs(5 * 3600)));
    assert!(
        later.contains(&vec![0x84, 0x07]),
        "it wakes up by itself: {later:?}"
    );
}

#[test]
fn a_dead_node_fails_and_can_then_be_removed() {
    let (mut host, lock, _) = house();
    assert_eq!(host.request(0x62, &[2])[0][4], 0);
    let kept = host.send(&frame(0x61, &[2, 9]), Millis(3000));
    assert_eq!((kept[0][4], kept[1][5]), (0, 0), "it answers, so it stays");
    host.act(lock, &Act::Unreachable(true));
    assert_eq!(host.command(2, &[0x62, 0x02], Millis(9000)).0, Some(1));
    assert_eq!(host.request(0x62, &[2])[0][4], 1);
    let removed = host.send(&frame(0x61, &[2, 9]), Millis(9000));
    assert_eq!((removed[0][4], removed[1][5]), (0, 1));
    assert_eq!(host.dongle.node_of(lock), None);
}

#[test]
fn a_device_is_added_by_its_button_and_removed_again() {
    let (mut host, ..) = house();
    let new = Device::lock("Shed", LockConfig::default(), Protection::None, 3);
    let new = host.dongle.add_device(new);
    let statuses = |frames: &[Vec<u8>]| -> Vec<(u8, u8)> {
        frames
            .iter()
            .filter(|frame| matches!(frame[3], 0x4a | 0x4b))
            .map(|f| (f[5], f[6]))
            .collect()
    };
    assert_eq!(statuses(&host.request(0x4a, &[0xc1, 7])), [(1, 0)]);
    host.act(new, &Act::LearnButton);
    assert_eq!(statuses(&host.wait(Millis(2000))), [(2, 0), (3, 4), (5, 0)]);
    assert_eq!(statuses(&host.request(0x4a, &[0xc5, 8])), [(6, 4)]);
    assert_eq!(host.dongle.node_of(new), Some(4));
    assert_eq!(statuses(&host.request(0x4b, &[0xc1, 9])), [(1, 0)]);
    host.act(new, &Act::LearnButton);
    assert_eq!(statuses(&host.wait(Millis(2000))), [(2, 0), (3, 4), (6, 4)]);
    assert_eq!(host.dongle.node_of(new), None);
}

#[test]
fn line_faults_hit_as_often_as_told_and_then_stop() {
    let (mut host, ..) = house();
    for (fault, expected) in [
        (Fault::Nak(1), vec![vec![0x15]]),
        (Fault::Can(1), vec![vec![0x18]]),
        (Fault::Swallow(1), vec![]),
    ] {
        host.dongle.fault(host.now, fault);
        host.seen.clear();
        host.request(0x05, &[]);
        let seen: Vec<_> = host.seen.iter().map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(seen, expected, "{fault:?}");
        assert_eq!(host.request(0x05, &[]).len(), 1);
    }
    host.dongle.fault(host.now, Fault::Corrupt(1));
    let answers = host.send(&frame(0x05, &[]), Millis(3000));
    assert_eq!(answers, [hex("010401051ce3")], "refused once, sent again");
}

#[test]
fn a_stick_that_loses_its_power_forgets_what_it_did_and_says_that_it_started() {
    let (mut host, ..) = house();
    host.request(0x0b, &[0x80, 2]);
    assert_eq!(host.request(0x56, &[])[0][4..6], [0, 1], "wide node ids");
    host.dongle.power(host.now, false);
    assert_eq!(host.request(0x56, &[]).len(), 0);
    host.dongle.power(host.now, true);
    let started = host.wait(Millis(1000));
    assert_eq!(started[0][3..5], [0x0a, 5]);
    assert_eq!(host.request(0x56, &[])[0].len(), 6, "narrow node ids again");
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_the_same_times() {
    let run = |seed: u64| {
        let mut dongle = Dongle::new(DongleConfig::default(), seed);
        let lock = Device::lock("Front", LockConfig::default(), Protection::None, seed);
        let lock = dongle.add_member(MonoTime::default(), lock, &keys()).unwrap();
        let mut host = Host::new(dongle);
        host.dongle.fault(host.now, Fault::Loss(300));
        for round in 0..20_u8 {
            host.command(
                2,
                &[0x62, 0x01, if round % 2 == 0 { 0 } else { 0xff }],
                Millis(4000),
            );
            host.act(
                lock,
                &Act::Turn {
                    locked: round % 3 == 0,
                },
            );
            host.request(0x1c, &[8]);
        }
        host.seen
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// Frames with good checksums and any content, and noise between them.
    #[test]
    fn nothing_that_a_host_sends_stops_the_stick(
        frames in proptest::collection::vec(
            (proptest::prelude::any::<u8>(), proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)),
            1..30,
        ),
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
    ) {
        let (mut host, ..) = house();
        for (function, data) in &frames {
            host.send(&frame(*function, data), Millis(20));
            host.send(&noise, Millis(20));
        }
        host.send(&[0x15], Millis::from_secs(30));
        let answers = host.request(0x05, &[]);
        proptest::prop_assert!(answers.iter().any(|answer| answer[3] == 0x05), "{answers:02x?}");
    }
}
