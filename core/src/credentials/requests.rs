//! Requests about people and credentials: each is checked wholly before anything changes.

use hubd_model::{CredentialId, LockId, PersonId, SlotKey};

use super::event::{Change, CredentialsEvent};
use super::record::{Credential, Means, Person, Standing};
use super::request::{CredentialsAnswer, CredentialsRefusal, CredentialsRequest};
use super::{Around, Keeper};
use crate::event::Event;
use crate::input::{Answer, Refusal};
use crate::outbox::Outbox;

/// How many people there may be.
pub(crate) const PEOPLE_MAX: usize = 500;
/// How many credentials there may be: 250 on each of 20 locks.
pub(crate) const CREDENTIALS_MAX: usize = 5_000;
/// How many characters a label has at most.
pub(crate) const LABEL_CHARS_MAX: usize = 64;

/// What a request comes to: the answer, and whether something changed that is to be on disk before it is told.
type Outcome = Result<CredentialsAnswer, CredentialsRefusal>;

impl Keeper {
    /// Answers a request.
    pub(crate) fn request(
        &mut self,
        what: CredentialsRequest,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Result<Answer, Refusal> {
        let before = out.next_seq();
        let answer = self.do_request(what, by, around, out)?;
        let next = out.next_seq();
        Ok(Answer::Credentials {
            answer,
            recorded: (next > before).then(|| next.saturating_sub(1)),
        })
    }

    fn do_request(
        &mut self,
        what: CredentialsRequest,
        by: &str,
        around: &Around<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        match what {
            CredentialsRequest::AddPerson(new) => self.add_person(&new, by, around, out),
            CredentialsRequest::ChangePerson { person, patch } => {
                self.change_person(&person, patch, by, around, out)
            }
            CredentialsRequest::RemovePerson { person } => self.remove_person(&person, by, out),
            CredentialsRequest::AddCredential(new) => self.add_credential(new, by, around, out),
            CredentialsRequest::ChangeCredential { credential, patch } => {
                self.change_credential(&credential, patch, by, around, out)
            }
            CredentialsRequest::RemoveCredential { credential } => {
                self.find_credential(&credential)?;
                self.revoke(&credential, by, out);
                Ok(CredentialsAnswer::Done)
            }
            CredentialsRequest::Assign { credential, lock } => {
                let mut locks = self.find_credential(&credential)?.locks.clone();
                locks.insert(lock);
                self.assign(&credential, locks, by, around, out)
            }
            CredentialsRequest::Unassign { credential, lock } => {
                let mut locks = self.find_credential(&credential)?.locks.clone();
                locks.remove(&lock);
                self.assign(&credential, locks, by, around, out)
            }
            CredentialsRequest::Rotate { credential, pin } => self.rotate(&credential, pin, by, around, out),
            CredentialsRequest::GeneratePin { locks, digits } => {
                for lock in &locks {
                    self.known_lock(lock, around)?;
                }
                let pin = self.draw(&locks, digits, around)?;
                Ok(CredentialsAnswer::Pin(pin))
            }
            CredentialsRequest::Reveal { credential } => self.reveal(&credential, by, out),
            CredentialsRequest::Enrol { credential, lock } => self.enrol(&credential, &lock, around, out),
            CredentialsRequest::Adopt {
                lock,
                key,
                person,
                label,
            } => self.adopt(&lock, key, &person, &label, by, around, out),
            CredentialsRequest::Ignore { lock, key } => self.decide(&lock, key, false, by, out),
            CredentialsRequest::ClearForeign { lock, key } => self.decide(&lock, key, true, by, out),
            CredentialsRequest::Refill { lock, from } => self.refill(&lock, from.as_ref(), by, around, out),
            CredentialsRequest::ForgetLock { lock } => self.forget_lock(&lock, by, out),
            CredentialsRequest::EnableEmergency { credential } => self.enable(&credential, by, around, out),
            CredentialsRequest::DisableEmergency { credential } => self.disable(&credential, by, around, out),
            CredentialsRequest::RetrySlot { lock, key } => self.retry_slot(&lock, key, around),
            CredentialsRequest::ReadLock { lock } => {
                let mirror = self.mirrors.get_mut(&lock);
                let mirror = mirror.ok_or(CredentialsRefusal::NoSuchLock(lock))?;
                mirror.read_asked = true;
                mirror.touch();
                Ok(CredentialsAnswer::Done)
            }
        }
    }

    fn retry_slot(&mut self, lock: &LockId, key: SlotKey, around: &Around<'_>) -> Outcome {
        let mirror = self.mirrors.get_mut(lock);
        let mirror = mirror.ok_or_else(|| CredentialsRefusal::NoSuchLock(lock.clone()))?;
        if !mirror.slots.contains_key(&key) {
            return Err(CredentialsRefusal::NoSuchSlot {
                lock: lock.clone(),
                key,
            });
        }
        mirror.retry(key, around.now.mono);
        Ok(CredentialsAnswer::Done)
    }

    fn reveal(&mut self, id: &CredentialId, by: &str, out: &mut Outbox) -> Outcome {
        let credential = self.find_credential(id)?;
        let Means::Pin(pin) = &credential.means else {
            return Err(CredentialsRefusal::NoPin(id.clone()));
        };
        let pin = pin.clone();
        let event = CredentialsEvent::CredentialRevealed {
            credential: id.clone(),
            person: credential.person.clone(),
            by: by.to_owned(),
        };
        out.journal(None, Event::Credentials(event));
        Ok(CredentialsAnswer::Pin(pin))
    }

    /// A person who is not removed.
    pub(super) fn find_person(&self, id: &PersonId) -> Result<&Person, CredentialsRefusal> {
        let person = self.people.get(id).filter(|person| !person.removed);
        person.ok_or_else(|| CredentialsRefusal::NoSuchPerson(id.clone()))
    }

    /// A credential that is not removed.
    pub(super) fn find_credential(&self, id: &CredentialId) -> Result<&Credential, CredentialsRefusal> {
        let credential = self.credentials.get(id);
        credential
            .filter(|credential| credential.standing != Standing::Removed)
            .ok_or_else(|| CredentialsRefusal::NoSuchCredential(id.clone()))
    }

    /// Whether a lock is a device, or one that is gone and not given up.
    pub(super) fn known_lock(&self, lock: &LockId, around: &Around<'_>) -> Result<(), CredentialsRefusal> {
        if around.devices.locks.contains_key(lock) || self.mirrors.contains_key(lock) {
            Ok(())
        } else {
            Err(CredentialsRefusal::NoSuchLock(lock.clone()))
        }
    }

    /// The answer that shows a credential.
    pub(super) fn shown(
        &self,
        id: &CredentialId,
        pin: Option<hubd_model::Pin>,
        around: &Around<'_>,
    ) -> Outcome {
        let view = self.credential(id, around);
        let view = view.ok_or_else(|| CredentialsRefusal::NoSuchCredential(id.clone()))?;
        Ok(CredentialsAnswer::Credential {
            view: Box::new(view),
            pin,
        })
    }

    /// Intent that gives somebody access has to be on disk before a lock hears of it.
    pub(super) fn check_store(around: &Around<'_>) -> Result<(), CredentialsRefusal> {
        match around.store_failure {
            None => Ok(()),
            Some(reason) => Err(CredentialsRefusal::StoreFailing(reason.to_owned())),
        }
    }

    /// Marks a credential and every lock that has to do with it.
    pub(super) fn touch(&mut self, id: &CredentialId) {
        self.changed_credentials.insert(id.clone());
        let Some(credential) = self.credentials.get(id) else {
            return;
        };
        for (lock, mirror) in &mut self.mirrors {
            let there = mirror.slots.values().any(|slot| slot.credential() == Some(id));
            if there || credential.locks.contains(lock) {
                mirror.touch();
            }
        }
    }

    /// Journals a change of a credential and makes it its newest intent.
    pub(super) fn changed(&mut self, id: &CredentialId, change: Change, by: Option<&str>, out: &mut Outbox) {
        let Some(credential) = self.credentials.get_mut(id) else {
            return;
        };
        let event = CredentialsEvent::CredentialChanged {
            credential: id.clone(),
            person: credential.person.clone(),
            change,
            by: by.map(ToOwned::to_owned),
            due: None,
        };
        credential.generation.0 = out.journal(None, Event::Credentials(event));
        self.touch(id);
    }
}
