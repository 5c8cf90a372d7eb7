//! The words of the API: closed lists of names that must not change, apart from the model's own types.

use hubd_core::view::CommandStatus;
use hubd_model::{
    BoltState, DeviceKind, DoorState, Hazard, InclusionState, LinkState, LockOp, ScheduleKind, Security,
    Source, UnixMillis,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(super) use crate::store::shape::time as rfc3339;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident from $model:ty { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name {
            $(#[doc = concat!("See the model's `", stringify!($variant), "`.")] $variant),+
        }

        impl From<$model> for $name {
            fn from(value: $model) -> Self {
                match value {
                    $(<$model>::$variant => Self::$variant),+
                }
            }
        }
    };
}

words!(
    /// What a lock said of its bolt.
    Bolt from BoltState { Locked, Unlocked, Unlatched, NotFullyLocked, Jammed, Unknown }
);
words!(
    /// Whether the door leaf is open.
    Door from DoorState { Open, Closed, Unknown }
);
words!(
    /// Whether a device answers.
    LinkName from LinkState { Online, Offline, Unknown }
);
words!(
    /// What moved a bolt.
    SourceName from Source { Keypad, Manual, Remote, Auto, Rfid, Fingerprint, Schedule, Unknown }
);
words!(
    /// A kind of schedule that a lock keeps by itself.
    ScheduleName from ScheduleKind { Weekly, Dated }
);
words!(
    /// Where a command stands.
    Status from CommandStatus { Requested, Sent, Acknowledged, Done, Refused, Jammed, TimedOut, Expired }
);
words!(
    /// What a detector warns of.
    HazardName from Hazard { Smoke, Co, Heat }
);
words!(
    /// How far an inclusion or exclusion is.
    Stage from InclusionState { Idle, Waiting, Asking, Securing, Interviewing, Done, Failed }
);
words!(
    /// What a device is to the household.
    KindName from DeviceKind { Lock, Alarm, Other }
);

/// How well a device's link is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(super) enum SecurityName {
    /// Anybody in radio range can speak for the device.
    #[serde(rename = "none")]
    None,
    /// Z-Wave S0.
    #[serde(rename = "s0")]
    S0,
    /// Z-Wave S2 without authentication of the device.
    #[serde(rename = "s2_unauthenticated")]
    S2Unauthenticated,
    /// Z-Wave S2, device authenticated.
    #[serde(rename = "s2_authenticated")]
    S2Authenticated,
    /// Z-Wave S2 for locks.
    #[serde(rename = "s2_access_control")]
    S2AccessControl,
}

impl From<Security> for SecurityName {
    fn from(security: Security) -> Self {
        match security {
            Security::None => Self::None,
            Security::S0 => Self::S0,
            Security::S2Unauthenticated => Self::S2Unauthenticated,
            Security::S2Authenticated => Self::S2Authenticated,
            Security::S2AccessControl => Self::S2AccessControl,
        }
    }
}

/// What can be asked of a bolt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    /// Drive the bolt out.
    Lock,
    /// Draw the bolt in.
    Unlock,
    /// Draw the bolt in and hold the latch back, so that the door opens.
    Unlatch,
}

impl From<LockOp> for Op {
    fn from(op: LockOp) -> Self {
        match op {
            LockOp::Lock => Self::Lock,
            LockOp::Unlock => Self::Unlock,
            LockOp::Unlatch => Self::Unlatch,
        }
    }
}

impl From<Op> for LockOp {
    fn from(op: Op) -> Self {
        match op {
            Op::Lock => Self::Lock,
            Op::Unlock => Self::Unlock,
            Op::Unlatch => Self::Unlatch,
        }
    }
}

/// Whether a device answers, and when it was heard last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Link {
    /// Whether it answers.
    pub(super) state: LinkName,
    /// When it was heard last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub(super) last_heard: Option<String>,
}

impl Link {
    /// From what the mind knows.
    pub(super) fn new(link: LinkState, last_heard: Option<UnixMillis>) -> Self {
        Self {
            state: link.into(),
            last_heard: last_heard.map(rfc3339),
        }
    }
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    /// 1 to 64 characters, without control characters.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) name: String,
}

/// Reads an RFC 3339 time with offset.
pub(super) fn parse_rfc3339(text: &str) -> Option<UnixMillis> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|time| UnixMillis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_out_in_utc_and_come_in_with_any_offset() {
        assert_eq!(rfc3339(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            parse_rfc3339("1970-01-01T01:00:00.5+01:00"),
            Some(UnixMillis(500))
        );
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
