//! Measures the store: how soon an entry is shown and durable, how fast a million are written, paged and verified.
//!
//! `cargo run --release -p hubd --example store_bench -- [ENTRIES] [FOLDER]` (a million, a temporary folder).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement fails loudly"
)]
#![allow(clippy::print_stdout, reason = "it prints its figures")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use hubd::store::{Filter, Opened, Store, StoreJob, StoreOptions, StoreStatus, verify};
use hubd_core::event::{Entry, Event};
use hubd_model::{
    AlarmId, BatteryPercent, BoltState, CodeSlot, Hazard, LockId, PersonId, Source, UnixMillis, Via,
};
use rusqlite::{Connection, params};

const SINGLES: u64 = 500;
const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 30_000;

/// Three hundred devices' worth of household life: mostly bolts, some batteries, now and then an alarm.
fn entry(seq: u64) -> Entry {
    let n = i64::try_from(seq).unwrap();
    let lock = LockId::parse(&format!("zwave-d0000001-{}", seq % 199 + 2)).unwrap();
    let base = Entry {
        seq,
        at: UnixMillis(START_MS + n * STEP_MS),
        clock_synced: true,
        lock: Some(lock),
        alarm: None,
        person: None,
        event: Event::LockOnline,
    };
    match seq % 1000 {
        0 => Entry {
            lock: None,
            alarm: Some(AlarmId::parse("zwave-d0000001-201").unwrap()),
            event: Event::AlarmTested {
                hazard: Hazard::Smoke,
            },
            ..base
        },
        1..=100 => {
            let level = BatteryPercent::new(u8::try_from(seq % 101).unwrap()).unwrap();
            Entry {
                event: Event::LockBattery { level },
                ..base
            }
        }
        101..=120 => base,
        _ => {
            let person = PersonId::parse(&format!("person-{}", seq % 7)).unwrap();
            let via = Via {
                source: Source::Keypad,
                slot: CodeSlot::new(3),
                person: Some(person.clone()),
            };
            let bolt = if seq.is_multiple_of(2) {
                BoltState::Locked
            } else {
                BoltState::Unlocked
            };
            Entry {
                person: Some(person),
                event: Event::LockOperated { bolt, via },
                ..base
            }
        }
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{what:<58} median {:>9.3?}  p99 {:>9.3?}  max {:>9.3?}",
        at(50),
        at(99),
        at(100)
    );
}

