//! The interview: which question a node has to be asked next, told from what is known of it.
//!
//! It is level-triggered: there is no position to lose. Whatever is known is not asked again, whatever is missing
//! is, in an order in which each answer makes the next question possible. Nothing in here writes to a node except
//! the lifeline and the wake-up target; no code on a lock is ever read, changed or deleted by it.

use serde::{Deserialize, Serialize};

use crate::node::{Lifeline, Node};
use crate::security::SecurityClass;
use crate::wire::cc::class;

/// Something to learn of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Question {
    /// What the dongle remembers of its radio.
    ProtocolInfo,
    /// What it offers to anybody.
    NodeInfo,
    /// Whether it has this key, and what it offers under it.
    HasKey(SecurityClass),
    /// What it offers under its highest key.
    SecureClasses,
    /// Who made it.
    Product,
    /// The version of this command class.
    Version(u8),
    /// Where it reports to.
    Lifeline,
    /// Please report to us.
    EnterLifeline,
    /// For whom it wakes up.
    WakeUp,
    /// Please wake up for us.
    EnterWakeUp,
    /// Whether it has a door sensor.
    DoorSensor,
    /// Where its bolt is.
    Bolt,
    /// Which notifications it sends.
    Notifications,
    /// How many PINs it keeps.
    PinSlots,
    /// Whether it keeps a log.
    Log,
    /// What it can do with User Code since version 2.
    UserCodeFeatures,
    /// Which kinds of credentials it keeps.
    Credentials,
    /// Which schedules it keeps.
    Schedules,
    /// Its battery's level.
    Battery,
}

/// Command classes whose version changes what we say.
const VERSIONS_ASKED: [u8; 4] = [
    class::DOOR_LOCK,
    class::NOTIFICATION,
    class::USER_CODE,
    class::USER_CREDENTIAL,
];

/// S2 classes from the highest, as they are probed on a node of which no key is known.
const PROBED: [SecurityClass; 3] = [
    SecurityClass::S2AccessControl,
    SecurityClass::S2Authenticated,
    SecurityClass::S2Unauthenticated,
];

/// The next question, or `None` when all is known that can be.
pub fn next_question(node: &Node) -> Option<Question> {
    let open = |question: Question| !node.unanswered.contains(&question);
    if node.protocol.is_none() {
        return Some(Question::ProtocolInfo).filter(|question| open(*question));
    }
    if node.plain_classes.is_none() {
        return Some(Question::NodeInfo).filter(|question| open(*question));
    }
    if node.granted.is_none() {
        return next_probe(node);
    }
    candidates(node).find(|question| open(*question))
}

/// The security class to be tried next on a node of which no key is known; `None` when all were tried (the caller
/// then settles what is granted).
pub fn next_probe(node: &Node) -> Option<Question> {
    let s2 = PROBED
        .into_iter()
        .filter(|_| node.supports_plainly(class::SECURITY_2));
    let s0 = std::iter::once(SecurityClass::S0).filter(|_| node.supports_plainly(class::SECURITY));
    s2.chain(s0)
        .map(Question::HasKey)
        .find(|question| !node.unanswered.contains(question))
}

fn candidates(node: &Node) -> impl Iterator<Item = Question> + '_ {
    let asks = |needed: bool, question: Question| needed.then_some(question);
    let secure = asks(
        node.highest_class().is_some() && node.secure_classes.is_none(),
        Question::SecureClasses,
    );
    let product = asks(
        node.supports(class::MANUFACTURER_SPECIFIC) && node.product.is_none(),
        Question::Product,
    );
    let versions = VERSIONS_ASKED.into_iter().filter_map(move |class| {
        let asked = node.supports(class) && !node.versions.contains_key(&class);
        asks(asked && node.supports(class::VERSION), Question::Version(class))
    });
    let associates = node.supports(class::ASSOCIATION) || node.supports(class::MULTI_CHANNEL_ASSOCIATION);
    let lock = node.is_lock();
    let rest = [
        asks(associates && node.lifeline.is_none(), Question::Lifeline),
        asks(
            node.lifeline == Some(Lifeline::Elsewhere),
            Question::EnterLifeline,
        ),
        asks(
            node.supports(class::WAKE_UP) && node.wakes_for_us.is_none(),
            Question::WakeUp,
        ),
        asks(node.wakes_for_us == Some(false), Question::EnterWakeUp),
        asks(
            node.supports(class::DOOR_LOCK)
                && node.version(class::DOOR_LOCK) >= 4
                && node.door_sensor.is_none(),
            Question::DoorSensor,
        ),
        asks(node.supports(class::DOOR_LOCK) && !node.bolt_read, Question::Bolt),
        asks(
            node.supports(class::NOTIFICATION)
                && node.version(class::NOTIFICATION) >= 2
                && node.notifications.is_none(),
            Question::Notifications,
        ),
        asks(
            lock && (node.supports(class::USER_CODE) || node.supports(class::USER_CREDENTIAL))
                && (node.pin_slots.is_none()
                    || (node.supports(class::USER_CREDENTIAL) && node.credential_users.is_none())),
            Question::PinSlots,
        ),
        asks(
            lock && node.supports(class::USER_CODE)
                && !node.supports(class::USER_CREDENTIAL)
                && node.version(class::USER_CODE) >= 2
                && node.user_code.is_none(),
            Question::UserCodeFeatures,
        ),
        asks(
            lock && node.supports(class::USER_CREDENTIAL) && node.credential_rooms.is_none(),
            Question::Credentials,
        ),
        asks(
            lock && node.supports(class::DOOR_LOCK_LOGGING) && node.log.is_none(),
            Question::Log,
        ),
        asks(
            lock && (node.supports(class::SCHEDULE_ENTRY_LOCK) || node.supports(class::ACTIVE_SCHEDULE))
                && node.schedule_slots.is_none(),
            Question::Schedules,
        ),
        asks(
            node.supports(class::BATTERY) && !node.battery_read,
            Question::Battery,
        ),
    ];
    secure
        .into_iter()
        .chain(product)
        .chain(versions)
        .chain(rest.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::security::ClassSet;
    use crate::wire::serial::{NodeId, ProtocolInfo};

    fn lock() -> Node {
        let mut node = Node::new(NodeId(2));
        node.protocol = Some(ProtocolInfo {
            listening: false,
            frequently_listening: true,
            generic: 0x40,
            specific: 3,
        });
        node.plain_classes = Some(vec![
            class::SECURITY_2,
            class::VERSION,
            class::MANUFACTURER_SPECIFIC,
        ]);
        node
    }

    #[test]
    fn a_node_of_unknown_security_is_probed_from_the_highest_key_down() {
        let mut node = lock();
        let mut asked = Vec::new();
        while let Some(question) = next_question(&node) {
            asked.push(question);
            node.unanswered.insert(question);
        }
        assert_eq!(asked, PROBED.map(Question::HasKey));
    }

    #[test]
    fn each_question_is_asked_once_and_the_interview_ends() {
        let mut node = lock();
        node.granted = Some(ClassSet::of(&[SecurityClass::S2AccessControl]));
        node.secure_classes = Some(vec![
            class::DOOR_LOCK,
            class::NOTIFICATION,
            class::BATTERY,
            class::ASSOCIATION,
        ]);
        let mut asked = BTreeSet::new();
        while let Some(question) = next_question(&node) {
            assert!(asked.insert(question), "{question:?} asked twice");
            node.unanswered.insert(question);
        }
        assert!(asked.contains(&Question::Bolt) && asked.contains(&Question::Battery));
        assert!(!asked.contains(&Question::PinSlots), "it keeps no codes");
    }
}
