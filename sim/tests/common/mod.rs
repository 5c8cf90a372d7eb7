//! A host of a few lines for tests of the dongle: it frames, acknowledges and waits, and knows nothing more.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use hubd_model::{Key128, Millis, MonoTime};
use hubd_sim::dongle::Dongle;
use hubd_zwave::security::NetworkKeys;

pub fn frame(function: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x01, u8::try_from(data.len() + 3).unwrap(), 0x00, function];
    bytes.extend_from_slice(data);
    bytes.push(bytes[1..].iter().fold(0xff, |sum, byte| sum ^ byte));
    bytes
}

pub struct Host {
    pub dongle: Dongle,
    pub now: MonoTime,
    /// Everything that the dongle sent, chunk by chunk, with its time in milliseconds.
    pub seen: Vec<(u64, Vec<u8>)>,
    callback: u8,
}

impl Host {
    pub fn new(dongle: Dongle) -> Self {
        Self {
            dongle,
            now: MonoTime::default(),
            seen: Vec::new(),
            callback: 0,
        }
    }

    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while let Some(bytes) = self.dongle.poll() {
            self.seen.push((self.now.as_micros() / 1000, bytes.clone()));
            if bytes[0] == 0x01 && bytes[1..].iter().fold(0xff, |sum, byte| sum ^ byte) == 0 {
                self.dongle.handle_bytes(self.now, &[0x06]);
                frames.push(bytes);
            } else if bytes[0] == 0x01 {
                self.dongle.handle_bytes(self.now, &[0x15]);
            }
        }
        frames
    }

    /// Lets time pass; the data frames that came meanwhile, acknowledged.
    pub fn wait(&mut self, span: Millis) -> Vec<Vec<u8>> {
        let until = self.now + span;
        let mut frames = self.drain();
        while let Some(at) = self.dongle.next_deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.dongle.tick(self.now);
            frames.extend(self.drain());
        }
        self.now = until;
        self.dongle.tick(until);
        frames.extend(self.drain());
        frames
    }

    /// Sends raw bytes and waits a while.
    pub fn send(&mut self, bytes: &[u8], span: Millis) -> Vec<Vec<u8>> {
        self.dongle.handle_bytes(self.now, bytes);
        self.wait(span)
    }

    pub fn request(&mut self, function: u8, data: &[u8]) -> Vec<Vec<u8>> {
        self.send(&frame(function, data), Millis(100))
    }

    /// Sends a command to a node by plain SendData and waits; the transmit status and the commands heard.
    pub fn command(&mut self, node: u8, command: &[u8], span: Millis) -> (Option<u8>, Vec<Vec<u8>>) {
        self.callback = self.callback % 200 + 1;
        let mut data = vec![node, u8::try_from(command.len()).unwrap()];
        data.extend_from_slice(command);
        data.extend_from_slice(&[0x25, self.callback]);
        let frames = self.send(&frame(0x13, &data), span);
        let status = frames
            .iter()
            .find(|frame| frame[2] == 0 && frame[3] == 0x13 && frame[4] == self.callback)
            .map(|frame| frame[5]);
        (status, heard(&frames))
    }

    pub fn act(&mut self, key: hubd_sim::dongle::DeviceKey, act: &hubd_sim::device::Act) {
        self.dongle.act(self.now, key, act);
    }
}

/// The nodes' commands among frames of a bridge dongle with 8-bit node ids.
pub fn heard(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let commands = frames.iter().filter(|frame| frame[2] == 0 && frame[3] == 0xa8);
    commands
        .map(|frame| frame[8..8 + usize::from(frame[7])].to_vec())
        .collect()
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The keys of the recorded trace's network.
pub fn keys() -> NetworkKeys {
    NetworkKeys {
        s0: Key128::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        s2_unauthenticated: Key128::new([0x11; 16]),
        s2_authenticated: Key128::new([0x22; 16]),
        s2_access_control: Key128::new([0x33; 16]),
    }
}
