//! Health: the one answer that needs no token. It says whether the hub can act, and no more than that.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::view::{RadioView, StoreHealth};
use hubd_model::RadioState;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::extract::json;
use super::life_safety::LifeSafetyWord;
use super::problem::Problem;

/// Whether the hub can act.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthDto {
    /// Whether everything does its work.
    status: HealthStatus,
    /// Each radio.
    radios: Vec<RadioHealth>,
    /// Whether records are being kept.
    store: StoreStatus,
    /// Where life safety stands.
    life_safety: LifeSafetyWord,
}

/// Whether everything does its work.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HealthStatus {
    /// It does.
    Ok,
    /// Some part does not; the others still do.
    Degraded,
}

/// Whether records are being kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoreStatus {
    /// They are.
    Good,
    /// They are not; doors still work.
    Failing,
}

/// A radio's state in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RadioWord {
    /// The hub is opening the port or asking the dongle what it is.
    Starting,
    /// The dongle works.
    Ready,
    /// The dongle is there but does not do its work.
    Failing,
    /// The port cannot be opened.
    Away,
}

impl RadioWord {
    /// The state without its reason.
    pub(super) fn of(state: &RadioState) -> Self {
        match state {
            RadioState::Starting => Self::Starting,
            RadioState::Ready => Self::Ready,
            RadioState::Failing { .. } => Self::Failing,
            RadioState::Away { .. } => Self::Away,
        }
    }
}

/// A radio's state in a word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RadioHealth {
    /// Its name.
    name: String,
    /// Its state.
    state: RadioWord,
}

impl From<RadioView> for RadioHealth {
    fn from(radio: RadioView) -> Self {
        Self {
            state: RadioWord::of(&radio.state),
            name: radio.name.into(),
        }
    }
}

/// Whether the hub can act: 200 while it can, also when a part of it is degraded.
#[utoipa::path(get, path = "/api/v1/health", tag = "health", operation_id = "get_health", responses(
    (status = 200, description = "The hub can act.", body = HealthDto),
    (status = "default", description = "The hub cannot act.", body = Problem,
        content_type = "application/problem+json")))]
pub(super) async fn health(State(api): State<Api>) -> Result<Response, Problem> {
    let (radios, store, life_safety) = api
        .look(|engine| (engine.radios(), engine.store_health(), engine.life_safety()))
        .await?;
    let radios: Vec<RadioHealth> = radios.into_iter().map(Into::into).collect();
    let store = match store {
        StoreHealth::Good => StoreStatus::Good,
        StoreHealth::Failing { .. } => StoreStatus::Failing,
    };
    let life_safety = LifeSafetyWord::of(&life_safety);
    let good = life_safety != LifeSafetyWord::Unreadable
        && matches!(store, StoreStatus::Good)
        && radios.iter().all(|radio| radio.state == RadioWord::Ready);
    let status = if good {
        HealthStatus::Ok
    } else {
        HealthStatus::Degraded
    };
    Ok(json(
        StatusCode::OK,
        &HealthDto {
            status,
            radios,
            store,
            life_safety,
        },
    ))
}
