//! Starts in vain, one after the other: the journal tells of the first, and of one an hour after that.
//!
//! ```text
//!   the start before was in vain, within the hour? --no--> Open: everything is recorded
//!        | yes                                                      ^
//!        v          anything else happens, a radio works, or       |
//!   Holding --------- the hub is told to stop ---------------------+
//!        | no radio can be used
//!        v
//!   Dropped: this start was as vain as the one before
//! ```
//! systemd starts a hub without a dongle every few seconds, and three entries each time would bury the others.

use hubd_core::event::{Entry, Event};
use hubd_model::{Millis, UnixMillis};

use crate::store::StoreJob;

/// How long the record of one start in vain stands for those that follow.
const STANDS_FOR: Millis = Millis::from_secs(3600);
/// More entries than a start in vain makes with as many radios as a home has.
const HELD_MAX: usize = 64;

/// What becomes of the entries of this start.
pub(super) enum VainStart {
    Open,
    Holding(Vec<Entry>),
    Dropped,
}

impl VainStart {
    /// `before` is when the start before this one began, if it was in vain.
    pub(super) fn new(before: Option<UnixMillis>, now: UnixMillis) -> Self {
        // A clock that was set back between the two starts tells nothing.
        let stands =
            before.is_some_and(|before| (0..STANDS_FOR.0.cast_signed()).contains(&(now.0 - before.0)));
        if stands {
            Self::Holding(Vec::new())
        } else {
            Self::Open
        }
    }

    /// Takes the records of a mutation and hands on what is to be recorded now.
    pub(super) fn pass(&mut self, records: Vec<StoreJob>) -> Vec<StoreJob> {
        let held = match self {
            Self::Open => return records,
            Self::Dropped => return Vec::new(),
            Self::Holding(held) => held,
        };
        let entries = |job: &StoreJob| match job {
            StoreJob::Journal(entry) => Some(belongs(&entry.event)),
            StoreJob::Save(_)
            | StoreJob::Forget(_)
            | StoreJob::KeepCache { .. }
            | StoreJob::KeepDongle { .. } => None,
        };
        if held.len() >= HELD_MAX || !records.iter().filter_map(entries).all(|belongs| belongs) {
            let mut all = self.release();
            all.extend(records);
            return all;
        }
        let mut rest = Vec::new();
        for job in records {
            match job {
                StoreJob::Journal(entry) => held.push(entry),
                StoreJob::Save(_)
                | StoreJob::Forget(_)
                | StoreJob::KeepCache { .. }
                | StoreJob::KeepDongle { .. } => rest.push(job),
            }
        }
        rest
    }

    /// This start is not in vain, or ends for another reason: hands out what was held.
    pub(super) fn release(&mut self) -> Vec<StoreJob> {
        match std::mem::replace(self, Self::Open) {
            Self::Holding(held) => held.into_iter().map(StoreJob::Journal).collect(),
            Self::Open => Vec::new(),
            Self::Dropped => {
                *self = Self::Dropped;
                Vec::new()
            }
        }
    }

    /// This start is in vain too.
    pub(super) fn drop_held(&mut self) {
        if let Self::Holding(held) = self {
            tracing::info!(
                entries = held.len(),
                "a start in vain like the one before is not recorded again"
            );
            *self = Self::Dropped;
        }
    }
}

/// Whether it is one of the things that happen at every start in vain.
fn belongs(event: &Event) -> bool {
    if let Event::HubDegraded { what, .. } = event {
        return what.starts_with("radio:");
    }
    matches!(event, Event::HubStarted { .. } | Event::HubStopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(seq: u64, event: Event) -> StoreJob {
        StoreJob::Journal(Entry {
            seq,
            at: UnixMillis(0),
            clock_synced: true,
            lock: None,
            alarm: None,
            person: None,
            event,
        })
    }

    fn degraded(what: &str) -> Event {
        Event::HubDegraded {
            what: what.to_owned(),
            reason: "why".to_owned(),
        }
    }

    fn seqs(jobs: Vec<StoreJob>) -> Vec<u64> {
        jobs.into_iter()
            .map(|job| match job {
                StoreJob::Journal(entry) => entry.seq,
                StoreJob::Save(_)
                | StoreJob::Forget(_)
                | StoreJob::KeepCache { .. }
                | StoreJob::KeepDongle { .. } => 0,
            })
            .collect()
    }

    #[test]
    fn only_a_start_in_vain_within_the_hour_stands_for_another() {
        let hour = STANDS_FOR.0.cast_signed();
        for (before, now, holds) in [
            (None, 5, false),
            (Some(0), 0, true),
            (Some(0), hour - 1, true),
            (Some(0), hour, false),
            (Some(10), 9, false),
        ] {
            let vain = VainStart::new(before.map(UnixMillis), UnixMillis(now));
            assert_eq!(matches!(vain, VainStart::Holding(_)), holds, "{before:?} {now}");
        }
    }

    #[test]
    fn what_is_held_comes_out_in_order_or_not_at_all() {
        let started = || {
            journal(
                1,
                Event::HubStarted {
                    version: "1".to_owned(),
                },
            )
        };
        let holding = || VainStart::new(Some(UnixMillis(0)), UnixMillis(1));
        let mut vain = holding();
        assert!(
            vain.pass(vec![started(), journal(2, degraded("radio:z"))])
                .is_empty()
        );
        // A full disk is none of it.
        assert_eq!(seqs(vain.pass(vec![journal(3, degraded("store"))])), [1, 2, 3]);
        assert_eq!(seqs(vain.pass(vec![journal(4, Event::HubStopped)])), [4]);

        let mut vain = holding();
        assert!(vain.pass(vec![started()]).is_empty());
        assert_eq!(seqs(vain.release()), [1]);

        let mut vain = holding();
        assert!(vain.pass(vec![started()]).is_empty());
        vain.drop_held();
        assert!(vain.pass(vec![journal(2, Event::HubStopped)]).is_empty());
        assert!(vain.release().is_empty());
    }
}
