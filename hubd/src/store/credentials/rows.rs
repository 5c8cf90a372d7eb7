//! The shapes of the rows. What is here stays readable: fields may be added, none is renamed or removed.

use std::collections::BTreeSet;

use hubd_core::credentials::record::{
    Credential, CredentialsRecord, Emptied, EnabledFor, Generation, Holder, Inventory, Means, MirrorRecord,
    Person, Phase, Proof, SlotRecord, Standing, Written,
};
use hubd_core::view::Reported;
use hubd_model::{
    CodeChecksum, CredentialId, CredentialKind, IncidentId, LockId, LockSchedule, PersonId, Pin, Role,
    Schedule, SecretString, SlotContent, SlotKey, UnixMillis, Usage,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// A PIN in a row that is about to be sealed, or was just opened.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct PinRow(String);

impl Drop for PinRow {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<&Pin> for PinRow {
    fn from(pin: &Pin) -> Self {
        Self(pin.expose().to_owned())
    }
}

impl TryFrom<PinRow> for Pin {
    type Error = &'static str;
    fn try_from(mut row: PinRow) -> Result<Self, Self::Error> {
        Self::parse(SecretString::new(std::mem::take(&mut row.0))).map_err(|_| "its PIN is none")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub(super) enum Row {
    Person(PersonRow),
    Credential(CredentialRow),
    Slot(SlotRow),
    Mirror(MirrorRow),
}

#[derive(Serialize, Deserialize)]
pub(super) struct PersonRow {
    id: PersonId,
    name: String,
    role: Role,
    may_sign_in: bool,
    created_at: UnixMillis,
    #[serde(default)]
    removed: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct InventoryRow {
    stored: String,
    #[serde(default)]
    rekeyed_at: Option<UnixMillis>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MeansRow {
    Pin(PinRow),
    Enrolled(CredentialKind),
    MechanicalKey(InventoryRow),
    Fob(InventoryRow),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PhaseRow {
    Before,
    Within,
    After,
}

impl From<Phase> for PhaseRow {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Before => Self::Before,
            Phase::Within => Self::Within,
            Phase::After => Self::After,
        }
    }
}

impl From<PhaseRow> for Phase {
    fn from(row: PhaseRow) -> Self {
        match row {
            PhaseRow::Before => Self::Before,
            PhaseRow::Within => Self::Within,
            PhaseRow::After => Self::After,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CauseRow {
    Person { by: String, until: UnixMillis },
    Incident(IncidentId),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StandingRow {
    Ready,
    Enabled {
        cause: CauseRow,
        since: UnixMillis,
        used: bool,
    },
    Withheld(IncidentId),
    UsedUp,
    Removed,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CredentialRow {
    id: CredentialId,
    person: PersonId,
    label: String,
    means: MeansRow,
    usage: Usage,
    schedule: Schedule,
    #[serde(default)]
    uses_left: Option<u32>,
    locks: BTreeSet<LockId>,
    standing: StandingRow,
    #[serde(default)]
    phase: Option<PhaseRow>,
    created_at: UnixMillis,
    rotated_at: UnixMillis,
    generation: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HolderRow {
    Nobody,
    Ours(CredentialId),
    Foreign { ignored: bool },
    Condemned,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ContentRow {
    Unknown,
    Empty,
    Pin { pin: PinRow, enabled: bool },
    Hidden { enabled: bool },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProofRow {
    Read,
    Acknowledged,
    Vouched,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WrittenRow {
    generation: u64,
    #[serde(default)]
    pin: Option<PinRow>,
    #[serde(default)]
    schedule: LockSchedule,
    at: UnixMillis,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SlotRow {
    lock: LockId,
    key: SlotKey,
    holder: HolderRow,
    #[serde(default)]
    reported: Option<(ContentRow, UnixMillis)>,
    #[serde(default)]
    reported_schedule: Option<LockSchedule>,
    #[serde(default)]
    confirmed: Option<(WrittenRow, ProofRow)>,
    #[serde(default)]
    attempts: Vec<WrittenRow>,
    #[serde(default)]
    tried: Option<(UnixMillis, Option<String>)>,
    #[serde(default)]
    pending_since: Option<UnixMillis>,
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    named: Option<String>,
    #[serde(default)]
    schedule_refused: Option<LockSchedule>,
    #[serde(default)]
    unread: bool,
    #[serde(default)]
    void: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MirrorRow {
    lock: LockId,
    name: String,
    model: String,
    #[serde(default)]
    gone: Option<UnixMillis>,
    #[serde(default)]
    read_at: Option<UnixMillis>,
    #[serde(default)]
    checksum: Option<CodeChecksum>,
    #[serde(default)]
    emptied: Option<(UnixMillis, u32)>,
    frames_left: i32,
    frames_total: u64,
}

impl From<&CredentialsRecord> for Row {
    fn from(record: &CredentialsRecord) -> Self {
        match record {
            CredentialsRecord::Person(person) => Self::Person(PersonRow {
                id: person.id.clone(),
                name: person.name.clone(),
                role: person.role,
                may_sign_in: person.may_sign_in,
                created_at: person.created_at,
                removed: person.removed,
            }),
            CredentialsRecord::Credential(credential) => Self::Credential(credential.into()),
            CredentialsRecord::Slot(slot) => Self::Slot(slot.into()),
            CredentialsRecord::Mirror(mirror) => Self::Mirror(MirrorRow {
                lock: mirror.lock.clone(),
                name: mirror.name.clone(),
                model: mirror.model.clone(),
                gone: mirror.gone,
                read_at: mirror.read_at,
                checksum: mirror.checksum,
                emptied: mirror.emptied.map(|emptied| (emptied.since, emptied.codes)),
                frames_left: mirror.frames_left,
                frames_total: mirror.frames_total,
            }),
        }
    }
}

impl TryFrom<Row> for CredentialsRecord {
    type Error = &'static str;
    fn try_from(row: Row) -> Result<Self, Self::Error> {
        Ok(match row {
            Row::Person(row) => Self::Person(Person {
                id: row.id,
                name: row.name,
                role: row.role,
                may_sign_in: row.may_sign_in,
                created_at: row.created_at,
                removed: row.removed,
            }),
            Row::Credential(row) => Self::Credential(row.try_into()?),
            Row::Slot(row) => Self::Slot(row.try_into()?),
            Row::Mirror(row) => Self::Mirror(MirrorRecord {
                lock: row.lock,
                name: row.name,
                model: row.model,
                gone: row.gone,
                read_at: row.read_at,
                checksum: row.checksum,
                emptied: row.emptied.map(|(since, codes)| Emptied { since, codes }),
                frames_left: row.frames_left,
                frames_total: row.frames_total,
            }),
        })
    }
}

impl From<&Inventory> for InventoryRow {
    fn from(inventory: &Inventory) -> Self {
        Self {
            stored: inventory.stored.clone(),
            rekeyed_at: inventory.rekeyed_at,
        }
    }
}

impl From<InventoryRow> for Inventory {
    fn from(row: InventoryRow) -> Self {
        Self {
            stored: row.stored,
            rekeyed_at: row.rekeyed_at,
        }
    }
}

impl From<&Credential> for CredentialRow {
    fn from(credential: &Credential) -> Self {
        Self {
            id: credential.id.clone(),
            person: credential.person.clone(),
            label: credential.label.clone(),
            means: match &credential.means {
                Means::Pin(pin) => MeansRow::Pin(pin.into()),
                Means::Enrolled(kind) => MeansRow::Enrolled(*kind),
                Means::MechanicalKey(inventory) => MeansRow::MechanicalKey(inventory.into()),
                Means::Fob(inventory) => MeansRow::Fob(inventory.into()),
            },
            usage: credential.usage,
            schedule: credential.schedule.clone(),
            uses_left: credential.uses_left,
            locks: credential.locks.clone(),
            standing: match &credential.standing {
                Standing::Ready => StandingRow::Ready,
                Standing::Withheld(incident) => StandingRow::Withheld(incident.clone()),
                Standing::Enabled { cause, since, used } => StandingRow::Enabled {
                    cause: match cause {
                        EnabledFor::Person { by, until } => CauseRow::Person {
                            by: by.clone(),
                            until: *until,
                        },
                        EnabledFor::Incident(id) => CauseRow::Incident(id.clone()),
                    },
                    since: *since,
                    used: *used,
                },
                Standing::UsedUp => StandingRow::UsedUp,
                Standing::Removed => StandingRow::Removed,
            },
            phase: credential.phase.map(PhaseRow::from),
            created_at: credential.created_at,
            rotated_at: credential.rotated_at,
            generation: credential.generation.0,
        }
    }
}

impl TryFrom<CredentialRow> for Credential {
    type Error = &'static str;
    fn try_from(row: CredentialRow) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.id,
            person: row.person,
            label: row.label,
            means: match row.means {
                MeansRow::Pin(pin) => Means::Pin(pin.try_into()?),
                MeansRow::Enrolled(kind) => Means::Enrolled(kind),
                MeansRow::MechanicalKey(inventory) => Means::MechanicalKey(inventory.into()),
                MeansRow::Fob(inventory) => Means::Fob(inventory.into()),
            },
            usage: row.usage,
            schedule: row.schedule,
            uses_left: row.uses_left,
            locks: row.locks,
            standing: match row.standing {
                StandingRow::Ready => Standing::Ready,
                StandingRow::Withheld(incident) => Standing::Withheld(incident),
                StandingRow::Enabled { cause, since, used } => Standing::Enabled {
                    cause: match cause {
                        CauseRow::Person { by, until } => EnabledFor::Person { by, until },
                        CauseRow::Incident(id) => EnabledFor::Incident(id),
                    },
                    since,
                    used,
                },
                StandingRow::UsedUp => Standing::UsedUp,
                StandingRow::Removed => Standing::Removed,
            },
            phase: row.phase.map(Phase::from),
            created_at: row.created_at,
            rotated_at: row.rotated_at,
            generation: Generation(row.generation),
        })
    }
}

impl From<&Written> for WrittenRow {
    fn from(written: &Written) -> Self {
        Self {
            generation: written.generation.0,
            pin: written.pin.as_ref().map(PinRow::from),
            schedule: written.schedule.clone(),
            at: written.at,
        }
    }
}

impl TryFrom<WrittenRow> for Written {
    type Error = &'static str;
    fn try_from(row: WrittenRow) -> Result<Self, Self::Error> {
        Ok(Self {
            generation: Generation(row.generation),
            pin: row.pin.map(Pin::try_from).transpose()?,
            schedule: row.schedule,
            at: row.at,
        })
    }
}

impl From<&SlotRecord> for SlotRow {
    fn from(slot: &SlotRecord) -> Self {
        Self {
            lock: slot.lock.clone(),
            key: slot.key,
            holder: match &slot.holder {
                Holder::Nobody => HolderRow::Nobody,
                Holder::Ours(id) => HolderRow::Ours(id.clone()),
                Holder::Foreign { ignored } => HolderRow::Foreign { ignored: *ignored },
                Holder::Condemned => HolderRow::Condemned,
            },
            reported: slot.reported.as_ref().map(|reported| {
                let content = match &reported.value {
                    SlotContent::Unknown => ContentRow::Unknown,
                    SlotContent::Empty => ContentRow::Empty,
                    SlotContent::Pin { pin, enabled } => ContentRow::Pin {
                        pin: pin.into(),
                        enabled: *enabled,
                    },
                    SlotContent::Hidden { enabled } => ContentRow::Hidden { enabled: *enabled },
                };
                (content, reported.at)
            }),
            reported_schedule: slot.reported_schedule.clone(),
            confirmed: slot.confirmed.as_ref().map(|(written, proof)| {
                let proof = match proof {
                    Proof::Read => ProofRow::Read,
                    Proof::Acknowledged => ProofRow::Acknowledged,
                    Proof::Vouched => ProofRow::Vouched,
                };
                (written.into(), proof)
            }),
            attempts: slot.attempts.iter().map(WrittenRow::from).collect(),
            tried: slot.tried.clone(),
            pending_since: slot.pending_since,
            failures: slot.failures,
            named: slot.named.clone(),
            schedule_refused: slot.schedule_refused.clone(),
            unread: slot.unread,
            void: slot.void,
        }
    }
}

impl TryFrom<SlotRow> for SlotRecord {
    type Error = &'static str;
    fn try_from(row: SlotRow) -> Result<Self, Self::Error> {
        let reported = match row.reported {
            None => None,
            Some((content, at)) => {
                let value = match content {
                    ContentRow::Unknown => SlotContent::Unknown,
                    ContentRow::Empty => SlotContent::Empty,
                    ContentRow::Pin { pin, enabled } => SlotContent::Pin {
                        pin: pin.try_into()?,
                        enabled,
                    },
                    ContentRow::Hidden { enabled } => SlotContent::Hidden { enabled },
                };
                Some(Reported { value, at })
            }
        };
        let confirmed = match row.confirmed {
            None => None,
            Some((written, proof)) => {
                let proof = match proof {
                    ProofRow::Read => Proof::Read,
                    ProofRow::Acknowledged => Proof::Acknowledged,
                    ProofRow::Vouched => Proof::Vouched,
                };
                Some((written.try_into()?, proof))
            }
        };
        Ok(Self {
            lock: row.lock,
            key: row.key,
            holder: match row.holder {
                HolderRow::Nobody => Holder::Nobody,
                HolderRow::Ours(id) => Holder::Ours(id),
                HolderRow::Foreign { ignored } => Holder::Foreign { ignored },
                HolderRow::Condemned => Holder::Condemned,
            },
            reported,
            reported_schedule: row.reported_schedule,
            confirmed,
            attempts: row
                .attempts
                .into_iter()
                .map(Written::try_from)
                .collect::<Result<_, _>>()?,
            tried: row.tried,
            pending_since: row.pending_since,
            failures: row.failures,
            named: row.named,
            schedule_refused: row.schedule_refused,
            unread: row.unread,
            void: row.void,
        })
    }
}
