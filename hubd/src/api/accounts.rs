//! Everybody's accounts, for owners: list, invite, change, remove.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::credentials::hours;
use hubd_core::engine::Engine;
use hubd_core::event::Event;
use hubd_core::input::Refusal;
use hubd_model::LockId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::account::AccountDto;
use super::auth::Caller;
use super::extract::{Json, OptionalJson, Params, json};
use super::life_safety::LockIdText;
use super::problem::Problem;
use super::schedules::NewScheduleDto;
use super::session::RoleName;
use crate::accounts::AccountError;
use crate::store::{Access, AccountChange, AccountRefusal, AccountRow, LOCKS_MAX, Owners, StoreError};
use crate::token::check_name;

/// An account to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
pub(super) struct NewAccountDto {
    /// Its name; no two accounts share one.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Its role.
    role: RoleName,
    /// What a guest is given; without it, no door.
    #[serde(default)]
    access: Option<NewAccessDto>,
    /// That a third owner, or a further one, is meant.
    #[serde(default)]
    further_owner: bool,
}

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange)]
pub(super) struct ChangeDto {
    /// A new name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
    /// A new role.
    #[serde(default)]
    role: Option<RoleName>,
    /// What a guest is given from now on, as a whole.
    #[serde(default)]
    access: Option<NewAccessDto>,
    /// That a third owner, or a further one, is meant.
    #[serde(default)]
    further_owner: bool,
}

/// What a guest is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccess)]
pub(super) struct NewAccessDto {
    /// The ids of the locks that it may see and open.
    #[schema(max_items = 64)]
    locks: Vec<LockIdText>,
    /// When it may; left out for always.
    #[serde(default)]
    schedule: NewScheduleDto,
}

/// What an invitation forgets.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitation)]
pub(super) struct NewInvitationDto {
    /// Whether the second factor and the recovery codes are forgotten too.
    #[serde(default)]
    forget_second_factor: bool,
}

/// Somebody was invited.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitedAccount)]
struct InvitedDto {
    #[serde(flatten)]
    account: AccountDto,
    /// The code to be handed over, shown here and never again. It is taken with `POST /invitation`.
    #[schema(format = Password)]
    invitation: String,
}

/// What a guest is given, with doors that exist and hours that can come.
async fn checked(api: &Api, access: NewAccessDto) -> Result<Access, Problem> {
    if access.locks.len() > LOCKS_MAX {
        let detail = format!("access.locks: expected at most {LOCKS_MAX}");
        return Err(Problem::bad_request("bad_field", detail));
    }
    let mut access = Access {
        locks: access.locks.into_iter().map(|lock| lock.0).collect(),
        schedule: access.schedule.into(),
    };
    access
        .schedule
        .weekly
        .sort_by_key(|window| (window.day(), window.start()));
    hours::check(&access.schedule).map_err(|fault| {
        Problem::bad_request("bad_schedule", format!("access.schedule: the schedule {fault}"))
    })?;
    let locks = api.look(Engine::locks).await?;
    let known = |id: &LockId| locks.iter().any(|lock| lock.id == *id);
    match access.locks.iter().find(|id| !known(id)) {
        Some(missing) => Err(Refusal::NoSuchLock(missing.clone()).into()),
        None => Ok(access),
    }
}

fn not_a_guest() -> Problem {
    let detail = "only guests are given doors and hours; everybody else has their role";
    Problem::new(StatusCode::CONFLICT, "not_a_guest", detail)
}

const fn owners(further: bool) -> Owners {
    if further { Owners::Any } else { Owners::Few }
}

fn find(api: &Api, id: &str) -> Result<AccountRow, Problem> {
    let found = api.store().account(id).map_err(AccountError::from)?;
    Ok(found.ok_or(AccountError::Store(StoreError::Account(
        AccountRefusal::NoSuchAccount,
    )))?)
}

fn changed(api: &Api, account: &AccountRow, what: String, caller: &Caller) {
    api.record(Event::AccountChanged {
        account: account.id.clone(),
        name: account.name.clone(),
        what,
        by: caller.name.clone(),
    });
}

