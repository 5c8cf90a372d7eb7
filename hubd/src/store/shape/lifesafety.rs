//! Events of life safety in the contract's JSON shapes.

use hubd_core::lifesafety::event::LifeSafetyEvent as E;
use hubd_core::lifesafety::incident::{Attempt, Door, Drill, Signed};
use hubd_core::lifesafety::reason::Finding;
use hubd_model::{AlarmId, LockId, Millis, UnixMillis};
use serde_json::{Map, Value, json};

use super::{command, hex, time, via};

/// What happened. The door or detector that it is about is in the entry itself.
pub(super) fn data(event: &E) -> Value {
    match event {
        E::Opened {
            incident,
            hazard,
            by,
            policy_version,
            doors,
        } => json!({
            "incident": incident.as_str(), "hazard": hazard.map(hubd_model::Hazard::as_str), "by": by,
            "policy_version": policy_version, "doors": names(doors),
        }),
        E::Joined { incident, hazard } => json!({
            "incident": incident.as_str(), "hazard": hazard.map(hubd_model::Hazard::as_str),
        }),
        E::Pending {
            incident,
            doors,
            window,
            why,
        } => json!({
            "incident": incident.as_str(), "doors": names(doors), "window_s": window.0 / 1000, "why": why,
        }),
        E::Cancelled { incident, by, reason } => {
            json!({ "incident": incident.as_str(), "by": by, "reason": reason })
        }
        E::Released {
            incident,
            doors,
            why,
            policy_version,
        } => json!({
            "incident": incident.as_str(), "doors": names(doors), "why": why, "policy_version": policy_version,
        }),
        E::DoorOpened {
            incident,
            latency,
            tries,
        } => json!({
            "incident": incident.as_str(), "latency_ms": latency.map(|Millis(ms)| ms), "tries": tries,
        }),
        E::DoorRelocked { incident, via: by } | E::DoorLockedByHand { incident, via: by } => {
            json!({ "incident": incident.as_str(), "via": via(by) })
        }
        E::Escalated { incident, what } => {
            let mut shape = Map::new();
            shape.insert("incident".into(), json!(incident.as_str()));
            shape.insert("what".into(), json!(what.to_string()));
            shape.insert("code".into(), json!(what.code()));
            if let Some(reason) = what.reason() {
                shape.insert("reason".into(), json!(reason));
            }
            Value::Object(shape)
        }
        E::Held { incident } | E::ReviewOpened { incident } => json!({ "incident": incident.as_str() }),
        E::Clear { incident, doors } => json!({ "incident": incident.as_str(), "doors": names(doors) }),
        E::Closed {
            incident,
            by,
            reason,
            released,
        } => json!({ "incident": incident.as_str(), "by": by, "reason": reason, "released": released }),
        E::Reviewed {
            incident,
            by,
            reason,
            false_alarm,
        } => json!({ "incident": incident.as_str(), "by": by, "reason": reason, "false_alarm": false_alarm }),
        E::DrillStarted { drill, by, dry } => json!({ "drill": drill.as_str(), "by": by, "dry": dry }),
        E::DrillEnded { report } => drill(report),
        E::MaintenanceStarted {
            by,
            reason,
            detectors,
            span,
        } => json!({
            "by": by, "reason": reason, "minutes": span.0.div_ceil(60_000),
            "detectors": detectors.as_ref().map(|chosen| chosen.iter().map(AlarmId::as_str).collect::<Vec<_>>()),
        }),
        E::MaintenanceEnded { by } => json!({ "by": by }),
        E::PolicyChanged {
            version,
            by,
            enabled,
            doors,
        } => json!({ "version": version, "by": by, "enabled": enabled, "doors": names(doors) }),
        E::PolicyUnreadable { reason } => json!({ "reason": reason }),
        E::AwayChanged { away, by } => json!({ "away": away, "by": by }),
    }
}

fn names(doors: &[LockId]) -> Vec<&str> {
    doors.iter().map(LockId::as_str).collect()
}

fn put(shape: &mut Map<String, Value>, name: &str, at: Option<UnixMillis>) {
    if let Some(at) = at {
        shape.insert(name.to_owned(), json!(time(at)));
    }
}

/// Who did something, when, and why.
pub fn signed(signed: &Signed) -> Value {
    json!({ "at": time(signed.at), "by": signed.by, "reason": signed.reason })
}

/// A door of an incident or drill.
pub fn door(door: &Door) -> Value {
    let attempt = |attempt: &Attempt| {
        attempt.end.as_ref().map_or_else(
            || json!({ "id": attempt.command.as_str(), "requested_at": time(attempt.at) }),
            command,
        )
    };
    let mut shape = Map::new();
    shape.insert("lock".into(), json!(door.lock.as_str()));
    shape.insert("state".into(), json!(door.state.as_str()));
    put(&mut shape, "confirmed_at", door.confirmed_at);
    put(&mut shape, "opened_at", door.opened_at);
    if let Some(Millis(latency)) = door.latency {
        shape.insert("latency_ms".into(), json!(latency));
    }
    shape.insert("tries".into(), json!(door.tries));
    if let Some(hold) = door.auto_relock {
        shape.insert("auto_relock".into(), json!(hold));
    }
    let attempts: Vec<Value> = door.attempts.iter().map(attempt).collect();
    shape.insert("attempts".into(), json!(attempts));
    Value::Object(shape)
}

/// What a drill found.
fn finding(finding: &Finding) -> Value {
    let mut shape = Map::new();
    shape.insert("code".into(), json!(finding.code()));
    shape.insert("detail".into(), json!(finding.to_string()));
    if let Some(lock) = finding.lock() {
        shape.insert("lock".into(), json!(lock.as_str()));
    }
    if let Some(by) = finding.by() {
        shape.insert("by".into(), json!(by));
    }
    if let Some(Millis(within)) = finding.within() {
        shape.insert("within_s".into(), json!(within / 1000));
    }
    Value::Object(shape)
}

/// A drill with its report.
pub fn drill(drill: &Drill) -> Value {
    let mut shape = Map::new();
    shape.insert("id".into(), json!(drill.id.as_str()));
    shape.insert("state".into(), json!(drill.stage.as_str()));
    shape.insert("dry".into(), json!(drill.dry));
    shape.insert("by".into(), json!(drill.by));
    if let Some(detector) = &drill.detector {
        shape.insert("detector".into(), json!(detector.as_str()));
    }
    put(&mut shape, "asked_at", Some(drill.asked_at));
    put(&mut shape, "began_at", drill.began_at);
    if !drill.frame.is_empty() {
        shape.insert("frame".into(), json!(hex(&drill.frame)));
    }
    let doors: Vec<Value> = drill.doors.iter().map(door).collect();
    shape.insert("doors".into(), json!(doors));
    let sentences: Vec<String> = drill.findings.iter().map(Finding::to_string).collect();
    shape.insert("findings".into(), json!(sentences));
    let found: Vec<Value> = drill.findings.iter().map(finding).collect();
    shape.insert("found".into(), json!(found));
    if let Some(ended) = &drill.ended {
        shape.insert("ended".into(), signed(ended));
        shape.insert("passed".into(), json!(drill.passed));
    }
    Value::Object(shape)
}
