//! The store from outside: what was promised is on disk, what was changed is found, what fails is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::print_stdout,
    reason = "the child of the crash test tells its parent by printing"
)]

mod backup;
mod crash;
mod credentials;
mod faults;
mod killed;
mod memory;
mod pages;
mod recovery;
mod rows;
mod spool;
mod tamper;

use std::path::Path;

use hubd::store::{Opened, Store, StoreJob, StoreOptions, StoreStatus, StoredEntry};
use hubd_core::event::{Entry, Event};
use hubd_model::{AlarmId, BoltState, Hazard, LockId, PersonId, Source, UnixMillis, Via};
use tokio::sync::mpsc;

/// 2026-01-31T23:59:00Z: a run of entries crosses into another month.
const START: i64 = 1_769_903_940_000;

fn open(dir: &Path) -> (Store, Opened) {
    Store::open(dir, &StoreOptions::default()).unwrap()
}

fn lock_id(text: &str) -> LockId {
    LockId::parse(text).unwrap()
}

/// One of a few kinds of entries, chosen by its number.
fn entry(seq: u64) -> Entry {
    let n = i64::try_from(seq).unwrap();
    let door = lock_id(["front", "back", "cellar"][usize::try_from(seq % 3).unwrap()]);
    let base = Entry {
        seq,
        at: UnixMillis(START + n * 1000),
        clock_synced: !seq.is_multiple_of(7),
        lock: Some(door),
        alarm: None,
        person: None,
        event: Event::LockJammed,
    };
    match seq % 10 {
        0 => Entry {
            lock: None,
            alarm: Some(AlarmId::parse("kitchen").unwrap()),
            event: Event::AlarmRaised {
                hazard: Hazard::Smoke,
                authenticated: true,
                frame: vec![0x71, 5],
            },
            ..base
        },
        1 => base,
        2 | 3 => Entry {
            lock: None,
            event: Event::HubDegraded {
                what: "radio:z".into(),
                reason: "away".into(),
            },
            ..base
        },
        _ => {
            let person = PersonId::parse("ada").unwrap();
            let via = Via {
                source: Source::Keypad,
                slot: None,
                person: Some(person.clone()),
            };
            Entry {
                person: Some(person),
                event: Event::LockOperated {
                    bolt: BoltState::Locked,
                    via,
                },
                ..base
            }
        }
    }
}

fn submit(store: &Store, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        store.submit(StoreJob::Journal(entry(seq)));
    }
}

/// Waits until everything up to `seq` is durable; other messages on the way are handed back.
async fn durable(status: &mut mpsc::Receiver<StoreStatus>, seq: u64) -> Vec<StoreStatus> {
    let mut others = Vec::new();
    loop {
        match status.recv().await.unwrap() {
            StoreStatus::Durable { seq: reached } if reached >= seq => return others,
            StoreStatus::Durable { .. } => {}
            other @ (StoreStatus::Failing { .. } | StoreStatus::Recovered) => others.push(other),
        }
    }
}

fn expected(seq: u64) -> StoredEntry {
    hubd::store::shape::entry(entry(seq))
}
