//! What the stick says of itself and of its table.
//!
//! Spec: INS12350, the functions named by their numbers.

use hubd_model::{Millis, MonoTime};

use super::config::set_bit;
use super::{Dongle, Due};
use crate::air::{STATUS_NO_ACK, STATUS_OK};

impl Dongle {
    pub(super) fn answer(&mut self, now: MonoTime, function: u8, data: &[u8]) {
        match function {
            0x02 => self.respond(now, function, self.init_data()),
            0x05 => self.respond(now, function, vec![0x1c]),
            0x06 => self.respond(now, function, vec![150, 15]),
            0x07 => self.respond(now, function, self.capabilities()),
            0x09 => {
                let mut version = vec![0];
                version.extend_from_slice(&self.config.protocol);
                version.extend_from_slice(&[0; 18]);
                self.respond(now, function, version);
            }
            0x0b => self.setup(now, data),
            0x15 => {
                let mut version = self.config.library.clone().into_bytes();
                version.extend_from_slice(&[0, self.config.library_type]);
                self.respond(now, function, version);
            }
            0x1c => {
                let count = data
                    .first()
                    .copied()
                    .filter(|count| (1..=32).contains(count))
                    .unwrap_or(32);
                let mut random = vec![1, count];
                random.extend((0..count).map(|_| self.chance.byte()));
                self.respond(now, function, random);
            }
            0x20 => {
                let mut id = self.config.home_id.to_be_bytes().to_vec();
                self.put_node(&mut id, self.config.own_node);
                self.respond(now, function, id);
            }
            0x2a => {
                let buffer = self.nvm.read_long(data);
                self.respond(now, function, buffer);
            }
            0x2b => {
                let done = self.nvm.write_long(data);
                self.respond(now, function, vec![u8::from(done)]);
            }
            0x29 => self.respond(now, function, self.nvm.id()),
            0x2e | 0x3d => {
                let nodes: Vec<u16> = self.nodes.keys().copied().collect();
                let answer = self
                    .nvm
                    .operate(function == 0x3d, data, self.config.home_id, &nodes);
                self.respond(now, function, answer);
            }
            0x3b => {
                let noise = self.air.noise(&mut self.chance).map(|dbm| {
                    let [byte] = dbm.to_be_bytes();
                    byte
                });
                self.respond(now, function, noise.to_vec());
            }
            0x41 => self.protocol_info(now, data),
            0x46 | 0x47 | 0x51 | 0x55 => self.return_route(now, function, data),
            0x48 => self.neighbours(now, data),
            0x4a => self.add_node(now, data),
            0x4b => self.remove_node(now, data),
            0x56 => {
                let mut id = Vec::new();
                self.put_node(&mut id, self.config.own_node);
                self.respond(now, function, id);
            }
            0x60 => self.request_node_info(now, data),
            0x61 => self.remove_failed(now, data),
            0x62 => {
                let node = self.take_node(data).map(|(node, _)| node);
                let failed = node
                    .and_then(|node| self.nodes.get(&node))
                    .is_some_and(|entry| entry.failed);
                self.respond(now, function, vec![u8::from(failed)]);
            }
            0x80 => {
                let mut mask = [0; 29];
                self.nodes.keys().for_each(|node| set_bit(&mut mask, *node));
                self.respond(now, function, mask.to_vec());
            }
            0x10 | 0x54 | 0xd9 => self.respond(now, function, vec![1]),
            // Node information (0x03) and watchdog (0xD2, 0xD3) have no response; and a stick acknowledges what it
            // does not know and says nothing more.
            _ => {}
        }
    }

    fn init_data(&self) -> Vec<u8> {
        let mut mask = [0; 29];
        set_bit(&mut mask, self.config.own_node);
        self.nodes.keys().for_each(|node| set_bit(&mut mask, *node));
        // 0x08: static update controller with node id server; not secondary.
        let mut data = vec![self.config.api_version, 0x08, 29];
        data.extend_from_slice(&mask);
        data.extend_from_slice(&self.config.chip);
        data
    }

    fn capabilities(&self) -> Vec<u8> {
        let mut data = self.config.application.to_vec();
        data.extend(self.config.product.iter().flat_map(|word| word.to_be_bytes()));
        data.extend_from_slice(&self.config.function_mask());
        data
    }

    /// What the stick says when it starts.
    pub(super) fn started(&self, reason: u8) -> Vec<u8> {
        let count = u8::try_from(self.config.classes.len()).unwrap_or(0);
        let mut data = vec![reason, 0, 1, 1, 0, count];
        data.extend_from_slice(&self.config.classes);
        data.push(0);
        data
    }

