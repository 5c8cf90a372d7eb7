//! Which of the planned tasks leaves now, and why the others wait.

use std::collections::BTreeMap;

use hubd_model::{
    CodeCapabilities, CodeTask, CodeTaskId, MonoTime, Over, SlotKey, SlotWish, UnixMillis, Urgency, WallTime,
};

use super::{
    CHECK_AFTER, CHECK_DEEP_AFTER, Dates, FIRST_READ_AFTER, Flight, Mirror, SILENCE_MAX, STUCK_AFTER,
    STUCK_FAILURES, STUCK_REVOKED_AFTER, Slot, is_housekeeping, same_write,
};
use crate::credentials::plan::{Act, Class, Task, is_beyond};
use crate::credentials::record::Written;
use crate::credentials::view::Why;

/// What the lock's surroundings allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) now: MonoTime,
    pub(crate) wall: WallTime,
    /// Whether its radio works.
    pub(crate) radio_ready: bool,
    /// What is on disk.
    pub(crate) durable: u64,
    /// Whether it has to be woken for every frame.
    pub(crate) battery: bool,
    /// Whether it tells a checksum.
    pub(crate) checksum: bool,
}

impl Mirror {
    /// The planned tasks, and what is done without a plan: enrolling, reading because somebody asks, a check now and then.
    pub(crate) fn tasks(&self, around: &Surroundings) -> Vec<Task> {
        let mut tasks = self.plan.tasks.clone();
        if self.record.gone.is_some() {
            return tasks;
        }
        for (key, slot) in &self.slots {
            if slot.enrol.is_some() {
                let act = if slot.may_enrol(around.now) {
                    Act::Enrol(*key)
                } else {
                    Act::Read(*key)
                };
                tasks.push(Task {
                    class: Class::Grant,
                    act,
                });
            }
        }
        if self.read_asked {
            tasks.retain(|task| task.act != Act::ReadAll);
        }
        if !tasks.iter().any(|task| task.act == Act::ReadAll) {
            let class = if self.read_asked {
                Some(Class::Grant)
            } else {
                (tasks.is_empty() && self.check_due(around)).then_some(Class::Repair)
            };
            tasks.extend(class.map(|class| Task {
                class,
                act: Act::ReadAll,
            }));
        }
        tasks.sort_by_key(|task| task.class);
        tasks
    }

    fn check_at(&self, around: &Surroundings) -> Option<UnixMillis> {
        let after = if around.checksum {
            CHECK_AFTER
        } else {
            CHECK_DEEP_AFTER
        };
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let read_at = self.record.read_at?;
        Some(UnixMillis(read_at.0.saturating_add(after)))
    }

    fn check_due(&self, around: &Surroundings) -> bool {
        let WallTime::Synced(at) = around.wall else {
            return false;
        };
        self.check_at(around).is_some_and(|due| due <= at)
    }

    /// Whether the row of a write, or of what the lock learns, says that it may have left.
    pub(crate) fn is_armed(&self, act: &Act) -> bool {
        if let Act::Enrol(key) = act {
            let slot = self.slots.get(key);
            return slot.is_some_and(|slot| slot.record.attempts.iter().any(|written| written.pin.is_none()));
        }
        let Act::Write {
            key, pin, schedule, ..
        } = act
        else {
            return true;
        };
        self.slots.get(key).is_some_and(|slot| {
            let mut attempts = slot.record.attempts.iter();
            attempts.any(|written| same_write(written, Some(pin), schedule))
        })
    }

    /// Notes that a write may leave as soon as the entry `seq` is on disk, or that the lock may learn.
    pub(crate) fn arm(&mut self, act: &Act, seq: u64, at: UnixMillis) {
        self.stale = true;
        if let Act::Enrol(key) = act {
            let slot = self.slot_mut(*key);
            let Some((written, _)) = slot.enrol.clone() else {
                return;
            };
            slot.armed = seq;
            slot.change().attempts.push(written.clone());
            slot.unsent = Some(written);
            return;
        }
        let Act::Write {
            key,
            generation,
            pin,
            schedule,
            ..
        } = act
        else {
            return;
        };
        let written = Written {
            generation: *generation,
            pin: Some(pin.clone()),
            schedule: schedule.clone(),
            at,
        };
        let slot = self.slot_mut(*key);
        slot.disarm();
        slot.change().attempts.push(written.clone());
        slot.unsent = Some(written);
        slot.armed = seq;
    }

