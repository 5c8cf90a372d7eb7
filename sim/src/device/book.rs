//! What a simulated lock keeps of codes, whichever class it speaks.

use super::Answer;
use super::codes::{CodeChange, Codes};
use super::credentials::{Credentials, Outcome, PIN, TAG};
use super::lock::{CodesBy, LockConfig};
use super::schedules::Schedules;

#[derive(Debug, Clone)]
pub(crate) enum Book {
    UserCode(Codes),
    UserCredential(Credentials),
}

impl Book {
    pub(crate) fn new(config: &LockConfig) -> Self {
        let faults = config.code_faults;
        let mut book = match config.codes_by {
            CodesBy::UserCode => Self::UserCode(Codes::new(
                config.user_code_version,
                config.slots,
                config.bulk,
                faults,
            )),
            CodesBy::UserCredential => {
                let schedules = Schedules::exist(config.schedules);
                Self::UserCredential(Credentials::new(config.slots, config.tags, schedules, faults))
            }
        };
        for (slot, digits) in &config.codes {
            match &mut book {
                Self::UserCode(codes) => codes.keep(*slot, digits),
                Self::UserCredential(credentials) => credentials.keep(*slot, digits),
            }
        }
        book
    }

    pub(crate) fn handle(&mut self, command: &[u8]) -> Outcome {
        match (self, command.first()) {
            (Self::UserCode(codes), Some(0x63)) => {
                let (answer, change) = codes.handle(command);
                (answer, Vec::new(), change)
            }
            (Self::UserCredential(credentials), Some(0x83)) => credentials.handle(command),
            (Self::UserCode(_) | Self::UserCredential(_), _) => (Answer::Unknown, Vec::new(), None),
        }
    }

    /// Slot and user of the PIN that opens the door, if its schedule lets it.
    pub(crate) fn find_pin(&self, digits: &str) -> Option<(u16, u16)> {
        match self {
            Self::UserCode(codes) => codes.slot_of(digits).map(|slot| (slot, slot)),
            Self::UserCredential(credentials) => credentials.find(PIN, digits.as_bytes()),
        }
    }

    /// Slot and user of the tag that opens the door, if its schedule lets it.
    pub(crate) fn find_tag(&self, tag: &[u8]) -> Option<(u16, u16)> {
        match self {
            Self::UserCode(_) => None,
            Self::UserCredential(credentials) => credentials.find(TAG, tag),
        }
    }

    pub(crate) fn pins(&self) -> Vec<(u16, String)> {
        let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
        match self {
            Self::UserCode(codes) => codes
                .all()
                .iter()
                .map(|(slot, code)| (*slot, text(&code.digits)))
                .collect(),
            Self::UserCredential(credentials) => credentials
                .pins()
                .map(|(slot, digits)| (slot, text(digits)))
                .collect(),
        }
    }

    pub(crate) fn tags(&self) -> Vec<(u16, Vec<u8>)> {
        match self {
            Self::UserCode(_) => Vec::new(),
            Self::UserCredential(credentials) => credentials
                .tags()
                .map(|(slot, tag)| (slot, tag.to_vec()))
                .collect(),
        }
    }

    pub(crate) fn user_names(&self) -> Vec<(u16, String)> {
        match self {
            Self::UserCode(_) => Vec::new(),
            Self::UserCredential(credentials) => credentials.user_names().collect(),
        }
    }

    pub(crate) fn forget_all(&mut self) {
        match self {
            Self::UserCode(codes) => codes.forget_all(),
            Self::UserCredential(credentials) => credentials.forget_all(),
        }
    }

    /// Somebody writes or deletes a code at the keypad: what the lock reports, and the change.
    pub(crate) fn at_the_keypad(
        &mut self,
        slot: u16,
        digits: Option<&str>,
    ) -> (Vec<Vec<u8>>, Option<CodeChange>) {
        match self {
            Self::UserCode(codes) => (Vec::new(), codes.at_the_keypad(slot, digits)),
            Self::UserCredential(credentials) => {
                let report = credentials.at_the_keypad(slot, digits);
                let change = report.as_ref().map(|_| match digits {
                    Some(_) => CodeChange::Set(slot),
                    None => CodeChange::Deleted(slot),
                });
                (report.into_iter().collect(), change)
            }
        }
    }

    pub(crate) fn learn(&mut self, tag: &[u8]) -> Option<Vec<Vec<u8>>> {
        match self {
            Self::UserCode(_) => None,
            Self::UserCredential(credentials) => credentials.learn(tag),
        }
    }

    pub(crate) fn stop_learning(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::UserCode(_) => None,
            Self::UserCredential(credentials) => credentials.stop_learning(),
        }
    }

    pub(crate) fn is_learning(&self) -> bool {
        match self {
            Self::UserCode(_) => false,
            Self::UserCredential(credentials) => credentials.is_learning(),
        }
    }
}