    fn setup(&mut self, now: MonoTime, data: &[u8]) {
        let answer = match *data {
            // Supported: itself, transmit reports, powerlevel (get), payload size, region (get, set), node id type.
            [0x01] => vec![0x01, 0x01 | 0x02 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80],
            [0x02, on] => {
                self.transmit_reports = on != 0;
                vec![0x02, 1]
            }
            [0x08] => vec![0x08, 0, 0],
            [0x10] => vec![0x10, 46],
            [0x20] => vec![0x20, self.region],
            [0x40, region] => {
                self.region = region;
                vec![0x40, 1]
            }
            [0x80, width @ 1..=2] => {
                // The answer still has the old width; it holds no node id.
                self.wide_ids = width == 2;
                vec![0x80, 1]
            }
            [command, ..] => vec![0x00, command],
            [] => vec![0x00, 0x00],
        };
        self.respond(now, 0x0b, answer);
    }

    fn protocol_info(&mut self, now: MonoTime, data: &[u8]) {
        let node = self.take_node(data).map(|(node, _)| node);
        let info = match node {
            Some(node) if node == self.config.own_node => [0xdb, 0x92, 0x01, 0x02, 0x01, 0x00],
            Some(node) => self.nodes.get(&node).map_or([0; 6], |entry| entry.protocol_info),
            None => [0; 6],
        };
        self.respond(now, 0x41, info.to_vec());
    }

    fn return_route(&mut self, now: MonoTime, function: u8, data: &[u8]) {
        let node = self.take_node(data).map(|(node, _)| node);
        let callback = data.last().copied().unwrap_or(0);
        let Some(node) = node.filter(|node| self.nodes.contains_key(node)) else {
            self.respond(now, function, vec![0]);
            return;
        };
        self.respond(now, function, vec![1]);
        let flight = self.fly(now + Millis(5), node, false);
        self.call_back(flight.ends, function, callback, &[flight.status]);
    }

    fn neighbours(&mut self, now: MonoTime, data: &[u8]) {
        let node = self.take_node(data).map(|(node, _)| node);
        let callback = data.last().copied().unwrap_or(0);
        let Some(node) = node else { return };
        self.call_back(now + Millis(10), 0x48, callback, &[0x21]);
        let flight = self.fly(now + Millis(10), node, false);
        let status = if flight.status == STATUS_OK { 0x22 } else { 0x23 };
        self.call_back(flight.ends + Millis(400), 0x48, callback, &[status]);
    }

    fn request_node_info(&mut self, now: MonoTime, data: &[u8]) {
        let node = self.take_node(data).map(|(node, _)| node);
        self.respond(now, 0x60, vec![1]);
        let Some(node) = node else { return };
        let flight = self.fly(now + Millis(5), node, false);
        let info = self.key_of(node).and_then(|key| {
            let member = self.members.get_mut(key.0)?;
            flight.arrives?;
            member.contact = Some(flight.ends);
            Some(member.device.info().frame())
        });
        let data = match info {
            Some(info) => self.node_information(0x84, node, &info),
            None => self.node_information(0x81, 0, &[]),
        };
        self.agenda.add(flight.ends, Due::ToHost { function: 0x49, data });
    }

    /// An application update with a node's information.
    pub(super) fn node_information(&self, update: u8, node: u16, info: &[u8]) -> Vec<u8> {
        let mut data = vec![update];
        self.put_node(&mut data, node);
        data.push(u8::try_from(info.len()).unwrap_or(0));
        data.extend_from_slice(info);
        data
    }

    fn remove_failed(&mut self, now: MonoTime, data: &[u8]) {
        let parsed = self
            .take_node(data)
            .and_then(|(node, rest)| Some((node, *rest.first()?)));
        let known = parsed.filter(|(node, _)| self.nodes.contains_key(node));
        let Some((node, callback)) = known else {
            self.respond(now, 0x61, vec![0x08]);
            return;
        };
        if callback == 0 {
            self.respond(now, 0x61, vec![0x04]);
            return;
        }
        self.respond(now, 0x61, vec![0x00]);
        // The stick asks the node once more before it forgets it.
        let flight = self.fly(now + Millis(5), node, false);
        let status = if flight.status == STATUS_NO_ACK {
            if let Some(key) = self.key_of(node)
                && let Some(member) = self.members.get_mut(key.0)
            {
                member.node = None;
                member.device.leave();
            }
            self.nodes.remove(&node);
            1
        } else {
            0
        };
        self.call_back(flight.ends, 0x61, callback, &[status]);
    }
}
