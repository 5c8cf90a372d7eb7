//! What a person should know of a backup or its rehearsal: a stable code for programs and one sentence for people each.

use std::fmt;

use hubd_model::RadioName;

/// What a person should know of a backup or its rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// No dongle was copied: the mind could not be asked, and why.
    NoDongleCopied(String),
    /// The dongle of a radio was not copied.
    DongleNotCopied(RadioName, Uncopied),
    /// The hub's journal is ahead of the backup by so many entries.
    EntriesSince(u64),
    /// The journal does not tell of it, and why.
    NotRecorded(String),
}

/// Why a dongle was not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uncopied {
    /// Its radio does not work now.
    Away,
    /// It took too long.
    TooSlow,
    /// Something else was done with it meanwhile.
    Disturbed,
    /// The mind or the radio said why.
    Failed(String),
}

impl Note {
    /// The note's stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoDongleCopied(_) => "no_dongle_copied",
            Self::DongleNotCopied(_, Uncopied::Away) => "dongle_away",
            Self::DongleNotCopied(_, Uncopied::TooSlow) => "dongle_too_slow",
            Self::DongleNotCopied(_, Uncopied::Disturbed) => "dongle_disturbed",
            Self::DongleNotCopied(_, Uncopied::Failed(_)) => "dongle_failed",
            Self::EntriesSince(_) => "entries_since",
            Self::NotRecorded(_) => "not_recorded",
        }
    }

    /// The radio that it is about.
    pub const fn radio(&self) -> Option<&RadioName> {
        match self {
            Self::DongleNotCopied(radio, _) => Some(radio),
            Self::NoDongleCopied(_) | Self::EntriesSince(_) | Self::NotRecorded(_) => None,
        }
    }

    /// How many journal entries it is about.
    pub const fn entries(&self) -> Option<u64> {
        match self {
            Self::EntriesSince(entries) => Some(*entries),
            Self::NoDongleCopied(_) | Self::DongleNotCopied(..) | Self::NotRecorded(_) => None,
        }
    }

    /// Why, in the words of whoever failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::NoDongleCopied(reason)
            | Self::DongleNotCopied(_, Uncopied::Failed(reason))
            | Self::NotRecorded(reason) => Some(reason),
            Self::DongleNotCopied(_, Uncopied::Away | Uncopied::TooSlow | Uncopied::Disturbed)
            | Self::EntriesSince(_) => None,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDongleCopied(reason) => write!(f, "no dongle was copied: {reason}"),
            Self::DongleNotCopied(radio, why) => write!(
                f,
                "the dongle of radio {radio} was not copied ({why}); an earlier copy of it is in the backup, if there is \
                 one"
            ),
            Self::EntriesSince(1) => f.write_str("the hub has 1 journal entry that is newer"),
            Self::EntriesSince(entries) => write!(f, "the hub has {entries} journal entries that are newer"),
            Self::NotRecorded(reason) => write!(f, "it could not be recorded ({reason})"),
        }
    }
}

impl fmt::Display for Uncopied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Away => "it does not work now",
            Self::TooSlow => "it took too long",
            Self::Disturbed => "something else was done with it meanwhile",
            Self::Failed(reason) => reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// One example of every kind. A kind that is not listed is an error of the build, and an example that is none of its
    /// kind a failure.
    macro_rules! every {
        ($($kind:pat => $example:expr),* $(,)?) => {{
            let listed = |one: &Note| match one { $($kind => ()),* };
            let examples = [$({
                let example = $example;
                assert!(matches!(example, $kind), "{example:?}");
                example
            }),*];
            examples.iter().for_each(listed);
            examples
        }};
    }

    #[test]
    fn every_note_has_a_code_of_its_own() {
        let zwave = || RadioName::parse("zwave").unwrap();
        let why = || "because".to_owned();
        let all = every! {
            Note::NoDongleCopied(_) => Note::NoDongleCopied(why()),
            Note::DongleNotCopied(_, Uncopied::Away) => Note::DongleNotCopied(zwave(), Uncopied::Away),
            Note::DongleNotCopied(_, Uncopied::TooSlow) => Note::DongleNotCopied(zwave(), Uncopied::TooSlow),
            Note::DongleNotCopied(_, Uncopied::Disturbed) => Note::DongleNotCopied(zwave(), Uncopied::Disturbed),
            Note::DongleNotCopied(_, Uncopied::Failed(_)) => Note::DongleNotCopied(zwave(), Uncopied::Failed(why())),
            Note::EntriesSince(_) => Note::EntriesSince(2),
            Note::NotRecorded(_) => Note::NotRecorded(why()),
        };
        let codes: BTreeSet<&str> = all.iter().map(Note::code).collect();
        assert_eq!(codes.len(), all.len(), "{codes:?}");
        for note in all {
            let sentence = note.to_string();
            assert_eq!(note.radio().is_some(), sentence.contains("zwave"), "{sentence}");
            assert_eq!(
                note.reason().is_some(),
                sentence.contains("because"),
                "{sentence}"
            );
            assert_eq!(
                note.entries().is_some(),
                sentence.contains("2 journal"),
                "{sentence}"
            );
        }
    }
}
