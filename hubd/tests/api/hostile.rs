//! What nobody gets away with, on every route of the document: pages of other sites, frames, bodies that are too large,
//! damaged or too deep, clients that never finish, cookies that somebody else chose.
//!
//! Guessing is in `accounts.rs` and `auth.rs`, connections that are held in `limits.rs`, TLS in `tls.rs`.

use std::time::Duration;

use hubd::accounts::setup;
use hubd::token::Scope;
use hubd_model::Schedule;
use serde_json::json;

use crate::client::Client;
use crate::document::operations;
use crate::house::House;

/// A path of the document with ids that exist nowhere.
fn concrete(path: &str) -> String {
    ["{id}", "{name}", "{lock}"]
        .into_iter()
        .fold(path.to_owned(), |path, part| path.replace(part, "none"))
        .replace("{kind}", "pin")
        .replace("{slot}", "1")
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_on_any_route_of_the_document() {
    let house = House::new().await;
    let owner = house.sign_in_as("owner").await;
    let mut client = Client::connect(house.address).await.with_cookie(&owner);
    let mut walked = 0;
    for operation in operations().into_iter().filter(|one| one.method != "GET") {
        let (method, path) = (operation.method.as_str(), concrete(&operation.path));
        for header in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let reply = client.send(method, &path, &[header], Some("{}")).await;
            assert_eq!(reply.problem(403), "foreign_origin", "{method} {path} {header:?}");
        }
        walked += 1;
    }
    assert!(walked > 40, "{walked}");
    let session = client.get("/api/v1/session").await.json();
    assert_eq!(session["state"], "signed_in", "not even signed out: {session}");
    house.stop().await;
}

