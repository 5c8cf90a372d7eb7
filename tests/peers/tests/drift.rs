//! What happens to codes behind the hub's back: by a factory reset, when the hub is killed, and when it goes on
//! from a backup. Each lock ends with exactly what is wanted.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use hubd_peers::household::{FOREIGN, FOREIGN_SLOT, Granted, LOCKS, is_pending};
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
    house.home.mock.silence(3000, Deadline::seconds(120))?;
    for node in LOCKS {
        assert!(house.held(node)?.is_empty(), "node {node}: nobody said so yet");
        house.refill(node, None)?;
    }
    house.agree(&pins(&all), None)
}

/// A code that somebody types in, beside the one that was there before the hub.
const TYPED: &str = "864203";
const TYPED_SLOT: u16 = 20;
/// What somebody changes one of ours to.
const CHANGED: &str = "975310";

/// Lets so many seconds pass.
fn pause(house: &mut Household, seconds: u64) -> Result<()> {
    let over = Deadline::seconds(seconds);
    while over.left_at_most(Duration::from_secs(1)).is_some() {
        house.home.mock.silence(300, Deadline::seconds(120))?;
    }
    Ok(())
}

#[test]
fn what_is_changed_or_deleted_at_the_keypad_is_put_right() -> Result<()> {
    let mut house = Household::start()?;
    let all = people(&house, 4)?;
    house.agree(&pins(&all), Some(FOREIGN))?;
    let mut wanted = pins(&all);
    wanted.push(TYPED);
    // What a lock says of a slot right after the hub wrote it is its echo.
    pause(&mut house, 16)?;
    // The lock tells it, or it says nothing and the hub finds out when it looks.
    for tells in [true, false] {
        let from = house.home.journal(0, None)?.len() as u64;
        for node in LOCKS {
            let (changed, deleted) = (house.slot_of(node, &all[0])?, house.slot_of(node, &all[1])?);
            if tells {
                // One thing after the other, as with one hand.
                house.type_in(node, TYPED_SLOT, TYPED)?;
                house.wait_drift(node, from, 1)?;
                house.type_in(node, changed, CHANGED)?;
                house.wait_drift(node, from, 2)?;
                house.delete(node, deleted)?;
                house.wait_drift(node, from, 3)?;
            } else {
                house.change_silently(node, changed, Some(CHANGED))?;
                house.change_silently(node, deleted, None)?;
                house.refresh(node)?;
            }
        }
        for node in LOCKS {
            house
                .wait_held(node, &wanted)
                .with_context(|| format!("told by the lock: {tells}"))?;
            house.wait_slots("it to be quiet", node, |codes| {
                let slots = codes["slots"].as_array()?;
                (!slots.iter().any(is_pending)).then_some(())
            })?;
            let held = house.held(node)?;
            for (slot, code) in [(FOREIGN_SLOT, FOREIGN), (TYPED_SLOT, TYPED)] {
                let there = held.get(&slot.to_string()).map(String::as_str);
                assert_eq!(there, Some(code), "node {node}: what others typed in stays");
            }
            let slots = house.slots(node)?;
            let foreign = slots["slots"].as_array().context("a list")?;
            let foreign: Vec<u64> = foreign
                .iter()
                .filter(|slot| slot["holder"] == "foreign")
                .filter_map(|slot| slot["slot"].as_u64())
                .collect();
            assert_eq!(foreign, [7, 20], "node {node}: both are shown as somebody else's");
            house
                .wait_drift(node, from, if tells { 3 } else { 2 })
                .context("the household hears of each")?;
        }
    }
    Ok(())
}

#[test]
fn a_lock_that_was_reset_and_included_again_is_filled_after_one_word() -> Result<()> {
    let mut house = Household::start()?;
    let all = people(&house, 4)?;
    house.agree(&pins(&all), Some(FOREIGN))?;
    for (node, new) in [(2, 10), (4, 11), (5, 12)] {
        let old = house.include_again(node, new)?;
        // Nobody waits ten minutes for the first look at its codes.
        house.refresh(new)?;
        house.wait_slots("the hub to see whose place it could take", new, |codes| {
            let could = codes["could_replace"].as_array()?;
            (*could == [json!(old)] && !codes["read_at"].is_null()).then_some(())
        })?;
        house.home.mock.silence(2000, Deadline::seconds(120))?;
        assert!(
            house.held(new)?.is_empty(),
            "node {new}: nobody said that it takes the place of the old one"
        );
        house.refill(new, Some(&old))?;
    }
    for new in [10, 11, 12] {
        house.agree_on(new, &pins(&all), None)?;
    }
    Ok(())
}

