//! A simulated smoke and CO alarm: it sleeps, wakes by itself, and shouts when there is danger.
//!
//! Spec: CC:0071 (Notification v8), CC:0084 (Wake Up v2), CC:0080 (Battery).

use hubd_model::{Hazard, Millis, MonoTime};

use super::common::{notification, notification_support};
use super::{Act, Answer, Ctx, Timer, Truth};

/// What kind of alarm it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmConfig {
    /// What it detects.
    pub hazards: Vec<Hazard>,
    /// How often it wakes up at the beginning.
    pub wake_every: Millis,
    /// The battery at the beginning, in percent.
    pub battery: u8,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self {
            hazards: vec![Hazard::Smoke, Hazard::Co],
            wake_every: Millis::from_secs(4 * 3600),
            battery: 94,
        }
    }
}

/// How long it stays awake without being spoken to.
const AWAKE: Millis = Millis::from_secs(10);
const WAKE_MIN_S: u32 = 60;
const WAKE_MAX_S: u32 = 86_400;

#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    config: AlarmConfig,
    interval_s: u32,
    listener: u8,
    battery: u8,
    present: Vec<Hazard>,
    awake_until: Option<MonoTime>,
    naps: u32,
}

fn kind_of(hazard: Hazard) -> u8 {
    match hazard {
        Hazard::Smoke => 1,
        Hazard::Co => 2,
        Hazard::Heat => 4,
    }
}

/// The events of a hazard's type: danger, test, end of life, silenced, maintenance.
struct Events {
    danger: u8,
    test: u8,
    end_of_life: u8,
    silenced: u8,
    maintenance: u8,
}

fn events_of(hazard: Hazard) -> Events {
    match hazard {
        Hazard::Smoke | Hazard::Co => Events {
            danger: 2,
            test: 3,
            end_of_life: 5,
            silenced: 6,
            maintenance: 7,
        },
        Hazard::Heat => Events {
            danger: 2,
            test: 7,
            end_of_life: 8,
            silenced: 9,
            maintenance: 0x0b,
        },
    }
}

impl Alarm {
    pub(crate) fn new(config: AlarmConfig) -> Self {
        let seconds = u32::try_from(config.wake_every.0 / 1000).unwrap_or(WAKE_MAX_S);
        Self {
            interval_s: seconds.clamp(WAKE_MIN_S, WAKE_MAX_S),
            listener: 0,
            battery: config.battery,
            present: Vec::new(),
            awake_until: None,
            naps: 0,
            config,
        }
    }

    pub(crate) fn is_awake(&self, now: MonoTime) -> bool {
        self.awake_until.is_some_and(|until| now < until)
    }

    pub(crate) fn stay_awake(&mut self, ctx: &mut Ctx<'_>, span: Millis) {
        let until = ctx.now + span;
        if self.awake_until.is_none_or(|known| known < until) {
            self.awake_until = Some(until);
            self.naps += 1;
            ctx.later(span, Timer::Sleep(self.naps));
        }
    }

    pub(crate) fn starts(&mut self, ctx: &mut Ctx<'_>) {
        ctx.later(Millis::from_secs(u64::from(self.interval_s)), Timer::WakeUp);
    }

    pub(crate) fn listen_to(&mut self, node: u8) {
        self.listener = node;
    }

    fn events(&self) -> Vec<(u8, Vec<u8>)> {
        let mut events: Vec<(u8, Vec<u8>)> = self
            .config
            .hazards
            .iter()
            .map(|hazard| {
                let events = events_of(*hazard);
                let mut list = vec![
                    events.danger,
                    events.test,
                    events.end_of_life,
                    events.silenced,
                    events.maintenance,
                ];
                list.sort_unstable();
                (kind_of(*hazard), list)
            })
            .collect();
        events.push((7, vec![3]));
        events.push((8, vec![0x0a, 0x0b]));
        events
    }

