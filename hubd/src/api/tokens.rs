//! Tokens for machines: list, make (the text is shown once) and remove.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Json, Params, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::store::{NewToken as NewRow, StoreError, TokenRow};
use crate::token::{NewToken, Scope, check_name};

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenDto {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// What it allows.
    #[schema(value_type = Scope)]
    scope: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was used last, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

impl From<TokenRow> for TokenDto {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scope: row.scope,
            created_at: rfc3339(row.created_at),
            last_used_at: row.last_used.map(rfc3339),
        }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct NewTokenDto {
    /// Its name; no two tokens share one.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it allows.
    scope: Scope,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedToken)]
pub(super) struct CreatedDto {
    #[serde(flatten)]
    row: TokenDto,
    /// Its text, shown here and never again.
    #[schema(format = Password)]
    token: String,
}

/// Every token.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", operation_id = "list_tokens",
    responses(
    (status = 200, description = "Every token, by name.", body = [TokenDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let rows = api.store().tokens().map_err(|error| Problem::store(&error))?;
    Ok(json(
        StatusCode::OK,
        &rows.into_iter().map(TokenDto::from).collect::<Vec<_>>(),
    ))
}

/// Makes a token. Its text is in the answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", operation_id = "create_token",
    request_body = NewTokenDto, responses(
    (status = 201, description = "The token.", body = CreatedDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    params: Params,
    Json(body): Json<NewTokenDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    check_name(&body.name).map_err(|error| Problem::bad_request("bad_name", error.to_string()))?;
    let token = NewToken::random().map_err(|_| super::no_randomness())?;
    let row = NewRow {
        id: token.id,
        name: body.name,
        scope: body.scope.as_str().to_owned(),
        hash: token.hash,
        created_at: api.now(),
    };
    api.store()
        .create_token(row.clone())
        .await
        .map_err(|error| refused(&error))?;
    let event = Event::TokenCreated {
        id: row.id.clone(),
        name: row.name.clone(),
        scope: row.scope.clone(),
    };
    api.record(event);
    let kept = TokenRow {
        id: row.id,
        name: row.name,
        scope: row.scope,
        created_at: row.created_at,
        last_used: None,
    };
    let answer = CreatedDto {
        row: kept.into(),
        token: token.text.expose().to_owned(),
    };
    Ok(json(StatusCode::CREATED, &answer))
}

/// Removes a token. It opens nothing from now on.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", operation_id = "remove_token",
    params(("id" = String, Path, description = "The token's id.")), responses(
    (status = 204, description = "It is removed."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let removed = api
        .store()
        .remove_token(&id)
        .await
        .map_err(|error| refused(&error))?;
    let Some(row) = removed else {
        let detail = "there is no token with this id; list them with GET /api/v1/tokens";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_token", detail));
    };
    tracing::info!(token = %row.name, by = %caller.name, "a token was removed");
    api.record(Event::TokenRemoved {
        id: row.id,
        name: row.name,
    });
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refused(error: &StoreError) -> Problem {
    if matches!(error, StoreError::NameTaken(_)) {
        Problem::new(
            StatusCode::CONFLICT,
            "name_taken",
            "there is a token with this name already",
        )
    } else if matches!(error, StoreError::TooManyTokens) {
        let detail = "there are as many tokens as the hub keeps; remove one first";
        Problem::new(StatusCode::CONFLICT, "too_many_tokens", detail)
    } else {
        Problem::store(error)
    }
}
