//! One voice about the store's health and progress: a fault is told once, its end once.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::StoreStatus;

/// How many messages may wait for the event loop. Progress that does not fit is told later; see `durable.rs`.
pub(crate) const STATUS_MAX: usize = 1024;

/// Who has a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Writing,
    Syncing,
    Checking,
}

#[derive(Default)]
struct Faults {
    writing: Option<String>,
    syncing: Option<String>,
    checking: Option<String>,
    /// What is wrong as a whole.
    whole: Option<String>,
    /// What the loop could not be told because its queue was full.
    unsent: Option<StoreStatus>,
}

/// Tells the event loop how the store does.
pub(crate) struct Health {
    faults: Mutex<Faults>,
    to_loop: mpsc::Sender<StoreStatus>,
}

impl Health {
    pub(crate) fn new() -> (Self, mpsc::Receiver<StoreStatus>) {
        let (to_loop, status) = mpsc::channel(STATUS_MAX);
        (
            Self {
                faults: Mutex::default(),
                to_loop,
            },
            status,
        )
    }

    /// Notes a part's fault, or its end with `None`, and tells the loop when the whole changes.
    pub(crate) fn note(&self, part: Part, fault: Option<String>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match part {
            Part::Writing => &mut faults.writing,
            Part::Syncing => &mut faults.syncing,
            Part::Checking => &mut faults.checking,
        };
        if place.is_some() == fault.is_some() {
            return;
        }
        *place = fault;
        let now = faults
            .writing
            .as_ref()
            .or(faults.syncing.as_ref())
            .or(faults.checking.as_ref())
            .cloned();
        let status = match (&faults.whole, &now) {
            (None, Some(reason)) => {
                tracing::error!(%reason, "the records are not being kept; doors go on working");
                StoreStatus::Failing {
                    reason: reason.clone(),
                }
            }
            (Some(_), None) => {
                tracing::info!("the records are being kept again");
                StoreStatus::Recovered
            }
            (None, None) | (Some(_), Some(_)) => return,
        };
        faults.whole = now;
        faults.unsent = self.send(status);
    }

    /// What is wrong, when something is.
    pub(crate) fn fault(&self) -> Option<String> {
        self.faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .whole
            .clone()
    }

    /// Tells the loop that everything up to this entry is on disk; false when it has to be told again.
    pub(crate) fn durable(&self, seq: u64) -> bool {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = faults.unsent.take() {
            faults.unsent = self.send(status);
        }
        faults.unsent.is_none() && self.send(StoreStatus::Durable { seq }).is_none()
    }

    /// Hands the message back when the queue is full. A loop that is gone needs no message.
    fn send(&self, status: StoreStatus) -> Option<StoreStatus> {
        match self.to_loop.try_send(status) {
            Ok(()) | Err(TrySendError::Closed(_)) => None,
            Err(TrySendError::Full(status)) => Some(status),
        }
    }
}
