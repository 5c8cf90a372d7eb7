//! A backup or restore that is killed at any moment: what was there is there, or what is new is, and never a mixture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hubd::store::backup::{self, Sources};
use hubd::store::{
    RecoveryKey, RecoveryRecipient, Store, StoreOptions, add_recipient_beside, hub_recipient, verify,
};
use hubd_model::UnixMillis;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rand_core::Rng;

use super::{durable, open, submit};

const ROUNDS: usize = 60;

struct Homes {
    folder: tempfile::TempDir,
    key: PathBuf,
}

impl Homes {
    fn dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("one.hubd-backup")
    }

    /// A hub with 300 entries, a backup of it, and 300 entries more.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let key = RecoveryKey::generate().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, key.words().unwrap().join("\n")).unwrap();
        let (store, mut opened) = open(&dir);
        let recipient = RecoveryRecipient {
            recipient: key.recipient(),
            name: "safe".into(),
            added_at: Some(UnixMillis(1)),
        };
        add_recipient_beside(&dir, &StoreOptions::default(), &recipient).unwrap();
        submit(&store, 1..=300);
        durable(&mut opened.status, 300).await;
        let options = StoreOptions::default();
        let sources = Sources {
            dir: &dir,
            options: &options,
            config: None,
            at: UnixMillis(2),
            hub_only: false,
        };
        let homes = Self { folder, key: path };
        backup::create(sources, &homes.backup(), &mut |_| {}).unwrap();
        submit(&store, 301..=600);
        durable(&mut opened.status, 600).await;
        store.close().await.unwrap();
        fs::write(
            homes.folder.path().join("hubd.toml"),
            format!("data_dir = {:?}\n", dir.display().to_string()),
        )
        .unwrap();
        homes
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
        command
            .arg("backup")
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("hubd.toml"))
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Waits without a clock of its own: nobody ever tells.
fn wait(pause: Duration) {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let _ = told.recv_timeout(pause);
    drop(tell);
}

/// Starts it and kills it after a while that begins once `seen` is there, or it has ended by itself.
fn kill_after(mut command: Command, seen: Option<&Path>, pause: Duration) {
    let mut child = command.spawn().unwrap();
    let mut ended = None;
    while seen.is_some_and(|path| !path.exists()) && ended.is_none() {
        wait(Duration::from_micros(100));
        ended = child.try_wait().unwrap();
    }
    wait(pause);
    let ended = ended.or(child.try_wait().unwrap());
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(ended.is_none_or(|status| status.success()), "{status}");
}

/// How long it takes when nobody kills it.
fn whole(mut command: Command) -> Duration {
    let begun = hubd::clock::mono();
    assert!(command.status().unwrap().success());
    hubd::clock::mono().since(begun).to_std()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn invariant_a_restore_that_is_killed_is_done_or_never_happened() {
    let homes = Homes::new().await;
    let (dir, backup) = (homes.dir(), homes.backup());
    let pristine = tempfile::tempdir().unwrap();
    for name in files(&dir) {
        fs::copy(dir.join(&name), pristine.path().join(&name)).unwrap();
    }
    let key = homes.key.display().to_string();
    let backup = backup.display().to_string();
    let restore = || homes.command(&["restore", &backup, "--recovery-key", &key]);
    let time = whole(restore());
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut old, mut new) = (0, 0);
    for round in 0..ROUNDS {
        fs::remove_dir_all(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        for name in files(pristine.path()) {
            fs::copy(pristine.path().join(&name), dir.join(&name)).unwrap();
        }
        // How quick the machine is differs from round to round, so no clock alone may decide what is seen: the first
        // is killed at once, and every second one after its first mark.
        let part = u32::try_from(rng.next_u64() % 1100).unwrap();
        if round % 2 == 0 {
            let part = if round == 0 { 0 } else { part };
            kill_after(restore(), None, time * part / 1000);
        } else {
            kill_after(
                restore(),
                Some(&dir.join("restore-1-aside")),
                time * part / 10_000,
            );
        }
        // The next start finds the one or the other, whole.
        let (store, opened) = Store::open(&dir, &StoreOptions::default()).unwrap();
        let last = opened.memory.last_seq;
        store.close().await.unwrap();
        assert!([300, 600].contains(&last), "round {round}: {last}");
        let report = verify(&dir, Some(&StoreOptions::default())).unwrap();
        assert_eq!((report.last_seq, report.first_bad), (last, None), "round {round}");
        if last == 300 {
            new += 1;
            let names = files(&dir);
            assert!(
                !names.iter().any(|name| name.starts_with("restore-")),
                "{names:?}"
            );
            let aside = names
                .iter()
                .find(|name| name.starts_with("before-restore-"))
                .unwrap();
            let aside = verify(&dir.join(aside), Some(&StoreOptions::default())).unwrap();
            assert_eq!((aside.last_seq, aside.first_bad), (600, None), "round {round}");
        } else {
            old += 1;
        }
    }
    println!("{old} rounds ended with the old hub, {new} with the restored one");
    assert!(old > 0 && new > 0, "{old} {new}");
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_no_half_file_and_the_next_one_sweeps() {
    let homes = Homes::new().await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("two");
    let shown = target.display().to_string();
    let create = || homes.command(&["create", &shown]);
    let time = whole(create());
    let hub = hub_recipient(&homes.dir()).unwrap();
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for round in 0..ROUNDS / 3 {
        let _ = fs::remove_file(&target);
        let part = u32::try_from(rng.next_u64() % 1000).unwrap();
        kill_after(create(), None, time * part / 1000);
        if target.exists() {
            let opener = backup::Opener::hub(&homes.dir(), &StoreOptions::default()).unwrap();
            let found = backup::rehearse(
                &target,
                &opener,
                &homes.dir(),
                folder.path(),
                UnixMillis(3),
                &mut |_| {},
            );
            assert_eq!(found.unwrap().manifest.journal.seq, 600, "round {round}");
        }
    }
    let _ = fs::remove_file(&target);
    assert!(create().status().unwrap().success());
    assert_eq!(files(folder.path()), ["two"]);
    assert_eq!(hub_recipient(&homes.dir()).unwrap(), hub);
}
