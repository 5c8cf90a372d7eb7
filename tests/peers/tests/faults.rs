//! Cable, dongle and air fail in every way that they can: the hub recovers by itself, loses and doubles no event that
//! reached the dongle, and never shows a state that no lock reported.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::Result;
use hubd_peers::home::radio_state;
use hubd_peers::mock::{LOCKED, UNLOCKED};
use hubd_peers::{Deadline, Home, MockOptions};
use serde_json::{Value, json};

fn mode(op: &str) -> u64 {
    u64::from(if op == "lock" { LOCKED } else { UNLOCKED })
}

/// The slots of the keypad unlocks in the journal, in order.
fn keypad_slots(home: &Home) -> Result<Vec<u64>> {
    let entries = home.journal(0, Some("lock.operated"))?;
    let slots = entries
        .iter()
        .filter(|entry| entry["data"]["via"]["source"] == "keypad");
    Ok(slots
        .filter_map(|entry| entry["data"]["via"]["slot"].as_u64())
        .collect())
}

/// Waits until a keypad unlock with this slot is in the journal.
fn wait_slot(home: &mut Home, slot: u64, what: &str) -> Result<()> {
    home.hub.wait(what, Deadline::seconds(30), |client| {
        let entries = hubd_peers::home::journal(client, 0, Some("lock.operated")).ok()?;
        entries
            .iter()
            .any(|entry| entry["data"]["via"]["slot"] == slot)
            .then_some(())
    })
}

#[test]
fn every_fault_of_the_cable_is_survived_in_both_directions() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let faults = [
        json!({"nak": 1}),
        json!({"can": 1}),
        json!({"swallow": 1}),
        json!({"garbage": 1}),
        json!({"corrupt": 1}),
        json!({"repeat": 1}),
        json!({"half": 1}),
        json!({"jam": 1}),
        json!({"nak": 2, "corrupt": 2}),
        json!({"swallow": 1, "garbage": 1, "repeat": 2}),
    ];
    let mut slot = 0;
    for (index, fault) in faults.iter().enumerate() {
        for op in ["lock", "unlock"] {
            home.mock.faults(fault.clone())?;
            let command = home.actuate(&lock, op, &format!("{index}-{op}"))?;
            assert_eq!(command["status"], "done", "{op} with {fault}: {command}");
            assert_eq!(home.mock.bolt(2)?, mode(op), "{op} with {fault}");
        }
        home.mock.faults(fault.clone())?;
        slot += 1;
        home.mock.keypad_unlock(2, slot)?;
        wait_slot(
            &mut home,
            slot.into(),
            &format!("the keypad unlock during {fault}"),
        )?;
        home.mock.faults(json!({"nak": 0, "can": 0, "swallow": 0, "garbage": 0, "corrupt": 0, "repeat": 0, "half": 0, "jam": 0}))?;
    }
    assert_eq!(
        keypad_slots(&home)?,
        (1..=u64::from(slot)).collect::<Vec<_>>(),
        "each once and in order"
    );
    Ok(())
}

#[test]
fn a_lock_that_lost_its_span_is_resynchronised() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    for round in 0..10_u8 {
        home.mock.call("loseSpan", json!({"node": 2}))?;
        let op = if round % 2 == 0 { "lock" } else { "unlock" };
        let command = home.actuate(&lock, op, &format!("span-{round}"))?;
        assert_eq!(command["status"], "done", "round {round}: {command}");
        assert_eq!(home.mock.bolt(2)?, mode(op), "round {round}");
        home.mock.call("loseSpan", json!({"node": 2}))?;
        home.mock.keypad_unlock(2, round + 1)?;
        wait_slot(
            &mut home,
            u64::from(round) + 1,
            "the keypad unlock after a lost SPAN",
        )?;
    }
    assert_eq!(
        keypad_slots(&home)?,
        (1..=10).collect::<Vec<_>>(),
        "each once and in order"
    );
    Ok(())
}

#[test]
fn both_speak_at_once_and_neither_is_lost() -> Result<()> {
    both_speak_at_once(2, Home::start("2")?)
}

/// Each frame is in the air long enough that the hub's request for a nonce and the lock's own cross.
#[test]
fn both_ask_for_an_s0_nonce_at_once_and_neither_is_lost() -> Result<()> {
    both_speak_at_once(
        4,
        Home::start_with(&MockOptions {
            nodes: "4",
            tx_delay_ms: 30,
            ..MockOptions::default()
        })?,
    )
}

fn both_speak_at_once(node: u8, mut home: Home) -> Result<()> {
    let lock = home.only_lock()?;
    for round in 1..=20_u8 {
        let (client, id) = (home.client(), lock.clone());
        let op = if round % 2 == 0 { "unlock" } else { "lock" };
        let request =
            std::thread::spawn(move || hubd_peers::home::actuate(&client, &id, op, &format!("both-{round}")));
        home.mock.notify(node, 6, 6, &[round])?;
        let command = request.join().expect("the request")?;
        assert_eq!(command["status"], "done", "round {round}: {command}");
        wait_slot(&mut home, round.into(), "the keypad unlock at the same moment")?;
    }
    assert_eq!(
        keypad_slots(&home)?,
        (1..=20).collect::<Vec<_>>(),
        "each once and in order"
    );
    Ok(())
}

