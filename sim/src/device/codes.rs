//! The PINs that a simulated lock keeps, and the User Code commands about them.
//!
//! Spec: CC:0063, versions 1 and 2.

use std::collections::BTreeMap;

use super::Answer;
use super::common::{counted, mask_from_zero};

/// One code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    /// 1 enabled, 2 disabled.
    pub(crate) status: u8,
    pub(crate) digits: Vec<u8>,
}

/// What a lock does wrong with its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CodeFaults {
    /// It says that it cleared a slot and keeps it.
    pub ignores_clear: bool,
    /// It never shows a PIN: asterisks, or nothing.
    pub masks_pins: bool,
    /// It says that it took a code and keeps none.
    pub forgets_writes: bool,
    /// It erases a user's schedules whenever the user's code is written.
    pub drops_schedules: bool,
}

/// A change made by radio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeChange {
    Set(u16),
    Deleted(u16),
    /// A user of User Credential with all credentials.
    UserDeleted(u16),
    AllDeleted,
    /// Nothing changed: another slot has the same code.
    Duplicate(u16),
}

/// All codes of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Codes {
    version: u8,
    capacity: u16,
    /// Whether it reports and takes several codes in one frame.
    bulk: bool,
    faults: CodeFaults,
    kept: BTreeMap<u16, Code>,
    admin: Vec<u8>,
    keypad_mode: u8,
}

const AVAILABLE: u8 = 0;
const ENABLED: u8 = 1;
const NOT_AVAILABLE: u8 = 0xfe;
/// How many bytes of codes fit into a report under S2.
const BULK_BYTES_MAX: usize = 26;

impl Codes {
    pub(crate) fn new(version: u8, capacity: u16, bulk: bool, faults: CodeFaults) -> Self {
        Self {
            version,
            capacity,
            bulk,
            faults,
            kept: BTreeMap::new(),
            admin: Vec::new(),
            keypad_mode: 0,
        }
    }

    /// Keeps a code as if it had been there before.
    pub(crate) fn keep(&mut self, slot: u16, digits: &str) {
        self.kept.insert(
            slot,
            Code {
                status: ENABLED,
                digits: digits.as_bytes().to_vec(),
            },
        );
    }

    /// The slot of an enabled code.
    pub(crate) fn slot_of(&self, digits: &str) -> Option<u16> {
        let same = |code: &Code| code.status == ENABLED && code.digits == digits.as_bytes();
        self.kept
            .iter()
            .find(|(_, code)| same(code))
            .map(|(slot, _)| *slot)
    }

    /// The codes by slot.
    pub(crate) fn all(&self) -> &BTreeMap<u16, Code> {
        &self.kept
    }

    /// Answers a command; a change is told, too.
    pub(crate) fn handle(&mut self, command: &[u8]) -> (Answer, Option<CodeChange>) {
        let answer = match *command {
            [0x63, 0x01, slot, status, ref digits @ ..] => return self.set(u16::from(slot), status, digits),
            [0x63, 0x02, slot] => self.report(u16::from(slot)),
            [0x63, 0x04] => self.users_number(),
            [0x63, 0x0b, count, ref codes @ ..] if self.version >= 2 => {
                return self.set_several(count, codes);
            }
            [0x63, 0x0c, high, low, ref more @ ..] if self.version >= 2 => {
                let more = more.first().is_some_and(|flags| flags & 1 != 0);
                self.extended_report(u16::from_be_bytes([high, low]), more && self.bulk)
            }
            [0x63, 0x06] if self.version >= 2 => Answer::Report(self.capabilities()),
            [0x63, 0x08, mode @ 0..=1] if self.version >= 2 => {
                self.keypad_mode = mode;
                Answer::Done
            }
            [0x63, 0x09] if self.version >= 2 => Answer::Report(vec![0x63, 0x0a, self.keypad_mode]),
            [0x63, 0x0e, length, ref digits @ ..] if self.version >= 2 => {
                self.set_admin(length & 0x0f, digits)
            }
            [0x63, 0x0f] if self.version >= 2 => {
                let mut report = vec![0x63, 0x10, u8::try_from(self.admin.len()).unwrap_or(0)];
                report.extend_from_slice(&self.admin);
                Answer::Report(report)
            }
            [0x63, 0x11] if self.version >= 2 => {
                let [high, low] = self.checksum().to_be_bytes();
                Answer::Report(vec![0x63, 0x12, high, low])
            }
            _ => Answer::Unknown,
        };
        (answer, None)
    }

