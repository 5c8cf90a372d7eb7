//! What is known of a node, in the wire's words. It is learned once, kept, and lost without harm: losing it costs
//! an interview, never a code on a lock.

use std::collections::{BTreeMap, BTreeSet};

use hubd_model::{DeviceDescription, DeviceKind, Hazard, LockCapabilities, ScheduleKind, Security};
use serde::{Deserialize, Serialize};

use crate::codes::facts::{CredentialRooms, CredentialUsers, UserCodeFeatures};
use crate::codes::schedule::ScheduleSlots;
use crate::interview::Question;
use crate::security::{ClassSet, SecurityClass};
use crate::wire::cc::class;
use crate::wire::serial::{NodeId, ProtocolInfo};

/// Generic device class of locks and other entry controls. Spec: SDS10242.
const GENERIC_ENTRY_CONTROL: u8 = 0x40;
/// Generic device class of alarm sensors before the Notification command class. Spec: SDS10242.
const GENERIC_SENSOR_ALARM: u8 = 0xa1;

/// Whether a node has an endpoint for our events, and whether it reports to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifeline {
    /// It reports elsewhere or nowhere: we still have to enter ourselves.
    Elsewhere,
    /// It reports to us.
    Ours,
}

/// How a lock relocks by itself: its door lock configuration in the wire's numbers.
///
/// Spec: CC:0062.01.06
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relocking {
    /// 1 constant, 2 timed.
    pub operation: u8,
    /// The minutes of its timeout.
    pub minutes: u8,
    /// The seconds of its timeout.
    pub seconds: u8,
    /// After how many seconds it locks when the door has closed; since version 4.
    pub auto_relock_seconds: Option<u16>,
}

/// A node as far as it is known; `None` has not been learned yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// What the dongle remembers of its radio.
    pub protocol: Option<ProtocolInfo>,
    /// The command classes that it offers to anybody.
    pub plain_classes: Option<Vec<u8>>,
    /// Which security classes it was granted; empty for none.
    pub granted: Option<ClassSet>,
    /// The command classes that it offers under its highest security class.
    pub secure_classes: Option<Vec<u8>>,
    /// Versions of the command classes for which they matter.
    pub versions: BTreeMap<u8, u8>,
    /// Maker, product type and product id.
    pub product: Option<(u16, u16, u16)>,
    /// Where it reports to.
    pub lifeline: Option<Lifeline>,
    /// Whether it wakes up for us.
    pub wakes_for_us: Option<bool>,
    /// How often it wakes up, in seconds.
    #[serde(default)]
    pub wake_up_seconds: Option<u32>,
    /// Whether the lock knows its door's position.
    pub door_sensor: Option<bool>,
    /// Whether the lock told where its bolt is.
    pub bolt_read: bool,
    /// How many PINs it keeps.
    pub pin_slots: Option<u16>,
    /// Which schedules it keeps.
    pub schedules: Option<Vec<ScheduleKind>>,
    /// What it can do with User Code since version 2.
    #[serde(default)]
    pub user_code: Option<UserCodeFeatures>,
    /// What it can do with users of User Credential.
    #[serde(default)]
    pub credential_users: Option<CredentialUsers>,
    /// What it can do with credentials of User Credential.
    #[serde(default)]
    pub credential_rooms: Option<CredentialRooms>,
    /// How many schedules it keeps for each user.
    #[serde(default)]
    pub schedule_slots: Option<ScheduleSlots>,
    /// How many schedules each user has, as far as they were written or read.
    #[serde(default)]
    pub scheduled: BTreeMap<u16, ScheduleSlots>,
    /// How far local time was ahead of UTC, in minutes, when its clock was set.
    #[serde(default)]
    pub clock_offset: Option<i32>,
    /// How it relocked before it was kept from it.
    #[serde(default)]
    pub relocked: Option<Relocking>,
    /// Whether it keeps a log.
    pub log: Option<bool>,
    /// How many records its log keeps.
    #[serde(default)]
    pub log_records: Option<u8>,
    /// Which notification types it sends.
    pub notifications: Option<Vec<u8>>,
    /// Hazards that it warned of before it was asked what it sends: a detector is believed at its first word.
    #[serde(default)]
    pub warned_of: BTreeSet<u8>,
    /// Whether it told its battery's level.
    pub battery_read: bool,
    /// Questions that it did not answer often enough.
    pub unanswered: BTreeSet<Question>,
}

