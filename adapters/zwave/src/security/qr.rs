//! The text of the QR code on an S2 or SmartStart device, and what it says.
//!
//! ```text
//! 90 | version 2 | checksum 5 | requested keys 3 | DSK 8 x 5 | (type 2, length 2, value)...   all decimal digits
//! ```
//!
//! Spec: Z-Wave SmartStart QR code format

use hubd_model::{Millis, SecretString};
use sha1::{Digest, Sha1};
use thiserror::Error;

use super::dsk::{Dsk, DskError, group};
use super::keys::ClassSet;

/// Why text is no pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodeError {
    /// Neither a QR text nor a DSK.
    #[error("not a Z-Wave code: it must be the text of the QR code, which starts with 90, or the DSK; {0}")]
    NotACode(DskError),
    /// Too short for version, checksum, keys and DSK.
    #[error("the QR text ends after {0} of at least 52 digits; scan it again")]
    TooShort(usize),
    /// Something other than digits.
    #[error("the QR text holds something other than digits at place {0}; scan it again")]
    NotDigits(usize),
    /// The checksum does not match.
    #[error("the QR text was not read correctly (its checksum does not match); scan it again")]
    Checksum,
    /// A version from the future.
    #[error("the QR code has version {0}, only 0 and 1 are known; use the DSK printed beside it")]
    Version(u8),
    /// A number too large for its field.
    #[error("the QR text holds an impossible value for {0}; scan it again")]
    Field(&'static str),
    /// A field that must be understood is not.
    #[error("the QR code demands a feature (type {0}) that is not supported; use the DSK printed beside it")]
    Critical(u8),
}

/// What kind of product a QR code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Manufacturer.
    pub manufacturer: u16,
    /// The manufacturer's product type.
    pub kind: u16,
    /// The manufacturer's product id.
    pub id: u16,
    /// Application version: major and minor.
    pub version: (u8, u8),
}

/// What a device's code says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioning {
    /// Which device it is.
    pub dsk: Dsk,
    /// Whether the device announces itself once it has power.
    pub smart_start: bool,
    /// The classes that it will ask for.
    pub requested: ClassSet,
    /// Which product it is.
    pub product: Option<Product>,
    /// Generic and specific device class.
    pub device_class: Option<(u8, u8)>,
    /// How long it may be silent between two announcements.
    pub silence_max: Option<Millis>,
    /// Whether it can join by Long Range.
    pub long_range: bool,
}

struct Digits<'a> {
    rest: &'a str,
}

impl<'a> Digits<'a> {
    fn take(&mut self, count: usize) -> Option<&'a str> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    fn u8(&mut self, count: usize, field: &'static str) -> Result<u8, CodeError> {
        self.take(count)
            .and_then(|digits| digits.parse().ok())
            .ok_or(CodeError::Field(field))
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, CodeError> {
        self.take(5).and_then(group).ok_or(CodeError::Field(field))
    }
}

const LENGTH_MIN: usize = 52;

impl Provisioning {
    /// Of a device of which nothing but the DSK is known.
    pub const fn of_dsk(dsk: Dsk) -> Self {
        Self {
            dsk,
            smart_start: true,
            requested: ClassSet::ALL,
            product: None,
            device_class: None,
            silence_max: None,
            long_range: false,
        }
    }

    /// Parses what a person scanned or typed: a QR text or a DSK. Blanks are ignored.
    ///
    /// # Errors
    /// When it is neither; the message says what to do.
    pub fn parse(code: &SecretString) -> Result<Self, CodeError> {
        let text: String = code.expose().chars().filter(|c| !c.is_whitespace()).collect();
        match Dsk::parse(&text) {
            Ok(dsk) => Ok(Self::of_dsk(dsk)),
            Err(error) if !text.starts_with("90") || text.contains('-') => Err(CodeError::NotACode(error)),
            Err(_) => Self::parse_qr(&text),
        }
    }

