//! The air between the dongle and its nodes: how long a frame takes, and whether it arrives.

use hubd_model::{Millis, MonoTime};

use crate::chance::Chance;

/// When a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listening {
    /// Always.
    Always,
    /// It looks for a beam every second (FLiRS): battery locks.
    Beam1000,
    /// Only after it woke up by itself: battery detectors.
    Asleep,
}

/// The air's state, the same for all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Air {
    /// How many of a thousand transmissions are lost; a frame is tried three times.
    pub loss_permille: u32,
    /// Whether something else occupies the channel.
    pub jammed: bool,
}

/// How a transmission of the dongle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flight {
    /// When the node has the frame; `None` when it never has.
    pub(crate) arrives: Option<MonoTime>,
    /// When the dongle knows the end.
    pub(crate) ends: MonoTime,
    /// The transmit status. Spec: INS12350, `TRANSMIT_COMPLETE_*`.
    pub(crate) status: u8,
    /// Whether a beam was sent first.
    pub(crate) beam: bool,
}

/// The node acknowledged.
pub(crate) const STATUS_OK: u8 = 0;
/// Nobody acknowledged.
pub(crate) const STATUS_NO_ACK: u8 = 1;
/// The channel was never free, or the host aborted.
pub(crate) const STATUS_FAIL: u8 = 2;

/// How often a frame is tried before it is lost.
const TRIES: u32 = 3;

impl Air {
    /// Plans a transmission to a node. `reachable`: it is alive and has power. `awake`: it hears without a beam.
    /// `explore`: the host allows a long search for a route.
    pub(crate) fn fly(
        self,
        now: MonoTime,
        listening: Listening,
        reachable: bool,
        awake: bool,
        explore: bool,
        chance: &mut Chance,
    ) -> Flight {
        if self.jammed {
            let ends = now + chance.millis(500, 900);
            return Flight {
                arrives: None,
                ends,
                status: STATUS_FAIL,
                beam: false,
            };
        }
        let hears = reachable && (awake || listening != Listening::Asleep);
        let beam = listening == Listening::Beam1000 && !awake;
        let mut at = now;
        for _ in 0..TRIES {
            if beam {
                at = at + chance.millis(1050, 1150);
            }
            at = at + chance.millis(5, 15);
            if hears && !chance.happens(self.loss_permille) {
                let ends = at + chance.millis(5, 15);
                return Flight {
                    arrives: Some(at),
                    ends,
                    status: STATUS_OK,
                    beam,
                };
            }
            at = at + chance.millis(20, 60);
        }
        if explore {
            at = at + chance.millis(1000, 2500);
        }
        Flight {
            arrives: None,
            ends: at,
            status: STATUS_NO_ACK,
            beam,
        }
    }

    /// When a node's frame reaches the dongle; `None` when it is lost.
    pub(crate) fn hear(self, now: MonoTime, chance: &mut Chance) -> Option<MonoTime> {
        if self.jammed {
            return None;
        }
        let mut at = now;
        for _ in 0..TRIES {
            at = at + chance.millis(5, 15);
            if !chance.happens(self.loss_permille) {
                return Some(at);
            }
            at = at + chance.millis(20, 60);
        }
        None
    }

    /// What the dongle measures on its channels while nobody of its network sends, in dBm.
    pub(crate) fn noise(self, chance: &mut Chance) -> [i8; 3] {
        let floor: i8 = if self.jammed { -42 } else { -98 };
        [0; 3].map(|_: i8| floor.saturating_sub(i8::try_from(chance.between(0, 4)).unwrap_or(0)))
    }
}

/// How long a node that heard a beam, or just spoke, hears without another.
pub(crate) const AWAKE_AFTER_CONTACT: Millis = Millis(1000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beam_takes_a_second_and_a_sleeper_hears_nothing() {
        let (air, mut chance) = (Air::default(), Chance::new(1));
        let now = MonoTime::default();
        let took = |flight: Flight| flight.ends.since(now).0;

        let near = air.fly(now, Listening::Always, true, true, true, &mut chance);
        assert_eq!(near.status, STATUS_OK);
        assert!((10..=30).contains(&took(near)), "{near:?}");

        let beamed = air.fly(now, Listening::Beam1000, true, false, true, &mut chance);
        assert_eq!((beamed.status, beamed.beam), (STATUS_OK, true));
        assert!((1060..=1180).contains(&took(beamed)), "{beamed:?}");

        let asleep = air.fly(now, Listening::Asleep, true, false, true, &mut chance);
        assert_eq!((asleep.status, asleep.arrives), (STATUS_NO_ACK, None));
        assert!(took(asleep) > 1000, "{asleep:?}");
    }

    #[test]
    fn a_jammed_channel_fails_and_is_loud() {
        let (air, mut chance) = (
            Air {
                jammed: true,
                loss_permille: 0,
            },
            Chance::new(1),
        );
        let flight = air.fly(
            MonoTime::default(),
            Listening::Always,
            true,
            true,
            false,
            &mut chance,
        );
        assert_eq!(flight.status, STATUS_FAIL);
        assert!(air.noise(&mut chance).iter().all(|dbm| *dbm > -60));
        assert_eq!(air.hear(MonoTime::default(), &mut chance), None);
    }
}
