//! Association: to which nodes a device reports by itself. Group 1 is the lifeline.
//!
//! Spec: CC:0085, versions 1 to 3.

use super::codec::{Fault, optional, take_rest};
use crate::wire::reader::Reader;

/// An Association command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add nodes to a group.
    Set(Members),
    /// Report the members of a group.
    Get(u8),
    /// The members of a group.
    Report(Report),
    /// Take nodes out of a group; no nodes means all, group 0 means every group.
    Remove(Members),
    /// Report how many groups there are.
    GroupingsGet,
    /// How many groups there are.
    GroupingsReport(u8),
}

/// Nodes of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The group, from 1.
    pub group: u8,
    /// The nodes.
    pub nodes: Vec<u8>,
}

/// The members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The group, from 1.
    pub group: u8,
    /// How many members it can have.
    pub max_nodes: u8,
    /// How many further reports continue this one.
    pub reports_to_follow: u8,
    /// The nodes.
    pub nodes: Vec<u8>,
}

fn members(reader: &mut Reader<'_>) -> Members {
    Members {
        group: optional(reader).unwrap_or_default(),
        nodes: take_rest(reader).to_vec(),
    }
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Set(Members {
                group: reader.u8("group")?,
                nodes: take_rest(reader).to_vec(),
            }),
            0x02 => Self::Get(reader.u8("group")?),
            0x03 => Self::Report(Report {
                group: reader.u8("group")?,
                max_nodes: reader.u8("max nodes")?,
                reports_to_follow: reader.u8("reports to follow")?,
                nodes: take_rest(reader).to_vec(),
            }),
            0x04 => Self::Remove(members(reader)),
            0x05 => Self::GroupingsGet,
            0x06 => Self::GroupingsReport(reader.u8("supported groupings")?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set(members) => {
                out.extend_from_slice(&[0x01, members.group]);
                out.extend_from_slice(&members.nodes);
            }
            Self::Get(group) => out.extend_from_slice(&[0x02, *group]),
            Self::Report(report) => {
                out.extend_from_slice(&[0x03, report.group, report.max_nodes, report.reports_to_follow]);
                out.extend_from_slice(&report.nodes);
            }
            Self::Remove(members) => {
                out.extend_from_slice(&[0x04, members.group]);
                out.extend_from_slice(&members.nodes);
            }
            Self::GroupingsGet => out.push(0x05),
            Self::GroupingsReport(count) => out.extend_from_slice(&[0x06, *count]),
        }
    }
}
