//! What a node says of itself: its device class and its command classes.
//!
//! Spec: Z-Wave and Z-Wave Long Range Network Layer, Node Information Frame; CC:0060.03.0A for endpoints.

use serde::{Deserialize, Serialize};

use super::class::SUPPORT_CONTROL_MARK;
use super::codec::Fault;
use crate::wire::reader::Reader;

/// The first byte of the classes whose number has two bytes.
const FIRST_EXTENDED: u8 = 0xF1;

/// Command classes that a node or endpoint supports (answers) and controls (sends). Classes of one byte are 0x00 to
/// 0xF0, extended ones 0xF100 to 0xFFFF.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClassList {
    /// Before the mark.
    pub supported: Vec<u16>,
    /// After the mark.
    pub controlled: Vec<u16>,
}

impl ClassList {
    /// Reads a list. Half an extended class at its end is ignored.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut list = Self::default();
        let mut controlled = false;
        let mut rest = bytes.iter().copied();
        while let Some(byte) = rest.next() {
            let class = match byte {
                SUPPORT_CONTROL_MARK => {
                    controlled = true;
                    continue;
                }
                FIRST_EXTENDED.. => match rest.next() {
                    Some(low) => u16::from_be_bytes([byte, low]),
                    None => break,
                },
                _ => byte.into(),
            };
            if controlled {
                &mut list.controlled
            } else {
                &mut list.supported
            }
            .push(class);
        }
        list
    }

    /// The list as bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_classes(&self.supported, &mut out);
        if !self.controlled.is_empty() {
            out.push(SUPPORT_CONTROL_MARK);
            put_classes(&self.controlled, &mut out);
        }
        out
    }

    /// Whether a class of one byte is supported.
    pub fn supports(&self, class: u8) -> bool {
        self.supported.contains(&class.into())
    }

    /// Whether a class of one byte is controlled.
    pub fn controls(&self, class: u8) -> bool {
        self.controlled.contains(&class.into())
    }
}

fn put_classes(classes: &[u16], out: &mut Vec<u8>) {
    for class in classes {
        match class.to_be_bytes() {
            [0, low] => out.push(low),
            extended => out.extend_from_slice(&extended),
        }
    }
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Basic device class: 1 controller, 2 static controller, 3 end node, 4 routing end node.
    pub basic: u8,
    /// Generic device class: 0x40 entry control, 0x07 and 0xA1 sensors and alarms, ...
    pub generic: u8,
    /// Specific device class, within the generic one.
    pub specific: u8,
    /// Its command classes.
    pub classes: ClassList,
}

impl NodeInfo {
    /// Reads the part of a node information frame that the application sees, from the basic device class on.
    ///
    /// # Errors
    /// When the three device classes are not all there.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let [basic, generic, specific] = reader.array("device classes")?;
        Ok(Self {
            basic,
            generic,
            specific,
            classes: ClassList::parse(reader.rest()),
        })
    }

    /// The frame as bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.basic, self.generic, self.specific];
        out.extend(self.classes.emit());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class() -> impl Strategy<Value = u16> {
        prop_oneof![0x00..=0xEEu16, Just(0xF0), 0xF100..=0xFFFFu16]
    }

    proptest! {
        #[test]
        fn a_list_parses_back(supported in prop::collection::vec(class(), 0..40), controlled in prop::collection::vec(class(), 0..8)) {
            let info = NodeInfo { basic: 4, generic: 0x40, specific: 3, classes: ClassList { supported, controlled } };
            prop_assert_eq!(NodeInfo::parse(&info.emit()), Ok(info));
        }
    }

    #[test]
    fn the_mark_separates_and_extended_classes_have_two_bytes() {
        let list = ClassList::parse(&[0x5E, 0xF1, 0x02, 0xEF, 0x20, 0xF3]);
        assert_eq!(
            list,
            ClassList {
                supported: vec![0x5E, 0xF102],
                controlled: vec![0x20]
            }
        );
        assert!(list.supports(0x5E) && !list.supports(0x20) && list.controls(0x20));
    }

    #[test]
    fn a_frame_without_device_classes_is_an_error() {
        assert!(NodeInfo::parse(&[4, 0x40]).is_err());
    }
}
