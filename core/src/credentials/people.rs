//! Adding, changing and removing people and credentials.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use hubd_model::{CredentialId, LockId, PersonId, Pin, Usage};

use super::event::{Change, CredentialsEvent};
use super::hygiene::{self, Weakness};
use super::mirror::Slot;
use super::record::{Credential, Generation, Means, Person, Standing};
use super::request::{
    CredentialPatch, CredentialsAnswer, CredentialsRefusal, NewCredential, NewMeans, NewPerson, Patch,
    PersonPatch,
};
use super::requests::{CREDENTIALS_MAX, LABEL_CHARS_MAX, PEOPLE_MAX};
use super::{Around, Keeper, hours, plan};
use crate::devices::parse_name;
use crate::event::Event;
use crate::outbox::Outbox;

/// How many digits the hub draws where every lock takes them.
const DIGITS: usize = 6;

type Outcome = Result<CredentialsAnswer, CredentialsRefusal>;

impl Keeper {
    pub(super) fn add_person(
        &mut self,
        new: &NewPerson,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        let name = parse_name(&new.name).ok_or(CredentialsRefusal::BadName)?;
        if self.people.len() >= PEOPLE_MAX {
            return Err(CredentialsRefusal::TooMany {
                what: "people",
                limit: PEOPLE_MAX,
            });
        }
        let id = PersonId::parse(&format!("person-{}", out.next_seq()))
            .map_err(|_| CredentialsRefusal::BadName)?;
        let person = Person {
            id: id.clone(),
            name,
            role: new.role,
            may_sign_in: new.may_sign_in,
            created_at: around.at(),
            removed: false,
        };
        self.people.insert(id.clone(), person);
        self.person_changed(&id, Change::Added, by, out);
        self.person_shown(&id)
    }

    pub(super) fn change_person(
        &mut self,
        id: &PersonId,
        patch: PersonPatch,
        by: &str,
        _around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        let mut person = self.find_person(id)?.clone();
        patch.name.apply(&mut person.name);
        patch.role.apply(&mut person.role);
        patch.may_sign_in.apply(&mut person.may_sign_in);
        person.name = parse_name(&person.name).ok_or(CredentialsRefusal::BadName)?;
        if self.people.get(id) != Some(&person) {
            self.people.insert(id.clone(), person);
            // Their name is on locks that keep names, and their role says who goes first.
            let theirs = self
                .credentials
                .values()
                .filter(|credential| credential.person == *id);
            let theirs: BTreeSet<&CredentialId> = theirs.map(|credential| &credential.id).collect();
            for (lock, mirror) in &mut self.mirrors {
                let holds = mirror
                    .slots
                    .values()
                    .filter_map(Slot::credential)
                    .any(|held| theirs.contains(held));
                let wanted = theirs.iter().filter_map(|held| self.credentials.get(*held));
                let wanted = wanted
                    .into_iter()
                    .any(|credential| credential.locks.contains(lock));
                if holds || wanted {
                    mirror.touch();
                }
            }
            self.person_changed(id, Change::Changed, by, out);
        }
        self.person_shown(id)
    }

    pub(super) fn remove_person(&mut self, id: &PersonId, by: &str, out: &mut Outbox) -> Outcome {
        self.find_person(id)?;
        let credentials = self.credentials.values();
        let theirs: Vec<CredentialId> = credentials
            .filter(|credential| credential.person == *id && credential.standing != Standing::Removed)
            .map(|credential| credential.id.clone())
            .collect();
        for credential in &theirs {
            self.revoke(credential, by, out);
        }
        self.person_changed(id, Change::Removed, by, out);
        if let Some(person) = self.people.get_mut(id) {
            person.removed = true;
        }
        // Whoever has nothing on a lock any more is forgotten now: no lock will say anything that it could follow from.
        self.forget_removed(out);
        Ok(CredentialsAnswer::Done)
    }

    fn person_changed(&mut self, id: &PersonId, change: Change, by: &str, out: &mut Outbox) {
        let Some(person) = self.people.get(id) else { return };
        let event = CredentialsEvent::PersonChanged {
            person: id.clone(),
            name: person.name.clone(),
            change,
            by: by.to_owned(),
        };
        out.journal(None, Event::Credentials(event));
        self.changed_people.insert(id.clone());
    }

