//! Transport Service, the receiving side: puts long datagrams together from their segments. The other side is in
//! [`sending`].
//!
//! Pure: segments and the time go in, finished datagrams and replies come out. One datagram at a time from each node;
//! a bounded number of nodes. A datagram is given once, also when its last segment comes again because our answer was
//! lost.
//!
//! ```text
//!            first segment                    all bytes there: Complete
//! (nothing) ---------------> Receiving ---------------------------------> Done --- LINGER ---> (nothing)
//!                             |     ^                                      | repeated segment: Complete again
//!        last byte came, hole |     | segment
//!        or SEGMENT_TIMEOUT   v     |
//!                     Segment Request, at most MAX_REQUESTS without an answer, then given up
//! ```
//!
//! A later segment of a datagram that is not known is answered with Segment Wait 0: the sender starts again.
//!
//! Spec: CC:0055, version 2.

pub mod sending;

use std::collections::BTreeMap;
use std::fmt;

use hubd_model::{Millis, MonoTime};

use crate::wire::cc::codec::Hidden;
use crate::wire::cc::transport_service::{Command, FirstSegment, SegmentRequest, SubsequentSegment};
use crate::wire::serial::NodeId;

/// How long to wait for the next segment before asking for the one that is missing.
///
/// Spec: CC:0055, fragment receive timer at 40 kbit/s.
pub const SEGMENT_TIMEOUT: Millis = Millis(800);
/// How long a finished datagram is remembered, to answer repeated segments.
pub const LINGER: Millis = Millis(2_000);
/// How often a missing segment is asked for without any segment coming.
pub const MAX_REQUESTS: u8 = 2;
/// From how many nodes datagrams are received at the same time.
pub const MAX_SENDERS: usize = 8;
/// The longest payload of a segment.
const SEGMENT_BYTES: usize = 39;

/// What has to be done.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to the node, at once and without encryption.
    Reply {
        /// To whom.
        node: NodeId,
        /// What.
        command: Command,
    },
    /// A datagram is complete: a command from its class on.
    Datagram {
        /// From whom.
        node: NodeId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A datagram was given up: its sender went silent.
    Lost {
        /// From whom.
        node: NodeId,
        /// How many of its bytes had come.
        received: usize,
        /// How many it has.
        size: usize,
    },
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { node, command } => write!(f, "Reply({node:?}, {command:?})"),
            Self::Datagram { node, bytes } => write!(f, "Datagram({node:?}, {:?})", Hidden(bytes)),
            Self::Lost { node, received, size } => write!(f, "Lost({node:?}, {received} of {size} bytes)"),
        }
    }
}

struct Session {
    id: u8,
    datagram_size: u16,
    /// The first segment's payload tells a repeated datagram from a new one that reuses the session's number.
    first: Vec<u8>,
    deadline: MonoTime,
    state: State,
}

enum State {
    Receiving {
        /// One for each byte of the datagram; `None` until it came.
        bytes: Vec<Option<u8>>,
        /// What was asked for, and how often without an answer.
        asked: Option<Asked>,
    },
    Done,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    offset: u16,
    times: u8,
}

/// Puts datagrams together.
#[derive(Default)]
pub struct Reassembler {
    sessions: BTreeMap<NodeId, Session>,
}

impl fmt::Debug for Reassembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reassembler({} datagrams)", self.sessions.len())
    }
}

impl Reassembler {
    /// Takes a Transport Service command from a node. Segment Request, Complete and Wait belong to the sending side
    /// and are ignored.
    pub fn handle(&mut self, now: MonoTime, node: NodeId, command: &Command) -> Vec<Output> {
        self.expire(now);
        match command {
            Command::FirstSegment(segment) => self.first(now, node, segment),
            Command::SubsequentSegment(segment) => self.subsequent(now, node, segment),
            Command::SegmentRequest(_) | Command::SegmentComplete(_) | Command::SegmentWait(_) => Vec::new(),
        }
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.sessions.values().map(|session| session.deadline).min()
    }

    /// Asks for what is missing, gives up what does not come, forgets what is finished.
    pub fn tick(&mut self, now: MonoTime) -> Vec<Output> {
        self.expire(now);
        let mut outputs = Vec::new();
        let mut lost = Vec::new();
        for (node, session) in self
            .sessions
            .iter_mut()
            .filter(|(_, session)| session.deadline <= now)
        {
            match session.ask(now, true) {
                Some(command) => outputs.push(Output::Reply { node: *node, command }),
                None => lost.push(*node),
            }
        }
        for node in lost {
            if let Some(session) = self.sessions.remove(&node) {
                let received = session.received();
                outputs.push(Output::Lost {
                    node,
                    received,
                    size: session.datagram_size.into(),
                });
            }
        }
        outputs
    }

