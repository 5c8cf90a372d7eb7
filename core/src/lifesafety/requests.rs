//! What people ask: the policy, maintenance, help, and the ends of an emergency.

use std::collections::BTreeSet;

use hubd_model::{AlarmId, IncidentId, Millis};

use super::alarms::OpenIncident;
use super::doors::DoorRun;
use super::event::LifeSafetyEvent;
use super::incident::{Door, DoorStage, Incident, Review, Signed, Source};
use super::policy::{Detectors, Policy, Rules};
use super::request::{LifeSafetyRefusal, LifeSafetyRequest};
use super::{
    House, LifeSafety, LifeSafetyRecord, MAINTENANCE_MAX, Maintenance, MaintenanceView, OVERRULED_MAX,
    StoredPolicy,
};
use crate::output::Record;

/// How many characters a reason has at most.
const REASON_CHARS_MAX: usize = 500;

impl LifeSafety {
    /// Does what is asked; the incident or drill that it is about, where there is one.
    pub(crate) fn request(
        &mut self,
        request: LifeSafetyRequest,
        house: &mut House<'_>,
    ) -> Result<Option<IncidentId>, LifeSafetyRefusal> {
        match request {
            LifeSafetyRequest::SetPolicy {
                rules,
                from_version,
                by,
            } => self.set_policy(rules, from_version, by, house)?,
            LifeSafetyRequest::SetAway { away, by } => {
                if self.standing.away != away {
                    self.standing.away = away;
                    self.changed.standing = true;
                    house.note(LifeSafetyEvent::AwayChanged { away, by });
                }
            }
            LifeSafetyRequest::StartMaintenance {
                detectors,
                span,
                reason,
                by,
            } => self.start_maintenance(detectors, span, &reason, by, house)?,
            LifeSafetyRequest::EndMaintenance { by } => {
                if self.maintenance.is_none() {
                    return Err(LifeSafetyRefusal::NoMaintenance);
                }
                self.end_maintenance(by, house);
            }
            LifeSafetyRequest::CallForHelp { reason, by } => {
                let reason = parse_reason(&reason)?;
                if !self.policy().is_some_and(|policy| policy.rules.enabled) {
                    return Err(LifeSafetyRefusal::NoDoorChosen);
                }
                self.warn(Source::Person { name: by, reason }, house);
                return Ok(self.open.as_ref().map(|open| open.head.id.clone()));
            }
            LifeSafetyRequest::Release { incident, by } => self.release_now(&incident, &by, house)?,
            LifeSafetyRequest::Cancel { incident, reason, by } => {
                self.cancel(&incident, &reason, by, house)?;
            }
            LifeSafetyRequest::Close {
                incident,
                reason,
                overrule,
                by,
            } => self.close(&incident, &reason, &overrule, by, house)?,
            LifeSafetyRequest::Review {
                incident,
                false_alarm,
                reason,
                by,
            } => self.review(&incident, false_alarm, &reason, by, house)?,
            LifeSafetyRequest::StartDrill {
                doors,
                dry,
                detector,
                by,
            } => return self.start_drill(doors, dry, detector, by, house).map(Some),
            LifeSafetyRequest::EndDrill { by } => return self.end_drill(by, house).map(Some),
        }
        Ok(None)
    }

    fn set_policy(
        &mut self,
        rules: Rules,
        from_version: Option<u64>,
        by: String,
        house: &mut House<'_>,
    ) -> Result<(), LifeSafetyRefusal> {
        let in_force = self.policy().map_or(0, |policy| policy.version);
        if from_version.is_some_and(|version| version != in_force) {
            return Err(LifeSafetyRefusal::PolicyMoved { in_force });
        }
        rules.check(house.devices)?;
        let version = in_force.saturating_add(1);
        house.note(LifeSafetyEvent::PolicyChanged {
            version,
            by: by.clone(),
            enabled: rules.enabled,
            doors: rules.doors.keys().cloned().collect(),
        });
        self.policy = StoredPolicy::Readable(Policy {
            version,
            changed_at: house.out.at(),
            changed_by: by,
            rules,
        });
        // Whoever sets a policy anew has seen that the old one could not be read.
        self.unreadable.clear();
        self.changed.policy = true;
        Ok(())
    }

