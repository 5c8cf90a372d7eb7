//! The OpenAPI document: made from the code, committed, and served as committed (a test compares the two).

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{alarms, commands, events, health, locks, problem, radios, stream, tokens};

/// The committed document.
pub const COMMITTED: &str = include_str!("../../../docs/openapi.json");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hubd",
        version = "1",
        description = "The doors of a home, without a cloud. Every error is `application/problem+json` with a stable \
            `code`. Everything but `/health` needs a token: `Authorization: Bearer hubd_…`, with the scope that the \
            operation names. Fields may be added to answers; none is renamed or removed.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact()
    ),
    servers((url = "/")),
    paths(
        health::health,
        radios::list, radios::one, radios::include, radios::inclusion, radios::answer, radios::cancel_inclusion,
        radios::exclude, radios::exclusion, radios::cancel_exclusion,
        locks::list, locks::one, locks::rename, locks::remove, locks::refresh,
        commands::create, commands::one,
        alarms::list, alarms::one, alarms::rename, alarms::remove,
        events::list, stream::stream,
        tokens::list, tokens::create, tokens::remove,
        serve,
    ),
    components(schemas(problem::Problem)),
    modifiers(&TokenScheme)
)]
struct Document;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("hubd_ID_SECRET")
            .description(Some(
                "A token of the hub. Its scope is read, actuate or manage; each allows the ones before.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document as the code has it, ended by a line break.
///
/// # Errors
/// Never in practice: the document is a tree of plain values.
pub fn generate() -> Result<String, serde_json::Error> {
    let mut text = Document::openapi().to_pretty_json()?;
    text.push('\n');
    Ok(text)
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "document", operation_id = "get_openapi",
    security(("token" = ["read"])), responses(
    (status = 200, description = "The OpenAPI document.", body = serde_json::Value),
    (status = "default", description = "A problem.", body = problem::Problem,
        content_type = "application/problem+json")))]
pub(super) async fn serve() -> Response {
    (
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        COMMITTED,
    )
        .into_response()
}
