//! People, what opens doors for them, and a mirror of every lock's slots that each lock is made to agree with.
//!
//! What is wanted is kept in rows of people and credentials. [`plan`] says what is to be done so that a lock holds it,
//! [`mirror`] does it, and [`Keeper`] joins the two:
//!
//! ```text
//!   requests --> people, credentials --+                          +--> orders (reads, writes, clears)
//!                                      +--> plan --> mirror ------+--> slot.pending, slot.synced, slot.drifted, slot.stuck
//!   the lock's words --> mirror -------+      ^                   +--> rows of slots, before the entries
//!                                             +-- the date
//! ```

pub mod chance;
mod decisions;
pub mod event;
pub mod hours;
pub mod hygiene;
mod mirror;
mod opening;
mod people;
pub mod plan;
pub mod record;
pub mod request;
mod requests;
mod show;
mod spans;
mod telling;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    CodeCapabilities, CodeReport, CodeTaskId, CredentialId, DeviceAddress, IncidentId, LockId, Millis,
    MonoTime, Now, Order, PersonId, RadioName, SlotContent, SlotKey, UnixMillis, Zone,
};

use crate::devices::Devices;
use crate::event::Event;
use crate::outbox::{DeviceId, Outbox};
use crate::output::{Record, RecordKey};
use crate::radios::Radio;
use chance::Chance;
use event::{Change, CredentialsEvent};
use mirror::sending::Surroundings;
use mirror::{Dates, Mirror, Slot};
use plan::{Household, Ranking};
use record::{Credential, CredentialsKey, CredentialsMemory, CredentialsRecord, Person, Standing};

/// A plan that gives slots away is made again with them given; it ends after so many turns.
const TURNS_MAX: usize = 4;
/// What was not settled after so many turns is planned again after this.
const UNSETTLED_LOOK_AFTER: Millis = Millis::from_secs(10);

/// What the keeper sees of the rest of the mind.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) devices: &'a Devices,
    pub(crate) radios: &'a [Radio],
    pub(crate) zone: &'a Zone,
    /// Why the store cannot write.
    pub(crate) store_failure: Option<&'a str>,
    pub(crate) now: Now,
}

impl Around<'_> {
    fn at(&self) -> UnixMillis {
        self.now.wall.label()
    }
}

/// People, credentials and the mirrors of the locks.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    people: BTreeMap<PersonId, Person>,
    credentials: BTreeMap<CredentialId, Credential>,
    mirrors: BTreeMap<LockId, Mirror>,
    chance: Chance,
    tasks: u64,
    /// What is on disk.
    durable: u64,
    changed_people: BTreeSet<PersonId>,
    changed_credentials: BTreeSet<CredentialId>,
    /// Who goes first, as long as nobody is changed.
    ranking: Option<Ranking>,
    /// Counts the rankings, so that a plan knows whether it was made for this one.
    rankings: u64,
    /// Whether something removed may be proven gone since that was looked at.
    sweep: bool,
    /// The incident in which doors are released.
    emergency: Option<IncidentId>,
    /// When emergency codes that were used and wait for a new PIN are given one; `None` when there are none.
    redraw_at: Option<MonoTime>,
    /// When the date begins or ends a credential's time.
    spans: Dates,
    /// When to come back.
    wake: Option<MonoTime>,
}

/// What is the same for all locks that are seen to in one mutation.
struct Round<'a> {
    house: &'a Household<'a>,
    /// Which ranking the household has.
    ranking: u64,
    credentials: &'a BTreeMap<CredentialId, Credential>,
    /// What is on disk.
    durable: u64,
    around: Around<'a>,
}

/// Where a lock is and what it can do.
struct Station<'a> {
    radio: &'a RadioName,
    device: &'a DeviceAddress,
    capabilities: &'a CodeCapabilities,
    secure: bool,
}

