//! The agent as what it is on a router: a process of its own, which can be ended and killed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{kill_process, prlimit, Pid, Resource, Rlimit, Signal};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::slow_sync::SlowSync;

/// Why the agent did not start or end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("the agent (pid {pid}): {error}")]
    Process { pid: i32, error: io::Error },
    #[error("the agent (pid {pid}) did not end within {within:?}")]
    StillRunning { pid: i32, within: Duration },
}

/// Settings with which the agent is started.
#[derive(Debug, Clone)]
pub struct AgentProgram {
    /// The executable, see [`crate::agent_binary::find`].
    pub binary: PathBuf,
    /// Prefix of every path the agent uses.
    pub root: PathBuf,
    pub ubus_socket: PathBuf,
    /// The file to which its log is appended.
    pub log: PathBuf,
    /// Where it reads what time it is, see [`AgentProgram::set_clock`].
    pub clock: PathBuf,
    /// It asks the kernel instead, as on a router.
    pub keeps_time: bool,
    /// The factor by which its intervals pass faster than on a router, 1 to 10,000.
    pub time_scale: u32,
    /// The delay of each sync of its disk, see [`SlowSync`].
    pub slow_sync: Option<SlowSync>,
}

/// Starts its arguments as a program that gets an error, not a signal, when a file may not
/// grow: see [`AgentProcess::set_disk_full`].
const LIMITED: &str = "trap '' XFSZ; exec \"$0\" \"$@\"";

impl AgentProgram {
    /// An agent with everything it has in the directory `dir`, and a clock that is right.
    ///
    /// # Errors
    ///
    /// A clock that cannot be written.
    pub fn below(dir: &Path, binary: PathBuf, time_scale: u32) -> Result<Self, ProcessError> {
        let program = AgentProgram {
            binary,
            root: dir.join("root"),
            ubus_socket: dir.join("ubus.sock"),
            log: dir.join("agent.log"),
            clock: dir.join("clock"),
            keeps_time: false,
            time_scale,
            slow_sync: None,
        };
        program.set_clock(0, true)?;
        Ok(program)
    }

    /// Where the agent looks for its configuration.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("etc/socketman/config.json")
    }

    /// Writes the agent's configuration, for its next start.
    ///
    /// # Errors
    ///
    /// The file or its directory cannot be written.
    pub fn configure(&self, config: &Value) -> Result<(), ProcessError> {
        let path = self.config_file();
        let failed = |error| ProcessError::File {
            path: path.clone(),
            error,
        };
        if let Some(dir) = path.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(dir).map_err(failed)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        let mut file = file.map_err(failed)?;
        file.write_all(format!("{config:#}\n").as_bytes())
            .map_err(failed)
    }

    /// Has its clock wrong by `offset` seconds from now on; `synced` says that it is known to be right.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn set_clock(&self, offset: i64, synced: bool) -> Result<(), ProcessError> {
        let text = format!("{offset} {}\n", u8::from(synced));
        // A reader gets either the old or the new file, whole.
        let fresh = self.clock.with_extension("new");
        fs::write(&fresh, text)
            .and_then(|()| fs::rename(&fresh, &self.clock))
            .map_err(|error| ProcessError::File {
                path: self.clock.clone(),
                error,
            })
    }

    /// The words after the executable's name.
    pub fn args(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut args = vec![
            "--root".to_owned(),
            path(&self.root),
            "--ubus-socket".to_owned(),
            path(&self.ubus_socket),
        ];
        if !self.keeps_time {
            args.extend(["--clock".to_owned(), path(&self.clock)]);
        }
        if self.time_scale != 1 {
            args.extend(["--time-scale".to_owned(), self.time_scale.to_string()]);
        }
        args
    }

    /// The command with which a person starts it.
    pub fn command_line(&self) -> String {
        format!(
            "DEBUG=1 {} {}",
            self.binary.display(),
            self.args().join(" ")
        )
    }

    /// The command with which a person asks it (`status`, `jobs`, …).
    pub fn question(&self, verb: &str) -> String {
        format!(
            "{} {verb} --ubus-socket {}",
            self.binary.display(),
            self.ubus_socket.display()
        )
    }

    /// Starts it in a process group of its own, so that Ctrl-C reaches the lab alone.
    ///
    /// # Errors
    ///
    /// The log or the executable cannot be opened.
    pub fn start(&self) -> Result<AgentProcess, ProcessError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| ProcessError::File { path, error }
        };
        let mut open = OpenOptions::new();
        let log = open
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(at(&self.log))?;
        let mut child = Command::new("sh")
            .args(["-c", LIMITED])
            .arg(&self.binary)
            .args(self.args())
            .env("DEBUG", "1")
            .envs(self.slow_sync.iter().flat_map(SlowSync::environment))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(at(&self.binary))?;
        let pid = child.id().map(u32::cast_signed).and_then(Pid::from_raw);
        let pid = pid.expect("a process that nobody has waited for has an id");
        let (end, ended) = watch::channel(None);
        let watch = tokio::spawn(async move {
            let status = child.wait().await;
            end.send_replace(Some(status.map_err(|error| error.to_string())));
        });
        Ok(AgentProcess { pid, ended, watch })
    }
}

