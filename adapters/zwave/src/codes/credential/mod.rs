//! The programmes for a lock with User Credential.
//!
//! ```text
//!   read all   checksum known ─▶ over; else every credential ─▶ every user (who is active)
//!   write      the user and the slot as they are, and no further where another's code is to stay ─▶
//!              without a schedule: user active ─▶ credential ─▶ read back ─▶ old schedules away ─▶ user read back
//!              with one: user inactive ─▶ schedule ─▶ credential ─▶ read back ─▶ schedule read back again ─▶
//!                        user active ─▶ user read back
//!   clear      credential away ─▶ read back ─▶ a user without any other credential goes, too
//!   enrol      as write up to there ─▶ user ─▶ the lock reads a tag or finger in ─▶ read back
//!   name       the user and the slot as they are ─▶ the user with another name ─▶ user read back
//! ```
//!
//! A slot that another user has is taken from that user first: the mind orders nothing about a slot that is not ours.
//!
//! Spec: CC:0083, versions 1 and 2

mod hearing;

use std::collections::{BTreeMap, VecDeque};

use hubd_model::{
    CodeChecksum, CodeRefusal, CodeTask, CodeTaskEnd, CredentialKind, LockSchedule, Millis, Over,
    SecretBytes, SlotContent, SlotKey, SlotWish,
};

use crate::codes::facts::{CredentialFacts, LockFacts, credential_type};
use crate::codes::schedule::{Entry, Kind, ScheduleSlots, schedule};
use crate::codes::scheduling::Scheduling;
use crate::codes::{Ask, Found, Next, refused_because};
use crate::wire::cc::user_credential::{
    Command, CredentialPlace, CredentialSet, CredentialType, LearnStart, LearnStatus, NAME_ASCII, Operation,
    RULE_SINGLE, UserDetails, UserSet, UserType,
};
use crate::wire::cc::{self, class};

const USER_REPORT: (u8, u8) = (class::USER_CREDENTIAL, 0x07);
const CREDENTIAL_REPORT: (u8, u8) = (class::USER_CREDENTIAL, 0x0C);
const ALL_USERS_CHECKSUM: (u8, u8) = (class::USER_CREDENTIAL, 0x15);
const CREDENTIAL_CHECKSUM: (u8, u8) = (class::USER_CREDENTIAL, 0x19);
/// The pauses before a slot is read back again that is not yet as it should be.
const READ_BACK_PAUSES: [Millis; 3] = [Millis(0), Millis(700), Millis(2_500)];
/// How long somebody has at least to hold a tag or finger to the lock, for each step.
const LEARN_SECONDS_MIN: u8 = 15;
/// And at most, all steps together.
const LEARN_WAIT_MAX: Millis = Millis::from_secs(120);
/// How long after that the lock may take to say that nobody came.
const LEARN_MARGIN: Millis = Millis::from_secs(3);

/// Why a slot is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// To know whose it is.
    Owner,
    /// To know whose it is, and that it may be written or learnt into.
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
    AllUsersChecksum(Option<CodeChecksum>),
    KindChecksum(Option<CodeChecksum>, Vec<CredentialKind>),
    Credentials(CredentialType, u16),
    Users(u16),
    LookUser,
    /// The user shall be there, active or not.
    PutUser(bool),
    Show(Show, usize),
    /// The slot is taken from another user.
    Free,
    Put,
    Delete,
    /// Whether the user has other credentials.
    LookOthers,
    DeleteUser,
    Schedule(Scheduling),
    Recheck(Scheduling),
    Unschedule(Scheduling),
    ReadSchedule(Scheduling),
    /// Whether the slot's user is active.
    ShowUser,
    /// The user gets its name and stays as it is otherwise.
    PutName,
    /// Whether it has it.
    ShowName,
    Learn,
    Await(Millis),
    Tell,
}

#[derive(Debug)]
pub(crate) struct CredentialProgram {
    facts: LockFacts,
    own: CredentialFacts,
    key: Option<SlotKey>,
    /// The user to whom the slot belongs.
    user: u16,
    wish: Option<SlotWish>,
    /// What a tag or finger may take the place of.
    learns_over: Over,
    /// The name that the user shall get.
    name: Option<String>,
    todo: VecDeque<Step>,
    end: CodeTaskEnd,
    /// The user as the lock has it.
    known: Option<UserDetails>,
    /// Whose the slot is now.
    owner: Option<u16>,
    /// The slot shall be the user's and its user active.
    shall_open: bool,
    seen: SlotContent,
    kept: Option<LockSchedule>,
    /// Why the lock refused, as its own report said.
    refusal: Option<CodeRefusal>,
    learnt: Option<LearnStatus>,
    checksum: Option<CodeChecksum>,
    sum: u32,
    credentials: Vec<(SlotKey, u16, SlotContent)>,
    active: BTreeMap<u16, bool>,
    pub(in crate::codes) found: Found,
}

