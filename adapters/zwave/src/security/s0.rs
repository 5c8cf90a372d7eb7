//! S0 sessions: nonces that are used once and die young, frames, and commands in two frames.
//!
//! A sender asks the receiver for a nonce (Nonce Get, Nonce Report) and may use it for one frame:
//!
//! ```text
//!  sender                      receiver
//!    | -- Nonce Get -------------> |   S0::issue
//!    | <------------ Nonce Report  |
//!    | -- Encapsulation ---------> |   S0::open
//! ```
//!
//! Used by the controller and by simulated devices alike.
//!
//! Spec: CC:0098

use std::collections::BTreeMap;

use hubd_model::{Key128, Millis, MonoTime, SecretBytes};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::crypto::{Block, aes_block, cbc_mac, ofb, same};
use super::s0_wire::{HalfNonce, S0Command, S0Encapsulation, S0WireError};
use crate::wire::serial::NodeId;

/// How long an own nonce may be used: within the 3 to 20 seconds that the command class allows, as a slow route needs several.
///
/// Spec: CC:0098, Nonce Report
pub const NONCE_LIFETIME: Millis = Millis(10_000);
/// How long a peer's nonce is used: what every peer must allow.
const PEER_NONCE_LIFETIME: Millis = Millis(3_000);
/// How many own nonces a peer may hold; a further one takes the place of the oldest.
const NONCES_PER_PEER: usize = 4;
/// How many own nonces there may be in all.
const NONCES_MAX: usize = 256;
/// How many half commands, and how many received nonces, may wait.
const WAITING_MAX: usize = 256;
/// How long the first half of a command waits for the second.
const HALF_LIFETIME: Millis = Millis(10_000);
/// The longest plaintext in one frame: a frame's 46 bytes less the encapsulation's 20.
///
/// Spec: CC:0098.01.81, ITU-T G.9959 MPDU length
pub const PART_MAX: usize = 26;

/// The two keys that an S0 network key gives.
#[derive(Debug, Clone)]
pub struct S0Keys {
    encryption: Key128,
    authentication: Key128,
}

impl S0Keys {
    /// Derives them.
    ///
    /// Spec: CC:0098, key derivation
    pub fn new(network_key: &Key128) -> Self {
        let derive = |tag: u8| Key128::new(aes_block(network_key.expose(), &[tag; 16]));
        Self {
            encryption: derive(0xaa),
            authentication: derive(0x55),
        }
    }

    /// The keys under which a joining node gets the network key: of the key that is all zero.
    pub fn inclusion() -> Self {
        Self::new(&Key128::new([0; 16]))
    }
}

/// Who sends and who reads; part of what a frame authenticates. S0 knows no Long Range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S0Link {
    /// Who sends.
    pub src: u8,
    /// Who shall read.
    pub dst: u8,
}

impl S0Link {
    /// Between two nodes; `None` when one of them is a Long Range node.
    pub fn new(src: NodeId, dst: NodeId) -> Option<Self> {
        Some(Self {
            src: u8::try_from(src.0).ok()?,
            dst: u8::try_from(dst.0).ok()?,
        })
    }
}

/// Why a command was not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S0SealError {
    /// The peer's nonce is missing or too old: send a Nonce Get first.
    #[error("no fresh S0 nonce from node {0}; ask the node for one")]
    NoNonce(u8),
    /// Too long even for two frames.
    #[error("a command of {0} bytes does not fit into two S0 frames")]
    TooLong(usize),
}

/// Why a received frame gave no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S0Error {
    /// Malformed: drop it.
    #[error("dropped a frame: {0}")]
    Wire(#[from] S0WireError),
    /// Its nonce was never issued, is used up or too old: drop it.
    #[error("dropped a frame from node {0}: its nonce is not valid (any more)")]
    NoNonce(u8),
    /// It does not authenticate: drop it.
    #[error("dropped a frame from node {0}: it does not authenticate")]
    NotAuthentic(u8),
    /// A second half without its first.
    #[error("dropped the second half of a command from node {0}: the first half did not arrive")]
    NoFirstHalf(u8),
}

/// What a frame gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S0Opened {
    /// The command, when this frame completes one.
    pub plain: Option<SecretBytes>,
    /// The sender wants a nonce for its next frame: answer with [`S0::issue`].
    pub wants_nonce: bool,
}

