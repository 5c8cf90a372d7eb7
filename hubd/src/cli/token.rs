//! `hubd token`: on the data folder, whether or not the hub runs. A running hub notices by itself.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use super::{AnswerForm, Fault, store_options};
use crate::config::Config;
use crate::store::shape::time;
use crate::store::{self, NewToken as NewRow, Store, StoreError, TokenRow};
use crate::token::{NewToken, Scope, check_name};

/// A scope's name on the command line.
pub(super) fn parse_scope(name: &str) -> Result<Scope, String> {
    Scope::parse(name).ok_or_else(|| "read, actuate and manage are allowed".to_owned())
}

/// Makes a token and prints it, once.
pub(super) fn create(
    config: &Config,
    name: &str,
    scope: Scope,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    check_name(name)?;
    prepare(config)?;
    let token = NewToken::random().map_err(|_| StoreError::Random)?;
    let row = NewRow {
        id: token.id.clone(),
        name: name.to_owned(),
        scope: scope.as_str().to_owned(),
        hash: token.hash,
        created_at: crate::clock::unix_millis(),
    };
    store::create_token_beside(&config.data_dir, &row)?;
    let text = token.text.expose();
    if answer.json {
        writeln!(
            out,
            "{}",
            json!({ "id": row.id, "name": name, "scope": scope.as_str(), "token": text })
        )?;
    } else {
        writeln!(out, "{text}")?;
        // People see the note, a pipe gets the token alone.
        writeln!(
            std::io::stderr(),
            "This is the only time that the token is shown. Its id is {}.",
            row.id
        )?;
    }
    Ok(())
}

/// Lists the tokens.
pub(super) fn list(config: &Config, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    prepare(config)?;
    let rows = store::list_tokens_beside(&config.data_dir)?;
    if answer.json {
        let rows: Vec<_> = rows.iter().map(shape).collect();
        writeln!(out, "{}", json!(rows))?;
        return Ok(());
    }
    if rows.is_empty() {
        writeln!(
            out,
            "There is no token. Make one with `hubd token create --name NAME --scope SCOPE`."
        )?;
    }
    for row in rows {
        let used = row
            .last_used
            .map_or_else(|| "never used".to_owned(), |at| format!("last used {}", time(at)));
        writeln!(
            out,
            "{}  {:7}  {}  (made {}, {used})",
            row.id,
            row.scope,
            row.name,
            time(row.created_at)
        )?;
    }
    Ok(())
}

/// Removes a token.
pub(super) fn remove(
    config: &Config,
    id: &str,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    prepare(config)?;
    let Some(row) = store::remove_token_beside(&config.data_dir, id)? else {
        return Err(format!("there is no token {id}; `hubd token list` shows their ids").into());
    };
    if answer.json {
        writeln!(out, "{}", shape(&row))?;
    } else {
        writeln!(
            out,
            "Token {} ({}) is removed: the next request with it is refused, its event streams end within 15 seconds.",
            row.id, row.name
        )?;
    }
    Ok(())
}

fn shape(row: &TokenRow) -> serde_json::Value {
    json!({
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "created_at": time(row.created_at),
        "last_used_at": row.last_used.map(time),
    })
}

/// Sees that there is a store, and that nothing becomes another user's file.
pub(super) fn prepare(config: &Config) -> Result<(), Fault> {
    let dir = &config.data_dir;
    refuse_other_user(dir)?;
    match Store::open(dir, &store_options(&config.vault.recovery_recipients)) {
        // It exists now; a running hub holds it.
        Ok(_) | Err(StoreError::InUse(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Files that root makes in the hub's folder could keep the hub from starting.
pub(super) fn refuse_other_user(dir: &Path) -> Result<(), Fault> {
    let Ok(folder) = dir.metadata() else { return Ok(()) };
    let me = rustix::process::geteuid().as_raw();
    if folder.uid() == me {
        return Ok(());
    }
    let sentence = format!(
        "{} belongs to user {} and this is user {me}: run it as that user, such as `sudo -u hubd hubd …`",
        dir.display(),
        folder.uid()
    );
    Err(sentence.into())
}
