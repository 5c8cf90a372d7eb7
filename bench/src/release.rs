//! Smoke opens the doors: from the smoke frame leaving the dongle to the last unlock frame, on one door and on ten, hubd
//! beside `@zwave-js/server` with the shortest client that does the same, in turns before the same mock home.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hubd_peers::home::{items, radio_state};
use hubd_peers::{Client, Deadline, Hub, HubOptions, Mock, MockOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::document;
use crate::peer::Peer;
use crate::stats::Samples;

const ALARM: u8 = 3;
const SEND_DATA: [u64; 2] = [0x13, 0xa9];
const APPLICATION_COMMAND: [u64; 2] = [0x04, 0xa8];
/// The doors: S2 locks.
const DOORS: [u8; 10] = [2, 6, 7, 8, 9, 10, 11, 12, 13, 14];

#[derive(Debug, Default)]
struct Figures {
    one: Samples,
    ten: Samples,
    /// How long the dongle was busy with the first nine of ten frames: nobody can be faster.
    floor: Samples,
}

/// Runs everything: `samples` releases of each kind, spread over `rounds` in which the programs take turns.
///
/// # Errors
/// When one of them fails.
pub(crate) fn run(samples: usize, rounds: usize) -> Result<()> {
    let mut mock = Mock::start(&MockOptions {
        nodes: "2,3,6-14",
        ..MockOptions::default()
    })?;
    let cache = TempDir::new()?;
    let mut hub = Hub::new(&HubOptions {
        radio: mock.url(),
        ..HubOptions::default()
    })?;
    hub.import_keys()?;
    Peer::start(&mock, cache.path())
        .context("the peer's first start")?
        .stop()?;
    start_hub(&mut hub).context("the hub's first start")?;
    let locks = lock_of_each_node(&mut mock, &hub.client())?;
    mock.silence(3000, Deadline::seconds(120))?;
    hub.stop()?;

    let (mut theirs, mut ours) = (Figures::default(), Figures::default());
    let each = samples.div_ceil(rounds);
    for _ in 0..rounds {
        measure_peer(&mut mock, cache.path(), each, &mut theirs)?;
        measure_hub(&mut mock, &mut hub, &locks, each, &mut ours)?;
    }
    document::write("release", &table(&theirs, &ours, rounds))
}

fn start_hub(hub: &mut Hub) -> Result<()> {
    hub.create_token_once()?;
    hub.launch()?;
    hub.wait("every node to be ready", Deadline::seconds(240), |client| {
        let known = items(&client.get("/locks").ok()?);
        let heard = known
            .iter()
            .filter(|lock| lock["state"]["bolt"] != "unknown")
            .count();
        let alarms = items(&client.get("/alarms").ok()?).len();
        (radio_state(client) == "ready" && heard == DOORS.len() && alarms == 1).then_some(())
    })
}

/// The lock of the API that each node is: the one whose bolt moves.
fn lock_of_each_node(mock: &mut Mock, client: &Client) -> Result<BTreeMap<u8, String>> {
    let mut known = BTreeMap::new();
    for lock in items(&client.get("/locks")?) {
        let id = lock["id"].as_str().context("an id")?.to_owned();
        for node in DOORS {
            mock.call("bolt", json!({"node": node, "mode": 0}))?;
        }
        client.post(&format!("/locks/{id}/commands?wait=30"), &json!({"op": "lock"}))?;
        for node in DOORS {
            if mock.bolt(node)? == 255 {
                known.insert(node, id.clone());
            }
        }
    }
    anyhow::ensure!(
        known.len() == DOORS.len(),
        "only these locks were found: {known:?}"
    );
    Ok(known)
}

fn measure_hub(
    mock: &mut Mock,
    hub: &mut Hub,
    locks: &BTreeMap<u8, String>,
    samples: usize,
    figures: &mut Figures,
) -> Result<()> {
    start_hub(hub)?;
    let client = hub.client();
    for doors in [&DOORS[..1], &DOORS[..]] {
        let rules: Vec<Value> = doors
            .iter()
            .filter_map(|node| locks.get(node))
            .map(|lock| json!({"lock": lock, "hazards": ["smoke"], "at_once": ["smoke"]}))
            .collect();
        client
            .send(
                "PUT",
                "/life-safety",
                &[],
                Some(&json!({"enabled": true, "doors": rules})),
            )?
            .ok()?;
        for _ in 0..samples {
            for node in doors {
                let lock = locks.get(node).context("a lock")?;
                client.post(&format!("/locks/{lock}/commands?wait=30"), &json!({"op": "lock"}))?;
            }
            mock.silence(60, Deadline::seconds(120))?;
            mock.call("stamps", json!({"clear": true}))?;
            mock.notify(ALARM, 1, 2, &[])?;
            hub.wait("every door to be held", Deadline::seconds(30), |client| {
                (client.get("/life-safety/state").ok()?["state"] == "held").then_some(())
            })?;
            take(mock, doors, figures)?;
            mock.notify(ALARM, 1, 0, &[2])?;
            let incident = hub.wait("the danger to be over", Deadline::seconds(30), |client| {
                let state = client.get("/life-safety/state").ok()?;
                let id = state["incident"]["id"].as_str()?.to_owned();
                (state["state"] == "restoring").then_some(id)
            })?;
            client.post(
                &format!("/life-safety/incidents/{incident}/close"),
                &json!({"reason": "measured"}),
            )?;
        }
    }
    hub.stop()?;
    Ok(())
}

fn measure_peer(
    mock: &mut Mock,
    cache: &std::path::Path,
    samples: usize,
    figures: &mut Figures,
) -> Result<()> {
    let mut peer = Peer::start(mock, cache)?;
    for doors in [&DOORS[..1], &DOORS[..]] {
        for _ in 0..samples {
            for node in doors {
                peer.lock(*node, true)?;
            }
            mock.silence(60, Deadline::seconds(120))?;
            mock.call("stamps", json!({"clear": true}))?;
            mock.notify(ALARM, 1, 2, &[])?;
            peer.wait(|message| {
                let event = &message["event"];
                event["nodeId"] == ALARM && event["args"]["property"] == "Smoke Alarm"
            })?;
            peer.unlock_all(doors)?;
            take(mock, doors, figures)?;
            mock.notify(ALARM, 1, 0, &[2])?;
            peer.wait(|message| {
                let event = &message["event"];
                event["nodeId"] == ALARM && event["args"]["property"] == "Smoke Alarm"
            })?;
        }
    }
    peer.stop()
}

/// Takes the figures of one release from the mock's stamps.
fn take(mock: &mut Mock, doors: &[u8], figures: &mut Figures) -> Result<()> {
    let stamps = mock.call("stamps", json!({"clear": true}))?;
    let list = |name: &str| stamps[name].as_array().cloned().unwrap_or_default();
    let is = |stamp: &Value, functions: [u64; 2]| {
        stamp[1]
            .as_u64()
            .is_some_and(|function| functions.contains(&function))
    };
    let smoke = list("serialOut")
        .iter()
        .find(|stamp| is(stamp, APPLICATION_COMMAND))
        .and_then(|stamp| stamp[0].as_f64())
        .context("no smoke frame left the dongle")?;
    // Every session stands, so the first frame to a door is its unlock.
    let mut last = smoke;
    for node in doors {
        let first = list("air")
            .iter()
            .filter(|stamp| stamp[1] == *node)
            .filter_map(|stamp| stamp[0].as_f64())
            .find(|at| *at > smoke);
        last = last.max(first.with_context(|| format!("no frame left for node {node}"))?);
    }
    if doors.len() == 1 {
        figures.one.add(last - smoke);
        return Ok(());
    }
    figures.ten.add(last - smoke);
    let sent: Vec<f64> = list("serialIn")
        .iter()
        .filter(|stamp| is(stamp, SEND_DATA))
        .filter_map(|stamp| stamp[0].as_f64())
        .filter(|at| *at > smoke)
        .collect();
    let answered: Vec<f64> = list("serialOut")
        .iter()
        .filter(|stamp| is(stamp, SEND_DATA))
        .filter_map(|stamp| stamp[0].as_f64())
        .collect();
    // From the frame's arrival at the dongle to its callback, the second answer to it.
    let busy: f64 = sent
        .iter()
        .take(doors.len().saturating_sub(1))
        .filter_map(|at| Some(answered.iter().filter(|end| *end > at).nth(1)? - at))
        .sum();
    figures.floor.add(busy);
    Ok(())
}

fn table(theirs: &Figures, ours: &Figures, rounds: usize) -> String {
    let ratio = ours.one.median() / theirs.one.median();
    [
        "## Smoke opens the doors".to_owned(),
        String::new(),
        format!(
            "Measured on {}. From the smoke frame leaving the dongle to the last unlock frame leaving it, in turns, {rounds} rounds, {} \
             samples a row; median / 95th percentile. The peer's client sends `node.set_value` to every door as soon as it hears of the \
             smoke, and nothing else.",
            document::machine(),
            ours.one.count()
        ),
        String::new(),
        "| | zwave-js server and client | hubd | hubd : peer | wanted | |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
        format!(
            "| one door, ms | {} | {} | {ratio:.3} | at most 0.500 | {} |",
            theirs.one.cell(),
            ours.one.cell(),
            if ratio <= 0.5 { "met" } else { "**missed**" }
        ),
        format!(
            "| ten doors, ms | {} | {} | {:.3} | | |",
            theirs.ten.cell(),
            ours.ten.cell(),
            ours.ten.median() / theirs.ten.median()
        ),
        String::new(),
        format!(
            "On ten doors the dongle is busy with the first nine frames for {} ms, which nobody can be faster than; hubd needs {:.2} times \
             that, from the smoke frame on.",
            ours.floor.cell(),
            ours.ten.median() / ours.floor.median()
        ),
    ]
    .join("\n")
}
