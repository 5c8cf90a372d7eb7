//! The spool: what was shown before it was committed is recorded at the next start, and what was altered in it meanwhile
//! is found.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use hubd::store::{Filter, Show, Taken, verify};
use hubd_core::output::{DeviceRecord, Record};
use rusqlite::Connection;
use tokio::sync::broadcast::Receiver;

use crate::rows::lock;
use crate::*;

async fn heard(live: &mut Receiver<Arc<StoredEntry>>, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        assert_eq!(*live.recv().await.unwrap(), expected(seq));
    }
}

fn door(seq: u64) -> DeviceRecord {
    DeviceRecord::Lock(lock(&format!("door-{seq}")))
}

/// A data folder as a kill leaves it: entries 1 to 3 are committed, 4 to 6 shown and only spooled.
async fn killed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    let mut live = store.live();
    submit(&store, 1..=3);
    durable(&mut opened.status, 3).await;
    heard(&mut live, 1..=3).await;
    // Nothing more can be committed from here on.
    let other = Connection::open(dir.path().join("hubd.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for seq in 4..=6 {
        let jobs = [
            StoreJob::Journal(entry(seq)),
            StoreJob::Save(Record::Device(door(seq))),
        ];
        assert_eq!(store.submit_all(jobs, Show::AtOnce), Taken::Waiting);
        heard(&mut live, seq..=seq).await;
    }
    let left = tempfile::tempdir().unwrap();
    for name in ["hubd.db", "hubd.db-wal", "identity.key", "spool"] {
        fs::copy(dir.path().join(name), left.path().join(name)).unwrap();
    }
    left
}

async fn page(store: &Store) -> Vec<StoredEntry> {
    let filter = Filter {
        limit: 100,
        ..Filter::default()
    };
    store.page(filter).await.unwrap()
}

#[tokio::test]
async fn what_was_shown_from_the_spool_is_recorded_at_the_next_start() {
    let dir = killed().await;
    for deep in [None, Some(StoreOptions::default())] {
        let report = verify(dir.path(), deep.as_ref()).unwrap();
        assert_eq!(
            (report.first_bad, report.last_seq, report.spooled, report.lost),
            (None, 3, 3, 0)
        );
    }
    let (store, opened) = open(dir.path());
    assert_eq!(opened.memory.last_seq, 6);
    for seq in 4..=6 {
        assert!(opened.memory.devices.contains(&door(seq)), "{seq}");
    }
    assert_eq!(page(&store).await, (1..=6).map(expected).collect::<Vec<_>>());
    submit(&store, 7..=7);
    store.close().await.unwrap();
    let report = verify(dir.path(), Some(&StoreOptions::default())).unwrap();
    assert_eq!(
        (report.first_bad, report.last_seq, report.spooled, report.lost),
        (None, 7, 0, 0)
    );
    // A hub that ended in peace leaves nothing in it.
    assert!(
        fs::read(dir.path().join("spool"))
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
}

/// The places where the three records begin, and where the last one ends.
fn places(spool: &[u8]) -> Vec<usize> {
    let mut places = vec![0];
    while spool[places[places.len() - 1]..].starts_with(b"hsp1") {
        let place = places[places.len() - 1];
        let length = u32::from_be_bytes(spool[place + 36..place + 40].try_into().unwrap());
        places.push(place + 56 + usize::try_from(length).unwrap());
    }
    places
}

#[tokio::test]
async fn invariant_a_changed_bit_in_the_spool_is_found_and_its_entry_named() {
    let dir = killed().await;
    let path = dir.path().join("spool");
    let spool = fs::read(&path).unwrap();
    let places = places(&spool);
    assert_eq!(places.len(), 4);
    for place in (0..places[3]).step_by(3) {
        let mut changed = spool.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&path, &changed).unwrap();
        let hit = places.iter().filter(|start| **start <= place).count() as u64 + 3;
        let bad = verify(dir.path(), None).unwrap().first_bad.expect("it is found");
        assert_eq!(bad.seq, hit, "byte {place}: {}", bad.what);
    }
    // Who also makes the hash anew is found by the seal.
    let mut forged = spool.clone();
    let (start, end) = (places[1], places[2]);
    forged[end - 20] ^= 1;
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&forged[start + 36..end]);
    forged[start + 4..start + 36].copy_from_slice(&hash);
    fs::write(&path, &forged).unwrap();
    assert_eq!(verify(dir.path(), None).unwrap().first_bad, None);
    let deep = StoreOptions::default();
    assert_eq!(verify(dir.path(), Some(&deep)).unwrap().first_bad.unwrap().seq, 5);

    // The next start records the loss, and the journal goes on whole.
    let (store, opened) = open(dir.path());
    assert_eq!(opened.memory.last_seq, 5);
    let found = page(&store).await;
    assert_eq!(found[..4], (1..=4).map(expected).collect::<Vec<_>>());
    assert_eq!(&*found[4].kind, "journal.lost");
    assert_eq!(
        (&found[4].data["from"], &found[4].data["to"]),
        (&5.into(), &5.into())
    );
    assert!(found[4].data["reason"].as_str().unwrap().contains("altered"));
    store.close().await.unwrap();
    let report = verify(dir.path(), Some(&deep)).unwrap();
    assert_eq!((report.first_bad, report.last_seq, report.lost), (None, 5, 1));
}

#[tokio::test]
async fn a_spool_of_another_journal_is_not_taken_for_this_ones() {
    let dir = killed().await;
    let other = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("spool"), other.path().join("spool")).unwrap();
    let (store, opened) = open(other.path());
    // Nobody can tell what it held: that is recorded, and nothing of it is believed.
    let found = page(&store).await;
    assert_eq!((found.len(), &*found[0].kind), (1, "journal.lost"));
    assert!(opened.memory.devices.is_empty());
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_delays_events_and_loses_none() {
    for full in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let spool = dir.path().join("spool");
        fs::remove_file(&spool).unwrap();
        if full {
            symlink("/dev/full", &spool).unwrap();
        } else {
            fs::create_dir(&spool).unwrap();
        }
        let (store, mut opened) = open(dir.path());
        let mut live = store.live();
        submit(&store, 1..=50);
        heard(&mut live, 1..=50).await;
        let others = durable(&mut opened.status, 50).await;
        assert!(others.is_empty(), "the records are kept: {others:?}");
        assert_eq!(page(&store).await.len(), 50);
    }
}

#[tokio::test]
async fn what_waits_for_its_commit_is_shown_before_what_comes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    let mut live = store.live();
    submit(&store, 1..=1);
    durable(&mut opened.status, 1).await;
    for first in (2..=400).step_by(2) {
        let jobs = |seq| [StoreJob::Journal(entry(seq))];
        assert_eq!(store.submit_all(jobs(first), Show::AtCommit), Taken::Waiting);
        let _ = store.submit_all(jobs(first + 1), Show::AtOnce);
    }
    store.flush();
    heard(&mut live, 1..=401).await;
    // A reader has at once what a listener was told.
    let _ = store.submit_all([StoreJob::Journal(entry(402))], Show::AtOnce);
    heard(&mut live, 402..=402).await;
    let filter = Filter {
        after: Some(401),
        ..Filter::default()
    };
    assert_eq!(store.page(filter).await.unwrap(), [expected(402)]);
}
