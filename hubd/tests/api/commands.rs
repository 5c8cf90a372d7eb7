//! Commands through HTTP: once per key, waited for, and told as they are.

use std::sync::atomic::Ordering;

use hubd::token::Scope;

use crate::house::House;

async fn unlock(house: &House, lock: &str, query: &str, key: Option<&str>, op: &str) -> crate::client::Reply {
    let headers: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
    let path = format!("/api/v1/locks/{lock}/commands{query}");
    let body = format!(r#"{{"op":"{op}"}}"#);
    house
        .client(Scope::Actuate)
        .await
        .send("POST", &path, &headers, Some(&body))
        .await
}

#[tokio::test]
async fn a_bolt_moves_and_the_state_is_what_the_lock_reported() {
    let house = House::new().await;
    let lock = house.lock().await;
    let before = house
        .client(Scope::Read)
        .await
        .get(&format!("/api/v1/locks/{lock}"))
        .await
        .json();
    assert_eq!(before["state"]["bolt"], "unknown");
    assert_eq!(before["state"].get("at"), None);
    let command = unlock(&house, &lock, "?wait=10", None, "unlock").await;
    assert_eq!(command.status, 202);
    let command = command.json();
    assert_eq!(command["status"], "done", "{command}");
    assert_eq!(command["lock"], lock.as_str());
    assert_eq!(command["op"], "unlock");
    assert_eq!(command["requester"], "actuate");
    assert!(
        command["ended_at"].is_string() && command.get("reason").is_none(),
        "{command}"
    );
    let mut client = house.client(Scope::Read).await;
    let after = client.get(&format!("/api/v1/locks/{lock}")).await.json();
    assert_eq!(after["state"]["bolt"], "unlocked", "{after}");
    assert_eq!(after["link"]["state"], "online");
    let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json(), command);
    assert_eq!(
        client.get("/api/v1/commands/nothing").await.problem(404),
        "no_such_command"
    );
    house.stop().await;
}

