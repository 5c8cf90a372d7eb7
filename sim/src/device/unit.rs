//! One device: its application behind its link, with supervision, lifeline and power.

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime};
use hubd_zwave::security::{NetworkKeys, SecurityClass};

use super::alarm::{Alarm, AlarmConfig};
use super::common::{Identity, Lifeline};
use super::link::{Class, Link, Opened, Place, Protection};
use super::lock::{Lock, LockConfig};
use super::segments::Segments;
use super::{Act, Answer, Ctx, NodeInfo, Timer, Truth};
use crate::agenda::Agenda;
use crate::air::Listening;
use crate::chance::Chance;

/// How long a device waits for the confirmation of a supervised report before it sends it again.
const CONFIRM_WAIT: Millis = Millis(3000);
/// How often it sends a supervised report in all.
const REPORT_TRIES: u8 = 3;
/// How many reports wait for their turn; a device has little memory.
const REPORTS_MAX: usize = 16;
/// For how long a repeated supervision session is taken for a repetition.
const REPEAT_WINDOW: Millis = Millis(3000);

#[derive(Debug)]
enum App {
    Lock(Box<Lock>),
    Alarm(Box<Alarm>),
}

#[derive(Debug)]
struct Unconfirmed {
    session: u8,
    command: Vec<u8>,
    tries: u8,
}

#[derive(Debug)]
struct LastSession {
    session: u8,
    command: Vec<u8>,
    at: MonoTime,
    report: Vec<u8>,
}

/// A simulated device.
#[derive(Debug)]
pub struct Device {
    name: String,
    info: NodeInfo,
    identity: Identity,
    app: App,
    link: Link,
    segments: Option<Segments>,
    lifeline: Lifeline,
    timers: Agenda<Timer>,
    chance: Chance,
    truths: VecDeque<Truth>,
    supervises: bool,
    session: u8,
    reports: VecDeque<Vec<u8>>,
    unconfirmed: Option<Unconfirmed>,
    /// The supervised movement under way: its session and how it was asked.
    under_way: Option<(u8, Class)>,
    last_session: Option<LastSession>,
}

const GENERIC_ENTRY_CONTROL: u8 = 0x40;
const SPECIFIC_SECURE_KEYPAD_DOOR_LOCK: u8 = 0x03;
const GENERIC_NOTIFICATION_SENSOR: u8 = 0x07;

impl Device {
    /// A door lock with a beam-woken radio.
    pub fn lock(name: &str, config: LockConfig, protection: Protection, seed: u64) -> Self {
        let lock = Lock::new(config);
        let versions = lock.versions();
        let info = NodeInfo {
            listening: Listening::Beam1000,
            generic: GENERIC_ENTRY_CONTROL,
            specific: SPECIFIC_SECURE_KEYPAD_DOOR_LOCK,
            classes: Vec::new(),
        };
        Self::new(
            name,
            App::Lock(Box::new(lock)),
            info,
            versions,
            ([0xfff0, 1, 1], 7, 0x0300),
            protection,
            seed,
        )
    }

    /// A smoke, CO or heat alarm that sleeps.
    pub fn alarm(name: &str, config: AlarmConfig, protection: Protection, seed: u64) -> Self {
        let info = NodeInfo {
            listening: Listening::Asleep,
            generic: GENERIC_NOTIFICATION_SENSOR,
            specific: 0x01,
            classes: Vec::new(),
        };
        let versions = vec![(0x71, 8), (0x80, 1), (0x84, 2)];
        let alarm = Alarm::new(config);
        Self::new(
            name,
            App::Alarm(Box::new(alarm)),
            info,
            versions,
            ([0xfff1, 2, 1], 6, 0x0c00),
            protection,
            seed,
        )
    }

