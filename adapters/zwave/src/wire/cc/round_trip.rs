//! Every command parses back from its own bytes, and no bytes can make the parser panic.

use std::collections::BTreeSet;

use hubd_model::SecretBytes;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::node_info::ClassList;
use super::{Command, Duration, Unknown};

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

mod arbitrary {
    use super::super::{
        application_status, association, basic, battery, crc16, device_reset_locally, door_lock,
        door_lock_logging, lock, manufacturer_specific, multi_channel, multi_channel_association,
        multi_command, notification, schedule_entry_lock, supervision, time, time_parameters,
        transport_service, user_code, user_credential, version, wake_up, zwave_plus_info,
    };
    use super::*;

    /// A strategy that makes a struct out of one strategy for each field.
    macro_rules! fields {
        ($($name:ident)::+ { $($field:ident: $strategy:expr),* $(,)? }) => {
            ($($strategy,)*).prop_map(|($($field,)*)| $($name)::+ { $($field),* })
        };
    }

    fn basic() -> impl Strategy<Value = Command> {
        let target = fields!(basic::Target {
            value: any::<u8>(),
            duration: duration()
        });
        prop_oneof![
            any::<u8>().prop_map(basic::Command::Set),
            Just(basic::Command::Get),
            fields!(basic::Report {
                value: any::<u8>(),
                target: option::of(target)
            })
            .prop_map(basic::Command::Report),
        ]
        .prop_map(Command::Basic)
    }

    fn application_status() -> impl Strategy<Value = Command> {
        let status = || any::<u8>().prop_map(application_status::BusyStatus::from_byte);
        prop_oneof![
            fields!(application_status::Busy {
                status: status(),
                wait_seconds: any::<u8>()
            })
            .prop_map(application_status::Command::Busy),
            any::<u8>().prop_map(application_status::Command::RejectedRequest),
        ]
        .prop_map(Command::ApplicationStatus)
    }

    fn door_lock_logging() -> impl Strategy<Value = Command> {
        let record = fields!(door_lock_logging::Record {
            year: any::<u16>(),
            month: any::<u8>(),
            day: any::<u8>(),
            hour: 0..32u8,
            minute: any::<u8>(),
            second: any::<u8>(),
            event: any::<u8>().prop_map(door_lock_logging::Event::from_byte),
            user: any::<u8>(),
            code: secret(16),
        });
        prop_oneof![
            Just(door_lock_logging::Command::RecordsSupportedGet),
            any::<u8>().prop_map(door_lock_logging::Command::RecordsSupportedReport),
            any::<u8>().prop_map(door_lock_logging::Command::RecordGet),
            fields!(door_lock_logging::RecordReport {
                number: any::<u8>(),
                record: option::of(record)
            })
            .prop_map(door_lock_logging::Command::RecordReport),
        ]
        .prop_map(Command::DoorLockLogging)
    }

    fn schedule_entry_lock() -> impl Strategy<Value = Command> {
        prop_oneof![
            Just(schedule_entry_lock::Command::SupportedGet),
            fields!(schedule_entry_lock::SupportedReport {
                week_day: any::<u8>(),
                year_day: any::<u8>(),
                daily_repeating: option::of(any::<u8>()),
            })
            .prop_map(schedule_entry_lock::Command::SupportedReport),
        ]
        .prop_map(Command::ScheduleEntryLock)
    }

    fn transport_service() -> impl Strategy<Value = Command> {
        let first = fields!(transport_service::FirstSegment {
            datagram_size: 0..2048u16,
            session: 0..16u8,
            extension: bytes(4),
            payload: bytes(40),
        });
        let subsequent = fields!(transport_service::SubsequentSegment {
            datagram_size: 0..2048u16,
            session: 0..16u8,
            offset: 0..2048u16,
            extension: bytes(4),
            payload: bytes(40),
        });
        let request = fields!(transport_service::SegmentRequest {
            session: 0..16u8,
            offset: 0..2048u16
        });
        prop_oneof![
            first.prop_map(transport_service::Command::FirstSegment),
            subsequent.prop_map(transport_service::Command::SubsequentSegment),
            request.prop_map(transport_service::Command::SegmentRequest),
            (0..16u8).prop_map(transport_service::Command::SegmentComplete),
            any::<u8>().prop_map(transport_service::Command::SegmentWait),
        ]
        .prop_map(Command::TransportService)
    }

