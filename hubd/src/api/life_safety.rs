//! Life safety as a whole: the policy per door, whether it does its work, maintenance, and whether people are at home.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::engine::Engine;
use hubd_core::input::{Answer, Request};
use hubd_core::lifesafety::incident::Stage;
use hubd_core::lifesafety::policy::{Confirm, Detectors, DoorRule, Policy, Rules, WhenAway};
use hubd_core::lifesafety::request::LifeSafetyRequest;
use hubd_core::lifesafety::{LifeSafetyView, MaintenanceView, Readiness};
use hubd_model::{AlarmId, Hazard, IncidentId, LockId, Millis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::drills::DrillDto;
use super::extract::{Json, Params, json};
use super::incidents::IncidentDto;
use super::problem::Problem;
use super::shape::{HazardName, rfc3339};

/// What an alarm needs before a door is released for it, unless the owner says otherwise.
const SECOND_WITHIN_S: u64 = 300;
const LASTING_S: u64 = 30;

/// The policy: which doors are unlocked for helpers, at which alarms. A door that is not named is never moved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LifeSafetyPolicy)]
pub(super) struct PolicyDto {
    /// Its version; 0 when nobody set one. Every release names it.
    version: u64,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    changed_at: Option<String>,
    /// Who set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_by: Option<String>,
    /// Whether doors are released at all.
    enabled: bool,
    /// The doors.
    doors: Vec<DoorRuleDto>,
    /// False when what is stored cannot be read: then nothing is released until a policy is set anew.
    readable: bool,
    /// What of it cannot be carried out any more, one sentence each.
    problems: Vec<String>,
}

/// How one door is released.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DoorRule)]
pub(super) struct DoorRuleDto {
    /// The lock's id.
    lock: String,
    /// The dangers.
    hazards: Vec<HazardName>,
    /// The detectors that count; absent for every one whose link is authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    detectors: Option<Vec<String>>,
    /// The dangers that need no confirmation.
    at_once: Vec<HazardName>,
    /// Confirmed by a second detector within so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_detector_within_s: Option<u64>,
    /// Confirmed by one detector that alarms for so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasting_s: Option<u64>,
    /// What is different while nobody is at home.
    when_away: WhenAwayName,
    /// For so many seconds a confirmed release can be called off.
    cancel_window_s: u64,
}

/// What is different while nobody is at home.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenAwayName {
    /// Nothing.
    #[default]
    Same,
    /// Nothing is released at once: it takes a second detector, an alarm that lasts, or a person.
    Confirmed,
    /// Only a person releases it.
    Person,
}

/// A new policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLifeSafetyPolicy)]
pub(super) struct NewPolicyDto {
    /// The version that it was made from; refused when another is in force.
    #[serde(default)]
    from_version: Option<u64>,
    /// Whether doors are released at all.
    enabled: bool,
    /// The doors; at most 64.
    #[schema(max_items = 64)]
    doors: Vec<NewDoorRuleDto>,
}

/// How one door is released.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDoorRule)]
pub(super) struct NewDoorRuleDto {
    /// The lock's id.
    lock: LockIdText,
    /// The dangers; smoke, co and heat when left out.
    #[serde(default = "every_hazard")]
    hazards: Vec<HazardWord>,
    /// The detectors that count; left out for every one whose link is authenticated.
    #[serde(default)]
    detectors: Option<Vec<AlarmIdText>>,
    /// The dangers that need no confirmation; those of co and heat that are chosen, when left out.
    #[serde(default)]
    at_once: Option<Vec<HazardWord>>,
    /// Confirmed by a second detector within so many seconds; 300 when left out and two detectors count, 0 for never.
    #[serde(default)]
    #[schema(maximum = 3600)]
    second_detector_within_s: Option<u64>,
    /// Confirmed by one detector that alarms for so many seconds; 30 when left out, 0 for never.
    #[serde(default)]
    #[schema(maximum = 600)]
    lasting_s: Option<u64>,
    /// What is different while nobody is at home.
    #[serde(default)]
    when_away: WhenAwayName,
    /// For so many seconds a confirmed release can be called off.
    #[serde(default)]
    #[schema(maximum = 30)]
    cancel_window_s: u64,
}

/// A lock's id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub(super) struct LockIdText(pub(super) LockId);

