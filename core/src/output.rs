//! What the mind wants done, as data.

use hubd_model::{AlarmId, LockId, Order, RadioName};

use crate::credentials::record::{CredentialsKey, CredentialsRecord};
use crate::event::Entry;
use crate::input::{Answer, Refusal, Ticket};
use crate::lifesafety::{LifeSafetyKey, LifeSafetyRecord};
use crate::view::{AlarmView, CommandView, LockView};

/// One thing to be done. Carried out in the order in which they leave, except that nothing waits for a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Give this order to that radio.
    Order {
        /// Which radio.
        radio: RadioName,
        /// The order.
        order: Order,
    },
    /// Append this to the journal and tell it to live listeners.
    Journal(Entry),
    /// Remember this row.
    Save(Record),
    /// Forget this row.
    Forget(RecordKey),
    /// Answer a request.
    Answer {
        /// Which.
        ticket: Ticket,
        /// With what.
        answer: Result<Answer, Refusal>,
    },
    /// A command changed (for those who wait for its end).
    Command(CommandView),
}

/// A row that the store keeps for the mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A device with what it last reported.
    Device(DeviceRecord),
    /// A command.
    Command(CommandView),
    /// A person, a credential, a slot or a lock's mirror. The PINs in it are to be sealed.
    Credentials(Box<CredentialsRecord>),
    /// Of life safety. Leaves before the orders that follow from it.
    LifeSafety(LifeSafetyRecord),
}

/// A device with what it last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceRecord {
    /// A lock.
    Lock(LockView),
    /// A detector.
    Alarm(AlarmView),
}

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKey {
    /// A lock's.
    Lock(LockId),
    /// A detector's.
    Alarm(AlarmId),
    /// A person's, a credential's, a slot's or a lock's mirror.
    Credentials(CredentialsKey),
    /// One of life safety.
    LifeSafety(LifeSafetyKey),
}
