//! Random households: whatever happens, in whatever order, these hold.

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    ActuationStep, AlarmSignal, BoltState, CommandId, DeviceKind, DoorState, Hazard, InclusionProgress,
    InclusionState, LinkState, LockOp, LockSignal, Millis, MonoTime, Order, RadioState, RemovalCause, Report,
    Security, Source, Urgency, Via,
};
use proptest::prelude::*;

use super::house::*;
use crate::actuation::{ACKNOWLEDGE_MAX, FINISH_MAX, WORD_MAX};
use crate::event::Event;
use crate::input::{Answer, Input, Request};
use crate::output::Output;
use crate::view::CommandStatus;

const NODES: std::ops::Range<u8> = 2..5;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happens {
    Device {
        node: u8,
        kind: DeviceKind,
        security: Security,
        fresh: bool,
    },
    Removed(u8),
    Moved {
        node: u8,
        bolt: BoltState,
        source: Source,
    },
    Read {
        node: u8,
        bolt: BoltState,
    },
    Door {
        node: u8,
        door: DoorState,
    },
    Alarm {
        node: u8,
        signal: AlarmSignal,
        authenticated: bool,
    },
    Link {
        node: u8,
        link: LinkState,
    },
    Step {
        command: usize,
        step: ActuationStep,
    },
    Radio(RadioState),
    Inclusion(InclusionState),
    Actuate {
        command: usize,
        node: u8,
        op: LockOp,
        urgency: Urgency,
    },
    Repeat(usize),
    Include,
    OrderLost(Option<usize>),
    Disk(bool),
    Store(bool),
    Wait(u64),
    Restart,
}

fn bolt() -> impl Strategy<Value = BoltState> {
    prop::sample::select(vec![
        BoltState::Locked,
        BoltState::Unlocked,
        BoltState::Jammed,
        BoltState::NotFullyLocked,
        BoltState::Unknown,
    ])
}

fn step() -> impl Strategy<Value = ActuationStep> {
    prop::sample::select(vec![
        ActuationStep::Sent,
        ActuationStep::Sent,
        ActuationStep::Acknowledged,
        ActuationStep::Done,
        ActuationStep::Refused { reason: "no".into() },
        ActuationStep::Jammed,
        ActuationStep::NoAnswer {
            reason: "mute".into(),
        },
        ActuationStep::Expired,
    ])
}

fn happens() -> impl Strategy<Value = Happens> {
    let kinds = prop::sample::select(vec![
        DeviceKind::Lock,
        DeviceKind::Lock,
        DeviceKind::Alarm,
        DeviceKind::Other,
    ]);
    let securities = prop::sample::select(vec![
        Security::S2AccessControl,
        Security::S0,
        Security::S2Authenticated,
        Security::None,
    ]);
    let sources = prop::sample::select(vec![
        Source::Keypad,
        Source::Manual,
        Source::Remote,
        Source::Unknown,
    ]);
    let doors = prop::sample::select(vec![DoorState::Open, DoorState::Closed, DoorState::Unknown]);
    let signals = prop::sample::select(vec![
        AlarmSignal::Raised(Hazard::Smoke),
        AlarmSignal::Cleared(Hazard::Smoke),
        AlarmSignal::Tested(Hazard::Co),
        AlarmSignal::EndOfLife(Hazard::Co),
    ]);
    let links = prop::sample::select(vec![LinkState::Online, LinkState::Offline, LinkState::Unknown]);
    let radios = prop::sample::select(vec![
        RadioState::Ready,
        RadioState::Ready,
        RadioState::Starting,
        RadioState::Failing {
            reason: "mute".into(),
        },
        RadioState::Away {
            reason: "unplugged".into(),
        },
    ]);
    let inclusions = prop::sample::select(vec![
        InclusionState::Asking,
        InclusionState::Done,
        InclusionState::Failed,
    ]);
    let ops = prop::sample::select(vec![LockOp::Lock, LockOp::Unlock, LockOp::Unlatch]);
    let urgencies = prop::sample::select(vec![Urgency::Person, Urgency::Housekeeping, Urgency::LifeSafety]);
    prop_oneof![
        3 => (NODES, kinds, securities, any::<bool>())
            .prop_map(|(node, kind, security, fresh)| Happens::Device { node, kind, security, fresh }),
        1 => NODES.prop_map(Happens::Removed),
        4 => (NODES, bolt(), sources).prop_map(|(node, bolt, source)| Happens::Moved { node, bolt, source }),
        4 => (NODES, bolt()).prop_map(|(node, bolt)| Happens::Read { node, bolt }),
        1 => (NODES, doors).prop_map(|(node, door)| Happens::Door { node, door }),
        2 => (NODES, signals, any::<bool>())
            .prop_map(|(node, signal, authenticated)| Happens::Alarm { node, signal, authenticated }),
        2 => (NODES, links).prop_map(|(node, link)| Happens::Link { node, link }),
        12 => (0..20_usize, step()).prop_map(|(command, step)| Happens::Step { command, step }),
        2 => radios.prop_map(Happens::Radio),
        1 => inclusions.prop_map(Happens::Inclusion),
        12 => (0..20_usize, NODES, ops, urgencies)
            .prop_map(|(command, node, op, urgency)| Happens::Actuate { command, node, op, urgency }),
        2 => (0..20_usize).prop_map(Happens::Repeat),
        1 => Just(Happens::Include),
        1 => prop::option::of(0..20_usize).prop_map(Happens::OrderLost),
        1 => any::<bool>().prop_map(Happens::Disk),
        1 => any::<bool>().prop_map(Happens::Store),
        6 => (0..12_000_u64).prop_map(Happens::Wait),
        1 => Just(Happens::Restart),
    ]
}

