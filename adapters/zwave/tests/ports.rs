//! Real ports: a pseudo-terminal with a simulated dongle behind it, opened by its path as a device is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is wrong"
)]

use std::path::Path;
use std::time::Instant;

use hubd_model::{MonoTime, Now, Order, RadioName, RadioState, Report, UnixMillis, WallTime};
use hubd_zwave::io::{self, FromRadio, Kept, PortConfig};
use hubd_zwave::port::PortError;
use hubd_zwave::security::NetworkKeys;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_serial::{SerialPort, SerialStream};
use tokio_util::sync::CancellationToken;

#[allow(clippy::disallowed_methods, reason = "real ports are tested in real time")]
fn clock() -> impl Fn() -> MonoTime + Send {
    let begun = Instant::now();
    move || MonoTime::from_micros(u64::try_from(begun.elapsed().as_micros()).unwrap())
}

/// What a dongle answers to each question of its start, acknowledgement first.
const ANSWERS: [(&[u8], &[u8]); 4] = [
    // which functions: firmware 7.19, product 027a:0004:0580, no optional function
    (
        &[0x01, 0x03, 0x00, 0x07, 0xfb],
        &[7, 19, 0x02, 0x7a, 0x00, 0x04, 0x05, 0x80, 0x00],
    ),
    // home id and own node id
    (&[0x01, 0x03, 0x00, 0x20, 0xdc], &[0xc0, 0xff, 0xee, 0x00, 1]),
    // which nodes: itself
    (&[0x01, 0x03, 0x00, 0x02, 0xfe], &[5, 0, 1, 1, 7, 0]),
    // the update controller: itself
    (&[0x01, 0x03, 0x00, 0x56, 0xaa], &[1]),
];

/// A pseudo-terminal. The near end stays open beside the adapter's, or the far one would hang up between two openings.
struct Pty {
    far: SerialStream,
    near: SerialStream,
}

impl Pty {
    /// With the path of its near end.
    fn new() -> (Self, String) {
        let (far, near) = SerialStream::pair().unwrap();
        let path = near.name().unwrap();
        (Self { far, near }, path)
    }
}

/// A dongle behind a pseudo-terminal; it lives until its task is aborted.
fn dongle(pty: Pty) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (mut wire, _near) = (pty.far, pty.near);
        let (mut heard, mut bytes) = (Vec::new(), [0; 256]);
        while let Ok(count) = wire.read(&mut bytes).await {
            heard.extend_from_slice(&bytes[..count]);
            for (question, answer) in ANSWERS {
                let Some(at) = heard
                    .windows(question.len())
                    .position(|window| window == question)
                else {
                    continue;
                };
                heard.drain(..at + question.len());
                let mut frame = vec![u8::try_from(answer.len() + 3).unwrap(), 0x01, question[3]];
                frame.extend_from_slice(answer);
                let checksum = frame.iter().fold(0xff, |sum, byte| sum ^ byte);
                let said = [&[0x06, 0x01], frame.as_slice(), &[checksum]].concat();
                if wire.write_all(&said).await.is_err() {
                    return;
                }
            }
        }
    })
}

#[tokio::test]
async fn a_dongle_behind_a_device_path_says_which_one_it_is() {
    let (pty, path) = Pty::new();
    let dongle = dongle(pty);
    for attempt in 0..2 {
        let identity = io::probe(&path, clock()).await.unwrap();
        assert_eq!(
            identity.to_string(),
            "firmware 7.19, product 027a:0004:0580, home id c0ffee00",
            "attempt {attempt}: the port can be opened again"
        );
    }
    dongle.abort();
    assert!(dongle.await.unwrap_err().is_cancelled());
    let gone = io::probe(&path, clock()).await.unwrap_err();
    assert!(matches!(gone, PortError::Missing { .. }), "{gone}");
}

#[tokio::test]
async fn what_is_no_dongle_is_said_by_what_it_is() {
    let (silent, silent_path) = Pty::new();
    let (mut busy, busy_path) = Pty::new();
    busy.near.set_exclusive(true).unwrap();
    // A plain file: this test's own binary.
    let file = std::env::current_exe().unwrap().display().to_string();
    let cases = [
        (silent_path.as_str(), "says nothing"),
        (busy_path.as_str(), "is in use by another program"),
        (file.as_str(), "is not a serial port"),
        ("/dev/null", "is not a serial port"),
        ("/dev", "is not a serial port"),
        ("/dev/no-such-port", "does not exist"),
        ("tcp://127.0.0.1:1", "does not answer"),
    ];
    for (port, words) in cases {
        let said = io::probe(port, clock()).await.unwrap_err().to_string();
        assert!(said.contains(port) && said.contains(words), "{port}: {said}");
    }
    drop((silent, busy));
}

#[tokio::test]
async fn the_adapter_opens_the_path_again_when_the_dongle_is_back() {
    let (pty, path) = Pty::new();
    // What udev keeps for a dongle: a name that stays, to a device whose number changes.
    let name = std::env::temp_dir().join(format!("hubd-port-{}", std::process::id()));
    let link = |path: &str| {
        let _ = std::fs::remove_file(&name);
        std::os::unix::fs::symlink(Path::new(path), &name).unwrap();
    };
    link(&path);
    let mut plugged = dongle(pty);

    let (orders, from_hub) = mpsc::channel::<Order>(4);
    let (out, mut said) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let mono = clock();
    let adapter = tokio::spawn(io::run(
        PortConfig {
            name: RadioName::parse("zwave").unwrap(),
            port: name.display().to_string(),
        },
        Kept {
            keys: NetworkKeys::generate(&mut ChaCha20Rng::from_seed([1; 32])).to_bytes(),
            cache: None,
            locks: Vec::new(),
        },
        io::Clocks {
            now: move || Now {
                mono: mono(),
                wall: WallTime::Synced(UnixMillis(1_700_000_000_000)),
            },
            utc_offset_minutes: Box::new(|_| 0),
        },
        Box::new(ChaCha20Rng::from_seed([2; 32])),
        from_hub,
        out,
        stop.clone(),
    ));
    for life in 0..2 {
        heard(&mut said, |state| matches!(state, RadioState::Ready)).await;
        plugged.abort();
        let _ = (&mut plugged).await;
        heard(
            &mut said,
            |state| matches!(state, RadioState::Away { reason } if reason.contains("stopped working")),
        )
        .await;
        assert!(!adapter.is_finished(), "life {life}");
        let (pty, path) = Pty::new();
        link(&path);
        plugged = dongle(pty);
    }
    heard(&mut said, |state| matches!(state, RadioState::Ready)).await;
    stop.cancel();
    adapter.await.unwrap().unwrap();
    drop(orders);
    plugged.abort();
    std::fs::remove_file(&name).unwrap();
}

/// Waits for this state.
async fn heard(said: &mut mpsc::Receiver<FromRadio>, wanted: impl Fn(&RadioState) -> bool) {
    loop {
        if let FromRadio::Report(Report::Radio(state)) = said.recv().await.expect("the adapter goes on")
            && wanted(&state)
        {
            return;
        }
    }
}
