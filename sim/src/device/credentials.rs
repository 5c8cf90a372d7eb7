//! The users and credentials of a simulated lock with User Credential.
//!
//! Spec: CC:0083, version 1.

use std::collections::BTreeMap;

use super::Answer;
use super::codes::{CodeChange, CodeFaults, crc};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    kind: u8,
    active: bool,
    rule: u8,
    expiring: [u8; 2],
    encoding: u8,
    name: Vec<u8>,
    by: By,
}

/// Who made it so: 2 a node, 3 somebody at the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct By {
    modifier: u8,
    node: u8,
}

const BY_RADIO: By = By { modifier: 2, node: 1 };
const AT_THE_LOCK: By = By { modifier: 3, node: 0 };
const NOBODY: By = By { modifier: 0, node: 0 };

#[derive(Debug, Clone, PartialEq, Eq)]
struct Credential {
    user: u16,
    data: Vec<u8>,
    by: By,
}

/// All users and credentials of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    users_max: u16,
    pins: u16,
    tags: u16,
    schedules: bool,
    faults: CodeFaults,
    users: BTreeMap<u16, User>,
    kept: BTreeMap<(u8, u16), Credential>,
    admin: Vec<u8>,
    /// Who is being read in: user, kind, slot.
    learning: Option<(u16, u8, u16)>,
}

/// Digits at the keypad.
pub(crate) const PIN: u8 = 1;
/// A tag.
pub(crate) const TAG: u8 = 3;
const NAME_MAX: u8 = 32;
const GET: u8 = 4;
const ADDED: u8 = 0;
const MODIFIED: u8 = 1;
const DELETED: u8 = 2;
const UNCHANGED: u8 = 3;
const OCCUPIED: u8 = 5;
const EMPTY: u8 = 6;
const DUPLICATE: u8 = 7;
const WRONG_USER: u8 = 9;
const DUPLICATE_ADMIN: u8 = 10;

/// What a command led to: the answer, reports for the lifeline, and the change for the log.
pub(crate) type Outcome = (Answer, Vec<Vec<u8>>, Option<CodeChange>);

fn only(answer: Answer) -> Outcome {
    (answer, Vec::new(), None)
}

impl Credentials {
    pub(crate) fn new(pins: u16, tags: u16, schedules: bool, faults: CodeFaults) -> Self {
        Self {
            users_max: pins + tags,
            pins,
            tags,
            schedules,
            faults,
            users: BTreeMap::new(),
            kept: BTreeMap::new(),
            admin: Vec::new(),
            learning: None,
        }
    }

    /// Keeps a PIN as if it had been there before.
    pub(crate) fn keep(&mut self, slot: u16, digits: &str) {
        self.users.insert(slot, local_user(slot));
        let kept = Credential {
            user: slot,
            data: digits.as_bytes().to_vec(),
            by: AT_THE_LOCK,
        };
        self.kept.insert((PIN, slot), kept);
    }

    /// Slot and user of the active credential with this content.
    pub(crate) fn find(&self, kind: u8, data: &[u8]) -> Option<(u16, u16)> {
        let is_active = |user: &u16| self.users.get(user).is_some_and(|user| user.active);
        self.kept
            .iter()
            .find(|((of, _), kept)| *of == kind && kept.data == data && is_active(&kept.user))
            .map(|((_, slot), kept)| (*slot, kept.user))
    }

    /// The PINs by slot.
    pub(crate) fn pins(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.kept
            .iter()
            .filter(|((kind, _), _)| *kind == PIN)
            .map(|((_, slot), kept)| (*slot, kept.data.as_slice()))
    }

