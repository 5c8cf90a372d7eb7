//! Life safety: from a detector's alarm to doors that stand unlocked for helpers, held so, and given back.
//!
//! ```text
//!           a detector warns             a rule or a person confirms        every chosen door reports open
//!   Quiet ------------------> Alarm --------------------------> Releasing ------------------------------> Held
//!     ^                         |                                |  ^                                      |
//!     | all clear, no release   |                                |  +-- one locks itself, or another ------+
//!     +-------------------------+                                |      detector is confirmed              |
//!     |                                                          v                                         |
//!     |  somebody locked the doors, or ended it                                   every detector clear     |
//!     +------------------------------------------------------ Restoring <----------------------------------+
//! ```
//!
//! It is a convenience for those who come to help, never the means of escape: that is the turn inside. It is a level:
//! as long as something warns, the wanted state of a released door is open, across restarts. A decision is put on
//! record before its orders leave, and the record waits for no disk. The bolt is drawn, the latch never; nothing is
//! ever locked from here. What is not known for certain - a test, a silenced horn, an old detector, a message that
//! anybody could have sent, a state from before a restart - opens nothing.
//!
//! ```text
//!   a door:  Waiting --confirmed--> [Pending --window over-->] Releasing --report--> Open --locks itself--> Releasing
//!                                                                 |                   |
//!                                       danger over, 10 min passed|                   +--by hand, danger--> LockedByHand
//!                                                                 v                   +--danger over------> Restored
//!                                                              GivenUp, escalated
//! ```

mod alarms;
mod confirm;
mod doors;
mod drills;
pub mod event;
pub mod incident;
pub mod policy;
pub mod reason;
pub mod request;
mod requests;
mod settle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hubd_model::{AlarmId, Hazard, IncidentId, LockId, Millis, MonoTime, UnixMillis};

use crate::actuation::desk::Desk;
use crate::devices::{Devices, Quiet};
use crate::outbox::Outbox;
use crate::output::{Record, RecordKey};
use crate::radios::Radio;

use alarms::OpenIncident;
use doors::Hold;
use drills::OpenDrill;
use event::LifeSafetyEvent;
use incident::{DoorStage, Drill, Incident, Review, Stage};
use policy::{Detectors, Inventory, Policy};

/// The pauses between attempts to open a door; the last one stays.
pub const RETRY_PAUSES: [Millis; 6] = [
    Millis::from_secs(1),
    Millis::from_secs(2),
    Millis::from_secs(4),
    Millis::from_secs(8),
    Millis::from_secs(15),
    Millis::from_secs(30),
];
/// An order to open that could not be sent within this is dropped, and given anew.
pub const ORDER_LIFE: Millis = Millis::from_secs(30);
/// A door that did not report open within this is escalated.
pub const ESCALATE_AFTER: Millis = Millis::from_secs(15);
/// For so long after the all-clear a door that was never reached is still tried.
pub const RELEASE_AFTER_CLEAR_MAX: Millis = Millis::from_secs(600);
/// The longest maintenance.
pub const MAINTENANCE_MAX: Millis = Millis::from_secs(30 * 60);
/// A drill that waits for a test button waits so long.
pub const DRILL_ARMED_MAX: Millis = Millis::from_secs(600);
/// A drill gives its doors so long.
pub const DRILL_MAX: Millis = Millis::from_secs(120);
/// A drill is due again after so many days.
pub const DRILL_EVERY_DAYS: i64 = 90;
/// A detector that a person overruled is not believed for so long, or until it says that its danger is over.
pub const OVERRULED_MAX: Millis = Millis::from_secs(3_600);
/// How many incidents that are over, and as many drills, are remembered. One that waits for its review is never
/// forgotten.
pub const REMEMBERED_MAX: usize = 200;

/// What the store remembers of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoredPolicy {
    /// Nobody set one.
    #[default]
    None,
    /// It.
    Readable(Policy),
    /// Something that cannot be read: nothing is released, loudly.
    Unreadable(String),
}

/// What else has to survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether nobody is at home.
    pub away: bool,
    /// Locks whose own relocking has to be given back.
    pub give_back: BTreeSet<LockId>,
    /// Whether maintenance was under way.
    pub maintenance: bool,
}

