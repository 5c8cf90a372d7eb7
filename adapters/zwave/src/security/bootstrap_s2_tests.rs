//! The controller's machine against the device's over a link in memory, lossless and lossy, and against a device
//! that breaks the rules.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each test looks at few of the commands"
)]

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::security::bootstrap_s2_device::{DeviceBootstrapS2, DeviceFailure, DeviceInput, DeviceOutput};
use crate::security::s2::{Addressing, S2Error, Spans};
use crate::wire::serial::NodeId;
use hubd_model::Key128;

const TO_NODE: Addressing = Addressing {
    home_id: 0x7e57_0001,
    src: NodeId(1),
    dst: NodeId(10),
};

fn classes() -> ClassSet {
    ClassSet::of(&[
        SecurityClass::S2AccessControl,
        SecurityClass::S2Authenticated,
        SecurityClass::S0,
    ])
}

/// Either machine, as the one that carries its frames sees it.
enum Machine {
    Controller(BootstrapS2),
    Device(DeviceBootstrapS2),
}

/// One side: its machine, its SPANs, and what waits for a nonce.
struct Side {
    machine: Machine,
    spans: Spans,
    addr: Addressing,
    waiting: VecDeque<(SecretBytes, KeyRef)>,
    asked_at: Option<MonoTime>,
    key_memory: Vec<SessionKey>,
}

/// What the two machines said at their end.
#[derive(Debug, Default)]
struct Ends {
    controller: Option<Result<(ClassSet, Dsk), BootstrapFailure>>,
    device: Option<Result<Vec<(SecurityClass, Key128)>, DeviceFailure>>,
    asked: Option<String>,
}

struct World {
    sides: [Side; 2],
    now: MonoTime,
    rng: ChaCha20Rng,
    sent: usize,
    lose: Box<dyn FnMut(usize) -> bool>,
    air: VecDeque<(usize, Vec<u8>)>,
    ends: Ends,
    pin: Option<DskPin>,
    pin_after: Millis,
    pin_at: Option<MonoTime>,
}

