//! The API as a whole: a real server on loopback gets any request, and never answers that it broke.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use hubd::api::{Api, Limits, server};
use hubd::clock::{self, Clock};
use hubd::hub::Hub;
use hubd::run::{self, Parts};
use hubd::store::{NewToken as NewRow, Store, StoreOptions};
use hubd::token::{NewToken, Scope};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Where bodies and queries go. `{}` is the input.
const REQUESTS: &[(&str, &str)] = &[
    ("POST", "/locks/lock-1/commands"),
    ("POST", "/radios/zwave/inclusion"),
    ("POST", "/radios/zwave/inclusion/answer"),
    ("POST", "/radios/zwave/exclusion"),
    ("PATCH", "/locks/lock-1"),
    ("PATCH", "/alarms/alarm-1"),
    ("POST", "/tokens"),
    ("GET", "/events?{}"),
    ("GET", "/locks/{}"),
    ("GET", "/commands/{}"),
    ("DELETE", "/tokens/{}"),
];

struct Served {
    address: SocketAddr,
    token: String,
}

/// One server for the whole run of the fuzzer.
static SERVED: LazyLock<Option<Served>> = LazyLock::new(|| {
    let (ready, served) = channel();
    thread::spawn(move || serve(&ready));
    served.recv().ok()
});

/// The first byte chooses where the rest goes: into a body, a path, a query, or onto the wire as it is.
pub fn http_request(bytes: &[u8]) {
    let Some((choice, input)) = bytes.split_first() else {
        return;
    };
    let served = SERVED.as_ref();
    assert!(served.is_some(), "the server did not start");
    let Some(served) = served else { return };
    let request = match REQUESTS.get(usize::from(*choice) % (REQUESTS.len() + 1)) {
        None => input.to_vec(),
        Some((method, path)) => {
            let text: String = input
                .iter()
                .filter(|byte| byte.is_ascii_graphic())
                .map(|byte| char::from(*byte))
                .collect();
            let (path, body) = if path.contains("{}") {
                (path.replace("{}", &text), &[][..])
            } else {
                ((*path).to_owned(), input)
            };
            let head = format!(
                "{method} /api/v1{path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                served.token,
                body.len()
            );
            [head.as_bytes(), body].concat()
        }
    };
    let answer = ask(served.address, &request);
    let status = answer.get(9..12).unwrap_or_default();
    assert_ne!(
        status,
        b"500",
        "the server broke: {}",
        String::from_utf8_lossy(&answer)
    );
    if status.first() == Some(&b'4') {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            !shown.contains(&served.token),
            "an answer repeats a token: {shown}"
        );
    }
}

fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        // A server that has heard enough closes early; what it said before is what counts.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.take(64 * 1024).read_to_end(&mut answer);
    }
    answer
}

fn serve(ready: &Sender<Served>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async {
        let Ok(folder) = tempfile::tempdir() else { return };
        let Ok((store, opened)) = Store::open(folder.path(), &StoreOptions::default()) else {
            return;
        };
        let (hub, from_handles) = Hub::new();
        let limits = Limits {
            connections_max: 4096,
            ..Limits::default()
        };
        let api = Api::new(
            hub.clone(),
            store.clone(),
            clock::unix_millis,
            limits,
            CancellationToken::new(),
        );
        let (Ok(token), Ok(listener)) = (
            NewToken::random(),
            server::listen(SocketAddr::from(([127, 0, 0, 1], 0))),
        ) else {
            return;
        };
        let row = NewRow {
            id: token.id.clone(),
            name: "fuzz".into(),
            scope: Scope::Manage.as_str().into(),
            hash: token.hash,
            created_at: clock::unix_millis(),
        };
        let Ok(address) = listener.local_addr() else {
            return;
        };
        let parts = Parts {
            hub,
            from_handles,
            store: store.clone(),
            status: opened.status,
            memory: opened.memory,
            vain_start: None,
            radios: Vec::new(),
            stop_radios: CancellationToken::new(),
            version: "fuzz".into(),
            zone: hubd_model::Zone::default(),
            entropy: hubd_model::Entropy::new([7; 32]),
            stop: CancellationToken::new(),
            started: oneshot::channel().0,
        };
        let clock = Clock::system();
        let running = run::run(parts, || clock.now());
        let serving = async {
            if store.create_token(row).await.is_ok() {
                // The fuzzer may have ended already.
                let _ = ready.send(Served {
                    address,
                    token: token.text.expose().to_owned(),
                });
                server::serve(listener, api).await;
            }
        };
        tokio::join!(running, serving);
    });
}
