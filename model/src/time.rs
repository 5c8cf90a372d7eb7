//! Time as an argument: a monotonic clock for deadlines, a wall clock that may not be trusted yet.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A span of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The same span for the standard library.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

/// A point on the monotonic clock, in microseconds since an arbitrary origin. It never goes back, says nothing
/// of the date and means nothing after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonoTime(u64);

impl MonoTime {
    /// From microseconds since the clock's origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0) / 1000)
    }
}

impl Add<Millis> for MonoTime {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0.saturating_mul(1000)))
    }
}

impl Sub<Millis> for MonoTime {
    type Output = Self;
    fn sub(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(span.0.saturating_mul(1000)))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct UnixMillis(pub i64);

/// What the wall clock says. A Raspberry Pi has no battery clock: until the network has told the time, what it
/// says may be hours or years wrong, and nothing that depends on the date may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WallTime {
    /// The clock is set by a trusted source.
    Synced(UnixMillis),
    /// The clock runs but nobody vouches for it; good enough for a label, not for a decision.
    Unsynced(UnixMillis),
}

impl WallTime {
    /// The clock's reading for a label, trusted or not.
    pub const fn label(self) -> UnixMillis {
        match self {
            Self::Synced(at) | Self::Unsynced(at) => at,
        }
    }

    /// Whether the date may be relied on.
    pub const fn is_synced(self) -> bool {
        matches!(self, Self::Synced(_))
    }
}

/// Both clocks, read at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and ages.
    pub mono: MonoTime,
    /// For labels and dates.
    pub wall: WallTime,
}
