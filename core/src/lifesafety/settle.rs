//! What follows from everything that happened: confirmations, releases, retries, stages, and the ends of waits.

use hubd_model::{BoltState, LockId, MonoTime, Via};

use super::alarms::OpenIncident;
use super::confirm::{Verdict, verdict};
use super::doors::{self, Turn};
use super::event::LifeSafetyEvent;
use super::incident::{DoorStage, Incident, Released, Review, Signed, Stage};
use super::policy::DoorRule;
use super::reason::Concern;
use super::{ESCALATE_AFTER, House, LifeSafety, RELEASE_AFTER_CLEAR_MAX};
use crate::view::{CommandStatus, CommandView};

/// Who ends what ends by itself.
pub(super) const HUB: &str = "hubd";

impl LifeSafety {
    /// Draws the consequences; at the end of every mutation.
    pub(crate) fn settle(&mut self, house: &mut House<'_>) {
        let now = house.out.mono();
        if self
            .maintenance
            .as_ref()
            .is_some_and(|maintenance| maintenance.until <= now)
        {
            self.end_maintenance(HUB.to_owned(), house);
        }
        self.overruled.retain(|_, until| *until > now);
        if let Some(mut open) = self.open.take() {
            self.confirm(&mut open, house);
            self.advance(&mut open, house);
            self.open = Some(open);
            self.stage(house);
        }
        self.settle_drill(house);
        self.tell_holds(house);
        self.save_changed(house);
    }

    /// Decides which doors are released.
    fn confirm(&mut self, open: &mut OpenIncident, house: &mut House<'_>) {
        let now = house.out.mono();
        let mut pending: Vec<(LockId, String, hubd_model::Millis)> = Vec::new();
        let mut released: Vec<(LockId, String)> = Vec::new();
        for run in &mut open.doors {
            match run.door.state {
                DoorStage::Waiting => {}
                DoorStage::Pending => {
                    if run.pending_until.is_none_or(|until| until <= now) {
                        let since = run.since;
                        run.release(since, now, house);
                        released.push((run.door.lock.clone(), "nobody called it off".to_owned()));
                    }
                    continue;
                }
                DoorStage::Releasing
                | DoorStage::Open
                | DoorStage::LockedByHand
                | DoorStage::GivenUp
                | DoorStage::Restored => continue,
            }
            let Some(rule) = self.rule(&run.door.lock) else {
                continue;
            };
            match verdict(rule, self.standing.away, &open.triggers, open.ignored, now) {
                Verdict::No | Verdict::At(_) => {}
                Verdict::Yes { why, since } if rule.cancel_window.0 == 0 => {
                    run.release(since, now, house);
                    released.push((run.door.lock.clone(), why));
                }
                Verdict::Yes { why, since } => {
                    run.door.state = DoorStage::Pending;
                    run.since = since;
                    run.pending_until = Some(now + rule.cancel_window);
                    pending.push((run.door.lock.clone(), why, rule.cancel_window));
                }
            }
        }
        if let Some((_, why, window)) = pending.first().cloned() {
            self.changed.open = true;
            house.note(LifeSafetyEvent::Pending {
                incident: open.head.id.clone(),
                doors: pending.into_iter().map(|(lock, ..)| lock).collect(),
                window,
                why,
            });
        }
        self.released(open, released, house);
    }

    /// Records that doors are being opened.
    pub(super) fn released(
        &mut self,
        open: &mut OpenIncident,
        released: Vec<(LockId, String)>,
        house: &mut House<'_>,
    ) {
        let Some((_, why)) = released.first().cloned() else {
            return;
        };
        self.changed.open = true;
        let (incident, now) = (open.head.id.clone(), house.out.mono());
        if open.head.released.is_none() {
            open.head.released = Some(Released {
                at: house.out.at(),
                why: why.clone(),
            });
        }
        if open.head.review == Review::NotNeeded {
            open.head.review = Review::Open;
            house.note(LifeSafetyEvent::ReviewOpened {
                incident: incident.clone(),
            });
        }
        for (lock, _) in &released {
            self.suspend_relock(lock, now);
        }
        house.note(LifeSafetyEvent::Released {
            incident,
            doors: released.into_iter().map(|(lock, _)| lock).collect(),
            why,
            policy_version: self.policy().map(|policy| policy.version),
        });
    }

    fn rule(&self, lock: &LockId) -> Option<&DoorRule> {
        self.policy().and_then(|policy| policy.rules.of(lock))
    }

