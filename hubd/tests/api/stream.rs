//! The journal as pages and as a live stream: every entry once, in order, whatever a client does.

use std::time::Duration;

use hubd::api::Limits;
use hubd::token::Scope;
use hubd_model::{LockSignal, Report};

use crate::client::Client;
use crate::house::{House, LOCK, address};

const STREAM: &str = "/api/v1/events/stream";

#[tokio::test]
async fn pages_go_forth_and_back_without_loss_or_doubling() {
    let house = House::new().await;
    for number in 0..50 {
        house.door(number % 2 == 0).await;
    }
    let mut client = house.client(Scope::Read).await;
    let seqs = |page: &serde_json::Value| -> Vec<u64> {
        page.as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["seq"].as_u64().unwrap())
            .collect()
    };
    let newest = loop {
        let page = client
            .get("/api/v1/events?kind=lock.door&limit=1000")
            .await
            .json();
        if page.as_array().unwrap().len() == 50 {
            break seqs(&page)[0];
        }
    };
    let mut forth = Vec::new();
    loop {
        let after = forth.last().copied().unwrap_or(0);
        let page = client
            .get(&format!("/api/v1/events?after={after}&limit=7"))
            .await
            .json();
        if page.as_array().unwrap().is_empty() {
            break;
        }
        forth.extend(seqs(&page));
    }
    assert_eq!(forth, (1..=newest).collect::<Vec<_>>());
    let mut back = Vec::new();
    loop {
        let before = back.last().map_or(String::new(), |seq| format!("&before={seq}"));
        let page = client
            .get(&format!("/api/v1/events?limit=7{before}"))
            .await
            .json();
        if page.as_array().unwrap().is_empty() {
            break;
        }
        back.extend(seqs(&page));
    }
    back.reverse();
    assert_eq!(back, forth);
    let lock = house.lock().await;
    let doors = client
        .get(&format!(
            "/api/v1/events?after=0&lock={lock}&kind=lock.door&limit=1000"
        ))
        .await
        .json();
    assert_eq!(doors[0]["data"]["door"], "open");
    assert_eq!(doors[0]["lock"], lock.as_str());
    assert!(doors[0]["alarm"].is_null() && doors[0]["person"].is_null());
    let none = client
        .get("/api/v1/events?from=2999-01-01T00:00:00%2B01:00")
        .await
        .json();
    assert_eq!(none, serde_json::json!([]));
    house.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_and_resumed_under_load_has_every_entry_once() {
    const EVENTS: usize = 3000;
    let house = House::new().await;
    let (radio, token, at) = (
        house.radio.clone(),
        house.token(Scope::Read).to_owned(),
        house.address,
    );
    let load = tokio::spawn(async move {
        for number in 0..EVENTS {
            let door = if number % 2 == 0 {
                hubd_model::DoorState::Open
            } else {
                hubd_model::DoorState::Closed
            };
            let report = Report::Lock {
                device: address(LOCK),
                signal: LockSignal::Door(door),
            };
            radio
                .send(hubd_zwave::io::FromRadio::Report(report))
                .await
                .unwrap();
        }
    });
    let follow = |number: usize| {
        let token = token.clone();
        async move {
            // Each follower leaves after a different number of events, and comes back where it was.
            let mut seen: Vec<u64> = Vec::new();
            let mut doors = 0;
            let mut patience = 1 + number * 37;
            while doors < EVENTS {
                let client = Client::connect(at).await.with_token(&token);
                let last = seen.last().copied().unwrap_or(0).to_string();
                let mut events = if seen.is_empty() {
                    client.follow(&format!("{STREAM}?after=0"), &[]).await.unwrap()
                } else {
                    // The header outranks the parameter, as with a browser that comes back to the same address.
                    client
                        .follow(&format!("{STREAM}?after=0"), &[("Last-Event-ID", &last)])
                        .await
                        .unwrap()
                };
                for _ in 0..patience {
                    let event = events.next().await.unwrap();
                    doors += usize::from(event.data["kind"] == "lock.door");
                    seen.push(event.id);
                    if doors == EVENTS {
                        break;
                    }
                }
                patience = patience * 3 / 2 + 1;
            }
            seen
        }
    };
    let (one, two, three) = tokio::join!(follow(0), follow(1), follow(5));
    load.await.unwrap();
    for seen in [one, two, three] {
        let last = seen.len() as u64;
        assert_eq!(seen, (1..=last).collect::<Vec<_>>(), "every entry once, in order");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_filtered_stream_has_only_what_was_asked_for() {
    let house = House::new().await;
    let client = house.client(Scope::Read).await;
    let mut events = client
        .follow(&format!("{STREAM}?kind=lock.tampered"), &[])
        .await
        .unwrap();
    house.door(true).await;
    house
        .say(Report::Lock {
            device: address(LOCK),
            signal: LockSignal::Tampered,
        })
        .await;
    let event = events.next().await.unwrap();
    assert_eq!(event.data["kind"], "lock.tampered");
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_knows_more_than_the_journal_is_not_left_waiting() {
    let house = House::new().await;
    let client = house.client(Scope::Read).await;
    let mut events = client
        .follow(STREAM, &[("Last-Event-ID", "999999")])
        .await
        .unwrap();
    house.door(true).await;
    while events.next().await.unwrap().data["kind"] != "lock.door" {}
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_and_can_resume() {
    const EVENTS: u64 = 4_000;
    let limits = Limits {
        patience: Duration::from_millis(300),
        streams_max: 1,
        ..Limits::default()
    };
    let house = House::with(limits).await;
    let narrow = Client::connect_narrow(house.address)
        .await
        .with_token(house.token(Scope::Read));
    let mut asleep = narrow.follow(&format!("{STREAM}?after=0"), &[]).await.unwrap();
    let first = asleep.next().await.unwrap().id;
    let refused = house
        .client(Scope::Read)
        .await
        .follow(STREAM, &[])
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.problem(503), "too_many_streams");
    for number in 0..EVENTS {
        house.door(number % 2 == 0).await;
    }
    // The place is free again once the sleeper is cut.
    let resumed = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let client = house.client(Scope::Read).await;
            match client
                .follow(STREAM, &[("Last-Event-ID", &first.to_string())])
                .await
            {
                Ok(events) => return events,
                Err(reply) => assert_eq!(reply.problem(503), "too_many_streams"),
            }
            tokio::task::yield_now().await;
        }
    });
    let mut resumed = resumed.await.expect("the sleeper is cut");
    for expected in first + 1..EVENTS {
        assert_eq!(resumed.next().await.unwrap().id, expected);
    }
    house.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_removed_and_when_the_hub_stops() {
    let limits = Limits {
        heartbeat: Duration::from_millis(20),
        ..Limits::default()
    };
    let house = House::with(limits).await;
    let mut events = house.client(Scope::Read).await.follow(STREAM, &[]).await.unwrap();
    let mut other = house
        .client(Scope::Actuate)
        .await
        .follow(STREAM, &[])
        .await
        .unwrap();
    let removed = house.token(Scope::Read).split('_').nth(1).unwrap().to_owned();
    let reply = house
        .client(Scope::Manage)
        .await
        .delete(&format!("/api/v1/tokens/{removed}"))
        .await;
    assert_eq!(reply.status, 204);
    while let Some(event) = events.next().await {
        assert_eq!(event.data["kind"], "token.removed");
    }
    assert_eq!(other.next().await.unwrap().data["kind"], "token.removed");
    house.begin_to_stop();
    assert!(other.next().await.is_none());
    house.stop().await;
}
