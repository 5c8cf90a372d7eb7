//! People, credentials and slots come back as they were, and nobody reads them from the disk.

use std::collections::BTreeSet;
use std::path::Path;

use hubd::store::{Store, StoreError, StoreJob, StoreOptions};
use hubd_core::credentials::record::{
    Credential, CredentialsKey, CredentialsMemory, CredentialsRecord, Emptied, EnabledFor, Generation,
    Holder, Inventory, Means, MirrorRecord, Person, Phase, Proof, SlotRecord, Standing, Written,
};
use hubd_core::output::{Record, RecordKey};
use hubd_core::view::Reported;
use hubd_model::{
    CodeChecksum, CodeSlot, CredentialId, CredentialKind, IncidentId, LockSchedule, MinuteOfDay, PersonId,
    Pin, Role, Schedule, SecretString, SlotContent, SlotKey, UnixMillis, Usage, WeekDay, WeeklyWindow,
};
use rusqlite::Connection;

use super::{durable, entry, lock_id, open};

/// A PIN and a name that stand nowhere by chance.
const PIN: &str = "918273645012";
const NAME: &str = "Wilhelmina Planted";

fn pin() -> Pin {
    Pin::parse(SecretString::new(PIN.to_owned())).unwrap()
}

fn window() -> WeeklyWindow {
    let minute = |minute| MinuteOfDay::new(minute).unwrap();
    WeeklyWindow::new(WeekDay::Tuesday, minute(60), minute(90)).unwrap()
}

fn credential(number: u64, means: Means, standing: Standing) -> CredentialsRecord {
    CredentialsRecord::Credential(Credential {
        id: CredentialId::parse(&format!("c-{number}")).unwrap(),
        person: PersonId::parse("p-1").unwrap(),
        label: "cleaner".into(),
        means,
        usage: Usage::Emergency,
        schedule: Schedule {
            from: Some(UnixMillis(1)),
            until: None,
            weekly: vec![window()],
        },
        uses_left: Some(3),
        locks: BTreeSet::from([lock_id("front"), lock_id("back")]),
        standing,
        phase: Some(Phase::Before),
        created_at: UnixMillis(2),
        rotated_at: UnixMillis(3),
        generation: Generation(number),
    })
}

fn slot(number: u16, holder: Holder, content: Option<SlotContent>, proof: Proof) -> CredentialsRecord {
    let written = |generation, pin| Written {
        generation: Generation(generation),
        pin,
        schedule: LockSchedule {
            dated: None,
            weekly: vec![window()],
        },
        at: UnixMillis(9),
    };
    CredentialsRecord::Slot(SlotRecord {
        lock: lock_id("front"),
        key: SlotKey::pin(CodeSlot::new(number).unwrap()),
        holder,
        reported: content.map(|value| Reported {
            value,
            at: UnixMillis(4),
        }),
        reported_schedule: Some(LockSchedule::default()),
        confirmed: Some((written(1, Some(pin())), proof)),
        attempts: vec![written(2, Some(pin())), written(3, None)],
        tried: Some((UnixMillis(5), Some("no answer".into()))),
        pending_since: Some(UnixMillis(6)),
        failures: 7,
        named: Some("Ann".to_owned()),
        schedule_refused: Some(LockSchedule::default()),
        unread: true,
        void: true,
    })
}

