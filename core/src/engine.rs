//! The engine: one value that owns the house. Skeleton; see `docs/adr`.

use hubd_model::{AlarmId, CommandId, LockId, MonoTime, Now, RadioName};

use crate::input::Input;
use crate::output::Output;
use crate::view::{AlarmView, CommandView, LockView, RadioView, StoreHealth};

/// The mind.
#[derive(Debug, Default)]
pub struct Engine {}

impl Engine {
    /// A mind that knows nothing yet; feed it `Input::Started` first.
    pub fn new() -> Self {
        Self::default()
    }

    /// One mutation. Drain `poll` completely afterwards.
    pub fn handle(&mut self, _now: Now, _input: Input) {}

    /// The next thing to be done; `None` when there is nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When to come back with `Input::Tick`.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        None
    }

    /// Every lock, by id.
    pub fn locks(&self) -> Vec<LockView> {
        Vec::new()
    }

    /// One lock.
    pub fn lock(&self, _id: &LockId) -> Option<LockView> {
        None
    }

    /// Every detector, by id.
    pub fn alarms(&self) -> Vec<AlarmView> {
        Vec::new()
    }

    /// One detector.
    pub fn alarm(&self, _id: &AlarmId) -> Option<AlarmView> {
        None
    }

    /// Every radio, in the configuration's order.
    pub fn radios(&self) -> Vec<RadioView> {
        Vec::new()
    }

    /// One radio.
    pub fn radio(&self, _name: &RadioName) -> Option<RadioView> {
        None
    }

    /// One command, while it is remembered (the last 1,000).
    pub fn command(&self, _id: &CommandId) -> Option<CommandView> {
        None
    }

    /// Whether the records are being kept.
    pub fn store_health(&self) -> StoreHealth {
        StoreHealth::Good
    }
}
