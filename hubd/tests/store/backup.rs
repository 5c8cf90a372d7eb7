//! Backups: made while the hub writes, opened by the recovery key alone, refused whole when anything is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::x25519::Identity;
use hubd::store::backup::{self, BackupError, Here, Opener, Progress, Restored, Sources};
use hubd::store::{
    AccountChange, NewAccount, Owners, PasskeyRow, RecoveryKey, RecoveryRecipient, Store, StoreError,
    StoreOptions, add_recipient_beside, verify,
};
use hubd_model::{RadioName, Role, SecretBytes, UnixMillis};

use sha2::{Digest, Sha256};

use super::{durable, expected, open, submit};

const NOW: UnixMillis = UnixMillis(1_769_990_400_000);
const SECRET: &[u8] = b"the network keys of this home...";

fn options() -> StoreOptions {
    StoreOptions::default()
}

fn add(dir: &Path, key: &RecoveryKey) {
    let recipient = RecoveryRecipient {
        recipient: key.recipient(),
        name: "safe".into(),
        added_at: Some(NOW),
    };
    add_recipient_beside(dir, &options(), &recipient).unwrap();
}

fn make(dir: &Path, target: &Path, config: Option<&Path>) -> Result<backup::Manifest, BackupError> {
    let options = options();
    let sources = Sources {
        dir,
        options: &options,
        config,
        at: NOW,
        hub_only: false,
    };
    backup::create(sources, target, &mut |_| {})
}

fn put_back(file: &Path, opener: &Opener, dir: &Path) -> Result<Restored, BackupError> {
    backup::restore(file, opener, dir, &options(), false, NOW, &mut |_| {})
}

/// A hub with entries, a secret and a recovery key, and a backup of it.
struct Home {
    folder: tempfile::TempDir,
    key: RecoveryKey,
    file: PathBuf,
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let key = RecoveryKey::generate().unwrap();
        let (store, mut opened) = open(&dir);
        add(&dir, &key);
        submit(&store, 1..=500);
        let radio = RadioName::parse("zwave").unwrap();
        store
            .put_secret(&radio, "network_keys", SecretBytes::new(SECRET.to_vec()))
            .await
            .unwrap();
        durable(&mut opened.status, 500).await;
        let file = folder.path().join("home.hubd-backup");
        let config = folder.path().join("hubd.toml");
        fs::write(&config, "data_dir = \"/old\"\n").unwrap();
        let manifest = make(&dir, &file, Some(&config)).unwrap();
        assert_eq!((manifest.journal.seq, manifest.recovery_keys), (500, 1));
        store.close().await.unwrap();
        Self { folder, key, file }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn recovery(&self) -> Opener {
        Opener::recovery(&self.key)
    }
}

/// Every file below a folder, with the hash of its bytes.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = fs::read(entry.path()).unwrap();
                all.insert(entry.path(), Sha256::digest(bytes).to_vec());
            }
        }
    }
    all
}

async fn secret(store: &Store) -> Vec<u8> {
    let radio = RadioName::parse("zwave").unwrap();
    let secret = store.secret(&radio, "network_keys").await.unwrap().unwrap();
    secret.expose().to_vec()
}

#[tokio::test]
async fn a_backup_made_while_the_hub_writes_is_whole_and_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (store, mut opened) = open(&dir);
    let key = RecoveryKey::generate().unwrap();
    add(&dir, &key);
    submit(&store, 1..=2000);
    durable(&mut opened.status, 2000).await;
    let (mut next, mut steps) = (2001, 0);
    let file = folder.path().join("one");
    let options = options();
    let sources = Sources {
        dir: &dir,
        options: &options,
        config: None,
        at: NOW,
        hub_only: false,
    };
    // The hub goes on writing at every step of the copy.
    let manifest = backup::create(sources, &file, &mut |_: Progress| {
        submit(&store, next..=next + 20);
        next += 21;
        steps += 1;
    })
    .unwrap();
    assert!(steps > 2, "{steps}");
    assert!(
        (2000..next).contains(&manifest.journal.seq) && manifest.journal.entries == manifest.journal.seq,
        "{manifest:?}"
    );
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    store.close().await.unwrap();
    assert_eq!(verify(&dir, None).unwrap().last_seq, next - 1);
    let rehearsal = backup::rehearse(
        &file,
        &Opener::hub(&dir, &options).unwrap(),
        &dir,
        folder.path(),
        NOW,
        &mut |_| {},
    )
    .unwrap();
    let since = next - 1 - manifest.journal.seq;
    assert_eq!(rehearsal.here, Here::Continues { entries_since: since });
    assert_eq!(rehearsal.found, manifest.counts);
    // Nothing but the data folder and the backup is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(matches!(make(&dir, &file, None), Err(BackupError::Exists(_))));
}

