//! What is known of people, credentials and slots, for those who ask. No view has a PIN in it.

use std::collections::BTreeSet;
use std::fmt;

use hubd_model::{CredentialId, LockId, LockSchedule, PersonId, Role, Schedule, SlotKey, UnixMillis, Usage};

use super::record::{Emptied, Inventory, Proof, Standing};

/// A person as the hub knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonView {
    /// Their id.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// What they are to the household.
    pub role: Role,
    /// Whether they may have an account.
    pub may_sign_in: bool,
    /// Since when they are known.
    pub created_at: UnixMillis,
    /// What opens a door for them.
    pub credentials: Vec<CredentialId>,
}

/// A credential as the hub knows it, without its PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialView {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub person: PersonId,
    /// What people call it.
    pub label: String,
    /// What opens the door: `pin`, `rfid`, `fingerprint`, `mechanical_key`, `fob`.
    pub means: &'static str,
    /// How many digits its PIN has, where the hub knows it.
    pub digits: Option<usize>,
    /// Where a key or fob is.
    pub inventory: Option<Inventory>,
    /// What it is for.
    pub usage: Usage,
    /// When it opens.
    pub schedule: Schedule,
    /// How often it opens yet.
    pub uses_left: Option<u32>,
    /// On which locks it shall be.
    pub locks: BTreeSet<LockId>,
    /// Where it stands.
    pub standing: Standing,
    /// Whether its schedule is over.
    pub expired: bool,
    /// Since when it is known.
    pub created_at: UnixMillis,
    /// Since when it has its PIN.
    pub rotated_at: UnixMillis,
    /// Whether its PIN is older than is good.
    pub rotation_due: bool,
    /// Where it stands on each lock where it is or shall be.
    pub places: Vec<Place>,
}

/// A credential on a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The lock.
    pub lock: LockId,
    /// Its slot there, when it has one.
    pub key: Option<SlotKey>,
    /// Whether it is wanted there now, by its schedule too.
    pub wanted: bool,
    /// Whether the lock is known to hold it.
    pub confirmed: Option<Proof>,
    /// Why the lock is not as wanted; `None` when it is.
    pub why: Option<Why>,
}

/// Who keeps a credential's schedule on a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeptBy {
    /// There is none to keep.
    Nobody,
    /// The lock, also when the hub is off.
    Lock,
    /// The hub, by writing and clearing the code on time.
    Hub,
    /// The lock keeps the span, the hub the windows.
    Both,
}

impl KeptBy {
    /// The keeper as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Lock => "lock",
            Self::Hub => "hub",
            Self::Both => "both",
        }
    }
}

/// What a slot shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedView {
    /// The credential.
    pub credential: CredentialId,
    /// Whose it is.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// The schedule that the lock shall keep.
    pub schedule: LockSchedule,
    /// Who keeps the credential's schedule.
    pub kept_by: KeptBy,
}

/// What a lock said of a slot, without what it showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportedAs {
    /// Nothing yet.
    Unknown,
    /// Nothing is there.
    Empty,
    /// A PIN that the lock shows.
    Shown,
    /// Something that the lock does not show.
    Hidden,
}

impl ReportedAs {
    /// The word as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Empty => "empty",
            Self::Shown => "shown",
            Self::Hidden => "hidden",
        }
    }
}

/// Whose a slot is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HolderView {
    /// Nobody's.
    Nobody,
    /// A credential's of ours.
    Ours,
    /// Somebody else's.
    Foreign,
    /// Somebody else's, and a person said that it shall stay.
    Ignored,
    /// Somebody else's, and a person said that it shall go.
    Condemned,
}

impl HolderView {
    /// The word as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Ours => "ours",
            Self::Foreign => "foreign",
            Self::Ignored => "ignored",
            Self::Condemned => "condemned",
        }
    }
}

/// A try to change a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryView {
    /// When.
    pub at: UnixMillis,
    /// Why it failed, in one sentence; `None` when it did not, or is not over.
    pub failure: Option<String>,
}

/// What is to be done with a slot, since when, and why it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingView {
    /// What: `write`, `clear`, `enrol`, `rename`, `read`.
    pub what: &'static str,
    /// Since when.
    pub since: UnixMillis,
    /// How often it failed.
    pub failures: u32,
    /// Why it is not done yet.
    pub why: Why,
}

/// A slot of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotView {
    /// The slot.
    pub key: SlotKey,
    /// Whose it is.
    pub holder: HolderView,
    /// The credential that it was given to, wanted or on its way out.
    pub credential: Option<CredentialId>,
    /// What it shall hold now; `None`: nothing of ours.
    pub wanted: Option<WantedView>,
    /// What the lock said, and when.
    pub reported: ReportedAs,
    /// When the lock said it.
    pub reported_at: Option<UnixMillis>,
    /// What it was last known to hold of ours: when, and how that is known.
    pub confirmed: Option<(UnixMillis, Proof)>,
    /// The last try.
    pub tried: Option<TryView>,
    /// What is to be done.
    pub pending: Option<PendingView>,
}

/// A credential that has no slot on a lock where it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The credential.
    pub credential: CredentialId,
    /// Whose it is.
    pub person: PersonId,
    /// Why.
    pub why: Why,
}

/// What codes cost on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FramesView {
    /// Frames that housekeeping may cost in a day; `None` for a lock with mains power.
    pub per_day: Option<u32>,
    /// How many it may cost now. At zero, housekeeping waits for the next day.
    pub left: u32,
    /// How many the lock's codes ever cost.
    pub total: u64,
}

