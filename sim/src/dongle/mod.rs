//! A Z-Wave stick at the level of its bytes, with the devices around it, as one pure machine on virtual time.
//!
//! Feed it the host's bytes with [`Dongle::handle_bytes`], drain [`Dongle::poll`] and come back at
//! [`Dongle::next_deadline`]. The same seed and the same inputs at the same times give the same bytes.
//!
//! Spec: INS12350 (Serial API). The encoders here are written apart from the host's.

mod answers;
mod config;
mod join;
mod nvm;
mod port;
mod radio;

use std::collections::{BTreeMap, VecDeque};

use hubd_model::{Millis, MonoTime};
use hubd_zwave::security::NetworkKeys;

pub use config::DongleConfig;
pub use port::HostConduct;

use crate::agenda::Agenda;
use crate::air::{Air, Flight, Listening};
use crate::chance::Chance;
use crate::device::{Act, Device, Place, Truth};
use join::{Joining, SmartStart};
use nvm::Nvm;
use port::{HostRequest, Port};

/// Names a simulated device, in the network or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(usize);

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answer so many of the host's frames with NAK.
    Nak(u32),
    /// Answer so many of the host's frames with CAN.
    Can(u32),
    /// Lose so many of the host's frames.
    Swallow(u32),
    /// Take so many of the host's frames without acknowledging them.
    LoseAck(u32),
    /// Send noise before so many of the dongle's frames.
    Garbage(u32),
    /// Break the checksum of so many of the dongle's frames.
    Corrupt(u32),
    /// Something occupies the channel, or no longer does.
    Jam(bool),
    /// So many of a thousand transmissions are lost from now on.
    Loss(u32),
    /// The stick no longer does anything until it loses its power, or it does again.
    Hang(bool),
}

/// What is due inside the stick or on the air.
#[derive(Debug)]
enum Due {
    Respond {
        function: u8,
        data: Vec<u8>,
    },
    ToHost {
        function: u8,
        data: Vec<u8>,
    },
    Deliver {
        to: DeviceKey,
        frame: Vec<u8>,
    },
    Heard {
        from: DeviceKey,
        node: u16,
        frame: Vec<u8>,
    },
    TransmitEnds {
        number: u64,
    },
    Boots {
        reason: u8,
    },
    Join(join::Step),
    Announce {
        who: DeviceKey,
        count: u32,
    },
}

#[derive(Debug)]
struct Transmit {
    number: u64,
    function: u8,
    callback: u8,
    flight: Flight,
    node: u16,
    started: MonoTime,
}

/// A device with what its radio is doing.
#[derive(Debug)]
struct Member {
    device: Device,
    node: Option<u16>,
    powered: bool,
    reachable: bool,
    /// Since when the dongle last had contact with it; a beam is not needed shortly after.
    contact: Option<MonoTime>,
    /// Its radio sends one frame after another.
    sending_until: MonoTime,
    smart_start: bool,
}

/// The network's table: what the stick keeps of a node.
#[derive(Debug)]
struct Entry {
    device: Option<DeviceKey>,
    listening: Listening,
    protocol_info: [u8; 6],
    failed: bool,
}

/// The simulated stick.
#[derive(Debug)]
pub struct Dongle {
    config: DongleConfig,
    chance: Chance,
    air: Air,
    port: Port,
    agenda: Agenda<Due>,
    members: Vec<Member>,
    nodes: BTreeMap<u16, Entry>,
    joining: Joining,
    smart_start: SmartStart,
    nvm: Nvm,
    wide_ids: bool,
    transmit_reports: bool,
    region: u8,
    /// Whether a response is under way to the host.
    answering: bool,
    transmit: Option<Transmit>,
    transmits: u64,
    running: bool,
    hung: bool,
    connected: bool,
    last_node: u16,
    truths: VecDeque<(MonoTime, DeviceKey, Truth)>,
}

/// How many facts wait to be read before the oldest are dropped.
const TRUTHS_MAX: usize = 4096;
/// How long the stick takes to start.
const BOOT: Millis = Millis(350);
/// Why the stick started: power.
const WOKE_POWER_UP: u8 = 5;
/// Why the stick started: the host asked for it.
const WOKE_SOFT_RESET: u8 = 7;

