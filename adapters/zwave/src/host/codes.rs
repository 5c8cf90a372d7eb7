//! Orders about codes: one after another on each lock, and always ended.
//!
//! ```text
//!   order ─▶ Waiting (a person's before housekeeping) ─▶ Running ──ask──▶ a job of traffic ──▶ answered ─┐
//!               │ too long, too many                       ▲  │                                          │
//!               ▼                                          └──┼──────────── next question ◀──────────────┘
//!             Ended                                           └──▶ waits for somebody at the lock, or Ended
//! ```
//!
//! What is asked is decided by the programme (`crate::codes`); this file gives it the air, counts the frames both ways
//! and tells the mind. A lock that is not reached ends the order at once: the mind tries again when the lock is there.
//!
//! **Invariant**: nothing is written to a lock's codes without an order, and an order is ended once.

use std::collections::{BTreeMap, VecDeque};

use hubd_model::{
    CodeChange, CodeRefusal, CodeReport, CodeTask, CodeTaskEnd, CodeTaskId, DeviceAddress, Millis, MonoTime,
    Report, SecretBytes, Security, SlotKey, UnixMillis, Urgency, WallTime, Zone,
};
use zeroize::Zeroize;

use super::Host;
use super::sending::Outcome;
use super::startup::Phase;
use super::traffic::{Expect, Lane, NewJob, Protection, Purpose};
use crate::codes::changes::{self, Change};
use crate::codes::schedule::ScheduleSlots;
use crate::codes::{Ask, Heard, Next, Program};
use crate::wire::cc::{self, class, schedule_entry_lock, supervision, time_parameters};
use crate::wire::serial::NodeId;

/// How many orders may wait for one lock; beyond that new ones are refused.
const WAITING_MAX: usize = 64;
/// How long a person's order may wait for its turn.
const PERSON_WAIT: Millis = Millis::from_secs(60);
/// How long housekeeping may wait for its turn.
const HOUSEKEEPING_WAIT: Millis = Millis::from_secs(900);
/// How long one frame may wait for the air.
const AIR_WAIT: Millis = Millis::from_secs(60);
/// How long a lock may take to answer: it reads and writes slowly.
const ANSWER_WAIT: Millis = Millis(5_000);
/// How often a frame is sent at most.
const ATTEMPTS: u8 = 3;
/// For how long what a lock says of a slot that we just wrote counts as its echo.
const ECHO: Millis = Millis::from_secs(15);
/// How often a lock's clock is set at most, while schedules are written.
const CLOCK_PAUSE: Millis = Millis::from_secs(86_400);
/// How often the clock of a lock that keeps schedules is set at least.
const CLOCK_MAX_AGE: Millis = Millis::from_secs(7 * 86_400);

/// One order that waits.
#[derive(Debug)]
struct Waiting {
    /// Who is told of its end; the host's own orders tell nobody.
    task: Option<CodeTaskId>,
    what: What,
    urgency: Urgency,
    until: MonoTime,
}

#[derive(Debug)]
enum What {
    Task(Box<CodeTask>),
    /// Set the lock's clock.
    Clock,
}

/// The order at work.
#[derive(Debug)]
struct Running {
    task: Option<CodeTaskId>,
    urgency: Urgency,
    program: Program,
    /// The slot that it changes; `None` when it only reads.
    writes: Option<SlotKey>,
    /// Whether anything but a question left for the lock, or is about to.
    left: bool,
    frames: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The programme is asked what comes next.
    Ready,
    /// A frame of it is under way.
    Asked,
    /// Somebody may do something at the lock until then.
    Awaiting(MonoTime),
}

/// The orders of one lock.
#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<Waiting>,
    running: Option<Running>,
    /// The slots that were written a short while ago.
    written: Vec<(SlotKey, MonoTime)>,
    /// When the lock's clock was set.
    clock_set: Option<MonoTime>,
    /// Since when it is known to keep schedules; a restart wakes no lock for its clock.
    clock_known: Option<MonoTime>,
}