    fn start_maintenance(
        &mut self,
        detectors: Detectors,
        span: Millis,
        reason: &str,
        by: String,
        house: &mut House<'_>,
    ) -> Result<(), LifeSafetyRefusal> {
        let reason = parse_reason(reason)?;
        if !(Millis::from_secs(60)..=MAINTENANCE_MAX).contains(&span) {
            return Err(LifeSafetyRefusal::BadSpan);
        }
        if let Some(open) = &self.open {
            return Err(LifeSafetyRefusal::Emergency(open.head.id.clone()));
        }
        let chosen = match &detectors {
            Detectors::Any => None,
            Detectors::Only(chosen) => {
                if let Some(missing) = chosen
                    .iter()
                    .find(|alarm| !house.devices.alarms.contains_key(alarm))
                {
                    return Err(LifeSafetyRefusal::NoSuchDetector(missing.clone()));
                }
                Some(chosen.iter().cloned().collect())
            }
        };
        let (now, at) = (house.out.mono(), house.out.at());
        house.note(LifeSafetyEvent::MaintenanceStarted {
            by: by.clone(),
            reason: reason.clone(),
            detectors: chosen,
            span,
        });
        let length = i64::try_from(span.0).unwrap_or(i64::MAX);
        self.maintenance = Some(Maintenance {
            view: MaintenanceView {
                detectors,
                by,
                reason,
                since: at,
                until: hubd_model::UnixMillis(at.0.saturating_add(length)),
            },
            until: now + span,
        });
        self.standing.maintenance = true;
        self.changed.standing = true;
        Ok(())
    }

    pub(super) fn end_maintenance(&mut self, by: String, house: &mut House<'_>) {
        if self.maintenance.take().is_some() {
            self.standing.maintenance = false;
            self.changed.standing = true;
            house.note(LifeSafetyEvent::MaintenanceEnded { by });
        }
    }

    /// The incident under way, if it is this one.
    fn under_way(&mut self, incident: &IncidentId) -> Result<&mut OpenIncident, LifeSafetyRefusal> {
        if self.past.iter().any(|past| past.id == *incident) {
            return Err(LifeSafetyRefusal::Over(incident.clone()));
        }
        self.open
            .as_mut()
            .filter(|open| open.head.id == *incident)
            .ok_or_else(|| LifeSafetyRefusal::NoSuchIncident(incident.clone()))
    }

    fn release_now(
        &mut self,
        incident: &IncidentId,
        by: &str,
        house: &mut House<'_>,
    ) -> Result<(), LifeSafetyRefusal> {
        let chosen: Vec<_> = self
            .policy()
            .filter(|policy| policy.rules.enabled)
            .map(|policy| policy.rules.doors.keys().cloned().collect())
            .unwrap_or_default();
        let open = self.under_way(incident)?;
        if chosen.is_empty() {
            return Err(LifeSafetyRefusal::NoDoorChosen);
        }
        if !open.is_alarming() {
            return Err(LifeSafetyRefusal::Over(incident.clone()));
        }
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let now = house.out.mono();
        let mut released = Vec::new();
        for lock in chosen {
            if !open.doors.iter().any(|run| run.door.lock == lock) {
                open.doors.push(DoorRun::new(Door::waiting(lock.clone())));
            }
            let Some(run) = open.doors.iter_mut().find(|run| run.door.lock == lock) else {
                continue;
            };
            if !matches!(run.door.state, DoorStage::Releasing | DoorStage::Open) {
                run.release(now, now, house);
                released.push((lock, format!("{by} confirmed the alarm")));
            }
        }
        self.released(&mut open, released, house);
        self.open = Some(open);
        Ok(())
    }

