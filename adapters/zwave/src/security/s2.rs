//! S2 sessions with every peer: who may use which nonce next, and how the two sides agree again after they lost
//! count. Used by the controller and by simulated devices alike.
//!
//! ```text
//!             nonce_report()                    frame with SPAN extension opens
//!  (nothing) ----------------> own entropy out ---------------------------------+
//!      |                                                                        v
//!      |  on_nonce_report(SOS)                    encapsulate()           SPAN established
//!      +-----------------------> peer's entropy in ---------------------------> | ^
//!                                                                               | | next frame, either way
//!  a frame does not open: Err(OutOfSync); the caller sends nonce_report()       +-+
//! ```
//!
//! Entropy and SPAN are kept side by side, because both sides may ask for a new SPAN at the same time. A forged
//! frame or request never destroys a SPAN that works: until the peer really starts a new one, what it sends under
//! the old one is still read.
//!
//! Spec: CC:009F, SPAN management

use std::collections::{BTreeMap, VecDeque};

use hubd_model::{Millis, MonoTime, SecretBytes};
use rand_core::CryptoRng;
use thiserror::Error;

use super::crypto::{CCM_TAG_LEN, CtrDrbg, Nonce13, ccm_open, ccm_seal, mei_expand, mei_extract};
use super::keys::{KeyRef, KeySet, SessionKey};
use super::s2_wire::{
    COMMAND_CLASS, Encapsulation, EntropyInput, Extension, NonceReport, S2Command, S2WireError, emit_header,
    split_plain,
};
use crate::wire::serial::NodeId;

/// How many nonces ahead are tried before the two sides count as out of step.
const STEPS_AHEAD: usize = 5;
/// How long an own nonce is kept for a frame of the peer's that crossed ours on the air.
const COLLISION: Millis = Millis(500);
/// How many own nonces are kept for that.
const COLLISION_NONCES: usize = 4;
/// How long a repeated sequence number counts as the same request for, or report of, a nonce.
const DUPLICATE: Millis = Millis(10_000);
/// How many frames of a peer are known again, however late they are repeated.
const SEEN: usize = 8;
/// How many peers are remembered; beyond it the one not used for longest is forgotten and costs one more exchange.
const PEERS_MAX: usize = 512;
/// The longest plaintext of one frame: more than the radio and the Transport Service can carry.
const PLAIN_MAX: usize = 1280;

/// From whom to whom, in which network. It is part of what a frame authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addressing {
    /// The network.
    pub home_id: u32,
    /// Who sends.
    pub src: NodeId,
    /// Who shall read.
    pub dst: NodeId,
}

impl Addressing {
    /// The way back.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            home_id: self.home_id,
            src: self.dst,
            dst: self.src,
        }
    }

    /// What is authenticated beside the ciphertext. Long Range ids take two bytes, and then both do.
    fn authenticated(self, length: u16, header: &[u8]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(header.len().saturating_add(10));
        match (u8::try_from(self.src.0), u8::try_from(self.dst.0)) {
            (Ok(src), Ok(dst)) => aad.extend_from_slice(&[src, dst]),
            _ => {
                aad.extend_from_slice(&self.src.0.to_be_bytes());
                aad.extend_from_slice(&self.dst.0.to_be_bytes());
            }
        }
        aad.extend_from_slice(&self.home_id.to_be_bytes());
        aad.extend_from_slice(&length.to_be_bytes());
        aad.extend_from_slice(header);
        aad
    }
}

/// Why a command was not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// No SPAN with that peer under that key: send a Nonce Get, feed the report, then try again.
    #[error("no S2 nonce for node {}; ask the node for one", .0.0)]
    NoSpan(NodeId),
    /// Longer than any frame.
    #[error("a command of {0} bytes does not fit into an S2 frame")]
    TooLong(usize),
}

