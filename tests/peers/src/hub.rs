//! The real daemon as a process of its own, in a data folder of its own.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use crate::clock::Deadline;
use crate::http::Client;
use crate::lines::Process;

/// How a hub is set up.
#[derive(Debug, Clone, Default)]
pub struct HubOptions {
    /// The `port` of its Z-Wave radio; no radio when empty.
    pub radio: String,
    /// Lines to add to its configuration.
    pub extra: String,
}

/// A hub: its folder and, while it runs, its process.
#[derive(Debug)]
pub struct Hub {
    folder: TempDir,
    port: u16,
    token: Option<String>,
    process: Option<Process>,
    said: Vec<String>,
}

/// The daemon's binary: `HUBD_BIN`, or the one of this build, brought up to date first.
///
/// # Errors
/// When it cannot be built or found.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HUBD_BIN") {
        return Ok(path.into());
    }
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "hubd"])
        .status()?;
    if !status.success() {
        bail!("`cargo build -p hubd` failed");
    }
    // A test runs from <target>/debug/deps, a program from <target>/debug.
    let exe = std::env::current_exe()?;
    let found = exe
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("hubd"))
        .find(|path| path.is_file());
    found.with_context(|| format!("there is no hubd near {} after the build", exe.display()))
}

/// A free port of this moment.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Hub {
    /// Makes a folder and a configuration; starts nothing.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn new(options: &HubOptions) -> Result<Self> {
        let folder = TempDir::with_prefix("hubd-peers-")?;
        let hub = Self {
            folder,
            port: free_port()?,
            token: None,
            process: None,
            said: Vec::new(),
        };
        hub.configure(options)?;
        Ok(hub)
    }

    /// Writes the configuration anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, options: &HubOptions) -> Result<()> {
        let radio = if options.radio.is_empty() {
            String::new()
        } else {
            format!(
                "[[radio]]\nname = \"zwave\"\nkind = \"zwave\"\nport = \"{}\"\n",
                options.radio
            )
        };
        let text = format!(
            "data_dir = \"{}\"\n[http]\nlisten = \"127.0.0.1:{}\"\ntls = \"off\"\n{radio}{}",
            self.data().display(),
            self.port,
            options.extra
        );
        fs::write(self.config(), text)?;
        Ok(())
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("hubd.toml")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The file of its database.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn database_path(&self) -> Result<PathBuf> {
        for entry in fs::read_dir(self.data())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| {
                ["db", "sqlite", "sqlite3"]
                    .iter()
                    .any(|known| extension == *known)
            }) {
                return Ok(path);
            }
        }
        bail!("there is no database in {}", self.data().display())
    }

    /// Its database, while it does not run: to look at what is kept and to damage it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn database(&self) -> Result<rusqlite::Connection> {
        Ok(rusqlite::Connection::open(self.database_path()?)?)
    }

    /// Copies the database, while it does not run.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn copy_database(&self, to: &Path) -> Result<()> {
        // What is still in the write-ahead log belongs to it.
        self.database()?
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        fs::copy(self.database_path()?, to)?;
        Ok(())
    }

    /// Puts a copy back, while it does not run.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn restore_database(&self, from: &Path) -> Result<()> {
        let path = self.database_path()?;
        for suffix in ["-wal", "-shm"] {
            // They are not there after a clean end.
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
        fs::copy(from, path)?;
        Ok(())
    }

    /// The port of its API.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a command of the command line in this folder, with text on its standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn command(&self, arguments: &[&str], input: &str) -> Result<Output> {
        run(&self.config(), arguments, input)
    }

    /// Runs a command that must succeed and answers with its standard output.
    ///
    /// # Errors
    /// With what it said when it fails.
    pub fn command_ok(&self, arguments: &[&str], input: &str) -> Result<String> {
        let output = self.command(arguments, input)?;
        if !output.status.success() {
            bail!(
                "`hubd {}` failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Gives it the mock home's keys.
    ///
    /// # Errors
    /// When it refuses them.
    pub fn import_keys(&self) -> Result<()> {
        self.command_ok(
            &["radio", "import-keys", "zwave"],
            &crate::mock::known_keys().to_string(),
        )?;
        Ok(())
    }

    /// Makes a token of this scope.
    ///
    /// # Errors
    /// When it refuses.
    pub fn create_token(&self, name: &str, scope: &str) -> Result<String> {
        let answer = self.command_ok(
            &["token", "create", "--name", name, "--scope", scope, "--json"],
            "",
        )?;
        let answer: Value = serde_json::from_str(&answer).with_context(|| format!("not JSON: {answer}"))?;
        Ok(answer["token"]
            .as_str()
            .with_context(|| format!("no token in {answer}"))?
            .to_owned())
    }

    /// Starts the daemon and waits until it answers. Its first start makes a token of scope `manage`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self) -> Result<()> {
        self.launch()?;
        self.wait_answer(Deadline::seconds(60))
    }

    /// Makes the token of scope `manage` that [`Self::client`] uses, unless there is one.
    ///
    /// # Errors
    /// As [`Self::create_token`].
    pub fn create_token_once(&mut self) -> Result<()> {
        if self.token.is_none() {
            self.token = Some(self.create_token("peers", "manage")?);
        }
        Ok(())
    }

    /// Uses the token of another hub, whose data this one took over.
    pub fn use_token_of(&mut self, other: &Self) {
        self.token.clone_from(&other.token);
    }

    /// Starts the daemon without waiting.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        self.create_token_once()?;
        let mut command = Command::new(binary()?);
        command.arg("run").arg("--config").arg(self.config());
        self.process = Some(Process::start(&mut command)?);
        Ok(())
    }

    /// Waits until the daemon answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time.
    pub fn wait_answer(&mut self, deadline: Deadline) -> Result<()> {
        let client = Client::new(self.port, None);
        let process = self.process.as_mut().context("the hub is not running")?;
        while let Some(left) = deadline.left_at_most(Duration::from_millis(5)) {
            if client.get("/health").is_ok() {
                return Ok(());
            }
            if let Some(status) = process.ended()? {
                bail!(
                    "the hub ended with {status}; it said:\n{}",
                    process.said().join("\n")
                );
            }
            process.pause(left);
        }
        bail!("the hub does not answer; it said:\n{}", process.said().join("\n"))
    }

    /// A client with the token of scope `manage`.
    pub fn client(&self) -> Client {
        Client::new(self.port, self.token.clone())
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Lets none of its files grow beyond this many bytes, as a full disk would; without a number, lets them grow again.
    ///
    /// # Errors
    /// When it does not run, or may not be limited.
    pub fn limit_files(&self, bytes: Option<u64>) -> Result<()> {
        let pid = i32::try_from(self.pid().context("the hub is not running")?)?;
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Pid::from_raw(pid), Resource::Fsize, limit)?;
        Ok(())
    }

    /// Resident memory of the daemon in bytes.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resident_bytes(&self) -> Result<u64> {
        let pid = self.pid().context("the hub is not running")?;
        resident_bytes(pid)
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the hub is not running")?;
        process.kill()?;
        self.said.extend(process.said());
        Ok(())
    }

    /// Asks it to end in good order.
    ///
    /// # Errors
    /// When it does not within 30 seconds.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().context("the hub is not running")?;
        let status = process.stop(Deadline::seconds(30))?;
        self.said.extend(process.said());
        Ok(status)
    }

    /// Lets it crash, as a fault in its program would, where dumps of memory may be as large as they want.
    ///
    /// # Errors
    /// When it does not end within 30 seconds.
    pub fn crash(&mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().context("the hub is not running")?;
        let pid = Pid::from_raw(i32::try_from(process.id())?);
        let unlimited = Rlimit {
            current: None,
            maximum: None,
        };
        // Where that is not allowed, the limit stays as the hub set it: none.
        let _raised = prlimit(pid, Resource::Core, unlimited);
        let status = process.end(Signal::ABORT, Deadline::seconds(30))?;
        self.said.extend(process.said());
        Ok(status)
    }

    /// Everything that it has ever said.
    pub fn said(&self) -> Vec<String> {
        let now = self.process.as_ref().map(Process::said).unwrap_or_default();
        self.said.iter().cloned().chain(now).collect()
    }

    /// Looks again and again until `condition` is met, at most every 20 milliseconds.
    ///
    /// # Errors
    /// When it is not met in time or the hub ends.
    pub fn wait<T>(
        &mut self,
        what: &str,
        deadline: Deadline,
        mut condition: impl FnMut(&Client) -> Option<T>,
    ) -> Result<T> {
        let client = self.client();
        let process = self.process.as_mut().context("the hub is not running")?;
        while let Some(left) = deadline.left_at_most(Duration::from_millis(20)) {
            if let Some(found) = condition(&client) {
                return Ok(found);
            }
            if let Some(status) = process.ended()? {
                bail!(
                    "waiting for {what}: the hub ended with {status}; it said:\n{}",
                    tail(&process.said())
                );
            }
            process.pause(left);
        }
        bail!(
            "waited in vain for {what}; the hub said:\n{}",
            tail(&process.said())
        )
    }
}

/// Runs `hubd` with this configuration and text on its standard input.
///
/// # Errors
/// When it cannot be started.
pub fn run(config: &Path, arguments: &[&str], input: &str) -> Result<Output> {
    let mut child = Command::new(binary()?)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It may end without reading its input; what it says then matters, not the broken pipe.
    let _ = child
        .stdin
        .take()
        .context("no standard input")?
        .write_all(input.as_bytes());
    Ok(child.wait_with_output()?)
}

/// Resident memory of a process in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

fn tail(lines: &[String]) -> String {
    lines
        .iter()
        .rev()
        .take(60)
        .rev()
        .cloned()
        .collect::<Vec<_>>()
        .join("\n")
}