impl CredentialProgram {
    pub(in crate::codes) fn new(
        facts: LockFacts,
        own: CredentialFacts,
        task: &CodeTask,
        used: Option<ScheduleSlots>,
        clock: Vec<cc::Command>,
    ) -> Result<Self, CodeRefusal> {
        let key = task.key();
        let user = key.map_or(0, |key| facts.user(key.kind, key.slot.number()));
        let mut program = Self {
            facts,
            own,
            key,
            user,
            wish: None,
            learns_over: Over::Nothing,
            name: None,
            todo: VecDeque::new(),
            end: CodeTaskEnd::Done,
            known: None,
            owner: None,
            shall_open: false,
            seen: SlotContent::Unknown,
            kept: None,
            refusal: None,
            learnt: None,
            checksum: None,
            sum: 0,
            credentials: Vec::new(),
            active: BTreeMap::new(),
            found: Found::default(),
        };
        match task {
            CodeTask::ReadAll { known } => program.plan_read_all(*known),
            CodeTask::Read(_) => {
                program.todo = [Step::Show(Show::Report, 0), Step::ShowUser].into();
                if let Some((dialect, slots)) = program.facts.schedules {
                    let reading = Scheduling::read(dialect, user, slots);
                    program.todo.push_back(Step::ReadSchedule(reading));
                }
                program.todo.push_back(Step::Tell);
            }
            CodeTask::Write { wish, .. } => program.plan_write(wish.clone(), used, clock)?,
            CodeTask::Clear(_) => {
                program.todo = [
                    Step::Show(Show::Owner, 0),
                    Step::Delete,
                    Step::Show(Show::Cleared, 0),
                    Step::LookOthers,
                    Step::DeleteUser,
                    Step::Tell,
                ]
                .into();
            }
            CodeTask::Enrol { key, over } => {
                program.learns_over = *over;
                program.plan_enrol(*key)?;
            }
            CodeTask::Name { name, .. } => {
                program.name = Some(name.clone());
                program.todo = [
                    Step::LookUser,
                    Step::Show(Show::Owner, 0),
                    Step::PutName,
                    Step::ShowName,
                ]
                .into();
            }
        }
        Ok(program)
    }

    fn plan_read_all(&mut self, known: Option<CodeChecksum>) {
        if self.own.users.checksum {
            self.todo.push_back(Step::AllUsersChecksum(known));
        } else if self.own.rooms.checksum {
            let kinds = [
                CredentialKind::Fingerprint,
                CredentialKind::Rfid,
                CredentialKind::Pin,
            ];
            let kept = kinds
                .into_iter()
                .filter(|kind| self.own.room(*kind).is_some_and(|room| room.slots > 0));
            self.todo.push_back(Step::KindChecksum(known, kept.collect()));
        }
        self.todo.push_back(Step::Credentials(CredentialType::None, 0));
    }

    fn plan_write(
        &mut self,
        wish: SlotWish,
        used: Option<ScheduleSlots>,
        clock: Vec<cc::Command>,
    ) -> Result<(), CodeRefusal> {
        let wanted = wish.schedule.clone();
        self.wish = Some(wish);
        self.shall_open = true;
        self.todo = [Step::LookUser, Step::Show(Show::Before, 0), Step::Free].into();
        if wanted.is_none() {
            self.todo
                .extend([Step::PutUser(true), Step::Put, Step::Show(Show::Written, 0)]);
            if let Some((dialect, slots)) = self.facts.schedules {
                // The old schedule goes last: till then the new code is at most too narrow.
                let clearing = Scheduling::clear(dialect, self.user, slots, used);
                self.todo.push_back(Step::Unschedule(clearing));
            }
            self.todo.extend([Step::ShowUser, Step::Tell]);
            return Ok(());
        }
        let (dialect, kind, entries) = self.facts.entries(&wanted).ok_or(CodeRefusal::BadSchedule)?;
        let slots = self.facts.schedules.map(|(_, slots)| slots).unwrap_or_default();
        let written: (Kind, &[Entry]) = (kind, &entries);
        self.kept = Some(wanted);
        self.todo.extend(clock.into_iter().map(Step::Say));
        let writing = Scheduling::write(dialect, self.user, slots, written, used);
        let again = Scheduling::check(dialect, self.user, slots, written);
        self.todo.extend([
            Step::PutUser(false),
            Step::Schedule(writing),
            Step::Put,
            Step::Show(Show::Written, 0),
            Step::Recheck(again),
            Step::PutUser(true),
            Step::ShowUser,
            Step::Tell,
        ]);
        Ok(())
    }

