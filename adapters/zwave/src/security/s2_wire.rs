//! Security 2 on the wire (command class 0x9F): every command parsed from any bytes and emitted again.
//!
//! Spec: CC:009F

use hubd_model::Key128;
use thiserror::Error;

use super::keys::{ClassSet, SecurityClass};
use crate::wire::reader::{Reader, TooShort};

/// The command class's number.
pub const COMMAND_CLASS: u8 = 0x9f;

/// 16 bytes of entropy from one side of a SPAN.
pub type EntropyInput = [u8; 16];

/// Why bytes are no Security 2 command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S2WireError {
    /// They end too early.
    #[error("Security 2 command is {0}")]
    TooShort(#[from] TooShort),
    /// Another command class.
    #[error("command class 0x{0:02x} is not Security 2")]
    NotS2(u8),
    /// A command that is not defined.
    #[error("Security 2 has no command 0x{0:02x}")]
    UnknownCommand(u8),
    /// A field holds what it must not.
    #[error("Security 2 field {0} holds a value that is not allowed")]
    BadField(&'static str),
    /// An extension that must be understood is not.
    #[error("Security 2 extension {0} is critical and not known")]
    CriticalExtension(u8),
}

/// Why a key exchange failed.
///
/// Spec: CC:009F.01.07, KEX Fail Type
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KexFailType {
    /// No key is both requested and granted.
    NoKeyMatch,
    /// No scheme in common.
    NoSupportedScheme,
    /// No curve in common.
    NoSupportedCurve,
    /// A frame could not be decrypted: the PIN was wrong.
    Decrypt,
    /// Somebody cancelled it.
    Cancelled,
    /// The echo does not match, or came under the wrong key.
    WrongSecurityLevel,
    /// A key was asked for that was not granted.
    KeyNotGranted,
    /// A key could not be verified.
    NoVerify,
    /// Another key came than the one that was asked for.
    DifferentKey,
    /// A value that is not defined.
    Other(u8),
}

impl KexFailType {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::NoKeyMatch,
            2 => Self::NoSupportedScheme,
            3 => Self::NoSupportedCurve,
            5 => Self::Decrypt,
            6 => Self::Cancelled,
            7 => Self::WrongSecurityLevel,
            8 => Self::KeyNotGranted,
            9 => Self::NoVerify,
            10 => Self::DifferentKey,
            other => Self::Other(other),
        }
    }

    /// The value on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::NoKeyMatch => 1,
            Self::NoSupportedScheme => 2,
            Self::NoSupportedCurve => 3,
            Self::Decrypt => 5,
            Self::Cancelled => 6,
            Self::WrongSecurityLevel => 7,
            Self::KeyNotGranted => 8,
            Self::NoVerify => 9,
            Self::DifferentKey => 10,
            Self::Other(other) => other,
        }
    }
}

/// The parameters of a key exchange: a KEX Report says what a node can do and wants, a KEX Set what it gets.
///
/// Spec: CC:009F.01.05, CC:009F.01.06
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kex {
    /// Whether this repeats, encrypted, what went plain.
    pub echo: bool,
    /// Whether client-side authentication is requested or permitted.
    pub csa: bool,
    /// The reserved bits of the first byte, for an exact echo.
    pub reserved: u8,
    /// Bit 1: KEX scheme 1.
    pub schemes: u8,
    /// Bit 0: Curve25519.
    pub profiles: u8,
    /// The key mask as it came, undefined bits included, for an exact echo.
    pub keys_mask: u8,
}

impl Kex {
    /// KEX scheme 1 as a mask.
    pub const SCHEME_1: u8 = 0x02;
    /// Curve25519 as a mask.
    pub const CURVE25519: u8 = 0x01;

    /// The usual parameters with these keys.
    pub const fn plain(keys: ClassSet) -> Self {
        Self {
            echo: false,
            csa: false,
            reserved: 0,
            schemes: Self::SCHEME_1,
            profiles: Self::CURVE25519,
            keys_mask: keys.mask(),
        }
    }

