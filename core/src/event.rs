//! What must be recorded: every event of the house as a value.
//!
//! The stable `kind` names are the contract's; the JSON shape of `data` is made at the edge (`hubd::store`).

use hubd_model::{
    AlarmId, BatteryPercent, BoltState, CodeSlot, DeviceKind, DoorState, Hazard, LockClock, LockId, Logged,
    PersonId, RadioName, RemovalCause, Security, UnixMillis, Via,
};

use crate::credentials::event::CredentialsEvent;
use crate::lifesafety::event::LifeSafetyEvent;
use crate::view::{CommandView, DongleWork};

/// One entry of the journal, before it is sealed and chained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal, from 1, without gaps.
    pub seq: u64,
    /// When it happened, by the hub's clock.
    pub at: UnixMillis,
    /// Whether the clock could be trusted.
    pub clock_synced: bool,
    /// The lock that it is about.
    pub lock: Option<LockId>,
    /// The detector that it is about.
    pub alarm: Option<AlarmId>,
    /// The person that it is about.
    pub person: Option<PersonId>,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A bolt moved, or is found where it was not before.
    LockOperated {
        /// Where it is now.
        bolt: BoltState,
        /// By what.
        via: Via,
    },
    /// A lock could not finish a movement.
    LockJammed,
    /// A door was opened or closed.
    LockDoor {
        /// The leaf.
        door: DoorState,
    },
    /// A lock's battery level changed.
    LockBattery {
        /// The level.
        level: BatteryPercent,
    },
    /// Somebody tampers with a lock.
    LockTampered,
    /// A wrong code was entered.
    LockKeypadDenied {
        /// The slot, where the lock named one.
        slot: Option<CodeSlot>,
    },
    /// A keypad shut itself after too many wrong codes.
    LockKeypadLockedOut,
    /// A lock wrote down in its own record what the hub had not heard. Told when it was read, and nothing is done on it.
    LockLogged {
        /// What.
        said: Logged,
        /// When, by the lock's own clock, which may be wrong; `None` when it did not say.
        clock: Option<LockClock>,
    },
    /// A lock answers again.
    LockOnline,
    /// A lock no longer answers.
    LockOffline,
    /// A lock reported a fault of its own.
    LockTrouble {
        /// What, for people.
        what: String,
    },
    /// A request to move a bolt ended.
    CommandEnded {
        /// The command as it ended.
        command: CommandView,
    },
    /// Danger.
    AlarmRaised {
        /// Of what.
        hazard: Hazard,
        /// Whether the detector's link is authenticated.
        authenticated: bool,
        /// The bytes of the detector's message.
        frame: Vec<u8>,
    },
    /// The detector says that the danger is over.
    AlarmCleared {
        /// Of what.
        hazard: Hazard,
    },
    /// A test button was pressed.
    AlarmTested {
        /// Of what.
        hazard: Hazard,
    },
    /// A detector was silenced.
    AlarmSilenced {
        /// Of what.
        hazard: Hazard,
    },
    /// A detector has a fault, is due for service or at the end of its life.
    AlarmTrouble {
        /// What, for people.
        what: String,
    },
    /// A detector's battery level changed.
    AlarmBattery {
        /// The level.
        level: BatteryPercent,
    },
    /// A detector answers again.
    AlarmOnline,
    /// A detector no longer answers.
    AlarmOffline,
    /// A device joined.
    DeviceIncluded {
        /// On which radio.
        radio: RadioName,
        /// What it is.
        kind: DeviceKind,
        /// Maker and model.
        model: String,
        /// How well its link is protected.
        security: Security,
    },
    /// A device left.
    DeviceExcluded {
        /// From which radio.
        radio: RadioName,
        /// Why.
        cause: RemovalCause,
    },
    /// Something of people, credentials and locks' slots.
    Credentials(CredentialsEvent),
    /// Something of life safety.
    LifeSafety(LifeSafetyEvent),
    /// A machine's token was made.
    TokenCreated {
        /// The token's id, never the token.
        id: String,
        /// Its name.
        name: String,
        /// Its scope.
        scope: String,
    },
    /// A machine's token was removed.
    TokenRemoved {
        /// The token's id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A request came with a wrong, missing or insufficient token (at most one such entry a minute and reason).
    SessionRefused {
        /// Why, without any secret.
        reason: String,
    },
    /// Somebody signed in.
    SessionOpened {
        /// The account's id.
        account: String,
        /// The account's name.
        name: String,
        /// From which address.
        address: String,
        /// What the browser calls itself.
        agent: String,
        /// Whether this account signed in from such an address with such a browser before.
        familiar: bool,
        /// The second factor that finished it: `totp`, `passkey` or `recovery_code`; `None` without one.
        factor: Option<String>,
    },
    /// A session was ended before its time.
    SessionEnded {
        /// The account's id.
        account: String,
        /// The account's name.
        name: String,
        /// By whom, for people.
        by: String,
    },
    /// An account was made.
    AccountCreated {
        /// Its id.
        account: String,
        /// Its name.
        name: String,
        /// Its role.
        role: String,
        /// By whom, for people.
        by: String,
    },
    /// An account was changed.
    AccountChanged {
        /// Its id.
        account: String,
        /// Its name.
        name: String,
        /// What about it, for people and without any secret.
        what: String,
        /// By whom, for people.
        by: String,
    },
    /// An account was removed.
    AccountRemoved {
        /// Its id.
        account: String,
        /// Its name.
        name: String,
        /// By whom, for people.
        by: String,
    },
    /// What the household decided for everybody who signs in was changed.
    SecurityChanged {
        /// By whom, for people.
        by: String,
        /// Whether people have to prove again who they are before a door is opened.
        confirm_unlock: bool,
    },
    /// What the owner wrote for the emergency sheet was changed.
    SheetChanged {
        /// By whom, for people.
        by: String,
    },
    /// The emergency sheet was printed.
    SheetPrinted {
        /// By whom, for people.
        by: String,
        /// On which paper.
        paper: &'static str,
        /// How many PINs are on it.
        pins: usize,
    },
    /// A backup was made.
    BackupCreated {
        /// Its file's name.
        name: String,
        /// How many recovery keys open it.
        recovery_keys: usize,
    },
    /// A backup was restored into this hub's data folder; what came after it was made is not here.
    BackupRestored {
        /// When it was made, RFC 3339.
        made_at: String,
    },
    /// A backup was opened and compared without being put in place.
    BackupRehearsed {
        /// Its file's name.
        name: String,
        /// When it was made, RFC 3339.
        made_at: String,
    },
    /// A recovery key was made: everything is sealed for it from then on.
    RecoveryKeyAdded {
        /// Its recipient, `age1…`, which is no secret.
        recipient: String,
        /// Where its paper lies, for people.
        name: String,
        /// By whom, for people.
        by: String,
    },
    /// A recovery key was removed: nothing is sealed for it from then on.
    RecoveryKeyRemoved {
        /// Its recipient.
        recipient: String,
        /// Where its paper lay, for people.
        name: String,
        /// By whom, for people.
        by: String,
    },
    /// A dongle's memory was copied, or a copy was written into a dongle; or neither could be done.
    DongleMemory {
        /// Whose.
        radio: RadioName,
        /// What was to be done.
        work: DongleWork,
        /// By whom it was asked for, for people.
        by: String,
        /// Why it was not done.
        failure: Option<String>,
    },
    /// The hub started.
    HubStarted {
        /// Its version.
        version: String,
    },
    /// The hub stopped in good order.
    HubStopped,
    /// Part of the hub does not do its work.
    HubDegraded {
        /// What: `radio:NAME` or `store`.
        what: String,
        /// One sentence.
        reason: String,
    },
    /// That part does its work again.
    HubRecovered {
        /// What: `radio:NAME` or `store`.
        what: String,
    },
}

