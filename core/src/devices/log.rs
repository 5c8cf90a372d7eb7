//! A lock's own record: when it is read, and which of it the house does not know yet.
//!
//! ```text
//!   the hub started, its radio or its link was lost ─▶ gap ──the lock is heard, or a while──▶ due ──▶ asked
//!                                                                                              ▲  ▲      │
//!                                                          later each time ◀── broken off ─────┘  │      │
//!                                                          a day later ◀── read ──────────────────┴──────┘
//! ```
//!
//! What was heard live is remembered until the record was read beyond it, and compared with it: a movement counts as
//! heard when it is the same and, by both clocks, at the same time. The lock's clock may be wrong by any amount, so it is
//! the distance between the clocks that has to agree, not the time. What a lock says in vain, without the hub noticing, is
//! found by the reading of the next day.

use std::ops::RangeInclusive;

use hubd_model::{
    CodeSlot, LockClock, LogEnd, LogMark, LogRecord, Logged, Millis, MonoTime, Source, UnixMillis, Via,
};

use crate::view::{Heard, LogMemory};

/// After a start a lock is left asleep for so long, unless it speaks.
const START_QUIET: Millis = Millis::from_secs(600);
/// So long after a lock joined, or its radio came back, its record is read.
const SETTLE: Millis = Millis::from_secs(30);
/// So long after a lock spoke for the first time after a gap.
const HEARD_QUIET: Millis = Millis::from_secs(10);
/// A link that comes and goes is no reason to read more often than this.
const READ_PAUSE: Millis = Millis::from_secs(300);
/// When a reading that was broken off is tried again.
const RETRY_AFTER: [Millis; 5] = [
    Millis::from_secs(60),
    Millis::from_secs(300),
    Millis::from_secs(1_800),
    Millis::from_secs(7_200),
    Millis::from_secs(21_600),
];
/// When it is looked again whether nobody else wants the lock.
pub(crate) const LOOK_AGAIN: Millis = Millis::from_secs(30);
/// A reading of which nothing is heard for so long is lost. Longer than a radio reads at one.
const SILENCE_MAX: Millis = Millis::from_secs(2_400);
/// How many of the newest records are remembered: several, as without a clock they look alike.
const KNOWN: usize = 3;
/// How much of what was heard live is remembered.
const HEARD_MAX: usize = 64;
/// After so much the record is read, so that nothing of it has to be forgotten.
const HEARD_MANY: usize = 32;
/// How far apart, by the clocks' usual distance, the same movement may be told and written down.
const SAME_SECONDS: i64 = 30;
/// How far a lock's clock may wander between two readings.
const DRIFT_SECONDS: i64 = 600;
/// Time zones are whole quarters of an hour apart, and no more than this.
const ZONES_SECONDS: i64 = 15 * 3600;
const ZONE_SECONDS: i64 = 900;
/// How wrong a clock may be that counts as right.
const RIGHT_SECONDS: i64 = 120;
/// So many movements at one distance show that a lock's clock was set.
const SET_ANEW: u32 = 3;

/// How long after a reading the record is read again, to find what nobody noticed.
const READ_EVERY: Millis = Millis::from_secs(24 * 3_600);
/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Only where the record stands.
    Newest,
    /// Everything since it was read last.
    Missed,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    since: MonoTime,
    at: UnixMillis,
    what: What,
}

/// When a lock's record is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Something may have happened that was not heard.
    gap: bool,
    due: Option<MonoTime>,
    not_before: MonoTime,
    asked: Option<Asked>,
    failures: usize,
}

/// What a radio is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) known: Vec<LogMark>,
    pub(crate) at_least: u8,
    pub(crate) at_most: u8,
}

/// Something that nobody had heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) said: Logged,
    pub(crate) clock: Option<LockClock>,
}

impl Reading {
    /// The hub starts: nobody knows how long it was off.
    pub(crate) fn after_a_start(keeps_one: bool, now: MonoTime) -> Self {
        Self {
            gap: true,
            due: keeps_one.then(|| now + START_QUIET),
            not_before: now,
            asked: None,
            failures: 0,
        }
    }

    /// A lock joins: only where its record stands is of interest.
    pub(crate) fn of_a_newcomer(now: MonoTime) -> Self {
        Self {
            not_before: now + SETTLE,
            ..Self::after_a_start(false, now)
        }
    }