#[tokio::test]
async fn no_answer_of_the_document_may_be_framed_sniffed_or_run() {
    let house = House::new().await;
    for operation in operations() {
        let (method, path) = (operation.method.as_str(), concrete(&operation.path));
        if path == "/api/v1/events/stream" {
            continue;
        }
        for token in [None, Some(house.token(Scope::Manage))] {
            let mut client = Client::connect(house.address).await;
            if let Some(token) = token {
                client = client.with_token(token);
            }
            let reply = client.send(method, &path, &[], None).await;
            let about = format!("{method} {path}: {reply:?}");
            assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{about}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{about}");
            let policy = reply.header("content-security-policy").unwrap_or_default();
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{about}"
            );
            assert!(
                !reply
                    .header("content-type")
                    .is_some_and(|kind| kind.contains("html") || kind.contains("script")),
                "{about}"
            );
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_damaged_or_too_deep_is_one_sentence_on_every_route() {
    let house = House::new().await;
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let lone = "{\"name\":\"\\ud800\"}";
    let twice = "{\"name\":\"a\",\"name\":\"b\"}";
    let bodies = [
        large.as_str(),
        &deep,
        lone,
        twice,
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "{\"\u{0}\":1}",
        "{\"name\":1e999}",
    ];
    for operation in operations().into_iter().filter(|one| one.method != "GET") {
        let (method, path) = (operation.method.as_str(), concrete(&operation.path));
        for body in bodies {
            // From a new connection: what is left of a refused body is nobody's next request.
            let mut client = house.client(Scope::Manage).await;
            let reply = client.send(method, &path, &[], Some(body)).await;
            let about = format!("{method} {path} {}: {reply:?}", &body[..body.len().min(40)]);
            assert!(reply.status < 500 || reply.status == 503, "{about}");
            if reply.status >= 400 {
                let code = reply.problem(reply.status);
                assert_ne!(code, "internal", "{about}");
                assert!(reply.body.len() < 2_000, "{about}");
            }
        }
        if operation.scopes.is_empty() {
            continue;
        }
        let mut client = house.client(Scope::Manage).await;
        let kind = [("Content-Type", "text/plain")];
        let reply = client.send(method, &path, &kind, Some("{\"name\":\"a\"}")).await;
        assert!(reply.status < 500, "{method} {path}: {reply:?}");
    }
    let mut client = house.client(Scope::Manage).await;
    let reply = client.post("/api/v1/people", &large).await;
    assert_eq!(reply.problem(413), "body_too_large");
    assert_eq!(
        house.client(Scope::Read).await.get("/api/v1/locks").await.status,
        200
    );
    house.stop().await;
}

#[tokio::test]
async fn who_sends_a_body_drop_by_drop_holds_up_no_door() {
    let house = House::new().await;
    let lock = house.lock().await;
    let token = house.token(Scope::Actuate);
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(house.address).await;
        let head = format!(
            "POST /api/v1/locks/{lock}/commands HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{{"
        );
        client.raw(head.as_bytes()).await;
        slow.push(client);
    }
    let mut quick = house.client(Scope::Actuate).await;
    let path = format!("/api/v1/locks/{lock}/commands?wait=20");
    let moved = tokio::time::timeout(Duration::from_secs(5), quick.post(&path, r#"{"op":"unlock"}"#));
    let moved = moved.await.expect("a door waits for nobody");
    assert_eq!(moved.json()["status"], "done", "{moved:?}");
    assert_eq!(house.moves(), 1, "half a request moves nothing");
    house.stop().await;
}

#[tokio::test]
async fn a_cookie_that_somebody_else_chose_never_becomes_a_session() {
    let house = House::new().await;
    let chosen = format!("hubd={}", "a".repeat(64));
    let code = setup::waiting(house.dir()).unwrap().unwrap();
    let owner = json!({"code": code.expose(), "name": "Ann", "password": "four words in a row"});
    let mut client = Client::connect(house.address).await.with_cookie(&chosen);
    let made = client.post("/api/v1/setup", &owner.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let first = client.cookie().to_owned();
    assert_ne!(first, chosen);

    // The next sign-in of the same browser has another token, and the one before goes on for itself alone.
    let body = json!({"name": "Ann", "password": "four words in a row"}).to_string();
    let mut again = Client::connect(house.address).await.with_cookie(&first);
    assert_eq!(again.post("/api/v1/session", &body).await.status, 200);
    assert_ne!(again.cookie(), first);

    let mut attacker = Client::connect(house.address).await.with_cookie(&chosen);
    let session = attacker.get("/api/v1/session").await.json();
    assert_eq!(session["state"], "signed_out", "{session}");
    assert_eq!(attacker.get("/api/v1/locks").await.problem(401), "session_ended");
    house.stop().await;
}

#[tokio::test]
async fn names_that_are_markup_come_back_as_the_text_that_they_are() {
    const NAME: &str = "<img src=x onerror=alert(1)>\"'&";
    let house = House::new().await;
    let lock = house.lock().await;
    let (_, account) = house.guest(&[], Schedule::default()).await;
    let mut owner = Client::connect(house.address)
        .await
        .with_cookie(&house.sign_in_as("owner").await);
    let alarms = owner.get("/api/v1/alarms").await.json();
    let alarm = alarms[0]["id"].as_str().unwrap().to_owned();
    let mut manager = house.client(Scope::Manage).await;
    let mut put = async |method: &str, path: String, body: serde_json::Value| {
        let reply = manager.send(method, &path, &[], Some(&body.to_string())).await;
        assert!((200..300).contains(&reply.status), "{method} {path}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        reply.json()
    };
    put("PATCH", format!("/api/v1/locks/{lock}"), json!({"name": NAME})).await;
    put("PATCH", format!("/api/v1/alarms/{alarm}"), json!({"name": NAME})).await;
    let person = put(
        "POST",
        "/api/v1/people".into(),
        json!({"name": NAME, "role": "guest"}),
    )
    .await;
    assert_eq!(person["name"], NAME);
    let token = put(
        "POST",
        "/api/v1/tokens".into(),
        json!({"name": NAME, "scope": "read"}),
    )
    .await;
    assert_eq!(token["name"], NAME);
    let renamed = owner
        .send(
            "PATCH",
            &format!("/api/v1/accounts/{account}"),
            &[],
            Some(&json!({"name": NAME}).to_string()),
        )
        .await;
    assert_eq!(renamed.json()["name"], NAME, "{renamed:?}");
    for path in [
        "/api/v1/locks",
        "/api/v1/alarms",
        "/api/v1/people",
        "/api/v1/tokens",
        "/api/v1/accounts",
    ] {
        let reply = owner.get(path).await;
        assert_eq!(reply.header("content-type"), Some("application/json"), "{path}");
        let listed = reply.json();
        let names = listed.as_array().unwrap().iter().map(|one| &one["name"]);
        assert!(names.into_iter().any(|name| name == NAME), "{path}: {listed}");
    }
    house.stop().await;
}
