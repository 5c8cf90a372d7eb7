//! Drills: rehearse a release, with or without moving doors, and keep the report.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::lifesafety::incident::{Drill, DrillStage};
use hubd_core::lifesafety::reason::Finding;
use hubd_core::lifesafety::request::LifeSafetyRequest;
use hubd_model::IncidentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Id, Json, Params, json};
use super::incidents::{DoorDto, SignedDto};
use super::life_safety::{AlarmIdText, LockIdText};
use super::problem::Problem;
use super::shape::rfc3339;

/// A rehearsal of a release.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drill)]
pub(super) struct DrillDto {
    /// Its id.
    id: String,
    /// Where it stands.
    state: DrillStageName,
    /// Whether no door moves.
    dry: bool,
    /// Who asked for it.
    by: String,
    /// The detector whose test button starts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detector: Option<String>,
    /// When it was asked for.
    #[schema(format = DateTime)]
    asked_at: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    began_at: Option<String>,
    /// What became of each door; `latency_ms` is from the test signal, or the request, to the bolt's report.
    doors: Vec<DoorDto>,
    /// What failed or would have failed, one sentence each.
    findings: Vec<String>,
    /// The same with its code each, in the same order.
    found: Vec<FindingDto>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<SignedDto>,
    /// Whether every door did what it should.
    passed: bool,
}

/// What failed in a drill or would have failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingDto {
    /// Stable, for programs; `other` for what was kept before findings had codes.
    #[schema(example = "not_open")]
    code: &'static str,
    /// One sentence, for people.
    detail: String,
    /// The door that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<String>,
    /// Who ended it, where that is the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// How many seconds the door had, where it did not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    within_s: Option<u64>,
}

impl From<&Finding> for FindingDto {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code(),
            detail: finding.to_string(),
            lock: finding.lock().map(|lock| lock.as_str().to_owned()),
            by: finding.by().map(str::to_owned),
            within_s: finding.within().map(|within| within.0 / 1000),
        }
    }
}

/// Where a drill stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DrillStageName {
    /// It waits for the test button of a detector.
    Armed,
    /// Doors are being opened.
    Running,
    /// It is over.
    Ended,
}

impl From<Drill> for DrillDto {
    fn from(drill: Drill) -> Self {
        Self {
            id: drill.id.into(),
            state: match drill.stage {
                DrillStage::Armed => DrillStageName::Armed,
                DrillStage::Running => DrillStageName::Running,
                DrillStage::Ended => DrillStageName::Ended,
            },
            dry: drill.dry,
            by: drill.by,
            detector: drill.detector.map(Into::into),
            asked_at: rfc3339(drill.asked_at),
            began_at: drill.began_at.map(rfc3339),
            doors: drill.doors.into_iter().map(DoorDto::from).collect(),
            findings: drill.findings.iter().map(Finding::to_string).collect(),
            found: drill.findings.iter().map(FindingDto::from).collect(),
            ended: drill.ended.map(SignedDto::from),
            passed: drill.passed,
        }
    }
}

/// A drill to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDrill)]
pub(super) struct NewDrillDto {
    /// Whether no door moves: only what would fail is found.
    dry: bool,
    /// Which doors of the policy; left out for all.
    #[serde(default)]
    doors: Option<Vec<LockIdText>>,
    /// Wait for this detector's test button, for ten minutes at most; left out to begin at once.
    #[serde(default)]
    detector: Option<AlarmIdText>,
}

/// Every drill that is remembered, newest first.
#[utoipa::path(get, path = "/api/v1/life-safety/drills", tag = "life safety", operation_id = "list_drills", responses(
    (status = 200, description = "Every drill.", body = [DrillDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let drills = api.look(hubd_core::engine::Engine::drills).await?;
    let drills: Vec<DrillDto> = drills.into_iter().rev().map(DrillDto::from).collect();
    Ok(json(StatusCode::OK, &drills))
}

/// One drill with its report.
#[utoipa::path(get, path = "/api/v1/life-safety/drills/{id}", tag = "life safety", operation_id = "get_drill",
    params(("id" = String, Path, description = "The drill's id.")), responses(
    (status = 200, description = "The drill.", body = DrillDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<IncidentId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    Ok(json(StatusCode::OK, &find(&api, id).await?))
}

/// Begins a drill, or arms one that a detector's test button begins.
#[utoipa::path(post, path = "/api/v1/life-safety/drills", tag = "life safety", operation_id = "start_drill",
    request_body = NewDrillDto, responses(
    (status = 202, description = "The drill.", body = DrillDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewDrillDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let doors = body
        .doors
        .map(|doors| doors.into_iter().map(|lock| lock.0).collect::<BTreeSet<_>>());
    let id = api
        .life_safety(LifeSafetyRequest::StartDrill {
            doors,
            dry: body.dry,
            detector: body.detector.map(|alarm| alarm.0),
            by: caller.name,
        })
        .await?
        .ok_or_else(no_such_drill)?;
    Ok(json(StatusCode::ACCEPTED, &find(&api, id).await?))
}

/// Ends the drill under way.
#[utoipa::path(delete, path = "/api/v1/life-safety/drills", tag = "life safety",
    operation_id = "end_drill",
    responses(
    (status = 200, description = "The drill with its report.", body = DrillDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let id = api
        .life_safety(LifeSafetyRequest::EndDrill { by: caller.name })
        .await?
        .ok_or_else(no_such_drill)?;
    Ok(json(StatusCode::OK, &find(&api, id).await?))
}

async fn find(api: &Api, id: IncidentId) -> Result<DrillDto, Problem> {
    let found = api
        .look(move |engine| engine.drills().into_iter().find(|drill| drill.id == id))
        .await?;
    found.map(DrillDto::from).ok_or_else(no_such_drill)
}

fn no_such_drill() -> Problem {
    let detail = "there is no such drill; list them with GET /api/v1/life-safety/drills";
    Problem::new(StatusCode::NOT_FOUND, "no_such_drill", detail)
}
