//! A house of doors and detectors around one mind, on a clock that is moved by hand, whose power can be cut after any
//! single output.

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    ActuationStep, AlarmId, AlarmSignal, BoltState, CommandId, DeviceAddress, DeviceDescription, DeviceKind,
    Entropy, Hazard, LockCapabilities, LockId, LockOp, LockSignal, Millis, MonoTime, Now, Order, RadioName,
    RadioState, Report, Security, Source, UnixMillis, Via, WallTime, Zone,
};

use crate::engine::Engine;
use crate::event::Entry;
use crate::input::{Answer, Input, Memory, Refusal, Request, Ticket};
use crate::lifesafety::incident::Incident;
use crate::lifesafety::policy::{Confirm, Detectors, DoorRule, Rules, WhenAway};
use crate::lifesafety::request::LifeSafetyRequest;
use crate::output::{DeviceRecord, Output, Record, RecordKey};

/// More outputs than one mutation may ever have here.
const POLLS_MAX: usize = 2_000;
/// More inputs than one step may ever lead to.
const TURNS_MAX: usize = 20_000;

pub(super) fn radio() -> RadioName {
    RadioName::parse("zwave").unwrap()
}

pub(super) fn address(node: u8) -> DeviceAddress {
    DeviceAddress::parse(&format!("C0FFEE00/{node}")).unwrap()
}

/// What a lock does when it is told to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It does it and says so.
    Obeys,
    /// It does not answer.
    Silent,
    /// It cannot.
    Jams,
    /// It does it, says nothing, and answers when it is asked: here at its next report.
    Mute,
}

/// A lock as it really is.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) bolt: BoltState,
    pub(super) manner: Manner,
    /// How often the hub moved it.
    pub(super) told: usize,
}

/// An order that left, with the moment.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) node: u8,
    pub(super) op: LockOp,
    pub(super) command: CommandId,
    pub(super) at: i64,
}

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) ms: u64,
    pub(super) synced: bool,
    pub(super) memory: Memory,
    pub(super) entries: Vec<Entry>,
    pub(super) doors: BTreeMap<u8, Door>,
    pub(super) told: Vec<Told>,
    pub(super) holds: Vec<(u8, hubd_model::Hold)>,
    /// The power is cut after so many further outputs.
    pub(super) cut_after: Option<usize>,
    pub(super) cut: bool,
    /// Keep the journal's entries, or only count.
    pub(super) keeps_entries: bool,
    pub(super) opened: usize,
    pub(super) closed: usize,
    ticket: u64,
    /// What devices will say.
    waiting: Vec<Report>,
}

impl World {
    /// `doors` locks at nodes 2, 3 ..., `detectors` with security at 20, 21 ...; one detector without security at 30.
    pub(super) fn new(doors: u8, detectors: u8) -> Self {
        let mut world = Self {
            engine: Engine::new(),
            ms: 1_000,
            synced: true,
            memory: Memory::default(),
            entries: Vec::new(),
            doors: BTreeMap::new(),
            told: Vec::new(),
            holds: Vec::new(),
            cut_after: None,
            cut: false,
            keeps_entries: true,
            opened: 0,
            closed: 0,
            ticket: 0,
            waiting: Vec::new(),
        };
        world.start();
        for node in 2..2 + doors {
            world.join(node, DeviceKind::Lock, Security::S2AccessControl);
            world.doors.insert(
                node,
                Door {
                    bolt: BoltState::Locked,
                    manner: Manner::Obeys,
                    told: 0,
                },
            );
            world.say(Report::Lock {
                device: address(node),
                signal: LockSignal::BoltRead(BoltState::Locked),
            });
        }
        for node in 20..20 + detectors {
            world.join(node, DeviceKind::Alarm, Security::S2Unauthenticated);
        }
        world.join(30, DeviceKind::Alarm, Security::None);
        world
    }

    fn join(&mut self, node: u8, kind: DeviceKind, security: Security) {
        let hazards = match kind {
            DeviceKind::Alarm => vec![Hazard::Smoke, Hazard::Co],
            DeviceKind::Lock | DeviceKind::Other => Vec::new(),
        };
        self.say(Report::Device {
            device: address(node),
            description: DeviceDescription {
                kind,
                model: "Acme One".into(),
                security,
                lock: LockCapabilities::default(),
                hazards,
            },
            fresh: true,
        });
    }

    pub(super) fn now(&self) -> Now {
        let at = UnixMillis(i64::try_from(self.ms).unwrap());
        Now {
            mono: MonoTime::from_micros(self.ms * 1000),
            wall: if self.synced {
                WallTime::Synced(at)
            } else {
                WallTime::Unsynced(at)
            },
        }
    }

