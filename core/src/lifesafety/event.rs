//! What life safety records.

use hubd_model::{AlarmId, Hazard, IncidentId, LockId, Millis, Via};

use super::incident::Drill;
use super::reason::Concern;

/// Something of life safety that is recorded. Entries about one door or detector name it as their subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeSafetyEvent {
    /// An emergency began.
    Opened {
        /// Which.
        incident: IncidentId,
        /// Of what; `None` when a person called for help.
        hazard: Option<Hazard>,
        /// Who called for help.
        by: Option<String>,
        /// The policy in force; `None` when there is none that can be read.
        policy_version: Option<u64>,
        /// The doors that the policy chose.
        doors: Vec<LockId>,
    },
    /// A further detector warns, or another danger.
    Joined {
        /// Which incident.
        incident: IncidentId,
        /// Of what; `None` when a person called for help.
        hazard: Option<Hazard>,
    },
    /// A release is decided and can still be called off.
    Pending {
        /// Which incident.
        incident: IncidentId,
        /// The doors.
        doors: Vec<LockId>,
        /// For so long.
        window: Millis,
        /// What confirmed it.
        why: String,
    },
    /// A release was called off in time.
    Cancelled {
        /// Which incident.
        incident: IncidentId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Doors are being opened.
    Released {
        /// Which incident.
        incident: IncidentId,
        /// The doors.
        doors: Vec<LockId>,
        /// What confirmed it.
        why: String,
        /// Under which policy.
        policy_version: Option<u64>,
    },
    /// A door was reported open.
    DoorOpened {
        /// Which incident.
        incident: IncidentId,
        /// From the detector's message to the report.
        latency: Option<Millis>,
        /// After so many attempts.
        tries: u32,
    },
    /// A door locked itself while it was to be held open; it is being opened again.
    DoorRelocked {
        /// Which incident.
        incident: IncidentId,
        /// By what.
        via: Via,
    },
    /// Somebody at the door locked it while it was held open; it is left so.
    DoorLockedByHand {
        /// Which incident.
        incident: IncidentId,
        /// By what.
        via: Via,
    },
    /// Something that a person has to look at.
    Escalated {
        /// Which incident.
        incident: IncidentId,
        /// What is wrong and what to do.
        what: Concern,
    },
    /// Every chosen door is open.
    Held {
        /// Which incident.
        incident: IncidentId,
    },
    /// The danger is over. These doors are open: somebody is asked to lock them.
    Clear {
        /// Which incident.
        incident: IncidentId,
        /// The doors.
        doors: Vec<LockId>,
    },
    /// An emergency ended.
    Closed {
        /// Which.
        incident: IncidentId,
        /// Who ended it; `hubd` when it ended by itself.
        by: String,
        /// Why.
        reason: String,
        /// Whether doors were released.
        released: bool,
    },
    /// A release has to be looked at as a security incident until somebody says what it was.
    ReviewOpened {
        /// Which incident.
        incident: IncidentId,
    },
    /// Somebody said what a release was.
    Reviewed {
        /// Which incident.
        incident: IncidentId,
        /// Who.
        by: String,
        /// Why, in their words.
        reason: String,
        /// Whether there was no danger.
        false_alarm: bool,
    },
    /// A drill was asked for or began.
    DrillStarted {
        /// Which.
        drill: IncidentId,
        /// Who asked.
        by: String,
        /// Whether no door moves.
        dry: bool,
    },
    /// A drill ended.
    DrillEnded {
        /// Its report.
        report: Box<Drill>,
    },
    /// Detectors are being worked on: their alarms release nothing for a while.
    MaintenanceStarted {
        /// Who asked.
        by: String,
        /// Why.
        reason: String,
        /// Which; `None` for all.
        detectors: Option<Vec<AlarmId>>,
        /// For how long.
        span: Millis,
    },
    /// Alarms count again.
    MaintenanceEnded {
        /// Who ended it; `hubd` when its time was over.
        by: String,
    },
    /// The owner changed the policy.
    PolicyChanged {
        /// The new version.
        version: u64,
        /// Who.
        by: String,
        /// Whether doors are released at all.
        enabled: bool,
        /// The doors.
        doors: Vec<LockId>,
    },
    /// What is stored cannot be read: nothing is released until a policy is set anew.
    PolicyUnreadable {
        /// What is wrong.
        reason: String,
    },
    /// Somebody said whether people are at home.
    AwayChanged {
        /// Whether nobody is.
        away: bool,
        /// Who.
        by: String,
    },
}

impl LifeSafetyEvent {
    /// The event's stable name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "incident.opened",
            Self::Joined { .. } => "incident.joined",
            Self::Pending { .. } => "incident.pending",
            Self::Cancelled { .. } => "incident.cancelled",
            Self::Released { .. } => "incident.released",
            Self::DoorOpened { .. } => "incident.door_opened",
            Self::DoorRelocked { .. } => "incident.door_relocked",
            Self::DoorLockedByHand { .. } => "incident.door_locked_by_hand",
            Self::Escalated { .. } => "incident.escalated",
            Self::Held { .. } => "incident.held",
            Self::Clear { .. } => "incident.clear",
            Self::Closed { .. } => "incident.closed",
            Self::ReviewOpened { .. } => "incident.review_opened",
            Self::Reviewed { .. } => "incident.reviewed",
            Self::DrillStarted { .. } => "drill.started",
            Self::DrillEnded { .. } => "drill.ended",
            Self::MaintenanceStarted { .. } => "maintenance.started",
            Self::MaintenanceEnded { .. } => "maintenance.ended",
            Self::PolicyChanged { .. } => "policy.changed",
            Self::PolicyUnreadable { .. } => "policy.unreadable",
            Self::AwayChanged { .. } => "household.away_changed",
        }
    }
}
