//! A slot is looked at before it is written: what somebody else put there unheard is not written over in silence.

use hubd_model::{
    CodeReport, CodeSlot, CodeTask, CodeTaskEnd, CredentialKind, LockSchedule, Millis, Over, SlotContent,
    SlotKey, Urgency,
};
use hubd_sim::device::{Act, LockConfig};
use hubd_sim::dongle::DeviceKey;

use crate::rig::{Ended, Rig, pin_key, wish};
use crate::{NO_SCHEDULE, bulk, credential, enrol, one, other, until, v1, v2};

/// The slot that is changed and written.
const SLOT: u16 = 5;

fn kinds() -> [LockConfig; 4] {
    [v1(), v2(), bulk(), credential()]
}

/// Somebody types a code at a lock that nobody hears.
fn typed_unheard(rig: &mut Rig, lock: DeviceKey, code: &str) {
    rig.act(lock, &Act::Unreachable(true));
    let digits = Some(code.to_owned());
    rig.act(lock, &Act::ChangeCode { slot: SLOT, digits });
    rig.run(Millis::from_secs(30));
    rig.act(lock, &Act::Unreachable(false));
    rig.reports.clear();
}

fn write_over(over: Over, pin: &str, schedule: LockSchedule) -> CodeTask {
    let mut wish = wish(pin, schedule);
    wish.over = over;
    let key = pin_key(SLOT);
    CodeTask::Write { key, wish }
}

/// The PIN that was seen before the write.
fn found(ended: &Ended) -> Option<String> {
    ended.reports.iter().find_map(|report| match report {
        CodeReport::Found {
            content: SlotContent::Pin { pin, .. },
            ..
        } => Some(pin.expose().to_owned()),
        _ => None,
    })
}

#[test]
fn where_nothing_was_ours_somebody_elses_code_stays() {
    for config in kinds() {
        let (mut rig, lock) = one(config);
        typed_unheard(&mut rig, lock, "13579");
        let kept = rig.kept(lock);
        for schedule in [NO_SCHEDULE, until(22)] {
            let ended = rig.codes(lock, write_over(Over::Nothing, "112358", schedule));
            assert!(other(&ended.end).contains("of their own"), "{:?}", ended.end);
            assert_eq!(ended.slots()[&(CredentialKind::Pin, SLOT)], "13579");
            assert_eq!(rig.kept(lock), kept, "\n{}", rig.story());
            assert_eq!(
                (rig.opens(lock, "13579"), rig.opens(lock, "112358")),
                (Some(SLOT), None)
            );
        }
        // The same PIN is no other's.
        let same = rig.codes(lock, write_over(Over::Nothing, "13579", NO_SCHEDULE));
        assert_eq!(same.end, CodeTaskEnd::Done, "\n{}", rig.story());
    }
}

#[test]
fn where_something_was_ours_what_goes_is_told_before() {
    for config in kinds() {
        let (mut rig, lock) = one(config);
        for (typed, written, schedule) in [("13579", "112358", NO_SCHEDULE), ("97531", "314159", until(22))] {
            typed_unheard(&mut rig, lock, typed);
            let ended = rig.codes(lock, write_over(Over::Anything, written, schedule));
            assert_eq!(ended.end, CodeTaskEnd::Done, "\n{}", rig.story());
            assert_eq!(found(&ended).as_deref(), Some(typed));
            assert!(
                matches!(ended.reports.last(), Some(CodeReport::Slot { .. })),
                "what is there now is told last: {:?}",
                ended.reports
            );
            assert_eq!(
                (rig.opens(lock, typed), rig.opens(lock, written)),
                (None, Some(SLOT))
            );
        }
    }
}

/// Lets the lock learn a tag that somebody holds to it; how that ended.
fn learn(rig: &mut Rig, lock: DeviceKey, over: Over, tag: &[u8]) -> CodeTaskEnd {
    let key = SlotKey {
        kind: CredentialKind::Rfid,
        slot: CodeSlot::new(SLOT).unwrap(),
    };
    rig.reports.clear();
    let task = rig.start(lock, enrol(key, over), Urgency::Person);
    rig.run(Millis::from_secs(10));
    rig.act(lock, &Act::ShowTag(tag.to_vec()));
    rig.run(Millis::from_secs(30));
    rig.end_of(task).unwrap().0
}

#[test]
fn a_tag_that_came_unheard_is_not_learnt_over() {
    let (mut rig, lock) = one(LockConfig {
        tags: 8,
        ..credential()
    });
    let theirs = vec![1, 2, 3, 4];
    assert_eq!(
        learn(&mut rig, lock, Over::Nothing, &theirs),
        CodeTaskEnd::Done,
        "\n{}",
        rig.story()
    );
    // For a credential of which nothing was ever there it is somebody else's, and stays.
    let ended = learn(&mut rig, lock, Over::Nothing, &[5, 6, 7, 8]);
    assert!(other(&ended).contains("of their own"), "{ended:?}");
    let told = rig.code_reports();
    let shown = told.iter().any(|report| {
        let occupied = |content: &SlotContent| content.is_occupied();
        matches!(report, CodeReport::Slot { key, content, .. } if key.kind == CredentialKind::Rfid && occupied(content))
    });
    assert!(shown, "what is there is told: {told:?}");
    let held = |rig: &Rig| rig.dongle.device(lock).unwrap().tags();
    assert_eq!(held(&rig), [(SLOT, theirs)], "\n{}", rig.story());
    // One's own gives way to the new one.
    let new = vec![9, 10, 11, 12];
    assert_eq!(learn(&mut rig, lock, Over::Anything, &new), CodeTaskEnd::Done);
    assert_eq!(held(&rig), [(SLOT, new)], "\n{}", rig.story());
}
