//! Who opened a door, and what that uses up.

use hubd_model::{
    BoltState, CredentialId, CredentialKind, LockId, PersonId, SlotKey, Source, UnixMillis, Via,
};

use super::event::{Change, CredentialsEvent};
use super::record::{Credential, Means, Standing};
use super::{Keeper, tell};
use crate::outbox::Outbox;

impl Keeper {
    /// Whose credential moved a bolt, when the lock named a slot that is known to be theirs.
    pub(crate) fn who(&self, lock: &LockId, via: &Via) -> Option<PersonId> {
        let credential = self.credential_in(lock, via)?;
        Some(credential.person.clone())
    }

    /// The same for a movement of an unknown time since `since`: only when nothing was written to the slot after that.
    pub(crate) fn who_since(&self, lock: &LockId, via: &Via, since: UnixMillis) -> Option<PersonId> {
        let key = SlotKey {
            kind: kind_of(via.source)?,
            slot: via.slot?,
        };
        let kept = self.mirrors.get(lock)?.is_as_since(key, since);
        self.who(lock, via).filter(|_| kept)
    }

    /// A bolt was moved, and it is in the journal.
    pub(crate) fn moved(&mut self, lock: &LockId, bolt: BoltState, via: &Via, out: &mut Outbox) {
        let opened = match bolt {
            BoltState::Unlocked | BoltState::Unlatched => true,
            BoltState::Locked | BoltState::NotFullyLocked | BoltState::Jammed | BoltState::Unknown => false,
        };
        let Some(credential) = self.credential_in(lock, via).filter(|_| opened) else {
            return;
        };
        let (id, person) = (credential.id.clone(), credential.person.clone());
        if is_misuse(credential, lock) {
            let event = CredentialsEvent::CredentialMisused {
                credential: id,
                person,
            };
            tell(lock, event, out);
            return;
        }
        if credential.uses_left.is_none() && !matches!(credential.standing, Standing::Enabled { .. }) {
            return;
        }
        let Some(credential) = self.credentials.get_mut(&id) else {
            return;
        };
        if let Standing::Enabled { used, .. } = &mut credential.standing {
            *used = true;
        }
        let left = credential.uses_left.map(|left| left.saturating_sub(1));
        credential.uses_left = left;
        if left == Some(0) {
            credential.standing = Standing::UsedUp;
        }
        let event = CredentialsEvent::CredentialUsed {
            credential: id.clone(),
            person,
            uses_left: left,
        };
        tell(lock, event, out);
        self.changed_credentials.insert(id.clone());
        if left == Some(0) {
            self.changed(&id, Change::UsedUp, None, out);
        }
    }

    fn credential_in(&self, lock: &LockId, via: &Via) -> Option<&Credential> {
        let key = SlotKey {
            kind: kind_of(via.source)?,
            slot: via.slot?,
        };
        let id: &CredentialId = self.mirrors.get(lock)?.opener(key)?;
        self.credentials.get(id)
    }
}

/// Whether a credential opened a door that it shall not open.
fn is_misuse(credential: &Credential, lock: &LockId) -> bool {
    match &credential.standing {
        Standing::Removed | Standing::UsedUp => true,
        Standing::Ready | Standing::Withheld(_) => {
            let prepared = credential.usage == hubd_model::Usage::Emergency;
            !credential.locks.contains(lock) || prepared && matches!(credential.means, Means::Pin(_))
        }
        Standing::Enabled { .. } => !credential.locks.contains(lock),
    }
}

const fn kind_of(source: Source) -> Option<CredentialKind> {
    match source {
        Source::Keypad => Some(CredentialKind::Pin),
        Source::Rfid => Some(CredentialKind::Rfid),
        Source::Fingerprint => Some(CredentialKind::Fingerprint),
        Source::Manual | Source::Remote | Source::Auto | Source::Schedule | Source::Unknown => None,
    }
}