    fn zwave_plus_info() -> impl Strategy<Value = Command> {
        let icons = fields!(zwave_plus_info::Icons {
            installer: any::<u16>(),
            user: any::<u16>()
        });
        prop_oneof![
            Just(zwave_plus_info::Command::Get),
            fields!(zwave_plus_info::Report {
                version: any::<u8>(),
                role: any::<u8>().prop_map(zwave_plus_info::Role::from_byte),
                node_type: any::<u8>(),
                icons: option::of(icons),
            })
            .prop_map(zwave_plus_info::Command::Report),
        ]
        .prop_map(Command::ZWavePlusInfo)
    }

    fn multi_channel() -> impl Strategy<Value = Command> {
        use multi_channel::Command as Multi;
        let destination = || {
            prop_oneof![
                (0..128u8).prop_map(multi_channel::Destination::One),
                (0..128u8).prop_map(multi_channel::Destination::Several),
            ]
        };
        prop_oneof![
            any::<u8>().prop_map(Multi::InstanceGet),
            fields!(multi_channel::InstanceReport {
                class: any::<u8>(),
                instances: any::<u8>()
            })
            .prop_map(Multi::InstanceReport),
            fields!(multi_channel::InstanceEncapsulation {
                instance: any::<u8>(),
                command: bytes(20)
            })
            .prop_map(Multi::InstanceEncapsulation),
            Just(Multi::EndPointGet),
            fields!(multi_channel::EndPointReport {
                dynamic: any::<bool>(),
                identical: any::<bool>(),
                individual: 0..128u8,
                aggregated: option::of(0..128u8),
            })
            .prop_map(Multi::EndPointReport),
            (0..128u8).prop_map(Multi::CapabilityGet),
            fields!(multi_channel::CapabilityReport {
                endpoint: 0..128u8,
                dynamic: any::<bool>(),
                generic: any::<u8>(),
                specific: any::<u8>(),
                classes: class_list(),
            })
            .prop_map(Multi::CapabilityReport),
            fields!(multi_channel::Encapsulation {
                source: 0..128u8,
                destination: destination(),
                command: bytes(20)
            })
            .prop_map(Multi::Encapsulation),
        ]
        .prop_map(Command::MultiChannel)
    }

    fn door_lock() -> impl Strategy<Value = Command> {
        use door_lock::Command as Door;
        let mode = || any::<u8>().prop_map(door_lock::Mode::from_byte);
        let handles = || {
            fields!(door_lock::Handles {
                outside: 0..16u8,
                inside: 0..16u8
            })
        };
        let timeout = || {
            fields!(door_lock::Timeout {
                minutes: any::<u8>(),
                seconds: any::<u8>()
            })
        };
        let target = fields!(door_lock::Target {
            mode: mode(),
            duration: duration()
        });
        let details = fields!(door_lock::Details {
            handles: handles(),
            condition: any::<u8>().prop_map(door_lock::DoorCondition::from_byte),
            timeout: timeout(),
            target: option::of(target),
        });
        let extension = fields!(door_lock::ConfigurationExtension {
            auto_relock_seconds: any::<u16>(),
            hold_and_release_seconds: any::<u16>(),
            twist_assist: any::<bool>(),
            block_to_block: any::<bool>(),
        });
        let configuration = fields!(door_lock::Configuration {
            operation: any::<u8>().prop_map(door_lock::OperationType::from_byte),
            handles: handles(),
            timeout: timeout(),
            extension: option::of(extension),
        });
        prop_oneof![
            mode().prop_map(Door::OperationSet),
            Just(Door::OperationGet),
            fields!(door_lock::OperationReport {
                mode: mode(),
                details: option::of(details)
            })
            .prop_map(Door::OperationReport),
            (configuration, any::<bool>()).prop_map(|(configuration, set)| if set {
                Door::ConfigurationSet(configuration)
            } else {
                Door::ConfigurationReport(configuration)
            }),
            Just(Door::ConfigurationGet),
            Just(Door::CapabilitiesGet),
            fields!(door_lock::CapabilitiesReport {
                operations: bit_numbers(248),
                modes: vec(mode(), 0..20),
                handles: handles(),
                door: any::<bool>(),
                bolt: any::<bool>(),
                latch: any::<bool>(),
                block_to_block: any::<bool>(),
                twist_assist: any::<bool>(),
                hold_and_release: any::<bool>(),
                auto_relock: any::<bool>(),
            })
            .prop_map(Door::CapabilitiesReport),
        ]
        .prop_map(Command::DoorLock)
    }

