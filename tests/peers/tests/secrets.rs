//! Planted PINs, keys and tokens are searched in everything that the hub says and keeps.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use hubd_peers::household::{FOREIGN, LOCKS};
use hubd_peers::mock::known_keys;
use hubd_peers::{Deadline, Home, Household};
use serde_json::{Value, json};

/// Planted in slots 3 and 4; the mock lock's own log tells the first with each record.
const PINS: [&str; 2] = ["48151623", "94873021"];

/// Every way in which a secret could be written.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let spaced: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = spaced.concat();
    let list = |separator: &str| {
        secret
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join(separator)
    };
    let texts = [
        hex.clone(),
        hex.to_uppercase(),
        list(", "),
        list(","),
        spaced.join(" "),
        spaced.join(", "),
    ];
    std::iter::once(secret.to_vec())
        .chain(texts.map(String::into_bytes))
        .collect()
}

fn assert_nowhere(secrets: &[(String, Vec<u8>)], haystack: &[u8], place: &str) {
    for (name, secret) in secrets {
        for spelling in spellings(secret) {
            let found = haystack.windows(spelling.len()).any(|window| window == spelling);
            assert!(
                !found,
                "{name} is in {place} as {:?}",
                String::from_utf8_lossy(&spelling)
            );
        }
    }
}

#[test]
fn no_secret_is_in_any_log_error_response_or_file() -> Result<()> {
    let mut home = Home::start("2,4")?;
    for (slot, pin) in PINS.iter().enumerate() {
        for node in [2, 4] {
            home.mock
                .call("setCode", json!({"node": node, "slot": slot + 3, "code": pin}))?;
        }
    }
    let mut secrets: Vec<(String, Vec<u8>)> = PINS
        .iter()
        .map(|pin| (format!("PIN {pin}"), pin.as_bytes().to_vec()))
        .collect();
    for (name, key) in known_keys().as_object().unwrap() {
        let hex = key.as_str().unwrap();
        let bytes = (0..16)
            .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        secrets.push((format!("key {name}"), bytes));
    }
    let token = home.hub.create_token("planted", "actuate")?;
    secrets.push(("a token".into(), token.clone().into_bytes()));

    let mut answers = String::new();
    let mut ask = |method: &str, path: &str, body: Option<Value>| -> Result<()> {
        for client in [
            home.client(),
            home.client().with_token(Some(token.clone())),
            home.client().with_token(None),
        ] {
            let answer = client.send(method, path, &[], body.as_ref())?;
            writeln!(answers, "{:?}{}", answer.headers, answer.body)?;
        }
        Ok(())
    };
    for path in [
        "/health",
        "/locks",
        "/alarms",
        "/radios/zwave",
        "/radios/zwave/inclusion",
        "/tokens",
        "/events?limit=200",
        "/none",
    ] {
        ask("GET", path, None)?;
    }
    // Errors that could repeat what they were given.
    ask(
        "POST",
        "/radios/zwave/inclusion",
        Some(json!({"strategy": "s2", "code": PINS[0]})),
    )?;
    ask(
        "POST",
        "/radios/zwave/inclusion",
        Some(json!({"strategy": PINS[0], "code": PINS[1]})),
    )?;
    ask(
        "POST",
        "/radios/zwave/inclusion/answer",
        Some(json!({"dsk_pin": PINS[0]})),
    )?;
    ask(
        "POST",
        "/radios/zwave/inclusion/answer",
        Some(json!({"dsk_pin": PINS[0], "extra": PINS[1]})),
    )?;
    ask("DELETE", "/radios/zwave/inclusion", None)?;

    // The lock's own log tells codes; a keypad unlock makes hubs read it.
    for node in [2, 4] {
        home.mock.keypad_unlock(node, 3)?;
    }
    home.hub
        .wait("both keypad unlocks", Deadline::seconds(30), |client| {
            let heard = hubd_peers::home::journal(client, 0, Some("lock.operated")).ok()?;
            (heard
                .iter()
                .filter(|entry| entry["data"]["via"]["source"] == "keypad")
                .count()
                >= 2)
                .then_some(())
        })?;
    home.mock.silence(1500, Deadline::seconds(120))?;
    let bad = json!({"S2_AccessControl": "333333333333333333333333333333zz"});
    let refused = home
        .hub
        .command(&["radio", "import-keys", "zwave"], &bad.to_string())?;
    answers.push_str(&String::from_utf8_lossy(
        &[refused.stdout, refused.stderr].concat(),
    ));
    let exported = home.hub.command(&["journal", "export"], "")?;
    answers.push_str(&String::from_utf8_lossy(
        &[exported.stdout, exported.stderr].concat(),
    ));
    home.hub.stop()?;

    assert_nowhere(&secrets, answers.as_bytes(), "an answer of the hub");
    assert_nowhere(&secrets, home.hub.said().join("\n").as_bytes(), "the log");
    in_no_file(&secrets, &home.hub.data())
}

