//! A lock's own record, read when nobody wants anything else of the lock.
//!
//! ```text
//!   order ─▶ Idle ──nobody else wants the lock──▶ Asked ──record──▶ Idle, the next older one
//!             ▲                                    │  └─ a known record, the oldest, or enough of them ─▶ reported
//!             └── gives way; the lock did something ┘  └─ silence, away, too often ─▶ BrokenOff
//! ```
//!
//! Record 0 is the newest; its answer has its own number. Where that is 1, records count from the newest to the oldest.
//! Where it is more, the record is a ring and the one before has the number before. When the lock does something
//! meanwhile, all numbers may have moved: the reading begins at the newest again and goes on where it was as soon as it
//! meets what it has.
//!
//! **Invariant**: there is one conversation with a lock. Whoever orders a movement, codes or a configuration goes first,
//! and no order about codes begins while a record is on its way. A code that a record holds leaves nowhere.
//!
//! Spec: CC:004C, version 1

use std::collections::BTreeMap;

use hubd_model::{
    DeviceAddress, LockClock, LogEnd, LogMark, LogRecord, Millis, MonoTime, Report, SecretBytes, Security,
};

use super::Host;
use super::sending::Outcome;
use super::startup::Phase;
use super::traffic::{Expect, JobState, Lane, NewJob, Protection, Purpose};
use crate::interview::next_question;
use crate::wire::cc::door_lock_logging::{Command, Record, RecordReport};
use crate::wire::cc::{self, class};
use crate::wire::serial::NodeId;

/// Door Lock Logging Records Supported Report, and Record Report. Spec: CC:004C.01.02, CC:004C.01.04
const SUPPORTED_REPORT: u8 = 0x02;
const RECORD_REPORT: u8 = 0x04;
/// How long a lock may take to answer.
const ANSWER_WAIT: Millis = Millis(3_000);
/// How long one frame may wait for the air.
const AIR_WAIT: Millis = Millis::from_secs(60);
/// How often a frame is sent at most.
const ATTEMPTS: u8 = 2;
/// How long others are left alone with the lock after they wanted something of it.
const QUIET: Millis = Millis(1_500);
/// How often a reading begins anew.
const BEGINNINGS_MAX: u8 = 8;
/// How often a lock may answer with another record than it was asked for.
const STRANGE_MAX: u8 = 3;
/// How long a reading may take in all.
const READING_MAX: Millis = Millis::from_secs(1_800);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next question waits until nobody wants anything else, at least until then.
    Idle { not_before: MonoTime },
    /// A question is under way.
    Asked,
}

/// One lock's record being read.
#[derive(Debug)]
pub(super) struct Reading {
    known: Vec<LogMark>,
    at_least: usize,
    at_most: usize,
    /// How many records the lock keeps.
    size: Option<u8>,
    /// The number of the newest record, once it was read.
    newest: Option<u8>,
    /// What was read in this run, the newest first.
    read: Vec<LogRecord>,
    /// What was read before the lock did something.
    before: Vec<LogRecord>,
    stage: Stage,
    /// The lock did something since the question under way.
    moved: bool,
    beginnings: u8,
    strange: u8,
    frames: u32,
    until: MonoTime,
}

impl Reading {
    /// The number of the record to be read next.
    ///
    /// `None` when every record was read.
    fn next_number(&self) -> Option<u8> {
        let index = u8::try_from(self.read.len()).ok()?;
        let Some(newest) = self.newest else { return Some(0) };
        let size = self.size?;
        if index >= size {
            return None;
        }
        if newest <= 1 {
            return Some(index + 1);
        }
        // A ring: downwards from the newest, and from the top again.
        let place = i16::from(newest) - 1 - i16::from(index);
        u8::try_from(place.rem_euclid(i16::from(size)) + 1).ok()
    }

