//! What is kept of people, credentials and locks' slots: the rows of this part of the mind, in the household's words.
//!
//! A PIN is in [`Means::Pin`], [`Written::pin`] and [`hubd_model::SlotContent::Pin`]; whoever keeps a row seals these.

use std::collections::BTreeSet;

use hubd_model::{
    CodeChecksum, CredentialId, CredentialKind, IncidentId, LockId, LockSchedule, PersonId, Pin, Role,
    Schedule, SlotContent, SlotKey, UnixMillis, Usage,
};

use crate::view::Reported;

/// Says which of two intents is newer: the number of the journal entry by which it became one. A lock that confirmed
/// an older generation does not hold what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

/// Somebody of the household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Their name, 1 to 64 characters.
    pub name: String,
    /// What they are to the household.
    pub role: Role,
    /// Whether they may have an account.
    pub may_sign_in: bool,
    /// Since when they are known.
    pub created_at: UnixMillis,
    /// Whether they were removed and are only remembered until every lock is proven free of their codes.
    pub removed: bool,
}

/// Where a key or fob is, which no lock knows of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Where it is stored, for people.
    pub stored: String,
    /// When the cylinder was last rekeyed, or the fob last learnt.
    pub rekeyed_at: Option<UnixMillis>,
}

/// What opens the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// Digits that the hub knows and writes to locks.
    Pin(Pin),
    /// A PIN, tag or finger that only the locks know: enrolled at a lock, or adopted from a lock that masks it. It can be
    /// cleared from a lock and not written to one.
    Enrolled(CredentialKind),
    /// A key of metal.
    MechanicalKey(Inventory),
    /// A fob of a system that the hub does not speak.
    Fob(Inventory),
}

impl Means {
    /// The means as the API names it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pin(_) => "pin",
            Self::Enrolled(kind) => kind.as_str(),
            Self::MechanicalKey(_) => "mechanical_key",
            Self::Fob(_) => "fob",
        }
    }

    /// In which kind of slot a lock keeps it; `None` when no lock does.
    pub const fn kind(&self) -> Option<CredentialKind> {
        match self {
            Self::Pin(_) => Some(CredentialKind::Pin),
            Self::Enrolled(kind) => Some(*kind),
            Self::MechanicalKey(_) | Self::Fob(_) => None,
        }
    }
}

/// Why an emergency code works now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnabledFor {
    /// A person said so, until this instant at the latest.
    Person {
        /// Who, for people.
        by: String,
        /// The end.
        until: UnixMillis,
    },
    /// An incident lasts.
    Incident(IncidentId),
}

/// Where a credential stands.
///
/// ```text
///   Ready <--enable, disable--> Enabled      (emergency codes only)
///     ^                            |
///     |    the incident is over    | disabled while doors are released in an incident
///     +------- Withheld <----------+
///     |                            |
///     +--no use left--> UsedUp     |         a change that gives it uses again makes it Ready, and a new PIN an emergency
///     |                            |         code that was used and for which none was found
///     +------------removed---------+--> Removed: kept until every lock is proven free of it, then forgotten
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// In use; an emergency code is prepared and on no lock.
    #[default]
    Ready,
    /// An emergency code that works now.
    Enabled {
        /// For what.
        cause: EnabledFor,
        /// Since when.
        since: UnixMillis,
        /// Whether it opened a door since.
        used: bool,
    },
    /// An emergency code that a person disabled while doors were released in this incident, which therefore does not
    /// enable it again.
    Withheld(IncidentId),
    /// It has no use left.
    UsedUp,
    /// Somebody removed it.
    Removed,
}

/// Where an instant lies in the span of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before its beginning.
    Before,
    /// Not before its beginning, and before its end.
    Within,
    /// At its end or after it.
    After,
}

/// What opens doors for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub person: PersonId,
    /// What people call it, at most 64 characters; may be empty.
    pub label: String,
    /// What opens the door.
    pub means: Means,
    /// What it is for.
    pub usage: Usage,
    /// When it opens.
    pub schedule: Schedule,
    /// How often it opens yet; `None` without limit.
    pub uses_left: Option<u32>,
    /// On which locks.
    pub locks: BTreeSet<LockId>,
    /// Where it stands.
    pub standing: Standing,
    /// How far its schedule was when a known date was last looked at, so that its beginning and its end are told once;
    /// `None` since it got another schedule.
    pub phase: Option<Phase>,
    /// Since when it is known.
    pub created_at: UnixMillis,
    /// Since when it has its PIN; for others since when it is known.
    pub rotated_at: UnixMillis,
    /// Its newest intent.
    pub generation: Generation,
}

impl Credential {
    /// Whether it is an emergency code that was used, opens nothing because whoever used it knows it, and waits for a
    /// new PIN.
    pub fn awaits_pin(&self) -> bool {
        self.standing == Standing::UsedUp
            && self.usage == Usage::Emergency
            && self.uses_left != Some(0)
            && matches!(self.means, Means::Pin(_))
    }
}

