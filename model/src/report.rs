//! What a radio tells the mind. Every report is something that a device or dongle said or failed to say.

use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmSignal, Hazard};
use crate::code::CodeReport;
use crate::dongle::DongleMemory;
use crate::id::{CommandId, DeviceAddress};
use crate::inclusion::{InclusionProgress, Security};
use crate::lock::{BoltState, DoorState, LinkState, LockCapabilities, Via};
use crate::log::{LogEnd, LogRecord};
use crate::unit::{BatteryPercent, CodeSlot};

/// What a device is to the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// It has a bolt.
    Lock,
    /// It detects smoke, CO or heat.
    Alarm,
    /// Something else; kept, shown, not used.
    Other,
}

/// What a device is and can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDescription {
    /// What it is to the household.
    pub kind: DeviceKind,
    /// Maker and model, as far as known, for people.
    pub model: String,
    /// How well its link is protected. A lock with `None` is never actuated.
    pub security: Security,
    /// What the lock can do; default for other kinds.
    pub lock: LockCapabilities,
    /// What the detector warns of; empty for other kinds.
    pub hazards: Vec<Hazard>,
}

/// The state of a radio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RadioState {
    /// Opening the port or asking the dongle what it is.
    Starting,
    /// The dongle works.
    Ready,
    /// The dongle is there but does not do its work; the hub is trying to bring it back.
    Failing {
        /// One sentence: what is wrong, what the hub does, what a person can do.
        reason: String,
    },
    /// The port cannot be opened; the hub keeps trying.
    Away {
        /// One sentence: what is wrong, what the hub does, what a person can do.
        reason: String,
    },
}

/// How far an actuation got. Each is evidence: nothing is assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActuationStep {
    /// The command's frame was handed to the dongle.
    Sent,
    /// The lock's radio acknowledged the frame, or the lock said that it is working on it.
    Acknowledged,
    /// The lock confirmed the end of the movement (Supervision Success, or a report of the wanted state).
    Done,
    /// The lock refused it.
    Refused {
        /// One sentence.
        reason: String,
    },
    /// The lock tried and could not finish.
    Jammed,
    /// The lock did not answer; its state is unknown.
    NoAnswer {
        /// One sentence.
        reason: String,
    },
    /// The order's time was over before it could be sent; nothing was sent.
    Expired,
}

/// What a lock said by itself or when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockSignal {
    /// The bolt's state, and how it came about where the lock said so.
    Bolt {
        /// The state.
        bolt: BoltState,
        /// By what; `Source::Unknown` when the lock was only asked.
        via: Via,
    },
    /// The bolt's state when asked: a reading, not an operation.
    BoltRead(BoltState),
    /// The door leaf was opened or closed.
    Door(DoorState),
    /// Where the door leaf is, when asked: a reading, not an operation.
    DoorRead(DoorState),
    /// Somebody tampers with it.
    Tampered,
    /// A wrong code was entered.
    KeypadDenied(Option<CodeSlot>),
    /// Too many wrong codes: the keypad is shut for a while.
    KeypadLockedOut,
}

/// What is known of a lock's own relocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// It does not lock by itself.
    Suspended,
    /// It locks by itself as it did before, or never did.
    Normal,
    /// It locks by itself and cannot be kept from it.
    NotSupported,
}

/// Why a device left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalCause {
    /// Somebody excluded it.
    Excluded,
    /// It was reset and said so.
    ResetLocally,
    /// It did not answer and a person removed it.
    Failed,
    /// The dongle no longer knows it.
    Unknown,
}

/// One thing that a radio tells the mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The radio's own state.
    Radio(RadioState),
    /// A device is in the network and this is what it is; sent again whenever that changes and at each start.
    Device {
        /// Its address.
        device: DeviceAddress,
        /// What it is.
        description: DeviceDescription,
        /// Whether it was included just now (not known from before).
        fresh: bool,
    },
    /// A device left the network.
    Removed {
        /// Its address.
        device: DeviceAddress,
        /// Why.
        cause: RemovalCause,
    },
    /// A device spoke. `signal` is what it said.
    Lock {
        /// The lock.
        device: DeviceAddress,
        /// What it said.
        signal: LockSignal,
    },
    /// A detector spoke.
    Alarm {
        /// The detector.
        device: DeviceAddress,
        /// What it said.
        signal: AlarmSignal,
        /// Whether the message came over an authenticated link; false never unlocks anything.
        authenticated: bool,
        /// The bytes of the application command as received, for the evidence.
        frame: Vec<u8>,
    },
    /// A device has something wrong that is not danger: tamper, hardware or power trouble, in one sentence.
    Trouble {
        /// The device.
        device: DeviceAddress,
        /// What, for people.
        what: String,
    },
    /// A battery level.
    Battery {
        /// The device.
        device: DeviceAddress,
        /// The level.
        level: BatteryPercent,
    },
    /// Whether a device answers.
    Link {
        /// The device.
        device: DeviceAddress,
        /// The link.
        link: LinkState,
    },
    /// How an actuation goes on.
    Actuation {
        /// Which.
        command: CommandId,
        /// How far.
        step: ActuationStep,
    },
    /// Something of a lock's codes.
    Codes {
        /// The lock.
        device: DeviceAddress,
        /// What.
        report: CodeReport,
    },
    /// A lock's own record was read.
    Log {
        /// The lock.
        device: DeviceAddress,
        /// What is new in it, the newest first; nothing when it was broken off.
        records: Vec<LogRecord>,
        /// How the reading ended.
        end: LogEnd,
        /// How many frames it cost, both ways.
        frames: u32,
    },
    /// Whether a lock's own relocking is suspended now.
    AutoRelock {
        /// The lock.
        device: DeviceAddress,
        /// What the lock confirmed.
        hold: HoldState,
    },
    /// What becomes of an order about the dongle's memory.
    Dongle(DongleMemory),
    /// Where the inclusion stands.
    Inclusion(InclusionProgress),
    /// Where the exclusion stands.
    Exclusion(InclusionProgress),
}
