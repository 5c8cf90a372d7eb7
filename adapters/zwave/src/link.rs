//! The serial link to the dongle: one frame at a time, acknowledged, sent again when it was lost.
//!
//! ```text
//!             send            ACK
//!   Idle ─────────────▶ Await ─────▶ Idle, `Delivered`
//!                       │   ▲
//!     NAK, CAN, silence │   │ pause over: send again
//!                       ▼   │
//!                       Pause ──── after the last attempt ──▶ Idle, `GaveUp`
//! ```
//!
//! What the dongle sends is acknowledged at once, or refused with NAK when it is damaged.
//!
//! Spec: Silicon Labs INS12350, 6 (data frame delivery): 1.6 s to an acknowledgement, 1.5 s to the end of a frame,
//! three retransmissions, each after a pause of 100 ms + 1 s for each attempt before.

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime};

use crate::wire::frame::{ACK, Data, Decoder, NAK, Token};

/// How long the dongle may take to acknowledge a frame.
const ACK_WAIT: Millis = Millis(1600);
/// How long the rest of a frame that has begun may take.
const FRAME_WAIT: Millis = Millis(1500);
/// How often a frame is sent at most.
const ATTEMPTS_MAX: u8 = 4;

/// What the link tells the layer above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The dongle sent this (it has been acknowledged).
    Received(Data),
    /// The dongle acknowledged our frame.
    Delivered,
    /// The dongle did not take our frame in any attempt.
    GaveUp,
}

#[derive(Debug)]
enum Sending {
    Idle,
    Await {
        frame: Vec<u8>,
        attempt: u8,
        until: MonoTime,
    },
    Pause {
        frame: Vec<u8>,
        attempt: u8,
        until: MonoTime,
    },
}

/// The machine. Feed it bytes and ticks, write what `poll_write` gives, act on `poll_event`.
#[derive(Debug)]
pub struct Link {
    decoder: Decoder,
    frame_until: Option<MonoTime>,
    sending: Sending,
    writes: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    tokens: Vec<Token>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            decoder: Decoder::default(),
            frame_until: None,
            sending: Sending::Idle,
            writes: VecDeque::new(),
            events: VecDeque::new(),
            tokens: Vec::new(),
        }
    }
}

impl Link {
    /// Whether a frame may be sent now.
    pub const fn is_idle(&self) -> bool {
        matches!(self.sending, Sending::Idle)
    }

    /// Makes the dongle drop a frame that it thinks is being sent: the first byte after a port was opened.
    pub fn greet(&mut self) {
        self.writes.push_back(vec![NAK]);
    }

    /// Sends a frame; only when idle, else it is refused and handed back.
    ///
    /// # Errors
    /// The frame, when another one is under way.
    pub fn send(&mut self, now: MonoTime, frame: Vec<u8>) -> Result<(), Vec<u8>> {
        if !self.is_idle() {
            return Err(frame);
        }
        self.transmit(now, frame, 1);
        Ok(())
    }

    /// Takes bytes from the dongle.
    pub fn receive(&mut self, now: MonoTime, bytes: &[u8]) {
        self.tick(now);
        let mut tokens = std::mem::take(&mut self.tokens);
        self.decoder.push(bytes, &mut tokens);
        for token in tokens.drain(..) {
            match token {
                Token::Ack => self.acknowledged(),
                Token::Nak | Token::Can => self.pause(now),
                Token::Data(data) => {
                    self.writes.push_back(vec![ACK]);
                    self.events.push_back(Event::Received(data));
                }
                Token::Corrupt => {
                    tracing::debug!("damaged frame from the dongle refused");
                    self.writes.push_back(vec![NAK]);
                }
                Token::Noise(bytes) => {
                    tracing::debug!(bytes, "bytes from the dongle that belong to no frame");
                }
            }
        }
        self.tokens = tokens;
        self.frame_until = self.decoder.is_inside_frame().then(|| now + FRAME_WAIT);
    }

    /// The dongle answered our frame although its acknowledgement did not arrive: do not send it again.
    pub fn delivered_by_answer(&mut self) {
        self.sending = Sending::Idle;
    }

    /// Acts on deadlines that have passed.
    pub fn tick(&mut self, now: MonoTime) {
        if self.frame_until.is_some_and(|until| until <= now) {
            self.frame_until = None;
            let bytes = self.decoder.abandon();
            tracing::debug!(bytes, "the dongle went silent in the middle of a frame");
            self.writes.push_back(vec![NAK]);
        }
        match &self.sending {
            Sending::Await { until, .. } if *until <= now => self.pause(now),
            Sending::Pause { until, .. } if *until <= now => {
                if let Sending::Pause { frame, attempt, .. } =
                    std::mem::replace(&mut self.sending, Sending::Idle)
                {
                    self.transmit(now, frame, attempt + 1);
                }
            }
            Sending::Idle | Sending::Await { .. } | Sending::Pause { .. } => {}
        }
    }

