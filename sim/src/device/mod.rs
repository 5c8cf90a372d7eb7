//! Simulated Z-Wave devices: what they are, what happens to them, and how they answer.
//!
//! Their commands are read and written here by hand, apart from the host's codecs, so that the two check each other.

mod alarm;
mod book;
mod codes;
mod common;
mod credentials;
mod link;
mod lock;
mod log;
mod s0;
mod s2;
mod schedules;
mod segments;
mod unit;

use std::collections::VecDeque;

use hubd_model::{Hazard, Millis, MonoTime, Source};

pub use alarm::AlarmConfig;
pub use codes::CodeFaults;
pub(crate) use link::Place;
pub use link::Protection;
pub use lock::{CodesBy, KeypadEvent, LockConfig};
pub use log::{LogClock, LogConfig, LogNumbers};
pub use schedules::ScheduleSlots;
pub use unit::Device;

use crate::agenda::Agenda;
use crate::air::Listening;

/// What a device's radio says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// When it listens.
    pub listening: Listening,
    /// Its generic device class.
    pub generic: u8,
    /// Its specific device class.
    pub specific: u8,
    /// The command classes that it shows to anybody.
    pub classes: Vec<u8>,
}

impl NodeInfo {
    /// Its protocol information. Spec: INS12350, `ZW_GetNodeProtocolInfo`.
    pub(crate) fn protocol_info(&self) -> [u8; 6] {
        let routes = 0x53; // routing, 40 and 9.6 kbit/s, protocol version 3
        let basics = 0x9d; // optional functions, beams, end node, specific class, security
        let (first, second) = match self.listening {
            Listening::Always => (routes | 0x80, basics),
            Listening::Beam1000 => (routes, basics | 0x40),
            Listening::Asleep => (routes, basics),
        };
        [first, second, 0x01, 0x04, self.generic, self.specific]
    }

    /// Basic, generic and specific class and the command classes.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame = vec![0x04, self.generic, self.specific];
        frame.extend_from_slice(&self.classes);
        frame
    }
}

/// Something that happens to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Somebody types a code and turns: the lock opens, or refuses.
    TypeCode(String),
    /// Somebody presses the lock button of the keypad; no code is needed to lock.
    PressLock,
    /// Somebody turns the thumb-turn or a key.
    Turn {
        /// Whether to locked.
        locked: bool,
    },
    /// Somebody opens or closes the door leaf.
    Door {
        /// Whether it is open now.
        open: bool,
    },
    /// Something is in the bolt's way, or no longer is.
    Block(bool),
    /// Smoke, CO or heat comes or goes.
    Hazard {
        /// Which.
        hazard: Hazard,
        /// Whether it is there now.
        present: bool,
    },
    /// Somebody presses the detector's test button.
    TestButton(Hazard),
    /// Somebody silences the detector.
    Silence(Hazard),
    /// The detector is at the end of its life.
    EndOfLife(Hazard),
    /// The detector is due for maintenance.
    Maintenance(Hazard),
    /// The battery has this many percent left.
    Battery(u8),
    /// Somebody opens or closes the cover.
    Tamper(bool),
    /// Somebody wakes a sleeping device by its button.
    Wake,
    /// Somebody presses the button that includes and excludes.
    LearnButton,
    /// An unincluded device is switched on and looks for a SmartStart network, or is switched off.
    SmartStart(bool),
    /// Its power fails: it forgets what it does not keep in flash.
    PowerCut,
    /// Its power is back.
    PowerBack,
    /// It is out of radio range, or back.
    Unreachable(bool),
    /// It forgets its place in the S2 nonce stream.
    LoseSpan,
    /// Somebody resets it to factory state; it says so and leaves.
    FactoryReset,
    /// Somebody programs a code at the keypad, or deletes one.
    ChangeCode {
        /// The slot.
        slot: u16,
        /// The code; `None` to delete it.
        digits: Option<String>,
    },
    /// Somebody deletes every code at the keypad.
    ClearAllCodes,
    /// It loses every code and says nothing.
    ForgetCodes,
    /// Somebody holds a tag to it.
    ShowTag(Vec<u8>),
}

/// What really happened in the world, for those who compare it with what the hub believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// The bolt reached an end.
    Bolt {
        /// Where.
        locked: bool,
        /// By what.
        by: Source,
        /// With which code's slot.
        slot: Option<u16>,
    },
    /// The bolt could not finish its movement.
    Jammed,
    /// The door leaf moved.
    Door {
        /// Whether it is open now.
        open: bool,
    },
    /// A wrong code was typed.
    Denied,
    /// The keypad shut itself after too many wrong codes.
    LockedOut,
    /// A detector's horn started or stopped.
    Hazard {
        /// Which.
        hazard: Hazard,
        /// Whether it sounds now.
        present: bool,
    },
    /// A test button was pressed.
    Tested(Hazard),
    /// It joined a network under this node id.
    Joined(u16),
    /// It left its network.
    Left,
    /// A code was set or deleted by radio.
    CodeChanged {
        /// The slot.
        slot: u16,
        /// Whether there is a code now.
        set: bool,
    },
}

/// What an application can ask of its device while it handles something.
pub(crate) struct Ctx<'a> {
    pub(crate) now: MonoTime,
    pub(crate) timers: &'a mut Agenda<Timer>,
    pub(crate) reports: &'a mut Vec<Vec<u8>>,
    pub(crate) truths: &'a mut VecDeque<Truth>,
}

impl Ctx<'_> {
    /// Tells the lifeline.
    pub(crate) fn report(&mut self, command: Vec<u8>) {
        self.reports.push(command);
    }

    /// Comes back later.
    pub(crate) fn later(&mut self, after: Millis, timer: Timer) {
        self.timers.add(self.now + after, timer);
    }

    /// Records what really happened.
    pub(crate) fn truth(&mut self, truth: Truth) {
        if self.truths.len() >= TRUTHS_MAX {
            self.truths.pop_front();
        }
        self.truths.push_back(truth);
    }
}

/// How many facts wait to be read before the oldest are dropped.
const TRUTHS_MAX: usize = 4096;

/// What a device wants to do later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The bolt's motor stops.
    BoltEnds,
    /// The lock relocks itself.
    AutoRelock(u32),
    /// The keypad works again.
    KeypadBack,
    /// The alarm wakes up by itself.
    WakeUp,
    /// The alarm goes back to sleep.
    Sleep(u32),
    /// Nobody held a tag to the lock that reads one in.
    LearnEnds,
    /// A supervised report was not confirmed.
    Unconfirmed(u8),
}

/// What an application says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A report.
    Report(Vec<u8>),
    /// Done.
    Done,
    /// Under way; the end follows. With the time it takes.
    Working(Millis),
    /// It cannot.
    Fail,
    /// It does not know the command.
    Unknown,
}
