//! The S2 side of a simulated device: it is bootstrapped, seals what it says and opens what it hears.
//!
//! Sessions and cryptography are the adapter's own (they are symmetric and checked against known answers); the
//! joining node's side of the key exchange is only here.
//!
//! Spec: CC:009F

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime};
use hubd_zwave::security::s2_wire::{Kex, KexFailType, S2Command};
use hubd_zwave::security::{
    Addressing, ClassSet, KeyRef, KeySet, NetworkKeys, S2Error, SecurityClass, SessionKey, Spans,
};
use hubd_zwave::wire::serial::NodeId;
use x25519_dalek::{PublicKey, StaticSecret};

use super::link::{Opened, Place};
use crate::chance::Chance;

/// How long it waits for a nonce before it asks again.
const NONCE_WAIT: Millis = Millis(2500);
/// How often it asks for one nonce.
const NONCE_TRIES: u8 = 3;
/// How long it waits for the key exchange to begin.
const FIRST_WAIT: Millis = Millis(30_000);
/// How long each step of the key exchange may take.
const STEP_WAIT: Millis = Millis(10_000);
/// How often it says again which keys it was granted, until the controller does so.
const ECHO_EVERY: Millis = Millis(10_000);
/// How long a person may take with the PIN.
const PERSON_WAIT: Millis = Millis(240_000);
/// How many commands wait to be sealed; a device has little memory.
const WAITING_MAX: usize = 8;
/// For how long the last frame is sent again when the peer says that it could not read it.
const RESEND_WINDOW: Millis = Millis(1000);

/// What a device in the middle of its key exchange expects next.
#[derive(Debug)]
enum Step {
    /// A KEX Get.
    KexGet,
    /// A KEX Set.
    KexSet,
    /// The controller's public key.
    PublicKey,
    /// The echo of its own KEX Report.
    Echo,
    /// A network key that it asked for.
    Key(SecurityClass),
    /// That its proof of the key was read.
    Verified,
}

#[derive(Debug)]
struct Bootstrap {
    step: Step,
    until: MonoTime,
    granted: ClassSet,
    kex_set: Option<Kex>,
    /// When it says again which keys it was granted: a person may take long with the PIN.
    echo_at: Option<MonoTime>,
}

#[derive(Debug)]
struct Ask {
    until: MonoTime,
    tries: u8,
}

#[derive(Debug)]
pub(crate) struct S2Side {
    requested: ClassSet,
    secret: [u8; 32],
    hidden: Vec<u8>,
    spans: Spans,
    keys: KeySet,
    granted: ClassSet,
    place: Option<Place>,
    bootstrap: Option<Bootstrap>,
    /// What waits to be sealed, and whether it is sent for the first time.
    waiting: VecDeque<(KeyRef, Vec<u8>, bool)>,
    ask: Option<Ask>,
    last: Option<(KeyRef, Vec<u8>, MonoTime)>,
}

type Out = VecDeque<Vec<u8>>;

impl S2Side {
    pub(crate) fn new(classes: &[SecurityClass], seed: u64, hidden: Vec<u8>) -> Self {
        Self {
            requested: ClassSet::of(classes),
            secret: Chance::new(seed).bytes(),
            hidden,
            spans: Spans::new(),
            keys: KeySet::default(),
            granted: ClassSet::NONE,
            place: None,
            bootstrap: None,
            waiting: VecDeque::new(),
            ask: None,
            last: None,
        }
    }

    fn public_key(&self) -> [u8; 32] {
        PublicKey::from(&StaticSecret::from(self.secret)).to_bytes()
    }

    pub(crate) fn dsk(&self) -> [u8; 16] {
        self.public_key().first_chunk().copied().unwrap_or_default()
    }

    pub(crate) fn best(&self) -> Option<SecurityClass> {
        self.granted.highest()
    }

    pub(crate) fn grant(&mut self, place: Place, keys: &NetworkKeys) {
        self.place = Some(place);
        self.granted = self.requested;
        self.keys = KeySet::network(keys, self.requested);
    }

