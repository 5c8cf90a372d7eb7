//! A detector: what its words mean for its state, and which of them are events of the house.
//!
//! Danger is a level: raised until cleared. The first word of it is always an event; the same word again is one at
//! most once a minute. Whether the message could be trusted is part of the word.

use hubd_model::{
    AlarmId, AlarmSignal, BatteryPercent, DeviceAddress, DeviceDescription, Hazard, LinkState, MonoTime,
    RadioName, UnixMillis,
};

use super::{Quiet, replace};
use crate::event::Event;
use crate::view::{AlarmView, Reported};

/// One detector.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// As people see it.
    pub(crate) view: AlarmView,
    /// Whether its radio announced it since the hub started.
    pub(crate) announced: bool,
    /// The last link that was certain.
    pub(crate) known_link: LinkState,
    /// Which raises were told lately: of what, and whether the message was authenticated.
    raises: Quiet<(Hazard, bool)>,
    troubles: Quiet<String>,
}

impl Alarm {
    pub(crate) fn new(
        id: AlarmId,
        name: String,
        radio: RadioName,
        address: DeviceAddress,
        description: DeviceDescription,
    ) -> Self {
        let view = AlarmView {
            id,
            name,
            radio,
            address,
            description,
            raised: Vec::new(),
            tested: None,
            end_of_life: None,
            trouble: None,
            battery: None,
            link: LinkState::Unknown,
            last_heard: None,
        };
        Self {
            announced: true,
            ..Self::restored(view)
        }
    }

    /// A detector from the store: danger that it reported lasts until it says otherwise.
    pub(crate) fn restored(mut view: AlarmView) -> Self {
        let known_link = view.link;
        view.link = LinkState::Unknown;
        Self {
            view,
            announced: false,
            known_link,
            raises: Quiet::default(),
            troubles: Quiet::default(),
        }
    }

    /// The row that the store keeps.
    pub(crate) fn record(&self) -> AlarmView {
        AlarmView {
            link: self.known_link,
            ..self.view.clone()
        }
    }

    /// The detector spoke.
    pub(crate) fn signal(
        &mut self,
        signal: AlarmSignal,
        authenticated: bool,
        frame: Vec<u8>,
        now: MonoTime,
        at: UnixMillis,
    ) -> Option<Event> {
        match signal {
            AlarmSignal::Raised(hazard) => {
                if !self.is_raised(hazard) {
                    self.view.raised.push(Reported { value: hazard, at });
                }
                let news = self.raises.tell((hazard, authenticated), now);
                news.then_some(Event::AlarmRaised {
                    hazard,
                    authenticated,
                    frame,
                })
            }
            AlarmSignal::Cleared(hazard) => self.cleared(hazard, authenticated, now, at),
            AlarmSignal::Tested(hazard) => {
                self.view.tested = Some(at);
                Some(Event::AlarmTested { hazard })
            }
            AlarmSignal::Silenced(hazard) => Some(Event::AlarmSilenced { hazard }),
            AlarmSignal::EndOfLife(hazard) => {
                if self.view.end_of_life.is_some() {
                    return None;
                }
                self.view.end_of_life = Some(at);
                Some(Event::AlarmTrouble {
                    what: format!(
                        "the {} detector is at the end of its life; replace it",
                        name(hazard)
                    ),
                })
            }
            AlarmSignal::Maintenance(hazard) => {
                let what = format!(
                    "the {} detector is due for service, dirty or faulty; look at it",
                    name(hazard)
                );
                self.trouble(what, now, at)
            }
        }
    }

    /// A fault of its own.
    pub(crate) fn trouble(&mut self, what: String, now: MonoTime, at: UnixMillis) -> Option<Event> {
        self.view.trouble = Some(Reported {
            value: what.clone(),
            at,
        });
        self.troubles
            .tell(what.clone(), now)
            .then_some(Event::AlarmTrouble { what })
    }

    /// The battery.
    pub(crate) fn battery(&mut self, level: BatteryPercent, at: UnixMillis) -> Option<Event> {
        replace(&mut self.view.battery, level, at).then_some(Event::AlarmBattery { level })
    }

    fn is_raised(&self, hazard: Hazard) -> bool {
        self.view.raised.iter().any(|raised| raised.value == hazard)
    }

    /// What was not raised needs no clearing. An all-clear that anybody could have sent is not believed of a
    /// detector whose link is authenticated.
    fn cleared(
        &mut self,
        hazard: Hazard,
        authenticated: bool,
        now: MonoTime,
        at: UnixMillis,
    ) -> Option<Event> {
        if !self.is_raised(hazard) {
            return None;
        }
        if self.view.description.security.is_authenticated() && !authenticated {
            let what = format!(
                "a message that anybody could have sent says that the {} danger is over; it is not believed",
                name(hazard)
            );
            return self.trouble(what, now, at);
        }
        self.view.raised.retain(|raised| raised.value != hazard);
        self.raises.forget(|(told, _)| *told == hazard);
        Some(Event::AlarmCleared { hazard })
    }
}

/// The hazard as people read it.
const fn name(hazard: Hazard) -> &'static str {
    match hazard {
        Hazard::Smoke => "smoke",
        Hazard::Co => "carbon monoxide",
        Hazard::Heat => "heat",
    }
}
