//! Telling people: journal entries go out as messages over ntfy, webhooks, mail and MQTT.
//!
//! ```text
//!   store --live--> listener --(chosen by level)--> queue of each output --> its own task: deliver, wait, try again
//! ```
//! Promise: nothing waits for this. The listener hears what is committed already, through a channel that forgets rather
//! than fills; each output has a bounded queue and a task of its own. What was not told is counted, said in the log and
//! shown by the API; an output that fails is an event like any other.

mod http;
pub mod message;
mod mqtt;
mod queue;
mod smtp;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hubd_core::event::Event;
use hubd_core::input::Request;
use hubd_model::UnixMillis;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, version};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::{NotifyConfig, OutputConfig};
use crate::hub::Hub;
use crate::store::StoredEntry;
use message::Message;
use queue::Queue;

/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);
/// The first wait after a failure; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// After so many attempts, about an hour, a message is given up.
const ATTEMPTS_MAX: u32 = 20;
/// How long the mind may take to tell a device's name.
const NAME_MAX: Duration = Duration::from_secs(2);

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It may arrive later.
    Later(String),
    /// It never will: the other side refuses it.
    Never(String),
}

impl Failure {
    fn reason(&self) -> &str {
        match self {
            Self::Later(reason) | Self::Never(reason) => reason,
        }
    }
}

/// How an output does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that wait.
    pub waiting: usize,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that were given up or refused.
    pub failed: u64,
    /// Messages that found the queue full.
    pub dropped: u64,
    /// When the last one arrived.
    pub delivered_at: Option<UnixMillis>,
    /// What went wrong last, until something arrives again.
    pub fault: Option<String>,
}

struct Output {
    config: NotifyConfig,
    queue: Mutex<Queue>,
    news: Notify,
    tally: Mutex<Tally>,
    /// One test at a time.
    testing: Semaphore,
}

impl Output {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, message: Arc<Message>) {
        let lost = self.queue().push(message);
        if let Some(lost) = lost {
            self.tally().dropped += 1;
            tracing::warn!(output = %self.config.name, seq = lost.seq, "a message was dropped: too many wait");
        }
        self.news.notify_one();
    }

    async fn deliver(&self, trust: &Arc<ClientConfig>, message: &Message) -> Result<(), Failure> {
        let attempt = async {
            match &self.config.output {
                OutputConfig::Ntfy { url, token } => http::ntfy(trust, url, token.as_ref(), message).await,
                OutputConfig::Webhook { url, token } => {
                    http::webhook(trust, url, token.as_ref(), message).await
                }
                OutputConfig::Smtp(config) => smtp::send(config, message).await,
                OutputConfig::Mqtt(config) => mqtt::publish(trust, config, message).await,
            }
        };
        match tokio::time::timeout(ATTEMPT_MAX, attempt).await {
            Ok(done) => done,
            Err(_) => Err(Failure::Later("there was no answer within 20 seconds".to_owned())),
        }
    }
}

/// Why a test message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestFault {
    /// There is no such output.
    NoSuchOutput,
    /// Another test is under way.
    Busy,
    /// One sentence.
    NotDelivered(String),
}

/// The outputs; cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    outputs: Arc<Vec<Arc<Output>>>,
    trust: Arc<ClientConfig>,
    clock: fn() -> UnixMillis,
    missed: Arc<std::sync::atomic::AtomicU64>,
}

impl Notifier {
    /// Outputs of this configuration that trust whom this machine trusts.
    ///
    /// # Errors
    /// One sentence: TLS cannot be spoken.
    pub fn new(configs: &[NotifyConfig], clock: fn() -> UnixMillis) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        if !configs.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            let (good, bad) = roots.add_parsable_certificates(found.certs);
            tracing::debug!(good, bad, "certificates that this machine trusts");
        }
        Self::trusting(configs, clock, roots)
    }

    /// Outputs that trust these authorities.
    ///
    /// # Errors
    /// One sentence: TLS cannot be spoken.
    pub fn trusting(
        configs: &[NotifyConfig],
        clock: fn() -> UnixMillis,
        roots: RootCertStore,
    ) -> Result<Self, String> {
        let trust = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let outputs = configs.iter().map(|config| {
            Arc::new(Output {
                config: config.clone(),
                queue: Mutex::default(),
                news: Notify::new(),
                tally: Mutex::default(),
                testing: Semaphore::new(1),
            })
        });
        Ok(Self {
            outputs: Arc::new(outputs.collect()),
            trust: Arc::new(trust),
            clock,
            missed: Arc::default(),
        })
    }

    /// Every output's name, kind, least level and how it does.
    pub fn outputs(&self) -> Vec<(NotifyConfig, Tally)> {
        let shown = self.outputs.iter().map(|output| {
            let tally = Tally {
                waiting: output.queue().len(),
                ..output.tally().clone()
            };
            (output.config.clone(), tally)
        });
        shown.collect()
    }

    /// How many events were missed because they came faster than they could be looked at.
    pub fn missed(&self) -> u64 {
        self.missed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Sends a test message and waits for its end.
    ///
    /// # Errors
    /// Why it did not arrive.
    pub async fn test(&self, name: &str) -> Result<(), TestFault> {
        let output = self.outputs.iter().find(|output| output.config.name == name);
        let output = output.ok_or(TestFault::NoSuchOutput)?;
        let _turn = output.testing.try_acquire().map_err(|_| TestFault::Busy)?;
        let message = Message::test((self.clock)());
        let done = output.deliver(&self.trust, &message).await;
        self.note(output, &done);
        done.map_err(|failure| TestFault::NotDelivered(failure.reason().to_owned()))
    }

    fn note(&self, output: &Output, done: &Result<(), Failure>) {
        let mut tally = output.tally();
        match done {
            Ok(()) => {
                tally.delivered += 1;
                tally.delivered_at = Some((self.clock)());
                tally.fault = None;
            }
            Err(failure) => tally.fault = Some(failure.reason().to_owned()),
        }
    }

    /// Tells every output what the store shows, until the stop. Call it on a runtime.
    pub fn start(&self, live: Receiver<Arc<StoredEntry>>, hub: &Hub, stop: &CancellationToken) {
        if self.outputs.is_empty() {
            return;
        }
        for output in self.outputs.iter() {
            tokio::spawn(work(self.clone(), Arc::clone(output), hub.clone(), stop.clone()));
        }
        tokio::spawn(listen(self.clone(), live, hub.clone(), stop.clone()));
    }
}

