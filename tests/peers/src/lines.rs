//! A child process whose output is read line by line, and that never outlives its owner.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::clock::Deadline;

/// A running child with everything that it has said.
#[derive(Debug)]
pub struct Process {
    child: Child,
    fresh: Receiver<String>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it with both outputs captured.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (sender, fresh) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child
                .stdout
                .take()
                .map(|out| Box::new(out) as Box<dyn Read + Send>),
            child
                .stderr
                .take()
                .map(|err| Box::new(err) as Box<dyn Read + Send>),
        ];
        for output in outputs.into_iter().flatten() {
            let (sender, said) = (sender.clone(), Arc::clone(&said));
            thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    said.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line.clone());
                    // Nobody may be waiting for a line any more.
                    let _ = sender.send(line);
                }
            });
        }
        Ok(Self { child, fresh, said })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has said so far, both outputs in order of arrival.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line that `pick` makes something of.
    ///
    /// # Errors
    /// When it ends or the time is over before it says so.
    pub fn wait_line<T>(&mut self, deadline: Deadline, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        while let Some(left) = deadline.left() {
            match self.fresh.recv_timeout(left) {
                Ok(line) => {
                    if let Some(found) = pick(&line) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it ended before it said so; it said:\n{}", self.said().join("\n"))
                }
            }
        }
        bail!("it did not say so in time; it said:\n{}", self.said().join("\n"))
    }

    /// Passes a short while, or less when the process says something: the pace of a loop that looks again.
    pub fn pause(&self, at_most: Duration) {
        // Whichever of a line, silence or the end comes first, the caller looks again.
        let _ = self.fresh.recv_timeout(at_most);
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends it at once (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it has not ended by the deadline.
    pub fn stop(&mut self, deadline: Deadline) -> Result<ExitStatus> {
        self.end(Signal::TERM, deadline)
    }

    /// Sends it a signal that ends it, and waits until it has.
    ///
    /// # Errors
    /// When it has not ended by the deadline.
    pub fn end(&mut self, signal: Signal, deadline: Deadline) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.context("no process id")?, signal)?;
        while let Some(left) = deadline.left_at_most(Duration::from_millis(20)) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            self.pause(left);
        }
        bail!(
            "it did not end after {signal:?}; it said:\n{}",
            self.said().join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