    /// The tags by slot.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.kept
            .iter()
            .filter(|((kind, _), _)| *kind == TAG)
            .map(|((_, slot), kept)| (*slot, kept.data.as_slice()))
    }

    pub(crate) fn user_names(&self) -> impl Iterator<Item = (u16, String)> {
        self.users
            .iter()
            .map(|(id, user)| (*id, String::from_utf8_lossy(&user.name).into_owned()))
    }

    pub(crate) fn forget_all(&mut self) {
        self.users.clear();
        self.kept.clear();
        self.admin.clear();
        self.learning = None;
    }

    /// Somebody writes or deletes a PIN at the keypad.
    pub(crate) fn at_the_keypad(&mut self, slot: u16, digits: Option<&str>) -> Option<Vec<u8>> {
        let place = (PIN, slot);
        match digits {
            Some(digits) if (1..=self.pins).contains(&slot) => {
                if self.is_duplicate(PIN, slot, digits.as_bytes()) {
                    return None;
                }
                let report = if self.kept.contains_key(&place) {
                    MODIFIED
                } else {
                    ADDED
                };
                self.keep(slot, digits);
                Some(self.credential_report(report, slot, place, false))
            }
            None if self.kept.contains_key(&place) => {
                let user = self.kept.remove(&place).map_or(slot, |kept| kept.user);
                self.users.remove(&user);
                Some(self.deleted(user, place, AT_THE_LOCK))
            }
            Some(_) | None => None,
        }
    }

    /// Somebody holds a tag to the lock that is reading one in: the reports.
    pub(crate) fn learn(&mut self, data: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (user, kind, slot) = self.learning.take()?;
        if self.is_duplicate(kind, slot, data) {
            return Some(vec![learn_report(3, (user, kind, slot))]);
        }
        let kept = Credential {
            user,
            data: data.to_vec(),
            by: AT_THE_LOCK,
        };
        self.kept.insert((kind, slot), kept);
        Some(vec![
            learn_report(1, (user, kind, slot)),
            self.credential_report(ADDED, user, (kind, slot), false),
        ])
    }

    /// Nobody came in time.
    pub(crate) fn stop_learning(&mut self) -> Option<Vec<u8>> {
        self.learning.take().map(|place| learn_report(4, place))
    }

    fn is_duplicate(&self, kind: u8, slot: u16, data: &[u8]) -> bool {
        self.kept
            .iter()
            .any(|((of, at), kept)| *of == kind && *at != slot && kept.data == data)
    }

    pub(crate) fn handle(&mut self, command: &[u8]) -> Outcome {
        match *command {
            [0x83, 0x01] => only(Answer::Report(self.user_capabilities())),
            [0x83, 0x03] => only(Answer::Report(self.credential_capabilities())),
            [0x83, 0x05, operation, a, b, ref rest @ ..] => {
                self.user_set(operation & 3, u16::from_be_bytes([a, b]), rest)
            }
            [0x83, 0x06, a, b] => only(Answer::Report(self.user_get(u16::from_be_bytes([a, b])))),
            [0x83, 0x0a, a, b, kind, c, d, operation, ref rest @ ..] => {
                let place = (kind, u16::from_be_bytes([c, d]));
                self.credential_set(u16::from_be_bytes([a, b]), place, operation & 3, rest)
            }
            [0x83, 0x0b, a, b, kind, c, d] => {
                let (user, slot) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                only(Answer::Report(self.credential_get(user, kind, slot)))
            }
            [0x83, 0x0f, a, b, kind, c, d, operation, ..] => {
                let (user, slot) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                self.learn_start(user, kind, slot, operation & 3)
            }
            [0x83, 0x10] => {
                let ended = self.learning.take().map(|place| learn_report(3, place));
                (Answer::Done, ended.into_iter().collect(), None)
            }
            [0x83, 0x14] => only(Self::checksum_report(&[0x83, 0x15], &self.all_users())),
            [0x83, 0x18, kind] => only(Self::checksum_report(&[0x83, 0x19, kind], &self.all_of(kind))),
            [0x83, 0x1b] => only(Answer::Report(self.admin_report(GET))),
            [0x83, 0x1a, length, ref digits @ ..] => self.admin_set(length & 0x0f, digits),
            _ => only(Answer::Unknown),
        }
    }

    fn user_capabilities(&self) -> Vec<u8> {
        let [high, low] = self.users_max.to_be_bytes();
        // One credential; a checksum over all users; names in ASCII; general users.
        let flags = 0x40 | 0x04 | if self.schedules { 0x80 } else { 0 };
        vec![0x83, 0x02, high, low, 0x02, NAME_MAX, flags, 1, 0x01]
    }

    fn credential_capabilities(&self) -> Vec<u8> {
        let mut report = vec![0x83, 0x04, 0xc0];
        let [high, low] = self.pins.to_be_bytes();
        if self.tags == 0 {
            report.extend_from_slice(&[1, PIN, 0, high, low, 4, 10, 0, 0, 0]);
        } else {
            let [tags_high, tags_low] = self.tags.to_be_bytes();
            report.extend_from_slice(&[2, PIN, TAG, 0, 0x80, high, low, tags_high, tags_low]);
            report.extend_from_slice(&[4, 4, 10, 16, 0, 30, 0, 1, 0, 20]);
        }
        report
    }

    fn user_set(&mut self, operation: u8, id: u16, rest: &[u8]) -> Outcome {
        if operation == 2 {
            if id == 0 {
                self.users.clear();
                self.kept.clear();
                let report = self.user_report(DELETED, 0, 0);
                return (Answer::Done, vec![report], Some(CodeChange::AllDeleted));
            }
            let gone = self.users.remove(&id).is_some();
            self.kept.retain(|_, kept| kept.user != id);
            let reports = if gone {
                vec![self.user_report(DELETED, id, 0)]
            } else {
                Vec::new()
            };
            return (Answer::Done, reports, gone.then_some(CodeChange::UserDeleted(id)));
        }
        let [kind, active, rule, e, f, encoding, length, name @ ..] = rest else {
            return only(Answer::Fail);
        };
        let Some(name) = name.get(..usize::from(*length)) else {
            return only(Answer::Fail);
        };
        if id == 0 || id > self.users_max || *kind != 0 || *rule != 1 || *length > NAME_MAX {
            return only(Answer::Fail);
        }
        match (operation, self.users.contains_key(&id)) {
            (0, true) => return (Answer::Fail, vec![self.user_report(OCCUPIED, id, 0)], None),
            (1, false) => return (Answer::Fail, vec![self.user_report(EMPTY, id, 0)], None),
            _ => {}
        }
        let user = User {
            kind: *kind,
            active: active & 1 != 0,
            rule: *rule,
            expiring: [*e, *f],
            encoding: *encoding,
            name: name.to_vec(),
            by: BY_RADIO,
        };
        let report = if operation == 0 { ADDED } else { MODIFIED };
        self.users.insert(id, user);
        (Answer::Done, vec![self.user_report(report, id, 0)], None)
    }

    fn user_get(&self, id: u16) -> Vec<u8> {
        let id = if id == 0 {
            self.users.keys().next().copied().unwrap_or(0)
        } else {
            id
        };
        let next = self.users.keys().find(|other| **other > id).copied().unwrap_or(0);
        self.user_report(GET, id, next)
    }

    fn user_report(&self, why: u8, id: u16, next: u16) -> Vec<u8> {
        let mut report = vec![0x83, 0x07, why];
        report.extend_from_slice(&next.to_be_bytes());
        let none = User {
            by: if why == DELETED { BY_RADIO } else { NOBODY },
            active: false,
            name: Vec::new(),
            ..local_user(id)
        };
        let user = self.users.get(&id).unwrap_or(&none);
        report.extend_from_slice(&[user.by.modifier, 0, user.by.node]);
        report.extend_from_slice(&id.to_be_bytes());
        report.extend_from_slice(&[user.kind, user.active.into(), user.rule]);
        report.extend_from_slice(&user.expiring);
        report.extend_from_slice(&[user.encoding, u8::try_from(user.name.len()).unwrap_or(0)]);
        report.extend_from_slice(&user.name);
        report
    }

    fn credential_set(&mut self, user: u16, place: (u8, u16), operation: u8, rest: &[u8]) -> Outcome {
        let (kind, slot) = place;
        if operation == 2 {
            return self.credential_delete(user, kind, slot);
        }
        let [length, data @ ..] = rest else {
            return only(Answer::Fail);
        };
        let (room, lengths) = match kind {
            PIN => (self.pins, 4..=10),
            TAG => (self.tags, 4..=16),
            _ => return only(Answer::Fail),
        };
        let Some(data) = data
            .get(..usize::from(*length))
            .filter(|data| lengths.contains(&data.len()))
        else {
            return only(Answer::Fail);
        };
        if slot == 0 || slot > room || (kind == PIN && !data.iter().all(u8::is_ascii_digit)) {
            return only(Answer::Fail);
        }
        let refusal = match (operation, self.kept.get(&place)) {
            _ if !self.users.contains_key(&user) => Some(WRONG_USER),
            (0, Some(_)) => Some(OCCUPIED),
            (1, None) => Some(EMPTY),
            (1, Some(kept)) if kept.user != user => Some(WRONG_USER),
            _ if self.is_duplicate(kind, slot, data) => Some(DUPLICATE),
            _ if kind == PIN && data == self.admin && !data.is_empty() => Some(DUPLICATE_ADMIN),
            _ => None,
        };
        if let Some(refusal) = refusal {
            let report = self.credential_report(refusal, user, place, false);
            return (Answer::Fail, vec![report], None);
        }
        if self.kept.get(&place).is_some_and(|kept| kept.data == data) {
            let report = self.credential_report(UNCHANGED, user, place, false);
            return (Answer::Done, vec![report], None);
        }
        let kept = Credential {
            user,
            data: data.to_vec(),
            by: BY_RADIO,
        };
        self.kept.insert(place, kept);
        let why = if operation == 0 { ADDED } else { MODIFIED };
        let report = self.credential_report(why, user, place, false);
        (Answer::Done, vec![report], Some(CodeChange::Set(slot)))
    }

    fn credential_delete(&mut self, user: u16, kind: u8, slot: u16) -> Outcome {
        if user == 0 && slot != 0 {
            return only(Answer::Fail);
        }
        if self.faults.ignores_clear {
            return only(Answer::Done);
        }
        let matches = |(of, at): &(u8, u16), kept: &Credential| {
            (user == 0 || kept.user == user) && (kind == 0 || *of == kind) && (slot == 0 || *at == slot)
        };
        let before = self.kept.len();
        self.kept.retain(|place, kept| !matches(place, kept));
        let change = (before != self.kept.len()).then_some(CodeChange::Deleted(slot));
        (
            Answer::Done,
            vec![self.deleted(user, (kind, slot), BY_RADIO)],
            change,
        )
    }

    fn deleted(&self, user: u16, (kind, slot): (u8, u16), by: By) -> Vec<u8> {
        let mut report = vec![0x83, 0x0c, DELETED];
        report.extend_from_slice(&user.to_be_bytes());
        report.push(kind);
        report.extend_from_slice(&slot.to_be_bytes());
        report.extend_from_slice(&[self.read_back(kind), 0, by.modifier, 0, by.node, 0, 0, 0]);
        report
    }

    /// Whether a credential of this kind is shown.
    fn read_back(&self, kind: u8) -> u8 {
        if kind == PIN && !self.faults.masks_pins {
            0x80
        } else {
            0
        }
    }

    fn credential_get(&self, user: u16, kind: u8, slot: u16) -> Vec<u8> {
        let wanted = |(of, at): &(u8, u16), kept: &Credential| {
            (user == 0 || kept.user == user) && (kind == 0 || *of == kind) && (slot == 0 || *at == slot)
        };
        let found = self.kept.iter().find(|(place, kept)| wanted(place, kept));
        match found {
            Some((place, kept)) => self.credential_report(GET, kept.user, *place, user != 0),
            None => self.credential_report(GET, user, (kind, slot), user != 0),
        }
    }

    fn credential_report(&self, why: u8, user: u16, place: (u8, u16), of_user: bool) -> Vec<u8> {
        let (kind, slot) = place;
        let kept = self.kept.get(&place).filter(|kept| kept.user == user);
        let read_back = self.read_back(kind);
        let data = kept
            .filter(|_| read_back != 0)
            .map(|kept| kept.data.as_slice())
            .unwrap_or_default();
        let by = kept.map_or(NOBODY, |kept| kept.by);
        let next = (why == GET).then(|| {
            self.kept
                .iter()
                .find(|(other, kept)| **other > place && (!of_user || kept.user == user))
                .map(|(other, _)| *other)
        });
        let (next_kind, next_slot) = next.flatten().unwrap_or((0, 0));
        let mut report = vec![0x83, 0x0c, why];
        report.extend_from_slice(&user.to_be_bytes());
        report.push(kind);
        report.extend_from_slice(&slot.to_be_bytes());
        report.extend_from_slice(&[read_back, u8::try_from(data.len()).unwrap_or(0)]);
        report.extend_from_slice(data);
        report.extend_from_slice(&[by.modifier, 0, by.node, next_kind]);
        report.extend_from_slice(&next_slot.to_be_bytes());
        report
    }

    fn learn_start(&mut self, user: u16, kind: u8, slot: u16, operation: u8) -> Outcome {
        let known = self.users.contains_key(&user) && kind == TAG && (1..=self.tags).contains(&slot);
        if !known {
            return only(Answer::Fail);
        }
        let occupied = self.kept.contains_key(&(kind, slot));
        if (operation == 0) == occupied {
            let status = if occupied { 0xfe } else { 0xff };
            return (Answer::Fail, vec![learn_report(status, (user, kind, slot))], None);
        }
        self.learning = Some((user, kind, slot));
        let started = learn_report(0, (user, kind, slot));
        (Answer::Done, vec![started], None)
    }

    /// Whether somebody is being read in.
    pub(crate) fn is_learning(&self) -> bool {
        self.learning.is_some()
    }

    fn admin_set(&mut self, length: u8, digits: &[u8]) -> Outcome {
        let digits = digits.get(..usize::from(length)).unwrap_or_default();
        if self.find(PIN, digits).is_some() {
            return (Answer::Fail, vec![self.admin_report(7)], None);
        }
        self.admin = digits.to_vec();
        (Answer::Done, vec![self.admin_report(1)], None)
    }

    fn admin_report(&self, result: u8) -> Vec<u8> {
        let length = u8::try_from(self.admin.len()).unwrap_or(0) & 0x0f;
        let mut report = vec![0x83, 0x1c, result << 4 | length];
        report.extend_from_slice(&self.admin);
        report
    }

    fn checksum_report(head: &[u8], bytes: &[u8]) -> Answer {
        let checksum = if bytes.is_empty() {
            0
        } else {
            crc(bytes.iter().copied())
        };
        let mut report = head.to_vec();
        report.extend_from_slice(&checksum.to_be_bytes());
        Answer::Report(report)
    }

    fn all_users(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (id, user) in &self.users {
            bytes.extend_from_slice(&id.to_be_bytes());
            bytes.extend_from_slice(&[user.kind, user.active.into(), user.rule, user.encoding]);
            bytes.push(u8::try_from(user.name.len()).unwrap_or(0));
            bytes.extend_from_slice(&user.name);
            for ((kind, slot), kept) in self.kept.iter().filter(|(_, kept)| kept.user == *id) {
                bytes.push(*kind);
                bytes.extend_from_slice(&slot.to_be_bytes());
                bytes.push(u8::try_from(kept.data.len()).unwrap_or(0));
                bytes.extend_from_slice(&kept.data);
            }
        }
        bytes
    }

    fn all_of(&self, kind: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for ((_, slot), kept) in self.kept.iter().filter(|((of, _), _)| *of == kind) {
            bytes.extend_from_slice(&slot.to_be_bytes());
            bytes.push(u8::try_from(kept.data.len()).unwrap_or(0));
            bytes.extend_from_slice(&kept.data);
        }
        bytes
    }
}

