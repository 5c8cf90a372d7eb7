//! What a lock says of its slots, and what of that is news to the household.

use hubd_model::{CodeChange, LockSchedule, MonoTime, SlotContent, SlotKey, UnixMillis};

use super::{ECHO_MAX, Mirror, Slot};
use crate::credentials::event::Drift;
use crate::credentials::hours::same_on_a_lock;
use crate::credentials::plan::{Act, is_consistent, is_empty, is_occupied, may_hold};
use crate::credentials::record::{Holder, Proof, SlotRecord, Written};
use crate::view::Reported;

impl Mirror {
    /// A slot was reported. Says how it drifted, where the household should know.
    pub(crate) fn said(
        &mut self,
        key: SlotKey,
        content: SlotContent,
        schedule: Option<LockSchedule>,
        now: MonoTime,
        at: UnixMillis,
    ) -> Option<Drift> {
        let mut asked = false;
        for flight in self.flights.values_mut() {
            let concerns = flight.act == Act::ReadAll || flight.act.key() == Some(key);
            if concerns {
                asked = true;
                flight.heard = now;
                flight.reported.insert(key);
            }
        }
        let drift = self.learn(key, content, schedule, now, at);
        // What was asked for is followed by its end, and one plan then is enough.
        self.stale = true;
        self.dirty |= !asked || drift.is_some();
        drift
    }

    /// What is in a slot into which a code of ours is about to be written. Says how it drifted: what goes was somebody
    /// else's, or what was ours had gone, and nobody had told the hub.
    pub(crate) fn found(&mut self, key: SlotKey, content: &SlotContent, now: MonoTime) -> Option<Drift> {
        let at_it = self
            .flights
            .values_mut()
            .filter(|flight| flight.act.key() == Some(key));
        for flight in at_it {
            flight.heard = now;
        }
        let slot = self.slots.get(&key)?;
        match content {
            SlotContent::Pin { pin, .. } => {
                let mut known = may_hold(&slot.record);
                (!known.any(|other| other == pin)).then_some(Drift::Replaced)
            }
            SlotContent::Empty => slot.is_as_written().then_some(Drift::Missing),
            SlotContent::Hidden { .. } | SlotContent::Unknown => None,
        }
    }

    fn learn(
        &mut self,
        key: SlotKey,
        content: SlotContent,
        schedule: Option<LockSchedule>,
        now: MonoTime,
        at: UnixMillis,
    ) -> Option<Drift> {
        let known = self.record.read_at.is_some();
        let busy = self.is_changing(key);
        let wanted = self.goal_now(key).is_some();
        if content == SlotContent::Empty && !self.slots.contains_key(&key) {
            let slot = self.slot_mut(key);
            slot.record.reported = Some(Reported { value: content, at });
            slot.seen = Some(now);
            return None;
        }
        let slot = self.slot_mut(key);
        let before = slot
            .record
            .reported
            .as_ref()
            .map(|reported| reported.value.clone());
        let was_as_written = slot.is_as_written();
        slot.hear(content, schedule, now, at);
        // While the lock learns, what it shows may be there since before; the end says which.
        slot.recognise(at, !busy);
        if !busy && slot.late_until.is_none() {
            slot.forget_late();
        }
        match slot.record.holder.clone() {
            Holder::Nobody => {
                if !is_occupied(&slot.record) {
                    return None;
                }
                slot.change().holder = Holder::Foreign { ignored: false };
                // What was there before the hub looked for the first time is no news.
                known.then_some(Drift::ForeignAdded)
            }
            Holder::Foreign { ignored } => {
                if is_empty(&slot.record) {
                    slot.change().holder = Holder::Nobody;
                    return Some(Drift::ForeignRemoved);
                }
                let changed = before
                    != slot
                        .record
                        .reported
                        .as_ref()
                        .map(|reported| reported.value.clone());
                if changed && ignored {
                    slot.change().holder = Holder::Foreign { ignored: false };
                }
                changed.then_some(Drift::ForeignChanged)
            }
            Holder::Condemned => None,
            Holder::Ours(_) => {
                let news = was_as_written && !slot.is_as_written() && !busy && wanted;
                news.then(|| drift(&slot.record))
            }
        }
    }

