//! What the mind knows, for those who ask: plain values, never references into it.

use hubd_model::{
    AlarmId, BatteryPercent, BoltState, CommandId, DeviceAddress, DeviceDescription, DoorState, Hazard,
    InclusionProgress, LinkState, LockId, LockOp, LogMark, Logged, RadioName, RadioState, UnixMillis, Via,
};

/// Something that a device reported, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported<T> {
    /// What it reported.
    pub value: T,
    /// When, by the hub's clock.
    pub at: UnixMillis,
}

/// A lock as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// Its id.
    pub id: LockId,
    /// Its name, for people.
    pub name: String,
    /// Its radio.
    pub radio: RadioName,
    /// Its address on the radio.
    pub address: DeviceAddress,
    /// What it is and can do.
    pub description: DeviceDescription,
    /// The bolt and what moved it; `None` until the first report.
    pub bolt: Option<Reported<(BoltState, Via)>>,
    /// What somebody asked for and is not confirmed yet.
    pub wish: Option<(LockOp, CommandId)>,
    /// The door leaf.
    pub door: Option<Reported<DoorState>>,
    /// The battery.
    pub battery: Option<Reported<BatteryPercent>>,
    /// Whether it answers.
    pub link: LinkState,
    /// When it was heard last.
    pub last_heard: Option<UnixMillis>,
    /// How far its own record is known.
    pub log: Box<LogMemory>,
}

/// What is remembered of a lock's own record, so that nothing in it is told twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogMemory {
    /// The newest records that were read, the newest first.
    pub known: Vec<LogMark>,
    /// Whether these records say when.
    pub timed: bool,
    /// When the lock was last known to be read to its newest record, by the hub's clock.
    pub read_at: Option<UnixMillis>,
    /// How many seconds the hub's clock, in UTC, was ahead of what the lock's showed.
    pub ahead_seconds: Option<i64>,
    /// What was heard and journalled since then, the oldest first.
    pub heard: Vec<Heard>,
}

/// Something that a lock said live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When, by the hub's clock.
    pub at: UnixMillis,
    /// Whether that clock could be trusted.
    pub synced: bool,
    /// What.
    pub said: Logged,
}

/// A detector as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmView {
    /// Its id.
    pub id: AlarmId,
    /// Its name, for people.
    pub name: String,
    /// Its radio.
    pub radio: RadioName,
    /// Its address on the radio.
    pub address: DeviceAddress,
    /// What it is.
    pub description: DeviceDescription,
    /// The hazards that it warns of right now, each since when.
    pub raised: Vec<Reported<Hazard>>,
    /// The last test.
    pub tested: Option<UnixMillis>,
    /// When it said that it is at the end of its life.
    pub end_of_life: Option<UnixMillis>,
    /// The last trouble that it reported.
    pub trouble: Option<Reported<String>>,
    /// The battery.
    pub battery: Option<Reported<BatteryPercent>>,
    /// Whether it answers.
    pub link: LinkState,
    /// When it was heard last.
    pub last_heard: Option<UnixMillis>,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandStatus {
    /// Accepted.
    Requested,
    /// Handed to the dongle.
    Sent,
    /// The lock's radio has it.
    Acknowledged,
    /// The lock confirmed the wanted state, and that is on disk.
    Done,
    /// The lock or the hub refused it.
    Refused,
    /// The lock tried and could not finish.
    Jammed,
    /// The lock did not answer in time; its state is unknown.
    TimedOut,
    /// Its time was over before it could be sent; nothing was sent.
    Expired,
}

impl CommandStatus {
    /// Whether nothing more will happen to it.
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Requested | Self::Sent | Self::Acknowledged => false,
            Self::Done | Self::Refused | Self::Jammed | Self::TimedOut | Self::Expired => true,
        }
    }

    /// The status as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Jammed => "jammed",
            Self::TimedOut => "timed_out",
            Self::Expired => "expired",
        }
    }
}

/// One request to move a bolt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandView {
    /// Its id.
    pub id: CommandId,
    /// The lock.
    pub lock: LockId,
    /// What was asked.
    pub op: LockOp,
    /// Who asked: an account or token name, for people.
    pub requester: String,
    /// Where it stands.
    pub status: CommandStatus,
    /// When it was accepted.
    pub requested_at: UnixMillis,
    /// When its frame was handed to the dongle.
    pub sent_at: Option<UnixMillis>,
    /// When the lock's radio acknowledged it.
    pub acknowledged_at: Option<UnixMillis>,
    /// When it ended.
    pub ended_at: Option<UnixMillis>,
    /// One sentence when it did not end as done.
    pub reason: Option<String>,
}

/// A radio as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadioView {
    /// Its name.
    pub name: RadioName,
    /// Its state.
    pub state: RadioState,
    /// The inclusion under way or the last one.
    pub inclusion: InclusionProgress,
    /// The exclusion under way or the last one.
    pub exclusion: InclusionProgress,
    /// What becomes of its dongle's memory.
    pub dongle: DongleView,
}

/// What is done with a dongle's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DongleWork {
    /// It is copied and kept, so that it is in every backup from then on.
    Copy,
    /// A copy is written into it.
    Write,
}

/// What became of the last order about a dongle's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DongleView {
    /// There was none since the hub started.
    #[default]
    Untouched,
    /// It is at work.
    UnderWay {
        /// What is done.
        work: DongleWork,
        /// So many bytes.
        done: u32,
        /// Out of so many; 0 while that is not known.
        total: u32,
    },
    /// It was done; a copy is on disk, sealed.
    Done {
        /// What was done.
        work: DongleWork,
        /// When.
        at: UnixMillis,
    },
    /// It was not done.
    Failed {
        /// What was not done.
        work: DongleWork,
        /// When that was known.
        at: UnixMillis,
        /// One sentence: what is wrong, what to do.
        reason: String,
    },
}

/// Whether the hub's records are being kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreHealth {
    /// They are.
    Good,
    /// They are not: one sentence says why and what to do. Doors still work.
    Failing {
        /// The sentence.
        reason: String,
    },
}
