//! The host against a scripted dongle: what must hold whatever comes over the air.

use hubd_model::{
    ActuationStep, AlarmSignal, CommandId, LockOp, LockSignal, Millis, MonoTime, Now, Order, Report,
    UnixMillis, Urgency, WallTime,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Host, Input, Output};
use crate::security::{ClassSet, NetworkKeys, SecurityClass};
use crate::wire::cc::class;
use crate::wire::frame::{ACK, Data, Decoder, Kind, Token};
use crate::wire::serial::{NodeId, ProtocolInfo, function};

/// A dongle that does what every dongle does and lets the test speak for the nodes.
struct Rig {
    host: Host,
    at: MonoTime,
    reports: Vec<Report>,
    /// Frames that the host sent to nodes.
    sent: Vec<(u8, Vec<u8>)>,
    /// Nodes that the host had the dongle forget.
    removed: Vec<u8>,
    /// Whether nodes' radios acknowledge.
    delivers: bool,
}

impl Rig {
    /// A network of these nodes, known from the cache.
    fn new(nodes: &[crate::node::Node]) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let keys = NetworkKeys::generate(&mut rng);
        let cache = super::cache::save(nodes.iter(), &[]).unwrap();
        let host = Host::new(keys, Some(&cache), Box::new(rng));
        let at = MonoTime::from_micros(1);
        let mut rig = Self {
            host,
            at,
            reports: Vec::new(),
            sent: Vec::new(),
            removed: Vec::new(),
            delivers: true,
        };
        rig.input(Input::Opened);
        rig
    }

    fn input(&mut self, input: Input) {
        let wall = WallTime::Unsynced(UnixMillis(0));
        self.host.handle(Now { mono: self.at, wall }, input);
        let mut answers = Vec::new();
        while let Some(output) = self.host.poll() {
            match output {
                Output::Write(bytes) => {
                    let mut tokens = Vec::new();
                    Decoder::default().push(&bytes, &mut tokens);
                    for token in tokens {
                        if let Token::Data(data) = token {
                            answers.push(vec![ACK]);
                            answers.extend(self.answer(&data));
                        }
                    }
                }
                Output::Report(report) => self.reports.push(report),
                Output::KeepCache(_) | Output::Reopen => {}
            }
        }
        for answer in answers {
            self.input(Input::Bytes(answer));
        }
    }

    fn answer(&mut self, data: &Data) -> Vec<Vec<u8>> {
        let response = |payload: &[u8]| frame(Kind::Response, data.function, payload);
        match data.function {
            function::SERIAL_API_CAPABILITIES => {
                let mut functions = [0; 32];
                functions[usize::from((function::SEND_DATA - 1) / 8)] |= 1 << ((function::SEND_DATA - 1) % 8);
                vec![response(
                    &[&[1, 0, 0, 0, 0, 0, 0, 0], functions.as_slice()].concat(),
                )]
            }
            function::CONTROLLER_ID => vec![response(&[0x7e, 0x57, 0, 1, 1])],
            // Nodes 1 to 4.
            function::INIT_DATA => vec![response(
                &[&[9, 8, 29, 0x0f], [0; 28].as_slice(), &[7, 0]].concat(),
            )],
            function::SUC_NODE_ID => vec![response(&[1])],
            function::SEND_DATA => {
                let [node, length, rest @ ..] = data.payload.as_slice() else {
                    return vec![];
                };
                self.sent.push((*node, rest[..usize::from(*length)].to_vec()));
                let callback = *rest.last().unwrap();
                let status = u8::from(!self.delivers);
                vec![
                    response(&[1]),
                    frame(Kind::Request, function::SEND_DATA, &[callback, status]),
                ]
            }
            function::REMOVE_FAILED_NODE => {
                let [node, callback] = data.payload.as_slice() else {
                    return vec![];
                };
                self.removed.push(*node);
                vec![
                    response(&[0]),
                    frame(Kind::Request, data.function, &[*callback, 1]),
                ]
            }
            // Nothing is known of the other nodes, and nothing is told.
            function::NODE_PROTOCOL_INFO => vec![response(&[0x80, 0, 0, 4, 0x10, 1])],
            function::REQUEST_NODE_INFO => vec![response(&[0])],
            _ => vec![],
        }
    }

    /// A node's frame arrives.
    fn hears(&mut self, node: u8, bytes: &[u8]) {
        let length = u8::try_from(bytes.len()).unwrap();
        let payload = [&[0, node, length], bytes].concat();
        self.input(Input::Bytes(frame(
            Kind::Request,
            function::APPLICATION_COMMAND,
            &payload,
        )));
    }

    fn waits(&mut self, millis: u64) {
        let end = self.at + Millis(millis);
        while let Some(deadline) = self.host.next_deadline().filter(|deadline| *deadline <= end) {
            self.at = self.at.max(deadline);
            self.input(Input::Tick);
        }
        self.at = end;
    }

    fn orders(&mut self, op: LockOp) -> CommandId {
        self.orders_as("c1", op)
    }

    fn orders_as(&mut self, id: &str, op: LockOp) -> CommandId {
        let command = CommandId::parse(id).unwrap();
        let device = super::DeviceAddress::parse("7e570001/2").unwrap();
        let expires = self.at + Millis(15_000);
        let (urgency, id) = (Urgency::Person, command.clone());
        self.input(Input::Order(Order::Actuate {
            command: id,
            device,
            op,
            urgency,
            expires,
        }));
        command
    }

    fn steps(&self) -> Vec<&ActuationStep> {
        self.reports
            .iter()
            .filter_map(|report| {
                if let Report::Actuation { step, .. } = report {
                    Some(step)
                } else {
                    None
                }
            })
            .collect()
    }

    fn lock_signals(&self) -> Vec<&LockSignal> {
        self.reports
            .iter()
            .filter_map(|report| {
                if let Report::Lock { signal, .. } = report {
                    Some(signal)
                } else {
                    None
                }
            })
            .collect()
    }
}

