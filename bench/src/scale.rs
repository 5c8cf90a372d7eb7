//! What must stay flat: the daemon's memory and the latency of its commands with ten and two hundred locks, and with an empty
//! journal and one of a million entries.

use anyhow::{Context, Result};
use hubd_peers::clock::now_ms;
use hubd_peers::home::{items, radio_state};
use hubd_peers::{Deadline, Hub, HubOptions, Mock, MockOptions};
use serde_json::json;

use crate::document;
use crate::journal;
use crate::stats::Samples;

const SAMPLES: usize = 200;

/// How big a house is.
struct Size {
    nodes: &'static str,
    locks: usize,
    entries: u64,
}

/// What it showed.
struct Figures {
    memory_mib: f64,
    ready_ms: f64,
    first_frame: Samples,
    answered: Samples,
    list: Samples,
    page: Samples,
}

/// Measures three houses.
///
/// # Errors
/// When one of them fails.
pub(crate) fn run(entries: u64) -> Result<()> {
    let sizes = [
        Size {
            nodes: "2,6-14",
            locks: 10,
            entries: 0,
        },
        Size {
            nodes: "2,6-204",
            locks: 200,
            entries: 0,
        },
        Size {
            nodes: "2,6-204",
            locks: 200,
            entries,
        },
    ];
    let mut lines = vec![
        format!("## Two hundred locks and {entries} journal entries"),
        String::new(),
        format!(
            "Measured on {}, against the mock home with S2 locks; {SAMPLES} commands to locks in turn; median / 95th percentile.",
            document::machine()
        ),
        String::new(),
        "| locks | journal entries | resident, MiB | start to ready, warm cache, ms | request to first serial frame, ms | \
         request to answer, ms | list of locks, ms | page of one lock's 200 latest events, ms |"
            .to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for size in sizes {
        let figures =
            measure(&size).with_context(|| format!("{} locks, {} entries", size.locks, size.entries))?;
        lines.push(format!(
            "| {} | {} | {:.1} | {:.0} | {} | {} | {} | {} |",
            size.locks,
            size.entries,
            figures.memory_mib,
            figures.ready_ms,
            figures.first_frame.cell(),
            figures.answered.cell(),
            figures.list.cell(),
            figures.page.cell()
        ));
    }
    document::write("scale", &lines.join("\n"))
}

fn measure(size: &Size) -> Result<Figures> {
    let mut mock = Mock::start(&MockOptions {
        nodes: size.nodes,
        ..MockOptions::default()
    })?;
    let mut hub = Hub::new(&HubOptions {
        radio: mock.url(),
        ..HubOptions::default()
    })?;
    hub.import_keys()?;
    hub.create_token_once()?;
    if size.entries > 0 {
        journal::prepare(&hub.data(), size.entries)?;
    }
    // The first start asks every lock what it is.
    start(&mut hub, size.locks)?;
    // Then every slot of each is read for the first time.
    mock.silence(3000, Deadline::seconds(3600))?;
    hub.stop()?;
    let ready_ms = start(&mut hub, size.locks)?;
    let client = hub.client();
    let mut connection = client.connect()?;
    let locks = items(&client.get("/locks")?);
    let id = |index: usize| {
        locks
            .get(index % locks.len())
            .and_then(|lock| lock["id"].as_str())
            .context("an id")
    };
    // Each lock once, so that every session stands.
    for index in 0..locks.len() {
        command(&mut connection, id(index)?, "lock")?;
    }
    let (mut first_frame, mut answered, mut list, mut page) = (
        Samples::default(),
        Samples::default(),
        Samples::default(),
        Samples::default(),
    );
    for sample in 0..SAMPLES {
        mock.call("stamps", json!({"clear": true}))?;
        let start = now_ms();
        command(
            &mut connection,
            id(sample * 7)?,
            if sample.is_multiple_of(2) {
                "unlock"
            } else {
                "lock"
            },
        )?;
        answered.add(now_ms() - start);
        let stamps = mock.call("stamps", json!({"clear": true}))?;
        first_frame.add(
            stamps["serialIn"][0][0]
                .as_f64()
                .context("a frame left the hub")?
                - start,
        );
    }
    let lock = id(0)?;
    for _ in 0..50 {
        let start = now_ms();
        client.get("/locks")?;
        list.add(now_ms() - start);
        let start = now_ms();
        client.get(&format!("/events?lock={lock}&limit=200"))?;
        page.add(now_ms() - start);
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let memory_mib = hub.resident_bytes()? as f64 / (1024.0 * 1024.0);
    hub.stop()?;
    Ok(Figures {
        memory_mib,
        ready_ms,
        first_frame,
        answered,
        list,
        page,
    })
}

fn command(connection: &mut hubd_peers::http::Connection, lock: &str, op: &str) -> Result<()> {
    let command = connection.post(&format!("/locks/{lock}/commands?wait=30"), &json!({"op": op}))?;
    anyhow::ensure!(command["status"] == "done", "the hub failed: {command}");
    Ok(())
}

/// Starts the hub; milliseconds until every lock is known with its state.
fn start(hub: &mut Hub, locks: usize) -> Result<f64> {
    let start = now_ms();
    hub.launch()?;
    hub.wait("every lock to be ready", Deadline::seconds(600), |client| {
        let known = items(&client.get("/locks").ok()?);
        let heard = known
            .iter()
            .filter(|lock| lock["state"]["bolt"] != "unknown")
            .count();
        (radio_state(client) == "ready" && heard == locks).then_some(())
    })?;
    Ok(now_ms() - start)
}
