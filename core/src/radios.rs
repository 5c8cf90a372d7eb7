//! The radios: their state, and the one inclusion or exclusion that each may have under way.
//!
//! ```text
//!   Starting --> Ready <--> Failing | Away      degraded: from the first Failing or Away until Ready
//!
//!   inclusion, exclusion:  Idle --request--> Waiting --reports--> ... --> Done | Failed
//!                          under way and radio lost, or no word for SILENCE_MAX: Failed
//!
//!   dongle's memory:  Untouched --request--> UnderWay --copied or written, and that is on disk--> Done
//!                                               +------- the radio says so, or no word for SILENCE_MAX: Failed
//! ```

use hubd_model::{
    DongleMemory, InclusionError, InclusionProgress, InclusionState, Millis, MonoTime, RadioName, RadioState,
    UnixMillis,
};

use crate::event::Event;
use crate::input::Refusal;
use crate::view::{DongleView, DongleWork, RadioView};

/// An inclusion or exclusion of which nothing is heard for so long has failed. Longer than the longest pause that
/// a standard allows: an S2 inclusion waits 240 s for a person's PIN.
pub(crate) const SILENCE_MAX: Millis = Millis::from_secs(600);

/// One radio.
#[derive(Debug)]
pub(crate) struct Radio {
    pub(crate) view: RadioView,
    /// Whether the household was told that it does not work.
    degraded: bool,
    /// Whether the household was told that it has too many devices.
    pub(crate) overfull: bool,
    /// When what is under way was last heard of.
    heard: MonoTime,
    /// Who asked for what is done with the dongle's memory.
    dongle_by: String,
    /// The entry that tells the end of it, until that is on disk.
    dongle_recorded: Option<u64>,
}

/// What a radio's new state means to the household.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing new.
    Same,
    /// It does not work any more: why.
    Lost(String),
    /// It does not work, as was known.
    StillLost,
    /// It works again.
    Recovered,
}

impl Radio {
    pub(crate) fn new(name: RadioName) -> Self {
        Self {
            view: RadioView {
                name,
                state: RadioState::Starting,
                inclusion: InclusionProgress::default(),
                exclusion: InclusionProgress::default(),
                dongle: DongleView::Untouched,
            },
            degraded: false,
            overfull: false,
            heard: MonoTime::default(),
            dongle_by: String::new(),
            dongle_recorded: None,
        }
    }

    /// Takes the radio's own word on its state.
    pub(crate) fn turn(&mut self, state: RadioState) -> Turn {
        let turn = match &state {
            RadioState::Ready if self.degraded => {
                self.degraded = false;
                Turn::Recovered
            }
            RadioState::Starting | RadioState::Ready => Turn::Same,
            RadioState::Failing { .. } | RadioState::Away { .. } if self.degraded => Turn::StillLost,
            RadioState::Failing { reason } | RadioState::Away { reason } => {
                self.degraded = true;
                Turn::Lost(reason.clone())
            }
        };
        if matches!(turn, Turn::Lost(_) | Turn::StillLost) {
            self.fail_under_way(
                "controller_failed",
                "The radio stopped working meanwhile; when it is ready again, exclude the device and start anew.",
            );
        }
        self.view.state = state;
        turn
    }

