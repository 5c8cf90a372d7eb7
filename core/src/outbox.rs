//! What leaves the mind: one queue per kind of output, drained in a fixed order, and the journal's numbering.
//!
//! What life safety has decided leaves first, so that a restart goes on with it; the shell takes it without waiting
//! for a disk. Then come orders (a bolt does not wait for its record), rows of intent, journal entries, other rows,
//! command changes and answers. Whoever hears that an entry is on disk knows that the intent saved with it is too.

use std::collections::VecDeque;

use hubd_model::{AlarmId, LockId, Logged, MonoTime, Now, Order, PersonId, RadioName, UnixMillis, WallTime};

use crate::event::{Entry, Event};
use crate::input::{Answer, Refusal, Ticket};
use crate::output::{Output, Record, RecordKey};
use crate::view::CommandView;

/// The device that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceId {
    Lock(LockId),
    Alarm(AlarmId),
}

/// The outputs of one mutation, and the moment at which it happens.
#[derive(Debug)]
pub(crate) struct Outbox {
    now: Now,
    seq: u64,
    decisions: VecDeque<Record>,
    orders: VecDeque<(RadioName, Order)>,
    intents: VecDeque<Output>,
    entries: VecDeque<Entry>,
    rows: VecDeque<Output>,
    commands: VecDeque<CommandView>,
    answers: VecDeque<(Ticket, Result<Answer, Refusal>)>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            now: Now {
                mono: MonoTime::default(),
                wall: WallTime::Unsynced(UnixMillis(0)),
            },
            seq: 0,
            decisions: VecDeque::new(),
            orders: VecDeque::new(),
            intents: VecDeque::new(),
            entries: VecDeque::new(),
            rows: VecDeque::new(),
            commands: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }
}

impl Outbox {
    /// Continues a journal after its entry `seq`.
    pub(crate) fn continue_after(&mut self, seq: u64) {
        self.seq = seq;
    }

    /// Begins a mutation.
    pub(crate) fn begin(&mut self, now: Now) {
        self.now = now;
    }

    /// Both clocks at this mutation.
    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// The monotonic clock at this mutation.
    pub(crate) fn mono(&self) -> MonoTime {
        self.now.mono
    }

    /// The wall clock's label at this mutation.
    pub(crate) fn at(&self) -> UnixMillis {
        self.now.wall.label()
    }

    /// The number that the next entry will have.
    pub(crate) fn next_seq(&self) -> u64 {
        self.seq.saturating_add(1)
    }

    /// Puts a decision on record before the orders that follow from it.
    pub(crate) fn decided(&mut self, record: Record) {
        self.decisions.push_back(record);
    }

    pub(crate) fn order(&mut self, radio: &RadioName, order: Order) {
        self.orders.push_back((radio.clone(), order));
    }

    /// Numbers an entry and returns its number.
    pub(crate) fn journal(&mut self, subject: Option<DeviceId>, event: Event) -> u64 {
        self.seq = self.next_seq();
        let (lock, alarm) = match subject {
            Some(DeviceId::Lock(lock)) => (Some(lock), None),
            Some(DeviceId::Alarm(alarm)) => (None, Some(alarm)),
            None => (None, None),
        };
        let person = person(&event);
        let (at, clock_synced) = (self.at(), self.now.wall.is_synced());
        self.entries.push_back(Entry {
            seq: self.seq,
            at,
            clock_synced,
            lock,
            alarm,
            person,
            event,
        });
        self.seq
    }

    /// Remembers a row of intent. It leaves before the entries of its mutation, so that it is on disk when they are.
    pub(crate) fn save_intent(&mut self, record: Record) {
        self.intents.push_back(Output::Save(record));
    }

    /// Forgets a row of intent, in the same order.
    pub(crate) fn forget_intent(&mut self, key: RecordKey) {
        self.intents.push_back(Output::Forget(key));
    }

    pub(crate) fn save(&mut self, record: Record) {
        self.rows.push_back(Output::Save(record));
    }

    pub(crate) fn forget(&mut self, key: RecordKey) {
        self.rows.push_back(Output::Forget(key));
    }

    pub(crate) fn command(&mut self, command: CommandView) {
        self.commands.push_back(command);
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, answer: Result<Answer, Refusal>) {
        self.answers.push_back((ticket, answer));
    }

    /// The next output.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        if let Some(record) = self.decisions.pop_front() {
            return Some(Output::Save(record));
        }
        if let Some((radio, order)) = self.orders.pop_front() {
            return Some(Output::Order { radio, order });
        }
        if let Some(row) = self.intents.pop_front() {
            return Some(row);
        }
        if let Some(entry) = self.entries.pop_front() {
            return Some(Output::Journal(entry));
        }
        if let Some(row) = self.rows.pop_front() {
            return Some(row);
        }
        if let Some(command) = self.commands.pop_front() {
            return Some(Output::Command(command));
        }
        let (ticket, answer) = self.answers.pop_front()?;
        Some(Output::Answer { ticket, answer })
    }
}

/// Who an event names.
fn person(event: &Event) -> Option<PersonId> {
    if let Event::LockOperated { via, .. }
    | Event::LockLogged {
        said: Logged::Moved { via, .. },
        ..
    } = event
    {
        via.person.clone()
    } else if let Event::Credentials(event) = event {
        event.person().cloned()
    } else {
        None
    }
}
