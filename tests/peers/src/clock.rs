//! The monotonic clock, comparable with the stamps of every other process on this machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds on `CLOCK_MONOTONIC`, as the mock's stamps are.
pub fn now_ms() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Exact for the next hundred thousand years of uptime.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds and nanoseconds are far below 2^52"
    )]
    let ms = (now.tv_sec as f64) * 1e3 + (now.tv_nsec as f64) / 1e6;
    ms
}

/// A moment at which waiting ends.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(f64);

impl Deadline {
    /// So long from now.
    pub fn after(span: Duration) -> Self {
        Self(now_ms() + span.as_secs_f64() * 1e3)
    }

    /// So many seconds from now.
    pub fn seconds(seconds: u64) -> Self {
        Self::after(Duration::from_secs(seconds))
    }

    /// How long is left; `None` when it has passed.
    pub fn left(self) -> Option<Duration> {
        let left = self.0 - now_ms();
        (left > 0.0).then(|| Duration::from_secs_f64(left / 1e3))
    }

    /// How long is left, at most `most`; `None` when it has passed.
    pub fn left_at_most(self, most: Duration) -> Option<Duration> {
        self.left().map(|left| left.min(most))
    }
}
