//! The Z-Wave host: one pure machine from the dongle's bytes to the household's words and back.
//!
//! ```text
//!   bytes ─▶ dongle ─▶ receiving ─▶ (security, supervision, encapsulations off) ─▶ reports
//!   orders ─▶ actuating, codes, holding, including ─▶ traffic ─▶ sending ─▶ (security on) ─▶ dongle ─▶ bytes
//!                                     ▲
//!               learning (interview) ─┘
//! ```
//!
//! It is fed [`Input`]s with the time and drained of [`Output`]s; `next_deadline` says when to come back. One file
//! per arrow; this one holds the state that they share.
//!
//! **Invariants**: a state is reported only when a device reported it; no frame of the interview reads or writes a
//! code on a lock, and no code is written without an order; a lock without security is never actuated.

mod actuating;
mod cache;
mod cipher;
mod codes;
mod holding;
mod including;
mod learning;
mod log;
mod memory;
mod receiving;
mod removing;
mod securing;
mod segmenting;
mod sending;
mod startup;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hubd_model::{
    CommandId, DeviceAddress, DeviceDescription, LinkState, Millis, MonoTime, Now, Order, Report,
    SecretBytes, Security, WallTime,
};

use crate::dongle::{self, Dongle};
use crate::interview::Question;
use crate::node::Node;
use crate::security::{NetworkKeys, SecurityClass};
use crate::transport_service::Reassembler;
use crate::wire::serial::{Capabilities, Command, NodeId};

use self::actuating::Actuation;
pub(crate) use self::cache::Provisioned;
use self::cipher::Cipher;
use self::codes::Codes;
use self::holding::Holding;
use self::including::Joining;
use self::log::Logs;
use self::memory::Memory;
use self::segmenting::Datagrams;
use self::sending::OnAir;
use self::startup::Phase;
use self::traffic::Traffic;

pub use self::cache::CacheError;
#[cfg(test)]
pub(crate) use self::cache::load as load_cache;
pub(crate) use self::cache::save as save_cache;
pub use self::cipher::HostRng;

/// How many reports and other outputs may wait to be drained; the shell drains after each input.
const COMMANDS_TO_DONGLE_MAX: usize = 1024;
/// How long facts may be learned before the cache is kept again.
const CACHE_PAUSE: Millis = Millis(2_000);

/// What happens to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The port was opened.
    Opened,
    /// The port cannot be used: it could not be opened, or it broke.
    Closed {
        /// One sentence: what is wrong and what to do.
        reason: String,
    },
    /// The dongle sent bytes.
    Bytes(Vec<u8>),
    /// The mind orders something.
    Order(Order),
    /// A deadline may have passed.
    Tick,
}

/// What the host wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the port.
    Write(Vec<u8>),
    /// Tell the mind.
    Report(Report),
    /// Remember this cache instead of the last one.
    KeepCache(Vec<u8>),
    /// Close the port, open it again and say so.
    Reopen,
}

/// Who we are in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    home_id: u32,
    node: NodeId,
}

/// What is known of a node only while the hub runs.
#[derive(Debug, Default)]
struct Presence {
    link: LinkState,
    /// When it may be tried again after it did not answer.
    retry_at: Option<MonoTime>,
    failures: u8,
    /// Until when a sleeping node listens.
    awake_until: Option<MonoTime>,
    announced: Option<DeviceDescription>,
    /// How often the question under way was asked.
    asked: u8,
    /// The question about the node that the dongle is answering.
    serial_question: Option<Question>,
    /// Until when the node may tell what it is.
    node_info_until: Option<MonoTime>,
    /// Whether it said that it is awake and was not told to sleep again.
    woke: bool,
    /// The last supervised command: its session and a digest of its bytes, so that a repetition is not acted on.
    last_supervised: Option<(u8, SecretBytes, MonoTime)>,
    /// When the bolt was reported last by the lock itself.
    bolt_at: Option<MonoTime>,
    battery_low_at: Option<MonoTime>,
    /// Since when nothing was heard of it while the dongle worked.
    quiet_since: Option<MonoTime>,
}

/// The host.
pub struct Host {
    phase: Phase,
    dongle: Dongle,
    capabilities: Capabilities,
    identity: Option<Identity>,
    control: VecDeque<Command>,
    on_air: Option<OnAir>,
    nodes: BTreeMap<NodeId, Node>,
    presence: BTreeMap<NodeId, Presence>,
    /// The nodes that still have to be asked something, or told that they may sleep.
    interviews: BTreeSet<NodeId>,
    /// The battery node whose interview goes on; its receiver stays on while it is spoken to, so others wait.
    focus: Option<NodeId>,
    /// Locks that somebody else remembers, for the case that the cache does not.
    remembered: Vec<(DeviceAddress, Security)>,
    provisioned: Vec<Provisioned>,
    traffic: Traffic,
    cipher: Cipher,
    reassembler: Reassembler,
    datagrams: Datagrams,
    actuations: BTreeMap<CommandId, Actuation>,
    codes: Codes,
    holdings: BTreeMap<NodeId, Holding>,
    logs: Logs,
    memory: Option<Memory>,
    joining: Joining,
    /// Devices that say that they were reset, while they are asked whether they are there.
    resets: BTreeSet<NodeId>,
    last_session: u8,
    troubles: u8,
    cache_due: Option<MonoTime>,
    utc_offset_minutes: i32,
    wall: WallTime,
    now: MonoTime,
    outputs: VecDeque<Output>,
}

