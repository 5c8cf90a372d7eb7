//! What a lock with User Credential answers, and what follows from it.

use hubd_model::{
    CodeChecksum, CodeRefusal, CodeReport, CodeTaskEnd, CredentialKind, Over, SlotContent, SlotKey,
};

use super::{CredentialProgram, READ_BACK_PAUSES, Show, Step};
use crate::codes::facts::credential_kind;
use crate::codes::schedule::ScheduleSlots;
use crate::codes::scheduling::Progress;
use crate::codes::user_code::pin;
use crate::codes::{
    Heard, is_as_wished, no_answer, occupied_meanwhile, refused, refused_because, silent, slot_report,
};
use crate::wire::cc;
use crate::wire::cc::user_credential::{
    Command, CredentialPlace, CredentialReport, CredentialReportType, CredentialType, LearnStatus, Modifier,
    UserReport,
};

impl CredentialProgram {
    pub(in crate::codes) fn heard(&mut self, heard: Heard<'_>) {
        let Some(step) = self.todo.pop_front() else { return };
        match step {
            Step::Say(_) | Step::Tell | Step::Free | Step::DeleteUser => {
                if matches!(step, Step::DeleteUser) && heard == Heard::Taken {
                    self.found.scheduled = Some((self.user, ScheduleSlots::default()));
                }
            }
            Step::AllUsersChecksum(known) => {
                if let Heard::Answer(cc::Command::UserCredential(Command::AllUsersChecksumReport(value))) =
                    heard
                {
                    self.summed(known, u32::from(*value));
                }
            }
            Step::KindChecksum(known, kinds) => self.kind_summed(known, kinds, heard),
            Step::Credentials(credential, slot) => self.credential_heard((credential, slot), heard),
            Step::Users(from) => self.user_heard(from, heard),
            Step::LookUser => match user_in(heard, self.user) {
                Some(report) => {
                    self.known = exists(report.modifier).then(|| report.details.clone());
                }
                None => self.give_up(silent()),
            },
            Step::PutUser(active) => self.user_put(active, heard),
            Step::Show(why, tries) => self.show_heard(why, tries, heard),
            Step::Put | Step::Delete => self.put_heard(heard),
            Step::LookOthers => {
                // A user that has more, or of whom nobody knows, stays.
                let none = credential_in(heard).is_some_and(|report| !is_there(report));
                if !none {
                    self.owner = None;
                }
            }
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
                // The user is inactive still: the code opens nothing.
                Progress::NotKept => {
                    self.kept = None;
                    self.end = refused(CodeRefusal::BadSchedule);
                    self.todo = [
                        Step::Delete,
                        Step::Show(Show::Report, 0),
                        Step::ShowUser,
                        Step::Tell,
                    ]
                    .into();
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
            Step::ShowUser => self.owner_heard(heard),
            Step::PutName => match heard {
                Heard::Taken | Heard::Answer(_) => {}
                Heard::Refused => self.leave(refused_because("the lock does not take this name")),
                Heard::NotKnown => self.leave(refused(CodeRefusal::NotSupported)),
                Heard::Silent | Heard::TimeOver => self.leave(silent()),
            },
            Step::ShowName => match user_in(heard, self.user) {
                None => self.leave(silent()),
                Some(report) => {
                    let wanted = self.named().map(|details| details.name);
                    if wanted.as_ref() != Some(&report.details.name) {
                        self.leave(refused_because("the lock took the name and keeps another one"));
                    }
                }
            },
            Step::Learn => match heard {
                Heard::Taken | Heard::Answer(_) => {}
                Heard::Refused => {
                    self.give_up(refused_because("the lock does not read in a tag or finger now"));
                }
                Heard::NotKnown => self.give_up(refused(CodeRefusal::NotSupported)),
                Heard::Silent | Heard::TimeOver => self.give_up(silent()),
            },
            Step::Await(_) => {
                self.learnt.get_or_insert(LearnStatus::Timeout);
                self.learning_over();
            }
        }
    }

    /// Nothing more is written; what is known of the slot is told.
    fn give_up(&mut self, end: CodeTaskEnd) {
        self.end = end;
        self.todo.clear();
        self.credentials.clear();
        self.checksum = None;
        if self.key.is_some() {
            self.todo = [Step::Show(Show::Report, 0), Step::ShowUser, Step::Tell].into();
        }
    }

    /// Nothing more is said, and nothing was found out about the slot.
    fn leave(&mut self, end: CodeTaskEnd) {
        self.end = end;
        self.todo.clear();
    }

    fn summed(&mut self, known: Option<CodeChecksum>, value: u32) {
        let value = CodeChecksum(value);
        self.checksum = Some(value);
        if known == Some(value) {
            self.todo.clear();
        }
    }

    fn kind_summed(&mut self, known: Option<CodeChecksum>, mut kinds: Vec<CredentialKind>, heard: Heard<'_>) {
        let Heard::Answer(cc::Command::UserCredential(Command::CredentialChecksumReport(report))) = heard
        else {
            return;
        };
        // Each kind's sum moves the whole by itself.
        self.sum = self.sum.rotate_left(11) ^ u32::from(report.checksum);
        kinds.pop();
        if kinds.is_empty() {
            self.summed(known, self.sum);
        } else {
            self.todo.push_front(Step::KindChecksum(known, kinds));
        }
    }

    fn credential_heard(&mut self, from: (CredentialType, u16), heard: Heard<'_>) {
        let Some(report) = credential_in(heard) else {
            self.give_up(silent());
            return;
        };
        if is_there(report)
            && let Some(key) = key_of(report.place)
        {
            self.credentials
                .push((key, report.place.user, content(report, true)));
        }
        let next = (report.next_credential, report.next_slot);
        // Only forwards: an answer cannot hold us for ever.
        if next > from && next.1 > 0 {
            self.todo.push_front(Step::Credentials(next.0, next.1));
        } else if !self.credentials.is_empty() {
            self.todo.push_front(Step::Users(0));
        }
    }

    fn user_heard(&mut self, from: u16, heard: Heard<'_>) {
        let Heard::Answer(cc::Command::UserCredential(Command::UserReport(report))) = heard else {
            self.give_up(silent());
            return;
        };
        self.active.insert(report.user, report.details.active);
        if report.next_user > from && report.next_user > report.user {
            self.todo.push_front(Step::Users(report.next_user));
        }
    }

    /// The whole was read: what was found, and the checksum that belongs to it.
    pub(super) fn finish_reading(&mut self) {
        for (key, user, mut content) in std::mem::take(&mut self.credentials) {
            set_enabled(&mut content, self.active.get(&user).copied().unwrap_or(true));
            self.found.reports.push(slot_report(key, content, None));
        }
        if let Some(value) = self.checksum.take().filter(|_| self.end == CodeTaskEnd::Done) {
            self.found.reports.push(CodeReport::Checksum(value));
        }
    }

    fn user_put(&mut self, active: bool, heard: Heard<'_>) {
        match heard {
            Heard::Taken | Heard::Answer(_) => {
                self.known = Some(self.details(active));
            }
            Heard::Refused => self.give_up(refused_because("the lock does not take a user for this slot")),
            Heard::NotKnown => self.give_up(refused(CodeRefusal::NotSupported)),
            Heard::Silent | Heard::TimeOver => self.give_up(silent()),
        }
    }

    fn put_heard(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Taken | Heard::Answer(_) => {}
            Heard::Refused => self.give_up(refused_because(
                "the lock did not take the change: the code may be too simple for it, or in use already",
            )),
            Heard::NotKnown => self.give_up(refused(CodeRefusal::NotSupported)),
            Heard::Silent | Heard::TimeOver => self.give_up(silent()),
        }
    }

