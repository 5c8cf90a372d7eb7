//! What locks and detectors say by themselves arrives as what it is, once, and only when the device itself said it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::Result;
use hubd_peers::mock::{JAMMED, LOCKED, UNLOCKED};
use hubd_peers::{Deadline, Events, Home};
use serde_json::{Value, json};

const ACCESS_CONTROL: u8 = 6;
const HOME_SECURITY: u8 = 7;
const SMOKE: u8 = 1;
const CO: u8 = 2;

fn soon() -> Deadline {
    Deadline::seconds(20)
}

/// (notification type, event, parameters), where the bolt is then, and what must be journalled.
struct Case {
    said: (u8, u8, &'static [u8]),
    bolt: Option<u8>,
    kind: &'static str,
    data: Value,
}

/// Whether every field of `wanted` is in `found` with that value.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| contains(found, value))),
        (found, wanted) => found == wanted,
    }
}

fn check(home: &mut Home, events: &Events, node: u8, case: &Case) -> Result<()> {
    let (kind, event, params) = case.said;
    if let Some(mode) = case.bolt {
        home.mock.call("bolt", json!({"node": node, "mode": mode}))?;
    }
    home.mock.notify(node, kind, event, params)?;
    let what = format!(
        "node {node}: notification {kind}/{event} {params:?} as {} {}",
        case.kind, case.data
    );
    let entry = events.wait(&what, soon(), |entry| entry["kind"] == case.kind)?;
    assert!(
        contains(&entry.data["data"], &case.data),
        "{what} came as {}",
        entry.data
    );
    assert!(
        entry.data["lock"].is_string(),
        "it is about a lock: {}",
        entry.data
    );
    Ok(())
}

fn lock_cases() -> Vec<Case> {
    let operated = |bolt: &str, source: &str, slot: Option<u8>| match slot {
        Some(slot) => json!({"bolt": bolt, "via": {"source": source, "slot": slot}}),
        None => json!({"bolt": bolt, "via": {"source": source}}),
    };
    let case = |event, params: &'static [u8], mode, data| Case {
        said: (ACCESS_CONTROL, event, params),
        bolt: Some(mode),
        kind: "lock.operated",
        data,
    };
    let other = |said, kind, data| Case {
        said,
        bolt: None,
        kind,
        data,
    };
    vec![
        case(6, &[3], UNLOCKED, operated("unlocked", "keypad", Some(3))),
        case(5, &[3], LOCKED, operated("locked", "keypad", Some(3))),
        case(2, &[], UNLOCKED, operated("unlocked", "manual", None)),
        case(1, &[], LOCKED, operated("locked", "manual", None)),
        case(6, &[17], UNLOCKED, operated("unlocked", "keypad", Some(17))),
        case(9, &[], LOCKED, operated("locked", "auto", None)),
        // The mock lock's door is open at first, and what is as it was is no news.
        other((ACCESS_CONTROL, 23, &[]), "lock.door", json!({"door": "closed"})),
        other((ACCESS_CONTROL, 22, &[]), "lock.door", json!({"door": "open"})),
        other((HOME_SECURITY, 3, &[]), "lock.tampered", json!({})),
        other((ACCESS_CONTROL, 16, &[]), "lock.keypad_locked_out", json!({})),
    ]
}

#[test]
fn an_s2_lock_is_heard() -> Result<()> {
    let mut home = Home::start("2")?;
    let events = home.events()?;
    for case in lock_cases() {
        check(&mut home, &events, 2, &case)?;
    }
    Ok(())
}

#[test]
fn an_s0_lock_is_heard() -> Result<()> {
    let mut home = Home::start("4")?;
    let events = home.events()?;
    for case in lock_cases() {
        check(&mut home, &events, 4, &case)?;
    }
    Ok(())
}

#[test]
fn a_user_credential_lock_is_heard() -> Result<()> {
    let mut home = Home::start("5")?;
    let events = home.events()?;
    for case in lock_cases() {
        check(&mut home, &events, 5, &case)?;
    }
    Ok(())
}

#[test]
fn a_jam_is_shown_until_the_next_good_report() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let events = home.events()?;
    let bolt = |home: &Home| {
        Ok::<_, anyhow::Error>(home.client().get(&format!("/locks/{lock}"))?["state"]["bolt"].clone())
    };
    home.mock.call("bolt", json!({"node": 2, "mode": JAMMED}))?;
    home.mock.notify(2, ACCESS_CONTROL, 11, &[])?;
    events.wait_kind("lock.jammed", soon())?;
    assert_eq!(bolt(&home)?, "jammed");
    home.mock.call("operation", json!({"node": 2, "mode": LOCKED}))?;
    events.wait("the lock to be locked again", soon(), |entry| {
        entry["data"]["bolt"] == "locked"
    })?;
    assert_eq!(bolt(&home)?, "locked", "a good report ends a jam");
    // The other way that locks tell it: an operation report with the mode "unknown".
    home.mock.call("operation", json!({"node": 2, "mode": JAMMED}))?;
    home.hub
        .wait("the bolt to be no longer shown as locked", soon(), |client| {
            let bolt = client.get(&format!("/locks/{lock}")).ok()?["state"]["bolt"].clone();
            (bolt != "locked").then_some(())
        })?;
    Ok(())
}