    fn cancel(
        &mut self,
        incident: &IncidentId,
        reason: &str,
        by: String,
        house: &mut House<'_>,
    ) -> Result<(), LifeSafetyRefusal> {
        let reason = parse_reason(reason)?;
        let at = house.out.at();
        let open = self.under_way(incident)?;
        if open.head.released.is_some() {
            return Err(LifeSafetyRefusal::Released(incident.clone()));
        }
        open.ignored = open.triggers.len();
        open.head.cancelled = Some(Signed {
            at,
            by: by.clone(),
            reason: reason.clone(),
        });
        for run in &mut open.doors {
            run.wait_again();
        }
        self.changed.open = true;
        let incident = incident.clone();
        house.note(LifeSafetyEvent::Cancelled { incident, by, reason });
        Ok(())
    }

    fn close(
        &mut self,
        incident: &IncidentId,
        reason: &str,
        overrule: &BTreeSet<AlarmId>,
        by: String,
        house: &mut House<'_>,
    ) -> Result<(), LifeSafetyRefusal> {
        let reason = parse_reason(reason)?;
        let (now, at) = (house.out.mono(), house.out.at());
        let open = self.under_way(incident)?;
        let mut warn: Vec<AlarmId> = Vec::new();
        for timed in open.triggers.iter().filter(|timed| timed.trigger.lasts()) {
            if let Source::Detector { alarm, .. } = &timed.trigger.source
                && !overrule.contains(alarm)
                && !warn.contains(alarm)
            {
                warn.push(alarm.clone());
            }
        }
        if !warn.is_empty() {
            return Err(LifeSafetyRefusal::StillAlarming(warn));
        }
        let mut overruled = Vec::new();
        for timed in open.triggers.iter_mut().filter(|timed| timed.trigger.lasts()) {
            timed.trigger.over_at = Some(at);
            timed.trigger.overruled_by = Some(by.clone());
            if let Source::Detector { alarm, hazard, .. } = &timed.trigger.source {
                overruled.push((alarm.clone(), *hazard));
            }
        }
        for key in overruled {
            self.overruled.insert(key, now + OVERRULED_MAX);
        }
        self.end(by, reason, house);
        Ok(())
    }

    fn review(
        &mut self,
        incident: &IncidentId,
        false_alarm: bool,
        reason: &str,
        by: String,
        house: &mut House<'_>,
    ) -> Result<(), LifeSafetyRefusal> {
        let reason = parse_reason(reason)?;
        if let Some(open) = self.open.as_ref().filter(|open| open.head.id == *incident) {
            return Err(LifeSafetyRefusal::Emergency(open.head.id.clone()));
        }
        let at = house.out.at();
        let past = self
            .past
            .iter_mut()
            .find(|past| past.id == *incident)
            .ok_or_else(|| LifeSafetyRefusal::NoSuchIncident(incident.clone()))?;
        if past.review != Review::Open {
            return Err(LifeSafetyRefusal::NothingToReview(incident.clone()));
        }
        let signed = Signed {
            at,
            by: by.clone(),
            reason: reason.clone(),
        };
        past.review = Review::Done { signed, false_alarm };
        for escalation in &mut past.escalations {
            escalation.over_at.get_or_insert(at);
        }
        let kept: Incident = past.clone();
        house
            .out
            .decided(Record::LifeSafety(LifeSafetyRecord::Incident(kept)));
        house.note(LifeSafetyEvent::Reviewed {
            incident: incident.clone(),
            by,
            reason,
            false_alarm,
        });
        Ok(())
    }
}

/// A reason as people may give it, without blanks around it.
fn parse_reason(reason: &str) -> Result<String, LifeSafetyRefusal> {
    let reason = reason.trim();
    let fits =
        (1..=REASON_CHARS_MAX).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if fits {
        Ok(reason.to_owned())
    } else {
        Err(LifeSafetyRefusal::BadReason)
    }
}
