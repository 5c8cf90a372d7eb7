//! Passkeys as second factor: what browsers are asked, and what they answer.
//!
//! A passkey belongs to the page for which it was made. What page that is, the browser says in `Origin`, and who is no
//! browser and claims another one gains nothing: the passkey's own device signs the page that it saw.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Api;
use super::account::changed;
use super::auth::{Caller, Person};
use super::connection::Peer;
use super::cookie;
use super::extract::{Json, Params, json};
use super::problem::Problem;
use super::session::{place, problem};
use super::shape::rfc3339;
use crate::accounts::webauthn::{
    ALGORITHMS, ATTESTATION_BYTES_MAX, CLIENT_DATA_BYTES_MAX, CREDENTIAL_ID_BYTES_MAX, Origin,
};
use crate::accounts::{AccountError, Accounts, CHALLENGE_FOR, NewPasskey, PasskeyAnswer, PasskeyRequest};
use crate::store::{AccountRow, PasskeyRow, SessionRow};

/// What an authenticator shows of the hub.
const HUB: &str = "hubd";
/// More than a signature of any known kind takes.
const SHORT_BYTES_MAX: usize = 2048;

/// Bytes as base64url without padding, as browsers write them.
#[derive(Debug, Clone)]
pub(super) struct Bytes<const MAX: usize>(Vec<u8>);

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom("not base64url, expected base64url without padding, not too long");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        if bytes.len() > MAX {
            return Err(wrong());
        }
        Ok(Self(bytes))
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A passkey of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passkey)]
struct PasskeyDto {
    /// Its id.
    id: String,
    /// What its person calls it.
    name: String,
    /// The page that it was made for, as `https://hub.local:8480`: it works there alone.
    origin: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    used_at: Option<String>,
}

impl From<&PasskeyRow> for PasskeyDto {
    fn from(row: &PasskeyRow) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            origin: row.origin.clone(),
            created_at: rfc3339(row.created_at),
            used_at: row.used_at.map(rfc3339),
        }
    }
}

/// What a browser needs to have a passkey made (`navigator.credentials.create`). Bytes are base64url without padding.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PasskeyEnrolment)]
struct EnrolmentDto {
    /// The challenge.
    challenge: String,
    /// The name that the passkey will belong to.
    rp_id: String,
    /// What the authenticator shows of the hub.
    rp_name: String,
    /// By what the authenticator knows the account.
    user_id: String,
    /// The account's name.
    user_name: String,
    /// The COSE algorithms that the hub knows, the wanted one first.
    algorithms: Vec<i64>,
    /// The ids of the account's passkeys for this page: their devices have one already.
    exclude: Vec<String>,
    /// How long the answer may take, in milliseconds.
    timeout_ms: u64,
}

/// What a browser needs to have a passkey used (`navigator.credentials.get`), with `userVerification` `required`. Bytes
/// are base64url without padding.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PasskeyRequest)]
struct RequestDto {
    /// The challenge.
    challenge: String,
    /// The name that the passkeys belong to.
    rp_id: String,
    /// The ids of the passkeys with which it can be answered.
    allow: Vec<String>,
    /// How long the answer may take, in milliseconds.
    timeout_ms: u64,
}

impl From<PasskeyRequest> for RequestDto {
    fn from(request: PasskeyRequest) -> Self {
        Self {
            challenge: text(&request.challenge),
            rp_id: request.origin.name().to_owned(),
            allow: request.credentials.iter().map(|id| text(id)).collect(),
            timeout_ms: timeout_ms(),
        }
    }
}

fn timeout_ms() -> u64 {
    u64::try_from(CHALLENGE_FOR.as_millis()).unwrap_or(u64::MAX)
}

/// A passkey that was just made. Bytes are base64url without padding.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPasskey)]
pub(super) struct NewPasskeyDto {
    /// What its person calls it.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// `response.clientDataJSON`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]*$")]
    client_data: Bytes<CLIENT_DATA_BYTES_MAX>,
    /// `response.attestationObject`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]*$")]
    attestation: Bytes<ATTESTATION_BYTES_MAX>,
}

/// What a passkey answered. Bytes are base64url without padding.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasskeyAnswer)]
pub(super) struct PasskeyAnswerDto {
    /// The passkey's `rawId`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]*$")]
    credential: Bytes<CREDENTIAL_ID_BYTES_MAX>,
    /// `response.clientDataJSON`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]*$")]
    client_data: Bytes<CLIENT_DATA_BYTES_MAX>,
    /// `response.authenticatorData`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]*$")]
    authenticator_data: Bytes<SHORT_BYTES_MAX>,
    /// `response.signature`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]*$")]
    signature: Bytes<SHORT_BYTES_MAX>,
    /// `response.userHandle`, where there is one.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]*$")]
    user: Option<Bytes<64>>,
}

impl From<PasskeyAnswerDto> for PasskeyAnswer {
    fn from(answer: PasskeyAnswerDto) -> Self {
        Self {
            credential: answer.credential.0,
            client_data: answer.client_data.0,
            authenticator_data: answer.authenticator_data.0,
            signature: answer.signature.0,
            user: answer.user.map(|user| user.0),
        }
    }
}

/// A passkey was added.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedPasskey)]
struct AddedDto {
    /// The passkey.
    passkey: PasskeyDto,
    /// New recovery codes, shown once, when it is the account's first second factor, or there were none left; else
    /// empty, and the present ones stay.
    recovery_codes: Vec<String>,
}

