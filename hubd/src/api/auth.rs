//! Who may do what: every request passes this gate. Only what [`needed`] calls open passes it without a token or session.
//!
//! Promise: what is not known is refused. What a request needs follows from its method and path before any handler runs;
//! a path that nobody thought of needs the largest right to change anything. This file is the only place that knows
//! what a scope of a token and a role of a person allow; the OpenAPI document is written from it.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use hubd_model::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::connection::Peer;
use super::console::AtConsole;
use super::cookie;
use super::problem::Problem;
pub(super) use super::refusals::{Gate, Refused};
use crate::accounts::is_confirmed;
use crate::store::{AccountRow, SessionRow, StoreError};
use crate::token::{self, Scope};

/// What somebody may do. Scopes and roles are sets of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Right {
    /// See doors, detectors and radios as they are now.
    See,
    /// See what happened, who may open what, and everything else that is no secret.
    History,
    /// Move bolts, call for help, and confirm an alarm.
    Actuate,
    /// Speak for everybody at home: whether anybody is, that a release is called off, that an emergency is over.
    Household,
    /// Everything else.
    Manage,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it tells nothing of the house, or is the way in.
    Open,
    /// A person's session, whatever its role, also one that still has to enrol its second factor.
    Person,
    /// An owner's session: no machine makes or removes people.
    Owner,
    /// This right.
    Right(Right),
}

/// Every role, the largest first.
pub(super) const ROLES: [Role; 4] = [Role::Owner, Role::Resident, Role::Guest, Role::Responder];

/// Every right.
const ALL: &[Right] = &[
    Right::See,
    Right::History,
    Right::Actuate,
    Right::Household,
    Right::Manage,
];

/// What a role allows.
pub(super) const fn role_rights(role: Role) -> &'static [Right] {
    match role {
        Role::Owner => ALL,
        Role::Resident => &[Right::See, Right::History, Right::Actuate, Right::Household],
        Role::Guest => &[Right::See, Right::Actuate],
        Role::Responder => &[Right::See],
    }
}

/// What a token's scope allows.
pub(super) const fn scope_rights(scope: Scope) -> &'static [Right] {
    match scope {
        Scope::Read => &[Right::See, Right::History],
        Scope::Actuate => &[Right::See, Right::History, Right::Actuate, Right::Household],
        Scope::Manage => ALL,
    }
}

impl Need {
    /// Whether a token with this scope has it.
    pub(super) fn is_met_by_scope(self, scope: Scope) -> bool {
        match self {
            Self::Open => true,
            Self::Person | Self::Owner => false,
            Self::Right(right) => scope_rights(scope).contains(&right),
        }
    }

    /// Whether a person with this role has it.
    pub(super) fn is_met_by_role(self, role: Role) -> bool {
        match self {
            Self::Open | Self::Person => true,
            Self::Owner => role == Role::Owner,
            Self::Right(right) => role_rights(role).contains(&right),
        }
    }
}

/// What a request needs.
pub(super) fn needed(method: &Method, path: Option<&str>) -> Need {
    let Some(path) = path.and_then(|path| path.strip_prefix("/api/v1")) else {
        // Nothing that could be done at unknown paths: somebody known has to ask to learn even that.
        return Need::Right(Right::See);
    };
    match (method.as_str(), path) {
        ("GET" | "HEAD", "/health" | "/setup" | "/session")
        | (
            "POST",
            "/setup"
            | "/invitation"
            | "/session"
            | "/session/second-factor"
            | "/session/second-factor/passkey",
        )
        | ("DELETE", "/session") => Need::Open,
        (_, path)
            if path == "/session/confirmation"
                || path == "/session/confirmation/passkey"
                || path == "/account"
                || path.starts_with("/account/") =>
        {
            Need::Person
        }
        ("GET" | "HEAD" | "DELETE", "/sessions") | ("DELETE", "/sessions/{id}") => Need::Person,
        // Whoever has a recovery key and a backup reads everything.
        ("POST", "/accounts" | "/accounts/{id}/invitation" | "/recovery-keys")
        | ("PATCH" | "DELETE", "/accounts/{id}")
        | ("PUT", "/security")
        | ("DELETE", "/recovery-keys/{recipient}") => Need::Owner,
        // Who may make tokens and accounts may see who has one; nobody else. The emergency sheet says where the key box
        // is and who lives here. A backup is everything.
        (
            "GET" | "HEAD",
            "/tokens"
            | "/accounts"
            | "/backups"
            | "/backups/{name}"
            | "/recovery-keys"
            | "/life-safety/sheet"
            | "/life-safety/sheet.pdf",
        ) => Need::Right(Right::Manage),
        (
            "GET" | "HEAD",
            "/locks" | "/locks/{id}" | "/alarms" | "/alarms/{id}" | "/radios" | "/radios/{name}"
            | "/commands/{id}" | "/life-safety/state" | "/events/stream" | "/openapi.json",
        ) => Need::Right(Right::See),
        ("GET" | "HEAD", _) => Need::Right(Right::History),
        // Who may open a door may call for help and confirm an alarm; who lives here may call a release off, too, and end
        // an emergency.
        (
            "POST",
            "/locks/{id}/commands"
            | "/locks/{id}/refresh"
            | "/life-safety/incidents"
            | "/life-safety/incidents/{id}/release",
        ) => Need::Right(Right::Actuate),
        ("POST", "/life-safety/incidents/{id}/cancel" | "/life-safety/incidents/{id}/close")
        | ("PUT", "/life-safety/occupancy") => Need::Right(Right::Household),
        _ => Need::Right(Right::Manage),
    }
}

