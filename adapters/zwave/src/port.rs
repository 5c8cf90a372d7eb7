//! Opens a port - a serial device or a network dongle - and says in one sentence why it cannot be used.

use std::io::{self, ErrorKind};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_serial::SerialPortBuilderExt;

/// Every Z-Wave dongle speaks at this speed. Spec: Silicon Labs INS12350, 5.1.
const BAUD: u32 = 115_200;
/// How long opening a network port may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

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
    /// It was closed from the other end before a byte came.
    #[error(
        "{port} is closed from the other end at once: it is in use by another program or not a Z-Wave dongle; stop \
         the other program (Z-Wave JS is the usual one), or name the right port in the configuration"
    )]
    HungUp {
        /// The port.
        port: String,
    },
    /// It is open and stays silent.
    #[error(
        "{port} is open but says nothing: it is in use by another program or not a Z-Wave dongle; stop the other \
         program (Z-Wave JS is the usual one), or name the right port in the configuration"
    )]
    Silent {
        /// The port.
        port: String,
    },
    /// It is open and speaks of other things.
    #[error(
        "{port} is open but does not answer like a Z-Wave dongle: it is another kind of device or in use by another \
         program; name the right port in the configuration, or stop the other program (Z-Wave JS is the usual one)"
    )]
    NotADongle {
        /// The port.
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

impl PortError {
    /// Nothing on an open port answered as a dongle does; `heard` is whether it said anything.
    pub(crate) fn not_a_dongle(port: &str, heard: bool) -> Self {
        let port = port.to_owned();
        if heard {
            Self::NotADongle { port }
        } else {
            Self::Silent { port }
        }
    }
}

/// An open port.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens a device or connects to a network dongle.
pub(crate) async fn open(port: &str) -> Result<Box<dyn Stream>, PortError> {
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
