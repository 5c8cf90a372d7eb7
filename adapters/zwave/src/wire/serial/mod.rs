//! Serial API commands to the dongle and what it says back.
//!
//! Spec: Silicon Labs INS12350 (Serial API) and the Z-Wave Host API; byte layouts checked against a recorded session.

mod answer;
mod command;
mod memory;
mod said;

use super::reader::{Reader, TooShort};

pub use answer::{
    Capabilities, ProtocolInfo, parse_capabilities, parse_controller_id, parse_init_data,
    parse_long_range_nodes, parse_protocol_info,
};
pub use command::{AddMode, Command, RemoveMode};
pub use memory::{Nvm, NvmAnswer, NvmOperation, NvmStatus, parse_nvm_answer, parse_nvm_size};
pub use said::{NetworkStatus, SerialError, TransmitStatus, Unsolicited};

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
    /// Switch the receiver on or off.
    pub const RECEIVE_MODE: u8 = 0x10;
    /// Send a frame to a node.
    pub const SEND_DATA: u8 = 0x13;
    /// The library's version.
    pub const CONTROLLER_VERSION: u8 = 0x15;
    /// Stop trying to deliver the frame under way.
    pub const SEND_DATA_ABORT: u8 = 0x16;
    /// Home id and the dongle's own node id.
    pub const CONTROLLER_ID: u8 = 0x20;
    /// How large the dongle's memory is (500 series).
    pub const NVM_ID: u8 = 0x29;
    /// Read a piece of the dongle's memory (500 series).
    pub const NVM_READ_LONG: u8 = 0x2a;
    /// Write a piece of the dongle's memory (500 series).
    pub const NVM_WRITE_LONG: u8 = 0x2b;
    /// Open, read, write or close the dongle's memory (700 series).
    pub const NVM_OPERATIONS: u8 = 0x2e;
    /// The same with larger addresses (800 series).
    pub const EXTENDED_NVM_OPERATIONS: u8 = 0x3d;
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

#[cfg(test)]
mod tests {
    use super::super::frame::{Data, Kind};
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
        // A mask of 32 bytes: its last 24 bits name no node that can be.
        let overlong = [&[9, 8, 32][..], &[0xff; 32]].concat();
        let nodes = parse_init_data(&overlong).unwrap();
        assert!(nodes.iter().copied().eq((1..=232).map(NodeId)), "{nodes:?}");
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