impl World {
    fn new(seed: u64, requested: ClassSet, grant: Grant) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let now = MonoTime::from_micros(5_000_000);
        let pair = KeyPair::generate(&mut rng);
        let pin = Some(pair.dsk().pin());
        let network = NetworkKeys::generate(&mut rng);
        let controller = BootstrapS2::start(&network, grant, None, now, &mut rng);
        let device = DeviceBootstrapS2::join(pair, requested, now);
        let side = |machine, addr| Side {
            machine,
            spans: Spans::new(),
            addr,
            waiting: VecDeque::new(),
            asked_at: None,
            key_memory: Vec::new(),
        };
        Self {
            sides: [
                side(Machine::Controller(controller), TO_NODE),
                side(Machine::Device(device), TO_NODE.reversed()),
            ],
            now,
            rng,
            sent: 0,
            lose: Box::new(|_| false),
            air: VecDeque::new(),
            ends: Ends::default(),
            pin,
            pin_after: Millis(0),
            pin_at: None,
        }
    }

    fn network(&self) -> &NetworkKeys {
        match &self.sides[0].machine {
            Machine::Controller(machine) => &machine.network,
            Machine::Device(_) => panic!("side 0 is the controller"),
        }
    }

    fn transmit(&mut self, from: usize, bytes: Vec<u8>) {
        self.sent += 1;
        if !(self.lose)(self.sent) {
            self.air.push_back((1 - from, bytes));
        }
    }

    fn flush(&mut self, me: usize) {
        while let Some((command, key)) = self.sides[me].waiting.front().cloned() {
            let side = &mut self.sides[me];
            let Some(session) = side
                .key_memory
                .iter()
                .rev()
                .find(|held| held.id() == key)
                .cloned()
            else {
                side.waiting.pop_front();
                continue;
            };
            match side
                .spans
                .encapsulate(side.addr, &session, command.expose(), self.now, &mut self.rng)
            {
                Ok(frame) => {
                    side.waiting.pop_front();
                    side.asked_at = None;
                    self.transmit(me, frame);
                }
                Err(_) => {
                    if side.asked_at.is_none() {
                        side.asked_at = Some(self.now);
                        let get = side.spans.nonce_get(side.addr.dst, &mut self.rng, self.now);
                        self.transmit(me, get);
                    }
                    return;
                }
            }
        }
    }

    fn drain(&mut self, me: usize) {
        loop {
            let held: Vec<SessionKey> = match &self.sides[me].machine {
                Machine::Controller(machine) => machine.keys().iter().cloned().collect(),
                Machine::Device(machine) => machine.keys().iter().cloned().collect(),
            };
            self.sides[me].key_memory.extend(held);
            let (command, under) = match &mut self.sides[me].machine {
                Machine::Controller(machine) => match machine.poll() {
                    None => break,
                    Some(BootstrapOutput::Send { command, under }) => (command, under),
                    Some(BootstrapOutput::SendNonceReport) => {
                        self.report_nonce(me);
                        continue;
                    }
                    Some(BootstrapOutput::OpenAgain(frame)) => {
                        self.receive(me, &frame);
                        continue;
                    }
                    Some(BootstrapOutput::AskPin { dsk }) => {
                        self.ends.asked = Some(dsk);
                        self.pin_at = self.pin.map(|_| self.now + self.pin_after);
                        continue;
                    }
                    Some(BootstrapOutput::Done { granted, dsk }) => {
                        assert!(self.ends.controller.replace(Ok((granted, dsk))).is_none());
                        continue;
                    }
                    Some(BootstrapOutput::Failed(reason)) => {
                        assert!(self.ends.controller.replace(Err(reason)).is_none());
                        continue;
                    }
                },
                Machine::Device(machine) => match machine.poll() {
                    None => break,
                    Some(DeviceOutput::Send { command, under }) => (command, under),
                    Some(DeviceOutput::SendNonceReport) => {
                        self.report_nonce(me);
                        continue;
                    }
                    Some(DeviceOutput::Done(keys)) => {
                        self.ends.device = Some(Ok(keys));
                        continue;
                    }
                    Some(DeviceOutput::Failed(reason)) => {
                        self.ends.device = Some(Err(reason));
                        continue;
                    }
                },
            };
            match under {
                Under::Plain => self.transmit(me, command.expose().to_vec()),
                Under::Key(key) => {
                    self.sides[me].waiting.push_back((command, key));
                    self.flush(me);
                }
            }
        }
    }

    fn report_nonce(&mut self, me: usize) {
        let side = &mut self.sides[me];
        let report = side.spans.nonce_report(side.addr.dst, &mut self.rng, self.now);
        self.transmit(me, report);
    }

    fn input(&mut self, me: usize, command: S2Command, under: Under) {
        match &mut self.sides[me].machine {
            Machine::Controller(machine) => machine.handle(self.now, BootstrapInput::Command(command, under)),
            Machine::Device(machine) => machine.handle(self.now, DeviceInput::Command(command, under)),
        }
        self.drain(me);
    }

    fn receive(&mut self, me: usize, bytes: &[u8]) {
        let now = self.now;
        let side = &mut self.sides[me];
        let from = side.addr.dst;
        match S2Command::parse(bytes).expect("S2") {
            S2Command::NonceGet { seq } => {
                if side.spans.on_nonce_get(from, seq, now).is_ok() {
                    self.report_nonce(me);
                    self.input(me, S2Command::NonceGet { seq }, Under::Plain);
                }
            }
            S2Command::NonceReport(report) => {
                let _ = side.spans.on_nonce_report(from, &report, now);
                self.flush(me);
            }
            S2Command::MessageEncapsulation(frame) => {
                let keys = match &side.machine {
                    Machine::Controller(machine) => machine.keys(),
                    Machine::Device(machine) => machine.keys(),
                };
                match side.spans.decapsulate(side.addr.reversed(), &frame, keys, now) {
                    Ok(opened) => {
                        let command = S2Command::parse(opened.plain.expose()).expect("S2");
                        self.input(me, command, Under::Key(opened.key));
                    }
                    Err(error @ (S2Error::OutOfSync(_) | S2Error::WrongKey(_))) => {
                        let new_span = matches!(error, S2Error::WrongKey(_));
                        match &mut side.machine {
                            Machine::Controller(machine) => {
                                machine.handle(now, BootstrapInput::Unreadable { frame, new_span });
                            }
                            Machine::Device(machine) => machine.handle(now, DeviceInput::Unreadable),
                        }
                        self.drain(me);
                    }
                    Err(_) => {}
                }
            }
            command => self.input(me, command, Under::Plain),
        }
    }

    /// Runs until both machines ended and the air is silent; the number of steps is bounded.
    fn run(&mut self) {
        self.drain(0);
        for _ in 0..5_000 {
            if let Some((to, bytes)) = self.air.pop_front() {
                self.now = self.now + Millis(10);
                self.receive(to, &bytes);
                continue;
            }
            let over = |side: &Side| match &side.machine {
                Machine::Controller(machine) => machine.is_over(),
                Machine::Device(machine) => machine.is_over(),
            };
            // A nonce that does not come is asked for again, as a host does.
            let nonce_due = |side: &Side| side.asked_at.map(|at| at + Millis(1_000));
            let due = |side: &Side| match &side.machine {
                Machine::Controller(machine) => machine.next_deadline(),
                Machine::Device(machine) => machine.next_deadline(),
            };
            if self.sides.iter().all(over) {
                return;
            }
            let next = self
                .sides
                .iter()
                .flat_map(|side| [due(side), nonce_due(side)])
                .chain([self.pin_at])
                .flatten()
                .min();
            self.now = next
                .expect("a machine that is not over has a deadline")
                .max(self.now);
            if self.pin_at.is_some_and(|at| at <= self.now) {
                self.pin_at = None;
                let pin = self.pin.expect("a PIN to enter");
                if let Machine::Controller(machine) = &mut self.sides[0].machine {
                    machine.handle(self.now, BootstrapInput::Pin(pin));
                }
                self.drain(0);
                continue;
            }
            for me in 0..2 {
                if self.sides[me]
                    .asked_at
                    .is_some_and(|at| at + Millis(1_000) <= self.now)
                {
                    self.sides[me].asked_at = None;
                    self.flush(me);
                }
                if due(&self.sides[me]).is_some_and(|at| at <= self.now) {
                    match &mut self.sides[me].machine {
                        Machine::Controller(machine) => machine.handle(self.now, BootstrapInput::Tick),
                        Machine::Device(machine) => machine.handle(self.now, DeviceInput::Tick),
                    }
                    self.drain(me);
                }
            }
        }
        panic!("the key exchange does not end: {:?}", self.ends);
    }

    /// Both sides ended well and agree.
    fn assert_done(&self, granted: ClassSet) {
        let (classes, _) = self.ends.controller.as_ref().expect("ended").expect("done");
        assert_eq!(classes, granted);
        let keys = self.ends.device.as_ref().expect("ended").as_ref().expect("done");
        let expected: Vec<_> = granted
            .iter()
            .map(|class| (class, self.network().key(class).clone()))
            .collect();
        assert_eq!(keys, &expected);
    }
}

