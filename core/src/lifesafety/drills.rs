//! Drills: the same path as in an emergency, from a test button or a request to the bolt, measured.
//!
//! ```text
//!   asked --with a detector--> Armed --its test button--> Running --all doors open, or DRILL_MAX--> Ended
//!     |                          | DRILL_ARMED_MAX, ended by a person, an emergency, a restart        ^
//!     +--without-----------------+--------------------------------------------------------------------+
//! ```
//!
//! A test button that nobody armed makes a dry drill: it is recorded, what would fail is found, nothing moves.

use std::collections::BTreeSet;

use hubd_model::{AlarmId, BoltState, IncidentId, LinkState, LockId, MonoTime, Via};

use super::doors::{self, DoorRun, Turn};
use super::event::LifeSafetyEvent;
use super::incident::{Door, DoorStage, Drill, DrillStage, Signed};
use super::reason::Finding;
use super::request::LifeSafetyRefusal;
use super::settle::HUB;
use super::{DRILL_ARMED_MAX, DRILL_MAX, House, LifeSafety, LifeSafetyKey, LifeSafetyRecord, REMEMBERED_MAX};
use crate::output::{Record, RecordKey};
use crate::view::{CommandStatus, CommandView};

/// A drill under way.
#[derive(Debug)]
pub(super) struct OpenDrill {
    /// Everything but the doors.
    head: Drill,
    pub(super) doors: Vec<DoorRun>,
    until: MonoTime,
}

impl OpenDrill {
    pub(super) fn view(&self) -> Drill {
        Drill {
            doors: self.doors.iter().map(|run| run.door.clone()).collect(),
            ..self.head.clone()
        }
    }

    pub(super) fn deadline(&self) -> Option<MonoTime> {
        let tries = self
            .doors
            .iter()
            .filter(|run| run.door.state == DoorStage::Releasing && run.in_flight.is_none())
            .map(|run| run.next_try);
        tries.chain([self.until]).min()
    }
}

impl LifeSafety {
    pub(super) fn start_drill(
        &mut self,
        doors: Option<BTreeSet<LockId>>,
        dry: bool,
        detector: Option<AlarmId>,
        by: String,
        house: &mut House<'_>,
    ) -> Result<IncidentId, LifeSafetyRefusal> {
        if let Some(open) = &self.open {
            return Err(LifeSafetyRefusal::Emergency(open.head.id.clone()));
        }
        if let Some(drill) = &self.drill {
            return Err(LifeSafetyRefusal::DrillUnderWay(drill.head.id.clone()));
        }
        let chosen = self.chosen();
        let doors = doors.unwrap_or_else(|| chosen.clone());
        if let Some(other) = doors.difference(&chosen).next() {
            return Err(LifeSafetyRefusal::DoorNotChosen(other.clone()));
        }
        if doors.is_empty() {
            return Err(LifeSafetyRefusal::NoDoorChosen);
        }
        if let Some(missing) = detector
            .as_ref()
            .filter(|alarm| !house.devices.alarms.contains_key(alarm))
        {
            return Err(LifeSafetyRefusal::NoSuchDetector(missing.clone()));
        }
        let waits = detector.is_some();
        let id = self
            .open_drill(doors, dry, detector, by, house)
            .ok_or(LifeSafetyRefusal::NoDrill)?;
        if !waits {
            self.run_drill(Vec::new(), house);
        }
        Ok(id)
    }