#[tokio::test]
async fn the_recovery_key_alone_brings_the_hub_back_on_another_machine() {
    let home = Home::new().await;
    let other = tempfile::tempdir().unwrap();
    let dir = other.path().join("data");
    let restored = put_back(&home.file, &home.recovery(), &dir).unwrap();
    assert_eq!(restored.aside, None);
    let config = restored.config.unwrap();
    assert_eq!(fs::read_to_string(config).unwrap(), "data_dir = \"/old\"\n");
    let (store, mut opened) = open(&dir);
    assert_eq!(opened.restored.as_deref(), Some("2026-02-02T00:00:00.000Z"));
    assert_eq!(opened.memory.last_seq, 500);
    assert_eq!(secret(&store).await, SECRET);
    // It goes on where it was.
    submit(&store, 501..=510);
    durable(&mut opened.status, 510).await;
    store.close().await.unwrap();
    let report = verify(&dir, Some(&options())).unwrap();
    assert_eq!((report.entries, report.first_bad), (510, None));
    for (path, _) in tree(&dir) {
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o077, 0, "{path:?}");
    }
}

#[tokio::test]
async fn what_was_there_is_kept_aside() {
    let home = Home::new().await;
    let dir = home.dir();
    let (store, mut opened) = open(&dir);
    submit(&store, 501..=600);
    durable(&mut opened.status, 600).await;
    // No hub may run.
    let refused = put_back(&home.file, &home.recovery(), &dir);
    assert!(
        matches!(refused, Err(BackupError::Store(StoreError::InUse(_)))),
        "{refused:?}"
    );
    store.close().await.unwrap();
    fs::create_dir(dir.join("backups")).unwrap();
    fs::write(dir.join("backups/kept"), "kept").unwrap();
    let hub = Opener::hub(&dir, &options()).unwrap();
    let aside = put_back(&home.file, &hub, &dir).unwrap().aside.unwrap();
    assert_eq!(verify(&aside, Some(&options())).unwrap().last_seq, 600);
    assert_eq!(verify(&dir, Some(&options())).unwrap().last_seq, 500);
    assert_eq!(fs::read(dir.join("backups/kept")).unwrap(), b"kept");
    let (store, opened) = open(&dir);
    assert_eq!(opened.memory.last_seq, 500);
    store.close().await.unwrap();
}

#[tokio::test]
async fn without_a_recovery_key_a_backup_has_to_be_asked_for_twice() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (store, _opened) = open(&dir);
    store.close().await.unwrap();
    let file = folder.path().join("one");
    assert!(matches!(make(&dir, &file, None), Err(BackupError::NoRecoveryKey)));
    assert!(!file.exists());
    let options = options();
    let sources = Sources {
        dir: &dir,
        options: &options,
        config: None,
        at: NOW,
        hub_only: true,
    };
    backup::create(sources, &file, &mut |_| {}).unwrap();
    let stranger = RecoveryKey::generate().unwrap();
    let refused = put_back(&file, &Opener::recovery(&stranger), &folder.path().join("new"));
    assert!(matches!(refused, Err(BackupError::WrongKey(_))), "{refused:?}");
    assert!(matches!(
        Opener::hub(&folder.path().join("new"), &options),
        Err(BackupError::NoKey(_))
    ));
    put_back(&file, &Opener::hub(&dir, &options).unwrap(), &dir).unwrap();
}

