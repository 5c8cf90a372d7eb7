//! `hubd keys`: recovery keys, with which an owner opens what the hub sealed when the hub itself is gone. They are
//! made, listed and removed on the data folder, whether or not the hub runs.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::token::prepare;
use super::{AnswerForm, Fault, Place, store_options};
use crate::clock;
use crate::config::Config;
use crate::store::shape::time;
use crate::store::{self, RecoveryKey, RecoveryRecipient};
use crate::token::check_name;

/// How many words stand in a line.
const WORDS_IN_LINE: usize = 4;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a recovery key and print it, once, as words and as text; everything is sealed for it from then on
    #[command(after_help = "Example:\n  hubd keys make --name \"Safe at the bank\"")]
    Make {
        /// Where the paper will lie, for people
        #[arg(long, default_value = "Recovery key")]
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// List the recipients of the recovery keys (never the keys)
    #[command(after_help = "Example:\n  hubd keys list --json")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Seal everything for a recovery key that was made elsewhere, such as by age-keygen
    #[command(after_help = "Example:\n  hubd keys add age1… --name \"Made at home\"")]
    Add {
        /// Its recipient, age1…
        recipient: String,
        /// Where it lies, for people
        #[arg(long, default_value = "Recovery key")]
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Seal nothing for this recovery key any more
    #[command(after_help = "Example:\n  hubd keys remove age1…")]
    Remove {
        /// Its recipient, as `hubd keys list` shows it
        recipient: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
}

/// Does what was asked.
pub(super) fn answer(command: &Keys, out: &mut dyn Write) -> Result<(), Fault> {
    match command {
        Keys::Make { name, place, answer } => make(&place.load()?, name, *answer, out),
        Keys::List { place, answer } => list(&place.load()?, *answer, out),
        Keys::Add {
            recipient,
            name,
            place,
            answer,
        } => add(&place.load()?, recipient, name, *answer, out),
        Keys::Remove {
            recipient,
            place,
            answer,
        } => remove(&place.load()?, recipient, *answer, out),
    }
}

/// Makes a recovery key, seals everything for it and prints it, once.
fn make(config: &Config, name: &str, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    check_name(name)?;
    prepare(config)?;
    let key = RecoveryKey::generate()?;
    let words = key.words()?;
    let added = RecoveryRecipient {
        recipient: key.recipient(),
        name: name.to_owned(),
        added_at: Some(clock::unix_millis()),
    };
    let options = store_options(&config.vault.recovery_recipients);
    // Shown only once everything is sealed for it: nobody keeps a paper that opens nothing.
    store::add_recipient_beside(&config.data_dir, &options, &added)?;
    let hub = store::hub_recipient(&config.data_dir)?;
    if answer.json {
        writeln!(
            out,
            "{}",
            json!({
                "recipient": added.recipient,
                "name": name,
                "hub": hub,
                "key": key.text().expose(),
                "words": words,
            })
        )?;
        return Ok(());
    }
    let made = time(clock::unix_millis());
    let day = made.get(..10).unwrap_or_default();
    writeln!(out, "RECOVERY KEY OF THIS HOME'S DOORS    {name}, made {day}\n")?;
    writeln!(
        out,
        "Print this page or copy the words by hand, and keep it where fire and thieves do not come. Whoever has it\n\
         and a backup can read every code. It is shown this once and kept nowhere.\n"
    )?;
    for (line, row) in words.chunks(WORDS_IN_LINE).enumerate() {
        for (place, word) in row.iter().enumerate() {
            let number = line
                .saturating_mul(WORDS_IN_LINE)
                .saturating_add(place)
                .saturating_add(1);
            write!(out, "{number:>4}. {word:<10}")?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "\nThe same as text, for a scanner or `age --identity`:\n  {}",
        key.text().expose()
    )?;
    writeln!(out, "\nIts recipient: {}\nThis hub:      {hub}", added.recipient)?;
    writeln!(
        out,
        "\nTo use it: hubd backup restore FILE --recovery-key -    (then type the 24 words)"
    )?;
    Ok(())
}

/// Lists the recovery keys' recipients.
fn list(config: &Config, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    prepare(config)?;
    let options = store_options(&config.vault.recovery_recipients);
    let all = store::list_recipients_beside(&config.data_dir, &options)?;
    if answer.json {
        let all: Vec<_> = all.iter().map(shape).collect();
        writeln!(out, "{}", json!(all))?;
        return Ok(());
    }
    if all.is_empty() {
        writeln!(
            out,
            "There is no recovery key: when this machine dies, so does everything sealed on it. Make one with \
             `hubd keys make`."
        )?;
    }
    for one in all {
        let since = one
            .added_at
            .map_or_else(String::new, |at| format!(", added {}", time(at)));
        writeln!(out, "{}  ({}{since})", one.recipient, one.name)?;
    }
    Ok(())
}

/// Seals everything for a recipient whose key was made elsewhere.
fn add(
    config: &Config,
    recipient: &str,
    name: &str,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    check_name(name)?;
    if recipient.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err("that is a secret key: it belongs on paper; give its recipient (age1…), which age-keygen -y tells".into());
    }
    prepare(config)?;
    let added = RecoveryRecipient {
        recipient: recipient.to_owned(),
        name: name.to_owned(),
        added_at: Some(clock::unix_millis()),
    };
    store::add_recipient_beside(
        &config.data_dir,
        &store_options(&config.vault.recovery_recipients),
        &added,
    )?;
    if answer.json {
        writeln!(out, "{}", shape(&added))?;
    } else {
        writeln!(out, "Everything is sealed for {recipient}, too.")?;
    }
    Ok(())
}

/// Seals everything without a recipient that was added by command.
fn remove(config: &Config, recipient: &str, answer: AnswerForm, out: &mut dyn Write) -> Result<(), Fault> {
    prepare(config)?;
    store::remove_recipient_beside(
        &config.data_dir,
        &store_options(&config.vault.recovery_recipients),
        recipient,
    )?;
    if answer.json {
        writeln!(out, "{}", json!({ "recipient": recipient }))?;
    } else {
        writeln!(
            out,
            "Nothing is sealed for {recipient} any more. Backups that were made before still open with its key: make \
             a new one and destroy those."
        )?;
    }
    Ok(())
}

fn shape(one: &RecoveryRecipient) -> serde_json::Value {
    json!({ "recipient": one.recipient, "name": one.name, "added_at": one.added_at.map(time) })
}
