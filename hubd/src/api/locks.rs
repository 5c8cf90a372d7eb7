//! Locks: what they last reported, their names, and the removal of one that no longer answers.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::engine::Engine;
use hubd_core::input::Request;
use hubd_core::view::LockView;
use hubd_model::LockId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::{Caller, Right};
use super::extract::{Id, Json, Params, json};
use super::problem::Problem;
use super::shape::{Bolt, Door, Link, Op, Rename, ScheduleName, SecurityName, SourceName, rfc3339};

/// A lock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lock)]
pub(super) struct LockDto {
    /// Its id.
    id: String,
    /// Its name, for people.
    name: String,
    /// Its radio.
    radio: String,
    /// Maker and model.
    model: String,
    /// How well its link is protected; one with `none` is never actuated.
    security: SecurityName,
    /// What it last reported of its bolt: a fact, never a wish.
    state: StateDto,
    /// What somebody asked for and is not confirmed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    wish: Option<WishDto>,
    /// The door leaf.
    door: Door,
    /// What is left in the battery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    battery_percent: Option<u8>,
    /// Whether it answers.
    link: Link,
    /// What it can do.
    capabilities: CapabilitiesDto,
}

/// What a lock last reported of its bolt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LockState)]
pub(super) struct StateDto {
    /// The bolt.
    bolt: Bolt,
    /// When it was reported; absent until the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
    /// How it came about; absent until the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<ViaDto>,
}

/// How a state came about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Via)]
pub(super) struct ViaDto {
    /// What moved the bolt.
    source: SourceName,
    /// The slot of the code or tag, where the lock said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u16>,
    /// The person, where the slot is known to be theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
}

/// What somebody asked for and is not confirmed yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wish)]
pub(super) struct WishDto {
    /// What was asked.
    op: Op,
    /// The command.
    command: String,
}

/// What a lock can do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Capabilities)]
pub(super) struct CapabilitiesDto {
    /// Whether it can hold the latch back.
    unlatch: bool,
    /// How many PINs it keeps.
    pin_slots: u16,
    /// Which schedules it keeps by itself.
    schedules: Vec<ScheduleName>,
    /// Whether it keeps a log of its own.
    log: bool,
}

impl From<LockView> for LockDto {
    fn from(lock: LockView) -> Self {
        let state = match lock.bolt {
            None => StateDto {
                bolt: Bolt::Unknown,
                at: None,
                via: None,
            },
            Some(reported) => {
                let (bolt, via) = reported.value;
                let via = ViaDto {
                    source: via.source.into(),
                    slot: via.slot.map(hubd_model::CodeSlot::number),
                    person: via.person.map(String::from),
                };
                StateDto {
                    bolt: bolt.into(),
                    at: Some(rfc3339(reported.at)),
                    via: Some(via),
                }
            }
        };
        let able = lock.description.lock;
        Self {
            id: lock.id.into(),
            name: lock.name,
            radio: lock.radio.into(),
            model: lock.description.model,
            security: lock.description.security.into(),
            state,
            wish: lock.wish.map(|(op, command)| WishDto {
                op: op.into(),
                command: command.into(),
            }),
            door: lock.door.map_or(Door::Unknown, |door| door.value.into()),
            battery_percent: lock.battery.map(|battery| battery.value.percent()),
            link: Link::new(lock.link, lock.last_heard),
            capabilities: CapabilitiesDto {
                unlatch: able.unlatch,
                pin_slots: able.pin_slots,
                schedules: able.schedules.into_iter().map(Into::into).collect(),
                log: able.log,
            },
        }
    }
}

impl LockDto {
    /// The lock as this caller is told of it: who has no right to the history is not told who did it.
    fn told(lock: LockView, caller: &Caller) -> Self {
        let mut told = Self::from(lock);
        if !caller.may(Right::History)
            && let Some(via) = &mut told.state.via
        {
            via.slot = None;
            via.person = None;
        }
        told
    }
}

/// Every lock, for guests those that they were given, in their hours.
#[utoipa::path(get, path = "/api/v1/locks", tag = "locks", operation_id = "list_locks",
    responses(
    (status = 200, description = "Every lock.", body = [LockDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let locks = api.look(Engine::locks).await?;
    let doors = caller.doors(&api);
    let told = locks.into_iter().filter(|lock| doors.shows(&lock.id));
    Ok(json(
        StatusCode::OK,
        &told.map(|lock| LockDto::told(lock, &caller)).collect::<Vec<_>>(),
    ))
}

/// One lock.
#[utoipa::path(get, path = "/api/v1/locks/{id}", tag = "locks", operation_id = "get_lock",
    params(("id" = String, Path, description = "The lock's id.")), responses(
    (status = 200, description = "The lock.", body = LockDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<LockId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    caller.doors(&api).require(&id)?;
    answer(&api, &caller, id, StatusCode::OK).await
}

/// Gives a lock a name.
#[utoipa::path(patch, path = "/api/v1/locks/{id}", tag = "locks", operation_id = "rename_lock",
    params(("id" = String, Path, description = "The lock's id.")), request_body = Rename, responses(
    (status = 200, description = "The lock with its new name.", body = LockDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rename(
    State(api): State<Api>,
    Id(id): Id<LockId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<Rename>,
) -> Result<Response, Problem> {
    params.finish()?;
    api.request(Request::RenameLock {
        lock: id.clone(),
        name: body.name,
    })
    .await?;
    answer(&api, &caller, id, StatusCode::OK).await
}

/// Removes a lock that no longer answers from its radio's network. How far it is, and why a lock that still answers is
/// kept, is in the radio's `exclusion`; the removal is done when `device.excluded` is in the journal.
#[utoipa::path(delete, path = "/api/v1/locks/{id}", tag = "locks", operation_id = "remove_lock",
    params(("id" = String, Path, description = "The lock's id.")), responses(
    (status = 202, description = "The radio was asked; the lock as it is until then.", body = LockDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Id(id): Id<LockId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let lock = view(&api, id.clone()).await?;
    api.request(Request::RemoveFailedLock { lock: id }).await?;
    Ok(json(StatusCode::ACCEPTED, &LockDto::from(lock)))
}

/// Asks a lock for its state now. What it answers is seen in `state` and in the events.
#[utoipa::path(post, path = "/api/v1/locks/{id}/refresh", tag = "locks", operation_id = "refresh_lock",
    params(("id" = String, Path, description = "The lock's id.")), responses(
    (status = 202, description = "The lock was asked; the lock as it is until it answers.", body = LockDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn refresh(
    State(api): State<Api>,
    Id(id): Id<LockId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    caller.doors(&api).require(&id)?;
    api.request(Request::RefreshLock { lock: id.clone() }).await?;
    answer(&api, &caller, id, StatusCode::ACCEPTED).await
}

async fn view(api: &Api, id: LockId) -> Result<LockView, Problem> {
    let wanted = id.clone();
    let lock = api.look(move |engine| engine.lock(&wanted)).await?;
    lock.ok_or_else(|| hubd_core::input::Refusal::NoSuchLock(id).into())
}

async fn answer(api: &Api, caller: &Caller, id: LockId, status: StatusCode) -> Result<Response, Problem> {
    Ok(json(status, &LockDto::told(view(api, id).await?, caller)))
}
