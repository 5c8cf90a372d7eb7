//! A small HTTP client that shows every byte: tests of a server should not lean on a library's good manners.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than any honest answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    token: Option<String>,
    cookie: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The body when it is no text.
    pub(crate) file: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Checks that this is a problem with this status and returns its code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let json = self.json();
        assert_eq!(json["status"], status, "{self:?}");
        for field in ["type", "title", "detail", "code"] {
            assert!(
                json[field].as_str().is_some_and(|text| !text.is_empty()),
                "no {field}: {self:?}"
            );
        }
        json["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_from(1, address).await
    }

    /// From 127.0.0.`host`.
    pub(crate) async fn connect_from(host: u8, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
        Self::over(socket, address).await
    }

    /// One that takes little at once.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        Self::over(socket, address).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr) -> Self {
        let stream = socket.connect(address).await.unwrap();
        Self {
            stream: BufReader::new(stream),
            token: None,
            cookie: None,
        }
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// With a session's cookie, as `name=value`.
    pub(crate) fn with_cookie(mut self, cookie: &str) -> Self {
        self.cookie = Some(cookie.to_owned());
        self
    }

    /// The session's cookie that it got last.
    pub(crate) fn cookie(&self) -> &str {
        self.cookie.as_deref().expect("no cookie was set")
    }

    pub(crate) async fn put(&mut self, path: &str, body: &str) -> Reply {
        self.send("PUT", path, &[], Some(body)).await
    }

    /// Waits until the entry of this kind is in the journal.
    pub(crate) async fn journalled(&mut self, kind: &str) -> Value {
        loop {
            let found = self.get(&format!("/api/v1/events?kind={kind}")).await.json();
            if found[0].is_object() {
                return found[0].clone();
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[], Some(body)).await
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        self.ask(method, path, headers, body).await;
        let reply = tokio::time::timeout(PATIENCE, self.reply(method))
            .await
            .expect("no answer")
            .expect("no answer");
        if let Some(cookie) = reply.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
        }
        reply
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: hub\r\n");
        if let Some(token) = &self.token {
            write!(request, "Authorization: Bearer {token}\r\n").unwrap();
        }
        if let Some(cookie) = &self.cookie {
            write!(request, "Cookie: {cookie}\r\n").unwrap();
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        if let Some(body) = body {
            if !headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            {
                request.push_str("Content-Type: application/json\r\n");
            }
            write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        } else {
            request.push_str("\r\n");
        }
        // A server that refuses a body early may close before all of it is sent; its answer tells.
        let _ = self.stream.get_mut().write_all(request.as_bytes()).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes).await;
    }

    /// The next answer; `None` when the server closed.
    pub(crate) async fn reply(&mut self, method: &str) -> Option<Reply> {
        let (status, head) = self.head().await?;
        let reply = Reply {
            status,
            head,
            body: String::new(),
            file: Vec::new(),
        };
        let length = reply
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        self.stream.read_exact(&mut body).await.ok()?;
        let file = ["application/pdf", "application/octet-stream"].map(Some);
        if file.contains(&reply.header("content-type")) {
            return Some(Reply { file: body, ..reply });
        }
        Some(Reply {
            body: String::from_utf8(body).unwrap(),
            ..reply
        })
    }

    async fn head(&mut self) -> Option<(u16, String)> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, head))
    }

    /// Opens an event stream.
    pub(crate) async fn follow(mut self, path: &str, headers: &[(&str, &str)]) -> Result<Events, Reply> {
        self.ask("GET", path, headers, None).await;
        let (status, head) = self.head().await.expect("no answer");
        let mut reply = Reply {
            status,
            head,
            body: String::new(),
            file: Vec::new(),
        };
        if status == 200 {
            assert_eq!(reply.header("content-type"), Some("text/event-stream"));
            assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
            return Ok(Events {
                stream: self.stream,
                text: String::new(),
                names: Vec::new(),
            });
        }
        let mut body = vec![
            0;
            reply
                .header("content-length")
                .map_or(0, |text| text.parse().unwrap())
        ];
        self.stream.read_exact(&mut body).await.unwrap();
        reply.body = String::from_utf8(body).unwrap();
        Err(reply)
    }
}

/// An open event stream.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    text: String,
    /// Of the events that `next` passed over, because they are no entries.
    names: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) data: Value,
}

impl Events {
    /// The next event; `None` when the stream ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
                let name = block.lines().find_map(|line| line.strip_prefix("event: "));
                self.names.extend(name.map(ToOwned::to_owned));
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunk())
                .await
                .expect("no event")?;
            self.text.push_str(&chunk);
        }
    }

    /// Whether an event of this name came by.
    pub(crate) fn has_seen(&self, name: &str) -> bool {
        self.names.iter().any(|seen| seen == name)
    }

    /// The data of the next event of this name; entries in between are passed over.
    pub(crate) async fn named(&mut self, name: &str) -> Value {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let mut lines = block.lines();
                if lines.next() == Some(&format!("event: {name}")) {
                    let data = lines.next().and_then(|line| line.strip_prefix("data: "));
                    return serde_json::from_str(data.unwrap()).unwrap();
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunk()).await;
            self.text
                .push_str(&chunk.expect("no event").expect("the stream ended"));
        }
    }

    async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        if self.stream.read_line(&mut size).await.ok()? == 0 {
            return None;
        }
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(size);
        if size == 0 {
            None
        } else {
            Some(String::from_utf8(chunk).unwrap())
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let id = field("id: ")?.parse().unwrap();
    let data: Value = serde_json::from_str(field("data: ")?).unwrap();
    assert_eq!(data["seq"], id);
    Some(Event { id, data })
}
