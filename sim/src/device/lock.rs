//! A simulated lock: bolt with a motor, keypad, thumb-turn, door sensor, log.
//!
//! Spec: CC:0062 (Door Lock v2, v4), CC:004C (Door Lock Logging), CC:0071 (Notification v8), CC:0080 (Battery).

use hubd_model::{Millis, MonoTime, Source};

use super::book::Book;
use super::codes::{CodeChange, CodeFaults};
use super::common::{notification, notification_support};
use super::log::{Log, LogConfig};
use super::schedules::{ScheduleSlots, Schedules};
use super::{Act, Answer, Ctx, Timer, Truth};

/// How a lock names the code's slot in its keypad notifications; locks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeypadEvent {
    /// The slot alone, in one byte.
    SlotOnly,
    /// A User Code Report in the notification, without the digits.
    UserCodeReport,
}

/// By which command class a lock keeps its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodesBy {
    /// User Code; [`LockConfig::user_code_version`] says which.
    UserCode,
    /// User Credential, with Active Schedule where it keeps schedules.
    UserCredential,
}

/// What kind of lock it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockConfig {
    /// Door Lock command class version: 2 or 4.
    pub door_lock_version: u8,
    /// User Code command class version: 1 or 2.
    pub user_code_version: u8,
    /// By which class it keeps its codes.
    pub codes_by: CodesBy,
    /// How many codes it keeps.
    pub slots: u16,
    /// How many tags it keeps; User Credential alone.
    pub tags: u16,
    /// Whether it reports several codes in one frame; User Code version 2.
    pub bulk: bool,
    /// Which schedules it keeps.
    pub schedules: ScheduleSlots,
    /// What it does wrong with codes.
    pub code_faults: CodeFaults,
    /// Codes that it has already.
    pub codes: Vec<(u16, String)>,
    /// How long the bolt takes from end to end.
    pub travel: Millis,
    /// After what time it locks itself.
    pub auto_relock: Option<Millis>,
    /// Whether it knows whether the door is open.
    pub door_sensor: bool,
    /// How it names the slot in keypad notifications.
    pub keypad: KeypadEvent,
    /// How it keeps its record.
    pub log: LogConfig,
    /// The bolt at the beginning.
    pub locked: bool,
    /// The battery at the beginning, in percent.
    pub battery: u8,
}

impl Default for LockConfig {
    fn default() -> Self {
        Self {
            door_lock_version: 4,
            user_code_version: 2,
            codes_by: CodesBy::UserCode,
            slots: 20,
            tags: 0,
            bulk: false,
            schedules: ScheduleSlots::default(),
            code_faults: CodeFaults::default(),
            codes: Vec::new(),
            travel: Millis(900),
            auto_relock: None,
            door_sensor: true,
            keypad: KeypadEvent::SlotOnly,
            log: LogConfig::default(),
            locked: true,
            battery: 87,
        }
    }
}

const SECURED: u8 = 0xff;
const UNSECURED: u8 = 0x00;
const UNKNOWN: u8 = 0xfe;
/// How many wrong codes shut the keypad.
const WRONG_CODES_MAX: u32 = 5;
/// How long it stays shut.
const KEYPAD_SHUT: Millis = Millis::from_secs(60);
/// How long it waits for a tag to be read in.
const LEARN_WAIT: Millis = Millis::from_secs(30);

#[derive(Debug, Clone)]
struct Movement {
    to_locked: bool,
    by: Source,
    slot: Option<u16>,
    ends: MonoTime,
}