    /// The lock's radio cannot be heard.
    pub(crate) fn missed(&mut self) {
        self.gap = true;
        self.due = None;
    }

    /// The lock does not answer: it is tried again one day, if it does not speak before.
    pub(crate) fn away(&mut self, now: MonoTime) {
        self.gap = true;
        self.due = Some(now + READ_EVERY);
    }

    /// The lock can be heard again, or can do more than was known.
    pub(crate) fn can_be_read(&mut self, now: MonoTime) {
        if self.asked.is_none() && self.due.is_none() && self.gap {
            self.due = Some(self.not_before.max(now + SETTLE));
        }
    }

    /// The lock was heard.
    pub(crate) fn heard(&mut self, now: MonoTime) {
        if !self.gap || self.asked.is_some() {
            return;
        }
        let soon = self.not_before.max(now + HEARD_QUIET);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// Not now.
    pub(crate) fn postpone(&mut self, now: MonoTime) {
        self.due = Some(now + LOOK_AGAIN);
    }

    /// Not before something is heard of it.
    pub(crate) fn drop_due(&mut self) {
        self.due = None;
    }

    pub(crate) fn is_due(&self, now: MonoTime) -> bool {
        self.asked.is_none() && self.due.is_some_and(|due| due <= now)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<MonoTime> {
        match self.asked {
            Some(asked) => Some(asked.since + SILENCE_MAX),
            None => self.due,
        }
    }

    /// Gives up a reading of which nothing is heard.
    pub(crate) fn give_up_silent(&mut self, now: MonoTime) {
        if self.asked.is_some_and(|asked| asked.since + SILENCE_MAX <= now) {
            self.failed(now);
        }
    }

    fn failed(&mut self, now: MonoTime) {
        self.asked = None;
        let pause = RETRY_AFTER.get(self.failures).or(RETRY_AFTER.last());
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + pause.copied().unwrap_or_default();
        self.due = Some(self.not_before);
    }

    /// Asks: what the radio is to be told.
    pub(crate) fn ask(&mut self, memory: &LogMemory, now: MonoTime, at: UnixMillis) -> Wanted {
        let what = if memory.read_at.is_none() {
            What::Newest
        } else {
            What::Missed
        };
        self.due = None;
        self.asked = Some(Asked { since: now, at, what });
        match what {
            What::Newest => Wanted {
                known: Vec::new(),
                at_least: 0,
                at_most: u8::try_from(KNOWN).unwrap_or(u8::MAX),
            },
            What::Missed => Wanted {
                known: memory.known.clone(),
                at_least: if memory.timed {
                    0
                } else {
                    u8::try_from(memory.heard.len()).unwrap_or(u8::MAX)
                },
                at_most: u8::MAX,
            },
        }
    }

    /// The record was read: what nobody had heard, the oldest first.
    pub(crate) fn read(
        &mut self,
        memory: &mut LogMemory,
        mut records: Vec<LogRecord>,
        end: &LogEnd,
        now: MonoTime,
    ) -> Vec<News> {
        let Some(asked) = self.asked.take() else {
            return Vec::new();
        };
        if matches!(end, LogEnd::BrokenOff { .. }) {
            self.failed(now);
            return Vec::new();
        }
        self.failures = 0;
        self.not_before = now + READ_PAUSE;
        let marks: Vec<LogMark> = records.iter().map(|record| record.mark).collect();
        let timed = records.first().map(|record| record.clock.is_some());
        records.reverse();
        let compared = compare(&memory.heard, &records, memory.ahead_seconds, end);
        let mut news = Vec::new();
        match asked.what {
            What::Newest => memory.known = marks.into_iter().take(KNOWN).collect(),
            What::Missed => {
                let unheard = records
                    .into_iter()
                    .enumerate()
                    .filter(|(place, _)| !compared.heard.contains(place));
                news.extend(unheard.filter_map(|(_, record)| {
                    let clock = record.clock;
                    record.said.map(|said| News { said, clock })
                }));
                let older = match end {
                    LogEnd::Known => std::mem::take(&mut memory.known),
                    LogEnd::Whole | LogEnd::Full | LogEnd::BrokenOff { .. } => Vec::new(),
                };
                memory.known = marks.into_iter().chain(older).take(KNOWN).collect();
            }
        }
        self.gap = false;
        self.due = Some(now + READ_EVERY);
        memory.timed = timed.unwrap_or(memory.timed);
        memory.ahead_seconds = compared.ahead.or(memory.ahead_seconds);
        memory.read_at = Some(asked.at);
        // What came while it was read may be in what was read, or not yet.
        let mut place = 0;
        memory.heard.retain(|heard| {
            place += 1;
            heard.at >= asked.at && !compared.written.contains(&(place - 1))
        });
        news
    }

    /// The lock said something live, and it is in the journal.
    pub(crate) fn remember(&mut self, memory: &mut LogMemory, heard: Heard, now: MonoTime) {
        if memory.heard.len() >= HEARD_MAX {
            memory.heard.remove(0);
        }
        memory.heard.push(heard);
        if memory.heard.len() >= HEARD_MANY && self.asked.is_none() {
            let soon = self.not_before.max(now + SETTLE);
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
    }
}

/// What of a record was heard.
#[derive(Debug, PartialEq, Eq)]
struct Compared {
    /// The places of the records that were heard.
    heard: Vec<usize>,
    /// The places of what was heard and is written down.
    written: Vec<usize>,
    /// The distance of the clocks, where it shows.
    ahead: Option<i64>,
}

/// How alike two words on a movement are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alike {
    /// They may be of one movement.
    May,
    /// They may be, if they are of one time.
    IfTimed,
    /// They are not.
    Not,
}

fn alike(heard: &Logged, written: &Logged) -> Alike {
    match (heard, written) {
        (Logged::Denied { slot: heard }, Logged::Denied { slot: written }) => {
            if heard.is_none() || written.is_none() || heard == written {
                Alike::May
            } else {
                Alike::Not
            }
        }
        (Logged::Moved { bolt, via }, Logged::Moved { bolt: other, via: by }) if bolt == other => {
            alike_by(via, by)
        }
        (Logged::Moved { .. } | Logged::Denied { .. }, _) => Alike::Not,
    }
}

fn alike_by(heard: &Via, written: &Via) -> Alike {
    use Source::{Auto, Keypad, Manual, Unknown};
    let same = |slot: CodeSlot, other: CodeSlot| if slot == other { Alike::May } else { Alike::Not };
    match (heard.slot, written.slot) {
        (Some(slot), Some(other)) => return same(slot, other),
        // Who it was is news.
        (None, Some(_)) if heard.source != written.source => return Alike::Not,
        (None | Some(_), None) | (None, Some(_)) => {}
    }
    match (heard.source, written.source) {
        (source, other) if source == other => Alike::May,
        // Buttons and keys are one to some locks.
        (_, Unknown) | (Keypad, Manual) | (Manual, Keypad) => Alike::May,
        // Found so when the lock was asked; or a lock that is not sure of itself.
        (Unknown, _) | (Auto, Manual | Keypad) | (Manual | Keypad, Auto) => Alike::IfTimed,
        (_, _) => Alike::Not,
    }
}

/// Finds the records that were heard: both lists oldest first, each thing at most once, in order.
fn compare(heard: &[Heard], records: &[LogRecord], ahead: Option<i64>, end: &LogEnd) -> Compared {
    let distance = |heard: &Heard, record: &LogRecord| -> Option<i64> {
        let clock = record.clock.filter(|_| heard.synced)?;
        Some(heard.at.0.div_euclid(1000) - clock.seconds())
    };
    let likeness = |heard: &Heard, record: &LogRecord| {
        record
            .said
            .as_ref()
            .map_or(Alike::Not, |said| alike(&heard.said, said))
    };
    let mut distances = Vec::new();
    for (place, heard) in heard.iter().enumerate() {
        for record in records {
            if likeness(heard, record) != Alike::Not {
                distances.extend(distance(heard, record).map(|distance| (distance, place)));
            }
        }
    }
    let whole = matches!(end, LogEnd::Known | LogEnd::Whole);
    let usual = usual_distances(distances, ahead, whole);
    let same = |heard: &Heard, record: &LogRecord| match (likeness(heard, record), distance(heard, record)) {
        (Alike::Not, _) | (Alike::IfTimed, None) => false,
        (Alike::May, None) => true,
        (Alike::May | Alike::IfTimed, Some(distance)) => usual.iter().any(|usual| usual.contains(&distance)),
    };
    let pairs = longest(
        heard.len(),
        records.len(),
        |place, record| matches!((heard.get(place), records.get(record)), (Some(heard), Some(record)) if same(heard, record)),
    );
    let ahead = pairs
        .last()
        .and_then(|(place, record)| distance(heard.get(*place)?, records.get(*record)?));
    Compared {
        written: pairs.iter().map(|(place, _)| *place).collect(),
        heard: pairs.into_iter().map(|(_, record)| record).collect(),
        ahead,
    }
}

/// How far the clocks are apart, from the distances of everything that may be one movement, each with the place of what
/// was heard. `known` is how far they were last time, `whole` whether everything that was heard is among the records, if the
/// lock writes such things down.
fn usual_distances(mut all: Vec<(i64, usize)>, known: Option<i64>, whole: bool) -> Vec<RangeInclusive<i64>> {
    all.sort_unstable();
    let around = |middle: i64| middle - SAME_SECONDS..=middle + SAME_SECONDS;
    // Each distance, and what was heard at about this distance, a bit each.
    let likely: Vec<(i64, u64)> = all
        .iter()
        .map(|(middle, _)| {
            let from = all.partition_point(|(distance, _)| *distance < middle - SAME_SECONDS);
            let near = all.iter().skip(from);
            let near = near.take_while(|(distance, _)| *distance <= middle + SAME_SECONDS);
            let bit = |heard: usize| {
                u32::try_from(heard)
                    .ok()
                    .and_then(|heard| 1_u64.checked_shl(heard))
            };
            (
                *middle,
                near.filter_map(|(_, heard)| bit(*heard))
                    .fold(0, |all, bit| all | bit),
            )
        })
        .collect();
    let best = |among: &dyn Fn(i64, u64) -> u32, near: i64| {
        let counted = likely
            .iter()
            .map(|(middle, bits)| (among(*middle, *bits), *middle, *bits));
        counted
            .filter(|(count, _, _)| *count > 0)
            .max_by_key(|(count, middle, _)| (*count, std::cmp::Reverse(middle.abs_diff(near))))
    };
    let Some(known) = known else {
        let usual = best(
            &|middle, bits| {
                let count = bits.count_ones();
                if whole || count >= SET_ANEW || is_of_a_zone(middle) {
                    count
                } else {
                    0
                }
            },
            0,
        );
        return usual.map(|(_, middle, _)| around(middle)).into_iter().collect();
    };
    let near = |middle: i64| middle.abs_diff(known) <= DRIFT_SECONDS.unsigned_abs();
    let usual = best(
        &|middle, bits| if near(middle) { bits.count_ones() } else { 0 },
        known,
    );
    let (usual, explained) = usual.map_or((known, 0), |(_, middle, bits)| (middle, bits));
    // The lock's clock may have been set since.
    let set = best(
        &|middle, bits| {
            let more = (bits & !explained).count_ones();
            if more >= SET_ANEW && !near(middle) {
                more
            } else {
                0
            }
        },
        known,
    );
    let set = set.map(|(_, middle, _)| middle);
    std::iter::once(usual).chain(set).map(around).collect()
}

/// Whether clocks that are both right, whatever their time zones, may be so far apart.
const fn is_of_a_zone(distance: i64) -> bool {
    let beside = distance.rem_euclid(ZONE_SECONDS);
    distance.abs() <= ZONES_SECONDS && (beside <= RIGHT_SECONDS || beside >= ZONE_SECONDS - RIGHT_SECONDS)
}

/// The longest common part of two lists in their order, as pairs of places, of the oldest where there are several.
fn longest(left: usize, right: usize, same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let width = right + 1;
    // How long the common part is from these places on.
    let mut lengths = vec![0_u16; (left + 1) * width];
    let at =
        |lengths: &[u16], row: usize, column: usize| lengths.get(row * width + column).copied().unwrap_or(0);
    for row in (0..left).rev() {
        for column in (0..right).rev() {
            let without = at(&lengths, row, column + 1).max(at(&lengths, row + 1, column));
            let with = if same(row, column) {
                at(&lengths, row + 1, column + 1) + 1
            } else {
                0
            };
            if let Some(length) = lengths.get_mut(row * width + column) {
                *length = without.max(with);
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut pairs = Vec::new();
    while row < left && column < right {
        let length = at(&lengths, row, column);
        if same(row, column) && at(&lengths, row + 1, column + 1) + 1 == length {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if at(&lengths, row + 1, column) >= at(&lengths, row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests;
