//! The threads that run what waits. The disk's threads are the store's own.
//!
//! ```text
//!   doors   the event loop, the adapters, the console of the command line, notifications, chores
//!   front   HTTP: connections, TLS, sign-in, answers, streams - whatever strangers can keep busy
//! ```
//!
//! Promise: however many requests come, the doors' thread has none of that work. It takes from the front what fits its
//! bounded queue (`hub.rs`), and only what somebody was authorised for.

use std::future::Future;
use std::io;
use std::net;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// What may block is run beside such a thread by at most so many others, which end when nothing comes for a while.
const BLOCKING_THREADS_MAX: usize = 4;
/// How long one of them waits for work.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A runtime whose tasks all run on the thread that calls it.
///
/// # Errors
/// When the system gives it no way to wait.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .build()
}

/// The front's thread.
pub struct Front {
    ended: oneshot::Receiver<()>,
}

impl Front {
    /// Starts it. It ends when the future that `serve` makes does; what that left unfinished is dropped then.
    ///
    /// # Errors
    /// When the system gives no thread, or the listener cannot be used there.
    pub async fn start<F>(
        listener: net::TcpListener,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()>,
    {
        let (tell_ready, ready) = oneshot::channel();
        let (tell_ended, ended) = oneshot::channel();
        thread::Builder::new()
            .name("hubd-front".to_owned())
            .spawn(move || {
                let begun = runtime().and_then(|runtime| {
                    let here = runtime.enter();
                    let listener = TcpListener::from_std(listener)?;
                    drop(here);
                    Ok((runtime, listener))
                });
                match begun {
                    Ok((runtime, listener)) => {
                        // Whoever started it may have given up; it is told to end by what it serves.
                        let _ = tell_ready.send(Ok(()));
                        runtime.block_on(async move { serve(listener).await });
                        // A backup that is being made does not keep the hub from stopping.
                        runtime.shutdown_background();
                        let _ = tell_ended.send(());
                    }
                    Err(error) => {
                        let _ = tell_ready.send(Err(error));
                    }
                }
            })?;
        ready
            .await
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended at once")))?;
        Ok(Self { ended })
    }

    /// Waits for its end; `false` when it ended badly.
    pub async fn ended(self) -> bool {
        self.ended.await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn the_front_serves_while_the_doors_thread_is_busy_and_says_when_it_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let front = Front::start(listener.into_std().unwrap(), |listener| async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"served").await.unwrap();
        })
        .await
        .unwrap();
        // This thread's runtime has no turn while a client of its own waits for the answer.
        let answer = thread::scope(|scope| {
            let client = scope.spawn(move || {
                runtime().unwrap().block_on(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).await.unwrap();
                    answer
                })
            });
            client.join().unwrap()
        });
        assert_eq!(answer, "served");
        assert!(front.ended().await);
    }

    #[tokio::test]
    async fn a_front_that_fails_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Front::start(listener.into_std().unwrap(), |_| async move {
            panic!("a fault in the front");
        })
        .await
        .unwrap();
        assert!(!front.ended().await);
    }
}
