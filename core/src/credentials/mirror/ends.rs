//! How tasks end, and what that proves.

use std::collections::BTreeSet;

use hubd_model::{
    CodeChecksum, CodeRefusal, CodeTaskEnd, CodeTaskId, MonoTime, SlotContent, SlotKey, UnixMillis,
};

use super::{Flight, LATE_MAX, Mirror, SCHEDULE_TRIES_MAX, Slot, retry_after, same_write};
use crate::credentials::hours::same_on_a_lock;
use crate::credentials::plan::{Act, is_consistent, is_empty, is_occupied};
use crate::credentials::record::{Emptied, Holder, Proof, Written};
use crate::view::Reported;

/// What the household should know after a task ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Slots that are known empty since nobody reported them.
    pub(crate) vanished: Vec<SlotKey>,
    /// The lock lost so many codes of ours, all that it held.
    pub(crate) emptied: Option<u32>,
    /// A tag or finger was not learnt: where and why.
    pub(crate) not_enrolled: Option<(SlotKey, String)>,
}

impl Mirror {
    /// The lock's checksum, as of what was just reported.
    pub(crate) fn checksum(&mut self, checksum: CodeChecksum, now: MonoTime) {
        for flight in self
            .flights
            .values_mut()
            .filter(|flight| flight.act == Act::ReadAll)
        {
            flight.checksum = Some(checksum);
            flight.heard = now;
        }
    }

    /// A task ended.
    pub(crate) fn ended(
        &mut self,
        task: CodeTaskId,
        end: CodeTaskEnd,
        frames: u32,
        now: MonoTime,
        at: UnixMillis,
    ) -> Ended {
        // What ended after it was given up is told by its reports; the end itself says nothing more.
        let Some(flight) = self.flights.remove(&task) else {
            return Ended::default();
        };
        self.refill_frames(now);
        self.spend_frames(frames, flight.housekeeping, now);
        match end {
            CodeTaskEnd::Done => {
                self.touch();
                self.answered(now);
                self.done(&flight, now, at)
            }
            CodeTaskEnd::Refused { reason } => {
                self.touch();
                self.answered(now);
                self.refused(&flight, &reason, now, at)
            }
            CodeTaskEnd::NoAnswer { reason, left } => {
                self.unanswered(&flight, left, now, at, &reason);
                match flight.act {
                    Act::Enrol(key) => not_enrolled(key, reason),
                    Act::ReadAll | Act::Read(_) | Act::Write { .. } | Act::Clear(_) | Act::Name { .. } => {
                        Ended::default()
                    }
                }
            }
        }
    }

    fn answered(&mut self, now: MonoTime) {
        self.silent = 0;
        self.next_try = now;
    }

    /// It is not known what became of it; `left` says whether it can have changed anything at all.
    pub(super) fn unanswered(
        &mut self,
        flight: &Flight,
        left: bool,
        now: MonoTime,
        at: UnixMillis,
        reason: &str,
    ) {
        self.silent = self.silent.saturating_add(1);
        self.next_try = now + retry_after(self.silent);
        let late = now + LATE_MAX;
        if let Some(slot) = flight.act.key().and_then(|key| self.slots.get_mut(&key)) {
            slot.change().tried = Some((at, Some(reason.to_owned())));
            if left {
                slot.ended = Some(now);
            }
            match flight.act {
                Act::Write { .. } | Act::Enrol(_) if !left => {
                    self.stale = true;
                    slot.never_left(flight.first.as_ref(), matches!(flight.act, Act::Write { .. }));
                }
                Act::Write { .. } | Act::Enrol(_) => {
                    slot.late_until = Some(slot.late_until.map_or(late, |before| before.max(late)));
                }
                // It may be gone, which counts when it is wanted again.
                Act::Clear(_) if left => {
                    self.stale = true;
                    slot.record.unread = true;
                }
                // What is read, cleared or named late does no harm.
                Act::ReadAll | Act::Read(_) | Act::Clear(_) | Act::Name { .. } => {}
            }
        }
    }

