//! Known answers of whole S2 frames, and two peers over a link that loses, repeats and crosses frames.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a link under test carries few of the commands"
)]

use std::collections::VecDeque;

use hubd_model::Key128;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::security::keys::{ClassSet, NetworkKeys, SecurityClass};
use crate::security::vectors::{Vectors, bytes, hex};

const HOME: u32 = 0x7e57_0001;
const HUB: NodeId = NodeId(1);
const LOCK: NodeId = NodeId(2);
const TO_LOCK: Addressing = Addressing {
    home_id: HOME,
    src: HUB,
    dst: LOCK,
};
const TO_HUB: Addressing = Addressing {
    home_id: HOME,
    src: LOCK,
    dst: HUB,
};
const CLASS: KeyRef = KeyRef::Class(SecurityClass::S2AccessControl);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn at(ms: u64) -> MonoTime {
    MonoTime::from_micros(1_000_000) + Millis(ms)
}

fn keys() -> KeySet {
    let keys = NetworkKeys::generate(&mut rng(99));
    KeySet::network(
        &keys,
        ClassSet::of(&[SecurityClass::S2AccessControl, SecurityClass::S2Unauthenticated]),
    )
}

fn key(keys: &KeySet) -> &SessionKey {
    keys.get(CLASS).expect("in the set")
}

#[test]
fn whole_frames_match_the_known_answers() {
    let vectors = Vectors::load();
    let frames = &vectors.json["s2_frames"];
    let text = |value: &serde_json::Value, name: &str| bytes(value[name].as_str().expect("hex"));
    let key = SessionKey::network(SecurityClass::S2AccessControl, &Key128::new(vectors.span.pnk));
    let span = Span::new(&key, &vectors.span.sender_ei, &vectors.span.receiver_ei);
    let keys: KeySet = [key.clone()].into_iter().collect();
    let mut hub = Spans::new();
    let mut lock = Spans::new();
    hub.peer(LOCK, at(0)).span = Some(span.clone());
    hub.peer(LOCK, at(0)).own_seq = Some(0x17);
    lock.peer(HUB, at(0)).span = Some(span);
    let frames = frames["frames"].as_array().expect("frames");
    assert_eq!(frames.len(), 4);
    for frame in frames {
        let plain = text(frame, "plain");
        let expected = text(frame, "encapsulated");
        assert_eq!(
            hub.encapsulate(TO_LOCK, &key, &plain, at(0), &mut rng(0)),
            Ok(expected.clone())
        );
        let opened = lock.decapsulate(TO_LOCK, &expected, &keys, at(0)).expect("opens");
        assert_eq!((opened.plain.expose(), opened.key), (plain.as_slice(), CLASS));
    }
}

/// Lets `from` ask `to` for a nonce.
fn exchange(from: &mut Spans, to: &mut Spans, addr: Addressing, now: MonoTime, rng: &mut ChaCha20Rng) {
    let Ok(S2Command::NonceGet { seq }) = S2Command::parse(&from.nonce_get(addr.dst, rng, now)) else {
        panic!("a Nonce Get")
    };
    to.on_nonce_get(addr.src, seq, now).expect("new");
    answer(to, from, addr.reversed(), now, rng);
}

/// Lets `from` send `to` a nonce.
fn answer(from: &mut Spans, to: &mut Spans, addr: Addressing, now: MonoTime, rng: &mut ChaCha20Rng) {
    let Ok(S2Command::NonceReport(report)) = S2Command::parse(&from.nonce_report(addr.dst, rng, now)) else {
        panic!("a Nonce Report")
    };
    to.on_nonce_report(addr.src, &report, now).expect("new");
}

struct Pair {
    hub: Spans,
    lock: Spans,
    keys: KeySet,
    rng: ChaCha20Rng,
}

