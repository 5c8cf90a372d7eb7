//! A device being given its keys: the frames between it and the key exchange machines of `security`.

use hubd_model::{InclusionQuestion, InclusionState, Millis, MonoTime, SecretBytes, SecretString};

use super::Host;
use super::cipher::{JoiningFrame, Under};
use super::including::Plan;
use super::traffic::{Expect, Lane, NewJob, Protection, Purpose};
use crate::security::bootstrap_s0::{BootstrapS0, S0Failure, S0Input, S0Output, S0Under};
use crate::security::bootstrap_s2::{
    self, BootstrapFailure, BootstrapInput, BootstrapOutput, BootstrapS2, Grant,
};
use crate::security::dsk::{Dsk, DskPin};
use crate::security::s0_wire::S0Command;
use crate::security::s2_wire::S2Command;
use crate::security::{ClassSet, KeyRef, SecurityClass};
use crate::wire::cc::class;
use crate::wire::serial::NodeId;

/// How often a frame of the key exchange is handed to the radio.
const ATTEMPTS: u8 = 3;

/// A key exchange under way.
pub(super) struct Securing {
    node: NodeId,
    dsk: Option<Dsk>,
    machine: Machine,
}

enum Machine {
    S2(Box<BootstrapS2>),
    S0(BootstrapS0),
}

impl Securing {
    pub(super) const fn node(&self) -> NodeId {
        self.node
    }

    /// The DSK that a person gave beforehand.
    pub(super) const fn dsk(&self) -> Option<Dsk> {
        self.dsk
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        match &self.machine {
            Machine::S2(machine) => machine.next_deadline(),
            Machine::S0(machine) => machine.next_deadline(),
        }
    }
}

impl Host {
    pub(super) fn start_s2(&mut self, node: NodeId, plan: &Plan, is_lock: bool) -> Securing {
        let grant = if is_lock { Grant::lock() } else { Grant::any() };
        self.cipher.start_joining(node);
        let keys = self.cipher.keys().clone();
        let machine = BootstrapS2::start(&keys, grant, plan.dsk, self.now, self.cipher.rng());
        Securing {
            node,
            dsk: plan.dsk,
            machine: Machine::S2(Box::new(machine)),
        }
    }

    pub(super) fn start_s0(&mut self, node: NodeId) -> Securing {
        self.cipher.start_joining(node);
        let machine = BootstrapS0::start(&self.cipher.keys().s0, self.now);
        Securing {
            node,
            dsk: None,
            machine: Machine::S0(machine),
        }
    }

    /// Whether frames of this node belong to an S2 key exchange.
    pub(super) fn is_exchanging_s2_keys(&mut self, node: NodeId) -> bool {
        self.joining
            .securing()
            .is_some_and(|securing| securing.node == node && matches!(securing.machine, Machine::S2(_)))
    }

    /// An encrypted frame of a node that is being given its keys.
    pub(super) fn joining_frame_received(&mut self, node: NodeId, frame: &[u8]) {
        let input = match self.cipher.open_joining(self.now, node, frame) {
            JoiningFrame::Command(command, key) => {
                BootstrapInput::Command(command, bootstrap_s2::Under::Key(key))
            }
            JoiningFrame::Unreadable { new_span } => BootstrapInput::Unreadable {
                frame: frame.to_vec(),
                new_span,
            },
            JoiningFrame::Nothing => return,
        };
        self.feed_s2(input);
    }

    /// A security command that is not an encapsulation: a step of a key exchange, or a list of classes.
    pub(super) fn security_command(&mut self, node: NodeId, bytes: &[u8], under: Under) {
        if bytes.first() == Some(&class::SECURITY_2) {
            let Ok(command) = S2Command::parse(bytes) else {
                return;
            };
            if self.is_exchanging_s2_keys(node) {
                let under = match under {
                    Under::Plain => bootstrap_s2::Under::Plain,
                    Under::Class(class) => bootstrap_s2::Under::Key(KeyRef::Class(class)),
                };
                self.feed_s2(BootstrapInput::Command(command, under));
            } else if let S2Command::CommandsSupportedReport(classes) = command {
                let reply = Expect::Reply {
                    class: class::SECURITY_2,
                    command: 0x0e,
                };
                self.secure_classes_received(node, under, &classes, reply);
            }
            return;
        }
        let Ok(command) = S0Command::parse(bytes) else {
            return;
        };
        if let S0Command::CommandsSupportedReport(report) = &command {
            let reply = Expect::Reply {
                class: class::SECURITY,
                command: 0x03,
            };
            self.secure_classes_received(node, under, report.supported(), reply);
            return;
        }
        let Some(Securing {
            machine: Machine::S0(machine),
            node: joining,
            ..
        }) = self.joining.securing()
        else {
            return;
        };
        if *joining == node {
            let under = match under {
                Under::Class(SecurityClass::S0) => S0Under::Network,
                Under::Class(_) | Under::Plain => S0Under::Plain,
            };
            machine.handle(self.now, S0Input::Command(command, under));
            self.advance_securing();
        }
    }

    fn feed_s2(&mut self, input: BootstrapInput) {
        let now = self.now;
        if let Some(Securing {
            machine: Machine::S2(machine),
            ..
        }) = self.joining.securing()
        {
            machine.handle(now, input);
            self.advance_securing();
        }
    }

    pub(super) fn pin_given(&mut self, pin: &SecretString) {
        match DskPin::parse(pin) {
            Ok(pin) if self.joining.is_asking() => {
                self.progress(InclusionState::Securing);
                self.feed_s2(BootstrapInput::Pin(pin));
            }
            Ok(_) => {}
            // Not the device's fault: the question stays open.
            Err(error) => tracing::warn!(%error, "the PIN is not five digits; it is asked again"),
        }
    }

