//! A lock kept from locking by itself, and let again: by its door lock configuration.
//!
//! ```text
//!   Suspended ─▶ Reading ─it relocks─▶ remembered ─▶ Setting constant ─▶ Checking ─▶ Suspended
//!                   └─it does not─▶ Suspended
//!   Restored  ─▶ nothing remembered ─▶ Normal
//!                 └─▶ Reading ─▶ Setting what was remembered ─▶ Checking ─▶ forgotten ─▶ Normal
//!   silence ─▶ Pausing ─▶ Reading again, for as long as it is ordered
//! ```
//!
//! How the lock relocked before is kept in the node cache before it is changed, so that a restart in between restores
//! it. A lock that cannot be kept from relocking is reported so, and the mind opens it again each time.
//!
//! Spec: CC:0062.01.04 to CC:0062.01.06

use hubd_model::{DeviceAddress, Hold, HoldState, Millis, MonoTime, Report, SecretBytes, Security};

use super::Host;
use super::sending::Outcome;
use super::startup::Phase;
use super::traffic::{Expect, Lane, NewJob, Protection, Purpose};
use crate::node::Relocking;
use crate::wire::cc::door_lock::{self, Configuration, OperationType, Timeout};
use crate::wire::cc::{self, class, supervision};
use crate::wire::serial::NodeId;

/// Door Lock Configuration Report. Spec: CC:0062.01.06
const CONFIGURATION_REPORT: u8 = 0x06;
/// How long a lock may take to answer.
const ANSWER_WAIT: Millis = Millis(3_500);
/// The pauses before a lock that did not answer is asked again; the last one stays.
const PAUSES: [Millis; 4] = [
    Millis::from_secs(5),
    Millis::from_secs(15),
    Millis::from_secs(60),
    Millis::from_secs(300),
];
/// How often a configuration that was not kept is written again.
const WRITES_MAX: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be asked for its configuration.
    Start,
    Reading,
    Setting(Configuration),
    Checking(Configuration),
    Pausing(MonoTime),
}

/// One lock that is being kept, or let again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding {
    wanted: Hold,
    stage: Stage,
    failures: usize,
    writes: u8,
}

impl Host {
    /// The mind orders it, again and again as it pleases.
    pub(super) fn hold_ordered(&mut self, device: DeviceAddress, wanted: Hold) {
        let node = self.node_at(&device).filter(|id| {
            self.nodes.get(id).is_some_and(|node| {
                node.supports(class::DOOR_LOCK)
                    && node.security().is_some_and(|security| security != Security::None)
            })
        });
        let Some(node) = node else {
            let hold = HoldState::NotSupported;
            return self.report(Report::AutoRelock { device, hold });
        };
        let remembered = self.nodes.get(&node).is_some_and(|node| node.relocked.is_some());
        if wanted == Hold::Restored && !remembered {
            self.end_hold(node);
            let hold = HoldState::Normal;
            return self.report(Report::AutoRelock { device, hold });
        }
        if self
            .holdings
            .get(&node)
            .is_some_and(|holding| holding.wanted == wanted)
        {
            return;
        }
        self.end_hold(node);
        self.log_gives_way(node);
        self.holdings.insert(
            node,
            Holding {
                wanted,
                stage: Stage::Start,
                failures: 0,
                writes: 0,
            },
        );
    }

    /// Whether a lock's configuration is being read or written.
    pub(super) fn is_held_up(&self, node: NodeId) -> bool {
        self.holdings
            .get(&node)
            .is_some_and(|holding| !matches!(holding.stage, Stage::Pausing(_)))
    }

    fn end_hold(&mut self, node: NodeId) {
        self.holdings.remove(&node);
        for job in self
            .traffic
            .ids(|job| job.node == node && job.purpose == Purpose::Hold)
        {
            self.traffic.remove(job);
        }
    }

