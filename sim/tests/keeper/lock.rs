//! A lock with slots, and what it can do wrong.

use std::collections::BTreeMap;

use hubd_model::{
    CodeCapabilities, CodeChecksum, CodeRefusal, CodeReport, CodeSlot, CodeTask, CredentialKind, LocalMinute,
    LockSchedule, MinuteOfDay, Over, Pin, SlotContent, SlotKey, UnixMillis, WeeklyWindow, Zone,
};

/// Frames that a task costs: one there and one back for each slot, and more for a schedule.
const FRAMES_EACH: u32 = 2;

/// What is in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub pin: Pin,
    pub schedule: LockSchedule,
    /// Whether somebody typed it in at the keypad.
    pub typed: bool,
}

impl Held {
    /// Whether it opens the lock at an instant.
    pub fn is_valid(&self, zone: &Zone, at: UnixMillis) -> bool {
        keeps(&self.schedule, zone, at)
    }
}

/// How a lock reads back an end at midnight, for which it has no 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Midnight {
    /// As it was told.
    #[default]
    AsTold,
    /// As 23:59.
    MinuteBefore,
    /// As midnight, also what was told as 23:59.
    Whole,
}

/// How a lock behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manners {
    /// It never shows a PIN.
    pub masks: bool,
    /// It acknowledges to clear and does not, so many times in a thousand.
    pub ignores_clear: u32,
    /// It says that it cannot keep a schedule, whatever it announced.
    pub refuses_schedules: bool,
    /// It keeps its own names for users.
    pub refuses_names: bool,
    /// It takes what it is told, and its answer is lost, so many times in a thousand.
    pub answer_lost: u32,
    /// How it reads back midnight.
    pub midnight: Midnight,
    /// What it is told is lost, and may come late, so many times in a thousand.
    pub order_lost: u32,
}

#[derive(Debug)]
pub struct Lock {
    pub capabilities: CodeCapabilities,
    pub manners: Manners,
    pub held: BTreeMap<SlotKey, Held>,
    /// The names of the slots' users.
    pub names: BTreeMap<SlotKey, String>,
    /// A tag that somebody holds to it, to be learnt once.
    pub tag: Option<Pin>,
}

pub fn pin_slot(number: u16) -> SlotKey {
    SlotKey::pin(CodeSlot::new(number).unwrap())
}

impl Lock {
    pub fn new(capabilities: CodeCapabilities, manners: Manners) -> Self {
        Self {
            capabilities,
            manners,
            held: BTreeMap::new(),
            names: BTreeMap::new(),
            tag: None,
        }
    }

    pub fn slots(&self) -> impl Iterator<Item = SlotKey> {
        (1..=self.capabilities.pin_slots).map(pin_slot)
    }

    /// Whether a PIN opens it at an instant, by its own schedule and the clock on the wall.
    pub fn opens(&self, pin: &Pin, zone: &Zone, at: UnixMillis) -> bool {
        self.held
            .values()
            .any(|held| held.pin == *pin && held.is_valid(zone, at))
    }

    /// What a slot shows.
    pub fn content(&self, key: SlotKey) -> SlotContent {
        match self.held.get(&key) {
            None => SlotContent::Empty,
            Some(_) if self.manners.masks || key.kind != CredentialKind::Pin => {
                SlotContent::Hidden { enabled: true }
            }
            Some(held) => SlotContent::Pin {
                pin: held.pin.clone(),
                enabled: true,
            },
        }
    }

    /// What a slot reports.
    pub fn report(&self, key: SlotKey) -> CodeReport {
        let held = self.held.get(&key);
        let schedules = self.capabilities.weekly_per_slot > 0 || self.capabilities.dated_per_slot > 0;
        CodeReport::Slot {
            key,
            content: self.content(key),
            schedule: held
                .filter(|_| schedules)
                .map(|held| self.manners.midnight.read_back(&held.schedule)),
        }
    }

    /// A checksum that differs whenever what is held differs.
    pub fn checksum(&self) -> CodeChecksum {
        let mut sum = 17_u32;
        for (key, held) in &self.held {
            for byte in key
                .slot
                .number()
                .to_be_bytes()
                .into_iter()
                .chain(held.pin.expose().bytes())
            {
                sum = sum.wrapping_mul(31).wrapping_add(u32::from(byte));
            }
        }
        CodeChecksum(sum)
    }

