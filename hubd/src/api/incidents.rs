//! Incidents: what warned, which doors were told to open and what they answered, who ended it, and what it was.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::input::Refusal;
use hubd_core::lifesafety::incident::{
    Attempt, Door, DoorStage, Escalation, Incident, Review, Signed, Source, Stage, Trigger,
};
use hubd_core::lifesafety::request::{LifeSafetyRefusal, LifeSafetyRequest};
use hubd_model::{HoldState, IncidentId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::commands::CommandDto;
use super::extract::{Id, Json, Params, json};
use super::life_safety::AlarmIdText;
use super::problem::Problem;
use super::shape::{HazardName, rfc3339};
use crate::store::Filter;
use crate::store::shape::hex;

/// One emergency, from its first alarm to its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub(super) struct IncidentDto {
    /// Its id.
    id: String,
    /// Where it stands.
    state: StageName,
    /// When it began.
    #[schema(format = DateTime)]
    opened_at: String,
    /// The journal entry that opened it.
    opened_seq: u64,
    /// The policy that it began under; absent when there was none that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<u64>,
    /// What warned, in order.
    triggers: Vec<TriggerDto>,
    /// The doors that the policy chose, and what became of each.
    doors: Vec<DoorDto>,
    /// When the first door was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    released_at: Option<String>,
    /// What confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_because: Option<String>,
    /// Who called a release off in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<SignedDto>,
    /// When the danger was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    clear_at: Option<String>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<SignedDto>,
    /// The last journal entry of it, once it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_seq: Option<u64>,
    /// What somebody has to look at.
    escalations: Vec<EscalationDto>,
    /// Whether somebody has to say what the release was.
    review: ReviewDto,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StageName {
    /// A detector warns; nothing is released yet, or nothing is to be.
    Alarm,
    /// Doors are being opened.
    Releasing,
    /// Every chosen door is open, and kept so while a detector warns.
    Held,
    /// The danger is over; somebody is asked to lock the doors.
    Restoring,
    /// It is over.
    Closed,
}

impl From<Stage> for StageName {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Alarm => Self::Alarm,
            Stage::Releasing => Self::Releasing,
            Stage::Held => Self::Held,
            Stage::Restoring => Self::Restoring,
            Stage::Closed => Self::Closed,
        }
    }
}

/// Something that warned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trigger)]
pub(super) struct TriggerDto {
    /// The detector.
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<String>,
    /// Of what.
    #[serde(skip_serializing_if = "Option::is_none")]
    hazard: Option<HazardName>,
    /// The bytes of its message, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<String>,
    /// The person who called for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// Why they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// When that was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    over_at: Option<String>,
    /// Who said so although the detector did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    overruled_by: Option<String>,
}

impl From<Trigger> for TriggerDto {
    fn from(trigger: Trigger) -> Self {
        let (alarm, hazard, frame, person, reason) = match trigger.source {
            Source::Detector { alarm, hazard, frame } => (
                Some(alarm.into()),
                Some(hazard.into()),
                Some(hex(&frame)),
                None,
                None,
            ),
            Source::Person { name, reason } => (None, None, None, Some(name), Some(reason)),
        };
        Self {
            alarm,
            hazard,
            frame,
            person,
            reason,
            at: rfc3339(trigger.at),
            over_at: trigger.over_at.map(rfc3339),
            overruled_by: trigger.overruled_by,
        }
    }
}

/// What became of one door.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentDoor)]
pub(super) struct DoorDto {
    /// Its lock.
    lock: String,
    /// Where it stands.
    state: DoorStageName,
    /// When its release was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    confirmed_at: Option<String>,
    /// When it was reported open first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    opened_at: Option<String>,
    /// From the detector's message to that report.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    /// How often it was told to open.
    tries: u32,
    /// Those attempts; the first and the last ones when there were many.
    attempts: Vec<AttemptDto>,
    /// What became of its own relocking.
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_relock: Option<HoldName>,
}

/// Where a door of an incident stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DoorStageName {
    /// Nothing confirmed its release yet.
    Waiting,
    /// Its release is decided and can still be called off.
    Pending,
    /// It is being opened.
    Releasing,
    /// It was reported open.
    Open,
    /// Somebody at the door locked it.
    LockedByHand,
    /// It was not opened before the danger was over.
    GivenUp,
    /// It was reported locked after the danger.
    Restored,
}