/// One frame's share of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    header: u8,
    bytes: SecretBytes,
    more: bool,
}

impl Part {
    /// Whether another part follows; its frame must ask for the next nonce.
    pub const fn is_followed(&self) -> bool {
        self.more
    }
}

const SEQUENCED: u8 = 0x10;
const SECOND: u8 = 0x20;

/// Splits a command for the air: one part, or two that carry the low four bits of `counter`.
///
/// # Errors
/// When two frames do not hold it.
pub fn split(plain: &[u8], counter: u8) -> Result<Vec<Part>, S0SealError> {
    let part = |header, bytes: &[u8], more| Part {
        header,
        bytes: SecretBytes::new(bytes.to_vec()),
        more,
    };
    let sequence = counter & 0x0f;
    match plain.split_at_checked(PART_MAX) {
        None | Some((_, [])) => Ok(vec![part(0, plain, false)]),
        Some((first, second)) if second.len() <= PART_MAX => Ok(vec![
            part(SEQUENCED | sequence, first, true),
            part(SEQUENCED | SECOND | sequence, second, false),
        ]),
        Some(_) => Err(S0SealError::TooLong(plain.len())),
    }
}

fn vector(sender: HalfNonce, receiver: HalfNonce) -> Block {
    let mut iv = [0; 16];
    let (low, high) = iv.split_at_mut(8);
    low.copy_from_slice(&sender);
    high.copy_from_slice(&receiver);
    iv
}

fn authenticator(keys: &S0Keys, link: S0Link, frame: &S0Encapsulation, iv: &Block) -> [u8; 8] {
    let mut data = iv.to_vec();
    // A frame never carries 256 bytes; if it did, the authenticator would not match.
    let length = u8::try_from(frame.ciphertext.len()).unwrap_or(u8::MAX);
    data.extend_from_slice(&[frame.command(), link.src, link.dst, length]);
    data.extend_from_slice(&frame.ciphertext);
    cbc_mac(&keys.authentication, &data)
}

/// Encrypts one part for a receiver whose nonce is at hand.
pub fn seal<R: CryptoRng + ?Sized>(
    keys: &S0Keys,
    link: S0Link,
    part: &Part,
    receiver_nonce: HalfNonce,
    rng: &mut R,
) -> Vec<u8> {
    let mut sender_nonce = [0; 8];
    rng.fill_bytes(&mut sender_nonce);
    let iv = vector(sender_nonce, receiver_nonce);
    let mut text = Zeroizing::new(vec![part.header]);
    text.extend_from_slice(part.bytes.expose());
    ofb(&keys.encryption, &iv, &mut text);
    let [nonce_id, ..] = receiver_nonce;
    let mut frame = S0Encapsulation {
        wants_nonce: part.more,
        sender_nonce,
        ciphertext: text.to_vec(),
        nonce_id,
        mac: [0; 8],
    };
    frame.mac = authenticator(keys, link, &frame, &iv);
    S0Command::Encapsulation(frame).emit()
}

/// Decrypts one frame with the nonce it names: the frame header and the share of the command.
pub(super) fn open_frame(
    keys: &S0Keys,
    link: S0Link,
    frame: &S0Encapsulation,
    nonce: HalfNonce,
) -> Option<(u8, Vec<u8>)> {
    let iv = vector(frame.sender_nonce, nonce);
    if !same(&authenticator(keys, link, frame, &iv), &frame.mac) {
        return None;
    }
    let mut text = Zeroizing::new(frame.ciphertext.clone());
    ofb(&keys.encryption, &iv, &mut text);
    let (header, bytes) = text.split_first()?;
    Some((*header, bytes.to_vec()))
}

#[derive(Debug)]
struct Issued {
    peer: u8,
    nonce: HalfNonce,
    at: MonoTime,
}

/// The nonces that a node gave out: each for one peer, one frame and [`NONCE_LIFETIME`].
#[derive(Debug, Default)]
pub struct NonceTable {
    issued: Vec<Issued>,
}

