//! How commands reach the hub that runs on this machine: its API, on the socket in the data folder.
//!
//! What is asked there passes the same checks as over the network, and the answer comes when it is on disk.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::{Fault, Place};
use crate::api::console;
use crate::config::Config;
use crate::store::shape::hex;

/// The largest answer that is read: every slot of twenty locks fits many times.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long the hub may take to answer. Its own requests end sooner.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// A PIN typed in or piped is not longer.
const PIN_BYTES_MAX: u64 = 64;

/// The hub that runs on this machine.
pub(super) struct Console {
    dir: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Console {
    /// The hub whose configuration is at this place. Nothing is asked yet.
    pub(super) fn at(place: &Place) -> Result<Self, Fault> {
        Self::new(&place.load()?)
    }

    /// The hub of this configuration. Nothing is asked yet.
    pub(super) fn new(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            dir: config.data_dir.clone(),
            runtime: crate::threads::runtime()?,
        })
    }

    /// Whether a hub answers there.
    pub(super) fn answers(&self) -> bool {
        self.runtime.block_on(connect(&self.dir)).is_ok()
    }

    /// Lets some time pass.
    pub(super) fn pause(&self, span: Duration) {
        // The timer belongs to the runtime, so it is made within it.
        self.runtime.block_on(async { tokio::time::sleep(span).await });
    }

    /// Reads something.
    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask(Method::GET, path, None)
    }

    /// Asks for something and answers with what the hub says; `null` when it says nothing.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let answered = self.runtime.block_on(async {
            tokio::time::timeout(ANSWER_TIME, exchange(&self.dir, method, path, body)).await
        });
        let (status, bytes) = answered.map_err(|_| {
            format!(
                "the hub did not answer within {} s; look at its log",
                ANSWER_TIME.as_secs()
            )
        })??;
        let answer: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .map_err(|error| format!("the hub's answer is no JSON ({error})"))?
        };
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.get("detail").and_then(Value::as_str);
        Err(detail
            .map_or_else(|| format!("the hub answered {status}"), ToOwned::to_owned)
            .into())
    }

    /// The id of the one thing at `path` with this id or name.
    pub(super) fn find(&self, path: &str, what: &str, wanted: &str) -> Result<String, Fault> {
        let all = self.get(path)?;
        let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |thing: &Value, key: &str| thing.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let with = |key: &str| -> Vec<String> {
            all.iter()
                .filter(|thing| text(thing, key).as_deref() == Some(wanted))
                .filter_map(|thing| text(thing, "id"))
                .collect()
        };
        if let Some(id) = with("id").pop() {
            return Ok(id);
        }
        let mut named = with("name");
        match (named.pop(), named.is_empty()) {
            (Some(id), true) => Ok(id),
            (Some(_), false) => {
                Err(format!("several {what}s are called {wanted:?}; name one by its id").into())
            }
            (None, _) => {
                let known: Vec<String> = all.iter().filter_map(|thing| text(thing, "name")).collect();
                let known = if known.is_empty() {
                    "there is none".to_owned()
                } else {
                    format!("there are: {}", known.join(", "))
                };
                Err(format!("there is no {what} {wanted:?}; {known}").into())
            }
        }
    }

    /// The person with this id or name.
    pub(super) fn person(&self, wanted: &str) -> Result<String, Fault> {
        self.find("/people", "person", wanted)
    }

    /// The lock with this id or name.
    pub(super) fn lock(&self, wanted: &str) -> Result<String, Fault> {
        self.find("/locks", "lock", wanted)
    }

    /// The locks with these ids or names.
    pub(super) fn locks(&self, wanted: &[String]) -> Result<Vec<String>, Fault> {
        wanted.iter().map(|lock| self.lock(lock)).collect()
    }
}

async fn connect(dir: &Path) -> Result<UnixStream, Fault> {
    let path = console::path(dir);
    UnixStream::connect(&path).await.map_err(|error| {
        let sentence = if error.kind() == io::ErrorKind::PermissionDenied {
            format!(
                "{} may only be used by the hub's own user and root, such as with `sudo -u hubd hubd …`",
                path.display()
            )
        } else {
            format!(
                "no hub runs on {} ({error}): people, codes and slots are kept by the hub that runs; start it with \
                 `systemctl start hubd`",
                dir.display()
            )
        };
        sentence.into()
    })
}

async fn exchange(
    dir: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Fault> {
    let stream = connect(dir).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let builder = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(HOST, "localhost");
    let request = match body {
        Some(body) => builder
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(body)?)),
        None => builder.body(Body::empty()),
    }?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            if bytes.len().saturating_add(data.len()) > ANSWER_BYTES_MAX {
                return Err("the hub's answer is larger than any should be; look at its log".into());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok((status, bytes))
}

/// A text as one part of a path.
pub(super) fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]));
        }
    }
    out
}

/// Goes on only when a person says so: by `--yes`, or by typing it.
pub(super) fn confirm(yes: bool, what: &str) -> Result<(), Fault> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(format!("{what}. If that is meant, say --yes").into());
    }
    write!(io::stderr(), "{what}. Type yes to go on: ")?;
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().take(PIN_BYTES_MAX).read_line(&mut line)?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err("nothing was changed".into())
    }
}

/// The PIN on standard input: never an argument, which every user of the machine could see.
pub(super) fn read_pin(input: impl Read) -> Result<Zeroizing<String>, Fault> {
    let mut text = Zeroizing::new(String::new());
    input.take(PIN_BYTES_MAX).read_to_string(&mut text)?;
    let pin = Zeroizing::new(text.trim().to_owned());
    if pin.is_empty() {
        return Err("there is no PIN on standard input".into());
    }
    Ok(pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_leads_nowhere_else() {
        assert_eq!(part("cred-12_a.b~"), "cred-12_a.b~");
        assert_eq!(part("../a?b#c/d é"), "..%2fa%3fb%23c%2fd%20%c3%a9");
    }

    #[test]
    fn a_pin_is_read_without_its_line_end() {
        assert_eq!(*read_pin(&b"004711\r\n"[..]).unwrap(), "004711");
        assert!(read_pin(&b" \n"[..]).is_err());
    }
}
