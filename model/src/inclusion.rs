//! Taking a device into a radio's network, and the questions that this asks of a person.

use serde::{Deserialize, Serialize};

use crate::id::DeviceAddress;
use crate::report::DeviceKind;
use crate::secret::SecretString;

/// How a device shall be included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InclusionStrategy {
    /// The best security that the device offers: S2, else S0.
    Default,
    /// S2 or nothing. With a code (QR text or DSK) no PIN is asked.
    S2(Option<SecretString>),
    /// S0 only.
    S0,
    /// Remember the code (QR text or DSK) and include the device when it announces itself.
    SmartStart(SecretString),
}

/// How well a device's link is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Anybody in radio range can speak for it.
    None,
    /// Z-Wave S0.
    S0,
    /// Z-Wave S2 without authentication of the device.
    S2Unauthenticated,
    /// Z-Wave S2, device authenticated by its DSK.
    S2Authenticated,
    /// Z-Wave S2 for locks and garage doors.
    S2AccessControl,
}

impl Security {
    /// Whether a message from the device is proof that the device sent it.
    pub const fn is_authenticated(self) -> bool {
        !matches!(self, Self::None)
    }

    /// The security as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::S0 => "s0",
            Self::S2Unauthenticated => "s2_unauthenticated",
            Self::S2Authenticated => "s2_authenticated",
            Self::S2AccessControl => "s2_access_control",
        }
    }
}

/// How far an inclusion or exclusion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InclusionState {
    /// None under way.
    #[default]
    Idle,
    /// Waiting for the device to be put into its pairing mode.
    Waiting,
    /// Waiting for a person's answer to `question`.
    Asking,
    /// Exchanging keys.
    Securing,
    /// Asking the device what it is and can do.
    Interviewing,
    /// Ended well.
    Done,
    /// Ended; `error` says why.
    Failed,
}

/// What only a person can say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InclusionQuestion {
    /// The five digits on the device's label, before the rest of its key.
    DskPin {
        /// The device's key with the five digits blank: `-12345-12345-…`.
        dsk: String,
    },
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InclusionAnswer {
    /// The five digits from the label.
    DskPin(SecretString),
}

/// Why an inclusion or exclusion failed: a stable code and one sentence that ends with what to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InclusionError {
    /// Stable, `snake_case`: `wrong_pin`, `bad_code`, `wrong_code`, `answers`, `timeout`, `insecure`, `not_supported`, `cancelled`, `busy`, `controller_failed`, `key_exchange_failed`, `no_answer`.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// Where an inclusion or exclusion stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InclusionProgress {
    /// How far it is.
    pub state: InclusionState,
    /// What a person has to answer, while `state` is `Asking`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<InclusionQuestion>,
    /// The device, once it has an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<(DeviceAddress, DeviceKind)>,
    /// The link's protection, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// Why it failed, while `state` is `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<InclusionError>,
    /// How many announced devices may join by themselves (SmartStart), whatever else is under way.
    #[serde(default)]
    pub expected: u16,
}