/// The orders of all locks.
#[derive(Debug, Default)]
pub(super) struct Codes {
    desks: BTreeMap<NodeId, Desk>,
}

impl Codes {
    /// Whether an order about the codes of this lock waits or is at work.
    pub(super) fn wants(&self, node: NodeId) -> bool {
        self.desks
            .get(&node)
            .is_some_and(|desk| desk.running.is_some() || !desk.waiting.is_empty())
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        self.desks
            .values()
            .flat_map(|desk| {
                let waiting = desk.waiting.iter().map(|waiting| waiting.until);
                let running = desk.running.iter().filter_map(|running| match running.stage {
                    Stage::Awaiting(until) => Some(until),
                    Stage::Ready | Stage::Asked => None,
                });
                waiting.chain(running)
            })
            .min()
    }
}

impl Host {
    /// The mind orders something about a lock's codes.
    pub(super) fn codes_ordered(
        &mut self,
        task: CodeTaskId,
        device: DeviceAddress,
        what: Box<CodeTask>,
        urgency: Urgency,
    ) {
        let refusal = match self.node_at(&device) {
            None => Some(CodeRefusal::Other(
                "the radio does not know this lock; include it again".to_owned(),
            )),
            Some(node) => self.codes_refusal(node),
        };
        let (Some(node), None) = (self.node_at(&device), &refusal) else {
            let reason = refusal.unwrap_or(CodeRefusal::NotSupported);
            self.tell_ended(device, task, CodeTaskEnd::Refused { reason }, 0);
            return;
        };
        self.log_gives_way(node);
        let desk = self.codes.desks.entry(node).or_default();
        if desk.waiting.len() >= WAITING_MAX {
            let reason = CodeRefusal::Other("too many orders wait for this lock; try again later".to_owned());
            self.tell_ended(device, task, CodeTaskEnd::Refused { reason }, 0);
            return;
        }
        let wait = match urgency {
            Urgency::LifeSafety | Urgency::Person => PERSON_WAIT,
            Urgency::Housekeeping => HOUSEKEEPING_WAIT,
        };
        desk.waiting.push_back(Waiting {
            task: Some(task),
            what: What::Task(what),
            urgency,
            until: self.now + wait,
        });
    }

    fn codes_refusal(&self, id: NodeId) -> Option<CodeRefusal> {
        let node = self.nodes.get(&id)?;
        match node.security() {
            Some(Security::None) => Some(CodeRefusal::Other(
                "the lock was included without security; exclude it and include it again with S2 or S0"
                    .to_owned(),
            )),
            None => Some(CodeRefusal::Other(
                "the lock is still being asked what it is; try again in a minute".to_owned(),
            )),
            Some(_) if node.lock_facts().is_some() => None,
            Some(_) if node.supports(class::USER_CODE) || node.supports(class::USER_CREDENTIAL) => {
                Some(CodeRefusal::Other(
                    "the lock is still being asked what it keeps; try again in a minute".to_owned(),
                ))
            }
            Some(_) => Some(CodeRefusal::NotSupported),
        }
    }

    /// Gives each lock its next question.
    pub(super) fn advance_codes(&mut self) {
        let nodes: Vec<NodeId> = self.codes.desks.keys().copied().collect();
        for node in nodes {
            self.expire_codes(node);
            if self.phase == Phase::Ready {
                self.begin_codes(node);
            }
            // Each turn of a programme that asks nothing ends it, so this ends.
            while self.step_codes(node) {}
        }
    }

    /// Orders whose turn did not come in time, and waits that are over.
    fn expire_codes(&mut self, node: NodeId) {
        let now = self.now;
        let Some(desk) = self.codes.desks.get_mut(&node) else {
            return;
        };
        if let Some(running) = &mut desk.running
            && matches!(running.stage, Stage::Awaiting(until) if until <= now)
        {
            running.program.heard(Heard::TimeOver);
            running.stage = Stage::Ready;
        }
        let (late, kept) = std::mem::take(&mut desk.waiting)
            .into_iter()
            .partition(|waiting| waiting.until <= now);
        desk.waiting = kept;
        desk.written.retain(|(_, at)| now.since(*at) < ECHO);
        let late: VecDeque<Waiting> = late;
        for task in late.into_iter().filter_map(|waiting| waiting.task) {
            let reason =
                "its turn did not come in time: the radio had other things to do, or was away".to_owned();
            self.codes_ended(node, task, CodeTaskEnd::NoAnswer { reason, left: false }, 0);
        }
    }

