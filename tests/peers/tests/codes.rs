//! Codes on locks that nobody here wrote: the adapter by itself, ordered about as the mind does.
//!
//! Node 2 has User Code v2 over S2, node 4 User Code v1 over S0, node 5 User Credential over S2.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use hubd_model::{
    CodeChange, CodeChecksum, CodeReport, CodeSlot, CodeTask, CodeTaskEnd, CodeTaskId, DeviceAddress,
    DeviceDescription, LocalMinute, LockSchedule, MinuteOfDay, MonoTime, Now, Order, Over, Pin, RadioName,
    Report, SecretString, SlotContent, SlotKey, SlotWish, UnixMillis, Urgency, WallTime, WeekDay,
    WeeklyWindow,
};
use hubd_peers::{Deadline, Mock, MockOptions};
use hubd_zwave::io::{self, Clocks, FromRadio, Kept, PortConfig};
use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const LOCKS: [u16; 3] = [2, 4, 5];
/// How long anything may take.
const WAIT: Duration = Duration::from_mins(1);
/// 2026-11-25T21:00:00Z.
const START: i64 = 1_795_640_400_000;

/// The adapter at work on a mock home.
struct Adapter {
    orders: mpsc::Sender<Order>,
    said: std::sync::mpsc::Receiver<FromRadio>,
    stop: CancellationToken,
    cache: Option<Vec<u8>>,
    described: BTreeMap<DeviceAddress, DeviceDescription>,
    tasks: u64,
}

#[derive(Debug)]
struct Ended {
    reports: Vec<CodeReport>,
    end: CodeTaskEnd,
    frames: u32,
}

impl Ended {
    /// The slots that were reported, PINs in clear.
    fn slots(&self) -> BTreeMap<u16, String> {
        let slots = self.reports.iter().filter_map(|report| match report {
            CodeReport::Slot { key, content, .. } => Some((
                key.slot.number(),
                match content {
                    SlotContent::Pin { pin, enabled: true } => pin.expose().to_owned(),
                    other => format!("{other:?}"),
                },
            )),
            _ => None,
        });
        slots.collect()
    }

    fn checksum(&self) -> Option<CodeChecksum> {
        self.reports.iter().find_map(|report| match report {
            CodeReport::Checksum(checksum) => Some(*checksum),
            _ => None,
        })
    }

    fn schedule(&self) -> Option<LockSchedule> {
        self.reports.iter().find_map(|report| match report {
            CodeReport::Slot { schedule, .. } => schedule.clone(),
            _ => None,
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "the mock home runs in real time")]
fn clock() -> impl Fn() -> Now + Send {
    let begun = Instant::now();
    move || {
        let elapsed = begun.elapsed();
        Now {
            mono: MonoTime::from_micros(u64::try_from(elapsed.as_micros()).unwrap()),
            wall: WallTime::Synced(UnixMillis(START + i64::try_from(elapsed.as_millis()).unwrap())),
        }
    }
}

impl Adapter {
    fn start(mock: &Mock, cache: Option<Vec<u8>>) -> Self {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let known = hubd_peers::mock::known_keys().to_string();
        let keys = NetworkKeys::from_zwave_js_json(&known, &mut rng).unwrap();
        let (orders, from_hub) = mpsc::channel(64);
        let (out, mut from_radio) = mpsc::channel(1024);
        let (tell, said) = std::sync::mpsc::channel();
        let stop = CancellationToken::new();
        let work = io::run(
            PortConfig {
                name: RadioName::parse("zwave").unwrap(),
                port: mock.url(),
            },
            Kept {
                keys: keys.to_bytes(),
                cache,
                locks: Vec::new(),
            },
            Clocks {
                now: clock(),
                utc_offset_minutes: Box::new(|_| 60),
            },
            Box::new(rng),
            from_hub,
            out,
            stop.clone(),
        );
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let listen = async move {
                while let Some(message) = from_radio.recv().await {
                    // A test that is over listens no more.
                    let _ = tell.send(message);
                }
            };
            runtime.block_on(async { tokio::join!(work, listen) })
        });
        Self {
            orders,
            said,
            stop,
            cache: None,
            described: BTreeMap::new(),
            tasks: 0,
        }
    }