    fn person_shown(&self, id: &PersonId) -> Outcome {
        let person = self.person(id);
        person
            .map(CredentialsAnswer::Person)
            .ok_or_else(|| CredentialsRefusal::NoSuchPerson(id.clone()))
    }

    pub(super) fn add_credential(
        &mut self,
        new: NewCredential,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        self.find_person(&new.person)?;
        let (means, drawn) = match new.means {
            NewMeans::Pin(pin) => (Means::Pin(pin), None),
            NewMeans::GeneratedPin { digits } => {
                for lock in &new.locks {
                    self.known_lock(lock, around)?;
                }
                let pin = self.draw(&new.locks, digits, around)?;
                (Means::Pin(pin.clone()), Some(pin))
            }
            NewMeans::Enrolled(kind) => (Means::Enrolled(kind), None),
            NewMeans::MechanicalKey(inventory) => (Means::MechanicalKey(inventory), None),
            NewMeans::Fob(inventory) => (Means::Fob(inventory), None),
        };
        let id = self.new_credential_id(out)?;
        let credential = Credential {
            id: id.clone(),
            person: new.person,
            label: new.label,
            means,
            usage: new.usage,
            schedule: new.schedule,
            uses_left: new.uses_left,
            locks: new.locks,
            standing: Standing::Ready,
            phase: None,
            created_at: around.at(),
            rotated_at: around.at(),
            generation: Generation::default(),
        };
        self.check(&credential, None, around)?;
        if let Means::Pin(pin) = &credential.means {
            self.check_pin(pin, &id, &credential.locks, around)?;
        }
        self.credentials.insert(id.clone(), credential);
        self.changed(&id, Change::Added, Some(by), out);
        self.shown(&id, drawn, around)
    }

    /// The id of the credential whose addition is journalled next.
    pub(super) fn new_credential_id(&self, out: &Outbox) -> Result<CredentialId, CredentialsRefusal> {
        let too_many = CredentialsRefusal::TooMany {
            what: "credentials",
            limit: CREDENTIALS_MAX,
        };
        if self.credentials.len() >= CREDENTIALS_MAX {
            return Err(too_many);
        }
        CredentialId::parse(&format!("credential-{}", out.next_seq())).map_err(|_| too_many)
    }

    pub(super) fn change_credential(
        &mut self,
        id: &CredentialId,
        patch: CredentialPatch,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        let before = self.find_credential(id)?.clone();
        let mut after = before.clone();
        if patch.uses_left == Patch::Set(Some(0)) {
            return Err(CredentialsRefusal::BadUses);
        }
        let refreshed = patch.uses_left.is_set();
        patch.label.apply(&mut after.label);
        patch.usage.apply(&mut after.usage);
        patch.schedule.from.apply(&mut after.schedule.from);
        patch.schedule.until.apply(&mut after.schedule.until);
        patch.schedule.weekly.apply(&mut after.schedule.weekly);
        patch.uses_left.apply(&mut after.uses_left);
        patch.locks.apply(&mut after.locks);
        if after.schedule != before.schedule {
            // What a person decides is no news: only what the time does from now on is told.
            after.phase = None;
        }
        match &mut after.means {
            Means::MechanicalKey(inventory) | Means::Fob(inventory) => patch.inventory.apply(inventory),
            Means::Pin(_) | Means::Enrolled(_) => {}
        }
        match after.standing {
            Standing::UsedUp if refreshed && !before.awaits_pin() => after.standing = Standing::Ready,
            // A code that becomes one for everyday use needs no enabling, and one that becomes one for emergencies is not.
            Standing::Enabled { .. } | Standing::Withheld(_) if after.usage != Usage::Emergency => {
                after.standing = Standing::Ready;
            }
            Standing::Ready
            | Standing::Withheld(_)
            | Standing::Enabled { .. }
            | Standing::UsedUp
            | Standing::Removed => {}
        }
        self.check(&after, Some(&before), around)?;
        if let Means::Pin(pin) = &after.means {
            let added = after.locks.difference(&before.locks).cloned().collect();
            Self::check_fit(pin, &added, around)?;
            self.check_free(pin, id, &added)?;
        }
        if after != before {
            self.touch(id);
            self.credentials.insert(id.clone(), after);
            self.changed(id, Change::Changed, Some(by), out);
        }
        self.shown(id, None, around)
    }