    fn user_code() -> impl Strategy<Value = Command> {
        use user_code::Command as Code;
        let status = || any::<u8>().prop_map(user_code::UserStatus::from_byte);
        let mode = || any::<u8>().prop_map(user_code::KeypadMode::from_byte);
        let code = || {
            fields!(user_code::UserCode {
                user: any::<u8>(),
                status: status(),
                code: secret(12)
            })
        };
        let extended = || {
            vec(
                fields!(user_code::ExtendedUserCode {
                    user: any::<u16>(),
                    status: status(),
                    code: secret(16)
                }),
                0..4,
            )
        };
        prop_oneof![
            code().prop_map(Code::Set),
            any::<u8>().prop_map(Code::Get),
            code().prop_map(Code::Report),
            prop::sample::select(vec![
                Code::UsersNumberGet,
                Code::CapabilitiesGet,
                Code::KeypadModeGet,
                Code::AdminCodeGet,
                Code::ChecksumGet,
            ]),
            fields!(user_code::UsersNumberReport {
                users: any::<u8>(),
                extended: option::of(any::<u16>())
            })
            .prop_map(Code::UsersNumberReport),
            fields!(user_code::CapabilitiesReport {
                admin_code: any::<bool>(),
                admin_code_deactivation: any::<bool>(),
                statuses: bit_numbers(248),
                checksum: any::<bool>(),
                multiple_report: any::<bool>(),
                multiple_set: any::<bool>(),
                keypad_modes: bit_numbers(248),
                keys: bit_numbers(128),
            })
            .prop_map(Code::CapabilitiesReport),
            mode().prop_map(Code::KeypadModeSet),
            mode().prop_map(Code::KeypadModeReport),
            extended().prop_map(Code::ExtendedSet),
            fields!(user_code::ExtendedGet {
                user: any::<u16>(),
                report_more: any::<bool>()
            })
            .prop_map(Code::ExtendedGet),
            fields!(user_code::ExtendedReport {
                codes: extended(),
                next_user: any::<u16>()
            })
            .prop_map(Code::ExtendedReport),
            secret(16).prop_map(Code::AdminCodeSet),
            secret(16).prop_map(Code::AdminCodeReport),
            any::<u16>().prop_map(Code::ChecksumReport),
        ]
        .prop_map(Command::UserCode)
    }

    fn supervision() -> impl Strategy<Value = Command> {
        prop_oneof![
            fields!(supervision::Get {
                session: 0..64u8,
                status_updates: any::<bool>(),
                command: bytes(256)
            })
            .prop_map(supervision::Command::Get),
            fields!(supervision::Report {
                session: 0..64u8,
                more_updates: any::<bool>(),
                wake_up_request: any::<bool>(),
                status: any::<u8>().prop_map(supervision::Status::from_byte),
                duration: duration(),
            })
            .prop_map(supervision::Command::Report),
        ]
        .prop_map(Command::Supervision)
    }

