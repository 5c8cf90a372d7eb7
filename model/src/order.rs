//! What the mind asks of a radio.

use crate::code::{CodeTask, CodeTaskId};
use crate::dongle::DongleImage;
use crate::id::{CommandId, DeviceAddress};
use crate::inclusion::{InclusionAnswer, InclusionStrategy};
use crate::lock::LockOp;
use crate::log::LogMark;
use crate::time::MonoTime;

/// Who goes first when one radio has several things to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Smoke or CO: before everything else.
    LifeSafety,
    /// A person waits at a door.
    Person,
    /// It can wait.
    Housekeeping,
}

/// Whether a lock's own relocking is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// It shall not lock by itself.
    Suspended,
    /// It locks by itself as it did before.
    Restored,
}

/// One order to a radio. An adapter answers each with `Report`s and never blocks on one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Move a bolt. Reported by `Report::Actuation`; dropped, and reported as `Expired`, when it has not been
    /// sent by `expires`.
    Actuate {
        /// Whose progress is reported.
        command: CommandId,
        /// The lock.
        device: DeviceAddress,
        /// What to do.
        op: LockOp,
        /// Its place in the queue.
        urgency: Urgency,
        /// Not to be sent after this.
        expires: MonoTime,
    },
    /// Forget a movement that has not been sent yet.
    Withdraw {
        /// Which.
        command: CommandId,
    },
    /// Read or change a lock's codes. Reported by `Report::Codes`; one after another on each lock, and always ended.
    Codes {
        /// Whose end is reported.
        task: CodeTaskId,
        /// The lock.
        device: DeviceAddress,
        /// What to do.
        what: Box<CodeTask>,
        /// Its place in the queue.
        urgency: Urgency,
    },
    /// Keep a lock from locking by itself, or let it again as it did before. Level-triggered; a lock that cannot be
    /// kept from it is reported by `Report::AutoRelock`.
    HoldAutoRelock {
        /// The lock.
        device: DeviceAddress,
        /// Whether it shall stay open.
        hold: Hold,
    },
    /// Read a lock's own record, the newest first, when nobody wants anything else of the lock. Reported by
    /// `Report::Log`, always. A new one takes the place of the one under way.
    ReadLog {
        /// The lock.
        device: DeviceAddress,
        /// The newest records that are known, the newest first; reading ends there.
        known: Vec<LogMark>,
        /// How many records must lie before the known ones, so that a lock whose clock stands still is not believed
        /// to have nothing new.
        at_least: u8,
        /// How many records are read at most.
        at_most: u8,
    },
    /// Ask a device for its state now.
    Refresh {
        /// The device.
        device: DeviceAddress,
    },
    /// Include a device.
    Include(InclusionStrategy),
    /// Answer the question of the inclusion under way.
    Answer(InclusionAnswer),
    /// End the inclusion or exclusion under way.
    Cancel,
    /// Exclude the device that is put into its exclusion mode next.
    Exclude,
    /// Copy the dongle's memory. Reported by `Report::Dongle`. It gives way to whoever waits at a door, and begins anew
    /// afterwards.
    CopyDongle,
    /// Write a copy back into a dongle of the same kind. Reported by `Report::Dongle`; nothing is written when the copy
    /// is not of this kind of dongle. The radio does nothing else meanwhile, for seconds, with an old dongle a minute.
    RestoreDongle(DongleImage),
    /// Remove a device that no longer answers from the network.
    RemoveFailed {
        /// The device.
        device: DeviceAddress,
    },
}
