//! Z-Wave Plus Info: a device's role in the network.
//!
//! Spec: CC:005E, versions 1 and 2.

use super::codec::{Fault, byte_enum};
use crate::wire::reader::Reader;

byte_enum! {
    /// How a node takes part in the network.
    pub enum Role {
        /// A central controller.
        CentralStaticController = 0x00,
        /// A second static controller.
        SubStaticController = 0x01,
        /// A controller that is carried about.
        PortableController = 0x02,
        /// A controller that is carried about and reports.
        PortableReportingController = 0x03,
        /// A node that is carried about.
        PortableNode = 0x04,
        /// A node that always listens.
        AlwaysOnNode = 0x05,
        /// A node that sleeps, and reports by itself.
        SleepingReportingNode = 0x06,
        /// A node that listens about once a second (FLiRS), as battery locks do.
        SleepingListeningNode = 0x07,
        /// A node that knows the network's topology.
        NetworkAwareNode = 0x08,
    }
}

/// A Z-Wave Plus Info command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Report what you are.
    Get,
    /// What the node is.
    Report(Report),
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The version of Z-Wave Plus: 1 or 2.
    pub version: u8,
    /// Its role.
    pub role: Role,
    /// 0 for a node, 2 for an IP gateway.
    pub node_type: u8,
    /// Icons for the installer and for the user; since version 2.
    pub icons: Option<Icons>,
}

/// The icons of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icons {
    /// For the installer.
    pub installer: u16,
    /// For the user.
    pub user: u16,
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Get,
            0x02 => Self::Report(Report {
                version: reader.u8("version")?,
                role: Role::from_byte(reader.u8("role type")?),
                node_type: reader.u8("node type")?,
                icons: reader.array::<4>("icons").ok().map(|[a, b, c, d]| Icons {
                    installer: u16::from_be_bytes([a, b]),
                    user: u16::from_be_bytes([c, d]),
                }),
            }),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get => out.push(0x01),
            Self::Report(report) => {
                out.extend_from_slice(&[0x02, report.version, report.role.to_byte(), report.node_type]);
                if let Some(icons) = report.icons {
                    out.extend_from_slice(&icons.installer.to_be_bytes());
                    out.extend_from_slice(&icons.user.to_be_bytes());
                }
            }
        }
    }
}
