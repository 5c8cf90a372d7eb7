//! One's own account: password, second factor and recovery codes.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use hubd_model::{Role, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Api;
use super::auth::{Caller, Person};
use super::connection::Peer;
use super::extract::{Json, Params, SecretField, json};
use super::problem::Problem;
use super::schedules::ScheduleDto;
use super::session::{Factor, RoleName, factors, place, problem};
use super::shape::rfc3339;
use crate::store::AccountRow;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountDto {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Its role.
    pub(super) role: RoleName,
    /// Its second factors.
    pub(super) second_factors: Vec<Factor>,
    /// How many recovery codes are left.
    pub(super) recovery_codes: usize,
    /// Whether its person can sign in; one who was invited cannot yet.
    pub(super) has_password: bool,
    /// Until when its invitation holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub(super) invited_until: Option<String>,
    /// What a guest was given; absent for everybody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<AccessDto>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub(super) created_at: String,
}

/// What a guest was given.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Access)]
pub(super) struct AccessDto {
    /// The ids of the locks that it may see and open.
    locks: Vec<String>,
    /// When it may. Outside, it sees no door.
    schedule: ScheduleDto,
}

impl AccessDto {
    /// What this account was given, when it is a guest's.
    pub(super) fn of(row: &AccountRow) -> Option<Self> {
        (row.role == Role::Guest).then(|| Self {
            locks: row.access.locks.iter().cloned().map(String::from).collect(),
            schedule: row.access.schedule.clone().into(),
        })
    }
}

impl From<&AccountRow> for AccountDto {
    fn from(row: &AccountRow) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            role: row.role.into(),
            second_factors: factors(row),
            recovery_codes: row.recovery_codes,
            has_password: row.password.is_some(),
            invited_until: row.invitation.map(|(_, until)| rfc3339(until)),
            access: AccessDto::of(row),
            created_at: rfc3339(row.created_at),
        }
    }
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(super) struct PasswordChangeDto {
    /// The present one.
    #[schema(value_type = String, format = Password, max_length = 128)]
    present: SecretField,
    /// The new one: 10 to 128 characters, no pattern and none that is guessed first.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 128)]
    new: SecretField,
}

/// An authenticator's secret, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpEnrolment)]
struct EnrolmentDto {
    /// The secret in base 32, for people who type it.
    #[schema(format = Password)]
    secret: String,
    /// The same for a QR code.
    #[schema(format = Password)]
    uri: String,
}

/// The first code of an authenticator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TotpCode)]
pub(super) struct CodeDto {
    /// Six digits.
    #[schema(value_type = String, format = Password)]
    code: SecretField,
}

/// New recovery codes, shown once. Each is used up when it is used; print them.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
struct RecoveryCodesDto {
    /// The codes.
    recovery_codes: Vec<String>,
}

impl From<Vec<SecretString>> for RecoveryCodesDto {
    fn from(codes: Vec<SecretString>) -> Self {
        Self {
            recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect(),
        }
    }
}

/// Records what somebody changed about their own account.
pub(super) fn changed(api: &Api, account: &AccountRow, what: &str) {
    api.record(Event::AccountChanged {
        account: account.id.clone(),
        name: account.name.clone(),
        what: what.to_owned(),
        by: account.name.clone(),
    });
}

/// One's own account.
#[utoipa::path(get, path = "/api/v1/account", tag = "account", operation_id = "get_own_account", responses(
    (status = 200, description = "The account.", body = AccountDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Extension(caller): Extension<Caller>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    Ok(json(StatusCode::OK, &AccountDto::from(&caller.person()?.account)))
}

/// Changes one's own password. Other sessions end.
#[utoipa::path(put, path = "/api/v1/account/password", tag = "account", operation_id = "change_password",
    request_body = PasswordChangeDto, responses(
    (status = 204, description = "It is changed."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn password(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<PasswordChangeDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let Person { session, account } = caller.person()?;
    let place = place(&api, &peer, &headers);
    api.accounts()
        .change_password(session, account, body.present.0, body.new.0, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    changed(&api, account, "the password was changed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Begins to enrol an authenticator. It counts when its first code came with `PUT`, within five minutes.
#[utoipa::path(post, path = "/api/v1/account/totp", tag = "account", operation_id = "begin_totp", responses(
    (status = 201, description = "The secret.", body = EnrolmentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn begin_totp(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let Person { session, account } = caller.person()?;
    let begun = api.accounts().enrol(session, account, Instant::now())?;
    let shown = EnrolmentDto {
        secret: begun.secret.expose().to_owned(),
        uri: begun.uri.expose().to_owned(),
    };
    Ok(json(StatusCode::CREATED, &shown))
}

/// Ends the enrolment by the authenticator's first code. Other sessions end; old recovery codes open nothing any more.
#[utoipa::path(put, path = "/api/v1/account/totp", tag = "account", operation_id = "finish_totp", request_body = CodeDto,
    responses(
    (status = 200, description = "New recovery codes, shown once.", body = RecoveryCodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn finish_totp(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<CodeDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let Person { session, account } = caller.person()?;
    let place = place(&api, &peer, &headers);
    let codes = api
        .accounts()
        .enrolled(session, account, &body.code.0, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    changed(
        &api,
        account,
        "an authenticator was enrolled, with new recovery codes",
    );
    Ok(json(StatusCode::OK, &RecoveryCodesDto::from(codes)))
}

/// Forgets the authenticator. An owner's last second factor stays; who has none left loses the recovery codes with it.
#[utoipa::path(delete, path = "/api/v1/account/totp", tag = "account", operation_id = "remove_totp", responses(
    (status = 204, description = "It is forgotten."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove_totp(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let account = &caller.person()?.account;
    api.accounts().forget_totp(account).await?;
    let what = if account.passkeys.is_empty() {
        "the authenticator and the recovery codes were forgotten"
    } else {
        "the authenticator was forgotten"
    };
    changed(&api, account, what);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// New recovery codes in place of the old ones.
#[utoipa::path(post, path = "/api/v1/account/recovery-codes", tag = "account", operation_id = "new_recovery_codes",
    responses(
    (status = 201, description = "The codes, shown once.", body = RecoveryCodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn recovery_codes(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let account = &caller.person()?.account;
    if !account.has_second_factor() {
        return Err(crate::accounts::AccountError::NoFactor.into());
    }
    let codes = api.accounts().new_recovery_codes(&account.id).await?;
    changed(&api, account, "new recovery codes were made");
    Ok(json(StatusCode::CREATED, &RecoveryCodesDto::from(codes)))
}
