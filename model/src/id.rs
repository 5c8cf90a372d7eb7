//! Names of things: opaque strings that survive a restart.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A string that cannot be an id: ids are 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a valid {kind}: 1 to 128 visible ASCII characters are allowed")]
pub struct ParseIdError {
    kind: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id.
            ///
            /// # Errors
            /// When the text is empty, longer than 128 characters or not visible ASCII.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
                if text.is_empty() || text.len() > 128 || !visible {
                    return Err(ParseIdError { kind: $kind });
                }
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, ParseIdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// A lock of the household, on whatever radio it lives.
    LockId,
    "lock id"
);
id!(
    /// A smoke, CO or heat detector of the household.
    AlarmId,
    "alarm id"
);
id!(
    /// A person of the household.
    PersonId,
    "person id"
);
id!(
    /// What opens a door for a person: a PIN, a tag, a finger, a key.
    CredentialId,
    "credential id"
);
id!(
    /// One emergency, from its first alarm to its end, or one drill.
    IncidentId,
    "incident id"
);
id!(
    /// One request to actuate a lock, from its acceptance to its end.
    CommandId,
    "command id"
);
id!(
    /// A radio's name, as the configuration gives it and people read it.
    RadioName,
    "radio name"
);
id!(
    /// A radio's own name for one of its devices, stable while the device is included
    /// (Z-Wave: `HOMEID/NODEID`, hexadecimal and decimal).
    DeviceAddress,
    "device address"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_visible_ascii() {
        assert!(LockId::parse("lock-1042").is_ok());
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert!(LockId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
