//! Transport Service, the sending side: a datagram cut into segments, sent until the other side has it as a whole.
//!
//! Pure: the host sends what [`Datagram::segment`] says, and tells what becomes of it.
//!
//! ```text
//!                        the last one is sent            Segment Complete
//!   Sending ─ ─ next ─▶ ... ───────────────▶ Confirming ─────────────────▶ done
//!      ▲                                       │  │  │
//!      │ Segment Request: only that one        │  │  └ silence: the last one again, at most [`REPEATS_MAX`] times
//!      └───────────────────────────────────────┘  │
//!      └── Segment Wait: all of it, after a pause ┘    at most [`RESTARTS_MAX`] times
//! ```
//!
//! Spec: CC:0055, version 2.

use std::fmt;

use hubd_model::{Millis, SecretBytes};

use crate::wire::cc::transport_service::{Command, FirstSegment, SubsequentSegment};

/// The longest frame that every radio carries, whatever its route.
///
/// Spec: INS12350, maximum payload of a singlecast with a route.
pub const FRAME_BYTES_MAX: usize = 46;
/// The longest datagram: its size has eleven bits.
pub const DATAGRAM_BYTES_MAX: usize = 2047;
/// What of the datagram one segment carries.
pub const SEGMENT_BYTES: usize = 39;
/// The pause between segments, in which the other side can speak. Spec: CC:0055, 35 ms at 40 kbit/s.
pub const SEGMENT_PAUSE: Millis = Millis(35);
/// How long the other side may take to say that it has all. Spec: CC:0055, fragment complete timer.
pub const COMPLETE_WAIT: Millis = Millis(1_500);
/// How long one segment of somebody else takes, as Segment Wait counts.
pub const PENDING_SEGMENT: Millis = Millis(100);
/// How often the last segment is sent again, as nothing was said.
pub const REPEATS_MAX: u8 = 2;
/// How often the whole datagram begins anew.
pub const RESTARTS_MAX: u8 = 3;
/// How often single segments are asked for; a datagram has at most 53, and each may be lost now and then.
pub const REQUESTS_MAX: u8 = 120;

/// What follows a segment that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another segment, after [`SEGMENT_PAUSE`].
    Segment,
    /// The other side's word, for [`COMPLETE_WAIT`].
    Confirmation,
}

/// What the other side wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: it is not about this datagram.
    Nothing,
    /// It has all.
    Complete,
    /// A segment after this pause.
    Segment(Millis),
    /// It asks too often.
    TooMuch,
}

/// A datagram on its way to one node.
pub struct Datagram {
    session: u8,
    bytes: SecretBytes,
    size: u16,
    /// Where the segment to be sent begins.
    at: usize,
    /// The other side has the rest.
    single: bool,
    repeats: u8,
    restarts: u8,
    requests: u8,
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Datagram({}, {} of {} bytes)",
            self.session, self.at, self.size
        )
    }
}

impl Datagram {
    /// A datagram of a session, 0 to 15; `None` when it is empty or too long to be one.
    pub fn new(session: u8, bytes: SecretBytes) -> Option<Self> {
        let length = bytes.expose().len();
        let size = u16::try_from(length).ok()?;
        (1..=DATAGRAM_BYTES_MAX).contains(&length).then_some(Self {
            session: session & 0x0F,
            bytes,
            size,
            at: 0,
            single: false,
            repeats: 0,
            restarts: 0,
            requests: 0,
        })
    }

    /// The segment to be sent now.
    pub fn segment(&self) -> Command {
        let rest = self.bytes.expose().iter().skip(self.at);
        let payload: Vec<u8> = rest.take(SEGMENT_BYTES).copied().collect();
        match u16::try_from(self.at) {
            Ok(0) | Err(_) => Command::FirstSegment(FirstSegment {
                datagram_size: self.size,
                session: self.session,
                extension: Vec::new(),
                payload,
            }),
            Ok(offset) => Command::SubsequentSegment(SubsequentSegment {
                datagram_size: self.size,
                session: self.session,
                offset,
                extension: Vec::new(),
                payload,
            }),
        }
    }

    /// The segment left.
    pub fn sent(&mut self) -> Next {
        if self.single || self.at + SEGMENT_BYTES >= self.size.into() {
            self.single = true;
            Next::Confirmation
        } else {
            self.at += SEGMENT_BYTES;
            Next::Segment
        }
    }

