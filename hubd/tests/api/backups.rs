//! Backups over HTTP: made, followed, rehearsed, taken elsewhere; with the memory of the radio's dongle, which is written
//! back only when that is meant.

use hubd::store::backup::{self, Opener};
use hubd::store::{Store, StoreOptions};
use hubd::token::Scope;
use hubd_model::UnixMillis;
use serde_json::json;

use crate::client::Client;
use crate::house::{DONGLE, House};

const BACKUPS: &str = "/api/v1/backups";
const MEMORY: &str = "/api/v1/radios/zwave/memory";

#[tokio::test]
async fn a_backup_is_made_followed_rehearsed_and_taken_elsewhere() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let mut events = house
        .client(Scope::Manage)
        .await
        .follow("/api/v1/events/stream?backups=true", &[])
        .await
        .unwrap();

    // Without a recovery key nobody could open it once this machine is gone, so that has to be meant.
    let begun = client.post(BACKUPS, "{}").await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let failed = loop {
        let work = events.named("backup").await;
        if work["state"] != "under_way" {
            break work;
        }
    };
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(
        failed["reason"].as_str().unwrap().contains("recovery key"),
        "{failed}"
    );

    let begun = client.post(BACKUPS, r#"{"hub_only": true}"#).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let begun = begun.json();
    assert_eq!(
        (&begun["what"], &begun["state"]),
        (&json!("create"), &json!("under_way"))
    );
    let mut steps = vec![begun["step"].as_str().unwrap().to_owned()];
    let done = loop {
        let work = events.named("backup").await;
        steps.push(work["step"].as_str().unwrap().to_owned());
        if work["state"] != "under_way" {
            break work;
        }
    };
    assert_eq!(
        (&done["state"], &done["notes"]),
        (&json!("done"), &json!([])),
        "{done}"
    );
    steps.dedup();
    assert_eq!(steps, ["copying_dongle", "copying", "sealing"]);

    let name = done["name"].as_str().unwrap().to_owned();
    let list = client.get(BACKUPS).await.json();
    assert_eq!(list["kept"][0]["name"], name.as_str(), "{list}");
    let path = format!("{BACKUPS}/{name}");
    let file = client.get(&path).await;
    assert_eq!(file.status, 200, "{}", file.head);
    assert_eq!(list["kept"][0]["size_bytes"], file.file.len(), "{list}");
    assert!(file.file.starts_with(b"age-encryption.org/v1"), "it is sealed");
    assert!(!file.file.windows(DONGLE.len()).any(|window| window == DONGLE));
    let created = client.journalled("backup.created").await;
    assert_eq!(created["data"], json!({"name": name, "recovery_keys": 0}));
    assert_eq!(
        client.journalled("radio.memory_copied").await["data"]["by"],
        "manage"
    );

    let begun = client.post(&format!("{path}/rehearsal"), "{}").await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let rehearsed = loop {
        let work = events.named("backup").await;
        if work["state"] != "under_way" {
            break work;
        }
    };
    assert_eq!(
        (&rehearsed["what"], &rehearsed["state"]),
        (&json!("rehearse"), &json!("done")),
        "{rehearsed}"
    );
    let (note, said) = (&rehearsed["noted"][0], &rehearsed["notes"][0]);
    assert_eq!(note["code"], "entries_since", "{rehearsed}");
    assert_eq!(&note["detail"], said, "{rehearsed}");
    let entries = note["entries"].as_u64().unwrap().to_string();
    assert!(said.as_str().unwrap().contains(&entries), "{rehearsed}");
    assert_eq!(
        client.journalled("backup.rehearsed").await["data"]["name"],
        name.as_str()
    );

    // What was taken elsewhere is the hub with its dongle.
    let elsewhere = tempfile::tempdir().unwrap();
    let taken = elsewhere.path().join("taken.hubd-backup");
    std::fs::write(&taken, &file.file).unwrap();
    let options = StoreOptions::default();
    let opener = Opener::hub(house.dir(), &options).unwrap();
    let dir = elsewhere.path().join("data");
    let at = UnixMillis(1);
    let restored = backup::restore(&taken, &opener, &dir, &options, false, at, &mut |_| {}).unwrap();
    assert_eq!(
        (restored.manifest.counts.dongles, restored.manifest.counts.locks),
        (1, 1)
    );
    let radio = hubd_model::RadioName::parse("zwave").unwrap();
    backup::ask_for_dongles(&dir, std::slice::from_ref(&radio)).unwrap();
    let (store, opened) = Store::open(&dir, &options).unwrap();
    assert_eq!(opened.write_dongles, std::slice::from_ref(&radio));
    let kept = store.secret(&radio, hubd::radios::DONGLE_SECRET).await.unwrap();
    assert_eq!(kept.unwrap().expose(), DONGLE);
    store.close().await.unwrap();

    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.problem(404), "no_such_backup");
    assert_eq!(client.delete(&path).await.problem(404), "no_such_backup");
    for bad in ["..%2fhubd.db", "hubd.db", "%2e%2e", ".hubd-backup"] {
        let answer = client.get(&format!("{BACKUPS}/{bad}")).await;
        assert_eq!(answer.status, 404, "{bad}: {answer:?}");
    }
    house.stop().await;
}

