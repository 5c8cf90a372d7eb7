//! The loop with scripted adapters: on a fake store and paused time, and on the real store.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use hubd_core::credentials::request::{CredentialsRequest, NewPerson};
use hubd_core::event::{Entry, Event};
use hubd_core::input::Answer;
use hubd_core::view::CommandStatus;
use hubd_model::{
    ActuationStep, BatteryPercent, BoltState, DeviceAddress, DeviceDescription, DeviceKind, Entropy,
    LockCapabilities, LockId, LockOp, LockSignal, Millis, MonoTime, RadioState, Report, Role, Security,
    Source, UnixMillis, Urgency, Via, WallTime, Zone,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::hub::AskError;
use crate::store::{Show, StoreOptions, Taken};
use crate::supervise::{Life, ORDERS_MAX, RadioPlan, Running, supervise};

/// A store that keeps everything in memory, and syncs it when it is told to.
#[derive(Clone)]
struct Fake {
    journal: Arc<Mutex<Vec<Entry>>>,
    status: mpsc::Sender<StoreStatus>,
    /// Whether entries are on disk at once.
    disk: bool,
}

impl Records for Fake {
    fn submit(&self, jobs: Vec<StoreJob>, _: Show) -> Taken {
        for job in jobs {
            let StoreJob::Journal(entry) = job else { continue };
            let seq = entry.seq;
            self.journal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(entry);
            if self.disk {
                let _ = self.status.try_send(StoreStatus::Durable { seq });
            }
        }
        Taken::Written
    }

    fn flush(&self) {}
}

impl Fake {
    fn events(&self) -> Vec<Event> {
        self.journal
            .lock()
            .unwrap()
            .iter()
            .map(|entry| entry.event.clone())
            .collect()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.journal
            .lock()
            .unwrap()
            .iter()
            .map(|entry| entry.event.kind())
            .collect()
    }
}

fn name() -> RadioName {
    RadioName::parse("zwave").unwrap()
}

fn address(node: usize) -> DeviceAddress {
    DeviceAddress::parse(&format!("C0FFEE00/{node}")).unwrap()
}

fn lock_found(node: usize) -> FromRadio {
    let description = DeviceDescription {
        kind: DeviceKind::Lock,
        model: "Acme One".into(),
        security: Security::S2AccessControl,
        lock: LockCapabilities::default(),
        hazards: Vec::new(),
    };
    FromRadio::Report(Report::Device {
        device: address(node),
        description,
        fresh: false,
    })
}

fn step(command: &CommandId, step: ActuationStep) -> FromRadio {
    FromRadio::Report(Report::Actuation {
        command: command.clone(),
        step,
    })
}

/// An adapter with one good lock.
fn good(mut life: Life) -> Running {
    Box::pin(async move {
        let out = life.out;
        let _ = out
            .send(FromRadio::Report(Report::Radio(RadioState::Ready)))
            .await;
        let _ = out.send(lock_found(2)).await;
        loop {
            tokio::select! {
                () = life.stop.cancelled() => break,
                Some(order) = life.orders.recv() => {
                    if let Order::Actuate { command, device, op, .. } = order {
                        let _ = out.send(step(&command, ActuationStep::Sent)).await;
                        let _ = out.send(step(&command, ActuationStep::Acknowledged)).await;
                        let signal = LockSignal::Bolt { bolt: op.wanted(), via: Via::source(Source::Remote) };
                        let _ = out.send(FromRadio::Report(Report::Lock { device, signal })).await;
                    }
                }
            }
        }
        let signal = LockSignal::Tampered;
        let _ = out
            .send(FromRadio::Report(Report::Lock {
                device: address(2),
                signal,
            }))
            .await;
        Ok(())
    })
}

/// An adapter that finds so many locks and then does nothing.
fn mute(locks: usize) -> impl FnMut(Life) -> Running + Send {
    move |life| {
        Box::pin(async move {
            let _ = life
                .out
                .send(FromRadio::Report(Report::Radio(RadioState::Ready)))
                .await;
            for node in 0..locks {
                let _ = life.out.send(lock_found(node)).await;
            }
            life.stop.cancelled().await;
            drop(life.orders);
            Ok(())
        })
    }
}

struct House {
    hub: Hub,
    stop: CancellationToken,
    running: JoinHandle<()>,
    started: oneshot::Receiver<Result<(), NoRadio>>,
}

fn start<R: Records + Send + 'static>(
    store: R,
    status: mpsc::Receiver<StoreStatus>,
    memory: Memory,
    adapter: impl FnMut(Life) -> Running + Send + 'static,
) -> House {
    start_after(store, status, memory, None, adapter)
}