fn pair() -> Pair {
    let mut rng = rng(7);
    let (mut hub, mut lock) = (Spans::new(), Spans::new());
    let keys = keys();
    exchange(&mut hub, &mut lock, TO_LOCK, at(0), &mut rng);
    let frame = hub
        .encapsulate(TO_LOCK, key(&keys), b"b\x02", at(0), &mut rng)
        .expect("nonce known");
    assert_eq!(frame[3], 0x01, "carries the SPAN extension");
    lock.decapsulate(TO_LOCK, &frame, &keys, at(0)).expect("opens");
    Pair { hub, lock, keys, rng }
}

#[test]
fn without_a_nonce_nothing_is_sent() {
    let keys = keys();
    let mut spans = Spans::new();
    assert_eq!(
        spans.encapsulate(TO_LOCK, key(&keys), b"b\x02", at(0), &mut rng(1)),
        Err(SealError::NoSpan(LOCK))
    );
    assert!(!spans.can_seal(LOCK, CLASS));
}

#[test]
fn an_established_span_serves_both_directions() {
    let Pair {
        mut hub,
        mut lock,
        keys,
        mut rng,
    } = pair();
    for step in 0..40_u8 {
        let frame = lock
            .encapsulate(TO_HUB, key(&keys), &[0x62, step], at(10), &mut rng)
            .expect("established");
        assert_eq!(frame[3], 0, "no extension");
        let opened = hub.decapsulate(TO_HUB, &frame, &keys, at(10)).expect("opens");
        assert_eq!(opened.plain.expose(), [0x62, step]);
        let frame = hub
            .encapsulate(TO_LOCK, key(&keys), &[0x63, step], at(10), &mut rng)
            .expect("established");
        assert!(lock.decapsulate(TO_LOCK, &frame, &keys, at(10)).is_ok());
    }
    assert_eq!(hub.established(LOCK), Some(CLASS));
}

#[test]
fn another_key_needs_a_new_span() {
    let Pair {
        mut hub,
        keys,
        mut rng,
        ..
    } = pair();
    let other = keys
        .get(KeyRef::Class(SecurityClass::S2Unauthenticated))
        .expect("in the set");
    assert!(!hub.can_seal(LOCK, other.id()));
    assert_eq!(
        hub.encapsulate(TO_LOCK, other, b"b\x02", at(0), &mut rng),
        Err(SealError::NoSpan(LOCK))
    );
}

#[test]
fn a_repeated_frame_is_dropped_and_a_wrong_sender_is_not_believed() {
    let Pair {
        mut hub,
        mut lock,
        keys,
        mut rng,
    } = pair();
    let frame = lock
        .encapsulate(TO_HUB, key(&keys), b"b\x03", at(1), &mut rng)
        .expect("established");
    let other = Addressing {
        src: NodeId(3),
        ..TO_HUB
    };
    assert_eq!(
        hub.decapsulate(other, &frame, &keys, at(1)),
        Err(S2Error::OutOfSync(NodeId(3)))
    );
    assert!(hub.decapsulate(TO_HUB, &frame, &keys, at(1)).is_ok());
    assert_eq!(
        hub.decapsulate(TO_HUB, &frame, &keys, at(1)),
        Err(S2Error::Duplicate(LOCK))
    );
    assert_eq!(
        hub.decapsulate(TO_HUB, &frame, &keys, at(60_000)),
        Err(S2Error::Duplicate(LOCK))
    );
}

#[test]
fn a_frame_repeated_after_its_successors_does_no_harm() {
    let Pair {
        mut hub,
        mut lock,
        keys,
        mut rng,
    } = pair();
    let mut frames = Vec::new();
    for id in 0..4 {
        let frame = lock
            .encapsulate(TO_HUB, key(&keys), &[0x62, id], at(1), &mut rng)
            .expect("established");
        assert!(hub.decapsulate(TO_HUB, &frame, &keys, at(1)).is_ok());
        frames.push(frame);
    }
    for frame in frames {
        assert_eq!(
            hub.decapsulate(TO_HUB, &frame, &keys, at(900)),
            Err(S2Error::Duplicate(LOCK))
        );
    }
    assert!(hub.can_seal(LOCK, CLASS), "still in step");
}