/// A detector's id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub(super) struct AlarmIdText(pub(super) AlarmId);

/// A danger.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HazardWord {
    /// Smoke.
    Smoke,
    /// Carbon monoxide.
    Co,
    /// Heat.
    Heat,
}

impl From<HazardWord> for Hazard {
    fn from(word: HazardWord) -> Self {
        match word {
            HazardWord::Smoke => Self::Smoke,
            HazardWord::Co => Self::Co,
            HazardWord::Heat => Self::Heat,
        }
    }
}

fn every_hazard() -> Vec<HazardWord> {
    vec![HazardWord::Smoke, HazardWord::Co, HazardWord::Heat]
}

impl NewPolicyDto {
    /// The rules, with what was left out filled in. `detectors` says how many detectors have an authenticated link.
    fn rules(self, detectors: usize) -> Result<Rules, Problem> {
        let mut rules = Rules {
            enabled: self.enabled,
            ..Rules::default()
        };
        for door in self.doors {
            let lock = door.lock.0.clone();
            if rules.doors.insert(lock.clone(), door.rule(detectors)).is_some() {
                let detail = format!("the door {lock} is named twice: name it once");
                return Err(Problem::bad_request("bad_policy", detail));
            }
        }
        Ok(rules)
    }
}

impl NewDoorRuleDto {
    fn rule(self, detectors: usize) -> DoorRule {
        let hazards: BTreeSet<Hazard> = self.hazards.into_iter().map(Hazard::from).collect();
        let at_once = self.at_once.map_or_else(
            || {
                hazards
                    .iter()
                    .copied()
                    .filter(|hazard| *hazard != Hazard::Smoke)
                    .collect()
            },
            |words| words.into_iter().map(Hazard::from).collect(),
        );
        let counting = self.detectors.as_ref().map_or(detectors, Vec::len);
        let span = |given: Option<u64>, usual: u64| {
            let seconds = given.unwrap_or(usual);
            (seconds > 0).then_some(Millis::from_secs(seconds))
        };
        DoorRule {
            hazards,
            detectors: self.detectors.map_or(Detectors::Any, |chosen| {
                Detectors::Only(chosen.into_iter().map(|alarm| alarm.0).collect())
            }),
            confirm: Confirm {
                at_once,
                second_within: span(
                    self.second_detector_within_s,
                    if counting > 1 { SECOND_WITHIN_S } else { 0 },
                ),
                lasting: span(self.lasting_s, LASTING_S),
            },
            when_away: match self.when_away {
                WhenAwayName::Same => WhenAway::Same,
                WhenAwayName::Confirmed => WhenAway::Confirmed,
                WhenAwayName::Person => WhenAway::Person,
            },
            cancel_window: Millis::from_secs(self.cancel_window_s),
        }
    }
}

impl PolicyDto {
    fn new(view: LifeSafetyView) -> Self {
        let readable = !matches!(view.readiness, Readiness::Unreadable(_));
        let mut problems = view.problems;
        if let Readiness::Unreadable(reason) = view.readiness {
            problems.insert(0, reason);
        }
        let (version, changed_at, changed_by, rules) = match view.policy {
            Some(Policy {
                version,
                changed_at,
                changed_by,
                rules,
            }) => (version, Some(rfc3339(changed_at)), Some(changed_by), rules),
            None => (0, None, None, Rules::default()),
        };
        Self {
            version,
            changed_at,
            changed_by,
            enabled: rules.enabled,
            doors: rules
                .doors
                .into_iter()
                .map(|(lock, rule)| DoorRuleDto::new(lock, rule))
                .collect(),
            readable,
            problems,
        }
    }
}

impl DoorRuleDto {
    fn new(lock: LockId, rule: DoorRule) -> Self {
        let seconds = |span: Millis| span.0 / 1000;
        Self {
            lock: lock.into(),
            hazards: rule.hazards.into_iter().map(Into::into).collect(),
            detectors: match rule.detectors {
                Detectors::Any => None,
                Detectors::Only(chosen) => Some(chosen.into_iter().map(Into::into).collect()),
            },
            at_once: rule.confirm.at_once.into_iter().map(Into::into).collect(),
            second_detector_within_s: rule.confirm.second_within.map(seconds),
            lasting_s: rule.confirm.lasting.map(seconds),
            when_away: match rule.when_away {
                WhenAway::Same => WhenAwayName::Same,
                WhenAway::Confirmed => WhenAwayName::Confirmed,
                WhenAway::Person => WhenAwayName::Person,
            },
            cancel_window_s: seconds(rule.cancel_window),
        }
    }
}

