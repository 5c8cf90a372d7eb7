//! Events of people, credentials and slots in the contract's JSON shapes.

use hubd_core::credentials::event::CredentialsEvent;
use hubd_model::{CredentialId, SlotKey};
use serde_json::{Map, Value, json};

/// What happened. Who it happened to is in the entry itself.
pub(super) fn data(event: &CredentialsEvent) -> Value {
    match event {
        CredentialsEvent::PersonChanged { name, change, by, .. } => {
            json!({ "name": name, "change": change.as_str(), "by": by })
        }
        CredentialsEvent::CredentialChanged {
            credential,
            change,
            by,
            due,
            ..
        } => {
            let mut data = of(None, Some(credential));
            data.insert("change".into(), json!(change.as_str()));
            if let Some(by) = by {
                data.insert("by".into(), json!(by));
            }
            if let Some(reason) = change.reason() {
                data.insert("reason".into(), json!(reason));
            }
            if let Some(due) = due {
                data.insert("due".into(), json!(super::time(*due)));
            }
            Value::Object(data)
        }
        CredentialsEvent::CredentialRevealed { credential, by, .. } => {
            json!({ "credential": credential.as_str(), "by": by })
        }
        CredentialsEvent::CredentialUsed {
            credential,
            uses_left,
            ..
        } => {
            let mut data = of(None, Some(credential));
            if let Some(uses_left) = uses_left {
                data.insert("uses_left".into(), json!(uses_left));
            }
            Value::Object(data)
        }
        CredentialsEvent::CredentialMisused { credential, .. } => {
            json!({ "credential": credential.as_str() })
        }
        CredentialsEvent::SlotPending {
            key,
            credential,
            what,
            ..
        } => {
            let mut data = of(Some(*key), credential.as_ref());
            data.insert("what".into(), json!(what));
            Value::Object(data)
        }
        CredentialsEvent::SlotSynced {
            key,
            credential,
            synced,
            ..
        } => {
            let mut data = of(Some(*key), credential.as_ref());
            data.insert("synced".into(), json!(synced.as_str()));
            Value::Object(data)
        }
        CredentialsEvent::SlotDrifted {
            key,
            credential,
            drift,
            ..
        } => {
            let mut data = of(Some(*key), credential.as_ref());
            data.insert("drift".into(), json!(drift.as_str()));
            Value::Object(data)
        }
        CredentialsEvent::SlotStuck {
            key,
            credential,
            what,
            failures,
            reason,
            ..
        } => {
            let mut data = of(Some(*key), credential.as_ref());
            data.insert("what".into(), json!(what));
            data.insert("failures".into(), json!(failures));
            data.insert("reason".into(), json!(reason));
            Value::Object(data)
        }
        CredentialsEvent::ForeignDecided { key, decision, by } => {
            let mut data = of(Some(*key), None);
            data.insert("decision".into(), json!(decision));
            data.insert("by".into(), json!(by));
            Value::Object(data)
        }
        CredentialsEvent::CodesChanged { key, change } => {
            let mut data = of(*key, None);
            data.insert("change".into(), json!(change));
            Value::Object(data)
        }
        CredentialsEvent::LockEmptied { codes } => json!({ "codes": codes }),
        CredentialsEvent::LockRefilled { from, by } => match from {
            Some(from) => json!({ "from": from.as_str(), "by": by }),
            None => json!({ "by": by }),
        },
        CredentialsEvent::LockForgotten { lock, codes, by } => {
            json!({ "lock": lock.as_str(), "codes": codes, "by": by })
        }
    }
}

fn of(key: Option<SlotKey>, credential: Option<&CredentialId>) -> Map<String, Value> {
    let mut data = Map::new();
    if let Some(key) = key {
        data.insert("slot".into(), json!(key.slot.number()));
        data.insert("slot_kind".into(), json!(key.kind.as_str()));
    }
    if let Some(credential) = credential {
        data.insert("credential".into(), json!(credential.as_str()));
    }
    data
}
