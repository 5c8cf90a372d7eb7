//! Who may do what: every request passes this gate, and only `GET /api/v1/health` passes it without a token.
//!
//! Promise: what is not known is refused. The scope that a request needs follows from its method and path before any
//! handler runs; a path that nobody thought of needs `manage` to change anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use tokio::time::Instant;

use super::Api;
use super::connection::Peer;
use super::problem::Problem;
use crate::store::StoreError;
use crate::token::{self, Scope};

/// More addresses than fail at once in a home; the one that failed longest ago is forgotten first.
const ADDRESSES_MAX: usize = 1024;
/// So many failures in a row are answered as such; further ones are only told to wait.
const FAILURES_MAX: u32 = 10;
/// Failures are forgotten when the address was quiet for so long.
const FAILURES_WINDOW: Duration = Duration::from_mins(1);
/// A refusal of one kind is recorded at most so often.
const RECORD_EVERY: Duration = Duration::from_mins(1);

/// Who sends this request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The token's id.
    pub(super) token: String,
    /// The token's name.
    pub(super) name: String,
    /// What it allows.
    pub(super) scope: Scope,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Missing,
    Wrong,
    TooSmall,
}

const REFUSALS: usize = 3;

/// The gate's memory of those whom it refused.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    by_address: HashMap<IpAddr, (u32, Instant)>,
    recorded: [Option<Instant>; REFUSALS],
}

impl Failures {
    /// Counts a failure; the seconds to wait when there were too many.
    fn count(&mut self, address: IpAddr, now: Instant) -> Option<u32> {
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&address) {
            self.by_address
                .retain(|_, (_, last)| now.duration_since(*last) < FAILURES_WINDOW);
            if self.by_address.len() >= ADDRESSES_MAX {
                let oldest = self
                    .by_address
                    .iter()
                    .min_by_key(|(_, (_, last))| *last)
                    .map(|(who, _)| *who);
                oldest.and_then(|who| self.by_address.remove(&who));
            }
        }
        let (count, last) = self.by_address.entry(address).or_insert((0, now));
        if now.duration_since(*last) >= FAILURES_WINDOW {
            *count = 0;
        }
        *last = now;
        *count = count.saturating_add(1);
        (*count > FAILURES_MAX).then_some(60)
    }

    /// Whether this refusal is to be recorded: at most one of its kind a minute.
    fn records(&mut self, refused: Refused, now: Instant) -> bool {
        let Some(last) = self.recorded.get_mut(refused as usize) else {
            return false;
        };
        if last.is_some_and(|last| now.duration_since(last) < RECORD_EVERY) {
            return false;
        }
        *last = Some(now);
        true
    }
}

/// What a request needs: `None` is nothing at all.
fn needed(method: &Method, path: Option<&str>) -> Option<Scope> {
    match (method.as_str(), path) {
        ("GET" | "HEAD", Some("/api/v1/health")) => None,
        // Who may make tokens may see who has one; nobody else.
        ("GET" | "HEAD", Some("/api/v1/tokens")) => Some(Scope::Manage),
        // Nothing that could be done at unknown paths: a token is needed to learn even that.
        ("GET" | "HEAD", _) | (_, None) => Some(Scope::Read),
        ("POST", Some("/api/v1/locks/{id}/commands" | "/api/v1/locks/{id}/refresh")) => Some(Scope::Actuate),
        _ => Some(Scope::Manage),
    }
}

/// The gate.
pub(super) async fn gate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(scope) = needed(request.method(), path) else {
        return next.run(request).await;
    };
    let caller = match bearer(request.headers()) {
        None => Err(Refused::Missing),
        Some(text) => match caller(&api, text) {
            Ok(caller) => caller.ok_or(Refused::Wrong),
            Err(error) => return Problem::store(&error).into_response(),
        },
    };
    let refused = match caller {
        Ok(caller) if caller.scope >= scope => {
            if let Some(peer) = request.extensions().get::<Peer>() {
                peer.is_trusted();
            }
            request.extensions_mut().insert(caller);
            return next.run(request).await;
        }
        Ok(_) => Refused::TooSmall,
        Err(refused) => refused,
    };
    refuse(&api, &request, refused, scope).into_response()
}

