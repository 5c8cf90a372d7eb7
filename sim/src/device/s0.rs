//! The S0 side of a simulated device.
//!
//! Spec: CC:0098

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime};
use hubd_zwave::security::s0::Part;
use hubd_zwave::security::s0_wire::{S0Command, S0Supported};
use hubd_zwave::security::{NetworkKeys, S0, S0Keys, S0Link, SecurityClass};
use hubd_zwave::wire::serial::NodeId;

use super::link::{Opened, Place};
use crate::chance::Chance;

/// How long it waits for a nonce before it asks again.
const NONCE_WAIT: Millis = Millis(2500);
/// How often it asks for one nonce.
const NONCE_TRIES: u8 = 3;
/// How long a device that joined waits for its key; then it stays without.
const JOIN_WAIT: Millis = Millis(10_000);
/// How many parts of commands wait; a device has little memory.
const WAITING_MAX: usize = 12;

#[derive(Debug)]
struct Ask {
    until: MonoTime,
    tries: u8,
}

#[derive(Debug)]
pub(crate) struct S0Side {
    hidden: Vec<u8>,
    sessions: S0,
    keys: Option<S0Keys>,
    link: Option<S0Link>,
    joining_until: Option<MonoTime>,
    waiting: VecDeque<Part>,
    ask: Option<Ask>,
}

type Out = VecDeque<Vec<u8>>;

impl S0Side {
    pub(crate) fn new(hidden: Vec<u8>) -> Self {
        Self {
            hidden,
            sessions: S0::new(),
            keys: None,
            link: None,
            joining_until: None,
            waiting: VecDeque::new(),
            ask: None,
        }
    }

    pub(crate) fn is_granted(&self) -> bool {
        self.keys.is_some()
    }

    fn place(&mut self, place: Place) {
        self.link = S0Link::new(NodeId(place.node), NodeId(place.controller));
    }

    pub(crate) fn grant(&mut self, place: Place, keys: &NetworkKeys) {
        self.place(place);
        self.keys = Some(S0Keys::new(keys.key(SecurityClass::S0)));
    }

    pub(crate) fn join(&mut self, now: MonoTime, place: Place) {
        self.leave();
        self.place(place);
        self.joining_until = Some(now + JOIN_WAIT);
    }

    pub(crate) fn leave(&mut self) {
        self.power_cut();
        self.keys = None;
        self.link = None;
    }

    pub(crate) fn power_cut(&mut self) {
        self.sessions = S0::new();
        self.waiting.clear();
        self.ask = None;
        self.joining_until = None;
    }

    pub(crate) fn open(
        &mut self,
        now: MonoTime,
        frame: &[u8],
        chance: &mut Chance,
        out: &mut Out,
    ) -> Option<Opened> {
        if frame.first() != Some(&0x98) {
            return Some(Opened {
                class: None,
                command: frame.to_vec(),
            });
        }
        let link = self.link?;
        let controller = link.dst;
        match S0Command::parse(frame).ok()? {
            S0Command::NonceGet if self.keys.is_some() || self.joining_until.is_some() => {
                out.push_back(self.sessions.issue(controller, now, chance.rng()));
            }
            S0Command::NonceReport(nonce) => {
                self.sessions.on_nonce_report(controller, nonce, now);
                self.ask = None;
                self.pump(now, chance, out);
            }
            S0Command::SchemeGet(_) if self.joining_until.is_some() => {
                self.joining_until = Some(now + JOIN_WAIT);
                out.push_back(S0Command::SchemeReport(0).emit());
            }
            S0Command::Encapsulation(encapsulation) => {
                let from = S0Link {
                    src: link.dst,
                    dst: link.src,
                };
                let keys = match &self.keys {
                    Some(keys) => keys.clone(),
                    None => self.joining_until.map(|_| S0Keys::inclusion())?,
                };
                let opened = self.sessions.open(&keys, from, &encapsulation, now).ok()?;
                if opened.wants_nonce {
                    out.push_back(self.sessions.issue(controller, now, chance.rng()));
                }
                return self.opened(now, opened.plain?.expose(), chance, out);
            }
            S0Command::NonceGet
            | S0Command::SchemeGet(_)
            | S0Command::SchemeReport(_)
            | S0Command::SchemeInherit(_)
            | S0Command::NetworkKeySet(_)
            | S0Command::NetworkKeyVerify
            | S0Command::CommandsSupportedGet
            | S0Command::CommandsSupportedReport(_) => {}
        }
        None
    }

    fn opened(&mut self, now: MonoTime, plain: &[u8], chance: &mut Chance, out: &mut Out) -> Option<Opened> {
        if plain.first() != Some(&0x98) {
            self.keys.as_ref()?;
            return Some(Opened {
                class: Some(SecurityClass::S0),
                command: plain.to_vec(),
            });
        }
        let command = S0Command::parse(plain).ok()?;
        if let S0Command::NetworkKeySet(key) = &command
            && self.joining_until.take().is_some()
        {
            self.keys = Some(S0Keys::new(key));
            self.send(now, &S0Command::NetworkKeyVerify.emit(), chance, out);
        } else if command == S0Command::CommandsSupportedGet && self.keys.is_some() {
            let report = S0Supported {
                reports_to_follow: 0,
                classes: self.hidden.clone(),
            };
            self.send(
                now,
                &S0Command::CommandsSupportedReport(report).emit(),
                chance,
                out,
            );
        }
        None
    }

    pub(crate) fn send(&mut self, now: MonoTime, command: &[u8], chance: &mut Chance, out: &mut Out) {
        if let Ok(parts) = self.sessions.split(command)
            && self.waiting.len() + parts.len() <= WAITING_MAX
        {
            self.waiting.extend(parts);
        }
        self.pump(now, chance, out);
    }

    fn pump(&mut self, now: MonoTime, chance: &mut Chance, out: &mut Out) {
        let (Some(link), Some(keys)) = (self.link, &self.keys) else {
            return;
        };
        let Some(part) = self.waiting.front() else { return };
        if let Ok(frame) = self.sessions.seal(keys, link, part, now, chance.rng()) {
            // The second of two parts waits for the nonce that the first one asks for.
            let waits = part.is_followed();
            out.push_back(frame);
            self.waiting.pop_front();
            if waits {
                self.ask = Some(Ask {
                    until: now + NONCE_WAIT,
                    tries: 1,
                });
                return;
            }
        }
        if !self.waiting.is_empty() && self.ask.is_none() {
            out.push_back(S0Command::NonceGet.emit());
            self.ask = Some(Ask {
                until: now + NONCE_WAIT,
                tries: 1,
            });
        }
    }

    pub(crate) fn tick(&mut self, now: MonoTime, out: &mut Out) {
        if self.joining_until.is_some_and(|until| now >= until) {
            self.joining_until = None;
        }
        let Some(ask) = &mut self.ask else { return };
        if now < ask.until {
            return;
        }
        if ask.tries >= NONCE_TRIES {
            self.ask = None;
            self.waiting.clear();
        } else {
            ask.tries += 1;
            ask.until = now + NONCE_WAIT;
            out.push_back(S0Command::NonceGet.emit());
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        self.ask
            .as_ref()
            .map(|ask| ask.until)
            .into_iter()
            .chain(self.joining_until)
            .min()
    }
}
