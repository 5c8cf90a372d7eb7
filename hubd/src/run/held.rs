//! Answers that are held until the journal entry that records their change is on disk: what somebody was told about
//! people and what opens doors for them survives a kill and a power cut.
//!
//! ```text
//!   mutation --> Held --- its entry is on disk -----> the answer
//!                  +----- the store cannot write ---> that it is not recorded
//!                  +----- the hub stops ------------> that the hub is stopping
//! ```

use std::collections::VecDeque;

use hubd_core::input::{Answer, Refusal};
use hubd_core::view::StoreHealth;
use tokio::sync::oneshot;

use crate::hub::AskError;

/// How many answers may wait for the disk. More askers than that are told that the hub is busy, before anything changes.
const HELD_MAX: usize = 256;

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<Answer, AskError>>;

/// Answers that wait for their entries, oldest first.
#[derive(Default)]
pub(super) struct HeldAnswers(VecDeque<Waiting>);

struct Waiting {
    /// The entry.
    recorded: u64,
    answer: Answer,
    reply: Reply,
}

impl HeldAnswers {
    /// Whether no more answer can wait.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= HELD_MAX
    }

    /// Gives an answer now, or once the entry that records it is on disk.
    pub(super) fn give(
        &mut self,
        reply: Reply,
        answer: Result<Answer, Refusal>,
        durable: u64,
        store: StoreHealth,
    ) {
        match answer {
            Ok(answer) => match recorded(&answer).filter(|recorded| *recorded > durable) {
                Some(recorded) => match store {
                    StoreHealth::Failing { reason } => send(reply, Err(AskError::NotRecorded(reason))),
                    StoreHealth::Good => self.0.push_back(Waiting {
                        recorded,
                        answer,
                        reply,
                    }),
                },
                None => send(reply, Ok(answer)),
            },
            Err(refusal) => send(reply, Err(refusal.into())),
        }
    }

    /// Every entry up to this one is on disk.
    pub(super) fn durable(&mut self, seq: u64) {
        while let Some(waiting) = self.0.pop_front_if(|waiting| waiting.recorded <= seq) {
            send(waiting.reply, Ok(waiting.answer));
        }
    }

    /// The store cannot write: who waits is told, and does not wait any longer.
    pub(super) fn failing(&mut self, reason: &str) {
        for waiting in self.0.drain(..) {
            send(waiting.reply, Err(AskError::NotRecorded(reason.to_owned())));
        }
    }
}

/// The entry that has to be on disk before this is told.
fn recorded(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Credentials { recorded, .. } => *recorded,
        // An end of a command is held by the mind; what life safety decides is on record before its orders leave.
        Answer::Command(_) | Answer::Incident(_) | Answer::Accepted => None,
    }
}

fn send(reply: Reply, answer: Result<Answer, AskError>) {
    // The asker may have gone away meanwhile; then nobody wants the answer.
    let _ = reply.send(answer);
}
