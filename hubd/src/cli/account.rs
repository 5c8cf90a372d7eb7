//! `hubd account`: the way back of people who lost their password, second factor or phone. It works on the data folder,
//! whether or not the hub runs; a running hub notices with its next request and records what was done.

use std::io::{Read, Write};
use std::path::Path;

use hubd_model::{Role, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::token::prepare;
use super::{AnswerForm, Fault};
use crate::accounts::{at_console, console_password};
use crate::config::Config;
use crate::store::shape::time;
use crate::store::{AccountChange, AccountRow, Owners, change_accounts_beside, list_accounts_beside};

/// More than any password.
const INPUT_BYTES_MAX: u64 = 4096;

/// A role's name on the command line.
pub(super) fn parse_role(name: &str) -> Result<Role, String> {
    [Role::Owner, Role::Resident, Role::Guest, Role::Responder]
        .into_iter()
        .find(|role| role.as_str() == name)
        .ok_or_else(|| "owner, resident, guest and responder are allowed".to_owned())
}

/// The first line of standard input, where no other process and no history sees it.
fn read_password(input: impl Read) -> Result<SecretString, Fault> {
    let mut text = Zeroizing::new(String::new());
    input
        .take(INPUT_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|_| "the password on standard input is not readable text")?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(SecretString::new(line.to_owned())),
        Some(_) | None => Err("the password is expected on standard input, as one line".into()),
    }
}

fn find(dir: &Path, name: &str) -> Result<AccountRow, Fault> {
    let known = list_accounts_beside(dir)?;
    let names: Vec<&str> = known.iter().map(|row| row.name.as_str()).collect();
    let names = names.join(", ");
    let found = known.iter().find(|row| row.name.eq_ignore_ascii_case(name));
    let missing = || format!("there is no account of this name; there are: {names}");
    Ok(found.cloned().ok_or_else(missing)?)
}

/// Makes an account with the password of standard input.
pub(super) fn add(
    config: &Config,
    name: &str,
    role: Role,
    further_owner: bool,
    input: impl Read,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    prepare(config)?;
    let account = at_console(name, role, &read_password(input)?, crate::clock::unix_millis())?;
    let owners = if further_owner { Owners::Any } else { Owners::Few };
    let id = account.id.clone();
    let what = format!("made as {}", role.as_str());
    change_accounts_beside(
        &config.data_dir,
        &[AccountChange::Add(account, owners)],
        (&id, name),
        &what,
    )?;
    let next = if role == Role::Owner {
        "; a second factor is enrolled at the first sign-in"
    } else {
        ""
    };
    writeln!(out, "{name} can sign in as {}{next}.", role.as_str())?;
    Ok(())
}

/// Sets the password to that of standard input, and forgets every second factor where asked. Every session ends.
pub(super) fn reset(
    config: &Config,
    name: &str,
    second_factor: bool,
    input: impl Read,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    prepare(config)?;
    let account = find(&config.data_dir, name)?;
    let password = console_password(&account.name, &read_password(input)?)?;
    let mut changes = vec![AccountChange::SetPassword {
        account: account.id.clone(),
        password,
        keep: None,
    }];
    let mut what = "the password was reset";
    if second_factor {
        changes.push(AccountChange::ForgetFactors(account.id.clone()));
        what = "the password was reset; every second factor and the recovery codes were forgotten";
    }
    change_accounts_beside(&config.data_dir, &changes, (&account.id, &account.name), what)?;
    writeln!(
        out,
        "{}: {what}. Every session of this account has ended.",
        account.name
    )?;
    Ok(())
}

/// Removes an account; never the last owner.
pub(super) fn remove(config: &Config, name: &str, out: &mut dyn Write) -> Result<(), Fault> {
    prepare(config)?;
    let account = find(&config.data_dir, name)?;
    let change = AccountChange::Remove(account.id.clone());
    change_accounts_beside(
        &config.data_dir,
        &[change],
        (&account.id, &account.name),
        "removed",
    )?;
    writeln!(out, "{} is removed.", account.name)?;
    Ok(())
}

/// Lists the accounts.
pub(super) fn list(config: &Config, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    prepare(config)?;
    let rows = list_accounts_beside(&config.data_dir)?;
    if answer.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "id": row.id,
                    "name": row.name,
                    "role": row.role.as_str(),
                    "has_password": row.password.is_some(),
                    "second_factor": row.has_second_factor(),
                    "passkeys": row.passkeys.len(),
                    "recovery_codes": row.recovery_codes,
                    "created_at": time(row.created_at),
                })
            })
            .collect();
        writeln!(out, "{}", json!(rows))?;
        return Ok(());
    }
    if rows.is_empty() {
        writeln!(
            out,
            "There is no account. `hubd doctor` shows the one-time setup code."
        )?;
    }
    for row in rows {
        let factor = match (row.password.is_some(), row.has_second_factor()) {
            (false, _) => "invited".to_owned(),
            (true, false) => "no second factor".to_owned(),
            (true, true) => {
                let codes = row.recovery_codes;
                let (totp, passkeys) = (usize::from(row.totp.is_some()), row.passkeys.len());
                format!(
                    "second factor: {totp} authenticator, {passkeys} passkeys; {codes} recovery codes left"
                )
            }
        };
        writeln!(out, "{:9}  {}  ({factor})", row.role.as_str(), row.name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_standard_input() {
        let read = |text: &str| read_password(text.as_bytes());
        assert_eq!(read("four words\nmore").unwrap().expose(), "four words");
        for bad in ["", "\n", "\n\n"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read_password(&b"\xff\xfe"[..]).is_err());
        assert_eq!(parse_role("guest"), Ok(Role::Guest));
        assert!(parse_role("root").is_err());
    }
}
