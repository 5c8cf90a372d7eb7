//! What a browser and an authenticator answer about a passkey.

use hubd::accounts::webauthn::{
    Asked, Assertion, CREDENTIAL_ID_BYTES_MAX, Fault, Known, Origin, Registration, authenticate, goes_on,
    register,
};

/// The next part, behind its length in two bytes; at the end what there is.
fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, after)) = rest.split_first_chunk() else {
        return &[];
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
    let (part, after) = after.split_at(length);
    *rest = after;
    part
}

/// A challenge, then what the browser says, what the authenticator says, its signature and the passkey's key.
pub fn passkey(bytes: &[u8]) {
    let mut rest = bytes;
    let [challenge, client_data, said, signature, key] = std::array::from_fn(|_| part(&mut rest));
    let Some(origin) = Origin::parse("https://example.org") else {
        panic!("an origin is an origin");
    };
    let asked = Asked {
        challenge,
        origin: &origin,
        user: b"account-1",
    };
    let made = register(
        &asked,
        &Registration {
            client_data,
            attestation: said,
        },
    );
    if let Ok(made) = &made {
        assert!(
            (1..=CREDENTIAL_ID_BYTES_MAX).contains(&made.credential.len()),
            "an id has its limit"
        );
        assert!(!made.key.is_empty(), "a passkey has a key");
    }
    let key = made.as_ref().map_or(key, |made| &made.key);
    for counter in [0, 7] {
        let known = Known {
            credential: b"one",
            key,
            counter,
        };
        let answer = Assertion {
            credential: b"one",
            client_data,
            authenticator_data: said,
            signature,
            user: None,
        };
        match authenticate(&asked, &known, &answer) {
            Ok(now) => assert!(goes_on(counter, now), "a counter goes on"),
            Err(fault) => assert_ne!(fault, Fault::WrongCredential, "it is the one that was asked for"),
        }
    }
    if let Some(origin) = std::str::from_utf8(client_data).ok().and_then(Origin::parse) {
        let again = Origin::parse(origin.as_str());
        assert_eq!(again.as_ref(), Some(&origin), "written and read again");
    }
}
