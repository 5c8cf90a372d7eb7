//! The program from outside: its exit codes and its sentences.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hubd::token::Scope;

use crate::client::Client;
use crate::house::House;

fn hubd(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
    command
        .args(arguments)
        .env_remove("JOURNAL_STREAM")
        .env_remove("CREDENTIALS_DIRECTORY");
    command.output().unwrap()
}

/// With something on standard input.
fn hubd_told(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
    command
        .args(arguments)
        .env_remove("JOURNAL_STREAM")
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses at once does not read; its words tell.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn config(folder: &Path, data: &Path, listen: &str) -> String {
    let path = folder.join("hubd.toml");
    let text = format!(
        "data_dir = {:?}\n[http]\nlisten = {listen:?}\n",
        data.display().to_string()
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[track_caller]
fn refuses(output: &Output, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    for word in words {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    assert_eq!(hubd(&["fly"]).status.code(), Some(2));
    assert_eq!(
        hubd(&["token", "create", "--name", "x", "--scope", "root"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(hubd(&["--help"]).status.code(), Some(0));
    refuses(
        &hubd(&["run", "--config", "/nonexistent/hubd.toml"]),
        &["/nonexistent/hubd.toml", "--config"],
    );
    assert_eq!(text(&hubd(&["openapi"]).stdout), hubd::api::openapi::COMMITTED);
}

#[test]
fn check_config_names_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hubd.toml");
    std::fs::write(&path, "[http]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    let path = path.display().to_string();
    let output = hubd(&["check-config", "--config", &path]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.contains(&path) && said.contains("http.lisen") && said.contains("http.listen"),
        "{said}"
    );
    let said = text(&hubd(&["check-config", "--json", "--config", &path]).stdout);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&json["ok"], &json["key"]), (&false.into(), &"http.lisen".into()));
    let good = config(folder.path(), folder.path(), "127.0.0.1:8480");
    assert_eq!(hubd(&["check-config", "--config", &good]).status.code(), Some(0));
}

#[tokio::test]
async fn a_busy_address_and_a_busy_folder_are_told() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let busy = config(
        folder.path(),
        &folder.path().join("data"),
        &house.address.to_string(),
    );
    refuses(
        &hubd(&["run", "--config", &busy]),
        &["cannot listen", "http.listen"],
    );
    assert!(!folder.path().join("data").exists(), "nothing was touched");
    let taken = config(folder.path(), house.dir(), "127.0.0.1:0");
    refuses(
        &hubd(&["run", "--config", &taken]),
        &["in use by another hubd", "data_dir"],
    );
    house.stop().await;
}

#[tokio::test]
async fn a_database_from_a_newer_version_is_left_alone() {
    let (folder, _) = House::new().await.stop().await;
    let database = folder.path().join("hubd.db");
    let mut bytes = std::fs::read(&database).unwrap();
    // The user version in the header. Spec: SQLite Database File Format, 1.3.
    bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = config(place.path(), folder.path(), "127.0.0.1:0");
    refuses(&hubd(&["run", "--config", &path]), &["newer hubd", "9999"]);
    assert_eq!(std::fs::read(&database).unwrap(), bytes);
}

#[tokio::test]
async fn tokens_made_and_removed_beside_a_running_hub_count_at_once() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), house.dir(), "127.0.0.1:0");
    let made = hubd(&[
        "token", "create", "--name", "Panel", "--scope", "read", "--json", "--config", &path,
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let mut client = Client::connect(house.address).await.with_token(token);
    assert_eq!(client.get("/api/v1/locks").await.status, 200);
    let list = text(&hubd(&["token", "list", "--config", &path]).stdout);
    assert!(
        list.contains("Panel") && list.contains(id) && !list.contains(token),
        "{list}"
    );
    refuses(
        &hubd(&[
            "token", "create", "--name", "Panel", "--scope", "read", "--config", &path,
        ]),
        &["Panel"],
    );
    assert_eq!(
        hubd(&["token", "remove", id, "--config", &path]).status.code(),
        Some(0)
    );
    assert_eq!(client.get("/api/v1/locks").await.problem(401), "no_valid_token");
    refuses(
        &hubd(&["token", "remove", id, "--config", &path]),
        &[id, "token list"],
    );
    assert_eq!(
        house.client(Scope::Read).await.get("/api/v1/locks").await.status,
        200
    );
    let doctor = hubd(&["doctor", "--json", "--config", &path]);
    let doctor: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert!(doctor["findings"].as_array().unwrap().len() > 4, "{doctor}");
    house.stop().await;
}

#[tokio::test]
async fn accounts_are_made_reset_and_removed_beside_a_running_hub() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), house.dir(), "127.0.0.1:0");
    let doctor = text(&hubd(&["doctor", "--config", &path]).stdout);
    assert!(doctor.contains("one-time setup code is"), "{doctor}");
    let add = ["account", "add", "Ann", "--role", "owner", "--config", &path];
    refuses(&hubd_told(&add, "short\n"), &["10 to 128"]);
    refuses(&hubd_told(&add, ""), &["standard input"]);
    let made = hubd_told(&add, "words that belong together\n");
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    refuses(&hubd_told(&add, "words that belong together\n"), &["already"]);
    let list = text(&hubd(&["account", "list", "--config", &path]).stdout);
    assert!(
        list.contains("owner") && list.contains("no second factor"),
        "{list}"
    );
    let sign_in = |password: &str| serde_json::json!({"name": "Ann", "password": password}).to_string();
    let mut client = Client::connect(house.address).await;
    let reply = client
        .post("/api/v1/session", &sign_in("words that belong together"))
        .await;
    assert_eq!(reply.json()["state"], "enrolment", "{reply:?}");
    let reset = ["account", "reset", "ann", "--second-factor", "--config", &path];
    let done = hubd_told(&reset, "some other row of words");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(client.get("/api/v1/account").await.problem(401), "session_ended");
    let reply = client
        .post("/api/v1/session", &sign_in("some other row of words"))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    refuses(
        &hubd(&["account", "remove", "Ann", "--config", &path]),
        &["last owner"],
    );
    refuses(
        &hubd(&["account", "remove", "Ben", "--config", &path]),
        &["no account", "Ann"],
    );
    let doctor = text(&hubd(&["doctor", "--config", &path]).stdout);
    assert!(!doctor.contains("setup code is"), "an owner is there: {doctor}");
    house.stop().await;
}

