//! What is read, checked and put in order once, while the store opens.

use std::path::Path;
use std::sync::Arc;

use hubd_core::input::Memory;
use hubd_core::lifesafety::LifeSafetyMemory;
use hubd_model::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use super::credentials::CodesKey;
use super::error::StoreError;
use super::health::{Health, Part};
use super::inbox::{RowChange, RowKey};
use super::journal::{read_month_key, sql};
use super::sheet;
use super::spool::{self, Recovered, Spool};
use super::vault::{Missing, MonthKey, Vault};
use super::writer::COMMANDS_KEPT;
use super::{
    StoreOptions, accounts, credentials, database, lifesafety, recipients, rows, secret_context, spawn,
};
use crate::config::RADIOS_MAX;

/// Opens the vault and sees that what is sealed is sealed to it, and to today's recovery recipients.
pub(super) fn open_vault(db: &Connection, dir: &Path, options: &StoreOptions) -> Result<Vault, StoreError> {
    let failed = || StoreError::database("read whom the records are sealed to");
    let meta = |key: &str| -> Result<Option<String>, StoreError> {
        db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(failed())
    };
    let known = meta("identity")?;
    let missing = if known.is_some() {
        Missing::Refuse
    } else {
        Missing::Create
    };
    let vault = Vault::open(
        dir,
        options.credentials_dir.as_deref(),
        &options.recovery_recipients,
        missing,
    )?;
    let found = vault.public();
    if let Some(wanted) = known.filter(|wanted| *wanted != found) {
        return Err(StoreError::WrongIdentity {
            dir: dir.to_owned(),
            wanted,
            found,
        });
    }
    recipients::take(db, &vault)?;
    if meta("recipients")?.as_deref() != Some(&vault.recipients()) {
        let failed = || StoreError::database("seal the keys for the new recovery recipients");
        let tx = db.unchecked_transaction().map_err(failed())?;
        seal_again(&tx, &vault, &vault)?;
        tx.commit().map_err(failed())?;
    }
    Ok(vault)
}

/// Opens every key that is sealed with age, to see that each of them opens.
pub(super) fn open_all(db: &Connection, vault: &Vault) -> Result<(), StoreError> {
    let failed = || StoreError::database("read the sealed keys");
    let mut read = db
        .prepare("SELECT month, sealed FROM month_keys")
        .map_err(failed())?;
    let mut rows = read.query([]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let (month, sealed): (u32, Vec<u8>) = (row.get(0).map_err(failed())?, row.get(1).map_err(failed())?);
        MonthKey::unseal(vault, month, &sealed)?;
    }
    let mut read = db
        .prepare("SELECT radio, name, sealed FROM adapter_secret")
        .map_err(failed())?;
    let mut rows = read.query([]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let text = |column| row.get::<_, String>(column).map_err(failed());
        let sealed: Vec<u8> = row.get(2).map_err(failed())?;
        vault.unseal(&secret_context(&text(0)?, &text(1)?), &sealed)?;
    }
    for (account, sealed) in accounts::sealed_secrets(db)? {
        vault.unseal(&accounts::totp_context(&account), &sealed)?;
    }
    sheet::read(db, vault)?;
    credentials::open_all(db, vault)
}

/// Opens every key with one vault and seals it with another, for its recipients.
pub(super) fn seal_again(tx: &Connection, from: &Vault, vault: &Vault) -> Result<(), StoreError> {
    let failed = || StoreError::database("seal the keys for the new recovery recipients");
    let mut months: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut secrets: Vec<(String, String, Vec<u8>)> = Vec::new();
    {
        let mut read = tx
            .prepare("SELECT month, sealed FROM month_keys")
            .map_err(failed())?;
        for row in read
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed())?
        {
            months.push(row.map_err(failed())?);
        }
        let mut read = tx
            .prepare("SELECT radio, name, sealed FROM adapter_secret")
            .map_err(failed())?;
        for row in read
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(failed())?
        {
            secrets.push(row.map_err(failed())?);
        }
    }
    for (month, sealed) in months {
        let sealed = MonthKey::unseal(from, month, &sealed)?.seal(vault)?;
        tx.execute(
            "UPDATE month_keys SET sealed = ?2 WHERE month = ?1",
            params![month, sealed],
        )
        .map_err(failed())?;
    }
    for (radio, name, sealed) in secrets {
        let context = secret_context(&radio, &name);
        let sealed = vault.seal(&context, &from.unseal(&context, &sealed)?)?;
        tx.execute(
            "UPDATE adapter_secret SET sealed = ?3 WHERE radio = ?1 AND name = ?2",
            params![radio, name, sealed],
        )
        .map_err(failed())?;
    }
    for (account, sealed) in accounts::sealed_secrets(tx)? {
        let context = accounts::totp_context(&account);
        let sealed = vault.seal(&context, &from.unseal(&context, &sealed)?)?;
        accounts::reseal(tx, &account, &sealed)?;
    }
    if let Some(texts) = sheet::read(tx, from)? {
        sheet::write(tx, vault, &texts)?;
    }
    credentials::seal_again(tx, from, vault)?;
    for (key, value) in [("identity", vault.public()), ("recipients", vault.recipients())] {
        tx.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [key, &value],
        )
        .map_err(failed())?;
    }
    Ok(())
}

