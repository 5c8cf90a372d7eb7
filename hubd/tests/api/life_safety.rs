//! Life safety from outside: the policy, an alarm, what it opens, what is refused, and how it ends.

use hubd::token::Scope;
use hubd_model::{AlarmSignal, Hazard, Report};
use serde_json::{Value, json};

use crate::client::Client;
use crate::house::House;

const POLICY: &str = "/api/v1/life-safety";
const STATE: &str = "/api/v1/life-safety/state";
const INCIDENTS: &str = "/api/v1/life-safety/incidents";

async fn ids(client: &mut Client) -> (String, String) {
    let first = |list: Value| list[0]["id"].as_str().unwrap().to_owned();
    let lock = first(client.get("/api/v1/locks").await.json());
    let alarm = first(client.get("/api/v1/alarms").await.json());
    (lock, alarm)
}

async fn detector(house: &House, signal: AlarmSignal) {
    house
        .say(Report::Alarm {
            device: House::alarm_address(),
            signal,
            authenticated: true,
            frame: vec![0x71, 0x05],
        })
        .await;
}

async fn put(client: &mut Client, path: &str, body: &Value) -> crate::client::Reply {
    client.send("PUT", path, &[], Some(&body.to_string())).await
}

async fn post(client: &mut Client, path: &str, body: &Value) -> crate::client::Reply {
    client.send("POST", path, &[], Some(&body.to_string())).await
}

async fn until(client: &mut Client, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    loop {
        let seen = client.get(path).await.json();
        if done(&seen) {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_alarm_opens_the_chosen_door_and_its_evidence_is_kept() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let (lock, alarm) = ids(&mut client).await;
    let off = client.get(POLICY).await.json();
    assert_eq!(
        (&off["enabled"], &off["version"]),
        (&json!(false), &json!(0)),
        "off until the owner turns it on"
    );
    let policy = json!({"enabled": true, "doors": [{"lock": lock, "at_once": ["smoke"]}]});
    let set = put(&mut client, POLICY, &policy).await;
    assert_eq!(set.status, 200, "{set:?}");
    let set = set.json();
    assert_eq!(
        (&set["version"], &set["doors"][0]["lasting_s"]),
        (&json!(1), &json!(30))
    );
    assert_eq!(client.get("/api/v1/health").await.json()["life_safety"], "armed");

    detector(&house, AlarmSignal::Raised(Hazard::Smoke)).await;
    let state = until(&mut client, STATE, |state| state["state"] == "held").await;
    let incident = state["incident"]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.get("/api/v1/health").await.json()["life_safety"], "held");
    // Nobody locks it from afar while the detector warns.
    let refused = post(
        &mut client,
        &format!("/api/v1/locks/{lock}/commands"),
        &json!({"op": "lock"}),
    )
    .await;
    assert_eq!(refused.problem(409), "held_open");
    let path = format!("{INCIDENTS}/{incident}");
    let refused = post(&mut client, &format!("{path}/close"), &json!({"reason": "over"})).await;
    assert_eq!(refused.problem(409), "still_alarming");

    detector(&house, AlarmSignal::Cleared(Hazard::Smoke)).await;
    until(&mut client, STATE, |state| state["state"] == "restoring").await;
    let locked = post(
        &mut client,
        &format!("/api/v1/locks/{lock}/commands?wait=10"),
        &json!({"op": "lock"}),
    )
    .await;
    assert_eq!(locked.json()["status"], "done");
    let state = until(&mut client, STATE, |state| state["state"] == "armed").await;
    assert_eq!(
        state["unreviewed"],
        json!([incident]),
        "a release waits for somebody to say what it was"
    );
    let seen = client.get(&path).await.json();
    assert_eq!(seen["triggers"][0]["alarm"], json!(alarm));
    assert_eq!(seen["triggers"][0]["frame"], "7105");
    assert_eq!(
        (&seen["policy_version"], &seen["state"]),
        (&json!(1), &json!("closed"))
    );
    assert_eq!(seen["doors"][0]["attempts"][0]["end"]["status"], "done");
    assert!(seen["doors"][0]["latency_ms"].is_u64(), "{seen}");
    let evidence = client.get(&format!("{path}/evidence")).await.json();
    let kinds: Vec<_> = evidence["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap().to_owned())
        .collect();
    for kind in [
        "alarm.raised",
        "incident.opened",
        "incident.released",
        "command.ended",
        "incident.door_opened",
        "incident.held",
        "incident.clear",
        "incident.closed",
    ] {
        assert!(
            kinds.iter().any(|known| known == kind),
            "{kind} is missing in {kinds:?}"
        );
    }
    let review = json!({"false_alarm": true, "reason": "burnt toast"});
    assert_eq!(
        post(&mut client, &format!("{path}/review"), &review).await.status,
        200
    );
    assert_eq!(client.get(STATE).await.json()["unreviewed"], json!([]));

    // It is all there after a restart.
    let house = house.restart().await;
    let mut client = house.client(Scope::Read).await;
    let again = client.get(&path).await.json();
    assert_eq!(again["review"]["false_alarm"], json!(true));
    assert_eq!(again["doors"], seen["doors"]);
    assert_eq!(client.get(POLICY).await.json()["doors"], set["doors"]);
    house.stop().await;
}

#[tokio::test]
async fn a_bad_policy_is_refused_with_what_to_change() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let (lock, alarm) = ids(&mut client).await;
    let cases = [
        (json!({"enabled": true, "doors": []}), "names no door"),
        (
            json!({"enabled": true, "doors": [{"lock": "lock-999"}]}),
            "no such lock",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock, "detectors": ["alarm-999"]}]}),
            "no such detector",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock, "detectors": []}]}),
            "empty list",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock, "hazards": []}]}),
            "names no danger",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock, "hazards": ["smoke"], "at_once": ["co"]}]}),
            "not among its dangers",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock, "detectors": [alarm], "hazards": ["smoke"],
                "second_detector_within_s": 60}]}),
            "only one counts",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock, "lasting_s": 9999}]}),
            "from 1 to 600",
        ),
        (
            json!({"enabled": true, "doors": [{"lock": lock}, {"lock": lock}]}),
            "named twice",
        ),
    ];
    for (policy, said) in cases {
        let refused = put(&mut client, POLICY, &policy).await;
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(refused.problem(400), "bad_policy", "{policy}: {detail}");
        assert!(detail.contains(said), "{policy}: {detail}");
    }
    assert_eq!(client.get(POLICY).await.json()["version"], 0, "nothing was kept");
    let good = json!({"enabled": true, "doors": [{"lock": lock}]});
    assert_eq!(put(&mut client, POLICY, &good).await.status, 200);
    let stale = json!({"from_version": 0, "enabled": false, "doors": []});
    assert_eq!(
        put(&mut client, POLICY, &stale).await.problem(409),
        "policy_moved"
    );
    house.stop().await;
}