    fn show_heard(&mut self, why: Show, tries: usize, heard: Heard<'_>) {
        let again = tries + 1 < READ_BACK_PAUSES.len();
        let here = |report: &&CredentialReport| {
            key_of(report.place) == self.key || (!is_there(report) && report.place.slot == 0)
        };
        let Some(report) = credential_in(heard).filter(here) else {
            if again {
                self.todo.push_front(Step::Show(why, tries + 1));
            } else {
                self.unseen();
            }
            return;
        };
        // After a clearing the owner stays known: it decides whether the user goes, too.
        if why != Show::Cleared {
            self.owner = is_there(report).then_some(report.place.user);
        }
        self.seen = if is_there(report) {
            content(report, true)
        } else {
            SlotContent::Empty
        };
        if why == Show::Before {
            return self.seen_before();
        }
        let as_it_should = match why {
            Show::Owner | Show::Before | Show::Report => true,
            Show::Written => self
                .wish
                .as_ref()
                .is_none_or(|wish| is_as_wished(&self.seen, wish) != Some(false)),
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
        self.todo = [Step::ShowUser, Step::Tell].into();
    }

    /// The slot was read before it is written, or before the lock learns.
    fn seen_before(&mut self) {
        let stays = match &self.wish {
            Some(wish) => !wish.may_replace(&self.seen),
            None => self.seen.is_occupied() && self.learns_over == Over::Nothing,
        };
        if stays {
            self.end = occupied_meanwhile();
            self.shall_open = false;
            self.kept = None;
            self.todo = [Step::ShowUser, Step::Tell].into();
        } else if let (Some(key), Some(_)) = (self.key, &self.wish) {
            let content = self.seen.clone();
            self.found.reports.push(CodeReport::Found { key, content });
        }
    }

    fn owner_heard(&mut self, heard: Heard<'_>) {
        let owner = self.owner.unwrap_or_default();
        let Some(report) = user_in(heard, owner) else {
            if self.end == CodeTaskEnd::Done {
                self.unseen();
            }
            return;
        };
        let active = exists(report.modifier) && report.details.active;
        set_enabled(&mut self.seen, active);
        if self.shall_open && !active && self.end == CodeTaskEnd::Done {
            self.end = refused_because("the lock keeps the code and does not let its user in");
        }
    }

    fn unseen(&mut self) {
        self.seen = SlotContent::Unknown;
        self.todo.clear();
        if self.end == CodeTaskEnd::Done {
            self.end = no_answer("the lock does not say what the slot holds");
        }
    }

    pub(super) fn tell(&mut self) {
        if self.end != CodeTaskEnd::Done
            && let Some(refusal) = self.refusal.take()
        {
            self.end = refused(refusal);
        }
        let Some(key) = self.key.filter(|_| self.seen != SlotContent::Unknown) else {
            return;
        };
        let seen = std::mem::take(&mut self.seen);
        let schedule = self.kept.take();
        self.found.reports.push(slot_report(key, seen, schedule));
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few of the many commands tell of credentials"
    )]
    /// What the lock says by itself while the programme runs. Says whether a wait is over by it.
    pub(in crate::codes) fn overheard(&mut self, command: &cc::Command) -> bool {
        match command {
            cc::Command::UserCredential(Command::CredentialReport(report)) => {
                if key_of(report.place) == self.key {
                    self.refused_by(report.report_type);
                }
                false
            }
            cc::Command::UserCredential(Command::LearnReport(report)) => {
                let last = match report.status {
                    LearnStatus::Started | LearnStatus::StepRetry => false,
                    LearnStatus::Success => report.steps_remaining == 0,
                    LearnStatus::AlreadyInProgress
                    | LearnStatus::Ended
                    | LearnStatus::Timeout
                    | LearnStatus::InvalidAdd
                    | LearnStatus::InvalidModify
                    | LearnStatus::Other(_) => true,
                };
                if last {
                    self.learnt = Some(report.status);
                }
                last && matches!(self.todo.front(), Some(Step::Await(_)))
            }
            _ => false,
        }
    }

