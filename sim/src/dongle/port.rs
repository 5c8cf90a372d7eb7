//! The dongle's end of the serial line: frames with their acknowledgements, judged as strictly as a stick does.
//!
//! Written apart from the host's framing, so that the two check each other. A host that breaks a rule is told so
//! with NAK or CAN and counted in [`HostConduct`].
//!
//! Spec: INS12350 section 5 (frame layout, transmission, retransmission).

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime};

use crate::chance::Chance;

const SOF: u8 = 0x01;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const CAN: u8 = 0x18;
const REQUEST: u8 = 0x00;
const RESPONSE: u8 = 0x01;

/// How long the dongle waits for an acknowledgement before it sends again.
const ACK_WAIT: Millis = Millis(1600);
/// How long it waits for the rest of a frame before it forgets its beginning.
const FRAME_WAIT: Millis = Millis(1500);
/// How often it sends a frame again before it gives up.
const RESENDS_MAX: u32 = 3;
/// How many frames may wait for the host; a stick has little memory.
const QUEUE_MAX: usize = 64;

/// How the host behaved on the line. All zero for a host that keeps the rules on a clean line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostConduct {
    /// Frames with a wrong checksum.
    pub bad_checksums: u32,
    /// Frames that stopped in the middle.
    pub unfinished: u32,
    /// Frames sent while the dongle waited for an acknowledgement.
    pub unacknowledged: u32,
    /// Requests sent before the previous one had its response.
    pub impatient: u32,
    /// Acknowledgements of nothing.
    pub stray_acks: u32,
    /// Bytes that belong to no frame.
    pub garbage: u32,
    /// Frames of a type that only a dongle sends.
    pub wrong_type: u32,
}

/// A request from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostRequest {
    pub(crate) function: u8,
    pub(crate) data: Vec<u8>,
}

/// Faults of the line that are still to come: each counts the frames that it will hit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LineFaults {
    /// Answer the host's frame with NAK.
    pub(crate) nak: u32,
    /// Answer the host's frame with CAN.
    pub(crate) can: u32,
    /// Lose the host's frame.
    pub(crate) swallow: u32,
    /// Take the host's frame but lose its acknowledgement.
    pub(crate) lose_ack: u32,
    /// Send noise before the dongle's frame.
    pub(crate) garbage: u32,
    /// Break the checksum of the dongle's frame.
    pub(crate) corrupt: u32,
}

/// Uses one of the faults up.
fn strikes(left: &mut u32) -> bool {
    let strikes = *left > 0;
    *left = left.saturating_sub(1);
    strikes
}

#[derive(Debug)]
struct Sent {
    frame: Vec<u8>,
    resends: u32,
    /// When to do something about it.
    until: MonoTime,
    /// Whether the host refused it, so that it is sent again at `until`.
    refused: bool,
}

/// The dongle's end of the line.
#[derive(Debug, Default)]
pub(crate) struct Port {
    received: Vec<u8>,
    begun: Option<MonoTime>,
    queue: VecDeque<Vec<u8>>,
    sent: Option<Sent>,
    out: VecDeque<Vec<u8>>,
    pub(crate) faults: LineFaults,
    pub(crate) conduct: HostConduct,
    /// Frames that the host never took.
    pub(crate) lost: u32,
    /// Frames that the host acknowledged.
    pub(crate) taken: VecDeque<Vec<u8>>,
}

impl Port {
    /// Takes bytes from the line. Call `next_request` until it has no more.
    pub(crate) fn receive(&mut self, now: MonoTime, bytes: &[u8]) {
        self.expire(now);
        self.received.extend_from_slice(bytes);
    }

    /// The next request among the bytes received. `busy`: the previous request has no response yet.
    pub(crate) fn next_request(
        &mut self,
        now: MonoTime,
        busy: bool,
        chance: &mut Chance,
    ) -> Option<HostRequest> {
        loop {
            let first = *self.received.first()?;
            match first {
                ACK => self.acknowledged(now, chance),
                NAK | CAN => self.refused(now),
                SOF => match self.take_frame(now) {
                    Taken::Partial => return None,
                    Taken::Broken => continue,
                    Taken::Frame(frame) => match self.judge(&frame, busy) {
                        Some(request) => return Some(request),
                        None => continue,
                    },
                },
                _ => self.conduct.garbage += 1,
            }
            self.received.remove(0);
        }
    }

