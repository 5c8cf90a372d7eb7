//! Messages that wait for one output: the most serious first, and bounded.
//!
//! Promise: a flood of daily life pushes out no alarm.

use std::collections::VecDeque;
use std::sync::Arc;

use super::message::Message;

/// How many messages may wait.
pub(super) const WAITING_MAX: usize = 64;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Arc<Message>>,
}

impl Queue {
    /// Takes a message; the one that had to give way when there was no room.
    pub(super) fn push(&mut self, message: Arc<Message>) -> Option<Arc<Message>> {
        self.waiting.push_back(message);
        if self.waiting.len() <= WAITING_MAX {
            return None;
        }
        // The oldest of the least serious ones.
        let least = self.waiting.iter().map(|one| one.level).min()?;
        let place = self.waiting.iter().position(|one| one.level == least)?;
        self.waiting.remove(place)
    }

    /// The oldest of the most serious ones.
    pub(super) fn pop(&mut self) -> Option<Arc<Message>> {
        let most = self.waiting.iter().map(|one| one.level).max()?;
        let place = self.waiting.iter().position(|one| one.level == most)?;
        self.waiting.remove(place)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use hubd_model::UnixMillis;

    use super::*;
    use crate::config::Level;

    fn message(seq: u64, level: Level) -> Arc<Message> {
        let mut message = Message::test(UnixMillis(0));
        (message.seq, message.level) = (seq, level);
        Arc::new(message)
    }

    #[test]
    fn an_alarm_goes_first_and_is_never_pushed_out_by_daily_life() {
        let mut queue = Queue::default();
        queue.push(message(1, Level::Info));
        queue.push(message(2, Level::Urgent));
        let mut lost = Vec::new();
        for seq in 3..500 {
            lost.extend(queue.push(message(seq, Level::Info)));
        }
        assert_eq!(queue.len(), WAITING_MAX);
        assert!(lost.iter().all(|one| one.level == Level::Info));
        assert_eq!(queue.pop().unwrap().seq, 2);
        let next = queue.pop().unwrap().seq;
        assert_eq!(next, 437, "then what is left, in order");
        for seq in 500..700 {
            queue.push(message(seq, Level::Urgent));
        }
        assert_eq!(queue.len(), WAITING_MAX);
        assert_eq!(queue.pop().unwrap().seq, 636, "among equals the oldest give way");
    }
}