    pub(super) fn holding_deadline(&self) -> Option<MonoTime> {
        self.holdings
            .values()
            .filter_map(|holding| match holding.stage {
                Stage::Pausing(until) => Some(until),
                Stage::Start | Stage::Reading | Stage::Setting(_) | Stage::Checking(_) => None,
            })
            .min()
    }

    pub(super) fn advance_holdings(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        let now = self.now;
        let due: Vec<NodeId> = self
            .holdings
            .iter()
            .filter(|(_, holding)| match holding.stage {
                Stage::Start => true,
                Stage::Pausing(until) => until <= now,
                Stage::Reading | Stage::Setting(_) | Stage::Checking(_) => false,
            })
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            self.read_configuration(node, Stage::Reading);
        }
    }

    fn read_configuration(&mut self, node: NodeId, stage: Stage) {
        let frame = cc::Command::from(door_lock::Command::ConfigurationGet).emit();
        let expect = Expect::Reply {
            class: class::DOOR_LOCK,
            command: CONFIGURATION_REPORT,
        };
        self.push_hold(node, frame, expect, stage);
    }

    fn set_configuration(&mut self, node: NodeId, configuration: Configuration) {
        let set = cc::Command::from(door_lock::Command::ConfigurationSet(configuration)).emit();
        let (frame, expect) = self.supervise(node, set);
        self.push_hold(node, frame, expect, Stage::Setting(configuration));
    }

    fn push_hold(&mut self, node: NodeId, frame: Vec<u8>, expect: Expect, stage: Stage) {
        let pushed = self.push_job(NewJob {
            node,
            // A bolt that has to be open goes first, by its own lane.
            lane: Lane::Person,
            frame: SecretBytes::new(frame),
            protection: Protection::Highest,
            expect,
            purpose: Purpose::Hold,
            expires: Some(self.now + Millis::from_secs(60)),
            answer_wait: ANSWER_WAIT,
            attempts: 2,
            not_before: self.now,
        });
        let stage = if pushed.is_some() { stage } else { self.pause(0) };
        if let Some(holding) = self.holdings.get_mut(&node) {
            holding.stage = stage;
        }
    }

    fn pause(&self, failures: usize) -> Stage {
        let pause = PAUSES
            .get(failures)
            .or(PAUSES.last())
            .copied()
            .unwrap_or_default();
        Stage::Pausing(self.now + pause)
    }

    /// A frame about it ended.
    pub(super) fn hold_answered(&mut self, node: NodeId, outcome: &Outcome) {
        let Some(holding) = self.holdings.get(&node).copied() else {
            return;
        };
        match (holding.stage, outcome) {
            (Stage::Reading, Outcome::Answered(command)) => match configuration_in(command) {
                Some(configuration) => self.configuration_read(node, holding, configuration),
                None => self.hold_failed(node, holding),
            },
            (Stage::Setting(wanted), Outcome::Delivered | Outcome::Answered(_)) => {
                self.read_configuration(node, Stage::Checking(wanted));
            }
            (Stage::Setting(wanted), Outcome::Supervised(report)) => match report.status {
                supervision::Status::Success | supervision::Status::Working => {
                    self.read_configuration(node, Stage::Checking(wanted));
                }
                supervision::Status::Fail
                | supervision::Status::NoSupport
                | supervision::Status::Other(_) => {
                    self.not_kept(node, holding);
                }
            },
            (Stage::Checking(wanted), Outcome::Answered(command)) => match configuration_in(command) {
                Some(configuration) if relocking(&configuration) == relocking(&wanted) => {
                    self.configuration_kept(node, holding);
                }
                Some(_) | None => self.not_kept(node, holding),
            },
            (Stage::Reading | Stage::Setting(_) | Stage::Checking(_), _) => self.hold_failed(node, holding),
            (Stage::Start | Stage::Pausing(_), _) => {}
        }
    }

    fn configuration_read(&mut self, node: NodeId, holding: Holding, now: Configuration) {
        let remembered = self.nodes.get(&node).and_then(|node| node.relocked);
        match (holding.wanted, remembered) {
            (Hold::Suspended, _) if !relocks(&now) => self.hold_done(node, HoldState::Suspended),
            (Hold::Suspended, remembered) => {
                if remembered.is_none()
                    && let Some(known) = self.nodes.get_mut(&node)
                {
                    known.relocked = Some(relocking(&now));
                    // It has to be on disk before the lock is changed.
                    self.keep_cache();
                }
                self.set_configuration(node, constant(now));
            }
            (Hold::Restored, Some(before)) => self.set_configuration(node, restored(now, before)),
            (Hold::Restored, None) => self.hold_done(node, HoldState::Normal),
        }
    }

    fn configuration_kept(&mut self, node: NodeId, holding: Holding) {
        match holding.wanted {
            Hold::Suspended => self.hold_done(node, HoldState::Suspended),
            Hold::Restored => {
                if let Some(known) = self.nodes.get_mut(&node) {
                    known.relocked = None;
                    self.keep_cache();
                }
                self.hold_done(node, HoldState::Normal);
            }
        }
    }

    /// The lock did not take its configuration.
    fn not_kept(&mut self, node: NodeId, holding: Holding) {
        if holding.writes + 1 < WRITES_MAX {
            if let Some(holding) = self.holdings.get_mut(&node) {
                holding.writes += 1;
            }
            self.hold_failed(node, holding);
            return;
        }
        if holding.wanted == Hold::Suspended
            && let Some(known) = self.nodes.get_mut(&node)
        {
            // It relocks as ever: there is nothing to restore.
            known.relocked = None;
            self.learned();
        }
        self.hold_done(node, HoldState::NotSupported);
    }

    fn hold_failed(&mut self, node: NodeId, holding: Holding) {
        let stage = self.pause(holding.failures);
        if let Some(holding) = self.holdings.get_mut(&node) {
            holding.failures = holding.failures.saturating_add(1);
            holding.stage = stage;
        }
    }

    fn hold_done(&mut self, node: NodeId, hold: HoldState) {
        self.end_hold(node);
        if let Some(device) = self.address(node) {
            self.report(Report::AutoRelock { device, hold });
        }
    }
}

