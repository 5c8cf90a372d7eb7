//! What people ask of life safety, and why that is refused.

use std::collections::BTreeSet;

use hubd_model::{AlarmId, IncidentId, LockId, Millis};
use thiserror::Error;

use super::policy::{Detectors, PolicyFault, Rules};

/// Something that a person asks of life safety. `by` is an account's or token's name, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeSafetyRequest {
    /// Set the policy. With a version, only if that is the one in force.
    SetPolicy {
        /// The rules.
        rules: Rules,
        /// The version that they were made from.
        from_version: Option<u64>,
        /// Who asks.
        by: String,
    },
    /// Say whether nobody is at home.
    SetAway {
        /// Whether nobody is.
        away: bool,
        /// Who asks.
        by: String,
    },
    /// Let alarms of these detectors release nothing for a while.
    StartMaintenance {
        /// Which.
        detectors: Detectors,
        /// For how long.
        span: Millis,
        /// Why.
        reason: String,
        /// Who asks.
        by: String,
    },
    /// Let alarms count again.
    EndMaintenance {
        /// Who asks.
        by: String,
    },
    /// Call for help: release the doors now.
    CallForHelp {
        /// Why.
        reason: String,
        /// Who asks.
        by: String,
    },
    /// Confirm the alarm: release the doors now.
    Release {
        /// Which incident.
        incident: IncidentId,
        /// Who asks.
        by: String,
    },
    /// Call a release off before it happens.
    Cancel {
        /// Which incident.
        incident: IncidentId,
        /// Why.
        reason: String,
        /// Who asks.
        by: String,
    },
    /// End an incident.
    Close {
        /// Which.
        incident: IncidentId,
        /// Why.
        reason: String,
        /// Detectors that still warn and are not to be believed.
        overrule: BTreeSet<AlarmId>,
        /// Who asks.
        by: String,
    },
    /// Say what a release was.
    Review {
        /// Which incident.
        incident: IncidentId,
        /// Whether there was no danger.
        false_alarm: bool,
        /// Why, in their words.
        reason: String,
        /// Who asks.
        by: String,
    },
    /// Rehearse a release.
    StartDrill {
        /// Which doors; `None` for all that the policy chose.
        doors: Option<BTreeSet<LockId>>,
        /// Whether no door moves.
        dry: bool,
        /// Wait for this detector's test button.
        detector: Option<AlarmId>,
        /// Who asks.
        by: String,
    },
    /// End the drill.
    EndDrill {
        /// Who asks.
        by: String,
    },
}

/// Why a request to life safety is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LifeSafetyRefusal {
    /// The rules cannot be kept.
    #[error(transparent)]
    BadPolicy(#[from] PolicyFault),
    /// Somebody else changed the policy meanwhile.
    #[error("the policy is at version {in_force} now: look at it again and repeat the change")]
    PolicyMoved {
        /// The version in force.
        in_force: u64,
    },
    /// No such incident.
    #[error("there is no incident {0}; list them with GET /api/v1/life-safety/incidents")]
    NoSuchIncident(IncidentId),
    /// The incident is over.
    #[error("{0} is over; nothing is left to be done in it")]
    Over(IncidentId),
    /// The policy chooses no door.
    #[error("no door is chosen to be released: set a policy with PUT /api/v1/life-safety first")]
    NoDoorChosen,
    /// Doors are being opened already.
    #[error("{0} has released doors already; a release cannot be called off any more, only ended")]
    Released(IncidentId),
    /// Detectors still warn.
    #[error(
        "these detectors still warn: {}; wait for their all-clear, or name those that are not to be believed in `overrule`",
        names(.0)
    )]
    StillAlarming(Vec<AlarmId>),
    /// The door is held open.
    #[error(
        "{lock} is held open by {incident} while a detector warns: it can be locked by hand at the door, or here when the \
         danger is over"
    )]
    HeldOpen {
        /// The door.
        lock: LockId,
        /// The incident.
        incident: IncidentId,
    },
    /// Nothing to say about this one.
    #[error("{0} released nothing or was reviewed already")]
    NothingToReview(IncidentId),
    /// Without a reason.
    #[error("a reason is needed: 1 to 500 characters, without control characters")]
    BadReason,
    /// Too long.
    #[error("maintenance lasts from 1 to 30 minutes")]
    BadSpan,
    /// No such detector.
    #[error("there is no detector {0}; list them with GET /api/v1/alarms")]
    NoSuchDetector(AlarmId),
    /// A door that is not chosen.
    #[error("the policy does not release {0}, so no drill does: choose a door of the policy")]
    DoorNotChosen(LockId),
    /// Not during an emergency.
    #[error("{0} is not over: not during an emergency")]
    Emergency(IncidentId),
    /// One drill at a time.
    #[error("{0} is under way; end it first")]
    DrillUnderWay(IncidentId),
    /// No drill to end.
    #[error("no drill is under way")]
    NoDrill,
    /// No maintenance to end.
    #[error("no maintenance is under way")]
    NoMaintenance,
}

impl LifeSafetyRefusal {
    /// The stable code of the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadPolicy(_) => "bad_policy",
            Self::PolicyMoved { .. } => "policy_moved",
            Self::NoSuchIncident(_) => "no_such_incident",
            Self::Over(_) => "incident_over",
            Self::NoDoorChosen => "no_door_chosen",
            Self::Released(_) => "already_released",
            Self::StillAlarming(_) => "still_alarming",
            Self::HeldOpen { .. } => "held_open",
            Self::NothingToReview(_) => "nothing_to_review",
            Self::BadReason => "bad_reason",
            Self::BadSpan => "bad_span",
            Self::NoSuchDetector(_) => "no_such_alarm",
            Self::DoorNotChosen(_) => "door_not_chosen",
            Self::Emergency(_) => "emergency",
            Self::DrillUnderWay(_) => "drill_under_way",
            Self::NoDrill => "no_drill",
            Self::NoMaintenance => "no_maintenance",
        }
    }
}

fn names(alarms: &[AlarmId]) -> String {
    alarms.iter().map(AlarmId::as_str).collect::<Vec<_>>().join(", ")
}
