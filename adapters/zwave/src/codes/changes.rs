//! What a lock says by itself of its codes: that somebody changed them at the keypad or by another controller.
//!
//! Spec: CC:0071, list of assigned notifications, Access Control; CC:0063.01.03; CC:0083.01.07, CC:0083.01.0C

use hubd_model::{CodeChange, CodeSlot, CredentialKind, SlotKey};

use super::facts::credential_kind;
use crate::lock::user_slot;
use crate::wire::cc::notification::{self, kind};
use crate::wire::cc::user_code::UserStatus;
use crate::wire::cc::user_credential::{CredentialReportType, Modifier, UserReportType};
use crate::wire::cc::{self, user_code, user_credential};

/// One change: which slot, if the lock said it, and how.
pub(crate) type Change = (Option<SlotKey>, CodeChange);

const ALL_DELETED: u8 = 0x0C;
const DELETED: u8 = 0x0D;
const ADDED: u8 = 0x0E;
const DUPLICATE: u8 = 0x0F;
const MASTER_CHANGED: u8 = 0x12;

/// The makers' own alarm numbers for the same. Source: as for `lock::legacy`.
mod legacy {
    pub(super) const ALL_DELETED: u8 = 32;
    pub(super) const DELETED: u8 = 33;
    pub(super) const ADDED: u8 = 112;
    pub(super) const DUPLICATE: u8 = 113;
}

fn pin_slot(slot: Option<CodeSlot>) -> Option<SlotKey> {
    slot.map(SlotKey::pin)
}

/// Whether a command tells that a code was not taken because it is in use already.
pub(crate) fn is_duplicate(command: &cc::Command) -> bool {
    notified(command).is_some_and(|(_, change)| change == CodeChange::DuplicateRefused)
}

/// The change that a notification tells.
pub(crate) fn notified(command: &cc::Command) -> Option<Change> {
    let cc::Command::Notification(notification::Command::Report(report)) = command else {
        return None;
    };
    let standard = report
        .notification
        .as_ref()
        .filter(|said| said.notification_type == kind::ACCESS_CONTROL);
    if let Some(said) = standard {
        let slot = || pin_slot(user_slot(report, &said.parameters));
        return match said.event {
            ALL_DELETED => Some((None, CodeChange::AllDeleted)),
            DELETED => Some((slot(), CodeChange::Deleted)),
            ADDED => Some((slot(), CodeChange::Added)),
            DUPLICATE => Some((slot(), CodeChange::DuplicateRefused)),
            MASTER_CHANGED => Some((None, CodeChange::MasterChanged)),
            _ => None,
        };
    }
    if report
        .notification
        .as_ref()
        .is_some_and(|said| said.notification_type != 0)
    {
        return None;
    }
    let slot = || pin_slot(CodeSlot::new(report.alarm_level.into()));
    match report.alarm_type {
        legacy::ALL_DELETED => Some((None, CodeChange::AllDeleted)),
        legacy::DELETED => Some((slot(), CodeChange::Deleted)),
        legacy::ADDED if report.alarm_level == 0 => Some((None, CodeChange::MasterChanged)),
        legacy::ADDED => Some((slot(), CodeChange::Added)),
        legacy::DUPLICATE => Some((slot(), CodeChange::DuplicateRefused)),
        _ => None,
    }
}

/// The change in a report of User Code that nobody asked for.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few of the many commands tell of codes"
)]
pub(crate) fn unasked_user_code(command: &cc::Command) -> Vec<Change> {
    let change = |user: u16, status: UserStatus| {
        let how = if status == UserStatus::Available {
            CodeChange::Deleted
        } else {
            CodeChange::Changed
        };
        CodeSlot::new(user).map(|slot| (Some(SlotKey::pin(slot)), how))
    };
    match command {
        cc::Command::UserCode(user_code::Command::Report(report)) => {
            change(report.user.into(), report.status).into_iter().collect()
        }
        cc::Command::UserCode(user_code::Command::ExtendedReport(report)) => report
            .codes
            .iter()
            .filter_map(|code| change(code.user, code.status))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a report of User Credential is an event and no answer to a question.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few of the many commands tell of codes"
)]
pub(crate) fn is_credential_event(command: &cc::Command) -> bool {
    match command {
        cc::Command::UserCredential(user_credential::Command::CredentialReport(report)) => {
            report.report_type != CredentialReportType::ResponseToGet
        }
        cc::Command::UserCredential(user_credential::Command::UserReport(report)) => {
            report.report_type != UserReportType::ResponseToGet
        }
        _ => false,
    }
}

