//! What kind of stick is simulated.

/// A simulated stick's identity and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DongleConfig {
    /// The network's home id.
    pub home_id: u32,
    /// The stick's own node id.
    pub own_node: u16,
    /// The library's name, as `GetControllerVersion` answers it.
    pub library: String,
    /// The library's type: 1 static controller, 7 bridge controller.
    pub library_type: u8,
    /// The protocol's version: major, minor, patch.
    pub protocol: [u8; 3],
    /// The Serial API's version as `GetSerialApiInitData` answers it.
    pub api_version: u8,
    /// The application's version.
    pub application: [u8; 2],
    /// Manufacturer, product type and product id.
    pub product: [u16; 3],
    /// The Serial API functions that it says it has. It answers all that it knows, said or not.
    pub functions: Vec<u8>,
    /// Whether commands from nodes come as bridge commands (0xA8) or plain (0x04).
    pub bridge: bool,
    /// The command classes that it names when it starts.
    pub classes: Vec<u8>,
    /// Chip type and version: 5 for the 500 series, 7, 8.
    pub chip: [u8; 2],
    /// The size of its memory in bytes.
    pub nvm_size: usize,
}

/// The functions of a 700-series bridge controller that are simulated.
const FUNCTIONS: [u8; 39] = [
    0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x13, 0x15, 0x16, 0x1c, 0x20, 0x2a, 0x2b,
    0x2e, 0x3b, 0x41, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x51, 0x54, 0x55, 0x56, 0x60, 0x61, 0x62, 0x80,
    0xa8, 0xa9, 0xd2, 0xd3, 0xd9,
];

impl Default for DongleConfig {
    /// A 700-series bridge controller.
    fn default() -> Self {
        Self {
            home_id: 0xd0_0d_00_01,
            own_node: 1,
            library: "Z-Wave 7.18".to_owned(),
            library_type: 7,
            protocol: [7, 18, 1],
            api_version: 9,
            application: [7, 18],
            product: [0xfff0, 4, 1],
            functions: FUNCTIONS.to_vec(),
            bridge: true,
            classes: vec![0x5e, 0x98, 0x9f, 0x55, 0x56, 0x86, 0x8f, 0x74],
            chip: [7, 0],
            nvm_size: 0x1000,
        }
    }
}

impl DongleConfig {
    /// The functions as a bit mask: function 1 is bit 0 of the first byte.
    pub(crate) fn function_mask(&self) -> [u8; 32] {
        let mut mask = [0; 32];
        for function in &self.functions {
            set_bit(&mut mask, u16::from(*function));
        }
        mask
    }
}

/// Sets the bit of a number that counts from 1; numbers outside the mask are ignored.
pub(crate) fn set_bit(mask: &mut [u8], number: u16) {
    if let Some(index) = number.checked_sub(1)
        && let Some(byte) = mask.get_mut(usize::from(index / 8))
    {
        *byte |= 1 << (index % 8);
    }
}
