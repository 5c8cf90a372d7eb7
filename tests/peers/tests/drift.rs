//! What happens to codes behind the hub's back: by a factory reset, when the hub is killed, and when it goes on
//! from a backup. Each lock ends with exactly what is wanted.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::fs;

use anyhow::{Context, Result};
use hubd_peers::household::{FOREIGN, Granted, LOCKS};
use hubd_peers::{Deadline, Household, Hub, HubOptions};
use serde_json::{Value, json};

fn pins(granted: &[Granted]) -> Vec<&str> {
    granted.iter().map(|one| one.pin.as_str()).collect()
}

fn people(house: &Household, count: usize) -> Result<Vec<Granted>> {
    (1..=count)
        .map(|number| house.grant(&format!("Person {number}"), &LOCKS))
        .collect()
}

#[test]
fn a_lock_that_lost_its_codes_is_filled_again_after_one_word() -> Result<()> {
    let mut house = Household::start()?;
    let all = people(&house, 5)?;
    house.agree(&pins(&all), Some(FOREIGN))?;
    for node in LOCKS {
        house.forget_codes(node)?;
        house.refresh(node)?;
        house.wait_slots("the loss to be noticed", node, |codes| {
            (!codes["emptied"].is_null()).then_some(())
        })?;
    }
    house.home.mock.call("silence", json!({"ms": 3000}))?;
    for node in LOCKS {
        assert!(house.held(node)?.is_empty(), "node {node}: nobody said so yet");
        let path = format!("/locks/{}/slots/refill", house.id(node)?);
        house.home.client().send("POST", &path, &[], None)?.ok()?;
    }
    house.agree(&pins(&all), None)
}

#[test]
fn a_hub_that_is_killed_in_mid_sync_goes_on_where_it_was() -> Result<()> {
    let mut house = Household::start()?;
    let all = people(&house, 8)?;
    // Killed when some locks have some of the codes.
    for round in 1..=3_usize {
        let Household { home, .. } = &mut house;
        let (hub, mock) = (&mut home.hub, &mut home.mock);
        hub.wait("some codes", Deadline::seconds(120), |_| {
            (mock.codes("codes", 4).ok()?.len() > round * 2).then_some(())
        })?;
        hub.kill()?;
        hub.start()?;
    }
    house.agree(&pins(&all), Some(FOREIGN))?;
    // And when some are on their way out.
    let (gone, stay) = all.split_at(4);
    for one in gone {
        house.revoke(one)?;
    }
    let Household { home, .. } = &mut house;
    home.hub.kill()?;
    home.hub.start()?;
    house.agree(&pins(stay), Some(FOREIGN))
}

#[test]
fn a_hub_that_was_restored_from_a_backup_goes_on() -> Result<()> {
    let mut house = Household::start()?;
    let all = people(&house, 4)?;
    house.agree(&pins(&all), Some(FOREIGN))?;
    let key = house.home.hub.command_ok(&["keys", "make", "--json"], "")?;
    let key: Value = serde_json::from_str(&key)?;
    let key = key["key"].as_str().context("a recovery key")?.to_owned();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("home.hubd-backup").display().to_string();
    house.home.hub.command_ok(&["backup", "create", &file], "")?;
    let slot = house.slot_of(2, &all[0])?;
    house.home.hub.stop()?;
    let said = house.home.hub.said().join("\n");

    // Somebody changes a code while no hub is there to see it.
    hubd_peers::household::plant(&mut house.home.mock, 2, slot, "86420975")?;

    let extra = "[log]\nlevel = \"trace\"\n".to_owned();
    let radio = house.home.mock.url();
    let mut hub = Hub::new(&HubOptions { radio, extra })?;
    hub.command_ok(&["backup", "restore", &file, "--recovery-key", "-"], &key)?;
    hub.use_token_of(&house.home.hub);
    hub.start()?;
    house.home.hub = hub;
    house.home.wait_ready("2,4,5", Deadline::seconds(120))?;
    let new = house.grant("New", &LOCKS)?;
    house.revoke(&all[3])?;
    house.refresh(2)?;
    let mut wanted = pins(&all[..3]);
    wanted.push(&new.pin);
    house.wait_held(2, &wanted)?;
    house.agree(&wanted, Some(FOREIGN))?;
    house.home.hub.stop()?;

    // Nothing that was written anywhere has a PIN in clear.
    let new_said = house.home.hub.said().join("\n");
    let mut written = vec![said.into_bytes(), new_said.into_bytes(), fs::read(&file)?];
    for entry in fs::read_dir(house.home.hub.data())? {
        let path = entry?.path();
        if path.is_file() {
            written.push(fs::read(path)?);
        }
    }
    for pin in pins(&all).into_iter().chain([new.pin.as_str()]) {
        for bytes in &written {
            assert!(
                !bytes.windows(pin.len()).any(|window| window == pin.as_bytes()),
                "a PIN is in clear somewhere"
            );
        }
    }
    Ok(())
}
