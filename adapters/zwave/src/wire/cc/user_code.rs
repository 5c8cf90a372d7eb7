//! User Code: the PINs of a lock's users. Every digit is a secret; `Debug` never shows one.
//!
//! Spec: CC:0063, versions 1 and 2.

use std::collections::BTreeSet;

use hubd_model::SecretBytes;

use super::codec::{Fault, bit_mask, bit_set, byte_enum, flag, optional, put_counted, take_rest, take_up_to};
use crate::wire::reader::Reader;

byte_enum! {
    /// What a user's code is for.
    pub enum UserStatus {
        /// The user has no code.
        Available = 0x00,
        /// The code opens the door.
        Enabled = 0x01,
        /// The code is kept but does not open the door.
        Disabled = 0x02,
        /// The code tells something without opening the door; since version 2.
        Messaging = 0x03,
        /// The code switches passage mode, in which the door stays unlocked; since version 2.
        PassageMode = 0x04,
        /// The lock does not say, or there is no such user.
        NotAvailable = 0xFE,
    }
}

byte_enum! {
    /// What the keypad does.
    pub enum KeypadMode {
        /// Codes work.
        Normal = 0x00,
        /// No code works.
        Vacation = 0x01,
        /// The keypad does nothing.
        Privacy = 0x02,
        /// Too many wrong codes: the keypad does nothing for a while.
        LockedOut = 0x03,
    }
}

/// A User Code command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Write a user's code; user 0 with `Available` deletes all codes.
    Set(UserCode),
    /// Report a user's code.
    Get(u8),
    /// A user's code.
    Report(UserCode),
    /// Report how many users there can be.
    UsersNumberGet,
    /// How many users there can be.
    UsersNumberReport(UsersNumberReport),
    /// Report what you can do; since version 2.
    CapabilitiesGet,
    /// What the lock can do; since version 2.
    CapabilitiesReport(CapabilitiesReport),
    /// Change what the keypad does; since version 2.
    KeypadModeSet(KeypadMode),
    /// Report what the keypad does; since version 2.
    KeypadModeGet,
    /// What the keypad does; since version 2.
    KeypadModeReport(KeypadMode),
    /// Write codes; since version 2.
    ExtendedSet(Vec<ExtendedUserCode>),
    /// Report codes; since version 2.
    ExtendedGet(ExtendedGet),
    /// Codes; since version 2.
    ExtendedReport(ExtendedReport),
    /// Write the master code, at most 15 digits; no digits takes it away; since version 2.
    AdminCodeSet(SecretBytes),
    /// Report the master code; since version 2.
    AdminCodeGet,
    /// The master code, at most 15 digits; since version 2.
    AdminCodeReport(SecretBytes),
    /// Report a checksum over all codes; since version 2.
    ChecksumGet,
    /// A checksum over all codes; since version 2.
    ChecksumReport(u16),
}

/// A user's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCode {
    /// The user, from 1; 0 means all.
    pub user: u8,
    /// What it is for.
    pub status: UserStatus,
    /// Its digits in ASCII, as the lock or the hub sent them; some locks pad with zeros or mask with asterisks.
    pub code: SecretBytes,
}

/// How many users there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsersNumberReport {
    /// How many; 255 when there are more.
    pub users: u8,
    /// How many; since version 2.
    pub extended: Option<u16>,
}

impl UsersNumberReport {
    /// How many users there can be, by whichever field says it.
    pub fn count(self) -> u16 {
        self.extended.unwrap_or_else(|| self.users.into())
    }
}

/// What a lock can do with codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilitiesReport {
    /// Whether it has a master code.
    pub admin_code: bool,
    /// Whether the master code can be taken away.
    pub admin_code_deactivation: bool,
    /// The numbers of the [`UserStatus`]es it knows.
    pub statuses: BTreeSet<u8>,
    /// Whether it gives a checksum over all codes.
    pub checksum: bool,
    /// Whether it reports several codes at once.
    pub multiple_report: bool,
    /// Whether it takes several codes at once.
    pub multiple_set: bool,
    /// The numbers of the [`KeypadMode`]s it knows.
    pub keypad_modes: BTreeSet<u8>,
    /// The ASCII characters that its codes can have.
    pub keys: BTreeSet<u8>,
}

/// A user's code, with a user number of 16 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedUserCode {
    /// The user, from 1.
    pub user: u16,
    /// What it is for.
    pub status: UserStatus,
    /// Its digits in ASCII, at most 15.
    pub code: SecretBytes,
}

/// Which codes to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedGet {
    /// From this user on.
    pub user: u16,
    /// Whether to report as many as fit into the frame.
    pub report_more: bool,
}

