//! A lock's own record of what happened at it.
//!
//! Spec: CC:004C (Door Lock Logging), version 1.

use std::collections::VecDeque;

use hubd_model::MonoTime;

use super::Answer;

/// How a lock keeps its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// How many records it keeps.
    pub records: u8,
    /// How it numbers them.
    pub numbers: LogNumbers,
    /// What its clock shows.
    pub clock: LogClock,
}

/// How a lock numbers its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogNumbers {
    /// 1 is the newest.
    NewestFirst,
    /// Each record has its place in a ring for as long as it is there.
    Ring,
}

/// What a lock's clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogClock {
    /// So many seconds after 2026-01-01, when the world began.
    Runs(u64),
    /// Nothing: it was never set.
    Empty,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            records: 20,
            numbers: LogNumbers::NewestFirst,
            clock: LogClock::Runs(0),
        }
    }
}

#[derive(Debug, Clone)]
struct Record {
    number: u8,
    at: MonoTime,
    event: u8,
    user: u8,
}

/// The record, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    config: LogConfig,
    records: VecDeque<Record>,
    next: u8,
}

impl Log {
    pub(crate) const fn new(config: LogConfig) -> Self {
        Self {
            config,
            records: VecDeque::new(),
            next: 1,
        }
    }

    pub(crate) fn write(&mut self, at: MonoTime, event: u8, user: u8) {
        if self.records.len() >= usize::from(self.config.records) {
            self.records.pop_back();
        }
        let number = self.next;
        self.next = number % self.config.records.max(1) + 1;
        self.records.push_front(Record {
            number,
            at,
            event,
            user,
        });
    }

    pub(crate) fn handle(&self, command: &[u8]) -> Answer {
        match *command {
            [0x4c, 0x01] => Answer::Report(vec![0x4c, 0x02, self.config.records]),
            [0x4c, 0x03, number] => Answer::Report(self.report(number)),
            _ => Answer::Unknown,
        }
    }

    /// 0 asks for the newest.
    fn report(&self, asked: u8) -> Vec<u8> {
        let (number, record) = match (asked, self.config.numbers) {
            (0, LogNumbers::Ring) => {
                let newest = self.records.front();
                (newest.map_or(0, |record| record.number), newest)
            }
            (_, LogNumbers::Ring) => (asked, self.records.iter().find(|record| record.number == asked)),
            (_, LogNumbers::NewestFirst) => {
                let number = asked.max(1);
                (number, self.records.get(usize::from(number - 1)))
            }
        };
        let Some(record) = record else {
            return vec![0x4c, 0x04, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        };
        let mut report = vec![0x4c, 0x04, number];
        report.extend(match self.config.clock {
            LogClock::Runs(ahead) => date(record.at.as_micros() / 1_000_000 + ahead),
            // The hour's upper bits say that the record is one.
            LogClock::Empty => [0, 0, 0, 0, 1 << 5, 0, 0],
        });
        report.extend_from_slice(&[record.event, record.user, 0]);
        report
    }
}

/// Year, month, day, hour with the status "legal", minute and second, so many seconds after 2026-01-01.
fn date(seconds: u64) -> [u8; 7] {
    const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let part = |value: u64| u8::try_from(value).unwrap_or(0);
    let mut day = (seconds / 86_400) % 365;
    let mut month = 1;
    for length in MONTHS {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let hour = (1 << 5) | part((seconds / 3600) % 24);
    let (minute, second) = (part((seconds / 60) % 60), part(seconds % 60));
    [0x07, 0xea, month, part(day + 1), hour, minute, second]
}