    /// The same as an echo.
    #[must_use]
    pub const fn as_echo(self) -> Self {
        Self { echo: true, ..self }
    }

    /// The keys that are defined.
    pub const fn keys(self) -> ClassSet {
        ClassSet::from_mask(self.keys_mask)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, TooShort> {
        let flags = reader.u8("KEX flags")?;
        Ok(Self {
            echo: flags & 0x01 != 0,
            csa: flags & 0x02 != 0,
            reserved: flags & 0xfc,
            schemes: reader.u8("KEX schemes")?,
            profiles: reader.u8("ECDH profiles")?,
            keys_mask: reader.u8("keys")?,
        })
    }

    fn emit(self, bytes: &mut Vec<u8>) {
        let flags = u8::from(self.echo) | u8::from(self.csa) << 1 | self.reserved & 0xfc;
        bytes.extend_from_slice(&[flags, self.schemes, self.profiles, self.keys_mask]);
    }
}

/// A node's answer to a request for a nonce, or its cry that it lost one.
///
/// Spec: CC:009F.01.02
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceReport {
    /// The sender's sequence number.
    pub seq: u8,
    /// Multicast is out of sync.
    pub mos: bool,
    /// Singlecast is out of sync: the receiver's entropy for a new SPAN.
    pub sos: Option<EntropyInput>,
}

/// A Security 2 command. The encapsulation is [`Encapsulation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S2Command {
    /// Asks for a nonce.
    NonceGet {
        /// The sender's sequence number.
        seq: u8,
    },
    /// Gives one.
    NonceReport(NonceReport),
    /// An encrypted command; parse its bytes with [`Encapsulation::parse`].
    MessageEncapsulation(Vec<u8>),
    /// Asks a joining node what it wants.
    KexGet,
    /// What it wants.
    KexReport(Kex),
    /// What it gets.
    KexSet(Kex),
    /// The key exchange is over.
    KexFail(KexFailType),
    /// A public key; a joining node that authenticates blanks its first two bytes.
    PublicKeyReport {
        /// Whether the including controller sent it.
        including: bool,
        /// Curve25519.
        key: [u8; 32],
    },
    /// Asks for the key of a class.
    NetworkKeyGet(SecurityClass),
    /// Gives it.
    NetworkKeyReport(SecurityClass, Key128),
    /// Proves that it arrived.
    NetworkKeyVerify,
    /// Ends the transfer of a key (`verified`) or of all (`complete`).
    TransferEnd {
        /// The key was verified.
        verified: bool,
        /// There are no more keys to ask for.
        complete: bool,
    },
    /// Asks which command classes are supported under the key this is encrypted with.
    CommandsSupportedGet,
    /// These.
    CommandsSupportedReport(Vec<u8>),
}

fn one_class(mask: u8) -> Result<SecurityClass, S2WireError> {
    SecurityClass::ALL
        .into_iter()
        .find(|class| class.bit() == mask)
        .ok_or(S2WireError::BadField("key"))
}