/// The page that sends this request, when it can have passkeys.
fn origin(api: &Api, headers: &HeaderMap) -> Result<Origin, Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let told = match text(ORIGIN) {
        Some(origin) => Origin::parse(origin),
        None => text(HOST).and_then(|host| {
            let scheme = if api.limits().secure { "https" } else { "http" };
            Origin::parse(&format!("{scheme}://{host}"))
        }),
    };
    told.ok_or_else(|| {
        let detail = "a passkey belongs to a name: open the hub by its name under https, or as localhost on the machine \
                      itself, and not by an address of numbers; an authenticator's code works everywhere";
        Problem::new(StatusCode::CONFLICT, "passkeys_need_a_name", detail)
    })
}

/// Asks the person of a session for something of a passkey, for the page that sends this request.
fn ask_person(
    api: &Api,
    person: &Person,
    headers: &HeaderMap,
    ask: impl FnOnce(&Accounts, &SessionRow, &AccountRow, Origin, Instant) -> Result<PasskeyRequest, AccountError>,
) -> Result<PasskeyRequest, Problem> {
    let Person { session, account } = person;
    let origin = origin(api, headers)?;
    Ok(ask(api.accounts(), session, account, origin, Instant::now())?)
}

/// One's own passkeys.
#[utoipa::path(get, path = "/api/v1/account/passkeys", tag = "account", operation_id = "list_passkeys", responses(
    (status = 200, description = "The passkeys, the oldest first.", body = [PasskeyDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Extension(caller): Extension<Caller>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let rows = &caller.person()?.account.passkeys;
    Ok(json(
        StatusCode::OK,
        &rows.iter().map(PasskeyDto::from).collect::<Vec<_>>(),
    ))
}

/// Asks for a new passkey for this page. It counts when the authenticator's answer came with `PUT`, within two minutes.
#[utoipa::path(post, path = "/api/v1/account/passkeys", tag = "account", operation_id = "begin_passkey", responses(
    (status = 201, description = "What the browser needs.", body = EnrolmentDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn begin(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let person = caller.person()?;
    let account = &person.account;
    let request = ask_person(&api, person, &headers, Accounts::ask_new_passkey)?;
    let shown = EnrolmentDto {
        challenge: text(&request.challenge),
        rp_id: request.origin.name().to_owned(),
        rp_name: HUB.to_owned(),
        user_id: text(account.id.as_bytes()),
        user_name: account.name.clone(),
        algorithms: ALGORITHMS.to_vec(),
        exclude: request.credentials.iter().map(|id| text(id)).collect(),
        timeout_ms: timeout_ms(),
    };
    Ok(json(StatusCode::CREATED, &shown))
}

/// Adds the passkey that was asked for. With the first second factor of an account come recovery codes, and its other
/// sessions end.
#[utoipa::path(put, path = "/api/v1/account/passkeys", tag = "account", operation_id = "finish_passkey",
    request_body = NewPasskeyDto, responses(
    (status = 200, description = "The passkey.", body = AddedDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn finish(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
    Json(body): Json<NewPasskeyDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let Person { session, account } = caller.person()?;
    let place = place(&api, &peer, &headers);
    let new = NewPasskey {
        name: body.name,
        client_data: body.client_data.0,
        attestation: body.attestation.0,
    };
    let (passkey, codes) = api
        .accounts()
        .add_passkey(session, account, new, &place)
        .await
        .map_err(|error| problem(&api, &place, error))?;
    let with = if codes.is_empty() {
        ""
    } else {
        ", with new recovery codes"
    };
    changed(
        &api,
        account,
        &format!("the passkey {} was added{with}", passkey.name),
    );
    let shown = AddedDto {
        passkey: PasskeyDto::from(&passkey),
        recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect(),
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Removes a passkey. An owner's last second factor stays; who has none left loses the recovery codes with it.
#[utoipa::path(delete, path = "/api/v1/account/passkeys/{id}", tag = "account", operation_id = "remove_passkey",
    params(("id" = String, Path, description = "The passkey's id.")), responses(
    (status = 204, description = "It is removed."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let account = &caller.person()?.account;
    let name = account.passkeys.iter().find(|one| one.id == id);
    let name = name.map_or("", |one| one.name.as_str());
    api.accounts().remove_passkey(account, &id).await?;
    changed(&api, account, &format!("the passkey {name} was removed"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Asks for a passkey to finish the sign-in, within two minutes: `POST /session/second-factor` takes its answer.
#[utoipa::path(post, path = "/api/v1/session/second-factor/passkey", tag = "session",
    operation_id = "ask_for_passkey", responses(
    (status = 201, description = "What the browser needs.", body = RequestDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ask(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let token = cookie::of(&api, &headers).ok_or(AccountError::Expired)?;
    let origin = origin(&api, &headers)?;
    let request = api.accounts().ask_passkey(token, origin, Instant::now())?;
    Ok(json(StatusCode::CREATED, &RequestDto::from(request)))
}

/// Asks for a passkey to prove again who the person is: `POST /session/confirmation` takes its answer.
#[utoipa::path(post, path = "/api/v1/session/confirmation/passkey", tag = "session",
    operation_id = "ask_for_passkey_again", responses(
    (status = 201, description = "What the browser needs.", body = RequestDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ask_again(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let request = ask_person(&api, caller.person()?, &headers, Accounts::ask_passkey_again)?;
    Ok(json(StatusCode::CREATED, &RequestDto::from(request)))
}
