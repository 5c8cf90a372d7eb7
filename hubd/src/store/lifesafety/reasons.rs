//! Concerns and findings as rows: beside the sentence that older hubs know, what it is. A row without that, or with
//! something that this hub does not know, is read for its sentence: no emergency is unreadable because of it.

use hubd_core::lifesafety::reason::{Concern, Finding};
use hubd_model::{LockId, Millis};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Named as the code is.
#[derive(Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(super) enum ConcernRow {
    PolicyUnreadable { reason: String },
    NotReported,
    Jammed { reason: String },
    Refused { reason: String },
    GivenUp,
    LockAsked,
}

/// Named as the code is.
#[derive(Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(super) enum FindingRow {
    NotTested,
    NotOpen { lock: LockId, within: Millis },
    Emergency,
    EndedEarly { by: String },
    Restarted,
    LockGone { lock: LockId },
    Insecure { lock: LockId },
    RadioAway { lock: LockId },
    LockAway { lock: LockId },
}

/// Takes what is not known for nothing.
pub(super) fn known<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: for<'any> Deserialize<'any>,
{
    Ok(T::deserialize(Value::deserialize(from)?).ok())
}

/// Takes each that is not known for nothing, and keeps its place.
pub(super) fn each_known<'de, D, T>(from: D) -> Result<Vec<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: for<'any> Deserialize<'any>,
{
    let Value::Array(all) = Value::deserialize(from)? else {
        return Ok(Vec::new());
    };
    Ok(all.into_iter().map(|one| T::deserialize(one).ok()).collect())
}

/// What is kept of a concern beside its sentence.
pub(super) fn concern_row(concern: Concern) -> Option<ConcernRow> {
    Some(match concern {
        Concern::PolicyUnreadable(reason) => ConcernRow::PolicyUnreadable { reason },
        Concern::NotReported => ConcernRow::NotReported,
        Concern::Jammed(reason) => ConcernRow::Jammed { reason },
        Concern::Refused(reason) => ConcernRow::Refused { reason },
        Concern::GivenUp => ConcernRow::GivenUp,
        Concern::LockAsked => ConcernRow::LockAsked,
        Concern::Other(_) => return None,
    })
}

/// A concern as it was, or its sentence.
pub(super) fn concern_from(row: Option<ConcernRow>, sentence: String) -> Concern {
    match row {
        Some(ConcernRow::PolicyUnreadable { reason }) => Concern::PolicyUnreadable(reason),
        Some(ConcernRow::NotReported) => Concern::NotReported,
        Some(ConcernRow::Jammed { reason }) => Concern::Jammed(reason),
        Some(ConcernRow::Refused { reason }) => Concern::Refused(reason),
        Some(ConcernRow::GivenUp) => Concern::GivenUp,
        Some(ConcernRow::LockAsked) => Concern::LockAsked,
        None => Concern::Other(sentence),
    }
}

/// What is kept of a finding beside its sentence.
pub(super) fn finding_row(finding: Finding) -> Option<FindingRow> {
    Some(match finding {
        Finding::NotTested => FindingRow::NotTested,
        Finding::NotOpen(lock, within) => FindingRow::NotOpen { lock, within },
        Finding::Emergency => FindingRow::Emergency,
        Finding::EndedEarly(by) => FindingRow::EndedEarly { by },
        Finding::Restarted => FindingRow::Restarted,
        Finding::LockGone(lock) => FindingRow::LockGone { lock },
        Finding::Insecure(lock) => FindingRow::Insecure { lock },
        Finding::RadioAway(lock) => FindingRow::RadioAway { lock },
        Finding::LockAway(lock) => FindingRow::LockAway { lock },
        Finding::Other(_) => return None,
    })
}

/// Findings as they were, or their sentences.
pub(super) fn findings_from(rows: Vec<Option<FindingRow>>, sentences: Vec<String>) -> Vec<Finding> {
    let rows = rows.into_iter().chain(std::iter::repeat_with(|| None));
    let both = sentences.into_iter().zip(rows);
    both.map(|(sentence, row)| finding_from(row, sentence)).collect()
}

fn finding_from(row: Option<FindingRow>, sentence: String) -> Finding {
    match row {
        Some(FindingRow::NotTested) => Finding::NotTested,
        Some(FindingRow::NotOpen { lock, within }) => Finding::NotOpen(lock, within),
        Some(FindingRow::Emergency) => Finding::Emergency,
        Some(FindingRow::EndedEarly { by }) => Finding::EndedEarly(by),
        Some(FindingRow::Restarted) => Finding::Restarted,
        Some(FindingRow::LockGone { lock }) => Finding::LockGone(lock),
        Some(FindingRow::Insecure { lock }) => Finding::Insecure(lock),
        Some(FindingRow::RadioAway { lock }) => Finding::RadioAway(lock),
        Some(FindingRow::LockAway { lock }) => Finding::LockAway(lock),
        None => Finding::Other(sentence),
    }
}

#[cfg(test)]
mod tests {
    use hubd_core::lifesafety::incident::{Drill, Incident};
    use hubd_core::lifesafety::{LifeSafetyMemory, LifeSafetyRecord};
    use serde_json::json;

    use super::super::{Key, VERSION, remember, row};
    use super::*;