fn start_after<R: Records + Send + 'static>(
    store: R,
    status: mpsc::Receiver<StoreStatus>,
    memory: Memory,
    vain_start: Option<UnixMillis>,
    adapter: impl FnMut(Life) -> Running + Send + 'static,
) -> House {
    let (hub, from_handles) = Hub::new();
    let (stop, stop_radios) = (CancellationToken::new(), CancellationToken::new());
    let plan = RadioPlan {
        name: name(),
        kind: "Z-Wave",
        cache: None,
        start: Box::new(adapter),
    };
    let (tell_start, started) = oneshot::channel();
    let parts = Parts {
        hub: hub.clone(),
        from_handles,
        store,
        status,
        memory,
        radios: vec![supervise(plan, stop_radios.clone())],
        stop_radios,
        version: "0.1.0".into(),
        zone: Zone::default(),
        entropy: Entropy::new([7; 32]),
        stop: stop.clone(),
        vain_start,
        started: tell_start,
    };
    let begun = Instant::now();
    let clock = move || {
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap();
        Now {
            mono: MonoTime::from_micros(micros),
            wall: WallTime::Synced(UnixMillis(1_700_000_000_000)),
        }
    };
    House {
        hub,
        stop,
        running: tokio::spawn(run(parts, clock)),
        started,
    }
}

fn fake(disk: bool, adapter: impl FnMut(Life) -> Running + Send + 'static) -> (House, Fake) {
    let (status, said) = mpsc::channel(4_096);
    let store = Fake {
        journal: Arc::default(),
        status,
        disk,
    };
    (start(store.clone(), said, Memory::default(), adapter), store)
}

