//! `hubd credential`: what opens doors for people, kept by the hub that runs. A PIN comes in on standard input and goes
//! out only when the hub has just drawn it, or when somebody asks to be shown it, which is recorded.

use std::io::{self, Write};

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::console::{Console, confirm, part, read_pin};
use super::shown::{Named, items, text};
use super::{AnswerForm, Fault, Place};

#[derive(Debug, Subcommand)]
pub(super) enum Credential {
    /// List everything that opens doors, without PINs
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential list --person Ann")]
    List {
        /// Only this person's, by name or id
        #[arg(long)]
        person: Option<String>,
        /// Only those on this lock, by name or id
        #[arg(long)]
        lock: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Show one, with where it stands on each lock
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential show 42 --json")]
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Add one; the hub draws the PIN and prints it, unless it comes on standard input
    #[command(after_help = "Examples:\n  \
        sudo -u hubd hubd credential add --person Ann --lock \"Front door\"\n  \
        sudo -u hubd hubd credential add --person Guest --lock \"Front door\" --until 2026-12-01T11:00:00+01:00\n  \
        read -rs P && printf %s \"$P\" | sudo -u hubd hubd credential add --person Ann --lock \"Front door\" --pin-stdin")]
    Add(Box<Add>),
    /// Change one: what is not named stays as it is, no restriction is dropped
    #[command(
        after_help = "Example:\n  sudo -u hubd hubd credential change 42 --until 2026-12-01T11:00:00+01:00"
    )]
    Change(Box<Change>),
    /// Revoke one: each lock is made free of it, and again until that is proven
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential remove 42 --yes")]
    Remove {
        /// Its id
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Give one a new PIN; the old one is taken off every lock
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential rotate 42")]
    Rotate {
        /// Its id
        id: String,
        /// The PIN is on standard input
        #[arg(long)]
        pin_stdin: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Print a PIN; that it was shown is recorded
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential reveal 42 --yes")]
    Reveal {
        /// Its id
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Let a lock learn the next tag or finger for it
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential enrol 43 --lock \"Front door\"")]
    Enrol {
        /// Its id
        id: String,
        /// The lock, by name or id
        #[arg(long)]
        lock: String,
        #[command(flatten)]
        place: Place,
    },
    /// Make an emergency code work, for a while
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential enable 44 --yes")]
    Enable {
        /// Its id
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Make an emergency code work no more
    #[command(after_help = "Example:\n  sudo -u hubd hubd credential disable 44")]
    Disable {
        /// Its id
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// When it opens.
#[derive(Debug, Args)]
pub(super) struct When {
    /// Not before this time, such as 2026-11-25T18:00:00+01:00
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Not at or after this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only in this window of the week, such as "mon-fri 08:00-12:30"; may be given several times
    #[arg(long, value_name = "WINDOW", value_parser = window)]
    weekly: Vec<Window>,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Whose it is, by name or id
    #[arg(long)]
    person: String,
    /// What it is: pin, rfid, fingerprint, mechanical_key or fob
    #[arg(long, default_value = "pin")]
    kind: String,
    /// On this lock, by name or id; may be given several times
    #[arg(long = "lock", value_name = "LOCK")]
    locks: Vec<String>,
    /// What people call it
    #[arg(long, default_value = "")]
    label: String,
    /// The PIN is on standard input
    #[arg(long)]
    pin_stdin: bool,
    /// How many digits the hub shall draw
    #[arg(long, conflicts_with = "pin_stdin")]
    digits: Option<u8>,
    /// What it is for: daily, backup or emergency
    #[arg(long, default_value = "daily")]
    usage: String,
    /// How often it opens
    #[arg(long)]
    uses: Option<u32>,
    /// Where a mechanical key or fob is stored
    #[arg(long)]
    stored: Option<String>,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    answer: AnswerForm,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// Its id
    id: String,
    /// What people call it
    #[arg(long)]
    label: Option<String>,
    /// What it is for: daily, backup or emergency
    #[arg(long)]
    usage: Option<String>,
    /// How often it opens yet
    #[arg(long)]
    uses: Option<u32>,
    /// Without a limit of uses
    #[arg(long, conflicts_with = "uses")]
    no_uses_limit: bool,
    /// On these locks and no others, by name or id
    #[arg(long = "locks", value_name = "LOCK", num_args = 1..)]
    locks: Vec<String>,
    /// Where a mechanical key or fob is stored
    #[arg(long)]
    stored: Option<String>,
    /// It opens always: every restriction of its schedule is taken away
    #[arg(long, conflicts_with_all = ["from", "until", "weekly"])]
    always: bool,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    answer: AnswerForm,
}

/// Windows of one form of words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    days: Vec<&'static str>,
    start: String,
    end: String,
}

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Reads `mon 08:00-12:30` and `mon-fri 08:00-12:30`. The hub checks the times.
fn window(text: &str) -> Result<Window, String> {
    let wrong = || format!("{text:?} is no window; write it as \"mon-fri 08:00-12:30\"");
    let (days, times) = text.split_once(' ').ok_or_else(wrong)?;
    let (start, end) = times.trim().split_once('-').ok_or_else(wrong)?;
    let day = |name: &str| -> Option<usize> {
        let name = name.to_ascii_lowercase();
        DAYS.iter()
            .position(|day| name.len() >= 3 && day.starts_with(name.as_str()))
    };
    let (first, last) = match days.split_once('-') {
        Some((first, last)) => (day(first), day(last)),
        None => (day(days), day(days)),
    };
    let (Some(first), Some(last)) = (first, last) else {
        return Err(wrong());
    };
    let count = (last + DAYS.len() - first) % DAYS.len();
    Ok(Window {
        days: DAYS.iter().cycle().skip(first).take(count + 1).copied().collect(),
        start: start.trim().to_owned(),
        end: end.trim().to_owned(),
    })
}

impl When {
    /// What was named of it, as the API takes it.
    fn named(&self) -> Named {
        let windows: Vec<Value> = self
            .weekly
            .iter()
            .flat_map(|window| {
                let Window { days, start, end } = window;
                days.iter()
                    .map(move |day| json!({ "day": day, "start": start, "end": end }))
            })
            .collect();
        Named::default()
            .with("from", self.from.as_ref())
            .with("until", self.until.as_ref())
            .with("weekly", (!windows.is_empty()).then_some(windows))
    }
}

/// Does what was asked.
pub(super) fn answer(command: &Credential, out: &mut dyn Write) -> Result<(), Fault> {
    match command {
        Credential::List {
            person,
            lock,
            place,
            answer,
        } => list(person.as_deref(), lock.as_deref(), place, *answer, out),
        Credential::Show { id, place, answer } => {
            let credential = Console::at(place)?.get(&path(id, ""))?;
            answer.one(&credential, out, |credential, out| {
                line(credential, out)?;
                places(credential, out)
            })
        }
        Credential::Add(add) => self::add(add, out),
        Credential::Change(change) => self::change(change, out),
        Credential::Remove { id, yes, place } => {
            let console = Console::at(place)?;
            confirm(*yes, &format!("credential {id} is revoked on every lock"))?;
            console.ask(Method::DELETE, &path(id, ""), None)?;
            Ok(writeln!(
                out,
                "Credential {id} is revoked. `hubd slots list` shows which locks are not free of it yet."
            )?)
        }
        Credential::Rotate {
            id,
            pin_stdin,
            place,
            answer,
        } => {
            let console = Console::at(place)?;
            let body = Named::default().with("pin", pin(*pin_stdin)?.as_deref()).body();
            let credential = console.ask(Method::POST, &path(id, "/rotation"), Some(&body))?;
            answer.one(&credential, out, made)
        }
        Credential::Reveal {
            id,
            yes,
            place,
            answer,
        } => {
            let console = Console::at(place)?;
            let what = format!("the PIN of credential {id} is shown, which is recorded");
            confirm(*yes, &what)?;
            let shown = console.ask(Method::POST, &path(id, "/reveal"), None)?;
            answer.one(&shown, out, |shown, out| {
                Ok(writeln!(out, "{}", text(shown, "pin"))?)
            })
        }
        Credential::Enrol { id, lock, place } => {
            let console = Console::at(place)?;
            let body = json!({ "lock": console.lock(lock)? });
            console.ask(Method::POST, &path(id, "/enrolment"), Some(&body))?;
            Ok(writeln!(
                out,
                "{lock} is asked to learn: hold the tag or finger to it when it asks for it."
            )?)
        }
        Credential::Enable { id, yes, place } => {
            let console = Console::at(place)?;
            confirm(*yes, &format!("emergency code {id} opens doors from now on"))?;
            line(&console.ask(Method::POST, &path(id, "/emergency"), None)?, out)
        }
        Credential::Disable { id, place } => {
            let console = Console::at(place)?;
            line(&console.ask(Method::DELETE, &path(id, "/emergency"), None)?, out)
        }
    }
}

/// The path of a credential, or of something of it.
fn path(id: &str, of: &str) -> String {
    format!("/credentials/{}{of}", part(id))
}

/// The PIN on standard input, if it is there.
fn pin(is_there: bool) -> Result<Option<Zeroizing<String>>, Fault> {
    is_there.then(|| read_pin(io::stdin().lock())).transpose()
}

fn list(
    person: Option<&str>,
    lock: Option<&str>,
    place: &Place,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let console = Console::at(place)?;
    let mut only = Vec::new();
    if let Some(person) = person {
        only.push(format!("person={}", part(&console.person(person)?)));
    }
    if let Some(lock) = lock {
        only.push(format!("lock={}", part(&console.lock(lock)?)));
    }
    let all = console.get(&format!("/credentials?{}", only.join("&")))?;
    let none = "There is none. Add one with `hubd credential add --person NAME --lock LOCK`.";
    answer.all(&all, none, out, line)
}

fn add(add: &Add, out: &mut dyn Write) -> Result<(), Fault> {
    let console = Console::at(&add.place)?;
    let body = Named::default()
        .with("person", Some(console.person(&add.person)?))
        .with("kind", Some(&add.kind))
        .with("label", Some(&add.label))
        .with("usage", Some(&add.usage))
        .with("schedule", Some(add.when.named().body()))
        .with("locks", Some(console.locks(&add.locks)?))
        .with("pin", pin(add.pin_stdin)?.as_deref())
        .with("digits", add.digits)
        .with("uses_left", add.uses)
        .with("inventory", inventory(add.stored.as_ref()))
        .body();
    let credential = console.ask(Method::POST, "/credentials", Some(&body))?;
    add.answer.one(&credential, out, made)
}

fn change(change: &Change, out: &mut dyn Write) -> Result<(), Fault> {
    let console = Console::at(&change.place)?;
    let locks = (!change.locks.is_empty()).then(|| console.locks(&change.locks));
    let schedule = if change.always {
        Some(json!({ "from": null, "until": null, "weekly": [] }))
    } else {
        change.when.named().any()
    };
    let uses = (change.uses.is_some() || change.no_uses_limit).then_some(change.uses);
    let body = Named::default()
        .with("label", change.label.as_ref())
        .with("usage", change.usage.as_ref())
        .with("uses_left", uses)
        .with("locks", locks.transpose()?)
        .with("inventory", inventory(change.stored.as_ref()))
        .with("schedule", schedule)
        .any()
        .ok_or("nothing is named that shall change; see `hubd credential change --help`")?;
    let credential = console.ask(Method::PATCH, &path(&change.id, ""), Some(&body))?;
    change.answer.one(&credential, out, line)
}

fn inventory(stored: Option<&String>) -> Option<Value> {
    stored.map(|stored| json!({ "stored": stored }))
}

/// Shows a credential that was made or has a new PIN.
fn made(credential: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    line(credential, out)?;
    if let Some(pin) = credential.get("pin").and_then(Value::as_str) {
        writeln!(out, "Its PIN is {pin}.")?;
    }
    Ok(())
}

fn line(credential: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    let standing = credential
        .get("standing")
        .map_or("", |standing| text(standing, "state"));
    let all = items(credential, "places");
    let pending = all.iter().filter(|place| place.get("why").is_some()).count();
    let on = match (all.len(), pending) {
        (0, _) => "on no lock".to_owned(),
        (count, 0) => format!("on {count} locks, as wanted"),
        (count, pending) => format!("on {count} locks, {pending} not as wanted"),
    };
    Ok(writeln!(
        out,
        "{}  {:14}  {:9}  {:8}  of {}  {}  ({on})",
        text(credential, "id"),
        text(credential, "kind"),
        text(credential, "usage"),
        standing,
        text(credential, "person"),
        text(credential, "label")
    )?)
}

fn places(credential: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    for place in items(credential, "places") {
        let slot = place
            .get("slot")
            .and_then(Value::as_u64)
            .map_or_else(|| "no slot".to_owned(), |slot| format!("slot {slot}"));
        let how = match place.get("why") {
            Some(why) => text(why, "detail").to_owned(),
            None => "as wanted".to_owned(),
        };
        writeln!(out, "  lock {}: {slot}, {how}", text(place, "lock"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_the_week_is_read_from_words() {
        let read = |text: &str| window(text).map(|window| (window.days, window.start, window.end));
        let all = |days: &[&'static str]| Ok((days.to_vec(), "08:00".to_owned(), "12:30".to_owned()));
        assert_eq!(read("mon 08:00-12:30"), all(&["monday"]));
        assert_eq!(read("Saturday 08:00-12:30"), all(&["saturday"]));
        assert_eq!(
            read("fri-mon 08:00-12:30"),
            all(&["friday", "saturday", "sunday", "monday"])
        );
        for bad in [
            "",
            "mon",
            "mon 08:00",
            "mo 08:00-09:00",
            "mon-xyz 08:00-09:00",
            "08:00-09:00",
        ] {
            assert!(window(bad).is_err(), "{bad:?}");
        }
    }
}