    fn notification() -> impl Strategy<Value = Command> {
        use notification::Command as Note;
        let part = fields!(notification::Notification {
            zensor_node: any::<u8>(),
            status: any::<u8>(),
            notification_type: any::<u8>(),
            event: any::<u8>(),
            parameters: bytes(32),
            sequence: option::of(any::<u8>()),
        });
        let selector = fields!(notification::Selector {
            notification_type: any::<u8>(),
            event: option::of(any::<u8>())
        });
        prop_oneof![
            any::<u8>().prop_map(Note::EventSupportedGet),
            fields!(notification::EventSupportedReport {
                notification_type: any::<u8>(),
                events: bit_numbers(248)
            })
            .prop_map(Note::EventSupportedReport),
            fields!(notification::Get {
                alarm_type: any::<u8>(),
                notification: option::of(selector)
            })
            .prop_map(Note::Get),
            fields!(notification::Report {
                alarm_type: any::<u8>(),
                alarm_level: any::<u8>(),
                notification: option::of(part),
            })
            .prop_map(Note::Report),
            fields!(notification::Set {
                notification_type: any::<u8>(),
                status: any::<u8>()
            })
            .prop_map(Note::Set),
            Just(Note::SupportedGet),
            fields!(notification::SupportedReport {
                v1_alarm: any::<bool>(),
                types: bit_numbers(248)
            })
            .prop_map(Note::SupportedReport),
        ]
        .prop_map(Command::Notification)
    }

    fn manufacturer_specific() -> impl Strategy<Value = Command> {
        use manufacturer_specific::Command as Maker;
        prop_oneof![
            Just(Maker::Get),
            fields!(manufacturer_specific::Report {
                manufacturer: any::<u16>(),
                product_type: any::<u16>(),
                product: any::<u16>(),
            })
            .prop_map(Maker::Report),
            (0..8u8).prop_map(Maker::DeviceSpecificGet),
            fields!(manufacturer_specific::DeviceSpecificReport {
                id_type: 0..8u8,
                format: 0..8u8,
                id: bytes(32)
            })
            .prop_map(Maker::DeviceSpecificReport),
        ]
        .prop_map(Command::ManufacturerSpecific)
    }

    fn lock() -> impl Strategy<Value = Command> {
        let state = || any::<u8>().prop_map(lock::State::from_byte);
        prop_oneof![
            state().prop_map(lock::Command::Set),
            Just(lock::Command::Get),
            state().prop_map(lock::Command::Report),
        ]
        .prop_map(Command::Lock)
    }

    fn battery() -> impl Strategy<Value = Command> {
        let condition = fields!(battery::Condition {
            charging: (0..4u8).prop_map(battery::ChargeState::from_byte),
            rechargeable: any::<bool>(),
            backup: any::<bool>(),
            overheating: any::<bool>(),
            low_fluid: any::<bool>(),
            replace: (0..4u8).prop_map(battery::Replacement::from_byte),
            low_temperature: any::<bool>(),
            disconnected: any::<bool>(),
        });
        prop_oneof![
            Just(battery::Command::Get),
            fields!(battery::Report {
                level: any::<u8>().prop_map(battery::Level::from_byte),
                condition: option::of(condition),
            })
            .prop_map(battery::Command::Report),
        ]
        .prop_map(Command::Battery)
    }

    fn user_credential() -> impl Strategy<Value = Command> {
        use user_credential::Command as Credential;
        let capability = fields!(user_credential::CredentialCapability {
            credential: any::<u8>().prop_map(user_credential::CredentialType::from_byte),
            learn: any::<bool>(),
            slots: any::<u16>(),
            bytes_min: any::<u8>(),
            bytes_max: any::<u8>(),
            learn_timeout_seconds: any::<u8>(),
            learn_steps: any::<u8>(),
            hash_bytes_max: any::<u8>(),
        });
        prop_oneof![
            Just(Credential::UserCapabilitiesGet),
            fields!(user_credential::UserCapabilitiesReport {
                users: any::<u16>(),
                rules: bit_numbers(8),
                name_bytes_max: any::<u8>(),
                schedules: any::<bool>(),
                all_users_checksum: any::<bool>(),
                user_checksum: any::<bool>(),
                name_encodings: bit_numbers(3),
                user_types: bit_numbers(255),
            })
            .prop_map(Credential::UserCapabilitiesReport),
            Just(Credential::CredentialCapabilitiesGet),
            fields!(user_credential::CredentialCapabilitiesReport {
                checksum: any::<bool>(),
                admin_code: any::<bool>(),
                admin_code_deactivation: any::<bool>(),
                types: vec(capability, 0..5),
            })
            .prop_map(Credential::CredentialCapabilitiesReport),
        ]
        .prop_map(Command::UserCredential)
    }

