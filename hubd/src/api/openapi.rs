//! The OpenAPI document: made from the code, committed, and served as committed (a test compares the two).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use hubd_model::Role;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::{Modify, OpenApi};

use super::auth::{Need, ROLES, needed};
use super::{
    account, accounts, alarms, backups, commands, credentials, dongles, drills, events, health, incidents,
    life_safety, locks, notifications, passkeys, people, problem, radios, recovery, security, session,
    sessions, sheet, slots, stream, tokens, verification,
};
use crate::token::Scope;

/// The committed document.
pub const COMMITTED: &str = include_str!("../../../docs/openapi.json");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hubd",
        version = "1",
        description = "The doors of a home, without a cloud. Every error is `application/problem+json` with a stable \
            `code`. Each operation names who may ask for it: machines by a token, `Authorization: Bearer hubd_…`, with one of \
            the scopes; people by the cookie of their session, with one of the roles. Operations that name nobody answer \
            everybody. A person who asks for what opens doors later or shows secrets is asked to prove again who they are \
            (`confirmation_needed`, then `POST /session/confirmation`). Fields may be added to answers; none is renamed or removed.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact()
    ),
    servers((url = "/")),
    paths(
        health::health,
        radios::list, radios::one, radios::include, radios::inclusion, radios::answer, radios::cancel_inclusion,
        radios::exclude, radios::exclusion, radios::cancel_exclusion,
        dongles::one, dongles::copy, dongles::restore,
        locks::list, locks::one, locks::rename, locks::remove, locks::refresh,
        commands::create, commands::one,
        people::list, people::one, people::add, people::change, people::remove,
        credentials::list, credentials::one, credentials::add, credentials::change, credentials::remove,
        credentials::assign, credentials::unassign, credentials::rotate, credentials::reveal, credentials::enrol,
        credentials::enable, credentials::disable, credentials::generate,
        slots::list, slots::one, slots::forget, slots::refresh, slots::refill, slots::retry, slots::adopt,
        slots::ignore, slots::clear,
        alarms::list, alarms::one, alarms::rename, alarms::remove,
        life_safety::policy, life_safety::set_policy, life_safety::state, life_safety::start_maintenance,
        life_safety::end_maintenance, life_safety::set_occupancy,
        incidents::list, incidents::one, incidents::evidence, incidents::call_for_help, incidents::release,
        incidents::cancel, incidents::close, incidents::review,
        drills::list, drills::one, drills::start, drills::end,
        sheet::texts, sheet::set_texts, sheet::print, sheet::print_with_pins,
        events::list, stream::stream, verification::begin, verification::one,
        backups::list, backups::create, backups::one, backups::remove, backups::rehearse,
        recovery::list, recovery::make, recovery::remove,
        tokens::list, tokens::create, tokens::remove,
        notifications::list, notifications::test,
        session::setup, session::set_up, session::take_invitation, session::one, session::sign_in,
        session::second_factor, session::confirm, session::sign_out,
        sessions::list, sessions::remove, sessions::remove_others,
        account::one, account::password, account::begin_totp, account::finish_totp, account::remove_totp,
        account::recovery_codes,
        passkeys::list, passkeys::begin, passkeys::finish, passkeys::remove, passkeys::ask, passkeys::ask_again,
        security::one, security::set,
        accounts::list, accounts::create, accounts::change, accounts::remove, accounts::invite,
        serve,
    ),
    components(schemas(problem::Problem)),
    modifiers(&WhoMay)
)]
struct Document;

struct WhoMay;

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Who may ask for an operation, as the gate has it.
fn who_may(need: Need) -> Vec<SecurityRequirement> {
    let scopes: Vec<&str> = Scope::ALL
        .into_iter()
        .filter(|scope| need.is_met_by_scope(*scope))
        .map(Scope::as_str)
        .collect();
    let roles: Vec<&str> = ROLES
        .into_iter()
        .filter(|role| need.is_met_by_role(*role))
        .map(Role::as_str)
        .collect();
    if need == Need::Open {
        return Vec::new();
    }
    let mut allowed = Vec::new();
    if !scopes.is_empty() {
        allowed.push(SecurityRequirement::new("token", scopes));
    }
    allowed.push(SecurityRequirement::new("session", roles));
    allowed
}

impl Modify for WhoMay {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("hubd_ID_SECRET")
            .description(Some(
                "A token of the hub. Its scope is read, actuate or manage; each allows the ones before.",
            ))
            .build();
        let cookie = ApiKeyValue::with_description(
            "__Host-hubd",
            "The session of a person who signed in with `POST /session`; without TLS its name is `hubd`.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                operation.security = Some(who_may(needed(&method, Some(path))));
            }
        }
    }
}

/// The document as the code has it, ended by a line break. Only the test that compares asks for it: the daemon has the
/// committed one, and carries nothing that makes another.
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
    responses(
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
