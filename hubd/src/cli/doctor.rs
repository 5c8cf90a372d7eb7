//! `hubd doctor`: looks at everything the hub needs and says what works, what does not and what to do. It changes
//! nothing, and it can be asked while the hub runs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hubd_core::lifesafety::StoredPolicy;
use hubd_model::Role;
use rustix::fs::{Access, FlockOperation, access, flock, statvfs};
use serde::Serialize;

use super::{AnswerForm, Place};
use crate::accounts::setup;
use crate::clock::Clock;
use crate::config::{Config, RadioConfig, RadioKind};
use crate::store::{list_accounts_beside, read_life_safety_beside};
use crate::threads::runtime;

/// Less free space than this will not last long.
const FREE_BYTES_GOOD: u64 = 512 * 1024 * 1024;
/// With less than this the next records may not fit.
const FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Attention,
    Bad,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    detail: String,
    /// What to do; absent when nothing needs doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Good,
            detail: detail.into(),
            advice: None,
        }
    }

    fn attention(what: impl Into<String>, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self {
            what: what.into(),
            verdict: Verdict::Attention,
            detail: detail.into(),
            advice,
        }
    }

    fn bad(what: impl Into<String>, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self {
            what: what.into(),
            verdict: Verdict::Bad,
            detail: detail.into(),
            advice,
        }
    }
}

/// Looks at everything; whether the hub can run.
pub(super) fn doctor(place: &Place, answer: AnswerForm, out: &mut dyn Write) -> io::Result<bool> {
    let findings = match place.load() {
        Ok(config) => {
            let running = is_running(&config.data_dir);
            let mut findings = vec![Finding::good("configuration", "it is right")];
            findings.extend(data_dir(&config.data_dir));
            findings.push(keys(&config));
            findings.push(owner(&config));
            findings.push(life_safety(&config.data_dir));
            findings.push(clock());
            findings.push(http(&config, running));
            if config.radios.is_empty() {
                let advice = "add a [[radio]] to the configuration";
                findings.push(Finding::attention("radios", "none is configured", advice));
            }
            findings.extend(config.radios.iter().map(|radio| port(radio, running)));
            findings
        }
        Err(error) => vec![Finding::bad(
            "configuration",
            error.to_string(),
            "correct it, then ask again",
        )],
    };
    let good = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    if answer.json {
        serde_json::to_writer(
            &mut *out,
            &serde_json::json!({ "ok": good, "findings": findings }),
        )?;
        writeln!(out)?;
        return Ok(good);
    }
    for finding in &findings {
        let mark = match finding.verdict {
            Verdict::Good => "good     ",
            Verdict::Attention => "attention",
            Verdict::Bad => "BAD      ",
        };
        writeln!(out, "{mark}  {}: {}", finding.what, finding.detail)?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "           -> {advice}")?;
        }
    }
    Ok(good)
}

/// Whether a hub holds this folder now.
fn is_running(dir: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).open(dir.join("hubd.lock")) else {
        return false;
    };
    // Given back when `file` is dropped, a moment later.
    matches!(
        flock(&file, FlockOperation::NonBlockingLockShared),
        Err(rustix::io::Errno::WOULDBLOCK)
    )
}

fn data_dir(dir: &Path) -> Vec<Finding> {
    let shown = dir.display();
    let what = "data folder";
    let folder = match dir.metadata() {
        Ok(folder) if folder.is_dir() => folder,
        Ok(_) => {
            return vec![Finding::bad(
                what,
                format!("{shown} is no folder"),
                "change data_dir",
            )];
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let advice =
                "it is made at the first start; its parent has to exist and let the hub's user write";
            return vec![Finding::attention(
                what,
                format!("{shown} does not exist yet"),
                advice,
            )];
        }
        Err(error) => {
            let advice = "run this as the user that runs the hub";
            return vec![Finding::bad(
                what,
                format!("{shown} cannot be looked at ({error})"),
                advice,
            )];
        }
    };
    let mut findings = Vec::new();
    let me = rustix::process::geteuid().as_raw();
    findings.push(if folder.uid() != me {
        let detail = format!("{shown} belongs to user {} and this is user {me}", folder.uid());
        Finding::attention(
            what,
            detail,
            "run this as the user that runs the hub, or give the folder to it",
        )
    } else if folder.mode() & 0o022 != 0 {
        let detail = format!("others may write to {shown} (mode {:03o})", folder.mode() & 0o777);
        Finding::bad(what, detail, format!("chmod 700 {shown}"))
    } else if access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        Finding::bad(
            what,
            format!("{shown} cannot be written to"),
            "see that its disk is mounted for writing",
        )
    } else {
        Finding::good(what, format!("{shown} is this user's and private"))
    });
    findings.push(match statvfs(dir) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} MiB are free", free / (1024 * 1024));
            if free < FREE_BYTES_MIN {
                Finding::bad(
                    "disk",
                    detail,
                    "make room: records may not fit; doors go on working",
                )
            } else if free < FREE_BYTES_GOOD {
                Finding::attention("disk", detail, "make room before it is full")
            } else {
                Finding::good("disk", detail)
            }
        }
        Err(error) => Finding::attention(
            "disk",
            format!("its space cannot be read ({error})"),
            "look at it with df",
        ),
    });
    findings
}

