//! Backups that the running hub makes and rehearses when somebody asks for them over the API: one at a time, in the
//! folder `backups` of the data folder.
//!
//! ```text
//!   create:    each radio's dongle is copied --> the database is copied and sealed --> kept, and recorded
//!   rehearse:  a kept one is opened with the hub's own identity, checked, started in a scratch folder, compared
//! ```
//! A dongle that cannot be copied now holds up no backup: what was copied of it before is in it, and it is told.

mod keys;
mod note;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hubd_core::event::Event;
use hubd_core::input::Request;
use hubd_core::view::{DongleView, DongleWork, RadioView};
use hubd_model::{DongleImage, RadioName, RadioState, UnixMillis};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::radios::DONGLE_SECRET;
use crate::store::backup::{self, EXTENSION, Here, Opener, Progress, Sources};
use crate::store::{Store, StoreOptions};
pub use keys::KeyRefused;
pub use note::{Note, Uncopied};

/// The folder's name in the data folder.
pub const FOLDER: &str = "backups";
/// How many are kept; a person removes old ones.
pub const KEPT_MAX: usize = 32;
/// The longest name of a backup.
const NAME_BYTES_MAX: usize = 64;
/// How often a dongle at work is looked at, and for how long. A copy of an old dongle takes a minute.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const DONGLE_TIME: Duration = Duration::from_mins(10);

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A backup is made.
    Create,
    /// A backup is opened, checked and compared without being put in place.
    Rehearse,
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is at work.
    UnderWay,
    /// It is done.
    Done,
    /// It could not be done: one sentence.
    Failed(String),
}

/// How far the work is, or how the last one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What is done.
    pub work: Work,
    /// The backup's name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// What is done now: `copying_dongle`, `copying`, `sealing`, `opening` or `checking`.
    pub step: &'static str,
    /// How much of it.
    pub done: u64,
    /// Out of how much; 0 while that is not known.
    pub total: u64,
    /// What a person should know of it: dongles that could not be copied, how a rehearsal compared.
    pub notes: Vec<Note>,
}

/// A backup that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// When it was made.
    pub made_at: UnixMillis,
}