impl Dongle {
    /// A stick that has been running for a while, with an empty network.
    pub fn new(config: DongleConfig, seed: u64) -> Self {
        Self {
            nvm: Nvm::new(config.nvm_size),
            last_node: config.own_node,
            config,
            chance: Chance::new(seed),
            air: Air::default(),
            port: Port::default(),
            agenda: Agenda::default(),
            members: Vec::new(),
            nodes: BTreeMap::new(),
            joining: Joining::default(),
            smart_start: SmartStart::default(),
            wide_ids: false,
            transmit_reports: false,
            region: 0,
            answering: false,
            transmit: None,
            transmits: 0,
            running: true,
            hung: false,
            connected: true,
            truths: VecDeque::new(),
        }
    }

    /// What its memory holds.
    pub fn memory(&self) -> &[u8] {
        self.nvm.bytes()
    }

    /// Adds a device that is not in the network.
    pub fn add_device(&mut self, device: Device) -> DeviceKey {
        let key = DeviceKey(self.members.len());
        self.members.push(Member {
            device,
            node: None,
            powered: true,
            reachable: true,
            contact: None,
            sending_until: MonoTime::default(),
            smart_start: false,
        });
        key
    }

    /// Adds a device that was included before the simulation began: it has the keys that it asks for, its lifeline
    /// and its wake-up lead to the hub. `None` when the network is full.
    pub fn add_member(&mut self, now: MonoTime, device: Device, keys: &NetworkKeys) -> Option<DeviceKey> {
        let key = self.add_device(device);
        let node = self.enter(key)?;
        let (home_id, own) = (self.config.home_id, self.config.own_node);
        let member = self.members.get_mut(key.0)?;
        member.device.was_joined(
            now,
            Place {
                home_id,
                node,
                controller: own,
            },
            keys,
        );
        Some(key)
    }

    /// Gives a device a node id and a row in the table.
    fn enter(&mut self, key: DeviceKey) -> Option<u16> {
        let candidates = (self.last_node + 1..=232).chain(2..=232);
        let node = candidates
            .into_iter()
            .find(|node| !self.nodes.contains_key(node))?;
        let member = self.members.get_mut(key.0)?;
        member.node = Some(node);
        self.last_node = node;
        let info = member.device.info();
        let entry = Entry {
            device: Some(key),
            listening: info.listening,
            protocol_info: info.protocol_info(),
            failed: false,
        };
        self.nodes.insert(node, entry);
        Some(node)
    }

    /// A device.
    pub fn device(&self, key: DeviceKey) -> Option<&Device> {
        self.members.get(key.0).map(|member| &member.device)
    }

    /// Every device's key.
    pub fn devices(&self) -> impl Iterator<Item = DeviceKey> {
        (0..self.members.len()).map(DeviceKey)
    }

    /// The nodes in the stick's table.
    pub fn nodes(&self) -> impl Iterator<Item = u16> {
        self.nodes.keys().copied()
    }

    /// A device's node id, while it is in the network.
    pub fn node_of(&self, key: DeviceKey) -> Option<u16> {
        self.members.get(key.0)?.node
    }

    /// The home id of the network.
    pub fn home_id(&self) -> u32 {
        self.config.home_id
    }

    /// Whether the stick waits for a device to add.
    pub fn waits_for_device(&self) -> bool {
        matches!(self.joining, Joining::Adding { taken: false, .. })
    }

    /// How the host behaved on the line.
    pub fn host_conduct(&self) -> HostConduct {
        self.port.conduct
    }

    /// How many frames the host never took.
    pub fn frames_lost(&self) -> u32 {
        self.port.lost
    }

    /// The next of the dongle's frames that the host acknowledged, whole, in order. The oldest are dropped when
    /// nobody asks.
    pub fn poll_taken(&mut self) -> Option<Vec<u8>> {
        self.port.taken.pop_front()
    }

    /// What really happened, when, to whom.
    pub fn poll_truth(&mut self) -> Option<(MonoTime, DeviceKey, Truth)> {
        self.truths.pop_front()
    }

    /// Takes bytes from the host.
    pub fn handle_bytes(&mut self, now: MonoTime, bytes: &[u8]) {
        self.tick(now);
        if !self.running || self.hung || !self.connected {
            return;
        }
        self.port.receive(now, bytes);
        while let Some(request) = self.port.next_request(now, self.answering, &mut self.chance) {
            self.request(now, &request);
        }
    }

