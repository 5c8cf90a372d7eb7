//! One door of an emergency or a drill: told to open, again and again, until its lock reports that it is open.

use hubd_model::{
    BoltState, CommandId, HoldState, LinkState, LockId, LockOp, Millis, MonoTime, Order, Source as Cause,
    Urgency, Via,
};

use super::incident::{Attempt, Door, DoorStage};
use super::{House, LifeSafety, ORDER_LIFE, RETRY_PAUSES};
use crate::actuation::desk::NewCommand;
use crate::view::{CommandStatus, CommandView};

/// The pauses before a lock is told again to stop or resume its own relocking; the last one stays.
const HOLD_PAUSES: [Millis; 5] = [
    Millis::from_secs(5),
    Millis::from_secs(15),
    Millis::from_secs(60),
    Millis::from_secs(300),
    Millis::from_secs(1_800),
];
/// After so many attempts in vain a lock keeps its own relocking as it is: more than a week.
const HOLD_TRIES_MAX: u32 = 400;

/// A door while the hub works on it.
#[derive(Debug)]
pub(super) struct DoorRun {
    pub(super) door: Door,
    /// The first message of those that confirmed its release.
    pub(super) since: MonoTime,
    /// When its release was decided.
    pub(super) decided: MonoTime,
    /// Until when its release can be called off.
    pub(super) pending_until: Option<MonoTime>,
    /// The attempt under way.
    pub(super) in_flight: Option<CommandId>,
    /// When it is told again.
    pub(super) next_try: MonoTime,
    /// How many attempts failed in a row.
    pub(super) fails: u32,
    /// Whether people were told that it does not open.
    pub(super) escalated: bool,
}

/// What a report of a bolt meant to a door.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    None,
    /// It is open, at last.
    Opened,
    /// It locked itself and is opened again.
    Relocked,
    /// Somebody at the door locked it.
    ByHand,
    /// It is locked, and that is right.
    Restored,
}

impl DoorRun {
    pub(super) const fn new(door: Door) -> Self {
        let start = MonoTime::from_micros(0);
        Self {
            door,
            since: start,
            decided: start,
            pending_until: None,
            in_flight: None,
            next_try: start,
            fails: 0,
            escalated: false,
        }
    }

    /// A door of an emergency that a restart cut off.
    pub(super) fn resumed(door: Door, alarming: bool, now: MonoTime) -> Self {
        let mut run = Self {
            since: now,
            decided: now,
            next_try: now,
            ..Self::new(door)
        };
        run.door.state = match run.door.state {
            DoorStage::Pending => DoorStage::Waiting,
            DoorStage::Open if alarming => DoorStage::Releasing,
            state @ (DoorStage::Waiting
            | DoorStage::Releasing
            | DoorStage::Open
            | DoorStage::LockedByHand
            | DoorStage::GivenUp
            | DoorStage::Restored) => state,
        };
        run
    }

    /// Begins to open it.
    pub(super) fn release(&mut self, since: MonoTime, now: MonoTime, house: &mut House<'_>) {
        self.take_back_locks(house);
        self.door.state = DoorStage::Releasing;
        self.door.confirmed_at.get_or_insert(house.out.at());
        self.pending_until = None;
        (self.since, self.decided, self.next_try) = (since, now, now);
        (self.fails, self.escalated) = (0, false);
    }

    /// While an attempt is under way, what somebody asked for meanwhile does not come after it.
    pub(super) fn take_back_locks(&self, house: &mut House<'_>) {
        if let Some(by) = &self.in_flight {
            house.desk.take_back_locks(&self.door.lock, by, house.out);
        }
    }

    /// It was open while nothing warned, and is to stay so.
    pub(super) fn tell_anew(&mut self, now: MonoTime) {
        self.door.state = DoorStage::Releasing;
        (self.decided, self.next_try) = (now, now);
        (self.fails, self.escalated) = (0, false);
    }

    /// A new warning decides about it anew.
    pub(super) fn wait_again(&mut self) {
        self.door.state = DoorStage::Waiting;
        self.door.opened_at = None;
        self.pending_until = None;
    }

    /// Whether it has to be told to open now.
    pub(super) fn is_due(&self, now: MonoTime) -> bool {
        self.door.state == DoorStage::Releasing && self.in_flight.is_none() && self.next_try <= now
    }

    /// Its attempt ended.
    pub(super) fn attempt_ended(&mut self, end: &CommandView, now: MonoTime) {
        self.in_flight = None;
        let known = self
            .door
            .attempts
            .iter_mut()
            .rfind(|known| known.command == end.id);
        if let Some(attempt) = known {
            attempt.end = Some(end.clone());
        }
        if end.status != CommandStatus::Done {
            self.fails = self.fails.saturating_add(1);
            self.next_try = now + pause(&RETRY_PAUSES, self.fails);
        } else if self.door.state == DoorStage::Releasing {
            // It was done, and yet the lock is not open: it locked itself again in between.
            self.next_try = now + pause(&RETRY_PAUSES, 1);
        }
    }

