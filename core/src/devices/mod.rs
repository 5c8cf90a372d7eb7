//! The devices: who they are, what they reported, whether they answer.
//!
//! A device is known by its radio and its address there, and called by an id that survives restarts: `lock-N` or
//! `alarm-N`, where N is the number of the journal entry of its inclusion. No state is ever assumed: a field
//! changes only when the device (or, for its link, its radio) reported it.

pub(crate) mod alarm;
pub(crate) mod lock;
pub(crate) mod log;

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    AlarmId, DeviceAddress, DeviceDescription, DeviceKind, LinkState, LockId, Millis, MonoTime, RadioName,
    RemovalCause, UnixMillis,
};

use crate::event::Event;
use crate::outbox::{DeviceId, Outbox};
use crate::output::{DeviceRecord, Record, RecordKey};
use crate::view::Reported;
use alarm::Alarm;
use lock::Lock;

/// How many devices of one radio are kept.
pub(crate) const DEVICES_PER_RADIO_MAX: usize = 500;
/// How many characters a name has at most.
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// The same word again within this time is not journalled again.
pub(crate) const REPEAT_QUIET: Millis = Millis::from_secs(60);

/// What came of a device's announcement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// It is kept, or needs no keeping.
    Kept,
    /// The radio has more devices than are kept.
    TooMany,
}

/// Every device.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    pub(crate) locks: BTreeMap<LockId, Lock>,
    pub(crate) alarms: BTreeMap<AlarmId, Alarm>,
    by_address: BTreeMap<(RadioName, DeviceAddress), DeviceId>,
    changed_locks: BTreeSet<LockId>,
    changed_alarms: BTreeSet<AlarmId>,
}

impl Devices {
    /// Takes a device that the store remembers. Whether it answers has to be found out again.
    pub(crate) fn restore(&mut self, record: DeviceRecord, now: MonoTime) {
        match record {
            DeviceRecord::Lock(view) => {
                let place = (view.radio.clone(), view.address.clone());
                self.by_address.insert(place, DeviceId::Lock(view.id.clone()));
                self.locks.insert(view.id.clone(), Lock::restored(view, now));
            }
            DeviceRecord::Alarm(view) => {
                let place = (view.radio.clone(), view.address.clone());
                self.by_address.insert(place, DeviceId::Alarm(view.id.clone()));
                self.alarms.insert(view.id.clone(), Alarm::restored(view));
            }
        }
    }

    /// The id of a device.
    pub(crate) fn find(&self, radio: &RadioName, device: &DeviceAddress) -> Option<DeviceId> {
        self.by_address.get(&(radio.clone(), device.clone())).cloned()
    }

    /// A lock to be changed; its row is saved at the end of the mutation.
    pub(crate) fn lock_mut(&mut self, id: &LockId) -> Option<&mut Lock> {
        let lock = self.locks.get_mut(id)?;
        self.changed_locks.insert(id.clone());
        Some(lock)
    }

    /// A detector to be changed; its row is saved at the end of the mutation.
    pub(crate) fn alarm_mut(&mut self, id: &AlarmId) -> Option<&mut Alarm> {
        let alarm = self.alarms.get_mut(id)?;
        self.changed_alarms.insert(id.clone());
        Some(alarm)
    }

    /// A device was heard. This alone is not worth a row.
    pub(crate) fn heard(&mut self, id: &DeviceId, at: UnixMillis) {
        match id {
            DeviceId::Lock(id) => {
                if let Some(lock) = self.locks.get_mut(id) {
                    lock.view.last_heard = Some(at);
                }
            }
            DeviceId::Alarm(id) => {
                if let Some(alarm) = self.alarms.get_mut(id) {
                    alarm.view.last_heard = Some(at);
                }
            }
        }
    }

    /// A radio announces a device that is kept: what it is now. The answer says whether it is still the same
    /// device: one of another kind, or one that joined just now at the address of one that was known from before
    /// the hub started, is another.
    pub(crate) fn update(&mut self, id: &DeviceId, description: &DeviceDescription, fresh: bool) -> bool {
        let (kind, known, announced) = match id {
            DeviceId::Lock(id) => {
                let Some(lock) = self.locks.get_mut(id) else {
                    return false;
                };
                (DeviceKind::Lock, &mut lock.view.description, &mut lock.announced)
            }
            DeviceId::Alarm(id) => {
                let Some(alarm) = self.alarms.get_mut(id) else {
                    return false;
                };
                (
                    DeviceKind::Alarm,
                    &mut alarm.view.description,
                    &mut alarm.announced,
                )
            }
        };
        if kind != description.kind || (fresh && !*announced) {
            return false;
        }
        *announced = true;
        let description = DeviceDescription {
            lock: description.lock.clone().after(&known.lock),
            ..description.clone()
        };
        if *known != description {
            *known = description;
            match id {
                DeviceId::Lock(id) => self.changed_locks.insert(id.clone()),
                DeviceId::Alarm(id) => self.changed_alarms.insert(id.clone()),
            };
        }
        true
    }

