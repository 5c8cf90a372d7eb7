//! What the host says to the dongle.

use super::super::frame::Data;
use super::{NodeId, NodeIdWidth, Nvm, function};

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
    /// Something about the dongle's memory.
    Memory(Nvm),
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
            Self::Memory(nvm) => nvm.function(),
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
            | Self::RemoveFailedNode(_)
            | Self::Memory(_) => true,
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
            | Self::RemoveNode(_)
            | Self::Memory(_) => false,
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
            Self::Memory(nvm) => nvm.put(&mut payload),
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
