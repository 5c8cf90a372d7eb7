//! A house to be asked: one lock and one detector on a scripted radio.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hubd::accounts::setup;
use hubd::api::{Api, Dates, Limits, console, server};
use hubd::backups::{self, Backups};
use hubd::clock::{self, Clock};
use hubd::hub::Hub;
use hubd::run::{self, Parts};
use hubd::store::{
    Access, AccountChange, NewAccount, NewSession, NewToken as NewRow, Owners, SessionRow, Store,
    StoreOptions,
};
use hubd::supervise::{Life, RadioPlan, supervise};
use hubd::token::{NewToken, Scope};
use hubd_model::{
    ActuationStep, DeviceAddress, DeviceDescription, DeviceKind, DongleImage, DongleMemory, DoorState,
    Entropy, Hazard, LockCapabilities, LockId, LockSignal, Order, RadioName, RadioState, Report, Role,
    Schedule, SecretBytes, Security, Source, Via, WallTime, Zone,
};
use hubd_zwave::io::FromRadio;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// What the dongle of the radio keeps in its memory.
pub(crate) const DONGLE: &[u8] = b"home id C0FFEE00";
/// The lock's address on the radio.
pub(crate) const LOCK: &str = "C0FFEE00/2";
const ALARM: &str = "C0FFEE00/3";
/// The address of the lock that [`House::second_lock`] adds.
pub(crate) const SECOND: &str = "C0FFEE00/4";