    pub(crate) fn join(&mut self, now: MonoTime, place: Place) {
        self.leave();
        self.place = Some(place);
        self.bootstrap = Some(Bootstrap {
            step: Step::KexGet,
            until: now + FIRST_WAIT,
            granted: ClassSet::NONE,
            kex_set: None,
            echo_at: None,
        });
    }

    pub(crate) fn leave(&mut self) {
        self.power_cut();
        self.keys = KeySet::default();
        self.granted = ClassSet::NONE;
        self.place = None;
    }

    pub(crate) fn lose_span(&mut self) {
        if let Some(controller) = self.controller() {
            self.spans.reset(controller);
        }
    }

    pub(crate) fn power_cut(&mut self) {
        self.spans = Spans::new();
        self.waiting.clear();
        self.ask = None;
        self.last = None;
        self.end_bootstrap();
    }

    fn end_bootstrap(&mut self) {
        self.bootstrap = None;
        self.keys.remove(KeyRef::Temp);
    }

    fn controller(&self) -> Option<NodeId> {
        self.place.map(|place| NodeId(place.controller))
    }

    fn addressing(place: Place) -> Addressing {
        Addressing {
            home_id: place.home_id,
            src: NodeId(place.node),
            dst: NodeId(place.controller),
        }
    }

    pub(crate) fn open(
        &mut self,
        now: MonoTime,
        frame: &[u8],
        chance: &mut Chance,
        out: &mut Out,
    ) -> Option<Opened> {
        let place = self.place?;
        if frame.first() != Some(&0x9f) {
            return Some(Opened {
                class: None,
                command: frame.to_vec(),
            });
        }
        let controller = NodeId(place.controller);
        match S2Command::parse(frame).ok()? {
            S2Command::NonceGet { seq } => {
                if self.spans.on_nonce_get(controller, seq, now).is_ok() {
                    out.push_back(self.spans.nonce_report(controller, chance.rng(), now));
                }
            }
            S2Command::NonceReport(report) => {
                if self.spans.on_nonce_report(controller, &report, now).is_ok() && report.sos.is_some() {
                    self.nonce_came(now, chance, out);
                }
            }
            S2Command::MessageEncapsulation(bytes) => {
                let address = Self::addressing(place).reversed();
                match self.spans.decapsulate(address, &bytes, &self.keys, now) {
                    Ok(opened) => {
                        return self.opened(now, opened.key, opened.plain.expose(), chance, out);
                    }
                    Err(S2Error::OutOfSync(_) | S2Error::WrongKey(_)) => {
                        out.push_back(self.spans.nonce_report(controller, chance.rng(), now));
                    }
                    Err(S2Error::Wire(_) | S2Error::Duplicate(_)) => {}
                }
            }
            command @ (S2Command::KexGet
            | S2Command::KexReport(_)
            | S2Command::KexSet(_)
            | S2Command::KexFail(_)
            | S2Command::PublicKeyReport { .. }
            | S2Command::NetworkKeyGet(_)
            | S2Command::NetworkKeyReport(..)
            | S2Command::NetworkKeyVerify
            | S2Command::TransferEnd { .. }
            | S2Command::CommandsSupportedGet
            | S2Command::CommandsSupportedReport(_)) => self.exchange(now, None, &command, chance, out),
        }
        None
    }

    fn opened(
        &mut self,
        now: MonoTime,
        key: KeyRef,
        plain: &[u8],
        chance: &mut Chance,
        out: &mut Out,
    ) -> Option<Opened> {
        if plain.first() != Some(&0x9f) {
            let KeyRef::Class(class) = key else { return None };
            return (!plain.is_empty()).then(|| Opened {
                class: Some(class),
                command: plain.to_vec(),
            });
        }
        let command = S2Command::parse(plain).ok()?;
        if command == S2Command::CommandsSupportedGet {
            let classes = if key == KeyRef::Class(self.best()?) {
                self.hidden.clone()
            } else {
                Vec::new()
            };
            self.queue(
                now,
                key,
                S2Command::CommandsSupportedReport(classes).emit(),
                chance,
                out,
            );
        } else {
            self.exchange(now, Some(key), &command, chance, out);
        }
        None
    }

