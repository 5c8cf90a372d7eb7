//! Removing a device that is gone: only when it is silent, and when its silence says something.
//!
//! ```text
//!   order ─▶ may only sleep ─────────────────────────▶ Failed "sleeps"
//!     │
//!     └─▶ Ping ─acknowledged─────────────────────────▶ Failed "answers"
//!          │ └─the radio was busy: nothing was asked─▶ Failed "busy"
//!          └─silent─▶ RemoveFailedNode ─removed──────▶ Done, and forgotten
//!                          ├─ the dongle heard it ───▶ Failed "answers"
//!                          └─ the dongle would not ──▶ Failed "controller_failed"
//! ```
//!
//! A device that says that it was reset has left the network by itself; then the dongle is made to forget it in the same
//! way. In the clear anybody could say that in its name, so that it is asked first.
//!
//! The dongle asks the device once more itself before it forgets it. Neither it nor the hub can hear whether a device
//! that sleeps is alive; so that device has to be silent for longer than it ever sleeps, while the dongle listened.

use hubd_model::{DeviceAddress, InclusionState, Millis, MonoTime, RemovalCause, Report, SecretBytes};

use super::Host;
use super::cipher::Under;
use super::sending::Outcome;
use super::traffic::{Expect, Lane, NewJob, Protection, Purpose};
use crate::dongle::End;
use crate::wire::cc::class;
use crate::wire::serial::{Command, NodeId, TransmitStatus};

/// How long the device is asked at most.
const ASK_WAIT: Millis = Millis::from_secs(60);
/// How long the whole may take: asking, and the dongle's own search for the device.
const REMOVAL_WAIT: Millis = Millis::from_secs(150);
/// How long a device that sleeps has to be silent: more than the day that many detectors sleep.
const SLEEP_MIN: Millis = Millis::from_secs(26 * 3600);
/// How long after its word a device is reset: it waits for our radio to acknowledge it first.
const RESET_PAUSE: Millis = Millis(5_000);

impl Host {
    /// Removes a device that a person says is gone.
    pub(super) fn remove_failed(&mut self, device: &DeviceAddress) {
        let node = self.node_at(device);
        if let Err(why) = self.may_join() {
            let device = node.and_then(|node| Some((self.address(node)?, self.kind_of(node))));
            return self.tell_exclusion(InclusionState::Failed, device, Some(why));
        }
        let Some(node) = node else {
            return self.remove_stranger(device);
        };
        if let Some(until) = self.may_sleep_until(node) {
            let hours = until.since(self.now).0.div_ceil(3_600_000);
            let detail = format!(
                "the device sleeps, so that its silence says nothing yet: wake it and exclude it, or try again when it \
                 was silent for {hours} more hours"
            );
            return self.removal_refused(node, "sleeps", &detail);
        }
        let pushed = self.ping(node, Lane::Person, self.now);
        if !pushed {
            return self.removal_refused(node, "busy", "too much waits to be sent; try again in a minute");
        }
        self.joining.begin_removal(node, self.now + REMOVAL_WAIT);
        let device = self.address(node).map(|device| (device, self.kind_of(node)));
        self.tell_exclusion(InclusionState::Waiting, device, None);
    }

    /// Asks a device whether it is there; says whether there was room for the question.
    fn ping(&mut self, node: NodeId, lane: Lane, not_before: MonoTime) -> bool {
        let pushed = self.push_job(NewJob {
            node,
            lane,
            frame: SecretBytes::new(vec![class::NO_OPERATION]),
            protection: Protection::Plain,
            expect: Expect::Nothing,
            purpose: Purpose::Ping,
            expires: Some(not_before + ASK_WAIT),
            answer_wait: Millis(0),
            attempts: 2,
            not_before,
        });
        pushed.is_some()
    }

    /// A device says that it was reset.
    pub(super) fn reset_locally(&mut self, node: NodeId, under: Under) {
        let Some(known) = self.nodes.get(&node) else {
            return;
        };
        if matches!(under, Under::Class(_)) {
            self.forget_node(node, RemovalCause::ResetLocally);
        } else if known.sleeps() {
            // Awake or gone: a device that sleeps again by then is as silent as one that was reset.
            if let Some(device) = self.address(node) {
                let what = "it says that it was reset, which anybody could say in its name: look at it, and remove it \
                            if that is so";
                self.report(Report::Trouble {
                    device,
                    what: what.to_owned(),
                });
            }
            return;
        }
        if self.resets.insert(node) && !self.ping(node, Lane::Interview, self.now + RESET_PAUSE) {
            self.resets.remove(&node);
        }
    }