    fn begin_codes(&mut self, node: NodeId) {
        if self.log_is_asked(node) {
            // One conversation at a time; the answer comes within seconds.
            return;
        }
        let busy = self.joining.has_the_air() && !self.joining.is_about(node);
        let Some(desk) = self
            .codes
            .desks
            .get_mut(&node)
            .filter(|desk| desk.running.is_none())
        else {
            return;
        };
        // The first of the most urgent ones.
        let order = (0..).zip(&desk.waiting);
        let Some((index, _)) = order.min_by_key(|(index, waiting)| (waiting.urgency, *index)) else {
            return;
        };
        if busy
            && desk
                .waiting
                .get(index)
                .is_some_and(|first| first.urgency == Urgency::Housekeeping)
        {
            return;
        }
        let Some(waiting) = desk.waiting.remove(index) else {
            return;
        };
        let writes = match &waiting.what {
            What::Task(task) => match task.as_ref() {
                CodeTask::Write { key, .. }
                | CodeTask::Clear(key)
                | CodeTask::Enrol { key, .. }
                | CodeTask::Name { key, .. } => Some(*key),
                CodeTask::ReadAll { .. } | CodeTask::Read(_) => None,
            },
            What::Clock => None,
        };
        match self.code_program(node, &waiting.what) {
            Ok(program) => {
                if let Some(desk) = self.codes.desks.get_mut(&node) {
                    desk.running = Some(Running {
                        task: waiting.task,
                        urgency: waiting.urgency,
                        program,
                        writes,
                        left: false,
                        frames: 0,
                        stage: Stage::Ready,
                    });
                }
            }
            Err(reason) => {
                if let Some(task) = waiting.task {
                    self.codes_ended(node, task, CodeTaskEnd::Refused { reason }, 0);
                }
            }
        }
    }

    fn code_program(&mut self, id: NodeId, what: &What) -> Result<Program, CodeRefusal> {
        let known = self.nodes.get(&id).ok_or(CodeRefusal::NotSupported)?;
        let facts = known.lock_facts().ok_or(CodeRefusal::NotSupported)?;
        let task = match what {
            What::Clock => return Ok(Program::Say(self.clock_commands(id))),
            What::Task(task) => task.as_ref(),
        };
        let user = task
            .key()
            .map_or(0, |key| facts.user(key.kind, key.slot.number()));
        let used = known.scheduled.get(&user).copied();
        let scheduled = matches!(task, CodeTask::Write { wish, .. } if !wish.schedule.is_none());
        let clock = if scheduled && self.is_clock_due(id) {
            self.clock_commands(id)
        } else {
            Vec::new()
        };
        let set = !clock.is_empty();
        let program = Program::new(&facts, task, used, clock)?;
        if set {
            self.clock_told(id);
        }
        Ok(program)
    }

    /// One step of the order at work; says whether another one follows at once.
    fn step_codes(&mut self, node: NodeId) -> bool {
        let Some(running) = self
            .codes
            .desks
            .get_mut(&node)
            .and_then(|desk| desk.running.as_mut())
            .filter(|running| running.stage == Stage::Ready)
        else {
            return false;
        };
        let next = running.program.next();
        let found = running.program.found();
        match &next {
            Next::Ask(ask) => {
                running.stage = Stage::Asked;
                running.left |= ask.reply.is_none();
            }
            Next::Wait(wait) => running.stage = Stage::Awaiting(self.now + *wait),
            Next::End(_) => {}
        }
        let urgency = running.urgency;
        if let Some((user, slots)) = found.scheduled {
            self.remember_schedules(node, user, slots);
        }
        if let Some(device) = self.address(node) {
            for report in found.reports {
                let device = device.clone();
                self.report(Report::Codes { device, report });
            }
        }
        match next {
            Next::Ask(ask) => {
                if !self.ask_codes(node, ask, urgency) {
                    let reason = "too much waits to be sent; try again later".to_owned();
                    self.break_off(node, reason);
                }
                false
            }
            Next::Wait(_) => false,
            Next::End(end) => {
                self.end_codes(node, end);
                true
            }
        }
    }

