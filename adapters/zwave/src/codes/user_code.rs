//! The programmes for a lock with User Code.
//!
//! ```text
//!   read all   checksum known ─▶ over
//!              version 2: from occupied slot to occupied slot, several in a frame where the lock can
//!              version 1: slot by slot
//!   write      slot as it is, and no further where another's code is to stay ─▶
//!              without a schedule: code ─▶ read back ─▶ old schedules away
//!              with one: code disabled (version 2) ─▶ schedule ─▶ read back ─▶ code enabled ─▶ read back ─▶
//!                        schedule read back again; if it is gone, so goes the code
//!   clear      code away ─▶ read back ─▶ schedules away
//! ```
//!
//! Spec: CC:0063, versions 1 and 2

use std::collections::VecDeque;

use hubd_model::{
    CodeChecksum, CodeRefusal, CodeReport, CodeSlot, CodeTask, CodeTaskEnd, LockSchedule, Millis, Pin,
    SecretBytes, SecretString, SlotContent, SlotKey, SlotWish,
};

use super::facts::{LockFacts, UserCodeFacts};
use super::schedule::{Entry, Kind, ScheduleSlots, schedule};
use super::scheduling::{Progress, Scheduling};
use super::{
    Ask, Found, Heard, Next, checksum, is_as_wished, no_answer, occupied_meanwhile, refused, refused_because,
    silent, slot_report,
};
use crate::wire::cc::user_code::{
    Command, ExtendedGet, ExtendedReport, ExtendedUserCode, UserCode, UserStatus,
};
use crate::wire::cc::{self, class};

const REPORT: (u8, u8) = (class::USER_CODE, 0x03);
const EXTENDED_REPORT: (u8, u8) = (class::USER_CODE, 0x0D);
const CHECKSUM_REPORT: (u8, u8) = (class::USER_CODE, 0x12);
/// Users above have a number of two bytes.
const SHORT_USERS_MAX: u16 = 255;
/// The pauses before a slot is read back again that is not yet as it should be: locks write slowly.
const READ_BACK_PAUSES: [Millis; 3] = [Millis(0), Millis(700), Millis(2_500)];
/// What stands in for a code in a command that deletes it. Spec: CC:0063.01.01
const NO_CODE: [u8; 4] = [0; 4];

/// Why a slot is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// To see that it may be written.
    Before,
    /// To report what it holds.
    Report,
    /// To see that it holds what was written.
    Written,
    /// To see that it is empty.
    Cleared,
}

#[derive(Debug)]
enum Step {
    /// Said, whatever becomes of it.
    Say(cc::Command),
    Checksum(Option<CodeChecksum>),
    /// From this slot on, by the extended command.
    From(u16),
    /// This slot and all after it, one by one.
    Each(u16),
    Set(UserStatus),
    Clear,
    Show(Show, usize),
    /// The schedule is written and read back before the code is enabled.
    Schedule(Scheduling),
    /// The schedule is read back once more; without it the code goes.
    Recheck(Scheduling),
    /// The schedules go; that they did not is no reason to fail.
    Unschedule(Scheduling),
    ReadSchedule(Scheduling),
    /// Report the slot as it was seen last.
    Tell,
}

#[derive(Debug)]
pub(crate) struct UserCodeProgram {
    facts: LockFacts,
    own: UserCodeFacts,
    slot: u16,
    wish: Option<SlotWish>,
    todo: VecDeque<Step>,
    end: CodeTaskEnd,
    seen: SlotContent,
    kept: Option<LockSchedule>,
    new_checksum: Option<CodeChecksum>,
    duplicate: bool,
    pub(super) found: Found,
}

