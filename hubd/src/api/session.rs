//! The way in: setup, invitation, sign-in, second factor, confirmation, sign-out.
//!
//! ```text
//!   signed_out --name, password--> second_factor --code, passkey--> signed_in
//!       |                              (or straight on, without a second factor)
//!       +--setup code, invitation--> enrolment (owners) --an authenticator's first code, a new passkey--> signed_in
//! ```

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use hubd_model::{Role, UnixMillis};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Api;
use super::account::AccessDto;
use super::auth::{self, Caller, KnownBy, Person, Refused, Right, has_to_enrol, role_rights};
use super::connection::Peer;
use super::cookie;
use super::extract::{Json, Params, SecretField, json};
use super::passkeys::PasskeyAnswerDto;
use super::problem::Problem;
use super::shape::rfc3339;
use crate::accounts::{AccountError, CONFIRMED_FOR_MS, Opened, Place, Proof, SignedIn};
use crate::store::{AccountRefusal, AccountRow, SessionRow, StoreError};

/// So much is kept of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 160;

/// What somebody is to the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AccountRole)]
pub(super) enum RoleName {
    /// Decides about everything; needs a second factor.
    Owner,
    /// Lives here: sees everything that is no secret, and moves bolts.
    Resident,
    /// Comes at times: sees doors and moves bolts.
    Guest,
    /// Comes in an emergency: sees doors and detectors.
    Responder,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Resident => Self::Resident,
            Role::Guest => Self::Guest,
            Role::Responder => Self::Responder,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Owner => Self::Owner,
            RoleName::Resident => Self::Resident,
            RoleName::Guest => Self::Guest,
            RoleName::Responder => Self::Responder,
        }
    }
}

/// How far somebody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SessionState {
    /// Not at all.
    SignedOut,
    /// Name and password were right; `POST /session/second-factor` is next.
    SecondFactor,
    /// An owner without a second factor: `POST /account/totp`, then `PUT /account/totp` is next, or the same with
    /// `/account/passkeys`.
    Enrolment,
    /// All the way.
    SignedIn,
}

/// A second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Factor {
    /// A code of an authenticator.
    Totp,
    /// A passkey; it works on the page that it was made for.
    Passkey,
    /// A printed code.
    RecoveryCode,
}

/// The second factors of an account.
pub(super) fn factors(account: &AccountRow) -> Vec<Factor> {
    let mut factors = Vec::new();
    if account.totp.is_some() {
        factors.push(Factor::Totp);
    }
    if !account.passkeys.is_empty() {
        factors.push(Factor::Passkey);
    }
    if account.has_second_factor() && account.recovery_codes > 0 {
        factors.push(Factor::RecoveryCode);
    }
    factors
}

/// The account of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionAccount)]
struct SessionAccountDto {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Its role.
    role: RoleName,
}

/// How far this browser is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionDto {
    /// How far.
    state: SessionState,
    /// Whether there is an owner; without one, `POST /setup` comes first.
    set_up: bool,
    /// With what the sign-in can be finished, or the person can prove again who they are. Empty: with the password.
    second_factors: Vec<Factor>,
    /// Whose session it is; absent when signed out and until the second factor was right.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<SessionAccountDto>,
    /// What it allows now.
    rights: Vec<Right>,
    /// The session's id, as in `GET /sessions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// What a guest was given; absent for everybody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<AccessDto>,
    /// Until when nothing asks the person to prove again who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    confirmed_until: Option<String>,
}

impl SessionDto {
    fn signed_out(set_up: bool) -> Self {
        Self {
            state: SessionState::SignedOut,
            set_up,
            second_factors: Vec::new(),
            account: None,
            rights: Vec::new(),
            session: None,
            access: None,
            confirmed_until: None,
        }
    }

    fn unfinished(account: &AccountRow) -> Self {
        Self {
            state: SessionState::SecondFactor,
            second_factors: factors(account),
            ..Self::signed_out(true)
        }
    }

    fn open(session: &SessionRow, account: &AccountRow) -> Self {
        let enrolment = has_to_enrol(account);
        let until = UnixMillis(session.confirmed_at.0.saturating_add(CONFIRMED_FOR_MS));
        Self {
            state: if enrolment {
                SessionState::Enrolment
            } else {
                SessionState::SignedIn
            },
            set_up: true,
            second_factors: factors(account),
            account: Some(SessionAccountDto {
                id: account.id.clone(),
                name: account.name.clone(),
                role: account.role.into(),
            }),
            rights: if enrolment {
                Vec::new()
            } else {
                role_rights(account.role).to_vec()
            },
            session: Some(session.id.clone()),
            access: AccessDto::of(account),
            confirmed_until: Some(rfc3339(until)),
        }
    }
}

