//! What is known of how a lock keeps codes: learned by the interview, kept in the node cache, and what follows from it.

use hubd_model::{CodeCapabilities, CredentialKind, LockSchedule};
use serde::{Deserialize, Serialize};

use super::schedule::{self, Dialect, Entry, Kind, ScheduleSlots};
use crate::node::Node;
use crate::wire::cc::class;
use crate::wire::cc::user_credential::CredentialType;

/// What a lock with User Code version 2 can do.
///
/// Spec: CC:0063.02.07
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserCodeFeatures {
    /// Whether a code may be kept without opening the door.
    pub disables: bool,
    /// Whether it gives a checksum over all codes.
    pub checksum: bool,
    /// Whether it reports several codes in one frame.
    pub bulk: bool,
}

/// What a lock with User Credential can do with users.
///
/// Spec: CC:0083.01.02
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CredentialUsers {
    /// How many users it keeps.
    pub users: u16,
    /// The longest name in bytes.
    pub name_bytes_max: u8,
    /// Whether it gives a checksum over all users and their credentials.
    pub checksum: bool,
}

/// What a lock with User Credential can do with one kind of credential.
///
/// Spec: CC:0083.01.04
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRoom {
    /// The kind's number.
    pub kind: u8,
    /// How many it keeps.
    pub slots: u16,
    /// The shortest in bytes.
    pub bytes_min: u8,
    /// The longest in bytes.
    pub bytes_max: u8,
    /// Whether the lock reads it in itself.
    pub learns: bool,
    /// How many seconds reading one in should be given; 0 when the lock did not say.
    pub learn_seconds: u8,
    /// In how many steps one is read in.
    pub learn_steps: u8,
}

/// What a lock with User Credential can do with credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CredentialRooms {
    /// Whether it gives a checksum over the credentials of a kind.
    pub checksum: bool,
    /// The kinds that it keeps.
    pub rooms: Vec<CredentialRoom>,
}

/// The class by which a lock keeps its codes, with what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    UserCode(UserCodeFacts),
    Credential(CredentialFacts),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserCodeFacts {
    pub(crate) version: u8,
    pub(crate) features: UserCodeFeatures,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialFacts {
    pub(crate) users: CredentialUsers,
    pub(crate) rooms: CredentialRooms,
}

/// What a programme has to know of its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockFacts {
    pub(crate) by: By,
    pub(crate) pins: u16,
    pub(crate) tags: u16,
    pub(crate) fingers: u16,
    pub(crate) digits_min: usize,
    pub(crate) digits_max: usize,
    /// Which schedules it keeps for each user, and how.
    pub(crate) schedules: Option<(Dialect, ScheduleSlots)>,
}

/// The digits of a code in User Code. Spec: CC:0063.01.01
const USER_CODE_DIGITS: std::ops::RangeInclusive<u8> = 4..=10;
/// Tags and fingers have users of their own; of the lock's users, at most so large a part each.
const SHARE_OF_USERS: u16 = 4;
/// A schedule's user has one byte in Schedule Entry Lock.
const ENTRY_LOCK_USERS_MAX: u16 = 255;

impl LockFacts {
    /// How many slots of a kind are ours to write.
    pub(crate) const fn room(&self, kind: CredentialKind) -> u16 {
        match kind {
            CredentialKind::Pin => self.pins,
            CredentialKind::Rfid => self.tags,
            CredentialKind::Fingerprint => self.fingers,
        }
    }

    /// The highest slot of a kind that the lock has.
    pub(crate) fn reach(&self, kind: CredentialKind) -> u16 {
        match &self.by {
            By::UserCode(_) => self.room(kind),
            By::Credential(own) => own.room(kind).map_or(0, |room| room.slots),
        }
    }

    /// The user to whom a slot belongs.
    pub(crate) const fn user(&self, kind: CredentialKind, slot: u16) -> u16 {
        let before = match kind {
            CredentialKind::Pin => 0,
            CredentialKind::Rfid => self.pins,
            CredentialKind::Fingerprint => self.pins.saturating_add(self.tags),
        };
        before.saturating_add(slot)
    }

    /// A schedule as entries, where the lock can keep it.
    pub(crate) fn entries(&self, wish: &LockSchedule) -> Option<(Dialect, Kind, Vec<Entry>)> {
        let (dialect, slots) = self.schedules?;
        let (kind, entries) = schedule::entries(wish, slots)?;
        Some((dialect, kind, entries))
    }
}

impl CredentialFacts {
    pub(crate) fn room(&self, kind: CredentialKind) -> Option<&CredentialRoom> {
        let number = credential_type(kind).to_byte();
        self.rooms.rooms.iter().find(|room| room.kind == number)
    }
}

/// A kind as User Credential names it.
pub(crate) const fn credential_type(kind: CredentialKind) -> CredentialType {
    match kind {
        CredentialKind::Pin => CredentialType::Pin,
        CredentialKind::Rfid => CredentialType::Rfid,
        CredentialKind::Fingerprint => CredentialType::Finger,
    }
}

