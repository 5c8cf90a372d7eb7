//! A household around the real mind: its clock, its disk, its radio and its locks, all moved by hand.

use std::collections::{BTreeMap, BTreeSet};

use hubd_core::credentials::event::CredentialsEvent;
use hubd_core::credentials::record::{
    Credential, CredentialsKey, CredentialsMemory, CredentialsRecord, Means, Standing,
};
use hubd_core::engine::Engine;
use hubd_core::event::{Entry, Event};
use hubd_core::input::{Answer, Input, Memory, Refusal};
use hubd_core::output::{DeviceRecord, Output, Record, RecordKey};
use hubd_model::{
    CodeReport, CodeTask, CodeTaskEnd, CodeTaskId, CredentialId, DeviceAddress, DeviceDescription,
    DeviceKind, Entropy, LockCapabilities, LockId, MonoTime, Now, Order, Over, Pin, RadioName, RadioState,
    RemovalCause, Report, SecretString, Security, SlotKey, Transition, UnixMillis, WallTime, Zone,
};
use hubd_sim::chance::Chance;

use crate::lock::{Held, Lock};

pub const SECOND: u64 = 1_000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;
/// 2026-01-01T00:00:00Z.
pub const START: u64 = 1_767_225_600_000;
/// A write that was not answered arrives within this after its end was told, or never.
const LATE_MAX: u64 = 9 * MINUTE;
/// More outputs than one mutation may ever have here.
const OUTPUTS_MAX: usize = 5_000;

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A task ends at a lock.
    End {
        node: u8,
        task: CodeTaskId,
        what: CodeTask,
        boot: u32,
    },
    /// A write that was thought lost arrives.
    Late { node: u8, what: CodeTask },
    /// The disk has everything up to this.
    Durable { seq: u64, boot: u32 },
}

pub struct Home {
    pub engine: Engine,
    /// Milliseconds since 1970.
    pub now: u64,
    booted_at: u64,
    pub boots: u32,
    pub running: bool,
    pub synced: bool,
    pub disk_works: bool,
    pub disk_slow_ms: u64,
    pub zone: Zone,
    pub chance: Chance,
    pub locks: BTreeMap<u8, Lock>,
    pub online: BTreeSet<u8>,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    pub ticket: u64,
    /// What the disk has.
    pub rows: BTreeMap<CredentialsKey, CredentialsRecord>,
    devices: BTreeMap<LockId, DeviceRecord>,
    seq: u64,
    /// What is on its way to the disk, and the newest entry of it.
    staged: Vec<Output>,
    staged_seq: u64,
    /// Credentials as they were last given to the disk.
    pub credentials: BTreeMap<CredentialId, Credential>,
    /// Counts whatever may have changed what the hub shows or a lock holds.
    pub changes: u64,
    pub journal: Vec<Entry>,
    pub keep_journal: bool,
    pub orders: Vec<(u8, CodeTask)>,
    pub keep_orders: bool,
    pub orders_sent: u64,
    pub frames: u64,
    /// PINs that were revoked and of which every lock was proven free.
    pub dead: Vec<(CredentialId, Pin)>,
    /// Foreign slots that a person said shall go.
    pub condemned: BTreeSet<(u8, SlotKey)>,
    /// Slots that changed without the hub being told.
    pub untold: BTreeSet<u8>,
    /// Credentials that a person changed since the date was last known.
    pub touched: BTreeSet<CredentialId>,
}

pub fn radio() -> RadioName {
    RadioName::parse("zwave").unwrap()
}

pub fn address(node: u8) -> DeviceAddress {
    DeviceAddress::parse(&format!("C0FFEE00/{node}")).unwrap()
}

fn node_of(device: &DeviceAddress) -> u8 {
    device.as_str().rsplit('/').next().unwrap().parse().unwrap()
}

pub fn pin(text: &str) -> Pin {
    Pin::parse(SecretString::new(text.to_owned())).unwrap()
}

/// Central Europe in 2026 and 2027.
fn berlin() -> Zone {
    let change = |at, offset_minutes| Transition {
        at: UnixMillis(at),
        offset_minutes,
    };
    Zone::new(
        60,
        vec![
            change(1_774_746_000_000, 120),
            change(1_792_890_000_000, 60),
            change(1_806_195_600_000, 120),
            change(1_824_944_400_000, 60),
        ],
    )
}