    fn new(
        name: &str,
        app: App,
        mut info: NodeInfo,
        own_versions: Vec<(u8, u8)>,
        (product, role, icon): ([u16; 3], u8, u16),
        protection: Protection,
        seed: u64,
    ) -> Self {
        let mut versions = vec![(0x5e, 2), (0x86, 2), (0x72, 2), (0x5a, 1), (0x85, 2), (0x59, 1)];
        let mut shown: Vec<u8> = vec![0x5e, 0x86, 0x72, 0x5a];
        let mut hidden: Vec<u8> = vec![0x85, 0x59];
        hidden.extend(own_versions.iter().map(|(class, _)| *class));
        versions.extend(own_versions);
        for (class, version) in protection.classes() {
            versions.push((*class, *version));
            shown.push(*class);
        }
        if protection.is_none() {
            shown.append(&mut hidden);
        }
        info.classes = shown;
        let supervises = protection.supervises();
        Self {
            name: name.to_owned(),
            info,
            identity: Identity {
                product,
                firmware: [2, 3],
                role,
                icon,
                versions,
            },
            app,
            link: Link::new(protection, hidden),
            segments: None,
            lifeline: Lifeline::default(),
            timers: Agenda::default(),
            chance: Chance::new(seed),
            truths: VecDeque::new(),
            supervises,
            session: 0,
            reports: VecDeque::new(),
            unconfirmed: None,
            under_way: None,
            last_session: None,
        }
    }

