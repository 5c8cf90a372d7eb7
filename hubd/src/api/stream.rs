//! The live stream of events (Server-Sent Events), which starts where a client left off.
//!
//! ```text
//!   subscribed to live --> stored pages --(none left)--> live --(missed some)--+
//!                             ^                                                 |
//!                             +-------------------------------------------------+
//! ```
//! Promise: from its start a stream has every entry once, in order. The store tells live listeners of an entry when
//! it can be read, so subscribing before reading leaves no gap, and numbers tell apart what comes from both. A slow
//! client holds one page and no more: what it misses live is read again from the store, and one that takes nothing
//! for a while is cut and can resume.
//!
//! Who asks for it is also told how far a backup is, by events named `backup` in between. They are no entries and have no
//! number, and only the newest of them counts.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Api;
use super::auth::{Caller, Right};
use super::backups::WorkDto;
use super::doors::glimpse;
use super::events::{EventDto, SEQ_MAX, is_about, subjects};
use super::extract::{Params, bad_parameter};
use super::problem::Problem;
use crate::backups::{Backups, Job};
use crate::store::{Filter, StoredEntry};

/// How many stored entries are read at once.
const PAGE: usize = 200;
/// Tells browsers when to come back after a cut, and makes the first bytes leave at once.
const HELLO: &[u8] = b"retry: 2000\n\n";
const HEARTBEAT: &[u8] = b":\n\n";

/// The journal live. Each event's `id` is its `seq`; its data is an entry as in `GET /events`. With `Last-Event-ID`,
/// or `after`, the stream starts after that entry; without, it starts now. Who may see and not read the history is told
/// what became of doors and detectors, not who did it; guests of their doors alone, in their hours.
#[utoipa::path(get, path = "/api/v1/events/stream", tag = "events", operation_id = "stream_events",
    params(
    ("after" = Option<u64>, Query, description = "Start after this entry."),
    ("Last-Event-ID" = Option<u64>, Header, description = "Start after this entry; outranks `after`."),
    ("backups" = Option<bool>, Query, description = "Also how far a backup is, by events named `backup` without an `id`, whose data is a `BackupWork`; needs the right to manage."),
    ("lock" = Option<String>, Query, description = "Only of this lock."),
    ("alarm" = Option<String>, Query, description = "Only of this detector."),
    ("person" = Option<String>, Query, description = "Only of this person."),
    ("kind" = Option<String>, Query, description = "Only of this kind.")), responses(
    (status = 200, description = "The stream; a line `:` shows every 15 seconds that it lives. It ends when its token is removed.", body = String,
        content_type = "text/event-stream"),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn stream(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = subjects(&mut params)?;
    let mut after = params.number("after", "a number up to 9223372036854775807", 0..=SEQ_MAX)?;
    let with_backups = params.parse("backups", "true or false", |text| text.parse::<bool>().ok())?;
    params.finish()?;
    if !caller.may(Right::History) && filter.person.is_some() {
        let detail = "what a person did belongs to the history, which your role may not read";
        return Err(Problem::new(StatusCode::FORBIDDEN, "role_too_small", detail));
    }
    if let Some(value) = headers.get("last-event-id") {
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        after = Some(number.ok_or_else(|| bad_parameter("Last-Event-ID", "a number"))?);
    }
    let permit = Arc::clone(api.streams()).try_acquire_owned().map_err(|_| {
        let detail = "too many event streams are open; close one or try again later";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail).retry_after(30)
    })?;
    let mut beat = interval(api.limits().heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let live = api.store().live();
    let newest = newest(&api).await?;
    let (phase, last) = match after {
        // A client may know entries that a power cut took from the disk. Their numbers are given anew, so it is not
        // to wait until the journal has caught up with it.
        Some(after) => (Phase::Stored, after.min(newest)),
        // Now is after the newest entry.
        None => (Phase::Live, newest),
    };
    let backups = if with_backups == Some(true) {
        if !caller.may(Right::Manage) {
            let detail = "backups are the affair of who may manage the hub";
            return Err(Problem::new(StatusCode::FORBIDDEN, "role_too_small", detail));
        }
        api.backups().map(Backups::watch)
    } else {
        None
    };
    let follower = Follower {
        live,
        backups,
        filter,
        phase,
        last,
        ready: VecDeque::new(),
        greeted: false,
        caller,
        beat,
        api,
        _permit: permit,
    };
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(bytes), follower))
    }));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // A proxy that gathers bytes would hold back an alarm.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, body).into_response())
}

