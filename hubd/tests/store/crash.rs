//! Death at any moment: what was shown survives the process, what was called durable survives the power.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hubd::store::{Filter, verify};
use hubd_model::{RadioName, SecretBytes};
use proptest::prelude::*;

use crate::*;

/// Names the folder for the child; without it the child's test has nothing to do.
const CHILD: &str = "HUBD_CRASH_CHILD";
/// How many times a child is killed; 20 when not set.
const ROUNDS: &str = "HUBD_CRASH_ROUNDS";

/// The child: appends as fast as it can and prints each promise, until it is killed.
#[tokio::test]
async fn child_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let (store, mut opened) = open(Path::new(&dir));
    let mut live = store.live();
    let radio = RadioName::parse("z").unwrap();
    let mut next = opened.memory.last_seq + 1;
    loop {
        // Bursts of different sizes: single commits and groups.
        let last = next + next % 40;
        submit(&store, next..=last);
        next = last + 1;
        let mut out = std::io::stdout().lock();
        loop {
            tokio::select! {
                entry = live.recv() => writeln!(out, "live {}", entry.unwrap().seq).unwrap(),
                told = opened.status.recv() => match told.unwrap() {
                    StoreStatus::Durable { seq } => {
                        writeln!(out, "durable {seq}").unwrap();
                        if seq == last {
                            break;
                        }
                    }
                    other @ (StoreStatus::Failing { .. } | StoreStatus::Recovered) => panic!("{other:?}"),
                },
            }
        }
        drop(out);
        if last.is_multiple_of(3) {
            store
                .put_secret(&radio, "key", SecretBytes::new(last.to_be_bytes().to_vec()))
                .await
                .unwrap();
            println!("secret {last}");
        }
    }
}

/// The child's promises.
#[derive(Default)]
struct Promised {
    seq: u64,
    secret: u64,
}

impl Promised {
    /// Notes a line; the harness prints lines of its own, and the last one may be cut.
    fn note(&mut self, line: &str) {
        let Some((what, number)) = line.split_once(' ') else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        match what {
            "live" | "durable" => self.seq = self.seq.max(number),
            "secret" => self.secret = self.secret.max(number),
            _ => {}
        }
    }
}

fn run_and_kill(dir: &Path, after_lines: u64) -> Promised {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_appends_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut promised = Promised::default();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..after_lines {
        promised.note(&lines.next().expect("the child lives").unwrap());
    }
    child.kill().unwrap();
    // A number that was cut in the middle is smaller than the real one: it promises less.
    for line in lines {
        promised.note(&line.unwrap_or_default());
    }
    assert!(!child.wait().unwrap().success());
    promised
}

#[test]
fn invariant_what_was_promised_survives_kill_9() {
    let rounds: u64 = std::env::var(ROUNDS)
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut dir = tempfile::tempdir().unwrap();
    let mut random = 0x5EED_u64;
    let mut promised = Promised::default();
    let mut total = 0;
    for round in 0..rounds {
        if round % 25 == 24 {
            // Another hub starts anew, so that the journal stays short however many rounds there are.
            total += promised.seq;
            promised = Promised::default();
            dir = tempfile::tempdir().unwrap();
        }
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Some die before they say a word, in the middle of opening.
        let after_lines = if round % 5 == 4 {
            (random >> 33) % 4
        } else {
            (random >> 33) % 2000
        };
        let now = run_and_kill(dir.path(), after_lines);
        promised = Promised {
            seq: promised.seq.max(now.seq),
            secret: promised.secret.max(now.secret),
        };
        let report = verify(dir.path(), None);
        if promised.seq == 0 && report.is_err() {
            // It died before its first commit.
            continue;
        }
        let report = report.unwrap();
        assert_eq!((report.first_bad, report.lost), (None, 0), "round {round}");

        let (store, opened) = open(dir.path());
        assert_eq!(
            opened.memory.last_seq,
            report.last_seq + report.spooled,
            "round {round}"
        );
        assert!(
            opened.memory.last_seq >= promised.seq,
            "round {round}: {} < {}",
            opened.memory.last_seq,
            promised.seq
        );
        let filter = Filter {
            newest_first: true,
            limit: 1000,
            ..Filter::default()
        };
        for entry in runtime.block_on(store.page(filter)).unwrap() {
            assert_eq!(entry, expected(entry.seq), "round {round}");
        }
        if promised.secret > 0 {
            let secret = runtime
                .block_on(store.secret(&RadioName::parse("z").unwrap(), "key"))
                .unwrap()
                .unwrap();
            assert!(u64::from_be_bytes(secret.expose().try_into().unwrap()) >= promised.secret);
        }
    }
    total += promised.seq;
    assert!(total > rounds * 20, "the children got to work: {total}");
}

/// A power cut leaves the database file, the part of the log that was synced, and anything at all after it.
#[test]
fn invariant_what_was_durable_survives_a_power_cut() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (store, mut opened) = open(dir.path());
    let log = dir.path().join("hubd.db-wal");
    // What was durable, and how long the log was then.
    let mut known = Vec::new();
    for group in 0..10_u64 {
        submit(&store, group * 7 + 1..=group * 7 + 7);
        runtime.block_on(durable(&mut opened.status, group * 7 + 7));
        known.push((group * 7 + 7, std::fs::metadata(&log).unwrap().len()));
    }
    let whole = std::fs::read(&log).unwrap();
    proptest!(ProptestConfig::with_cases(40), |(
        group in 0..known.len(),
        kept in any::<prop::sample::Index>(),
        garbage in proptest::collection::vec(any::<u8>(), 0..5000),
    )| {
        let (seq, synced) = known[group];
        let synced = usize::try_from(synced).unwrap();
        let kept = synced + kept.index(whole.len() - synced + 1);
        let after = tempfile::tempdir().unwrap();
        for name in ["hubd.db", "identity.key"] {
            std::fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
        }
        std::fs::write(after.path().join("hubd.db-wal"), [&whole[..kept], &garbage].concat()).unwrap();
        let (store, opened) = open(after.path());
        prop_assert!(opened.memory.last_seq >= seq, "{} < {seq}", opened.memory.last_seq);
        runtime.block_on(store.close()).unwrap();
        let report = verify(after.path(), Some(&StoreOptions::default())).unwrap();
        prop_assert_eq!(report.first_bad, None);
    });
}
