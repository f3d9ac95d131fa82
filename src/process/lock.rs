//! Keeps the device to one agent: a file lock that the kernel lets go of when its holder dies.
//!
//! The file holds the pid of the agent, and `ending` behind it from the moment on at which that agent ends. The
//! next one waits for an agent that is ending: a script that restarts the agent may be quicker than its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::Directory;
use rustix::fs::{flock, FlockOperation, OFlags};
use rustix::io::Errno;
use thiserror::Error;
use tokio::time::{sleep, Instant};

/// Why the lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another agent holds it. `pid` is missing when it has not written it yet.
    #[error("already running{}; see socketman status", shown(*.pid))]
    AlreadyRunning {
        pid: Option<u32>,
        /// True if that agent is about to end.
        ending: bool,
    },
    #[error("{path}: {reason}")]
    Unusable { path: PathBuf, reason: String },
}

fn shown(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// The right to be this device's agent; ends when dropped. Children do not inherit it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// The mark of an agent that ends, behind its pid.
const ENDING: &str = "ending";

/// Between two looks at the lock of an agent that is ending.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Lock {
    /// Takes the lock of the agent whose state is in `state_dir` (below the root already), makes the
    /// directories that are missing (0700) and writes our pid. Never waits. Directory and lock have to
    /// be ours alone, as [`Directory`] says.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        let unusable = |path: &Path, reason: io::Error| LockError::Unusable {
            path: path.into(),
            reason: reason.to_string(),
        };
        let dir = Directory::open(state_dir).map_err(|error| unusable(state_dir, error))?;
        let path = state_dir.join("lock");
        let mut file = dir
            .file("lock", OFlags::RDWR | OFlags::CREATE)
            .map_err(|error| unusable(&path, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let (pid, ending) = read_holder(&mut file);
                return Err(LockError::AlreadyRunning { pid, ending });
            }
            Err(error) => return Err(unusable(&path, error.into())),
        }
        // The lock holds with or without the pid, which only makes a message better.
        if let Err(error) = write_holder(&mut file, "") {
            log::warn!("{}: pid not written: {error}", path.display());
        }
        Ok(Lock { file })
    }

    /// [`Lock::take`], which waits no longer than `within` for an agent that is ending.
    pub async fn take_after(state_dir: &Path, within: Duration) -> Result<Self, LockError> {
        let deadline = Instant::now() + within;
        loop {
            match Lock::take(state_dir) {
                Err(LockError::AlreadyRunning { ending: true, .. })
                    if Instant::now() < deadline =>
                {
                    sleep(LOOK_AGAIN).await;
                }
                taken => return taken,
            }
        }
    }

    /// Tells the next agent that this one is ending.
    pub fn ending(&mut self) {
        if let Err(error) = write_holder(&mut self.file, ENDING) {
            log::debug!("lock: the end of this agent is not noted: {error}");
        }
    }
}

/// The pid of the agent that holds the lock, and whether it is ending.
fn read_holder(file: &mut File) -> (Option<u32>, bool) {
    let mut text = String::new();
    if file.take(32).read_to_string(&mut text).is_err() {
        return (None, false);
    }
    let mut words = text.split_ascii_whitespace();
    let pid = words.next().and_then(|pid| pid.parse().ok());
    (pid, words.next() == Some(ENDING))
}

fn write_holder(file: &mut File, mark: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let pid = std::process::id();
    let text = match mark {
        "" => format!("{pid}\n"),
        mark => format!("{pid} {mark}\n"),
    };
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use rustix::fs::{mknodat, FileType, Mode, CWD};

    use super::*;

    #[test]
    fn a_second_agent_is_told_who_runs_until_the_first_ends() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("etc/socketman/state");
        let first = Lock::take(&state).unwrap();
        let message = Lock::take(&state).unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "already running (pid {}); see socketman status",
                std::process::id()
            )
        );
        drop(first);
        take_again(&state).unwrap();
    }

    #[tokio::test]
    async fn an_agent_that_is_ending_is_waited_for_and_one_that_runs_is_not() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("etc/socketman/state");
        let long = Duration::from_secs(30);
        let mut first = Lock::take(&state).unwrap();
        let running = Lock::take_after(&state, long).await.unwrap_err();
        let LockError::AlreadyRunning { pid, ending } = running else {
            panic!("{running}");
        };
        assert_eq!((pid, ending), (Some(std::process::id()), false));
        first.ending();
        let late = Lock::take_after(&state, Duration::from_millis(50)).await;
        assert!(matches!(
            late,
            Err(LockError::AlreadyRunning { ending: true, .. })
        ));
        let next = tokio::join!(Lock::take_after(&state, long), async {
            sleep(Duration::from_millis(50)).await;
            drop(first);
        });
        drop(next.0.unwrap());
        // The mark is not left for the next.
        let _again = take_again(&state).unwrap();
        let said = fs::read_to_string(state.join("lock")).unwrap();
        assert_eq!(said, format!("{}\n", std::process::id()));
    }

    /// Takes a lock that was let go of. A child that another test is just starting holds everything
    /// this process had open until it executes its program.
    fn take_again(state: &Path) -> Result<Lock, LockError> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match Lock::take(state) {
                Err(LockError::AlreadyRunning { .. }) if Instant::now() < end => {
                    thread::yield_now()
                }
                taken => return taken,
            }
        }
    }

    #[test]
    fn a_holder_without_a_pid_is_still_a_holder() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        let _first = Lock::take(&state).unwrap();
        fs::write(state.join("lock"), "rubbish").unwrap();
        let message = Lock::take(&state).unwrap_err().to_string();
        assert_eq!(message, "already running; see socketman status");
    }

    #[test]
    fn directories_are_made_for_us_alone_and_a_longer_old_pid_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("etc/socketman/state");
        drop(Lock::take(&state).unwrap());
        fs::write(state.join("lock"), "1234567890123\n").unwrap();
        let _lock = take_again(&state).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(&root.path().join("etc")), 0o700);
        assert_eq!(mode(&state.join("lock")), 0o600);
        assert_eq!(
            fs::read_to_string(state.join("lock")).unwrap(),
            format!("{}\n", std::process::id())
        );
    }

    #[test]
    fn a_child_that_outlives_the_agent_does_not_hold_its_lock() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        let lock = Lock::take(&state).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "echo ready; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Until it has said something it may be about to give up what it inherited.
        let mut ready = [0; 6];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        drop(lock);
        let again = take_again(&state);
        child.kill().unwrap();
        child.wait().unwrap();
        again.unwrap();
    }

    #[test]
    fn what_cannot_be_our_lock_is_named_with_its_reason_and_without_waiting() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        Directory::open(&state).unwrap();
        mknodat(CWD, state.join("lock"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let (sender, receiver) = mpsc::channel();
        let dir = state.clone();
        thread::spawn(move || sender.send(Lock::take(&dir).unwrap_err()));
        let error = receiver.recv_timeout(Duration::from_secs(20));
        let error = error.expect("taking a lock waits for nobody").to_string();
        assert!(
            error.ends_with("state/lock: is not a regular file"),
            "{error}"
        );

        fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
        let error = Lock::take(&state).unwrap_err().to_string();
        assert!(
            error.ends_with("state: is open to others: chmod 700 it"),
            "{error}"
        );
    }
}