#[tokio::test]
async fn maintenance_drills_and_calls_for_help() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let (lock, alarm) = ids(&mut client).await;
    let maintenance = "/api/v1/life-safety/maintenance";
    let too_long = json!({"minutes": 31, "reason": "paint"});
    assert_eq!(
        post(&mut client, maintenance, &too_long).await.problem(400),
        "bad_span"
    );
    let nameless = json!({"minutes": 30, "reason": " "});
    assert_eq!(
        post(&mut client, maintenance, &nameless).await.problem(400),
        "bad_reason"
    );
    let drill = json!({"dry": true});
    let drills = "/api/v1/life-safety/drills";
    assert_eq!(
        post(&mut client, drills, &drill).await.problem(409),
        "no_door_chosen"
    );
    let policy = json!({"enabled": true, "doors": [{"lock": lock, "at_once": ["smoke"]}]});
    assert_eq!(put(&mut client, POLICY, &policy).await.status, 200);

    assert_eq!(
        post(
            &mut client,
            maintenance,
            &json!({"minutes": 30, "reason": "paint"})
        )
        .await
        .status,
        200
    );
    assert_eq!(
        client.get("/api/v1/health").await.json()["life_safety"],
        "maintenance"
    );
    detector(&house, AlarmSignal::Raised(Hazard::Smoke)).await;
    detector(&house, AlarmSignal::Cleared(Hazard::Smoke)).await;
    until(&mut client, "/api/v1/alarms", |alarms| {
        alarms[0]["state"] == "quiet"
    })
    .await;
    assert_eq!(client.get(INCIDENTS).await.json(), json!([]));
    assert_eq!(client.send("DELETE", maintenance, &[], None).await.status, 200);

    let moved = house.moved.load(std::sync::atomic::Ordering::Relaxed);
    let report = post(&mut client, drills, &drill).await.json();
    assert_eq!(
        (&report["state"], &report["passed"]),
        (&json!("ended"), &json!(true)),
        "{report}"
    );
    assert_eq!(
        house.moved.load(std::sync::atomic::Ordering::Relaxed),
        moved,
        "a dry drill moves nothing"
    );
    let real = post(&mut client, drills, &json!({"dry": false})).await;
    assert_eq!(real.status, 202);
    let done = until(&mut client, drills, |drills| drills[0]["state"] == "ended").await;
    assert_eq!(
        (&done[0]["passed"], &done[0]["doors"][0]["state"]),
        (&json!(true), &json!("open")),
        "{done}"
    );
    assert!(client.get(STATE).await.json()["next_drill_at"].is_string());

    let armed = post(&mut client, drills, &json!({"dry": true, "detector": alarm})).await;
    assert_eq!(armed.json()["state"], "armed");
    let cut = client.send("DELETE", drills, &[], None).await.json();
    let sentence = "manage ended it early";
    let found = json!([{"code": "ended_early", "detail": sentence, "by": "manage"}]);
    assert_eq!(
        (&cut["findings"], &cut["found"]),
        (&json!([sentence]), &found),
        "{cut}"
    );
    let told = until(&mut client, "/api/v1/events?kind=drill.ended&limit=1", |events| {
        events[0]["data"]["id"] == cut["id"]
    });
    assert_eq!(told.await[0]["data"]["found"], found);

    let help = post(&mut client, INCIDENTS, &json!({"reason": "he fell"})).await;
    assert_eq!(help.status, 202, "{help:?}");
    let incident = help.json()["id"].as_str().unwrap().to_owned();
    until(&mut client, STATE, |state| state["state"] == "held").await;
    let closed = post(
        &mut client,
        &format!("{INCIDENTS}/{incident}/close"),
        &json!({"reason": "he is well"}),
    )
    .await;
    assert_eq!(closed.json()["state"], "closed", "{closed:?}");
    house.stop().await;
}