    /// Where the known records begin, if they were met.
    fn known_from(&self) -> Option<usize> {
        let newest = *self.known.first()?;
        let met = |place: &usize| {
            let here = self.read.iter().skip(*place);
            let tells = self.read.get(*place).is_some_and(|record| record.clock.is_some());
            // Without a clock records look alike: all that is known has to be there.
            let needed = if tells { 1 } else { self.known.len() };
            let same = here.zip(&self.known).take(needed);
            same.filter(|(record, known)| record.mark == **known).count() == needed
        };
        (self.at_least..self.read.len())
            .filter(|place| self.read.get(*place).is_some_and(|record| record.mark == newest))
            .find(met)
    }

    /// Takes up what was read before the lock did something, where this run has come to it.
    fn join(&mut self) {
        let Some(last) = self.read.last() else { return };
        if last.clock.is_some() && self.before.first().is_some_and(|first| first.mark == last.mark) {
            self.read.pop();
            self.read.append(&mut self.before);
        }
    }

    fn begin_anew(&mut self) {
        self.beginnings = self.beginnings.saturating_add(1);
        // A run that read nothing leaves what an earlier one had.
        if !self.read.is_empty() {
            self.before = std::mem::take(&mut self.read);
        }
        self.newest = None;
        self.moved = false;
    }
}

/// Every reading under way.
pub(super) type Logs = BTreeMap<NodeId, Reading>;

impl Host {
    /// The mind wants to know what a lock wrote down.
    pub(super) fn log_ordered(
        &mut self,
        device: DeviceAddress,
        known: Vec<LogMark>,
        at_least: u8,
        at_most: u8,
    ) {
        let node = self.node_at(&device).filter(|id| {
            self.nodes.get(id).is_some_and(|node| {
                node.supports(class::DOOR_LOCK_LOGGING)
                    && node.security().is_some_and(|security| security != Security::None)
            })
        });
        let Some(node) = node else {
            let reason = "the lock keeps no record that can be read, or is not known yet".to_owned();
            return self.tell_log(device, Vec::new(), LogEnd::BrokenOff { reason }, 0);
        };
        self.drop_log_jobs(node);
        let reading = Reading {
            known,
            at_least: at_least.into(),
            at_most: at_most.into(),
            size: self.nodes.get(&node).and_then(|node| node.log_records),
            newest: None,
            read: Vec::new(),
            before: Vec::new(),
            stage: Stage::Idle { not_before: self.now },
            moved: false,
            beginnings: 0,
            strange: 0,
            frames: 0,
            until: self.now + READING_MAX,
        };
        self.logs.insert(node, reading);
    }

    fn tell_log(&mut self, device: DeviceAddress, records: Vec<LogRecord>, end: LogEnd, frames: u32) {
        self.report(Report::Log {
            device,
            records,
            end,
            frames,
        });
    }

    fn end_log(&mut self, node: NodeId, end: LogEnd) {
        self.drop_log_jobs(node);
        let (Some(mut reading), Some(device)) = (self.logs.remove(&node), self.address(node)) else {
            return;
        };
        let new = match &end {
            LogEnd::Known => reading.known_from().unwrap_or(0),
            LogEnd::Whole | LogEnd::Full => reading.read.len(),
            LogEnd::BrokenOff { reason } => {
                tracing::info!(
                    node = node.0,
                    reason,
                    "the lock's own record was not read to its end"
                );
                0
            }
        };
        reading.read.truncate(new);
        self.tell_log(device, reading.read, end, reading.frames);
    }

    fn break_off_log(&mut self, node: NodeId, reason: &str) {
        let reason = reason.to_owned();
        self.end_log(node, LogEnd::BrokenOff { reason });
    }

    /// The dongle went away: what was being read is read another time.
    pub(super) fn break_off_logs(&mut self) {
        for node in self.logs.keys().copied().collect::<Vec<_>>() {
            self.break_off_log(node, "the dongle went away in the middle");
        }
    }

    fn drop_log_jobs(&mut self, node: NodeId) {
        for job in self
            .traffic
            .ids(|job| job.node == node && job.purpose == Purpose::Log)
        {
            self.traffic.remove(job);
        }
    }