impl NonceTable {
    /// A new nonce for a peer.
    pub fn issue<R: CryptoRng + ?Sized>(&mut self, peer: u8, now: MonoTime, rng: &mut R) -> HalfNonce {
        self.issued.retain(|issued| now.since(issued.at) < NONCE_LIFETIME);
        if self.issued.iter().filter(|issued| issued.peer == peer).count() >= NONCES_PER_PEER
            && let Some(oldest) = self.issued.iter().position(|issued| issued.peer == peer)
        {
            self.issued.remove(oldest);
        }
        if self.issued.len() >= NONCES_MAX {
            self.issued.remove(0);
        }
        let mut nonce = [0; 8];
        rng.fill_bytes(&mut nonce);
        // A frame names its nonce by the first byte, so no two of one peer's may share it.
        let [id, ..] = &mut nonce;
        while self
            .issued
            .iter()
            .any(|issued| issued.peer == peer && issued.nonce.first() == Some(id))
        {
            *id = id.wrapping_add(1);
        }
        self.issued.push(Issued { peer, nonce, at: now });
        nonce
    }

    /// Uses up the nonce that a peer's frame names.
    pub fn take(&mut self, peer: u8, nonce_id: u8, now: MonoTime) -> Option<HalfNonce> {
        let is_it = |issued: &Issued| issued.peer == peer && issued.nonce.first() == Some(&nonce_id);
        let issued = self.issued.remove(self.issued.iter().position(is_it)?);
        (now.since(issued.at) < NONCE_LIFETIME).then_some(issued.nonce)
    }
}

#[derive(Debug)]
struct Half {
    header: u8,
    bytes: SecretBytes,
    at: MonoTime,
}

/// The S0 sessions of one node with all its peers.
#[derive(Debug, Default)]
pub struct S0 {
    own: NonceTable,
    received: BTreeMap<u8, (HalfNonce, MonoTime)>,
    halves: BTreeMap<u8, Half>,
    counter: u8,
}

impl S0 {
    /// Without any session.
    pub fn new() -> Self {
        Self::default()
    }

    /// A Nonce Report for a peer, to be sent plain: the answer to its Nonce Get.
    pub fn issue<R: CryptoRng + ?Sized>(&mut self, peer: u8, now: MonoTime, rng: &mut R) -> Vec<u8> {
        S0Command::NonceReport(self.own.issue(peer, now, rng)).emit()
    }

    /// Takes a peer's Nonce Report, for the next frame to it.
    pub fn on_nonce_report(&mut self, peer: u8, nonce: HalfNonce, now: MonoTime) {
        self.received
            .retain(|_, (_, at)| now.since(*at) < PEER_NONCE_LIFETIME);
        if self.received.len() < WAITING_MAX {
            self.received.insert(peer, (nonce, now));
        }
    }

    /// Whether a frame to this peer can be encrypted without asking for a nonce first.
    pub fn can_seal(&self, peer: u8, now: MonoTime) -> bool {
        self.received
            .get(&peer)
            .is_some_and(|(_, at)| now.since(*at) < PEER_NONCE_LIFETIME)
    }

    /// Splits a command for the air; each part goes through [`Self::seal`] with a nonce of its own.
    ///
    /// # Errors
    /// When two frames do not hold it.
    pub fn split(&mut self, plain: &[u8]) -> Result<Vec<Part>, S0SealError> {
        self.counter = self.counter.wrapping_add(1);
        split(plain, self.counter)
    }

    /// Encrypts one part with the peer's nonce, which it uses up.
    ///
    /// # Errors
    /// [`S0SealError::NoNonce`]: ask for a nonce first.
    pub fn seal<R: CryptoRng + ?Sized>(
        &mut self,
        keys: &S0Keys,
        link: S0Link,
        part: &Part,
        now: MonoTime,
        rng: &mut R,
    ) -> Result<Vec<u8>, S0SealError> {
        match self.received.remove(&link.dst) {
            Some((nonce, at)) if now.since(at) < PEER_NONCE_LIFETIME => {
                Ok(seal(keys, link, part, nonce, rng))
            }
            _ => Err(S0SealError::NoNonce(link.dst)),
        }
    }

