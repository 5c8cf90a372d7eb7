//! A dump of the store's memory shows no PIN: what goes through it leaves nothing behind in clear.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use hubd::store::{StoreJob, StoreOptions, backup, backup::Sources};
use hubd_core::credentials::record::{Credential, CredentialsRecord, Generation, Means, Standing};
use hubd_core::output::Record;
use hubd_model::{CredentialId, PersonId, Pin, Schedule, SecretString, UnixMillis, Usage};

use super::{durable, entry, open};

/// The PINs' digits, masked so that this program itself does not hold them in clear.
const MASK: u8 = 0xa5;
const DIGITS: usize = 15;
const PINS: usize = 40;
/// How much is read at once; what lies across two readings is read twice.
const CHUNK: usize = 1 << 20;

/// Digits that stand nowhere by chance, masked.
fn masked(number: usize) -> [u8; DIGITS] {
    std::array::from_fn(|place| {
        let digit = (number * 7919 + place * place * 31 + place * 17 + 3) % 10;
        (b'0' + u8::try_from(digit).unwrap()) ^ MASK
    })
}

fn pin(masked: &[u8; DIGITS]) -> Pin {
    let text = masked.iter().map(|byte| char::from(byte ^ MASK)).fold(
        // Not grown: growing would leave the beginning behind.
        String::with_capacity(DIGITS),
        |mut text, digit| {
            text.push(digit);
            text
        },
    );
    Pin::parse(SecretString::new(text)).unwrap()
}

fn record(number: usize) -> Record {
    Record::Credentials(Box::new(CredentialsRecord::Credential(Credential {
        id: CredentialId::parse(&format!("c-{number}")).unwrap(),
        person: PersonId::parse("p-1").unwrap(),
        label: "planted".into(),
        means: Means::Pin(pin(&masked(number))),
        usage: Usage::Daily,
        schedule: Schedule::default(),
        uses_left: None,
        locks: std::collections::BTreeSet::new(),
        standing: Standing::Ready,
        phase: None,
        created_at: UnixMillis(2),
        rotated_at: UnixMillis(3),
        generation: Generation(1),
    })))
}

/// How many of the PINs stand in this process's memory, as a dump of it would show.
fn found() -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let wanted: Vec<[u8; DIGITS]> = (0..PINS).map(masked).collect();
    let mut seen = vec![false; PINS];
    let mut chunk = vec![0_u8; CHUNK];
    let mut searched = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, rest) = line.split_once('-').unwrap();
        let (end, _) = rest.split_once(' ').unwrap();
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (mut at, end) = (number(start), number(end));
        while at < end {
            let length = CHUNK.min(usize::try_from(end - at).unwrap());
            let Ok(count) = memory.read_at(&mut chunk[..length], at) else {
                // The kernel's own pages in between cannot be read, and are in no dump.
                break;
            };
            searched += count;
            for window in chunk[..count].windows(DIGITS) {
                if window.iter().all(u8::is_ascii_digit) {
                    for (pin, seen) in wanted.iter().zip(&mut seen) {
                        *seen |= window
                            .iter()
                            .zip(pin)
                            .all(|(found, digit)| found ^ MASK == *digit);
                    }
                }
            }
            if count < length || at + count as u64 >= end {
                break;
            }
            at += (count - DIGITS) as u64;
        }
    }
    assert!(searched > 100_000, "memory was searched");
    chunk.fill(0);
    seen.into_iter().filter(|seen| *seen).count()
}

#[tokio::test]
async fn a_dump_of_the_store_shows_no_pin() {
    let held: Vec<Pin> = (0..PINS).map(|number| pin(&masked(number))).collect();
    assert_eq!(found(), PINS, "what is there is found");
    drop(held);
    assert_eq!(found(), 0, "a PIN that nobody needs is wiped");

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (store, mut opened) = open(&dir);
    for number in 0..PINS {
        store.submit(StoreJob::Save(record(number)));
    }
    store.submit(StoreJob::Journal(entry(1)));
    durable(&mut opened.status, 1).await;
    assert_eq!(found(), 0, "after they were written");

    let options = StoreOptions::default();
    let sources = Sources {
        dir: &dir,
        options: &options,
        config: None,
        at: UnixMillis(2),
        hub_only: true,
    };
    backup::create(sources, &folder.path().join("one.hubd-backup"), &mut |_| {}).unwrap();
    assert_eq!(found(), 0, "after a backup");
    store.close().await.unwrap();
    drop(store);

    let (store, opened) = open(&dir);
    assert_eq!(opened.memory.credentials.credentials.len(), PINS);
    assert_eq!(found(), PINS, "the mind gets them, to write them to locks");
    drop(opened);
    assert_eq!(found(), 0, "after they were read and handed over");
    store.close().await.unwrap();
}
