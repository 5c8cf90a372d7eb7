//! What is known, for those who ask.

use std::collections::BTreeSet;

use hubd_model::{CredentialId, LockId, Millis, PersonId, SlotContent, SlotKey, UnixMillis, WallTime};

use super::mirror::{FRAMES_PER_DAY, Mirror, Slot};
use super::plan::is_consistent;
use super::record::{Credential, Holder, Means, Standing};
use super::telling::is_unrest;
use super::view::{
    CodesView, CredentialView, FramesView, HolderView, LeftOut, PendingView, PersonView, Place, ReportedAs,
    SlotView, TryView, WantedView, Why,
};
use super::{Around, Keeper, hours};

/// A PIN that is older than this should be changed.
pub(crate) const ROTATE_AFTER: Millis = Millis::from_secs(180 * 24 * 3_600);

impl Keeper {
    pub(crate) fn people(&self) -> Vec<PersonView> {
        self.people.keys().filter_map(|id| self.person(id)).collect()
    }

    pub(crate) fn person(&self, id: &PersonId) -> Option<PersonView> {
        let person = self.people.get(id).filter(|person| !person.removed)?;
        let credentials = self.credentials.values();
        Some(PersonView {
            id: person.id.clone(),
            name: person.name.clone(),
            role: person.role,
            may_sign_in: person.may_sign_in,
            created_at: person.created_at,
            credentials: credentials
                .filter(|credential| credential.person == *id)
                .map(|credential| credential.id.clone())
                .collect(),
        })
    }

    pub(crate) fn credentials(&self, around: &Around<'_>) -> Vec<CredentialView> {
        let ids = self.credentials.keys();
        ids.filter_map(|id| self.credential(id, around)).collect()
    }

    pub(crate) fn credential(&self, id: &CredentialId, around: &Around<'_>) -> Option<CredentialView> {
        let credential = self.credentials.get(id)?;
        let (digits, inventory) = match &credential.means {
            Means::Pin(pin) => (Some(pin.digits()), None),
            Means::Enrolled(_) => (None, None),
            Means::MechanicalKey(inventory) | Means::Fob(inventory) => (None, Some(inventory.clone())),
        };
        let date = match around.now.wall {
            WallTime::Synced(at) => Some(at),
            WallTime::Unsynced(_) => None,
        };
        let old = |at: UnixMillis| {
            u64::try_from(at.0.saturating_sub(credential.rotated_at.0)).is_ok_and(|age| age > ROTATE_AFTER.0)
        };
        Some(CredentialView {
            id: credential.id.clone(),
            person: credential.person.clone(),
            label: credential.label.clone(),
            means: credential.means.as_str(),
            digits,
            inventory,
            usage: credential.usage,
            schedule: credential.schedule.clone(),
            uses_left: credential.uses_left,
            locks: credential.locks.clone(),
            standing: credential.standing.clone(),
            expired: date.is_some_and(|at| hours::is_over(&credential.schedule, at)),
            created_at: credential.created_at,
            rotated_at: credential.rotated_at,
            rotation_due: digits.is_some() && date.is_some_and(old),
            places: self.places(credential),
        })
    }

    fn places(&self, credential: &Credential) -> Vec<Place> {
        if credential.means.kind().is_none() {
            return Vec::new();
        }
        let mut locks: BTreeSet<&LockId> = credential.locks.iter().collect();
        let holding = self.mirrors.iter().filter(|(_, mirror)| {
            let mut slots = mirror.slots.values();
            slots.any(|slot| slot.credential() == Some(&credential.id))
        });
        locks.extend(holding.map(|(lock, _)| lock));
        locks
            .into_iter()
            .map(|lock| self.place(credential, lock))
            .collect()
    }

    fn place(&self, credential: &Credential, lock: &LockId) -> Place {
        let nowhere = |why| Place {
            lock: lock.clone(),
            key: None,
            wanted: false,
            confirmed: None,
            why: Some(why),
        };
        let Some(mirror) = self.mirrors.get(lock) else {
            return nowhere(Why::NotKept);
        };
        let slot = mirror
            .slots
            .values()
            .find(|slot| slot.credential() == Some(&credential.id));
        let Some(slot) = slot else {
            let mut left_out = mirror.plan.left_out.iter();
            let left_out = left_out.find(|left| left.credential == credential.id);
            return Place {
                why: left_out.map(|left| left.why.clone()),
                ..nowhere(Why::Queued)
            };
        };
        let key = slot.record.key;
        let view = mirror.slot_view(slot, self);
        Place {
            lock: lock.clone(),
            key: Some(key),
            wanted: view.wanted.is_some(),
            confirmed: view.confirmed.map(|(_, proof)| proof),
            why: view
                .pending
                .map(|pending| pending.why)
                .or_else(|| mirror.plan.waiting.get(&key).cloned()),
        }
    }

