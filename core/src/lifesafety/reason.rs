//! Why an emergency needs a person, and what a drill found: a stable code for programs and one sentence for people each.

use std::fmt;

use hubd_model::{LockId, Millis};

/// Why somebody has to look at an emergency or one of its doors. Which door it is stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Concern {
    /// No door is released: the policy cannot be read, and why.
    PolicyUnreadable(String),
    /// The door does not report that it is open.
    NotReported,
    /// The lock could not finish the movement, in these words.
    Jammed(String),
    /// The lock was not moved, and why.
    Refused(String),
    /// The door was not opened before the danger was over.
    GivenUp,
    /// Somebody asked to lock the door before it reported that it is open.
    LockAsked,
    /// What only its sentence is known of, as older hubs kept it.
    Other(String),
}

impl Concern {
    /// The concern's stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PolicyUnreadable(_) => "policy_unreadable",
            Self::NotReported => "not_reported",
            Self::Jammed(_) => "jammed",
            Self::Refused(_) => "refused",
            Self::GivenUp => "given_up",
            Self::LockAsked => "lock_asked",
            Self::Other(_) => "other",
        }
    }

    /// What the policy's reader, the lock or its radio said of it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::PolicyUnreadable(reason) | Self::Jammed(reason) | Self::Refused(reason) => Some(reason),
            Self::NotReported | Self::GivenUp | Self::LockAsked | Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PolicyUnreadable(reason) => {
                write!(
                    f,
                    "no door is released, because the policy cannot be read: {reason}"
                )
            }
            Self::NotReported => f.write_str(
                "it does not report that it is open; the hub goes on trying: open it by hand or with a key",
            ),
            Self::Jammed(reason) | Self::Refused(reason) => write!(
                f,
                "it does not open ({reason}); the hub goes on trying: open it by hand or with a key"
            ),
            Self::GivenUp => f.write_str(
                "it was not opened before the danger was over, and is left as it is: look at the door",
            ),
            Self::LockAsked => {
                f.write_str("somebody asked to lock it before it reported that it is open: look at the door")
            }
            Self::Other(sentence) => f.write_str(sentence),
        }
    }
}

/// What failed in a drill, or would have failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Finding {
    /// Nobody pressed the test button in time.
    NotTested,
    /// A door did not report open within this time.
    NotOpen(LockId, Millis),
    /// An emergency began.
    Emergency,
    /// Somebody ended it early.
    EndedEarly(String),
    /// The hub was restarted meanwhile.
    Restarted,
    /// A door's lock is no device of the hub any more.
    LockGone(LockId),
    /// Anybody could imitate a door's lock.
    Insecure(LockId),
    /// The radio of a door's lock does not work.
    RadioAway(LockId),
    /// A door's lock does not answer.
    LockAway(LockId),
    /// What only its sentence is known of, as older hubs kept it.
    Other(String),
}