/// Every account.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "account", operation_id = "list_accounts", responses(
    (status = 200, description = "Every account, by name.", body = [AccountDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let rows = api.store().accounts().map_err(AccountError::from)?;
    Ok(json(
        StatusCode::OK,
        &rows.iter().map(AccountDto::from).collect::<Vec<_>>(),
    ))
}

/// Makes an account and invites its person, who sets the password with `POST /invitation` within seven days.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "account", operation_id = "create_account",
    request_body = NewAccountDto, responses(
    (status = 201, description = "The account and its invitation.", body = InvitedDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewAccountDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let owners = owners(body.further_owner);
    let access = match body.access {
        Some(_) if body.role != RoleName::Guest => return Err(not_a_guest()),
        Some(access) => Some(checked(&api, access).await?),
        None => None,
    };
    let (id, invitation) = api
        .accounts()
        .invite(&body.name, body.role.into(), owners, api.now())
        .await?;
    if let Some(access) = access {
        let change = AccountChange::SetAccess(id.clone(), access);
        api.store()
            .change_account(change)
            .await
            .map_err(AccountError::from)?;
    }
    let account = find(&api, &id)?;
    api.record(Event::AccountCreated {
        account: id,
        name: account.name.clone(),
        role: account.role.as_str().to_owned(),
        by: caller.name,
    });
    let shown = InvitedDto {
        account: AccountDto::from(&account),
        invitation: invitation.expose().to_owned(),
    };
    Ok(json(StatusCode::CREATED, &shown))
}

/// Changes an account's name or role, or what a guest is given.
#[utoipa::path(patch, path = "/api/v1/accounts/{id}", tag = "account", operation_id = "change_account",
    params(("id" = String, Path, description = "The account's id.")), request_body = ChangeDto, responses(
    (status = 200, description = "The account.", body = AccountDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<ChangeDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let account = find(&api, &id)?;
    let role = body.role.unwrap_or_else(|| account.role.into());
    let access = match body.access {
        Some(_) if role != RoleName::Guest => return Err(not_a_guest()),
        Some(access) => Some(checked(&api, access).await?),
        None => None,
    };
    if let Some(name) = body.name {
        check_name(&name).map_err(|_| AccountError::BadName)?;
        let rename = AccountChange::Rename(id.clone(), name.clone());
        api.store()
            .change_account(rename)
            .await
            .map_err(AccountError::from)?;
        changed(&api, &account, format!("its name is {name} now"), &caller);
    }
    if let Some(role) = body.role {
        let role = role.into();
        let change = AccountChange::SetRole(id.clone(), role, owners(body.further_owner));
        api.store()
            .change_account(change)
            .await
            .map_err(AccountError::from)?;
        changed(
            &api,
            &account,
            format!("its role is {} now", role.as_str()),
            &caller,
        );
    }
    if let Some(access) = access {
        let what = format!("it was given {} of the doors", access.locks.len());
        let change = AccountChange::SetAccess(id.clone(), access);
        api.store()
            .change_account(change)
            .await
            .map_err(AccountError::from)?;
        changed(&api, &account, what, &caller);
    }
    Ok(json(StatusCode::OK, &AccountDto::from(&find(&api, &id)?)))
}

/// Removes an account with its sessions; never the last owner.
#[utoipa::path(delete, path = "/api/v1/accounts/{id}", tag = "account", operation_id = "remove_account",
    params(("id" = String, Path, description = "The account's id.")), responses(
    (status = 204, description = "It is removed."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let account = find(&api, &id)?;
    let change = AccountChange::Remove(id);
    api.store()
        .change_account(change)
        .await
        .map_err(AccountError::from)?;
    api.record(Event::AccountRemoved {
        account: account.id,
        name: account.name,
        by: caller.name,
    });
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Invites the person of an account again, who lost the password or the phone. The old password opens nothing any
/// more, and every session ends.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/invitation", tag = "account", operation_id = "invite_again",
    params(("id" = String, Path, description = "The account's id.")), request_body = Option<NewInvitationDto>, responses(
    (status = 201, description = "The account and its invitation.", body = InvitedDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn invite(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
    OptionalJson(body): OptionalJson<NewInvitationDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let account = find(&api, &id)?;
    if account.id == caller.id {
        let detail = "this is your own account; change your password with PUT /api/v1/account/password";
        return Err(Problem::new(StatusCode::CONFLICT, "own_account", detail));
    }
    let invitation = api
        .accounts()
        .invite_again(&id, body.forget_second_factor, api.now())
        .await?;
    let what = if body.forget_second_factor {
        "invited again; the password and the second factor are forgotten"
    } else {
        "invited again; the password is forgotten"
    };
    changed(&api, &account, what.to_owned(), &caller);
    let shown = InvitedDto {
        account: AccountDto::from(&find(&api, &id)?),
        invitation: invitation.expose().to_owned(),
    };
    Ok(json(StatusCode::CREATED, &shown))
}
