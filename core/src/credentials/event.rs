//! What must be recorded of people, credentials and slots. No event has a PIN in it.

use hubd_model::{CodeChange, CredentialId, LockId, PersonId, SlotKey, UnixMillis};

use super::record::Proof;

/// What happened to a person or a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was added.
    Added,
    /// It was changed.
    Changed,
    /// It was removed; for a credential: from now on every lock is made free of it.
    Removed,
    /// It got a new PIN.
    Rotated,
    /// It was made of a foreign code.
    Adopted,
    /// An emergency code works now.
    Enabled,
    /// An emergency code works no more.
    Disabled,
    /// An emergency code that was used got a new PIN by itself.
    Replaced,
    /// The time from which it opens has come.
    Began,
    /// The time until which it opens has come.
    Expired,
    /// It has no use left.
    UsedUp,
    /// An emergency code that was used could not get a new PIN yet, so it opens nothing.
    NotReplaced,
    /// Every lock is proven free of it.
    Gone,
}

impl Change {
    /// The change as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Rotated => "rotated",
            Self::Adopted => "adopted",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Replaced => "replaced",
            Self::Began => "began",
            Self::Expired => "expired",
            Self::UsedUp => "used_up",
            Self::NotReplaced => "not_replaced",
            Self::Gone => "gone",
        }
    }

    /// Why the hub says so of itself, in one sentence; `None` where somebody did it, or there is nothing to add.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Began => Some("the time from which it opens has come"),
            Self::Expired => Some("the time until which it opens has come"),
            Self::Replaced => Some("it was used in an emergency, so whoever used it knows it"),
            Self::UsedUp => Some("it opened as often as it may"),
            Self::NotReplaced => Some(
                "it was used in an emergency and no new PIN was found that all its locks take, so it opens nothing; \
                 give it a PIN or other locks, or wait: the hub tries again",
            ),
            Self::Gone => Some("every lock is proven free of it"),
            Self::Added
            | Self::Changed
            | Self::Removed
            | Self::Rotated
            | Self::Adopted
            | Self::Enabled
            | Self::Disabled => None,
        }
    }
}

/// What a slot was made to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Synced {
    /// It holds what is wanted.
    Written(Proof),
    /// It is empty.
    Cleared,
    /// It learnt a tag or finger.
    Enrolled,
}

impl Synced {
    /// The state as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written(Proof::Read) => "written",
            Self::Written(Proof::Acknowledged | Proof::Vouched) => "written_unverifiable",
            Self::Cleared => "cleared",
            Self::Enrolled => "enrolled",
        }
    }
}

/// How a slot is not what was known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drift {
    /// What was written is not there any more.
    Missing,
    /// Something else is there.
    Replaced,
    /// The lock keeps another schedule.
    Schedule,
    /// It is there and does not open.
    Disabled,
    /// Somebody else put something into a free slot.
    ForeignAdded,
    /// Something foreign became something else.
    ForeignChanged,
    /// Something foreign is gone.
    ForeignRemoved,
}

impl Drift {
    /// The drift as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Replaced => "replaced",
            Self::Schedule => "schedule",
            Self::Disabled => "disabled",
            Self::ForeignAdded => "foreign_added",
            Self::ForeignChanged => "foreign_changed",
            Self::ForeignRemoved => "foreign_removed",
        }
    }
}