#[test]
fn up_to_four_lost_frames_are_skipped_and_more_ask_for_a_new_start() {
    for lost in 0..8 {
        let Pair {
            mut hub,
            mut lock,
            keys,
            mut rng,
        } = pair();
        for _ in 0..lost {
            lock.encapsulate(TO_HUB, key(&keys), b"b\x03", at(1), &mut rng)
                .expect("established");
        }
        let frame = lock
            .encapsulate(TO_HUB, key(&keys), b"b\x03\xff", at(1), &mut rng)
            .expect("established");
        let result = hub.decapsulate(TO_HUB, &frame, &keys, at(1));
        if lost < 5 {
            assert!(result.is_ok(), "{lost} lost");
            continue;
        }
        assert_eq!(result, Err(S2Error::OutOfSync(LOCK)), "{lost} lost");
        assert_eq!(
            hub.decapsulate(TO_HUB, &frame, &keys, at(1)),
            Err(S2Error::Duplicate(LOCK)),
            "one answer"
        );
        answer(&mut hub, &mut lock, TO_LOCK, at(1), &mut rng);
        let frame = lock
            .encapsulate(TO_HUB, key(&keys), b"b\x03\xff", at(1), &mut rng)
            .expect("nonce known");
        assert!(hub.decapsulate(TO_HUB, &frame, &keys, at(1)).is_ok());
    }
}

#[test]
fn frames_that_cross_on_the_air_both_open() {
    let Pair {
        mut hub,
        mut lock,
        keys,
        mut rng,
    } = pair();
    let down = hub
        .encapsulate(TO_LOCK, key(&keys), b"b\x01\x00", at(5), &mut rng)
        .expect("established");
    let up = lock
        .encapsulate(TO_HUB, key(&keys), b"q\x05", at(5), &mut rng)
        .expect("established");
    assert!(hub.decapsulate(TO_HUB, &up, &keys, at(40)).is_ok());
    assert!(lock.decapsulate(TO_LOCK, &down, &keys, at(40)).is_ok());
    let next = lock
        .encapsulate(TO_HUB, key(&keys), b"q\x05", at(50), &mut rng)
        .expect("established");
    assert!(
        hub.decapsulate(TO_HUB, &next, &keys, at(50)).is_ok(),
        "still in step"
    );
}

#[test]
fn a_frame_that_crossed_long_ago_does_not_open() {
    let Pair {
        mut hub,
        mut lock,
        keys,
        mut rng,
    } = pair();
    hub.encapsulate(TO_LOCK, key(&keys), b"b\x01\x00", at(5), &mut rng)
        .expect("established");
    let up = lock
        .encapsulate(TO_HUB, key(&keys), b"q\x05", at(5), &mut rng)
        .expect("established");
    assert_eq!(
        hub.decapsulate(TO_HUB, &up, &keys, at(505)),
        Err(S2Error::OutOfSync(LOCK))
    );
}

#[test]
fn a_peer_that_restarts_with_the_same_count_is_heard() {
    for restarted_sends in [false, true] {
        let Pair {
            hub,
            mut lock,
            keys,
            mut rng,
        } = pair();
        let last = hub.peers[&LOCK].own_seq;
        let mut restarted = Spans::new();
        if restarted_sends {
            exchange(&mut restarted, &mut lock, TO_LOCK, at(20), &mut rng);
        } else {
            exchange(&mut lock, &mut restarted, TO_HUB, at(20), &mut rng);
            let frame = lock
                .encapsulate(TO_HUB, key(&keys), b"b\x03", at(21), &mut rng)
                .expect("nonce known");
            assert!(restarted.decapsulate(TO_HUB, &frame, &keys, at(21)).is_ok());
        }
        restarted.peer(LOCK, at(22)).own_seq = last.map(|seq| seq.wrapping_sub(1));
        let frame = restarted
            .encapsulate(TO_LOCK, key(&keys), b"b\x02", at(22), &mut rng)
            .expect("established");
        assert_eq!(Some(frame[2]), last);
        assert!(lock.decapsulate(TO_LOCK, &frame, &keys, at(22)).is_ok());
    }
}