    /// Forgets writes that never left and are wanted no more. Says whether there were any.
    pub(crate) fn disarm_unwanted(&mut self) -> bool {
        if self.slots.values().all(|slot| slot.unsent.is_none()) {
            return false;
        }
        let writes: BTreeMap<SlotKey, _> = self
            .plan
            .tasks
            .iter()
            .filter_map(|task| match &task.act {
                Act::Write {
                    key, pin, schedule, ..
                } => Some((*key, (pin, schedule))),
                Act::ReadAll | Act::Read(_) | Act::Clear(_) | Act::Enrol(_) | Act::Name { .. } => None,
            })
            .collect();
        let mut any = false;
        for (key, slot) in &mut self.slots {
            let Some(unsent) = slot.unsent.as_ref().filter(|_| slot.enrol.is_none()) else {
                continue;
            };
            let wanted = writes
                .get(key)
                .is_some_and(|(pin, schedule)| same_write(unsent, Some(pin), schedule));
            if !wanted {
                any |= slot.disarm();
            }
        }
        any
    }

    /// Why a task does not leave now.
    pub(crate) fn gate(&self, task: &Task, around: &Surroundings) -> Result<(), Why> {
        let now = around.now;
        let key = task.act.key();
        if key.is_some_and(|key| self.is_at(key))
            || self.flights.values().any(|flight| flight.act == task.act)
        {
            return Err(Why::InProgress);
        }
        if self.record.gone.is_some() {
            return Err(Why::Gone);
        }
        if !around.radio_ready {
            return Err(Why::RadioAway);
        }
        let free = match task.class {
            // A revocation does not wait for a long read.
            Class::Revoke => self.flights.len() < 2,
            Class::Prove | Class::Grant | Class::Learn | Class::Repair => self.flights.is_empty(),
        };
        if !free {
            return Err(Why::Queued);
        }
        if self.next_try > now {
            return Err(Why::LockAway);
        }
        let slot = key.and_then(|key| self.slots.get(&key));
        if let Some(slot) = slot
            && slot.next_try > now
        {
            let reason = slot
                .record
                .tried
                .as_ref()
                .and_then(|(_, failure)| failure.clone());
            return Err(Why::Retrying(reason.unwrap_or_default()));
        }
        let armed = match &task.act {
            Act::Write { .. } | Act::Enrol(_) => slot.map_or(u64::MAX, |slot| slot.armed),
            Act::ReadAll | Act::Read(_) | Act::Clear(_) | Act::Name { .. } => 0,
        };
        if armed > around.durable {
            return Err(Why::Recording);
        }
        if task.class == Class::Learn && now < self.first_seen + FIRST_READ_AFTER {
            return Err(Why::Queued);
        }
        if self.keeps_to_budget(task) && around.battery && self.frames_again().is_some() {
            return Err(Why::Budget);
        }
        Ok(())
    }

    /// Whether a task waits for frames: it is done for the house alone, and nobody asked for it.
    fn keeps_to_budget(&self, task: &Task) -> bool {
        let slot = task.act.key().and_then(|key| self.slots.get(&key));
        is_housekeeping(task.class) && !slot.is_some_and(|slot| slot.asked)
    }

    /// Gives a task to the lock.
    pub(crate) fn send(
        &mut self,
        id: CodeTaskId,
        task: &Task,
        capabilities: &CodeCapabilities,
        now: MonoTime,
    ) -> (CodeTask, Urgency) {
        let known = self
            .record
            .checksum
            .filter(|_| self.record.read_at.is_some() && !self.read_asked);
        let what = match &task.act {
            Act::ReadAll => CodeTask::ReadAll { known },
            Act::Read(key) => CodeTask::Read(*key),
            Act::Clear(key) => CodeTask::Clear(*key),
            Act::Enrol(key) => CodeTask::Enrol {
                key: *key,
                over: self.over(*key),
            },
            Act::Name { key, name } => CodeTask::Name {
                key: *key,
                name: name.clone(),
            },
            Act::Write {
                key,
                pin,
                name,
                schedule,
                ..
            } => CodeTask::Write {
                key: *key,
                wish: SlotWish {
                    pin: pin.clone(),
                    name: name.clone(),
                    schedule: schedule.clone(),
                    over: self.over(*key),
                },
            },
        };
        let mut first = None;
        if let Some(slot) = task.act.key().and_then(|key| self.slots.get_mut(&key)) {
            match &task.act {
                Act::Write { .. } => first = slot.unsent.take(),
                Act::Enrol(_) => {
                    slot.enrol = None;
                    first = slot.unsent.take();
                }
                Act::ReadAll | Act::Read(_) | Act::Clear(_) | Act::Name { .. } => {}
            }
        }
        let flight = Flight {
            act: task.act.clone(),
            housekeeping: self.keeps_to_budget(task),
            beyond: (task.act.key()).is_some_and(|key| is_beyond(capabilities, key)),
            sent: now,
            heard: now,
            reported: std::collections::BTreeSet::new(),
            known,
            checksum: None,
            first,
        };
        self.flights.insert(id, flight);
        let urgency = match task.class {
            Class::Revoke | Class::Grant => Urgency::Person,
            Class::Prove | Class::Learn | Class::Repair => Urgency::Housekeeping,
        };
        (what, urgency)
    }

