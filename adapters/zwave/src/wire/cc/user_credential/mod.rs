//! User Credential: users with PINs, tags and fingers, in newer locks. What a credential consists of is secret;
//! `Debug` never shows it.
//!
//! Spec: CC:0083, versions 1 and 2.

mod capabilities;
mod kinds;

use hubd_model::SecretBytes;

use super::codec::{Fault, flag, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

pub use capabilities::{CredentialCapabilitiesReport, CredentialCapability, UserCapabilitiesReport};
pub use kinds::{
    CredentialReportType, CredentialType, LearnStatus, Modifier, Operation, UserReportType, UserType,
};

/// What an opening asks for: one credential.
pub const RULE_SINGLE: u8 = 0x01;
/// A name in ASCII.
pub const NAME_ASCII: u8 = 0x00;

/// A User Credential command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report what you can do with users.
    UserCapabilitiesGet,
    /// What the lock can do with users.
    UserCapabilitiesReport(UserCapabilitiesReport),
    /// Report what you can do with credentials.
    CredentialCapabilitiesGet,
    /// What the lock can do with credentials.
    CredentialCapabilitiesReport(CredentialCapabilitiesReport),
    /// Write a user.
    UserSet(UserSet),
    /// Report a user; 0 for the first.
    UserGet(u16),
    /// A user.
    UserReport(UserReport),
    /// Write a credential.
    CredentialSet(CredentialSet),
    /// Report a credential.
    CredentialGet(CredentialPlace),
    /// A credential.
    CredentialReport(CredentialReport),
    /// Read a credential in.
    LearnStart(LearnStart),
    /// Stop reading in.
    LearnCancel,
    /// How reading in goes on.
    LearnReport(LearnReport),
    /// Give a credential to another user.
    AssociationSet(Association),
    /// Whether the credential was given to the user.
    AssociationReport(AssociationReport),
    /// Report a checksum over all users and their credentials.
    AllUsersChecksumGet,
    /// A checksum over all users and their credentials.
    AllUsersChecksumReport(u16),
    /// Report a checksum over a user and its credentials.
    UserChecksumGet(u16),
    /// A checksum over a user and its credentials.
    UserChecksumReport(UserChecksum),
    /// Report a checksum over the credentials of a kind.
    CredentialChecksumGet(CredentialType),
    /// A checksum over the credentials of a kind.
    CredentialChecksumReport(CredentialChecksum),
    /// Write the master code, at most 15 digits; no digits takes it away.
    AdminCodeSet(SecretBytes),
    /// Report the master code.
    AdminCodeGet,
    /// The master code.
    AdminCodeReport(AdminCodeReport),
}

/// A user as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSet {
    /// What to do; two bits.
    pub operation: Operation,
    /// Which user, from 1; 0 with [`Operation::Delete`] means all.
    pub user: u16,
    /// The rest, which a deletion leaves out.
    pub details: Option<UserDetails>,
}

/// What a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDetails {
    /// Its kind.
    pub user_type: UserType,
    /// Whether its credentials open the door.
    pub active: bool,
    /// How many credentials an opening asks for.
    pub rule: u8,
    /// After how many minutes an expiring user expires.
    pub expiring_minutes: u16,
    /// How the name is written; three bits.
    pub name_encoding: u8,
    /// The name.
    pub name: Vec<u8>,
}

/// A user as the lock has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserReport {
    /// Why it is reported.
    pub report_type: UserReportType,
    /// The next user; 0 when there is none.
    pub next_user: u16,
    /// Who made it so.
    pub modifier: Modifier,
    /// By which node.
    pub modifier_node: u16,
    /// Which user.
    pub user: u16,
    /// What it is.
    pub details: UserDetails,
}

/// Where a credential is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialPlace {
    /// Whose; 0 for anybody's.
    pub user: u16,
    /// Its kind.
    pub credential: CredentialType,
    /// In which slot of its kind, from 1; 0 for the first.
    pub slot: u16,
}