    fn parse_qr(text: &str) -> Result<Self, CodeError> {
        if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_digit()) {
            return Err(CodeError::NotDigits(at.saturating_add(1)));
        }
        if text.len() < LENGTH_MIN {
            return Err(CodeError::TooShort(text.len()));
        }
        let mut digits = Digits { rest: text };
        digits.u8(2, "lead-in")?;
        let version = digits.u8(2, "version")?;
        if version > 1 {
            return Err(CodeError::Version(version));
        }
        let expected = digits.u16("checksum")?;
        let hash = Sha1::digest(digits.rest.as_bytes());
        if hash.first_chunk::<2>().map(|head| u16::from_be_bytes(*head)) != Some(expected) {
            return Err(CodeError::Checksum);
        }
        let requested = ClassSet::from_mask(digits.u8(3, "requested keys")?);
        let mut dsk = [0; 16];
        let (pairs, _) = dsk.as_chunks_mut::<2>();
        for pair in pairs {
            *pair = digits.u16("DSK")?.to_be_bytes();
        }
        let mut found = Self {
            smart_start: version == 1,
            requested,
            ..Self::of_dsk(Dsk::new(dsk))
        };
        // Each round takes at least four digits, so the text bounds their number.
        while !digits.rest.is_empty() {
            let kind = digits.u8(2, "type")?;
            let length = usize::from(digits.u8(2, "length")?);
            let value = Digits {
                rest: digits.take(length).ok_or(CodeError::Field("length"))?,
            };
            found.take_field(kind >> 1, kind & 1 != 0, value)?;
        }
        Ok(found)
    }

    fn take_field(&mut self, kind: u8, critical: bool, mut value: Digits<'_>) -> Result<(), CodeError> {
        match kind {
            0 => {
                let [generic, specific] = value.u16("device class")?.to_be_bytes();
                self.device_class = Some((generic, specific));
            }
            1 => {
                let (manufacturer, kind) = (value.u16("manufacturer")?, value.u16("product type")?);
                let (id, version) = (value.u16("product")?, value.u16("product version")?);
                let [major, minor] = version.to_be_bytes();
                self.product = Some(Product {
                    manufacturer,
                    kind,
                    id,
                    version: (major, minor),
                });
            }
            2 => {
                self.silence_max = Some(Millis::from_secs(
                    u64::from(value.u8(2, "interval")?).saturating_mul(128),
                ));
            }
            // The device's own identifier, of no use here.
            3 => {}
            4 => {
                let count = value.rest.len();
                let mask = if count == 5 {
                    value.u16("protocols")?
                } else {
                    value.u8(count, "protocols")?.into()
                };
                self.long_range = mask & 0x02 != 0;
            }
            other if critical => return Err(CodeError::Critical(other)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keys::SecurityClass;
    use proptest::prelude::*;

    /// The example of the specification.
    const EXAMPLE: &str =
        "900132782003515253545541424344453132333435212223242500100435301537022065520001000000300578";

    fn parse(text: &str) -> Result<Provisioning, CodeError> {
        Provisioning::parse(&SecretString::new(text.to_owned()))
    }

    fn with_checksum(version: &str, body: &str) -> String {
        let hash = Sha1::digest(body.as_bytes());
        format!("90{version}{:05}{body}", u16::from_be_bytes([hash[0], hash[1]]))
    }

    #[test]
    fn the_example_of_the_specification_parses() {
        let found = parse(EXAMPLE).expect("valid");
        assert_eq!(
            found.dsk.text(),
            "51525-35455-41424-34445-31323-33435-21222-32425"
        );
        assert!(found.smart_start);
        assert_eq!(
            found.requested,
            ClassSet::of(&[SecurityClass::S2Unauthenticated, SecurityClass::S2Authenticated])
        );
        assert_eq!(found.device_class, Some((0x11, 0x01)));
        assert_eq!(
            found.product,
            Some(Product {
                manufacturer: 65_520,
                kind: 100,
                id: 3,
                version: (2, 66)
            })
        );
    }

    #[test]
    fn a_dsk_alone_is_enough() {
        let text = "51525-35455-41424-34445-31323-33435-21222-32425";
        assert_eq!(parse(text).expect("valid").dsk.text(), text);
        assert_eq!(
            parse(&format!("zws2dsk:{text}")).expect("valid").requested,
            ClassSet::ALL
        );
    }

    #[test]
    fn what_is_no_code_says_what_to_do() {
        let dsk = "5152535455414243444531323334352122232425";
        let dsk: String = dsk.to_owned();
        let cases = [
            ("", CodeError::NotACode(DskError::Shape)),
            ("91", CodeError::NotACode(DskError::Shape)),
            ("9001", CodeError::TooShort(4)),
            ("90x1", CodeError::NotDigits(3)),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        let mut misread = EXAMPLE.to_owned();
        misread.replace_range(20..21, "9");
        assert_eq!(parse(&misread), Err(CodeError::Checksum));
        assert_eq!(
            parse(&with_checksum("02", &format!("003{dsk}"))),
            Err(CodeError::Version(2))
        );
        assert_eq!(
            parse(&with_checksum("01", &format!("999{dsk}"))),
            Err(CodeError::Field("requested keys"))
        );
        assert_eq!(
            parse(&with_checksum("01", &format!("003{dsk}4300"))),
            Err(CodeError::Critical(21))
        );
        assert!(
            parse(&with_checksum("01", &format!("003{dsk}4200"))).is_ok(),
            "not critical"
        );
        assert_eq!(
            parse(&with_checksum("01", &format!("003{dsk}0210"))),
            Err(CodeError::Field("length"))
        );
        let long_range = parse(&with_checksum("01", &format!("004{dsk}0803003"))).expect("valid");
        assert!(long_range.long_range);
        assert!(
            !parse(&with_checksum("00", &format!("004{dsk}")))
                .expect("valid")
                .smart_start
        );
    }

    proptest! {
        #[test]
        fn any_text_parses_without_panic(text in ".*", digits in "[0-9]{0,120}", fields in "[0-9]{0,60}") {
            let _ = parse(&text);
            let _ = parse(&format!("90{digits}"));
            let _ = parse(&with_checksum("01", &format!("003{}{fields}", &EXAMPLE[12..52])));
        }
    }
}
