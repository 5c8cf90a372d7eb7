//! What every simulated device answers alike: identity, versions, associations.

use super::Answer;

/// Who made a device and what it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Manufacturer, product type, product id.
    pub(crate) product: [u16; 3],
    /// Firmware version.
    pub(crate) firmware: [u8; 2],
    /// Role type of Z-Wave Plus: 7 listening sleeping end node, 6 reporting sleeping end node, 5 always on.
    pub(crate) role: u8,
    /// The icon.
    pub(crate) icon: u16,
    /// Its command classes with their versions.
    pub(crate) versions: Vec<(u8, u8)>,
}

/// The lifeline and its members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lifeline {
    nodes: Vec<u8>,
}

/// How many members the lifeline takes.
const LIFELINE_MAX: usize = 5;

impl Lifeline {
    /// A lifeline to the hub, as a device included earlier has it.
    pub(crate) fn to(node: u8) -> Self {
        Self { nodes: vec![node] }
    }

    /// Whether anybody is told.
    pub(crate) fn is_set(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Association, Spec: CC:0085.
    pub(crate) fn handle(&mut self, command: &[u8]) -> Answer {
        match *command {
            [0x85, 0x01, 1, ref nodes @ ..] => {
                for node in nodes {
                    if !self.nodes.contains(node) && self.nodes.len() < LIFELINE_MAX {
                        self.nodes.push(*node);
                    }
                }
                Answer::Done
            }
            [0x85, 0x02, ..] => {
                let mut report = vec![0x85, 0x03, 1, 5, 0];
                report.extend_from_slice(&self.nodes);
                Answer::Report(report)
            }
            [0x85, 0x04] => {
                self.nodes.clear();
                Answer::Done
            }
            [0x85, 0x04, 0 | 1, ref nodes @ ..] => {
                self.nodes
                    .retain(|node| !nodes.is_empty() && !nodes.contains(node));
                Answer::Done
            }
            [0x85, 0x01 | 0x04, ..] => Answer::Fail,
            [0x85, 0x05] => Answer::Report(vec![0x85, 0x06, 1]),
            [0x85, 0x0b] => Answer::Report(vec![0x85, 0x0c, 0]),
            _ => Answer::Unknown,
        }
    }
}

impl Identity {
    fn version_of(&self, class: u8) -> u8 {
        self.versions
            .iter()
            .find(|(known, _)| *known == class)
            .map_or(0, |(_, version)| *version)
    }

    /// Identity and version commands.
    pub(crate) fn handle(&self, command: &[u8]) -> Answer {
        match *command {
            // Z-Wave Plus Info. Spec: CC:005E.02.
            [0x5e, 0x01] => {
                let [high, low] = self.icon.to_be_bytes();
                Answer::Report(vec![0x5e, 0x02, 2, self.role, 0, high, low, high, low])
            }
            // Manufacturer Specific. Spec: CC:0072.
            [0x72, 0x04] => {
                let mut report = vec![0x72, 0x05];
                report.extend(self.product.iter().flat_map(|word| word.to_be_bytes()));
                Answer::Report(report)
            }
            [0x72, 0x06, ..] => Answer::Report(vec![0x72, 0x07, 1, 0x24, 0xde, 0xc0, 0xde, 0x01]),
            // Version. Spec: CC:0086.
            [0x86, 0x11] => {
                let [version, sub] = self.firmware;
                Answer::Report(vec![0x86, 0x12, 3, 7, 18, version, sub, 1, 0])
            }
            [0x86, 0x13, class] => Answer::Report(vec![0x86, 0x14, class, self.version_of(class)]),
            // Association Group Information. Spec: CC:0059.
            [0x59, 0x01, _] => {
                let mut report = vec![0x59, 0x02, 1, 8];
                report.extend_from_slice(b"Lifeline");
                Answer::Report(report)
            }
            [0x59, 0x03, ..] => Answer::Report(vec![0x59, 0x04, 0x01, 1, 0, 0, 1, 0, 0, 0]),
            [0x59, 0x05, ..] => Answer::Report(vec![0x59, 0x06, 1, 6, 0x71, 0x05, 0x80, 0x03, 0x5a, 0x01]),
            _ => Answer::Unknown,
        }
    }
}

/// A bit mask of at least one byte whose lowest bit is number 0, as the command classes use it.
pub(crate) fn mask_from_zero(numbers: &[u8]) -> Vec<u8> {
    let top = numbers.iter().copied().max().unwrap_or(0);
    let mut mask = vec![0; usize::from(top / 8) + 1];
    for number in numbers {
        if let Some(byte) = mask.get_mut(usize::from(number / 8)) {
            *byte |= 1 << (number % 8);
        }
    }
    mask
}

/// A mask with its length before it; `flags` go into the length byte's upper bits.
pub(crate) fn counted(flags: u8, mask: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags | (u8::try_from(mask.len()).unwrap_or(0) & 0x1f)];
    bytes.extend_from_slice(mask);
    bytes
}

/// A Notification Report. Spec: CC:0071.
pub(crate) fn notification(kind: u8, event: u8, parameters: &[u8]) -> Vec<u8> {
    let length = u8::try_from(parameters.len()).unwrap_or(0) & 0x1f;
    let mut report = vec![0x71, 0x05, 0, 0, 0, 0xff, kind, event, length];
    report.extend_from_slice(parameters);
    report
}

/// The questions about notifications that need no state. `events` are the types with their events.
pub(crate) fn notification_support(command: &[u8], events: &[(u8, Vec<u8>)]) -> Answer {
    match *command {
        [0x71, 0x07] => {
            let kinds: Vec<u8> = events.iter().map(|(kind, _)| *kind).collect();
            let mut report = vec![0x71, 0x08];
            report.extend(counted(0, &mask_from_zero(&kinds)));
            Answer::Report(report)
        }
        [0x71, 0x01, kind] => {
            let mut report = vec![0x71, 0x02, kind];
            match events.iter().find(|(known, _)| *known == kind) {
                Some((_, events)) => report.extend(counted(0, &mask_from_zero(events))),
                None => report.push(0),
            }
            Answer::Report(report)
        }
        [0x71, 0x06, ..] => Answer::Done,
        _ => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifeline_keeps_its_members_once() {
        let mut lifeline = Lifeline::default();
        assert_eq!(lifeline.handle(&[0x85, 0x01, 1, 1, 1]), Answer::Done);
        assert_eq!(
            lifeline.handle(&[0x85, 0x02, 1]),
            Answer::Report(vec![0x85, 0x03, 1, 5, 0, 1])
        );
        assert_eq!(lifeline.handle(&[0x85, 0x01, 2, 1]), Answer::Fail);
        assert_eq!(lifeline.handle(&[0x85, 0x04, 1]), Answer::Done);
        assert!(!lifeline.is_set());
    }

    #[test]
    fn masks_count_from_zero() {
        assert_eq!(mask_from_zero(&[6, 8]), [0x40, 0x01]);
        assert_eq!(counted(0x80, &[0x07]), [0x81, 0x07]);
    }
}
