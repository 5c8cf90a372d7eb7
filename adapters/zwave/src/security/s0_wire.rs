//! Security 0 on the wire (command class 0x98): every command parsed from any bytes and emitted again.
//!
//! Spec: CC:0098

use hubd_model::Key128;
use thiserror::Error;

use crate::wire::reader::{Reader, TooShort};

/// The command class's number.
pub const COMMAND_CLASS: u8 = 0x98;

/// One side's half of a frame's initialisation vector.
pub type HalfNonce = [u8; 8];

/// Why bytes are no Security 0 command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S0WireError {
    /// They end too early.
    #[error("Security 0 command is {0}")]
    TooShort(#[from] TooShort),
    /// Another command class.
    #[error("command class 0x{0:02x} is not Security 0")]
    NotS0(u8),
    /// A command that is not defined.
    #[error("Security 0 has no command 0x{0:02x}")]
    UnknownCommand(u8),
}

/// An encrypted frame before decryption.
///
/// Spec: CC:0098.01.81, CC:0098.01.C1
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S0Encapsulation {
    /// Whether the sender wants the nonce for its next frame (command 0xC1 instead of 0x81).
    pub wants_nonce: bool,
    /// The sender's half of the initialisation vector.
    pub sender_nonce: HalfNonce,
    /// Frame header and command, encrypted; never empty.
    pub ciphertext: Vec<u8>,
    /// The first byte of the receiver's half, which names it.
    pub nonce_id: u8,
    /// Authenticates all of it.
    pub mac: [u8; 8],
}

impl S0Encapsulation {
    pub(super) const fn command(&self) -> u8 {
        if self.wants_nonce { 0xc1 } else { 0x81 }
    }
}

/// The command classes that a node supports under S0.
///
/// Spec: CC:0098.01.03
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S0Supported {
    /// How many more reports follow.
    pub reports_to_follow: u8,
    /// The list: what the node supports, then after [`S0Supported::MARK`] what it controls.
    pub classes: Vec<u8>,
}

impl S0Supported {
    /// Separates supported from controlled command classes.
    pub const MARK: u8 = 0xef;

    /// The supported ones.
    pub fn supported(&self) -> &[u8] {
        self.classes
            .split(|class| *class == Self::MARK)
            .next()
            .unwrap_or_default()
    }
}

/// A Security 0 command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S0Command {
    /// Asks which command classes are supported securely.
    CommandsSupportedGet,
    /// These.
    CommandsSupportedReport(S0Supported),
    /// Asks for the schemes; the mask is never to be judged.
    SchemeGet(u8),
    /// The schemes.
    SchemeReport(u8),
    /// The network key for a joining node.
    NetworkKeySet(Key128),
    /// Proves that it arrived.
    NetworkKeyVerify,
    /// Tells an including controller's scheme to a joining controller.
    SchemeInherit(u8),
    /// Asks for a nonce.
    NonceGet,
    /// Gives one.
    NonceReport(HalfNonce),
    /// An encrypted command.
    Encapsulation(S0Encapsulation),
}

impl S0Command {
    /// Parses a command, command class first.
    ///
    /// # Errors
    /// When the bytes are no Security 0 command.
    pub fn parse(bytes: &[u8]) -> Result<Self, S0WireError> {
        let mut reader = Reader::new(bytes);
        let class = reader.u8("command class")?;
        if class != COMMAND_CLASS {
            return Err(S0WireError::NotS0(class));
        }
        Ok(match reader.u8("command")? {
            0x02 => Self::CommandsSupportedGet,
            0x03 => Self::CommandsSupportedReport(S0Supported {
                reports_to_follow: reader.u8("reports to follow")?,
                classes: reader.rest().to_vec(),
            }),
            0x04 => Self::SchemeGet(reader.u8("schemes")?),
            0x05 => Self::SchemeReport(reader.u8("schemes")?),
            0x06 => Self::NetworkKeySet(Key128::new(reader.array("network key")?)),
            0x07 => Self::NetworkKeyVerify,
            0x08 => Self::SchemeInherit(reader.u8("schemes")?),
            0x40 => Self::NonceGet,
            0x80 => Self::NonceReport(reader.array("nonce")?),
            command @ (0x81 | 0xc1) => {
                let sender_nonce = reader.array("sender's nonce")?;
                let length = reader.rest().len();
                // At least the frame header, then the nonce's name and the authenticator.
                let Some(text) = length.checked_sub(9).filter(|text| *text > 0) else {
                    return Err(TooShort {
                        field: "ciphertext",
                        missing: 10_usize.saturating_sub(length),
                    }
                    .into());
                };
                Self::Encapsulation(S0Encapsulation {
                    wants_nonce: command == 0xc1,
                    sender_nonce,
                    ciphertext: reader.take(text, "ciphertext")?.to_vec(),
                    nonce_id: reader.u8("nonce id")?,
                    mac: reader.array("authenticator")?,
                })
            }
            other => return Err(S0WireError::UnknownCommand(other)),
        })
    }