/// Where life safety stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LifeSafetyWord {
    /// No door is released: nobody set a policy, or it is off.
    Off,
    /// Nothing warns, and it would act.
    Armed,
    /// All or some detectors are being worked on.
    Maintenance,
    /// A detector warns.
    Alarm,
    /// Doors are being opened.
    Releasing,
    /// Every chosen door is open.
    Held,
    /// The danger is over; somebody is asked to lock the doors.
    Restoring,
    /// What is stored cannot be read: nothing is released.
    Unreadable,
}

impl LifeSafetyWord {
    /// Where it stands, in a word.
    pub(super) fn of(view: &LifeSafetyView) -> Self {
        match (
            &view.readiness,
            view.incident.as_ref().map(|incident| incident.stage),
        ) {
            (Readiness::Unreadable(_), _) => Self::Unreadable,
            (_, Some(Stage::Alarm)) => Self::Alarm,
            (_, Some(Stage::Releasing)) => Self::Releasing,
            (_, Some(Stage::Held)) => Self::Held,
            (_, Some(Stage::Restoring)) => Self::Restoring,
            (Readiness::Off, _) => Self::Off,
            (Readiness::Armed, _) => Self::Armed,
            (Readiness::Maintenance, _) => Self::Maintenance,
        }
    }
}

/// Life safety as a whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LifeSafetyState)]
pub(super) struct StateDto {
    /// Where it stands.
    state: LifeSafetyWord,
    /// The policy's version; 0 when there is none.
    policy_version: u64,
    /// What is wrong with it, one sentence each.
    problems: Vec<String>,
    /// Whether nobody is at home.
    away: bool,
    /// Maintenance under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance: Option<MaintenanceDto>,
    /// The emergency under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<IncidentDto>,
    /// Releases that somebody has to look at: security incidents until then.
    unreviewed: Vec<String>,
    /// The drill under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    drill: Option<DrillDto>,
    /// When the last drill ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_drill_at: Option<String>,
    /// When the next drill is due; absent when there was none yet, so it is due now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    next_drill_at: Option<String>,
}

impl From<LifeSafetyView> for StateDto {
    fn from(view: LifeSafetyView) -> Self {
        let state = LifeSafetyWord::of(&view);
        let mut problems = view.problems;
        if let Readiness::Unreadable(reason) = view.readiness {
            problems.insert(0, reason);
        }
        Self {
            state,
            policy_version: view.policy.map_or(0, |policy| policy.version),
            problems,
            away: view.away,
            maintenance: view.maintenance.map(MaintenanceDto::from),
            incident: view.incident.map(IncidentDto::from),
            unreviewed: view.unreviewed.into_iter().map(IncidentId::into).collect(),
            drill: view.drill.map(DrillDto::from),
            last_drill_at: view.last_drill_at.map(rfc3339),
            next_drill_at: view.next_drill_at.map(rfc3339),
        }
    }
}

/// Maintenance under way: alarms of these detectors release nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Maintenance)]
pub(super) struct MaintenanceDto {
    /// Which detectors; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    detectors: Option<Vec<String>>,
    /// Who asked.
    by: String,
    /// Why.
    reason: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// It ends by itself then.
    #[schema(format = DateTime)]
    until: String,
}

impl From<MaintenanceView> for MaintenanceDto {
    fn from(view: MaintenanceView) -> Self {
        Self {
            detectors: match view.detectors {
                Detectors::Any => None,
                Detectors::Only(chosen) => Some(chosen.into_iter().map(Into::into).collect()),
            },
            by: view.by,
            reason: view.reason,
            since: rfc3339(view.since),
            until: rfc3339(view.until),
        }
    }
}

/// Maintenance to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMaintenance)]
pub(super) struct NewMaintenanceDto {
    /// For how long.
    #[schema(minimum = 1, maximum = 30)]
    minutes: u64,
    /// Why: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Which detectors; left out for all.
    #[serde(default)]
    detectors: Option<Vec<AlarmIdText>>,
}

/// Whether people are at home.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Occupancy)]
pub(super) struct OccupancyDto {
    /// Whether nobody is.
    away: bool,
}

