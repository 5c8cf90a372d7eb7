//! Door Lock Logging: the lock's own log of who did what.
//!
//! Spec: CC:004C, version 1.

use hubd_model::SecretBytes;

use super::codec::{Fault, byte_enum, put_counted, take_up_to};
use crate::wire::reader::Reader;

byte_enum! {
    /// What happened.
    pub enum Event {
        /// Locked with a code at the keypad.
        LockCode = 0x01,
        /// Unlocked with a code at the keypad.
        UnlockCode = 0x02,
        /// Locked with a button.
        LockButton = 0x03,
        /// Unlocked with a button.
        UnlockButton = 0x04,
        /// A code outside its schedule did not lock.
        LockCodeOutOfSchedule = 0x05,
        /// A code outside its schedule did not unlock.
        UnlockCodeOutOfSchedule = 0x06,
        /// A wrong code was entered.
        IllegalCode = 0x07,
        /// Locked with key or thumb-turn, from outside.
        LockManual = 0x08,
        /// Unlocked with key or thumb-turn, from outside.
        UnlockManual = 0x09,
        /// Locked by itself.
        LockAuto = 0x0A,
        /// Unlocked by itself.
        UnlockAuto = 0x0B,
        /// Locked by radio with a code.
        LockRemoteCode = 0x0C,
        /// Unlocked by radio with a code.
        UnlockRemoteCode = 0x0D,
        /// Locked by radio.
        LockRemote = 0x0E,
        /// Unlocked by radio.
        UnlockRemote = 0x0F,
        /// A code by radio outside its schedule did not lock.
        LockRemoteCodeOutOfSchedule = 0x10,
        /// A code by radio outside its schedule did not unlock.
        UnlockRemoteCodeOutOfSchedule = 0x11,
        /// A wrong code by radio.
        RemoteIllegalCode = 0x12,
        /// Locked by hand, second kind.
        LockManual2 = 0x13,
        /// Unlocked by hand, second kind.
        UnlockManual2 = 0x14,
        /// The bolt is out.
        LockSecured = 0x15,
        /// The bolt is in.
        LockUnsecured = 0x16,
        /// A user code was added.
        UserCodeAdded = 0x17,
        /// A user code was deleted.
        UserCodeDeleted = 0x18,
        /// All user codes were deleted.
        AllUserCodesDeleted = 0x19,
        /// The master code was changed.
        AdminCodeChanged = 0x1A,
        /// A user code was changed.
        UserCodeChanged = 0x1B,
        /// The lock was reset.
        LockReset = 0x1C,
        /// The lock's configuration was changed.
        ConfigurationChanged = 0x1D,
        /// The battery is low.
        LowBattery = 0x1E,
        /// The battery was replaced.
        NewBattery = 0x1F,
        /// The lock does not know.
        Unknown = 0x20,
    }
}

/// A Door Lock Logging command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report how many records you keep.
    RecordsSupportedGet,
    /// How many records the lock keeps.
    RecordsSupportedReport(u8),
    /// Report a record; 0 is the latest.
    RecordGet(u8),
    /// A record.
    RecordReport(RecordReport),
}

/// A record by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordReport {
    /// The number, from 1.
    pub number: u8,
    /// The record; `None` when it is empty.
    pub record: Option<Record>,
}

/// One entry of the log, in the lock's own local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// What happened.
    pub event: Event,
    /// Which user; 0 when none is known.
    pub user: u8,
    /// The code that was entered, where the lock tells; at most 255 bytes.
    pub code: SecretBytes,
}

/// The record status "holds legal data" in the upper three bits of the hour.
const LEGAL: u8 = 1 << 5;

fn record(reader: &mut Reader<'_>) -> Result<RecordReport, Fault> {
    let number = reader.u8("record number")?;
    let year = reader.u16("year")?;
    let [month, day, hour, minute, second, event, user, length] = reader.array("record")?;
    let record = Record {
        year,
        month,
        day,
        hour: hour & 0x1F,
        minute,
        second,
        event: Event::from_byte(event),
        user,
        code: SecretBytes::new(take_up_to(reader, length.into()).to_vec()),
    };
    Ok(RecordReport {
        number,
        record: (hour >> 5 != 0).then_some(record),
    })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::RecordsSupportedGet,
            0x02 => Self::RecordsSupportedReport(reader.u8("supported records")?),
            0x03 => Self::RecordGet(reader.u8("record number")?),
            0x04 => Self::RecordReport(record(reader)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::RecordsSupportedGet => out.push(0x01),
            Self::RecordsSupportedReport(count) => out.extend_from_slice(&[0x02, *count]),
            Self::RecordGet(number) => out.extend_from_slice(&[0x03, *number]),
            Self::RecordReport(report) => {
                out.extend_from_slice(&[0x04, report.number]);
                let Some(record) = &report.record else {
                    out.extend_from_slice(&[0; 10]);
                    return;
                };
                out.extend_from_slice(&record.year.to_be_bytes());
                out.extend_from_slice(&[record.month, record.day, LEGAL | (record.hour & 0x1F)]);
                out.extend_from_slice(&[record.minute, record.second, record.event.to_byte(), record.user]);
                put_counted(record.code.expose(), u8::MAX, 0, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn a_record_and_an_empty_one() {
        let bytes = [
            0x4C,
            0x04,
            1,
            0x07,
            0xEA,
            11,
            22,
            0x20 | 4,
            31,
            5,
            0x02,
            3,
            4,
            b'4',
            b'7',
            b'1',
            b'1',
        ];
        let parsed = cc::Command::parse(&bytes).unwrap();
        let cc::Command::DoorLockLogging(Command::RecordReport(report)) = &parsed else {
            panic!("not a record");
        };
        let record = report.record.as_ref().unwrap();
        assert_eq!(
            (record.year, record.hour, record.event, record.user),
            (2026, 4, Event::UnlockCode, 3)
        );
        assert!(format!("{parsed:?}").contains("redacted"));

        let empty = Command::RecordReport(RecordReport {
            number: 9,
            record: None,
        });
        let bytes = [0x4C, 0x04, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(cc::Command::parse(&bytes), Ok(empty.into()));
    }
}
