//! The interview at work: questions sent, answers learned, silence counted.

use hubd_model::{Millis, ScheduleKind, SecretBytes};

use super::Host;
use super::cipher::Under;
use super::sending::Outcome;
use super::startup::Phase;
use super::traffic::{Expect, Lane, NewJob, Protection, Purpose};
use crate::codes::facts::{CredentialRoom, CredentialRooms, CredentialUsers, UserCodeFeatures};
use crate::codes::schedule::ScheduleSlots;
use crate::interview::{Question, next_probe, next_question};
use crate::node::{Lifeline, Node};
use crate::security::s2_wire::S2Command;
use crate::security::{ClassSet, SecurityClass};
use crate::wire::cc::{
    self, active_schedule, association, battery, class, door_lock, door_lock_logging, manufacturer_specific,
    multi_channel_association, notification, schedule_entry_lock, user_code, user_credential, version,
    wake_up,
};
use crate::wire::serial::{Command, NodeId, parse_protocol_info};

/// How long a node may take to answer a question after it has it.
const ANSWER_WAIT: Millis = Millis(3_000);
/// How long a node may take to tell what it is.
const NODE_INFO_WAIT: Millis = Millis(6_000);
/// How often a question is asked before it counts as unanswered.
const ASKED_MAX: u8 = 2;
/// How often a node is asked whether it has a key.
const PROBED_MAX: u8 = 3;
/// How often a sleeping node shall wake up when it has no interval of its own.
const WAKE_UP_SECONDS: u32 = 4 * 3600;

impl Host {
    /// Asks each node its next question, where none is on its way.
    pub(super) fn advance_interviews(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        self.expire_node_info();
        self.choose_focus();
        for id in self.interviews.iter().copied().collect::<Vec<_>>() {
            let others_turn = self.joining.has_the_air() && !self.joining.is_about(id);
            if others_turn
                || self.joining.is_securing(id)
                || self.is_asking(id)
                || self.may_ask_at(id) > self.now
            {
                continue;
            }
            match self.nodes.get(&id).and_then(next_question) {
                Some(question) if self.may_ask_now(id, question) => self.ask(id, question),
                Some(_) => {}
                None => self.nothing_to_ask(id),
            }
        }
    }

    /// A battery node is asked all its questions in a row, while its receiver is on: beams to two locks in turn cost
    /// a second each. One that woke up by itself goes first, as it sleeps again soon.
    fn choose_focus(&mut self) {
        let wanting = |id: &NodeId| {
            self.nodes
                .get(id)
                .is_some_and(|node| node.is_on_battery() && next_question(node).is_some())
        };
        let awake = |id: &NodeId| {
            self.nodes.get(id).is_some_and(Node::sleeps)
                && self
                    .presence
                    .get(id)
                    .is_some_and(|presence| presence.awake_until.is_some())
        };
        let waits = |id: &NodeId| self.may_ask_at(*id) > self.now;
        let woken = self
            .interviews
            .iter()
            .copied()
            .find(|id| awake(id) && wanting(id) && !waits(id));
        let kept = self.focus.filter(|id| {
            let asleep = self.nodes.get(id).is_some_and(Node::sleeps) && !awake(id);
            self.interviews.contains(id) && wanting(id) && !waits(id) && !asleep
        });
        let next = || {
            self.interviews
                .iter()
                .copied()
                .find(|id| wanting(id) && !waits(id) && self.nodes.get(id).is_some_and(|node| !node.sleeps()))
        };
        self.focus = woken.or(kept).or_else(next);
    }

    fn may_ask_now(&self, id: NodeId, question: Question) -> bool {
        let asks_the_dongle = question == Question::ProtocolInfo;
        let on_battery = self.nodes.get(&id).is_some_and(Node::is_on_battery);
        asks_the_dongle || !on_battery || self.focus == Some(id) || self.joining.is_about(id)
    }

    fn nothing_to_ask(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.granted.is_none() && node.plain_classes.is_some() && next_probe(node).is_none() {
            // It was asked under every key and answered under none.
            node.granted = Some(ClassSet::NONE);
            self.learned();
            self.announce(id, false);
            return;
        }
        let sleeps = node.sleeps();
        self.interview_ended(id);
        let busy = self.traffic.any(|job| job.node == id);
        let presence = self.presence.entry(id).or_default();
        if !sleeps || !presence.woke {
            self.interviews.remove(&id);
        } else if !busy {
            presence.woke = false;
            presence.awake_until = None;
            let frame = cc::Command::from(wake_up::Command::NoMoreInformation).emit();
            self.push_reply(id, frame, Protection::Highest);
        }
    }