fn configuration_in(command: &cc::Command) -> Option<Configuration> {
    if let cc::Command::DoorLock(door_lock::Command::ConfigurationReport(configuration)) = command {
        Some(*configuration)
    } else {
        None
    }
}

/// Whether the lock locks by itself.
fn relocks(configuration: &Configuration) -> bool {
    let on_closing = configuration
        .extension
        .is_some_and(|extension| extension.auto_relock_seconds > 0);
    configuration.operation == OperationType::Timed || on_closing
}

fn relocking(configuration: &Configuration) -> Relocking {
    let timed = configuration.operation == OperationType::Timed;
    // Without a timeout its value means nothing, and locks differ in what they say.
    let timeout = if timed {
        configuration.timeout
    } else {
        Timeout::NONE
    };
    Relocking {
        operation: configuration.operation.to_byte(),
        minutes: timeout.minutes,
        seconds: timeout.seconds,
        auto_relock_seconds: configuration
            .extension
            .map(|extension| extension.auto_relock_seconds),
    }
}

/// The configuration with which the lock stays as it was left.
fn constant(now: Configuration) -> Configuration {
    let mut held = now;
    held.operation = OperationType::Constant;
    held.timeout = Timeout::NONE;
    if let Some(extension) = &mut held.extension {
        extension.auto_relock_seconds = 0;
    }
    held
}

/// The configuration with which the lock relocks as before.
fn restored(now: Configuration, before: Relocking) -> Configuration {
    let mut restored = now;
    restored.operation = OperationType::from_byte(before.operation);
    restored.timeout = Timeout {
        minutes: before.minutes,
        seconds: before.seconds,
    };
    if let (Some(extension), Some(seconds)) = (&mut restored.extension, before.auto_relock_seconds) {
        extension.auto_relock_seconds = seconds;
    }
    restored
}