/// Codes of several users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedReport {
    /// The codes, at most 255.
    pub codes: Vec<ExtendedUserCode>,
    /// The next user that has a code; 0 when there is none.
    pub next_user: u16,
}

fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::new(bytes.to_vec())
}

fn user_code(reader: &mut Reader<'_>) -> Result<UserCode, Fault> {
    Ok(UserCode {
        user: reader.u8("user identifier")?,
        status: UserStatus::from_byte(reader.u8("user id status")?),
        code: secret(take_rest(reader)),
    })
}

fn admin_code(reader: &mut Reader<'_>) -> Result<SecretBytes, Fault> {
    let length = reader.u8("admin code length")? & 0x0F;
    Ok(secret(take_up_to(reader, length.into())))
}

fn extended_codes(reader: &mut Reader<'_>) -> Result<Vec<ExtendedUserCode>, Fault> {
    let count = reader.u8("number of user codes")?;
    (0..count)
        .map(|_| {
            let user = reader.u16("user identifier")?;
            let status = UserStatus::from_byte(reader.u8("user id status")?);
            let length = reader.u8("user code length")? & 0x0F;
            Ok(ExtendedUserCode {
                user,
                status,
                code: secret(reader.take(length.into(), "user code")?),
            })
        })
        .collect()
}

/// A mask whose length is in the lower five bits of the byte before it, and that byte's upper three bits.
fn flags_and_mask(reader: &mut Reader<'_>, field: &'static str) -> Result<(u8, BTreeSet<u8>), Fault> {
    let flags = reader.u8(field)?;
    Ok((flags, bit_set(reader.take((flags & 0x1F).into(), field)?)))
}

fn capabilities(reader: &mut Reader<'_>) -> Result<CapabilitiesReport, Fault> {
    let (admin, statuses) = flags_and_mask(reader, "supported user id statuses")?;
    let (features, keypad_modes) = flags_and_mask(reader, "supported keypad modes")?;
    let (_, keys) = flags_and_mask(reader, "supported keys")?;
    Ok(CapabilitiesReport {
        admin_code: admin & 0x80 != 0,
        admin_code_deactivation: admin & 0x40 != 0,
        statuses,
        checksum: features & 0x80 != 0,
        multiple_report: features & 0x40 != 0,
        multiple_set: features & 0x20 != 0,
        keypad_modes,
        keys,
    })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Set(user_code(reader)?),
            0x02 => Self::Get(reader.u8("user identifier")?),
            0x03 => Self::Report(user_code(reader)?),
            0x04 => Self::UsersNumberGet,
            0x05 => Self::UsersNumberReport(UsersNumberReport {
                users: reader.u8("supported users")?,
                extended: reader.u16("extended supported users").ok(),
            }),
            0x06 => Self::CapabilitiesGet,
            0x07 => Self::CapabilitiesReport(capabilities(reader)?),
            0x08 => Self::KeypadModeSet(KeypadMode::from_byte(reader.u8("keypad mode")?)),
            0x09 => Self::KeypadModeGet,
            0x0A => Self::KeypadModeReport(KeypadMode::from_byte(reader.u8("keypad mode")?)),
            0x0B => Self::ExtendedSet(extended_codes(reader)?),
            0x0C => Self::ExtendedGet(ExtendedGet {
                user: reader.u16("user identifier")?,
                report_more: optional(reader).unwrap_or_default() & 0x01 != 0,
            }),
            0x0D => Self::ExtendedReport(ExtendedReport {
                codes: extended_codes(reader)?,
                next_user: reader.u16("next user identifier").unwrap_or_default(),
            }),
            0x0E => Self::AdminCodeSet(admin_code(reader)?),
            0x0F => Self::AdminCodeGet,
            0x10 => Self::AdminCodeReport(admin_code(reader)?),
            0x11 => Self::ChecksumGet,
            0x12 => Self::ChecksumReport(reader.u16("checksum")?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set(code) => put_user_code(0x01, code, out),
            Self::Get(user) => out.extend_from_slice(&[0x02, *user]),
            Self::Report(code) => put_user_code(0x03, code, out),
            Self::UsersNumberGet => out.push(0x04),
            Self::UsersNumberReport(report) => {
                out.extend_from_slice(&[0x05, report.users]);
                out.extend(report.extended.into_iter().flat_map(u16::to_be_bytes));
            }
            Self::CapabilitiesGet => out.push(0x06),
            Self::CapabilitiesReport(report) => {
                out.push(0x07);
                let admin = flag(report.admin_code, 0x80) | flag(report.admin_code_deactivation, 0x40);
                put_counted(&bit_mask(&report.statuses, 0x1F), 0x1F, admin, out);
                let features = flag(report.checksum, 0x80)
                    | flag(report.multiple_report, 0x40)
                    | flag(report.multiple_set, 0x20);
                put_counted(&bit_mask(&report.keypad_modes, 0x1F), 0x1F, features, out);
                put_counted(&bit_mask(&report.keys, 0x1F), 0x1F, 0, out);
            }
            Self::KeypadModeSet(mode) => out.extend_from_slice(&[0x08, mode.to_byte()]),
            Self::KeypadModeGet => out.push(0x09),
            Self::KeypadModeReport(mode) => out.extend_from_slice(&[0x0A, mode.to_byte()]),
            Self::ExtendedSet(codes) => put_extended_codes(0x0B, codes, out),
            Self::ExtendedGet(get) => {
                out.push(0x0C);
                out.extend_from_slice(&get.user.to_be_bytes());
                out.push(flag(get.report_more, 0x01));
            }
            Self::ExtendedReport(report) => {
                put_extended_codes(0x0D, &report.codes, out);
                out.extend_from_slice(&report.next_user.to_be_bytes());
            }
            Self::AdminCodeSet(code) => put_admin_code(0x0E, code, out),
            Self::AdminCodeGet => out.push(0x0F),
            Self::AdminCodeReport(code) => put_admin_code(0x10, code, out),
            Self::ChecksumGet => out.push(0x11),
            Self::ChecksumReport(checksum) => {
                out.push(0x12);
                out.extend_from_slice(&checksum.to_be_bytes());
            }
        }
    }
}

