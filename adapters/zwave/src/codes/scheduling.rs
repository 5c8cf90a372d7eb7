//! The part of a programme that writes, erases, checks or reads the schedules of one user.
//!
//! ```text
//!   write:  entries ─▶ what was there besides ─▶ read back ─▶ over
//!   clear:  what is there ─▶ over              read: until an empty place ─▶ over
//! ```
//!
//! Where it is known how many entries a user has, they are erased unseen; else each is looked at until one is empty.

use std::collections::VecDeque;

use super::schedule::{self, Dialect, Elsewhere, Entry, Kind, ScheduleSlots};
use super::{Ask, Heard};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Write(Kind, u16, Entry),
    Erase(Kind, u16),
    /// Look at the place, erase what is there, and go on with the next one.
    Look(Kind, u16),
    Check(Kind, u16, Entry),
    Read(Kind, u16),
}

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    GoOn,
    /// The lock does not keep the schedule.
    NotKept,
    /// It said nothing.
    Silent,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Scheduling {
    dialect: Dialect,
    user: u16,
    slots: ScheduleSlots,
    todo: VecDeque<Step>,
    asked_again: bool,
    /// How many entries there are now, as far as it was written or read.
    pub(crate) used: ScheduleSlots,
    /// What was read.
    pub(crate) read: Vec<Entry>,
}

impl Scheduling {
    fn new(dialect: Dialect, user: u16, slots: ScheduleSlots) -> Self {
        Self {
            dialect,
            user,
            slots,
            todo: VecDeque::new(),
            asked_again: false,
            used: ScheduleSlots::default(),
            read: Vec::new(),
        }
    }

    /// Writes these entries of one kind and erases all others.
    pub(crate) fn write(
        dialect: Dialect,
        user: u16,
        slots: ScheduleSlots,
        (kind, entries): (Kind, &[Entry]),
        used: Option<ScheduleSlots>,
    ) -> Self {
        let mut machine = Self::new(dialect, user, slots);
        let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        machine.used.set(kind, count);
        let placed = || (1..).zip(entries.iter().copied());
        machine
            .todo
            .extend(placed().map(|(slot, entry)| Step::Write(kind, slot, entry)));
        machine.erase_from(kind, count.saturating_add(1), used);
        for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
            machine.erase_from(other, 1, used);
        }
        machine
            .todo
            .extend(placed().map(|(slot, entry)| Step::Check(kind, slot, entry)));
        machine
    }

    /// Erases every entry.
    pub(crate) fn clear(
        dialect: Dialect,
        user: u16,
        slots: ScheduleSlots,
        used: Option<ScheduleSlots>,
    ) -> Self {
        let mut machine = Self::new(dialect, user, slots);
        for kind in Kind::ALL {
            machine.erase_from(kind, 1, used);
        }
        machine
    }

    /// Reads every entry.
    pub(crate) fn read(dialect: Dialect, user: u16, slots: ScheduleSlots) -> Self {
        let mut machine = Self::new(dialect, user, slots);
        let kinds = Kind::ALL.into_iter().filter(|kind| slots.of(*kind) > 0);
        machine.todo.extend(kinds.map(|kind| Step::Read(kind, 1)));
        machine
    }

    /// Reads back the first of these entries once more.
    pub(crate) fn check(
        dialect: Dialect,
        user: u16,
        slots: ScheduleSlots,
        (kind, entries): (Kind, &[Entry]),
    ) -> Self {
        let mut machine = Self::new(dialect, user, slots);
        machine
            .used
            .set(kind, u16::try_from(entries.len()).unwrap_or(u16::MAX));
        machine
            .todo
            .extend(entries.first().map(|entry| Step::Check(kind, 1, *entry)));
        machine
    }

    fn erase_from(&mut self, kind: Kind, first: u16, used: Option<ScheduleSlots>) {
        let last = self.slots.of(kind);
        if first > last {
            return;
        }
        match used {
            Some(used) => self
                .todo
                .extend((first..=used.of(kind).min(last)).map(|slot| Step::Erase(kind, slot))),
            None => self.todo.push_back(Step::Look(kind, first)),
        }
    }

    /// What to say next; `None` when it is over.
    pub(crate) fn next(&self) -> Option<Ask> {
        let (dialect, user) = (self.dialect, self.user);
        Some(match *self.todo.front()? {
            Step::Write(kind, slot, entry) => Ask::set(schedule::set(dialect, kind, user, slot, Some(entry))),
            Step::Erase(kind, slot) => Ask::set(schedule::set(dialect, kind, user, slot, None)),
            Step::Look(kind, slot) | Step::Check(kind, slot, _) | Step::Read(kind, slot) => {
                let (command, reply) = schedule::get(dialect, kind, user, slot);
                Ask::get(command, reply)
            }
        })
    }

    pub(crate) fn heard(&mut self, heard: Heard<'_>) -> Progress {
        let Some(step) = self.todo.pop_front() else {
            return Progress::GoOn;
        };
        let (kind, slot) = match step {
            Step::Write(..) => return written(heard),
            // What cannot be erased is found out by reading back.
            Step::Erase(..) => return Progress::GoOn,
            Step::Look(kind, slot) | Step::Check(kind, slot, _) | Step::Read(kind, slot) => (kind, slot),
        };
        let entry = match heard {
            Heard::Answer(command) => match schedule::reported(command, self.user, slot) {
                Ok(entry) => entry,
                Err(Elsewhere) => return self.ask_again(step),
            },
            // A lock that does not answer for a place has nothing there.
            Heard::NotKnown | Heard::Refused | Heard::Taken | Heard::TimeOver => None,
            Heard::Silent => return Progress::Silent,
        };
        self.asked_again = false;
        match (step, entry) {
            (Step::Look(..), Some(_)) => {
                if slot < self.slots.of(kind) {
                    self.todo.push_front(Step::Look(kind, slot + 1));
                }
                self.todo.push_front(Step::Erase(kind, slot));
            }
            (Step::Read(..), Some(entry)) => {
                self.read.push(entry);
                self.used.set(kind, slot);
                if slot < self.slots.of(kind) {
                    self.todo.push_front(Step::Read(kind, slot + 1));
                }
            }
            (Step::Check(_, _, wanted), entry) if entry != Some(wanted) => return Progress::NotKept,
            (
                Step::Write(..) | Step::Erase(..) | Step::Look(..) | Step::Read(..) | Step::Check(..),
                Some(_) | None,
            ) => {}
        }
        Progress::GoOn
    }

    /// The answer was about another place: an answer that came late.
    fn ask_again(&mut self, step: Step) -> Progress {
        if self.asked_again {
            return Progress::Silent;
        }
        self.asked_again = true;
        self.todo.push_front(step);
        Progress::GoOn
    }
}

fn written(heard: Heard<'_>) -> Progress {
    match heard {
        Heard::Taken | Heard::Answer(_) => Progress::GoOn,
        Heard::Refused | Heard::NotKnown | Heard::TimeOver => Progress::NotKept,
        Heard::Silent => Progress::Silent,
    }
}
