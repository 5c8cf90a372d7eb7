//! `hubd backup`: made while the hub runs or without it; restored while it does not run; rehearsed at any time.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hubd_model::{RadioName, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::console::{Console, confirm};
use super::{AnswerForm, Fault, Place, dongle, store_options};
use crate::clock;
use crate::config::Config;
use crate::store::backup::{self, Counts, Here, Opener, Progress, Sources, Step};
use crate::store::{RecoveryKey, StoreError, TEXT_BYTES_MAX};

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Make a backup of everything a new machine needs, in one sealed file; the hub may run meanwhile
    #[command(after_help = "Example:\n  sudo -u hubd hubd backup create /mnt/usb/home.hubd-backup")]
    Create {
        /// The file, which must not exist [default: hubd-TIME.hubd-backup in this folder]
        file: Option<PathBuf>,
        /// Make it even though no recovery key could open it: then only this hub can
        #[arg(long)]
        hub_only: bool,
        /// Do not ask the hub that runs to copy its dongles first: what was copied before is in the backup
        #[arg(long)]
        no_dongles: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Put a backup in the place of what is in the data folder; the hub must not run, and what was there is kept aside
    #[command(
        after_help = "Example, on a new machine:\n  sudo -u hubd hubd backup restore home.hubd-backup --recovery-key -\n\
        Then type the 24 words, and Ctrl-D on a line of its own."
    )]
    Restore {
        #[command(flatten)]
        from: Source,
        /// Even if the data folder is another hub's: that one is kept aside
        #[arg(long)]
        replace_other_hub: bool,
        /// When the hub starts, write the network that the backup holds into the dongle of this radio; the network that
        /// the dongle has now is lost
        #[arg(long = "write-dongle", value_name = "RADIO")]
        write_dongles: Vec<String>,
        /// Do not ask whether the dongles' networks may be lost
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
    /// Prove that a backup could be restored: open it, check everything, start it in a scratch folder and compare it
    #[command(after_help = "Example:\n  sudo -u hubd hubd backup rehearse home.hubd-backup --recovery-key -")]
    Rehearse {
        #[command(flatten)]
        from: Source,
        /// Where the scratch folder is made [default: the data folder]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        answer: AnswerForm,
    },
}

/// Which backup, and with which key.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The backup
    file: PathBuf,
    /// A file with the recovery key, as words or text; - for standard input [default: the hub's own identity]
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
}

impl Source {
    fn opener(&self, config: &Config) -> Result<Opener, Fault> {
        let Some(path) = &self.recovery_key else {
            return Ok(Opener::hub(&config.data_dir, &store_options(&[]))?);
        };
        let mut text = Zeroizing::new(String::new());
        let limit = TEXT_BYTES_MAX as u64;
        if path == Path::new("-") {
            if io::stdin().is_terminal() {
                writeln!(
                    io::stderr(),
                    "Type the recovery key, its 24 words or its text, then Ctrl-D on a line of its own:"
                )?;
            }
            io::stdin().lock().take(limit).read_to_string(&mut text)?;
        } else {
            fs::File::open(path)
                .and_then(|file| file.take(limit).read_to_string(&mut text))
                .map_err(|error| {
                    format!("the recovery key in {} cannot be read ({error})", path.display())
                })?;
        }
        let key = RecoveryKey::parse(&SecretString::new(std::mem::take(&mut *text)))?;
        Ok(Opener::recovery(&key))
    }
}

/// Does what was asked; whether it went well.
pub(super) fn answer(command: &Backup, out: &mut dyn Write) -> Result<bool, Fault> {
    match command {
        Backup::Create {
            file,
            hub_only,
            no_dongles,
            place,
            answer,
        } => create(file.as_deref(), *hub_only, !*no_dongles, place, *answer, out).map(|()| true),
        Backup::Restore {
            from,
            replace_other_hub,
            write_dongles,
            yes,
            place,
            answer,
        } => {
            let config = place.load()?;
            let radios = named(&config, write_dongles)?;
            if !radios.is_empty() {
                let what = format!(
                    "when the hub starts, the network that the backup holds is written into the dongle of {}, and the \
                     one that it has now is lost",
                    write_dongles.join(" and ")
                );
                confirm(*yes, &what)?;
            }
            restore(from, *replace_other_hub, &radios, &config, *answer, out).map(|()| true)
        }
        Backup::Rehearse {
            from,
            scratch,
            place,
            answer,
        } => rehearse(from, scratch.as_deref(), &place.load()?, *answer, out),
    }
}

