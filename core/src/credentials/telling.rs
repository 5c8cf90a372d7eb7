//! What the household is told of slots: when one is to be made something else, when it is, and when it takes too long.

use std::collections::BTreeMap;

use hubd_model::{CredentialId, LockId, MonoTime, SlotKey, UnixMillis};

use super::event::{CredentialsEvent, Drift, Synced};
use super::mirror::{self, About, Mirror, Slot};
use super::plan::{Task, is_clean, is_occupied};
use super::record::{Credential, CredentialsKey, CredentialsRecord, Holder};
use super::view::Why;
use super::{save, tell};
use crate::outbox::Outbox;
use crate::output::RecordKey;

impl Mirror {
    /// Gives slots away and takes them back as planned. Says whether there was anything to do.
    pub(super) fn settle_slots(
        &mut self,
        credentials: &BTreeMap<CredentialId, Credential>,
        now: MonoTime,
        lock: &LockId,
        out: &mut Outbox,
    ) -> bool {
        let plan = std::mem::take(&mut self.plan);
        let any = !(plan.releases.is_empty() && plan.emptied.is_empty() && plan.claims.is_empty());
        self.released |= !plan.releases.is_empty();
        for key in &plan.releases {
            let about = self.about(*key, credentials);
            let slot = self.slot_mut(*key);
            let enrol = slot.enrol.take();
            // It was given away as free, and somebody else put something there.
            let taken = is_occupied(&slot.record) && is_clean(&slot.record);
            let pending = slot.settle(now);
            let record = slot.change();
            record.holder = if is_occupied(record) {
                Holder::Foreign { ignored: false }
            } else {
                Holder::Nobody
            };
            record.confirmed = None;
            record.schedule_refused = None;
            record.named = None;
            record.tried = None;
            if enrol.is_some() {
                let reason = "somebody else put something into the slot that was free; ask for it again";
                tell_not_enrolled(*key, about, reason.to_owned(), lock, out);
            } else if pending {
                tell_synced(*key, about, Synced::Cleared, lock, out);
            }
            if taken {
                let event = CredentialsEvent::SlotDrifted {
                    key: *key,
                    credential: None,
                    person: None,
                    drift: Drift::ForeignAdded,
                };
                tell(lock, event, out);
            }
        }
        for key in &plan.emptied {
            self.slot_mut(*key).change().confirmed = None;
        }
        for (key, credential) in &plan.claims {
            self.slot_mut(*key).change().holder = Holder::Ours(credential.clone());
        }
        self.plan = plan;
        any
    }

    /// Notes which slots are not as wanted, since when, and tells when that begins and ends.
    pub(super) fn note_pending(
        &mut self,
        tasks: &[Task],
        credentials: &BTreeMap<CredentialId, Credential>,
        now: MonoTime,
        at: UnixMillis,
        lock: &LockId,
        out: &mut Outbox,
    ) {
        let mut pending: BTreeMap<SlotKey, &Task> = BTreeMap::new();
        for task in tasks.iter().rev() {
            if let Some(key) = task.act.key() {
                pending.insert(key, task);
            }
        }
        let given = |slot: &Slot| matches!(slot.record.holder, Holder::Ours(_) | Holder::Condemned);
        let mut changes = Vec::new();
        for (key, slot) in &self.slots {
            let (ours, was) = (given(slot), slot.pending.is_some());
            if !ours && !was {
                continue;
            }
            let waits = || self.plan.waiting.get(key).is_some_and(is_unrest);
            let is_pending = ours && (pending.contains_key(key) || waits() || self.is_changing_now(*key));
            if is_pending != was {
                changes.push((*key, ours, is_pending));
            }
        }
        for (key, ours, is_pending) in changes {
            if is_pending {
                let seq = pending
                    .get(&key)
                    .map(|task| (self.tell_pending(task, credentials, lock, out), (*task).clone()));
                let slot = self.slot_mut(key);
                slot.pending = Some((now, false));
                slot.change().pending_since = Some(at);
                if let Some((seq, task)) = seq
                    && !self.is_armed(&task.act)
                {
                    self.arm(&task.act, seq, at);
                }
            } else {
                let about = self.about(key, credentials);
                let slot = self.slot_mut(key);
                slot.settle(now);
                let proof = slot
                    .record
                    .confirmed
                    .as_ref()
                    .map(|(written, proof)| (written.pin.is_some(), *proof));
                let synced = match proof {
                    Some((true, proof)) => Synced::Written(proof),
                    Some((false, _)) => Synced::Enrolled,
                    None => Synced::Cleared,
                };
                if ours {
                    tell_synced(key, about, synced, lock, out);
                }
            }
        }
    }

    /// Tells that something is to be done with a slot; the entry's number.
    pub(super) fn tell_pending(
        &self,
        task: &Task,
        credentials: &BTreeMap<CredentialId, Credential>,
        lock: &LockId,
        out: &mut Outbox,
    ) -> u64 {
        let Some(key) = task.act.key() else { return 0 };
        let about = self.about(key, credentials);
        let event = CredentialsEvent::SlotPending {
            key,
            credential: about.credential,
            person: about.person,
            what: self.purpose(key, task.act.as_str()),
        };
        tell(lock, event, out)
    }