    /// Takes the effect of a task; `Err` when the lock refuses it.
    pub fn take(&mut self, task: &CodeTask, ignores: bool) -> Result<(), CodeRefusal> {
        match task {
            CodeTask::ReadAll { .. } | CodeTask::Read(_) => Ok(()),
            CodeTask::Enrol { key, over } => {
                self.check(*key)?;
                if *over == Over::Nothing && self.held.contains_key(key) {
                    return Err(CodeRefusal::Other("somebody's tag is there and stays".into()));
                }
                let pin = self.tag.take();
                let pin = pin.ok_or_else(|| CodeRefusal::Other("nobody held a tag to the lock".into()))?;
                let held = Held {
                    pin,
                    schedule: LockSchedule::default(),
                    typed: false,
                };
                self.held.insert(*key, held);
                Ok(())
            }
            CodeTask::Clear(key) => {
                self.check(*key)?;
                if !ignores {
                    self.held.remove(key);
                    self.names.remove(key);
                }
                Ok(())
            }
            CodeTask::Name { key, name } => {
                self.check(*key)?;
                if !self.capabilities.names || self.manners.refuses_names {
                    return Err(CodeRefusal::NotSupported);
                }
                self.names.insert(*key, name.clone());
                Ok(())
            }
            CodeTask::Write { key, wish } => {
                self.check(*key)?;
                let digits = self.capabilities.pin_digits_min..=self.capabilities.pin_digits_max;
                if !digits.contains(&u8::try_from(wish.pin.digits()).unwrap()) {
                    return Err(CodeRefusal::BadPin);
                }
                let mut others = self.held.iter().filter(|(other, _)| *other != key);
                if others.any(|(_, held)| held.pin == wish.pin) {
                    return Err(CodeRefusal::Duplicate);
                }
                if !wish.may_replace(&self.content(*key)) {
                    return Err(CodeRefusal::Other("somebody's code is there and stays".into()));
                }
                if self.manners.refuses_schedules && !wish.schedule.is_none() {
                    return Err(CodeRefusal::BadSchedule);
                }
                let held = Held {
                    pin: wish.pin.clone(),
                    schedule: wish.schedule.clone(),
                    typed: false,
                };
                self.held.insert(*key, held);
                if !self.manners.refuses_names {
                    self.names.insert(*key, wish.name.clone());
                }
                Ok(())
            }
        }
    }

    fn check(&self, key: SlotKey) -> Result<(), CodeRefusal> {
        let slots = match key.kind {
            CredentialKind::Pin => self.capabilities.pin_slots,
            CredentialKind::Rfid => self.capabilities.rfid_slots,
            CredentialKind::Fingerprint => self.capabilities.finger_slots,
        };
        let kept = key.slot.number() <= slots;
        if kept {
            Ok(())
        } else {
            Err(CodeRefusal::NoSuchSlot)
        }
    }

    /// What the radio tells after a task, and how many frames it cost.
    pub fn reports(&self, task: &CodeTask) -> (Vec<CodeReport>, u32) {
        match task {
            CodeTask::ReadAll { known } => {
                let checksum = self.checksum();
                let told = CodeReport::Checksum(checksum);
                if self.capabilities.checksum && *known == Some(checksum) {
                    return (vec![told], FRAMES_EACH);
                }
                let mut reports: Vec<CodeReport> = self.held.keys().map(|key| self.report(*key)).collect();
                if self.capabilities.checksum {
                    reports.push(told);
                }
                (reports, FRAMES_EACH * u32::from(self.capabilities.pin_slots))
            }
            CodeTask::Read(key) => (vec![self.report(*key)], FRAMES_EACH),
            CodeTask::Write { key, .. } | CodeTask::Clear(key) | CodeTask::Enrol { key, .. } => {
                (vec![self.report(*key)], 2 * FRAMES_EACH)
            }
            CodeTask::Name { .. } => (Vec::new(), 2 * FRAMES_EACH),
        }
    }
}

impl Midnight {
    fn read_back(self, schedule: &LockSchedule) -> LockSchedule {
        let (from, to) = match self {
            Self::AsTold => return schedule.clone(),
            Self::MinuteBefore => (1_440, 1_439),
            Self::Whole => (1_439, 1_440),
        };
        let windows = schedule.weekly.iter().map(|window| {
            let minute = |minute| MinuteOfDay::new(minute).unwrap();
            if window.end() == minute(from) && window.start() < minute(to) {
                WeeklyWindow::new(window.day(), window.start(), minute(to)).unwrap()
            } else {
                *window
            }
        });
        let minute_earlier = |at: LocalMinute| {
            if self == Self::MinuteBefore && (at.hour, at.minute) == (0, 0) && at.day > 1 {
                LocalMinute {
                    day: at.day - 1,
                    hour: 23,
                    minute: 59,
                    ..at
                }
            } else {
                at
            }
        };
        LockSchedule {
            dated: schedule.dated.map(|(from, until)| (from, minute_earlier(until))),
            weekly: windows.collect(),
        }
    }
}

/// Whether a lock's own schedule lets a code open it.
fn keeps(schedule: &LockSchedule, zone: &Zone, at: UnixMillis) -> bool {
    let (day, minute) = zone.wall(at);
    let local = zone.local(at).unwrap();
    let dated = schedule
        .dated
        .is_none_or(|(from, until)| from <= local && local < until);
    let mut windows = schedule.weekly.iter();
    let weekly = schedule.weekly.is_empty()
        || windows.any(|window| window.day() == day && window.start() <= minute && minute < window.end());
    dated && weekly
}
