//! Getting S2 keys from an including controller: the device's side, as a pure machine. Simulated devices use it, and
//! it is the other half of the tests of [`super::bootstrap_s2`].
//!
//! ```text
//! KexGet -> KEX Report -> KexSet -> Public Key Report -> ControllerKey -> KEX Set echo -> KexEcho
//!   -> (Network Key Get -> KeyReport -> Network Key Verify -> TransferEnd) per class -> Transfer End -> Done
//! ```
//!
//! Spec: CC:009F, S2 bootstrapping

use std::collections::VecDeque;

use hubd_model::{Key128, Millis, MonoTime, SecretBytes};

use super::bootstrap_s2::Under;
use super::ecdh::KeyPair;
use super::keys::{ClassSet, KeyRef, KeySet, SecurityClass, SessionKey};
use super::s2_wire::{Kex, KexFailType, S2Command};

/// What is waited for, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceTimer {
    /// In the network: KEX Get is due.
    Tb1,
    /// KEX Report sent: KEX Set is due; a person may have to decide.
    Tb2,
    /// Public key sent: the controller's is due.
    Tb3,
    /// Echo sent, and again every ten seconds: the controller's echo is due; a person may have to enter the PIN.
    Tb3Echo,
    /// A key was asked for: it is due.
    Tb4,
    /// Verification sent: Transfer End is due.
    Tb5,
}

impl DeviceTimer {
    /// How long; its expiry ends the key exchange.
    pub const fn span(self) -> Millis {
        match self {
            Self::Tb1 => Millis(30_000),
            Self::Tb2 | Self::Tb3Echo => Millis(240_000),
            Self::Tb3 | Self::Tb4 | Self::Tb5 => Millis(10_000),
        }
    }
}

const RESEND: Millis = Millis(3_500);
const RESEND_ECHO: Millis = Millis(10_000);
const RESENDS: u8 = 2;
const RESENDS_ECHO: u8 = 24;
const UNREADABLE_MAX: u8 = 8;

/// Why a device got no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFailure {
    /// The controller fell silent.
    Timeout(DeviceTimer),
    /// The controller gave up.
    ByController(KexFailType),
    /// The controller broke the rules.
    Violation(KexFailType),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceInput {
    /// A Security 2 command of the controller, and how it came.
    Command(S2Command, Under),
    /// A frame of the controller that did not open.
    Unreadable,
    /// The deadline has come.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceOutput {
    /// Send this command to the controller.
    Send {
        /// Command class first.
        command: SecretBytes,
        /// How.
        under: Under,
    },
    /// Send a Nonce Report.
    SendNonceReport,
    /// The keys are here, lowest class first.
    Done(Vec<(SecurityClass, Key128)>),
    /// There are none.
    Failed(DeviceFailure),
}

#[derive(Debug)]
enum State {
    KexGet,
    KexSet,
    ControllerKey { set: Kex },
    KexEcho { granted: ClassSet },
    KeyReport { left: ClassSet, class: SecurityClass },
    TransferEnd { left: ClassSet },
    Ended,
}

#[derive(Debug)]
struct Pending {
    command: SecretBytes,
    under: Under,
    left: u8,
    every: Millis,
    at: MonoTime,
}

/// One key exchange of a device.
#[derive(Debug)]
pub struct DeviceBootstrapS2 {
    pair: KeyPair,
    requested: ClassSet,
    state: State,
    timer: Option<(DeviceTimer, MonoTime)>,
    resend: Option<Pending>,
    keys: KeySet,
    got: Vec<(SecurityClass, Key128)>,
    unreadable: u8,
    outputs: VecDeque<DeviceOutput>,
}

impl DeviceBootstrapS2 {
    /// Waits for a controller to begin. A device that asks for an authenticated class blanks the PIN in its public
    /// key, so that the controller needs the label.
    pub fn join(pair: KeyPair, requested: ClassSet, now: MonoTime) -> Self {
        Self {
            pair,
            requested,
            state: State::KexGet,
            timer: Some((DeviceTimer::Tb1, now + DeviceTimer::Tb1.span())),
            resend: None,
            keys: KeySet::default(),
            got: Vec::new(),
            unreadable: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The keys to decrypt the controller's frames with.
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// What to do next; drain it after each input.
    pub fn poll(&mut self) -> Option<DeviceOutput> {
        self.outputs.pop_front()
    }

    /// When to come back with [`DeviceInput::Tick`].
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let resend = self
            .resend
            .as_ref()
            .filter(|pending| pending.left > 0)
            .map(|pending| pending.at);
        [self.timer.map(|(_, at)| at), resend].into_iter().flatten().min()
    }

    /// Whether it ended.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: MonoTime, input: DeviceInput) {
        if self.is_over() {
            return;
        }
        match input {
            DeviceInput::Command(command, under) => self.on_command(now, command, under),
            DeviceInput::Unreadable => {
                self.unreadable = self.unreadable.saturating_add(1);
                if self.unreadable >= UNREADABLE_MAX {
                    return self.violation(KexFailType::Decrypt);
                }
                self.outputs.push_back(DeviceOutput::SendNonceReport);
            }
            DeviceInput::Tick => self.on_tick(now),
        }
    }

    fn on_tick(&mut self, now: MonoTime) {
        if let Some((timer, _)) = self.timer.filter(|(_, at)| *at <= now) {
            return self.end(DeviceOutput::Failed(DeviceFailure::Timeout(timer)));
        }
        if let Some(pending) = self
            .resend
            .as_mut()
            .filter(|pending| pending.left > 0 && pending.at <= now)
        {
            pending.left = pending.left.saturating_sub(1);
            pending.at = now + pending.every;
            let output = DeviceOutput::Send {
                command: pending.command.clone(),
                under: pending.under,
            };
            self.outputs.push_back(output);
        }
    }

