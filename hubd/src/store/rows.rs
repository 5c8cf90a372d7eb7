//! Devices and commands as rows: shapes of their own, with a version each, so that the mind's words may change
//! without a row becoming unreadable.

use hubd_core::output::DeviceRecord;
use hubd_core::view::{AlarmView, CommandStatus, CommandView, Heard, LockView, LogMemory, Reported};
use hubd_model::{
    AlarmId, BatteryPercent, BoltState, CommandId, DeviceAddress, DeviceDescription, DoorState, Hazard,
    LinkState, LockId, LockOp, LogMark, Logged, RadioName, UnixMillis, Via,
};
use serde::{Deserialize, Serialize};

/// The version of every row shape below.
pub(crate) const VERSION: i64 = 1;

#[derive(Serialize, Deserialize)]
struct At<T> {
    value: T,
    at: UnixMillis,
}

impl<T> From<Reported<T>> for At<T> {
    fn from(reported: Reported<T>) -> Self {
        Self {
            value: reported.value,
            at: reported.at,
        }
    }
}

impl<T> From<At<T>> for Reported<T> {
    fn from(row: At<T>) -> Self {
        Self {
            value: row.value,
            at: row.at,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct LockRow {
    id: LockId,
    name: String,
    radio: RadioName,
    address: DeviceAddress,
    description: DeviceDescription,
    #[serde(default)]
    bolt: Option<At<(BoltState, Via)>>,
    #[serde(default)]
    wish: Option<(LockOp, CommandId)>,
    #[serde(default)]
    door: Option<At<DoorState>>,
    #[serde(default)]
    battery: Option<At<BatteryPercent>>,
    #[serde(default)]
    link: LinkState,
    #[serde(default)]
    last_heard: Option<UnixMillis>,
    #[serde(default)]
    log: LogRow,
}

/// How far a lock's own record is known. A hub that reads no records has none of it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct LogRow {
    known: Vec<LogMark>,
    timed: bool,
    read_at: Option<UnixMillis>,
    ahead_seconds: Option<i64>,
    heard: Vec<HeardRow>,
}

#[derive(Serialize, Deserialize)]
struct HeardRow {
    at: UnixMillis,
    synced: bool,
    said: Logged,
}

impl From<LogMemory> for LogRow {
    fn from(memory: LogMemory) -> Self {
        let heard = memory
            .heard
            .into_iter()
            .map(|Heard { at, synced, said }| HeardRow { at, synced, said });
        Self {
            known: memory.known,
            timed: memory.timed,
            read_at: memory.read_at,
            ahead_seconds: memory.ahead_seconds,
            heard: heard.collect(),
        }
    }
}

impl From<LogRow> for LogMemory {
    fn from(row: LogRow) -> Self {
        let heard = row
            .heard
            .into_iter()
            .map(|HeardRow { at, synced, said }| Heard { at, synced, said });
        Self {
            known: row.known,
            timed: row.timed,
            read_at: row.read_at,
            ahead_seconds: row.ahead_seconds,
            heard: heard.collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct AlarmRow {
    id: AlarmId,
    name: String,
    radio: RadioName,
    address: DeviceAddress,
    description: DeviceDescription,
    #[serde(default)]
    raised: Vec<At<Hazard>>,
    #[serde(default)]
    tested: Option<UnixMillis>,
    #[serde(default)]
    end_of_life: Option<UnixMillis>,
    #[serde(default)]
    trouble: Option<At<String>>,
    #[serde(default)]
    battery: Option<At<BatteryPercent>>,
    #[serde(default)]
    link: LinkState,
    #[serde(default)]
    last_heard: Option<UnixMillis>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Requested,
    Sent,
    Acknowledged,
    Done,
    Refused,
    Jammed,
    TimedOut,
    Expired,
}

#[derive(Serialize, Deserialize)]
struct CommandRow {
    id: CommandId,
    lock: LockId,
    op: LockOp,
    requester: String,
    status: Status,
    requested_at: UnixMillis,
    #[serde(default)]
    sent_at: Option<UnixMillis>,
    #[serde(default)]
    acknowledged_at: Option<UnixMillis>,
    #[serde(default)]
    ended_at: Option<UnixMillis>,
    #[serde(default)]
    reason: Option<String>,
}

/// A device's row: its kind, its id and its JSON.
pub(crate) fn device(record: DeviceRecord) -> serde_json::Result<(&'static str, String, String)> {
    match record {
        DeviceRecord::Lock(view) => {
            let id = view.id.as_str().to_owned();
            let row = LockRow {
                id: view.id,
                name: view.name,
                radio: view.radio,
                address: view.address,
                description: view.description,
                bolt: view.bolt.map(At::from),
                wish: view.wish,
                door: view.door.map(At::from),
                battery: view.battery.map(At::from),
                link: view.link,
                last_heard: view.last_heard,
                log: (*view.log).into(),
            };
            Ok(("lock", id, serde_json::to_string(&row)?))
        }
        DeviceRecord::Alarm(view) => {
            let id = view.id.as_str().to_owned();
            let row = AlarmRow {
                id: view.id,
                name: view.name,
                radio: view.radio,
                address: view.address,
                description: view.description,
                raised: view.raised.into_iter().map(At::from).collect(),
                tested: view.tested,
                end_of_life: view.end_of_life,
                trouble: view.trouble.map(At::from),
                battery: view.battery.map(At::from),
                link: view.link,
                last_heard: view.last_heard,
            };
            Ok(("alarm", id, serde_json::to_string(&row)?))
        }
    }
}

/// A device from its row.
pub(crate) fn device_from(kind: &str, version: i64, row: &str) -> Result<DeviceRecord, String> {
    known(version)?;
    match kind {
        "lock" => {
            let row: LockRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
            Ok(DeviceRecord::Lock(LockView {
                id: row.id,
                name: row.name,
                radio: row.radio,
                address: row.address,
                description: row.description,
                bolt: row.bolt.map(Reported::from),
                wish: row.wish,
                door: row.door.map(Reported::from),
                battery: row.battery.map(Reported::from),
                link: row.link,
                last_heard: row.last_heard,
                log: Box::new(row.log.into()),
            }))
        }
        "alarm" => {
            let row: AlarmRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
            Ok(DeviceRecord::Alarm(AlarmView {
                id: row.id,
                name: row.name,
                radio: row.radio,
                address: row.address,
                description: row.description,
                raised: row.raised.into_iter().map(Reported::from).collect(),
                tested: row.tested,
                end_of_life: row.end_of_life,
                trouble: row.trouble.map(Reported::from),
                battery: row.battery.map(Reported::from),
                link: row.link,
                last_heard: row.last_heard,
            }))
        }
        other => Err(format!("unknown device kind {other:?}")),
    }
}

/// A command's JSON.
pub(crate) fn command(view: &CommandView) -> serde_json::Result<String> {
    serde_json::to_string(&CommandRow {
        id: view.id.clone(),
        lock: view.lock.clone(),
        op: view.op,
        requester: view.requester.clone(),
        status: match view.status {
            CommandStatus::Requested => Status::Requested,
            CommandStatus::Sent => Status::Sent,
            CommandStatus::Acknowledged => Status::Acknowledged,
            CommandStatus::Done => Status::Done,
            CommandStatus::Refused => Status::Refused,
            CommandStatus::Jammed => Status::Jammed,
            CommandStatus::TimedOut => Status::TimedOut,
            CommandStatus::Expired => Status::Expired,
        },
        requested_at: view.requested_at,
        sent_at: view.sent_at,
        acknowledged_at: view.acknowledged_at,
        ended_at: view.ended_at,
        reason: view.reason.clone(),
    })
}

/// A command from its row.
pub(crate) fn command_from(version: i64, row: &str) -> Result<CommandView, String> {
    known(version)?;
    let row: CommandRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
    Ok(CommandView {
        id: row.id,
        lock: row.lock,
        op: row.op,
        requester: row.requester,
        status: match row.status {
            Status::Requested => CommandStatus::Requested,
            Status::Sent => CommandStatus::Sent,
            Status::Acknowledged => CommandStatus::Acknowledged,
            Status::Done => CommandStatus::Done,
            Status::Refused => CommandStatus::Refused,
            Status::Jammed => CommandStatus::Jammed,
            Status::TimedOut => CommandStatus::TimedOut,
            Status::Expired => CommandStatus::Expired,
        },
        requested_at: row.requested_at,
        sent_at: row.sent_at,
        acknowledged_at: row.acknowledged_at,
        ended_at: row.ended_at,
        reason: row.reason,
    })
}

fn known(version: i64) -> Result<(), String> {
    if version == VERSION {
        Ok(())
    } else {
        Err(format!("row version {version} is not known"))
    }
}
