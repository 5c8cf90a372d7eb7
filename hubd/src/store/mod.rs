//! What is on disk: rows, the journal and the vault.

use std::sync::Arc;

use hubd_model::{AlarmId, LockId, PersonId, UnixMillis};

/// One journal entry as the outside sees it: from the API, the live stream and the export alike.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    /// Its place in the journal.
    pub seq: u64,
    /// When it happened.
    pub at: UnixMillis,
    /// Whether the clock could be trusted then.
    pub clock_synced: bool,
    /// The stable name of what happened.
    pub kind: Arc<str>,
    /// The lock that it is about.
    pub lock: Option<LockId>,
    /// The detector that it is about.
    pub alarm: Option<AlarmId>,
    /// The person that it is about.
    pub person: Option<PersonId>,
    /// What happened, in the contract's shape.
    pub data: serde_json::Value,
}
