//! A lock in the household's words, after Matter's Door Lock cluster, the superset of the three radios.

use serde::{Deserialize, Serialize};

use crate::code::CodeCapabilities;
use crate::id::PersonId;
use crate::unit::CodeSlot;

/// What a lock said of its bolt. There is no optimistic value: without a report the state is `Unknown`.
///
/// Spec: Matter Application Clusters, Door Lock, `LockState`; jammed is its `LockJammed` alarm shown as a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoltState {
    /// Bolt out.
    Locked,
    /// Bolt in.
    Unlocked,
    /// Bolt in and latch held back.
    Unlatched,
    /// Neither fully out nor fully in.
    NotFullyLocked,
    /// The lock says that it could not finish the movement.
    Jammed,
    /// Nobody reported it, or the report says so.
    #[default]
    Unknown,
}

/// Whether the door leaf is open, from a door sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoorState {
    /// The leaf is open.
    Open,
    /// The leaf is closed.
    Closed,
    /// No sensor, or no report.
    #[default]
    Unknown,
}

/// Whether a device answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It answered, or spoke by itself, when last tried.
    Online,
    /// It did not answer when last tried.
    Offline,
    /// Not tried since the hub started, or the radio itself is away.
    #[default]
    Unknown,
}

/// What moved the bolt.
///
/// Spec: Matter Application Clusters, Door Lock, `OperationSourceEnum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A code at the keypad.
    Keypad,
    /// Thumb-turn or key.
    Manual,
    /// This hub, or another controller by radio.
    Remote,
    /// The lock's own auto-relock.
    Auto,
    /// A tag or card.
    Rfid,
    /// A finger.
    Fingerprint,
    /// The lock's own schedule.
    Schedule,
    /// The lock did not say.
    #[default]
    Unknown,
}

/// How a state came about: by what, with which slot, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Via {
    /// What moved the bolt.
    pub source: Source,
    /// The slot of the code or tag, where the lock said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<CodeSlot>,
    /// The person, where the slot is known to be theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
}

impl Via {
    /// By this source, nothing more known.
    pub const fn source(source: Source) -> Self {
        Self {
            source,
            slot: None,
            person: None,
        }
    }

    /// By this source with the code or tag in this slot.
    pub const fn slot(source: Source, slot: Option<CodeSlot>) -> Self {
        Self {
            source,
            slot,
            person: None,
        }
    }
}

/// What a person can ask of a bolt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockOp {
    /// Drive the bolt out.
    Lock,
    /// Draw the bolt in.
    Unlock,
    /// Draw the bolt in and hold the latch back, so that the door opens.
    Unlatch,
}

impl LockOp {
    /// The state that shows that the operation succeeded.
    pub const fn wanted(self) -> BoltState {
        match self {
            Self::Lock => BoltState::Locked,
            Self::Unlock => BoltState::Unlocked,
            Self::Unlatch => BoltState::Unlatched,
        }
    }

    /// The operation as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Unlatch => "unlatch",
        }
    }
}

/// A kind of schedule that a lock itself can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Windows that recur each week.
    Weekly,
    /// From one date to another.
    Dated,
}

/// What a lock can do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LockCapabilities {
    /// Whether it can hold the latch back.
    pub unlatch: bool,
    /// How many PINs it keeps; 0 when it keeps none.
    pub pin_slots: u16,
    /// Which schedules it keeps by itself.
    pub schedules: Vec<ScheduleKind>,
    /// Whether it keeps a log of its own.
    pub log: bool,
    /// What it can do with codes, in full.
    #[serde(default)]
    pub codes: CodeCapabilities,
}

impl LockCapabilities {
    /// While the lock is still being asked about codes, what was known of them before stays.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if !self.codes.asking {
            return self;
        }
        Self {
            pin_slots: before.pin_slots,
            schedules: before.schedules.clone(),
            codes: CodeCapabilities {
                asking: true,
                battery: self.codes.battery,
                ..before.codes.clone()
            },
            ..self
        }
    }
}
