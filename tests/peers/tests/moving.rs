//! Moving here from Z-Wave JS: its own host included and interviewed the locks; afterwards hubd moves their bolts, and
//! nobody was asked to include anything again.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::process::Command;

use anyhow::Result;
use hubd_peers::home::{actuate, items};
use hubd_peers::lines::Process;
use hubd_peers::mock::{self, known_keys};
use hubd_peers::{Deadline, Home, Hub, HubOptions, Mock, MockOptions};
use serde_json::json;

/// Node info, and the questions by which keys are probed.
const NODE_INFO: [(u64, u64); 2] = [(0x9f, 0x0d), (0x98, 0x02)];

#[test]
fn a_network_of_zwave_js_is_taken_over_with_its_keys_and_nodes() -> Result<()> {
    let mut devices = Mock::start(&MockOptions {
        nodes: "2,4",
        ..MockOptions::default()
    })?;
    for node in [2, 4] {
        devices.call("setCode", json!({"node": node, "slot": 3, "code": "004711"}))?;
    }
    let folder = tempfile::tempdir()?;
    let mut driver = Command::new("node");
    driver
        .arg("driver.cjs")
        .arg(devices.port().to_string())
        .arg(folder.path())
        .current_dir(mock::folder());
    let mut driver = Process::start(&mut driver)?;
    driver.wait_line(Deadline::seconds(120), |line| (line == "ready").then_some(()))?;
    drop(driver);
    devices.take_received()?;

    let hub = Hub::new(&HubOptions {
        radio: devices.url(),
        extra: "[log]\nlevel = \"debug\"\n".to_owned(),
    })?;
    let settings = json!({"zwave": {"port": "/dev/x", "securityKeys": known_keys()}}).to_string();
    let cache = folder.path().display().to_string();
    let said = hub.command_ok(
        &["import", "zwave-js", "zwave", "--keys", "-", "--cache", &cache],
        &settings,
    )?;
    assert!(
        said.contains("2 nodes are known, 2 of them with security"),
        "{said}"
    );
    let mut home = Home { mock: devices, hub };
    home.hub.start()?;
    home.wait_ready("2,4", Deadline::seconds(60))?;
    home.mock.silence(500, Deadline::seconds(120))?;
    for lock in items(&home.client().get("/locks")?) {
        let id = lock["id"].as_str().unwrap();
        let command = actuate(&home.client(), id, "unlock", &format!("moving-{id}"))?;
        assert_eq!(command["status"], "done", "{lock}: {command}");
    }
    let received = home.mock.take_received()?;
    let asked: Vec<_> = received
        .iter()
        .filter(|(_, class, command)| NODE_INFO.contains(&(*class, *command)))
        .collect();
    assert!(
        asked.is_empty(),
        "keys and classes were known already: {asked:02x?}"
    );
    for node in [2, 4] {
        let code = home.mock.call("codes", json!({"node": node}))?;
        assert!(
            code.to_string().contains("004711"),
            "node {node} lost its code: {code}"
        );
    }
    Ok(())
}
