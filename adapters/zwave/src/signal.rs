//! From commands to the household's words: what a device said, if it matters to people.
//!
//! Pure: one command in, what it means out. Encapsulations are opened before, and only commands that the device sent
//! by itself belong here, or answers that read a state (Door Lock Operation, Lock, Battery). The answer to a
//! Notification Get repeats an old event and must not be given to [`signals`].

use hubd_model::{AlarmSignal, BatteryPercent, LockSignal};

use crate::wire::cc::notification::{Notification, Report, kind};
use crate::wire::cc::{Command, battery, door_lock, lock as lock_class, notification, user_code};
use crate::{alarm, lock};

/// One thing that a device said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Of bolt, door or keypad.
    Lock(LockSignal),
    /// Of smoke, carbon monoxide or heat.
    Alarm(AlarmSignal),
    /// Something is wrong that is not danger; a sentence for people.
    Trouble(String),
    /// What is left in the battery.
    Battery(BatteryPercent),
    /// The battery is nearly empty, and the device does not say how much is left.
    BatteryLow,
}

/// What is known of the device that sent the command. The makers' own alarm numbers mean different things on locks
/// and on detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traits {
    /// It has a bolt.
    Lock(LockTraits),
    /// It detects smoke, carbon monoxide or heat.
    Alarm,
    /// Something else.
    Other,
}

/// What is known of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LockTraits {
    /// Whether it senses the door leaf, as its capabilities report says. Locks without the report may set the bit
    /// that means "closed" or not; it then says nothing.
    pub door: bool,
}

impl From<&door_lock::CapabilitiesReport> for LockTraits {
    fn from(report: &door_lock::CapabilitiesReport) -> Self {
        Self { door: report.door }
    }
}

/// What a command means to the household; nothing when it is not a report or changes nothing for people.
pub fn signals(command: &Command, traits: Traits) -> Vec<Signal> {
    match command {
        Command::Notification(notification::Command::Report(report)) => notified(report, traits),
        Command::DoorLock(door_lock::Command::OperationReport(report)) => lock::read(report, traits),
        Command::Lock(lock_class::Command::Report(state)) => lock::read_simple(*state),
        Command::Battery(battery::Command::Report(report)) => battery_signals(report),
        Command::UserCode(user_code::Command::KeypadModeReport(user_code::KeypadMode::LockedOut)) => {
            vec![Signal::Lock(LockSignal::KeypadLockedOut)]
        }
        Command::NoOperation
        | Command::Basic(_)
        | Command::ApplicationStatus(_)
        | Command::DoorLockLogging(_)
        | Command::ScheduleEntryLock(_)
        | Command::TransportService(_)
        | Command::Crc16(_)
        | Command::DeviceResetLocally(_)
        | Command::ZWavePlusInfo(_)
        | Command::MultiChannel(_)
        | Command::DoorLock(_)
        | Command::UserCode(_)
        | Command::Supervision(_)
        | Command::Notification(_)
        | Command::ManufacturerSpecific(_)
        | Command::Lock(_)
        | Command::Battery(_)
        | Command::UserCredential(_)
        | Command::WakeUp(_)
        | Command::Association(_)
        | Command::Version(_)
        | Command::Time(_)
        | Command::TimeParameters(_)
        | Command::MultiChannelAssociation(_)
        | Command::MultiCommand(_)
        | Command::ActiveSchedule(_)
        | Command::Unknown(_) => Vec::new(),
    }
}

/// A status of a report that says: nothing to report.
const NOTHING_PENDING: u8 = 0xFE;
/// An event that the standard has no number for; the maker's own part of the report may have one.
const UNKNOWN_EVENT: u8 = 0xFE;

fn notified(report: &Report, traits: Traits) -> Vec<Signal> {
    let Some(notification) = report
        .notification
        .as_ref()
        .filter(|part| part.notification_type != 0)
    else {
        return legacy(report, traits);
    };
    if notification.status == NOTHING_PENDING && notification.event == 0 {
        return Vec::new();
    }
    if notification.event == UNKNOWN_EVENT && report.alarm_type != 0 {
        let said = legacy(report, traits);
        if !said.is_empty() {
            return said;
        }
    }
    match notification.notification_type {
        kind::SMOKE | kind::CO | kind::HEAT => alarm::notified(notification),
        kind::ACCESS_CONTROL => lock::notified(report, notification),
        kind::HOME_SECURITY => home_security(notification.event, traits),
        kind::POWER_MANAGEMENT => power(notification.event),
        kind::SYSTEM => system(notification.event, traits),
        kind::CO2 | kind::WATER | kind::EMERGENCY => other_hazard(notification),
        _ => Vec::new(),
    }
}

/// The makers' own alarm numbers of version 1, used only where the standard's part is absent, empty or unknown.
fn legacy(report: &Report, traits: Traits) -> Vec<Signal> {
    match traits {
        Traits::Lock(_) => lock::legacy(report.alarm_type, report.alarm_level),
        Traits::Alarm => alarm::legacy(report.alarm_type, report.alarm_level),
        Traits::Other => Vec::new(),
    }
}

