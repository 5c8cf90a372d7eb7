//! Serves a simulated dongle on a loopback TCP port in real time. The one file here with input and output.
//!
//! One host at a time; a second one is turned away. Unplugged, nothing listens at all.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hubd_model::MonoTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::device::{Act, Truth};
use crate::dongle::{DeviceKey, Dongle, Fault};
use crate::world::World;

/// How many orders may wait for the simulation.
const ORDERS_MAX: usize = 64;
/// How many told events a slow listener may be behind.
const TOLD_MAX: usize = 1024;

/// What the simulation tells those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody does something: a sentence.
    Deed(String),
    /// What really happened to a device.
    Truth(DeviceKey, Truth),
    /// A host connected, or went away.
    Host(bool),
}

/// Runs on the simulation between two of its steps.
type Look = Box<dyn FnOnce(&mut Dongle, MonoTime) + Send>;

enum Order {
    Act(DeviceKey, Act),
    Fault(Fault),
    Plug(bool),
    Cut,
    Look(Look),
}

/// Reaches a running simulation; cheap to clone. What is sent to a simulation that has ended is ignored.
#[derive(Debug, Clone)]
pub struct SimHandle {
    orders: mpsc::Sender<Order>,
    told: broadcast::Sender<Told>,
    address: SocketAddr,
}

impl SimHandle {
    /// Where the dongle listens: connect to `tcp://` and this.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets something happen to a device.
    pub async fn act(&self, device: DeviceKey, act: Act) {
        self.send(Order::Act(device, act)).await;
    }

    /// Lets a fault happen.
    pub async fn fault(&self, fault: Fault) {
        self.send(Order::Fault(fault)).await;
    }

    /// Pulls the dongle out (`false`) or puts it in again.
    pub async fn plug(&self, plugged: bool) {
        self.send(Order::Plug(plugged)).await;
    }

    /// Cuts the connection in the middle of the next frame to the host.
    pub async fn cut(&self) {
        self.send(Order::Cut).await;
    }

    /// Looks at the dongle, or does something to it. `None` when the simulation has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Dongle, MonoTime) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let order = Order::Look(Box::new(move |dongle, now| {
            // The asker may have gone away meanwhile; then nobody wants the answer.
            let _ = reply.send(look(dongle, now));
        }));
        self.send(order).await;
        answer.await.ok()
    }

    /// Everything that is told from now on.
    pub fn told(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    async fn send(&self, order: Order) {
        // A simulation that has ended has nothing left that could happen.
        let _ = self.orders.send(order).await;
    }
}

/// Starts to serve a dongle on a free loopback port, or on `port`. Drop the returned task's handle to let it run,
/// abort it to end it.
///
/// # Errors
/// When the port cannot be opened.
pub async fn serve(
    dongle: Dongle,
    world: Option<World>,
    port: u16,
) -> io::Result<(SimHandle, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let (orders, from_handles) = mpsc::channel(ORDERS_MAX);
    let (told, _) = broadcast::channel(TOLD_MAX);
    let mut runner = Runner {
        dongle,
        world,
        started: Instant::now(),
        listener: Some(listener),
        address,
        host: None,
        orders: from_handles,
        told: told.clone(),
        cut_next: false,
    };
    runner.dongle.host_connected(MonoTime::default(), false);
    let task = tokio::spawn(async move { runner.run().await });
    Ok((
        SimHandle {
            orders,
            told,
            address,
        },
        task,
    ))
}

struct Runner {
    dongle: Dongle,
    world: Option<World>,
    started: Instant,
    listener: Option<TcpListener>,
    address: SocketAddr,
    host: Option<TcpStream>,
    orders: mpsc::Receiver<Order>,
    told: broadcast::Sender<Told>,
    cut_next: bool,
}

/// What woke the runner.
enum Woken {
    Time,
    Accepted(TcpStream),
    Received(usize),
    HostGone,
    Order(Order),
    NobodyLeft,
}

