//! Moving a bolt, from the order to an end that the lock itself confirmed.
//!
//! ```text
//!   order ─▶ Setting ──Supervision Success──────────────────────────▶ Done
//!               │  │ └─Supervision Fail──▶ Jammed, and the bolt is read
//!               │  └──delivered without supervision, or no report──▶ Reading ──bolt as wanted──▶ Done
//!               │                                                      │ └─ still elsewhere at the end ─▶ Refused
//!               └──not delivered──▶ NoAnswer                           └─ no answer ─▶ NoAnswer
//! ```
//!
//! A Supervision Success is the lock's own word that the bolt is where it was wanted. Because some locks say it
//! before the motor has run, the bolt is read once more a little later unless the lock reports it by itself.

use hubd_model::{
    ActuationStep, BoltState, CommandId, DeviceAddress, LockOp, LockSignal, Millis, MonoTime, Report,
    SecretBytes, Security, Urgency,
};

use super::Host;
use super::sending::Outcome;
use super::traffic::{Expect, Lane, NewJob, Protection, Purpose};
use crate::wire::cc::{self, class, door_lock, supervision};
use crate::wire::serial::NodeId;

/// How long a lock may take to report after it has the frame.
const REPORT_WAIT: Millis = Millis(3_500);
/// How much longer than it says itself a lock may work on a movement.
const WORKING_MARGIN: Millis = Millis(5_000);
/// The pauses before the bolt is read, while it is not where it was wanted.
const READ_PAUSES: [Millis; 6] = [
    Millis(0),
    Millis(700),
    Millis(1_500),
    Millis(2_500),
    Millis(4_000),
    Millis(6_000),
];
/// When the bolt is read after a Supervision Success that no report followed.
const READ_AGAIN_AFTER: Millis = Millis(3_000);
/// When the bolt is read after the lock reported otherwise than it had confirmed.
const CONTRADICTION_PAUSE: Millis = Millis(500);
/// How many movements may be under way.
const ACTUATIONS_MAX: usize = 256;

/// Door Lock Operation Report. Spec: CC:0062.01.03
const OPERATION_REPORT: u8 = 0x03;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The order is on its way; with supervision, its session.
    Setting,
    /// The bolt is read when this time comes; so many readings were done.
    Pausing { until: MonoTime, readings: usize },
    /// The bolt is being read.
    Reading { readings: usize },
    /// Ended well; the bolt is read once more when this time comes.
    Settling { until: MonoTime, since: MonoTime },
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actuation {
    node: NodeId,
    op: LockOp,
    lane: Lane,
    stage: Stage,
}

impl Actuation {
    pub(super) const fn next_deadline(&self) -> Option<MonoTime> {
        match &self.stage {
            Stage::Pausing { until, .. } | Stage::Settling { until, .. } => Some(*until),
            Stage::Setting | Stage::Reading { .. } => None,
        }
    }
}

impl Host {
    pub(super) fn actuate(
        &mut self,
        command: CommandId,
        device: &DeviceAddress,
        op: LockOp,
        urgency: Urgency,
        expires: MonoTime,
    ) {
        let refusal = match self.node_at(device) {
            None => Some("the radio does not know this lock; include it again"),
            Some(node) => self.actuation_refusal(node, op),
        };
        let node = self.node_at(device);
        let (Some(node), None) = (node, refusal) else {
            let reason = refusal.unwrap_or("the radio does not know this lock").to_owned();
            self.step(command, ActuationStep::Refused { reason });
            return;
        };
        let lane = match urgency {
            Urgency::LifeSafety => Lane::LifeSafety,
            Urgency::Person | Urgency::Housekeeping => Lane::Person,
        };
        // Before anything is queued: what is refused must not be sent later.
        if lane != Lane::LifeSafety && self.actuations.len() >= ACTUATIONS_MAX {
            return self.refuse_for_room(command);
        }
        self.log_gives_way(node);
        // Whatever an earlier movement of this lock still had to read is of no interest any more.
        self.actuations
            .retain(|_, other| other.node != node || !matches!(other.stage, Stage::Settling { .. }));
        let mode = match op {
            LockOp::Lock => door_lock::Mode::Secured,
            LockOp::Unlock | LockOp::Unlatch => door_lock::Mode::Unsecured,
        };
        let set = cc::Command::from(door_lock::Command::OperationSet(mode)).emit();
        let (frame, expect) = self.supervise(node, set);
        let pushed = self.push_job(NewJob {
            node,
            lane,
            frame: SecretBytes::new(frame),
            protection: Protection::Highest,
            expect,
            purpose: Purpose::Actuate(command.clone()),
            expires: Some(expires),
            answer_wait: REPORT_WAIT,
            attempts: 3,
            not_before: self.now,
        });
        if pushed.is_none() {
            return self.refuse_for_room(command);
        }
        self.actuations.insert(
            command,
            Actuation {
                node,
                op,
                lane,
                stage: Stage::Setting,
            },
        );
    }

