//! What is to be done so that one lock holds what is wanted: a pure function of what is wanted, what the lock is known
//! to hold, and the time.
//!
//! It says which slots are given to whom, what is to be sent to the lock, and why the rest waits. It decides nothing about
//! retries, frames and what is under way; that is `mirror.rs`, which asks again after every word of the lock. Rules, the
//! stronger first:
//!
//! 1. What shall open no door any more is cleared until the lock is proven free of it, also of writes that may come late.
//! 2. A slot that is not ours is never written or cleared, unless a person said so.
//! 3. A PIN is in one slot of a lock, and its next slot waits until the one before is proven free of it.
//! 4. While the date is unknown, what depends on it stays as it is.
//! 5. Who came first keeps the slot; the others get the free ones in the order of their rank.

mod slot;

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    CodeCapabilities, CodeSlot, CredentialId, CredentialKind, LockId, LockSchedule, PersonId, Pin, Role,
    SlotContent, SlotKey, UnixMillis, Usage, WallTime, Zone,
};

use super::hours::{self, Kept, Presence};
use super::record::{
    Credential, EnabledFor, Generation, Holder, Means, Person, SlotRecord, Standing, Written,
};
use super::view::{LeftOut, Why};

/// So many different writes of one slot may be unproven at a time; more wait.
pub const ATTEMPTS_MAX: usize = 4;

/// Who there is and what time it is.
#[derive(Debug, Clone, Copy)]
pub struct Household<'a> {
    /// People.
    pub people: &'a BTreeMap<PersonId, Person>,
    /// Credentials.
    pub credentials: &'a BTreeMap<CredentialId, Credential>,
    /// The home's time zone.
    pub zone: &'a Zone,
    /// The date.
    pub wall: WallTime,
}

/// What is known of a lock.
#[derive(Debug, Clone, Copy)]
pub struct LockFacts<'a> {
    /// Which.
    pub lock: &'a LockId,
    /// What it can do.
    pub capabilities: &'a CodeCapabilities,
    /// Whether its link is protected.
    pub secure: bool,
    /// Whether it is no device of the hub any more.
    pub gone: bool,
    /// Whether every slot was read.
    pub read: bool,
    /// Whether it lost its codes and waits for a person's word.
    pub emptied: bool,
}

/// What is known of a slot.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct SlotFacts<'a> {
    /// What is kept of it.
    pub record: &'a SlotRecord,
    /// Whether it was reported so lately that a first write may rely on it.
    pub fresh: bool,
    /// Whether somebody may have changed it since it was reported.
    pub unread: bool,
    /// Whether somebody may have changed it and the lock masks what it holds.
    pub void: bool,
    /// Whether no write that was sent before can arrive any more.
    pub settled: bool,
    /// Whether the lock refused the last write.
    pub refused: bool,
}

/// Why something is done; the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A code shall work no more.
    Revoke,
    /// It is to be proven that a code works no more.
    Prove,
    /// A code shall work.
    Grant,
    /// Nothing is known of the lock.
    Learn,
    /// A lock does not hold what it held.
    Repair,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Read every slot.
    ReadAll,
    /// Read one slot.
    Read(SlotKey),
    /// Write one slot.
    Write {
        /// Which.
        key: SlotKey,
        /// By which intent.
        generation: Generation,
        /// The PIN.
        pin: Pin,
        /// The person's name.
        name: String,
        /// The schedule that the lock shall keep.
        schedule: LockSchedule,
    },
    /// Clear one slot.
    Clear(SlotKey),
    /// Let the lock learn a tag or finger into one slot. Asked for by a person alone, never planned.
    Enrol(SlotKey),
}

impl Act {
    /// The slot.
    pub const fn key(&self) -> Option<SlotKey> {
        match self {
            Self::ReadAll => None,
            Self::Read(key) | Self::Write { key, .. } | Self::Clear(key) | Self::Enrol(key) => Some(*key),
        }
    }

