//! The mock home by itself: the judge must be sound before it judges. A few bytes of a host written out by hand.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is wrong"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hubd_peers::mock::{JAMMED, LOCKED, UNLOCKED};
use hubd_peers::{Mock, MockOptions};
use serde_json::json;

const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const CAN: u8 = 0x18;
const GET_INIT_DATA: [u8; 5] = [0x01, 0x03, 0x00, 0x02, 0xfe];

/// A host of a few lines: sends one frame, reads what comes.
struct Host(TcpStream);

impl Host {
    fn connect(mock: &Mock) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", mock.port())).expect("the dongle listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the connection stands");
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("a byte from the dongle");
        byte[0]
    }

    fn frame(&mut self) -> Vec<u8> {
        assert_eq!(self.byte(), 0x01, "a data frame starts");
        let length = self.byte();
        let mut rest = vec![0; usize::from(length)];
        self.0.read_exact(&mut rest).expect("the whole frame");
        [vec![0x01, length], rest].concat()
    }
}

fn mock(nodes: &'static str) -> Mock {
    Mock::start(&MockOptions {
        nodes,
        ..MockOptions::default()
    })
    .expect("the mock home starts")
}

#[test]
fn a_host_is_answered_and_the_answer_is_repeated_until_it_is_acknowledged() {
    let mock = mock("2,3");
    let mut host = Host::connect(&mock);
    host.send(&GET_INIT_DATA);
    assert_eq!(host.byte(), ACK);
    let answer = host.frame();
    assert_eq!(answer[3], 0x02, "it answers the function that was asked");
    assert_eq!(
        answer[7] & 0b111,
        0b111,
        "nodes 1, 2 and 3 are in the bit mask: {answer:02x?}"
    );
    host.send(&[NAK]);
    assert_eq!(host.frame(), answer, "after a NAK the same frame comes again");
    host.send(&[ACK]);
}

#[test]
fn every_serial_fault_does_what_it_says() {
    let mut mock = mock("2");
    let mut host = Host::connect(&mock);
    for (fault, answer) in [("nak", NAK), ("can", CAN)] {
        mock.faults(json!({fault: 1})).expect("armed");
        host.send(&GET_INIT_DATA);
        assert_eq!(host.byte(), answer, "{fault}");
    }
    mock.faults(json!({"swallow": 1, "garbage": 1})).expect("armed");
    host.send(&GET_INIT_DATA);
    host.send(&GET_INIT_DATA);
    assert_eq!(
        [host.byte(), host.byte(), host.byte(), host.byte()],
        [0xde, 0xad, 0xbe, 0xef],
        "the second was heard"
    );
    assert_eq!(host.byte(), ACK);
    let answer = host.frame();
    mock.faults(json!({"corrupt": 1})).expect("armed");
    host.send(&[ACK]);
    host.send(&GET_INIT_DATA);
    assert_eq!(host.byte(), ACK);
    let wrong = host.frame();
    assert_ne!(wrong, answer, "one bit is wrong");
    host.send(&[NAK]);
    assert_eq!(host.frame(), answer, "repeated because of the NAK");
    mock.faults(json!({"repeat": 1})).expect("armed");
    host.send(&[ACK]);
    assert_eq!(host.frame(), answer, "repeated although acknowledged");
    host.send(&[ACK]);
}

#[test]
fn a_cut_and_an_unplugged_dongle_end_the_connection_and_come_back() {
    let mut mock = mock("2");
    let mut host = Host::connect(&mock);
    mock.call("cut", json!({"after": 4})).expect("armed");
    host.send(&GET_INIT_DATA);
    let mut rest = Vec::new();
    host.0.read_to_end(&mut rest).expect("it ends");
    assert_eq!(
        rest[..3],
        [ACK, 0x01, 0x25],
        "in the middle of a frame: {rest:02x?}"
    );
    mock.call("unplug", json!({})).expect("unplugged");
    assert!(
        TcpStream::connect(("127.0.0.1", mock.port())).is_err(),
        "nothing listens"
    );
    mock.call("plug", json!({})).expect("plugged");
    let mut host = Host::connect(&mock);
    host.send(&GET_INIT_DATA);
    assert_eq!(host.byte(), ACK, "it works again");
}

#[test]
fn a_lock_keeps_what_is_put_into_it() {
    let mut mock = mock("2,5");
    mock.call("setCode", json!({"node": 2, "slot": 3, "code": "4711"}))
        .expect("set");
    mock.call("setCredential", json!({"node": 5, "slot": 4, "code": "081500"}))
        .expect("set");
    assert_eq!(
        mock.codes("codes", 2)
            .expect("codes")
            .get("3")
            .map(String::as_str),
        Some("4711")
    );
    assert_eq!(
        mock.codes("credentials", 5)
            .expect("codes")
            .get("4")
            .map(String::as_str),
        Some("081500")
    );
    for mode in [LOCKED, UNLOCKED, JAMMED] {
        mock.call("bolt", json!({"node": 2, "mode": mode}))
            .expect("moved");
        assert_eq!(mock.bolt(2).expect("a state"), u64::from(mode));
    }
    assert!(
        mock.call("bolt", json!({"node": 9, "mode": 0})).is_err(),
        "there is no node 9"
    );
}
