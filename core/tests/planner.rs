//! The planner alone, on whatever a lock may be known to hold: it converges, is idempotent, touches no foreign slot,
//! gives no PIN to two people, revokes before all else, keeps to what the lock has room for, and never goes back to an
//! older intent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics fails, as it should"
)]

use std::collections::{BTreeMap, BTreeSet};

use hubd_core::credentials::plan::{self, Act, Class, Household, LockFacts, Plan, SlotFacts};
use hubd_core::credentials::record::{
    Credential, Generation, Holder, Means, Person, Proof, SlotRecord, Standing, Written,
};
use hubd_core::credentials::view::Why;
use hubd_core::view::Reported;
use hubd_model::{
    CodeCapabilities, CodeSlot, CredentialId, LockId, LockSchedule, PersonId, Pin, Role, Schedule,
    SecretString, SlotContent, SlotKey, UnixMillis, Usage, WallTime, Zone,
};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
/// More rounds than any lock may need: each slot is read, cleared and written a few times.
const ROUNDS_MAX: usize = 60;
/// PINs of our people and, from `STRANGERS` on, of others.
const PINS: usize = 8;
const STRANGERS: usize = 6;

fn pin(number: usize) -> Pin {
    Pin::parse(SecretString::new(format!("{:06}", 739_416 + number * 11_111))).unwrap()
}

fn key(number: u16) -> SlotKey {
    SlotKey::pin(CodeSlot::new(number).unwrap())
}

fn written(generation: u64, number: usize) -> Written {
    Written {
        generation: Generation(generation),
        pin: Some(pin(number)),
        schedule: LockSchedule::default(),
        at: NOW,
    }
}

/// A person's code: whose, which PIN, how old, and whether it is meant to open the lock.
#[derive(Debug, Clone)]
struct Code {
    person: u8,
    pin: usize,
    generation: u64,
    created: i64,
    standing: Standing,
    here: bool,
    emergency: bool,
}

/// What is known of a slot, and what is truly there.
#[derive(Debug, Clone)]
struct Place {
    holder: Option<usize>,
    condemned: bool,
    truth: Option<usize>,
    read: bool,
    confirmed: Option<(u64, usize)>,
    attempts: Vec<(u64, usize)>,
}

/// A lock and a household as they may be.
#[derive(Debug, Clone)]
struct Scene {
    codes: Vec<Code>,
    /// What is known of slots, also of some that the lock has not any more.
    places: Vec<Option<Place>>,
    capacity: u16,
    /// Whose person is not there any more.
    gone: Option<u8>,
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let standing = prop_oneof![
        4 => Just(Standing::Ready),
        1 => Just(Standing::UsedUp),
        1 => Just(Standing::Removed),
    ];
    let code = (
        0..4_u8,
        0..STRANGERS,
        10..20_u64,
        0..5_i64,
        standing,
        any::<bool>(),
        0..6_u8,
    )
        .prop_map(
            |(person, pin, generation, created, standing, here, emergency)| Code {
                person,
                pin,
                generation,
                created,
                standing,
                here,
                emergency: emergency == 0,
            },
        );
    let older = || (0..10_u64, 0..STRANGERS);
    let place = (
        proptest::option::of(0..7_usize),
        0..8_u8,
        proptest::option::of(0..PINS),
        any::<bool>(),
        proptest::option::of(older()),
        proptest::collection::vec(older(), 0..3),
    )
        .prop_map(|(holder, condemned, truth, read, confirmed, attempts)| Place {
            holder,
            condemned: condemned == 0,
            truth,
            read,
            confirmed,
            attempts,
        });
    (
        proptest::collection::vec(code, 0..7),
        proptest::collection::vec(proptest::option::of(place), 0..6),
        0..5_u16,
        proptest::option::of(0..4_u8),
    )
        .prop_map(|(codes, places, capacity, gone)| Scene {
            codes,
            places,
            capacity,
            gone,
        })
}

/// A lock, what the hub knows of it, and who shall open it.
struct World {
    lock: LockId,
    capabilities: CodeCapabilities,
    zone: Zone,
    people: BTreeMap<PersonId, Person>,
    credentials: BTreeMap<CredentialId, Credential>,
    slots: BTreeMap<SlotKey, SlotRecord>,
    truth: BTreeMap<SlotKey, Pin>,
    /// What others put there: never to be touched.
    foreign: BTreeMap<SlotKey, Pin>,
}

