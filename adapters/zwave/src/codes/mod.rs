//! What a lock is asked about its codes, as pure programmes: one question at a time, until an end.
//!
//! ```text
//!   CodeTask ─▶ programme ──next──▶ Ask ──▶ a frame, and its answer ──heard──▶ programme ─ ... ─▶ End
//!                              └──▶ Wait (somebody holds a tag to the lock)
//! ```
//!
//! A programme knows no radio and no clock. Each prefix of what it asks is safe: a code with a schedule is not valid
//! before its schedule is there and was read back, so that a programme may break off anywhere.
//!
//! Slots and users: PIN slot `n` of User Code is user `n`. With User Credential, PIN slot `n` belongs to user `n`, tag
//! slot `n` to user `pins + n` and finger slot `n` to user `pins + tags + n`, where `pins` and `tags` are the slots that
//! the lock was said to have. So what one user is (its name, its schedule, whether it is active) never touches another
//! slot. Codes that somebody else wrote are reported by their slots, whoever their user is.

pub(crate) mod changes;
pub(crate) mod credential;
pub mod facts;
pub(crate) mod schedule;
pub(crate) mod scheduling;
pub(crate) mod user_code;

use hubd_model::{
    CodeChecksum, CodeRefusal, CodeReport, CodeTask, CodeTaskEnd, CredentialKind, Millis, SlotContent,
    SlotKey, SlotWish,
};

use crate::wire::cc;

use self::credential::CredentialProgram;
use self::facts::{By, LockFacts};
use self::schedule::ScheduleSlots;
use self::user_code::UserCodeProgram;

/// One thing to say to a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) command: cc::Command,
    /// Class and number of the command that answers it; `None` for a command that is confirmed.
    pub(crate) reply: Option<(u8, u8)>,
    /// How long to wait before it.
    pub(crate) pause: Millis,
}

impl Ask {
    pub(crate) fn get(command: impl Into<cc::Command>, reply: (u8, u8)) -> Self {
        Self {
            command: command.into(),
            reply: Some(reply),
            pause: Millis(0),
        }
    }

    pub(crate) fn set(command: impl Into<cc::Command>) -> Self {
        Self {
            command: command.into(),
            reply: None,
            pause: Millis(0),
        }
    }

    pub(crate) const fn after(mut self, pause: Millis) -> Self {
        self.pause = pause;
        self
    }
}

/// What became of the last thing said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// The command that was asked for.
    Answer(&'a cc::Command),
    /// The lock took it: it said so, or its radio did.
    Taken,
    /// The lock said that it cannot.
    Refused,
    /// The lock said that it does not know the command.
    NotKnown,
    /// The lock's radio has it, and the lock said nothing.
    Silent,
    /// The time that was waited is over.
    TimeOver,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Ask(Ask),
    /// Nothing is said for so long, unless the lock says something first.
    Wait(Millis),
    End(CodeTaskEnd),
}

/// What a programme found out, in order.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) reports: Vec<CodeReport>,
    /// How many entries of schedules the lock keeps for a slot's user now.
    pub(crate) scheduled: Option<(u16, ScheduleSlots)>,
}

/// A task about codes at work.
#[derive(Debug)]
pub(crate) enum Program {
    UserCode(UserCodeProgram),
    Credential(CredentialProgram),
    /// Commands that are said whatever becomes of them: to set a lock's clock.
    Say(Vec<cc::Command>),
}

impl Program {
    /// The programme of a task. `clock` sets the lock's clock before a schedule is written.
    ///
    /// # Errors
    /// When it can be refused without asking the lock.
    pub(crate) fn new(
        facts: &LockFacts,
        task: &CodeTask,
        used: Option<ScheduleSlots>,
        clock: Vec<cc::Command>,
    ) -> Result<Self, CodeRefusal> {
        check(facts, task)?;
        Ok(match &facts.by {
            By::UserCode(own) => Self::UserCode(UserCodeProgram::new(
                facts.clone(),
                own.clone(),
                task,
                used,
                clock,
            )?),
            By::Credential(own) => Self::Credential(CredentialProgram::new(
                facts.clone(),
                own.clone(),
                task,
                used,
                clock,
            )?),
        })
    }

    pub(crate) fn next(&mut self) -> Next {
        match self {
            Self::UserCode(program) => program.next(),
            Self::Credential(program) => program.next(),
            Self::Say(commands) if commands.is_empty() => Next::End(CodeTaskEnd::Done),
            Self::Say(commands) => Next::Ask(Ask::set(commands.remove(0))),
        }
    }

