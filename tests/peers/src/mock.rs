//! The mock Z-Wave home of `tests/peers/zwave`: devices by zwave-js behind a network dongle, and its control channel.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::clock::Deadline;
use crate::lines::Process;

/// The network keys of the mock home, in the shape that Z-Wave JS keeps them in.
pub fn known_keys() -> Value {
    json!({
        "S0_Legacy": "0102030405060708090a0b0c0d0e0f10",
        "S2_Unauthenticated": "11111111111111111111111111111111",
        "S2_Authenticated": "22222222222222222222222222222222",
        "S2_AccessControl": "33333333333333333333333333333333",
    })
}

/// Z-Wave door lock mode: bolt out.
pub const LOCKED: u8 = 255;
/// Z-Wave door lock mode: bolt in.
pub const UNLOCKED: u8 = 0;
/// Z-Wave door lock mode: unknown, which a lock reports when it is jammed.
pub const JAMMED: u8 = 254;

/// How the mock home starts.
#[derive(Debug, Clone, Default)]
pub struct MockOptions {
    /// Which nodes exist, such as `"2,3"`; all when empty.
    pub nodes: &'static str,
    /// Milliseconds that each frame spends in the air.
    pub tx_delay_ms: u32,
    /// Milliseconds that a bolt takes.
    pub travel_ms: u32,
    /// How many codes a lock keeps; 20 when 0.
    pub code_slots: u16,
    /// The serial port to listen on; 0 for any.
    pub port: u16,
}

/// A running mock home.
#[derive(Debug)]
pub struct Mock {
    process: Process,
    port: u16,
    control: BufReader<TcpStream>,
}

/// The folder of the Z-Wave peers, with their `package.json`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("zwave")
}

impl Mock {
    /// Starts a mock home.
    ///
    /// # Errors
    /// When Node.js or the packages are missing, or it does not come up.
    pub fn start(options: &MockOptions) -> Result<Self> {
        let folder = folder();
        if !folder.join("node_modules").exists() {
            bail!(
                "{} has no node_modules: run `cargo xtask peers`, or `npm ci` there",
                folder.display()
            );
        }
        let mut command = Command::new("node");
        command
            .arg("mock.cjs")
            .current_dir(&folder)
            .env("SERIAL_PORT", options.port.to_string())
            .env("TX_DELAY", options.tx_delay_ms.to_string())
            .env("TRAVEL", options.travel_ms.to_string());
        if options.code_slots > 0 {
            command.env("USERS", options.code_slots.to_string());
        }
        if !options.nodes.is_empty() {
            command.env("NODES", options.nodes);
        }
        let mut process = Process::start(&mut command)?;
        let ports: Value = process
            .wait_line(Deadline::seconds(60), |line| serde_json::from_str(line).ok())
            .context("the mock home did not start")?;
        let port = port_of(&ports, "port")?;
        let stream = TcpStream::connect(("127.0.0.1", port_of(&ports, "control")?))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            process,
            port,
            control: BufReader::new(stream),
        })
    }

    /// Where the dongle listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The dongle as the configuration names it.
    pub fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Does one operation of the control channel.
    ///
    /// # Errors
    /// When the mock refuses or does not answer.
    pub fn call(&mut self, op: &str, arguments: Value) -> Result<Value> {
        let Value::Object(mut request) = arguments else {
            bail!("arguments are an object")
        };
        request.insert("op".into(), op.into());
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        self.control.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.control
            .read_line(&mut answer)
            .with_context(|| format!("the mock did not answer {op}"))?;
        let answer: Value = serde_json::from_str(&answer).with_context(|| format!("{op}: {answer:?}"))?;
        match answer.get("error") {
            Some(error) => bail!("the mock refused {op}: {error}"),
            None => Ok(answer),
        }
    }

    /// Waits until nothing has been said on the serial wire for so many milliseconds.
    ///
    /// # Errors
    /// When that does not come in time, and as [`Self::call`].
    pub fn silence(&mut self, ms: u64, deadline: Deadline) -> Result<()> {
        // The control channel itself waits no longer than its answers may take.
        let within = ms + 10_000;
        while self.call("silence", json!({"ms": ms, "within": within}))?["silent"] != true {
            ensure!(
                deadline.left().is_some(),
                "the wire was not silent for {ms} ms in time"
            );
        }
        Ok(())
    }

    /// A device sends a notification by itself.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn notify(&mut self, node: u8, kind: u8, event: u8, params: &[u8]) -> Result<()> {
        self.call(
            "notify",
            json!({"node": node, "type": kind, "event": event, "params": params}),
        )?;
        Ok(())
    }

    /// Somebody opens the lock with the code of this slot: the bolt moves and the lock says so.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn keypad_unlock(&mut self, node: u8, slot: u8) -> Result<()> {
        self.call("bolt", json!({"node": node, "mode": UNLOCKED}))?;
        self.notify(node, 6, 6, &[slot])
    }

    /// Arms faults: how many of the next frames each hits.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn faults(&mut self, faults: Value) -> Result<()> {
        self.call("faults", faults)?;
        Ok(())
    }

    /// The mode that a lock's bolt is in, as the mock lock itself knows it.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn bolt(&mut self, node: u8) -> Result<u64> {
        self.call("state", json!({"node": node}))?["bolt"]
            .as_u64()
            .context("a bolt mode is a number")
    }

    /// The codes on a lock by slot: `op` is `codes` (User Code) or `credentials` (User Credential).
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn codes(&mut self, op: &str, node: u8) -> Result<BTreeMap<String, String>> {
        Ok(serde_json::from_value(
            self.call(op, json!({"node": node}))?["codes"].clone(),
        )?)
    }

    /// What nodes received, decrypted, as (node, command class, command), and clears the record.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn take_received(&mut self) -> Result<Vec<(u64, u64, u64)>> {
        let stamps = self.call("stamps", json!({"clear": true}))?;
        let number = |stamp: &Value, key: &str| stamp[key].as_u64().unwrap_or_default();
        let all = stamps["received"].as_array().context("a list")?;
        Ok(all
            .iter()
            .map(|stamp| (number(stamp, "node"), number(stamp, "cc"), number(stamp, "cmd")))
            .collect())
    }

    /// Ends the mock at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }
}

fn port_of(value: &Value, key: &str) -> Result<u16> {
    let port = value[key]
        .as_u64()
        .with_context(|| format!("no {key} in {value}"))?;
    Ok(u16::try_from(port)?)
}
