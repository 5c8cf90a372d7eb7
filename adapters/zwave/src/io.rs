//! Works with a port: carries bytes between it and the [`Host`], keeps the host's deadlines, and opens the port again
//! whenever it breaks. Only this file and [`crate::port`] touch a serial port or a socket.

use std::io::{self, ErrorKind};
use std::time::Duration;

use hubd_model::{
    DeviceAddress, Millis, MonoTime, Now, Order, RadioName, Report, SecretBytes, Security, UnixMillis,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::host::{Host, HostRng, Input, Output};
use crate::identify::{Identify, Identity, NoDongle};
use crate::port::{PortError, Stream, open};
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
    /// The locks that the hub knows, and how each is secured: they can be moved although the cache is lost.
    pub locks: Vec<(DeviceAddress, Security)>,
}

/// Tells how far the home's time was ahead of UTC at a moment, in minutes.
pub type UtcOffset = Box<dyn Fn(UnixMillis) -> i32 + Send>;

/// What tells the time.
pub struct Clocks<C> {
    /// Both clocks now.
    pub now: C,
    /// How far local time was ahead of UTC then, in minutes.
    pub utc_offset_minutes: UtcOffset,
}

/// What the adapter tells the shell.
#[derive(Debug)]
pub enum FromRadio {
    /// For the mind.
    Report(Report),
    /// Remember this node cache instead of the last one.
    KeepCache(Vec<u8>),
}

/// How long the port may refuse to take bytes before it counts as broken.
const WRITE_WAIT: Duration = Duration::from_secs(3);
/// How many turns others get until the dongle is answered although what it said was not taken yet.
const LISTEN_TURNS_MAX: u32 = 64;
/// How often in a row the port is read before an order that waits is taken: a dongle that babbles holds up no door.
const READS_IN_A_ROW_MAX: u32 = 32;
/// How often the time zone is looked at, for nodes that ask for the local time.
const OFFSET_PAUSE: Millis = Millis::from_secs(900);
/// The pauses before the port is opened again; the last one stays.
const REOPEN_PAUSES: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// How long identification may take once the port is open.
const IDENTIFY_WAIT: Millis = Millis(4_000);

/// Opens the port and asks what is there; for checks while no hub runs. It changes nothing on the dongle.
///
/// # Errors
/// Why it cannot be used.
pub async fn probe(port: &str, clock: impl Fn() -> MonoTime) -> Result<Identity, PortError> {
    let mut stream = open(port).await?;
    let mut identify = Identify::new(clock(), IDENTIFY_WAIT);
    let mut bytes = [0; 1024];
    loop {
        while let Some(out) = identify.poll_write() {
            let written = timeout(WRITE_WAIT, stream.write_all(&out)).await;
            if let Err(error) = written.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
                // A port that takes no bytes says why at the next read, or stays silent.
                tracing::debug!(%error, "bytes not written");
            }
        }
        let now = clock();
        match identify.outcome(now) {
            Some(Ok(identity)) => return Ok(identity),
            Some(Err(NoDongle { heard })) => return Err(PortError::not_a_dongle(port, heard)),
            None => {}
        }
        tokio::select! {
            biased;
            read = stream.read(&mut bytes) => match read {
                Ok(count) if count > 0 => identify.receive(clock(), bytes.get(..count).unwrap_or_default()),
                Ok(_) | Err(_) => return Err(PortError::HungUp { port: port.to_owned() }),
            },
            () = sleep_until(now, Some(identify.next_deadline())) => identify.tick(clock()),
        }
    }
}

/// Runs the adapter until `stop`, or until nobody listens to it any more.
///
/// # Errors
/// When the keys that were kept are damaged.
pub async fn run(
    config: PortConfig,
    kept: Kept,
    clocks: Clocks<impl Fn() -> Now + Send>,
    rng: Box<HostRng>,
    orders: mpsc::Receiver<Order>,
    out: mpsc::Sender<FromRadio>,
    stop: CancellationToken,
) -> Result<(), KeysError> {
    let keys = NetworkKeys::from_bytes(&kept.keys)?;
    let mut host = Host::new(keys, kept.cache.as_deref(), rng);
    host.remember_locks(kept.locks);
    let mut pump = Pump {
        config,
        host,
        clock: clocks.now,
        utc_offset_minutes: clocks.utc_offset_minutes,
        offset_due: MonoTime::default(),
        orders,
        out,
        attempt: 0,
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = pump.run() => {}
    }
    if let Some(cache) = pump.host.take_unkept_cache() {
        // Without a listener the next start asks the nodes again.
        let _ = pump.out.send(FromRadio::KeepCache(cache)).await;
    }
    Ok(())
}

