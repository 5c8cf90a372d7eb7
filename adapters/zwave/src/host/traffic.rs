//! What waits to be said to nodes, and who goes first.
//!
//! ```text
//!            room on the air          callback: delivered
//!   Queued ───────────────▶ OnAir ───────────────────────▶ Waiting ──▶ answered, or silence
//!     ▲                      │  │                              │
//!     │ nonce is here        │  └ not delivered: later again   └ the node lost the key stream: again
//!     └── NeedsNonce ◀───────┘ a nonce had to be asked for first
//! ```
//!
//! A job that a person waits for passes every job of the interview; a smoke alarm's passes them all.

use hubd_model::{CommandId, Millis, MonoTime, SecretBytes};

use crate::interview::Question;
use crate::security::{KeyRef, SecurityClass};
use crate::wire::serial::NodeId;

/// How many jobs may wait; beyond that new ones are refused.
pub(crate) const JOBS_MAX: usize = 1024;
/// How many more of life safety may: a door that is to be opened in an emergency finds room in a full queue.
const EMERGENCY_JOBS_MAX: usize = 1024;
/// How long nothing else is sent to a node that is about to answer under S2: both sides would use the same place
/// of the key stream, and both frames be lost.
const ANSWER_PAUSE: Millis = Millis(400);
/// How many answers to one node may wait; a node that asks faster is not answered.
const REPLIES_PER_NODE_MAX: usize = 8;

/// Who goes first; earlier variants pass later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Smoke or CO.
    LifeSafety,
    /// A node waits for it within a second or so.
    Reply,
    /// A person waits for it.
    Person,
    /// A person watches a device being included.
    Inclusion,
    /// Nobody waits.
    Interview,
    /// Nobody waits, and whatever else is wanted of the same lock goes first.
    Log,
}

/// Under which key a job's frame goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// As it is.
    Plain,
    /// Under the node's highest key.
    Highest,
    /// Under this key.
    Class(SecurityClass),
    /// Under a key of the key exchange under way.
    Joining(KeyRef),
    /// Under the S0 key that is all zero, which a joining node has before it has the network's.
    S0Inclusion,
}

/// What shows that a job succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The radio's acknowledgement.
    Nothing,
    /// A command of the node.
    Reply {
        /// Its class.
        class: u8,
        /// Its number in the class.
        command: u8,
    },
    /// A Supervision Report for this session.
    Supervision {
        /// The session.
        session: u8,
    },
}

/// Why a job exists, and so what its end means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To move a bolt.
    Actuate(CommandId),
    /// To see what became of the bolt.
    Verify(CommandId),
    /// To know the bolt's state.
    Refresh,
    /// To learn something.
    Ask(Question),
    /// To answer a node.
    Reply,
    /// To exchange keys.
    Bootstrap,
    /// To see whether the node is there.
    Ping,
    /// To read or change codes.
    Codes,
    /// To keep a lock from relocking, or to let it again.
    Hold,
    /// To read a lock's own record.
    Log,
}

/// Which part of a job is on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The request for a nonce that has to come first.
    NonceGet,
    /// The frame itself.
    Frame,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    /// It waits for room on the air, at the earliest at this time.
    Queued {
        /// Not to be sent before.
        not_before: MonoTime,
    },
    /// The dongle is sending a part of it.
    OnAir(Part),
    /// A nonce was asked for.
    NeedsNonce {
        /// Until when it may come.
        until: MonoTime,
    },
    /// Every segment of it left; the node's word that it has them all is awaited.
    Confirming {
        /// Until when it may come.
        until: MonoTime,
    },
    /// Delivered; the node's answer is awaited.
    Waiting {
        /// Until when it may come.
        until: MonoTime,
    },
}

/// Names a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId(u64);

/// One frame for one node, until its end.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) node: NodeId,
    pub(crate) lane: Lane,
    /// It may hold a PIN.
    pub(crate) frame: SecretBytes,
    pub(crate) protection: Protection,
    pub(crate) expect: Expect,
    pub(crate) purpose: Purpose,
    /// Not to be sent after this.
    pub(crate) expires: Option<MonoTime>,
    /// How long the answer may take after delivery.
    pub(crate) answer_wait: Millis,
    /// How often it may be sent, this time included.
    pub(crate) attempts_left: u8,
    /// How often a busy dongle refused it.
    pub(crate) refusals: u8,
    /// How often the node could not read it.
    pub(crate) resyncs: u8,
    /// It is on its way in segments.
    pub(crate) segmented: bool,
    /// When its frame was handed to the dongle last.
    pub(crate) sent_at: MonoTime,
    pub(crate) state: JobState,
}

impl Job {
    /// Whether nothing else should be sent to the node: its nonce is being fetched, or it is about to answer under
    /// the key stream that the next frame would use as well. A slow node holds up a person only for a moment.
    fn occupies_node(&self, now: MonoTime) -> bool {
        match self.state {
            JobState::NeedsNonce { .. } | JobState::Confirming { .. } => true,
            JobState::Waiting { .. } => {
                self.protection != Protection::Plain
                    && self.expect != Expect::Nothing
                    && now < self.sent_at + ANSWER_PAUSE
            }
            // What is said between would be read with the nonce of the datagram.
            JobState::Queued { .. } | JobState::OnAir(_) => self.segmented,
        }
    }
}