    fn expire(&mut self, now: MonoTime) {
        self.sessions.retain(|_, session| match session.state {
            State::Done => session.deadline > now,
            State::Receiving { .. } => true,
        });
    }

    fn first(&mut self, now: MonoTime, node: NodeId, segment: &FirstSegment) -> Vec<Output> {
        if segment.payload.len() > segment.datagram_size.into() || segment.payload.is_empty() {
            return Vec::new();
        }
        let known = self
            .sessions
            .get(&node)
            .is_some_and(|session| session.is_of(segment));
        if !known {
            if !self.sessions.contains_key(&node) && !self.make_room() {
                return vec![Output::Reply {
                    node,
                    command: Command::SegmentWait(self.pending()),
                }];
            }
            self.sessions.insert(node, Session::new(now, segment));
        }
        self.store(now, node, 0, &segment.payload)
    }

    fn subsequent(&mut self, now: MonoTime, node: NodeId, segment: &SubsequentSegment) -> Vec<Output> {
        match self.sessions.get(&node) {
            Some(session) if session.id != segment.session => start_again(node),
            Some(session) if session.datagram_size != segment.datagram_size => Vec::new(),
            Some(_) => self.store(now, node, segment.offset, &segment.payload),
            None => start_again(node),
        }
    }

    /// Whether one more node can send: forgets a finished datagram for it when needed.
    fn make_room(&mut self) -> bool {
        if self.sessions.len() < MAX_SENDERS {
            return true;
        }
        let done = |session: &Session| matches!(session.state, State::Done);
        let oldest = self
            .sessions
            .iter()
            .filter(|(_, session)| done(session))
            .min_by_key(|(_, session)| session.deadline);
        let Some(node) = oldest.map(|(node, _)| *node) else {
            return false;
        };
        self.sessions.remove(&node).is_some()
    }

    /// About how many segments must come before there is room for another sender.
    fn pending(&self) -> u8 {
        let missing =
            |session: &Session| usize::from(session.datagram_size).saturating_sub(session.received());
        let least = self.sessions.values().map(missing).min().unwrap_or_default();
        u8::try_from(least.div_ceil(SEGMENT_BYTES).max(1)).unwrap_or(u8::MAX)
    }

    fn store(&mut self, now: MonoTime, node: NodeId, offset: u16, payload: &[u8]) -> Vec<Output> {
        let Some(session) = self.sessions.get_mut(&node) else {
            return Vec::new();
        };
        let complete = Output::Reply {
            node,
            command: Command::SegmentComplete(session.id),
        };
        let State::Receiving { bytes, .. } = &mut session.state else {
            session.deadline = now + LINGER;
            return vec![complete];
        };
        let start = usize::from(offset);
        let Some(places) = start
            .checked_add(payload.len())
            .and_then(|end| bytes.get_mut(start..end))
        else {
            return Vec::new();
        };
        for (place, byte) in places.iter_mut().zip(payload) {
            *place = Some(*byte);
        }
        if let Some(whole) = bytes.iter().copied().collect::<Option<Vec<u8>>>() {
            session.state = State::Done;
            session.deadline = now + LINGER;
            return vec![complete, Output::Datagram { node, bytes: whole }];
        }
        session.deadline = now + SEGMENT_TIMEOUT;
        match session.ask(now, false) {
            Some(command) => vec![Output::Reply { node, command }],
            None => Vec::new(),
        }
    }
}

fn start_again(node: NodeId) -> Vec<Output> {
    vec![Output::Reply {
        node,
        command: Command::SegmentWait(0),
    }]
}

impl Session {
    fn new(now: MonoTime, segment: &FirstSegment) -> Self {
        Self {
            id: segment.session,
            datagram_size: segment.datagram_size,
            first: segment.payload.clone(),
            deadline: now + SEGMENT_TIMEOUT,
            state: State::Receiving {
                bytes: vec![None; segment.datagram_size.into()],
                asked: None,
            },
        }
    }

    /// Whether this is the datagram that the segment starts, and not a new one.
    fn is_of(&self, segment: &FirstSegment) -> bool {
        self.id == segment.session
            && self.datagram_size == segment.datagram_size
            && self.first == segment.payload
    }

    fn received(&self) -> usize {
        match &self.state {
            State::Receiving { bytes, .. } => bytes.iter().flatten().count(),
            State::Done => self.datagram_size.into(),
        }
    }