    /// A device that the mind knows and the dongle does not: it left while nobody looked.
    fn remove_stranger(&mut self, device: &DeviceAddress) {
        let home_id = device.as_str().split_once('/').map(|(home_id, _)| home_id);
        let ours = self
            .identity
            .zip(home_id.and_then(|home_id| u32::from_str_radix(home_id, 16).ok()))
            .is_some_and(|(identity, home_id)| identity.home_id == home_id);
        if ours {
            self.report(Report::Removed {
                device: device.clone(),
                cause: RemovalCause::Failed,
            });
            self.tell_exclusion(InclusionState::Done, None, None);
        } else {
            let why = (
                "other_network",
                "the device is in the network of another dongle; plug that one in to remove it",
            );
            self.tell_exclusion(InclusionState::Failed, None, Some(why));
        }
    }

    /// Until when a device that says nothing may only be asleep; `None` when its silence tells. That it spoke a moment ago
    /// does not say that it is still awake.
    fn may_sleep_until(&self, id: NodeId) -> Option<MonoTime> {
        let node = self.nodes.get(&id).filter(|node| node.sleeps())?;
        let twice = node
            .wake_up_seconds
            .map_or(Millis(0), |seconds| Millis::from_secs(u64::from(seconds) * 2));
        let quiet_since = self.presence.get(&id).and_then(|presence| presence.quiet_since);
        let until = quiet_since.unwrap_or(self.now) + Millis(SLEEP_MIN.0.max(twice.0));
        Some(until).filter(|until| *until > self.now)
    }

    /// What became of the question whether the device is there.
    pub(super) fn ping_answered(&mut self, node: NodeId, outcome: &Outcome) {
        let was_reset = self.resets.remove(&node);
        let silent = matches!(
            outcome,
            Outcome::NotDelivered(TransmitStatus::NoAck | TransmitStatus::NoRoute)
        );
        if silent && (was_reset || self.joining.removes_failed(node)) {
            self.command(Command::RemoveFailedNode(node));
            return;
        }
        if !self.joining.removes_failed(node) {
            if was_reset {
                tracing::warn!(
                    node = node.0,
                    ?outcome,
                    "a device that says that it was reset is still there"
                );
            }
            return;
        }
        match outcome {
            Outcome::Delivered | Outcome::Answered(_) | Outcome::Supervised(_) => self.device_answers(node),
            Outcome::NotDelivered(_) | Outcome::NoAnswer | Outcome::NoKey | Outcome::Expired => {
                let detail = "the radio was busy, so the device could not be asked; try again in a minute";
                self.removal_refused(node, "busy", detail);
            }
        }
    }

    pub(super) fn removal_of_failed_ended(&mut self, node: NodeId, end: &End) {
        match end {
            End::Status(1) => {
                let device = self.address(node).map(|device| (device, self.kind_of(node)));
                let asked_for = self.joining.removes_failed(node);
                // One that was reset and proved it is forgotten already.
                if self.nodes.contains_key(&node) {
                    let cause = if asked_for {
                        RemovalCause::Failed
                    } else {
                        RemovalCause::ResetLocally
                    };
                    self.forget_node(node, cause);
                }
                if asked_for {
                    self.joining.end_removal();
                    self.tell_exclusion(InclusionState::Done, device, None);
                    self.listen_for_smart_start();
                }
            }
            _ if !self.joining.removes_failed(node) => {}
            End::Status(0) => self.device_answers(node),
            End::Status(_)
            | End::Response(_)
            | End::Taken
            | End::Refused
            | End::Silent
            | End::Undelivered => {
                let detail = "the dongle did not remove the device; try again in a minute";
                self.removal_refused(node, "controller_failed", detail);
            }
        }
    }

    fn device_answers(&mut self, node: NodeId) {
        let detail = "the device answers; exclude it instead of removing it as failed";
        self.removal_refused(node, "answers", detail);
    }

    /// The device stays in the network.
    pub(super) fn removal_refused(&mut self, node: NodeId, code: &str, detail: &str) {
        if self.joining.removes_failed(node) {
            self.joining.end_removal();
        }
        let pings = |job: &super::traffic::Job| job.node == node && job.purpose == Purpose::Ping;
        for ping in self.traffic.ids(pings) {
            self.drop_job(ping);
        }
        let device = self.address(node).map(|device| (device, self.kind_of(node)));
        self.tell_exclusion(InclusionState::Failed, device, Some((code, detail)));
        self.listen_for_smart_start();
    }
}
