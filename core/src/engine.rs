//! The engine: one value that owns the house. It gives every input to the part that it concerns and keeps the
//! order of what leaves.
//!
//! A mutation leaves its outputs in a fixed order: orders to radios, journal entries, rows, command changes,
//! answers. A bolt never waits for a record.

mod logs;
mod reports;
mod requests;

use hubd_model::{
    AlarmId, CommandId, CredentialId, DeviceAddress, Entropy, LockId, MonoTime, Now, PersonId, RadioName,
    Zone,
};

use crate::actuation::desk::Desk;
use crate::credentials::view::{CodesView, CredentialView, PersonView};
use crate::credentials::{Around, Keeper};
use crate::devices::{Devices, Quiet};
use crate::event::Event;
use crate::input::{Input, Memory, Refusal};
use crate::lifesafety::incident::{Drill, Incident};
use crate::lifesafety::{House, LifeSafety, LifeSafetyView};
use crate::outbox::{DeviceId, Outbox};
use crate::output::Output;
use crate::radios::Radio;
use crate::view::{AlarmView, CommandView, LockView, RadioView, StoreHealth};

/// What the keeper of codes sees of the rest of the engine, beside which it is changed.
macro_rules! around {
    ($engine:ident) => {
        $crate::credentials::Around {
            devices: &$engine.devices,
            radios: &$engine.radios,
            zone: &$engine.zone,
            store_failure: $engine.store_failure.as_deref(),
            now: $engine.out.now(),
        }
    };
}
use around;

/// The mind.
#[derive(Debug, Default)]
pub struct Engine {
    started: bool,
    out: Outbox,
    zone: Zone,
    /// In the configuration's order.
    radios: Vec<Radio>,
    devices: Devices,
    desk: Desk,
    keeper: Keeper,
    life_safety: LifeSafety,
    /// Why the store cannot write.
    store_failure: Option<String>,
    refusals: Quiet<String>,
}

impl Engine {
    /// A mind that knows nothing yet; feed it `Input::Started` first.
    pub fn new() -> Self {
        Self::default()
    }

