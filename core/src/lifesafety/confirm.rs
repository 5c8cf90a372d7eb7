//! Whether a door's release is confirmed: a pure question of the rule, the triggers and the time.

use hubd_model::MonoTime;

use super::incident::{Source, Trigger};
use super::policy::{DoorRule, WhenAway};

/// A trigger, and when it came on the clock of this run. After a restart that is the restart: a span that has to pass
/// begins anew.
#[derive(Debug, Clone)]
pub(super) struct Timed {
    pub(super) trigger: Trigger,
    pub(super) at: MonoTime,
}

/// What the triggers mean to a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    No,
    /// It is confirmed at this time, if nothing changes.
    At(MonoTime),
    /// It is confirmed: by what, and since when the first of its triggers has warned.
    Yes {
        /// One sentence.
        why: String,
        /// The first message.
        since: MonoTime,
    },
}

/// Asks whether a door's release is confirmed. The first `ignored` triggers were there when somebody called a release
/// off: they confirm nothing by themselves.
pub(super) fn verdict(
    rule: &DoorRule,
    away: bool,
    triggers: &[Timed],
    ignored: usize,
    now: MonoTime,
) -> Verdict {
    let help = triggers
        .iter()
        .skip(ignored)
        .find_map(|timed| match &timed.trigger.source {
            Source::Person { name, .. } if timed.trigger.lasts() => Some((name, timed.at)),
            Source::Person { .. } | Source::Detector { .. } => None,
        });
    if let Some((name, since)) = help {
        let why = format!("{name} called for help");
        return Verdict::Yes { why, since };
    }
    let (strict, person) = match (away, rule.when_away) {
        (false, _) | (true, WhenAway::Same) => (false, false),
        (true, WhenAway::Confirmed) => (true, false),
        (true, WhenAway::Person) => (true, true),
    };
    if person {
        return Verdict::No;
    }
    let eligible: Vec<_> = triggers
        .iter()
        .enumerate()
        .filter_map(|(place, timed)| match &timed.trigger.source {
            Source::Detector { alarm, hazard, .. }
                if rule.hazards.contains(hazard) && rule.detectors.include(alarm) =>
            {
                Some((place >= ignored, timed, alarm, *hazard))
            }
            Source::Detector { .. } | Source::Person { .. } => None,
        })
        .collect();
    let Some(since) = eligible.iter().map(|(_, timed, ..)| timed.at).min() else {
        return Verdict::No;
    };
    let fresh = || {
        eligible
            .iter()
            .filter(|(fresh, timed, ..)| *fresh && timed.trigger.lasts())
    };
    let at_once = fresh().find(|(.., hazard)| !strict && rule.confirm.at_once.contains(hazard));
    if let Some((.., alarm, hazard)) = at_once {
        let why = format!("{} at {alarm}", hazard.as_str());
        return Verdict::Yes { why, since };
    }
    if let Some(within) = rule.confirm.second_within {
        let second = fresh().find_map(|(_, one, alarm, hazard)| {
            let mut others = eligible.iter().filter(|(_, _, other, _)| other != alarm);
            let other = others.find(|(_, other, ..)| {
                one.at.since(other.at) <= within && other.at.since(one.at) <= within
            })?;
            Some((alarm, hazard, other.2, other.3))
        });
        if let Some((alarm, hazard, other, also)) = second {
            let why = format!(
                "two detectors within {} s: {} at {other}, {} at {alarm}",
                within.0 / 1000,
                also.as_str(),
                hazard.as_str()
            );
            return Verdict::Yes { why, since };
        }
    }
    let Some(lasting) = rule.confirm.lasting else {
        return Verdict::No;
    };
    let first = fresh().min_by_key(|(_, timed, ..)| timed.at);
    match first {
        None => Verdict::No,
        Some((_, timed, alarm, hazard)) if timed.at + lasting <= now => Verdict::Yes {
            why: format!("{} at {alarm} for {} s", hazard.as_str(), lasting.0 / 1000),
            since,
        },
        Some((_, timed, ..)) => Verdict::At(timed.at + lasting),
    }
}
