//! What is known of a lock and of its slots, and what follows from it.

use hubd_model::{CodeCapabilities, CredentialKind, LockId, LockSchedule, Pin, SlotContent, SlotKey};

use crate::credentials::hours;
use crate::credentials::record::{SlotRecord, Written};

/// What is known of a lock.
#[derive(Debug, Clone, Copy)]
pub struct LockFacts<'a> {
    /// Which.
    pub lock: &'a LockId,
    /// What it can do.
    pub capabilities: &'a CodeCapabilities,
    /// Whether its link is protected.
    pub secure: bool,
    /// Whether it is no device of the hub any more.
    pub gone: bool,
    /// Whether every slot was read.
    pub read: bool,
    /// Whether it lost its codes and waits for a person's word.
    pub emptied: bool,
}

/// What is known of a slot.
#[derive(Debug, Clone, Copy)]
pub struct SlotFacts<'a> {
    /// What is kept of it.
    pub record: &'a SlotRecord,
    /// Whether it was reported so lately that a first write may rely on it.
    pub fresh: bool,
    /// Whether no write that was sent before can arrive any more.
    pub settled: bool,
    /// Whether the lock refused the last write.
    pub refused: bool,
}

/// How many credentials of a kind a lock can be told of now: none while it is still being asked what it keeps.
pub const fn capacity(capabilities: &CodeCapabilities, kind: CredentialKind) -> u16 {
    if capabilities.asking {
        return 0;
    }
    kept(capabilities, kind)
}

/// How many credentials of a kind a lock keeps, as far as is known.
pub const fn kept(capabilities: &CodeCapabilities, kind: CredentialKind) -> u16 {
    match kind {
        CredentialKind::Pin => capabilities.pin_slots,
        CredentialKind::Rfid => capabilities.rfid_slots,
        CredentialKind::Fingerprint => capabilities.finger_slots,
    }
}

/// Whether a lock keeps slots of this kind and not this one.
pub const fn is_beyond(capabilities: &CodeCapabilities, key: SlotKey) -> bool {
    let capacity = capacity(capabilities, key.kind);
    capacity > 0 && key.slot.number() > capacity
}

/// Whether a lock is known to hold exactly this.
pub fn holds(record: &SlotRecord, pin: Option<&Pin>, schedule: &LockSchedule) -> bool {
    record.confirmed.as_ref().is_some_and(|(written, _)| {
        written.pin.as_ref() == pin && written.schedule == *schedule && is_consistent(record, written)
    })
}

/// Whether what a slot reported agrees with what is known to be written there.
pub fn is_consistent(record: &SlotRecord, written: &Written) -> bool {
    let same_schedule = || {
        record
            .reported_schedule
            .as_ref()
            .is_none_or(|schedule| hours::same_on_a_lock(&written.schedule, schedule))
    };
    match record.reported.as_ref().map(|reported| &reported.value) {
        None | Some(SlotContent::Unknown) => true,
        Some(SlotContent::Empty) => false,
        Some(SlotContent::Pin { pin, enabled }) => {
            *enabled && written.pin.as_ref() == Some(pin) && same_schedule()
        }
        Some(SlotContent::Hidden { enabled }) => *enabled && same_schedule(),
    }
}

/// Whether a slot said that it is empty.
pub fn is_empty(record: &SlotRecord) -> bool {
    matches!(
        record.reported.as_ref().map(|reported| &reported.value),
        Some(SlotContent::Empty)
    )
}

/// Whether a slot said that something is there.
pub fn is_occupied(record: &SlotRecord) -> bool {
    record
        .reported
        .as_ref()
        .is_some_and(|reported| reported.value.is_occupied())
}

/// Whether nothing of ours was ever written there, or all of it is proven gone.
pub fn is_clean(record: &SlotRecord) -> bool {
    record.confirmed.is_none() && record.attempts.is_empty()
}

/// The PIN that a slot showed.
pub(super) fn shown(record: &SlotRecord) -> Option<&Pin> {
    match record.reported.as_ref().map(|reported| &reported.value) {
        Some(SlotContent::Pin { pin, .. }) => Some(pin),
        None | Some(SlotContent::Unknown | SlotContent::Empty | SlotContent::Hidden { .. }) => None,
    }
}

/// Every PIN that a slot may hold.
pub(crate) fn may_hold(record: &SlotRecord) -> impl Iterator<Item = &Pin> {
    let confirmed = record.confirmed.iter().map(|(written, _)| written);
    // What was known to be there is not there any more once the slot is empty.
    confirmed
        .filter(|_| !is_empty(record))
        .chain(&record.attempts)
        .filter_map(|written| written.pin.as_ref())
        .chain(shown(record))
}

/// In which slots each PIN may be, by PIN and slot.
pub(super) struct Places<'a>(Vec<(&'a str, SlotKey)>);

impl<'a> Places<'a> {
    pub(super) fn new(slots: &[SlotFacts<'a>]) -> Self {
        let mut places: Vec<(&str, SlotKey)> = Vec::with_capacity(2 * slots.len());
        for slot in slots {
            places.extend(may_hold(slot.record).map(|pin| (pin.expose(), slot.record.key)));
        }
        places.sort_unstable();
        places.dedup();
        Self(places)
    }

    /// The slots that may hold a PIN, in their order.
    pub(super) fn of(&self, pin: &Pin) -> impl Iterator<Item = SlotKey> {
        let pin = pin.expose();
        let first = self.0.partition_point(|(other, _)| *other < pin);
        let same = self.0.get(first..).unwrap_or_default().iter();
        same.take_while(move |(other, _)| *other == pin)
            .map(|(_, key)| *key)
    }
}