    fn done(&mut self, flight: &Flight, now: MonoTime, at: UnixMillis) -> Ended {
        let Some(key) = flight.act.key() else {
            return self.all_read(flight, now, at);
        };
        let reported = flight.reported.contains(&key);
        let slot = self.slot_mut(key);
        slot.ended = Some(now);
        if slot.late_until.is_some_and(|late| late <= flight.sent) {
            slot.late_until = None;
        }
        match &flight.act {
            Act::ReadAll => {}
            Act::Read(_) => slot.read_done(reported, now, at),
            Act::Clear(_) => slot.clear_done(reported, now, at),
            Act::Write {
                generation,
                pin,
                name,
                schedule,
                ..
            } => {
                slot.record.named = Some(name.clone());
                let written = Written {
                    generation: *generation,
                    pin: Some(pin.clone()),
                    schedule: schedule.clone(),
                    at,
                };
                slot.write_done(written, reported, now, at);
            }
            Act::Name { name, .. } => {
                slot.record.named = Some(name.clone());
                slot.succeed(now, at);
                return Ended::default();
            }
            Act::Enrol(_) => {
                let mut attempts = slot.record.attempts.iter();
                let learnt = attempts.rfind(|written| written.pin.is_none()).cloned();
                slot.record.attempts.retain(|written| written.pin.is_some());
                if is_occupied(&slot.record) {
                    let learnt = learnt.map(|learnt| (learnt, Proof::Acknowledged));
                    slot.record.confirmed = learnt.or(slot.record.confirmed.take());
                    slot.succeed(now, at);
                } else {
                    let reason = "the lock learnt nothing; ask for it again and hold the tag or finger to it";
                    return not_enrolled(key, reason.to_owned());
                }
            }
        }
        if let Some(slot) = self.slots.get_mut(&key)
            && slot.late_until.is_none()
        {
            slot.forget_late();
        }
        // The lock's checksum is another one now.
        if !matches!(flight.act, Act::Read(_)) {
            self.change().checksum = None;
        }
        Ended::default()
    }

    fn refused(&mut self, flight: &Flight, reason: &CodeRefusal, now: MonoTime, at: UnixMillis) -> Ended {
        let Some(key) = flight.act.key() else {
            self.silent = self.silent.saturating_add(1);
            self.next_try = now + retry_after(self.silent);
            return Ended::default();
        };
        let text = refusal(reason);
        let slot = self.slot_mut(key);
        slot.ended = Some(now);
        let asks = matches!(flight.act, Act::Read(_) | Act::Clear(_));
        if flight.beyond && asks && *reason == CodeRefusal::NoSuchSlot {
            slot.is_not_there(flight.sent, now, at);
            return Ended::default();
        }
        match &flight.act {
            Act::Write { pin, schedule, .. } => {
                // The lock's own word that it did not do it; unless an earlier try of the same may still arrive.
                if slot.settled(now) {
                    slot.record
                        .attempts
                        .retain(|written| !same_write(written, Some(pin), schedule));
                }
                slot.refused = true;
                if *reason == CodeRefusal::BadSchedule && !schedule.is_none() {
                    slot.refused = false;
                    slot.change().schedule_refused = Some(schedule.clone());
                    return Ended::default();
                }
            }
            Act::Enrol(_) => {
                slot.record.attempts.retain(|written| written.pin.is_some());
                return not_enrolled(key, text);
            }
            Act::Name { name, .. } => {
                // A lock that does not take a name keeps its own; that is no reason to ask again.
                slot.record.named = Some(name.clone());
                slot.succeed(now, at);
                slot.record.tried = Some((at, Some(text)));
                return Ended::default();
            }
            Act::ReadAll | Act::Read(_) | Act::Clear(_) => {}
        }
        slot.fail(now, at, text);
        Ended::default()
    }