#[test]
fn a_battery_is_heard() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let events = home.events()?;
    home.mock.call("battery", json!({"node": 2, "level": 12}))?;
    let entry = events.wait_kind("lock.battery", soon())?;
    assert_eq!(entry.data["data"]["battery_percent"], 12, "{}", entry.data);
    assert_eq!(
        home.client().get(&format!("/locks/{lock}"))?["battery_percent"],
        12
    );
    Ok(())
}

#[test]
fn smoke_and_co_are_alarms_and_their_tests_are_tests() -> Result<()> {
    let mut home = Home::start("3")?;
    let events = home.events()?;
    let start = home.journal(0, None)?.len();
    for (kind, hazard) in [(SMOKE, "smoke"), (CO, "co")] {
        for supervise in [false, true] {
            let said = |event: u8, params: &[u8]| json!({"node": 3, "type": kind, "event": event, "params": params, "supervise": supervise});
            home.mock.call("notify", said(3, &[]))?;
            let tested = events.wait("a test or an alarm", soon(), |entry| {
                entry["kind"] == "alarm.tested" || entry["kind"] == "alarm.raised"
            })?;
            assert_eq!(
                tested.data["kind"], "alarm.tested",
                "a test is a test: {}",
                tested.data
            );
            home.mock.call("notify", said(2, &[]))?;
            let raised = events.wait_kind("alarm.raised", soon())?;
            assert_eq!(raised.data["data"]["hazard"], hazard, "{}", raised.data);
            assert_eq!(
                raised.data["data"]["authenticated"], true,
                "it came over S2: {}",
                raised.data
            );
            assert!(
                raised.data["alarm"].is_string(),
                "it names the detector: {}",
                raised.data
            );
            home.mock.call("notify", said(0, &[2]))?;
            let cleared = events.wait_kind("alarm.cleared", soon())?;
            assert_eq!(cleared.data["data"]["hazard"], hazard, "{}", cleared.data);
        }
    }
    let counts = |kind: &str| Ok::<_, anyhow::Error>(home.journal(0, Some(kind))?.len());
    assert_eq!(
        (
            counts("alarm.raised")?,
            counts("alarm.cleared")?,
            counts("alarm.tested")?
        ),
        (4, 4, 4),
        "each once, of {start}"
    );
    Ok(())
}

#[test]
fn what_is_said_without_protection_changes_nothing() -> Result<()> {
    let mut home = Home::start("2,3")?;
    let lock = home.only_lock()?;
    let events = home.events()?;
    home.actuate(&lock, "lock", "first")?;
    let before = home.client().get(&format!("/locks/{lock}"))?["state"]["bolt"].clone();
    let plain = |node: u8, cc: u8, cmd: u8, payload: &[u8]| json!({"node": node, "ccId": cc, "cmd": cmd, "payload": payload, "plain": true});
    // A keypad unlock, an operation report and a smoke alarm that anybody in radio range could send.
    home.mock
        .call("raw", plain(2, 0x71, 0x05, &[0, 0, 0, 0xff, 6, 6, 1, 3]))?;
    home.mock
        .call("raw", plain(2, 0x62, 0x03, &[0x00, 0, 0x02, 0xfe, 0xfe]))?;
    home.mock
        .call("raw", plain(3, 0x71, 0x05, &[0, 0, 0, 0xff, 1, 2, 0]))?;
    // And then a true one, which shows that the others were handled before it.
    home.mock.notify(3, CO, 2, &[])?;
    events.wait("the true CO alarm", soon(), |entry| {
        entry["kind"] == "alarm.raised" && entry["data"]["hazard"] == "co"
    })?;
    assert_eq!(
        home.client().get(&format!("/locks/{lock}"))?["state"]["bolt"],
        before,
        "the lock's state is as before"
    );
    let keypad = home
        .journal(0, Some("lock.operated"))?
        .into_iter()
        .filter(|entry| entry["data"]["via"]["source"] == "keypad")
        .count();
    assert_eq!(keypad, 0, "nobody used the keypad");
    let smoke: Vec<Value> = home
        .journal(0, Some("alarm.raised"))?
        .into_iter()
        .filter(|entry| entry["data"]["hazard"] == "smoke")
        .collect();
    assert!(
        smoke.iter().all(|entry| entry["data"]["authenticated"] == false),
        "at most shown as not authenticated: {smoke:?}"
    );
    Ok(())
}

#[test]
fn a_stream_that_was_cut_resumes_without_gap_or_double() -> Result<()> {
    let mut home = Home::start("2")?;
    let events = home.events()?;
    home.mock.keypad_unlock(2, 1)?;
    let first = events.wait_kind("lock.operated", soon())?;
    drop(events);
    for slot in 2..=9 {
        home.mock.keypad_unlock(2, slot)?;
    }
    let resumed = home.client().events(first.id)?;
    let mut seq = first.id.expect("an event has an id");
    for slot in 2..=9_u8 {
        let entry = loop {
            let entry = resumed.next(soon())?;
            assert_eq!(entry.id, Some(seq + 1), "without a gap: {}", entry.data);
            assert_eq!(entry.data["seq"], seq + 1, "the id is the number of the entry");
            seq += 1;
            if entry.data["kind"] == "lock.operated" {
                break entry;
            }
        };
        assert_eq!(
            entry.data["data"]["via"]["slot"], slot,
            "in order: {}",
            entry.data
        );
    }
    Ok(())
}
