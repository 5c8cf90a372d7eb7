//! Tokens that the command line makes and removes, beside a hub that runs and one that does not, are in the journal once.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::Result;
use hubd_peers::{Deadline, Home};
use serde_json::{Value, json};

fn recorded(home: &Home, kind: &str) -> Result<Vec<Value>> {
    let about = home.journal(0, Some(kind))?;
    Ok(about.iter().map(|entry| entry["data"]["name"].clone()).collect())
}

fn is_made(name: &'static str) -> impl Fn(&Value) -> bool {
    move |entry| entry["kind"] == "token.created" && entry["data"]["name"] == name
}

#[test]
fn what_the_command_line_does_to_tokens_is_recorded_once() -> Result<()> {
    let mut home = Home::start("2")?;
    let client = home.client();
    let events = client.events(Some(0))?;
    // The token of these tests was made before the hub ran for the first time.
    events.wait("the first token", Deadline::seconds(30), is_made("peers"))?;
    home.hub.create_token("phone", "read")?;
    let created = events
        .wait("the token", Deadline::seconds(30), is_made("phone"))?
        .data;
    assert_eq!(created["data"]["scope"], "read");
    // The API records its own.
    client.post("/tokens", &json!({ "name": "tablet", "scope": "read" }))?;

    home.hub.stop()?;
    let id = created["data"]["id"].as_str().unwrap();
    home.hub.command_ok(&["token", "remove", id], "")?;
    home.hub.start()?;
    let events = client.events(Some(0))?;
    events.wait("the removal", Deadline::seconds(30), |entry| {
        entry["kind"] == "token.removed"
    })?;
    // Long enough for two more looks.
    let silence = events.wait("nothing", Deadline::seconds(12), |entry| {
        entry["kind"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("token."))
    });
    assert!(
        silence.is_err(),
        "recorded twice: {:?}",
        silence.map(|event| event.data)
    );
    assert_eq!(recorded(&home, "token.removed")?, [json!("phone")]);
    assert_eq!(
        recorded(&home, "token.created")?,
        [json!("peers"), json!("phone"), json!("tablet")]
    );
    Ok(())
}