/// A credential as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSet {
    /// Where.
    pub place: CredentialPlace,
    /// What to do; two bits.
    pub operation: Operation,
    /// What it consists of; a deletion leaves it out.
    pub data: Option<SecretBytes>,
}

/// A credential as the lock has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialReport {
    /// Why it is reported.
    pub report_type: CredentialReportType,
    /// Where it is kept.
    pub place: CredentialPlace,
    /// Whether `data` is the credential itself; else it is a hash or nothing.
    pub read_back: bool,
    /// What it consists of.
    pub data: SecretBytes,
    /// Who made it so.
    pub modifier: Modifier,
    /// By which node.
    pub modifier_node: u16,
    /// The kind of the next credential.
    pub next_credential: CredentialType,
    /// The slot of the next credential; 0 when there is none.
    pub next_slot: u16,
}

/// Which credential to read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnStart {
    /// Where.
    pub place: CredentialPlace,
    /// Whether it is new; two bits.
    pub operation: Operation,
    /// How many seconds somebody has for each step; 0 for the lock's own time.
    pub timeout_seconds: u8,
}

/// How reading in goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnReport {
    /// How.
    pub status: LearnStatus,
    /// Where.
    pub place: CredentialPlace,
    /// How many steps remain.
    pub steps_remaining: u8,
}

/// Whose a credential shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Association {
    /// Its kind.
    pub credential: CredentialType,
    /// Its slot.
    pub slot: u16,
    /// The user.
    pub user: u16,
}

/// Whose a credential is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationReport {
    /// Which and whose.
    pub association: Association,
    /// 0 when it was done.
    pub status: u8,
}

/// A checksum over a user and its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserChecksum {
    /// The user.
    pub user: u16,
    /// The checksum; 0 when there is nothing.
    pub checksum: u16,
}

/// A checksum over the credentials of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialChecksum {
    /// The kind.
    pub credential: CredentialType,
    /// The checksum; 0 when there is none.
    pub checksum: u16,
}

/// The master code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminCodeReport {
    /// What became of a change; four bits; 4 when somebody asked.
    pub result: u8,
    /// Its digits, at most 15.
    pub code: SecretBytes,
}

fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::new(bytes.to_vec())
}

fn user_set(reader: &mut Reader<'_>) -> Result<UserSet, Fault> {
    let operation = Operation::from_byte(reader.u8("operation type")? & 0x03);
    let user = reader.u16("user unique identifier")?;
    // A deletion may leave out the rest.
    let details = match operation {
        Operation::Delete => None,
        Operation::Add | Operation::Modify | Operation::Other(_) => Some(user_details(reader)?),
    };
    Ok(UserSet {
        operation,
        user,
        details,
    })
}

fn user_details(reader: &mut Reader<'_>) -> Result<UserDetails, Fault> {
    let user_type = UserType::from_byte(reader.u8("user type")?);
    let active = reader.u8("user active state")? & 0x01 != 0;
    let rule = reader.u8("credential rule")?;
    let expiring_minutes = reader.u16("expiring timeout")?;
    let name_encoding = optional(reader).unwrap_or_default() & 0x07;
    let length = optional(reader).unwrap_or_default();
    Ok(UserDetails {
        user_type,
        active,
        rule,
        expiring_minutes,
        name_encoding,
        name: take_up_to(reader, length.into()).to_vec(),
    })
}

fn put_user_details(details: &UserDetails, out: &mut Vec<u8>) {
    out.extend_from_slice(&[
        details.user_type.to_byte(),
        flag(details.active, 0x01),
        details.rule,
    ]);
    out.extend_from_slice(&details.expiring_minutes.to_be_bytes());
    out.push(details.name_encoding & 0x07);
    put_counted(&details.name, u8::MAX, 0, out);
}