    /// Bytes to be written to the dongle.
    pub fn poll_write(&mut self) -> Option<Vec<u8>> {
        self.writes.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to come back with `tick`.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let sending = match &self.sending {
            Sending::Idle => None,
            Sending::Await { until, .. } | Sending::Pause { until, .. } => Some(*until),
        };
        [sending, self.frame_until].into_iter().flatten().min()
    }

    fn transmit(&mut self, now: MonoTime, frame: Vec<u8>, attempt: u8) {
        self.writes.push_back(frame.clone());
        self.sending = Sending::Await {
            frame,
            attempt,
            until: now + ACK_WAIT,
        };
    }

    fn acknowledged(&mut self) {
        match std::mem::replace(&mut self.sending, Sending::Idle) {
            Sending::Await { .. } => self.events.push_back(Event::Delivered),
            // Nothing was sent that could be acknowledged.
            other @ (Sending::Idle | Sending::Pause { .. }) => self.sending = other,
        }
    }

    fn pause(&mut self, now: MonoTime) {
        match std::mem::replace(&mut self.sending, Sending::Idle) {
            Sending::Await { attempt, .. } if attempt >= ATTEMPTS_MAX => self.events.push_back(Event::GaveUp),
            Sending::Await { frame, attempt, .. } => {
                let pause = Millis(100 + 1000 * u64::from(attempt - 1));
                self.sending = Sending::Pause {
                    frame,
                    attempt,
                    until: now + pause,
                };
            }
            other @ (Sending::Idle | Sending::Pause { .. }) => self.sending = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{CAN, Kind};

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_micros(millis * 1000)
    }

    fn writes(link: &mut Link) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| link.poll_write()).collect()
    }

    #[test]
    fn a_frame_is_delivered_once_it_is_acknowledged() {
        let mut link = Link::default();
        link.send(at(0), vec![1, 2, 3]).unwrap();
        assert_eq!(writes(&mut link), [vec![1, 2, 3]]);
        assert_eq!(link.send(at(0), vec![9]), Err(vec![9]), "one frame at a time");
        link.receive(at(1), &[ACK]);
        assert_eq!(link.poll_event(), Some(Event::Delivered));
        assert!(link.is_idle());
    }

    #[test]
    fn every_loss_is_repaired_and_the_pauses_grow() {
        for (refusal, first_wait) in [(Some(NAK), 100), (Some(CAN), 100), (None, 1700)] {
            let mut link = Link::default();
            link.send(at(0), vec![7]).unwrap();
            writes(&mut link);
            if let Some(byte) = refusal {
                link.receive(at(0), &[byte]);
            } else {
                link.tick(at(1600));
            }
            assert_eq!(link.next_deadline(), Some(at(first_wait)));
            link.tick(at(first_wait));
            assert_eq!(writes(&mut link), [vec![7]]);
        }
    }

    #[test]
    fn after_four_attempts_the_link_gives_up() {
        let mut link = Link::default();
        link.send(at(0), vec![7]).unwrap();
        let mut sent = 0;
        for _ in 0..20 {
            sent += writes(&mut link).len();
            let Some(deadline) = link.next_deadline() else {
                break;
            };
            link.tick(deadline);
        }
        assert_eq!((sent, link.poll_event()), (4, Some(Event::GaveUp)));
        assert!(link.is_idle());
    }

    #[test]
    fn a_frame_of_the_dongle_is_acknowledged_even_while_ours_waits() {
        let mut link = Link::default();
        link.send(at(0), vec![7]).unwrap();
        writes(&mut link);
        link.receive(at(1), &[0x01, 0x04, 0x01, 0x05, 0x1c, 0xe3, ACK]);
        let data = Data {
            kind: Kind::Response,
            function: 5,
            payload: vec![0x1c],
        };
        assert_eq!(link.poll_event(), Some(Event::Received(data)));
        assert_eq!(link.poll_event(), Some(Event::Delivered));
        assert_eq!(writes(&mut link), [vec![ACK]]);
    }

    #[test]
    fn half_a_frame_is_given_up_and_refused() {
        let mut link = Link::default();
        link.receive(at(0), &[0x01, 0x04, 0x01]);
        assert_eq!(link.next_deadline(), Some(at(1500)));
        link.tick(at(1500));
        assert_eq!(writes(&mut link), [vec![NAK]]);
        link.receive(at(1501), &[0x01, 0x04, 0x01, 0x05, 0x1c, 0xe3]);
        assert!(matches!(link.poll_event(), Some(Event::Received(_))));
    }
}