    fn ask_codes(&mut self, node: NodeId, ask: Ask, urgency: Urgency) -> bool {
        let Ask {
            command,
            reply,
            pause,
        } = ask;
        let mut plain = command.emit();
        let (frame, expect) = match reply {
            Some((class, command)) => (plain, Expect::Reply { class, command }),
            None => {
                let supervised = self.supervise(node, plain.clone());
                plain.zeroize();
                supervised
            }
        };
        let lane = match urgency {
            Urgency::LifeSafety | Urgency::Person => Lane::Person,
            Urgency::Housekeeping => Lane::Interview,
        };
        let not_before = self.now + pause;
        let pushed = self.push_job(NewJob {
            node,
            lane,
            frame: SecretBytes::new(frame),
            protection: Protection::Highest,
            expect,
            purpose: Purpose::Codes,
            expires: Some(not_before + AIR_WAIT),
            answer_wait: ANSWER_WAIT,
            attempts: ATTEMPTS,
            not_before,
        });
        pushed.is_some()
    }

    /// A frame of the order at work ended.
    pub(super) fn codes_answered(&mut self, node: NodeId, outcome: &Outcome) {
        let Some(running) = self
            .codes
            .desks
            .get_mut(&node)
            .and_then(|desk| desk.running.as_mut())
            .filter(|running| running.stage == Stage::Asked)
        else {
            return;
        };
        let heard = match outcome {
            Outcome::Answered(command) => Heard::Answer(command),
            Outcome::Delivered => Heard::Taken,
            Outcome::Supervised(report) => match report.status {
                supervision::Status::Success | supervision::Status::Working => Heard::Taken,
                supervision::Status::Fail | supervision::Status::Other(_) => Heard::Refused,
                supervision::Status::NoSupport => Heard::NotKnown,
            },
            Outcome::NoAnswer => Heard::Silent,
            Outcome::NotDelivered(_) | Outcome::Expired => {
                let reason =
                    "the lock does not answer: it may be out of range or its batteries empty".to_owned();
                return self.break_off(node, reason);
            }
            Outcome::NoKey => {
                let reason =
                    "the lock cannot read the hub's commands: exclude it and include it again".to_owned();
                return self.break_off(node, reason);
            }
        };
        running.program.heard(heard);
        running.stage = Stage::Ready;
    }

    /// A frame went to a node or came from it while an order is at work there.
    pub(super) fn codes_frame(&mut self, node: NodeId) {
        if let Some(running) = self
            .codes
            .desks
            .get_mut(&node)
            .and_then(|desk| desk.running.as_mut())
        {
            running.frames = running.frames.saturating_add(1);
        }
    }

    /// The order at work ends without an answer.
    fn break_off(&mut self, node: NodeId, reason: String) {
        self.end_codes(node, CodeTaskEnd::NoAnswer { reason, left: true });
    }

    fn end_codes(&mut self, node: NodeId, mut end: CodeTaskEnd) {
        let now = self.now;
        let Some(desk) = self.codes.desks.get_mut(&node) else {
            return;
        };
        let Some(running) = desk.running.take() else {
            return;
        };
        if let CodeTaskEnd::NoAnswer { left, .. } = &mut end {
            *left &= running.left;
        }
        let written = running.writes.filter(|_| running.left);
        desk.written.extend(written.map(|key| (key, now)));
        for job in self
            .traffic
            .ids(|job| job.node == node && job.purpose == Purpose::Codes)
        {
            self.traffic.remove(job);
        }
        if let Some(task) = running.task {
            self.codes_ended(node, task, end, running.frames);
        }
    }

