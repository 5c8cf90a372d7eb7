//! What is due when: items leave in the order of their times, and of their making at equal times.

use std::collections::BTreeMap;

use hubd_model::MonoTime;

/// Things that happen later.
#[derive(Debug, Clone)]
pub struct Agenda<T> {
    due: BTreeMap<(MonoTime, u64), T>,
    made: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            made: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// Adds an item.
    pub fn add(&mut self, at: MonoTime, item: T) {
        self.made += 1;
        self.due.insert((at, self.made), item);
    }

    /// Takes the first item that is due by `now`, with its time.
    pub fn take_due(&mut self, now: MonoTime) -> Option<(MonoTime, T)> {
        let first = self.due.first_entry()?;
        let at = first.key().0;
        (at <= now).then(|| (at, first.remove()))
    }

    /// When the first item is due.
    pub fn next(&self) -> Option<MonoTime> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Keeps only some items.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.due.retain(|_, item| keep(item));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.due.clear();
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_by_time_then_by_making() {
        let mut agenda = Agenda::default();
        let at = MonoTime::from_micros;
        agenda.add(at(5), "c");
        agenda.add(at(1), "a");
        agenda.add(at(5), "d");
        agenda.add(at(2), "b");
        assert_eq!(agenda.next(), Some(at(1)));
        let mut left = Vec::new();
        while let Some((_, item)) = agenda.take_due(at(5)) {
            left.push(item);
        }
        assert_eq!(left, ["a", "b", "c", "d"]);
        assert!(agenda.is_empty());
    }
}
