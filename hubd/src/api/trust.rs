//! The certificate of the hub's own authority, for a phone that is to trust the hub. It is no secret, and is needed before
//! anybody can sign in without a warning.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use super::problem::Problem;

/// The one file, in DER, which every system takes.
pub(super) fn router() -> Router<Api> {
    Router::new().route("/hubd-ca.crt", get(certificate))
}

async fn certificate(State(api): State<Api>) -> Response {
    let Some(certificate) = api.authority() else {
        let detail = "this hub has no authority of its own: it shows a certificate of its owner's, or none";
        return Problem::new(StatusCode::NOT_FOUND, "no_authority", detail).into_response();
    };
    let headers = [
        (CONTENT_TYPE, "application/x-x509-ca-cert"),
        (CONTENT_DISPOSITION, "attachment; filename=\"hubd-ca.crt\""),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, certificate.to_vec()).into_response()
}
