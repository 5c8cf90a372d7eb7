//! The dongle as a machine: one Serial API command at a time, from its frame to its response or callback.
//!
//! ```text
//!   start ──▶ Deliver ──ACK──▶ Respond ──response──▶ Report ──callback──▶ ended
//!                │                │                     │
//!                └ given up       └ silent, refused     └ silent: abort, then ended
//! ```
//!
//! What the dongle says by itself comes out in between.

use std::collections::VecDeque;

use hubd_model::{Millis, MonoTime};

use crate::link::{self, Link};
use crate::wire::frame::{Data, Kind};
use crate::wire::serial::{Command, NodeIdWidth, Unsolicited, function};

/// How long the dongle may take to answer a command.
const RESPONSE_WAIT: Millis = Millis(5_000);
/// How long a transmission may take, routing and beaming included, before it is aborted.
const CALLBACK_WAIT: Millis = Millis(35_000);
/// How long the dongle may take to report a transmission that was aborted.
const ABORT_WAIT: Millis = Millis(3_000);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The dongle took it; this kind of command has no answer.
    Taken,
    /// The dongle's response.
    Response(Vec<u8>),
    /// The dongle refused it in its response.
    Refused,
    /// The callback's status.
    Status(u8),
    /// The dongle took the command but did not answer in time.
    Silent,
    /// The dongle did not take the command.
    Undelivered,
}

/// What the dongle tells the layer above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The command's frame was acknowledged by the dongle.
    Delivered,
    /// The command ended.
    Ended(Command, End),
    /// The dongle said something by itself.
    Unsolicited(Unsolicited),
}

#[derive(Debug)]
enum Stage {
    Deliver,
    Respond { until: MonoTime },
    Report { until: MonoTime, aborted: bool },
}

#[derive(Debug)]
struct Current {
    command: Command,
    callback: u8,
    stage: Stage,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Dongle {
    link: Link,
    width: NodeIdWidth,
    current: Option<Current>,
    abort: bool,
    last_callback: u8,
    events: VecDeque<Event>,
}

impl Dongle {
    /// A dongle whose port was just opened.
    pub fn opened() -> Self {
        let mut dongle = Self::default();
        dongle.link.greet();
        dongle
    }

    /// The dongle says that it has just started: it knows nothing of the command under way, nor how wide node ids were
    /// to be.
    pub fn restarted(&mut self) {
        self.current = None;
        self.abort = false;
        self.width = NodeIdWidth::default();
        self.link.delivered_by_answer();
    }

    /// How wide node ids are from now on.
    pub const fn set_width(&mut self, width: NodeIdWidth) {
        self.width = width;
    }

    /// How wide node ids are.
    pub const fn width(&self) -> NodeIdWidth {
        self.width
    }

    /// Whether a command can be started.
    pub const fn is_idle(&self) -> bool {
        self.current.is_none() && self.link.is_idle()
    }

    /// Starts a command; only when idle, else it is handed back.
    ///
    /// # Errors
    /// The command, when another one is under way.
    pub fn start(&mut self, now: MonoTime, command: Command) -> Result<(), Command> {
        if !self.is_idle() {
            return Err(command);
        }
        self.last_callback = self.last_callback.checked_add(1).unwrap_or(1);
        let callback = self.last_callback;
        let sent = self
            .data(&command, callback)
            .emit()
            .is_some_and(|frame| self.link.send(now, frame).is_ok());
        if sent {
            self.current = Some(Current {
                command,
                callback,
                stage: Stage::Deliver,
            });
        } else {
            self.events.push_back(Event::Ended(command, End::Undelivered));
        }
        Ok(())
    }

    /// Gives up the transmission under way, so that something more urgent can go out. Says whether there was one to
    /// be given up.
    pub fn abort_transmission(&mut self, now: MonoTime) -> bool {
        let Some(Current {
            stage:
                Stage::Report {
                    until,
                    aborted: aborted @ false,
                },
            ..
        }) = &mut self.current
        else {
            return false;
        };
        *aborted = true;
        *until = now + ABORT_WAIT;
        self.abort = true;
        self.send_abort(now);
        true
    }

