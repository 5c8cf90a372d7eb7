//! Whether the hub has a radio to work with when it starts: the first verdicts of all radios, taken together.
//!
//! ```text
//!   Waiting --a radio is ready, none is configured, or the time is over--> Ok
//!      |
//!      +--every radio has failed--> Err(NoRadio): one sentence for each
//! ```
//!
//! Only the start is judged: a radio that goes away later never ends the hub (ADR 7).

use std::fmt;

use hubd_model::{Millis, MonoTime, RadioName, RadioState};
use thiserror::Error;

/// How long the start waits for verdicts. A dongle that takes no frame is given up after 9.7 s.
const WAIT_MAX: Millis = Millis(12_000);
/// A port that cannot be used is tried so often before it counts: a network dongle needs a moment to see that the
/// hub before this one is gone.
const TRIES: u8 = 3;

/// No configured radio can be used. `Display` has a sentence for each.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct NoRadio {
    /// The radios, and why each cannot be used.
    pub radios: Vec<(RadioName, String)>,
}

impl fmt::Display for NoRadio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(radio, reason)] = self.radios.as_slice() {
            return write!(f, "radio {radio} cannot be used: {reason}");
        }
        f.write_str("no radio can be used:")?;
        for (radio, reason) in &self.radios {
            write!(f, "\n  {radio}: {reason}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Standing {
    tries: u8,
    /// Why it does not work now.
    reason: Option<String>,
    given_up: bool,
}

/// The verdicts so far.
#[derive(Debug)]
pub(super) struct FirstVerdicts {
    radios: Vec<(RadioName, Standing)>,
    until: MonoTime,
    ready: bool,
}

impl FirstVerdicts {
    pub(super) fn new(now: MonoTime, radios: impl IntoIterator<Item = RadioName>) -> Self {
        let radios: Vec<_> = radios
            .into_iter()
            .map(|name| (name, Standing::default()))
            .collect();
        Self {
            ready: radios.is_empty(),
            radios,
            until: now + WAIT_MAX,
        }
    }

    /// Takes a radio's word on its state.
    pub(super) fn hear(&mut self, radio: &RadioName, state: &RadioState) {
        let Some((_, standing)) = self.radios.iter_mut().find(|(name, _)| name == radio) else {
            return;
        };
        match state {
            // The reason stands until the radio works: a new attempt is no better verdict.
            RadioState::Starting => {}
            RadioState::Ready => self.ready = true,
            RadioState::Away { reason } => {
                standing.tries = standing.tries.saturating_add(1);
                standing.given_up |= standing.tries >= TRIES;
                standing.reason = Some(reason.clone());
            }
            // The port is open and what is there was asked more than once already.
            RadioState::Failing { reason } => {
                standing.given_up = true;
                standing.reason = Some(reason.clone());
            }
        }
    }

    /// When the waiting ends at the latest.
    pub(super) const fn until(&self) -> MonoTime {
        self.until
    }

    /// Whether the hub can work, once that is known. A radio that is still starting in the end is not blamed.
    pub(super) fn outcome(&self, now: MonoTime) -> Option<Result<(), NoRadio>> {
        if self.ready {
            return Some(Ok(()));
        }
        let over = self.until <= now;
        let known = over || self.radios.iter().all(|(_, standing)| standing.given_up);
        known.then(|| {
            let failed =
                |(name, standing): &(RadioName, Standing)| Some((name.clone(), standing.reason.clone()?));
            match self.radios.iter().map(failed).collect() {
                Some(radios) => Err(NoRadio { radios }),
                None => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_micros(millis * 1000)
    }

    fn name(text: &str) -> RadioName {
        RadioName::parse(text).unwrap()
    }

    fn away() -> RadioState {
        RadioState::Away {
            reason: "gone".into(),
        }
    }

    fn failing() -> RadioState {
        RadioState::Failing {
            reason: "silent".into(),
        }
    }

    /// Its name, the radios, their words, when the question is asked, and the outcome.
    type Case = (
        &'static str,
        &'static [&'static str],
        Vec<(&'static str, RadioState)>,
        u64,
        Option<Result<(), NoRadio>>,
    );

    #[test]
    fn the_hub_starts_unless_every_radio_has_failed() {
        const END: u64 = 12_000;
        let (ready, starting) = (|| RadioState::Ready, || RadioState::Starting);
        let no = |radios: &[(&str, &str)]| {
            Some(Err(NoRadio {
                radios: radios
                    .iter()
                    .map(|(radio, reason)| (name(radio), (*reason).to_owned()))
                    .collect(),
            }))
        };
        let cases: Vec<Case> = vec![
            ("none is configured", &[], vec![], 0, Some(Ok(()))),
            ("no word yet", &["a"], vec![], END - 1, None),
            (
                "no word at all",
                &["a"],
                vec![("a", starting())],
                END,
                Some(Ok(())),
            ),
            (
                "it works",
                &["a"],
                vec![("a", starting()), ("a", ready())],
                0,
                Some(Ok(())),
            ),
            ("away once may pass", &["a"], vec![("a", away())], 0, None),
            (
                "away again and again",
                &["a"],
                vec![("a", away()), ("a", starting()), ("a", away()), ("a", away())],
                0,
                no(&[("a", "gone")]),
            ),
            (
                "away, then ready",
                &["a"],
                vec![("a", away()), ("a", ready())],
                0,
                Some(Ok(())),
            ),
            (
                "away until the end",
                &["a"],
                vec![("a", away()), ("a", starting())],
                END,
                no(&[("a", "gone")]),
            ),
            (
                "what is there is no dongle",
                &["a"],
                vec![("a", failing())],
                0,
                no(&[("a", "silent")]),
            ),
            (
                "one of two works",
                &["a", "b"],
                vec![("a", failing()), ("b", ready())],
                0,
                Some(Ok(())),
            ),
            (
                "one of two is not known yet",
                &["a", "b"],
                vec![("a", failing())],
                0,
                None,
            ),
            (
                "one of two is still starting in the end",
                &["a", "b"],
                vec![("a", failing()), ("b", starting())],
                END,
                Some(Ok(())),
            ),
            (
                "none of two works",
                &["a", "b"],
                vec![("b", failing()), ("a", failing())],
                0,
                no(&[("a", "silent"), ("b", "silent")]),
            ),
        ];
        for (what, radios, words, millis, expected) in cases {
            let mut verdicts = FirstVerdicts::new(at(0), radios.iter().copied().map(name));
            for (radio, state) in &words {
                verdicts.hear(&name(radio), state);
            }
            assert_eq!(verdicts.outcome(at(millis)), expected, "{what}");
        }
    }

    #[test]
    fn every_radio_has_its_sentence() {
        let radio = |radio, reason: &str| (name(radio), reason.to_owned());
        let one = NoRadio {
            radios: vec![radio("a", "x is gone")],
        };
        assert_eq!(one.to_string(), "radio a cannot be used: x is gone");
        let two = NoRadio {
            radios: vec![radio("a", "x is gone"), radio("b", "y is busy")],
        };
        assert_eq!(
            two.to_string(),
            "no radio can be used:\n  a: x is gone\n  b: y is busy"
        );
    }
}