#[test]
fn forged_frames_and_requests_do_not_destroy_a_span() {
    let Pair {
        mut hub,
        mut lock,
        keys,
        mut rng,
    } = pair();
    let forged = [&[0x9f, 0x03, 0x77, 0x00][..], &[0x55; 20]].concat();
    assert_eq!(
        hub.decapsulate(TO_HUB, &forged, &keys, at(1)),
        Err(S2Error::OutOfSync(LOCK))
    );
    hub.nonce_report(LOCK, &mut rng, at(1));
    let frame = lock
        .encapsulate(TO_HUB, key(&keys), b"b\x03", at(2), &mut rng)
        .expect("established");
    assert!(hub.decapsulate(TO_HUB, &frame, &keys, at(2)).is_ok());
}

#[test]
fn long_range_ids_take_two_bytes_each() {
    let addr = Addressing {
        home_id: HOME,
        src: NodeId(1),
        dst: NodeId(0x0102),
    };
    assert_eq!(
        addr.authenticated(0x0203, &[9]),
        hex::<11>("000101027e57000102 03 09".replace(' ', "").as_str())
    );
    assert_eq!(
        TO_LOCK.authenticated(0x0203, &[9]),
        hex::<9>("01027e570001020309")
    );
}

#[test]
fn peers_that_nobody_needs_are_forgotten() {
    let mut spans = Spans::new();
    for id in 0..2000_u16 {
        spans.nonce_report(NodeId(id), &mut rng(1), at(id.into()));
    }
    assert_eq!(spans.peers.len(), PEERS_MAX);
    assert!(spans.peers.contains_key(&NodeId(1999)));
}

/// What may happen next on the link.
#[derive(Debug, Clone)]
enum Step {
    Send { from_hub: bool },
    Deliver { to_hub: bool, lose: bool, repeat: bool },
    Forget { hub: bool },
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|from_hub| Step::Send { from_hub }),
        6 => (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(to_hub, lose, repeat)| Step::Deliver { to_hub, lose, repeat }),
        1 => any::<bool>().prop_map(|hub| Step::Forget { hub }),
        2 => (0..800_u16).prop_map(Step::Wait),
    ]
}

/// One side with what it still wants to send, as a host would have it.
struct Side {
    spans: Spans,
    addr: Addressing,
    inbox: VecDeque<Vec<u8>>,
    wants: VecDeque<u8>,
    last: Option<u8>,
    heard: Vec<u8>,
    resyncs: u32,
}

impl Side {
    fn new(addr: Addressing) -> Self {
        Self {
            spans: Spans::new(),
            addr,
            inbox: VecDeque::new(),
            wants: VecDeque::new(),
            last: None,
            heard: Vec::new(),
            resyncs: 0,
        }
    }

    /// What this side puts on the air to get on.
    fn send(&mut self, keys: &KeySet, now: MonoTime, rng: &mut ChaCha20Rng) -> Option<Vec<u8>> {
        let id = *self.wants.front()?;
        match self.spans.encapsulate(self.addr, key(keys), &[id], now, rng) {
            Ok(frame) => {
                self.last = self.wants.pop_front();
                Some(frame)
            }
            Err(_) => Some(self.spans.nonce_get(self.addr.dst, rng, now)),
        }
    }

