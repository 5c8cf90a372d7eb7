//! The web interface: the files that `hubd-web` carries, at `/`.
//!
//! Promise: it is a client of the API like any other and these files hold nothing of the house, so they need no sign-in.
//! Nothing but these files is served, and what they may do is written in the headers: load scripts and styles from
//! here alone, run nothing that stands in a page, and be shown in nobody else's frame.

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hubd_web::{FILES, File};

use super::Api;

/// No inline script or style, nothing from elsewhere, and HTML is made by the framework's own templates only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
    manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html hubd-worker";
/// The camera reads a lock's QR code; nothing else is used.
const PERMISSIONS: &str = "camera=(self), geolocation=(), microphone=(), payment=(), usb=()";
/// A name that follows from the content never means anything else.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Ask each time; the tag makes the answer short.
const ASK: &str = "no-cache";

/// A route for each file. It stands beside the gate, not behind it.
pub(super) fn router() -> Router<Api> {
    FILES.iter().fold(Router::new(), |router, file| {
        let path = if file.name == "index.html" {
            "/".to_owned()
        } else {
            format!("/{}", file.name)
        };
        router.route(&path, get(async move |headers: HeaderMap| answer(file, &headers)))
    })
}

fn answer(file: &'static File, request: &HeaderMap) -> Response {
    let known = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| [file.etag, "*"].contains(&tag.trim()));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match file.gzip.filter(|_| takes_gzip(request)) {
            Some(gzip) => ([(CONTENT_ENCODING, "gzip")], Body::from(gzip)).into_response(),
            None => Body::from(file.plain).into_response(),
        }
    };
    let cache = if file.is_immutable() { FOR_GOOD } else { ASK };
    let headers = [
        (CONTENT_TYPE, file.media_type()),
        (CACHE_CONTROL, cache),
        (ETAG, file.etag),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the client said that it takes gzip, and did not say that it takes none (`gzip;q=0`).
fn takes_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let gzip = parts
                .next()
                .is_some_and(|coding| coding.eq_ignore_ascii_case("gzip") || coding == "*");
            let refused = parts.any(|part| {
                part.strip_prefix("q=")
                    .and_then(|quality| quality.parse::<f32>().ok())
                    .is_some_and(|quality| quality <= 0.0)
            });
            gzip && !refused
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_given_to_those_who_take_it() {
        let cases = [
            (None, false),
            (Some("gzip"), true),
            (Some("br, GZIP;q=0.5"), true),
            (Some("*"), true),
            (Some("gzip;q=0, br"), false),
            (Some("br"), false),
            (Some("identity"), false),
        ];
        for (offer, takes) in cases {
            let mut headers = HeaderMap::new();
            if let Some(offer) = offer {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(offer));
            }
            assert_eq!(takes_gzip(&headers), takes, "{offer:?}");
        }
    }
}