    /// Whether the radio says that it works.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.view.state, RadioState::Ready)
    }

    /// Refuses when the radio says that it does not work.
    pub(crate) fn check_works(&self) -> Result<(), Refusal> {
        match &self.view.state {
            RadioState::Starting | RadioState::Ready => Ok(()),
            RadioState::Failing { reason } | RadioState::Away { reason } => Err(Refusal::RadioNotReady {
                radio: self.view.name.clone(),
                reason: reason.clone(),
            }),
        }
    }

    /// Refuses unless a new inclusion, exclusion or removal can begin.
    pub(crate) fn check_free(&self) -> Result<(), Refusal> {
        self.check_works()?;
        if !self.is_ready() {
            let reason = "it is still starting; try again in a few seconds".to_owned();
            return Err(Refusal::RadioNotReady {
                radio: self.view.name.clone(),
                reason,
            });
        }
        if self.under_way() {
            return Err(Refusal::RadioBusy("an inclusion or exclusion"));
        }
        if self.dongle_work().is_some() {
            return Err(Refusal::RadioBusy("a copy of its dongle's memory"));
        }
        Ok(())
    }

    /// Whether an inclusion or exclusion is under way.
    pub(crate) fn under_way(&self) -> bool {
        is_under_way(self.view.inclusion.state) || is_under_way(self.view.exclusion.state)
    }

    /// Whether an inclusion waits for a person's answer.
    pub(crate) fn is_asking(&self) -> bool {
        self.view.inclusion.state == InclusionState::Asking
    }

    pub(crate) fn begin_inclusion(&mut self, now: MonoTime) {
        self.view.inclusion = waiting();
        self.heard = now;
    }

    pub(crate) fn begin_exclusion(&mut self, now: MonoTime) {
        self.view.exclusion = waiting();
        self.heard = now;
    }

    pub(crate) fn inclusion(&mut self, now: MonoTime, progress: InclusionProgress) {
        self.view.inclusion = progress;
        self.heard = now;
    }

    pub(crate) fn exclusion(&mut self, now: MonoTime, progress: InclusionProgress) {
        self.view.exclusion = progress;
        self.heard = now;
    }

    /// Ends what is under way as failed.
    pub(crate) fn fail_under_way(&mut self, code: &str, detail: &str) {
        for progress in [&mut self.view.inclusion, &mut self.view.exclusion] {
            if is_under_way(progress.state) {
                progress.state = InclusionState::Failed;
                progress.question = None;
                progress.error = Some(InclusionError {
                    code: code.to_owned(),
                    detail: detail.to_owned(),
                });
            }
        }
    }

    /// What is being done with the dongle's memory.
    fn dongle_work(&self) -> Option<DongleWork> {
        match self.view.dongle {
            DongleView::UnderWay { work, .. } => Some(work),
            DongleView::Untouched | DongleView::Done { .. } | DongleView::Failed { .. } => None,
        }
    }

    /// Begins to copy or write the dongle's memory.
    pub(crate) fn begin_dongle(&mut self, now: MonoTime, work: DongleWork, by: String) {
        self.view.dongle = DongleView::UnderWay {
            work,
            done: 0,
            total: 0,
        };
        self.dongle_by = by;
        self.dongle_recorded = None;
        self.heard = now;
    }

    /// The radio tells what becomes of the dongle's memory; what is to be recorded of it.
    pub(crate) fn dongle(&mut self, now: MonoTime, at: UnixMillis, what: DongleMemory) -> Option<Event> {
        let work = self.dongle_work().filter(|_| self.dongle_recorded.is_none())?;
        self.heard = now;
        let failure = match what {
            DongleMemory::Progress { done, total } => {
                self.view.dongle = DongleView::UnderWay { work, done, total };
                return None;
            }
            // Told as done once that is on disk.
            DongleMemory::Copied(_) | DongleMemory::Restored => None,
            DongleMemory::Failed { reason } => Some(reason),
        };
        if let Some(reason) = failure.clone() {
            self.view.dongle = DongleView::Failed { work, at, reason };
        }
        Some(Event::DongleMemory {
            radio: self.view.name.clone(),
            work,
            by: self.dongle_by.clone(),
            failure,
        })
    }

    /// The entry that tells the end of it.
    pub(crate) fn dongle_recorded(&mut self, seq: u64) {
        self.dongle_recorded = self.dongle_work().map(|_| seq);
    }

    /// Every entry up to this one is on disk.
    pub(crate) fn durable(&mut self, seq: u64, at: UnixMillis) {
        if self.dongle_recorded.is_some_and(|recorded| recorded <= seq) {
            self.dongle_recorded = None;
            if let Some(work) = self.dongle_work() {
                self.view.dongle = DongleView::Done { work, at };
            }
        }
    }

    /// What was copied cannot be kept.
    pub(crate) fn store_failing(&mut self, at: UnixMillis) {
        if self.dongle_recorded.take().is_none() {
            return;
        }
        self.view.dongle = match self.dongle_work() {
            Some(work @ DongleWork::Copy) => DongleView::Failed {
                work,
                at,
                reason: "the copy could not be written to the disk; mend the disk and copy it again"
                    .to_owned(),
            },
            Some(work @ DongleWork::Write) => DongleView::Done { work, at },
            None => return,
        };
    }

    pub(crate) fn deadline(&self) -> Option<MonoTime> {
        let waits = self.under_way() || self.dongle_work().is_some();
        waits.then(|| self.heard + SILENCE_MAX)
    }

    pub(crate) fn tick(&mut self, now: MonoTime, at: UnixMillis) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.fail_under_way("timeout", "Nothing was heard of it for ten minutes; start anew.");
            if let Some(work) = self.dongle_work() {
                self.dongle_recorded = None;
                let reason =
                    "nothing was heard of the dongle for ten minutes; look at it, then try again".to_owned();
                self.view.dongle = DongleView::Failed { work, at, reason };
            }
        }
    }
}