/// Whether a person has to have proved who they are a short while ago: for what opens doors later or shows secrets.
fn needs_confirmation(method: &Method, path: &str) -> bool {
    let Some(path) = path.strip_prefix("/api/v1") else {
        return false;
    };
    match (method.as_str(), path) {
        ("GET" | "HEAD", path) => path.ends_with("/reveal") || path == "/backups/{name}",
        // The one asks for the password itself, the last ones for what a confirmed person began; coming and going changes
        // nothing of the policy.
        (_, "/account/password" | "/life-safety/occupancy")
        | ("PUT", "/account/totp" | "/account/passkeys") => false,
        ("PUT" | "PATCH", path) if path.starts_with("/life-safety") => true,
        // Its PINs are shown to whoever reads the paper.
        ("POST", "/life-safety/sheet.pdf") => true,
        (_, path) => {
            path.ends_with("/reveal")
                || path.ends_with("/memory/restore")
                || [
                    "/account/",
                    "/accounts",
                    "/tokens",
                    "/backup",
                    "/recovery-keys",
                    "/security",
                ]
                .iter()
                .any(|first| path.starts_with(first))
        }
    }
}

/// Who sends this request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The token's id, or the account's.
    pub(super) id: String,
    /// The token's name, or the account's.
    pub(super) name: String,
    /// By what they are known.
    pub(super) known_by: KnownBy,
}

/// By what a caller is known.
#[derive(Debug, Clone)]
pub(super) enum KnownBy {
    /// A machine's token with this scope.
    Token(Scope),
    /// A person's session.
    Session(Box<Person>),
    /// The command line on this machine, by whoever may read and change the data folder.
    Console,
}

/// A person who signed in.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// Their session.
    pub(super) session: SessionRow,
    /// Their account.
    pub(super) account: AccountRow,
}

impl Person {
    /// Whether a second factor has to be enrolled before anything else.
    pub(super) fn has_to_enrol(&self) -> bool {
        has_to_enrol(&self.account)
    }
}

/// Whether a second factor has to be enrolled before anything else.
pub(super) fn has_to_enrol(account: &AccountRow) -> bool {
    account.role == Role::Owner && !account.has_second_factor()
}

impl Caller {
    /// The person, when it is one.
    ///
    /// # Errors
    /// When it is a machine. The gate lets none through where a person is needed.
    pub(super) fn person(&self) -> Result<&Person, Problem> {
        match &self.known_by {
            KnownBy::Session(person) => Ok(person),
            KnownBy::Token(_) | KnownBy::Console => Err(person_needed()),
        }
    }

    /// Whether it has this right.
    pub(super) fn may(&self, right: Right) -> bool {
        match &self.known_by {
            KnownBy::Token(scope) => scope_rights(*scope).contains(&right),
            KnownBy::Session(person) => role_rights(person.account.role).contains(&right),
            KnownBy::Console => scope_rights(Scope::Manage).contains(&right),
        }
    }

