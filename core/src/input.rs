//! What happens to the mind.

use hubd_model::{
    AlarmId, CommandId, DongleImage, Entropy, IncidentId, InclusionAnswer, InclusionStrategy, LockId, LockOp,
    Millis, RadioName, Report, Urgency, Zone,
};
use thiserror::Error;

use crate::credentials::record::CredentialsMemory;
use crate::credentials::request::{CredentialsAnswer, CredentialsRefusal, CredentialsRequest};
use crate::event::Event;
use crate::lifesafety::LifeSafetyMemory;
use crate::lifesafety::request::{LifeSafetyRefusal, LifeSafetyRequest};
use crate::output::DeviceRecord;
use crate::view::CommandView;

/// Ties an answer to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the store remembers when the hub starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// The last journal entry's number; 0 when there is none.
    pub last_seq: u64,
    /// Every device.
    pub devices: Vec<DeviceRecord>,
    /// Commands that had not ended, and the most recent ended ones (for idempotent repeats).
    pub commands: Vec<CommandView>,
    /// People, credentials and locks' slots.
    pub credentials: CredentialsMemory,
    /// What life safety remembers.
    pub life_safety: Box<LifeSafetyMemory>,
}

/// Something that happens to the mind. One is one mutation.
#[derive(Debug)]
pub enum Input {
    /// The hub starts with these radios configured and this remembered. Always the first input. A command that
    /// had not ended is never sent again: it ends as timed out (it was sent) or expired (it was not).
    Started {
        /// What the store remembers.
        memory: Memory,
        /// The radios of the configuration.
        radios: Vec<RadioName>,
        /// The hub's version.
        version: String,
        /// The home's time zone, by which schedules are meant.
        zone: Zone,
        /// Randomness, from which PINs are drawn.
        entropy: Entropy,
    },
    /// A radio says something.
    Report {
        /// Which radio.
        radio: RadioName,
        /// What.
        report: Report,
    },
    /// Somebody asks for something.
    Request {
        /// Returned with the answer.
        ticket: Ticket,
        /// What.
        request: Request,
    },
    /// An adapter's order queue was full: these orders did not reach it.
    OrderLost {
        /// Whose command it was, if it was one.
        command: Option<CommandId>,
        /// Which radio.
        radio: RadioName,
    },
    /// Every entry up to this one is on disk.
    Durable {
        /// The entry's number.
        seq: u64,
    },
    /// The store cannot write: the reason, in one sentence. Doors go on working.
    StoreFailing {
        /// The sentence.
        reason: String,
    },
    /// The store writes again.
    StoreRecovered,
    /// The hub is about to stop in good order.
    Stopping,
    /// A deadline may have passed.
    Tick,
}

