//! Messages over HTTP: ntfy topics and webhooks. One request, one connection.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use hubd_model::SecretString;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;
use super::message::Message;
use crate::config::Level;

/// Publishes to a topic of an ntfy server, as JSON, which takes any letters.
///
/// Spec: ntfy documentation, "Publish as JSON".
pub(super) async fn ntfy(
    trust: &Arc<ClientConfig>,
    url: &Uri,
    token: Option<&SecretString>,
    message: &Message,
) -> Result<(), Failure> {
    let path = url.path().trim_end_matches('/');
    let (base, topic) = path.rsplit_once('/').unwrap_or(("", path));
    let priority = match message.level {
        Level::Info => 3,
        Level::Warning => 4,
        Level::Urgent => 5,
    };
    let body =
        json!({ "topic": topic, "title": message.title, "message": message.text, "priority": priority });
    post(trust, url, &format!("{base}/"), token, &body).await
}

/// Sends the message with the whole event to a URL.
pub(super) async fn webhook(
    trust: &Arc<ClientConfig>,
    url: &Uri,
    token: Option<&SecretString>,
    message: &Message,
) -> Result<(), Failure> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    post(trust, url, path, token, &message.to_json()).await
}

async fn post(
    trust: &Arc<ClientConfig>,
    url: &Uri,
    path: &str,
    token: Option<&SecretString>,
    body: &Value,
) -> Result<(), Failure> {
    let never = |what: &str| Failure::Never(what.to_owned());
    let host = url.host().ok_or_else(|| never("the URL names no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let secure = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let authority = url.authority().map_or(host, |authority| authority.as_str());
    // What stands before an @ is a secret, and no part of a host.
    let authority = authority.rsplit('@').next().unwrap_or(host);
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| never("the token holds characters that a header cannot"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request
        .body(Body::from(body.to_string()))
        .map_err(|_| never("the URL's path cannot be sent"))?;
    let later = |error: std::io::Error| Failure::Later(format!("{bare}:{port} does not answer ({error})"));
    let stream = TcpStream::connect((bare, port)).await.map_err(later)?;
    if !secure {
        return exchange(stream, request).await;
    }
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| never("the URL's host is no name"))?;
    let stream = TlsConnector::from(Arc::clone(trust))
        .connect(name, stream)
        .await
        .map_err(later)?;
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, request: Request<Body>) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let later = |error: hyper::Error| Failure::Later(format!("the connection broke ({error})"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(later)?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    driver.abort();
    let status = answer.map_err(later)?.status();
    let what = format!("the server answered {status}");
    if status.is_success() {
        Ok(())
    } else if status.is_client_error()
        && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
    {
        Err(Failure::Never(what))
    } else {
        Err(Failure::Later(what))
    }
}
