//! People and their codes on three kinds of locks that nobody here wrote, driven over the API: each lock ends with exactly
//! what is wanted, whatever happened in between, and nobody's foreign code is touched.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use anyhow::{Context, Result};
use hubd_peers::home::items;
use hubd_peers::household::{FOREIGN, Granted, LOCKS, is_pending};
use hubd_peers::{Deadline, Household};
use serde_json::{Value, json};

fn pins(granted: &[Granted]) -> Vec<&str> {
    granted.iter().map(|one| one.pin.as_str()).collect()
}

fn twenty(house: &Household) -> Result<Vec<Granted>> {
    (1..=20)
        .map(|number| house.grant(&format!("Person {number}"), &LOCKS))
        .collect()
}

#[test]
fn twenty_people_are_on_every_lock_and_a_foreign_code_is_left_alone() -> Result<()> {
    let mut house = Household::start()?;
    let all = twenty(&house)?;
    house.agree(&pins(&all), Some(FOREIGN))?;
    for node in LOCKS {
        let shown = house.slots(node)?;
        let foreign = items(&shown["slots"])
            .into_iter()
            .find(|slot| slot["holder"] == "foreign");
        assert_eq!(foreign.expect("it is shown")["slot"], 7, "node {node}");
        println!("node {node}: {}", shown["frames"]);
    }
    // Half of them leave; the others stay as they are.
    let (gone, stay) = all.split_at(10);
    for one in gone {
        house.revoke(one)?;
    }
    house.agree(&pins(stay), Some(FOREIGN))
}

#[test]
fn a_person_who_is_called_otherwise_is_called_so_at_the_lock_and_the_code_is_not_written_again() -> Result<()>
{
    let mut house = Household::start()?;
    let granted = house.grant("Ann Before", &LOCKS)?;
    let other = house.grant("Ben", &LOCKS)?;
    house.agree(&[&granted.pin, &other.pin], Some(FOREIGN))?;
    let slot = house.slot_of(5, &granted)?.to_string();
    let user = house.home.mock.call("users", json!({"node": 5}))?["users"][&slot].clone();
    assert_eq!(user, json!({"name": "Ann Before", "active": true}));
    house.home.mock.take_received()?;
    let client = house.home.client();
    let people = items(&client.get("/people")?);
    let ann = people.iter().find(|person| person["name"] == "Ann Before");
    let path = format!(
        "/people/{}",
        ann.context("she is known")?["id"].as_str().context("an id")?
    );
    client
        .send("PATCH", &path, &[], Some(&json!({"name": "Ann After"})))?
        .ok()?;
    let Household { home, .. } = &mut house;
    let (hub, mock) = (&mut home.hub, &mut home.mock);
    hub.wait("the lock to know the name", Deadline::seconds(60), |_| {
        let users = mock.call("users", json!({"node": 5})).ok()?;
        (users["users"][&slot] == json!({"name": "Ann After", "active": true})).then_some(())
    })?;
    // Credential Set of the class User Credential, and User Code Set: no code was written for a name.
    let received = mock.take_received()?;
    let written = received
        .iter()
        .any(|(_, class, command)| (*class, *command) == (0x83, 0x0a) || (*class, *command) == (0x63, 0x01));
    assert!(!written, "{received:?}");
    let users = mock.call("users", json!({"node": 5}))?["users"].clone();
    let names: Vec<&str> = users
        .as_object()
        .context("users")?
        .values()
        .filter_map(|user| user["name"].as_str())
        .collect();
    assert!(names.contains(&"Ben") && names.contains(&"User 7"), "{users}");
    house.agree(&[&granted.pin, &other.pin], Some(FOREIGN))
}

#[test]
fn a_code_that_was_revoked_while_its_lock_was_away_never_works() -> Result<()> {
    let mut house = Household::start()?;
    let stays = house.grant("Stays", &LOCKS)?;
    house.agree(&[&stays.pin], Some(FOREIGN))?;
    for node in LOCKS {
        house.away(node, true)?;
    }
    let granted = house.grant("Guest", &LOCKS)?;
    for node in LOCKS {
        house.wait_slots("a try in vain", node, |codes| {
            let slots = items(&codes["slots"]);
            let guest = slots
                .iter()
                .find(|slot| slot["credential"] == granted.id.as_str())?;
            guest["tried"]["failure"].as_str().map(ToOwned::to_owned)
        })?;
    }
    house.revoke(&granted)?;
    for node in LOCKS {
        house.away(node, false)?;
        house.speak(node)?;
    }
    for node in LOCKS {
        // It is looked at all the while, not only in the end.
        let mut works = None;
        let path = format!("/locks/{}/slots", house.id(node)?);
        let Household { home, .. } = &mut house;
        let list = if node == 5 { "credentials" } else { "codes" };
        let (hub, mock) = (&mut home.hub, &mut home.mock);
        let mut last = Value::Null;
        hub.wait("the lock to be proven free", Deadline::seconds(240), |client| {
            let held = mock.codes(list, node).ok()?;
            if held.values().any(|code| *code == granted.pin) {
                works = Some(held);
                return Some(());
            }
            last = client.get(&path).ok()?;
            (!items(&last["slots"]).iter().any(is_pending)).then_some(())
        })
        .with_context(|| format!("node {node} shows {last}"))?;
        assert_eq!(works, None, "node {node}: the guest's code works");
    }
    house.home.mock.silence(3000, Deadline::seconds(120))?;
    house.agree(&[&stays.pin], Some(FOREIGN))
}