/// Whether the hub has an owner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Setup)]
struct SetupDto {
    /// Whether the first owner is still to be made, with the setup code.
    needed: bool,
}

/// The first owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOwner)]
pub(super) struct NewOwnerDto {
    /// The one-time setup code: the hub's log, its terminal and `hubd doctor` show it.
    #[schema(value_type = String, format = Password, max_length = 64)]
    code: SecretField,
    /// The owner's name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// The owner's password: 10 to 128 characters, no pattern and none that is guessed first.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 128)]
    password: SecretField,
}

/// Somebody who was invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Invitation)]
pub(super) struct InvitationDto {
    /// The account's name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// The invitation's code.
    #[schema(value_type = String, format = Password, max_length = 64)]
    code: SecretField,
    /// The new password: 10 to 128 characters, no pattern and none that is guessed first.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 128)]
    password: SecretField,
}

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignIn)]
pub(super) struct SignInDto {
    /// The account's name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Its password.
    #[schema(value_type = String, format = Password, max_length = 128)]
    password: SecretField,
    /// A code of the authenticator, to sign in with one request.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<SecretField>,
    /// A recovery code in place of the authenticator's.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    recovery_code: Option<SecretField>,
}

/// A second factor: one of the three.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecondFactor)]
pub(super) struct SecondFactorDto {
    /// A code of the authenticator.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<SecretField>,
    /// The answer of a passkey that was asked for with `POST /session/second-factor/passkey`.
    #[serde(default)]
    passkey: Option<PasskeyAnswerDto>,
    /// A recovery code. It is used up.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    recovery_code: Option<SecretField>,
}

/// What proves again who somebody is: a second factor where there is one, else the password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Confirmation)]
pub(super) struct ConfirmationDto {
    /// The password, for accounts without a second factor.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretField>,
    /// A code of the authenticator.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<SecretField>,
    /// The answer of a passkey that was asked for with `POST /session/confirmation/passkey`.
    #[serde(default)]
    passkey: Option<PasskeyAnswerDto>,
    /// A recovery code. It is used up.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    recovery_code: Option<SecretField>,
}

fn proof(
    code: Option<SecretField>,
    passkey: Option<PasskeyAnswerDto>,
    recovery: Option<SecretField>,
) -> Result<Option<Proof>, Problem> {
    let code = code.map(|code| Proof::Totp(code.0));
    let passkey = passkey.map(|answer| Proof::Passkey(Box::new(answer.into())));
    let recovery = recovery.map(|code| Proof::Recovery(code.0));
    let mut given = [code, passkey, recovery].into_iter().flatten();
    match (given.next(), given.next()) {
        (one, None) => Ok(one),
        (_, Some(_)) => Err(Problem::bad_request(
            "bad_field",
            "give one of code, passkey and recovery_code",
        )),
    }
}