    /// The doors that the policy chose.
    fn chosen(&self) -> BTreeSet<LockId> {
        self.policy()
            .filter(|policy| policy.rules.enabled)
            .map(|policy| policy.rules.doors.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn open_drill(
        &mut self,
        doors: BTreeSet<LockId>,
        dry: bool,
        detector: Option<AlarmId>,
        by: String,
        house: &mut House<'_>,
    ) -> Option<IncidentId> {
        let (now, at) = (house.out.mono(), house.out.at());
        let seq = house.out.next_seq();
        let id = IncidentId::parse(&format!("drill-{seq}")).ok()?;
        house.note(LifeSafetyEvent::DrillStarted {
            drill: id.clone(),
            by: by.clone(),
            dry,
        });
        self.drill = Some(OpenDrill {
            head: Drill {
                id: id.clone(),
                stage: DrillStage::Armed,
                dry,
                by,
                detector,
                asked_at: at,
                began_at: None,
                frame: Vec::new(),
                doors: Vec::new(),
                findings: Vec::new(),
                ended: None,
                passed: false,
            },
            doors: doors
                .into_iter()
                .map(|lock| DoorRun::new(Door::waiting(lock)))
                .collect(),
            until: now + DRILL_ARMED_MAX,
        });
        self.changed.drill = true;
        Some(id)
    }

    /// A test button was pressed.
    pub(super) fn tested(&mut self, alarm: &AlarmId, frame: &[u8], house: &mut House<'_>) {
        if self.open.is_some() {
            return;
        }
        let armed = |drill: &OpenDrill| {
            drill.head.stage == DrillStage::Armed && drill.head.detector.as_ref() == Some(alarm)
        };
        if self.drill.as_ref().is_some_and(armed) {
            self.run_drill(frame.to_vec(), house);
            return;
        }
        let news = self.tests.tell(alarm.clone(), house.out.mono());
        let doors = self.chosen();
        if !news || self.drill.is_some() || doors.is_empty() {
            return;
        }
        let by = format!("the test button of {alarm}");
        self.open_drill(doors, true, Some(alarm.clone()), by, house);
        self.run_drill(frame.to_vec(), house);
    }

    fn run_drill(&mut self, frame: Vec<u8>, house: &mut House<'_>) {
        let (now, at) = (house.out.mono(), house.out.at());
        let Some(drill) = &mut self.drill else { return };
        drill.head.stage = DrillStage::Running;
        drill.head.began_at = Some(at);
        drill.head.frame = frame;
        drill.until = now + DRILL_MAX;
        self.changed.drill = true;
        if drill.head.dry {
            for run in &drill.doors {
                drill.head.findings.extend(finding(&run.door.lock, house));
            }
            self.finish_drill(HUB.to_owned(), "nothing was to move".to_owned(), house);
            return;
        }
        for run in &mut drill.doors {
            run.release(now, now, house);
        }
    }

    pub(super) fn settle_drill(&mut self, house: &mut House<'_>) {
        let now = house.out.mono();
        let Some(drill) = &mut self.drill else { return };
        if drill.head.stage == DrillStage::Running {
            let why = format!("life safety, {}", drill.head.id);
            self.changed.drill |= doors::tell_due(&mut drill.doors, &why, house);
        }
        let over = drill.until <= now;
        let all_open = drill.doors.iter().all(|run| run.door.state == DoorStage::Open);
        match drill.head.stage {
            DrillStage::Armed if over => {
                let reason = "nobody pressed the test button in time".to_owned();
                drill.head.findings.push(Finding::NotTested);
                self.finish_drill(HUB.to_owned(), reason, house);
            }
            DrillStage::Running if all_open => {
                self.finish_drill(
                    HUB.to_owned(),
                    "every door is open; lock them by hand".to_owned(),
                    house,
                );
            }
            DrillStage::Running if over => {
                for run in drill
                    .doors
                    .iter_mut()
                    .filter(|run| run.door.state != DoorStage::Open)
                {
                    run.door.state = DoorStage::GivenUp;
                    let finding = Finding::NotOpen(run.door.lock.clone(), DRILL_MAX);
                    drill.head.findings.push(finding);
                }
                self.finish_drill(HUB.to_owned(), "not every door opened".to_owned(), house);
            }
            DrillStage::Armed | DrillStage::Running | DrillStage::Ended => {}
        }
    }

    pub(super) fn drill_bolt(
        &mut self,
        lock: &LockId,
        bolt: BoltState,
        via: Option<&Via>,
        house: &House<'_>,
    ) {
        let Some(drill) = &mut self.drill else { return };
        if let Some(run) = drill.doors.iter_mut().find(|run| run.door.lock == *lock)
            && run.door.state == DoorStage::Releasing
            && run.bolt(bolt, via, true, house) == Turn::Opened
        {
            self.changed.drill = true;
        }
    }

    pub(super) fn drill_attempt_ended(&mut self, end: &CommandView, house: &House<'_>) {
        let now = house.out.mono();
        let Some(drill) = &mut self.drill else { return };
        let its = |run: &&mut DoorRun| run.in_flight.as_ref() == Some(&end.id);
        if let Some(run) = drill.doors.iter_mut().find(its) {
            let was_releasing = run.door.state == DoorStage::Releasing;
            run.attempt_ended(end, now);
            if was_releasing && end.status == CommandStatus::Done {
                run.opened(house);
            }
            self.changed.drill = true;
        }
    }

    /// An emergency begins: the drill is over.
    pub(super) fn interrupt_drill(&mut self, house: &mut House<'_>) {
        if let Some(drill) = &mut self.drill {
            drill.head.findings.push(Finding::Emergency);
            self.finish_drill(HUB.to_owned(), "an emergency began".to_owned(), house);
        }
    }

    pub(super) fn end_drill(
        &mut self,
        by: String,
        house: &mut House<'_>,
    ) -> Result<IncidentId, LifeSafetyRefusal> {
        let drill = self.drill.as_mut().ok_or(LifeSafetyRefusal::NoDrill)?;
        let id = drill.head.id.clone();
        drill.head.findings.push(Finding::EndedEarly(by.clone()));
        self.finish_drill(by, "ended early".to_owned(), house);
        Ok(id)
    }

    fn finish_drill(&mut self, by: String, reason: String, house: &mut House<'_>) {
        let Some(mut drill) = self.drill.take() else {
            return;
        };
        drill.head.stage = DrillStage::Ended;
        drill.head.passed = drill.head.findings.is_empty();
        drill.head.ended = Some(Signed {
            at: house.out.at(),
            by,
            reason,
        });
        self.changed.drill = false;
        let drill = drill.view();
        house
            .out
            .decided(Record::LifeSafety(LifeSafetyRecord::Drill(drill.clone())));
        house.note(LifeSafetyEvent::DrillEnded {
            report: Box::new(drill.clone()),
        });
        self.drills.push_back(drill);
        if self.drills.len() > REMEMBERED_MAX
            && let Some(oldest) = self.drills.pop_front()
        {
            house
                .out
                .forget(RecordKey::LifeSafety(LifeSafetyKey::Drill(oldest.id)));
        }
    }
}

/// A restart ends a drill.
pub(super) fn cut_off(drill: &mut Drill, house: &mut House<'_>) {
    let reason = "the hub was restarted meanwhile".to_owned();
    drill.stage = DrillStage::Ended;
    drill.findings.push(Finding::Restarted);
    drill.passed = false;
    drill.ended = Some(Signed {
        at: house.out.at(),
        by: HUB.to_owned(),
        reason,
    });
    house
        .out
        .decided(Record::LifeSafety(LifeSafetyRecord::Drill(drill.clone())));
    house.note(LifeSafetyEvent::DrillEnded {
        report: Box::new(drill.clone()),
    });
}

/// What would keep a door from being opened now.
fn finding(lock: &LockId, house: &House<'_>) -> Option<Finding> {
    let Some(known) = house.devices.locks.get(lock) else {
        return Some(Finding::LockGone(lock.clone()));
    };
    if !known.view.description.security.is_authenticated() {
        return Some(Finding::Insecure(lock.clone()));
    }
    let radio = house
        .radios
        .iter()
        .find(|radio| radio.view.name == known.view.radio);
    if !radio.is_some_and(crate::radios::Radio::is_ready) {
        return Some(Finding::RadioAway(lock.clone()));
    }
    (known.view.link == LinkState::Offline).then(|| Finding::LockAway(lock.clone()))
}