impl World {
    fn new(scene: &Scene) -> Self {
        let lock = LockId::parse("lock-1").unwrap();
        let mut world = Self {
            capabilities: CodeCapabilities {
                pin_slots: scene.capacity,
                pin_digits_min: 4,
                pin_digits_max: 8,
                ..CodeCapabilities::default()
            },
            zone: Zone::fixed(60),
            people: BTreeMap::new(),
            credentials: BTreeMap::new(),
            slots: BTreeMap::new(),
            truth: BTreeMap::new(),
            foreign: BTreeMap::new(),
            lock,
        };
        for number in 0..4_u8 {
            let id = PersonId::parse(&format!("person-{number}")).unwrap();
            let person = Person {
                id: id.clone(),
                name: format!("Person {number}"),
                role: if number == 0 { Role::Owner } else { Role::Guest },
                may_sign_in: false,
                created_at: NOW,
                removed: scene.gone == Some(number),
            };
            world.people.insert(id, person);
        }
        for (number, code) in (0..).zip(&scene.codes) {
            let id = credential(number);
            let credential = Credential {
                id: id.clone(),
                person: PersonId::parse(&format!("person-{}", code.person)).unwrap(),
                label: String::new(),
                means: Means::Pin(pin(code.pin)),
                usage: if code.emergency {
                    Usage::Emergency
                } else {
                    Usage::Daily
                },
                schedule: Schedule::default(),
                uses_left: None,
                locks: code.here.then(|| world.lock.clone()).into_iter().collect(),
                standing: code.standing.clone(),
                phase: None,
                created_at: UnixMillis(code.created),
                rotated_at: NOW,
                generation: Generation(code.generation),
            };
            world.credentials.insert(id, credential);
        }
        for (number, place) in (1..).zip(&scene.places) {
            if let Some(place) = place {
                world.place(key(number), place);
            }
        }
        world
    }

    fn place(&mut self, key: SlotKey, place: &Place) {
        // A lock has a PIN once.
        let beyond = key.slot.number() > self.capabilities.pin_slots;
        let truth = place
            .truth
            .map(pin)
            .filter(|pin| !beyond && !self.truth.values().any(|held| held == pin));
        let ours = place
            .holder
            .map(credential)
            .filter(|id| self.credentials.contains_key(id));
        let holder = match ours {
            Some(id) => Holder::Ours(id),
            None if place.condemned => Holder::Condemned,
            None if truth.is_some() => Holder::Foreign { ignored: false },
            None => Holder::Nobody,
        };
        let is_ours = matches!(holder, Holder::Ours(_));
        if let (Holder::Foreign { .. }, Some(truth)) = (&holder, &truth) {
            self.foreign.insert(key, truth.clone());
        }
        // What was not read since it changed says anything.
        let read = place.read || !is_ours;
        let shown = if read {
            truth.clone()
        } else {
            place.confirmed.map(|(_, number)| pin(number))
        };
        let record = SlotRecord {
            lock: self.lock.clone(),
            key,
            holder,
            reported: Some(Reported {
                value: content(shown),
                at: NOW,
            }),
            reported_schedule: None,
            confirmed: place
                .confirmed
                .filter(|_| is_ours)
                .map(|(generation, number)| (written(generation, number), Proof::Read)),
            attempts: place
                .attempts
                .iter()
                .filter(|_| is_ours)
                .map(|(generation, number)| written(*generation, *number))
                .collect(),
            tried: None,
            pending_since: None,
            failures: 0,
            named: None,
            schedule_refused: None,
            unread: !read,
            void: !read,
        };
        self.slots.insert(key, record);
        if let Some(truth) = truth {
            self.truth.insert(key, truth);
        }
    }

    fn plan(&self) -> Plan {
        let lock = LockFacts {
            lock: &self.lock,
            capabilities: &self.capabilities,
            secure: true,
            gone: false,
            read: true,
            emptied: false,
        };
        let wall = WallTime::Synced(NOW);
        let house = Household::new(&self.people, &self.credentials, &self.zone, wall);
        let slots: Vec<SlotFacts<'_>> = self
            .slots
            .values()
            .map(|record| SlotFacts {
                record,
                fresh: plan::is_empty(record) && !record.unread,
                settled: true,
                refused: false,
            })
            .collect();
        plan::plan(lock, &house, &slots)
    }

