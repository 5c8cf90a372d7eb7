//! One attempt to move a bolt, from the request to its end. Every arrow has a limit in time; nothing is assumed.
//!
//! ```text
//!             order given          frame handed over       lock's radio has it
//!   Queued ----------------> Ordered ---------------> Sent ---------------> Acknowledged
//!     |                        |                        |                        |
//!     | time to live           | time to live           | ACKNOWLEDGE_MAX        | FINISH_MAX
//!     v                        v   (+ WORD_MAX)         v                        v
//!   expired                  expired                  timed_out                timed_out
//!
//!   Ordered, Sent, Acknowledged --lock refuses--> refused     --lock cannot finish--> jammed
//!   Ordered, Sent, Acknowledged --lock or its report confirms the wanted state--> done
//!   Ordered --withdrawn for a newer request--> waits WORD_MAX for the radio's word: sent after all, or expired
//! ```
//!
//! An ended attempt is never sent again: not by a repeat of the request, not by a restart.

pub(crate) mod desk;

use hubd_model::{
    ActuationStep, BoltState, CommandId, DeviceAddress, Millis, MonoTime, Order, RadioName, UnixMillis,
    Urgency,
};

use crate::view::{CommandStatus, CommandView};

/// From the frame being handed to the dongle to the lock's acknowledgement. A battery lock that sleeps between
/// beams needs one to two seconds, a route search a few more.
pub const ACKNOWLEDGE_MAX: Millis = Millis::from_secs(10);
/// From the acknowledgement to the bolt's end. A motor needs two to ten seconds; some locks try twice.
pub const FINISH_MAX: Millis = Millis::from_secs(30);
/// How long a radio has to say what became of an order whose time is over or that was withdrawn.
pub const WORD_MAX: Millis = Millis::from_secs(2);
/// The longest time to live that a request can have.
pub const TIME_TO_LIVE_MAX: Millis = Millis::from_secs(300);
/// How many requests may be open on one lock.
pub const OPEN_PER_LOCK_MAX: usize = 8;
/// How many commands are remembered, ended ones included.
pub const REMEMBERED_MAX: usize = 1_000;

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Waits in the hub for the attempt before it.
    Queued,
    /// The radio has the order.
    Ordered,
    /// The radio was told to forget the order, in favour of this newer one.
    Withdrawn { by: CommandId, until: MonoTime },
    /// The frame is on its way.
    Sent { until: MonoTime },
    /// The lock has it.
    Acknowledged { until: MonoTime },
}

/// One attempt that has not ended.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The command as people see it.
    pub(crate) view: CommandView,
    pub(crate) radio: RadioName,
    pub(crate) urgency: Urgency,
    /// Its place in the order of requests.
    pub(crate) number: u64,
    /// Whether the bolt's movement that it caused is in the journal.
    pub(crate) recorded: bool,
    device: DeviceAddress,
    expires: MonoTime,
    stage: Stage,
}

/// What something meant to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// It goes on.
    Progress,
    /// It ended.
    End {
        status: CommandStatus,
        reason: Option<String>,
    },
}

fn end(status: CommandStatus, reason: impl Into<String>) -> Effect {
    Effect::End {
        status,
        reason: Some(reason.into()),
    }
}

impl Attempt {
    pub(crate) fn new(
        view: CommandView,
        radio: RadioName,
        device: DeviceAddress,
        urgency: Urgency,
        number: u64,
        expires: MonoTime,
    ) -> Self {
        Self {
            view,
            radio,
            urgency,
            number,
            recorded: false,
            device,
            expires,
            stage: Stage::Queued,
        }
    }

    /// Gives the order for the radio. Only a queued attempt has one to give, and only while it lives.
    pub(crate) fn order(&mut self, now: MonoTime) -> Option<Order> {
        if self.stage != Stage::Queued || now > self.expires {
            return None;
        }
        self.stage = Stage::Ordered;
        Some(Order::Actuate {
            command: self.view.id.clone(),
            device: self.device.clone(),
            op: self.view.op,
            urgency: self.urgency,
            expires: self.expires,
        })
    }

    /// A newer request takes its place. An attempt that the radio has is withdrawn there first.
    pub(crate) fn supersede(&mut self, by: &CommandId, now: MonoTime) -> (Option<Order>, Effect) {
        match &self.stage {
            Stage::Queued => (None, superseded(by)),
            Stage::Ordered => {
                self.stage = Stage::Withdrawn {
                    by: by.clone(),
                    until: now + WORD_MAX,
                };
                (
                    Some(Order::Withdraw {
                        command: self.view.id.clone(),
                    }),
                    Effect::None,
                )
            }
            Stage::Withdrawn { .. } | Stage::Sent { .. } | Stage::Acknowledged { .. } => (None, Effect::None),
        }
    }

    /// Its lock left. What was not sent is withdrawn.
    pub(crate) fn lose_lock(&self) -> (Option<Order>, Effect) {
        let gone = "the lock was removed from the network meanwhile";
        match &self.stage {
            Stage::Queued => (None, end(CommandStatus::Expired, gone)),
            Stage::Ordered | Stage::Withdrawn { .. } => (
                Some(Order::Withdraw {
                    command: self.view.id.clone(),
                }),
                end(CommandStatus::TimedOut, gone),
            ),
            Stage::Sent { .. } | Stage::Acknowledged { .. } => (None, end(CommandStatus::TimedOut, gone)),
        }
    }

