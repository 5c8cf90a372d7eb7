//! Frames that are longer than the radio allows, in segments: one datagram at a time to each node.
//!
//! A job whose sealed frame is too long leaves segment by segment, so that others go between: a smoke alarm's door does not
//! wait for a long name. Whoever goes first and is for the same node takes the place of the datagram, which begins anew
//! later, as its nonce is used up by then. A node that cannot put segments together gets the frame as it is.
//!
//! Spec: CC:0055, version 2; the machines are in [`crate::transport_service`].

use std::collections::BTreeMap;

use hubd_model::SecretBytes;

use super::Host;
use super::traffic::{JobId, JobState, Lane};
use crate::transport_service::sending::{
    COMPLETE_WAIT, Datagram, FRAME_BYTES_MAX, Next, SEGMENT_PAUSE, Wanted,
};
use crate::wire::cc::{self, class, transport_service};
use crate::wire::serial::NodeId;

/// The datagrams under way.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    to: BTreeMap<NodeId, (JobId, Datagram)>,
    last_session: u8,
}

impl Host {
    /// The next segment of a job whose frame is on its way in segments.
    pub(super) fn next_segment(&self, node: NodeId, job: JobId) -> Option<Vec<u8>> {
        let (of, datagram) = self.datagrams.to.get(&node)?;
        (*of == job).then(|| cc::Command::from(datagram.segment()).emit())
    }

    /// What is sent of a job's frame now: all of it, or its first segment.
    pub(super) fn first_segment(&mut self, node: NodeId, job: JobId, payload: Vec<u8>) -> Vec<u8> {
        let segments = self
            .nodes
            .get(&node)
            .is_some_and(|node| node.supports(class::TRANSPORT_SERVICE));
        if payload.len() <= FRAME_BYTES_MAX || !segments {
            return payload;
        }
        self.datagrams.last_session = (self.datagrams.last_session + 1) & 0x0F;
        let frame = SecretBytes::new(payload);
        let Some(datagram) = Datagram::new(self.datagrams.last_session, frame.clone()) else {
            return frame.expose().to_vec();
        };
        let segment = cc::Command::from(datagram.segment()).emit();
        self.give_up_datagram(node);
        self.datagrams.to.insert(node, (job, datagram));
        if let Some(job) = self.traffic.get_mut(job) {
            job.segmented = true;
        }
        segment
    }

    /// Somebody who goes first is for the same node: the datagram under way to it begins anew later.
    pub(super) fn goes_before_datagram(&mut self, node: NodeId, job: JobId, lane: Lane) {
        let other = self.datagrams.to.get(&node).filter(|(of, _)| *of != job);
        // An answer is short, and comes between; if the datagram's nonce is lost by that, the node says so.
        if other.is_some() && lane != Lane::Reply {
            self.give_up_datagram(node);
        }
    }

    fn give_up_datagram(&mut self, node: NodeId) {
        let now = self.now;
        let Some((id, _)) = self.datagrams.to.remove(&node) else {
            return;
        };
        if let Some(job) = self.traffic.get_mut(id)
            && std::mem::take(&mut job.segmented)
        {
            job.attempts_left = job.attempts_left.saturating_add(1);
            if matches!(job.state, JobState::Confirming { .. }) {
                job.state = JobState::Queued { not_before: now };
            }
        }
    }

    /// A job's frame will be sealed anew: what was sent of it is of no use any more.
    pub(super) fn drop_datagram(&mut self, id: JobId) {
        self.datagrams.to.retain(|_, (of, _)| *of != id);
        if let Some(job) = self.traffic.get_mut(id) {
            job.segmented = false;
        }
    }

    /// The node left: what was on its way to it is of no use any more.
    pub(super) fn forget_datagram(&mut self, node: NodeId) {
        self.datagrams.to.remove(&node);
    }

    /// The dongle went away: every datagram begins anew.
    pub(super) fn drop_datagrams(&mut self) {
        for (id, _) in std::mem::take(&mut self.datagrams.to).into_values() {
            if let Some(job) = self.traffic.get_mut(id) {
                job.segmented = false;
            }
        }
    }

    /// The radio has a segment of this job, if it was one; says whether it was.
    pub(super) fn segment_delivered(&mut self, node: NodeId, id: JobId) -> bool {
        let now = self.now;
        let Some((_, datagram)) = self.datagrams.to.get_mut(&node).filter(|(of, _)| *of == id) else {
            return false;
        };
        let state = match datagram.sent() {
            Next::Segment => JobState::Queued {
                not_before: now + SEGMENT_PAUSE,
            },
            Next::Confirmation => JobState::Confirming {
                until: now + COMPLETE_WAIT,
            },
        };
        if let Some(job) = self.traffic.get_mut(id) {
            job.state = state;
        }
        true
    }

    /// Nobody said that the segments arrived: whether the last one goes once more.
    pub(super) fn confirmation_missing(&mut self, id: JobId) -> bool {
        let now = self.now;
        let of_job = self.datagrams.to.values_mut().find(|(of, _)| *of == id);
        if of_job.is_none_or(|(_, datagram)| !datagram.silent()) {
            self.drop_datagram(id);
            return false;
        }
        if let Some(job) = self.traffic.get_mut(id) {
            job.state = JobState::Queued { not_before: now };
        }
        true
    }

    /// A node says something about the datagram that goes to it.
    pub(super) fn datagram_heard(&mut self, node: NodeId, command: &transport_service::Command) {
        let now = self.now;
        let Some((id, datagram)) = self.datagrams.to.get_mut(&node) else {
            return;
        };
        let id = *id;
        match datagram.heard(command) {
            Wanted::Nothing => {}
            Wanted::Complete => {
                self.drop_datagram(id);
                self.frame_delivered(id);
            }
            Wanted::Segment(pause) => {
                // While one is on the air, its end leads to the next.
                if let Some(job) = self.traffic.get_mut(id)
                    && matches!(job.state, JobState::Confirming { .. } | JobState::Queued { .. })
                {
                    job.state = JobState::Queued {
                        not_before: now + pause,
                    };
                }
            }
            Wanted::TooMuch => {
                tracing::info!(node = node.0, "the node cannot put a long frame together");
                self.drop_datagram(id);
                if let Some(job) = self.traffic.get_mut(id)
                    && matches!(job.state, JobState::Confirming { .. } | JobState::Queued { .. })
                {
                    job.state = JobState::Waiting { until: now };
                }
            }
        }
    }
}