    fn send(&mut self, command: &S2Command, under: Under, timer: DeviceTimer, now: MonoTime) {
        let (left, every) = match timer {
            DeviceTimer::Tb3Echo => (RESENDS_ECHO, RESEND_ECHO),
            DeviceTimer::Tb1 | DeviceTimer::Tb2 | DeviceTimer::Tb3 | DeviceTimer::Tb4 | DeviceTimer::Tb5 => {
                (RESENDS, RESEND)
            }
        };
        let command = SecretBytes::new(command.emit());
        self.resend = Some(Pending {
            command: command.clone(),
            under,
            left,
            every,
            at: now + every,
        });
        self.timer = Some((timer, now + timer.span()));
        self.outputs.push_back(DeviceOutput::Send { command, under });
    }

    fn end(&mut self, output: DeviceOutput) {
        self.state = State::Ended;
        self.timer = None;
        self.resend = None;
        self.keys = KeySet::default();
        self.outputs.push_back(output);
    }

    fn violation(&mut self, kind: KexFailType) {
        let command = SecretBytes::new(S2Command::KexFail(kind).emit());
        self.outputs.push_back(DeviceOutput::Send {
            command,
            under: Under::Plain,
        });
        self.end(DeviceOutput::Failed(DeviceFailure::Violation(kind)));
    }

    fn on_command(&mut self, now: MonoTime, command: S2Command, under: Under) {
        if under != Under::Plain {
            self.unreadable = 0;
        }
        match (&self.state, command) {
            (_, S2Command::KexFail(kind)) => {
                self.end(DeviceOutput::Failed(DeviceFailure::ByController(kind)));
            }
            (State::KexGet, S2Command::KexGet) => {
                self.state = State::KexSet;
                self.send(
                    &S2Command::KexReport(Kex::plain(self.requested)),
                    Under::Plain,
                    DeviceTimer::Tb2,
                    now,
                );
            }
            (State::KexSet, S2Command::KexSet(set)) => self.on_kex_set(now, set, under),
            (State::ControllerKey { set }, S2Command::PublicKeyReport { including: true, key }) => {
                self.on_public_key(now, *set, &key);
            }
            (State::KexEcho { granted }, S2Command::KexReport(echo)) => {
                let granted = *granted;
                if under != Under::TEMP || echo != Kex::plain(self.requested).as_echo() {
                    return self.violation(KexFailType::WrongSecurityLevel);
                }
                self.ask_next(now, granted);
            }
            (State::KeyReport { left, class }, S2Command::NetworkKeyReport(got, key)) => {
                let (left, class) = (*left, *class);
                if under != Under::TEMP {
                    return self.violation(KexFailType::WrongSecurityLevel);
                }
                if got != class {
                    return self.violation(KexFailType::DifferentKey);
                }
                self.keys.insert(SessionKey::network(class, &key));
                self.got.push((class, key));
                self.state = State::TransferEnd { left };
                let under = Under::Key(KeyRef::Class(class));
                self.send(&S2Command::NetworkKeyVerify, under, DeviceTimer::Tb5, now);
            }
            (State::TransferEnd { left }, S2Command::TransferEnd { verified, complete }) => {
                let left = *left;
                if under != Under::TEMP || !verified || complete {
                    return self.violation(KexFailType::NoVerify);
                }
                self.ask_next(now, left);
            }
            // Whatever else comes repeats an earlier command, or is no part of it.
            _ => {}
        }
    }

    fn on_kex_set(&mut self, now: MonoTime, set: Kex, under: Under) {
        if under != Under::Plain || set.echo || set.csa {
            return self.violation(KexFailType::WrongSecurityLevel);
        }
        if set.schemes != Kex::SCHEME_1 {
            return self.violation(KexFailType::NoSupportedScheme);
        }
        if set.profiles != Kex::CURVE25519 {
            return self.violation(KexFailType::NoSupportedCurve);
        }
        if set.keys().is_empty() || set.keys().and(self.requested) != set.keys() {
            return self.violation(KexFailType::NoKeyMatch);
        }
        let mut key = *self.pair.public();
        if set.keys().needs_dsk() {
            key.iter_mut().take(2).for_each(|byte| *byte = 0);
        }
        self.state = State::ControllerKey { set };
        let report = S2Command::PublicKeyReport {
            including: false,
            key,
        };
        self.send(&report, Under::Plain, DeviceTimer::Tb3, now);
    }

    fn on_public_key(&mut self, now: MonoTime, set: Kex, key: &[u8; 32]) {
        let Some(temp) = self.pair.temp_key_as_node(key) else {
            return self.violation(KexFailType::Cancelled);
        };
        self.keys.insert(temp);
        self.state = State::KexEcho { granted: set.keys() };
        self.send(
            &S2Command::KexSet(set.as_echo()),
            Under::TEMP,
            DeviceTimer::Tb3Echo,
            now,
        );
    }

    fn ask_next(&mut self, now: MonoTime, left: ClassSet) {
        match left.highest() {
            Some(class) => {
                self.state = State::KeyReport {
                    left: left.without(class),
                    class,
                };
                self.send(
                    &S2Command::NetworkKeyGet(class),
                    Under::TEMP,
                    DeviceTimer::Tb4,
                    now,
                );
            }
            None => {
                let command = S2Command::TransferEnd {
                    verified: false,
                    complete: true,
                }
                .emit();
                let command = SecretBytes::new(command);
                self.outputs.push_back(DeviceOutput::Send {
                    command,
                    under: Under::TEMP,
                });
                let mut got = std::mem::take(&mut self.got);
                got.sort_by_key(|(class, _)| *class);
                self.end(DeviceOutput::Done(got));
            }
        }
    }
}
