//! One lock as a keeper of codes: what it is known to hold, what it is being told, and when it is told again.
//!
//! ```text
//!                  planned, wanted             on disk                    ended
//!   as wanted ----------------------> armed ----------> at the lock ----------------> as wanted
//!        ^                              ^                    |  refused, not as told,      |
//!        |                              |   later each time  |  no answer                  |
//!        |                              +--------------------+                             |
//!        +------- what may come late has come or cannot come any more: read once more <----+
//! ```
//!
//! A write leaves only when the disk knows that it may have left. A write that was not answered may arrive for
//! [`LATE_MAX`] yet; until then nothing that contradicts it counts as proven.

mod budget;
mod ends;
mod said;
pub(crate) mod sending;

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{
    CodeChecksum, CodeTaskId, CredentialId, LockId, LockSchedule, Millis, MonoTime, Now, PersonId, Pin,
    SlotContent, SlotKey, UnixMillis, WallTime,
};

use super::plan::{Act, Class, Goal, LockFacts, Plan, SlotFacts, Task, is_clean, is_empty, is_occupied};
use super::record::{Holder, MirrorRecord, SlotRecord, Written};
use super::view::Why;
use crate::view::Reported;

/// A frame that was not answered arrives within this, or never: longer than a radio keeps trying one.
pub(crate) const LATE_MAX: Millis = Millis::from_secs(600);
/// A radio that says nothing of a task for so long has lost it.
pub(crate) const SILENCE_MAX: Millis = Millis::from_secs(600);
/// An empty slot may be written for the first time when it was seen empty within this.
pub(crate) const FRESH_MAX: Millis = Millis::from_secs(600);
/// A lock is put into the mode in which it learns within this, while somebody stands there who asked for it, or not at
/// all: later a stranger could.
pub(crate) const ENROL_MAX: Millis = Millis::from_secs(60);
/// A lock's own word of a change within this after a task of ours is its echo.
pub(crate) const ECHO_MAX: Millis = Millis::from_secs(10);
/// A lock that nothing is wanted of is read for the first time after this, when its inclusion is long over.
pub(crate) const FIRST_READ_AFTER: Millis = Millis::from_secs(600);
/// How long is waited before something is tried again, longer each time.
pub(crate) const RETRY_AFTER: [Millis; 8] = [
    Millis::from_secs(10),
    Millis::from_secs(30),
    Millis::from_secs(60),
    Millis::from_secs(300),
    Millis::from_secs(900),
    Millis::from_secs(3_600),
    Millis::from_secs(3 * 3_600),
    Millis::from_secs(6 * 3_600),
];
/// A lock that speaks again is tried at once, but not more often than this.
pub(crate) const HEARD_AGAIN_AFTER: Millis = Millis::from_secs(60);
/// After so many failures in a row somebody is told.
pub(crate) const STUCK_FAILURES: u32 = 5;
/// After so long somebody is told that a code still works that should not.
pub(crate) const STUCK_REVOKED_AFTER: Millis = Millis::from_secs(900);
/// After so long somebody is told of anything that is pending.
pub(crate) const STUCK_AFTER: Millis = Millis::from_secs(24 * 3_600);
/// How many frames housekeeping may cost on a lock with batteries in a day. A person's request may cost more.
pub(crate) const FRAMES_PER_DAY: u32 = 150;
/// A schedule that a lock shows otherwise than it was written so often is kept by the hub.
pub(crate) const SCHEDULE_TRIES_MAX: u8 = 2;
/// How often a lock with a checksum is checked when nothing is to be done.
pub(crate) const CHECK_AFTER: Millis = Millis::from_secs(7 * 24 * 3_600);
/// How often a lock without one is read as a whole when nothing is to be done: 250 slots under S0, at six frames each,
/// are 27 frames a day then.
pub(crate) const CHECK_DEEP_AFTER: Millis = Millis::from_secs(56 * 24 * 3_600);
/// How many frames of a day are left to codes when a lock's own record is read.
const FRAMES_FOR_CODES: u32 = 50;
/// A date that is set right by a step is noticed within this.
const CLOCK_LOOK_EVERY: Millis = Millis::from_secs(3_600);
const FRAME_DAY: Millis = Millis::from_secs(24 * 3_600);
const FRAME_EVERY: Millis = Millis(FRAME_DAY.0 / FRAMES_PER_DAY as u64);

/// What of a slot changes with the time, or by how a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mood {
    /// See [`SlotFacts::fresh`].
    fresh: bool,
    /// See [`SlotFacts::settled`].
    settled: bool,
    /// See [`SlotFacts::refused`].
    refused: bool,
}

