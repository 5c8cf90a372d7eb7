//! Locks: from Door Lock, Lock, Notification and the lock's own log to the household's words.
//!
//! A reading (`BoltRead`) is what the lock answered or reported of its state; an operation (`Bolt`) is a movement that
//! it told by itself, and by whom. What a lock does not say is `Unknown` and never guessed. Events about user codes
//! (added, changed, deleted) are no signals: the codes are compared with what is wanted, whatever the lock says; only
//! that all are gone, or that the master code changed, is told as trouble.

use hubd_model::{BoltState, CodeSlot, DoorState, LockSignal, Logged, Source, Via};

use crate::signal::{Signal, Traits, trouble};
use crate::wire::cc::class;
use crate::wire::cc::door_lock::{Mode, OperationReport};
use crate::wire::cc::door_lock_logging::{Event, Record};
use crate::wire::cc::lock::State;
use crate::wire::cc::notification::{Notification, Report};
use crate::wire::cc::user_credential::CredentialType;

/// What a Door Lock mode says of the bolt.
///
/// With the inside handle alone unsecured the door is shut from outside and open from inside: neither locked nor
/// unlocked. 0xFE is what the lock says when it does not know; a lock that jammed under way may say it too, which
/// only the attempt under way can tell.
///
/// Spec: CC:0062.01.03, Door Lock Mode.
pub const fn bolt_state(mode: Mode) -> BoltState {
    match mode {
        Mode::Secured => BoltState::Locked,
        Mode::Unsecured
        | Mode::UnsecuredWithTimeout
        | Mode::OutsideUnsecured
        | Mode::OutsideUnsecuredWithTimeout => BoltState::Unlocked,
        Mode::InsideUnsecured | Mode::InsideUnsecuredWithTimeout => BoltState::NotFullyLocked,
        Mode::Unknown | Mode::Other(_) => BoltState::Unknown,
    }
}

/// What an Operation Report says: the bolt, and the door where the lock senses it.
pub(crate) fn read(report: &OperationReport, traits: Traits) -> Vec<Signal> {
    let mut said = vec![Signal::Lock(LockSignal::BoltRead(bolt_state(report.mode)))];
    if let (Traits::Lock(lock), Some(details)) = (traits, report.details)
        && lock.door
    {
        let door = if details.condition.is_door_closed() {
            DoorState::Closed
        } else {
            DoorState::Open
        };
        said.push(Signal::Lock(LockSignal::DoorRead(door)));
    }
    said
}

/// What a report of the class Lock says.
pub(crate) fn read_simple(state: State) -> Vec<Signal> {
    let bolt = match state {
        State::Locked => BoltState::Locked,
        State::Unlocked => BoltState::Unlocked,
        State::Other(_) => BoltState::Unknown,
    };
    vec![Signal::Lock(LockSignal::BoltRead(bolt))]
}

fn moved(bolt: BoltState, via: Via) -> Vec<Signal> {
    vec![Signal::Lock(LockSignal::Bolt { bolt, via })]
}

fn by(bolt: BoltState, source: Source) -> Vec<Signal> {
    moved(bolt, Via::source(source))
}

fn denied(slot: Option<CodeSlot>) -> Vec<Signal> {
    vec![Signal::Lock(LockSignal::KeypadDenied(slot))]
}

/// A level of 2 with a manual lock operation: locked by a touch on the keypad, without a code.
///
/// Source: SmartThings' and Hubitat's handlers for Yale and Schlage locks.
const TOUCHED: u8 = 2;

