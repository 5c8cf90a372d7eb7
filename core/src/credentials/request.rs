//! What is asked of people and credentials, how it is answered and why it is refused.
//!
//! A change is a patch: what it does not mention stays as it is, so that no restriction is ever dropped unseen.

use std::collections::BTreeSet;

use hubd_model::{
    CodeCapabilities, CredentialId, CredentialKind, LockId, PersonId, Pin, Role, Schedule, SlotKey,
    UnixMillis, Usage, WeeklyWindow,
};
use thiserror::Error;

use super::hygiene::Weakness;
use super::record::Inventory;
use super::view::{CredentialView, PersonView};

/// One field of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// Changes the field.
    pub fn apply(self, field: &mut T) {
        match self {
            Self::Keep => {}
            Self::Set(value) => *field = value,
        }
    }

    /// Whether it changes anything.
    pub const fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }
}

/// A person to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// Their name, 1 to 64 characters.
    pub name: String,
    /// What they are to the household.
    pub role: Role,
    /// Whether they may have an account.
    pub may_sign_in: bool,
}

/// A change of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonPatch {
    /// Their name.
    pub name: Patch<String>,
    /// What they are to the household.
    pub role: Patch<Role>,
    /// Whether they may have an account.
    pub may_sign_in: Patch<bool>,
}

/// What a new credential opens the door with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewMeans {
    /// These digits.
    Pin(Pin),
    /// Digits that the hub draws; so many, or as many as all its locks take and six if they do.
    GeneratedPin {
        /// How many.
        digits: Option<u8>,
    },
    /// A tag or finger, to be enrolled at a lock.
    Enrolled(CredentialKind),
    /// A key of metal.
    MechanicalKey(Inventory),
    /// A fob.
    Fob(Inventory),
}

/// A credential to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCredential {
    /// Whose it is.
    pub person: PersonId,
    /// What people call it, at most 64 characters.
    pub label: String,
    /// What opens the door.
    pub means: NewMeans,
    /// What it is for.
    pub usage: Usage,
    /// When it opens.
    pub schedule: Schedule,
    /// How often it opens; `None` without limit.
    pub uses_left: Option<u32>,
    /// On which locks.
    pub locks: BTreeSet<LockId>,
}

/// A change of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchedulePatch {
    /// Not before this instant.
    pub from: Patch<Option<UnixMillis>>,
    /// Not at or after this instant.
    pub until: Patch<Option<UnixMillis>>,
    /// Only in these windows; none means the whole week.
    pub weekly: Patch<Vec<WeeklyWindow>>,
}

/// A change of a credential. Its person, means and PIN never change by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialPatch {
    /// What people call it.
    pub label: Patch<String>,
    /// What it is for.
    pub usage: Patch<Usage>,
    /// When it opens.
    pub schedule: SchedulePatch,
    /// How often it opens yet.
    pub uses_left: Patch<Option<u32>>,
    /// On which locks.
    pub locks: Patch<BTreeSet<LockId>>,
    /// Where a key or fob is.
    pub inventory: Patch<Inventory>,
}

