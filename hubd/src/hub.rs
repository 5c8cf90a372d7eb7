//! The handle by which the shell's other parts reach the one event loop in `run.rs`.

use hubd_core::engine::Engine;
use hubd_core::input::{Answer, Refusal, Request};
use hubd_core::view::CommandView;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};

/// How many messages may wait for the loop before a sender is told that the hub is busy.
pub const LOOP_QUEUE_MAX: usize = 256;
/// How many command changes a slow waiter may miss before it has to look again.
pub const COMMAND_CHANGES_MAX: usize = 256;

/// One message to the loop.
pub enum ToLoop {
    /// A request, answered when the mind has decided and what it changed about people and credentials is on disk.
    Request(Request, oneshot::Sender<Result<Answer, AskError>>),
    /// A look at the mind. The closure runs on the loop: it copies views out and does nothing else.
    Look(Box<dyn FnOnce(&Engine) + Send>),
}

/// Why the loop could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// The mind said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many requests are waiting.
    #[error("the hub is busy; try again in a few seconds")]
    Busy,
    /// It was done, and the disk did not take the record of it.
    #[error(
        "the hub has done it but cannot record it ({0}), so a restart would undo it: mend the disk, then look whether it is \
         as you want it"
    )]
    NotRecorded(String),
    /// The hub is stopping.
    #[error("the hub is stopping")]
    Stopping,
}

/// Reaches the loop from anywhere in the shell; cheap to clone.
#[derive(Clone)]
pub struct Hub {
    to_loop: mpsc::Sender<ToLoop>,
    commands: broadcast::Sender<CommandView>,
}

impl Hub {
    /// A handle and the loop's end of it.
    pub fn new() -> (Self, mpsc::Receiver<ToLoop>) {
        let (to_loop, from_handles) = mpsc::channel(LOOP_QUEUE_MAX);
        let (commands, _) = broadcast::channel(COMMAND_CHANGES_MAX);
        (Self { to_loop, commands }, from_handles)
    }

    /// Asks the mind for something.
    ///
    /// # Errors
    /// The mind's refusal, or that it cannot be asked now.
    pub async fn request(&self, request: Request) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        self.send(ToLoop::Request(request, reply))?;
        answer.await.map_err(|_| AskError::Stopping)?
    }

    /// Tells the mind something to which no answer is awaited. It is taken before whatever is asked later.
    ///
    /// # Errors
    /// When the loop cannot be told now.
    pub fn tell(&self, request: Request) -> Result<(), AskError> {
        let (reply, _) = oneshot::channel();
        self.send(ToLoop::Request(request, reply))
    }

    /// Looks at the mind: `look` runs on the loop between two inputs.
    ///
    /// # Errors
    /// When the loop cannot be asked now.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, AskError> {
        let (reply, answer) = oneshot::channel();
        self.send(ToLoop::Look(Box::new(move |engine| {
            // The asker may have gone away meanwhile; then nobody wants the answer.
            let _ = reply.send(look(engine));
        })))?;
        answer.await.map_err(|_| AskError::Stopping)
    }

    /// Every change of a command from now on.
    pub fn command_changes(&self) -> broadcast::Receiver<CommandView> {
        self.commands.subscribe()
    }

    /// Tells the waiters of a command's change (used by the loop).
    pub fn publish_command(&self, command: CommandView) {
        // Without waiters there is nobody to tell.
        let _ = self.commands.send(command);
    }

    fn send(&self, message: ToLoop) -> Result<(), AskError> {
        self.to_loop.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AskError::Busy,
            mpsc::error::TrySendError::Closed(_) => AskError::Stopping,
        })
    }
}