    /// Keeps a device that was not known.
    pub(crate) fn include(
        &mut self,
        radio: &RadioName,
        device: DeviceAddress,
        description: DeviceDescription,
        fresh: bool,
        out: &mut Outbox,
    ) -> Announced {
        let included = Event::DeviceIncluded {
            radio: radio.clone(),
            kind: description.kind,
            model: description.model.clone(),
            security: description.security,
        };
        if description.kind == DeviceKind::Other {
            if fresh {
                out.journal(None, included);
            }
            return Announced::Kept;
        }
        if self.count_on(radio) >= DEVICES_PER_RADIO_MAX {
            return Announced::TooMany;
        }
        let seq = out.next_seq();
        let place = (radio.clone(), device.clone());
        let name = self.free_name(&description);
        let id = match description.kind {
            DeviceKind::Lock => LockId::parse(&format!("lock-{seq}")).ok().map(|id| {
                let lock = Lock::new(id.clone(), name, radio.clone(), device, description, out.mono());
                self.changed_locks.insert(id.clone());
                self.locks.insert(id.clone(), lock);
                DeviceId::Lock(id)
            }),
            DeviceKind::Alarm => AlarmId::parse(&format!("alarm-{seq}")).ok().map(|id| {
                let alarm = Alarm::new(id.clone(), name, radio.clone(), device, description);
                self.changed_alarms.insert(id.clone());
                self.alarms.insert(id.clone(), alarm);
                DeviceId::Alarm(id)
            }),
            DeviceKind::Other => None,
        };
        if let Some(id) = id {
            self.by_address.insert(place, id.clone());
            out.journal(Some(id), included);
        }
        Announced::Kept
    }

    /// A device left.
    pub(crate) fn remove(
        &mut self,
        radio: &RadioName,
        device: &DeviceAddress,
        cause: RemovalCause,
        out: &mut Outbox,
    ) {
        let id = self.by_address.remove(&(radio.clone(), device.clone()));
        // After a power cut an adapter may find out a second time what was recorded before it.
        if id.is_none() && cause == RemovalCause::Unknown {
            return;
        }
        out.journal(
            id.clone(),
            Event::DeviceExcluded {
                radio: radio.clone(),
                cause,
            },
        );
        match id {
            Some(DeviceId::Lock(id)) => {
                self.locks.remove(&id);
                out.forget(RecordKey::Lock(id));
            }
            Some(DeviceId::Alarm(id)) => {
                self.alarms.remove(&id);
                out.forget(RecordKey::Alarm(id));
            }
            None => {}
        }
    }

    /// When a lock's own record is to be read, or something should have been heard of a reading.
    pub(crate) fn log_deadline(&self) -> Option<MonoTime> {
        self.locks
            .values()
            .filter_map(|lock| lock.reading.deadline())
            .min()
    }

    /// How many devices of a radio are kept.
    pub(crate) fn count_on(&self, radio: &RadioName) -> usize {
        self.by_address.keys().filter(|(name, _)| name == radio).count()
    }

    /// Whether a device answers, says its radio or its own voice.
    pub(crate) fn link(&mut self, id: &DeviceId, link: LinkState, out: &mut Outbox) {
        let (current, known) = match id {
            DeviceId::Lock(id) => {
                let Some(lock) = self.locks.get_mut(id) else {
                    return;
                };
                (&mut lock.view.link, &mut lock.known_link)
            }
            DeviceId::Alarm(id) => {
                let Some(alarm) = self.alarms.get_mut(id) else {
                    return;
                };
                (&mut alarm.view.link, &mut alarm.known_link)
            }
        };
        *current = link;
        let before = *known;
        if link != LinkState::Unknown {
            *known = link;
        }
        let event = match (id, before, link) {
            (DeviceId::Lock(_), LinkState::Online | LinkState::Unknown, LinkState::Offline) => {
                Event::LockOffline
            }
            (DeviceId::Alarm(_), LinkState::Online | LinkState::Unknown, LinkState::Offline) => {
                Event::AlarmOffline
            }
            (DeviceId::Lock(_), LinkState::Offline, LinkState::Online) => Event::LockOnline,
            (DeviceId::Alarm(_), LinkState::Offline, LinkState::Online) => Event::AlarmOnline,
            (_, LinkState::Online | LinkState::Unknown, LinkState::Online)
            | (_, LinkState::Offline, LinkState::Offline)
            | (_, _, LinkState::Unknown) => return,
        };
        out.journal(Some(id.clone()), event);
        match id {
            DeviceId::Lock(id) => self.changed_locks.insert(id.clone()),
            DeviceId::Alarm(id) => self.changed_alarms.insert(id.clone()),
        };
    }

