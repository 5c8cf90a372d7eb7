//! Every command parses back from its own bytes, and no bytes can make the parser panic.

use std::collections::BTreeSet;

use hubd_model::SecretBytes;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::node_info::ClassList;
use super::{Command, Duration};

/// A strategy that makes a struct out of one strategy for each field.
macro_rules! fields {
    ($($name:ident)::+ { $($field:ident: $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $($name)::+ { $($field),* })
    };
}

mod locks;
mod network;
mod schedules;

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

fn secret(max: usize) -> impl Strategy<Value = SecretBytes> {
    bytes(max).prop_map(SecretBytes::new)
}

fn bit_numbers(limit: u8) -> impl Strategy<Value = BTreeSet<u8>> {
    btree_set(0..limit, 0..12)
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u8>().prop_map(Duration::from_byte)
}

fn class_list() -> impl Strategy<Value = ClassList> {
    let class = || prop_oneof![0x00..=0xEEu16, 0xF100..=0xFFFFu16];
    (vec(class(), 0..20), vec(class(), 0..5)).prop_map(|(supported, controlled)| ClassList {
        supported,
        controlled,
    })
}

fn u24() -> impl Strategy<Value = u32> {
    0..0x0100_0000u32
}

/// Any command of any class.
fn command() -> impl Strategy<Value = Command> {
    use locks::{battery, door_lock, door_lock_logging, lock, notification, user_code, user_credential};
    use network::{
        application_status, association, basic, manufacturer_specific, multi_channel,
        multi_channel_association, supervision, the_rest, time, time_parameters, transport_service, version,
        wake_up, zwave_plus_info,
    };
    use schedules::{active_schedule, schedule_entry_lock};
    prop_oneof![
        prop_oneof![
            basic(),
            application_status(),
            door_lock_logging(),
            schedule_entry_lock()
        ],
        prop_oneof![
            transport_service(),
            zwave_plus_info(),
            multi_channel(),
            door_lock()
        ],
        prop_oneof![
            user_code(),
            supervision(),
            notification(),
            manufacturer_specific()
        ],
        prop_oneof![lock(), battery(), user_credential(), wake_up(), association()],
        prop_oneof![
            multi_channel_association(),
            version(),
            time(),
            time_parameters(),
            active_schedule(),
            the_rest()
        ],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_command_parses_back_from_its_bytes(command in command()) {
        let bytes = command.emit();
        prop_assert_eq!(bytes.first().copied(), Some(command.class()));
        prop_assert_eq!(Command::parse(&bytes), Ok(command));
    }

    #[test]
    fn a_longer_payload_of_a_later_version_is_no_error(command in command(), more in bytes(9)) {
        // The checksum of CRC-16 and Transport Service covers all bytes.
        prop_assume!(!matches!(command, Command::Crc16(_) | Command::TransportService(_)));
        let mut bytes = command.emit();
        bytes.extend(more);
        prop_assert_eq!(Command::parse(&bytes).map(|parsed| parsed.class()), Ok(command.class()));
    }

    #[test]
    fn any_bytes_are_a_command_or_an_error(class in prop_oneof![any::<u8>(), 0x4C..=0xA4u8], command in prop_oneof![any::<u8>(), 0..0x22u8], rest in bytes(80)) {
        let mut bytes = vec![class, command];
        bytes.extend(rest);
        if let Ok(parsed) = Command::parse(&bytes) {
            prop_assert_eq!(Command::parse(&parsed.emit()), Ok(parsed));
        }
    }
}

#[test]
fn too_few_bytes_are_named() {
    use super::ParseError;
    assert_eq!(Command::parse(&[]), Err(ParseError::Empty));
    assert_eq!(
        Command::parse(&[0x62]),
        Err(ParseError::NoCommand { class: 0x62 })
    );
    assert_eq!(Command::parse(&[0x00]), Ok(Command::NoOperation));
    let error = Command::parse(&[0x72, 0x05, 0x00]).unwrap_err().to_string();
    assert_eq!(
        error,
        "command class 0x72, command 0x05: too short: 1 more byte(s) needed for manufacturer id"
    );
}