    fn refuse_for_room(&mut self, command: CommandId) {
        let reason = "too much waits to be sent; try again in a few seconds".to_owned();
        self.step(command, ActuationStep::Refused { reason });
    }

    /// Whether a movement of this lock is under way, or its end is still to be seen.
    pub(super) fn is_moving(&self, node: NodeId) -> bool {
        self.actuations.values().any(|actuation| actuation.node == node)
    }

    fn actuation_refusal(&self, id: NodeId, op: LockOp) -> Option<&'static str> {
        let Some(node) = self.nodes.get(&id) else {
            return Some("the radio does not know this lock");
        };
        if op == LockOp::Unlatch {
            return Some("a Z-Wave lock moves its bolt and cannot hold the latch back");
        }
        match node.security() {
            None => Some("the lock is still being asked what it is; try again in a minute"),
            Some(Security::None) => {
                Some("the lock was included without security; exclude it and include it again with S2 or S0")
            }
            // What it can do under its key is not learned yet, but it was a lock with a bolt before.
            Some(_) if node.secure_classes.is_none() && self.remembered_security(id).is_some() => None,
            Some(_) if !node.supports(class::DOOR_LOCK) => {
                Some("the device has no bolt that can be moved by radio")
            }
            Some(_) => None,
        }
    }

    /// Wraps a command so that the node reports its end, where it can.
    pub(super) fn supervise(&mut self, id: NodeId, frame: Vec<u8>) -> (Vec<u8>, Expect) {
        if !self
            .nodes
            .get(&id)
            .is_some_and(|node| node.supports(class::SUPERVISION))
        {
            return (frame, Expect::Nothing);
        }
        self.last_session = (self.last_session + 1) & 0x3f;
        let session = self.last_session;
        let get = supervision::Get {
            session,
            status_updates: true,
            command: frame,
        };
        (
            cc::Command::from(supervision::Command::Get(get)).emit(),
            Expect::Supervision { session },
        )
    }

    pub(super) fn withdraw(&mut self, command: &CommandId) {
        let unsent = self.traffic.ids(|job| {
            job.purpose == Purpose::Actuate(command.clone())
                && matches!(job.state, super::traffic::JobState::Queued { .. })
        });
        for job in unsent {
            self.traffic.remove(job);
            self.actuations.remove(command);
            self.step(command.clone(), ActuationStep::Expired);
        }
    }

    pub(super) fn refresh(&mut self, device: &DeviceAddress) {
        let Some(node) = self.node_at(device) else { return };
        let waiting = self
            .traffic
            .any(|job| job.node == node && job.purpose == Purpose::Refresh);
        if !waiting
            && self
                .nodes
                .get(&node)
                .is_some_and(|node| node.supports(class::DOOR_LOCK))
        {
            self.read_bolt(node, Lane::Person, Purpose::Refresh);
        }
    }

    fn read_bolt(&mut self, node: NodeId, lane: Lane, purpose: Purpose) -> bool {
        let frame = cc::Command::from(door_lock::Command::OperationGet).emit();
        let pushed = self.push_job(NewJob {
            node,
            lane,
            frame: SecretBytes::new(frame),
            protection: Protection::Highest,
            expect: Expect::Reply {
                class: class::DOOR_LOCK,
                command: OPERATION_REPORT,
            },
            purpose,
            expires: Some(self.now + Millis::from_secs(30)),
            answer_wait: REPORT_WAIT,
            attempts: 2,
            not_before: self.now,
        });
        pushed.is_some()
    }

    pub(super) fn actuation_sent(&mut self, command: &CommandId) {
        self.step(command.clone(), ActuationStep::Sent);
    }

    pub(super) fn actuation_acknowledged(&mut self, command: &CommandId) {
        self.step(command.clone(), ActuationStep::Acknowledged);
    }

    /// The lock is working on it: its supervised job waits as long as the lock says.
    pub(super) fn working_wait(report: supervision::Report) -> Millis {
        let said = report
            .duration
            .as_secs()
            .map_or(Millis::from_secs(10), |secs| Millis::from_secs(secs.into()));
        Millis(said.0.min(60_000) + WORKING_MARGIN.0)
    }

    pub(super) fn actuation_answered(&mut self, command: &CommandId, outcome: &Outcome) {
        let Some(actuation) = self.actuations.get_mut(command) else {
            return;
        };
        let (node, op) = (actuation.node, actuation.op);
        match outcome {
            Outcome::Supervised(report) => match report.status {
                supervision::Status::Success => {
                    let (since, until) = (self.now, self.now + READ_AGAIN_AFTER);
                    actuation.stage = Stage::Settling { until, since };
                    self.bolt_confirmed(node, op.wanted());
                    self.step(command.clone(), ActuationStep::Done);
                }
                supervision::Status::NoSupport => {
                    let reason = "the lock says that it does not know this command".to_owned();
                    self.end_actuation(command, ActuationStep::Refused { reason });
                }
                supervision::Status::Fail | supervision::Status::Working | supervision::Status::Other(_) => {
                    self.end_actuation(command, ActuationStep::Jammed);
                    self.read_bolt(node, Lane::Person, Purpose::Refresh);
                }
            },
            Outcome::Delivered | Outcome::NoAnswer | Outcome::Answered(_) => {
                actuation.stage = Stage::Pausing {
                    until: self.now,
                    readings: 0,
                };
            }
            Outcome::NotDelivered(_) => {
                let reason =
                    "the lock does not answer: it may be out of range or its batteries empty".to_owned();
                self.end_actuation(command, ActuationStep::NoAnswer { reason });
            }
            Outcome::NoKey => {
                let reason =
                    "the lock cannot read the hub's commands: exclude it and include it again".to_owned();
                self.end_actuation(command, ActuationStep::NoAnswer { reason });
            }
            Outcome::Expired => self.end_actuation(command, ActuationStep::Expired),
        }
    }

    /// The lock itself confirmed by Supervision where its bolt is.
    fn bolt_confirmed(&mut self, node: NodeId, bolt: BoltState) {
        if let Some(device) = self.address(node) {
            self.report(Report::Lock {
                device,
                signal: LockSignal::BoltRead(bolt),
            });
        }
    }

    pub(super) fn verification_answered(&mut self, command: &CommandId, outcome: &Outcome) {
        let Some(actuation) = self.actuations.get_mut(command) else {
            return;
        };
        let Stage::Reading { readings } = actuation.stage else {
            return;
        };
        let (op, now) = (actuation.op, self.now);
        let bolt = match outcome {
            Outcome::Answered(command) => read_bolt_in(command),
            Outcome::Delivered
            | Outcome::Supervised(_)
            | Outcome::NotDelivered(_)
            | Outcome::NoAnswer
            | Outcome::NoKey
            | Outcome::Expired => None,
        };
        let pause = READ_PAUSES.get(readings).copied();
        match (bolt, pause) {
            (Some(bolt), _) if bolt == op.wanted() => self.end_actuation(command, ActuationStep::Done),
            (Some(BoltState::Unknown | BoltState::Jammed), None) => {
                self.end_actuation(command, ActuationStep::Jammed);
            }
            (Some(_), None) => {
                let reason = format!("the lock took the command to {} and did not move", op.as_str());
                self.end_actuation(command, ActuationStep::Refused { reason });
            }
            (None, _) if matches!(outcome, Outcome::NotDelivered(_)) || pause.is_none() => {
                let reason = "the lock took the command but does not say where its bolt is".to_owned();
                self.end_actuation(command, ActuationStep::NoAnswer { reason });
            }
            (_, Some(pause)) => {
                actuation.stage = Stage::Pausing {
                    until: now + pause,
                    readings,
                }
            }
            (None, None) => {}
        }
    }

    /// The lock reported its bolt by itself.
    pub(super) fn bolt_reported(&mut self, node: NodeId, bolt: BoltState) {
        let now = self.now;
        self.presence.entry(node).or_default().bolt_at = Some(now);
        for settling in self.actuations.values_mut().filter(|other| other.node == node) {
            // A lock may report an earlier movement late: what counts is asked.
            if let Stage::Settling { until, since } = &mut settling.stage
                && bolt != settling.op.wanted()
            {
                (*until, *since) = (now + CONTRADICTION_PAUSE, now + Millis(1));
            }
        }
        let reading: Vec<(CommandId, LockOp)> = self
            .actuations
            .iter()
            .filter(|(_, actuation)| {
                actuation.node == node
                    && matches!(actuation.stage, Stage::Pausing { .. } | Stage::Reading { .. })
            })
            .map(|(command, actuation)| (command.clone(), actuation.op))
            .collect();
        for (command, op) in reading {
            match bolt {
                BoltState::Jammed => self.end_actuation(&command, ActuationStep::Jammed),
                bolt if bolt == op.wanted() => self.end_actuation(&command, ActuationStep::Done),
                BoltState::Locked
                | BoltState::Unlocked
                | BoltState::Unlatched
                | BoltState::NotFullyLocked
                | BoltState::Unknown => {}
            }
        }
    }

    pub(super) fn advance_actuations(&mut self) {
        let now = self.now;
        let due: Vec<CommandId> = self
            .actuations
            .iter()
            .filter(|(_, actuation)| actuation.next_deadline().is_some_and(|due| due <= now))
            .map(|(command, _)| command.clone())
            .collect();
        for command in due {
            let Some(actuation) = self.actuations.get_mut(&command) else {
                continue;
            };
            let (node, lane) = (actuation.node, actuation.lane);
            match actuation.stage {
                Stage::Pausing { readings, .. } => {
                    actuation.stage = Stage::Reading {
                        readings: readings + 1,
                    };
                    if !self.read_bolt(node, lane, Purpose::Verify(command.clone())) {
                        self.actuation_lost(&command, "too much waits to be sent");
                    }
                }
                Stage::Settling { since, .. } => {
                    self.actuations.remove(&command);
                    let reported = self.presence.get(&node).and_then(|presence| presence.bolt_at);
                    if reported.is_none_or(|at| at < since) {
                        self.read_bolt(node, Lane::Interview, Purpose::Refresh);
                    }
                }
                Stage::Setting | Stage::Reading { .. } => {}
            }
        }
    }

    /// A lock left the network: what its movements still had to say does not come any more.
    pub(super) fn lose_actuations(&mut self, node: NodeId) {
        self.actuations
            .retain(|_, other| other.node != node || !matches!(other.stage, Stage::Settling { .. }));
        let lost: Vec<CommandId> = self
            .actuations
            .iter()
            .filter(|(_, actuation)| actuation.node == node)
            .map(|(command, _)| command.clone())
            .collect();
        for command in lost {
            self.actuation_lost(&command, "the lock left the network");
        }
    }

    /// Nothing more can be learned of a movement.
    pub(super) fn actuation_lost(&mut self, command: &CommandId, reason: &str) {
        self.end_actuation(
            command,
            ActuationStep::NoAnswer {
                reason: reason.to_owned(),
            },
        );
    }

    fn end_actuation(&mut self, command: &CommandId, step: ActuationStep) {
        if let Some(actuation) = self.actuations.remove(command) {
            let _ = actuation;
            for job in self.traffic.ids(|job| {
                job.purpose == Purpose::Actuate(command.clone())
                    || job.purpose == Purpose::Verify(command.clone())
            }) {
                self.traffic.remove(job);
            }
            self.step(command.clone(), step);
        }
    }

    fn step(&mut self, command: CommandId, step: ActuationStep) {
        self.report(Report::Actuation { command, step });
    }
}

fn read_bolt_in(command: &cc::Command) -> Option<BoltState> {
    if let cc::Command::DoorLock(door_lock::Command::OperationReport(report)) = command {
        Some(crate::lock::bolt_state(report.mode))
    } else {
        None
    }
}
