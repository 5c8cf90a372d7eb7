//! Commands: ask a bolt to move, and see what became of it.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hubd_core::input::{Answer, Request};
use hubd_core::view::CommandView;
use hubd_model::{CommandId, LockId, LockOp, Millis, Urgency};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Id, Json, Params, json};
use super::problem::Problem;
use super::shape::{Op, Status, rfc3339};
use crate::store::shape::hex;

/// A request that could not be sent within this is dropped: a door that opens later is a surprise.
const TIME_TO_LIVE: Millis = Millis::from_secs(15);
/// The longest `?wait=`.
const WAIT_SECONDS_MAX: u64 = 60;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a bolt shall do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCommand)]
pub(super) struct NewCommandDto {
    /// What to do.
    op: Op,
}

/// A request to move a bolt, from its acceptance to its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Command)]
pub(super) struct CommandDto {
    /// Its id.
    id: String,
    /// The lock.
    lock: String,
    /// What was asked.
    op: Op,
    /// Where it stands.
    status: Status,
    /// Who asked: an account's or token's name.
    requester: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    requested_at: String,
    /// When its frame was handed to the dongle.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    sent_at: Option<String>,
    /// When the lock's radio acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    acknowledged_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// One sentence when it did not end as done.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<CommandView> for CommandDto {
    fn from(command: CommandView) -> Self {
        Self {
            id: command.id.into(),
            lock: command.lock.into(),
            op: command.op.into(),
            status: command.status.into(),
            requester: command.requester,
            requested_at: rfc3339(command.requested_at),
            sent_at: command.sent_at.map(rfc3339),
            acknowledged_at: command.acknowledged_at.map(rfc3339),
            ended_at: command.ended_at.map(rfc3339),
            reason: command.reason,
        }
    }
}

/// Asks a lock to move its bolt. Where the household wants it (`GET /security`), a person who unlocks has to have proved
/// a short while ago who they are. The answer says that the hub accepted it, not that the bolt moved: look at
/// `status`, with `wait` to have it when the command has ended.
#[utoipa::path(post, path = "/api/v1/locks/{id}/commands", tag = "commands", operation_id = "create_command",
    params(
    ("id" = String, Path, description = "The lock's id."),
    ("wait" = Option<u64>, Query, maximum = 60, description = "Wait so many seconds for the command's end."),
    ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
        description = "Any text of visible ASCII, new for each wish. A repeat with the same key answers with the \
        same command and sends nothing again, also after a restart. Without one, each request is a new command.")),
    request_body = NewCommandDto, responses(
    (status = 202, description = "The command.", body = CommandDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    Id(lock): Id<LockId>,
    Extension(caller): Extension<Caller>,
    mut params: Params,
    headers: HeaderMap,
    Json(body): Json<NewCommandDto>,
) -> Result<Response, Problem> {
    let wait = params.number("wait", "a number of seconds from 0 to 60", 0..=WAIT_SECONDS_MAX)?;
    params.finish()?;
    caller.doors(&api).require(&lock)?;
    let command = command_id(&caller, &headers)?;
    let op = LockOp::from(body.op);
    require_confirmed(&api, &caller, op)?;
    // Subscribed before asking, so that the end cannot come in between.
    let changes = wait.map(|_| api.command_changes());
    let request = Request::Actuate {
        command,
        lock,
        op,
        requester: caller.name.clone(),
        urgency: Urgency::Person,
        time_to_live: TIME_TO_LIVE,
    };
    let mut view = match api.request(request).await? {
        Answer::Command(view) => view,
        Answer::Accepted | Answer::Incident(_) | Answer::Credentials { .. } => {
            tracing::error!("the mind accepted a command without naming it");
            let detail = "the hub could not say what became of the command; look at the lock";
            return Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                detail,
            ));
        }
    };
    if let (Some(seconds), Some(changes)) = (wait, changes) {
        view = ended(&api, view, changes, Duration::from_secs(seconds)).await?;
    }
    Ok(json(StatusCode::ACCEPTED, &CommandDto::from(view)))
}

