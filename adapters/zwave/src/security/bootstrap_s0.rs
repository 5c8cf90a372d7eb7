//! Giving a new node the S0 key, and getting it: both sides as pure machines.
//!
//! ```text
//! controller: Scheme Get -> SchemeReport -> Network Key Set (inclusion key) -> Verify (network key) -> Done
//! device:     SchemeGet -> Scheme Report -> NetworkKeySet (inclusion key) -> Verify (network key) -> Done
//! ```
//!
//! The inclusion key is known to everybody: who listens during these seconds has the network's S0 key. That is how
//! S0 is; the caller decides whether a device may use it. Nonces are fetched by [`super::S0`]'s user.
//!
//! Spec: CC:0098, secure inclusion

use std::collections::VecDeque;

use hubd_model::{Key128, Millis, MonoTime, SecretBytes};
use thiserror::Error;

use super::s0_wire::S0Command;

/// How a command came, or shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S0Under {
    /// Not encrypted.
    Plain,
    /// Under the key that is all zero ([`super::S0Keys::inclusion`]).
    Inclusion,
    /// Under the network's S0 key.
    Network,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum S0Timer {
    /// Scheme Get sent: the report is due.
    Scheme,
    /// Network key sent: the proof that it arrived is due.
    Verify,
    /// A device waits for the controller's next step.
    Controller,
}

/// How long each step may take.
///
/// Spec: CC:0098, timers of secure inclusion
const STEP: Millis = Millis(10_000);
const RESEND: Millis = Millis(3_300);
const RESENDS: u8 = 2;

/// Why the key was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S0Failure {
    /// The other side fell silent.
    #[error("the device did not answer in time ({0:?}); remove it, bring it closer and try again")]
    Timeout(S0Timer),
    /// The proof came under another key than the network's.
    #[error("the device could not prove that it got the S0 key; remove it and try again")]
    NotVerified,
    /// Cancelled from our side.
    #[error("the key exchange was cancelled")]
    Cancelled,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S0Input {
    /// A Security 0 command, and how it came.
    Command(S0Command, S0Under),
    /// A person gave up.
    Cancel,
    /// The deadline has come.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S0Output {
    /// Send this command.
    Send {
        /// Command class first; may hold the network key.
        command: SecretBytes,
        /// How.
        under: S0Under,
    },
    /// A device: from now on this is the network's S0 key.
    UseKey(Key128),
    /// Both sides have the key.
    Done,
    /// The node does not count as secure.
    Failed(S0Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SchemeReport,
    Verify,
    SchemeGet,
    KeySet,
    Ended,
}

#[derive(Debug)]
struct Core {
    state: State,
    timer: Option<(S0Timer, MonoTime)>,
    resend: Option<(SecretBytes, S0Under, u8, MonoTime)>,
    outputs: VecDeque<S0Output>,
}

impl Core {
    fn new(state: State) -> Self {
        Self {
            state,
            timer: None,
            resend: None,
            outputs: VecDeque::new(),
        }
    }

    fn send(&mut self, command: &S0Command, under: S0Under, now: MonoTime) {
        let command = SecretBytes::new(command.emit());
        self.resend = Some((command.clone(), under, RESENDS, now + RESEND));
        self.outputs.push_back(S0Output::Send { command, under });
    }

    fn expect(&mut self, state: State, timer: S0Timer, now: MonoTime) {
        self.state = state;
        self.timer = Some((timer, now + STEP));
    }

    fn end(&mut self, output: S0Output) {
        self.state = State::Ended;
        self.timer = None;
        self.resend = None;
        self.outputs.push_back(output);
    }

    fn tick(&mut self, now: MonoTime) {
        if let Some((timer, _)) = self.timer.filter(|(_, at)| *at <= now) {
            return self.end(S0Output::Failed(S0Failure::Timeout(timer)));
        }
        if let Some((command, under, left, at)) = &mut self.resend
            && *left > 0
            && *at <= now
        {
            *left = left.saturating_sub(1);
            *at = now + RESEND;
            self.outputs.push_back(S0Output::Send {
                command: command.clone(),
                under: *under,
            });
        }
    }

    fn next_deadline(&self) -> Option<MonoTime> {
        let resend = self
            .resend
            .as_ref()
            .filter(|(_, _, left, _)| *left > 0)
            .map(|(.., at)| *at);
        [self.timer.map(|(_, at)| at), resend].into_iter().flatten().min()
    }
}

/// One key exchange, the controller's side.
#[derive(Debug)]
pub struct BootstrapS0 {
    key: Key128,
    core: Core,
}

impl BootstrapS0 {
    /// Starts with a node that is in the network but has no key.
    pub fn start(key: &Key128, now: MonoTime) -> Self {
        let mut core = Core::new(State::SchemeReport);
        core.send(&S0Command::SchemeGet(0), S0Under::Plain, now);
        core.expect(State::SchemeReport, S0Timer::Scheme, now);
        Self {
            key: key.clone(),
            core,
        }
    }

    /// What to do next; drain it after each input.
    pub fn poll(&mut self) -> Option<S0Output> {
        self.core.outputs.pop_front()
    }

    /// When to come back with [`S0Input::Tick`].
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.core.next_deadline()
    }

    /// Whether it ended.
    pub fn is_over(&self) -> bool {
        self.core.state == State::Ended
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: MonoTime, input: S0Input) {
        match (self.core.state, input) {
            (State::Ended, _) => {}
            (_, S0Input::Tick) => self.core.tick(now),
            (_, S0Input::Cancel) => self.core.end(S0Output::Failed(S0Failure::Cancelled)),
            // The schemes are not to be judged: there is only one.
            (State::SchemeReport, S0Input::Command(S0Command::SchemeReport(_), S0Under::Plain)) => {
                self.core.send(
                    &S0Command::NetworkKeySet(self.key.clone()),
                    S0Under::Inclusion,
                    now,
                );
                self.core.expect(State::Verify, S0Timer::Verify, now);
            }
            (State::Verify, S0Input::Command(S0Command::NetworkKeyVerify, under)) => match under {
                S0Under::Network => self.core.end(S0Output::Done),
                S0Under::Plain | S0Under::Inclusion => {
                    self.core.end(S0Output::Failed(S0Failure::NotVerified));
                }
            },
            // Whatever else comes repeats an earlier command, or is no part of it.
            (
                State::SchemeReport | State::Verify | State::SchemeGet | State::KeySet,
                S0Input::Command(..),
            ) => {}
        }
    }
}

