//! A device that puts long frames together from their segments, and does not hear all of them.
//!
//! Spec: CC:0055 (Transport Service), version 2.

use hubd_model::{Millis, MonoTime};

/// How long it waits for the next segment before it asks.
const PATIENCE: Millis = Millis(800);
/// How often it asks for one segment.
const ASKS_MAX: u8 = 2;

/// What it has of a datagram.
#[derive(Debug, Clone)]
struct Partial {
    session: u8,
    bytes: Vec<Option<u8>>,
    asks: u8,
    asks_at: MonoTime,
}

/// The receiving side of a device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments {
    /// Which segments it does not hear, by their count from 0.
    deaf_to: Vec<usize>,
    /// Whether it says once that it is busy with somebody else.
    busy: bool,
    heard: usize,
    partial: Option<Partial>,
    /// The session that was completed last, whose end may be repeated.
    done: Option<u8>,
}

/// What a segment leads to.
#[derive(Debug, Default)]
pub(crate) struct Led {
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) frame: Option<Vec<u8>>,
}

impl Segments {
    pub(crate) fn new(deaf_to: &[usize], busy: bool) -> Self {
        Self {
            deaf_to: deaf_to.to_vec(),
            busy,
            ..Self::default()
        }
    }

    /// Takes a frame of the class.
    pub(crate) fn hear(&mut self, now: MonoTime, frame: &[u8]) -> Led {
        let Some((body, carried)) = frame.split_last_chunk::<2>() else {
            return Led::default();
        };
        let (size_high, size_low, properties, rest) = match *body {
            [0x55, command, low, properties, ref rest @ ..] if matches!(command & 0xf8, 0xc0 | 0xe0) => {
                (command, low, properties, rest)
            }
            _ => return Led::default(),
        };
        self.heard += 1;
        if self.deaf_to.contains(&(self.heard - 1)) || crc(body) != u16::from_be_bytes(*carried) {
            return Led::default();
        }
        let size = usize::from(size_high & 7) << 8 | usize::from(size_low);
        let session = properties >> 4;
        let first = size_high & 0xf8 == 0xc0;
        if std::mem::take(&mut self.busy) {
            return answers(vec![0x55, 0xf0, 3]);
        }
        let (offset, payload) = match (first, rest) {
            (true, payload) => (0, payload),
            (false, [low, payload @ ..]) => (usize::from(properties & 7) << 8 | usize::from(*low), payload),
            (false, []) => return Led::default(),
        };
        if first
            && self
                .partial
                .as_ref()
                .is_none_or(|partial| partial.session != session)
        {
            self.done = None;
            self.partial = Some(Partial {
                session,
                bytes: vec![None; size],
                asks: 0,
                asks_at: now,
            });
        }
        if self.done == Some(session) {
            return answers(vec![0x55, 0xe8, session << 4]);
        }
        let Some(partial) = self.partial.as_mut().filter(|partial| partial.session == session) else {
            return answers(vec![0x55, 0xf0, 0]);
        };
        for (place, byte) in partial.bytes.iter_mut().skip(offset).zip(payload) {
            *place = Some(*byte);
        }
        (partial.asks, partial.asks_at) = (0, now + PATIENCE);
        if let Some(frame) = partial.bytes.iter().copied().collect::<Option<Vec<u8>>>() {
            self.partial = None;
            self.done = Some(session);
            return Led {
                answer: Some(vec![0x55, 0xe8, session << 4]),
                frame: Some(frame),
            };
        }
        // The end is there and something before it is not.
        if partial.bytes.last().is_some_and(Option::is_some) {
            return answers(partial.ask());
        }
        Led::default()
    }

    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        self.partial.as_ref().map(|partial| partial.asks_at)
    }

    /// Asks for what does not come.
    pub(crate) fn tick(&mut self, now: MonoTime) -> Option<Vec<u8>> {
        let partial = self.partial.as_mut().filter(|partial| partial.asks_at <= now)?;
        partial.asks += 1;
        partial.asks_at = now + PATIENCE;
        if partial.asks > ASKS_MAX {
            self.partial = None;
            return None;
        }
        Some(partial.ask())
    }
}

impl Partial {
    fn ask(&self) -> Vec<u8> {
        let hole = self.bytes.iter().position(Option::is_none).unwrap_or(0);
        let [high, low] = u16::try_from(hole).unwrap_or(0).to_be_bytes();
        vec![0x55, 0xc8, self.session << 4 | high & 7, low]
    }
}

fn answers(answer: Vec<u8>) -> Led {
    Led {
        answer: Some(answer),
        frame: None,
    }
}

/// CRC-CCITT from 0x1D0F.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x1d0f, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}
