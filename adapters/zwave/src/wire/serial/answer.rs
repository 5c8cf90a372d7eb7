//! What the dongle answers to a command at once.

use super::super::reader::{Reader, TooShort, bits};
use super::{NodeId, NodeIdWidth};

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

/// Reads the response to [`Command::SerialApiCapabilities`](super::Command::SerialApiCapabilities).
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

/// The highest node id of classic Z-Wave.
const CLASSIC_NODE_MAX: u16 = 232;

/// Reads the nodes in the response to [`Command::InitData`](super::Command::InitData).
///
/// # Errors
/// When it is too short.
pub fn parse_init_data(payload: &[u8]) -> Result<Vec<NodeId>, TooShort> {
    let mut reader = Reader::new(payload);
    reader.take(2, "version and capabilities")?;
    let length = usize::from(reader.u8("node mask length")?);
    // A longer mask than 29 bytes names nodes that cannot be.
    let nodes = bits(reader.take(length, "node mask")?, 1).filter(|node| *node <= CLASSIC_NODE_MAX);
    Ok(nodes.map(NodeId).collect())
}

/// Reads the nodes in the response to [`Command::LongRangeNodes`](super::Command::LongRangeNodes).
///
/// # Errors
/// When it is too short.
pub fn parse_long_range_nodes(payload: &[u8]) -> Result<Vec<NodeId>, TooShort> {
    let mut reader = Reader::new(payload);
    reader.take(2, "segment")?;
    let length = usize::from(reader.u8("node mask length")?);
    Ok(bits(reader.take(length, "node mask")?, 256).map(NodeId).collect())
}

/// Reads home id and own node id in the response to [`Command::ControllerId`](super::Command::ControllerId).
///
/// # Errors
/// When it is too short.
pub fn parse_controller_id(payload: &[u8], width: NodeIdWidth) -> Result<(u32, NodeId), TooShort> {
    let mut reader = Reader::new(payload);
    Ok((reader.u32("home id")?, width.take(&mut reader)?))
}

/// Reads the response to [`Command::NodeProtocolInfo`](super::Command::NodeProtocolInfo).
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
