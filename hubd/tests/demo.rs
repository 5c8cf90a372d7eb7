//! `hubd demo` as a person starts it: the whole house in one process, ended with Ctrl-C.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

#[test]
fn the_demo_tells_of_a_code_at_the_front_door_and_ends_at_ctrl_c() {
    // The end by itself only comes when something is wrong, so that the test ends too.
    let mut demo = Command::new(env!("CARGO_BIN_EXE_hubd"))
        .args(["demo", "--listen", "127.0.0.1:0", "--fast-exit-after", "90"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut told = Vec::new();
    let mut until = |part: &str| {
        for line in lines.by_ref() {
            let found = line.contains(part);
            told.push(line.clone());
            if found {
                return line;
            }
        }
        panic!("nobody said {part:?}:\n{}", told.join("\n"));
    };
    let data = until("  Data    ");
    let folder = PathBuf::from(data.split_whitespace().nth(1).unwrap());
    assert!(folder.exists());
    until("hubd  Front door: unlocked at the keypad, code 1 (Anna)");
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    until("the demo ends");
    assert!(demo.wait().unwrap().success());
    assert!(!folder.exists(), "its folder is removed");
}

/// Looks at the hub before giving up; each starts a program, so a hub in a simulated home has minutes.
const LOOKS_MAX: usize = 8_000;

/// A demo that ends with its test.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_line_keeps_people_codes_and_the_dongle_of_a_hub_that_runs() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_hubd"))
        .args(["demo", "--listen", "127.0.0.1:0", "--fast-exit-after", "600"])
        .stdout(Stdio::piped())
        .spawn()
        .map(Demo)
        .unwrap();
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let data = lines.find(|line| line.contains("  Data    ")).unwrap();
    let data = data.split_whitespace().nth(1).unwrap();
    let data = format!("{data}/data");
    // The demo goes on telling, and somebody has to take it.
    let listening = std::thread::spawn(move || lines.count());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hubd.toml");
    let radio = "[[radio]]\nname = \"zwave\"\nkind = \"zwave\"\nport = \"/dev/null\"\n";
    std::fs::write(&config, format!("data_dir = {data:?}\n{radio}")).unwrap();
    let hubd = |arguments: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
        command
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .env_remove("CREDENTIALS_DIRECTORY");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let good = |arguments: &[&str]| -> String {
        let output = hubd(arguments);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let until = |arguments: &[&str], what: &str| {
        let mut last = String::new();
        for _ in 0..LOOKS_MAX {
            let output = hubd(arguments);
            last = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            if last.contains(what) {
                return;
            }
        }
        panic!("{arguments:?} never said {what:?}, but {last}");
    };
    until(&["slots", "list"], "Front door (");
    good(&["person", "add", "Planted", "--role", "guest"]);
    let made = good(&["credential", "add", "--person", "Planted", "--lock", "Front door"]);
    let pin = made.lines().find_map(|line| line.strip_prefix("Its PIN is "));
    assert!(pin.is_some(), "{made}");
    let id = made.split_whitespace().next().unwrap();
    until(&["credential", "show", id], "on 1 locks, as wanted");
    assert!(good(&["slots", "list", "Front door"]).contains("for Planted, as wanted"));

    // The real adapter copies the memory of the simulated dongle, and writes it back when that is meant.
    let file = folder.path().join("home.hubd-backup").display().to_string();
    let said = good(&["backup", "create", &file, "--hub-only"]);
    assert!(!said.contains("was not copied"), "{said}");
    assert!(said.contains("1 dongle's memory"), "{said}");
    assert!(good(&["backup", "rehearse", &file]).contains("1 dongle's memory"));
    let refused = hubd(&["radio", "write-dongle", "zwave"]);
    assert_eq!(refused.status.code(), Some(1), "it has to be meant");
    assert!(good(&["radio", "write-dongle", "zwave", "--yes"]).contains("has the network of the copy"));
    until(&["slots", "list", "Front door"], "for Planted, as wanted");

    kill_process(Pid::from_child(&demo.0), Signal::INT).unwrap();
    assert!(demo.0.wait().unwrap().success());
    assert!(listening.join().unwrap() > 0, "it told what happened");
}
