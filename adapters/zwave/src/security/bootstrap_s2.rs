//! Giving a new node its S2 keys: the controller's side, as a pure machine.
//!
//! ```text
//! KEX Get -> KexReport -> KEX Set -> NodeKey -> own key -> [Pin] -> KexEcho -> KEX Report echo -> KeyGet
//!   -> Network Key Report -> Verify(class) -> Transfer End -> KeyGet (next class) ... -> Transfer End -> Done
//! ```
//!
//! Any other command, a wrong key, a mismatch, a timeout or a cancellation ends in Failed, with a KEX Fail to the
//! node wherever the node should know. No network key leaves before the node proved, under the temporary key, that
//! it is the one whose DSK a person or a label vouched for.
//!
//! Spec: CC:009F, S2 bootstrapping

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime, SecretBytes};
use rand_core::CryptoRng;
use thiserror::Error;

use super::dsk::{Dsk, DskPin};
use super::ecdh::KeyPair;
use super::keys::{ClassSet, KeyRef, KeySet, NetworkKeys, SecurityClass, SessionKey};
use super::s2_wire::{Encapsulation, Kex, KexFailType, S2Command};

/// How a command came, or shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// Not encrypted.
    Plain,
    /// Encrypted under a key.
    Key(KeyRef),
}

impl Under {
    /// The temporary key.
    pub const TEMP: Self = Self::Key(KeyRef::Temp);
}

/// What a node may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The classes that may be granted.
    pub allowed: ClassSet,
    /// At least one of these must be granted, or it is not done at all.
    pub needed: ClassSet,
}

impl Grant {
    /// What the protocol allows a lock: a class whose nodes prove their DSK.
    pub fn lock() -> Self {
        let needed = ClassSet::of(&[SecurityClass::S2AccessControl, SecurityClass::S2Authenticated]);
        Self {
            allowed: ClassSet::ALL,
            needed,
        }
    }

    /// Whatever the node asks for.
    pub const fn any() -> Self {
        Self {
            allowed: ClassSet::ALL,
            needed: ClassSet::ALL,
        }
    }
}

/// What is waited for, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// KEX Get sent: the KEX Report is due.
    Ta1,
    /// KEX Set sent: the node's public key is due.
    Ta2,
    /// Own public key sent and DSK known: the encrypted echo of KEX Set is due.
    Ta3,
    /// Echo sent: the first request for a key is due.
    Ta4,
    /// Network key sent: its verification is due.
    Ta5,
    /// Transfer End sent: the next request or the node's Transfer End is due.
    Ta6,
    /// The person was asked for the PIN.
    Tai2,
}

impl Timer {
    /// How long; its expiry ends the key exchange.
    pub const fn span(self) -> Millis {
        match self {
            Self::Ta1 | Self::Ta2 | Self::Ta4 | Self::Ta5 | Self::Ta6 => Millis(10_000),
            Self::Ta3 => Millis(30_000),
            Self::Tai2 => Millis(240_000),
        }
    }
}

/// Own frames are repeated while no answer comes, as the radio may lose one that it acknowledged.
const RESEND: Millis = Millis(3_300);
/// How often one frame is repeated.
const RESENDS: u8 = 2;
/// How many frames in a row that do not open are answered before the key exchange ends.
const UNREADABLE_MAX: u8 = 4;
/// How many commands of the node are served; a whole exchange takes about fifteen.
const COMMANDS_MAX: u8 = 100;

