//! A device that is gone is removed through the API, and one that answers is kept; what people have elsewhere stays.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::{Context, Result};
use hubd_peers::home::items;
use hubd_peers::household::FOREIGN;
use hubd_peers::{Deadline, Home, Household};
use serde_json::{Value, json};

const EXCLUSION: &str = "/radios/zwave/exclusion";

/// Asks for a device to be removed, and waits for what becomes of it.
fn remove(home: &mut Home, path: &str) -> Result<Value> {
    let answer = home.client().send("DELETE", path, &[], None)?;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let waiting = home.client().get(EXCLUSION)?;
    assert_ne!(waiting["state"], "idle", "{waiting}");
    home.hub
        .wait("the removal to end", Deadline::seconds(60), |client| {
            let progress = client.get(EXCLUSION).ok()?;
            ["done", "failed"]
                .contains(&progress["state"].as_str()?)
                .then_some(progress)
        })
}

/// How many nodes the mock's controller has beside itself, and how many entries tell of a failed device.
fn left(home: &mut Home, nodes: &[u8]) -> Result<usize> {
    assert_eq!(home.mock.call("nodes", json!({}))?["nodes"], json!(nodes));
    let gone = home.journal(0, Some("device.excluded"))?;
    assert!(
        gone.iter().all(|entry| entry["data"]["cause"] == "failed"),
        "{gone:?}"
    );
    Ok(gone.len())
}

#[test]
fn a_lock_that_is_gone_is_removed_with_its_slots_and_people_keep_the_others() -> Result<()> {
    let mut house = Household::start()?;
    let [both, other] = [house.grant("Both", &[2, 4])?, house.grant("Other", &[5])?];
    for (node, wanted) in [(2, &both.pin), (4, &both.pin), (5, &other.pin)] {
        house.agree_on(node, &[wanted], Some(FOREIGN))?;
    }
    let [here, gone] = [house.id(2)?.to_owned(), house.id(4)?.to_owned()];
    let shown = house.home.client().get(&format!("/locks/{gone}"))?;

    let refused = remove(&mut house.home, &format!("/locks/{here}"))?;
    assert_eq!(refused["state"], "failed", "{refused}");
    assert_eq!(refused["error"]["code"], "answers", "{refused}");
    assert_eq!(
        refused["error"]["detail"], "the device answers; exclude it instead of removing it as failed",
        "{refused}"
    );
    assert_eq!(refused["device"]["id"], here.as_str(), "{refused}");
    assert_eq!(left(&mut house.home, &[2, 4, 5])?, 0);

    house.away(4, true)?;
    let done = remove(&mut house.home, &format!("/locks/{gone}"))?;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(left(&mut house.home, &[2, 5])?, 1);
    let entry = house.home.journal(0, Some("device.excluded"))?.remove(0);
    assert_eq!(entry["lock"], gone.as_str(), "{entry}");

    for restarted in [false, true] {
        if restarted {
            house.home.hub.kill()?;
            house.home.hub.start()?;
            house.home.wait_ready("2,5", Deadline::seconds(60))?;
            assert_eq!(left(&mut house.home, &[2, 5])?, 1, "told once");
        }
        let client = house.home.client();
        let locks: Vec<Value> = house
            .home
            .locks()?
            .iter()
            .map(|lock| lock["id"].clone())
            .collect();
        assert_eq!(locks.len(), 2, "restarted: {restarted}: {locks:?}");
        assert!(!locks.contains(&json!(gone)), "restarted: {restarted}: {locks:?}");
        let path = format!("/locks/{gone}");
        assert_eq!(client.send("GET", &path, &[], None)?.status, 404);
        let again = client.send("DELETE", &path, &[], None)?;
        assert_eq!(again.status, 404, "{}", again.body);
        let moved = json!({"op": "unlock"});
        let moved = client.send("POST", &format!("{path}/commands"), &[], Some(&moved))?;
        assert_eq!(moved.status, 404, "{}", moved.body);
        // What was on it is remembered, for whatever takes its place.
        let slots = client.get(&format!("{path}/slots"))?;
        assert_eq!(slots["name"], shown["name"], "{slots}");
        assert!(slots["gone_since"].is_string(), "{slots}");
        let holds = items(&slots["slots"])
            .iter()
            .any(|slot| slot["credential"] == both.id.as_str());
        assert!(holds, "{slots}");
        let credential = client.get(&format!("/credentials/{}", both.id))?;
        let on = credential["locks"].as_array().context("a list")?;
        assert!(on.contains(&json!(here)), "{credential}");
        assert_eq!(items(&client.get("/people")?).len(), 2);
        for (node, wanted) in [(2, &both.pin), (5, &other.pin)] {
            house.agree_on(node, &[wanted], Some(FOREIGN))?;
        }
        let command = house.home.actuate(&here, "lock", &format!("after-{restarted}"))?;
        assert_eq!(command["status"], "done", "{command}");
    }
    // Whoever loses the right to both is waited for only where it can be taken.
    house.revoke(&both)?;
    house.agree_on(2, &[], Some(FOREIGN))?;
    house.home.hub.stop()?;
    house.home.hub.command_ok(&["journal", "verify"], "")?;
    Ok(())
}

