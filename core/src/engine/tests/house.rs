//! A house around one engine: a clock that is moved by hand, a store in memory, and the words to speak with it.

use std::collections::BTreeMap;

use hubd_model::{
    ActuationStep, AlarmSignal, BoltState, CommandId, DeviceAddress, DeviceDescription, DeviceKind, Entropy,
    LockCapabilities, LockId, LockOp, LockSignal, Millis, MonoTime, Now, Order, RadioName, RadioState,
    Report, Security, UnixMillis, Urgency, Via, WallTime, Zone,
};

use crate::credentials::record::{CredentialsKey, CredentialsMemory, CredentialsRecord};
use crate::engine::Engine;
use crate::event::{Entry, Event};
use crate::input::{Answer, Input, Memory, Refusal, Request, Ticket};
use crate::lifesafety::LifeSafetyMemory;
use crate::output::{DeviceRecord, Output, Record, RecordKey};
use crate::view::{CommandView, LockView};

pub(super) const TTL: Millis = Millis(10_000);
/// More outputs than one mutation may ever have here.
const POLLS_MAX: usize = 5_000;

pub(super) fn radio() -> RadioName {
    RadioName::parse("zwave").unwrap()
}

pub(super) fn address(node: u8) -> DeviceAddress {
    DeviceAddress::parse(&format!("C0FFEE00/{node}")).unwrap()
}

pub(super) fn command(number: usize) -> CommandId {
    CommandId::parse(&format!("c{number}")).unwrap()
}

pub(super) fn description(kind: DeviceKind, security: Security) -> DeviceDescription {
    DeviceDescription {
        kind,
        model: "Acme One".into(),
        security,
        lock: LockCapabilities::default(),
        hazards: Vec::new(),
    }
}

pub(super) struct House {
    pub(super) engine: Engine,
    pub(super) ms: u64,
    /// Whether each entry is on disk at once.
    pub(super) disk: bool,
    pub(super) journal: Vec<Entry>,
    pub(super) orders: Vec<Order>,
    /// When each left.
    pub(super) order_times: Vec<MonoTime>,
    pub(super) shown: Vec<CommandView>,
    pub(super) locks: BTreeMap<LockId, DeviceRecord>,
    pub(super) others: Vec<DeviceRecord>,
    pub(super) commands: Vec<CommandView>,
    /// People, credentials and slots on disk.
    pub(super) rows: BTreeMap<CredentialsKey, CredentialsRecord>,
    pub(super) life_safety: LifeSafetyMemory,
    /// The power is cut after so many further outputs.
    pub(super) cut_after: Option<usize>,
    ticket: u64,
}

impl House {
    /// An empty house that has just started, with its radio at work.
    pub(super) fn new() -> Self {
        let mut house = Self {
            engine: Engine::new(),
            ms: 0,
            disk: true,
            journal: Vec::new(),
            orders: Vec::new(),
            order_times: Vec::new(),
            shown: Vec::new(),
            locks: BTreeMap::new(),
            others: Vec::new(),
            commands: Vec::new(),
            rows: BTreeMap::new(),
            life_safety: LifeSafetyMemory::default(),
            cut_after: None,
            ticket: 0,
        };
        house.restart();
        house
    }

    /// A house with one lock, the first entry after the start.
    pub(super) fn with_lock() -> (Self, LockId) {
        let mut house = Self::new();
        house.include(2, DeviceKind::Lock, Security::S2AccessControl);
        let id = house.engine.lock_at(&radio(), &address(2)).unwrap();
        house.forget_past();
        (house, id)
    }

    pub(super) fn forget_past(&mut self) {
        self.journal.clear();
        self.orders.clear();
        self.shown.clear();
    }

    /// The power goes and comes back: what was saved is what is remembered.
    pub(super) fn restart(&mut self) {
        let last_seq = self.journal.last().map_or(0, |entry| entry.seq);
        let devices = self.locks.values().chain(&self.others).cloned().collect();
        let mut credentials = CredentialsMemory::default();
        for row in self.rows.values() {
            credentials.insert(row.clone());
        }
        let memory = Memory {
            last_seq,
            devices,
            commands: self.commands.clone(),
            credentials,
            life_safety: Box::new(self.life_safety.clone()),
        };
        self.cut_after = None;
        self.engine = Engine::new();
        self.give(Input::Started {
            memory,
            radios: vec![radio()],
            version: "0.1.0".into(),
            zone: Zone::default(),
            entropy: Entropy::new([7; 32]),
        });
        self.report(Report::Radio(RadioState::Ready));
    }

    pub(super) fn now(&self) -> Now {
        let wall = WallTime::Synced(UnixMillis(i64::try_from(self.ms).unwrap()));
        Now {
            mono: MonoTime::from_micros(0) + Millis(self.ms),
            wall,
        }
    }

    /// One mutation, and everything that leaves.
    pub(super) fn give(&mut self, input: Input) -> Vec<Output> {
        self.engine.handle(self.now(), input);
        let mut all = Vec::new();
        while let Some(output) = self.engine.poll() {
            assert!(all.len() < POLLS_MAX, "poll drains in bounded steps");
            match &mut self.cut_after {
                Some(0) => return all,
                Some(left) => *left -= 1,
                None => {}
            }
            self.carry_out(&output);
            all.push(output);
        }
        let last = self.journal.last().map_or(0, |entry| entry.seq);
        if self.disk && all.iter().any(|output| matches!(output, Output::Journal(_))) {
            all.extend(self.give(Input::Durable { seq: last }));
        }
        all
    }

    fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Order { order, .. } => {
                self.orders.push(order.clone());
                self.order_times.push(self.now().mono);
            }
            Output::Journal(entry) => self.journal.push(entry.clone()),
            Output::Save(Record::Device(record)) => match record {
                DeviceRecord::Lock(lock) => {
                    self.locks.insert(lock.id.clone(), record.clone());
                }
                DeviceRecord::Alarm(alarm) => {
                    self.forget_alarm(&alarm.id);
                    self.others.push(record.clone());
                }
            },
            Output::Save(Record::Command(command)) => {
                self.commands.retain(|known| known.id != command.id);
                self.commands.push(command.clone());
            }
            Output::Forget(RecordKey::Lock(id)) => {
                self.locks.remove(id);
            }
            Output::Forget(RecordKey::Alarm(id)) => self.forget_alarm(id),
            Output::Save(Record::LifeSafety(record)) => self.life_safety.keep(record.clone()),
            Output::Forget(RecordKey::LifeSafety(key)) => self.life_safety.forget(key),
            Output::Save(Record::Credentials(row)) => {
                self.rows.insert(row.key(), (**row).clone());
            }
            Output::Forget(RecordKey::Credentials(key)) => {
                self.rows.remove(key);
            }
            Output::Command(command) => self.shown.push(command.clone()),
            Output::Answer { .. } => {}
        }
    }

    fn forget_alarm(&mut self, id: &hubd_model::AlarmId) {
        self.others
            .retain(|known| !matches!(known, DeviceRecord::Alarm(alarm) if alarm.id == *id));
    }

    pub(super) fn report(&mut self, report: Report) -> Vec<Output> {
        self.give(Input::Report {
            radio: radio(),
            report,
        })
    }

    pub(super) fn include(&mut self, node: u8, kind: DeviceKind, security: Security) {
        let description = description(kind, security);
        self.report(Report::Device {
            device: address(node),
            description,
            fresh: true,
        });
    }

    pub(super) fn lock_says(&mut self, node: u8, signal: LockSignal) {
        self.report(Report::Lock {
            device: address(node),
            signal,
        });
    }

    pub(super) fn moved(&mut self, bolt: BoltState, via: Via) {
        self.lock_says(2, LockSignal::Bolt { bolt, via });
    }

    pub(super) fn read(&mut self, bolt: BoltState) {
        self.lock_says(2, LockSignal::BoltRead(bolt));
    }

    pub(super) fn alarm_says(&mut self, node: u8, signal: AlarmSignal, authenticated: bool) {
        self.report(Report::Alarm {
            device: address(node),
            signal,
            authenticated,
            frame: vec![0x71, 5],
        });
    }

    pub(super) fn step(&mut self, number: usize, step: ActuationStep) {
        self.report(Report::Actuation {
            command: command(number),
            step,
        });
    }

    pub(super) fn request(&mut self, request: Request) -> Result<Answer, Refusal> {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        let outputs = self.give(Input::Request { ticket, request });
        let mut answers = outputs.into_iter().filter_map(|output| match output {
            Output::Answer { ticket: to, answer } => {
                assert_eq!(to, ticket);
                Some(answer)
            }
            Output::Order { .. }
            | Output::Journal(_)
            | Output::Save(_)
            | Output::Forget(_)
            | Output::Command(_) => None,
        });
        let answer = answers.next().expect("every request is answered");
        assert!(answers.next().is_none(), "every request is answered once");
        answer
    }

    pub(super) fn actuate_as(
        &mut self,
        number: usize,
        lock: &LockId,
        op: LockOp,
        urgency: Urgency,
    ) -> Result<Answer, Refusal> {
        self.request(Request::Actuate {
            command: command(number),
            lock: lock.clone(),
            op,
            requester: "anna".into(),
            urgency,
            time_to_live: TTL,
        })
    }

    pub(super) fn actuate(&mut self, number: usize, lock: &LockId, op: LockOp) -> Result<Answer, Refusal> {
        self.actuate_as(number, lock, op, Urgency::Person)
    }

    /// Lets time pass, with every deadline on its way.
    pub(super) fn wait(&mut self, span: Millis) {
        let until = self.ms + span.0;
        let mut turns = 0;
        while let Some(deadline) = self
            .engine
            .next_deadline()
            .map(|at| at.as_micros().div_ceil(1000))
        {
            if deadline > until {
                break;
            }
            turns += 1;
            assert!(turns < 10_000, "a deadline that passed does not come back");
            self.ms = self.ms.max(deadline);
            self.give(Input::Tick);
        }
        self.ms = until;
    }

    pub(super) fn lock(&self) -> LockView {
        let id = self.engine.lock_at(&radio(), &address(2)).unwrap();
        self.engine.lock(&id).unwrap()
    }

    pub(super) fn bolt(&self) -> Option<BoltState> {
        self.lock().bolt.map(|bolt| bolt.value.0)
    }

    pub(super) fn shown(&self, number: usize) -> CommandView {
        self.engine.command(&command(number)).unwrap()
    }

    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.journal.iter().map(|entry| entry.event.kind()).collect()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.journal.iter().map(|entry| entry.event.clone()).collect()
    }
}
