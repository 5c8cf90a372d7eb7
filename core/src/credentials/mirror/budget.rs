//! How many frames housekeeping may cost a lock that runs on a battery.

use hubd_model::{Millis, MonoTime};

use super::{FRAME_DAY, FRAME_EVERY, FRAMES_PER_DAY, Mirror};

impl Mirror {
    /// Counts what a task cost. What housekeeping overdraws it earns back before it goes on; what people ask for takes
    /// no more than there is.
    pub(super) fn spend_frames(&mut self, frames: u32, housekeeping: bool, now: MonoTime) {
        self.changed = true;
        self.dirty = true;
        let record = &mut self.record;
        let cost = i32::try_from(frames).unwrap_or(i32::MAX);
        let least = if housekeeping {
            i32::MIN
        } else {
            record.frames_left.min(0)
        };
        record.frames_left = record.frames_left.saturating_sub(cost).max(least);
        record.frames_total = record.frames_total.saturating_add(u64::from(frames));
        if record.frames_left <= 0 && self.spent_at.is_none() {
            self.spent_at = Some(now);
        }
    }

    /// From when on housekeeping has frames again; `None` when it has some.
    pub(super) fn frames_again(&self) -> Option<MonoTime> {
        let earned = (self.record.frames_left <= 0).then(|| {
            let missing = 1_u64.saturating_add(u64::from(self.record.frames_left.unsigned_abs()));
            self.frames_at + Millis(FRAME_EVERY.0.saturating_mul(missing))
        });
        let next_day = self.spent_at.map(|spent| spent + FRAME_DAY);
        earned.into_iter().chain(next_day).max()
    }

    pub(crate) fn refill_frames(&mut self, now: MonoTime) {
        self.earn_frames(now);
        if self.record.frames_left > 0 && self.spent_at.is_some_and(|spent| now.since(spent) >= FRAME_DAY) {
            self.spent_at = None;
        }
    }

    fn earn_frames(&mut self, now: MonoTime) {
        let earned = now.since(self.frames_at).0 / FRAME_EVERY.0;
        if earned == 0 {
            return;
        }
        self.frames_at = self.frames_at + Millis(earned.saturating_mul(FRAME_EVERY.0));
        let most = i32::try_from(FRAMES_PER_DAY).unwrap_or(i32::MAX);
        let earned = i32::try_from(earned).unwrap_or(i32::MAX);
        self.record.frames_left = self.record.frames_left.saturating_add(earned).min(most);
    }
}
