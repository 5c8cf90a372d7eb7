//! The network's keys: made once, kept sealed by the shell, never printed.

use hubd_model::{Key128, SecretBytes};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::crypto::{Expanded, network_key_expand, temp_expand, temp_extract};

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

impl SecurityClass {
    /// All classes, lowest first.
    pub const ALL: [Self; 4] = [
        Self::S0,
        Self::S2Unauthenticated,
        Self::S2Authenticated,
        Self::S2AccessControl,
    ];

    /// The class's bit in the key masks of the key exchange.
    ///
    /// Spec: CC:009F.01.05, Requested Keys
    pub const fn bit(self) -> u8 {
        match self {
            Self::S0 => 0x80,
            Self::S2Unauthenticated => 0x01,
            Self::S2Authenticated => 0x02,
            Self::S2AccessControl => 0x04,
        }
    }

    /// Whether a node must prove its DSK to get this class's key.
    pub const fn needs_dsk(self) -> bool {
        matches!(self, Self::S2Authenticated | Self::S2AccessControl)
    }
}

impl From<SecurityClass> for hubd_model::Security {
    fn from(class: SecurityClass) -> Self {
        match class {
            SecurityClass::S0 => Self::S0,
            SecurityClass::S2Unauthenticated => Self::S2Unauthenticated,
            SecurityClass::S2Authenticated => Self::S2Authenticated,
            SecurityClass::S2AccessControl => Self::S2AccessControl,
        }
    }
}

/// A set of security classes, as the key exchange's bit mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ClassSet(u8);

impl ClassSet {
    /// No class.
    pub const NONE: Self = Self(0);
    /// Every class that is defined.
    pub const ALL: Self = Self(0x87);

    /// From a mask on the wire; bits that mean nothing are kept out.
    pub const fn from_mask(mask: u8) -> Self {
        Self(mask & Self::ALL.0)
    }

    /// The mask as the wire has it.
    pub const fn mask(self) -> u8 {
        self.0
    }

    /// Of these classes.
    pub fn of(classes: &[SecurityClass]) -> Self {
        Self(classes.iter().fold(0, |mask, class| mask | class.bit()))
    }

    /// Whether `class` is in it.
    pub const fn contains(self, class: SecurityClass) -> bool {
        self.0 & class.bit() != 0
    }

    /// The classes in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This and one more.
    #[must_use]
    pub const fn with(self, class: SecurityClass) -> Self {
        Self(self.0 | class.bit())
    }

    /// This but for one.
    #[must_use]
    pub const fn without(self, class: SecurityClass) -> Self {
        Self(self.0 & !class.bit())
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes, lowest first.
    pub fn iter(self) -> impl Iterator<Item = SecurityClass> {
        SecurityClass::ALL
            .into_iter()
            .filter(move |class| self.contains(*class))
    }

    /// The highest class.
    pub fn highest(self) -> Option<SecurityClass> {
        self.iter().last()
    }

    /// Whether any class needs the node's DSK.
    pub fn needs_dsk(self) -> bool {
        self.iter().any(SecurityClass::needs_dsk)
    }
}

impl FromIterator<SecurityClass> for ClassSet {
    fn from_iter<I: IntoIterator<Item = SecurityClass>>(classes: I) -> Self {
        classes.into_iter().fold(Self::NONE, Self::with)
    }
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

/// Why kept or imported keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeysError {
    /// Not as long as four keys and a version.
    #[error("the kept Z-Wave keys are {0} bytes long instead of 65; restore them from a backup")]
    Length(usize),
    /// Made by a version that this one does not know.
    #[error(
        "the kept Z-Wave keys have format {0}, this version knows only 1; upgrade hubd or restore a backup"
    )]
    Version(u8),
    /// The text is not a JSON object.
    #[error("the Z-Wave JS keys are not a JSON object; export `securityKeys` from Z-Wave JS again")]
    NotJson,
    /// A key is not 32 hexadecimal digits.
    #[error("the Z-Wave JS key {0} is not 32 hexadecimal digits; export `securityKeys` from Z-Wave JS again")]
    NotAKey(&'static str),
    /// None of the four keys is there.
    #[error(
        "the Z-Wave JS keys hold none of S0_Legacy, S2_Unauthenticated, S2_Authenticated, S2_AccessControl"
    )]
    NoKeys,
}

const KEPT_VERSION: u8 = 1;

fn random_key<R: CryptoRng + ?Sized>(rng: &mut R) -> Key128 {
    let mut bytes = Zeroizing::new([0; 16]);
    rng.fill_bytes(&mut *bytes);
    Key128::new(*bytes)
}

