//! Life safety as rows: shapes of their own, with a version each. A policy that cannot be read is told as such and never
//! guessed at.

mod reasons;

use std::collections::{BTreeMap, BTreeSet};

use hubd_core::lifesafety::incident::{
    Attempt, Door, DoorStage, Drill, DrillStage, Escalation, Incident, Released, Review, Signed, Source,
    Stage, Trigger,
};
use hubd_core::lifesafety::policy::{Confirm, Detectors, DoorRule, Policy, Rules, WhenAway};
use hubd_core::lifesafety::reason::Finding;
use hubd_core::lifesafety::{LifeSafetyKey, LifeSafetyMemory, LifeSafetyRecord, Standing, StoredPolicy};
use hubd_model::{AlarmId, CommandId, Hazard, HoldState, IncidentId, LockId, Millis, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows;
use reasons::{
    ConcernRow, FindingRow, concern_from, concern_row, each_known, finding_row, findings_from, known,
};

/// The version of every shape below.
pub(crate) const VERSION: i64 = 1;

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) id: String,
}

impl Key {
    fn new(kind: &str, id: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
        }
    }
}

impl From<LifeSafetyKey> for Key {
    fn from(key: LifeSafetyKey) -> Self {
        match key {
            LifeSafetyKey::Incident(id) => Self::new("incident", id.as_str()),
            LifeSafetyKey::Drill(id) => Self::new("drill", id.as_str()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PolicyRow {
    version: u64,
    changed_at: UnixMillis,
    changed_by: String,
    enabled: bool,
    doors: BTreeMap<LockId, RuleRow>,
}

#[derive(Serialize, Deserialize)]
struct RuleRow {
    hazards: BTreeSet<Hazard>,
    /// Absent: every one.
    detectors: Option<BTreeSet<AlarmId>>,
    at_once: BTreeSet<Hazard>,
    second_within: Option<Millis>,
    lasting: Option<Millis>,
    when_away: AwayRow,
    cancel_window: Millis,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AwayRow {
    Same,
    Confirmed,
    Person,
}

#[derive(Serialize, Deserialize)]
struct StandingRow {
    away: bool,
    give_back: BTreeSet<LockId>,
    maintenance: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StageRow {
    Alarm,
    Releasing,
    Held,
    Restoring,
    Closed,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DoorStageRow {
    Waiting,
    Pending,
    Releasing,
    Open,
    LockedByHand,
    GivenUp,
    Restored,
}

#[derive(Serialize, Deserialize)]
struct SignedRow {
    at: UnixMillis,
    by: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct TriggerRow {
    source: SourceRow,
    at: UnixMillis,
    over_at: Option<UnixMillis>,
    overruled_by: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceRow {
    Detector {
        alarm: AlarmId,
        hazard: Hazard,
        frame: Vec<u8>,
    },
    Person {
        name: String,
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct DoorRow {
    lock: LockId,
    state: DoorStageRow,
    confirmed_at: Option<UnixMillis>,
    opened_at: Option<UnixMillis>,
    latency: Option<Millis>,
    tries: u32,
    attempts: Vec<AttemptRow>,
    auto_relock: Option<HoldState>,
}

#[derive(Serialize, Deserialize)]
struct AttemptRow {
    command: CommandId,
    at: UnixMillis,
    /// A command's row.
    end: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct EscalationRow {
    at: UnixMillis,
    lock: Option<LockId>,
    /// The sentence, which older hubs kept alone.
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    why: Option<ConcernRow>,
    over_at: Option<UnixMillis>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReviewRow {
    NotNeeded,
    Open,
    Done { signed: SignedRow, false_alarm: bool },
}

#[derive(Serialize, Deserialize)]
struct IncidentRow {
    id: IncidentId,
    stage: StageRow,
    opened_at: UnixMillis,
    opened_seq: u64,
    policy_version: Option<u64>,
    triggers: Vec<TriggerRow>,
    doors: Vec<DoorRow>,
    released_at: Option<UnixMillis>,
    released_why: Option<String>,
    cancelled: Option<SignedRow>,
    clear_at: Option<UnixMillis>,
    closed: Option<SignedRow>,
    closed_seq: Option<u64>,
    escalations: Vec<EscalationRow>,
    review: ReviewRow,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DrillStageRow {
    Armed,
    Running,
    Ended,
}

#[derive(Serialize, Deserialize)]
struct DrillRow {
    id: IncidentId,
    stage: DrillStageRow,
    dry: bool,
    by: String,
    detector: Option<AlarmId>,
    asked_at: UnixMillis,
    began_at: Option<UnixMillis>,
    frame: Vec<u8>,
    doors: Vec<DoorRow>,
    /// The sentences, which older hubs kept alone.
    findings: Vec<String>,
    /// What each of them is, in the same order.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "each_known"
    )]
    found: Vec<Option<FindingRow>>,
    ended: Option<SignedRow>,
    passed: bool,
}

macro_rules! same_variants {
    ($row:ident, $word:ident, { $($variant:ident),* }) => {
        impl From<$word> for $row {
            fn from(word: $word) -> Self {
                match word { $($word::$variant => Self::$variant),* }
            }
        }

        impl From<$row> for $word {
            fn from(row: $row) -> Self {
                match row { $($row::$variant => Self::$variant),* }
            }
        }
    };
}

same_variants!(AwayRow, WhenAway, { Same, Confirmed, Person });
same_variants!(StageRow, Stage, { Alarm, Releasing, Held, Restoring, Closed });
same_variants!(DoorStageRow, DoorStage, { Waiting, Pending, Releasing, Open, LockedByHand, GivenUp, Restored });
same_variants!(DrillStageRow, DrillStage, { Armed, Running, Ended });

impl From<Signed> for SignedRow {
    fn from(signed: Signed) -> Self {
        let Signed { at, by, reason } = signed;
        Self { at, by, reason }
    }
}

impl From<SignedRow> for Signed {
    fn from(row: SignedRow) -> Self {
        let SignedRow { at, by, reason } = row;
        Self { at, by, reason }
    }
}

impl From<Trigger> for TriggerRow {
    fn from(trigger: Trigger) -> Self {
        Self {
            source: match trigger.source {
                Source::Detector { alarm, hazard, frame } => SourceRow::Detector { alarm, hazard, frame },
                Source::Person { name, reason } => SourceRow::Person { name, reason },
            },
            at: trigger.at,
            over_at: trigger.over_at,
            overruled_by: trigger.overruled_by,
        }
    }
}

impl From<TriggerRow> for Trigger {
    fn from(row: TriggerRow) -> Self {
        Self {
            source: match row.source {
                SourceRow::Detector { alarm, hazard, frame } => Source::Detector { alarm, hazard, frame },
                SourceRow::Person { name, reason } => Source::Person { name, reason },
            },
            at: row.at,
            over_at: row.over_at,
            overruled_by: row.overruled_by,
        }
    }
}

fn door_row(door: Door) -> serde_json::Result<DoorRow> {
    let attempt = |attempt: Attempt| {
        let end = match &attempt.end {
            Some(end) => Some(serde_json::from_str(&rows::command(end)?)?),
            None => None,
        };
        Ok::<_, serde_json::Error>(AttemptRow {
            command: attempt.command,
            at: attempt.at,
            end,
        })
    };
    Ok(DoorRow {
        lock: door.lock,
        state: door.state.into(),
        confirmed_at: door.confirmed_at,
        opened_at: door.opened_at,
        latency: door.latency,
        tries: door.tries,
        attempts: door.attempts.into_iter().map(attempt).collect::<Result<_, _>>()?,
        auto_relock: door.auto_relock,
    })
}

fn door_from(row: DoorRow) -> Result<Door, String> {
    let attempt = |row: AttemptRow| {
        let end = row
            .end
            .map(|end| rows::command_from(rows::VERSION, &end.to_string()))
            .transpose()?;
        Ok::<_, String>(Attempt {
            command: row.command,
            at: row.at,
            end,
        })
    };
    Ok(Door {
        lock: row.lock,
        state: row.state.into(),
        confirmed_at: row.confirmed_at,
        opened_at: row.opened_at,
        latency: row.latency,
        tries: row.tries,
        attempts: row.attempts.into_iter().map(attempt).collect::<Result<_, _>>()?,
        auto_relock: row.auto_relock,
    })
}

/// A row: its key and its JSON.
pub(crate) fn row(record: LifeSafetyRecord) -> serde_json::Result<(Key, String)> {
    match record {
        LifeSafetyRecord::Policy(policy) => Ok((Key::new("policy", ""), policy_row(policy)?)),
        LifeSafetyRecord::Standing(standing) => {
            let Standing {
                away,
                give_back,
                maintenance,
            } = standing;
            let row = StandingRow {
                away,
                give_back,
                maintenance,
            };
            Ok((Key::new("standing", ""), serde_json::to_string(&row)?))
        }
        LifeSafetyRecord::Incident(incident) => {
            let key = Key::new("incident", incident.id.as_str());
            Ok((key, incident_row(incident)?))
        }
        LifeSafetyRecord::Drill(drill) => {
            let key = Key::new("drill", drill.id.as_str());
            let row = DrillRow {
                id: drill.id,
                stage: drill.stage.into(),
                dry: drill.dry,
                by: drill.by,
                detector: drill.detector,
                asked_at: drill.asked_at,
                began_at: drill.began_at,
                frame: drill.frame,
                doors: drill.doors.into_iter().map(door_row).collect::<Result<_, _>>()?,
                findings: drill.findings.iter().map(Finding::to_string).collect(),
                found: drill.findings.into_iter().map(finding_row).collect(),
                ended: drill.ended.map(SignedRow::from),
                passed: drill.passed,
            };
            Ok((key, serde_json::to_string(&row)?))
        }
    }
}

fn policy_row(policy: Policy) -> serde_json::Result<String> {
    let rule = |rule: DoorRule| RuleRow {
        hazards: rule.hazards,
        detectors: match rule.detectors {
            Detectors::Any => None,
            Detectors::Only(chosen) => Some(chosen),
        },
        at_once: rule.confirm.at_once,
        second_within: rule.confirm.second_within,
        lasting: rule.confirm.lasting,
        when_away: rule.when_away.into(),
        cancel_window: rule.cancel_window,
    };
    let doors = policy.rules.doors.into_iter();
    serde_json::to_string(&PolicyRow {
        version: policy.version,
        changed_at: policy.changed_at,
        changed_by: policy.changed_by,
        enabled: policy.rules.enabled,
        doors: doors.map(|(lock, door)| (lock, rule(door))).collect(),
    })
}

fn incident_row(incident: Incident) -> serde_json::Result<String> {
    let (released_at, released_why) = incident
        .released
        .map(|released| (released.at, released.why))
        .unzip();
    let escalation = |escalation: Escalation| EscalationRow {
        at: escalation.at,
        lock: escalation.lock,
        what: escalation.what.to_string(),
        why: concern_row(escalation.what),
        over_at: escalation.over_at,
    };
    serde_json::to_string(&IncidentRow {
        id: incident.id,
        stage: incident.stage.into(),
        opened_at: incident.opened_at,
        opened_seq: incident.opened_seq,
        policy_version: incident.policy_version,
        triggers: incident.triggers.into_iter().map(TriggerRow::from).collect(),
        doors: incident
            .doors
            .into_iter()
            .map(door_row)
            .collect::<Result<_, _>>()?,
        released_at,
        released_why,
        cancelled: incident.cancelled.map(SignedRow::from),
        clear_at: incident.clear_at,
        closed: incident.closed.map(SignedRow::from),
        closed_seq: incident.closed_seq,
        escalations: incident.escalations.into_iter().map(escalation).collect(),
        review: match incident.review {
            Review::NotNeeded => ReviewRow::NotNeeded,
            Review::Open => ReviewRow::Open,
            Review::Done { signed, false_alarm } => ReviewRow::Done {
                signed: signed.into(),
                false_alarm,
            },
        },
    })
}

/// Puts a row into what the mind remembers, instead of an older one of the same key. What cannot be read is told.
pub(crate) fn remember(memory: &mut LifeSafetyMemory, key: &Key, version: i64, row: &str) {
    let unreadable = |detail: String| format!("the stored {} {} cannot be read ({detail})", key.kind, key.id);
    let advice = "set the policy anew with PUT /api/v1/life-safety";
    match (key.kind.as_str(), version) {
        ("policy", VERSION) => {
            memory.policy = match policy_from(row) {
                Ok(policy) => StoredPolicy::Readable(policy),
                Err(detail) => StoredPolicy::Unreadable(format!("{}; {advice}", unreadable(detail))),
            };
        }
        ("policy", other) => {
            let detail = format!("row version {other} is not known");
            memory.policy = StoredPolicy::Unreadable(format!("{}; {advice}", unreadable(detail)));
        }
        ("standing", VERSION) => match serde_json::from_str::<StandingRow>(row) {
            Ok(row) => {
                memory.standing = Standing {
                    away: row.away,
                    give_back: row.give_back,
                    maintenance: row.maintenance,
                };
            }
            Err(error) => memory.unreadable.push(unreadable(error.to_string())),
        },
        ("incident", VERSION) => match incident_from(row) {
            Ok(incident) => memory.keep(LifeSafetyRecord::Incident(incident)),
            Err(detail) => memory.unreadable.push(unreadable(detail)),
        },
        ("drill", VERSION) => match drill_from(row) {
            Ok(drill) => memory.keep(LifeSafetyRecord::Drill(drill)),
            Err(detail) => memory.unreadable.push(unreadable(detail)),
        },
        (_, other) => memory
            .unreadable
            .push(unreadable(format!("row version {other} is not known"))),
    }
}

/// Takes a row out of what the mind remembers.
pub(crate) fn forget(memory: &mut LifeSafetyMemory, key: &Key) {
    match (key.kind.as_str(), IncidentId::parse(&key.id)) {
        ("incident", Ok(id)) => memory.forget(&LifeSafetyKey::Incident(id)),
        ("drill", Ok(id)) => memory.forget(&LifeSafetyKey::Drill(id)),
        (_, Ok(_) | Err(_)) => {}
    }
}

fn policy_from(row: &str) -> Result<Policy, String> {
    let row: PolicyRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
    let rule = |rule: RuleRow| DoorRule {
        hazards: rule.hazards,
        detectors: rule.detectors.map_or(Detectors::Any, Detectors::Only),
        confirm: Confirm {
            at_once: rule.at_once,
            second_within: rule.second_within,
            lasting: rule.lasting,
        },
        when_away: rule.when_away.into(),
        cancel_window: rule.cancel_window,
    };
    Ok(Policy {
        version: row.version,
        changed_at: row.changed_at,
        changed_by: row.changed_by,
        rules: Rules {
            enabled: row.enabled,
            doors: row
                .doors
                .into_iter()
                .map(|(lock, door)| (lock, rule(door)))
                .collect(),
        },
    })
}

fn incident_from(row: &str) -> Result<Incident, String> {
    let row: IncidentRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
    let escalation = |row: EscalationRow| Escalation {
        at: row.at,
        lock: row.lock,
        what: concern_from(row.why, row.what),
        over_at: row.over_at,
    };
    Ok(Incident {
        id: row.id,
        stage: row.stage.into(),
        opened_at: row.opened_at,
        opened_seq: row.opened_seq,
        policy_version: row.policy_version,
        triggers: row.triggers.into_iter().map(Trigger::from).collect(),
        doors: row.doors.into_iter().map(door_from).collect::<Result<_, _>>()?,
        released: row.released_at.map(|at| Released {
            at,
            why: row.released_why.unwrap_or_default(),
        }),
        cancelled: row.cancelled.map(Signed::from),
        clear_at: row.clear_at,
        closed: row.closed.map(Signed::from),
        closed_seq: row.closed_seq,
        escalations: row.escalations.into_iter().map(escalation).collect(),
        review: match row.review {
            ReviewRow::NotNeeded => Review::NotNeeded,
            ReviewRow::Open => Review::Open,
            ReviewRow::Done { signed, false_alarm } => Review::Done {
                signed: signed.into(),
                false_alarm,
            },
        },
    })
}

fn drill_from(row: &str) -> Result<Drill, String> {
    let row: DrillRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
    Ok(Drill {
        id: row.id,
        stage: row.stage.into(),
        dry: row.dry,
        by: row.by,
        detector: row.detector,
        asked_at: row.asked_at,
        began_at: row.began_at,
        frame: row.frame,
        doors: row.doors.into_iter().map(door_from).collect::<Result<_, _>>()?,
        findings: findings_from(row.found, row.findings),
        ended: row.ended.map(Signed::from),
        passed: row.passed,
    })
}