fn create(
    file: Option<&Path>,
    hub_only: bool,
    dongles: bool,
    place: &Place,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let config = place.load()?;
    if dongles {
        copy_dongles(&config)?;
    }
    let now = clock::unix_millis();
    let file = file.map_or_else(|| PathBuf::from(backup::file_name(now)), Path::to_owned);
    let config_file = place.file();
    let options = store_options(&config.vault.recovery_recipients);
    let sources = Sources {
        dir: &config.data_dir,
        options: &options,
        config: Some(&config_file),
        at: now,
        hub_only,
    };
    let manifest = telling(|progress| backup::create(sources, &file, progress))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    left_word(backup::note_created(
        &config.data_dir,
        &name,
        manifest.recovery_keys,
    ))?;
    if answer.json {
        writeln!(out, "{}", json!({ "file": file, "manifest": manifest }))?;
        return Ok(());
    }
    let keys = match manifest.recovery_keys {
        0 => "this hub alone".to_owned(),
        1 => "this hub and 1 recovery key".to_owned(),
        more => format!("this hub and {more} recovery keys"),
    };
    writeln!(
        out,
        "{} holds {}, and journal entries up to {}. It opens with {keys}.",
        file.display(),
        what(&manifest.counts),
        manifest.journal.seq
    )?;
    writeln!(
        out,
        "Keep it on another machine, and try it: hubd backup rehearse {}",
        file.display()
    )?;
    Ok(())
}

fn restore(
    from: &Source,
    replace_other_hub: bool,
    write_dongles: &[RadioName],
    config: &Config,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    super::token::refuse_other_user(&config.data_dir)?;
    let opener = from.opener(config)?;
    let options = store_options(&config.vault.recovery_recipients);
    let (dir, now) = (&config.data_dir, clock::unix_millis());
    let restored = telling(|progress| {
        backup::restore(
            &from.file,
            &opener,
            dir,
            &options,
            replace_other_hub,
            now,
            progress,
        )
    })?;
    let manifest = &restored.manifest;
    if !write_dongles.is_empty() {
        backup::ask_for_dongles(dir, write_dongles)?;
    }
    if answer.json {
        writeln!(
            out,
            "{}",
            json!({ "manifest": manifest, "aside": restored.aside, "config": restored.config })
        )?;
        return Ok(());
    }
    writeln!(
        out,
        "{} is the hub {} as of {}: {}, and journal entries up to {}.",
        dir.display(),
        manifest.hub,
        manifest.created_at,
        what(&manifest.counts),
        manifest.journal.seq
    )?;
    if let Some(aside) = &restored.aside {
        writeln!(out, "What was there before is in {}.", aside.display())?;
    }
    if let Some(config) = &restored.config {
        writeln!(
            out,
            "Its configuration is in {}: compare it with yours.",
            config.display()
        )?;
    }
    writeln!(
        out,
        "Whatever changed after that time is not in it: codes that were revoked since are wanted again. Look through \
         the people before the hub runs for long, then start it: systemctl start hubd"
    )?;
    Ok(())
}

/// What was done is done, whether or not the hub's journal will tell of it.
fn left_word(left: Result<(), StoreError>) -> Result<(), Fault> {
    if let Err(error) = left {
        writeln!(
            io::stderr(),
            "The hub's journal will not tell of it: {error}. Run this as the hub's own user."
        )?;
    }
    Ok(())
}

/// The radios of the configuration with these names.
fn named(config: &Config, names: &[String]) -> Result<Vec<RadioName>, Fault> {
    let radio = |name: &String| {
        let known = config.radios.iter().find(|radio| radio.name.as_str() == name);
        known
            .map(|radio| radio.name.clone())
            .ok_or_else(|| format!("there is no radio {name}; radios are named in the configuration").into())
    };
    names.iter().map(radio).collect()
}

