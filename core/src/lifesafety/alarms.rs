//! What detectors say, and which of it is an emergency.

use hubd_model::{AlarmId, AlarmSignal, Hazard, IncidentId, LockId, MonoTime};

use super::confirm::Timed;
use super::doors::DoorRun;
use super::event::LifeSafetyEvent;
use super::incident::{
    Door, DoorStage, ESCALATIONS_MAX, Escalation, Incident, Review, Source, Stage, TRIGGERS_MAX, Trigger,
};
use super::policy::Policy;
use super::reason::Concern;
use super::{House, LifeSafety, LifeSafetyRecord, StoredPolicy};
use crate::output::Record;

/// An emergency under way.
#[derive(Debug)]
pub(super) struct OpenIncident {
    /// Everything but triggers and doors.
    pub(super) head: Incident,
    pub(super) triggers: Vec<Timed>,
    pub(super) doors: Vec<DoorRun>,
    /// So many triggers were there when a release was called off.
    pub(super) ignored: usize,
    /// Since when nothing warns.
    pub(super) clear: Option<MonoTime>,
}

impl OpenIncident {
    pub(super) fn view(&self) -> Incident {
        Incident {
            triggers: self.triggers.iter().map(|timed| timed.trigger.clone()).collect(),
            doors: self.doors.iter().map(|run| run.door.clone()).collect(),
            ..self.head.clone()
        }
    }

    pub(super) fn is_alarming(&self) -> bool {
        self.triggers.iter().any(|timed| timed.trigger.lasts())
    }

    /// Notes something that a person has to look at.
    pub(super) fn escalate(&mut self, lock: Option<&LockId>, what: Concern, house: &mut House<'_>) {
        if self.head.escalations.len() < ESCALATIONS_MAX {
            self.head.escalations.push(Escalation {
                at: house.out.at(),
                lock: lock.cloned(),
                what: what.clone(),
                over_at: None,
            });
        }
        let event = LifeSafetyEvent::Escalated {
            incident: self.head.id.clone(),
            what,
        };
        match lock {
            Some(lock) => house.note_door(lock, event),
            None => {
                house.note(event);
            }
        }
    }
}

impl LifeSafety {
    /// A known detector spoke. `authenticated` is the message's own and its link's.
    pub(crate) fn heard(
        &mut self,
        alarm: &AlarmId,
        signal: AlarmSignal,
        authenticated: bool,
        frame: &[u8],
        house: &mut House<'_>,
    ) {
        // What anybody could have said opens nothing, ends nothing and starts no drill.
        if !authenticated {
            return;
        }
        match signal {
            AlarmSignal::Raised(hazard) => self.raised(alarm, hazard, frame, house),
            AlarmSignal::Cleared(hazard) => self.cleared(alarm, hazard, house),
            AlarmSignal::Tested(_) => self.tested(alarm, frame, house),
            AlarmSignal::Silenced(_) | AlarmSignal::EndOfLife(_) | AlarmSignal::Maintenance(_) => {}
        }
    }

    fn raised(&mut self, alarm: &AlarmId, hazard: Hazard, frame: &[u8], house: &mut House<'_>) {
        let now = house.out.mono();
        let worked_on = |maintenance: &super::Maintenance| {
            maintenance.until > now && maintenance.view.detectors.include(alarm)
        };
        if self.maintenance.as_ref().is_some_and(worked_on) {
            return;
        }
        let overruled = self.overruled.get(&(alarm.clone(), hazard));
        if overruled.is_some_and(|until| *until > now) {
            return;
        }
        let source = Source::Detector {
            alarm: alarm.clone(),
            hazard,
            frame: frame.to_vec(),
        };
        self.warn(source, house);
    }

    /// Something warns: an emergency begins, or goes on.
    pub(super) fn warn(&mut self, source: Source, house: &mut House<'_>) {
        let (now, at) = (house.out.mono(), house.out.at());
        let hazard = match &source {
            Source::Detector { hazard, .. } => Some(*hazard),
            Source::Person { .. } => None,
        };
        let timed = Timed {
            trigger: Trigger {
                source,
                at,
                over_at: None,
                overruled_by: None,
            },
            at: now,
        };
        self.changed.open = true;
        if self.open.is_none() {
            self.begin(timed, hazard, house);
            return;
        }
        let Some(open) = &mut self.open else { return };
        let was_alarming = open.is_alarming();
        let full = open.triggers.len() >= TRIGGERS_MAX;
        let known = open
            .triggers
            .iter_mut()
            .rfind(|known| same(&known.trigger.source, &timed.trigger.source));
        match known {
            Some(known) if known.trigger.lasts() => {
                // The detector repeats itself: that is no news.
                self.changed.open = false;
                return;
            }
            Some(known) if full => *known = timed,
            Some(_) | None => open.triggers.push(timed),
        }
        open.clear = None;
        open.head.clear_at = None;
        // A door that somebody locked by hand, or that was given back, is wanted open again by a new warning.
        for run in &mut open.doors {
            match run.door.state {
                DoorStage::LockedByHand | DoorStage::Restored | DoorStage::GivenUp => run.wait_again(),
                // Somebody may have asked to lock it meanwhile: it is told anew, which takes that back.
                DoorStage::Open if !was_alarming => run.tell_anew(now),
                DoorStage::Releasing => run.take_back_locks(house),
                DoorStage::Waiting | DoorStage::Pending | DoorStage::Open => {}
            }
        }
        let joined = LifeSafetyEvent::Joined {
            incident: open.head.id.clone(),
            hazard,
        };
        match open.triggers.last().map(|timed| &timed.trigger.source) {
            Some(Source::Detector { alarm, .. }) => {
                house.note_alarm(alarm, joined);
            }
            Some(Source::Person { .. }) | None => {
                house.note(joined);
            }
        }
    }

