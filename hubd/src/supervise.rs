//! Keeps one adapter running per radio: starts it, and starts it again when it ends or panics, later each time.
//!
//! ```text
//!   start --> running --ends or panics--> tells "failing" --waits 1 s, 2 s, 4 s ... 60 s--> start
//!                |                                                ^
//!                +-- ran for HEALTHY_MIN: the wait begins at 1 s -+
//! ```
//!
//! A fault in one adapter reaches neither the event loop nor another adapter.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hubd_model::{Order, RadioName, RadioState, Report, Urgency};
use hubd_zwave::io::FromRadio;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// How many orders may wait for one adapter.
pub const ORDERS_MAX: usize = 64;
/// How many more of life safety may: a door that is to be opened in an emergency finds room in a queue that is full.
pub const EMERGENCY_ORDERS_MAX: usize = 256;
/// How many reports of one adapter may wait for the loop; then the adapter waits.
pub const REPORTS_MAX: usize = 256;
/// The wait before the first restart.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest wait before a restart.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// An adapter that ran so long is healthy: its next fault is a first one again.
const HEALTHY_MIN: Duration = Duration::from_mins(5);

/// What one run of an adapter is given.
pub struct Life {
    /// What it shall do.
    pub orders: mpsc::Receiver<Order>,
    /// Where it tells what happens.
    pub out: mpsc::Sender<FromRadio>,
    /// The node cache that it kept last.
    pub cache: Option<Vec<u8>>,
    /// Cancelled when it shall end.
    pub stop: CancellationToken,
}

/// One run of an adapter. It ends by itself only with a fault: one sentence says what is wrong and what to do.
pub type Running = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Starts a run of an adapter; called again for each restart.
pub type Start = Box<dyn FnMut(Life) -> Running + Send>;

/// A radio to be kept running.
pub struct RadioPlan {
    /// Its name.
    pub name: RadioName,
    /// What it is, for people: `Z-Wave`.
    pub kind: &'static str,
    /// The node cache that the store has.
    pub cache: Option<Vec<u8>>,
    /// Starts its adapter.
    pub start: Start,
}

/// What an adapter and its supervisor share across restarts.
#[derive(Debug)]
struct Shared {
    /// To the running adapter; closed while none runs.
    orders: mpsc::Sender<Order>,
    cache: Option<Vec<u8>>,
}

/// The loop's end of one radio.
pub struct RadioLink {
    name: RadioName,
    shared: Arc<Mutex<Shared>>,
    reports: mpsc::Receiver<FromRadio>,
    supervisor: Option<JoinHandle<()>>,
}

impl RadioLink {
    /// The radio's name.
    pub const fn name(&self) -> &RadioName {
        &self.name
    }

    /// Gives an order to the adapter, or returns it when there is no room or no adapter.
    ///
    /// # Errors
    /// The order, when it did not reach the adapter.
    pub fn order(&self, order: Order) -> Result<(), Order> {
        let shared = lock(&self.shared);
        if !is_emergency(&order) && shared.orders.capacity() <= EMERGENCY_ORDERS_MAX {
            return Err(order);
        }
        shared.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(order) | mpsc::error::TrySendError::Closed(order) => order,
        })
    }

    /// Remembers a node cache for the next restart.
    pub fn keep_cache(&self, cache: Vec<u8>) {
        lock(&self.shared).cache = Some(cache);
    }

    /// The next word of the radio. `Ready(None)` when its supervisor ended.
    pub fn poll_report(&mut self, context: &mut Context<'_>) -> Poll<Option<FromRadio>> {
        self.reports.poll_recv(context)
    }

    /// A word that is there already.
    pub fn try_report(&mut self) -> Option<FromRadio> {
        self.reports.try_recv().ok()
    }

    /// A future that waits until the adapter has ended. Cancel `stop` first, and go on listening meanwhile: an
    /// adapter that waits for room in its queue cannot end.
    pub fn ended(&mut self) -> impl Future<Output = ()> + use<> {
        let (name, supervisor) = (self.name.clone(), self.supervisor.take());
        async move {
            let Some(supervisor) = supervisor else { return };
            if let Err(error) = supervisor.await {
                tracing::error!(radio = %name, %error, "the supervisor of a radio ended badly");
            }
        }
    }
}

/// Starts a radio's adapter and keeps it running until `stop`.
pub fn supervise(plan: RadioPlan, stop: CancellationToken) -> RadioLink {
    let (orders, first) = mpsc::channel(ORDERS_MAX + EMERGENCY_ORDERS_MAX);
    let (out, reports) = mpsc::channel(REPORTS_MAX);
    let shared = Arc::new(Mutex::new(Shared {
        orders,
        cache: plan.cache,
    }));
    let supervisor = Supervisor {
        name: plan.name.clone(),
        kind: plan.kind,
        start: plan.start,
        shared: Arc::clone(&shared),
        out,
        stop,
    };
    let supervisor = tokio::spawn(supervisor.run(first));
    RadioLink {
        name: plan.name,
        shared,
        reports,
        supervisor: Some(supervisor),
    }
}

struct Supervisor {
    name: RadioName,
    kind: &'static str,
    start: Start,
    shared: Arc<Mutex<Shared>>,
    out: mpsc::Sender<FromRadio>,
    stop: CancellationToken,
}

