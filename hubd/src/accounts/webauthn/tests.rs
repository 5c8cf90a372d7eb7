//! The vectors of the standard, and each check by an answer that only it refuses.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Of the W3C's test vectors what a relying party sees, in hexadecimal.
/// Spec: Level 3, 16.
const VECTORS: &str = include_str!("vectors.json");
const USER: &[u8] = b"account-1";

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    credential: String,
    made: Creation,
    used: Use,
}

#[derive(Deserialize)]
struct Creation {
    challenge: String,
    client_data: String,
    attestation: String,
}

#[derive(Deserialize)]
struct Use {
    challenge: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
}

/// Everything of one vector as bytes, to be changed and checked.
#[derive(Debug, Clone)]
struct Case {
    origin: Origin,
    made_challenge: Vec<u8>,
    made_client_data: Vec<u8>,
    attestation: Vec<u8>,
    credential: Vec<u8>,
    key: Vec<u8>,
    counter: u32,
    challenge: Vec<u8>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    answered: Vec<u8>,
    user: Option<Vec<u8>>,
}

impl Case {
    fn of(vector: &Vector) -> Self {
        let attestation = hex(&vector.made.attestation);
        let parsed = Attestation::parse(&attestation).unwrap();
        let data = AuthenticatorData::parse(parsed.authenticator_data).unwrap();
        let made = data.credential.unwrap();
        assert_eq!(made.id, hex(&vector.credential), "{}", vector.name);
        let (credential, key) = (made.id.to_vec(), made.key.to_vec());
        Self {
            origin: Origin::parse("https://example.org").unwrap(),
            made_challenge: hex(&vector.made.challenge),
            made_client_data: hex(&vector.made.client_data),
            attestation,
            answered: credential.clone(),
            credential,
            key,
            counter: 0,
            challenge: hex(&vector.used.challenge),
            client_data: hex(&vector.used.client_data),
            authenticator_data: hex(&vector.used.authenticator_data),
            signature: hex(&vector.used.signature),
            user: None,
        }
    }

    fn named(name: &str) -> Self {
        Self::of(vectors().iter().find(|vector| vector.name == name).unwrap())
    }

    fn register(&self) -> Result<Made, Fault> {
        let asked = Asked {
            challenge: &self.made_challenge,
            origin: &self.origin,
            user: USER,
        };
        let answer = Registration {
            client_data: &self.made_client_data,
            attestation: &self.attestation,
        };
        register(&asked, &answer)
    }

    fn authenticate(&self) -> Result<u32, Fault> {
        let asked = Asked {
            challenge: &self.challenge,
            origin: &self.origin,
            user: USER,
        };
        let known = Known {
            credential: &self.credential,
            key: &self.key,
            counter: self.counter,
        };
        let answer = Assertion {
            credential: &self.answered,
            client_data: &self.client_data,
            authenticator_data: &self.authenticator_data,
            signature: &self.signature,
            user: self.user.as_deref(),
        };
        authenticate(&asked, &known, &answer)
    }