    /// The next report; `None` when nothing is said for so long.
    fn next(&mut self, wait: Duration) -> Option<Report> {
        loop {
            match self.said.recv_timeout(wait).ok()? {
                FromRadio::Report(Report::Device {
                    device, description, ..
                }) => {
                    self.described.insert(device, description);
                }
                FromRadio::Report(report) => return Some(report),
                FromRadio::KeepCache(cache) => self.cache = Some(cache),
            }
        }
    }

    /// Waits until the adapter has nothing more to say: every node is known.
    fn settle(&mut self, mock: &mut Mock) -> Result<()> {
        while self.next(Duration::from_secs(3)).is_some() {}
        mock.silence(500, Deadline::seconds(120))?;
        Ok(())
    }

    fn stop(mut self) -> Option<Vec<u8>> {
        self.stop.cancel();
        while let Ok(message) = self.said.recv() {
            if let FromRadio::KeepCache(cache) = message {
                self.cache = Some(cache);
            }
        }
        self.cache
    }

    fn codes(&mut self, node: u16, what: CodeTask) -> Ended {
        self.tasks += 1;
        let task = CodeTaskId(self.tasks);
        let order = Order::Codes {
            task,
            device: address(node),
            what: Box::new(what),
            urgency: Urgency::Person,
        };
        self.orders.try_send(order).unwrap();
        let mut reports = Vec::new();
        loop {
            match self.next(WAIT).expect("the order ends") {
                Report::Codes {
                    report:
                        CodeReport::Ended {
                            task: of,
                            end,
                            frames,
                        },
                    ..
                } if of == task => return Ended { reports, end, frames },
                Report::Codes { report, .. } => reports.push(report),
                _ => {}
            }
        }
    }

    /// What is said of codes within a while.
    fn said_of_codes(&mut self) -> Vec<CodeReport> {
        let mut said = Vec::new();
        while let Some(report) = self.next(Duration::from_millis(700)) {
            if let Report::Codes { report, .. } = report {
                said.push(report);
            }
        }
        said
    }
}

fn address(node: u16) -> DeviceAddress {
    DeviceAddress::parse(&format!("7e570001/{node}")).unwrap()
}

fn key(slot: u16) -> SlotKey {
    SlotKey::pin(CodeSlot::new(slot).unwrap())
}

fn write(slot: u16, pin: &str, schedule: LockSchedule) -> CodeTask {
    CodeTask::Write {
        key: key(slot),
        wish: SlotWish {
            pin: Pin::parse(SecretString::new(pin.to_owned())).unwrap(),
            name: "Ada".to_owned(),
            schedule,
            over: Over::Anything,
        },
    }
}

fn list(node: u16) -> &'static str {
    if node == 5 { "credentials" } else { "codes" }
}

fn plant(mock: &mut Mock, node: u16, slot: u16, code: &str) -> Result<()> {
    let set = if node == 5 { "setCredential" } else { "setCode" };
    mock.call(set, json!({"node": node, "slot": slot, "code": code}))?;
    Ok(())
}

fn home() -> Result<(Mock, Adapter)> {
    let mut mock = Mock::start(&MockOptions {
        nodes: "2,4,5",
        ..MockOptions::default()
    })?;
    for node in LOCKS {
        plant(&mut mock, node, 2, "2580")?;
        plant(&mut mock, node, 7, "004711")?;
    }
    let mut adapter = Adapter::start(&mock, None);
    adapter.settle(&mut mock)?;
    mock.take_received()?;
    Ok((mock, adapter))
}

fn kept(mock: &mut Mock, node: u16) -> Result<BTreeMap<String, String>> {
    mock.codes(list(node), u8::try_from(node)?)
}

fn texts(codes: &[(u16, &str)]) -> BTreeMap<u16, String> {
    codes
        .iter()
        .map(|(slot, code)| (*slot, (*code).to_owned()))
        .collect()
}