/// Something that happened to people, credentials or slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsEvent {
    /// A person was added, changed or removed.
    PersonChanged {
        /// Who.
        person: PersonId,
        /// Their name.
        name: String,
        /// What happened.
        change: Change,
        /// Who did it, for people.
        by: String,
    },
    /// A credential changed.
    CredentialChanged {
        /// Which.
        credential: CredentialId,
        /// Whose it is.
        person: PersonId,
        /// What happened.
        change: Change,
        /// Who did it, for people; the hub itself when `None`.
        by: Option<String>,
        /// When it was due by its schedule, where that is why.
        due: Option<UnixMillis>,
    },
    /// Somebody was shown a PIN.
    CredentialRevealed {
        /// Which.
        credential: CredentialId,
        /// Whose it is.
        person: PersonId,
        /// To whom.
        by: String,
    },
    /// A credential opened a door, and its uses are counted or it is for emergencies.
    CredentialUsed {
        /// Which.
        credential: CredentialId,
        /// Whose it is.
        person: PersonId,
        /// How often it opens yet.
        uses_left: Option<u32>,
    },
    /// A credential that shall not open doors opened one: it could not be taken off that lock yet.
    CredentialMisused {
        /// Which.
        credential: CredentialId,
        /// Whose it is.
        person: PersonId,
    },
    /// A slot is to be made something else; the beginning of its progress.
    SlotPending {
        /// The slot.
        key: SlotKey,
        /// For which credential; `None` when a foreign code goes.
        credential: Option<CredentialId>,
        /// Whose it is.
        person: Option<PersonId>,
        /// What is to be done: `write`, `clear`, `enrol`, `rename`.
        what: &'static str,
    },
    /// A slot is what is wanted: the end of its progress.
    SlotSynced {
        /// The slot.
        key: SlotKey,
        /// For which credential.
        credential: Option<CredentialId>,
        /// Whose it is.
        person: Option<PersonId>,
        /// What it was made.
        synced: Synced,
    },
    /// A slot is not what was known of it, and it was not the hub.
    SlotDrifted {
        /// The slot.
        key: SlotKey,
        /// Whose credential was there.
        credential: Option<CredentialId>,
        /// Whose it is.
        person: Option<PersonId>,
        /// How.
        drift: Drift,
    },
    /// A slot could not be made what is wanted for long: somebody should look.
    SlotStuck {
        /// The slot.
        key: SlotKey,
        /// For which credential.
        credential: Option<CredentialId>,
        /// Whose it is.
        person: Option<PersonId>,
        /// What could not be done: `write`, `clear`, `enrol`, `rename`.
        what: &'static str,
        /// How often it was tried.
        failures: u32,
        /// Why, in one sentence.
        reason: String,
    },
    /// A person decided about a foreign code.
    ForeignDecided {
        /// The slot.
        key: SlotKey,
        /// What shall become of it: `ignored`, `clear`.
        decision: &'static str,
        /// Who, for people.
        by: String,
    },
    /// Somebody changed a lock's codes at its keypad or with another controller, says the lock.
    CodesChanged {
        /// Which slot, where the lock said.
        key: Option<SlotKey>,
        /// How.
        change: CodeChange,
    },
    /// A lock lost every code of ours; it is filled again when a person says so.
    LockEmptied {
        /// How many codes it held.
        codes: u32,
    },
    /// A person said that a lock shall be filled.
    LockRefilled {
        /// The lock that it replaces.
        from: Option<LockId>,
        /// Who, for people.
        by: String,
    },
    /// A lock that is gone was given up; it may still hold codes.
    LockForgotten {
        /// Which.
        lock: LockId,
        /// How many codes it may still hold.
        codes: u32,
        /// Who, for people.
        by: String,
    },
}

impl CredentialsEvent {
    /// The event's stable name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PersonChanged { .. } => "person.changed",
            Self::CredentialChanged { .. } => "credential.changed",
            Self::CredentialRevealed { .. } => "credential.revealed",
            Self::CredentialUsed { .. } => "credential.used",
            Self::CredentialMisused { .. } => "credential.misused",
            Self::SlotPending { .. } => "slot.pending",
            Self::SlotSynced { .. } => "slot.synced",
            Self::SlotDrifted { .. } => "slot.drifted",
            Self::SlotStuck { .. } => "slot.stuck",
            Self::ForeignDecided { .. } => "slot.decided",
            Self::CodesChanged { .. } => "lock.codes_changed",
            Self::LockEmptied { .. } => "lock.codes_lost",
            Self::LockRefilled { .. } => "lock.refilled",
            Self::LockForgotten { .. } => "lock.forgotten",
        }
    }

    /// Who it is about.
    pub fn person(&self) -> Option<&PersonId> {
        match self {
            Self::PersonChanged { person, .. }
            | Self::CredentialChanged { person, .. }
            | Self::CredentialRevealed { person, .. }
            | Self::CredentialUsed { person, .. }
            | Self::CredentialMisused { person, .. } => Some(person),
            Self::SlotPending { person, .. }
            | Self::SlotSynced { person, .. }
            | Self::SlotDrifted { person, .. }
            | Self::SlotStuck { person, .. } => person.as_ref(),
            Self::ForeignDecided { .. }
            | Self::CodesChanged { .. }
            | Self::LockEmptied { .. }
            | Self::LockRefilled { .. }
            | Self::LockForgotten { .. } => None,
        }
    }
}
