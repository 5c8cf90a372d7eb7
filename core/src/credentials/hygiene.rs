//! What makes a PIN easy to guess.

use std::fmt;

/// Why a PIN is easy to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// One digit, or a short group of digits, over and over.
    Repeats,
    /// Digits that go up or down in equal steps.
    Run,
    /// A year in which people were born.
    Year,
    /// A day of a month.
    Date,
    /// It is among those that people choose most.
    Common,
    /// It differs in one digit from another on the same lock.
    NearAnother,
}

impl Weakness {
    /// The weakness as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Run => "run",
            Self::Year => "year",
            Self::Date => "date",
            Self::Common => "common",
            Self::NearAnother => "near_another",
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeats => "it repeats the same digits",
            Self::Run => "its digits go up or down in equal steps",
            Self::Year => "it is a year",
            Self::Date => "it is a date",
            Self::Common => "it is one of those that people choose most",
            Self::NearAnother => "it differs in only one digit from another PIN on the same lock",
        })
    }
}
