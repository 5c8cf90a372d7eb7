//! The slots of each lock: what each shall hold, what the lock said, what is pending and why; and what a person decides
//! about codes that the hub did not write.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::credentials::request::{CredentialsAnswer, CredentialsRequest};
use hubd_core::credentials::view::{CodesView, SlotView};
use hubd_core::engine::Engine;
use hubd_core::input::Refusal;
use hubd_model::{CodeSlot, CredentialKind, LockId, SlotKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::{CredentialDto, ProofName, WhyDto};
use super::auth::Caller;
use super::credentials::id;
use super::extract::{Id, Json, OptionalJson, Params, json};
use super::people::unexpected;
use super::problem::Problem;
use super::schedules::LockScheduleDto;
use super::shape::rfc3339;

/// A lock as a keeper of codes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Codes)]
pub(super) struct CodesDto {
    /// The lock.
    lock: String,
    /// Its name, also when it is gone.
    name: String,
    /// Since when it is no device of the hub any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    gone_since: Option<String>,
    /// Its slots that are not both empty and nobody's.
    slots: Vec<SlotDto>,
    /// Who has no slot, and why.
    left_out: Vec<LeftOutDto>,
    /// When every slot was read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    read_at: Option<String>,
    /// It lost its codes and is filled again when a person says so: POST to `refill`.
    #[serde(skip_serializing_if = "Option::is_none")]
    emptied: Option<EmptiedDto>,
    /// Locks that are gone and whose place it could take.
    could_replace: Vec<String>,
    /// What codes cost on the air.
    frames: FramesDto,
}

/// A lock that lost its codes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Emptied)]
pub(super) struct EmptiedDto {
    /// Since when that is known.
    #[schema(format = DateTime)]
    since: String,
    /// How many codes of ours it held.
    codes: u32,
}

/// What codes cost on the air.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Frames)]
pub(super) struct FramesDto {
    /// Frames that housekeeping may cost in a day; absent for a lock with mains power.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_day: Option<u32>,
    /// How many it may cost now; people's requests count too, and at zero housekeeping waits for the next day.
    left: u32,
    /// How many the lock's codes ever cost.
    total: u64,
}

/// A credential that has no slot on this lock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LeftOut)]
pub(super) struct LeftOutDto {
    /// The credential.
    credential: String,
    /// Whose it is.
    person: String,
    /// Why.
    why: WhyDto,
}

/// A slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Slot)]
pub(super) struct SlotDto {
    /// Its number.
    slot: u16,
    /// What is kept in it.
    kind: SlotKind,
    /// Whose it is.
    #[schema(value_type = HolderName)]
    holder: &'static str,
    /// The credential that it was given to, wanted or on its way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// What it shall hold now; absent: nothing of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<WantedDto>,
    /// What the lock said.
    reported: ReportedDto,
    /// What it was last known to hold of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<ConfirmedDto>,
    /// The last try to change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried: Option<TriedDto>,
    /// What is to be done with it; absent when it is as wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingDto>,
}

/// What is kept in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SlotKind {
    /// Digits.
    Pin,
    /// A tag or card.
    Rfid,
    /// A finger.
    Fingerprint,
}

impl From<CredentialKind> for SlotKind {
    fn from(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::Pin => Self::Pin,
            CredentialKind::Rfid => Self::Rfid,
            CredentialKind::Fingerprint => Self::Fingerprint,
        }
    }
}

/// Whose a slot is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the words of the document")]
pub(super) enum HolderName {
    /// Nobody's.
    Nobody,
    /// A credential's of ours.
    Ours,
    /// Somebody else's: adopt, ignore or clear it.
    Foreign,
    /// Somebody else's, and a person said that it shall stay.
    Ignored,
    /// Somebody else's, and a person said that it shall go.
    Condemned,
}