    /// Does what is planned, as a lock that does what it is told; whether there was anything to do.
    fn obey(&mut self, plan: &Plan) -> bool {
        for key in &plan.releases {
            let record = self.slots.get_mut(key).unwrap();
            let shown = content_pin(record).cloned();
            if let (Holder::Ours(id), Some(shown)) = (&record.holder, &shown) {
                let own = pin_of(&self.credentials[id]);
                assert_ne!(own, shown, "what was revoked in {key} is taken for a stranger's");
            }
            record.holder = match shown {
                Some(shown) => {
                    self.foreign.insert(*key, shown);
                    Holder::Foreign { ignored: false }
                }
                None => Holder::Nobody,
            };
            record.confirmed = None;
        }
        for key in &plan.emptied {
            self.slots.get_mut(key).unwrap().confirmed = None;
        }
        for (key, credential) in &plan.claims {
            let lock = self.lock.clone();
            let slot = self.slots.entry(*key).or_insert_with(|| blank(lock, *key));
            slot.holder = Holder::Ours(credential.clone());
        }
        for task in &plan.tasks {
            self.take(&task.act);
        }
        let given = plan.releases.len() + plan.emptied.len() + plan.claims.len();
        given + plan.tasks.len() > 0
    }

    fn take(&mut self, act: &Act) {
        let key = act.key().expect("every slot was read, so only single ones are");
        match act {
            Act::Write {
                generation,
                pin,
                schedule,
                ..
            } => {
                assert!(
                    key.slot.number() <= self.capabilities.pin_slots,
                    "invariant_no_more_than_the_lock_keeps_and_it_is_said_who_is_left_out: {key}"
                );
                // A lock refuses a PIN that it has elsewhere, of which the hub may not know yet.
                if self
                    .truth
                    .iter()
                    .any(|(other, held)| *other != key && held == pin)
                {
                    let unread = self.slots.values().any(|slot| slot.unread);
                    assert!(unread, "invariant_no_pin_is_given_to_two_people: {key}");
                    return;
                }
                self.truth.insert(key, pin.clone());
                let written = Written {
                    generation: *generation,
                    pin: Some(pin.clone()),
                    schedule: schedule.clone(),
                    at: NOW,
                };
                self.slots.get_mut(&key).unwrap().confirmed = Some((written, Proof::Read));
            }
            Act::Clear(_) => {
                self.truth.remove(&key);
                self.slots.get_mut(&key).unwrap().confirmed = None;
            }
            Act::Read(_) | Act::ReadAll | Act::Enrol(_) | Act::Name { .. } => {}
        }
        let shown = self.truth.get(&key).cloned();
        let record = self.slots.get_mut(&key).unwrap();
        record.unread = false;
        record.void = false;
        // What is shown and was tried is what the lock holds.
        let found = record.attempts.iter().filter(|tried| tried.pin == shown);
        if let Some(found) = found
            .max_by_key(|tried| tried.generation)
            .filter(|_| shown.is_some())
        {
            record.confirmed = Some((found.clone(), Proof::Read));
        }
        record.attempts.clear();
        // What somebody else put into a free slot is theirs.
        match (&record.holder, &shown) {
            (Holder::Nobody, Some(pin)) => {
                record.holder = Holder::Foreign { ignored: false };
                self.foreign.insert(key, pin.clone());
            }
            (Holder::Foreign { .. }, None) => record.holder = Holder::Nobody,
            _ => {}
        }
        record.reported = Some(Reported {
            value: content(shown),
            at: NOW,
        });
    }

    /// Lets the lock be made as wanted; the last plan.
    fn converge(&mut self) -> Plan {
        for _ in 0..ROUNDS_MAX {
            let plan = self.plan();
            if !self.obey(&plan) {
                return plan;
            }
        }
        panic!(
            "invariant_it_converges_from_any_reported_state: {:#?}",
            self.plan()
        );
    }

    /// Whose code shall open the lock, leaving out what the planner says of PINs and room.
    fn wanted(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.values().filter(|credential| {
            let person = &self.people[&credential.person];
            credential.standing == Standing::Ready
                && credential.usage == Usage::Daily
                && credential.locks.contains(&self.lock)
                && !person.removed
        })
    }
}

fn credential(number: usize) -> CredentialId {
    CredentialId::parse(&format!("credential-{number}")).unwrap()
}

fn content(shown: Option<Pin>) -> SlotContent {
    shown.map_or(SlotContent::Empty, |pin| SlotContent::Pin { pin, enabled: true })
}

fn blank(lock: LockId, key: SlotKey) -> SlotRecord {
    SlotRecord {
        lock,
        key,
        holder: Holder::Nobody,
        reported: Some(Reported {
            value: SlotContent::Empty,
            at: NOW,
        }),
        reported_schedule: None,
        confirmed: None,
        attempts: Vec::new(),
        tried: None,
        pending_since: None,
        failures: 0,
        named: None,
        schedule_refused: None,
        unread: false,
        void: false,
    }
}