    /// Tells doors to open, gives up what was never reached, and escalates.
    fn advance(&mut self, open: &mut OpenIncident, house: &mut House<'_>) {
        let now = house.out.mono();
        let alarming = open.is_alarming();
        if alarming {
            open.clear = None;
        } else if open.clear.is_none() {
            open.clear = Some(now);
        }
        let over = open
            .clear
            .is_some_and(|clear| clear + RELEASE_AFTER_CLEAR_MAX <= now);
        let mut stuck = Vec::new();
        for run in &mut open.doors {
            match run.door.state {
                DoorStage::Pending if !alarming => {
                    run.wait_again();
                    self.changed.open = true;
                }
                DoorStage::Releasing if over => {
                    run.door.state = DoorStage::GivenUp;
                    self.changed.open = true;
                    stuck.push((run.door.lock.clone(), Concern::GivenUp));
                }
                DoorStage::Releasing if !run.escalated && run.decided + ESCALATE_AFTER <= now => {
                    run.escalated = true;
                    stuck.push((run.door.lock.clone(), Concern::NotReported));
                }
                DoorStage::Waiting
                | DoorStage::Pending
                | DoorStage::Releasing
                | DoorStage::Open
                | DoorStage::LockedByHand
                | DoorStage::GivenUp
                | DoorStage::Restored => {}
            }
        }
        for (lock, what) in stuck {
            self.changed.open = true;
            open.escalate(Some(&lock), what, house);
        }
        let why = format!("life safety, {}", open.head.id);
        self.changed.open |= doors::tell_due(&mut open.doors, &why, house);
    }

    /// Moves the emergency on, or ends it.
    fn stage(&mut self, house: &mut House<'_>) {
        let Some(open) = &mut self.open else { return };
        let at = |state| open.doors.iter().any(move |run| run.door.state == state);
        let alarming = open.is_alarming();
        let (releasing, is_open) = (at(DoorStage::Releasing), at(DoorStage::Open));
        let by_hand = at(DoorStage::LockedByHand);
        let stage = match (alarming, open.head.released.is_some()) {
            (true, _) if releasing => Stage::Releasing,
            (true, true) if is_open || by_hand => Stage::Held,
            (true, _) => Stage::Alarm,
            (false, true) if releasing || is_open => Stage::Restoring,
            (false, _) => Stage::Closed,
        };
        if stage == open.head.stage {
            return;
        }
        self.changed.open = true;
        let before = std::mem::replace(&mut open.head.stage, stage);
        let incident = open.head.id.clone();
        match stage {
            Stage::Alarm | Stage::Releasing => {}
            Stage::Held => {
                house.note(LifeSafetyEvent::Held { incident });
            }
            Stage::Restoring => {
                open.head.clear_at = Some(house.out.at());
                let open_doors = open.doors.iter().filter(|run| run.door.state == DoorStage::Open);
                let doors = open_doors.map(|run| run.door.lock.clone()).collect();
                house.note(LifeSafetyEvent::Clear { incident, doors });
            }
            Stage::Closed => {
                open.head.stage = before;
                let reason = if open.head.released.is_some() {
                    "the danger is over and no released door is open any more"
                } else {
                    "the danger is over; no door was released"
                };
                self.end(HUB.to_owned(), reason.to_owned(), house);
            }
        }
    }

    /// Ends the emergency.
    pub(super) fn end(&mut self, by: String, reason: String, house: &mut House<'_>) {
        let Some(mut open) = self.open.take() else { return };
        let (now, at) = (house.out.mono(), house.out.at());
        open.head.stage = Stage::Closed;
        open.head.clear_at.get_or_insert(at);
        for run in &open.doors {
            self.give_back(&run.door.lock, now);
        }
        let closed = LifeSafetyEvent::Closed {
            incident: open.head.id.clone(),
            by: by.clone(),
            reason: reason.clone(),
            released: open.head.released.is_some(),
        };
        open.head.closed_seq = Some(house.note(closed));
        open.head.closed = Some(Signed { at, by, reason });
        self.changed.open = false;
        let incident: Incident = open.view();
        self.remember(incident, house);
    }

