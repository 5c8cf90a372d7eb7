//! From a radio's configuration to its running adapter: the one place that knows all three kinds.

use hubd_model::{RadioName, SecretBytes};
use hubd_zwave::io::{Kept, PortConfig};
use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::config::{RadioConfig, RadioKind};
use crate::store::{Store, StoreError};
use crate::supervise::RadioPlan;

/// The name under which a radio's network keys are sealed.
pub const KEYS_SECRET: &str = "network_keys";
