//! TLS from outside: who trusts the hub's authority is served over TLS 1.2 and 1.3 and by nothing older.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hubd::accounts::setup;
use hubd::api::{Api, Limits, server};
use hubd::clock;
use hubd::config::Tls;
use hubd::tls::{self, Keeper};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::house::House;

/// A server over TLS beside the house's own.
fn serve(house: &House, keeper: &Keeper) -> (SocketAddr, CancellationToken) {
    let limits = Limits {
        secure: true,
        hsts: true,
        ..Limits::default()
    };
    let stop = CancellationToken::new();
    let api = Api::new(
        house.hub.clone(),
        house.store.clone(),
        clock::unix_millis,
        limits,
        stop.clone(),
    );
    let api = api.with_authority(keeper.certificates().authority());
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server::serve_tls(
        listener,
        api,
        keeper.certificates().acceptor().unwrap(),
    ));
    (address, stop)
}

async fn own(house: &House) -> Keeper {
    let own = Tls::Own { names: Vec::new() };
    tls::open(&own, &house.store, clock::unix_millis())
        .await
        .unwrap()
        .unwrap()
}

/// One exchange over TLS: the answer, and the certificate that was shown.
async fn exchange(
    address: SocketAddr,
    root: &[u8],
    name: &str,
    versions: &[&'static SupportedProtocolVersion],
    request: &str,
) -> Result<(String, Vec<u8>), std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok((String::from_utf8_lossy(&answer).into_owned(), shown))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn who_trusts_the_authority_is_served_over_both_versions() {
    let house = House::new().await;
    let keeper = own(&house).await;
    let (address, stop) = serve(&house, &keeper);
    let root = keeper.certificates().authority().unwrap().to_vec();
    for version in [&version::TLS12, &version::TLS13] {
        for name in ["localhost", "127.0.0.1"] {
            let health = exchange(address, &root, name, &[version], &get("/api/v1/health")).await;
            let (answer, _) = health.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            let head = answer.to_ascii_lowercase();
            for header in [
                "strict-transport-security: max-age=15552000",
                "x-content-type-options: nosniff",
                "x-frame-options: deny",
                "referrer-policy: no-referrer",
                "content-security-policy: default-src 'none'",
            ] {
                assert!(head.contains(header), "{header}: {answer}");
            }
        }
    }
    let (ca, _) = exchange(
        address,
        &root,
        "localhost",
        &[&version::TLS13],
        &get("/hubd-ca.crt"),
    )
    .await
    .unwrap();
    assert!(ca.contains("application/x-x509-ca-cert"), "{ca}");
    let other = tls::authority::Authority::make("other", &[]).unwrap();
    let stranger = exchange(
        address,
        other.certificate(),
        "localhost",
        &[&version::TLS13],
        &get("/"),
    )
    .await;
    assert!(stranger.is_err(), "another authority is not this one");

    let code = setup::waiting(house.dir()).unwrap().unwrap();
    let body = json!({"code": code.expose(), "name": "Ann", "password": "four words in a row"}).to_string();
    let request = format!(
        "POST /api/v1/setup HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (answer, _) = exchange(address, &root, "localhost", &[&version::TLS13], &request)
        .await
        .unwrap();
    let cookie = answer
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("set-cookie"))
        .unwrap();
    assert!(
        cookie.contains("__Host-hubd=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    stop.cancel();

    let again = own(&house).await;
    assert_eq!(
        again.certificates().authority(),
        Some(&root[..]),
        "phones trust it once"
    );
    house.stop().await;
}

/// A hello of TLS 1.0 or 1.1: it has no list of newer versions.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 4, 0xC0, 0x09, 0xC0, 0x13, 1, 0]);
    let mut message = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

#[tokio::test]
async fn older_versions_and_plain_http_get_nothing() {
    let house = House::new().await;
    let keeper = own(&house).await;
    let (address, stop) = serve(&house, &keeper);
    for minor in [1, 2] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&old_hello(minor)).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        // Alert, fatal, protocol_version (RFC 8446 6.2) or handshake_failure; never a server's hello.
        assert!(
            matches!(answer[..], [21, 3, _, 0, 2, 2, 70 | 40]),
            "1.{}: {answer:?}",
            minor - 1
        );
    }
    for (host, words) in [
        (
            "hub.local:8480",
            "location: https://hub.local:8480/api/v1/locks?a=b",
        ),
        ("evil\\x", "tls_needed"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /api/v1/locks?a=b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.to_ascii_lowercase().contains(words), "{answer}");
        assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    }
    stop.cancel();
    house.stop().await;
}

fn write_pair(dir: &Path, name: &str) -> Vec<u8> {
    let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    pair.cert.der().to_vec()
}

#[tokio::test]
async fn the_owners_certificate_is_read_again_when_it_changes() {
    let house = House::new().await;
    let dir = tempfile::tempdir().unwrap();
    let first = write_pair(dir.path(), "hub.example.org");
    let files = Tls::Files {
        cert: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
    };
    let keeper = tls::open(&files, &house.store, clock::unix_millis())
        .await
        .unwrap()
        .unwrap();
    let (address, stop) = serve(&house, &keeper);
    tokio::spawn(keeper.keep(Duration::from_millis(10), clock::unix_millis, stop.clone()));
    let shown = async |root: &[u8]| {
        exchange(
            address,
            root,
            "hub.example.org",
            &[&version::TLS13],
            &get("/hubd-ca.crt"),
        )
        .await
    };
    let (answer, cert) = shown(&first).await.unwrap();
    assert_eq!(cert, first);
    assert!(answer.contains("no_authority"), "{answer}");
    let second = write_pair(dir.path(), "hub.example.org");
    while shown(&second).await.is_err() {
        tokio::task::yield_now().await;
    }
    std::fs::write(dir.path().join("cert.pem"), "half a file").unwrap();
    for _ in 0..20 {
        assert!(shown(&second).await.is_ok(), "what cannot be used is not used");
    }
    stop.cancel();
    house.stop().await;
}
