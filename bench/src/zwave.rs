//! The daemon and `@zwave-js/server` in turns before the same mock home, and a bare native probe as the floor.
//!
//! All times are `CLOCK_MONOTONIC`, so that the client's stamps, the mock's and the servers' can be compared.

use std::path::Path;

use anyhow::{Context, Result};
use hubd_peers::clock::now_ms;
use hubd_peers::home::{items, radio_state};
use hubd_peers::{Client, Deadline, Hub, HubOptions, Mock, MockOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::document;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::stats::Samples;

const SEND_DATA: [u64; 2] = [0x13, 0xa9];
const APPLICATION_COMMAND: [u64; 2] = [0x04, 0xa8];
const S2_LOCK: u8 = 2;
const S0_LOCK: u8 = 4;
const ALARM: u8 = 3;

/// What one program showed.
#[derive(Debug, Default)]
struct Figures {
    ready: Samples,
    first_frame: Samples,
    confirmed: Samples,
    answered: Samples,
    s0_first_frame: Samples,
    s0_answered: Samples,
    smoke: Samples,
    keypad: Samples,
    memory_mib: Samples,
}

/// Runs everything: `samples` of each kind in all, spread over `rounds` in which the programs take turns.
///
/// # Errors
/// When one of them fails.
pub(crate) fn run(samples: usize, rounds: usize) -> Result<()> {
    let mut mock = Mock::start(&MockOptions::default())?;
    let cache = TempDir::new()?;
    let mut hub = Hub::new(&HubOptions {
        radio: mock.url(),
        ..HubOptions::default()
    })?;
    hub.import_keys()?;
    // Both see every device once, so that each later start is one with a warm cache.
    Peer::start(&mock, cache.path())
        .context("the peer's first start")?
        .stop()?;
    start_hub(&mut hub).context("the hub's first start")?;
    // What they learnt is written down a moment later.
    mock.silence(3000, Deadline::seconds(120))?;
    hub.stop()?;

    let (mut theirs, mut ours, mut floor) = (Figures::default(), Figures::default(), Figures::default());
    let each = samples.div_ceil(rounds);
    for _ in 0..rounds {
        measure_peer(&mut mock, cache.path(), each, &mut theirs)?;
        measure_hub(&mut mock, &mut hub, each, &mut ours)?;
        measure_probe(&mut mock, each, &mut floor)?;
    }
    document::write("zwave", &table(&theirs, &ours, &floor, rounds))
}

/// Starts the hub; milliseconds until every node of the mock home is ready.
fn start_hub(hub: &mut Hub) -> Result<f64> {
    hub.create_token_once()?;
    let start = now_ms();
    hub.launch()?;
    hub.wait("every node to be ready", Deadline::seconds(120), |client| {
        if radio_state(client) != "ready" {
            return None;
        }
        let known = items(&client.get("/locks").ok()?);
        let heard = known
            .iter()
            .filter(|lock| lock["state"]["bolt"] != "unknown")
            .count();
        let alarms = items(&client.get("/alarms").ok()?).len();
        (heard == 3 && alarms == 1).then_some(())
    })?;
    Ok(now_ms() - start)
}

fn measure_hub(mock: &mut Mock, hub: &mut Hub, samples: usize, figures: &mut Figures) -> Result<()> {
    figures.ready.add(start_hub(hub)?);
    let client = hub.client();
    let mut connection = client.connect()?;
    for node in [S2_LOCK, S0_LOCK] {
        let lock = lock_of_node(mock, &client, node)
            .with_context(|| format!("the hub said:\n{}", hub.said().join("\n")))?;
        for sample in 0..samples {
            mock.call("stamps", json!({"clear": true}))?;
            let op = if sample % 2 == 0 { "unlock" } else { "lock" };
            let path = format!("/locks/{lock}/commands?wait=30");
            let start = now_ms();
            let command = connection.post(&path, &json!({"op": op}))?;
            let end = now_ms();
            anyhow::ensure!(command["status"] == "done", "the hub failed: {command}");
            take_command(mock, node, start, end, figures)?;
        }
    }
    let events = client.events(None)?;
    for sample in 0..samples {
        measure_event(mock, sample, figures, |kind| {
            let event = events.wait(kind, Deadline::seconds(10), |entry| entry["kind"] == kind)?;
            Ok(event.at_ms)
        })?;
    }
    figures.memory_mib.add(mib(hub.resident_bytes()?));
    hub.stop()?;
    Ok(())
}

/// The lock of the API that is this node of the mock: the one whose bolt moves.
fn lock_of_node(mock: &mut Mock, client: &Client, node: u8) -> Result<String> {
    for lock in items(&client.get("/locks")?) {
        let id = lock["id"].as_str().context("an id")?;
        mock.call("bolt", json!({"node": node, "mode": 0}))?;
        client.post(&format!("/locks/{id}/commands?wait=30"), &json!({"op": "lock"}))?;
        if mock.bolt(node)? == 255 {
            return Ok(id.to_owned());
        }
    }
    anyhow::bail!("no lock is node {node}")
}

fn measure_peer(mock: &mut Mock, cache: &Path, samples: usize, figures: &mut Figures) -> Result<()> {
    let mut peer = Peer::start(mock, cache)?;
    figures.ready.add(peer.ready_ms);
    for node in [S2_LOCK, S0_LOCK] {
        peer.lock(node, true)?;
        for sample in 0..samples {
            mock.call("stamps", json!({"clear": true}))?;
            let (start, end) = peer.lock(node, sample % 2 == 1)?;
            take_command(mock, node, start, end, figures)?;
        }
    }
    for sample in 0..samples {
        measure_event(mock, sample, figures, |kind| {
            let (at, _) = peer.wait(|message| {
                let event = &message["event"];
                let smoke = event["nodeId"] == ALARM && event["args"]["property"] == "Smoke Alarm";
                let keypad = event["nodeId"] == S2_LOCK && event["event"] == "notification";
                event["event"].is_string() && if kind == "lock.operated" { keypad } else { smoke }
            })?;
            Ok(at)
        })?;
    }
    figures.memory_mib.add(mib(peer.resident_bytes()?));
    peer.stop()
}

fn measure_probe(mock: &mut Mock, samples: usize, figures: &mut Figures) -> Result<()> {
    let mut probe = Probe::connect(mock.port(), u16::from(S2_LOCK))?;
    probe.lock(true)?;
    for sample in 0..samples {
        mock.call("stamps", json!({"clear": true}))?;
        let (start, end) = probe.lock(sample % 2 == 1)?;
        take_command(mock, S2_LOCK, start, end, figures)?;
    }
    Ok(())
}

/// Takes the figures of one command from the mock's stamps.
fn take_command(mock: &mut Mock, node: u8, start: f64, end: f64, figures: &mut Figures) -> Result<()> {
    let stamps = mock.call("stamps", json!({"clear": true}))?;
    let first = frames(&stamps, "serialIn", SEND_DATA)
        .next()
        .context("no frame left the host")?;
    if node == S0_LOCK {
        figures.s0_first_frame.add(first - start);
        figures.s0_answered.add(end - start);
        return Ok(());
    }
    // The last frame of the exchange from the node is the Supervision report.
    let confirmed = frames(&stamps, "serialOut", APPLICATION_COMMAND)
        .filter(|at| *at <= end)
        .last();
    figures.first_frame.add(first - start);
    figures
        .confirmed
        .add(confirmed.context("no report left the dongle")? - start);
    figures.answered.add(end - start);
    Ok(())
}

fn frames<'a>(stamps: &'a Value, list: &str, functions: [u64; 2]) -> impl Iterator<Item = f64> + 'a {
    let all = stamps[list].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter()
        .filter(move |stamp| {
            stamp[1]
                .as_u64()
                .is_some_and(|function| functions.contains(&function))
        })
        .filter_map(|stamp| stamp[0].as_f64())
}