/// What is known of an accepted command from the outside.
#[derive(Debug)]
struct Accepted {
    until: u64,
    expires: MonoTime,
    ends: usize,
    orders: usize,
}

/// The household beside a model of what may be known of it.
struct Pair {
    house: House,
    /// The last bolt that each node reported since it joined.
    reported: BTreeMap<u8, BoltState>,
    accepted: BTreeMap<CommandId, Accepted>,
    /// What was requested before the last restart.
    before_restart: BTreeSet<CommandId>,
    seen: usize,
    ordered: usize,
}

impl Pair {
    fn new() -> Self {
        let mut house = House::new();
        for node in NODES {
            house.include(node, DeviceKind::Lock, Security::S2AccessControl);
        }
        Self {
            house,
            reported: BTreeMap::new(),
            accepted: BTreeMap::new(),
            before_restart: BTreeSet::new(),
            seen: 0,
            ordered: 0,
        }
    }

    fn happens(&mut self, what: Happens) {
        match what {
            Happens::Device {
                node,
                kind,
                security,
                fresh,
            } => {
                let description = description(kind, security);
                let before = self.house.engine.lock_at(&radio(), &address(node));
                self.house.report(Report::Device {
                    device: address(node),
                    description,
                    fresh,
                });
                if self.house.engine.lock_at(&radio(), &address(node)) != before {
                    self.reported.remove(&node);
                }
            }
            Happens::Removed(node) => {
                self.house.report(Report::Removed {
                    device: address(node),
                    cause: RemovalCause::Excluded,
                });
                self.reported.remove(&node);
            }
            Happens::Moved { node, bolt, source } => {
                self.reported.insert(node, bolt);
                self.house.lock_says(
                    node,
                    LockSignal::Bolt {
                        bolt,
                        via: Via::source(source),
                    },
                );
            }
            Happens::Read { node, bolt } => {
                self.reported.insert(node, bolt);
                self.house.lock_says(node, LockSignal::BoltRead(bolt));
            }
            Happens::Door { node, door } => self.house.lock_says(node, LockSignal::Door(door)),
            Happens::Alarm {
                node,
                signal,
                authenticated,
            } => self.house.alarm_says(node, signal, authenticated),
            Happens::Link { node, link } => {
                self.house.report(Report::Link {
                    device: address(node),
                    link,
                });
            }
            Happens::Step { command, step } => self.house.step(command, step),
            Happens::Radio(state) => {
                self.house.report(Report::Radio(state));
            }
            Happens::Inclusion(state) => {
                let progress = InclusionProgress {
                    state,
                    ..InclusionProgress::default()
                };
                self.house.report(Report::Inclusion(progress));
            }
            Happens::Actuate {
                command: number,
                node,
                op,
                urgency,
            } => self.actuate(number, node, op, urgency),
            Happens::Repeat(number) => self.repeat(number),
            Happens::Include => {
                let strategy = hubd_model::InclusionStrategy::Default;
                let _ = self.house.request(Request::Include {
                    radio: radio(),
                    strategy,
                });
            }
            Happens::OrderLost(number) => {
                self.house.give(Input::OrderLost {
                    command: number.map(command),
                    radio: radio(),
                });
            }
            Happens::Disk(works) => {
                self.house.disk = works;
                self.house.give(Input::Tick);
            }
            Happens::Store(true) => {
                self.house.give(Input::StoreRecovered);
            }
            Happens::Store(false) => {
                self.house.give(Input::StoreFailing {
                    reason: "full".into(),
                });
            }
            Happens::Wait(ms) => self.house.wait(Millis(ms)),
            Happens::Restart => {
                self.before_restart = self.accepted.keys().cloned().collect();
                self.house.restart();
            }
        }
        self.check();
    }

    fn actuate(&mut self, number: usize, node: u8, op: LockOp, urgency: Urgency) {
        let Some(lock) = self.house.engine.lock_at(&radio(), &address(node)) else {
            return;
        };
        let known = self.house.engine.command(&command(number)).is_some();
        let orders = self.house.orders.len();
        let answer = self.house.actuate_as(number, &lock, op, urgency);
        if known {
            assert_eq!(self.house.orders.len(), orders, "a known command sends nothing");
        } else if let Ok(Answer::Command(view)) = answer {
            let longest = TTL.0 + WORD_MAX.0 + ACKNOWLEDGE_MAX.0 + FINISH_MAX.0;
            let expires = self.house.now().mono + TTL;
            let accepted = Accepted {
                until: self.house.ms + longest,
                expires,
                ends: 0,
                orders: 0,
            };
            assert!(
                self.accepted.insert(view.id, accepted).is_none(),
                "an id is accepted once"
            );
        }
    }