    fn take_frame(&mut self, now: MonoTime) -> Taken {
        let begun = *self.begun.get_or_insert(now);
        let Some(&length) = self.received.get(1) else {
            return Taken::Partial;
        };
        if length < 3 {
            // No frame is that short: what looked like a start was noise.
            self.received.remove(0);
            self.begun = None;
            self.conduct.garbage += 1;
            return Taken::Broken;
        }
        let end = usize::from(length) + 2;
        if self.received.len() < end {
            self.begun = Some(begun);
            return Taken::Partial;
        }
        let frame: Vec<u8> = self.received.drain(..end).collect();
        self.begun = None;
        Taken::Frame(frame)
    }

    fn judge(&mut self, frame: &[u8], busy: bool) -> Option<HostRequest> {
        if strikes(&mut self.faults.swallow) {
            return None;
        }
        if strikes(&mut self.faults.nak) {
            self.out.push_back(vec![NAK]);
            return None;
        }
        if strikes(&mut self.faults.can) {
            self.out.push_back(vec![CAN]);
            return None;
        }
        let sum = frame.iter().skip(1).fold(0xff, |sum, byte| sum ^ byte);
        if sum != 0 {
            self.conduct.bad_checksums += 1;
            self.out.push_back(vec![NAK]);
            return None;
        }
        if self.sent.as_ref().is_some_and(|sent| !sent.refused) {
            self.conduct.unacknowledged += 1;
            self.out.push_back(vec![CAN]);
            return None;
        }
        if busy {
            self.conduct.impatient += 1;
            self.out.push_back(vec![CAN]);
            return None;
        }
        if !strikes(&mut self.faults.lose_ack) {
            self.out.push_back(vec![ACK]);
        }
        let (kind, function) = (frame.get(2).copied()?, frame.get(3).copied()?);
        if kind != REQUEST || frame.len() < 5 {
            self.conduct.wrong_type += 1;
            return None;
        }
        let data = frame.get(4..frame.len() - 1)?.to_vec();
        Some(HostRequest { function, data })
    }

    /// Queues a response.
    pub(crate) fn respond(&mut self, now: MonoTime, function: u8, data: &[u8], chance: &mut Chance) {
        // A response goes before callbacks that wait: the host is not allowed to do anything until it has it.
        self.queue.push_front(encode(RESPONSE, function, data));
        self.pump(now, chance);
    }

    /// Queues a callback or an unsolicited command.
    pub(crate) fn request(&mut self, now: MonoTime, function: u8, data: &[u8], chance: &mut Chance) {
        if self.queue.len() >= QUEUE_MAX {
            self.lost += 1;
            return;
        }
        self.queue.push_back(encode(REQUEST, function, data));
        self.pump(now, chance);
    }

    fn pump(&mut self, now: MonoTime, chance: &mut Chance) {
        if self.sent.is_none()
            && let Some(frame) = self.queue.pop_front()
        {
            self.emit(frame.clone(), chance);
            self.sent = Some(Sent {
                frame,
                resends: 0,
                until: now + ACK_WAIT,
                refused: false,
            });
        }
    }

    fn emit(&mut self, mut frame: Vec<u8>, chance: &mut Chance) {
        if strikes(&mut self.faults.garbage) {
            // Noise never holds a control byte, or it would be more than noise.
            self.out.push_back(vec![0xde, 0xad, chance.byte() | 0x80]);
        }
        if strikes(&mut self.faults.corrupt)
            && let Some(last) = frame.last_mut()
        {
            *last ^= 0x55;
        }
        self.out.push_back(frame);
    }

    fn acknowledged(&mut self, now: MonoTime, chance: &mut Chance) {
        match self.sent.take() {
            Some(sent) => {
                if self.taken.len() >= QUEUE_MAX {
                    self.taken.pop_front();
                }
                self.taken.push_back(sent.frame);
            }
            None => self.conduct.stray_acks += 1,
        }
        self.pump(now, chance);
    }

