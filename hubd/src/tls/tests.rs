//! Certificates against a verifier that nobody here wrote.

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;

/// Whether a browser that trusts this authority takes this certificate for this name.
fn takes(authority: &Authority, shown: &CertifiedKey, name: &str, at_ms: i64) -> bool {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.certificate().to_vec()))
        .unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let (leaf, others) = shown.cert.split_first().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at_ms.unsigned_abs()));
    verifier.verify_server_cert(leaf, others, &name, &[], at).is_ok()
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_authority_vouches_for_homes_and_configured_names_and_nothing_else() {
    let authority = Authority::make("test", &texts(&["hub.example.org", "192.0.2.7"])).unwrap();
    let good = [
        "localhost",
        "hub.local",
        "pi.fritz.box",
        "127.0.0.1",
        "192.168.7.9",
        "fd00::1",
        "hub.example.org",
        "192.0.2.7",
    ];
    let bad = [
        "bank.example",
        "example.org",
        "mylocal",
        "8.8.8.8",
        "192.0.2.8",
        "2001:db8::1",
    ];
    let all = texts(&[&good[..], &bad[..]].concat());
    let honest = authority.issue(&all, UnixMillis(NOW_MS)).unwrap();
    for name in good {
        assert!(
            authority.may_vouch_for(name) && takes(&authority, &honest, name, NOW_MS),
            "{name}"
        );
    }
    // A thief of the key signs what he likes, and no browser takes it.
    for name in bad {
        let stolen = authority.sign([&name.to_owned()], UnixMillis(NOW_MS)).unwrap();
        assert!(
            !authority.may_vouch_for(name) && !takes(&authority, &stolen, name, NOW_MS),
            "{name}"
        );
        assert!(!takes(&authority, &honest, name, NOW_MS), "{name}");
    }
}

#[test]
fn a_certificate_holds_for_a_year_and_is_renewed_long_before() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let authority = Authority::make("test", &[]).unwrap();
    let shown = authority
        .issue(&texts(&["localhost"]), UnixMillis(NOW_MS))
        .unwrap();
    for (days, holds) in [(-3, false), (-1, true), (0, true), (388, true), (391, false)] {
        let at = NOW_MS + days * DAY_MS;
        assert_eq!(takes(&authority, &shown, "localhost", at), holds, "{days}");
        let due = authority::is_due(UnixMillis(NOW_MS), UnixMillis(at));
        assert!(holds || due, "what does not hold is renewed: {days}");
    }
    // A first start with a clock that nobody set, and one that was set to the end of time.
    for at in [0, i64::MAX] {
        authority.issue(&texts(&["localhost"]), UnixMillis(at)).unwrap();
        assert!(authority::is_due(UnixMillis(at), UnixMillis(NOW_MS)));
    }
}

#[test]
fn the_kept_authority_is_the_same_one() {
    let authority = Authority::make("test", &texts(&["hub.example.org"])).unwrap();
    let kept = Authority::from_kept(&authority.to_kept()).unwrap();
    assert_eq!(kept.fingerprint(), authority.fingerprint());
    let shown = kept
        .issue(&texts(&["hub.example.org"]), UnixMillis(NOW_MS))
        .unwrap();
    assert!(takes(&authority, &shown, "hub.example.org", NOW_MS));
    assert!(Authority::from_kept(b"{}").is_err());
}

#[test]
fn files_that_cannot_be_used_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let said = |words: &str| {
        let error = read(&cert, &key).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("http.tls"), "{error}");
    };
    said("cannot be read");
    std::fs::write(&cert, "nothing").unwrap();
    std::fs::write(&key, "nothing").unwrap();
    said("holds no certificate");
    let pair = |names: &[&str]| rcgen::generate_simple_self_signed(texts(names)).unwrap();
    let (one, other) = (pair(&["a.example"]), pair(&["b.example"]));
    std::fs::write(&cert, one.cert.pem()).unwrap();
    said("holds no private key");
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    said("cannot be used together");
    std::fs::write(&key, one.signing_key.serialize_pem()).unwrap();
    assert!(read(&cert, &key).is_ok());
}