    fn refused_by(&mut self, why: CredentialReportType) {
        let refusal = match why {
            CredentialReportType::Duplicate | CredentialReportType::DuplicateAdminCode => {
                CodeRefusal::Duplicate
            }
            CredentialReportType::ManufacturerSecurityRules => CodeRefusal::BadPin,
            CredentialReportType::WrongUser => {
                CodeRefusal::Other("the lock says that the slot is another user's".to_owned())
            }
            CredentialReportType::AddRejectedOccupied | CredentialReportType::ModifyRejectedEmpty => {
                CodeRefusal::Other("the slot changed while it was written; it is read again".to_owned())
            }
            CredentialReportType::Added
            | CredentialReportType::Modified
            | CredentialReportType::Deleted
            | CredentialReportType::Unchanged
            | CredentialReportType::ResponseToGet
            | CredentialReportType::Other(_) => return,
        };
        self.refusal = Some(refusal);
    }

    pub(super) fn learning_over(&mut self) {
        match self.learnt.unwrap_or(LearnStatus::Timeout) {
            LearnStatus::Success => {}
            LearnStatus::Timeout => {
                self.give_up(refused_because("nobody held a tag or finger to the lock in time"));
                self.todo.push_front(Step::Say(Command::LearnCancel.into()));
            }
            LearnStatus::AlreadyInProgress => {
                self.give_up(refused_because("the lock reads in another tag or finger already"));
            }
            LearnStatus::Started
            | LearnStatus::Ended
            | LearnStatus::StepRetry
            | LearnStatus::InvalidAdd
            | LearnStatus::InvalidModify
            | LearnStatus::Other(_) => {
                self.give_up(refused_because("the lock stopped reading in the tag or finger"));
            }
        }
    }
}