/// What the store remembers of life safety.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LifeSafetyMemory {
    /// The policy.
    pub policy: StoredPolicy,
    /// What else has to survive.
    pub standing: Standing,
    /// Incidents, oldest first. At most one is not over.
    pub incidents: Vec<Incident>,
    /// Drills, oldest first.
    pub drills: Vec<Drill>,
    /// Rows that cannot be read, one sentence each.
    pub unreadable: Vec<String>,
}

impl LifeSafetyMemory {
    /// Remembers a row instead of an older one of the same key.
    pub fn keep(&mut self, record: LifeSafetyRecord) {
        match record {
            LifeSafetyRecord::Policy(policy) => self.policy = StoredPolicy::Readable(policy),
            LifeSafetyRecord::Standing(standing) => self.standing = standing,
            LifeSafetyRecord::Incident(incident) => {
                self.incidents.retain(|known| known.id != incident.id);
                self.incidents.push(incident);
                self.incidents.sort_by_key(|incident| incident.opened_seq);
            }
            LifeSafetyRecord::Drill(drill) => {
                self.drills.retain(|known| known.id != drill.id);
                self.drills.push(drill);
                self.drills.sort_by_key(|drill| drill.asked_at);
            }
        }
    }

    /// Forgets a row.
    pub fn forget(&mut self, key: &LifeSafetyKey) {
        match key {
            LifeSafetyKey::Incident(id) => self.incidents.retain(|known| known.id != *id),
            LifeSafetyKey::Drill(id) => self.drills.retain(|known| known.id != *id),
        }
    }
}

/// A row that the store keeps for life safety.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeSafetyRecord {
    /// The policy.
    Policy(Policy),
    /// What else has to survive.
    Standing(Standing),
    /// An incident.
    Incident(Incident),
    /// A drill.
    Drill(Drill),
}

/// Names such a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeSafetyKey {
    /// An incident's.
    Incident(IncidentId),
    /// A drill's.
    Drill(IncidentId),
}

/// Maintenance under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceView {
    /// Which detectors.
    pub detectors: Detectors,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: UnixMillis,
    /// Until when.
    pub until: UnixMillis,
}

/// Whether life safety does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Nobody set a policy, or it is off: no door is released.
    Off,
    /// It is.
    Armed,
    /// All or some detectors are being worked on.
    Maintenance,
    /// What is stored cannot be read: nothing is released. One sentence says what to do.
    Unreadable(String),
}

/// Life safety as a whole, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeSafetyView {
    /// Whether it does its work.
    pub readiness: Readiness,
    /// The policy, when one can be read.
    pub policy: Option<Policy>,
    /// What of the policy cannot be carried out any more, one sentence each.
    pub problems: Vec<String>,
    /// Whether nobody is at home.
    pub away: bool,
    /// Maintenance under way.
    pub maintenance: Option<MaintenanceView>,
    /// The emergency under way.
    pub incident: Option<Incident>,
    /// Releases that somebody has to look at.
    pub unreviewed: Vec<IncidentId>,
    /// The drill under way.
    pub drill: Option<Drill>,
    /// When the last drill ended.
    pub last_drill_at: Option<UnixMillis>,
    /// When the next drill is due; `None` when there was none yet: now.
    pub next_drill_at: Option<UnixMillis>,
}

/// What life safety works with.
pub(crate) struct House<'a> {
    pub(crate) devices: &'a Devices,
    pub(crate) desk: &'a mut Desk,
    pub(crate) out: &'a mut Outbox,
    pub(crate) radios: &'a [Radio],
}

/// Maintenance under way.
#[derive(Debug)]
struct Maintenance {
    view: MaintenanceView,
    until: MonoTime,
}

/// The mind of life safety.
#[derive(Debug, Default)]
pub(crate) struct LifeSafety {
    policy: StoredPolicy,
    standing: Standing,
    /// Rows that could not be read at the start.
    unreadable: Vec<String>,
    maintenance: Option<Maintenance>,
    open: Option<OpenIncident>,
    drill: Option<OpenDrill>,
    past: VecDeque<Incident>,
    drills: VecDeque<Drill>,
    overruled: BTreeMap<(AlarmId, Hazard), MonoTime>,
    holds: BTreeMap<LockId, Hold>,
    tests: Quiet<AlarmId>,
    changed: Changed,
}

/// Which rows have to be saved at the end of this mutation.
#[derive(Debug, Default)]
struct Changed {
    policy: bool,
    standing: bool,
    open: bool,
    drill: bool,
}