    /// Rows as the hub kept them before concerns and findings had codes.
    const OLD_INCIDENT: &str = r#"{"id":"incident-7","stage":"closed","opened_at":1,"opened_seq":7,"policy_version":1,
        "triggers":[],"doors":[],"released_at":null,"released_why":null,"cancelled":null,"clear_at":2,"closed":null,
        "closed_seq":null,"escalations":[{"at":3,"lock":"lock-2","what":"it does not open (stuck)","over_at":null}],
        "review":"not_needed"}"#;
    const OLD_DRILL: &str = r#"{"id":"drill-8","stage":"ended","dry":true,"by":"anna","detector":null,"asked_at":1,
        "began_at":1,"frame":[],"doors":[],"findings":["lock-2 does not answer","an emergency began"],"ended":null,
        "passed":false}"#;

    fn read(kind: &str, id: &str, row: &str) -> LifeSafetyMemory {
        let mut memory = LifeSafetyMemory::default();
        remember(&mut memory, &Key::new(kind, id), VERSION, row);
        assert_eq!(memory.unreadable, Vec::<String>::new());
        memory
    }

    fn incident(row: &str) -> Incident {
        read("incident", "incident-7", row).incidents.pop().unwrap()
    }

    fn drill(row: &str) -> Drill {
        read("drill", "drill-8", row).drills.pop().unwrap()
    }

    fn json_of(record: LifeSafetyRecord) -> Value {
        serde_json::from_str(&row(record).unwrap().1).unwrap()
    }

    #[test]
    fn an_old_row_is_read_for_its_sentences_which_are_kept() {
        let old = incident(OLD_INCIDENT);
        let sentence = Concern::Other("it does not open (stuck)".into());
        assert_eq!(old.escalations[0].what, sentence);
        let written = json_of(LifeSafetyRecord::Incident(old));
        assert_eq!(written, serde_json::from_str::<Value>(OLD_INCIDENT).unwrap());

        let old = drill(OLD_DRILL);
        let sentences = ["lock-2 does not answer", "an emergency began"];
        assert_eq!(old.findings, sentences.map(|one| Finding::Other(one.into())));
        let written = json_of(LifeSafetyRecord::Drill(old.clone()));
        assert_eq!(written["findings"], json!(sentences));
        assert_eq!(drill(&written.to_string()), old);
    }

    #[test]
    fn every_concern_comes_back_as_it_was_with_its_code_and_sentence_in_the_row() {
        let reason = || "why".to_owned();
        let all = [
            Concern::PolicyUnreadable(reason()),
            Concern::NotReported,
            Concern::Jammed(reason()),
            Concern::Refused(reason()),
            Concern::GivenUp,
            Concern::LockAsked,
        ];
        for concern in all {
            let mut kept = incident(OLD_INCIDENT);
            kept.escalations[0].what = concern.clone();
            let written = json_of(LifeSafetyRecord::Incident(kept.clone()));
            let shown = &written["escalations"][0];
            assert_eq!(shown["what"], json!(concern.to_string()));
            assert_eq!(shown["why"]["code"], json!(concern.code()));
            assert_eq!(incident(&written.to_string()), kept);
        }
    }

    #[test]
    fn every_finding_comes_back_as_it_was_with_its_code_and_sentence_in_the_row() {
        let lock = || LockId::parse("lock-2").unwrap();
        let mut kept = drill(OLD_DRILL);
        kept.findings = vec![
            Finding::NotTested,
            Finding::NotOpen(lock(), Millis::from_secs(120)),
            Finding::Other("an old sentence".into()),
            Finding::Emergency,
            Finding::EndedEarly("Ada".into()),
            Finding::Restarted,
            Finding::LockGone(lock()),
            Finding::Insecure(lock()),
            Finding::RadioAway(lock()),
            Finding::LockAway(lock()),
        ];
        let written = json_of(LifeSafetyRecord::Drill(kept.clone()));
        for (place, finding) in kept.findings.iter().enumerate() {
            let code = if finding.code() == "other" {
                Value::Null
            } else {
                json!(finding.code())
            };
            assert_eq!(written["found"][place]["code"], code);
            assert_eq!(written["findings"][place], json!(finding.to_string()));
        }
        assert_eq!(drill(&written.to_string()), kept);
    }

    #[test]
    fn what_a_newer_hub_kept_is_read_for_its_sentence() {
        let newer = OLD_INCIDENT.replace(
            r#""over_at":null}"#,
            r#""over_at":null,"why":{"code":"eaten","by":7}}"#,
        );
        assert!(newer.contains("eaten"));
        assert_eq!(incident(&newer), incident(OLD_INCIDENT));
        for found in [
            r#"[{"code":"eaten"},{"code":"emergency"}]"#,
            "[3, null]",
            "null",
            "[]",
            "9",
        ] {
            let newer = OLD_DRILL.replace(r#""passed":false"#, &format!(r#""passed":false,"found":{found}"#));
            let read = drill(&newer).findings;
            assert_eq!(
                read[0],
                Finding::Other("lock-2 does not answer".into()),
                "{found}"
            );
            assert_eq!(read.len(), 2, "{found}");
            assert_eq!(
                read[1] == Finding::Emergency,
                found.contains("emergency"),
                "{found}"
            );
        }
    }
}