#[test]
fn what_a_lock_can_do_with_codes_is_learnt() -> Result<()> {
    let (_mock, adapter) = home()?;
    let able = |node: u16| adapter.described[&address(node)].lock.codes.clone();
    for node in LOCKS {
        let able = able(node);
        assert_eq!((able.pin_slots, able.rfid_slots), (20, 0), "node {node}");
        assert_eq!((able.pin_digits_min, able.pin_digits_max), (4, 10));
        assert!(able.battery && !able.both_schedules);
    }
    assert_eq!(
        (able(2).weekly_per_slot, able(2).dated_per_slot, able(2).checksum),
        (7, 2, true)
    );
    assert_eq!((able(4).weekly_per_slot, able(4).checksum), (7, false));
    assert!(able(5).checksum);
    Ok(())
}

#[test]
fn codes_are_read_written_and_cleared_and_the_peer_has_them() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    for node in LOCKS {
        let read = adapter.codes(node, CodeTask::ReadAll { known: None });
        assert_eq!(read.end, CodeTaskEnd::Done, "node {node}");
        assert_eq!(read.slots(), texts(&[(2, "2580"), (7, "004711")]), "node {node}");

        let written = adapter.codes(node, write(3, "00412", LockSchedule::default()));
        assert_eq!(written.end, CodeTaskEnd::Done, "node {node}");
        assert_eq!(written.slots(), texts(&[(3, "00412")]));
        assert_eq!(
            kept(&mut mock, node)?["3"],
            "00412",
            "node {node}: the leading zeros count"
        );

        let again = adapter.codes(node, write(3, "98765", LockSchedule::default()));
        assert_eq!(again.end, CodeTaskEnd::Done, "node {node}");
        let cleared = adapter.codes(node, CodeTask::Clear(key(3)));
        assert_eq!(cleared.end, CodeTaskEnd::Done, "node {node}");
        assert_eq!(cleared.slots(), texts(&[(3, "Empty")]));
        let left: Vec<String> = kept(&mut mock, node)?.into_keys().collect();
        assert_eq!(left, ["2", "7"], "node {node}: nobody else's code was touched");
        let quiet = adapter.said_of_codes();
        assert!(
            quiet.is_empty(),
            "node {node}: our own changes are nobody else's: {quiet:?}"
        );
    }
    Ok(())
}

#[test]
fn a_known_checksum_spares_the_slots_and_idleness_costs_no_frame() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    let mut costs = Vec::new();
    for node in LOCKS {
        let first = adapter.codes(node, CodeTask::ReadAll { known: None });
        mock.take_received()?;
        let second = adapter.codes(
            node,
            CodeTask::ReadAll {
                known: first.checksum(),
            },
        );
        assert_eq!(second.end, CodeTaskEnd::Done);
        let asked: Vec<_> = mock
            .take_received()?
            .into_iter()
            .filter(|(to, class, _)| *to == u64::from(node) && [0x63, 0x83].contains(class))
            .collect();
        if node == 4 {
            assert_eq!(
                asked.len(),
                20,
                "version 1 has no checksum: every slot is asked for"
            );
        } else {
            assert_eq!(asked.len(), 1, "node {node}: {asked:02x?}");
            assert!(second.slots().is_empty() && second.frames <= 4, "{second:?}");
        }
        costs.push((node, first.frames, second.frames));
        // Somebody deletes a code and the lock says nothing: the checksum tells.
        if node == 2 {
            mock.call("deleteCode", json!({"node": node, "slot": 7}))?;
            let third = adapter.codes(
                node,
                CodeTask::ReadAll {
                    known: first.checksum(),
                },
            );
            assert_eq!(third.slots(), texts(&[(2, "2580")]));
        }
    }
    mock.take_received()?;
    mock.silence(5000, Deadline::seconds(120))?;
    assert!(mock.take_received()?.is_empty(), "an idle hub says nothing");
    // zwave-js asks for every slot: 20 questions for each lock, with a nonce each under S0.
    println!("frames of a read of 20 slots, both ways, (node, cold, nothing changed): {costs:?}");
    Ok(())
}