/// The hour itself passes in the simulation, `a_lock_that_was_away_for_an_hour_holds_what_is_wanted_when_it_is_back`; here
/// it is as long as `HUBD_AWAY_SECONDS` says, 20 seconds unless that is set.
#[test]
fn locks_that_were_away_hold_what_is_wanted_when_they_are_back() -> Result<()> {
    let seconds = std::env::var("HUBD_AWAY_SECONDS")
        .ok()
        .map_or(Ok(20), |text| text.parse::<u64>())?;
    let mut house = Household::start()?;
    let mut all = people(&house, 4)?;
    house.agree(&pins(&all), Some(FOREIGN))?;
    for node in LOCKS {
        house.away(node, true)?;
    }
    house.revoke(&all.remove(0))?;
    all.push(house.grant("New", &LOCKS)?);
    let path = format!("/credentials/{}/rotation", all[0].id);
    let rotated = house.home.client().post(&path, &json!({}))?;
    all[0].pin = rotated["pin"].as_str().context("a new PIN")?.to_owned();
    for node in LOCKS {
        house.wait_slots("a try in vain", node, |codes| {
            let slots = codes["slots"].as_array()?;
            slots
                .iter()
                .any(|slot| !slot["tried"]["failure"].is_null())
                .then_some(())
        })?;
    }
    pause(&mut house, seconds)?;
    for node in LOCKS {
        assert!(
            !house.held(node)?.values().any(|code| *code == all[3].pin),
            "node {node} was out of reach"
        );
        house.away(node, false)?;
        house.speak(node)?;
    }
    house.agree(&pins(&all), Some(FOREIGN))
}

#[test]
fn what_is_typed_in_where_a_code_waits_for_its_first_try_stays() -> Result<()> {
    let mut house = Household::start()?;
    let known = house.grant("Known", &LOCKS)?;
    house.agree(&[&known.pin], Some(FOREIGN))?;
    // Just seen empty, so that the code leaves without another look.
    for node in LOCKS {
        house.refresh(node)?;
    }
    house.agree(&[&known.pin], Some(FOREIGN))?;
    for node in LOCKS {
        house.away(node, true)?;
    }
    let waiting = house.grant("Waiting", &LOCKS)?;
    for node in LOCKS {
        house.wait_slots("a try in vain", node, |codes| {
            let slots = codes["slots"].as_array()?;
            slots
                .iter()
                .any(|slot| slot["credential"] == waiting.id.as_str() && !slot["tried"]["failure"].is_null())
                .then_some(())
        })?;
        let slot = house.slot_of(node, &waiting)?;
        house.change_silently(node, slot, Some(TYPED))?;
        house.away(node, false)?;
        house.speak(node)?;
        house
            .wait_held(node, &[&known.pin, &waiting.pin, TYPED])
            .with_context(|| format!("node {node}: somebody typed into slot {slot} meanwhile"))?;
        let there = house.held(node)?.get(&slot.to_string()).cloned();
        assert_eq!(there.as_deref(), Some(TYPED), "node {node}");
    }
    Ok(())
}

/// Whatever the hub confirmed about people is there after it was killed in the next moment.
#[test]
fn what_was_confirmed_about_people_survives_a_kill() -> Result<()> {
    let mut house = Household::start()?;
    let mut known = house.grant("First", &LOCKS)?;
    for round in 1..=8 {
        let client = house.home.client();
        match round % 4 {
            0 => {
                client.post(&format!("/credentials/{}/rotation", known.id), &json!({}))?;
            }
            1 => known = house.grant(&format!("Person {round}"), &LOCKS)?,
            2 => {
                let path = format!("/credentials/{}", known.id);
                let body = json!({"label": format!("Label {round}")});
                client.send("PATCH", &path, &[], Some(&body))?.ok()?;
            }
            _ => house.revoke(&known)?,
        }
        house.home.hub.kill()?;
        house.home.hub.start()?;
        let client = house.home.client();
        let path = format!("/credentials/{}", known.id);
        let answer = client.send("GET", &path, &[], None)?;
        let shown = answer.json();
        match round % 4 {
            0 => {
                let rotated = house.home.journal(0, Some("credential.changed"))?;
                let last = rotated.last().context("an entry")?;
                assert_eq!(last["data"]["change"], "rotated", "round {round}: {last}");
            }
            1 => assert_eq!(shown["id"], known.id.as_str(), "round {round}: {shown}"),
            2 => assert_eq!(shown["label"], format!("Label {round}"), "round {round}: {shown}"),
            _ => {
                let gone = answer.status == 404 || shown["standing"]["state"] == "removed";
                assert!(gone, "round {round}: {shown}");
                known = house.grant(&format!("Person {round}"), &LOCKS)?;
            }
        }
    }
    Ok(())
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