#[test]
fn a_dead_lock_ends_the_command_honestly_and_comes_back() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    assert_eq!(home.actuate(&lock, "lock", "first")?["status"], "done");
    let events = home.events()?;
    home.mock.call("dead", json!({"node": 2, "dead": true}))?;
    let command = home.actuate(&lock, "unlock", "in-vain")?;
    assert_eq!(command["status"], "timed_out", "{command}");
    assert!(
        command["reason"].as_str().is_some_and(|reason| reason.len() > 20),
        "it says why in a sentence: {command}"
    );
    let seen = home.client().get(&format!("/locks/{lock}"))?;
    assert_ne!(seen["state"]["bolt"], "unlocked", "nobody reported that: {seen}");
    assert!(seen.get("wish").is_none(), "an ended wish is gone: {seen}");
    events.wait_kind("lock.offline", Deadline::seconds(30))?;
    home.mock.call("dead", json!({"node": 2, "dead": false}))?;
    home.mock.keypad_unlock(2, 9)?;
    events.wait_kind("lock.online", Deadline::seconds(30))?;
    wait_slot(&mut home, 9, "what the lock said when it came back")?;
    assert_eq!(home.actuate(&lock, "lock", "again")?["status"], "done");
    assert_eq!(home.mock.bolt(2)?, u64::from(LOCKED));
    Ok(())
}

#[test]
fn a_jammed_radio_ends_commands_honestly_and_recovers() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let bolt = home.mock.bolt(2)?;
    home.mock.faults(json!({"jam": 100_000}))?;
    let command = home.actuate(&lock, "lock", "jammed")?;
    assert!(
        ["timed_out", "expired"].contains(&command["status"].as_str().unwrap()),
        "{command}"
    );
    assert!(command["reason"].is_string(), "{command}");
    assert_eq!(home.mock.bolt(2)?, bolt, "nothing moved");
    home.mock.faults(json!({"jam": 0}))?;
    home.hub
        .wait("the radio to work", Deadline::seconds(60), |client| {
            (radio_state(client) == "ready").then_some(())
        })?;
    assert_eq!(home.actuate(&lock, "lock", "clear")?["status"], "done");
    Ok(())
}

#[test]
fn a_connection_cut_in_the_middle_of_a_frame_loses_and_doubles_nothing() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    for (index, after) in [1, 2, 7, 20].into_iter().enumerate() {
        let slot = u8::try_from(index)? + 1;
        home.mock.call("cut", json!({"after": after}))?;
        home.mock.keypad_unlock(2, slot)?;
        wait_slot(
            &mut home,
            slot.into(),
            &format!("the keypad unlock whose frame was cut after {after} bytes"),
        )?;
        home.hub
            .wait("the radio to be ready", Deadline::seconds(30), |client| {
                (radio_state(client) == "ready").then_some(())
            })?;
        let op = if index % 2 == 0 { "lock" } else { "unlock" };
        let command = home.actuate(&lock, op, &format!("cut-{index}"))?;
        assert_eq!(command["status"], "done", "after the cut: {command}");
    }
    assert_eq!(keypad_slots(&home)?, vec![1, 2, 3, 4], "each once and in order");
    Ok(())
}

#[test]
fn a_dongle_that_is_gone_for_a_minute_is_reopened() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    assert_eq!(home.actuate(&lock, "lock", "before")?["status"], "done");
    let events = home.events()?;
    home.mock.call("unplug", json!({"seconds": 60}))?;
    home.hub.wait(
        "the hub to say that the dongle is away",
        Deadline::seconds(20),
        |client| {
            ["away", "failing"]
                .contains(&radio_state(client).as_str())
                .then_some(())
        },
    )?;
    events.wait_kind("hub.degraded", Deadline::seconds(10))?;
    let health = home.client().send("GET", "/health", &[], None)?;
    assert_eq!(
        (health.status, health.json()["status"].as_str()),
        (200, Some("degraded")),
        "{}",
        health.body
    );
    let radio = home.client().get("/radios/zwave")?;
    assert!(
        radio["reason"].as_str().is_some_and(|reason| reason.len() > 20),
        "it says what to do: {radio}"
    );
    let answer = home.client().send(
        "POST",
        &format!("/locks/{lock}/commands?wait=30"),
        &[("idempotency-key", "away")],
        Some(&json!({"op": "unlock"})),
    )?;
    let refused = answer.status == 503
        || ["refused", "expired", "timed_out"]
            .iter()
            .any(|end| answer.json()["status"] == *end);
    assert!(
        refused,
        "a door that cannot be reached is not promised: {} {}",
        answer.status, answer.body
    );
    let seen = home.client().get(&format!("/locks/{lock}"))?;
    assert_ne!(seen["state"]["bolt"], "unlocked", "nobody reported that: {seen}");
    home.hub
        .wait("the dongle to be back", Deadline::seconds(120), |client| {
            (radio_state(client) == "ready").then_some(())
        })?;
    assert_eq!(
        home.mock.bolt(2)?,
        u64::from(LOCKED),
        "the old request was not replayed"
    );
    home.mock.keypad_unlock(2, 5)?;
    wait_slot(&mut home, 5, "the first event after the dongle was back")?;
    assert_eq!(home.actuate(&lock, "lock", "after")?["status"], "done");
    Ok(())
}

#[test]
fn a_burst_of_events_during_faults_arrives_once_and_in_order() -> Result<()> {
    let mut home = Home::start("2")?;
    let faults: [Value; 6] = [
        json!({"corrupt": 1}),
        json!({"repeat": 1}),
        json!({"half": 1}),
        json!({"garbage": 1}),
        json!({"nak": 1}),
        json!({"can": 1}),
    ];
    for slot in 1..=60_u8 {
        if slot % 3 == 0 {
            home.mock
                .faults(faults[usize::from(slot / 3) % faults.len()].clone())?;
        }
        home.mock.keypad_unlock(2, slot)?;
    }
    wait_slot(&mut home, 60, "the last of the burst")?;
    assert_eq!(
        keypad_slots(&home)?,
        (1..=60).collect::<Vec<_>>(),
        "each once and in order"
    );
    Ok(())
}
