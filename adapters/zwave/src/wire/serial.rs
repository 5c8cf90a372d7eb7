//! Serial API commands to the dongle and what it says back.
//!
//! Spec: Silicon Labs INS12350 (Serial API) and the Z-Wave Host API; byte layouts checked against a recorded session.

use thiserror::Error;

use super::frame::Data;
use super::reader::{Reader, TooShort, bits};

/// The Serial API functions that hubd speaks.
pub mod function {
    /// Which nodes the dongle knows.
    pub const INIT_DATA: u8 = 0x02;
    /// A frame from a node.
    pub const APPLICATION_COMMAND: u8 = 0x04;
    /// The dongle's role in the network.
    pub const CONTROLLER_CAPABILITIES: u8 = 0x05;
    /// Which functions the dongle has.
    pub const SERIAL_API_CAPABILITIES: u8 = 0x07;
    /// Restart the dongle's processor; nodes and keys stay.
    pub const SOFT_RESET: u8 = 0x08;
    /// The dongle started.
    pub const SERIAL_API_STARTED: u8 = 0x0a;
    /// Settings of the Serial API itself.
    pub const SERIAL_API_SETUP: u8 = 0x0b;
    /// Send a frame to a node.
    pub const SEND_DATA: u8 = 0x13;
    /// The library's version.
    pub const CONTROLLER_VERSION: u8 = 0x15;
    /// Stop trying to deliver the frame under way.
    pub const SEND_DATA_ABORT: u8 = 0x16;
    /// Home id and the dongle's own node id.
    pub const CONTROLLER_ID: u8 = 0x20;
    /// What the dongle remembers of a node's radio.
    pub const NODE_PROTOCOL_INFO: u8 = 0x41;
    /// Something changed in the network.
    pub const APPLICATION_UPDATE: u8 = 0x49;
    /// Include a node.
    pub const ADD_NODE: u8 = 0x4a;
    /// Exclude a node.
    pub const REMOVE_NODE: u8 = 0x4b;
    /// Give a node routes to the controller.
    pub const ASSIGN_SUC_RETURN_ROUTE: u8 = 0x51;
    /// Make a controller the network's update controller.
    pub const SET_SUC_NODE_ID: u8 = 0x54;
    /// Which node is the network's update controller.
    pub const SUC_NODE_ID: u8 = 0x56;
    /// Ask a node for its node information frame.
    pub const REQUEST_NODE_INFO: u8 = 0x60;
    /// Remove a node that does not answer.
    pub const REMOVE_FAILED_NODE: u8 = 0x61;
    /// A frame from a node, bridge library.
    pub const BRIDGE_APPLICATION_COMMAND: u8 = 0xa8;
    /// Send a frame to a node, bridge library.
    pub const SEND_DATA_BRIDGE: u8 = 0xa9;
    /// Start the dongle's own watchdog (700 series and newer).
    pub const START_WATCHDOG: u8 = 0xd2;
    /// Nodes of Z-Wave Long Range.
    pub const LONG_RANGE_NODES: u8 = 0xda;
}

/// A node's number in its network; 1 to 232, and 256 to 4000 for Long Range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct NodeId(pub u16);

/// How wide node ids are on the serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeIdWidth {
    /// One byte, the default after a reset.
    #[default]
    Bits8,
    /// Two bytes, needed for Long Range.
    Bits16,
}

impl NodeIdWidth {
    fn put(self, node: NodeId, bytes: &mut Vec<u8>) {
        let [high, low] = node.0.to_be_bytes();
        match self {
            Self::Bits8 => bytes.push(low),
            Self::Bits16 => bytes.extend_from_slice(&[high, low]),
        }
    }

    fn take(self, reader: &mut Reader<'_>) -> Result<NodeId, TooShort> {
        match self {
            Self::Bits8 => reader.u8("node id").map(|id| NodeId(id.into())),
            Self::Bits16 => reader.u16("node id").map(NodeId),
        }
    }
}

/// Ask for an acknowledgement (0x01), allow routing (0x04) and exploring (0x20).
const TRANSMIT_OPTIONS: u8 = 0x25;

