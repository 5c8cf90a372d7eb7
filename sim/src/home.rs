//! The home that `hubd demo` and the tests live in: three doors, a smoke alarm, a shed that is still to be included.

use hubd_model::{Hazard, Millis, MonoTime};
use hubd_zwave::security::NetworkKeys;

use crate::chance::Chance;
use crate::device::{AlarmConfig, Device, KeypadEvent, LockConfig, Protection};
use crate::dongle::{DeviceKey, Dongle, DongleConfig};
use crate::world::{Deed, Door, Person, World};

/// A home before anything happens in it.
#[derive(Debug)]
pub struct Home {
    /// The stick with all devices.
    pub dongle: Dongle,
    /// The people and their plan.
    pub world: World,
    /// The members of the network with their names, doors first.
    pub members: Vec<(DeviceKey, &'static str)>,
    /// The lock of the shed: not in the network yet.
    pub shed: DeviceKey,
    /// Whose code is in which slot of every lock, from slot 1 on.
    pub people: Vec<String>,
}

const FRONT: &str = "Front door";
const BACK: &str = "Back door";
const GARDEN: &str = "Garden door";
const HALL: &str = "Hall alarm";

fn people() -> Vec<Person> {
    let person = |name: &str, pin: &str, away| Person {
        name: name.to_owned(),
        pin: pin.to_owned(),
        away,
    };
    vec![
        person("Anna", "258013", Some((7 * 60 + 30, 16 * 60))),
        person("Ben", "730942", Some((8 * 60, 17 * 60 + 30))),
        person("Clara", "4471", Some((7 * 60 + 15, 13 * 60))),
        person("Mrs Novak", "902176", None),
    ]
}

/// How long the beginning takes.
const BEGINNING: Millis = Millis::from_secs(100);

/// What happens in the first minute and a half, so that nobody has to wait for it.
fn beginning() -> Vec<(Millis, Deed)> {
    [
        (1, Deed::WakeDetector),
        (10, Deed::Arrive { person: 0, door: 0 }),
        (20, Deed::TestDetector),
        (26, Deed::Leave { person: 1, door: 1 }),
        (42, Deed::ArriveClumsily { person: 2, door: 0 }),
        (62, Deed::Toast),
        (90, Deed::Jam { door: 2 }),
    ]
    .map(|(seconds, deed)| (Millis::from_secs(seconds), deed))
    .to_vec()
}

impl Home {
    /// The home of this seed. Its people's plan runs `speed` times as fast as the clock; the first minute and a half
    /// is the same in every home. At 0 nothing happens but that the detector is woken, so that it joins. `None` when the
    /// stick has no room for the devices, which it has.
    pub fn new(now: MonoTime, keys: &NetworkKeys, seed: u64, speed: u32) -> Option<Self> {
        let mut chance = Chance::new(seed);
        let mut dongle = Dongle::new(DongleConfig::default(), chance.between(0, u64::MAX));
        let people = people();
        let codes: Vec<(u16, String)> = (1..)
            .zip(people.iter().map(|person| person.pin.clone()))
            .collect();
        let modern = LockConfig {
            codes: codes.clone(),
            ..LockConfig::default()
        };
        let older = LockConfig {
            door_lock_version: 2,
            user_code_version: 1,
            door_sensor: false,
            keypad: KeypadEvent::UserCodeReport,
            battery: 63,
            ..modern.clone()
        };
        let garden = LockConfig {
            auto_relock: Some(Millis::from_secs(30)),
            battery: 41,
            ..modern.clone()
        };
        let detector = AlarmConfig {
            hazards: vec![Hazard::Smoke, Hazard::Co],
            ..AlarmConfig::default()
        };

        let mut seed_of = || chance.between(0, u64::MAX);
        let devices = [
            Device::lock(FRONT, modern, Protection::s2_lock(seed_of()), seed_of()),
            Device::lock(BACK, older, Protection::S0, seed_of()),
            Device::lock(GARDEN, garden, Protection::s2_lock(seed_of()), seed_of()),
            Device::alarm(HALL, detector, Protection::s2_detector(seed_of()), seed_of()),
        ];
        let mut members = Vec::new();
        for (device, name) in devices.into_iter().zip([FRONT, BACK, GARDEN, HALL]) {
            members.push((dongle.add_member(now, device, keys)?, name));
        }
        let shed = LockConfig {
            codes: Vec::new(),
            door_sensor: false,
            ..LockConfig::default()
        };
        let shed = dongle.add_device(Device::lock(
            "Shed",
            shed,
            Protection::s2_lock(seed_of()),
            seed_of(),
        ));
        let door = |(lock, name): &(DeviceKey, &str)| Door {
            name: name.to_lowercase(),
            lock: *lock,
        };
        let doors = members.iter().take(3).map(door).collect();
        let detector = members.last().map(|(key, _)| *key);
        let names = people.iter().map(|person| person.name.clone()).collect();
        let mut script = beginning();
        script.retain(|(_, deed)| speed > 0 || matches!(deed, Deed::WakeDetector));
        let mut world = World::scripted(now, doors, detector, people, script);
        if speed > 0 {
            world = world.living(now + BEGINNING, seed_of(), speed);
        }
        Some(Self {
            dongle,
            world,
            members,
            shed,
            people: names,
        })
    }
}