pub(super) async fn newest(api: &Api) -> Result<u64, Problem> {
    let filter = Filter {
        limit: 1,
        newest_first: true,
        ..Filter::default()
    };
    let page = api
        .store()
        .page(filter)
        .await
        .map_err(|error| Problem::store(&error))?;
    Ok(page.first().map_or(0, |entry| entry.seq))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Stored,
    Live,
}

struct Follower {
    api: Api,
    filter: Filter,
    live: Receiver<Arc<StoredEntry>>,
    /// How far a backup is, for those who may know.
    backups: Option<watch::Receiver<Option<Job>>>,
    phase: Phase,
    /// The last entry that was looked at, sent or filtered out.
    last: u64,
    ready: VecDeque<StoredEntry>,
    greeted: bool,
    /// Who opened it.
    caller: Caller,
    beat: Interval,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next bytes; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(HELLO));
        }
        loop {
            if let Some(entry) = self.ready.pop_front() {
                // Old entries are many and ready at once: between two of them everybody else has a turn, doors above all.
                yield_now().await;
                if let Some(bytes) = self.told(&entry) {
                    return Some(bytes);
                }
                continue;
            }
            if self.phase == Phase::Stored {
                self.read_page().await?;
                continue;
            }
            let received = tokio::select! {
                biased;
                () = self.api.stopping().cancelled() => return None,
                _ = self.beat.tick() => {
                    if !self.caller.still_holds(&self.api) {
                        return None;
                    }
                    return Some(Bytes::from_static(HEARTBEAT));
                }
                received = self.live.recv() => received,
                job = changed(&mut self.backups) => match job {
                    Some(job) => return Some(backup_frame(job)),
                    None => continue,
                },
            };
            match received {
                Ok(entry) => {
                    if let Some(bytes) = self.take(&entry) {
                        return Some(bytes);
                    }
                }
                Err(RecvError::Lagged(_)) => self.phase = Phase::Stored,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What is told of an entry.
    fn told(&self, entry: &StoredEntry) -> Option<Bytes> {
        // The role, the doors and the hours may be others than when the stream was opened.
        let caller = self.caller.as_now(&self.api)?;
        if caller.may(Right::History) {
            return Some(frame(entry));
        }
        glimpse(entry, &caller.doors(&self.api)).map(|entry| frame(&entry))
    }

    /// A live entry, unless it was had from the store already or is not wanted.
    fn take(&mut self, entry: &StoredEntry) -> Option<Bytes> {
        if entry.seq <= self.last {
            return None;
        }
        self.last = entry.seq;
        if is_about(&self.filter, entry) {
            self.told(entry)
        } else {
            None
        }
    }

    async fn read_page(&mut self) -> Option<()> {
        let filter = Filter {
            after: Some(self.last),
            limit: PAGE,
            ..self.filter.clone()
        };
        match self.api.store().page(filter).await {
            Ok(page) => {
                if page.len() < PAGE {
                    self.phase = Phase::Live;
                }
                self.last = page.last().map_or(self.last, |entry| entry.seq);
                self.ready = page.into();
                Some(())
            }
            Err(error) => {
                // A stream with a hole would be worse than none: the client comes back and resumes.
                tracing::warn!(%error, "an event stream ends: the journal cannot be read");
                None
            }
        }
    }
}

/// The next state of a backup's work; never, where nobody may know.
async fn changed(backups: &mut Option<watch::Receiver<Option<Job>>>) -> Option<Job> {
    let Some(work) = backups else {
        return std::future::pending().await;
    };
    if work.changed().await.is_err() {
        // The hub stops, which ends the stream, too.
        *backups = None;
        return None;
    }
    work.borrow_and_update().clone()
}

fn backup_frame(job: Job) -> Bytes {
    let mut bytes = b"event: backup\ndata: ".to_vec();
    if let Err(error) = serde_json::to_writer(&mut bytes, &WorkDto::from(job)) {
        tracing::error!(%error, "how far a backup is could not be written as JSON");
    }
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

fn frame(entry: &StoredEntry) -> Bytes {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(b"id: ");
    bytes.extend_from_slice(entry.seq.to_string().as_bytes());
    bytes.extend_from_slice(b"\ndata: ");
    // JSON has no raw line breaks, so one data line is enough. Serialising plain values cannot fail.
    if let Err(error) = serde_json::to_writer(&mut bytes, &EventDto::from(entry)) {
        tracing::error!(%error, seq = entry.seq, "an event could not be written as JSON");
    }
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}