/// Where a request comes from.
pub(super) fn place(api: &Api, peer: &Peer, headers: &HeaderMap) -> Place {
    let agent = headers
        .get(axum::http::header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("unknown");
    Place {
        address: auth::client(api, peer.address(), headers),
        agent: agent
            .chars()
            .filter(|c| !c.is_control())
            .take(AGENT_CHARS_MAX)
            .collect(),
        now: api.now(),
        at: Instant::now(),
    }
}

/// A fault about accounts as a problem. Wrong passwords and codes are recorded, at most once a minute.
pub(super) fn problem(api: &Api, place: &Place, error: AccountError) -> Problem {
    match &error {
        AccountError::WrongPassword
        | AccountError::WrongCode
        | AccountError::WrongPasskey
        | AccountError::Wait { .. } => {
            if api.gate().records(Refused::SignIn) {
                let reason = format!("a wrong password, code or passkey came from {}", place.address);
                tracing::warn!(%reason, "refused");
                api.record(Event::SessionRefused { reason });
            }
        }
        AccountError::Expired
        | AccountError::WeakPassword(_)
        | AccountError::BadName
        | AccountError::NoFactor
        | AccountError::PasskeyTooLate
        | AccountError::NoPasskeyHere
        | AccountError::BadPasskey(_)
        | AccountError::BadPasskeyName
        | AccountError::Busy
        | AccountError::Random
        | AccountError::Store(_) => {}
    }
    error.into()
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Wait { seconds } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", text).retry_after(seconds)
            }
            AccountError::WrongPassword => Self::new(StatusCode::UNAUTHORIZED, "wrong_password", text),
            AccountError::WrongCode => Self::new(StatusCode::UNAUTHORIZED, "wrong_code", text),
            AccountError::Expired => Self::new(StatusCode::UNAUTHORIZED, "session_ended", text),
            AccountError::WeakPassword(_) => Self::bad_request("weak_password", text),
            AccountError::BadName | AccountError::BadPasskeyName => Self::bad_request("bad_name", text),
            AccountError::NoFactor => Self::new(StatusCode::CONFLICT, "no_second_factor", text),
            AccountError::WrongPasskey => Self::new(StatusCode::UNAUTHORIZED, "wrong_passkey", text),
            AccountError::PasskeyTooLate => Self::new(StatusCode::CONFLICT, "passkey_too_late", text),
            AccountError::NoPasskeyHere => Self::new(StatusCode::CONFLICT, "no_passkey_here", text),
            AccountError::BadPasskey(_) => Self::bad_request("bad_passkey", text),
            AccountError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).retry_after(5),
            AccountError::Random => super::no_randomness(),
            AccountError::Store(StoreError::Account(refusal)) => {
                let (status, code) = match refusal {
                    AccountRefusal::NameTaken => (StatusCode::CONFLICT, "name_taken"),
                    AccountRefusal::TooMany => (StatusCode::CONFLICT, "too_many_accounts"),
                    AccountRefusal::AlreadySetUp => (StatusCode::CONFLICT, "already_set_up"),
                    AccountRefusal::TooManyOwners => (StatusCode::CONFLICT, "too_many_owners"),
                    AccountRefusal::LastOwner => (StatusCode::CONFLICT, "last_owner"),
                    AccountRefusal::NoSuchAccount => (StatusCode::NOT_FOUND, "no_such_account"),
                    AccountRefusal::FactorNeeded => (StatusCode::CONFLICT, "second_factor_needed"),
                    AccountRefusal::NoSuchPasskey => (StatusCode::NOT_FOUND, "no_such_passkey"),
                    AccountRefusal::TooManyPasskeys => (StatusCode::CONFLICT, "too_many_passkeys"),
                    AccountRefusal::PasskeyKnown => (StatusCode::CONFLICT, "passkey_known"),
                    AccountRefusal::BadCode => (StatusCode::UNAUTHORIZED, "wrong_code"),
                };
                Self::new(status, code, text)
            }
            AccountError::Store(error) => Self::store(&error),
        }
    }
}

/// Answers an opened session with its cookie, and records it.
fn opened(api: &Api, status: StatusCode, opened: &Opened) -> Response {
    api.record(Event::SessionOpened {
        account: opened.account.id.clone(),
        name: opened.account.name.clone(),
        address: opened.session.address.clone(),
        agent: opened.session.agent.clone(),
        familiar: opened.familiar,
        factor: opened.factor.map(ToOwned::to_owned),
    });
    let mut response = json(status, &SessionDto::open(&opened.session, &opened.account));
    cookie::set(api, &mut response, &opened.token);
    response
}

fn signed_in(api: &Api, place: &Place, done: &SignedIn) -> Result<Response, Problem> {
    match done {
        SignedIn::Opened(session) => Ok(opened(api, StatusCode::OK, session)),
        SignedIn::Unfinished(token) => {
            let account = api.accounts().unfinished(token.expose(), place.at)?;
            let account = account.ok_or(AccountError::Expired)?;
            let mut response = json(StatusCode::OK, &SessionDto::unfinished(&account));
            cookie::set(api, &mut response, token);
            Ok(response)
        }
    }
}

