//! The console: the API on a socket in the data folder, for the command line of the same machine.
//!
//! Promise: whoever reaches it could read and change the data folder anyhow - the hub's own user, or root. The folder lets
//! nobody else in, and whoever comes is asked of the system. A machine that loses its network keeps it.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Extension;
use tokio::net::UnixListener;
use tokio_util::task::TaskTracker;

use super::Api;
use super::connection::Places;
use super::server::{Serving, converse};

/// The socket's name in the data folder.
const NAME: &str = "console.sock";
/// How many commands are served at once.
const CONNECTIONS_MAX: usize = 16;

/// Marks requests that came by the console.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtConsole;

/// Where the console of the hub on this data folder is.
pub fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Opens the console of a data folder that this process has locked. Call it on a runtime.
///
/// # Errors
/// When the socket cannot be made, such as on a disk that keeps none.
pub fn listen(dir: &Path) -> io::Result<UnixListener> {
    let path = path(dir);
    // Nobody else serves this folder, so what is there was left behind by a hub that was killed.
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the console until `api` is told to stop, then lets requests under way end for a while.
pub async fn serve(listener: UnixListener, dir: &Path, api: Api) {
    let limits = *api.limits();
    let stopping = api.stopping().clone();
    let service = Serving {
        router: super::router(api).layer(Extension(AtConsole)),
        acceptor: None,
        limits,
        stopping: stopping.clone(),
    };
    let places = Places::new(CONNECTIONS_MAX);
    let tasks = TaskTracker::new();
    let me = rustix::process::geteuid().as_raw();
    let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let known = stream
                    .peer_cred()
                    .is_ok_and(|peer| peer.uid() == me || peer.uid() == 0);
                let place = known.then(|| places.take()).flatten();
                let Some(place) = place else {
                    tracing::warn!(
                        "somebody at the console was sent away: another user, or too many commands at once"
                    );
                    continue;
                };
                let service = service.clone();
                tasks.spawn(async move {
                    let router = service.router.clone();
                    converse(stream, here, place, router, &service).await;
                });
            }
            Err(error) => {
                // Out of file handles, or a command that went away at once: neither ends the console.
                tracing::warn!(%error, "a command could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if let Err(error) = fs::remove_file(path(dir)) {
        tracing::debug!(%error, "the console's socket is left behind");
    }
    tasks.close();
    if tokio::time::timeout(limits.farewell, tasks.wait()).await.is_err() {
        tracing::warn!("some commands did not end in time; they are cut");
    }
}