    /// Where the authenticator's data are in the attestation.
    fn data_at(&self) -> usize {
        let name = Sha256::digest(b"example.org");
        let at = self
            .attestation
            .windows(32)
            .position(|window| window == &name[..]);
        at.unwrap()
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(VECTORS).unwrap()
}

#[test]
fn the_vectors_of_the_standard() {
    // Where the standard's authenticator recognised nobody, that is the one thing wrong: it is checked last.
    let unrecognised = Some(Fault::NotVerified);
    let expected: &[(&str, Option<Fault>, Option<Fault>)] = &[
        ("none-es256", unrecognised, unrecognised),
        ("packed-self-es256", None, unrecognised),
        (
            "none-es256-crossOrigin",
            Some(Fault::InFrame),
            Some(Fault::InFrame),
        ),
        ("none-es256-topOrigin", Some(Fault::InFrame), Some(Fault::InFrame)),
        ("none-es256-long-credential-id", unrecognised, None),
        ("packed-es256", None, None),
        ("packed-es384", Some(Fault::BadKey), Some(Fault::BadKey)),
        ("packed-es512", Some(Fault::BadKey), Some(Fault::BadKey)),
        ("packed-rs256", None, unrecognised),
        ("packed-eddsa", unrecognised, unrecognised),
        ("packed-ed448", Some(Fault::BadKey), Some(Fault::BadKey)),
        ("tpm-es256", None, None),
        ("android-key-es256", None, unrecognised),
        ("apple-es256", unrecognised, unrecognised),
        ("fido-u2f-es256", unrecognised, unrecognised),
    ];
    let vectors = vectors();
    assert_eq!(vectors.len(), expected.len());
    for (vector, (name, made, used)) in vectors.iter().zip(expected) {
        assert_eq!(vector.name, *name);
        let case = Case::of(vector);
        let registered = case.register();
        assert_eq!(registered.as_ref().err(), made.as_ref(), "{name}");
        if let Ok(found) = registered {
            assert_eq!(
                (found.credential, found.key, found.counter),
                (case.credential.clone(), case.key.clone(), 0)
            );
        }
        assert_eq!(case.authenticate().err(), *used, "{name}");
        if matches!(used, None | Some(Fault::NotVerified)) {
            // Up to there it was right: one bit of what was signed, or of the signature, makes it wrong.
            for flip in [
                |case: &mut Case| case.authenticator_data[36] ^= 1,
                |case: &mut Case| case.signature[40] ^= 1,
                |case: &mut Case| case.client_data.push(b' '),
                |case: &mut Case| case.signature.clear(),
            ] {
                let mut forged = case.clone();
                flip(&mut forged);
                assert_eq!(forged.authenticate(), Err(Fault::BadSignature), "{name}");
            }
        }
    }
}

#[test]
fn each_part_of_an_answer_is_checked() {
    let right = Case::named("packed-es256");
    assert_eq!(right.authenticate(), Ok(0));
    type Change = fn(&mut Case);
    let other_origin: Change = |case| case.origin = Origin::parse("https://example.org:8480").unwrap();
    let cases: &[(&str, Change, Fault)] = &[
        (
            "another passkey",
            |case| case.answered[0] ^= 1,
            Fault::WrongCredential,
        ),
        (
            "another person",
            |case| case.user = Some(b"account-2".to_vec()),
            Fault::WrongUser,
        ),
        ("no JSON", |case| case.client_data.truncate(20), Fault::ClientData),
        (
            "too long",
            |case| case.client_data.resize(CLIENT_DATA_BYTES_MAX + 1, b' '),
            Fault::ClientData,
        ),
        (
            "made, not used",
            |case| {
                case.client_data.clone_from(&case.made_client_data);
                case.challenge.clone_from(&case.made_challenge);
            },
            Fault::WrongType,
        ),
        (
            "another challenge",
            |case| case.challenge[31] ^= 1,
            Fault::WrongChallenge,
        ),
        (
            "a part of the challenge",
            |case| case.challenge.truncate(31),
            Fault::WrongChallenge,
        ),
        ("another port", other_origin, Fault::WrongOrigin),
        (
            "another name",
            |case| case.authenticator_data[0] ^= 1,
            Fault::WrongName,
        ),
        (
            "nobody there",
            |case| case.authenticator_data[32] &= !1,
            Fault::NotPresent,
        ),
        (
            "copied, though it cannot be",
            |case| case.authenticator_data[32] = (case.authenticator_data[32] & !0x08) | 0x10,
            Fault::Backup,
        ),
        (
            "cut",
            |case| case.authenticator_data.truncate(36),
            Fault::Malformed,
        ),
        (
            "more than belongs there",
            |case| case.authenticator_data.push(0),
            Fault::Malformed,
        ),
        (
            "a new passkey",
            |case| {
                let at = case.data_at();
                let data = &case.attestation[at..];
                let length = 37 + 16 + 2 + case.credential.len() + case.key.len();
                case.authenticator_data = data[..length].to_vec();
            },
            Fault::Malformed,
        ),
        ("no key", |case| case.key.clear(), Fault::BadKey),
        (
            "another key",
            |case| case.key = Case::named("tpm-es256").key,
            Fault::BadSignature,
        ),
        (
            "recognised after all",
            |case| case.authenticator_data[32] ^= 4,
            Fault::BadSignature,
        ),
        (
            "another counter",
            |case| case.authenticator_data[36] = 9,
            Fault::BadSignature,
        ),
        ("a copy", |case| case.counter = 1, Fault::Counter),
    ];
    for (about, change, fault) in cases {
        let mut case = right.clone();
        change(&mut case);
        assert_eq!(case.authenticate(), Err(*fault), "{about}");
    }
    let mut known = right;
    known.user = Some(USER.to_vec());
    assert_eq!(known.authenticate(), Ok(0));
}

#[test]
fn each_part_of_a_new_passkey_is_checked() {
    let right = Case::named("packed-es256");
    assert!(right.register().is_ok());
    type Change = fn(&mut Case);
    let cases: &[(&str, Change, Fault)] = &[
        (
            "no JSON",
            |case| case.made_client_data.truncate(20),
            Fault::ClientData,
        ),
        (
            "used, not made",
            |case| {
                case.made_client_data.clone_from(&case.client_data);
                case.made_challenge.clone_from(&case.challenge);
            },
            Fault::WrongType,
        ),
        (
            "another challenge",
            |case| case.made_challenge[0] ^= 1,
            Fault::WrongChallenge,
        ),
        (
            "no challenge",
            |case| case.made_challenge.clear(),
            Fault::WrongChallenge,
        ),
        (
            "another page",
            |case| case.origin = Origin::parse("https://example.com").unwrap(),
            Fault::WrongOrigin,
        ),
        ("cut", |case| case.attestation.truncate(600), Fault::Malformed),
        (
            "more than belongs there",
            |case| case.attestation.push(0),
            Fault::Malformed,
        ),
        (
            "too long",
            |case| case.attestation.resize(ATTESTATION_BYTES_MAX + 1, 0),
            Fault::Malformed,
        ),
        ("no CBOR", |case| case.attestation[0] = 0xff, Fault::Malformed),
        (
            "another name",
            |case| {
                let at = case.data_at();
                case.attestation[at] ^= 1;
            },
            Fault::WrongName,
        ),
        (
            "nobody there",
            |case| {
                let at = case.data_at() + 32;
                case.attestation[at] &= !1;
            },
            Fault::NotPresent,
        ),
        (
            "nobody recognised",
            |case| {
                let at = case.data_at() + 32;
                case.attestation[at] &= !4;
            },
            Fault::NotVerified,
        ),
        (
            "copied, though it cannot be",
            |case| {
                let at = case.data_at() + 32;
                case.attestation[at] = (case.attestation[at] & !0x08) | 0x10;
            },
            Fault::Backup,
        ),
        (
            "an id of no length",
            |case| {
                let at = case.data_at() + 53;
                case.attestation[at..at + 2].copy_from_slice(&[0, 0]);
            },
            Fault::Malformed,
        ),
        (
            "an id that is too long",
            |case| {
                let at = case.data_at() + 53;
                case.attestation[at..at + 2].copy_from_slice(&[4, 0]);
            },
            Fault::Malformed,
        ),
    ];
    for (about, change, fault) in cases {
        let mut case = right.clone();
        change(&mut case);
        assert_eq!(case.register(), Err(*fault), "{about}");
    }
    // What an authenticator answers that was asked to use one: 37 bytes without a passkey.
    let mut used = right.clone();
    let mut data = Sha256::digest(b"example.org").to_vec();
    data.extend_from_slice(&[0x05, 0, 0, 0, 0]);
    used.attestation = [
        &[0xa3, 0x63][..],
        b"fmt",
        &[0x64],
        b"none",
        &[0x67],
        b"attStmt",
        &[0xa0, 0x68],
        b"authData",
        &[0x58, 37],
        &data,
    ]
    .concat();
    assert_eq!(used.register(), Err(Fault::NoCredential));
}

#[test]
fn only_keys_of_the_known_kinds_are_keys() {
    let es256 = Case::named("packed-es256").key;
    assert!(matches!(PublicKey::parse(&es256), Some(PublicKey::Es256(_))));
    assert!(matches!(
        PublicKey::parse(&Case::named("packed-eddsa").key),
        Some(PublicKey::Ed25519(_))
    ));
    assert!(matches!(
        PublicKey::parse(&Case::named("packed-rs256").key),
        Some(PublicKey::Rs256 { .. })
    ));
    // Map of 5: kty 2, alg -7, crv 1, x, y.
    assert_eq!(
        &es256[..10],
        [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]
    );
    for (at, byte) in [
        (0, 0xa4),
        (0, 0xa6),
        (2, 1),
        (2, 3),
        (4, 0x27),
        (6, 2),
        (6, 6),
        (5, 0x01),
        (9, 0x1f),
    ] {
        let mut other = es256.clone();
        other[at] = byte;
        assert_eq!(PublicKey::parse(&other), None, "{at} {byte:x}");
    }
    let mut longer = es256.clone();
    longer.push(0);
    assert_eq!(PublicKey::parse(&longer), None);
    // A point that is not on the curve signs nothing.
    let mut off = Case::named("packed-es256");
    *off.key.last_mut().unwrap() ^= 1;
    assert_eq!(off.authenticate(), Err(Fault::BadSignature));
}

#[test]
fn a_counter_goes_on_or_stays_zero() {
    for (from, to, on) in [
        (0, 0, true),
        (0, 1, true),
        (1, 2, true),
        (7, u32::MAX, true),
        (1, 1, false),
        (2, 1, false),
        (1, 0, false),
        (u32::MAX, 0, false),
    ] {
        assert_eq!(goes_on(from, to), on, "{from} {to}");
    }
}

proptest! {
    #[test]
    fn any_bytes_of_an_authenticator_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..900, byte: u8) {
        let mut case = Case::named("packed-es256");
        let _ = Attestation::parse(&bytes);
        let _ = AuthenticatorData::parse(&bytes);
        let _ = PublicKey::parse(&bytes);
        if let Some(changed) = case.attestation.get_mut(at) {
            *changed = byte;
        }
        let _ = case.register();
        case.authenticator_data = bytes;
        let refused = case.authenticate().is_err();
        prop_assert!(refused);
    }
}