    /// Emits the command, command class first.
    pub fn emit(&self) -> Vec<u8> {
        // Room enough that a key is never left behind by a growing buffer.
        let mut bytes = Vec::with_capacity(64);
        bytes.push(COMMAND_CLASS);
        match self {
            Self::CommandsSupportedGet => bytes.push(0x02),
            Self::CommandsSupportedReport(report) => {
                bytes.extend_from_slice(&[0x03, report.reports_to_follow]);
                bytes.extend_from_slice(&report.classes);
            }
            Self::SchemeGet(schemes) => bytes.extend_from_slice(&[0x04, *schemes]),
            Self::SchemeReport(schemes) => bytes.extend_from_slice(&[0x05, *schemes]),
            Self::NetworkKeySet(key) => {
                bytes.push(0x06);
                bytes.extend_from_slice(key.expose());
            }
            Self::NetworkKeyVerify => bytes.push(0x07),
            Self::SchemeInherit(schemes) => bytes.extend_from_slice(&[0x08, *schemes]),
            Self::NonceGet => bytes.push(0x40),
            Self::NonceReport(nonce) => {
                bytes.push(0x80);
                bytes.extend_from_slice(nonce);
            }
            Self::Encapsulation(frame) => {
                bytes.push(frame.command());
                bytes.extend_from_slice(&frame.sender_nonce);
                bytes.extend_from_slice(&frame.ciphertext);
                bytes.push(frame.nonce_id);
                bytes.extend_from_slice(&frame.mac);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::vectors::bytes;
    use proptest::prelude::*;

    fn command() -> impl Strategy<Value = S0Command> {
        prop_oneof![
            Just(S0Command::CommandsSupportedGet),
            any::<(u8, Vec<u8>)>().prop_map(|(reports_to_follow, classes)| {
                S0Command::CommandsSupportedReport(S0Supported {
                    reports_to_follow,
                    classes,
                })
            }),
            any::<u8>().prop_map(S0Command::SchemeGet),
            any::<u8>().prop_map(S0Command::SchemeReport),
            any::<[u8; 16]>().prop_map(|key| S0Command::NetworkKeySet(Key128::new(key))),
            Just(S0Command::NetworkKeyVerify),
            any::<u8>().prop_map(S0Command::SchemeInherit),
            Just(S0Command::NonceGet),
            any::<[u8; 8]>().prop_map(S0Command::NonceReport),
            (
                any::<(bool, [u8; 8], u8, [u8; 8])>(),
                prop::collection::vec(any::<u8>(), 1..40)
            )
                .prop_map(|((wants_nonce, sender_nonce, nonce_id, mac), ciphertext)| {
                    S0Command::Encapsulation(S0Encapsulation {
                        wants_nonce,
                        sender_nonce,
                        ciphertext,
                        nonce_id,
                        mac,
                    })
                }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_back(command in command()) {
            prop_assert_eq!(S0Command::parse(&command.emit()), Ok(command));
        }

        #[test]
        fn any_bytes_parse_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), class in any::<bool>()) {
            let bytes = if class { [&[COMMAND_CLASS][..], &bytes].concat() } else { bytes };
            if let Ok(command) = S0Command::parse(&bytes) {
                let _ = command.emit();
            }
        }
    }

    #[test]
    fn bad_commands_say_what_is_wrong() {
        let cases: [(&str, S0WireError); 6] = [
            (
                "",
                TooShort {
                    field: "command class",
                    missing: 1,
                }
                .into(),
            ),
            ("9f02", S0WireError::NotS0(0x9f)),
            ("9841", S0WireError::UnknownCommand(0x41)),
            (
                "98800102",
                TooShort {
                    field: "nonce",
                    missing: 6,
                }
                .into(),
            ),
            (
                "980601",
                TooShort {
                    field: "network key",
                    missing: 15,
                }
                .into(),
            ),
            (
                "9881000000000000000001020304050607080a",
                TooShort {
                    field: "ciphertext",
                    missing: 1,
                }
                .into(),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(S0Command::parse(&bytes(text)), Err(error), "{text}");
        }
    }

    #[test]
    fn supported_classes_end_at_the_mark() {
        let report = S0Supported {
            reports_to_follow: 0,
            classes: vec![0x62, 0x63, 0xef, 0x20],
        };
        assert_eq!(report.supported(), [0x62, 0x63]);
    }
}