    /// Nothing was learnt in time: the slot is as before.
    pub(super) fn tell_late_enrol(
        &mut self,
        key: SlotKey,
        credentials: &BTreeMap<CredentialId, Credential>,
        lock: &LockId,
        out: &mut Outbox,
    ) {
        let about = self.about(key, credentials);
        let slot = self.slot_mut(key);
        slot.pending = None;
        slot.change().pending_since = None;
        let reason = "the lock could not be asked to learn in time; ask for it again at the lock";
        tell_not_enrolled(key, about, reason.to_owned(), lock, out);
    }

    pub(super) fn tell_stuck(
        &self,
        key: SlotKey,
        blocked: &[(Task, Why)],
        credentials: &BTreeMap<CredentialId, Credential>,
        lock: &LockId,
        out: &mut Outbox,
    ) {
        let Some(slot) = self.slots.get(&key) else { return };
        let about = self.about(key, credentials);
        let why = blocked
            .iter()
            .find(|(task, _)| task.act.key() == Some(key))
            .map(|(_, why)| why)
            .or_else(|| self.plan.waiting.get(&key));
        let failure = slot
            .record
            .tried
            .as_ref()
            .and_then(|(_, failure)| failure.clone());
        let reason = failure.or_else(|| why.map(ToString::to_string));
        let event = CredentialsEvent::SlotStuck {
            key,
            credential: about.credential,
            person: about.person,
            what: self.purpose(key, self.step_at(key, blocked)),
            failures: slot.record.failures,
            reason: reason.unwrap_or_else(|| "the lock has not been told yet".to_owned()),
        };
        tell(lock, event, out);
    }

    /// What is being done with a slot, or is to be done next and waits.
    pub(super) fn step_at(&self, key: SlotKey, blocked: &[(Task, Why)]) -> &'static str {
        let blocked = blocked.iter().map(|(task, _)| &task.act);
        let mut acts = self.acts_under_way().chain(blocked);
        acts.find(|act| act.key() == Some(key))
            .map_or("clear", |act| act.as_str())
    }

    /// What a slot is to be made, whatever is the next step to it.
    pub(super) fn purpose(&self, key: SlotKey, step: &'static str) -> &'static str {
        match self.plan.goal(key) {
            Some(_) if step == "enrol" => "enrol",
            Some(_) if step == "rename" => "rename",
            Some(goal) if goal.now => "write",
            Some(_) | None => "clear",
        }
    }

    /// Who a slot is about.
    pub(super) fn about(&self, key: SlotKey, credentials: &BTreeMap<CredentialId, Credential>) -> About {
        let credential = self.holder(key).cloned();
        let person = credential
            .as_ref()
            .and_then(|id| credentials.get(id))
            .map(|credential| credential.person.clone());
        About { credential, person }
    }

    /// Saves the rows that changed.
    pub(super) fn save(&mut self, out: &mut Outbox) {
        let lock = self.record.lock.clone();
        let mut blank = Vec::new();
        for (key, slot) in &mut self.slots {
            match slot.row() {
                mirror::Row::Same => {}
                mirror::Row::Save => save(CredentialsRecord::Slot(slot.record.clone()), out),
                mirror::Row::Forget => {
                    out.forget_intent(RecordKey::Credentials(CredentialsKey::Slot(lock.clone(), *key)));
                }
                mirror::Row::Blank => blank.push(*key),
            }
        }
        for key in blank {
            self.slots.remove(&key);
        }
        if self.take_changed() {
            save(CredentialsRecord::Mirror(self.record.clone()), out);
        }
    }
}

/// Whether a reason to wait is something that the household waits for, and not how it shall be.
pub(super) const fn is_unrest(why: &Why) -> bool {
    match why {
        Why::Prepared | Why::NotYet(_) | Why::OutsideWindows | Why::NotEnrolled => false,
        Why::InProgress
        | Why::Queued
        | Why::Recording
        | Why::LockAway
        | Why::RadioAway
        | Why::Retrying(_)
        | Why::Budget
        | Why::ClockUnsynced
        | Why::Emptied
        | Why::Unread
        | Why::PinLeaves(_)
        | Why::Settling
        | Why::NoRoom
        | Why::SamePin(_)
        | Why::SamePinForeign(_)
        | Why::PinLength
        | Why::NotKept
        | Why::StillAsked
        | Why::Insecure
        | Why::Gone
        | Why::EnrolAgain => true,
    }
}

/// Tells that a lock learnt nothing, and why.
pub(super) fn tell_not_enrolled(key: SlotKey, about: About, reason: String, lock: &LockId, out: &mut Outbox) {
    let event = CredentialsEvent::SlotStuck {
        key,
        credential: about.credential,
        person: about.person,
        what: "enrol",
        failures: 1,
        reason,
    };
    tell(lock, event, out);
}

fn tell_synced(key: SlotKey, about: About, synced: Synced, lock: &LockId, out: &mut Outbox) {
    let event = CredentialsEvent::SlotSynced {
        key,
        credential: about.credential,
        person: about.person,
        synced,
    };
    tell(lock, event, out);
}
