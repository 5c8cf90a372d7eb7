//! Errors as `application/problem+json` (RFC 9457) with a `code` that programs may rely on.
//!
//! Promise: no problem repeats a value that the client sent in a body or header, so none can leak a secret.

use std::borrow::Cow;

use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hubd_core::credentials::request::CredentialsRefusal as R;
use hubd_core::input::Refusal;
use hubd_core::lifesafety::request::LifeSafetyRefusal as L;
use serde::Serialize;
use utoipa::ToSchema;

use crate::hub::AskError;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: `code` tells the kind.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16, minimum = 400, maximum = 599)]
    status: StatusCode,
    /// One sentence or two: what happened, to which thing, what to do next.
    detail: Cow<'static, str>,
    /// Stable, for programs.
    #[schema(example = "no_such_lock")]
    code: &'static str,
    #[serde(skip)]
    retry_after_s: Option<u32>,
    /// Whether the connection ends with it.
    #[serde(skip)]
    closes: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with this status, code and sentence.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            kind: "about:blank",
            title,
            status,
            detail: detail.into(),
            code,
            retry_after_s: None,
            closes: false,
        }
    }

    /// A request that says something which is not allowed.
    pub(super) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The same problem, with the time after which it may be over.
    #[must_use]
    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same problem, after which the connection ends: whatever else was sent on it is not looked at.
    #[must_use]
    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// No such path.
    pub(super) fn no_such_path() -> Self {
        let detail = "there is nothing at this path; GET /api/v1/openapi.json lists what there is";
        Self::new(StatusCode::NOT_FOUND, "no_such_path", detail)
    }

    /// A path that does not know this method.
    pub(super) fn method_not_allowed() -> Self {
        let detail = "this path does not know this method; the header Allow lists those it knows";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// The store did not do what was asked. The cause goes to the log, not to the client.
    pub(super) fn store(error: &dyn std::error::Error) -> Self {
        tracing::warn!(error = %error, "the store did not answer a request");
        let detail = "the records cannot be read or written now; doors still work; see the hub's log";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_failing", detail).retry_after(5)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NoSuchLock(_) | Refusal::NoSuchAlarm(_) | Refusal::NoSuchRadio(_) => {
                StatusCode::NOT_FOUND
            }
            Refusal::InsecureLock(_)
            | Refusal::NotCapable { .. }
            | Refusal::CommandConflict
            | Refusal::RadioBusy(_)
            | Refusal::NothingUnderWay(_) => StatusCode::CONFLICT,
            Refusal::BadName => StatusCode::BAD_REQUEST,
            Refusal::Credentials(refusal) => credentials(refusal),
            Refusal::LifeSafety(refusal) => life_safety(refusal),
            Refusal::RadioNotReady { .. } | Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let problem = Self::new(status, refusal.code(), refusal.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem.retry_after(5)
        } else {
            problem
        }
    }
}

fn life_safety(refusal: &L) -> StatusCode {
    match refusal {
        L::NoSuchIncident(_) | L::NoSuchDetector(_) => StatusCode::NOT_FOUND,
        L::BadPolicy(_) | L::BadReason | L::BadSpan | L::DoorNotChosen(_) => StatusCode::BAD_REQUEST,
        L::PolicyMoved { .. }
        | L::Over(_)
        | L::NoDoorChosen
        | L::Released(_)
        | L::StillAlarming(_)
        | L::HeldOpen { .. }
        | L::NothingToReview(_)
        | L::Emergency(_)
        | L::DrillUnderWay(_)
        | L::NoDrill
        | L::NoMaintenance => StatusCode::CONFLICT,
    }
}

fn credentials(refusal: &R) -> StatusCode {
    match refusal {
        R::NoSuchPerson(_) | R::NoSuchCredential(_) | R::NoSuchLock(_) | R::NoSuchSlot { .. } => {
            StatusCode::NOT_FOUND
        }
        R::BadName
        | R::BadLabel
        | R::BadSchedule(_)
        | R::BadUses
        | R::WeakPin(_)
        | R::PinLength { .. }
        | R::NoCommonLength
        | R::NotRestrictable => StatusCode::BAD_REQUEST,
        R::PinInUse { .. }
        | R::NoFreePin
        | R::NoPin(_)
        | R::NotEnrolled(_)
        | R::NotKept { .. }
        | R::StillAsked(_)
        | R::NotEmergency(_)
        | R::NotInUse(_)
        | R::NotForeign { .. }
        | R::NothingToRefill(_)
        | R::NotGone(_)
        | R::NotReadYet(_)
        | R::NoFreeSlot { .. }
        | R::TooMany { .. } => StatusCode::CONFLICT,
        R::StoreFailing(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(refusal) => refusal.into(),
            AskError::Busy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()).retry_after(5)
            }
            AskError::NotRecorded(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_recorded", error.to_string())
            }
            AskError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", error.to_string()).retry_after(10)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Serialising four texts and a number cannot fail; an empty body would still carry the status.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