    /// A person gave up: tell the device.
    pub(super) fn abandon_securing(&mut self) {
        let now = self.now;
        match self.joining.securing().map(|securing| &mut securing.machine) {
            Some(Machine::S2(machine)) => {
                machine.handle(now, BootstrapInput::Cancel);
                while let Some(output) = self.next_s2_output() {
                    if let BootstrapOutput::Send { command, under } = output {
                        self.send_joining(command.expose().to_vec(), under);
                    }
                }
            }
            Some(Machine::S0(machine)) => machine.handle(now, S0Input::Cancel),
            None => {}
        }
    }

    /// Lets the key exchange act on its deadlines and carries out what it wants.
    pub(super) fn advance_securing(&mut self) {
        let now = self.now;
        let due = |deadline: Option<MonoTime>| deadline.is_some_and(|deadline| deadline <= now);
        match self.joining.securing().map(|securing| &mut securing.machine) {
            Some(Machine::S2(machine)) => {
                if due(machine.next_deadline()) {
                    machine.handle(now, BootstrapInput::Tick);
                }
                while let Some(output) = self.next_s2_output() {
                    self.act_on_s2(output);
                }
            }
            Some(Machine::S0(machine)) => {
                if due(machine.next_deadline()) {
                    machine.handle(now, S0Input::Tick);
                }
                while let Some(output) = self.next_s0_output() {
                    self.act_on_s0(output);
                }
            }
            None => {}
        }
    }

    fn next_s2_output(&mut self) -> Option<BootstrapOutput> {
        let Some(Securing {
            machine: Machine::S2(machine),
            ..
        }) = self.joining.securing()
        else {
            return None;
        };
        let output = machine.poll();
        let keys = machine.keys().clone();
        self.cipher.set_joining_keys(keys);
        output
    }

    fn next_s0_output(&mut self) -> Option<S0Output> {
        let Some(Securing {
            machine: Machine::S0(machine),
            ..
        }) = self.joining.securing()
        else {
            return None;
        };
        machine.poll()
    }

    fn act_on_s2(&mut self, output: BootstrapOutput) {
        let Some(node) = self.joining.securing().map(|securing| securing.node) else {
            return;
        };
        match output {
            BootstrapOutput::Send { command, under } => self.send_joining(command.expose().to_vec(), under),
            BootstrapOutput::SendNonceReport => {
                let report = self.cipher.nonce_report(self.now, node);
                self.push_reply(node, report, Protection::Plain);
            }
            BootstrapOutput::OpenAgain(frame) => self.joining_frame_received(node, &frame),
            BootstrapOutput::AskPin { dsk } => self.question(InclusionQuestion::DskPin { dsk }),
            BootstrapOutput::Done { granted, .. } => {
                self.cipher.end_joining();
                self.secured(node, granted);
            }
            BootstrapOutput::Failed(failure) => {
                let code = match failure {
                    BootstrapFailure::WrongPin => "wrong_pin",
                    BootstrapFailure::OtherDevice => "wrong_code",
                    BootstrapFailure::Timeout(_) | BootstrapFailure::NoPin => "timeout",
                    BootstrapFailure::Cancelled => "cancelled",
                    BootstrapFailure::NoUsefulKey | BootstrapFailure::NotSupported => "not_supported",
                    BootstrapFailure::ByNode(_) | BootstrapFailure::Violation(_) => "key_exchange_failed",
                };
                self.insecure(node, code, &failure.to_string());
            }
        }
    }

    fn act_on_s0(&mut self, output: S0Output) {
        let Some(node) = self.joining.securing().map(|securing| securing.node) else {
            return;
        };
        match output {
            S0Output::Send { command, under } => {
                let protection = match under {
                    S0Under::Plain => Protection::Plain,
                    S0Under::Inclusion => Protection::S0Inclusion,
                    S0Under::Network => Protection::Class(SecurityClass::S0),
                };
                self.push_joining(node, command.expose().to_vec(), protection);
            }
            S0Output::UseKey(_) => {}
            S0Output::Done => {
                self.cipher.end_joining();
                self.secured(node, ClassSet::of(&[SecurityClass::S0]));
            }
            S0Output::Failed(failure) => {
                let code = match failure {
                    S0Failure::Timeout(_) => "timeout",
                    S0Failure::NotVerified => "key_exchange_failed",
                    S0Failure::Cancelled => "cancelled",
                };
                self.insecure(node, code, &failure.to_string());
            }
        }
    }

    fn send_joining(&mut self, command: Vec<u8>, under: bootstrap_s2::Under) {
        let Some(node) = self.joining.securing().map(|securing| securing.node) else {
            return;
        };
        let protection = match under {
            bootstrap_s2::Under::Plain => Protection::Plain,
            bootstrap_s2::Under::Key(key) => Protection::Joining(key),
        };
        self.push_joining(node, command, protection);
    }

    fn push_joining(&mut self, node: NodeId, frame: Vec<u8>, protection: Protection) {
        self.push_job(NewJob {
            node,
            lane: Lane::Inclusion,
            frame: SecretBytes::new(frame),
            protection,
            expect: Expect::Nothing,
            purpose: Purpose::Bootstrap,
            expires: Some(self.now + Millis::from_secs(30)),
            answer_wait: Millis(0),
            attempts: ATTEMPTS,
            not_before: self.now,
        });
    }
}