/// What an event of type Access Control means.
///
/// 14 and 15 (code added, duplicate), 13 (code deleted), 17 (keypad busy), 24 and 25 (handle), 32 and 51 (codes that
/// are not for access) and 64 to 76 (barriers) say nothing of bolt, door or keypad.
///
/// Spec: CC:0071, list of assigned notifications, Access Control.
pub(crate) fn notified(report: &Report, notification: &Notification) -> Vec<Signal> {
    use BoltState::{Jammed, Locked, NotFullyLocked, Unlocked};
    let user = || user_slot(report, &notification.parameters);
    match notification.event {
        0x01 if report.alarm_level == TOUCHED => by(Locked, Source::Keypad),
        0x01 => by(Locked, Source::Manual),
        0x02 => by(Unlocked, Source::Manual),
        0x03 => by(Locked, Source::Remote),
        0x04 => by(Unlocked, Source::Remote),
        0x05 | 0x21 => moved(Locked, Via::slot(Source::Keypad, user())),
        0x06 | 0x22 => moved(Unlocked, Via::slot(Source::Keypad, user())),
        0x07 => by(NotFullyLocked, Source::Manual),
        0x08 => by(NotFullyLocked, Source::Remote),
        0x09 => by(Locked, Source::Auto),
        0x0A => by(NotFullyLocked, Source::Auto),
        0x0B => by(Jammed, Source::Unknown),
        0x0C => trouble(ALL_CODES_DELETED),
        // Keypad disabled for a while; more wrong codes than allowed.
        0x10 | 0x13 => vec![Signal::Lock(LockSignal::KeypadLockedOut)],
        0x12 => trouble(MASTER_CODE_CHANGED),
        // A wrong code by radio, not enough credentials, an invalid credential.
        0x14 | 0x15 | 0x31 | 0x32 => denied(None),
        0x16 => vec![Signal::Lock(LockSignal::Door(DoorState::Open))],
        0x17 => vec![Signal::Lock(LockSignal::Door(DoorState::Closed))],
        0x23 => moved(Locked, used(&notification.parameters)),
        0x24 => moved(Unlocked, used(&notification.parameters)),
        // A credential that is disabled, or outside its schedule.
        0x2F | 0x30 => denied(used(&notification.parameters).slot.or_else(user)),
        _ => Vec::new(),
    }
}

const ALL_CODES_DELETED: &str = "All its user codes were deleted.";
const MASTER_CODE_CHANGED: &str = "Its master code was changed.";

/// Which user's code it was. The parameters are the user's number in one or two bytes, or a User Code Report around
/// it, sometimes cut off; very old firmware gives the number only as the alarm level.
pub(crate) fn user_slot(report: &Report, parameters: &[u8]) -> Option<CodeSlot> {
    let user = match parameters {
        [] if report.alarm_type != 0 => report.alarm_level.into(),
        [class::USER_CODE, 0x03] => return None,
        [user] | [class::USER_CODE, 0x03, user, ..] => u16::from(*user),
        // An Extended User Code Report: how many, then the first user.
        [class::USER_CODE, 0x0D, _, high, low, ..] | [high, low] => u16::from_be_bytes([*high, *low]),
        [class::USER_CREDENTIAL, ..] => return used(parameters).slot,
        _ => return None,
    };
    CodeSlot::new(user)
}

/// Which credential it was, the first where several were asked for. The parameters are "credential usage data": the
/// user in two bytes, how many credentials, then kind and slot of each. Early firmware leaves the count out; some
/// send a Credential Report. Whatever else a lock sends is not taken for a slot.
///
/// Spec: CC:0083.01.0C, Credential Report. Source: the Silicon Labs User Credential implementation; a recorded report
/// in zwave-js issue 8979.
fn used(parameters: &[u8]) -> Via {
    let (credential, high, low) = match parameters {
        [
            class::USER_CREDENTIAL,
            0x0C,
            _report_type,
            _,
            _,
            credential,
            high,
            low,
            ..,
        ] => (credential, high, low),
        [_, _, count, credential, high, low, more @ ..] if more.len() + 3 == usize::from(*count) * 3 => {
            (credential, high, low)
        }
        [_, _, credential, high, low] => (credential, high, low),
        _ => return Via::source(Source::Unknown),
    };
    let source = match CredentialType::from_byte(*credential) {
        CredentialType::Pin | CredentialType::Password => Source::Keypad,
        CredentialType::Rfid | CredentialType::Nfc | CredentialType::Desfire => Source::Rfid,
        CredentialType::Finger => Source::Fingerprint,
        CredentialType::None
        | CredentialType::Ble
        | CredentialType::Uwb
        | CredentialType::Eye
        | CredentialType::Face
        | CredentialType::Hand
        | CredentialType::UnspecifiedBiometric
        | CredentialType::Other(_) => Source::Unknown,
    };
    Via::slot(source, CodeSlot::new(u16::from_be_bytes([*high, *low])))
}