    pub(super) fn assign(
        &mut self,
        id: &CredentialId,
        locks: BTreeSet<LockId>,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        let taken = self.find_credential(id)?.locks.is_superset(&locks);
        if !taken {
            Self::check_store(around)?;
        }
        let patch = CredentialPatch {
            locks: Patch::Set(locks),
            ..CredentialPatch::default()
        };
        let working = Around {
            store_failure: None,
            ..*around
        };
        self.change_credential(id, patch, by, &working, out)
    }

    /// Takes a credential out of use. Its row stays until every lock is proven free of it.
    pub(super) fn revoke(&mut self, id: &CredentialId, by: &str, out: &mut Outbox) {
        if let Some(credential) = self.credentials.get_mut(id) {
            credential.standing = Standing::Removed;
        }
        self.changed(id, Change::Removed, Some(by), out);
        let held = self
            .mirrors
            .values()
            .any(|mirror| mirror.slots.values().any(|slot| slot.credential() == Some(id)));
        if !held {
            self.forget_removed(out);
        }
    }

    pub(super) fn rotate(
        &mut self,
        id: &CredentialId,
        pin: Option<Pin>,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        Self::check_store(around)?;
        let credential = self.find_credential(id)?;
        let Means::Pin(old) = &credential.means else {
            return Err(CredentialsRefusal::NoPin(id.clone()));
        };
        let (old, locks) = (old.clone(), credential.locks.clone());
        let (pin, drawn) = match pin {
            Some(pin) => (pin, None),
            None => {
                let pin = self.draw(
                    &locks,
                    Some(u8::try_from(old.digits()).unwrap_or(u8::MAX)),
                    around,
                );
                let pin = pin.or_else(|_| self.draw(&locks, None, around))?;
                (pin.clone(), Some(pin))
            }
        };
        self.check_pin(&pin, id, &locks, around)?;
        if let Some(credential) = self.credentials.get_mut(id)
            && pin != old
        {
            if credential.awaits_pin() {
                credential.standing = Standing::Ready;
            }
            credential.means = Means::Pin(pin);
            credential.rotated_at = around.at();
            self.changed(id, Change::Rotated, Some(by), out);
        }
        self.shown(id, drawn, around)
    }

    /// Checks everything about a credential but its PIN.
    fn check(
        &self,
        credential: &Credential,
        before: Option<&Credential>,
        around: &Around<'_>,
    ) -> Result<(), CredentialsRefusal> {
        let label = &credential.label;
        if label.chars().count() > LABEL_CHARS_MAX || label.chars().any(char::is_control) {
            return Err(CredentialsRefusal::BadLabel);
        }
        hours::check(&credential.schedule).map_err(CredentialsRefusal::BadSchedule)?;
        if credential.uses_left == Some(0) && before.is_none_or(|before| before.uses_left != Some(0)) {
            return Err(CredentialsRefusal::BadUses);
        }
        let limited = credential.uses_left.is_some() || !credential.schedule.is_always();
        match &credential.means {
            Means::Pin(_) => {}
            Means::Enrolled(_) => {
                let comes_and_goes =
                    credential.schedule.from.is_some() || !credential.schedule.weekly.is_empty();
                if comes_and_goes || credential.usage == Usage::Emergency {
                    return Err(CredentialsRefusal::NotRestrictable);
                }
            }
            // A key of metal opens at any time, and nobody counts it.
            Means::MechanicalKey(_) | Means::Fob(_) => {
                if limited || credential.usage == Usage::Emergency {
                    return Err(CredentialsRefusal::NotRestrictable);
                }
            }
        }
        for lock in &credential.locks {
            if before.is_some_and(|before| before.locks.contains(lock)) {
                continue;
            }
            self.known_lock(lock, around)?;
            let capabilities = around
                .devices
                .locks
                .get(lock)
                .map(|lock| &lock.view.description.lock.codes);
            let kind = credential.means.kind();
            if let (Some(kind), Some(capabilities)) = (kind, capabilities)
                && plan::kept(capabilities, kind) == 0
            {
                return Err(CredentialsRefusal::not_kept(lock, capabilities, kind));
            }
        }
        Ok(())
    }

