//! From waiting jobs to frames on the air, and from the dongle's word on them to what it means.

use hubd_model::{LinkState, Millis, MonoTime, Report, SecretBytes};

use super::Host;
use super::cipher::Sealed;
use super::startup::Phase;
use super::traffic::{Expect, Job, JobId, JobState, Lane, NewJob, Part, Protection, Purpose};
use crate::dongle::End;
use crate::interview::Question;
use crate::wire::cc;
use crate::wire::serial::{Command, NodeId, TransmitStatus, function};

/// How long a node may take to answer with a nonce. Spec: CC:009F (S2), at least 250 ms; long for battery locks.
const NONCE_WAIT: Millis = Millis(3_000);
/// The pause before a frame that was not delivered is sent again.
const RETRY_PAUSE: Millis = Millis(400);
/// The pause before a frame that the dongle refused is offered again.
const REFUSED_PAUSE: Millis = Millis(60);
/// How often a busy dongle may refuse one frame.
const REFUSALS_MAX: u8 = 50;
/// From when on a transmission counts as slow.
const SLOW: Millis = Millis(200);
/// How often a node may lose the key stream under one frame.
const RESYNCS_MAX: u8 = 4;
/// How long a sleeping node listens after it spoke.
const AWAKE: Millis = Millis(8_000);
/// After how many silences of the dongle it is started again.
const SILENCES_MAX: u8 = 2;
/// When a node that did not answer is tried again for its interview, growing.
const RETRY_AFTER: [Millis; 4] = [
    Millis::from_secs(60),
    Millis::from_secs(300),
    Millis::from_secs(1_800),
    Millis::from_secs(7_200),
];

/// What the dongle is sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnAir {
    job: JobId,
    part: Part,
    /// It was told to make way: that it is not delivered says nothing of the node.
    gives_way: bool,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node's radio has it and no answer was expected.
    Delivered,
    /// The node answered.
    Answered(cc::Command),
    /// A Supervision Report came; more may follow when it says so.
    Supervised(cc::supervision::Report),
    /// It did not reach the node, and this is why: mostly, that the node's radio did not acknowledge it.
    NotDelivered(TransmitStatus),
    /// Delivered, but the answer did not come.
    NoAnswer,
    /// The node does not have the key that the frame was sent under.
    NoKey,
    /// Its time was over before it was sent.
    Expired,
}

