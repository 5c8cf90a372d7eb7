//! Rows, secrets and tokens come back as they went in; what is secret is found in no file; what cannot be opened is
//! refused with one sentence and left as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hubd::store::{NewToken, StoreError, create_token_beside};
use hubd_core::output::{DeviceRecord, Record, RecordKey};
use hubd_core::view::{AlarmView, CommandStatus, CommandView, Heard, LockView, LogMemory, Reported};
use hubd_model::{
    BatteryPercent, CodeCapabilities, CodeSlot, CommandId, DeviceAddress, DeviceDescription, DeviceKind,
    DoorState, LinkState, LockCapabilities, LockOp, LogMark, Logged, RadioName, ScheduleKind, SecretBytes,
    Security,
};
use rusqlite::Connection;

use crate::*;

fn radio() -> RadioName {
    RadioName::parse("zwave").unwrap()
}

fn at<T>(value: T) -> Reported<T> {
    Reported {
        value,
        at: UnixMillis(START),
    }
}

pub(crate) fn lock(id: &str) -> LockView {
    let via = Via {
        source: Source::Keypad,
        slot: CodeSlot::new(3),
        person: Some(PersonId::parse("ada").unwrap()),
    };
    LockView {
        id: lock_id(id),
        name: "Front door".into(),
        radio: radio(),
        address: DeviceAddress::parse("D0000001/2").unwrap(),
        description: DeviceDescription {
            kind: DeviceKind::Lock,
            model: "Maker Model".into(),
            security: Security::S2AccessControl,
            lock: LockCapabilities {
                unlatch: true,
                pin_slots: 20,
                schedules: vec![ScheduleKind::Weekly],
                log: true,
                codes: CodeCapabilities::default(),
            },
            hazards: Vec::new(),
        },
        bolt: Some(at((BoltState::Unlocked, via))),
        wish: Some((LockOp::Lock, CommandId::parse("c-1").unwrap())),
        door: Some(at(DoorState::Open)),
        battery: Some(at(BatteryPercent::new(87).unwrap())),
        link: LinkState::Online,
        last_heard: Some(UnixMillis(START + 1)),
        log: Box::new(LogMemory {
            known: vec![LogMark([7; 10])],
            timed: true,
            read_at: Some(UnixMillis(START)),
            ahead_seconds: Some(-3600),
            heard: vec![Heard {
                at: UnixMillis(START + 1),
                synced: true,
                said: Logged::Denied {
                    slot: CodeSlot::new(3),
                },
            }],
        }),
    }
}

fn alarm() -> AlarmView {
    AlarmView {
        id: AlarmId::parse("kitchen").unwrap(),
        name: "Kitchen".into(),
        radio: radio(),
        address: DeviceAddress::parse("D0000001/3").unwrap(),
        description: DeviceDescription {
            kind: DeviceKind::Alarm,
            model: "Detector".into(),
            security: Security::S0,
            lock: LockCapabilities::default(),
            hazards: vec![Hazard::Smoke, Hazard::Co],
        },
        raised: vec![at(Hazard::Co)],
        tested: Some(UnixMillis(START)),
        end_of_life: None,
        trouble: Some(at("dust".into())),
        battery: None,
        link: LinkState::Unknown,
        last_heard: None,
    }
}

fn command(number: i64, status: CommandStatus) -> CommandView {
    CommandView {
        id: CommandId::parse(&format!("c-{number}")).unwrap(),
        lock: lock_id("front"),
        op: LockOp::Unlock,
        requester: "Ada".into(),
        status,
        requested_at: UnixMillis(START + number),
        sent_at: None,
        acknowledged_at: Some(UnixMillis(START + number)),
        ended_at: None,
        reason: Some("why".into()),
    }
}

