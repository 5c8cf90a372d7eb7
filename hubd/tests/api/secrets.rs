//! Planted secrets are found in no answer but the one that hands a token over, in no log and in no event.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use hubd::token::Scope;
use tracing_subscriber::fmt::MakeWriter;

use crate::client::Client;
use crate::house::House;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn planted_secrets_are_repeated_nowhere() {
    const PIN: &str = "86429";
    const CODE: &str = "51525-35455-41424-05960-01652-42324-15654-39102";
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false);
    // Only this test listens; when tests share a process, others' lines do no harm.
    let _ = tracing::subscriber::set_global_default(subscriber.finish());
    let house = House::new().await;
    let lock = house.lock().await;
    let wrong = format!("hubd_{}_{}", "ab".repeat(5), "cd".repeat(32));
    let mut told = String::new();
    let inclusion = "/api/v1/radios/zwave/inclusion";
    let answer = format!("{inclusion}/answer");
    let commands = format!("/api/v1/locks/{lock}/commands");
    let bodies = [
        (
            "POST",
            inclusion,
            format!(r#"{{"strategy":"smartstart","code":"{CODE}"}}"#),
        ),
        ("POST", inclusion, format!(r#"{{"strategy":"{CODE}"}}"#)),
        ("POST", inclusion, format!(r#"{{"code":["{CODE}"]}}"#)),
        ("POST", inclusion, format!(r#"{{"code":"{CODE}"#)),
        ("POST", &answer, format!(r#"{{"dsk_pin":"{PIN}"}}"#)),
        ("POST", &answer, format!(r#"{{"dsk_pin":{PIN}}}"#)),
        ("POST", &answer, format!(r#"{{"dsk_pin":"{PIN}0"}}"#)),
        ("POST", &answer, PIN.to_owned()),
        ("POST", &commands, format!(r#"{{"op":"{PIN}"}}"#)),
        ("GET", &format!("/api/v1/events?after={PIN}x"), String::new()),
    ];
    for (method, path, body) in &bodies {
        let body = if body.is_empty() {
            None
        } else {
            Some(body.as_str())
        };
        let reply = house
            .client(Scope::Manage)
            .await
            .send(method, path, &[], body)
            .await;
        told.extend([reply.head, reply.body]);
    }
    for token in [&wrong, house.token(Scope::Read)] {
        let mut client = Client::connect(house.address).await.with_token(token);
        for path in ["/api/v1/locks", "/api/v1/tokens", "/api/v1/nothing"] {
            let reply = client.send("GET", path, &[("Idempotency-Key", PIN)], None).await;
            told.extend([reply.head, reply.body]);
        }
    }
    let mut manager = house.client(Scope::Manage).await;
    let made = manager
        .post("/api/v1/tokens", r#"{"name":"Panel","scope":"read"}"#)
        .await
        .json();
    for path in [
        "/api/v1/tokens",
        "/api/v1/events?limit=1000",
        "/api/v1/radios",
        inclusion,
    ] {
        told.push_str(&manager.get(path).await.body);
    }
    let secrets = [
        PIN.to_owned(),
        CODE.to_owned(),
        wrong,
        made["token"].as_str().unwrap().to_owned(),
        house.token(Scope::Read).to_owned(),
        house.token(Scope::Manage).to_owned(),
    ];
    house.stop().await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("refused"), "the log was listened to: {logged}");
    for secret in secrets {
        assert!(!told.contains(&secret), "an answer repeats {secret}: {told}");
        assert!(!logged.contains(&secret), "the log repeats {secret}: {logged}");
    }
}
