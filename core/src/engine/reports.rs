//! What radios report, given to the part that it concerns.

use hubd_model::{
    AlarmSignal, BoltState, CodeReport, CodeTaskEnd, DeviceAddress, DeviceDescription, LinkState, LockId,
    LockSignal, RadioName, RadioState, RemovalCause, Report, Via,
};

use super::{Engine, around};
use crate::actuation::desk::Claim;
use crate::devices::log::Reading;
use crate::devices::{Announced, DEVICES_PER_RADIO_MAX};
use crate::event::Event;
use crate::outbox::DeviceId;
use crate::radios::Turn;

impl Engine {
    pub(super) fn report(&mut self, name: &RadioName, report: Report) {
        let now = self.out.mono();
        let Some(radio) = self.radio_mut(name) else { return };
        match report {
            Report::Radio(state) => self.radio_state(name, state),
            Report::Inclusion(progress) => radio.inclusion(now, progress),
            Report::Exclusion(progress) => radio.exclusion(now, progress),
            Report::Device {
                device,
                description,
                fresh,
            } => self.announced(name, &device, description, fresh),
            Report::Removed { device, cause } => self.removed(name, &device, cause),
            Report::Lock { device, signal } => {
                let id = self.heard(name, &device, true);
                self.lock_signal(id, signal);
            }
            Report::Alarm {
                device,
                signal,
                authenticated,
                frame,
            } => {
                let id = self.heard(name, &device, authenticated);
                self.alarm_signal(id, signal, authenticated, frame);
            }
            Report::Trouble { device, what } => {
                let id = self.heard(name, &device, true);
                self.trouble(id, what);
            }
            Report::Battery { device, level } => {
                let id = self.heard(name, &device, true);
                let at = self.out.at();
                let event = match &id {
                    Some(DeviceId::Lock(id)) => {
                        self.devices.lock_mut(id).and_then(|lock| lock.battery(level, at))
                    }
                    Some(DeviceId::Alarm(id)) => self
                        .devices
                        .alarm_mut(id)
                        .and_then(|alarm| alarm.battery(level, at)),
                    None => None,
                };
                self.journal(id, event);
            }
            Report::Link { device, link } => {
                if link == LinkState::Online {
                    let id = self.heard(name, &device, true);
                    if let Some(DeviceId::Lock(lock)) = id {
                        self.life_safety.lock_answers(&lock, now);
                    }
                } else if let Some(id) = self.devices.find(name, &device) {
                    self.devices.link(&id, link, &mut self.out);
                    if link == LinkState::Offline {
                        self.reading_of(&id, |reading| reading.away(now));
                    }
                }
            }
            Report::Dongle(what) => {
                let (now, at) = (self.out.mono(), self.out.at());
                let Some(radio) = self.radio_mut(name) else { return };
                if let Some(event) = radio.dongle(now, at, what) {
                    let recorded = self.out.journal(None, event);
                    if let Some(radio) = self.radio_mut(name) {
                        radio.dongle_recorded(recorded);
                    }
                }
            }
            Report::Codes { device, report } => self.codes_reported(name, &device, report),
            Report::Log {
                device,
                records,
                end,
                frames,
            } => self.log_read(name, &device, records, &end, frames),
            Report::AutoRelock { device, hold } => {
                if let Some(DeviceId::Lock(lock)) = self.heard(name, &device, true) {
                    self.life_safety.auto_relock(&lock, hold);
                }
            }
            Report::Actuation { command, step } => self.desk.step(name, &command, &step, &mut self.out),
        }
    }

    fn radio_state(&mut self, name: &RadioName, state: RadioState) {
        let Some(radio) = self.radio_mut(name) else { return };
        let what = format!("radio:{name}");
        let works = state == RadioState::Ready;
        let turn = radio.turn(state);
        if works {
            let now = self.out.mono();
            let devices = &self.devices;
            let is_its = |lock: &LockId| {
                devices
                    .locks
                    .get(lock)
                    .is_some_and(|lock| lock.view.radio == *name)
            };
            self.life_safety.radio_works(is_its, now);
            self.keeper.look_again();
            self.readings_on(name, |reading| reading.can_be_read(now));
        } else {
            let around = around!(self);
            self.keeper.radio_lost(name, &around);
        }
        match turn {
            Turn::Same => {}
            Turn::StillLost => self.devices.lose_radio(name),
            Turn::Lost(reason) => {
                self.devices.lose_radio(name);
                self.readings_on(name, Reading::missed);
                self.out.journal(None, Event::HubDegraded { what, reason });
            }
            Turn::Recovered => {
                self.out.journal(None, Event::HubRecovered { what });
            }
        }
    }

