//! The session's cookie: opaque, out of reach of scripts, and sent by this site's own pages alone.
//!
//! Promise: under TLS its name begins with `__Host-`, so that no other host, path or plain connection can set or
//! have it.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use hubd_model::SecretString;

use super::Api;

/// Longer than any cookie of ours.
const VALUE_BYTES_MAX: usize = 128;
/// How long a browser keeps it; the hub ends sessions by itself.
const MAX_AGE_S: u32 = 400 * 24 * 3600;

fn name(api: &Api) -> &'static str {
    if api.limits().secure {
        "__Host-hubd"
    } else {
        "hubd"
    }
}

/// The session's token that a request brings.
pub(super) fn of<'h>(api: &Api, headers: &'h HeaderMap) -> Option<&'h str> {
    let name = name(api);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && !value.is_empty() && value.len() <= VALUE_BYTES_MAX)
        .map(|(_, value)| value)
}

/// Gives the browser this session's token.
pub(super) fn set(api: &Api, response: &mut Response, token: &SecretString) {
    put(api, response, token.expose(), MAX_AGE_S);
}

/// Takes it away.
pub(super) fn clear(api: &Api, response: &mut Response) {
    put(api, response, "", 0);
}

fn put(api: &Api, response: &mut Response, value: &str, max_age_s: u32) {
    let secure = if api.limits().secure { "; Secure" } else { "" };
    let name = name(api);
    let text = format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    // Names and tokens are plain ASCII; should that ever change, nobody is signed in.
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
}