    fn ask(&mut self, id: NodeId, question: Question) {
        match question {
            Question::ProtocolInfo => {
                self.presence.entry(id).or_default().serial_question = Some(question);
                self.command(Command::NodeProtocolInfo(id));
            }
            Question::NodeInfo => {
                let Some(node) = self.nodes.get(&id) else { return };
                let asleep = node.sleeps()
                    && self
                        .presence
                        .get(&id)
                        .is_none_or(|known| known.awake_until.is_none());
                // One node at a time: the answer names no question.
                let waiting = self
                    .presence
                    .values()
                    .any(|other| other.serial_question == Some(Question::NodeInfo));
                if !asleep && !waiting {
                    self.presence.entry(id).or_default().serial_question = Some(question);
                    self.command(Command::RequestNodeInfo(id));
                }
            }
            Question::HasKey(_)
            | Question::SecureClasses
            | Question::Product
            | Question::Version(_)
            | Question::Lifeline
            | Question::EnterLifeline
            | Question::WakeUp
            | Question::EnterWakeUp
            | Question::DoorSensor
            | Question::Bolt
            | Question::Notifications
            | Question::PinSlots
            | Question::UserCodeFeatures
            | Question::Credentials
            | Question::Log
            | Question::Schedules
            | Question::Battery => self.ask_node(id, question),
        }
    }

    fn ask_node(&mut self, id: NodeId, question: Question) {
        let Some((frame, expect)) = self.question_frame(id, question) else {
            return;
        };
        tracing::debug!(node = id.0, ?question, "asking");
        let protection = if let Question::HasKey(class) = question {
            Protection::Class(class)
        } else {
            Protection::Highest
        };
        let lane = if self.joining.is_about(id) {
            Lane::Inclusion
        } else {
            Lane::Interview
        };
        // A node that does not have the key is silent or cries for a nonce each time: one try tells.
        let attempts = if matches!(question, Question::HasKey(_)) {
            1
        } else {
            2
        };
        self.push_job(NewJob {
            node: id,
            lane,
            frame: SecretBytes::new(frame),
            protection,
            expect,
            purpose: Purpose::Ask(question),
            expires: None,
            answer_wait: ANSWER_WAIT,
            attempts,
            not_before: self.now,
        });
    }

