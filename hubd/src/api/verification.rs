//! Verification: the journal's chain, walked once from its beginning while everything else goes on.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_model::UnixMillis;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::extract::{Params, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::store::{StoreError, VerifyReport};

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VerificationState {
    /// None was asked for since the hub started.
    Idle,
    /// It goes through the entries.
    Running,
    /// Every entry is the one that was chained.
    Whole,
    /// One is not.
    Broken,
    /// The records could not be read.
    Failed,
}

/// The first entry that is not the one that was chained.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BadEntry)]
struct BadEntryDto {
    /// Its number.
    seq: u64,
    /// What is wrong with it.
    what: String,
}

/// The last verification of the journal.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Verification)]
pub(super) struct VerificationDto {
    /// How far it is.
    state: VerificationState,
    /// How many good entries there were so far.
    entries: u64,
    /// How many there are to go through, about.
    total: u64,
    /// When it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// The last good entry's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
    /// The last good entry's hash. Note it elsewhere: a later journal must still contain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_hash: Option<String>,
    /// The first bad entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_bad: Option<BadEntryDto>,
    /// Why the records could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The last verification, shared by those who ask and the one that works.
#[derive(Debug, Clone)]
pub(super) struct Verification(Arc<Mutex<VerificationDto>>);

impl Default for Verification {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(VerificationDto {
            state: VerificationState::Idle,
            entries: 0,
            total: 0,
            started_at: None,
            ended_at: None,
            last_seq: None,
            last_hash: None,
            first_bad: None,
            reason: None,
        })))
    }
}

impl Verification {
    fn with<T>(&self, work: impl FnOnce(&mut VerificationDto) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins one, unless one runs; whether it began.
    fn begin(&self, total: u64, now: UnixMillis) -> bool {
        self.with(|shown| {
            if shown.state == VerificationState::Running {
                return false;
            }
            *shown = VerificationDto {
                state: VerificationState::Running,
                entries: 0,
                total,
                started_at: Some(rfc3339(now)),
                ended_at: None,
                last_seq: None,
                last_hash: None,
                first_bad: None,
                reason: None,
            };
            true
        })
    }

    fn end(&self, found: Result<VerifyReport, StoreError>, now: UnixMillis) {
        self.with(|shown| {
            shown.ended_at = Some(rfc3339(now));
            match found {
                Ok(report) => {
                    shown.entries = report.entries;
                    shown.last_seq = Some(report.last_seq);
                    shown.last_hash = Some(crate::store::shape::hex(&report.last_hash));
                    shown.state = match report.first_bad {
                        None => VerificationState::Whole,
                        Some(bad) => {
                            tracing::error!(seq = bad.seq, what = %bad.what, "the journal is not whole");
                            shown.first_bad = Some(BadEntryDto {
                                seq: bad.seq,
                                what: bad.what,
                            });
                            VerificationState::Broken
                        }
                    };
                }
                Err(error) => {
                    shown.state = VerificationState::Failed;
                    shown.reason = Some(error.to_string());
                }
            }
        });
    }
}

/// Begins to verify the journal's hash chain, or tells of the verification that runs already.
#[utoipa::path(post, path = "/api/v1/events/verification", tag = "events", operation_id = "verify_events", responses(
    (status = 202, description = "It runs.", body = VerificationDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn begin(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let total = super::stream::newest(&api).await?;
    let verification = api.verification().clone();
    if verification.begin(total, api.now()) {
        let api = api.clone();
        let told = verification.clone();
        tokio::spawn(async move {
            let tell = move |entries| told.with(|shown| shown.entries = entries);
            let found = api.store().verify(tell).await;
            api.verification().end(found, api.now());
        });
    }
    Ok(json(
        StatusCode::ACCEPTED,
        &verification.with(|shown| shown.clone()),
    ))
}

/// How far the last verification is, and what it found.
#[utoipa::path(get, path = "/api/v1/events/verification", tag = "events", operation_id = "get_verification", responses(
    (status = 200, description = "The last verification.", body = VerificationDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    Ok(json(
        StatusCode::OK,
        &api.verification().with(|shown| shown.clone()),
    ))
}
