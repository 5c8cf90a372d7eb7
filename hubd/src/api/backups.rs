//! Backups that the hub keeps: made, rehearsed, taken elsewhere, removed. How far one is comes on the event stream, too.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{OptionalJson, Params, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::backups::{Backups, Job, Kept, Note, Refused, State as JobState, Work};

/// How much of a backup is read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The backups of the hub.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backups)]
pub(super) struct BackupsDto {
    /// Those that are kept, the newest first.
    kept: Vec<KeptDto>,
    /// What is done now, or was done last since the hub started.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<WorkDto>,
}

/// A backup that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backup)]
pub(super) struct KeptDto {
    /// Its name.
    #[schema(example = "hubd-20261125T220102Z.hubd-backup")]
    name: String,
    /// How large it is.
    size_bytes: u64,
    /// When it was made.
    #[schema(format = DateTime)]
    made_at: String,
}

impl From<Kept> for KeptDto {
    fn from(kept: Kept) -> Self {
        Self {
            name: kept.name,
            size_bytes: kept.bytes,
            made_at: rfc3339(kept.made_at),
        }
    }
}

/// How far a backup or a rehearsal is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupWork)]
pub(super) struct WorkDto {
    /// The backup's name.
    name: String,
    /// What is done.
    what: WorkName,
    /// Where it stands.
    state: WorkState,
    /// What is done now: `copying_dongle`, `copying`, `sealing`, `opening` or `checking`.
    step: &'static str,
    /// How much of the step.
    done: u64,
    /// Out of how much; 0 while that is not known.
    total: u64,
    /// Why it failed: one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What a person should know of it, one sentence each.
    notes: Vec<String>,
    /// The same with its code each, in the same order.
    noted: Vec<NoteDto>,
}

