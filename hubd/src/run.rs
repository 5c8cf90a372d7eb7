//! The one event loop: it owns the mind, feeds it what happens and carries out what it decides.
//!
//! Radios go first, then the store's word, deadlines, and requests; but everybody gets a turn, so that a babbling
//! radio starves no request. Nothing here waits for a disk, a radio or a client: orders are given to adapters and
//! records to the store without waiting, and what does not fit comes back to the mind as a fact.

mod held;
pub mod start;
mod vain;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use hubd_core::engine::Engine;
use hubd_core::input::{Input, Memory, Request, Ticket};
use hubd_core::output::{Output, Record};
use hubd_core::view::StoreHealth;
use hubd_model::{
    CodeReport, CodeTaskEnd, CommandId, DongleMemory, Entropy, Millis, MonoTime, Now, Order, RadioName,
    Report, UnixMillis, Zone,
};
use hubd_zwave::io::FromRadio;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Interval;
use tokio_util::sync::CancellationToken;

use crate::hub::{AskError, Hub, ToLoop};
use crate::run::held::{HeldAnswers, Reply};
use crate::run::start::{FirstVerdicts, NoRadio};
use crate::run::vain::VainStart;
use crate::store::{Show, Store, StoreJob, StoreStatus, Taken};
use crate::supervise::RadioLink;

/// After so many turns everybody gets one, whoever else has something to say.
const TURNS_IN_A_ROW_MAX: u32 = 32;
/// How long what was taken waits for its commit: until everybody has been told, orders have left, and what comes with it
/// is here.
const FLUSH_PAUSE: Millis = Millis(4);
/// The mind is told within this that the date became known.
const DATE_LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long adapters have to end when the hub stops.
const ADAPTERS_END_MAX: Duration = Duration::from_secs(3);
/// How long the store has to write the last entries when the hub stops.
const LAST_ENTRIES_MAX: Duration = Duration::from_secs(5);

/// Where records go.
pub trait Records {
    /// Takes jobs, in their order; never waits.
    fn submit(&self, jobs: Vec<StoreJob>, show: Show) -> Taken;

    /// Lets what was taken be written.
    fn flush(&self);
}

impl Records for Store {
    fn submit(&self, jobs: Vec<StoreJob>, show: Show) -> Taken {
        self.submit_all(jobs, show)
    }

    fn flush(&self) {
        Self::flush(self);
    }
}

/// What the loop is made of.
pub struct Parts<R> {
    /// The handle, for telling waiters of command changes.
    pub hub: Hub,
    /// The loop's end of the handle.
    pub from_handles: mpsc::Receiver<ToLoop>,
    /// Where records go.
    pub store: R,
    /// What the store says.
    pub status: mpsc::Receiver<StoreStatus>,
    /// What the store remembers.
    pub memory: Memory,
    /// The radios, in the configuration's order.
    pub radios: Vec<RadioLink>,
    /// Stops the adapters: the token that they were started with.
    pub stop_radios: CancellationToken,
    /// The hub's version.
    pub version: String,
    /// The home's time zone.
    pub zone: Zone,
    /// Randomness for the mind.
    pub entropy: Entropy,
    /// Stops the loop.
    pub stop: CancellationToken,
    /// When the start before this one began, if it was in vain.
    pub vain_start: Option<UnixMillis>,
    /// Told once whether there is a radio to work with. Who hears that there is none stops the hub.
    pub started: oneshot::Sender<Result<(), NoRadio>>,
}