    /// It puts long frames together from their segments. It does not hear those that are named, by their count from 0, and
    /// may be busy with others at the first.
    #[must_use]
    pub fn with_transport_service(mut self, deaf_to: &[usize], busy: bool) -> Self {
        self.info.classes.push(0x55);
        self.identity.versions.push((0x55, 2));
        self.segments = Some(Segments::new(deaf_to, busy));
        self
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its radio says of it.
    pub fn info(&self) -> &NodeInfo {
        &self.info
    }

    /// Whether the bolt is out; `None` when it is between its ends, or when it is no lock.
    pub fn is_locked(&self) -> Option<bool> {
        match &self.app {
            App::Lock(lock) => lock.is_locked(),
            App::Alarm(_) => None,
        }
    }

    /// The codes that it keeps, by slot.
    pub fn codes(&self) -> Vec<(u16, String)> {
        match &self.app {
            App::Lock(lock) => lock.codes(),
            App::Alarm(_) => Vec::new(),
        }
    }

    /// The tags that it keeps, by slot.
    pub fn tags(&self) -> Vec<(u16, Vec<u8>)> {
        match &self.app {
            App::Lock(lock) => lock.tags(),
            App::Alarm(_) => Vec::new(),
        }
    }

    /// The names of its users, by user; for locks that keep names.
    pub fn user_names(&self) -> Vec<(u16, String)> {
        match &self.app {
            App::Lock(lock) => lock.user_names(),
            App::Alarm(_) => Vec::new(),
        }
    }

    /// The slot whose code would open the door now, its schedule and the lock's clock considered.
    pub fn slot_that_opens(&self, now: MonoTime, digits: &str) -> Option<u16> {
        match &self.app {
            App::Lock(lock) => lock.slot_that_opens(now, digits),
            App::Alarm(_) => None,
        }
    }

    /// The key printed on its label, where it has S2.
    pub fn dsk(&self) -> Option<[u8; 16]> {
        self.link.dsk()
    }

    /// The key on its label as people read it: eight groups of five digits. The first group is the PIN.
    pub fn dsk_text(&self) -> Option<String> {
        let dsk = self.dsk()?;
        let (pairs, _) = dsk.as_chunks::<2>();
        let groups: Vec<String> = pairs
            .iter()
            .map(|pair| format!("{:05}", u16::from_be_bytes(*pair)))
            .collect();
        Some(groups.join("-"))
    }

    /// The best security class that it was granted.
    pub fn security(&self) -> Option<SecurityClass> {
        self.link.best()
    }

    /// Whether its radio hears without a beam now.
    pub(crate) fn is_awake(&self, now: MonoTime) -> bool {
        match &self.app {
            App::Lock(_) => false,
            App::Alarm(alarm) => alarm.is_awake(now),
        }
    }

    /// It was a member before the simulation began: keys, lifeline and wake-up are set.
    pub(crate) fn was_joined(&mut self, now: MonoTime, place: Place, keys: &NetworkKeys) {
        self.link.was_joined(place, keys);
        let controller = u8::try_from(place.controller).unwrap_or(1);
        self.lifeline = Lifeline::to(controller);
        if let App::Alarm(alarm) = &mut self.app {
            alarm.listen_to(controller);
        }
        self.start(now);
    }

    /// It joins now: the key exchange follows.
    pub(crate) fn join(&mut self, now: MonoTime, place: Place) {
        self.link.join(now, place);
        self.lifeline = Lifeline::default();
        self.truths.push_back(Truth::Joined(place.node));
        self.start(now);
        if let App::Alarm(alarm) = &mut self.app {
            // A device just included stays awake for its interview.
            let mut reports = Vec::new();
            let mut ctx = Ctx {
                now,
                timers: &mut self.timers,
                reports: &mut reports,
                truths: &mut self.truths,
            };
            alarm.stay_awake(&mut ctx, Millis::from_secs(60));
        }
    }

    /// It was removed from its network.
    pub(crate) fn leave(&mut self) {
        self.link.leave();
        self.lifeline = Lifeline::default();
        self.reports.clear();
        self.unconfirmed = None;
        self.truths.push_back(Truth::Left);
    }

    fn start(&mut self, now: MonoTime) {
        let mut reports = Vec::new();
        let mut ctx = Ctx {
            now,
            timers: &mut self.timers,
            reports: &mut reports,
            truths: &mut self.truths,
        };
        if let App::Alarm(alarm) = &mut self.app {
            alarm.starts(&mut ctx);
        }
    }

    /// A frame from the controller.
    pub(crate) fn hear(&mut self, now: MonoTime, frame: &[u8]) {
        self.stay_awake(now);
        if let (Some(segments), Some(0x55)) = (&mut self.segments, frame.first()) {
            let led = segments.hear(now, frame);
            if let Some(answer) = led.answer {
                self.link.send(now, None, answer, &mut self.chance);
            }
            if let Some(frame) = led.frame {
                self.open(now, &frame);
            }
            return;
        }
        self.open(now, frame);
    }

    fn open(&mut self, now: MonoTime, frame: &[u8]) {
        if let Some(opened) = self.link.open(now, frame, &mut self.chance) {
            self.command(now, &opened);
        }
    }

    fn stay_awake(&mut self, now: MonoTime) {
        self.with_app(now, |app, ctx| {
            if let App::Alarm(alarm) = app
                && alarm.is_awake(now)
            {
                alarm.stay_awake(ctx, Millis::from_secs(10));
            }
        });
    }

    fn with_app<T>(&mut self, now: MonoTime, act: impl FnOnce(&mut App, &mut Ctx<'_>) -> T) -> T {
        let mut reports = Vec::new();
        let mut ctx = Ctx {
            now,
            timers: &mut self.timers,
            reports: &mut reports,
            truths: &mut self.truths,
        };
        let result = act(&mut self.app, &mut ctx);
        self.settle(now, reports);
        result
    }

    fn command(&mut self, now: MonoTime, opened: &Opened) {
        let Opened { class, command } = opened;
        match command.as_slice() {
            [0x6c, 0x01, session, length, inner @ ..] if inner.len() >= usize::from(*length) => {
                let inner = inner.get(..usize::from(*length)).unwrap_or_default();
                self.supervised(now, *class, session & 0x3f, inner);
            }
            [0x6c, 0x02, session, ..] => self.confirmed(now, session & 0x3f),
            command => {
                if let Answer::Report(report) = self.dispatch(now, *class, command) {
                    self.link.send(now, *class, report, &mut self.chance);
                }
            }
        }
    }

    fn supervised(&mut self, now: MonoTime, class: Class, session: u8, inner: &[u8]) {
        if let Some(last) = &self.last_session
            && last.session == session
            && last.command == inner
            && now < last.at + REPEAT_WINDOW
        {
            let report = last.report.clone();
            self.link.send(now, class, report, &mut self.chance);
            return;
        }
        let answer = self.dispatch(now, class, inner);
        let status = match &answer {
            Answer::Report(_) | Answer::Done => vec![session, 0xff, 0],
            Answer::Working(span) => {
                self.under_way = Some((session, class));
                let seconds = u8::try_from(span.0.div_ceil(1000).min(0x7f)).unwrap_or(0x7f);
                vec![0x80 | session, 0x01, seconds]
            }
            Answer::Fail => vec![session, 0x02, 0],
            Answer::Unknown => vec![session, 0x00, 0],
        };
        let mut report = vec![0x6c, 0x02];
        report.extend(status);
        self.last_session = Some(LastSession {
            session,
            command: inner.to_vec(),
            at: now,
            report: report.clone(),
        });
        self.link.send(now, class, report, &mut self.chance);
        if let Answer::Report(report) = answer {
            self.link.send(now, class, report, &mut self.chance);
        }
    }

    fn dispatch(&mut self, now: MonoTime, class: Class, command: &[u8]) -> Answer {
        let Some(first) = command.first() else {
            return Answer::Unknown;
        };
        if !self.link.allows(class, *first) {
            return Answer::Unknown;
        }
        let answer = self.identity.handle(command);
        if answer != Answer::Unknown {
            return answer;
        }
        let answer = self.lifeline.handle(command);
        if answer != Answer::Unknown {
            return answer;
        }
        self.with_app(now, |app, ctx| match app {
            App::Lock(lock) => lock.handle(ctx, command),
            App::Alarm(alarm) => alarm.handle(ctx, command),
        })
    }

    /// Sends what the application left to say.
    fn settle(&mut self, now: MonoTime, reports: Vec<Vec<u8>>) {
        let ended = match &mut self.app {
            App::Lock(lock) => lock.ended.take(),
            App::Alarm(_) => None,
        };
        if let Some(done) = ended
            && let Some((session, class)) = self.under_way.take()
        {
            let report = vec![0x6c, 0x02, session, if done { 0xff } else { 0x02 }, 0];
            if let Some(last) = &mut self.last_session
                && last.session == session
            {
                last.report.clone_from(&report);
            }
            self.link.send(now, class, report, &mut self.chance);
        }
        for report in reports {
            self.report(now, report);
        }
    }

    fn report(&mut self, now: MonoTime, report: Vec<u8>) {
        let wakes_up = report.first() == Some(&0x84);
        if !self.link.is_joined() || (!self.lifeline.is_set() && !wakes_up) {
            return;
        }
        if let App::Alarm(alarm) = &mut self.app {
            let mut reports = Vec::new();
            let mut ctx = Ctx {
                now,
                timers: &mut self.timers,
                reports: &mut reports,
                truths: &mut self.truths,
            };
            alarm.stay_awake(&mut ctx, Millis::from_secs(10));
        }
        if !self.supervises || wakes_up {
            self.link.send_best(now, report, &mut self.chance);
            return;
        }
        if self.reports.len() < REPORTS_MAX {
            self.reports.push_back(report);
        }
        self.next_report(now);
    }

    fn next_report(&mut self, now: MonoTime) {
        if self.unconfirmed.is_none()
            && let Some(command) = self.reports.pop_front()
        {
            self.session = (self.session + 1) & 0x3f;
            self.unconfirmed = Some(Unconfirmed {
                session: self.session,
                command,
                tries: 0,
            });
            self.send_unconfirmed(now);
        }
    }

    fn send_unconfirmed(&mut self, now: MonoTime) {
        let Some(open) = &mut self.unconfirmed else { return };
        open.tries += 1;
        if let App::Lock(lock) = &self.app {
            // A state that waited is told as it is now, not as it was.
            lock.refresh_report(now, &mut open.command);
        }
        let session = open.session;
        let mut command = vec![0x6c, 0x01, session, u8::try_from(open.command.len()).unwrap_or(0)];
        command.extend_from_slice(&open.command);
        self.link.send_best(now, command, &mut self.chance);
        self.timers.add(now + CONFIRM_WAIT, Timer::Unconfirmed(session));
    }

    fn confirmed(&mut self, now: MonoTime, session: u8) {
        if self.unconfirmed.take_if(|open| open.session == session).is_some() {
            self.timers.retain(|timer| *timer != Timer::Unconfirmed(session));
            self.next_report(now);
        }
    }

    fn not_confirmed(&mut self, now: MonoTime, session: u8) {
        let Some(open) = &mut self.unconfirmed else { return };
        if open.session != session {
            return;
        }
        if open.tries >= REPORT_TRIES {
            self.unconfirmed = None;
            self.next_report(now);
        } else {
            self.send_unconfirmed(now);
        }
    }

    /// Something happens to it.
    pub(crate) fn act(&mut self, now: MonoTime, act: &Act) {
        match act {
            Act::LoseSpan => self.link.lose_span(),
            Act::PowerCut => self.power_cut(),
            Act::PowerBack => self.start(now),
            Act::FactoryReset => {
                if self.link.is_joined() && self.lifeline.is_set() {
                    self.link.send_best(now, vec![0x5a, 0x01], &mut self.chance);
                }
                self.with_app(now, |app, ctx| app.act(ctx, act));
            }
            Act::TypeCode(_)
            | Act::PressLock
            | Act::Turn { .. }
            | Act::Door { .. }
            | Act::Block(_)
            | Act::Hazard { .. }
            | Act::TestButton(_)
            | Act::Silence(_)
            | Act::EndOfLife(_)
            | Act::Maintenance(_)
            | Act::Battery(_)
            | Act::Tamper(_)
            | Act::ChangeCode { .. }
            | Act::ClearAllCodes
            | Act::ForgetCodes
            | Act::ShowTag(_)
            | Act::Wake => self.with_app(now, |app, ctx| app.act(ctx, act)),
            Act::LearnButton | Act::SmartStart(_) | Act::Unreachable(_) => {}
        }
    }

    fn power_cut(&mut self) {
        self.timers.clear();
        self.reports.clear();
        self.unconfirmed = None;
        self.under_way = None;
        self.last_session = None;
        self.link.power_cut();
        if let App::Lock(lock) = &mut self.app {
            lock.power_cut();
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: MonoTime) {
        while let Some((at, timer)) = self.timers.take_due(now) {
            if let Timer::Unconfirmed(session) = timer {
                self.not_confirmed(at, session);
                continue;
            }
            self.with_app(at, |app, ctx| match app {
                App::Lock(lock) => lock.timer(ctx, &timer),
                App::Alarm(alarm) => alarm.timer(ctx, &timer),
            });
        }
        self.link.tick(now, &mut self.chance);
        if let Some(answer) = self.segments.as_mut().and_then(|segments| segments.tick(now)) {
            self.link.send(now, None, answer, &mut self.chance);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        self.timers
            .next()
            .into_iter()
            .chain(self.link.next_deadline())
            .chain(self.segments.as_ref().and_then(Segments::next_deadline))
            .min()
    }

    /// A frame for the controller.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.link.poll()
    }

    /// What really happened.
    pub(crate) fn poll_truth(&mut self) -> Option<Truth> {
        self.truths.pop_front()
    }
}

impl App {
    fn act(&mut self, ctx: &mut Ctx<'_>, act: &Act) {
        match self {
            Self::Lock(lock) => lock.act(ctx, act),
            Self::Alarm(alarm) => alarm.act(ctx, act),
        }
    }
}
