//! Pages: any filter gives what a plain look at every entry would give.

use hubd::store::{Filter, StoredEntry};
use hubd_model::{AlarmId, PersonId, UnixMillis};
use proptest::prelude::*;

use crate::*;

#[tokio::test]
async fn what_goes_in_comes_out_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    assert_eq!(opened.memory.last_seq, 0);
    let mut live = store.live();
    submit(&store, 1..=300);
    assert_eq!(durable(&mut opened.status, 300).await, []);
    for seq in 1..=300 {
        assert_eq!(*live.recv().await.unwrap(), expected(seq));
    }
    store.close().await.unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened.memory.last_seq, 300);
    let page = store
        .page(Filter {
            limit: 1000,
            ..Filter::default()
        })
        .await
        .unwrap();
    assert_eq!(page, (1..=300).map(expected).collect::<Vec<_>>());
    let json = page[6].to_json();
    assert_eq!(json["clock_synced"], false);
    assert_eq!(json["at"], "2026-01-31T23:59:07.000Z");
    assert!(page[0].to_json().get("clock_synced").is_none());
}

fn matches(entry: &StoredEntry, filter: &Filter) -> bool {
    filter.after.is_none_or(|after| entry.seq > after)
        && filter.before.is_none_or(|before| entry.seq < before)
        && filter
            .lock
            .as_ref()
            .is_none_or(|lock| entry.lock.as_ref() == Some(lock))
        && filter
            .alarm
            .as_ref()
            .is_none_or(|alarm| entry.alarm.as_ref() == Some(alarm))
        && filter
            .person
            .as_ref()
            .is_none_or(|person| entry.person.as_ref() == Some(person))
        && filter.kind.as_ref().is_none_or(|kind| **kind == *entry.kind)
        && filter.from.is_none_or(|from| entry.at >= from)
        && filter.to.is_none_or(|to| entry.at < to)
}

/// The clock is set back by an hour every 1,500 entries: times do not grow with the numbers.
fn jumping(seq: u64) -> Entry {
    let back = i64::try_from(seq / 1500).unwrap() * 3_600_000;
    let entry = entry(seq);
    Entry {
        at: UnixMillis(entry.at.0 - back),
        ..entry
    }
}

const ENTRIES: u64 = 5000;

#[test]
fn every_filter_finds_what_a_plain_look_finds() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    for seq in 1..=ENTRIES {
        store.submit(StoreJob::Journal(jumping(seq)));
        if seq % 1000 == 0 {
            runtime.block_on(durable(&mut opened.status, seq));
        }
    }
    let all: Vec<StoredEntry> = (1..=ENTRIES)
        .map(|seq| hubd::store::shape::entry(jumping(seq)))
        .collect();

    let time =
        || proptest::option::of((START - 12_000_000)..(START + 6_000_000)).prop_map(|at| at.map(UnixMillis));
    let names = |names: &'static [&'static str]| proptest::option::of(proptest::sample::select(names));
    let filter = (
        (
            proptest::option::of(0..ENTRIES + 9),
            proptest::option::of(0..ENTRIES + 9),
            1_usize..60,
        ),
        (
            names(&["front", "back", "nowhere"]),
            names(&["kitchen"]),
            names(&["ada", "nobody"]),
        ),
        (
            names(&["lock.operated", "lock.jammed", "alarm.raised", "never"]),
            time(),
            time(),
            any::<bool>(),
        ),
    )
        .prop_map(
            |((after, before, limit), (lock, alarm, person), (kind, from, to, newest_first))| Filter {
                after,
                before,
                limit,
                lock: lock.map(lock_id),
                alarm: alarm.map(|id| AlarmId::parse(id).unwrap()),
                person: person.map(|id| PersonId::parse(id).unwrap()),
                kind: kind.map(str::to_owned),
                from,
                to,
                newest_first,
            },
        );
    proptest!(ProptestConfig::with_cases(300), |(filter in filter)| {
        let mut wanted: Vec<StoredEntry> = all.iter().filter(|entry| matches(entry, &filter)).cloned().collect();
        if filter.newest_first {
            wanted.reverse();
        }
        wanted.truncate(filter.limit);
        let found = runtime.block_on(store.page(filter)).unwrap();
        prop_assert_eq!(found, wanted);
    });
}
