//! The whole host: a dongle that works, a lock and an alarm that are known, and an attacker who speaks for any of them, says
//! anything on the cable and lets any time pass. Whatever happens, the host answers within its limits.

use hubd_model::Report;
use hubd_model::{
    CodeSlot, CodeTask, CodeTaskId, CommandId, CredentialKind, DeviceAddress, DongleImage, Hold,
    InclusionAnswer, InclusionStrategy, Key128, LocalMinute, LockOp, LockSchedule, LogMark, Millis, MonoTime,
    Now, Order, Over, Pin, SecretBytes, SecretString, SlotKey, SlotWish, UnixMillis, Urgency, WallTime,
};
use hubd_zwave::host::{Host, Input, Output};
use hubd_zwave::security::s2_wire::S2Command;
use hubd_zwave::security::{Addressing, KeySet, NetworkKeys, SecurityClass, SessionKey, Spans};
use hubd_zwave::wire::frame::{ACK, Data, Decoder, Kind, Token};
use hubd_zwave::wire::serial::{NodeId, function};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// More outputs from one input mean that the host speaks with itself.
const OUTPUTS_MAX: usize = 2_000;
/// Steps of one run; a longer input adds nothing but time.
const STEPS_MAX: usize = 200;
/// What the dongle can do: send, include, exclude, and what belongs to it.
const FUNCTIONS: [u8; 9] = [0x13, 0x16, 0x2e, 0x41, 0x4a, 0x4b, 0x60, 0x61, 0x62];
const HOME: &[u8] = include_bytes!("../../corpus/node_cache/home");
const HOME_ID: u32 = 0x7e57_0001;
const HUB: NodeId = NodeId(1);
const LOCK: u8 = 2;

fn keys() -> NetworkKeys {
    NetworkKeys {
        s0: Key128::new([0; 16]),
        s2_unauthenticated: Key128::new([1; 16]),
        s2_authenticated: Key128::new([2; 16]),
        s2_access_control: Key128::new([3; 16]),
    }
}

/// What an adapter was given to remember, damaged in any way.
pub fn node_cache(bytes: &[u8]) {
    let mut world = World::new(bytes);
    world.input(Input::Opened);
    for _ in 0..5 {
        world.next_deadline(u64::MAX);
    }
}