    /// Extended User Code Set.
    fn set_several(&mut self, count: u8, mut rest: &[u8]) -> (Answer, Option<CodeChange>) {
        if count == 0 || (count > 1 && !self.bulk) {
            return (Answer::Fail, None);
        }
        let mut last = None;
        for _ in 0..count {
            let [high, low, status, length, more @ ..] = rest else {
                return (Answer::Fail, last);
            };
            let Some((digits, more)) = more.split_at_checked(usize::from(length & 0x0f)) else {
                return (Answer::Fail, last);
            };
            let (answer, change) = self.set(u16::from_be_bytes([*high, *low]), *status, digits);
            if answer != Answer::Done {
                return (answer, change);
            }
            (rest, last) = (more, change);
        }
        (Answer::Done, last)
    }

    /// Somebody writes or deletes a code at the keypad.
    pub(crate) fn at_the_keypad(&mut self, slot: u16, digits: Option<&str>) -> Option<CodeChange> {
        match digits {
            Some(digits) => self.set(slot, ENABLED, digits.as_bytes()).1,
            None => self.kept.remove(&slot).map(|_| CodeChange::Deleted(slot)),
        }
    }

    pub(crate) fn forget_all(&mut self) {
        self.kept.clear();
        self.admin.clear();
        self.keypad_mode = 0;
    }

