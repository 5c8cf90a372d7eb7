//! `hubd slots`: what each lock holds, shall hold and why it differs, and what a person decides about it.

use std::io::Write;

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::console::{Console, confirm, part};
use super::shown::{items, text};
use super::{AnswerForm, Fault, Place};

#[derive(Debug, Subcommand)]
pub(super) enum Slots {
    /// List the slots of one lock, or of every lock
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots list \"Front door\"")]
    List {
        /// The lock, by name or id; every lock when absent
        lock: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Read every slot of a lock now
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots refresh \"Front door\"")]
    Refresh {
        /// The lock, by name or id
        lock: String,
        #[command(flatten)]
        place: Place,
    },
    /// Write everything again to a lock that lost its codes, or to one that takes the place of another
    #[command(
        after_help = "Examples:\n  sudo -u hubd hubd slots refill \"Front door\" --yes\n  \
        sudo -u hubd hubd slots refill \"New front door\" --from 17 --yes"
    )]
    Refill {
        /// The lock, by name or id
        lock: String,
        /// The id of the lock that is gone and whose place it takes
        #[arg(long, value_name = "ID")]
        from: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Try a slot again now
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots retry \"Front door\" 3")]
    Retry(Which),
    /// Make a code that the hub did not write somebody's
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots adopt \"Front door\" 7 --person Ann")]
    Adopt {
        #[command(flatten)]
        which: Which,
        /// Whose it is, by name or id
        #[arg(long)]
        person: String,
        /// What people call it
        #[arg(long, default_value = "")]
        label: String,
    },
    /// Leave a code that the hub did not write where it is
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots ignore \"Front door\" 7")]
    Ignore(Which),
    /// Clear a code that the hub did not write
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots clear \"Front door\" 7 --yes")]
    Clear {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Forget what a lock held that is gone and will not come back
    #[command(after_help = "Example:\n  sudo -u hubd hubd slots forget 17 --yes")]
    Forget {
        /// The id of the lock that is gone
        lock: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Which slot.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The lock, by name or id
    lock: String,
    /// The slot's number
    slot: u16,
    /// What is kept in it: pin, rfid or fingerprint
    #[arg(long, default_value = "pin")]
    kind: String,
    #[command(flatten)]
    place: Place,
}

impl Which {
    fn path(&self, console: &Console) -> Result<String, Fault> {
        let lock = console.lock(&self.lock)?;
        Ok(format!(
            "/locks/{}/slots/{}/{}",
            part(&lock),
            part(&self.kind),
            self.slot
        ))
    }
}

/// Does what was asked.
pub(super) fn answer(command: &Slots, out: &mut dyn Write) -> Result<(), Fault> {
    match command {
        Slots::List { lock, place, answer } => list(lock.as_deref(), place, *answer, out),
        Slots::Refresh { lock, place } => {
            let console = Console::at(place)?;
            let path = format!("/locks/{}/slots/refresh", part(&console.lock(lock)?));
            console.ask(Method::POST, &path, None)?;
            Ok(writeln!(out, "{lock} is asked for every slot.")?)
        }
        Slots::Refill {
            lock,
            from,
            yes,
            place,
        } => {
            let console = Console::at(place)?;
            let path = format!("/locks/{}/slots/refill", part(&console.lock(lock)?));
            let what = match from {
                Some(from) => format!("{lock} takes the place of lock {from} and gets its codes"),
                None => format!("everything that {lock} held is written to it again"),
            };
            confirm(*yes, &what)?;
            let body = from.as_ref().map(|from| json!({ "from": from }));
            let codes = console.ask(Method::POST, &path, body.as_ref())?;
            lock_lines(&codes, out)
        }
        Slots::Retry(which) => {
            let console = Console::at(&which.place)?;
            let path = format!("{}/retry", which.path(&console)?);
            lock_lines(&console.ask(Method::POST, &path, None)?, out)
        }
        Slots::Adopt { which, person, label } => {
            let console = Console::at(&which.place)?;
            let body = json!({ "person": console.person(person)?, "label": label });
            let path = format!("{}/adopt", which.path(&console)?);
            let credential = console.ask(Method::POST, &path, Some(&body))?;
            let id = text(&credential, "id");
            Ok(writeln!(out, "It is {person}'s now, as credential {id}.")?)
        }
        Slots::Ignore(which) => {
            let console = Console::at(&which.place)?;
            let path = format!("{}/ignore", which.path(&console)?);
            lock_lines(&console.ask(Method::POST, &path, None)?, out)
        }
        Slots::Clear { which, yes } => {
            let console = Console::at(&which.place)?;
            let path = which.path(&console)?;
            let what = format!(
                "slot {} of {}, which the hub did not write, is cleared",
                which.slot, which.lock
            );
            confirm(*yes, &what)?;
            lock_lines(&console.ask(Method::DELETE, &path, None)?, out)
        }
        Slots::Forget { lock, yes, place } => {
            let console = Console::at(place)?;
            confirm(*yes, &format!("what lock {lock} held is forgotten"))?;
            console.ask(Method::DELETE, &format!("/locks/{}/slots", part(lock)), None)?;
            Ok(writeln!(out, "What lock {lock} held is forgotten.")?)
        }
    }
}

fn list(lock: Option<&str>, place: &Place, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    let console = Console::at(place)?;
    let codes = match lock {
        Some(lock) => console.get(&format!("/locks/{}/slots", part(&console.lock(lock)?)))?,
        None => console.get("/slots")?,
    };
    if lock.is_some() {
        answer.one(&codes, out, lock_lines)
    } else {
        answer.all(&codes, "No lock keeps codes.", out, lock_lines)
    }
}

/// A lock's slots, for people.
fn lock_lines(codes: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    write!(out, "{} ({})", text(codes, "name"), text(codes, "lock"))?;
    match codes.get("read_at").and_then(Value::as_str) {
        Some(at) => writeln!(out, ", read {at}")?,
        None => writeln!(out, ", not read yet")?,
    }
    if let Some(since) = codes.get("gone_since").and_then(Value::as_str) {
        writeln!(out, "  gone since {since}")?;
    }
    if let Some(emptied) = codes.get("emptied") {
        let count = emptied.get("codes").and_then(Value::as_u64).unwrap_or_default();
        writeln!(
            out,
            "  it lost {count} codes; `hubd slots refill` writes them again"
        )?;
    }
    for slot in items(codes, "slots") {
        let number = slot.get("slot").and_then(Value::as_u64).unwrap_or_default();
        let whose = slot
            .get("wanted")
            .map_or_else(String::new, |wanted| format!(" for {}", text(wanted, "name")));
        let how = match slot.get("pending") {
            Some(pending) => format!(
                "to {} since {}: {}",
                text(pending, "what"),
                text(pending, "since"),
                pending.get("why").map_or("", |why| text(why, "detail"))
            ),
            None if text(slot, "holder") == "foreign" => "which the hub leaves alone".to_owned(),
            None => "as wanted".to_owned(),
        };
        writeln!(
            out,
            "  {} {number}: {}{whose}, {how}",
            text(slot, "kind"),
            text(slot, "holder")
        )?;
    }
    for left in items(codes, "left_out") {
        writeln!(
            out,
            "  credential {} has no slot: {}",
            text(left, "credential"),
            left.get("why").map_or("", |why| text(why, "detail"))
        )?;
    }
    Ok(())
}
