//! A restart costs no lock any battery, a lost cache costs no lock a code, and a wish from before it is never replayed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hubd_peers::home::radio_state;
use hubd_peers::mock::UNLOCKED;
use hubd_peers::{Deadline, Home, Hub, HubOptions, Mock, MockOptions};
use serde_json::json;

const USER_CODE: u64 = 0x63;
const USER_CREDENTIAL: u64 = 0x83;
const DOOR_LOCK: u64 = 0x62;
const SECURITY_0: u64 = 0x98;
const SECURITY_2: u64 = 0x9f;
const SUPERVISION: u64 = 0x6c;

/// The nodes that run on batteries.
const LOCKS: [u8; 3] = [2, 4, 5];

#[test]
fn a_restart_is_ready_from_the_cache_without_a_needless_frame() -> Result<()> {
    // Stopped as soon as everything is known: what was learnt is kept all the same.
    let mut home = Home::start("")?;
    let before = home.locks()?;
    home.hub.stop()?;
    home.mock.take_received()?;
    home.hub.start()?;
    home.wait_ready("", Deadline::seconds(20))?;
    home.mock.silence(5000, Deadline::seconds(120))?;
    let received = home.mock.take_received()?;
    for node in LOCKS.map(u64::from) {
        let of_node = received.iter().filter(|(to, _, _)| *to == node);
        // Where the bolt is now is worth one question: somebody may have turned it meanwhile. Nonces belong to it.
        let needless: Vec<_> = of_node
            .clone()
            .filter(|(_, cc, cmd)| {
                (*cc, *cmd) != (DOOR_LOCK, 0x02) && ![SECURITY_0, SECURITY_2, SUPERVISION].contains(cc)
            })
            .collect();
        assert!(
            needless.is_empty(),
            "node {node} was woken for (node, class, command) {needless:02x?}"
        );
        let questions = of_node
            .filter(|(_, cc, cmd)| (*cc, *cmd) == (DOOR_LOCK, 0x02))
            .count();
        assert!(
            questions <= 1,
            "node {node} was asked {questions} times where its bolt is"
        );
    }
    let names = |locks: &[serde_json::Value]| {
        locks
            .iter()
            .map(|lock| lock["id"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&home.locks()?), names(&before), "ids survive a restart");
    Ok(())
}

fn plant(mock: &mut Mock) -> Result<()> {
    for (node, set) in [(2, "setCode"), (4, "setCode"), (5, "setCredential")] {
        for (slot, code) in [(1, "1379"), (3, "004711"), (20, "83726150")] {
            mock.call(set, json!({"node": node, "slot": slot, "code": code}))?;
        }
    }
    Ok(())
}

fn check_codes(mock: &mut Mock, when: &str) -> Result<()> {
    let planted: BTreeMap<String, String> = [("1", "1379"), ("3", "004711"), ("20", "83726150")]
        .map(|(slot, code)| (slot.into(), code.into()))
        .into();
    for (node, list) in [(2, "codes"), (4, "codes"), (5, "credentials")] {
        assert_eq!(mock.codes(list, node)?, planted, "codes of node {node} {when}");
    }
    // Setting a code to what it was would not be seen above.
    let sets: Vec<_> = mock
        .take_received()?
        .into_iter()
        .filter(|(_, cc, cmd)| match *cc {
            USER_CODE => [0x01, 0x0b, 0x0e, 0x08].contains(cmd),
            USER_CREDENTIAL => [0x05, 0x0a, 0x0f, 0x11, 0x14].contains(cmd),
            _ => false,
        })
        .collect();
    assert!(
        sets.is_empty(),
        "{when}: a lock was told to change codes: {sets:02x?}"
    );
    Ok(())
}

#[test]
fn no_code_on_a_lock_is_ever_deleted_or_changed() -> Result<()> {
    let mut mock = Mock::start(&MockOptions::default())?;
    plant(&mut mock)?;
    let hub = Hub::new(&HubOptions {
        radio: mock.url(),
        ..HubOptions::default()
    })?;
    hub.import_keys()?;
    let mut home = Home { mock, hub };
    home.hub.start()?;
    home.wait_ready("", Deadline::seconds(120))?;
    home.mock.silence(3000, Deadline::seconds(120))?;
    check_codes(&mut home.mock, "after the first interview")?;

    // The cache is lost: every lock is new to the adapter. A wiped cache is what makes other software delete codes.
    home.hub.stop()?;
    let wiped = home.hub.database()?.execute("DELETE FROM adapter_cache", [])?;
    assert_eq!(wiped, 1, "there was a cache to lose");
    home.hub.start()?;
    home.wait_ready("", Deadline::seconds(120))?;
    home.mock.silence(3000, Deadline::seconds(120))?;
    check_codes(&mut home.mock, "after the cache was lost")?;

    // A cache that is there but damaged is no reason either.
    home.hub.stop()?;
    home.hub
        .database()?
        .execute("UPDATE adapter_cache SET bytes = x'00ff00ff'", [])?;
    home.hub.start()?;
    home.wait_ready("", Deadline::seconds(120))?;
    home.mock.silence(3000, Deadline::seconds(120))?;
    check_codes(&mut home.mock, "after the cache was damaged")?;

    // Nor is a hub that is new altogether, with the network's keys.
    home.hub.stop()?;
    home.hub = Hub::new(&HubOptions {
        radio: home.mock.url(),
        ..HubOptions::default()
    })?;
    home.hub.import_keys()?;
    home.hub.start()?;
    home.wait_ready("", Deadline::seconds(120))?;
    home.mock.silence(3000, Deadline::seconds(120))?;
    check_codes(&mut home.mock, "with a new hub")
}

#[test]
fn a_known_lock_moves_at_once_although_the_cache_is_lost() -> Result<()> {
    // One with S2 and one with S0.
    let mut home = Home::start("2,4")?;
    home.mock.silence(3000, Deadline::seconds(120))?;
    for node in [2, 4] {
        home.mock.call("bolt", json!({"node": node, "mode": 255}))?;
    }
    home.hub.stop()?;
    let wiped = home.hub.database()?.execute("DELETE FROM adapter_cache", [])?;
    assert_eq!(wiped, 1, "there was a cache to lose");
    home.hub.start()?;
    home.hub
        .wait("the radio to be ready", Deadline::seconds(30), |client| {
            (radio_state(client) == "ready").then_some(())
        })?;
    // Not one question of the interview was answered yet.
    for lock in home.locks()? {
        let id = lock["id"].as_str().context("a lock has an id")?;
        let command = home.actuate(id, "unlock", &format!("at-once-{id}"))?;
        assert_eq!(command["status"], "done", "{command}");
    }
    for node in [2, 4] {
        assert_eq!(home.mock.bolt(node)?, 0, "node {node}");
    }
    home.wait_ready("2,4", Deadline::seconds(120))
}

#[test]
fn a_wish_from_before_a_restart_is_never_replayed() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    assert_eq!(home.actuate(&lock, "unlock", "open")?["status"], "done");
    home.mock.call("dead", json!({"node": 2, "dead": true}))?;
    let answer = home.client().send(
        "POST",
        &format!("/locks/{lock}/commands"),
        &[("idempotency-key", "stale")],
        Some(&json!({"op": "lock"})),
    )?;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    home.hub.kill()?;
    // What had left before the kill reaches a lock that does not hear it.
    home.mock.silence(2000, Deadline::seconds(120))?;
    home.mock.call("dead", json!({"node": 2, "dead": false}))?;
    home.mock.take_received()?;
    home.hub.start()?;
    home.wait_ready("2", Deadline::seconds(60))?;
    home.mock.silence(3000, Deadline::seconds(120))?;
    let sets = home
        .mock
        .take_received()?
        .iter()
        .filter(|(_, cc, cmd)| (*cc, *cmd) == (DOOR_LOCK, 0x01))
        .count();
    assert_eq!(sets, 0, "nothing was sent for a command from before the restart");
    assert_eq!(home.mock.bolt(2)?, u64::from(UNLOCKED), "the bolt stayed");
    // What was accepted and durable has an end; what was not is unknown. Either way a repeat of the key is answered.
    let command = home.client().send("GET", &format!("/commands/{id}"), &[], None)?;
    if command.status == 200 {
        let status = command.json()["status"].as_str().unwrap_or_default().to_owned();
        assert!(
            ["timed_out", "expired"].contains(&status.as_str()),
            "it ended honestly: {}",
            command.body
        );
    }
    Ok(())
}

#[test]
fn everything_that_a_person_sees_survives_a_restart() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    home.mock.keypad_unlock(2, 3)?;
    home.hub
        .wait("the keypad unlock", Deadline::seconds(20), |client| {
            let seen = client.get(&format!("/locks/{lock}")).ok()?;
            (seen["state"]["via"]["slot"] == 3).then_some(())
        })?;
    home.mock.call("battery", json!({"node": 2, "level": 41}))?;
    home.hub
        .wait("the battery level", Deadline::seconds(20), |client| {
            (client.get(&format!("/locks/{lock}")).ok()?["battery_percent"] == 41).then_some(())
        })?;
    let journal = home.journal(0, None)?;
    home.hub.kill()?;
    home.hub.start()?;
    home.wait_ready("2", Deadline::seconds(60))?;
    let seen = home.client().get(&format!("/locks/{lock}"))?;
    assert_eq!(seen["state"]["bolt"], "unlocked", "{seen}");
    assert_eq!(seen["battery_percent"], 41, "{seen}");
    let after = home.journal(0, None)?;
    assert_eq!(
        after[..journal.len()],
        journal[..],
        "the journal is as it was, and longer"
    );
    Ok(())
}