    fn wake_up() -> impl Strategy<Value = Command> {
        use wake_up::Command as Wake;
        let interval = || {
            fields!(wake_up::Interval {
                seconds: u24(),
                node: any::<u8>()
            })
        };
        prop_oneof![
            interval().prop_map(Wake::IntervalSet),
            prop::sample::select(vec![
                Wake::IntervalGet,
                Wake::Notification,
                Wake::NoMoreInformation,
                Wake::IntervalCapabilitiesGet,
            ]),
            interval().prop_map(Wake::IntervalReport),
            fields!(wake_up::IntervalCapabilities {
                min_seconds: u24(),
                max_seconds: u24(),
                default_seconds: u24(),
                step_seconds: u24(),
                on_demand: option::of(any::<bool>()),
            })
            .prop_map(Wake::IntervalCapabilitiesReport),
        ]
        .prop_map(Command::WakeUp)
    }

    fn association() -> impl Strategy<Value = Command> {
        use association::Command as Assoc;
        let members = || {
            fields!(association::Members {
                group: any::<u8>(),
                nodes: bytes(10)
            })
        };
        prop_oneof![
            members().prop_map(Assoc::Set),
            any::<u8>().prop_map(Assoc::Get),
            fields!(association::Report {
                group: any::<u8>(),
                max_nodes: any::<u8>(),
                reports_to_follow: any::<u8>(),
                nodes: bytes(10),
            })
            .prop_map(Assoc::Report),
            members().prop_map(Assoc::Remove),
            Just(Assoc::GroupingsGet),
            any::<u8>().prop_map(Assoc::GroupingsReport),
        ]
        .prop_map(Command::Association)
    }

    fn multi_channel_association() -> impl Strategy<Value = Command> {
        use multi_channel_association::{Command as Assoc, Endpoint, Members};
        let endpoint = || {
            fields!(Endpoint {
                node: any::<u8>(),
                endpoint: any::<u8>()
            })
        };
        let members = move || {
            fields!(Members {
                nodes: vec(1..=232u8, 0..6),
                endpoints: vec(endpoint(), 0..4)
            })
        };
        let change = move || {
            fields!(multi_channel_association::Change {
                group: any::<u8>(),
                members: members()
            })
        };
        prop_oneof![
            change().prop_map(Assoc::Set),
            any::<u8>().prop_map(Assoc::Get),
            fields!(multi_channel_association::Report {
                group: any::<u8>(),
                max_nodes: any::<u8>(),
                reports_to_follow: any::<u8>(),
                members: members(),
            })
            .prop_map(Assoc::Report),
            change().prop_map(Assoc::Remove),
            Just(Assoc::GroupingsGet),
            any::<u8>().prop_map(Assoc::GroupingsReport),
        ]
        .prop_map(Command::MultiChannelAssociation)
    }

    fn version() -> impl Strategy<Value = Command> {
        use version::Command as Version;
        let number = || {
            fields!(version::Number {
                major: any::<u8>(),
                minor: any::<u8>()
            })
        };
        let hardware = fields!(version::Hardware {
            version: any::<u8>(),
            firmwares: vec(number(), 0..4)
        });
        prop_oneof![
            Just(Version::Get),
            fields!(version::Report {
                library: any::<u8>(),
                protocol: number(),
                firmware: number(),
                hardware: option::of(hardware),
            })
            .prop_map(Version::Report),
            any::<u8>().prop_map(Version::CommandClassGet),
            fields!(version::CommandClassReport {
                class: any::<u8>(),
                version: any::<u8>()
            })
            .prop_map(Version::CommandClassReport),
            Just(Version::CapabilitiesGet),
            any::<u8>().prop_map(Version::CapabilitiesReport),
        ]
        .prop_map(Command::Version)
    }

