//! The command line at the hub that runs: people, what opens doors for them, and slots, with the same checks as over the
//! network.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hubd::token::Scope;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::House;

/// A configuration for a hub in this folder.
fn config(folder: &Path, data: &Path) -> String {
    let path = folder.join("hubd.toml");
    std::fs::write(&path, format!("data_dir = {:?}\n", data.display().to_string())).unwrap();
    path.display().to_string()
}

/// Runs a command without stopping the hub that runs in this process.
async fn hubd(config: &str, arguments: &[&str], input: &'static str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
    command
        .args(arguments)
        .args(["--config", config])
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // A command that does not read is told nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

async fn good(config: &str, arguments: &[&str], input: &'static str) -> String {
    let output = hubd(config, arguments, input).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

async fn json(config: &str, arguments: &[&str], input: &'static str) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&good(config, &arguments, input).await).unwrap()
}

async fn refused(config: &str, arguments: &[&str], words: &[&str]) {
    let output = hubd(config, arguments, "").await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    for word in words {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
}

#[tokio::test]
async fn people_and_their_credentials_are_kept_from_the_command_line() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let at = config(folder.path(), house.dir());
    let at = at.as_str();
    assert!(
        good(at, &["person", "list"], "")
            .await
            .contains("There is nobody")
    );
    let ann = json(at, &["person", "add", "Ann", "--role", "resident"], "").await;
    assert_eq!((&ann["name"], &ann["role"]), (&"Ann".into(), &"resident".into()));
    good(
        at,
        &[
            "person",
            "change",
            "Ann",
            "--role",
            "owner",
            "--may-sign-in",
            "true",
        ],
        "",
    )
    .await;
    let people = json(at, &["person", "list"], "").await;
    assert_eq!(
        (&people[0]["role"], &people[0]["may_sign_in"]),
        (&"owner".into(), &true.into())
    );
    refused(
        at,
        &["person", "change", "Bob", "--name", "B"],
        &["there is no person", "Ann"],
    )
    .await;

    // The hub draws a PIN, or takes one from standard input; neither is shown again unless somebody asks for it.
    let add = ["credential", "add", "--person", "Ann", "--label", "daily"];
    let drawn = json(at, &add, "").await;
    let pin = drawn["pin"].as_str().unwrap().to_owned();
    let typed = [
        "credential",
        "add",
        "--person",
        "Ann",
        "--pin-stdin",
        "--from",
        "2026-12-01T10:00:00Z",
        "--weekly",
        "mon-wed 08:00-12:30",
        "--uses",
        "3",
    ];
    let given = json(at, &typed, "739416\n").await;
    assert_eq!(given.get("pin"), None, "who gave it knows it");
    assert_eq!(
        given["schedule"]["weekly"].as_array().unwrap().len(),
        3,
        "{given}"
    );
    assert_eq!(given["uses_left"], 3);
    let id = given["id"].as_str().unwrap().to_owned();
    let shown = good(at, &["credential", "list", "--person", "Ann"], "").await;
    assert!(
        shown.contains("daily") && !shown.contains(&pin) && !shown.contains("739416"),
        "{shown}"
    );
    let changed = json(at, &["credential", "change", &id, "--label", "cleaner"], "").await;
    assert_eq!(changed["uses_left"], 3, "what is not named stays: {changed}");
    assert_eq!(changed["schedule"], given["schedule"], "{changed}");
    let changed = json(
        at,
        &["credential", "change", &id, "--always", "--no-uses-limit"],
        "",
    )
    .await;
    assert_eq!(
        (changed.get("uses_left"), &changed["schedule"]),
        (None, &serde_json::json!({}))
    );
    refused(at, &["credential", "change", &id], &["nothing is named"]).await;

    // A secret is shown only when it is meant, and that is recorded with who asked.
    refused(at, &["credential", "reveal", &id], &["--yes"]).await;
    assert_eq!(
        good(at, &["credential", "reveal", &id, "--yes"], "").await,
        "739416\n"
    );
    let mut client = house.client(Scope::Read).await;
    let revealed = client.get("/api/v1/events?kind=credential.revealed").await.json();
    assert_eq!(revealed.as_array().unwrap().len(), 1, "{revealed}");
    assert_eq!(revealed[0]["data"]["by"], "the command line", "{revealed}");
    let rotated = json(at, &["credential", "rotate", &id], "").await;
    assert_ne!(rotated["pin"], "739416");

    refused(at, &["credential", "remove", &id], &["--yes"]).await;
    good(at, &["credential", "remove", &id, "--yes"], "").await;
    good(at, &["person", "remove", "Ann", "--yes"], "").await;
    assert_eq!(json(at, &["person", "list"], "").await, serde_json::json!([]));
    house.stop().await;
}

#[tokio::test]
async fn slots_are_shown_and_decided_from_the_command_line() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let at = config(folder.path(), house.dir());
    let at = at.as_str();
    // The scripted lock keeps no codes, which each command is told as over the network.
    assert!(
        good(at, &["slots", "list"], "")
            .await
            .contains("No lock keeps codes")
    );
    let lock = house.lock().await;
    for (arguments, words) in [
        (vec!["slots", "refresh", &lock], "lock"),
        (vec!["slots", "refill", &lock, "--yes"], "lock"),
        (vec!["slots", "retry", &lock, "3"], "lock"),
        (vec!["slots", "ignore", &lock, "3"], "lock"),
        (vec!["slots", "clear", &lock, "3", "--yes"], "lock"),
        (vec!["slots", "forget", &lock, "--yes"], "lock"),
    ] {
        refused(at, &arguments, &[words]).await;
    }
    refused(at, &["slots", "clear", &lock, "3"], &["--yes"]).await;
    refused(at, &["slots", "refill", &lock], &["--yes"]).await;
    refused(
        at,
        &["slots", "list", "Nowhere"],
        &["there is no lock", "Nowhere"],
    )
    .await;
    house.stop().await;
}

#[tokio::test]
async fn the_console_is_the_owners_alone_and_ends_with_the_hub() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let at = config(folder.path(), house.dir());
    let socket = hubd::api::console::path(house.dir());
    let mode = socket.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // What belongs to people stays with them.
    let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
    let request =
        b"POST /api/v1/accounts HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("403 Forbidden") && answer.contains("person_needed"),
        "{answer}"
    );
    drop(stream);
    let (data, _) = house.stop().await;
    assert!(!socket.exists(), "{}", data.path().display());
    refused(&at, &["person", "list"], &["no hub runs", "systemctl start hubd"]).await;
}

#[tokio::test]
async fn what_the_command_line_does_with_backups_is_in_the_journal() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let at = config(folder.path(), house.dir());
    let file = folder.path().join("home.hubd-backup").display().to_string();
    good(&at, &["backup", "create", &file, "--hub-only"], "").await;
    good(&at, &["backup", "rehearse", &file], "").await;
    hubd::accounts::chores::take_notes(&house.store, &house.hub).await;
    let mut client = house.client(Scope::Read).await;
    let created = client.get("/api/v1/events?kind=backup.created").await.json();
    assert_eq!(
        created[0]["data"],
        serde_json::json!({"name": "home.hubd-backup", "recovery_keys": 0})
    );
    let rehearsed = client.get("/api/v1/events?kind=backup.rehearsed").await.json();
    assert_eq!(rehearsed[0]["data"]["name"], "home.hubd-backup");
    assert!(
        house.store.console_notes().unwrap().is_empty(),
        "each is told once"
    );
    house.stop().await;
}
