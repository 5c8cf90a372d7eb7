//! The emergency sheet: what is on the paper, who may print it, and that every printing is in the journal.

use std::fmt::Write as _;

use hubd::token::Scope;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::house::House;

const TEXTS: &str = "/api/v1/life-safety/sheet";
const PDF: &str = "/api/v1/life-safety/sheet.pdf";

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let at = rest.windows(what.len()).position(|window| window == what)?;
    Some(from + at)
}

/// The texts that a page's content shows, one a line: literal strings with escapes, and hexadecimal ones.
///
/// Spec: ISO 32000-1 7.3.4, 9.4.3.
fn shown(content: &[u8]) -> String {
    let (mut text, mut last, mut at) = (String::new(), Vec::new(), 0);
    while at < content.len() {
        match content[at] {
            b'(' => {
                last.clear();
                let mut depth = 1;
                while depth > 0 {
                    at += 1;
                    match content[at] {
                        b'(' => depth += 1,
                        b')' => depth -= 1,
                        b'\\' => {
                            at += 1;
                            assert!(b"()\\".contains(&content[at]), "an escape that is not read here");
                        }
                        _ => {}
                    }
                    if depth > 0 {
                        last.push(content[at]);
                    }
                }
            }
            b'<' => {
                let end = find(content, b">", at).unwrap();
                let digits = std::str::from_utf8(&content[at + 1..end]).unwrap();
                last = (0..digits.len())
                    .step_by(2)
                    .map(|place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap())
                    .collect();
                at = end;
            }
            b'T' if content.get(at + 1) == Some(&b'j') => {
                // The letters used here are the same in Latin-1.
                text.extend(last.iter().map(|byte| char::from(*byte)));
                text.push('\n');
            }
            _ => {}
        }
        at += 1;
    }
    text
}

/// The texts of each page.
#[track_caller]
fn pages(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/pdf"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let file = &reply.file;
    assert!(file.starts_with(b"%PDF-1.7") && find(file, b"%%EOF", 0).is_some());
    let (mut pages, mut from) = (Vec::new(), 0);
    while let Some(start) = find(file, b"stream\n", from) {
        let end = find(file, b"endstream", start).unwrap();
        pages.push(shown(&file[start + 7..end]));
        from = end + 9;
    }
    pages
}

