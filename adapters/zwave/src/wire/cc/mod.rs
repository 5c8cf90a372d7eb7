//! Command classes, one file each, both directions: what a host sends and what a device answers.
//!
//! [`Command::parse`] is lenient, because an event that cannot be read is an event lost: longer payloads of later
//! versions and shorter ones of earlier versions are accepted, unknown values are kept. A command that is not known
//! at all is [`Command::Unknown`]. [`Command::emit`] gives bytes that parse back to the same value; lists longer than
//! their length field allows are cut. Bytes that may hold a PIN are never printed by `Debug`.

use std::fmt;

use super::reader::Reader;

pub mod active_schedule;
pub mod application_status;
pub mod association;
pub mod basic;
pub mod battery;
pub mod class;
pub mod codec;
pub mod crc16;
pub mod device_reset_locally;
pub mod door_lock;
pub mod door_lock_logging;
pub mod lock;
pub mod manufacturer_specific;
pub mod multi_channel;
pub mod multi_channel_association;
pub mod multi_command;
pub mod node_info;
pub mod notification;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod round_trip;
pub mod schedule_entry_lock;
pub mod supervision;
pub mod time;
pub mod time_parameters;
pub mod transport_service;
pub mod user_code;
pub mod user_credential;
pub mod version;
pub mod wake_up;
pub mod zwave_plus_info;

pub use codec::{Duration, Fault, ParseError};

