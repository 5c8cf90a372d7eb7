//! A million journal entries: how fast they are written, verified and found again, and that memory stays flat.

use std::sync::Arc;

use anyhow::{Context, Result};

use hubd::store::{Filter, Opened, Store, StoreJob, StoreOptions, StoreStatus, verify};
use hubd_core::event::{Entry, Event};
use hubd_model::{BatteryPercent, BoltState, CodeSlot, DoorState, LockId, Source, UnixMillis, Via};
use hubd_peers::clock::now_ms;
use hubd_peers::hub::resident_bytes;
use tempfile::TempDir;

use crate::document;
use crate::stats::Samples;

/// So many entries wait for the disk at most, as a busy house would have.
const BATCH: u64 = 1_000;
/// 2026-01-01T00:00:00Z; an entry every half minute is a busy year.
const START_MS: i64 = 1_767_225_600_000;
const STEP_MS: i64 = 30_000;
const LOCKS: u64 = 20;
const PAGES: u64 = 200;

/// Writes, verifies and pages a journal of this many entries.
///
/// # Errors
/// When the store fails.
pub(crate) fn run(entries: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = TempDir::new()?;
    let options = StoreOptions::default();
    let (store, mut opened) = Store::open(folder.path(), &options)?;
    let start = now_ms();
    let early_memory = fill(&store, &mut opened, entries)?;
    let written_s = (now_ms() - start) / 1e3;
    let late_memory = resident_bytes(std::process::id())?;

    let mut pages = Vec::new();
    for (what, make) in filters(entries, &locks()?) {
        let mut samples = Samples::default();
        for round in 0..PAGES {
            let filter = make(round);
            let start = now_ms();
            let page = runtime.block_on(store.page(filter))?;
            samples.add(now_ms() - start);
            anyhow::ensure!(!page.is_empty(), "a page of `{what}` is empty");
        }
        pages.push((what, samples));
    }
    runtime.block_on(store.close())?;

    let start = now_ms();
    let report = verify(folder.path(), None)?;
    let verify_s = (now_ms() - start) / 1e3;
    anyhow::ensure!(
        report.first_bad.is_none() && report.entries == entries,
        "the journal does not verify: {report:?}"
    );
    let start = now_ms();
    verify(folder.path(), Some(&options))?;
    let deep_s = (now_ms() - start) / 1e3;
    let start = now_ms();
    let (store, _) = Store::open(folder.path(), &options)?;
    let open_ms = now_ms() - start;
    runtime.block_on(store.close())?;
    let size = std::fs::metadata(folder.path().join("hubd.db"))?.len();

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let (count, mib) = (entries as f64, |bytes: u64| bytes as f64 / (1024.0 * 1024.0));
    let rate = count / verify_s;
    let mut lines = vec![
        format!("## A journal of {entries} entries"),
        String::new(),
        format!("Measured on {}.", document::machine()),
        String::new(),
        "| | | wanted | |".to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
        format!(
            "| written, at most {BATCH} waiting for the disk | {:.0} entries/s | | |",
            count / written_s
        ),
        format!(
            "| verified | {rate:.0} entries/s | over 300000 | {} |",
            if rate > 300_000.0 { "met" } else { "**missed**" }
        ),
        format!(
            "| verified, every payload opened | {:.0} entries/s | | |",
            count / deep_s
        ),
        format!("| opened at a start | {open_ms:.1} ms | | |"),
        format!(
            "| on disk | {:.1} MiB, {:.0} bytes an entry | | |",
            mib(size),
            mib(size) * 1024.0 * 1024.0 / count
        ),
        format!(
            "| resident after 1 % and after all | {:.1} and {:.1} MiB | flat | |",
            mib(early_memory),
            mib(late_memory)
        ),
    ];
    for (what, samples) in pages {
        let met = if samples.percentile(95) < 20.0 {
            "met"
        } else {
            "**missed**"
        };
        lines.push(format!(
            "| a page of 200, {what}, ms | {} | under 20 | {met} |",
            samples.cell()
        ));
    }
    document::write("journal", &lines.join("\n"))
}

/// A journal of its own in this folder, as a busy house would have written it.
///
/// # Errors
/// When the store fails.
pub(crate) fn prepare(folder: &std::path::Path, entries: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (store, mut opened) = Store::open(folder, &StoreOptions::default())?;
    fill(&store, &mut opened, entries)?;
    Ok(runtime.block_on(store.close())?)
}