/// Opens the spool and reads what it holds beyond entry `committed`. Without a spool the store works, and says so.
pub(super) fn read_spool(
    db: &Connection,
    vault: &Vault,
    dir: &Path,
    committed: u64,
) -> Result<(Option<Spool>, Recovered), StoreError> {
    let (spool, bytes) = match Spool::open(dir) {
        Ok(opened) => opened,
        Err(error) => {
            spool::complain(&error);
            return Ok((None, Recovered::default()));
        }
    };
    let recovered = spool::recover(&bytes, committed, &mut |month| read_month_key(db, vault, month))?;
    if let Some(damage) = &recovered.damage {
        tracing::error!(
            first = damage.first,
            last = damage.last,
            reason = damage.what,
            "events are lost"
        );
    }
    if let (Some(first), Some(last)) = (recovered.entries.first(), recovered.entries.last()) {
        tracing::info!(
            first = first.seq,
            last = last.seq,
            "events of the hub before this one are recorded now"
        );
    }
    Ok((Some(spool), recovered))
}

/// Empties the spool when all of it, up to entry `last`, is `written`, and else leaves it for the next start.
pub(super) fn reuse_spool(spool: &mut Option<Spool>, dir: &Path, last: u64, written: bool) {
    let Some(open) = spool else { return };
    if !written {
        open.keep(last);
    } else if let Err(error) = open.clear(dir) {
        spool::complain(&error);
        *spool = None;
    }
}

/// Puts over what the database knows what could not be written to it yet.
pub(super) fn overlay(memory: &mut Memory, codes: &CodesKey, recovered: Recovered) -> Result<(), StoreError> {
    for (key, row) in recovered.rows {
        match row {
            RowChange::Device(record) => {
                memory.devices.retain(|known| RowKey::of(known) != key);
                memory.devices.push(record);
            }
            RowChange::Command(view) => {
                memory.commands.retain(|known| known.id != view.id);
                memory.commands.push(view);
            }
            RowChange::LifeSafety { row, .. } => {
                if let RowKey::LifeSafety(key) = &key {
                    lifesafety::remember(&mut memory.life_safety, key, lifesafety::VERSION, &row);
                }
            }
            RowChange::Credentials(sealed) => {
                if let RowKey::Credentials(key) = &key {
                    let record = codes.open_row(key, &sealed)?;
                    credentials::overlay(&mut memory.credentials, key, Some(record));
                }
            }
            RowChange::Forget => {
                if let RowKey::Credentials(key) = &key {
                    credentials::overlay(&mut memory.credentials, key, None);
                }
                if let RowKey::LifeSafety(key) = &key {
                    lifesafety::forget(&mut memory.life_safety, key);
                }
                memory.devices.retain(|known| RowKey::of(known) != key);
            }
            RowChange::Cache(_) | RowChange::TokenUse(_) | RowChange::SessionUse(_) => {}
        }
    }
    Ok(())
}

/// What life safety knows, read beside a hub that may run: what is under way may be a moment old.
///
/// # Errors
/// When the database cannot be read.
pub fn read_life_safety_beside(dir: &Path) -> Result<LifeSafetyMemory, StoreError> {
    let mut memory = LifeSafetyMemory::default();
    read_life_safety(&database::open_reader(dir)?, &mut memory)?;
    Ok(memory)
}

/// Reads what life safety knew. What cannot be read is told, and keeps nothing from starting.
fn read_life_safety(db: &Connection, memory: &mut LifeSafetyMemory) -> Result<(), StoreError> {
    let failed = || StoreError::database("read life safety");
    let mut read = db
        .prepare("SELECT kind, id, version, row FROM life_safety ORDER BY revision")
        .map_err(failed())?;
    let mut found = read.query([]).map_err(failed())?;
    while let Some(row) = found.next().map_err(failed())? {
        let text = || -> rusqlite::Result<(String, String, i64, String)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let (kind, id, version, json) = text().map_err(failed())?;
        lifesafety::remember(memory, &lifesafety::Key { kind, id }, version, &json);
    }
    Ok(())
}