    /// Passes when the caller is a machine, or a person who proved a short while ago who they are.
    ///
    /// # Errors
    /// The problem by which a client asks the person again.
    pub(super) fn require_confirmed(&self, api: &Api) -> Result<(), Problem> {
        match &self.known_by {
            KnownBy::Token(_) | KnownBy::Console => Ok(()),
            KnownBy::Session(person) if is_confirmed(&person.session, api.now()) => Ok(()),
            KnownBy::Session(_) => {
                let detail = "prove again that it is you: POST /api/v1/session/confirmation with a code of your second \
                              factor, a passkey, or your password when you have neither; it holds for five minutes";
                Err(Problem::new(StatusCode::FORBIDDEN, "confirmation_needed", detail))
            }
        }
    }

    /// Whether its token or session still holds. When they cannot be read, nobody is cut off for that.
    pub(super) fn still_holds(&self, api: &Api) -> bool {
        match &self.known_by {
            KnownBy::Token(_) => api
                .store()
                .tokens()
                .is_ok_and(|known| known.iter().any(|token| token.id == self.id)),
            KnownBy::Session(person) => api
                .store()
                .sessions()
                .is_ok_and(|known| known.iter().any(|session| session.id == person.session.id)),
            KnownBy::Console => true,
        }
    }
}

fn person_needed() -> Problem {
    let detail =
        "this belongs to a person: sign in with POST /api/v1/session; a machine's token is not enough";
    Problem::new(StatusCode::FORBIDDEN, "person_needed", detail)
}

/// The gate.
pub(super) async fn gate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let need = needed(request.method(), path.as_deref());
    let bearer = bearer(request.headers());
    // A page of another site can send what a browser adds by itself, a cookie; never a token.
    if bearer.is_none() && !request.method().is_safe() && is_foreign(request.headers()) {
        return refuse(&api, &request, Refused::Foreign, need).into_response();
    }
    if need == Need::Open {
        return next.run(request).await;
    }
    let at_console = request.extensions().get::<AtConsole>().is_some();
    let caller = match (bearer, cookie::of(&api, request.headers())) {
        _ if at_console => Ok(Ok(console())),
        (Some(text), _) => by_token(&api, text),
        (None, Some(text)) => by_session(&api, text),
        (None, None) => Ok(Err(Refused::Missing)),
    };
    let caller = match caller {
        Ok(Ok(caller)) => caller,
        Ok(Err(refused)) => return refuse(&api, &request, refused, need).into_response(),
        Err(error) => return Problem::store(&error).into_response(),
    };
    let may = match &caller.known_by {
        KnownBy::Token(scope) => need.is_met_by_scope(*scope),
        KnownBy::Session(person) => need.is_met_by_role(person.account.role),
        // As a machine with the largest scope: people and their accounts have commands of their own.
        KnownBy::Console => need.is_met_by_scope(Scope::Manage),
    };
    if !may {
        return refuse(&api, &request, Refused::TooSmall, need).into_response();
    }
    if let KnownBy::Session(person) = &caller.known_by {
        if person.has_to_enrol() && need != Need::Person {
            let detail = "an owner needs a second factor before anything else: POST /api/v1/account/totp, or \
                          POST /api/v1/account/passkeys";
            return Problem::new(StatusCode::FORBIDDEN, "second_factor_needed", detail).into_response();
        }
        let confirmed = path
            .as_deref()
            .filter(|path| needs_confirmation(request.method(), path))
            .map_or(Ok(()), |_| caller.require_confirmed(&api));
        if let Err(problem) = confirmed {
            return problem.into_response();
        }
    }
    if let Some(peer) = request.extensions().get::<Peer>() {
        peer.is_trusted();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The command line as a caller.
fn console() -> Caller {
    Caller {
        id: "console".to_owned(),
        name: "the command line".to_owned(),
        known_by: KnownBy::Console,
    }
}

/// The caller with this token. The store finds it by the SHA-256 of its text: how long that takes tells nothing of
/// the text, as nobody can choose the hash of a guess.
fn by_token(api: &Api, text: &str) -> Result<Result<Caller, Refused>, StoreError> {
    if token::id_of(text).is_none() {
        return Ok(Err(Refused::Wrong));
    }
    let Some(known) = api.store().token_by_hash(&token::hash(text), api.now())? else {
        return Ok(Err(Refused::Wrong));
    };
    let Some(scope) = Scope::parse(&known.scope) else {
        tracing::warn!(token = %known.id, "a token has a scope that is not known here; it allows nothing");
        return Ok(Err(Refused::Wrong));
    };
    Ok(Ok(Caller {
        id: known.id,
        name: known.name,
        known_by: KnownBy::Token(scope),
    }))
}

/// The caller whose session's token this is.
pub(super) fn by_session(api: &Api, text: &str) -> Result<Result<Caller, Refused>, StoreError> {
    let Some((session, account)) = api.accounts().session(text, api.now())? else {
        return Ok(Err(Refused::Ended));
    };
    Ok(Ok(Caller {
        id: account.id.clone(),
        name: account.name.clone(),
        known_by: KnownBy::Session(Box::new(Person { session, account })),
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    // Whoever shows something here means a token; a cookie does not step in for a wrong one.
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, text) = value.split_once(' ').unwrap_or_default();
    Some(if scheme.eq_ignore_ascii_case("bearer") {
        text.trim()
    } else {
        ""
    })
}

/// Whether a browser says that another site's page sends this. Browsers always say one of the two with a request
/// that changes something; who says neither is no browser, and has no cookie that it did not ask for.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else {
        return false;
    };
    let origin = origin.split_once("://").map_or("", |(_, host)| host);
    origin.is_empty() || !text("host").is_some_and(|host| host.eq_ignore_ascii_case(origin))
}

fn refuse(api: &Api, request: &Request, refused: Refused, need: Need) -> Problem {
    let address = address(api, request);
    let (wait, records) = api.gate().note(refused, address);
    if records {
        let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        let what = match refused {
            Refused::Missing => "without a token or session",
            Refused::Wrong => "with a wrong token",
            Refused::Ended => "with a session that has ended",
            Refused::TooSmall => "from somebody who may not do what it asked for",
            Refused::Foreign => "from a page of another site",
            Refused::SignIn => "to sign in that was wrong",
        };
        let reason = format!("a request {what} came from {from}");
        tracing::warn!(%reason, "refused");
        api.record(Event::SessionRefused { reason });
    }
    if let Some(seconds) = wait {
        let detail = "too many requests without a valid token came from this address; wait a minute";
        // Not on this connection again: a flood that is sent in one go is answered once.
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail)
            .retry_after(seconds)
            .closing();
    }
    match refused {
        Refused::Missing | Refused::Wrong => {
            let detail = "sign in with POST /api/v1/session, or send a token: `Authorization: Bearer hubd_…`; make one \
                          with `hubd token create`";
            Problem::new(StatusCode::UNAUTHORIZED, "no_valid_token", detail)
        }
        Refused::Ended | Refused::SignIn => {
            let detail = "this session has ended, or its sign-in is not finished; sign in again";
            Problem::new(StatusCode::UNAUTHORIZED, "session_ended", detail)
        }
        Refused::TooSmall => too_small(request, need),
        Refused::Foreign => {
            let detail = "this came from a page of another site; open the hub's own page";
            Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail)
        }
    }
}

