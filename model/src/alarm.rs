//! Detectors of smoke, carbon monoxide and heat.

use serde::{Deserialize, Serialize};

/// What a detector warns of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// Smoke.
    Smoke,
    /// Carbon monoxide.
    Co,
    /// Heat.
    Heat,
}

impl Hazard {
    /// The hazard as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Co => "co",
            Self::Heat => "heat",
        }
    }
}

/// What a detector said. Only `Raised` is danger; everything else never unlocks a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmSignal {
    /// Danger, now.
    Raised(Hazard),
    /// The danger is over, says the detector.
    Cleared(Hazard),
    /// Somebody pressed the test button.
    Tested(Hazard),
    /// Somebody silenced it; the danger may go on.
    Silenced(Hazard),
    /// Replace it: end of life.
    EndOfLife(Hazard),
    /// It is due for its periodic inspection, is dirty, or has a fault of its own.
    Maintenance(Hazard),
}