    pub(crate) fn codes(&self, lock: &LockId, around: &Around<'_>) -> Option<CodesView> {
        let mirror = self.mirrors.get(lock)?;
        let gone = |other: &&Mirror| other.record.gone.is_some() && mirror.record.gone.is_none();
        let known = around.devices.locks.get(lock);
        let battery = known.is_some_and(|lock| lock.view.description.lock.codes.battery);
        let blank = |slot: &&Slot| slot.record.holder != Holder::Nobody;
        Some(CodesView {
            lock: lock.clone(),
            name: known.map_or_else(|| mirror.record.name.clone(), |lock| lock.view.name.clone()),
            gone: mirror.record.gone,
            slots: mirror
                .slots
                .values()
                .filter(blank)
                .map(|slot| mirror.slot_view(slot, self))
                .collect(),
            left_out: self.left_out(mirror),
            read_at: mirror.record.read_at,
            emptied: mirror.record.emptied,
            could_replace: self
                .mirrors
                .values()
                .filter(gone)
                .map(|other| other.record.lock.clone())
                .collect(),
            frames: FramesView {
                per_day: battery.then_some(FRAMES_PER_DAY),
                left: u32::try_from(mirror.record.frames_left).unwrap_or(0),
                total: mirror.record.frames_total,
            },
        })
    }

    /// Who has no slot and why, as people wait for it.
    fn left_out(&self, mirror: &Mirror) -> Vec<LeftOut> {
        let active = |left: &&LeftOut| {
            let credential = self.credentials.get(&left.credential);
            credential.is_some_and(|credential| credential.standing != Standing::Removed)
        };
        mirror.plan.left_out.iter().filter(active).cloned().collect()
    }

    pub(crate) fn all_codes(&self, around: &Around<'_>) -> Vec<CodesView> {
        let locks = self.mirrors.keys();
        locks.filter_map(|lock| self.codes(lock, around)).collect()
    }
}

impl Mirror {
    fn slot_view(&self, slot: &Slot, keeper: &Keeper) -> SlotView {
        let record = &slot.record;
        let goal = self.plan.goal(record.key).filter(|goal| goal.now);
        let wanted = goal.and_then(|goal| {
            let credential = keeper.credentials.get(&goal.credential)?;
            let person = keeper.people.get(&credential.person)?;
            Some(WantedView {
                credential: credential.id.clone(),
                person: person.id.clone(),
                name: person.name.clone(),
                schedule: goal.kept.lock.clone(),
                kept_by: goal.kept.by(),
            })
        });
        let consistent = record
            .confirmed
            .as_ref()
            .filter(|(written, _)| is_consistent(record, written));
        SlotView {
            key: record.key,
            holder: match record.holder {
                Holder::Nobody => HolderView::Nobody,
                Holder::Ours(_) => HolderView::Ours,
                Holder::Foreign { ignored: false } => HolderView::Foreign,
                Holder::Foreign { ignored: true } => HolderView::Ignored,
                Holder::Condemned => HolderView::Condemned,
            },
            credential: slot.credential().cloned(),
            wanted,
            reported: match record.reported.as_ref().map(|reported| &reported.value) {
                None | Some(SlotContent::Unknown) => ReportedAs::Unknown,
                Some(SlotContent::Empty) => ReportedAs::Empty,
                Some(SlotContent::Pin { .. }) => ReportedAs::Shown,
                Some(SlotContent::Hidden { .. }) => ReportedAs::Hidden,
            },
            reported_at: record.reported.as_ref().map(|reported| reported.at),
            confirmed: consistent.map(|(written, proof)| (written.at, *proof)),
            tried: record.tried.clone().map(|(at, failure)| TryView { at, failure }),
            pending: self.pending(record.key, record.pending_since, record.failures),
        }
    }

    fn pending(&self, key: SlotKey, since: Option<UnixMillis>, failures: u32) -> Option<PendingView> {
        let since = since?;
        let blocked = self.blocked.iter().find(|(task, _)| task.act.key() == Some(key));
        let what = self.purpose(key, self.step_at(key, &self.blocked));
        let why = if self.is_at(key) {
            Why::InProgress
        } else if let Some((_, why)) = blocked {
            why.clone()
        } else {
            let waiting = self.plan.waiting.get(&key).filter(|why| is_unrest(why));
            waiting.cloned().unwrap_or(Why::Queued)
        };
        Some(PendingView {
            what,
            since,
            failures,
            why,
        })
    }
}
