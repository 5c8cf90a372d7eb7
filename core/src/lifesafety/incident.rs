//! An incident and a drill as they are kept: the evidence of what was seen, decided, sent and reported.

use hubd_model::{AlarmId, CommandId, Hazard, HoldState, IncidentId, LockId, Millis, UnixMillis};

use super::reason::{Concern, Finding};
use crate::view::CommandView;

/// How many triggers of one incident are kept; further ones count but are only in the journal.
pub const TRIGGERS_MAX: usize = 32;
/// How many attempts on one door are kept: the first half and the last half.
pub const ATTEMPTS_MAX: usize = 32;
/// How many escalations of one incident are kept.
pub const ESCALATIONS_MAX: usize = 128;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A detector warns; nothing is released yet, or nothing is to be.
    Alarm,
    /// Doors are being opened.
    Releasing,
    /// Every chosen door is open, and kept so while a detector warns.
    Held,
    /// The danger is over. The hub asks a person to lock the doors.
    Restoring,
    /// It is over.
    Closed,
}

impl Stage {
    /// The stage as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Releasing => "releasing",
            Self::Held => "held",
            Self::Restoring => "restoring",
            Self::Closed => "closed",
        }
    }
}

/// One emergency, from its first alarm to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// Where it stands.
    pub stage: Stage,
    /// When it began.
    pub opened_at: UnixMillis,
    /// The journal entry that opened it.
    pub opened_seq: u64,
    /// The policy that it began under; `None` when there was none that could be read.
    pub policy_version: Option<u64>,
    /// What warned, in order.
    pub triggers: Vec<Trigger>,
    /// The doors that the policy chose, and what became of each.
    pub doors: Vec<Door>,
    /// When the first door was released, and why.
    pub released: Option<Released>,
    /// Who called the release off, in time.
    pub cancelled: Option<Signed>,
    /// When the last danger ended.
    pub clear_at: Option<UnixMillis>,
    /// How it ended.
    pub closed: Option<Signed>,
    /// The last journal entry of it, once it ended.
    pub closed_seq: Option<u64>,
    /// What somebody has to look at.
    pub escalations: Vec<Escalation>,
    /// Whether somebody has to say what the release was.
    pub review: Review,
}

/// Something that warns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Who or what.
    pub source: Source,
    /// When.
    pub at: UnixMillis,
    /// When that was over.
    pub over_at: Option<UnixMillis>,
    /// Who said that it is over although the detector did not.
    pub overruled_by: Option<String>,
}

impl Trigger {
    /// Whether it still warns.
    pub const fn lasts(&self) -> bool {
        self.over_at.is_none()
    }
}

/// Who or what warns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A detector, by an authenticated message.
    Detector {
        /// Which.
        alarm: AlarmId,
        /// Of what.
        hazard: Hazard,
        /// The bytes of its message.
        frame: Vec<u8>,
    },
    /// A person who called for help.
    Person {
        /// Who.
        name: String,
        /// Why, in their words.
        reason: String,
    },
}

/// Who did something, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// When.
    pub at: UnixMillis,
    /// Who: an account's or token's name, or `hubd`.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// When it was decided.
    pub at: UnixMillis,
    /// What confirmed it, in one sentence.
    pub why: String,
}

/// What becomes of one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its lock.
    pub lock: LockId,
    /// Where it stands.
    pub state: DoorStage,
    /// When its release was decided.
    pub confirmed_at: Option<UnixMillis>,
    /// When it was reported open first.
    pub opened_at: Option<UnixMillis>,
    /// From the detector's message to the report that it is open.
    pub latency: Option<Millis>,
    /// How often it was told to open.
    pub tries: u32,
    /// Those attempts; see [`ATTEMPTS_MAX`].
    pub attempts: Vec<Attempt>,
    /// What became of its own relocking.
    pub auto_relock: Option<HoldState>,
}

/// Where a door of an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DoorStage {
    /// Nothing confirmed its release yet.
    Waiting,
    /// Its release is decided and can still be called off.
    Pending,
    /// It is being opened.
    Releasing,
    /// It was reported open.
    Open,
    /// Somebody at the door locked it. It is left so.
    LockedByHand,
    /// It was not opened before the danger was over. It is left so.
    GivenUp,
    /// It was reported locked after the danger.
    Restored,
}

impl DoorStage {
    /// The stage as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Releasing => "releasing",
            Self::Open => "open",
            Self::LockedByHand => "locked_by_hand",
            Self::GivenUp => "given_up",
            Self::Restored => "restored",
        }
    }
}

/// One attempt to open a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its command.
    pub command: CommandId,
    /// When the order left the mind.
    pub at: UnixMillis,
    /// How it ended; `None` while it runs, or when a restart cut it off.
    pub end: Option<CommandView>,
}

/// Something that a person has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// When it was found.
    pub at: UnixMillis,
    /// The door.
    pub lock: Option<LockId>,
    /// What is wrong and what to do.
    pub what: Concern,
    /// When it was over.
    pub over_at: Option<UnixMillis>,
}

/// Whether a person said what a release was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    /// Nothing was released.
    NotNeeded,
    /// A security incident until somebody says what it was.
    Open,
    /// Somebody said it.
    Done {
        /// Who, when, and why.
        signed: Signed,
        /// Whether there was no danger.
        false_alarm: bool,
    },
}

impl Incident {
    /// Whether anything still warns.
    pub fn is_alarming(&self) -> bool {
        self.triggers.iter().any(Trigger::lasts)
    }

    /// Whether a door was released.
    pub const fn is_released(&self) -> bool {
        self.released.is_some()
    }

    /// The doors at this stage.
    pub fn doors_at(&self, state: DoorStage) -> impl Iterator<Item = &Door> {
        self.doors.iter().filter(move |door| door.state == state)
    }
}

impl Door {
    pub(crate) const fn waiting(lock: LockId) -> Self {
        Self {
            lock,
            state: DoorStage::Waiting,
            confirmed_at: None,
            opened_at: None,
            latency: None,
            tries: 0,
            attempts: Vec::new(),
            auto_relock: None,
        }
    }

    /// Keeps an attempt, within the limit.
    pub(crate) fn keep(&mut self, attempt: Attempt) {
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.attempts.remove(ATTEMPTS_MAX / 2);
        }
        self.attempts.push(attempt);
    }
}

/// Where a drill stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DrillStage {
    /// It waits for the test button of a detector.
    Armed,
    /// Doors are being opened.
    Running,
    /// It is over.
    Ended,
}

impl DrillStage {
    /// The stage as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }
}

/// A rehearsal of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Its id.
    pub id: IncidentId,
    /// Where it stands.
    pub stage: DrillStage,
    /// Whether doors move.
    pub dry: bool,
    /// Who asked for it; a detector's test button alone makes a dry one.
    pub by: String,
    /// The detector whose test button starts it.
    pub detector: Option<AlarmId>,
    /// When it was asked for.
    pub asked_at: UnixMillis,
    /// When it began: the detector's message, or the request.
    pub began_at: Option<UnixMillis>,
    /// The bytes of the detector's message.
    pub frame: Vec<u8>,
    /// What became of each door.
    pub doors: Vec<Door>,
    /// What failed or would have failed.
    pub findings: Vec<Finding>,
    /// How it ended.
    pub ended: Option<Signed>,
    /// Whether every door did what it should.
    pub passed: bool,
}