    fn codes_ended(&mut self, node: NodeId, task: CodeTaskId, end: CodeTaskEnd, frames: u32) {
        if let Some(device) = self.address(node) {
            self.tell_ended(device, task, end, frames);
        }
    }

    fn tell_ended(&mut self, device: DeviceAddress, task: CodeTaskId, end: CodeTaskEnd, frames: u32) {
        self.report(Report::Codes {
            device,
            report: CodeReport::Ended { task, end, frames },
        });
    }

    /// The lock left the network: what was ordered of it ends.
    pub(super) fn forget_codes(&mut self, node: NodeId, device: Option<&DeviceAddress>) {
        let Some(desk) = self.codes.desks.remove(&node) else {
            return;
        };
        let running = desk
            .running
            .into_iter()
            .map(|running| (running.task, running.frames, running.left));
        let waiting = desk.waiting.into_iter().map(|waiting| (waiting.task, 0, false));
        for (task, frames, left) in running.chain(waiting) {
            if let (Some(task), Some(device)) = (task, device) {
                let reason = "the lock left the network".to_owned();
                self.tell_ended(
                    device.clone(),
                    task,
                    CodeTaskEnd::NoAnswer { reason, left },
                    frames,
                );
            }
        }
    }

    /// The dongle went away: what was ordered ends. Nobody knows whether the last frame arrived.
    pub(super) fn break_off_codes(&mut self) {
        let nodes: Vec<NodeId> = self.codes.desks.keys().copied().collect();
        for node in nodes {
            let reason =
                "the dongle went away in the middle; the lock is read again when it is back".to_owned();
            self.break_off(node, reason);
        }
    }

    /// A lock said something that may be about codes, before it is looked at as an answer.
    pub(super) fn codes_overheard(&mut self, node: NodeId, command: &cc::Command) {
        if let Some(running) = self
            .codes
            .desks
            .get_mut(&node)
            .and_then(|desk| desk.running.as_mut())
            && running.program.overheard(command)
            && matches!(running.stage, Stage::Awaiting(_))
        {
            running.stage = Stage::Ready;
        }
        let own = self.identity.map_or(0, |identity| identity.node.0);
        let told = changes::notified(command);
        let changed = changes::credential_changed(command, own);
        self.tell_changes(node, told.into_iter().chain(changed).collect());
    }

    /// A lock said something that answers no question of ours.
    pub(super) fn codes_unasked(&mut self, node: NodeId, command: &cc::Command) {
        self.tell_changes(node, changes::unasked_user_code(command));
    }

    fn tell_changes(&mut self, node: NodeId, changes: Vec<Change>) {
        if changes.is_empty() || !self.nodes.get(&node).is_some_and(crate::node::Node::is_lock) {
            return;
        }
        for (key, change) in changes {
            if self.is_echo(node, key, change) {
                continue;
            }
            if change == CodeChange::AllDeleted
                && let Some(known) = self.nodes.get_mut(&node)
            {
                known.scheduled.clear();
                self.learned();
            }
            if let Some(device) = self.address(node) {
                let report = CodeReport::Changed { key, change };
                self.report(Report::Codes { device, report });
            }
        }
    }

    /// Whether a change is what we do or just did ourselves.
    fn is_echo(&self, node: NodeId, key: Option<SlotKey>, change: CodeChange) -> bool {
        let Some(desk) = self.codes.desks.get(&node) else {
            return false;
        };
        let running = desk.running.as_ref().and_then(|running| running.writes);
        // A desk that had nothing to do since still has old ones.
        let lately = desk
            .written
            .iter()
            .filter(|(_, at)| self.now.since(*at) < ECHO)
            .map(|(written, _)| *written);
        let mut ours = running.into_iter().chain(lately);
        match (key, change) {
            (None, CodeChange::AllDeleted | CodeChange::MasterChanged) => false,
            // Without a slot it is about what is or was just being written.
            (
                None,
                CodeChange::Added | CodeChange::Changed | CodeChange::Deleted | CodeChange::DuplicateRefused,
            ) => ours.next().is_some(),
            (Some(key), _) => ours.any(|own| own == key),
        }
    }