fn credentials_of(memory: &Memory) -> BTreeMap<CredentialId, Credential> {
    let rows = memory.credentials.credentials.iter();
    rows.map(|row| (row.id.clone(), row.clone())).collect()
}

impl Home {
    pub fn new(seed: u64) -> Self {
        let mut home = Self {
            engine: Engine::new(),
            now: START,
            booted_at: START,
            boots: 0,
            running: false,
            synced: true,
            disk_works: true,
            disk_slow_ms: 20,
            zone: berlin(),
            chance: Chance::new(seed),
            locks: BTreeMap::new(),
            online: BTreeSet::new(),
            queue: BTreeMap::new(),
            queued: 0,
            ticket: 0,
            rows: BTreeMap::new(),
            devices: BTreeMap::new(),
            seq: 0,
            staged: Vec::new(),
            staged_seq: 0,
            credentials: BTreeMap::new(),
            changes: 0,
            journal: Vec::new(),
            keep_journal: true,
            orders: Vec::new(),
            keep_orders: true,
            orders_sent: 0,
            frames: 0,
            dead: Vec::new(),
            condemned: BTreeSet::new(),
            untold: BTreeSet::new(),
            touched: BTreeSet::new(),
        };
        home.power_on();
        home
    }

    /// A household with these locks, each read once.
    pub fn with_locks(seed: u64, locks: impl IntoIterator<Item = Lock>) -> Self {
        let mut home = Self::new(seed);
        for (node, lock) in (2..).zip(locks) {
            home.include(node, lock);
        }
        home.wait(20 * MINUTE);
        home.forget_past();
        home
    }

    pub fn forget_past(&mut self) {
        self.journal.clear();
        self.orders.clear();
    }

    /// The hub starts with what the disk has.
    pub fn power_on(&mut self) {
        let mut credentials = CredentialsMemory::default();
        for row in self.rows.values() {
            credentials.insert(row.clone());
        }
        let memory = Memory {
            last_seq: self.seq,
            devices: self.devices.values().cloned().collect(),
            credentials,
            ..Memory::default()
        };
        let credentials = credentials_of(&memory);
        self.credentials = credentials;
        self.boots += 1;
        self.booted_at = self.now;
        self.engine = Engine::new();
        self.running = true;
        let entropy = Entropy::new(self.chance.bytes());
        self.give(Input::Started {
            memory,
            radios: vec![radio()],
            version: "test".into(),
            zone: self.zone.clone(),
            entropy,
        });
        self.give_report(Report::Radio(RadioState::Ready));
        let nodes: Vec<u8> = self.locks.keys().copied().collect();
        for node in nodes {
            self.announce(node, false);
        }
    }

    /// The power goes: what is not on disk is gone, and so is what the radio was told and did not send.
    pub fn power_off(&mut self) {
        self.running = false;
        self.changes += 1;
        self.staged.clear();
        self.staged_seq = self.seq;
        let pending: Vec<(u64, u64)> = self.queue.keys().copied().collect();
        for key in pending {
            let Some(happening) = self.queue.remove(&key) else {
                continue;
            };
            match happening {
                // What is in the air arrives or not.
                Happening::End { node, what, .. } => {
                    if self.online.contains(&node) && self.chance.happens(500) {
                        self.take(node, &what);
                    } else if self.chance.happens(300) {
                        self.late(node, what);
                    }
                }
                Happening::Late { .. } => {
                    self.queue.insert(key, happening);
                }
                Happening::Durable { .. } => {}
            }
        }
    }

    pub fn include(&mut self, node: u8, lock: Lock) {
        self.locks.insert(node, lock);
        self.online.insert(node);
        self.announce(node, true);
    }

    /// A lock keeps fewer codes from now on: it got other software, or the next interview counts otherwise.
    pub fn shrink(&mut self, node: u8, slots: u16) {
        self.changes += 1;
        let lock = self.locks.get_mut(&node).unwrap();
        lock.capabilities.pin_slots = slots;
        lock.held.retain(|key, _| key.slot.number() <= slots);
        self.announce(node, false);
    }

    /// A lock leaves the network.
    pub fn exclude(&mut self, node: u8) -> Option<Lock> {
        self.give_report(Report::Removed {
            device: address(node),
            cause: RemovalCause::Excluded,
        });
        self.online.remove(&node);
        self.untold.remove(&node);
        self.condemned.retain(|(other, _)| *other != node);
        self.locks.remove(&node)
    }

