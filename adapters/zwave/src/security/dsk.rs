//! A device's DSK: the first half of its public key, as printed on its label; its first five digits are the PIN.

use std::fmt;

use hubd_model::SecretString;
use thiserror::Error;

/// Why text is no DSK or PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DskError {
    /// Not eight groups of five digits.
    #[error("a DSK has 8 groups of 5 digits, as 12345-12345-…; check the label")]
    Shape,
    /// A group above 65535.
    #[error("group {0} of the DSK is above 65535; check the label")]
    Group(usize),
    /// Not five digits up to 65535.
    #[error("the PIN is the first 5 digits of the DSK on the label, at most 65535")]
    Pin,
}

/// The five digits that prove that a person holds the device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DskPin([u8; 2]);

impl DskPin {
    /// Parses the five digits.
    ///
    /// # Errors
    /// When they are not that.
    pub fn parse(text: &SecretString) -> Result<Self, DskError> {
        group(text.expose().trim())
            .map(|pin| Self(pin.to_be_bytes()))
            .ok_or(DskError::Pin)
    }

    /// The two bytes of the public key that it stands for.
    pub const fn bytes(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Debug for DskPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Five digits as a number up to 65535.
pub(super) fn group(text: &str) -> Option<u16> {
    (text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A device specific key.
///
/// Spec: CC:009F, DSK format
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dsk([u8; 16]);

impl Dsk {
    /// From its bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Of a device's whole public key.
    pub const fn of_public_key(key: &[u8; 32]) -> Self {
        let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *key;
        Self(bytes)
    }

    /// Parses eight groups of five digits. Blanks around it and the prefix `zws2dsk:` of some labels are taken off.
    ///
    /// # Errors
    /// When the text is no DSK; it says which group.
    pub fn parse(text: &str) -> Result<Self, DskError> {
        let text = text.trim();
        let text = text.strip_prefix("zws2dsk:").unwrap_or(text);
        let mut bytes = [0; 16];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        let mut groups = text.split('-');
        for (at, pair) in (1..).zip(pairs) {
            let text = groups.next().ok_or(DskError::Shape)?;
            let digits = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            let value = if digits {
                group(text).ok_or(DskError::Group(at))?
            } else {
                return Err(DskError::Shape);
            };
            *pair = value.to_be_bytes();
        }
        if groups.next().is_some() {
            Err(DskError::Shape)
        } else {
            Ok(Self(bytes))
        }
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its first group.
    pub const fn pin(&self) -> DskPin {
        let [high, low, ..] = self.0;
        DskPin([high, low])
    }

    fn groups(&self) -> impl Iterator<Item = u16> {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    /// As people read it from the label, all digits.
    pub fn text(&self) -> String {
        self.groups()
            .map(|group| format!("{group:05}"))
            .collect::<Vec<_>>()
            .join("-")
    }

    /// As people read it from the label, without the five digits that they are asked for: `-12345-12345-…`.
    pub fn text_without_pin(&self) -> String {
        self.groups()
            .skip(1)
            .fold(String::new(), |text, group| format!("{text}-{group:05}"))
    }

    /// The home id with which a SmartStart device announces itself.
    ///
    /// Spec: Z-Wave Network Layer, NWI home id of SmartStart
    pub const fn nwi_home_id(&self) -> [u8; 4] {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = self.0;
        [a | 0xc0, b, c, d & 0xfe]
    }

    /// The home id with which a SmartStart device is included.
    ///
    /// Spec: Z-Wave Network Layer, authentication home id of SmartStart
    pub const fn auth_home_id(&self) -> [u8; 4] {
        let [.., a, b, c, d] = self.0;
        [a & 0x3f, b, c, d | 0x01]
    }
}

impl fmt::Debug for Dsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsk([redacted]{})", self.text_without_pin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::vectors::{Vectors, bytes};
    use proptest::prelude::*;

    #[test]
    fn a_dsk_and_its_home_ids_match_the_known_answers() {
        let json = Vectors::load().json;
        let vector = |name: &str| json["dsk"][name].as_str().expect("text").to_owned();
        let dsk = Dsk::parse(&vector("dsk")).expect("valid");
        assert_eq!(dsk.bytes().to_vec(), bytes(&vector("bytes")));
        assert_eq!(dsk.nwi_home_id().to_vec(), bytes(&vector("nwi_home_id")));
        assert_eq!(dsk.auth_home_id().to_vec(), bytes(&vector("auth_home_id")));
        assert_eq!(dsk.text(), vector("dsk"));
        assert_eq!(dsk.pin().bytes(), 56_697_u16.to_be_bytes());
        assert_eq!(
            dsk.text_without_pin(),
            "-45190-59302-58443-44477-07518-20816-03657"
        );
        assert!(!format!("{dsk:?} {:?}", dsk.pin()).contains("56697"));
    }

    #[test]
    fn what_is_no_dsk_says_why() {
        let good = "56697-45190-59302-58443-44477-07518-20816-03657";
        assert_eq!(Dsk::parse(&format!(" zws2dsk:{good}\n")), Dsk::parse(good));
        let cases = [
            ("", DskError::Shape),
            ("56697", DskError::Shape),
            (
                "56697-45190-59302-58443-44477-07518-20816-03657-1",
                DskError::Shape,
            ),
            ("56697-45190-59302-58443-44477-07518-20816-0365", DskError::Shape),
            ("+5669-45190-59302-58443-44477-07518-20816-03657", DskError::Shape),
            (
                "56697-45190-59302-70000-44477-07518-20816-03657",
                DskError::Group(4),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Dsk::parse(text), Err(error), "{text}");
        }
        for bad in ["", "1234", "123456", "65536", "-1234", "abcde"] {
            assert_eq!(
                DskPin::parse(&SecretString::new(bad.into())),
                Err(DskError::Pin),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_dsk_prints_and_parses_back(bytes in any::<[u8; 16]>()) {
            prop_assert_eq!(Dsk::parse(&Dsk::new(bytes).text()), Ok(Dsk::new(bytes)));
        }

        #[test]
        fn any_text_parses_without_panic(text in ".*") {
            let _ = Dsk::parse(&text);
            let _ = DskPin::parse(&SecretString::new(text));
        }
    }
}