impl Keeper {
    /// Takes what the store remembers.
    pub(crate) fn restore(
        &mut self,
        memory: CredentialsMemory,
        entropy: hubd_model::Entropy,
        last_seq: u64,
        now: MonoTime,
    ) {
        self.chance = Chance::new(entropy);
        self.durable = last_seq;
        self.sweep = true;
        self.people = by_key(memory.people, |person| person.id.clone());
        self.credentials = by_key(memory.credentials, |credential| credential.id.clone());
        self.redraw_at = self
            .credentials
            .values()
            .any(Credential::awaits_pin)
            .then_some(now);
        let mirrors = memory
            .mirrors
            .into_iter()
            .map(|record| Mirror::restored(record, now));
        self.mirrors = by_key(mirrors, |mirror| mirror.record.lock.clone());
        for record in memory.slots {
            // A slot without its lock's row is of no use.
            if let Some(mirror) = self.mirrors.get_mut(&record.lock) {
                mirror.slots.insert(record.key, Slot::restored(record, now));
            }
        }
    }

    /// Everything up to this entry is on disk.
    pub(crate) fn durable(&mut self, seq: u64) {
        if seq > self.durable {
            self.durable = seq;
            for mirror in self.mirrors.values_mut().filter(|mirror| mirror.waits_for_disk()) {
                mirror.dirty = true;
            }
        }
    }

    /// When to come back.
    pub(crate) fn deadline(&self) -> Option<MonoTime> {
        self.wake
    }

    /// A lock spoke, so it can be told what waits.
    pub(crate) fn heard(&mut self, lock: &LockId, now: MonoTime) {
        if let Some(mirror) = self.mirrors.get_mut(lock) {
            mirror.heard(now);
        }
    }

    /// Whether a lock's own record may be read for the house alone: nothing is being done about its codes, and its battery
    /// is not used up for today.
    pub(crate) fn may_read_log(&mut self, lock: &LockId, battery: bool, now: MonoTime) -> bool {
        self.mirrors
            .get_mut(lock)
            .is_none_or(|mirror| mirror.may_read_log(battery, now))
    }

    /// So many frames went to and from a lock for the house alone.
    pub(crate) fn spent(&mut self, lock: &LockId, frames: u32, now: MonoTime) {
        if let Some(mirror) = self.mirrors.get_mut(lock) {
            mirror.spent(frames, now);
            mirror.dirty = true;
        }
    }

    /// A lock is announced, for the first time or with other abilities.
    pub(crate) fn announced(&mut self, lock: &LockId, around: &Around<'_>) {
        let Some(known) = around.devices.locks.get(lock) else {
            return;
        };
        let (name, model) = (&known.view.name, &known.view.description.model);
        let keeps = keeps_codes(&known.view.description.lock.codes);
        if let Some(mirror) = self.mirrors.get_mut(lock) {
            if mirror.record.name != *name || mirror.record.model != *model {
                mirror.change().name.clone_from(name);
                mirror.change().model.clone_from(model);
            }
            mirror.touch();
        } else if keeps {
            let mirror = Mirror::new(lock.clone(), name.clone(), model.clone(), around.now.mono);
            self.mirrors.insert(lock.clone(), mirror);
        }
    }

    /// A lock is no device of the hub any more. What it held is remembered until it is filled again or given up.
    pub(crate) fn removed(&mut self, lock: &LockId, around: &Around<'_>, out: &mut Outbox) {
        let wanted = self
            .credentials
            .values()
            .any(|credential| credential.locks.contains(lock));
        let Some(mirror) = self.mirrors.get_mut(lock) else {
            return;
        };
        mirror.lose_radio(around.now.mono, around.at());
        let holds = mirror.slots.values().any(|slot| slot.credential().is_some());
        if wanted || holds {
            mirror.change().gone = Some(around.at());
        } else {
            self.drop_mirror(lock, out);
        }
    }

    /// A radio forgot what it was told.
    pub(crate) fn radio_lost(&mut self, radio: &RadioName, around: &Around<'_>) {
        for (lock, mirror) in &mut self.mirrors {
            let there = around
                .devices
                .locks
                .get(lock)
                .is_some_and(|known| known.view.radio == *radio);
            if there {
                mirror.lose_radio(around.now.mono, around.at());
            }
        }
    }

