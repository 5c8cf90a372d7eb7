//! People, what opens doors for them, and a mirror of every lock's slots that each lock is made to agree with.

pub mod chance;
pub mod event;
pub mod hygiene;
pub mod record;
pub mod request;
pub mod view;

use std::collections::BTreeMap;

use hubd_model::{CredentialId, Entropy, LockId, PersonId};

use chance::Chance;
use record::{Credential, CredentialsMemory, Means, MirrorRecord, Person};
use view::{CodesView, CredentialView, FramesView, PersonView};

/// People, credentials and the mirrors of the locks.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    people: BTreeMap<PersonId, Person>,
    credentials: BTreeMap<CredentialId, Credential>,
    mirrors: BTreeMap<LockId, MirrorRecord>,
    chance: Chance,
}

impl Keeper {
    /// Takes what the store remembers.
    pub(crate) fn restore(&mut self, memory: CredentialsMemory, entropy: Entropy) {
        self.chance = Chance::new(entropy);
        self.people = memory
            .people
            .into_iter()
            .map(|person| (person.id.clone(), person))
            .collect();
        self.mirrors = memory
            .mirrors
            .into_iter()
            .map(|mirror| (mirror.lock.clone(), mirror))
            .collect();
        self.credentials = memory
            .credentials
            .into_iter()
            .map(|credential| (credential.id.clone(), credential))
            .collect();
    }

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

    pub(crate) fn credentials(&self) -> Vec<CredentialView> {
        self.credentials
            .keys()
            .filter_map(|id| self.credential(id))
            .collect()
    }

    pub(crate) fn credential(&self, id: &CredentialId) -> Option<CredentialView> {
        let credential = self.credentials.get(id)?;
        let (digits, inventory) = match &credential.means {
            Means::Pin(pin) => (Some(pin.digits()), None),
            Means::Enrolled(_) => (None, None),
            Means::MechanicalKey(inventory) | Means::Fob(inventory) => (None, Some(inventory.clone())),
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
            expired: false,
            created_at: credential.created_at,
            rotated_at: credential.rotated_at,
            rotation_due: false,
            places: Vec::new(),
        })
    }

    pub(crate) fn codes(&self, lock: &LockId) -> Option<CodesView> {
        self.all_codes().into_iter().find(|codes| codes.lock == *lock)
    }

    pub(crate) fn all_codes(&self) -> Vec<CodesView> {
        self.mirrors
            .values()
            .map(|mirror| CodesView {
                lock: mirror.lock.clone(),
                name: mirror.name.clone(),
                gone: mirror.gone,
                slots: Vec::new(),
                left_out: Vec::new(),
                read_at: mirror.read_at,
                emptied: mirror.emptied,
                could_replace: Vec::new(),
                frames: FramesView {
                    per_day: None,
                    left: mirror.frames_left,
                    total: mirror.frames_total,
                },
            })
            .collect()
    }
}