/// The exit status of an agent; None while it runs, an error if the system does not say.
pub type End = Option<Result<ExitStatus, String>>;

/// A running agent; killed when dropped.
#[derive(Debug)]
pub struct AgentProcess {
    pid: Pid,
    ended: watch::Receiver<End>,
    /// Holds the process, and kills it when it is dropped.
    watch: JoinHandle<()>,
}

impl AgentProcess {
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// To see whether it has ended, and to wait for that.
    pub fn end(&self) -> watch::Receiver<End> {
        self.ended.clone()
    }

    /// Waits until it has ended. Safe to drop and call again.
    ///
    /// # Errors
    ///
    /// The system does not say how it ended.
    pub async fn ended(&mut self) -> Result<ExitStatus, ProcessError> {
        let reason = match self.ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(status))) => return Ok(*status),
            Ok(Some(Err(reason))) => reason.clone(),
            Ok(None) | Err(_) => "nobody waits for it any more".to_owned(),
        };
        Err(self.failed(io::Error::other(reason)))
    }

    /// Has every write of its fail from now on, as on a full disk, or work again.
    ///
    /// # Errors
    ///
    /// The system does not let us.
    pub fn set_disk_full(&self, full: bool) -> Result<(), ProcessError> {
        let limit = Rlimit {
            current: full.then_some(0),
            maximum: None,
        };
        prlimit(Some(self.pid), Resource::Fsize, limit)
            .map(drop)
            .map_err(|errno| self.failed(errno.into()))
    }

    /// Tells it to end, by SIGTERM, and does not wait for that.
    ///
    /// # Errors
    ///
    /// The system does not let us.
    pub fn ask_to_end(&self) -> Result<(), ProcessError> {
        self.signal(Signal::TERM)
    }

    /// Kills it with SIGKILL, and does not wait for that.
    ///
    /// # Errors
    ///
    /// The system does not let us.
    pub fn ask_to_die(&self) -> Result<(), ProcessError> {
        self.signal(Signal::KILL)
    }

    /// Ends it with SIGTERM and waits for that.
    ///
    /// # Errors
    ///
    /// It takes longer than `within`.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM)?;
        let pid = self.pid();
        timeout(within, self.ended())
            .await
            .unwrap_or(Err(ProcessError::StillRunning { pid, within }))
    }

    /// Ends it with SIGKILL, as a crash would, and waits for that.
    ///
    /// # Errors
    ///
    /// The system does not let us.
    pub async fn kill(&mut self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::KILL)?;
        self.ended().await
    }

    /// An agent that has ended is left alone: its id may be somebody else's by now.
    fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        if self.ended.borrow().is_some() {
            return Ok(());
        }
        match kill_process(self.pid, signal) {
            // It has ended by itself.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(self.failed(errno.into())),
        }
    }

    fn failed(&self, error: io::Error) -> ProcessError {
        let pid = self.pid();
        ProcessError::Process { pid, error }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