    pub fn announce(&mut self, node: u8, fresh: bool) {
        let lock = &self.locks[&node];
        let description = DeviceDescription {
            kind: DeviceKind::Lock,
            model: "Acme One".into(),
            security: Security::S2AccessControl,
            lock: LockCapabilities {
                pin_slots: lock.capabilities.pin_slots,
                codes: lock.capabilities.clone(),
                ..LockCapabilities::default()
            },
            hazards: Vec::new(),
        };
        self.give_report(Report::Device {
            device: address(node),
            description,
            fresh,
        });
    }

    pub fn id(&self, node: u8) -> LockId {
        self.engine.lock_at(&radio(), &address(node)).unwrap()
    }

    fn clock(&self) -> Now {
        // A clock that nobody set shows when it was stopped, or worse.
        let wall = i64::try_from(self.now).unwrap();
        Now {
            mono: MonoTime::from_micros((self.now - self.booted_at + 1) * 1_000),
            wall: if self.synced {
                WallTime::Synced(UnixMillis(wall))
            } else {
                WallTime::Unsynced(UnixMillis(wall - 400 * 24 * 3_600_000))
            },
        }
    }

    /// The date becomes known, and the shell tells the mind within a minute.
    pub fn learn_date(&mut self) {
        if !self.synced {
            self.synced = true;
            let look = self.chance.between(0, MINUTE);
            self.wait(look);
            self.give(Input::Tick);
        }
    }

    /// One mutation, and everything that leaves.
    pub fn give(&mut self, input: Input) -> Option<Result<Answer, Refusal>> {
        if !self.running {
            return None;
        }
        self.engine.handle(self.clock(), input);
        let mut answered = None;
        let mut journalled = false;
        let mut outputs = Vec::new();
        while let Some(output) = self.engine.poll() {
            assert!(outputs.len() < OUTPUTS_MAX, "poll drains in bounded steps");
            // An order leaves before the row that says why.
            self.follow(&output);
            outputs.push(output);
        }
        self.changes += u64::from(!outputs.is_empty());
        for output in outputs {
            match output {
                Output::Order { order, .. } => self.order(order),
                Output::Journal(entry) => {
                    journalled = true;
                    if self.keep_journal {
                        self.journal.push(entry.clone());
                    }
                    self.witness(&entry);
                    self.staged_seq = entry.seq;
                    self.staged.push(Output::Journal(entry));
                }
                Output::Save(_) | Output::Forget(_) => {
                    self.staged.push(output);
                }
                Output::Answer { answer, .. } => answered = Some(answer),
                Output::Command(_) => {}
            }
        }
        if journalled && self.disk_works {
            let seq = self.last_staged();
            let slow = self.disk_slow_ms;
            self.later(
                slow,
                Happening::Durable {
                    seq,
                    boot: self.boots,
                },
            );
        }
        answered
    }

    pub fn last_staged(&self) -> u64 {
        self.staged_seq
    }

    /// Keeps the credentials as the disk is given them. What is forgotten stays until its entry says why.
    fn follow(&mut self, output: &Output) {
        if let Output::Save(Record::Credentials(row)) = output
            && let CredentialsRecord::Credential(credential) = &**row
        {
            self.credentials.insert(credential.id.clone(), credential.clone());
        }
    }

    /// What is proven to be gone is remembered, to be seen never again.
    fn witness(&mut self, entry: &Entry) {
        let Event::Credentials(CredentialsEvent::CredentialChanged {
            credential, change, ..
        }) = &entry.event
        else {
            return;
        };
        if change.as_str() == "gone"
            && let Some(credential) = self.credentials.remove(credential)
            && let Means::Pin(pin) = credential.means
        {
            self.dead.push((credential.id, pin));
        }
    }

    /// A credential as it was last given to the disk.
    pub fn credential_row(&self, id: &CredentialId) -> Option<&Credential> {
        self.credentials.get(id)
    }

    /// Everything up to an entry is on disk.
    fn durable(&mut self, seq: u64) {
        let last = self
            .staged
            .iter()
            .rposition(|output| matches!(output, Output::Journal(entry) if entry.seq <= seq));
        let Some(last) = last else { return };
        for output in self.staged.drain(..=last) {
            match output {
                Output::Journal(entry) => self.seq = entry.seq,
                Output::Save(Record::Device(DeviceRecord::Lock(lock))) => {
                    self.devices.insert(lock.id.clone(), DeviceRecord::Lock(lock));
                }
                Output::Save(Record::Credentials(row)) => {
                    self.rows.insert(row.key(), *row);
                }
                Output::Forget(RecordKey::Lock(id)) => {
                    self.devices.remove(&id);
                }
                Output::Forget(RecordKey::Credentials(key)) => {
                    self.rows.remove(&key);
                }
                _ => {}
            }
        }
    }

