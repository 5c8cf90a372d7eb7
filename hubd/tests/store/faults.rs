//! A full disk: told once, events go on, and when there is room again everything is written in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hubd::store::{Filter, StoreError, verify};
use hubd_model::{RadioName, SecretBytes};
use rusqlite::Connection;

use crate::*;

/// A store on a disk that can be filled and freed.
fn limited(dir: &Path) -> (Store, Opened, Arc<AtomicU32>) {
    let pages = Arc::new(AtomicU32::new(u32::MAX));
    let options = StoreOptions {
        pages_max: Some(Arc::clone(&pages)),
        ..StoreOptions::default()
    };
    let (store, opened) = Store::open(dir, &options).unwrap();
    (store, opened, pages)
}

/// Submits in such portions that no listener misses one, and sees each of them live.
async fn submit_seen(
    store: &Store,
    live: &mut tokio::sync::broadcast::Receiver<Arc<StoredEntry>>,
    from: u64,
    to: u64,
) {
    for first in (from..=to).step_by(500) {
        let last = to.min(first + 499);
        submit(store, first..=last);
        for seq in first..=last {
            assert_eq!(live.recv().await.unwrap().seq, seq);
        }
    }
}

#[tokio::test]
async fn a_full_disk_stops_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened, pages) = limited(dir.path());
    let mut live = store.live();
    submit_seen(&store, &mut live, 1, 100).await;
    durable(&mut opened.status, 100).await;

    pages.store(1, Ordering::Relaxed);
    submit_seen(&store, &mut live, 101, 3000).await;
    let mut told = opened.status.recv().await.unwrap();
    while matches!(told, StoreStatus::Durable { .. }) {
        told = opened.status.recv().await.unwrap();
    }
    let StoreStatus::Failing { reason } = told else {
        panic!("{told:?}")
    };
    assert!(
        reason.contains("the disk is full") && reason.contains("free some space"),
        "{reason}"
    );
    let radio = RadioName::parse("z").unwrap();
    let refused = store.put_secret(&radio, "key", SecretBytes::new(vec![1])).await;
    assert!(matches!(refused, Err(StoreError::Failing(_))), "{refused:?}");
    assert!(store.fault().is_some());

    pages.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(durable(&mut opened.status, 3000).await, [StoreStatus::Recovered]);
    assert_eq!(store.fault(), None);
    submit_seen(&store, &mut live, 3001, 3001).await;
    durable(&mut opened.status, 3001).await;
    store
        .put_secret(&radio, "key", SecretBytes::new(vec![1]))
        .await
        .unwrap();
    store.close().await.unwrap();
    let report = verify(dir.path(), Some(&StoreOptions::default())).unwrap();
    assert_eq!((report.entries, report.lost, report.first_bad), (3001, 0, None));
}

#[tokio::test]
async fn what_memory_cannot_hold_is_recorded_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened, pages) = limited(dir.path());
    let mut live = store.live();
    pages.store(1, Ordering::Relaxed);
    submit_seen(&store, &mut live, 1, 12_000).await;
    pages.store(u32::MAX, Ordering::Relaxed);
    while opened.status.recv().await.unwrap() != StoreStatus::Recovered {}
    submit(&store, 12_001..=12_001);
    durable(&mut opened.status, 12_001).await;
    let page = store
        .page(Filter {
            after: Some(11_000),
            ..Filter::default()
        })
        .await
        .unwrap();
    assert_eq!(
        page.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [12_000, 12_001]
    );
    assert_eq!(&*page[0].kind, "journal.lost");
    assert_eq!(page[1], expected(12_001));
    store.close().await.unwrap();
    let report = verify(dir.path(), None).unwrap();
    let kept = report.entries - 2;
    assert_eq!((report.first_bad, kept + report.lost), (None, 12_000));
    assert_eq!(
        (&page[0].data["from"], &page[0].data["lost"]),
        (&(kept + 1).into(), &report.lost.into())
    );
    assert!(kept >= 10_000);
}

#[tokio::test]
async fn another_program_that_holds_the_database_stops_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    let mut live = store.live();
    let other = Connection::open(dir.path().join("hubd.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    submit_seen(&store, &mut live, 1, 20).await;
    let told = opened.status.recv().await.unwrap();
    let StoreStatus::Failing { reason } = told else {
        panic!("{told:?}")
    };
    assert!(reason.contains("another program holds the database"), "{reason}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(durable(&mut opened.status, 20).await, [StoreStatus::Recovered]);
}
