//! Credentials: what opens doors for people. A PIN comes in, and goes out only when it was just drawn or when somebody
//! asks to be shown it, which is recorded.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::credentials::record::Inventory;
use hubd_core::credentials::request::{
    CredentialPatch, CredentialsAnswer, CredentialsRefusal, CredentialsRequest, NewCredential, NewMeans,
};
use hubd_core::engine::Engine;
use hubd_core::input::Refusal;
use hubd_model::{CredentialId, CredentialKind, LockId, ParseIdError, PersonId, Pin, Usage};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::access::{CredentialDto, KindWord, PinDto, UsageName};
use super::auth::Caller;
use super::extract::{Id, Json, OptionalJson, Params, SecretField, json};
use super::people::unexpected;
use super::problem::Problem;
use super::schedules::{NewScheduleDto, SchedulePatchDto, Time, patch, present};

/// A credential to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCredential)]
pub(super) struct NewCredentialDto {
    /// Whose it is.
    person: String,
    /// What it is.
    kind: KindWord,
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 64)]
    label: String,
    /// The digits of a PIN; the hub draws them when this is absent, and tells them in the answer.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, pattern = "^[0-9]{4,15}$")]
    pin: Option<SecretField>,
    /// How many digits the hub shall draw; six when absent and the locks take six.
    #[serde(default)]
    #[schema(minimum = 4, maximum = 15)]
    digits: Option<u8>,
    /// Where a mechanical key or fob is.
    #[serde(default)]
    inventory: Option<InventoryDto>,
    /// What it is for; an emergency code is prepared and on no lock until it is enabled.
    #[serde(default)]
    #[schema(value_type = UsageName)]
    usage: Usage,
    /// When it opens; always when absent.
    #[serde(default)]
    schedule: NewScheduleDto,
    /// How often it opens; without limit when absent.
    #[serde(default)]
    #[schema(minimum = 1)]
    uses_left: Option<u32>,
    /// The ids of the locks.
    #[serde(default)]
    locks: Vec<String>,
}

/// Where a mechanical key or fob is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInventory)]
pub(super) struct InventoryDto {
    /// Where it is stored.
    #[schema(max_length = 64)]
    stored: String,
    /// When the cylinder was rekeyed last, or the fob learnt.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    rekeyed_at: Option<Time>,
}

impl From<InventoryDto> for Inventory {
    fn from(dto: InventoryDto) -> Self {
        Self {
            stored: dto.stored,
            rekeyed_at: dto.rekeyed_at.map(|time| time.0),
        }
    }
}

/// A change of a credential: what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CredentialChange)]
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
pub(super) struct CredentialPatchDto {
    /// What people call it.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 64)]
    label: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<UsageName>)]
    usage: Option<Usage>,
    /// When it opens; what is absent in it stays, too.
    #[serde(default, deserialize_with = "present")]
    schedule: Option<SchedulePatchDto>,
    /// How often it opens yet; `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    uses_left: Option<Option<u32>>,
    /// On which locks, all of them.
    #[serde(default, deserialize_with = "present")]
    locks: Option<Vec<String>>,
    /// Where a mechanical key or fob is.
    #[serde(default, deserialize_with = "present")]
    inventory: Option<InventoryDto>,
}

/// A new PIN.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPin)]
pub(super) struct RotationDto {
    /// The digits; the hub draws them when this is absent, and tells them in the answer.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, pattern = "^[0-9]{4,15}$")]
    pin: Option<SecretField>,
}

/// At which lock a tag or finger is learnt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Enrolment)]
pub(super) struct EnrolDto {
    /// The lock's id.
    lock: String,
}

/// What a drawn PIN has to fit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PinWanted)]
pub(super) struct GenerateDto {
    /// The ids of the locks on which it shall work.
    #[serde(default)]
    locks: Vec<String>,
    /// How many digits; six when absent and the locks take six.
    #[serde(default)]
    #[schema(minimum = 4, maximum = 15)]
    digits: Option<u8>,
}

