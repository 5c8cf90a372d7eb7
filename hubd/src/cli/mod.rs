//! The command line: what can be asked, and what each answer's exit code means (0 done, 1 it failed, 2 wrong usage).

mod account;
mod backup;
mod check;
mod console;
mod credential;
mod demo;
mod doctor;
mod dongle;
mod import;
pub mod journal;
mod keys;
mod person;
mod recovery;
mod run;
mod shown;
mod slots;
mod token;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Config, ConfigError, DEFAULT_PATH};
use crate::store::StoreOptions;
use journal::{ExportFormat, VerifyFormat};

/// Owns the doors of a home, without a cloud.
#[derive(Debug, Parser)]
#[command(name = "hubd", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub until it is told to stop (SIGTERM or Ctrl-C)
    #[command(after_help = "Example:\n  hubd run --config /etc/hubd/hubd.toml")]
    Run(Place),
    /// Play the hub in a simulated home: no hardware, nothing but loopback, nothing kept
    #[command(after_help = "Example:\n  hubd demo --seed 7 --speed 120")]
    Demo(demo::Options),
    /// Check the configuration and say what is wrong with it
    #[command(after_help = "Example:\n  hubd check-config --config ./hubd.toml && systemctl restart hubd")]
    CheckConfig {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Look at everything the hub needs: what works, what does not, what to do
    #[command(after_help = "Example:\n  sudo -u hubd hubd doctor")]
    Doctor {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Verify or export the journal; works while the hub runs, and without it
    #[command(subcommand)]
    Journal(Journal),
    /// Make, list and remove API tokens for machines; works while the hub runs, and without it
    #[command(subcommand)]
    Token(Token),
    /// Make, restore and rehearse backups
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Recovery keys: the way back when this machine is gone; works while the hub runs, and without it
    #[command(subcommand)]
    Keys(recovery::Keys),
    /// Make, reset, list and remove people's accounts; works while the hub runs, and without it
    #[command(subcommand)]
    Account(Account),
    /// People of the household; asks the hub that runs
    #[command(subcommand)]
    Person(person::Person),
    /// What opens doors for people: PINs, tags, fingers, keys; asks the hub that runs
    #[command(subcommand)]
    Credential(credential::Credential),
    /// What each lock holds, and what a person decides about it; asks the hub that runs
    #[command(subcommand)]
    Slots(slots::Slots),
    /// Take over what another controller knows
    #[command(subcommand)]
    Import(import::Import),
    /// What belongs to a radio
    #[command(subcommand)]
    Radio(Radio),
    /// Print the OpenAPI document of the HTTP API
    #[command(after_help = "Example, to make a client from it:\n  hubd openapi > hubd.openapi.json")]
    Openapi,
}

#[derive(Debug, Subcommand)]
enum Journal {
    /// Verify the hash chain: exit code 0 when it is whole, 1 with the first bad entry when it is not
    #[command(after_help = "Example:\n  hubd journal verify --data-dir /mnt/backup/hubd --json")]
    Verify {
        #[command(flatten)]
        folder: Folder,
        /// Open every payload too (needs the hub's identity)
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Write every entry, oldest first
    #[command(after_help = "Example:\n  hubd journal export --format csv --output journal.csv")]
    Export {
        #[command(flatten)]
        folder: Folder,
        /// The form of the entries
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Export,
        /// Write to this new file instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Export {
    /// JSON Lines
    Jsonl,
    /// Comma-separated values
    Csv,
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token and print it, once
    #[command(after_help = "Example:\n  hubd token create --name \"Home Assistant\" --scope actuate")]
    Create {
        /// Its name, for people
        #[arg(long)]
        name: String,
        /// What it allows: read, actuate (also move bolts) or manage (also everything else)
        #[arg(long, value_parser = token::parse_scope)]
        scope: crate::token::Scope,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// List the tokens (never their text)
    #[command(after_help = "Example:\n  hubd token list --json")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Remove a token; a running hub refuses it from its next request on
    #[command(after_help = "Example:\n  hubd token remove 1f00c3a9d2")]
    Remove {
        /// Its id, as `hubd token list` shows it
        id: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
}

#[derive(Debug, Subcommand)]
enum Account {
    /// Make an account, with the password on standard input
    #[command(
        after_help = "Example:\n  read -rs P && printf %s \"$P\" | sudo -u hubd hubd account add Ann --role owner"
    )]
    Add {
        /// Its name
        name: String,
        /// What it may do: owner, resident, guest or responder
        #[arg(long, value_parser = account::parse_role)]
        role: hubd_model::Role,
        /// A third owner, or a further one, is meant
        #[arg(long)]
        further_owner: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Set a new password, on standard input, and sign the account out everywhere
    #[command(after_help = "Example, for an owner who lost the phone too:\n  \
        read -rs P && printf %s \"$P\" | sudo -u hubd hubd account reset Ann --second-factor")]
    Reset {
        /// Its name
        name: String,
        /// Forget the second factor and the recovery codes, too
        #[arg(long)]
        second_factor: bool,
        #[command(flatten)]
        place: Place,
    },
    /// List the accounts
    #[command(after_help = "Example:\n  sudo -u hubd hubd account list --json")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Remove an account; never the last owner
    #[command(after_help = "Example:\n  sudo -u hubd hubd account remove Ben")]
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
enum Radio {
    /// Take over the network keys of a Z-Wave JS installation, as JSON on standard input
    #[command(
        after_help = "Example:\n  jq .zwave.securityKeys settings.json | hubd radio import-keys zwave\n\n\
        The hub must not run meanwhile. Keys that are there already are only replaced with --replace."
    )]
    ImportKeys {
        /// The radio's name in the configuration
        name: String,
        /// Replace the keys that are there: locks included with those no longer answer
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Copy the memory of a radio's dongle, its network, and keep it: it is in every backup from then on; asks the hub that
    /// runs
    #[command(after_help = "Example:\n  sudo -u hubd hubd radio copy-dongle zwave")]
    CopyDongle {
        /// The radio's name in the configuration
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Write the copy that is kept into the dongle that is plugged in, which takes the place of the old one; asks the hub
    /// that runs
    #[command(
        after_help = "Example, after a restore on a new machine with a new dongle of the same kind:\n  \
        sudo -u hubd hubd radio write-dongle zwave"
    )]
    WriteDongle {
        /// The radio's name in the configuration
        name: String,
        /// Do not ask: the network that this dongle has now may be lost
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Which configuration.
#[derive(Debug, Args)]
struct Place {
    /// The configuration file [default: /etc/hubd/hubd.toml]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

impl Place {
    /// The configuration's file, whether or not it is there.
    fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
    }

    fn load(&self) -> Result<Config, ConfigError> {
        // Names and values that are not text cannot be hubd's.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Config::load(self.config.as_deref(), environment)
    }
}

/// Which data folder.
#[derive(Debug, Args)]
struct Folder {
    #[command(flatten)]
    place: Place,
    /// The data folder, when it is not the one of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
}

impl Folder {
    fn find(&self) -> Result<PathBuf, ConfigError> {
        match &self.data_dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(self.place.load()?.data_dir),
        }
    }
}

/// For whom the answer is.
#[derive(Debug, Clone, Copy, Args)]
struct AnswerForm {
    /// Answer in JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Any fault: its text is one sentence and the next step.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Reads the arguments and does what they ask.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Not locked: the other threads of a running hub log to standard output too.
    let mut out = BufWriter::new(io::stdout());
    let done = answer(cli.command, &mut out).and_then(|done| Ok(out.flush().map(|()| done)?));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) if is_broken_pipe(fault.as_ref()) => ExitCode::FAILURE,
        Err(fault) => {
            // Without standard error nobody can be told.
            let _ = writeln!(io::stderr(), "hubd: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(fault: &(dyn std::error::Error + 'static)) -> bool {
    fault
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Does it; whether it went well.
fn answer(command: Command, out: &mut dyn Write) -> Result<bool, Fault> {
    match command {
        Command::Run(place) => run::run(&place).map(|()| true),
        Command::Demo(options) => demo::demo(&options, out).map(|()| true),
        Command::CheckConfig { place, answer } => Ok(check::check_config(&place, answer, out)?),
        Command::Doctor { place, answer } => Ok(doctor::doctor(&place, answer, out)?),
        Command::Journal(Journal::Verify { folder, deep, answer }) => {
            let options = store_options(&[]);
            let form = if answer.json {
                VerifyFormat::Json
            } else {
                VerifyFormat::Text
            };
            Ok(journal::verify(
                &folder.find()?,
                deep.then_some(&options),
                form,
                crate::clock::mono,
                out,
            )?)
        }
        Command::Journal(Journal::Export {
            folder,
            format,
            output,
        }) => {
            let form = match format {
                Export::Jsonl => ExportFormat::JsonLines,
                Export::Csv => ExportFormat::Csv,
            };
            export(&folder.find()?, form, output.as_deref(), out).map(|()| true)
        }
        Command::Token(Token::Create {
            name,
            scope,
            place,
            answer,
        }) => token::create(&place.load()?, &name, scope, answer, out).map(|()| true),
        Command::Token(Token::List { place, answer }) => {
            token::list(&place.load()?, answer, out).map(|()| true)
        }
        Command::Token(Token::Remove { id, place, answer }) => {
            token::remove(&place.load()?, &id, answer, out).map(|()| true)
        }
        Command::Backup(command) => backup::answer(&command, out),
        Command::Keys(command) => recovery::answer(&command, out).map(|()| true),
        Command::Account(Account::Add {
            name,
            role,
            further_owner,
            place,
        }) => account::add(
            &place.load()?,
            &name,
            role,
            further_owner,
            io::stdin().lock(),
            out,
        )
        .map(|()| true),
        Command::Account(Account::Reset {
            name,
            second_factor,
            place,
        }) => account::reset(&place.load()?, &name, second_factor, io::stdin().lock(), out).map(|()| true),
        Command::Account(Account::List { place, answer }) => {
            account::list(&place.load()?, answer, out).map(|()| true)
        }
        Command::Account(Account::Remove { name, place }) => {
            account::remove(&place.load()?, &name, out).map(|()| true)
        }
        Command::Person(command) => person::answer(&command, out).map(|()| true),
        Command::Credential(command) => credential::answer(&command, out).map(|()| true),
        Command::Slots(command) => slots::answer(&command, out).map(|()| true),
        Command::Import(command) => import::answer(&command, out).map(|()| true),
        Command::Radio(Radio::ImportKeys { name, replace, place }) => {
            keys::import(&place.load()?, &name, replace, io::stdin().lock(), out).map(|()| true)
        }
        Command::Radio(Radio::CopyDongle { name, place }) => {
            dongle::copy(&place.load()?, &name, out).map(|()| true)
        }
        Command::Radio(Radio::WriteDongle { name, yes, place }) => {
            dongle::write(&place.load()?, &name, yes, out).map(|()| true)
        }
        Command::Openapi => {
            out.write_all(crate::api::openapi::COMMITTED.as_bytes())?;
            Ok(true)
        }
    }
}

fn export(dir: &Path, form: ExportFormat, output: Option<&Path>, out: &mut dyn Write) -> Result<(), Fault> {
    let options = store_options(&[]);
    let Some(path) = output else {
        journal::export(dir, &options, form, out)?;
        return Ok(());
    };
    // A new file: an export never overwrites what somebody kept.
    let file = File::create_new(path).map_err(|error| {
        format!(
            "{} cannot be written ({error}); name another file with --output",
            path.display()
        )
    })?;
    let count = journal::export(dir, &options, form, &mut BufWriter::new(&file))?;
    file.sync_all()?;
    writeln!(out, "{count} entries were written to {}.", path.display())?;
    Ok(())
}

/// How to open the store of this machine.
fn store_options(recovery_recipients: &[String]) -> StoreOptions {
    StoreOptions {
        recovery_recipients: recovery_recipients.to_vec(),
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        ..StoreOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_make_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                let path = format!("{path} {}", sub.get_name());
                assert!(sub.get_about().is_some(), "{path} has no description");
                if sub.has_subcommands() {
                    walk(sub, &path);
                } else {
                    assert!(sub.get_after_help().is_some(), "{path} has no example");
                }
            }
        }
        walk(&Cli::command(), "hubd");
    }
}