#[tokio::test]
async fn the_memory_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _opened) = open(dir.path());
    let save = |record| store.submit(StoreJob::Save(record));
    save(Record::Device(DeviceRecord::Lock(lock("back"))));
    save(Record::Device(DeviceRecord::Lock(lock("front"))));
    save(Record::Device(DeviceRecord::Alarm(alarm())));
    store.submit(StoreJob::Forget(RecordKey::Lock(lock_id("back"))));
    save(Record::Command(command(0, CommandStatus::Sent)));
    for number in 1..=1500 {
        save(Record::Command(command(number, CommandStatus::TimedOut)));
    }
    store.submit(StoreJob::KeepCache {
        radio: radio(),
        bytes: vec![1, 2, 3],
    });
    store.close().await.unwrap();
    store.submit(StoreJob::KeepCache {
        radio: radio(),
        bytes: vec![9],
    });

    let (store, opened) = open(dir.path());
    let devices = [DeviceRecord::Alarm(alarm()), DeviceRecord::Lock(lock("front"))];
    assert_eq!(opened.memory.devices, devices);
    let commands = opened.memory.commands;
    assert_eq!(commands.len(), 1001, "the one under way and the latest thousand");
    assert_eq!(commands.first(), Some(&command(0, CommandStatus::Sent)));
    assert_eq!(commands.last(), Some(&command(1500, CommandStatus::TimedOut)));
    assert_eq!(store.cache(&radio()).await.unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(
        store.cache(&RadioName::parse("other").unwrap()).await.unwrap(),
        None
    );
}

fn token(name: &str, hash: u8) -> NewToken {
    NewToken {
        id: format!("t-{name}"),
        name: name.into(),
        scope: "actuate".into(),
        hash: [hash; 32],
        created_at: UnixMillis(START),
    }
}

#[tokio::test]
async fn a_token_is_known_by_its_hash_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _opened) = open(dir.path());
    let now = UnixMillis(START + 5);
    assert_eq!(store.token_by_hash(&[1; 32], now).unwrap(), None);
    store.create_token(token("panel", 1)).await.unwrap();
    let again = store.create_token(token("panel", 2)).await;
    assert!(matches!(again, Err(StoreError::NameTaken(_))));
    let found = store.token_by_hash(&[1; 32], now).unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), found.scope.as_str(), found.last_used),
        ("panel", "actuate", Some(now))
    );

    // Made on the command line while the hub runs.
    create_token_beside(dir.path(), &token("assistant", 3)).unwrap();
    assert_eq!(
        store.token_by_hash(&[3; 32], now).unwrap().unwrap().name,
        "assistant"
    );
    assert_eq!(store.tokens().unwrap().len(), 2);

    let removed = store.remove_token("t-panel").await.unwrap().unwrap();
    assert_eq!(removed.name, "panel");
    assert_eq!(store.token_by_hash(&[1; 32], now).unwrap(), None);
    assert_eq!(store.remove_token("t-panel").await.unwrap(), None);
    store.close().await.unwrap();
    assert!(matches!(
        store.create_token(token("late", 4)).await,
        Err(StoreError::Closed)
    ));
    let (store, _opened) = open(dir.path());
    assert_eq!(store.tokens().unwrap()[0].last_used, Some(now));
}

