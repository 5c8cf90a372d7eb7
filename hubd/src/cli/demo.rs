//! `hubd demo`: the real daemon and the real Z-Wave adapter in a simulated home, told live in the terminal.
//!
//! Everything is on loopback and in a temporary folder that is removed at the end. The dongle, its locks and the
//! people are `hubd-sim`; whatever a line marked `hubd` says went through the adapter, the mind and the journal.

mod telling;
mod telling_more;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use hubd_core::input::Request;
use hubd_model::RadioName;
use hubd_sim::device::Act;
use hubd_sim::dongle::DeviceKey;
use hubd_sim::home::Home;
use hubd_sim::runner::{SimHandle, Told, serve};
use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Fault;
use super::run::{Running, house, stop_at_signal};
use crate::config::{
    Config, HomeConfig, HttpConfig, LogConfig, LogFormat, RadioConfig, RadioKind, Tls, VaultConfig,
};
use crate::radios::KEYS_SECRET;
use crate::store::{NewToken as NewRow, Store, StoreOptions};
use crate::threads::runtime;
use crate::token::{NewToken, Scope};
use telling::Names;

/// Where the demo listens when that port is free.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);
const RADIO: &str = "zwave";
/// How often somebody presses the shed lock's button while the hub waits for a device.
const BUTTON_EVERY: Duration = Duration::from_secs(4);

/// What can be asked of the demo.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Listen here [default: 127.0.0.1:8480, or any free port when that one is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Another seed makes another home
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times faster than the clock the people's days pass; at 0 nobody comes or goes, and nothing burns
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=3600))]
    speed: u32,
    /// Show the daemon's own log from this level on (trace, debug, info, warn, error)
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    log: tracing::Level,
    /// End by itself after so many seconds
    #[arg(long, value_name = "SECONDS")]
    fast_exit_after: Option<u64>,
}

/// Plays until Ctrl-C.
pub(super) fn demo(options: &Options, out: &mut dyn Write) -> Result<(), Fault> {
    crate::logging::start(LogConfig {
        level: options.log,
        format: LogFormat::Text,
    })?;
    runtime()?.block_on(play(options, out))
}

async fn play(options: &Options, out: &mut dyn Write) -> Result<(), Fault> {
    let folder = tempfile::Builder::new().prefix("hubd-demo-").tempdir()?;
    let keys = NetworkKeys::generate(&mut ChaCha20Rng::seed_from_u64(options.seed));
    let home = Home::new(
        hubd_model::MonoTime::default(),
        &keys,
        options.seed,
        options.speed,
    )
    .ok_or("the simulated network is full")?;
    let mut names = Names::new(&home);
    let (shed, dsk) = (
        home.shed,
        home.dongle
            .device(home.shed)
            .and_then(hubd_sim::device::Device::dsk_text),
    );
    let (sim, simulation) = serve(home.dongle, Some(home.world), 0).await?;
    let config = configuration(options, folder.path(), sim.address())?;
    let token = prepare(&config, &keys).await?;

    let stop = CancellationToken::new();
    stop_at_signal(stop.clone())?;
    if let Some(seconds) = options.fast_exit_after {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
        });
    }
    let (ready, running) = oneshot::channel();
    let hub = house(config, None, stop.clone(), |running| {
        // Whoever waits for it is below; if it is gone, the hub is about to stop.
        let _ = ready.send(running);
    });
    let telling = async {
        let told = match running.await {
            Ok(running) => {
                let stage = Stage {
                    running,
                    sim,
                    shed,
                    dsk,
                    token,
                    seed: options.seed,
                    speed: options.speed,
                };
                tell(stage, &mut names, folder.path(), &stop, out).await
            }
            Err(_) => Ok(()),
        };
        stop.cancel();
        told
    };
    let (ended, told) = tokio::join!(hub, telling);
    simulation.abort();
    folder.close()?;
    ended?;
    Ok(told?)
}