    /// What a write or a tag may take the place of: while nothing of ours ever left for the slot, of nothing.
    fn over(&self, key: SlotKey) -> Over {
        let first = self.slots.get(&key).is_some_and(|slot| {
            let mut attempts = slot.record.attempts.iter();
            slot.record.confirmed.is_none() && attempts.all(|written| Some(written) == slot.unsent.as_ref())
        });
        if first { Over::Nothing } else { Over::Anything }
    }

    /// Forgets copies of what slots hold that were not answered and cannot arrive any more.
    pub(crate) fn forget_late_copies(&mut self, now: MonoTime) {
        let busy: Vec<_> = self
            .flights
            .values()
            .filter_map(|flight| flight.act.key())
            .collect();
        for (key, slot) in &mut self.slots {
            if !busy.contains(key) {
                self.stale |= slot.forget_late_copies(now);
            }
        }
    }

    /// Gives up tasks of which the radio says nothing any more.
    pub(crate) fn give_up_silent(&mut self, now: MonoTime, at: UnixMillis) {
        let silent = |flight: &Flight| now.since(flight.heard) >= SILENCE_MAX;
        let gone: Vec<CodeTaskId> = self
            .flights
            .iter()
            .filter(|(_, flight)| silent(flight))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if let Some(flight) = self.flights.remove(&id) {
                self.unanswered(&flight, true, now, at, "the radio did not say what became of it");
            }
        }
    }

    /// When to look again, given what waits.
    pub(crate) fn next_wake(&self, blocked: &[(Task, Why)], around: &Surroundings) -> Option<MonoTime> {
        let now = around.now;
        let retries = blocked.iter().filter_map(|(task, why)| {
            let slot = task.act.key().and_then(|key| self.slots.get(&key));
            if *why == Why::LockAway {
                Some(self.next_try)
            } else if matches!(why, Why::Retrying(_)) {
                slot.map(|slot| slot.next_try)
            } else if *why == Why::Budget {
                self.frames_again()
            } else {
                (task.class == Class::Learn).then(|| self.first_seen + FIRST_READ_AFTER)
            }
        });
        let slots = self.slots.values().flat_map(|slot| {
            let late = slot.late_until.filter(|_| !slot.record.attempts.is_empty());
            let stuck = slot.pending.filter(|(_, told)| !told).map(|(since, _)| since);
            let stuck = stuck
                .into_iter()
                .flat_map(|since| [since + STUCK_REVOKED_AFTER, since + STUCK_AFTER]);
            let enrol = slot.enrol.iter().map(|(_, until)| *until);
            late.into_iter().chain(stuck).chain(enrol)
        });
        let flights = self.flights.values().map(|flight| flight.heard + SILENCE_MAX);
        let all = retries.chain(slots).chain(flights);
        all.filter(|wake| *wake > now).min()
    }

    /// Which dates matter to what was planned now.
    pub(crate) fn dates(&self, around: &Surroundings) -> Dates {
        let next = match around.wall {
            WallTime::Synced(at) => {
                let check = self.check_at(around).filter(|_| self.record.gone.is_none());
                let dates = self.plan.next.into_iter().chain(check);
                dates.filter(|date| *date > at).min()
            }
            WallTime::Unsynced(_) => None,
        };
        Dates::new(around.wall, next)
    }

    /// Slots that are pending for long or failed often, each once.
    pub(crate) fn stuck(&mut self, now: MonoTime) -> Vec<SlotKey> {
        let mut stuck = Vec::new();
        for (key, slot) in &mut self.slots {
            let Some((since, told)) = &mut slot.pending else {
                continue;
            };
            let removing = !self.plan.goal(*key).is_some_and(|goal| goal.now);
            let limit = if removing {
                STUCK_REVOKED_AFTER
            } else {
                STUCK_AFTER
            };
            if !*told && (slot.record.failures >= STUCK_FAILURES || now.since(*since) >= limit) {
                *told = true;
                stuck.push(*key);
            }
        }
        stuck
    }
}

impl Slot {
    /// Forgets a write that never left.
    pub(super) fn disarm(&mut self) -> bool {
        let Some(unsent) = self.unsent.take() else {
            return false;
        };
        self.record
            .attempts
            .retain(|written| !same_write(written, unsent.pin.as_ref(), &unsent.schedule));
        self.changed = true;
        true
    }
}
