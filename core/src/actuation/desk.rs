//! The desk of commands: which attempts are open on which lock, which goes first, what is remembered of the ended.
//!
//! One attempt is in flight per lock; a newer contrary request takes the place of one that was not sent and waits
//! for one that was. Life safety waits for none. An end is shown only when its journal entry is on disk, or when
//! the store says that it cannot write.

use std::collections::{BTreeMap, VecDeque};

use hubd_model::{
    ActuationStep, BoltState, CommandId, DeviceAddress, LockId, LockOp, Millis, MonoTime, RadioName, Urgency,
};

use super::{Attempt, Effect, OPEN_PER_LOCK_MAX, REMEMBERED_MAX, TIME_TO_LIVE_MAX};
use crate::event::Event;
use crate::input::Refusal;
use crate::outbox::{DeviceId, Outbox};
use crate::output::Record;
use crate::view::{CommandStatus, CommandView};

/// A lock's report of a movement belongs to our own request when it comes at most so long after its end.
const ECHO_MAX: Millis = Millis::from_secs(5);
/// How many ended requests per lock are looked at for that.
const ECHOES_MAX: usize = 8;

/// A request to move a bolt, checked against everything but the desk.
#[derive(Debug)]
pub(crate) struct NewCommand {
    pub(crate) id: CommandId,
    pub(crate) lock: LockId,
    pub(crate) radio: RadioName,
    pub(crate) device: DeviceAddress,
    pub(crate) op: LockOp,
    pub(crate) requester: String,
    pub(crate) urgency: Urgency,
    pub(crate) time_to_live: Millis,
}

/// Whether a report of a bolt belongs to one of our requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// To none.
    None,
    /// To one whose movement is not in the journal yet.
    Fresh,
    /// To one whose movement is in the journal.
    Recorded,
}

/// An attempt that ended a moment ago.
#[derive(Debug)]
struct Echo {
    op: LockOp,
    ended: MonoTime,
    recorded: bool,
}

/// Every command that is open or remembered.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    open: BTreeMap<CommandId, Attempt>,
    known: BTreeMap<CommandId, CommandView>,
    /// The order in which they became known.
    ages: VecDeque<CommandId>,
    /// Ended, and the number of the entry that has to be on disk before it is shown.
    unshown: VecDeque<(u64, CommandView)>,
    echoes: BTreeMap<LockId, VecDeque<Echo>>,
    count: u64,
    store_failing: bool,
    /// Attempts of life safety that ended in this mutation.
    life_safety_ends: Vec<CommandView>,
}

impl Desk {
    /// Takes what the store remembers. What had not ended ends now and is never sent again.
    pub(crate) fn restore(&mut self, commands: Vec<CommandView>, out: &mut Outbox) {
        let skip = commands.len().saturating_sub(REMEMBERED_MAX);
        let (old, recent) = commands.split_at(skip);
        // Beyond what is remembered, only those that have to be ended are of interest.
        for command in old
            .iter()
            .filter(|command| !command.status.is_ended())
            .chain(recent)
        {
            self.remember(command.clone());
        }
        for command in commands.into_iter().filter(|command| !command.status.is_ended()) {
            let (status, reason) = if command.status == CommandStatus::Requested {
                (
                    CommandStatus::Expired,
                    "the hub restarted before the request was known to be sent; it is not sent any more",
                )
            } else {
                (
                    CommandStatus::TimedOut,
                    "the hub restarted while the lock was at it; look at the lock's state",
                )
            };
            self.close(command, status, Some(reason.to_owned()), out);
        }
    }

    /// What is known of a command, as it may be shown.
    pub(crate) fn view(&self, id: &CommandId) -> Option<&CommandView> {
        self.known.get(id)
    }

    /// The newest request on a lock that has not ended.
    pub(crate) fn wish(&self, lock: &LockId) -> Option<(LockOp, CommandId)> {
        let newest = self.on(lock).max_by_key(|attempt| attempt.number)?;
        Some((newest.view.op, newest.view.id.clone()))
    }