    /// A radio was lost: nothing is known of its devices' links, which is not to say that they are gone.
    pub(crate) fn lose_radio(&mut self, radio: &RadioName) {
        for lock in self.locks.values_mut().filter(|lock| lock.view.radio == *radio) {
            lock.view.link = LinkState::Unknown;
        }
        for alarm in self
            .alarms
            .values_mut()
            .filter(|alarm| alarm.view.radio == *radio)
        {
            alarm.view.link = LinkState::Unknown;
        }
    }

    /// Saves the rows that changed in this mutation.
    pub(crate) fn save_changed(&mut self, out: &mut Outbox) {
        for id in std::mem::take(&mut self.changed_locks) {
            if let Some(lock) = self.locks.get(&id) {
                out.save(Record::Device(DeviceRecord::Lock(lock.record())));
            }
        }
        for id in std::mem::take(&mut self.changed_alarms) {
            if let Some(alarm) = self.alarms.get(&id) {
                out.save(Record::Device(DeviceRecord::Alarm(alarm.record())));
            }
        }
    }

    /// The model as a name that no other device has.
    fn free_name(&self, description: &DeviceDescription) -> String {
        let default = match description.kind {
            DeviceKind::Lock => "Lock",
            DeviceKind::Alarm | DeviceKind::Other => "Alarm",
        };
        // Room for a number behind it.
        let model: String = description
            .model
            .chars()
            .filter(|character| !character.is_control())
            .take(NAME_CHARS_MAX - 8)
            .collect();
        let base = if model.trim().is_empty() {
            default
        } else {
            model.trim()
        };
        let taken: BTreeSet<&str> = self
            .locks
            .values()
            .map(|lock| lock.view.name.as_str())
            .chain(self.alarms.values().map(|alarm| alarm.view.name.as_str()))
            .collect();
        let numbered = (2..=taken.len() + 1).map(|number| format!("{base} {number}"));
        std::iter::once(base.to_owned())
            .chain(numbered)
            .find(|name| !taken.contains(name.as_str()))
            .unwrap_or_else(|| base.to_owned())
    }
}

/// A name as people may give it, without blanks around it.
pub(crate) fn parse_name(name: &str) -> Option<String> {
    let name = name.trim();
    let length = name.chars().count();
    let fits = (1..=NAME_CHARS_MAX).contains(&length) && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}

/// Lets the same word through once in [`REPEAT_QUIET`].
#[derive(Debug)]
pub(crate) struct Quiet<T>(Vec<(T, MonoTime)>);

impl<T> Default for Quiet<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Quiet<T> {
    /// How many words are told apart; beyond, the oldest is forgotten and may be told again.
    const WORDS_MAX: usize = 32;

    /// Whether this word was not told lately. If so it counts as told now.
    pub(crate) fn tell(&mut self, word: T, now: MonoTime) -> bool {
        self.0.retain(|(_, told)| now.since(*told) < REPEAT_QUIET);
        if self.0.iter().any(|(told, _)| *told == word) {
            return false;
        }
        if self.0.len() >= Self::WORDS_MAX {
            self.0.remove(0);
        }
        self.0.push((word, now));
        true
    }

    /// Forgets what was told, so that it may be told again at once.
    pub(crate) fn forget(&mut self, is: impl Fn(&T) -> bool) {
        self.0.retain(|(word, _)| !is(word));
    }
}

/// Takes a reported value; the answer is whether it differs from the one before.
pub(crate) fn replace<T: PartialEq>(field: &mut Option<Reported<T>>, value: T, at: UnixMillis) -> bool {
    let differs = field.as_ref().is_none_or(|before| before.value != value);
    *field = Some(Reported { value, at });
    differs
}
