//! Telling people, against listeners that speak the real protocols; and that nothing waits for it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hubd::api::{Api, Limits, server};
use hubd::clock;
use hubd::config::Config;
use hubd::notify::Notifier;
use hubd::tls::authority::Authority;
use hubd::token::Scope;
use hubd_model::UnixMillis;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::house::House;

/// The outputs of this configuration, told by this house; and a server with the test button.
struct Told {
    notifier: Notifier,
    address: SocketAddr,
    stop: CancellationToken,
}

fn told(house: &House, outputs: &str, roots: RootCertStore) -> Told {
    let config = Config::from_text(Path::new("h.toml"), outputs, []).unwrap();
    let notifier = Notifier::trusting(&config.notify, clock::unix_millis, roots).unwrap();
    let stop = CancellationToken::new();
    notifier.start(house.store.live(), &house.hub, &stop);
    let api = Api::new(
        house.hub.clone(),
        house.store.clone(),
        clock::unix_millis,
        Limits::default(),
        stop.clone(),
    );
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server::serve(listener, api.with_notifier(notifier.clone())));
    Told {
        notifier,
        address,
        stop,
    }
}

impl Told {
    /// Presses the test button: the answer's status and text.
    async fn test(&self, house: &House, name: &str) -> (u16, String) {
        let mut client = Client::connect(self.address)
            .await
            .with_token(house.token(Scope::Manage));
        let path = format!("/api/v1/notifications/{name}/test");
        let reply = client.send("POST", &path, &[], None).await;
        (reply.status, reply.body)
    }
}

/// One HTTP request as text: its head and body. It is answered with the next of these statuses.
async fn one_request<S: AsyncRead + AsyncWrite + Unpin>(stream: S, status: &str) -> Option<(String, Value)> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1)?;
    let mut body = vec![0; length.lines().next()?.trim().parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()?;
    let _ = stream.shutdown().await;
    Some((head, serde_json::from_slice(&body).unwrap()))
}

/// A web server that answers with these statuses in turn, the last one for good, and hands out what it was sent.
async fn web(statuses: &'static [&'static str]) -> (SocketAddr, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sent, had) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let status = statuses[turn.min(statuses.len() - 1)];
            turn += 1;
            if let Some(request) = one_request(stream, status).await {
                let _ = sent.send(request);
            }
        }
    });
    (address, had)
}

async fn next<T>(had: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), had.recv())
        .await
        .expect("nothing came")
        .expect("nothing came")
}

#[tokio::test]
async fn a_webhook_and_an_ntfy_topic_are_told_and_told_again_when_they_fail() {
    let house = House::new().await;
    let (hook, mut hooked) = web(&["503 Service Unavailable", "200 OK"]).await;
    let (ntfy, mut topic) = web(&["200 OK"]).await;
    let outputs = format!(
        "[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nleast = \"info\"\nurl = \"http://{hook}/a/b?c=d\"\ntoken = \"hook-secret\"\n\
         [[notify]]\nname = \"phone\"\nkind = \"ntfy\"\nleast = \"info\"\nurl = \"http://{ntfy}/base/doors\"\n"
    );
    let told = told(&house, &outputs, RootCertStore::empty());
    house.door(true).await;
    let (head, body) = next(&mut hooked).await;
    assert!(head.starts_with("POST /a/b?c=d HTTP/1.1"), "{head}");
    assert!(head.contains("Bearer hook-secret"), "{head}");
    let (_, again) = next(&mut hooked).await;
    assert_eq!(body, again, "the same message again");
    assert_eq!(body["event"]["kind"], "lock.door");
    assert_eq!(body["event"]["data"]["door"], "open");
    assert!(body["text"].as_str().unwrap().contains("open"), "{body}");
    let (head, body) = next(&mut topic).await;
    assert!(head.starts_with("POST /base/ HTTP/1.1"), "{head}");
    assert_eq!((&body["topic"], &body["priority"]), (&"doors".into(), &3.into()));
    // That it failed, and that it works again, are events; the failing output is not told of itself.
    let mut kinds = Vec::new();
    while !kinds.contains(&"hub.recovered".to_owned()) {
        let mut client = house.client(Scope::Read).await;
        let page = client.get("/api/v1/events?limit=50").await.json();
        let events = page.as_array().unwrap().iter();
        kinds = events
            .map(|event| event["kind"].as_str().unwrap().to_owned())
            .collect();
    }
    assert!(kinds.contains(&"hub.degraded".to_owned()), "{kinds:?}");
    let (status, _) = told.test(&house, "phone").await;
    assert_eq!(status, 204);
    assert_eq!(told.test(&house, "nobody").await.0, 404);
    let mut client = Client::connect(told.address)
        .await
        .with_token(house.token(Scope::Read));
    let list = client.get("/api/v1/notifications").await;
    assert_eq!(list.json()["outputs"][0]["name"], "hook");
    assert!(
        !list.body.contains("hook-secret") && !list.body.contains("/a/b"),
        "{list:?}"
    );
    told.stop.cancel();
    house.stop().await;
}