/// Runs the hub until it is told to stop. The store is closed by whoever opened it, afterwards.
pub async fn run<R: Records>(parts: Parts<R>, clock: impl Fn() -> Now) {
    let mut house = Loop {
        engine: Engine::new(),
        hub: parts.hub,
        store: parts.store,
        radios: parts.radios,
        clock,
        tickets: 0,
        last_entry: 0,
        durable: parts.memory.last_seq,
        first_radio: 0,
        flush_at: None,
        start: None,
        vain: VainStart::Open,
        held: HeldAnswers::default(),
    };
    let (mut from_handles, mut status) = (parts.from_handles, parts.status);
    let radios: Vec<RadioName> = house.radios.iter().map(|radio| radio.name().clone()).collect();
    let verdicts = FirstVerdicts::new((house.clock)().mono, radios.iter().cloned());
    house.start = Some((verdicts, parts.started));
    house.vain = VainStart::new(parts.vain_start, (house.clock)().wall.label());
    house.give(
        Input::Started {
            memory: parts.memory,
            radios,
            version: parts.version,
            zone: parts.zone,
            entropy: parts.entropy,
        },
        None,
    );
    house.judge_start();
    // systemd restarts a hub that does not pat its watchdog; three pats within its limit.
    let mut watchdog = sd_notify::watchdog_enabled().map(|limit| tokio::time::interval(limit / 3));

    let mut turns = 0_u32;
    let mut store_speaks = true;
    while !parts.stop.is_cancelled() {
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(TURNS_IN_A_ROW_MAX) {
            house.flush_when_due();
            house.give_everybody_a_turn(&mut from_handles, &mut status);
            if let Some(watchdog) = &mut watchdog
                && watchdog.tick().now_or_never().is_some()
            {
                notify(NotifyState::Watchdog);
            }
            tokio::task::yield_now().await;
        }
        let until_deadline = house.until_deadline();
        let until_verdict = house.until_verdict();
        let until_flush = house.until_flush();
        if until_deadline == Some(Duration::ZERO) {
            house.give(Input::Tick, None);
            continue;
        }
        tokio::select! {
            biased;
            () = parts.stop.cancelled() => break,
            (place, word) = next_word(&mut house.radios, house.first_radio) => house.hear(place, word),
            said = status.recv(), if store_speaks => match said {
                Some(said) => house.store_says(said),
                None => {
                    store_speaks = false;
                    let reason = "the store has ended, so nothing is recorded; restart the hub".to_owned();
                    house.store_says(StoreStatus::Failing { reason });
                }
            },
            () = sleep_or_never(until_deadline) => house.give(Input::Tick, None),
            () = sleep_or_never(until_flush) => house.flush(),
            () = sleep_or_never(until_verdict) => house.judge_start(),
            Some(message) = from_handles.recv() => house.asked(message),
            () = tick_or_never(&mut watchdog) => notify(NotifyState::Watchdog),
        }
    }

    notify(NotifyState::Stopping);
    parts.stop_radios.cancel();
    house.hear_the_last_words().await;
    house.give(Input::Stopping, None);
    house.record_what_was_held();
    house.flush();
    house.wait_for_the_disk(&mut status).await;
}

struct Loop<R, C> {
    engine: Engine,
    hub: Hub,
    store: R,
    radios: Vec<RadioLink>,
    clock: C,
    tickets: u64,
    /// The newest entry that was given to the store.
    last_entry: u64,
    /// The newest entry that is on disk.
    durable: u64,
    /// Which radio is listened to first, in turns.
    first_radio: usize,
    /// When the store is to write what waits there.
    flush_at: Option<MonoTime>,
    /// The verdicts of the start until they are complete, and who waits for them.
    start: Option<(FirstVerdicts, oneshot::Sender<Result<(), NoRadio>>)>,
    vain: VainStart,
    /// Answers that wait until what they tell is on disk.
    held: HeldAnswers,
}

impl<R: Records, C: Fn() -> Now> Loop<R, C> {
    /// One mutation, and everything that it leads to.
    fn give(&mut self, input: Input, mut reply: Option<Reply>) {
        let mut inputs = VecDeque::from([input]);
        // Given to the store together, so that its thread wakes once and commits once.
        let mut records = Vec::new();
        let mut show = Show::AtOnce;
        let mut urgent = false;
        // An order that is lost ends its command, so this ends too.
        while let Some(input) = inputs.pop_front() {
            self.engine.handle((self.clock)(), input);
            while let Some(output) = self.engine.poll() {
                match output {
                    Output::Order { radio, order } => {
                        show = Show::AtCommit;
                        inputs.extend(self.order(radio, order));
                    }
                    Output::Journal(entry) => records.push(StoreJob::Journal(entry)),
                    Output::Save(record) => {
                        urgent |= matches!(record, Record::LifeSafety(_));
                        records.push(StoreJob::Save(record));
                    }
                    Output::Forget(key) => records.push(StoreJob::Forget(key)),
                    Output::Command(command) => self.hub.publish_command(command),
                    Output::Answer { answer, .. } => {
                        if let Some(reply) = reply.take() {
                            self.held
                                .give(reply, answer, self.durable, self.engine.store_health());
                        }
                    }
                }
            }
        }
        // A decision of life safety is on record before its orders reach their radios.
        if urgent {
            show = Show::AtOnce;
        }
        let records = self.vain.pass(records);
        self.submit(records, show);
    }