impl S2Command {
    /// Parses a command, command class first.
    ///
    /// # Errors
    /// When the bytes are no Security 2 command. Bytes after its last field are ignored, as a later version of the
    /// command class may add some.
    pub fn parse(bytes: &[u8]) -> Result<Self, S2WireError> {
        let mut reader = Reader::new(bytes);
        let class = reader.u8("command class")?;
        if class != COMMAND_CLASS {
            return Err(S2WireError::NotS2(class));
        }
        Ok(match reader.u8("command")? {
            0x01 => Self::NonceGet {
                seq: reader.u8("sequence number")?,
            },
            0x02 => {
                let seq = reader.u8("sequence number")?;
                let flags = reader.u8("nonce flags")?;
                let sos = if flags & 0x01 != 0 {
                    Some(reader.array("receiver's entropy")?)
                } else {
                    None
                };
                let mos = flags & 0x02 != 0;
                if !mos && sos.is_none() {
                    return Err(S2WireError::BadField("SOS and MOS"));
                }
                Self::NonceReport(NonceReport { seq, mos, sos })
            }
            0x03 => Self::MessageEncapsulation(bytes.to_vec()),
            0x04 => Self::KexGet,
            0x05 => Self::KexReport(Kex::parse(&mut reader)?),
            0x06 => Self::KexSet(Kex::parse(&mut reader)?),
            0x07 => Self::KexFail(KexFailType::from_byte(reader.u8("KEX fail type")?)),
            0x08 => Self::PublicKeyReport {
                including: reader.u8("including")? & 0x01 != 0,
                key: reader.array("public key")?,
            },
            0x09 => Self::NetworkKeyGet(one_class(reader.u8("key")?)?),
            0x0a => Self::NetworkKeyReport(
                one_class(reader.u8("key")?)?,
                Key128::new(reader.array("network key")?),
            ),
            0x0b => Self::NetworkKeyVerify,
            0x0c => {
                let flags = reader.u8("transfer end")?;
                Self::TransferEnd {
                    verified: flags & 0x02 != 0,
                    complete: flags & 0x01 != 0,
                }
            }
            0x0d => Self::CommandsSupportedGet,
            0x0e => Self::CommandsSupportedReport(reader.rest().to_vec()),
            other => return Err(S2WireError::UnknownCommand(other)),
        })
    }

    /// Emits the command, command class first.
    pub fn emit(&self) -> Vec<u8> {
        // Room enough that a key is never left behind by a growing buffer.
        let mut bytes = Vec::with_capacity(64);
        bytes.push(COMMAND_CLASS);
        match self {
            Self::NonceGet { seq } => bytes.extend_from_slice(&[0x01, *seq]),
            Self::NonceReport(report) => {
                let flags = u8::from(report.sos.is_some()) | u8::from(report.mos) << 1;
                bytes.extend_from_slice(&[0x02, report.seq, flags]);
                bytes.extend_from_slice(report.sos.as_ref().map_or(&[], |ei| ei.as_slice()));
            }
            Self::MessageEncapsulation(whole) => return whole.clone(),
            Self::KexGet => bytes.push(0x04),
            Self::KexReport(kex) => {
                bytes.push(0x05);
                kex.emit(&mut bytes);
            }
            Self::KexSet(kex) => {
                bytes.push(0x06);
                kex.emit(&mut bytes);
            }
            Self::KexFail(reason) => bytes.extend_from_slice(&[0x07, reason.byte()]),
            Self::PublicKeyReport { including, key } => {
                bytes.extend_from_slice(&[0x08, u8::from(*including)]);
                bytes.extend_from_slice(key);
            }
            Self::NetworkKeyGet(class) => bytes.extend_from_slice(&[0x09, class.bit()]),
            Self::NetworkKeyReport(class, key) => {
                bytes.extend_from_slice(&[0x0a, class.bit()]);
                bytes.extend_from_slice(key.expose());
            }
            Self::NetworkKeyVerify => bytes.push(0x0b),
            Self::TransferEnd { verified, complete } => {
                bytes.extend_from_slice(&[0x0c, u8::from(*complete) | u8::from(*verified) << 1]);
            }
            Self::CommandsSupportedGet => bytes.push(0x0d),
            Self::CommandsSupportedReport(classes) => {
                bytes.push(0x0e);
                bytes.extend_from_slice(classes);
            }
        }
        bytes
    }
}

/// An extension of an encrypted frame.
///
/// Spec: CC:009F.01.03, S2 Extension
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// The sender's entropy: with the receiver's, the new SPAN.
    Span(EntropyInput),
    /// A multicast group's nonce state; travels encrypted.
    Mpan {
        /// The sender's group.
        group: u8,
    },
    /// The frame repeats, or is, a multicast to this group.
    MulticastGroup(u8),
    /// The sender could not read our last multicast.
    MulticastOutOfSync,
}

