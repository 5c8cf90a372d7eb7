//! Replays what a foreign controller and foreign nodes sent each other (`tests/data/security-trace.txt`) and decrypts
//! every frame of both directions, as an onlooker who has all keys: interviews, actuation, codes, alarms, a lost
//! SPAN, an S2 inclusion with PIN, an S0 inclusion and a SmartStart inclusion.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the test is about few of the commands"
)]

use std::collections::BTreeMap;

use hubd_model::{Key128, MonoTime};

use super::Span;
use crate::security::crypto::ccm_open;
use crate::security::ecdh::KeyPair;
use crate::security::s0::{S0Keys, S0Link, open_frame};
use crate::security::s0_wire::{HalfNonce, S0Command};
use crate::security::s2_wire::{Encapsulation, EntropyInput, S2Command, split_plain};
use crate::security::vectors::{bytes, hex};
use crate::security::{Addressing, ClassSet, KeyRef, KeySet, NetworkKeys};
use crate::wire::serial::NodeId;

const TRACE: &str = include_str!("../../tests/data/security-trace.txt");
const HUB: u16 = 1;

fn network() -> NetworkKeys {
    NetworkKeys {
        s0: Key128::new(hex("0102030405060708090a0b0c0d0e0f10")),
        s2_unauthenticated: Key128::new([0x11; 16]),
        s2_authenticated: Key128::new([0x22; 16]),
        s2_access_control: Key128::new([0x33; 16]),
    }
}

/// One frame on the air.
struct Frame {
    at: MonoTime,
    src: u16,
    dst: u16,
    data: Vec<u8>,
}

fn frames() -> Vec<Frame> {
    let mut frames = Vec::new();
    for line in TRACE.lines().filter(|line| !line.contains('#')) {
        let mut words = line.split_whitespace();
        let (time, way, frame) = (
            words.next().expect("time"),
            words.next().expect("way"),
            words.next().expect("hex"),
        );
        let tenths: u64 = time.replace('.', "").parse().expect("milliseconds and tenths");
        let frame = bytes(frame);
        let node = u16::from(frame[5]);
        let (src, dst) = if way == "HOST>" { (HUB, node) } else { (node, HUB) };
        let data = frame[7..7 + usize::from(frame[6])].to_vec();
        frames.push(Frame {
            at: MonoTime::from_micros(tenths * 100),
            src,
            dst,
            data,
        });
    }
    frames
}

/// The private keys of the nodes that are included in the trace.
fn pairs() -> BTreeMap<u16, KeyPair> {
    let mut pairs = BTreeMap::new();
    for line in TRACE.lines().filter(|line| line.contains("# ecdh node")) {
        let (_, rest) = line.split_once("# ecdh node ").expect("marked");
        let (node, json) = rest.split_once(' ').expect("node and keys");
        let json: serde_json::Value = serde_json::from_str(json).expect("json");
        let pair = KeyPair::from_private(hex(json["priv"].as_str().expect("hex")));
        assert_eq!(pair.public(), &hex(json["pub"].as_str().expect("hex")));
        pairs.insert(node.parse().expect("node id"), pair);
    }
    pairs
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    opened: usize,
    unopened: usize,
    under_temp: usize,
    plain: usize,
}

