//! What the dongle says by itself, or as the later end of a command.

use thiserror::Error;

use super::super::frame::Data;
use super::super::reader::{Reader, TooShort};
use super::{NodeId, NodeIdWidth, function};

/// A frame of the dongle that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SerialError {
    /// It is shorter than its function needs.
    #[error("the dongle's frame for function {function:#04x} is {source}")]
    Short {
        /// The function.
        function: u8,
        /// What is missing.
        source: TooShort,
    },
}

/// How a frame's delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransmitStatus {
    /// The node's radio acknowledged it.
    Ok,
    /// No acknowledgement came.
    NoAck,
    /// It could not be sent: the channel is busy.
    Fail,
    /// The dongle is busy with routing.
    NotIdle,
    /// There is no route.
    NoRoute,
    /// A status that the spec does not name.
    Other(u8),
}

impl From<u8> for TransmitStatus {
    fn from(status: u8) -> Self {
        match status {
            0 => Self::Ok,
            1 => Self::NoAck,
            2 => Self::Fail,
            3 => Self::NotIdle,
            4 => Self::NoRoute,
            other => Self::Other(other),
        }
    }
}

/// How an inclusion or exclusion goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkStatus {
    /// The dongle waits for a node.
    Ready,
    /// A node asked.
    NodeFound,
    /// A device joins or leaves.
    Device,
    /// Another controller joins or leaves.
    Controller,
    /// The radio's part is done; the host has to end it.
    ProtocolDone,
    /// Ended.
    Done,
    /// It failed.
    Failed,
    /// A status that the spec does not name.
    Other(u8),
}

impl From<u8> for NetworkStatus {
    fn from(status: u8) -> Self {
        match status {
            1 => Self::Ready,
            2 => Self::NodeFound,
            3 => Self::Device,
            4 => Self::Controller,
            5 => Self::ProtocolDone,
            6 => Self::Done,
            7 => Self::Failed,
            other => Self::Other(other),
        }
    }
}

/// A message that the dongle sent by itself or as the later end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsolicited {
    /// A command class frame from a node.
    Frame {
        /// From whom.
        node: NodeId,
        /// Whether it was sent to several nodes.
        multicast: bool,
        /// The frame, encapsulated as it was on the air.
        payload: Vec<u8>,
    },
    /// The end of a command with a callback.
    Callback {
        /// The command's function.
        function: u8,
        /// The command's callback id.
        id: u8,
        /// How it ended.
        status: u8,
    },
    /// Progress of an inclusion or exclusion.
    Network {
        /// [`function::ADD_NODE`] or [`function::REMOVE_NODE`].
        function: u8,
        /// How it goes on.
        status: NetworkStatus,
        /// The node, where there is one already.
        node: Option<NodeId>,
        /// Basic, generic and specific device class, then the command classes, where given.
        node_info: Vec<u8>,
    },
    /// A node told what it is.
    NodeInfo {
        /// Who.
        node: NodeId,
        /// Basic, generic and specific device class, then the command classes.
        info: Vec<u8>,
    },
    /// The node that was asked did not tell what it is.
    NodeInfoFailed,
    /// A SmartStart node announces itself with this network-wide inclusion home id.
    SmartStart {
        /// See [`AddMode::SmartStart`](super::AddMode::SmartStart).
        nwi_home_id: [u8; 4],
    },
    /// The dongle started.
    Started,
    /// Something that hubd has no use for.
    Other {
        /// Its function.
        function: u8,
    },
}

impl Unsolicited {
    /// Reads a request frame of the dongle.
    ///
    /// # Errors
    /// When it is too short for its function.
    pub fn parse(data: &Data, width: NodeIdWidth) -> Result<Self, SerialError> {
        let function = data.function;
        Self::parse_fields(data, width).map_err(|source| SerialError::Short { function, source })
    }

    fn parse_fields(data: &Data, width: NodeIdWidth) -> Result<Self, TooShort> {
        let function = data.function;
        let mut reader = Reader::new(&data.payload);
        Ok(match function {
            function::APPLICATION_COMMAND | function::BRIDGE_APPLICATION_COMMAND => {
                let receive_status = reader.u8("receive status")?;
                if function == function::BRIDGE_APPLICATION_COMMAND {
                    width.take(&mut reader)?;
                }
                let node = width.take(&mut reader)?;
                let length = usize::from(reader.u8("length")?);
                let payload = reader.take(length, "frame")?.to_vec();
                // Broadcast 0x04, multicast 0x08.
                Self::Frame {
                    node,
                    multicast: receive_status & 0x0c != 0,
                    payload,
                }
            }
            function::SEND_DATA
            | function::SEND_DATA_BRIDGE
            | function::ASSIGN_SUC_RETURN_ROUTE
            | function::REMOVE_FAILED_NODE
            | function::SET_SUC_NODE_ID => {
                let id = reader.u8("callback id")?;
                let status = reader.u8("status")?;
                Self::Callback { function, id, status }
            }
            function::ADD_NODE | function::REMOVE_NODE => {
                reader.u8("callback id")?;
                let status = NetworkStatus::from(reader.u8("status")?);
                let node = width.take(&mut reader).ok().filter(|node| node.0 != 0);
                let length = reader.u8("length").map_or(0, usize::from);
                let node_info = reader
                    .take(length, "node information")
                    .unwrap_or_default()
                    .to_vec();
                Self::Network {
                    function,
                    status,
                    node,
                    node_info,
                }
            }
            function::APPLICATION_UPDATE => match reader.u8("update type")? {
                0x84 => {
                    let node = width.take(&mut reader)?;
                    let length = usize::from(reader.u8("length")?);
                    Self::NodeInfo {
                        node,
                        info: reader.take(length, "node information")?.to_vec(),
                    }
                }
                0x81 => Self::NodeInfoFailed,
                0x85 | 0x86 => {
                    width.take(&mut reader)?;
                    reader.u8("receive status")?;
                    Self::SmartStart {
                        nwi_home_id: reader.array("home id")?,
                    }
                }
                _ => Self::Other { function },
            },
            function::SERIAL_API_STARTED => Self::Started,
            _ => Self::Other { function },
        })
    }
}