    fn time() -> impl Strategy<Value = Command> {
        use time::Command as Time;
        let turn = || {
            fields!(time::Turn {
                month: any::<u8>(),
                day: any::<u8>(),
                hour: any::<u8>()
            })
        };
        let offset = move || {
            fields!(time::Offset {
                behind: any::<bool>(),
                hours: 0..128u8,
                minutes: any::<u8>(),
                dst_back: any::<bool>(),
                dst_minutes: 0..128u8,
                dst_start: turn(),
                dst_end: turn(),
            })
        };
        prop_oneof![
            prop::sample::select(vec![Time::TimeGet, Time::DateGet, Time::OffsetGet]),
            fields!(time::TimeReport {
                clock_failed: any::<bool>(),
                hour: 0..32u8,
                minute: any::<u8>(),
                second: any::<u8>(),
            })
            .prop_map(Time::TimeReport),
            fields!(time::DateReport {
                year: any::<u16>(),
                month: any::<u8>(),
                day: any::<u8>()
            })
            .prop_map(Time::DateReport),
            offset().prop_map(Time::OffsetSet),
            offset().prop_map(Time::OffsetReport),
        ]
        .prop_map(Command::Time)
    }

    fn time_parameters() -> impl Strategy<Value = Command> {
        let at = || {
            fields!(time_parameters::DateTime {
                year: any::<u16>(),
                month: any::<u8>(),
                day: any::<u8>(),
                hour: any::<u8>(),
                minute: any::<u8>(),
                second: any::<u8>(),
            })
        };
        prop_oneof![
            at().prop_map(time_parameters::Command::Set),
            Just(time_parameters::Command::Get),
            at().prop_map(time_parameters::Command::Report),
        ]
        .prop_map(Command::TimeParameters)
    }

    fn the_rest() -> impl Strategy<Value = Command> {
        prop_oneof![
            Just(Command::NoOperation),
            Just(Command::DeviceResetLocally(
                device_reset_locally::Command::Notification
            )),
            bytes(60).prop_map(|inner| Command::Crc16(crc16::Command::Encapsulation(inner))),
            vec(bytes(20), 0..5)
                .prop_map(|inner| Command::MultiCommand(multi_command::Command::Encapsulation(inner))),
            // Classes that are parsed elsewhere or not at all.
            (
                prop::sample::select(vec![0x98u8, 0x9F, 0x70, 0x25]),
                any::<u8>(),
                bytes(60)
            )
                .prop_map(|(class, command, payload)| Command::Unknown(Unknown {
                    class,
                    command,
                    payload
                })),
        ]
    }

    /// Any command of any class.
    pub(super) fn command() -> impl Strategy<Value = Command> {
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
                the_rest()
            ],
        ]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_command_parses_back_from_its_bytes(command in arbitrary::command()) {
        let bytes = command.emit();
        prop_assert_eq!(bytes.first().copied(), Some(command.class()));
        prop_assert_eq!(Command::parse(&bytes), Ok(command));
    }

    #[test]
    fn a_longer_payload_of_a_later_version_is_no_error(command in arbitrary::command(), more in bytes(9)) {
        // The checksum of CRC-16 and Transport Service covers all bytes.
        prop_assume!(!matches!(command, Command::Crc16(_) | Command::TransportService(_)));
        let mut bytes = command.emit();
        bytes.extend(more);
        prop_assert_eq!(Command::parse(&bytes).map(|parsed| parsed.class()), Ok(command.class()));
    }

    #[test]
    fn any_bytes_are_a_command_or_an_error(class in prop_oneof![any::<u8>(), 0x4C..=0x9Fu8], command in prop_oneof![any::<u8>(), 0..0x17u8], rest in bytes(80)) {
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