    /// A radio works again, or the store does.
    pub(crate) fn look_again(&mut self) {
        for mirror in self.mirrors.values_mut() {
            mirror.dirty = true;
        }
    }

    /// What a radio says of a lock's codes.
    pub(crate) fn reported(
        &mut self,
        lock: &LockId,
        report: CodeReport,
        around: &Around<'_>,
        out: &mut Outbox,
    ) {
        let (now, at) = (around.now.mono, around.at());
        let Some(mirror) = self.mirrors.get_mut(lock) else {
            return;
        };
        match report {
            CodeReport::Slot {
                key,
                content,
                schedule,
            } => {
                let drift = mirror.said(key, content, schedule, now, at);
                self.drifted(lock, key, drift, out);
            }
            CodeReport::Found { key, content } => {
                let drift = mirror.found(key, &content, now);
                self.drifted(lock, key, drift, out);
            }
            CodeReport::Checksum(checksum) => mirror.checksum(checksum, now),
            CodeReport::Changed { key, change } => {
                if mirror.changed(key, change, now) {
                    let event = CredentialsEvent::CodesChanged { key, change };
                    tell(lock, event, out);
                }
            }
            CodeReport::Ended { task, end, frames } => {
                let ended = mirror.ended(task, end, frames, now, at);
                for key in ended.vanished {
                    let drift = self
                        .mirrors
                        .get_mut(lock)
                        .and_then(|mirror| mirror.said(key, SlotContent::Empty, None, now, at));
                    self.drifted(lock, key, drift, out);
                }
                if let Some(codes) = ended.emptied {
                    tell(lock, CredentialsEvent::LockEmptied { codes }, out);
                }
                if let Some((key, reason)) = ended.not_enrolled {
                    self.not_enrolled(lock, key, reason, out);
                }
            }
        }
    }

    /// Does what is due, and saves what changed. The end of every mutation.
    pub(crate) fn run(&mut self, around: &Around<'_>, out: &mut Outbox) {
        let now = around.now;
        self.replace_later(around, out);
        self.follow_spans(around, out);
        self.forget_ranking();
        let due = |mirror: &Mirror| {
            mirror.dirty
                || mirror.wake.is_some_and(|wake| wake <= now.mono)
                || mirror.dates.are_past(now.wall)
        };
        if self.mirrors.values().any(due) {
            self.end_emergencies(around, out);
            self.forget_ranking();
            let ranking = self
                .ranking
                .get_or_insert_with(|| Ranking::new(&self.people, &self.credentials));
            let house = Household::ranked(&self.people, &self.credentials, ranking, around.zone, now.wall);
            let round = Round {
                house: &house,
                ranking: self.rankings,
                credentials: &self.credentials,
                durable: self.durable,
                around: *around,
            };
            let mut advanced = Vec::new();
            for mirror in self.mirrors.values_mut().filter(|mirror| due(mirror)) {
                round.advance(mirror, &mut self.tasks, out);
                self.sweep |= std::mem::take(&mut mirror.released);
                advanced.push(mirror.record.lock.clone());
            }
            self.sweep |= !(self.changed_credentials.is_empty() && self.changed_people.is_empty());
            if std::mem::take(&mut self.sweep) {
                self.forget_removed(out);
            }
            for lock in &advanced {
                self.save_mirror(lock, out);
            }
        }
        self.save_changed(out);
        let mirrors = self.mirrors.values();
        let wakes = mirrors.flat_map(|mirror| mirror.wake.into_iter().chain(mirror.dates.look(now)));
        let redraw = self.redraw_at.filter(|_| self.emergency.is_none());
        self.wake = wakes.chain(self.spans.look(now)).chain(redraw).min();
    }

    /// Whoever was changed may go before others now.
    fn forget_ranking(&mut self) {
        if !(self.changed_credentials.is_empty() && self.changed_people.is_empty()) {
            self.rank_anew();
        }
    }