impl Node {
    /// A node of which nothing is known.
    pub const fn new(id: NodeId) -> Self {
        Self {
            id,
            protocol: None,
            plain_classes: None,
            granted: None,
            secure_classes: None,
            versions: BTreeMap::new(),
            product: None,
            lifeline: None,
            wakes_for_us: None,
            wake_up_seconds: None,
            door_sensor: None,
            bolt_read: false,
            pin_slots: None,
            schedules: None,
            user_code: None,
            credential_users: None,
            credential_rooms: None,
            schedule_slots: None,
            scheduled: BTreeMap::new(),
            clock_offset: None,
            relocked: None,
            log: None,
            log_records: None,
            notifications: None,
            warned_of: BTreeSet::new(),
            battery_read: false,
            unanswered: BTreeSet::new(),
        }
    }

    /// A node that offers security but answered under no key is asked again at each start: it may only have been
    /// out of reach.
    #[must_use]
    pub fn asked_anew_for_keys(mut self) -> Self {
        let offers = self.supports_plainly(class::SECURITY_2) || self.supports_plainly(class::SECURITY);
        if offers && self.granted == Some(ClassSet::NONE) {
            self.granted = None;
            self.unanswered
                .retain(|question| !matches!(question, Question::HasKey(_)));
        }
        self
    }

    /// Whether the node offers a command class, openly or under security.
    pub fn supports(&self, class: u8) -> bool {
        let has =
            |classes: &Option<Vec<u8>>| classes.as_ref().is_some_and(|classes| classes.contains(&class));
        has(&self.plain_classes) || has(&self.secure_classes)
    }

    /// Whether the node offers a command class to anybody, without security.
    pub fn supports_plainly(&self, class: u8) -> bool {
        self.plain_classes
            .as_ref()
            .is_some_and(|classes| classes.contains(&class))
    }

    /// The highest security class that it was granted.
    pub fn highest_class(&self) -> Option<SecurityClass> {
        self.granted.and_then(ClassSet::highest)
    }

    /// How well its link is protected; `None` while that is not known.
    pub fn security(&self) -> Option<Security> {
        self.granted.map(|granted| match granted.highest() {
            None => Security::None,
            Some(SecurityClass::S0) => Security::S0,
            Some(SecurityClass::S2Unauthenticated) => Security::S2Unauthenticated,
            Some(SecurityClass::S2Authenticated) => Security::S2Authenticated,
            Some(SecurityClass::S2AccessControl) => Security::S2AccessControl,
        })
    }

    /// Whether the node sleeps: it can be spoken to only for a moment after it spoke.
    pub fn sleeps(&self) -> bool {
        self.protocol
            .is_some_and(|radio| !radio.listening && !radio.frequently_listening)
    }

    /// Whether its receiver is off most of the time.
    pub fn is_on_battery(&self) -> bool {
        self.protocol.is_some_and(|radio| !radio.listening)
    }

    /// Whether the node is a lock.
    pub fn is_lock(&self) -> bool {
        self.supports(class::DOOR_LOCK)
            || self.supports(class::LOCK)
            || self
                .protocol
                .is_some_and(|radio| radio.generic == GENERIC_ENTRY_CONTROL)
    }

    /// The version of a command class, 1 while it is not known.
    pub fn version(&self, class: u8) -> u8 {
        self.versions.get(&class).copied().unwrap_or(1)
    }

    /// The hazards that it warns of.
    ///
    /// Spec: SDS13713 Notification types 1 smoke, 2 CO, 4 heat.
    pub fn hazards(&self) -> Vec<Hazard> {
        if self.notifications.is_none()
            && self.warned_of.is_empty()
            && self
                .protocol
                .is_some_and(|radio| radio.generic == GENERIC_SENSOR_ALARM)
        {
            // An alarm sensor of the first generation cannot say which: the common ones are combined.
            return vec![Hazard::Smoke, Hazard::Co];
        }
        let types = self.notifications.as_deref().unwrap_or_default();
        [(1, Hazard::Smoke), (2, Hazard::Co), (4, Hazard::Heat)]
            .into_iter()
            .filter_map(|(kind, hazard)| {
                (types.contains(&kind) || self.warned_of.contains(&kind)).then_some(hazard)
            })
            .collect()
    }

