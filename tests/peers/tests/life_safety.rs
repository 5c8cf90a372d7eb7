//! Smoke opens the doors: the daemon against zwave-js' mock home, with whatever can be broken broken, and with the power
//! cut in the middle.
//!
//! `HUBD_RELEASE_ROUNDS` sets the number of releases with faults (8 by default, 500 before a release), and
//! `HUBD_KILL_ROUNDS` the number of power cuts (6 by default here, 200 before a release).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use hubd_peers::clock::now_ms;
use hubd_peers::home::journal;
use hubd_peers::mock::{LOCKED, MockOptions, UNLOCKED};
use hubd_peers::{Client, Deadline, Home};
use serde_json::{Value, json};

const ALARM: u8 = 3;
const SMOKE: u8 = 1;
const SEND_DATA: [u64; 2] = [0x13, 0xa9];
const APPLICATION_COMMAND: [u64; 2] = [0x04, 0xa8];
const INCLUSION: &str = "/radios/zwave/inclusion";
/// Codes that are written to one lock while a door is released.
const CODES: u16 = 250;
/// From the smoke frame to the first frame to a lock, in a debug build on a busy machine. A disk that is waited for
/// takes longer than that, and so does an interview.
const BOUND_MS: f64 = 400.0;

fn rounds(name: &str, usual: u64) -> Result<u64> {
    Ok(std::env::var(name).ok().map_or(Ok(usual), |text| text.parse())?)
}

/// A number below `limit`, from the system's own randomness; printed so that a failure can be followed.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(0_u8) % limit
}

/// The lock of the API that each node is.
fn locks(home: &mut Home, nodes: &[u8]) -> Result<BTreeMap<u8, String>> {
    let mut known = BTreeMap::new();
    for lock in home.locks()? {
        let id = lock["id"].as_str().context("an id")?.to_owned();
        for node in nodes {
            home.mock.call("bolt", json!({"node": node, "mode": UNLOCKED}))?;
        }
        assert_eq!(
            home.actuate(&id, "lock", &format!("find-{id}"))?["status"],
            "done"
        );
        for node in nodes {
            if home.mock.bolt(*node)? == u64::from(LOCKED) {
                known.insert(*node, id.clone());
            }
        }
    }
    for id in known.values() {
        assert_eq!(home.actuate(id, "lock", &format!("lock-{id}"))?["status"], "done");
    }
    Ok(known)
}

fn set_policy(client: &Client, doors: &[&String]) -> Result<()> {
    let doors: Vec<Value> = doors
        .iter()
        .map(|lock| json!({"lock": lock, "hazards": ["smoke"], "at_once": ["smoke"]}))
        .collect();
    let policy = json!({"enabled": true, "doors": doors});
    let answer = client.send("PUT", "/life-safety", &[], Some(&policy))?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ok(())
}

fn state(client: &Client) -> Option<Value> {
    client.get("/life-safety/state").ok()
}

fn wait_state(home: &mut Home, wanted: &str) -> Result<Value> {
    home.hub.wait(
        &format!("life safety to be {wanted}"),
        Deadline::seconds(90),
        |client| state(client).filter(|state| state["state"] == wanted),
    )
}

fn raise(home: &mut Home) -> Result<()> {
    home.mock.notify(ALARM, SMOKE, 2, &[])
}

