//! Supervision: a command whose end the receiver reports.
//!
//! Spec: CC:006C, versions 1 and 2.

use std::fmt;

use super::codec::{Duration, Fault, Hidden, byte_enum, flag, optional, put_counted, take_up_to};
use crate::wire::reader::Reader;

/// A Supervision command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Do this and report how it ended.
    Get(Get),
    /// How it stands.
    Report(Report),
}

/// A command to be done, and its end to be reported.
#[derive(Clone, PartialEq, Eq)]
pub struct Get {
    /// The session, 0 to 63; the sender counts them up.
    pub session: u8,
    /// Whether the sender wants further reports until the end, not just the first.
    pub status_updates: bool,
    /// The command, from its class on; at most 255 bytes.
    pub command: Vec<u8>,
}

impl fmt::Debug for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("session", &self.session)
            .field("status_updates", &self.status_updates)
            .field("command", &Hidden(&self.command))
            .finish()
    }
}

byte_enum! {
    /// How a supervised command stands.
    pub enum Status {
        /// The receiver does not know the command.
        NoSupport = 0x00,
        /// It is being done.
        Working = 0x01,
        /// It failed.
        Fail = 0x02,
        /// It is done.
        Success = 0xFF,
    }
}

/// How a supervised command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The session of the Get.
    pub session: u8,
    /// Whether further reports follow.
    pub more_updates: bool,
    /// Whether a sleeping sender asks to be sent Wake Up No More Information; since version 2.
    pub wake_up_request: bool,
    /// How it stands.
    pub status: Status,
    /// How long it will still take.
    pub duration: Duration,
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => {
                let properties = reader.u8("session id")?;
                let length = reader.u8("encapsulated command length")?;
                Self::Get(Get {
                    session: properties & 0x3F,
                    status_updates: properties & 0x80 != 0,
                    command: take_up_to(reader, length.into()).to_vec(),
                })
            }
            0x02 => {
                let properties = reader.u8("session id")?;
                Self::Report(Report {
                    session: properties & 0x3F,
                    more_updates: properties & 0x80 != 0,
                    wake_up_request: properties & 0x40 != 0,
                    status: Status::from_byte(reader.u8("status")?),
                    duration: Duration::from_byte(optional(reader).unwrap_or_default()),
                })
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get(get) => {
                out.extend_from_slice(&[0x01, flag(get.status_updates, 0x80) | (get.session & 0x3F)]);
                put_counted(&get.command, u8::MAX, 0, out);
            }
            Self::Report(report) => {
                let properties = flag(report.more_updates, 0x80)
                    | flag(report.wake_up_request, 0x40)
                    | (report.session & 0x3F);
                out.extend_from_slice(&[0x02, properties]);
                out.extend_from_slice(&[report.status.to_byte(), report.duration.to_byte()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn session_57_asks_for_updates_and_succeeds() {
        // As in a recorded inclusion: Association Set inside a supervised session 57.
        let bytes = [0x6C, 0x01, 0xB9, 0x04, 0x85, 0x01, 0x01, 0x01];
        let get = Get {
            session: 57,
            status_updates: true,
            command: vec![0x85, 0x01, 0x01, 0x01],
        };
        assert_eq!(cc::Command::parse(&bytes), Ok(Command::Get(get.clone()).into()));
        assert!(!format!("{get:?}").contains("133"), "inner bytes may be a PIN");

        let report = Report {
            session: 57,
            more_updates: false,
            wake_up_request: false,
            status: Status::Success,
            duration: Duration::from_secs(0),
        };
        for bytes in [&[0x6C, 0x02, 0x39, 0xFF, 0x00][..], &[0x6C, 0x02, 0x39, 0xFF]] {
            assert_eq!(cc::Command::parse(bytes), Ok(Command::Report(report).into()));
        }
    }
}