/// Writes so many entries after those that are there; resident memory of this program after the first hundredth.
fn fill(store: &Store, opened: &mut Opened, entries: u64) -> Result<u64> {
    let (first, locks) = (opened.memory.last_seq + 1, locks()?);
    let mut early_memory = 0;
    for count in 1..=entries {
        let seq = first + count - 1;
        store.submit(StoreJob::Journal(entry(seq, &locks)?));
        if count % BATCH == 0 || count == entries {
            wait_durable(opened, seq)?;
        }
        if count == entries / 100 {
            early_memory = resident_bytes(std::process::id())?;
        }
    }
    Ok(early_memory)
}

fn locks() -> Result<Vec<LockId>> {
    Ok((0..LOCKS)
        .map(|lock| LockId::parse(&format!("lock-{lock}")))
        .collect::<Result<_, _>>()?)
}

fn wait_durable(opened: &mut Opened, wanted: u64) -> Result<()> {
    loop {
        match opened.status.blocking_recv().context("the store ended")? {
            StoreStatus::Durable { seq } if seq >= wanted => return Ok(()),
            StoreStatus::Durable { .. } | StoreStatus::Recovered => {}
            StoreStatus::Failing { reason } => anyhow::bail!("the store fails: {reason}"),
        }
    }
}

/// A house's life: mostly bolts and doors, now and then a battery.
fn entry(seq: u64, locks: &[LockId]) -> Result<Entry> {
    let lock = locks
        .get(usize::try_from(seq % LOCKS)?)
        .context("a lock")?
        .clone();
    let event = match seq % 7 {
        0 => Event::LockDoor {
            door: DoorState::Open,
        },
        1 => Event::LockDoor {
            door: DoorState::Closed,
        },
        2 if seq % 700 == 2 => Event::LockBattery {
            level: BatteryPercent::new(87).context("a level")?,
        },
        2 | 3 => Event::LockOperated {
            bolt: BoltState::Locked,
            via: Via::source(Source::Auto),
        },
        _ => {
            let slot = CodeSlot::new(u16::try_from(seq % 19)? + 1);
            Event::LockOperated {
                bolt: BoltState::Unlocked,
                via: Via::slot(Source::Keypad, slot),
            }
        }
    };
    let at = UnixMillis(START_MS + STEP_MS * i64::try_from(seq)?);
    Ok(Entry {
        seq,
        at,
        clock_synced: true,
        lock: Some(lock),
        alarm: None,
        person: None,
        event,
    })
}

type MakeFilter = Arc<dyn Fn(u64) -> Filter>;

/// What people ask for, from all over the journal: the argument is a round of [`PAGES`].
fn filters(entries: u64, locks: &[LockId]) -> Vec<(&'static str, MakeFilter)> {
    let base = || Filter {
        limit: 200,
        ..Filter::default()
    };
    let place = move |round: u64| entries / (PAGES + 1) * round;
    let lock = locks.first().cloned();
    let (of_lock, of_both) = (lock.clone(), lock);
    let time =
        move |round: u64| UnixMillis(START_MS + STEP_MS * i64::try_from(place(round)).unwrap_or_default());
    vec![
        (
            "after an entry",
            Arc::new(move |round| Filter {
                after: Some(place(round)),
                ..base()
            }),
        ),
        (
            "the newest",
            Arc::new(move |_| Filter {
                newest_first: true,
                ..base()
            }),
        ),
        (
            "of one lock",
            Arc::new(move |round| Filter {
                after: Some(place(round)),
                lock: of_lock.clone(),
                ..base()
            }),
        ),
        (
            "of a rare kind",
            Arc::new(move |_| Filter {
                kind: Some("lock.battery".into()),
                ..base()
            }),
        ),
        (
            "of one lock and a kind",
            Arc::new(move |round| Filter {
                after: Some(place(round)),
                lock: of_both.clone(),
                kind: Some("lock.operated".into()),
                ..base()
            }),
        ),
        (
            "from a moment on",
            Arc::new(move |round| Filter {
                from: Some(time(round)),
                ..base()
            }),
        ),
    ]
}