struct Pump<C> {
    config: PortConfig,
    host: Host,
    clock: C,
    utc_offset_minutes: UtcOffset,
    offset_due: MonoTime,
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
                    if self.attempt == 0 {
                        tracing::warn!(radio = %self.config.name, %error, "port not open; it is tried again");
                    } else {
                        tracing::debug!(radio = %self.config.name, %error, "port not open");
                    }
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
        let mut heard = false;
        let mut reads = 0;
        let mut bytes = [0; 1024];
        loop {
            if reads >= READS_IN_A_ROW_MAX {
                reads = 0;
                if let Ok(order) = self.orders.try_recv() {
                    self.tell(Input::Order(order), Some(&mut stream)).await?;
                }
            }
            let alarm = sleep_until((self.clock)().mono, self.host.next_deadline());
            let input = tokio::select! {
                biased;
                read = stream.read(&mut bytes) => match read {
                    Ok(count) if count > 0 => {
                        self.attempt = 0;
                        heard = true;
                        reads += 1;
                        Input::Bytes(bytes.get(..count).unwrap_or_default().to_vec())
                    }
                    ended => {
                        let source = ended.err().unwrap_or_else(|| ErrorKind::UnexpectedEof.into());
                        return self.broke(source, heard).await;
                    }
                },
                order = self.orders.recv() => {
                    reads = 0;
                    Input::Order(order.ok_or(Ended::Over)?)
                }
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

    async fn broke(&mut self, source: io::Error, heard: bool) -> Result<(), Ended> {
        let port = self.config.port.clone();
        let error = if heard {
            PortError::Broken { port, source }
        } else {
            PortError::HungUp { port }
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

    /// Gives the host one input and carries out everything that it wants done. What a device said is told before the
    /// dongle is answered: smoke comes before any traffic.
    async fn tell(&mut self, input: Input, stream: Option<&mut Box<dyn Stream>>) -> Result<(), Ended> {
        let now = (self.clock)();
        self.keep_utc_offset(now);
        self.host.handle(now, input);
        let mut ended = Ok(());
        let (mut bytes, mut told) = (Vec::new(), false);
        while let Some(output) = self.host.poll() {
            match output {
                Output::Write(more) => bytes.extend_from_slice(&more),
                Output::Report(report) => {
                    told = true;
                    self.send(FromRadio::Report(report)).await?;
                }
                Output::KeepCache(cache) => self.send(FromRadio::KeepCache(cache)).await?,
                Output::Reopen => ended = Err(Ended::Reopen),
            }
        }
        let Some(stream) = stream.filter(|_| !bytes.is_empty()) else {
            return ended;
        };
        if told {
            wait_until_heard(&self.out).await;
        }
        let written = timeout(WRITE_WAIT, stream.write_all(&bytes)).await;
        if let Err(error) = written.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            tracing::debug!(%error, "bytes not written");
            // A port that broke says so at the next read, which ends this stretch and tells the host.
            if error.kind() == ErrorKind::TimedOut {
                ended = Err(Ended::Reopen);
            }
        }
        ended
    }

    /// Daylight saving comes and goes while the hub runs.
    fn keep_utc_offset(&mut self, now: Now) {
        if self.offset_due <= now.mono {
            self.offset_due = now.mono + OFFSET_PAUSE;
            self.host
                .set_utc_offset((self.utc_offset_minutes)(now.wall.label()));
        }
    }

    async fn send(&mut self, message: FromRadio) -> Result<(), Ended> {
        self.out.send(message).await.map_err(|_| Ended::Over)
    }
}

/// Waits until the mind has taken what it was told and has told others, so that people hear of it first, and the
/// dongle hears that a frame arrived only when the frame can no longer be lost. A mind that is busy for too long is not
/// waited for: the dongle would give up.
async fn wait_until_heard(out: &mpsc::Sender<FromRadio>) {
    for _ in 0..LISTEN_TURNS_MAX {
        tokio::task::yield_now().await;
        if out.capacity() == out.max_capacity() {
            tokio::task::yield_now().await;
            return;
        }
    }
    tracing::debug!("the dongle is answered before the mind has heard what it said");
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hubd_model::{ActuationStep, CommandId, LockOp, RadioState, Urgency, WallTime};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// A port that always has something to say, until it hangs up.
    struct Babble {
        reads_left: u32,
    }

    impl AsyncRead for Babble {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(left) = self.reads_left.checked_sub(1) {
                self.reads_left = left;
                bytes.put_slice(&[0x55; 16]);
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Babble {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_order_is_taken_from_a_port_that_never_falls_silent() {
        let keys = NetworkKeys::generate(&mut ChaCha20Rng::from_seed([1; 32]));
        let (orders, from_hub) = mpsc::channel(4);
        let (out, mut said) = mpsc::channel(64);
        let mut pump = Pump {
            config: PortConfig {
                name: RadioName::parse("zwave").unwrap(),
                port: "tcp://127.0.0.1:1".to_owned(),
            },
            host: Host::new(keys, None, Box::new(ChaCha20Rng::from_seed([2; 32]))),
            clock: || Now {
                mono: MonoTime::from_micros(1),
                wall: WallTime::Unsynced(UnixMillis(0)),
            },
            utc_offset_minutes: Box::new(|_| 0),
            offset_due: MonoTime::default(),
            orders: from_hub,
            out,
            attempt: 0,
        };
        let order = Order::Actuate {
            command: CommandId::parse("c1").unwrap(),
            device: DeviceAddress::parse("7e570001/2").unwrap(),
            op: LockOp::Unlock,
            urgency: Urgency::LifeSafety,
            expires: MonoTime::from_micros(u64::MAX),
        };
        orders.try_send(order).unwrap();
        let ended = pump.carry(Box::new(Babble { reads_left: 10_000 })).await;
        assert!(matches!(ended, Err(Ended::Reopen)), "it hung up in the end");
        drop(pump);
        let mut answered = false;
        while let Some(message) = said.recv().await {
            match message {
                FromRadio::Report(Report::Actuation { step, .. }) => {
                    answered |= matches!(step, ActuationStep::Refused { .. });
                }
                FromRadio::Report(Report::Radio(RadioState::Away { .. })) => break,
                FromRadio::Report(_) | FromRadio::KeepCache(_) => {}
            }
        }
        assert!(answered, "before the port hung up");
    }
}