/// Steps of one byte that chooses what happens, a length, and so many bytes.
pub fn host(bytes: &[u8]) {
    let mut world = World::new(HOME);
    world.input(Input::Opened);
    let mut rest = bytes;
    for _ in 0..STEPS_MAX {
        let [step, length, tail @ ..] = rest else { return };
        let (data, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        world.step(*step, data);
    }
}

struct World {
    host: Host,
    at: u64,
    /// The lock's side of its session with the hub.
    lock: Spans,
    session: SessionKey,
    keys: KeySet,
    rng: ChaCha20Rng,
    /// What the host told last.
    last: Option<Report>,
}

impl World {
    fn new(cache: &[u8]) -> Self {
        let session = SessionKey::network(SecurityClass::S2AccessControl, &keys().s2_access_control);
        let mut set = KeySet::default();
        set.insert(session.clone());
        let rng = ChaCha20Rng::from_seed([5; 32]);
        let host = Host::new(keys(), Some(cache), Box::new(ChaCha20Rng::from_seed([6; 32])));
        Self {
            host,
            at: 1_000_000,
            lock: Spans::new(),
            session,
            keys: set,
            rng,
            last: None,
        }
    }

    fn step(&mut self, step: u8, data: &[u8]) {
        match step % 10 {
            0 => self.input(Input::Bytes(data.to_vec())),
            1 | 2 => {
                let kind = if step % 10 == 1 {
                    Kind::Request
                } else {
                    Kind::Response
                };
                if let [function, payload @ ..] = data {
                    self.frame(kind, *function, payload);
                }
            }
            3 => self.heard(step / 10, data),
            4 => self.lock_says(data),
            5 => self.order(data),
            6 => self.input(Input::Tick),
            7 => self.next_deadline(u64::MAX),
            8 => {
                let span = data.iter().fold(1_u64, |span, byte| span << 8 | u64::from(*byte)) & 0xffff_ffff;
                self.at += span;
                self.input(Input::Tick);
            }
            _ => {
                self.input(Input::Closed {
                    reason: "the cable was pulled".to_owned(),
                });
                self.input(Input::Opened);
            }
        }
    }

    fn now(&self) -> MonoTime {
        MonoTime::from_micros(self.at)
    }

    /// Lets the time pass until the host's next deadline, at most so far.
    fn next_deadline(&mut self, most: u64) {
        if let Some(due) = self.host.next_deadline() {
            self.at = self.at.max(due.as_micros()).min(self.at.saturating_add(most));
            self.input(Input::Tick);
        }
    }

    fn frame(&mut self, kind: Kind, function: u8, payload: &[u8]) {
        let payload = payload.get(..payload.len().min(200)).unwrap_or_default().to_vec();
        if let Some(bytes) = (Data {
            kind,
            function,
            payload,
        })
        .emit()
        {
            self.input(Input::Bytes(bytes));
        }
    }

    /// A frame comes over the air under a node's name.
    fn heard(&mut self, node: u8, command: &[u8]) {
        let command = command.get(..command.len().min(150)).unwrap_or_default();
        let length = u8::try_from(command.len()).unwrap_or_default();
        self.frame(
            Kind::Request,
            function::APPLICATION_COMMAND,
            &[&[0, node, length], command].concat(),
        );
    }

    /// The lock itself says this, protected.
    fn lock_says(&mut self, command: &[u8]) {
        let there = Addressing {
            home_id: HOME_ID,
            src: NodeId(u16::from(LOCK)),
            dst: HUB,
        };
        let command = command.get(..command.len().min(100)).unwrap_or_default();
        if !self.lock.can_seal(HUB, self.session.id()) {
            let now = self.now();
            let nonce_get = self.lock.nonce_get(HUB, &mut self.rng, now);
            self.heard(LOCK, &nonce_get);
        }
        if let Ok(sealed) = self
            .lock
            .encapsulate(there, &self.session, command, self.now(), &mut self.rng)
        {
            self.heard(LOCK, &sealed);
        }
    }

    fn order(&mut self, data: &[u8]) {
        let (choice, id) = (
            data.first().copied().unwrap_or_default(),
            data.get(1).copied().unwrap_or_default(),
        );
        let (Ok(command), Ok(device)) = (
            CommandId::parse(&format!("c{id}")),
            DeviceAddress::parse(&format!("7e570001/{}", id % 7)),
        ) else {
            return;
        };
        let text = SecretString::new(String::from_utf8_lossy(data.get(1..).unwrap_or_default()).into_owned());
        let expires = self.now() + Millis(u64::from(choice) * 100);
        let op = if choice & 0x80 == 0 {
            LockOp::Unlock
        } else {
            LockOp::Lock
        };
        let code = |what| Order::Codes {
            task: CodeTaskId(id.into()),
            device: device.clone(),
            what: Box::new(what),
            urgency: Urgency::Person,
        };
        self.input(Input::Order(match choice % 19 {
            0..4 => Order::Actuate {
                command,
                device,
                op,
                urgency: Urgency::Person,
                expires,
            },
            4 => Order::Withdraw { command },
            5 => Order::Refresh { device },
            6 => Order::Include(InclusionStrategy::Default),
            7 => Order::Include(InclusionStrategy::SmartStart(text)),
            8 => Order::Answer(InclusionAnswer::DskPin(text)),
            9 => Order::Cancel,
            10 => Order::Exclude,
            11 => Order::RemoveFailed { device },
            12..=14 => code(code_task(data)),
            15 => Order::HoldAutoRelock {
                device,
                hold: if id & 0x80 == 0 {
                    Hold::Suspended
                } else {
                    Hold::Restored
                },
            },
            16 => Order::CopyDongle,
            17 => Order::ReadLog {
                device,
                known: data
                    .as_chunks::<10>()
                    .0
                    .iter()
                    .take(3)
                    .copied()
                    .map(LogMark)
                    .collect(),
                at_least: id & 0x0f,
                at_most: id,
            },
            _ => Order::RestoreDongle(DongleImage::new(SecretBytes::new(data.to_vec()))),
        }));
    }

    /// One input, and everything that a working dongle makes of what the host then wants.
    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        let mut outputs = 0;
        while let Some(input) = inputs.pop() {
            self.host.handle(
                Now {
                    mono: self.now(),
                    wall: WallTime::Unsynced(UnixMillis(0)),
                },
                input,
            );
            while let Some(output) = self.host.poll() {
                outputs += 1;
                assert!(outputs < OUTPUTS_MAX, "the host does not come to rest");
                match output {
                    Output::Write(bytes) => {
                        let answers = self.dongle(&bytes);
                        if !answers.is_empty() {
                            inputs.push(Input::Bytes(answers));
                        }
                    }
                    Output::Reopen => inputs.push(Input::Opened),
                    Output::Report(report) => {
                        assert!(format!("{report:?}").len() < 64 * 1024, "a report has its limit");
                        self.last = Some(report);
                    }
                    Output::KeepCache(cache) => assert!(cache.len() < 1 << 20, "a cache has its limit"),
                }
            }
        }
    }

    fn dongle(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut tokens = Vec::new();
        Decoder::default().push(bytes, &mut tokens);
        let mut answers = Vec::new();
        for token in tokens {
            if let Token::Data(data) = token {
                answers.push(ACK);
                for answer in self.answer(&data) {
                    answers.extend(answer.emit().unwrap_or_default());
                }
            }
        }
        answers
    }

    fn answer(&mut self, data: &Data) -> Vec<Data> {
        let response = |payload: &[u8]| Data {
            kind: Kind::Response,
            function: data.function,
            payload: payload.to_vec(),
        };
        match data.function {
            function::SERIAL_API_CAPABILITIES => {
                let mut functions = [0; 32];
                for supported in FUNCTIONS {
                    if let Some(byte) = functions.get_mut(usize::from((supported - 1) / 8)) {
                        *byte |= 1 << ((supported - 1) % 8);
                    }
                }
                vec![response(
                    &[&[1, 0, 0, 0, 0, 0, 0, 0], functions.as_slice()].concat(),
                )]
            }
            function::CONTROLLER_ID => vec![response(&[0x7e, 0x57, 0, 1, 1])],
            // Nodes 1 to 5.
            function::INIT_DATA => vec![response(
                &[&[9, 8, 29, 0x1f], [0; 28].as_slice(), &[7, 0]].concat(),
            )],
            function::SUC_NODE_ID => vec![response(&[1])],
            function::NODE_PROTOCOL_INFO => vec![response(&[0x80, 0, 0, 4, 0x10, 1])],
            function::SEND_DATA | function::SEND_DATA_BRIDGE => {
                let skip = if data.function == function::SEND_DATA_BRIDGE {
                    2
                } else {
                    0
                };
                if let [node, length, rest @ ..] = data.payload.get(skip..).unwrap_or_default() {
                    self.over_the_air(*node, rest.get(..usize::from(*length)).unwrap_or_default());
                }
                let callback = data.payload.last().copied().unwrap_or_default();
                vec![
                    response(&[1]),
                    Data::request(data.function, vec![callback, 0, 0, 0]),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// The lock keeps its side of the session.
    fn over_the_air(&mut self, node: u8, command: &[u8]) {
        if node != LOCK {
            return;
        }
        let here = Addressing {
            home_id: HOME_ID,
            src: HUB,
            dst: NodeId(u16::from(LOCK)),
        };
        match S2Command::parse(command) {
            // A nonce that is repeated changes nothing, a command that does not open neither.
            Ok(S2Command::NonceReport(report)) => {
                let _ = self.lock.on_nonce_report(HUB, &report, self.now());
            }
            Ok(S2Command::MessageEncapsulation(_)) => {
                let _ = self.lock.decapsulate(here, command, &self.keys, self.now());
            }
            _ => {}
        }
    }
}

/// An order about codes, from the third byte on.
fn code_task(data: &[u8]) -> CodeTask {
    let at = |index: usize| data.get(index).copied().unwrap_or_default();
    let slot = CodeSlot::new(u16::from(at(3)) + 1).unwrap_or_else(|| unreachable!("it is at least 1"));
    let key = SlotKey {
        kind: match at(4) % 4 {
            1 => CredentialKind::Rfid,
            2 => CredentialKind::Fingerprint,
            _ => CredentialKind::Pin,
        },
        slot,
    };
    let digits = format!("{:0>5}", u16::from(at(5)) << 8 | u16::from(at(6)));
    let minute = |day| LocalMinute {
        year: 2026,
        month: 11,
        day,
        hour: 9,
        minute: 0,
    };
    let schedule = LockSchedule {
        dated: (at(7) & 1 != 0).then(|| (minute(1), minute(2))),
        weekly: Vec::new(),
    };
    let over = if at(9) & 1 == 0 {
        Over::Nothing
    } else {
        Over::Anything
    };
    match (at(2) % 6, Pin::parse(SecretString::new(digits))) {
        (0, _) => CodeTask::ReadAll { known: None },
        (1, _) => CodeTask::Read(key),
        (2, _) => CodeTask::Clear(key),
        (3, Ok(pin)) => CodeTask::Write {
            key,
            wish: SlotWish {
                pin,
                name: String::new(),
                schedule,
                over,
            },
        },
        (4, _) => CodeTask::Name {
            key,
            name: format!("Person {}", at(8)),
        },
        _ => CodeTask::Enrol { key, over },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubd_model::{LockSignal, Source};

    #[test]
    fn the_world_works_so_that_the_fuzzer_gets_far() {
        let mut world = World::new(HOME);
        world.input(Input::Opened);
        world.lock_says(&[0x71, 0x05, 0, 0, 0, 0xff, 6, 6, 1, 3]);
        assert!(
            matches!(
                &world.last,
                Some(Report::Lock { signal: LockSignal::Bolt { via, .. }, .. }) if via.source == Source::Keypad
            ),
            "a keypad unlock through S2 arrives: {:?}",
            world.last
        );
    }
}