    /// The other side says something about a datagram.
    pub fn heard(&mut self, command: &Command) -> Wanted {
        match command {
            Command::SegmentComplete(session) if *session == self.session => Wanted::Complete,
            Command::SegmentRequest(request)
                if request.session == self.session && request.offset < self.size =>
            {
                self.requests = self.requests.saturating_add(1);
                if self.requests > REQUESTS_MAX {
                    return Wanted::TooMuch;
                }
                // Where a segment of ours begins: it knows no other places.
                let place = usize::from(request.offset);
                self.at = place - place % SEGMENT_BYTES;
                self.single = true;
                self.repeats = 0;
                Wanted::Segment(Millis(0))
            }
            Command::SegmentWait(pending) => {
                self.restarts = self.restarts.saturating_add(1);
                if self.restarts > RESTARTS_MAX {
                    return Wanted::TooMuch;
                }
                (self.at, self.single, self.repeats) = (0, false, 0);
                let pause = PENDING_SEGMENT.0.saturating_mul(u64::from(*pending).max(1));
                Wanted::Segment(Millis(pause))
            }
            Command::SegmentComplete(_)
            | Command::SegmentRequest(_)
            | Command::FirstSegment(_)
            | Command::SubsequentSegment(_) => Wanted::Nothing,
        }
    }

    /// Nothing was said for [`COMPLETE_WAIT`]: whether the last segment is to be sent again.
    pub fn silent(&mut self) -> bool {
        self.repeats = self.repeats.saturating_add(1);
        self.at = (usize::from(self.size) - 1) / SEGMENT_BYTES * SEGMENT_BYTES;
        self.single = true;
        self.repeats <= REPEATS_MAX
    }
}

#[cfg(test)]
mod tests {
    use hubd_model::MonoTime;
    use proptest::prelude::*;

    use super::*;
    use crate::transport_service::{Output, Reassembler};
    use crate::wire::cc;
    use crate::wire::cc::transport_service::SegmentRequest;
    use crate::wire::serial::NodeId;

    const NODE: NodeId = NodeId(7);

    fn datagram(length: usize) -> Vec<u8> {
        (0..length)
            .map(|index| u8::try_from(index % 256).unwrap())
            .collect()
    }

    fn new(session: u8, length: usize) -> Datagram {
        Datagram::new(session, SecretBytes::new(datagram(length))).unwrap()
    }

    fn emitted(datagram: &Datagram) -> Vec<u8> {
        cc::Command::from(datagram.segment()).emit()
    }

    #[test]
    fn segments_on_the_wire() {
        // Checksums by another implementation: CRC-CCITT from 0x1D0F over class, command and all before it.
        let mut sent = new(3, 100);
        let bytes = datagram(100);
        for (head, range, checksum, next) in [
            (&[0x55, 0xC0, 100, 0x30][..], 0..39, [0xC4, 0x48], Next::Segment),
            (
                &[0x55, 0xE0, 100, 0x30, 39][..],
                39..78,
                [0x0B, 0x3F],
                Next::Segment,
            ),
            (
                &[0x55, 0xE0, 100, 0x30, 78][..],
                78..100,
                [0xB9, 0xD8],
                Next::Confirmation,
            ),
        ] {
            let expected = [head, &bytes[range], &checksum].concat();
            assert_eq!(emitted(&sent), expected);
            assert_eq!(sent.sent(), next);
        }
        // Sizes and places of more than a byte.
        let mut sent = new(1, 600);
        assert_eq!(emitted(&sent)[..4], [0x55, 0xC2, 0x58, 0x10]);
        assert_eq!(emitted(&sent)[43..], [0x5B, 0x09]);
        while sent.sent() == Next::Segment {}
        let last = [
            &[0x55, 0xE2, 0x58, 0x12, 0x49][..],
            &datagram(600)[585..],
            &[0xF9, 0x74],
        ]
        .concat();
        assert_eq!(emitted(&sent), last);
    }

    #[test]
    fn no_segment_is_longer_than_a_frame_and_no_datagram_than_its_size_can_say() {
        for length in [1, 39, 40, 46, 47, 255, 256, 1280, 2047] {
            let mut sent = new(15, length);
            let mut segments = 0;
            loop {
                assert!(emitted(&sent).len() <= FRAME_BYTES_MAX, "{length}");
                segments += 1;
                if sent.sent() == Next::Confirmation {
                    break;
                }
            }
            assert_eq!(segments, length.div_ceil(SEGMENT_BYTES), "{length}");
        }
        for length in [0, 2048, 70_000] {
            assert!(Datagram::new(0, SecretBytes::new(vec![0; length])).is_none());
        }
    }

