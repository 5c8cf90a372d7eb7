//! S0 and S2 as the host needs them: one place that seals what goes out and opens what comes in.

use std::collections::BTreeMap;

use hubd_model::{MonoTime, SecretBytes};
use rand_core::CryptoRng;

use super::traffic::Protection;
use crate::security::s0::{self, S0, S0Keys, S0Link};
use crate::security::s0_wire::{HalfNonce, S0Command};
use crate::security::s2_wire::S2Command;
use crate::security::{
    Addressing, ClassSet, KeyRef, KeySet, NetworkKeys, S2Error, SealError, SecurityClass, SessionKey, Spans,
};
use crate::wire::cc::class;
use crate::wire::serial::NodeId;

/// The host's source of randomness, given by the shell.
pub type HostRng = dyn CryptoRng + Send;

/// Under which key something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    /// Under none.
    Plain,
    /// Under a network key.
    Class(SecurityClass),
}

impl Under {
    /// How an answer to it goes out.
    pub(super) const fn answered_under(self) -> Protection {
        match self {
            Self::Plain => Protection::Plain,
            Self::Class(class) => Protection::Class(class),
        }
    }
}

/// What became of a frame that shall go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sealed {
    /// It can go out like this.
    Frame(Vec<u8>),
    /// This request for a nonce has to go out first.
    NeedsNonce(Vec<u8>),
    /// It is too long for this security class.
    TooLong,
}

/// What became of a frame that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// It held this command.
    Command {
        /// The command.
        plain: SecretBytes,
        /// Under which key it came.
        under: Under,
    },
    /// It is a security command that came openly (a step of a key exchange).
    Open(Vec<u8>),
    /// The node gave a nonce, or cried for our side to start over.
    NonceHere,
    /// The node gave a nonce of S0; [`Cipher::take_s0_nonce`] keeps it, if anybody waits for one.
    S0Nonce(HalfNonce),
    /// This has to be answered, openly.
    Answer(Vec<u8>),
    /// There is nothing to do.
    Nothing,
}

/// Keys and sessions of one network.
pub(super) struct Cipher {
    keys: NetworkKeys,
    s2_keys: KeySet,
    s0_keys: S0Keys,
    home_id: u32,
    own: NodeId,
    spans: Spans,
    s0: S0,
    /// Commands whose first half was sent, by node.
    s0_begun: BTreeMap<u8, Begun>,
    joining: Option<Joiner>,
    rng: Box<HostRng>,
}

/// A command of two S0 frames of which the first is sent.
struct Begun {
    frame: SecretBytes,
    second: s0::Part,
}

/// The node that is being given its keys: until it has them, other keys count.
struct Joiner {
    node: NodeId,
    /// S2: the keys of the exchange as far as it is.
    keys: KeySet,
}

/// What became of an encrypted frame of a node that is being given its keys.
#[derive(Debug)]
pub(super) enum JoiningFrame {
    /// It held this command, under this key.
    Command(S2Command, KeyRef),
    /// It does not open.
    Unreadable {
        /// Whether it started from fresh entropy, so that only the key can be wrong.
        new_span: bool,
    },
    /// There is nothing to do.
    Nothing,
}

impl Cipher {
    pub(super) fn new(keys: NetworkKeys, rng: Box<HostRng>) -> Self {
        Self {
            s2_keys: KeySet::network(&keys, ClassSet::ALL.without(SecurityClass::S0)),
            s0_keys: S0Keys::new(&keys.s0),
            keys,
            home_id: 0,
            own: NodeId(1),
            spans: Spans::new(),
            s0: S0::new(),
            s0_begun: BTreeMap::new(),
            joining: None,
            rng,
        }
    }

    pub(super) const fn set_home(&mut self, home_id: u32, own: NodeId) {
        self.home_id = home_id;
        self.own = own;
    }

    pub(super) const fn keys(&self) -> &NetworkKeys {
        &self.keys
    }

    pub(super) fn rng(&mut self) -> &mut HostRng {
        &mut *self.rng
    }

