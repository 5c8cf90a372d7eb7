//! Any command of the classes that locks and detectors speak.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{
    Command, battery, door_lock, door_lock_logging, lock, notification, user_code, user_credential,
};
use super::{bit_numbers, bytes, duration, secret};

pub(super) fn door_lock() -> impl Strategy<Value = Command> {
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

pub(super) fn door_lock_logging() -> impl Strategy<Value = Command> {
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

pub(super) fn lock() -> impl Strategy<Value = Command> {
    let state = || any::<u8>().prop_map(lock::State::from_byte);
    prop_oneof![
        state().prop_map(lock::Command::Set),
        Just(lock::Command::Get),
        state().prop_map(lock::Command::Report),
    ]
    .prop_map(Command::Lock)
}

pub(super) fn user_code() -> impl Strategy<Value = Command> {
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

pub(super) fn user_credential() -> impl Strategy<Value = Command> {
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
        users(),
        credentials(),
        checksums_and_admin(),
    ]
    .prop_map(Command::UserCredential)
}

fn credential_type() -> impl Strategy<Value = user_credential::CredentialType> {
    any::<u8>().prop_map(user_credential::CredentialType::from_byte)
}

/// An operation that carries the rest, and one that does not.
fn operation() -> impl Strategy<Value = user_credential::Operation> {
    prop::sample::select(vec![0u8, 1, 3]).prop_map(user_credential::Operation::from_byte)
}

fn users() -> impl Strategy<Value = user_credential::Command> {
    use user_credential::Command as Credential;
    let details = || {
        fields!(user_credential::UserDetails {
            user_type: any::<u8>().prop_map(user_credential::UserType::from_byte),
            active: any::<bool>(),
            rule: any::<u8>(),
            expiring_minutes: any::<u16>(),
            name_encoding: 0..8u8,
            name: bytes(40),
        })
    };
    prop_oneof![
        (operation(), any::<u16>(), details()).prop_map(|(operation, user, details)| {
            Credential::UserSet(user_credential::UserSet {
                operation,
                user,
                details: Some(details),
            })
        }),
        any::<u16>().prop_map(|user| Credential::UserSet(user_credential::UserSet {
            operation: user_credential::Operation::Delete,
            user,
            details: None,
        })),
        any::<u16>().prop_map(Credential::UserGet),
        fields!(user_credential::UserReport {
            report_type: any::<u8>().prop_map(user_credential::UserReportType::from_byte),
            next_user: any::<u16>(),
            modifier: any::<u8>().prop_map(user_credential::Modifier::from_byte),
            modifier_node: any::<u16>(),
            user: any::<u16>(),
            details: details(),
        })
        .prop_map(Credential::UserReport),
    ]
}

fn credentials() -> impl Strategy<Value = user_credential::Command> {
    use user_credential::Command as Credential;
    let place = || {
        fields!(user_credential::CredentialPlace {
            user: any::<u16>(),
            credential: credential_type(),
            slot: any::<u16>(),
        })
    };
    let association = || {
        fields!(user_credential::Association {
            credential: credential_type(),
            slot: any::<u16>(),
            user: any::<u16>(),
        })
    };
    prop_oneof![
        (place(), operation(), secret(20)).prop_map(|(place, operation, data)| {
            Credential::CredentialSet(user_credential::CredentialSet {
                place,
                operation,
                data: Some(data),
            })
        }),
        place().prop_map(|place| Credential::CredentialSet(user_credential::CredentialSet {
            place,
            operation: user_credential::Operation::Delete,
            data: None,
        })),
        place().prop_map(Credential::CredentialGet),
        fields!(user_credential::CredentialReport {
            report_type: any::<u8>().prop_map(user_credential::CredentialReportType::from_byte),
            place: place(),
            read_back: any::<bool>(),
            data: secret(20),
            modifier: any::<u8>().prop_map(user_credential::Modifier::from_byte),
            modifier_node: any::<u16>(),
            next_credential: credential_type(),
            next_slot: any::<u16>(),
        })
        .prop_map(Credential::CredentialReport),
        fields!(user_credential::LearnStart {
            place: place(),
            operation: operation(),
            timeout_seconds: any::<u8>(),
        })
        .prop_map(Credential::LearnStart),
        fields!(user_credential::LearnReport {
            status: any::<u8>().prop_map(user_credential::LearnStatus::from_byte),
            place: place(),
            steps_remaining: any::<u8>(),
        })
        .prop_map(Credential::LearnReport),
        association().prop_map(Credential::AssociationSet),
        fields!(user_credential::AssociationReport {
            association: association(),
            status: any::<u8>(),
        })
        .prop_map(Credential::AssociationReport),
    ]
}

fn checksums_and_admin() -> impl Strategy<Value = user_credential::Command> {
    use user_credential::Command as Credential;
    prop_oneof![
        prop::sample::select(vec![
            Credential::LearnCancel,
            Credential::AllUsersChecksumGet,
            Credential::AdminCodeGet,
        ]),
        any::<u16>().prop_map(Credential::AllUsersChecksumReport),
        any::<u16>().prop_map(Credential::UserChecksumGet),
        fields!(user_credential::UserChecksum {
            user: any::<u16>(),
            checksum: any::<u16>(),
        })
        .prop_map(Credential::UserChecksumReport),
        credential_type().prop_map(Credential::CredentialChecksumGet),
        fields!(user_credential::CredentialChecksum {
            credential: credential_type(),
            checksum: any::<u16>(),
        })
        .prop_map(Credential::CredentialChecksumReport),
        secret(16).prop_map(Credential::AdminCodeSet),
        fields!(user_credential::AdminCodeReport {
            result: 0..16u8,
            code: secret(16),
        })
        .prop_map(Credential::AdminCodeReport),
    ]
}

pub(super) fn notification() -> impl Strategy<Value = Command> {
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

pub(super) fn battery() -> impl Strategy<Value = Command> {
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