impl House {
    /// Waits until the mind looks as wanted. Every look is a turn of the loop.
    async fn until<T: Send + 'static>(
        &self,
        look: impl Fn(&Engine) -> Option<T> + Clone + Send + 'static,
    ) -> T {
        for _ in 0..1_000_000 {
            let look = look.clone();
            if let Some(seen) = self.hub.look(move |engine| look(engine)).await.unwrap() {
                return seen;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never came to that");
    }

    async fn locks(&self, count: usize) -> Vec<LockId> {
        self.until(move |engine| {
            let locks: Vec<LockId> = engine.locks().into_iter().map(|lock| lock.id).collect();
            (locks.len() == count).then_some(locks)
        })
        .await
    }

    async fn unlock(&self, command: &str, lock: &LockId) -> Result<Answer, AskError> {
        self.hub
            .request(Request::Actuate {
                command: CommandId::parse(command).unwrap(),
                lock: lock.clone(),
                op: LockOp::Unlock,
                requester: "anna".into(),
                urgency: Urgency::Person,
                time_to_live: Millis(10_000),
            })
            .await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn ended(
    changes: &mut tokio::sync::broadcast::Receiver<hubd_core::view::CommandView>,
) -> CommandStatus {
    loop {
        let change = changes.recv().await.unwrap();
        if change.status.is_ended() {
            return change.status;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_door_opens_and_the_last_words_are_heard() {
    let (house, store) = fake(true, good);
    let lock = house.locks(1).await.remove(0);
    let mut changes = house.hub.command_changes();
    house.unlock("c1", &lock).await.unwrap();
    assert_eq!(ended(&mut changes).await, CommandStatus::Done);
    let bolt = house
        .hub
        .look(move |engine| engine.lock(&lock).unwrap().bolt)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bolt.value, (BoltState::Unlocked, Via::source(Source::Remote)));
    house.stop().await;
    let expected = [
        "hub.started",
        "device.included",
        "lock.operated",
        "command.ended",
        "lock.tampered",
        "hub.stopped",
    ];
    assert_eq!(store.kinds(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_for_the_disk_unless_the_disk_fails() {
    let (house, store) = fake(false, good);
    let lock = house.locks(1).await.remove(0);
    house.unlock("c1", &lock).await.unwrap();
    let id = CommandId::parse("c1").unwrap();
    let journal = Arc::clone(&store.journal);
    house
        .until(move |_| {
            journal
                .lock()
                .unwrap()
                .iter()
                .any(|entry| entry.event.kind() == "command.ended")
                .then_some(())
        })
        .await;
    let seen = id.clone();
    let status = house
        .hub
        .look(move |engine| engine.command(&seen).unwrap().status)
        .await
        .unwrap();
    assert_eq!(status, CommandStatus::Acknowledged);
    store
        .status
        .send(StoreStatus::Failing {
            reason: "full".into(),
        })
        .await
        .unwrap();
    house
        .until(move |engine| (engine.command(&id)?.status == CommandStatus::Done).then_some(()))
        .await;
    store.status.send(StoreStatus::Recovered).await.unwrap();
    house
        .until(|engine| (engine.store_health() == StoreHealth::Good).then_some(()))
        .await;
    house.stop().await;
    assert_eq!(
        store
            .kinds()
            .iter()
            .filter(|kind| kind.starts_with("hub."))
            .count(),
        4
    );
}

fn add_person(name: &str) -> Request {
    let person = NewPerson {
        name: name.into(),
        role: Role::Guest,
        may_sign_in: false,
    };
    Request::Credentials {
        what: Box::new(CredentialsRequest::AddPerson(person)),
        requester: "anna".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_people_waits_until_its_entry_is_on_disk() {
    let (house, store) = fake(false, mute(0));
    let mut asked = Box::pin(house.hub.request(add_person("Ben")));
    assert!((&mut asked).now_or_never().is_none());
    let journal = Arc::clone(&store.journal);
    let last = house
        .until(move |_| {
            let journal = journal.lock().unwrap();
            let entry = journal
                .iter()
                .find(|entry| entry.event.kind() == "person.changed")?;
            Some(entry.seq)
        })
        .await;
    let durable = |seq| store.status.send(StoreStatus::Durable { seq });
    durable(last - 1).await.unwrap();
    house.until(|_| Some(())).await;
    assert!((&mut asked).now_or_never().is_none(), "told before it is on disk");
    durable(last).await.unwrap();
    assert!(matches!(asked.await, Ok(Answer::Credentials { .. })));

    // When the disk does not take it, that is what is told: to who waits, and to who asks then.
    let mut asked = Box::pin(house.hub.request(add_person("Eva")));
    assert!((&mut asked).now_or_never().is_none());
    let reason = || "full".to_owned();
    let failing = StoreStatus::Failing { reason: reason() };
    store.status.send(failing).await.unwrap();
    assert_eq!(asked.await, Err(AskError::NotRecorded(reason())));
    let person = house
        .until(|engine| engine.people().into_iter().find(|person| person.name == "Ben"))
        .await
        .id;
    let what = Box::new(CredentialsRequest::RemovePerson { person });
    let requester = "anna".into();
    let removed = house.hub.request(Request::Credentials { what, requester }).await;
    assert_eq!(removed, Err(AskError::NotRecorded(reason())));
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_what_a_mute_radio_does_not() {
    let (house, store) = fake(true, mute(1));
    let lock = house.locks(1).await.remove(0);
    let mut changes = house.hub.command_changes();
    let asked = Instant::now();
    house.unlock("c1", &lock).await.unwrap();
    assert_eq!(ended(&mut changes).await, CommandStatus::Expired);
    assert_eq!(asked.elapsed().as_secs(), 12);
    house.stop().await;
    assert_eq!(store.kinds().last(), Some(&"hub.stopped"));
}

#[tokio::test(start_paused = true)]
async fn an_order_without_room_is_refused() {
    let (house, _store) = fake(true, mute(ORDERS_MAX + 1));
    let locks = house.locks(ORDERS_MAX + 1).await;
    let mut changes = house.hub.command_changes();
    for (number, lock) in locks.iter().enumerate() {
        house.unlock(&format!("c{number}"), lock).await.unwrap();
    }
    assert_eq!(ended(&mut changes).await, CommandStatus::Refused);
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_adapter_is_told_of_and_comes_back() {
    let lives = Arc::new(AtomicU32::new(0));
    let (house, store) = fake(true, move |life| {
        let first = lives.fetch_add(1, Ordering::Relaxed) == 0;
        let mut good = good(life);
        Box::pin(async move {
            if first {
                tokio::select! {
                    ended = &mut good => return ended,
                    () = tokio::time::sleep(Duration::from_secs(1)) => panic!("a fault of the adapter"),
                }
            }
            good.await
        })
    });
    let lock = house.locks(1).await.remove(0);
    tokio::time::advance(Duration::from_secs(1)).await;
    house
        .until(|engine| matches!(engine.radio(&name())?.state, RadioState::Failing { .. }).then_some(()))
        .await;
    let refused = house.unlock("c1", &lock).await.unwrap_err();
    assert!(matches!(&refused, AskError::Refused(refusal) if refusal.code() == "radio_not_ready"));
    tokio::time::advance(Duration::from_secs(1)).await;
    house
        .until(|engine| (engine.radio(&name())?.state == RadioState::Ready).then_some(()))
        .await;
    let mut changes = house.hub.command_changes();
    house.unlock("c2", &lock).await.unwrap();
    assert_eq!(ended(&mut changes).await, CommandStatus::Done);
    house.stop().await;
    let degraded = store
        .events()
        .iter()
        .filter(|event| matches!(event, Event::HubDegraded { .. }))
        .count();
    assert_eq!((degraded, store.kinds().contains(&"hub.recovered")), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_babbling_radio_starves_nobody() {
    let (house, _store) = fake(true, |life| {
        Box::pin(async move {
            let _ = life.out.send(lock_found(2)).await;
            let level = BatteryPercent::new(50).unwrap();
            let babble = async {
                loop {
                    let _ = life
                        .out
                        .send(FromRadio::Report(Report::Battery {
                            device: address(2),
                            level,
                        }))
                        .await;
                }
            };
            tokio::select! {
                () = life.stop.cancelled() => {}
                () = babble => {}
            }
            Ok(())
        })
    });
    let lock = house.locks(1).await.remove(0);
    let mut changes = house.hub.command_changes();
    house.unlock("c1", &lock).await.unwrap();
    assert_eq!(changes.recv().await.unwrap().status, CommandStatus::Requested);
    house.stop().await;
}

#[tokio::test]
async fn the_real_store_keeps_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (store, opened) = Store::open(folder.path(), &StoreOptions::default()).unwrap();
    let house = start(store.clone(), opened.status, opened.memory, good);
    let lock = house.locks(1).await.remove(0);
    let mut changes = house.hub.command_changes();
    house.unlock("c1", &lock).await.unwrap();
    assert_eq!(ended(&mut changes).await, CommandStatus::Done);
    house.stop().await;
    store.close().await.unwrap();
    drop(store);

    let (store, opened) = Store::open(folder.path(), &StoreOptions::default()).unwrap();
    assert_eq!(opened.memory.last_seq, 6);
    let house = start(store.clone(), opened.status, opened.memory, mute(0));
    assert_eq!(house.locks(1).await, std::slice::from_ref(&lock));
    // Known from before the restart: answered, and not done again.
    let answer = house.unlock("c1", &lock).await.unwrap();
    assert!(matches!(answer, Answer::Command(command) if command.status == CommandStatus::Done));
    house.stop().await;
    store.close().await.unwrap();
}

/// A store that only spools, and notes when it is told to write.
#[derive(Clone)]
struct Spooling {
    fake: Fake,
    flushed: mpsc::Sender<Instant>,
}

impl Records for Spooling {
    fn submit(&self, jobs: Vec<StoreJob>, show: Show) -> Taken {
        match self.fake.submit(jobs, show) {
            Taken::Written | Taken::Waiting => Taken::Waiting,
        }
    }

    fn flush(&self) {
        let _ = self.flushed.try_send(Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn starts_in_vain_are_recorded_once_in_an_hour() {
    let away = || vec![RadioState::Away { reason: "why".into() }; 3];
    let works = vec![RadioState::Starting, RadioState::Ready];
    // The clock of these tests shows the same date always.
    let now = 1_700_000_000_000;
    let vain = ["hub.started", "hub.degraded", "hub.stopped"];
    for (before, states, recorded) in [
        (None, away(), vain.as_slice()),
        (Some(now - 3_600_000), away(), &vain),
        (Some(now - 3_000), away(), &[]),
        (Some(now - 3_000), works, &["hub.started", "hub.stopped"]),
        // Somebody stops it before it is judged.
        (
            Some(now - 3_000),
            vec![RadioState::Starting],
            &["hub.started", "hub.stopped"],
        ),
    ] {
        let (status, said) = mpsc::channel(64);
        let store = Fake {
            journal: Arc::default(),
            status,
            disk: true,
        };
        let judged = states.len() > 1;
        let before = before.map(UnixMillis);
        let mut house = start_after(
            store.clone(),
            said,
            Memory::default(),
            before,
            saying(states.clone()),
        );
        if judged {
            let _ = (&mut house.started).await.unwrap();
        }
        let begun = Instant::now();
        house.stop().await;
        assert!(
            begun.elapsed() < LAST_ENTRIES_MAX,
            "nothing that was dropped is waited for"
        );
        assert_eq!(store.kinds(), recorded, "{before:?} {states:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_spooled_is_written_a_moment_later() {
    let (status_in, status) = mpsc::channel(16);
    let (flushed, mut flushes) = mpsc::channel(16);
    let fake = Fake {
        journal: Arc::default(),
        status: status_in,
        disk: true,
    };
    let begin = Instant::now();
    let house = start(Spooling { fake, flushed }, status, Memory::default(), mute(1));
    let lock = house.locks(1).await.remove(0);
    let first = flushes.recv().await.unwrap() - begin;
    assert!(
        first >= FLUSH_PAUSE.to_std() && first <= 2 * FLUSH_PAUSE.to_std(),
        "{first:?}"
    );
    // Nothing is left over, so nothing is written again until something happens.
    assert!(
        tokio::time::timeout(Duration::from_secs(1), flushes.recv())
            .await
            .is_err()
    );
    let asked = Instant::now();
    house.unlock("c1", &lock).await.unwrap();
    assert!(flushes.recv().await.unwrap() - asked <= 2 * FLUSH_PAUSE.to_std());
    house.stop().await;
}

/// An adapter that says these states and then nothing.
fn saying(states: Vec<RadioState>) -> impl FnMut(Life) -> Running + Send {
    move |life| {
        let states = states.clone();
        Box::pin(async move {
            for state in states {
                let _ = life.out.send(FromRadio::Report(Report::Radio(state))).await;
            }
            life.stop.cancelled().await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_start_is_judged_once_by_what_the_radio_says() {
    let why = "no dongle is there";
    let failing = || RadioState::Failing { reason: why.into() };
    let cases = [
        (vec![RadioState::Starting, failing()], Some(why), 0),
        (vec![RadioState::Starting, RadioState::Ready, failing()], None, 0),
        (vec![RadioState::Starting], None, 12),
    ];
    for (states, expected, seconds) in cases {
        let begun = Instant::now();
        let (mut house, _store) = fake(true, saying(states.clone()));
        let outcome = (&mut house.started).await.unwrap();
        let reason = outcome
            .err()
            .and_then(|no_radio| no_radio.radios.into_iter().next());
        assert_eq!(reason, expected.map(|why| (name(), why.to_owned())), "{states:?}");
        assert_eq!(begun.elapsed().as_secs(), seconds, "{states:?}");
        assert!(!house.running.is_finished(), "who waits for the verdict decides");
        house.stop.cancel();
        house.running.await.unwrap();
    }
}
