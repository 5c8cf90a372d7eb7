//! Reads what a client sends - ids in the path, parameters, JSON bodies - and answers faults as problems.

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hubd_model::{ParseIdError, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::Problem;
use super::strict::Strict;

/// The largest body that is read.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to send a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// An id in the path. One that cannot be an id is answered as one that does not exist.
pub(super) struct Id<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Id<T>
where
    S: Send + Sync,
    T: TryFrom<String, Error = ParseIdError>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::new(StatusCode::NOT_FOUND, "no_such_id", "the path holds no valid id");
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| nothing())?;
        Ok(Self(T::try_from(text).map_err(|_| nothing())?))
    }
}

/// The parameters of the query, taken one by one; what is left over is an error.
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad_request("bad_parameter", "the query is not well formed"))?;
        Ok(Self(pairs))
    }
}

impl Params {
    /// Takes a parameter's text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(index) = self.0.iter().position(|(key, _)| key == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(index);
        if self.0.iter().any(|(key, _)| key == name) {
            let detail = format!("the parameter {name} is there twice; give it once");
            return Err(Problem::bad_request("bad_parameter", detail));
        }
        Ok(Some(value))
    }

    /// Takes a parameter; `allowed` says what it may be.
    pub(super) fn parse<T>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.text(name)?
            .map(|text| parse(&text).ok_or_else(|| bad_parameter(name, allowed)))
            .transpose()
    }

    /// Takes a number.
    pub(super) fn number<T: FromStr + PartialOrd>(
        &mut self,
        name: &str,
        allowed: &str,
        range: std::ops::RangeInclusive<T>,
    ) -> Result<Option<T>, Problem> {
        self.parse(name, allowed, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    /// Ends the reading: a parameter that was not taken is unknown.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
                let detail = format!("this path does not know the parameter {name}");
                Err(Problem::bad_request("unknown_parameter", detail))
            }
        }
    }
}

/// A parameter that is not what it may be.
pub(super) fn bad_parameter(name: &str, allowed: &str) -> Problem {
    Problem::bad_request("bad_parameter", format!("the parameter {name} is not {allowed}"))
}

/// A JSON body. Unknown fields, wrong types and missing fields are named; values are never repeated.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "the body has to be JSON, with the header Content-Type: application/json";
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                detail,
            ));
        }
        parse(&read(body).await?).map(Self)
    }
}

/// A JSON body that may be missing, which means its default.
pub(super) struct OptionalJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() || bytes.trim_ascii() == b"null" {
            return Ok(Self(T::default()));
        }
        if !is_json(&parts.headers) {
            let detail = "the body has to be JSON, with the header Content-Type: application/json";
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                detail,
            ));
        }
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let read = axum::body::to_bytes(body, BODY_BYTES_MAX);
    let too_slow = || {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the body did not arrive within 10 seconds",
        )
    };
    tokio::time::timeout(BODY_TIME_MAX, read)
        .await
        .map_err(|_| too_slow())?
        .map_err(|error| {
            let too_large =
                std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("limit"));
            if too_large {
                let detail = "a body has at most 65,536 bytes";
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            } else {
                Problem::bad_request("body_cut", "the body ended before it was complete")
            }
        })
}

/// First as JSON, then as what it should be: only then are all faults of the second kind told by their field.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::bad_request(
            "bad_json",
            format!("the body is not valid JSON at line {line}, column {column}"),
        )
    })?;
    if !json.is_object() {
        return Err(Problem::bad_request("bad_field", "expected a JSON object"));
    }
    serde_path_to_error::deserialize(Strict(json))
        .map_err(|error| fault(&error.path().to_string(), error.inner()))
}

/// Says what is wrong without repeating what was sent: serde's own words quote the value.
fn fault(path: &str, error: &serde_json::Error) -> Problem {
    let words = error.to_string();
    let place = if path == "." {
        String::new()
    } else {
        format!("{path}: ")
    };
    if let Some(name) = words.strip_prefix("missing field ").and_then(quoted) {
        return Problem::bad_request("missing_field", format!("{place}the field {name} is missing"));
    }
    if let Some(name) = words.strip_prefix("unknown field ").and_then(quoted) {
        let known = expected(&words).map_or_else(String::new, |known| format!("; expected {known}"));
        return Problem::bad_request("unknown_field", format!("unknown field {name}{known}"));
    }
    let known = match expected(&words) {
        // What a type is called in here means nothing to who reads it.
        Some(known) if known.starts_with("struct ") || known.starts_with("internally tagged ") => {
            "a JSON object"
        }
        Some(known) => known,
        None => "another value",
    };
    Problem::bad_request("bad_field", format!("{place}expected {known}"))
}

fn quoted(words: &str) -> Option<String> {
    let name = words.strip_prefix('`')?.split('`').next()?;
    Some(name.chars().filter(|c| !c.is_control()).take(64).collect())
}

/// The fixed part of serde's sentence, after the value.
fn expected(words: &str) -> Option<&str> {
    let (_, known) = words.rsplit_once(", expected ")?;
    Some(known)
}

/// A secret text in a request body.
#[derive(Debug)]
pub(super) struct SecretField(pub(super) SecretString);

impl<'de> Deserialize<'de> for SecretField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::new(text)))
    }
}

/// Answers with a JSON body.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = (status, body).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            let detail = "the hub could not write its answer; see its log";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        pin: String,
        #[allow(dead_code)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code)]
        count: u8,
    }

    #[test]
    fn a_wrong_body_is_told_by_field_and_never_by_value() {
        let cases: &[(&str, &str)] = &[
            ("", "not valid JSON at line 1"),
            ("{\"pin\": \"4711\"", "not valid JSON"),
            ("{\"pin\": \"4711\"} x", "not valid JSON at line 1, column 17"),
            ("{\"pin\": 4711}", "pin: expected a string"),
            ("{}", "the field pin is missing"),
            ("[\"a\", null]", "expected a JSON object"),
            (
                "{\"pin\": \"a\", \"inner\": [7]}",
                "inner: expected a JSON object",
            ),
            ("{\"pin\": \"a\", \"pan\": \"4711\"}", "unknown field pan"),
            (
                "{\"pin\": \"a\", \"inner\": {\"count\": \"4711, expected 4711\"}}",
                "inner.count: expected u8",
            ),
            (
                "{\"pin\": \"a\", \"inner\": {\"count\": 4711}}",
                "inner.count: expected u8",
            ),
            (
                "{\"pin\": \"a\", \"inner\": 4711}",
                "inner: expected a JSON object",
            ),
            ("[4711]", "expected"),
        ];
        for (body, words) in cases {
            let problem = parse::<Sample>(body.as_bytes()).expect_err(body);
            let text = serde_json::to_string(&problem).unwrap();
            assert!(text.contains(words), "{body}: {text}");
            assert!(!text.contains("4711"), "{body}: {text}");
        }
    }
}