    /// What it is, as the API names it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ReadAll | Self::Read(_) => "read",
            Self::Write { .. } => "write",
            Self::Clear(_) => "clear",
            Self::Enrol(_) => "enrol",
        }
    }
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Why.
    pub class: Class,
    /// What.
    pub act: Act,
}

/// What a slot shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// The credential that it was given to.
    pub credential: CredentialId,
    /// Whether the code shall be there now.
    pub now: bool,
    /// Who keeps its schedule.
    pub kept: Kept,
}

/// What is to be done with a lock, and why the rest waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Slots that are given to credentials.
    pub claims: Vec<(SlotKey, CredentialId)>,
    /// Slots that are nobody's, or somebody else's, from now on.
    pub releases: Vec<SlotKey>,
    /// Slots that are proven free of what was there, and stay given to their credential.
    pub emptied: Vec<SlotKey>,
    /// What is to be sent, the most urgent first.
    pub tasks: Vec<Task>,
    /// What the slots of ours shall hold.
    pub goals: BTreeMap<SlotKey, Goal>,
    /// Why a slot is not as wanted although nothing is to be sent now.
    pub waiting: BTreeMap<SlotKey, Why>,
    /// Who has no slot, and why.
    pub left_out: Vec<LeftOut>,
    /// When the date changes what is wanted.
    pub next: Option<UnixMillis>,
    /// Whether the date has anything to do with it.
    pub dated: bool,
}

/// What a credential wants of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stance {
    /// To be there.
    Present(Kept),
    /// A slot, empty for now.
    Reserved(Why, Kept),
    /// To be left alone while the date is unknown.
    Frozen(Kept),
    /// Nothing.
    Absent,
}

/// Plans one lock.
pub fn plan(lock: LockFacts<'_>, house: Household<'_>, slots: &BTreeMap<SlotKey, SlotFacts<'_>>) -> Plan {
    Planner {
        lock,
        house,
        slots,
        places: places(slots),
        tended: BTreeSet::new(),
        plan: Plan::default(),
    }
    .run()
}

/// Whether a lock is known to hold exactly this.
pub fn holds(record: &SlotRecord, pin: Option<&Pin>, schedule: &LockSchedule) -> bool {
    record.confirmed.as_ref().is_some_and(|(written, _)| {
        written.pin.as_ref() == pin && written.schedule == *schedule && is_consistent(record, written)
    })
}

/// Whether what a slot reported agrees with what is known to be written there.
pub fn is_consistent(record: &SlotRecord, written: &Written) -> bool {
    let same_schedule = || {
        record
            .reported_schedule
            .as_ref()
            .is_none_or(|schedule| *schedule == written.schedule)
    };
    match record.reported.as_ref().map(|reported| &reported.value) {
        None | Some(SlotContent::Unknown) => true,
        Some(SlotContent::Empty) => false,
        Some(SlotContent::Pin { pin, enabled }) => {
            *enabled && written.pin.as_ref() == Some(pin) && same_schedule()
        }
        Some(SlotContent::Hidden { enabled }) => *enabled && same_schedule(),
    }
}

/// Whether a slot said that it is empty.
pub fn is_empty(record: &SlotRecord) -> bool {
    matches!(
        record.reported.as_ref().map(|reported| &reported.value),
        Some(SlotContent::Empty)
    )
}

/// Whether a slot said that something is there.
pub fn is_occupied(record: &SlotRecord) -> bool {
    record
        .reported
        .as_ref()
        .is_some_and(|reported| reported.value.is_occupied())
}

/// Whether nothing of ours was ever written there, or all of it is proven gone.
pub fn is_clean(record: &SlotRecord) -> bool {
    record.confirmed.is_none() && record.attempts.is_empty()
}

/// The PIN that a slot showed.
fn shown(record: &SlotRecord) -> Option<&Pin> {
    match record.reported.as_ref().map(|reported| &reported.value) {
        Some(SlotContent::Pin { pin, .. }) => Some(pin),
        None | Some(SlotContent::Unknown | SlotContent::Empty | SlotContent::Hidden { .. }) => None,
    }
}

