//! Whatever is changed in the journal is found, and its entry named.

use std::sync::OnceLock;

use hubd::cli::journal::{ExportFormat, VerifyFormat, export, verify as verify_command};
use hubd::store::{Filter, VerifyReport, verify};
use hubd_core::journal::chain::{EntryHeader, GENESIS, entry_hash};
use hubd_model::MonoTime;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::*;

const ENTRIES: u64 = 40;

/// A closed journal that crosses from one month into the next.
fn journal() -> TempDir {
    static ORIGINAL: OnceLock<TempDir> = OnceLock::new();
    let original = ORIGINAL.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, _opened) = open(dir.path());
            for seq in 1..=ENTRIES {
                let entry = entry(seq);
                let at = UnixMillis(entry.at.0 + i64::try_from(seq).unwrap() * 1000);
                store.submit(StoreJob::Journal(Entry { at, ..entry }));
            }
            store.close().await.unwrap();
        });
        dir
    });
    let copy = tempfile::tempdir().unwrap();
    for name in ["hubd.db", "identity.key"] {
        std::fs::copy(original.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn tampered(change: impl FnOnce(&Connection)) -> (TempDir, VerifyReport) {
    let dir = journal();
    let db = Connection::open(dir.path().join("hubd.db")).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    change(&db);
    drop(db);
    let report = verify(dir.path(), None).unwrap();
    (dir, report)
}

#[test]
fn an_untouched_journal_is_whole() {
    let (dir, report) = tampered(|_| ());
    assert_eq!(
        (report.entries, report.last_seq, report.first_bad),
        (ENTRIES, ENTRIES, None)
    );
    let deep = verify(dir.path(), Some(&StoreOptions::default())).unwrap();
    assert_eq!((deep.forgotten, deep.first_bad), (0, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn invariant_a_changed_bit_in_any_column_is_found_and_its_entry_named(
        seq in 1..=ENTRIES,
        column in proptest::sample::select(&[
            "seq", "at_ms", "clock_synced", "kind", "lock", "alarm", "person", "sealed", "hash",
        ][..]),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let mut refused = false;
        let (_dir, report) = tampered(|db| {
            let row = i64::try_from(seq).unwrap();
            if ["sealed", "hash"].contains(&column) {
                let query = format!("SELECT {column} FROM journal WHERE seq = ?1");
                let mut bytes: Vec<u8> = db.query_row(&query, [row], |row| row.get(0)).unwrap();
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << bit;
                db.execute(&format!("UPDATE journal SET {column} = ?2 WHERE seq = ?1"), params![row, bytes]).unwrap();
            } else {
                let mask = 1_i64 << (place.index(8) * 8 + usize::try_from(bit).unwrap());
                // Exclusive or, which SQLite does not have; an absent subject becomes one.
                let change = format!("({column} | ?2) - ({column} & ?2)");
                let sql = format!("UPDATE journal SET {column} = coalesce({change}, ?2) WHERE seq = ?1");
                // A number that another entry has is refused by SQLite itself.
                refused = db.execute(&sql, params![row, mask]).is_err();
            }
        });
        if refused {
            prop_assert_eq!(column, "seq");
            prop_assert_eq!(report.first_bad, None);
        } else {
            let bad = report.first_bad.expect("the change is found").seq;
            // A number below 1 stands before the first entry.
            prop_assert!(bad == seq || column == "seq" && bad == 0, "{bad} is named instead of {seq}");
        }
    }
}

#[test]
fn what_is_removed_put_in_or_renamed_is_found() {
    let cases: [(&str, u64, &str); 8] = [
        ("DELETE FROM journal WHERE seq = 17", 17, "removed"),
        ("DELETE FROM journal WHERE seq > 30", 31, "cut off"),
        ("DELETE FROM journal", 1, "cut off"),
        (
            "UPDATE names SET text = 'someone' WHERE text = 'ada'",
            4,
            "altered",
        ),
        ("DELETE FROM names WHERE text = 'kitchen'", 10, "does not exist"),
        (
            "INSERT INTO journal SELECT 41, at_ms, clock_synced, kind, lock, alarm, person, sealed, hash \
             FROM journal WHERE seq = 40",
            41,
            "altered",
        ),
        ("UPDATE journal_head SET entries = 39", 40, "end"),
        ("UPDATE journal_blocks SET at_max = at_max - 1", 1, "times"),
    ];
    for (sql, seq, what) in cases {
        let (_dir, report) = tampered(|db| _ = db.execute(sql, []).unwrap());
        let bad = report.first_bad.unwrap();
        assert_eq!(bad.seq, seq, "{sql}");
        assert!(bad.what.contains(what), "{sql}: {}", bad.what);
    }
}

/// Somebody with the file, but without the keys, rebuilds the chain after changing an entry.
#[test]
fn a_rebuilt_chain_does_not_open() {
    let (dir, report) = tampered(|db| {
        db.execute("UPDATE journal SET lock = alarm, alarm = NULL WHERE seq = 20", [])
            .unwrap();
        let name = |id: Option<i64>| -> Option<String> {
            id.map(|id| {
                db.query_row("SELECT text FROM names WHERE id = ?1", [id], |row| row.get(0))
                    .unwrap()
            })
        };
        let mut hash = GENESIS;
        for seq in 1..=ENTRIES {
            let row = i64::try_from(seq).unwrap();
            let (at, synced, names, sealed): (i64, bool, [Option<i64>; 4], Vec<u8>) = db
                .query_row(
                    "SELECT at_ms, clock_synced, kind, lock, alarm, person, sealed FROM journal WHERE seq = ?1",
                    [row],
                    |row| {
                        let names = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
                        Ok((row.get(0)?, row.get(1)?, names, row.get(6)?))
                    },
                )
                .unwrap();
            let [kind, lock, alarm, person] = names.map(name);
            let header = EntryHeader {
                seq,
                at: UnixMillis(at),
                clock_synced: synced,
                kind: kind.as_deref().unwrap(),
                lock: lock.as_deref(),
                alarm: alarm.as_deref(),
                person: person.as_deref(),
            };
            hash = entry_hash(&hash, &header, &sealed);
            db.execute("UPDATE journal SET hash = ?2 WHERE seq = ?1", params![row, hash])
                .unwrap();
        }
        db.execute("UPDATE journal_head SET hash = ?1", [hash]).unwrap();
    });
    assert_eq!(report.first_bad, None, "the chain alone cannot show it");
    let deep = verify(dir.path(), Some(&StoreOptions::default())).unwrap();
    assert_eq!(deep.first_bad.unwrap().seq, 20);
}

#[tokio::test]
async fn a_forgotten_month_leaves_the_chain_whole() {
    let dir = tokio::task::spawn_blocking(journal).await.unwrap();
    let (store, _opened) = open(dir.path());
    store.forget_month(202_601).await.unwrap();
    let page = store.page(Filter::default()).await.unwrap();
    assert_eq!(page[0].data, serde_json::json!({ "unreadable": "forgotten" }));
    assert_eq!(page[0].lock, expected(1).lock);
    assert_eq!(page.last().unwrap().data, expected(ENTRIES).data);
    store.close().await.unwrap();
    let report = verify(dir.path(), Some(&StoreOptions::default())).unwrap();
    assert_eq!((report.entries, report.first_bad), (ENTRIES, None));
    // Two seconds pass with each entry; the month ends a minute after the first.
    assert_eq!(report.forgotten, 29);
}

#[test]
fn the_command_says_what_is_wrong() {
    let (dir, _) = tampered(|_| ());
    let clock = || MonoTime::from_micros(0);
    let mut out = Vec::new();
    assert!(verify_command(dir.path(), None, VerifyFormat::Text, clock, &mut out).unwrap());
    assert!(
        String::from_utf8(out)
            .unwrap()
            .starts_with("The journal is whole: 40 entries verified")
    );

    let (dir, _) = tampered(|db| {
        _ = db
            .execute("UPDATE journal SET at_ms = 0 WHERE seq = 9", [])
            .unwrap();
    });
    let mut out = Vec::new();
    assert!(!verify_command(dir.path(), None, VerifyFormat::Json, clock, &mut out).unwrap());
    let answer: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (&answer["ok"], &answer["first_bad"]["seq"], &answer["entries"]),
        (&false.into(), &9.into(), &8.into())
    );
}

#[test]
fn an_export_holds_every_entry() {
    let dir = journal();
    let mut lines = Vec::new();
    let count = export(
        dir.path(),
        &StoreOptions::default(),
        ExportFormat::JsonLines,
        &mut lines,
    )
    .unwrap();
    assert_eq!(count, ENTRIES);
    let lines = String::from_utf8(lines).unwrap();
    let tenth: serde_json::Value = serde_json::from_str(lines.lines().nth(9).unwrap()).unwrap();
    assert_eq!((&tenth["seq"], &tenth["alarm"]), (&10.into(), &"kitchen".into()));
    assert_eq!(tenth["data"]["hazard"], "smoke");
    let mut csv = Vec::new();
    export(dir.path(), &StoreOptions::default(), ExportFormat::Csv, &mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.lines().count(), 41);
    assert!(
        csv.contains("10,2026-01-31T23:59:20.000Z,true,alarm.raised,,kitchen,,\"{\"\"authenticated\"\":true")
    );
}