impl UserCodeProgram {
    pub(super) fn new(
        facts: LockFacts,
        own: UserCodeFacts,
        task: &CodeTask,
        used: Option<ScheduleSlots>,
        clock: Vec<cc::Command>,
    ) -> Result<Self, CodeRefusal> {
        let mut program = Self {
            facts,
            own,
            slot: 0,
            wish: None,
            todo: VecDeque::new(),
            end: CodeTaskEnd::Done,
            seen: SlotContent::Unknown,
            kept: None,
            new_checksum: None,
            duplicate: false,
            found: Found::default(),
        };
        match task {
            CodeTask::ReadAll { known } => program.plan_read_all(*known),
            CodeTask::Read(key) => {
                program.slot = key.slot.number();
                program.todo.push_back(Step::Show(Show::Report, 0));
                if let Some((dialect, slots)) = program.facts.schedules {
                    let reading = Scheduling::read(dialect, program.slot, slots);
                    program.todo.push_back(Step::ReadSchedule(reading));
                }
                program.todo.push_back(Step::Tell);
            }
            CodeTask::Write { key, wish } => {
                program.slot = key.slot.number();
                program.plan_write(wish.clone(), used, clock)?;
            }
            CodeTask::Clear(key) => {
                program.slot = key.slot.number();
                program.todo.push_back(Step::Clear);
                program.todo.push_back(Step::Show(Show::Cleared, 0));
                program.plan_unschedule(used);
                program.todo.push_back(Step::Tell);
            }
            CodeTask::Enrol { .. } | CodeTask::Name { .. } => return Err(CodeRefusal::NotSupported),
        }
        Ok(program)
    }

    fn plan_read_all(&mut self, known: Option<CodeChecksum>) {
        if self.own.features.checksum {
            self.todo.push_back(Step::Checksum(known));
        }
        self.todo.push_back(if self.own.version >= 2 {
            Step::From(1)
        } else {
            Step::Each(1)
        });
    }

    fn plan_write(
        &mut self,
        wish: SlotWish,
        used: Option<ScheduleSlots>,
        clock: Vec<cc::Command>,
    ) -> Result<(), CodeRefusal> {
        let schedule = wish.schedule.clone();
        self.wish = Some(wish);
        self.todo.push_back(Step::Show(Show::Before, 0));
        if schedule.is_none() {
            // The old schedule goes last: till then the new code is at most too narrow.
            self.todo.push_back(Step::Set(UserStatus::Enabled));
            self.todo.push_back(Step::Show(Show::Written, 0));
            self.plan_unschedule(used);
            self.todo.push_back(Step::Tell);
            return Ok(());
        }
        let (dialect, kind, entries) = self.facts.entries(&schedule).ok_or(CodeRefusal::BadSchedule)?;
        let slots = self.facts.schedules.map(|(_, slots)| slots).unwrap_or_default();
        let written: (Kind, &[Entry]) = (kind, &entries);
        self.kept = Some(schedule);
        self.todo.extend(clock.into_iter().map(Step::Say));
        if self.own.features.disables {
            self.todo.push_back(Step::Set(UserStatus::Disabled));
        }
        let writing = Scheduling::write(dialect, self.slot, slots, written, used);
        self.todo.push_back(Step::Schedule(writing));
        self.todo.push_back(Step::Set(UserStatus::Enabled));
        self.todo.push_back(Step::Show(Show::Written, 0));
        let again = Scheduling::check(dialect, self.slot, slots, written);
        self.todo.push_back(Step::Recheck(again));
        self.todo.push_back(Step::Tell);
        Ok(())
    }

    fn plan_unschedule(&mut self, used: Option<ScheduleSlots>) {
        if let Some((dialect, slots)) = self.facts.schedules {
            let clearing = Scheduling::clear(dialect, self.slot, slots, used);
            self.todo.push_back(Step::Unschedule(clearing));
        }
    }

    pub(super) fn next(&mut self) -> Next {
        loop {
            let Some(step) = self.todo.front_mut() else {
                self.finish_reading();
                return Next::End(self.end.clone());
            };
            let ask = match step {
                Step::Say(command) => Some(Ask::set(command.clone())),
                Step::Checksum(_) => Some(Ask::get(Command::ChecksumGet, CHECKSUM_REPORT)),
                Step::From(slot) => {
                    let get = ExtendedGet {
                        user: *slot,
                        report_more: self.own.features.bulk,
                    };
                    Some(Ask::get(Command::ExtendedGet(get), EXTENDED_REPORT))
                }
                Step::Each(slot) => Some(ask_for(*slot)),
                Step::Set(status) => {
                    let status = *status;
                    Some(self.write(status))
                }
                Step::Clear => Some(self.write(UserStatus::Available)),
                Step::Show(_, tries) => {
                    let pause = READ_BACK_PAUSES.get(*tries).copied().unwrap_or_default();
                    Some(ask_for(self.slot).after(pause))
                }
                Step::Schedule(part)
                | Step::Recheck(part)
                | Step::Unschedule(part)
                | Step::ReadSchedule(part) => part.next(),
                Step::Tell => None,
            };
            match ask {
                Some(ask) => return Next::Ask(ask),
                None => self.step_over(),
            }
        }
    }