impl Host {
    /// Starts the next thing on the dongle, if it is free. Says whether something was started.
    pub(super) fn pump(&mut self) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        if !self.dongle.is_idle() {
            self.make_way();
            return false;
        }
        if let Some(command) = self.memory_command() {
            self.on_air = None;
            return self.dongle.start(self.now, command).is_ok();
        }
        if self.memory_has_the_dongle() {
            return false;
        }
        let ready = self.phase == Phase::Ready;
        if ready && let Some(job) = self.next_job(Lane::LifeSafety, Lane::Person) {
            return self.transmit(job);
        }
        if matches!(self.phase, Phase::Resetting { .. }) && self.control.front() != Some(&Command::SoftReset)
        {
            return false;
        }
        if let Some(command) = self.control.pop_front() {
            self.on_air = None;
            return self.dongle.start(self.now, command).is_ok();
        }
        if ready && let Some(job) = self.next_job(Lane::Inclusion, Lane::Inclusion) {
            return self.transmit(job);
        }
        // A dongle that asks a node what it is refuses to send until the node answered.
        let asking = self
            .presence
            .values()
            .any(|presence| presence.node_info_until.is_some());
        if ready
            && !asking
            && let Some(job) = self.next_job(Lane::Interview, Lane::Log)
        {
            return self.transmit(job);
        }
        false
    }

    /// Takes the air away from a frame that nobody waits for when somebody does: a beam to a battery lock takes a
    /// second, a search for a route tens of them.
    fn make_way(&mut self) {
        let Some(on_air) = self.on_air.filter(|on_air| !on_air.gives_way) else {
            return;
        };
        let Some(job) = self.traffic.get(on_air.job) else {
            return;
        };
        let slow = self
            .nodes
            .get(&job.node)
            .is_some_and(crate::node::Node::is_on_battery)
            || job.sent_at + SLOW <= self.now;
        // In an emergency everybody makes way, also who makes way for nobody else.
        let (lane, emergency) = (
            job.lane,
            self.next_job(Lane::LifeSafety, Lane::LifeSafety).is_some(),
        );
        let wanted = match lane {
            Lane::LifeSafety => false,
            Lane::Reply | Lane::Person | Lane::Inclusion => emergency,
            Lane::Interview | Lane::Log => {
                let node = job.node;
                let next = self.next_job(Lane::LifeSafety, Lane::Person);
                // A node that asks something in the middle has the frame: nothing is gained by taking it back.
                let answers = |job: &Job| job.lane == Lane::Reply && job.node == node;
                emergency
                    || next
                        .and_then(|id| self.traffic.get(id))
                        .is_some_and(|job| !answers(job))
            }
        };
        if wanted && slow && self.dongle.abort_transmission(self.now) {
            self.on_air = Some(OnAir {
                gives_way: true,
                ..on_air
            });
        }
    }

    pub(super) fn next_job(&self, first: Lane, last: Lane) -> Option<JobId> {
        self.traffic
            .next(self.now, first..=last, |node| self.is_reachable(node))
    }

    fn is_reachable(&self, id: NodeId) -> bool {
        let sleeps = self.nodes.get(&id).is_some_and(crate::node::Node::sleeps);
        let awake = self
            .presence
            .get(&id)
            .is_some_and(|presence| presence.awake_until.is_some());
        !sleeps || awake || self.joining.is_about(id)
    }

    /// Queues a frame; `None` when too much waits.
    pub(super) fn push_job(&mut self, new: NewJob) -> Option<JobId> {
        self.traffic.push(new)
    }

    /// Queues the answer to something that a node asked.
    pub(super) fn push_reply(&mut self, node: NodeId, frame: Vec<u8>, protection: Protection) {
        let not_before = self.now;
        self.traffic.push(NewJob {
            node,
            lane: Lane::Reply,
            frame: SecretBytes::new(frame),
            protection,
            expect: Expect::Nothing,
            purpose: Purpose::Reply,
            expires: Some(self.now + Millis(10_000)),
            answer_wait: Millis(0),
            attempts: 2,
            not_before,
        });
    }

    fn transmit(&mut self, id: JobId) -> bool {
        let now = self.now;
        let Some(job) = self.traffic.get_mut(id) else {
            return false;
        };
        if job.expires.is_some_and(|expires| expires <= now) {
            self.finish(id, &Outcome::Expired);
            return true;
        }
        let (node, lane, protection, frame) = (job.node, job.lane, job.protection, job.frame.clone());
        let keys_known = self.nodes.get(&node).is_some_and(|node| node.granted.is_some());
        if protection == Protection::Highest && !keys_known {
            // What is meant for a key leaves under no other, and not in the clear.
            self.finish(id, &Outcome::NoKey);
            return true;
        }
        self.goes_before_datagram(node, id, lane);
        let under_way = self.next_segment(node, id);
        let begins = under_way.is_none();
        let class = match protection {
            Protection::Highest => self.nodes.get(&node).and_then(crate::node::Node::highest_class),
            Protection::Class(class) => Some(class),
            Protection::Plain | Protection::Joining(_) | Protection::S0Inclusion => None,
        };
        let sealed = match (protection, class) {
            _ if !begins => Sealed::Frame(under_way.unwrap_or_default()),
            (Protection::Joining(key), _) => self.cipher.seal_joining(now, node, key, frame.expose()),
            (Protection::S0Inclusion, _) => self.cipher.seal_s0_inclusion(now, node, frame.expose()),
            (_, Some(class)) => self.cipher.seal(now, node, class, frame.expose()),
            (_, None) => Sealed::Frame(frame.expose().to_vec()),
        };
        let (part, payload) = match sealed {
            Sealed::Frame(payload) if begins => (Part::Frame, self.first_segment(node, id, payload)),
            Sealed::Frame(payload) => (Part::Frame, payload),
            Sealed::NeedsNonce(request) => (Part::NonceGet, request),
            Sealed::TooLong => {
                tracing::warn!(
                    node = node.0,
                    "a frame that its security class cannot carry was not sent"
                );
                self.finish(id, &Outcome::NoKey);
                return true;
            }
        };
        let bridge_source = self
            .capabilities
            .has(function::SEND_DATA_BRIDGE)
            .then(|| self.identity.map(|identity| identity.node))
            .flatten();
        self.codes_frame(node);
        self.log_frame(node);
        if let Some(job) = self.traffic.get_mut(id) {
            job.state = JobState::OnAir(part);
            job.sent_at = now;
            if part == Part::Frame && begins {
                job.attempts_left = job.attempts_left.saturating_sub(1);
            }
        }
        self.on_air = Some(OnAir {
            job: id,
            part,
            gives_way: false,
        });
        self.dongle
            .start(
                now,
                Command::SendData {
                    node,
                    payload,
                    bridge_source,
                },
            )
            .is_ok()
    }

    /// The dongle took the frame of the command under way.
    pub(super) fn delivered_to_dongle(&mut self) {
        let Some(OnAir {
            job,
            part: Part::Frame,
            ..
        }) = self.on_air
        else {
            return;
        };
        let Some(job) = self.traffic.get_mut(job) else {
            return;
        };
        if let Purpose::Actuate(command) = job.purpose.clone() {
            self.actuation_sent(&command);
        }
    }

    /// The command under way ended.
    pub(super) fn command_ended(&mut self, command: Command, end: End) {
        let on_air = self.on_air.take();
        if matches!(self.phase, Phase::Starting | Phase::Resetting { .. }) {
            self.startup_ended(&command, &end);
            return;
        }
        if end == End::Undelivered {
            self.requeue(on_air);
            self.trouble(
                "the dongle no longer takes commands; hubd opens it again - if this stays, unplug the dongle, wait ten \
                 seconds and plug it in",
            );
            return;
        }
        match (command, end) {
            (Command::SendData { node, .. }, end) => self.transmitted(node, on_air, &end),
            (Command::NodeProtocolInfo(node), End::Response(answer)) => {
                self.protocol_info_received(node, &answer);
            }
            (Command::RequestNodeInfo(node), End::Response(answer)) if answer.first() == Some(&1) => {
                self.await_node_info(node);
            }
            (Command::RequestNodeInfo(node) | Command::NodeProtocolInfo(node), _) => {
                self.question_failed(node);
            }
            (Command::RemoveFailedNode(node), end) => self.removal_of_failed_ended(node, &end),
            (Command::Memory(_) | Command::InitData | Command::ControllerVersion, end) => {
                self.memory_answered(&end);
            }
            (command, end) => tracing::debug!(?command, ?end, "command ended"),
        }
    }

    fn transmitted(&mut self, node: NodeId, on_air: Option<OnAir>, end: &End) {
        let status = match end {
            End::Status(status) => TransmitStatus::from(*status),
            End::Silent => {
                self.troubles = self.troubles.saturating_add(1);
                if self.troubles >= SILENCES_MAX {
                    self.requeue(on_air);
                    self.trouble(
                        "the dongle takes frames but does not say what became of them; hubd restarts it - if this stays, \
                         unplug the dongle, wait ten seconds and plug it in",
                    );
                    return;
                }
                TransmitStatus::Fail
            }
            End::Taken | End::Response(_) | End::Refused | End::Undelivered => TransmitStatus::NotIdle,
        };
        if status == TransmitStatus::Ok {
            self.troubles = 0;
            self.heard(node);
        }
        let Some(OnAir {
            job: id,
            part,
            gives_way,
        }) = on_air
        else {
            return;
        };
        if status != TransmitStatus::Ok {
            self.drop_datagram(id);
        }
        // A node may have answered before the dongle reported the delivery: then the job is gone.
        let Some(job) = self.traffic.get_mut(id) else {
            return;
        };
        if *end == End::Refused && job.refusals < REFUSALS_MAX {
            // Nothing went out: the dongle is busy with something of its own.
            job.refusals += 1;
            if part == Part::Frame {
                job.attempts_left = job.attempts_left.saturating_add(1);
            }
            job.state = JobState::Queued {
                not_before: self.now + REFUSED_PAUSE,
            };
            return;
        }
        if status != TransmitStatus::Ok && gives_way {
            if part == Part::Frame {
                job.attempts_left = job.attempts_left.saturating_add(1);
            }
            job.state = JobState::Queued { not_before: self.now };
            return;
        }
        if status != TransmitStatus::Ok {
            self.not_delivered(id, status);
            return;
        }
        match (part, job.state) {
            (Part::NonceGet, JobState::OnAir(_)) => {
                job.state = JobState::NeedsNonce {
                    until: self.now + NONCE_WAIT,
                };
            }
            (Part::Frame, JobState::OnAir(_)) => {
                if !self.segment_delivered(node, id) {
                    self.frame_delivered(id);
                }
            }
            // Something that came in between moved the job on.
            (
                _,
                JobState::Queued { .. }
                | JobState::NeedsNonce { .. }
                | JobState::Confirming { .. }
                | JobState::Waiting { .. },
            ) => {}
        }
    }

    /// The node's radio has the whole frame of a job.
    pub(super) fn frame_delivered(&mut self, id: JobId) {
        let now = self.now;
        let Some(job) = self.traffic.get_mut(id) else {
            return;
        };
        let (expects_nothing, purpose) = (job.expect == Expect::Nothing, job.purpose.clone());
        job.state = JobState::Waiting {
            until: now + job.answer_wait,
        };
        if let Purpose::Actuate(command) = &purpose {
            self.actuation_acknowledged(command);
        }
        if expects_nothing {
            self.finish(id, &Outcome::Delivered);
        }
    }

    fn not_delivered(&mut self, id: JobId, status: TransmitStatus) {
        let now = self.now;
        let Some(job) = self.traffic.get_mut(id) else {
            return;
        };
        tracing::debug!(
            node = job.node.0,
            ?status,
            attempts_left = job.attempts_left,
            "frame not delivered"
        );
        // The request for a nonce costs an attempt as well, or an absent node would be asked for ever.
        if matches!(job.state, JobState::OnAir(Part::NonceGet)) {
            job.attempts_left = job.attempts_left.saturating_sub(1);
        }
        if job.attempts_left > 0 {
            job.state = JobState::Queued {
                not_before: now + RETRY_PAUSE,
            };
        } else {
            let node = job.node;
            self.finish(id, &Outcome::NotDelivered(status));
            self.unheard(node);
        }
    }

    /// Waits that are over.
    pub(super) fn expire(&mut self) {
        self.expire_startup();
        self.expire_segments();
        for presence in self.presence.values_mut() {
            if presence.awake_until.is_some_and(|until| until <= self.now) {
                presence.awake_until = None;
            }
        }
        // Each turn removes or re-queues one job, so this ends.
        while let Some(id) = self.traffic.overdue(self.now) {
            let now = self.now;
            let confirming = |job: &Job| matches!(job.state, JobState::Confirming { .. });
            if self.traffic.get(id).is_some_and(confirming) && self.confirmation_missing(id) {
                continue;
            }
            let Some(job) = self.traffic.get_mut(id) else {
                continue;
            };
            let outcome = match job.state {
                JobState::Queued { .. } => Outcome::Expired,
                JobState::OnAir(_)
                | JobState::NeedsNonce { .. }
                | JobState::Confirming { .. }
                | JobState::Waiting { .. } => Outcome::NoAnswer,
            };
            if matches!(job.state, JobState::NeedsNonce { .. }) {
                job.attempts_left = job.attempts_left.saturating_sub(1);
            }
            if outcome == Outcome::NoAnswer && job.attempts_left > 0 {
                job.state = JobState::Queued { not_before: now };
                // An answer that did not come may mean that the key stream was lost on the way.
                continue;
            }
            self.finish(id, &outcome);
        }
    }

    /// A nonce of the node is here: what waited for it goes on. Says whether anything did.
    pub(super) fn nonce_arrived(&mut self, node: NodeId) -> bool {
        let now = self.now;
        let waiting = self.traffic.ids(|job| {
            job.node == node
                && matches!(
                    job.state,
                    JobState::NeedsNonce { .. } | JobState::OnAir(Part::NonceGet)
                )
        });
        for id in &waiting {
            if let Some(job) = self.traffic.get_mut(*id) {
                job.state = JobState::Queued { not_before: now };
            }
        }
        !waiting.is_empty()
    }

    /// Whether a frame that needs a nonce of the node has yet to go out.
    pub(super) fn waits_to_be_sealed(&self, node: NodeId) -> bool {
        self.traffic.any(|job| {
            job.node == node
                && job.protection != Protection::Plain
                && matches!(job.state, JobState::Queued { .. })
        })
    }

    /// The node could not read our last frame under its key: send it again with a fresh nonce, or learn that it
    /// does not have the key.
    pub(super) fn resync(&mut self, node: NodeId) {
        let now = self.now;
        let sealed = |job: &Job| job.protection != Protection::Plain && job.purpose != Purpose::Reply;
        let Some(id) = self.traffic.last_sent(node, sealed) else {
            return;
        };
        self.drop_datagram(id);
        let Some(job) = self.traffic.get_mut(id) else {
            return;
        };
        match job.state {
            JobState::NeedsNonce { .. } | JobState::OnAir(Part::NonceGet) => {
                job.state = JobState::Queued { not_before: now };
            }
            JobState::Waiting { .. } | JobState::Confirming { .. } | JobState::OnAir(Part::Frame) => {
                let probing = matches!(job.purpose, Purpose::Ask(Question::HasKey(_)));
                if job.resyncs < RESYNCS_MAX && !probing {
                    // It was not read, so it does not count as an attempt.
                    job.resyncs += 1;
                    job.attempts_left = job.attempts_left.saturating_add(1);
                    job.state = JobState::Queued { not_before: now };
                } else {
                    self.finish(id, &Outcome::NoKey);
                }
            }
            JobState::Queued { .. } => {}
        }
    }

    /// Ends a job and tells whoever wanted it.
    pub(super) fn finish(&mut self, id: JobId, outcome: &Outcome) {
        let Some(job) = self.traffic.remove(id) else {
            return;
        };
        let node = job.node;
        match job.purpose {
            Purpose::Actuate(command) => self.actuation_answered(&command, outcome),
            Purpose::Verify(command) => self.verification_answered(&command, outcome),
            Purpose::Ask(question) => self.question_answered(node, question, outcome),
            Purpose::Ping => self.ping_answered(node, outcome),
            Purpose::Codes => self.codes_answered(node, outcome),
            Purpose::Hold => self.hold_answered(node, outcome),
            Purpose::Log => self.log_answered(node, outcome),
            Purpose::Refresh | Purpose::Reply | Purpose::Bootstrap => {}
        }
    }

    /// Takes a job away without telling anybody but an actuation, which must end.
    pub(super) fn drop_job(&mut self, id: JobId) {
        if let Some(Job {
            purpose: Purpose::Actuate(command) | Purpose::Verify(command),
            ..
        }) = self.traffic.remove(id)
        {
            self.actuation_lost(&command, "the lock left the network");
        }
    }

    /// What was on the air when the dongle went away goes again; what was delivered keeps waiting. What the dongle itself
    /// was asked about nodes is asked again.
    pub(super) fn land_jobs(&mut self) {
        for presence in self.presence.values_mut() {
            presence.serial_question = None;
            presence.node_info_until = None;
        }
        let on_air = self.on_air.take();
        self.requeue(on_air);
        self.drop_datagrams();
        let now = self.now;
        for id in self.traffic.ids(|job| {
            matches!(
                job.state,
                JobState::NeedsNonce { .. } | JobState::Confirming { .. }
            )
        }) {
            if let Some(job) = self.traffic.get_mut(id) {
                job.state = JobState::Queued { not_before: now };
            }
        }
        self.cipher.forget_nonces_under_way();
    }

    fn requeue(&mut self, on_air: Option<OnAir>) {
        let now = self.now;
        if let Some(on_air) = on_air {
            self.drop_datagram(on_air.job);
        }
        let Some(job) = on_air.and_then(|on_air| self.traffic.get_mut(on_air.job)) else {
            return;
        };
        if matches!(job.state, JobState::OnAir(_)) {
            job.attempts_left = job.attempts_left.max(1);
            job.state = JobState::Queued { not_before: now };
        }
    }

    /// A sign of life.
    pub(super) fn heard(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let sleeps = node.sleeps();
        let presence = self.presence.entry(id).or_default();
        presence.failures = 0;
        presence.retry_at = None;
        presence.quiet_since = Some(self.now);
        if sleeps {
            presence.awake_until = Some(self.now + AWAKE);
        }
        if presence.link != LinkState::Online {
            presence.link = LinkState::Online;
            if let Some(device) = self.address(id) {
                self.report(Report::Link {
                    device,
                    link: LinkState::Online,
                });
            }
        }
    }

    /// A frame was not acknowledged in any attempt.
    pub(super) fn unheard(&mut self, id: NodeId) {
        if self.phase != Phase::Ready || !self.nodes.contains_key(&id) {
            return;
        }
        let presence = self.presence.entry(id).or_default();
        let step = RETRY_AFTER
            .get(usize::from(presence.failures))
            .or(RETRY_AFTER.last());
        presence.retry_at = step.map(|pause| self.now + *pause);
        presence.failures = presence.failures.saturating_add(1);
        if presence.link != LinkState::Offline {
            presence.link = LinkState::Offline;
            if let Some(device) = self.address(id) {
                self.report(Report::Link {
                    device,
                    link: LinkState::Offline,
                });
            }
        }
    }

    /// When this node may be asked something of its interview.
    pub(super) fn may_ask_at(&self, id: NodeId) -> MonoTime {
        self.presence
            .get(&id)
            .and_then(|presence| presence.retry_at)
            .unwrap_or_default()
    }

    /// Whether a question to this node is on its way.
    pub(super) fn is_asking(&self, id: NodeId) -> bool {
        self.traffic
            .any(|job| job.node == id && matches!(job.purpose, Purpose::Ask(_)))
            || self
                .presence
                .get(&id)
                .is_some_and(|presence| presence.serial_question.is_some())
    }

    /// The job of the question under way.
    pub(super) fn asked_job(&self, id: NodeId, question: Question) -> Option<JobId> {
        self.traffic
            .in_flight(id, |job| job.purpose == Purpose::Ask(question))
    }
}