fn pin_of(credential: &Credential) -> &Pin {
    match &credential.means {
        Means::Pin(pin) => pin,
        other => panic!("{other:?}"),
    }
}

fn content_pin(record: &SlotRecord) -> Option<&Pin> {
    match record.reported.as_ref().map(|reported| &reported.value) {
        Some(SlotContent::Pin { pin, .. }) => Some(pin),
        None | Some(SlotContent::Unknown | SlotContent::Empty | SlotContent::Hidden { .. }) => None,
    }
}

/// Every PIN that a slot may hold by what is known of it.
fn may_hold(record: &SlotRecord) -> BTreeSet<String> {
    let confirmed = record.confirmed.iter().map(|(written, _)| written);
    let ours = confirmed
        .filter(|_| !plan::is_empty(record))
        .chain(&record.attempts);
    let pins = ours
        .filter_map(|written| written.pin.as_ref())
        .chain(content_pin(record));
    pins.map(|pin| pin.expose().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariant_it_converges_from_any_reported_state(scene in any_scene()) {
        let mut world = World::new(&scene);
        let last = world.converge();
        let left_out: BTreeSet<&CredentialId> = last.left_out.iter().map(|left| &left.credential).collect();
        let mut expected = world.foreign.clone();
        for credential in world.wanted() {
            let held = world.slots.values().find(|slot| slot.holder == Holder::Ours(credential.id.clone()));
            match held {
                Some(slot) if !last.waiting.contains_key(&slot.key) => {
                    expected.insert(slot.key, pin_of(credential).clone());
                }
                Some(slot) => prop_assert!(
                    matches!(last.waiting[&slot.key], Why::SamePinForeign(_) | Why::NotKept),
                    "{:?}", last.waiting
                ),
                None => prop_assert!(left_out.contains(&credential.id), "{} is forgotten", credential.id),
            }
        }
        prop_assert_eq!(&world.truth, &expected, "{:?}", last);
    }

    #[test]
    fn invariant_what_is_as_wanted_is_left_alone(scene in any_scene()) {
        let mut world = World::new(&scene);
        let first = world.plan();
        prop_assert_eq!(&world.plan(), &first, "the same facts make the same plan");
        let last = world.converge();
        prop_assert!(last.tasks.is_empty() && last.claims.is_empty() && last.releases.is_empty());
        prop_assert_eq!(world.plan(), last);
    }

    #[test]
    fn invariant_no_foreign_slot_is_touched(scene in any_scene()) {
        let mut world = World::new(&scene);
        let foreign = world.foreign.clone();
        for _ in 0..ROUNDS_MAX {
            let plan = world.plan();
            for task in &plan.tasks {
                let Some(key) = task.act.key() else { continue };
                let holder = world.slots.get(&key).map(|slot| &slot.holder);
                let may = matches!(holder, Some(Holder::Ours(_) | Holder::Condemned));
                prop_assert!(may || matches!(task.act, Act::Read(_)), "{task:?} of {holder:?}");
            }
            for (key, _) in &plan.claims {
                let free = world.slots.get(key).is_none_or(|slot| {
                    slot.holder == Holder::Nobody && !plan::is_occupied(slot) && !slot.unread
                });
                prop_assert!(free, "{key} was given away");
            }
            if !world.obey(&plan) {
                break;
            }
        }
        for (key, pin) in foreign {
            prop_assert_eq!(world.truth.get(&key), Some(&pin));
        }
    }

    #[test]
    fn invariant_no_pin_is_given_to_two_people(scene in any_scene()) {
        let mut world = World::new(&scene);
        for _ in 0..ROUNDS_MAX {
            let plan = world.plan();
            let mut given = BTreeSet::new();
            for task in &plan.tasks {
                let Act::Write { key, pin, .. } = &task.act else { continue };
                prop_assert!(given.insert(pin.expose().to_owned()), "one PIN is written twice");
                let elsewhere = world.slots.values().filter(|slot| slot.key != *key);
                for slot in elsewhere {
                    prop_assert!(!may_hold(slot).contains(pin.expose()), "{key} while {} may hold it", slot.key);
                }
            }
            if !world.obey(&plan) {
                break;
            }
        }
    }

    #[test]
    fn invariant_revocation_goes_before_all_else_and_until_it_is_proven(scene in any_scene()) {
        let world = World::new(&scene);
        let plan = world.plan();
        prop_assert!(plan.tasks.is_sorted_by_key(|task| task.class));
        let wanted: BTreeSet<&CredentialId> = world.wanted().map(|credential| &credential.id).collect();
        for (key, slot) in &world.slots {
            let Holder::Ours(id) = &slot.holder else { continue };
            let credential = &world.credentials[id];
            let unwanted = !wanted.contains(id) && credential.usage == Usage::Daily;
            let maybe = may_hold(slot);
            if !unwanted || maybe.is_empty() && !slot.unread {
                continue;
            }
            let written = plan.tasks.iter().any(|task| {
                task.act.key() == Some(*key) && matches!(task.act, Act::Write { .. })
            });
            prop_assert!(!written, "{key} is written for nobody");
            let seen_to = plan.tasks.iter().any(|task| {
                task.act.key() == Some(*key) && matches!(task.class, Class::Revoke | Class::Prove)
            });
            prop_assert!(seen_to || plan.releases.contains(key), "{key} may hold what was revoked");
            if plan.releases.contains(key) {
                // Then nothing of ours can be there: it was never written, or something else is there now.
                let shown = content_pin(slot);
                let other = slot.confirmed.as_ref().is_none_or(|(written, _)| {
                    !slot.unread && (shown.is_some() || plan::is_empty(slot)) && shown != written.pin.as_ref()
                });
                prop_assert!(slot.attempts.is_empty() && other, "{key} is given back too soon");
            }
        }
    }

    #[test]
    fn invariant_no_more_than_the_lock_keeps_and_it_is_said_who_is_left_out(scene in any_scene()) {
        let mut world = World::new(&scene);
        let last = world.converge();
        prop_assert!(world.truth.keys().all(|key| key.slot.number() <= scene.capacity));
        prop_assert!(world.truth.len() <= usize::from(scene.capacity));
        let rank = |id: &CredentialId| {
            let credential = &world.credentials[id];
            (world.people[&credential.person].role, credential.created_at, credential.id.clone())
        };
        let room = usize::from(scene.capacity) > world.foreign.len();
        let crowded = last.left_out.iter().filter(|left| left.why == Why::NoRoom);
        for left in crowded {
            let used: BTreeSet<SlotKey> = world
                .slots
                .values()
                .filter(|slot| slot.holder != Holder::Nobody && slot.key.slot.number() <= scene.capacity)
                .map(|slot| slot.key)
                .collect();
            prop_assert_eq!(used.len(), usize::from(scene.capacity), "{} has no room: {:?}", left.credential, used);
        }
        // On a lock that nobody has a slot of yet, who goes first is in, and who is left out goes later.
        let fresh = scene.places.iter().flatten().all(|place| place.holder.is_none());
        if fresh && room {
            let inside = last.goals.iter().filter(|(_, goal)| goal.now).map(|(_, goal)| rank(&goal.credential));
            let outside = last.left_out.iter().filter(|left| left.why == Why::NoRoom);
            let first_outside = outside.filter(|left| {
                world.credentials[&left.credential].usage == Usage::Daily
            }).map(|left| rank(&left.credential)).min();
            if let (Some(last_inside), Some(first_outside)) = (inside.max(), first_outside) {
                prop_assert!(last_inside < first_outside, "{last_inside:?} before {first_outside:?}");
            }
        }
    }

    #[test]
    fn invariant_an_older_generation_never_overwrites_a_newer_one(
        scene in any_scene(),
        rotations in proptest::collection::vec((0..7_usize, 0..STRANGERS), 0..6),
    ) {
        let mut world = World::new(&scene);
        let mut generation = 100;
        for (number, next) in rotations {
            // Somebody changes their mind while the lock is being told.
            let plan = world.plan();
            world.obey(&plan);
            if let Some(credential) = world.credentials.get_mut(&credential(number)) {
                generation += 1;
                credential.generation = Generation(generation);
                credential.means = Means::Pin(pin(next));
            }
            let plan = world.plan();
            for task in &plan.tasks {
                let Act::Write { key, generation, pin, .. } = &task.act else { continue };
                let Holder::Ours(id) = &world.slots[key].holder else { panic!("{key} is not ours") };
                let newest = &world.credentials[id];
                prop_assert_eq!((*generation, pin), (newest.generation, pin_of(newest)));
            }
        }
        world.converge();
        for slot in world.slots.values() {
            let Holder::Ours(id) = &slot.holder else { continue };
            let newest = pin_of(&world.credentials[id]);
            let held = world.truth.get(&slot.key);
            prop_assert!(held.is_none_or(|held| held == newest), "{id} has an older PIN in {}", slot.key);
        }
    }
}