    /// The step at the front is over without a question.
    fn step_over(&mut self) {
        match self.todo.pop_front() {
            Some(Step::Schedule(part) | Step::Recheck(part)) => {
                self.found.scheduled = Some((self.slot, part.used));
            }
            Some(Step::Unschedule(_)) => {
                self.found.scheduled = Some((self.slot, ScheduleSlots::default()));
                self.kept = Some(LockSchedule::default());
            }
            Some(Step::ReadSchedule(part)) => {
                self.found.scheduled = Some((self.slot, part.used));
                self.kept = Some(schedule(&part.read));
            }
            Some(Step::Tell) => self.tell(),
            Some(
                Step::Say(_)
                | Step::Checksum(_)
                | Step::From(_)
                | Step::Each(_)
                | Step::Set(_)
                | Step::Clear
                | Step::Show(..),
            )
            | None => {}
        }
    }

    fn write(&self, status: UserStatus) -> Ask {
        let digits = match (&self.wish, status) {
            (Some(wish), UserStatus::Enabled | UserStatus::Disabled) => wish.pin.expose().as_bytes(),
            _ => &NO_CODE,
        };
        let code = SecretBytes::new(digits.to_vec());
        match u8::try_from(self.slot) {
            Ok(user) => Ask::set(Command::Set(UserCode { user, status, code })),
            Err(_) => {
                let code = if status == UserStatus::Available {
                    SecretBytes::new(Vec::new())
                } else {
                    code
                };
                Ask::set(Command::ExtendedSet(vec![ExtendedUserCode {
                    user: self.slot,
                    status,
                    code,
                }]))
            }
        }
    }

    pub(super) fn heard(&mut self, heard: Heard<'_>) {
        let Some(step) = self.todo.pop_front() else { return };
        match step {
            Step::Say(_) | Step::Tell => {}
            Step::Checksum(known) => self.checksum_heard(known, heard),
            Step::From(slot) => self.several_heard(slot, heard),
            Step::Each(slot) => self.each_heard(slot, heard),
            Step::Set(_) | Step::Clear => self.set_heard(heard),
            Step::Show(why, tries) => self.show_heard(why, tries, heard),
            Step::Schedule(mut part) => match part.heard(heard) {
                Progress::GoOn => self.todo.push_front(Step::Schedule(part)),
                Progress::NotKept => {
                    self.kept = None;
                    self.give_up(refused(CodeRefusal::BadSchedule));
                }
                Progress::Silent => self.give_up(silent()),
            },
            Step::Recheck(mut part) => match part.heard(heard) {
                Progress::GoOn => self.todo.push_front(Step::Recheck(part)),
                Progress::NotKept => {
                    // The code is valid without its restriction: it goes at once.
                    self.kept = None;
                    self.end = refused(CodeRefusal::BadSchedule);
                    self.found.scheduled = None;
                    self.todo = [Step::Clear, Step::Show(Show::Report, 0), Step::Tell].into();
                }
                Progress::Silent => self.give_up(silent()),
            },
            Step::Unschedule(mut part) => {
                if part.heard(heard) == Progress::GoOn {
                    self.todo.push_front(Step::Unschedule(part));
                }
            }
            Step::ReadSchedule(mut part) => match part.heard(heard) {
                Progress::GoOn | Progress::NotKept => self.todo.push_front(Step::ReadSchedule(part)),
                Progress::Silent => self.give_up(silent()),
            },
        }
    }