/// A lock as a keeper of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodesView {
    /// The lock.
    pub lock: LockId,
    /// Its name, also when it is gone.
    pub name: String,
    /// Since when it is no device of the hub any more.
    pub gone: Option<UnixMillis>,
    /// Its slots that are not both empty and nobody's.
    pub slots: Vec<SlotView>,
    /// Who has no slot, and why.
    pub left_out: Vec<LeftOut>,
    /// When every slot was read last.
    pub read_at: Option<UnixMillis>,
    /// Whether it lost its codes and waits for a person's word.
    pub emptied: Option<Emptied>,
    /// Locks that are gone and whose place it could take.
    pub could_replace: Vec<LockId>,
    /// What codes cost on the air.
    pub frames: FramesView,
}

/// Why a lock does not hold what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is its turn now.
    InProgress,
    /// Something else is done with the lock first.
    Queued,
    /// The intent is not on disk yet.
    Recording,
    /// The lock does not answer.
    LockAway,
    /// The radio does not work.
    RadioAway,
    /// It failed, and is tried again.
    Retrying(String),
    /// Housekeeping used up its frames of the day.
    Budget,
    /// The date is not known.
    ClockUnsynced,
    /// An emergency code that is not enabled: its slot is kept free for it.
    Prepared,
    /// Its time has not come: from when.
    NotYet(UnixMillis),
    /// It is outside its windows of the week.
    OutsideWindows,
    /// The lock lost its codes and waits for a person's word.
    Emptied,
    /// The lock's slots are not known yet.
    Unread,
    /// The same PIN has to leave another slot first.
    PinLeaves(SlotKey),
    /// What was sent last may still arrive; read again later.
    Settling,
    /// The lock has no free slot.
    NoRoom,
    /// Another credential has the same PIN here.
    SamePin(CredentialId),
    /// Somebody else's slot has the same PIN.
    SamePinForeign(SlotKey),
    /// The lock does not take PINs of this length.
    PinLength,
    /// The lock keeps nothing of this kind.
    NotKept,
    /// The lock is still being asked what it keeps.
    StillAsked,
    /// Anybody could imitate the lock.
    Insecure,
    /// The lock is no device of the hub any more.
    Gone,
    /// Only the lock knew it; it has to be enrolled again.
    EnrolAgain,
    /// It was not enrolled at this lock yet.
    NotEnrolled,
}

impl Why {
    /// The reason's stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Queued => "queued",
            Self::Recording => "recording",
            Self::LockAway => "lock_away",
            Self::RadioAway => "radio_away",
            Self::Retrying(_) => "retrying",
            Self::Budget => "frame_budget",
            Self::ClockUnsynced => "clock_unsynced",
            Self::Prepared => "prepared",
            Self::NotYet(_) => "not_yet",
            Self::OutsideWindows => "outside_windows",
            Self::Emptied => "codes_lost",
            Self::Unread => "unread",
            Self::PinLeaves(_) => "pin_leaves",
            Self::Settling => "settling",
            Self::NoRoom => "no_room",
            Self::SamePin(_) => "same_pin",
            Self::SamePinForeign(_) => "same_pin_foreign",
            Self::PinLength => "pin_length",
            Self::NotKept => "not_kept",
            Self::StillAsked => "still_asked",
            Self::Insecure => "insecure",
            Self::Gone => "lock_gone",
            Self::EnrolAgain => "enrol_again",
            Self::NotEnrolled => "not_enrolled",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProgress => f.write_str("the lock is being told"),
            Self::Queued => f.write_str("something else is done with the lock first"),
            Self::Recording => f.write_str("it is being written to the hub's disk first"),
            Self::LockAway => f.write_str("the lock does not answer; it is done as soon as it does"),
            Self::RadioAway => f.write_str("the radio does not work; it is done as soon as it does"),
            Self::Retrying(reason) => write!(f, "the last try failed and is repeated: {reason}"),
            Self::Budget => f.write_str(
                "to spare the lock's battery this waits for tomorrow; ask for it to have it done now",
            ),
            Self::ClockUnsynced => f.write_str("the hub does not know the date yet, so nothing is granted or removed"),
            Self::Prepared => f.write_str("it is for emergencies, and kept ready until it is enabled"),
            Self::NotYet(_) => f.write_str("its time has not come yet"),
            Self::OutsideWindows => f.write_str("it is outside its hours; the hub writes it when they begin"),
            Self::Emptied => f.write_str("the lock lost its codes; say once that it shall be filled again"),
            Self::Unread => f.write_str("the lock's slots are being read first"),
            Self::PinLeaves(key) => write!(f, "the same PIN has to leave {key} first"),
            Self::Settling => f.write_str("an earlier order may still reach the lock, so it is read once more later"),
            Self::NoRoom => f.write_str("the lock has no free slot"),
            Self::SamePin(other) => write!(f, "{other} has the same PIN on this lock"),
            Self::SamePinForeign(key) => {
                write!(f, "a code that the hub did not write has the same PIN in {key}; adopt or clear it")
            }
            Self::PinLength => f.write_str("the lock does not take PINs of this length"),
            Self::NotKept => f.write_str("the lock keeps nothing of this kind"),
            Self::StillAsked => f.write_str("the lock is being asked what it keeps first"),
            Self::Insecure => f.write_str(
                "the lock was included without security, so no code is sent to it: exclude it and include it again with S2 or S0",
            ),
            Self::Gone => f.write_str("the lock is no device of the hub any more"),
            Self::EnrolAgain => f.write_str("the lock lost it and only the lock knew it; enrol it again"),
            Self::NotEnrolled => f.write_str("it was not enrolled at this lock yet"),
        }
    }
}
