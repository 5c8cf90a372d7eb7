//! `hubd radio copy-dongle` and `write-dongle`: what a dongle knows of its network, kept and brought into another one.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::Fault;
use super::console::{Console, confirm, part};
use crate::config::Config;

/// How often it is looked at, and how often at most: the hub itself gives up after ten minutes without a word.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_MAX: u32 = 3600;

/// Copies a dongle's memory.
pub(super) fn copy(config: &Config, radio: &str, out: &mut dyn Write) -> Result<(), Fault> {
    let console = Console::new(config)?;
    copied(&console, radio)?;
    Ok(writeln!(
        out,
        "The memory of {radio}'s dongle is kept. Every backup from now on holds it."
    )?)
}

/// Has a dongle's memory copied, and waits until the copy is on disk.
pub(super) fn copied(console: &Console, radio: &str) -> Result<(), Fault> {
    let path = format!("/radios/{}/memory", part(radio));
    console.ask(Method::POST, &format!("{path}/copy"), None)?;
    ended(console, &path)
}

/// Writes the copy that is kept into a dongle.
pub(super) fn write(config: &Config, radio: &str, yes: bool, out: &mut dyn Write) -> Result<(), Fault> {
    let console = Console::new(config)?;
    let what = format!(
        "the copy that is kept is written into {radio}'s dongle, and the network that it has now is lost"
    );
    confirm(yes, &what)?;
    let path = format!("/radios/{}/memory", part(radio));
    let body = json!({ "confirm": radio });
    console.ask(Method::POST, &format!("{path}/restore"), Some(&body))?;
    ended(&console, &path)?;
    Ok(writeln!(
        out,
        "{radio}'s dongle has the network of the copy and works with it. Unplug the old dongle for good: two with one \
         network disturb each other."
    )?)
}

/// Waits for the end, and shows people how far it is.
fn ended(console: &Console, path: &str) -> Result<(), Fault> {
    let shows = io::stderr().is_terminal();
    for _ in 0..LOOKS_MAX {
        let seen = console.get(path)?;
        let number = |key: &str| seen.get(key).and_then(Value::as_u64).unwrap_or_default();
        match seen.get("state").and_then(Value::as_str) {
            Some("under_way") => {
                if shows {
                    // Who cannot be shown the progress can still be shown the end.
                    let _ = write!(
                        io::stderr(),
                        "\r{:>9} of {} bytes",
                        number("done"),
                        number("total")
                    );
                }
            }
            Some("done") => {
                if shows {
                    let _ = write!(io::stderr(), "\r{:<40}\r", "");
                }
                return Ok(());
            }
            _ => {
                let reason = seen.get("reason").and_then(Value::as_str);
                return Err(reason.unwrap_or("the hub does not say what became of it").into());
            }
        }
        console.pause(LOOK_EVERY);
    }
    Err("it takes too long; look at the hub's log".into())
}