/// The detector says something until the hub has heard it. After a restart the hub has lost the key stream, and the mock's
/// device gives up after 100 ms what a real one says again.
fn say_until_heard(home: &mut Home, event: u8, params: &[u8], wanted: &[&str]) -> Result<()> {
    for _ in 0..20 {
        home.mock.notify(ALARM, SMOKE, event, params)?;
        let heard = home
            .hub
            .wait("the detector to be heard", Deadline::seconds(3), |client| {
                state(client).filter(|state| wanted.contains(&state["state"].as_str().unwrap_or_default()))
            });
        if heard.is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!(
        "the detector was not heard; the hub said:\n{}",
        home.hub.said().join("\n")
    )
}

/// The danger is over, somebody locks the doors, and says what it was.
fn put_right(home: &mut Home, chosen: &[&String]) -> Result<()> {
    say_until_heard(home, 0, &[2], &["restoring", "armed"])?;
    for lock in chosen {
        let key = format!("right-{}", now_ms());
        assert_eq!(home.actuate(lock, "lock", &key)?["status"], "done");
    }
    let client = home.client();
    if let Some(incident) =
        state(&client).and_then(|state| Some(state["incident"]["id"].as_str()?.to_owned()))
    {
        client.post(
            &format!("/life-safety/incidents/{incident}/close"),
            &json!({"reason": "the test is over"}),
        )?;
    }
    wait_state(home, "armed").map(drop)
}

/// Milliseconds from the smoke frame leaving the dongle to the first frame for the door; in a jammed air, where no frame
/// gets that far, to the first one that the dongle is given.
fn first_frame(home: &mut Home, door: u8, jammed: bool) -> Result<f64> {
    let deadline = Deadline::seconds(30);
    loop {
        let stamps = home.mock.call("stamps", json!({}))?;
        let times = |list: &str, is_it: &dyn Fn(u64) -> bool| -> Vec<f64> {
            let all = stamps[list].as_array().cloned().unwrap_or_default();
            all.iter()
                .filter(|stamp| stamp[1].as_u64().is_some_and(is_it))
                .filter_map(|stamp| stamp[0].as_f64())
                .collect()
        };
        let smoke = times("serialOut", &|function| APPLICATION_COMMAND.contains(&function));
        let told = if jammed {
            times("serialIn", &|function| SEND_DATA.contains(&function))
        } else {
            times("air", &|node| node == u64::from(door))
        };
        if let Some(smoke) = smoke.first()
            && let Some(told) = told.into_iter().find(|told| told > smoke)
        {
            return Ok(told - smoke);
        }
        anyhow::ensure!(deadline.left().is_some(), "no frame left the hub: {stamps}");
    }
}

fn opened(home: &mut Home, chosen: &[u8], seconds: u64) -> Result<()> {
    let deadline = Deadline::seconds(seconds);
    for node in chosen {
        while home.mock.bolt(*node)? != u64::from(UNLOCKED) {
            anyhow::ensure!(deadline.left().is_some(), "node {node} is not open");
        }
    }
    Ok(())
}

/// One release of the door at node 2; milliseconds to its first frame.
fn release(home: &mut Home, jammed: bool) -> Result<f64> {
    home.mock.call("stamps", json!({"clear": true}))?;
    raise(home)?;
    let latency = first_frame(home, 2, jammed)?;
    opened(home, &[2], 90)?;
    Ok(latency)
}

/// Waits until an inclusion gets there.
fn wait_inclusion(home: &mut Home, wanted: &str) -> Result<()> {
    home.hub.wait(
        &format!("the inclusion to be {wanted}"),
        Deadline::seconds(90),
        |client| (client.get(INCLUSION).ok()?["state"] == wanted).then_some(()),
    )
}

/// The places in the journal of what happened after an entry.
fn places(home: &Home, after: u64, kind: &str) -> Result<Vec<u64>> {
    let entries = home.journal(after, Some(kind))?;
    Ok(entries.iter().filter_map(|entry| entry["seq"].as_u64()).collect())
}

fn last_place(home: &Home) -> Result<u64> {
    let journal = home.journal(0, None)?;
    journal
        .last()
        .and_then(|entry| entry["seq"].as_u64())
        .context("an entry")
}

/// Releases the door at node 2 while a lock that has just joined is asked what it is.
fn release_while_interviewing(home: &mut Home) -> Result<f64> {
    let client = home.client();
    home.mock.call("include", json!({"id": 10, "kind": "s2"}))?;
    client.post(INCLUSION, &json!({"strategy": "default"}))?;
    wait_inclusion(home, "asking")?;
    // Its frames take as long as real ones, so that the interview lasts.
    home.mock.call("txDelay", json!({"ms": 40, "node": 10}))?;
    let dsk = home.mock.call("dsk", json!({}))?;
    let pin = dsk["dsk"]
        .as_str()
        .and_then(|dsk| dsk.get(..5))
        .context("a PIN")?;
    client.post(&format!("{INCLUSION}/answer"), &json!({"dsk_pin": pin}))?;
    wait_inclusion(home, "interviewing")?;
    let latency = release(home, false)?;
    let inclusion = client.get(INCLUSION)?;
    assert_eq!(
        inclusion["state"], "interviewing",
        "it went on meanwhile: {inclusion}"
    );
    wait_inclusion(home, "done")?;
    Ok(latency)
}

/// Releases the door at node 2 while as many codes are written to another lock as it can keep.
fn release_while_writing_codes(home: &mut Home, node: u8, lock: &str) -> Result<f64> {
    let (client, before) = (home.client(), last_place(home)?);
    let person = client.post("/people", &json!({"name": "Ada", "role": "resident"}))?;
    for _ in 0..CODES {
        let code = json!({"person": person["id"], "kind": "pin", "locks": [lock]});
        client.post("/credentials", &code)?;
    }
    let written = |home: &mut Home| -> Result<usize> {
        let codes = home.mock.call("codes", json!({"node": node}))?;
        Ok(codes["codes"].as_object().map_or(0, serde_json::Map::len))
    };
    let under_way = written(home)?;
    let latency = release(home, false)?;
    let (after, all) = (written(home)?, usize::from(CODES));
    assert!(
        under_way < all && after < all,
        "{under_way} and {after} of {all} codes: the sync went on meanwhile"
    );
    let synced = home
        .hub
        .wait("every code to be written", Deadline::seconds(400), |client| {
            let synced = journal(client, before, Some("slot.synced")).ok()?;
            (synced.len() >= all).then_some(synced)
        })?;
    assert_eq!(written(home)?, all);
    let released = places(home, before, "incident.released")?;
    let last = synced.last().and_then(|entry| entry["seq"].as_u64());
    assert!(
        released.last().copied() < last,
        "the release was at {released:?}, the last code at {last:?}"
    );
    Ok(latency)
}

#[test]
fn the_release_goes_out_in_time_whatever_is_broken() -> Result<()> {
    // Another radio's adapter fails again and again all the while.
    let mut home = Home::start_with_extra(
        "2,3,4",
        "[[radio]]\nname = \"other\"\nkind = \"zwave\"\nport = \"tcp://127.0.0.1:1\"\n",
    )?;
    let known = locks(&mut home, &[2, 4])?;
    let chosen = [&known[&2]];
    set_policy(&home.client(), &chosen)?;
    wait_state(&mut home, "armed")?;
    let mut figures = Vec::new();

    figures.push(("another adapter fails", release(&mut home, false)?));
    put_right(&mut home, &chosen)?;

    let database = rusqlite::Connection::open(home.hub.database_path()?)?;
    database.execute_batch("BEGIN IMMEDIATE")?;
    figures.push(("the database is locked", release(&mut home, false)?));
    home.hub.wait(
        "the hub to say that it cannot record",
        Deadline::seconds(60),
        |client| (client.get("/health").ok()?["store"] == "failing").then_some(()),
    )?;
    database.execute_batch("COMMIT")?;
    home.hub
        .wait("the records to be kept again", Deadline::seconds(90), |client| {
            (client.get("/health").ok()?["store"] == "good").then_some(())
        })?;
    put_right(&mut home, &chosen)?;

    database.execute_batch("ALTER TABLE journal RENAME TO journal_away")?;
    figures.push(("the journal cannot be written", release(&mut home, false)?));
    home.hub
        .wait("the hub to say so", Deadline::seconds(60), |client| {
            (client.get("/health").ok()?["store"] == "failing").then_some(())
        })?;
    database.execute_batch("ALTER TABLE journal_away RENAME TO journal")?;
    home.hub
        .wait("the records to be kept again", Deadline::seconds(90), |client| {
            (client.get("/health").ok()?["store"] == "good").then_some(())
        })?;
    put_right(&mut home, &chosen)?;

    // Nothing more fits into any file of the hub.
    home.hub.limit_files(Some(4096))?;
    figures.push(("the disk is full", release(&mut home, false)?));
    home.hub
        .wait("the hub to say so", Deadline::seconds(60), |client| {
            (client.get("/health").ok()?["store"] == "failing").then_some(())
        })?;
    home.hub.limit_files(None)?;
    home.hub
        .wait("the records to be kept again", Deadline::seconds(90), |client| {
            (client.get("/health").ok()?["store"] == "good").then_some(())
        })?;
    put_right(&mut home, &chosen)?;

    let token = home.hub.create_token("slow", "read")?;
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", home.hub.port()))?;
            write!(
                stream,
                "GET /api/v1/events/stream?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
            )?;
            Ok(stream)
        })
        .collect::<Result<_>>()?;
    figures.push(("a hundred clients take nothing", release(&mut home, false)?));
    drop(slow);
    put_right(&mut home, &chosen)?;

    let (client, lock) = (home.client(), known[&4].clone());
    let busy = std::thread::spawn(move || {
        for _ in 0..100 {
            // Some are refused because the hub is busy: that is the point.
            let _ = client.send("POST", &format!("/locks/{lock}/refresh"), &[], None);
        }
    });
    figures.push(("the radio is asked all the time", release(&mut home, false)?));
    busy.join().expect("it does not panic");
    put_right(&mut home, &chosen)?;

    figures.push(("a lock is interviewed", release_while_interviewing(&mut home)?));
    put_right(&mut home, &chosen)?;

    home.mock.faults(json!({"jam": 9}))?;
    figures.push(("nine of ten frames are lost", release(&mut home, true)?));
    home.mock.faults(json!({"jam": 0}))?;
    put_right(&mut home, &chosen)?;

    let opened = home.journal(0, Some("incident.opened"))?;
    let unsynced = opened
        .iter()
        .filter(|entry| entry["clock_synced"] == false)
        .count();
    println!(
        "{figures:?}; {unsynced} of {} while the clock was not set",
        opened.len()
    );
    for (what, latency) in &figures {
        assert!(*latency < BOUND_MS, "{what}: {latency:.1} ms; all: {figures:?}");
    }
    assert_eq!(
        home.mock.bolt(4)?,
        u64::from(LOCKED),
        "a door that was not chosen moved"
    );
    // The evidence is complete afterwards: each release from its beginning to its end.
    for kind in [
        "incident.opened",
        "incident.released",
        "incident.door_opened",
        "incident.closed",
    ] {
        assert_eq!(home.journal(0, Some(kind))?.len(), figures.len(), "{kind}");
    }
    Ok(())
}