    pub(crate) fn handle(&mut self, ctx: &mut Ctx<'_>, command: &[u8]) -> Answer {
        match *command {
            [0x71, 0x04, _, kind, ..] => {
                let present = self.present.iter().find(|hazard| kind_of(**hazard) == kind);
                let event = present.map_or(0, |hazard| events_of(*hazard).danger);
                Answer::Report(notification(kind, event, &[]))
            }
            [0x71, ..] => notification_support(command, &self.events()),
            [0x80, 0x02] => Answer::Report(vec![0x80, 0x03, self.battery]),
            [0x84, 0x04, a, b, c, node] => {
                let seconds = u32::from_be_bytes([0, a, b, c]);
                if !(WAKE_MIN_S..=WAKE_MAX_S).contains(&seconds) {
                    return Answer::Fail;
                }
                self.interval_s = seconds;
                self.listener = node;
                Answer::Done
            }
            [0x84, 0x05] => {
                let [_, a, b, c] = self.interval_s.to_be_bytes();
                Answer::Report(vec![0x84, 0x06, a, b, c, self.listener])
            }
            [0x84, 0x08] => {
                self.awake_until = Some(ctx.now + Millis(200));
                self.naps += 1;
                Answer::Done
            }
            [0x84, 0x09] => {
                let mut report = vec![0x84, 0x0a];
                for seconds in [WAKE_MIN_S, WAKE_MAX_S, 14_400, 60] {
                    let [_, a, b, c] = seconds.to_be_bytes();
                    report.extend_from_slice(&[a, b, c]);
                }
                Answer::Report(report)
            }
            _ => Answer::Unknown,
        }
    }

    pub(crate) fn timer(&mut self, ctx: &mut Ctx<'_>, timer: &Timer) {
        match timer {
            Timer::WakeUp => {
                ctx.later(Millis::from_secs(u64::from(self.interval_s)), Timer::WakeUp);
                self.wake(ctx);
            }
            Timer::Sleep(nap) if *nap == self.naps => self.awake_until = None,
            Timer::Sleep(_)
            | Timer::BoltEnds
            | Timer::AutoRelock(_)
            | Timer::KeypadBack
            | Timer::LearnEnds
            | Timer::Unconfirmed(_) => {}
        }
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.stay_awake(ctx, AWAKE);
        if self.listener != 0 {
            ctx.report(vec![0x84, 0x07]);
        }
    }

    pub(crate) fn act(&mut self, ctx: &mut Ctx<'_>, act: &Act) {
        match act {
            Act::Hazard { hazard, present } => self.hazard(ctx, *hazard, *present),
            Act::TestButton(hazard) => {
                ctx.truth(Truth::Tested(*hazard));
                let event = events_of(*hazard).test;
                ctx.report(notification(kind_of(*hazard), event, &[]));
                ctx.report(notification(kind_of(*hazard), 0, &[event]));
            }
            Act::Silence(hazard) => {
                ctx.report(notification(kind_of(*hazard), events_of(*hazard).silenced, &[]));
            }
            Act::EndOfLife(hazard) => {
                ctx.report(notification(
                    kind_of(*hazard),
                    events_of(*hazard).end_of_life,
                    &[],
                ));
            }
            Act::Maintenance(hazard) => {
                ctx.report(notification(
                    kind_of(*hazard),
                    events_of(*hazard).maintenance,
                    &[],
                ));
            }
            Act::Battery(percent) => {
                self.battery = (*percent).min(100);
                ctx.report(vec![0x80, 0x03, self.battery]);
            }
            Act::Tamper(open) => {
                ctx.report(if *open {
                    notification(7, 3, &[])
                } else {
                    notification(7, 0, &[3])
                });
            }
            Act::Wake => self.wake(ctx),
            Act::TypeCode(_)
            | Act::PressLock
            | Act::Turn { .. }
            | Act::Door { .. }
            | Act::Block(_)
            | Act::LearnButton
            | Act::SmartStart(_)
            | Act::PowerCut
            | Act::PowerBack
            | Act::Unreachable(_)
            | Act::LoseSpan
            | Act::ChangeCode { .. }
            | Act::ClearAllCodes
            | Act::ForgetCodes
            | Act::ShowTag(_)
            | Act::FactoryReset => {}
        }
    }

    fn hazard(&mut self, ctx: &mut Ctx<'_>, hazard: Hazard, present: bool) {
        let known = self.present.contains(&hazard);
        if known == present || !self.config.hazards.contains(&hazard) {
            return;
        }
        ctx.truth(Truth::Hazard { hazard, present });
        let danger = events_of(hazard).danger;
        if present {
            self.present.push(hazard);
            ctx.report(notification(kind_of(hazard), danger, &[]));
        } else {
            self.present.retain(|other| *other != hazard);
            ctx.report(notification(kind_of(hazard), 0, &[danger]));
        }
    }
}
