//! Devices that join and leave: what the dongle does, what a person is asked, and when it is over.
//!
//! ```text
//!   include ─▶ Waiting ─node found─▶ Adding ─dongle done─▶ Securing ─keys given─▶ Interviewing ─▶ Done
//!                 │                                          │  ▲ PIN
//!                 │ 60 s, cancelled                          │  └── Asking
//!                 ▼                                          ▼ wrong PIN, silence, refused
//!               Failed ◀─────────────────────────────────── Failed: in the network, but not used
//!   exclude ─▶ Removing ─dongle done─▶ Done
//!   remove as failed ─▶ RemovingFailed ─device silent, dongle done─▶ Done
//!                             └─ it answers, it may only sleep, the dongle is busy ─▶ Failed
//! ```
//!
//! **Invariant**: a device whose key exchange failed is recorded as without security and never given another key; a
//! lock without security is shown, refused by `actuating`, and a person is told to exclude it. No device is removed as
//! failed of which it is not known that it is silent.

use hubd_model::{
    DeviceAddress, DeviceKind, InclusionAnswer, InclusionError, InclusionProgress, InclusionState,
    InclusionStrategy, Millis, MonoTime, RemovalCause, Report, SecretString,
};

use super::Host;
use super::cache::Provisioned;
use super::securing::Securing;
use super::startup::Phase;
use crate::interview::next_question;
use crate::node::Node;
use crate::security::ClassSet;
use crate::security::dsk::Dsk;
use crate::security::qr::Provisioning;
use crate::wire::cc::class;
use crate::wire::serial::{AddMode, Command, NetworkStatus, NodeId, RemoveMode, function};

/// How long a device may take to be put into its pairing or exclusion mode.
const FIND_WAIT: Millis = Millis::from_secs(60);
/// How long the dongle may take to add a device once it was found.
const ADD_WAIT: Millis = Millis::from_secs(90);
/// How long the interview may take before the inclusion counts as done; the interview goes on behind it.
const INTERVIEW_WAIT: Millis = Millis::from_secs(60);
/// How many devices may wait to join by themselves.
const PROVISIONED_MAX: usize = 64;

/// What is under way, and how far.
#[derive(Default)]
pub(super) struct Joining {
    state: State,
    /// The progress told last, so that each step names the same device.
    progress: InclusionProgress,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// The dongle looks for a device, or adds it.
    Adding {
        plan: Plan,
        node: Option<NodeId>,
        until: MonoTime,
    },
    /// The device is given its keys.
    Securing(Box<Securing>),
    /// The device is asked what it is.
    Interviewing { node: NodeId, until: MonoTime },
    /// The dongle looks for a device to remove, or removes it.
    Removing { node: Option<NodeId>, until: MonoTime },
    /// A device that is said to be gone is asked whether it is, and then forgotten by the dongle.
    RemovingFailed { node: NodeId, until: MonoTime },
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) allow_s2: bool,
    pub(super) allow_s0: bool,
    /// The device's whole DSK, where a person gave it.
    pub(super) dsk: Option<Dsk>,
}

impl Joining {
    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        match &self.state {
            State::Idle => None,
            State::Adding { until, .. }
            | State::Interviewing { until, .. }
            | State::Removing { until, .. }
            | State::RemovingFailed { until, .. } => Some(*until),
            State::Securing(securing) => securing.next_deadline(),
        }
    }

    /// Whether a node is being included right now.
    pub(super) fn is_about(&self, id: NodeId) -> bool {
        match &self.state {
            State::Idle | State::Removing { .. } | State::RemovingFailed { .. } => false,
            State::Adding { node, .. } => *node == Some(id),
            State::Securing(securing) => securing.node() == id,
            State::Interviewing { node, .. } => *node == id,
        }
    }

    /// Whether a node must not be asked anything because it is being given its keys.
    pub(super) fn is_securing(&self, id: NodeId) -> bool {
        self.is_about(id) && !matches!(self.state, State::Interviewing { .. })
    }

    pub(super) fn securing(&mut self) -> Option<&mut Securing> {
        match &mut self.state {
            State::Securing(securing) => Some(securing),
            State::Idle
            | State::Adding { .. }
            | State::Interviewing { .. }
            | State::Removing { .. }
            | State::RemovingFailed { .. } => None,
        }
    }

    /// Whether a person is being asked something.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.state, State::Securing(_)) && self.progress.state == InclusionState::Asking
    }

    /// Whether a device is being included, so that others have to wait with what nobody waits for.
    pub(super) const fn has_the_air(&self) -> bool {
        match &self.state {
            State::Idle | State::Removing { .. } | State::RemovingFailed { .. } => false,
            State::Adding { node, .. } => node.is_some(),
            State::Securing(_) | State::Interviewing { .. } => true,
        }
    }

    const fn is_free(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// A device that is said to be gone is being asked whether it is.
    pub(super) fn begin_removal(&mut self, node: NodeId, until: MonoTime) {
        self.state = State::RemovingFailed { node, until };
    }

    /// Whether this device is being removed as failed.
    pub(super) fn removes_failed(&self, id: NodeId) -> bool {
        matches!(self.state, State::RemovingFailed { node, .. } if node == id)
    }

    /// Nothing is under way any more.
    pub(super) fn end_removal(&mut self) {
        self.state = State::Idle;
    }
}