/// Why a received frame gave no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S2Error {
    /// Malformed, or with a critical extension that is not known: drop it.
    #[error("dropped a frame: {0}")]
    Wire(#[from] S2WireError),
    /// Seen before: drop it.
    #[error("dropped a repeated frame from node {}", .0.0)]
    Duplicate(NodeId),
    /// Cannot be decrypted: answer with [`Spans::nonce_report`]; the peer then starts a new SPAN.
    #[error("cannot decrypt the frame from node {}; ask it to start over", .0.0)]
    OutOfSync(NodeId),
    /// As [`Self::OutOfSync`], but the frame started a new SPAN from our latest entropy, so that only the key can be
    /// wrong. Answer the same way; in a key exchange it means that the PIN was wrong.
    #[error("the frame from node {} is encrypted under a key that is not shared with it", .0.0)]
    WrongKey(NodeId),
}

/// A decrypted command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The command, command class first. Empty when the frame only carried extensions.
    pub plain: SecretBytes,
    /// The key it came under. What is allowed under which key is the caller's to decide.
    pub key: KeyRef,
    /// The peer's sequence number.
    pub seq: u8,
    /// The frame repeats a multicast to this group; as multicast is not read here, answer with
    /// [`Spans::multicast_report`].
    pub multicast_group: Option<u8>,
}

/// A nonce generator that both sides run.
#[derive(Debug, Clone)]
struct Span {
    key: KeyRef,
    drbg: CtrDrbg,
    /// Own nonces that the peer may have used at the same moment.
    own: Vec<(Nonce13, MonoTime)>,
    /// Whether the peer may have lost it, as own entropy for a new one is out.
    doubtful: bool,
}

impl Span {
    fn new(key: &SessionKey, sender: &EntropyInput, receiver: &EntropyInput) -> Self {
        let mei = mei_expand(&mei_extract(sender, receiver));
        let drbg = CtrDrbg::new(mei.expose(), key.expanded().personalization.expose());
        Self {
            key: key.id(),
            drbg,
            own: Vec::new(),
            doubtful: false,
        }
    }

    /// Opens a frame that may have crossed one of ours, or be up to [`STEPS_AHEAD`] ahead.
    fn open(
        &mut self,
        key: &SessionKey,
        frame: &Encapsulation<'_>,
        aad: &[u8],
        now: MonoTime,
    ) -> Option<Vec<u8>> {
        let ccm = &key.expanded().ccm;
        self.own.retain(|(_, sent)| now.since(*sent) < COLLISION);
        for at in (0..self.own.len()).rev() {
            let nonce = self.own.get(at).map(|(nonce, _)| *nonce)?;
            if let Some(plain) = ccm_open(ccm, &nonce, aad, frame.sealed) {
                self.own.remove(at);
                return Some(plain);
            }
        }
        let mut drbg = self.drbg.clone();
        for _ in 0..STEPS_AHEAD {
            if let Some(plain) = ccm_open(ccm, &drbg.nonce(), aad, frame.sealed) {
                self.drbg = drbg;
                self.own.clear();
                return Some(plain);
            }
        }
        None
    }
}

#[derive(Debug, Default)]
struct Peer {
    own_seq: Option<u8>,
    /// The last nonce request or report from the peer.
    plain_seq: Option<(u8, MonoTime)>,
    /// The last frame that opened under this SPAN.
    sealed_seq: Option<u8>,
    /// The authenticators of the last frames, opened or not: a late repetition is neither read nor answered twice.
    seen: VecDeque<[u8; CCM_TAG_LEN]>,
    /// Our entropy that the peer may use.
    local: Option<EntropyInput>,
    /// The peer's entropy that we may use.
    remote: Option<EntropyInput>,
    span: Option<Span>,
    used: MonoTime,
}

impl Peer {
    fn next_seq<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) -> u8 {
        let seq = self
            .own_seq
            .map_or_else(|| random::<R, 1>(rng)[0], |seq| seq.wrapping_add(1));
        self.own_seq = Some(seq);
        seq
    }

    fn saw(&mut self, tag: [u8; CCM_TAG_LEN]) {
        if self.seen.len() >= SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(tag);
    }
}

fn random<R: CryptoRng + ?Sized, const N: usize>(rng: &mut R) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The S2 sessions of one node with all its peers.
#[derive(Debug, Default)]
pub struct Spans {
    peers: BTreeMap<NodeId, Peer>,
}

impl Spans {
    /// Without any session.
    pub fn new() -> Self {
        Self::default()
    }

