//! S2 and S0 devices behind the dongle, with a controller of a few lines: known keys, joining, lost nonces.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics fails, as it should"
)]

mod common;

use common::{Host, heard, keys};
use hubd_model::{Hazard, Millis, MonoTime};
use hubd_sim::chance::Chance;
use hubd_sim::device::{Act, AlarmConfig, Device, LockConfig, Protection};
use hubd_sim::dongle::{DeviceKey, Dongle, DongleConfig};
use hubd_zwave::security::s0_wire::S0Command;
use hubd_zwave::security::s2_wire::{Kex, S2Command};
use hubd_zwave::security::{
    Addressing, ClassSet, KeyRef, KeySet, S0, S0Keys, S0Link, S2Error, SecurityClass, SessionKey, Spans,
};
use hubd_zwave::wire::serial::NodeId;
use x25519_dalek::{PublicKey, StaticSecret};

const ACCESS: KeyRef = KeyRef::Class(SecurityClass::S2AccessControl);

/// A controller that talks to one node.
struct Hub {
    host: Host,
    node: u8,
    spans: Spans,
    keys: KeySet,
    s0: S0,
    s0_keys: S0Keys,
    chance: Chance,
    /// What the node said, opened, with the key it came under; S0 counts as its class.
    said: Vec<(Option<KeyRef>, Vec<u8>)>,
}

impl Hub {
    fn new(dongle: Dongle, node: u8) -> Self {
        Self {
            host: Host::new(dongle),
            node,
            spans: Spans::new(),
            keys: KeySet::network(&keys(), ClassSet::ALL),
            s0: S0::new(),
            s0_keys: S0Keys::new(keys().key(SecurityClass::S0)),
            chance: Chance::new(99),
            said: Vec::new(),
        }
    }

    fn address(&self) -> Addressing {
        Addressing {
            home_id: self.host.dongle.home_id(),
            src: NodeId(1),
            dst: NodeId(u16::from(self.node)),
        }
    }

    fn plain(&mut self, command: &[u8], span: Millis) {
        let (_, heard) = self.host.command(self.node, command, span);
        self.take(heard);
    }

    /// Waits and answers what the node asks for.
    fn wait(&mut self, span: Millis) {
        let until = self.host.now + span;
        while self.host.now < until {
            let heard = heard(&self.host.wait(Millis(50)));
            self.take(heard);
        }
    }

    fn take(&mut self, commands: Vec<Vec<u8>>) {
        for command in commands {
            match command[0] {
                0x9f => self.take_s2(&command),
                0x98 => self.take_s0(&command),
                _ => self.said.push((None, command)),
            }
        }
    }