    /// A lock reported its bolt; `via` when it moved.
    pub(crate) fn bolt(&mut self, lock: &LockId, bolt: BoltState, via: Option<&Via>, house: &mut House<'_>) {
        self.drill_bolt(lock, bolt, via, house);
        let Some(open) = &mut self.open else { return };
        let alarming = open.is_alarming();
        let Some(run) = open.doors.iter_mut().find(|run| run.door.lock == *lock) else {
            return;
        };
        let turn = run.bolt(bolt, via, alarming, house);
        let (incident, via) = (open.head.id.clone(), via.cloned());
        let via = via.unwrap_or_else(|| Via::source(hubd_model::Source::Unknown));
        match turn {
            Turn::None => return,
            Turn::Opened => self.opened(lock, house),
            Turn::Relocked => house.note_door(lock, LifeSafetyEvent::DoorRelocked { incident, via }),
            Turn::ByHand => {
                house.note_door(lock, LifeSafetyEvent::DoorLockedByHand { incident, via });
                self.give_back(lock, house.out.mono());
            }
            Turn::Restored => self.give_back(lock, house.out.mono()),
        }
        self.changed.open = true;
    }

    /// Somebody asks from afar to lock a door, and nothing warns: it is not opened any more.
    pub(crate) fn person_locks(&mut self, lock: &LockId, house: &mut House<'_>) {
        let Some(open) = self.open.as_mut().filter(|open| !open.is_alarming()) else {
            return;
        };
        let mut runs = open.doors.iter_mut();
        if let Some(run) = runs.find(|run| run.door.lock == *lock && run.door.state == DoorStage::Releasing) {
            run.door.state = DoorStage::GivenUp;
            self.changed.open = true;
            open.escalate(Some(lock), Concern::LockAsked, house);
        }
    }

    /// A door is open: that is told, and whatever was wrong with it is over.
    fn opened(&mut self, lock: &LockId, house: &mut House<'_>) {
        let at = house.out.at();
        let Some(open) = &mut self.open else { return };
        let Some(run) = open.doors.iter().find(|run| run.door.lock == *lock) else {
            return;
        };
        let event = LifeSafetyEvent::DoorOpened {
            incident: open.head.id.clone(),
            latency: run.door.latency,
            tries: run.door.tries,
        };
        for escalation in &mut open.head.escalations {
            if escalation.lock.as_ref() == Some(lock) {
                escalation.over_at.get_or_insert(at);
            }
        }
        self.changed.open = true;
        house.note_door(lock, event);
        self.suspend_relock(lock, house.out.mono());
    }

    /// An attempt to open a door ended.
    pub(crate) fn attempt_ended(&mut self, end: &CommandView, house: &mut House<'_>) {
        let now = house.out.mono();
        self.drill_attempt_ended(end, house);
        let Some(open) = &mut self.open else { return };
        let Some(run) = open
            .doors
            .iter_mut()
            .find(|run| run.in_flight.as_ref() == Some(&end.id))
        else {
            return;
        };
        self.changed.open = true;
        let was_releasing = run.door.state == DoorStage::Releasing;
        run.attempt_ended(end, now);
        match end.status {
            // The lock's own confirmation is a report.
            CommandStatus::Done if was_releasing => {
                run.opened(house);
                self.opened(&end.lock, house);
            }
            CommandStatus::Jammed | CommandStatus::Refused if was_releasing && !run.escalated => {
                run.escalated = true;
                let reason = end.reason.clone().unwrap_or_default();
                let what = if end.status == CommandStatus::Jammed {
                    Concern::Jammed(reason)
                } else {
                    Concern::Refused(reason)
                };
                open.escalate(Some(&end.lock), what, house);
            }
            CommandStatus::Requested
            | CommandStatus::Sent
            | CommandStatus::Acknowledged
            | CommandStatus::Done
            | CommandStatus::Jammed
            | CommandStatus::Refused
            | CommandStatus::TimedOut
            | CommandStatus::Expired => {}
        }
    }

    /// When the emergency has to be looked at again.
    pub(super) fn open_deadline(&self, open: &OpenIncident, now: MonoTime) -> Option<MonoTime> {
        let given_up = open.clear.map(|clear| clear + RELEASE_AFTER_CLEAR_MAX);
        open.doors
            .iter()
            .filter_map(|run| match run.door.state {
                DoorStage::Waiting => {
                    let rule = self.rule(&run.door.lock)?;
                    match verdict(rule, self.standing.away, &open.triggers, open.ignored, now) {
                        Verdict::At(at) => Some(at),
                        Verdict::No | Verdict::Yes { .. } => None,
                    }
                }
                DoorStage::Pending => run.pending_until,
                DoorStage::Releasing => {
                    let next = run.in_flight.is_none().then_some(run.next_try);
                    let escalate = (!run.escalated).then_some(run.decided + ESCALATE_AFTER);
                    [next, escalate, given_up].into_iter().flatten().min()
                }
                DoorStage::Open | DoorStage::LockedByHand | DoorStage::GivenUp | DoorStage::Restored => None,
            })
            .min()
    }
}