    /// The lock says that somebody changed its codes. Says whether that is news, and not the echo of what the hub did.
    pub(crate) fn changed(&mut self, key: Option<SlotKey>, change: CodeChange, now: MonoTime) -> bool {
        let touches = match change {
            CodeChange::Added | CodeChange::Changed | CodeChange::Deleted | CodeChange::AllDeleted => true,
            CodeChange::DuplicateRefused | CodeChange::MasterChanged => false,
        };
        if !touches {
            return true;
        }
        let all = change == CodeChange::AllDeleted;
        if let Some(key) = key.filter(|_| !all) {
            let lately = self
                .slots
                .get(&key)
                .and_then(|slot| slot.ended)
                .is_some_and(|ended| now.since(ended) <= ECHO_MAX);
            if self.is_changing(key) || lately {
                return false;
            }
            let slot = self.slot_mut(key);
            let ours = slot.credential().is_some();
            // A person stood at the lock, as much as one who asks over the API: that is not put off to spare its battery.
            slot.asked = true;
            let record = slot.change();
            record.unread = true;
            record.void = ours;
        } else {
            self.change().read_at = None;
            self.change().checksum = None;
            self.all_seen = None;
        }
        self.touch();
        true
    }

    /// Whether a task of ours that changes a slot is at the lock.
    pub(super) fn is_changing(&self, key: SlotKey) -> bool {
        self.flights.values().any(|flight| match &flight.act {
            Act::Write { key: other, .. } | Act::Clear(other) | Act::Enrol(other) => *other == key,
            Act::ReadAll | Act::Read(_) | Act::Name { .. } => false,
        })
    }
}

impl Slot {
    fn is_as_written(&self) -> bool {
        self.record
            .confirmed
            .as_ref()
            .is_some_and(|(written, _)| is_consistent(&self.record, written))
    }

    /// Takes the lock's word.
    pub(super) fn hear(
        &mut self,
        content: SlotContent,
        schedule: Option<LockSchedule>,
        now: MonoTime,
        at: UnixMillis,
    ) {
        let differs = self.record.reported.as_ref().map(|reported| &reported.value) != Some(&content)
            || schedule.is_some() && self.record.reported_schedule != schedule;
        self.seen = Some(now);
        let doubts = (self.record.unread, self.record.void);
        self.record.unread = false;
        if let SlotContent::Pin { .. } | SlotContent::Empty = content {
            self.record.void = false;
        }
        self.changed |= doubts != (self.record.unread, self.record.void);
        self.record.reported = Some(Reported { value: content, at });
        if is_empty(&self.record) {
            self.record.reported_schedule = None;
        } else if schedule.is_some() {
            self.record.reported_schedule = schedule;
        }
        self.changed |= differs;
    }

    /// Sees whether what the lock shows is something that the hub wrote, or, when that may be, something that was learnt.
    fn recognise(&mut self, at: UnixMillis, maybe_learnt: bool) {
        let shown = match self.record.reported.as_ref().map(|reported| &reported.value) {
            Some(SlotContent::Pin { pin, .. }) => Some(pin),
            Some(SlotContent::Hidden { .. }) => {
                // A tag or finger is never shown: that something is there where nothing was is all there is to see.
                let mut attempts = self.record.attempts.iter();
                let learnt = attempts.find(|written| maybe_learnt && written.pin.is_none());
                if let (Some(learnt), None) = (learnt, &self.record.confirmed) {
                    self.record.confirmed = Some((learnt.clone(), Proof::Acknowledged));
                    self.record.attempts.retain(|written| written.pin.is_some());
                    self.changed = true;
                }
                return;
            }
            None | Some(SlotContent::Unknown | SlotContent::Empty) => return,
        };
        let fits = |written: &&Written| {
            written.pin.as_ref() == shown
                && self
                    .record
                    .reported_schedule
                    .as_ref()
                    .is_none_or(|schedule| same_on_a_lock(&written.schedule, schedule))
        };
        if let Some((written, proof)) = &mut self.record.confirmed
            && fits(&&*written)
        {
            if *proof != Proof::Read {
                *proof = Proof::Read;
                self.changed = true;
            }
            return;
        }
        let found = self
            .record
            .attempts
            .iter()
            .filter(fits)
            .max_by_key(|written| written.generation);
        if let Some(found) = found {
            let mut found = found.clone();
            found.at = at;
            self.record.confirmed = Some((found, Proof::Read));
            self.changed = true;
        }
    }
}

/// How a slot of ours is not as it was written.
fn drift(record: &SlotRecord) -> Drift {
    let written = record
        .confirmed
        .as_ref()
        .and_then(|(written, _)| written.pin.as_ref());
    match record.reported.as_ref().map(|reported| &reported.value) {
        None | Some(SlotContent::Unknown | SlotContent::Empty) => Drift::Missing,
        Some(SlotContent::Pin { pin, .. }) if Some(pin) != written => Drift::Replaced,
        Some(SlotContent::Pin { enabled: false, .. } | SlotContent::Hidden { enabled: false }) => {
            Drift::Disabled
        }
        Some(SlotContent::Pin { .. } | SlotContent::Hidden { .. }) => Drift::Schedule,
    }
}