pub(crate) fn trouble(what: &str) -> Vec<Signal> {
    vec![Signal::Trouble(what.to_owned())]
}

fn tampered(what: &str, traits: Traits) -> Vec<Signal> {
    match traits {
        Traits::Lock(_) => vec![Signal::Lock(LockSignal::Tampered)],
        Traits::Alarm | Traits::Other => trouble(what),
    }
}

/// Type 7. 7 and 8 are motion, which is no business of doors.
///
/// Spec: CC:0071, list of assigned notifications, Home Security.
fn home_security(event: u8, traits: Traits) -> Vec<Signal> {
    match event {
        0x01 | 0x02 => tampered("It reports an intrusion.", traits),
        0x03 => tampered("Its cover was removed.", traits),
        0x04 => match traits {
            Traits::Lock(_) => vec![Signal::Lock(LockSignal::KeypadDenied(None))],
            Traits::Alarm | Traits::Other => trouble("A wrong code was entered at it."),
        },
        0x05 | 0x06 => trouble("It reports broken glass."),
        0x09 => tampered("It was moved.", traits),
        0x0A => tampered("It was struck.", traits),
        0x0B => tampered("A magnetic field disturbs it.", traits),
        0x0C => trouble("It hears a radio signal that jams it."),
        _ => Vec::new(),
    }
}

/// Type 8. 1 power applied, 3 mains back, 12 charging and 13 charged are good news.
///
/// Spec: CC:0071, list of assigned notifications, Power Management.
fn power(event: u8) -> Vec<Signal> {
    match event {
        0x02 => trouble("It has lost mains power."),
        0x04 => trouble("It reports a power surge."),
        0x05 => trouble("It reports a voltage drop."),
        0x06 => trouble("It reports too much current."),
        0x07 => trouble("It reports too high a voltage."),
        0x08 => trouble("It is overloaded."),
        0x09 => trouble("It reports a load error."),
        // Replace soon, replace now, charge soon, charge now.
        0x0A | 0x0B | 0x0E | 0x0F => vec![Signal::BatteryLow],
        0x10 => trouble("Its back-up battery is low."),
        0x11 => trouble("Its battery fluid is low."),
        0x12 => trouble("Its back-up battery is disconnected."),
        _ => Vec::new(),
    }
}

/// Type 9. 5 is a heartbeat.
///
/// Spec: CC:0071, list of assigned notifications, System.
fn system(event: u8, traits: Traits) -> Vec<Signal> {
    match event {
        0x01 | 0x03 => trouble("Its hardware has failed."),
        0x02 | 0x04 => trouble("Its software has failed."),
        0x06 => tampered("Its cover was removed.", traits),
        0x07 => trouble("It has shut itself off in an emergency."),
        _ => Vec::new(),
    }
}

/// Dangers that no door policy knows: told to people, never acted on.
///
/// Spec: CC:0071, list of assigned notifications, CO2 Alarm, Water Alarm, Emergency Alarm.
fn other_hazard(notification: &Notification) -> Vec<Signal> {
    match (notification.notification_type, notification.event) {
        (kind::CO2, 0x01 | 0x02) => trouble("It detects carbon dioxide."),
        (kind::WATER, 0x01 | 0x02) => trouble("It detects a water leak."),
        (kind::EMERGENCY, 0x01) => trouble("It asks for the police."),
        (kind::EMERGENCY, 0x02) => trouble("It asks for the fire service."),
        (kind::EMERGENCY, 0x03) => trouble("It asks for medical help."),
        (kind::EMERGENCY, 0x04) => trouble("Its panic button was pressed."),
        _ => Vec::new(),
    }
}