    pub(super) fn log_deadline(&self) -> Option<MonoTime> {
        let due = |reading: &Reading| match reading.stage {
            Stage::Idle { not_before } => Some(not_before)
                .filter(|at| *at > self.now)
                .unwrap_or(reading.until),
            Stage::Asked => reading.until,
        };
        self.logs.values().map(due).min()
    }

    /// Whether a question about a lock's record is with the lock, so that nothing else should begin there.
    pub(super) fn log_is_asked(&self, node: NodeId) -> bool {
        self.traffic.any(|job| {
            job.node == node && job.purpose == Purpose::Log && !matches!(job.state, JobState::Queued { .. })
        })
    }

    /// Somebody wants something else of the lock: what was not sent yet waits, and what is read begins at the newest
    /// record, as the lock may write down what it is told.
    pub(super) fn log_gives_way(&mut self, node: NodeId) {
        let not_before = self.now + QUIET;
        let Some(reading) = self.logs.get_mut(&node) else {
            return;
        };
        reading.moved = true;
        let asked = reading.stage == Stage::Asked;
        if !asked {
            reading.stage = Stage::Idle { not_before };
            return;
        }
        let queued = self.traffic.ids(|job| {
            job.node == node && job.purpose == Purpose::Log && matches!(job.state, JobState::Queued { .. })
        });
        for job in queued {
            self.traffic.remove(job);
            if let Some(reading) = self.logs.get_mut(&node) {
                reading.stage = Stage::Idle { not_before };
            }
        }
    }

    /// The lock did something by itself that it writes down.
    pub(super) fn log_grew(&mut self, node: NodeId) {
        if let Some(reading) = self.logs.get_mut(&node) {
            reading.moved = true;
        }
    }

    /// A frame went to a lock or came from it, while a question about its record is under way.
    pub(super) fn log_frame(&mut self, node: NodeId) {
        if let Some(reading) = self.logs.get_mut(&node)
            && reading.stage == Stage::Asked
        {
            reading.frames = reading.frames.saturating_add(1);
        }
    }

    pub(super) fn advance_logs(&mut self) {
        if self.phase != Phase::Ready || self.logs.is_empty() {
            return;
        }
        let now = self.now;
        let late: Vec<NodeId> = self
            .logs
            .iter()
            .filter(|(_, reading)| reading.until <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in late {
            self.break_off_log(node, "others wanted something of the lock all the time");
        }
        for node in self.logs.keys().copied().collect::<Vec<_>>() {
            // A question that waits for the air again, as its nonce has come, waits for others too.
            let asked = self
                .logs
                .get(&node)
                .is_some_and(|reading| reading.stage == Stage::Asked);
            if asked && !self.log_is_asked(node) && !self.log_may_ask(node) {
                self.log_gives_way(node);
            }
        }
        let due: Vec<NodeId> = self
            .logs
            .iter()
            .filter(|(_, reading)| matches!(reading.stage, Stage::Idle { not_before } if not_before <= now))
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            if self.traffic.any(|job| job.node == node) {
                // Its end is an input, after which this is looked at again; the lock's receiver is still on.
                continue;
            }
            if self.log_may_ask(node) {
                self.ask_log(node);
            } else if let Some(reading) = self.logs.get_mut(&node) {
                reading.stage = Stage::Idle {
                    not_before: now + QUIET,
                };
            }
        }
    }

    /// Whether nobody else wants anything of the lock, or of the dongle for a newcomer.
    fn log_may_ask(&self, node: NodeId) -> bool {
        let being_asked = self.interviews.contains(&node)
            && self
                .nodes
                .get(&node)
                .is_some_and(|node| next_question(node).is_some());
        !self.joining.has_the_air()
            && !being_asked
            && !self.codes.wants(node)
            && !self.is_moving(node)
            && !self.is_held_up(node)
    }