impl Host {
    pub(super) fn include(&mut self, strategy: InclusionStrategy) {
        if let Err((code, detail)) = self.may_join() {
            self.tell_failure(code, detail);
            return;
        }
        self.joining.progress = InclusionProgress::default();
        let plan = match strategy {
            InclusionStrategy::Default => Plan {
                allow_s2: true,
                allow_s0: true,
                dsk: None,
            },
            InclusionStrategy::S0 => Plan {
                allow_s2: false,
                allow_s0: true,
                dsk: None,
            },
            InclusionStrategy::S2(None) => Plan {
                allow_s2: true,
                allow_s0: false,
                dsk: None,
            },
            InclusionStrategy::S2(Some(code)) => match read_code(&code) {
                Ok(dsk) => Plan {
                    allow_s2: true,
                    allow_s0: false,
                    dsk: Some(dsk),
                },
                Err(detail) => return self.tell_failure("bad_code", &detail),
            },
            InclusionStrategy::SmartStart(code) => match read_code(&code) {
                Ok(dsk) => return self.provision(dsk),
                Err(detail) => return self.tell_failure("bad_code", &detail),
            },
        };
        self.command(Command::AddNode(AddMode::Any));
        self.joining.state = State::Adding {
            plan,
            node: None,
            until: self.now + FIND_WAIT,
        };
        self.progress(InclusionState::Waiting);
    }

    pub(super) fn may_join(&self) -> Result<(), (&'static str, &'static str)> {
        if self.phase != Phase::Ready {
            return Err((
                "controller_failed",
                "the dongle does not work right now; try again when it is back",
            ));
        }
        if !self.joining.is_free() {
            return Err((
                "busy",
                "another device is being included or excluded; finish or cancel that first",
            ));
        }
        Ok(())
    }

    fn provision(&mut self, dsk: Dsk) {
        let entry = Provisioned { dsk: *dsk.bytes() };
        if !self.provisioned.contains(&entry) {
            if self.provisioned.len() >= PROVISIONED_MAX {
                return self.tell_failure("busy", "64 devices wait to join already; cancel one first");
            }
            self.provisioned.push(entry);
            self.keep_cache();
        }
        self.listen_for_smart_start();
        self.joining.progress = InclusionProgress::default();
        self.progress(InclusionState::Idle);
    }

    /// Whoever was announced and has not come yet is not let in any more.
    fn withdraw_announced(&mut self) {
        if !self.provisioned.is_empty() {
            self.provisioned.clear();
            self.keep_cache();
            self.command(Command::AddNode(AddMode::StopSilently));
            self.tell_failure("cancelled", "cancelled; the announced devices will not be let in");
        }
    }

    /// Tells of announced devices that have not come yet, after a start.
    pub(super) fn tell_expected(&mut self) {
        if !self.provisioned.is_empty() && self.joining.progress.state == InclusionState::Idle {
            self.progress(InclusionState::Idle);
        }
    }

    /// How many devices may join by themselves.
    fn expected(&self) -> u16 {
        u16::try_from(self.provisioned.len()).unwrap_or(u16::MAX)
    }

    pub(super) fn listen_for_smart_start(&mut self) {
        if !self.provisioned.is_empty() && self.joining.is_free() {
            self.command(Command::AddNode(AddMode::ListenSmartStart));
        }
    }

