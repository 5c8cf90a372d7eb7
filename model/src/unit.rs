//! Small quantities with their ranges.

use serde::{Deserialize, Serialize};

/// What is left in a battery, 0 to 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct BatteryPercent(u8);

impl BatteryPercent {
    /// A level that a device reported; `None` above 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self(percent)) } else { None }
    }

    /// The level in percent.
    pub const fn percent(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for BatteryPercent {
    type Error = &'static str;
    fn try_from(percent: u8) -> Result<Self, Self::Error> {
        Self::new(percent).ok_or("a battery level is 0 to 100 percent")
    }
}

impl From<BatteryPercent> for u8 {
    fn from(level: BatteryPercent) -> u8 {
        level.0
    }
}

/// Where a lock keeps a code. Counts from 1, as locks and people do; 0 is a lock's master or "unknown" and
/// never a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeSlot(std::num::NonZeroU16);

impl CodeSlot {
    /// A slot by its number; `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match std::num::NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The slot's number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}