/// Every PIN that a slot may hold.
fn may_hold(record: &SlotRecord) -> impl Iterator<Item = &Pin> {
    let confirmed = record.confirmed.iter().map(|(written, _)| written);
    // What was known to be there is not there any more once the slot is empty.
    confirmed
        .filter(|_| !is_empty(record))
        .chain(&record.attempts)
        .filter_map(|written| written.pin.as_ref())
        .chain(shown(record))
}

/// In which slots each PIN may be.
fn places<'a>(slots: &BTreeMap<SlotKey, SlotFacts<'a>>) -> BTreeMap<&'a str, Vec<SlotKey>> {
    let mut places: BTreeMap<&str, Vec<SlotKey>> = BTreeMap::new();
    for (key, slot) in slots {
        for pin in may_hold(slot.record) {
            let keys = places.entry(pin.expose()).or_default();
            if keys.last() != Some(key) {
                keys.push(*key);
            }
        }
    }
    places
}

struct Planner<'a> {
    lock: LockFacts<'a>,
    house: Household<'a>,
    slots: &'a BTreeMap<SlotKey, SlotFacts<'a>>,
    places: BTreeMap<&'a str, Vec<SlotKey>>,
    /// Slots that were seen to.
    tended: BTreeSet<SlotKey>,
    plan: Plan,
}

/// A credential that has to do with the lock.
struct Party<'a> {
    credential: &'a Credential,
    stance: Stance,
    slot: Option<SlotKey>,
}

impl<'a> Planner<'a> {
    fn run(mut self) -> Plan {
        let parties = self.parties();
        let mut homeless = Vec::new();
        for party in parties {
            match party.slot {
                Some(key) => {
                    self.tended.insert(key);
                    if self.tend(&party, key) {
                        homeless.push(party);
                    }
                }
                None => homeless.push(party),
            }
        }
        self.tend_orphans();
        self.house_them(homeless);
        if !self.lock.gone && !self.lock.read {
            let waits = !self.plan.left_out.is_empty() || !self.plan.waiting.is_empty();
            let class = if waits { Class::Grant } else { Class::Learn };
            self.task(class, Act::ReadAll);
        }
        if self.lock.gone {
            for task in std::mem::take(&mut self.plan.tasks) {
                if let Some(key) = task.act.key() {
                    self.wait(key, Why::Gone);
                }
            }
        }
        self.plan.tasks.sort_by_key(|task| task.class);
        self.plan
    }

