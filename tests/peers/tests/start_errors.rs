//! What is wrong at the start is said in one clear sentence with what to do, exit code 1, and nothing is damaged.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::fs;
use std::net::TcpListener;
use std::process::Output;
use std::thread;

use anyhow::Result;
use hubd_peers::{Deadline, Hub, HubOptions, Mock, MockOptions};

fn said(output: &Output) -> String {
    [output.stderr.as_slice(), &output.stdout]
        .map(String::from_utf8_lossy)
        .concat()
}

/// It failed with exit code 1 and every one of these words.
fn check(output: &Output, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "exit code; it said: {said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
    assert!(
        !said.contains("panicked") && !said.contains("RUST_BACKTRACE"),
        "no panic: {said}"
    );
}

fn hub(radio: &str, extra: &str) -> Result<Hub> {
    Hub::new(&HubOptions {
        radio: radio.into(),
        extra: extra.into(),
    })
}

#[test]
fn a_wrong_configuration_is_named_by_file_key_and_what_is_allowed() -> Result<()> {
    let cases: [(&str, &[&str]); 5] = [
        (
            "[http]\nlisten = \"127.0.0.1:1\"\nlisten_on = \"x\"\n",
            &["hubd.toml", "listen_on"],
        ),
        ("data_dir = 7\n", &["hubd.toml", "data_dir"]),
        (
            "[[radio]]\nname = \"zwave\"\nkind = \"zwavee\"\nport = \"tcp://127.0.0.1:1\"\n",
            &["hubd.toml", "kind", "zwave"],
        ),
        (
            "[[radio]]\nname = \"zwave\"\nkind = \"zwave\"\nport = \"http://127.0.0.1\"\n",
            &["hubd.toml", "port"],
        ),
        ("this is no TOML", &["hubd.toml"]),
    ];
    for (text, words) in cases {
        let hub = hub("", "")?;
        fs::write(hub.config(), text)?;
        for command in ["check-config", "run"] {
            check(&hub.command(&[command], "")?, words);
        }
        assert!(
            !hub.data().exists(),
            "a wrong configuration leaves nothing behind"
        );
    }
    let hub = hub("", "")?;
    assert!(
        hub.command(&["check-config"], "")?.status.success(),
        "a right one passes"
    );
    Ok(())
}

#[test]
fn a_missing_port_is_said() -> Result<()> {
    let path = "/dev/serial/by-id/usb-No_Such_Dongle-if00";
    for command in ["doctor", "run"] {
        check(
            &hub(path, "")?.command(&[command], "")?,
            &[path, "does not exist"],
        );
        check(
            &hub("tcp://127.0.0.1:1", "")?.command(&[command], "")?,
            &["127.0.0.1:1", "does not answer"],
        );
    }
    Ok(())
}

#[test]
fn starts_in_vain_do_not_fill_the_journal() -> Result<()> {
    let hub = hub("/dev/serial/by-id/usb-nothing-here", "")?;
    for _ in 0..3 {
        check(&hub.command(&["run"], "")?, &["usb-nothing-here"]);
    }
    let journal = hub.command_ok(&["journal", "export"], "")?;
    let count = |kind: &str| journal.matches(&format!("\"{kind}\"")).count();
    let kinds = ["hub.started", "hub.degraded", "hub.stopped"];
    assert_eq!(kinds.map(count), [1, 1, 1], "{journal}");
    Ok(())
}

#[test]
fn a_port_that_is_no_zwave_dongle_is_said() -> Result<()> {
    // One that says nothing, one that talks of other things.
    for chatter in [&b""[..], b"SSH-2.0-OpenSSH_10.0\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("tcp://{}", listener.local_addr()?);
        thread::spawn(move || {
            let mut kept = Vec::new();
            for mut stream in listener.incoming().flatten() {
                // The hub may have gone away already.
                let _ = std::io::Write::write_all(&mut stream, chatter);
                kept.push(stream);
            }
        });
        for command in ["doctor", "run"] {
            check(
                &hub(&url, "")?.command(&[command], "")?,
                &[url.trim_start_matches("tcp://"), "Z-Wave"],
            );
        }
    }
    Ok(())
}

#[test]
fn a_busy_dongle_is_said() -> Result<()> {
    let mock = Mock::start(&MockOptions {
        nodes: "3",
        ..MockOptions::default()
    })?;
    let owner = std::net::TcpStream::connect(("127.0.0.1", mock.port()))?;
    for command in ["doctor", "run"] {
        check(
            &hub(&mock.url(), "")?.command(&[command], "")?,
            &[
                mock.url().trim_start_matches("tcp://"),
                "in use by another program",
            ],
        );
    }
    drop(owner);
    Ok(())
}

#[test]
fn a_dongle_says_which_one_it_is() -> Result<()> {
    let mock = Mock::start(&MockOptions {
        nodes: "3",
        ..MockOptions::default()
    })?;
    let output = hub(&mock.url(), "")?.command(&["doctor"], "")?;
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for word in ["firmware", "product", "home id"] {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
    Ok(())
}

#[test]
fn a_second_radio_that_works_opens_its_doors() -> Result<()> {
    let mock = Mock::start(&MockOptions {
        nodes: "3",
        ..MockOptions::default()
    })?;
    let extra = "[[radio]]\nname = \"broken\"\nkind = \"zwave\"\nport = \"/dev/no-such-port\"\n";
    let mut hub = hub(&mock.url(), extra)?;
    hub.start()?;
    hub.wait("one ready and one away", Deadline::seconds(30), |client| {
        let health = client.get("/health").ok()?;
        let state = |at: usize| health["radios"][at]["state"].as_str();
        (state(0) == Some("ready") && state(1) == Some("away")).then_some(())
    })?;
    // Beyond every attempt that the start counts.
    drop(mock);
    hub.wait(
        "both away, and the hub goes on",
        Deadline::seconds(30),
        |client| {
            let health = client.get("/health").ok()?;
            (health["radios"][0]["state"].as_str() == Some("away")).then_some(())
        },
    )?;
    assert!(hub.stop()?.success(), "it ends well when it is told to");
    Ok(())
}

#[test]
fn a_busy_http_port_is_said() -> Result<()> {
    let hub = hub("", "")?;
    let _busy = TcpListener::bind(("127.0.0.1", hub.port()))?;
    check(&hub.command(&["run"], "")?, &[&hub.port().to_string()]);
    Ok(())
}

#[test]
fn a_database_from_a_newer_version_is_left_alone() -> Result<()> {
    let mut hub = hub("", "")?;
    hub.start()?;
    hub.stop()?;
    let version = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let format = hub.database()?.query_row("PRAGMA user_version", [], version)?;
    hub.database()?.pragma_update(None, "user_version", 999)?;
    let file = hub.database_path()?;
    let before = fs::read(&file)?;
    check(&hub.command(&["run"], "")?, &["newer"]);
    assert_eq!(fs::read(&file)?, before, "the file is untouched");
    hub.database()?.pragma_update(None, "user_version", format)?;
    hub.start()?;
    Ok(())
}

#[test]
fn a_second_hub_on_the_same_folder_is_refused() -> Result<()> {
    let mut hub = hub("", "")?;
    hub.start()?;
    let output = hub.command(&["run"], "")?;
    check(&output, &[]);
    assert_eq!(
        hub.client().send("GET", "/health", &[], None)?.status,
        200,
        "the first works on"
    );
    Ok(())
}