    /// Nothing more is written; what is known of the slot is told.
    fn give_up(&mut self, end: CodeTaskEnd) {
        self.end = end;
        self.todo.clear();
        if self.slot > 0 {
            self.todo.push_back(Step::Show(Show::Report, 0));
            self.todo.push_back(Step::Tell);
        }
    }

    fn checksum_heard(&mut self, known: Option<CodeChecksum>, heard: Heard<'_>) {
        let Heard::Answer(cc::Command::UserCode(Command::ChecksumReport(value))) = heard else {
            return;
        };
        let value = checksum(*value);
        self.new_checksum = Some(value);
        if known == Some(value) {
            self.todo.clear();
        }
    }

    fn several_heard(&mut self, from: u16, heard: Heard<'_>) {
        let Heard::Answer(cc::Command::UserCode(Command::ExtendedReport(report))) = heard else {
            // A lock that does not know the command, or does not answer it, is asked in the old way.
            if from == 1 && self.facts.pins <= SHORT_USERS_MAX {
                self.todo.push_front(Step::Each(1));
            } else {
                self.end = silent();
                self.todo.clear();
                self.new_checksum = None;
            }
            return;
        };
        self.take_several(report);
        let next = report.next_user;
        // Only forwards: an answer cannot hold us for ever.
        if next > from && next <= self.facts.pins {
            self.todo.push_front(Step::From(next));
        }
    }

    fn take_several(&mut self, report: &ExtendedReport) {
        for code in &report.codes {
            self.occupied(code.user, content(code.status, &code.code));
        }
    }

    fn occupied(&mut self, slot: u16, content: SlotContent) {
        if content.is_occupied()
            && let Some(slot) = CodeSlot::new(slot)
        {
            self.found
                .reports
                .push(slot_report(SlotKey::pin(slot), content, None));
        }
    }

    fn each_heard(&mut self, slot: u16, heard: Heard<'_>) {
        match heard {
            Heard::Answer(cc::Command::UserCode(Command::Report(report)))
                if u16::from(report.user) == slot =>
            {
                self.occupied(slot, content(report.status, &report.code));
            }
            // The answer to an earlier question, or none: this slot is not known, so neither is the whole.
            Heard::Answer(_) | Heard::Silent => {
                self.end = silent();
                self.todo.clear();
                self.new_checksum = None;
                return;
            }
            Heard::Taken | Heard::Refused | Heard::NotKnown | Heard::TimeOver => {}
        }
        if slot < self.facts.pins.min(SHORT_USERS_MAX) {
            self.todo.push_front(Step::Each(slot + 1));
        }
    }

    /// The whole was read: its checksum belongs to it.
    fn finish_reading(&mut self) {
        if let Some(value) = self.new_checksum.take() {
            self.found.reports.push(CodeReport::Checksum(value));
        }
    }

