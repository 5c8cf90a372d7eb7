//! `hubd run`: puts the house together - configuration, store, radios, event loop, HTTP - and takes it down in order.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hubd_core::event::Event;
use hubd_core::input::Request;
use hubd_model::Entropy;
use hubd_model::{SecretString, UnixMillis};
use jiff::tz::TimeZone;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Fault, Place, store_options};
use crate::accounts::{self, chores::chores};
use crate::api::{self, Api, Dates, Limits};
use crate::backups::{self, Backups};
use crate::clock::{self, Clock};
use crate::config::{Config, RadioConfig};
use crate::hub::Hub;
use crate::notify::Notifier;
use crate::run::Parts;
use crate::run::start::NoRadio;
use crate::store::{AccountChange, Store, StoreError};
use crate::supervise::supervise;
use crate::threads::{self, Front};
use crate::{dumps, logging, radios, run as event_loop, tls, token_watch};

/// Runs until a signal ends it, or no radio can be used at the start.
pub(super) fn run(place: &Place) -> Result<(), Fault> {
    let config = place.load()?;
    logging::start(config.log)?;
    dumps::refuse();
    let file = place.file();
    threads::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        stop_at_signal(stop.clone())?;
        // A task of its own: to wake what `block_on` itself waits for costs a system call each time.
        match tokio::spawn(house(config, Some(file), stop, |_| {})).await {
            Ok(ended) => ended,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    })
}

/// A hub that runs, for those who watch it from the same process.
pub(super) struct Running {
    /// Where it serves HTTP.
    pub(super) address: SocketAddr,
    /// Its event loop.
    pub(super) hub: Hub,
    /// Its store.
    pub(super) store: Store,
    /// What makes the first owner, while there is none.
    pub(super) setup_code: Option<SecretString>,
}

