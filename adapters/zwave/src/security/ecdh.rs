//! Curve25519 key pairs of the S2 key exchange.

use std::fmt;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::dsk::Dsk;
use super::keys::SessionKey;

/// A key pair; the private half is wiped when dropped.
#[derive(Clone)]
pub struct KeyPair {
    secret: StaticSecret,
    public: [u8; 32],
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair([redacted])")
    }
}

impl KeyPair {
    /// A new pair.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self::from_private(*bytes)
    }

    /// The pair of a private key.
    pub fn from_private(private: [u8; 32]) -> Self {
        let secret = StaticSecret::from(private);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }

    /// The public half.
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// What a device with this pair has on its label.
    pub const fn dsk(&self) -> Dsk {
        Dsk::of_public_key(&self.public)
    }

    fn shared(&self, other: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*other));
        shared
            .was_contributory()
            .then(|| Zeroizing::new(shared.to_bytes()))
    }

    /// The temporary key, on the controller's side. `None` when the node's key is one of the few that give every
    /// partner the same result.
    pub fn temp_key_as_controller(&self, node: &[u8; 32]) -> Option<SessionKey> {
        Some(SessionKey::temp(&*self.shared(node)?, &self.public, node))
    }

    /// The temporary key, on the node's side.
    pub fn temp_key_as_node(&self, controller: &[u8; 32]) -> Option<SessionKey> {
        Some(SessionKey::temp(
            &*self.shared(controller)?,
            controller,
            &self.public,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::vectors::{Vectors, hex};

    #[test]
    fn both_sides_derive_the_known_temporary_key() {
        let vectors = Vectors::load();
        let text = |name: &str| vectors.json["s2_temp"][name].as_str().expect("hex").to_owned();
        let controller = KeyPair::from_private(hex(&text("ctrl_priv")));
        let node = KeyPair::from_private(hex(&text("node_priv")));
        assert_eq!(controller.public(), &hex(&text("ctrl_pub")));
        assert_eq!(node.public(), &hex(&text("node_pub")));
        assert_eq!(
            *controller.shared(node.public()).expect("contributory"),
            hex(&text("shared"))
        );
        for key in [
            controller.temp_key_as_controller(node.public()),
            node.temp_key_as_node(controller.public()),
        ] {
            assert_eq!(
                key.expect("key").expanded().ccm.expose(),
                &hex(&text("temp_key_ccm"))
            );
        }
    }

    #[test]
    fn a_key_that_shares_nothing_is_refused() {
        let pair = KeyPair::from_private([7; 32]);
        assert!(pair.temp_key_as_controller(&[0; 32]).is_none());
        assert_eq!(format!("{pair:?}"), "KeyPair([redacted])");
    }
}
