//! The memory of a radio's dongle: its network. A copy of it is kept, sealed, and is in every backup from then on; it
//! is written into another dongle of the same kind when a person says so.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::input::{Refusal, Request};
use hubd_core::view::{DongleView, DongleWork};
use hubd_model::{DongleImage, RadioName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Id, Json, Params, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::radios::DONGLE_SECRET;

/// What becomes of a dongle's memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DongleMemory)]
pub(super) struct MemoryDto {
    /// Where it stands.
    state: MemoryState,
    /// What is done, or was done last since the hub started.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<MemoryWork>,
    /// How many bytes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u32>,
    /// Out of how many; 0 while that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u32>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Why it failed: one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether a copy is kept.
    kept: bool,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MemoryState {
    /// Nothing was done since the hub started.
    Idle,
    /// It is at work.
    UnderWay,
    /// It is done, and a copy is on disk.
    Done,
    /// It was not done.
    Failed,
}

/// What is done with a dongle's memory.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MemoryWork {
    /// It is copied.
    Copy,
    /// The copy is written into the dongle.
    Write,
}

impl MemoryDto {
    fn new(dongle: DongleView, kept: bool) -> Self {
        let mut shown = Self {
            state: MemoryState::Idle,
            what: None,
            done: None,
            total: None,
            at: None,
            reason: None,
            kept,
        };
        let work = match dongle {
            DongleView::Untouched => return shown,
            DongleView::UnderWay { work, done, total } => {
                shown.state = MemoryState::UnderWay;
                (shown.done, shown.total) = (Some(done), Some(total));
                work
            }
            DongleView::Done { work, at } => {
                shown.state = MemoryState::Done;
                shown.at = Some(rfc3339(at));
                work
            }
            DongleView::Failed { work, at, reason } => {
                shown.state = MemoryState::Failed;
                (shown.at, shown.reason) = (Some(rfc3339(at)), Some(reason));
                work
            }
        };
        shown.what = Some(match work {
            DongleWork::Copy => MemoryWork::Copy,
            DongleWork::Write => MemoryWork::Write,
        });
        shown
    }
}

/// Says that it is meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DongleWriting)]
pub(super) struct WriteDto {
    /// The radio's name, once more: the network that its dongle has now is lost.
    confirm: String,
}

async fn shown(api: &Api, radio: RadioName, status: StatusCode) -> Result<Response, Problem> {
    let kept = api.store().secret(&radio, DONGLE_SECRET).await;
    let kept = kept.map_err(|error| Problem::store(&error))?.is_some();
    let wanted = radio.clone();
    let view = api.look(move |engine| engine.radio(&wanted)).await?;
    let view = view.ok_or(Refusal::NoSuchRadio(radio))?;
    Ok(json(status, &MemoryDto::new(view.dongle, kept)))
}

/// What becomes of the dongle's memory, and whether a copy is kept.
#[utoipa::path(get, path = "/api/v1/radios/{name}/memory", tag = "radios", operation_id = "get_dongle_memory",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 200, description = "Where it stands.", body = MemoryDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    shown(&api, radio, StatusCode::OK).await
}

/// Copies the dongle's memory and keeps it in place of the copy before. The radio gives way to whoever waits at a door.
#[utoipa::path(post, path = "/api/v1/radios/{name}/memory/copy", tag = "radios", operation_id = "copy_dongle_memory",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 202, description = "It is copied.", body = MemoryDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn copy(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.request(Request::CopyDongle {
        radio: radio.clone(),
        requester: caller.name,
    })
    .await?;
    shown(&api, radio, StatusCode::ACCEPTED).await
}

/// Writes the copy that is kept into the dongle, which takes the place of the one that it is of. The network that the
/// dongle has now is lost, and doors wait until it is over. A dongle of another kind is refused before anything is written.
#[utoipa::path(post, path = "/api/v1/radios/{name}/memory/restore", tag = "radios", operation_id = "write_dongle_memory",
    params(("name" = String, Path, description = "The radio's name.")), request_body = WriteDto, responses(
    (status = 202, description = "It is written.", body = MemoryDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn restore(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<WriteDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    if body.confirm != radio.as_str() {
        let detail = "confirm: expected the radio's name, to say that its dongle's network may be lost";
        return Err(Problem::bad_request("bad_field", detail));
    }
    let kept = api.store().secret(&radio, DONGLE_SECRET).await;
    let image = kept.map_err(|error| Problem::store(&error))?.ok_or_else(|| {
        let detail = "no copy of this radio's dongle is kept; make one, or restore a backup that holds one";
        Problem::new(StatusCode::CONFLICT, "no_copy", detail)
    })?;
    api.request(Request::WriteDongle {
        radio: radio.clone(),
        image: DongleImage::new(image),
        requester: caller.name,
    })
    .await?;
    shown(&api, radio, StatusCode::ACCEPTED).await
}
