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

/// A record of the mock lock: minutes after 2026-11-28T08:00, an event and the user.
fn record(minutes: u32, event: u8, user: u8) -> Value {
    let at = [0x07, 0xea, 11, 28, 8 + minutes / 60, minutes % 60, 0];
    json!({"at": at, "event": event, "user": user})
}

#[test]
fn what_a_lock_wrote_down_while_the_hub_was_off_is_told_once() -> Result<()> {
    const UNLOCKED_BY_CODE: u8 = 2;
    const LOCKED_BY_HAND: u8 = 8;
    let mut home = Home::start("2,4")?;
    for node in [2, 4] {
        let old = [record(20, LOCKED_BY_HAND, 0), record(10, UNLOCKED_BY_CODE, 3)];
        home.mock.call("setLog", json!({"node": node, "records": old}))?;
    }
    // Where the record stands is read when a lock was known for half a minute.
    let read = |home: &mut Home, wanted: usize| {
        let deadline = Deadline::seconds(120);
        let mut seen = 0;
        while seen < wanted {
            anyhow::ensure!(deadline.left().is_some(), "{seen} of {wanted} records were read");
            home.mock.silence(1000, Deadline::seconds(120))?;
            let received = home.mock.take_received()?;
            seen += received
                .iter()
                .filter(|(_, cc, cmd)| (*cc, *cmd) == (0x4c, 0x03))
                .count();
        }
        Ok(())
    };
    read(&mut home, 6)?;
    assert_eq!(
        home.journal(0, Some("lock.logged"))?,
        [Value::Null; 0],
        "old news"
    );
    home.hub.stop()?;
    for node in [2, 4] {
        let grown = [
            record(90, 7, 0),
            record(80, UNLOCKED_BY_CODE, 17),
            record(20, LOCKED_BY_HAND, 0),
            record(10, UNLOCKED_BY_CODE, 3),
        ];
        home.mock
            .call("setLog", json!({"node": node, "records": grown}))?;
    }
    home.hub.start()?;
    home.wait_ready("2,4", Deadline::seconds(60))?;
    let events = home.events()?;
    for node in [2, 4] {
        home.mock.notify(node, ACCESS_CONTROL, 22, &[])?;
    }
    for _ in [2, 4] {
        let (mut opened, mut denied) = (Value::Null, Value::Null);
        for told in [&mut opened, &mut denied] {
            *told = events
                .wait("the lock's record", Deadline::seconds(60), |entry| {
                    entry["kind"] == "lock.logged"
                })?
                .data;
        }
        assert!(
            contains(
                &opened["data"],
                &json!({"event": "operated", "bolt": "unlocked", "via": {"source": "keypad", "slot": 17},
                        "lock_clock": "2026-11-28T09:20:00"}),
            ),
            "{opened}"
        );
        assert!(
            contains(
                &denied["data"],
                &json!({"event": "keypad_denied", "lock_clock": "2026-11-28T09:30:00"})
            ),
            "{denied}"
        );
        assert_eq!(opened["lock"], denied["lock"]);
    }
    for lock in home.locks()? {
        assert_eq!(
            lock["state"]["bolt"], "unlocked",
            "as the mock lock is from the start: {lock}"
        );
    }
    home.hub.stop()?;
    home.hub.start()?;
    home.wait_ready("2,4", Deadline::seconds(60))?;
    home.mock.take_received()?;
    for node in [2, 4] {
        home.mock.notify(node, ACCESS_CONTROL, 23, &[])?;
    }
    read(&mut home, 2)?;
    assert_eq!(home.journal(0, Some("lock.logged"))?.len(), 4, "once");
    Ok(())
}