/// One smoke alarm with its end, and one keypad unlock, from the serial frame to the client.
fn measure_event(
    mock: &mut Mock,
    sample: usize,
    figures: &mut Figures,
    mut arrival: impl FnMut(&str) -> Result<f64>,
) -> Result<()> {
    for (kind, node, said) in [
        ("alarm.raised", ALARM, (1, 2, vec![])),
        ("alarm.cleared", ALARM, (1, 0, vec![2])),
        ("lock.operated", S2_LOCK, (6, 6, vec![3])),
    ] {
        mock.call("stamps", json!({"clear": true}))?;
        if node == S2_LOCK {
            // A bolt that is where it was reported is no news: it moves to and fro.
            let (event, mode) = if sample.is_multiple_of(2) {
                (6, 0)
            } else {
                (5, 255)
            };
            mock.call("bolt", json!({"node": node, "mode": mode}))?;
            mock.notify(node, said.0, event, &said.2)?;
        } else {
            mock.notify(node, said.0, said.1, &said.2)?;
        }
        let at = arrival(kind)?;
        let stamps = mock.call("stamps", json!({"clear": true}))?;
        let left = frames(&stamps, "serialOut", APPLICATION_COMMAND)
            .filter(|left| *left <= at)
            .last();
        let latency = at - left.context("no frame left the dongle")?;
        match kind {
            "alarm.raised" => figures.smoke.add(latency),
            "lock.operated" => figures.keypad.add(latency),
            _ => {}
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn table(theirs: &Figures, ours: &Figures, floor: &Figures, rounds: usize) -> String {
    let mut lines = vec![
        "## Z-Wave, side by side with @zwave-js/server 3.10.2 (zwave-js 15.29.0)".to_owned(),
        String::new(),
        format!(
            "Measured on {}. Both before the same mock home of four nodes (`tests/peers/zwave`, no delay in the air), in turns, {rounds} \
             rounds, {} samples a row; median / 95th percentile. What hubd answers as \"done\" is on disk then, and its events are spooled or committed \
             when the client has them. On S0, where nothing confirms a command, hubd also reads the bolt back.",
            document::machine(),
            ours.first_frame.count(),
        ),
        String::new(),
        "| | zwave-js server | hubd | hubd : peer | wanted | |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let mut row = |what: &str, theirs: &Samples, ours: &Samples, wanted: Option<f64>| {
        let ratio = ours.median() / theirs.median();
        let (wanted, verdict) = match wanted {
            Some(limit) => (
                format!("at most {limit:.3}"),
                if ratio <= limit { "met" } else { "**missed**" },
            ),
            None => (String::new(), ""),
        };
        lines.push(format!(
            "| {what} | {} | {} | {ratio:.3} | {wanted} | {verdict} |",
            theirs.cell(),
            ours.cell()
        ));
    };
    row(
        "S2 lock: client request to first serial frame, ms",
        &theirs.first_frame,
        &ours.first_frame,
        Some(0.25),
    );
    row(
        "S2 lock: request to the Supervision report leaving the dongle, ms",
        &theirs.confirmed,
        &ours.confirmed,
        None,
    );
    row(
        "S2 lock: request to the client's answer, ms",
        &theirs.answered,
        &ours.answered,
        None,
    );
    row(
        "S0 lock: client request to first serial frame, ms",
        &theirs.s0_first_frame,
        &ours.s0_first_frame,
        None,
    );
    row(
        "S0 lock: request to the client's answer, ms",
        &theirs.s0_answered,
        &ours.s0_answered,
        None,
    );
    row(
        "smoke: serial frame to client event, ms",
        &theirs.smoke,
        &ours.smoke,
        Some(0.25),
    );
    row(
        "keypad unlock: serial frame to client event, ms",
        &theirs.keypad,
        &ours.keypad,
        None,
    );
    row(
        "start to all nodes ready, warm cache, ms",
        &theirs.ready,
        &ours.ready,
        Some(0.1),
    );
    row(
        "resident memory of the server after the run, MiB",
        &theirs.memory_mib,
        &ours.memory_mib,
        Some(0.125),
    );
    let over = ours.confirmed.median() / floor.confirmed.median();
    lines.push(String::new());
    lines.push(format!(
        "A bare native probe (framing, one S2 session, Supervision, no API, no records) needs {} ms to the same report on the same \
         mock; hubd needs {over:.2} times that (wanted: at most 1.15, {}). hubd's resident memory: {:.1} MiB (wanted: under 16 MB, {}).",
        floor.confirmed.cell(),
        if over <= 1.15 { "met" } else { "**missed**" },
        ours.memory_mib.median(),
        if ours.memory_mib.median() * 1.048_576 < 16.0 { "met" } else { "**missed**" },
    ));
    lines.join("\n")
}