fn local_user(id: u16) -> User {
    User {
        kind: 0,
        active: true,
        rule: 1,
        expiring: [0; 2],
        encoding: 0,
        name: format!("User {id}").into_bytes(),
        by: AT_THE_LOCK,
    }
}

fn learn_report(status: u8, (user, kind, slot): (u16, u8, u16)) -> Vec<u8> {
    let mut report = vec![0x83, 0x11, status];
    report.extend_from_slice(&user.to_be_bytes());
    report.push(kind);
    report.extend_from_slice(&slot.to_be_bytes());
    report.push(u8::from(status == 0));
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD_USER: [u8; 13] = [0x83, 0x05, 0, 0, 3, 0, 1, 1, 0, 0, 0, 1, b'A'];
    const ADD_PIN: [u8; 13] = [0x83, 0x0a, 0, 3, 1, 0, 3, 0, 4, b'0', b'4', b'7', b'1'];

    fn lock() -> Credentials {
        Credentials::new(20, 0, false, CodeFaults::default())
    }

    #[test]
    fn a_pin_needs_its_user_and_is_kept_once() {
        let mut lock = lock();
        let (answer, reports, _) = lock.handle(&ADD_PIN);
        assert_eq!((answer, reports[0][2]), (Answer::Fail, WRONG_USER));
        assert_eq!(lock.handle(&ADD_USER).0, Answer::Done);
        assert_eq!(lock.handle(&ADD_PIN).2, Some(CodeChange::Set(3)));
        assert_eq!(lock.find(PIN, b"0471"), Some((3, 3)));
        let (answer, reports, _) = lock.handle(&ADD_PIN);
        assert_eq!((answer, reports[0][2]), (Answer::Fail, OCCUPIED));
        let report = vec![
            0x83, 0x0c, GET, 0, 3, 1, 0, 3, 0x80, 4, b'0', b'4', b'7', b'1', 2, 0, 1, 0, 0, 0,
        ];
        assert_eq!(
            lock.handle(&[0x83, 0x0b, 0, 0, 0, 0, 0]).0,
            Answer::Report(report)
        );
    }

    #[test]
    fn an_inactive_user_opens_nothing_and_a_deleted_one_takes_the_pin_along() {
        let mut lock = lock();
        lock.handle(&ADD_USER);
        lock.handle(&ADD_PIN);
        let before = lock.handle(&[0x83, 0x14]).0;
        lock.handle(&[0x83, 0x05, 1, 0, 3, 0, 0, 1, 0, 0, 0, 1, b'A']);
        assert_eq!(lock.find(PIN, b"0471"), None);
        assert_ne!(lock.handle(&[0x83, 0x14]).0, before, "the checksum shows it");
        lock.handle(&[0x83, 0x05, 2, 0, 3]);
        assert_eq!(lock.pins().count(), 0);
        assert_eq!(
            lock.handle(&[0x83, 0x14]).0,
            Answer::Report(vec![0x83, 0x15, 0, 0])
        );
    }

    #[test]
    fn a_tag_is_read_in() {
        let mut lock = Credentials::new(10, 5, false, CodeFaults::default());
        let start = [0x83, 0x0f, 0, 3, TAG, 0, 1, 0, 30];
        assert_eq!(lock.handle(&start).0, Answer::Fail, "no user");
        lock.handle(&ADD_USER);
        assert_eq!(lock.handle(&start).0, Answer::Done);
        assert_eq!(lock.learn(b"\x01\x02\x03\x04").unwrap().len(), 2);
        assert_eq!(lock.find(TAG, b"\x01\x02\x03\x04"), Some((1, 3)));
        assert_eq!(lock.learn(b"x"), None);
    }
}
