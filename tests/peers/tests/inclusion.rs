//! Devices come into the network with the protection that they offer, or are of no use; and they leave it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::Result;
use hubd_peers::home::items;
use hubd_peers::mock::UNLOCKED;
use hubd_peers::{Deadline, Home};
use serde_json::{Value, json};

const INCLUSION: &str = "/radios/zwave/inclusion";
const EXCLUSION: &str = "/radios/zwave/exclusion";

/// Waits until the inclusion (or exclusion) is in one of these states.
fn wait_state(home: &mut Home, path: &str, states: &[&str]) -> Result<Value> {
    home.hub.wait(
        &format!("{path} to be {states:?}"),
        Deadline::seconds(90),
        |client| {
            let progress = client.get(path).ok()?;
            states.contains(&progress["state"].as_str()?).then_some(progress)
        },
    )
}

/// Starts an inclusion of a mock device and answers the question for its PIN with what `pin` makes of the right one.
fn include_with_pin(home: &mut Home, id: u8, kind: &str, pin: impl Fn(&str) -> String) -> Result<Value> {
    home.mock.call("include", json!({"id": id, "kind": kind}))?;
    home.client().post(INCLUSION, &json!({"strategy": "default"}))?;
    let asking = wait_state(home, INCLUSION, &["asking", "failed"])?;
    assert_eq!(asking["state"], "asking", "it asks for the PIN: {asking}");
    assert_eq!(asking["question"]["kind"], "dsk_pin", "{asking}");
    let dsk = home.mock.call("dsk", json!({}))?["dsk"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = asking["question"]["dsk"].as_str().unwrap();
    assert!(
        shown.ends_with(&dsk[5..]),
        "it shows the rest of the key, {}, as the device has it: {shown}",
        &dsk[5..]
    );
    assert!(!shown.contains(&dsk[..5]), "and not the PIN: {shown}");
    home.client().post(
        &format!("{INCLUSION}/answer"),
        &json!({"dsk_pin": pin(&dsk[..5])}),
    )?;
    wait_state(home, INCLUSION, &["done", "failed"])
}

fn works(home: &mut Home, done: &Value, node: u8) -> Result<String> {
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["device"]["kind"], "lock", "{done}");
    let lock = done["device"]["id"]
        .as_str()
        .expect("a lock that is done has an id")
        .to_owned();
    for (op, mode) in [("lock", 255), ("unlock", 0)] {
        let command = home.actuate(&lock, op, &format!("{node}-{op}"))?;
        assert_eq!(command["status"], "done", "{op}: {command}");
        assert_eq!(home.mock.bolt(node)?, mode, "after {op}");
    }
    Ok(lock)
}

#[test]
fn a_lock_is_included_with_s2_and_its_pin_and_excluded_again() -> Result<()> {
    let mut home = Home::start("3")?;
    let events = home.events()?;
    let done = include_with_pin(&mut home, 10, "s2", str::to_owned)?;
    assert_eq!(done["security"], "s2_access_control", "{done}");
    let lock = works(&mut home, &done, 10)?;
    let included = events.wait_kind("device.included", Deadline::seconds(5))?;
    assert_eq!(
        included.data["data"]["security"], "s2_access_control",
        "{}",
        included.data
    );

    home.mock.call("remove", json!({"id": 10}))?;
    home.client().post(EXCLUSION, &json!({}))?;
    let gone = wait_state(&mut home, EXCLUSION, &["done", "failed"])?;
    assert_eq!(gone["state"], "done", "{gone}");
    events.wait("the lock to be excluded", Deadline::seconds(20), |entry| {
        entry["kind"] == "device.excluded" && entry["lock"] == lock.as_str()
    })?;
    assert!(home.locks()?.is_empty(), "an excluded lock is gone");
    assert_eq!(
        home.mock.call("nodes", json!({}))?["nodes"],
        json!([3]),
        "also from the network"
    );
    Ok(())
}

#[test]
fn a_lock_is_included_with_s0() -> Result<()> {
    let mut home = Home::start("3")?;
    home.mock.call("include", json!({"id": 11, "kind": "s0"}))?;
    home.client().post(INCLUSION, &json!({"strategy": "s0"}))?;
    let done = wait_state(&mut home, INCLUSION, &["done", "failed"])?;
    assert_eq!(done["security"], "s0", "{done}");
    works(&mut home, &done, 11)?;
    Ok(())
}

#[test]
fn an_s0_lock_is_included_with_s0_when_the_strategy_is_left_to_the_hub() -> Result<()> {
    let mut home = Home::start("3")?;
    home.mock.call("include", json!({"id": 12, "kind": "s0"}))?;
    home.client().post(INCLUSION, &json!({"strategy": "default"}))?;
    let done = wait_state(&mut home, INCLUSION, &["done", "failed"])?;
    assert_eq!(done["security"], "s0", "{done}");
    works(&mut home, &done, 12)?;
    Ok(())
}

