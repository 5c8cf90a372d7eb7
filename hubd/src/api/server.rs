//! The server: takes connections, hands their requests to the router, and ends in good order.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::header::{HOST, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Patient, Peer, Place, Places};
use super::problem::Problem;
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

/// Serves plain HTTP until `api` is told to stop, then lets requests under way end for a while.
pub async fn serve(listener: TcpListener, api: Api) {
    take_connections(listener, api, None).await;
}

/// Serves HTTP over TLS in the same way. Who speaks plain HTTP here is sent to `https:` and told nothing else.
pub async fn serve_tls(listener: TcpListener, api: Api, acceptor: TlsAcceptor) {
    take_connections(listener, api, Some(acceptor)).await;
}

/// What each connection is served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) limits: Limits,
    pub(super) stopping: CancellationToken,
}

async fn take_connections(listener: TcpListener, api: Api, acceptor: Option<TlsAcceptor>) {
    let limits = *api.limits();
    let stopping = api.stopping().clone();
    let service = Serving {
        router: super::router(api),
        acceptor,
        limits,
        stopping: stopping.clone(),
    };
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
                tasks.spawn(connection(stream, address, place, service.clone()));
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

async fn connection(stream: TcpStream, address: SocketAddr, place: Place, service: Serving) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %address, "no TCP_NODELAY");
    }
    let Some(acceptor) = &service.acceptor else {
        let router = service.router.clone();
        return converse(stream, address, place, router, &service).await;
    };
    let cut = place.cut().clone();
    let begun = tokio::select! {
        begun = tokio::time::timeout(service.limits.header_time, begin(stream, acceptor)) => begun,
        () = cut.cancelled() => return,
        () = service.stopping.cancelled() => return,
    };
    match begun {
        Ok(Ok(Begun::Tls(stream))) => {
            let router = service.router.clone();
            converse(*stream, address, place, router, &service).await;
        }
        Ok(Ok(Begun::Plain(stream))) => {
            let router = Router::new().fallback(to_https);
            converse(stream, address, place, router, &service).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %address, "a connection did not begin"),
        Err(_) => tracing::debug!(%address, "a connection did not begin in time"),
    }
}

/// How a connection begins where TLS is spoken.
enum Begun {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// The first byte of a TLS connection.
///
/// Spec: RFC 8446 5.1, `ContentType` handshake.
const HANDSHAKE: u8 = 22;

async fn begin(stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Begun> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first == [HANDSHAKE] {
        Ok(Begun::Tls(Box::new(acceptor.accept(stream).await?)))
    } else {
        Ok(Begun::Plain(stream))
    }
}

/// Sends a browser to the same place over TLS. A name that is none is not repeated.
async fn to_https(request: axum::extract::Request) -> Response {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let plain = |host: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed)
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let place = host
        .filter(plain)
        .and_then(|host| HeaderValue::from_str(&format!("https://{host}{path}")).ok());
    match place {
        Some(place) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, place)]).into_response(),
        None => Problem::bad_request("tls_needed", "this port speaks TLS: use https").into_response(),
    }
}

/// Answers the requests of one connection.
pub(super) async fn converse<S>(
    stream: S,
    address: SocketAddr,
    place: Place,
    router: Router,
    service: &Serving,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Serving { limits, stopping, .. } = service;
    let cut = place.cut().clone();
    let peer = Peer::new(address.ip(), place);
    let router = TowerToHyperService::new(router);
    let answers = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    });
    let io = TokioIo::new(Patient::new(stream, limits.patience));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(64 * 1024)
        .serve_connection(io, answers);
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