/// A hub with this configuration, which was read from `file`, until `stop` is cancelled. `running` is called before its
/// first event.
pub(super) async fn house(
    config: Config,
    file: Option<PathBuf>,
    stop: CancellationToken,
    running: impl FnOnce(Running) + Send + 'static,
) -> Result<(), Fault> {
    // First what can be refused without touching anything.
    let listener = api::server::listen(config.http.listen)?;
    let address = listener.local_addr()?;
    let (store, opened) = Store::open(
        &config.data_dir,
        &store_options(&config.vault.recovery_recipients),
    )?;
    let zone = config.home.time_zone.clone().unwrap_or_else(TimeZone::system);
    let stop_radios = CancellationToken::new();
    let mut links = Vec::new();
    for radio in &config.radios {
        links.push(supervise(
            radios::plan(radio, &store, &opened.memory.devices, &zone).await?,
            stop_radios.clone(),
        ));
    }
    let setup_code = accounts::setup::prepare(&store)?;
    if let Some(code) = &setup_code {
        tracing::warn!(
            "there is no owner yet: open the hub's page at {address} and use the one-time setup code {}",
            code.expose()
        );
    }

    let (hub, from_handles) = Hub::new();
    let limits = Limits {
        behind_proxy: config.http.behind_proxy,
        secure: config.http.is_secure(),
        hsts: config.http.is_secure() && config.http.hsts,
        ..Limits::default()
    };
    let serving = CancellationToken::new();
    let api = Api::new(
        hub.clone(),
        store.clone(),
        clock::unix_millis,
        limits,
        serving.clone(),
    );
    let notifier = Notifier::new(&config.notify, clock::unix_millis)?;
    notifier.start(store.live(), &hub, &serving);
    let backups = Backups::new(backups::Parts {
        hub: hub.clone(),
        dir: config.data_dir.clone(),
        options: store_options(&config.vault.recovery_recipients),
        config: file,
        clock: clock::unix_millis,
    });
    let api = api.with_notifier(notifier).with_backups(backups);
    let clock = Arc::new(Clock::system());
    let date = Arc::clone(&clock);
    let api = api.with_dates(Dates {
        zone: clock::home_zone(&zone, clock::unix_millis()),
        wall: Arc::new(move || date.now().wall),
    });
    // Before the API can change any.
    let tokens = tokio::spawn(token_watch::watch(store.clone(), hub.clone(), serving.clone()));
    let console = match api::console::listen(&config.data_dir) {
        Ok(listener) => {
            let (dir, api) = (config.data_dir.clone(), api.clone());
            Some(tokio::spawn(async move {
                api::console::serve(listener, &dir, api).await;
            }))
        }
        Err(error) => {
            tracing::warn!(%error, "the command line cannot reach this hub: there is no socket in data_dir");
            None
        }
    };
    let listener = listener.into_std()?;
    let front = match tls::open(&config.http.tls, &store, clock::unix_millis()).await? {
        None => Front::start(listener, |listener| api::server::serve(listener, api)).await?,
        Some(keeper) => {
            let api = api.with_authority(keeper.certificates().authority());
            let acceptor = keeper.certificates().acceptor()?;
            tokio::spawn(keeper.keep(tls::LOOK_EVERY, clock::unix_millis, serving.clone()));
            Front::start(listener, |listener| {
                api::server::serve_tls(listener, api, acceptor)
            })
            .await?
        }
    };
    let chores = tokio::spawn(chores(
        store.clone(),
        hub.clone(),
        clock::unix_millis,
        serving.clone(),
    ));
    tracing::info!(%address, data_dir = %config.data_dir.display(), radios = config.radios.len(), "the hub runs");
    running(Running {
        address,
        hub: hub.clone(),
        store: store.clone(),
        setup_code,
    });
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| StoreError::Random)?;
    let entropy = Entropy::new(random);
    let write_dongles = opened.write_dongles;
    if !write_dongles.is_empty() {
        tokio::spawn(backups::write_dongles(
            hub.clone(),
            store.clone(),
            write_dongles,
            serving.clone(),
        ));
    }
    if let Some(made_at) = opened.restored {
        tracing::warn!(%made_at, "this hub was restored from a backup; what came after that time is not in it");
        // Sessions that were ended since then must not come back with it.
        let end = UnixMillis(i64::MAX);
        let all = AccountChange::ForgetSessions {
            seen: end,
            began: end,
        };
        store.change_account(all).await?;
        let hub = hub.clone();
        tokio::spawn(async move {
            let event = Event::BackupRestored { made_at };
            if let Err(error) = hub.request(Request::Record(event)).await {
                tracing::warn!(%error, "the restore could not be recorded; it is tried again at the next start");
            }
        });
    }
    let stop_loop = CancellationToken::new();
    let (tell_start, start) = oneshot::channel();
    let parts = Parts {
        hub,
        from_handles,
        store: store.clone(),
        status: opened.status,
        memory: opened.memory,
        radios: links,
        stop_radios,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        zone: clock::home_zone(&zone, clock::unix_millis()),
        entropy,
        stop: stop_loop.clone(),
        vain_start: opened.vain_start,
        started: tell_start,
    };
    let farewell = async {
        let no_radio = tokio::select! {
            () = stop.cancelled() => None,
            no_radio = no_radio(start) => Some(no_radio),
        };
        tracing::info!("the hub stops");
        // Requests under way are answered while the mind still answers.
        serving.cancel();
        if !front.ended().await {
            tracing::error!("the HTTP server ended badly");
        }
        if let Some(console) = console
            && let Err(error) = console.await
        {
            tracing::error!(%error, "the console ended badly");
        }
        if let Err(error) = tokens.await {
            tracing::error!(%error, "changed tokens were not recorded");
        }
        if let Err(error) = chores.await {
            tracing::error!(%error, "the accounts' chores ended badly");
        }
        stop_loop.cancel();
        no_radio
    };
    let ((), no_radio) = tokio::join!(event_loop::run(parts, || clock.now()), farewell);
    store.close().await?;
    match no_radio {
        None => Ok(()),
        Some(no_radio) => Err(with_ports(no_radio, &config.radios).into()),
    }
}

/// Every sentence names its port.
fn with_ports(mut no_radio: NoRadio, radios: &[RadioConfig]) -> NoRadio {
    for (name, reason) in &mut no_radio.radios {
        if let Some(radio) = radios.iter().find(|radio| radio.name == *name)
            && !reason.contains(&radio.port)
        {
            *reason = format!("{}: {reason}", radio.port);
        }
    }
    no_radio
}

/// Ends only when the hub starts without a radio that it could work with (ADR 7).
async fn no_radio(start: oneshot::Receiver<Result<(), NoRadio>>) -> NoRadio {
    match start.await {
        Ok(Err(no_radio)) => no_radio,
        Ok(Ok(())) | Err(_) => std::future::pending().await,
    }
}

pub(super) fn stop_at_signal(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A file that may not grow (a limit on file sizes) fails that write, as a full disk does, and ends no hub.
    let mut too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = too_large.recv() => {}
            }
        }
        stop.cancel();
    });
    Ok(())
}