#[test]
fn a_release_passes_250_codes_that_are_written() -> Result<()> {
    let mut home = Home::start_with(&MockOptions {
        nodes: "2,3,4",
        code_slots: CODES,
        ..MockOptions::default()
    })?;
    let known = locks(&mut home, &[2, 4])?;
    let chosen = [&known[&2]];
    set_policy(&home.client(), &chosen)?;
    wait_state(&mut home, "armed")?;
    let latency = release_while_writing_codes(&mut home, 4, &known[&4])?;
    println!("{latency:.1} ms");
    assert!(latency < BOUND_MS, "{latency:.1} ms");
    put_right(&mut home, &chosen)
}

#[test]
fn no_incident_is_lost_or_doubled_in_many_releases_with_faults() -> Result<()> {
    let rounds = rounds("HUBD_RELEASE_ROUNDS", 8)?;
    let mut home = Home::start("2,3")?;
    let known = locks(&mut home, &[2])?;
    let chosen = [&known[&2]];
    set_policy(&home.client(), &chosen)?;
    wait_state(&mut home, "armed")?;
    let faults = [
        "nak", "can", "swallow", "garbage", "corrupt", "repeat", "half", "jam",
    ];
    for round in 0..rounds {
        let fault = faults[usize::try_from(chance(faults.len() as u64))?];
        home.mock.faults(json!({fault: 1 + chance(2)}))?;
        release(&mut home, false).with_context(|| format!("round {round}, {fault}"))?;
        home.mock.faults(json!({fault: 0}))?;
        wait_state(&mut home, "held").with_context(|| format!("round {round}, {fault}"))?;
        put_right(&mut home, &chosen).with_context(|| format!("round {round}, {fault}"))?;
    }
    for kind in ["incident.opened", "incident.released", "incident.closed"] {
        assert_eq!(home.journal(0, Some(kind))?.len() as u64, rounds, "{kind}");
    }
    Ok(())
}