    /// A node is about to be given its keys.
    pub(super) fn start_joining(&mut self, node: NodeId) {
        self.forget(node);
        self.joining = Some(Joiner {
            node,
            keys: KeySet::default(),
        });
    }

    /// The keys of the exchange as far as it is.
    pub(super) fn set_joining_keys(&mut self, keys: KeySet) {
        if let Some(joiner) = &mut self.joining {
            joiner.keys = keys;
        }
    }

    /// Entropy for a node that has to start over.
    pub(super) fn nonce_report(&mut self, now: MonoTime, node: NodeId) -> Vec<u8> {
        self.spans.nonce_report(node, &mut *self.rng, now)
    }

    /// Opens an encrypted frame with the keys of the exchange.
    pub(super) fn open_joining(&mut self, now: MonoTime, node: NodeId, frame: &[u8]) -> JoiningFrame {
        let Some(joiner) = self.joining.as_ref().filter(|joiner| joiner.node == node) else {
            return JoiningFrame::Nothing;
        };
        let address = Addressing {
            home_id: self.home_id,
            src: node,
            dst: self.own,
        };
        match self.spans.decapsulate(address, frame, &joiner.keys, now) {
            Ok(opened) => S2Command::parse(opened.plain.expose()).map_or(JoiningFrame::Nothing, |command| {
                JoiningFrame::Command(command, opened.key)
            }),
            Err(S2Error::OutOfSync(_)) => JoiningFrame::Unreadable { new_span: false },
            Err(S2Error::WrongKey(_)) => JoiningFrame::Unreadable { new_span: true },
            Err(S2Error::Wire(_) | S2Error::Duplicate(_)) => JoiningFrame::Nothing,
        }
    }

    /// The node has its keys, or will not get them.
    pub(super) fn end_joining(&mut self) {
        if let Some(joiner) = self.joining.take() {
            self.spans.reset(joiner.node);
        }
    }

    pub(super) fn forget(&mut self, node: NodeId) {
        self.spans.forget(node);
        if let Ok(node) = u8::try_from(node.0) {
            self.s0.forget(node);
            self.s0_begun.remove(&node);
        }
    }

    /// The dongle restarted; sessions survive that, as they live here and in the nodes.
    pub(super) fn forget_nonces_under_way(&mut self) {
        self.s0 = S0::new();
        self.s0_begun.clear();
    }

    /// Encrypts a frame for a node under the key of a class.
    pub(super) fn seal(&mut self, now: MonoTime, node: NodeId, class: SecurityClass, frame: &[u8]) -> Sealed {
        if class == SecurityClass::S0 {
            return self.seal_s0(now, node, &self.s0_keys.clone(), frame);
        }
        match self.s2_keys.get(KeyRef::Class(class)).cloned() {
            Some(key) => self.seal_s2(now, node, &key, frame),
            None => Sealed::TooLong,
        }
    }

    /// Encrypts a frame under a key of the exchange.
    pub(super) fn seal_joining(&mut self, now: MonoTime, node: NodeId, key: KeyRef, frame: &[u8]) -> Sealed {
        let key = self
            .joining
            .as_ref()
            .and_then(|joiner| joiner.keys.get(key))
            .or_else(|| self.s2_keys.get(key));
        match key.cloned() {
            Some(key) => self.seal_s2(now, node, &key, frame),
            None => Sealed::TooLong,
        }
    }

    fn seal_s2(&mut self, now: MonoTime, node: NodeId, key: &SessionKey, frame: &[u8]) -> Sealed {
        let address = Addressing {
            home_id: self.home_id,
            src: self.own,
            dst: node,
        };
        match self.spans.encapsulate(address, key, frame, now, &mut *self.rng) {
            Ok(bytes) => Sealed::Frame(bytes),
            Err(SealError::NoSpan(_)) => Sealed::NeedsNonce(self.spans.nonce_get(node, &mut *self.rng, now)),
            Err(SealError::TooLong(_)) => Sealed::TooLong,
        }
    }