    /// Accepts a request. Orders leave at once, unless an attempt on the same lock is in flight.
    pub(crate) fn accept(&mut self, new: NewCommand, out: &mut Outbox) -> Result<CommandView, Refusal> {
        let (now, at) = (out.mono(), out.at());
        // Life safety finds room where everybody else is told to wait.
        let room = if new.urgency == Urgency::LifeSafety {
            2 * OPEN_PER_LOCK_MAX
        } else {
            OPEN_PER_LOCK_MAX
        };
        if self.on(&new.lock).count() >= room {
            return Err(Refusal::Busy("earlier requests to this lock"));
        }
        self.supersede_for(&new, out);
        self.count = self.count.saturating_add(1);
        let view = CommandView {
            id: new.id,
            lock: new.lock,
            op: new.op,
            requester: new.requester,
            status: CommandStatus::Requested,
            requested_at: at,
            sent_at: None,
            acknowledged_at: None,
            ended_at: None,
            reason: None,
        };
        let expires = now + new.time_to_live.min(TIME_TO_LIVE_MAX);
        let attempt = Attempt::new(
            view.clone(),
            new.radio,
            new.device,
            new.urgency,
            self.count,
            expires,
        );
        self.remember(view.clone());
        out.save(Record::Command(view.clone()));
        out.command(view.clone());
        self.open.insert(view.id.clone(), attempt);
        if new.urgency == Urgency::LifeSafety {
            self.send(&view.id, out);
        } else {
            self.send_next(&view.lock, out);
        }
        Ok(view)
    }

    /// The number that the next request will have since the hub started.
    pub(crate) const fn next_number(&self) -> u64 {
        self.count.saturating_add(1)
    }

    /// The attempts of life safety that ended since this was asked last.
    pub(crate) fn take_life_safety_ends(&mut self) -> Vec<CommandView> {
        std::mem::take(&mut self.life_safety_ends)
    }

    /// Takes back every request to lock this lock that was not sent, in favour of the attempt `by`.
    pub(crate) fn take_back_locks(&mut self, lock: &LockId, by: &CommandId, out: &mut Outbox) {
        for id in self.ids_on(lock) {
            if let Some(attempt) = self
                .open
                .get_mut(&id)
                .filter(|attempt| attempt.view.op == LockOp::Lock)
            {
                let radio = attempt.radio.clone();
                let (order, effect) = attempt.supersede(by, out.mono());
                if let Some(order) = order {
                    out.order(&radio, order);
                }
                self.end(&id, effect, out);
            }
        }
    }

    /// A radio says how an attempt goes on.
    pub(crate) fn step(&mut self, radio: &RadioName, id: &CommandId, step: &ActuationStep, out: &mut Outbox) {
        let Some(attempt) = self.open.get_mut(id).filter(|attempt| attempt.radio == *radio) else {
            return;
        };
        let effect = attempt.step(step, out.mono(), out.at());
        self.take(id, effect, out);
    }

    /// A lock reported its bolt.
    pub(crate) fn bolt(&mut self, lock: &LockId, bolt: BoltState, moved: bool, out: &mut Outbox) {
        let (now, at) = (out.mono(), out.at());
        for id in self.ids_on(lock) {
            if let Some(attempt) = self.open.get_mut(&id) {
                let effect = attempt.bolt(bolt, moved, now, at);
                self.take(&id, effect, out);
            }
        }
    }

    /// Whose movement a report of this state is.
    pub(crate) fn claim(&self, lock: &LockId, bolt: BoltState, now: MonoTime) -> Claim {
        let open = self
            .on(lock)
            .filter(|attempt| attempt.is_sent() && attempt.view.op.wanted() == bolt)
            .map(|attempt| attempt.recorded);
        let ended = self
            .echoes
            .get(lock)
            .into_iter()
            .flatten()
            .filter(|echo| echo.op.wanted() == bolt && now.since(echo.ended) <= ECHO_MAX)
            .map(|echo| echo.recorded);
        open.chain(ended)
            .fold(Claim::None, |claim, recorded| match (claim, recorded) {
                (Claim::Fresh, _) | (_, false) => Claim::Fresh,
                (Claim::None | Claim::Recorded, true) => Claim::Recorded,
            })
    }

