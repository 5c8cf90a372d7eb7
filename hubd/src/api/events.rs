//! Events: pages of the journal.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_model::{AlarmId, LockId, PersonId};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::extract::{Params, json};
use super::problem::Problem;
use super::shape::{parse_rfc3339, rfc3339};
use crate::store::{Filter, PAGE_MAX, StoredEntry};

const LIMIT_DEFAULT: usize = 100;
/// The largest number that an entry can have: the store counts with 63 bits.
pub(super) const SEQ_MAX: u64 = i64::MAX.unsigned_abs();

/// A journal entry, also the data of a live event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventDto<'a> {
    /// Its place in the journal. It grows by one from entry to entry; a gap is explained by `journal.lost`.
    seq: u64,
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// `false` when the clock could not be trusted then; absent when it could.
    #[serde(skip_serializing_if = "is_true")]
    #[schema(required = false)]
    clock_synced: bool,
    /// What happened, in a stable word.
    #[schema(example = "lock.operated")]
    kind: &'a str,
    /// The lock that it is about.
    #[schema(required)]
    lock: Option<&'a str>,
    /// The detector that it is about.
    #[schema(required)]
    alarm: Option<&'a str>,
    /// The person that it is about.
    #[schema(required)]
    person: Option<&'a str>,
    /// What happened in detail; its fields follow from `kind`.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    data: &'a serde_json::Value,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_true(flag: &bool) -> bool {
    *flag
}

impl<'a> From<&'a StoredEntry> for EventDto<'a> {
    fn from(entry: &'a StoredEntry) -> Self {
        Self {
            seq: entry.seq,
            at: rfc3339(entry.at),
            clock_synced: entry.clock_synced,
            kind: &entry.kind,
            lock: entry.lock.as_ref().map(LockId::as_str),
            alarm: entry.alarm.as_ref().map(AlarmId::as_str),
            person: entry.person.as_ref().map(PersonId::as_str),
            data: &entry.data,
        }
    }
}

/// A page of the journal. With `after` the oldest entries after it come first: go on with the last `seq` of a page
/// until a page is empty. Without `after` the newest come first: go back with `before`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", operation_id = "list_events",
    params(
    ("after" = Option<u64>, Query, description = "Only entries after this one, the oldest first."),
    ("before" = Option<u64>, Query, description = "Only entries before this one."),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 100 unless told."),
    ("lock" = Option<String>, Query, description = "Only of this lock."),
    ("alarm" = Option<String>, Query, description = "Only of this detector."),
    ("person" = Option<String>, Query, description = "Only of this person."),
    ("kind" = Option<String>, Query, description = "Only of this kind."),
    ("from" = Option<String>, Query, format = DateTime, description = "Only from this time on."),
    ("to" = Option<String>, Query, format = DateTime, description = "Only before this time.")), responses(
    (status = 200, description = "The entries.", body = [EventDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    const TIME: &str = "a time with offset (RFC 3339), such as 2026-01-31T18:00:00Z";
    let mut filter = subjects(&mut params)?;
    filter.after = params.number("after", "a number up to 9223372036854775807", 0..=SEQ_MAX)?;
    filter.before = params.number("before", "a number up to 9223372036854775807", 0..=SEQ_MAX)?;
    filter.from = params.parse("from", TIME, parse_rfc3339)?;
    filter.to = params.parse("to", TIME, parse_rfc3339)?;
    filter.limit = params
        .number("limit", "a number from 1 to 1000", 1..=PAGE_MAX)?
        .unwrap_or(LIMIT_DEFAULT);
    params.finish()?;
    filter.newest_first = filter.after.is_none();
    let entries = api
        .store()
        .page(filter)
        .await
        .map_err(|error| Problem::store(&error))?;
    Ok(json(
        StatusCode::OK,
        &entries.iter().map(EventDto::from).collect::<Vec<_>>(),
    ))
}

/// Takes the parameters that say whom and what entries are about.
pub(super) fn subjects(params: &mut Params) -> Result<Filter, Problem> {
    const ID: &str = "an id: 1 to 128 visible ASCII characters";
    const KIND: &str = "a kind such as lock.operated";
    let is_kind = |text: &str| {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.');
        (plain && (1..=64).contains(&text.len())).then(|| text.to_owned())
    };
    Ok(Filter {
        lock: params.parse("lock", ID, |text| LockId::parse(text).ok())?,
        alarm: params.parse("alarm", ID, |text| AlarmId::parse(text).ok())?,
        person: params.parse("person", ID, |text| PersonId::parse(text).ok())?,
        kind: params.parse("kind", KIND, is_kind)?,
        ..Filter::default()
    })
}

/// Whether a live entry is about what these parameters said.
pub(super) fn is_about(filter: &Filter, entry: &StoredEntry) -> bool {
    fn fits<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
        wanted.is_none() || wanted == found
    }
    fits(filter.lock.as_ref(), entry.lock.as_ref())
        && fits(filter.alarm.as_ref(), entry.alarm.as_ref())
        && fits(filter.person.as_ref(), entry.person.as_ref())
        && filter.kind.as_deref().is_none_or(|kind| *kind == *entry.kind)
}