/// One slot.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) record: SlotRecord,
    /// When it was reported last, since the hub started.
    seen: Option<MonoTime>,
    /// Until when a write that was not answered may arrive.
    late_until: Option<MonoTime>,
    /// Not to be tried before.
    next_try: MonoTime,
    /// The lock refused the last write.
    refused: bool,
    /// A person wants it done now, or changed it at the lock: it is not put off to spare the battery.
    asked: bool,
    /// The newest write of `attempts` may leave when this entry is on disk.
    armed: u64,
    /// The newest of `attempts`, while it never left.
    unsent: Option<Written>,
    /// A person asked for a tag or finger to be learnt: what is noted before the lock is told, and until when.
    pub(crate) enrol: Option<(Written, MonoTime)>,
    /// How often the lock showed another schedule than it was told.
    schedule_tries: u8,
    /// Since when it is pending, and whether somebody was told.
    pub(crate) pending: Option<(MonoTime, bool)>,
    /// When a task of ours on it ended.
    ended: Option<MonoTime>,
    changed: bool,
    /// Whether the store has a row of it.
    saved: bool,
}

impl Slot {
    fn new(lock: LockId, key: SlotKey) -> Self {
        let record = SlotRecord {
            lock,
            key,
            holder: Holder::Nobody,
            reported: None,
            reported_schedule: None,
            confirmed: None,
            attempts: Vec::new(),
            tried: None,
            pending_since: None,
            failures: 0,
            named: None,
            schedule_refused: None,
            unread: false,
            void: false,
        };
        Self {
            saved: false,
            ..Self::restored(record, MonoTime::default())
        }
    }

    /// A slot that the store remembers. What may have left before the restart may arrive for a while.
    pub(crate) fn restored(record: SlotRecord, now: MonoTime) -> Self {
        let late_until = (!record.attempts.is_empty()).then(|| now + LATE_MAX);
        let pending = record.pending_since.map(|_| (now, false));
        Self {
            record,
            seen: None,
            late_until,
            next_try: now,
            refused: false,
            asked: false,
            armed: 0,
            unsent: None,
            enrol: None,
            schedule_tries: 0,
            pending,
            ended: None,
            changed: false,
            saved: true,
        }
    }

    pub(crate) fn credential(&self) -> Option<&CredentialId> {
        match &self.record.holder {
            Holder::Ours(credential) => Some(credential),
            Holder::Nobody | Holder::Foreign { .. } | Holder::Condemned => None,
        }
    }

    /// Marks its row to be saved.
    pub(crate) fn change(&mut self) -> &mut SlotRecord {
        self.changed = true;
        &mut self.record
    }

    /// It is as wanted. Says whether it was not before.
    pub(crate) fn settle(&mut self, now: MonoTime) -> bool {
        self.asked = false;
        if self.pending.take().is_none() {
            return false;
        }
        self.next_try = now;
        self.refused = false;
        let record = self.change();
        record.pending_since = None;
        record.failures = 0;
        true
    }

    /// What is to be done with its row.
    pub(crate) fn row(&mut self) -> Row {
        let changed = std::mem::take(&mut self.changed);
        match (self.is_blank(), self.saved) {
            (true, true) => {
                self.saved = false;
                Row::Forget
            }
            (true, false) => Row::Blank,
            (false, true) if !changed => Row::Same,
            (false, _) => {
                self.saved = true;
                Row::Save
            }
        }
    }

    /// Whether it was seen empty so lately that nobody else will have put something there.
    fn is_fresh(&self, now: MonoTime) -> bool {
        let seen = self.seen.is_some_and(|seen| now.since(seen) <= FRESH_MAX);
        seen && is_empty(&self.record) && !self.record.unread
    }

    /// Whether the lock may learn into it: what is there is ours, or nothing is.
    fn may_enrol(&self, now: MonoTime) -> bool {
        !is_clean(&self.record) || self.is_fresh(now)
    }

    fn mood(&self, now: MonoTime) -> Mood {
        Mood {
            fresh: self.is_fresh(now),
            settled: self.settled(now) && self.enrol.is_none(),
            refused: self.refused,
        }
    }

    fn settled(&self, now: MonoTime) -> bool {
        self.late_until.is_none_or(|late| late <= now)
    }

    /// Whether nothing has to be remembered of it.
    fn is_blank(&self) -> bool {
        self.record.holder == Holder::Nobody && !is_occupied(&self.record) && !self.record.unread
    }