    /// The movement that our requests wanted is in the journal now.
    pub(crate) fn recorded(&mut self, lock: &LockId, bolt: BoltState) {
        for attempt in self.open.values_mut() {
            if attempt.view.lock == *lock && attempt.is_sent() && attempt.view.op.wanted() == bolt {
                attempt.recorded = true;
            }
        }
        for echo in self.echoes.get_mut(lock).into_iter().flatten() {
            if echo.op.wanted() == bolt {
                echo.recorded = true;
            }
        }
    }

    /// An order did not reach its radio.
    pub(crate) fn order_lost(&mut self, id: &CommandId, out: &mut Outbox) {
        if let Some(attempt) = self.open.get(id) {
            let effect = attempt.lose_order();
            self.take(id, effect, out);
        }
    }

    /// A lock left.
    pub(crate) fn lock_lost(&mut self, lock: &LockId, out: &mut Outbox) {
        for id in self.ids_on(lock) {
            if let Some(attempt) = self.open.get(&id) {
                let radio = attempt.radio.clone();
                let (order, effect) = attempt.lose_lock();
                if let Some(order) = order {
                    out.order(&radio, order);
                }
                // Nothing goes next: all of them end.
                self.end(&id, effect, out);
            }
        }
        self.echoes.remove(lock);
    }

    /// Time passed. `ready` says which radio works.
    pub(crate) fn tick(&mut self, out: &mut Outbox, ready: impl Fn(&RadioName) -> bool) {
        let now = out.mono();
        let due: Vec<CommandId> = self
            .open
            .values()
            .filter(|attempt| attempt.deadline() <= now)
            .map(|attempt| attempt.view.id.clone())
            .collect();
        for id in due {
            if let Some(attempt) = self.open.get_mut(&id) {
                let radio = attempt.radio.clone();
                let (order, effect) = attempt.tick(now, ready(&radio));
                if let Some(order) = order {
                    out.order(&radio, order);
                }
                self.take(&id, effect, out);
            }
        }
        self.echoes.retain(|_, echoes| {
            echoes.retain(|echo| now.since(echo.ended) <= ECHO_MAX);
            !echoes.is_empty()
        });
    }

    /// When to come back.
    pub(crate) fn deadline(&self) -> Option<MonoTime> {
        self.open.values().map(Attempt::deadline).min()
    }

    /// Entries up to this one are on disk.
    pub(crate) fn durable(&mut self, seq: u64, out: &mut Outbox) {
        while self.unshown.front().is_some_and(|(needed, _)| *needed <= seq) {
            if let Some((_, view)) = self.unshown.pop_front() {
                self.show(view, out);
            }
        }
    }

    /// The store cannot write, or writes again.
    pub(crate) fn store_failing(&mut self, failing: bool, out: &mut Outbox) {
        self.store_failing = failing;
        if failing {
            // Who waits at a door is told the truth of the door even when it cannot be recorded.
            self.durable(u64::MAX, out);
        }
    }

    fn on<'a>(&'a self, lock: &'a LockId) -> impl Iterator<Item = &'a Attempt> {
        self.open
            .values()
            .filter(move |attempt| attempt.view.lock == *lock)
    }

    fn ids_on(&self, lock: &LockId) -> Vec<CommandId> {
        self.on(lock).map(|attempt| attempt.view.id.clone()).collect()
    }

    /// Ends or withdraws what was not sent and what the new request is contrary to or more urgent than.
    fn supersede_for(&mut self, new: &NewCommand, out: &mut Outbox) {
        for id in self.ids_on(&new.lock) {
            let Some(attempt) = self.open.get_mut(&id) else {
                continue;
            };
            // `Urgency` orders the most urgent first.
            let contrary = attempt.view.op != new.op && attempt.urgency >= new.urgency;
            if contrary || attempt.urgency > new.urgency {
                let radio = attempt.radio.clone();
                let (order, effect) = attempt.supersede(&new.id, out.mono());
                if let Some(order) = order {
                    out.order(&radio, order);
                }
                self.end(&id, effect, out);
            }
        }
    }