/// The revision that the next row of life safety gets: above every one that is known.
pub(super) fn next_revision(db: &Connection, recovered: &Recovered) -> Result<u64, StoreError> {
    let stored: i64 = db
        .query_row("SELECT coalesce(max(revision), 0) FROM life_safety", [], |row| {
            row.get(0)
        })
        .map_err(StoreError::database("read life safety"))?;
    let spooled = recovered.rows.iter().filter_map(|(_, row)| match row {
        RowChange::LifeSafety { revision, .. } => Some(*revision),
        RowChange::Device(_)
        | RowChange::Command(_)
        | RowChange::Credentials(_)
        | RowChange::Cache(_)
        | RowChange::TokenUse(_)
        | RowChange::SessionUse(_)
        | RowChange::Forget => None,
    });
    let newest = spooled.max().unwrap_or(0).max(u64::try_from(stored).unwrap_or(0));
    Ok(newest.saturating_add(1))
}

/// When the last start began, if a start in vain is the last thing in the journal: `hub.started`, `hub.degraded` for
/// each radio, `hub.stopped`.
pub(super) fn vain_start(db: &Connection) -> Result<Option<UnixMillis>, StoreError> {
    let failed = || StoreError::database("read the last start");
    let mut statement = db
        .prepare(
            "SELECT (SELECT text FROM names WHERE id = kind), at_ms FROM journal ORDER BY seq DESC LIMIT ?1",
        )
        .map_err(failed())?;
    let mut last = statement
        .query_map([sql(RADIOS_MAX as u64 + 2)], |row| {
            Ok((row.get::<_, String>(0)?, UnixMillis(row.get(1)?)))
        })
        .map_err(failed())?
        .flatten();
    if last.next().is_none_or(|(kind, _)| kind != "hub.stopped") {
        return Ok(None);
    }
    let mut degraded = false;
    for (kind, at) in last {
        match kind.as_str() {
            "hub.degraded" => degraded = true,
            "hub.started" if degraded => return Ok(Some(at)),
            _ => break,
        }
    }
    Ok(None)
}

/// Reads what the mind knew.
pub(super) fn read_memory(db: &Connection, codes: &CodesKey, last_seq: u64) -> Result<Memory, StoreError> {
    let failed = || StoreError::database("read the devices and commands");
    let mut memory = Memory {
        last_seq,
        ..Memory::default()
    };
    let mut read = db
        .prepare("SELECT kind, id, version, row FROM devices ORDER BY kind, id")
        .map_err(failed())?;
    let mut found = read.query([]).map_err(failed())?;
    while let Some(row) = found.next().map_err(failed())? {
        let text = || -> rusqlite::Result<(String, String, i64, String)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let (kind, id, version, json) = text().map_err(failed())?;
        let device = rows::device_from(&kind, version, &json).map_err(|detail| StoreError::Row {
            what: format!("{kind} {id}"),
            detail,
        })?;
        memory.devices.push(device);
    }
    let mut read = db
        .prepare(
            "SELECT id, version, row FROM (SELECT * FROM commands WHERE ended = 0 \
             UNION ALL SELECT * FROM (SELECT * FROM commands WHERE ended = 1 ORDER BY requested_at DESC LIMIT ?1)) \
             ORDER BY requested_at",
        )
        .map_err(failed())?;
    let mut found = read.query([COMMANDS_KEPT]).map_err(failed())?;
    while let Some(row) = found.next().map_err(failed())? {
        let text =
            || -> rusqlite::Result<(String, i64, String)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (id, version, json) = text().map_err(failed())?;
        // A command is only remembered for repeats: an unreadable one does not keep the hub from starting.
        match rows::command_from(version, &json) {
            Ok(command) => memory.commands.push(command),
            Err(detail) => {
                tracing::warn!(%id, %detail, "a remembered command cannot be read and is left out");
            }
        }
    }
    read_life_safety(db, &mut memory.life_safety)?;
    memory.credentials = credentials::read(db, codes)?;
    Ok(memory)
}

/// A big database is checked while the hub runs.
pub(super) fn check_later(dir: &Path, health: &Arc<Health>) -> Result<(), StoreError> {
    let path = database::path(dir);
    if path
        .metadata()
        .is_ok_and(|file| file.len() <= database::FULL_CHECK_BYTES_MAX)
    {
        return Ok(());
    }
    let (dir, health) = (dir.to_owned(), Arc::clone(health));
    spawn(&dir.clone(), "store-check", move || {
        let checked = database::open_reader(&dir).and_then(|db| database::check(&db, &path, "quick_check"));
        if let Err(error) = checked {
            health.note(Part::Checking, Some(error.to_string()));
        }
    })
    .map(drop)
}
