//! Renaming a person on a lock that keeps names: the user of the slot gets the name, and nothing else changes.

use hubd_model::{CodeRefusal, CodeReport, CodeTask, CodeTaskEnd, SlotKey};
use hubd_sim::device::Act;

use crate::rig::pin_key;
use crate::{NO_SCHEDULE, credential, one, refused, until, v1, v2, write};

/// What a rename costs at most: user, slot, the name, and the user read back, a question and an answer each, and a nonce
/// each way where none is there.
const FRAMES_MAX: u32 = 10;

fn rename(key: SlotKey, name: &str) -> CodeTask {
    CodeTask::Name {
        key,
        name: name.to_owned(),
    }
}

#[test]
fn a_user_gets_another_name_and_keeps_code_and_schedule() {
    let (mut rig, lock) = one(credential());
    for schedule in [NO_SCHEDULE, until(22)] {
        let written = rig.codes(lock, write(4, "112358", schedule.clone()));
        assert_eq!(written.end, CodeTaskEnd::Done, "\n{}", rig.story());
        let (kept, from) = (rig.kept(lock), rig.line.len());
        for (name, shown) in [("Zoë Berg", "Zo? Berg"), ("Ann", "Ann")] {
            let named = rig.codes(lock, rename(pin_key(4), name));
            assert_eq!(named.end, CodeTaskEnd::Done, "\n{}", rig.story());
            assert!(named.frames <= FRAMES_MAX, "{} frames", named.frames);
            assert_eq!(named.reports, [], "nothing else is told");
            let user = rig.user_names(lock).into_iter().find(|(user, _)| *user == 4);
            assert_eq!(user, Some((4, shown.to_owned())));
        }
        let again = rig.codes(lock, rename(pin_key(4), "Ann"));
        assert_eq!(again.end, CodeTaskEnd::Done);
        assert!(again.frames < FRAMES_MAX, "what it has is not written again");
        assert!(rig.line.len() > from);
        assert_eq!(rig.kept(lock), kept, "no code was touched");
        let read = rig.codes(lock, CodeTask::Read(pin_key(4)));
        assert_eq!(read.schedule(), Some(schedule));
        assert_eq!(rig.opens(lock, "112358"), Some(4));
    }
    assert!(
        rig.code_reports()
            .iter()
            .all(|report| !matches!(report, CodeReport::Changed { .. })),
        "it is no change that somebody else made"
    );
}

#[test]
fn a_name_goes_to_the_slots_own_user_alone_and_only_where_names_are_kept() {
    for config in [v1(), v2()] {
        let (mut rig, lock) = one(config);
        let end = rig.codes(lock, rename(pin_key(2), "Ann"));
        assert_eq!((end.end, end.frames), (refused(CodeRefusal::NotSupported), 0));
    }
    let (mut rig, lock) = one(credential());
    let names = rig.user_names(lock);
    let empty = rig.codes(lock, rename(pin_key(3), "Ann"));
    assert!(crate::other(&empty.end).contains("empty"), "{:?}", empty.end);
    assert_eq!(empty.slots().len(), 1, "that it is empty is told");
    assert_eq!(
        rig.codes(lock, rename(pin_key(21), "Ann")).end,
        refused(CodeRefusal::NoSuchSlot)
    );
    assert_eq!(rig.user_names(lock), names);
    // A lock that is away is told later.
    rig.act(lock, &Act::Unreachable(true));
    let away = rig.codes(lock, rename(pin_key(2), "Ann"));
    assert!(matches!(away.end, CodeTaskEnd::NoAnswer { .. }), "{:?}", away.end);
}
