//! `hubd radio import-keys`: takes over the network keys of another controller, so that its locks need no new
//! inclusion. Keys come in on standard input, where no other process and no history sees them.

use std::io::{Read, Write};

use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::{Fault, store_options};
use crate::config::{Config, RadioKind};
use crate::radios::KEYS_SECRET;
use crate::store::{Store, StoreError};

/// More than any export of keys.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// Reads, checks and seals the keys.
pub(super) fn import(
    config: &Config,
    name: &str,
    replace: bool,
    input: impl Read,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let radio = config
        .radios
        .iter()
        .find(|radio| radio.name.as_str() == name)
        .ok_or_else(|| format!("there is no radio {name}; radios are named in the configuration"))?;
    let RadioKind::Zwave = radio.kind;
    let mut text = Zeroizing::new(String::new());
    input.take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| StoreError::Random)?;
    let keys = NetworkKeys::from_zwave_js_json(&text, &mut ChaCha20Rng::from_seed(*seed))?;
    let (store, _opened) = Store::open(
        &config.data_dir,
        &store_options(&config.vault.recovery_recipients),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        if !replace && store.secret(&radio.name, KEYS_SECRET).await?.is_some() {
            let sentence = "this radio has keys already; with --replace they are replaced, and locks included with \
                            them no longer answer";
            return Err(Fault::from(sentence));
        }
        store.put_secret(&radio.name, KEYS_SECRET, keys.to_bytes()).await?;
        Ok(store.close().await?)
    })?;
    writeln!(
        out,
        "The keys of radio {name} are sealed in {}.",
        config.data_dir.display()
    )?;
    Ok(())
}