/// What a lock's own relocking does.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HoldName {
    /// It does not lock by itself now.
    Suspended,
    /// It locks by itself as it always did, or never did.
    Normal,
    /// It locks by itself and cannot be kept from it.
    NotSupported,
}

/// One attempt to open a door.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReleaseAttempt)]
pub(super) struct AttemptDto {
    /// Its command.
    command: String,
    /// When the order was given.
    #[schema(format = DateTime)]
    at: String,
    /// How it ended; absent while it runs, or when a restart cut it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<CommandDto>,
}

impl From<Attempt> for AttemptDto {
    fn from(attempt: Attempt) -> Self {
        Self {
            command: attempt.command.into(),
            at: rfc3339(attempt.at),
            end: attempt.end.map(CommandDto::from),
        }
    }
}

impl From<Door> for DoorDto {
    fn from(door: Door) -> Self {
        Self {
            lock: door.lock.into(),
            state: match door.state {
                DoorStage::Waiting => DoorStageName::Waiting,
                DoorStage::Pending => DoorStageName::Pending,
                DoorStage::Releasing => DoorStageName::Releasing,
                DoorStage::Open => DoorStageName::Open,
                DoorStage::LockedByHand => DoorStageName::LockedByHand,
                DoorStage::GivenUp => DoorStageName::GivenUp,
                DoorStage::Restored => DoorStageName::Restored,
            },
            confirmed_at: door.confirmed_at.map(rfc3339),
            opened_at: door.opened_at.map(rfc3339),
            latency_ms: door.latency.map(|latency| latency.0),
            tries: door.tries,
            attempts: door.attempts.into_iter().map(AttemptDto::from).collect(),
            auto_relock: door.auto_relock.map(|hold| match hold {
                HoldState::Suspended => HoldName::Suspended,
                HoldState::Normal => HoldName::Normal,
                HoldState::NotSupported => HoldName::NotSupported,
            }),
        }
    }
}

/// Something that a person has to look at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Escalation)]
pub(super) struct EscalationDto {
    /// When it was found.
    #[schema(format = DateTime)]
    at: String,
    /// The door.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<String>,
    /// What is wrong and what to do, in one sentence, for people.
    what: String,
    /// The same, stable, for programs; `other` for what was kept before there were codes.
    #[schema(example = "not_reported")]
    code: &'static str,
    /// What the lock, its radio or the policy's reader said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    over_at: Option<String>,
}

impl From<Escalation> for EscalationDto {
    fn from(escalation: Escalation) -> Self {
        Self {
            at: rfc3339(escalation.at),
            lock: escalation.lock.map(Into::into),
            code: escalation.what.code(),
            reason: escalation.what.reason().map(str::to_owned),
            what: escalation.what.to_string(),
            over_at: escalation.over_at.map(rfc3339),
        }
    }
}

/// Who did something, when, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Signed)]
pub(super) struct SignedDto {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who: an account's or token's name, or `hubd`.
    by: String,
    /// Why.
    reason: String,
}

impl From<Signed> for SignedDto {
    fn from(signed: Signed) -> Self {
        Self {
            at: rfc3339(signed.at),
            by: signed.by,
            reason: signed.reason,
        }
    }
}

