//! What is to be done with one slot that was given to a credential.

use hubd_model::Pin;

use super::facts::shown;
use super::{
    ATTEMPTS_MAX, Act, Class, Goal, Party, Planner, SlotFacts, Stance, holds, is_clean, is_empty,
    is_occupied, may_hold,
};
use crate::credentials::hours::Kept;
use crate::credentials::record::{Holder, Means, SlotRecord, Written};
use crate::credentials::view::Why;

impl<'a> Planner<'a> {
    /// Sees to a slot that was given to a credential. Says whether the credential needs another one.
    pub(super) fn tend(&mut self, party: &Party<'a>, slot: SlotFacts<'a>) -> bool {
        let (record, credential) = (slot.record, party.credential);
        let key = record.key;
        if party.stance == Stance::Absent {
            self.remove(slot, true);
            return false;
        }
        let foreign = is_clean(record)
            && is_occupied(record)
            && !slot.record.unread
            && !matches!(&credential.means, Means::Pin(pin) if shown(record) == Some(pin));
        if foreign || (self.is_beyond(key) && is_clean(record)) {
            self.plan.releases.push(key);
            return true;
        }
        if self.is_beyond(key) {
            return self.move_out(slot);
        }
        let kept = match &party.stance {
            Stance::Present(kept) | Stance::Reserved(_, kept) | Stance::Frozen(kept) => kept.clone(),
            Stance::Absent => Kept::default(),
        };
        let goal = Goal {
            credential: credential.id.clone(),
            now: matches!(party.stance, Stance::Present(_)),
            kept,
        };
        self.plan.goals.push((key, goal));
        if self.capacity(key.kind) == 0 {
            self.wait(key, self.why_nothing_is_kept());
            return false;
        }
        let pin = match &credential.means {
            Means::Pin(pin) => pin,
            Means::Enrolled(_) | Means::MechanicalKey(_) | Means::Fob(_) => {
                self.tend_enrolled(party, slot);
                return false;
            }
        };
        match &party.stance {
            Stance::Absent => {}
            Stance::Reserved(why, _) => {
                self.remove(slot, false);
                self.wait(key, why.clone());
            }
            Stance::Frozen(kept) => self.tend_frozen(party, slot, pin, kept),
            Stance::Present(kept) => self.tend_present(party, slot, pin, kept),
        }
        false
    }

    /// Takes a credential out of a slot that the lock does not have any more. Only what is proven gone makes it free for
    /// another slot: a lock that counts fewer slots than before may still open to what is in the others. Says whether it
    /// is free.
    fn move_out(&mut self, slot: SlotFacts<'_>) -> bool {
        let key = slot.record.key;
        self.remove(slot, true);
        let free = self.plan.releases.last() == Some(&key);
        if !free {
            self.wait(key, Why::NoRoom);
        }
        free
    }

    /// Clears what is there of ours until it is proven gone, and then gives the slot back if asked to.
    pub(super) fn remove(&mut self, slot: SlotFacts<'_>, release: bool) {
        let record = slot.record;
        let key = record.key;
        let ours = |pin: &Pin| {
            let written = record.confirmed.iter().map(|(written, _)| written);
            written
                .chain(&record.attempts)
                .any(|written| written.pin.as_ref() == Some(pin))
        };
        // Somebody put something else there, so what was ours is gone, unless it comes late.
        let replaced =
            !slot.record.unread && shown(record).is_some_and(|pin| !ours(pin)) && !self.is_pin_of(record);
        let gone = is_empty(record) && !slot.record.unread;
        // What shows the credential's own PIN is no stranger's, also when nobody knows how it came there.
        let never = record.confirmed.is_none() && !self.is_pin_of(record);
        if record.attempts.is_empty() && (gone || replaced || never) {
            if release {
                self.plan.releases.push(key);
            } else if record.confirmed.is_some() {
                self.plan.emptied.push(key);
            } else if record.unread {
                // Somebody may have put something of their own there.
                self.task(Class::Repair, Act::Read(key));
            }
        } else if !(gone || replaced) {
            self.task(Class::Revoke, Act::Clear(key));
        } else if slot.settled {
            self.task(Class::Prove, Act::Read(key));
        } else {
            self.wait(key, Why::Settling);
        }
    }

    /// Whether a slot shows the PIN of the credential that it was given to.
    fn is_pin_of(&self, record: &SlotRecord) -> bool {
        let Holder::Ours(credential) = &record.holder else {
            return false;
        };
        let member = self.house.place(credential);
        let member = member.and_then(|place| self.house.members.get(place));
        member.is_some_and(|member| match &member.credential.means {
            Means::Pin(pin) => shown(record) == Some(pin),
            Means::Enrolled(_) | Means::MechanicalKey(_) | Means::Fob(_) => false,
        })
    }

