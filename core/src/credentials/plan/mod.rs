//! What is to be done so that one lock holds what is wanted: a pure function of what is wanted, what the lock is known
//! to hold, and the time.
//!
//! It says which slots are given to whom, what is to be sent to the lock, and why the rest waits. It decides nothing about
//! retries, frames and what is under way; that is `mirror`, which asks again after every word of the lock. Rules, the
//! stronger first:
//!
//! 1. What shall open no door any more is cleared until the lock is proven free of it, also of writes that may come late.
//! 2. A slot that is not ours is never written or cleared, unless a person said so.
//! 3. A PIN is in one slot of a lock, and its next slot waits until the one before is proven free of it.
//! 4. While the date is unknown, what depends on it stays as it is.
//! 5. Who came first keeps the slot; the others get the free ones in the order of their rank.

mod facts;
mod household;
mod slot;

use std::collections::BTreeMap;

use hubd_model::{
    CodeSlot, CredentialId, CredentialKind, LockSchedule, Pin, SlotKey, UnixMillis, Usage, WallTime,
};

pub(crate) use facts::may_hold;
pub use facts::{
    LockFacts, SlotFacts, capacity, holds, is_beyond, is_clean, is_consistent, is_empty, is_occupied, kept,
};
pub use household::{Household, Ranking};

use super::hours::{self, Kept, Presence};
use super::record::{Credential, EnabledFor, Generation, Holder, Means, Standing};
use super::view::{LeftOut, Why};
use facts::Places;
use household::Member;

/// So many different writes of one slot may be unproven at a time; more wait.
pub const ATTEMPTS_MAX: usize = 4;

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
    /// Give the user of one slot another name.
    Name {
        /// Which.
        key: SlotKey,
        /// The person's name.
        name: String,
    },
}

impl Act {
    /// The slot.
    pub const fn key(&self) -> Option<SlotKey> {
        match self {
            Self::ReadAll => None,
            Self::Read(key)
            | Self::Write { key, .. }
            | Self::Clear(key)
            | Self::Enrol(key)
            | Self::Name { key, .. } => Some(*key),
        }
    }

    /// What it is, as the API names it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ReadAll | Self::Read(_) => "read",
            Self::Write { .. } => "write",
            Self::Clear(_) => "clear",
            Self::Enrol(_) => "enrol",
            Self::Name { .. } => "rename",
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
    /// What the slots of ours shall hold, by slot.
    pub goals: Vec<(SlotKey, Goal)>,
    /// Why a slot is not as wanted although nothing is to be sent now.
    pub waiting: BTreeMap<SlotKey, Why>,
    /// Who has no slot, and why.
    pub left_out: Vec<LeftOut>,
    /// When the date changes what is wanted.
    pub next: Option<UnixMillis>,
    /// Whether the date has anything to do with it.
    pub dated: bool,
}

impl Plan {
    /// What a slot shall hold; `None` when it is not ours or shall be empty for good.
    pub fn goal(&self, key: SlotKey) -> Option<&Goal> {
        let found = self.goals.binary_search_by_key(&key, |(other, _)| *other).ok()?;
        self.goals.get(found).map(|(_, goal)| goal)
    }
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

/// Plans one lock. The slots come in the order of their keys, each once.
pub fn plan(lock: LockFacts<'_>, house: &Household<'_>, slots: &[SlotFacts<'_>]) -> Plan {
    Planner {
        lock,
        house,
        slots,
        places: None,
        tended: vec![false; slots.len()],
        owners: vec![None; house.ranking.pins_count],
        plan: Plan::default(),
    }
    .run()
}

struct Planner<'a> {
    lock: LockFacts<'a>,
    house: &'a Household<'a>,
    /// By key.
    slots: &'a [SlotFacts<'a>],
    /// In which slots each PIN may be; made when somebody asks.
    places: Option<Places<'a>>,
    /// Slots that were seen to.
    tended: Vec<bool>,
    /// Who has each PIN, by its number.
    owners: Vec<Option<&'a CredentialId>>,
    plan: Plan,
}

/// A credential that has to do with the lock.
struct Party<'a> {
    credential: &'a Credential,
    member: &'a Member<'a>,
    stance: Stance,
}