/// Whose a slot is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Holder {
    /// Nobody's.
    #[default]
    Nobody,
    /// Given to a credential of ours.
    Ours(CredentialId),
    /// Somebody else put something there.
    Foreign {
        /// Whether a person said that it shall stay and not be shown as news.
        ignored: bool,
    },
    /// A person said that what is there shall go.
    Condemned,
}

/// How it is known that a slot holds what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The lock showed it.
    Read,
    /// The lock acknowledged the write, and masks what it keeps.
    Acknowledged,
    /// A person said that it is theirs.
    Vouched,
}

/// What the hub wrote, or may have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// By which intent.
    pub generation: Generation,
    /// The PIN; `None` for what only the lock knows.
    pub pin: Option<Pin>,
    /// The schedule that the lock shall keep.
    pub schedule: LockSchedule,
    /// When.
    pub at: UnixMillis,
}

/// One slot of one lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRecord {
    /// The lock.
    pub lock: LockId,
    /// The slot.
    pub key: SlotKey,
    /// Whose it is.
    pub holder: Holder,
    /// What the lock said last.
    pub reported: Option<Reported<SlotContent>>,
    /// The schedule that the lock said last.
    pub reported_schedule: Option<LockSchedule>,
    /// What it is known to hold of ours, and how that is known.
    pub confirmed: Option<(Written, Proof)>,
    /// Writes that may have been sent and may still arrive: kept until it is proven that they cannot.
    pub attempts: Vec<Written>,
    /// When something was tried last, and how it ended, in one sentence; `None` in the second when it went well.
    pub tried: Option<(UnixMillis, Option<String>)>,
    /// Since when it differs from what is wanted.
    pub pending_since: Option<UnixMillis>,
    /// How often in a row it could not be made so.
    pub failures: u32,
    /// The name that the lock was last told for the slot's user, where it keeps names; `None` when nobody knows.
    pub named: Option<String>,
    /// Whether the lock refused to keep this schedule, so that the hub keeps it.
    pub schedule_refused: Option<LockSchedule>,
    /// Whether somebody may have changed it since it was reported.
    pub unread: bool,
    /// Whether somebody may have changed what is ours, so that only a shown PIN or a new write proves what is there.
    pub void: bool,
}

/// A lock that lost its codes, until a person says that they shall be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emptied {
    /// Since when that is known.
    pub since: UnixMillis,
    /// How many codes of ours it held before.
    pub codes: u32,
}

/// What is kept of a lock as a keeper of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorRecord {
    /// The lock.
    pub lock: LockId,
    /// Its name, for people, also when it is gone.
    pub name: String,
    /// Its model.
    pub model: String,
    /// Since when it is no device of the hub any more.
    pub gone: Option<UnixMillis>,
    /// When every slot was read last.
    pub read_at: Option<UnixMillis>,
    /// Its checksum at that time.
    pub checksum: Option<CodeChecksum>,
    /// Whether it lost its codes.
    pub emptied: Option<Emptied>,
    /// How many frames housekeeping may still cost now; below zero when its last task cost more. What people ask for
    /// counts too, and never makes it less than zero.
    pub frames_left: i32,
    /// How many frames its codes ever cost.
    pub frames_total: u64,
}

/// A row of this part of the mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsRecord {
    /// A person.
    Person(Person),
    /// A credential.
    Credential(Credential),
    /// A slot.
    Slot(SlotRecord),
    /// A lock's mirror.
    Mirror(MirrorRecord),
}

/// Names a row of this part of the mind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialsKey {
    /// A person's.
    Person(PersonId),
    /// A credential's.
    Credential(CredentialId),
    /// A slot's.
    Slot(LockId, SlotKey),
    /// A lock's mirror.
    Mirror(LockId),
}

impl CredentialsRecord {
    /// The row's name.
    pub fn key(&self) -> CredentialsKey {
        match self {
            Self::Person(person) => CredentialsKey::Person(person.id.clone()),
            Self::Credential(credential) => CredentialsKey::Credential(credential.id.clone()),
            Self::Slot(slot) => CredentialsKey::Slot(slot.lock.clone(), slot.key),
            Self::Mirror(mirror) => CredentialsKey::Mirror(mirror.lock.clone()),
        }
    }
}

/// What the store remembers of this part of the mind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialsMemory {
    /// People.
    pub people: Vec<Person>,
    /// Credentials.
    pub credentials: Vec<Credential>,
    /// Slots.
    pub slots: Vec<SlotRecord>,
    /// Locks' mirrors.
    pub mirrors: Vec<MirrorRecord>,
}

impl CredentialsMemory {
    /// Puts a row in.
    pub fn insert(&mut self, record: CredentialsRecord) {
        match record {
            CredentialsRecord::Person(person) => self.people.push(person),
            CredentialsRecord::Credential(credential) => self.credentials.push(credential),
            CredentialsRecord::Slot(slot) => self.slots.push(slot),
            CredentialsRecord::Mirror(mirror) => self.mirrors.push(mirror),
        }
    }
}
