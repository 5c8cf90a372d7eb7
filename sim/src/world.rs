//! The people of a simulated home and their days: who comes, who goes, who forgets a code, what burns.
//!
//! A plan runs on its own clock, which may run faster than the devices': what happens within one visit (type,
//! open, close, lock) keeps the pace of people and motors, only the waiting between visits shrinks.

use hubd_model::{Hazard, Millis, MonoTime};

use crate::agenda::Agenda;
use crate::chance::Chance;
use crate::device::Act;
use crate::dongle::DeviceKey;

/// A door with its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its name, for people: "front door".
    pub name: String,
    /// Its lock.
    pub lock: DeviceKey,
}

/// Somebody who lives in the home or comes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The code that they know.
    pub pin: String,
    /// Minutes after midnight at which they leave and come back; `None` for somebody who only visits.
    pub away: Option<(u32, u32)>,
}

/// Something that somebody does, or that happens. Doors and people are named by their place in the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Comes home: types the code, opens, closes, locks from inside.
    Arrive {
        /// Who.
        person: usize,
        /// By which door.
        door: usize,
    },
    /// Comes home and mistypes the code first.
    ArriveClumsily {
        /// Who.
        person: usize,
        /// By which door.
        door: usize,
    },
    /// Leaves: unlocks by hand, opens, closes, locks with the keypad's button.
    Leave {
        /// Who.
        person: usize,
        /// By which door.
        door: usize,
    },
    /// Goes out to the garden and leaves the door open for a while.
    LeaveOpen {
        /// By which door.
        door: usize,
    },
    /// Somebody who does not know a code tries a few.
    Prowl {
        /// At which door.
        door: usize,
    },
    /// The door is warped: the next locking jams until somebody pushes the door.
    Jam {
        /// Which door.
        door: usize,
    },
    /// Somebody burns the toast: smoke for four minutes of the plan, two at least.
    Toast,
    /// Carbon monoxide from the stove, for as long.
    Stove,
    /// Somebody presses the detector's test button.
    TestDetector,
    /// Somebody wakes the detector by its button.
    WakeDetector,
    /// A lock's battery has this many percent left.
    Battery {
        /// Which door's lock.
        door: usize,
        /// The level.
        percent: u8,
    },
}

/// One thing to be done to a device now, with a sentence for those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// To which device.
    pub device: DeviceKey,
    /// What.
    pub act: Act,
    /// The sentence; empty for what needs no telling.
    pub told: String,
}

/// The home's doors, detector and people, with what they are up to.
#[derive(Debug)]
pub struct World {
    doors: Vec<Door>,
    detector: Option<DeviceKey>,
    people: Vec<Person>,
    chance: Chance,
    origin: MonoTime,
    speed: u32,
    /// What was scripted, on the devices' clock.
    script: Agenda<Deed>,
    /// What is planned, on the plan's clock.
    plan: Agenda<Deed>,
    /// Steps of visits under way, on the devices' clock.
    steps: Agenda<Doing>,
    /// When each door is free for the next visit.
    free: Vec<MonoTime>,
    /// The last planned day; `None` when nothing is made up.
    days: Option<u64>,
    batteries: Vec<u8>,
}

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// When the plan's first day begins: people are about to get up.
const FIRST_MINUTE: u64 = 7 * 60;

impl World {
    /// A home in which only `script` happens, each deed at its time after `origin`.
    pub fn scripted(
        origin: MonoTime,
        doors: Vec<Door>,
        detector: Option<DeviceKey>,
        people: Vec<Person>,
        script: Vec<(Millis, Deed)>,
    ) -> Self {
        let mut world = Self {
            free: vec![origin; doors.len()],
            batteries: vec![87; doors.len()],
            doors,
            detector,
            people,
            chance: Chance::new(0),
            origin,
            speed: 1,
            script: Agenda::default(),
            plan: Agenda::default(),
            steps: Agenda::default(),
            days: None,
        };
        for (after, deed) in script {
            world.script.add(origin + after, deed);
        }
        world
    }

    /// A home that, beside its script, lives from day to day, as the seed has it. The plan's clock starts at `from`
    /// with seven in the morning and runs `speed` times as fast as the devices'.
    #[must_use]
    pub fn living(mut self, from: MonoTime, seed: u64, speed: u32) -> Self {
        self.chance = Chance::new(seed);
        self.origin = from;
        self.speed = speed.max(1);
        self.days = Some(0);
        self.plan_day(0);
        self
    }

