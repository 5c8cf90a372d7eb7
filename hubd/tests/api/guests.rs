//! Guests and responders: what is not theirs does not exist for them. And what the household asks of everybody who
//! unlocks.

use hubd::clock;
use hubd::store::AccountChange;
use hubd::token::Scope;
use hubd_model::{LockSignal, Report, Role, Schedule, Source, UnixMillis, Via};
use serde_json::{Value, json};

use crate::client::{Client, Events};
use crate::document::operations;
use crate::house::{House, LOCK, SECOND, address};

const STREAM: &str = "/api/v1/events/stream";
const UNLOCK: &str = r#"{"op":"unlock"}"#;
const CELLAR: &str = "Secret cellar";

fn always() -> Schedule {
    Schedule::default()
}

fn over() -> Schedule {
    Schedule {
        until: Some(UnixMillis(clock::unix_millis().0 - 1)),
        ..Schedule::default()
    }
}

async fn as_person(house: &House, cookie: &str) -> Client {
    Client::connect(house.address).await.with_cookie(cookie)
}

fn ids(locks: &Value) -> Vec<&str> {
    let locks = locks.as_array().unwrap().iter();
    locks.map(|lock| lock["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_guest_is_told_of_no_door_but_its_own_on_any_route_of_the_document() {
    let house = House::new().await;
    let own = house.lock().await;
    let other = house.second_lock(CELLAR).await;
    let mut resident = as_person(&house, &house.sign_in_as("resident").await).await;
    let moved = resident
        .post(&format!("/api/v1/locks/{other}/commands?wait=20"), UNLOCK)
        .await;
    assert_eq!(moved.status, 202, "{moved:?}");
    let command = moved.json()["id"].as_str().unwrap().to_owned();
    // An emergency that concerns every door.
    let policy = json!({"enabled": true, "doors": [{"lock": own}, {"lock": other}]});
    let mut manager = house.client(Scope::Manage).await;
    let set = manager.put("/api/v1/life-safety", &policy.to_string()).await;
    assert_eq!(set.status, 200, "{set:?}");
    let help = r#"{"reason":"smoke in the hall"}"#;
    let called = manager.post("/api/v1/life-safety/incidents", help).await;
    assert_eq!(called.status, 202, "{called:?}");
    let incident = called.json()["id"].as_str().unwrap().to_owned();

    let (cookie, _) = house.guest(&[&own], always()).await;
    let mut walked = 0;
    for operation in operations() {
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        let ends =
            path == STREAM || (method, path) == ("DELETE", "/api/v1/session") || path == "/api/v1/sessions";
        if !operation.roles.contains(&"guest".to_owned()) || ends {
            continue;
        }
        let path = path
            .replace("/commands/{id}", &format!("/commands/{command}"))
            .replace("/incidents/{id}", &format!("/incidents/{incident}"))
            .replace("{id}", &other)
            .replace("{name}", "zwave");
        let body = if path.ends_with("/commands") { UNLOCK } else { help };
        let body = (method != "GET").then_some(body);
        let mut guest = as_person(&house, &cookie).await;
        let reply = guest.send(method, &path, &[], body).await;
        let about = format!("{method} {path}: {reply:?}");
        assert!(!reply.body.contains(CELLAR), "{about}");
        if path.contains(&other) {
            // The answer repeats the id that was asked for and says that there is none.
            assert_eq!(reply.status, 404, "{about}");
        } else {
            assert!(!reply.body.contains(&other), "{about}");
        }
        if path.contains(&command) {
            assert_eq!(reply.problem(404), "no_such_command", "{about}");
        }
        walked += 1;
    }
    assert!(walked > 10, "{walked}");

    let mut guest = as_person(&house, &cookie).await;
    assert_eq!(ids(&guest.get("/api/v1/locks").await.json()), [own.as_str()]);
    let moved = guest
        .post(&format!("/api/v1/locks/{own}/commands?wait=20"), UNLOCK)
        .await;
    assert_eq!((moved.status, &moved.json()["status"]), (202, &json!("done")));
    house.stop().await;
}

#[tokio::test]
async fn a_guest_opens_nothing_outside_its_hours_nor_without_a_door() {
    let house = House::new().await;
    let lock = house.lock().await;
    let (cookie, account) = house.guest(&[&lock], over()).await;
    let mut guest = as_person(&house, &cookie).await;
    let command = format!("/api/v1/locks/{lock}/commands?wait=20");
    let help = r#"{"reason":"fire"}"#;
    for (method, path, body) in [
        ("GET", format!("/api/v1/locks/{lock}"), None),
        ("POST", command.clone(), Some(UNLOCK)),
        ("POST", format!("/api/v1/locks/{lock}/refresh"), None),
        ("POST", "/api/v1/life-safety/incidents".to_owned(), Some(help)),
    ] {
        let reply = guest.send(method, &path, &[], body).await;
        assert_eq!(reply.problem(403), "outside_hours", "{method} {path}");
    }
    assert_eq!(guest.get("/api/v1/locks").await.json(), json!([]));
    assert_eq!(house.moves(), 0);

    house.give(&account, &[], always()).await;
    assert_eq!(guest.get("/api/v1/locks").await.json(), json!([]));
    assert_eq!(guest.post(&command, UNLOCK).await.problem(404), "no_such_lock");
    let called = guest.post("/api/v1/life-safety/incidents", help).await;
    assert_eq!(called.problem(403), "no_doors");
    assert_eq!(house.moves(), 0);

    let later = Schedule {
        until: Some(UnixMillis(clock::unix_millis().0 + 3_600_000)),
        ..Schedule::default()
    };
    house.give(&account, &[&lock], later).await;
    let moved = guest.post(&command, UNLOCK).await;
    assert_eq!(moved.json()["status"], "done", "{moved:?}");
    assert_eq!(house.moves(), 1);
    house.stop().await;
}

#[tokio::test]
async fn an_owner_gives_a_guest_doors_and_hours() {
    let house = House::new().await;
    let lock = house.lock().await;
    let mut owner = as_person(&house, &house.sign_in_as("owner").await).await;
    let window = json!({"day": "tuesday", "start": "09:00", "end": "12:30"});
    let access = json!({"locks": [lock], "schedule": {"weekly": [window]}});
    let body = json!({"name": "Kim", "role": "guest", "access": access});
    let made = owner.post("/api/v1/accounts", &body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["access"], access);
    let path = format!("/api/v1/accounts/{}", made.json()["id"].as_str().unwrap());

    let refused = [
        (json!({"access": {"locks": ["nowhere"]}}), 404, "no_such_lock"),
        (
            json!({"access": {"locks": [], "schedule": {"weekly": [window, window]}}}),
            400,
            "bad_schedule",
        ),
        (json!({"role": "resident", "access": access}), 409, "not_a_guest"),
        (json!({"access": {"locks": vec!["x"; 65]}}), 400, "bad_field"),
    ];
    for (body, status, code) in refused {
        let reply = owner.send("PATCH", &path, &[], Some(&body.to_string())).await;
        assert_eq!(reply.problem(status), code, "{body}");
    }
    let body = json!({"access": {"locks": [lock]}}).to_string();
    let changed = owner.send("PATCH", &path, &[], Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let always = json!({"locks": [lock], "schedule": {}});
    assert_eq!(changed.json()["access"], always);
    let list = owner.get("/api/v1/accounts").await.json();
    let given = list.as_array().unwrap().iter().find(|one| one["name"] == "Kim");
    assert_eq!(given.unwrap()["access"], always, "{list}");
    // Who becomes a resident has a role in place of doors.
    let role = r#"{"role":"resident"}"#;
    let changed = owner.send("PATCH", &path, &[], Some(role)).await;
    assert_eq!(changed.json()["access"], Value::Null, "{changed:?}");
    house.stop().await;
}

/// Someone opens the second door at the keypad, then the first door moves, once each.
async fn happen(house: &House) {
    for device in [SECOND, LOCK] {
        house.door_of(device, true).await;
        house.door_of(device, false).await;
        let via = Via {
            slot: hubd_model::CodeSlot::new(3),
            ..Via::source(Source::Keypad)
        };
        let signal = LockSignal::Bolt {
            bolt: hubd_model::BoltState::Unlocked,
            via,
        };
        house
            .say(Report::Lock {
                device: address(device),
                signal,
            })
            .await;
        let signal = LockSignal::KeypadDenied(None);
        house
            .say(Report::Lock {
                device: address(device),
                signal,
            })
            .await;
    }
}

/// Everything up to the end of what `happen` does to the first door.
async fn told(events: &mut Events, lock: &str, last: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let event = events.next().await.unwrap().data;
        let done = event["lock"] == lock && event["kind"] == last;
        all.push(event);
        if done {
            return all;
        }
    }
}

#[tokio::test]
async fn the_stream_tells_guests_of_their_doors_and_responders_what_is_never_who() {
    let house = House::new().await;
    let own = house.lock().await;
    let other = house.second_lock(CELLAR).await;
    let (cookie, account) = house.guest(&[&own], always()).await;
    let mut guest = as_person(&house, &cookie)
        .await
        .follow(STREAM, &[])
        .await
        .unwrap();
    let cookie = house.sign_in_as("responder").await;
    let mut responder = as_person(&house, &cookie)
        .await
        .follow(STREAM, &[])
        .await
        .unwrap();
    let cookie = house.sign_in_as("resident").await;
    let mut resident = as_person(&house, &cookie)
        .await
        .follow(STREAM, &[])
        .await
        .unwrap();
    happen(&house).await;

    let whole = told(&mut resident, &own, "lock.keypad_denied").await;
    assert!(
        whole.iter().any(|entry| entry["data"]["via"]["slot"] == 3),
        "{whole:?}"
    );
    let theirs = told(&mut responder, &own, "lock.operated").await;
    assert!(
        theirs.iter().any(|entry| entry["lock"] == other.as_str()),
        "{theirs:?}"
    );
    let its = told(&mut guest, &own, "lock.operated").await;
    assert!(its.iter().all(|entry| entry["lock"] == own.as_str()), "{its:?}");
    for entry in theirs.iter().chain(&its) {
        assert_eq!(entry["person"], Value::Null, "{entry}");
        assert_eq!(entry["data"]["via"], Value::Null, "{entry}");
        assert_ne!(entry["kind"], "lock.keypad_denied", "{entry}");
    }
    assert_eq!(its.last().unwrap()["data"], json!({"bolt": "unlocked"}));

    // What was given is taken back while the stream is open; what was stored meanwhile is not told later either.
    house.give(&account, &[], always()).await;
    happen(&house).await;
    told(&mut resident, &own, "lock.keypad_denied").await;
    house.give(&account, &[&other], always()).await;
    house.door_of(SECOND, true).await;
    let next = guest.next().await.unwrap().data;
    assert_eq!(
        (&next["lock"], &next["data"]["door"]),
        (&json!(other), &json!("open"))
    );

    // Whoever becomes more is told more, from then on.
    let change = AccountChange::SetRole(account.clone(), Role::Resident, hubd::store::Owners::Few);
    house.store.change_account(change).await.unwrap();
    house.door_of(LOCK, true).await;
    let next = guest.next().await.unwrap().data;
    assert_eq!(next["lock"], own.as_str());
    house.stop().await;
}

#[tokio::test]
async fn who_may_not_read_the_history_cannot_ask_the_stream_for_a_person() {
    let house = House::new().await;
    let lock = house.lock().await;
    let (cookie, _) = house.guest(&[&lock], always()).await;
    let responder = house.sign_in_as("responder").await;
    for cookie in [&cookie, &responder] {
        let mut client = as_person(&house, cookie).await;
        let refused = client.get(&format!("{STREAM}?person=p1")).await;
        assert_eq!(refused.problem(403), "role_too_small");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_door_is_unlocked_after_a_fresh_proof_where_the_household_wants_it() {
    let house = House::new().await;
    let lock = house.lock().await;
    let path = format!("/api/v1/locks/{lock}/commands?wait=20");
    let (owner, (_, session)) = house.person("owner").await;
    let mut owner = as_person(&house, &owner).await;
    let long_ago = UnixMillis(clock::unix_millis().0 - 6 * 60_000);
    let forget = || AccountChange::Confirm(session.clone(), long_ago);
    let security = owner.get("/api/v1/security").await.json();
    assert_eq!(security, json!({"confirm_unlock": false}), "off unless wanted");
    house.store.change_account(forget()).await.unwrap();
    assert_eq!(owner.post(&path, UNLOCK).await.json()["status"], "done");
    let on = r#"{"confirm_unlock":true}"#;
    let unproved = owner.put("/api/v1/security", on).await;
    assert_eq!(unproved.problem(403), "confirmation_needed");
    for role in ["resident", "guest", "responder"] {
        let mut small = as_person(&house, &house.sign_in_as(role).await).await;
        let refused = small.put("/api/v1/security", on).await;
        assert_eq!(refused.problem(403), "role_too_small", "{role}");
    }
    let machine = house
        .client(Scope::Manage)
        .await
        .put("/api/v1/security", on)
        .await;
    assert_eq!(machine.problem(403), "person_needed");

    let proved = || AccountChange::Confirm(session.clone(), clock::unix_millis());
    house.store.change_account(proved()).await.unwrap();
    assert_eq!(
        owner.put("/api/v1/security", on).await.json(),
        json!({"confirm_unlock": true})
    );
    assert_eq!(
        owner.post(&path, UNLOCK).await.json()["status"],
        "done",
        "just proved"
    );
    house.store.change_account(forget()).await.unwrap();
    let moved = house.moves();
    for op in ["unlock", "unlatch"] {
        let refused = owner.post(&path, &json!({ "op": op }).to_string()).await;
        assert_eq!(refused.problem(403), "confirmation_needed", "{op}");
    }
    assert_eq!(house.moves(), moved, "nothing moved");
    // What closes a door, a machine, and an emergency wait for nobody.
    assert_eq!(
        owner.post(&path, r#"{"op":"lock"}"#).await.json()["status"],
        "done"
    );
    let mut machine = house.client(Scope::Actuate).await;
    assert_eq!(machine.post(&path, UNLOCK).await.json()["status"], "done");
    let policy = json!({"enabled": true, "doors": [{"lock": lock}]}).to_string();
    let mut manager = house.client(Scope::Manage).await;
    assert_eq!(manager.put("/api/v1/life-safety", &policy).await.status, 200);
    let help = r#"{"reason":"smoke in the hall"}"#;
    let called = owner.post("/api/v1/life-safety/incidents", help).await;
    assert_eq!(called.status, 202, "{called:?}");

    // It holds over a restart.
    let house = house.restart().await;
    let mut manager = house.client(Scope::Manage).await;
    let kept = manager.get("/api/v1/security").await.json();
    assert_eq!(kept, json!({"confirm_unlock": true}));
    let told = manager.get("/api/v1/events?kind=security.changed").await.json();
    assert_eq!(told[0]["data"]["confirm_unlock"], true, "{told}");
    house.stop().await;
}
