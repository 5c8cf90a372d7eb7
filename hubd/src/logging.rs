//! Logs: to journald with their fields when systemd started the hub, otherwise to standard output.

use std::io;

use thiserror::Error;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogConfig, LogFormat};

/// Why there are no logs.
#[derive(Debug, Error)]
pub enum LogError {
    /// Journald does not listen.
    #[error("journald cannot be reached ({0}); set log.format = \"text\"")]
    NoJournald(#[source] io::Error),
    /// Somebody else logs already.
    #[error("logging was set up twice")]
    Twice(#[from] TryInitError),
}

/// Sends everything from now on where the configuration wants it.
///
/// # Errors
/// When that place cannot be reached.
pub fn start(config: LogConfig) -> Result<(), LogError> {
    let level = LevelFilter::from_level(config.level);
    let registry = tracing_subscriber::registry().with(level);
    // systemd sets it when it catches standard output, to tell that structured records are welcome.
    let by_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    match config.format {
        LogFormat::Journald => {
            registry
                .with(tracing_journald::layer().map_err(LogError::NoJournald)?)
                .try_init()?;
        }
        LogFormat::Auto if by_systemd => match tracing_journald::layer() {
            Ok(layer) => registry.with(layer).try_init()?,
            // systemd still catches standard output.
            Err(_) => registry
                .with(tracing_subscriber::fmt::layer().without_time().with_ansi(false))
                .try_init()?,
        },
        LogFormat::Auto | LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stdout());
            registry
                .with(tracing_subscriber::fmt::layer().with_ansi(colours))
                .try_init()?;
        }
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json())
            .try_init()?,
    }
    Ok(())
}