    fn refused(&mut self, now: MonoTime) {
        // NAK without anything sent is how a host clears the line: no offence.
        if let Some(sent) = &mut self.sent
            && !sent.refused
        {
            sent.refused = true;
            sent.until = now + Millis(100 + 1000 * u64::from(sent.resends));
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: MonoTime, chance: &mut Chance) {
        self.expire(now);
        let Some(sent) = &mut self.sent else { return };
        if now < sent.until {
            return;
        }
        if sent.resends >= RESENDS_MAX {
            self.lost += 1;
            self.sent = None;
            self.pump(now, chance);
            return;
        }
        sent.resends += 1;
        sent.refused = false;
        sent.until = now + ACK_WAIT;
        let frame = sent.frame.clone();
        self.emit(frame, chance);
    }

    fn expire(&mut self, now: MonoTime) {
        if self.begun.is_some_and(|begun| now >= begun + FRAME_WAIT) {
            self.conduct.unfinished += 1;
            self.received.clear();
            self.begun = None;
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        let frame = self.begun.map(|begun| begun + FRAME_WAIT);
        let sent = self.sent.as_ref().map(|sent| sent.until);
        frame.into_iter().chain(sent).min()
    }

    /// Bytes for the host.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// The line was cut or the dongle lost its power: everything under way is gone.
    pub(crate) fn cut(&mut self) {
        self.received.clear();
        self.begun = None;
        let unacknowledged = self.queue.len() + usize::from(self.sent.is_some());
        self.lost = self
            .lost
            .saturating_add(u32::try_from(unacknowledged).unwrap_or(u32::MAX));
        self.queue.clear();
        self.sent = None;
        self.out.clear();
    }
}

enum Taken {
    Partial,
    Broken,
    Frame(Vec<u8>),
}

/// A data frame's bytes. What is too long for the length byte is cut; no dongle message comes near it.
fn encode(kind: u8, function: u8, data: &[u8]) -> Vec<u8> {
    let data = data.get(..data.len().min(250)).unwrap_or(data);
    let length = u8::try_from(data.len() + 3).unwrap_or(u8::MAX);
    let mut frame = vec![SOF, length, kind, function];
    frame.extend_from_slice(data);
    let sum = frame.iter().skip(1).fold(0xff, |sum, byte| sum ^ byte);
    frame.push(sum);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::default() + Millis(ms)
    }

    fn drain(port: &mut Port) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| port.poll()).collect()
    }

    #[test]
    fn a_request_is_acknowledged_and_a_bad_one_refused() {
        let (mut port, mut chance) = (Port::default(), Chance::new(1));
        port.receive(at(0), &[SOF, 3, 0, 7, 0xfb]);
        let request = port.next_request(at(0), false, &mut chance);
        assert_eq!(
            request,
            Some(HostRequest {
                function: 7,
                data: vec![]
            })
        );
        port.receive(at(1), &[SOF, 3, 0, 7, 0xfa]);
        assert_eq!(port.next_request(at(1), false, &mut chance), None);
        assert_eq!(drain(&mut port), [vec![ACK], vec![NAK]]);
        assert_eq!(port.conduct.bad_checksums, 1);
    }

    #[test]
    fn a_frame_that_stops_in_the_middle_is_forgotten_after_its_time() {
        let (mut port, mut chance) = (Port::default(), Chance::new(1));
        port.receive(at(0), &[SOF, 3, 0]);
        assert_eq!(port.next_request(at(0), false, &mut chance), None);
        assert_eq!(port.next_deadline(), Some(at(1500)));
        port.tick(at(1500), &mut chance);
        port.receive(at(1501), &[SOF, 3, 0, 7, 0xfb]);
        assert!(port.next_request(at(1501), false, &mut chance).is_some());
        assert_eq!(port.conduct.unfinished, 1);
    }

    #[test]
    fn an_unacknowledged_frame_is_sent_again_three_times() {
        let (mut port, mut chance) = (Port::default(), Chance::new(1));
        port.request(at(0), 0x49, &[1], &mut chance);
        let mut copies = drain(&mut port).len();
        while let Some(due) = port.next_deadline() {
            port.tick(due, &mut chance);
            copies += drain(&mut port).len();
        }
        assert_eq!((copies, port.lost), (4, 1));
    }

    #[test]
    fn a_frame_before_the_acknowledgement_or_the_response_collides() {
        let (mut port, mut chance) = (Port::default(), Chance::new(1));
        port.request(at(0), 0x49, &[1], &mut chance);
        port.receive(at(1), &[SOF, 3, 0, 7, 0xfb]);
        assert_eq!(port.next_request(at(1), false, &mut chance), None);
        port.receive(at(2), &[ACK, SOF, 3, 0, 7, 0xfb]);
        assert_eq!(port.next_request(at(2), true, &mut chance), None);
        assert_eq!(drain(&mut port)[1..], [vec![CAN], vec![CAN]]);
        assert_eq!((port.conduct.unacknowledged, port.conduct.impatient), (1, 1));
    }
}