    #[test]
    fn what_is_asked_for_is_sent_alone_and_every_patience_ends() {
        let mut sent = new(3, 150);
        while sent.sent() == Next::Segment {}
        let request = |session, offset| Command::SegmentRequest(SegmentRequest { session, offset });
        assert_eq!(sent.heard(&request(4, 39)), Wanted::Nothing, "another session");
        assert_eq!(sent.heard(&request(3, 150)), Wanted::Nothing, "beyond its end");
        assert_eq!(sent.heard(&request(3, 39)), Wanted::Segment(Millis(0)));
        assert_eq!(emitted(&sent)[4], 39);
        assert_eq!(sent.sent(), Next::Confirmation);
        assert!(sent.silent());
        assert_eq!(emitted(&sent)[4], 117, "the last one");
        assert!(sent.silent());
        assert!(!sent.silent());
        assert_eq!(sent.heard(&Command::SegmentComplete(2)), Wanted::Nothing);
        assert_eq!(sent.heard(&Command::SegmentComplete(3)), Wanted::Complete);
        for pause in [100, 300, 25_500] {
            let pending = u8::try_from(pause / 100).unwrap();
            assert_eq!(
                sent.heard(&Command::SegmentWait(pending)),
                Wanted::Segment(Millis(pause))
            );
            assert_eq!(emitted(&sent)[1] & 0xF8, 0xC0, "from its first segment");
        }
        assert_eq!(sent.heard(&Command::SegmentWait(0)), Wanted::TooMuch);
        let mut sent = new(3, 150);
        let asked = (0..200).map(|_| sent.heard(&request(3, 0)));
        assert_eq!(asked.filter(|wanted| *wanted == Wanted::TooMuch).count(), 80);
    }

    proptest! {
        /// A datagram of any length over a channel that loses segments and answers arrives as it was, or the sender knows
        /// that it may not have; where nothing is lost it arrives once. (Where much is lost it may arrive again, and its
        /// security refuses the number that was used.)
        #[test]
        fn invariant_a_datagram_arrives_as_it_was_or_that_is_known(
            length in 1..=DATAGRAM_BYTES_MAX,
            session in 0..16_u8,
            losses in proptest::collection::vec(0..100_u8, 400),
            bad in prop_oneof![Just(0_u8), Just(10), Just(30)],
        ) {
            let mut losses = losses.into_iter().cycle().map(|chance| chance < bad);
            let mut sent = new(session, length);
            let mut other = Reassembler::default();
            let mut now = MonoTime::default();
            let (mut arrived, mut steps) = (Vec::new(), 0);
            let confirmed = 'all: loop {
                steps += 1;
                prop_assert!(steps < 10_000, "it ends");
                now = now + SEGMENT_PAUSE;
                let segment = cc::Command::parse(&emitted(&sent)).unwrap();
                let cc::Command::TransportService(segment) = segment else { panic!("no segment") };
                let next = sent.sent();
                let mut said = if losses.next().unwrap() { vec![] } else { other.handle(now, NODE, &segment) };
                if next == Next::Segment && said.is_empty() {
                    continue;
                }
                // The other side's answers, at once or when its patience is over, until ours is.
                let until = now + COMPLETE_WAIT;
                loop {
                    // The other side has it whether or not its word arrives.
                    arrived.extend(said.iter().filter_map(|output| match output {
                        Output::Datagram { bytes, .. } => Some(bytes.clone()),
                        Output::Reply { .. } | Output::Lost { .. } => None,
                    }));
                    for output in std::mem::take(&mut said) {
                        match output {
                            Output::Datagram { .. } | Output::Lost { .. } => {}
                            Output::Reply { .. } if losses.next().unwrap() => {}
                            Output::Reply { command, .. } => match sent.heard(&command) {
                                Wanted::Complete => break 'all true,
                                Wanted::Segment(pause) => {
                                    now = now + pause;
                                    continue 'all;
                                }
                                Wanted::TooMuch => break 'all false,
                                Wanted::Nothing => {}
                            },
                        }
                    }
                    match other.next_deadline().filter(|due| *due < until && next == Next::Confirmation) {
                        Some(due) => {
                            now = due;
                            said = other.tick(now);
                        }
                        None if next == Next::Segment => continue 'all,
                        None => break,
                    }
                }
                now = until;
                if !sent.silent() {
                    break false;
                }
            };
            prop_assert!(arrived.iter().all(|bytes| *bytes == datagram(length)));
            prop_assert!(!confirmed || !arrived.is_empty());
            if bad == 0 {
                prop_assert!(confirmed);
                prop_assert_eq!(arrived.len(), 1);
            }
        }
    }
}