#[test]
fn schedules_are_on_the_lock_before_the_code_is_valid() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    let at = |day| LocalMinute {
        year: 2026,
        month: 12,
        day,
        hour: 9,
        minute: 30,
    };
    let dated = LockSchedule {
        dated: Some((at(1), at(24))),
        weekly: Vec::new(),
    };
    let minute = |minutes| MinuteOfDay::new(minutes).unwrap();
    let weekly = LockSchedule {
        dated: None,
        weekly: vec![
            WeeklyWindow::new(WeekDay::Monday, minute(480), minute(720)).unwrap(),
            WeeklyWindow::new(WeekDay::Sunday, minute(600), minute(1440)).unwrap(),
        ],
    };
    for node in [2, 4] {
        mock.take_received()?;
        let written = adapter.codes(node, write(4, "112358", dated.clone()));
        assert_eq!(written.end, CodeTaskEnd::Done, "node {node}");
        assert_eq!(written.schedule(), Some(dated.clone()));
        let order: Vec<(u64, u64)> = mock
            .take_received()?
            .into_iter()
            .map(|(_, class, command)| (class, command))
            .collect();
        let place = |wanted| order.iter().position(|command| *command == wanted);
        let last_set = order.iter().rposition(|command| *command == (0x63, 0x01));
        assert!(
            place((0x4e, 0x06)) < last_set,
            "node {node}: schedule first: {order:02x?}"
        );
        assert!(
            place((0x4e, 0x07)) < last_set,
            "node {node}: and read back: {order:02x?}"
        );
        let schedules = mock.call("schedules", json!({"node": node, "user": 4}))?["schedules"].clone();
        assert_eq!(schedules[0][2]["startYear"], json!(26), "{schedules}");
        assert_eq!(schedules[0][2]["stopDay"], json!(24), "{schedules}");

        let changed = adapter.codes(node, write(4, "112358", weekly.clone()));
        assert_eq!(changed.end, CodeTaskEnd::Done, "node {node}");
        let read = adapter.codes(node, CodeTask::Read(key(4)));
        assert_eq!(read.schedule(), Some(weekly.clone()), "node {node}");
        let schedules = mock.call("schedules", json!({"node": node, "user": 4}))?["schedules"].clone();
        let kinds: Vec<&Value> = schedules.as_array().unwrap().iter().map(|one| &one[0]).collect();
        assert!(
            !kinds.is_empty() && kinds.iter().all(|kind| **kind == kinds[0].clone()),
            "{schedules}"
        );

        let cleared = adapter.codes(node, CodeTask::Clear(key(4)));
        assert_eq!(cleared.end, CodeTaskEnd::Done, "node {node}");
        let schedules = mock.call("schedules", json!({"node": node, "user": 4}))?["schedules"].clone();
        assert_eq!(
            schedules,
            json!([]),
            "node {node}: the schedules went with the code"
        );
    }
    Ok(())
}

#[test]
fn what_a_lock_does_wrong_is_told() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    for node in [2, 4] {
        mock.call("codeFaults", json!({"node": node, "deaf": true}))?;
        let cleared = adapter.codes(node, CodeTask::Clear(key(7)));
        assert!(
            matches!(&cleared.end, CodeTaskEnd::Refused { .. })
                && format!("{:?}", cleared.end).contains("still holds"),
            "node {node}: {:?}",
            cleared.end
        );
        assert_eq!(
            cleared.slots(),
            texts(&[(7, "004711")]),
            "node {node}: and what it holds"
        );
        let written = adapter.codes(node, write(3, "98765", LockSchedule::default()));
        assert!(
            format!("{:?}", written.end).contains("did not keep it"),
            "{:?}",
            written.end
        );
        mock.call("codeFaults", json!({"node": node, "masks": true}))?;
        let written = adapter.codes(node, write(3, "98765", LockSchedule::default()));
        assert_eq!(
            written.end,
            CodeTaskEnd::Done,
            "node {node}: it took it, and does not show it"
        );
        assert_eq!(written.slots(), texts(&[(3, "Hidden { enabled: true }")]));
    }
    // User Credential refuses a PIN that another slot has, and says why.
    let duplicate = adapter.codes(5, write(3, "2580", LockSchedule::default()));
    assert!(
        format!("{:?}", duplicate.end).contains("Duplicate"),
        "{:?}",
        duplicate.end
    );
    Ok(())
}