    /// The hub starts with what is remembered, and its radio a moment later.
    pub(super) fn start(&mut self) {
        self.cut = false;
        self.engine = Engine::new();
        self.waiting.clear();
        let memory = self.memory.clone();
        self.give(Input::Started {
            memory,
            radios: vec![radio()],
            version: "0".into(),
            zone: Zone::default(),
            entropy: Entropy::new([7; 32]),
        });
        self.say(Report::Radio(RadioState::Ready));
    }

    /// The power is cut and comes back: the clock begins anew.
    pub(super) fn restart(&mut self) {
        self.cut_after = None;
        self.ms += 5_000;
        self.start();
    }

    /// One thing that happens and everything that devices answer.
    pub(super) fn give(&mut self, input: Input) -> Option<Result<Answer, Refusal>> {
        let answer = self.mutate(input);
        let mut turns = 0;
        while !self.cut && !self.waiting.is_empty() {
            turns += 1;
            assert!(turns < TURNS_MAX, "the house comes to rest");
            let report = self.waiting.remove(0);
            self.mutate(Input::Report {
                radio: radio(),
                report,
            });
        }
        answer
    }

    fn mutate(&mut self, input: Input) -> Option<Result<Answer, Refusal>> {
        if self.cut {
            return None;
        }
        self.engine.handle(self.now(), input);
        let mut answered = None;
        let mut polls = 0;
        while let Some(output) = self.engine.poll() {
            polls += 1;
            assert!(polls < POLLS_MAX, "poll drains in bounded steps");
            if let Some(left) = &mut self.cut_after {
                if *left == 0 {
                    self.cut = true;
                    return None;
                }
                *left -= 1;
            }
            self.carry_out(output, &mut answered);
        }
        answered
    }

    fn carry_out(&mut self, output: Output, answered: &mut Option<Result<Answer, Refusal>>) {
        match output {
            Output::Order { order, .. } => self.ordered(order),
            Output::Journal(entry) => {
                self.memory.last_seq = entry.seq;
                match entry.event.kind() {
                    "incident.opened" => self.opened += 1,
                    "incident.closed" => self.closed += 1,
                    _ => {}
                }
                if self.keeps_entries {
                    self.entries.push(entry);
                }
            }
            Output::Save(Record::Device(record)) => {
                let same = |known: &DeviceRecord| match (known, &record) {
                    (DeviceRecord::Lock(one), DeviceRecord::Lock(other)) => one.id == other.id,
                    (DeviceRecord::Alarm(one), DeviceRecord::Alarm(other)) => one.id == other.id,
                    (DeviceRecord::Lock(_), DeviceRecord::Alarm(_))
                    | (DeviceRecord::Alarm(_), DeviceRecord::Lock(_)) => false,
                };
                self.memory.devices.retain(|known| !same(known));
                self.memory.devices.push(record);
            }
            Output::Save(Record::Command(command)) => {
                self.memory.commands.retain(|known| known.id != command.id);
                self.memory.commands.push(command);
                if self.memory.commands.len() > 64 {
                    self.memory.commands.remove(0);
                }
            }
            Output::Save(Record::LifeSafety(record)) => self.memory.life_safety.keep(record),
            Output::Forget(RecordKey::LifeSafety(key)) => self.memory.life_safety.forget(&key),
            Output::Save(Record::Credentials(_)) | Output::Forget(_) | Output::Command(_) => {}
            Output::Answer { answer, .. } => *answered = Some(answer),
        }
    }

    fn ordered(&mut self, order: Order) {
        match order {
            Order::Actuate {
                command, device, op, ..
            } => {
                let node = node_of(&device);
                let at = i64::try_from(self.ms).unwrap();
                self.told.push(Told {
                    node,
                    op,
                    command: command.clone(),
                    at,
                });
                let Some(door) = self.doors.get_mut(&node) else {
                    return;
                };
                door.told += 1;
                let step = |step| Report::Actuation {
                    command: command.clone(),
                    step,
                };
                match door.manner {
                    Manner::Obeys => {
                        door.bolt = op.wanted();
                        let signal = LockSignal::Bolt {
                            bolt: op.wanted(),
                            via: Via::source(Source::Remote),
                        };
                        self.waiting.push(step(ActuationStep::Sent));
                        self.waiting.push(step(ActuationStep::Done));
                        self.waiting.push(Report::Lock { device, signal });
                    }
                    Manner::Silent => {
                        let reason = "it did not answer".into();
                        self.waiting.push(step(ActuationStep::Sent));
                        self.waiting.push(step(ActuationStep::NoAnswer { reason }));
                    }
                    Manner::Jams => {
                        self.waiting.push(step(ActuationStep::Sent));
                        self.waiting.push(step(ActuationStep::Jammed));
                    }
                    Manner::Mute => {
                        door.bolt = op.wanted();
                        self.waiting.push(step(ActuationStep::Sent));
                        self.waiting.push(step(ActuationStep::Acknowledged));
                    }
                }
            }
            Order::HoldAutoRelock { device, hold } => self.holds.push((node_of(&device), hold)),
            Order::CopyDongle
            | Order::RestoreDongle(_)
            | Order::Withdraw { .. }
            | Order::Codes { .. }
            | Order::Refresh { .. }
            | Order::ReadLog { .. }
            | Order::Include(_)
            | Order::Answer(_)
            | Order::Cancel
            | Order::Exclude
            | Order::RemoveFailed { .. } => {}
        }
    }