/// Something asked of people and credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsRequest {
    /// Add a person. Answered with the person.
    AddPerson(NewPerson),
    /// Change a person. Answered with the person.
    ChangePerson {
        /// Who.
        person: PersonId,
        /// How.
        patch: PersonPatch,
    },
    /// Remove a person and everything that opens a door for them.
    RemovePerson {
        /// Who.
        person: PersonId,
    },
    /// Add a credential. Answered with the credential, and with the PIN when the hub drew it.
    AddCredential(NewCredential),
    /// Change a credential. Answered with the credential.
    ChangeCredential {
        /// Which.
        credential: CredentialId,
        /// How.
        patch: CredentialPatch,
    },
    /// Revoke a credential.
    RemoveCredential {
        /// Which.
        credential: CredentialId,
    },
    /// Put a credential onto one more lock.
    Assign {
        /// Which.
        credential: CredentialId,
        /// The lock.
        lock: LockId,
    },
    /// Take a credential off a lock.
    Unassign {
        /// Which.
        credential: CredentialId,
        /// The lock.
        lock: LockId,
    },
    /// Give a credential a new PIN. Answered with the credential, and with the PIN when the hub drew it.
    Rotate {
        /// Which.
        credential: CredentialId,
        /// The PIN; `None` lets the hub draw one.
        pin: Option<Pin>,
    },
    /// Draw a PIN that these locks would take, without keeping it. Answered with the PIN.
    GeneratePin {
        /// On which locks it shall work.
        locks: BTreeSet<LockId>,
        /// How many digits.
        digits: Option<u8>,
    },
    /// Show a credential's PIN to the one who asks; journalled. Answered with the PIN.
    Reveal {
        /// Which.
        credential: CredentialId,
    },
    /// Put a lock into the mode in which it learns the next tag or finger, for a credential.
    Enrol {
        /// Which.
        credential: CredentialId,
        /// At which lock.
        lock: LockId,
    },
    /// Make a foreign code somebody's. Answered with the credential.
    Adopt {
        /// The lock.
        lock: LockId,
        /// The slot.
        key: SlotKey,
        /// Whose it is.
        person: PersonId,
        /// What people call it.
        label: String,
    },
    /// Leave a foreign code where it is, and show it no more as news.
    Ignore {
        /// The lock.
        lock: LockId,
        /// The slot.
        key: SlotKey,
    },
    /// Clear a foreign code.
    ClearForeign {
        /// The lock.
        lock: LockId,
        /// The slot.
        key: SlotKey,
    },
    /// Write everything to a lock that lost its codes; with `from`, to a lock that takes the place of one that is gone.
    Refill {
        /// The lock.
        lock: LockId,
        /// The lock that it replaces.
        from: Option<LockId>,
    },
    /// A lock that is gone will not come back: forget what it held.
    ForgetLock {
        /// Which.
        lock: LockId,
    },
    /// Make an emergency code work. Answered with the credential.
    EnableEmergency {
        /// Which.
        credential: CredentialId,
    },
    /// Make an emergency code work no more; if it was used, it gets a new PIN. Answered with the credential.
    DisableEmergency {
        /// Which.
        credential: CredentialId,
    },
    /// Try a slot again now.
    RetrySlot {
        /// The lock.
        lock: LockId,
        /// The slot.
        key: SlotKey,
    },
    /// Read every slot of a lock now.
    ReadLock {
        /// The lock.
        lock: LockId,
    },
}

/// What a request about people and credentials is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsAnswer {
    /// The person as it is now.
    Person(PersonView),
    /// The credential as it is now.
    Credential {
        /// As it is now.
        view: Box<CredentialView>,
        /// The PIN, when the hub drew it for this request.
        pin: Option<Pin>,
    },
    /// A PIN that was asked for.
    Pin(Pin),
    /// It was taken; what becomes of it is seen in the views and events.
    Done,
}

