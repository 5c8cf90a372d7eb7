//! The words of the house: ids, units, locks, alarms, orders and reports.
//!
//! Everything here is a plain value that both the mind (`hubd-core`) and the radios (`adapters/*`) speak.
//! Nothing here does input or output, reads a clock or draws a random number.

pub mod alarm;
pub mod code;
pub mod dongle;
pub mod id;
pub mod inclusion;
pub mod lock;
pub mod log;
pub mod order;
pub mod person;
pub mod report;
pub mod schedule;
pub mod secret;
pub mod time;
pub mod unit;
pub mod zone;

pub use alarm::{AlarmSignal, Hazard};
pub use code::{
    CodeCapabilities, CodeChange, CodeChecksum, CodeRefusal, CodeReport, CodeTask, CodeTaskEnd, CodeTaskId,
    Over, SlotContent, SlotKey, SlotWish,
};
pub use dongle::{DongleImage, DongleMemory};
pub use id::{
    AlarmId, CommandId, CredentialId, DeviceAddress, IncidentId, LockId, ParseIdError, PersonId, RadioName,
};
pub use inclusion::{
    InclusionAnswer, InclusionError, InclusionProgress, InclusionQuestion, InclusionState, InclusionStrategy,
    Security,
};
pub use lock::{BoltState, DoorState, LinkState, LockCapabilities, LockOp, ScheduleKind, Source, Via};
pub use log::{LockClock, LogEnd, LogMark, LogRecord, Logged};
pub use order::{Hold, Order, Urgency};
pub use person::{CredentialKind, ParsePinError, Pin, Role, Usage};
pub use report::{
    ActuationStep, DeviceDescription, DeviceKind, HoldState, LockSignal, RadioState, RemovalCause, Report,
};
pub use schedule::{LocalMinute, LockSchedule, MinuteOfDay, Schedule, WeekDay, WeeklyWindow};
pub use secret::{Entropy, Key128, SecretBytes, SecretString};
pub use time::{Millis, MonoTime, Now, UnixMillis, WallTime};
pub use unit::{BatteryPercent, CodeSlot};
pub use zone::{Transition, Zone};