#[test]
fn a_lock_whose_code_was_scanned_joins_by_smartstart_without_a_question() -> Result<()> {
    let mut home = Home::start("3")?;
    let events = home.events()?;
    let dsk = home.mock.call("smartstart", json!({"id": 13, "phase": 1}))?["dsk"]
        .as_str()
        .unwrap()
        .to_owned();
    home.client()
        .post(INCLUSION, &json!({"strategy": "smartstart", "code": dsk}))?;
    home.hub.wait(
        "the dongle to listen for SmartStart",
        Deadline::seconds(20),
        |client| client.get(INCLUSION).ok().map(|_| ()),
    )?;
    home.mock.silence(500, Deadline::seconds(120))?;
    let heard = home.mock.call("smartstart", json!({"id": 13, "phase": 2}))?;
    assert_eq!(heard["listening"], true, "the hub told the dongle to listen");
    let included = events.wait_kind("device.included", Deadline::seconds(60))?;
    assert_eq!(
        included.data["data"]["security"], "s2_access_control",
        "{}",
        included.data
    );
    let lock = included.data["lock"].as_str().expect("a lock").to_owned();
    home.hub
        .wait("the lock to be interviewed", Deadline::seconds(60), |client| {
            let found = client.get(&format!("/locks/{lock}")).ok()?;
            (found["state"]["bolt"] != "unknown").then_some(())
        })?;
    let command = home.actuate(&lock, "lock", "smart")?;
    assert_eq!(command["status"], "done", "{command}");
    Ok(())
}

#[test]
fn a_wrong_pin_leaves_nothing_usable_behind() -> Result<()> {
    let mut home = Home::start("3")?;
    let wrong = |right: &str| format!("{:05}", (right.parse::<u32>().unwrap() + 1) % 65536);
    let failed = include_with_pin(&mut home, 14, "s2", wrong)?;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(failed["error"]["code"], "wrong_pin", "{failed}");
    let granted = home.mock.call("grantedKeys", json!({"id": 14}));
    let keys = granted.map_or_else(|_| json!({}), |answer| answer["keys"].clone());
    assert_eq!(keys, json!({}), "the device has not been given a single key");
    refuses_every_lock(&mut home, 14)
}

#[test]
fn a_lock_without_security_is_never_actuated() -> Result<()> {
    let mut home = Home::start("3")?;
    home.mock.call("include", json!({"id": 15, "kind": "none"}))?;
    home.client().post(INCLUSION, &json!({"strategy": "default"}))?;
    let end = wait_state(&mut home, INCLUSION, &["done", "failed"])?;
    assert_eq!(
        end["state"], "failed",
        "a lock without security is no success: {end}"
    );
    assert!(
        ["insecure", "not_supported"].contains(&end["error"]["code"].as_str().unwrap()),
        "{end}"
    );
    refuses_every_lock(&mut home, 15)
}

/// Whatever is left of a device that joined without keys: no bolt of it moves, and removing it is possible.
fn refuses_every_lock(home: &mut Home, node: u8) -> Result<()> {
    home.mock.take_received()?;
    for lock in home.locks()? {
        let id = lock["id"].as_str().unwrap();
        assert_eq!(lock["security"], "none", "{lock}");
        let answer = home.client().send(
            "POST",
            &format!("/locks/{id}/commands?wait=5"),
            &[],
            Some(&json!({"op": "lock"})),
        )?;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (409, Some("insecure_lock")),
            "{}",
            answer.body
        );
    }
    assert!(
        home.mock
            .take_received()?
            .iter()
            .all(|(_, cc, cmd)| (*cc, *cmd) != (0x62, 0x01)),
        "no bolt was asked to move"
    );
    if home.mock.call("nodes", json!({}))?["nodes"] == json!([3]) {
        return Ok(());
    }
    assert_eq!(
        home.mock.bolt(node)?,
        u64::from(UNLOCKED),
        "the bolt is where it was"
    );
    home.mock.call("remove", json!({"id": node}))?;
    home.client().post(EXCLUSION, &json!({}))?;
    let gone = wait_state(home, EXCLUSION, &["done", "failed"])?;
    assert_eq!(gone["state"], "done", "{gone}");
    assert!(
        items(&home.client().get("/locks")?).is_empty(),
        "nothing is left of it"
    );
    Ok(())
}

#[test]
fn an_inclusion_is_cancelled_and_the_radio_works_on() -> Result<()> {
    let mut home = Home::start("2")?;
    home.client().post(INCLUSION, &json!({"strategy": "default"}))?;
    wait_state(&mut home, INCLUSION, &["waiting"])?;
    let answer = home.client().send("DELETE", INCLUSION, &[], None)?;
    assert_eq!(answer.status / 100, 2, "{}", answer.body);
    wait_state(&mut home, INCLUSION, &["idle", "failed"])?;
    let lock = home.only_lock()?;
    assert_eq!(home.actuate(&lock, "lock", "after")?["status"], "done");
    Ok(())
}