impl Job {
    /// In an emergency, how far it goes behind others of its lane: a door that did not answer is told again after every
    /// door that was not told yet, so that the most doors open soonest.
    const fn tries_behind(&self) -> u8 {
        match self.lane {
            Lane::LifeSafety => u8::MAX - self.attempts_left,
            Lane::Reply | Lane::Person | Lane::Inclusion | Lane::Interview | Lane::Log => 0,
        }
    }
}

/// What a caller says of a new job.
#[derive(Debug, Clone)]
pub(crate) struct NewJob {
    pub(crate) node: NodeId,
    pub(crate) lane: Lane,
    pub(crate) frame: SecretBytes,
    pub(crate) protection: Protection,
    pub(crate) expect: Expect,
    pub(crate) purpose: Purpose,
    pub(crate) expires: Option<MonoTime>,
    pub(crate) answer_wait: Millis,
    pub(crate) attempts: u8,
    pub(crate) not_before: MonoTime,
}

/// The jobs of one dongle.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    jobs: Vec<Job>,
    last_id: u64,
}

impl Traffic {
    /// Takes a job; `None` when too much waits already.
    pub(crate) fn push(&mut self, new: NewJob) -> Option<JobId> {
        let replies = || {
            self.jobs
                .iter()
                .filter(|job| job.node == new.node && job.purpose == Purpose::Reply)
                .count()
        };
        let room = match new.lane {
            Lane::LifeSafety => JOBS_MAX + EMERGENCY_JOBS_MAX,
            Lane::Reply | Lane::Person | Lane::Inclusion | Lane::Interview | Lane::Log => JOBS_MAX,
        };
        if self.jobs.len() >= room || (new.purpose == Purpose::Reply && replies() >= REPLIES_PER_NODE_MAX) {
            tracing::warn!(
                node = new.node.0,
                "too much waits to be sent; a frame was not queued"
            );
            return None;
        }
        self.last_id += 1;
        let id = JobId(self.last_id);
        self.jobs.push(Job {
            id,
            node: new.node,
            lane: new.lane,
            frame: new.frame,
            protection: new.protection,
            expect: new.expect,
            purpose: new.purpose,
            expires: new.expires,
            answer_wait: new.answer_wait,
            attempts_left: new.attempts,
            refusals: 0,
            resyncs: 0,
            segmented: false,
            sent_at: new.not_before,
            state: JobState::Queued {
                not_before: new.not_before,
            },
        });
        Some(id)
    }

    /// The job to be sent next among those in `lanes`, if any may be sent now. A node for which `reachable` is
    /// false (it sleeps) is passed over, and so is one that is about to answer ([`Job::occupies_node`]).
    pub(crate) fn next(
        &self,
        now: MonoTime,
        lanes: std::ops::RangeInclusive<Lane>,
        reachable: impl Fn(NodeId) -> bool,
    ) -> Option<JobId> {
        // A datagram on its way is given up for whoever goes first.
        let busy = |next: &Job| {
            self.jobs.iter().any(|job| {
                job.node == next.node
                    && job.id != next.id
                    && job.occupies_node(now)
                    && !(job.segmented && next.lane < job.lane)
            })
        };
        self.jobs
            .iter()
            .filter(|job| matches!(job.state, JobState::Queued { not_before } if not_before <= now))
            .filter(|job| lanes.contains(&job.lane))
            .filter(|job| {
                job.lane == Lane::Reply
                    || ((reachable(job.node) || job.purpose == Purpose::Ping) && !busy(job))
            })
            .min_by_key(|job| (job.lane, job.tries_behind(), job.id))
            .map(|job| job.id)
    }

    /// A job by its id.
    pub(crate) fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// A job by its id, to be changed.
    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// Takes a job out.
    pub(crate) fn remove(&mut self, id: JobId) -> Option<Job> {
        let index = self.jobs.iter().position(|job| job.id == id)?;
        Some(self.jobs.remove(index))
    }

    /// The oldest job of a node, in flight or waiting for an answer, that `wanted` accepts.
    pub(crate) fn in_flight(&self, node: NodeId, wanted: impl Fn(&Job) -> bool) -> Option<JobId> {
        self.all_in_flight(node)
            .filter(|job| wanted(job))
            .map(|job| job.id)
            .min()
    }

    /// The job of a node that was sent last and that `wanted` accepts.
    pub(crate) fn last_sent(&self, node: NodeId, wanted: impl Fn(&Job) -> bool) -> Option<JobId> {
        self.all_in_flight(node)
            .filter(|job| wanted(job))
            .max_by_key(|job| (job.sent_at, job.id))
            .map(|job| job.id)
    }

