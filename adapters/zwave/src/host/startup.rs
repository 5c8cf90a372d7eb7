//! From an open port to a dongle that works, and back there after trouble.
//!
//! ```text
//!   Closed ─opened─▶ Resetting ─started─▶ Starting ─all answered─▶ Ready
//!     ▲              (only after trouble)    │                      │
//!     └───────────── trouble: reopen ◀───────┴──────────────────────┘
//! ```
//!
//! While the dongle fails no node is blamed: their links become unknown, never offline.

use hubd_model::{LinkState, Millis, MonoTime, RadioState, RemovalCause, Report};

use super::{Host, Identity, Output};
use crate::dongle::{Dongle, End};
use crate::node::Node;
use crate::security::ClassSet;
use crate::wire::serial::{
    self, Command, NodeId, NodeIdWidth, function, parse_capabilities, parse_controller_id, parse_init_data,
    parse_long_range_nodes,
};

/// How long a dongle may take to start after a reset.
const RESET_WAIT: Millis = Millis(3_000);

/// Where the dongle stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The port is not open.
    Closed,
    /// The dongle was told to restart.
    Resetting {
        /// When to go on without its word.
        until: MonoTime,
    },
    /// It is asked what it is.
    Starting,
    /// It works.
    Ready,
}

impl Host {
    pub(super) fn opened(&mut self) {
        self.dongle = Dongle::opened();
        self.control.clear();
        self.land_jobs();
        self.report(Report::Radio(RadioState::Starting));
        if self.troubles > 0 && self.capabilities.has(function::SOFT_RESET) {
            self.phase = Phase::Resetting {
                until: self.now + RESET_WAIT,
            };
            self.command(Command::SoftReset);
        } else {
            self.start_dongle();
        }
    }

    pub(super) fn closed(&mut self, reason: String) {
        self.phase = Phase::Closed;
        self.control.clear();
        self.dongle = Dongle::default();
        self.land_jobs();
        self.break_off_codes();
        self.break_off_logs();
        self.break_off_memory();
        self.forget_links();
        self.joining_failed(
            "controller_failed",
            "the dongle went away; try again when it is back",
        );
        self.report(Report::Radio(RadioState::Away { reason }));
    }

    /// Starts the dongle anew, where it can be told to.
    pub(super) fn restart_dongle(&mut self) -> bool {
        let can = self.capabilities.has(function::SOFT_RESET);
        if can {
            self.dongle = Dongle::default();
            self.control.clear();
            self.phase = Phase::Resetting {
                until: self.now + RESET_WAIT,
            };
            self.command(Command::SoftReset);
        }
        can
    }

    fn start_dongle(&mut self) {
        self.phase = Phase::Starting;
        self.command(Command::SerialApiCapabilities);
    }

    pub(super) fn startup_deadline(&self) -> Option<MonoTime> {
        match self.phase {
            Phase::Resetting { until } => Some(until),
            Phase::Closed | Phase::Starting | Phase::Ready => None,
        }
    }

    pub(super) fn expire_startup(&mut self) {
        if let Phase::Resetting { until } = self.phase
            && until <= self.now
        {
            self.start_dongle();
        }
    }

    /// The dongle says that it has just started.
    pub(super) fn dongle_restarted(&mut self) {
        match self.phase {
            Phase::Resetting { .. } => self.start_dongle(),
            Phase::Ready => {
                tracing::info!("the dongle restarted by itself");
                self.dongle.restarted();
                self.break_off_memory();
                self.land_jobs();
                self.control.clear();
                self.start_dongle();
            }
            Phase::Closed | Phase::Starting => {}
        }
    }

    /// A command of the start-up ended.
    pub(super) fn startup_ended(&mut self, command: &Command, end: &End) {
        let answer = match end {
            End::Response(payload) => payload.as_slice(),
            End::Taken => &[],
            End::Undelivered | End::Silent if *command == Command::SoftReset => &[],
            End::Undelivered | End::Silent | End::Refused | End::Status(_) => {
                self.trouble(
                    "the port is open but what is there does not answer like a Z-Wave dongle; check that the \
                     configuration names the right port and that no other program uses it",
                );
                return;
            }
        };
        if let Err(error) = self.take_startup_answer(command, answer) {
            tracing::warn!(?command, %error, "the dongle's answer makes no sense");
            self.trouble("the dongle's answers make no sense; check that the port is a Z-Wave dongle's");
            return;
        }
        if self.phase == Phase::Starting && self.control.is_empty() {
            self.started();
        }
    }