fn too_small(request: &Request, need: Need) -> Problem {
    let at_console = request.extensions().get::<AtConsole>().is_some();
    if bearer(request.headers()).is_none() && !at_console {
        let roles: Vec<&str> = ROLES
            .into_iter()
            .filter(|role| need.is_met_by_role(*role))
            .map(Role::as_str)
            .collect();
        let detail = format!("your role may not do this; who may: {}", roles.join(", "));
        return Problem::new(StatusCode::FORBIDDEN, "role_too_small", detail);
    }
    match Scope::ALL.into_iter().find(|scope| need.is_met_by_scope(*scope)) {
        Some(scope) => {
            let detail = format!("this needs a token with the scope {}", scope.as_str());
            Problem::new(StatusCode::FORBIDDEN, "scope_too_small", detail)
        }
        None => person_needed(),
    }
}

/// Whom to count a failure against. A proxy tells the client's address as the last one that it added.
pub(super) fn address(api: &Api, request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>().map(Peer::address)?;
    Some(client(api, peer, request.headers()))
}

/// The client's address behind this peer.
pub(super) fn client(api: &Api, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !api.limits().behind_proxy {
        return peer;
    }
    let told = headers.get_all("x-forwarded-for").iter().next_back();
    let told = told
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.rsplit(',').next());
    told.and_then(|text| text.trim().parse().ok()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_thought_of_needs_the_largest_right() {
        let right = Need::Right;
        let cases: &[(&str, Option<&str>, Need)] = &[
            ("GET", Some("/api/v1/health"), Need::Open),
            ("HEAD", Some("/api/v1/health"), Need::Open),
            ("POST", Some("/api/v1/health"), right(Right::Manage)),
            ("POST", Some("/api/v1/session"), Need::Open),
            ("PUT", Some("/api/v1/session"), right(Right::Manage)),
            ("POST", Some("/api/v1/account/totp"), Need::Person),
            ("DELETE", Some("/api/v1/account/passkeys/{id}"), Need::Person),
            ("POST", Some("/api/v1/session/second-factor/passkey"), Need::Open),
            ("POST", Some("/api/v1/session/confirmation/passkey"), Need::Person),
            ("GET", Some("/api/v1/locks"), right(Right::See)),
            ("GET", Some("/api/v1/events"), right(Right::History)),
            ("GET", Some("/api/v1/anything"), right(Right::History)),
            ("GET", Some("/api/v1/tokens"), right(Right::Manage)),
            ("GET", None, right(Right::See)),
            ("POST", None, right(Right::See)),
            ("POST", Some("/api/v1/locks/{id}/commands"), right(Right::Actuate)),
            ("DELETE", Some("/api/v1/locks/{id}"), right(Right::Manage)),
            ("POST", Some("/api/v1/accounts"), Need::Owner),
            ("PUT", Some("/api/v1/security"), Need::Owner),
            ("GET", Some("/api/v1/recovery-keys"), right(Right::Manage)),
            ("POST", Some("/api/v1/recovery-keys"), Need::Owner),
            ("DELETE", Some("/api/v1/recovery-keys/{recipient}"), Need::Owner),
            (
                "PUT",
                Some("/api/v1/life-safety/occupancy"),
                right(Right::Household),
            ),
            ("BREW", Some("/api/v1/anything"), right(Right::Manage)),
        ];
        for (method, path, need) in cases {
            assert_eq!(
                needed(&method.parse().unwrap(), *path),
                *need,
                "{method} {path:?}"
            );
        }
    }

    #[test]
    fn a_larger_role_or_scope_allows_what_the_smaller_ones_allow() {
        for pair in ROLES.windows(2) {
            let [large, small] = pair else { panic!() };
            let large = role_rights(*large);
            assert!(role_rights(*small).iter().all(|right| large.contains(right)));
        }
        for pair in Scope::ALL.windows(2) {
            let [small, large] = pair else { panic!() };
            let large = scope_rights(*large);
            assert!(scope_rights(*small).iter().all(|right| large.contains(right)));
        }
    }

    #[test]
    fn a_browser_tells_where_a_request_comes_from() {
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("host", "hub:8480"), ("origin", "https://hub:8480")], false),
            (&[("host", "hub:8480"), ("origin", "https://HUB:8480")], false),
            (&[("host", "hub:8480"), ("origin", "https://hub")], true),
            (&[("host", "hub:8480"), ("origin", "https://evil.example")], true),
            (&[("host", "hub:8480"), ("origin", "null")], true),
            (&[("origin", "https://hub:8480")], true),
            (&[("host", ""), ("origin", "null")], true),
        ];
        for (headers, foreign) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_foreign(&map), *foreign, "{headers:?}");
        }
    }

    #[test]
    fn what_opens_doors_later_or_shows_secrets_needs_confirmation() {
        let cases = [
            ("POST", "/api/v1/credentials/{id}/reveal", true),
            ("PUT", "/api/v1/life-safety", true),
            ("POST", "/api/v1/tokens", true),
            ("POST", "/api/v1/account/totp", true),
            ("POST", "/api/v1/account/passkeys", true),
            ("PUT", "/api/v1/account/passkeys", false),
            ("DELETE", "/api/v1/account/passkeys/{id}", true),
            ("GET", "/api/v1/account/passkeys", false),
            ("POST", "/api/v1/session/confirmation/passkey", false),
            ("PATCH", "/api/v1/accounts/{id}", true),
            ("GET", "/api/v1/accounts", false),
            ("GET", "/api/v1/recovery-keys", false),
            ("POST", "/api/v1/recovery-keys", true),
            ("DELETE", "/api/v1/recovery-keys/{recipient}", true),
            ("POST", "/api/v1/locks/{id}/commands", false),
            ("POST", "/api/v1/life-safety/drills", false),
        ];
        for (method, path, needs) in cases {
            assert_eq!(
                needs_confirmation(&method.parse().unwrap(), path),
                needs,
                "{method} {path}"
            );
        }
    }
}
