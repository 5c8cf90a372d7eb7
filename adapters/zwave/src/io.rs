//! The only file of this crate that touches a serial port or a socket: it opens the port, carries bytes between it
//! and the [`Host`], keeps the host's deadlines, and opens the port again whenever it breaks.

use std::io::{self, ErrorKind};
use std::time::Duration;

use hubd_model::{MonoTime, Now, Order, RadioName, Report, SecretBytes};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_serial::SerialPortBuilderExt;
use tokio_util::sync::CancellationToken;

use crate::host::{Host, HostRng, Input, Output};
use crate::security::{KeysError, NetworkKeys};

/// Where the dongle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// The radio's name.
    pub name: RadioName,
    /// A device path, or `tcp://HOST:PORT`.
    pub port: String,
}

/// What the adapter was given to remember at its last run.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The network keys ([`crate::security::NetworkKeys::to_bytes`]).
    pub keys: SecretBytes,
    /// The node cache; losing it costs an interview, never a code on a lock.
    pub cache: Option<Vec<u8>>,
}

/// What the adapter tells the shell.
#[derive(Debug)]
pub enum FromRadio {
    /// For the mind.
    Report(Report),
    /// Remember this node cache instead of the last one.
    KeepCache(Vec<u8>),
}

/// Every Z-Wave dongle speaks at this speed. Spec: Silicon Labs INS12350, 5.1.
const BAUD: u32 = 115_200;
/// How long opening a network port may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long the port may refuse to take bytes before it counts as broken.
const WRITE_WAIT: Duration = Duration::from_secs(3);
/// The pauses before the port is opened again; the last one stays.
const REOPEN_PAUSES: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Why a port cannot be used. `Display` says what to do.
#[derive(Debug, Error)]
pub enum PortError {
    /// It is not there.
    #[error(
        "{port} does not exist: plug the dongle in, or name the right port in the configuration (ls /dev/serial/by-id)"
    )]
    Missing {
        /// The port.
        port: String,
    },
    /// This user may not open it.
    #[error(
        "{port} may not be opened by this user: add the user to the group dialout (the packaged udev rule does it)"
    )]
    Forbidden {
        /// The port.
        port: String,
    },
    /// Another program has it.
    #[error("{port} is in use by another program: stop it (Z-Wave JS and ModemManager are the usual ones)")]
    Busy {
        /// The port.
        port: String,
    },
    /// Nobody listens at the address.
    #[error("{port} does not answer: check the address and that the network dongle is on ({source})")]
    Unreachable {
        /// The port.
        port: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{port} is not a serial port ({source}): name the dongle's port in the configuration (ls /dev/serial/by-id)"
    )]
    NotASerialPort {
        /// The port.
        port: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The text is no address.
    #[error("{port} is not a port: give a device path or tcp://HOST:PORT")]
    NotAPort {
        /// The text.
        port: String,
    },
    /// It broke.
    #[error("{port} stopped working ({source}); hubd opens it again")]
    Broken {
        /// The port.
        port: String,
        /// The system's reason.
        source: io::Error,
    },
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn open(port: &str) -> Result<Box<dyn Stream>, PortError> {
    let named = || port.to_owned();
    if let Some(address) = port.strip_prefix("tcp://") {
        if !address.contains(':') {
            return Err(PortError::NotAPort { port: named() });
        }
        let stream = timeout(CONNECT_WAIT, TcpStream::connect(address))
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| PortError::Unreachable {
                port: named(),
                source,
            })?;
        return Ok(Box::new(stream));
    }
    match tokio_serial::new(port, BAUD).open_native_async() {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let source = io::Error::from(error);
            // The library says "not found" also for a port that another program holds.
            let kind = source.kind();
            let exists = std::path::Path::new(port).exists();
            Err(if kind == ErrorKind::PermissionDenied {
                PortError::Forbidden { port: named() }
            } else if !exists {
                PortError::Missing { port: named() }
            } else if kind == ErrorKind::NotFound || kind == ErrorKind::ResourceBusy {
                PortError::Busy { port: named() }
            } else {
                PortError::NotASerialPort {
                    port: named(),
                    source,
                }
            })
        }
    }
}

/// Whether the port can be opened now; for checks before the hub starts.
///
/// # Errors
/// Why it cannot.
pub async fn probe(port: &str) -> Result<(), PortError> {
    open(port).await.map(drop)
}

/// Runs the adapter until `stop`, or until nobody listens to it any more.
///
/// # Errors
/// When the keys that were kept are damaged.
pub async fn run(
    config: PortConfig,
    kept: Kept,
    clock: impl Fn() -> Now + Send,
    rng: Box<HostRng>,
    orders: mpsc::Receiver<Order>,
    out: mpsc::Sender<FromRadio>,
    stop: CancellationToken,
) -> Result<(), KeysError> {
    let keys = NetworkKeys::from_bytes(&kept.keys)?;
    let host = Host::new(keys, kept.cache.as_deref(), rng);
    let mut pump = Pump {
        config,
        host,
        clock,
        orders,
        out,
        attempt: 0,
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = pump.run() => {}
    }
    Ok(())
}