impl NetworkKeys {
    /// New keys for a new network.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self {
            s0: random_key(rng),
            s2_unauthenticated: random_key(rng),
            s2_authenticated: random_key(rng),
            s2_access_control: random_key(rng),
        }
    }

    /// The keys as the shell seals them: a format number and the four keys, lowest class first.
    pub fn to_bytes(&self) -> SecretBytes {
        let mut bytes = Vec::with_capacity(65);
        bytes.push(KEPT_VERSION);
        for class in SecurityClass::ALL {
            bytes.extend_from_slice(self.key(class).expose());
        }
        SecretBytes::new(bytes)
    }

    /// The keys as [`Self::to_bytes`] made them.
    ///
    /// # Errors
    /// When the bytes are not that.
    pub fn from_bytes(bytes: &SecretBytes) -> Result<Self, KeysError> {
        let bytes = bytes.expose();
        let wrong_length = || KeysError::Length(bytes.len());
        let (&version, rest) = bytes.split_first().ok_or_else(wrong_length)?;
        if version != KEPT_VERSION {
            return Err(KeysError::Version(version));
        }
        let (keys, excess) = rest.as_chunks::<16>();
        match (keys, excess) {
            ([s0, unauthenticated, authenticated, access_control], []) => Ok(Self {
                s0: Key128::new(*s0),
                s2_unauthenticated: Key128::new(*unauthenticated),
                s2_authenticated: Key128::new(*authenticated),
                s2_access_control: Key128::new(*access_control),
            }),
            _ => Err(wrong_length()),
        }
    }

    /// The keys of a Z-Wave JS installation, for an owner who moves: the `securityKeys` object of its settings.
    /// A key that is not there is generated.
    ///
    /// # Errors
    /// When the text is not such an object, a key is malformed or there is none.
    pub fn from_zwave_js_json<R: CryptoRng + ?Sized>(text: &str, rng: &mut R) -> Result<Self, KeysError> {
        let json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_| KeysError::NotJson)?;
        let mut found = 0_usize;
        let mut key = |name: &'static str| match json.get(name) {
            None | Some(serde_json::Value::Null) => Ok(random_key(rng)),
            Some(value) => {
                found = found.saturating_add(1);
                value
                    .as_str()
                    .and_then(parse_hex_key)
                    .ok_or(KeysError::NotAKey(name))
            }
        };
        let keys = Self {
            s0: key("S0_Legacy")?,
            s2_unauthenticated: key("S2_Unauthenticated")?,
            s2_authenticated: key("S2_Authenticated")?,
            s2_access_control: key("S2_AccessControl")?,
        };
        if found == 0 {
            Err(KeysError::NoKeys)
        } else {
            Ok(keys)
        }
    }

    /// The key of one class.
    pub const fn key(&self, class: SecurityClass) -> &Key128 {
        match class {
            SecurityClass::S0 => &self.s0,
            SecurityClass::S2Unauthenticated => &self.s2_unauthenticated,
            SecurityClass::S2Authenticated => &self.s2_authenticated,
            SecurityClass::S2AccessControl => &self.s2_access_control,
        }
    }
}

fn parse_hex_key(text: &str) -> Option<Key128> {
    let mut bytes = Zeroizing::new([0_u8; 16]);
    let (digits, excess) = text.as_bytes().as_chunks::<2>();
    if digits.len() != bytes.len() || !excess.is_empty() {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(Key128::new(*bytes))
}

/// Which key a frame was, or shall be, encrypted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRef {
    /// The network key of a class.
    Class(SecurityClass),
    /// The temporary key of the key exchange under way with one node.
    Temp,
}

/// A key ready for use in S2 frames.
#[derive(Debug, Clone)]
pub struct SessionKey {
    id: KeyRef,
    expanded: Expanded,
}

impl SessionKey {
    /// Expands a network key. The S0 key is expanded too: a node proves by it that it got the S0 key.
    pub fn network(class: SecurityClass, key: &Key128) -> Self {
        Self {
            id: KeyRef::Class(class),
            expanded: network_key_expand(key),
        }
    }

    /// Derives the temporary key of a key exchange.
    pub fn temp(shared: &[u8; 32], controller_public: &[u8; 32], node_public: &[u8; 32]) -> Self {
        let prk = temp_extract(shared, controller_public, node_public);
        Self {
            id: KeyRef::Temp,
            expanded: temp_expand(&prk),
        }
    }

    /// Which key it is.
    pub const fn id(&self) -> KeyRef {
        self.id
    }

    pub(super) const fn expanded(&self) -> &Expanded {
        &self.expanded
    }
}

/// The keys that may be used with one node. When it is not yet known which of them a node uses, they are tried in
/// this order: the temporary key, then the classes from the highest down.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<SessionKey>);

impl KeySet {
    /// The given classes of a network.
    pub fn network(keys: &NetworkKeys, classes: ClassSet) -> Self {
        classes
            .iter()
            .map(|class| SessionKey::network(class, keys.key(class)))
            .collect()
    }

    /// Adds a key, or replaces the one of the same name.
    pub fn insert(&mut self, key: SessionKey) {
        self.remove(key.id);
        let at = self
            .0
            .iter()
            .position(|held| held.id < key.id)
            .unwrap_or(self.0.len());
        self.0.insert(at, key);
    }