#[test]
fn a_power_cut_in_the_middle_of_a_release_loses_none() -> Result<()> {
    let rounds = rounds("HUBD_KILL_ROUNDS", 6)?;
    let mut home = Home::start("2,3,4")?;
    let known = locks(&mut home, &[2, 4])?;
    let chosen = [&known[&2]];
    set_policy(&home.client(), &chosen)?;
    wait_state(&mut home, "armed")?;
    for round in 0..rounds {
        let pause = Duration::from_micros(chance(40_000));
        home.mock.call("stamps", json!({"clear": true}))?;
        raise(&mut home)?;
        let about = format!("round {round}, cut after {pause:?}");
        let over = Deadline::after(pause);
        while over.left().is_some() {
            std::hint::spin_loop();
        }
        home.hub.kill()?;
        let was_told = home.mock.bolt(2)? == u64::from(UNLOCKED);
        home.hub.start()?;
        home.wait_ready("2,3,4", Deadline::seconds(60))?;
        let goes_on = state(&home.client()).is_some_and(|state| state["incident"].is_object());
        assert!(
            goes_on || !was_told,
            "{about}: the door was opened and nobody knows why"
        );
        if !goes_on {
            // The hub had not heard the detector yet, which says it again.
            say_until_heard(&mut home, 2, &[], &["releasing", "held"])?;
        }
        if let Err(error) = opened(&mut home, &[2], 60) {
            let (state, said) = (state(&home.client()), home.hub.said());
            let tail = said
                .iter()
                .rev()
                .take(80)
                .rev()
                .cloned()
                .collect::<Vec<_>>()
                .join("\n");
            anyhow::bail!(
                "{about}, goes on: {goes_on}, was told: {was_told}: {error}; {state:?}; the hub said:\n{tail}"
            );
        }
        wait_state(&mut home, "held").with_context(|| about.clone())?;
        assert_eq!(home.mock.bolt(2)?, u64::from(UNLOCKED), "{about}: it stays open");
        assert_eq!(
            home.mock.bolt(4)?,
            u64::from(LOCKED),
            "{about}: a door that was not chosen moved"
        );
        put_right(&mut home, &chosen).with_context(|| about)?;
    }
    Ok(())
}