/// The caller with this token. The store finds it by the SHA-256 of its text: how long that takes tells nothing of
/// the text, as nobody can choose the hash of a guess.
fn caller(api: &Api, text: &str) -> Result<Option<Caller>, StoreError> {
    if token::id_of(text).is_none() {
        return Ok(None);
    }
    let Some(known) = api.store().token_by_hash(&token::hash(text), api.now())? else {
        return Ok(None);
    };
    let Some(scope) = Scope::parse(&known.scope) else {
        tracing::warn!(token = %known.id, "a token has a scope that is not known here; it allows nothing");
        return Ok(None);
    };
    Ok(Some(Caller {
        token: known.id,
        name: known.name,
        scope,
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, text) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

fn refuse(api: &Api, request: &Request, refused: Refused, scope: Scope) -> Problem {
    let address = address(api, request);
    let now = Instant::now();
    let (wait, records) = {
        let mut failures = api.gate().failures.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match refused {
            Refused::Missing | Refused::Wrong => address.and_then(|address| failures.count(address, now)),
            Refused::TooSmall => None,
        };
        (wait, failures.records(refused, now))
    };
    if records {
        let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        let reason = match refused {
            Refused::Missing => format!("a request without a token came from {from}"),
            Refused::Wrong => format!("a request with a wrong token came from {from}"),
            Refused::TooSmall => {
                format!(
                    "a request with a token of too small a scope came from {from}: it needed {}",
                    scope.as_str()
                )
            }
        };
        tracing::warn!(%reason, "refused");
        api.record(Event::SessionRefused { reason });
    }
    if let Some(seconds) = wait {
        let detail = "too many requests without a valid token came from this address; wait a minute";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail).retry_after(seconds);
    }
    match refused {
        Refused::Missing | Refused::Wrong => {
            let detail =
                "this needs a token: send `Authorization: Bearer hubd_…`; make one with `hubd token create`";
            Problem::new(StatusCode::UNAUTHORIZED, "no_valid_token", detail)
        }
        Refused::TooSmall => {
            let detail = format!("this needs a token with the scope {}", scope.as_str());
            Problem::new(StatusCode::FORBIDDEN, "scope_too_small", detail)
        }
    }
}

/// Whom to count a failure against. A proxy tells the client's address as the last one that it added.
fn address(api: &Api, request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>().map(Peer::address)?;
    if !api.limits().behind_proxy {
        return Some(peer);
    }
    let told = request.headers().get_all("x-forwarded-for").iter().next_back();
    let told = told
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.rsplit(',').next());
    Some(told.and_then(|text| text.trim().parse().ok()).unwrap_or(peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_thought_of_needs_the_largest_scope() {
        let cases: &[(&str, Option<&str>, Option<Scope>)] = &[
            ("GET", Some("/api/v1/health"), None),
            ("HEAD", Some("/api/v1/health"), None),
            ("POST", Some("/api/v1/health"), Some(Scope::Manage)),
            ("GET", Some("/api/v1/locks"), Some(Scope::Read)),
            ("GET", Some("/api/v1/tokens"), Some(Scope::Manage)),
            ("GET", None, Some(Scope::Read)),
            ("POST", Some("/api/v1/locks/{id}/commands"), Some(Scope::Actuate)),
            ("DELETE", Some("/api/v1/locks/{id}"), Some(Scope::Manage)),
            ("BREW", Some("/api/v1/anything"), Some(Scope::Manage)),
        ];
        for (method, path, scope) in cases {
            assert_eq!(
                needed(&method.parse().unwrap(), *path),
                *scope,
                "{method} {path:?}"
            );
        }
    }

    #[test]
    fn the_table_of_failures_is_bounded_and_forgets() {
        let mut failures = Failures::default();
        let mine = IpAddr::from([127, 0, 0, 1]);
        let start = Instant::now();
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.count(mine, start), None);
        }
        assert_eq!(failures.count(mine, start), Some(60));
        let later = start + FAILURES_WINDOW;
        assert_eq!(failures.count(mine, later), None);
        for number in 0..5000_u32 {
            failures.count(IpAddr::from(number.to_be_bytes()), later);
        }
        assert!(failures.by_address.len() <= ADDRESSES_MAX);
    }

    #[test]
    fn a_refusal_of_one_kind_is_recorded_once_a_minute() {
        let mut failures = Failures::default();
        let start = Instant::now();
        assert!(failures.records(Refused::Wrong, start));
        assert!(!failures.records(Refused::Wrong, start));
        assert!(failures.records(Refused::Missing, start));
        assert!(failures.records(Refused::Wrong, start + RECORD_EVERY));
    }
}