/// Reads an id from a body's field.
pub(super) fn id<T: TryFrom<String, Error = ParseIdError>>(field: &str, text: String) -> Result<T, Problem> {
    T::try_from(text).map_err(|_| Problem::bad_request("bad_field", format!("{field}: expected an id")))
}

fn lock_ids(texts: Vec<String>) -> Result<BTreeSet<LockId>, Problem> {
    texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| id(&format!("locks[{index}]"), text))
        .collect()
}

fn pin(field: SecretField) -> Result<Pin, Problem> {
    Pin::parse(field.0)
        .map_err(|_| Problem::bad_request("bad_field", "pin: expected 4 to 15 digits from 0 to 9, as text"))
}

fn digits(digits: Option<u8>) -> Result<Option<u8>, Problem> {
    match digits {
        Some(count) if !Pin::DIGITS.contains(&usize::from(count)) => {
            Err(Problem::bad_request("bad_field", "digits: expected 4 to 15"))
        }
        other => Ok(other),
    }
}

fn means(body: NewCredentialMeans) -> Result<NewMeans, Problem> {
    let extra = |field: &'static str| {
        let detail = format!("{field}: a credential of this kind has none");
        Problem::bad_request("bad_field", detail)
    };
    let is_key = matches!(body.kind, KindWord::MechanicalKey | KindWord::Fob);
    if body.inventory.is_some() && !is_key {
        return Err(extra("inventory"));
    }
    if body.pin.is_some() && body.kind != KindWord::Pin {
        return Err(extra("pin"));
    }
    if body.digits.is_some() && (body.kind != KindWord::Pin || body.pin.is_some()) {
        return Err(extra("digits"));
    }
    let inventory = body.inventory.map(Inventory::from).unwrap_or_default();
    Ok(match (body.kind, body.pin) {
        (KindWord::Pin, Some(field)) => NewMeans::Pin(pin(field)?),
        (KindWord::Pin, None) => NewMeans::GeneratedPin {
            digits: digits(body.digits)?,
        },
        (KindWord::Rfid, _) => NewMeans::Enrolled(CredentialKind::Rfid),
        (KindWord::Fingerprint, _) => NewMeans::Enrolled(CredentialKind::Fingerprint),
        (KindWord::MechanicalKey, _) => NewMeans::MechanicalKey(inventory),
        (KindWord::Fob, _) => NewMeans::Fob(inventory),
    })
}

/// What a new credential opens the door with.
struct NewCredentialMeans {
    kind: KindWord,
    pin: Option<SecretField>,
    digits: Option<u8>,
    inventory: Option<InventoryDto>,
}

fn answered(status: StatusCode, answer: CredentialsAnswer) -> Result<Response, Problem> {
    match answer {
        CredentialsAnswer::Credential { view, pin } => {
            Ok(json(status, &CredentialDto::new(*view).with_pin(pin.as_ref())))
        }
        CredentialsAnswer::Pin(pin) => Ok(json(status, &PinDto::new(&pin))),
        CredentialsAnswer::Done => Ok(status.into_response()),
        CredentialsAnswer::Person(_) => Err(unexpected()),
    }
}

async fn view(api: &Api, credential: CredentialId, status: StatusCode) -> Result<Response, Problem> {
    let wanted = credential.clone();
    let view = api.look(move |engine| engine.credential(&wanted)).await?;
    let view = view.ok_or(Refusal::Credentials(CredentialsRefusal::NoSuchCredential(
        credential,
    )))?;
    Ok(json(status, &CredentialDto::new(view)))
}