    /// Takes a key out.
    pub fn remove(&mut self, id: KeyRef) {
        self.0.retain(|held| held.id != id);
    }

    /// The key of that name.
    pub fn get(&self, id: KeyRef) -> Option<&SessionKey> {
        self.0.iter().find(|held| held.id == id)
    }

    /// The keys in the order of trial.
    pub fn iter(&self) -> impl Iterator<Item = &SessionKey> {
        self.0.iter()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Some of the keys.
    #[must_use]
    pub fn only(&self, allowed: impl Fn(KeyRef) -> bool) -> Self {
        self.0.iter().filter(|key| allowed(key.id)).cloned().collect()
    }
}

impl FromIterator<SessionKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = SessionKey>>(keys: I) -> Self {
        let mut set = Self::default();
        keys.into_iter().for_each(|key| set.insert(key));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn keys_survive_being_kept() {
        let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(1));
        assert_eq!(NetworkKeys::from_bytes(&keys.to_bytes()), Ok(keys.clone()));
        assert_ne!(keys.s0, keys.s2_access_control);
    }

    #[test]
    fn bytes_that_are_no_keys_are_refused() {
        let kept = |bytes: &[u8]| NetworkKeys::from_bytes(&SecretBytes::new(bytes.to_vec()));
        assert_eq!(kept(&[]), Err(KeysError::Length(0)));
        assert_eq!(kept(&[2; 65]), Err(KeysError::Version(2)));
        assert_eq!(kept(&[1; 64]), Err(KeysError::Length(64)));
        assert_eq!(kept(&[1; 81]), Err(KeysError::Length(81)));
    }

    #[test]
    fn the_keys_of_zwave_js_are_taken_and_the_missing_ones_made() {
        let text = r#"{ "S0_Legacy": "0102030405060708090a0b0c0d0e0f10", "S2_AccessControl": "33333333333333333333333333333333" }"#;
        let keys =
            NetworkKeys::from_zwave_js_json(text, &mut ChaCha20Rng::seed_from_u64(2)).expect("valid keys");
        assert_eq!(keys.s2_access_control, Key128::new([0x33; 16]));
        assert_eq!(
            keys.s0,
            Key128::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
        );
        assert_ne!(keys.s2_authenticated, keys.s2_unauthenticated);
    }

    #[test]
    fn bad_zwave_js_keys_name_the_key() {
        let parse = |text: &str| NetworkKeys::from_zwave_js_json(text, &mut ChaCha20Rng::seed_from_u64(3));
        assert_eq!(parse("[]"), Err(KeysError::NotJson));
        assert_eq!(parse("{}"), Err(KeysError::NoKeys));
        assert_eq!(
            parse(r#"{"S0_Legacy":"01"}"#),
            Err(KeysError::NotAKey("S0_Legacy"))
        );
        assert_eq!(
            parse(r#"{"S2_Authenticated":7}"#),
            Err(KeysError::NotAKey("S2_Authenticated"))
        );
        let long = format!(r#"{{"S0_Legacy":"{}"}}"#, "+1".repeat(16));
        assert_eq!(parse(&long), Err(KeysError::NotAKey("S0_Legacy")));
    }

    #[test]
    fn a_key_set_is_tried_from_the_temporary_key_down() {
        let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(4));
        let mut set = KeySet::network(&keys, ClassSet::ALL);
        set.insert(SessionKey::temp(&[1; 32], &[2; 32], &[3; 32]));
        let order: Vec<_> = set.iter().map(SessionKey::id).collect();
        assert_eq!(
            order,
            [
                KeyRef::Temp,
                KeyRef::Class(SecurityClass::S2AccessControl),
                KeyRef::Class(SecurityClass::S2Authenticated),
                KeyRef::Class(SecurityClass::S2Unauthenticated),
                KeyRef::Class(SecurityClass::S0),
            ]
        );
        set.remove(KeyRef::Temp);
        assert!(set.get(KeyRef::Temp).is_none());
    }

    #[test]
    fn nothing_prints_a_key() {
        let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(5));
        let text = format!("{keys:?} {:?}", KeySet::network(&keys, ClassSet::ALL));
        assert!(text.contains("[redacted]"));
        assert!(
            !text.chars().any(|c| c.is_ascii_digit() && c != '0' && c != '2'),
            "{text}"
        );
    }

    #[test]
    fn a_class_set_is_the_mask_of_the_wire() {
        let set = ClassSet::of(&[SecurityClass::S0, SecurityClass::S2AccessControl]);
        assert_eq!(set.mask(), 0x84);
        assert_eq!(set.highest(), Some(SecurityClass::S2AccessControl));
        assert_eq!(ClassSet::from_mask(0xff), ClassSet::ALL);
        assert!(!ClassSet::of(&[SecurityClass::S2Unauthenticated]).needs_dsk());
    }
}