    /// Everybody who has to do with the lock: who has a slot first, then by rank. Of two with one PIN the later wants nothing.
    fn parties(&mut self) -> Vec<Party<'a>> {
        let mut places: BTreeMap<&CredentialId, SlotKey> = BTreeMap::new();
        for (key, slot) in self.slots {
            if let Holder::Ours(credential) = &slot.record.holder {
                places.entry(credential).or_insert(*key);
            }
        }
        let credentials = self.house.credentials.values().filter(|credential| {
            credential.locks.contains(self.lock.lock) || places.contains_key(&credential.id)
        });
        let mut parties: Vec<Party<'a>> = credentials
            .filter(|credential| credential.means.kind().is_some())
            .map(|credential| {
                let slot = places.get(&credential.id).copied();
                let stance = self.stance(credential, slot);
                self.note_next(credential, &stance);
                Party {
                    credential,
                    stance,
                    slot,
                }
            })
            .collect();
        parties.sort_by_cached_key(|party| (party.slot.is_none(), self.rank(party.credential)));
        let mut owners: BTreeMap<&str, &CredentialId> = BTreeMap::new();
        for party in &mut parties {
            let Means::Pin(pin) = &party.credential.means else {
                continue;
            };
            if party.stance == Stance::Absent {
                continue;
            }
            if let Some(owner) = owners.get(pin.expose()) {
                party.stance = Stance::Absent;
                self.plan.left_out.push(LeftOut {
                    credential: party.credential.id.clone(),
                    person: party.credential.person.clone(),
                    why: Why::SamePin((*owner).clone()),
                });
            } else {
                owners.insert(pin.expose(), &party.credential.id);
            }
        }
        parties
    }

    fn stance(&self, credential: &Credential, slot: Option<SlotKey>) -> Stance {
        let alive = self
            .house
            .people
            .get(&credential.person)
            .is_some_and(|person| !person.removed);
        if !alive || !credential.locks.contains(self.lock.lock) {
            return Stance::Absent;
        }
        let refused = slot
            .and_then(|key| self.slots.get(&key))
            .and_then(|slot| slot.record.schedule_refused.as_ref());
        let kept = match &credential.means {
            Means::Pin(_) => hours::divide(
                &credential.schedule,
                self.house.zone,
                self.lock.capabilities,
                refused,
            ),
            // The hub cannot give a lock a schedule for what it cannot write.
            Means::Enrolled(_) | Means::MechanicalKey(_) | Means::Fob(_) => Kept {
                span_by_hub: !credential.schedule.is_always(),
                ..Kept::default()
            },
        };
        match &credential.standing {
            Standing::UsedUp | Standing::Removed => return Stance::Absent,
            Standing::Ready | Standing::Withheld(_) if credential.usage == Usage::Emergency => {
                return Stance::Reserved(Why::Prepared, kept);
            }
            Standing::Ready | Standing::Withheld(_) | Standing::Enabled { .. } => {}
        }
        match hours::presence(&credential.schedule, &kept, self.house.zone, self.house.wall) {
            Presence::Now => Stance::Present(kept),
            Presence::Later(why) => Stance::Reserved(why, kept),
            Presence::Over => Stance::Absent,
            Presence::Frozen => Stance::Frozen(kept),
        }
    }

    fn note_next(&mut self, credential: &Credential, stance: &Stance) {
        self.plan.dated |= !credential.schedule.is_always();
        let WallTime::Synced(at) = self.house.wall else {
            return;
        };
        if *stance == Stance::Absent {
            return;
        }
        let enabled_until = match &credential.standing {
            Standing::Enabled {
                cause: EnabledFor::Person { until, .. },
                ..
            } => Some(*until),
            Standing::Enabled {
                cause: EnabledFor::Incident(_),
                ..
            }
            | Standing::Ready
            | Standing::Withheld(_)
            | Standing::UsedUp
            | Standing::Removed => None,
        };
        let change = hours::next_change(&credential.schedule, self.house.zone, at);
        let next = self.plan.next.into_iter().chain(change).chain(enabled_until);
        self.plan.next = next.min();
    }

    /// Who goes first: an emergency code that works now, then by role, use and age.
    fn rank(&self, credential: &'a Credential) -> (bool, Role, Usage, UnixMillis, &'a CredentialId) {
        let role = self
            .house
            .people
            .get(&credential.person)
            .map_or(Role::Responder, |person| person.role);
        let enabled = matches!(credential.standing, Standing::Enabled { .. });
        (
            !enabled,
            role,
            credential.usage,
            credential.created_at,
            &credential.id,
        )
    }

    /// Slots whose credential is unknown or has another slot, and what a person condemned.
    fn tend_orphans(&mut self) {
        for (key, slot) in self.slots {
            match &slot.record.holder {
                Holder::Nobody | Holder::Foreign { .. } => {
                    if slot.unread {
                        self.task(Class::Repair, Act::Read(*key));
                    }
                }
                Holder::Condemned => {
                    if is_empty(slot.record) {
                        self.plan.releases.push(*key);
                    } else {
                        self.task(Class::Revoke, Act::Clear(*key));
                    }
                }
                Holder::Ours(_) => {
                    if !self.tended.contains(key) {
                        self.remove(*key, *slot, true);
                    }
                }
            }
        }
    }

    /// Gives free slots to those who have none.
    fn house_them(&mut self, homeless: Vec<Party<'a>>) {
        let mut free: BTreeMap<CredentialKind, u16> = BTreeMap::new();
        for party in homeless {
            let (credential, kind) = (party.credential, party.credential.means.kind());
            let Some(kind) = kind else { continue };
            let why = match (&party.stance, &credential.means) {
                (Stance::Absent, _) => continue,
                (_, _) if self.lock.gone => Why::Gone,
                (_, _) if self.capacity(kind) == 0 => Why::NotKept,
                (_, Means::Enrolled(_) | Means::MechanicalKey(_) | Means::Fob(_)) => Why::NotEnrolled,
                (Stance::Frozen(_), Means::Pin(_)) => Why::ClockUnsynced,
                (Stance::Present(_) | Stance::Reserved(..), Means::Pin(pin)) => {
                    if !self.lock.secure {
                        Why::Insecure
                    } else if !self.takes(pin) {
                        Why::PinLength
                    } else if self.lock.emptied {
                        Why::Emptied
                    } else if !self.lock.read {
                        Why::Unread
                    } else if let Some(key) = self.foreign_with(pin) {
                        Why::SamePinForeign(key)
                    } else if let Some(key) = self.next_free(kind, &mut free) {
                        self.plan.claims.push((key, credential.id.clone()));
                        continue;
                    } else {
                        Why::NoRoom
                    }
                }
            };
            self.plan.left_out.push(LeftOut {
                credential: credential.id.clone(),
                person: credential.person.clone(),
                why,
            });
        }
    }

    fn next_free(&self, kind: CredentialKind, used: &mut BTreeMap<CredentialKind, u16>) -> Option<SlotKey> {
        let start = used.get(&kind).copied().unwrap_or(0).saturating_add(1);
        for number in start..=self.capacity(kind) {
            let key = SlotKey {
                kind,
                slot: CodeSlot::new(number)?,
            };
            let free = self.slots.get(&key).is_none_or(|slot| {
                slot.record.holder == Holder::Nobody && !is_occupied(slot.record) && !slot.unread
            });
            if free {
                used.insert(kind, number);
                return Some(key);
            }
        }
        used.insert(kind, self.capacity(kind));
        None
    }

    fn foreign_with(&self, pin: &Pin) -> Option<SlotKey> {
        let keys = self.places.get(pin.expose())?;
        keys.iter().copied().find(|key| {
            self.slots
                .get(key)
                .is_some_and(|slot| matches!(slot.record.holder, Holder::Foreign { .. }))
        })
    }

    /// Whether a lock may be given a code now; if not, it is said why.
    fn may_be_told(&mut self, key: SlotKey) -> bool {
        let why = if self.lock.gone {
            Why::Gone
        } else if !self.lock.secure {
            Why::Insecure
        } else if self.lock.emptied {
            Why::Emptied
        } else {
            return true;
        };
        self.wait(key, why);
        false
    }

    fn capacity(&self, kind: CredentialKind) -> u16 {
        capacity(self.lock.capabilities, kind)
    }

    fn fits(&self, key: SlotKey) -> bool {
        key.slot.number() <= self.capacity(key.kind)
    }

    fn takes(&self, pin: &Pin) -> bool {
        let digits = usize::from(self.lock.capabilities.pin_digits_min)
            ..=usize::from(self.lock.capabilities.pin_digits_max);
        digits.contains(&pin.digits())
    }

    fn write(&mut self, class: Class, key: SlotKey, credential: &Credential, pin: &Pin, kept: &Kept) {
        let name = self
            .house
            .people
            .get(&credential.person)
            .map(|person| person.name.clone());
        let act = Act::Write {
            key,
            generation: credential.generation,
            pin: pin.clone(),
            name: name.unwrap_or_default(),
            schedule: kept.lock.clone(),
        };
        self.task(class, act);
    }

    fn task(&mut self, class: Class, act: Act) {
        self.plan.tasks.push(Task { class, act });
    }

    fn wait(&mut self, key: SlotKey, why: Why) {
        self.plan.waiting.entry(key).or_insert(why);
    }
}

/// How many credentials of a kind a lock keeps.
pub const fn capacity(capabilities: &CodeCapabilities, kind: CredentialKind) -> u16 {
    match kind {
        CredentialKind::Pin => capabilities.pin_slots,
        CredentialKind::Rfid => capabilities.rfid_slots,
        CredentialKind::Fingerprint => capabilities.finger_slots,
    }
}