    fn submit(&mut self, records: Vec<StoreJob>, show: Show) {
        for job in &records {
            if let StoreJob::Journal(entry) = job {
                self.last_entry = entry.seq;
            }
        }
        if records.is_empty() {
            return;
        }
        match self.store.submit(records, show) {
            Taken::Written => self.flush_at = None,
            Taken::Waiting if self.flush_at.is_none() => {
                self.flush_at = Some((self.clock)().mono + FLUSH_PAUSE);
            }
            Taken::Waiting => {}
        }
    }

    /// A babbling radio does not keep the store from writing.
    fn flush_when_due(&mut self) {
        if self.until_flush() == Some(Duration::ZERO) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.flush_at.take().is_some() {
            self.store.flush();
        }
    }

    /// Gives an order to its radio; what was lost comes back as an input.
    fn order(&self, radio: RadioName, order: Order) -> Option<Input> {
        let link = self.radios.iter().find(|link| *link.name() == radio);
        let lost = match link {
            Some(link) => link.order(order).err()?,
            None => order,
        };
        tracing::warn!(%radio, "an order did not reach the adapter");
        let command: Option<CommandId> = match lost {
            Order::Actuate { command, .. } => Some(command),
            Order::Include(_) | Order::Answer(_) | Order::Cancel | Order::Exclude => None,
            Order::Codes { task, device, .. } => {
                let end = CodeTaskEnd::NoAnswer {
                    reason: "the radio has too much to do".to_owned(),
                    left: false,
                };
                let report = CodeReport::Ended { task, end, frames: 0 };
                let report = Report::Codes { device, report };
                return Some(Input::Report { radio, report });
            }
            Order::CopyDongle | Order::RestoreDongle(_) => {
                let failed = DongleMemory::Failed {
                    reason: "the radio has too much to do; try again in a minute".to_owned(),
                };
                let report = Report::Dongle(failed);
                return Some(Input::Report { radio, report });
            }
            // Nothing waits for these: a withdrawn movement expires by itself, the others can be asked for again.
            Order::Withdraw { .. }
            | Order::ReadLog { .. }
            | Order::Refresh { .. }
            | Order::RemoveFailed { .. }
            | Order::HoldAutoRelock { .. } => return None,
        };
        Some(Input::OrderLost { command, radio })
    }

    fn hear(&mut self, place: usize, word: FromRadio) {
        self.first_radio = place.wrapping_add(1);
        let Some(radio) = self.radios.get(place) else {
            return;
        };
        let name = radio.name().clone();
        match word {
            FromRadio::Report(report) => {
                if let (Report::Radio(state), Some((verdicts, _))) = (&report, &mut self.start) {
                    verdicts.hear(&name, state);
                    self.judge_start();
                }
                if let Report::Dongle(DongleMemory::Copied(image)) = &report {
                    let (radio, image) = (name.clone(), image.clone());
                    self.submit(vec![StoreJob::KeepDongle { radio, image }], Show::AtCommit);
                }
                self.give(Input::Report { radio: name, report }, None);
            }
            FromRadio::KeepCache(bytes) => {
                radio.keep_cache(bytes.clone());
                self.submit(vec![StoreJob::KeepCache { radio: name, bytes }], Show::AtCommit);
            }
        }
    }

    /// Tells who waits for it, and systemd, whether the hub has a radio to work with, once that is known.
    fn judge_start(&mut self) {
        let Some((verdicts, _)) = &self.start else { return };
        let Some(outcome) = verdicts.outcome((self.clock)().mono) else {
            return;
        };
        if outcome.is_ok() {
            notify(NotifyState::Ready);
            self.record_what_was_held();
        } else {
            self.vain.drop_held();
        }
        if let Some((_, waiting)) = self.start.take() {
            // Who does not wait for it goes on without a radio.
            let _ = waiting.send(outcome);
        }
    }