#[tokio::test]
async fn a_server_over_tls_has_to_be_trusted() {
    let house = House::new().await;
    let authority = Authority::make("hook", &[]).unwrap();
    let key = authority
        .issue(&["localhost".to_owned()], UnixMillis(clock::unix_millis().0))
        .unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                one_request(stream, "200 OK").await;
            }
        }
    });
    let outputs =
        format!("[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://localhost:{port}/\"\n");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.certificate().to_vec()))
        .unwrap();
    let trusting = told(&house, &outputs, roots);
    assert_eq!(trusting.test(&house, "hook").await, (204, String::new()));
    let strange = told(&house, &outputs, RootCertStore::empty());
    let (status, said) = strange.test(&house, "hook").await;
    assert!(
        status == 502 && said.contains("not_delivered") && said.contains("localhost"),
        "{said}"
    );
    for one in [trusting, strange] {
        one.stop.cancel();
    }
    house.stop().await;
}

/// A mail server that takes one mail at a time and hands out what it was told.
async fn mail_server() -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sent, had) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(b"220 mail ready\r\n").await;
            let (mut line, mut mail, mut data) = (String::new(), String::new(), false);
            while let Ok(count @ 1..) = stream.read_line(&mut line).await {
                mail.push_str(&line[..count]);
                let answer = if data && line == ".\r\n" {
                    data = false;
                    let _ = sent.send(std::mem::take(&mut mail));
                    "250 taken\r\n"
                } else if data {
                    ""
                } else if line.starts_with("DATA") {
                    data = true;
                    "354 go on\r\n"
                } else if line.starts_with("RCPT TO:<refused@") {
                    "550 nobody here\r\n"
                } else if line.starts_with("QUIT") {
                    "221 bye\r\n"
                } else {
                    "250 mail\r\n"
                };
                let _ = stream.write_all(answer.as_bytes()).await;
                line.clear();
            }
        }
    });
    (port, had)
}

#[tokio::test]
async fn mail_goes_to_every_receiver_and_a_refusal_is_told() {
    let house = House::new().await;
    let (port, mut had) = mail_server().await;
    let output = |name: &str, to: &str| {
        format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"smtp\"\nserver = \"127.0.0.1:{port}\"\ntls = \"off\"\n\
             from = \"The hub <hub@example.org>\"\nto = [{to}]\n"
        )
    };
    let outputs = output("mail", "\"ann@example.org\", \"ben@example.org\"")
        + &output("bad", "\"refused@example.org\"");
    let told = told(&house, &outputs, RootCertStore::empty());
    assert_eq!(told.test(&house, "mail").await, (204, String::new()));
    let mail = next(&mut had).await;
    for words in [
        "RCPT TO:<ann@example.org>",
        "RCPT TO:<ben@example.org>",
        "Subject: [hubd] Test",
        "This is a test",
    ] {
        assert!(mail.contains(words), "{words}: {mail}");
    }
    let (status, said) = told.test(&house, "bad").await;
    assert!(status == 502 && said.contains("nobody here"), "{said}");
    told.stop.cancel();
    house.stop().await;
}

/// Reads one MQTT packet: its first byte and its body.
///
/// Spec: MQTT 3.1.1, 2.2.
async fn packet(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((first, body))
}

#[tokio::test]
async fn an_mqtt_broker_acknowledges_each_message() {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sent, mut had) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            while let Some((first, body)) = packet(&mut stream).await {
                match first >> 4 {
                    1 => stream.write_all(&[0x20, 2, 0, 0]).await.unwrap(),
                    3 => {
                        assert_eq!(first & 0x06, 0x02, "at least once");
                        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                        let (topic, rest) = body[2..].split_at(topic);
                        let (id, payload) = rest.split_at(2);
                        let (topic, payload) = (topic.to_vec(), payload.to_vec());
                        let _ = sent.send((String::from_utf8(topic).unwrap(), payload));
                        stream.write_all(&[0x40, 2, id[0], id[1]]).await.unwrap();
                    }
                    _ => {}
                }
            }
        }
    });
    let outputs = format!(
        "[[notify]]\nname = \"broker\"\nkind = \"mqtt\"\nleast = \"info\"\nserver = \"127.0.0.1:{port}\"\ntopic = \"home/hubd\"\n"
    );
    let told = told(&house, &outputs, RootCertStore::empty());
    house.door(false).await;
    let (topic, payload) = next(&mut had).await;
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (topic.as_str(), &payload["event"]["data"]["door"]),
        ("home/hubd", &"closed".into())
    );
    assert_eq!(told.test(&house, "broker").await, (204, String::new()));
    told.stop.cancel();
    house.stop().await;
}

#[tokio::test]
async fn an_output_that_hangs_holds_up_no_door_and_loses_no_alarm() {
    let house = House::new().await;
    // Takes connections and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hole = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let outputs = format!(
        "[[notify]]\nname = \"hole\"\nkind = \"webhook\"\nleast = \"info\"\nurl = \"http://{hole}/\"\n"
    );
    let told = told(&house, &outputs, RootCertStore::empty());
    let lock = house.lock().await;
    for number in 0..400 {
        house.door(number % 2 == 0).await;
    }
    let mut client = house.client(Scope::Actuate).await;
    let path = format!("/api/v1/locks/{lock}/commands?wait=10");
    let began = tokio::time::Instant::now();
    let reply = client.post(&path, r#"{"op":"unlock"}"#).await;
    assert_eq!(reply.json()["status"], "done", "{reply:?}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "a door waits for nobody: {:?}",
        began.elapsed()
    );
    let tally = loop {
        let (_, tally) = told.notifier.outputs().remove(0);
        if tally.dropped > 0 {
            break tally;
        }
        tokio::task::yield_now().await;
    };
    assert!(tally.waiting <= 64, "{tally:?}");
    told.stop.cancel();
    house.stop().await;
}
