//! A home with three kinds of locks whose codes are kept by the real daemon, driven over its API.
//!
//! Node 2 has User Code v2 over S2, node 4 User Code v1 over S0, node 5 User Credential over S2. Each held one code before
//! the hub came, which is nobody's business.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::clock::Deadline;
use crate::home::{Home, items, journal};
use crate::http::Client;
use crate::mock::{Mock, MockOptions};

/// The locks.
pub const LOCKS: [u8; 3] = [2, 4, 5];
/// The slot of the code that was there before the hub.
pub const FOREIGN_SLOT: u16 = 7;
/// The code that was there before the hub.
pub const FOREIGN: &str = "004711";
/// How long all the locks may take to agree.
const AGREEMENT: Duration = Duration::from_mins(4);

/// The home, and which lock is which.
#[derive(Debug)]
pub struct Household {
    /// The devices and the daemon.
    pub home: Home,
    ids: BTreeMap<u8, String>,
    /// The locks with User Credential; the others have User Code.
    with_users: BTreeSet<u8>,
}

/// A credential that the hub drew a PIN for.
#[derive(Debug, Clone)]
pub struct Granted {
    /// Its id.
    pub id: String,
    /// Its digits.
    pub pin: String,
}

/// Somebody types a code in at one of the first three locks, or a tester does; the lock says nothing.
///
/// # Errors
/// When the mock refuses.
pub fn plant(mock: &mut Mock, node: u8, slot: u16, code: &str) -> Result<()> {
    let set = if node == 5 { "setCredential" } else { "setCode" };
    mock.call(set, json!({"node": node, "slot": slot, "code": code}))?;
    Ok(())
}

/// Waits until an inclusion or exclusion is in one of these states.
fn wait_state(home: &mut Home, path: &str, states: &[&str]) -> Result<Value> {
    home.hub.wait(path, Deadline::seconds(90), |client| {
        let progress = client.get(path).ok()?;
        states.contains(&progress["state"].as_str()?).then_some(progress)
    })
}

/// Whether the hub has something to do with a slot now. One that an earlier order may still reach is as wanted, and is
/// only read once more when no such order can arrive any more.
pub fn is_pending(slot: &Value) -> bool {
    !slot["pending"].is_null() && slot["pending"]["why"]["code"] != "settling"
}