    /// What to say for a question, and what its answer is.
    fn question_frame(&self, id: NodeId, question: Question) -> Option<(Vec<u8>, Expect)> {
        let node = self.nodes.get(&id)?;
        let own = u8::try_from(self.identity?.node.0).ok()?;
        let plain_association = node.supports(class::ASSOCIATION);
        let reply = |class: u8, command: u8| Expect::Reply { class, command };
        let (command, expect): (cc::Command, Expect) = match question {
            Question::ProtocolInfo | Question::NodeInfo => return None,
            Question::HasKey(SecurityClass::S0) => {
                return Some((vec![class::SECURITY, 0x02], reply(class::SECURITY, 0x03)));
            }
            Question::SecureClasses if node.highest_class() == Some(SecurityClass::S0) => {
                return Some((vec![class::SECURITY, 0x02], reply(class::SECURITY, 0x03)));
            }
            Question::HasKey(_) | Question::SecureClasses => {
                return Some((
                    S2Command::CommandsSupportedGet.emit(),
                    reply(class::SECURITY_2, 0x0e),
                ));
            }
            Question::Product => (
                manufacturer_specific::Command::Get.into(),
                reply(class::MANUFACTURER_SPECIFIC, 0x05),
            ),
            Question::Version(of) => (
                version::Command::CommandClassGet(of).into(),
                reply(class::VERSION, 0x14),
            ),
            Question::Lifeline if plain_association => (
                association::Command::Get(1).into(),
                reply(class::ASSOCIATION, 0x03),
            ),
            Question::Lifeline => (
                multi_channel_association::Command::Get(1).into(),
                reply(class::MULTI_CHANNEL_ASSOCIATION, 0x03),
            ),
            Question::EnterLifeline if plain_association => {
                let members = association::Members {
                    group: 1,
                    nodes: vec![own],
                };
                (association::Command::Set(members).into(), Expect::Nothing)
            }
            Question::EnterLifeline => {
                let members = multi_channel_association::Members {
                    nodes: vec![own],
                    endpoints: vec![],
                };
                let change = multi_channel_association::Change { group: 1, members };
                (
                    multi_channel_association::Command::Set(change).into(),
                    Expect::Nothing,
                )
            }
            Question::WakeUp => (wake_up::Command::IntervalGet.into(), reply(class::WAKE_UP, 0x06)),
            Question::EnterWakeUp => {
                let interval = wake_up::Interval {
                    seconds: WAKE_UP_SECONDS,
                    node: own,
                };
                (wake_up::Command::IntervalSet(interval).into(), Expect::Nothing)
            }
            Question::DoorSensor => (
                door_lock::Command::CapabilitiesGet.into(),
                reply(class::DOOR_LOCK, 0x08),
            ),
            Question::Bolt => (
                door_lock::Command::OperationGet.into(),
                reply(class::DOOR_LOCK, 0x03),
            ),
            Question::Notifications => (
                notification::Command::SupportedGet.into(),
                reply(class::NOTIFICATION, 0x08),
            ),
            Question::PinSlots if node.supports(class::USER_CREDENTIAL) => (
                user_credential::Command::UserCapabilitiesGet.into(),
                reply(class::USER_CREDENTIAL, 0x02),
            ),
            Question::PinSlots => (
                user_code::Command::UsersNumberGet.into(),
                reply(class::USER_CODE, 0x05),
            ),
            Question::UserCodeFeatures => (
                user_code::Command::CapabilitiesGet.into(),
                reply(class::USER_CODE, 0x07),
            ),
            Question::Credentials => (
                user_credential::Command::CredentialCapabilitiesGet.into(),
                reply(class::USER_CREDENTIAL, 0x04),
            ),
            Question::Log => (
                door_lock_logging::Command::RecordsSupportedGet.into(),
                reply(class::DOOR_LOCK_LOGGING, 0x02),
            ),
            Question::Schedules if node.supports(class::ACTIVE_SCHEDULE) => (
                active_schedule::Command::CapabilitiesGet.into(),
                reply(class::ACTIVE_SCHEDULE, 0x02),
            ),
            Question::Schedules => (
                schedule_entry_lock::Command::SupportedGet.into(),
                reply(class::SCHEDULE_ENTRY_LOCK, 0x0a),
            ),
            Question::Battery => (battery::Command::Get.into(), reply(class::BATTERY, 0x03)),
        };
        Some((command.emit(), expect))
    }

    /// The facts in a command that a node sent, asked or not.
    pub(super) fn learn(&mut self, id: NodeId, command: &cc::Command) {
        let Some(own) = self.identity.map(|identity| identity.node.0) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let before = node.clone();
        learn_into(node, command, own);
        if *node != before {
            self.learned();
            self.announce(id, false);
        }
    }

    /// The node said which classes it offers under a key.
    pub(super) fn secure_classes_received(
        &mut self,
        id: NodeId,
        under: Under,
        classes: &[u8],
        reply: Expect,
    ) {
        let Under::Class(under) = under else { return };
        let probing = self.asked_job(id, Question::HasKey(under)).is_some();
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if probing && node.granted.is_none() {
            node.granted = Some(ClassSet::of(&[under]));
        }
        if node.highest_class() == Some(under) {
            node.secure_classes = Some(classes.to_vec());
        }
        self.learned();
        self.announce(id, false);
        if let Some(job) = self.traffic.in_flight(id, |job| job.expect == reply) {
            self.traffic.remove(job);
        }
    }

    /// A question's job ended.
    pub(super) fn question_answered(&mut self, id: NodeId, question: Question, outcome: &Outcome) {
        match outcome {
            Outcome::Answered(_) | Outcome::Supervised(_) => {
                self.presence.entry(id).or_default().asked = 0;
                // Answered, but with nothing that could be learned.
                if self.nodes.get(&id).and_then(next_question) == Some(question) {
                    self.give_up(id, question);
                }
            }
            Outcome::Delivered => self.told(id, question),
            Outcome::NotDelivered(_) | Outcome::Expired => {}
            Outcome::NoAnswer | Outcome::NoKey => self.question_failed_with(id, question),
        }
    }

