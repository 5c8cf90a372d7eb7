//! From a frame off the air to what it means: encapsulations off, trust checked, then jobs, facts and reports.
//!
//! **Invariant**: from a node with security, nothing is believed that did not come under its highest key, except
//! that it is there. An alarm from a node without security is reported as not authenticated.

use hubd_model::{LockSignal, Millis, Report, SecretBytes};

use super::Host;
use super::cipher::{Opened, Under};
use super::sending::Outcome;
use super::startup::Phase;
use super::traffic::{Expect, JobState, Protection, Purpose};
use crate::codes::changes::is_credential_event;
use crate::signal::{LockTraits, Signal, Traits};
use crate::transport_service;
use crate::wire::cc::{self, class, multi_channel, supervision, time, wake_up};
use crate::wire::serial::NodeId;

/// How deep encapsulations may be nested.
const DEPTH_MAX: u8 = 6;
/// How long a supervised command counts as repeated when it comes again.
const REPETITION: Millis = Millis(10_000);
/// How often a low battery is reported at most.
const BATTERY_LOW_PAUSE: Millis = Millis::from_secs(3_600);

/// Classes that a node with security may use openly: they prove nothing and change nothing.
const OPEN_CLASSES: [u8; 3] = [
    class::NO_OPERATION,
    class::ZWAVE_PLUS_INFO,
    class::APPLICATION_STATUS,
];

