//! Who gets in: nobody without a token, and nobody further than the token's scope.

use hubd::token::Scope;
use hubd_model::Schedule;

use crate::client::{Client, Reply};
use crate::document::{Operation, operations};
use crate::house::House;

fn concrete(path: &str) -> String {
    [
        ("{id}", "none"),
        ("{name}", "none"),
        ("{lock}", "none"),
        ("{kind}", "pin"),
        ("{slot}", "1"),
    ]
    .into_iter()
    .fold(path.to_owned(), |path, (part, value)| path.replace(part, value))
}

/// What answers somebody who shows nothing: the hub's health, and the way in.
const OPEN: [(&str, &str); 9] = [
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/session"),
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("POST", "/api/v1/session/second-factor"),
    ("POST", "/api/v1/session/second-factor/passkey"),
    ("GET", "/api/v1/setup"),
    ("POST", "/api/v1/setup"),
    ("POST", "/api/v1/invitation"),
];

#[tokio::test]
async fn every_route_of_the_document_refuses_strangers_and_small_scopes() {
    let house = House::new().await;
    let stranger = format!("hubd_{}_{}", "0".repeat(10), "0".repeat(64));
    for (number, operation) in operations().into_iter().enumerate() {
        let (method, path) = (operation.method.as_str(), concrete(&operation.path));
        let at = |host: usize| u8::try_from(host).unwrap();
        let about = format!("{method} {path}");
        let open = OPEN.contains(&(method, &operation.path));
        assert_eq!(operation.open, open, "{about}");
        if open {
            continue;
        }
        // From an address of its own, so that failures do not add up.
        let mut client = Client::connect_from(at(2 + number), house.address).await;
        assert_eq!(
            client.send(method, &path, &[], None).await.problem(401),
            "no_valid_token",
            "{about}"
        );
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Basic aHViZDpodWJk",
            &format!("Bearer {stranger}"),
            "Bearer hubd_",
        ] {
            let reply = client
                .send(method, &path, &[("Authorization", value)], None)
                .await;
            assert_eq!(reply.problem(401), "no_valid_token", "{about} {value}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
        let mut nobody = Client::connect(house.address).await.with_cookie("hubd=0123abcd");
        let reply = nobody.send(method, &path, &[], None).await;
        assert_eq!(reply.problem(401), "session_ended", "{about}");
        for scope in Scope::ALL {
            let mut client = house.client(scope).await;
            client.ask(method, &path, &[], None).await;
            if operation.scopes.is_empty() {
                let reply = client.reply(method).await.unwrap();
                assert_eq!(reply.problem(403), "person_needed", "{about} with {scope:?}");
            } else if !operation.scopes.contains(&scope.as_str().to_owned()) {
                let reply = client.reply(method).await.unwrap();
                assert_eq!(reply.problem(403), "scope_too_small", "{about} with {scope:?}");
            } else if path != "/api/v1/events/stream" {
                let reply = client.reply(method).await.unwrap();
                passed(&reply, &operation, &about);
            }
        }
    }
    house.stop().await;
}

/// The gate let it through, and the answer is one that the document knows.
fn passed(reply: &Reply, operation: &Operation, about: &str) {
    assert!(
        reply.status < 500 && ![401, 403].contains(&reply.status),
        "{about}: {reply:?}"
    );
    let told = operation.statuses.contains(&reply.status.to_string()) || reply.status >= 400;
    assert!(
        told,
        "{about} answers {} which the document does not know",
        reply.status
    );
}

#[tokio::test]
async fn every_route_of_the_document_refuses_small_roles() {
    let house = House::new().await;
    let mut people = Vec::new();
    for role in ["owner", "resident", "responder"] {
        people.push((role, house.sign_in_as(role).await));
    }
    // What a guest is told of doors that it was not given is walked in `guests.rs`.
    let (guest, _) = house.guest(&[&house.lock().await], Schedule::default()).await;
    people.push(("guest", guest));
    for operation in operations().into_iter().filter(|operation| !operation.open) {
        let (method, path) = (operation.method.as_str(), concrete(&operation.path));
        for (role, cookie) in &people {
            let about = format!("{method} {path} as {role}");
            let mut client = Client::connect(house.address).await.with_cookie(cookie);
            client.ask(method, &path, &[], None).await;
            if !operation.roles.contains(&(*role).to_owned()) {
                let reply = client.reply(method).await.unwrap();
                assert_eq!(reply.problem(403), "role_too_small", "{about}");
            } else if path != "/api/v1/events/stream" {
                let reply = client.reply(method).await.unwrap();
                passed(&reply, &operation, &about);
            }
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_tell_that_only_to_those_with_a_token() {
    let house = House::new().await;
    let cases = [
        ("GET", "/nothing", 404, "no_such_path"),
        ("GET", "/api/v1/nothing", 404, "no_such_path"),
        ("GET", "/api/v1/locks/a/b/c", 404, "no_such_path"),
        ("GET", "/api/v2/locks", 404, "no_such_path"),
        ("GET", "/api/v1/locks/%ff", 404, "no_such_id"),
        ("PUT", "/api/v1/locks", 405, "method_not_allowed"),
        ("OPTIONS", "/api/v1/health", 405, "method_not_allowed"),
        ("BREW", "/api/v1/locks", 405, "method_not_allowed"),
    ];
    let mut stranger = Client::connect(house.address).await;
    let mut known = house.client(Scope::Manage).await;
    for (method, path, status, code) in cases {
        assert_eq!(
            stranger.send(method, path, &[], None).await.problem(401),
            "no_valid_token",
            "{method} {path}"
        );
        assert_eq!(
            known.send(method, path, &[], None).await.problem(status),
            code,
            "{method} {path}"
        );
    }
    let reply = known.send("PUT", "/api/v1/locks", &[], None).await;
    assert!(
        reply.header("allow").is_some_and(|allow| allow.contains("GET")),
        "{reply:?}"
    );
    house.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_never_shuts_out_a_good_token() {
    let house = House::new().await;
    let mut client = Client::connect_from(7, house.address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/api/v1/locks").await.status, 401);
    }
    for _ in 0..2 {
        // What was sent behind it is not answered any more: a flood costs a connection for each request.
        client.ask("GET", "/api/v1/locks", &[], None).await;
        client.ask("GET", "/api/v1/locks", &[], None).await;
        let refused = client.reply("GET").await.unwrap();
        assert_eq!(refused.problem(429), "too_many_failures");
        assert_eq!(refused.header("connection"), Some("close"));
        assert!(client.reply("GET").await.is_none());
        client = Client::connect_from(7, house.address).await;
    }
    let mut good = Client::connect_from(7, house.address)
        .await
        .with_token(house.token(Scope::Read));
    assert_eq!(good.get("/api/v1/locks").await.status, 200);
    let events = loop {
        let events = good.get("/api/v1/events?kind=session.refused").await.json();
        if events[0].is_object() {
            break events;
        }
    };
    assert_eq!(
        events.as_array().unwrap().len(),
        1,
        "one record a minute: {events}"
    );
    assert!(
        events[0]["data"]["reason"]
            .as_str()
            .unwrap()
            .contains("127.0.0.7")
    );
    house.stop().await;
}

#[tokio::test]
async fn a_token_made_through_the_api_works_until_it_is_removed() {
    let house = House::new().await;
    let mut manager = house.client(Scope::Manage).await;
    let made = manager
        .post("/api/v1/tokens", r#"{"name":"Panel","scope":"read"}"#)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let mut panel = Client::connect(house.address)
        .await
        .with_token(made["token"].as_str().unwrap());
    assert_eq!(panel.get("/api/v1/locks").await.status, 200);
    let again = manager
        .post("/api/v1/tokens", r#"{"name":"Panel","scope":"read"}"#)
        .await;
    assert_eq!(again.problem(409), "name_taken");
    let bad = manager
        .post("/api/v1/tokens", r#"{"name":" Panel","scope":"read"}"#)
        .await;
    assert_eq!(bad.problem(400), "bad_name");
    let list = manager.get("/api/v1/tokens").await;
    assert!(list.body.contains("Panel") && !list.body.contains(made["token"].as_str().unwrap()));
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(manager.delete(&path).await.status, 204);
    assert_eq!(panel.get("/api/v1/locks").await.problem(401), "no_valid_token");
    assert_eq!(manager.delete(&path).await.problem(404), "no_such_token");
    let created = manager.get("/api/v1/events?kind=token.created").await.json();
    assert_eq!(created[0]["data"]["name"], "Panel");
    let removed = manager.get("/api/v1/events?kind=token.removed").await.json();
    assert_eq!(removed[0]["data"]["id"], made["id"]);
    house.stop().await;
}