    fn rank_anew(&mut self) {
        self.ranking = None;
        self.rankings = self.rankings.wrapping_add(1);
    }

    fn drifted(&mut self, lock: &LockId, key: SlotKey, drift: Option<event::Drift>, out: &mut Outbox) {
        let Some(drift) = drift else { return };
        let about = self
            .mirrors
            .get(lock)
            .map(|mirror| mirror.about(key, &self.credentials));
        let about = about.unwrap_or_default();
        let event = CredentialsEvent::SlotDrifted {
            key,
            credential: about.credential,
            person: about.person,
            drift,
        };
        tell(lock, event, out);
    }

    /// A removed credential of which every lock is proven free is forgotten, and then a removed person.
    fn forget_removed(&mut self, out: &mut Outbox) {
        let removed = self
            .credentials
            .values()
            .filter(|credential| credential.standing == Standing::Removed);
        let gone: Vec<CredentialId> = removed
            .filter(|credential| {
                !self.mirrors.values().any(|mirror| {
                    let mut slots = mirror.slots.values();
                    slots.any(|slot| slot.credential() == Some(&credential.id))
                })
            })
            .map(|credential| credential.id.clone())
            .collect();
        for id in gone {
            let Some(credential) = self.credentials.remove(&id) else {
                continue;
            };
            self.rank_anew();
            self.changed_credentials.remove(&id);
            out.forget_intent(RecordKey::Credentials(CredentialsKey::Credential(id.clone())));
            let event = CredentialsEvent::CredentialChanged {
                credential: id,
                person: credential.person,
                change: Change::Gone,
                by: None,
                due: None,
            };
            out.journal(None, Event::Credentials(event));
        }
        let people = self.people.values().filter(|person| person.removed);
        let gone: Vec<PersonId> = people
            .filter(|person| {
                let mut credentials = self.credentials.values();
                !credentials.any(|credential| credential.person == person.id)
            })
            .map(|person| person.id.clone())
            .collect();
        for id in gone {
            self.people.remove(&id);
            self.changed_people.remove(&id);
            out.forget_intent(RecordKey::Credentials(CredentialsKey::Person(id)));
        }
    }

    fn save_mirror(&mut self, lock: &LockId, out: &mut Outbox) {
        if let Some(mirror) = self.mirrors.get_mut(lock) {
            mirror.save(out);
        }
    }

    fn save_changed(&mut self, out: &mut Outbox) {
        for id in std::mem::take(&mut self.changed_people) {
            if let Some(person) = self.people.get(&id) {
                save(CredentialsRecord::Person(person.clone()), out);
            }
        }
        for id in std::mem::take(&mut self.changed_credentials) {
            if let Some(credential) = self.credentials.get(&id) {
                save(CredentialsRecord::Credential(credential.clone()), out);
            }
        }
    }

    fn drop_mirror(&mut self, lock: &LockId, out: &mut Outbox) {
        let Some(mirror) = self.mirrors.remove(lock) else {
            return;
        };
        for key in mirror.slots.into_keys() {
            out.forget_intent(RecordKey::Credentials(CredentialsKey::Slot(lock.clone(), key)));
        }
        out.forget_intent(RecordKey::Credentials(CredentialsKey::Mirror(lock.clone())));
    }
}