/// The makers' own alarm numbers of Kwikset, Yale and Schlage locks.
///
/// ```text
///   9 jammed               21 locked by hand (level 2: touch)   131, 132, 162 code disabled or out of schedule
///  16 unlocked by code     22 unlocked by hand                  144 unlocked by tag
///  17 jammed from keypad   23 jammed by radio                   161 level 2 cover off, else too many wrong codes
///  18 locked by code       24, 25 locked, unlocked by radio     167, 168, 169 battery low, critical, empty
///  19 unlocked by code     26 jammed in auto-lock, 27 auto-locked    32 all codes deleted
/// ```
///
/// With 16, 18, 19, 131, 132, 144 and 162 the level is the user. 13, 33, 34, 38, 112, 113 (codes) and 130 (new
/// battery) are no signals.
///
/// Source: the device files of zwave-js for Kwikset and Yale, the lock handlers of SmartThings, keymaster's table.
pub(crate) fn legacy(alarm_type: u8, alarm_level: u8) -> Vec<Signal> {
    use BoltState::{Jammed, Locked, Unlocked};
    let user = CodeSlot::new(alarm_level.into());
    match (alarm_type, alarm_level) {
        (9, _) => by(Jammed, Source::Unknown),
        (17, _) => by(Jammed, Source::Keypad),
        (23, _) => by(Jammed, Source::Remote),
        (26, _) => by(Jammed, Source::Auto),
        (16 | 19, _) => moved(Unlocked, Via::slot(Source::Keypad, user)),
        (18, _) => moved(Locked, Via::slot(Source::Keypad, user)),
        (21, TOUCHED) => by(Locked, Source::Keypad),
        (21, _) => by(Locked, Source::Manual),
        (22, _) => by(Unlocked, Source::Manual),
        (24, _) => by(Locked, Source::Remote),
        (25, _) => by(Unlocked, Source::Remote),
        (27, _) => by(Locked, Source::Auto),
        (32, _) => trouble(ALL_CODES_DELETED),
        (131 | 132 | 162, _) => denied(user),
        (144, _) => moved(Unlocked, Via::slot(Source::Rfid, user)),
        (161, 2) => vec![Signal::Lock(LockSignal::Tampered)],
        (161, _) => vec![Signal::Lock(LockSignal::KeypadLockedOut)],
        (167..=169, _) => vec![Signal::BatteryLow],
        _ => Vec::new(),
    }
}