const MORE: u8 = 0x80;
const CRITICAL: u8 = 0x40;

/// An upper limit on the extensions in one list; four are defined.
const EXTENSIONS_MAX: usize = 8;

/// Parses a list of extensions. `reserved` bytes at the end cannot belong to it.
fn extensions(
    reader: &mut Reader<'_>,
    encrypted: bool,
    reserved: usize,
) -> Result<Vec<Extension>, S2WireError> {
    let mut list = Vec::new();
    for _ in 0..EXTENSIONS_MAX {
        let length = usize::from(reader.u8("extension length")?);
        let kind = reader.u8("extension type")?;
        let body_len = length
            .checked_sub(2)
            .ok_or(S2WireError::BadField("extension length"))?;
        if body_len.saturating_add(reserved) > reader.rest().len() {
            return Err(S2WireError::BadField("extension length"));
        }
        let body = reader.take(body_len, "extension")?;
        let known = match (kind & 0x3f, encrypted) {
            (0x01, false) => body.try_into().ok().map(Extension::Span),
            (0x02, true) => body
                .split_first_chunk::<1>()
                .filter(|(_, state)| state.len() == 16)
                .map(|([group], _)| Extension::Mpan { group: *group }),
            (0x03, false) => <[u8; 1]>::try_from(body)
                .ok()
                .map(|[group]| Extension::MulticastGroup(group)),
            (0x04, false) => body.is_empty().then_some(Extension::MulticastOutOfSync),
            (0x01..=0x04, _) => None,
            (other, _) if kind & CRITICAL != 0 => return Err(S2WireError::CriticalExtension(other)),
            _ => None,
        };
        list.extend(known);
        if kind & MORE == 0 {
            return Ok(list);
        }
    }
    Err(S2WireError::BadField("number of extensions"))
}

fn emit_extensions(list: &[Extension], bytes: &mut Vec<u8>) {
    for (left, extension) in (0..list.len()).rev().zip(list) {
        let more = if left > 0 { MORE } else { 0 };
        match extension {
            Extension::Span(entropy) => {
                bytes.extend_from_slice(&[18, 0x01 | CRITICAL | more]);
                bytes.extend_from_slice(entropy);
            }
            Extension::MulticastGroup(group) => bytes.extend_from_slice(&[3, 0x03 | CRITICAL | more, *group]),
            Extension::MulticastOutOfSync => bytes.extend_from_slice(&[2, 0x04 | more]),
            Extension::Mpan { .. } => {}
        }
    }
}

/// An encrypted frame before decryption.
///
/// Spec: CC:009F.01.03
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encapsulation<'a> {
    /// The sender's sequence number.
    pub seq: u8,
    /// Whether the plaintext starts with extensions.
    pub encrypted_extensions: bool,
    /// The extensions that travel plain.
    pub extensions: Vec<Extension>,
    /// What the authenticator covers from sequence number to the last plain extension.
    pub header: &'a [u8],
    /// Ciphertext and authenticator.
    pub sealed: &'a [u8],
    /// The length of the whole command.
    pub length: u16,
}

