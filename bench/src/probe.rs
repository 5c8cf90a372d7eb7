//! A bare native probe: framing, one S2 session and Supervision, and nothing else. It does what must be done for a supervised
//! S2 command and is the floor that the hub is held against.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hubd_model::{Key128, MonoTime};
use hubd_peers::clock::now_ms;
use hubd_zwave::security::s2_wire::S2Command;
use hubd_zwave::security::{Addressing, KeyRef, KeySet, SecurityClass, SessionKey, Spans};
use hubd_zwave::wire::frame::{ACK, Decoder, Token};
use hubd_zwave::wire::serial::{Command, NodeId, NodeIdWidth, Unsolicited};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const HOME_ID: u32 = 0x7e57_0001;
const HOST: NodeId = NodeId(1);
const SECURITY_2: u8 = 0x9f;

/// The probe's connection to the dongle and its session with one lock.
pub(crate) struct Probe {
    stream: TcpStream,
    decoder: Decoder,
    tokens: VecDeque<Token>,
    early: VecDeque<Vec<u8>>,
    spans: Spans,
    key: SessionKey,
    keys: KeySet,
    rng: ChaCha20Rng,
    node: NodeId,
    session: u8,
    callback: u8,
}

impl Probe {
    /// Connects to the mock dongle; `node` is an S2 lock with the mock's access control key.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) fn connect(port: u16, node: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let key = SessionKey::network(SecurityClass::S2AccessControl, &Key128::new([0x33; 16]));
        let mut keys = KeySet::default();
        keys.insert(key.clone());
        Ok(Self {
            stream,
            decoder: Decoder::default(),
            tokens: VecDeque::new(),
            early: VecDeque::new(),
            spans: Spans::new(),
            key,
            keys,
            rng: ChaCha20Rng::from_seed([9; 32]),
            node: NodeId(node),
            session: 0,
            callback: 0,
        })
    }

    /// Moves the bolt; when it began and when Supervision Success was decrypted.
    ///
    /// # Errors
    /// When the lock does not confirm it.
    pub(crate) fn lock(&mut self, locked: bool) -> Result<(f64, f64)> {
        let start = now_ms();
        self.session = (self.session + 1) & 0x3f;
        let mode = if locked { 0xff } else { 0x00 };
        let command = [0x6c, 0x01, self.session, 3, 0x62, 0x01, mode];
        let key = KeyRef::Class(SecurityClass::S2AccessControl);
        if !self.spans.can_seal(self.node, key) {
            let nonce_get = self.spans.nonce_get(self.node, &mut self.rng, monotonic());
            self.send(nonce_get)?;
            while !self.spans.can_seal(self.node, key) {
                self.receive()?;
            }
        }
        let there = Addressing {
            home_id: HOME_ID,
            src: HOST,
            dst: self.node,
        };
        let sealed = self
            .spans
            .encapsulate(there, &self.key, &command, monotonic(), &mut self.rng);
        self.send(sealed.map_err(|error| anyhow::anyhow!("cannot seal: {error}"))?)?;
        loop {
            if let Some(plain) = self.receive()?
                && let [0x6c, 0x02, session, status, ..] = plain.as_slice()
                && session & 0x3f == self.session
            {
                if *status != 0xff {
                    bail!("the lock answered with status {status:#04x}");
                }
                return Ok((start, now_ms()));
            }
        }
    }

    /// Hands a frame to the dongle; its answers are read on the way to what the node says.
    fn send(&mut self, payload: Vec<u8>) -> Result<()> {
        self.callback = self.callback.wrapping_add(1).max(1);
        let command = Command::SendData {
            node: self.node,
            payload,
            bridge_source: None,
        };
        let data = command.to_data(NodeIdWidth::Bits8, self.callback);
        self.stream.write_all(&data.emit().context("a frame")?)?;
        let mut responded = false;
        loop {
            match self.token()? {
                Token::Data(data) => {
                    self.stream.write_all(&[ACK])?;
                    match Unsolicited::parse(&data, NodeIdWidth::Bits8) {
                        Ok(Unsolicited::Callback { id, .. }) if responded && id == self.callback => {
                            return Ok(());
                        }
                        Ok(Unsolicited::Frame { payload, .. }) => self.early.push_back(payload),
                        _ => responded = true,
                    }
                }
                Token::Ack | Token::Noise(_) => {}
                Token::Nak | Token::Can | Token::Corrupt => {
                    bail!("the mock's cable is good in this benchmark")
                }
            }
        }
    }

    /// The next thing that the node says: a nonce is taken, a command is decrypted.
    fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        let payload = match self.early.pop_front() {
            Some(payload) => payload,
            None => loop {
                if let Token::Data(data) = self.token()? {
                    self.stream.write_all(&[ACK])?;
                    if let Ok(Unsolicited::Frame { payload, .. }) =
                        Unsolicited::parse(&data, NodeIdWidth::Bits8)
                    {
                        break payload;
                    }
                }
            },
        };
        if payload.first() != Some(&SECURITY_2) {
            return Ok(None);
        }
        match S2Command::parse(&payload) {
            Ok(S2Command::NonceReport(report)) => {
                // A repeated report changes nothing.
                let _ = self.spans.on_nonce_report(self.node, &report, monotonic());
                Ok(None)
            }
            Ok(S2Command::MessageEncapsulation(_)) => {
                let here = Addressing {
                    home_id: HOME_ID,
                    src: self.node,
                    dst: HOST,
                };
                let opened = self.spans.decapsulate(here, &payload, &self.keys, monotonic());
                let opened = opened.map_err(|error| anyhow::anyhow!("cannot open: {error}"))?;
                Ok(Some(opened.plain.expose().to_vec()))
            }
            _ => Ok(None),
        }
    }

    fn token(&mut self) -> Result<Token> {
        loop {
            if let Some(token) = self.tokens.pop_front() {
                return Ok(token);
            }
            let mut bytes = [0; 512];
            let count = self.stream.read(&mut bytes)?;
            let mut tokens = Vec::new();
            self.decoder.push(
                bytes
                    .get(..count)
                    .filter(|read| !read.is_empty())
                    .context("the dongle is gone")?,
                &mut tokens,
            );
            self.tokens.extend(tokens);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "microseconds since the machine started"
)]
fn monotonic() -> MonoTime {
    MonoTime::from_micros((now_ms() * 1e3) as u64)
}
