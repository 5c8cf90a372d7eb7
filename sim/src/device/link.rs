//! A device's link to its controller: how its commands are wrapped, and which it accepts unwrapped.

use std::collections::VecDeque;

use hubd_model::MonoTime;
use hubd_zwave::security::{NetworkKeys, SecurityClass};

use super::s0::S0Side;
use super::s2::S2Side;
use crate::chance::Chance;

/// How a command was protected on the air; `None` when it was not.
pub(crate) type Class = Option<SecurityClass>;

/// How a device protects its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// With S0.
    S0,
    /// With S2.
    S2 {
        /// The classes that it asks for.
        classes: Vec<SecurityClass>,
        /// What its key pair, and with it its DSK, is made of.
        seed: u64,
    },
}

impl Protection {
    /// S2 as a lock has it.
    pub fn s2_lock(seed: u64) -> Self {
        Self::S2 {
            classes: vec![SecurityClass::S2Authenticated, SecurityClass::S2AccessControl],
            seed,
        }
    }

    /// S2 as a detector has it.
    pub fn s2_detector(seed: u64) -> Self {
        Self::S2 {
            classes: vec![SecurityClass::S2Unauthenticated, SecurityClass::S2Authenticated],
            seed,
        }
    }

    /// Whether it sends its reports with supervision.
    pub(crate) fn supervises(&self) -> bool {
        match self {
            Self::None | Self::S0 => false,
            Self::S2 { .. } => true,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The classes with their versions that its node information adds.
    pub(crate) fn classes(&self) -> &'static [(u8, u8)] {
        match self {
            Self::None => &[(0x6c, 1)],
            Self::S0 => &[(0x98, 1)],
            Self::S2 { .. } => &[(0x9f, 1), (0x6c, 1)],
        }
    }
}

/// A command from the controller, unwrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) class: Class,
    pub(crate) command: Vec<u8>,
}

/// Where a device is in which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) home_id: u32,
    pub(crate) node: u16,
    pub(crate) controller: u16,
}

#[derive(Debug)]
enum Side {
    Plain,
    S0(Box<S0Side>),
    S2(Box<S2Side>),
}

#[derive(Debug)]
pub(crate) struct Link {
    side: Side,
    /// Classes that are answered only over a secure link.
    hidden: Vec<u8>,
    joined: bool,
    out: VecDeque<Vec<u8>>,
}

impl Link {
    pub(crate) fn new(protection: Protection, hidden: Vec<u8>) -> Self {
        let side = match protection {
            Protection::None => Side::Plain,
            Protection::S0 => Side::S0(Box::new(S0Side::new(hidden.clone()))),
            Protection::S2 { classes, seed } => {
                Side::S2(Box::new(S2Side::new(&classes, seed, hidden.clone())))
            }
        };
        Self {
            side,
            hidden,
            joined: false,
            out: VecDeque::new(),
        }
    }

    pub(crate) fn dsk(&self) -> Option<[u8; 16]> {
        match &self.side {
            Side::Plain | Side::S0(_) => None,
            Side::S2(side) => Some(side.dsk()),
        }
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.joined
    }

    /// The best class that it was granted.
    pub(crate) fn best(&self) -> Class {
        match &self.side {
            Side::Plain => None,
            Side::S0(side) => side.is_granted().then_some(SecurityClass::S0),
            Side::S2(side) => side.best(),
        }
    }

    /// It was a member before: it has the keys that it asks for.
    pub(crate) fn was_joined(&mut self, place: Place, keys: &NetworkKeys) {
        self.joined = true;
        match &mut self.side {
            Side::Plain => {}
            Side::S0(side) => side.grant(place, keys),
            Side::S2(side) => side.grant(place, keys),
        }
    }

    /// It is a member from now on; the key exchange follows.
    pub(crate) fn join(&mut self, now: MonoTime, place: Place) {
        self.joined = true;
        match &mut self.side {
            Side::Plain => {}
            Side::S0(side) => side.join(now, place),
            Side::S2(side) => side.join(now, place),
        }
    }

    pub(crate) fn leave(&mut self) {
        self.joined = false;
        match &mut self.side {
            Side::Plain => {}
            Side::S0(side) => side.leave(),
            Side::S2(side) => side.leave(),
        }
    }

    /// Whether a command of this class is answered when it came so.
    pub(crate) fn allows(&self, class: Class, command_class: u8) -> bool {
        !self.hidden.contains(&command_class) || (class.is_some() && class == self.best())
    }

    pub(crate) fn open(&mut self, now: MonoTime, frame: &[u8], chance: &mut Chance) -> Option<Opened> {
        match &mut self.side {
            Side::Plain => Some(Opened {
                class: None,
                command: frame.to_vec(),
            }),
            Side::S0(side) => side.open(now, frame, chance, &mut self.out),
            Side::S2(side) => side.open(now, frame, chance, &mut self.out),
        }
    }

    /// Sends a command as protected as `class`.
    pub(crate) fn send(&mut self, now: MonoTime, class: Class, command: Vec<u8>, chance: &mut Chance) {
        match (&mut self.side, class) {
            (Side::Plain, _) | (_, None) => self.out.push_back(command),
            (Side::S0(side), Some(_)) => side.send(now, &command, chance, &mut self.out),
            (Side::S2(side), Some(class)) => side.send(now, class, command, chance, &mut self.out),
        }
    }

    /// Sends a command with the best protection that the device was granted. A device that was granted none keeps
    /// to itself what it would only say securely.
    pub(crate) fn send_best(&mut self, now: MonoTime, command: Vec<u8>, chance: &mut Chance) {
        let best = self.best();
        let hidden = command
            .first()
            .is_some_and(|class| self.hidden.contains(class) || *class == 0x6c);
        if best.is_some() || !hidden || matches!(self.side, Side::Plain) {
            self.send(now, best, command, chance);
        }
    }

    pub(crate) fn lose_span(&mut self) {
        if let Side::S2(side) = &mut self.side {
            side.lose_span();
        }
    }

    /// What is not in flash is gone: nonces, what waits to be sent, a key exchange under way.
    pub(crate) fn power_cut(&mut self) {
        self.out.clear();
        match &mut self.side {
            Side::Plain => {}
            Side::S0(side) => side.power_cut(),
            Side::S2(side) => side.power_cut(),
        }
    }

    pub(crate) fn tick(&mut self, now: MonoTime, chance: &mut Chance) {
        match &mut self.side {
            Side::Plain => {}
            Side::S0(side) => side.tick(now, &mut self.out),
            Side::S2(side) => side.tick(now, chance, &mut self.out),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        match &self.side {
            Side::Plain => None,
            Side::S0(side) => side.next_deadline(),
            Side::S2(side) => side.next_deadline(),
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }
}
