//! Sessions: which devices are signed in, and ending them.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use hubd_model::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::{Caller, Person};
use super::extract::{Params, bad_parameter, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::accounts::{AccountError, Lifetime};
use crate::store::{AccountChange, AccountRow, SessionRow};

/// A device that is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenSession)]
struct OpenSessionDto {
    /// Its id.
    id: String,
    /// The account's id.
    account: String,
    /// The account's name.
    name: String,
    /// Whether it is the one that asks.
    current: bool,
    /// When it began.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was used last, to the minute.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// From which address it was opened.
    address: String,
    /// What its browser calls itself.
    agent: String,
}

/// Ends a session and records who did.
pub(super) async fn end(
    api: &Api,
    session: &SessionRow,
    account: &AccountRow,
    by: &str,
) -> Result<(), Problem> {
    api.store()
        .change_account(AccountChange::EndSession(session.id.clone()))
        .await
        .map_err(AccountError::from)?;
    api.record(Event::SessionEnded {
        account: account.id.clone(),
        name: account.name.clone(),
        by: by.to_owned(),
    });
    Ok(())
}

/// Every session of the person who asks; with `all`, an owner sees everybody's.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", operation_id = "list_sessions", params(
    ("all" = Option<bool>, Query, description = "Everybody's; owners only.")), responses(
    (status = 200, description = "The sessions, the newest first.", body = [OpenSessionDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    mut params: Params,
) -> Result<Response, Problem> {
    let all = params
        .parse("all", "true or false", |text| text.parse().ok())?
        .unwrap_or(false);
    params.finish()?;
    let Person { session, account } = caller.person()?;
    if all && account.role != Role::Owner {
        return Err(bad_parameter(
            "all",
            "for you: only an owner sees everybody's sessions",
        ));
    }
    let accounts = api.store().accounts().map_err(|error| Problem::store(&error))?;
    let sessions = api.store().sessions().map_err(|error| Problem::store(&error))?;
    let now = api.now();
    let shown: Vec<OpenSessionDto> = sessions
        .into_iter()
        .filter(|one| all || one.account == account.id)
        .filter_map(|one| {
            let whose = accounts.iter().find(|account| account.id == one.account)?;
            Lifetime::of(whose.role).holds(&one, now).then(|| OpenSessionDto {
                current: one.id == session.id,
                id: one.id,
                account: one.account,
                name: whose.name.clone(),
                created_at: rfc3339(one.created_at),
                last_seen_at: rfc3339(one.last_seen),
                address: one.address,
                agent: one.agent,
            })
        })
        .collect();
    Ok(json(StatusCode::OK, &shown))
}

/// Ends a session: one's own, or as an owner anybody's.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session", operation_id = "end_session",
    params(("id" = String, Path, description = "The session's id.")), responses(
    (status = 204, description = "It has ended: its next request is refused, its event streams end within 15 seconds."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let person = caller.person()?;
    let sessions = api.store().sessions().map_err(|error| Problem::store(&error))?;
    let found = sessions
        .into_iter()
        .find(|one| one.id == id && (one.account == person.account.id || person.account.role == Role::Owner));
    let Some(session) = found else {
        let detail = "there is no session with this id; list them with GET /api/v1/sessions";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_session", detail));
    };
    let account = api
        .store()
        .account(&session.account)
        .map_err(|error| Problem::store(&error))?;
    let account = account.as_ref().unwrap_or(&person.account);
    end(&api, &session, account, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends every other session of the person who asks.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", operation_id = "end_other_sessions", responses(
    (status = 204, description = "They have ended."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove_others(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let Person { session, account } = caller.person()?;
    let change = AccountChange::EndSessions(account.id.clone(), Some(session.id.clone()));
    api.store()
        .change_account(change)
        .await
        .map_err(AccountError::from)?;
    api.record(Event::SessionEnded {
        account: account.id.clone(),
        name: account.name.clone(),
        by: caller.name,
    });
    Ok(StatusCode::NO_CONTENT.into_response())
}