/// Searches every file of a folder and of those in it.
fn in_no_file(secrets: &[(String, Vec<u8>)], folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            in_no_file(secrets, &path)?;
        } else if path.is_file() {
            assert_nowhere(secrets, &fs::read(&path)?, &path.display().to_string());
        }
    }
    Ok(())
}

/// The hub drew them, wrote them to three kinds of locks, read them back, changed and showed some.
#[test]
fn no_pin_of_a_person_is_in_any_log_file_or_backup() -> Result<()> {
    let mut house = Household::start()?;
    let mut all: Vec<String> = Vec::new();
    let mut granted = Vec::new();
    for number in 1..=4 {
        granted.push(house.grant(&format!("Person {number}"), &LOCKS)?);
    }
    all.extend(granted.iter().map(|one| one.pin.clone()));
    let client = house.home.client();
    let path = format!("/credentials/{}", granted[0].id);
    let rotated = client.post(&format!("{path}/rotation"), &json!({}))?;
    granted[0].pin = rotated["pin"].as_str().context("a new PIN")?.to_owned();
    all.push(granted[0].pin.clone());
    let shown = client.post(&format!("{path}/reveal"), &json!({}))?;
    assert_eq!(
        shown["pin"],
        granted[0].pin.as_str(),
        "it is shown when asked for"
    );
    let given = json!({"person": client.get(&path)?["person"], "kind": "pin", "pin": "9182736450"});
    client.post("/credentials", &given)?;
    all.push("9182736450".to_owned());
    let wanted: Vec<&str> = granted.iter().map(|one| one.pin.as_str()).collect();
    house.agree(&wanted, Some(FOREIGN))?;

    // A backup over the API, one by the command line, and everything that both say.
    client.post("/backups", &json!({"hub_only": true}))?;
    let made = house
        .home
        .hub
        .wait("the backup", Deadline::seconds(60), |client| {
            let work = client.get("/backups").ok()?["work"].clone();
            (work["state"] != "under_way").then_some(work)
        })?;
    assert_eq!(made["state"], "done", "{made}");
    println!("{made}");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("home.hubd-backup").display().to_string();
    let mut said = String::new();
    for arguments in [
        vec!["backup", "create", &file, "--hub-only"],
        vec!["backup", "rehearse", &file],
        vec!["credential", "list", "--json"],
        vec!["slots", "list", "--json"],
        vec!["journal", "export"],
    ] {
        said.push_str(&house.home.hub.command_ok(&arguments, "")?);
    }
    house.home.hub.stop()?;
    let secrets: Vec<(String, Vec<u8>)> = all
        .iter()
        .map(|pin| (format!("PIN {pin}"), pin.as_bytes().to_vec()))
        .collect();
    assert_nowhere(&secrets, said.as_bytes(), "an answer of the command line");
    assert_nowhere(&secrets, house.home.hub.said().join("\n").as_bytes(), "the log");
    in_no_file(&secrets, &house.home.hub.data())?;
    in_no_file(&secrets, folder.path())
}

/// Its memory holds the PINs that it writes to locks, so a crash must leave none of it on the disk.
#[test]
fn a_hub_that_runs_can_be_dumped_by_nobody() -> Result<()> {
    let mut home = Home::start("2")?;
    let pid = home.hub.pid().context("it runs")?;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.context("a limit")?.split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");

    // Whether this machine writes dumps at all.
    let folder = tempfile::tempdir()?;
    let other = Command::new("sh")
        .args(["-c", "ulimit -c unlimited && kill -ABRT $$"])
        .current_dir(folder.path())
        .status()?;
    if !other.core_dumped() {
        println!("NOT PROVEN HERE: this machine writes no dump of any process");
    }
    let crashed = home.hub.crash()?;
    assert!(crashed.signal().is_some(), "it crashed: {crashed}");
    assert!(!crashed.core_dumped(), "a crash leaves no dump: {crashed}");
    Ok(())
}
