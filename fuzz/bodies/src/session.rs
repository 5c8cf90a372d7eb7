//! Security: what peers send encrypted and plain, sessions that an attacker talks to, and keys that an owner brings.

use hubd_model::{Key128, MonoTime};
use hubd_zwave::security::s0_wire::S0Command;
use hubd_zwave::security::s2_wire::{Encapsulation, S2Command};
use hubd_zwave::security::{Addressing, KeyRef, KeySet, NetworkKeys, SecurityClass, SessionKey, Spans};
use hubd_zwave::wire::serial::NodeId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// A Security 0 command.
pub fn security_0(bytes: &[u8]) {
    if let Ok(command) = S0Command::parse(bytes) {
        let again = S0Command::parse(&command.emit());
        assert_eq!(again.as_ref(), Ok(&command), "written and read again");
    }
}

/// A Security 2 command, and the same bytes as an encrypted frame.
pub fn security_2(bytes: &[u8]) {
    if let Ok(command) = S2Command::parse(bytes) {
        let again = S2Command::parse(&command.emit());
        assert_eq!(again.as_ref(), Ok(&command), "written and read again");
    }
    if let Ok(frame) = Encapsulation::parse(bytes) {
        assert!(frame.extensions.len() <= 8, "a list of extensions has its limit");
    }
}

const NODE: NodeId = NodeId(2);
const HUB: NodeId = NodeId(1);

/// A session whose peer is real for some frames and an attacker for the others. Each step is a byte that chooses what
/// happens, a length, and so many bytes.
pub fn s2_session(bytes: &[u8]) {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let class = SecurityClass::S2AccessControl;
    let mut keys = KeySet::default();
    let session = SessionKey::network(class, &Key128::new([3; 16]));
    keys.insert(session.clone());
    let key = KeyRef::Class(class);
    let to_hub = Addressing {
        home_id: 0x7e57_0001,
        src: NODE,
        dst: HUB,
    };
    let (mut hub, mut node) = (Spans::new(), Spans::new());
    let mut now = 1_000_000;
    let mut rest = bytes;
    while let [step, length, tail @ ..] = rest {
        let (data, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        now += u64::from(*step) * 1_000;
        let at = MonoTime::from_micros(now);
        match step % 4 {
            // The attacker sends anything under the node's name.
            0 => {
                let _ = hub.decapsulate(to_hub, data, &keys, at);
            }
            1 => {
                if let Ok(S2Command::NonceReport(report)) = S2Command::parse(data) {
                    let _ = hub.on_nonce_report(NODE, &report, at);
                }
            }
            2 => {
                let _ = hub.on_nonce_get(NODE, *length, at);
            }
            // The node itself speaks: whatever happened before, at most one resynchronisation later it is heard.
            _ => {
                let heard = (0..3).any(|_| {
                    if !node.can_seal(HUB, key) {
                        let report = hub.nonce_report(NODE, &mut rng, at);
                        if let Ok(S2Command::NonceReport(report)) = S2Command::parse(&report) {
                            let _ = node.on_nonce_report(HUB, &report, at);
                        }
                    }
                    let Ok(sealed) = node.encapsulate(to_hub, &session, data, at, &mut rng) else {
                        return true;
                    };
                    match hub.decapsulate(to_hub, &sealed, &keys, at) {
                        Ok(opened) => {
                            assert_eq!(opened.plain.expose(), data, "what was sealed is what is opened");
                            true
                        }
                        Err(_) => {
                            node.reset(HUB);
                            false
                        }
                    }
                });
                assert!(heard, "an attacker shut the node out");
            }
        }
    }
}

/// Keys in the shape that Z-Wave JS keeps them in.
pub fn network_keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    match NetworkKeys::from_zwave_js_json(text, &mut rng) {
        Ok(keys) => {
            let again = NetworkKeys::from_bytes(&keys.to_bytes());
            assert_eq!(again.as_ref().ok(), Some(&keys), "written and read again");
        }
        Err(error) => {
            let said = error.to_string();
            let longest = said
                .split(|at: char| !at.is_ascii_hexdigit())
                .map(str::len)
                .max()
                .unwrap_or(0);
            assert!(longest < 8, "an error never repeats a key: {said}");
        }
    }
}
