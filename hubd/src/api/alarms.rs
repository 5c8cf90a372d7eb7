//! Smoke, CO and heat detectors: what they last reported, their names, and the removal of one that is dead.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::engine::Engine;
use hubd_core::input::{Refusal, Request};
use hubd_core::view::AlarmView;
use hubd_model::AlarmId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::extract::{Id, Json, Params, json};
use super::problem::Problem;
use super::shape::{HazardName, Link, Rename, SecurityName, rfc3339};

/// A detector.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alarm)]
pub(super) struct AlarmDto {
    /// Its id.
    id: String,
    /// Its name, for people.
    name: String,
    /// Its radio.
    radio: String,
    /// Maker and model.
    model: String,
    /// How well its link is protected; one with `none` never opens a door.
    security: SecurityName,
    /// What it can warn of.
    hazards: Vec<HazardName>,
    /// Whether it warns of anything now.
    state: AlarmState,
    /// What it warns of now, each since when.
    raised: Vec<RaisedDto>,
    /// When it was tested last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    tested_at: Option<String>,
    /// When it said that it is at the end of its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    end_of_life_at: Option<String>,
    /// The last trouble that it reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<TroubleDto>,
    /// What is left in the battery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    battery_percent: Option<u8>,
    /// Whether it answers.
    link: Link,
}

/// Whether a detector warns of anything.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AlarmState {
    /// It does not.
    Quiet,
    /// It does: danger.
    Raised,
}

/// A hazard that a detector warns of now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Raised)]
pub(super) struct RaisedDto {
    /// Of what.
    hazard: HazardName,
    /// Since when.
    #[schema(format = DateTime)]
    at: String,
}

/// A trouble that a device reported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trouble)]
pub(super) struct TroubleDto {
    /// What, for people.
    what: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

impl From<AlarmView> for AlarmDto {
    fn from(alarm: AlarmView) -> Self {
        let raised = |reported: hubd_core::view::Reported<hubd_model::Hazard>| RaisedDto {
            hazard: reported.value.into(),
            at: rfc3339(reported.at),
        };
        Self {
            id: alarm.id.into(),
            name: alarm.name,
            radio: alarm.radio.into(),
            model: alarm.description.model,
            security: alarm.description.security.into(),
            hazards: alarm.description.hazards.into_iter().map(Into::into).collect(),
            state: if alarm.raised.is_empty() {
                AlarmState::Quiet
            } else {
                AlarmState::Raised
            },
            raised: alarm.raised.into_iter().map(raised).collect(),
            tested_at: alarm.tested.map(rfc3339),
            end_of_life_at: alarm.end_of_life.map(rfc3339),
            trouble: alarm.trouble.map(|reported| TroubleDto {
                what: reported.value,
                at: rfc3339(reported.at),
            }),
            battery_percent: alarm.battery.map(|battery| battery.value.percent()),
            link: Link::new(alarm.link, alarm.last_heard),
        }
    }
}

/// Every detector.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", operation_id = "list_alarms",
    responses(
    (status = 200, description = "Every detector.", body = [AlarmDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let alarms = api.look(Engine::alarms).await?;
    Ok(json(
        StatusCode::OK,
        &alarms.into_iter().map(AlarmDto::from).collect::<Vec<_>>(),
    ))
}

/// One detector.
#[utoipa::path(get, path = "/api/v1/alarms/{id}", tag = "alarms", operation_id = "get_alarm",
    params(("id" = String, Path, description = "The detector's id.")), responses(
    (status = 200, description = "The detector.", body = AlarmDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<AlarmId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    Ok(json(StatusCode::OK, &AlarmDto::from(view(&api, id).await?)))
}

/// Gives a detector a name.
#[utoipa::path(patch, path = "/api/v1/alarms/{id}", tag = "alarms", operation_id = "rename_alarm",
    params(("id" = String, Path, description = "The detector's id.")),
    request_body = Rename, responses(
    (status = 200, description = "The detector with its new name.", body = AlarmDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rename(
    State(api): State<Api>,
    Id(id): Id<AlarmId>,
    params: Params,
    Json(body): Json<Rename>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.request(Request::RenameAlarm {
        alarm: id.clone(),
        name: body.name,
    })
    .await?;
    Ok(json(StatusCode::OK, &AlarmDto::from(view(&api, id).await?)))
}

/// Removes a detector that no longer answers from its radio's network. How far it is, and why a detector that still
/// answers or may only sleep is kept, is in the radio's `exclusion`; the removal is done when `device.excluded` is in the
/// journal.
#[utoipa::path(delete, path = "/api/v1/alarms/{id}", tag = "alarms", operation_id = "remove_alarm",
    params(("id" = String, Path, description = "The detector's id.")), responses(
    (status = 202, description = "The radio was asked; the detector as it is until then.", body = AlarmDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Id(id): Id<AlarmId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let alarm = view(&api, id.clone()).await?;
    api.request(Request::RemoveFailedAlarm { alarm: id }).await?;
    Ok(json(StatusCode::ACCEPTED, &AlarmDto::from(alarm)))
}

async fn view(api: &Api, id: AlarmId) -> Result<AlarmView, Problem> {
    let wanted = id.clone();
    let alarm = api.look(move |engine| engine.alarm(&wanted)).await?;
    alarm.ok_or_else(|| Refusal::NoSuchAlarm(id).into())
}
