//! Multi Channel: one node with several endpoints, each like a device of its own.
//!
//! Spec: CC:0060, versions 3 and 4, and the encapsulation of version 1 (Multi Instance).

use std::fmt;

use super::codec::{Fault, Hidden, flag, optional, take_rest};
use super::node_info::ClassList;
use crate::wire::reader::Reader;

/// A Multi Channel command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report how many instances of this class there are (version 1).
    InstanceGet(u8),
    /// How many instances of a class there are (version 1).
    InstanceReport(InstanceReport),
    /// A command for or from an instance (version 1).
    InstanceEncapsulation(InstanceEncapsulation),
    /// Report how many endpoints there are.
    EndPointGet,
    /// How many endpoints there are.
    EndPointReport(EndPointReport),
    /// Report what this endpoint can do.
    CapabilityGet(u8),
    /// What an endpoint can do.
    CapabilityReport(CapabilityReport),
    /// A command for or from an endpoint.
    Encapsulation(Encapsulation),
}

/// How many instances of a class there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceReport {
    /// The command class.
    pub class: u8,
    /// How many.
    pub instances: u8,
}

/// A command for or from an instance.
#[derive(Clone, PartialEq, Eq)]
pub struct InstanceEncapsulation {
    /// The instance, from 1.
    pub instance: u8,
    /// The command, from its class on.
    pub command: Vec<u8>,
}

impl fmt::Debug for InstanceEncapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceEncapsulation")
            .field("instance", &self.instance)
            .field("command", &Hidden(&self.command))
            .finish()
    }
}

/// How many endpoints there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndPointReport {
    /// Whether the number can change.
    pub dynamic: bool,
    /// Whether all have the same classes.
    pub identical: bool,
    /// How many single ones; 0 to 127.
    pub individual: u8,
    /// How many that stand for several; 0 to 127, since version 4.
    pub aggregated: Option<u8>,
}

/// What an endpoint can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityReport {
    /// The endpoint; 0 to 127.
    pub endpoint: u8,
    /// Whether it can go away.
    pub dynamic: bool,
    /// Generic device class.
    pub generic: u8,
    /// Specific device class.
    pub specific: u8,
    /// Its command classes.
    pub classes: ClassList,
}

/// A command for or from an endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Encapsulation {
    /// From this endpoint; 0 to 127, 0 is the node itself.
    pub source: u8,
    /// To these.
    pub destination: Destination,
    /// The command, from its class on.
    pub command: Vec<u8>,
}

impl fmt::Debug for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encapsulation")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("command", &Hidden(&self.command))
            .finish()
    }
}

/// The endpoints that a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// This one; 0 to 127, 0 is the node itself.
    One(u8),
    /// Several of the endpoints 1 to 7: bit 0 is endpoint 1.
    Several(u8),
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x04 => Self::InstanceGet(reader.u8("command class")?),
            0x05 => Self::InstanceReport(InstanceReport {
                class: reader.u8("command class")?,
                instances: reader.u8("instances")?,
            }),
            0x06 => Self::InstanceEncapsulation(InstanceEncapsulation {
                instance: reader.u8("instance")?,
                command: take_rest(reader).to_vec(),
            }),
            0x07 => Self::EndPointGet,
            0x08 => {
                let flags = reader.u8("flags")?;
                Self::EndPointReport(EndPointReport {
                    dynamic: flags & 0x80 != 0,
                    identical: flags & 0x40 != 0,
                    individual: reader.u8("individual end points")? & 0x7F,
                    aggregated: optional(reader).map(|count| count & 0x7F),
                })
            }
            0x09 => Self::CapabilityGet(reader.u8("end point")? & 0x7F),
            0x0A => {
                let endpoint = reader.u8("end point")?;
                Self::CapabilityReport(CapabilityReport {
                    endpoint: endpoint & 0x7F,
                    dynamic: endpoint & 0x80 != 0,
                    generic: reader.u8("generic device class")?,
                    specific: reader.u8("specific device class")?,
                    classes: ClassList::parse(take_rest(reader)),
                })
            }
            0x0D => {
                let source = reader.u8("source end point")? & 0x7F;
                let destination = reader.u8("destination end point")?;
                Self::Encapsulation(Encapsulation {
                    source,
                    destination: if destination & 0x80 == 0 {
                        Destination::One(destination)
                    } else {
                        Destination::Several(destination & 0x7F)
                    },
                    command: take_rest(reader).to_vec(),
                })
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::InstanceGet(class) => out.extend_from_slice(&[0x04, *class]),
            Self::InstanceReport(report) => out.extend_from_slice(&[0x05, report.class, report.instances]),
            Self::InstanceEncapsulation(inner) => {
                out.extend_from_slice(&[0x06, inner.instance]);
                out.extend_from_slice(&inner.command);
            }
            Self::EndPointGet => out.push(0x07),
            Self::EndPointReport(report) => {
                let flags = flag(report.dynamic, 0x80) | flag(report.identical, 0x40);
                out.extend_from_slice(&[0x08, flags, report.individual & 0x7F]);
                out.extend(report.aggregated.map(|count| count & 0x7F));
            }
            Self::CapabilityGet(endpoint) => out.extend_from_slice(&[0x09, endpoint & 0x7F]),
            Self::CapabilityReport(report) => {
                let endpoint = flag(report.dynamic, 0x80) | (report.endpoint & 0x7F);
                out.extend_from_slice(&[0x0A, endpoint, report.generic, report.specific]);
                out.extend(report.classes.emit());
            }
            Self::Encapsulation(inner) => {
                let destination = match inner.destination {
                    Destination::One(endpoint) => endpoint & 0x7F,
                    Destination::Several(mask) => mask | 0x80,
                };
                out.extend_from_slice(&[0x0D, inner.source & 0x7F, destination]);
                out.extend_from_slice(&inner.command);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc;

    #[test]
    fn old_and_new_encapsulation() {
        assert_eq!(
            cc::Command::parse(&[0x60, 0x06, 0x02, 0x20, 0x02]),
            Ok(Command::InstanceEncapsulation(InstanceEncapsulation {
                instance: 2,
                command: vec![0x20, 0x02]
            })
            .into())
        );
        let several = Encapsulation {
            source: 0,
            destination: Destination::Several(0x05),
            command: vec![0x20, 0x01, 0xFF],
        };
        assert_eq!(
            cc::Command::from(Command::Encapsulation(several)).emit(),
            [0x60, 0x0D, 0x00, 0x85, 0x20, 0x01, 0xFF]
        );
    }
}