#[tokio::test]
async fn a_repeat_with_the_same_key_answers_with_the_same_command_also_after_a_restart() {
    let house = House::new().await;
    let lock = house.lock().await;
    let first = unlock(&house, &lock, "?wait=10", Some("key-1"), "unlock")
        .await
        .json();
    let repeat = unlock(&house, &lock, "?wait=10", Some("key-1"), "unlock")
        .await
        .json();
    assert_eq!(first, repeat);
    assert_eq!(house.moved.load(Ordering::Relaxed), 1);
    let other = unlock(&house, &lock, "", Some("key-1"), "lock").await;
    assert_eq!(other.problem(409), "idempotency_conflict");
    let house = house.restart().await;
    let repeat = unlock(&house, &lock, "?wait=10", Some("key-1"), "unlock")
        .await
        .json();
    assert_eq!(first["id"], repeat["id"]);
    assert_eq!(house.moved.load(Ordering::Relaxed), 0, "nothing is sent again");
    // Another token's key of the same name is another key.
    let path = format!("/api/v1/locks/{lock}/commands?wait=10");
    let mut manager = house.client(Scope::Manage).await;
    let theirs = manager
        .send(
            "POST",
            &path,
            &[("Idempotency-Key", "key-1")],
            Some(r#"{"op":"unlock"}"#),
        )
        .await
        .json();
    assert_ne!(theirs["id"], first["id"]);
    // Without a key each request is a new command.
    let one = unlock(&house, &lock, "?wait=10", None, "lock").await.json();
    let two = unlock(&house, &lock, "?wait=10", None, "lock").await.json();
    assert_ne!(one["id"], two["id"]);
    house.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_over_tells_how_far_the_command_is() {
    let house = House::new().await;
    let lock = house.lock().await;
    house.obeys.store(false, Ordering::Relaxed);
    let command = unlock(&house, &lock, "?wait=1", None, "unlock").await.json();
    assert!(
        ["requested", "sent"].contains(&command["status"].as_str().unwrap()),
        "{command}"
    );
    let shown = house
        .client(Scope::Read)
        .await
        .get(&format!("/api/v1/locks/{lock}"))
        .await
        .json();
    assert_eq!(
        shown["wish"]["command"], command["id"],
        "a wish is shown as a wish"
    );
    assert_eq!(shown["state"]["bolt"], "unknown", "and never as the fact");
    house.stop().await;
}

#[tokio::test]
async fn a_hub_that_stops_answers_those_who_wait() {
    let house = House::new().await;
    let lock = house.lock().await;
    house.obeys.store(false, Ordering::Relaxed);
    let mut client = house.client(Scope::Actuate).await;
    let path = format!("/api/v1/locks/{lock}/commands?wait=60");
    client.ask("POST", &path, &[], Some(r#"{"op":"unlock"}"#)).await;
    while house.moved.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    house.begin_to_stop();
    let reply = client.reply("POST").await.expect("an answer");
    assert_eq!(reply.status, 202);
    house.stop().await;
}

/// Method, path, body; status, code and words of the refusal.
type Case<'a> = (&'a str, &'a str, Option<&'a str>, u16, &'a str, &'a str);

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let house = House::new().await;
    let lock = house.lock().await;
    let locks = format!("/api/v1/locks/{lock}");
    let commands = format!("{locks}/commands");
    let large = format!(r#"{{"op":"{}"}}"#, "x".repeat(70_000));
    let cases: &[Case] = &[
        (
            "POST",
            &commands,
            Some(r#"{"op":"unlock""#),
            400,
            "bad_json",
            "line 1",
        ),
        (
            "POST",
            &commands,
            Some(r#"{"op":"open"}"#),
            400,
            "bad_field",
            "`unlatch`",
        ),
        ("POST", &commands, Some(r#"{"op":7}"#), 400, "bad_field", "op"),
        ("POST", &commands, Some("{}"), 400, "missing_field", "op"),
        (
            "POST",
            &commands,
            Some(r#"{"op":"lock","force":true}"#),
            400,
            "unknown_field",
            "force",
        ),
        (
            "POST",
            &commands,
            Some(r#"["lock"]"#),
            400,
            "bad_field",
            "expected",
        ),
        ("POST", &commands, Some(&large), 413, "body_too_large", "65,536"),
        ("POST", &commands, None, 415, "not_json", "Content-Type"),
        (
            "POST",
            &format!("{commands}?wait=61"),
            Some(r#"{"op":"lock"}"#),
            400,
            "bad_parameter",
            "wait",
        ),
        (
            "POST",
            &format!("{commands}?wait=a"),
            Some(r#"{"op":"lock"}"#),
            400,
            "bad_parameter",
            "wait",
        ),
        (
            "POST",
            &format!("{commands}?fast=1"),
            Some(r#"{"op":"lock"}"#),
            400,
            "unknown_parameter",
            "fast",
        ),
        (
            "POST",
            &commands,
            Some(r#"{"op":"unlatch"}"#),
            409,
            "not_capable",
            "unlatch",
        ),
        (
            "POST",
            "/api/v1/locks/none/commands",
            Some(r#"{"op":"lock"}"#),
            404,
            "no_such_lock",
            "none",
        ),
        ("PATCH", &locks, Some(r#"{"name":""}"#), 400, "bad_name", "64"),
        (
            "PATCH",
            "/api/v1/alarms/none",
            Some(r#"{"name":"x"}"#),
            404,
            "no_such_alarm",
            "none",
        ),
        ("GET", "/api/v1/radios/none", None, 404, "no_such_radio", "none"),
        (
            "DELETE",
            "/api/v1/radios/zwave/inclusion",
            None,
            409,
            "nothing_under_way",
            "zwave",
        ),
        (
            "POST",
            "/api/v1/radios/zwave/inclusion",
            Some(r#"{"strategy":"smartstart"}"#),
            400,
            "missing_field",
            "code",
        ),
        (
            "POST",
            "/api/v1/radios/zwave/inclusion",
            Some(r#"{"strategy":"s0","code":"1"}"#),
            400,
            "bad_field",
            "code",
        ),
        (
            "POST",
            "/api/v1/radios/zwave/inclusion/answer",
            Some(r#"{"dsk_pin":"123"}"#),
            400,
            "bad_field",
            "dsk_pin",
        ),
        (
            "GET",
            "/api/v1/events?limit=1001",
            None,
            400,
            "bad_parameter",
            "limit",
        ),
        (
            "GET",
            "/api/v1/events?limit=0",
            None,
            400,
            "bad_parameter",
            "limit",
        ),
        (
            "GET",
            "/api/v1/events?after=-1",
            None,
            400,
            "bad_parameter",
            "after",
        ),
        (
            "GET",
            "/api/v1/events?after=1&after=2",
            None,
            400,
            "bad_parameter",
            "twice",
        ),
        (
            "GET",
            "/api/v1/events?from=yesterday",
            None,
            400,
            "bad_parameter",
            "from",
        ),
        (
            "GET",
            "/api/v1/events?kind=Lock",
            None,
            400,
            "bad_parameter",
            "kind",
        ),
        (
            "GET",
            "/api/v1/events/stream?after=x",
            None,
            400,
            "bad_parameter",
            "after",
        ),
    ];
    for (method, path, body, status, code, words) in cases {
        let mut client = house.client(Scope::Manage).await;
        let reply = client.send(method, path, &[], *body).await;
        assert_eq!(reply.problem(*status), *code, "{method} {path} {body:?}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words), "{method} {path} {body:?}: {detail}");
    }
    for key in ["", "a\tb", &"x".repeat(129)] {
        let reply = unlock(&house, &lock, "", Some(key), "lock").await;
        assert_eq!(reply.problem(400), "bad_idempotency_key", "{key:?}");
    }
    assert_eq!(
        house.moved.load(Ordering::Relaxed),
        0,
        "nothing of this reached the lock"
    );
    house.stop().await;
}

#[tokio::test]
async fn names_are_given_and_kept() {
    let house = House::new().await;
    let lock = house.lock().await;
    let mut manager = house.client(Scope::Manage).await;
    let path = format!("/api/v1/locks/{lock}");
    let reply = manager
        .send("PATCH", &path, &[], Some(r#"{"name":"Front door"}"#))
        .await;
    assert_eq!((reply.status, &reply.json()["name"]), (200, &"Front door".into()));
    let alarms = manager.get("/api/v1/alarms").await.json();
    let path = format!("/api/v1/alarms/{}", alarms[0]["id"].as_str().unwrap());
    let reply = manager
        .send("PATCH", &path, &[], Some(r#"{"name":"Hall"}"#))
        .await;
    assert_eq!((reply.status, &reply.json()["name"]), (200, &"Hall".into()));
    assert_eq!(reply.json()["state"], "quiet");
    let house = house.restart().await;
    let mut reader = house.client(Scope::Read).await;
    assert_eq!(reader.get("/api/v1/locks").await.json()[0]["name"], "Front door");
    assert_eq!(reader.get(&path).await.json()["name"], "Hall");
    house.stop().await;
}
