//! The dongle's memory against the peer: zwave-js itself writes and reads the memory of its mock dongle, so it judges
//! whether a copy that was put into another dongle is the network that it was.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::{Context, Result};
use hubd_peers::home::actuate;
use hubd_peers::household::{FOREIGN, LOCKS};
use hubd_peers::{Deadline, Home, Household, Hub, HubOptions};
use serde_json::{Value, json};

/// The network of a dongle that was never in this home.
const OTHER_HOME: u32 = 0x0bad_f00d;

#[test]
fn a_backup_makes_a_new_machine_and_a_new_dongle_the_same_home() -> Result<()> {
    let mut house = Household::start()?;
    let all = (1..=3)
        .map(|number| house.grant(&format!("Person {number}"), &LOCKS))
        .collect::<Result<Vec<_>>>()?;
    let pins: Vec<&str> = all.iter().map(|one| one.pin.as_str()).collect();
    house.agree(&pins, Some(FOREIGN))?;
    let key = house.home.hub.command_ok(&["keys", "make", "--json"], "")?;
    let key: Value = serde_json::from_str(&key)?;
    let key = key["key"].as_str().context("a recovery key")?.to_owned();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("home.hubd-backup").display().to_string();
    let made = house.home.hub.command_ok(&["backup", "create", &file], "")?;
    println!("{made}");
    let network = house.home.mock.call("network", json!({}))?;
    house.home.hub.stop()?;

    // The machine and its dongle are gone.
    house
        .home
        .mock
        .call("replaceDongle", json!({"homeId": OTHER_HOME}))?;
    let fresh = house.home.mock.call("network", json!({}))?;
    assert_eq!(fresh, json!({"homeId": OTHER_HOME, "nodes": []}));
    let mut hub = Hub::new(&HubOptions {
        radio: house.home.mock.url(),
        extra: "[log]\nlevel = \"debug\"\n".to_owned(),
    })?;
    let restore = [
        "backup",
        "restore",
        &file,
        "--recovery-key",
        "-",
        "--write-dongle",
        "zwave",
        "--yes",
    ];
    println!("{}", hub.command_ok(&restore, &key)?);
    hub.use_token_of(&house.home.hub);
    hub.start()?;
    house.home.hub = hub;
    let Home { hub, mock } = &mut house.home;
    hub.wait(
        "the network to be in the new dongle",
        Deadline::seconds(120),
        |_| (mock.call("network", json!({})).ok()? == network).then_some(()),
    )?;
    house.home.wait_ready("2,4,5", Deadline::seconds(180))?;

    // Everything goes on, and nobody was asked to include anything again.
    let new = house.grant("New", &LOCKS)?;
    house.revoke(&all[2])?;
    house.agree(&[pins[0], pins[1], &new.pin], Some(FOREIGN))?;
    for node in LOCKS {
        let lock = house.id(node)?.to_owned();
        let command = actuate(&house.home.client(), &lock, "unlock", &format!("after-{node}"))?;
        assert_eq!(command["status"], "done", "node {node}: {command}");
    }
    Ok(())
}

#[test]
fn a_copy_is_written_into_another_dongle_while_the_hub_runs() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    println!("{}", home.hub.command_ok(&["radio", "copy-dongle", "zwave"], "")?);
    let network = home.mock.call("network", json!({}))?;
    home.mock.call("replaceDongle", json!({"homeId": OTHER_HOME}))?;
    home.hub
        .wait("the other dongle to work", Deadline::seconds(60), |client| {
            (hubd_peers::home::radio_state(client) == "ready").then_some(())
        })?;
    let refused = home.hub.command(&["radio", "write-dongle", "zwave"], "")?;
    assert!(
        !refused.status.success(),
        "nobody said that the other network may be lost"
    );
    println!(
        "{}",
        home.hub
            .command_ok(&["radio", "write-dongle", "zwave", "--yes"], "")?
    );
    assert_eq!(home.mock.call("network", json!({}))?, network);
    home.wait_ready("2", Deadline::seconds(120))?;
    assert_eq!(home.only_lock()?, lock, "it is the lock that it was");
    let command = home.actuate(&lock, "unlock", "after")?;
    assert_eq!(command["status"], "done", "{command}");
    Ok(())
}