/// Why a key exchange ended without keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BootstrapFailure {
    /// The PIN does not belong to the device that answers.
    #[error("the PIN does not match the device; read the first five digits of its DSK again")]
    WrongPin,
    /// The device that answers has another DSK than the one that was expected.
    #[error("the device that answers has another DSK than the given one; check the code on its label")]
    OtherDevice,
    /// The node fell silent.
    #[error("the device did not answer in time ({0:?}); bring it closer and try again")]
    Timeout(Timer),
    /// Nobody entered the PIN.
    #[error("nobody entered the PIN in time; start again")]
    NoPin,
    /// Cancelled from our side.
    #[error("the key exchange was cancelled")]
    Cancelled,
    /// The node gave up.
    #[error("the device ended the key exchange ({0:?}); reset it and try again")]
    ByNode(KexFailType),
    /// The node wants no class that may be granted, or none that it needs.
    #[error("the device asks for no security class that it needs; it cannot be used securely")]
    NoUsefulKey,
    /// The node demands what is not supported: a scheme, a curve, or authentication of the controller.
    #[error("the device asks for a key exchange that is not supported")]
    NotSupported,
    /// The node broke the rules, or somebody spoke in its place.
    #[error("the key exchange with the device went wrong ({0:?}); remove the device and try again")]
    Violation(KexFailType),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapInput {
    /// A Security 2 command of the node, and how it came; Nonce Get too, though [`super::Spans`] answers it.
    Command(S2Command, Under),
    /// A frame of the node that did not open. `new_span`: with [`super::S2Error::WrongKey`].
    Unreadable {
        /// The frame, command class first.
        frame: Vec<u8>,
        /// Whether it started a new SPAN from fresh entropy, so that only the key can be wrong.
        new_span: bool,
    },
    /// The five digits that a person entered.
    Pin(DskPin),
    /// A person gave up.
    Cancel,
    /// The deadline has come.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapOutput {
    /// Send this command to the node.
    Send {
        /// Command class first; may hold a network key.
        command: SecretBytes,
        /// How.
        under: Under,
    },
    /// Send a Nonce Report ([`super::Spans::nonce_report`]).
    SendNonceReport,
    /// Decrypt this frame again, now with [`BootstrapS2::keys`], and put the result in.
    OpenAgain(Vec<u8>),
    /// Ask a person for the first five digits of this DSK.
    AskPin {
        /// `-12345-12345-…`
        dsk: String,
    },
    /// The node has its keys. Give up the SPAN ([`super::Spans::reset`]).
    Done {
        /// The classes that it got.
        granted: ClassSet,
        /// Its DSK, proven unless only the unauthenticated class was granted.
        dsk: Dsk,
    },
    /// It has none that count. Give up the SPAN ([`super::Spans::reset`]).
    Failed(BootstrapFailure),
}

#[derive(Debug)]
enum State {
    KexReport,
    NodeKey {
        report: Kex,
        granted: ClassSet,
    },
    Pin {
        session: Session,
        node_key: [u8; 32],
        kept: Option<Vec<u8>>,
    },
    KexEcho {
        session: Session,
    },
    KeyGet {
        session: Session,
    },
    Verify {
        session: Session,
        class: SecurityClass,
    },
    Ended,
}

/// What is agreed once the node's public key is there.
#[derive(Debug, Clone, Copy)]
struct Session {
    report: Kex,
    granted: ClassSet,
    verified: ClassSet,
    dsk: Dsk,
}

#[derive(Debug)]
struct Pending {
    command: SecretBytes,
    under: Under,
    left: u8,
    at: MonoTime,
}

/// One key exchange.
#[derive(Debug)]
pub struct BootstrapS2 {
    pair: KeyPair,
    network: NetworkKeys,
    grant: Grant,
    known: Option<Dsk>,
    state: State,
    timer: Option<(Timer, MonoTime)>,
    resend: Option<Pending>,
    keys: KeySet,
    unreadable: u8,
    served: u8,
    outputs: VecDeque<BootstrapOutput>,
}

impl BootstrapS2 {
    /// Starts with a node that is in the network but has no keys. With a `known` DSK nobody is asked.
    pub fn start<R: CryptoRng + ?Sized>(
        network: &NetworkKeys,
        grant: Grant,
        known: Option<Dsk>,
        now: MonoTime,
        rng: &mut R,
    ) -> Self {
        let mut machine = Self {
            pair: KeyPair::generate(rng),
            network: network.clone(),
            grant,
            known,
            state: State::KexReport,
            timer: None,
            resend: None,
            keys: KeySet::default(),
            unreadable: 0,
            served: 0,
            outputs: VecDeque::new(),
        };
        machine.send(&S2Command::KexGet, Under::Plain, now);
        machine.expect(Timer::Ta1, now);
        machine
    }

    /// The keys to decrypt the node's frames with; none before there is a temporary key.
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// What to do next; drain it after each input.
    pub fn poll(&mut self) -> Option<BootstrapOutput> {
        self.outputs.pop_front()
    }

    /// When to come back with [`BootstrapInput::Tick`].
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
    pub fn handle(&mut self, now: MonoTime, input: BootstrapInput) {
        if self.is_over() {
            return;
        }
        match input {
            BootstrapInput::Command(command, under) => self.on_command(now, &command, under),
            BootstrapInput::Unreadable { frame, new_span } => self.on_unreadable(frame, new_span),
            BootstrapInput::Pin(pin) => self.on_pin(now, pin),
            BootstrapInput::Cancel => self.fail(BootstrapFailure::Cancelled, Some(KexFailType::Cancelled)),
            BootstrapInput::Tick => self.on_tick(now),
        }
    }