    fn announced(
        &mut self,
        name: &RadioName,
        device: &DeviceAddress,
        description: DeviceDescription,
        fresh: bool,
    ) {
        if let Some(id) = self.devices.find(name, device) {
            if self.devices.update(&id, &description, fresh) {
                self.keeps_codes(&id);
                return;
            }
            self.removed(name, device, RemovalCause::Unknown);
        }
        let announced = self
            .devices
            .include(name, device.clone(), description, fresh, &mut self.out);
        if let Some(id) = self.devices.find(name, device) {
            self.keeps_codes(&id);
        }
        if announced == Announced::TooMany
            && let Some(radio) = self.radio_mut(name)
            && !std::mem::replace(&mut radio.overfull, true)
        {
            let reason = format!(
                "radio {name} has more than {DEVICES_PER_RADIO_MAX} devices; the others are not used: exclude what is \
                 not needed"
            );
            self.out.journal(
                None,
                Event::HubDegraded {
                    what: format!("devices:{name}"),
                    reason,
                },
            );
        }
    }

    fn removed(&mut self, name: &RadioName, device: &DeviceAddress, cause: RemovalCause) {
        let id = self.devices.find(name, device);
        self.devices.remove(name, device, cause, &mut self.out);
        if let Some(DeviceId::Lock(lock)) = id {
            self.desk.lock_lost(&lock, &mut self.out);
            let around = around!(self);
            self.keeper.removed(&lock, &around, &mut self.out);
        }
        let count = self.devices.count_on(name);
        if let Some(radio) = self.radio_mut(name)
            && radio.overfull
            && count < DEVICES_PER_RADIO_MAX
        {
            radio.overfull = false;
            self.out.journal(
                None,
                Event::HubRecovered {
                    what: format!("devices:{name}"),
                },
            );
        }
    }

    /// A device spoke, so it answers; unless anybody could have spoken in its name.
    fn heard(&mut self, name: &RadioName, device: &DeviceAddress, believed: bool) -> Option<DeviceId> {
        let id = self.devices.find(name, device)?;
        self.devices.heard(&id, self.out.at());
        if believed {
            self.devices.link(&id, LinkState::Online, &mut self.out);
            let now = self.out.mono();
            if let DeviceId::Lock(lock) = &id {
                self.keeper.heard(lock, now);
            }
            self.reading_of(&id, |reading| reading.heard(now));
        }
        Some(id)
    }

    /// A lock is announced: what it can do with codes may be new.
    pub(super) fn keeps_codes(&mut self, id: &DeviceId) {
        if let DeviceId::Lock(lock) = id {
            let around = around!(self);
            self.keeper.announced(lock, &around);
        }
        let now = self.out.mono();
        self.reading_of(id, |reading| reading.can_be_read(now));
    }

    /// A radio says something of a lock's codes. The end of a task that was not answered is no word of the lock.
    fn codes_reported(&mut self, name: &RadioName, device: &DeviceAddress, report: CodeReport) {
        let spoke = match &report {
            CodeReport::Slot { .. }
            | CodeReport::Found { .. }
            | CodeReport::Checksum(_)
            | CodeReport::Changed { .. } => true,
            CodeReport::Ended { end, .. } => !matches!(end, CodeTaskEnd::NoAnswer { .. }),
        };
        let id = if spoke {
            self.heard(name, device, true)
        } else {
            self.devices.find(name, device)
        };
        let Some(DeviceId::Lock(lock)) = id else { return };
        let around = around!(self);
        self.keeper.reported(&lock, report, &around, &mut self.out);
    }

    pub(super) fn journal(&mut self, subject: Option<DeviceId>, event: Option<Event>) {
        if let Some(event) = event {
            self.out.journal(subject, event);
        }
    }

