//! The Z-Wave host and the simulated stick on one virtual clock, ordered about by hand: no mind, no waiting.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hubd_model::{
    BoltState, CodeReport, CodeSlot, CodeTask, CodeTaskEnd, CodeTaskId, CredentialKind, DeviceAddress,
    LockSchedule, Millis, MonoTime, Now, Order, Over, Pin, Report, SecretString, SlotContent, SlotKey,
    SlotWish, UnixMillis, Urgency, WallTime,
};
use hubd_sim::device::{Act, Device};
use hubd_sim::dongle::{DeviceKey, Dongle, DongleConfig};
use hubd_zwave::host::{Host, Input, Output};
use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// 2026-11-25T21:00:00Z, a Wednesday.
pub const START: i64 = 1_795_640_400_000;

pub fn keys() -> NetworkKeys {
    NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(77))
}

pub struct Rig {
    pub now: MonoTime,
    pub dongle: Dongle,
    host: Host,
    seed: u64,
    open: bool,
    pub synced: bool,
    pub cache: Option<Vec<u8>>,
    pub reports: Vec<Report>,
    pub line: Vec<(u64, char, Vec<u8>)>,
    tasks: u64,
    /// Everything that the host made readable of its outputs, searched for secrets.
    pub printed: String,
}

/// How an order ended: what was said of slots before, the end, and how many frames it cost.
#[derive(Debug)]
pub struct Ended {
    pub reports: Vec<CodeReport>,
    pub end: CodeTaskEnd,
    pub frames: u32,
}

impl Ended {
    /// The slots that were reported, PINs in clear.
    pub fn slots(&self) -> BTreeMap<(CredentialKind, u16), String> {
        let slots = self.reports.iter().filter_map(|report| match report {
            CodeReport::Slot { key, content, .. } => Some(((key.kind, key.slot.number()), text(content))),
            _ => None,
        });
        slots.collect()
    }

    pub fn schedule(&self) -> Option<LockSchedule> {
        self.reports.iter().find_map(|report| match report {
            CodeReport::Slot { schedule, .. } => schedule.clone(),
            _ => None,
        })
    }
}

fn text(content: &SlotContent) -> String {
    match content {
        SlotContent::Unknown => "unknown".to_owned(),
        SlotContent::Empty => "empty".to_owned(),
        SlotContent::Pin { pin, enabled } => {
            format!("{}{}", pin.expose(), if *enabled { "" } else { " disabled" })
        }
        SlotContent::Hidden { enabled } => format!("hidden{}", if *enabled { "" } else { " disabled" }),
    }
}

pub fn pin_key(slot: u16) -> SlotKey {
    SlotKey::pin(CodeSlot::new(slot).unwrap())
}

pub fn wish(pin: &str, schedule: LockSchedule) -> SlotWish {
    SlotWish {
        pin: Pin::parse(SecretString::new(pin.to_owned())).unwrap(),
        name: "Zoë".to_owned(),
        schedule,
        over: Over::Anything,
    }
}

impl Rig {
    pub fn new(seed: u64, devices: Vec<Device>) -> (Self, Vec<DeviceKey>) {
        Self::on(seed, DongleConfig::default(), devices)
    }

    pub fn on(seed: u64, config: DongleConfig, devices: Vec<Device>) -> (Self, Vec<DeviceKey>) {
        let mut dongle = Dongle::new(config, seed);
        let start = MonoTime::default();
        let members = devices
            .into_iter()
            .map(|device| dongle.add_member(start, device, &keys()).unwrap())
            .collect();
        let mut rig = Self {
            now: start,
            dongle,
            host: Host::new(keys(), None, Box::new(ChaCha20Rng::seed_from_u64(seed))),
            seed,
            open: false,
            synced: true,
            cache: None,
            reports: Vec::new(),
            line: Vec::new(),
            tasks: 0,
            printed: String::new(),
        };
        rig.plug(true);
        (rig, members)
    }

    fn clock(&self) -> Now {
        let wall = UnixMillis(START + i64::try_from(self.now.as_micros() / 1000).unwrap());
        Now {
            mono: self.now,
            wall: if self.synced {
                WallTime::Synced(wall)
            } else {
                WallTime::Unsynced(wall)
            },
        }
    }

    fn tell(&mut self, input: Input) {
        self.host.handle(self.clock(), input);
    }

    /// Puts the stick in, or pulls it out.
    pub fn plug(&mut self, plugged: bool) {
        self.open = plugged;
        self.dongle.host_connected(self.now, plugged);
        self.tell(if plugged {
            Input::Opened
        } else {
            Input::Closed {
                reason: "pulled out".to_owned(),
            }
        });
        self.settle();
    }

    /// The hub restarts with what it kept.
    pub fn restart(&mut self) {
        self.plug(false);
        self.seed += 1;
        let rng = Box::new(ChaCha20Rng::seed_from_u64(self.seed));
        let kept = self.host.take_unkept_cache().or(self.cache.take());
        self.host = Host::new(keys(), kept.as_deref(), rng);
        self.cache = kept;
        self.plug(true);
    }