    fn all_in_flight(&self, node: NodeId) -> impl Iterator<Item = &Job> {
        self.jobs
            .iter()
            .filter(move |job| job.node == node && !matches!(job.state, JobState::Queued { .. }))
    }

    /// All jobs that `wanted` accepts.
    pub(crate) fn ids(&self, wanted: impl Fn(&Job) -> bool) -> Vec<JobId> {
        self.jobs
            .iter()
            .filter(|job| wanted(job))
            .map(|job| job.id)
            .collect()
    }

    /// Whether a job exists that `wanted` accepts.
    pub(crate) fn any(&self, wanted: impl Fn(&Job) -> bool) -> bool {
        self.jobs.iter().any(wanted)
    }

    /// A job whose wait is over.
    pub(crate) fn overdue(&self, now: MonoTime) -> Option<JobId> {
        self.jobs
            .iter()
            .find(|job| match job.state {
                JobState::NeedsNonce { until }
                | JobState::Confirming { until }
                | JobState::Waiting { until } => until <= now,
                JobState::Queued { .. } => job.expires.is_some_and(|expires| expires <= now),
                JobState::OnAir(_) => false,
            })
            .map(|job| job.id)
    }

    /// The next time at which something here is due.
    pub(crate) fn next_deadline(&self, now: MonoTime) -> Option<MonoTime> {
        self.jobs
            .iter()
            .filter_map(|job| match job.state {
                JobState::NeedsNonce { until } | JobState::Confirming { until } => Some(until),
                JobState::Waiting { until } => {
                    let pause = Some(job.sent_at + ANSWER_PAUSE).filter(|end| *end > now);
                    [Some(until), pause].into_iter().flatten().min()
                }
                JobState::Queued { not_before } => {
                    let starts = Some(not_before).filter(|start| *start > now);
                    [starts, job.expires].into_iter().flatten().min()
                }
                JobState::OnAir(_) => None,
            })
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(node: u16, lane: Lane) -> NewJob {
        NewJob {
            node: NodeId(node),
            lane,
            frame: SecretBytes::new(vec![0]),
            protection: Protection::Plain,
            expect: Expect::Nothing,
            purpose: if lane == Lane::Reply {
                Purpose::Reply
            } else {
                Purpose::Refresh
            },
            expires: None,
            answer_wait: Millis(1000),
            attempts: 1,
            not_before: MonoTime::default(),
        }
    }

    const ALL: std::ops::RangeInclusive<Lane> = Lane::LifeSafety..=Lane::Log;

    #[test]
    fn a_person_passes_the_interview_and_smoke_passes_everybody() {
        let mut traffic = Traffic::default();
        let interview = traffic.push(job(2, Lane::Interview)).unwrap();
        let person = traffic.push(job(2, Lane::Person)).unwrap();
        let smoke = traffic.push(job(5, Lane::LifeSafety)).unwrap();
        let mut order = Vec::new();
        while let Some(id) = traffic.next(MonoTime::default(), ALL, |_| true) {
            order.push(id);
            traffic.remove(id);
        }
        assert_eq!(order, [smoke, person, interview]);
    }

    #[test]
    fn a_door_that_did_not_answer_is_told_again_after_the_others() {
        let mut traffic = Traffic::default();
        let emergency = |node| NewJob {
            attempts: 3,
            ..job(node, Lane::LifeSafety)
        };
        let silent = traffic.push(emergency(2)).unwrap();
        let other = traffic.push(emergency(4)).unwrap();
        traffic.get_mut(silent).unwrap().attempts_left = 2;
        assert_eq!(traffic.next(MonoTime::default(), ALL, |_| true), Some(other));
        traffic.remove(other);
        assert_eq!(traffic.next(MonoTime::default(), ALL, |_| true), Some(silent));
    }

    #[test]
    fn an_emergency_finds_room_in_a_full_queue() {
        let mut traffic = Traffic::default();
        for _ in 0..JOBS_MAX {
            traffic.push(job(2, Lane::Interview)).unwrap();
        }
        assert_eq!(traffic.push(job(2, Lane::Person)), None);
        let emergency = traffic.push(job(2, Lane::LifeSafety));
        assert_eq!(traffic.next(MonoTime::default(), ALL, |_| true), emergency);
    }

    #[test]
    fn a_sleeping_node_holds_up_nobody_but_itself() {
        let mut traffic = Traffic::default();
        traffic.push(job(3, Lane::Person)).unwrap();
        let awake = traffic.push(job(2, Lane::Interview)).unwrap();
        assert_eq!(
            traffic.next(MonoTime::default(), ALL, |node| node != NodeId(3)),
            Some(awake)
        );
    }

    #[test]
    fn a_node_that_asks_too_fast_is_not_answered() {
        let mut traffic = Traffic::default();
        let taken = (0..20)
            .filter(|_| traffic.push(job(2, Lane::Reply)).is_some())
            .count();
        assert_eq!(taken, REPLIES_PER_NODE_MAX);
    }
}