/// One of everything.
fn all() -> Vec<CredentialsRecord> {
    let key = Inventory {
        stored: "with the neighbour".into(),
        rekeyed_at: Some(UnixMillis(8)),
    };
    let enabled = |cause| Standing::Enabled {
        cause,
        since: UnixMillis(1),
        used: true,
    };
    let person = EnabledFor::Person {
        by: "Ada".into(),
        until: UnixMillis(99),
    };
    let incident = EnabledFor::Incident(IncidentId::parse("i-1").unwrap());
    let shown = SlotContent::Pin {
        pin: pin(),
        enabled: true,
    };
    let ours = Holder::Ours(CredentialId::parse("c-1").unwrap());
    vec![
        CredentialsRecord::Person(Person {
            id: PersonId::parse("p-1").unwrap(),
            name: NAME.into(),
            role: Role::Responder,
            may_sign_in: true,
            created_at: UnixMillis(1),
            removed: true,
        }),
        credential(1, Means::Pin(pin()), Standing::Ready),
        credential(2, Means::Enrolled(CredentialKind::Rfid), enabled(person)),
        credential(3, Means::MechanicalKey(key.clone()), enabled(incident)),
        credential(4, Means::Fob(key), Standing::UsedUp),
        credential(5, Means::Pin(pin()), Standing::Removed),
        slot(1, Holder::Nobody, None, Proof::Read),
        slot(2, ours, Some(shown), Proof::Acknowledged),
        slot(
            3,
            Holder::Foreign { ignored: true },
            Some(SlotContent::Empty),
            Proof::Vouched,
        ),
        slot(
            4,
            Holder::Condemned,
            Some(SlotContent::Hidden { enabled: false }),
            Proof::Read,
        ),
        slot(5, Holder::Nobody, Some(SlotContent::Unknown), Proof::Read),
        CredentialsRecord::Mirror(MirrorRecord {
            lock: lock_id("front"),
            name: "Front door".into(),
            model: "m".into(),
            gone: Some(UnixMillis(1)),
            read_at: Some(UnixMillis(2)),
            checksum: Some(CodeChecksum(3)),
            emptied: Some(Emptied {
                since: UnixMillis(4),
                codes: 5,
            }),
            frames_left: -6,
            frames_total: 7,
        }),
    ]
}

fn memory(records: Vec<CredentialsRecord>) -> CredentialsMemory {
    let mut memory = CredentialsMemory::default();
    for record in records {
        memory.insert(record);
    }
    memory
}

/// Saves records with a journal entry and waits until all of it is on disk.
async fn save(store: &Store, status: &mut tokio::sync::mpsc::Receiver<hubd::store::StoreStatus>, seq: u64) {
    let jobs = all()
        .into_iter()
        .map(|record| StoreJob::Save(Record::Credentials(Box::new(record))));
    let _taken = store.submit_all(
        jobs.chain([StoreJob::Journal(entry(seq))]),
        hubd::store::Show::AtCommit,
    );
    store.flush();
    durable(status, seq).await;
}

/// Whether any file below a folder holds this text.
fn is_found(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn what_is_kept_of_people_and_codes_comes_back_and_is_read_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    assert_eq!(opened.memory.credentials, CredentialsMemory::default());
    save(&store, &mut opened.status, 1).await;
    for text in [PIN, NAME, "cleaner", "with the neighbour"] {
        assert!(!is_found(dir.path(), text), "{text} is on disk in clear");
    }
    store.close().await.unwrap();
    let (store, mut opened) = open(dir.path());
    assert_eq!(opened.memory.credentials, memory(all()));
    let forget = CredentialsKey::Credential(CredentialId::parse("c-5").unwrap());
    store.submit(StoreJob::Forget(RecordKey::Credentials(forget)));
    store.submit(StoreJob::Journal(entry(2)));
    durable(&mut opened.status, 2).await;
    store.close().await.unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened.memory.credentials.credentials.len(), 4);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_row_that_was_exchanged_or_altered_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    save(&store, &mut opened.status, 1).await;
    store.close().await.unwrap();
    let changes = [
        "UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE id = 'c-5') WHERE id = 'c-1'",
        "UPDATE credentials SET id = 'c-9' WHERE id = 'c-1'",
        "UPDATE credentials SET sealed = zeroblob(60) WHERE kind = 'mirror'",
        "DELETE FROM data_keys",
    ];
    for change in changes {
        let copy = tempfile::tempdir().unwrap();
        for name in ["hubd.db", "identity.key"] {
            std::fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
        }
        let db = Connection::open(copy.path().join("hubd.db")).unwrap();
        assert!(db.execute(change, []).unwrap() > 0, "{change}");
        drop(db);
        let refused = Store::open(copy.path(), &StoreOptions::default()).err();
        assert!(
            matches!(refused, Some(StoreError::Row { .. } | StoreError::Sealed(_))),
            "{change}: {refused:?}"
        );
    }
}