    fn send(&mut self, command: &S2Command, under: Under, now: MonoTime) {
        let command = SecretBytes::new(command.emit());
        self.resend = Some(Pending {
            command: command.clone(),
            under,
            left: RESENDS,
            at: now + RESEND,
        });
        self.outputs.push_back(BootstrapOutput::Send { command, under });
    }

    fn expect(&mut self, timer: Timer, now: MonoTime) {
        self.timer = Some((timer, now + timer.span()));
    }

    fn end(&mut self, output: BootstrapOutput) {
        self.state = State::Ended;
        self.timer = None;
        self.resend = None;
        self.keys = KeySet::default();
        self.outputs.push_back(output);
    }

    fn fail(&mut self, reason: BootstrapFailure, tell: Option<KexFailType>) {
        if let Some(kind) = tell {
            // These four the node accepts under the temporary key, once there is one that both sides have.
            let sealed = matches!(
                kind,
                KexFailType::WrongSecurityLevel
                    | KexFailType::KeyNotGranted
                    | KexFailType::NoVerify
                    | KexFailType::DifferentKey
            ) && matches!(self.state, State::KeyGet { .. } | State::Verify { .. });
            let under = if sealed { Under::TEMP } else { Under::Plain };
            let command = SecretBytes::new(S2Command::KexFail(kind).emit());
            self.outputs.push_back(BootstrapOutput::Send { command, under });
        }
        self.end(BootstrapOutput::Failed(reason));
    }

    fn violation(&mut self, kind: KexFailType) {
        self.fail(BootstrapFailure::Violation(kind), Some(kind));
    }

    fn on_tick(&mut self, now: MonoTime) {
        if let Some((timer, _)) = self.timer.filter(|(_, at)| *at <= now) {
            return match timer {
                Timer::Tai2 => self.fail(BootstrapFailure::NoPin, Some(KexFailType::Cancelled)),
                Timer::Ta1 | Timer::Ta2 | Timer::Ta3 | Timer::Ta4 | Timer::Ta5 | Timer::Ta6 => {
                    self.fail(BootstrapFailure::Timeout(timer), None);
                }
            };
        }
        if let Some(pending) = self
            .resend
            .as_mut()
            .filter(|pending| pending.left > 0 && pending.at <= now)
        {
            pending.left = pending.left.saturating_sub(1);
            pending.at = now + RESEND;
            let output = BootstrapOutput::Send {
                command: pending.command.clone(),
                under: pending.under,
            };
            self.outputs.push_back(output);
        }
    }

    fn repeat_last(&mut self) {
        if let Some(pending) = &self.resend {
            let output = BootstrapOutput::Send {
                command: pending.command.clone(),
                under: pending.under,
            };
            self.outputs.push_back(output);
        }
    }

    fn on_command(&mut self, now: MonoTime, command: &S2Command, under: Under) {
        self.served = self.served.saturating_add(1);
        if self.served > COMMANDS_MAX {
            return self.violation(KexFailType::Cancelled);
        }
        if under != Under::Plain {
            self.unreadable = 0;
        }
        match *command {
            S2Command::KexFail(kind) => self.fail(BootstrapFailure::ByNode(kind), None),
            S2Command::KexReport(report) => self.on_kex_report(now, report, under),
            S2Command::PublicKeyReport { including, key } => self.on_public_key(now, including, key, under),
            S2Command::KexSet(echo) => self.on_kex_echo(now, echo, under),
            S2Command::NetworkKeyGet(class) => self.on_key_get(now, class, under),
            S2Command::NetworkKeyVerify => self.on_verify(now, under),
            S2Command::TransferEnd { verified, complete } => self.on_transfer_end(verified, complete, under),
            S2Command::NonceGet { .. } => self.on_nonce_get(),
            // Reports are the session's business; the rest does not belong to a key exchange and changes nothing.
            S2Command::NonceReport(_)
            | S2Command::MessageEncapsulation(_)
            | S2Command::KexGet
            | S2Command::NetworkKeyReport(..)
            | S2Command::CommandsSupportedGet
            | S2Command::CommandsSupportedReport(_) => {}
        }
    }

    /// Fresh entropy goes out now, so that a frame kept from before will not open any more.
    fn on_nonce_get(&mut self) {
        if let State::Pin { kept, .. } = &mut self.state {
            *kept = None;
        }
    }

