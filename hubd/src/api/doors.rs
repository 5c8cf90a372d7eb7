//! Which doors somebody may see and move, and what of the journal concerns whoever may only see.
//!
//! Promise: a guest is told of no door but those given to it, and of those only in its hours: for the rest of the day
//! they do not exist. Who may see and has no right to the history is told what doors and detectors are now, never who
//! did it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use hubd_core::lifesafety::LifeSafetyView;
use hubd_core::lifesafety::incident::Incident;
use hubd_model::{LockId, Role, WallTime, Zone};
use serde_json::{Map, Value};

use super::Api;
use super::auth::{Caller, KnownBy, Person};
use super::problem::Problem;
use crate::store::{AccountRow, StoredEntry};

/// The home's time zone, and the date with whether somebody vouches for it.
#[derive(Clone)]
pub struct Dates {
    /// The zone.
    pub zone: Zone,
    /// The date.
    pub wall: Arc<dyn Fn() -> WallTime + Send + Sync>,
}

/// Which doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doors {
    /// Every one.
    All,
    /// These.
    Only(BTreeSet<LockId>),
    /// None now: it is not in its hours.
    Closed,
}

impl Doors {
    /// Whether this door is one of them.
    pub(super) fn shows(&self, lock: &LockId) -> bool {
        match self {
            Self::All => true,
            Self::Only(given) => given.contains(lock),
            Self::Closed => false,
        }
    }

    /// Passes when this door is one of them.
    ///
    /// # Errors
    /// That there is no such door, which also answers for those that somebody else was given.
    pub(super) fn require(&self, lock: &LockId) -> Result<(), Problem> {
        match self {
            Self::Closed => Err(outside_hours()),
            Self::All | Self::Only(_) if self.shows(lock) => Ok(()),
            Self::All | Self::Only(_) => Err(hubd_core::input::Refusal::NoSuchLock(lock.clone()).into()),
        }
    }

    /// Passes when there is one at all: who has no door here, or not now, opens none by calling for help either.
    ///
    /// # Errors
    /// That it is not in its hours, or was given no door.
    pub(super) fn require_any(&self) -> Result<(), Problem> {
        match self {
            Self::All => Ok(()),
            Self::Only(given) if !given.is_empty() => Ok(()),
            Self::Only(_) => {
                let detail = "this account was given no door; ask an owner";
                Err(Problem::new(StatusCode::FORBIDDEN, "no_doors", detail))
            }
            Self::Closed => Err(outside_hours()),
        }
    }

    /// Leaves out doors that are none of them.
    pub(super) fn narrow(&self, view: &mut LifeSafetyView) {
        if *self == Self::All {
            return;
        }
        if let Some(incident) = &mut view.incident {
            self.narrow_incident(incident);
        }
        if let Some(drill) = &mut view.drill {
            drill.doors.retain(|door| self.shows(&door.lock));
            drill.findings.clear();
        }
        view.problems.clear();
    }

    /// Leaves out doors that are none of them.
    pub(super) fn narrow_incident(&self, incident: &mut Incident) {
        if *self == Self::All {
            return;
        }
        incident.doors.retain(|door| self.shows(&door.lock));
        incident.escalations.clear();
    }
}

fn outside_hours() -> Problem {
    let detail = "this account opens doors in its hours only, and these are not now, or the hub does not know the date";
    Problem::new(StatusCode::FORBIDDEN, "outside_hours", detail)
}

impl Api {
    /// Whether the hours of an account are now.
    pub(super) fn is_open(&self, account: &AccountRow) -> bool {
        let Some(dates) = self.dates() else {
            return account.access.schedule.is_always();
        };
        account.access.is_open(&dates.zone, (dates.wall)())
    }

    /// Which doors an account may see and move now.
    pub(super) fn doors_of(&self, account: &AccountRow) -> Doors {
        match account.role {
            Role::Owner | Role::Resident | Role::Responder => Doors::All,
            Role::Guest if self.is_open(account) => Doors::Only(account.access.locks.clone()),
            Role::Guest => Doors::Closed,
        }
    }
}

impl Caller {
    /// Which doors it may see and move now.
    pub(super) fn doors(&self, api: &Api) -> Doors {
        match &self.known_by {
            KnownBy::Token(_) | KnownBy::Console => Doors::All,
            KnownBy::Session(person) => api.doors_of(&person.account),
        }
    }

    /// The caller with its account as it is now, for what goes on for longer than a request. `None` when it is gone or
    /// cannot be read.
    pub(super) fn as_now(&self, api: &Api) -> Option<Self> {
        match &self.known_by {
            KnownBy::Token(_) | KnownBy::Console => Some(self.clone()),
            KnownBy::Session(person) => {
                let account = api.store().account(&person.account.id).ok().flatten()?;
                let person = Person {
                    session: person.session.clone(),
                    account,
                };
                Some(Self {
                    known_by: KnownBy::Session(Box::new(person)),
                    ..self.clone()
                })
            }
        }
    }
}

/// What somebody without a right to the history is told of an entry: what became of a door or detector, and nothing of
/// who did it. `None` for everything that is about people, codes and the hub's own affairs.
pub(super) fn glimpse(entry: &StoredEntry, doors: &Doors) -> Option<StoredEntry> {
    if *doors == Doors::Closed || entry.lock.as_ref().is_some_and(|lock| !doors.shows(lock)) {
        return None;
    }
    let told: &[&str] = match &*entry.kind {
        "lock.operated" => &["bolt"],
        "lock.door" => &["door"],
        "lock.battery" | "alarm.battery" => &["battery_percent"],
        "command.ended" => &["id", "op", "status"],
        "alarm.raised" | "alarm.cleared" | "alarm.tested" | "alarm.silenced" => &["hazard"],
        "incident.opened"
        | "incident.joined"
        | "incident.pending"
        | "incident.released"
        | "incident.door_opened"
        | "incident.held"
        | "incident.clear"
        | "incident.closed" => &["incident", "hazard"],
        "lock.jammed" | "lock.online" | "lock.offline" | "alarm.trouble" | "alarm.online"
        | "alarm.offline" | "hub.started" | "hub.stopped" | "hub.degraded" | "hub.recovered" => &[],
        "device.included" | "device.excluded" if *doors == Doors::All => &[],
        _ => return None,
    };
    let data: Map<String, Value> = told
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), entry.data.get(*name)?.clone())))
        .collect();
    Some(StoredEntry {
        person: None,
        data: Value::Object(data),
        ..entry.clone()
    })
}