    /// Checks that a PIN is good, fits its locks, and is nobody else's on any of them.
    fn check_pin(
        &self,
        pin: &Pin,
        id: &CredentialId,
        locks: &BTreeSet<LockId>,
        around: &Around<'_>,
    ) -> Result<(), CredentialsRefusal> {
        if let Some(weakness) = hygiene::weakness(pin) {
            return Err(CredentialsRefusal::WeakPin(weakness));
        }
        Self::check_fit(pin, locks, around)?;
        self.check_free(pin, id, locks)
    }

    fn check_fit(pin: &Pin, locks: &BTreeSet<LockId>, around: &Around<'_>) -> Result<(), CredentialsRefusal> {
        for lock in locks {
            let digits = digits_of(lock, around);
            if !digits.contains(&pin.digits()) {
                return Err(CredentialsRefusal::PinLength {
                    lock: lock.clone(),
                    min: u8::try_from(*digits.start()).unwrap_or(u8::MAX),
                    max: u8::try_from(*digits.end()).unwrap_or(u8::MAX),
                });
            }
        }
        Ok(())
    }

    /// Checks that a PIN is neither another's on these locks nor too near to another's.
    fn check_free(
        &self,
        pin: &Pin,
        id: &CredentialId,
        locks: &BTreeSet<LockId>,
    ) -> Result<(), CredentialsRefusal> {
        for (lock, other) in self.pins_on(locks, Some(id)) {
            if other == pin {
                return Err(CredentialsRefusal::PinInUse { lock: lock.clone() });
            }
            if hygiene::is_near(other, pin) {
                return Err(CredentialsRefusal::WeakPin(Weakness::NearAnother));
            }
        }
        Ok(())
    }

    /// The PINs that other credentials have on these locks, now or after they were enabled.
    fn pins_on<'a>(
        &'a self,
        locks: &'a BTreeSet<LockId>,
        but: Option<&'a CredentialId>,
    ) -> impl Iterator<Item = (&'a LockId, &'a Pin)> {
        let others = self
            .credentials
            .values()
            .filter(move |other| Some(&other.id) != but && other.standing != Standing::Removed);
        others.filter_map(|other| {
            let Means::Pin(pin) = &other.means else {
                return None;
            };
            let shared = other.locks.intersection(locks).next()?;
            Some((shared, pin))
        })
    }

    /// Draws a PIN that these locks take and that is not near another on any of them.
    pub(super) fn draw(
        &mut self,
        locks: &BTreeSet<LockId>,
        digits: Option<u8>,
        around: &Around<'_>,
    ) -> Result<Pin, CredentialsRefusal> {
        let mut common = Pin::DIGITS;
        for lock in locks {
            let taken = digits_of(lock, around);
            common = *common.start().max(taken.start())..=*common.end().min(taken.end());
        }
        if common.is_empty() {
            return Err(CredentialsRefusal::NoCommonLength);
        }
        let digits = match digits.map(usize::from) {
            Some(digits) if common.contains(&digits) => digits,
            Some(_) => return Err(CredentialsRefusal::NoCommonLength),
            None => DIGITS.clamp(*common.start(), *common.end()),
        };
        let mut chance = std::mem::take(&mut self.chance);
        let taken: Vec<&Pin> = self.pins_on(locks, None).map(|(_, pin)| pin).collect();
        let pin = hygiene::draw(&mut chance, digits, |pin| {
            !taken.iter().any(|other| hygiene::is_near(pin, other))
        });
        self.chance = chance;
        pin.ok_or(CredentialsRefusal::NoFreePin)
    }
}

/// How long PINs a lock takes. Of one that is gone or still being asked anything is believed.
fn digits_of(lock: &LockId, around: &Around<'_>) -> RangeInclusive<usize> {
    around.devices.locks.get(lock).map_or(Pin::DIGITS, |lock| {
        let codes = &lock.view.description.lock.codes;
        usize::from(codes.pin_digits_min)..=usize::from(codes.pin_digits_max)
    })
}