#[tokio::test]
async fn only_who_asks_and_may_manage_hears_how_far_a_backup_is() {
    let house = House::new().await;
    let follow = async |scope: Scope, path: &str| {
        let client = house.client(scope).await;
        client.follow(path, &[]).await.unwrap()
    };
    let small = house.client(Scope::Actuate).await;
    let refused = small.follow("/api/v1/events/stream?backups=true", &[]).await;
    assert_eq!(refused.err().unwrap().problem(403), "role_too_small");
    let mut reader = follow(Scope::Manage, "/api/v1/events/stream").await;
    let mut filtered = follow(Scope::Manage, "/api/v1/events/stream?kind=backup.created").await;
    let mut client = house.client(Scope::Manage).await;
    let begun = client
        .post(BACKUPS, r#"{"hub_only": true, "dongles": false}"#)
        .await;
    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!(filtered.next().await.unwrap().data["kind"], "backup.created");
    let heard = loop {
        let event = reader.next().await.unwrap();
        if event.data["kind"] == "backup.created" {
            break event;
        }
    };
    assert_eq!(heard.data["data"]["recovery_keys"], 0);
    assert!(!reader.has_seen("backup") && !filtered.has_seen("backup"));
    house.stop().await;
}

#[tokio::test]
async fn the_copy_of_a_dongle_is_written_only_when_that_is_meant() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let path = format!("{MEMORY}/restore");
    let meant = r#"{"confirm": "zwave"}"#;
    assert_eq!(client.post(&path, meant).await.problem(409), "no_copy");
    let idle = client.get(MEMORY).await.json();
    assert_eq!(idle, json!({"state": "idle", "kept": false}));
    assert_eq!(client.post(&format!("{MEMORY}/copy"), "").await.status, 202);
    let ended = async |client: &mut Client| loop {
        let seen = client.get(MEMORY).await.json();
        if seen["state"] != "under_way" {
            return seen;
        }
        tokio::task::yield_now().await;
    };
    let copied = ended(&mut client).await;
    assert_eq!(
        (&copied["state"], &copied["kept"]),
        (&json!("done"), &json!(true)),
        "{copied}"
    );
    for unmeant in ["{}", r#"{"confirm": "yes"}"#] {
        assert_eq!(client.post(&path, unmeant).await.status, 400, "{unmeant}");
    }
    let owner = house.sign_in_as("owner").await;
    let mut person = Client::connect(house.address).await.with_cookie(&owner);
    assert_eq!(person.post(&path, meant).await.status, 202);
    let written = ended(&mut client).await;
    assert_eq!(
        (&written["state"], &written["what"]),
        (&json!("done"), &json!("write")),
        "{written}"
    );
    let told = client.journalled("radio.memory_written").await;
    assert!(
        told["data"]["by"].as_str().unwrap().starts_with("owner "),
        "{told}"
    );
    let absent = client.get("/api/v1/radios/none/memory").await;
    assert_eq!(absent.problem(404), "no_such_radio");
    house.stop().await;
}