fn keys(config: &Config) -> Finding {
    let path = config.data_dir.join("identity.key");
    let by_systemd =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join("hubd-identity"));
    let what = "keys";
    if by_systemd.is_some_and(|path| path.exists()) {
        return recovery(config, "the hub's identity comes from systemd");
    }
    match path.metadata() {
        Ok(file) if file.mode() & 0o077 != 0 => {
            let detail = format!(
                "others may read {} (mode {:03o})",
                path.display(),
                file.mode() & 0o777
            );
            Finding::bad(what, detail, format!("chmod 600 {}", path.display()))
        }
        Ok(_) => recovery(config, "the hub's identity is there and private"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // An empty file is what a first start leaves on a full disk.
            let database = config
                .data_dir
                .join("hubd.db")
                .metadata()
                .is_ok_and(|file| file.len() > 0);
            if database {
                let advice = "restore identity.key from your backup: without it the records stay sealed";
                Finding::bad(
                    what,
                    "the hub's identity is missing though there are records",
                    advice,
                )
            } else {
                recovery(config, "the hub's identity is made at the first start")
            }
        }
        Err(error) => {
            let advice = "run this as the user that runs the hub";
            Finding::attention(
                what,
                format!("{} cannot be looked at ({error})", path.display()),
                advice,
            )
        }
    }
}

fn recovery(config: &Config, identity: &str) -> Finding {
    let configured = &config.vault.recovery_recipients;
    // Before the first start, and when the database cannot be read, only the configuration can be counted.
    let count = crate::store::list_recipients_beside(&config.data_dir, &super::store_options(configured))
        .map_or(configured.len(), |all| all.len());
    match count {
        0 => Finding::attention(
            "keys",
            format!("{identity}; there is no recovery key, so a dead disk takes the keys with it"),
            "make one with `hubd keys make`, and keep it on paper",
        ),
        count => Finding::good(
            "keys",
            format!("{identity}; {count} recovery key(s) can open them, too"),
        ),
    }
}

/// Whoever may read the data folder may know the setup code: it is theirs to make the first owner.
fn owner(config: &Config) -> Finding {
    let what = "owner";
    if !config.data_dir.join("hubd.db").exists() {
        return Finding::good(
            what,
            "the first start shows a one-time setup code for the first owner",
        );
    }
    let accounts = match list_accounts_beside(&config.data_dir) {
        Ok(accounts) => accounts,
        Err(error) => {
            let detail = format!("the accounts cannot be read ({error})");
            return Finding::attention(what, detail, "start the hub of this version once");
        }
    };
    let owners = accounts.iter().filter(|account| account.role == Role::Owner);
    let names: Vec<&str> = owners.map(|account| account.name.as_str()).collect();
    if !names.is_empty() {
        return Finding::good(what, names.join(", "));
    }
    match setup::waiting(&config.data_dir) {
        Ok(Some(code)) => Finding::attention(
            what,
            format!("there is none yet; the one-time setup code is {}", code.expose()),
            format!("open the hub's page at {} and use it", config.http.listen),
        ),
        Ok(None) => Finding::attention(
            what,
            "there is none yet",
            "start the hub: it shows a one-time setup code",
        ),
        Err(error) => Finding::attention(
            what,
            format!("there is none yet, and the setup code cannot be read ({error})"),
            "run this as the user that runs the hub",
        ),
    }
}

/// Whether doors would be opened in an emergency.
fn life_safety(dir: &Path) -> Finding {
    let what = "life safety";
    if !dir.join("hubd.db").exists() {
        return Finding::good(what, "off, as before every first start");
    }
    let memory = match read_life_safety_beside(dir) {
        Ok(memory) => memory,
        Err(error) => {
            let detail = format!("it cannot be read ({error})");
            return Finding::attention(what, detail, "start the hub of this version once");
        }
    };
    let unreadable = match &memory.policy {
        StoredPolicy::Unreadable(reason) => Some(reason),
        StoredPolicy::None | StoredPolicy::Readable(_) => memory.unreadable.first(),
    };
    if let Some(reason) = unreadable {
        let advice = "set the policy anew under Emergency, or with PUT /life-safety";
        return Finding::bad(
            what,
            format!("NO DOOR IS OPENED in an emergency: {reason}"),
            advice,
        );
    }
    match memory.policy {
        StoredPolicy::Readable(policy) if policy.rules.enabled => Finding::good(
            what,
            format!("{} door(s) are opened in an emergency", policy.rules.doors.len()),
        ),
        StoredPolicy::Readable(_) | StoredPolicy::None | StoredPolicy::Unreadable(_) => {
            Finding::good(what, "off: no door is opened in an emergency")
        }
    }
}

