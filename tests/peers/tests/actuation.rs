//! A person's request moves a real lock's bolt, and ends as done only when the lock itself confirmed it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::BTreeSet;

use anyhow::Result;
use hubd_peers::home::items;
use hubd_peers::mock::{LOCKED, UNLOCKED};
use hubd_peers::{Deadline, Home, MockOptions};
use serde_json::json;

/// Each way; the promise is 200 times.
const TIMES: u32 = 200;

fn lock_and_unlock_many_times(nodes: &'static str, node: u8) -> Result<()> {
    let mut home = Home::start(nodes)?;
    let lock = home.only_lock()?;
    let start = home
        .journal(0, None)?
        .last()
        .map_or(0, |entry| entry["seq"].as_u64().unwrap());
    let mut commands = BTreeSet::new();
    for round in 0..TIMES {
        for (op, bolt, mode) in [("lock", "locked", LOCKED), ("unlock", "unlocked", UNLOCKED)] {
            let command = home.actuate(&lock, op, &format!("{op}-{round}"))?;
            assert_eq!(
                command["status"], "done",
                "{op} number {round} did not end as done: {command}"
            );
            assert!(
                command["ended_at"].is_string(),
                "an ended command says when: {command}"
            );
            assert_eq!(
                home.mock.bolt(node)?,
                u64::from(mode),
                "the mock lock itself says otherwise after {op} {round}"
            );
            let state = home.client().get(&format!("/locks/{lock}"))?["state"].clone();
            assert_eq!(state["bolt"], bolt, "after {op} {round}: {state}");
            commands.insert(command["id"].as_str().unwrap().to_owned());
        }
    }
    let ended = home.journal(start, Some("command.ended"))?;
    assert_eq!(
        ended.len(),
        commands.len(),
        "each command has one entry of its end"
    );
    assert!(
        ended.iter().all(|entry| entry.to_string().contains("done")),
        "every one ended as done"
    );
    Ok(())
}

#[test]
fn an_s2_lock_locks_and_unlocks_200_times_each() -> Result<()> {
    lock_and_unlock_many_times("2", 2)
}

#[test]
fn an_s0_lock_locks_and_unlocks_200_times_each() -> Result<()> {
    lock_and_unlock_many_times("4", 4)
}

#[test]
fn a_slow_bolt_is_shown_as_a_wish_until_the_lock_reports_it() -> Result<()> {
    let home = Home::start_with(&MockOptions {
        nodes: "2",
        travel_ms: 3000,
        ..MockOptions::default()
    })?;
    let lock = home.only_lock()?;
    let answer = home.client().send(
        "POST",
        &format!("/locks/{lock}/commands"),
        &[("idempotency-key", "slow")],
        Some(&json!({"op": "lock"})),
    )?;
    assert_eq!(
        answer.status, 202,
        "a request is accepted at once: {}",
        answer.body
    );
    let command = answer.json();
    let seen = home.client().get(&format!("/locks/{lock}"))?;
    assert_eq!(
        seen["wish"]["op"], "lock",
        "what was asked is shown as a wish: {seen}"
    );
    assert_ne!(seen["state"]["bolt"], "locked", "a wish is not a fact: {seen}");
    let id = command["id"].as_str().unwrap();
    let ended = home.client().get(&format!("/commands/{id}?wait=30"))?;
    assert_eq!(ended["status"], "done", "the bolt arrives: {ended}");
    let seen = home.client().get(&format!("/locks/{lock}"))?;
    assert_eq!(seen["state"]["bolt"], "locked", "{seen}");
    assert!(seen.get("wish").is_none(), "a fulfilled wish is gone: {seen}");
    Ok(())
}

#[test]
fn a_repeated_request_with_the_same_key_moves_nothing_again() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    home.mock.take_received()?;
    let first = home.actuate(&lock, "lock", "same")?;
    let again = home.actuate(&lock, "lock", "same")?;
    assert_eq!(first["id"], again["id"], "the same key is the same command");
    let sets = home
        .mock
        .take_received()?
        .iter()
        .filter(|(_, cc, cmd)| (*cc, *cmd) == (0x62, 0x01))
        .count();
    assert_eq!(sets, 1, "the lock was asked once");
    let answer = home.client().send(
        "POST",
        &format!("/locks/{lock}/commands"),
        &[("idempotency-key", "same")],
        Some(&json!({"op": "unlock"})),
    )?;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (409, Some("idempotency_conflict")),
        "{}",
        answer.body
    );
    Ok(())
}

#[test]
fn only_a_token_that_may_actuate_moves_a_bolt() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let before = home.mock.bolt(2)?;
    home.mock.take_received()?;
    let reader = home.hub.create_token("reader", "read")?;
    let path = format!("/locks/{lock}/commands?wait=5");
    for (token, status) in [
        (None, 401),
        (Some("hubd_guessed".to_owned()), 401),
        (Some(reader), 403),
    ] {
        let client = home.client().with_token(token.clone());
        let answer = client.send("POST", &path, &[], Some(&json!({"op": "lock"})))?;
        assert_eq!(answer.status, status, "{token:?}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            client.send("GET", "/health", &[], None)?.status,
            200,
            "health needs no token"
        );
    }
    assert_eq!(home.mock.bolt(2)?, before, "nothing moved");
    assert!(
        home.mock.take_received()?.iter().all(|(_, cc, _)| *cc != 0x62),
        "nothing was even sent"
    );
    let actuator = home.hub.create_token("actuator", "actuate")?;
    let client = home.client().with_token(Some(actuator));
    assert_eq!(client.post(&path, &json!({"op": "lock"}))?["status"], "done");
    Ok(())
}

#[test]
fn a_whole_home_works_at_once() -> Result<()> {
    let mut home = Home::start("")?;
    let locks = home.locks()?;
    assert_eq!(locks.len(), 3, "S2, S0 and User Credential locks: {locks:#?}");
    let workers: Vec<_> = locks
        .iter()
        .map(|lock| {
            let (client, id) = (home.client(), lock["id"].as_str().unwrap().to_owned());
            std::thread::spawn(move || -> Result<()> {
                for round in 0..20 {
                    for op in ["lock", "unlock"] {
                        let command =
                            hubd_peers::home::actuate(&client, &id, op, &format!("{id}-{op}-{round}"))?;
                        assert_eq!(command["status"], "done", "{id} {op} {round}: {command}");
                    }
                }
                Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("a worker")?;
    }
    home.hub.wait(
        "every lock to be shown as unlocked",
        Deadline::seconds(10),
        |client| {
            let locks = items(&client.get("/locks").ok()?);
            locks
                .iter()
                .all(|lock| lock["state"]["bolt"] == "unlocked")
                .then_some(())
        },
    )?;
    for node in [2, 4, 5] {
        assert_eq!(home.mock.bolt(node)?, u64::from(UNLOCKED), "node {node}");
    }
    Ok(())
}