    fn fail(&mut self, now: MonoTime, at: UnixMillis, reason: String) {
        self.asked = false;
        self.record.failures = self.record.failures.saturating_add(1);
        self.record.tried = Some((at, Some(reason)));
        self.next_try = now + retry_after(self.record.failures);
        self.changed = true;
    }

    fn succeed(&mut self, now: MonoTime, at: UnixMillis) {
        self.record.failures = 0;
        self.record.tried = Some((at, None));
        self.next_try = now;
        self.refused = false;
        self.changed = true;
    }
}

/// What is to be done with a slot's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// The store has it.
    Same,
    /// The store shall have it.
    Save,
    /// The store shall forget it.
    Forget,
    /// There is nothing to remember, and the store has nothing.
    Blank,
}

/// How long is waited after so many failures in a row.
pub(crate) fn retry_after(failures: u32) -> Millis {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let last = RETRY_AFTER.last().copied().unwrap_or_default();
    RETRY_AFTER.get(index).copied().unwrap_or(last)
}

/// A task at the lock.
#[derive(Debug)]
struct Flight {
    act: Act,
    /// Whether it keeps to the budget of frames.
    housekeeping: bool,
    /// Whether the lock counts fewer slots than this one's number.
    beyond: bool,
    sent: MonoTime,
    heard: MonoTime,
    reported: BTreeSet<SlotKey>,
    known: Option<CodeChecksum>,
    checksum: Option<CodeChecksum>,
    /// The write or the learning that it is, when nothing like it had left before.
    first: Option<Written>,
}

/// What a plan knew of the date.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dates {
    /// The date at which it was made.
    planned: Option<WallTime>,
    /// When it changes what is wanted, or is time for a check.
    next: Option<UnixMillis>,
}

impl Dates {
    /// For a plan that is made now and to be made again at a date.
    pub(crate) const fn new(wall: WallTime, next: Option<UnixMillis>) -> Self {
        Self {
            planned: Some(wall),
            next,
        }
    }

    /// When to look at the clock again, given that nothing else happens. That the date becomes known happens.
    pub(crate) fn look(&self, now: Now) -> Option<MonoTime> {
        let WallTime::Synced(at) = now.wall else {
            return None;
        };
        self.next.map(|date| {
            let ahead = u64::try_from(date.0.saturating_sub(at.0)).unwrap_or(0);
            now.mono + Millis(ahead.min(CLOCK_LOOK_EVERY.0))
        })
    }

    /// Whether a plan is to be made again for the date alone: it has come, it became known or unknown, or it went back.
    pub(crate) fn are_past(&self, wall: WallTime) -> bool {
        match (self.planned, wall) {
            (Some(WallTime::Synced(planned)), WallTime::Synced(at)) => {
                at < planned || self.next.is_some_and(|next| next <= at)
            }
            (Some(WallTime::Unsynced(_)), WallTime::Unsynced(_)) => false,
            (None, _)
            | (Some(WallTime::Synced(_)), WallTime::Unsynced(_))
            | (Some(WallTime::Unsynced(_)), WallTime::Synced(_)) => true,
        }
    }
}

/// One lock.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) record: MirrorRecord,
    pub(crate) slots: BTreeMap<SlotKey, Slot>,
    flights: BTreeMap<CodeTaskId, Flight>,
    pub(crate) plan: Plan,
    /// Tasks in a row that were not answered, and when the next may be tried.
    silent: u32,
    next_try: MonoTime,
    brought_forward: Option<MonoTime>,
    first_seen: MonoTime,
    /// When every slot was read last, since the hub started.
    all_seen: Option<(MonoTime, UnixMillis)>,
    frames_at: MonoTime,
    /// When housekeeping had no frames left; it goes on a day later.
    spent_at: Option<MonoTime>,
    /// A person asked for it to be read.
    pub(crate) read_asked: bool,
    changed: bool,
    /// Something happened since it was looked at.
    pub(crate) dirty: bool,
    /// Something happened since it was planned from which another plan can follow.
    stale: bool,
    /// The household and the moods of the slots for which it was planned.
    planned: Option<(u64, Vec<Mood>)>,
    /// Whether a slot was given back since somebody looked.
    pub(crate) released: bool,
    /// When it has to be planned again.
    pub(crate) wake: Option<MonoTime>,
    /// The date at which it was planned, and the one at which it has to be planned again.
    pub(crate) dates: Dates,
    /// What was planned and could not be sent.
    pub(crate) blocked: Vec<(Task, Why)>,
}