    /// Its lock answers, or its radio works, again: what waits need wait no longer.
    pub(super) fn hurry(&mut self, now: MonoTime) {
        if self.door.state == DoorStage::Releasing && self.in_flight.is_none() {
            self.next_try = self.next_try.min(now);
        }
    }

    /// The lock's own word that it is open.
    pub(super) fn opened(&mut self, house: &House<'_>) {
        let now = house.out.mono();
        self.door.state = DoorStage::Open;
        (self.fails, self.escalated) = (0, false);
        if self.door.opened_at.is_none() {
            self.door.opened_at = Some(house.out.at());
            self.door.latency = Some(now.since(self.since));
        }
    }

    /// The lock reported its bolt; `via` when it moved. `alarming` while something warns.
    pub(super) fn bolt(
        &mut self,
        bolt: BoltState,
        via: Option<&Via>,
        alarming: bool,
        house: &House<'_>,
    ) -> Turn {
        let now = house.out.mono();
        match (self.door.state, bolt) {
            (
                DoorStage::Releasing | DoorStage::GivenUp | DoorStage::LockedByHand,
                BoltState::Unlocked | BoltState::Unlatched,
            ) => {
                self.opened(house);
                Turn::Opened
            }
            (DoorStage::Open, BoltState::Locked) if !alarming => {
                self.door.state = DoorStage::Restored;
                Turn::Restored
            }
            (DoorStage::Open, BoltState::Locked) if via.is_some_and(by_hand) => {
                self.door.state = DoorStage::LockedByHand;
                Turn::ByHand
            }
            (DoorStage::Open, BoltState::Locked) => {
                self.door.state = DoorStage::Releasing;
                // The first time at once; one that locks itself again and again is not driven to and fro.
                self.next_try = if self.fails == 0 {
                    now
                } else {
                    now + pause(&RETRY_PAUSES, self.fails)
                };
                self.fails = self.fails.saturating_add(1);
                self.decided = now;
                Turn::Relocked
            }
            (DoorStage::Releasing | DoorStage::LockedByHand | DoorStage::GivenUp, BoltState::Locked)
                if !alarming && via.is_some_and(by_hand) =>
            {
                self.door.state = DoorStage::Restored;
                Turn::Restored
            }
            (
                DoorStage::Waiting
                | DoorStage::Pending
                | DoorStage::Releasing
                | DoorStage::Open
                | DoorStage::LockedByHand
                | DoorStage::GivenUp
                | DoorStage::Restored,
                _,
            ) => Turn::None,
        }
    }

    /// Tells it to open.
    pub(super) fn tell(&mut self, why: &str, house: &mut House<'_>) {
        let (now, at) = (house.out.mono(), house.out.at());
        self.door.tries = self.door.tries.saturating_add(1);
        let place = house
            .devices
            .locks
            .get(&self.door.lock)
            .filter(|lock| lock.view.description.security.is_authenticated())
            .map(|lock| (lock.view.radio.clone(), lock.view.address.clone()));
        let id = CommandId::parse(&format!(
            "release-{}-{}",
            house.out.next_seq(),
            house.desk.next_number()
        ));
        let (Some((radio, device)), Ok(id)) = (place, id) else {
            // The lock left, or can be imitated now: it is looked for again, and people were told.
            self.fails = self.fails.saturating_add(1);
            self.next_try = now + pause(&RETRY_PAUSES, self.fails);
            return;
        };
        let told = house.desk.accept(
            NewCommand {
                id: id.clone(),
                lock: self.door.lock.clone(),
                radio,
                device,
                op: LockOp::Unlock,
                requester: why.to_owned(),
                urgency: Urgency::LifeSafety,
                time_to_live: ORDER_LIFE,
            },
            house.out,
        );
        match told {
            Ok(_) => {
                self.door.keep(Attempt {
                    command: id.clone(),
                    at,
                    end: None,
                });
                self.in_flight = Some(id);
            }
            Err(_) => {
                self.fails = self.fails.saturating_add(1);
                self.next_try = now + pause(&RETRY_PAUSES, self.fails);
            }
        }
    }
}

/// Whether somebody at the door did it.
pub(super) fn by_hand(via: &Via) -> bool {
    match via.source {
        Cause::Manual | Cause::Keypad | Cause::Rfid | Cause::Fingerprint => true,
        Cause::Remote | Cause::Auto | Cause::Schedule | Cause::Unknown => false,
    }
}

fn pause(pauses: &[Millis], fails: u32) -> Millis {
    let place = usize::try_from(fails.saturating_sub(1)).unwrap_or(usize::MAX);
    pauses.get(place).or(pauses.last()).copied().unwrap_or_default()
}

/// Tells every door that is due, in the order that opens the most doors soonest: those that did not fail yet, whose
/// lock answers, whose link needs fewer frames, that are not open anyway.
pub(super) fn tell_due(doors: &mut [DoorRun], why: &str, house: &mut House<'_>) -> bool {
    let now = house.out.mono();
    let mut due: Vec<&mut DoorRun> = doors.iter_mut().filter(|run| run.is_due(now)).collect();
    due.sort_by_cached_key(|run| (run.fails, rank(&run.door.lock, house)));
    let any = !due.is_empty();
    for run in due {
        run.tell(why, house);
    }
    any
}

