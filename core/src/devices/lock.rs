//! A lock: what its words mean for its state, and which of them are events of the house.
//!
//! A reading (the lock was asked) that only confirms what is known is no event; one that differs is. A movement
//! that the lock reports by itself is always an event, unless it is the echo of one that is in the journal.

use hubd_model::{
    BatteryPercent, BoltState, DeviceAddress, DeviceDescription, DoorState, LinkState, LockId, Millis,
    MonoTime, RadioName, Source, UnixMillis, Via,
};

use super::log::Reading;
use super::{Quiet, replace};
use crate::actuation::desk::Claim;
use crate::event::Event;
use crate::view::{LockView, Reported};

/// A lock's own report of a movement comes at most so long after a reading that showed it.
const ECHO_MAX: Millis = Millis::from_secs(5);

/// One lock.
#[derive(Debug)]
pub(crate) struct Lock {
    /// As people see it, but for the wish.
    pub(crate) view: LockView,
    /// Whether its radio announced it since the hub started.
    pub(crate) announced: bool,
    /// The last link that was certain.
    pub(crate) known_link: LinkState,
    /// The last bolt state that was certain.
    known_bolt: Option<BoltState>,
    /// The last door state that was certain.
    known_door: Option<DoorState>,
    /// A movement that only a reading showed, and when.
    read_only: Option<(BoltState, MonoTime)>,
    troubles: Quiet<String>,
    /// When its own record is to be read.
    pub(crate) reading: Reading,
}

impl Lock {
    pub(crate) fn new(
        id: LockId,
        name: String,
        radio: RadioName,
        address: DeviceAddress,
        description: DeviceDescription,
        now: MonoTime,
    ) -> Self {
        let view = LockView {
            id,
            name,
            radio,
            address,
            description,
            bolt: None,
            wish: None,
            door: None,
            battery: None,
            link: LinkState::Unknown,
            last_heard: None,
            log: Box::default(),
        };
        Self {
            announced: true,
            reading: Reading::of_a_newcomer(now),
            ..Self::restored(view, now)
        }
    }

    /// A lock from the store: its last reports are reports still, its link is not known any more.
    pub(crate) fn restored(mut view: LockView, now: MonoTime) -> Self {
        let known_link = view.link;
        view.link = LinkState::Unknown;
        view.wish = None;
        Self {
            announced: false,
            known_link,
            known_bolt: view
                .bolt
                .as_ref()
                .map(|bolt| bolt.value.0)
                .filter(|bolt| *bolt != BoltState::Unknown),
            known_door: view
                .door
                .as_ref()
                .map(|door| door.value)
                .filter(|door| *door != DoorState::Unknown),
            read_only: None,
            troubles: Quiet::default(),
            reading: Reading::after_a_start(view.description.lock.log, now),
            view,
        }
    }

    /// The row that the store keeps.
    pub(crate) fn record(&self) -> LockView {
        LockView {
            link: self.known_link,
            ..self.view.clone()
        }
    }

    /// The lock says by itself that its bolt moved. `claim` says whether we asked it to.
    pub(crate) fn moved(
        &mut self,
        bolt: BoltState,
        via: Via,
        claim: Claim,
        now: MonoTime,
        at: UnixMillis,
    ) -> Option<Event> {
        let same = self.bolt() == Some(bolt);
        let read_only = self.read_only.take();
        let shown_by_reading =
            read_only.is_some_and(|(read, when)| read == bolt && now.since(when) <= ECHO_MAX);
        let ours = matches!(via.source, Source::Remote | Source::Unknown);
        let echo = same
            && match claim {
                Claim::Recorded => ours,
                Claim::Fresh => false,
                Claim::None => {
                    shown_by_reading && (via.source == Source::Unknown || bolt == BoltState::Jammed)
                }
            };
        if echo {
            // The journal has it; what is known of its cause stays.
            self.confirm(at);
            return None;
        }
        let via = if via.source == Source::Unknown && claim == Claim::Fresh {
            Via {
                source: Source::Remote,
                ..via
            }
        } else {
            via
        };
        self.set_bolt(bolt, via.clone(), at);
        Some(if bolt == BoltState::Jammed {
            Event::LockJammed
        } else {
            Event::LockOperated { bolt, via }
        })
    }

    /// The lock was asked where its bolt is. `claim` says whether we had asked it to go there.
    pub(crate) fn read(
        &mut self,
        bolt: BoltState,
        claim: Claim,
        now: MonoTime,
        at: UnixMillis,
    ) -> Option<Event> {
        if self.bolt() == Some(bolt) {
            self.confirm(at);
            return None;
        }
        let before = self.known_bolt;
        let source = if claim == Claim::None {
            Source::Unknown
        } else {
            Source::Remote
        };
        let via = Via::source(source);
        self.set_bolt(bolt, via.clone(), at);
        // Where a bolt is found at first, or found again after not being known, nothing moved; unless we asked it to.
        let found = before == Some(bolt) || (before.is_none() && bolt != BoltState::Jammed);
        if bolt == BoltState::Unknown || (found && claim != Claim::Fresh) {
            return None;
        }
        self.read_only = Some((bolt, now));
        Some(if bolt == BoltState::Jammed {
            Event::LockJammed
        } else {
            Event::LockOperated { bolt, via }
        })
    }

    /// The lock says that the door leaf moved: that is always told, also when nothing else was known before.
    pub(crate) fn door_moved(&mut self, door: DoorState, at: UnixMillis) -> Option<Event> {
        replace(&mut self.view.door, door, at);
        if door == DoorState::Unknown {
            return None;
        }
        self.known_door = Some(door);
        Some(Event::LockDoor { door })
    }

    /// The door leaf was found like this when the lock was asked: told when it changed.
    pub(crate) fn door_read(&mut self, door: DoorState, at: UnixMillis) -> Option<Event> {
        if self.known_door == Some(door) {
            replace(&mut self.view.door, door, at);
            return None;
        }
        self.door_moved(door, at)
    }

    /// The battery.
    pub(crate) fn battery(&mut self, level: BatteryPercent, at: UnixMillis) -> Option<Event> {
        replace(&mut self.view.battery, level, at).then_some(Event::LockBattery { level })
    }

    /// A fault of its own.
    pub(crate) fn trouble(&mut self, what: String, now: MonoTime) -> Option<Event> {
        self.troubles
            .tell(what.clone(), now)
            .then_some(Event::LockTrouble { what })
    }

    fn bolt(&self) -> Option<BoltState> {
        self.view.bolt.as_ref().map(|bolt| bolt.value.0)
    }

    fn confirm(&mut self, at: UnixMillis) {
        if let Some(bolt) = &mut self.view.bolt {
            bolt.at = at;
        }
    }

    fn set_bolt(&mut self, bolt: BoltState, via: Via, at: UnixMillis) {
        self.view.bolt = Some(Reported {
            value: (bolt, via),
            at,
        });
        self.read_only = None;
        if bolt != BoltState::Unknown {
            self.known_bolt = Some(bolt);
        }
    }
}
