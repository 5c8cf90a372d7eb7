//! Any command of the classes that manage nodes and carry other commands.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{
    Command, Unknown, application_status, association, basic, crc16, device_reset_locally,
    manufacturer_specific, multi_channel, multi_channel_association, multi_command, supervision, time,
    time_parameters, transport_service, version, wake_up, zwave_plus_info,
};
use super::{bytes, class_list, duration, u24};

pub(super) fn basic() -> impl Strategy<Value = Command> {
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

pub(super) fn application_status() -> impl Strategy<Value = Command> {
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

pub(super) fn transport_service() -> impl Strategy<Value = Command> {
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

pub(super) fn zwave_plus_info() -> impl Strategy<Value = Command> {
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

pub(super) fn multi_channel() -> impl Strategy<Value = Command> {
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

pub(super) fn supervision() -> impl Strategy<Value = Command> {
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

pub(super) fn manufacturer_specific() -> impl Strategy<Value = Command> {
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

pub(super) fn wake_up() -> impl Strategy<Value = Command> {
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

pub(super) fn association() -> impl Strategy<Value = Command> {
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

pub(super) fn multi_channel_association() -> impl Strategy<Value = Command> {
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

pub(super) fn version() -> impl Strategy<Value = Command> {
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

pub(super) fn time() -> impl Strategy<Value = Command> {
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

pub(super) fn time_parameters() -> impl Strategy<Value = Command> {
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

pub(super) fn the_rest() -> impl Strategy<Value = Command> {
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