    pub(crate) fn heard(&mut self, heard: Heard<'_>) {
        match self {
            Self::UserCode(program) => program.heard(heard),
            Self::Credential(program) => program.heard(heard),
            Self::Say(_) => {}
        }
    }

    /// The lock said something by itself meanwhile. Says whether a wait is over by it.
    pub(crate) fn overheard(&mut self, command: &cc::Command) -> bool {
        match self {
            Self::UserCode(program) => {
                program.overheard(command);
                false
            }
            Self::Credential(program) => program.overheard(command),
            Self::Say(_) => false,
        }
    }

    pub(crate) fn found(&mut self) -> Found {
        match self {
            Self::UserCode(program) => std::mem::take(&mut program.found),
            Self::Credential(program) => std::mem::take(&mut program.found),
            Self::Say(_) => Found::default(),
        }
    }
}

/// What can be said of a task without asking the lock.
fn check(facts: &LockFacts, task: &CodeTask) -> Result<(), CodeRefusal> {
    let (key, wish) = match task {
        CodeTask::ReadAll { .. } => return Ok(()),
        CodeTask::Read(key) | CodeTask::Clear(key) => (*key, None),
        CodeTask::Write { key, wish } => (*key, Some(wish)),
        CodeTask::Enrol { key, .. } => {
            if key.kind == CredentialKind::Pin {
                return Err(CodeRefusal::NotSupported);
            }
            (*key, None)
        }
        CodeTask::Name { key, .. } => {
            if !matches!(facts.by, By::Credential(_)) {
                return Err(CodeRefusal::NotSupported);
            }
            (*key, None)
        }
    };
    let room = facts.room(key.kind);
    if room == 0 {
        return Err(CodeRefusal::NotSupported);
    }
    // What somebody else wrote beyond our slots can be read and cleared.
    let reach = if wish.is_some() || matches!(task, CodeTask::Enrol { .. } | CodeTask::Name { .. }) {
        room
    } else {
        facts.reach(key.kind)
    };
    if key.slot.number() > reach {
        return Err(CodeRefusal::NoSuchSlot);
    }
    if let Some(wish) = wish {
        if key.kind != CredentialKind::Pin {
            return Err(CodeRefusal::NotSupported);
        }
        if !(facts.digits_min..=facts.digits_max).contains(&wish.pin.digits()) {
            return Err(CodeRefusal::BadPin);
        }
        if !wish.schedule.is_none() && facts.entries(&wish.schedule).is_none() {
            return Err(CodeRefusal::BadSchedule);
        }
    }
    Ok(())
}

/// One sentence for a lock that said nothing.
fn silent() -> CodeTaskEnd {
    no_answer("the lock has the question and does not answer it")
}

/// The end of a programme that was not answered. The host takes `left` back when nothing but questions had left.
fn no_answer(reason: &str) -> CodeTaskEnd {
    CodeTaskEnd::NoAnswer {
        reason: reason.to_owned(),
        left: true,
    }
}

fn refused(reason: CodeRefusal) -> CodeTaskEnd {
    CodeTaskEnd::Refused { reason }
}

fn refused_because(sentence: &str) -> CodeTaskEnd {
    refused(CodeRefusal::Other(sentence.to_owned()))
}

/// How a write or a learning ends whose slot, read just before, holds what somebody else put there meanwhile.
fn occupied_meanwhile() -> CodeTaskEnd {
    refused_because(
        "somebody put a code of their own into the slot meanwhile; it stays, and ours goes into another one",
    )
}

fn slot_report(key: SlotKey, content: SlotContent, schedule: Option<hubd_model::LockSchedule>) -> CodeReport {
    CodeReport::Slot {
        key,
        content,
        schedule,
    }
}

/// Whether what a lock shows is what was written: yes, no, or it does not show it.
fn is_as_wished(content: &SlotContent, wish: &SlotWish) -> Option<bool> {
    match content {
        SlotContent::Pin { pin, .. } => Some(*pin == wish.pin),
        SlotContent::Hidden { .. } => None,
        SlotContent::Empty | SlotContent::Unknown => Some(false),
    }
}

/// A lock's checksum as the mind knows it.
const fn checksum(value: u16) -> CodeChecksum {
    CodeChecksum(value as u32)
}