    fn on_kex_report(&mut self, now: MonoTime, report: Kex, under: Under) {
        // Later ones repeat the first: the node did not hear yet that it arrived.
        if !matches!(self.state, State::KexReport) {
            return;
        }
        if under != Under::Plain {
            return self.violation(KexFailType::WrongSecurityLevel);
        }
        if report.echo {
            return self.violation(KexFailType::NoVerify);
        }
        if report.schemes & Kex::SCHEME_1 == 0 {
            return self.fail(
                BootstrapFailure::NotSupported,
                Some(KexFailType::NoSupportedScheme),
            );
        }
        if report.profiles & Kex::CURVE25519 == 0 {
            return self.fail(
                BootstrapFailure::NotSupported,
                Some(KexFailType::NoSupportedCurve),
            );
        }
        if report.csa {
            return self.fail(BootstrapFailure::NotSupported, Some(KexFailType::Cancelled));
        }
        let granted = report.keys().and(self.grant.allowed);
        if granted.and(self.grant.needed).is_empty() {
            return self.fail(BootstrapFailure::NoUsefulKey, Some(KexFailType::NoKeyMatch));
        }
        self.state = State::NodeKey { report, granted };
        self.send(&S2Command::KexSet(Kex::plain(granted)), Under::Plain, now);
        self.expect(Timer::Ta2, now);
    }

    fn on_public_key(&mut self, now: MonoTime, including: bool, mut key: [u8; 32], under: Under) {
        let State::NodeKey { report, granted } = self.state else {
            return match self.state {
                State::KexReport => self.violation(KexFailType::Cancelled),
                // A repetition: the node has not heard our key yet.
                State::Pin { .. } | State::KexEcho { .. } => self.repeat_last(),
                State::NodeKey { .. } | State::KeyGet { .. } | State::Verify { .. } | State::Ended => {}
            };
        };
        if including || under != Under::Plain {
            return self.violation(KexFailType::WrongSecurityLevel);
        }
        if let Some(known) = self.known {
            // A node that shall prove its DSK blanks the PIN's bytes on the air.
            if granted.needs_dsk() {
                key = with_pin(key, known.pin());
            }
            if Dsk::of_public_key(&key) != known {
                return self.fail(BootstrapFailure::OtherDevice, Some(KexFailType::Cancelled));
            }
        }
        let session = Session {
            report,
            granted,
            verified: ClassSet::NONE,
            dsk: Dsk::of_public_key(&key),
        };
        let own = S2Command::PublicKeyReport {
            including: true,
            key: *self.pair.public(),
        };
        self.send(&own, Under::Plain, now);
        if granted.needs_dsk() && self.known.is_none() {
            let dsk = session.dsk.text_without_pin();
            self.state = State::Pin {
                session,
                node_key: key,
                kept: None,
            };
            self.expect(Timer::Tai2, now);
            self.outputs.push_back(BootstrapOutput::AskPin { dsk });
        } else {
            self.begin_temp(now, session, &key);
        }
    }

    fn begin_temp(&mut self, now: MonoTime, session: Session, node_key: &[u8; 32]) {
        let Some(temp) = self.pair.temp_key_as_controller(node_key) else {
            return self.violation(KexFailType::Cancelled);
        };
        self.keys.insert(temp);
        self.state = State::KexEcho { session };
        self.expect(Timer::Ta3, now);
    }

    fn on_pin(&mut self, now: MonoTime, pin: DskPin) {
        let State::Pin {
            mut session,
            node_key,
            ref mut kept,
        } = self.state
        else {
            return;
        };
        let kept = kept.take();
        let key = with_pin(node_key, pin);
        session.dsk = Dsk::of_public_key(&key);
        self.begin_temp(now, session, &key);
        if let Some(frame) = kept.filter(|_| !self.is_over()) {
            self.outputs.push_back(BootstrapOutput::OpenAgain(frame));
        }
    }

    fn on_unreadable(&mut self, frame: Vec<u8>, new_span: bool) {
        let first_echo = match &mut self.state {
            State::KexReport | State::NodeKey { .. } | State::Ended => return,
            State::Pin { kept, .. } => {
                // What starts the SPAN is needed to read what follows, so it is kept before all else.
                let starts = Encapsulation::parse(&frame).is_ok_and(|frame| frame.sender_entropy().is_some());
                if starts || kept.is_none() {
                    *kept = Some(frame);
                }
                // The node has our public key, or it could not encrypt.
                self.resend = None;
                return;
            }
            State::KexEcho { session } => Some(session.granted.needs_dsk()),
            State::KeyGet { .. } | State::Verify { .. } => None,
        };
        self.unreadable = self.unreadable.saturating_add(1);
        let is_last = self.unreadable >= UNREADABLE_MAX;
        match first_echo {
            Some(true) if new_span || is_last => {
                self.fail(BootstrapFailure::WrongPin, Some(KexFailType::Decrypt));
            }
            Some(false) if new_span || is_last => self.violation(KexFailType::Decrypt),
            None if is_last => self.violation(KexFailType::Decrypt),
            Some(_) | None => self.outputs.push_back(BootstrapOutput::SendNonceReport),
        }
    }