impl Mirror {
    pub(crate) fn new(lock: LockId, name: String, model: String, now: MonoTime) -> Self {
        let record = MirrorRecord {
            lock,
            name,
            model,
            gone: None,
            read_at: None,
            checksum: None,
            emptied: None,
            frames_left: i32::try_from(FRAMES_PER_DAY).unwrap_or(i32::MAX),
            frames_total: 0,
        };
        Self {
            changed: true,
            ..Self::restored(record, now)
        }
    }

    pub(crate) fn restored(record: MirrorRecord, now: MonoTime) -> Self {
        Self {
            record,
            slots: BTreeMap::new(),
            flights: BTreeMap::new(),
            plan: Plan::default(),
            silent: 0,
            next_try: now,
            brought_forward: None,
            first_seen: now,
            all_seen: None,
            frames_at: now,
            spent_at: None,
            read_asked: false,
            changed: false,
            dirty: true,
            stale: true,
            planned: None,
            released: false,
            wake: None,
            dates: Dates::default(),
            blocked: Vec::new(),
        }
    }

    /// Marks its row to be saved.
    pub(crate) fn change(&mut self) -> &mut MirrorRecord {
        self.changed = true;
        self.touch();
        &mut self.record
    }

    /// It has to be planned anew. Where only what is planned may go on now, `dirty` is enough.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
        self.stale = true;
    }

    /// Whether the plan is still the one that would be made for this household now, as long as the dates of [`Dates`] are
    /// to come.
    pub(crate) fn is_planned_for(&self, house: u64, now: MonoTime) -> bool {
        let planned = self.planned.as_ref();
        !self.stale
            && planned.is_some_and(|(for_house, moods)| {
                *for_house == house
                    && moods
                        .iter()
                        .copied()
                        .eq(self.slots.values().map(|slot| slot.mood(now)))
            })
    }

    /// Notes for what it was planned; `settled` unless the plan was not carried through.
    pub(crate) fn note_planned(&mut self, house: u64, settled: bool, now: MonoTime) {
        let moods = self.slots.values().map(|slot| slot.mood(now));
        self.planned = Some((house, moods.collect()));
        self.stale = !settled;
    }

    pub(crate) fn slot_mut(&mut self, key: SlotKey) -> &mut Slot {
        let lock = &self.record.lock;
        let all_seen = self.all_seen;
        self.slots.entry(key).or_insert_with(|| {
            let mut slot = Slot::new(lock.clone(), key);
            if let Some((seen, at)) = all_seen {
                // It was not among what the lock reported, so it was empty.
                slot.seen = Some(seen);
                slot.record.reported = Some(Reported {
                    value: SlotContent::Empty,
                    at,
                });
            }
            slot
        })
    }

    /// Whether something may leave as soon as the disk says so.
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.blocked.iter().any(|(_, why)| *why == Why::Recording)
    }

    /// Whether its row is to be saved.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether a task of ours that changes a slot is at the lock.
    pub(crate) fn is_changing_now(&self, key: SlotKey) -> bool {
        self.is_changing(key)
    }

    /// What the planner needs to know of the slots.
    pub(crate) fn facts(&self, now: MonoTime) -> Vec<SlotFacts<'_>> {
        let facts = self.slots.values().map(|slot| {
            let mood = slot.mood(now);
            SlotFacts {
                record: &slot.record,
                fresh: mood.fresh,
                settled: mood.settled,
                refused: mood.refused,
            }
        });
        facts.collect()
    }

    /// What the planner needs to know of the lock.
    pub(crate) fn lock_facts<'a>(
        &'a self,
        capabilities: &'a hubd_model::CodeCapabilities,
        secure: bool,
    ) -> LockFacts<'a> {
        LockFacts {
            lock: &self.record.lock,
            capabilities,
            secure,
            gone: self.record.gone.is_some(),
            read: self.record.read_at.is_some(),
            emptied: self.record.emptied.is_some(),
        }
    }

    /// Whether nothing is being done about its codes, and the budget of frames allows to read something else.
    pub(crate) fn may_read_log(&mut self, battery: bool, now: MonoTime) -> bool {
        self.refill_frames(now);
        let left = u32::try_from(self.record.frames_left).unwrap_or(0);
        self.flights.is_empty() && (!battery || left > FRAMES_FOR_CODES)
    }

    /// Frames that were spent for the house alone on something else than codes.
    pub(crate) fn spent(&mut self, frames: u32, now: MonoTime) {
        self.refill_frames(now);
        self.spend_frames(frames, true, now);
    }

    /// Whether nothing was written to a slot after `since`, nor may have been.
    pub(crate) fn is_as_since(&self, key: SlotKey, since: UnixMillis) -> bool {
        self.slots.get(&key).is_some_and(|slot| {
            let confirmed = slot.record.confirmed.as_ref();
            slot.record.attempts.is_empty() && confirmed.is_some_and(|(written, _)| written.at <= since)
        })
    }

    /// Whose slot it is.
    pub(crate) fn holder(&self, key: SlotKey) -> Option<&CredentialId> {
        self.slots.get(&key)?.credential()
    }

    /// Whose code opens from a slot, unless somebody put something of their own there, or may have.
    pub(crate) fn opener(&self, key: SlotKey) -> Option<&CredentialId> {
        let slot = self.slots.get(&key).filter(|slot| !slot.record.void)?;
        let theirs = match slot.record.reported.as_ref().map(|reported| &reported.value) {
            Some(SlotContent::Pin { pin, .. }) => {
                let written = slot.record.confirmed.iter().map(|(written, _)| written);
                let mut all = written.chain(&slot.record.attempts);
                all.any(|written| written.pin.as_ref() == Some(pin))
            }
            None | Some(SlotContent::Unknown | SlotContent::Empty | SlotContent::Hidden { .. }) => true,
        };
        slot.credential().filter(|_| theirs)
    }

    /// The lock spoke, so it can be told what waits.
    pub(crate) fn heard(&mut self, now: MonoTime) {
        let lately = self
            .brought_forward
            .is_some_and(|when| now.since(when) < HEARD_AGAIN_AFTER);
        if self.silent > 0 && self.next_try > now && !lately {
            self.brought_forward = Some(now);
            self.next_try = now;
            self.dirty = true;
        }
    }

    /// A person wants it done now.
    pub(crate) fn retry(&mut self, key: SlotKey, now: MonoTime) {
        self.next_try = now;
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.next_try = now;
            slot.asked = true;
        }
        self.touch();
    }

    /// Its radio forgot what it was told: whatever is under way has no answer.
    pub(crate) fn lose_radio(&mut self, now: MonoTime, at: UnixMillis) {
        for (_, flight) in std::mem::take(&mut self.flights) {
            self.unanswered(&flight, true, now, at, "the radio stopped working meanwhile");
        }
        // That says nothing of the lock.
        self.silent = 0;
        self.next_try = now;
        self.dirty = true;
    }

    /// Gives a slot to a credential that the lock shall learn, for as long as somebody stands there with a tag or finger;
    /// `seq` is the entry that tells of it.
    pub(crate) fn want_enrol(
        &mut self,
        key: SlotKey,
        credential: &CredentialId,
        written: Written,
        seq: u64,
        now: MonoTime,
    ) {
        let at = written.at;
        let slot = self.slot_mut(key);
        let at_once = slot.may_enrol(now);
        slot.enrol = Some((written, now + ENROL_MAX));
        slot.next_try = now;
        slot.pending = Some((now, false));
        let record = slot.change();
        record.holder = Holder::Ours(credential.clone());
        record.pending_since = Some(at);
        self.touch();
        if at_once && !self.is_armed(&Act::Enrol(key)) {
            self.arm(&Act::Enrol(key), seq, at);
        }
    }

    /// Slots into which nothing can be learnt any more, because nobody waits there for so long.
    pub(crate) fn give_up_enrol(&mut self, now: MonoTime) -> Vec<SlotKey> {
        let mut late = Vec::new();
        for (key, slot) in &mut self.slots {
            if slot.enrol.take_if(|(_, until)| *until <= now).is_some() {
                slot.disarm();
                late.push(*key);
            }
        }
        self.stale |= !late.is_empty();
        late
    }

    /// Whether a slot shall be what it is being made for a credential that shall be there now.
    fn goal_now(&self, key: SlotKey) -> Option<&Goal> {
        self.plan.goal(key).filter(|goal| goal.now)
    }

    /// What the lock is being told.
    pub(crate) fn acts_under_way(&self) -> impl Iterator<Item = &Act> {
        self.flights.values().map(|flight| &flight.act)
    }

    pub(crate) fn is_at(&self, key: SlotKey) -> bool {
        self.flights.values().any(|flight| flight.act.key() == Some(key))
    }
}

/// Who a slot is about, for the record.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) credential: Option<CredentialId>,
    pub(crate) person: Option<PersonId>,
}

/// Whether two writes leave the same behind.
fn same_write(written: &Written, pin: Option<&Pin>, schedule: &LockSchedule) -> bool {
    written.pin.as_ref() == pin && written.schedule == *schedule
}

/// Whether something is done for the house alone and keeps to the budget of frames.
const fn is_housekeeping(class: Class) -> bool {
    match class {
        Class::Revoke | Class::Prove | Class::Grant => false,
        Class::Learn | Class::Repair => true,
    }
}