impl Runner {
    fn now(&self) -> MonoTime {
        let micros = Instant::now().duration_since(self.started).as_micros();
        MonoTime::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    async fn run(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let woken = self.wait(&mut buffer).await;
            let now = self.now();
            match woken {
                Woken::Time => {}
                Woken::Accepted(stream) => {
                    // The second host of two is turned away: its connection is closed at once.
                    if self.host.is_none() {
                        stream.set_nodelay(true)?;
                        self.host = Some(stream);
                        self.dongle.host_connected(now, true);
                        self.tell(Told::Host(true));
                    }
                }
                Woken::Received(count) => {
                    self.dongle
                        .handle_bytes(now, buffer.get(..count).unwrap_or_default());
                }
                Woken::HostGone => self.lose_host(now),
                Woken::Order(order) => self.carry_out(now, order).await?,
                Woken::NobodyLeft => return Ok(()),
            }
            self.advance(self.now());
            self.flush().await;
        }
    }

    async fn wait(&mut self, buffer: &mut [u8]) -> Woken {
        let world = self.world.as_ref().and_then(World::next_deadline);
        let deadline = self.dongle.next_deadline().into_iter().chain(world).min();
        let deadline = deadline.map(|at| self.started + Duration::from_micros(at.as_micros()));
        tokio::select! {
            biased;
            received = read(self.host.as_mut(), buffer) => match received {
                Ok(count) if count > 0 => Woken::Received(count),
                Ok(_) | Err(_) => Woken::HostGone,
            },
            order = self.orders.recv() => order.map_or(Woken::NobodyLeft, Woken::Order),
            accepted = accept(self.listener.as_ref()) => match accepted {
                Ok((stream, _)) => Woken::Accepted(stream),
                // A connection that broke before it was taken is nobody's loss.
                Err(_) => Woken::Time,
            },
            () = sleep(deadline) => Woken::Time,
        }
    }

    async fn carry_out(&mut self, now: MonoTime, order: Order) -> io::Result<()> {
        match order {
            Order::Act(device, act) => self.dongle.act(now, device, &act),
            Order::Fault(fault) => self.dongle.fault(now, fault),
            Order::Cut => self.cut_next = true,
            Order::Look(look) => look(&mut self.dongle, now),
            Order::Plug(true) => {
                if self.listener.is_none() {
                    self.listener = Some(TcpListener::bind(self.address).await?);
                    self.dongle.power(now, true);
                }
            }
            Order::Plug(false) => {
                self.lose_host(now);
                self.listener = None;
                self.dongle.power(now, false);
            }
        }
        Ok(())
    }

    fn lose_host(&mut self, now: MonoTime) {
        if self.host.take().is_some() {
            self.dongle.host_connected(now, false);
            self.tell(Told::Host(false));
        }
    }

    /// Does what is due in the world and in the dongle.
    fn advance(&mut self, now: MonoTime) {
        for doing in self
            .world
            .as_mut()
            .map(|world| world.tick(now))
            .unwrap_or_default()
        {
            if !doing.told.is_empty() {
                self.tell(Told::Deed(doing.told));
            }
            self.dongle.act(now, doing.device, &doing.act);
        }
        self.dongle.tick(now);
        while let Some((_, key, truth)) = self.dongle.poll_truth() {
            self.tell(Told::Truth(key, truth));
        }
    }

    async fn flush(&mut self) {
        while let Some(bytes) = self.dongle.poll() {
            let Some(host) = &mut self.host else { continue };
            let cut = self.cut_next && bytes.len() > 1;
            let bytes = if cut {
                bytes.get(..bytes.len() / 2).unwrap_or_default()
            } else {
                &bytes
            };
            let written = host.write_all(bytes).await;
            if cut || written.is_err() {
                self.cut_next &= !cut;
                let now = self.now();
                self.lose_host(now);
            }
        }
    }

    fn tell(&self, told: Told) {
        // Nobody may be listening.
        let _ = self.told.send(told);
    }
}

async fn read(host: Option<&mut TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
    match host {
        Some(host) => host.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn sleep(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