/// Seals an archive of these files as a stranger would, to the recovery key.
fn forge(path: &Path, key: &RecoveryKey, files: &[(&str, &[u8])]) {
    let identity = Identity::from_str(key.text().expose()).unwrap();
    let recipient = identity.to_public();
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        // As tar itself would not let them be named.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    let mut writer = encryptor.wrap_output(fs::File::create(path).unwrap()).unwrap();
    writer.write_all(&archive.into_inner().unwrap()).unwrap();
    writer.finish().unwrap();
}

type Files = Vec<(String, Vec<u8>)>;

/// What is in a backup, by name.
fn inside(home: &Home) -> Files {
    let identity = Identity::from_str(home.key.text().expose()).unwrap();
    let plain = age::decrypt(&identity, &fs::read(&home.file).unwrap()).unwrap();
    let mut archive = tar::Archive::new(plain.as_slice());
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        })
        .collect()
}

#[tokio::test]
async fn invariant_a_damaged_or_foreign_backup_is_refused_whole_and_nothing_is_touched() {
    let home = Home::new().await;
    let dir = home.dir();
    fs::write(dir.join("planted"), "stays").unwrap();
    let before = tree(&dir);
    let good = fs::read(&home.file).unwrap();
    let bad = home.folder.path().join("bad");
    let refuses = |what: &str, words: &[&str]| {
        let error = put_back(&bad, &home.recovery(), &dir)
            .expect_err(what)
            .to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            words.iter().any(|word| error.contains(word)),
            "{what}: {error} says none of {words:?}"
        );
        assert_eq!(tree(&dir), before, "{what} touched something");
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            before.len(),
            "{what} left a folder"
        );
    };
    // Cut off anywhere.
    let cuts = (0..40)
        .map(|part| good.len() * part / 40)
        .chain([good.len() - 1, good.len() - 16]);
    for cut in cuts {
        fs::write(&bad, &good[..cut]).unwrap();
        refuses(
            &format!("cut at {cut}"),
            &["is not a backup", "is damaged", "was not sealed"],
        );
    }
    // A changed bit anywhere.
    for part in 0..60 {
        let mut bytes = good.clone();
        let place = good.len() * part / 60;
        bytes[place] ^= 0x04;
        fs::write(&bad, &bytes).unwrap();
        refuses(
            &format!("changed at {place}"),
            &["is not a backup", "is damaged", "was not sealed"],
        );
    }
    fs::write(&bad, [&good[..], b"more"].concat()).unwrap();
    refuses("something after it", &["is damaged"]);
    fs::write(&bad, "a letter to the landlord").unwrap();
    refuses("a letter", &["is not a backup"]);

    // Sealed to the right key, by somebody else.
    let files = inside(&home);
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = files.clone();
        change(&mut files);
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        forge(&bad, &home.key, &files);
    };
    let manifest = |files: &mut Files, from: &str, to: &str| {
        let text = String::from_utf8(files[0].1.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        files[0].1 = text.replacen(from, to, 1).into_bytes();
    };
    forge(&bad, &home.key, &[("holiday.jpg", b"not a backup")]);
    refuses("somebody's archive", &["is not a backup"]);
    with(&|files| files.truncate(2));
    refuses("a part that is missing", &["is missing"]);
    with(&|files| files.push(("more".into(), b"x".to_vec())));
    refuses("a part too much", &["after its last part"]);
    with(&|files| files[2].0 = "../planted".into());
    refuses("a name that leads elsewhere", &["is not where it belongs"]);
    with(&|files| files[3].1 = b"data_dir = \"/new\"\n".to_vec());
    refuses("another configuration", &["not what its manifest says"]);
    with(&|files| manifest(files, "\"version\": 1", "\"version\": 2"));
    refuses("a newer format", &["newer hubd", "format 2"]);
    with(&|files| manifest(files, "\"seq\": 500", "\"seq\": 499"));
    refuses("another end", &["does not end where"]);
    with(&|files| manifest(files, "\"radios\": 1", "\"radios\": 2"));
    refuses("another count", &["manifest counts"]);
    with(&|files| manifest(files, "identity.key", "hubd.db"));
    refuses("a part listed twice", &["listed twice"]);
}