#[test]
fn a_detector_that_is_gone_is_removed_and_the_lock_beside_it_moves_meanwhile() -> Result<()> {
    let mut home = Home::start("2,3")?;
    let alarm = items(&home.client().get("/alarms")?)[0]["id"]
        .as_str()
        .context("an id")?
        .to_owned();
    let lock = home.only_lock()?;
    home.mock.call("dead", json!({"node": 3, "dead": true}))?;
    let path = format!("/alarms/{alarm}");
    let answer = home.client().send("DELETE", &path, &[], None)?;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let busy = home.client().send("DELETE", &path, &[], None)?;
    assert_eq!(busy.status, 409, "one at a time: {}", busy.body);
    assert_eq!(home.actuate(&lock, "lock", "meanwhile")?["status"], "done");
    let done = home
        .hub
        .wait("the removal to end", Deadline::seconds(60), |client| {
            let progress = client.get(EXCLUSION).ok()?;
            (progress["state"] != "waiting").then_some(progress)
        })?;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(left(&mut home, &[2])?, 1);
    home.hub.stop()?;
    home.hub.start()?;
    home.wait_ready("2", Deadline::seconds(60))?;
    assert!(items(&home.client().get("/alarms")?).is_empty());
    assert_eq!(left(&mut home, &[2])?, 1);
    Ok(())
}

/// The hub's two questions are lost, and the dongle's own is heard.
#[test]
fn a_lock_that_the_dongle_still_hears_is_kept() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    home.mock
        .call("dead", json!({"node": 2, "dead": true, "frames": 2}))?;
    let refused = remove(&mut home, &format!("/locks/{lock}"))?;
    assert_eq!(refused["error"]["code"], "answers", "{refused}");
    assert_eq!(left(&mut home, &[2])?, 0);
    assert_eq!(home.actuate(&lock, "lock", "after")?["status"], "done");
    Ok(())
}

/// The hub is killed when the dongle has forgotten the lock and before anybody heard of it.
#[test]
fn a_removal_that_a_kill_interrupts_is_found_out_at_the_next_start() -> Result<()> {
    let mut home = Home::start("2,4")?;
    home.mock.call("dead", json!({"node": 4, "dead": true}))?;
    let locks = home.locks()?;
    let path = |lock: &Value| format!("/locks/{}", lock["id"].as_str().unwrap_or_default());
    // Which of the two is node 4: the one that does not answer.
    let mut gone = None;
    for lock in &locks {
        if home.actuate(lock["id"].as_str().unwrap(), "lock", &path(lock))?["status"] != "done" {
            gone = Some(path(lock));
        }
    }
    let gone = gone.context("a lock that does not answer")?;
    home.client().send("DELETE", &gone, &[], None)?.ok()?;
    let deadline = Deadline::seconds(60);
    while home.mock.call("nodes", json!({}))?["nodes"] != json!([2]) {
        anyhow::ensure!(deadline.left().is_some(), "the dongle did not remove it");
    }
    home.hub.kill()?;
    home.hub.start()?;
    home.wait_ready("2", Deadline::seconds(60))?;
    let told = home.journal(0, Some("device.excluded"))?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        ["failed", "unknown"].contains(&told[0]["data"]["cause"].as_str().unwrap()),
        "{told:?}"
    );
    assert_eq!(home.client().send("GET", &gone, &[], None)?.status, 404);
    Ok(())
}