    fn plan_enrol(&mut self, key: SlotKey) -> Result<(), CodeRefusal> {
        let room = self.own.room(key.kind).filter(|room| room.learns);
        let room = room.ok_or(CodeRefusal::NotSupported)?;
        let seconds =
            u64::from(room.learn_seconds.max(LEARN_SECONDS_MIN)) * u64::from(room.learn_steps.max(1));
        let wait = Millis::from_secs(seconds).min(LEARN_WAIT_MAX);
        self.todo = [
            Step::LookUser,
            Step::Show(Show::Before, 0),
            Step::Free,
            Step::PutUser(true),
            Step::Learn,
            Step::Await(Millis(wait.0 + LEARN_MARGIN.0)),
            Step::Show(Show::Report, 0),
            Step::ShowUser,
            Step::Tell,
        ]
        .into();
        Ok(())
    }

    pub(in crate::codes) fn next(&mut self) -> Next {
        loop {
            if self.todo.is_empty() {
                self.finish_reading();
                return Next::End(self.end.clone());
            }
            if let Some(Step::Await(wait)) = self.todo.front() {
                if self.learnt.is_none() {
                    return Next::Wait(*wait);
                }
                self.todo.pop_front();
                self.learning_over();
                continue;
            }
            match self.ask() {
                Some(ask) => return Next::Ask(ask),
                None => self.step_over(),
            }
        }
    }

    fn ask(&self) -> Option<Ask> {
        let place = |user| self.place(user);
        match self.todo.front()? {
            Step::Say(command) => Some(Ask::set(command.clone())),
            Step::AllUsersChecksum(_) => Some(Ask::get(Command::AllUsersChecksumGet, ALL_USERS_CHECKSUM)),
            Step::KindChecksum(_, kinds) => kinds.last().map(|kind| {
                Ask::get(
                    Command::CredentialChecksumGet(credential_type(*kind)),
                    CREDENTIAL_CHECKSUM,
                )
            }),
            Step::Credentials(credential, slot) => {
                let place = CredentialPlace {
                    user: 0,
                    credential: *credential,
                    slot: *slot,
                };
                Some(Ask::get(Command::CredentialGet(place), CREDENTIAL_REPORT))
            }
            Step::Users(user) => Some(Ask::get(Command::UserGet(*user), USER_REPORT)),
            Step::LookUser => Some(Ask::get(Command::UserGet(self.user), USER_REPORT)),
            Step::PutUser(active) => self.put_user(*active),
            Step::Show(_, tries) => {
                let pause = READ_BACK_PAUSES.get(*tries).copied().unwrap_or_default();
                Some(Ask::get(Command::CredentialGet(place(0)?), CREDENTIAL_REPORT).after(pause))
            }
            Step::Free => {
                let owner = self.owner.filter(|owner| *owner != self.user)?;
                Some(self.delete(owner))
            }
            Step::Put => self.put(),
            Step::Delete => self.owner.map(|owner| self.delete(owner)),
            Step::LookOthers => self.leaves_a_user().then(|| {
                let any = CredentialPlace {
                    user: self.user,
                    credential: CredentialType::None,
                    slot: 0,
                };
                Ask::get(Command::CredentialGet(any), CREDENTIAL_REPORT)
            }),
            Step::DeleteUser => self.leaves_a_user().then(|| {
                Ask::set(Command::UserSet(UserSet {
                    operation: Operation::Delete,
                    user: self.user,
                    details: None,
                }))
            }),
            Step::Schedule(part)
            | Step::Recheck(part)
            | Step::Unschedule(part)
            | Step::ReadSchedule(part) => part.next(),
            Step::ShowUser => self
                .owner
                .map(|owner| Ask::get(Command::UserGet(owner), USER_REPORT)),
            Step::Learn => {
                let (operation, place) = (self.operation(), place(self.user)?);
                let room = self.key.and_then(|key| self.own.room(key.kind));
                Some(Ask::set(Command::LearnStart(LearnStart {
                    place,
                    operation,
                    timeout_seconds: room.map_or(0, |room| room.learn_seconds),
                })))
            }
            Step::PutName => self.put_name(),
            Step::ShowName => self
                .named()
                .is_some()
                .then(|| Ask::get(Command::UserGet(self.user), USER_REPORT)),
            Step::Await(_) | Step::Tell => None,
        }
    }

    fn place(&self, user: u16) -> Option<CredentialPlace> {
        let key = self.key?;
        Some(CredentialPlace {
            user,
            credential: credential_type(key.kind),
            slot: key.slot.number(),
        })
    }