#[test]
fn a_lock_gets_its_keys_after_the_pin() {
    for wait in [0, 3_000, 30_000, 200_000] {
        let mut world = World::new(1, classes(), Grant::lock());
        world.pin_after = Millis(wait);
        world.run();
        world.assert_done(classes());
        let dsk = world.ends.asked.as_deref().expect("asked");
        assert_eq!((dsk.len(), dsk.starts_with('-')), (42, true));
    }
}

#[test]
fn a_device_without_a_dsk_to_prove_is_not_asked_for() {
    let requested = ClassSet::of(&[SecurityClass::S2Unauthenticated]);
    let mut world = World::new(2, requested, Grant::any());
    world.run();
    world.assert_done(requested);
    assert_eq!(world.ends.asked, None);
}

#[test]
fn a_known_dsk_needs_nobody_and_another_device_is_refused() {
    for (right, expected) in [(true, None), (false, Some(BootstrapFailure::OtherDevice))] {
        let mut world = World::new(3, classes(), Grant::lock());
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let dsk = KeyPair::generate(&mut rng).dsk();
        let known = if right {
            dsk
        } else {
            KeyPair::generate(&mut rng).dsk()
        };
        if let Machine::Controller(machine) = &mut world.sides[0].machine {
            machine.known = Some(known);
        }
        world.run();
        match expected {
            None => world.assert_done(classes()),
            Some(reason) => {
                assert_eq!(world.ends.controller, Some(Err(reason)));
                assert_eq!(
                    world.ends.device,
                    Some(Err(DeviceFailure::ByController(KexFailType::Cancelled)))
                );
            }
        }
        assert_eq!(world.ends.asked, None);
    }
}

#[test]
fn a_wrong_pin_gives_no_key_away() {
    for wait in [0, 25_000] {
        let mut world = World::new(4, classes(), Grant::lock());
        world.pin = Some(DskPin::parse(&hubd_model::SecretString::new("00001".into())).expect("digits"));
        world.pin_after = Millis(wait);
        world.run();
        assert_eq!(world.ends.controller, Some(Err(BootstrapFailure::WrongPin)));
        assert_eq!(
            world.ends.device,
            Some(Err(DeviceFailure::ByController(KexFailType::Decrypt)))
        );
    }
}

#[test]
fn without_a_pin_it_ends_after_four_minutes() {
    let mut world = World::new(5, classes(), Grant::lock());
    world.pin = None;
    let start = world.now;
    world.run();
    assert_eq!(world.ends.controller, Some(Err(BootstrapFailure::NoPin)));
    assert!(world.now.since(start) >= Millis(240_000));
}