    fn peer(&mut self, id: NodeId, now: MonoTime) -> &mut Peer {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&id) {
            let oldest = self
                .peers
                .iter()
                .min_by_key(|(_, peer)| peer.used)
                .map(|(id, _)| *id);
            oldest.map(|id| self.peers.remove(&id));
        }
        let peer = self.peers.entry(id).or_default();
        peer.used = now;
        peer
    }

    /// Under which key frames to this peer can be sent without asking for a nonce first.
    pub fn established(&self, peer: NodeId) -> Option<KeyRef> {
        let span = self.peers.get(&peer)?.span.as_ref()?;
        (!span.doubtful).then_some(span.key)
    }

    /// Whether a command under `key` can be encrypted for this peer now.
    pub fn can_seal(&self, peer: NodeId, key: KeyRef) -> bool {
        self.peers.get(&peer).is_some_and(|peer| {
            peer.remote.is_some()
                || peer
                    .span
                    .as_ref()
                    .is_some_and(|span| span.key == key && !span.doubtful)
        })
    }

    /// Gives up the SPAN with a peer, as when another key shall be used; sequence numbers go on.
    pub fn reset(&mut self, peer: NodeId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.span = None;
            peer.local = None;
            peer.remote = None;
        }
    }

    /// Forgets a peer that left the network.
    pub fn forget(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
    }

    /// A request for a nonce, to be sent plain.
    pub fn nonce_get<R: CryptoRng + ?Sized>(&mut self, peer: NodeId, rng: &mut R, now: MonoTime) -> Vec<u8> {
        let seq = self.peer(peer, now).next_seq(rng);
        S2Command::NonceGet { seq }.emit()
    }

    /// Own entropy for a new SPAN, to be sent plain: the answer to a request, or to a frame that did not open.
    pub fn nonce_report<R: CryptoRng + ?Sized>(
        &mut self,
        peer: NodeId,
        rng: &mut R,
        now: MonoTime,
    ) -> Vec<u8> {
        let peer = self.peer(peer, now);
        let seq = peer.next_seq(rng);
        let entropy = random(rng);
        peer.local = Some(entropy);
        if let Some(span) = &mut peer.span {
            span.doubtful = true;
        }
        S2Command::NonceReport(NonceReport {
            seq,
            mos: false,
            sos: Some(entropy),
        })
        .emit()
    }

    /// Tells a peer that its multicasts are not read, so that it sends to this node alone.
    pub fn multicast_report<R: CryptoRng + ?Sized>(
        &mut self,
        peer: NodeId,
        rng: &mut R,
        now: MonoTime,
    ) -> Vec<u8> {
        let seq = self.peer(peer, now).next_seq(rng);
        S2Command::NonceReport(NonceReport {
            seq,
            mos: true,
            sos: None,
        })
        .emit()
    }

    /// Takes a peer's request for a nonce; answer it with [`Self::nonce_report`].
    ///
    /// # Errors
    /// [`S2Error::Duplicate`]: do not answer.
    pub fn on_nonce_get(&mut self, peer: NodeId, seq: u8, now: MonoTime) -> Result<(), S2Error> {
        self.plain_seq(peer, seq, now).map(|_| ())
    }

    /// Takes a peer's entropy. The next command to it starts a new SPAN.
    ///
    /// # Errors
    /// [`S2Error::Duplicate`]: nothing changed.
    pub fn on_nonce_report(
        &mut self,
        peer: NodeId,
        report: &NonceReport,
        now: MonoTime,
    ) -> Result<(), S2Error> {
        let peer = self.plain_seq(peer, report.seq, now)?;
        if report.sos.is_some() {
            peer.remote = report.sos;
        }
        Ok(())
    }

    fn plain_seq(&mut self, id: NodeId, seq: u8, now: MonoTime) -> Result<&mut Peer, S2Error> {
        let peer = self.peer(id, now);
        if peer
            .plain_seq
            .is_some_and(|(last, at)| last == seq && now.since(at) < DUPLICATE)
        {
            return Err(S2Error::Duplicate(id));
        }
        peer.plain_seq = Some((seq, now));
        Ok(peer)
    }

    /// Encrypts a command, command class first, under a key.
    ///
    /// # Errors
    /// When a nonce must be asked for first, or the command is too long.
    pub fn encapsulate<R: CryptoRng + ?Sized>(
        &mut self,
        addr: Addressing,
        key: &SessionKey,
        plain: &[u8],
        now: MonoTime,
        rng: &mut R,
    ) -> Result<Vec<u8>, SealError> {
        if plain.len() > PLAIN_MAX {
            return Err(SealError::TooLong(plain.len()));
        }
        let peer = self.peer(addr.dst, now);
        let mut extensions = Vec::new();
        if let Some(remote) = peer.remote.take() {
            let sender = random(rng);
            peer.span = Some(Span::new(key, &sender, &remote));
            peer.sealed_seq = None;
            extensions.push(Extension::Span(sender));
        }
        let usable = |span: &&mut Span| span.key == key.id() && !span.doubtful;
        let span = peer
            .span
            .as_mut()
            .filter(usable)
            .ok_or(SealError::NoSpan(addr.dst))?;
        let nonce = span.drbg.nonce();
        span.own.truncate(COLLISION_NONCES.saturating_sub(1));
        span.own.insert(0, (nonce, now));

        let header = emit_header(peer.next_seq(rng), &extensions);
        let length: usize = [2, header.len(), plain.len(), CCM_TAG_LEN].iter().sum();
        let length = u16::try_from(length).map_err(|_| SealError::TooLong(plain.len()))?;
        let aad = addr.authenticated(length, &header);
        let sealed =
            ccm_seal(&key.expanded().ccm, &nonce, &aad, plain).ok_or(SealError::TooLong(plain.len()))?;
        let mut bytes = vec![COMMAND_CLASS, 0x03];
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Decrypts a frame that was sent to this node alone. `keys` are those that the caller accepts from this peer:
    /// with a key of a lower class, any node that has it could speak for the peer.
    ///
    /// # Errors
    /// When there is no command to act on; [`S2Error::OutOfSync`] asks for an answer.
    pub fn decapsulate(
        &mut self,
        addr: Addressing,
        bytes: &[u8],
        keys: &KeySet,
        now: MonoTime,
    ) -> Result<Opened, S2Error> {
        let frame = Encapsulation::parse(bytes)?;
        let peer = self.peer(addr.src, now);
        let tag = *frame
            .sealed
            .last_chunk()
            .ok_or(S2WireError::BadField("authenticator"))?;
        // A frame that starts a new SPAN may come from a peer that restarted and counts from anywhere.
        let starts = frame.sender_entropy().is_some() && peer.local.is_some();
        if peer.seen.contains(&tag) || (!starts && peer.sealed_seq == Some(frame.seq)) {
            return Err(S2Error::Duplicate(addr.src));
        }
        let aad = addr.authenticated(frame.length, frame.header);
        let opened = match (frame.sender_entropy(), peer.local) {
            (Some(sender), Some(receiver)) => keys.iter().find_map(|key| {
                let mut span = Span::new(key, &sender, &receiver);
                let plain = ccm_open(&key.expanded().ccm, &span.drbg.nonce(), &aad, frame.sealed)?;
                peer.span = Some(span);
                peer.local = None;
                peer.remote = None;
                Some((key.id(), plain))
            }),
            _ => peer.span.as_mut().and_then(|span| {
                let key = keys.get(span.key)?;
                Some((key.id(), span.open(key, &frame, &aad, now)?))
            }),
        };
        let Some((key, plain)) = opened else {
            // Without any key the frame was not judged; it may come again when there is one.
            if keys.is_empty() {
                return Err(S2Error::OutOfSync(addr.src));
            }
            if let Some(span) = &mut peer.span {
                span.doubtful = true;
            }
            peer.saw(tag);
            return Err(if starts {
                S2Error::WrongKey(addr.src)
            } else {
                S2Error::OutOfSync(addr.src)
            });
        };
        let plain = SecretBytes::new(plain);
        peer.sealed_seq = Some(frame.seq);
        peer.saw(tag);
        let (_, command) = split_plain(plain.expose(), frame.encrypted_extensions)?;
        Ok(Opened {
            plain: SecretBytes::new(command.to_vec()),
            key,
            seq: frame.seq,
            multicast_group: frame.multicast_group(),
        })
    }
}

#[cfg(test)]
#[path = "s2_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "trace_tests.rs"]
mod trace_tests;