    /// Decrypts a frame and puts a command in two frames together.
    ///
    /// # Errors
    /// When the frame is to be dropped. A nonce it named is used up all the same.
    pub fn open(
        &mut self,
        keys: &S0Keys,
        link: S0Link,
        frame: &S0Encapsulation,
        now: MonoTime,
    ) -> Result<S0Opened, S0Error> {
        let nonce = self
            .own
            .take(link.src, frame.nonce_id, now)
            .ok_or(S0Error::NoNonce(link.src))?;
        let (header, bytes) = open_frame(keys, link, frame, nonce).ok_or(S0Error::NotAuthentic(link.src))?;
        let bytes = SecretBytes::new(bytes);
        self.halves.retain(|_, half| now.since(half.at) < HALF_LIFETIME);
        let plain = match (header & SEQUENCED != 0, header & SECOND != 0) {
            (false, _) => Some(bytes),
            (true, false) => {
                if self.halves.len() < WAITING_MAX || self.halves.contains_key(&link.src) {
                    self.halves.insert(
                        link.src,
                        Half {
                            header,
                            bytes,
                            at: now,
                        },
                    );
                }
                None
            }
            (true, true) => match self.halves.remove(&link.src) {
                Some(first) if first.header & 0x0f == header & 0x0f => {
                    Some(SecretBytes::new([first.bytes.expose(), bytes.expose()].concat()))
                }
                _ => return Err(S0Error::NoFirstHalf(link.src)),
            },
        };
        Ok(S0Opened {
            plain,
            wants_nonce: frame.wants_nonce,
        })
    }