    /// The order did not reach the radio.
    pub(crate) fn lose_order(&self) -> Effect {
        match &self.stage {
            Stage::Ordered => end(
                CommandStatus::Refused,
                "the radio has too much to do, so nothing was sent; try again in a few seconds",
            ),
            Stage::Withdrawn { by, .. } => superseded(by),
            Stage::Queued | Stage::Sent { .. } | Stage::Acknowledged { .. } => Effect::None,
        }
    }

    /// The radio says how far it got.
    pub(crate) fn step(&mut self, step: &ActuationStep, now: MonoTime, at: UnixMillis) -> Effect {
        if self.stage == Stage::Queued {
            return Effect::None;
        }
        match step {
            ActuationStep::Sent => self.sent(now, at),
            ActuationStep::Acknowledged => self.acknowledged(now, at),
            ActuationStep::Done => {
                self.acknowledged(now, at);
                Effect::End {
                    status: CommandStatus::Done,
                    reason: None,
                }
            }
            ActuationStep::Refused { reason } => {
                self.acknowledged(now, at);
                end(CommandStatus::Refused, reason.clone())
            }
            ActuationStep::Jammed => {
                self.acknowledged(now, at);
                jammed()
            }
            ActuationStep::NoAnswer { reason } => end(CommandStatus::TimedOut, reason.clone()),
            ActuationStep::Expired => match &self.stage {
                Stage::Withdrawn { by, .. } => superseded(by),
                Stage::Ordered => not_sent(),
                // The radio contradicts itself: it was sent. Its end is waited for.
                Stage::Queued | Stage::Sent { .. } | Stage::Acknowledged { .. } => Effect::None,
            },
        }
    }

    /// The lock reported its bolt; `moved` when it spoke of a movement and was not only asked.
    pub(crate) fn bolt(&mut self, bolt: BoltState, moved: bool, now: MonoTime, at: UnixMillis) -> Effect {
        if !self.is_sent() {
            return Effect::None;
        }
        if bolt == self.view.op.wanted() {
            self.acknowledged(now, at);
            return Effect::End {
                status: CommandStatus::Done,
                reason: None,
            };
        }
        if bolt == BoltState::Jammed && moved {
            self.acknowledged(now, at);
            return jammed();
        }
        Effect::None
    }

    /// What the passing of time means to it.
    pub(crate) fn tick(&mut self, now: MonoTime, radio_ready: bool) -> (Option<Order>, Effect) {
        if now < self.deadline() {
            return (None, Effect::None);
        }
        match &self.stage {
            Stage::Queued => (
                None,
                end(
                    CommandStatus::Expired,
                    "the lock was still busy with an earlier request when its time was over; nothing was sent",
                ),
            ),
            Stage::Ordered => {
                let withdraw = Order::Withdraw {
                    command: self.view.id.clone(),
                };
                let effect = if radio_ready {
                    not_sent()
                } else {
                    end(
                        CommandStatus::TimedOut,
                        "the radio went away before it said whether it was sent; look at the lock's state",
                    )
                };
                (Some(withdraw), effect)
            }
            Stage::Withdrawn { by, .. } => (None, superseded(by)),
            Stage::Sent { .. } => (
                None,
                end(
                    CommandStatus::TimedOut,
                    "the lock did not acknowledge it within 10 s; its state is not known",
                ),
            ),
            Stage::Acknowledged { .. } => (
                None,
                end(
                    CommandStatus::TimedOut,
                    "the lock acknowledged it but reported no end within 30 s; its state is not known",
                ),
            ),
        }
    }

    /// When to come back.
    pub(crate) fn deadline(&self) -> MonoTime {
        match &self.stage {
            Stage::Queued => self.expires + Millis(1),
            Stage::Ordered => self.expires + WORD_MAX,
            Stage::Withdrawn { until, .. } | Stage::Sent { until } | Stage::Acknowledged { until } => *until,
        }
    }

    /// Whether the radio has it, and it was not withdrawn.
    pub(crate) fn in_flight(&self) -> bool {
        match self.stage {
            Stage::Ordered | Stage::Sent { .. } | Stage::Acknowledged { .. } => true,
            Stage::Queued | Stage::Withdrawn { .. } => false,
        }
    }

    /// Whether it waits in the hub.
    pub(crate) fn is_queued(&self) -> bool {
        self.stage == Stage::Queued
    }

    /// Whether its frame left.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent { .. } | Stage::Acknowledged { .. })
    }

    fn sent(&mut self, now: MonoTime, at: UnixMillis) -> Effect {
        if self.is_sent() {
            return Effect::None;
        }
        self.stage = Stage::Sent {
            until: now + ACKNOWLEDGE_MAX,
        };
        self.view.status = CommandStatus::Sent;
        self.view.sent_at = Some(at);
        Effect::Progress
    }

    fn acknowledged(&mut self, now: MonoTime, at: UnixMillis) -> Effect {
        if matches!(self.stage, Stage::Acknowledged { .. }) {
            return Effect::None;
        }
        self.sent(now, at);
        self.stage = Stage::Acknowledged {
            until: now + FINISH_MAX,
        };
        self.view.status = CommandStatus::Acknowledged;
        self.view.acknowledged_at = Some(at);
        Effect::Progress
    }
}

fn superseded(by: &CommandId) -> Effect {
    end(
        CommandStatus::Expired,
        format!("superseded by the newer request {by}; nothing was sent"),
    )
}

fn not_sent() -> Effect {
    end(
        CommandStatus::Expired,
        "it could not be sent in time; nothing was sent",
    )
}

fn jammed() -> Effect {
    end(
        CommandStatus::Jammed,
        "the lock could not finish the movement; look at the door and try again",
    )
}

#[cfg(test)]
mod tests;