/// The door lock configuration of a lock with this auto-relock. Spec: CC:0062.01.06.
fn settings(config: &LockConfig) -> Vec<u8> {
    let seconds = config.auto_relock.map(|span| span.0 / 1000);
    let byte = |value: u64| u8::try_from(value).unwrap_or(0xfd);
    if config.door_lock_version >= 4 {
        let [high, low] = u16::try_from(seconds.unwrap_or(0))
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        return vec![1, 0x11, 0xfe, 0xfe, high, low, 0, 0, 0];
    }
    match seconds {
        Some(seconds) => vec![2, 0x11, byte(seconds / 60), byte(seconds % 60), 0, 0, 0, 0, 0],
        None => vec![1, 0x11, 0xfe, 0xfe, 0, 0, 0, 0, 0],
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Lock {
    config: LockConfig,
    codes: Book,
    schedules: Schedules,
    mode: u8,
    moving: Option<Movement>,
    blocked: bool,
    door_open: bool,
    battery: u8,
    wrong_codes: u32,
    keypad_shut: bool,
    relock: u32,
    log: Log,
    /// The door lock configuration as it was set, for reading back.
    settings: Vec<u8>,
    /// The end of a movement that the radio asked for.
    pub(crate) ended: Option<bool>,
}

impl Lock {
    pub(crate) fn new(config: LockConfig) -> Self {
        Self {
            codes: Book::new(&config),
            schedules: Schedules::new(config.schedules, config.slots + config.tags),
            mode: if config.locked { SECURED } else { UNSECURED },
            moving: None,
            blocked: false,
            door_open: false,
            battery: config.battery,
            wrong_codes: 0,
            keypad_shut: false,
            relock: 0,
            log: Log::new(config.log),
            settings: settings(&config),
            ended: None,
            config,
        }
    }

    pub(crate) fn is_locked(&self) -> Option<bool> {
        match self.mode {
            SECURED => Some(true),
            UNSECURED => Some(false),
            _ => None,
        }
    }

    pub(crate) fn codes(&self) -> Vec<(u16, String)> {
        self.codes.pins()
    }

    pub(crate) fn tags(&self) -> Vec<(u16, Vec<u8>)> {
        self.codes.tags()
    }

    pub(crate) fn user_names(&self) -> Vec<(u16, String)> {
        self.codes.user_names()
    }

    /// The slot whose code would open the door now.
    pub(crate) fn slot_that_opens(&self, now: MonoTime, digits: &str) -> Option<u16> {
        let (slot, user) = self.codes.find_pin(digits)?;
        self.schedules.allows(now, user).then_some(slot)
    }

    pub(crate) fn versions(&self) -> Vec<(u8, u8)> {
        let version = if self.config.door_lock_version >= 4 { 4 } else { 2 };
        let by_credential = self.config.codes_by == CodesBy::UserCredential;
        let codes = if by_credential {
            (0x83, 1)
        } else {
            (0x63, self.config.user_code_version)
        };
        let mut versions = vec![(0x62, version), codes, (0x4c, 1), (0x71, 8), (0x80, 1)];
        if Schedules::exist(self.config.schedules) {
            versions.push(if by_credential { (0xa4, 1) } else { (0x4e, 3) });
            versions.push((0x8b, 1));
        }
        versions
    }

    fn events(&self) -> Vec<(u8, Vec<u8>)> {
        let mut access = vec![1, 2, 3, 4, 5, 6, 9, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10];
        if self.config.door_sensor {
            access.extend_from_slice(&[0x16, 0x17]);
        }
        vec![(6, access), (7, vec![3, 4]), (8, vec![0x0a, 0x0b])]
    }

    pub(crate) fn handle(&mut self, ctx: &mut Ctx<'_>, command: &[u8]) -> Answer {
        match *command {
            [0x62, 0x01, mode] => self.operation_set(ctx, mode),
            [0x62, 0x02] => Answer::Report(self.operation_report(ctx.now)),
            [0x62, 0x04, ref settings @ ..] if settings.len() >= 4 => {
                self.configure(settings);
                Answer::Done
            }
            [0x62, 0x05] => {
                let length = if self.config.door_lock_version >= 4 { 9 } else { 4 };
                let mut report = vec![0x62, 0x06];
                report.extend(self.settings.iter().take(length));
                Answer::Report(report)
            }
            [0x62, 0x07] if self.config.door_lock_version >= 3 => {
                let components = 0x06 | u8::from(self.config.door_sensor);
                // Operation types constant and timed; unsecured and secured; one handle each side; auto-relock.
                Answer::Report(vec![
                    0x62, 0x08, 1, 0x06, 2, UNSECURED, SECURED, 0x11, components, 0x08,
                ])
            }
            [0x63 | 0x83, ..] => self.codes_command(ctx, command),
            [0x4e | 0x8b | 0xa4, ..] if Schedules::exist(self.config.schedules) => {
                self.schedules.handle(ctx.now, command)
            }
            [0x4c, ..] => self.log.handle(command),
            [0x71, 0x04, ..] => Answer::Report(self.notification_state(command)),
            [0x71, ..] => notification_support(command, &self.events()),
            [0x80, 0x02] => Answer::Report(vec![0x80, 0x03, self.battery]),
            _ => Answer::Unknown,
        }
    }

    fn codes_command(&mut self, ctx: &mut Ctx<'_>, command: &[u8]) -> Answer {
        let was_learning = self.codes.is_learning();
        let (answer, reports, change) = self.codes.handle(command);
        if self.codes.is_learning() && !was_learning {
            ctx.later(LEARN_WAIT, Timer::LearnEnds);
        }
        ctx.reports.extend(reports);
        match change {
            Some(CodeChange::Set(slot)) if self.config.code_faults.drops_schedules => {
                self.schedules.forget(slot);
            }
            Some(CodeChange::UserDeleted(user)) => self.schedules.forget(user),
            Some(CodeChange::AllDeleted) => self.schedules.forget_all(),
            Some(CodeChange::Set(_) | CodeChange::Deleted(_) | CodeChange::Duplicate(_)) | None => {}
        }
        self.tell_change(ctx, change);
        answer
    }

    fn configure(&mut self, settings: &[u8]) {
        for (old, new) in self.settings.iter_mut().zip(settings) {
            *old = *new;
        }
        self.config.auto_relock = match *settings {
            [_, _, _, _, high, low, ..] if self.config.door_lock_version >= 4 => {
                let seconds = u16::from_be_bytes([high, low]);
                (seconds > 0).then(|| Millis::from_secs(u64::from(seconds)))
            }
            [2, _, minutes, seconds, ..] => {
                Some(Millis::from_secs(u64::from(minutes) * 60 + u64::from(seconds)))
            }
            _ => None,
        };
        // What a timer under way would do was said under the old settings.
        self.relock += 1;
    }

    fn operation_set(&mut self, ctx: &mut Ctx<'_>, mode: u8) -> Answer {
        let to_locked = match mode {
            SECURED => true,
            UNSECURED => false,
            _ => return Answer::Fail,
        };
        self.start(ctx, to_locked, Source::Remote, None);
        Answer::Working(self.config.travel)
    }

    fn start(&mut self, ctx: &mut Ctx<'_>, to_locked: bool, by: Source, slot: Option<u16>) {
        self.relock += 1;
        let ends = ctx.now + self.config.travel;
        self.moving = Some(Movement {
            to_locked,
            by,
            slot,
            ends,
        });
        ctx.later(self.config.travel, Timer::BoltEnds);
    }

    /// Puts the present state into an operation report that was made earlier; leaves other commands alone.
    pub(crate) fn refresh_report(&self, now: MonoTime, command: &mut Vec<u8>) {
        if command.starts_with(&[0x62, 0x03]) {
            *command = self.operation_report(now);
        }
    }

    fn operation_report(&self, now: MonoTime) -> Vec<u8> {
        let unlocked = self.mode == UNSECURED;
        let handles = if unlocked { 0x11 } else { 0x01 };
        let condition =
            u8::from(!self.door_open) | (u8::from(unlocked) << 1) | (u8::from(!self.door_open) << 2);
        let mut report = vec![0x62, 0x03, self.mode, handles, condition, 0xfe, 0xfe];
        if self.config.door_lock_version >= 3 {
            let (target, left) = match &self.moving {
                Some(moving) => {
                    let seconds = moving.ends.since(now).0.div_ceil(1000);
                    let target = if moving.to_locked { SECURED } else { UNSECURED };
                    (target, u8::try_from(seconds.min(0x7f)).unwrap_or(0x7f))
                }
                None => (self.mode, 0),
            };
            report.extend_from_slice(&[target, left]);
        }
        report
    }

    pub(crate) fn timer(&mut self, ctx: &mut Ctx<'_>, timer: &Timer) {
        match timer {
            Timer::BoltEnds => self.bolt_ends(ctx),
            Timer::AutoRelock(count)
                if *count == self.relock && self.mode == UNSECURED && !self.door_open =>
            {
                self.start(ctx, true, Source::Auto, None);
            }
            Timer::KeypadBack => {
                self.keypad_shut = false;
                self.wrong_codes = 0;
            }
            Timer::LearnEnds => {
                if let Some(report) = self.codes.stop_learning() {
                    ctx.report(report);
                }
            }
            Timer::AutoRelock(_) | Timer::WakeUp | Timer::Sleep(_) | Timer::Unconfirmed(_) => {}
        }
    }

    fn bolt_ends(&mut self, ctx: &mut Ctx<'_>) {
        // An order that turned the bolt round in mid-movement left an older timer behind.
        let Some(moving) = self.moving.take_if(|moving| moving.ends <= ctx.now) else {
            return;
        };
        if self.blocked && moving.to_locked {
            self.mode = UNKNOWN;
            if moving.by == Source::Remote {
                self.ended = Some(false);
            }
            ctx.truth(Truth::Jammed);
            ctx.report(self.operation_report(ctx.now));
            ctx.report(notification(6, 0x0b, &[]));
            return;
        }
        if moving.by == Source::Remote {
            self.ended = Some(true);
        }
        self.arrived(ctx, moving.to_locked, moving.by, moving.slot);
    }

    fn arrived(&mut self, ctx: &mut Ctx<'_>, locked: bool, by: Source, slot: Option<u16>) {
        self.mode = if locked { SECURED } else { UNSECURED };
        self.moving = None;
        ctx.truth(Truth::Bolt { locked, by, slot });
        let user = slot.and_then(|slot| u8::try_from(slot).ok()).unwrap_or(0);
        // Notification events and log record types, locked first.
        let (events, records) = match by {
            Source::Keypad => ((5, 6), if user == 0 { (3, 4) } else { (1, 2) }),
            Source::Remote => ((3, 4), (0x0e, 0x0f)),
            Source::Auto => ((9, 2), (0x0a, 0x0b)),
            Source::Rfid => ((0x23, 0x24), (1, 2)),
            Source::Manual | Source::Fingerprint | Source::Schedule | Source::Unknown => ((1, 2), (8, 9)),
        };
        let choose = |(if_locked, if_unlocked)| if locked { if_locked } else { if_unlocked };
        self.log.write(ctx.now, choose(records), user);
        let parameters = match (by, self.config.keypad) {
            (Source::Keypad, KeypadEvent::SlotOnly) => vec![user],
            (Source::Keypad, KeypadEvent::UserCodeReport) => vec![0x63, 0x03, user, 1],
            // The user, then one credential: a tag in this slot.
            (Source::Rfid, _) => vec![0, user, 1, 3, 0, user],
            _ => Vec::new(),
        };
        ctx.report(notification(6, choose(events), &parameters));
        ctx.report(self.operation_report(ctx.now));
        if !locked && let Some(after) = self.config.auto_relock {
            self.relock += 1;
            ctx.later(after, Timer::AutoRelock(self.relock));
        }
    }

    pub(crate) fn act(&mut self, ctx: &mut Ctx<'_>, act: &Act) {
        match act {
            Act::TypeCode(code) => self.type_code(ctx, code),
            Act::PressLock => self.start(ctx, true, Source::Keypad, None),
            Act::Turn { locked } => self.arrived(ctx, *locked, Source::Manual, None),
            Act::Door { open } if *open != self.door_open => {
                self.door_open = *open;
                ctx.truth(Truth::Door { open: *open });
                if self.config.door_sensor {
                    ctx.report(notification(6, if *open { 0x16 } else { 0x17 }, &[]));
                }
                if !open
                    && self.mode == UNSECURED
                    && let Some(after) = self.config.auto_relock
                {
                    self.relock += 1;
                    ctx.later(after, Timer::AutoRelock(self.relock));
                }
            }
            Act::Block(blocked) => self.blocked = *blocked,
            Act::Battery(percent) => {
                self.battery = (*percent).min(100);
                ctx.report(vec![0x80, 0x03, self.battery]);
                if self.battery <= 10 {
                    ctx.report(notification(8, 0x0a, &[]));
                }
            }
            Act::Tamper(open) => {
                ctx.report(if *open {
                    notification(7, 3, &[])
                } else {
                    notification(7, 0, &[3])
                });
            }
            Act::FactoryReset | Act::ForgetCodes => {
                self.codes.forget_all();
                self.schedules.forget_all();
            }
            Act::ChangeCode { slot, digits } => self.change_code(ctx, *slot, digits.as_deref()),
            Act::ClearAllCodes => {
                self.codes.forget_all();
                self.schedules.forget_all();
                self.tell_change(ctx, Some(CodeChange::AllDeleted));
            }
            Act::ShowTag(tag) => self.show_tag(ctx, tag),
            Act::Door { .. }
            | Act::Hazard { .. }
            | Act::TestButton(_)
            | Act::Silence(_)
            | Act::EndOfLife(_)
            | Act::Maintenance(_)
            | Act::Wake
            | Act::LearnButton
            | Act::SmartStart(_)
            | Act::PowerCut
            | Act::PowerBack
            | Act::Unreachable(_)
            | Act::LoseSpan => {}
        }
    }

    fn type_code(&mut self, ctx: &mut Ctx<'_>, code: &str) {
        if self.keypad_shut {
            return;
        }
        if let Some(slot) = self.slot_that_opens(ctx.now, code) {
            self.wrong_codes = 0;
            self.start(ctx, false, Source::Keypad, Some(slot));
            return;
        }
        self.wrong_codes += 1;
        self.log.write(ctx.now, 7, 0);
        ctx.truth(Truth::Denied);
        ctx.report(notification(7, 4, &[]));
        if self.wrong_codes >= WRONG_CODES_MAX {
            self.keypad_shut = true;
            ctx.later(KEYPAD_SHUT, Timer::KeypadBack);
            ctx.truth(Truth::LockedOut);
            ctx.report(notification(6, 0x10, &[]));
        }
    }

    /// Somebody programs a code at the keypad.
    fn change_code(&mut self, ctx: &mut Ctx<'_>, slot: u16, digits: Option<&str>) {
        let (reports, change) = self.codes.at_the_keypad(slot, digits);
        ctx.reports.extend(reports);
        self.tell_change(ctx, change);
    }

    fn show_tag(&mut self, ctx: &mut Ctx<'_>, tag: &[u8]) {
        if let Some(reports) = self.codes.learn(tag) {
            ctx.reports.extend(reports);
        } else if let Some((slot, user)) = self.codes.find_tag(tag)
            && self.schedules.allows(ctx.now, user)
        {
            self.start(ctx, false, Source::Rfid, Some(slot));
        } else {
            ctx.truth(Truth::Denied);
        }
    }

    fn tell_change(&self, ctx: &mut Ctx<'_>, change: Option<CodeChange>) {
        let Some(change) = change else { return };
        let byte = |slot: u16| u8::try_from(slot).unwrap_or(u8::MAX);
        // A lock with User Credential has told it by its own reports.
        let notifies = self.config.codes_by == CodesBy::UserCode;
        let (truth, event, slots) = match change {
            CodeChange::Set(slot) => (Truth::CodeChanged { slot, set: true }, 0x0e, vec![byte(slot)]),
            CodeChange::Deleted(slot) => (Truth::CodeChanged { slot, set: false }, 0x0d, vec![byte(slot)]),
            CodeChange::UserDeleted(_) => return,
            CodeChange::AllDeleted => (Truth::CodeChanged { slot: 0, set: false }, 0x0c, vec![]),
            CodeChange::Duplicate(slot) => {
                if notifies {
                    ctx.report(notification(6, 0x0f, &[byte(slot)]));
                }
                return;
            }
        };
        ctx.truth(truth);
        if notifies || event == 0x0c {
            ctx.report(notification(6, event, &slots));
        }
    }

    fn notification_state(&self, command: &[u8]) -> Vec<u8> {
        let kind = command.get(3).copied().unwrap_or(0);
        let jammed = kind == 6 && self.mode == UNKNOWN;
        notification(kind, if jammed { 0x0b } else { 0 }, &[])
    }

    /// Its power fails: the motor stops where it is.
    pub(crate) fn power_cut(&mut self) {
        if self.moving.take().is_some() {
            self.mode = UNKNOWN;
        }
        self.keypad_shut = false;
        self.wrong_codes = 0;
        self.schedules.power_cut();
    }
}