/// What an entry of the lock's own log says; `None` for entries about codes, batteries and configuration. An entry is
/// old news: whoever asks knows which entries are new.
///
/// Spec: CC:004C.01.04, Event Type.
pub fn logged(record: &Record) -> Option<Logged> {
    use BoltState::{Locked, Unlocked};
    let slot = CodeSlot::new(record.user.into());
    let moved = |bolt, source| {
        Some(Logged::Moved {
            bolt,
            via: Via::slot(source, slot),
        })
    };
    match record.event {
        Event::LockCode => moved(Locked, Source::Keypad),
        Event::UnlockCode => moved(Unlocked, Source::Keypad),
        Event::LockButton | Event::LockManual | Event::LockManual2 => moved(Locked, Source::Manual),
        Event::UnlockButton | Event::UnlockManual | Event::UnlockManual2 => moved(Unlocked, Source::Manual),
        Event::LockAuto => moved(Locked, Source::Auto),
        Event::UnlockAuto => moved(Unlocked, Source::Auto),
        Event::LockRemoteCode | Event::LockRemote => moved(Locked, Source::Remote),
        Event::UnlockRemoteCode | Event::UnlockRemote => moved(Unlocked, Source::Remote),
        Event::LockSecured => moved(Locked, Source::Unknown),
        Event::LockUnsecured => moved(Unlocked, Source::Unknown),
        Event::LockCodeOutOfSchedule
        | Event::UnlockCodeOutOfSchedule
        | Event::LockRemoteCodeOutOfSchedule
        | Event::UnlockRemoteCodeOutOfSchedule => Some(Logged::Denied { slot }),
        Event::IllegalCode | Event::RemoteIllegalCode => Some(Logged::Denied { slot: None }),
        Event::UserCodeAdded
        | Event::UserCodeDeleted
        | Event::AllUserCodesDeleted
        | Event::AdminCodeChanged
        | Event::UserCodeChanged
        | Event::LockReset
        | Event::ConfigurationChanged
        | Event::LowBattery
        | Event::NewBattery
        | Event::Unknown
        | Event::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use BoltState::{Jammed, Locked, NotFullyLocked, Unlocked};

    use super::*;

    fn said(event: u8, parameters: &[u8]) -> Vec<Signal> {
        let notification = Notification {
            zensor_node: 0,
            status: 0xFF,
            notification_type: 6,
            event,
            parameters: parameters.to_vec(),
            sequence: None,
        };
        let report = Report {
            alarm_type: 0,
            alarm_level: 0,
            notification: None,
        };
        notified(&report, &notification)
    }

    fn signal(signal: LockSignal) -> Vec<Signal> {
        vec![Signal::Lock(signal)]
    }

    fn keypad(bolt: BoltState, slot: u16) -> Vec<Signal> {
        moved(bolt, Via::slot(Source::Keypad, CodeSlot::new(slot)))
    }

    #[test]
    fn modes_of_the_bolt() {
        for (byte, bolt) in [
            (0x00, Unlocked),
            (0x01, Unlocked),
            (0x10, NotFullyLocked),
            (0x11, NotFullyLocked),
            (0x20, Unlocked),
            (0x21, Unlocked),
            (0x42, BoltState::Unknown),
            (0xFE, BoltState::Unknown),
            (0xFF, Locked),
        ] {
            assert_eq!(bolt_state(Mode::from_byte(byte)), bolt, "{byte:#x}");
        }
    }

    #[test]
    fn only_mode_ff_is_locked() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                bolt_state(Mode::from_byte(byte)) == Locked,
                byte == 0xFF,
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn operations() {
        for (event, bolt, source) in [
            (1, Locked, Source::Manual),
            (2, Unlocked, Source::Manual),
            (3, Locked, Source::Remote),
            (4, Unlocked, Source::Remote),
            (5, Locked, Source::Keypad),
            (6, Unlocked, Source::Keypad),
            (7, NotFullyLocked, Source::Manual),
            (8, NotFullyLocked, Source::Remote),
            (9, Locked, Source::Auto),
            (10, NotFullyLocked, Source::Auto),
            (11, Jammed, Source::Unknown),
        ] {
            assert_eq!(said(event, &[]), by(bolt, source), "event {event}");
        }
    }

    #[test]
    fn a_user_is_found_however_it_is_wrapped() {
        for parameters in [
            &[3][..],
            &[0, 3],
            &[0x63, 0x03, 3],
            &[0x63, 0x03, 3, 1, b'4', b'7', b'1', b'1'],
            &[0x63, 0x0D, 1, 0, 3, 1, 4, b'4', b'7', b'1', b'1', 0, 0],
            &[0x83, 0x0C, 0, 0, 9, 0x01, 0, 3, 0x80, 0],
        ] {
            assert_eq!(said(6, parameters), keypad(Unlocked, 3), "{parameters:x?}");
        }
        // User 0 is the master or nobody; a report cut off before the user and three bytes of something
        // else are no user.
        for parameters in [&[0][..], &[0x63, 0x03], &[9, 9, 9]] {
            assert_eq!(
                said(6, parameters),
                by(Unlocked, Source::Keypad),
                "{parameters:x?}"
            );
        }
    }

    #[test]
    fn the_level_is_the_user_when_there_are_no_parameters() {
        let notification = Notification {
            zensor_node: 0,
            status: 0xFF,
            notification_type: 6,
            event: 6,
            parameters: vec![],
            sequence: None,
        };
        let report = Report {
            alarm_type: 19,
            alarm_level: 4,
            notification: None,
        };
        assert_eq!(notified(&report, &notification), keypad(Unlocked, 4));
    }

    #[test]
    fn a_credential_tells_its_kind_and_slot() {
        let finger = [0x83, 0x0C, 0, 0, 9, 0x09, 0x01, 0x02, 0];
        let via = Via::slot(Source::Fingerprint, CodeSlot::new(0x0102));
        assert_eq!(said(0x24, &finger), moved(Unlocked, via));
        // As a lock sent it: user 2 with the PIN in slot 1. Then the same without the count, then with a tag too.
        for parameters in [
            &[0x00, 0x02, 0x01, 0x01, 0x00, 0x01][..],
            &[0x00, 0x02, 0x01, 0x00, 0x01],
            &[0x00, 0x02, 0x02, 0x01, 0x00, 0x01, 0x03, 0x00, 0x07],
        ] {
            assert_eq!(said(0x24, parameters), keypad(Unlocked, 1), "{parameters:x?}");
        }
        assert_eq!(said(0x23, &[0, 9]), by(Locked, Source::Unknown));
    }

    #[test]
    fn keypad_and_door() {
        for (event, expected) in [
            (0x10, signal(LockSignal::KeypadLockedOut)),
            (0x13, signal(LockSignal::KeypadLockedOut)),
            (0x14, denied(None)),
            (0x32, denied(None)),
            (0x16, signal(LockSignal::Door(DoorState::Open))),
            (0x17, signal(LockSignal::Door(DoorState::Closed))),
            (0x11, vec![]),
            (0x00, vec![]),
            (0x0E, vec![]),
        ] {
            assert_eq!(said(event, &[]), expected, "event {event:#x}");
        }
        assert!(matches!(said(0x0C, &[]).as_slice(), [Signal::Trouble(_)]));
    }

    #[test]
    fn numbers_of_old_locks() {
        for (alarm, expected) in [
            ((9, 1), by(Jammed, Source::Unknown)),
            ((17, 1), by(Jammed, Source::Keypad)),
            ((18, 3), keypad(Locked, 3)),
            ((18, 0), by(Locked, Source::Keypad)),
            ((19, 251), keypad(Unlocked, 251)),
            ((21, 1), by(Locked, Source::Manual)),
            ((21, 2), by(Locked, Source::Keypad)),
            ((22, 1), by(Unlocked, Source::Manual)),
            ((23, 1), by(Jammed, Source::Remote)),
            ((24, 1), by(Locked, Source::Remote)),
            ((25, 1), by(Unlocked, Source::Remote)),
            ((26, 1), by(Jammed, Source::Auto)),
            ((27, 1), by(Locked, Source::Auto)),
            ((132, 5), denied(CodeSlot::new(5))),
            ((161, 1), signal(LockSignal::KeypadLockedOut)),
            ((161, 2), signal(LockSignal::Tampered)),
            ((167, 30), vec![Signal::BatteryLow]),
            ((169, 0), vec![Signal::BatteryLow]),
            ((112, 3), vec![]),
            ((0, 0), vec![]),
        ] {
            assert_eq!(legacy(alarm.0, alarm.1), expected, "{alarm:?}");
        }
    }

    #[test]
    fn the_log_knows_who() {
        let record = |event, user| Record {
            year: 2026,
            month: 11,
            day: 22,
            hour: 4,
            minute: 31,
            second: 0,
            event,
            user,
            code: hubd_model::SecretBytes::new(vec![]),
        };
        let via = Via::slot(Source::Keypad, CodeSlot::new(3));
        assert_eq!(
            logged(&record(Event::UnlockCode, 3)),
            Some(Logged::Moved { bolt: Unlocked, via })
        );
        assert_eq!(
            logged(&record(Event::IllegalCode, 0)),
            Some(Logged::Denied { slot: None })
        );
        assert_eq!(logged(&record(Event::LowBattery, 0)), None);
    }
}