/// The change that a lock with User Credential tells, unless it was made by `own`.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few of the many commands tell of codes"
)]
pub(crate) fn credential_changed(command: &cc::Command, own: u16) -> Option<Change> {
    let ours = |modifier: Modifier, node: u16| modifier == Modifier::ZWave && node == own;
    match command {
        cc::Command::UserCredential(user_credential::Command::CredentialReport(report)) => {
            if ours(report.modifier, report.modifier_node) {
                return None;
            }
            let change = match report.report_type {
                CredentialReportType::Added => CodeChange::Added,
                CredentialReportType::Modified => CodeChange::Changed,
                CredentialReportType::Deleted => CodeChange::Deleted,
                CredentialReportType::Duplicate | CredentialReportType::DuplicateAdminCode => {
                    CodeChange::DuplicateRefused
                }
                CredentialReportType::Unchanged
                | CredentialReportType::ResponseToGet
                | CredentialReportType::AddRejectedOccupied
                | CredentialReportType::ModifyRejectedEmpty
                | CredentialReportType::ManufacturerSecurityRules
                | CredentialReportType::WrongUser
                | CredentialReportType::Other(_) => return None,
            };
            let kind: Option<CredentialKind> = credential_kind(report.place.credential);
            let key = kind
                .zip(CodeSlot::new(report.place.slot))
                .map(|(kind, slot)| SlotKey { kind, slot });
            Some((key, change))
        }
        cc::Command::UserCredential(user_credential::Command::UserReport(report)) => {
            if ours(report.modifier, report.modifier_node) {
                return None;
            }
            match (report.report_type, report.user) {
                (UserReportType::Deleted, 0) => Some((None, CodeChange::AllDeleted)),
                // With a user go its credentials, of which the lock need not speak.
                (UserReportType::Deleted, _) => Some((None, CodeChange::Deleted)),
                // A user that was switched off or on has codes that open no more, or again.
                (UserReportType::Modified, _) => Some((None, CodeChange::Changed)),
                (
                    UserReportType::Added
                    | UserReportType::Unchanged
                    | UserReportType::ResponseToGet
                    | UserReportType::AddRejectedOccupied
                    | UserReportType::ModifyRejectedEmpty
                    | UserReportType::ZeroExpiringMinutes
                    | UserReportType::Other(_),
                    _,
                ) => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Option<Change> {
        notified(&cc::Command::parse(bytes).unwrap())
    }

    #[test]
    fn changes_at_the_keypad_are_told_with_their_slot() {
        let slot = |number| CodeSlot::new(number).map(SlotKey::pin);
        for (bytes, change) in [
            (
                &[0x71, 5, 0, 0, 0, 0xFF, 6, 0x0E, 1, 4][..],
                (slot(4), CodeChange::Added),
            ),
            (
                &[0x71, 5, 0, 0, 0, 0xFF, 6, 0x0D, 3, 0x63, 0x03, 9],
                (slot(9), CodeChange::Deleted),
            ),
            (
                &[0x71, 5, 0, 0, 0, 0xFF, 6, 0x0C, 0],
                (None, CodeChange::AllDeleted),
            ),
            (
                &[0x71, 5, 0, 0, 0, 0xFF, 6, 0x0F, 1, 4],
                (slot(4), CodeChange::DuplicateRefused),
            ),
            (
                &[0x71, 5, 0, 0, 0, 0xFF, 6, 0x12, 0],
                (None, CodeChange::MasterChanged),
            ),
            (&[0x71, 5, 112, 7], (slot(7), CodeChange::Added)),
            (&[0x71, 5, 112, 0], (None, CodeChange::MasterChanged)),
            (&[0x71, 5, 33, 7, 0, 0, 0, 0, 0], (slot(7), CodeChange::Deleted)),
        ] {
            assert_eq!(said(bytes), Some(change), "{bytes:x?}");
        }
        // An unlock by a code is no change of codes; nor is the same number of a smoke alarm.
        assert_eq!(said(&[0x71, 5, 0, 0, 0, 0xFF, 6, 6, 1, 4]), None);
        assert_eq!(said(&[0x71, 5, 112, 7, 0, 0xFF, 1, 2, 0]), None);
    }

    #[test]
    fn what_we_wrote_ourselves_is_no_change() {
        let report = |modifier: u8, node: u8, why: u8| {
            let bytes = [
                0x83, 0x0C, why, 0, 3, 1, 0, 3, 0x80, 0, modifier, 0, node, 0, 0, 0,
            ];
            cc::Command::parse(&bytes).unwrap()
        };
        let slot = CodeSlot::new(3).map(SlotKey::pin);
        assert_eq!(credential_changed(&report(2, 1, 0), 1), None);
        assert_eq!(
            credential_changed(&report(2, 9, 0), 1),
            Some((slot, CodeChange::Added))
        );
        assert_eq!(
            credential_changed(&report(3, 0, 2), 1),
            Some((slot, CodeChange::Deleted))
        );
        assert_eq!(credential_changed(&report(3, 0, 4), 1), None, "an answer");
    }
}
