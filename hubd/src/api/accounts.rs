//! Everybody's accounts, for owners: list, invite, change, remove.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::account::AccountDto;
use super::auth::Caller;
use super::extract::{Json, OptionalJson, Params, json};
use super::problem::Problem;
use super::session::RoleName;
use crate::accounts::AccountError;
use crate::store::{AccountChange, AccountRefusal, AccountRow, Owners, StoreError};
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
    /// That a third owner, or a further one, is meant.
    #[serde(default)]
    further_owner: bool,
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
    let (id, invitation) = api
        .accounts()
        .invite(&body.name, body.role.into(), owners, api.now())
        .await?;
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

/// Changes an account's name or role.
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
    params(("id" = String, Path, description = "The account's id.")), request_body = NewInvitationDto, responses(
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