    /// A device that is not in the network announces itself.
    pub(super) fn smart_start_announced(&mut self, nwi_home_id: [u8; 4]) {
        if !self.joining.is_free() || self.phase != Phase::Ready {
            return;
        }
        let expected = self.provisioned.iter().map(|entry| Dsk::new(entry.dsk));
        let Some(dsk) = expected.into_iter().find(|dsk| dsk.nwi_home_id() == nwi_home_id) else {
            tracing::info!("a device that nobody announced wants to join by SmartStart; ignored");
            return;
        };
        self.command(Command::AddNode(AddMode::SmartStart {
            nwi_home_id,
            auth_home_id: dsk.auth_home_id(),
        }));
        let plan = Plan {
            allow_s2: true,
            allow_s0: false,
            dsk: Some(dsk),
        };
        self.joining.progress = InclusionProgress::default();
        self.joining.state = State::Adding {
            plan,
            node: None,
            until: self.now + ADD_WAIT,
        };
        self.progress(InclusionState::Waiting);
    }

    pub(super) fn answer(&mut self, answer: InclusionAnswer) {
        let InclusionAnswer::DskPin(pin) = answer;
        self.pin_given(&pin);
    }

    pub(super) fn cancel(&mut self) {
        match std::mem::take(&mut self.joining.state) {
            State::Idle => self.withdraw_announced(),
            State::Adding { node: None, .. } => {
                self.command(Command::AddNode(AddMode::Stop));
                self.command(Command::AddNode(AddMode::StopSilently));
                self.tell_failure("cancelled", "cancelled before a device was found");
                self.listen_for_smart_start();
            }
            // A device that is half in has to be brought to an end.
            state @ State::Adding { .. } => self.joining.state = state,
            State::Securing(securing) => {
                let node = securing.node();
                self.joining.state = State::Securing(securing);
                self.abandon_securing();
                self.insecure(node, "cancelled", "cancelled before the keys were exchanged");
            }
            State::Interviewing { .. } => self.progress(InclusionState::Done),
            State::Removing { .. } => {
                self.command(Command::RemoveNode(RemoveMode::StopSilently));
                self.tell_exclusion(InclusionState::Failed, None, Some(("cancelled", "cancelled")));
                self.listen_for_smart_start();
            }
            State::RemovingFailed { node, .. } => {
                self.removal_refused(node, "cancelled", "cancelled; the device stays");
            }
        }
    }

    pub(super) fn exclude(&mut self) {
        if let Err((code, detail)) = self.may_join() {
            self.tell_exclusion(InclusionState::Failed, None, Some((code, detail)));
            return;
        }
        self.command(Command::RemoveNode(RemoveMode::Any));
        self.joining.state = State::Removing {
            node: None,
            until: self.now + FIND_WAIT,
        };
        self.tell_exclusion(InclusionState::Waiting, None, None);
    }

    pub(super) fn network_changed(
        &mut self,
        which: u8,
        status: NetworkStatus,
        node: Option<NodeId>,
        info: &[u8],
    ) {
        if which == function::ADD_NODE {
            self.adding(status, node, info);
        } else {
            self.removing(status, node);
        }
    }

    fn adding(&mut self, status: NetworkStatus, found: Option<NodeId>, info: &[u8]) {
        let now = self.now;
        let State::Adding { node, until, .. } = &mut self.joining.state else {
            return;
        };
        match status {
            NetworkStatus::Ready | NetworkStatus::Other(_) => {}
            NetworkStatus::NodeFound => *until = now + ADD_WAIT,
            NetworkStatus::Device | NetworkStatus::Controller => {
                *until = now + ADD_WAIT;
                let Some(id) = found else { return };
                *node = Some(id);
                self.nodes.insert(id, Node::new(id));
                self.interviews.insert(id);
                self.presence.remove(&id);
                self.cipher.forget(id);
                self.take_node_info(id, info);
            }
            NetworkStatus::ProtocolDone => self.command(Command::AddNode(AddMode::Stop)),
            NetworkStatus::Done => {
                let added = *node;
                self.command(Command::AddNode(AddMode::StopSilently));
                if let Some(added) = added {
                    self.secure(added);
                }
            }
            NetworkStatus::Failed => {
                self.command(Command::AddNode(AddMode::Stop));
                self.command(Command::AddNode(AddMode::StopSilently));
                self.joining_failed(
                    "controller_failed",
                    "the dongle could not add the device; exclude it, bring it closer and try again",
                );
            }
        }
    }

