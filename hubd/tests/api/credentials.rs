//! People, credentials and slots over HTTP: what is wrong is told by its field, and no PIN is ever repeated.

use hubd::token::Scope;

use crate::house::House;

#[tokio::test]
async fn a_wrong_body_is_told_by_its_field_and_never_by_its_value() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let new = |more: &str| format!(r#"{{"person": "p1", "kind": "pin"{more}}}"#);
    let cases = [
        (
            "/people",
            r#"{"name": "Ada"}"#.to_owned(),
            "missing_field",
            "role",
        ),
        (
            "/people",
            r#"{"name": "Ada", "role": "god"}"#.to_owned(),
            "bad_field",
            "role",
        ),
        (
            "/people",
            r#"{"name": 7, "role": "guest"}"#.to_owned(),
            "bad_field",
            "name",
        ),
        (
            "/credentials",
            r#"{"kind": "pin"}"#.to_owned(),
            "missing_field",
            "person",
        ),
        (
            "/credentials",
            r#"{"person": "p1", "kind": "nose"}"#.to_owned(),
            "bad_field",
            "kind",
        ),
        (
            "/credentials",
            r#"{"person": "", "kind": "pin"}"#.to_owned(),
            "bad_field",
            "person",
        ),
        ("/credentials", new(r#", "pin": "86420x""#), "bad_field", "pin"),
        ("/credentials", new(r#", "pin": 864201"#), "bad_field", "pin"),
        (
            "/credentials",
            new(r#", "pin": "864201", "digits": 6"#),
            "bad_field",
            "digits",
        ),
        ("/credentials", new(r#", "digits": 3"#), "bad_field", "digits"),
        (
            "/credentials",
            new(r#", "inventory": {"stored": "x"}"#),
            "bad_field",
            "inventory",
        ),
        (
            "/credentials",
            r#"{"person": "p1", "kind": "rfid", "pin": "864201"}"#.to_owned(),
            "bad_field",
            "pin",
        ),
        (
            "/credentials",
            new(r#", "locks": ["a", "b c"]"#),
            "bad_field",
            "locks[1]",
        ),
        (
            "/credentials",
            new(r#", "uses_left": -1"#),
            "bad_field",
            "uses_left",
        ),
        ("/credentials", new(r#", "usage": "fun"#), "bad_json", "line 1"),
        ("/credentials", new(r#", "usage": "fun""#), "bad_field", "usage"),
        (
            "/credentials",
            new(r#", "schedule": {"from": "today"}"#),
            "bad_field",
            "schedule.from",
        ),
        (
            "/credentials",
            new(r#", "schedule": {"form": null}"#),
            "unknown_field",
            "form",
        ),
        (
            "/credentials",
            new(r#", "schedule": {"weekly": [{"day": "monday", "start": "8:00", "end": "09:00"}]}"#),
            "bad_field",
            "schedule.weekly[0]",
        ),
        (
            "/credentials",
            new(r#", "schedule": {"weekly": [{"day": "monday", "start": "10:00", "end": "09:00"}]}"#),
            "bad_field",
            "after the start",
        ),
        (
            "/credentials/c1/rotation",
            r#"{"pin": "86420"#.to_owned(),
            "bad_json",
            "line 1",
        ),
        (
            "/credentials/c1/rotation",
            r#"{"pin": "864"}"#.to_owned(),
            "bad_field",
            "pin",
        ),
        (
            "/credentials/c1/enrolment",
            r#"{"lock": ""}"#.to_owned(),
            "bad_field",
            "lock",
        ),
        (
            "/locks/l1/slots/pin/3/adopt",
            r#"{"person": ""}"#.to_owned(),
            "bad_field",
            "person",
        ),
        ("/pins", r#"{"digits": 99}"#.to_owned(), "bad_field", "digits"),
    ];
    for (path, body, code, field) in cases {
        let reply = client.post(&format!("/api/v1{path}"), &body).await;
        assert_eq!(reply.problem(400), code, "{path} {body}");
        let said = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(field), "{path} {body}: {said}");
        assert!(!reply.body.contains("8642"), "{path} {body}: {reply:?}");
    }
    let slots = [
        "/locks/l1/slots/nose/3/retry",
        "/locks/l1/slots/pin/0/retry",
        "/locks/l1/slots/pin/x/retry",
    ];
    for path in slots {
        let reply = client.post(&format!("/api/v1{path}"), "").await;
        assert_eq!(reply.problem(404), "no_such_slot", "{path}");
    }
    house.stop().await;
}