#[test]
fn every_s2_frame_of_the_trace_opens() {
    let pairs = pairs();
    let mut temp: BTreeMap<u16, KeySet> = BTreeMap::new();
    let keys = network();
    let network = KeySet::network(&keys, ClassSet::ALL);
    let mut entropy: BTreeMap<(u16, u16), EntropyInput> = BTreeMap::new();
    let mut spans: BTreeMap<u16, (Span, KeySet)> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut commands: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    for frame in frames().iter().filter(|frame| frame.data.first() == Some(&0x9f)) {
        let node = frame.src.max(frame.dst);
        match S2Command::parse(&frame.data).expect("a Security 2 command") {
            S2Command::NonceReport(report) => {
                entropy.insert((frame.src, frame.dst), report.sos.expect("only singlecast"));
                tally.plain += 1;
            }
            S2Command::PublicKeyReport { including: true, key } => {
                let key = pairs[&node].temp_key_as_node(&key).expect("contributory");
                temp.insert(node, [key].into_iter().collect());
                tally.plain += 1;
            }
            S2Command::MessageEncapsulation(_) => {
                let sealed = Encapsulation::parse(&frame.data).expect("an encapsulation");
                let addr = Addressing {
                    home_id: 0x7e57_0001,
                    src: NodeId(frame.src),
                    dst: NodeId(frame.dst),
                };
                let aad = addr.authenticated(sealed.length, sealed.header);
                let tried: Vec<_> = temp
                    .get(&node)
                    .into_iter()
                    .chain([&network])
                    .flat_map(KeySet::iter)
                    .collect();
                let opened = match sealed.sender_entropy() {
                    Some(sender) => tried.iter().find_map(|key| {
                        let mut span = Span::new(key, &sender, entropy.get(&(frame.dst, frame.src))?);
                        let plain = ccm_open(&key.expanded().ccm, &span.drbg.nonce(), &aad, sealed.sealed)?;
                        spans.insert(node, (span, [(*key).clone()].into_iter().collect()));
                        Some((key.id(), plain))
                    }),
                    None => spans.get_mut(&node).and_then(|(span, keys)| {
                        let key = keys.get(span.key)?;
                        Some((key.id(), span.open(key, &sealed, &aad, frame.at)?))
                    }),
                };
                let Some((key, plain)) = opened else {
                    tally.unopened += 1;
                    continue;
                };
                tally.opened += 1;
                tally.under_temp += usize::from(key == KeyRef::Temp);
                let (_, command) = split_plain(&plain, sealed.encrypted_extensions).expect("well-formed");
                *commands.entry((command[0], command[1])).or_default() += 1;
                if let Ok(S2Command::NetworkKeyReport(class, key)) = S2Command::parse(command) {
                    assert_eq!(&key, keys.key(class), "the key that node {node} got");
                }
            }
            _ => tally.plain += 1,
        }
    }
    assert_eq!(
        tally,
        Tally {
            opened: 350,
            unopened: 0,
            under_temp: 12,
            plain: 39
        }
    );
    // Two nodes asked for one key each, proved that they got it and both sides said that this was all.
    let key_exchange: Vec<_> = (0x05..=0x0c)
        .map(|command| commands.get(&(0x9f, command)).copied())
        .collect();
    assert_eq!(
        key_exchange,
        [Some(2), Some(2), None, None, Some(2), Some(2), Some(2), Some(4)]
    );
    // Supervised commands and their answers, and codes that were set and read.
    assert_eq!(
        (commands[&(0x6c, 1)], commands[&(0x6c, 2)], commands[&(0x63, 4)]),
        (29, 15, 3)
    );
}

#[test]
fn every_s0_frame_of_the_trace_opens() {
    let (network, inclusion) = (S0Keys::new(&network().s0), S0Keys::inclusion());
    let mut issued: BTreeMap<(u16, u16, u8), HalfNonce> = BTreeMap::new();
    let (mut tally, mut set, mut verified) = (Tally::default(), 0, 0);
    for frame in frames().iter().filter(|frame| frame.data.first() == Some(&0x98)) {
        match S0Command::parse(&frame.data).expect("a Security 0 command") {
            S0Command::NonceReport(nonce) => {
                issued.insert((frame.src, frame.dst, nonce[0]), nonce);
                tally.plain += 1;
            }
            S0Command::Encapsulation(sealed) => {
                let link = S0Link::new(NodeId(frame.src), NodeId(frame.dst)).expect("8 bits");
                let opened = issued
                    .remove(&(frame.dst, frame.src, sealed.nonce_id))
                    .and_then(|nonce| {
                        let under = |keys| open_frame(keys, link, &sealed, nonce);
                        under(&network).or_else(|| under(&inclusion).inspect(|_| tally.under_temp += 1))
                    });
                let Some((header, plain)) = opened else {
                    tally.unopened += 1;
                    continue;
                };
                assert_eq!(header, 0, "not sequenced");
                tally.opened += 1;
                match S0Command::parse(&plain) {
                    Ok(S0Command::NetworkKeySet(key)) => {
                        assert_eq!(key, self::network().s0);
                        set += 1;
                    }
                    Ok(S0Command::NetworkKeyVerify) => verified += 1,
                    _ => {}
                }
            }
            _ => tally.plain += 1,
        }
    }
    assert_eq!((set, verified), (1, 1));
    assert_eq!(
        tally,
        Tally {
            opened: 96,
            unopened: 0,
            under_temp: 1,
            plain: 194
        }
    );
}