#[tokio::test]
async fn no_secret_is_found_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    let (pin, key) = ("PIN-80412973", b"KEY-5e1f00d5ea1ed");
    store
        .put_secret(&radio(), "s2_access_control", SecretBytes::new(key.to_vec()))
        .await
        .unwrap();
    let event = Event::SessionRefused { reason: pin.into() };
    store.submit(StoreJob::Journal(Entry { event, ..entry(1) }));
    durable(&mut opened.status, 1).await;
    let look = || {
        for file in fs::read_dir(dir.path()).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(
                path.metadata().unwrap().permissions().mode() & 0o077,
                0,
                "{} is private",
                path.display()
            );
            let bytes = fs::read(&path).unwrap();
            for secret in [pin.as_bytes(), key] {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "a secret is in {}", path.display());
            }
        }
    };
    look();
    store.close().await.unwrap();
    look();

    // Recovery recipients that are added later can open what was sealed before.
    let recovery = age::x25519::Identity::generate();
    let options = StoreOptions {
        recovery_recipients: vec![recovery.to_public().to_string()],
        ..StoreOptions::default()
    };
    let (store, _opened) = Store::open(dir.path(), &options).unwrap();
    let secret = store
        .secret(&radio(), "s2_access_control")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(secret.expose(), key);
    assert_eq!(store.secret(&radio(), "other").await.unwrap(), None);
    let db = Connection::open(dir.path().join("hubd.db")).unwrap();
    let sealed: Vec<u8> = db
        .query_row("SELECT sealed FROM adapter_secret", [], |row| row.get(0))
        .unwrap();
    assert!(age::decrypt(&recovery, &sealed).unwrap().ends_with(key));
}

/// A data folder with a few entries in it, closed.
async fn closed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (store, _opened) = open(dir.path());
    submit(&store, 1..=5);
    store.close().await.unwrap();
    dir
}

fn refusal(dir: &Path) -> String {
    Store::open(dir, &StoreOptions::default())
        .err()
        .expect("it is refused")
        .to_string()
}

#[tokio::test]
async fn what_is_not_ours_to_write_is_refused_and_left_as_it_is() {
    type Change = fn(&Path);
    let cases: [(&str, Change, &str); 7] = [
        (
            "a newer version",
            |dir| {
                Connection::open(dir.join("hubd.db"))
                    .unwrap()
                    .pragma_update(None, "user_version", 99)
                    .unwrap();
            },
            "newer hubd (format 99",
        ),
        (
            "another program's",
            |dir| {
                Connection::open(dir.join("hubd.db"))
                    .unwrap()
                    .pragma_update(None, "application_id", 7)
                    .unwrap();
            },
            "not a database of hubd",
        ),
        (
            "no database",
            |dir| fs::write(dir.join("hubd.db"), "something else").unwrap(),
            "is damaged",
        ),
        (
            "a torn page",
            |dir| {
                let mut bytes = fs::read(dir.join("hubd.db")).unwrap();
                bytes[4096 * 3..4096 * 9].fill(0x5A);
                fs::write(dir.join("hubd.db"), bytes).unwrap();
            },
            "restore a backup",
        ),
        (
            "no identity",
            |dir| fs::remove_file(dir.join("identity.key")).unwrap(),
            "is missing although",
        ),
        (
            "another identity",
            |dir| {
                let other = tempfile::tempdir().unwrap();
                drop(open(other.path()));
                fs::copy(other.path().join("identity.key"), dir.join("identity.key")).unwrap();
            },
            "sealed to age1",
        ),
        (
            "an open folder",
            |dir| fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap(),
            "chmod 700",
        ),
    ];
    for (what, change, sentence) in cases {
        let dir = closed().await;
        change(dir.path());
        let before = fs::read(dir.path().join("hubd.db")).unwrap();
        let found = refusal(dir.path());
        assert!(found.contains(sentence), "{what}: {found}");
        assert_eq!(found.lines().count(), 1, "{what}: {found}");
        assert_eq!(fs::read(dir.path().join("hubd.db")).unwrap(), before, "{what}");
        assert!(!dir.path().join("hubd.db-wal").exists(), "{what}");
    }
}

#[tokio::test]
async fn one_folder_has_one_hub() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _opened) = open(dir.path());
    assert!(refusal(dir.path()).contains("in use by another hubd"));
    store.close().await.unwrap();
    drop(open(dir.path()));
}

#[test]
fn a_wrong_recipient_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        recovery_recipients: vec!["age1nobody".into()],
        ..StoreOptions::default()
    };
    let error = Store::open(dir.path(), &options).err().unwrap().to_string();
    assert!(error.contains("age1nobody"), "{error}");
}
