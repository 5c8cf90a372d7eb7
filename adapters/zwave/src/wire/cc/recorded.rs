//! Commands as they travelled between an independent controller and independent simulated devices (zwave-js 15.29),
//! decrypted, and what that controller's own log says that they mean.

use std::collections::BTreeSet;

use hubd_model::{BatteryPercent, SecretBytes};

use super::door_lock::{
    CapabilitiesReport, Configuration, Details, DoorCondition, Handles, Mode, OperationReport, OperationType,
    Target, Timeout,
};
use super::node_info::{ClassList, NodeInfo};
use super::notification::{Get, Notification, Report, Selector, SupportedReport};
use super::{
    Command, Duration, association, battery, door_lock, door_lock_logging, manufacturer_specific,
    notification, schedule_entry_lock, supervision, user_code, version, zwave_plus_info,
};

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16).unwrap()).unwrap();
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

fn notified(notification_type: u8, event: u8, parameters: &[u8]) -> Command {
    let notification = Notification {
        zensor_node: 0,
        status: 0xFF,
        notification_type,
        event,
        parameters: parameters.to_vec(),
        sequence: None,
    };
    notification::Command::Report(Report {
        alarm_type: 0,
        alarm_level: 0,
        notification: Some(notification),
    })
    .into()
}

#[test]
fn commands_mean_what_the_peer_says() {
    let number = |major, minor| version::Number { major, minor };
    let all = Handles {
        outside: 0x0F,
        inside: 0x0F,
    };
    let pin = || SecretBytes::new(b"4711".to_vec());
    let table: Vec<(&str, Command)> = vec![
        ("00", Command::NoOperation),
        ("7204", manufacturer_specific::Command::Get.into()),
        (
            "7205fff000010001",
            manufacturer_specific::Command::Report(manufacturer_specific::Report {
                manufacturer: 0xFFF0,
                product_type: 1,
                product: 1,
            })
            .into(),
        ),
        (
            "861203070002030100",
            version::Command::Report(version::Report {
                library: 3,
                protocol: number(7, 0),
                firmware: number(2, 3),
                hardware: Some(version::Hardware {
                    version: 1,
                    firmwares: vec![],
                }),
            })
            .into(),
        ),
        ("861362", version::Command::CommandClassGet(0x62).into()),
        (
            "86146204",
            version::Command::CommandClassReport(version::CommandClassReport {
                class: 0x62,
                version: 4,
            })
            .into(),
        ),
        (
            "5e0202050000000000",
            zwave_plus_info::Command::Report(zwave_plus_info::Report {
                version: 2,
                role: zwave_plus_info::Role::AlwaysOnNode,
                node_type: 0,
                icons: Some(zwave_plus_info::Icons {
                    installer: 0,
                    user: 0,
                }),
            })
            .into(),
        ),
        (
            "800357",
            battery::Command::Report(battery::Report {
                level: battery::Level::Percent(BatteryPercent::new(87).unwrap()),
                condition: None,
            })
            .into(),
        ),
        ("850601", association::Command::GroupingsReport(1).into()),
        (
            "850301050001",
            association::Command::Report(association::Report {
                group: 1,
                max_nodes: 5,
                reports_to_follow: 0,
                nodes: vec![1],
            })
            .into(),
        ),
        (
            "620801020200ffff0700",
            door_lock::Command::CapabilitiesReport(CapabilitiesReport {
                operations: BTreeSet::from([OperationType::Constant.to_byte()]),
                modes: vec![Mode::Unsecured, Mode::Secured],
                handles: all,
                door: true,
                bolt: true,
                latch: true,
                block_to_block: false,
                twist_assist: false,
                hold_and_release: false,
                auto_relock: false,
            })
            .into(),
        ),
        (
            "620601fffefe",
            door_lock::Command::ConfigurationReport(Configuration {
                operation: OperationType::Constant,
                handles: all,
                timeout: Timeout::NONE,
                extension: None,
            })
            .into(),
        ),
        (
            "620300ff00fefe0000",
            door_lock::Command::OperationReport(OperationReport {
                mode: Mode::Unsecured,
                details: Some(Details {
                    handles: all,
                    condition: DoorCondition::from_byte(0),
                    timeout: Timeout::NONE,
                    target: Some(Target {
                        mode: Mode::Unsecured,
                        duration: Duration::from_secs(0),
                    }),
                }),
            })
            .into(),
        ),
        ("6201ff", door_lock::Command::OperationSet(Mode::Secured).into()),
        (
            "6307c107810308000000000000ff03",
            user_code::Command::CapabilitiesReport(user_code::CapabilitiesReport {
                admin_code: true,
                admin_code_deactivation: true,
                statuses: BTreeSet::from([0, 1, 2]),
                checksum: true,
                multiple_report: false,
                multiple_set: false,
                keypad_modes: BTreeSet::from([0, 1]),
                keys: (b'0'..=b'9').collect(),
            })
            .into(),
        ),
        (
            "6305140014",
            user_code::Command::UsersNumberReport(user_code::UsersNumberReport {
                users: 20,
                extended: Some(20),
            })
            .into(),
        ),
        (
            "631000",
            user_code::Command::AdminCodeReport(SecretBytes::new(vec![])).into(),
        ),
        (
            "630a00",
            user_code::Command::KeypadModeReport(user_code::KeypadMode::Normal).into(),
        ),
        ("63120000", user_code::Command::ChecksumReport(0).into()),
        (
            "630b010003010434373131",
            user_code::Command::ExtendedSet(vec![user_code::ExtendedUserCode {
                user: 3,
                status: user_code::UserStatus::Enabled,
                code: pin(),
            }])
            .into(),
        ),
        (
            "6303030134373131",
            user_code::Command::Report(user_code::UserCode {
                user: 3,
                status: user_code::UserStatus::Enabled,
                code: pin(),
            })
            .into(),
        ),
        (
            "7108024001",
            notification::Command::SupportedReport(SupportedReport {
                v1_alarm: false,
                types: BTreeSet::from([
                    notification::kind::ACCESS_CONTROL,
                    notification::kind::POWER_MANAGEMENT,
                ]),
            })
            .into(),
        ),
        (
            "710206037efa01",
            notification::Command::EventSupportedReport(notification::EventSupportedReport {
                notification_type: 6,
                events: BTreeSet::from([1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 14, 15, 16]),
            })
            .into(),
        ),
        (
            "7104000601",
            notification::Command::Get(Get {
                alarm_type: 0,
                notification: Some(Selector {
                    notification_type: 6,
                    event: Some(1),
                }),
            })
            .into(),
        ),
        ("7105000000ff06060103", notified(6, 6, &[3])),
        ("7105000000ff010200", notified(1, 2, &[])),
        (
            "4c0214",
            door_lock_logging::Command::RecordsSupportedReport(20).into(),
        ),
        (
            "4e0a070202",
            schedule_entry_lock::Command::SupportedReport(schedule_entry_lock::SupportedReport {
                week_day: 7,
                year_day: 2,
                daily_repeating: Some(2),
            })
            .into(),
        ),
        (
            "6c018a036201ff",
            supervision::Command::Get(supervision::Get {
                session: 10,
                status_updates: true,
                command: unhex("6201ff"),
            })
            .into(),
        ),
        (
            "6c0204ff00",
            supervision::Command::Report(supervision::Report {
                session: 4,
                more_updates: false,
                wake_up_request: false,
                status: supervision::Status::Success,
                duration: Duration::from_secs(0),
            })
            .into(),
        ),
        (
            "6c0181097105000000ff020200",
            supervision::Command::Get(supervision::Get {
                session: 1,
                status_updates: true,
                command: notified(2, 2, &[]).emit(),
            })
            .into(),
        ),
    ];
    for (hex, meant) in table {
        assert_eq!(Command::parse(&unhex(hex)).as_ref(), Ok(&meant), "{hex}");
        assert_eq!(meant.emit(), unhex(hex), "{hex}");
    }
}

#[test]
fn a_recorded_node_information_frame() {
    let bytes = unhex("0440035e86725a9f6c626371804c4e85");
    let supported = vec![
        0x5E, 0x86, 0x72, 0x5A, 0x9F, 0x6C, 0x62, 0x63, 0x71, 0x80, 0x4C, 0x4E, 0x85,
    ];
    let info = NodeInfo {
        basic: 4,
        generic: 0x40,
        specific: 3,
        classes: ClassList {
            supported,
            controlled: vec![],
        },
    };
    assert_eq!(NodeInfo::parse(&bytes).as_ref(), Ok(&info));
    assert_eq!(info.emit(), bytes);
}