    /// A lock spoke. What comes from a device that is not kept as a lock is journalled all the same.
    fn lock_signal(&mut self, id: Option<DeviceId>, signal: LockSignal) {
        let (now, at) = (self.out.mono(), self.out.at());
        let Some(DeviceId::Lock(lock_id)) = &id else {
            let event = match signal {
                LockSignal::Tampered if id.is_some() => {
                    return self.trouble(id, "somebody tampers with it".to_owned());
                }
                LockSignal::BoltRead(_) | LockSignal::DoorRead(_) => return,
                LockSignal::Bolt { bolt, via } => Event::LockOperated { bolt, via },
                LockSignal::Door(door) => Event::LockDoor { door },
                LockSignal::Tampered => Event::LockTampered,
                LockSignal::KeypadDenied(slot) => Event::LockKeypadDenied { slot },
                LockSignal::KeypadLockedOut => Event::LockKeypadLockedOut,
            };
            self.out.journal(id, event);
            return;
        };
        let lock_id = lock_id.clone();
        let event = match signal {
            LockSignal::Bolt { bolt, via } => {
                let claim = self.desk.claim(&lock_id, bolt, now);
                return self.bolt(&lock_id, bolt, Some(via), claim);
            }
            LockSignal::BoltRead(bolt) => {
                let claim = self.desk.claim(&lock_id, bolt, now);
                return self.bolt(&lock_id, bolt, None, claim);
            }
            LockSignal::Door(door) => self
                .devices
                .lock_mut(&lock_id)
                .and_then(|lock| lock.door_moved(door, at)),
            LockSignal::DoorRead(door) => self
                .devices
                .lock_mut(&lock_id)
                .and_then(|lock| lock.door_read(door, at)),
            LockSignal::Tampered => Some(Event::LockTampered),
            LockSignal::KeypadDenied(slot) => Some(Event::LockKeypadDenied { slot }),
            LockSignal::KeypadLockedOut => Some(Event::LockKeypadLockedOut),
        };
        if let Some(event) = &event {
            self.heard_live(&lock_id, event);
        }
        self.journal(id, event);
    }

    /// A bolt moved (`via` says by what) or was read.
    fn bolt(&mut self, id: &LockId, bolt: BoltState, via: Option<Via>, claim: Claim) {
        let (now, at) = (self.out.mono(), self.out.at());
        let Some(lock) = self.devices.lock_mut(id) else {
            return;
        };
        let moved = via.is_some();
        let via = via.map(|via| Via {
            person: self.keeper.who(id, &via).or(via.person.clone()),
            ..via
        });
        let how = via.clone();
        let event = match via {
            Some(via) => lock.moved(bolt, via, claim, now, at),
            None => lock.read(bolt, claim, now, at),
        };
        if let Some(event) = event {
            self.heard_live(id, &event);
            self.out.journal(Some(DeviceId::Lock(id.clone())), event);
            self.desk.recorded(id, bolt);
            if let Some(by) = &how {
                self.keeper.moved(id, bolt, by, &mut self.out);
            }
        }
        self.desk.bolt(id, bolt, moved, &mut self.out);
        self.with_life_safety(|life_safety, house| life_safety.bolt(id, bolt, how.as_ref(), house));
    }

    fn alarm_signal(
        &mut self,
        id: Option<DeviceId>,
        signal: AlarmSignal,
        authenticated: bool,
        frame: Vec<u8>,
    ) {
        let (now, at) = (self.out.mono(), self.out.at());
        let Some(DeviceId::Alarm(alarm)) = &id else {
            return self.journal(id, Some(strange_alarm(signal, authenticated, frame)));
        };
        let alarm = alarm.clone();
        let secure = self
            .devices
            .alarms
            .get(&alarm)
            .is_some_and(|alarm| alarm.view.description.security.is_authenticated());
        let event = self
            .devices
            .alarm_mut(&alarm)
            .and_then(|alarm| alarm.signal(signal, authenticated, frame.clone(), now, at));
        self.journal(id, event);
        self.with_life_safety(|life_safety, house| {
            life_safety.heard(&alarm, signal, authenticated && secure, &frame, house);
        });
    }

    fn trouble(&mut self, id: Option<DeviceId>, what: String) {
        let (now, at) = (self.out.mono(), self.out.at());
        let event = match &id {
            Some(DeviceId::Lock(lock)) => self
                .devices
                .locks
                .get_mut(lock)
                .and_then(|lock| lock.trouble(what, now)),
            Some(DeviceId::Alarm(alarm)) => self
                .devices
                .alarm_mut(alarm)
                .and_then(|alarm| alarm.trouble(what, now, at)),
            None => None,
        };
        self.journal(id, event);
    }
}

/// A detector's word from a device that is not kept as a detector: nothing is lost.
fn strange_alarm(signal: AlarmSignal, authenticated: bool, frame: Vec<u8>) -> Event {
    match signal {
        AlarmSignal::Raised(hazard) => Event::AlarmRaised {
            hazard,
            authenticated,
            frame,
        },
        AlarmSignal::Cleared(hazard) => Event::AlarmCleared { hazard },
        AlarmSignal::Tested(hazard) => Event::AlarmTested { hazard },
        AlarmSignal::Silenced(hazard) => Event::AlarmSilenced { hazard },
        AlarmSignal::EndOfLife(_) => Event::AlarmTrouble {
            what: "a detector is at the end of its life".to_owned(),
        },
        AlarmSignal::Maintenance(_) => Event::AlarmTrouble {
            what: "a detector is due for service".to_owned(),
        },
    }
}