/// What a person should know of a backup or its rehearsal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupNote)]
pub(super) struct NoteDto {
    /// Stable, for programs.
    #[schema(example = "entries_since")]
    code: &'static str,
    /// One sentence, for people.
    detail: String,
    /// The radio whose dongle it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    radio: Option<String>,
    /// How many journal entries the hub has that the backup has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    /// Why, in the words of whoever failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Note> for NoteDto {
    fn from(note: &Note) -> Self {
        Self {
            code: note.code(),
            detail: note.to_string(),
            radio: note.radio().map(|radio| radio.as_str().to_owned()),
            entries: note.entries(),
            reason: note.reason().map(str::to_owned),
        }
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WorkName {
    /// A backup is made.
    Create,
    /// A backup is opened and compared without being put in place.
    Rehearse,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WorkState {
    /// It is at work.
    UnderWay,
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
}

impl From<Job> for WorkDto {
    fn from(job: Job) -> Self {
        let (state, reason) = match job.state {
            JobState::UnderWay => (WorkState::UnderWay, None),
            JobState::Done => (WorkState::Done, None),
            JobState::Failed(reason) => (WorkState::Failed, Some(reason)),
        };
        Self {
            name: job.name,
            what: match job.work {
                Work::Create => WorkName::Create,
                Work::Rehearse => WorkName::Rehearse,
            },
            state,
            step: job.step,
            done: job.done,
            total: job.total,
            reason,
            notes: job.notes.iter().map(Note::to_string).collect(),
            noted: job.notes.iter().map(NoteDto::from).collect(),
        }
    }
}

/// How a backup is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewBackup)]
pub(super) struct NewBackupDto {
    /// Whether each radio's dongle is copied first, which takes up to a minute; its radio gives way to whoever waits at a
    /// door. Without it the newest copy that was made before is in the backup.
    #[serde(default = "yes")]
    dongles: bool,
    /// Whether a backup is good enough that only this hub can open, because there is no recovery key.
    #[serde(default)]
    hub_only: bool,
}

const fn yes() -> bool {
    true
}

impl Default for NewBackupDto {
    fn default() -> Self {
        Self {
            dongles: true,
            hub_only: false,
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, code) = match &refused {
            Refused::Busy => (StatusCode::CONFLICT, "backup_under_way"),
            Refused::Full => (StatusCode::CONFLICT, "too_many"),
            Refused::NoSuch => (StatusCode::NOT_FOUND, "no_such_backup"),
            Refused::Folder(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_failing"),
        };
        Self::new(status, code, refused.to_string())
    }
}

/// Does something with the folder where nothing else waits for it.
async fn apart<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Backups) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Problem> {
    let backups = api.backups().cloned().ok_or_else(|| {
        let detail = "this hub keeps no backups; make them with `hubd backup create`";
        Problem::new(StatusCode::NOT_FOUND, "no_such_backup", detail)
    })?;
    match tokio::task::spawn_blocking(move || work(&backups)).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Problem::store(&error)),
    }
}

/// The backups that are kept, and what is done now.
#[utoipa::path(get, path = "/api/v1/backups", tag = "backups", operation_id = "list_backups", responses(
    (status = 200, description = "The backups.", body = BackupsDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let (kept, job) = apart(&api, |backups| {
        Ok((backups.list()?, backups.watch().borrow().clone()))
    })
    .await?;
    let shown = BackupsDto {
        kept: kept.into_iter().map(KeptDto::from).collect(),
        work: job.map(WorkDto::from),
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Begins to make a backup of everything that a new machine needs. Follow it here, or by the events named `backup` on
/// the event stream with `backups=true`; `backup.created` tells that it is kept.
#[utoipa::path(post, path = "/api/v1/backups", tag = "backups", operation_id = "create_backup",
    request_body = Option<NewBackupDto>, responses(
    (status = 202, description = "It is made.", body = WorkDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    OptionalJson(body): OptionalJson<NewBackupDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let job = apart(&api, move |backups| {
        backups.create(caller.name, body.dongles, body.hub_only)
    })
    .await?;
    Ok(json(StatusCode::ACCEPTED, &WorkDto::from(job)))
}

/// A backup, to be kept elsewhere. It is sealed: only the hub and the recovery keys open it.
#[utoipa::path(get, path = "/api/v1/backups/{name}", tag = "backups", operation_id = "get_backup",
    params(("name" = String, Path, description = "The backup's name.")), responses(
    (status = 200, description = "The file.", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let wanted = name.clone();
    let (file, bytes) = apart(&api, move |backups| backups.open(&wanted)).await?;
    let body = Body::from_stream(stream::unfold((Arc::new(file), 0), |(file, at)| async move {
        let from = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || read_at(&from, at)).await;
        match read.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(chunk) if chunk.is_empty() => None,
            Ok(chunk) => {
                let next = at.saturating_add(chunk.len() as u64);
                Some((Ok(chunk), (file, next)))
            }
            // Cut short of its length, so that nobody takes it for whole.
            Err(error) => Some((Err(error), (file, u64::MAX))),
        }
    }));
    let attachment = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_LENGTH, HeaderValue::from(bytes)),
        (
            CONTENT_DISPOSITION,
            attachment.unwrap_or_else(|_| HeaderValue::from_static("attachment")),
        ),
    ];
    Ok((headers, body).into_response())
}

fn read_at(file: &File, at: u64) -> std::io::Result<Bytes> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let count = file.read_at(&mut chunk, at)?;
    chunk.truncate(count);
    Ok(chunk.into())
}

/// Removes a backup.
#[utoipa::path(delete, path = "/api/v1/backups/{name}", tag = "backups", operation_id = "remove_backup",
    params(("name" = String, Path, description = "The backup's name.")), responses(
    (status = 204, description = "It is gone."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    apart(&api, move |backups| backups.remove(&name)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Begins to prove that a backup could be restored: it is opened, checked, started in a scratch folder and compared.
#[utoipa::path(post, path = "/api/v1/backups/{name}/rehearsal", tag = "backups", operation_id = "rehearse_backup",
    params(("name" = String, Path, description = "The backup's name.")), responses(
    (status = 202, description = "It is rehearsed.", body = WorkDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rehearse(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let job = apart(&api, move |backups| backups.rehearse(&name)).await?;
    Ok(json(StatusCode::ACCEPTED, &WorkDto::from(job)))
}
