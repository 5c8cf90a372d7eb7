//! Multi Channel Association: Association whose members may be single endpoints of a node.
//!
//! Spec: CC:008E, versions 1 to 4.

use super::codec::{Fault, optional, take_rest};
use crate::wire::reader::Reader;

/// Separates whole nodes from endpoints.
const MARKER: u8 = 0x00;

/// A Multi Channel Association command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add members to a group.
    Set(Change),
    /// Report the members of a group.
    Get(u8),
    /// The members of a group.
    Report(Report),
    /// Take members out of a group; no members means all, group 0 means every group.
    Remove(Change),
    /// Report how many groups there are.
    GroupingsGet,
    /// How many groups there are.
    GroupingsReport(u8),
}

/// Members to add or to take out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The group, from 1.
    pub group: u8,
    /// The members.
    pub members: Members,
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
    /// The members.
    pub members: Members,
}

/// Whole nodes and endpoints of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Whole nodes, never 0.
    pub nodes: Vec<u8>,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint, or several, of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The node.
    pub node: u8,
    /// With bit 7 clear the endpoint, 0 to 127 (0 is the node's root, and asks for Multi Channel frames); with bit 7
    /// set a mask of the endpoints 1 to 7.
    pub endpoint: u8,
}

fn members(reader: &mut Reader<'_>) -> Members {
    let bytes = take_rest(reader);
    let mut halves = bytes.splitn(2, |byte| *byte == MARKER);
    let nodes = halves.next().unwrap_or_default().to_vec();
    let (pairs, _) = halves.next().unwrap_or_default().as_chunks::<2>();
    Members {
        nodes,
        endpoints: pairs
            .iter()
            .map(|[node, endpoint]| Endpoint {
                node: *node,
                endpoint: *endpoint,
            })
            .collect(),
    }
}

fn put_members(members: &Members, out: &mut Vec<u8>) {
    out.extend(members.nodes.iter().filter(|node| **node != MARKER));
    if !members.endpoints.is_empty() {
        out.push(MARKER);
        for member in &members.endpoints {
            out.extend_from_slice(&[member.node, member.endpoint]);
        }
    }
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x01 => Self::Set(Change {
                group: reader.u8("group")?,
                members: members(reader),
            }),
            0x02 => Self::Get(reader.u8("group")?),
            0x03 => Self::Report(Report {
                group: reader.u8("group")?,
                max_nodes: reader.u8("max nodes")?,
                reports_to_follow: reader.u8("reports to follow")?,
                members: members(reader),
            }),
            0x04 => Self::Remove(Change {
                group: optional(reader).unwrap_or_default(),
                members: members(reader),
            }),
            0x05 => Self::GroupingsGet,
            0x06 => Self::GroupingsReport(reader.u8("supported groupings")?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set(change) => {
                out.extend_from_slice(&[0x01, change.group]);
                put_members(&change.members, out);
            }
            Self::Get(group) => out.extend_from_slice(&[0x02, *group]),
            Self::Report(report) => {
                out.extend_from_slice(&[0x03, report.group, report.max_nodes, report.reports_to_follow]);
                put_members(&report.members, out);
            }
            Self::Remove(change) => {
                out.extend_from_slice(&[0x04, change.group]);
                put_members(&change.members, out);
            }
            Self::GroupingsGet => out.push(0x05),
            Self::GroupingsReport(count) => out.extend_from_slice(&[0x06, *count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn endpoints_follow_the_marker() {
        let bytes = [0x8E, 0x03, 0x01, 0x05, 0x00, 0x01, 0x02, 0x00, 0x01, 0x00, 0x07];
        let expected = Report {
            group: 1,
            max_nodes: 5,
            reports_to_follow: 0,
            members: Members {
                nodes: vec![1, 2],
                endpoints: vec![Endpoint { node: 1, endpoint: 0 }],
            },
        };
        // The lone 0x07 at the end is half a pair and means nothing.
        assert_eq!(cc::Command::parse(&bytes), Ok(Command::Report(expected).into()));
    }
}