    /// A moment on the plan's clock.
    fn planned(&self, now: MonoTime) -> MonoTime {
        let elapsed = now.as_micros().saturating_sub(self.origin.as_micros());
        MonoTime::from_micros(
            self.origin
                .as_micros()
                .saturating_add(elapsed.saturating_mul(u64::from(self.speed))),
        )
    }

    /// A moment of the plan on the devices' clock.
    fn real(&self, planned: MonoTime) -> MonoTime {
        let elapsed = planned.as_micros().saturating_sub(self.origin.as_micros());
        MonoTime::from_micros(
            self.origin
                .as_micros()
                .saturating_add(elapsed.div_ceil(u64::from(self.speed))),
        )
    }

    /// When to come back.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let midnight = self
            .days
            .map(|day| self.origin + Millis((day + 1) * DAY - FIRST_MINUTE * MINUTE));
        let plan = self
            .plan
            .next()
            .into_iter()
            .chain(midnight)
            .min()
            .map(|at| self.real(at));
        plan.into_iter()
            .chain(self.script.next())
            .chain(self.steps.next())
            .min()
    }

    /// What is to be done by `now`.
    pub fn tick(&mut self, now: MonoTime) -> Vec<Doing> {
        while let Some((at, deed)) = self.script.take_due(now) {
            self.begin(at, &deed);
        }
        while let Some((at, deed)) = self.plan.take_due(self.planned(now)) {
            let at = self.real(at);
            self.begin(at, &deed);
        }
        if let Some(day) = self.days
            && self.planned(now).since(self.origin).0 + FIRST_MINUTE * MINUTE >= (day + 1) * DAY
        {
            self.days = Some(day + 1);
            self.plan_day(day + 1);
        }
        std::iter::from_fn(|| self.steps.take_due(now))
            .map(|(_, doing)| doing)
            .collect()
    }

    /// Makes up a day.
    fn plan_day(&mut self, day: u64) {
        let at = |world: &Self, minute: u64| {
            let since = (day * 24 * 60 + minute).checked_sub(FIRST_MINUTE)?;
            Some(world.origin + Millis(since * MINUTE))
        };
        let mut deeds: Vec<(u64, Deed)> = Vec::new();
        let doors = self.doors.len();
        if doors == 0 {
            return;
        }
        for (person, who) in self.people.iter().enumerate() {
            let Some((leaves, returns)) = who.away else {
                if self.chance.happens(500) {
                    let minute = self.chance.between(10 * 60, 14 * 60);
                    deeds.push((minute, Deed::Arrive { person, door: 0 }));
                    deeds.push((minute + 90, Deed::Leave { person, door: 0 }));
                }
                continue;
            };
            let spread = |chance: &mut Chance, minute: u32| u64::from(minute) + chance.between(0, 40);
            let door = usize::try_from(self.chance.between(0, 1))
                .unwrap_or(0)
                .min(doors - 1);
            deeds.push((spread(&mut self.chance, leaves), Deed::Leave { person, door }));
            let returning = spread(&mut self.chance, returns);
            deeds.push((
                returning,
                if self.chance.happens(150) {
                    Deed::ArriveClumsily { person, door }
                } else {
                    Deed::Arrive { person, door }
                },
            ));
        }
        let garden = doors - 1;
        let mut sometimes = |permille: u32, from: u64, to: u64, deed: Deed| {
            if self.chance.happens(permille) {
                deeds.push((self.chance.between(from * 60, to * 60), deed));
            }
        };
        sometimes(700, 11, 20, Deed::LeaveOpen { door: garden });
        sometimes(150, 1, 4, Deed::Prowl { door: 0 });
        sometimes(200, 12, 22, Deed::Jam { door: garden });
        sometimes(200, 7, 9, Deed::Toast);
        sometimes(50, 18, 20, Deed::Stove);
        sometimes(200, 10, 12, Deed::TestDetector);
        for (door, percent) in self.batteries.iter_mut().enumerate() {
            if self.chance.happens(300) {
                *percent = if *percent <= 5 { 100 } else { *percent - 1 };
                deeds.push((
                    self.chance.between(120, 300),
                    Deed::Battery {
                        door,
                        percent: *percent,
                    },
                ));
            }
        }
        for (minute, deed) in deeds {
            if let Some(at) = at(self, minute) {
                self.plan.add(at, deed);
            }
        }
    }

    /// Begins a deed when its door is free.
    fn begin(&mut self, at: MonoTime, deed: &Deed) {
        match deed {
            Deed::Arrive { person, door } => self.arrive(at, *person, *door, false),
            Deed::ArriveClumsily { person, door } => self.arrive(at, *person, *door, true),
            Deed::Leave { person, door } => {
                let name = self.name_of(*person);
                self.visit(at, *door, |door| {
                    vec![
                        (
                            0,
                            Act::Turn { locked: false },
                            format!("{name} unlocks the {door} from inside"),
                        ),
                        (
                            2500,
                            Act::Door { open: true },
                            format!("{name} leaves by the {door}"),
                        ),
                        (6500, Act::Door { open: false }, String::new()),
                        (
                            9000,
                            Act::PressLock,
                            format!("{name} locks the {door} at the keypad"),
                        ),
                    ]
                });
            }
            Deed::LeaveOpen { door } => self.visit(at, *door, |door| {
                vec![
                    (
                        0,
                        Act::Turn { locked: false },
                        format!("somebody unlocks the {door} by hand"),
                    ),
                    (2000, Act::Door { open: true }, format!("the {door} stands open")),
                    (
                        25_000,
                        Act::Door { open: false },
                        format!("the {door} is closed again"),
                    ),
                    (
                        28_000,
                        Act::Turn { locked: true },
                        format!("somebody locks the {door} by hand"),
                    ),
                ]
            }),
            Deed::Prowl { door } => self.visit(at, *door, |door| {
                let told = format!("a stranger tries codes at the {door}");
                ["1234", "0000", "1111"]
                    .into_iter()
                    .zip([0_u64, 4000, 8000])
                    .map(|(code, after)| (after, Act::TypeCode(code.to_owned()), told.clone()))
                    .collect()
            }),
            Deed::Jam { door } => self.visit(at, *door, |door| {
                vec![
                    (
                        0,
                        Act::Block(true),
                        format!("the {door} is warped: its bolt meets the frame"),
                    ),
                    (500, Act::PressLock, format!("somebody tries to lock the {door}")),
                    (
                        12_000,
                        Act::Block(false),
                        format!("somebody pushes the {door} shut"),
                    ),
                    (
                        13_000,
                        Act::Turn { locked: true },
                        format!("somebody locks the {door} by hand"),
                    ),
                ]
            }),
            Deed::Toast => self.hazard(at, Hazard::Smoke, "the toast burns: smoke in the hall"),
            Deed::Stove => self.hazard(at, Hazard::Co, "the stove leaks carbon monoxide"),
            Deed::TestDetector => {
                let told = "somebody presses the detector's test button".to_owned();
                self.step_detector(at, Act::TestButton(Hazard::Smoke), told);
            }
            Deed::WakeDetector => {
                let told = "somebody wakes the detector by its button".to_owned();
                self.step_detector(at, Act::Wake, told);
            }
            Deed::Battery { door, percent } => {
                if let Some(door) = self.doors.get(*door) {
                    let doing = Doing {
                        device: door.lock,
                        act: Act::Battery(*percent),
                        told: String::new(),
                    };
                    self.steps.add(at, doing);
                }
            }
        }
    }

    fn name_of(&self, person: usize) -> String {
        self.people
            .get(person)
            .map_or_else(|| "somebody".to_owned(), |person| person.name.clone())
    }

    fn arrive(&mut self, at: MonoTime, person: usize, door: usize, clumsily: bool) {
        let name = self.name_of(person);
        let pin = self
            .people
            .get(person)
            .map(|person| person.pin.clone())
            .unwrap_or_default();
        self.visit(at, door, |door| {
            let mut steps = Vec::new();
            let mut start = 0;
            if clumsily {
                let wrong: String = pin.chars().rev().collect();
                steps.push((
                    0,
                    Act::TypeCode(wrong),
                    format!("{name} mistypes the code at the {door}"),
                ));
                start = 5000;
            }
            steps.push((
                start,
                Act::TypeCode(pin),
                format!("{name} types the code at the {door}"),
            ));
            steps.push((
                start + 3500,
                Act::Door { open: true },
                format!("{name} comes in by the {door}"),
            ));
            steps.push((start + 7000, Act::Door { open: false }, String::new()));
            let told = format!("{name} locks the {door} from inside");
            steps.push((start + 10_000, Act::Turn { locked: true }, told));
            steps
        });
    }

    /// Puts a visit's steps on the agenda, after the visit before at the same door.
    fn visit(&mut self, at: MonoTime, door: usize, steps: impl FnOnce(&str) -> Vec<(u64, Act, String)>) {
        let (Some(place), Some(free)) = (self.doors.get(door), self.free.get_mut(door)) else {
            return;
        };
        let start = at.max(*free);
        for (after, act, told) in steps(&place.name) {
            let due = start + Millis(after);
            *free = due + Millis(2000);
            self.steps.add(
                due,
                Doing {
                    device: place.lock,
                    act,
                    told,
                },
            );
        }
    }

    fn step_detector(&mut self, at: MonoTime, act: Act, told: String) {
        if let Some(device) = self.detector {
            self.steps.add(at, Doing { device, act, told });
        }
    }

    fn hazard(&mut self, at: MonoTime, hazard: Hazard, told: &str) {
        // Even in a fast plan smoke lasts long enough to see what the hub makes of it.
        let lasts = (4 * MINUTE / u64::from(self.speed)).max(20_000);
        self.step_detector(
            at,
            Act::Hazard {
                hazard,
                present: true,
            },
            told.to_owned(),
        );
        let over = "the air is clear again".to_owned();
        self.step_detector(
            at + Millis(lasts),
            Act::Hazard {
                hazard,
                present: false,
            },
            over,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{AlarmConfig, Device, LockConfig, Protection};
    use crate::dongle::{Dongle, DongleConfig};

    fn home(script: Vec<(Millis, Deed)>) -> World {
        let mut dongle = Dongle::new(DongleConfig::default(), 1);
        let lock = dongle.add_device(Device::lock("a", LockConfig::default(), Protection::None, 1));
        let detector = dongle.add_device(Device::alarm("b", AlarmConfig::default(), Protection::None, 1));
        let doors = vec![Door {
            name: "front door".into(),
            lock,
        }];
        let anna = Person {
            name: "Anna".into(),
            pin: "2580".into(),
            away: Some((450, 1020)),
        };
        World::scripted(MonoTime::default(), doors, Some(detector), vec![anna], script)
    }

    fn run(world: &mut World, until: Millis) -> Vec<(u64, Doing)> {
        let mut done = Vec::new();
        while let Some(at) = world
            .next_deadline()
            .filter(|at| *at <= MonoTime::default() + until)
        {
            done.extend(
                world
                    .tick(at)
                    .into_iter()
                    .map(|doing| (at.as_micros() / 1000, doing)),
            );
        }
        done
    }

    #[test]
    fn a_visit_has_its_steps_in_order_and_waits_for_the_door() {
        let arrive = Deed::Arrive { person: 0, door: 0 };
        let leave = Deed::Leave { person: 0, door: 0 };
        let mut world = home(vec![(Millis(1000), arrive), (Millis(2000), leave)]);
        let done = run(&mut world, Millis::from_secs(60));
        let acts: Vec<_> = done.iter().map(|(_, doing)| doing.act.clone()).collect();
        assert_eq!(acts[0], Act::TypeCode("2580".into()));
        assert_eq!(
            acts[3..5],
            [Act::Turn { locked: true }, Act::Turn { locked: false }]
        );
        assert_eq!(acts[7], Act::PressLock);
        assert!(done.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn a_living_home_repeats_with_its_seed_and_goes_on_for_weeks() {
        let week = Millis(7 * DAY / 60);
        let one = run(&mut home(Vec::new()).living(MonoTime::default(), 3, 60), week);
        assert_eq!(
            one,
            run(&mut home(Vec::new()).living(MonoTime::default(), 3, 60), week)
        );
        assert_ne!(
            one,
            run(&mut home(Vec::new()).living(MonoTime::default(), 4, 60), week)
        );
        let arrivals = one
            .iter()
            .filter(|(_, doing)| doing.told.contains("comes in"))
            .count();
        assert!((6..=8).contains(&arrivals), "{arrivals}");
    }
}