    fn secure(&mut self, id: NodeId) {
        let State::Adding { plan, .. } = std::mem::take(&mut self.joining.state) else {
            return;
        };
        if let Some(device) = self.address(id) {
            self.joining.progress.device = Some((device, self.kind_of(id)));
        }
        if self.capabilities.has(function::ASSIGN_SUC_RETURN_ROUTE) {
            self.command(Command::AssignSucReturnRoute(id));
        }
        let offers = |class| {
            self.nodes
                .get(&id)
                .is_some_and(|node| node.supports_plainly(class))
        };
        let (s2, s0) = (offers(class::SECURITY_2), offers(class::SECURITY));
        let is_lock = self.kind_of(id) == DeviceKind::Lock;
        if s2 && plan.allow_s2 {
            self.joining.state = State::Securing(Box::new(self.start_s2(id, &plan, is_lock)));
            self.progress(InclusionState::Securing);
            self.advance_securing();
        } else if s0 && plan.allow_s0 {
            self.joining.state = State::Securing(Box::new(self.start_s0(id)));
            self.progress(InclusionState::Securing);
            self.advance_securing();
        } else if s2 || s0 || is_lock {
            self.insecure(
                id,
                "insecure",
                "the device does not offer the security that was asked for",
            );
        } else {
            self.secured(id, ClassSet::NONE);
        }
    }

    /// The device has its keys (or needs none): ask what it is.
    pub(super) fn secured(&mut self, id: NodeId, granted: ClassSet) {
        let dsks = self.provisioned.len();
        if let Some(dsk) = self.joining.securing().and_then(|securing| securing.dsk()) {
            self.provisioned.retain(|entry| entry.dsk != *dsk.bytes());
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.granted = Some(granted);
            self.joining.progress.security = node.security();
        }
        tracing::info!(node = id.0, security = ?self.joining.progress.security, provisioned = dsks, "device included");
        self.joining.state = State::Interviewing {
            node: id,
            until: self.now + INTERVIEW_WAIT,
        };
        self.keep_cache();
        self.announce(id, true);
        self.progress(InclusionState::Interviewing);
    }

