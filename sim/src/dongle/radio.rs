//! The stick's radio: frames to nodes and from them, one transmission at a time.
//!
//! Spec: INS12350, `ZW_SendData` (0x13), `ZW_SendData_Bridge` (0xA9), `ApplicationCommandHandler` (0x04) and its
//! bridge form (0xA8).

use hubd_model::{Millis, MonoTime};

use super::{DeviceKey, Dongle, Due, Transmit};
use crate::air::{AWAKE_AFTER_CONTACT, Flight, Listening, STATUS_FAIL, STATUS_OK};

impl Dongle {
    /// A node's frame reached the stick.
    pub(super) fn heard(&mut self, now: MonoTime, from: DeviceKey, node: u16, frame: &[u8]) {
        if let Some(member) = self.members.get_mut(from.0) {
            member.contact = Some(now);
        }
        if !self.nodes.contains_key(&node) {
            return;
        }
        let length = u8::try_from(frame.len()).unwrap_or(u8::MAX);
        let signal = self.signal();
        let mut data = vec![0];
        if self.config.bridge {
            self.put_node(&mut data, self.config.own_node);
        }
        self.put_node(&mut data, node);
        data.push(length);
        data.extend_from_slice(frame);
        if self.config.bridge {
            data.push(0); // no multicast mask
        }
        data.push(signal);
        self.tell_host(now, if self.config.bridge { 0xa8 } else { 0x04 }, &data);
    }

    /// A signal strength as a byte, in dBm.
    fn signal(&mut self) -> u8 {
        let strength = i8::try_from(self.chance.between(55, 75)).unwrap_or(60);
        let [byte] = (-strength).to_be_bytes();
        byte
    }

    pub(super) fn put_node(&self, data: &mut Vec<u8>, node: u16) {
        let [high, low] = node.to_be_bytes();
        if self.wide_ids {
            data.push(high);
        }
        data.push(low);
    }

    /// Reads a node id in the width that the host chose, and the rest.
    pub(super) fn take_node<'a>(&self, data: &'a [u8]) -> Option<(u16, &'a [u8])> {
        if self.wide_ids {
            let (bytes, rest) = data.split_first_chunk::<2>()?;
            return Some((u16::from_be_bytes(*bytes), rest));
        }
        let (low, rest) = data.split_first()?;
        Some((u16::from(*low), rest))
    }

    pub(super) fn send_data(&mut self, now: MonoTime, data: &[u8]) {
        let parsed = self.take_node(data).and_then(|(node, rest)| {
            let (length, rest) = rest.split_first()?;
            let (payload, rest) = rest.split_at_checked(usize::from(*length))?;
            let [options, callback] = *rest else { return None };
            Some((node, payload.to_vec(), options, callback))
        });
        self.transmit(now, 0x13, parsed);
    }

    pub(super) fn send_data_bridge(&mut self, now: MonoTime, data: &[u8]) {
        let parsed = self.take_node(data).and_then(|(_, rest)| {
            let (node, rest) = self.take_node(rest)?;
            let (length, rest) = rest.split_first()?;
            let (payload, rest) = rest.split_at_checked(usize::from(*length))?;
            let [options, _, _, _, _, callback] = *rest else {
                return None;
            };
            Some((node, payload.to_vec(), options, callback))
        });
        self.transmit(now, 0xa9, parsed);
    }

    fn transmit(&mut self, now: MonoTime, function: u8, parsed: Option<(u16, Vec<u8>, u8, u8)>) {
        let Some((node, frame, options, callback)) = parsed.filter(|_| self.transmit.is_none()) else {
            self.respond(now, function, vec![0]);
            return;
        };
        self.respond(now, function, vec![1]);
        let started = now + Millis(3);
        let flight = self.fly(started, node, options & 0x20 != 0);
        if let (Some(arrives), Some(to)) = (flight.arrives, self.key_of(node)) {
            self.agenda.add(arrives, Due::Deliver { to, frame });
        }
        self.transmits += 1;
        let number = self.transmits;
        self.agenda.add(flight.ends, Due::TransmitEnds { number });
        self.transmit = Some(Transmit {
            number,
            function,
            callback,
            flight,
            node,
            started,
        });
    }

    pub(super) fn key_of(&self, node: u16) -> Option<DeviceKey> {
        self.nodes.get(&node)?.device
    }

    pub(super) fn fly(&mut self, now: MonoTime, node: u16, explore: bool) -> Flight {
        let listening = self
            .nodes
            .get(&node)
            .map_or(Listening::Always, |entry| entry.listening);
        let member = self.key_of(node).and_then(|key| self.members.get(key.0));
        let reachable = member.is_some_and(|member| member.powered && member.reachable);
        let awake = member.is_some_and(|member| match listening {
            Listening::Always => true,
            Listening::Beam1000 => member
                .contact
                .is_some_and(|contact| now < contact + AWAKE_AFTER_CONTACT),
            Listening::Asleep => member.device.is_awake(now),
        });
        self.air
            .fly(now, listening, reachable, awake, explore, &mut self.chance)
    }

    pub(super) fn transmit_ends(&mut self, now: MonoTime, number: u64) {
        let Some(transmit) = self.transmit.take_if(|transmit| transmit.number == number) else {
            return;
        };
        if let Some(entry) = self.nodes.get_mut(&transmit.node) {
            entry.failed = transmit.flight.status != STATUS_OK && entry.listening != Listening::Asleep;
        }
        self.end_transmit(now, &transmit, transmit.flight.status);
    }

    pub(super) fn abort(&mut self, now: MonoTime) {
        if let Some(transmit) = self.transmit.take() {
            self.end_transmit(now + Millis(5), &transmit, STATUS_FAIL);
        }
    }

    fn end_transmit(&mut self, at: MonoTime, transmit: &Transmit, status: u8) {
        let mut rest = vec![status];
        if self.transmit_reports {
            rest.extend(self.transmit_report(at, transmit, status));
        }
        self.call_back(at, transmit.function, transmit.callback, &rest);
    }

    /// Spec: INS12350, `TX_STATUS_TYPE`.
    fn transmit_report(&mut self, at: MonoTime, transmit: &Transmit, status: u8) -> Vec<u8> {
        let ticks = u16::try_from(at.since(transmit.started).0 / 10).unwrap_or(u16::MAX);
        let mut report = ticks.to_be_bytes().to_vec();
        report.push(0); // no repeaters
        report.push(if status == STATUS_OK { self.signal() } else { 0x7f });
        report.extend_from_slice(&[0x7f; 4]); // repeaters' signal: not available
        report.extend_from_slice(&[0, 0, 3]); // channels, route scheme "direct"
        report.extend_from_slice(&[0; 4]);
        report.push(if transmit.flight.beam { 0x43 } else { 0x03 });
        report.extend_from_slice(&[1, 0, 0]);
        report
    }
}
