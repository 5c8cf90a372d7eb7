//! The journal verified from outside, while the hub runs.

use hubd::token::Scope;

use crate::house::House;

#[tokio::test]
async fn the_chain_is_verified_while_the_hub_runs() {
    let house = House::new().await;
    let mut reader = house.client(Scope::Read).await;
    let path = "/api/v1/events/verification";
    assert_eq!(reader.get(path).await.json()["state"], "idle");
    let refused = reader.send("POST", path, &[], None).await;
    assert_eq!(refused.problem(403), "scope_too_small");
    let mut client = house.client(Scope::Manage).await;
    let begun = client.send("POST", path, &[], None).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let found = loop {
        let shown = client.get(path).await.json();
        if shown["state"] != "running" {
            break shown;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(found["state"], "whole", "{found}");
    let entries = found["entries"].as_u64().unwrap();
    assert!(
        entries > 0 && found["last_seq"].as_u64() == Some(entries),
        "{found}"
    );
    assert_eq!(found["last_hash"].as_str().unwrap().len(), 64);
    assert!(
        found["first_bad"].is_null() && found["ended_at"].is_string(),
        "{found}"
    );
}