fn configuration(options: &Options, folder: &Path, dongle: SocketAddr) -> Result<Config, Fault> {
    let listen = match options.listen {
        Some(listen) => listen,
        None if TcpListener::bind(LISTEN).is_ok() => LISTEN,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    Ok(Config {
        data_dir: folder.join("data"),
        http: HttpConfig {
            listen,
            behind_proxy: false,
            tls: Tls::Off,
            hsts: false,
        },
        radios: vec![RadioConfig {
            name: RadioName::parse(RADIO)?,
            kind: RadioKind::Zwave,
            port: format!("tcp://{dongle}"),
        }],
        log: LogConfig {
            level: options.log,
            format: LogFormat::Text,
        },
        vault: VaultConfig {
            recovery_recipients: Vec::new(),
        },
        home: HomeConfig { time_zone: None },
        notify: Vec::new(),
    })
}

/// Gives the store the network's keys, as if the locks had been included earlier, and makes a token. Its text.
async fn prepare(config: &Config, keys: &NetworkKeys) -> Result<String, Fault> {
    let (store, _) = Store::open(&config.data_dir, &StoreOptions::default())?;
    for radio in &config.radios {
        store
            .put_secret(&radio.name, KEYS_SECRET, keys.to_bytes())
            .await?;
    }
    let token = NewToken::random()?;
    store
        .create_token(NewRow {
            id: token.id.clone(),
            name: "demo".to_owned(),
            scope: Scope::Manage.as_str().to_owned(),
            hash: token.hash,
            created_at: crate::clock::unix_millis(),
        })
        .await?;
    store.close().await?;
    Ok(token.text.expose().to_owned())
}

/// What is on stage.
struct Stage {
    running: Running,
    sim: SimHandle,
    shed: DeviceKey,
    dsk: Option<String>,
    token: String,
    seed: u64,
    speed: u32,
}

/// Tells what happens until the stop.
async fn tell(
    stage: Stage,
    names: &mut Names,
    folder: &Path,
    stop: &CancellationToken,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut events = stage.running.store.live();
    let mut deeds = stage.sim.told();
    let began = Instant::now();
    let mut button = interval(BUTTON_EVERY);
    button.set_missed_tick_behavior(MissedTickBehavior::Delay);
    greet(&stage, folder, out)?;
    let mut shown = false;
    loop {
        out.flush()?;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            entry = events.recv() => match entry {
                Ok(entry) => {
                    if &*entry.kind == "device.included" {
                        learn_names(&stage.running, names).await;
                    }
                    if let Some(sentence) = names.sentence(&entry) {
                        line(out, began, "hubd", &sentence)?;
                    }
                    if !shown && names.knows_all() {
                        shown = true;
                        examples(&stage, names, out)?;
                    }
                }
                Err(RecvError::Lagged(missed)) => line(out, began, "demo", &format!("{missed} lines left out"))?,
                Err(RecvError::Closed) => break,
            },
            told = deeds.recv() => match told {
                Ok(Told::Deed(sentence)) => line(out, began, "home", &sentence)?,
                Ok(Told::Truth(..) | Told::Host(_)) => {}
                Err(RecvError::Lagged(missed)) => line(out, began, "demo", &format!("{missed} lines left out"))?,
                Err(RecvError::Closed) => break,
            },
            _ = button.tick() => {
                let shed = stage.shed;
                let press = move |dongle: &mut hubd_sim::dongle::Dongle, now| {
                    let waits = dongle.waits_for_device() && dongle.node_of(shed).is_none();
                    if waits {
                        dongle.act(now, shed, &Act::LearnButton);
                    }
                    waits
                };
                if stage.sim.look(press).await == Some(true) {
                    line(out, began, "home", "somebody presses the button of the shed's lock")?;
                }
            }
        }
    }
    line(out, began, "demo", "the demo ends; its folder is removed")?;
    out.flush()
}

/// Asks the hub what the new devices are called and gives them the names of their doors.
async fn learn_names(running: &Running, names: &mut Names) {
    let Ok((locks, alarms)) = running.hub.look(|engine| (engine.locks(), engine.alarms())).await else {
        return;
    };
    for lock in locks {
        if let Some(name) = names.learn(lock.id.as_str(), lock.address.as_str(), &lock.name) {
            // A demo in which one rename fails is still one.
            let _ = running
                .hub
                .request(Request::RenameLock { lock: lock.id, name })
                .await;
        }
    }
    for alarm in alarms {
        if let Some(name) = names.learn(alarm.id.as_str(), alarm.address.as_str(), &alarm.name) {
            let _ = running
                .hub
                .request(Request::RenameAlarm {
                    alarm: alarm.id,
                    name,
                })
                .await;
        }
    }
}