fn words(pages: &[String]) -> String {
    pages.concat().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the journal has of this kind, oldest first, once it has so many: entries are committed a moment after they happen.
async fn journal(house: &House, kind: &str, at_least: usize) -> Vec<Value> {
    let mut client = house.client(Scope::Read).await;
    loop {
        let page = client.get(&format!("/api/v1/events?limit=200&kind={kind}")).await;
        let all = page.json().as_array().unwrap().clone();
        if all.len() >= at_least {
            // Without a place to begin, a page begins with the newest.
            return all.into_iter().rev().map(|entry| entry["data"].clone()).collect();
        }
        tokio::task::yield_now().await;
    }
}

/// A person's PIN credential.
async fn credential(client: &mut Client, pin: &str) -> String {
    let body = json!({"name": "Fire brigade", "role": "responder"}).to_string();
    let person = client.post("/api/v1/people", &body).await.json();
    let body = json!({"person": person["id"], "kind": "pin", "label": "spare", "pin": pin}).to_string();
    let made = client.post("/api/v1/credentials", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_sheet_says_what_the_owner_wrote_and_what_the_locks_are_and_survives_a_restart() {
    let house = House::new().await;
    let lock = house.lock().await;
    let mut client = house.client(Scope::Manage).await;
    let empty = client.get(TEXTS).await.json();
    assert_eq!(
        (&empty["address"], &empty["doors"]),
        (&json!(""), &json!({})),
        "nothing was written yet"
    );
    let contacts = (0..55).fold(String::new(), |mut text, number| {
        writeln!(text, "Contact {number}: call 0{number}").unwrap();
        text
    });
    let texts = json!({
        "address": "Hauptstraße 1 (rear \\ house)",
        "floor_notes": format!("Children sleep upstairs. {}", "Stairs are narrow. ".repeat(80)),
        "shut_offs": "Gas: cellar\r\nWater: kitchen",
        "people_and_pets": "Łucja, Иван, 🐕 Rex",
        "contacts": contacts,
        "key_box": "Left of the garage",
        "doors": { &lock: "Lift the handle" },
    });
    let kept = client.put(TEXTS, &texts.to_string()).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    assert_eq!(kept.json()["shut_offs"], "Gas: cellar\nWater: kitchen");
    let house = house.restart().await;
    let mut client = house.client(Scope::Manage).await;
    assert_eq!(client.get(TEXTS).await.json(), kept.json());
    for (query, size) in [
        ("", "595.28 841.89"),
        ("?paper=a4", "595.28 841.89"),
        ("?paper=letter", "612 792"),
    ] {
        let reply = client.get(&format!("{PDF}{query}")).await;
        let pages = pages(&reply);
        assert!(pages.len() >= 2, "long text goes on to a second page");
        let needle = format!("/MediaBox [0 0 {size}]");
        let boxes = (0..pages.len()).scan(0, |from, _| {
            *from = find(&reply.file, needle.as_bytes(), *from)? + 1;
            Some(())
        });
        assert_eq!(boxes.count(), pages.len(), "every page is {size}");
        let all = words(&pages);
        for told in [
            "Hauptstraße 1 (rear \\ house)",
            "Acme One",
            "Battery: not known.",
            "The hub does not unlock it by itself.",
            "Lift the handle",
            "Key box Left of the garage",
            "Gas: cellar Water: kitchen",
            "Lucja, Ivan, dog",
            "Contact 0: call 00",
            "Contact 54: call 054",
            "holds no PIN",
            "by manage",
        ] {
            assert!(all.contains(told), "{told}: {all}");
        }
        assert_eq!(all.matches("Stairs are").count(), 80);
        for (number, page) in (1..).zip(&pages) {
            assert!(
                page.contains(&format!("Page {number} of {}", pages.len())),
                "{page}"
            );
        }
    }
    let printed = journal(&house, "sheet.printed", 3).await;
    let papers: Vec<&Value> = printed.iter().map(|data| &data["paper"]).collect();
    assert_eq!(papers, ["a4", "a4", "letter"]);
    assert_eq!(
        (&printed[2]["by"], &printed[2]["pins"]),
        (&json!("manage"), &json!(0))
    );
    assert_eq!(
        journal(&house, "sheet.changed", 1).await,
        [json!({"by": "manage"})]
    );
    // On the disk it is sealed.
    let (folder, _) = house.stop().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(find(&bytes, b"Left of the garage", 0).is_none());
    }
}

#[tokio::test]
async fn invariant_no_pin_is_on_the_sheet_unless_it_was_ticked() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let ticked = credential(&mut client, "864209").await;
    credential(&mut client, "975310").await;
    let without = words(&pages(&client.get(PDF).await));
    assert!(
        !without.contains("864209") && !without.contains("975310"),
        "{without}"
    );
    let none = client.post(PDF, r#"{"pins": []}"#).await;
    assert!(!words(&pages(&none)).contains("864209"));
    assert_eq!(journal(&house, "credential.revealed", 0).await.len(), 0);
    let body = json!({"pins": [ticked, ticked]}).to_string();
    let with = words(&pages(&client.post(PDF, &body).await));
    assert_eq!(with.matches("864209").count(), 1, "{with}");
    assert!(
        with.contains("Fire brigade, spare") && with.contains("HOLDS PINS"),
        "{with}"
    );
    assert!(!with.contains("975310"), "{with}");
    let revealed = journal(&house, "credential.revealed", 1).await;
    assert_eq!(revealed.len(), 1);
    assert_eq!(
        (&revealed[0]["credential"], &revealed[0]["by"]),
        (&json!(ticked), &json!("manage"))
    );
    let printed = journal(&house, "sheet.printed", 3).await;
    let pins: Vec<&Value> = printed.iter().map(|data| &data["pins"]).collect();
    assert_eq!(pins, [0, 0, 1]);
    // One that is not there: none is revealed and nothing is printed.
    let body = json!({"pins": [ticked, "nobody"]}).to_string();
    assert_eq!(client.post(PDF, &body).await.problem(404), "no_such_credential");
    assert_eq!(journal(&house, "credential.revealed", 1).await.len(), 1);
    assert_eq!(journal(&house, "sheet.printed", 3).await.len(), 3);
    house.stop().await;
}

#[tokio::test]
async fn only_who_manages_the_house_prints_and_pins_need_a_fresh_proof() {
    let house = House::new().await;
    for scope in [Scope::Read, Scope::Actuate] {
        let mut client = house.client(scope).await;
        assert_eq!(client.get(TEXTS).await.problem(403), "scope_too_small");
        assert_eq!(client.get(PDF).await.problem(403), "scope_too_small");
    }
    for role in ["resident", "guest", "responder"] {
        let cookie = house.sign_in_as(role).await;
        let mut client = Client::connect(house.address).await.with_cookie(&cookie);
        assert_eq!(client.get(PDF).await.problem(403), "role_too_small");
    }
    let cookie = house.sign_in_as("owner").await;
    let mut owner = Client::connect(house.address).await.with_cookie(&cookie);
    assert_eq!(owner.get(PDF).await.status, 200);
    assert_eq!(
        journal(&house, "sheet.printed", 1).await.len(),
        1,
        "refusals print nothing"
    );
    house.stop().await;
}

#[tokio::test]
async fn a_wrong_sheet_is_refused_and_changes_nothing() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let long = json!({ "contacts": "x".repeat(2001) }).to_string();
    let lines = json!({ "contacts": "x\n".repeat(61) }).to_string();
    let cases = [
        (r#"{"adress": "x"}"#, 400, "unknown_field", "adress"),
        (r#"{"address": 7}"#, 400, "bad_field", "address"),
        (r#"{"address": "a\u0007b"}"#, 400, "bad_field", "address"),
        (r#"{"address": "x""#, 400, "bad_json", "line 1"),
        (r#"{"doors": {"": "x"}}"#, 400, "bad_field", "doors"),
        (r#"{"doors": {"nothing": "x"}}"#, 404, "no_such_lock", "nothing"),
        (&long, 400, "bad_field", "contacts"),
        (&lines, 400, "bad_field", "contacts"),
    ];
    for (body, status, code, field) in cases {
        let reply = client.put(TEXTS, body).await;
        assert_eq!(reply.problem(status), code, "{body}");
        assert!(reply.body.contains(field), "{body}: {reply:?}");
    }
    assert_eq!(client.get(TEXTS).await.json()["contacts"], "");
    let many: Vec<String> = (0..33).map(|number| format!("c{number}")).collect();
    let many = json!({ "pins": many }).to_string();
    let cases = [
        (r"{}", "missing_field"),
        (r#"{"pins": true}"#, "bad_field"),
        (r#"{"pins": [""]}"#, "bad_field"),
        (&many, "bad_field"),
    ];
    for (body, code) in cases {
        assert_eq!(client.post(PDF, body).await.problem(400), code, "{body}");
    }
    let odd = client.get(&format!("{PDF}?paper=a5")).await;
    assert_eq!(odd.problem(400), "bad_parameter");
    assert!(journal(&house, "sheet.printed", 0).await.is_empty());
    house.stop().await;
}