    fn on_kex_echo(&mut self, now: MonoTime, echo: Kex, under: Under) {
        let session = match self.state {
            State::KexEcho { session } => session,
            // The node repeats its echo until it hears ours.
            State::KeyGet { session } if session.verified.is_empty() && under == Under::TEMP => {
                return self.repeat_last();
            }
            State::KeyGet { .. } | State::Verify { .. } | State::Ended => return,
            State::KexReport | State::NodeKey { .. } | State::Pin { .. } => {
                return self.violation(KexFailType::WrongSecurityLevel);
            }
        };
        if under != Under::TEMP || echo != Kex::plain(session.granted).as_echo() {
            return self.violation(KexFailType::WrongSecurityLevel);
        }
        self.state = State::KeyGet { session };
        self.send(&S2Command::KexReport(session.report.as_echo()), Under::TEMP, now);
        self.expect(Timer::Ta4, now);
    }

    fn on_key_get(&mut self, now: MonoTime, class: SecurityClass, under: Under) {
        let session = match self.state {
            State::KeyGet { session } => session,
            // The node repeats its request: it has not heard the answer.
            State::Verify { class: asked, .. } if asked == class && under == Under::TEMP => {
                return self.repeat_last();
            }
            State::KexReport
            | State::NodeKey { .. }
            | State::Pin { .. }
            | State::KexEcho { .. }
            | State::Verify { .. }
            | State::Ended => return self.violation(KexFailType::WrongSecurityLevel),
        };
        if under != Under::TEMP {
            return self.violation(KexFailType::WrongSecurityLevel);
        }
        if !session.granted.contains(class) {
            return self.violation(KexFailType::KeyNotGranted);
        }
        let key = self.network.key(class).clone();
        self.keys.insert(SessionKey::network(class, &key));
        self.state = State::Verify { session, class };
        self.send(&S2Command::NetworkKeyReport(class, key), Under::TEMP, now);
        self.expect(Timer::Ta5, now);
    }

    fn on_verify(&mut self, now: MonoTime, under: Under) {
        let (mut session, class) = match self.state {
            State::Verify { session, class } => (session, class),
            State::KeyGet { session } => {
                // A repetition of the last one: the node has not heard that it arrived.
                return match under {
                    Under::Key(KeyRef::Class(class)) if session.verified.contains(class) => {
                        self.repeat_last();
                    }
                    Under::Key(_) | Under::Plain => self.violation(KexFailType::NoVerify),
                };
            }
            State::KexReport
            | State::NodeKey { .. }
            | State::Pin { .. }
            | State::KexEcho { .. }
            | State::Ended => {
                return self.violation(KexFailType::NoVerify);
            }
        };
        if under != Under::Key(KeyRef::Class(class)) {
            return self.violation(KexFailType::NoVerify);
        }
        session.verified = session.verified.with(class);
        self.state = State::KeyGet { session };
        self.send(
            &S2Command::TransferEnd {
                verified: true,
                complete: false,
            },
            Under::TEMP,
            now,
        );
        self.expect(Timer::Ta6, now);
    }

    fn on_transfer_end(&mut self, verified: bool, complete: bool, under: Under) {
        let State::KeyGet { session } = self.state else {
            return self.violation(KexFailType::NoVerify);
        };
        if under != Under::TEMP {
            return self.violation(KexFailType::WrongSecurityLevel);
        }
        if verified || !complete || session.verified != session.granted {
            return self.violation(KexFailType::NoVerify);
        }
        self.end(BootstrapOutput::Done {
            granted: session.granted,
            dsk: session.dsk,
        });
    }
}

/// The public key with the bytes that the node blanked.
fn with_pin(key: [u8; 32], pin: DskPin) -> [u8; 32] {
    let mut whole = key;
    whole
        .iter_mut()
        .zip(pin.bytes())
        .for_each(|(byte, digit)| *byte = digit);
    whole
}

#[cfg(test)]
#[path = "bootstrap_s2_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "bootstrap_s2_rules_tests.rs"]
mod rules_tests;