    /// Sends the most urgent of the waiting, then the oldest, if the lock is free.
    fn send_next(&mut self, lock: &LockId, out: &mut Outbox) {
        if self.on(lock).any(Attempt::in_flight) {
            return;
        }
        let now = out.mono();
        let next = self
            .on(lock)
            .filter(|attempt| attempt.is_queued() && now < attempt.deadline())
            .min_by_key(|attempt| (attempt.urgency, attempt.number))
            .map(|attempt| attempt.view.id.clone());
        if let Some(id) = next {
            self.send(&id, out);
        }
    }

    fn send(&mut self, id: &CommandId, out: &mut Outbox) {
        if let Some(attempt) = self.open.get_mut(id)
            && let Some(order) = attempt.order(out.mono())
        {
            out.order(&attempt.radio, order);
        }
    }

    /// Takes what something meant to an attempt, and lets the next one go when it ended.
    fn take(&mut self, id: &CommandId, effect: Effect, out: &mut Outbox) {
        if let Some(lock) = self.end(id, effect, out) {
            self.send_next(&lock, out);
        }
    }

    /// The lock, when the attempt ended.
    fn end(&mut self, id: &CommandId, effect: Effect, out: &mut Outbox) -> Option<LockId> {
        let attempt = self.open.get(id)?;
        match effect {
            Effect::None => None,
            Effect::Progress => {
                let view = attempt.view.clone();
                out.save(Record::Command(view.clone()));
                self.show(view, out);
                None
            }
            Effect::End { status, reason } => {
                let attempt = self.open.remove(id)?;
                let lock = attempt.view.lock.clone();
                if attempt.is_sent() {
                    let echoes = self.echoes.entry(lock.clone()).or_default();
                    if echoes.len() >= ECHOES_MAX {
                        echoes.pop_front();
                    }
                    let (op, recorded) = (attempt.view.op, attempt.recorded);
                    echoes.push_back(Echo {
                        op,
                        ended: out.mono(),
                        recorded,
                    });
                }
                // Known until the end is on disk: what led up to it.
                self.show(attempt.view.clone(), out);
                let end = self.close(attempt.view, status, reason, out);
                if attempt.urgency == Urgency::LifeSafety {
                    self.life_safety_ends.push(end);
                }
                Some(lock)
            }
        }
    }

    /// Records the end of a command, and shows it when that is on disk.
    fn close(
        &mut self,
        mut command: CommandView,
        status: CommandStatus,
        reason: Option<String>,
        out: &mut Outbox,
    ) -> CommandView {
        command.status = status;
        command.reason = reason;
        command.ended_at = Some(out.at());
        let event = Event::CommandEnded {
            command: command.clone(),
        };
        let seq = out.journal(Some(DeviceId::Lock(command.lock.clone())), event);
        out.save(Record::Command(command.clone()));
        let end = command.clone();
        if self.store_failing {
            self.show(command, out);
        } else {
            self.unshown.push_back((seq, command));
        }
        end
    }

    fn show(&mut self, view: CommandView, out: &mut Outbox) {
        if let Some(known) = self.known.get_mut(&view.id)
            && *known != view
        {
            known.clone_from(&view);
            out.command(view);
        }
    }

    fn remember(&mut self, view: CommandView) {
        self.ages.push_back(view.id.clone());
        self.known.insert(view.id.clone(), view);
        if self.known.len() > REMEMBERED_MAX {
            let oldest_ended = self
                .ages
                .iter()
                .position(|id| self.known.get(id).is_none_or(|known| known.status.is_ended()));
            if let Some(id) = oldest_ended.and_then(|position| self.ages.remove(position)) {
                self.known.remove(&id);
            }
        }
    }
}