    fn begin(&mut self, timed: Timed, hazard: Option<Hazard>, house: &mut House<'_>) {
        self.interrupt_drill(house);
        let seq = house.out.next_seq();
        let Ok(id) = IncidentId::parse(&format!("incident-{seq}")) else {
            return;
        };
        let policy = self.policy().filter(|policy| policy.rules.enabled);
        let doors = policy.map(doors_of).unwrap_or_default();
        let policy_version = self.policy().map(|policy| policy.version);
        let by = match &timed.trigger.source {
            Source::Person { name, .. } => Some(name.clone()),
            Source::Detector { .. } => None,
        };
        let opened = LifeSafetyEvent::Opened {
            incident: id.clone(),
            hazard,
            by,
            policy_version,
            doors: doors.iter().map(|run| run.door.lock.clone()).collect(),
        };
        match &timed.trigger.source {
            Source::Detector { alarm, .. } => house.note_alarm(alarm, opened),
            Source::Person { .. } => house.note(opened),
        };
        let mut open = OpenIncident {
            head: Incident {
                id,
                stage: Stage::Alarm,
                opened_at: house.out.at(),
                opened_seq: seq,
                policy_version,
                triggers: Vec::new(),
                doors: Vec::new(),
                released: None,
                cancelled: None,
                clear_at: None,
                closed: None,
                closed_seq: None,
                escalations: Vec::new(),
                review: Review::NotNeeded,
            },
            triggers: vec![timed],
            doors,
            ignored: 0,
            clear: None,
        };
        if let StoredPolicy::Unreadable(reason) = &self.policy {
            open.escalate(None, Concern::PolicyUnreadable(reason.clone()), house);
        }
        self.open = Some(open);
    }

    fn cleared(&mut self, alarm: &AlarmId, hazard: Hazard, house: &mut House<'_>) {
        self.overruled.remove(&(alarm.clone(), hazard));
        let at = house.out.at();
        let Some(open) = &mut self.open else { return };
        for timed in &mut open.triggers {
            let its = matches!(&timed.trigger.source, Source::Detector { alarm: other, hazard: of, .. }
                if other == alarm && *of == hazard);
            if its && timed.trigger.lasts() {
                timed.trigger.over_at = Some(at);
                self.changed.open = true;
            }
        }
    }

    /// Goes on with an emergency after a restart. While something warns, every door that was open or to be opened is
    /// opened anew: nobody knows what happened meanwhile.
    pub(super) fn resume(&mut self, incident: Incident, house: &mut House<'_>) {
        let now = house.out.mono();
        let alarming = incident.is_alarming();
        let triggers = incident.triggers.iter().cloned();
        let doors = incident.doors.iter().cloned();
        let open = OpenIncident {
            triggers: triggers.map(|trigger| Timed { trigger, at: now }).collect(),
            doors: doors.map(|door| DoorRun::resumed(door, alarming, now)).collect(),
            ignored: if incident.cancelled.is_some() {
                incident.triggers.len()
            } else {
                0
            },
            clear: (!alarming).then_some(now),
            head: Incident {
                triggers: Vec::new(),
                doors: Vec::new(),
                ..incident
            },
        };
        for run in &open.doors {
            if matches!(run.door.state, DoorStage::Releasing | DoorStage::Open) {
                self.suspend_relock(&run.door.lock, now);
            }
        }
        self.open = Some(open);
        self.changed.open = true;
    }
}

/// An emergency is kept a moment before its journal entries. When the power went in between, they are made now.
pub(super) fn record_again(incident: &mut Incident, recorded: u64, house: &mut House<'_>) {
    if incident.opened_seq > recorded {
        let first = incident.triggers.first().map(|trigger| &trigger.source);
        let (hazard, by, alarm) = match first {
            Some(Source::Detector { alarm, hazard, .. }) => (Some(*hazard), None, Some(alarm.clone())),
            Some(Source::Person { name, .. }) => (None, Some(name.clone()), None),
            None => (None, None, None),
        };
        let opened = LifeSafetyEvent::Opened {
            incident: incident.id.clone(),
            hazard,
            by,
            policy_version: incident.policy_version,
            doors: incident.doors.iter().map(|door| door.lock.clone()).collect(),
        };
        incident.opened_seq = match alarm {
            Some(alarm) => house.note_alarm(&alarm, opened),
            None => house.note(opened),
        };
        house
            .out
            .decided(Record::LifeSafety(LifeSafetyRecord::Incident(incident.clone())));
    }
    if let (Some(closed), Some(seq)) = (&incident.closed, incident.closed_seq)
        && seq > recorded
    {
        let closed = LifeSafetyEvent::Closed {
            incident: incident.id.clone(),
            by: closed.by.clone(),
            reason: closed.reason.clone(),
            released: incident.released.is_some(),
        };
        incident.closed_seq = Some(house.note(closed));
        house
            .out
            .decided(Record::LifeSafety(LifeSafetyRecord::Incident(incident.clone())));
    }
}

fn doors_of(policy: &Policy) -> Vec<DoorRun> {
    let doors = policy.rules.doors.keys();
    doors
        .map(|lock| DoorRun::new(Door::waiting(lock.clone())))
        .collect()
}

/// Whether two triggers are of the same source.
fn same(one: &Source, other: &Source) -> bool {
    match (one, other) {
        (
            Source::Detector { alarm, hazard, .. },
            Source::Detector {
                alarm: other,
                hazard: of,
                ..
            },
        ) => alarm == other && hazard == of,
        (Source::Person { name, .. }, Source::Person { name: other, .. }) => name == other,
        (Source::Detector { .. }, Source::Person { .. })
        | (Source::Person { .. }, Source::Detector { .. }) => false,
    }
}