    fn set_heard(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Taken | Heard::Answer(_) => {}
            Heard::Refused => self.give_up(refused_because(
                "the lock did not take the code: it may be too simple for it, or in use already",
            )),
            Heard::NotKnown => self.give_up(refused(CodeRefusal::NotSupported)),
            Heard::Silent | Heard::TimeOver => self.give_up(silent()),
        }
    }

    fn show_heard(&mut self, why: Show, tries: usize, heard: Heard<'_>) {
        let seen = match heard {
            Heard::Answer(cc::Command::UserCode(Command::Report(report)))
                if u16::from(report.user) == self.slot =>
            {
                Some(content(report.status, &report.code))
            }
            Heard::Answer(cc::Command::UserCode(Command::ExtendedReport(report))) => report
                .codes
                .iter()
                .find(|code| code.user == self.slot)
                .map(|code| content(code.status, &code.code)),
            Heard::Answer(_)
            | Heard::Taken
            | Heard::Refused
            | Heard::NotKnown
            | Heard::Silent
            | Heard::TimeOver => None,
        };
        let again = tries + 1 < READ_BACK_PAUSES.len();
        let Some(seen) = seen else {
            if again {
                self.todo.push_front(Step::Show(why, tries + 1));
            } else {
                self.unseen();
            }
            return;
        };
        self.seen = match (why, seen) {
            // No such user has no code either.
            (Show::Cleared, SlotContent::Unknown) => SlotContent::Empty,
            (_, seen) => seen,
        };
        if why == Show::Before {
            return self.seen_before();
        }
        let as_it_should = match why {
            Show::Before | Show::Report => true,
            Show::Written => self
                .wish
                .as_ref()
                .is_none_or(|wish| is_as_wished(&self.seen, wish) != Some(false) && is_enabled(&self.seen)),
            Show::Cleared => !self.seen.is_occupied(),
        };
        if as_it_should {
            return;
        }
        if again {
            self.todo.push_front(Step::Show(why, tries + 1));
            return;
        }
        self.end = refused_because(match (why, self.seen.is_occupied()) {
            (Show::Cleared, _) => "the lock said that it cleared the slot and still holds a code there",
            (_, true) => "the lock holds another code in the slot than the one that it took",
            (_, false) => "the lock took the code and did not keep it",
        });
        self.todo = [Step::Tell].into();
    }

    /// The slot was read before it is written.
    fn seen_before(&mut self) {
        if self
            .wish
            .as_ref()
            .is_some_and(|wish| !wish.may_replace(&self.seen))
        {
            self.end = occupied_meanwhile();
            self.kept = None;
            self.todo = [Step::Tell].into();
        } else if let Some(slot) = CodeSlot::new(self.slot) {
            self.found.reports.push(CodeReport::Found {
                key: SlotKey::pin(slot),
                content: self.seen.clone(),
            });
        }
    }

    /// The lock does not say what it holds.
    fn unseen(&mut self) {
        self.seen = SlotContent::Unknown;
        self.todo.clear();
        if self.end == CodeTaskEnd::Done {
            self.end = no_answer("the lock does not say what the slot holds");
        }
    }

    fn tell(&mut self) {
        if self.duplicate && self.end != CodeTaskEnd::Done {
            self.end = refused(CodeRefusal::Duplicate);
        }
        let Some(slot) = CodeSlot::new(self.slot).filter(|_| self.seen != SlotContent::Unknown) else {
            if self.end == CodeTaskEnd::Done {
                self.end = refused(CodeRefusal::NoSuchSlot);
            }
            return;
        };
        let seen = std::mem::take(&mut self.seen);
        let schedule = self.kept.take();
        self.found
            .reports
            .push(slot_report(SlotKey::pin(slot), seen, schedule));
    }

    /// A lock tells by a notification that a code is in use already.
    pub(super) fn overheard(&mut self, command: &cc::Command) {
        if super::changes::is_duplicate(command) {
            self.duplicate = true;
        }
    }
}

fn ask_for(slot: u16) -> Ask {
    match u8::try_from(slot) {
        Ok(user) => Ask::get(Command::Get(user), REPORT),
        Err(_) => Ask::get(
            Command::ExtendedGet(ExtendedGet {
                user: slot,
                report_more: false,
            }),
            EXTENDED_REPORT,
        ),
    }
}

const fn is_enabled(content: &SlotContent) -> bool {
    match content {
        SlotContent::Pin { enabled, .. } | SlotContent::Hidden { enabled } => *enabled,
        SlotContent::Empty | SlotContent::Unknown => false,
    }
}

/// What a status and digits mean. What is no row of digits (asterisks, nothing) is a code that the lock does not show.
pub(crate) fn content(status: UserStatus, code: &SecretBytes) -> SlotContent {
    let enabled = match status {
        UserStatus::Available => return SlotContent::Empty,
        UserStatus::NotAvailable | UserStatus::Other(_) => return SlotContent::Unknown,
        UserStatus::Enabled | UserStatus::PassageMode => true,
        UserStatus::Disabled | UserStatus::Messaging => false,
    };
    pin(code.expose()).map_or(SlotContent::Hidden { enabled }, |pin| SlotContent::Pin {
        pin,
        enabled,
    })
}

/// The PIN in these bytes, if they are one; some locks fill up with zeros or ones.
pub(crate) fn pin(bytes: &[u8]) -> Option<Pin> {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, 0x00 | 0xFF))
        .map_or(0, |last| last + 1);
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    Pin::parse(SecretString::new(text.to_owned())).ok()
}
