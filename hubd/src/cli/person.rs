//! `hubd person`: the people of the household, kept by the hub that runs.

use std::io::Write;

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::console::{Console, confirm, part};
use super::{AnswerForm, Fault, Place, account};

#[derive(Debug, Subcommand)]
pub(super) enum Person {
    /// List everybody
    #[command(after_help = "Example:\n  sudo -u hubd hubd person list --json")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Add somebody; they open no door until they have a credential
    #[command(after_help = "Example:\n  sudo -u hubd hubd person add Ann --role resident")]
    Add {
        /// Their name
        name: String,
        /// What they are to the household: owner, resident, guest or responder
        #[arg(long, value_parser = account::parse_role)]
        role: hubd_model::Role,
        /// They may have an account
        #[arg(long)]
        may_sign_in: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Change somebody: what is not named stays as it is
    #[command(after_help = "Example:\n  sudo -u hubd hubd person change Ann --name \"Ann B.\"")]
    Change {
        /// Their name or id
        person: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// A new role
        #[arg(long, value_parser = account::parse_role)]
        role: Option<hubd_model::Role>,
        /// Whether they may have an account
        #[arg(long)]
        may_sign_in: Option<bool>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Remove somebody and revoke everything that opens a door for them
    #[command(after_help = "Example:\n  sudo -u hubd hubd person remove Ann --yes")]
    Remove {
        /// Their name or id
        person: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Does what was asked.
pub(super) fn answer(command: &Person, out: &mut dyn Write) -> Result<(), Fault> {
    match command {
        Person::List { place, answer } => {
            let people = Console::new(&place.load()?)?.get("/people")?;
            if answer.json {
                return Ok(writeln!(out, "{people}")?);
            }
            let people = people.as_array().cloned().unwrap_or_default();
            if people.is_empty() {
                writeln!(
                    out,
                    "There is nobody. Add somebody with `hubd person add NAME --role ROLE`."
                )?;
            }
            people.iter().try_for_each(|person| line(person, out))
        }
        Person::Add {
            name,
            role,
            may_sign_in,
            place,
            answer,
        } => {
            let body = json!({ "name": name, "role": role.as_str(), "may_sign_in": may_sign_in });
            let person = Console::new(&place.load()?)?.ask(Method::POST, "/people", Some(&body))?;
            show(&person, *answer, out)
        }
        Person::Change {
            person,
            name,
            role,
            may_sign_in,
            place,
            answer,
        } => {
            let console = Console::new(&place.load()?)?;
            let mut body = Map::new();
            if let Some(name) = name {
                body.insert("name".into(), json!(name));
            }
            if let Some(role) = role {
                body.insert("role".into(), json!(role.as_str()));
            }
            if let Some(may) = may_sign_in {
                body.insert("may_sign_in".into(), json!(may));
            }
            let path = format!("/people/{}", part(&console.person(person)?));
            let person = console.ask(Method::PATCH, &path, Some(&Value::Object(body)))?;
            show(&person, *answer, out)
        }
        Person::Remove { person, yes, place } => {
            let console = Console::new(&place.load()?)?;
            let id = console.person(person)?;
            let what = format!("{person} is removed, and everything that opens a door for them is revoked");
            confirm(*yes, &what)?;
            console.ask(Method::DELETE, &format!("/people/{}", part(&id)), None)?;
            writeln!(
                out,
                "{person} is removed. `hubd slots list` shows which locks are not free of their codes yet."
            )?;
            Ok(())
        }
    }
}

fn show(person: &Value, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    if answer.json {
        return Ok(writeln!(out, "{person}")?);
    }
    line(person, out)
}

fn line(person: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    let text = |key: &str| person.get(key).and_then(Value::as_str).unwrap_or("?");
    let credentials = person
        .get("credentials")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let account = if person.get("may_sign_in") == Some(&Value::Bool(true)) {
        ", may sign in"
    } else {
        ""
    };
    writeln!(
        out,
        "{}  {:9}  {}  ({credentials} credentials{account})",
        text("id"),
        text("role"),
        text("name")
    )?;
    Ok(())
}