/// Has each radio's dongle copied by the hub that runs. A dongle that cannot be copied now holds up no backup.
fn copy_dongles(config: &Config) -> Result<(), Fault> {
    let console = Console::new(config)?;
    for radio in &config.radios {
        let copied = if console.answers() {
            dongle::copied(&console, radio.name.as_str())
        } else {
            Err("no hub runs here that could ask it".into())
        };
        if let Err(reason) = copied {
            writeln!(
                io::stderr(),
                "The dongle of radio {} was not copied ({reason}). The backup holds the copy that was made before, if \
                 there is one.",
                radio.name
            )?;
        }
    }
    Ok(())
}

fn rehearse(
    from: &Source,
    scratch: Option<&Path>,
    config: &Config,
    answer: AnswerForm,
    out: &mut dyn Write,
) -> Result<bool, Fault> {
    let opener = from.opener(config)?;
    let (dir, now) = (&config.data_dir, clock::unix_millis());
    let scratch = scratch.unwrap_or(dir);
    let rehearsal = telling(|progress| backup::rehearse(&from.file, &opener, dir, scratch, now, progress))?;
    let manifest = &rehearsal.manifest;
    if let Here::Continues { .. } = rehearsal.here {
        let name = from.file.file_name().unwrap_or_default().to_string_lossy();
        left_word(backup::note_rehearsed(dir, &name, &manifest.created_at))?;
    }
    let (good, here) = match rehearsal.here {
        Here::Nobody => (true, "There is no hub here to compare it with.".to_owned()),
        Here::OtherHub => (true, "The hub here is another one.".to_owned()),
        Here::Continues { entries_since: 0 } => (true, "The hub here has nothing that it lacks.".to_owned()),
        Here::Continues { entries_since } => (
            true,
            format!(
                "The hub here goes on from it: {entries_since} journal entries are newer than the backup."
            ),
        ),
        Here::Differs => (
            false,
            format!(
                "The journal here does not hold the backup's last entry ({}): one of the two was rewritten. Verify \
                 the journal here with `hubd journal verify --deep`.",
                manifest.journal.seq
            ),
        ),
    };
    if answer.json {
        let compared = match rehearsal.here {
            Here::Nobody => json!({ "hub": "nobody" }),
            Here::OtherHub => json!({ "hub": "other" }),
            Here::Continues { entries_since } => json!({ "hub": "same", "entries_since": entries_since }),
            Here::Differs => json!({ "hub": "differs" }),
        };
        writeln!(
            out,
            "{}",
            json!({
                "ok": good, "manifest": manifest, "found": rehearsal.found, "devices": rehearsal.devices,
                "here": compared,
            })
        )?;
        return Ok(good);
    }
    writeln!(
        out,
        "{} opens, its hash chain is whole up to entry {}, and every key in it opens.",
        from.file.display(),
        manifest.journal.seq
    )?;
    writeln!(
        out,
        "Restored, there would be the hub {} as of {}: {}.",
        manifest.hub,
        manifest.created_at,
        what(&rehearsal.found)
    )?;
    if !rehearsal.devices.is_empty() {
        writeln!(out, "Devices: {}.", rehearsal.devices.join(", "))?;
    }
    writeln!(out, "{here}")?;
    Ok(good)
}

fn what(counts: &Counts) -> String {
    let some = |count: u64, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    [
        some(counts.people, "person", "people"),
        some(counts.credentials, "credential", "credentials"),
        some(counts.locks, "lock", "locks"),
        some(counts.alarms, "alarm", "alarms"),
        some(counts.radios, "radio's keys", "radios' keys"),
        some(counts.dongles, "dongle's memory", "dongles' memories"),
        some(counts.accounts, "account", "accounts"),
        some(counts.tokens, "token", "tokens"),
    ]
    .join(", ")
}

/// Does something long and tells people how far it is.
fn telling<T>(work: impl FnOnce(&mut dyn FnMut(Progress)) -> T) -> T {
    let shows = io::stderr().is_terminal();
    let mut last: Option<(Step, u64)> = None;
    let done = work(&mut |progress: Progress| {
        let percent = progress
            .done
            .saturating_mul(100)
            .checked_div(progress.total)
            .unwrap_or(100);
        if shows && last != Some((progress.step, percent)) {
            last = Some((progress.step, percent));
            // Who cannot be shown the progress can still be shown the end.
            let _ = write!(io::stderr(), "\r{:<10}{percent:>4} %", progress.step.as_str());
        }
    });
    if shows && last.is_some() {
        let _ = write!(io::stderr(), "\r{:<16}\r", "");
    }
    done
}