#[test]
fn a_lock_that_asks_for_less_is_not_included() {
    let requested = ClassSet::of(&[SecurityClass::S0, SecurityClass::S2Unauthenticated]);
    let mut world = World::new(6, requested, Grant::lock());
    world.run();
    assert_eq!(world.ends.controller, Some(Err(BootstrapFailure::NoUsefulKey)));
    assert_eq!(
        world.ends.device,
        Some(Err(DeviceFailure::ByController(KexFailType::NoKeyMatch)))
    );
}

#[test]
fn any_one_lost_frame_is_made_good() {
    let mut world = World::new(7, classes(), Grant::lock());
    world.run();
    let frames = world.sent;
    assert!(frames > 20);
    for lost in 1..frames {
        let mut world = World::new(7, classes(), Grant::lock());
        world.lose = Box::new(move |sent| sent == lost);
        world.run();
        world.assert_done(classes());
    }
}

#[test]
fn a_silent_device_ends_in_the_timer_of_its_step() {
    for (heard, timer) in [(0, Timer::Ta1), (2, Timer::Ta2)] {
        let mut world = World::new(8, classes(), Grant::lock());
        world.lose = Box::new(move |sent| sent > heard);
        world.run();
        assert_eq!(
            world.ends.controller,
            Some(Err(BootstrapFailure::Timeout(timer))),
            "{heard} frames heard"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However much is lost, both sides end, and the controller believes in keys only that the device has.
    #[test]
    fn invariant_done_means_that_the_device_has_the_keys(seed in any::<u64>(), percent in 0_u64..60) {
        let mut world = World::new(seed, classes(), Grant::lock());
        let mut dice = seed | 1;
        world.lose = Box::new(move |_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % 100 < percent
        });
        world.run();
        if matches!(world.ends.controller, Some(Ok(_))) {
            world.assert_done(classes());
        }
        prop_assert!(world.ends.controller.is_some() && world.ends.device.is_some());
        prop_assert!(!matches!(world.ends.controller, Some(Err(BootstrapFailure::Violation(_)))), "{:?}", world.ends);
    }

    /// Commands in any order, under any key, never give a network key to anybody but the holder of the temporary key.
    #[test]
    fn invariant_no_key_leaves_before_the_echo(
        inputs in prop::collection::vec((0_u8..12, any::<u8>(), 0_u8..4), 0..30),
        seed in any::<u64>(),
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let network = NetworkKeys::generate(&mut rng);
        let now = MonoTime::default();
        let mut machine = BootstrapS2::start(&network, Grant::any(), None, now, &mut rng);
        let mut echoed = false;
        for (command, byte, under) in inputs {
            let class = SecurityClass::ALL[usize::from(byte % 4)];
            let kex = Kex { echo: byte & 8 != 0, ..Kex::plain(ClassSet::ALL) };
            let under = match under {
                0 => Under::Plain,
                1 => Under::TEMP,
                _ => Under::Key(KeyRef::Class(class)),
            };
            let command = match command {
                0 => S2Command::KexReport(kex),
                1 => S2Command::KexSet(kex),
                2 => S2Command::PublicKeyReport { including: byte & 1 != 0, key: [byte | 1; 32] },
                3 => S2Command::NetworkKeyGet(class),
                4 => S2Command::NetworkKeyVerify,
                5 => S2Command::TransferEnd { verified: byte & 2 != 0, complete: byte & 1 != 0 },
                6 => S2Command::KexGet,
                7 => S2Command::NonceGet { seq: byte },
                8 => {
                    machine.handle(now, BootstrapInput::Pin(Dsk::new([byte; 16]).pin()));
                    continue;
                }
                9 => {
                    machine.handle(now, BootstrapInput::Unreadable { frame: vec![byte], new_span: byte & 1 != 0 });
                    continue;
                }
                10 => S2Command::KexReport(Kex::plain(ClassSet::ALL)),
                _ => S2Command::KexSet(Kex::plain(ClassSet::ALL).as_echo()),
            };
            let is_echo = command == S2Command::KexSet(Kex::plain(ClassSet::ALL).as_echo()) && under == Under::TEMP;
            machine.handle(now, BootstrapInput::Command(command, under));
            while let Some(output) = machine.poll() {
                if let BootstrapOutput::Send { command, under } = output {
                    let sent = S2Command::parse(command.expose()).expect("own commands parse");
                    echoed |= is_echo && matches!(sent, S2Command::KexReport(_));
                    if matches!(sent, S2Command::NetworkKeyReport(..)) {
                        prop_assert!(echoed && under == Under::TEMP);
                    }
                }
            }
        }
    }
}
