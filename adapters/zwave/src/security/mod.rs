//! S0 and S2: pure cryptography and session machines.

use hubd_model::Key128;
use serde::{Deserialize, Serialize};

/// A Z-Wave security class, lowest first.
///
/// Spec: CC:009F (S2 key classes), CC:0098 (S0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SecurityClass {
    /// S0, one key for all.
    S0,
    /// S2 without authentication of the node.
    S2Unauthenticated,
    /// S2, node authenticated by its DSK.
    S2Authenticated,
    /// S2 for locks and garage doors.
    S2AccessControl,
}

/// The network's four keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkKeys {
    /// S0.
    pub s0: Key128,
    /// S2 unauthenticated.
    pub s2_unauthenticated: Key128,
    /// S2 authenticated.
    pub s2_authenticated: Key128,
    /// S2 access control.
    pub s2_access_control: Key128,
}