    fn order(&mut self, order: Order) {
        let Order::Codes {
            task, device, what, ..
        } = order
        else {
            return;
        };
        let node = node_of(&device);
        self.orders_sent += 1;
        self.check_order(node, &what);
        if self.keep_orders {
            self.orders.push((node, (*what).clone()));
        }
        let took = if self.online.contains(&node) {
            self.chance.between(200, 3_000)
        } else {
            self.chance.between(5_000, 40_000)
        };
        let end = Happening::End {
            node,
            task,
            what: *what,
            boot: self.boots,
        };
        self.later(took, end);
    }

    /// While the date is unknown nothing leaves for a lock because of the date.
    fn check_order(&self, node: u8, what: &CodeTask) {
        if self.synced {
            return;
        }
        let key = match what {
            CodeTask::Write { key, .. } | CodeTask::Clear(key) => *key,
            CodeTask::ReadAll { .. } | CodeTask::Read(_) | CodeTask::Enrol { .. } | CodeTask::Name { .. } => {
                return;
            }
        };
        let view = self.codes(node);
        let slot = view.slots.iter().find(|slot| slot.key == key);
        let Some(id) = slot.and_then(|slot| slot.credential.clone()) else {
            return;
        };
        let Some(credential) = self.credential_row(&id) else {
            return;
        };
        let timed = !credential.schedule.is_always() && credential.standing == Standing::Ready;
        let asked = self.touched.contains(&id) || !credential.locks.contains(&self.id(node));
        assert!(
            !timed || asked,
            "invariant_while_the_date_is_unknown_nothing_timed_changes: {what:?} of {id}: {slot:#?}\n{:#?}\n{credential:#?}",
            self.rows.get(&CredentialsKey::Slot(self.id(node), key))
        );
    }

    pub fn later(&mut self, after: u64, happening: Happening) {
        self.queued += 1;
        self.queue.insert((self.now + after, self.queued), happening);
    }

    fn late(&mut self, node: u8, mut what: CodeTask) {
        // The slot was looked at before this frame left.
        match &mut what {
            CodeTask::Write { wish, .. } => wish.over = Over::Anything,
            CodeTask::Enrol { over, .. } => *over = Over::Anything,
            CodeTask::ReadAll { .. } | CodeTask::Read(_) | CodeTask::Clear(_) | CodeTask::Name { .. } => {}
        }
        let after = self.chance.between(SECOND, LATE_MAX);
        self.later(after, Happening::Late { node, what });
    }

    /// A task takes effect at a lock.
    fn take(&mut self, node: u8, what: &CodeTask) -> Option<Result<(), hubd_model::CodeRefusal>> {
        let chance = &mut self.chance;
        let lock = self.locks.get_mut(&node)?;
        let ignores = lock.manners.ignores_clear > 0 && chance.happens(lock.manners.ignores_clear);
        let key = match what {
            CodeTask::Write { key, .. } | CodeTask::Clear(key) | CodeTask::Enrol { key, .. } => Some(*key),
            CodeTask::ReadAll { .. } | CodeTask::Read(_) | CodeTask::Name { .. } => None,
        };
        self.changes += 1;
        let before = key.and_then(|key| lock.held.get(&key).cloned());
        let taken = lock.take(what, ignores);
        if let Some(key) = key {
            let after = lock.held.get(&key).cloned();
            self.check_effect(node, key, before.as_ref(), after.as_ref());
        }
        Some(taken)
    }

    fn check_effect(&mut self, node: u8, key: SlotKey, before: Option<&Held>, after: Option<&Held>) {
        if before == after {
            return;
        }
        if let Some(before) = before.filter(|before| before.typed)
            && !self.condemned.remove(&(node, key))
        {
            let row = CredentialsKey::Slot(self.id(node), key);
            panic!(
                "invariant_no_foreign_slot_is_touched: {key} of node {node} held {before:?}, is {after:?}; {:?}",
                self.rows.get(&row)
            );
        }
        let Some(after) = after else { return };
        let twice = self.locks[&node]
            .held
            .iter()
            .filter(|(_, held)| held.pin == after.pin)
            .count();
        assert!(
            twice < 2,
            "invariant_no_pin_is_in_two_slots_of_a_lock: {key} of node {node}"
        );
        if let Some((credential, _)) = self.dead.iter().find(|(_, pin)| *pin == after.pin) {
            panic!(
                "invariant_a_revoked_code_never_works_again: {credential} is back in {key} of node {node}"
            );
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Durable { seq, boot } => {
                if boot == self.boots && self.running {
                    self.durable(seq);
                    self.give(Input::Durable { seq });
                }
            }
            Happening::Late { node, what } => {
                if self.online.contains(&node) {
                    self.take(node, &what);
                }
            }
            Happening::End {
                node,
                task,
                what,
                boot,
            } => {
                if boot == self.boots {
                    self.end(node, task, &what);
                }
            }
        }
    }