    fn set(&mut self, slot: u16, status: u8, digits: &[u8]) -> (Answer, Option<CodeChange>) {
        if status == AVAILABLE && self.faults.ignores_clear {
            return (Answer::Done, None);
        }
        if slot == 0 && status == AVAILABLE {
            self.kept.clear();
            return (Answer::Done, Some(CodeChange::AllDeleted));
        }
        if slot == 0 || slot > self.capacity {
            return (Answer::Fail, None);
        }
        if status == AVAILABLE {
            let change = self.kept.remove(&slot).map(|_| CodeChange::Deleted(slot));
            return (Answer::Done, change);
        }
        let good = (4..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        let twice = self
            .kept
            .iter()
            .any(|(other, code)| *other != slot && code.digits == digits);
        if good && (twice || digits == self.admin) {
            return (Answer::Fail, Some(CodeChange::Duplicate(slot)));
        }
        if !good || !(1..=2).contains(&status) {
            return (Answer::Fail, None);
        }
        if self.faults.forgets_writes {
            return (Answer::Done, None);
        }
        self.kept.insert(
            slot,
            Code {
                status,
                digits: digits.to_vec(),
            },
        );
        (Answer::Done, Some(CodeChange::Set(slot)))
    }

    fn set_admin(&mut self, length: u8, digits: &[u8]) -> Answer {
        match digits.get(..usize::from(length)) {
            Some(digits) if length == 0 || (4..=10).contains(&length) => {
                self.admin = digits.to_vec();
                Answer::Done
            }
            _ => Answer::Fail,
        }
    }

    fn report(&self, slot: u16) -> Answer {
        let [_, low] = slot.to_be_bytes();
        let mut report = vec![0x63, 0x03, low];
        match self.kept.get(&slot) {
            Some(code) => {
                report.push(code.status);
                report.extend(self.shown(code));
            }
            None if slot == 0 || slot > self.capacity => {
                report.extend_from_slice(&[NOT_AVAILABLE, 0, 0, 0, 0]);
            }
            None => report.extend_from_slice(&[AVAILABLE, 0, 0, 0, 0]),
        }
        Answer::Report(report)
    }

    fn users_number(&self) -> Answer {
        let short = u8::try_from(self.capacity).unwrap_or(u8::MAX);
        let mut report = vec![0x63, 0x05, short];
        if self.version >= 2 {
            report.extend_from_slice(&self.capacity.to_be_bytes());
        }
        Answer::Report(report)
    }

    /// A code's digits as the lock shows them.
    fn shown(&self, code: &Code) -> Vec<u8> {
        if self.faults.masks_pins {
            vec![b'*'; code.digits.len()]
        } else {
            code.digits.clone()
        }
    }

    /// One slot, or as many occupied ones from there on as fit into a frame.
    fn extended_report(&self, slot: u16, several: bool) -> Answer {
        let mut slots: Vec<u16> = vec![slot];
        if several {
            slots.extend(self.kept.keys().filter(|other| **other > slot));
        }
        let mut codes = Vec::new();
        let mut count = 0;
        let mut last = slot;
        for slot in slots {
            let mut one = slot.to_be_bytes().to_vec();
            match self.kept.get(&slot) {
                Some(code) => {
                    one.push(code.status);
                    one.push(u8::try_from(code.digits.len()).unwrap_or(0));
                    one.extend(self.shown(code));
                }
                None if slot == 0 || slot > self.capacity => one.extend_from_slice(&[NOT_AVAILABLE, 0]),
                None => one.extend_from_slice(&[AVAILABLE, 0]),
            }
            if codes.len() + one.len() > BULK_BYTES_MAX {
                break;
            }
            codes.extend(one);
            count += 1;
            last = slot;
        }
        let next = self
            .kept
            .keys()
            .find(|other| **other > last)
            .copied()
            .unwrap_or(0);
        let mut report = vec![0x63, 0x0d, count];
        report.extend(codes);
        report.extend_from_slice(&next.to_be_bytes());
        Answer::Report(report)
    }

    /// CRC-CCITT over slot, status and digits of every code; 0 without codes. Spec: CC:0063.02.11.
    fn checksum(&self) -> u16 {
        if self.kept.is_empty() {
            return 0;
        }
        let bytes = self.kept.iter().flat_map(|(slot, code)| {
            let [high, low] = slot.to_be_bytes();
            [high, low, code.status]
                .into_iter()
                .chain(code.digits.iter().copied())
        });
        crc(bytes)
    }

    fn capabilities(&self) -> Vec<u8> {
        let digits: Vec<u8> = (b'0'..=b'9').collect();
        let mut report = vec![0x63, 0x07];
        report.extend(counted(0x80, &mask_from_zero(&[0, 1, 2]))); // an admin code can be set
        // There is a checksum; several codes in a frame.
        let bulk = if self.bulk { 0x60 } else { 0 };
        report.extend(counted(0x80 | bulk, &mask_from_zero(&[0, 1])));
        report.extend(counted(0, &mask_from_zero(&digits)));
        report
    }
}

/// CRC-CCITT as the command classes use it.
pub(crate) fn crc(bytes: impl Iterator<Item = u8>) -> u16 {
    bytes.fold(0x1d0f, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_kept_found_reported_and_deleted() {
        let mut codes = Codes::new(1, 20, false, CodeFaults::default());
        let set = [0x63, 0x01, 3, 1, b'0', b'4', b'7', b'1'];
        assert_eq!(codes.handle(&set), (Answer::Done, Some(CodeChange::Set(3))));
        assert_eq!(codes.slot_of("0471"), Some(3));
        let report = vec![0x63, 0x03, 3, 1, b'0', b'4', b'7', b'1'];
        assert_eq!(codes.handle(&[0x63, 0x02, 3]).0, Answer::Report(report));
        assert_eq!(
            codes.handle(&[0x63, 0x01, 4, 1, b'0', b'4', b'7', b'1']).0,
            Answer::Fail,
            "twice"
        );
        assert_eq!(
            codes.handle(&[0x63, 0x01, 21, 1, b'1', b'2', b'3', b'4']).0,
            Answer::Fail,
            "no such slot"
        );
        assert_eq!(codes.handle(&[0x63, 0x01, 3, 0]).1, Some(CodeChange::Deleted(3)));
        assert_eq!(
            codes.handle(&[0x63, 0x02, 3]).0,
            Answer::Report(vec![0x63, 0x03, 3, 0, 0, 0, 0, 0])
        );
    }

    #[test]
    fn several_codes_come_in_one_report_and_the_next_is_named() {
        let mut codes = Codes::new(2, 20, true, CodeFaults::default());
        for (slot, digits) in [(2, "1111"), (5, "222222"), (9, "333333"), (12, "4444")] {
            codes.keep(slot, digits);
        }
        let Answer::Report(report) = codes.handle(&[0x63, 0x0c, 0, 1, 1]).0 else {
            panic!("a report");
        };
        assert_eq!(report[..7], [0x63, 0x0d, 3, 0, 1, 0, 0], "slot 1 is empty");
        assert_eq!(report[report.len() - 2..], [0, 9]);
        let Answer::Report(report) = codes.handle(&[0x63, 0x0c, 0, 9, 1]).0 else {
            panic!("a report");
        };
        assert_eq!((report[2], &report[report.len() - 2..]), (2, &[0, 0][..]));
    }

    #[test]
    fn version_1_knows_nothing_of_version_2() {
        let mut codes = Codes::new(1, 20, false, CodeFaults::default());
        for command in [&[0x63, 0x06][..], &[0x63, 0x11], &[0x63, 0x0c, 0, 1, 0]] {
            assert_eq!(codes.handle(command).0, Answer::Unknown);
        }
    }
}
