//! Secrets as types: they cannot be printed or serialised, are wiped when dropped and compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! redacted {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[redacted]")
            }
        }
    };
}

/// A 128-bit key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key128([u8; 16]);
redacted!(Key128);

impl Key128 {
    /// Takes the key's bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Shows the key's bytes to a cipher. Never print or store them unsealed.
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for Key128 {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for Key128 {}

/// Secret bytes of any length.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);
redacted!(SecretBytes);

impl SecretBytes {
    /// Takes the bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Shows the bytes to a cipher or a seal. Never print or store them unsealed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for SecretBytes {}

/// Randomness for the parts that draw none themselves: 256 bits from the operating system.
#[derive(Clone, PartialEq, Eq)]
pub struct Entropy(SecretBytes);
redacted!(Entropy);

impl Entropy {
    /// Takes the bits.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBytes::new(bytes.to_vec()))
    }

    /// Shows the bits to what stretches them. Never print or store them.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// A secret text: a PIN, a token, a password, a pairing code.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretString(String);
redacted!(SecretString);

impl SecretString {
    /// Takes the text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Shows the text to the one place that needs it. Never print or store it unsealed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretString {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}
impl Eq for SecretString {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_redacted() {
        assert_eq!(format!("{:?}", Key128::new([7; 16])), "[redacted]");
        assert_eq!(format!("{:?}", SecretBytes::new(vec![1])), "[redacted]");
        assert_eq!(format!("{:?}", SecretString::new("4711".into())), "[redacted]");
    }
}