fn battery_signals(report: &battery::Report) -> Vec<Signal> {
    let mut said = Vec::new();
    let disconnected = report.condition.is_some_and(|condition| condition.disconnected);
    match report.level {
        // A battery that was taken out reports 0 %, which says nothing of the battery.
        battery::Level::Percent(_) if disconnected => {}
        battery::Level::Percent(percent) => said.push(Signal::Battery(percent)),
        battery::Level::Low => said.push(Signal::BatteryLow),
        battery::Level::Other(_) => {}
    }
    if let Some(condition) = report.condition {
        if condition.replace != battery::Replacement::No && !said.contains(&Signal::BatteryLow) {
            said.push(Signal::BatteryLow);
        }
        for (wrong, what) in [
            (condition.disconnected, "Its battery was taken out."),
            (condition.overheating, "Its battery is too hot."),
            (condition.low_fluid, "Its battery fluid is low."),
        ] {
            if wrong {
                said.extend(trouble(what));
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use hubd_model::{AlarmSignal, BoltState, DoorState, Hazard, Source, Via};

    use super::*;

    const LOCK: Traits = Traits::Lock(LockTraits { door: true });

    fn said(bytes: &[u8], traits: Traits) -> Vec<Signal> {
        signals(&Command::parse(bytes).unwrap(), traits)
    }

    #[test]
    fn batteries() {
        let percent = |percent| Signal::Battery(BatteryPercent::new(percent).unwrap());
        for (bytes, expected) in [
            (&[0x80, 0x03, 87][..], vec![percent(87)]),
            (&[0x80, 0x03, 0xFF], vec![Signal::BatteryLow]),
            (&[0x80, 0x03, 9, 0x01, 0x00], vec![percent(9), Signal::BatteryLow]),
            (&[0x80, 0x03, 0xFF, 0x03, 0x00], vec![Signal::BatteryLow]),
            (
                &[0x80, 0x03, 0, 0x00, 0x01],
                trouble("Its battery was taken out."),
            ),
            (&[0x80, 0x03, 101], vec![]),
        ] {
            assert_eq!(said(bytes, LOCK), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn tampering_is_a_locks_signal_and_a_detectors_trouble() {
        let bytes = [0x71, 0x05, 0, 0, 0, 0xFF, 7, 3, 0];
        assert_eq!(said(&bytes, LOCK), vec![Signal::Lock(LockSignal::Tampered)]);
        assert_eq!(said(&bytes, Traits::Alarm), trouble("Its cover was removed."));
    }

    #[test]
    fn the_standards_part_outweighs_the_makers() {
        // Keypad unlock by user 3 in the standard's part, manual lock in the maker's.
        let bytes = [0x71, 0x05, 21, 1, 0, 0xFF, 6, 6, 1, 3];
        let via = Via::slot(Source::Keypad, hubd_model::CodeSlot::new(3));
        let keypad = Signal::Lock(LockSignal::Bolt {
            bolt: BoltState::Unlocked,
            via,
        });
        assert_eq!(said(&bytes, LOCK), vec![keypad]);
        // No standard's part, an empty one, and one without a number for the event.
        let manual = Signal::Lock(LockSignal::Bolt {
            bolt: BoltState::Locked,
            via: Via::source(Source::Manual),
        });
        for bytes in [
            &[0x71, 0x05, 21, 1][..],
            &[0x71, 0x05, 21, 1, 0, 0, 0, 0, 0],
            &[0x71, 0x05, 21, 1, 0, 0xFF, 6, 0xFE, 0],
        ] {
            assert_eq!(said(bytes, LOCK), vec![manual.clone()], "{bytes:x?}");
        }
    }

    #[test]
    fn an_unknown_event_of_a_detector_is_told() {
        let bytes = [0x71, 0x05, 0, 0, 0, 0xFF, 1, 0xFE, 0];
        assert!(matches!(
            said(&bytes, Traits::Alarm).as_slice(),
            [Signal::Trouble(_)]
        ));
        let bytes = [0x71, 0x05, 1, 0xFF, 0, 0xFF, 1, 0xFE, 0];
        assert_eq!(
            said(&bytes, Traits::Alarm),
            vec![Signal::Alarm(AlarmSignal::Raised(Hazard::Smoke))]
        );
        assert!(matches!(
            said(&bytes, Traits::Other).as_slice(),
            [Signal::Trouble(_)]
        ));
    }

    #[test]
    fn one_makers_number_means_different_things_on_locks_and_detectors() {
        let bytes = [0x71, 0x05, 12, 0xFF];
        assert_eq!(
            said(&bytes, Traits::Alarm),
            vec![Signal::Alarm(AlarmSignal::Tested(Hazard::Smoke))]
        );
        assert_eq!(said(&bytes, LOCK), vec![]);
        assert_eq!(said(&bytes, Traits::Other), vec![]);
    }

    #[test]
    fn nothing_pending_says_nothing() {
        assert_eq!(said(&[0x71, 0x05, 0, 0, 0, 0xFE, 1, 0, 0], Traits::Alarm), vec![]);
    }

    #[test]
    fn a_door_is_told_only_by_a_lock_that_senses_it() {
        let bytes = [0x62, 0x03, 0xFF, 0x00, 0x01, 0xFE, 0xFE];
        let locked = Signal::Lock(LockSignal::BoltRead(BoltState::Locked));
        assert_eq!(
            said(&bytes, LOCK),
            vec![
                locked.clone(),
                Signal::Lock(LockSignal::DoorRead(DoorState::Closed))
            ]
        );
        assert_eq!(
            said(&bytes, Traits::Lock(LockTraits::default())),
            vec![locked.clone()]
        );
        // A report that ends behind the mode says nothing of the door.
        assert_eq!(said(&[0x62, 0x03, 0xFF], LOCK), vec![locked]);
    }

    #[test]
    fn power_and_system() {
        for (kind, event, expected) in [
            (8, 0x0A, vec![Signal::BatteryLow]),
            (8, 0x0B, vec![Signal::BatteryLow]),
            (8, 0x01, vec![]),
            (8, 0x02, trouble("It has lost mains power.")),
            (9, 0x03, trouble("Its hardware has failed.")),
            (9, 0x05, vec![]),
            (0x0A, 0x04, trouble("Its panic button was pressed.")),
        ] {
            let bytes = [0x71, 0x05, 0, 0, 0, 0xFF, kind, event, 0];
            assert_eq!(said(&bytes, LOCK), expected, "type {kind} event {event:#x}");
        }
    }
}