    pub fn set_utc_offset(&mut self, minutes: i32) {
        self.host.set_utc_offset(minutes);
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut idle = true;
            while let Some(output) = self.host.poll() {
                idle = false;
                match output {
                    Output::Write(bytes) => {
                        self.note('>', &bytes);
                        if self.open {
                            self.dongle.handle_bytes(self.now, &bytes);
                        }
                    }
                    Output::Report(report) => {
                        // Writing to a String does not fail.
                        let _ = write!(self.printed, "{report:?}");
                        self.reports.push(report);
                    }
                    Output::KeepCache(cache) => {
                        self.printed.push_str(&String::from_utf8_lossy(&cache));
                        self.cache = Some(cache);
                    }
                    Output::Reopen => {
                        self.dongle.host_connected(self.now, false);
                        self.dongle.host_connected(self.now, true);
                        self.tell(Input::Opened);
                    }
                }
            }
            while let Some(bytes) = self.dongle.poll() {
                idle = false;
                self.note('<', &bytes);
                if self.open {
                    self.tell(Input::Bytes(bytes));
                }
            }
            if idle {
                return;
            }
        }
        panic!("seed {}: no rest\n{}", self.seed, self.story());
    }

    fn note(&mut self, way: char, bytes: &[u8]) {
        if bytes.len() > 1 {
            self.line.push((self.now.as_micros() / 1000, way, bytes.to_vec()));
        }
    }

    pub fn story(&self) -> String {
        let last = self.line.len().saturating_sub(60);
        let mut story = String::new();
        for (at, way, bytes) in &self.line[last..] {
            // Writing to a String does not fail.
            let _ = writeln!(story, "{at:>9} {way} {bytes:02x?}");
        }
        story
    }

    fn next(&self) -> Option<MonoTime> {
        [self.dongle.next_deadline(), self.host.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets time pass until something is true, at most so long; says whether it is.
    pub fn run_until(&mut self, span: Millis, mut is: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now + span;
        self.settle();
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(
                turns < 300_000,
                "seed {}: time stands still\n{}",
                self.seed,
                self.story()
            );
            if is(self) {
                return true;
            }
            let Some(at) = self.next().filter(|at| *at <= until) else {
                self.now = until;
                return is(self);
            };
            self.now = at.max(self.now);
            self.dongle.tick(self.now);
            if self.host.next_deadline().is_some_and(|due| due <= self.now) {
                self.tell(Input::Tick);
            }
            self.settle();
        }
    }

    pub fn run(&mut self, span: Millis) {
        self.run_until(span, |_| false);
    }

    /// Runs until the host knows all its nodes.
    pub fn interview(&mut self) {
        let known = self.run_until(Millis::from_secs(600), |rig| rig.host.is_settled());
        assert!(known, "the interview does not end\n{}", self.story());
        self.run(Millis::from_secs(10));
        self.reports.clear();
    }

    pub fn act(&mut self, device: DeviceKey, act: &Act) {
        self.dongle.act(self.now, device, act);
        self.settle();
    }

    pub fn address(&self, device: DeviceKey) -> DeviceAddress {
        let node = self.dongle.node_of(device).unwrap();
        DeviceAddress::parse(&format!("{:08x}/{node}", self.dongle.home_id())).unwrap()
    }

    pub fn order(&mut self, order: Order) {
        self.tell(Input::Order(order));
        self.settle();
    }

    /// Orders something about codes and does not wait.
    pub fn start(&mut self, device: DeviceKey, what: CodeTask, urgency: Urgency) -> CodeTaskId {
        self.tasks += 1;
        let task = CodeTaskId(self.tasks);
        let device = self.address(device);
        self.order(Order::Codes {
            task,
            device,
            what: Box::new(what),
            urgency,
        });
        task
    }

    /// How an order ended, if it did.
    pub fn end_of(&self, task: CodeTaskId) -> Option<(CodeTaskEnd, u32)> {
        self.reports.iter().find_map(|report| match report {
            Report::Codes {
                report:
                    CodeReport::Ended {
                        task: of,
                        end,
                        frames,
                    },
                ..
            } if *of == task => Some((end.clone(), *frames)),
            _ => None,
        })
    }

    /// Orders something about codes and waits for its end.
    pub fn codes(&mut self, device: DeviceKey, what: CodeTask) -> Ended {
        self.reports.clear();
        let task = self.start(device, what, Urgency::Person);
        let ended = self.run_until(Millis::from_secs(300), |rig| rig.end_of(task).is_some());
        assert!(ended, "the order does not end\n{}", self.story());
        let (end, frames) = self.end_of(task).unwrap();
        Ended {
            reports: self.code_reports(),
            end,
            frames,
        }
    }

    pub fn code_reports(&self) -> Vec<CodeReport> {
        self.reports
            .iter()
            .filter_map(|report| match report {
                Report::Codes {
                    report: CodeReport::Ended { .. },
                    ..
                } => None,
                Report::Codes { report, .. } => Some(report.clone()),
                _ => None,
            })
            .collect()
    }

    pub fn bolts(&self) -> Vec<BoltState> {
        self.reports
            .iter()
            .filter_map(|report| match report {
                Report::Lock {
                    signal: hubd_model::LockSignal::Bolt { bolt, .. },
                    ..
                } => Some(*bolt),
                _ => None,
            })
            .collect()
    }

    /// The PINs that a lock keeps.
    pub fn kept(&self, device: DeviceKey) -> Vec<(u16, String)> {
        self.dongle.device(device).unwrap().codes()
    }

    /// The names of a lock's users, by user.
    pub fn user_names(&self, device: DeviceKey) -> Vec<(u16, String)> {
        self.dongle.device(device).unwrap().user_names()
    }

    /// The slot that a PIN would open now.
    pub fn opens(&self, device: DeviceKey, pin: &str) -> Option<u16> {
        self.dongle.device(device).unwrap().slot_that_opens(self.now, pin)
    }
}

impl Rig {
    /// From now on some transmissions are lost.
    pub fn fault_loss(&mut self, chance: &mut hubd_sim::chance::Chance) {
        let loss = u32::try_from(chance.between(0, 80)).unwrap();
        self.dongle.fault(self.now, hubd_sim::dongle::Fault::Loss(loss));
        self.settle();
    }
}