    fn end(&mut self, node: u8, task: CodeTaskId, what: &CodeTask) {
        let Some(lock) = self.locks.get(&node) else { return };
        let (order_lost, answer_lost) = (lock.manners.order_lost, lock.manners.answer_lost);
        let writes = matches!(what, CodeTask::Write { .. });
        if !self.online.contains(&node) || self.chance.happens(order_lost) {
            let late = writes && self.chance.happens(500);
            if late {
                self.late(node, what.clone());
            }
            // Most are given up before anything that changes the lock leaves.
            let left = late || self.chance.happens(300);
            return self.no_answer(node, task, left);
        }
        let found = match what {
            CodeTask::Write { key, .. } => Some((*key, lock.content(*key))),
            _ => None,
        };
        let taken = self.take(node, what);
        if self.chance.happens(answer_lost) {
            return self.no_answer(node, task, true);
        }
        let stays = matches!(taken, Some(Err(hubd_model::CodeRefusal::Other(_))));
        if let Some((key, content)) = found.filter(|_| !stays) {
            self.code_report(node, CodeReport::Found { key, content });
        }
        match taken {
            Some(Ok(())) => {
                let (reports, frames) = self.locks[&node].reports(what);
                self.frames += u64::from(frames);
                for report in reports {
                    self.code_report(node, report);
                }
                if matches!(what, CodeTask::ReadAll { .. }) {
                    self.untold.remove(&node);
                }
                let end = CodeTaskEnd::Done;
                self.code_report(node, CodeReport::Ended { task, end, frames });
            }
            Some(Err(reason)) => {
                if stays {
                    // Something else is there, and it is told.
                    for report in self.locks[&node].reports(what).0 {
                        self.code_report(node, report);
                    }
                }
                let end = CodeTaskEnd::Refused { reason };
                self.code_report(node, CodeReport::Ended { task, end, frames: 2 });
            }
            None => self.no_answer(node, task, true),
        }
    }

    fn no_answer(&mut self, node: u8, task: CodeTaskId, left: bool) {
        let end = CodeTaskEnd::NoAnswer {
            reason: "the lock did not answer".into(),
            left,
        };
        self.code_report(node, CodeReport::Ended { task, end, frames: 3 });
    }

    pub fn code_report(&mut self, node: u8, report: CodeReport) {
        let device = address(node);
        self.give_report(Report::Codes { device, report });
    }

    pub fn give_report(&mut self, report: Report) {
        self.give(Input::Report {
            radio: radio(),
            report,
        });
    }

    /// Lets time pass, with everything that happens and every deadline on its way.
    pub fn wait(&mut self, span: u64) {
        let until = self.now + span;
        let mut turns = 0_u32;
        loop {
            let happening = self.queue.keys().next().map(|(at, _)| *at);
            let deadline = if self.running {
                self.engine.next_deadline()
            } else {
                None
            };
            let deadline =
                deadline.map(|at| (self.booted_at + at.as_micros().div_ceil(1_000) - 1).max(self.now));
            let next = happening.into_iter().chain(deadline).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            turns += 1;
            assert!(turns < 200_000, "invariant_nothing_is_tried_without_end");
            let still = next == self.now && happening != Some(next);
            self.now = self.now.max(next);
            if happening == Some(next) {
                if let Some((_, happening)) = self.queue.pop_first() {
                    self.happen(happening);
                }
            } else {
                self.give(Input::Tick);
                let again = self
                    .engine
                    .next_deadline()
                    .map(|at| self.booted_at + at.as_micros().div_ceil(1_000) - 1);
                assert!(
                    !(still && again.is_some_and(|at| at <= self.now)),
                    "a deadline that passed does not come back"
                );
            }
        }
        self.now = until;
    }
}