fn clock() -> Finding {
    if Clock::system().now().wall.is_synced() {
        return Finding::good("clock", "it is set by the time service");
    }
    let advice = "see that a time service (systemd-timesyncd, chrony) runs and reaches a server (timedatectl); life safety works \
         without";
    Finding::attention(
        "clock",
        "nobody vouches for the date, so nothing that depends on it is granted",
        advice,
    )
}

fn http(config: &Config, running: bool) -> Finding {
    let address = config.http.listen;
    let what = "http";
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(what, format!("{address} is free for the hub")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            Finding::good(what, format!("the hub runs and listens on {address}"))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::bad(
            what,
            format!("another program listens on {address}"),
            "stop it, or change http.listen",
        ),
        Err(error) => Finding::bad(
            what,
            format!("the hub cannot listen on {address} ({error})"),
            "change http.listen",
        ),
    }
}

/// Asking a dongle that the hub uses would disturb it, so then its own word counts.
fn port(radio: &RadioConfig, running: bool) -> Finding {
    let what = format!("radio {}", radio.name);
    let port = radio.port.as_str();
    if running {
        let detail = format!(
            "the hub runs and has {port}; GET /api/v1/radios/{} tells its state",
            radio.name
        );
        return Finding::good(what, detail);
    }
    let asked = runtime().map_err(|error| error.to_string()).and_then(|runtime| {
        let RadioKind::Zwave = radio.kind;
        runtime
            .block_on(hubd_zwave::io::probe(port, crate::clock::mono))
            .map_err(|error| error.to_string())
    });
    match asked {
        Err(error) => {
            let (detail, advice) = error
                .split_once(": ")
                .unwrap_or((error.as_str(), "see that it is there and works"));
            Finding::bad(what, detail, advice)
        }
        Ok(dongle) if port.starts_with('/') && !port.contains("/by-id/") => {
            let advice =
                "give its path under /dev/serial/by-id/, which stays the same when dongles are replugged";
            Finding::attention(what, format!("{port} is a Z-Wave dongle: {dongle}"), advice)
        }
        Ok(dongle) => Finding::good(what, format!("{port} is a Z-Wave dongle: {dongle}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubd_model::RadioName;

    fn radio(port: &str) -> RadioConfig {
        let kind = RadioKind::Zwave;
        RadioConfig {
            name: RadioName::parse("zwave").unwrap(),
            kind,
            port: port.to_owned(),
        }
    }

    #[test]
    fn a_port_is_told_by_what_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hangs_up = format!("tcp://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let cases = [
            ("/dev/nothing-here", Verdict::Bad, "does not exist"),
            ("/dev/null", Verdict::Bad, "is not a serial port"),
            ("/dev", Verdict::Bad, "is not a serial port"),
            ("tcp://127.0.0.1:1", Verdict::Bad, "does not answer"),
            (hangs_up.as_str(), Verdict::Bad, "is closed from the other end"),
        ];
        for (place, verdict, words) in cases {
            let finding = port(&radio(place), false);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.detail.contains(words), "{finding:?}");
            assert!(finding.advice.is_some(), "{finding:?}");
        }
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_read_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) =
            crate::store::Store::open(folder.path(), &crate::store::StoreOptions::default()).unwrap();
        store.close().await.unwrap();
        assert_eq!(life_safety(folder.path()).verdict, Verdict::Good);
        let db = rusqlite::Connection::open(folder.path().join("hubd.db")).unwrap();
        let row =
            "INSERT INTO life_safety (kind, id, revision, version, row) VALUES ('policy', '', 1, 1, '{')";
        db.execute(row, []).unwrap();
        drop(db);
        let finding = life_safety(folder.path());
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.detail.contains("NO DOOR"), "{}", finding.detail);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_bad() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(
            data_dir(dir.path())
                .iter()
                .all(|finding| finding.verdict != Verdict::Bad)
        );
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(
            data_dir(dir.path()).first().map(|finding| finding.verdict),
            Some(Verdict::Bad)
        );
        assert!(!is_running(dir.path()));
    }
}
