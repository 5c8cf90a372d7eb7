//! A mock home with a hub that knows its keys: the scene of nearly every scenario.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::clock::Deadline;
use crate::http::{Client, Events};
use crate::hub::{Hub, HubOptions};
use crate::mock::{Mock, MockOptions};

/// The devices and the daemon.
#[derive(Debug)]
pub struct Home {
    /// The devices.
    pub mock: Mock,
    /// The daemon.
    pub hub: Hub,
}

/// The items of a list answer, whether it is a bare list or an object with one list.
pub fn items(answer: &Value) -> Vec<Value> {
    match answer {
        Value::Array(items) => items.clone(),
        Value::Object(fields) => fields
            .values()
            .find_map(Value::as_array)
            .cloned()
            .unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

impl Home {
    /// Starts a mock home with these nodes and a hub that has its keys, and waits until every node is interviewed.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(nodes: &'static str) -> Result<Self> {
        Self::start_with(&MockOptions {
            nodes,
            ..MockOptions::default()
        })
    }

    /// The same with other options of the mock.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(options: &MockOptions) -> Result<Self> {
        Self::open(options, "")
    }

    /// The same as [`Self::start`], with lines added to the hub's configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_extra(nodes: &'static str, extra: &str) -> Result<Self> {
        let options = MockOptions {
            nodes,
            ..MockOptions::default()
        };
        Self::open(&options, extra)
    }

    fn open(options: &MockOptions, extra: &str) -> Result<Self> {
        let mock = Mock::start(options)?;
        let hub = Hub::new(&HubOptions {
            radio: mock.url(),
            extra: format!("{extra}[log]\nlevel = \"trace\"\n"),
        })?;
        hub.import_keys()?;
        let mut home = Self { mock, hub };
        home.hub.start()?;
        home.wait_ready(options.nodes, Deadline::seconds(120))?;
        // The states are known; what is still asked of the devices comes to its end.
        home.mock.silence(300, Deadline::seconds(120))?;
        Ok(home)
    }

    /// Waits until the radio is ready and every lock and alarm of these nodes is known with its state.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn wait_ready(&mut self, nodes: &str, deadline: Deadline) -> Result<()> {
        let nodes: Vec<&str> = if nodes.is_empty() {
            vec!["2", "3", "4", "5"]
        } else {
            nodes.split(',').collect()
        };
        let alarms = nodes.iter().filter(|node| **node == "3").count();
        let locks = nodes.iter().filter(|node| ["2", "4", "5"].contains(node)).count();
        self.hub.wait("every node to be ready", deadline, |client| {
            let known = client.get("/locks").ok().map(|answer| items(&answer))?;
            let heard = known
                .iter()
                .filter(|lock| lock["state"]["bolt"] != "unknown")
                .count();
            let detectors = client.get("/alarms").ok().map(|answer| items(&answer).len())?;
            (radio_state(client) == "ready" && heard == locks && detectors == alarms).then_some(())
        })
    }

    /// The API.
    pub fn client(&self) -> Client {
        self.hub.client()
    }

    /// Live events from now on.
    ///
    /// # Errors
    /// When the stream is refused.
    pub fn events(&self) -> Result<Events> {
        self.client().events(None)
    }

    /// Every lock.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn locks(&self) -> Result<Vec<Value>> {
        Ok(items(&self.client().get("/locks")?))
    }

    /// The id of the only lock.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn only_lock(&self) -> Result<String> {
        let locks = self.locks()?;
        match locks.as_slice() {
            [lock] => Ok(lock["id"].as_str().context("a lock has an id")?.to_owned()),
            other => bail!("one lock was expected, not {}", other.len()),
        }
    }

    /// Moves a bolt and waits for the end; answers with the command.
    ///
    /// # Errors
    /// When the request fails.
    pub fn actuate(&self, lock: &str, op: &str, key: &str) -> Result<Value> {
        actuate(&self.client(), lock, op, key)
    }

    /// The journal after an entry, optionally of one kind, all pages.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn journal(&self, after: u64, kind: Option<&str>) -> Result<Vec<Value>> {
        journal(&self.client(), after, kind)
    }
}

/// Moves a bolt and waits up to 30 seconds for the end; answers with the command.
///
/// # Errors
/// When the request fails.
pub fn actuate(client: &Client, lock: &str, op: &str, key: &str) -> Result<Value> {
    let path = format!("/locks/{lock}/commands?wait=30");
    client
        .send(
            "POST",
            &path,
            &[("idempotency-key", key)],
            Some(&json!({"op": op})),
        )?
        .ok()
}

/// The journal after an entry, optionally of one kind, all pages.
///
/// # Errors
/// When the API does not answer.
pub fn journal(client: &Client, mut after: u64, kind: Option<&str>) -> Result<Vec<Value>> {
    let filter = kind.map(|kind| format!("&kind={kind}")).unwrap_or_default();
    let mut all = Vec::new();
    loop {
        let page = items(&client.get(&format!("/events?after={after}&limit=200{filter}"))?);
        let Some(last) = page.last() else { return Ok(all) };
        after = last["seq"].as_u64().context("an entry has a seq")?;
        all.extend(page);
    }
}

/// The state of the Z-Wave radio as `/health` tells it.
pub fn radio_state(client: &Client) -> String {
    let health = client.get("/health").unwrap_or(Value::Null);
    health["radios"][0]["state"]
        .as_str()
        .unwrap_or("unknown")
        .to_owned()
}
