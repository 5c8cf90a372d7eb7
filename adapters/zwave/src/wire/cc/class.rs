//! The numbers of the command classes that hubd knows.
//!
//! Spec: Z-Wave Command Class Specification, list of assigned command classes.

/// No Operation: a ping.
pub const NO_OPERATION: u8 = 0x00;
/// Basic.
pub const BASIC: u8 = 0x20;
/// Application Status.
pub const APPLICATION_STATUS: u8 = 0x22;
/// Door Lock Logging.
pub const DOOR_LOCK_LOGGING: u8 = 0x4C;
/// Schedule Entry Lock.
pub const SCHEDULE_ENTRY_LOCK: u8 = 0x4E;
/// Transport Service.
pub const TRANSPORT_SERVICE: u8 = 0x55;
/// CRC-16 Encapsulation.
pub const CRC16: u8 = 0x56;
/// Association Group Information.
pub const ASSOCIATION_GROUP_INFO: u8 = 0x59;
/// Device Reset Locally.
pub const DEVICE_RESET_LOCALLY: u8 = 0x5A;
/// Z-Wave Plus Info.
pub const ZWAVE_PLUS_INFO: u8 = 0x5E;
/// Multi Channel, in its first version Multi Instance.
pub const MULTI_CHANNEL: u8 = 0x60;
/// Door Lock.
pub const DOOR_LOCK: u8 = 0x62;
/// User Code.
pub const USER_CODE: u8 = 0x63;
/// Supervision.
pub const SUPERVISION: u8 = 0x6C;
/// Configuration.
pub const CONFIGURATION: u8 = 0x70;
/// Notification, in its first two versions Alarm.
pub const NOTIFICATION: u8 = 0x71;
/// Manufacturer Specific.
pub const MANUFACTURER_SPECIFIC: u8 = 0x72;
/// Powerlevel.
pub const POWERLEVEL: u8 = 0x73;
/// Lock.
pub const LOCK: u8 = 0x76;
/// Firmware Update Meta Data.
pub const FIRMWARE_UPDATE: u8 = 0x7A;
/// Battery.
pub const BATTERY: u8 = 0x80;
/// User Credential.
pub const USER_CREDENTIAL: u8 = 0x83;
/// Wake Up.
pub const WAKE_UP: u8 = 0x84;
/// Association.
pub const ASSOCIATION: u8 = 0x85;
/// Version.
pub const VERSION: u8 = 0x86;
/// Indicator.
pub const INDICATOR: u8 = 0x87;
/// Time.
pub const TIME: u8 = 0x8A;
/// Time Parameters.
pub const TIME_PARAMETERS: u8 = 0x8B;
/// Multi Channel Association.
pub const MULTI_CHANNEL_ASSOCIATION: u8 = 0x8E;
/// Multi Command.
pub const MULTI_COMMAND: u8 = 0x8F;
/// Security 0.
pub const SECURITY: u8 = 0x98;
/// Security 2.
pub const SECURITY_2: u8 = 0x9F;
/// Active Schedule.
pub const ACTIVE_SCHEDULE: u8 = 0xA4;
/// The mark in lists of classes between supported and controlled ones; not a class.
pub const SUPPORT_CONTROL_MARK: u8 = 0xEF;