async fn durable(opened: &mut Opened, seq: u64) {
    loop {
        match opened.status.recv().await.unwrap() {
            StoreStatus::Durable { seq: reached } if reached >= seq => return,
            StoreStatus::Durable { .. } => {}
            other @ (StoreStatus::Failing { .. } | StoreStatus::Recovered) => panic!("{other:?}"),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let entries: u64 = arguments.next().map_or(1_000_000, |count| count.parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let dir = arguments
        .next()
        .map_or_else(|| scratch.path().to_owned(), Into::into);
    let (store, mut opened) = Store::open(&dir, &StoreOptions::default()).unwrap();
    let mut live = store.live();

    let (mut shown, mut kept) = (Vec::new(), Vec::new());
    for seq in 1..=SINGLES {
        let start = Instant::now();
        store.submit(StoreJob::Journal(entry(seq)));
        live.recv().await.unwrap();
        shown.push(start.elapsed());
        durable(&mut opened, seq).await;
        kept.push(start.elapsed());
    }
    print("one entry: submitted to shown live", shown);
    print("one entry: submitted to durable", kept);
    drop(live);

    let start = Instant::now();
    let mut seq = SINGLES;
    while seq < entries {
        let last = entries.min(seq + 4000);
        for seq in seq + 1..=last {
            store.submit(StoreJob::Journal(entry(seq)));
        }
        durable(&mut opened, last).await;
        seq = last;
    }
    let rate = u128::from(entries - SINGLES) * 1000 / start.elapsed().as_millis().max(1);
    println!("{entries} entries written under load: {rate} a second");

    let n = i64::try_from(entries).unwrap();
    let middle = UnixMillis(START_MS + n / 2 * STEP_MS);
    let day = Some(UnixMillis(middle.0 + 86_400_000));
    let lock = |number: u64| Some(LockId::parse(&format!("zwave-d0000001-{number}")).unwrap());
    let person = |number: u64| Some(PersonId::parse(&format!("person-{number}")).unwrap());
    let kind = |kind: &str| Some(kind.to_owned());
    let all = Filter {
        newest_first: true,
        ..Filter::default()
    };
    let filters = [
        ("newest", all.clone()),
        (
            "one lock",
            Filter {
                lock: lock(50),
                ..all.clone()
            },
        ),
        (
            "one lock, from the start",
            Filter {
                lock: lock(50),
                newest_first: false,
                ..all.clone()
            },
        ),
        (
            "one lock and kind",
            Filter {
                lock: lock(50),
                kind: kind("lock.battery"),
                ..all.clone()
            },
        ),
        (
            "a rare kind",
            Filter {
                kind: kind("alarm.tested"),
                ..all.clone()
            },
        ),
        (
            "a kind that this lock never had",
            Filter {
                lock: lock(50),
                kind: kind("alarm.tested"),
                ..all.clone()
            },
        ),
        (
            "one person",
            Filter {
                person: person(3),
                ..all.clone()
            },
        ),
        (
            "one person at one lock",
            Filter {
                person: person(3),
                lock: lock(50),
                ..all.clone()
            },
        ),
        (
            "one person's rare kind",
            Filter {
                person: person(3),
                kind: kind("lock.battery"),
                ..all.clone()
            },
        ),
        (
            "one day",
            Filter {
                from: Some(middle),
                to: day,
                ..all.clone()
            },
        ),
        (
            "one lock on one day",
            Filter {
                from: Some(middle),
                to: day,
                lock: lock(50),
                ..all.clone()
            },
        ),
        (
            "one person, long ago",
            Filter {
                to: Some(UnixMillis(START_MS + 900_000_000)),
                person: person(3),
                ..all
            },
        ),
    ];
    for (what, filter) in filters {
        let (mut times, mut found) = (Vec::new(), 0);
        for _ in 0..30 {
            let start = Instant::now();
            found = store.page(filter.clone()).await.unwrap().len();
            times.push(start.elapsed());
        }
        print(&format!("page of {found}: {what}"), times);
    }
    store.close().await.unwrap();
    drop(store);

    println!(
        "database: {} KiB",
        std::fs::metadata(dir.join("hubd.db")).unwrap().len() / 1024
    );
    for deep in [None, Some(&StoreOptions::default())] {
        let start = Instant::now();
        let report = verify(&dir, deep).unwrap();
        assert_eq!((report.first_bad, report.entries), (None, entries));
        let rate = u128::from(entries) * 1000 / start.elapsed().as_millis().max(1);
        let how = if deep.is_some() {
            "payloads opened"
        } else {
            "chain"
        };
        println!("verified ({how}): {rate} entries a second");
    }
    let start = Instant::now();
    let (store, _opened) = Store::open(&dir, &StoreOptions::default()).unwrap();
    println!("opened in {:.1?}", start.elapsed());
    store.close().await.unwrap();
    drop(store);

    names_saved(&dir);
    for how in ["FULL", "NORMAL"] {
        commits(&dir, how);
    }
}

/// What it would take to write every name out.
fn names_saved(dir: &Path) {
    let db = Connection::open(dir.join("hubd.db")).unwrap();
    let bytes: i64 = db
        .query_row(
            "SELECT sum(length(names.text)) FROM journal JOIN names \
             ON names.id IN (journal.kind, journal.lock, journal.alarm, journal.person)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    println!(
        "names as text instead of numbers: {} KiB more in the table alone",
        bytes / 1024
    );
}

/// The same rows written by hand, the commit waiting for the disk as SQLite itself does it.
fn commits(dir: &Path, how: &str) {
    let db = Connection::open(dir.join("hubd.db")).unwrap();
    db.pragma_update(None, "synchronous", how).unwrap();
    let last: i64 = db
        .query_row("SELECT max(seq) FROM journal", [], |row| row.get(0))
        .unwrap();
    let sealed = [7_u8; 140];
    let mut times = Vec::new();
    for seq in last + 1..=last + i64::try_from(SINGLES).unwrap() {
        let start = Instant::now();
        let tx = db.unchecked_transaction().unwrap();
        tx.execute(
            "INSERT INTO journal SELECT ?1, at_ms, 1, kind, lock, alarm, person, ?2, ?3 FROM journal WHERE seq = ?1 - 1",
            params![seq, sealed, [9_u8; 32]],
        )
        .unwrap();
        tx.execute("UPDATE journal_head SET seq = ?1, entries = ?1", [seq])
            .unwrap();
        tx.commit().unwrap();
        times.push(start.elapsed());
    }
    print(&format!("one commit by SQLite alone, synchronous={how}"), times);
}