fn waiting() -> InclusionProgress {
    InclusionProgress {
        state: InclusionState::Waiting,
        ..InclusionProgress::default()
    }
}

fn is_under_way(state: InclusionState) -> bool {
    match state {
        InclusionState::Waiting
        | InclusionState::Asking
        | InclusionState::Securing
        | InclusionState::Interviewing => true,
        InclusionState::Idle | InclusionState::Done | InclusionState::Failed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubd_model::{DongleImage, SecretBytes};

    fn away() -> RadioState {
        RadioState::Away {
            reason: "unplugged".into(),
        }
    }

    fn failing() -> RadioState {
        RadioState::Failing {
            reason: "mute".into(),
        }
    }

    #[test]
    fn a_lost_radio_is_told_once_until_it_is_ready() {
        let mut radio = Radio::new(RadioName::parse("zwave").unwrap());
        let told: Vec<Turn> = [
            RadioState::Ready,
            away(),
            failing(),
            RadioState::Starting,
            RadioState::Ready,
            failing(),
        ]
        .into_iter()
        .map(|state| radio.turn(state))
        .collect();
        let expected = vec![
            Turn::Same,
            Turn::Lost("unplugged".into()),
            Turn::StillLost,
            Turn::Same,
            Turn::Recovered,
            Turn::Lost("mute".into()),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_inclusion_ends_with_its_radio_or_its_silence() {
        for lost in [true, false] {
            let mut radio = Radio::new(RadioName::parse("zwave").unwrap());
            assert!(radio.check_free().is_err(), "a starting radio includes nothing");
            radio.turn(RadioState::Ready);
            assert_eq!(radio.check_free(), Ok(()));
            radio.begin_inclusion(MonoTime::from_micros(0));
            assert_eq!(radio.check_free().unwrap_err().code(), "busy");
            if lost {
                radio.turn(away());
            } else {
                let deadline = radio.deadline().unwrap();
                radio.tick(deadline - Millis(1), UnixMillis(0));
                assert!(radio.under_way());
                radio.tick(deadline, UnixMillis(0));
            }
            assert_eq!(radio.view.inclusion.state, InclusionState::Failed);
            assert_eq!(radio.view.exclusion.state, InclusionState::Idle);
            assert_eq!(radio.deadline(), None);
        }
    }

    #[test]
    fn a_copy_of_the_dongle_is_done_when_it_is_on_disk() {
        let image = || DongleImage::new(SecretBytes::new(vec![1]));
        let (now, at) = (MonoTime::from_micros(5), UnixMillis(7));
        let mut radio = Radio::new(RadioName::parse("zwave").unwrap());
        radio.turn(RadioState::Ready);
        assert_eq!(
            radio.dongle(now, at, DongleMemory::Restored),
            None,
            "nobody asked"
        );
        radio.begin_dongle(now, DongleWork::Copy, "anna".into());
        assert_eq!(radio.check_free().unwrap_err().code(), "busy");
        let progress = DongleMemory::Progress { done: 1, total: 2 };
        assert_eq!(radio.dongle(now, at, progress), None);
        let event = radio.dongle(now, at, DongleMemory::Copied(image())).unwrap();
        assert_eq!(event.kind(), "radio.memory_copied");
        radio.dongle_recorded(9);
        radio.durable(8, at);
        assert!(radio.check_free().is_err(), "it is not on disk yet");
        radio.durable(9, at);
        let work = DongleWork::Copy;
        assert_eq!(radio.view.dongle, DongleView::Done { work, at });

        radio.begin_dongle(now, DongleWork::Copy, "anna".into());
        radio.dongle(now, at, DongleMemory::Copied(image())).unwrap();
        radio.dongle_recorded(10);
        radio.store_failing(at);
        assert!(
            matches!(radio.view.dongle, DongleView::Failed { .. }),
            "nobody has it"
        );

        radio.begin_dongle(now, DongleWork::Write, "anna".into());
        let reason = "of another kind".to_owned();
        let event = radio.dongle(now, at, DongleMemory::Failed { reason }).unwrap();
        assert_eq!(event.kind(), "radio.memory_failed");
        radio.dongle_recorded(11);
        assert!(matches!(radio.view.dongle, DongleView::Failed { .. }));
        assert_eq!(radio.deadline(), None);

        radio.begin_dongle(now, DongleWork::Write, "anna".into());
        radio.tick(radio.deadline().unwrap(), at);
        assert!(
            matches!(radio.view.dongle, DongleView::Failed { .. }),
            "silence ends it"
        );
    }
}
