//! A passkey's public key and its signatures.
//!
//! Only public keys are used here, so that nothing depends on how long a computation takes. `ring` checks them, which is
//! in this program for TLS anyway.
//!
//! Spec: RFC 9052 and 9053 (COSE keys); Level 3, 5.8.5.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::cbor::{Item, Reader};

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// The algorithms that are known here, the wanted one first. Old Windows machines know only the last one.
/// Spec: IANA, COSE Algorithms.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

/// A key has no more members than this.
const MEMBERS_MAX: u64 = 8;
/// 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// 65537 and what is about as small.
const EXPONENT_BYTES_MAX: usize = 4;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    /// ECDSA on P-256 with SHA-256: the point, not compressed.
    Es256([u8; 65]),
    /// Ed25519.
    Ed25519([u8; 32]),
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 { modulus: &'a [u8], exponent: &'a [u8] },
}

#[derive(Default)]
struct Members<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    /// The member -1 where it is no number: an RSA modulus.
    modulus: Option<&'a [u8]>,
    /// The member -2: the first coordinate, or an RSA exponent.
    x: Option<&'a [u8]>,
    y: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let Item::Map(count @ 0..=MEMBERS_MAX) = reader.item()? else {
            return None;
        };
        let mut members = Self::default();
        for _ in 0..count {
            let twice = match (reader.item()?, reader.item()?) {
                (Item::Int(1), Item::Int(kind)) => members.kind.replace(kind).is_some(),
                (Item::Int(3), Item::Int(algorithm)) => members.algorithm.replace(algorithm).is_some(),
                (Item::Int(-1), Item::Int(curve)) => members.curve.replace(curve).is_some(),
                (Item::Int(-1), Item::Bytes(modulus)) => members.modulus.replace(modulus).is_some(),
                (Item::Int(-2), Item::Bytes(x)) => members.x.replace(x).is_some(),
                (Item::Int(-3), Item::Bytes(y)) => members.y.replace(y).is_some(),
                // Nothing else belongs into a passkey's key.
                // Spec: Level 3, 6.5.1.
                _ => return None,
            };
            if twice {
                return None;
            }
        }
        reader.is_done().then_some(members)
    }
}

impl<'a> PublicKey<'a> {
    /// `None` when it is damaged, or of a kind that is not known here.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let members = Members::read(bytes)?;
        let Members {
            kind,
            algorithm,
            curve,
            modulus,
            x,
            y,
        } = members;
        match (kind?, algorithm?, curve, modulus, x, y) {
            (2, ES256, Some(1), None, Some(x), Some(y)) => {
                let (x, y): (&[u8; 32], &[u8; 32]) = (x.try_into().ok()?, y.try_into().ok()?);
                let mut point = [4; 65];
                point.get_mut(1..33)?.copy_from_slice(x);
                point.get_mut(33..)?.copy_from_slice(y);
                Some(Self::Es256(point))
            }
            (1, EDDSA, Some(6), None, Some(x), None) => Some(Self::Ed25519(x.try_into().ok()?)),
            (3, RS256, None, Some(modulus), Some(exponent), None)
                if RSA_BYTES.contains(&modulus.len()) && exponent.len() <= EXPONENT_BYTES_MAX =>
            {
                Some(Self::Rs256 { modulus, exponent })
            }
            _ => None,
        }
    }

    /// Whether this key made this signature of this message.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256 { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        };
        verified.is_ok()
    }
}