impl Household {
    /// Starts it, and finds out which lock is which.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Self> {
        let mut home = Home::start_with(&MockOptions {
            nodes: "2,4,5",
            code_slots: 25,
            ..MockOptions::default()
        })?;
        let mut ids = BTreeMap::new();
        for node in LOCKS {
            plant(&mut home.mock, node, FOREIGN_SLOT, FOREIGN)?;
            let level = 60 + node;
            home.mock.call("battery", json!({"node": node, "level": level}))?;
            let id = home
                .hub
                .wait("the battery report", Deadline::seconds(30), |client| {
                    let locks = items(&client.get("/locks").ok()?);
                    let lock = locks.iter().find(|lock| lock["battery_percent"] == level)?;
                    lock["id"].as_str().map(ToOwned::to_owned)
                })?;
            ids.insert(node, id);
        }
        let mut household = Self {
            home,
            ids,
            with_users: BTreeSet::from([5]),
        };
        household.wait_keepers()?;
        Ok(household)
    }

    /// The hub's id of a lock.
    ///
    /// # Errors
    /// When there is no such lock.
    pub fn id(&self, node: u8) -> Result<&str> {
        self.ids
            .get(&node)
            .map(String::as_str)
            .with_context(|| format!("node {node} is no lock"))
    }

    /// Adds a person who has a PIN on these locks; the hub draws it.
    ///
    /// # Errors
    /// When the hub refuses.
    pub fn grant(&self, name: &str, nodes: &[u8]) -> Result<Granted> {
        let client = self.home.client();
        let person = client.post("/people", &json!({"name": name, "role": "resident"}))?;
        let locks: Vec<&str> = nodes.iter().map(|node| self.id(*node)).collect::<Result<_>>()?;
        let credential = client.post(
            "/credentials",
            &json!({"person": person["id"], "kind": "pin", "digits": 10, "locks": locks}),
        )?;
        let text = |key: &str| credential[key].as_str().map(ToOwned::to_owned);
        Ok(Granted {
            id: text("id").context("a credential has an id")?,
            pin: text("pin").context("the hub drew a PIN")?,
        })
    }

    /// Revokes a credential.
    ///
    /// # Errors
    /// When the hub refuses.
    pub fn revoke(&self, granted: &Granted) -> Result<()> {
        let path = format!("/credentials/{}", granted.id);
        self.home.client().send("DELETE", &path, &[], None)?.ok()?;
        Ok(())
    }

    /// Waits until the hub knows of each lock that it keeps codes. From then on it knows, also when it was killed and asks
    /// again.
    fn wait_keepers(&mut self) -> Result<()> {
        let count = self.ids.len();
        self.home
            .hub
            .wait("every lock to keep codes", Deadline::seconds(60), |client| {
                let locks = items(&client.get("/locks").ok()?);
                let keeps = |lock: &&Value| lock["capabilities"]["pin_slots"].as_u64() > Some(0);
                (locks.iter().filter(keeps).count() == count).then_some(())
            })
    }

    /// A lock's slots as the hub shows them.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn slots(&self, node: u8) -> Result<Value> {
        self.home
            .client()
            .get(&format!("/locks/{}/slots", self.id(node)?))
    }

    /// The slot of a credential on a lock, as the hub shows it.
    ///
    /// # Errors
    /// When the API does not answer, or it has none.
    pub fn slot_of(&self, node: u8, granted: &Granted) -> Result<u16> {
        let slots = items(&self.slots(node)?["slots"]);
        let slot = slots
            .iter()
            .find(|slot| slot["credential"] == granted.id.as_str())
            .and_then(|slot| slot["slot"].as_u64());
        Ok(u16::try_from(slot.with_context(|| {
            format!("{} has no slot on node {node}", granted.id)
        })?)?)
    }

    /// Somebody types a code in at the keypad, and the lock says so.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn type_in(&mut self, node: u8, slot: u16, code: &str) -> Result<()> {
        let was_there = self.held(node)?.contains_key(&slot.to_string());
        plant(&mut self.home.mock, node, slot, code)?;
        if node == 5 {
            // Credential Report: added or changed at the lock, with the code that it has now.
            self.credential_report(u8::from(was_there), slot, code)
        } else {
            self.home.mock.notify(node, 6, 14, &[u8::try_from(slot)?])
        }
    }

    /// Somebody deletes a code at the keypad, and the lock says so.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn delete(&mut self, node: u8, slot: u16) -> Result<()> {
        self.change_silently(node, slot, None)?;
        if node == 5 {
            self.credential_report(2, slot, "")
        } else {
            self.home.mock.notify(node, 6, 13, &[u8::try_from(slot)?])
        }
    }

    /// Somebody changes or deletes a code at the keypad, and the lock says nothing.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn change_silently(&mut self, node: u8, slot: u16, code: Option<&str>) -> Result<()> {
        let Some(code) = code else {
            let delete = if node == 5 {
                "deleteCredential"
            } else {
                "deleteCode"
            };
            self.home.mock.call(delete, json!({"node": node, "slot": slot}))?;
            return Ok(());
        };
        plant(&mut self.home.mock, node, slot, code)
    }

    /// Spec: CC:0083.01.0C
    fn credential_report(&mut self, kind: u8, slot: u16, code: &str) -> Result<()> {
        let [high, low] = slot.to_be_bytes();
        let mut report = vec![kind, high, low, 1, high, low, 0x80, u8::try_from(code.len())?];
        report.extend(code.bytes());
        report.extend([3, 0, 0, 0, 0, 0]);
        self.home.mock.call(
            "raw",
            json!({"node": 5, "ccId": 0x83, "cmd": 0x0c, "payload": report, "supervise": true}),
        )?;
        Ok(())
    }

    /// Everything on a lock is gone, as after a factory reset; it says nothing.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn forget_codes(&mut self, node: u8) -> Result<()> {
        self.home.mock.call("forgetCodes", json!({"node": node}))?;
        Ok(())
    }

    /// The hub reads a lock's slots now.
    ///
    /// # Errors
    /// When it refuses.
    pub fn refresh(&self, node: u8) -> Result<()> {
        let path = format!("/locks/{}/slots/refresh", self.id(node)?);
        self.home.client().send("POST", &path, &[], None)?.ok()?;
        Ok(())
    }

    /// Writes everything again to a lock, or what `from` held, whose place it takes.
    ///
    /// # Errors
    /// When the hub refuses.
    pub fn refill(&self, node: u8, from: Option<&str>) -> Result<()> {
        let path = format!("/locks/{}/slots/refill", self.id(node)?);
        let body = from.map(|from| json!({ "from": from }));
        self.home.client().send("POST", &path, &[], body.as_ref())?.ok()?;
        Ok(())
    }

    /// Somebody takes a lock out of the network, resets it and includes it again: it comes back as node `new`, without a
    /// code. Answers with the id that it had.
    ///
    /// # Errors
    /// When one of the steps does not end well.
    pub fn include_again(&mut self, node: u8, new: u8) -> Result<String> {
        const INCLUSION: &str = "/radios/zwave/inclusion";
        const EXCLUSION: &str = "/radios/zwave/exclusion";
        let old = self.ids.remove(&node).context("it is a lock")?;
        let home = &mut self.home;
        home.mock.call("remove", json!({"id": node}))?;
        home.client().post(EXCLUSION, &json!({}))?;
        let gone = wait_state(home, EXCLUSION, &["done", "failed"])?;
        ensure!(gone["state"] == "done", "node {node} was not excluded: {gone}");
        let (kind, strategy) = match node {
            2 => ("s2", "default"),
            4 => ("s0", "s0"),
            _ => ("credential", "default"),
        };
        home.mock.call("include", json!({"id": new, "kind": kind}))?;
        home.client().post(INCLUSION, &json!({"strategy": strategy}))?;
        let mut at = wait_state(home, INCLUSION, &["asking", "done", "failed"])?;
        if at["state"] == "asking" {
            let dsk = home.mock.call("dsk", json!({}))?;
            let pin = dsk["dsk"].as_str().and_then(|dsk| dsk.get(..5));
            let answer = json!({"dsk_pin": pin.context("a DSK begins with its PIN")?});
            home.client().post(&format!("{INCLUSION}/answer"), &answer)?;
            at = wait_state(home, INCLUSION, &["done", "failed"])?;
        }
        let id = at["device"]["id"].as_str().filter(|_| at["state"] == "done");
        let id = id.with_context(|| format!("node {new} was not included: {at}"))?;
        self.ids.insert(new, id.to_owned());
        if self.with_users.contains(&node) {
            self.with_users.insert(new);
        }
        Ok(old)
    }

    /// The list of the mock that a lock's codes are in.
    pub fn list(&self, node: u8) -> &'static str {
        if self.with_users.contains(&node) {
            "credentials"
        } else {
            "codes"
        }
    }

    /// What a lock really holds, by slot.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn held(&mut self, node: u8) -> Result<BTreeMap<String, String>> {
        let list = self.list(node);
        self.home.mock.codes(list, node)
    }

    /// A lock cannot be reached, or can be again.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn away(&mut self, node: u8, away: bool) -> Result<()> {
        self.home.mock.call("dead", json!({"node": node, "dead": away}))?;
        Ok(())
    }

    /// A lock says something by itself, as one that is back does sooner or later.
    ///
    /// # Errors
    /// When the mock refuses.
    pub fn speak(&mut self, node: u8) -> Result<()> {
        self.home
            .mock
            .call("battery", json!({"node": node, "level": 80}))?;
        Ok(())
    }

    /// Waits until `condition` is met by a lock's slots as the hub shows them.
    ///
    /// # Errors
    /// When it is not met in time.
    pub fn wait_slots<T>(
        &mut self,
        what: &str,
        node: u8,
        mut condition: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let path = format!("/locks/{}/slots", self.id(node)?);
        let mut last = Value::Null;
        let look = |client: &Client| {
            last = client.get(&path).ok()?;
            condition(&last)
        };
        self.home
            .hub
            .wait(
                &format!("{what} on node {node}"),
                Deadline::after(AGREEMENT),
                look,
            )
            .with_context(|| format!("the slots are {last}"))
    }

    /// Waits until the journal tells, after entry `from`, of so many slots of a lock that are not as they were known.
    ///
    /// # Errors
    /// When it does not within two minutes.
    pub fn wait_drift(&mut self, node: u8, from: u64, count: usize) -> Result<()> {
        let lock = self.id(node)?.to_owned();
        self.home.hub.wait(
            &format!("{count} drifted slot(s) on node {node}"),
            Deadline::seconds(120),
            |client| {
                let drifted = journal(client, from, Some("slot.drifted")).ok()?;
                let told = drifted.iter().filter(|entry| entry["lock"] == lock).count();
                (told >= count).then_some(())
            },
        )
    }

    /// Waits until a lock really holds these codes beside the foreign one. What waits for tomorrow to spare its battery is
    /// asked for at once, as a person does who does not want to wait.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_held(&mut self, node: u8, wanted: &[&str]) -> Result<()> {
        let list = self.list(node);
        let wanted: BTreeSet<&str> = wanted.iter().copied().chain([FOREIGN]).collect();
        let path = format!("/locks/{}/slots", self.id(node)?);
        let (mut last, mut shown) = (BTreeMap::new(), Value::Null);
        let (hub, mock) = (&mut self.home.hub, &mut self.home.mock);
        hub.wait(&format!("node {node}"), Deadline::after(AGREEMENT), |client| {
            shown = client.get(&path).ok()?;
            for slot in items(&shown["slots"]) {
                if slot["pending"]["why"]["code"] == "frame_budget" {
                    client
                        .post(&format!("{path}/pin/{}/retry", slot["slot"]), &Value::Null)
                        .ok()?;
                }
            }
            last = mock.codes(list, node).ok()?;
            let held: BTreeSet<&str> = last.values().map(String::as_str).collect();
            (held == wanted && last.len() == wanted.len()).then_some(())
        })
        .with_context(|| format!("node {node} holds {last:?} instead of {wanted:?}; the hub shows {shown}"))
    }

    /// Waits until the hub has nothing more to do with any lock, and proves that each holds exactly these codes of ours and
    /// `foreign` in the slot where it was.
    ///
    /// # Errors
    /// When they do not agree in time, or not with this.
    pub fn agree(&mut self, wanted: &[&str], foreign: Option<&str>) -> Result<()> {
        for node in LOCKS {
            self.agree_on(node, wanted, foreign)?;
        }
        Ok(())
    }

    /// The same for one lock.
    ///
    /// # Errors
    /// As [`Self::agree`].
    pub fn agree_on(&mut self, node: u8, wanted: &[&str], foreign: Option<&str>) -> Result<()> {
        let count = wanted.len();
        let shown = self.wait_slots("agreement", node, |codes| {
            let slots = items(&codes["slots"]);
            let ours = slots.iter().filter(|slot| !slot["wanted"].is_null()).count();
            (ours == count && !slots.iter().any(is_pending)).then(|| codes.clone())
        })?;
        let left_out = items(&shown["left_out"]);
        ensure!(left_out.is_empty(), "node {node} left out {left_out:?}");
        let held = self.held(node)?;
        let mut ours = BTreeSet::new();
        for (slot, code) in &held {
            if *slot == FOREIGN_SLOT.to_string() {
                ensure!(
                    Some(code.as_str()) == foreign,
                    "node {node}: the foreign slot holds {code}"
                );
            } else if !ours.insert(code.as_str()) {
                bail!("node {node} holds {code} twice");
            }
        }
        ensure!(
            held.contains_key(&FOREIGN_SLOT.to_string()) == foreign.is_some(),
            "node {node}: the foreign code: {held:?}"
        );
        let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
        ensure!(
            ours == wanted,
            "node {node} holds {ours:?} instead of {wanted:?}; the hub shows {shown}"
        );
        Ok(())
    }
}