impl Round<'_> {
    /// Plans one lock and sends what can be sent.
    fn advance(&self, mirror: &mut Mirror, tasks_given: &mut u64, out: &mut Outbox) {
        let (around, credentials) = (&self.around, self.credentials);
        let lock = &mirror.record.lock.clone();
        let station = station(lock, around);
        let fallback = CodeCapabilities::default();
        let capabilities = station.as_ref().map_or(&fallback, |station| station.capabilities);
        let surroundings = Surroundings {
            now: around.now.mono,
            wall: around.now.wall,
            radio_ready: station
                .as_ref()
                .is_some_and(|station| is_ready(around, station.radio)),
            durable: if around.store_failure.is_some() {
                0
            } else {
                self.durable
            },
            battery: capabilities.battery,
            checksum: capabilities.checksum,
        };
        let (now, at) = (around.now.mono, around.at());
        mirror.dirty = false;
        mirror.give_up_silent(now, at);
        for key in mirror.give_up_enrol(now) {
            mirror.tell_late_enrol(key, credentials, lock, out);
        }
        mirror.refill_frames(now);
        mirror.forget_late_copies(now);
        let secure = station.as_ref().is_some_and(|station| station.secure);
        let plan = |mirror: &Mirror| {
            let facts = mirror.lock_facts(capabilities, secure);
            plan::plan(facts, self.house, &mirror.facts(now))
        };
        let mut kept = mirror.is_planned_for(self.ranking, now) && !mirror.dates.are_past(around.now.wall);
        let mut settled = false;
        for turn in 0..TURNS_MAX {
            kept &= turn == 0;
            if kept {
                debug_assert_eq!(
                    mirror.plan,
                    plan(mirror),
                    "a plan that is kept is the one that would be made"
                );
            } else {
                mirror.plan = plan(mirror);
            }
            let disarmed = mirror.disarm_unwanted();
            settled = !mirror.settle_slots(credentials, now, lock, out) && !disarmed;
            if settled {
                break;
            }
        }
        if !kept || !settled {
            mirror.note_planned(self.ranking, settled, now);
        }
        let tasks = mirror.tasks(&surroundings);
        mirror.note_pending(&tasks, credentials, now, at, lock, out);
        let mut blocked = Vec::new();
        for task in tasks {
            if !mirror.is_armed(&task.act) {
                let seq = mirror.tell_pending(&task, credentials, lock, out);
                mirror.arm(&task.act, seq, at);
            }
            match (mirror.gate(&task, &surroundings), &station) {
                (Ok(()), Some(station)) => {
                    *tasks_given = tasks_given.wrapping_add(1);
                    let id = CodeTaskId(*tasks_given);
                    let (what, urgency) = mirror.send(id, &task, capabilities, now);
                    let order = Order::Codes {
                        task: id,
                        device: station.device.clone(),
                        what: Box::new(what),
                        urgency,
                    };
                    out.order(station.radio, order);
                }
                (Ok(()), None) => {}
                (Err(why), _) => blocked.push((task, why)),
            }
        }
        for key in mirror.stuck(now) {
            mirror.tell_stuck(key, &blocked, credentials, lock, out);
        }
        let unsettled = (!settled).then(|| now + UNSETTLED_LOOK_AFTER);
        let wake = mirror.next_wake(&blocked, &surroundings);
        mirror.wake = wake.into_iter().chain(unsettled).min();
        mirror.dates = mirror.dates(&surroundings);
        mirror.blocked = blocked;
    }
}

/// Journals something of a lock; the entry's number.
fn tell(lock: &LockId, event: CredentialsEvent, out: &mut Outbox) -> u64 {
    out.journal(Some(DeviceId::Lock(lock.clone())), Event::Credentials(event))
}

fn save(record: CredentialsRecord, out: &mut Outbox) {
    out.save_intent(Record::Credentials(Box::new(record)));
}

fn station<'a>(lock: &LockId, around: &Around<'a>) -> Option<Station<'a>> {
    let view = &around.devices.locks.get(lock)?.view;
    Some(Station {
        radio: &view.radio,
        device: &view.address,
        capabilities: &view.description.lock.codes,
        secure: view.description.security.is_authenticated(),
    })
}

fn is_ready(around: &Around<'_>, radio: &RadioName) -> bool {
    around
        .radios
        .iter()
        .any(|known| known.view.name == *radio && known.is_ready())
}

const fn keeps_codes(capabilities: &CodeCapabilities) -> bool {
    capabilities.pin_slots > 0 || capabilities.rfid_slots > 0 || capabilities.finger_slots > 0
}

fn by_key<K: Ord, V>(values: impl IntoIterator<Item = V>, key: impl Fn(&V) -> K) -> BTreeMap<K, V> {
    values.into_iter().map(|value| (key(&value), value)).collect()
}