    /// Forgets a peer that left the network.
    pub fn forget(&mut self, peer: u8) {
        self.own.issued.retain(|issued| issued.peer != peer);
        self.received.remove(&peer);
        self.halves.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::vectors::{Vectors, bytes, hex};
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    const DOWN: S0Link = S0Link { src: 1, dst: 4 };
    const UP: S0Link = S0Link { src: 4, dst: 1 };

    fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    fn at(ms: u64) -> MonoTime {
        MonoTime::default() + Millis(ms)
    }

    fn keys() -> S0Keys {
        S0Keys::new(&Key128::new([7; 16]))
    }

    fn encapsulation(bytes: &[u8]) -> S0Encapsulation {
        match S0Command::parse(bytes) {
            Ok(S0Command::Encapsulation(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_and_a_whole_frame_match_the_known_answers() {
        let json = Vectors::load().json;
        let text = |section: &str, name: &str| bytes(json[section][name].as_str().expect("hex"));
        let keys = S0Keys::new(&Key128::new(hex(json["s0"]["network_key"]
            .as_str()
            .expect("hex"))));
        assert_eq!(keys.authentication.expose().to_vec(), text("s0", "auth_key"));
        assert_eq!(keys.encryption.expose().to_vec(), text("s0", "enc_key"));
        let frame = encapsulation(&text("s0_frame", "encapsulated"));
        let nonce: HalfNonce = text("s0_frame", "receiver_nonce").try_into().expect("8");
        let (header, plain) = open_frame(&keys, DOWN, &frame, nonce).expect("authentic");
        assert_eq!((header, plain), (0, text("s0_frame", "plain")));
    }

    /// Sends a command as two hosts would; `true` when it arrived whole.
    fn send(
        from: &mut S0,
        to: &mut S0,
        plain: &[u8],
        now: MonoTime,
        rng: &mut ChaCha20Rng,
    ) -> Option<SecretBytes> {
        let mut arrived = None;
        for part in from.split(plain).expect("fits") {
            let Ok(S0Command::NonceReport(nonce)) = S0Command::parse(&to.issue(UP.src, now, rng)) else {
                panic!("a Nonce Report")
            };
            from.on_nonce_report(UP.dst, nonce, now);
            let frame = encapsulation(&from.seal(&keys(), UP, &part, now, rng).expect("nonce at hand"));
            let opened = to.open(&keys(), UP, &frame, now).expect("authentic");
            assert_eq!(opened.wants_nonce, part.is_followed());
            arrived = opened.plain;
        }
        arrived
    }

    proptest! {
        #[test]
        fn a_command_of_any_length_arrives(plain in prop::collection::vec(any::<u8>(), 1..=2 * PART_MAX), seed in any::<u64>()) {
            let arrived = send(&mut S0::new(), &mut S0::new(), &plain, at(0), &mut rng(seed));
            prop_assert_eq!(arrived, Some(SecretBytes::new(plain)));
        }

        #[test]
        fn any_frame_opens_without_panic(ciphertext in prop::collection::vec(any::<u8>(), 0..300), seed in any::<u64>()) {
            let mut hub = S0::new();
            let nonce = hub.own.issue(UP.src, at(0), &mut rng(seed));
            let frame = S0Encapsulation { wants_nonce: false, sender_nonce: [0; 8], ciphertext, nonce_id: nonce[0], mac: [0; 8] };
            prop_assert!(hub.open(&keys(), UP, &frame, at(0)).is_err());
        }
    }

    #[test]
    fn a_command_too_long_for_two_frames_is_refused() {
        assert_eq!(S0::new().split(&[0; 53]), Err(S0SealError::TooLong(53)));
    }

    #[test]
    fn a_nonce_opens_one_frame_of_one_peer_and_only_for_a_while() {
        let keys = keys();
        let part = &split(&[0x62, 0x02], 0).expect("short")[0];
        let mut hub = S0::new();
        let frame = |hub: &mut S0, rng: &mut ChaCha20Rng| {
            let nonce = hub.own.issue(UP.src, at(0), rng);
            encapsulation(&seal(&keys, UP, part, nonce, rng))
        };
        let mut rng = rng(1);
        let first = frame(&mut hub, &mut rng);
        assert!(hub.open(&keys, UP, &first, at(9_999)).is_ok());
        assert_eq!(
            hub.open(&keys, UP, &first, at(9_999)),
            Err(S0Error::NoNonce(4)),
            "used up"
        );
        let late = frame(&mut hub, &mut rng);
        assert_eq!(
            hub.open(&keys, UP, &late, at(10_000)),
            Err(S0Error::NoNonce(4)),
            "too old"
        );
        let foreign = frame(&mut hub, &mut rng);
        assert_eq!(
            hub.open(&keys, S0Link { src: 5, dst: 1 }, &foreign, at(0)),
            Err(S0Error::NoNonce(5))
        );
        let mut forged = frame(&mut hub, &mut rng);
        forged.ciphertext[1] ^= 1;
        assert_eq!(hub.open(&keys, UP, &forged, at(0)), Err(S0Error::NotAuthentic(4)));
        let readdressed = frame(&mut hub, &mut rng);
        assert_eq!(
            hub.open(&keys, S0Link { src: 4, dst: 9 }, &readdressed, at(0)),
            Err(S0Error::NotAuthentic(4))
        );
    }

    #[test]
    fn a_second_half_needs_its_own_first_half() {
        let mut rng = rng(3);
        let (mut lock, mut hub) = (S0::new(), S0::new());
        let parts = split(&[0x77; 40], 3).expect("two");
        let other = split(&[0x77; 40], 4).expect("two");
        let mut open = |part: &Part, hub: &mut S0| {
            lock.on_nonce_report(1, hub.own.issue(4, at(0), &mut rng), at(0));
            let frame = encapsulation(&lock.seal(&keys(), UP, part, at(0), &mut rng).expect("nonce"));
            hub.open(&keys(), UP, &frame, at(0)).map(|opened| opened.plain)
        };
        assert_eq!(open(&parts[1], &mut hub), Err(S0Error::NoFirstHalf(4)));
        assert_eq!(open(&parts[0], &mut hub), Ok(None));
        assert_eq!(open(&other[1], &mut hub), Err(S0Error::NoFirstHalf(4)));
        assert_eq!(open(&parts[0], &mut hub), Ok(None));
        assert_eq!(
            open(&parts[1], &mut hub),
            Ok(Some(SecretBytes::new(vec![0x77; 40])))
        );
    }

    #[test]
    fn nonces_are_limited_and_their_names_differ() {
        let mut table = NonceTable::default();
        let mut rng = rng(5);
        for peer in 1..=200 {
            for _ in 0..6 {
                table.issue(peer, at(0), &mut rng);
            }
        }
        assert_eq!(table.issued.len(), NONCES_MAX);
        let names: std::collections::BTreeSet<_> = table
            .issued
            .iter()
            .filter(|issued| issued.peer == 200)
            .map(|issued| issued.nonce[0])
            .collect();
        assert_eq!(names.len(), NONCES_PER_PEER);
    }

    #[test]
    fn an_old_nonce_of_a_peer_is_not_used() {
        let mut hub = S0::new();
        hub.on_nonce_report(4, [1; 8], at(0));
        assert!(hub.can_seal(4, at(2_999)));
        assert!(!hub.can_seal(4, at(3_000)));
        let part = &split(&[1, 2], 0).expect("short")[0];
        assert_eq!(
            hub.seal(&keys(), DOWN, part, at(3_000), &mut rng(0)),
            Err(S0SealError::NoNonce(4))
        );
    }
}
