//! The server: takes connections, hands their requests to the router, and ends in good order.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Patient, Peer, Place, Places};
use super::{Api, Limits};

/// How much the system keeps on its way to one client.
const SEND_BYTES_MAX: u32 = 128 * 1024;
/// How many new connections may wait to be taken.
const BACKLOG: u32 = 128;

/// Why the server cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen on {address} ({source}): {advice}")]
pub struct ListenError {
    address: SocketAddr,
    advice: &'static str,
    source: io::Error,
}

/// Takes the address. Call it on a runtime.
///
/// # Errors
/// When it is taken, not this machine's, or not allowed.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listen = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A restart does not wait for the connections of the hub before it to be forgotten.
        socket.set_reuseaddr(true)?;
        // Connections take this over: the system holds no more than this for a client that reads slowly.
        socket.set_send_buffer_size(SEND_BYTES_MAX)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| {
        let kind = source.kind();
        let advice = if kind == io::ErrorKind::AddrInUse {
            "another program, perhaps another hubd, listens there; stop it or change http.listen"
        } else if kind == io::ErrorKind::AddrNotAvailable {
            "it is no address of this machine; change http.listen"
        } else if kind == io::ErrorKind::PermissionDenied {
            "ports below 1024 need a privilege; change http.listen"
        } else {
            "change http.listen"
        };
        ListenError {
            address,
            advice,
            source,
        }
    })
}

/// Serves until `api` is told to stop, then lets requests under way end for a while.
pub async fn serve(listener: TcpListener, api: Api) {
    let limits = *api.limits();
    let stopping = api.stopping().clone();
    let router = super::router(api);
    let places = Places::new(limits.connections_max);
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(place) = places.take() else {
                    tracing::debug!(%address, "all connections are taken");
                    continue;
                };
                tasks.spawn(connection(
                    stream,
                    address,
                    place,
                    router.clone(),
                    limits,
                    stopping.clone(),
                ));
            }
            Err(error) => {
                // Out of file handles, or a client that went away at once: neither ends the server.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.farewell, tasks.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time; they are cut");
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %address, "no TCP_NODELAY");
    }
    let cut = place.cut().clone();
    let peer = Peer::new(address.ip(), place);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    });
    let io = TokioIo::new(Patient::new(stream, limits.patience));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(64 * 1024)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let mut farewell = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, %address, "a connection ended early");
                }
                return;
            }
            () = cut.cancelled() => return,
            () = stopping.cancelled(), if !farewell => {
                farewell = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
