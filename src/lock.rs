//! One agent per device: a file lock that the kernel lets go of when its holder dies.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{flock, openat, FlockOperation, Mode, OFlags, CWD};
use rustix::io::Errno;
use rustix::process::geteuid;
use thiserror::Error;

/// Why the lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another agent holds it. `pid` is missing when it has not written it yet.
    #[error("already running{}; see socketman status", shown(*.pid))]
    AlreadyRunning { pid: Option<u32> },
    #[error("{path}: {reason}")]
    Unusable { path: PathBuf, reason: String },
}

fn shown(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// The right to be this device's agent; ends when dropped. Children do not inherit it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the agent whose state is in `state_dir` (below the root already), makes the
    /// directories that are missing (0700) and writes our pid. Never waits.
    ///
    /// The directory has to be ours or root's and writable by nobody else unless it is sticky; the
    /// lock has to be a regular file of ours.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        let dir = open_directory(state_dir).map_err(|reason| LockError::Unusable {
            path: state_dir.into(),
            reason,
        })?;
        let path = state_dir.join("lock");
        let unusable = |reason: String| LockError::Unusable {
            path: path.clone(),
            reason,
        };

        let mut file = open_lock(&dir).map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::AlreadyRunning {
                    pid: read_pid(&mut file),
                })
            }
            Err(error) => return Err(unusable(error.to_string())),
        }
        // The lock holds with or without the pid, which only makes a message better.
        if let Err(error) = write_pid(&mut file) {
            log::warn!("{}: pid not written: {error}", path.display());
        }
        Ok(Lock { _file: file })
    }
}

fn open_directory(path: &Path) -> Result<File, String> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => "is not a directory".into(),
            _ => error.to_string(),
        })?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir: File = openat(CWD, path, flags, Mode::empty())
        .map_err(|error| match error {
            // Linux says ENOTDIR for a link that may not be followed to a directory.
            Errno::LOOP | Errno::NOTDIR => "is a link or not a directory".into(),
            _ => error.to_string(),
        })?
        .into();
    let meta = dir.metadata().map_err(|error| error.to_string())?;
    if meta.uid() != 0 && meta.uid() != geteuid().as_raw() {
        return Err(format!("belongs to user {}", meta.uid()));
    }
    if meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0 {
        return Err(format!(
            "is writable by others (mode {:04o})",
            meta.mode() & 0o7777
        ));
    }
    Ok(dir)
}

fn open_lock(dir: &File) -> Result<File, String> {
    // NONBLOCK: a FIFO in its place must not hold us up.
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = openat(dir, "lock", flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| match error {
            Errno::LOOP => "is a link".into(),
            Errno::ISDIR => "is a directory".into(),
            _ => error.to_string(),
        })?
        .into();
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("is not a regular file".into());
    }
    if meta.uid() != geteuid().as_raw() {
        return Err(format!("belongs to user {}", meta.uid()));
    }
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{symlink, PermissionsExt};
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::fs::{mknodat, FileType};

    use super::*;

    fn reason(state_dir: &Path) -> String {
        let state_dir = state_dir.to_owned();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(Lock::take(&state_dir).unwrap_err()));
        receiver
            .recv_timeout(Duration::from_secs(10))
            .expect("taking a lock waits for nobody")
            .to_string()
    }

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
        let lock = Lock::take(root.path()).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "echo ready; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Until it has said something it may be about to give up what it inherited.
        let mut ready = [0; 6];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        drop(lock);
        let again = take_again(root.path());
        child.kill().unwrap();
        child.wait().unwrap();
        again.unwrap();
    }

    #[test]
    fn a_fifo_a_link_or_a_directory_in_place_of_the_lock_is_refused_without_waiting() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let state = root.path().join(name);
            fs::create_dir(&state).unwrap();
            state
        };

        let fifo = place("fifo");
        mknodat(CWD, fifo.join("lock"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(reason(&fifo).ends_with("fifo/lock: is not a regular file"));

        let link = place("link");
        let victim = root.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, link.join("lock")).unwrap();
        assert!(reason(&link).ends_with("link/lock: is a link"));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

        let directory = place("directory");
        fs::create_dir(directory.join("lock")).unwrap();
        assert!(reason(&directory).ends_with("directory/lock: is a directory"));
    }

    #[test]
    fn a_state_directory_that_others_control_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        assert!(reason(&open).ends_with("open: is writable by others (mode 0777)"));
        fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
        Lock::take(&open).unwrap();

        let link = root.path().join("link");
        symlink(&open, &link).unwrap();
        assert!(reason(&link).ends_with("link: is a link or not a directory"));

        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(reason(&file).ends_with("file: is not a directory"));
    }
}
