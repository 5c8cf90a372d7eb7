//! What the mind asks of a radio.

use crate::id::{CommandId, DeviceAddress};
use crate::inclusion::{InclusionAnswer, InclusionStrategy};
use crate::lock::LockOp;
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
    /// Remove a device that no longer answers from the network.
    RemoveFailed {
        /// The device.
        device: DeviceAddress,
    },
}