    /// One mutation. Drain `poll` completely afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.out.begin(now);
        if self.started {
            self.take(input);
            self.settle_life_safety();
            self.settle_emergency_codes();
            self.finish();
            return;
        }
        match input {
            Input::Started {
                memory,
                radios,
                version,
                zone,
                entropy,
            } => self.start(memory, radios, version, zone, entropy),
            Input::Request { ticket, .. } => {
                self.out.answer(ticket, Err(Refusal::Busy("its own start")));
            }
            Input::Report { .. }
            | Input::OrderLost { .. }
            | Input::Durable { .. }
            | Input::StoreFailing { .. }
            | Input::StoreRecovered
            | Input::Stopping
            | Input::Tick => {}
        }
        if self.started {
            self.finish();
        }
    }

    /// The next thing to be done; `None` when there is nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// When to come back with `Input::Tick`. Come back also when the date becomes known: nothing else tells the mind.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.radios
            .iter()
            .filter_map(Radio::deadline)
            .chain(self.desk.deadline())
            .chain(self.life_safety.deadline(self.out.mono()))
            .chain(self.keeper.deadline())
            .chain(self.devices.log_deadline())
            .min()
    }

    /// Every lock, by id.
    pub fn locks(&self) -> Vec<LockView> {
        self.devices.locks.keys().filter_map(|id| self.lock(id)).collect()
    }

    /// One lock.
    pub fn lock(&self, id: &LockId) -> Option<LockView> {
        let lock = self.devices.locks.get(id)?;
        Some(LockView {
            wish: self.desk.wish(id),
            ..lock.view.clone()
        })
    }

    /// Every detector, by id.
    pub fn alarms(&self) -> Vec<AlarmView> {
        self.devices
            .alarms
            .values()
            .map(|alarm| alarm.view.clone())
            .collect()
    }

    /// One detector.
    pub fn alarm(&self, id: &AlarmId) -> Option<AlarmView> {
        self.devices.alarms.get(id).map(|alarm| alarm.view.clone())
    }

    /// The device at an address of a radio, if it is a lock.
    pub fn lock_at(&self, radio: &RadioName, device: &DeviceAddress) -> Option<LockId> {
        match self.devices.find(radio, device)? {
            DeviceId::Lock(id) => Some(id),
            DeviceId::Alarm(_) => None,
        }
    }

    /// The device at an address of a radio, if it is a detector.
    pub fn alarm_at(&self, radio: &RadioName, device: &DeviceAddress) -> Option<AlarmId> {
        match self.devices.find(radio, device)? {
            DeviceId::Lock(_) => None,
            DeviceId::Alarm(id) => Some(id),
        }
    }

    /// Every radio, in the configuration's order.
    pub fn radios(&self) -> Vec<RadioView> {
        self.radios.iter().map(|radio| radio.view.clone()).collect()
    }

    /// One radio.
    pub fn radio(&self, name: &RadioName) -> Option<RadioView> {
        self.radios
            .iter()
            .find(|radio| radio.view.name == *name)
            .map(|radio| radio.view.clone())
    }

    /// One command, while it is remembered (the last 1,000).
    pub fn command(&self, id: &CommandId) -> Option<CommandView> {
        self.desk.view(id).cloned()
    }

    /// Life safety as a whole.
    pub fn life_safety(&self) -> LifeSafetyView {
        self.life_safety.view(&self.devices)
    }

    /// Every incident that is remembered, oldest first.
    pub fn incidents(&self) -> Vec<Incident> {
        self.life_safety.incidents()
    }

    /// Every drill that is remembered, oldest first.
    pub fn drills(&self) -> Vec<Drill> {
        self.life_safety.drills()
    }

    /// The home's time zone.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether the records are being kept.
    pub fn store_health(&self) -> StoreHealth {
        match &self.store_failure {
            None => StoreHealth::Good,
            Some(reason) => StoreHealth::Failing {
                reason: reason.clone(),
            },
        }
    }

    /// Everybody of the household, by id.
    pub fn people(&self) -> Vec<PersonView> {
        self.keeper.people()
    }

    /// One person.
    pub fn person(&self, id: &PersonId) -> Option<PersonView> {
        self.keeper.person(id)
    }

    /// Every credential, by id.
    pub fn credentials(&self) -> Vec<CredentialView> {
        self.keeper.credentials(&self.around())
    }

    /// One credential.
    pub fn credential(&self, id: &CredentialId) -> Option<CredentialView> {
        self.keeper.credential(id, &self.around())
    }

    /// What a lock holds and shall hold; also a lock that is gone and was not given up.
    pub fn codes(&self, lock: &LockId) -> Option<CodesView> {
        self.keeper.codes(lock, &self.around())
    }

    /// What every lock holds and shall hold, by the lock's id; also those that are gone and were not given up.
    pub fn all_codes(&self) -> Vec<CodesView> {
        self.keeper.all_codes(&self.around())
    }

    fn start(
        &mut self,
        memory: Memory,
        radios: Vec<RadioName>,
        version: String,
        zone: Zone,
        entropy: Entropy,
    ) {
        self.started = true;
        self.zone = zone;
        self.out.continue_after(memory.last_seq);
        self.radios = radios.into_iter().map(Radio::new).collect();
        for record in memory.devices {
            self.devices.restore(record, self.out.mono());
        }
        self.keeper
            .restore(memory.credentials, entropy, memory.last_seq, self.out.mono());
        self.out.journal(None, Event::HubStarted { version });
        self.desk.restore(memory.commands, &mut self.out);
        let recorded = memory.last_seq;
        self.with_life_safety(|life_safety, house| {
            life_safety.restore(*memory.life_safety, recorded, house);
        });
        // The power may have gone between the incident's row and those of its codes.
        let incident = self.life_safety.releasing_incident();
        self.keeper
            .follow_incident(incident, &around!(self), &mut self.out);
    }

    /// Life safety, and what it works with.
    fn with_life_safety<T>(&mut self, work: impl FnOnce(&mut LifeSafety, &mut House<'_>) -> T) -> T {
        let mut house = House {
            devices: &self.devices,
            desk: &mut self.desk,
            out: &mut self.out,
            radios: &self.radios,
        };
        work(&mut self.life_safety, &mut house)
    }

    /// Draws what follows for life safety from this mutation.
    fn settle_life_safety(&mut self) {
        let ends = self.desk.take_life_safety_ends();
        self.with_life_safety(|life_safety, house| {
            for end in &ends {
                life_safety.attempt_ended(end, house);
            }
            life_safety.settle(house);
        });
    }

    fn take(&mut self, input: Input) {
        match input {
            // A second start would forget the first; it is a fault of the shell without meaning here.
            Input::Started { .. } => {}
            Input::Report { radio, report } => self.report(&radio, report),
            Input::Request { ticket, request } => {
                let answer = self.request(request);
                self.out.answer(ticket, answer);
            }
            Input::OrderLost {
                command: Some(command),
                ..
            } => self.desk.order_lost(&command, &mut self.out),
            Input::OrderLost { command: None, radio } => {
                if let Some(radio) = self.radio_mut(&radio) {
                    radio.fail_under_way(
                        "busy",
                        "The radio has too much to do; try again in a few seconds.",
                    );
                }
            }
            Input::Durable { seq } => {
                self.desk.durable(seq, &mut self.out);
                self.keeper.durable(seq);
                let at = self.out.at();
                for radio in &mut self.radios {
                    radio.durable(seq, at);
                }
            }
            Input::StoreFailing { reason } => self.store_failing(reason),
            Input::StoreRecovered => {
                if self.store_failure.take().is_some() {
                    self.desk.store_failing(false, &mut self.out);
                    self.keeper.look_again();
                    self.out.journal(
                        None,
                        Event::HubRecovered {
                            what: "store".to_owned(),
                        },
                    );
                }
            }
            Input::Stopping => {
                self.out.journal(None, Event::HubStopped);
            }
            Input::Tick => self.tick(),
        }
    }

    /// Emergency codes work from the release of the first door to the end of its incident. They are told after the
    /// doors: what opens a door leaves in the mutation that decides it, and a code only once that is on disk.
    fn settle_emergency_codes(&mut self) {
        let incident = self.life_safety.releasing_incident();
        if incident != self.keeper.emergency() {
            self.keeper
                .follow_incident(incident, &around!(self), &mut self.out);
        }
    }

    /// The end of each mutation: codes that are due, and rows that changed.
    fn finish(&mut self) {
        let around = around!(self);
        self.keeper.run(&around, &mut self.out);
        self.read_logs();
        self.devices.save_changed(&mut self.out);
    }

    /// What the keeper of codes sees of the rest.
    fn around(&self) -> Around<'_> {
        around!(self)
    }

    fn tick(&mut self) {
        let now = self.out.mono();
        let at = self.out.at();
        for radio in &mut self.radios {
            radio.tick(now, at);
        }
        let radios = &self.radios;
        self.desk.tick(&mut self.out, |name| {
            radios
                .iter()
                .any(|radio| radio.view.name == *name && radio.is_ready())
        });
    }

    fn store_failing(&mut self, reason: String) {
        if self.store_failure.is_none() {
            let event = Event::HubDegraded {
                what: "store".to_owned(),
                reason: reason.clone(),
            };
            self.out.journal(None, event);
        }
        self.store_failure = Some(reason);
        self.desk.store_failing(true, &mut self.out);
        let at = self.out.at();
        for radio in &mut self.radios {
            radio.store_failing(at);
        }
    }

    fn radio_mut(&mut self, name: &RadioName) -> Option<&mut Radio> {
        self.radios.iter_mut().find(|radio| radio.view.name == *name)
    }
}

#[cfg(test)]
mod tests;
