//! Notification outputs: how they do, and the test button.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::extract::{Params, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::notify::TestFault;

/// An output of the configuration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationOutput)]
struct OutputDto {
    /// Its name.
    name: String,
    /// What it speaks: `ntfy`, `webhook`, `smtp` or `mqtt`.
    kind: &'static str,
    /// The least serious level that it is told: `info`, `warning` or `urgent`.
    least: &'static str,
    /// Messages that wait.
    waiting: usize,
    /// Messages that arrived since the hub started.
    delivered: u64,
    /// Messages that were given up or refused.
    failed: u64,
    /// Messages that found the queue full.
    dropped: u64,
    /// When the last one arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    /// What went wrong last, until something arrives again.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// Every output.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notifications)]
struct NotificationsDto {
    /// The outputs, in the configuration's order.
    outputs: Vec<OutputDto>,
    /// Events that came faster than they could be looked at since the hub started; the journal has them.
    missed: u64,
}

/// The notification outputs and how they do.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    responses(
    (status = 200, description = "The outputs.", body = NotificationsDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let (outputs, missed) = api.notifier().map_or_else(Default::default, |notifier| {
        (notifier.outputs(), notifier.missed())
    });
    let outputs = outputs
        .into_iter()
        .map(|(config, tally)| OutputDto {
            kind: config.output.kind(),
            least: config.least.as_str(),
            name: config.name,
            waiting: tally.waiting,
            delivered: tally.delivered,
            failed: tally.failed,
            dropped: tally.dropped,
            delivered_at: tally.delivered_at.map(rfc3339),
            fault: tally.fault,
        })
        .collect();
    Ok(json(StatusCode::OK, &NotificationsDto { outputs, missed }))
}

/// Sends a test message and answers when it arrived, or why it did not.
#[utoipa::path(post, path = "/api/v1/notifications/{name}/test", tag = "notifications",
    operation_id = "test_notification", params(("name" = String, Path, description = "The output's name.")), responses(
    (status = 204, description = "It arrived."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn test(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let missing = || {
        let detail = "there is no output of this name; outputs are named in the configuration, [[notify]]";
        Problem::new(StatusCode::NOT_FOUND, "no_such_output", detail)
    };
    let notifier = api.notifier().ok_or_else(missing)?;
    match notifier.test(&name).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(TestFault::NoSuchOutput) => Err(missing()),
        Err(TestFault::Busy) => {
            let detail = "a test of this output is under way already";
            Err(Problem::new(StatusCode::CONFLICT, "test_under_way", detail))
        }
        Err(TestFault::NotDelivered(reason)) => {
            Err(Problem::new(StatusCode::BAD_GATEWAY, "not_delivered", reason))
        }
    }
}