impl Event {
    /// The event's stable name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LockOperated { .. } => "lock.operated",
            Self::LockJammed => "lock.jammed",
            Self::LockDoor { .. } => "lock.door",
            Self::LockBattery { .. } => "lock.battery",
            Self::LockTampered => "lock.tampered",
            Self::LockKeypadDenied { .. } => "lock.keypad_denied",
            Self::LockKeypadLockedOut => "lock.keypad_locked_out",
            Self::LockLogged { .. } => "lock.logged",
            Self::LockOnline => "lock.online",
            Self::LockOffline => "lock.offline",
            Self::LockTrouble { .. } => "lock.trouble",
            Self::CommandEnded { .. } => "command.ended",
            Self::AlarmRaised { .. } => "alarm.raised",
            Self::AlarmCleared { .. } => "alarm.cleared",
            Self::AlarmTested { .. } => "alarm.tested",
            Self::AlarmSilenced { .. } => "alarm.silenced",
            Self::AlarmTrouble { .. } => "alarm.trouble",
            Self::AlarmBattery { .. } => "alarm.battery",
            Self::AlarmOnline => "alarm.online",
            Self::AlarmOffline => "alarm.offline",
            Self::DeviceIncluded { .. } => "device.included",
            Self::DeviceExcluded { .. } => "device.excluded",
            Self::Credentials(event) => event.kind(),
            Self::LifeSafety(event) => event.kind(),
            Self::TokenCreated { .. } => "token.created",
            Self::TokenRemoved { .. } => "token.removed",
            Self::SessionRefused { .. } => "session.refused",
            Self::SessionOpened { .. } => "session.opened",
            Self::SessionEnded { .. } => "session.ended",
            Self::AccountCreated { .. } => "account.created",
            Self::AccountChanged { .. } => "account.changed",
            Self::AccountRemoved { .. } => "account.removed",
            Self::SecurityChanged { .. } => "security.changed",
            Self::SheetChanged { .. } => "sheet.changed",
            Self::SheetPrinted { .. } => "sheet.printed",
            Self::BackupCreated { .. } => "backup.created",
            Self::BackupRestored { .. } => "backup.restored",
            Self::BackupRehearsed { .. } => "backup.rehearsed",
            Self::RecoveryKeyAdded { .. } => "recovery.added",
            Self::RecoveryKeyRemoved { .. } => "recovery.removed",
            Self::DongleMemory { failure: Some(_), .. } => "radio.memory_failed",
            Self::DongleMemory {
                work: DongleWork::Copy,
                failure: None,
                ..
            } => "radio.memory_copied",
            Self::DongleMemory {
                work: DongleWork::Write,
                failure: None,
                ..
            } => "radio.memory_written",
            Self::HubStarted { .. } => "hub.started",
            Self::HubStopped => "hub.stopped",
            Self::HubDegraded { .. } => "hub.degraded",
            Self::HubRecovered { .. } => "hub.recovered",
        }
    }
}