/// One key exchange, the device's side.
#[derive(Debug)]
pub struct DeviceBootstrapS0 {
    core: Core,
}

impl DeviceBootstrapS0 {
    /// Waits for a controller to begin.
    pub fn join(now: MonoTime) -> Self {
        let mut core = Core::new(State::SchemeGet);
        core.expect(State::SchemeGet, S0Timer::Controller, now);
        Self { core }
    }

    /// What to do next; drain it after each input.
    pub fn poll(&mut self) -> Option<S0Output> {
        self.core.outputs.pop_front()
    }

    /// When to come back with [`S0Input::Tick`].
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.core.next_deadline()
    }

    /// Whether it ended.
    pub fn is_over(&self) -> bool {
        self.core.state == State::Ended
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: MonoTime, input: S0Input) {
        match (self.core.state, input) {
            (State::Ended, _) => {}
            (_, S0Input::Tick) => self.core.tick(now),
            (_, S0Input::Cancel) => self.core.end(S0Output::Failed(S0Failure::Cancelled)),
            (State::SchemeGet | State::KeySet, S0Input::Command(S0Command::SchemeGet(_), S0Under::Plain)) => {
                let command = SecretBytes::new(S0Command::SchemeReport(0).emit());
                self.core.outputs.push_back(S0Output::Send {
                    command,
                    under: S0Under::Plain,
                });
                self.core.expect(State::KeySet, S0Timer::Controller, now);
            }
            (State::KeySet, S0Input::Command(S0Command::NetworkKeySet(key), S0Under::Inclusion)) => {
                self.core.outputs.push_back(S0Output::UseKey(key));
                let command = SecretBytes::new(S0Command::NetworkKeyVerify.emit());
                self.core.outputs.push_back(S0Output::Send {
                    command,
                    under: S0Under::Network,
                });
                self.core.end(S0Output::Done);
            }
            // Whatever else comes repeats an earlier command, or is no part of it.
            (
                State::SchemeReport | State::Verify | State::SchemeGet | State::KeySet,
                S0Input::Command(..),
            ) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::s0::{S0, S0Keys, S0Link};
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    const DOWN: S0Link = S0Link { src: 1, dst: 4 };
    const UP: S0Link = S0Link { src: 4, dst: 1 };

    fn start() -> MonoTime {
        MonoTime::from_micros(1)
    }

    /// Carries one command over the air as the two hosts would, nonce and all.
    fn carry(
        from: &mut S0,
        to: &mut S0,
        link: S0Link,
        bytes: &SecretBytes,
        keys: Option<(&S0Keys, &S0Keys)>,
        rng: &mut ChaCha20Rng,
    ) -> Option<S0Command> {
        let Some((sealing, opening)) = keys else {
            return S0Command::parse(bytes.expose()).ok();
        };
        let mut plain = None;
        for part in from.split(bytes.expose()).ok()? {
            let Ok(S0Command::NonceReport(nonce)) = S0Command::parse(&to.issue(link.src, start(), rng))
            else {
                return None;
            };
            from.on_nonce_report(link.dst, nonce, start());
            let frame = from.seal(sealing, link, &part, start(), rng).ok()?;
            let Ok(S0Command::Encapsulation(frame)) = S0Command::parse(&frame) else {
                return None;
            };
            plain = to.open(opening, link, &frame, start()).ok()?.plain;
        }
        S0Command::parse(plain?.expose()).ok()
    }

    #[test]
    fn a_device_gets_the_key_and_proves_it() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = Key128::new([0x42; 16]);
        let (network, inclusion) = (S0Keys::new(&key), S0Keys::inclusion());
        let mut device_key = None;
        let mut hub = BootstrapS0::start(&key, start());
        let mut lock = DeviceBootstrapS0::join(start());
        let (mut hub_s0, mut lock_s0) = (S0::new(), S0::new());
        let mut ends = (false, false);
        for _ in 0..10 {
            while let Some(output) = hub.poll() {
                match output {
                    S0Output::Send { command, under } => {
                        let keys = (under == S0Under::Inclusion).then_some((&inclusion, &inclusion));
                        let command = carry(&mut hub_s0, &mut lock_s0, DOWN, &command, keys, &mut rng)
                            .expect("arrives");
                        lock.handle(start(), S0Input::Command(command, under));
                    }
                    S0Output::Done => ends.0 = true,
                    S0Output::UseKey(_) | S0Output::Failed(_) => panic!("{output:?}"),
                }
            }
            while let Some(output) = lock.poll() {
                match output {
                    S0Output::Send { command, under } => {
                        let own = device_key.as_ref().map(S0Keys::new);
                        let keys = own
                            .as_ref()
                            .filter(|_| under == S0Under::Network)
                            .map(|own| (own, &network));
                        let command =
                            carry(&mut lock_s0, &mut hub_s0, UP, &command, keys, &mut rng).expect("arrives");
                        hub.handle(start(), S0Input::Command(command, under));
                    }
                    S0Output::UseKey(key) => device_key = Some(key),
                    S0Output::Done => ends.1 = true,
                    S0Output::Failed(_) => panic!("{output:?}"),
                }
            }
        }
        assert_eq!((ends, device_key), ((true, true), Some(key)));
        assert!(hub.is_over() && lock.is_over());
    }

    fn ended(machine: &mut BootstrapS0) -> Option<S0Output> {
        std::iter::from_fn(|| machine.poll())
            .last()
            .filter(|output| !matches!(output, S0Output::Send { .. }))
    }

    #[test]
    fn silence_ends_in_the_timer_of_its_step_after_two_repetitions() {
        let scheme = S0Input::Command(S0Command::SchemeReport(0), S0Under::Plain);
        for (inputs, timer) in [(vec![], S0Timer::Scheme), (vec![scheme], S0Timer::Verify)] {
            let mut machine = BootstrapS0::start(&Key128::new([1; 16]), start());
            for input in inputs {
                machine.handle(start(), input);
            }
            while machine.poll().is_some() {}
            let mut sent = 0;
            let mut last = None;
            while let Some(at) = machine.next_deadline() {
                machine.handle(at, S0Input::Tick);
                while let Some(output) = machine.poll() {
                    sent += u8::from(matches!(output, S0Output::Send { .. }));
                    last = Some(output);
                }
            }
            assert_eq!(
                (sent, last),
                (2, Some(S0Output::Failed(S0Failure::Timeout(timer))))
            );
        }
    }

    #[test]
    fn a_proof_under_the_wrong_key_is_none() {
        for under in [S0Under::Plain, S0Under::Inclusion] {
            let mut machine = BootstrapS0::start(&Key128::new([1; 16]), start());
            machine.handle(
                start(),
                S0Input::Command(S0Command::SchemeReport(0), S0Under::Plain),
            );
            machine.handle(start(), S0Input::Command(S0Command::NetworkKeyVerify, under));
            assert_eq!(
                ended(&mut machine),
                Some(S0Output::Failed(S0Failure::NotVerified))
            );
        }
    }

    proptest! {
        /// In any order of commands the key leaves only after the report, and only under the inclusion key.
        #[test]
        fn invariant_only_a_proof_under_the_network_key_ends_well(steps in prop::collection::vec((0_u8..5, 0_u8..3), 0..20)) {
            let mut machine = BootstrapS0::start(&Key128::new([1; 16]), start());
            let mut proven = false;
            for (command, under) in steps {
                let under = [S0Under::Plain, S0Under::Inclusion, S0Under::Network][usize::from(under)];
                let command = match command {
                    0 => S0Command::SchemeReport(0),
                    1 => S0Command::NetworkKeyVerify,
                    2 => S0Command::SchemeGet(0),
                    3 => S0Command::NetworkKeySet(Key128::new([2; 16])),
                    _ => S0Command::NonceGet,
                };
                proven |= command == S0Command::NetworkKeyVerify && under == S0Under::Network;
                machine.handle(start(), S0Input::Command(command, under));
                if let Some(S0Output::Done) = ended(&mut machine) {
                    prop_assert!(proven);
                }
            }
        }
    }
}