impl Host {
    /// A host whose port is not open yet. An unreadable cache is logged and counts as
    /// none: everything is learned again.
    pub fn new(keys: NetworkKeys, cache: Option<&[u8]>, rng: Box<HostRng>) -> Self {
        let kept = cache.map_or_else(Default::default, |bytes| {
            cache::load(bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "the node cache is not used; the nodes are asked again");
                cache::Cache::default()
            })
        });
        Self {
            phase: Phase::Closed,
            dongle: Dongle::default(),
            capabilities: Capabilities::default(),
            identity: None,
            control: VecDeque::new(),
            on_air: None,
            nodes: kept
                .nodes
                .into_iter()
                .map(|node| (node.id, node.asked_anew_for_keys()))
                .collect(),
            presence: BTreeMap::new(),
            interviews: BTreeSet::new(),
            focus: None,
            remembered: Vec::new(),
            provisioned: kept.provisioned,
            traffic: Traffic::default(),
            cipher: Cipher::new(keys, rng),
            reassembler: Reassembler::default(),
            datagrams: Datagrams::default(),
            actuations: BTreeMap::new(),
            codes: Codes::default(),
            holdings: BTreeMap::new(),
            logs: Logs::new(),
            memory: None,
            joining: Joining::default(),
            resets: BTreeSet::new(),
            last_session: 0,
            troubles: 0,
            cache_due: None,
            utc_offset_minutes: 0,
            wall: WallTime::Unsynced(hubd_model::UnixMillis(0)),
            now: MonoTime::default(),
            outputs: VecDeque::new(),
        }
    }

    /// How far local time is ahead of UTC, for nodes that ask for the time.
    pub const fn set_utc_offset(&mut self, minutes: i32) {
        self.utc_offset_minutes = minutes;
    }

    /// Tells it of locks that were included before, and how they are secured. One that the cache does not know can be
    /// moved under that security at once, while its interview runs anew.
    pub fn remember_locks(&mut self, locks: Vec<(DeviceAddress, Security)>) {
        self.remembered = locks;
    }

    /// How a lock that somebody else remembers is secured.
    fn remembered_security(&self, node: NodeId) -> Option<SecurityClass> {
        let address = self.address(node)?;
        let (_, security) = self.remembered.iter().find(|(lock, _)| *lock == address)?;
        match security {
            Security::None => None,
            Security::S0 => Some(SecurityClass::S0),
            Security::S2Unauthenticated => Some(SecurityClass::S2Unauthenticated),
            Security::S2Authenticated => Some(SecurityClass::S2Authenticated),
            Security::S2AccessControl => Some(SecurityClass::S2AccessControl),
        }
    }

    /// One thing that happened. Drain `poll` completely afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now.mono;
        self.wall = now.wall;
        match input {
            Input::Opened => self.opened(),
            Input::Closed { reason } => self.closed(reason),
            Input::Bytes(bytes) => self.dongle.receive(now.mono, &bytes),
            Input::Order(order) => self.ordered(order),
            Input::Tick => self.dongle.tick(now.mono),
        }
        self.settle();
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(bytes) = self.dongle.poll_write() {
            return Some(Output::Write(bytes));
        }
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Tick`].
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let presence = self.presence.iter().filter_map(|(node, presence)| {
            // Only a node that still has to be learned is tried by itself.
            let wanted = presence.retry_at.filter(|_| self.interviews.contains(node));
            [wanted, presence.awake_until, presence.node_info_until]
                .into_iter()
                .flatten()
                // What is due and cannot be done yet (the dongle is away, another node is asked first) waits for
                // what it waits for, not for the clock.
                .filter(|due| *due > self.now)
                .min()
        });
        let actuations = self.actuations.values().filter_map(Actuation::next_deadline);
        [
            self.dongle.next_deadline(),
            self.traffic.next_deadline(self.now),
            self.joining.next_deadline(),
            self.startup_deadline(),
            self.cache_due,
            self.codes.next_deadline(),
            self.holding_deadline(),
            self.log_deadline(),
            self.memory_deadline(),
            presence.min(),
            actuations.min(),
            self.reassembler.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether the dongle works and every node is known as far as it answers.
    pub fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Ready) && self.interviews.is_empty()
    }

    fn ordered(&mut self, order: Order) {
        match order {
            Order::Actuate {
                command,
                device,
                op,
                urgency,
                expires,
            } => {
                self.actuate(command, &device, op, urgency, expires);
            }
            Order::Withdraw { command } => self.withdraw(&command),
            Order::Codes {
                task,
                device,
                what,
                urgency,
            } => self.codes_ordered(task, device, what, urgency),
            Order::HoldAutoRelock { device, hold } => self.hold_ordered(device, hold),
            Order::CopyDongle => self.copy_memory(),
            Order::RestoreDongle(image) => self.restore_memory(&image),
            Order::ReadLog {
                device,
                known,
                at_least,
                at_most,
            } => self.log_ordered(device, known, at_least, at_most),
            Order::Refresh { device } => self.refresh(&device),
            Order::Include(strategy) => self.include(strategy),
            Order::Answer(answer) => self.answer(answer),
            Order::Cancel => self.cancel(),
            Order::Exclude => self.exclude(),
            Order::RemoveFailed { device } => self.remove_failed(&device),
        }
    }

    /// Acts on everything that follows from the last input, until nothing more does.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.dongle.poll_event() {
                match event {
                    dongle::Event::Delivered => self.delivered_to_dongle(),
                    dongle::Event::Ended(command, end) => self.command_ended(command, end),
                    dongle::Event::Unsolicited(said) => self.dongle_said(said),
                }
            }
            self.expire();
            self.advance_joining();
            self.advance_actuations();
            self.advance_interviews();
            self.advance_holdings();
            self.advance_codes();
            self.advance_logs();
            if !self.pump() {
                break;
            }
        }
        self.keep_clocks();
        if self.cache_due.is_some_and(|due| due <= self.now) {
            self.keep_cache();
        }
    }

    fn report(&mut self, report: Report) {
        self.outputs.push_back(Output::Report(report));
    }

    fn address(&self, node: NodeId) -> Option<DeviceAddress> {
        let home_id = self.identity?.home_id;
        DeviceAddress::parse(&format!("{home_id:08x}/{}", node.0)).ok()
    }

    fn node_at(&self, address: &DeviceAddress) -> Option<NodeId> {
        let (home_id, node) = address.as_str().split_once('/')?;
        let ours = self.identity?.home_id == u32::from_str_radix(home_id, 16).ok()?;
        let node = NodeId(node.parse().ok()?);
        (ours && self.nodes.contains_key(&node)).then_some(node)
    }

    fn command(&mut self, command: Command) {
        if self.control.len() < COMMANDS_TO_DONGLE_MAX {
            self.control.push_back(command);
        } else {
            tracing::warn!(?command, "too many commands wait for the dongle; one was dropped");
        }
    }

    /// Tells the mind what a node is, when that is new.
    fn announce(&mut self, id: NodeId, fresh: bool) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (Some(description), Some(device)) = (node.description(), self.address(id)) else {
            return;
        };
        let presence = self.presence.entry(id).or_default();
        if presence.announced.as_ref() == Some(&description) {
            return;
        }
        presence.announced = Some(description.clone());
        self.report(Report::Device {
            device,
            description,
            fresh,
        });
    }

    /// The facts changed: keep them soon.
    fn learned(&mut self) {
        self.cache_due.get_or_insert(self.now + CACHE_PAUSE);
    }

    /// What was learnt and not handed out yet: for the end, when no deadline comes any more.
    pub fn take_unkept_cache(&mut self) -> Option<Vec<u8>> {
        self.cache_due.take()?;
        self.saved()
    }

    fn keep_cache(&mut self) {
        self.cache_due = None;
        let cache = self.saved();
        self.outputs.extend(cache.map(Output::KeepCache));
    }

    fn saved(&self) -> Option<Vec<u8>> {
        cache::save(self.nodes.values(), &self.provisioned)
            .inspect_err(|error| {
                tracing::error!(%error, "the node cache cannot be kept; the next start asks the nodes again");
            })
            .ok()
    }

    fn forget_node(&mut self, id: NodeId, cause: hubd_model::RemovalCause) {
        let address = self.address(id);
        self.nodes.remove(&id);
        self.presence.remove(&id);
        self.interviews.remove(&id);
        self.focus = self.focus.filter(|focus| *focus != id);
        self.cipher.forget(id);
        self.lose_actuations(id);
        self.forget_datagram(id);
        for job in self.traffic.ids(|job| job.node == id) {
            self.drop_job(job);
        }
        self.forget_codes(id, address.as_ref());
        self.holdings.remove(&id);
        self.logs.remove(&id);
        if let Some(device) = address {
            self.report(Report::Removed { device, cause });
        }
        self.keep_cache();
    }
}