/// One command, while it is remembered (the last 1,000).
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", operation_id = "get_command",
    params(
    ("id" = String, Path, description = "The command's id."),
    ("wait" = Option<u64>, Query, maximum = 60, description = "Wait so many seconds for the command's end.")),
    responses(
    (status = 200, description = "The command.", body = CommandDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<CommandId>,
    Extension(caller): Extension<Caller>,
    mut params: Params,
) -> Result<Response, Problem> {
    let wait = params.number("wait", "a number of seconds from 0 to 60", 0..=WAIT_SECONDS_MAX)?;
    params.finish()?;
    let changes = wait.map(|_| api.command_changes());
    let mut view = find(&api, id).await?;
    if !caller.doors(&api).shows(&view.lock) {
        return Err(no_such_command());
    }
    if let (Some(seconds), Some(changes)) = (wait, changes) {
        view = ended(&api, view, changes, Duration::from_secs(seconds)).await?;
    }
    Ok(json(StatusCode::OK, &CommandDto::from(view)))
}

async fn find(api: &Api, id: CommandId) -> Result<CommandView, Problem> {
    let found = api.look(move |engine| engine.command(&id)).await?;
    found.ok_or_else(no_such_command)
}

fn no_such_command() -> Problem {
    let detail = "there is no such command; the hub remembers the last 1,000";
    Problem::new(StatusCode::NOT_FOUND, "no_such_command", detail)
}

/// What opens a door waits for a person to prove who they are, where the household wants it; what closes one never does.
fn require_confirmed(api: &Api, caller: &Caller, op: LockOp) -> Result<(), Problem> {
    match op {
        LockOp::Lock => Ok(()),
        LockOp::Unlock | LockOp::Unlatch => {
            let wanted = api
                .store()
                .confirm_unlock()
                .map_err(|error| Problem::store(&error))?;
            if wanted {
                caller.require_confirmed(api)
            } else {
                Ok(())
            }
        }
    }
}

/// Waits for the command's end, at most for `limit`; answers how far it is then.
async fn ended(
    api: &Api,
    view: CommandView,
    mut changes: Receiver<CommandView>,
    limit: Duration,
) -> Result<CommandView, Problem> {
    if view.status.is_ended() {
        return Ok(view);
    }
    let id = view.id.clone();
    let wait = async {
        loop {
            match changes.recv().await {
                Ok(change) if change.id == id && change.status.is_ended() => return,
                Ok(_) => {}
                // Changes were missed, among them perhaps the end: look.
                Err(RecvError::Lagged(_)) => match find(api, id.clone()).await {
                    Ok(view) if view.status.is_ended() => return,
                    Ok(_) | Err(_) => {}
                },
                Err(RecvError::Closed) => return,
            }
        }
    };
    tokio::select! {
        () = wait => {}
        () = tokio::time::sleep(limit) => {}
        () = api.stopping().cancelled() => {}
    }
    find(api, view.id).await
}

/// With a key: always the same id for the same token and key. Without: a new one.
fn command_id(caller: &Caller, headers: &HeaderMap) -> Result<CommandId, Problem> {
    let bad = || {
        let detail = "the header Idempotency-Key has 1 to 128 printable ASCII characters and is there once";
        Problem::bad_request("bad_idempotency_key", detail)
    };
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let mut digest = [0_u8; 16];
    match (keys.next(), keys.next()) {
        (None, _) => super::random(&mut digest)?,
        (Some(_), Some(_)) => return Err(bad()),
        (Some(key), None) => {
            let key = key.as_bytes();
            if key.is_empty() || key.len() > 128 || !key.iter().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(bad());
            }
            let hash = Sha256::new()
                .chain_update(caller.id.as_bytes())
                .chain_update([0])
                .chain_update(key);
            for (to, from) in digest.iter_mut().zip(hash.finalize()) {
                *to = from;
            }
        }
    }
    CommandId::parse(&hex(&digest)).map_err(|_| bad())
}
