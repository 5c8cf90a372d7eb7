//! `hubd person`: the people of the household, kept by the hub that runs.

use std::io::Write;

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};

use super::console::{Console, confirm, part};
use super::shown::{Named, items, text};
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
            let people = Console::at(place)?.get("/people")?;
            let none = "There is nobody. Add somebody with `hubd person add NAME --role ROLE`.";
            answer.all(&people, none, out, line)
        }
        Person::Add {
            name,
            role,
            may_sign_in,
            place,
            answer,
        } => {
            let body = json!({ "name": name, "role": role.as_str(), "may_sign_in": may_sign_in });
            let person = Console::at(place)?.ask(Method::POST, "/people", Some(&body))?;
            answer.one(&person, out, line)
        }
        Person::Change {
            person,
            name,
            role,
            may_sign_in,
            place,
            answer,
        } => {
            let console = Console::at(place)?;
            let body = Named::default()
                .with("name", name.as_ref())
                .with("role", role.map(hubd_model::Role::as_str))
                .with("may_sign_in", *may_sign_in)
                .body();
            let person = console.ask(Method::PATCH, &path(&console, person)?, Some(&body))?;
            answer.one(&person, out, line)
        }
        Person::Remove { person, yes, place } => {
            let console = Console::at(place)?;
            let path = path(&console, person)?;
            let what = format!("{person} is removed, and everything that opens a door for them is revoked");
            confirm(*yes, &what)?;
            console.ask(Method::DELETE, &path, None)?;
            Ok(writeln!(
                out,
                "{person} is removed. `hubd slots list` shows which locks are not free of their codes yet."
            )?)
        }
    }
}

fn path(console: &Console, person: &str) -> Result<String, Fault> {
    Ok(format!("/people/{}", part(&console.person(person)?)))
}

fn line(person: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    let credentials = items(person, "credentials").len();
    let account = if person.get("may_sign_in") == Some(&Value::Bool(true)) {
        ", may sign in"
    } else {
        ""
    };
    Ok(writeln!(
        out,
        "{}  {:9}  {}  ({credentials} credentials{account})",
        text(person, "id"),
        text(person, "role"),
        text(person, "name")
    )?)
}
