//! Version: of the device's software and of its command classes.
//!
//! Spec: CC:0086, versions 1 to 3.

use super::codec::{Fault, optional};
use crate::wire::reader::Reader;

/// A Version command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "the standard's names for these commands"
)]
pub enum Command {
    /// Report your versions.
    Get,
    /// The device's versions.
    Report(Report),
    /// Report your version of this command class.
    CommandClassGet(u8),
    /// The version of one command class.
    CommandClassReport(CommandClassReport),
    /// Report which Version commands you know.
    CapabilitiesGet,
    /// Which Version commands the device knows: bit 0 versions, bit 1 command classes, bit 2 Z-Wave software.
    CapabilitiesReport(u8),
}

/// A version of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    /// The number before the dot.
    pub major: u8,
    /// The number after the dot.
    pub minor: u8,
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The versions of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which Z-Wave library it was built with: 3 enhanced end node, 6 routing end node, 7 bridge controller, ...
    pub library: u8,
    /// Of the Z-Wave protocol.
    pub protocol: Number,
    /// Of its first firmware.
    pub firmware: Number,
    /// Hardware and further firmwares; since version 2.
    pub hardware: Option<Hardware>,
}

/// The versions that version 2 added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Of the hardware.
    pub version: u8,
    /// Of further firmwares, at most 255.
    pub firmwares: Vec<Number>,
}

/// The version of one command class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandClassReport {
    /// The command class.
    pub class: u8,
    /// Its version; 0 when the device does not have it.
    pub version: u8,
}

fn number(reader: &mut Reader<'_>, field: &'static str) -> Result<Number, Fault> {
    let [major, minor] = reader.array(field)?;
    Ok(Number { major, minor })
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x11 => Self::Get,
            0x12 => Self::Report(Report {
                library: reader.u8("library type")?,
                protocol: number(reader, "protocol version")?,
                firmware: number(reader, "firmware version")?,
                hardware: optional(reader).map(|version| {
                    let count = optional(reader).unwrap_or_default();
                    let firmwares = (0..count)
                        .map_while(|_| number(reader, "further firmware").ok())
                        .collect();
                    Hardware { version, firmwares }
                }),
            }),
            0x13 => Self::CommandClassGet(reader.u8("requested command class")?),
            0x14 => Self::CommandClassReport(CommandClassReport {
                class: reader.u8("requested command class")?,
                version: reader.u8("command class version")?,
            }),
            0x15 => Self::CapabilitiesGet,
            0x16 => Self::CapabilitiesReport(reader.u8("capabilities")?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get => out.push(0x11),
            Self::Report(report) => {
                out.extend_from_slice(&[0x12, report.library]);
                out.extend_from_slice(&[report.protocol.major, report.protocol.minor]);
                out.extend_from_slice(&[report.firmware.major, report.firmware.minor]);
                if let Some(hardware) = &report.hardware {
                    let count = u8::try_from(hardware.firmwares.len()).unwrap_or(u8::MAX);
                    out.extend_from_slice(&[hardware.version, count]);
                    for firmware in hardware.firmwares.iter().take(count.into()) {
                        out.extend_from_slice(&[firmware.major, firmware.minor]);
                    }
                }
            }
            Self::CommandClassGet(class) => out.extend_from_slice(&[0x13, *class]),
            Self::CommandClassReport(report) => out.extend_from_slice(&[0x14, report.class, report.version]),
            Self::CapabilitiesGet => out.push(0x15),
            Self::CapabilitiesReport(flags) => out.extend_from_slice(&[0x16, *flags]),
        }
    }
}