    fn ask_log(&mut self, node: NodeId) {
        let now = self.now;
        let Some(reading) = self.logs.get_mut(&node) else {
            return;
        };
        if reading.moved {
            reading.begin_anew();
        }
        if reading.beginnings > BEGINNINGS_MAX {
            return self.break_off_log(node, "the lock was never left alone for long enough");
        }
        let (question, answer) = if reading.size.is_none() {
            (Command::RecordsSupportedGet, SUPPORTED_REPORT)
        } else {
            match reading.next_number() {
                Some(number) => (Command::RecordGet(number), RECORD_REPORT),
                None => return self.end_log(node, LogEnd::Full),
            }
        };
        reading.stage = Stage::Asked;
        let pushed = self.push_job(NewJob {
            node,
            lane: Lane::Log,
            frame: SecretBytes::new(cc::Command::from(question).emit()),
            protection: Protection::Highest,
            expect: Expect::Reply {
                class: class::DOOR_LOCK_LOGGING,
                command: answer,
            },
            purpose: Purpose::Log,
            expires: Some(now + AIR_WAIT),
            answer_wait: ANSWER_WAIT,
            attempts: ATTEMPTS,
            not_before: now,
        });
        if pushed.is_none() {
            self.break_off_log(node, "too much waits to be sent");
        }
    }

    /// A question about a record ended.
    pub(super) fn log_answered(&mut self, node: NodeId, outcome: &Outcome) {
        match outcome {
            Outcome::Answered(cc::Command::DoorLockLogging(command)) => self.log_told(node, command),
            Outcome::NotDelivered(_) => self.break_off_log(node, "the lock does not answer"),
            Outcome::NoKey => self.break_off_log(node, "the lock cannot read the hub's commands"),
            Outcome::Expired => {
                // Others had the air for a minute.
                let not_before = self.now + QUIET;
                if let Some(reading) = self.logs.get_mut(&node) {
                    reading.stage = Stage::Idle { not_before };
                }
            }
            Outcome::NoAnswer | Outcome::Answered(_) | Outcome::Delivered | Outcome::Supervised(_) => {
                self.break_off_log(node, "the lock does not say what it wrote down");
            }
        }
    }

    fn log_told(&mut self, node: NodeId, command: &Command) {
        let not_before = self.now;
        let Some(reading) = self.logs.get_mut(&node) else {
            return;
        };
        reading.stage = Stage::Idle { not_before };
        match command {
            // Learning has remembered it; a lock that keeps none has nothing to tell.
            Command::RecordsSupportedReport(0) => self.end_log(node, LogEnd::Whole),
            Command::RecordsSupportedReport(size) => reading.size = Some(*size),
            Command::RecordReport(report) => self.log_record(node, report),
            Command::RecordsSupportedGet | Command::RecordGet(_) => {
                self.break_off_log(node, "the lock asks instead of answering");
            }
        }
    }

    fn log_record(&mut self, node: NodeId, report: &RecordReport) {
        let Some(reading) = self.logs.get_mut(&node) else {
            return;
        };
        if reading.moved {
            // The record that was asked for may have another number by now.
            return;
        }
        let asked = reading.next_number();
        if asked != Some(0) && asked != Some(report.number) {
            reading.strange = reading.strange.saturating_add(1);
            if reading.strange >= STRANGE_MAX {
                self.break_off_log(node, "the lock answers with other records than it is asked for");
            }
            return;
        }
        let Some(record) = &report.record else {
            return self.end_log(node, LogEnd::Whole);
        };
        if reading.newest.is_none() {
            reading.newest = Some(report.number);
        }
        reading.read.push(LogRecord {
            mark: mark(record),
            clock: LockClock::new(
                record.year,
                record.month,
                record.day,
                record.hour,
                record.minute,
                record.second,
            ),
            said: crate::lock::logged(record),
        });
        reading.join();
        if reading.known_from().is_some() {
            self.end_log(node, LogEnd::Known);
        } else if reading.read.len() >= reading.at_most || reading.next_number().is_none() {
            self.end_log(node, LogEnd::Full);
        }
    }
}

/// Everything of a record but its number, which moves, and its code, which is nobody's business.
fn mark(record: &Record) -> LogMark {
    let [year_high, year_low] = record.year.to_be_bytes();
    LogMark([
        year_high,
        year_low,
        record.month,
        record.day,
        record.hour,
        record.minute,
        record.second,
        record.event.to_byte(),
        record.user,
        0,
    ])
}