impl Api {
    /// Asks life safety for something; the incident or drill that it is about.
    pub(super) async fn life_safety(
        &self,
        request: LifeSafetyRequest,
    ) -> Result<Option<IncidentId>, Problem> {
        match self.request(Request::LifeSafety(request)).await? {
            Answer::Incident(id) => Ok(Some(id)),
            Answer::Accepted | Answer::Command(_) | Answer::Credentials { .. } => Ok(None),
        }
    }
}

async fn state_now(api: &Api, caller: &Caller) -> Result<StateDto, Problem> {
    let mut view = api.look(Engine::life_safety).await?;
    caller.doors(api).narrow(&mut view);
    Ok(view.into())
}

/// The policy.
#[utoipa::path(get, path = "/api/v1/life-safety", tag = "life safety",
    operation_id = "get_life_safety_policy",
    responses(
    (status = 200, description = "The policy.", body = PolicyDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn policy(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let view = api.look(Engine::life_safety).await?;
    Ok(json(StatusCode::OK, &PolicyDto::new(view)))
}

/// Sets the policy anew, as a whole. Rules that name what is not there, contradict themselves or would release nothing
/// are refused with what to change.
#[utoipa::path(put, path = "/api/v1/life-safety", tag = "life safety", operation_id = "set_life_safety_policy",
    request_body = NewPolicyDto, responses(
    (status = 200, description = "The policy with its new version.", body = PolicyDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_policy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewPolicyDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let detectors = api
        .look(|engine| {
            let alarms = engine.alarms();
            alarms
                .iter()
                .filter(|alarm| alarm.description.security.is_authenticated())
                .count()
        })
        .await?;
    let from_version = body.from_version;
    let rules = body.rules(detectors)?;
    api.life_safety(LifeSafetyRequest::SetPolicy {
        rules,
        from_version,
        by: caller.name,
    })
    .await?;
    let view = api.look(Engine::life_safety).await?;
    Ok(json(StatusCode::OK, &PolicyDto::new(view)))
}

/// Life safety as a whole.
#[utoipa::path(get, path = "/api/v1/life-safety/state", tag = "life safety",
    operation_id = "get_life_safety_state",
    responses(
    (status = 200, description = "Where it stands.", body = StateDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn state(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    Ok(json(StatusCode::OK, &state_now(&api, &caller).await?))
}

/// Begins maintenance: alarms of these detectors release nothing, for 30 minutes at most. It ends by itself, and when the
/// hub restarts.
#[utoipa::path(post, path = "/api/v1/life-safety/maintenance", tag = "life safety",
    operation_id = "start_maintenance",
    request_body = NewMaintenanceDto, responses(
    (status = 200, description = "Where life safety stands now.", body = StateDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start_maintenance(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewMaintenanceDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.life_safety(LifeSafetyRequest::StartMaintenance {
        detectors: body.detectors.map_or(Detectors::Any, |chosen| {
            Detectors::Only(chosen.into_iter().map(|alarm| alarm.0).collect())
        }),
        span: Millis::from_secs(body.minutes.saturating_mul(60)),
        reason: body.reason,
        by: caller.name.clone(),
    })
    .await?;
    Ok(json(StatusCode::OK, &state_now(&api, &caller).await?))
}

/// Ends maintenance: alarms count again.
#[utoipa::path(delete, path = "/api/v1/life-safety/maintenance", tag = "life safety",
    operation_id = "end_maintenance",
    responses(
    (status = 200, description = "Where life safety stands now.", body = StateDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end_maintenance(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.life_safety(LifeSafetyRequest::EndMaintenance {
        by: caller.name.clone(),
    })
    .await?;
    Ok(json(StatusCode::OK, &state_now(&api, &caller).await?))
}

/// Says whether people are at home, for policies that are stricter while nobody is.
#[utoipa::path(put, path = "/api/v1/life-safety/occupancy", tag = "life safety", operation_id = "set_occupancy",
    request_body = OccupancyDto, responses(
    (status = 200, description = "Where life safety stands now.", body = StateDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_occupancy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<OccupancyDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.life_safety(LifeSafetyRequest::SetAway {
        away: body.away,
        by: caller.name.clone(),
    })
    .await?;
    Ok(json(StatusCode::OK, &state_now(&api, &caller).await?))
}