/// A kind that User Credential names, where the household has a word for it.
pub(crate) const fn credential_kind(kind: CredentialType) -> Option<CredentialKind> {
    match kind {
        CredentialType::Pin => Some(CredentialKind::Pin),
        CredentialType::Rfid => Some(CredentialKind::Rfid),
        CredentialType::Finger => Some(CredentialKind::Fingerprint),
        CredentialType::None
        | CredentialType::Password
        | CredentialType::Ble
        | CredentialType::Nfc
        | CredentialType::Uwb
        | CredentialType::Eye
        | CredentialType::Face
        | CredentialType::Hand
        | CredentialType::UnspecifiedBiometric
        | CredentialType::Desfire
        | CredentialType::Other(_) => None,
    }
}

/// The longest name that fits into a supervised frame under S2, for a lock that cannot put segments together.
const NAME_BYTES_UNSEGMENTED: u8 = 16;

impl Node {
    /// What a programme has to know of this lock; `None` while that is not known, or when it keeps no codes.
    pub(crate) fn lock_facts(&self) -> Option<LockFacts> {
        if !self.is_lock() {
            return None;
        }
        if self.supports(class::USER_CREDENTIAL) {
            self.credential_facts()
        } else {
            self.user_code_facts()
        }
    }

    fn user_code_facts(&self) -> Option<LockFacts> {
        if !self.supports(class::USER_CODE) {
            return None;
        }
        let version = self.version(class::USER_CODE);
        let features = self.user_code.unwrap_or_default();
        let (min, max) = USER_CODE_DIGITS.into_inner();
        let pins = self.pin_slots?;
        let entry_lock = self.supports(class::SCHEDULE_ENTRY_LOCK) && pins <= ENTRY_LOCK_USERS_MAX;
        let slots = self.schedule_slots.filter(|_| entry_lock);
        Some(LockFacts {
            by: By::UserCode(UserCodeFacts { version, features }),
            pins: if version >= 2 { pins } else { pins.min(255) },
            tags: 0,
            fingers: 0,
            digits_min: min.into(),
            digits_max: max.into(),
            schedules: slots.map(|slots| (Dialect::EntryLock, slots)),
        })
    }

    fn credential_facts(&self) -> Option<LockFacts> {
        let mut users = self.credential_users?;
        if !self.supports(class::TRANSPORT_SERVICE) {
            users.name_bytes_max = users.name_bytes_max.min(NAME_BYTES_UNSEGMENTED);
        }
        let own = CredentialFacts {
            users,
            rooms: self.credential_rooms.clone()?,
        };
        let slots = |kind| own.room(kind).map_or(0, |room| room.slots);
        let learnt = |kind| {
            own.room(kind)
                .filter(|room| room.learns)
                .map_or(0, |room| room.slots)
        };
        let share = users.users / SHARE_OF_USERS;
        let tags = learnt(CredentialKind::Rfid).min(share);
        let fingers = learnt(CredentialKind::Fingerprint).min(share);
        let pins = slots(CredentialKind::Pin).min(users.users.saturating_sub(tags + fingers));
        let (min, max) = own
            .room(CredentialKind::Pin)
            .map_or((4, 10), |room| (room.bytes_min, room.bytes_max));
        let active = self.supports(class::ACTIVE_SCHEDULE);
        Some(LockFacts {
            by: By::Credential(own),
            pins,
            tags,
            fingers,
            digits_min: min.into(),
            digits_max: max.into(),
            schedules: self
                .schedule_slots
                .filter(|_| active)
                .map(|slots| (Dialect::Active, slots)),
        })
    }

    /// What the lock can do with codes, for the mind.
    pub(crate) fn code_capabilities(&self) -> CodeCapabilities {
        let Some(facts) = self.lock_facts() else {
            let hidden = self.highest_class().is_some() && self.secure_classes.is_none();
            let offered = self.supports(class::USER_CODE) || self.supports(class::USER_CREDENTIAL);
            return CodeCapabilities {
                asking: self.is_lock() && (hidden || offered),
                battery: self.is_on_battery(),
                ..CodeCapabilities::default()
            };
        };
        let schedules = facts.schedules.map(|(_, slots)| slots).unwrap_or_default();
        let checksum = match &facts.by {
            By::UserCode(own) => own.features.checksum,
            By::Credential(own) => own.users.checksum || own.rooms.checksum,
        };
        let digits = |digits: usize| u8::try_from(digits).unwrap_or(u8::MAX);
        CodeCapabilities {
            asking: false,
            pin_slots: facts.pins,
            rfid_slots: facts.tags,
            finger_slots: facts.fingers,
            pin_digits_min: digits(facts.digits_min),
            pin_digits_max: digits(facts.digits_max),
            weekly_per_slot: schedules.windows(),
            dated_per_slot: schedules.spans(),
            // Entries of one user add up: they cannot narrow each other.
            both_schedules: false,
            checksum,
            battery: self.is_on_battery(),
            names: match &facts.by {
                By::UserCode(_) => false,
                By::Credential(own) => own.users.name_bytes_max > 0,
            },
        }
    }
}