fn user_report(reader: &mut Reader<'_>) -> Result<UserReport, Fault> {
    Ok(UserReport {
        report_type: UserReportType::from_byte(reader.u8("user report type")?),
        next_user: reader.u16("next user unique identifier")?,
        modifier: Modifier::from_byte(reader.u8("user modifier type")?),
        modifier_node: reader.u16("user modifier node id")?,
        user: reader.u16("user unique identifier")?,
        details: user_details(reader)?,
    })
}

fn place(reader: &mut Reader<'_>) -> Result<CredentialPlace, Fault> {
    Ok(CredentialPlace {
        user: reader.u16("user unique identifier")?,
        credential: CredentialType::from_byte(reader.u8("credential type")?),
        slot: reader.u16("credential slot")?,
    })
}

fn put_place(place: CredentialPlace, out: &mut Vec<u8>) {
    out.extend_from_slice(&place.user.to_be_bytes());
    out.push(place.credential.to_byte());
    out.extend_from_slice(&place.slot.to_be_bytes());
}

fn credential_set(reader: &mut Reader<'_>) -> Result<CredentialSet, Fault> {
    let place = place(reader)?;
    let operation = Operation::from_byte(reader.u8("operation type")? & 0x03);
    let data = match operation {
        Operation::Delete => None,
        Operation::Add | Operation::Modify | Operation::Other(_) => {
            let length = optional(reader).unwrap_or_default();
            Some(secret(reader.take(length.into(), "credential data")?))
        }
    };
    Ok(CredentialSet {
        place,
        operation,
        data,
    })
}

fn credential_report(reader: &mut Reader<'_>) -> Result<CredentialReport, Fault> {
    let report_type = CredentialReportType::from_byte(reader.u8("credential report type")?);
    let place = place(reader)?;
    let read_back = reader.u8("credential read back")? & 0x80 != 0;
    let length = reader.u8("credential length")?;
    let data = secret(reader.take(length.into(), "credential data")?);
    Ok(CredentialReport {
        report_type,
        place,
        read_back,
        data,
        modifier: Modifier::from_byte(optional(reader).unwrap_or_default()),
        modifier_node: reader.u16("credential modifier node id").unwrap_or_default(),
        next_credential: CredentialType::from_byte(optional(reader).unwrap_or_default()),
        next_slot: reader.u16("next credential slot").unwrap_or_default(),
    })
}

fn association(reader: &mut Reader<'_>) -> Result<Association, Fault> {
    Ok(Association {
        credential: CredentialType::from_byte(reader.u8("credential type")?),
        slot: reader.u16("credential slot")?,
        user: reader.u16("destination user unique identifier")?,
    })
}

fn put_association(command: u8, association: Association, out: &mut Vec<u8>) {
    out.extend_from_slice(&[command, association.credential.to_byte()]);
    out.extend_from_slice(&association.slot.to_be_bytes());
    out.extend_from_slice(&association.user.to_be_bytes());
}

