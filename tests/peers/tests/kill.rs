//! The power is cut at random moments under load: every event that was told to anybody is in the journal, the chain
//! verifies, and one changed byte is found and its entry named.
//!
//! `HUBD_KILL_ROUNDS` sets the number of cuts (25 by default, 500 before a release).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result};
use hubd_peers::{Client, Deadline, Home};

/// What the hub told somebody: journal entries by number, and commands that it called done.
#[derive(Default)]
struct Told {
    entries: BTreeMap<u64, String>,
    /// Each with the last entry that was told before it.
    done: Vec<(u64, String)>,
}

impl Told {
    fn last(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(seq, _)| *seq)
    }
}

/// A command's answer and the entry of its end come by different ways, and this many entries may lie between them.
const SLACK: u64 = 100;

/// A number below `limit`, from the system's own randomness; printed so that a failure can be followed.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(0_u8) % limit
}

/// Keeps the hub busy until it dies, and notes what it confirmed.
fn load(client: &Client, lock: &str, round: u64, told: &Mutex<Told>, stop: &AtomicBool) {
    for step in 0..10_000 {
        let op = if step % 2 == 0 { "lock" } else { "unlock" };
        match hubd_peers::home::actuate(client, lock, op, &format!("{round}-{step}")) {
            Ok(command) if command["status"] == "done" => {
                let id = command["id"].as_str().expect("a command has an id").to_owned();
                let mut told = told.lock().expect("no panic");
                let after = told.last().saturating_sub(SLACK);
                told.done.push((after, id));
            }
            Ok(_) | Err(_) => {}
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Everything that was told after entry `from` is there, without a gap.
fn check(home: &Home, told: &Told, from: u64, round: u64) -> Result<()> {
    let journal = home.journal(from, None)?;
    for (entry, seq) in journal.iter().zip(from + 1..) {
        assert_eq!(
            entry["seq"].as_u64(),
            Some(seq),
            "round {round}: the journal has a gap: {entry}"
        );
    }
    for (seq, text) in told.entries.range(from + 1..) {
        let kept = journal.get(usize::try_from(*seq - from)? - 1);
        let kept =
            kept.with_context(|| format!("round {round}: entry {seq} was told and is lost: {text}"))?;
        assert_eq!(
            &kept.to_string(),
            text,
            "round {round}: entry {seq} is another than was told"
        );
    }
    let ended: BTreeSet<String> = journal
        .iter()
        .filter(|entry| entry["kind"] == "command.ended")
        .filter_map(|entry| entry["data"]["id"].as_str().map(ToOwned::to_owned))
        .collect();
    for (after, id) in told.done.iter().filter(|(after, _)| *after >= from) {
        assert!(
            ended.contains(id),
            "round {round}: command {id}, done after entry {after}, has no entry"
        );
    }
    Ok(())
}

fn verify(home: &Home) -> Result<(bool, String)> {
    let output = home.hub.command(&["journal", "verify"], "")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

#[test]
fn nothing_that_was_told_is_lost_when_the_power_is_cut() -> Result<()> {
    let rounds: u64 = std::env::var("HUBD_KILL_ROUNDS")
        .ok()
        .map_or(Ok(25), |text| text.parse())?;
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let told = Arc::new(Mutex::new(Told::default()));
    for round in 1..=rounds {
        let (stop, client) = (Arc::new(AtomicBool::new(false)), home.client());
        let from = told.lock().expect("no panic").last();
        let events = client.events(Some(from))?;
        let worker = {
            let (client, lock, told, stop) = (client, lock.clone(), Arc::clone(&told), Arc::clone(&stop));
            thread::spawn(move || load(&client, &lock, round, &told, &stop))
        };
        // Dies while something is under way: after so many fresh entries, and a moment more.
        let after = from + 1 + chance(12);
        let pause = std::time::Duration::from_micros(chance(8_000));
        loop {
            let event = events
                .next(Deadline::seconds(60))
                .with_context(|| format!("round {round}: no event"))?;
            let seq = event.id.context("an event has an id")?;
            told.lock()
                .expect("no panic")
                .entries
                .insert(seq, event.data.to_string());
            if seq >= after {
                break;
            }
        }
        while let Ok(event) = events.next(Deadline::after(pause)) {
            told.lock()
                .expect("no panic")
                .entries
                .insert(event.id.context("an id")?, event.data.to_string());
            if chance(4) == 0 {
                break;
            }
        }
        home.hub.kill()?;
        stop.store(true, Ordering::Relaxed);
        worker.join().expect("the load does not panic");
        let (good, said) = verify(&home)?;
        assert!(
            good,
            "round {round}, cut after entry {after} and {pause:?}: the chain is broken: {said}"
        );
        home.hub.start()?;
        home.wait_ready("2", Deadline::seconds(60))?;
        check(
            &home,
            &told.lock().expect("no panic"),
            from.saturating_sub(SLACK),
            round,
        )?;
    }
    let told = told.lock().expect("no panic");
    check(&home, &told, 0, rounds)?;
    assert!(
        told.entries.len() as u64 > rounds,
        "there was load: {} entries",
        told.entries.len()
    );
    Ok(())
}

#[test]
fn a_changed_byte_is_found_and_its_entry_named() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    for round in 0..10 {
        home.actuate(
            &lock,
            if round % 2 == 0 { "lock" } else { "unlock" },
            &format!("{round}"),
        )?;
    }
    home.hub.stop()?;
    let (good, said) = verify(&home)?;
    assert!(good, "an untouched journal verifies: {said}");
    let changes = [
        (
            "sealed",
            "UPDATE journal SET sealed = CAST(substr(sealed, 1, 7) || x'00' || substr(sealed, 9) AS BLOB) WHERE seq = 5",
        ),
        ("time", "UPDATE journal SET at_ms = at_ms + 1 WHERE seq = 5"),
        (
            "hash",
            "UPDATE journal SET hash = zeroblob(length(hash)) WHERE seq = 5",
        ),
        ("missing", "DELETE FROM journal WHERE seq = 5"),
    ];
    for (what, change) in changes {
        let copy = home.hub.data().join("copy");
        home.hub.copy_database(&copy)?;
        let changed = home.hub.database()?.execute(change, [])?;
        assert_eq!(changed, 1, "{what}");
        let (good, said) = verify(&home)?;
        assert!(!good, "a changed entry ({what}) was not found: {said}");
        assert!(said.contains('5'), "the entry is named ({what}): {said}");
        home.hub.restore_database(&copy)?;
    }
    let (good, said) = verify(&home)?;
    assert!(good, "restored, it verifies again: {said}");
    Ok(())
}