/// What a slot shall hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wanted)]
pub(super) struct WantedDto {
    /// The credential.
    credential: String,
    /// Whose it is.
    person: String,
    /// Their name.
    name: String,
    /// The schedule that the lock shall keep.
    schedule: LockScheduleDto,
    /// Who keeps the credential's schedule.
    #[schema(value_type = KeptByName)]
    kept_by: &'static str,
}

/// Who keeps a schedule.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the words of the document")]
pub(super) enum KeptByName {
    /// There is none to keep.
    Nobody,
    /// The lock, also when the hub is off.
    Lock,
    /// The hub, by writing and clearing the code on time.
    Hub,
    /// The lock keeps the span, the hub the windows.
    Both,
}

/// What a lock said of a slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotReported)]
pub(super) struct ReportedDto {
    /// What is there, without what the lock showed.
    #[schema(value_type = ContentName)]
    content: &'static str,
    /// When the lock said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// What is in a slot.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the words of the document")]
pub(super) enum ContentName {
    /// The lock did not say yet.
    Unknown,
    /// Nothing.
    Empty,
    /// A PIN that the lock shows.
    Shown,
    /// Something that the lock does not show.
    Hidden,
}

/// What a slot was last known to hold of ours.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotConfirmed)]
pub(super) struct ConfirmedDto {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// How that is known.
    proof: ProofName,
}

/// The last try to change a slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotTried)]
pub(super) struct TriedDto {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Why it failed; absent when it did not, or is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// What is to be done with a slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotPending)]
pub(super) struct PendingDto {
    /// What: `write`, `clear`, `enrol`, `rename` or `read`.
    what: &'static str,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// How often it failed in a row.
    failures: u32,
    /// Why it is not done yet.
    why: WhyDto,
}

impl From<SlotView> for SlotDto {
    fn from(slot: SlotView) -> Self {
        Self {
            slot: slot.key.slot.number(),
            kind: slot.key.kind.into(),
            holder: slot.holder.as_str(),
            credential: slot.credential.map(String::from),
            wanted: slot.wanted.map(|wanted| WantedDto {
                credential: wanted.credential.into(),
                person: wanted.person.into(),
                name: wanted.name,
                schedule: wanted.schedule.into(),
                kept_by: wanted.kept_by.as_str(),
            }),
            reported: ReportedDto {
                content: slot.reported.as_str(),
                at: slot.reported_at.map(rfc3339),
            },
            confirmed: slot.confirmed.map(|(at, proof)| ConfirmedDto {
                at: rfc3339(at),
                proof: proof.into(),
            }),
            tried: slot.tried.map(|tried| TriedDto {
                at: rfc3339(tried.at),
                failure: tried.failure,
            }),
            pending: slot.pending.map(|pending| PendingDto {
                what: pending.what,
                since: rfc3339(pending.since),
                failures: pending.failures,
                why: WhyDto::from(&pending.why),
            }),
        }
    }
}

impl From<CodesView> for CodesDto {
    fn from(codes: CodesView) -> Self {
        Self {
            lock: codes.lock.into(),
            name: codes.name,
            gone_since: codes.gone.map(rfc3339),
            slots: codes.slots.into_iter().map(SlotDto::from).collect(),
            left_out: codes
                .left_out
                .into_iter()
                .map(|left| LeftOutDto {
                    credential: left.credential.into(),
                    person: left.person.into(),
                    why: WhyDto::from(&left.why),
                })
                .collect(),
            read_at: codes.read_at.map(rfc3339),
            emptied: codes.emptied.map(|emptied| EmptiedDto {
                since: rfc3339(emptied.since),
                codes: emptied.codes,
            }),
            could_replace: codes.could_replace.into_iter().map(String::from).collect(),
            frames: FramesDto {
                per_day: codes.frames.per_day,
                left: codes.frames.left,
                total: codes.frames.total,
            },
        }
    }
}

/// Whose a foreign code is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Adoption)]
pub(super) struct AdoptDto {
    /// The person's id.
    person: String,
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 64)]
    label: String,
}