    /// Encrypts a frame under the S0 key that is all zero, which a joining node has before it has the network's.
    pub(super) fn seal_s0_inclusion(&mut self, now: MonoTime, node: NodeId, frame: &[u8]) -> Sealed {
        self.seal_s0(now, node, &S0Keys::inclusion(), frame)
    }

    fn seal_s0(&mut self, now: MonoTime, node: NodeId, keys: &S0Keys, frame: &[u8]) -> Sealed {
        let Some(link) = S0Link::new(self.own, node) else {
            return Sealed::TooLong;
        };
        let begun = self.s0_begun.remove(&link.dst);
        if !self.s0.can_seal(link.dst, now) {
            // A first half whose nonce did not come, or went to another frame, is sent again.
            return Sealed::NeedsNonce(S0Command::NonceGet.emit());
        }
        if let Some(Begun { second, .. }) = begun.filter(|begun| begun.frame.expose() == frame) {
            return match self.s0.seal(keys, link, &second, now, &mut *self.rng) {
                Ok(bytes) => Sealed::Frame(bytes),
                Err(_) => Sealed::NeedsNonce(S0Command::NonceGet.emit()),
            };
        }
        let Ok(mut parts) = self.s0.split(frame) else {
            return Sealed::TooLong;
        };
        let second = if parts.len() > 1 { parts.pop() } else { None };
        let Some(first) = parts.pop() else {
            return Sealed::TooLong;
        };
        let Ok(bytes) = self.s0.seal(keys, link, &first, now, &mut *self.rng) else {
            return Sealed::NeedsNonce(S0Command::NonceGet.emit());
        };
        let Some(second) = second else {
            return Sealed::Frame(bytes);
        };
        // The first of two frames asks for the nonce of the second one itself.
        let frame = SecretBytes::new(frame.to_vec());
        self.s0_begun.insert(link.dst, Begun { frame, second });
        Sealed::NeedsNonce(bytes)
    }

    /// Opens a security frame. `granted` says which keys the node may use; `None` while that is not known.
    pub(super) fn open(
        &mut self,
        now: MonoTime,
        node: NodeId,
        granted: Option<ClassSet>,
        bytes: &[u8],
    ) -> Vec<Opened> {
        match bytes.first() {
            Some(&class::SECURITY_2) => self.open_s2(now, node, granted, bytes),
            Some(&class::SECURITY) => self.open_s0(now, node, bytes),
            _ => vec![Opened::Nothing],
        }
    }

    fn open_s2(
        &mut self,
        now: MonoTime,
        node: NodeId,
        granted: Option<ClassSet>,
        bytes: &[u8],
    ) -> Vec<Opened> {
        let command = match S2Command::parse(bytes) {
            Ok(command) => command,
            Err(error) => {
                tracing::debug!(node = node.0, %error, "dropped");
                return vec![];
            }
        };
        match command {
            S2Command::NonceGet { seq } => match self.spans.on_nonce_get(node, seq, now) {
                Ok(()) => vec![Opened::Answer(self.spans.nonce_report(node, &mut *self.rng, now))],
                Err(_) => vec![],
            },
            S2Command::NonceReport(report) => match self.spans.on_nonce_report(node, &report, now) {
                Ok(()) if report.sos.is_some() => vec![Opened::NonceHere],
                Ok(()) | Err(_) => vec![],
            },
            S2Command::MessageEncapsulation(_) => self.open_message(now, node, granted, bytes),
            S2Command::KexGet
            | S2Command::KexReport(_)
            | S2Command::KexSet(_)
            | S2Command::KexFail(_)
            | S2Command::PublicKeyReport { .. }
            | S2Command::NetworkKeyGet(_)
            | S2Command::NetworkKeyReport(..)
            | S2Command::NetworkKeyVerify
            | S2Command::TransferEnd { .. }
            | S2Command::CommandsSupportedGet
            | S2Command::CommandsSupportedReport(_) => vec![Opened::Open(bytes.to_vec())],
        }
    }

