//! What a lock can do with users and credentials.

use std::collections::BTreeSet;

use super::CredentialType;
use crate::wire::cc::codec::{Fault, bit_mask, bit_set, flag, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

/// What a lock can do with users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCapabilitiesReport {
    /// How many users it keeps.
    pub users: u16,
    /// How many credentials an opening can ask for: 1 one, 2 two, 3 three.
    pub rules: BTreeSet<u8>,
    /// The longest name in bytes.
    pub name_bytes_max: u8,
    /// Whether users can have schedules.
    pub schedules: bool,
    /// Whether it gives a checksum over all users.
    pub all_users_checksum: bool,
    /// Whether it gives a checksum over one user.
    pub user_checksum: bool,
    /// How names can be written: 0 ASCII, 1 extended ASCII, 2 UTF-16; none means all.
    pub name_encodings: BTreeSet<u8>,
    /// Kinds of users by number: 0 general, 3 programming, 4 non-access, 5 duress, 6 disposable, 7 expiring, 9 remote
    /// only.
    pub user_types: BTreeSet<u8>,
}

/// What a lock can do with credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialCapabilitiesReport {
    /// Whether it gives a checksum over the credentials of a kind.
    pub checksum: bool,
    /// Whether it has a master code.
    pub admin_code: bool,
    /// Whether the master code can be taken away.
    pub admin_code_deactivation: bool,
    /// The kinds of credentials, at most 255.
    pub types: Vec<CredentialCapability>,
}

/// What a lock can do with one kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialCapability {
    /// The kind.
    pub credential: CredentialType,
    /// Whether the lock reads it in itself.
    pub learn: bool,
    /// How many it keeps.
    pub slots: u16,
    /// The shortest in bytes.
    pub bytes_min: u8,
    /// The longest in bytes.
    pub bytes_max: u8,
    /// How many seconds reading one in should be given.
    pub learn_timeout_seconds: u8,
    /// In how many steps one is read in.
    pub learn_steps: u8,
    /// The longest hash of one in bytes; 0 when the lock gives none.
    pub hash_bytes_max: u8,
}

pub(super) fn user_capabilities(reader: &mut Reader<'_>) -> Result<UserCapabilitiesReport, Fault> {
    let users = reader.u16("supported users")?;
    let rules = reader.u8("supported credential rules")?;
    let name_bytes_max = reader.u8("maximum user name length")?;
    let flags = reader.u8("flags")?;
    let length = optional(reader).unwrap_or_default();
    Ok(UserCapabilitiesReport {
        users,
        rules: bit_set(&[rules]),
        name_bytes_max,
        schedules: flags & 0x80 != 0,
        all_users_checksum: flags & 0x40 != 0,
        user_checksum: flags & 0x20 != 0,
        name_encodings: bit_set(&[flags >> 2 & 0x07]),
        user_types: bit_set(take_up_to(reader, length.into())),
    })
}

/// The report keeps each field of all kinds together: first all types, then all learn flags, and so on.
pub(super) fn credential_capabilities(
    reader: &mut Reader<'_>,
) -> Result<CredentialCapabilitiesReport, Fault> {
    let flags = reader.u8("flags")?;
    let count = usize::from(reader.u8("number of credential types")?);
    let types = reader.take(count, "credential types")?;
    let learn = reader.take(count, "credential learn support")?;
    let (slots, _) = reader.take(count * 2, "credential slots")?.as_chunks::<2>();
    let min = reader.take(count, "minimum credential length")?;
    let max = reader.take(count, "maximum credential length")?;
    let timeout = reader.take(count, "credential learn timeout")?;
    let steps = reader.take(count, "credential learn steps")?;
    let hash = take_up_to(reader, count)
        .iter()
        .copied()
        .chain(std::iter::repeat(0));
    let head = types.iter().zip(learn).zip(slots);
    let tail = min.iter().zip(max).zip(timeout.iter().zip(steps)).zip(hash);
    let types = head
        .zip(tail)
        .map(
            |(((credential, learn), slots), (((min, max), (timeout, steps)), hash))| CredentialCapability {
                credential: CredentialType::from_byte(*credential),
                learn: learn & 0x80 != 0,
                slots: u16::from_be_bytes(*slots),
                bytes_min: *min,
                bytes_max: *max,
                learn_timeout_seconds: *timeout,
                learn_steps: *steps,
                hash_bytes_max: hash,
            },
        )
        .collect();
    Ok(CredentialCapabilitiesReport {
        checksum: flags & 0x80 != 0,
        admin_code: flags & 0x40 != 0,
        admin_code_deactivation: flags & 0x20 != 0,
        types,
    })
}

pub(super) fn put_user_capabilities(report: &UserCapabilitiesReport, out: &mut Vec<u8>) {
    out.push(0x02);
    out.extend_from_slice(&report.users.to_be_bytes());
    let one_byte = |set| bit_mask(set, 1).first().copied().unwrap_or_default();
    let flags = flag(report.schedules, 0x80)
        | flag(report.all_users_checksum, 0x40)
        | flag(report.user_checksum, 0x20)
        | (one_byte(&report.name_encodings) & 0x07) << 2;
    out.extend_from_slice(&[one_byte(&report.rules), report.name_bytes_max, flags]);
    put_counted(&bit_mask(&report.user_types, 0x20), u8::MAX, 0, out);
}

pub(super) fn put_credential_capabilities(report: &CredentialCapabilitiesReport, out: &mut Vec<u8>) {
    let count = u8::try_from(report.types.len()).unwrap_or(u8::MAX);
    let flags = flag(report.checksum, 0x80)
        | flag(report.admin_code, 0x40)
        | flag(report.admin_code_deactivation, 0x20);
    out.extend_from_slice(&[0x04, flags, count]);
    let types = || report.types.iter().take(count.into());
    out.extend(types().map(|kind| kind.credential.to_byte()));
    out.extend(types().map(|kind| flag(kind.learn, 0x80)));
    out.extend(types().flat_map(|kind| kind.slots.to_be_bytes()));
    out.extend(types().map(|kind| kind.bytes_min));
    out.extend(types().map(|kind| kind.bytes_max));
    out.extend(types().map(|kind| kind.learn_timeout_seconds));
    out.extend(types().map(|kind| kind.learn_steps));
    out.extend(types().map(|kind| kind.hash_bytes_max));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;
    use crate::wire::cc::user_credential::Command;

    #[test]
    fn each_field_of_all_kinds_is_together() {
        let kind = |credential, slots, bytes_max| CredentialCapability {
            credential,
            learn: false,
            slots,
            bytes_min: 4,
            bytes_max,
            learn_timeout_seconds: 0,
            learn_steps: 0,
            hash_bytes_max: 0,
        };
        let report = CredentialCapabilitiesReport {
            checksum: true,
            admin_code: false,
            admin_code_deactivation: false,
            types: vec![
                kind(CredentialType::Pin, 20, 10),
                kind(CredentialType::Rfid, 300, 16),
            ],
        };
        let bytes = [
            0x83, 0x04, 0x80, 0x02, 0x01, 0x03, 0, 0, 0, 20, 0x01, 0x2C, 4, 4, 10, 16, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(
            cc::Command::parse(&bytes),
            Ok(Command::CredentialCapabilitiesReport(report).into())
        );
    }
}