impl Host {
    pub(super) fn frame_received(&mut self, node: NodeId, multicast: bool, payload: &[u8]) {
        if self.phase == Phase::Closed || !self.nodes.contains_key(&node) {
            tracing::debug!(node = node.0, "a frame from a node that is not in the network");
            return;
        }
        tracing::trace!(node = node.0, bytes = payload.len(), multicast, "frame");
        self.heard(node);
        self.codes_frame(node);
        self.log_frame(node);
        self.unwrap(node, payload, Under::Plain, 0);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few of the many commands hold others"
    )]
    fn unwrap(&mut self, node: NodeId, bytes: &[u8], under: Under, depth: u8) {
        if depth > DEPTH_MAX {
            tracing::debug!(node = node.0, "too many encapsulations");
            return;
        }
        match (bytes.first(), under) {
            (Some(&class::SECURITY_2), Under::Plain)
                if bytes.get(1) == Some(&0x03) && self.is_exchanging_s2_keys(node) =>
            {
                self.joining_frame_received(node, bytes);
                return;
            }
            (Some(&(class::SECURITY | class::SECURITY_2)), Under::Plain) => {
                let granted = self.nodes.get(&node).and_then(|known| known.granted);
                let opened = self.cipher.open(self.now, node, granted, bytes);
                for opened in opened {
                    self.opened_frame(node, opened, depth);
                }
                return;
            }
            (Some(&(class::SECURITY | class::SECURITY_2)), _) => {
                self.security_command(node, bytes, under);
                return;
            }
            (Some(_) | None, _) => {}
        }
        let command = match cc::Command::parse(bytes) {
            Ok(command) => command,
            Err(error) => {
                tracing::debug!(node = node.0, %error, "a command that cannot be read");
                return;
            }
        };
        match command {
            cc::Command::Crc16(cc::crc16::Command::Encapsulation(inner))
            | cc::Command::MultiChannel(
                multi_channel::Command::Encapsulation(multi_channel::Encapsulation {
                    command: inner, ..
                })
                | multi_channel::Command::InstanceEncapsulation(multi_channel::InstanceEncapsulation {
                    command: inner,
                    ..
                }),
            ) => self.unwrap(node, &inner, under, depth + 1),
            cc::Command::MultiCommand(cc::multi_command::Command::Encapsulation(all)) => {
                for inner in all {
                    self.unwrap(node, &inner, under, depth + 1);
                }
            }
            cc::Command::TransportService(segment) => self.segment_received(node, &segment, depth),
            cc::Command::Supervision(supervision::Command::Get(get)) => {
                self.supervised(node, &get, under, depth);
            }
            cc::Command::Supervision(supervision::Command::Report(report)) => {
                self.supervision_report(node, report, under);
            }
            other => self.take(node, other, bytes, under),
        }
    }

    fn opened_frame(&mut self, node: NodeId, opened: Opened, depth: u8) {
        match opened {
            Opened::Command { plain, under } => self.unwrap(node, plain.expose(), under, depth + 1),
            Opened::Open(command) => self.security_command(node, &command, Under::Plain),
            Opened::NonceHere => {
                if !self.nonce_arrived(node) {
                    self.resync(node);
                }
            }
            // S0 says by nothing that it could not read a frame, so a nonce that comes late or from anybody else makes
            // no frame go out again: it would be a second command.
            Opened::S0Nonce(nonce) => {
                let waits = self.nonce_arrived(node) || self.waits_to_be_sealed(node);
                if waits {
                    self.cipher.take_s0_nonce(self.now, node, nonce);
                }
            }
            Opened::Answer(frame) => self.push_reply(node, frame, Protection::Plain),
            Opened::Nothing => {}
        }
    }

    fn segment_received(&mut self, node: NodeId, segment: &cc::transport_service::Command, depth: u8) {
        self.datagram_heard(node, segment);
        let outputs = self.reassembler.handle(self.now, node, segment);
        self.act_on_segments(outputs, depth);
    }

    pub(super) fn expire_segments(&mut self) {
        if self
            .reassembler
            .next_deadline()
            .is_some_and(|due| due <= self.now)
        {
            let outputs = self.reassembler.tick(self.now);
            self.act_on_segments(outputs, 0);
        }
    }

    fn act_on_segments(&mut self, outputs: Vec<transport_service::Output>, depth: u8) {
        for output in outputs {
            match output {
                transport_service::Output::Reply { node, command } => {
                    self.push_reply(node, cc::Command::from(command).emit(), Protection::Plain);
                }
                transport_service::Output::Datagram { node, bytes } => {
                    self.unwrap(node, &bytes, Under::Plain, depth + 1);
                }
                transport_service::Output::Lost { node, received, size } => {
                    tracing::warn!(node = node.0, received, size, "a long frame did not arrive whole");
                }
            }
        }
    }

    fn supervised(&mut self, node: NodeId, get: &supervision::Get, under: Under, depth: u8) {
        let class = get.command.first().copied().unwrap_or_default();
        let trusted = self.is_trusted(node, class, under);
        let now = self.now;
        let presence = self.presence.entry(node).or_default();
        let repeated = presence
            .last_supervised
            .as_ref()
            .is_some_and(|(session, bytes, at)| {
                *session == get.session && bytes.expose() == get.command && now.since(*at) < REPETITION
            });
        if trusted && !repeated {
            let bytes = SecretBytes::new(get.command.clone());
            presence.last_supervised = Some((get.session, bytes, now));
            self.unwrap(node, &get.command, under, depth + 1);
        }
        let report = supervision::Report {
            session: get.session,
            more_updates: false,
            wake_up_request: false,
            status: if trusted {
                supervision::Status::Success
            } else {
                supervision::Status::NoSupport
            },
            duration: cc::Duration::from_secs(0),
        };
        let frame = cc::Command::from(supervision::Command::Report(report)).emit();
        self.push_reply(node, frame, under.answered_under());
    }

    fn supervision_report(&mut self, node: NodeId, report: supervision::Report, under: Under) {
        if !self.is_trusted(node, class::SUPERVISION, under) {
            tracing::warn!(
                node = node.0,
                ?under,
                "a supervision report below the node's security was not believed"
            );
            return;
        }
        let session = report.session;
        let Some(id) = self
            .traffic
            .in_flight(node, |job| job.expect == Expect::Supervision { session })
        else {
            tracing::debug!(
                node = node.0,
                session,
                "a supervision report that nobody waits for"
            );
            return;
        };
        if report.status == supervision::Status::Working {
            let until = self.now + Self::working_wait(report);
            if let Some(job) = self.traffic.get_mut(id) {
                // The lock has it and works on it: it is not sent again.
                job.attempts_left = 0;
                job.state = JobState::Waiting { until };
                if let Purpose::Actuate(command) = job.purpose.clone() {
                    self.actuation_acknowledged(&command);
                }
            }
            return;
        }
        self.finish(id, &Outcome::Supervised(report));
    }

    /// Whether a command of this class, come under this key, is to be believed. While it is not known which keys a
    /// node has, a node that may have some is not believed without one.
    fn is_trusted(&self, node: NodeId, class: u8, under: Under) -> bool {
        let Some(node) = self.nodes.get(&node) else {
            return false;
        };
        let may_have_keys = node.plain_classes.is_none()
            || node.supports_plainly(class::SECURITY_2)
            || node.supports_plainly(class::SECURITY);
        match (node.granted, under) {
            (Some(granted), under) => match (granted.highest(), under) {
                (None, _) => true,
                (Some(highest), Under::Class(under)) => highest == under,
                (Some(_), Under::Plain) => OPEN_CLASSES.contains(&class),
            },
            (None, Under::Class(_)) => true,
            (None, Under::Plain) => !may_have_keys || OPEN_CLASSES.contains(&class),
        }
    }

    fn take(&mut self, node: NodeId, command: cc::Command, bytes: &[u8], under: Under) {
        let class = command.class();
        if !self.is_trusted(node, class, under) {
            tracing::warn!(
                node = node.0,
                class,
                ?under,
                "a command below the node's security was not believed"
            );
            self.warn_of_unproven_alarm(node, &command, bytes, under);
            return;
        }
        self.learn(node, &command);
        self.report_signals(node, &command, bytes, under);
        self.codes_overheard(node, &command);
        let number = bytes.get(1).copied().unwrap_or_default();
        let wanted = Expect::Reply {
            class,
            command: number,
        };
        // What a lock says of a change by itself answers no question, although it has an answer's number.
        let event = is_credential_event(&command);
        let asked = self.traffic.in_flight(node, |job| job.expect == wanted && !event);
        if let Some(id) = asked {
            self.finish(id, &Outcome::Answered(command));
        } else {
            self.codes_unasked(node, &command);
            self.asked_by_node(node, &command, under);
        }
    }

    /// Smoke is told also when it cannot be proven while nobody knows yet whether the detector has keys: as not
    /// authenticated, which opens no door.
    fn warn_of_unproven_alarm(&mut self, id: NodeId, command: &cc::Command, bytes: &[u8], under: Under) {
        let unknown = self.nodes.get(&id).is_some_and(|node| node.granted.is_none());
        let warns = crate::signal::signals(command, Traits::Alarm)
            .iter()
            .any(|signal| matches!(signal, Signal::Alarm(_)));
        if unknown && warns {
            self.learn(id, command);
            self.report_signals(id, command, bytes, under);
        }
    }

    fn report_signals(&mut self, id: NodeId, command: &cc::Command, bytes: &[u8], under: Under) {
        let Some(device) = self.address(id) else { return };
        let traits = match self.nodes.get(&id) {
            Some(node) if node.is_lock() => Traits::Lock(LockTraits {
                door: node.door_sensor == Some(true),
            }),
            Some(node) if !node.hazards().is_empty() => Traits::Alarm,
            Some(_) | None => Traits::Other,
        };
        let authenticated = matches!(under, Under::Class(_));
        for signal in crate::signal::signals(command, traits) {
            let device = device.clone();
            match signal {
                Signal::Lock(signal) => {
                    let bolt = match &signal {
                        LockSignal::Bolt { bolt, .. } | LockSignal::BoltRead(bolt) => Some(*bolt),
                        LockSignal::Door(_)
                        | LockSignal::DoorRead(_)
                        | LockSignal::Tampered
                        | LockSignal::KeypadDenied(_)
                        | LockSignal::KeypadLockedOut => None,
                    };
                    match &signal {
                        LockSignal::Bolt { .. } | LockSignal::KeypadDenied(_) => self.log_grew(id),
                        LockSignal::BoltRead(_)
                        | LockSignal::Door(_)
                        | LockSignal::DoorRead(_)
                        | LockSignal::Tampered
                        | LockSignal::KeypadLockedOut => {}
                    }
                    self.report(Report::Lock { device, signal });
                    if let Some(bolt) = bolt {
                        self.bolt_reported(id, bolt);
                    }
                }
                Signal::Alarm(signal) => {
                    self.report(Report::Alarm {
                        device,
                        signal,
                        authenticated,
                        frame: bytes.to_vec(),
                    });
                }
                Signal::Trouble(what) => self.report(Report::Trouble { device, what }),
                Signal::Battery(level) => self.report(Report::Battery { device, level }),
                Signal::BatteryLow => {
                    let now = self.now;
                    let presence = self.presence.entry(id).or_default();
                    if presence
                        .battery_low_at
                        .is_none_or(|at| now.since(at) >= BATTERY_LOW_PAUSE)
                    {
                        presence.battery_low_at = Some(now);
                        let what = "the battery is low: replace it now".to_owned();
                        self.report(Report::Trouble { device, what });
                    }
                }
            }
        }
    }

    /// A node asks something, or says something about itself.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few of the many commands ask something of a controller"
    )]
    fn asked_by_node(&mut self, node: NodeId, command: &cc::Command, under: Under) {
        match command {
            cc::Command::WakeUp(wake_up::Command::Notification) => {
                self.presence.entry(node).or_default().woke = true;
                self.interviews.insert(node);
            }
            cc::Command::DeviceResetLocally(_) => self.reset_locally(node, under),
            cc::Command::Time(asked @ (time::Command::TimeGet | time::Command::DateGet)) => {
                if let Some(report) = self.local_time(asked) {
                    self.push_reply(node, cc::Command::from(report).emit(), under.answered_under());
                }
            }
            _ => {}
        }
    }

    /// The local time for a node that asks; `None` while nobody vouches for the clock.
    fn local_time(&self, asked: &time::Command) -> Option<time::Command> {
        let hubd_model::WallTime::Synced(at) = self.wall else {
            return None;
        };
        let seconds = at.0.div_euclid(1000) + i64::from(self.utc_offset_minutes) * 60;
        let of_day = u32::try_from(seconds.rem_euclid(86_400)).ok()?;
        let part = |value: u32| u8::try_from(value).ok();
        if *asked == time::Command::TimeGet {
            return Some(time::Command::TimeReport(time::TimeReport {
                clock_failed: false,
                hour: part(of_day / 3600)?,
                minute: part(of_day / 60 % 60)?,
                second: part(of_day % 60)?,
            }));
        }
        let (year, month, day) = civil_date(seconds.div_euclid(86_400))?;
        Some(time::Command::DateReport(time::DateReport { year, month, day }))
    }
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_date(days: i64) -> Option<(u16, u8, u8)> {
    let shifted = days + 719_468; // from 0000-03-01
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some((
        u16::try_from(year).ok()?,
        u8::try_from(month).ok()?,
        u8::try_from(day).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_across_leap_years() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (20_779, (2026, 11, 22)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil_date(days), Some(date), "{days}");
        }
    }
}