    /// Every slot was read, or the checksum says that nothing changed.
    fn all_read(&mut self, flight: &Flight, now: MonoTime, at: UnixMillis) -> Ended {
        self.read_asked = false;
        let same = flight.known.is_some() && flight.checksum == flight.known && flight.reported.is_empty();
        let record = self.change();
        record.read_at = Some(at);
        if flight.checksum.is_some() {
            record.checksum = flight.checksum;
        }
        if same {
            self.all_seen = Some((now, at));
            for slot in self.slots.values_mut() {
                slot.seen = Some(now);
                slot.is_read();
            }
            return Ended::default();
        }
        let missing: BTreeSet<SlotKey> = self
            .slots
            .keys()
            .filter(|key| !flight.reported.contains(key) && !self.is_changing(**key))
            .copied()
            .collect();
        let held = |slot: &&Slot| {
            matches!(slot.record.holder, Holder::Ours(_))
                && slot
                    .record
                    .confirmed
                    .as_ref()
                    .is_some_and(|(written, _)| is_consistent(&slot.record, written))
        };
        let wanted = |key: &&SlotKey| self.goal_now(**key).is_some();
        let lost: Vec<SlotKey> = missing
            .iter()
            .filter(wanted)
            .filter(|key| self.slots.get(key).as_ref().is_some_and(held))
            .copied()
            .collect();
        let reported = flight.reported.iter().filter_map(|key| self.slots.get(key));
        let emptied = !lost.is_empty() && !reported.into_iter().any(|slot| held(&slot));
        let mut ended = Ended::default();
        self.all_seen = Some((now, at));
        for (key, slot) in &mut self.slots {
            if slot.late_until.is_some_and(|late| late <= flight.sent) {
                slot.late_until = None;
            }
            if !missing.contains(key) {
                if slot.late_until.is_none() && flight.reported.contains(key) {
                    slot.forget_late();
                }
                continue;
            }
            if is_occupied(&slot.record) || slot.record.reported.is_none() {
                ended.vanished.push(*key);
            } else {
                slot.seen = Some(now);
                slot.is_read();
            }
        }
        if emptied {
            let codes = u32::try_from(lost.len()).unwrap_or(u32::MAX);
            for key in lost {
                ended.vanished.retain(|other| *other != key);
                if let Some(slot) = self.slots.get_mut(&key) {
                    slot.hear(SlotContent::Empty, None, now, at);
                    slot.change().confirmed = None;
                }
            }
            self.change().emptied = Some(Emptied { since: at, codes });
            ended.emptied = Some(codes);
        }
        ended
    }
}

impl Slot {
    /// What was reported last is what is there.
    fn is_read(&mut self) {
        self.changed |= self.record.unread;
        self.record.unread = false;
    }

    /// The lock counts fewer slots and says that it has not this one: nothing is there.
    fn is_not_there(&mut self, asked: MonoTime, now: MonoTime, at: UnixMillis) {
        self.hear(SlotContent::Empty, None, now, at);
        self.record.confirmed = None;
        if self.late_until.is_some_and(|late| late <= asked) {
            self.late_until = None;
        }
        if self.late_until.is_none() {
            self.forget_late();
        }
        self.succeed(now, at);
    }

    /// What was noted before it left did not leave: it waits for the next try, or is forgotten.
    fn never_left(&mut self, first: Option<&Written>, waits: bool) {
        let Some(first) = first.filter(|first| self.record.attempts.contains(first)) else {
            return;
        };
        if waits && self.unsent.is_none() {
            self.unsent = Some(first.clone());
            return;
        }
        // Another one is wanted by now, or nobody stands at the lock any more.
        self.record
            .attempts
            .retain(|other| !same_write(other, first.pin.as_ref(), &first.schedule));
        self.changed = true;
    }

    fn read_done(&mut self, reported: bool, now: MonoTime, at: UnixMillis) {
        if reported {
            self.is_read();
            self.succeed(now, at);
        } else {
            self.fail(now, at, "the lock did not say what the slot holds".to_owned());
        }
    }

    fn clear_done(&mut self, reported: bool, now: MonoTime, at: UnixMillis) {
        if reported && is_empty(&self.record) {
            self.record.confirmed = None;
            self.succeed(now, at);
        } else if reported {
            self.fail(
                now,
                at,
                "the lock acknowledged the clearing and still holds something".to_owned(),
            );
        } else {
            self.record.unread = true;
            self.fail(now, at, "the lock did not say what the slot holds".to_owned());
        }
    }

