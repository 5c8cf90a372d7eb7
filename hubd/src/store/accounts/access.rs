//! What a guest's account was given - doors and hours - and what the household decided for everybody who signs in.
//!
//! Promise: what cannot be read gives nothing. An account without a row, or with one that is not understood, sees and
//! opens no door, and a setting that is not understood is the strict one.

use std::collections::BTreeSet;

use hubd_core::credentials::hours;
use hubd_model::{LockId, Schedule, WallTime, Zone};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::failed;
use crate::store::error::StoreError;

/// More doors than a home has.
pub const LOCKS_MAX: usize = 64;
const CONFIRM_UNLOCK: &str = "confirm_unlock";
const ON: &str = "on";
const OFF: &str = "off";

/// What somebody was given: these doors, in these hours. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// The doors.
    pub locks: BTreeSet<LockId>,
    /// The hours.
    pub schedule: Schedule,
}

impl Access {
    /// Whether its hours are now. A date for which nobody vouches opens nothing that depends on it.
    pub fn is_open(&self, zone: &Zone, wall: WallTime) -> bool {
        match wall {
            WallTime::Synced(at) => hours::is_open(&self.schedule, zone, at),
            WallTime::Unsynced(_) => self.schedule.is_always(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    locks: BTreeSet<LockId>,
    #[serde(default)]
    schedule: Schedule,
}

/// What the row of an account says.
pub(super) fn of_row(account: &str, row: Option<&str>) -> Access {
    let Some(row) = row else {
        return Access::default();
    };
    match serde_json::from_str::<Row>(row) {
        Ok(Row { locks, schedule }) => Access { locks, schedule },
        Err(error) => {
            tracing::warn!(%account, %error, "what an account was given cannot be read: it is given nothing");
            Access::default()
        }
    }
}

/// Writes what an account was given.
pub(super) fn write(db: &Connection, account: &str, access: &Access) -> Result<(), StoreError> {
    let row = Row {
        locks: access.locks.clone(),
        schedule: access.schedule.clone(),
    };
    let row = serde_json::to_string(&row).map_err(|error| failed()(to_sql(error)))?;
    let sql = "INSERT INTO account_access (account, access) VALUES (?1, ?2) \
               ON CONFLICT (account) DO UPDATE SET access = excluded.access";
    db.execute(sql, params![account, row]).map_err(failed())?;
    Ok(())
}

fn to_sql(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Whether people have to prove again who they are before a door is opened.
pub(super) fn read_confirm_unlock(db: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT value FROM household WHERE name = ?1";
    let value: Option<String> = db
        .query_row(sql, [CONFIRM_UNLOCK], |row| row.get(0))
        .optional()
        .map_err(failed())?;
    Ok(value.is_some_and(|value| value != OFF))
}

/// Writes whether people have to.
pub(super) fn write_confirm_unlock(db: &Connection, on: bool) -> Result<(), StoreError> {
    let sql = "INSERT INTO household (name, value) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.execute(sql, [CONFIRM_UNLOCK, if on { ON } else { OFF }])
        .map_err(failed())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use hubd_model::UnixMillis;

    use super::*;

    #[test]
    fn what_cannot_be_read_gives_nothing() {
        for row in [None, Some(""), Some("{}"), Some("[]"), Some(r#"{"locks":[7]}"#)] {
            assert_eq!(of_row("a", row), Access::default(), "{row:?}");
        }
        let given = of_row("a", Some(r#"{"locks":["front"]}"#));
        assert!(given.locks.contains(&LockId::parse("front").unwrap()));
    }

    #[test]
    fn hours_need_a_date_that_somebody_vouches_for() {
        let until = Access {
            schedule: Schedule {
                until: Some(UnixMillis(100)),
                ..Schedule::default()
            },
            ..Access::default()
        };
        let zone = Zone::default();
        let table = [
            (&until, WallTime::Synced(UnixMillis(99)), true),
            (&until, WallTime::Synced(UnixMillis(100)), false),
            (&until, WallTime::Unsynced(UnixMillis(99)), false),
        ];
        for (access, wall, open) in table {
            assert_eq!(access.is_open(&zone, wall), open, "{wall:?}");
        }
        let always = Access::default();
        assert!(always.is_open(&zone, WallTime::Unsynced(UnixMillis(0))));
    }
}
