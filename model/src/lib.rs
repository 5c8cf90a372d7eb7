//! The words of the house: ids, units, locks, alarms, orders and reports.
//!
//! Everything here is a plain value that both the mind (`hubd-core`) and the radios (`adapters/*`) speak.
//! Nothing here does input or output, reads a clock or draws a random number.

pub mod alarm;
pub mod id;
pub mod inclusion;
pub mod lock;
pub mod order;
pub mod report;
pub mod secret;
pub mod time;
pub mod unit;

pub use alarm::{AlarmSignal, Hazard};
pub use id::{AlarmId, CommandId, DeviceAddress, LockId, ParseIdError, PersonId, RadioName};
pub use inclusion::{
    InclusionAnswer, InclusionError, InclusionProgress, InclusionQuestion, InclusionState, InclusionStrategy,
    Security,
};
pub use lock::{BoltState, DoorState, LinkState, LockCapabilities, LockOp, ScheduleKind, Source, Via};
pub use order::{Order, Urgency};
pub use report::{
    ActuationStep, DeviceDescription, DeviceKind, LockSignal, RadioState, RemovalCause, Report,
};
pub use secret::{Key128, SecretBytes, SecretString};
pub use time::{Millis, MonoTime, Now, UnixMillis, WallTime};
pub use unit::{BatteryPercent, CodeSlot};