    /// A nonce came: because it was asked for, or because the controller could not read the last frame.
    fn nonce_came(&mut self, now: MonoTime, chance: &mut Chance, out: &mut Out) {
        if self.ask.take().is_none()
            && let Some((key, command, at)) = self.last.take()
            && now < at + RESEND_WINDOW
        {
            // Once: two sides that do not understand each other would go on for ever.
            self.waiting.push_front((key, command, false));
        }
        self.pump(now, chance, out);
    }

    pub(crate) fn send(
        &mut self,
        now: MonoTime,
        class: SecurityClass,
        command: Vec<u8>,
        chance: &mut Chance,
        out: &mut Out,
    ) {
        self.queue(now, KeyRef::Class(class), command, chance, out);
    }

    fn queue(&mut self, now: MonoTime, key: KeyRef, command: Vec<u8>, chance: &mut Chance, out: &mut Out) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((key, command, true));
        }
        self.pump(now, chance, out);
    }

    fn pump(&mut self, now: MonoTime, chance: &mut Chance, out: &mut Out) {
        let Some(place) = self.place else { return };
        let controller = NodeId(place.controller);
        while let Some((id, command, first)) = self.waiting.pop_front() {
            let Some(key) = self.keys.get(id) else { continue };
            if !self.spans.can_seal(controller, id) {
                self.waiting.push_front((id, command, first));
                if self.ask.is_none() {
                    out.push_back(self.spans.nonce_get(controller, chance.rng(), now));
                    self.ask = Some(Ask {
                        until: now + NONCE_WAIT,
                        tries: 1,
                    });
                }
                return;
            }
            let sealed = self
                .spans
                .encapsulate(Self::addressing(place), key, &command, now, chance.rng());
            if let Ok(frame) = sealed {
                out.push_back(frame);
                self.last = first.then_some((id, command, now));
            }
        }
    }

    /// One command of the key exchange; `under` is the key that it came under.
    fn exchange(
        &mut self,
        now: MonoTime,
        under: Option<KeyRef>,
        command: &S2Command,
        chance: &mut Chance,
        out: &mut Out,
    ) {
        let Some(mut bootstrap) = self.bootstrap.take() else {
            return;
        };
        bootstrap.until = now + STEP_WAIT;
        match (&bootstrap.step, command, under) {
            (Step::KexGet, S2Command::KexGet, None) => {
                out.push_back(S2Command::KexReport(Kex::plain(self.requested)).emit());
                bootstrap.step = Step::KexSet;
                bootstrap.until = now + PERSON_WAIT;
            }
            (Step::KexSet, S2Command::KexSet(kex), None) => {
                let granted = kex.keys();
                if let Some(reason) = self.objection(*kex) {
                    self.fail(reason, out);
                    return;
                }
                bootstrap.granted = granted;
                bootstrap.kex_set = Some(*kex);
                let mut key = self.public_key();
                if granted.needs_dsk()
                    && let Some(pin) = key.first_chunk_mut::<2>()
                {
                    *pin = [0; 2];
                }
                out.push_back(
                    S2Command::PublicKeyReport {
                        including: false,
                        key,
                    }
                    .emit(),
                );
                bootstrap.step = Step::PublicKey;
                bootstrap.until = now + PERSON_WAIT;
            }
            (Step::PublicKey, S2Command::PublicKeyReport { including: true, key }, None) => {
                let shared = StaticSecret::from(self.secret).diffie_hellman(&PublicKey::from(*key));
                self.keys
                    .insert(SessionKey::temp(&shared.to_bytes(), key, &self.public_key()));
                bootstrap.step = Step::Echo;
                bootstrap.until = now + PERSON_WAIT;
                bootstrap.echo_at = Some(now + ECHO_EVERY);
                if let Some(kex) = bootstrap.kex_set {
                    self.queue(
                        now,
                        KeyRef::Temp,
                        S2Command::KexSet(kex.as_echo()).emit(),
                        chance,
                        out,
                    );
                }
            }
            (Step::Echo, S2Command::KexReport(kex), Some(KeyRef::Temp)) => {
                if *kex != Kex::plain(self.requested).as_echo() {
                    self.fail(KexFailType::WrongSecurityLevel, out);
                    return;
                }
                self.next_key(now, &mut bootstrap, chance, out);
            }
            (Step::Key(wanted), S2Command::NetworkKeyReport(class, key), Some(KeyRef::Temp))
                if wanted == class =>
            {
                self.keys.insert(SessionKey::network(*class, key));
                let proof = KeyRef::Class(*class);
                bootstrap.step = Step::Verified;
                bootstrap.granted = bootstrap.granted.without(*class);
                self.granted = self.granted.with(*class);
                self.queue(now, proof, S2Command::NetworkKeyVerify.emit(), chance, out);
            }
            (Step::Verified, S2Command::TransferEnd { verified: true, .. }, Some(KeyRef::Temp)) => {
                self.next_key(now, &mut bootstrap, chance, out);
                if matches!(bootstrap.step, Step::Verified) {
                    // All keys are here; the temporary one is kept until its last frame is out.
                    bootstrap.until = now + STEP_WAIT;
                }
            }
            (_, S2Command::KexFail(_), _) => {
                self.forget_keys();
                return;
            }
            // What does not belong here is ignored, as if it had not come.
            _ => {}
        }
        self.bootstrap = Some(bootstrap);
    }

    fn objection(&self, kex: Kex) -> Option<KexFailType> {
        if kex.schemes != Kex::SCHEME_1 {
            Some(KexFailType::NoSupportedScheme)
        } else if kex.profiles != Kex::CURVE25519 {
            Some(KexFailType::NoSupportedCurve)
        } else if kex.keys().is_empty() || !kex.keys().iter().all(|class| self.requested.contains(class)) {
            Some(KexFailType::NoKeyMatch)
        } else {
            None
        }
    }

    /// Asks for the next key, highest first, or says that it has them all.
    fn next_key(&mut self, now: MonoTime, bootstrap: &mut Bootstrap, chance: &mut Chance, out: &mut Out) {
        let command = match bootstrap.granted.highest() {
            Some(class) => {
                bootstrap.step = Step::Key(class);
                S2Command::NetworkKeyGet(class)
            }
            None => {
                bootstrap.step = Step::Verified;
                S2Command::TransferEnd {
                    verified: false,
                    complete: true,
                }
            }
        };
        self.queue(now, KeyRef::Temp, command.emit(), chance, out);
    }

    fn fail(&mut self, reason: KexFailType, out: &mut Out) {
        out.push_back(S2Command::KexFail(reason).emit());
        self.forget_keys();
    }

    fn forget_keys(&mut self) {
        self.keys = KeySet::default();
        self.granted = ClassSet::NONE;
        self.waiting.clear();
        self.bootstrap = None;
    }

    pub(crate) fn tick(&mut self, now: MonoTime, chance: &mut Chance, out: &mut Out) {
        if let Some(ask) = &mut self.ask
            && now >= ask.until
        {
            if ask.tries >= NONCE_TRIES {
                self.ask = None;
                self.waiting.clear();
            } else if let Some(controller) = self.place.map(|place| NodeId(place.controller)) {
                ask.tries += 1;
                ask.until = now + NONCE_WAIT;
                out.push_back(self.spans.nonce_get(controller, chance.rng(), now));
            }
        }
        if let Some(bootstrap) = &mut self.bootstrap
            && bootstrap.echo_at.is_some_and(|at| now >= at)
        {
            let waits = matches!(bootstrap.step, Step::Echo);
            bootstrap.echo_at = waits.then_some(now + ECHO_EVERY);
            if let Some(kex) = bootstrap.kex_set.filter(|_| waits) {
                self.queue(
                    now,
                    KeyRef::Temp,
                    S2Command::KexSet(kex.as_echo()).emit(),
                    chance,
                    out,
                );
            }
        }
        if let Some(bootstrap) = &self.bootstrap
            && now >= bootstrap.until
        {
            let complete = matches!(bootstrap.step, Step::Verified) && bootstrap.granted.is_empty();
            self.end_bootstrap();
            if !complete {
                self.forget_keys();
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        let ask = self.ask.as_ref().map(|ask| ask.until);
        let bootstrap = self.bootstrap.as_ref().map(|bootstrap| bootstrap.until);
        let echo = self.bootstrap.as_ref().and_then(|bootstrap| bootstrap.echo_at);
        ask.into_iter().chain(bootstrap).chain(echo).min()
    }
}
