//! The shortest HTTP client that can judge the API: one request per connection, JSON bodies, Server-Sent Events.
//!
//! Written on the standard library so that the benchmarks measure the hub and not a client.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clock::{Deadline, now_ms};

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Response {
    /// The body as JSON; `Null` when it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The body as JSON when the status is one of the 200s.
    ///
    /// # Errors
    /// With status and body otherwise.
    pub fn ok(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            Ok(self.json())
        } else {
            bail!("{}: {}", self.status, self.body)
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A client of one hub with one token.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
}

impl Client {
    /// A client; without a token only `/health` answers.
    pub fn new(port: u16, token: Option<String>) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            token,
        }
    }

    /// The same hub with another token, or none.
    #[must_use]
    pub fn with_token(&self, token: Option<String>) -> Self {
        Self {
            address: self.address,
            token,
        }
    }

    /// Sends one request and reads the whole answer. `path` is relative to `/api/v1`.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Response> {
        let body = body.map(Value::to_string);
        let mut reader = self.open(
            method,
            path,
            headers,
            body.as_deref(),
            Some(Duration::from_secs(90)),
        )?;
        let (status, headers) = read_head(&mut reader)?;
        let mut bytes = Vec::new();
        if is_chunked(&headers) {
            Chunked {
                inner: reader,
                left: 0,
                done: false,
            }
            .read_to_end(&mut bytes)?;
        } else {
            reader.read_to_end(&mut bytes)?;
        }
        Ok(Response {
            status,
            headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// GET, expecting success.
    ///
    /// # Errors
    /// When the connection or the request fails.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, &[], None)?
            .ok()
            .with_context(|| format!("GET {path}"))
    }

    /// POST with a JSON body, expecting success.
    ///
    /// # Errors
    /// When the connection or the request fails.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send("POST", path, &[], Some(body))?
            .ok()
            .with_context(|| format!("POST {path} {body}"))
    }

    /// Opens a connection that stays, for clients that ask often.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        Ok(Connection {
            reader: BufReader::new(stream),
            token: self.token.clone().unwrap_or_default(),
        })
    }

    /// Opens the live event stream after an entry; with `None` from now on.
    ///
    /// # Errors
    /// When the connection fails or the stream is refused.
    pub fn events(&self, after: Option<u64>) -> Result<Events> {
        let last = after.map(|seq| seq.to_string());
        let mut headers = vec![("accept", "text/event-stream")];
        if let Some(last) = &last {
            headers.push(("last-event-id", last));
        }
        let mut reader = self.open("GET", "/events/stream", &headers, None, None)?;
        let (status, head) = read_head(&mut reader)?;
        if status != 200 {
            bail!("the event stream was refused: {status}");
        }
        let socket = reader.get_ref().try_clone()?;
        let (sender, arrived) = channel();
        let body: Box<dyn Read + Send> = if is_chunked(&head) {
            Box::new(Chunked {
                inner: reader,
                left: 0,
                done: false,
            })
        } else {
            Box::new(reader)
        };
        thread::spawn(move || {
            let mut event = Event {
                id: None,
                data: Value::Null,
                at_ms: 0.0,
            };
            for line in BufReader::new(body).lines().map_while(Result::ok) {
                if let Some(id) = line.strip_prefix("id:") {
                    event.id = id.trim().parse().ok();
                } else if let Some(data) = line.strip_prefix("data:") {
                    event.at_ms = now_ms();
                    event.data = serde_json::from_str(data.trim()).unwrap_or(Value::Null);
                } else if line.is_empty() && !event.data.is_null() {
                    let ready = std::mem::replace(
                        &mut event,
                        Event {
                            id: None,
                            data: Value::Null,
                            at_ms: 0.0,
                        },
                    );
                    if sender.send(ready).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Events { arrived, socket })
    }

    fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(timeout)?;
        let mut head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.address
        );
        if let Some(token) = &self.token {
            write!(head, "authorization: Bearer {token}\r\n")?;
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        if let Some(body) = body {
            write!(
                head,
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            )?;
        }
        head.push_str("\r\n");
        head.push_str(body.unwrap_or_default());
        stream.write_all(head.as_bytes())?;
        Ok(BufReader::new(stream))
    }
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
    token: String,
}

impl Connection {
    /// POST with a JSON body, expecting success.
    ///
    /// # Errors
    /// When the connection or the request fails.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let request = format!(
            "POST /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (status, headers) = read_head(&mut self.reader)?;
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .context("no content-length")?;
        let mut bytes = vec![0; length.1.parse()?];
        self.reader.read_exact(&mut bytes)?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Response {
            status,
            headers,
            body,
        }
        .ok()
        .with_context(|| format!("POST {path}"))
    }
}

/// One live event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The journal entry's number.
    pub id: Option<u64>,
    /// The journal entry.
    pub data: Value,
    /// When its data arrived, milliseconds on `CLOCK_MONOTONIC`.
    pub at_ms: f64,
}

/// A live event stream.
#[derive(Debug)]
pub struct Events {
    arrived: Receiver<Event>,
    socket: TcpStream,
}

impl Events {
    /// The next event.
    ///
    /// # Errors
    /// When none comes in time or the stream has ended.
    pub fn next(&self, deadline: Deadline) -> Result<Event> {
        let left = deadline.left().context("the time is over")?;
        self.arrived.recv_timeout(left).context("no further event")
    }

    /// The next event that `is_it` accepts; the others are passed over.
    ///
    /// # Errors
    /// When none comes in time, with the kinds of those that came.
    pub fn wait(
        &self,
        what: &str,
        deadline: Deadline,
        mut is_it: impl FnMut(&Value) -> bool,
    ) -> Result<Event> {
        let mut passed = Vec::new();
        loop {
            match self.next(deadline) {
                Ok(event) if is_it(&event.data) => return Ok(event),
                Ok(event) => passed.push(format!("{} {}", event.data["kind"], event.data["data"])),
                Err(error) => bail!("waited in vain for {what} ({error}); meanwhile came: {passed:#?}"),
            }
        }
    }

    /// The next event of this kind.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_kind(&self, kind: &str, deadline: Deadline) -> Result<Event> {
        self.wait(kind, deadline, |entry| entry["kind"] == kind)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // The hub may have closed it already.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("no status in {line:?}"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return Ok((status, headers)),
        }
    }
}

fn is_chunked(headers: &[(String, String)]) -> bool {
    headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked"))
}

/// The body of an answer whose length is told piece by piece.
struct Chunked {
    inner: BufReader<TcpStream>,
    left: usize,
    done: bool,
}

impl Read for Chunked {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.done {
            let mut line = String::new();
            self.inner.read_line(&mut line)?;
            if line.trim().is_empty() {
                line.clear();
                self.inner.read_line(&mut line)?;
            }
            self.left = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            self.done = self.left == 0;
        }
        if self.done {
            return Ok(0);
        }
        let most = into.len().min(self.left);
        let read = self.inner.read(into.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        self.done = read == 0;
        Ok(read)
    }
}
