//! The codes, tags and fingers that a lock keeps: what the mind asks of them and what the lock says.
//!
//! A lock keeps each in a slot. Configuration is level-triggered: the mind repeats its wish until the lock reports
//! that it is so. A radio never writes or clears a slot unless it was ordered to, each time anew.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::person::{CredentialKind, Pin};
use crate::schedule::LockSchedule;
use crate::unit::CodeSlot;

/// Names one place in which a lock keeps a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotKey {
    /// What is kept there.
    pub kind: CredentialKind,
    /// Where.
    pub slot: CodeSlot,
}

impl SlotKey {
    /// The PIN slot of this number.
    pub const fn pin(slot: CodeSlot) -> Self {
        Self {
            kind: CredentialKind::Pin,
            slot,
        }
    }
}

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slot {}", self.kind.as_str(), self.slot.number())
    }
}

/// What a lock said of a slot. Without a report a slot is `Unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SlotContent {
    /// Nobody reported it.
    #[default]
    Unknown,
    /// Nothing is kept there.
    Empty,
    /// A PIN that the lock showed.
    Pin {
        /// The PIN.
        pin: Pin,
        /// Whether it opens the door.
        enabled: bool,
    },
    /// Something is kept there that the lock does not show: a masked PIN, a tag, a finger.
    Hidden {
        /// Whether it opens the door.
        enabled: bool,
    },
}

impl SlotContent {
    /// Whether the lock said that something is kept there.
    pub const fn is_occupied(&self) -> bool {
        match self {
            Self::Unknown | Self::Empty => false,
            Self::Pin { .. } | Self::Hidden { .. } => true,
        }
    }
}

/// What may be in a slot that is written, or into which a tag or finger is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// Nothing, or the PIN that is written: nothing of ours was ever there, so what is there now is somebody else's and
    /// stays.
    Nothing,
    /// Anything: something of ours was there. A code that somebody else put in its place is told before it goes.
    Anything,
}

/// What a slot shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotWish {
    /// The PIN.
    pub pin: Pin,
    /// The person's name, for locks that keep names; the radio shortens it to what the lock takes.
    pub name: String,
    /// The schedule that the lock shall keep for it.
    pub schedule: LockSchedule,
    /// What may be there before.
    pub over: Over,
}

impl SlotWish {
    /// Whether it may take the place of what the slot was just seen to hold. What the lock does not say hinders nothing.
    pub fn may_replace(&self, seen: &SlotContent) -> bool {
        let same = match seen {
            SlotContent::Empty | SlotContent::Unknown => true,
            SlotContent::Pin { pin, .. } => *pin == self.pin,
            SlotContent::Hidden { .. } => false,
        };
        same || self.over == Over::Anything
    }
}

/// Names one order about codes until its end. Given by the mind, unique while the hub runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeTaskId(pub u64);

/// One order about a lock's codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeTask {
    /// Find out what every slot holds, by the cheapest way that the lock offers: when the lock's checksum is `known`,
    /// nothing more is read. Ends as `Done` after a report of every occupied slot; slots that were not reported are
    /// empty then.
    ReadAll {
        /// The checksum of the last complete read, as the radio reported it.
        known: Option<CodeChecksum>,
    },
    /// Read one slot.
    Read(SlotKey),
    /// Read one slot, which is told as [`CodeReport::Found`]; write it and its schedule, unless something is there that it
    /// may not take the place of; then read both back. A code that restricts is never valid without its
    /// restriction: it is written disabled, or its schedule first, as the lock allows.
    Write {
        /// Where.
        key: SlotKey,
        /// What.
        wish: SlotWish,
    },
    /// Make one slot and its schedule empty, then read it back.
    Clear(SlotKey),
    /// Read one slot, and unless something is there that it may not take the place of, put the lock into the mode in which
    /// the next tag or finger is learnt into it; then read it back.
    Enrol {
        /// Where.
        key: SlotKey,
        /// What may be there before.
        over: Over,
    },
    /// Give the user of one slot another name and read that back; what the slot holds and when it opens stay untouched.
    /// For locks that keep names.
    Name {
        /// Where.
        key: SlotKey,
        /// The person's name; the radio shortens it to what the lock takes.
        name: String,
    },
}