    /// Something that has no answer was delivered.
    fn told(&mut self, id: NodeId, question: Question) {
        if let Some(node) = self.nodes.get_mut(&id) {
            // Ask again who is in the group: what was told may not have been done.
            if question == Question::EnterLifeline {
                node.lifeline = None;
            } else if question == Question::EnterWakeUp {
                node.wakes_for_us = None;
            }
        }
        let presence = self.presence.entry(id).or_default();
        presence.asked = presence.asked.saturating_add(1);
        if presence.asked > ASKED_MAX {
            self.give_up(id, question);
        }
        self.learned();
    }

    fn question_failed_with(&mut self, id: NodeId, question: Question) {
        let presence = self.presence.entry(id).or_default();
        presence.asked = presence.asked.saturating_add(1);
        // A lost answer must not make a secure lock an insecure one.
        let most = if matches!(question, Question::HasKey(_)) {
            PROBED_MAX
        } else {
            ASKED_MAX
        };
        if presence.asked >= most {
            self.give_up(id, question);
        }
    }

    fn give_up(&mut self, id: NodeId, question: Question) {
        tracing::info!(node = id.0, ?question, "the node does not answer this");
        self.presence.entry(id).or_default().asked = 0;
        if let Some(node) = self.nodes.get_mut(&id) {
            node.unanswered.insert(question);
        }
        self.learned();
        self.announce(id, false);
    }

    pub(super) fn protocol_info_received(&mut self, id: NodeId, answer: &[u8]) {
        self.presence.entry(id).or_default().serial_question = None;
        let Ok(info) = parse_protocol_info(answer) else {
            return self.give_up(id, Question::ProtocolInfo);
        };
        if let Some(node) = self.nodes.get_mut(&id) {
            node.protocol = Some(info);
            self.learned();
        }
    }

    /// The dongle asks the node what it is.
    pub(super) fn await_node_info(&mut self, id: NodeId) {
        let until = self.now + NODE_INFO_WAIT;
        let presence = self.presence.entry(id).or_default();
        // It may have told already, by itself, before the dongle said that it asks.
        presence.node_info_until = presence.serial_question.map(|_| until);
    }