    /// The request for the first missing segment. After a segment (not `overdue`) only when the datagram's end is
    /// there and the hole is another one than was asked for last. When `overdue` and asked often enough, `None`.
    fn ask(&mut self, now: MonoTime, overdue: bool) -> Option<Command> {
        let State::Receiving { bytes, asked } = &mut self.state else {
            return None;
        };
        let hole = bytes.iter().position(Option::is_none)?;
        let offset = u16::try_from(hole).ok()?;
        let times = match *asked {
            Some(last) if overdue && last.offset == offset => last.times,
            Some(last) if !overdue && last.offset == offset => {
                // Another segment than the one asked for came: the sender is alive.
                *asked = Some(Asked { offset, times: 1 });
                return None;
            }
            Some(_) | None => 0,
        };
        if overdue && times >= MAX_REQUESTS {
            return None;
        }
        let ended = bytes.last().is_some_and(Option::is_some);
        if !overdue && !ended {
            return None;
        }
        *asked = Some(Asked {
            offset,
            times: times + 1,
        });
        self.deadline = now + SEGMENT_TIMEOUT;
        Some(Command::SegmentRequest(SegmentRequest {
            session: self.id,
            offset,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: NodeId = NodeId(7);

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_micros(millis * 1000)
    }

    fn segments(session: u8, datagram: &[u8]) -> Vec<Command> {
        let datagram_size = u16::try_from(datagram.len()).unwrap();
        let part = |(index, payload): (usize, &[u8])| match u16::try_from(index * SEGMENT_BYTES).unwrap() {
            0 => Command::FirstSegment(FirstSegment {
                datagram_size,
                session,
                extension: vec![],
                payload: payload.to_vec(),
            }),
            offset => Command::SubsequentSegment(SubsequentSegment {
                datagram_size,
                session,
                offset,
                extension: vec![],
                payload: payload.to_vec(),
            }),
        };
        datagram.chunks(SEGMENT_BYTES).enumerate().map(part).collect()
    }

    fn datagram(len: usize) -> Vec<u8> {
        (0..len).map(|index| u8::try_from(index % 251).unwrap()).collect()
    }

    fn reply(command: Command) -> Output {
        Output::Reply { node: NODE, command }
    }

    fn request(offset: u16) -> Output {
        reply(Command::SegmentRequest(SegmentRequest { session: 3, offset }))
    }

    #[test]
    fn a_datagram_in_order_is_given_and_confirmed_once() {
        let (bytes, mut machine) = (datagram(100), Reassembler::default());
        let parts = segments(3, &bytes);
        assert_eq!(machine.handle(at(0), NODE, &parts[0]), vec![]);
        assert_eq!(machine.handle(at(10), NODE, &parts[1]), vec![]);
        let complete = reply(Command::SegmentComplete(3));
        assert_eq!(
            machine.handle(at(20), NODE, &parts[2]),
            vec![complete.clone(), Output::Datagram { node: NODE, bytes }]
        );
        // Our Complete was lost: the sender repeats the last segment, or all of it.
        assert_eq!(machine.handle(at(900), NODE, &parts[2]), vec![complete.clone()]);
        assert_eq!(machine.handle(at(1000), NODE, &parts[0]), vec![complete]);
        assert_eq!(machine.tick(at(3000)), vec![]);
        assert_eq!(machine.next_deadline(), None);
    }

    #[test]
    fn a_hole_is_asked_for_when_the_end_has_come() {
        let (bytes, mut machine) = (datagram(150), Reassembler::default());
        let parts = segments(3, &bytes);
        machine.handle(at(0), NODE, &parts[0]);
        assert_eq!(machine.handle(at(10), NODE, &parts[3]), vec![request(39)]);
        assert_eq!(machine.handle(at(20), NODE, &parts[1]), vec![request(78)]);
        assert!(
            machine
                .handle(at(30), NODE, &parts[2])
                .contains(&Output::Datagram { node: NODE, bytes })
        );
    }

    #[test]
    fn a_lost_end_is_asked_for_after_a_while_and_then_given_up() {
        let mut machine = Reassembler::default();
        let parts = segments(3, &datagram(100));
        machine.handle(at(0), NODE, &parts[0]);
        machine.handle(at(10), NODE, &parts[1]);
        assert_eq!(machine.next_deadline(), Some(at(810)));
        assert_eq!(machine.tick(at(809)), vec![]);
        assert_eq!(machine.tick(at(810)), vec![request(78)]);
        assert_eq!(machine.tick(at(1610)), vec![request(78)]);
        assert_eq!(
            machine.tick(at(2410)),
            vec![Output::Lost {
                node: NODE,
                received: 78,
                size: 100
            }]
        );
        assert_eq!(machine.next_deadline(), None);
    }

    #[test]
    fn a_segment_without_its_start_makes_the_sender_start_again() {
        let mut machine = Reassembler::default();
        let parts = segments(3, &datagram(100));
        assert_eq!(
            machine.handle(at(0), NODE, &parts[1]),
            vec![reply(Command::SegmentWait(0))]
        );
    }

    #[test]
    fn a_new_datagram_takes_the_place_of_an_unfinished_one() {
        let (bytes, mut machine) = (datagram(60), Reassembler::default());
        machine.handle(at(0), NODE, &segments(3, &datagram(100))[0]);
        let parts = segments(4, &bytes);
        machine.handle(at(10), NODE, &parts[0]);
        assert!(
            machine
                .handle(at(20), NODE, &parts[1])
                .contains(&Output::Datagram { node: NODE, bytes })
        );
    }

    #[test]
    fn the_same_session_number_with_other_bytes_is_a_new_datagram() {
        let mut machine = Reassembler::default();
        for fill in [1, 2] {
            let bytes = vec![fill; 20];
            let outputs = machine.handle(at(0), NODE, &segments(3, &bytes)[0]);
            assert!(
                outputs.contains(&Output::Datagram { node: NODE, bytes }),
                "{fill}"
            );
        }
    }

    #[test]
    fn segments_that_do_not_fit_are_ignored() {
        let mut machine = Reassembler::default();
        let parts = segments(3, &datagram(100));
        machine.handle(at(0), NODE, &parts[0]);
        let beyond = Command::SubsequentSegment(SubsequentSegment {
            datagram_size: 100,
            session: 3,
            offset: 90,
            extension: vec![],
            payload: vec![0; 20],
        });
        assert_eq!(machine.handle(at(10), NODE, &beyond), vec![]);
        let empty = Command::FirstSegment(FirstSegment {
            datagram_size: 0,
            session: 9,
            extension: vec![],
            payload: vec![],
        });
        assert_eq!(machine.handle(at(10), NODE, &empty), vec![]);
    }

    #[test]
    fn no_more_senders_than_allowed() {
        let mut machine = Reassembler::default();
        let parts = segments(3, &datagram(100));
        for node in 1..=8 {
            assert_eq!(machine.handle(at(0), NodeId(node), &parts[0]), vec![]);
        }
        // 61 bytes are missing: two segments.
        let busy = Output::Reply {
            node: NodeId(9),
            command: Command::SegmentWait(2),
        };
        assert_eq!(machine.handle(at(0), NodeId(9), &parts[0]), vec![busy]);
        // One that is finished makes room.
        machine.handle(at(1), NodeId(1), &parts[1]);
        machine.handle(at(1), NodeId(1), &parts[2]);
        assert_eq!(machine.handle(at(2), NodeId(9), &parts[0]), vec![]);
    }

    proptest! {
        /// The air repeats, reorders and loses segments; the sender answers each request and starts again when told.
        #[test]
        fn invariant_a_datagram_arrives_whole_and_once(
            len in 1usize..400,
            order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..30),
        ) {
            let bytes = datagram(len);
            let parts = segments(3, &bytes);
            let mut machine = Reassembler::default();
            let mut now = 0;
            let mut given = Vec::new();
            let mut queue: Vec<Command> = vec![parts[0].clone()];
            queue.extend(order.iter().filter(|(_, lost)| !lost).map(|(index, _)| index.get(&parts).clone()));
            queue.reverse();
            for _ in 0..200 {
                now += 10;
                let outputs = match queue.pop() {
                    Some(command) => machine.handle(at(now), NODE, &command),
                    None => match machine.next_deadline() {
                        Some(deadline) if given.is_empty() => {
                            now = now.max(deadline.as_micros() / 1000);
                            machine.tick(at(now))
                        }
                        _ => break,
                    },
                };
                for output in outputs {
                    match output {
                        Output::Datagram { bytes, .. } => given.push(bytes),
                        Output::Reply { command: Command::SegmentRequest(request), .. } => {
                            let index = usize::from(request.offset) / SEGMENT_BYTES;
                            queue.push(parts[index].clone());
                        }
                        Output::Reply { .. } => {}
                        Output::Lost { .. } => prop_assert!(false, "given up though every request was answered"),
                    }
                }
            }
            prop_assert_eq!(given, vec![bytes]);
        }

        #[test]
        fn invariant_any_segments_leave_the_limits_kept(
            input in prop::collection::vec((1u16..20, 0u8..4, 0u16..2048, 0u16..2048, 0usize..50, any::<bool>()), 0..60),
        ) {
            let mut machine = Reassembler::default();
            for (step, (node, session, datagram_size, offset, len, first)) in input.into_iter().enumerate() {
                let now = at(u64::try_from(step).unwrap() * 300);
                let payload = vec![0; len];
                let command = if first {
                    Command::FirstSegment(FirstSegment { datagram_size, session, extension: vec![], payload })
                } else {
                    Command::SubsequentSegment(SubsequentSegment { datagram_size, session, offset, extension: vec![], payload })
                };
                machine.handle(now, NodeId(node), &command);
                machine.tick(now);
                prop_assert!(machine.sessions.len() <= MAX_SENDERS);
                prop_assert!(machine.next_deadline().is_none_or(|deadline| deadline > now));
            }
        }
    }
}
