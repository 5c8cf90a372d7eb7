//! What people decide about slots, locks and emergencies.

use std::collections::BTreeSet;

use hubd_model::{
    CredentialId, IncidentId, LockId, LockSchedule, Millis, PersonId, SlotContent, SlotKey, UnixMillis,
    Usage, WallTime,
};

use super::event::{Change, CredentialsEvent};
use super::plan::{is_clean, is_empty, is_occupied};
use super::record::{Credential, EnabledFor, Generation, Holder, Means, Proof, Standing, Written};
use super::request::{CredentialsAnswer, CredentialsRefusal};
use super::requests::LABEL_CHARS_MAX;
use super::{Around, Keeper, plan, tell, telling};
use crate::outbox::Outbox;

/// An emergency code that a person enables works no longer than this.
pub(crate) const ENABLED_MAX: Millis = Millis::from_secs(24 * 3_600);
/// An emergency code for which no new PIN was found is tried again after this.
pub(super) const REDRAW_AFTER: Millis = Millis::from_secs(3_600);

type Outcome = Result<CredentialsAnswer, CredentialsRefusal>;

impl Keeper {
    /// Lets a lock learn a tag or finger.
    pub(super) fn enrol(
        &mut self,
        id: &CredentialId,
        lock: &LockId,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        let credential = self.find_credential(id)?;
        let Means::Enrolled(kind) = credential.means else {
            return Err(CredentialsRefusal::NotEnrolled(id.clone()));
        };
        if !matches!(credential.standing, Standing::Ready) {
            return Err(CredentialsRefusal::NotInUse(id.clone()));
        }
        let (person, generation) = (credential.person.clone(), credential.generation);
        let device = around.devices.locks.get(lock);
        let (Some(device), Some(mirror)) = (device, self.mirrors.get_mut(lock)) else {
            return Err(CredentialsRefusal::NoSuchLock(lock.clone()));
        };
        let capabilities = &device.view.description.lock.codes;
        let capacity = plan::capacity(capabilities, kind);
        if capacity == 0 {
            return Err(CredentialsRefusal::not_kept(lock, capabilities, kind));
        }
        if mirror.record.read_at.is_none() {
            return Err(CredentialsRefusal::NotReadYet(lock.clone()));
        }
        let held = mirror.slots.values().find(|slot| slot.credential() == Some(id));
        let key = held.map(|slot| slot.record.key).or_else(|| {
            (1..=capacity).find_map(|number| {
                let key = SlotKey {
                    kind,
                    slot: hubd_model::CodeSlot::new(number)?,
                };
                let free = mirror
                    .slots
                    .get(&key)
                    .is_none_or(|slot| slot.record.holder == Holder::Nobody && !is_occupied(&slot.record));
                // Whether it is free still is seen before the lock learns.
                free.then_some(key)
            })
        });
        let key = key.ok_or_else(|| CredentialsRefusal::NoFreeSlot {
            lock: lock.clone(),
            kind: kind.as_str(),
        })?;
        let event = CredentialsEvent::SlotPending {
            key,
            credential: Some(id.clone()),
            person: Some(person),
            what: "enrol",
        };
        let seq = tell(lock, event, out);
        let written = Written {
            generation,
            pin: None,
            schedule: LockSchedule::default(),
            at: around.at(),
        };
        mirror.want_enrol(key, id, written, seq, around.now.mono);
        if let Some(credential) = self.credentials.get_mut(id) {
            credential.locks.insert(lock.clone());
        }
        self.touch(id);
        Ok(CredentialsAnswer::Done)
    }

    /// A lock learnt nothing: the slot is free again.
    pub(super) fn not_enrolled(&mut self, lock: &LockId, key: SlotKey, reason: String, out: &mut Outbox) {
        let Some(mirror) = self.mirrors.get_mut(lock) else {
            return;
        };
        let about = mirror.about(key, &self.credentials);
        let slot = mirror.slot_mut(key);
        slot.pending = None;
        slot.change().pending_since = None;
        telling::tell_not_enrolled(key, about, reason, lock, out);
    }

