//! What people and machines ask for: checked, then ordered, or refused with a reason.

use hubd_model::{DeviceAddress, InclusionStrategy, LockId, LockOp, Order, RadioName};

use super::{Engine, around};
use crate::actuation::desk::NewCommand;
use crate::devices::parse_name;
use crate::event::Event;
use crate::input::{Answer, Refusal, Request};
use crate::lifesafety::request::LifeSafetyRefusal;
use crate::outbox::DeviceId;
use crate::radios::Radio;
use crate::view::DongleWork;

impl Engine {
    pub(super) fn request(&mut self, request: Request) -> Result<Answer, Refusal> {
        match request {
            Request::Actuate {
                command,
                lock,
                op,
                requester,
                urgency,
                time_to_live,
            } => {
                if let Some(known) = self.desk.view(&command) {
                    let same = known.lock == lock && known.op == op && known.requester == requester;
                    return if same {
                        Ok(Answer::Command(known.clone()))
                    } else {
                        Err(Refusal::CommandConflict)
                    };
                }
                if op == LockOp::Lock
                    && let Some(incident) = self.life_safety.holds_open(&lock)
                {
                    return Err(LifeSafetyRefusal::HeldOpen { lock, incident }.into());
                }
                let (radio, device) = self.check_actuation(&lock, op)?;
                if op == LockOp::Lock {
                    self.with_life_safety(|life_safety, house| life_safety.person_locks(&lock, house));
                }
                let new = NewCommand {
                    id: command,
                    lock,
                    radio,
                    device,
                    op,
                    requester,
                    urgency,
                    time_to_live,
                };
                return self.desk.accept(new, &mut self.out).map(Answer::Command);
            }
            Request::RenameLock { lock, name } => {
                let name = parse_name(&name).ok_or(Refusal::BadName)?;
                let row = self
                    .devices
                    .lock_mut(&lock)
                    .ok_or_else(|| Refusal::NoSuchLock(lock.clone()))?;
                row.view.name = name;
                self.keeps_codes(&DeviceId::Lock(lock));
            }
            Request::RenameAlarm { alarm, name } => {
                let name = parse_name(&name).ok_or(Refusal::BadName)?;
                let row = self
                    .devices
                    .alarm_mut(&alarm)
                    .ok_or(Refusal::NoSuchAlarm(alarm))?;
                row.view.name = name;
            }
            Request::RefreshLock { lock } => {
                let (name, device) = self.lock_place(&lock)?;
                self.find_radio(&name)?.check_works()?;
                self.out.order(&name, Order::Refresh { device });
            }
            Request::Include {
                radio: name,
                strategy,
            } => {
                let now = self.out.mono();
                let radio = self.find_radio(&name)?;
                radio.check_free()?;
                // A SmartStart device is waited for in the background; the radio stays free for others.
                if !matches!(strategy, InclusionStrategy::SmartStart(_)) {
                    radio.begin_inclusion(now);
                }
                self.out.order(&name, Order::Include(strategy));
            }
            Request::AnswerInclusion { radio: name, answer } => {
                let radio = self.find_radio(&name)?;
                radio.check_works()?;
                if !radio.is_asking() {
                    return Err(Refusal::NothingUnderWay(name));
                }
                self.out.order(&name, Order::Answer(answer));
            }
            Request::CancelInclusion { radio: name } => {
                let radio = self.find_radio(&name)?;
                if !radio.under_way() && radio.view.inclusion.expected == 0 {
                    return Err(Refusal::NothingUnderWay(name));
                }
                self.out.order(&name, Order::Cancel);
            }
            Request::Exclude { radio: name } => {
                let now = self.out.mono();
                let radio = self.find_radio(&name)?;
                radio.check_free()?;
                radio.begin_exclusion(now);
                self.out.order(&name, Order::Exclude);
            }
            Request::CopyDongle {
                radio: name,
                requester,
            } => {
                let now = self.out.mono();
                let radio = self.find_radio(&name)?;
                radio.check_free()?;
                radio.begin_dongle(now, DongleWork::Copy, requester);
                self.out.order(&name, Order::CopyDongle);
            }
            Request::WriteDongle {
                radio: name,
                image,
                requester,
            } => {
                let now = self.out.mono();
                let radio = self.find_radio(&name)?;
                radio.check_free()?;
                radio.begin_dongle(now, DongleWork::Write, requester);
                self.out.order(&name, Order::RestoreDongle(image));
            }
            Request::RemoveFailedLock { lock } => {
                let (name, device) = self.lock_place(&lock)?;
                self.remove_failed(&name, device)?;
            }
            Request::RemoveFailedAlarm { alarm } => {
                let known = self
                    .devices
                    .alarms
                    .get(&alarm)
                    .ok_or(Refusal::NoSuchAlarm(alarm))?;
                let (name, device) = (known.view.radio.clone(), known.view.address.clone());
                self.remove_failed(&name, device)?;
            }
            Request::Credentials { what, requester } => {
                let around = around!(self);
                return self.keeper.request(*what, &requester, &around, &mut self.out);
            }
            Request::LifeSafety(request) => {
                let about =
                    self.with_life_safety(|life_safety, house| life_safety.request(request, house))?;
                return Ok(about.map_or(Answer::Accepted, Answer::Incident));
            }
            Request::Record(event) => {
                let told = if let Event::SessionRefused { reason } = &event {
                    self.refusals.tell(reason.clone(), self.out.mono())
                } else {
                    true
                };
                self.journal(None, told.then_some(event));
            }
        }
        Ok(Answer::Accepted)
    }

    /// Removes a device that is said to be gone. What becomes of it is told where an exclusion's end is told.
    fn remove_failed(&mut self, name: &RadioName, device: DeviceAddress) -> Result<(), Refusal> {
        let now = self.out.mono();
        let radio = self.find_radio(name)?;
        radio.check_free()?;
        radio.begin_exclusion(now);
        self.out.order(name, Order::RemoveFailed { device });
        Ok(())
    }

    fn lock_place(&self, lock: &LockId) -> Result<(RadioName, DeviceAddress), Refusal> {
        let known = self
            .devices
            .locks
            .get(lock)
            .ok_or_else(|| Refusal::NoSuchLock(lock.clone()))?;
        Ok((known.view.radio.clone(), known.view.address.clone()))
    }

    /// Where a lock is, if it can be asked to move its bolt.
    fn check_actuation(&mut self, lock: &LockId, op: LockOp) -> Result<(RadioName, DeviceAddress), Refusal> {
        let (radio, device) = self.lock_place(lock)?;
        let description = self.devices.locks.get(lock).map(|lock| &lock.view.description);
        if !description.is_some_and(|description| description.security.is_authenticated()) {
            return Err(Refusal::InsecureLock(lock.clone()));
        }
        if op == LockOp::Unlatch && !description.is_some_and(|description| description.lock.unlatch) {
            return Err(Refusal::NotCapable {
                lock: lock.clone(),
                op: op.as_str(),
            });
        }
        self.find_radio(&radio)?.check_works()?;
        Ok((radio, device))
    }

    /// A radio of the configuration.
    fn find_radio(&mut self, name: &RadioName) -> Result<&mut Radio, Refusal> {
        self.radio_mut(name)
            .ok_or_else(|| Refusal::NoSuchRadio(name.clone()))
    }
}