    /// Takes bytes from the dongle.
    pub fn receive(&mut self, now: MonoTime, bytes: &[u8]) {
        self.link.receive(now, bytes);
        self.follow_link(now);
    }

    /// Acts on deadlines that have passed.
    pub fn tick(&mut self, now: MonoTime) {
        self.link.tick(now);
        self.follow_link(now);
        let Some(current) = &mut self.current else { return };
        match &mut current.stage {
            Stage::Respond { until } if *until <= now => self.end(End::Silent),
            Stage::Report { until, aborted: true } if *until <= now => self.end(End::Silent),
            Stage::Report {
                until,
                aborted: aborted @ false,
            } if *until <= now => {
                *aborted = true;
                *until = now + ABORT_WAIT;
                self.abort = matches!(current.command, Command::SendData { .. });
                self.send_abort(now);
            }
            Stage::Deliver | Stage::Respond { .. } | Stage::Report { .. } => {}
        }
    }

    /// Bytes to be written to the dongle.
    pub fn poll_write(&mut self) -> Option<Vec<u8>> {
        self.link.poll_write()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to come back with `tick`.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let current = self.current.as_ref().and_then(|current| match current.stage {
            Stage::Deliver => None,
            Stage::Respond { until } | Stage::Report { until, .. } => Some(until),
        });
        [current, self.link.next_deadline()].into_iter().flatten().min()
    }

    fn data(&self, command: &Command, callback: u8) -> Data {
        command.to_data(self.width, callback)
    }

    fn send_abort(&mut self, now: MonoTime) {
        if self.abort && self.link.is_idle() {
            self.abort = false;
            if let Some(frame) = self.data(&Command::SendDataAbort, 0).emit() {
                // The link is idle: it takes the frame.
                let _ = self.link.send(now, frame);
            }
        }
    }

    fn follow_link(&mut self, now: MonoTime) {
        while let Some(event) = self.link.poll_event() {
            match event {
                link::Event::Delivered => self.delivered(now),
                link::Event::GaveUp => {
                    if matches!(
                        self.current,
                        Some(Current {
                            stage: Stage::Deliver,
                            ..
                        })
                    ) {
                        self.end(End::Undelivered);
                    }
                }
                link::Event::Received(data) => self.received(now, &data),
            }
        }
        self.send_abort(now);
    }

    fn delivered(&mut self, now: MonoTime) {
        let Some(current) = &mut self.current else { return };
        if !matches!(current.stage, Stage::Deliver) {
            return; // the acknowledgement of an abort
        }
        self.events.push_back(Event::Delivered);
        if current.command.has_response() {
            current.stage = Stage::Respond {
                until: now + RESPONSE_WAIT,
            };
        } else {
            self.end(End::Taken);
        }
    }

    fn received(&mut self, now: MonoTime, data: &Data) {
        match data.kind {
            Kind::Response => self.responded(now, data),
            Kind::Request => match Unsolicited::parse(data, self.width) {
                Ok(Unsolicited::Callback { function, id, status }) => self.called_back(function, id, status),
                Ok(unsolicited) => self.events.push_back(Event::Unsolicited(unsolicited)),
                Err(error) => tracing::debug!(%error, "frame dropped"),
            },
        }
    }

    fn responded(&mut self, now: MonoTime, data: &Data) {
        let Some(current) = &mut self.current else { return };
        if current.command.function() != data.function {
            tracing::debug!(function = data.function, "a response that nobody waits for");
            return;
        }
        if matches!(current.stage, Stage::Deliver) {
            self.link.delivered_by_answer();
            self.events.push_back(Event::Delivered);
        }
        if !current.command.has_callback() {
            self.end(End::Response(data.payload.clone()));
            return;
        }
        // RemoveFailedNode answers 0 when it starts; the others answer 0 when they refuse, and some dongles leave
        // the byte out when they do not.
        let starts_with_zero = matches!(current.command, Command::RemoveFailedNode(_));
        let accepted = (data.payload.first() == Some(&0)) == starts_with_zero;
        if accepted {
            current.stage = Stage::Report {
                until: now + CALLBACK_WAIT,
                aborted: false,
            };
        } else {
            self.end(End::Refused);
        }
    }