    /// The device is in the network but has no keys: it is shown, not used, and a person is told what to do.
    pub(super) fn insecure(&mut self, id: NodeId, code: &str, why: &str) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.granted = Some(ClassSet::NONE);
            self.joining.progress.security = node.security();
        }
        self.cipher.end_joining();
        self.joining.state = State::Idle;
        self.keep_cache();
        self.announce(id, true);
        let detail = format!(
            "{why}. The device is in the network without security and is not used: start an exclusion now, put the \
             device into its exclusion mode, then include it again"
        );
        self.tell_failure(code, &detail);
        self.listen_for_smart_start();
    }

    /// An interview came to its end.
    pub(super) fn interview_ended(&mut self, id: NodeId) {
        if let State::Interviewing { node, .. } = self.joining.state
            && node == id
        {
            self.joining.state = State::Idle;
            self.announce(id, true);
            if let Some(device) = self.address(id) {
                self.joining.progress.device = Some((device, self.kind_of(id)));
            }
            self.progress(InclusionState::Done);
            self.keep_cache();
            self.listen_for_smart_start();
        }
    }

    fn removing(&mut self, status: NetworkStatus, found: Option<NodeId>) {
        let now = self.now;
        let State::Removing { node, until } = &mut self.joining.state else {
            return;
        };
        if let Some(found) = found {
            *node = Some(found);
            *until = now + ADD_WAIT;
        }
        let id = *node;
        match status {
            NetworkStatus::Ready
            | NetworkStatus::NodeFound
            | NetworkStatus::Device
            | NetworkStatus::Controller
            | NetworkStatus::Other(_) => {}
            NetworkStatus::ProtocolDone | NetworkStatus::Done => {
                self.command(Command::RemoveNode(RemoveMode::StopSilently));
                self.joining.state = State::Idle;
                let device = id.and_then(|id| Some((self.address(id)?, self.kind_of(id))));
                if let Some(id) = id.filter(|id| self.nodes.contains_key(id)) {
                    self.forget_node(id, RemovalCause::Excluded);
                }
                self.tell_exclusion(InclusionState::Done, device, None);
                self.listen_for_smart_start();
            }
            NetworkStatus::Failed => {
                self.command(Command::RemoveNode(RemoveMode::StopSilently));
                self.joining.state = State::Idle;
                let why = (
                    "controller_failed",
                    "the dongle could not remove the device; bring it closer and try again",
                );
                self.tell_exclusion(InclusionState::Failed, None, Some(why));
                self.listen_for_smart_start();
            }
        }
    }

    pub(super) fn advance_joining(&mut self) {
        self.advance_securing();
        let now = self.now;
        match &self.joining.state {
            State::Adding { until, .. } if *until <= now => {
                self.command(Command::AddNode(AddMode::Stop));
                self.command(Command::AddNode(AddMode::StopSilently));
                self.joining_failed(
                    "timeout",
                    "no device was found; put it into its pairing mode, close to the hub, and try again",
                );
            }
            State::Interviewing { node, until } if *until <= now => {
                let node = *node;
                self.interview_ended(node);
            }
            State::Interviewing { node, .. }
                if self
                    .nodes
                    .get(node)
                    .is_some_and(|node| next_question(node).is_none()) =>
            {
                let node = *node;
                self.interview_ended(node);
            }
            State::Removing { until, .. } if *until <= now => {
                self.command(Command::RemoveNode(RemoveMode::StopSilently));
                self.joining.state = State::Idle;
                let why = (
                    "timeout",
                    "no device was found; put it into its exclusion mode and try again",
                );
                self.tell_exclusion(InclusionState::Failed, None, Some(why));
                self.listen_for_smart_start();
            }
            State::RemovingFailed { node, until } if *until <= now => {
                let node = *node;
                self.removal_refused(
                    node,
                    "timeout",
                    "the dongle had no time for it; try again in a minute",
                );
            }
            State::Idle
            | State::Adding { .. }
            | State::Securing(_)
            | State::Interviewing { .. }
            | State::Removing { .. }
            | State::RemovingFailed { .. } => {}
        }
    }

    /// Ends what is under way; a device that is in already stays, without security.
    pub(super) fn joining_failed(&mut self, code: &str, detail: &str) {
        match std::mem::take(&mut self.joining.state) {
            State::Idle => {}
            State::Adding { node: Some(node), .. } => self.insecure(node, code, detail),
            State::Adding { node: None, .. } => self.tell_failure(code, detail),
            State::Securing(securing) => self.insecure(securing.node(), code, detail),
            State::Interviewing { .. } => self.progress(InclusionState::Done),
            State::Removing { .. } => self.tell_exclusion(InclusionState::Failed, None, Some((code, detail))),
            State::RemovingFailed { node, .. } => self.removal_refused(node, code, detail),
        }
    }

    pub(super) fn kind_of(&self, id: NodeId) -> DeviceKind {
        match self.nodes.get(&id) {
            Some(node) if node.is_lock() => DeviceKind::Lock,
            Some(node) => node
                .description()
                .map_or(DeviceKind::Other, |description| description.kind),
            None => DeviceKind::Other,
        }
    }

    /// Tells how far the inclusion is.
    pub(super) fn progress(&mut self, state: InclusionState) {
        let expected = self.expected();
        let progress = &mut self.joining.progress;
        progress.state = state;
        progress.expected = expected;
        progress.error = None;
        if state != InclusionState::Asking {
            progress.question = None;
        }
        let progress = progress.clone();
        self.report(Report::Inclusion(progress));
    }

    /// Asks a person something.
    pub(super) fn question(&mut self, question: hubd_model::InclusionQuestion) {
        self.joining.progress.question = Some(question);
        self.progress(InclusionState::Asking);
    }

    fn tell_failure(&mut self, code: &str, detail: &str) {
        let progress = InclusionProgress {
            state: InclusionState::Failed,
            question: None,
            expected: self.expected(),
            error: Some(InclusionError {
                code: code.to_owned(),
                detail: detail.to_owned(),
            }),
            ..std::mem::take(&mut self.joining.progress)
        };
        self.report(Report::Inclusion(progress));
    }

    pub(super) fn tell_exclusion(
        &mut self,
        state: InclusionState,
        device: Option<(DeviceAddress, DeviceKind)>,
        error: Option<(&str, &str)>,
    ) {
        let error = error.map(|(code, detail)| InclusionError {
            code: code.to_owned(),
            detail: detail.to_owned(),
        });
        self.report(Report::Exclusion(InclusionProgress {
            state,
            question: None,
            device,
            security: None,
            error,
            expected: 0,
        }));
    }
}

/// The DSK in a QR text, or the DSK itself.
fn read_code(code: &SecretString) -> Result<Dsk, String> {
    Provisioning::parse(code)
        .map(|provisioning| provisioning.dsk)
        .map_err(|error| error.to_string())
}
