//! `hubd import zwave-js`: takes over the keys and what was learnt of the nodes, so that no lock is included again. The
//! codes on the locks stay where they are, and are found there.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use hubd_zwave::security::NetworkKeys;
use hubd_zwave::zwave_js::{CACHE_BYTES_MAX, ImportedNodes, find_keys, import_nodes};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::json;
use zeroize::Zeroizing;

use super::{AnswerForm, Fault, Place, store_options};
use crate::config::{Config, RadioKind};
use crate::radios::KEYS_SECRET;
use crate::store::{Store, StoreError, StoreJob};

/// More than any settings of Z-Wave JS or Home Assistant.
const KEYS_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Import {
    /// Take over a Z-Wave JS network, keys and nodes, without including any lock again; the hub must not run
    #[command(
        name = "zwave-js",
        after_help = "Examples:\n  hubd import zwave-js zwave --keys store/settings.json --cache store\n  \
        hubd import zwave-js zwave --keys .storage/core.config_entries --cache zwave_js/cache\n\n\
        Stop Z-Wave JS first: only one program can speak to the dongle."
    )]
    ZwaveJs {
        /// The radio's name in the configuration
        radio: String,
        /// settings.json of Z-Wave JS UI, core.config_entries of Home Assistant, or an object with the keys; - for
        /// standard input
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
        /// The folder with the node cache, or its file HOMEID.jsonl; without it every node is asked anew
        #[arg(long, value_name = "PATH")]
        cache: Option<PathBuf>,
        /// Replace the keys that are there: locks included with those no longer answer
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
}

/// Does what was asked.
pub(super) fn answer(command: &Import, out: &mut dyn Write) -> Result<(), Fault> {
    match command {
        Import::ZwaveJs {
            radio,
            keys,
            cache,
            replace,
            place,
            answer,
        } => zwave_js(
            &place.load()?,
            radio,
            keys,
            cache.as_deref(),
            *replace,
            *answer,
            out,
        ),
    }
}

fn zwave_js(
    config: &Config,
    name: &str,
    keys: &Path,
    cache: Option<&Path>,
    replace: bool,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let radio = config
        .radios
        .iter()
        .find(|radio| radio.name.as_str() == name)
        .ok_or_else(|| format!("there is no radio {name}; radios are named in the configuration"))?;
    let RadioKind::Zwave = radio.kind;
    super::token::refuse_other_user(&config.data_dir)?;
    let text = read(keys, KEYS_BYTES_MAX)?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| StoreError::Random)?;
    let keys = NetworkKeys::from_zwave_js_json(&find_keys(&text)?, &mut ChaCha20Rng::from_seed(*seed))?;
    let imported = cache.map(nodes).transpose()?;
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
        if let Some(imported) = &imported {
            store.submit(StoreJob::KeepCache {
                radio: radio.name.clone(),
                bytes: imported.cache.clone(),
            });
        }
        store.put_secret(&radio.name, KEYS_SECRET, keys.to_bytes()).await?;
        Ok(store.close().await?)
    })?;
    tell(name, imported.as_ref(), answer, out)
}

fn tell(
    name: &str,
    imported: Option<&ImportedNodes>,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    if answer.json {
        let counts = imported
            .map(|nodes| json!({ "nodes": nodes.nodes, "secure": nodes.secure, "expected": nodes.expected }));
        writeln!(out, "{}", json!({ "radio": name, "nodes": counts }))?;
        return Ok(());
    }
    match imported {
        None => writeln!(
            out,
            "The keys of radio {name} are sealed. Every node is asked anew at the hub's start; no code on a lock is \
             touched."
        )?,
        Some(nodes) => writeln!(
            out,
            "The keys of radio {name} are sealed, and {} nodes are known, {} of them with security. The codes on the \
             locks are left as they are: the hub shows them as found.",
            nodes.nodes, nodes.secure
        )?,
    }
    Ok(())
}

fn read(path: &Path, limit: u64) -> Result<Zeroizing<String>, Fault> {
    let mut text = Zeroizing::new(String::new());
    let done = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    done.map_err(|error| format!("{} cannot be read ({error})", path.display()))?;
    Ok(text)
}

/// Reads the node cache; a folder has to hold exactly one.
fn nodes(path: &Path) -> Result<ImportedNodes, Fault> {
    let file = if path.is_dir() {
        find(path)?
    } else {
        path.to_owned()
    };
    let limit = CACHE_BYTES_MAX as u64;
    let cache = read(&file, limit)?;
    let values = file.with_extension("values.jsonl");
    // These tell who made each node; without them it is asked.
    let values = values.exists().then(|| read(&values, limit)).transpose()?;
    import_nodes(&cache, values.as_deref().map(String::as_str))
        .map_err(|error| format!("{}: {error}", file.display()).into())
}

/// The file HOMEID.jsonl of a folder.
fn find(folder: &Path) -> Result<PathBuf, Fault> {
    let is_cache = |path: &PathBuf| {
        let home = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jsonl"));
        home.is_some_and(|home| home.len() == 8 && home.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let entries =
        fs::read_dir(folder).map_err(|error| format!("{} cannot be read ({error})", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_cache)
        .collect();
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!("there is no node cache (HOMEID.jsonl) in {}", folder.display()).into()),
        [_, _, ..] => {
            let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
            Err(format!(
                "{} holds the caches of several networks: name the file of yours with --cache ({})",
                folder.display(),
                names.join(", ")
            )
            .into())
        }
    }
}