    fn called_back(&mut self, function: u8, id: u8, status: u8) {
        let Some(current) = &self.current else { return };
        let waits = matches!(current.stage, Stage::Report { .. } | Stage::Respond { .. });
        // A callback without an id (0) belongs to the dongle's own bookkeeping.
        if waits
            && current.command.function() == function
            && current.callback == id
            && function != function::SET_SUC_NODE_ID
        {
            self.end(End::Status(status));
        } else {
            tracing::debug!(function, id, status, "a callback that nobody waits for");
        }
    }

    fn end(&mut self, end: End) {
        if let Some(current) = self.current.take() {
            self.abort = false;
            self.events.push_back(Event::Ended(current.command, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::ACK;
    use crate::wire::serial::NodeId;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_micros(millis * 1000)
    }

    fn frame(kind: Kind, function: u8, payload: &[u8]) -> Vec<u8> {
        Data {
            kind,
            function,
            payload: payload.to_vec(),
        }
        .emit()
        .unwrap()
    }

    fn send_data() -> Command {
        Command::SendData {
            node: NodeId(2),
            payload: vec![0x62, 0x02],
            bridge_source: None,
        }
    }

    fn started() -> Dongle {
        let mut dongle = Dongle::default();
        dongle.start(at(0), send_data()).unwrap();
        dongle.receive(at(1), &[ACK]);
        assert_eq!(dongle.poll_event(), Some(Event::Delivered));
        dongle
    }

    #[test]
    fn a_transmission_ends_with_its_callback() {
        let mut dongle = started();
        dongle.receive(at(2), &frame(Kind::Response, 0x13, &[1]));
        dongle.receive(at(3), &frame(Kind::Request, 0x13, &[9, 0]));
        assert_eq!(dongle.poll_event(), None, "another transmission's callback");
        dongle.receive(at(3), &frame(Kind::Request, 0x13, &[1, 0]));
        assert_eq!(
            dongle.poll_event(),
            Some(Event::Ended(send_data(), End::Status(0)))
        );
        assert!(dongle.is_idle());
    }

    #[test]
    fn a_node_may_speak_in_the_middle_of_a_transmission() {
        let mut dongle = started();
        dongle.receive(at(2), &frame(Kind::Request, 0x04, &[0, 3, 2, 0x71, 5]));
        assert!(matches!(
            dongle.poll_event(),
            Some(Event::Unsolicited(Unsolicited::Frame { .. }))
        ));
        dongle.receive(at(2), &frame(Kind::Response, 0x13, &[0]));
        assert_eq!(dongle.poll_event(), Some(Event::Ended(send_data(), End::Refused)));
    }

    #[test]
    fn a_response_stands_in_for_a_lost_acknowledgement() {
        let mut dongle = Dongle::default();
        dongle.start(at(0), send_data()).unwrap();
        dongle.receive(at(1), &frame(Kind::Response, 0x13, &[1]));
        assert_eq!(dongle.poll_event(), Some(Event::Delivered));
        assert_eq!(dongle.poll_event(), None);
        dongle.receive(at(2), &frame(Kind::Request, 0x13, &[1, 1]));
        assert_eq!(
            dongle.poll_event(),
            Some(Event::Ended(send_data(), End::Status(1)))
        );
    }

    #[test]
    fn a_silent_transmission_is_aborted_and_ends() {
        let mut dongle = started();
        dongle.receive(at(2), &frame(Kind::Response, 0x13, &[1]));
        while dongle.poll_write().is_some() {}
        let deadline = dongle.next_deadline().unwrap();
        dongle.tick(deadline);
        assert_eq!(
            dongle.poll_write(),
            Some(vec![0x01, 0x03, 0x00, 0x16, 0xea]),
            "SendDataAbort"
        );
        dongle.receive(deadline, &[ACK]);
        dongle.tick(deadline + ABORT_WAIT);
        assert_eq!(dongle.poll_event(), Some(Event::Ended(send_data(), End::Silent)));
    }
}