    /// The next bytes for the host.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.port.poll()
    }

    /// When to come back with [`Dongle::tick`].
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let devices = self.members.iter().filter(|member| member.powered);
        let devices = devices.filter_map(|member| member.device.next_deadline());
        let port = if self.running && !self.hung {
            self.port.next_deadline()
        } else {
            None
        };
        devices.chain(self.agenda.next()).chain(port).min()
    }

    /// Does everything that is due by `now`, each thing at its own time.
    pub fn tick(&mut self, now: MonoTime) {
        while let Some(at) = self.next_deadline().filter(|at| *at <= now) {
            if let Some((at, due)) = self.agenda.take_due(at) {
                self.due(at, due);
                continue;
            }
            if self.running && !self.hung {
                self.port.tick(at, &mut self.chance);
            }
            for index in 0..self.members.len() {
                let key = DeviceKey(index);
                if let Some(member) = self.members.get_mut(index)
                    && member.powered
                    && member.device.next_deadline().is_some_and(|due| due <= at)
                {
                    member.device.tick(at);
                    self.collect(at, key);
                }
            }
        }
    }

    /// Something happens to a device.
    pub fn act(&mut self, now: MonoTime, key: DeviceKey, act: &Act) {
        self.tick(now);
        let Some(member) = self.members.get_mut(key.0) else {
            return;
        };
        match act {
            Act::LearnButton => self.learn_button(now, key),
            Act::SmartStart(on) => {
                member.smart_start = *on;
                if *on {
                    let at = now + self.chance.millis(200, 1000);
                    self.agenda.add(at, Due::Announce { who: key, count: 0 });
                }
            }
            Act::Unreachable(away) => member.reachable = !away,
            Act::PowerCut => {
                member.powered = false;
                member.device.act(now, act);
            }
            Act::PowerBack => {
                if !member.powered {
                    member.powered = true;
                    member.device.act(now, act);
                }
            }
            Act::FactoryReset => {
                member.device.act(now, act);
                self.collect(now, key);
                self.forget_membership(key);
            }
            Act::TypeCode(_)
            | Act::PressLock
            | Act::Turn { .. }
            | Act::Door { .. }
            | Act::Block(_)
            | Act::Hazard { .. }
            | Act::TestButton(_)
            | Act::Silence(_)
            | Act::EndOfLife(_)
            | Act::Maintenance(_)
            | Act::Battery(_)
            | Act::Tamper(_)
            | Act::ChangeCode { .. }
            | Act::ClearAllCodes
            | Act::ForgetCodes
            | Act::ShowTag(_)
            | Act::Wake
            | Act::LoseSpan => {
                if member.powered {
                    member.device.act(now, act);
                }
            }
        }
        self.collect(now, key);
    }

    /// The device no longer belongs to the network; the stick's table does not know it.
    fn forget_membership(&mut self, key: DeviceKey) {
        if let Some(member) = self.members.get_mut(key.0) {
            member.node = None;
            member.device.leave();
        }
        for entry in self.nodes.values_mut().filter(|entry| entry.device == Some(key)) {
            entry.device = None;
        }
    }

    /// A fault begins or ends.
    pub fn fault(&mut self, now: MonoTime, fault: Fault) {
        self.tick(now);
        match fault {
            Fault::Nak(count) => self.port.faults.nak = count,
            Fault::Can(count) => self.port.faults.can = count,
            Fault::Swallow(count) => self.port.faults.swallow = count,
            Fault::LoseAck(count) => self.port.faults.lose_ack = count,
            Fault::Garbage(count) => self.port.faults.garbage = count,
            Fault::Corrupt(count) => self.port.faults.corrupt = count,
            Fault::Jam(jammed) => self.air.jammed = jammed,
            Fault::Loss(permille) => self.air.loss_permille = permille.min(1000),
            Fault::Hang(hung) => self.hung = hung,
        }
    }

    /// The stick is pulled out (`false`) or put in (`true`): it loses what it did, never its network.
    pub fn power(&mut self, now: MonoTime, on: bool) {
        self.tick(now);
        self.stop();
        self.hung = false;
        self.running = false;
        if on {
            self.agenda.add(
                now + BOOT,
                Due::Boots {
                    reason: WOKE_POWER_UP,
                },
            );
        }
    }

    /// The host opened the line (`true`) or let it go: what waits for a host that is away is lost.
    pub fn host_connected(&mut self, now: MonoTime, connected: bool) {
        self.tick(now);
        self.port.cut();
        self.answering = false;
        self.connected = connected;
    }

    fn stop(&mut self) {
        self.port.cut();
        self.answering = false;
        self.transmit = None;
        self.joining = Joining::default();
        self.smart_start.listening = false;
        self.wide_ids = false;
        self.transmit_reports = false;
        // Frames between devices and a stick without power are lost; the devices' own plans are not.
        self.agenda
            .retain(|due| matches!(due, Due::Announce { .. } | Due::Deliver { .. }));
    }

    fn request(&mut self, now: MonoTime, request: &HostRequest) {
        let data = request.data.as_slice();
        match request.function {
            0x13 => self.send_data(now, data),
            0xa9 => self.send_data_bridge(now, data),
            0x16 => self.abort(now),
            0x08 => {
                self.stop();
                self.running = false;
                self.agenda.add(
                    now + BOOT,
                    Due::Boots {
                        reason: WOKE_SOFT_RESET,
                    },
                );
            }
            function => self.answer(now, function, data),
        }
    }

    /// Responds a little later, as a stick does.
    fn respond(&mut self, now: MonoTime, function: u8, data: Vec<u8>) {
        self.answering = true;
        let at = now + self.chance.millis(1, 3);
        self.agenda.add(at, Due::Respond { function, data });
    }

    /// Calls back after a while; callback 0 means that the host wants none.
    fn call_back(&mut self, at: MonoTime, function: u8, callback: u8, rest: &[u8]) {
        if callback != 0 {
            let mut data = vec![callback];
            data.extend_from_slice(rest);
            self.agenda.add(at, Due::ToHost { function, data });
        }
    }

    fn tell_host(&mut self, now: MonoTime, function: u8, data: &[u8]) {
        if self.running && !self.hung && self.connected {
            self.port.request(now, function, data, &mut self.chance);
        } else {
            self.port.lost = self.port.lost.saturating_add(1);
        }
    }

    fn due(&mut self, at: MonoTime, due: Due) {
        match due {
            Due::Respond { function, data } => {
                self.answering = false;
                if self.running && !self.hung && self.connected {
                    self.port.respond(at, function, &data, &mut self.chance);
                }
            }
            Due::ToHost { function, data } => self.tell_host(at, function, &data),
            Due::Deliver { to, frame } => {
                if let Some(member) = self.members.get_mut(to.0)
                    && member.powered
                {
                    member.contact = Some(at);
                    member.device.hear(at, &frame);
                    self.collect(at, to);
                }
            }
            Due::Heard { from, node, frame } => self.heard(at, from, node, &frame),
            Due::TransmitEnds { number } => self.transmit_ends(at, number),
            Due::Boots { reason } => {
                self.running = true;
                let started = self.started(reason);
                self.tell_host(at, 0x0a, &started);
            }
            Due::Join(step) => self.join_step(at, step),
            Due::Announce { who, count } => self.announce(at, who, count),
        }
    }

    /// Takes what a device wants to send and what happened to it.
    fn collect(&mut self, now: MonoTime, key: DeviceKey) {
        let Some(member) = self.members.get_mut(key.0) else {
            return;
        };
        while let Some(frame) = member.device.poll() {
            let Some(node) = member.node else { continue };
            if !member.powered {
                continue;
            }
            let starts = member.sending_until.max(now) + self.chance.millis(2, 6);
            match self.air.hear(starts, &mut self.chance) {
                Some(arrives) if member.reachable => {
                    member.sending_until = arrives;
                    self.agenda.add(
                        arrives,
                        Due::Heard {
                            from: key,
                            node,
                            frame,
                        },
                    );
                }
                _ => member.sending_until = starts,
            }
        }
        while let Some(truth) = member.device.poll_truth() {
            if self.truths.len() >= TRUTHS_MAX {
                self.truths.pop_front();
            }
            self.truths.push_back((now, key, truth));
        }
    }
}