fn line(out: &mut dyn Write, began: Instant, who: &str, sentence: &str) -> io::Result<()> {
    let seconds = began.elapsed().as_secs();
    writeln!(out, "{:02}:{:02}  {who}  {sentence}", seconds / 60, seconds % 60)
}

fn greet(stage: &Stage, folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    let Stage {
        running,
        token,
        seed,
        speed,
        ..
    } = stage;
    let address = running.address;
    writeln!(
        out,
        "hubd demo: a house with three doors, a smoke alarm and four people who come and go."
    )?;
    writeln!(
        out,
        "The house is simulated; the daemon, its radio driver, journal and API are the real ones."
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "  Open    http://{address}/ in a browser and begin with the setup code"
    )?;
    writeln!(out, "  API     http://{address}/api/v1")?;
    if let Some(code) = &running.setup_code {
        writeln!(out, "  Setup   {} (makes the first owner, once)", code.expose())?;
    }
    writeln!(out, "  Token   {token}")?;
    writeln!(out, "  Data    {} (removed at the end)", folder.display())?;
    let days = match speed {
        0 => "nothing happens by itself".to_owned(),
        _ => format!("days pass {speed} times as fast"),
    };
    writeln!(out, "  House   seed {seed}, {days}; end it with Ctrl-C")?;
    writeln!(out)?;
    writeln!(
        out,
        "Lines marked `home` are what people do; lines marked `hubd` are what the hub learnt of it."
    )?;
    writeln!(out)
}

fn examples(stage: &Stage, names: &Names, out: &mut dyn Write) -> io::Result<()> {
    let base = format!("http://{}/api/v1", stage.running.address);
    let lock = names.first_lock().unwrap_or("lock-1");
    let auth = "-H \"Authorization: Bearer $TOKEN\"";
    let json = "-H 'Content-Type: application/json'";
    writeln!(out)?;
    writeln!(out, "The hub knows the house. In another terminal:")?;
    writeln!(out)?;
    writeln!(out, "  TOKEN={}", stage.token)?;
    writeln!(out, "  curl -s {auth} {base}/locks")?;
    writeln!(
        out,
        "  curl -s {auth} {json} -d '{{\"op\":\"unlock\"}}' '{base}/locks/{lock}/commands?wait=20'"
    )?;
    writeln!(out, "  curl -sN {auth} {base}/events/stream")?;
    writeln!(out)?;
    writeln!(
        out,
        "Choose a door for emergencies and call for help; or give somebody a code, whose PIN the answer tells:"
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "  curl -s {auth} {json} -X PUT -d '{{\"enabled\":true,\"doors\":[{{\"lock\":\"{lock}\",\"hazards\":[\"smoke\",\"co\"]}}]}}' {base}/life-safety"
    )?;
    writeln!(
        out,
        "  curl -s {auth} {json} -d '{{\"reason\":\"I smell smoke\"}}' {base}/life-safety/incidents"
    )?;
    writeln!(
        out,
        "  curl -s {auth} {json} -d '{{\"name\":\"Ada\",\"role\":\"guest\"}}' {base}/people      # answers with an id"
    )?;
    writeln!(
        out,
        "  curl -s {auth} {json} -d '{{\"person\":\"ID\",\"kind\":\"pin\",\"locks\":[\"{lock}\"]}}' {base}/credentials"
    )?;
    if let Some(dsk) = &stage.dsk {
        let pin = dsk.get(..5).unwrap_or_default();
        writeln!(out)?;
        writeln!(
            out,
            "A lock waits in the shed to be included; its label says {dsk}:"
        )?;
        writeln!(out)?;
        writeln!(
            out,
            "  curl -s {auth} {json} -d '{{\"strategy\":\"s2\"}}' {base}/radios/{RADIO}/inclusion"
        )?;
        writeln!(
            out,
            "  curl -s {auth} {base}/radios/{RADIO}/inclusion     # until it asks for the PIN"
        )?;
        writeln!(
            out,
            "  curl -s {auth} {json} -d '{{\"dsk_pin\":\"{pin}\"}}' {base}/radios/{RADIO}/inclusion/answer"
        )?;
    }
    writeln!(out)
}