fn frame(kind: Kind, function: u8, payload: &[u8]) -> Vec<u8> {
    Data {
        kind,
        function,
        payload: payload.to_vec(),
    }
    .emit()
    .unwrap()
}

/// A lock of which everything is known.
fn lock(granted: ClassSet) -> crate::node::Node {
    let mut node = crate::node::Node::new(NodeId(2));
    node.protocol = Some(ProtocolInfo {
        listening: false,
        frequently_listening: true,
        generic: 0x40,
        specific: 3,
    });
    node.plain_classes = Some(vec![class::DOOR_LOCK, class::NOTIFICATION, class::SUPERVISION]);
    node.granted = Some(granted);
    node.secure_classes = Some(vec![class::DOOR_LOCK, class::NOTIFICATION, class::SUPERVISION]);
    node.versions
        .extend([(class::DOOR_LOCK, 2), (class::NOTIFICATION, 8)]);
    node.notifications = Some(vec![6]);
    node.bolt_read = true;
    node
}

fn s2_lock() -> crate::node::Node {
    lock(ClassSet::of(&[SecurityClass::S2AccessControl]))
}

const NOTHING_PENDING: [u8; 2] = [0xfe, 0xfe];

#[test]
fn a_supervision_report_in_the_clear_ends_no_command_of_a_secure_lock() {
    let mut rig = Rig::new(&[s2_lock()]);
    rig.orders(LockOp::Lock);
    // The lock gives the nonce that is asked for, so the encrypted command goes out.
    let nonce = [&[0x9f, 0x02, 0x21, 0x01], [5; 16].as_slice()].concat();
    rig.hears(2, &nonce);
    assert!(
        rig.sent
            .iter()
            .any(|(node, bytes)| *node == 2 && bytes.starts_with(&[0x9f, 0x03])),
        "{:?}",
        rig.sent
    );
    for session in 0..64 {
        rig.hears(2, &[0x6c, 0x02, session, 0xff, 0x00]);
    }
    assert!(!rig.steps().contains(&&ActuationStep::Done), "{:?}", rig.steps());
    assert_eq!(rig.lock_signals(), Vec::<&LockSignal>::new());
}

#[test]
fn what_a_secure_lock_says_in_the_clear_is_not_believed() {
    let mut rig = Rig::new(&[s2_lock()]);
    rig.hears(
        2,
        &[&[0x62, 0x03, 0x00, 0x00, 0x02], NOTHING_PENDING.as_slice()].concat(),
    );
    rig.hears(2, &[0x71, 0x05, 0, 0, 0, 0xff, 6, 6, 1, 3]);
    // Not even inside other frames.
    rig.hears(2, &[0x6c, 0x01, 0x05, 0x03, 0x62, 0x03, 0x00]);
    rig.hears(2, &[0x8f, 0x01, 0x01, 0x03, 0x62, 0x03, 0x00]);
    rig.hears(2, &[0x60, 0x0d, 0x01, 0x00, 0x62, 0x03, 0x00]);
    rig.hears(2, &[0x5a, 0x01]);
    assert_eq!(rig.lock_signals(), Vec::<&LockSignal>::new());
    assert!(
        !rig.reports
            .iter()
            .any(|report| matches!(report, Report::Removed { .. }))
    );
}

#[test]
fn an_insecure_lock_is_never_moved() {
    let mut rig = Rig::new(&[lock(ClassSet::NONE)]);
    rig.orders(LockOp::Unlock);
    rig.waits(60_000);
    assert!(
        matches!(rig.steps().as_slice(), [ActuationStep::Refused { .. }]),
        "{:?}",
        rig.steps()
    );
    assert!(!rig.sent.iter().any(|(node, _)| *node == 2), "{:?}", rig.sent);
}

#[test]
fn a_lock_that_does_not_answer_ends_the_command_and_is_offline() {
    let mut rig = Rig::new(&[s2_lock()]);
    rig.delivers = false;
    rig.orders(LockOp::Unlock);
    rig.waits(30_000);
    assert!(
        matches!(rig.steps().last(), Some(ActuationStep::NoAnswer { .. })),
        "{:?}",
        rig.steps()
    );
    let offline = rig.reports.iter().any(
        |report| matches!(report, Report::Link { link: hubd_model::LinkState::Offline, device } if device.as_str() == "7e570001/2"),
    );
    assert!(offline, "{:?}", rig.reports);
}