    fn open_message(
        &mut self,
        now: MonoTime,
        node: NodeId,
        granted: Option<ClassSet>,
        bytes: &[u8],
    ) -> Vec<Opened> {
        let address = Addressing {
            home_id: self.home_id,
            src: node,
            dst: self.own,
        };
        let keys = match granted {
            Some(granted) => self
                .s2_keys
                .only(|key| matches!(key, KeyRef::Class(class) if granted.contains(class))),
            None => self.s2_keys.clone(),
        };
        match self.spans.decapsulate(address, bytes, &keys, now) {
            Ok(opened) => {
                let KeyRef::Class(class) = opened.key else {
                    return vec![];
                };
                let under = Under::Class(class);
                let mut all = Vec::with_capacity(2);
                if opened.multicast_group.is_some() {
                    all.push(Opened::Answer(self.spans.multicast_report(
                        node,
                        &mut *self.rng,
                        now,
                    )));
                }
                if !opened.plain.expose().is_empty() {
                    all.push(Opened::Command {
                        plain: opened.plain,
                        under,
                    });
                }
                all
            }
            Err(S2Error::OutOfSync(_) | S2Error::WrongKey(_)) => {
                tracing::debug!(node = node.0, "key stream lost; asking the node to start over");
                vec![Opened::Answer(self.spans.nonce_report(node, &mut *self.rng, now))]
            }
            Err(error @ (S2Error::Wire(_) | S2Error::Duplicate(_))) => {
                tracing::debug!(node = node.0, %error, "dropped");
                vec![]
            }
        }
    }

    /// Keeps a node's nonce for the next frame to it.
    pub(super) fn take_s0_nonce(&mut self, now: MonoTime, node: NodeId, nonce: HalfNonce) {
        if let Ok(node) = u8::try_from(node.0) {
            self.s0.on_nonce_report(node, nonce, now);
        }
    }