/// Whose place a lock takes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refill)]
pub(super) struct RefillDto {
    /// The id of a lock that is gone; absent when the lock itself lost its codes.
    #[serde(default)]
    from: Option<String>,
}

async fn codes(api: &Api, lock: LockId, status: StatusCode) -> Result<Response, Problem> {
    let wanted = lock.clone();
    let codes = api.look(move |engine| engine.codes(&wanted)).await?;
    let codes = codes.ok_or(Refusal::NoSuchLock(lock))?;
    Ok(json(status, &CodesDto::from(codes)))
}

/// The lock and slot of a path.
fn slot(path: Path<(String, String, String)>) -> Result<(LockId, SlotKey), Problem> {
    let Path((lock, kind, number)) = path;
    let nothing = || {
        let detail =
            "the path names no slot: it is a lock's id, pin, rfid or fingerprint, and a number from 1";
        Problem::new(StatusCode::NOT_FOUND, "no_such_slot", detail)
    };
    let lock = LockId::try_from(lock).map_err(|_| nothing())?;
    let kind = match kind.as_str() {
        "pin" => CredentialKind::Pin,
        "rfid" => CredentialKind::Rfid,
        "fingerprint" => CredentialKind::Fingerprint,
        _ => return Err(nothing()),
    };
    let number = number.parse().ok().and_then(CodeSlot::new).ok_or_else(nothing)?;
    Ok((lock, SlotKey { kind, slot: number }))
}