    fn repeat(&mut self, number: usize) {
        let Some(known) = self.house.engine.command(&command(number)) else {
            return;
        };
        let outputs = self.house.give(Input::Request {
            ticket: crate::input::Ticket(u64::MAX),
            request: Request::Actuate {
                command: known.id.clone(),
                lock: known.lock.clone(),
                op: known.op,
                requester: known.requester.clone(),
                urgency: Urgency::Person,
                time_to_live: TTL,
            },
        });
        // Invariant: an idempotent repeat is answered, and that is all.
        let answer = Ok(Answer::Command(known));
        assert_eq!(
            outputs,
            [Output::Answer {
                ticket: crate::input::Ticket(u64::MAX),
                answer
            }]
        );
    }

    fn check(&mut self) {
        self.invariant_numbers_have_no_gaps();
        self.invariant_nothing_is_sent_late_twice_or_after_a_restart();
        self.invariant_every_accepted_command_ends_once_and_in_time();
        self.invariant_no_state_without_a_report();
        self.invariant_a_wish_is_an_open_command();
    }

    fn invariant_numbers_have_no_gaps(&self) {
        for (expected, entry) in (1..).zip(&self.house.journal) {
            assert_eq!(entry.seq, expected);
        }
    }

    fn invariant_nothing_is_sent_late_twice_or_after_a_restart(&mut self) {
        for (order, left) in self
            .house
            .orders
            .iter()
            .zip(&self.house.order_times)
            .skip(self.ordered)
        {
            if let Order::Actuate { command, expires, .. } = order {
                // The answer to a request leaves after its order: the model learns of both at once.
                let accepted = self
                    .accepted
                    .get_mut(command)
                    .expect("only what was accepted is sent");
                accepted.orders += 1;
                assert_eq!(accepted.orders, 1, "{command} is sent once");
                assert_eq!(*expires, accepted.expires);
                assert!(left <= expires, "{command} is not sent after its time");
                assert!(
                    !self.before_restart.contains(command),
                    "{command} is not sent after a restart"
                );
                assert_eq!(accepted.ends, 0, "{command} is not sent after its end");
            }
        }
        self.ordered = self.house.orders.len();
    }

    fn invariant_every_accepted_command_ends_once_and_in_time(&mut self) {
        for entry in &self.house.journal[self.seen..] {
            if let Event::CommandEnded { command } = &entry.event {
                assert!(command.status.is_ended() && command.ended_at.is_some());
                assert_eq!(command.reason.is_none(), command.status == CommandStatus::Done);
                let accepted = self
                    .accepted
                    .get_mut(&command.id)
                    .expect("only what was accepted ends");
                accepted.ends += 1;
                assert_eq!(accepted.ends, 1, "{} ends once", command.id);
            }
        }
        self.seen = self.house.journal.len();
        for (id, accepted) in &self.accepted {
            assert!(
                accepted.ends == 1 || self.house.ms <= accepted.until,
                "{id} ends in time"
            );
        }
    }

    fn invariant_no_state_without_a_report(&self) {
        for node in NODES {
            let lock = self.house.engine.lock_at(&radio(), &address(node));
            if let Some(lock) = lock.and_then(|id| self.house.engine.lock(&id)) {
                let shown = lock.bolt.map(|bolt| bolt.value.0);
                assert_eq!(
                    shown,
                    self.reported.get(&node).copied(),
                    "node {node} shows what it reported"
                );
            }
        }
    }

    fn invariant_a_wish_is_an_open_command(&self) {
        for lock in self.house.engine.locks() {
            if let Some((_, id)) = lock.wish {
                assert_eq!(self.accepted[&id].ends, 0, "{id} has ended and is no wish");
            }
        }
    }

    /// Nothing more happens but time: everything comes to its end.
    fn finish(mut self) {
        self.house.wait(Millis(120_000));
        self.check();
        assert!(self.accepted.values().all(|accepted| accepted.ends == 1));
        assert!(self.house.engine.locks().iter().all(|lock| lock.wish.is_none()));
        self.house.give(Input::Durable { seq: u64::MAX });
        for id in self.accepted.keys() {
            if let Some(command) = self.house.engine.command(id) {
                assert!(command.status.is_ended(), "{command:?}");
            }
        }
        let later = Millis(700_000);
        self.house.wait(later);
        assert_eq!(self.house.engine.next_deadline(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn invariant_a_random_household_keeps_its_promises(
        story in prop::collection::vec(happens(), 1..120),
    ) {
        let mut pair = Pair::new();
        for what in story {
            pair.happens(what);
        }
        pair.finish();
    }
}
