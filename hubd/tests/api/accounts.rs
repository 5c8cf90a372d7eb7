//! People: the first owner, signing in, coming back without phone or password, and what nobody gets away with.

use std::time::Duration;

use hubd::accounts::{chores, setup, totp};
use hubd::api::Limits;
use hubd::clock;
use hubd::store::{AccountChange, change_accounts_beside, list_accounts_beside};
use hubd::token::Scope;
use hubd_model::{SecretString, UnixMillis};
use serde_json::{Value, json};

use crate::client::Client;
use crate::house::House;

const PASSWORD: &str = "four words in a row";

/// The authenticator's code, so many steps from now.
fn code(secret: &str, steps: i64) -> String {
    let at = UnixMillis(clock::unix_millis().0 + steps * 30_000);
    totp::code(secret, at).unwrap()
}

/// The first owner, signed in all the way; the authenticator's secret and the recovery codes.
pub(crate) async fn owner(house: &House) -> (Client, String, Vec<String>) {
    let setup = setup::waiting(house.dir()).unwrap().expect("a setup code waits");
    let mut client = Client::connect(house.address).await;
    let body = json!({"code": setup.expose().to_lowercase(), "name": "Ann", "password": PASSWORD});
    let reply = client.post("/api/v1/setup", &body.to_string()).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.json()["state"], "enrolment");
    let begun = client.send("POST", "/api/v1/account/totp", &[], None).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    let secret = begun.json()["secret"].as_str().unwrap().to_owned();
    // The code of the step before: the present and the next one stay for the test.
    let body = json!({"code": code(&secret, -1)}).to_string();
    let done = client.put("/api/v1/account/totp", &body).await;
    assert_eq!(done.status, 200, "{done:?}");
    let codes = serde_json::from_value(done.json()["recovery_codes"].clone()).unwrap();
    (client, secret, codes)
}

