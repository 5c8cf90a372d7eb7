//! `hubd demo` as a person starts it: the whole house in one process, ended with Ctrl-C.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
