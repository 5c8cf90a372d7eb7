//! Asks what is behind an open port: whether it answers as a Z-Wave dongle does, and which one it is.
//!
//! ```text
//!   NAK, capabilities? ──answer──▶ controller id? ──answer, refusal or time over──▶ Ok(identity)
//!          └── no sensible answer, or time over ──▶ Err(NoDongle)
//! ```
//!
//! Both questions only read: nothing on the dongle changes.

use std::fmt;

use hubd_model::{Millis, MonoTime};

use crate::dongle::{Dongle, End, Event};
use crate::wire::serial::{Command, NodeIdWidth, parse_capabilities, parse_controller_id};

/// Which dongle it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its firmware, major and minor.
    pub firmware: (u8, u8),
    /// Its maker, product type and product id.
    pub product: (u16, u16, u16),
    /// The network that it holds, if it told.
    pub home_id: Option<u32>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.firmware;
        let (maker, kind, id) = self.product;
        write!(
            f,
            "firmware {major}.{minor}, product {maker:04x}:{kind:04x}:{id:04x}"
        )?;
        match self.home_id {
            Some(home) => write!(f, ", home id {home:08x}"),
            None => f.write_str(", home id not told"),
        }
    }
}

/// What is there does not answer as a dongle does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDongle {
    /// Whether it said anything at all.
    pub heard: bool,
}

/// The machine. Feed it bytes and ticks, write what `poll_write` gives, until there is an `outcome`.
#[derive(Debug)]
pub struct Identify {
    dongle: Dongle,
    until: MonoTime,
    heard: bool,
    identity: Option<Identity>,
    over: bool,
}

impl Identify {
    /// Begins on a port that was just opened; it ends after `wait` at the latest.
    pub fn new(now: MonoTime, wait: Millis) -> Self {
        let mut identify = Self {
            dongle: Dongle::opened(),
            until: now + wait,
            heard: false,
            identity: None,
            over: false,
        };
        identify.ask(now, Command::SerialApiCapabilities);
        identify
    }

    /// Takes bytes from the port.
    pub fn receive(&mut self, now: MonoTime, bytes: &[u8]) {
        self.heard |= !bytes.is_empty();
        self.dongle.receive(now, bytes);
        self.follow(now);
    }

    /// Acts on deadlines that have passed.
    pub fn tick(&mut self, now: MonoTime) {
        self.dongle.tick(now);
        self.follow(now);
    }

    /// Bytes to be written to the port.
    pub fn poll_write(&mut self) -> Option<Vec<u8>> {
        self.dongle.poll_write()
    }

    /// What is there, once that is known or the time is over.
    pub fn outcome(&self, now: MonoTime) -> Option<Result<Identity, NoDongle>> {
        let outcome = || self.identity.clone().ok_or(NoDongle { heard: self.heard });
        (self.over || self.until <= now).then(outcome)
    }

    /// When to come back with `tick`, or for the outcome.
    pub fn next_deadline(&self) -> MonoTime {
        self.dongle
            .next_deadline()
            .map_or(self.until, |deadline| deadline.min(self.until))
    }

    fn ask(&mut self, now: MonoTime, command: Command) {
        // One question follows the end of the other; a dongle that is busy all the same is not asked further.
        self.over |= self.dongle.start(now, command).is_err();
    }

    fn follow(&mut self, now: MonoTime) {
        while let Some(event) = self.dongle.poll_event() {
            if let Event::Ended(command, end) = event {
                self.ended(now, &command, &end);
            }
        }
    }

    fn ended(&mut self, now: MonoTime, command: &Command, end: &End) {
        let End::Response(answer) = end else {
            self.over = true;
            return;
        };
        if *command == Command::SerialApiCapabilities {
            match parse_capabilities(answer) {
                Ok(capabilities) => {
                    self.identity = Some(Identity {
                        firmware: capabilities.firmware,
                        product: capabilities.product,
                        home_id: None,
                    });
                    self.ask(now, Command::ControllerId);
                }
                Err(error) => {
                    tracing::debug!(%error, "the answer makes no sense");
                    self.over = true;
                }
            }
            return;
        }
        self.over = true;
        // The home id stands first, whichever width node ids have.
        if let (Some(identity), Ok((home_id, _))) = (
            &mut self.identity,
            parse_controller_id(answer, NodeIdWidth::Bits8),
        ) {
            identity.home_id = Some(home_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{ACK, Data, Kind};

    const WAIT: Millis = Millis(4_000);

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_micros(millis * 1000)
    }

    fn response(function: u8, payload: &[u8]) -> Vec<u8> {
        let data = Data {
            kind: Kind::Response,
            function,
            payload: payload.to_vec(),
        };
        [vec![ACK], data.emit().unwrap()].concat()
    }

    fn run(answers: &[Vec<u8>]) -> (Result<Identity, NoDongle>, MonoTime) {
        let mut identify = Identify::new(at(0), WAIT);
        for (step, bytes) in (1..).zip(answers) {
            identify.receive(at(step), bytes);
        }
        let mut now = at(answers.len() as u64);
        for _ in 0..100 {
            if let Some(outcome) = identify.outcome(now) {
                return (outcome, now);
            }
            now = identify.next_deadline();
            identify.tick(now);
        }
        panic!("it does not end");
    }

    #[test]
    fn a_dongle_is_known_by_its_answers_and_everything_else_in_time() {
        let capabilities = response(0x07, &[7, 19, 0x02, 0x7a, 0, 4, 0x05, 0x80, 0xff]);
        let identity = |home_id| Identity {
            firmware: (7, 19),
            product: (0x027a, 4, 0x0580),
            home_id,
        };
        let home = response(0x20, &[0xc0, 0xff, 0xee, 0x00, 1]);
        let heard = |heard| Err(NoDongle { heard });
        let cases: [(&str, Vec<Vec<u8>>, _, u64); 8] = [
            (
                "a dongle",
                vec![capabilities.clone(), home],
                Ok(identity(Some(0xc0ff_ee00))),
                2,
            ),
            (
                "one with wide node ids",
                vec![capabilities.clone(), response(0x20, &[1, 2, 3, 4, 0, 1])],
                Ok(identity(Some(0x0102_0304))),
                2,
            ),
            (
                "one without a network",
                vec![capabilities.clone(), response(0x20, &[])],
                Ok(identity(None)),
                2,
            ),
            (
                "one that falls silent",
                vec![capabilities],
                Ok(identity(None)),
                4000,
            ),
            ("silence", vec![], heard(false), 4000),
            (
                "other talk",
                vec![b"SSH-2.0-OpenSSH\r\n".to_vec()],
                heard(true),
                4000,
            ),
            ("only an acknowledgement", vec![vec![ACK]], heard(true), 4000),
            ("an answer too short", vec![response(0x07, &[7])], heard(true), 1),
        ];
        for (what, answers, expected, millis) in cases {
            assert_eq!(run(&answers), (expected, at(millis)), "{what}");
        }
    }
}