#[test]
fn an_order_that_waited_too_long_is_never_sent() {
    let mut rig = Rig::new(&[s2_lock()]);
    rig.input(Input::Closed {
        reason: "unplugged".into(),
    });
    rig.sent.clear();
    rig.orders(LockOp::Unlock);
    rig.waits(15_001);
    assert_eq!(rig.steps(), [&ActuationStep::Expired]);
    rig.input(Input::Opened);
    rig.waits(60_000);
    assert!(!rig.sent.iter().any(|(node, _)| *node == 2), "{:?}", rig.sent);
}

#[test]
#[expect(clippy::wildcard_enum_match_arm, reason = "two of the many reports matter")]
fn smoke_from_a_detector_that_nobody_knows_yet_is_told_as_unproven() {
    let mut rig = Rig::new(&[]);
    rig.hears(4, &[0x71, 0x05, 0, 0, 0, 0xff, 1, 2, 0]);
    let told: Vec<_> = rig
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Device { description, .. } => Some(format!("{:?}", description.kind)),
            Report::Alarm {
                signal: AlarmSignal::Raised(hazard),
                authenticated,
                ..
            } => Some(format!("{hazard:?} {authenticated}")),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["Alarm", "Smoke false"], "announced first, then told");
}

/// A lock with S0 that reports nothing by Supervision.
fn s0_lock() -> crate::node::Node {
    let mut node = lock(ClassSet::of(&[SecurityClass::S0]));
    node.plain_classes = Some(vec![class::SECURITY]);
    node.secure_classes = Some(vec![class::DOOR_LOCK, class::NOTIFICATION]);
    node
}

/// How many encrypted frames, and requests for a nonce, went to node 2 under S0.
fn s0_frames(rig: &Rig) -> (usize, usize) {
    let starts = |begin: &[u8]| {
        let of = rig
            .sent
            .iter()
            .filter(|(node, bytes)| *node == 2 && bytes.starts_with(begin));
        of.count()
    };
    (starts(&[0x98, 0x81]), starts(&[0x98, 0x40]))
}

#[test]
fn a_second_nonce_of_an_s0_lock_sends_no_command_again() {
    let mut rig = Rig::new(&[s0_lock()]);
    rig.orders(LockOp::Unlock);
    assert_eq!(s0_frames(&rig), (0, 1));
    let nonce = |first: u8| [&[0x98, 0x80, first], [7; 7].as_slice()].concat();
    rig.hears(2, &nonce(1));
    // The order left with this nonce; the bolt is read next and waits for another one.
    assert_eq!(s0_frames(&rig), (1, 2), "{:?}", rig.sent);
    rig.hears(2, &nonce(2));
    assert_eq!(s0_frames(&rig), (2, 2), "{:?}", rig.sent);
    // An answer to a request that was repeated comes late, or somebody plays it again.
    for late in 3..9 {
        rig.hears(2, &nonce(late));
    }
    assert_eq!(s0_frames(&rig), (2, 2), "{:?}", rig.sent);
}

#[test]
fn a_nonce_that_nobody_asked_an_s0_lock_for_is_not_used() {
    let mut rig = Rig::new(&[s0_lock()]);
    rig.hears(2, &[&[0x98, 0x80], [9; 8].as_slice()].concat());
    rig.orders(LockOp::Unlock);
    assert_eq!(s0_frames(&rig), (0, 1), "{:?}", rig.sent);
}

#[test]
fn a_device_without_security_that_says_it_was_reset_is_asked_first() {
    let mut rig = Rig::new(&[lock(ClassSet::NONE)]);
    let gone = |rig: &Rig| {
        let gone = |report: &&Report| matches!(report, Report::Removed { .. });
        rig.reports.iter().filter(gone).count()
    };
    rig.hears(2, &[0x5a, 0x01]);
    rig.waits(30_000);
    assert!(rig.sent.contains(&(2, vec![0x00])), "it is asked: {:?}", rig.sent);
    assert_eq!(
        (gone(&rig), rig.removed.len()),
        (0, 0),
        "anybody can say that in its name"
    );
    rig.hears(2, &[0x5a, 0x01]);
    rig.delivers = false;
    rig.waits(30_000);
    assert_eq!(
        (gone(&rig), rig.removed.as_slice()),
        (1, [2].as_slice()),
        "{:?}",
        rig.reports
    );
}

#[test]
fn an_order_that_finds_no_room_is_never_sent() {
    let mut rig = Rig::new(&[s2_lock()]);
    for number in 0..300 {
        let command = rig.orders_as(&format!("c{number}"), LockOp::Unlock);
        let refused = matches!(rig.steps().last(), Some(ActuationStep::Refused { .. }));
        let purpose = super::traffic::Purpose::Actuate(command);
        let waits = rig.host.traffic.any(|job| job.purpose == purpose);
        assert_ne!(refused, waits, "order {number}");
    }
    assert!(
        matches!(rig.steps().last(), Some(ActuationStep::Refused { .. })),
        "not all of them have room"
    );
}