#[tokio::test]
async fn another_hubs_backup_needs_to_be_asked_for() {
    let home = Home::new().await;
    let other = tempfile::tempdir().unwrap();
    let (store, _opened) = open(other.path());
    store.close().await.unwrap();
    let before = tree(other.path());
    let refused = put_back(&home.file, &home.recovery(), other.path());
    assert!(
        matches!(refused, Err(BackupError::OtherHub { .. })),
        "{refused:?}"
    );
    assert_eq!(tree(other.path()), before);
    let restored = backup::restore(
        &home.file,
        &home.recovery(),
        other.path(),
        &options(),
        true,
        NOW,
        &mut |_| {},
    );
    assert!(restored.unwrap().aside.is_some());
    let (store, opened) = open(other.path());
    assert_eq!(opened.memory.last_seq, 500);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_machine_whose_identity_systemd_holds_takes_the_records_over() {
    let home = Home::new().await;
    let other = tempfile::tempdir().unwrap();
    let credentials = tempfile::tempdir().unwrap();
    let own = RecoveryKey::generate().unwrap();
    fs::write(credentials.path().join("hubd-identity"), own.text().expose()).unwrap();
    let options = StoreOptions {
        credentials_dir: Some(credentials.path().to_owned()),
        ..StoreOptions::default()
    };
    let dir = other.path().join("data");
    backup::restore(
        &home.file,
        &home.recovery(),
        &dir,
        &options,
        false,
        NOW,
        &mut |_| {},
    )
    .unwrap();
    assert!(!dir.join("identity.key").exists());
    let (store, _opened) = Store::open(&dir, &options).unwrap();
    assert_eq!(secret(&store).await, SECRET);
    store.close().await.unwrap();
    assert_eq!(verify(&dir, Some(&options)).unwrap().first_bad, None);
}

#[tokio::test]
async fn expected_entries_come_back_as_they_were() {
    let home = Home::new().await;
    let other = tempfile::tempdir().unwrap();
    put_back(&home.file, &home.recovery(), other.path()).unwrap();
    let mut next = 1;
    hubd::store::for_each_entry::<StoreError>(other.path(), &options(), |entry| {
        assert_eq!(entry, expected(next));
        next += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(next, 501);
}

#[tokio::test]
async fn a_backup_carries_passkeys() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("data"), folder.path().join("home.hubd-backup"));
    let key = RecoveryKey::generate().unwrap();
    let (store, _) = open(&dir);
    add(&dir, &key);
    let account = NewAccount {
        id: "account-1".into(),
        name: "Ann".into(),
        role: Role::Owner,
        password: None,
        invitation: None,
        created_at: NOW,
    };
    let passkey = PasskeyRow {
        id: "passkey-1".into(),
        name: "Phone".into(),
        origin: "https://hub.local:8480".into(),
        credential: vec![1; 32],
        public_key: vec![2; 77],
        counter: 7,
        created_at: NOW,
        used_at: None,
    };
    for change in [
        AccountChange::Add(account, Owners::First),
        AccountChange::AddPasskey {
            account: "account-1".into(),
            passkey: passkey.clone(),
            only: None,
        },
    ] {
        store.change_account(change).await.unwrap();
    }
    make(&dir, &file, None).unwrap();
    store.close().await.unwrap();
    let new = folder.path().join("new");
    put_back(&file, &Opener::recovery(&key), &new).unwrap();
    let (store, _) = open(&new);
    let ann = store.account("account-1").unwrap().unwrap();
    assert_eq!(ann.passkeys, [passkey]);
    assert!(ann.has_second_factor());
    store.close().await.unwrap();
}
