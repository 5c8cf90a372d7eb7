//! Doors beside an attack: strangers ask without a token, send what is no request, too much or half of it, and hold
//! connections, as fast as the machine lets them; doors are moved through the API all the while.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use hubd_peers::home::actuate;
use hubd_peers::{Client, Deadline, Hub, HubOptions, Mock, MockOptions, clock};

/// How often a door is moved without the attack, and with it.
const MOVES: usize = 60;
/// Requests that leave together on one connection.
const TOGETHER: usize = 64;
/// Connections that send a letter of a head and no more.
const SLOW: usize = 100;
/// The longest that a door may take beside the attack, whatever else the machine does.
const LONGEST_MS: f64 = 3_000.0;

/// What a stranger sends, many times over.
fn hostile(kind: usize) -> String {
    let oversize = "x".repeat(20_000);
    match kind {
        0 => "GET /api/v1/locks HTTP/1.1\r\nHost: hub\r\n\r\n".to_owned(),
        1 => format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer hubd_{}_{}\r\n\r\n",
            "0".repeat(10),
            "0".repeat(64)
        ),
        2 => {
            let body = r#"{"name":"Robin","password":"guess"}"#;
            format!(
                "POST /api/v1/session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        3 => "POST /api/v1/locks/lock-1/commands HTTP/1.1\r\nHost: hub\r\nOrigin: https://evil.example\r\n\
              Cookie: hubd=0123\r\nContent-Length: 2\r\n\r\n{["
            .to_owned(),
        4 => "\u{16}\u{3}\u{1} no request at all\r\n\r\n".to_owned(),
        _ => format!("GET /api/v1/locks HTTP/1.1\r\nHost: hub\r\nX-Large: {oversize}\r\n\r\n"),
    }
}

/// Sends one kind without a pause until told to stop; counts what was answered, or refused by closing.
fn attack(port: u16, kind: usize, stop: &AtomicBool, count: &AtomicU64) {
    let batch = hostile(kind).repeat(TOGETHER);
    let mut buffer = vec![0; 64 * 1024];
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
            continue;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        while !stop.load(Ordering::Relaxed) {
            if stream.write_all(batch.as_bytes()).is_err() {
                count.fetch_add(1, Ordering::Relaxed);
                break;
            }
            let mut answered = 0;
            let mut open = true;
            while answered < TOGETHER && open {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => open = false,
                    Ok(length) => {
                        let text = String::from_utf8_lossy(&buffer[..length]);
                        answered += text.matches("HTTP/1.1 ").count();
                    }
                }
            }
            count.fetch_add(answered.max(1) as u64, Ordering::Relaxed);
            if !open {
                break;
            }
        }
    }
}

/// Connections that never finish a request, kept for as long as this value lives.
fn slow(port: u16) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..SLOW {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let _ = stream.write_all(b"GET /api/v1/locks HTTP/1.1\r\nHost: h");
            held.push(stream);
        }
    }
    held
}

/// Moves the door back and forth; how long each movement took, sorted, in milliseconds.
fn moves(client: &Client, lock: &str, name: &str) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(MOVES);
    for number in 0..MOVES {
        let op = if number % 2 == 0 { "unlock" } else { "lock" };
        let start = clock::now_ms();
        let command = actuate(client, lock, op, &format!("{name}-{number}"))?;
        times.push(clock::now_ms() - start);
        ensure!(command["status"] == "done", "{name} {number}: {command}");
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn told(times: &[f64]) -> (f64, f64, f64) {
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    (at(50), at(99), *times.last().unwrap())
}

#[test]
fn strangers_who_ask_thousands_of_times_a_second_keep_no_door_waiting_for_long() -> Result<()> {
    let mut mock = Mock::start(&MockOptions {
        nodes: "2",
        ..MockOptions::default()
    })?;
    let mut hub = Hub::new(&HubOptions {
        radio: mock.url(),
        extra: String::new(),
    })?;
    hub.import_keys()?;
    hub.start()?;
    let lock = hub.wait("the lock", Deadline::seconds(120), |client| {
        let locks = client.get("/locks").ok()?;
        let lock = &locks[0];
        (lock["state"]["bolt"] != "unknown").then(|| lock["id"].as_str().map(str::to_owned))?
    })?;
    mock.silence(300, Deadline::seconds(120))?;
    let (client, port) = (hub.client(), hub.port());
    let calm = told(&moves(&client, &lock, "calm")?);

    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (attacked, seconds, answered) = thread::scope(|scope| -> Result<_> {
        let held = slow(port);
        for kind in 0..6 {
            let (stop, count) = (&stop, &count);
            scope.spawn(move || attack(port, kind, stop, count));
        }
        let (start, before) = (clock::now_ms(), count.load(Ordering::Relaxed));
        let attacked = moves(&client, &lock, "attacked");
        let seconds = (clock::now_ms() - start) / 1e3;
        let answered = count.load(Ordering::Relaxed) - before;
        stop.store(true, Ordering::Relaxed);
        drop(held);
        Ok((told(&attacked?), seconds, answered))
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a count of some seconds")]
    let rate = answered as f64 / seconds;
    let line = |name: &str, (median, p99, longest): (f64, f64, f64)| {
        format!("{name}: median {median:.0} ms, 99th percentile {p99:.0} ms, longest {longest:.0} ms")
    };
    println!("{}", line("a door without strangers", calm));
    println!(
        "{}",
        line(
            &format!("a door beside {rate:.0} hostile requests a second"),
            attacked
        )
    );
    ensure!(answered > 1_000, "it was no attack: {answered} requests");
    ensure!(
        attacked.2 < LONGEST_MS,
        "a door took {:.0} ms beside {rate:.0} hostile requests a second",
        attacked.2
    );
    Ok(())
}
