//! `@zwave-js/server` as a process, with a client.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hubd_peers::clock::now_ms;
use hubd_peers::lines::Process;
use hubd_peers::{Deadline, Mock, hub, mock};
use serde_json::{Value, json};

use crate::websocket::WebSocket;

/// The server and a client that listens.
pub(crate) struct Peer {
    process: Process,
    socket: WebSocket,
    arrived: Receiver<(f64, Value)>,
    /// Milliseconds from its start until every node was ready.
    pub(crate) ready_ms: f64,
}

impl Peer {
    /// Starts it and waits until every node is interviewed, or known from the cache in this folder.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(home: &Mock, cache: &Path) -> Result<Self> {
        let port = hub::free_port()?;
        let folder = mock::folder();
        let mut command = Command::new("node");
        command
            .arg("node_modules/@zwave-js/server/dist-cjs/bin/server.js")
            .arg(home.url())
            .args([
                "--config",
                "server-options.cjs",
                "--host",
                "127.0.0.1",
                "--disable-dns-sd",
            ])
            .arg(format!("--port={port}"))
            .current_dir(folder)
            .env("CACHE_DIR", cache)
            .env("NODE_ENV", "production");
        let start = now_ms();
        let mut process = Process::start(&mut command)?;
        let deadline = Deadline::seconds(180);
        let mut socket = loop {
            if let Ok(socket) = WebSocket::connect(port) {
                break socket;
            }
            if process.ended()?.is_some() || deadline.left().is_none() {
                bail!("the peer did not start: {}", process.said().join("\n"));
            }
            process.pause(Duration::from_millis(2));
        };
        socket.receive().context("the server's version")?;
        socket.send(&json!({"messageId": "api", "command": "initialize", "schemaVersion": 40}))?;
        socket.send(&json!({"messageId": "listen", "command": "start_listening"}))?;
        let mut waiting = None;
        while waiting.as_ref().is_none_or(|nodes: &Vec<u64>| !nodes.is_empty()) {
            let message = socket.receive()?;
            if message["messageId"] == "listen" {
                let nodes = message["result"]["state"]["nodes"]
                    .as_array()
                    .context("a list of nodes")?;
                let open = nodes
                    .iter()
                    .filter(|node| node["ready"] != true)
                    .filter_map(|node| node["nodeId"].as_u64());
                waiting = Some(open.collect());
            } else if message["event"]["event"] == "ready"
                && let Some(nodes) = &mut waiting
            {
                nodes.retain(|node| message["event"]["nodeId"] != *node);
            }
        }
        let ready_ms = now_ms() - start;
        let mut reader = socket.try_clone()?;
        let (sender, arrived) = channel();
        thread::spawn(move || {
            while let Ok(message) = reader.receive() {
                if sender.send((now_ms(), message)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            process,
            socket,
            arrived,
            ready_ms,
        })
    }

    /// Moves a bolt as Home Assistant does; when the request left and when its result came.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn lock(&mut self, node: u8, locked: bool) -> Result<(f64, f64)> {
        let value = if locked { 255 } else { 0 };
        let id = json!({"commandClass": 98, "endpoint": 0, "property": "targetMode"});
        let start = now_ms();
        self.socket.send(&json!({"messageId": "lock", "command": "node.set_value", "nodeId": node, "valueId": id, "value": value}))?;
        let (at, answer) = self.wait(|message| message["messageId"] == "lock")?;
        if answer["success"] != true {
            bail!("the peer failed: {answer}");
        }
        Ok((start, at))
    }

    /// Tells every door to unlock, without waiting for one before the next is told, and waits for all results.
    ///
    /// # Errors
    /// When one fails.
    pub(crate) fn unlock_all(&mut self, nodes: &[u8]) -> Result<()> {
        let value = json!({"commandClass": 98, "endpoint": 0, "property": "targetMode"});
        for node in nodes {
            let id = format!("unlock-{node}");
            self.socket.send(
                &json!({"messageId": id, "command": "node.set_value", "nodeId": node, "valueId": value, "value": 0}),
            )?;
        }
        // Their results come in any order.
        for _ in nodes {
            let is_one = |message: &Value| {
                message["messageId"]
                    .as_str()
                    .is_some_and(|id| id.starts_with("unlock-"))
            };
            let (_, answer) = self.wait(is_one)?;
            if answer["success"] != true {
                bail!("the peer failed: {answer}");
            }
        }
        Ok(())
    }

    /// When the next event that is meant came.
    ///
    /// # Errors
    /// When none comes in ten seconds.
    pub(crate) fn wait(&self, mut is_it: impl FnMut(&Value) -> bool) -> Result<(f64, Value)> {
        let deadline = Deadline::seconds(10);
        while let Some(left) = deadline.left() {
            let (at, message) = self.arrived.recv_timeout(left)?;
            if is_it(&message) {
                return Ok((at, message));
            }
        }
        bail!("no such message came")
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        hub::resident_bytes(self.process.id())
    }

    /// Ends it in good order, so that its cache is written.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) fn stop(mut self) -> Result<()> {
        // It waits for its clients to leave.
        self.socket.close();
        self.process.stop(Deadline::seconds(20))?;
        Ok(())
    }
}