#[test]
fn a_change_at_the_keypad_is_told() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    for node in [2u16, 4] {
        plant(&mut mock, node, 9, "13579")?;
        mock.notify(u8::try_from(node)?, 6, 14, &[9])?;
        let added = CodeReport::Changed {
            key: Some(key(9)),
            change: CodeChange::Added,
        };
        assert_eq!(adapter.said_of_codes(), [added], "node {node}");
        mock.notify(u8::try_from(node)?, 6, 12, &[])?;
        let all = CodeReport::Changed {
            key: None,
            change: CodeChange::AllDeleted,
        };
        assert_eq!(adapter.said_of_codes(), [all], "node {node}");
    }
    // Credential Report: added locally, PIN slot 9 of user 9.
    plant(&mut mock, 5, 9, "13579")?;
    let report = [
        0, 0, 9, 1, 0, 9, 0x80, 5, 0x31, 0x33, 0x35, 0x37, 0x39, 3, 0, 0, 0, 0, 0,
    ];
    mock.call(
        "raw",
        json!({"node": 5, "ccId": 0x83, "cmd": 0x0c, "payload": report, "supervise": true}),
    )?;
    let added = CodeReport::Changed {
        key: Some(key(9)),
        change: CodeChange::Added,
    };
    assert_eq!(adapter.said_of_codes(), [added]);
    Ok(())
}

#[test]
fn a_change_of_a_slot_that_was_written_a_while_ago_is_no_echo() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    let written = adapter.codes(2, write(3, "98765", LockSchedule::default()));
    assert_eq!(written.end, CodeTaskEnd::Done);
    // Nothing at all happens meanwhile.
    mock.silence(16_000, Deadline::seconds(120))?;
    plant(&mut mock, 2, 3, "13579")?;
    mock.notify(2, 6, 14, &[3])?;
    let changed = CodeReport::Changed {
        key: Some(key(3)),
        change: CodeChange::Added,
    };
    assert_eq!(adapter.said_of_codes(), [changed]);
    Ok(())
}

#[test]
fn a_lock_that_was_away_takes_its_orders_when_it_is_back() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    for node in LOCKS {
        mock.call("dead", json!({"node": node, "dead": true}))?;
        let away = adapter.codes(node, write(3, "98765", LockSchedule::default()));
        assert!(
            matches!(away.end, CodeTaskEnd::NoAnswer { .. }),
            "node {node}: {:?}",
            away.end
        );
        mock.call("dead", json!({"node": node, "dead": false}))?;
        assert!(
            !kept(&mut mock, node)?.contains_key("3"),
            "node {node}: it heard nothing"
        );
        let back = adapter.codes(node, write(3, "98765", LockSchedule::default()));
        assert_eq!(back.end, CodeTaskEnd::Done, "node {node}");
        assert_eq!(kept(&mut mock, node)?["3"], "98765");
    }
    Ok(())
}

#[test]
fn twenty_people_are_on_every_lock_also_after_a_restart() -> Result<()> {
    let (mut mock, mut adapter) = home()?;
    let pin = |slot: u16| format!("{:06}", 100_000 + u32::from(slot) * 4_321);
    let mut frames = BTreeMap::new();
    for node in LOCKS {
        for slot in 1..=20 {
            let written = adapter.codes(node, write(slot, &pin(slot), LockSchedule::default()));
            assert_eq!(written.end, CodeTaskEnd::Done, "node {node}, slot {slot}");
            *frames.entry(node).or_insert(0) += written.frames;
        }
        assert_eq!(kept(&mut mock, node)?.len(), 20);
    }
    println!("frames of 20 writes with their reading back, both ways: {frames:?}");
    let cache = adapter.stop();
    let text = String::from_utf8_lossy(cache.as_deref().unwrap_or_default()).into_owned();
    assert!(
        !text.is_empty() && !text.contains(&pin(1)),
        "the node cache keeps no PIN"
    );
    let mut adapter = Adapter::start(&mock, cache);
    adapter.settle(&mut mock)?;
    for node in LOCKS {
        let read = adapter.codes(node, CodeTask::ReadAll { known: None });
        let expected: BTreeMap<u16, String> = (1..=20).map(|slot| (slot, pin(slot))).collect();
        assert_eq!(read.slots(), expected, "node {node}");
    }
    Ok(())
}