impl<'a> Planner<'a> {
    fn run(mut self) -> Plan {
        let house = self.house;
        let held = self.held();
        let mut homeless = Vec::new();
        // Who has a slot goes first.
        for has_slot in [true, false] {
            let mut next = 0;
            for place in &house.ranking.by_rank {
                let slot = held.get(*place).copied().flatten();
                let member = house.members.get(*place);
                let Some(member) = member.filter(|_| slot.is_some() == has_slot) else {
                    continue;
                };
                next += 1;
                let here = has_slot || member.credential.locks.contains(self.lock.lock);
                if !here || member.credential.means.kind().is_none() {
                    continue;
                }
                let pin = house.ranking.pins.get(*place).copied().flatten();
                let party = self.party(member, pin, slot);
                match slot {
                    Some(slot) => {
                        if let Some(tended) = self.tended.get_mut(slot) {
                            *tended = true;
                        }
                        if let Some(slot) = self.slots.get(slot)
                            && self.tend(&party, *slot)
                        {
                            homeless.push(party);
                        }
                    }
                    None => homeless.push(party),
                }
            }
            if next == house.ranking.by_rank.len() {
                break;
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
        self.plan.goals.sort_unstable_by_key(|(key, _)| *key);
        self.plan
    }

    /// The first slot that each credential was given.
    fn held(&self) -> Vec<Option<usize>> {
        let mut held = vec![None; self.house.members.len()];
        for (slot, place) in self.slots.iter().zip(0..) {
            if let Holder::Ours(credential) = &slot.record.holder
                && let Some(member) = self.house.place(credential)
                && let Some(first) = held.get_mut(member)
                && first.is_none()
            {
                *first = Some(place);
            }
        }
        held
    }

    fn slot(&self, key: SlotKey) -> Option<&'a SlotFacts<'a>> {
        let found = self
            .slots
            .binary_search_by_key(&key, |slot| slot.record.key)
            .ok()?;
        self.slots.get(found)
    }

    /// What a credential wants of the lock. Of two with one PIN the later wants nothing.
    fn party(&mut self, member: &'a Member<'a>, pin: Option<usize>, slot: Option<usize>) -> Party<'a> {
        let credential = member.credential;
        let slot = slot.and_then(|slot| self.slots.get(slot));
        let mut stance = self.stance(member, slot);
        self.note_next(credential, &stance);
        let owner = pin.and_then(|pin| self.owners.get_mut(pin));
        if let Some(owner) = owner
            && stance != Stance::Absent
        {
            if let Some(owner) = *owner {
                stance = Stance::Absent;
                self.plan.left_out.push(LeftOut {
                    credential: credential.id.clone(),
                    person: credential.person.clone(),
                    why: Why::SamePin(owner.clone()),
                });
            } else {
                *owner = Some(&credential.id);
            }
        }
        Party {
            credential,
            member,
            stance,
        }
    }

    fn stance(&self, member: &Member<'a>, slot: Option<&SlotFacts<'a>>) -> Stance {
        let credential = member.credential;
        let unwanted = matches!(credential.standing, Standing::UsedUp | Standing::Removed);
        if unwanted || !member.is_there || !credential.locks.contains(self.lock.lock) {
            return Stance::Absent;
        }
        let always = credential.schedule.is_always();
        let refused = slot.and_then(|slot| slot.record.schedule_refused.as_ref());
        let kept = match &credential.means {
            _ if always => Kept::default(),
            Means::Pin(_) => hours::divide(
                &credential.schedule,
                self.house.zone,
                self.lock.capabilities,
                refused,
            ),
            // The hub cannot give a lock a schedule for what it cannot write.
            Means::Enrolled(_) | Means::MechanicalKey(_) | Means::Fob(_) => Kept {
                span_by_hub: true,
                ..Kept::default()
            },
        };
        let prepared = matches!(credential.standing, Standing::Ready | Standing::Withheld(_));
        if prepared && credential.usage == Usage::Emergency {
            return Stance::Reserved(Why::Prepared, kept);
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

    /// Slots whose credential is unknown or has another slot, and what a person condemned.
    fn tend_orphans(&mut self) {
        for (slot, place) in self.slots.iter().zip(0..) {
            let key = slot.record.key;
            match &slot.record.holder {
                Holder::Nobody | Holder::Foreign { .. } => {
                    if slot.record.unread {
                        self.task(Class::Repair, Act::Read(key));
                    }
                }
                Holder::Condemned => {
                    if is_empty(slot.record) {
                        self.plan.releases.push(key);
                    } else {
                        self.task(Class::Revoke, Act::Clear(key));
                    }
                }
                Holder::Ours(_) => {
                    let tended: Option<&bool> = self.tended.get(place);
                    if tended != Some(&true) {
                        self.remove(*slot, true);
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
                (_, _) if self.capacity(kind) == 0 => self.why_nothing_is_kept(),
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
            let free = self.slot(key).is_none_or(|slot| {
                slot.record.holder == Holder::Nobody && !is_occupied(slot.record) && !slot.record.unread
            });
            if free {
                used.insert(kind, number);
                return Some(key);
            }
        }
        used.insert(kind, self.capacity(kind));
        None
    }

    fn places(&mut self) -> &Places<'a> {
        let slots = self.slots;
        self.places.get_or_insert_with(|| Places::new(slots))
    }

    fn is_foreign(&self, key: SlotKey) -> bool {
        let slot = self.slot(key);
        slot.is_some_and(|slot| matches!(slot.record.holder, Holder::Foreign { .. }))
    }

    fn foreign_with(&mut self, pin: &Pin) -> Option<SlotKey> {
        let keys: Vec<SlotKey> = self.places().of(pin).collect();
        keys.into_iter().find(|key| self.is_foreign(*key))
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

    const fn why_nothing_is_kept(&self) -> Why {
        if self.lock.capabilities.asking {
            Why::StillAsked
        } else {
            Why::NotKept
        }
    }

    fn is_beyond(&self, key: SlotKey) -> bool {
        is_beyond(self.lock.capabilities, key)
    }

    fn takes(&self, pin: &Pin) -> bool {
        let digits = usize::from(self.lock.capabilities.pin_digits_min)
            ..=usize::from(self.lock.capabilities.pin_digits_max);
        digits.contains(&pin.digits())
    }

    fn write(&mut self, class: Class, key: SlotKey, party: &Party<'a>, pin: &Pin, kept: &Kept) {
        let act = Act::Write {
            key,
            generation: party.credential.generation,
            pin: pin.clone(),
            name: party
                .member
                .person()
                .map(|person| person.name.clone())
                .unwrap_or_default(),
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