/// One command to the dongle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// [`function::SERIAL_API_CAPABILITIES`]
    SerialApiCapabilities,
    /// [`function::INIT_DATA`]
    InitData,
    /// [`function::CONTROLLER_VERSION`]
    ControllerVersion,
    /// [`function::CONTROLLER_CAPABILITIES`]
    ControllerCapabilities,
    /// [`function::CONTROLLER_ID`]
    ControllerId,
    /// [`function::SUC_NODE_ID`]
    SucNodeId,
    /// [`function::LONG_RANGE_NODES`], first segment
    LongRangeNodes,
    /// [`function::SERIAL_API_SETUP`] 0x80 with 16-bit node ids
    UseWideNodeIds,
    /// [`function::SOFT_RESET`]
    SoftReset,
    /// [`function::START_WATCHDOG`]
    StartWatchdog,
    /// [`function::SET_SUC_NODE_ID`]: become the update controller and its server
    BecomeSuc(NodeId),
    /// [`function::NODE_PROTOCOL_INFO`]
    NodeProtocolInfo(NodeId),
    /// [`function::REQUEST_NODE_INFO`]
    RequestNodeInfo(NodeId),
    /// [`function::SEND_DATA`] or its bridge form
    SendData {
        /// To whom.
        node: NodeId,
        /// A command class frame, encapsulated.
        payload: Vec<u8>,
        /// Sent from this virtual or own node when the library is a bridge.
        bridge_source: Option<NodeId>,
    },
    /// [`function::SEND_DATA_ABORT`]
    SendDataAbort,
    /// [`function::ASSIGN_SUC_RETURN_ROUTE`]
    AssignSucReturnRoute(NodeId),
    /// [`function::ADD_NODE`]
    AddNode(AddMode),
    /// [`function::REMOVE_NODE`]
    RemoveNode(RemoveMode),
    /// [`function::REMOVE_FAILED_NODE`]
    RemoveFailedNode(NodeId),
}

/// What to do about inclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddMode {
    /// Include the next node that asks, over other nodes if need be.
    Any,
    /// End an inclusion and report it.
    Stop,
    /// Leave inclusion without a report.
    StopSilently,
    /// Listen for announcements of SmartStart nodes.
    ListenSmartStart,
    /// Include the SmartStart node with these parts of its DSK.
    SmartStart {
        /// DSK bytes 8 to 11, with the two fixed bits set.
        nwi_home_id: [u8; 4],
        /// DSK bytes 12 to 15.
        auth_home_id: [u8; 4],
    },
}

/// What to do about exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveMode {
    /// Exclude the next node that asks.
    Any,
    /// Leave exclusion without a report.
    StopSilently,
}

impl Command {
    /// The command's function.
    pub const fn function(&self) -> u8 {
        match self {
            Self::SerialApiCapabilities => function::SERIAL_API_CAPABILITIES,
            Self::InitData => function::INIT_DATA,
            Self::ControllerVersion => function::CONTROLLER_VERSION,
            Self::ControllerCapabilities => function::CONTROLLER_CAPABILITIES,
            Self::ControllerId => function::CONTROLLER_ID,
            Self::SucNodeId => function::SUC_NODE_ID,
            Self::LongRangeNodes => function::LONG_RANGE_NODES,
            Self::UseWideNodeIds => function::SERIAL_API_SETUP,
            Self::SoftReset => function::SOFT_RESET,
            Self::StartWatchdog => function::START_WATCHDOG,
            Self::BecomeSuc(_) => function::SET_SUC_NODE_ID,
            Self::NodeProtocolInfo(_) => function::NODE_PROTOCOL_INFO,
            Self::RequestNodeInfo(_) => function::REQUEST_NODE_INFO,
            Self::SendData {
                bridge_source: None, ..
            } => function::SEND_DATA,
            Self::SendData {
                bridge_source: Some(_),
                ..
            } => function::SEND_DATA_BRIDGE,
            Self::SendDataAbort => function::SEND_DATA_ABORT,
            Self::AssignSucReturnRoute(_) => function::ASSIGN_SUC_RETURN_ROUTE,
            Self::AddNode(_) => function::ADD_NODE,
            Self::RemoveNode(_) => function::REMOVE_NODE,
            Self::RemoveFailedNode(_) => function::REMOVE_FAILED_NODE,
        }
    }

    /// Whether the dongle answers at once with a response frame.
    pub const fn has_response(&self) -> bool {
        match self {
            Self::SoftReset
            | Self::StartWatchdog
            | Self::SendDataAbort
            | Self::AddNode(_)
            | Self::RemoveNode(_) => false,
            Self::SerialApiCapabilities
            | Self::InitData
            | Self::ControllerVersion
            | Self::ControllerCapabilities
            | Self::ControllerId
            | Self::SucNodeId
            | Self::LongRangeNodes
            | Self::UseWideNodeIds
            | Self::BecomeSuc(_)
            | Self::NodeProtocolInfo(_)
            | Self::RequestNodeInfo(_)
            | Self::SendData { .. }
            | Self::AssignSucReturnRoute(_)
            | Self::RemoveFailedNode(_) => true,
        }
    }