impl<'a> Encapsulation<'a> {
    /// Parses a Message Encapsulation, command class first.
    ///
    /// # Errors
    /// When the bytes are none, or hold a critical extension that is not known.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, S2WireError> {
        let length = u16::try_from(bytes.len()).map_err(|_| S2WireError::BadField("length"))?;
        let mut reader = Reader::new(bytes);
        let class = reader.u8("command class")?;
        if class != COMMAND_CLASS {
            return Err(S2WireError::NotS2(class));
        }
        let command = reader.u8("command")?;
        if command != 0x03 {
            return Err(S2WireError::UnknownCommand(command));
        }
        let from_header = reader.rest();
        let seq = reader.u8("sequence number")?;
        let flags = reader.u8("extension flags")?;
        let list = if flags & 0x01 != 0 {
            extensions(&mut reader, false, TAG_LEN)?
        } else {
            Vec::new()
        };
        let sealed = reader.rest();
        if let Some(missing) = TAG_LEN.checked_sub(sealed.len()).filter(|missing| *missing > 0) {
            return Err(TooShort {
                field: "authenticator",
                missing,
            }
            .into());
        }
        let header = from_header
            .get(..from_header.len().saturating_sub(sealed.len()))
            .unwrap_or_default();
        Ok(Self {
            seq,
            encrypted_extensions: flags & 0x02 != 0,
            extensions: list,
            header,
            sealed,
            length,
        })
    }

    /// The sender's entropy, when the frame carries it.
    pub fn sender_entropy(&self) -> Option<EntropyInput> {
        self.extensions.iter().find_map(|extension| match extension {
            Extension::Span(entropy) => Some(*entropy),
            Extension::Mpan { .. } | Extension::MulticastGroup(_) | Extension::MulticastOutOfSync => None,
        })
    }

    /// The multicast group that the frame follows up.
    pub fn multicast_group(&self) -> Option<u8> {
        self.extensions.iter().find_map(|extension| match extension {
            Extension::MulticastGroup(group) => Some(*group),
            Extension::Mpan { .. } | Extension::Span(_) | Extension::MulticastOutOfSync => None,
        })
    }
}

const TAG_LEN: usize = super::crypto::CCM_TAG_LEN;

/// Emits sequence number, flags and plain extensions of an encrypted frame.
pub(super) fn emit_header(seq: u8, plain_extensions: &[Extension]) -> Vec<u8> {
    let mut header = vec![seq, u8::from(!plain_extensions.is_empty())];
    emit_extensions(plain_extensions, &mut header);
    header
}