/// Whether a person said what a release was. One that waits for that is a security incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Review)]
pub(super) struct ReviewDto {
    /// Where it stands.
    state: ReviewName,
    /// Who said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<SignedDto>,
    /// Whether there was no danger.
    #[serde(skip_serializing_if = "Option::is_none")]
    false_alarm: Option<bool>,
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReviewName {
    /// Nothing was released.
    NotNeeded,
    /// Somebody has to say what it was.
    Open,
    /// Somebody said it.
    Done,
}

impl From<Review> for ReviewDto {
    fn from(review: Review) -> Self {
        let (state, signed, false_alarm) = match review {
            Review::NotNeeded => (ReviewName::NotNeeded, None, None),
            Review::Open => (ReviewName::Open, None, None),
            Review::Done { signed, false_alarm } => {
                (ReviewName::Done, Some(signed.into()), Some(false_alarm))
            }
        };
        Self {
            state,
            signed,
            false_alarm,
        }
    }
}

impl From<Incident> for IncidentDto {
    fn from(incident: Incident) -> Self {
        let (released_at, released_because) = incident
            .released
            .map(|released| (rfc3339(released.at), released.why))
            .unzip();
        Self {
            id: incident.id.into(),
            state: incident.stage.into(),
            opened_at: rfc3339(incident.opened_at),
            opened_seq: incident.opened_seq,
            policy_version: incident.policy_version,
            triggers: incident.triggers.into_iter().map(TriggerDto::from).collect(),
            doors: incident.doors.into_iter().map(DoorDto::from).collect(),
            released_at,
            released_because,
            cancelled: incident.cancelled.map(SignedDto::from),
            clear_at: incident.clear_at.map(rfc3339),
            closed: incident.closed.map(SignedDto::from),
            closed_seq: incident.closed_seq,
            escalations: incident
                .escalations
                .into_iter()
                .map(EscalationDto::from)
                .collect(),
            review: incident.review.into(),
        }
    }
}

/// A reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// 1 to 500 characters, without control characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// The end of an incident.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CloseIncident)]
pub(super) struct CloseDto {
    /// Why: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Detectors that still warn and are not to be believed. They are not believed for an hour, or until they say that
    /// their danger is over.
    #[serde(default)]
    overrule: Vec<AlarmIdText>,
}

/// What a release was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReviewIncident)]
pub(super) struct NewReviewDto {
    /// Whether there was no danger.
    false_alarm: bool,
    /// What it was: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// An incident with every journal entry from its beginning to its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Evidence)]
pub(super) struct EvidenceDto {
    /// The incident.
    incident: IncidentDto,
    /// The entries, in order; whatever else happened meanwhile is among them.
    entries: Vec<serde_json::Value>,
    /// Whether entries are left out, because there are more than 10,000: read those with `GET /events`.
    truncated: bool,
}

/// How many entries evidence has at most.
const EVIDENCE_MAX: usize = 10_000;

/// Every incident that is remembered, newest first.
#[utoipa::path(get, path = "/api/v1/life-safety/incidents", tag = "life safety",
    operation_id = "list_incidents",
    responses(
    (status = 200, description = "Every incident.", body = [IncidentDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let incidents = api.look(hubd_core::engine::Engine::incidents).await?;
    let incidents: Vec<IncidentDto> = incidents.into_iter().rev().map(IncidentDto::from).collect();
    Ok(json(StatusCode::OK, &incidents))
}

/// One incident with its evidence.
#[utoipa::path(get, path = "/api/v1/life-safety/incidents/{id}", tag = "life safety", operation_id = "get_incident",
    params(("id" = String, Path, description = "The incident's id.")), responses(
    (status = 200, description = "The incident.", body = IncidentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    Ok(json(StatusCode::OK, &IncidentDto::from(find(&api, id).await?)))
}

/// One incident with every journal entry from its beginning to its end, for those who have to judge it later.
#[utoipa::path(get, path = "/api/v1/life-safety/incidents/{id}/evidence", tag = "life safety",
    operation_id = "export_incident", params(("id" = String, Path, description = "The incident's id.")), responses(
    (status = 200, description = "The evidence.", body = EvidenceDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn evidence(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let incident = find(&api, id).await?;
    let last = incident.closed_seq.unwrap_or(u64::MAX);
    let mut after = incident.opened_seq.saturating_sub(2);
    let mut entries = Vec::new();
    let truncated = loop {
        let filter = Filter {
            after: Some(after),
            limit: crate::store::PAGE_MAX,
            ..Filter::default()
        };
        let page = api
            .store()
            .page(filter)
            .await
            .map_err(|error| Problem::store(&error))?;
        let Some(end) = page.last().map(|entry| entry.seq) else {
            break false;
        };
        after = end;
        entries.extend(
            page.iter()
                .filter(|entry| entry.seq <= last)
                .map(crate::store::StoredEntry::to_json),
        );
        if end >= last {
            break false;
        }
        if entries.len() >= EVIDENCE_MAX {
            break true;
        }
    };
    let evidence = EvidenceDto {
        incident: incident.into(),
        entries,
        truncated,
    };
    Ok(json(StatusCode::OK, &evidence))
}

/// Calls for help: the chosen doors are released at once.
#[utoipa::path(post, path = "/api/v1/life-safety/incidents", tag = "life safety", operation_id = "call_for_help",
    request_body = Reason, responses(
    (status = 202, description = "The incident.", body = IncidentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn call_for_help(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<Reason>,
) -> Result<Response, Problem> {
    params.finish()?;
    caller.doors(&api).require_any()?;
    let id = api
        .life_safety(LifeSafetyRequest::CallForHelp {
            reason: body.reason,
            by: caller.name.clone(),
        })
        .await?;
    let id = id.ok_or_else(Problem::no_such_path)?;
    accepted(&api, &caller, id).await
}

/// Confirms the alarm: the chosen doors are released at once.
#[utoipa::path(post, path = "/api/v1/life-safety/incidents/{id}/release", tag = "life safety",
    operation_id = "confirm_incident", params(("id" = String, Path, description = "The incident's id.")), responses(
    (status = 202, description = "The incident.", body = IncidentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn release(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    caller.doors(&api).require_any()?;
    let (incident, by) = (id.clone(), caller.name.clone());
    api.life_safety(LifeSafetyRequest::Release { incident, by })
        .await?;
    accepted(&api, &caller, id).await
}

/// Calls a release off before it happens: what warns now releases nothing, a further detector does.
#[utoipa::path(post, path = "/api/v1/life-safety/incidents/{id}/cancel", tag = "life safety",
    operation_id = "cancel_release",
    params(("id" = String, Path, description = "The incident's id.")),
    request_body = Reason, responses(
    (status = 200, description = "The incident.", body = IncidentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<Reason>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.life_safety(LifeSafetyRequest::Cancel {
        incident: id.clone(),
        reason: body.reason,
        by: caller.name,
    })
    .await?;
    Ok(json(StatusCode::OK, &IncidentDto::from(find(&api, id).await?)))
}

/// Ends an incident. Doors that are open stay open; lock them by hand or by a command.
#[utoipa::path(post, path = "/api/v1/life-safety/incidents/{id}/close", tag = "life safety",
    operation_id = "close_incident",
    params(("id" = String, Path, description = "The incident's id.")),
    request_body = CloseDto, responses(
    (status = 200, description = "The incident.", body = IncidentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn close(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<CloseDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.life_safety(LifeSafetyRequest::Close {
        incident: id.clone(),
        reason: body.reason,
        overrule: body
            .overrule
            .into_iter()
            .map(|alarm| alarm.0)
            .collect::<BTreeSet<_>>(),
        by: caller.name,
    })
    .await?;
    Ok(json(StatusCode::OK, &IncidentDto::from(find(&api, id).await?)))
}

/// Says what a release was. Until somebody does, it is shown as a security incident.
#[utoipa::path(post, path = "/api/v1/life-safety/incidents/{id}/review", tag = "life safety",
    operation_id = "review_incident",
    params(("id" = String, Path, description = "The incident's id.")),
    request_body = NewReviewDto, responses(
    (status = 200, description = "The incident.", body = IncidentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn review(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewReviewDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.life_safety(LifeSafetyRequest::Review {
        incident: id.clone(),
        false_alarm: body.false_alarm,
        reason: body.reason,
        by: caller.name,
    })
    .await?;
    Ok(json(StatusCode::OK, &IncidentDto::from(find(&api, id).await?)))
}

async fn accepted(api: &Api, caller: &Caller, id: IncidentId) -> Result<Response, Problem> {
    let mut incident = find(api, id).await?;
    caller.doors(api).narrow_incident(&mut incident);
    Ok(json(StatusCode::ACCEPTED, &IncidentDto::from(incident)))
}

async fn find(api: &Api, id: IncidentId) -> Result<Incident, Problem> {
    let wanted = id.clone();
    let found = api
        .look(move |engine| {
            engine
                .incidents()
                .into_iter()
                .find(|incident| incident.id == wanted)
        })
        .await?;
    found.ok_or_else(|| Refusal::from(LifeSafetyRefusal::NoSuchIncident(id)).into())
}
