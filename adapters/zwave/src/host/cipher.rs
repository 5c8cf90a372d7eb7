//! S0 and S2 as the host needs them: one place that seals what goes out and opens what comes in.

use hubd_model::{MonoTime, SecretBytes};
use rand_core::CryptoRng;

use super::traffic::Protection;
use crate::security::s0::{S0, S0Keys, S0Link};
use crate::security::s0_wire::S0Command;
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
    joining: Option<Joiner>,
    rng: Box<HostRng>,
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
        }
    }

    /// The dongle restarted; sessions survive that, as they live here and in the nodes.
    pub(super) fn forget_nonces_under_way(&mut self) {
        self.s0 = S0::new();
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
        if !self.s0.can_seal(link.dst, now) {
            return Sealed::NeedsNonce(S0Command::NonceGet.emit());
        }
        let Ok(parts) = self.s0.split(frame) else {
            return Sealed::TooLong;
        };
        let [part] = parts.as_slice() else {
            return Sealed::TooLong;
        };
        match self.s0.seal(keys, link, part, now, &mut *self.rng) {
            Ok(bytes) => Sealed::Frame(bytes),
            Err(_) => Sealed::NeedsNonce(S0Command::NonceGet.emit()),
        }
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

    fn open_s0(&mut self, now: MonoTime, node: NodeId, bytes: &[u8]) -> Vec<Opened> {
        let Some(link) = S0Link::new(node, self.own) else {
            return vec![];
        };
        match S0Command::parse(bytes) {
            Ok(S0Command::NonceGet) => vec![Opened::Answer(self.s0.issue(link.src, now, &mut *self.rng))],
            Ok(S0Command::NonceReport(nonce)) => {
                self.s0.on_nonce_report(link.src, nonce, now);
                vec![Opened::NonceHere]
            }
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