async fn events(house: &House, kind: &str, count: usize) -> Vec<Value> {
    let mut client = house.client(Scope::Read).await;
    loop {
        let page = client.get(&format!("/api/v1/events?kind={kind}")).await.json();
        let page = page.as_array().unwrap().clone();
        if page.len() >= count {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_first_owner_comes_by_the_setup_code_and_does_nothing_without_a_second_factor() {
    let house = House::new().await;
    let mut client = Client::connect(house.address).await;
    assert_eq!(client.get("/api/v1/setup").await.json(), json!({"needed": true}));
    let signed_out = client.get("/api/v1/session").await.json();
    assert_eq!(
        (&signed_out["state"], &signed_out["set_up"]),
        (&json!("signed_out"), &json!(false))
    );
    let try_with =
        |code: &str, password: &str| json!({"code": code, "name": "Ann", "password": password}).to_string();
    let wrong = client
        .post("/api/v1/setup", &try_with("AAAA-BBBB-CCCC", PASSWORD))
        .await;
    assert_eq!(wrong.problem(401), "wrong_code");
    let code_text = setup::waiting(house.dir()).unwrap().unwrap().expose().to_owned();
    let weak = client
        .post("/api/v1/setup", &try_with(&code_text, "password123"))
        .await;
    assert_eq!(weak.problem(400), "weak_password");

    let reply = client
        .post("/api/v1/setup", &try_with(&code_text, PASSWORD))
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let cookie = reply.header("set-cookie").unwrap().to_owned();
    for part in ["hubd=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(reply.json()["rights"], json!([]));
    for (method, path) in [
        ("GET", "/api/v1/locks"),
        ("POST", "/api/v1/locks/x/commands"),
        ("GET", "/api/v1/tokens"),
    ] {
        let reply = client.send(method, path, &[], None).await;
        assert_eq!(reply.problem(403), "second_factor_needed", "{method} {path}");
    }
    assert!(setup::waiting(house.dir()).unwrap().is_none(), "the code is gone");
    let again = Client::connect(house.address)
        .await
        .post("/api/v1/setup", &try_with(&code_text, PASSWORD))
        .await;
    assert_eq!(again.problem(409), "already_set_up");

    let begun = client
        .send("POST", "/api/v1/account/totp", &[], None)
        .await
        .json();
    assert!(
        begun["uri"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/hubd:Ann?secret=")
    );
    let secret = begun["secret"].as_str().unwrap();
    let wrong = client.put("/api/v1/account/totp", r#"{"code":"000000"}"#).await;
    assert!(wrong.status == 401 || code(secret, 0) == "000000", "{wrong:?}");
    let done = client
        .put(
            "/api/v1/account/totp",
            &json!({"code": code(secret, 0)}).to_string(),
        )
        .await;
    assert_eq!(done.json()["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(client.get("/api/v1/locks").await.status, 200);
    let session = client.get("/api/v1/session").await.json();
    assert_eq!(session["state"], "signed_in");
    assert_eq!(
        session["rights"],
        json!(["see", "history", "actuate", "household", "manage"])
    );
    assert_eq!(
        events(&house, "account.created", 1).await[0]["data"]["by"],
        "the setup code"
    );
    assert_eq!(
        events(&house, "session.opened", 1).await[0]["data"]["familiar"],
        false
    );
    house.stop().await;
}

#[tokio::test]
async fn a_sign_in_takes_password_and_second_factor_and_each_code_once() {
    let house = House::new().await;
    let (_, secret, recovery) = owner(&house).await;
    let sign_in = json!({"name": "ann", "password": PASSWORD}).to_string();
    let mut client = Client::connect(house.address).await;
    let half = client.post("/api/v1/session", &sign_in).await;
    assert_eq!(half.json()["state"], "second_factor");
    assert_eq!(half.json()["second_factors"], json!(["totp", "recovery_code"]));
    assert!(half.json().get("account").is_none());
    let half_cookie = client.cookie().to_owned();
    assert_eq!(client.get("/api/v1/locks").await.problem(401), "session_ended");
    assert_eq!(client.get("/api/v1/account").await.problem(401), "session_ended");
    assert_eq!(
        client.get("/api/v1/session").await.json()["state"],
        "second_factor"
    );

    let used = json!({"code": code(&secret, -1)}).to_string();
    let reply = client.post("/api/v1/session/second-factor", &used).await;
    assert_eq!(reply.problem(401), "wrong_code", "it enrolled the authenticator");
    let fresh = json!({"code": code(&secret, 0)}).to_string();
    let whole = client.post("/api/v1/session/second-factor", &fresh).await;
    assert_eq!(whole.json()["state"], "signed_in", "{whole:?}");
    assert_ne!(
        client.cookie(),
        half_cookie,
        "nobody carries a session over a sign-in"
    );
    let mut fixed = Client::connect(house.address).await.with_cookie(&half_cookie);
    assert_eq!(fixed.get("/api/v1/locks").await.problem(401), "session_ended");

    // In one request, with the same code again, then with a recovery code, twice.
    let with =
        |name: &str, value: &str| json!({"name": "Ann", "password": PASSWORD, name: value}).to_string();
    let mut other = Client::connect(house.address).await;
    let replay = other
        .post("/api/v1/session", &with("code", &code(&secret, 0)))
        .await;
    assert_eq!(replay.problem(401), "wrong_code");
    let back = other
        .post("/api/v1/session", &with("recovery_code", &recovery[3]))
        .await;
    assert_eq!(back.json()["state"], "signed_in", "{back:?}");
    assert_eq!(other.get("/api/v1/account").await.json()["recovery_codes"], 9);
    let twice = Client::connect(house.address)
        .await
        .post("/api/v1/session", &with("recovery_code", &recovery[3]))
        .await;
    assert_eq!(twice.problem(401), "wrong_code");
    let both =
        json!({"name": "Ann", "password": PASSWORD, "code": "123456", "recovery_code": "A"}).to_string();
    assert_eq!(
        other.post("/api/v1/session", &both).await.problem(400),
        "bad_field"
    );

    assert_eq!(client.delete("/api/v1/session").await.status, 204);
    assert_eq!(events(&house, "session.ended", 1).await[0]["data"]["name"], "Ann");
    let signed_out = Client::connect(house.address)
        .await
        .get("/api/v1/session")
        .await
        .json();
    assert_eq!(signed_out["state"], "signed_out");
    house.stop().await;
}

#[tokio::test]
async fn guessing_has_to_wait_and_tells_nothing_about_names() {
    let house = House::new().await;
    let (mut known, ..) = owner(&house).await;
    let guess = |name: &str| json!({"name": name, "password": "not the password"}).to_string();
    let mut stranger = Client::connect_from(9, house.address).await;
    let wrong_name = stranger.post("/api/v1/session", &guess("Nobody")).await;
    let wrong_password = stranger.post("/api/v1/session", &guess("Ann")).await;
    assert_eq!(wrong_name.problem(401), "wrong_password");
    assert_eq!(wrong_name.body, wrong_password.body, "the same answer");
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(stranger.post("/api/v1/session", &guess("Ann")).await);
    }
    let told = statuses.last().unwrap();
    assert_eq!(told.problem(429), "too_many_attempts");
    assert!(told.header("retry-after").is_some());
    let right = json!({"name": "Ann", "password": PASSWORD}).to_string();
    let reply = stranger.post("/api/v1/session", &right).await;
    assert_eq!(
        reply.problem(429),
        "too_many_attempts",
        "a guesser who is right has to wait all the same"
    );
    // Her own device, at an address where she signed in, is not held up.
    let mut own = Client::connect(house.address).await;
    assert_eq!(
        own.post("/api/v1/session", &right).await.json()["state"],
        "second_factor"
    );
    assert_eq!(known.get("/api/v1/locks").await.status, 200);
    let refused = events(&house, "session.refused", 1).await;
    assert!(
        refused[0]["data"]["reason"]
            .as_str()
            .unwrap()
            .contains("127.0.0.9"),
        "{refused:?}"
    );
    house.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let house = House::new().await;
    let (mut client, ..) = owner(&house).await;
    let lock = house.lock().await;
    let path = format!("/api/v1/locks/{lock}/commands");
    let body = Some(r#"{"op":"unlock"}"#);
    for headers in [
        [("Origin", "https://evil.example"), ("X-Nothing", "")],
        [("Origin", "null"), ("X-Nothing", "")],
        [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://hub")],
        [("Sec-Fetch-Site", "same-site"), ("X-Nothing", "")],
    ] {
        let reply = client.send("POST", &path, &headers, body).await;
        assert_eq!(reply.problem(403), "foreign_origin", "{headers:?}");
        let sign_in = Some(r#"{"name":"Ann","password":"x"}"#);
        let reply = client.send("POST", "/api/v1/session", &headers, sign_in).await;
        assert_eq!(reply.problem(403), "foreign_origin", "{headers:?}");
        let reply = client.send("DELETE", "/api/v1/session", &headers, None).await;
        assert_eq!(reply.problem(403), "foreign_origin", "{headers:?}");
    }
    assert_eq!(house.moved.load(std::sync::atomic::Ordering::Relaxed), 0);
    for headers in [[("Origin", "http://hub")], [("Sec-Fetch-Site", "same-origin")]] {
        assert_eq!(
            client.send("POST", &path, &headers, body).await.status,
            202,
            "{headers:?}"
        );
    }
    house.stop().await;
}

#[tokio::test]
async fn what_opens_doors_later_asks_again_who_it_is() {
    let house = House::new().await;
    let (mut client, secret, _) = owner(&house).await;
    let made = client
        .post("/api/v1/tokens", r#"{"name":"Panel","scope":"read"}"#)
        .await;
    assert_eq!(made.status, 201, "just proved: {made:?}");
    let id = client.get("/api/v1/session").await.json()["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let long_ago = UnixMillis(clock::unix_millis().0 - 6 * 60_000);
    house
        .store
        .change_account(AccountChange::Confirm(id, long_ago))
        .await
        .unwrap();
    for (method, path, body) in [
        ("POST", "/api/v1/tokens", r#"{"name":"Other","scope":"manage"}"#),
        ("POST", "/api/v1/accounts", r#"{"name":"Ben","role":"owner"}"#),
        ("POST", "/api/v1/account/totp", "{}"),
        ("POST", "/api/v1/account/recovery-codes", "{}"),
        ("POST", "/api/v1/life-safety/sheet.pdf", r#"{"pins":["c1"]}"#),
        ("PUT", "/api/v1/life-safety/sheet", "{}"),
    ] {
        let reply = client.send(method, path, &[], Some(body)).await;
        assert_eq!(reply.problem(403), "confirmation_needed", "{method} {path}");
    }
    assert_eq!(
        client.get("/api/v1/tokens").await.status,
        200,
        "looking needs no proof"
    );
    let with_password = client
        .post(
            "/api/v1/session/confirmation",
            &json!({"password": PASSWORD}).to_string(),
        )
        .await;
    assert_eq!(
        with_password.problem(401),
        "wrong_code",
        "where there is a second factor, it is asked for"
    );
    let with_code = client
        .post(
            "/api/v1/session/confirmation",
            &json!({"code": code(&secret, 0)}).to_string(),
        )
        .await;
    assert_eq!(with_code.status, 200, "{with_code:?}");
    let made = client
        .post("/api/v1/tokens", r#"{"name":"Other","scope":"manage"}"#)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    house.stop().await;
}

#[tokio::test]
async fn people_are_invited_changed_and_removed_and_an_owner_remains() {
    let house = House::new().await;
    let (mut ann, ..) = owner(&house).await;
    let invite = |name: &str, role: &str| json!({"name": name, "role": role}).to_string();
    let ben = ann.post("/api/v1/accounts", &invite("Ben", "resident")).await;
    assert_eq!(ben.status, 201, "{ben:?}");
    let ben = ben.json();
    assert_eq!(
        ann.post("/api/v1/accounts", &invite("BEN", "guest"))
            .await
            .problem(409),
        "name_taken"
    );
    assert_eq!(
        ann.post("/api/v1/accounts", &invite(" Ben", "guest"))
            .await
            .problem(400),
        "bad_name"
    );
    let take =
        |code: &str| json!({"name": "Ben", "code": code, "password": "another row of words"}).to_string();
    let mut client = Client::connect(house.address).await;
    assert_eq!(
        client
            .post("/api/v1/invitation", &take("AAAA-AAAA-AAAA-AAAA"))
            .await
            .problem(401),
        "wrong_code"
    );
    let taken = client
        .post("/api/v1/invitation", &take(ben["invitation"].as_str().unwrap()))
        .await;
    assert_eq!(
        taken.json()["state"],
        "signed_in",
        "a resident may do without a second factor: {taken:?}"
    );
    assert_eq!(client.get("/api/v1/events").await.status, 200);
    assert_eq!(
        client.get("/api/v1/accounts").await.problem(403),
        "role_too_small"
    );
    let used = Client::connect(house.address)
        .await
        .post("/api/v1/invitation", &take(ben["invitation"].as_str().unwrap()))
        .await;
    assert_eq!(used.problem(401), "wrong_code");

    let path = format!("/api/v1/accounts/{}", ben["id"].as_str().unwrap());
    let owner = ann.send("PATCH", &path, &[], Some(r#"{"role":"owner"}"#)).await;
    assert_eq!(owner.json()["role"], "owner", "{owner:?}");
    assert_eq!(
        client.get("/api/v1/locks").await.problem(403),
        "second_factor_needed",
        "he is asked for one now"
    );
    assert_eq!(
        ann.post("/api/v1/accounts", &invite("Cleo", "owner"))
            .await
            .problem(409),
        "too_many_owners"
    );
    let meant = json!({"name": "Cleo", "role": "owner", "further_owner": true}).to_string();
    assert_eq!(ann.post("/api/v1/accounts", &meant).await.status, 201);

    // He lost his phone: she invites him again, and his sessions end.
    let again = ann
        .post(&format!("{path}/invitation"), r#"{"forget_second_factor":true}"#)
        .await;
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!(client.get("/api/v1/account").await.problem(401), "session_ended");
    assert_eq!(ann.delete(&path).await.status, 204);
    assert_eq!(ann.delete(&path).await.problem(404), "no_such_account");
    let accounts = ann.get("/api/v1/accounts").await.json();
    let cleo = accounts
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "Cleo")
        .unwrap();
    assert_eq!(
        ann.delete(&format!("/api/v1/accounts/{}", cleo["id"].as_str().unwrap()))
            .await
            .status,
        204
    );
    let own = ann.get("/api/v1/account").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        ann.delete(&format!("/api/v1/accounts/{own}")).await.problem(409),
        "last_owner"
    );
    let own_invitation = ann
        .post(&format!("/api/v1/accounts/{own}/invitation"), "{}")
        .await;
    assert_eq!(own_invitation.problem(409), "own_account");
    assert_eq!(events(&house, "account.removed", 2).await.len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn a_session_is_ended_elsewhere_and_a_new_password_ends_the_others() {
    let limits = Limits {
        heartbeat: Duration::from_millis(50),
        ..Limits::default()
    };
    let house = House::with(limits).await;
    let (mut here, secret, _) = owner(&house).await;
    let body = json!({"name": "Ann", "password": PASSWORD, "code": code(&secret, 0)}).to_string();
    let mut there = Client::connect(house.address).await;
    assert_eq!(there.post("/api/v1/session", &body).await.status, 200);
    let stream = Client::connect(house.address).await.with_cookie(there.cookie());
    let mut stream = stream.follow("/api/v1/events/stream", &[]).await.unwrap();
    let sessions = here.get("/api/v1/sessions").await.json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    let other = sessions
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["current"] == false)
        .unwrap();
    let path = format!("/api/v1/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(here.delete(&path).await.status, 204);
    assert_eq!(there.get("/api/v1/locks").await.problem(401), "session_ended");
    assert_eq!(here.delete(&path).await.problem(404), "no_such_session");
    while stream.next().await.is_some() {}

    let other = house.sign_in_as("guest").await;
    let mut guest = Client::connect(house.address).await.with_cookie(&other);
    assert_eq!(
        guest
            .get("/api/v1/sessions")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        guest.get("/api/v1/sessions?all=true").await.problem(400),
        "bad_parameter"
    );
    let own = here.get("/api/v1/sessions").await.json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        guest
            .delete(&format!("/api/v1/sessions/{own}"))
            .await
            .problem(404),
        "no_such_session"
    );
    assert_eq!(
        here.get("/api/v1/sessions?all=true")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let (change, wrong) = (
        json!({"present": PASSWORD, "new": "a better row of words"}),
        json!({"present": "something else", "new": "a better row of words"}),
    );
    assert_eq!(
        here.put("/api/v1/account/password", &wrong.to_string())
            .await
            .problem(401),
        "wrong_password"
    );
    assert_eq!(
        here.put("/api/v1/account/password", &change.to_string())
            .await
            .status,
        204
    );
    assert_eq!(here.get("/api/v1/locks").await.status, 200, "this session stays");
    let old = Client::connect(house.address)
        .await
        .post(
            "/api/v1/session",
            &json!({"name": "Ann", "password": PASSWORD}).to_string(),
        )
        .await;
    assert_eq!(old.problem(401), "wrong_password");
    house.stop().await;
}

#[tokio::test]
async fn the_console_is_the_way_back_beside_a_running_hub() {
    let house = House::new().await;
    let (mut ann, ..) = owner(&house).await;
    let row = list_accounts_beside(house.dir()).unwrap().remove(0);
    let password = SecretString::new("words from the console".into());
    let hash = hubd::accounts::console_password("Ann", &password).unwrap();
    let set = AccountChange::SetPassword {
        account: row.id.clone(),
        password: hash,
        keep: None,
    };
    let changes = [set, AccountChange::ForgetFactors(row.id.clone())];
    change_accounts_beside(house.dir(), &changes, (&row.id, "Ann"), "reset at the console").unwrap();
    assert_eq!(ann.get("/api/v1/locks").await.problem(401), "session_ended");
    let body = json!({"name": "Ann", "password": "words from the console"}).to_string();
    let back = Client::connect(house.address)
        .await
        .post("/api/v1/session", &body)
        .await;
    assert_eq!(back.json()["state"], "enrolment", "{back:?}");
    chores::take_notes(&house.store, &house.hub).await;
    let changed = events(&house, "account.changed", 2).await;
    assert!(
        changed
            .iter()
            .any(|one| one["data"]["what"] == "reset at the console"),
        "{changed:?}"
    );
    assert!(house.store.console_notes().unwrap().is_empty());
    let last = AccountChange::Remove(row.id.clone());
    let refused = change_accounts_beside(house.dir(), &[last], (&row.id, "Ann"), "removed").unwrap_err();
    assert!(refused.to_string().contains("last owner"), "{refused}");
    house.stop().await;
}

#[tokio::test]
async fn no_secret_of_a_person_is_shown_again() {
    let house = House::new().await;
    let (mut ann, secret, recovery) = owner(&house).await;
    let cookie = ann.cookie().split_once('=').unwrap().1.to_owned();
    let mut planted = vec![PASSWORD.to_owned(), secret, cookie];
    planted.extend(recovery);
    let mut shown = String::new();
    for path in [
        "/api/v1/events?limit=1000",
        "/api/v1/account",
        "/api/v1/accounts",
        "/api/v1/sessions",
        "/api/v1/session",
    ] {
        let reply = ann.get(path).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        shown.push_str(&reply.body);
    }
    let (folder, _) = house.stop().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            shown.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    for secret in planted {
        assert!(!shown.contains(&secret), "a secret is shown again");
    }
}
