//! What the household decides for everybody who signs in.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::event::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Json, Params, json};
use super::problem::Problem;
use crate::store::AccountChange;

/// What holds for everybody who signs in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Security)]
pub(super) struct SecurityDto {
    /// Whether a person has to prove again who they are before a door is unlocked. Off unless an owner turns it on. It
    /// never concerns locking, machines, or what an emergency releases.
    confirm_unlock: bool,
}

/// What holds for everybody who signs in.
#[utoipa::path(get, path = "/api/v1/security", tag = "account", operation_id = "get_security", responses(
    (status = 200, description = "What holds.", body = SecurityDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let confirm_unlock = api
        .store()
        .confirm_unlock()
        .map_err(|error| Problem::store(&error))?;
    Ok(json(StatusCode::OK, &SecurityDto { confirm_unlock }))
}

/// Decides what holds for everybody who signs in.
#[utoipa::path(put, path = "/api/v1/security", tag = "account", operation_id = "set_security",
    request_body = SecurityDto, responses(
    (status = 200, description = "What holds now.", body = SecurityDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<SecurityDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.store()
        .change_account(AccountChange::SetConfirmUnlock(body.confirm_unlock))
        .await
        .map_err(|error| Problem::store(&error))?;
    api.record(Event::SecurityChanged {
        by: caller.name,
        confirm_unlock: body.confirm_unlock,
    });
    Ok(json(StatusCode::OK, &body))
}
