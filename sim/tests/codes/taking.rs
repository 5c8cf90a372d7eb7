//! A slot is looked at before it is written: what somebody else put there unheard is not written over in silence.

use hubd_model::{CodeReport, CodeTask, CodeTaskEnd, CredentialKind, LockSchedule, Over, SlotContent};
use hubd_sim::device::{Act, LockConfig};
use hubd_sim::dongle::DeviceKey;

use crate::rig::{Ended, Rig, pin_key, wish};
use crate::{NO_SCHEDULE, bulk, credential, one, other, until, v1, v2};

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
    rig.run(hubd_model::Millis::from_secs(30));
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
