//! Passkeys: made, used for the sign-in and for a fresh proof, forged, lost, and what owners keep.

use hubd::accounts::{chores, setup, totp};
use hubd::api::Limits;
use hubd::clock;
use hubd::store::{AccountChange, PASSKEYS_PER_ACCOUNT_MAX, change_accounts_beside, list_accounts_beside};
use hubd::token::Scope;
use hubd_model::{SecretString, UnixMillis};
use serde_json::{Value, json};

use crate::authenticator::{Authenticator, Says, bytes, text};
use crate::client::{Client, Reply};
use crate::house::House;

const PASSWORD: &str = "four words in a row";
/// The page that everything happens on.
const PAGE: &str = "https://hub.local:8480";
const PASSKEYS: &str = "/api/v1/account/passkeys";
const SECOND: &str = "/api/v1/session/second-factor";
const AGAIN: &str = "/api/v1/session/confirmation";

/// As a browser sends it from this page.
async fn from(client: &mut Client, page: &str, method: &str, path: &str, body: Option<&str>) -> Reply {
    let headers = [("Origin", page), ("Sec-Fetch-Site", "same-origin")];
    client.send(method, path, &headers, body).await
}

/// What the hub asks the browser for.
async fn asked(client: &mut Client, path: &str) -> Value {
    let reply = from(client, PAGE, "POST", path, None).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

/// The first owner, who did not choose a second factor yet.
async fn fresh_owner(house: &House) -> Client {
    let setup = setup::waiting(house.dir()).unwrap().expect("a setup code waits");
    let mut client = Client::connect(house.address).await;
    let body = json!({"code": setup.expose(), "name": "Ann", "password": PASSWORD}).to_string();
    let reply = client.post("/api/v1/setup", &body).await;
    assert_eq!(reply.json()["state"], "enrolment", "{reply:?}");
    client
}

/// Adds a passkey; what the hub answered.
async fn add(client: &mut Client, name: &str) -> (Authenticator, Value) {
    let device = Authenticator::new();
    let asked = asked(client, PASSKEYS).await;
    let body = device.make(name, &asked, PAGE, |_| {});
    let reply = from(client, PAGE, "PUT", PASSKEYS, Some(&body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (device, reply.json())
}

/// The first owner with a passkey alone; the recovery codes.
async fn owner(house: &House) -> (Client, Authenticator, Vec<String>) {
    let mut client = fresh_owner(house).await;
    let (device, added) = add(&mut client, "Phone").await;
    let codes = serde_json::from_value(added["recovery_codes"].clone()).unwrap();
    (client, device, codes)
}

/// Ann after her password, from 127.0.0.`host`.
async fn half(house: &House, host: u8) -> Client {
    let mut client = Client::connect_from(host, house.address).await;
    let body = json!({"name": "Ann", "password": PASSWORD}).to_string();
    let reply = client.post("/api/v1/session", &body).await;
    assert_eq!(reply.json()["state"], "second_factor", "{reply:?}");
    client
}

/// Finishes a sign-in by a passkey.
async fn prove(client: &mut Client, device: &mut Authenticator) -> Reply {
    let asked = asked(client, &format!("{SECOND}/passkey")).await;
    let body = json!({"passkey": device.answer(&asked, PAGE, |_| {})}).to_string();
    from(client, PAGE, "POST", SECOND, Some(&body)).await
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

/// The person of this session proved who they are six minutes ago.
async fn forget_proof(house: &House, client: &mut Client) {
    let id = client.get("/api/v1/session").await.json()["session"].clone();
    let long_ago = UnixMillis(clock::unix_millis().0 - 6 * 60_000);
    let change = AccountChange::Confirm(id.as_str().unwrap().to_owned(), long_ago);
    house.store.change_account(change).await.unwrap();
}

#[tokio::test]
async fn a_first_owner_may_begin_with_a_passkey_and_signs_in_by_it() {
    let house = House::new().await;
    let mut client = fresh_owner(&house).await;
    let asked_for = asked(&mut client, PASSKEYS).await;
    assert_eq!(asked_for["rp_id"], "hub.local");
    assert_eq!(asked_for["algorithms"], json!([-7, -8, -257]));
    assert_eq!(asked_for["exclude"], json!([]));
    assert_eq!(bytes(&asked_for["challenge"]).len(), 32);
    let mut device = Authenticator::new();
    let body = device.make("Ann's phone", &asked_for, PAGE, |_| {});
    let added = from(&mut client, PAGE, "PUT", PASSKEYS, Some(&body)).await;
    assert_eq!(
        added.json()["recovery_codes"].as_array().unwrap().len(),
        10,
        "{added:?}"
    );
    assert_eq!(added.json()["passkey"]["origin"], PAGE);
    let session = client.get("/api/v1/session").await.json();
    assert_eq!(session["state"], "signed_in");
    assert_eq!(session["second_factors"], json!(["passkey", "recovery_code"]));
    assert_eq!(client.get("/api/v1/locks").await.status, 200);
    let again = from(&mut client, PAGE, "PUT", PASSKEYS, Some(&body)).await;
    assert_eq!(
        again.problem(409),
        "passkey_too_late",
        "a challenge is answered once"
    );

    let mut other = half(&house, 1).await;
    assert_eq!(other.get(PASSKEYS).await.problem(401), "session_ended");
    let half_cookie = other.cookie().to_owned();
    let asked_for = asked(&mut other, &format!("{SECOND}/passkey")).await;
    assert_eq!(asked_for["allow"], json!([text(&device.credential)]));
    let user = client.get("/api/v1/account").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = device.answer(&asked_for, PAGE, |says| says.user = Some(user.into_bytes()));
    let body = json!({"passkey": answer}).to_string();
    let whole = from(&mut other, PAGE, "POST", SECOND, Some(&body)).await;
    assert_eq!(whole.json()["state"], "signed_in", "{whole:?}");
    assert_ne!(
        other.cookie(),
        half_cookie,
        "nobody carries a session over a sign-in"
    );

    let mut thief = half(&house, 1).await;
    let replay = from(&mut thief, PAGE, "POST", SECOND, Some(&body)).await;
    assert_eq!(replay.problem(409), "passkey_too_late", "nothing was asked for");
    asked(&mut thief, &format!("{SECOND}/passkey")).await;
    let replay = from(&mut thief, PAGE, "POST", SECOND, Some(&body)).await;
    assert_eq!(
        replay.problem(401),
        "wrong_passkey",
        "it answers another challenge"
    );

    let list = client.get(PASSKEYS).await.json();
    assert_eq!(list[0]["name"], "Ann's phone");
    assert!(
        list[0]["used_at"].is_string() && list.as_array().unwrap().len() == 1,
        "{list}"
    );
    let changed = events(&house, "account.changed", 1).await;
    assert_eq!(
        changed[0]["data"]["what"],
        "the passkey Ann's phone was added, with new recovery codes"
    );
    let opened = events(&house, "session.opened", 2).await;
    assert!(
        opened.iter().any(|one| one["data"]["factor"] == "passkey"),
        "{opened:?}"
    );
    house.stop().await;
}

#[tokio::test]
async fn no_forged_answer_finishes_a_sign_in() {
    let house = House::new().await;
    let (mut ann, mut device, _) = owner(&house).await;
    let mut strange = Authenticator::new();
    strange.credential.clone_from(&device.credential);
    // Ben has a passkey, too: his is not hers.
    let made = ann
        .post("/api/v1/accounts", r#"{"name":"Ben","role":"resident"}"#)
        .await
        .json();
    let body =
        json!({"name": "Ben", "code": made["invitation"], "password": "another row of words"}).to_string();
    let mut ben = Client::connect(house.address).await;
    assert_eq!(
        ben.post("/api/v1/invitation", &body).await.json()["state"],
        "signed_in"
    );
    let (mut his, _) = add(&mut ben, "Ben's key").await;

    // What was given for a fresh proof, or to another browser, finishes no sign-in.
    let for_proof = asked(&mut ann, &format!("{AGAIN}/passkey")).await;
    let mut forger = half(&house, 1).await;
    let body = json!({"passkey": device.answer(&for_proof, PAGE, |_| {})}).to_string();
    let reply = from(&mut forger, PAGE, "POST", SECOND, Some(&body)).await;
    assert_eq!(reply.problem(409), "passkey_too_late");
    asked(&mut forger, &format!("{SECOND}/passkey")).await;
    let reply = from(&mut forger, PAGE, "POST", SECOND, Some(&body)).await;
    assert_eq!(reply.problem(401), "wrong_passkey");

    type Lie = fn(&mut Says);
    let lies: &[(&str, Lie)] = &[
        ("a new passkey", |says| says.kind = "webauthn.create".into()),
        ("another challenge", |says| says.challenge = text(&[1; 32])),
        ("no challenge", |says| says.challenge = String::new()),
        ("another port", |says| says.origin = "https://hub.local".into()),
        ("another site", |says| {
            says.origin = "https://hub.local.evil.example".into();
        }),
        ("plain http", |says| says.origin = "http://hub.local:8480".into()),
        ("in a frame", |says| says.cross_origin = true),
        ("another name", |says| says.name = "evil.example".into()),
        ("nobody there", |says| says.flags = 0x04),
        ("nobody recognised", |says| says.flags = 0x01),
        ("copied, though it cannot be", |says| says.flags |= 0x10),
        ("an old counter", |says| says.counter = 0),
        ("the same counter", |says| says.counter -= 1),
        ("another id", |says| says.credential[0] ^= 1),
        ("another person", |says| {
            says.user = Some(b"account-none".to_vec());
        }),
    ];
    // So that there is a counter to fall behind.
    assert_eq!(prove(&mut half(&house, 1).await, &mut device).await.status, 200);
    for (about, lie) in lies {
        let mut forger = half(&house, 1).await;
        let asked_for = asked(&mut forger, &format!("{SECOND}/passkey")).await;
        let body = json!({"passkey": device.answer(&asked_for, PAGE, lie)}).to_string();
        let reply = from(&mut forger, PAGE, "POST", SECOND, Some(&body)).await;
        assert_eq!(reply.problem(401), "wrong_passkey", "{about}");
        assert_eq!(
            forger.get("/api/v1/session").await.json()["state"],
            "second_factor",
            "{about}"
        );
        // The challenge is used up, also for the truth.
        let body = json!({"passkey": device.answer(&asked_for, PAGE, |_| {})}).to_string();
        let reply = from(&mut forger, PAGE, "POST", SECOND, Some(&body)).await;
        assert_eq!(reply.problem(409), "passkey_too_late", "{about}");
        let right = prove(&mut forger, &mut device).await;
        assert_eq!(right.json()["state"], "signed_in", "{about}: {right:?}");
    }
    for other in [&mut strange, &mut his] {
        let mut forger = half(&house, 1).await;
        let asked_for = asked(&mut forger, &format!("{SECOND}/passkey")).await;
        assert_eq!(asked_for["allow"].as_array().unwrap().len(), 1);
        let body = json!({"passkey": other.answer(&asked_for, PAGE, |says| says.counter = 999)}).to_string();
        let reply = from(&mut forger, PAGE, "POST", SECOND, Some(&body)).await;
        assert_eq!(reply.problem(401), "wrong_passkey");
    }
    // Bytes that are none, and more than one proof.
    let mut forger = half(&house, 1).await;
    for (body, code) in [
        (
            json!({"passkey": {"credential": "=", "client_data": "", "authenticator_data": "", "signature": ""}}),
            "bad_field",
        ),
        (
            json!({"passkey": {"credential": text(&[0; 1024]), "client_data": "", "authenticator_data": "", "signature": ""}}),
            "bad_field",
        ),
        (json!({"passkey": {"credential": "AA"}}), "missing_field"),
        (
            json!({"code": "123456", "passkey": device.answer(&for_proof, PAGE, |_| {})}),
            "bad_field",
        ),
        (json!({}), "missing_field"),
    ] {
        let reply = from(&mut forger, PAGE, "POST", SECOND, Some(&body.to_string())).await;
        assert_eq!(reply.problem(400), code, "{body}");
    }
    let refused = events(&house, "session.refused", 1).await;
    assert!(
        refused[0]["data"]["reason"].as_str().unwrap().contains("passkey"),
        "{refused:?}"
    );
    house.stop().await;
}

#[tokio::test]
async fn guessing_with_passkeys_has_to_wait_as_with_codes() {
    let house = House::new().await;
    let (_, _, _) = owner(&house).await;
    let mut stranger = half(&house, 9).await;
    let mut last = None;
    for _ in 0..12 {
        let asked_for = asked(&mut stranger, &format!("{SECOND}/passkey")).await;
        let body = json!({"passkey": Authenticator::new().answer(&asked_for, PAGE, |_| {})}).to_string();
        last = Some(from(&mut stranger, PAGE, "POST", SECOND, Some(&body)).await);
    }
    let last = last.unwrap();
    assert_eq!(last.problem(429), "too_many_attempts");
    assert!(last.header("retry-after").is_some());
    house.stop().await;
}

#[tokio::test]
async fn only_a_passkey_that_was_asked_for_is_added_and_each_once() {
    let house = House::new().await;
    let mut client = fresh_owner(&house).await;
    type Lie = fn(&mut Says);
    let lies: &[(&str, Lie)] = &[
        ("used, not made", |says| says.kind = "webauthn.get".into()),
        ("another challenge", |says| says.challenge = text(&[1; 32])),
        ("another page", |says| says.origin = "https://evil.example".into()),
        ("in a frame", |says| says.cross_origin = true),
        ("another name", |says| says.name = "evil.example".into()),
        ("nobody there", |says| says.flags = 0x44),
        ("nobody recognised", |says| says.flags = 0x41),
        ("no passkey in it", |says| says.flags = 0x05),
        ("an id that is too long", |says| says.credential = vec![1; 1024]),
    ];
    for (about, lie) in lies {
        let asked_for = asked(&mut client, PASSKEYS).await;
        let body = Authenticator::new().make("Phone", &asked_for, PAGE, lie);
        let reply = from(&mut client, PAGE, "PUT", PASSKEYS, Some(&body)).await;
        assert_eq!(reply.problem(400), "bad_passkey", "{about}");
    }
    assert_eq!(client.get(PASSKEYS).await.json(), json!([]));
    for name in ["", " Phone", "a\nb"] {
        let asked_for = asked(&mut client, PASSKEYS).await;
        let body = Authenticator::new().make(name, &asked_for, PAGE, |_| {});
        let reply = from(&mut client, PAGE, "PUT", PASSKEYS, Some(&body)).await;
        assert_eq!(reply.problem(400), "bad_name", "{name:?}");
    }
    let (device, _) = add(&mut client, "Phone").await;
    let asked_for = asked(&mut client, PASSKEYS).await;
    assert_eq!(asked_for["exclude"], json!([text(&device.credential)]));
    let body = device.make("Phone again", &asked_for, PAGE, |_| {});
    let known = from(&mut client, PAGE, "PUT", PASSKEYS, Some(&body)).await;
    assert_eq!(known.problem(409), "passkey_known");
    for number in 1..PASSKEYS_PER_ACCOUNT_MAX {
        let (_, added) = add(&mut client, &format!("Key {number}")).await;
        assert_eq!(added["recovery_codes"], json!([]), "the present ones stay");
    }
    let full = from(&mut client, PAGE, "POST", PASSKEYS, None).await;
    assert_eq!(full.problem(409), "too_many_passkeys");
    house.stop().await;
}

#[tokio::test]
async fn a_passkey_belongs_to_the_page_that_it_was_made_for() {
    let limits = Limits {
        secure: true,
        ..Limits::default()
    };
    let house = House::with(limits).await;
    let (mut client, ..) = owner(&house).await;
    for page in [
        "https://192.168.1.4:8480",
        "https://[fe80::1]:8480",
        "http://hub.local:8480",
        "null",
    ] {
        let reply = from(&mut client, page, "POST", PASSKEYS, None).await;
        assert_eq!(reply.problem(409), "passkeys_need_a_name", "{page}");
    }
    let local = from(&mut client, "http://localhost:8480", "POST", PASSKEYS, None).await;
    assert_eq!(local.json()["rp_id"], "localhost", "{local:?}");
    // Who is no browser names no page: then it is the one that was asked, here over TLS.
    let named = client.send("POST", PASSKEYS, &[], None).await;
    assert_eq!(named.json()["rp_id"], "hub", "{named:?}");
    let mut other = half(&house, 1).await;
    for page in [
        "https://hub.local",
        "https://hub.lan:8480",
        "http://localhost:8480",
    ] {
        let reply = from(&mut other, page, "POST", &format!("{SECOND}/passkey"), None).await;
        assert_eq!(reply.problem(409), "no_passkey_here", "{page}");
    }
    house.stop().await;
    let plain = House::new().await;
    let mut client = fresh_owner(&plain).await;
    let named = client.send("POST", PASSKEYS, &[], None).await;
    assert_eq!(named.problem(409), "passkeys_need_a_name", "not under TLS");
    plain.stop().await;
}

#[tokio::test]
async fn a_passkey_is_a_fresh_proof_for_secrets_policies_and_doors() {
    let house = House::new().await;
    let (mut client, mut device, codes) = owner(&house).await;
    let protect = client.put("/api/v1/security", r#"{"confirm_unlock":true}"#).await;
    assert_eq!(protect.status, 200, "{protect:?}");
    forget_proof(&house, &mut client).await;
    let unlock = format!("/api/v1/locks/{}/commands", house.lock().await);
    for (method, path, body) in [
        ("POST", unlock.as_str(), r#"{"op":"unlock"}"#),
        ("POST", "/api/v1/credentials/none/reveal", "{}"),
        ("PUT", "/api/v1/life-safety", "{}"),
        ("POST", PASSKEYS, "{}"),
        ("DELETE", "/api/v1/account/passkeys/none", "{}"),
    ] {
        let reply = from(&mut client, PAGE, method, path, Some(body)).await;
        assert_eq!(reply.problem(403), "confirmation_needed", "{method} {path}");
    }
    let by_password = client
        .post(AGAIN, &json!({"password": PASSWORD}).to_string())
        .await;
    assert_eq!(
        by_password.problem(401),
        "wrong_code",
        "the second factor is asked for"
    );
    let asked_for = asked(&mut client, &format!("{AGAIN}/passkey")).await;
    let lie = json!({"passkey": device.answer(&asked_for, PAGE, |says| says.flags = 0x01)}).to_string();
    assert_eq!(
        from(&mut client, PAGE, "POST", AGAIN, Some(&lie))
            .await
            .problem(401),
        "wrong_passkey"
    );
    let asked_for = asked(&mut client, &format!("{AGAIN}/passkey")).await;
    let body = json!({"passkey": device.answer(&asked_for, PAGE, |_| {})}).to_string();
    let confirmed = from(&mut client, PAGE, "POST", AGAIN, Some(&body)).await;
    assert_eq!(confirmed.json()["state"], "signed_in", "{confirmed:?}");
    let moved = client.post(&unlock, r#"{"op":"unlock"}"#).await;
    assert_eq!(moved.status, 202, "{moved:?}");
    forget_proof(&house, &mut client).await;
    let by_code = client
        .post(AGAIN, &json!({"recovery_code": codes[0]}).to_string())
        .await;
    assert_eq!(by_code.status, 200, "{by_code:?}");
    house.stop().await;
}

#[tokio::test]
async fn an_owner_keeps_a_second_factor_and_who_has_none_keeps_no_recovery_code() {
    let house = House::new().await;
    let (mut ann, mut device, _) = owner(&house).await;
    let id = ann.get(PASSKEYS).await.json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{PASSKEYS}/{id}");
    assert_eq!(ann.delete(&path).await.problem(409), "second_factor_needed");
    assert_eq!(
        prove(&mut half(&house, 1).await, &mut device).await.status,
        200,
        "it is still there"
    );
    assert_eq!(
        ann.delete("/api/v1/account/totp").await.problem(409),
        "no_second_factor"
    );
    // An authenticator beside it: either may go, not both.
    let secret = ann.send("POST", "/api/v1/account/totp", &[], None).await.json()["secret"].clone();
    let code = totp::code(secret.as_str().unwrap(), clock::unix_millis()).unwrap();
    let done = ann
        .put("/api/v1/account/totp", &json!({"code": code}).to_string())
        .await;
    assert_eq!(done.status, 200, "{done:?}");
    let factors = ann.get("/api/v1/account").await.json()["second_factors"].clone();
    assert_eq!(factors, json!(["totp", "passkey", "recovery_code"]));
    assert_eq!(ann.delete("/api/v1/account/totp").await.status, 204);
    assert_eq!(
        ann.get("/api/v1/account").await.json()["recovery_codes"],
        10,
        "they stay"
    );
    assert_eq!(ann.delete(&path).await.problem(409), "second_factor_needed");
    let (_, added) = add(&mut ann, "Key").await;
    assert_eq!(ann.delete(&path).await.status, 204);
    assert_eq!(ann.delete(&path).await.problem(404), "no_such_passkey");
    let mut half_in = half(&house, 1).await;
    let asked_for = asked(&mut half_in, &format!("{SECOND}/passkey")).await;
    let body = json!({"passkey": device.answer(&asked_for, PAGE, |_| {})}).to_string();
    let reply = from(&mut half_in, PAGE, "POST", SECOND, Some(&body)).await;
    assert_eq!(reply.problem(401), "wrong_passkey", "it was removed");
    let changed = events(&house, "account.changed", 5).await;
    assert!(
        changed
            .iter()
            .any(|one| one["data"]["what"] == "the passkey Phone was removed"),
        "{changed:?}"
    );

    // A resident may do without, and nobody removes what is another's.
    let made = ann
        .post("/api/v1/accounts", r#"{"name":"Ben","role":"resident"}"#)
        .await
        .json();
    let body =
        json!({"name": "Ben", "code": made["invitation"], "password": "another row of words"}).to_string();
    let mut ben = Client::connect(house.address).await;
    let mut elsewhere = Client::connect(house.address).await;
    assert_eq!(
        ben.post("/api/v1/invitation", &body).await.json()["state"],
        "signed_in"
    );
    let sign_in = json!({"name": "Ben", "password": "another row of words"}).to_string();
    assert_eq!(
        elsewhere.post("/api/v1/session", &sign_in).await.json()["state"],
        "signed_in"
    );
    let hers = format!("{PASSKEYS}/{}", added["passkey"]["id"].as_str().unwrap());
    assert_eq!(ben.delete(&hers).await.problem(404), "no_such_passkey");
    let (_, own) = add(&mut ben, "Ben's key").await;
    assert_eq!(
        elsewhere.get("/api/v1/locks").await.problem(401),
        "session_ended",
        "opened without it"
    );
    assert_eq!(ben.get("/api/v1/account").await.json()["recovery_codes"], 10);
    let own = format!("{PASSKEYS}/{}", own["passkey"]["id"].as_str().unwrap());
    assert_eq!(ben.delete(&own).await.status, 204);
    let account = ben.get("/api/v1/account").await.json();
    assert_eq!(
        (&account["second_factors"], &account["recovery_codes"]),
        (&json!([]), &json!(0))
    );
    house.stop().await;
}

#[tokio::test]
async fn a_lost_passkey_is_replaced_after_a_recovery_code_or_at_the_console() {
    let house = House::new().await;
    let (_, _, codes) = owner(&house).await;
    // The phone is gone: a recovery code opens, once, and a new one takes the old one's place.
    let mut back = half(&house, 1).await;
    let body = json!({"recovery_code": codes[2]}).to_string();
    let whole = back.post(SECOND, &body).await;
    assert_eq!(whole.json()["state"], "signed_in", "{whole:?}");
    assert_eq!(
        half(&house, 1).await.post(SECOND, &body).await.problem(401),
        "wrong_code"
    );
    let lost = back.get(PASSKEYS).await.json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut new, added) = add(&mut back, "New phone").await;
    assert_eq!(added["recovery_codes"], json!([]));
    assert_eq!(back.delete(&format!("{PASSKEYS}/{lost}")).await.status, 204);
    assert_eq!(prove(&mut half(&house, 1).await, &mut new).await.status, 200);

    // It is known after a restart, too.
    let house = house.restart().await;
    assert_eq!(prove(&mut half(&house, 1).await, &mut new).await.status, 200);

    // That one is gone, and the codes with it.
    let row = list_accounts_beside(house.dir()).unwrap().remove(0);
    assert_eq!((row.totp.is_some(), row.passkeys.len()), (false, 1));
    let password = SecretString::new("words from the console".into());
    let set = AccountChange::SetPassword {
        account: row.id.clone(),
        password: hubd::accounts::console_password("Ann", &password).unwrap(),
        keep: None,
    };
    let changes = [set, AccountChange::ForgetFactors(row.id.clone())];
    change_accounts_beside(house.dir(), &changes, (&row.id, "Ann"), "reset at the console").unwrap();
    let body = json!({"name": "Ann", "password": "words from the console"}).to_string();
    let mut client = Client::connect(house.address).await;
    let again = client.post("/api/v1/session", &body).await;
    assert_eq!(again.json()["state"], "enrolment", "{again:?}");
    assert_eq!(client.get(PASSKEYS).await.json(), json!([]));
    chores::take_notes(&house.store, &house.hub).await;
    let (_, added) = add(&mut client, "Third phone").await;
    assert_eq!(added["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(client.get("/api/v1/locks").await.status, 200);
    house.stop().await;
}