/// A running house.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    /// Says something as the radio.
    pub(crate) radio: mpsc::Sender<FromRadio>,
    /// How many movements reached the radio.
    pub(crate) moved: Arc<AtomicUsize>,
    /// While set, the lock moves when it is told to; otherwise it is told and says nothing.
    pub(crate) obeys: Arc<AtomicBool>,
    tokens: Vec<(Scope, String)>,
    serving: CancellationToken,
    stop_loop: CancellationToken,
    server: JoinHandle<()>,
    console: JoinHandle<()>,
    running: JoinHandle<()>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::open(tempfile::tempdir().unwrap(), limits, Vec::new()).await
    }

    async fn open(folder: TempDir, limits: Limits, tokens: Vec<(Scope, String)>) -> Self {
        let (store, opened) = Store::open(folder.path(), &StoreOptions::default()).unwrap();
        setup::prepare(&store).unwrap();
        let (radio, script) = mpsc::channel(1024);
        let (moved, obeys) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
        let stop_radios = CancellationToken::new();
        let link = supervise(plan(script, &moved, &obeys), stop_radios.clone());
        let (hub, from_handles) = Hub::new();
        let (serving, stop_loop) = (CancellationToken::new(), CancellationToken::new());
        let api = Api::new(
            hub.clone(),
            store.clone(),
            clock::unix_millis,
            limits,
            serving.clone(),
        )
        .with_dates(Dates {
            zone: Zone::default(),
            wall: Arc::new(|| WallTime::Synced(clock::unix_millis())),
        });
        let api = api.with_backups(Backups::new(backups::Parts {
            hub: hub.clone(),
            dir: folder.path().to_owned(),
            options: StoreOptions::default(),
            config: None,
            clock: clock::unix_millis,
        }));
        let (console, dir) = (console::listen(folder.path()).unwrap(), folder.path().to_owned());
        let at_console = api.clone();
        let console = tokio::spawn(async move { console::serve(console, &dir, at_console).await });
        let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let handle = hub.clone();
        let parts = Parts {
            hub,
            from_handles,
            store: store.clone(),
            status: opened.status,
            memory: opened.memory,
            radios: vec![link],
            stop_radios,
            version: "test".into(),
            zone: Zone::default(),
            entropy: Entropy::new([7; 32]),
            stop: stop_loop.clone(),
            vain_start: None,
            started: oneshot::channel().0,
        };
        let running = tokio::spawn(async move {
            let clock = Clock::system();
            run::run(parts, || clock.now()).await;
        });
        let server = tokio::spawn(server::serve(listener, api));
        let mut house = Self {
            address,
            folder,
            store,
            hub: handle,
            radio,
            moved,
            obeys,
            tokens,
            serving,
            stop_loop,
            server,
            console,
            running,
        };
        if house.tokens.is_empty() {
            for scope in Scope::ALL {
                let text = house.make_token(scope.as_str(), scope).await;
                house.tokens.push((scope, text));
            }
        }
        house.wait_until_ready().await;
        house
    }

    /// Stops everything and starts it again on the same folder.
    pub(crate) async fn restart(self) -> Self {
        let (folder, tokens) = self.stop().await;
        Self::open(folder, Limits::default(), tokens).await
    }

    /// The same, with something done to its folder in between.
    pub(crate) async fn restart_after(self, change: impl FnOnce(&Path)) -> Self {
        let (folder, tokens) = self.stop().await;
        change(folder.path());
        Self::open(folder, Limits::default(), tokens).await
    }

    /// The detector's address on the radio.
    pub(crate) fn alarm_address() -> DeviceAddress {
        address(ALARM)
    }

    /// Stops everything in good order.
    pub(crate) async fn stop(self) -> (TempDir, Vec<(Scope, String)>) {
        self.serving.cancel();
        self.server.await.unwrap();
        self.console.await.unwrap();
        self.stop_loop.cancel();
        self.running.await.unwrap();
        self.store.close().await.unwrap();
        (self.folder, self.tokens)
    }

    /// Tells the server to end, as a stop of the hub does first.
    pub(crate) fn begin_to_stop(&self) {
        self.serving.cancel();
    }

    async fn make_token(&self, name: &str, scope: Scope) -> String {
        let token = NewToken::random().unwrap();
        let row = NewRow {
            id: token.id.clone(),
            name: name.into(),
            scope: scope.as_str().into(),
            hash: token.hash,
            created_at: clock::unix_millis(),
        };
        self.store.create_token(row).await.unwrap();
        token.text.expose().to_owned()
    }

    /// The cookie of a session of a new person with this role, who has what they need and has just proved it.
    pub(crate) async fn sign_in_as(&self, role: &str) -> String {
        let (cookie, _) = self.person(role).await;
        cookie
    }

    /// The same, with the ids of account and session.
    pub(crate) async fn person(&self, role: &str) -> (String, (String, String)) {
        let role: Role = serde_json::from_value(role.into()).unwrap();
        let token = NewToken::random().unwrap();
        let (id, now) = (format!("account-{}", token.id), clock::unix_millis());
        let account = NewAccount {
            id: id.clone(),
            name: format!("{} {}", role.as_str(), token.id),
            role,
            password: None,
            invitation: None,
            created_at: now,
        };
        let session = SessionRow {
            id: format!("session-{}", token.id),
            account: id.clone(),
            created_at: now,
            last_seen: now,
            confirmed_at: now,
            address: "192.0.2.1".into(),
            agent: "test".into(),
        };
        let text = token.text.expose().to_owned();
        let ids = (id.clone(), session.id.clone());
        let totp = AccountChange::SetTotp {
            account: id.clone(),
            sealed: self.store.seal_totp(&id, &SecretBytes::new(vec![7; 20])).unwrap(),
            step: 0,
            keep: String::new(),
        };
        let open = NewSession {
            row: session,
            hash: hubd::token::hash(&text),
        };
        for change in [
            AccountChange::Add(account, Owners::Any),
            totp,
            AccountChange::OpenSession(open),
        ] {
            self.store.change_account(change).await.unwrap();
        }
        (format!("hubd={text}"), ids)
    }

    /// A guest who was given these doors in these hours; the cookie and the account's id.
    pub(crate) async fn guest(&self, locks: &[&str], schedule: Schedule) -> (String, String) {
        let (cookie, (account, _)) = self.person("guest").await;
        self.give(&account, locks, schedule).await;
        (cookie, account)
    }

    /// Gives a guest other doors or hours.
    pub(crate) async fn give(&self, account: &str, locks: &[&str], schedule: Schedule) {
        let locks = locks.iter().map(|id| LockId::parse(id).unwrap()).collect();
        let change = AccountChange::SetAccess(account.to_owned(), Access { locks, schedule });
        self.store.change_account(change).await.unwrap();
    }

    /// How often the radio was told to move a bolt.
    pub(crate) fn moves(&self) -> usize {
        self.moved.load(Ordering::Relaxed)
    }

    /// A second lock, with this name; its id.
    pub(crate) async fn second_lock(&self, name: &str) -> String {
        let device = Report::Device {
            device: address(SECOND),
            description: description(DeviceKind::Lock),
            fresh: false,
        };
        self.say(device).await;
        let first = self.lock().await;
        let mut client = self.client(Scope::Manage).await;
        let id = loop {
            let locks = client.get("/api/v1/locks").await.json();
            let all = locks.as_array().unwrap();
            if let Some(other) = all.iter().find(|lock| lock["id"] != first.as_str()) {
                break other["id"].as_str().unwrap().to_owned();
            }
            tokio::task::yield_now().await;
        };
        let path = format!("/api/v1/locks/{id}");
        let body = serde_json::json!({ "name": name }).to_string();
        let reply = client.send("PATCH", &path, &[], Some(&body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        id
    }

    /// The token with exactly this scope.
    pub(crate) fn token(&self, scope: Scope) -> &str {
        &self.tokens.iter().find(|(found, _)| *found == scope).unwrap().1
    }

    /// A client with the token of this scope.
    pub(crate) async fn client(&self, scope: Scope) -> Client {
        Client::connect(self.address).await.with_token(self.token(scope))
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The id of the one lock.
    pub(crate) async fn lock(&self) -> String {
        let locks = self.client(Scope::Read).await.get("/api/v1/locks").await.json();
        locks[0]["id"].as_str().unwrap().to_owned()
    }

    async fn wait_until_ready(&self) {
        let mut client = self.client(Scope::Read).await;
        loop {
            let locks = client.get("/api/v1/locks").await.json();
            let alarms = client.get("/api/v1/alarms").await.json();
            if locks[0].is_object() && alarms[0].is_object() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The door opens, or closes: one event.
    pub(crate) async fn door(&self, open: bool) {
        self.door_of(LOCK, open).await;
    }

    /// The door of the lock at this address.
    pub(crate) async fn door_of(&self, device: &str, open: bool) {
        let door = if open { DoorState::Open } else { DoorState::Closed };
        self.say(Report::Lock {
            device: address(device),
            signal: LockSignal::Door(door),
        })
        .await;
    }

    pub(crate) async fn say(&self, report: Report) {
        self.radio.send(FromRadio::Report(report)).await.unwrap();
    }
}

pub(crate) fn address(text: &str) -> DeviceAddress {
    DeviceAddress::parse(text).unwrap()
}

fn description(kind: DeviceKind) -> DeviceDescription {
    DeviceDescription {
        kind,
        model: "Acme One".into(),
        security: Security::S2AccessControl,
        lock: LockCapabilities::default(),
        hazards: if kind == DeviceKind::Alarm {
            vec![Hazard::Smoke]
        } else {
            Vec::new()
        },
    }
}

fn plan(script: mpsc::Receiver<FromRadio>, moved: &Arc<AtomicUsize>, obeys: &Arc<AtomicBool>) -> RadioPlan {
    let (moved, obeys) = (Arc::clone(moved), Arc::clone(obeys));
    let mut script = Some(script);
    RadioPlan {
        name: RadioName::parse("zwave").unwrap(),
        kind: "scripted",
        cache: None,
        start: Box::new(move |life| {
            let script = script.take().expect("the scripted adapter has one life");
            Box::pin(adapter(life, script, Arc::clone(&moved), Arc::clone(&obeys)))
        }),
    }
}

async fn adapter(
    mut life: Life,
    mut script: mpsc::Receiver<FromRadio>,
    moved: Arc<AtomicUsize>,
    obeys: Arc<AtomicBool>,
) -> Result<(), String> {
    let out = life.out;
    let say = async |report: Report| {
        let _ = out.send(FromRadio::Report(report)).await;
    };
    say(Report::Radio(RadioState::Ready)).await;
    for (device, kind) in [(LOCK, DeviceKind::Lock), (ALARM, DeviceKind::Alarm)] {
        say(Report::Device {
            device: address(device),
            description: description(kind),
            fresh: false,
        })
        .await;
    }
    loop {
        tokio::select! {
            () = life.stop.cancelled() => return Ok(()),
            Some(word) = script.recv() => { let _ = out.send(word).await; }
            Some(order) = life.orders.recv() => {
                if order == Order::CopyDongle {
                    say(Report::Dongle(DongleMemory::Progress { done: 1, total: 4 })).await;
                    let image = DongleImage::new(SecretBytes::new(DONGLE.to_vec()));
                    say(Report::Dongle(DongleMemory::Copied(image))).await;
                } else if let Order::RestoreDongle(image) = &order {
                    let end = if image.expose() == DONGLE {
                        DongleMemory::Restored
                    } else {
                        DongleMemory::Failed { reason: "it is another copy".into() }
                    };
                    say(Report::Dongle(end)).await;
                }
                let Order::Actuate { command, device, op, .. } = order else { continue };
                moved.fetch_add(1, Ordering::Relaxed);
                say(Report::Actuation { command: command.clone(), step: ActuationStep::Sent }).await;
                if obeys.load(Ordering::Relaxed) {
                    say(Report::Actuation { command, step: ActuationStep::Done }).await;
                    let signal = LockSignal::Bolt { bolt: op.wanted(), via: Via::source(Source::Remote) };
                    say(Report::Lock { device, signal }).await;
                }
            }
        }
    }
}