    fn write_done(&mut self, written: Written, reported: bool, now: MonoTime, at: UnixMillis) {
        // An earlier try of the same that was not answered may arrive yet, and would undo a later clearing.
        if self.late_until.is_none() {
            self.record
                .attempts
                .retain(|other| !same_write(other, written.pin.as_ref(), &written.schedule));
        }
        let content = self.record.reported.as_ref().map(|said| said.value.clone());
        let proof = match content {
            Some(SlotContent::Pin { pin, enabled }) if reported => {
                (enabled && Some(&pin) == written.pin.as_ref()).then_some(Proof::Read)
            }
            Some(SlotContent::Empty) if reported => None,
            Some(SlotContent::Hidden { enabled }) if reported => enabled.then_some(Proof::Acknowledged),
            None | Some(_) => {
                // The lock acknowledged it and says nothing more.
                self.record.reported = Some(Reported {
                    value: SlotContent::Unknown,
                    at,
                });
                Some(Proof::Acknowledged)
            }
        };
        let Some(proof) = proof else {
            // It may still come: the lock acknowledged it.
            let known = |other: &Written| same_write(other, written.pin.as_ref(), &written.schedule);
            if !self.record.attempts.iter().any(known) {
                self.record.attempts.push(written);
            }
            self.late_until = Some(now + LATE_MAX);
            return self.fail(
                now,
                at,
                "the lock acknowledged the code and does not hold it".to_owned(),
            );
        };
        let shown_otherwise = self
            .record
            .reported_schedule
            .as_ref()
            .is_some_and(|schedule| !same_on_a_lock(&written.schedule, schedule));
        if shown_otherwise {
            self.schedule_tries = self.schedule_tries.saturating_add(1);
            if self.schedule_tries >= SCHEDULE_TRIES_MAX && !written.schedule.is_none() {
                self.record.schedule_refused = Some(written.schedule.clone());
                self.schedule_tries = 0;
            }
        } else {
            self.schedule_tries = 0;
        }
        self.record.void = false;
        self.record.confirmed = Some((written, proof));
        if shown_otherwise {
            self.fail(
                now,
                at,
                "the lock shows another schedule than it was told".to_owned(),
            );
        } else {
            self.succeed(now, at);
        }
    }

    /// Late copies of what the slot holds anyway cannot arrive any more. Says whether there were any.
    pub(super) fn forget_late_copies(&mut self, now: MonoTime) -> bool {
        // Of an empty slot they alone say what may be there: they may have arrived unseen.
        if self.late_until.is_none_or(|late| late > now) || is_empty(&self.record) {
            return false;
        }
        let Some((held, _)) = &self.record.confirmed else {
            return false;
        };
        let before = self.record.attempts.len();
        let unsent = self.unsent.as_ref();
        let attempts = &mut self.record.attempts;
        // What waits for the disk or the lock has not left, so it is no late copy.
        attempts.retain(|other| {
            !same_write(other, held.pin.as_ref(), &held.schedule) || is_unsent(other, unsent)
        });
        let any = attempts.len() != before;
        self.changed |= any;
        any
    }

    /// Nothing that was sent before can arrive any more, and the lock said what it holds now.
    pub(super) fn forget_late(&mut self) {
        if self.record.attempts.is_empty() {
            return;
        }
        let conclusive = match self.record.reported.as_ref().map(|reported| &reported.value) {
            Some(SlotContent::Empty | SlotContent::Pin { .. }) => true,
            // Of what is masked only the last acknowledged write is known.
            Some(SlotContent::Hidden { .. } | SlotContent::Unknown) | None => {
                self.record.confirmed.is_some() && self.record.failures == 0
            }
        };
        if conclusive {
            let before = self.record.attempts.len();
            let unsent = self.unsent.as_ref();
            self.record.attempts.retain(|other| is_unsent(other, unsent));
            self.changed |= self.record.attempts.len() != before;
        }
    }
}

/// Whether a write is the one that has not left yet.
fn is_unsent(written: &Written, unsent: Option<&Written>) -> bool {
    unsent.is_some_and(|unsent| same_write(written, unsent.pin.as_ref(), &unsent.schedule))
}

fn not_enrolled(key: SlotKey, reason: String) -> Ended {
    Ended {
        not_enrolled: Some((key, reason)),
        ..Ended::default()
    }
}

fn refusal(reason: &CodeRefusal) -> String {
    match reason {
        CodeRefusal::NoSuchSlot => "the lock says that it has no such slot".to_owned(),
        CodeRefusal::Duplicate => "the lock says that it has the same code in another slot".to_owned(),
        CodeRefusal::BadPin => "the lock does not take this PIN".to_owned(),
        CodeRefusal::BadSchedule => "the lock does not keep this schedule".to_owned(),
        CodeRefusal::NotSupported => "the lock cannot do that".to_owned(),
        CodeRefusal::Other(text) => text.clone(),
    }
}