    fn receive(&mut self, keys: &KeySet, now: MonoTime, rng: &mut ChaCha20Rng) -> Option<Vec<u8>> {
        let bytes = self.inbox.pop_front()?;
        let from = self.addr.dst;
        match S2Command::parse(&bytes).expect("only S2 on this link") {
            S2Command::NonceGet { seq } => {
                self.spans.on_nonce_get(from, seq, now).ok()?;
                Some(self.spans.nonce_report(from, rng, now))
            }
            S2Command::NonceReport(report) => {
                self.spans.on_nonce_report(from, &report, now).ok()?;
                if let Some(id) = self.last.take() {
                    self.wants.push_front(id);
                }
                self.send(keys, now, rng)
            }
            S2Command::MessageEncapsulation(frame) => {
                match self.spans.decapsulate(self.addr.reversed(), &frame, keys, now) {
                    Ok(opened) => {
                        self.heard.extend_from_slice(opened.plain.expose());
                        None
                    }
                    Err(S2Error::OutOfSync(_) | S2Error::WrongKey(_)) => {
                        self.resyncs += 1;
                        Some(self.spans.nonce_report(from, rng, now))
                    }
                    Err(_) => None,
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    /// Whatever was lost, repeated or crossed before: on a link that delivers again, the next command of either side
    /// arrives with at most one new start, and no command is ever delivered twice without being sent twice.
    #[test]
    fn invariant_two_sides_always_find_each_other_again(
        steps in prop::collection::vec(step(), 0..80),
        seed in any::<u64>(),
        hub_first in any::<bool>(),
    ) {
        let mut rng = rng(seed);
        let keys = keys();
        let mut sides = [Side::new(TO_LOCK), Side::new(TO_HUB)];
        let mut now = at(0);
        for (id, step) in (0_u8..).zip(steps) {
            match step {
                Step::Send { from_hub } => {
                    let (me, other) = if from_hub { (0, 1) } else { (1, 0) };
                    sides[me].wants.push_back(id);
                    let frame = sides[me].send(&keys, now, &mut rng);
                    sides[other].inbox.extend(frame);
                }
                Step::Deliver { to_hub, lose, repeat } => {
                    let (me, other) = if to_hub { (0, 1) } else { (1, 0) };
                    if lose {
                        sides[me].inbox.pop_front();
                        continue;
                    }
                    if repeat && let Some(frame) = sides[me].inbox.front().cloned() {
                        sides[me].inbox.push_front(frame);
                        let answer = sides[me].receive(&keys, now, &mut rng);
                        sides[other].inbox.extend(answer);
                        let heard = sides[me].heard.len();
                        let resyncs = sides[me].resyncs;
                        let answer = sides[me].receive(&keys, now, &mut rng);
                        prop_assert_eq!(sides[me].heard.len(), heard);
                        prop_assert_eq!(sides[me].resyncs, resyncs);
                        sides[other].inbox.extend(answer);
                        continue;
                    }
                    let answer = sides[me].receive(&keys, now, &mut rng);
                    sides[other].inbox.extend(answer);
                }
                Step::Forget { hub } => sides[usize::from(!hub)].spans = Spans::new(),
                Step::Wait(ms) => now = now + Millis(ms.into()),
            }
        }
        // The air falls silent, long enough that no restarted counter looks like a repetition; then it is clear.
        now = now + Millis(20_000);
        for side in &mut sides {
            side.inbox.clear();
            side.wants.clear();
            side.last = None;
            side.resyncs = 0;
        }
        for me in if hub_first { [0, 1] } else { [1, 0] } {
            let other = 1 - me;
            let before = sides[0].resyncs + sides[1].resyncs;
            sides[me].wants.push_back(0xee);
            sides[other].heard.clear();
            let frame = sides[me].send(&keys, now, &mut rng);
            sides[other].inbox.extend(frame);
            for _ in 0..12 {
                for (me, other) in [(0, 1), (1, 0)] {
                    let answer = sides[me].receive(&keys, now, &mut rng);
                    sides[other].inbox.extend(answer);
                }
            }
            sides[me].last = None;
            prop_assert_eq!(&sides[other].heard, &[0xee]);
            prop_assert!(sides[0].resyncs + sides[1].resyncs <= before + 1);
        }
    }

    #[test]
    fn any_bytes_decapsulate_without_panic(frame in prop::collection::vec(any::<u8>(), 0..64), command in any::<bool>()) {
        let Pair { mut hub, keys, .. } = pair();
        let frame = if command { [&[0x9f, 0x03][..], &frame].concat() } else { frame };
        prop_assert!(hub.decapsulate(TO_HUB, &frame, &keys, at(1)).is_err());
    }
}
