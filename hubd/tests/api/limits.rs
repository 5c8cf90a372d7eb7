//! What one client does never holds up another.

use std::time::Duration;

use hubd::api::Limits;
use hubd::token::Scope;

use crate::client::Client;
use crate::house::House;

#[tokio::test]
async fn strangers_who_hold_connections_shut_out_nobody() {
    let house = House::with(Limits {
        connections_max: 8,
        ..Limits::default()
    })
    .await;
    let mut old = house.client(Scope::Read).await;
    assert_eq!(old.get("/api/v1/locks").await.status, 200);
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let mut stranger = Client::connect(house.address).await;
        stranger.raw(b"GET /api/v1/locks HTTP/1.1\r\nHost: hub\r\n").await;
        strangers.push(stranger);
    }
    assert_eq!(old.get("/api/v1/locks").await.status, 200, "who was there stays");
    let mut new = house.client(Scope::Read).await;
    assert_eq!(
        new.get("/api/v1/locks").await.status,
        200,
        "who comes finds a place"
    );
    house.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let limits = Limits {
        header_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let house = House::with(limits).await;
    let mut slow = Client::connect(house.address).await;
    slow.raw(b"GET /api/v1/health HTTP/1.1\r\nHost: hub\r\nX-Slow: ")
        .await;
    let end = tokio::time::timeout(Duration::from_secs(10), slow.reply("GET"))
        .await
        .expect("the server hangs up");
    assert!(
        end.is_none_or(|reply| reply.status == 408),
        "no answer to half a request"
    );
    house.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_request_end_only_their_connection() {
    let limits = Limits {
        header_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let house = House::with(limits).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut client = Client::connect(house.address).await;
        client.raw(bytes).await;
        client.raw(b"\r\n\r\n").await;
        let reply = tokio::time::timeout(Duration::from_secs(10), client.reply("GET"))
            .await
            .expect("an end");
        assert!(reply.is_none_or(|reply| reply.status == 400 || reply.status == 401));
    }
    assert_eq!(
        house.client(Scope::Read).await.get("/api/v1/locks").await.status,
        200
    );
    house.stop().await;
}
