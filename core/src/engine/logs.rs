//! Locks' own records: who is read when, and what is told of it. See [`crate::devices::log`].

use hubd_model::{DeviceAddress, LockId, LogEnd, LogRecord, Logged, Order, RadioName, Security, Via};

use super::Engine;
use crate::devices::log::{News, Reading};
use crate::event::Event;
use crate::outbox::DeviceId;
use crate::view::Heard;

impl Engine {
    /// Has the records read that are due, one at a time on each radio, while nothing else is wanted of the lock.
    pub(super) fn read_logs(&mut self) {
        let now = self.out.mono();
        if self.devices.log_deadline().is_none_or(|due| due > now) {
            return;
        }
        for lock in self.devices.locks.values_mut() {
            lock.reading.give_up_silent(now);
        }
        let due = self
            .devices
            .locks
            .iter()
            .filter(|(_, lock)| lock.reading.is_due(now));
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.read_log(&id);
        }
    }

    fn read_log(&mut self, id: &LockId) {
        let (now, at) = (self.out.mono(), self.out.at());
        let Some(lock) = self.devices.locks.get(id) else {
            return;
        };
        let view = &lock.view;
        let (radio, device) = (view.radio.clone(), view.address.clone());
        let lasting = !view.description.lock.log || view.description.security == Security::None;
        let ready = self
            .radios
            .iter()
            .any(|known| known.view.name == radio && known.is_ready() && !known.under_way());
        let taken = self
            .devices
            .locks
            .values()
            .any(|other| other.view.radio == radio && other.reading.is_asked());
        let spare = self
            .keeper
            .may_read_log(id, view.description.lock.codes.battery, now);
        let busy = taken
            || !spare
            || self.desk.wish(id).is_some()
            || self.life_safety.releasing_incident().is_some();
        let Some(lock) = self.devices.locks.get_mut(id) else {
            return;
        };
        if lasting {
            lock.reading.drop_due();
        } else if busy || !ready {
            lock.reading.postpone(now);
        } else {
            let wanted = lock.reading.ask(&lock.view.log, now, at);
            let order = Order::ReadLog {
                device,
                known: wanted.known,
                at_least: wanted.at_least,
                at_most: wanted.at_most,
            };
            self.out.order(&radio, order);
        }
    }

    /// A radio read a lock's record. What nobody had heard is journalled, and nothing is done on it but to count the use
    /// of a code.
    pub(super) fn log_read(
        &mut self,
        radio: &RadioName,
        device: &DeviceAddress,
        records: Vec<LogRecord>,
        end: &LogEnd,
        frames: u32,
    ) {
        let now = self.out.mono();
        let Some(DeviceId::Lock(id)) = self.devices.find(radio, device) else {
            return;
        };
        self.keeper.spent(&id, frames, now);
        let Some(lock) = self.devices.lock_mut(&id) else {
            return;
        };
        let before = lock.view.log.read_at;
        let news = lock.reading.read(&mut lock.view.log, records, end, now);
        for News { said, clock } in news {
            // Whose code it is now, it was then, if nothing was written to the slot since the last reading.
            let known = match (&said, before) {
                (Logged::Moved { via, .. }, Some(before)) => self.keeper.who_since(&id, via, before),
                (Logged::Moved { .. } | Logged::Denied { .. }, _) => None,
            };
            let said = match said {
                Logged::Moved { bolt, via } => Logged::Moved {
                    bolt,
                    via: Via {
                        person: known.clone(),
                        ..via
                    },
                },
                denied @ Logged::Denied { .. } => denied,
            };
            let event = Event::LockLogged {
                said: said.clone(),
                clock,
            };
            self.out.journal(Some(DeviceId::Lock(id.clone())), event);
            if let (Logged::Moved { bolt, via }, Some(_)) = (&said, known) {
                self.keeper.moved(&id, *bolt, via, &mut self.out);
            }
        }
    }

    /// Something that a lock said live is in the journal.
    pub(super) fn heard_live(&mut self, id: &LockId, event: &Event) {
        let (now, clock) = (self.out.mono(), self.out.now().wall);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a lock writes down few of the many events"
        )]
        let said = match event {
            Event::LockOperated { bolt, via } => Logged::Moved {
                bolt: *bolt,
                via: Via {
                    person: None,
                    ..via.clone()
                },
            },
            Event::LockKeypadDenied { slot } => Logged::Denied { slot: *slot },
            _ => return,
        };
        let Some(lock) = self.devices.lock_mut(id) else {
            return;
        };
        if !lock.view.description.lock.log {
            return;
        }
        let heard = Heard {
            at: clock.label(),
            synced: clock.is_synced(),
            said,
        };
        lock.reading.remember(&mut lock.view.log, heard, now);
    }

    /// What becomes of a lock's reading by something that happened to it.
    pub(super) fn reading_of(&mut self, id: &DeviceId, change: impl FnOnce(&mut Reading)) {
        if let DeviceId::Lock(id) = id
            && let Some(lock) = self.devices.locks.get_mut(id)
            && lock.view.description.lock.log
        {
            change(&mut lock.reading);
        }
    }

    /// What becomes of the readings of every lock on a radio.
    pub(super) fn readings_on(&mut self, radio: &RadioName, change: impl Fn(&mut Reading)) {
        let on_it = self
            .devices
            .locks
            .values_mut()
            .filter(|lock| lock.view.radio == *radio && lock.view.description.lock.log);
        for lock in on_it {
            change(&mut lock.reading);
        }
    }
}