    fn tend_frozen(&mut self, party: &Party<'a>, slot: SlotFacts<'_>, pin: &Pin, kept: &Kept) {
        let record = slot.record;
        let key = record.key;
        let known = |written: &Written| written.pin.as_ref() == Some(pin) && written.schedule == kept.lock;
        if holds(record, Some(pin), &kept.lock) && record.attempts.iter().all(known) {
            return;
        }
        let old = may_hold(record).any(|held| held != pin);
        if old {
            // Not the date but a person took the old PIN away.
            self.remove(slot, false);
        } else if kept.by_lock_alone()
            && record.attempts.iter().all(known)
            && holds_pin(record, pin)
            && self.may_be_told(key)
        {
            // Not the date but a person changed the hours, and the lock keeps them by itself.
            return self.write(Class::Revoke, key, party, pin, kept);
        }
        self.wait(key, Why::ClockUnsynced);
    }

    fn tend_present(&mut self, party: &Party<'a>, slot: SlotFacts<'_>, pin: &Pin, kept: &Kept) {
        let record = slot.record;
        let key = record.key;
        if !self.takes(pin) {
            // What is there stays, because the lock took it once; an old PIN goes.
            if may_hold(record).any(|held| held != pin) {
                self.remove(slot, false);
            }
            return self.wait(key, Why::PinLength);
        }
        if !self.may_be_told(key) {
            return;
        }
        let known = |written: &Written| written.pin.as_ref() == Some(pin) && written.schedule == kept.lock;
        let holds = holds(record, Some(pin), &kept.lock);
        if slot.record.unread && (holds || record.confirmed.is_none()) {
            return self.task(Class::Repair, Act::Read(key));
        }
        if holds && !slot.record.void {
            // Copies of what is there anyway do no harm.
            if record.attempts.iter().all(known) {
                return self.name(party, record);
            }
            if !slot.settled {
                return self.wait(key, Why::Settling);
            }
            if shown(record).is_some() {
                return self.task(Class::Prove, Act::Read(key));
            }
            // The lock shows nothing; only a write that it acknowledges now can prove what it holds.
            return self.write(Class::Prove, key, party, pin, kept);
        }
        // What shows our PIN already is no other's, however it came there.
        if is_clean(record) && !slot.fresh && shown(record) != Some(pin) {
            return self.task(Class::Grant, Act::Read(key));
        }
        let old = may_hold(record).any(|held| held != pin);
        let stale = !is_empty(record) && old;
        let elsewhere = self.places().of(pin).find(|other| *other != key);
        if let Some(other) = elsewhere {
            if old {
                // The old PIN does not wait for the new one; and two that change places would wait for each other.
                self.remove(slot, false);
            }
            let why = if self.is_foreign(other) {
                Why::SamePinForeign(other)
            } else {
                Why::PinLeaves(other)
            };
            return self.wait(key, why);
        }
        if record.attempts.len() >= ATTEMPTS_MAX && !record.attempts.iter().any(known) {
            if slot.settled {
                return self.task(Class::Prove, Act::Clear(key));
            }
            return self.wait(key, Why::Settling);
        }
        let class = if stale {
            Class::Revoke
        } else if record
            .confirmed
            .as_ref()
            .is_some_and(|(written, _)| known(written))
        {
            Class::Repair
        } else {
            Class::Grant
        };
        if stale && slot.refused {
            // The new PIN cannot take the place of the old one, so the old one is cleared.
            return self.task(Class::Revoke, Act::Clear(key));
        }
        self.write(class, key, party, pin, kept);
    }

    /// A lock that keeps names is told the person's, when all else is as wanted.
    fn name(&mut self, party: &Party<'a>, record: &SlotRecord) {
        if !self.lock.capabilities.names {
            return;
        }
        let Some(person) = party.member.person() else {
            return;
        };
        if record.named.as_ref() != Some(&person.name) {
            let (key, name) = (record.key, person.name.clone());
            self.task(Class::Repair, Act::Name { key, name });
        }
    }

    fn tend_enrolled(&mut self, party: &Party<'a>, slot: SlotFacts<'_>) {
        let key = slot.record.key;
        match &party.stance {
            Stance::Absent => {}
            Stance::Reserved(why, _) => {
                self.remove(slot, false);
                self.wait(key, why.clone());
            }
            Stance::Frozen(_) | Stance::Present(_) => {
                if slot.record.unread {
                    self.task(Class::Repair, Act::Read(key));
                } else if !slot.record.attempts.is_empty() && slot.settled {
                    self.task(Class::Prove, Act::Read(key));
                } else if !slot.record.attempts.is_empty() {
                    self.wait(key, Why::InProgress);
                } else if is_empty(slot.record) || slot.record.confirmed.is_none() {
                    let why = if slot.record.confirmed.is_some() {
                        Why::EnrolAgain
                    } else {
                        Why::NotEnrolled
                    };
                    self.wait(key, why);
                } else if self.may_be_told(key) {
                    self.name(party, slot.record);
                }
            }
        }
    }
}

fn holds_pin(record: &SlotRecord, pin: &Pin) -> bool {
    !is_empty(record)
        && record
            .confirmed
            .as_ref()
            .is_some_and(|(written, _)| written.pin.as_ref() == Some(pin))
}