    fn record_what_was_held(&mut self) {
        let held = self.vain.release();
        self.submit(held, Show::AtOnce);
    }

    fn store_says(&mut self, said: StoreStatus) {
        match said {
            StoreStatus::Durable { seq } => {
                self.durable = self.durable.max(seq);
                self.give(Input::Durable { seq }, None);
                self.held.durable(self.durable);
            }
            StoreStatus::Failing { reason } => {
                self.held.failing(&reason);
                self.give(Input::StoreFailing { reason }, None);
            }
            StoreStatus::Recovered => self.give(Input::StoreRecovered, None),
        }
    }

    fn asked(&mut self, message: ToLoop) {
        match message {
            ToLoop::Request(Request::Credentials { .. }, reply) if self.held.is_full() => {
                // The asker may have gone away meanwhile; then nobody wants the answer.
                let _ = reply.send(Err(AskError::Busy));
            }
            ToLoop::Request(request, reply) => {
                self.tickets = self.tickets.wrapping_add(1);
                self.give(
                    Input::Request {
                        ticket: Ticket(self.tickets),
                        request,
                    },
                    Some(reply),
                );
            }
            ToLoop::Look(look) => look(&self.engine),
        }
    }

    fn give_everybody_a_turn(
        &mut self,
        from_handles: &mut mpsc::Receiver<ToLoop>,
        status: &mut mpsc::Receiver<StoreStatus>,
    ) {
        if let Ok(said) = status.try_recv() {
            self.store_says(said);
        }
        if let Ok(message) = from_handles.try_recv() {
            self.asked(message);
        }
    }

    fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.engine.next_deadline().map(|deadline| self.until(deadline));
        let look = (!(self.clock)().wall.is_synced()).then_some(DATE_LOOK_EVERY);
        deadline.into_iter().chain(look).min()
    }

    fn until_flush(&self) -> Option<Duration> {
        self.flush_at.map(|at| self.until(at))
    }

    fn until_verdict(&self) -> Option<Duration> {
        self.start
            .as_ref()
            .map(|(verdicts, _)| self.until(verdicts.until()))
    }

    fn until(&self, deadline: MonoTime) -> Duration {
        let now = (self.clock)().mono;
        Duration::from_micros(deadline.as_micros().saturating_sub(now.as_micros()))
    }

    /// What the adapters said before they ended is heard.
    async fn hear_the_last_words(&mut self) {
        let ended: Vec<_> = self.radios.iter_mut().map(RadioLink::ended).collect();
        let mut ended = std::pin::pin!(tokio::time::timeout(ADAPTERS_END_MAX, async {
            for adapter in ended {
                adapter.await;
            }
        }));
        loop {
            tokio::select! {
                biased;
                (place, word) = next_word(&mut self.radios, self.first_radio) => self.hear(place, word),
                in_time = &mut ended => {
                    if in_time.is_err() {
                        tracing::warn!("an adapter did not end in time");
                    }
                    return;
                }
            }
        }
    }

    /// Waits until the last entry is on disk, or the store says that it cannot be.
    async fn wait_for_the_disk(&mut self, status: &mut mpsc::Receiver<StoreStatus>) {
        let written = async {
            while self.durable < self.last_entry && self.engine.store_health() == StoreHealth::Good {
                match status.recv().await {
                    Some(said) => self.store_says(said),
                    None => return,
                }
            }
        };
        if tokio::time::timeout(LAST_ENTRIES_MAX, written).await.is_err() {
            tracing::error!("the last entries may not be on disk");
        }
    }
}

/// The next word of any radio, and whose it is. Radios are listened to in turns.
async fn next_word(radios: &mut [RadioLink], first: usize) -> (usize, FromRadio) {
    poll_fn(|context| {
        let count = radios.len();
        for turn in 0..count {
            let place = first.wrapping_add(turn) % count;
            if let Some(radio) = radios.get_mut(place)
                && let Poll::Ready(Some(word)) = radio.poll_report(context)
            {
                return Poll::Ready((place, word));
            }
        }
        Poll::Pending
    })
    .await
}

async fn sleep_or_never(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}

async fn tick_or_never(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Tells systemd, where there is one.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests;