#[tokio::test]
async fn a_stored_policy_that_cannot_be_read_is_told_everywhere() {
    let house = House::new().await;
    let mut client = house.client(Scope::Manage).await;
    let (lock, _) = ids(&mut client).await;
    let policy = json!({"enabled": true, "doors": [{"lock": lock, "at_once": ["smoke"]}]});
    assert_eq!(put(&mut client, POLICY, &policy).await.status, 200);
    let house = house
        .restart_after(|folder| {
            let db = rusqlite::Connection::open(folder.join("hubd.db")).unwrap();
            let changed = db.execute("UPDATE life_safety SET row = '{' WHERE kind = 'policy'", []);
            assert_eq!(changed, Ok(1));
        })
        .await;
    let mut client = house.client(Scope::Manage).await;
    let health = client.get("/api/v1/health").await.json();
    assert_eq!(
        (&health["status"], &health["life_safety"]),
        (&json!("degraded"), &json!("unreadable"))
    );
    assert_eq!(client.get(POLICY).await.json()["readable"], json!(false));
    let told = until(&mut client, "/api/v1/events?kind=policy.unreadable", |events| {
        events.as_array().is_some_and(|events| !events.is_empty())
    });
    assert!(
        told.await[0]["data"]["reason"]
            .as_str()
            .unwrap()
            .contains("set the policy anew")
    );
    let moved = house.moved.load(std::sync::atomic::Ordering::Relaxed);
    detector(&house, AlarmSignal::Raised(Hazard::Smoke)).await;
    let state = until(&mut client, STATE, |state| state["incident"].is_object()).await;
    let told = &state["incident"]["escalations"][0];
    assert_eq!(told["code"], "policy_unreadable", "{told}");
    let (what, reason) = (told["what"].as_str().unwrap(), told["reason"].as_str().unwrap());
    assert!(
        what.contains("no door is released") && what.contains(reason),
        "{told}"
    );
    let entry = client.journalled("incident.escalated").await;
    for field in ["what", "code", "reason"] {
        assert_eq!(entry["data"][field], told[field], "{entry}");
    }
    assert_eq!(house.moved.load(std::sync::atomic::Ordering::Relaxed), moved);
    assert_eq!(put(&mut client, POLICY, &policy).await.status, 200);
    assert_eq!(client.get(POLICY).await.json()["readable"], json!(true));
    house.stop().await;
}