fn put_user_code(command: u8, code: &UserCode, out: &mut Vec<u8>) {
    out.extend_from_slice(&[command, code.user, code.status.to_byte()]);
    out.extend_from_slice(code.code.expose());
}

fn put_admin_code(command: u8, code: &SecretBytes, out: &mut Vec<u8>) {
    out.push(command);
    put_counted(code.expose(), 0x0F, 0, out);
}

fn put_extended_codes(command: u8, codes: &[ExtendedUserCode], out: &mut Vec<u8>) {
    let count = u8::try_from(codes.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[command, count]);
    for code in codes.iter().take(count.into()) {
        out.extend_from_slice(&code.user.to_be_bytes());
        out.push(code.status.to_byte());
        put_counted(code.code.expose(), 0x0F, 0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn a_pin_keeps_its_leading_zero_and_is_not_printed() {
        let bytes = [0x63, 0x03, 0x03, 0x01, b'0', b'7', b'1', b'9'];
        let parsed = cc::Command::parse(&bytes).unwrap();
        let code = UserCode {
            user: 3,
            status: UserStatus::Enabled,
            code: secret(b"0719"),
        };
        assert_eq!(parsed, Command::Report(code).into());
        let printed = format!("{parsed:?}");
        assert!(
            printed.contains("redacted") && !printed.contains("719") && !printed.contains("55"),
            "{printed}"
        );
    }

    #[test]
    fn a_user_without_code_has_an_empty_one() {
        let code = UserCode {
            user: 9,
            status: UserStatus::NotAvailable,
            code: secret(b""),
        };
        assert_eq!(
            cc::Command::parse(&[0x63, 0x03, 9, 0xFE]),
            Ok(Command::Report(code).into())
        );
    }

    #[test]
    fn old_and_new_number_of_users() {
        for (bytes, count) in [(&[0x63, 0x05, 30][..], 30), (&[0x63, 0x05, 255, 0x01, 0x2C], 300)] {
            let Ok(cc::Command::UserCode(Command::UsersNumberReport(report))) = cc::Command::parse(bytes)
            else {
                panic!("not a report");
            };
            assert_eq!(report.count(), count);
        }
    }

    #[test]
    fn capabilities_of_a_lock_with_ten_digits() {
        let report = CapabilitiesReport {
            admin_code: true,
            admin_code_deactivation: true,
            statuses: BTreeSet::from([0, 1, 2]),
            checksum: true,
            multiple_report: false,
            multiple_set: false,
            keypad_modes: BTreeSet::from([0, 1]),
            keys: (b'0'..=b'9').collect(),
        };
        let bytes = [
            0x63, 0x07, 0xC1, 0x07, 0x81, 0x03, 0x08, 0, 0, 0, 0, 0, 0, 0xFF, 0x03,
        ];
        assert_eq!(
            cc::Command::parse(&bytes),
            Ok(Command::CapabilitiesReport(report).into())
        );
    }
}