/// Whether the first owner is still to be made.
#[utoipa::path(get, path = "/api/v1/setup", tag = "session", operation_id = "get_setup", responses(
    (status = 200, description = "Whether setup is needed.", body = SetupDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn setup(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let needed = !api.accounts().is_set_up()?;
    Ok(json(StatusCode::OK, &SetupDto { needed }))
}

/// Makes the first owner, once, and signs them in. Next is the second factor: `POST /account/totp`, or a passkey,
/// `POST /account/passkeys`.
#[utoipa::path(post, path = "/api/v1/setup", tag = "session", operation_id = "set_up", request_body = NewOwnerDto,
    responses(
    (status = 201, description = "The owner's session, whose state is `enrolment`; its cookie is set.", body = SessionDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_up(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<NewOwnerDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let place = place(&api, &peer, &headers);
    let session = api
        .accounts()
        .set_up(body.code.0.expose(), &body.name, body.password.0, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    api.record(Event::AccountCreated {
        account: session.account.id.clone(),
        name: session.account.name.clone(),
        role: session.account.role.as_str().to_owned(),
        by: "the setup code".to_owned(),
    });
    Ok(opened(&api, StatusCode::CREATED, &session))
}

/// Takes an invitation: sets the account's password and signs in.
#[utoipa::path(post, path = "/api/v1/invitation", tag = "session", operation_id = "take_invitation",
    request_body = InvitationDto, responses(
    (status = 200, description = "The session; its cookie is set.", body = SessionDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take_invitation(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<InvitationDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let place = place(&api, &peer, &headers);
    let done = api
        .accounts()
        .take_invitation(&body.name, body.code.0.expose(), body.password.0, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    signed_in(&api, &place, &done)
}

/// How far this browser is signed in. Answers everybody, and tells each only their own.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", operation_id = "get_session", responses(
    (status = 200, description = "The session.", body = SessionDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let shown = match cookie::of(&api, &headers) {
        Some(token) => match api.accounts().unfinished(token, Instant::now())? {
            Some(account) => SessionDto::unfinished(&account),
            None => match auth::by_session(&api, token).map_err(|error| Problem::store(&error))? {
                Ok(Caller {
                    known_by: KnownBy::Session(person),
                    ..
                }) => SessionDto::open(&person.session, &person.account),
                Ok(_) | Err(_) => SessionDto::signed_out(api.accounts().is_set_up()?),
            },
        },
        None => SessionDto::signed_out(api.accounts().is_set_up()?),
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Signs in. Where there is a second factor and it is not sent along, the session's state is `second_factor`.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", operation_id = "sign_in", request_body = SignInDto,
    responses(
    (status = 200, description = "The session; its cookie is set.", body = SessionDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn sign_in(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<SignInDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let place = place(&api, &peer, &headers);
    let proof = proof(body.code, None, body.recovery_code)?;
    let done = api
        .accounts()
        .sign_in(&body.name, body.password.0, proof, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    signed_in(&api, &place, &done)
}

/// Finishes a sign-in by its second factor. The cookie is a new one.
#[utoipa::path(post, path = "/api/v1/session/second-factor", tag = "session", operation_id = "prove_second_factor",
    request_body = SecondFactorDto, responses(
    (status = 200, description = "The session; its cookie is set.", body = SessionDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn second_factor(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<SecondFactorDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let place = place(&api, &peer, &headers);
    let token = cookie::of(&api, &headers).ok_or(AccountError::Expired)?;
    let missing = || Problem::bad_request("missing_field", "code, passkey or recovery_code is missing");
    let proof = proof(body.code, body.passkey, body.recovery_code)?.ok_or_else(missing)?;
    let session = api
        .accounts()
        .finish(token, proof, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    Ok(opened(&api, StatusCode::OK, &session))
}

/// Proves again who the person is, for what needs it: it holds for five minutes.
#[utoipa::path(post, path = "/api/v1/session/confirmation", tag = "session", operation_id = "confirm_session",
    request_body = ConfirmationDto, responses(
    (status = 200, description = "The session.", body = SessionDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn confirm(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<ConfirmationDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let Person { session, account } = caller.person()?;
    let place = place(&api, &peer, &headers);
    let proof = proof(body.code, body.passkey, body.recovery_code)?;
    let password = body.password.map(|field| field.0);
    api.accounts()
        .confirm(session, account, password, proof, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    let confirmed = SessionRow {
        confirmed_at: place.now,
        ..session.clone()
    };
    Ok(json(StatusCode::OK, &SessionDto::open(&confirmed, account)))
}

/// Signs out: this session ends, its cookie is taken away.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", operation_id = "sign_out", responses(
    (status = 204, description = "Signed out."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn sign_out(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    if let Some(token) = cookie::of(&api, &headers) {
        api.accounts().give_up(token);
        let known = auth::by_session(&api, token).map_err(|error| Problem::store(&error))?;
        if let Ok(caller) = known {
            let person = caller.person()?;
            super::sessions::end(&api, &person.session, &person.account, &caller.name).await?;
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookie::clear(&api, &mut response);
    Ok(response)
}