impl CodeTask {
    /// The slot that it is about; `None` when it is about all.
    pub const fn key(&self) -> Option<SlotKey> {
        match self {
            Self::ReadAll { .. } => None,
            Self::Read(key)
            | Self::Write { key, .. }
            | Self::Clear(key)
            | Self::Enrol { key, .. }
            | Self::Name { key, .. } => Some(*key),
        }
    }
}

/// A checksum over all codes of a lock, in the lock's own formula.
///
/// Spec: CC:0063.02.18, CC:0083.01.14
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CodeChecksum(pub u32);

/// How an order about codes ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeTaskEnd {
    /// The lock acknowledged it; what it holds now was reported before this.
    Done,
    /// The lock refused it.
    Refused {
        /// Why.
        reason: CodeRefusal,
    },
    /// The lock did not answer. What it holds is not known for sure.
    NoAnswer {
        /// One sentence.
        reason: String,
        /// Whether anything left for the lock that may change what it holds. When not, it was asked at most.
        left: bool,
    },
}

/// Why a lock refused an order about codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeRefusal {
    /// It keeps no such slot.
    NoSuchSlot,
    /// It has the same code in another slot already.
    Duplicate,
    /// The PIN is too short, too long or not to the lock's taste.
    BadPin,
    /// It cannot keep this schedule.
    BadSchedule,
    /// It cannot do that at all.
    NotSupported,
    /// Anything else, in one sentence.
    Other(String),
}

/// What a radio tells of a lock's codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeReport {
    /// What a slot holds, as the lock said when it was asked.
    Slot {
        /// Which.
        key: SlotKey,
        /// What it holds.
        content: SlotContent,
        /// The schedule that the lock keeps for it, where it was asked for.
        schedule: Option<LockSchedule>,
    },
    /// What a slot holds that is about to be written, as the lock said just before.
    Found {
        /// Which.
        key: SlotKey,
        /// What it holds.
        content: SlotContent,
    },
    /// The lock's checksum over all its codes, as of the slots just reported.
    Checksum(CodeChecksum),
    /// The lock said by itself that somebody changed a slot, at the keypad or by another controller.
    Changed {
        /// Which; `None` when the lock did not say, or when it was all of them.
        key: Option<SlotKey>,
        /// How.
        change: CodeChange,
    },
    /// An order ended.
    Ended {
        /// Which.
        task: CodeTaskId,
        /// How.
        end: CodeTaskEnd,
        /// How many frames it cost on the air, both ways.
        frames: u32,
    },
}

/// How somebody changed a lock's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeChange {
    /// A code was added.
    Added,
    /// A code was changed.
    Changed,
    /// A code was deleted.
    Deleted,
    /// Every code was deleted.
    AllDeleted,
    /// A code was refused because it is in use already.
    DuplicateRefused,
    /// The master code was changed.
    MasterChanged,
}

/// What a lock can do with codes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeCapabilities {
    /// Whether it is still being asked: the rest is then what was known before, or nothing.
    pub asking: bool,
    /// How many PINs it keeps.
    pub pin_slots: u16,
    /// How many tags it keeps.
    pub rfid_slots: u16,
    /// How many fingers it keeps.
    pub finger_slots: u16,
    /// The shortest PIN that it takes.
    pub pin_digits_min: u8,
    /// The longest PIN that it takes.
    pub pin_digits_max: u8,
    /// How many windows of the week it keeps for each slot; 0 for none.
    pub weekly_per_slot: u8,
    /// How many spans between two dates it keeps for each slot; 0 for none.
    pub dated_per_slot: u8,
    /// Whether one slot may have windows of the week and a span at the same time.
    pub both_schedules: bool,
    /// Whether it tells a checksum over all its codes.
    pub checksum: bool,
    /// Whether it runs on batteries and has to be woken for every frame.
    pub battery: bool,
    /// Whether it keeps the name of each slot's user.
    pub names: bool,
}

impl Default for CodeCapabilities {
    fn default() -> Self {
        Self {
            asking: false,
            pin_slots: 0,
            rfid_slots: 0,
            finger_slots: 0,
            pin_digits_min: 4,
            pin_digits_max: 10,
            weekly_per_slot: 0,
            dated_per_slot: 0,
            both_schedules: false,
            checksum: false,
            battery: false,
            names: false,
        }
    }
}