    fn open_s0(&mut self, now: MonoTime, node: NodeId, bytes: &[u8]) -> Vec<Opened> {
        let Some(link) = S0Link::new(node, self.own) else {
            return vec![];
        };
        match S0Command::parse(bytes) {
            Ok(S0Command::NonceGet) => vec![Opened::Answer(self.s0.issue(link.src, now, &mut *self.rng))],
            Ok(S0Command::NonceReport(nonce)) => vec![Opened::S0Nonce(nonce)],
            Ok(S0Command::Encapsulation(frame)) => match self.s0.open(&self.s0_keys, link, &frame, now) {
                Ok(opened) => {
                    let mut all = Vec::with_capacity(2);
                    if opened.wants_nonce {
                        all.push(Opened::Answer(self.s0.issue(link.src, now, &mut *self.rng)));
                    }
                    let under = Under::Class(SecurityClass::S0);
                    all.extend(opened.plain.map(|plain| Opened::Command { plain, under }));
                    all
                }
                Err(error) => {
                    tracing::debug!(node = node.0, %error, "dropped");
                    vec![]
                }
            },
            Ok(
                S0Command::CommandsSupportedGet
                | S0Command::CommandsSupportedReport(_)
                | S0Command::SchemeGet(_)
                | S0Command::SchemeReport(_)
                | S0Command::NetworkKeySet(_)
                | S0Command::NetworkKeyVerify
                | S0Command::SchemeInherit(_),
            ) => vec![Opened::Open(bytes.to_vec())],
            Err(error) => {
                tracing::debug!(node = node.0, %error, "dropped");
                vec![]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hubd_model::Millis;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const LOCK: NodeId = NodeId(4);

    /// The host's side and a lock with S0.
    struct Pair {
        host: Cipher,
        lock: S0,
        keys: S0Keys,
        now: MonoTime,
        rng: ChaCha20Rng,
    }

    impl Pair {
        fn new() -> Self {
            let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(1));
            Self {
                keys: S0Keys::new(&keys.s0),
                host: Cipher::new(keys, Box::new(ChaCha20Rng::seed_from_u64(2))),
                lock: S0::new(),
                now: MonoTime::from_micros(1),
                rng: ChaCha20Rng::seed_from_u64(3),
            }
        }

        fn seal(&mut self, frame: &[u8]) -> Sealed {
            self.host.seal(self.now, LOCK, SecurityClass::S0, frame)
        }

        fn request(&mut self, frame: &[u8]) -> Vec<u8> {
            match self.seal(frame) {
                Sealed::NeedsNonce(request) => request,
                other @ (Sealed::Frame(_) | Sealed::TooLong) => panic!("{other:?}"),
            }
        }

        fn frame(&mut self, frame: &[u8]) -> Vec<u8> {
            match self.seal(frame) {
                Sealed::Frame(bytes) => bytes,
                other @ (Sealed::NeedsNonce(_) | Sealed::TooLong) => panic!("{other:?}"),
            }
        }

        /// The lock hears a frame: the command that it completes, and the nonce that it was asked for, if it arrives.
        fn hear(&mut self, bytes: &[u8], nonce_arrives: bool) -> Option<SecretBytes> {
            let heard = S0Command::parse(bytes).unwrap();
            let (plain, wants_nonce) = if let S0Command::Encapsulation(frame) = heard {
                let link = S0Link::new(NodeId(1), LOCK).unwrap();
                let opened = self.lock.open(&self.keys, link, &frame, self.now).unwrap();
                (opened.plain, opened.wants_nonce)
            } else {
                assert_eq!(heard, S0Command::NonceGet);
                (None, true)
            };
            if wants_nonce {
                let report = self.lock.issue(1, self.now, &mut self.rng);
                if nonce_arrives {
                    let [Opened::S0Nonce(nonce)] = *self.host.open(self.now, LOCK, None, &report) else {
                        panic!("a nonce report gives a nonce")
                    };
                    self.host.take_s0_nonce(self.now, LOCK, nonce);
                }
            }
            plain
        }
    }

    #[test]
    fn a_long_command_goes_to_an_s0_lock_in_two_frames() {
        for length in [1, 26, 27, 40, 52] {
            let command = vec![7; length];
            let mut pair = Pair::new();
            let request = pair.request(&command);
            assert_eq!(pair.hear(&request, true), None);
            if length > 26 {
                // The first half asks for the nonce of the second one.
                let first = pair.request(&command);
                assert_eq!(first.get(..2), Some(&[0x98, 0xC1][..]), "{length}");
                assert_eq!(pair.hear(&first, true), None);
            }
            let last = pair.frame(&command);
            assert_eq!(last.get(..2), Some(&[0x98, 0x81][..]), "{length}");
            assert_eq!(pair.hear(&last, true).unwrap().expose(), command, "{length}");
        }
        let mut pair = Pair::new();
        let request = pair.request(&[7; 53]);
        pair.hear(&request, true);
        assert_eq!(pair.seal(&[7; 53]), Sealed::TooLong);
    }

    #[test]
    fn a_long_command_begins_anew_when_a_nonce_is_lost_or_taken() {
        let (long, short) = (vec![7; 30], vec![9; 5]);
        for taken in [false, true] {
            let mut pair = Pair::new();
            let request = pair.request(&long);
            pair.hear(&request, true);
            let first = pair.request(&long);
            pair.hear(&first, taken);
            if taken {
                // Something else goes out with the nonce that the second half was to have.
                let other = pair.frame(&short);
                assert_eq!(pair.hear(&other, true).unwrap().expose(), short);
            }
            pair.now = pair.now + Millis(600);
            assert_eq!(pair.request(&long), S0Command::NonceGet.emit(), "{taken}");
            pair.hear(&S0Command::NonceGet.emit(), true);
            let first = pair.request(&long);
            assert_eq!(pair.hear(&first, true), None);
            let second = pair.frame(&long);
            assert_eq!(pair.hear(&second, true).unwrap().expose(), long, "{taken}");
        }
    }
}