    fn take_s2(&mut self, command: &[u8]) {
        let (node, now) = (NodeId(u16::from(self.node)), self.host.now);
        match S2Command::parse(command).unwrap() {
            S2Command::NonceGet { seq } => {
                if self.spans.on_nonce_get(node, seq, now).is_ok() {
                    let report = self.spans.nonce_report(node, self.chance.rng(), now);
                    self.plain(&report, Millis(40));
                }
            }
            S2Command::NonceReport(report) => {
                // A repeated report changes nothing.
                let _ = self.spans.on_nonce_report(node, &report, now);
            }
            S2Command::MessageEncapsulation(bytes) => {
                let address = self.address().reversed();
                match self.spans.decapsulate(address, &bytes, &self.keys, now) {
                    Ok(opened) => self.opened(opened.key, opened.plain.expose().to_vec()),
                    Err(S2Error::OutOfSync(_) | S2Error::WrongKey(_)) => {
                        let report = self.spans.nonce_report(node, self.chance.rng(), now);
                        self.plain(&report, Millis(40));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            _ => self.said.push((None, command.to_vec())),
        }
    }

    /// A supervised report is confirmed.
    fn opened(&mut self, key: KeyRef, plain: Vec<u8>) {
        if plain[..2] == [0x6c, 0x01] {
            self.said.push((Some(key), plain[4..].to_vec()));
            self.s2(key, &[0x6c, 0x02, plain[2] & 0x3f, 0xff, 0]);
        } else {
            self.said.push((Some(key), plain));
        }
    }

    fn s2(&mut self, key: KeyRef, command: &[u8]) {
        let node = NodeId(u16::from(self.node));
        if !self.spans.can_seal(node, key) {
            let get = self.spans.nonce_get(node, self.chance.rng(), self.host.now);
            self.plain(&get, Millis(40));
            self.wait(Millis(1500));
        }
        let session = self.keys.get(key).unwrap().clone();
        let (address, now) = (self.address(), self.host.now);
        let frame = self
            .spans
            .encapsulate(address, &session, command, now, self.chance.rng())
            .unwrap();
        self.plain(&frame, Millis(40));
    }

    fn take_s0(&mut self, command: &[u8]) {
        let now = self.host.now;
        match S0Command::parse(command).unwrap() {
            S0Command::NonceGet => {
                let report = self.s0.issue(self.node, now, self.chance.rng());
                self.plain(&report, Millis(40));
            }
            S0Command::NonceReport(nonce) => self.s0.on_nonce_report(self.node, nonce, now),
            S0Command::Encapsulation(frame) => {
                let link = S0Link {
                    src: self.node,
                    dst: 1,
                };
                let opened = self.s0.open(&self.s0_keys, link, &frame, now).unwrap();
                if opened.wants_nonce {
                    let report = self.s0.issue(self.node, now, self.chance.rng());
                    self.plain(&report, Millis(40));
                }
                if let Some(plain) = opened.plain {
                    self.said
                        .push((Some(KeyRef::Class(SecurityClass::S0)), plain.expose().to_vec()));
                }
            }
            _ => self.said.push((None, command.to_vec())),
        }
    }

    fn s0(&mut self, keys: &S0Keys, command: &[u8]) {
        for part in self.s0.split(command).unwrap() {
            if !self.s0.can_seal(self.node, self.host.now) {
                self.plain(&S0Command::NonceGet.emit(), Millis(40));
                self.wait(Millis(1500));
            }
            let link = S0Link {
                src: 1,
                dst: self.node,
            };
            let frame = self
                .s0
                .seal(keys, link, &part, self.host.now, self.chance.rng())
                .unwrap();
            self.plain(&frame, Millis(40));
        }
    }

    fn said(&mut self) -> Vec<(Option<KeyRef>, Vec<u8>)> {
        std::mem::take(&mut self.said)
    }
}

fn member(device: Device) -> (Hub, DeviceKey) {
    let mut dongle = Dongle::new(DongleConfig::default(), 7);
    let key = dongle.add_member(MonoTime::default(), device, &keys()).unwrap();
    (Hub::new(dongle, 2), key)
}

fn front_door(protection: Protection) -> Device {
    let config = LockConfig {
        codes: vec![(3, "0471".into())],
        ..LockConfig::default()
    };
    Device::lock("Front door", config, protection, 1)
}

#[test]
fn an_s2_lock_moves_under_its_key_and_ignores_plain_commands() {
    let (mut hub, lock) = member(front_door(Protection::s2_lock(5)));
    hub.plain(&[0x62, 0x01, 0x00], Millis(3000));
    assert_eq!(
        hub.host.dongle.device(lock).unwrap().is_locked(),
        Some(true),
        "plain is not enough"
    );
    assert_eq!(hub.said(), []);

    hub.s2(ACCESS, &[0x6c, 0x01, 1, 3, 0x62, 0x01, 0x00]);
    hub.wait(Millis(4000));
    let said = hub.said();
    assert_eq!(said[0], (Some(ACCESS), vec![0x6c, 0x02, 0x81, 0x01, 1]));
    assert_eq!(said[1], (Some(ACCESS), vec![0x6c, 0x02, 0x01, 0xff, 0]));
    assert!(
        said.iter().any(|(_, command)| command.get(6..8) == Some(&[6, 4])),
        "{said:?}"
    );
    assert_eq!(hub.host.dongle.device(lock).unwrap().is_locked(), Some(false));

    let lower = KeyRef::Class(SecurityClass::S2Authenticated);
    hub.s2(lower, &[0x62, 0x01, 0xff]);
    hub.wait(Millis(3000));
    assert_eq!(
        hub.host.dongle.device(lock).unwrap().is_locked(),
        Some(false),
        "a lower key is not enough"
    );
}

#[test]
fn an_s2_lock_finds_back_after_it_lost_its_nonce() {
    let (mut hub, lock) = member(front_door(Protection::s2_lock(5)));
    hub.s2(ACCESS, &[0x62, 0x02]);
    hub.wait(Millis(2000));
    assert_eq!(hub.said().len(), 1);
    hub.host.act(lock, &Act::LoseSpan);
    hub.s2(ACCESS, &[0x62, 0x02]);
    hub.wait(Millis(2000));
    assert_eq!(hub.said(), [], "it cannot read that and says so");
    hub.s2(ACCESS, &[0x62, 0x02]);
    hub.wait(Millis(2000));
    assert_eq!(hub.said().len(), 1);
    hub.host.act(lock, &Act::PowerCut);
    hub.host.act(lock, &Act::PowerBack);
    hub.host.act(lock, &Act::TypeCode("0471".into()));
    hub.wait(Millis(4000));
    let said = hub.said();
    assert_eq!(
        said[0],
        (Some(ACCESS), vec![0x71, 0x05, 0, 0, 0, 0xff, 6, 6, 1, 3]),
        "after a power cut, too"
    );
}

#[test]
fn a_supervised_report_is_repeated_until_it_is_confirmed() {
    let (mut hub, lock) = member(front_door(Protection::s2_lock(5)));
    hub.s2(ACCESS, &[0x62, 0x02]);
    hub.wait(Millis(2000));
    hub.said();
    hub.host
        .dongle
        .fault(hub.host.now, hubd_sim::dongle::Fault::Jam(true));
    hub.host.act(lock, &Act::Turn { locked: false });
    hub.wait(Millis(2000));
    assert_eq!(hub.said(), []);
    hub.host
        .dongle
        .fault(hub.host.now, hubd_sim::dongle::Fault::Jam(false));
    hub.wait(Millis(6000));
    let said = hub.said();
    assert_eq!(said[0].1[6..8], [6, 2], "{said:?}");
    assert_eq!(
        said.len(),
        2,
        "notification and operation report, each once: {said:?}"
    );
}

#[test]
fn an_s2_alarm_says_smoke_under_its_key() {
    let (mut hub, alarm) = member(Device::alarm(
        "Hall",
        AlarmConfig::default(),
        Protection::s2_detector(6),
        2,
    ));
    hub.host.act(
        alarm,
        &Act::Hazard {
            hazard: Hazard::Smoke,
            present: true,
        },
    );
    hub.wait(Millis(3000));
    let class = KeyRef::Class(SecurityClass::S2Authenticated);
    assert_eq!(
        hub.said(),
        [(Some(class), vec![0x71, 0x05, 0, 0, 0, 0xff, 1, 2, 0])]
    );
}

#[test]
fn an_s0_lock_moves_and_names_the_slot_in_a_user_code_report() {
    let config = LockConfig {
        door_lock_version: 2,
        user_code_version: 1,
        keypad: hubd_sim::device::KeypadEvent::UserCodeReport,
        codes: vec![(3, "0471".into())],
        ..LockConfig::default()
    };
    let (mut hub, lock) = member(Device::lock("Back door", config, Protection::S0, 1));
    let keys = hub.s0_keys.clone();
    hub.s0(&keys, &[0x62, 0x01, 0x00]);
    hub.wait(Millis(3000));
    assert_eq!(hub.host.dongle.device(lock).unwrap().is_locked(), Some(false));
    let said = hub.said();
    assert_eq!(said[0].1[6..8], [6, 4]);
    assert_eq!(said[1].1[..3], [0x62, 0x03, 0x00]);
    hub.host.act(lock, &Act::TypeCode("0471".into()));
    hub.wait(Millis(3000));
    assert_eq!(
        hub.said()[0].1,
        [0x71, 0x05, 0, 0, 0, 0xff, 6, 6, 4, 0x63, 0x03, 3, 1]
    );
    hub.s0(&keys, &[0x98, 0x02]);
    hub.wait(Millis(3000));
    assert!(
        hub.said()[0].1[3..].contains(&0x62),
        "it names its hidden classes"
    );
}

/// Adds a device that is not in the network yet; it is node 2.
fn add(device: Device) -> (Hub, DeviceKey) {
    let mut dongle = Dongle::new(DongleConfig::default(), 7);
    let key = dongle.add_device(device);
    let mut hub = Hub::new(dongle, 2);
    hub.host.request(0x4a, &[0xc1, 7]);
    hub.host.act(key, &Act::LearnButton);
    hub.host.wait(Millis(2000));
    hub.host.request(0x4a, &[0xc5, 8]);
    (hub, key)
}

/// The controller's side of the S2 key exchange, up to where the device proves or gives up.
fn exchange(hub: &mut Hub, pin: u16) {
    let secret = StaticSecret::from([7; 32]);
    let own = PublicKey::from(&secret).to_bytes();
    hub.plain(&S2Command::KexGet.emit(), Millis(1500));
    let Ok(S2Command::KexReport(offer)) = S2Command::parse(&hub.said()[0].1) else {
        panic!("a KEX Report")
    };
    hub.plain(&S2Command::KexSet(Kex::plain(offer.keys())).emit(), Millis(200));
    let Ok(S2Command::PublicKeyReport {
        including: false,
        mut key,
    }) = S2Command::parse(&hub.said()[0].1)
    else {
        panic!("a public key")
    };
    assert_eq!(key[..2], [0, 0], "the PIN is not on the air");
    key[..2].copy_from_slice(&pin.to_be_bytes());
    let shared = secret.diffie_hellman(&PublicKey::from(key)).to_bytes();
    hub.keys = [SessionKey::temp(&shared, &own, &key)].into_iter().collect();
    hub.plain(
        &S2Command::PublicKeyReport {
            including: true,
            key: own,
        }
        .emit(),
        Millis(200),
    );
    hub.wait(Millis(2000));
    let Some((Some(KeyRef::Temp), echo)) = hub.said().pop() else {
        return;
    };
    assert_eq!(
        S2Command::parse(&echo),
        Ok(S2Command::KexSet(Kex::plain(offer.keys()).as_echo()))
    );
    hub.s2(KeyRef::Temp, &S2Command::KexReport(offer.as_echo()).emit());
    loop {
        hub.wait(Millis(2000));
        let said = hub.said();
        let (key, command) = said.last().unwrap();
        match S2Command::parse(command).unwrap() {
            S2Command::NetworkKeyGet(class) => {
                hub.keys.insert(SessionKey::network(class, keys().key(class)));
                let report = S2Command::NetworkKeyReport(class, keys().key(class).clone());
                hub.s2(KeyRef::Temp, &report.emit());
            }
            S2Command::NetworkKeyVerify => {
                assert!(matches!(key, Some(KeyRef::Class(_))));
                hub.s2(
                    KeyRef::Temp,
                    &S2Command::TransferEnd {
                        verified: true,
                        complete: false,
                    }
                    .emit(),
                );
            }
            S2Command::TransferEnd { complete: true, .. } => return,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_lock_joins_with_s2_by_its_pin() {
    let (mut hub, key) = add(front_door(Protection::s2_lock(11)));
    let dsk = hub.host.dongle.device(key).unwrap().dsk_text().unwrap();
    let pin: u16 = dsk[..5].parse().unwrap();
    exchange(&mut hub, pin);
    let device = hub.host.dongle.device(key).unwrap();
    assert_eq!(device.security(), Some(SecurityClass::S2AccessControl));
    hub.s2(ACCESS, &[0x9f, 0x0d]);
    hub.wait(Millis(2000));
    assert!(
        hub.said()[0].1[2..].contains(&0x62),
        "it names its hidden classes"
    );
}

#[test]
fn a_wrong_pin_leaves_a_lock_that_obeys_nobody() {
    let (mut hub, key) = add(front_door(Protection::s2_lock(11)));
    let dsk = hub.host.dongle.device(key).unwrap().dsk_text().unwrap();
    let pin: u16 = dsk[..5].parse().unwrap();
    exchange(&mut hub, pin ^ 1);
    hub.wait(Millis::from_secs(20));
    assert_eq!(hub.host.dongle.device(key).unwrap().security(), None);
    hub.plain(&[0x62, 0x01, 0x00], Millis(3000));
    assert_eq!(hub.host.dongle.device(key).unwrap().is_locked(), Some(true));
}

#[test]
fn a_lock_joins_with_s0_if_it_is_asked_in_time() {
    for (pause, joined) in [(Millis(100), true), (Millis::from_secs(15), false)] {
        let (mut hub, key) = add(Device::lock(
            "Back door",
            LockConfig::default(),
            Protection::S0,
            1,
        ));
        hub.wait(pause);
        hub.plain(&S0Command::SchemeGet(0).emit(), Millis(1500));
        assert_eq!(hub.said().len(), usize::from(joined));
        if !joined {
            continue;
        }
        let set = S0Command::NetworkKeySet(keys().key(SecurityClass::S0).clone()).emit();
        hub.s0(&S0Keys::inclusion(), &set);
        hub.wait(Millis(3000));
        assert_eq!(
            S0Command::parse(&hub.said()[0].1),
            Ok(S0Command::NetworkKeyVerify)
        );
        assert_eq!(
            hub.host.dongle.device(key).unwrap().security(),
            Some(SecurityClass::S0)
        );
    }
}

#[test]
fn a_smart_start_device_announces_itself_and_is_added_by_its_dsk() {
    let mut dongle = Dongle::new(DongleConfig::default(), 7);
    let key = dongle.add_device(front_door(Protection::s2_lock(11)));
    let mut host = Host::new(dongle);
    host.act(key, &Act::SmartStart(true));
    assert_eq!(host.wait(Millis(3000)).len(), 0, "nobody listens");
    host.request(0x4a, &[0x49, 0]);
    let update = host.wait(Millis::from_secs(10)).remove(0);
    assert_eq!(update[3..5], [0x49, 0x85]);
    let nwi = update[7..11].to_vec();
    let dsk = host.dongle.device(key).unwrap().dsk().unwrap();
    assert_eq!(nwi, [dsk[8] | 0xc0, dsk[9], dsk[10], dsk[11] & 0xfe]);
    let auth = [dsk[12] & 0x3f, dsk[13], dsk[14], dsk[15] | 1];
    host.request(
        0x4a,
        &[
            0xc8, 9, nwi[0], nwi[1], nwi[2], nwi[3], auth[0], auth[1], auth[2], auth[3],
        ],
    );
    host.wait(Millis(2000));
    assert_eq!(host.dongle.node_of(key), Some(2));
}
