//! Recovery keys: whatever is sealed opens with them, whenever they came.

use std::path::Path;
use std::str::FromStr;

use age::x25519::Identity;
use hubd::store::{
    RecoveryKey, RecoveryRecipient, Store, StoreError, StoreOptions, add_recipient_beside,
    list_recipients_beside, remove_recipient_beside,
};
use hubd_model::{RadioName, SecretBytes, UnixMillis};
use rusqlite::Connection;

use super::{durable, open, submit};

fn identity(key: &RecoveryKey) -> Identity {
    Identity::from_str(key.text().expose()).unwrap()
}

fn recipient(key: &RecoveryKey, name: &str) -> RecoveryRecipient {
    RecoveryRecipient {
        recipient: key.recipient(),
        name: name.to_owned(),
        added_at: Some(UnixMillis(7)),
    }
}

/// Everything that is sealed with age in the database.
fn sealed(dir: &Path) -> Vec<Vec<u8>> {
    let db = Connection::open(dir.join("hubd.db")).unwrap();
    let mut read = db
        .prepare("SELECT sealed FROM month_keys UNION ALL SELECT sealed FROM adapter_secret")
        .unwrap();
    let rows = read.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn opens_all(dir: &Path, key: &RecoveryKey) -> bool {
    let sealed = sealed(dir);
    assert!(!sealed.is_empty());
    sealed
        .iter()
        .all(|sealed| age::decrypt(&identity(key), sealed).is_ok())
}

fn opens_some(dir: &Path, key: &RecoveryKey) -> bool {
    sealed(dir)
        .iter()
        .any(|sealed| age::decrypt(&identity(key), sealed).is_ok())
}

#[tokio::test]
async fn invariant_whatever_is_sealed_opens_with_every_recovery_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let options = StoreOptions::default();
    let (store, mut opened) = open(dir);
    let radio = RadioName::parse("zwave").unwrap();
    let put = async |store: &Store, name: &str| {
        store
            .put_secret(&radio, name, SecretBytes::new(vec![7; 16]))
            .await
            .unwrap();
    };
    submit(&store, 1..=3);
    durable(&mut opened.status, 3).await;
    put(&store, "before").await;

    // Beside the running hub: what was sealed and what is sealed from now on, a new month's key included.
    let (first, second) = (RecoveryKey::generate().unwrap(), RecoveryKey::generate().unwrap());
    add_recipient_beside(dir, &options, &recipient(&first, "safe")).unwrap();
    assert!(opens_all(dir, &first) && !opens_some(dir, &second));
    put(&store, "after").await;
    submit(&store, 4..=200);
    durable(&mut opened.status, 200).await;
    assert_eq!(sealed(dir).len(), 4);
    assert!(opens_all(dir, &first));
    add_recipient_beside(dir, &options, &recipient(&second, "aunt")).unwrap();
    assert!(opens_all(dir, &first) && opens_all(dir, &second));
    let again = add_recipient_beside(dir, &options, &recipient(&second, "aunt"));
    assert!(matches!(again, Err(StoreError::RecipientKnown(_))));

    remove_recipient_beside(dir, &options, &first.recipient()).unwrap();
    assert!(!opens_some(dir, &first) && opens_all(dir, &second));
    put(&store, "later").await;
    assert!(!opens_some(dir, &first) && opens_all(dir, &second));
    let gone = remove_recipient_beside(dir, &options, &first.recipient());
    assert!(matches!(gone, Err(StoreError::NoSuchRecipient(_))));
    store.close().await.unwrap();

    // After a restart it is the same, and one of the configuration comes beside it.
    let configured = StoreOptions {
        recovery_recipients: vec![first.recipient()],
        ..StoreOptions::default()
    };
    let (store, _opened) = Store::open(dir, &configured).unwrap();
    assert!(opens_all(dir, &first) && opens_all(dir, &second));
    let names: Vec<String> = list_recipients_beside(dir, &configured)
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["configuration", "aunt"]);
    let secret = store.secret(&radio, "before").await.unwrap().unwrap();
    assert_eq!(secret.expose(), [7; 16]);
    store.close().await.unwrap();
}

#[tokio::test]
async fn without_the_identity_nobody_adds_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (store, _opened) = open(dir);
    store.close().await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let (store, _opened) = open(other.path());
    store.close().await.unwrap();
    std::fs::copy(other.path().join("identity.key"), dir.join("identity.key")).unwrap();
    let key = RecoveryKey::generate().unwrap();
    let refused = add_recipient_beside(dir, &StoreOptions::default(), &recipient(&key, "thief"));
    assert!(
        matches!(refused, Err(StoreError::WrongIdentity { .. })),
        "{refused:?}"
    );
    assert!(
        list_recipients_beside(dir, &StoreOptions::default())
            .unwrap()
            .is_empty()
    );
}