    fn take_startup_answer(
        &mut self,
        command: &Command,
        answer: &[u8],
    ) -> Result<(), crate::wire::reader::TooShort> {
        match command {
            Command::SerialApiCapabilities => {
                self.capabilities = parse_capabilities(answer)?;
                let wide = self.capabilities.has(function::SERIAL_API_SETUP)
                    && self.capabilities.has(function::LONG_RANGE_NODES);
                if wide {
                    self.command(Command::UseWideNodeIds);
                }
                self.command(Command::ControllerId);
                self.command(Command::InitData);
                if wide {
                    self.command(Command::LongRangeNodes);
                }
                self.command(Command::SucNodeId);
                if self.capabilities.has(function::START_WATCHDOG) {
                    self.command(Command::StartWatchdog);
                }
            }
            Command::UseWideNodeIds if answer.get(1) == Some(&1) => {
                self.dongle.set_width(NodeIdWidth::Bits16);
            }
            Command::ControllerId => {
                let (home_id, node) = parse_controller_id(answer, self.dongle.width())?;
                self.identity = Some(Identity { home_id, node });
                self.cipher.set_home(home_id, node);
            }
            Command::InitData => {
                let known = parse_init_data(answer)?;
                self.reconcile_nodes(&known, |node| node.0 < 256);
            }
            Command::LongRangeNodes => {
                let known = parse_long_range_nodes(answer)?;
                self.reconcile_nodes(&known, |node| node.0 >= 256);
            }
            Command::SucNodeId => {
                if let (Some(0), Some(identity)) = (answer.first(), self.identity)
                    && self.capabilities.has(function::SET_SUC_NODE_ID)
                {
                    self.command(Command::BecomeSuc(identity.node));
                }
            }
            // The rest is not asked for its answer.
            Command::UseWideNodeIds
            | Command::ControllerVersion
            | Command::ControllerCapabilities
            | Command::SoftReset
            | Command::StartWatchdog
            | Command::BecomeSuc(_)
            | Command::NodeProtocolInfo(_)
            | Command::RequestNodeInfo(_)
            | Command::SendData { .. }
            | Command::SendDataAbort
            | Command::AssignSucReturnRoute(_)
            | Command::AddNode(_)
            | Command::RemoveNode(_)
            | Command::RemoveFailedNode(_)
            | Command::Memory(_) => {}
        }
        Ok(())
    }

    fn reconcile_nodes(&mut self, known: &[NodeId], of_this_kind: impl Fn(NodeId) -> bool) {
        let own = self.identity.map(|identity| identity.node);
        let gone: Vec<NodeId> = self
            .nodes
            .keys()
            .copied()
            .filter(|node| of_this_kind(*node) && !known.contains(node))
            .collect();
        for node in gone {
            self.forget_node(node, RemovalCause::Unknown);
        }
        for &node in known.iter().filter(|node| Some(**node) != own) {
            if self.nodes.contains_key(&node) {
                continue;
            }
            let mut unknown = Node::new(node);
            if let Some(class) = self.remembered_security(node) {
                tracing::info!(
                    node = node.0,
                    ?class,
                    "a known lock is not in the cache; it is asked again"
                );
                unknown.granted = Some(ClassSet::of(&[class]));
            }
            self.nodes.insert(node, unknown);
        }
    }

    fn started(&mut self) {
        self.phase = Phase::Ready;
        self.troubles = 0;
        self.memory_started();
        tracing::info!(nodes = self.nodes.len(), "the dongle works");
        self.report(Report::Radio(RadioState::Ready));
        for presence in self.presence.values_mut() {
            presence.announced = None;
        }
        for node in self.nodes.keys() {
            let presence = self.presence.entry(*node).or_default();
            presence.quiet_since.get_or_insert(self.now);
        }
        self.interviews = self.nodes.keys().copied().collect();
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.announce(node, false);
        }
        self.listen_for_smart_start();
        self.tell_expected();
    }

    /// The dongle does not do its work: start again from the port.
    pub(super) fn trouble(&mut self, reason: &str) {
        if self.phase == Phase::Closed {
            return;
        }
        tracing::warn!(reason, "the port is opened again");
        self.phase = Phase::Closed;
        self.troubles = self.troubles.saturating_add(1);
        self.control.clear();
        self.dongle = Dongle::default();
        self.land_jobs();
        self.break_off_codes();
        self.break_off_logs();
        self.break_off_memory();
        self.forget_links();
        self.joining_failed(
            "controller_failed",
            "the dongle stopped working; try again when it is back",
        );
        self.report(Report::Radio(RadioState::Failing {
            reason: reason.to_owned(),
        }));
        self.outputs.push_back(Output::Reopen);
    }

    fn forget_links(&mut self) {
        for presence in self.presence.values_mut() {
            presence.link = LinkState::Unknown;
            presence.awake_until = None;
            presence.quiet_since = None;
        }
    }

    pub(super) fn dongle_said(&mut self, said: serial::Unsolicited) {
        use serial::Unsolicited as Said;
        match said {
            Said::Frame {
                node,
                multicast,
                payload,
            } => self.frame_received(node, multicast, &payload),
            Said::Network {
                function,
                status,
                node,
                node_info,
            } => {
                self.network_changed(function, status, node, &node_info);
            }
            Said::NodeInfo { node, info } => self.node_info_received(node, &info),
            Said::NodeInfoFailed => self.node_info_failed(),
            Said::SmartStart { nwi_home_id } => self.smart_start_announced(nwi_home_id),
            Said::Started => self.dongle_restarted(),
            // Callbacks end commands and come out of the dongle's machine as such.
            Said::Callback { .. } | Said::Other { .. } => {}
        }
    }
}
