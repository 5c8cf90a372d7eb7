//! What the simulated devices say, read by the host's codecs: two hands wrote them, so each checks the other.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

mod common;

use common::{Host, heard, keys};
use hubd_model::{Hazard, Millis, MonoTime};
use hubd_sim::device::{Act, AlarmConfig, Device, KeypadEvent, LockConfig, Protection};
use hubd_sim::dongle::{DeviceKey, Dongle, DongleConfig};
use hubd_zwave::wire::cc::Command;

fn house(lock: LockConfig) -> (Host, DeviceKey, DeviceKey) {
    let mut dongle = Dongle::new(DongleConfig::default(), 7);
    let start = MonoTime::default();
    let lock = dongle
        .add_member(start, Device::lock("Front", lock, Protection::None, 1), &keys())
        .unwrap();
    let alarm = Device::alarm("Hall", AlarmConfig::default(), Protection::None, 2);
    let alarm = dongle.add_member(start, alarm, &keys()).unwrap();
    (Host::new(dongle), lock, alarm)
}

fn reads_back(said: &[Vec<u8>]) {
    for bytes in said {
        let command = Command::parse(bytes).unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"));
        assert!(
            !matches!(command, Command::Unknown(_)) || bytes[0] == 0x59,
            "{bytes:02x?}: {command:?}"
        );
        assert_eq!(command.emit(), *bytes, "{command:?}");
    }
}

#[test]
fn every_answer_of_a_lock_is_read_and_written_back() {
    for (door_lock_version, user_code_version) in [(2, 1), (4, 2)] {
        let codes = vec![(3, "0471".into()), (9, "112233".into())];
        let config = LockConfig {
            door_lock_version,
            user_code_version,
            codes,
            ..LockConfig::default()
        };
        let (mut host, lock, _) = house(config);
        host.act(lock, &Act::TypeCode("0471".into()));
        reads_back(&heard(&host.wait(Millis(3000))));
        let questions: [&[u8]; 27] = [
            &[0x5e, 0x01],
            &[0x72, 0x04],
            &[0x72, 0x06, 0],
            &[0x86, 0x11],
            &[0x86, 0x13, 0x62],
            &[0x85, 0x02, 1],
            &[0x85, 0x05],
            &[0x80, 0x02],
            &[0x71, 0x07],
            &[0x71, 0x01, 6],
            &[0x71, 0x01, 8],
            &[0x71, 0x04, 0, 6, 0xff],
            &[0x62, 0x02],
            &[0x62, 0x05],
            &[0x62, 0x07],
            &[0x63, 0x02, 3],
            &[0x63, 0x02, 4],
            &[0x63, 0x04],
            &[0x63, 0x06],
            &[0x63, 0x09],
            &[0x63, 0x0c, 0, 3, 0],
            &[0x63, 0x0f],
            &[0x63, 0x11],
            &[0x4c, 0x01],
            &[0x4c, 0x03, 1],
            &[0x4c, 0x03, 9],
            &[0x6c, 0x01, 7, 2, 0x62, 0x02],
        ];
        let mut answers = 0;
        for question in questions {
            assert_eq!(Command::parse(question).unwrap().emit(), question);
            let (_, said) = host.command(2, question, Millis(3000));
            answers += said.len();
            reads_back(&said);
        }
        let newer = [
            &[0x62, 0x07][..],
            &[0x63, 0x06],
            &[0x63, 0x09],
            &[0x63, 0x0c],
            &[0x63, 0x0f],
            &[0x63, 0x11],
        ];
        // The supervised question has two answers; an older lock does not know the newer questions.
        assert_eq!(
            answers,
            if door_lock_version == 4 {
                28
            } else {
                28 - newer.len()
            }
        );
    }
}

#[test]
fn every_event_of_a_lock_is_read_and_written_back() {
    for keypad in [KeypadEvent::SlotOnly, KeypadEvent::UserCodeReport] {
        let config = LockConfig {
            keypad,
            codes: vec![(3, "0471".into())],
            ..LockConfig::default()
        };
        let (mut host, lock, _) = house(config);
        let acts = [
            Act::TypeCode("0471".into()),
            Act::TypeCode("9".into()),
            Act::PressLock,
            Act::Turn { locked: false },
            Act::Door { open: true },
            Act::Door { open: false },
            Act::Block(true),
            Act::PressLock,
            Act::Battery(9),
            Act::Tamper(true),
            Act::Tamper(false),
        ];
        for act in acts {
            host.act(lock, &act);
            reads_back(&heard(&host.wait(Millis(3000))));
        }
        host.command(2, &[0x63, 0x01, 5, 1, b'1', b'2', b'3', b'4'], Millis(3000));
        host.act(lock, &Act::FactoryReset);
        let said = heard(&host.wait(Millis(3000)));
        assert_eq!(said, [vec![0x5a, 0x01]]);
        reads_back(&said);
    }
}

#[test]
fn every_answer_and_event_of_an_alarm_is_read_and_written_back() {
    let (mut host, _, alarm) = house(LockConfig::default());
    host.act(alarm, &Act::Wake);
    reads_back(&heard(&host.wait(Millis(500))));
    let questions: [&[u8]; 6] = [
        &[0x84, 0x05],
        &[0x84, 0x09],
        &[0x71, 0x07],
        &[0x71, 0x01, 1],
        &[0x71, 0x04, 0, 1, 0],
        &[0x80, 0x02],
    ];
    for question in questions {
        assert_eq!(Command::parse(question).unwrap().emit(), question);
        let (_, said) = host.command(3, question, Millis(500));
        assert_eq!(said.len(), 1, "{question:02x?}");
        reads_back(&said);
    }
    for hazard in [Hazard::Smoke, Hazard::Co] {
        for act in [
            Act::Hazard {
                hazard,
                present: true,
            },
            Act::Silence(hazard),
            Act::Hazard {
                hazard,
                present: false,
            },
            Act::TestButton(hazard),
            Act::EndOfLife(hazard),
            Act::Maintenance(hazard),
            Act::Battery(20),
        ] {
            host.act(alarm, &act);
            let said = heard(&host.wait(Millis(500)));
            assert!(!said.is_empty(), "{act:?}");
            reads_back(&said);
        }
    }
}