/// Why a request about people and credentials was refused. It never repeats a PIN.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialsRefusal {
    /// No such person.
    #[error("there is no person {0}; list them with GET /api/v1/people")]
    NoSuchPerson(PersonId),
    /// No such credential.
    #[error("there is no credential {0}; list them with GET /api/v1/credentials")]
    NoSuchCredential(CredentialId),
    /// No such lock.
    #[error("there is no lock {0}; list them with GET /api/v1/locks")]
    NoSuchLock(LockId),
    /// No such slot.
    #[error("{lock} has nothing to do in {key}; list its slots with GET /api/v1/locks/{lock}/slots")]
    NoSuchSlot {
        /// The lock.
        lock: LockId,
        /// The slot.
        key: SlotKey,
    },
    /// A name that is empty or too long.
    #[error("a name has 1 to 64 characters, without control characters")]
    BadName,
    /// A label that is too long.
    #[error("a label has at most 64 characters, without control characters")]
    BadLabel,
    /// A schedule that makes no sense.
    #[error("the schedule {0}")]
    BadSchedule(&'static str),
    /// A limit of uses that makes no sense.
    #[error("uses_left is at least 1; remove the credential instead of giving it no use")]
    BadUses,
    /// The PIN is too easy to guess.
    #[error("this PIN is too easy to guess: {0}; choose another or let the hub draw one")]
    WeakPin(Weakness),
    /// The PIN does not fit a lock.
    #[error("{lock} takes PINs of {min} to {max} digits")]
    PinLength {
        /// The lock.
        lock: LockId,
        /// The fewest digits.
        min: u8,
        /// The most digits.
        max: u8,
    },
    /// The locks have no length of PIN in common, or not the one that was asked for.
    #[error("no PIN of the wanted length fits all of these locks; choose another length or fewer locks")]
    NoCommonLength,
    /// The PIN is somebody's on a lock already.
    #[error("this PIN is in use on {lock}; choose another or let the hub draw one")]
    PinInUse {
        /// The lock.
        lock: LockId,
    },
    /// The hub could not find a PIN that is good and free.
    #[error("the hub found no free PIN of this length; ask for more digits")]
    NoFreePin,
    /// It is no PIN, or one that only the lock knows.
    #[error("the hub knows no PIN of {0}")]
    NoPin(CredentialId),
    /// It is nothing that a lock learns.
    #[error("{0} is nothing that is enrolled at a lock")]
    NotEnrolled(CredentialId),
    /// A key or fob is on no lock; or the lock keeps none of the kind.
    #[error("{lock} keeps no credential of the kind {kind}")]
    NotKept {
        /// The lock.
        lock: LockId,
        /// The kind.
        kind: &'static str,
    },
    /// It is not known yet whether the lock keeps any of the kind.
    #[error("{0} is still being asked what it keeps; try again in a minute")]
    StillAsked(LockId),
    /// What only a lock knows cannot come and go.
    #[error(
        "a credential that only the lock knows cannot have a beginning or windows, because the hub could not write it back; give it an end only"
    )]
    NotRestrictable,
    /// It is no emergency code.
    #[error("{0} is no emergency code")]
    NotEmergency(CredentialId),
    /// It is used up or removed.
    #[error("{0} does not work any more; add a new credential")]
    NotInUse(CredentialId),
    /// The slot is not foreign.
    #[error("{key} of {lock} is not foreign")]
    NotForeign {
        /// The lock.
        lock: LockId,
        /// The slot.
        key: SlotKey,
    },
    /// The lock is not waiting to be filled again.
    #[error("{0} is not waiting to be filled again")]
    NothingToRefill(LockId),
    /// The lock's slots are not known yet.
    #[error("the slots of {0} are being read; try again when that is done")]
    NotReadYet(LockId),
    /// The lock is not gone.
    #[error("{0} is not gone")]
    NotGone(LockId),
    /// No room.
    #[error("{lock} has no free {kind} slot; remove a credential from it first")]
    NoFreeSlot {
        /// The lock.
        lock: LockId,
        /// The kind of slot.
        kind: &'static str,
    },
    /// Too many of something.
    #[error("there are {limit} {what} at most; remove some first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Intent has to be on disk before a lock hears of it, and the disk does not work.
    #[error("the hub cannot write its records, so it gives nobody access: {0}")]
    StoreFailing(String),
}

impl CredentialsRefusal {
    /// A lock keeps none of a kind, or has not told yet whether it does.
    pub(crate) fn not_kept(lock: &LockId, capabilities: &CodeCapabilities, kind: CredentialKind) -> Self {
        if capabilities.asking {
            return Self::StillAsked(lock.clone());
        }
        Self::NotKept {
            lock: lock.clone(),
            kind: kind.as_str(),
        }
    }

    /// The stable code of the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPerson(_) => "no_such_person",
            Self::NoSuchCredential(_) => "no_such_credential",
            Self::NoSuchLock(_) => "no_such_lock",
            Self::NoSuchSlot { .. } => "no_such_slot",
            Self::BadName => "bad_name",
            Self::BadLabel => "bad_label",
            Self::BadSchedule(_) => "bad_schedule",
            Self::BadUses => "bad_uses",
            Self::WeakPin(_) => "weak_pin",
            Self::PinLength { .. } => "pin_length",
            Self::NoCommonLength => "no_common_length",
            Self::PinInUse { .. } => "pin_in_use",
            Self::NoFreePin => "no_free_pin",
            Self::NoPin(_) => "no_pin",
            Self::NotEnrolled(_) => "not_enrolled",
            Self::NotKept { .. } => "not_kept",
            Self::StillAsked(_) => "still_asked",
            Self::NotRestrictable => "not_restrictable",
            Self::NotEmergency(_) => "not_emergency",
            Self::NotInUse(_) => "not_in_use",
            Self::NotForeign { .. } => "not_foreign",
            Self::NothingToRefill(_) => "nothing_to_refill",
            Self::NotReadYet(_) => "not_read_yet",
            Self::NotGone(_) => "not_gone",
            Self::NoFreeSlot { .. } => "no_free_slot",
            Self::TooMany { .. } => "too_many",
            Self::StoreFailing(_) => "store_failing",
        }
    }
}