/// Splits decrypted bytes into extensions and the command.
pub(super) fn split_plain(
    plain: &[u8],
    encrypted_extensions: bool,
) -> Result<(Vec<Extension>, &[u8]), S2WireError> {
    let mut reader = Reader::new(plain);
    let list = if encrypted_extensions {
        extensions(&mut reader, true, 0)?
    } else {
        Vec::new()
    };
    Ok((list, reader.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::vectors::bytes;
    use proptest::prelude::*;

    fn class() -> impl Strategy<Value = SecurityClass> {
        prop::sample::select(SecurityClass::ALL.to_vec())
    }

    fn kex() -> impl Strategy<Value = Kex> {
        any::<(bool, bool, u8, u8, u8, u8)>().prop_map(
            |(echo, csa, reserved, schemes, profiles, keys_mask)| Kex {
                echo,
                csa,
                reserved: reserved & 0xfc,
                schemes,
                profiles,
                keys_mask,
            },
        )
    }

    fn command() -> impl Strategy<Value = S2Command> {
        prop_oneof![
            any::<u8>().prop_map(|seq| S2Command::NonceGet { seq }),
            (any::<u8>(), any::<bool>(), any::<Option<[u8; 16]>>()).prop_map(|(seq, mos, sos)| {
                S2Command::NonceReport(NonceReport {
                    seq,
                    mos: mos || sos.is_none(),
                    sos,
                })
            }),
            Just(S2Command::KexGet),
            kex().prop_map(S2Command::KexReport),
            kex().prop_map(S2Command::KexSet),
            any::<u8>().prop_map(|byte| S2Command::KexFail(KexFailType::from_byte(byte))),
            any::<(bool, [u8; 32])>()
                .prop_map(|(including, key)| S2Command::PublicKeyReport { including, key }),
            class().prop_map(S2Command::NetworkKeyGet),
            (class(), any::<[u8; 16]>())
                .prop_map(|(class, key)| S2Command::NetworkKeyReport(class, Key128::new(key))),
            Just(S2Command::NetworkKeyVerify),
            any::<(bool, bool)>()
                .prop_map(|(verified, complete)| S2Command::TransferEnd { verified, complete }),
            Just(S2Command::CommandsSupportedGet),
            any::<Vec<u8>>().prop_map(S2Command::CommandsSupportedReport),
        ]
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_back(command in command()) {
            prop_assert_eq!(S2Command::parse(&command.emit()), Ok(command));
        }

        #[test]
        fn any_bytes_parse_without_panic(command in 0_u8..0x10, mut rest in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = vec![COMMAND_CLASS, command];
            bytes.append(&mut rest);
            if let Ok(command) = S2Command::parse(&bytes) {
                let _ = S2Command::parse(&command.emit()).expect("what parsed can be emitted and parsed");
            }
            let _ = Encapsulation::parse(&bytes);
            for encrypted in [false, true] {
                let _ = split_plain(&bytes, encrypted);
            }
        }

        #[test]
        fn a_header_parses_back(
            seq in any::<u8>(),
            span in any::<Option<[u8; 16]>>(),
            group in any::<Option<u8>>(),
            mos in any::<bool>(),
        ) {
            let list: Vec<_> = span
                .map(Extension::Span)
                .into_iter()
                .chain(group.map(Extension::MulticastGroup))
                .chain(mos.then_some(Extension::MulticastOutOfSync))
                .collect();
            let mut bytes = vec![COMMAND_CLASS, 0x03];
            let header = emit_header(seq, &list);
            bytes.extend_from_slice(&header);
            bytes.extend_from_slice(&[0xaa; 11]);
            let parsed = Encapsulation::parse(&bytes).expect("valid");
            prop_assert_eq!(parsed.seq, seq);
            prop_assert_eq!(parsed.extensions, list);
            prop_assert_eq!(parsed.header, header.as_slice());
            prop_assert_eq!(parsed.sealed, &[0xaa; 11]);
        }
    }

    #[test]
    fn a_span_extension_is_12_41_and_the_entropy() {
        assert_eq!(
            emit_header(7, &[Extension::Span([9; 16])])[..4],
            [7, 1, 0x12, 0x41]
        );
    }

    #[test]
    fn bad_frames_say_what_is_wrong() {
        let cases: [(&str, S2WireError); 9] = [
            (
                "9f",
                TooShort {
                    field: "command",
                    missing: 1,
                }
                .into(),
            ),
            ("9f0f", S2WireError::UnknownCommand(0x0f)),
            ("9800", S2WireError::NotS2(0x98)),
            ("9f020100", S2WireError::BadField("SOS and MOS")),
            (
                "9f02010100",
                TooShort {
                    field: "receiver's entropy",
                    missing: 15,
                }
                .into(),
            ),
            ("9f0903", S2WireError::BadField("key")),
            (
                "9f08014142",
                TooShort {
                    field: "public key",
                    missing: 30,
                }
                .into(),
            ),
            (
                "9f0a01",
                TooShort {
                    field: "network key",
                    missing: 16,
                }
                .into(),
            ),
            ("9f0500020187", S2WireError::BadField("never")),
        ];
        for (text, error) in cases {
            match S2Command::parse(&bytes(text)) {
                Ok(S2Command::KexReport(kex)) => assert_eq!((kex.schemes, kex.keys()), (2, ClassSet::ALL)),
                result => assert_eq!(result, Err(error), "{text}"),
            }
        }
        let frames: [(&str, S2WireError); 5] = [
            (
                "9f030100aabbccddeeff00",
                TooShort {
                    field: "authenticator",
                    missing: 1,
                }
                .into(),
            ),
            (
                "9f03010101410011223344556677",
                S2WireError::BadField("extension length"),
            ),
            (
                "9f03010112410011223344556677",
                S2WireError::BadField("extension length"),
            ),
            ("9f03010102450011223344556677", S2WireError::CriticalExtension(5)),
            (
                "9f0301010285028502850285028502850285028502850285aabbccddeeff0011",
                S2WireError::BadField("number of extensions"),
            ),
        ];
        for (text, error) in frames {
            assert_eq!(Encapsulation::parse(&bytes(text)), Err(error), "{text}");
        }
    }
}
