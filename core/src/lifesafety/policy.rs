//! What the owner decided: which doors are released, at which alarms, and what confirms an alarm.
//!
//! A door that is not named is off. Rules are checked as a whole before they are kept: what contradicts itself, names
//! what is not there, or would release nothing is refused with what to change.

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{AlarmId, Hazard, LockId, Millis, UnixMillis};
use thiserror::Error;

/// A second detector counts within at most so long.
pub const SECOND_WITHIN_MAX: Millis = Millis::from_secs(3_600);
/// An alarm has to last at most so long.
pub const LASTING_MAX: Millis = Millis::from_secs(600);
/// A release can be called off for at most so long.
pub const CANCEL_WINDOW_MAX: Millis = Millis::from_secs(30);
/// How many doors a policy may name.
pub const DOORS_MAX: usize = 64;

/// The rules in force, and who made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// From 1; each change counts one up. Every release names it.
    pub version: u64,
    /// When they were made.
    pub changed_at: UnixMillis,
    /// Who made them.
    pub changed_by: String,
    /// The rules.
    pub rules: Rules,
}

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether doors are released at all.
    pub enabled: bool,
    /// The doors that are released, and how. A door that is not here is never moved.
    pub doors: BTreeMap<LockId, DoorRule>,
}

/// How one door is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorRule {
    /// The dangers at which it is released.
    pub hazards: BTreeSet<Hazard>,
    /// The detectors that count.
    pub detectors: Detectors,
    /// What confirms an alarm.
    pub confirm: Confirm,
    /// What is different while nobody is at home.
    pub when_away: WhenAway,
    /// For so long after its confirmation the release can be called off; zero for not at all.
    pub cancel_window: Millis,
}

/// Which detectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Detectors {
    /// Every one whose link is authenticated.
    #[default]
    Any,
    /// These.
    Only(BTreeSet<AlarmId>),
}

impl Detectors {
    /// Whether this one counts.
    pub fn include(&self, alarm: &AlarmId) -> bool {
        match self {
            Self::Any => true,
            Self::Only(chosen) => chosen.contains(alarm),
        }
    }
}

/// What confirms an alarm: any of these, or a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confirm {
    /// These dangers need no confirmation.
    pub at_once: BTreeSet<Hazard>,
    /// A second detector that alarms within this.
    pub second_within: Option<Millis>,
    /// One that alarms for so long.
    pub lasting: Option<Millis>,
}

/// What is different while nobody is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenAway {
    /// Nothing.
    #[default]
    Same,
    /// Nothing is released at once: it takes a second detector, an alarm that lasts, or a person.
    Confirmed,
    /// Only a person releases it.
    Person,
}

/// What the house is made of, as far as rules can name it.
pub(crate) trait Inventory {
    /// Whether there is such a lock, and whether its link is authenticated.
    fn lock_is_authenticated(&self, lock: &LockId) -> Option<bool>;
    /// What such a detector warns of and whether its link is authenticated.
    fn detector(&self, alarm: &AlarmId) -> Option<(&[Hazard], bool)>;
    /// How many detectors with an authenticated link there are.
    fn authenticated_detectors(&self) -> usize;
}