/// A smaller one goes first.
fn rank(lock: &LockId, house: &House<'_>) -> (u8, bool, bool) {
    let Some(lock) = house.devices.locks.get(lock) else {
        return (u8::MAX, true, true);
    };
    let link = match lock.view.link {
        LinkState::Online => 0,
        LinkState::Unknown => 1,
        LinkState::Offline => 2,
    };
    let open = lock
        .view
        .bolt
        .as_ref()
        .is_some_and(|bolt| matches!(bolt.value.0, BoltState::Unlocked | BoltState::Unlatched));
    let needs_nonce = lock.view.description.security == hubd_model::Security::S0;
    (link, open, needs_nonce)
}

/// A lock's own relocking, and what the hub wants of it.
#[derive(Debug)]
pub(super) struct Hold {
    wanted: hubd_model::Hold,
    next_try: Option<MonoTime>,
    tries: u32,
}

impl Hold {
    pub(super) const fn deadline(&self) -> Option<MonoTime> {
        self.next_try
    }
}

impl LifeSafety {
    /// Keeps a lock from locking itself.
    pub(super) fn suspend_relock(&mut self, lock: &LockId, now: MonoTime) {
        let known = self.holds.get(lock).map(|hold| hold.wanted);
        if known == Some(hubd_model::Hold::Suspended) {
            return;
        }
        self.changed.standing |= self.standing.give_back.insert(lock.clone());
        self.want(lock, hubd_model::Hold::Suspended, now);
    }

    /// Gives a lock its own relocking back.
    pub(super) fn give_back(&mut self, lock: &LockId, now: MonoTime) {
        if self.standing.give_back.contains(lock) {
            self.want(lock, hubd_model::Hold::Restored, now);
        }
    }

    fn want(&mut self, lock: &LockId, wanted: hubd_model::Hold, now: MonoTime) {
        let hold = Hold {
            wanted,
            next_try: Some(now),
            tries: 0,
        };
        self.holds.insert(lock.clone(), hold);
    }

    /// Sends what is due of it; after the orders to open.
    pub(super) fn tell_holds(&mut self, house: &mut House<'_>) {
        let now = house.out.mono();
        for (lock, hold) in &mut self.holds {
            if hold.next_try.is_none_or(|due| due > now) {
                continue;
            }
            hold.tries = hold.tries.saturating_add(1);
            hold.next_try = (hold.tries < HOLD_TRIES_MAX).then(|| now + pause(&HOLD_PAUSES, hold.tries));
            if let Some(known) = house.devices.locks.get(lock) {
                let order = Order::HoldAutoRelock {
                    device: known.view.address.clone(),
                    hold: hold.wanted,
                };
                house.out.order(&known.view.radio, order);
            }
        }
    }

    /// A lock said what its own relocking does.
    pub(crate) fn auto_relock(&mut self, lock: &LockId, state: HoldState) {
        if let Some(open) = &mut self.open
            && let Some(run) = open.doors.iter_mut().find(|run| run.door.lock == *lock)
            && run.door.auto_relock != Some(state)
        {
            run.door.auto_relock = Some(state);
            self.changed.open = true;
        }
        let Some(hold) = self.holds.get_mut(lock) else {
            return;
        };
        let settled = match (hold.wanted, state) {
            (_, HoldState::NotSupported)
            | (hubd_model::Hold::Suspended, HoldState::Suspended)
            | (hubd_model::Hold::Restored, HoldState::Normal) => true,
            (hubd_model::Hold::Suspended, HoldState::Normal)
            | (hubd_model::Hold::Restored, HoldState::Suspended) => false,
        };
        if !settled {
            return;
        }
        hold.next_try = None;
        if hold.wanted == hubd_model::Hold::Restored {
            self.holds.remove(lock);
            self.changed.standing |= self.standing.give_back.remove(lock);
        }
    }

    /// A lock answers again.
    pub(crate) fn lock_answers(&mut self, lock: &LockId, now: MonoTime) {
        self.hurry(now, |run| run.door.lock == *lock);
        if let Some(hold) = self.holds.get_mut(lock)
            && let Some(due) = &mut hold.next_try
        {
            *due = (*due).min(now);
        }
    }

    /// A radio works again.
    pub(crate) fn radio_works(&mut self, is_its: impl Fn(&LockId) -> bool, now: MonoTime) {
        self.hurry(now, |run| is_its(&run.door.lock));
    }

    fn hurry(&mut self, now: MonoTime, is_meant: impl Fn(&DoorRun) -> bool) {
        let open = self.open.iter_mut().flat_map(|open| &mut open.doors);
        let drill = self.drill.iter_mut().flat_map(|drill| &mut drill.doors);
        for run in open.chain(drill).filter(|run| is_meant(run)) {
            run.hurry(now);
        }
    }
}
