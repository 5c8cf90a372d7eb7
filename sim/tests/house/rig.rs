//! The mind, the Z-Wave host and the simulated stick on one virtual clock: no thread, no socket, no waiting.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hubd_core::engine::Engine;
use hubd_core::event::{Entry, Event};
use hubd_core::input::{Input, Memory, Request, Ticket};
use hubd_core::output::Output;
use hubd_core::view::{CommandStatus, CommandView, LockView};
use hubd_model::{
    CommandId, Entropy, InclusionAnswer, InclusionProgress, InclusionState, InclusionStrategy, LockId,
    LockOp, Millis, MonoTime, Now, RadioName, Report, SecretString, UnixMillis, Urgency, WallTime, Zone,
};
use hubd_sim::device::{Act, Device, Truth};
use hubd_sim::dongle::{DeviceKey, Dongle, DongleConfig};
use hubd_sim::world::World;
use hubd_zwave::host::{Host, Input as ToHost, Output as FromHost};
use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// How long the shell waits before it opens a port again.
const REOPEN: Millis = Millis(1000);
/// In a house without faults a movement has ended after this.
const MOVED_WITHIN: Millis = Millis::from_secs(30);

pub fn keys() -> NetworkKeys {
    NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(77))
}

/// Everything between the mind and the bolts.
pub struct Rig {
    pub now: MonoTime,
    pub dongle: Dongle,
    pub world: Option<World>,
    pub engine: Engine,
    host: Host,
    seed: u64,
    plugged: bool,
    open: bool,
    reopen_at: Option<MonoTime>,
    cache: Option<Vec<u8>>,
    pub journal: Vec<Entry>,
    pub truths: Vec<(MonoTime, DeviceKey, Truth)>,
    pub commands: BTreeMap<CommandId, CommandView>,
    /// The application commands that went to each node, unwrapped ones as they are.
    pub reports: Vec<Report>,
    /// Every data frame on the line, for the story of a failure.
    pub line: Vec<(u64, char, Vec<u8>)>,
    asked: usize,
}

impl Rig {
    pub fn new(seed: u64, devices: Vec<Device>) -> (Self, Vec<DeviceKey>) {
        let mut dongle = Dongle::new(DongleConfig::default(), seed);
        let start = MonoTime::default();
        let members = devices
            .into_iter()
            .map(|device| dongle.add_member(start, device, &keys()).unwrap());
        let members = members.collect();
        (Self::with(seed, dongle, None), members)
    }

    pub fn with(seed: u64, dongle: Dongle, world: Option<World>) -> Self {
        let mut rig = Self {
            now: MonoTime::default(),
            dongle,
            world,
            engine: Engine::new(),
            host: Host::new(keys(), None, Box::new(ChaCha20Rng::seed_from_u64(seed))),
            seed,
            plugged: true,
            open: false,
            reopen_at: None,
            cache: None,
            journal: Vec::new(),
            truths: Vec::new(),
            commands: BTreeMap::new(),
            reports: Vec::new(),
            line: Vec::new(),
            asked: 0,
        };
        let radios = vec![RadioName::parse("zwave").unwrap()];
        let memory = Memory::default();
        rig.give(Input::Started {
            memory,
            radios,
            version: "test".into(),
            zone: Zone::default(),
            entropy: Entropy::new([7; 32]),
        });
        rig.reopen_at = Some(rig.now);
        rig.settle();
        rig
    }

    fn clock(&self) -> Now {
        let wall = UnixMillis(1_767_225_600_000 + i64::try_from(self.now.as_micros() / 1000).unwrap());
        Now {
            mono: self.now,
            wall: WallTime::Synced(wall),
        }
    }

    fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.engine.handle(self.clock(), input);
            while let Some(output) = self.engine.poll() {
                match output {
                    Output::Order { order, .. } => self.tell_host(ToHost::Order(order)),
                    Output::Journal(entry) => {
                        inputs.push(Input::Durable { seq: entry.seq });
                        self.journal.push(entry);
                    }
                    Output::Command(view) => {
                        self.commands.insert(view.id.clone(), view);
                    }
                    Output::Save(_) | Output::Forget(_) | Output::Answer { .. } => {}
                }
            }
        }
    }

    fn tell_host(&mut self, input: ToHost) {
        self.host.handle(self.clock(), input);
    }

    /// Lets everything flow until nothing more is to be done at this moment.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut idle = true;
            if self.plugged && self.reopen_at.is_some_and(|at| at <= self.now) {
                self.reopen_at = None;
                self.open = true;
                self.dongle.host_connected(self.now, true);
                self.tell_host(ToHost::Opened);
                idle = false;
            }
            while let Some(output) = self.host.poll() {
                idle = false;
                match output {
                    FromHost::Write(bytes) => {
                        self.note('>', &bytes);
                        if self.open {
                            self.dongle.handle_bytes(self.now, &bytes);
                        }
                    }
                    FromHost::Report(report) => {
                        self.reports.push(report.clone());
                        let radio = RadioName::parse("zwave").unwrap();
                        self.give(Input::Report { radio, report });
                    }
                    FromHost::KeepCache(cache) => self.cache = Some(cache),
                    FromHost::Reopen => self.close("the host wants it"),
                }
            }
            while let Some(bytes) = self.dongle.poll() {
                idle = false;
                self.note('<', &bytes);
                if self.open {
                    self.tell_host(ToHost::Bytes(bytes));
                }
            }
            while let Some(truth) = self.dongle.poll_truth() {
                self.truths.push(truth);
            }
            if idle {
                return;
            }
        }
        panic!(
            "seed {}: the host and the stick never come to rest\n{}",
            self.seed,
            self.story()
        );
    }

    fn note(&mut self, direction: char, bytes: &[u8]) {
        if bytes.len() > 1 {
            self.line
                .push((self.now.as_micros() / 1000, direction, bytes.to_vec()));
        }
    }

    fn close(&mut self, reason: &str) {
        if self.open {
            self.open = false;
            self.dongle.host_connected(self.now, false);
        }
        self.reopen_at = Some(self.now + REOPEN);
        self.tell_host(ToHost::Closed {
            reason: reason.to_owned(),
        });
    }

    /// Pulls the stick out or puts it in again.
    pub fn plug(&mut self, plugged: bool) {
        self.plugged = plugged;
        self.dongle.power(self.now, plugged);
        if !plugged {
            self.close("the stick is gone");
        }
        self.settle();
    }

    /// The node cache is lost.
    pub fn forget_cache(&mut self) {
        self.cache = None;
    }

    /// The hub restarts: the host and the mind begin anew with what was kept.
    pub fn restart_host(&mut self) {
        self.close("restart");
        self.seed += 1;
        let rng = Box::new(ChaCha20Rng::seed_from_u64(self.seed));
        self.host = Host::new(keys(), self.cache.as_deref(), rng);
        self.reopen_at = Some(self.now);
        self.settle();
    }

    fn next(&self) -> Option<MonoTime> {
        let world = self.world.as_ref().and_then(World::next_deadline);
        [
            self.dongle.next_deadline(),
            self.host.next_deadline(),
            self.engine.next_deadline(),
            world,
        ]
        .into_iter()
        .flatten()
        .chain(self.reopen_at.filter(|_| self.plugged))
        .min()
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Millis) {
        let until = self.now + span;
        self.settle();
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            for doing in self
                .world
                .as_mut()
                .map(|world| world.tick(at))
                .unwrap_or_default()
            {
                self.dongle.act(at, doing.device, &doing.act);
            }
            self.dongle.tick(self.now);
            if self.host.next_deadline().is_some_and(|due| due <= self.now) {
                self.tell_host(ToHost::Tick);
            }
            if self.engine.next_deadline().is_some_and(|due| due <= self.now) {
                self.give(Input::Tick);
            }
            self.settle();
        }
        self.now = until;
    }

    pub fn act(&mut self, device: DeviceKey, act: &Act) {
        self.dongle.act(self.now, device, act);
        self.settle();
    }

    pub fn fault(&mut self, fault: hubd_sim::dongle::Fault) {
        self.dongle.fault(self.now, fault);
        self.settle();
    }

    /// Asks for a movement as a person does.
    pub fn ask(&mut self, lock: &LockId, op: LockOp) -> CommandId {
        self.asked += 1;
        let command = CommandId::parse(&format!("c{}", self.asked)).unwrap();
        self.give(Input::Request {
            ticket: Ticket(0),
            request: Request::Actuate {
                command: command.clone(),
                lock: lock.clone(),
                op,
                requester: "test".into(),
                urgency: Urgency::Person,
                time_to_live: Millis::from_secs(15),
            },
        });
        self.settle();
        command
    }

    /// Asks for a movement in a house without faults, where it is done.
    pub fn move_bolt(&mut self, lock: &LockId, op: LockOp) {
        let command = self.ask(lock, op);
        self.run(MOVED_WITHIN);
        let status = self.commands[&command].status;
        assert_eq!(status, CommandStatus::Done, "{op:?} {lock}\n{}", self.story());
    }

    fn request(&mut self, request: Request) {
        self.give(Input::Request {
            ticket: Ticket(0),
            request,
        });
        self.settle();
    }

    /// Starts to include a device.
    pub fn include(&mut self, strategy: InclusionStrategy) {
        let radio = RadioName::parse("zwave").unwrap();
        self.request(Request::Include { radio, strategy });
    }

    /// Types the PIN that the inclusion asks for.
    pub fn answer(&mut self, pin: &str) {
        let radio = RadioName::parse("zwave").unwrap();
        let answer = InclusionAnswer::DskPin(SecretString::new(pin.to_owned()));
        self.request(Request::AnswerInclusion { radio, answer });
    }

    /// The inclusion ended well.
    pub fn included(&self) -> InclusionProgress {
        self.ended_well(self.inclusion())
    }

    /// The exclusion or removal ended well.
    pub fn excluded(&self) -> InclusionProgress {
        self.ended_well(self.exclusion())
    }

    fn ended_well(&self, progress: InclusionProgress) -> InclusionProgress {
        let done = progress.state == InclusionState::Done;
        assert!(done, "{progress:?}\n{}", self.story());
        progress
    }

    /// How the inclusion failed.
    pub fn inclusion_failure(&self) -> String {
        self.failure(self.inclusion())
    }

    /// How the exclusion or removal failed, or why it was refused.
    pub fn exclusion_failure(&self) -> String {
        self.failure(self.exclusion())
    }

    fn failure(&self, progress: InclusionProgress) -> String {
        let failed = progress.state == InclusionState::Failed;
        assert!(failed, "{progress:?}\n{}", self.story());
        progress.error.unwrap().code
    }

    /// Where the inclusion stands.
    pub fn inclusion(&self) -> InclusionProgress {
        self.engine.radios()[0].inclusion.clone()
    }

    /// Asks for a lock to be removed as failed.
    pub fn remove_lock(&mut self, lock: &LockId) {
        self.request(Request::RemoveFailedLock { lock: lock.clone() });
    }

    /// Asks for the only detector to be removed as failed.
    pub fn remove_alarm(&mut self) {
        let alarm = self.engine.alarms()[0].id.clone();
        self.request(Request::RemoveFailedAlarm { alarm });
    }

    /// Where the exclusion or removal stands.
    pub fn exclusion(&self) -> InclusionProgress {
        self.engine.radios()[0].exclusion.clone()
    }

    /// The lock of a device, as the mind sees it.
    pub fn lock(&self, device: DeviceKey) -> Option<LockView> {
        let node = format!("/{}", self.dongle.node_of(device)?);
        self.engine
            .locks()
            .into_iter()
            .find(|lock| lock.address.as_str().ends_with(&node))
    }

    /// The id of a device that is a lock.
    pub fn lock_id(&self, device: DeviceKey) -> LockId {
        let lock = self.lock(device);
        lock.unwrap_or_else(|| panic!("{device:?} is no lock\n{}", self.story()))
            .id
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.journal.iter().map(|entry| &entry.event)
    }

    /// The last frames on the line, for the message of a failure.
    pub fn story(&self) -> String {
        let last = self.line.len().saturating_sub(60);
        let line = self.line[last..].iter();
        let mut story = String::new();
        for (at, way, bytes) in line {
            // Writing to a String does not fail.
            let _ = writeln!(story, "{at:>9} {way} {bytes:02x?}");
        }
        story
    }
}