/// Why something is not done.
#[derive(Debug, Error)]
pub enum Refused {
    /// One is made or rehearsed already.
    #[error("a backup is made or rehearsed now; wait for its end")]
    Busy,
    /// Too many are kept.
    #[error("{KEPT_MAX} backups are kept already; take them elsewhere and remove some first")]
    Full,
    /// No such backup.
    #[error("there is no such backup; list them with GET /api/v1/backups")]
    NoSuch,
    /// The folder cannot be used.
    #[error("the folder of backups cannot be used ({0}); see that its disk is there and has room")]
    Folder(#[from] io::Error),
}

/// What it works with.
pub struct Parts {
    /// The mind.
    pub hub: Hub,
    /// The data folder.
    pub dir: PathBuf,
    /// How its vault is opened.
    pub options: StoreOptions,
    /// The configuration's file.
    pub config: Option<PathBuf>,
    /// Tells the time of day, for names and labels.
    pub clock: fn() -> UnixMillis,
}

/// Makes, keeps and rehearses backups; cheap to clone.
#[derive(Clone)]
pub struct Backups(Arc<Inner>);

struct Inner {
    parts: Parts,
    job: watch::Sender<Option<Job>>,
    /// Held while a job begins.
    begin: Mutex<()>,
}

impl Backups {
    /// Nothing is done yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            job: watch::Sender::new(None),
            begin: Mutex::new(()),
        }))
    }

    /// The work under way or the last one, and every change of it from now on.
    pub fn watch(&self) -> watch::Receiver<Option<Job>> {
        self.0.job.subscribe()
    }

    /// What is kept, the newest first. Reads a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let mut all = Vec::new();
        let entries = match fs::read_dir(self.folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let about = entry.metadata()?;
            if is_name(&name) && about.is_file() {
                let age = about
                    .modified()?
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                all.push(Kept {
                    name,
                    bytes: about.len(),
                    made_at: UnixMillis(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
                });
            }
        }
        all.sort_by(|one, other| other.made_at.cmp(&one.made_at).then(other.name.cmp(&one.name)));
        Ok(all)
    }

    /// Opens a kept backup, to be taken elsewhere; with its length.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn open(&self, name: &str) -> Result<(File, u64), Refused> {
        let file = File::open(self.path(name)?).map_err(missing)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }

    /// Removes a kept backup.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn remove(&self, name: &str) -> Result<(), Refused> {
        fs::remove_file(self.path(name)?).map_err(missing)
    }

    /// Begins to make a backup. `by` is who asks; `dongles` whether each radio's dongle is copied first; `hub_only`
    /// whether one that no recovery key opens is good enough.
    ///
    /// # Errors
    /// When one is made or rehearsed already, or too many are kept.
    pub fn create(&self, by: String, dongles: bool, hub_only: bool) -> Result<Job, Refused> {
        if self.list()?.len() >= KEPT_MAX {
            return Err(Refused::Full);
        }
        let folder = self.folder();
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        let at = (self.0.parts.clock)();
        let name = backup::file_name(at);
        let step = if dongles { "copying_dongle" } else { "copying" };
        let job = self.begin(Work::Create, name.clone(), step)?;
        let backups = self.clone();
        tokio::spawn(async move {
            if dongles {
                backups.copy_dongles(&by).await;
            }
            let made = backups.make(&name, at, hub_only).await;
            backups.ended(made.err());
        });
        Ok(job)
    }

    /// Begins to rehearse a kept backup with the hub's own identity.
    ///
    /// # Errors
    /// When there is none of this name, or one is made or rehearsed already.
    pub fn rehearse(&self, name: &str) -> Result<Job, Refused> {
        let file = self.path(name)?;
        file.metadata().map_err(missing)?;
        let job = self.begin(Work::Rehearse, name.to_owned(), "opening")?;
        let (backups, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            let tried = backups.try_out(file, name).await;
            backups.ended(tried.err());
        });
        Ok(job)
    }

    fn folder(&self) -> PathBuf {
        self.0.parts.dir.join(FOLDER)
    }

    fn path(&self, name: &str) -> Result<PathBuf, Refused> {
        if is_name(name) {
            Ok(self.folder().join(name))
        } else {
            Err(Refused::NoSuch)
        }
    }

    fn begin(&self, work: Work, name: String, step: &'static str) -> Result<Job, Refused> {
        let _one_begins = self.0.begin.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = |job: &Job| job.state == State::UnderWay;
        if self.0.job.borrow().as_ref().is_some_and(busy) {
            return Err(Refused::Busy);
        }
        let job = Job {
            work,
            name,
            state: State::UnderWay,
            step,
            done: 0,
            total: 0,
            notes: Vec::new(),
        };
        self.0.job.send_replace(Some(job.clone()));
        Ok(job)
    }

    fn change(&self, change: impl FnOnce(&mut Job)) {
        self.0.job.send_modify(|job| {
            if let Some(job) = job {
                change(job);
            }
        });
    }

    fn note(&self, note: Note) {
        tracing::warn!(%note, "a backup");
        self.change(|job| job.notes.push(note));
    }

    fn ended(&self, failure: Option<String>) {
        if let Some(failure) = &failure {
            tracing::error!(failure, "a backup was not made or rehearsed");
        }
        self.change(|job| {
            job.state = failure.map_or(State::Done, State::Failed);
        });
    }

    /// Shows progress, a step at a time and each percent of it.
    fn progress(&self, step: &'static str, done: u64, total: u64) {
        let percent = |done: u64, total: u64| done.saturating_mul(100).checked_div(total);
        self.0.job.send_if_modified(|job| {
            let Some(job) = job else { return false };
            let moved = job.step != step || percent(job.done, job.total) != percent(done, total);
            if moved {
                (job.step, job.done, job.total) = (step, done, total);
            }
            moved
        });
    }

    async fn copy_dongles(&self, by: &str) {
        let radios = match self.0.parts.hub.look(hubd_core::engine::Engine::radios).await {
            Ok(radios) => radios,
            Err(error) => return self.note(Note::NoDongleCopied(error.to_string())),
        };
        for radio in radios {
            let name = radio.name.clone();
            if let Err(reason) = self.copy_dongle(&radio, by).await {
                self.note(Note::DongleNotCopied(name, reason));
            }
        }
    }

    async fn copy_dongle(&self, radio: &RadioView, by: &str) -> Result<(), Uncopied> {
        if radio.state != RadioState::Ready {
            return Err(Uncopied::Away);
        }
        let request = Request::CopyDongle {
            radio: radio.name.clone(),
            requester: by.to_owned(),
        };
        let asked = self.0.parts.hub.request(request).await;
        asked.map_err(|error| Uncopied::Failed(error.to_string()))?;
        tokio::time::timeout(DONGLE_TIME, self.dongle_copied(&radio.name))
            .await
            .map_err(|_| Uncopied::TooSlow)?
    }

    async fn dongle_copied(&self, radio: &RadioName) -> Result<(), Uncopied> {
        loop {
            let name = radio.clone();
            let seen = self.0.parts.hub.look(move |engine| engine.radio(&name)).await;
            let seen = seen.map_err(|error| Uncopied::Failed(error.to_string()))?;
            match seen.map(|radio| radio.dongle) {
                Some(DongleView::UnderWay { done, total, .. }) => {
                    self.progress("copying_dongle", u64::from(done), u64::from(total));
                }
                Some(DongleView::Done {
                    work: DongleWork::Copy,
                    ..
                }) => return Ok(()),
                Some(DongleView::Failed { reason, .. }) => return Err(Uncopied::Failed(reason)),
                Some(DongleView::Untouched | DongleView::Done { .. }) | None => {
                    return Err(Uncopied::Disturbed);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn make(&self, name: &str, at: UnixMillis, hub_only: bool) -> Result<(), String> {
        let target = self.folder().join(name);
        let backups = self.clone();
        let made = tokio::task::spawn_blocking(move || {
            let parts = &backups.0.parts;
            let sources = Sources {
                dir: &parts.dir,
                options: &parts.options,
                config: parts.config.as_deref(),
                at,
                hub_only,
            };
            backup::create(sources, &target, &mut |progress| backups.show(progress))
        });
        let manifest = made.await.map_err(|error| error.to_string())?;
        let manifest = manifest.map_err(|error| error.to_string())?;
        self.record(Event::BackupCreated {
            name: name.to_owned(),
            recovery_keys: manifest.recovery_keys,
        })
        .await;
        Ok(())
    }

    async fn try_out(&self, file: PathBuf, name: String) -> Result<(), String> {
        let backups = self.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let Parts {
                dir, options, clock, ..
            } = &backups.0.parts;
            let opener = Opener::hub(dir, options)?;
            let scratch: &Path = dir;
            backup::rehearse(&file, &opener, dir, scratch, clock(), &mut |progress| {
                backups.show(progress);
            })
        });
        let rehearsal = tried.await.map_err(|error| error.to_string())?;
        let rehearsal = rehearsal.map_err(|error| error.to_string())?;
        match rehearsal.here {
            Here::Continues { entries_since } => {
                self.change(|job| job.notes.push(Note::EntriesSince(entries_since)));
            }
            Here::Nobody | Here::OtherHub | Here::Differs => {
                return Err(
                    "the backup opens, but the hub's journal does not go on from it: verify the journal with `hubd \
                     journal verify --deep`"
                        .to_owned(),
                );
            }
        }
        self.record(Event::BackupRehearsed {
            name,
            made_at: rehearsal.manifest.created_at,
        })
        .await;
        Ok(())
    }

    fn show(&self, progress: Progress) {
        self.progress(progress.step.as_str(), progress.done, progress.total);
    }

    async fn record(&self, event: Event) {
        if let Err(error) = self.0.parts.hub.request(Request::Record(event)).await {
            self.note(Note::NotRecorded(error.to_string()));
        }
    }
}

/// Writes the copies that a restored backup holds into these radios' dongles, as a person asked for when it was restored,
/// each as soon as its radio works. What is not done within the time is left to `hubd radio write-dongle`.
pub async fn write_dongles(hub: Hub, store: Store, radios: Vec<RadioName>, stop: CancellationToken) {
    for radio in radios {
        let written = tokio::select! {
            () = stop.cancelled() => return,
            written = tokio::time::timeout(DONGLE_TIME, write_dongle(&hub, &store, &radio)) => written,
        };
        match written {
            Ok(Ok(())) => {
                tracing::warn!(%radio, "the dongle is being written with the network of the backup");
            }
            Ok(Err(reason)) => tracing::error!(%radio, reason, "the dongle was not written"),
            Err(_) => tracing::error!(%radio, "the dongle was not written: its radio did not work in time"),
        }
    }
}

async fn write_dongle(hub: &Hub, store: &Store, radio: &RadioName) -> Result<(), String> {
    let image = store.secret(radio, DONGLE_SECRET).await;
    let image = image
        .map_err(|error| error.to_string())?
        .ok_or("the backup holds no copy of it")?;
    loop {
        let name = radio.clone();
        let seen = hub.look(move |engine| engine.radio(&name)).await;
        let seen = seen.map_err(|error| error.to_string())?;
        let state = seen.ok_or("it is not in the configuration")?.state;
        if state == RadioState::Ready {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let request = Request::WriteDongle {
        radio: radio.clone(),
        image: DongleImage::new(image),
        requester: "the restore of a backup".to_owned(),
    };
    hub.request(request).await.map_err(|error| error.to_string())?;
    Ok(())
}

fn missing(error: io::Error) -> Refused {
    if error.kind() == io::ErrorKind::NotFound {
        Refused::NoSuch
    } else {
        Refused::Folder(error)
    }
}

/// Whether a name is one that a backup may have: it leads nowhere but into the folder.
fn is_name(name: &str) -> bool {
    let plain = |stem: &str| {
        !stem.is_empty()
            && !stem.starts_with('.')
            && stem
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let stem = name
        .strip_suffix(EXTENSION)
        .and_then(|stem| stem.strip_suffix('.'));
    name.len() <= NAME_BYTES_MAX && stem.is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_but_into_the_folder() {
        assert!(is_name(&backup::file_name(UnixMillis(1_700_000_000_000))));
        assert!(is_name("home.hubd-backup"));
        for bad in [
            "",
            ".hubd-backup",
            "hubd-backup",
            "..hubd-backup",
            "../x.hubd-backup",
            "a/b.hubd-backup",
            "x.hubd-backup\0",
            "x.db",
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(!is_name(&format!("{}.hubd-backup", "x".repeat(NAME_BYTES_MAX))));
    }
}