#[tokio::test]
async fn beside_an_older_hub_the_command_line_changes_nothing_and_says_what_to_do() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), house.dir(), "127.0.0.1:0");
    // Another version was installed, and the hub that runs is still the old one.
    let db = rusqlite::Connection::open(house.dir().join("hubd.db")).unwrap();
    let newest: i64 = db
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    db.pragma_update(None, "user_version", newest - 1).unwrap();
    let words = [
        "format of an older hubd",
        "nothing was changed",
        "restart the hub",
    ];
    let calls: [&[&str]; 6] = [
        &["account", "list"],
        &["account", "add", "Ann", "--role", "owner"],
        &["token", "list"],
        &["token", "create", "--name", "Panel", "--scope", "read"],
        &["keys", "list"],
        &["keys", "make"],
    ];
    for call in calls {
        let call = [call, &["--config", &path]].concat();
        refuses(&hubd_told(&call, "words that belong together\n"), &words);
    }
    db.pragma_update(None, "user_version", newest).unwrap();
    drop(db);
    house.stop().await;
}

#[tokio::test]
async fn a_journal_is_verified_and_exported_beside_a_running_hub() {
    let house = House::new().await;
    let dir = house.dir().display().to_string();
    let verified = hubd(&["journal", "verify", "--json", "--data-dir", &dir]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    let export = house.folder.path().join("journal.csv").display().to_string();
    let exported = hubd(&[
        "journal",
        "export",
        "--format",
        "csv",
        "--output",
        &export,
        "--data-dir",
        &dir,
    ]);
    assert_eq!(exported.status.code(), Some(0), "{}", text(&exported.stderr));
    assert!(std::fs::read_to_string(&export).unwrap().contains("hub.started"));
    let again = hubd(&["journal", "export", "--output", &export, "--data-dir", &dir]);
    refuses(&again, &["journal.csv", "--output"]);
    house.stop().await;
}

#[test]
fn keys_are_imported_once_and_not_repeated() {
    use std::io::Write;
    use std::process::Stdio;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let path = config(folder.path(), &data, "127.0.0.1:0");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("[[radio]]\nname = \"zwave\"\nkind = \"zwave\"\nport = \"/dev/none\"\n");
    std::fs::write(&path, text).unwrap();
    let key = "00112233445566778899aabbccddeeff";
    let import = |input: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
        command
            .args(["radio", "import-keys", "zwave", "--config", &path])
            .args(more);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let good = format!(r#"{{"S2_AccessControl":"{key}"}}"#);
    refuses(&import("nonsense", &[]), &["not a JSON object"]);
    refuses(
        &import(&format!(r#"{{"S0_Legacy":"{key}00"}}"#), &[]),
        &["S0_Legacy"],
    );
    assert_eq!(import(&good, &[]).status.code(), Some(0));
    refuses(&import(&good, &[]), &["--replace"]);
    let replaced = import(&good, &["--replace"]);
    assert_eq!(replaced.status.code(), Some(0));
    let said = format!("{replaced:?}");
    assert!(!said.contains(key), "{said}");
}