    /// What it is to the household; `None` while that cannot be told yet.
    pub fn description(&self) -> Option<DeviceDescription> {
        let security = match self.security() {
            Some(security) => security,
            None if !self.warned_of.is_empty() => Security::None,
            None => return None,
        };
        if self.plain_classes.is_none() && self.warned_of.is_empty() {
            return None;
        }
        let asked_what_it_reports = self.notifications.is_some()
            || !self.warned_of.is_empty()
            || !self.supports(class::NOTIFICATION)
            || self.versions.get(&class::NOTIFICATION) == Some(&1)
            || self.unanswered.contains(&Question::Notifications);
        let kind = if self.is_lock() {
            DeviceKind::Lock
        } else if !asked_what_it_reports {
            return None;
        } else if self.hazards().is_empty() {
            DeviceKind::Other
        } else {
            DeviceKind::Alarm
        };
        let lock = match kind {
            DeviceKind::Lock => LockCapabilities {
                unlatch: false,
                pin_slots: self.lock_facts().map_or(0, |facts| facts.pins),
                schedules: self.schedules.clone().unwrap_or_default(),
                log: self.log.unwrap_or(false),
                codes: self.code_capabilities(),
            },
            DeviceKind::Alarm | DeviceKind::Other => LockCapabilities::default(),
        };
        Some(DeviceDescription {
            kind,
            model: self.model(kind),
            security,
            lock,
            hazards: self.hazards(),
        })
    }

    fn model(&self, kind: DeviceKind) -> String {
        let thing = match kind {
            DeviceKind::Lock => "lock",
            DeviceKind::Alarm => "alarm",
            DeviceKind::Other => "device",
        };
        match self.product {
            None => format!("Z-Wave {thing}"),
            Some((maker, product_type, product_id)) => match maker_name(maker) {
                Some(maker) => format!("{maker} {thing} {product_type:04X}-{product_id:04X}"),
                None => format!("Z-Wave {thing} {maker:04X}-{product_type:04X}-{product_id:04X}"),
            },
        }
    }
}

/// Makers of locks and detectors, by their Z-Wave Alliance number.
const fn maker_name(maker: u16) -> Option<&'static str> {
    match maker {
        0x003b => Some("Schlage"),
        0x0090 => Some("Kwikset"),
        0x0129 => Some("Yale"),
        0x0138 => Some("First Alert"),
        0x010f => Some("Fibaro"),
        0x0154 => Some("Popp"),
        0x0230 => Some("Danalock"),
        0x0373 => Some("ID Lock"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_is_not_announced_before_it_said_what_it_detects() {
        let mut node = Node::new(NodeId(3));
        node.granted = Some(ClassSet::of(&[SecurityClass::S2AccessControl]));
        node.plain_classes = Some(vec![class::NOTIFICATION]);
        assert_eq!(node.description(), None);
        node.notifications = Some(vec![1, 2, 8]);
        let description = node.description().unwrap();
        assert_eq!(description.kind, DeviceKind::Alarm);
        assert_eq!(description.hazards, [Hazard::Smoke, Hazard::Co]);
    }

    /// A lock, of which is known what it offers to anybody.
    fn lock() -> Node {
        let mut node = Node::new(NodeId(2));
        node.protocol = Some(ProtocolInfo {
            listening: false,
            frequently_listening: true,
            generic: 0x40,
            specific: 3,
        });
        node.plain_classes = Some(vec![class::SECURITY_2]);
        node
    }

    #[test]
    fn a_lock_is_being_asked_about_codes_until_it_told_what_it_keeps() {
        let mut node = lock();
        node.granted = Some(ClassSet::of(&[SecurityClass::S2AccessControl]));
        let asking = |node: &Node| node.description().unwrap().lock.codes.asking;
        assert!(asking(&node));
        node.secure_classes = Some(vec![class::DOOR_LOCK, class::USER_CODE]);
        assert!(asking(&node));
        node.pin_slots = Some(0);
        assert!(!asking(&node));
        node.pin_slots = None;
        node.secure_classes = Some(vec![class::DOOR_LOCK]);
        assert!(!asking(&node), "it keeps no codes");
    }

    #[test]
    fn a_lock_is_a_lock_before_its_secure_classes_are_known() {
        let mut node = lock();
        node.granted = Some(ClassSet::NONE);
        let description = node.description().unwrap();
        assert_eq!(
            (description.kind, description.security),
            (DeviceKind::Lock, Security::None)
        );
    }
}