    /// Adding where nothing is ours, changing where something is.
    fn operation(&self) -> Operation {
        if self.owner == Some(self.user) {
            Operation::Modify
        } else {
            Operation::Add
        }
    }

    /// The user was there for the slot alone, which was just emptied.
    fn leaves_a_user(&self) -> bool {
        self.end == CodeTaskEnd::Done && self.owner == Some(self.user) && !self.seen.is_occupied()
    }

    fn delete(&self, owner: u16) -> Ask {
        let place = self.place(owner).unwrap_or(CredentialPlace {
            user: owner,
            credential: CredentialType::None,
            slot: 0,
        });
        Ask::set(Command::CredentialSet(CredentialSet {
            place,
            operation: Operation::Delete,
            data: None,
        }))
    }

    fn put(&self) -> Option<Ask> {
        let wish = self.wish.as_ref()?;
        Some(Ask::set(Command::CredentialSet(CredentialSet {
            place: self.place(self.user)?,
            operation: self.operation(),
            data: Some(SecretBytes::new(wish.pin.expose().as_bytes().to_vec())),
        })))
    }

    /// The user as it shall be.
    fn details(&self, active: bool) -> UserDetails {
        let name = match (&self.wish, &self.known) {
            (Some(wish), _) => shortened(&wish.name, self.own.users.name_bytes_max),
            (None, Some(known)) => known.name.clone(),
            (None, None) => Vec::new(),
        };
        UserDetails {
            user_type: UserType::General,
            active,
            rule: RULE_SINGLE,
            expiring_minutes: 0,
            name_encoding: NAME_ASCII,
            name,
        }
    }

    /// The command that makes the user so; `None` when it is so.
    fn put_user(&self, active: bool) -> Option<Ask> {
        let details = self.details(active);
        let operation = match &self.known {
            Some(known) if is_the_same(known, &details) => return None,
            Some(_) => Operation::Modify,
            None => Operation::Add,
        };
        Some(Ask::set(Command::UserSet(UserSet {
            operation,
            user: self.user,
            details: Some(details),
        })))
    }

    /// The user as it is, with the name that it shall have; `None` when it is not ours alone.
    fn named(&self) -> Option<UserDetails> {
        let known = self.known.as_ref()?;
        let name = self.name.as_ref()?;
        (self.owner == Some(self.user)).then(|| UserDetails {
            name_encoding: NAME_ASCII,
            name: shortened(name, self.own.users.name_bytes_max),
            ..known.clone()
        })
    }

    /// The command that gives the user its name; `None` when it has it.
    fn put_name(&self) -> Option<Ask> {
        let details = self.named()?;
        let differs = self
            .known
            .as_ref()
            .is_some_and(|known| known.name != details.name);
        differs.then(|| {
            Ask::set(Command::UserSet(UserSet {
                operation: Operation::Modify,
                user: self.user,
                details: Some(details),
            }))
        })
    }

    fn step_over(&mut self) {
        match self.todo.pop_front() {
            Some(Step::Schedule(part) | Step::Recheck(part)) => {
                self.found.scheduled = Some((self.user, part.used));
            }
            Some(Step::Unschedule(_)) => {
                self.found.scheduled = Some((self.user, ScheduleSlots::default()));
                self.kept = Some(LockSchedule::default());
            }
            Some(Step::ReadSchedule(part)) => {
                self.found.scheduled = Some((self.user, part.used));
                self.kept = Some(schedule(&part.read));
            }
            Some(Step::PutName) if self.owner.is_none() => {
                self.end = refused_because("the slot is empty, so its user has no name");
                self.tell();
            }
            Some(Step::PutName) if self.named().is_none() => {
                self.end = refused_because("the slot is another user's, who keeps the name");
            }
            Some(Step::Tell) => self.tell(),
            Some(_) | None => {}
        }
    }
}

/// Whether the user need not be written.
fn is_the_same(known: &UserDetails, wanted: &UserDetails) -> bool {
    // A lock gives a user without a name one of its own.
    let same_name = known.name == wanted.name || wanted.name.is_empty();
    same_name
        && known.active == wanted.active
        && known.user_type == wanted.user_type
        && known.rule == wanted.rule
}

/// A name in the letters that every lock has, as long as this one takes.
fn shortened(name: &str, bytes_max: u8) -> Vec<u8> {
    name.chars()
        .map(|letter| {
            if letter.is_ascii_graphic() || letter == ' ' {
                letter
            } else {
                '?'
            }
        })
        .take(bytes_max.into())
        .filter_map(|letter| u8::try_from(letter).ok())
        .collect()
}