/// Every lock's slots; also those of locks that are gone and were not given up.
#[utoipa::path(get, path = "/api/v1/slots", tag = "slots", operation_id = "list_slots", responses(
    (status = 200, description = "Every lock's slots.", body = [CodesDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let all = api.look(Engine::all_codes).await?;
    let all: Vec<CodesDto> = all.into_iter().map(CodesDto::from).collect();
    Ok(json(StatusCode::OK, &all))
}

/// A lock's slots.
#[utoipa::path(get, path = "/api/v1/locks/{id}/slots", tag = "slots", operation_id = "get_slots",
    params(("id" = String, Path, description = "The lock's id.")), responses(
    (status = 200, description = "The slots.", body = CodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(lock): Id<LockId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    codes(&api, lock, StatusCode::OK).await
}

/// A lock that is gone will not come back: forgets what it held.
#[utoipa::path(delete, path = "/api/v1/locks/{id}/slots", tag = "slots", operation_id = "forget_slots",
    params(("id" = String, Path, description = "The lock's id.")), responses(
    (status = 204, description = "It is forgotten."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn forget(
    State(api): State<Api>,
    Id(lock): Id<LockId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.credentials(&caller, CredentialsRequest::ForgetLock { lock })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Reads every slot of a lock now, also when housekeeping has used up its frames of the day.
#[utoipa::path(post, path = "/api/v1/locks/{id}/slots/refresh", tag = "slots", operation_id = "refresh_slots",
    params(("id" = String, Path, description = "The lock's id.")), responses(
    (status = 202, description = "The lock is asked; the slots as they are until it answers.", body = CodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn refresh(
    State(api): State<Api>,
    Id(lock): Id<LockId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.credentials(&caller, CredentialsRequest::ReadLock { lock: lock.clone() })
        .await?;
    codes(&api, lock, StatusCode::ACCEPTED).await
}

/// Writes everything again to a lock that lost its codes, or to one that takes the place of another.
#[utoipa::path(post, path = "/api/v1/locks/{id}/slots/refill", tag = "slots", operation_id = "refill_slots",
    params(("id" = String, Path, description = "The lock's id.")), request_body = Option<RefillDto>, responses(
    (status = 202, description = "It is being filled; the slots as they are now.", body = CodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn refill(
    State(api): State<Api>,
    Id(lock): Id<LockId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    OptionalJson(body): OptionalJson<RefillDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let what = CredentialsRequest::Refill {
        lock: lock.clone(),
        from: body.from.map(|from| id("from", from)).transpose()?,
    };
    api.credentials(&caller, what).await?;
    codes(&api, lock, StatusCode::ACCEPTED).await
}

/// Tries a slot again now.
#[utoipa::path(post, path = "/api/v1/locks/{id}/slots/{kind}/{slot}/retry", tag = "slots", operation_id = "retry_slot",
    params(("id" = String, Path, description = "The lock's id."),
        ("kind" = String, Path, description = "`pin`, `rfid` or `fingerprint`."),
        ("slot" = u16, Path, description = "The slot's number.")), responses(
    (status = 202, description = "It is tried again; the slots as they are now.", body = CodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn retry(
    State(api): State<Api>,
    path: Path<(String, String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (lock, key) = slot(path)?;
    let what = CredentialsRequest::RetrySlot {
        lock: lock.clone(),
        key,
    };
    api.credentials(&caller, what).await?;
    codes(&api, lock, StatusCode::ACCEPTED).await
}

/// Makes a code that the hub did not write somebody's.
#[utoipa::path(post, path = "/api/v1/locks/{id}/slots/{kind}/{slot}/adopt", tag = "slots", operation_id = "adopt_slot",
    params(("id" = String, Path, description = "The lock's id."),
        ("kind" = String, Path, description = "`pin`, `rfid` or `fingerprint`."),
        ("slot" = u16, Path, description = "The slot's number.")), request_body = AdoptDto, responses(
    (status = 201, description = "The credential that it became.", body = CredentialDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn adopt(
    State(api): State<Api>,
    path: Path<(String, String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<AdoptDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let (lock, key) = slot(path)?;
    let what = CredentialsRequest::Adopt {
        lock,
        key,
        person: id("person", body.person)?,
        label: body.label,
    };
    match api.credentials(&caller, what).await? {
        CredentialsAnswer::Credential { view, .. } => {
            Ok(json(StatusCode::CREATED, &CredentialDto::new(*view)))
        }
        CredentialsAnswer::Person(_) | CredentialsAnswer::Pin(_) | CredentialsAnswer::Done => {
            Err(unexpected())
        }
    }
}

/// Leaves a code that the hub did not write where it is, and shows it no more as news.
#[utoipa::path(post, path = "/api/v1/locks/{id}/slots/{kind}/{slot}/ignore", tag = "slots", operation_id = "ignore_slot",
    params(("id" = String, Path, description = "The lock's id."),
        ("kind" = String, Path, description = "`pin`, `rfid` or `fingerprint`."),
        ("slot" = u16, Path, description = "The slot's number.")), responses(
    (status = 200, description = "The slots as they are now.", body = CodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ignore(
    State(api): State<Api>,
    path: Path<(String, String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (lock, key) = slot(path)?;
    let what = CredentialsRequest::Ignore {
        lock: lock.clone(),
        key,
    };
    api.credentials(&caller, what).await?;
    codes(&api, lock, StatusCode::OK).await
}

/// Clears a code that the hub did not write. One of the hub's own is removed by its credential.
#[utoipa::path(delete, path = "/api/v1/locks/{id}/slots/{kind}/{slot}", tag = "slots", operation_id = "clear_slot",
    params(("id" = String, Path, description = "The lock's id."),
        ("kind" = String, Path, description = "`pin`, `rfid` or `fingerprint`."),
        ("slot" = u16, Path, description = "The slot's number.")), responses(
    (status = 202, description = "It is being cleared; the slots as they are now.", body = CodesDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn clear(
    State(api): State<Api>,
    path: Path<(String, String, String)>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (lock, key) = slot(path)?;
    let what = CredentialsRequest::ClearForeign {
        lock: lock.clone(),
        key,
    };
    api.credentials(&caller, what).await?;
    codes(&api, lock, StatusCode::ACCEPTED).await
}