impl LifeSafety {
    /// Takes what the store remembers, and goes on with what was under way.
    /// `recorded` is the last journal entry that was kept.
    pub(crate) fn restore(&mut self, memory: LifeSafetyMemory, recorded: u64, house: &mut House<'_>) {
        self.policy = memory.policy;
        self.standing = memory.standing;
        self.unreadable = memory.unreadable;
        let reasons = self
            .unreadable
            .iter()
            .cloned()
            .chain(match &self.policy {
                StoredPolicy::Unreadable(reason) => Some(reason.clone()),
                StoredPolicy::None | StoredPolicy::Readable(_) => None,
            })
            .collect::<Vec<_>>();
        for reason in reasons {
            house.note(LifeSafetyEvent::PolicyUnreadable { reason });
        }
        if std::mem::take(&mut self.standing.maintenance) {
            // Its time was on a clock that stopped with the hub: the safe end is that alarms count again.
            self.changed.standing = true;
            house.note(LifeSafetyEvent::MaintenanceEnded {
                by: "hubd (restarted)".to_owned(),
            });
        }
        for lock in self.standing.give_back.clone() {
            self.give_back(&lock, house.out.mono());
        }
        for mut incident in memory.incidents {
            alarms::record_again(&mut incident, recorded, house);
            if incident.stage == Stage::Closed || self.open.is_some() {
                self.past.push_back(incident);
            } else {
                self.resume(incident, house);
            }
        }
        for mut drill in memory.drills {
            if drill.ended.is_none() {
                drills::cut_off(&mut drill, house);
            }
            self.drills.push_back(drill);
        }
        self.settle(house);
    }

    /// When to come back.
    pub(crate) fn deadline(&self, now: MonoTime) -> Option<MonoTime> {
        let open = self.open.as_ref().and_then(|open| self.open_deadline(open, now));
        let drill = self.drill.as_ref().and_then(OpenDrill::deadline);
        let maintenance = self.maintenance.as_ref().map(|maintenance| maintenance.until);
        let holds = self.holds.values().filter_map(Hold::deadline);
        [open, drill, maintenance]
            .into_iter()
            .flatten()
            .chain(holds)
            .min()
    }

    /// Life safety as a whole.
    pub(crate) fn view(&self, inventory: &impl Inventory) -> LifeSafetyView {
        let policy = self.policy().cloned();
        let problems = policy
            .iter()
            .filter_map(|policy| policy.rules.check(inventory).err())
            .map(|fault| fault.to_string())
            .collect();
        let readiness = match (&self.policy, self.unreadable.first()) {
            (StoredPolicy::Unreadable(reason), _) | (_, Some(reason)) => {
                Readiness::Unreadable(reason.clone())
            }
            (StoredPolicy::Readable(policy), None) if policy.rules.enabled => {
                if self.maintenance.is_some() {
                    Readiness::Maintenance
                } else {
                    Readiness::Armed
                }
            }
            (StoredPolicy::Readable(_) | StoredPolicy::None, None) => Readiness::Off,
        };
        let last_drill_at = self
            .drills
            .iter()
            .filter(|drill| drill.began_at.is_some())
            .filter_map(|drill| drill.ended.as_ref())
            .map(|ended| ended.at)
            .max();
        let day = 24 * 3_600_000;
        LifeSafetyView {
            readiness,
            policy,
            problems,
            away: self.standing.away,
            maintenance: self
                .maintenance
                .as_ref()
                .map(|maintenance| maintenance.view.clone()),
            incident: self.open.as_ref().map(OpenIncident::view),
            unreviewed: self.unreviewed(),
            drill: self.drill.as_ref().map(OpenDrill::view),
            last_drill_at,
            next_drill_at: last_drill_at.map(|at| UnixMillis(at.0.saturating_add(DRILL_EVERY_DAYS * day))),
        }
    }

    /// Every incident that is remembered, oldest first.
    pub(crate) fn incidents(&self) -> Vec<Incident> {
        let open = self.open.as_ref().map(OpenIncident::view);
        self.past.iter().cloned().chain(open).collect()
    }

    /// Every drill that is remembered, oldest first.
    pub(crate) fn drills(&self) -> Vec<Drill> {
        let open = self.drill.as_ref().map(OpenDrill::view);
        self.drills.iter().cloned().chain(open).collect()
    }