    fn remember_schedules(&mut self, node: NodeId, user: u16, slots: ScheduleSlots) {
        if let Some(known) = self.nodes.get_mut(&node)
            && known.scheduled.insert(user, slots) != Some(slots)
        {
            self.learned();
        }
    }

    fn is_clock_due(&self, node: NodeId) -> bool {
        let set = self.codes.desks.get(&node).and_then(|desk| desk.clock_set);
        set.is_none_or(|at| self.now.since(at) >= CLOCK_PAUSE) || self.has_other_offset(node)
    }

    /// Local time jumped since the lock was told.
    fn has_other_offset(&self, node: NodeId) -> bool {
        let told = self.nodes.get(&node).and_then(|known| known.clock_offset);
        told != Some(self.utc_offset_minutes)
    }

    fn clock_told(&mut self, node: NodeId) {
        let now = self.now;
        self.codes.desks.entry(node).or_default().clock_set = Some(now);
        let offset = Some(self.utc_offset_minutes);
        if let Some(known) = self.nodes.get_mut(&node)
            && known.clock_offset != offset
        {
            known.clock_offset = offset;
            self.learned();
        }
    }

    /// What sets a lock's clock; nothing while nobody vouches for ours.
    fn clock_commands(&self, id: NodeId) -> Vec<cc::Command> {
        let (WallTime::Synced(at), Some(node)) = (self.wall, self.nodes.get(&id)) else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        if node.supports(class::TIME_PARAMETERS) {
            commands.extend(utc(at).map(|utc| time_parameters::Command::Set(utc).into()));
        }
        if node.supports(class::SCHEDULE_ENTRY_LOCK) {
            let minutes = self.utc_offset_minutes;
            let (hours, rest) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
            let byte = |value: u32| u8::try_from(value).unwrap_or_default();
            // Daylight saving time is part of the offset: it is told anew when it comes and goes.
            let offset = schedule_entry_lock::TimeOffset {
                behind: minutes < 0,
                hours: byte(hours),
                minutes: byte(rest),
                dst_back: false,
                dst_minutes: 0,
            };
            commands.push(schedule_entry_lock::Command::TimeOffsetSet(offset).into());
        }
        commands
    }

    /// Sets the clocks of locks that keep schedules: each week, and when local time jumps.
    pub(super) fn keep_clocks(&mut self) {
        if self.phase != Phase::Ready || !self.wall.is_synced() {
            return;
        }
        let due: Vec<NodeId> = self
            .nodes
            .values()
            .filter(|node| {
                node.scheduled
                    .values()
                    .any(|slots| *slots != ScheduleSlots::default())
            })
            .map(|node| node.id)
            .collect();
        let due: Vec<NodeId> = due
            .into_iter()
            .filter(|node| self.has_other_offset(*node) || self.is_clock_old(*node))
            .collect();
        for node in due {
            self.clock_told(node);
            let until = self.now + HOUSEKEEPING_WAIT;
            let desk = self.codes.desks.entry(node).or_default();
            desk.waiting.push_back(Waiting {
                task: None,
                what: What::Clock,
                urgency: Urgency::Housekeeping,
                until,
            });
        }
    }

    fn is_clock_old(&mut self, node: NodeId) -> bool {
        let now = self.now;
        let desk = self.codes.desks.entry(node).or_default();
        let known = *desk.clock_known.get_or_insert(now);
        now.since(desk.clock_set.unwrap_or(known)) >= CLOCK_MAX_AGE
    }
}

/// Date and time in UTC as Time Parameters has it.
fn utc(at: UnixMillis) -> Option<time_parameters::DateTime> {
    let date = Zone::fixed(0).local(at)?;
    let second = at.0.div_euclid(1000).rem_euclid(60);
    Some(time_parameters::DateTime {
        year: date.year,
        month: date.month,
        day: date.day,
        hour: date.hour,
        minute: date.minute,
        second: u8::try_from(second).ok()?,
    })
}