fn admin_code(reader: &mut Reader<'_>) -> Result<AdminCodeReport, Fault> {
    let head = reader.u8("admin code length")?;
    Ok(AdminCodeReport {
        result: head >> 4,
        code: secret(take_up_to(reader, (head & 0x0F).into())),
    })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::UserCapabilitiesGet,
            0x02 => Self::UserCapabilitiesReport(capabilities::user_capabilities(reader)?),
            0x03 => Self::CredentialCapabilitiesGet,
            0x04 => Self::CredentialCapabilitiesReport(capabilities::credential_capabilities(reader)?),
            0x05 => Self::UserSet(user_set(reader)?),
            0x06 => Self::UserGet(reader.u16("user unique identifier")?),
            0x07 => Self::UserReport(user_report(reader)?),
            0x0A => Self::CredentialSet(credential_set(reader)?),
            0x0B => Self::CredentialGet(place(reader)?),
            0x0C => Self::CredentialReport(credential_report(reader)?),
            0x0F => Self::LearnStart(LearnStart {
                place: place(reader)?,
                operation: Operation::from_byte(reader.u8("operation type")? & 0x03),
                timeout_seconds: optional(reader).unwrap_or_default(),
            }),
            0x10 => Self::LearnCancel,
            0x11 => Self::LearnReport(LearnReport {
                status: LearnStatus::from_byte(reader.u8("learn status")?),
                place: place(reader)?,
                steps_remaining: optional(reader).unwrap_or_default(),
            }),
            0x12 => Self::AssociationSet(association(reader)?),
            0x13 => Self::AssociationReport(AssociationReport {
                association: association(reader)?,
                status: reader.u8("association status")?,
            }),
            0x14 => Self::AllUsersChecksumGet,
            0x15 => Self::AllUsersChecksumReport(reader.u16("all users checksum")?),
            0x16 => Self::UserChecksumGet(reader.u16("user unique identifier")?),
            0x17 => Self::UserChecksumReport(UserChecksum {
                user: reader.u16("user unique identifier")?,
                checksum: reader.u16("user checksum")?,
            }),
            0x18 => Self::CredentialChecksumGet(CredentialType::from_byte(reader.u8("credential type")?)),
            0x19 => Self::CredentialChecksumReport(CredentialChecksum {
                credential: CredentialType::from_byte(reader.u8("credential type")?),
                checksum: reader.u16("credential checksum")?,
            }),
            0x1A => Self::AdminCodeSet(admin_code(reader)?.code),
            0x1B => Self::AdminCodeGet,
            0x1C => Self::AdminCodeReport(admin_code(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::UserCapabilitiesGet => out.push(0x01),
            Self::UserCapabilitiesReport(report) => capabilities::put_user_capabilities(report, out),
            Self::CredentialCapabilitiesGet => out.push(0x03),
            Self::CredentialCapabilitiesReport(report) => {
                capabilities::put_credential_capabilities(report, out);
            }
            Self::UserSet(set) => {
                out.extend_from_slice(&[0x05, set.operation.to_byte() & 0x03]);
                out.extend_from_slice(&set.user.to_be_bytes());
                if let Some(details) = &set.details {
                    put_user_details(details, out);
                }
            }
            Self::UserGet(user) => {
                out.push(0x06);
                out.extend_from_slice(&user.to_be_bytes());
            }
            Self::UserReport(report) => {
                out.extend_from_slice(&[0x07, report.report_type.to_byte()]);
                out.extend_from_slice(&report.next_user.to_be_bytes());
                out.push(report.modifier.to_byte());
                out.extend_from_slice(&report.modifier_node.to_be_bytes());
                out.extend_from_slice(&report.user.to_be_bytes());
                put_user_details(&report.details, out);
            }
            Self::CredentialSet(set) => {
                out.push(0x0A);
                put_place(set.place, out);
                out.push(set.operation.to_byte() & 0x03);
                if let Some(data) = &set.data {
                    put_counted(data.expose(), u8::MAX, 0, out);
                }
            }
            Self::CredentialGet(place) => {
                out.push(0x0B);
                put_place(*place, out);
            }
            Self::CredentialReport(report) => {
                out.extend_from_slice(&[0x0C, report.report_type.to_byte()]);
                put_place(report.place, out);
                out.push(flag(report.read_back, 0x80));
                put_counted(report.data.expose(), u8::MAX, 0, out);
                out.push(report.modifier.to_byte());
                out.extend_from_slice(&report.modifier_node.to_be_bytes());
                out.push(report.next_credential.to_byte());
                out.extend_from_slice(&report.next_slot.to_be_bytes());
            }
            Self::LearnStart(start) => {
                out.push(0x0F);
                put_place(start.place, out);
                out.extend_from_slice(&[start.operation.to_byte() & 0x03, start.timeout_seconds]);
            }
            Self::LearnCancel => out.push(0x10),
            Self::LearnReport(report) => {
                out.extend_from_slice(&[0x11, report.status.to_byte()]);
                put_place(report.place, out);
                out.push(report.steps_remaining);
            }
            Self::AssociationSet(association) => put_association(0x12, *association, out),
            Self::AssociationReport(report) => {
                put_association(0x13, report.association, out);
                out.push(report.status);
            }
            Self::AllUsersChecksumGet => out.push(0x14),
            Self::AllUsersChecksumReport(checksum) => {
                out.push(0x15);
                out.extend_from_slice(&checksum.to_be_bytes());
            }
            Self::UserChecksumGet(user) => {
                out.push(0x16);
                out.extend_from_slice(&user.to_be_bytes());
            }
            Self::UserChecksumReport(report) => {
                out.push(0x17);
                out.extend_from_slice(&report.user.to_be_bytes());
                out.extend_from_slice(&report.checksum.to_be_bytes());
            }
            Self::CredentialChecksumGet(credential) => out.extend_from_slice(&[0x18, credential.to_byte()]),
            Self::CredentialChecksumReport(report) => {
                out.extend_from_slice(&[0x19, report.credential.to_byte()]);
                out.extend_from_slice(&report.checksum.to_be_bytes());
            }
            Self::AdminCodeSet(code) => {
                out.push(0x1A);
                put_counted(code.expose(), 0x0F, 0, out);
            }
            Self::AdminCodeGet => out.push(0x1B),
            Self::AdminCodeReport(report) => {
                out.push(0x1C);
                put_counted(report.code.expose(), 0x0F, report.result << 4, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    fn place(user: u16, slot: u16) -> CredentialPlace {
        CredentialPlace {
            user,
            credential: CredentialType::Pin,
            slot,
        }
    }

    #[test]
    fn a_user_and_a_pin_are_written_as_recorded() {
        let add = Command::UserSet(UserSet {
            operation: Operation::Add,
            user: 3,
            details: Some(UserDetails {
                user_type: UserType::General,
                active: true,
                rule: RULE_SINGLE,
                expiring_minutes: 0,
                name_encoding: NAME_ASCII,
                name: b"Ada".to_vec(),
            }),
        });
        let bytes = [0x83, 0x05, 0, 0, 3, 0, 1, 1, 0, 0, 0, 3, b'A', b'd', b'a'];
        assert_eq!(cc::Command::from(add.clone()).emit(), bytes);
        assert_eq!(cc::Command::parse(&bytes), Ok(add.into()));

        let set = Command::CredentialSet(CredentialSet {
            place: place(3, 7),
            operation: Operation::Modify,
            data: Some(secret(b"0719")),
        });
        let bytes = [0x83, 0x0A, 0, 3, 1, 0, 7, 1, 4, b'0', b'7', b'1', b'9'];
        assert_eq!(cc::Command::from(set.clone()).emit(), bytes);
        assert_eq!(cc::Command::parse(&bytes), Ok(set.into()));
    }

    #[test]
    fn a_deletion_may_leave_out_the_rest() {
        for bytes in [
            &[0x83, 0x05, 2, 0, 3][..],
            &[0x83, 0x05, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let delete = Command::UserSet(UserSet {
                operation: Operation::Delete,
                user: 3,
                details: None,
            });
            assert_eq!(cc::Command::parse(bytes), Ok(delete.into()));
        }
    }

    #[test]
    fn a_report_that_ends_behind_the_credential_is_read() {
        let bytes = [0x83, 0x0C, 4, 0, 3, 1, 0, 7, 0x80, 4, b'0', b'7', b'1', b'9'];
        let report = CredentialReport {
            report_type: CredentialReportType::ResponseToGet,
            place: place(3, 7),
            read_back: true,
            data: secret(b"0719"),
            modifier: Modifier::DoesNotExist,
            modifier_node: 0,
            next_credential: CredentialType::None,
            next_slot: 0,
        };
        let parsed = cc::Command::parse(&bytes).unwrap();
        assert_eq!(parsed, Command::CredentialReport(report).into());
        assert!(!format!("{parsed:?}").contains("719"));
    }
}
