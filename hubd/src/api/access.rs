//! How credentials, and the reasons why a lock does not hold them, are shown. Nothing here holds a PIN but [`PinDto`].

use hubd_core::credentials::record::{EnabledFor, Proof, Standing};
use hubd_core::credentials::view::{CredentialView, Place, Why};
use hubd_model::{Pin, Usage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schedules::ScheduleDto;
use super::shape::rfc3339;

/// What opens the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CredentialKind)]
pub(super) enum KindWord {
    /// Digits at the keypad.
    Pin,
    /// A tag or card that a lock learns.
    Rfid,
    /// A finger that a lock learns.
    Fingerprint,
    /// A key of metal, which no lock knows of.
    MechanicalKey,
    /// A fob of a system that the hub does not speak.
    Fob,
}

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Usage)]
pub(super) enum UsageName {
    /// Every day.
    Daily,
    /// When the daily one fails.
    Backup,
    /// Prepared, on no lock until an incident or a person enables it.
    Emergency,
}

impl From<Usage> for UsageName {
    fn from(usage: Usage) -> Self {
        match usage {
            Usage::Daily => Self::Daily,
            Usage::Backup => Self::Backup,
            Usage::Emergency => Self::Emergency,
        }
    }
}

/// How it is known that a lock holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Proof)]
pub(super) enum ProofName {
    /// The lock showed it.
    Read,
    /// The lock acknowledged it and masks what it keeps: present, unverifiable.
    Acknowledged,
    /// A person said so.
    Vouched,
}

impl From<Proof> for ProofName {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Read => Self::Read,
            Proof::Acknowledged => Self::Acknowledged,
            Proof::Vouched => Self::Vouched,
        }
    }
}

/// Why a lock does not hold what is wanted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Why)]
pub(super) struct WhyDto {
    /// Stable, for programs.
    #[schema(example = "lock_away")]
    code: &'static str,
    /// One sentence, for people.
    detail: String,
    /// From when it will work, where the reason is its schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    from: Option<String>,
}

impl From<&Why> for WhyDto {
    fn from(why: &Why) -> Self {
        let from = if let Why::NotYet(from) = why {
            Some(rfc3339(*from))
        } else {
            None
        };
        Self {
            code: why.code(),
            detail: why.to_string(),
            from,
        }
    }
}

/// Where a credential stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
#[schema(as = Standing)]
pub(super) enum StandingDto {
    /// In use; an emergency code is prepared.
    Ready,
    /// An emergency code that works now.
    Enabled {
        /// Since when.
        #[schema(format = DateTime)]
        since: String,
        /// Until when at the latest, when a person enabled it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(format = DateTime)]
        until: Option<String>,
        /// Who enabled it, when it was a person.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The incident that enabled it.
        #[serde(skip_serializing_if = "Option::is_none")]
        incident: Option<String>,
        /// Whether it opened a door since.
        used: bool,
    },
    /// It has no use left.
    UsedUp,
    /// It was revoked; it is shown until every lock is proven free of it.
    Removed,
}

impl From<Standing> for StandingDto {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Ready | Standing::Withheld(_) => Self::Ready,
            Standing::Enabled { cause, since, used } => {
                let (by, until, incident) = match cause {
                    EnabledFor::Person { by, until } => (Some(by), Some(rfc3339(until)), None),
                    EnabledFor::Incident(id) => (None, None, Some(id.into())),
                };
                Self::Enabled {
                    since: rfc3339(since),
                    until,
                    by,
                    incident,
                    used,
                }
            }
            Standing::UsedUp => Self::UsedUp,
            Standing::Removed => Self::Removed,
        }
    }
}

/// A credential on a lock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub(super) struct PlaceDto {
    /// The lock.
    lock: String,
    /// Its slot there, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u16>,
    /// Whether it is wanted there now, by its schedule too.
    wanted: bool,
    /// How it is known that the lock holds it; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<ProofName>,
    /// Why the lock is not as wanted; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<WhyDto>,
}

impl From<Place> for PlaceDto {
    fn from(place: Place) -> Self {
        Self {
            lock: place.lock.into(),
            slot: place.key.map(|key| key.slot.number()),
            wanted: place.wanted,
            confirmed: place.confirmed.map(ProofName::from),
            why: place.why.as_ref().map(WhyDto::from),
        }
    }
}

/// Where a mechanical key or fob is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Inventory)]
pub(super) struct InventoryShown {
    /// Where it is stored.
    stored: String,
    /// When the cylinder was rekeyed last, or the fob learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    rekeyed_at: Option<String>,
}

/// A credential, without its PIN unless the hub has just drawn it.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(super) struct CredentialDto {
    /// Its id.
    id: String,
    /// Whose it is.
    person: String,
    /// What people call it.
    label: String,
    /// What opens the door.
    #[schema(value_type = KindWord)]
    kind: &'static str,
    /// How many digits its PIN has, where the hub knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<usize>,
    /// Where a key or fob is.
    #[serde(skip_serializing_if = "Option::is_none")]
    inventory: Option<InventoryShown>,
    /// What it is for.
    usage: UsageName,
    /// When it opens.
    schedule: ScheduleDto,
    /// How often it opens yet; absent without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_left: Option<u32>,
    /// On which locks it shall be.
    locks: Vec<String>,
    /// Where it stands.
    standing: StandingDto,
    /// Whether its schedule is over.
    expired: bool,
    /// Since when it is known.
    #[schema(format = DateTime)]
    created_at: String,
    /// Since when it has its PIN.
    #[schema(format = DateTime)]
    rotated_at: String,
    /// Whether its PIN is older than 180 days.
    rotation_due: bool,
    /// Where it stands on each lock where it is or shall be.
    places: Vec<PlaceDto>,
    /// The PIN, when the hub drew it for this request; never otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    pin: Option<String>,
}

impl CredentialDto {
    pub(super) fn new(view: CredentialView) -> Self {
        Self {
            id: view.id.into(),
            person: view.person.into(),
            label: view.label,
            kind: view.means,
            digits: view.digits,
            inventory: view.inventory.map(|inventory| InventoryShown {
                stored: inventory.stored,
                rekeyed_at: inventory.rekeyed_at.map(rfc3339),
            }),
            usage: view.usage.into(),
            schedule: view.schedule.into(),
            uses_left: view.uses_left,
            locks: view.locks.into_iter().map(String::from).collect(),
            standing: view.standing.into(),
            expired: view.expired,
            created_at: rfc3339(view.created_at),
            rotated_at: rfc3339(view.rotated_at),
            rotation_due: view.rotation_due,
            places: view.places.into_iter().map(PlaceDto::from).collect(),
            pin: None,
        }
    }

    /// With the PIN that the hub has just drawn.
    pub(super) fn with_pin(mut self, pin: Option<&Pin>) -> Self {
        self.pin = pin.map(|pin| pin.expose().to_owned());
        self
    }
}

/// A PIN that was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = Pin)]
pub(super) struct PinDto {
    /// Its digits.
    #[schema(format = Password)]
    pin: String,
}

impl PinDto {
    pub(super) fn new(pin: &Pin) -> Self {
        Self {
            pin: pin.expose().to_owned(),
        }
    }
}