/// Why rules are not kept. `Display` says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyFault {
    /// On, but nothing would be opened.
    #[error("the policy is on but names no door, so nothing would be released: name a door, or turn it off")]
    NoDoor,
    /// Too many doors.
    #[error("the policy names more than 64 doors: name those by which helpers come in")]
    TooManyDoors,
    /// No such lock.
    #[error(
        "the policy names the door {0}, and there is no such lock: take it out, or include the lock again"
    )]
    NoSuchDoor(LockId),
    /// A lock that anybody could imitate.
    #[error(
        "the door {0} has a lock without security, which is never moved: take it out, or include the lock again with S2 or S0"
    )]
    InsecureDoor(LockId),
    /// No such detector.
    #[error(
        "the door {door} names the detector {detector}, and there is no such detector: take it out, or include it again"
    )]
    NoSuchDetector {
        /// The door.
        door: LockId,
        /// The detector.
        detector: AlarmId,
    },
    /// A detector that anybody could imitate.
    #[error(
        "the door {door} names the detector {detector}, which has no security, so anybody could open the door by radio: \
         take it out, or include it again with security"
    )]
    InsecureDetector {
        /// The door.
        door: LockId,
        /// The detector.
        detector: AlarmId,
    },
    /// No danger at which the door is released.
    #[error(
        "the door {0} names no danger, so it would never be released: name smoke, co or heat, or take it out"
    )]
    NoHazard(LockId),
    /// An empty list of detectors.
    #[error(
        "the door {0} names an empty list of detectors, so it would never be released: name one, or leave the list out for all"
    )]
    NoDetector(LockId),
    /// None of the detectors warns of it.
    #[error(
        "the door {door} is to be released at {hazard}, but none of its detectors warns of that: take {hazard} out, or \
         add a detector that does",
        hazard = hazard.as_str()
    )]
    Undetected {
        /// The door.
        door: LockId,
        /// The danger.
        hazard: Hazard,
    },
    /// At once, but not at all.
    #[error(
        "the door {door} is to be released at once at {hazard}, but {hazard} is not among its dangers: add it there, or \
         take it out of at_once",
        hazard = hazard.as_str()
    )]
    AtOnceNotChosen {
        /// The door.
        door: LockId,
        /// The danger.
        hazard: Hazard,
    },
    /// A second detector where there is one.
    #[error(
        "the door {0} waits for a second detector, but only one counts for it: add one, or choose an alarm that lasts"
    )]
    NoSecondDetector(LockId),
    /// A span that is too long or zero.
    #[error("the door {door}: {what} has to be from {min} to {max} seconds", min = min.0 / 1000, max = max.0 / 1000)]
    OutOfRange {
        /// The door.
        door: LockId,
        /// Which.
        what: &'static str,
        /// From.
        min: Millis,
        /// To.
        max: Millis,
    },
}

impl Rules {
    /// Whether they can be carried out in this house.
    pub(crate) fn check(&self, house: &impl Inventory) -> Result<(), PolicyFault> {
        if self.enabled && self.doors.is_empty() {
            return Err(PolicyFault::NoDoor);
        }
        if self.doors.len() > DOORS_MAX {
            return Err(PolicyFault::TooManyDoors);
        }
        self.doors
            .iter()
            .try_for_each(|(door, rule)| rule.check(door, house))
    }

    /// The rule of a door, while doors are released at all.
    pub(crate) fn of(&self, door: &LockId) -> Option<&DoorRule> {
        self.doors.get(door).filter(|_| self.enabled)
    }
}

impl DoorRule {
    fn check(&self, door: &LockId, house: &impl Inventory) -> Result<(), PolicyFault> {
        match house.lock_is_authenticated(door) {
            None => return Err(PolicyFault::NoSuchDoor(door.clone())),
            Some(false) => return Err(PolicyFault::InsecureDoor(door.clone())),
            Some(true) => {}
        }
        if self.hazards.is_empty() {
            return Err(PolicyFault::NoHazard(door.clone()));
        }
        if let Some(hazard) = self.confirm.at_once.difference(&self.hazards).next() {
            return Err(PolicyFault::AtOnceNotChosen {
                door: door.clone(),
                hazard: *hazard,
            });
        }
        self.check_detectors(door, house)?;
        let spans = [
            (
                "second_detector_within_s",
                self.confirm.second_within,
                SECOND_WITHIN_MAX,
            ),
            ("lasting_s", self.confirm.lasting, LASTING_MAX),
        ];
        let second = Millis::from_secs(1);
        for (what, span, max) in spans {
            if span.is_some_and(|span| !(second..=max).contains(&span)) {
                return Err(PolicyFault::OutOfRange {
                    door: door.clone(),
                    what,
                    min: second,
                    max,
                });
            }
        }
        if self.cancel_window > CANCEL_WINDOW_MAX {
            return Err(PolicyFault::OutOfRange {
                door: door.clone(),
                what: "cancel_window_s",
                min: Millis(0),
                max: CANCEL_WINDOW_MAX,
            });
        }
        Ok(())
    }