/// Chooses what is told to whom.
async fn listen(notifier: Notifier, mut live: Receiver<Arc<StoredEntry>>, hub: Hub, stop: CancellationToken) {
    loop {
        let entry = tokio::select! {
            () = stop.cancelled() => return,
            entry = live.recv() => entry,
        };
        match entry {
            Ok(entry) => tell(&notifier, &entry, &hub).await,
            Err(RecvError::Lagged(missed)) => {
                notifier
                    .missed
                    .fetch_add(missed, std::sync::atomic::Ordering::Relaxed);
                tracing::warn!(
                    missed,
                    "events came faster than they could be told; the journal has them"
                );
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn tell(notifier: &Notifier, entry: &StoredEntry, hub: &Hub) {
    let level = message::level(entry);
    let about = entry.data.get("what").and_then(serde_json::Value::as_str);
    let wants = |output: &&Arc<Output>| {
        // An output that fails is not told that it does.
        let itself = about.and_then(|what| what.strip_prefix("notify:")) == Some(&output.config.name);
        output.config.least <= level && !itself
    };
    let outputs: Vec<&Arc<Output>> = notifier.outputs.iter().filter(wants).collect();
    if outputs.is_empty() {
        return;
    }
    let message = Arc::new(Message::of(entry, level, name_of(entry, hub).await));
    for output in outputs {
        output.take(Arc::clone(&message));
    }
}

/// What the household calls the device that an entry is about.
async fn name_of(entry: &StoredEntry, hub: &Hub) -> Option<String> {
    let (lock, alarm) = (entry.lock.clone(), entry.alarm.clone());
    if lock.is_none() && alarm.is_none() {
        return None;
    }
    let look = hub.look(move |engine| {
        let lock = lock.and_then(|id| engine.lock(&id)).map(|view| view.name);
        lock.or_else(|| alarm.and_then(|id| engine.alarm(&id)).map(|view| view.name))
    });
    tokio::time::timeout(NAME_MAX, look).await.ok()?.ok()?
}

/// Delivers what waits for one output.
async fn work(notifier: Notifier, output: Arc<Output>, hub: Hub, stop: CancellationToken) {
    let mut failing = false;
    loop {
        let Some(message) = output.queue().pop() else {
            tokio::select! {
                () = stop.cancelled() => return,
                () = output.news.notified() => continue,
            }
        };
        let mut wait = WAIT_FIRST;
        for attempt in 1..=ATTEMPTS_MAX {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = output.deliver(&notifier.trust, &message) => done,
            };
            notifier.note(&output, &done);
            let what = || format!("notify:{}", output.config.name);
            match done {
                Ok(()) => {
                    if failing {
                        failing = false;
                        record(&hub, Event::HubRecovered { what: what() }).await;
                    }
                    break;
                }
                Err(failure) => {
                    tracing::warn!(output = %output.config.name, attempt, reason = failure.reason(), "not told");
                    if !failing {
                        failing = true;
                        let reason = failure.reason().to_owned();
                        record(&hub, Event::HubDegraded { what: what(), reason }).await;
                    }
                    if attempt == ATTEMPTS_MAX || matches!(failure, Failure::Never(_)) {
                        output.tally().failed += 1;
                        break;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(WAIT_MAX);
        }
    }
}

async fn record(hub: &Hub, event: Event) {
    if let Err(error) = hub.request(Request::Record(event)).await {
        tracing::warn!(%error, "how an output does could not be recorded");
    }
}