    fn expire_node_info(&mut self) {
        let now = self.now;
        let silent: Vec<NodeId> = self
            .presence
            .iter()
            .filter(|(_, presence)| presence.node_info_until.is_some_and(|until| until <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            self.question_failed(id);
        }
    }

    /// A question to the dongle about a node failed.
    pub(super) fn question_failed(&mut self, id: NodeId) {
        let presence = self.presence.entry(id).or_default();
        presence.node_info_until = None;
        match presence.serial_question.take() {
            Some(question @ Question::ProtocolInfo) => self.give_up(id, question),
            _ => self.unheard(id),
        }
    }

    pub(super) fn node_info_failed(&mut self) {
        let asked = self
            .presence
            .iter()
            .find(|(_, presence)| presence.node_info_until.is_some())
            .map(|(id, _)| *id);
        if let Some(id) = asked {
            self.question_failed(id);
        }
    }

    /// A node told what it is: basic, generic and specific device class, then the classes it offers openly.
    pub(super) fn node_info_received(&mut self, id: NodeId, info: &[u8]) {
        if let Some(presence) = self.presence.get_mut(&id) {
            presence.node_info_until = None;
            presence.serial_question = None;
        }
        self.take_node_info(id, info);
        self.heard(id);
    }

    pub(super) fn take_node_info(&mut self, id: NodeId, info: &[u8]) {
        let Ok(info) = cc::node_info::NodeInfo::parse(info) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let classes: Vec<u8> = info
            .classes
            .supported
            .iter()
            .filter_map(|class| u8::try_from(*class).ok())
            .collect();
        if node.plain_classes.as_ref() != Some(&classes) {
            node.plain_classes = Some(classes);
            self.learned();
        }
        self.announce(id, false);
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a fact is in few of the many commands"
)]
fn learn_into(node: &mut Node, command: &cc::Command, own: u16) {
    let is_own = |member: &u8| u16::from(*member) == own;
    match command {
        cc::Command::ManufacturerSpecific(manufacturer_specific::Command::Report(report)) => {
            node.product = Some((report.manufacturer, report.product_type, report.product));
        }
        cc::Command::Version(version::Command::CommandClassReport(report)) => {
            node.versions.insert(report.class, report.version);
        }
        cc::Command::Association(association::Command::Report(report)) if report.group == 1 => {
            let ours = report.nodes.iter().any(is_own);
            node.lifeline = Some(if ours { Lifeline::Ours } else { Lifeline::Elsewhere });
        }
        cc::Command::MultiChannelAssociation(multi_channel_association::Command::Report(report))
            if report.group == 1 =>
        {
            let ours = report.members.nodes.iter().any(is_own)
                || report
                    .members
                    .endpoints
                    .iter()
                    .any(|endpoint| is_own(&endpoint.node));
            node.lifeline = Some(if ours { Lifeline::Ours } else { Lifeline::Elsewhere });
        }
        cc::Command::WakeUp(wake_up::Command::IntervalReport(interval)) => {
            node.wakes_for_us = Some(is_own(&interval.node));
            node.wake_up_seconds = Some(interval.seconds);
        }
        cc::Command::DoorLock(door_lock::Command::CapabilitiesReport(report)) => {
            node.door_sensor = Some(report.door);
        }
        cc::Command::DoorLock(door_lock::Command::OperationReport(_)) => node.bolt_read = true,
        cc::Command::Notification(notification::Command::SupportedReport(report)) => {
            node.notifications = Some(report.types.iter().copied().collect());
        }
        cc::Command::Notification(notification::Command::Report(notification::Report {
            notification: Some(said),
            ..
        })) if node.notifications.is_none()
            && said.event != 0
            && matches!(
                said.notification_type,
                notification::kind::SMOKE | notification::kind::CO | notification::kind::HEAT
            ) =>
        {
            node.warned_of.insert(said.notification_type);
        }
        cc::Command::UserCode(user_code::Command::UsersNumberReport(report)) => {
            node.pin_slots = Some(report.count());
        }
        cc::Command::UserCode(user_code::Command::CapabilitiesReport(report)) => {
            node.user_code = Some(UserCodeFeatures {
                disables: report
                    .statuses
                    .contains(&user_code::UserStatus::Disabled.to_byte()),
                checksum: report.checksum,
                bulk: report.multiple_report,
            });
        }
        cc::Command::UserCredential(user_credential::Command::UserCapabilitiesReport(report)) => {
            node.pin_slots = Some(report.users);
            node.credential_users = Some(CredentialUsers {
                users: report.users,
                name_bytes_max: report.name_bytes_max,
                checksum: report.all_users_checksum,
            });
        }
        cc::Command::UserCredential(user_credential::Command::CredentialCapabilitiesReport(report)) => {
            let rooms = report.types.iter().map(|room| CredentialRoom {
                kind: room.credential.to_byte(),
                slots: room.slots,
                bytes_min: room.bytes_min,
                bytes_max: room.bytes_max,
                learns: room.learn,
                learn_seconds: room.learn_timeout_seconds,
                learn_steps: room.learn_steps,
            });
            node.credential_rooms = Some(CredentialRooms {
                checksum: report.checksum,
                rooms: rooms.collect(),
            });
        }
        cc::Command::DoorLockLogging(door_lock_logging::Command::RecordsSupportedReport(records)) => {
            node.log = Some(*records > 0);
            node.log_records = Some(*records);
        }
        cc::Command::ScheduleEntryLock(schedule_entry_lock::Command::SupportedReport(report)) => {
            keeps_schedules(
                node,
                ScheduleSlots {
                    week_day: report.week_day.into(),
                    year_day: report.year_day.into(),
                    daily: report.daily_repeating.unwrap_or_default().into(),
                },
            );
        }
        cc::Command::ActiveSchedule(active_schedule::Command::CapabilitiesReport(classes)) => {
            let of_users = classes.iter().find(|of| of.class == class::USER_CREDENTIAL);
            keeps_schedules(
                node,
                of_users.map_or_else(ScheduleSlots::default, |of| ScheduleSlots {
                    week_day: 0,
                    year_day: of.year_day,
                    daily: of.daily,
                }),
            );
        }
        cc::Command::Battery(battery::Command::Report(_)) => node.battery_read = true,
        _ => {}
    }
}

fn keeps_schedules(node: &mut Node, slots: ScheduleSlots) {
    let kinds = [
        (slots.windows(), ScheduleKind::Weekly),
        (slots.spans(), ScheduleKind::Dated),
    ];
    let kept = kinds.into_iter().filter(|(slots, _)| *slots > 0);
    node.schedules = Some(kept.map(|(_, kind)| kind).collect());
    node.schedule_slots = Some(slots);
}
