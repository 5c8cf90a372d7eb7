//! The controller's machine against a device that breaks the rules, step by step.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each test looks at few of the outputs"
)]

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

/// Drives the machine by hand to the point where it waits for the KEX Set echo of an unauthenticated node.
fn until_echo() -> (BootstrapS2, ClassSet, MonoTime) {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let now = MonoTime::default();
    let granted = ClassSet::of(&[SecurityClass::S2Unauthenticated]);
    let mut machine = BootstrapS2::start(
        &NetworkKeys::generate(&mut rng),
        Grant::any(),
        None,
        now,
        &mut rng,
    );
    let pair = KeyPair::generate(&mut rng);
    for command in [
        S2Command::KexReport(Kex::plain(granted)),
        S2Command::PublicKeyReport {
            including: false,
            key: *pair.public(),
        },
    ] {
        machine.handle(now, BootstrapInput::Command(command, Under::Plain));
    }
    (machine, granted, now)
}

fn outcome(machine: &mut BootstrapS2) -> (Option<KexFailType>, Option<BootstrapFailure>) {
    let (mut told, mut failed) = (None, None);
    while let Some(output) = machine.poll() {
        match output {
            BootstrapOutput::Send { command, .. } => {
                if let Ok(S2Command::KexFail(kind)) = S2Command::parse(command.expose()) {
                    told = Some(kind);
                }
            }
            BootstrapOutput::Failed(reason) => failed = Some(reason),
            _ => {}
        }
    }
    (told, failed)
}

#[test]
fn every_violation_tells_the_node_what_was_wrong() {
    let plain = Kex::plain(ClassSet::ALL);
    let starts = [
        (Kex { echo: true, ..plain }, KexFailType::NoVerify),
        (
            Kex {
                schemes: 0x04,
                ..plain
            },
            KexFailType::NoSupportedScheme,
        ),
        (
            Kex {
                profiles: 0x02,
                ..plain
            },
            KexFailType::NoSupportedCurve,
        ),
        (Kex { csa: true, ..plain }, KexFailType::Cancelled),
        (
            Kex {
                keys_mask: 0x78,
                ..plain
            },
            KexFailType::NoKeyMatch,
        ),
    ];
    for (report, kind) in starts {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let now = MonoTime::default();
        let mut machine = BootstrapS2::start(
            &NetworkKeys::generate(&mut rng),
            Grant::any(),
            None,
            now,
            &mut rng,
        );
        machine.handle(
            now,
            BootstrapInput::Command(S2Command::KexReport(report), Under::Plain),
        );
        let (told, failed) = outcome(&mut machine);
        assert_eq!(told, Some(kind), "{report:?}");
        assert!(failed.is_some() && machine.is_over());
    }

    let granted = ClassSet::of(&[SecurityClass::S2Unauthenticated]);
    let echo = S2Command::KexSet(Kex::plain(granted).as_echo());
    let class = SecurityClass::S2Unauthenticated;
    let under_class = Under::Key(KeyRef::Class(class));
    type Steps = Vec<(S2Command, Under)>;
    let cases: Vec<(Steps, KexFailType)> = vec![
        (
            vec![(echo.clone(), Under::Plain)],
            KexFailType::WrongSecurityLevel,
        ),
        (
            vec![(S2Command::KexSet(Kex::plain(granted)), Under::TEMP)],
            KexFailType::WrongSecurityLevel,
        ),
        (
            vec![(S2Command::KexSet(plain.as_echo()), Under::TEMP)],
            KexFailType::WrongSecurityLevel,
        ),
        (
            vec![(S2Command::NetworkKeyGet(class), Under::TEMP)],
            KexFailType::WrongSecurityLevel,
        ),
        (
            vec![
                (echo.clone(), Under::TEMP),
                (S2Command::NetworkKeyGet(SecurityClass::S0), Under::TEMP),
            ],
            KexFailType::KeyNotGranted,
        ),
        (
            vec![
                (echo.clone(), Under::TEMP),
                (S2Command::NetworkKeyGet(class), Under::Plain),
            ],
            KexFailType::WrongSecurityLevel,
        ),
        (
            vec![
                (echo.clone(), Under::TEMP),
                (S2Command::NetworkKeyGet(class), Under::TEMP),
                (S2Command::NetworkKeyVerify, Under::TEMP),
            ],
            KexFailType::NoVerify,
        ),
        (
            vec![
                (echo.clone(), Under::TEMP),
                (
                    S2Command::TransferEnd {
                        verified: false,
                        complete: true,
                    },
                    Under::TEMP,
                ),
            ],
            KexFailType::NoVerify,
        ),
        (
            vec![
                (echo, Under::TEMP),
                (S2Command::NetworkKeyGet(class), Under::TEMP),
                (S2Command::NetworkKeyVerify, under_class),
                (
                    S2Command::TransferEnd {
                        verified: false,
                        complete: true,
                    },
                    under_class,
                ),
            ],
            KexFailType::WrongSecurityLevel,
        ),
    ];
    for (steps, kind) in cases {
        let (mut machine, _, now) = until_echo();
        for (command, under) in steps.clone() {
            machine.handle(now, BootstrapInput::Command(command, under));
        }
        assert_eq!(
            outcome(&mut machine),
            (Some(kind), Some(BootstrapFailure::Violation(kind))),
            "{steps:?}"
        );
    }
}

#[test]
fn cancelling_tells_the_node_and_ends_once() {
    let (mut machine, _, now) = until_echo();
    machine.handle(now, BootstrapInput::Cancel);
    assert_eq!(
        outcome(&mut machine),
        (Some(KexFailType::Cancelled), Some(BootstrapFailure::Cancelled))
    );
    machine.handle(now, BootstrapInput::Cancel);
    assert_eq!(outcome(&mut machine), (None, None));
    assert_eq!(machine.next_deadline(), None);
}