/// A command that this program does not know, or one of the security classes.
#[derive(Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The command class.
    pub class: u8,
    /// The command.
    pub command: u8,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Unknown({:#04x} {:#04x} {:?})",
            self.class,
            self.command,
            codec::Hidden(&self.payload)
        )
    }
}

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $module:ident, $class:ident;)*) => {
        /// A command of any class.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(clippy::enum_variant_names, reason = "Multi Command is the name of a command class")]
        pub enum Command {
            /// A ping.
            ///
            /// Spec: CC:0000
            NoOperation,
            $($(#[$doc])* $variant($module::Command),)*
            /// Neither of these.
            Unknown(Unknown),
        }

        impl Command {
            /// The command's class.
            pub const fn class(&self) -> u8 {
                match self {
                    Self::NoOperation => class::NO_OPERATION,
                    $(Self::$variant(_) => class::$class,)*
                    Self::Unknown(unknown) => unknown.class,
                }
            }

            /// The command as bytes, from its class on.
            pub fn emit(&self) -> Vec<u8> {
                let mut out = vec![self.class()];
                match self {
                    Self::NoOperation => {}
                    $(Self::$variant(command) => command.emit(&mut out),)*
                    Self::Unknown(unknown) => {
                        out.push(unknown.command);
                        out.extend_from_slice(&unknown.payload);
                    }
                }
                out
            }

            fn parse_known(class: u8, command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
                match class {
                    $(class::$class => Ok($module::Command::parse(command, reader)?.map(Self::$variant)),)*
                    _ => Ok(None),
                }
            }
        }

        $(impl From<$module::Command> for Command {
            fn from(command: $module::Command) -> Self {
                Self::$variant(command)
            }
        })*
    };
}

commands! {
    /// Spec: CC:0020
    Basic = basic, BASIC;
    /// Spec: CC:0022
    ApplicationStatus = application_status, APPLICATION_STATUS;
    /// Spec: CC:004C
    DoorLockLogging = door_lock_logging, DOOR_LOCK_LOGGING;
    /// Spec: CC:004E
    ScheduleEntryLock = schedule_entry_lock, SCHEDULE_ENTRY_LOCK;
    /// Spec: CC:0055
    TransportService = transport_service, TRANSPORT_SERVICE;
    /// Spec: CC:0056
    Crc16 = crc16, CRC16;
    /// Spec: CC:005A
    DeviceResetLocally = device_reset_locally, DEVICE_RESET_LOCALLY;
    /// Spec: CC:005E
    ZWavePlusInfo = zwave_plus_info, ZWAVE_PLUS_INFO;
    /// Spec: CC:0060
    MultiChannel = multi_channel, MULTI_CHANNEL;
    /// Spec: CC:0062
    DoorLock = door_lock, DOOR_LOCK;
    /// Spec: CC:0063
    UserCode = user_code, USER_CODE;
    /// Spec: CC:006C
    Supervision = supervision, SUPERVISION;
    /// Spec: CC:0071
    Notification = notification, NOTIFICATION;
    /// Spec: CC:0072
    ManufacturerSpecific = manufacturer_specific, MANUFACTURER_SPECIFIC;
    /// Spec: CC:0076
    Lock = lock, LOCK;
    /// Spec: CC:0080
    Battery = battery, BATTERY;
    /// Spec: CC:0083
    UserCredential = user_credential, USER_CREDENTIAL;
    /// Spec: CC:0084
    WakeUp = wake_up, WAKE_UP;
    /// Spec: CC:0085
    Association = association, ASSOCIATION;
    /// Spec: CC:0086
    Version = version, VERSION;
    /// Spec: CC:008A
    Time = time, TIME;
    /// Spec: CC:008B
    TimeParameters = time_parameters, TIME_PARAMETERS;
    /// Spec: CC:008E
    MultiChannelAssociation = multi_channel_association, MULTI_CHANNEL_ASSOCIATION;
    /// Spec: CC:008F
    MultiCommand = multi_command, MULTI_COMMAND;
    /// Spec: CC:00A4
    ActiveSchedule = active_schedule, ACTIVE_SCHEDULE;
}

impl Command {
    /// Reads one command, from its class on.
    ///
    /// # Errors
    /// When there are no bytes, a class without a command, or a known command that ends too early.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let class = reader.u8("command class").map_err(|_| ParseError::Empty)?;
        if class == class::NO_OPERATION {
            return Ok(Self::NoOperation);
        }
        let command = reader
            .u8("command")
            .map_err(|_| ParseError::NoCommand { class })?;
        let payload = reader.rest();
        match Self::parse_known(class, command, &mut reader) {
            Ok(Some(known)) => Ok(known),
            Ok(None) => Ok(Self::Unknown(Unknown {
                class,
                command,
                payload: payload.to_vec(),
            })),
            Err(fault) => Err(ParseError::Malformed {
                class,
                command,
                fault,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use hubd_model::SecretBytes;

    use super::*;

    /// A PIN may hide in every command that carries one, or carries another command.
    #[test]
    fn no_command_prints_a_pin() {
        const PIN: &[u8] = b"73519";
        let secret = || SecretBytes::new(PIN.to_vec());
        let code = user_code::UserCode {
            user: 3,
            status: user_code::UserStatus::Enabled,
            code: secret(),
        };
        let extended = user_code::ExtendedUserCode {
            user: 3,
            status: user_code::UserStatus::Enabled,
            code: secret(),
        };
        let set = Command::from(user_code::Command::Set(code.clone())).emit();
        let record = [
            vec![0x4C, 0x04, 1, 0x07, 0xEA, 11, 22, 0x24, 31, 5, 0x02, 3, 5],
            PIN.to_vec(),
        ]
        .concat();
        let segment = transport_service::FirstSegment {
            datagram_size: 8,
            session: 1,
            extension: vec![],
            payload: set.clone(),
        };
        let commands: Vec<Command> = vec![
            user_code::Command::Set(code.clone()).into(),
            user_code::Command::Report(code).into(),
            user_code::Command::ExtendedSet(vec![extended]).into(),
            user_code::Command::AdminCodeSet(secret()).into(),
            supervision::Command::Get(supervision::Get {
                session: 1,
                status_updates: true,
                command: set.clone(),
            })
            .into(),
            multi_channel::Command::Encapsulation(multi_channel::Encapsulation {
                source: 0,
                destination: multi_channel::Destination::One(1),
                command: set.clone(),
            })
            .into(),
            multi_channel::Command::InstanceEncapsulation(multi_channel::InstanceEncapsulation {
                instance: 1,
                command: set.clone(),
            })
            .into(),
            multi_command::Command::Encapsulation(vec![set.clone()]).into(),
            crc16::Command::Encapsulation(set.clone()).into(),
            transport_service::Command::FirstSegment(segment).into(),
            Command::parse(&[vec![0x71, 5, 0, 0, 0, 0xFF, 6, 6, 9], set].concat()).unwrap(),
            Command::parse(&record).unwrap(),
            Command::parse(&[vec![0x83, 0x0A, 0, 3, 1, 0, 1, 0, 5], PIN.to_vec()].concat()).unwrap(),
        ];
        for command in commands {
            assert!(
                command.emit().windows(PIN.len()).any(|window| window == PIN),
                "{command:?}"
            );
            for printed in [
                format!("{command:?}"),
                format!("{command:#?}").replace(['\n', ' '], ""),
            ] {
                for told in ["73519", "55, 51, 53", "55,51,53", "3733353139"] {
                    assert!(!printed.contains(told), "{printed}");
                }
            }
        }
    }
}