impl Finding {
    /// The finding's stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotTested => "not_tested",
            Self::NotOpen(..) => "not_open",
            Self::Emergency => "emergency",
            Self::EndedEarly(_) => "ended_early",
            Self::Restarted => "restarted",
            Self::LockGone(_) => "lock_gone",
            Self::Insecure(_) => "insecure",
            Self::RadioAway(_) => "radio_away",
            Self::LockAway(_) => "lock_away",
            Self::Other(_) => "other",
        }
    }

    /// The door that it is about.
    pub const fn lock(&self) -> Option<&LockId> {
        match self {
            Self::NotOpen(lock, _)
            | Self::LockGone(lock)
            | Self::Insecure(lock)
            | Self::RadioAway(lock)
            | Self::LockAway(lock) => Some(lock),
            Self::NotTested | Self::Emergency | Self::EndedEarly(_) | Self::Restarted | Self::Other(_) => {
                None
            }
        }
    }

    /// Who did it.
    pub fn by(&self) -> Option<&str> {
        if let Self::EndedEarly(by) = self {
            Some(by)
        } else {
            None
        }
    }

    /// How long the door had.
    pub const fn within(&self) -> Option<Millis> {
        if let Self::NotOpen(_, within) = self {
            Some(*within)
        } else {
            None
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTested => f.write_str("nobody pressed the test button in time; start it again"),
            Self::NotOpen(lock, within) => write!(
                f,
                "{lock} did not report open within {} s; look at its battery, its range and its bolt",
                within.0 / 1000
            ),
            Self::Emergency => f.write_str("an emergency began"),
            Self::EndedEarly(by) => write!(f, "{by} ended it early"),
            Self::Restarted => f.write_str("the hub was restarted meanwhile; start it again"),
            Self::LockGone(lock) => write!(f, "{lock} is not there any more; take it out of the policy"),
            Self::Insecure(lock) => write!(f, "{lock} has no security; include it again with S2 or S0"),
            Self::RadioAway(lock) => write!(
                f,
                "the radio of {lock} does not work now; look at GET /api/v1/radios"
            ),
            Self::LockAway(lock) => write!(f, "{lock} does not answer; look at its battery and its range"),
            Self::Other(sentence) => f.write_str(sentence),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Display;

    use super::*;

    /// One example of every variant. A variant that is not listed is an error of the build, and an example that is none
    /// of its variant a failure.
    macro_rules! every {
        ($of:ty { $($variant:pat => $example:expr),* $(,)? }) => {{
            let listed = |one: &$of| match one { $($variant => ()),* };
            let examples = [$({
                let example = $example;
                assert!(matches!(example, $variant), "{example:?}");
                example
            }),*];
            examples.iter().for_each(listed);
            examples
        }};
    }

    fn are_told_apart<T: Display>(all: &[T], code: fn(&T) -> &'static str) {
        let codes: BTreeSet<&str> = all.iter().map(code).collect();
        assert_eq!(codes.len(), all.len(), "{codes:?}");
        for one in all {
            let (code, sentence) = (code(one), one.to_string());
            let plain = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(plain && !code.is_empty(), "{code}");
            assert!(sentence.contains(' ') && sentence != code, "{code}: {sentence}");
        }
    }

    #[test]
    fn every_concern_has_a_code_of_its_own() {
        let all = every!(Concern {
            Concern::PolicyUnreadable(_) => Concern::PolicyUnreadable("version 9".into()),
            Concern::NotReported => Concern::NotReported,
            Concern::Jammed(_) => Concern::Jammed("it is stuck".into()),
            Concern::Refused(_) => Concern::Refused("it is not known".into()),
            Concern::GivenUp => Concern::GivenUp,
            Concern::LockAsked => Concern::LockAsked,
            Concern::Other(_) => Concern::Other("an old sentence".into()),
        });
        are_told_apart(&all, Concern::code);
        for one in all {
            let told = one.reason().is_none_or(|reason| one.to_string().contains(reason));
            assert!(told, "{one}");
        }
    }

    #[test]
    fn every_finding_has_a_code_of_its_own() {
        let lock = || LockId::parse("lock-7").unwrap();
        let all = every!(Finding {
            Finding::NotTested => Finding::NotTested,
            Finding::NotOpen(..) => Finding::NotOpen(lock(), Millis::from_secs(120)),
            Finding::Emergency => Finding::Emergency,
            Finding::EndedEarly(_) => Finding::EndedEarly("Ada".into()),
            Finding::Restarted => Finding::Restarted,
            Finding::LockGone(_) => Finding::LockGone(lock()),
            Finding::Insecure(_) => Finding::Insecure(lock()),
            Finding::RadioAway(_) => Finding::RadioAway(lock()),
            Finding::LockAway(_) => Finding::LockAway(lock()),
            Finding::Other(_) => Finding::Other("an old sentence".into()),
        });
        are_told_apart(&all, Finding::code);
        for one in all {
            let sentence = one.to_string();
            assert_eq!(one.lock().is_some(), sentence.contains("lock-7"), "{sentence}");
            assert_eq!(one.by().is_some(), sentence.contains("Ada"), "{sentence}");
            assert_eq!(one.within().is_some(), sentence.contains("120 s"), "{sentence}");
        }
    }
}
