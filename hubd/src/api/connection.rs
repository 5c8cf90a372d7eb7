//! Connections: how many, for how long, and who gives way when all places are taken.
//!
//! Promise: a client that has shown a valid token always finds a place. Clients that have not share half of the
//! places; when those are full, the one that came first gives way to the newest, so strangers who open connections
//! and say nothing shut out nobody.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

/// Every connection that is open.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    strangers_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By arrival. Those who have not shown a token yet.
    strangers: BTreeMap<u64, CancellationToken>,
    trusted: usize,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    cut: CancellationToken,
}

impl Places {
    /// So many places, half of them for those who have shown a token.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            strangers_max: (max / 2).max(1),
            taken: Mutex::default(),
        })
    }

    /// A place for a new connection; `None` when everybody here is trusted and all places are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.strangers.len() >= self.strangers_max || taken.strangers.len() + taken.trusted >= self.max {
            let (_, oldest) = taken.strangers.pop_first()?;
            oldest.cancel();
        }
        let number = taken.next;
        taken.next += 1;
        let cut = CancellationToken::new();
        taken.strangers.insert(number, cut.clone());
        Some(Place {
            places: Arc::clone(self),
            number,
            cut,
        })
    }
}

impl Place {
    /// Cancelled when this connection has to give way.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    fn is_trusted(&self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.strangers.remove(&self.number).is_some() {
            taken.trusted += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Neither a stranger nor cut: it was trusted.
        if taken.strangers.remove(&self.number).is_none() && !self.cut.is_cancelled() {
            taken.trusted = taken.trusted.saturating_sub(1);
        }
    }
}

/// Who is at the other end; an extension of each request.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    address: IpAddr,
    place: Arc<Place>,
}

impl Peer {
    /// The client at this address in this place.
    pub(super) fn new(address: IpAddr, place: Place) -> Self {
        Self {
            address,
            place: Arc::new(place),
        }
    }

    /// Its address.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// It has shown a valid token: it no longer has to give way to strangers.
    pub(super) fn is_trusted(&self) {
        self.place.is_trusted();
    }
}

/// A stream that fails when the other end takes nothing for too long.
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Waits at most for `patience` while the other end takes nothing.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
        }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.waiting = None;
            return poll;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes nothing",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_give_way_to_strangers_and_never_take_the_reserve() {
        let places = Places::new(4);
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        second.is_trusted();
        let third = places.take().unwrap();
        assert!(!first.cut().is_cancelled());
        let fourth = places.take().unwrap();
        assert!(
            first.cut().is_cancelled(),
            "two strangers are allowed; the first gives way"
        );
        assert!(!second.cut().is_cancelled() && !third.cut().is_cancelled());
        third.is_trusted();
        fourth.is_trusted();
        drop(first);
        let fifth = places.take().unwrap();
        let sixth = places.take().unwrap();
        assert!(
            fifth.cut().is_cancelled(),
            "all four are taken; the stranger gives way"
        );
        sixth.is_trusted();
        assert!(
            places.take().is_none(),
            "four trusted clients are all there is room for"
        );
        drop(second);
        assert!(places.take().is_some());
    }
}
