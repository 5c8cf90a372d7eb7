//! A full disk under the whole daemon: doors are moved, people are told, the hub says that it is degraded, and when there
//! is room again everything is on record.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::fs;

use anyhow::Result;
use hubd_peers::clock::now_ms;
use hubd_peers::{Deadline, Home};

const S2_LOCK: u8 = 2;
/// A disk that is full makes nobody wait.
const ACTUATION_MS_MAX: f64 = 3000.0;

#[test]
fn a_full_disk_stops_no_door_and_is_told_loudly() -> Result<()> {
    let mut home = Home::start("2")?;
    let lock = home.only_lock()?;
    let client = home.client();
    home.actuate(&lock, "lock", "before")?;
    assert_eq!(client.get("/health")?["status"], "ok");
    let before = home.journal(0, None)?.last().unwrap()["seq"].as_u64().unwrap();

    let events = client.events(Some(before))?;
    // Nothing more fits into the log, and the spool cannot be written either.
    let log = fs::metadata(home.hub.data().join("hubd.db-wal"))?.len();
    assert!(log > 4096, "{log}");
    home.hub.limit_files(Some(4096))?;
    for step in 0..6 {
        let op = ["unlock", "lock"][step % 2];
        let begun = now_ms();
        let command = home.actuate(&lock, op, &format!("full-{step}"))?;
        assert_eq!(command["status"], "done", "{command}");
        let took_ms = now_ms() - begun;
        assert!(took_ms < ACTUATION_MS_MAX, "{took_ms}");
        assert_eq!(home.mock.bolt(S2_LOCK)?, [0, 255][step % 2]);
    }
    // A keypad is told live although nothing can be recorded.
    home.mock.notify(S2_LOCK, 6, 6, &[3])?;
    let keypad = events.wait("the keypad", Deadline::seconds(10), |entry| {
        entry["kind"] == "lock.operated" && entry["data"]["via"]["slot"] == 3
    })?;
    let last = keypad.id.unwrap();
    let health = client.get("/health")?;
    assert_eq!(
        (&health["status"], &health["store"]),
        (&"degraded".into(), &"failing".into()),
        "{health}"
    );

    home.hub.limit_files(None)?;
    home.hub
        .wait("the store to work again", Deadline::seconds(60), |client| {
            (client.get("/health").ok()?["status"] == "ok").then_some(())
        })?;
    let journal = home.journal(before, None)?;
    let seqs: Vec<u64> = journal
        .iter()
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect();
    assert!(
        seqs.iter()
            .copied()
            .eq(before + 1..=seqs.last().copied().unwrap()),
        "{seqs:?}"
    );
    assert!(seqs.contains(&last));
    for (kind, count) in [
        ("command.ended", 6),
        ("hub.degraded", 1),
        ("hub.recovered", 1),
        ("journal.lost", 0),
    ] {
        let found = journal.iter().filter(|entry| entry["kind"] == kind).count();
        assert_eq!(found, count, "{kind}");
    }
    home.hub.stop()?;
    home.hub.command_ok(&["journal", "verify", "--deep"], "")?;
    Ok(())
}
