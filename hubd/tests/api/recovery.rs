//! Recovery keys over HTTP: an owner makes one, whose words are shown once and open a backup, and removes it again.

use hubd::backups::{Backups, KeyRefused, Parts};
use hubd::clock;
use hubd::hub::Hub;
use hubd::store::backup::{self, Opener};
use hubd::store::{AccountChange, RECIPIENTS_MAX, RecoveryKey, Store, StoreOptions};
use hubd::token::Scope;
use hubd_model::{SecretString, UnixMillis};
use serde_json::{Value, json};

use crate::accounts;
use crate::client::Client;
use crate::house::House;

const KEYS: &str = "/api/v1/recovery-keys";
const BACKUPS: &str = "/api/v1/backups";

/// Makes a backup and says how that ended.
async fn backed_up(client: &mut Client) -> Value {
    let begun = client.post(BACKUPS, r#"{"dongles": false}"#).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    loop {
        let work = client.get(BACKUPS).await.json()["work"].clone();
        if work["state"] != "under_way" {
            return work;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_owner_makes_a_recovery_key_whose_words_open_a_backup_and_removes_it() {
    let house = House::new().await;
    let (mut owner, ..) = accounts::owner(&house).await;
    assert_eq!(owner.get(KEYS).await.json(), json!([]));
    let made = owner.post(KEYS, r#"{"name": "Safe"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    let words: Vec<&str> = made["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words.len(), 24);
    let by_words = RecoveryKey::parse(&SecretString::new(words.join(" "))).unwrap();
    let text = made["key"].as_str().unwrap();
    let by_text = RecoveryKey::parse(&SecretString::new(text.to_owned())).unwrap();
    let recipient = by_words.recipient();
    assert_eq!(by_text.recipient(), recipient);
    assert_eq!(
        (&made["recipient"], &made["name"]),
        (&json!(recipient), &json!("Safe"))
    );

    // From now on neither the list nor the journal has more than the recipient.
    let list = owner.get(KEYS).await.json();
    assert_eq!(
        list,
        json!([{ "recipient": recipient, "name": "Safe", "added_at": made["added_at"] }])
    );
    let told = owner.journalled("recovery.added").await;
    assert_eq!(
        told["data"],
        json!({ "recipient": recipient, "name": "Safe", "by": "Ann" })
    );

    let work = backed_up(&mut owner).await;
    assert_eq!(work["state"], "done", "{work}");
    let name = work["name"].as_str().unwrap();
    let file = house.dir().join("backups").join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    let restored = backup::restore(
        &file,
        &Opener::recovery(&by_words),
        &elsewhere.path().join("data"),
        &StoreOptions::default(),
        false,
        UnixMillis(1),
        &mut |_| {},
    );
    assert_eq!(restored.unwrap().manifest.recovery_keys, 1);

    let path = format!("{KEYS}/{recipient}");
    assert_eq!(owner.delete(&path).await.status, 204);
    assert_eq!(owner.get(KEYS).await.json(), json!([]));
    assert_eq!(owner.journalled("recovery.removed").await["data"]["name"], "Safe");
    let work = backed_up(&mut owner).await;
    assert_eq!(work["state"], "failed", "no key opens it: {work}");
    assert_eq!(owner.delete(&path).await.problem(404), "no_such_recovery_key");
    house.stop().await;
}

#[tokio::test]
async fn only_an_owner_who_proved_it_makes_or_removes_a_recovery_key() {
    let house = House::new().await;
    let path = format!("{KEYS}/age1unknown");
    let mut machine = house.client(Scope::Manage).await;
    assert_eq!(machine.get(KEYS).await.json(), json!([]));
    assert_eq!(
        machine.post(KEYS, r#"{"name": "Safe"}"#).await.problem(403),
        "person_needed"
    );
    assert_eq!(machine.delete(&path).await.problem(403), "person_needed");
    let (cookie, _) = house.person("resident").await;
    let mut resident = Client::connect(house.address).await.with_cookie(&cookie);
    assert_eq!(resident.get(KEYS).await.problem(403), "role_too_small");
    assert_eq!(
        resident.post(KEYS, r#"{"name": "Safe"}"#).await.problem(403),
        "role_too_small"
    );
    let (mut owner, ..) = accounts::owner(&house).await;
    let session = owner.get("/api/v1/session").await.json()["session"].clone();
    let session = session.as_str().unwrap().to_owned();
    let long_ago = UnixMillis(clock::unix_millis().0 - 6 * 60_000);
    let forget = AccountChange::Confirm(session.clone(), long_ago);
    house.store.change_account(forget).await.unwrap();
    assert_eq!(
        owner.post(KEYS, r#"{"name": "Safe"}"#).await.problem(403),
        "confirmation_needed"
    );
    assert_eq!(owner.delete(&path).await.problem(403), "confirmation_needed");
    let proved = AccountChange::Confirm(session, clock::unix_millis());
    house.store.change_account(proved).await.unwrap();
    for bad in ["", " Safe", "Safe\\n"] {
        let refused = owner.post(KEYS, &format!(r#"{{"name": "{bad}"}}"#)).await;
        assert_eq!(refused.problem(400), "bad_name", "{bad:?}");
    }
    for _ in 0..RECIPIENTS_MAX {
        assert_eq!(owner.post(KEYS, r#"{"name": "Safe"}"#).await.status, 201);
    }
    assert_eq!(
        owner.post(KEYS, r#"{"name": "Safe"}"#).await.problem(409),
        "too_many"
    );
    house.stop().await;
}

#[tokio::test]
async fn a_recovery_key_of_the_configuration_is_shown_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let recipient = RecoveryKey::generate().unwrap().recipient();
    let options = StoreOptions {
        recovery_recipients: vec![recipient.clone()],
        ..StoreOptions::default()
    };
    let (store, _) = Store::open(folder.path(), &options).unwrap();
    let backups = Backups::new(Parts {
        hub: Hub::new().0,
        dir: folder.path().to_owned(),
        options,
        config: None,
        clock: clock::unix_millis,
    });
    let listed = backups.recovery_keys().unwrap();
    assert_eq!((listed.len(), listed[0].added_at), (1, None));
    let refused = backups.remove_recovery_key(&recipient);
    assert!(matches!(refused, Err(KeyRefused::Configured)), "{refused:?}");
    store.close().await.unwrap();
}
