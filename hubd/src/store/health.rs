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
    told: Option<String>,
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
        let status = match (&faults.told, &now) {
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
        // A loop that lets a thousand messages wait learns of this one by the next change.
        if self.to_loop.try_send(status).is_ok() {
            faults.told = now;
        }
    }

    /// What is wrong, when something is.
    pub(crate) fn fault(&self) -> Option<String> {
        self.faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .told
            .clone()
    }

    /// Tells the loop that everything up to this entry is on disk; false when it has to be told again.
    pub(crate) fn durable(&self, seq: u64) -> bool {
        match self.to_loop.try_send(StoreStatus::Durable { seq }) {
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => false,
        }
    }
}