/// Every credential, without its PIN.
#[utoipa::path(get, path = "/api/v1/credentials", tag = "credentials", operation_id = "list_credentials",
    params(("person" = Option<String>, Query, description = "Only this person's."),
        ("lock" = Option<String>, Query, description = "Only those on this lock.")), responses(
    (status = 200, description = "Every credential.", body = [CredentialDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let person = params.parse("person", "an id", |text| PersonId::parse(text).ok())?;
    let lock = params.parse("lock", "an id", |text| LockId::parse(text).ok())?;
    params.finish()?;
    let all = api.look(Engine::credentials).await?;
    let shown: Vec<CredentialDto> = all
        .into_iter()
        .filter(|credential| person.as_ref().is_none_or(|person| credential.person == *person))
        .filter(|credential| lock.as_ref().is_none_or(|lock| credential.locks.contains(lock)))
        .map(CredentialDto::new)
        .collect();
    Ok(json(StatusCode::OK, &shown))
}

/// One credential, without its PIN.
#[utoipa::path(get, path = "/api/v1/credentials/{id}", tag = "credentials", operation_id = "get_credential",
    params(("id" = String, Path, description = "The credential's id.")), responses(
    (status = 200, description = "The credential.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    view(&api, credential, StatusCode::OK).await
}

/// Adds a credential. Its locks are told as soon as this is on disk; follow it in `places`, in each lock's slots, or by
/// the events `slot.pending` and `slot.synced`.
#[utoipa::path(post, path = "/api/v1/credentials", tag = "credentials", operation_id = "add_credential",
    request_body = NewCredentialDto, responses(
    (status = 201, description = "The credential; with `pin` when the hub drew it.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewCredentialDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let new = NewCredential {
        person: id("person", body.person)?,
        label: body.label,
        means: means(NewCredentialMeans {
            kind: body.kind,
            pin: body.pin,
            digits: body.digits,
            inventory: body.inventory,
        })?,
        usage: body.usage,
        schedule: body.schedule.into(),
        uses_left: body.uses_left,
        locks: lock_ids(body.locks)?,
    };
    let answer = api
        .credentials(&caller, CredentialsRequest::AddCredential(new))
        .await?;
    answered(StatusCode::CREATED, answer)
}

/// Changes a credential. What is not mentioned stays: no restriction is dropped by a change of something else.
#[utoipa::path(patch, path = "/api/v1/credentials/{id}", tag = "credentials", operation_id = "change_credential",
    params(("id" = String, Path, description = "The credential's id.")), request_body = CredentialPatchDto, responses(
    (status = 200, description = "The credential as it is now.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<CredentialPatchDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::ChangeCredential {
        credential,
        patch: CredentialPatch {
            label: patch(body.label),
            usage: patch(body.usage),
            schedule: body.schedule.unwrap_or_default().into(),
            uses_left: patch(body.uses_left),
            locks: patch(body.locks.map(lock_ids).transpose()?),
            inventory: patch(body.inventory.map(Inventory::from)),
        },
    };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}

/// Revokes a credential. Each lock is made free of it, at once or as soon as it answers, and again until that is proven.
#[utoipa::path(delete, path = "/api/v1/credentials/{id}", tag = "credentials", operation_id = "remove_credential",
    params(("id" = String, Path, description = "The credential's id.")), responses(
    (status = 204, description = "It is revoked."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.credentials(&caller, CredentialsRequest::RemoveCredential { credential })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The two ids of a credential on a lock.
fn place(path: Path<(String, String)>) -> Result<(CredentialId, LockId), Problem> {
    let Path((credential, lock)) = path;
    let nothing = |_| Problem::new(StatusCode::NOT_FOUND, "no_such_id", "the path holds no valid id");
    let credential = CredentialId::try_from(credential).map_err(nothing)?;
    Ok((credential, LockId::try_from(lock).map_err(nothing)?))
}

/// Puts a credential onto one more lock.
#[utoipa::path(put, path = "/api/v1/credentials/{id}/locks/{lock}", tag = "credentials", operation_id = "assign_credential",
    params(("id" = String, Path, description = "The credential's id."),
        ("lock" = String, Path, description = "The lock's id.")), responses(
    (status = 200, description = "The credential as it is now.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assign(
    State(api): State<Api>,
    path: Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (credential, lock) = place(path)?;
    let what = CredentialsRequest::Assign {
        credential: credential.clone(),
        lock,
    };
    api.credentials(&caller, what).await?;
    view(&api, credential, StatusCode::OK).await
}

/// Takes a credential off a lock.
#[utoipa::path(delete, path = "/api/v1/credentials/{id}/locks/{lock}", tag = "credentials",
    operation_id = "unassign_credential", params(("id" = String, Path, description = "The credential's id."),
        ("lock" = String, Path, description = "The lock's id.")), responses(
    (status = 200, description = "The credential as it is now.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn unassign(
    State(api): State<Api>,
    path: Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (credential, lock) = place(path)?;
    let what = CredentialsRequest::Unassign {
        credential: credential.clone(),
        lock,
    };
    api.credentials(&caller, what).await?;
    view(&api, credential, StatusCode::OK).await
}

/// Gives a credential a new PIN. The old one is taken off every lock.
#[utoipa::path(post, path = "/api/v1/credentials/{id}/rotation", tag = "credentials", operation_id = "rotate_credential",
    params(("id" = String, Path, description = "The credential's id.")), request_body = Option<RotationDto>, responses(
    (status = 200, description = "The credential; with `pin` when the hub drew it.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rotate(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    OptionalJson(body): OptionalJson<RotationDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::Rotate {
        credential,
        pin: body.pin.map(pin).transpose()?,
    };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}

/// Shows a credential's PIN. That it was shown, and to whom, is recorded.
#[utoipa::path(post, path = "/api/v1/credentials/{id}/reveal", tag = "credentials", operation_id = "reveal_credential",
    params(("id" = String, Path, description = "The credential's id.")), responses(
    (status = 200, description = "The PIN.", body = PinDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn reveal(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::Reveal { credential };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}

/// Puts a lock into the mode in which it learns the next tag or finger, for this credential.
#[utoipa::path(post, path = "/api/v1/credentials/{id}/enrolment", tag = "credentials", operation_id = "enrol_credential",
    params(("id" = String, Path, description = "The credential's id.")), request_body = EnrolDto, responses(
    (status = 202, description = "The lock is asked; the credential as it is until then.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn enrol(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<EnrolDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::Enrol {
        credential: credential.clone(),
        lock: id("lock", body.lock)?,
    };
    api.credentials(&caller, what).await?;
    view(&api, credential, StatusCode::ACCEPTED).await
}

/// Makes an emergency code work.
#[utoipa::path(post, path = "/api/v1/credentials/{id}/emergency", tag = "credentials", operation_id = "enable_emergency",
    params(("id" = String, Path, description = "The credential's id.")), responses(
    (status = 200, description = "The credential as it is now.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn enable(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::EnableEmergency { credential };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}

/// Makes an emergency code work no more; if it was used, it gets a new PIN by itself.
#[utoipa::path(delete, path = "/api/v1/credentials/{id}/emergency", tag = "credentials",
    operation_id = "disable_emergency", params(("id" = String, Path, description = "The credential's id.")), responses(
    (status = 200, description = "The credential as it is now.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn disable(
    State(api): State<Api>,
    Id(credential): Id<CredentialId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::DisableEmergency { credential };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}

/// Draws a PIN that is hard to guess, free, and taken by these locks. It is not kept.
#[utoipa::path(post, path = "/api/v1/pins", tag = "credentials", operation_id = "generate_pin",
    request_body = Option<GenerateDto>, responses(
    (status = 200, description = "A PIN.", body = PinDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn generate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    OptionalJson(body): OptionalJson<GenerateDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::GeneratePin {
        locks: lock_ids(body.locks)?,
        digits: digits(body.digits)?,
    };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}