    pub(super) fn say(&mut self, report: Report) {
        self.give(Input::Report {
            radio: radio(),
            report,
        });
    }

    pub(super) fn detector(&mut self, node: u8, signal: AlarmSignal, authenticated: bool) {
        self.say(Report::Alarm {
            device: address(node),
            signal,
            authenticated,
            frame: vec![0x71, 5, node],
        });
    }

    pub(super) fn raise(&mut self, node: u8, hazard: Hazard) {
        self.detector(node, AlarmSignal::Raised(hazard), true);
    }

    pub(super) fn clear(&mut self, node: u8, hazard: Hazard) {
        self.detector(node, AlarmSignal::Cleared(hazard), true);
    }

    /// Somebody or something at the door moves the bolt.
    pub(super) fn moves(&mut self, node: u8, bolt: BoltState, source: Source) {
        if let Some(door) = self.doors.get_mut(&node) {
            door.bolt = bolt;
        }
        self.say(Report::Lock {
            device: address(node),
            signal: LockSignal::Bolt {
                bolt,
                via: Via::source(source),
            },
        });
    }

    pub(super) fn request(&mut self, request: Request) -> Result<Answer, Refusal> {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        self.give(Input::Request { ticket, request })
            .unwrap_or(Ok(Answer::Accepted))
    }

    pub(super) fn ask(&mut self, request: LifeSafetyRequest) -> Result<Answer, Refusal> {
        self.request(Request::LifeSafety(request))
    }

    /// Lets time pass, with every deadline on its way.
    pub(super) fn wait(&mut self, span: Millis) {
        let until = self.ms + span.0;
        let mut turns = 0;
        while let Some(deadline) = self
            .engine
            .next_deadline()
            .map(|at| at.as_micros().div_ceil(1000))
            .filter(|deadline| *deadline <= until && !self.cut)
        {
            turns += 1;
            assert!(turns < TURNS_MAX, "a deadline that passed does not come back");
            self.ms = self.ms.max(deadline);
            self.give(Input::Tick);
        }
        self.ms = until;
    }

    pub(super) fn lock(&self, node: u8) -> LockId {
        self.engine.lock_at(&radio(), &address(node)).unwrap()
    }

    pub(super) fn alarm(&self, node: u8) -> AlarmId {
        self.engine.alarm_at(&radio(), &address(node)).unwrap()
    }

    /// The newest incident.
    pub(super) fn incident(&self) -> Incident {
        self.engine.incidents().pop().unwrap()
    }

    /// Releases these doors, smoke at once, everything else confirmed, with `change`.
    pub(super) fn set_policy(&mut self, doors: &[u8], change: impl Fn(&mut DoorRule)) {
        let mut rules = Rules {
            enabled: true,
            doors: BTreeMap::new(),
        };
        for node in doors {
            let mut rule = DoorRule {
                hazards: BTreeSet::from([Hazard::Smoke, Hazard::Co]),
                detectors: Detectors::Any,
                confirm: Confirm {
                    at_once: BTreeSet::from([Hazard::Smoke]),
                    second_within: None,
                    lasting: None,
                },
                when_away: WhenAway::Same,
                cancel_window: Millis(0),
            };
            change(&mut rule);
            rules.doors.insert(self.lock(*node), rule);
        }
        let from_version = None;
        let by = "anna".into();
        self.ask(LifeSafetyRequest::SetPolicy {
            rules,
            from_version,
            by,
        })
        .unwrap();
    }

    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.entries.iter().map(|entry| entry.event.kind()).collect()
    }

    pub(super) fn bolt(&self, node: u8) -> BoltState {
        self.doors[&node].bolt
    }

    pub(super) fn forget_past(&mut self) {
        self.entries.clear();
        self.told.clear();
        self.holds.clear();
    }
}

fn node_of(device: &DeviceAddress) -> u8 {
    let (_, node) = device.as_str().split_once('/').unwrap();
    node.parse().unwrap()
}