    /// The incident that holds a door open while something warns.
    pub(crate) fn holds_open(&self, lock: &LockId) -> Option<IncidentId> {
        let open = self.open.as_ref()?;
        let held = open.doors.iter().any(|run| {
            run.door.lock == *lock
                && matches!(
                    run.door.state,
                    DoorStage::Releasing | DoorStage::Open | DoorStage::Pending
                )
        });
        (held && open.is_alarming()).then(|| open.head.id.clone())
    }

    /// The incident in which doors were released, until it is over. A drill is none.
    pub(crate) fn releasing_incident(&self) -> Option<&IncidentId> {
        let head = &self.open.as_ref()?.head;
        head.released.is_some().then_some(&head.id)
    }

    fn policy(&self) -> Option<&Policy> {
        match &self.policy {
            StoredPolicy::Readable(policy) => Some(policy),
            StoredPolicy::None | StoredPolicy::Unreadable(_) => None,
        }
    }

    fn unreviewed(&self) -> Vec<IncidentId> {
        let open = self.open.as_ref().map(|open| &open.head);
        let waits = |incident: &&Incident| incident.review == Review::Open;
        let ids = self.past.iter().chain(open).filter(waits);
        ids.map(|incident| incident.id.clone()).collect()
    }

    /// Saves the rows that changed in this mutation. They leave before any order.
    fn save_changed(&mut self, house: &mut House<'_>) {
        let changed = std::mem::take(&mut self.changed);
        let records = [
            self.policy()
                .filter(|_| changed.policy)
                .map(|policy| LifeSafetyRecord::Policy(policy.clone())),
            // First: a restart goes on with it from here on, and finds what stands besides it by itself.
            self.open
                .as_ref()
                .filter(|_| changed.open)
                .map(|open| LifeSafetyRecord::Incident(open.view())),
            changed
                .standing
                .then(|| LifeSafetyRecord::Standing(self.standing.clone())),
            self.drill
                .as_ref()
                .filter(|_| changed.drill)
                .map(|drill| LifeSafetyRecord::Drill(drill.view())),
        ];
        for record in records.into_iter().flatten() {
            house.out.decided(Record::LifeSafety(record));
        }
    }

    /// Remembers an incident that is over, within the limit.
    fn remember(&mut self, incident: Incident, house: &mut House<'_>) {
        house
            .out
            .decided(Record::LifeSafety(LifeSafetyRecord::Incident(incident.clone())));
        self.past.push_back(incident);
        while self.past.len() > REMEMBERED_MAX {
            let reviewed = self.past.iter().position(|past| past.review != Review::Open);
            let Some(oldest) = reviewed.and_then(|place| self.past.remove(place)) else {
                return;
            };
            house
                .out
                .forget(RecordKey::LifeSafety(LifeSafetyKey::Incident(oldest.id)));
        }
    }
}

impl House<'_> {
    /// Records something that is about no device.
    fn note(&mut self, event: LifeSafetyEvent) -> u64 {
        self.out.journal(None, crate::event::Event::LifeSafety(event))
    }

    /// Records something about a door.
    fn note_door(&mut self, lock: &LockId, event: LifeSafetyEvent) {
        let subject = crate::outbox::DeviceId::Lock(lock.clone());
        self.out
            .journal(Some(subject), crate::event::Event::LifeSafety(event));
    }

    /// Records something about a detector.
    fn note_alarm(&mut self, alarm: &AlarmId, event: LifeSafetyEvent) -> u64 {
        let subject = crate::outbox::DeviceId::Alarm(alarm.clone());
        self.out
            .journal(Some(subject), crate::event::Event::LifeSafety(event))
    }
}

impl Inventory for Devices {
    fn lock_is_authenticated(&self, lock: &LockId) -> Option<bool> {
        let lock = self.locks.get(lock)?;
        Some(lock.view.description.security.is_authenticated())
    }

    fn detector(&self, alarm: &AlarmId) -> Option<(&[Hazard], bool)> {
        let description = &self.alarms.get(alarm)?.view.description;
        Some((&description.hazards, description.security.is_authenticated()))
    }

    fn authenticated_detectors(&self) -> usize {
        self.alarms
            .values()
            .filter(|alarm| alarm.view.description.security.is_authenticated())
            .count()
    }
}