/// Something that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Move a bolt. With the id of a command that exists already, that command is answered and nothing is sent.
    Actuate {
        /// The new command's id.
        command: CommandId,
        /// The lock.
        lock: LockId,
        /// What to do.
        op: LockOp,
        /// Who asks, for the record.
        requester: String,
        /// Its place in the queue.
        urgency: Urgency,
        /// Dropped when it could not be sent within this.
        time_to_live: Millis,
    },
    /// Give a lock a name.
    RenameLock {
        /// Which.
        lock: LockId,
        /// The name, 1 to 64 characters.
        name: String,
    },
    /// Give a detector a name.
    RenameAlarm {
        /// Which.
        alarm: AlarmId,
        /// The name, 1 to 64 characters.
        name: String,
    },
    /// Ask a lock for its state.
    RefreshLock {
        /// Which.
        lock: LockId,
    },
    /// Include a device.
    Include {
        /// On which radio.
        radio: RadioName,
        /// How.
        strategy: InclusionStrategy,
    },
    /// Answer an inclusion's question.
    AnswerInclusion {
        /// On which radio.
        radio: RadioName,
        /// The answer.
        answer: InclusionAnswer,
    },
    /// End an inclusion or exclusion.
    CancelInclusion {
        /// On which radio.
        radio: RadioName,
    },
    /// Exclude a device.
    Exclude {
        /// On which radio.
        radio: RadioName,
    },
    /// Copy the memory of a radio's dongle and keep it.
    CopyDongle {
        /// Of which radio.
        radio: RadioName,
        /// Who asks, for the record.
        requester: String,
    },
    /// Write a copy into the dongle of a radio: it takes the place of the one that the copy is of.
    WriteDongle {
        /// Of which radio.
        radio: RadioName,
        /// The copy.
        image: DongleImage,
        /// Who asks, for the record.
        requester: String,
    },
    /// Remove a lock that no longer answers.
    RemoveFailedLock {
        /// Which.
        lock: LockId,
    },
    /// Remove a detector that no longer answers.
    RemoveFailedAlarm {
        /// Which.
        alarm: AlarmId,
    },
    /// Something about people and what opens doors for them.
    Credentials {
        /// What.
        what: Box<CredentialsRequest>,
        /// Who asks, for the record.
        requester: String,
    },
    /// Something of life safety.
    LifeSafety(LifeSafetyRequest),
    /// Record something that happened in the shell (a token was made, a request refused).
    Record(Event),
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The command, new or known already.
    Command(CommandView),
    /// The incident or drill that it is about.
    Incident(IncidentId),
    /// It was taken; what becomes of it is seen in the views and events.
    Accepted,
    /// An answer about people and credentials.
    Credentials {
        /// The answer.
        answer: CredentialsAnswer,
        /// The journal entry that recorded the change. The asker is told only when it is on disk; `None`: nothing
        /// changed.
        recorded: Option<u64>,
    },
}

/// Why a request was refused. `Display` is one sentence for a person; `code` is stable for programs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such lock.
    #[error("there is no lock {0}; list them with GET /api/v1/locks")]
    NoSuchLock(LockId),
    /// No such detector.
    #[error("there is no alarm {0}; list them with GET /api/v1/alarms")]
    NoSuchAlarm(AlarmId),
    /// No such radio.
    #[error("there is no radio {0}; radios are named in the configuration")]
    NoSuchRadio(RadioName),
    /// The radio does not work now.
    #[error("radio {radio} is not ready: {reason}")]
    RadioNotReady {
        /// Which.
        radio: RadioName,
        /// One sentence.
        reason: String,
    },
    /// The lock's link is not secure.
    #[error(
        "{0} was included without security, so anybody could imitate it: exclude it and include it again with S2 or S0"
    )]
    InsecureLock(LockId),
    /// The lock cannot do that.
    #[error("{lock} cannot {op}")]
    NotCapable {
        /// Which.
        lock: LockId,
        /// What.
        op: &'static str,
    },
    /// The command id names another request.
    #[error("this Idempotency-Key was used for another request; use a new one")]
    CommandConflict,
    /// Too much is under way.
    #[error("the hub is busy with {0}; try again in a few seconds")]
    Busy(&'static str),
    /// Something else is under way on the radio.
    #[error("{0} is under way on this radio; try again when that is done")]
    RadioBusy(&'static str),
    /// No inclusion or exclusion is under way that could be answered or ended.
    #[error("radio {0} has no inclusion or exclusion under way and expects no announced device")]
    NothingUnderWay(RadioName),
    /// Life safety refused it.
    #[error(transparent)]
    LifeSafety(#[from] LifeSafetyRefusal),
    /// A name that is empty or too long.
    #[error("a name has 1 to 64 characters, without control characters")]
    BadName,
    /// Refused by the part that keeps people and credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialsRefusal),
}

impl Refusal {
    /// The stable code of the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchLock(_) => "no_such_lock",
            Self::NoSuchAlarm(_) => "no_such_alarm",
            Self::NoSuchRadio(_) => "no_such_radio",
            Self::RadioNotReady { .. } => "radio_not_ready",
            Self::InsecureLock(_) => "insecure_lock",
            Self::NotCapable { .. } => "not_capable",
            Self::CommandConflict => "idempotency_conflict",
            Self::Busy(_) | Self::RadioBusy(_) => "busy",
            Self::NothingUnderWay(_) => "nothing_under_way",
            Self::LifeSafety(refusal) => refusal.code(),
            Self::BadName => "bad_name",
            Self::Credentials(refusal) => refusal.code(),
        }
    }
}
