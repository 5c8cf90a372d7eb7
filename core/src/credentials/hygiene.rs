//! What makes a PIN easy to guess, and PINs that are not.

use std::fmt;

use hubd_model::{Pin, SecretString};

use super::chance::Chance;

/// How often the hub draws before it says that it found nothing. With six digits and 250 PINs on a lock, one draw in a
/// hundred is too near another.
const DRAWS_MAX: usize = 2_000;
/// Years in which people were born, or that they live in.
const YEARS: std::ops::RangeInclusive<u16> = 1900..=2099;

/// Why a PIN is easy to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// One digit, or a short group of digits, over and over.
    Repeats,
    /// Digits that go up or down in equal steps.
    Run,
    /// A year in which people were born.
    Year,
    /// A day of a month, with or without its year.
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

/// What people choose most and no rule below catches: shapes on the keypad and habits.
///
/// Source: the heads of published frequency counts of four- and six-digit PINs (DataGenetics 2012; Markert et al., "This
/// PIN Can Be Easily Guessed", 2020).
const COMMON: [&str; 27] = [
    "1004", "1010", "1122", "1236", "1245", "1342", "1379", "2580", "0852", "1590", "3690", "5683", "7410",
    "1478", "7890", "8520", "112233", "123654", "147258", "159753", "147852", "258456", "321654", "456123",
    "520131", "789456", "159357",
];

/// Why a PIN is easy to guess by itself; `None` when it is not.
pub fn weakness(pin: &Pin) -> Option<Weakness> {
    let digits: Vec<u8> = pin.expose().bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
    if repeats(&digits) {
        Some(Weakness::Repeats)
    } else if is_run(&digits) {
        Some(Weakness::Run)
    } else if COMMON.contains(&pin.expose()) {
        Some(Weakness::Common)
    } else if digits.len() == 4 && is_year(&digits) {
        Some(Weakness::Year)
    } else if is_date(&digits) {
        Some(Weakness::Date)
    } else {
        None
    }
}

/// Whether two PINs of the same length differ in one digit at most.
pub fn is_near(one: &Pin, other: &Pin) -> bool {
    one.digits() == other.digits()
        && one
            .expose()
            .bytes()
            .zip(other.expose().bytes())
            .filter(|(one, other)| one != other)
            .nth(1)
            .is_none()
}

/// Draws a PIN that is not weak and that `fits`; `None` when none was found.
pub(crate) fn draw(chance: &mut Chance, digits: usize, fits: impl Fn(&Pin) -> bool) -> Option<Pin> {
    for _ in 0..DRAWS_MAX {
        let pin = Pin::parse(SecretString::new(chance.digits(digits)?)).ok()?;
        if weakness(&pin).is_none() && fits(&pin) {
            return Some(pin);
        }
    }
    None
}

/// A group of up to half its length over and over: 7777, 4747, 123123.
fn repeats(digits: &[u8]) -> bool {
    (1..=digits.len() / 2).any(|group| {
        digits.len().is_multiple_of(group)
            && digits
                .iter()
                .zip(digits.iter().skip(group))
                .all(|(one, next)| one == next)
    })
}

/// Equal steps up or down by one to three, going round after nine or not: 1234, 9876, 2468, 7890.
fn is_run(digits: &[u8]) -> bool {
    let steps = || digits.iter().zip(digits.iter().skip(1));
    (1..=3).any(|step: u8| {
        steps().all(|(one, next)| (one + step) % 10 == *next)
            || steps().all(|(one, next)| (next + step) % 10 == *one)
    })
}

fn number(digits: &[u8]) -> u16 {
    digits.iter().fold(0_u16, |number, digit| {
        number.saturating_mul(10).saturating_add(u16::from(*digit))
    })
}

fn is_year(digits: &[u8]) -> bool {
    YEARS.contains(&number(digits))
}

fn is_day_and_month(day: &[u8], month: &[u8]) -> bool {
    (1..=31).contains(&number(day)) && (1..=12).contains(&number(month))
}

/// Day and month in either order; with six digits the year's last two before or behind, with eight all four.
fn is_date(digits: &[u8]) -> bool {
    let either = |two: &[u8], other: &[u8]| is_day_and_month(two, other) || is_day_and_month(other, two);
    let pairs: Vec<&[u8]> = digits.chunks(2).collect();
    match *pairs {
        [one, two] => digits.len() == 4 && either(one, two),
        // Two digits of a year are any two digits, so only the orders that people write are taken for dates.
        [one, two, three] => digits.len() == 6 && (either(one, two) || is_day_and_month(three, two)),
        [one, two, three, four] => {
            let year = |high: &[u8], low: &[u8]| is_year(&[high, low].concat());
            digits.len() == 8
                && (year(three, four) && either(one, two) || year(one, two) && either(three, four))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hubd_model::Entropy;

    use super::*;

    fn pin(text: &str) -> Pin {
        Pin::parse(SecretString::new(text.to_owned())).unwrap()
    }

    #[test]
    fn what_is_easy_to_guess_has_a_reason() {
        let table = [
            ("0000", Some(Weakness::Repeats)),
            ("4747", Some(Weakness::Repeats)),
            ("123123", Some(Weakness::Repeats)),
            ("1234", Some(Weakness::Run)),
            ("4321", Some(Weakness::Run)),
            ("7890", Some(Weakness::Run)),
            ("2468", Some(Weakness::Run)),
            ("987654", Some(Weakness::Run)),
            ("1987", Some(Weakness::Year)),
            ("2026", Some(Weakness::Year)),
            ("2412", Some(Weakness::Date)),
            ("1224", Some(Weakness::Date)),
            ("241285", Some(Weakness::Date)),
            ("850324", Some(Weakness::Date)),
            ("24121985", Some(Weakness::Date)),
            ("19851224", Some(Weakness::Date)),
            ("2580", Some(Weakness::Common)),
            ("159753", Some(Weakness::Common)),
            ("0713", Some(Weakness::Date)),
            ("4072", None),
            ("0042", None),
            ("739416", None),
            ("47114", None),
            ("83750162", None),
        ];
        for (text, expected) in table {
            assert_eq!(weakness(&pin(text)), expected, "{text}");
        }
    }

    #[test]
    fn near_is_one_digit() {
        assert!(is_near(&pin("739416"), &pin("739416")));
        assert!(is_near(&pin("739416"), &pin("739410")));
        assert!(!is_near(&pin("739416"), &pin("739461")));
        assert!(!is_near(&pin("7394"), &pin("73941")));
    }

    #[test]
    fn what_is_drawn_is_strong_and_far_from_the_others() {
        let mut chance = Chance::new(Entropy::new([3; 32]));
        let mut pins: Vec<Pin> = Vec::new();
        for _ in 0..250 {
            let pin = draw(&mut chance, 6, |pin| {
                !pins.iter().any(|other| is_near(pin, other))
            })
            .unwrap();
            assert_eq!(weakness(&pin), None);
            pins.push(pin);
        }
        // With four digits, 250 PINs that are two digits apart do exist, but a tenth of that takes up one in ten.
        assert!(
            draw(&mut chance, 4, |_| false).is_none(),
            "it ends when nothing fits"
        );
    }
}