    /// Whether the dongle reports the end later, by callback id.
    pub const fn has_callback(&self) -> bool {
        match self {
            Self::SendData { .. } | Self::AssignSucReturnRoute(_) | Self::RemoveFailedNode(_) => true,
            Self::SerialApiCapabilities
            | Self::InitData
            | Self::ControllerVersion
            | Self::ControllerCapabilities
            | Self::ControllerId
            | Self::SucNodeId
            | Self::LongRangeNodes
            | Self::UseWideNodeIds
            | Self::SoftReset
            | Self::StartWatchdog
            | Self::BecomeSuc(_)
            | Self::NodeProtocolInfo(_)
            | Self::RequestNodeInfo(_)
            | Self::SendDataAbort
            | Self::AddNode(_)
            | Self::RemoveNode(_) => false,
        }
    }

    /// The command as a data frame. `callback` is used by commands that report their end or progress.
    pub fn to_data(&self, width: NodeIdWidth, callback: u8) -> Data {
        let mut payload = Vec::new();
        match self {
            Self::SerialApiCapabilities
            | Self::InitData
            | Self::ControllerVersion
            | Self::ControllerCapabilities
            | Self::ControllerId
            | Self::SucNodeId
            | Self::SoftReset
            | Self::StartWatchdog
            | Self::SendDataAbort => {}
            Self::LongRangeNodes => payload.push(0),
            Self::UseWideNodeIds => payload.extend_from_slice(&[0x80, 2]),
            Self::BecomeSuc(node) => {
                width.put(*node, &mut payload);
                // Enable, normal power, node id server; no callback is made for the dongle itself.
                payload.extend_from_slice(&[1, 0, 1, callback]);
            }
            Self::NodeProtocolInfo(node) | Self::RequestNodeInfo(node) => width.put(*node, &mut payload),
            Self::SendData {
                node,
                payload: frame,
                bridge_source,
            } => {
                if let Some(source) = bridge_source {
                    width.put(*source, &mut payload);
                }
                width.put(*node, &mut payload);
                // A frame too long for its length byte cannot be emitted: `Data::emit` refuses it.
                payload.push(u8::try_from(frame.len()).unwrap_or(u8::MAX));
                payload.extend_from_slice(frame);
                payload.push(TRANSMIT_OPTIONS);
                if bridge_source.is_some() {
                    payload.extend_from_slice(&[0; 4]);
                }
                payload.push(callback);
            }
            Self::AssignSucReturnRoute(node) | Self::RemoveFailedNode(node) => {
                width.put(*node, &mut payload);
                payload.push(callback);
            }
            Self::AddNode(mode) => match mode {
                // High power 0x80, network-wide 0x40.
                AddMode::Any => payload.extend_from_slice(&[0xc1, callback]),
                AddMode::Stop => payload.extend_from_slice(&[0xc5, callback]),
                AddMode::StopSilently => payload.extend_from_slice(&[0x05, 0]),
                AddMode::ListenSmartStart => payload.extend_from_slice(&[0x49, callback]),
                AddMode::SmartStart {
                    nwi_home_id,
                    auth_home_id,
                } => {
                    payload.extend_from_slice(&[0xc8, callback]);
                    payload.extend_from_slice(nwi_home_id);
                    payload.extend_from_slice(auth_home_id);
                }
            },
            Self::RemoveNode(mode) => match mode {
                RemoveMode::Any => payload.extend_from_slice(&[0xc1, callback]),
                RemoveMode::StopSilently => payload.extend_from_slice(&[0x05, 0]),
            },
        }
        Data::request(self.function(), payload)
    }
}

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

/// What the dongle remembers of a node's radio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProtocolInfo {
    /// Whether its receiver is always on.
    pub listening: bool,
    /// Whether it wakes to a beam (FLiRS: battery locks).
    pub frequently_listening: bool,
    /// The generic device class; 0 means that the node does not exist.
    pub generic: u8,
    /// The specific device class.
    pub specific: u8,
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
        /// See [`AddMode::SmartStart`].
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

/// What the dongle can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The dongle's firmware.
    pub firmware: (u8, u8),
    /// Its maker, product type and product id.
    pub product: (u16, u16, u16),
    functions: Vec<u8>,
}

impl Capabilities {
    /// Whether the dongle has this function.
    pub fn has(&self, function: u8) -> bool {
        let Some(index) = function.checked_sub(1) else {
            return false;
        };
        self.functions
            .get(usize::from(index / 8))
            .is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }
}

/// Reads the response to [`Command::SerialApiCapabilities`].
///
/// # Errors
/// When it is too short.
pub fn parse_capabilities(payload: &[u8]) -> Result<Capabilities, TooShort> {
    let mut reader = Reader::new(payload);
    Ok(Capabilities {
        firmware: (reader.u8("firmware major")?, reader.u8("firmware minor")?),
        product: (
            reader.u16("maker")?,
            reader.u16("product type")?,
            reader.u16("product id")?,
        ),
        functions: reader.rest().to_vec(),
    })
}