struct Pump<C> {
    config: PortConfig,
    host: Host,
    clock: C,
    orders: mpsc::Receiver<Order>,
    out: mpsc::Sender<FromRadio>,
    attempt: usize,
}

/// Why a stretch of work ended.
enum Ended {
    /// The host or the system wants the port opened again.
    Reopen,
    /// The shell went away.
    Over,
}

impl<C: Fn() -> Now + Send> Pump<C> {
    async fn run(&mut self) {
        loop {
            let ended = match open(&self.config.port).await {
                Ok(stream) => self.carry(stream).await,
                Err(error) => {
                    tracing::warn!(radio = %self.config.name, %error, "port not open");
                    self.tell(
                        Input::Closed {
                            reason: error.to_string(),
                        },
                        None,
                    )
                    .await
                }
            };
            let (Err(Ended::Reopen) | Ok(())) = ended else {
                return;
            };
            let pause = REOPEN_PAUSES
                .get(self.attempt)
                .or(REOPEN_PAUSES.last())
                .copied()
                .unwrap_or_default();
            self.attempt = self.attempt.saturating_add(1);
            if self.wait(pause).await.is_err() {
                return;
            }
        }
    }

    /// Works with an open port until it breaks.
    async fn carry(&mut self, mut stream: Box<dyn Stream>) -> Result<(), Ended> {
        tracing::info!(radio = %self.config.name, port = %self.config.port, "port open");
        self.tell(Input::Opened, Some(&mut stream)).await?;
        let mut bytes = [0; 1024];
        loop {
            let alarm = sleep_until((self.clock)().mono, self.host.next_deadline());
            let input = tokio::select! {
                biased;
                read = stream.read(&mut bytes) => match read {
                    Ok(count) if count > 0 => {
                        self.attempt = 0;
                        Input::Bytes(bytes.get(..count).unwrap_or_default().to_vec())
                    }
                    ended => {
                        let source = ended.err().unwrap_or_else(|| ErrorKind::UnexpectedEof.into());
                        return self.broke(source).await;
                    }
                },
                order = self.orders.recv() => Input::Order(order.ok_or(Ended::Over)?),
                () = alarm => Input::Tick,
            };
            self.tell(input, Some(&mut stream)).await?;
        }
    }

    /// Without a port: orders still get their answers and deadlines still pass.
    async fn wait(&mut self, pause: Duration) -> Result<(), Ended> {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            let alarm = sleep_until((self.clock)().mono, self.host.next_deadline());
            let input = tokio::select! {
                () = &mut over => return Ok(()),
                order = self.orders.recv() => Input::Order(order.ok_or(Ended::Over)?),
                () = alarm => Input::Tick,
            };
            match self.tell(input, None).await {
                Ok(()) | Err(Ended::Reopen) => {}
                Err(Ended::Over) => return Err(Ended::Over),
            }
        }
    }

    async fn broke(&mut self, source: io::Error) -> Result<(), Ended> {
        let error = PortError::Broken {
            port: self.config.port.clone(),
            source,
        };
        tracing::warn!(radio = %self.config.name, %error, "port lost");
        self.tell(
            Input::Closed {
                reason: error.to_string(),
            },
            None,
        )
        .await?;
        Err(Ended::Reopen)
    }

    /// Gives the host one input and carries out everything that it wants done.
    async fn tell(&mut self, input: Input, mut stream: Option<&mut Box<dyn Stream>>) -> Result<(), Ended> {
        self.host.handle((self.clock)(), input);
        let mut ended = Ok(());
        while let Some(output) = self.host.poll() {
            match output {
                Output::Write(bytes) => {
                    let Some(stream) = stream.as_mut() else { continue };
                    let written = timeout(WRITE_WAIT, stream.write_all(&bytes)).await;
                    match written.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
                        Ok(()) => {}
                        // The next read tells the same and ends this stretch; the host hears of it then.
                        Err(error) => {
                            tracing::debug!(%error, "bytes not written");
                            ended = Err(Ended::Reopen);
                        }
                    }
                }
                Output::Report(report) => self.send(FromRadio::Report(report)).await?,
                Output::KeepCache(cache) => self.send(FromRadio::KeepCache(cache)).await?,
                Output::Reopen => ended = Err(Ended::Reopen),
            }
        }
        ended
    }

    async fn send(&mut self, message: FromRadio) -> Result<(), Ended> {
        self.out.send(message).await.map_err(|_| Ended::Over)
    }
}

async fn sleep_until(now: MonoTime, deadline: Option<MonoTime>) {
    match deadline {
        Some(deadline) => {
            let micros = deadline.as_micros().saturating_sub(now.as_micros());
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        None => std::future::pending().await,
    }
}