impl Supervisor {
    async fn run(mut self, first: mpsc::Receiver<Order>) {
        let mut orders = first;
        let mut wait = WAIT_MIN;
        loop {
            let cache = lock(&self.shared).cache.clone();
            let life = Life {
                orders,
                out: self.out.clone(),
                cache,
                stop: self.stop.child_token(),
            };
            let started = tokio::time::Instant::now();
            let ended = tokio::spawn((self.start)(life)).await;
            if self.stop.is_cancelled() {
                return;
            }
            if started.elapsed() >= HEALTHY_MIN {
                wait = WAIT_MIN;
            }
            let reason = Self::reason(self.kind, ended, wait);
            tracing::error!(radio = %self.name, reason, "adapter ended");
            let out = self.out.clone();
            tokio::select! {
                () = self.stop.cancelled() => return,
                told = out.send(failing(reason)) => if told.is_err() { return },
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(WAIT_MAX);
            let (sender, receiver) = mpsc::channel(ORDERS_MAX + EMERGENCY_ORDERS_MAX);
            lock(&self.shared).orders = sender;
            orders = receiver;
        }
    }

    fn reason(kind: &str, ended: Result<Result<(), String>, JoinError>, wait: Duration) -> String {
        let seconds = wait.as_secs();
        let how = match ended {
            Ok(Err(fault)) => return format!("{fault} (tried again in {seconds} s)"),
            Ok(Ok(())) => "ended by itself",
            Err(error) if error.is_panic() => "crashed",
            Err(_) => "was ended",
        };
        format!(
            "the {kind} driver {how}; it is started again in {seconds} s. If this goes on, look at the log and report it"
        )
    }
}

/// Whether an order is life safety's.
const fn is_emergency(order: &Order) -> bool {
    match order {
        Order::Actuate { urgency, .. } | Order::Codes { urgency, .. } => {
            matches!(urgency, Urgency::LifeSafety)
        }
        Order::HoldAutoRelock { .. } => true,
        Order::Withdraw { .. }
        | Order::ReadLog { .. }
        | Order::Refresh { .. }
        | Order::Include(_)
        | Order::Answer(_)
        | Order::Cancel
        | Order::Exclude
        | Order::CopyDongle
        | Order::RestoreDongle(_)
        | Order::RemoveFailed { .. } => false,
    }
}

fn failing(reason: String) -> FromRadio {
    FromRadio::Report(Report::Radio(RadioState::Failing { reason }))
}

/// The values behind the lock are whole at any time, so a panic elsewhere does not spoil them.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hubd_model::CommandId;
    use tokio::time::Instant;

    use super::*;

    fn withdraw() -> Order {
        Order::Withdraw {
            command: CommandId::parse("c1").unwrap(),
        }
    }

    fn emergency() -> Order {
        Order::Actuate {
            command: CommandId::parse("c2").unwrap(),
            device: hubd_model::DeviceAddress::parse("C0FFEE00/2").unwrap(),
            op: hubd_model::LockOp::Unlock,
            urgency: Urgency::LifeSafety,
            expires: hubd_model::MonoTime::default(),
        }
    }

    async fn next(link: &mut RadioLink) -> FromRadio {
        std::future::poll_fn(|context| link.poll_report(context))
            .await
            .unwrap()
    }

    fn why(word: &FromRadio) -> &str {
        match word {
            FromRadio::Report(Report::Radio(RadioState::Failing { reason })) => reason,
            FromRadio::Report(_) | FromRadio::KeepCache(_) => panic!("{word:?}"),
        }
    }

    fn plan(start: impl FnMut(Life) -> Running + Send + 'static) -> RadioPlan {
        let name = RadioName::parse("zwave").unwrap();
        RadioPlan {
            name,
            kind: "Z-Wave",
            cache: Some(vec![1]),
            start: Box::new(start),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_adapter_is_started_again_later_each_time() {
        let stop = CancellationToken::new();
        let lives = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lives);
        let mut link = supervise(
            plan(move |_| {
                let life = counted.fetch_add(1, Ordering::Relaxed);
                Box::pin(async move {
                    assert!(life != 1, "a fault of the adapter");
                    if life == 2 {
                        Err("the keys are damaged".to_owned())
                    } else {
                        Ok(())
                    }
                })
            }),
            stop.clone(),
        );
        let begun = Instant::now();
        for (life, (how, seconds)) in [
            ("ended by itself", 0),
            ("crashed", 1),
            ("the keys are damaged", 3),
            ("ended by itself", 7),
        ]
        .into_iter()
        .enumerate()
        {
            let word = next(&mut link).await;
            assert!(why(&word).contains(how), "{life}: {word:?}");
            assert_eq!(begun.elapsed().as_secs(), seconds, "{life}");
            assert_eq!(
                link.order(withdraw()),
                Err(withdraw()),
                "nobody takes orders between two lives"
            );
        }
        stop.cancel();
        link.ended().await;
        assert_eq!(lives.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn an_adapter_gets_its_orders_and_its_last_cache() {
        let stop = CancellationToken::new();
        let mut link = supervise(
            plan(|mut life| {
                Box::pin(async move {
                    let cache = life.cache.take().unwrap_or_default();
                    let _ = life.out.send(FromRadio::KeepCache(cache)).await;
                    let _ = life.orders.recv().await;
                    Ok(())
                })
            }),
            stop.clone(),
        );
        assert!(matches!(next(&mut link).await, FromRadio::KeepCache(cache) if cache == [1]));
        link.keep_cache(vec![2]);
        assert_eq!(link.order(withdraw()), Ok(()));
        why(&next(&mut link).await);
        assert!(matches!(next(&mut link).await, FromRadio::KeepCache(cache) if cache == [2]));
        for _ in 0..ORDERS_MAX {
            let _ = link.order(withdraw());
        }
        assert_eq!(
            link.order(withdraw()),
            Err(withdraw()),
            "a full queue returns the order"
        );
        for _ in 0..EMERGENCY_ORDERS_MAX {
            assert_eq!(link.order(emergency()), Ok(()), "an emergency finds room");
        }
        assert_eq!(link.order(emergency()), Err(emergency()));
        stop.cancel();
        link.ended().await;
    }
}