fn credential_in(heard: Heard<'_>) -> Option<&CredentialReport> {
    match heard {
        Heard::Answer(cc::Command::UserCredential(Command::CredentialReport(report))) => Some(report),
        Heard::Answer(_)
        | Heard::Taken
        | Heard::Refused
        | Heard::NotKnown
        | Heard::Silent
        | Heard::TimeOver => None,
    }
}

fn user_in(heard: Heard<'_>, user: u16) -> Option<&UserReport> {
    match heard {
        Heard::Answer(cc::Command::UserCredential(Command::UserReport(report))) if report.user == user => {
            Some(report)
        }
        Heard::Answer(_)
        | Heard::Taken
        | Heard::Refused
        | Heard::NotKnown
        | Heard::Silent
        | Heard::TimeOver => None,
    }
}

const fn exists(modifier: Modifier) -> bool {
    !matches!(modifier, Modifier::DoesNotExist)
}

/// Whether the report is about a credential that the lock keeps.
fn is_there(report: &CredentialReport) -> bool {
    exists(report.modifier) && report.place.slot > 0 && report.place.user > 0
}

fn key_of(place: CredentialPlace) -> Option<SlotKey> {
    let kind = credential_kind(place.credential)?;
    let slot = hubd_model::CodeSlot::new(place.slot)?;
    Some(SlotKey { kind, slot })
}

fn content(report: &CredentialReport, enabled: bool) -> SlotContent {
    let shown = report.read_back && report.place.credential == CredentialType::Pin;
    match pin(report.data.expose()).filter(|_| shown) {
        Some(pin) => SlotContent::Pin { pin, enabled },
        None => SlotContent::Hidden { enabled },
    }
}

fn set_enabled(content: &mut SlotContent, is: bool) {
    match content {
        SlotContent::Pin { enabled, .. } | SlotContent::Hidden { enabled } => *enabled = is,
        SlotContent::Unknown | SlotContent::Empty => {}
    }
}