    fn check_detectors(&self, door: &LockId, house: &impl Inventory) -> Result<(), PolicyFault> {
        let count = match &self.detectors {
            // Detectors may join later: only those that are named are looked at one by one.
            Detectors::Any => house.authenticated_detectors().max(1),
            Detectors::Only(chosen) => {
                if chosen.is_empty() {
                    return Err(PolicyFault::NoDetector(door.clone()));
                }
                let mut detected = BTreeSet::new();
                for detector in chosen {
                    let (door, detector) = (door.clone(), detector.clone());
                    match house.detector(&detector) {
                        None => return Err(PolicyFault::NoSuchDetector { door, detector }),
                        Some((_, false)) => return Err(PolicyFault::InsecureDetector { door, detector }),
                        Some((hazards, true)) => detected.extend(hazards.iter().copied()),
                    }
                }
                if let Some(hazard) = self.hazards.difference(&detected).next() {
                    return Err(PolicyFault::Undetected {
                        door: door.clone(),
                        hazard: *hazard,
                    });
                }
                chosen.len()
            }
        };
        if self.confirm.second_within.is_some() && count < 2 {
            return Err(PolicyFault::NoSecondDetector(door.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct House;

    impl Inventory for House {
        fn lock_is_authenticated(&self, lock: &LockId) -> Option<bool> {
            match lock.as_str() {
                "front" => Some(true),
                "shed" => Some(false),
                _ => None,
            }
        }

        fn detector(&self, alarm: &AlarmId) -> Option<(&[Hazard], bool)> {
            match alarm.as_str() {
                "hall" => Some((&[Hazard::Smoke, Hazard::Co], true)),
                "loft" => Some((&[Hazard::Smoke], true)),
                "cheap" => Some((&[Hazard::Smoke], false)),
                _ => None,
            }
        }

        fn authenticated_detectors(&self) -> usize {
            2
        }
    }

    fn lock(name: &str) -> LockId {
        LockId::parse(name).unwrap()
    }

    fn only(names: &[&str]) -> Detectors {
        Detectors::Only(names.iter().map(|name| AlarmId::parse(name).unwrap()).collect())
    }

    fn rule() -> DoorRule {
        DoorRule {
            hazards: BTreeSet::from([Hazard::Smoke, Hazard::Co]),
            detectors: Detectors::Any,
            confirm: Confirm {
                at_once: BTreeSet::from([Hazard::Co]),
                second_within: Some(Millis::from_secs(300)),
                lasting: Some(Millis::from_secs(30)),
            },
            when_away: WhenAway::Same,
            cancel_window: Millis(0),
        }
    }

    fn check(door: &str, change: impl FnOnce(&mut DoorRule)) -> Result<(), PolicyFault> {
        let mut rule = rule();
        change(&mut rule);
        let doors = BTreeMap::from([(lock(door), rule)]);
        Rules { enabled: true, doors }.check(&House)
    }

    #[test]
    fn every_fault_says_what_to_change() {
        assert_eq!(check("front", |_| ()), Ok(()));
        assert_eq!(
            check("front", |rule| rule.detectors = only(&["hall", "loft"])),
            Ok(())
        );
        type Change = fn(&mut DoorRule);
        let cases: [(&str, Change, &str); 11] = [
            ("gone", |_| (), "no such lock"),
            ("shed", |_| (), "without security"),
            ("front", |rule| rule.hazards.clear(), "names no danger"),
            ("front", |rule| rule.detectors = only(&[]), "empty list"),
            (
                "front",
                |rule| rule.detectors = only(&["hall", "attic"]),
                "no such detector",
            ),
            (
                "front",
                |rule| rule.detectors = only(&["hall", "cheap"]),
                "no security",
            ),
            (
                "front",
                |rule| rule.detectors = only(&["loft"]),
                "none of its detectors",
            ),
            (
                "front",
                |rule| rule.detectors = only(&["hall"]),
                "only one counts",
            ),
            (
                "front",
                |rule| {
                    rule.hazards.remove(&Hazard::Co);
                },
                "not among its dangers",
            ),
            (
                "front",
                |rule| rule.confirm.lasting = Some(Millis(0)),
                "from 1 to 600 seconds",
            ),
            (
                "front",
                |rule| rule.cancel_window = Millis::from_secs(31),
                "from 0 to 30 seconds",
            ),
        ];
        for (door, change, said) in cases {
            let fault = check(door, change).unwrap_err().to_string();
            assert!(fault.contains(said), "{fault:?} says {said:?}");
            assert!(fault.contains(door), "{fault:?} names the door");
        }
        let nothing = Rules {
            enabled: true,
            doors: BTreeMap::new(),
        };
        assert_eq!(nothing.check(&House), Err(PolicyFault::NoDoor));
        assert_eq!(Rules::default().check(&House), Ok(()));
    }
}
