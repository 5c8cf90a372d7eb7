//! From a radio's configuration to its running adapter: the one place that knows every kind of radio.

use hubd_core::output::DeviceRecord;
use hubd_model::{DeviceAddress, SecretBytes, Security};
use hubd_zwave::io::{Clocks, Kept, PortConfig};
use hubd_zwave::security::NetworkKeys;
use jiff::tz::TimeZone;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::clock::{self, Clock};
use crate::config::{RadioConfig, RadioKind};
use crate::store::{Store, StoreError};
use crate::supervise::{Life, RadioPlan};

/// The name under which a radio's network keys are sealed.
pub const KEYS_SECRET: &str = "network_keys";
/// The name under which the newest copy of a dongle's memory is sealed.
pub const DONGLE_SECRET: &str = "dongle_memory";

/// What the supervisor needs to keep a radio running. New network keys are durable before the radio may use them.
///
/// # Errors
/// When the store cannot give or keep the keys.
pub async fn plan(
    radio: &RadioConfig,
    store: &Store,
    devices: &[DeviceRecord],
    zone: &TimeZone,
) -> Result<RadioPlan, StoreError> {
    let locks: Vec<(DeviceAddress, Security)> = devices
        .iter()
        .filter_map(|device| match device {
            DeviceRecord::Lock(lock) if lock.radio == radio.name => {
                Some((lock.address.clone(), lock.description.security))
            }
            DeviceRecord::Lock(_) | DeviceRecord::Alarm(_) => None,
        })
        .collect();
    let cache = store.cache(&radio.name).await?;
    let keys = match store.secret(&radio.name, KEYS_SECRET).await? {
        Some(keys) => keys,
        None => new_keys(radio, store).await?,
    };
    let port = PortConfig {
        name: radio.name.clone(),
        port: radio.port.clone(),
    };
    let zone = zone.clone();
    let RadioKind::Zwave = radio.kind;
    Ok(RadioPlan {
        name: radio.name.clone(),
        kind: "Z-Wave",
        cache,
        start: Box::new(move |life| {
            Box::pin(zwave(
                port.clone(),
                keys.clone(),
                locks.clone(),
                zone.clone(),
                life,
            ))
        }),
    })
}

async fn new_keys(radio: &RadioConfig, store: &Store) -> Result<SecretBytes, StoreError> {
    let keys = NetworkKeys::generate(&mut seeded_rng()?).to_bytes();
    store.put_secret(&radio.name, KEYS_SECRET, keys.clone()).await?;
    tracing::info!(radio = %radio.name, "new network keys were made and sealed");
    Ok(keys)
}

/// One run of the Z-Wave adapter.
async fn zwave(
    port: PortConfig,
    keys: SecretBytes,
    locks: Vec<(DeviceAddress, Security)>,
    zone: TimeZone,
    life: Life,
) -> Result<(), String> {
    let rng = seeded_rng().map_err(|error| error.to_string())?;
    let kept = Kept {
        keys,
        cache: life.cache,
        locks,
    };
    let clock = Clock::system();
    let clocks = Clocks {
        now: move || clock.now(),
        utc_offset_minutes: Box::new(move |at| clock::utc_offset_minutes(&zone, at)),
    };
    hubd_zwave::io::run(
        port,
        kept,
        clocks,
        Box::new(rng),
        life.orders,
        life.out,
        life.stop,
    )
    .await
    .map_err(|error| format!("the sealed Z-Wave keys cannot be used ({error}); restore them from a backup"))
}

/// A generator seeded by the operating system.
fn seeded_rng() -> Result<ChaCha20Rng, StoreError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| StoreError::Random)?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