    /// Makes a foreign code somebody's.
    #[expect(
        clippy::too_many_arguments,
        reason = "a request's fields, and the surroundings"
    )]
    pub(super) fn adopt(
        &mut self,
        lock: &LockId,
        key: SlotKey,
        person: &PersonId,
        label: &str,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        self.find_person(person)?;
        if label.chars().count() > LABEL_CHARS_MAX || label.chars().any(char::is_control) {
            return Err(CredentialsRefusal::BadLabel);
        }
        let id = self.new_credential_id(out)?;
        let slot = self.foreign(lock, key)?;
        let shown = match slot.record.reported.as_ref().map(|reported| &reported.value) {
            Some(SlotContent::Pin { pin, .. }) => Some(pin.clone()),
            None | Some(SlotContent::Unknown | SlotContent::Empty | SlotContent::Hidden { .. }) => None,
        };
        let means = match &shown {
            Some(pin) => Means::Pin(pin.clone()),
            None => Means::Enrolled(key.kind),
        };
        let credential = Credential {
            id: id.clone(),
            person: person.clone(),
            label: label.to_owned(),
            means,
            usage: Usage::Daily,
            schedule: hubd_model::Schedule::default(),
            uses_left: None,
            locks: BTreeSet::from([lock.clone()]),
            standing: Standing::Ready,
            phase: None,
            created_at: around.at(),
            rotated_at: around.at(),
            generation: Generation::default(),
        };
        self.credentials.insert(id.clone(), credential);
        self.changed(&id, Change::Adopted, Some(by), out);
        let generation = self.credentials.get(&id).map(|credential| credential.generation);
        let proof = if shown.is_some() {
            Proof::Read
        } else {
            Proof::Vouched
        };
        let slot = self.foreign(lock, key)?;
        let schedule = slot.record.reported_schedule.clone().unwrap_or_default();
        let record = slot.change();
        record.holder = Holder::Ours(id.clone());
        record.confirmed = Some((
            Written {
                generation: generation.unwrap_or_default(),
                pin: shown,
                schedule,
                at: around.at(),
            },
            proof,
        ));
        self.touch(&id);
        self.shown(&id, None, around)
    }

    /// Leaves a foreign code alone, or clears it.
    pub(super) fn decide(
        &mut self,
        lock: &LockId,
        key: SlotKey,
        clear: bool,
        by: &str,
        out: &mut Outbox,
    ) -> Outcome {
        let slot = self.foreign(lock, key)?;
        slot.change().holder = if clear {
            Holder::Condemned
        } else {
            Holder::Foreign { ignored: true }
        };
        let event = CredentialsEvent::ForeignDecided {
            key,
            decision: if clear { "clear" } else { "ignored" },
            by: by.to_owned(),
        };
        tell(lock, event, out);
        if let Some(mirror) = self.mirrors.get_mut(lock) {
            mirror.touch();
        }
        Ok(CredentialsAnswer::Done)
    }

    fn foreign(
        &mut self,
        lock: &LockId,
        key: SlotKey,
    ) -> Result<&mut super::mirror::Slot, CredentialsRefusal> {
        let mirror = self.mirrors.get_mut(lock);
        let mirror = mirror.ok_or_else(|| CredentialsRefusal::NoSuchLock(lock.clone()))?;
        let slot = mirror.slots.get_mut(&key);
        slot.filter(|slot| matches!(slot.record.holder, Holder::Foreign { .. }))
            .ok_or_else(|| CredentialsRefusal::NotForeign {
                lock: lock.clone(),
                key,
            })
    }

    /// Fills a lock that lost its codes, or one that takes the place of another.
    pub(super) fn refill(
        &mut self,
        lock: &LockId,
        from: Option<&LockId>,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        let mirror = self.mirrors.get_mut(lock);
        let mirror = mirror.ok_or_else(|| CredentialsRefusal::NoSuchLock(lock.clone()))?;
        if mirror.record.gone.is_some() {
            return Err(CredentialsRefusal::NoSuchLock(lock.clone()));
        }
        match from {
            None if mirror.record.emptied.is_none() => {
                return Err(CredentialsRefusal::NothingToRefill(lock.clone()));
            }
            None => {}
            Some(from) => {
                if mirror.record.read_at.is_none() {
                    mirror.read_asked = true;
                    mirror.touch();
                    return Err(CredentialsRefusal::NotReadYet(lock.clone()));
                }
                self.check_gone(from)?;
            }
        }
        if let Some(mirror) = self.mirrors.get_mut(lock) {
            mirror.change().emptied = None;
        }
        let event = CredentialsEvent::LockRefilled {
            from: from.cloned(),
            by: by.to_owned(),
        };
        let seq = tell(lock, event, out);
        if let Some(from) = from {
            self.move_slots(from, lock, out);
            self.move_credentials(from, Some(lock), Generation(seq));
        }
        Ok(CredentialsAnswer::Done)
    }

    /// Gives up a lock that is gone.
    pub(super) fn forget_lock(&mut self, lock: &LockId, by: &str, out: &mut Outbox) -> Outcome {
        self.check_gone(lock)?;
        let held = self.mirrors.get(lock).map_or(0, |mirror| {
            let slots = mirror.slots.values();
            slots
                .filter(|slot| !is_clean(&slot.record) && !is_empty(&slot.record))
                .count()
        });
        let event = CredentialsEvent::LockForgotten {
            lock: lock.clone(),
            codes: u32::try_from(held).unwrap_or(u32::MAX),
            by: by.to_owned(),
        };
        let seq = tell(lock, event, out);
        self.drop_mirror(lock, out);
        self.move_credentials(lock, None, Generation(seq));
        self.forget_removed(out);
        Ok(CredentialsAnswer::Done)
    }

    fn check_gone(&self, lock: &LockId) -> Result<(), CredentialsRefusal> {
        let mirror = self.mirrors.get(lock);
        let mirror = mirror.ok_or_else(|| CredentialsRefusal::NoSuchLock(lock.clone()))?;
        if mirror.record.gone.is_none() {
            return Err(CredentialsRefusal::NotGone(lock.clone()));
        }
        Ok(())
    }

    fn move_credentials(&mut self, from: &LockId, to: Option<&LockId>, generation: Generation) {
        let mut moved = Vec::new();
        for credential in self.credentials.values_mut() {
            if credential.locks.remove(from) {
                credential.locks.extend(to.cloned());
                credential.generation = generation;
                moved.push(credential.id.clone());
            }
        }
        for id in moved {
            self.touch(&id);
        }
    }

    /// What the old lock is known to have held is known of the new one where that shows the same: it is the same lock,
    /// included again, or one that was set up with the same codes.
    fn move_slots(&mut self, from: &LockId, to: &LockId, out: &mut Outbox) {
        let Some(old) = self.mirrors.get_mut(from) else {
            return;
        };
        let model = old.record.model.clone();
        let slots = std::mem::take(&mut old.slots);
        let keys: Vec<SlotKey> = slots.keys().copied().collect();
        for key in keys {
            out.forget_intent(crate::output::RecordKey::Credentials(
                super::record::CredentialsKey::Slot(from.clone(), key),
            ));
        }
        self.drop_mirror(from, out);
        let Some(new) = self.mirrors.get_mut(to) else {
            return;
        };
        let same_model = new.record.model == model;
        for (key, slot) in slots {
            let before = slot.record;
            if !matches!(before.holder, Holder::Ours(_)) || is_clean(&before) {
                continue;
            }
            let there = new.slot_mut(key);
            let taken = !matches!(there.record.holder, Holder::Foreign { .. } | Holder::Nobody);
            let written = || {
                let confirmed = before.confirmed.iter().map(|(written, _)| written);
                confirmed.chain(&before.attempts)
            };
            let ours = match there.record.reported.as_ref().map(|reported| &reported.value) {
                Some(SlotContent::Pin { pin, .. }) => {
                    written().any(|written| written.pin.as_ref() == Some(pin))
                }
                Some(SlotContent::Hidden { .. }) => same_model,
                None | Some(SlotContent::Unknown | SlotContent::Empty) => false,
            };
            if ours && !taken {
                let record = there.change();
                record.holder = before.holder;
                record.confirmed = before.confirmed;
                record.attempts = before.attempts;
            }
        }
        new.touch();
    }

    /// Makes an emergency code work because a person says so.
    pub(super) fn enable(
        &mut self,
        id: &CredentialId,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        let credential = self.find_credential(id)?;
        if credential.usage != Usage::Emergency {
            return Err(CredentialsRefusal::NotEmergency(id.clone()));
        }
        match credential.standing {
            Standing::Ready | Standing::Withheld(_) => {
                let until = i64::try_from(ENABLED_MAX.0).unwrap_or(i64::MAX);
                let cause = EnabledFor::Person {
                    by: by.to_owned(),
                    until: UnixMillis(around.at().0.saturating_add(until)),
                };
                self.stand(id, enabled(cause, around), Change::Enabled, Some(by), out);
            }
            Standing::Enabled { .. } => {}
            Standing::UsedUp | Standing::Removed => return Err(CredentialsRefusal::NotInUse(id.clone())),
        }
        self.shown(id, None, around)
    }

    /// Makes an emergency code work no more.
    pub(super) fn disable(
        &mut self,
        id: &CredentialId,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        if self.find_credential(id)?.usage != Usage::Emergency {
            return Err(CredentialsRefusal::NotEmergency(id.clone()));
        }
        self.end_enabled(id, Some(by), around, out);
        if let (Some(incident), Some(credential)) = (self.emergency.clone(), self.credentials.get_mut(id))
            && credential.standing == Standing::Ready
        {
            credential.standing = Standing::Withheld(incident);
            self.changed_credentials.insert(id.clone());
        }
        self.shown(id, None, around)
    }

    /// The incident in which doors are released, as it was told last.
    pub(crate) const fn emergency(&self) -> Option<&IncidentId> {
        self.emergency.as_ref()
    }

    /// Doors are released in this incident, or in none. Codes that another incident enabled work no more, and those of
    /// them that were used get new PINs; in an incident every emergency code works until it is over, but for those that a
    /// person disabled in it.
    pub(crate) fn follow_incident(
        &mut self,
        incident: Option<&IncidentId>,
        around: &Around<'_>,
        out: &mut Outbox,
    ) {
        let over = |credential: &&Credential| match &credential.standing {
            Standing::Enabled {
                cause: EnabledFor::Incident(other),
                ..
            } => Some(other) != incident,
            Standing::Enabled {
                cause: EnabledFor::Person { .. },
                ..
            }
            | Standing::Ready
            | Standing::Withheld(_)
            | Standing::UsedUp
            | Standing::Removed => false,
        };
        let over: Vec<CredentialId> = self
            .credentials
            .values()
            .filter(over)
            .map(|credential| credential.id.clone())
            .collect();
        for id in over {
            self.end_enabled(&id, None, around, out);
        }
        self.emergency = incident.cloned();
        for credential in self.credentials.values_mut() {
            if matches!(&credential.standing, Standing::Withheld(other) if Some(other) != incident) {
                credential.standing = Standing::Ready;
                self.changed_credentials.insert(credential.id.clone());
            }
        }
        let Some(incident) = incident else { return };
        let ready: Vec<CredentialId> = self
            .credentials
            .values()
            .filter(|credential| {
                credential.usage == Usage::Emergency && credential.standing == Standing::Ready
            })
            .map(|credential| credential.id.clone())
            .collect();
        for id in ready {
            let cause = EnabledFor::Incident(incident.clone());
            self.stand(&id, enabled(cause, around), Change::Enabled, None, out);
        }
    }

    /// Ends emergency codes that a person enabled long ago. While the date is unknown nothing ends by it.
    pub(super) fn end_emergencies(&mut self, around: &Around<'_>, out: &mut Outbox) {
        let WallTime::Synced(at) = around.now.wall else {
            return;
        };
        let over = |credential: &&Credential| match &credential.standing {
            Standing::Enabled {
                cause: EnabledFor::Person { until, .. },
                ..
            } => *until <= at,
            Standing::Enabled {
                cause: EnabledFor::Incident(_),
                ..
            }
            | Standing::Ready
            | Standing::Withheld(_)
            | Standing::UsedUp
            | Standing::Removed => false,
        };
        let over: Vec<CredentialId> = self
            .credentials
            .values()
            .filter(over)
            .map(|credential| credential.id.clone())
            .collect();
        for id in over {
            self.end_enabled(&id, None, around, out);
        }
    }

    fn end_enabled(&mut self, id: &CredentialId, by: Option<&str>, around: &Around<'_>, out: &mut Outbox) {
        let Some(credential) = self.credentials.get(id) else {
            return;
        };
        let Standing::Enabled { used, .. } = credential.standing else {
            return;
        };
        self.stand(id, Standing::Ready, Change::Disabled, by, out);
        if !used {
            return;
        }
        if !self.replace(id, around, out) {
            self.stand(id, Standing::UsedUp, Change::NotReplaced, None, out);
            self.redraw_at = Some(around.now.mono + REDRAW_AFTER);
        }
    }

    /// Gives an emergency code that was used a new PIN: whoever used it knows it. Says whether one was found.
    fn replace(&mut self, id: &CredentialId, around: &Around<'_>, out: &mut Outbox) -> bool {
        let Some(credential) = self.credentials.get(id) else {
            return true;
        };
        let Means::Pin(old) = &credential.means else {
            return true;
        };
        let (digits, locks) = (u8::try_from(old.digits()).ok(), credential.locks.clone());
        let drawn = self
            .draw(&locks, digits, around)
            .or_else(|_| self.draw(&locks, None, around));
        let Ok(pin) = drawn else { return false };
        if let Some(credential) = self.credentials.get_mut(id) {
            credential.means = Means::Pin(pin);
            credential.rotated_at = around.at();
            credential.standing = Standing::Ready;
        }
        self.changed(id, Change::Replaced, None, out);
        true
    }

    /// Tries again to replace emergency codes for which no new PIN was found: now and then, and when people changed
    /// something. Not while doors are released: what works in an incident is decided at its beginning.
    pub(super) fn replace_later(&mut self, around: &Around<'_>, out: &mut Outbox) {
        let Some(at) = self.redraw_at.filter(|_| self.emergency.is_none()) else {
            return;
        };
        let next = around.now.mono + REDRAW_AFTER;
        let tried_now = at == next;
        if around.now.mono < at && (tried_now || self.changed_credentials.is_empty()) {
            return;
        }
        let waiting = self
            .credentials
            .values()
            .filter(|credential| credential.awaits_pin());
        let waiting: Vec<CredentialId> = waiting.map(|credential| credential.id.clone()).collect();
        let mut left = false;
        for id in waiting {
            left |= !self.replace(&id, around, out);
        }
        self.redraw_at = left.then_some(next);
    }

    fn stand(
        &mut self,
        id: &CredentialId,
        standing: Standing,
        change: Change,
        by: Option<&str>,
        out: &mut Outbox,
    ) {
        if let Some(credential) = self.credentials.get_mut(id) {
            credential.standing = standing;
        }
        self.changed(id, change, by, out);
    }
}

fn enabled(cause: EnabledFor, around: &Around<'_>) -> Standing {
    Standing::Enabled {
        cause,
        since: around.at(),
        used: false,
    }
}