/// Reads the nodes in the response to [`Command::InitData`].
///
/// # Errors
/// When it is too short.
pub fn parse_init_data(payload: &[u8]) -> Result<Vec<NodeId>, TooShort> {
    let mut reader = Reader::new(payload);
    reader.take(2, "version and capabilities")?;
    let length = usize::from(reader.u8("node mask length")?);
    Ok(bits(reader.take(length, "node mask")?, 1).map(NodeId).collect())
}

/// Reads the nodes in the response to [`Command::LongRangeNodes`].
///
/// # Errors
/// When it is too short.
pub fn parse_long_range_nodes(payload: &[u8]) -> Result<Vec<NodeId>, TooShort> {
    let mut reader = Reader::new(payload);
    reader.take(2, "segment")?;
    let length = usize::from(reader.u8("node mask length")?);
    Ok(bits(reader.take(length, "node mask")?, 256).map(NodeId).collect())
}

/// Reads home id and own node id in the response to [`Command::ControllerId`].
///
/// # Errors
/// When it is too short.
pub fn parse_controller_id(payload: &[u8], width: NodeIdWidth) -> Result<(u32, NodeId), TooShort> {
    let mut reader = Reader::new(payload);
    Ok((reader.u32("home id")?, width.take(&mut reader)?))
}

/// Reads the response to [`Command::NodeProtocolInfo`].
///
/// # Errors
/// When it is too short.
pub fn parse_protocol_info(payload: &[u8]) -> Result<ProtocolInfo, TooShort> {
    let mut reader = Reader::new(payload);
    let capability = reader.u8("capability")?;
    let security = reader.u8("security")?;
    reader.take(2, "reserved and basic class")?;
    Ok(ProtocolInfo {
        listening: capability & 0x80 != 0,
        // Beam every 1000 ms 0x40 or every 250 ms 0x20.
        frequently_listening: security & 0x60 != 0,
        generic: reader.u8("generic class")?,
        specific: reader.u8("specific class").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::frame::Kind;
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn request(function: u8, payload: &str) -> Data {
        Data {
            kind: Kind::Request,
            function,
            payload: hex(payload),
        }
    }

    #[test]
    fn the_recorded_start_is_read_as_it_was_meant() {
        let capabilities = parse_capabilities(&hex(concat!(
            "0100fffffffffffe12001c80000000000106118000000000000000",
            "00000500000000000000000000"
        )))
        .unwrap();
        assert!(capabilities.has(function::SEND_DATA_BRIDGE) && capabilities.has(function::ADD_NODE));
        assert!(!capabilities.has(function::SOFT_RESET) && !capabilities.has(function::SERIAL_API_SETUP));

        let nodes = parse_init_data(&hex(concat!(
            "09081d0f00000000000000000000000000000000000000000000000000",
            "000000000700"
        )))
        .unwrap();
        assert_eq!(nodes, [NodeId(1), NodeId(2), NodeId(3), NodeId(4)]);
        assert_eq!(
            parse_controller_id(&hex("7e57000101"), NodeIdWidth::Bits8),
            Ok((0x7e57_0001, NodeId(1)))
        );
        let info = parse_protocol_info(&hex("db9d01044003")).unwrap();
        assert!(info.listening && info.generic == 0x40 && info.specific == 0x03);
    }

    #[test]
    fn a_recorded_frame_is_sent_byte_for_byte() {
        let command = Command::SendData {
            node: NodeId(2),
            payload: hex("9f0196"),
            bridge_source: Some(NodeId(1)),
        };
        assert_eq!(
            command.to_data(NodeIdWidth::Bits8, 0x0b).emit().unwrap(),
            hex("010f00a90102039f019625000000000b7f")
        );
    }

    #[test]
    fn what_the_dongle_says_by_itself() {
        let narrow = NodeIdWidth::Bits8;
        assert_eq!(
            Unsolicited::parse(&request(0x04, "000203710500"), narrow),
            Ok(Unsolicited::Frame {
                node: NodeId(2),
                multicast: false,
                payload: hex("710500")
            })
        );
        assert_eq!(
            Unsolicited::parse(&request(0xa8, "0000010002027105"), NodeIdWidth::Bits16),
            Ok(Unsolicited::Frame {
                node: NodeId(2),
                multicast: false,
                payload: hex("7105")
            })
        );
        assert_eq!(
            Unsolicited::parse(&request(0xa9, "0b00"), narrow),
            Ok(Unsolicited::Callback {
                function: 0xa9,
                id: 0x0b,
                status: 0
            })
        );
        assert_eq!(
            Unsolicited::parse(&request(0x49, "850000edbd1d5e03"), narrow),
            Ok(Unsolicited::SmartStart {
                nwi_home_id: [0xed, 0xbd, 0x1d, 0x5e]
            })
        );
        assert!(
            Unsolicited::parse(&request(0x04, "000209"), narrow).is_err(),
            "length beyond the end"
        );
    }
}
