//! A cgroup (version 2) for each job. A process stays in its cgroup even if it changes its environment,
//! session or parent, and the kernel kills a cgroup as a whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::process::{kill_process, Pid, Signal};
use tokio::io::Interest;

use super::watched::watched;

/// Cgroups below one of ours that are looked at; a job may make its own.
const DEPTH_MAX: usize = 16;

/// The cgroup of one job.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
    directory: File,
}

impl Cgroup {
    /// The cgroup in this directory.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let directory = File::open(&path)?;
        Ok(Cgroup { path, directory })
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Signals every process in it; returns how many there were.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<usize> {
        if signal == Signal::KILL && fs::write(self.path.join("cgroup.kill"), "1").is_ok() {
            return Ok(self.members()?.len());
        }
        if signal == Signal::KILL {
            self.freeze();
        }
        let members = self.members()?;
        for pid in &members {
            // It may have ended meanwhile.
            let _ = kill_process(*pid, signal);
        }
        Ok(members.len())
    }

    /// Stops every process in it, so that none forks while they are killed one by one: before Linux 5.14
    /// there is no `cgroup.kill`. SIGKILL reaches a frozen process.
    fn freeze(&self) {
        // Kernels before 5.2 lack this file; there the next look finds what was forked meanwhile.
        let _ = fs::write(self.path.join("cgroup.freeze"), "1");
    }

    /// The living processes in it and below.
    fn members(&self) -> io::Result<Vec<Pid>> {
        let mut members = Vec::new();
        for path in tree(&self.path) {
            match fs::read_to_string(path.join("cgroup.procs")) {
                Ok(text) => members.extend(
                    text.lines()
                        .filter_map(|line| line.parse().ok().and_then(Pid::from_raw)),
                ),
                // Removed by the job, with nobody in it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // A threaded cgroup lists its processes in its parent.
                Err(error) if path != self.path => log::debug!("{}: {error}", path.display()),
                Err(error) => return Err(error),
            }
        }
        Ok(members)
    }

    /// Completes when no process is left in it. Needs a tokio runtime with I/O.
    pub(super) async fn emptied(&self) -> io::Result<()> {
        let events = File::open(self.path.join("cgroup.events"))?;
        let events = watched(events, Interest::PRIORITY)?;
        loop {
            let mut text = String::new();
            let mut file = events.get_ref();
            file.rewind()?;
            file.read_to_string(&mut text)?;
            if is_unpopulated(&text) {
                return Ok(());
            }
            events.ready(Interest::PRIORITY).await?.clear_ready();
        }
    }

    /// Removes it; false if a process is left in it.
    pub(super) fn remove(&self) -> bool {
        match remove(&self.path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::ResourceBusy => false,
            Err(error) => {
                log::warn!("{}: not removed: {error}", self.path.display());
                true
            }
        }
    }
}

fn is_unpopulated(events: &str) -> bool {
    events.lines().any(|line| line == "populated 0")
}

/// The cgroup and those below it, parents first.
fn tree(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![(top.to_path_buf(), 0)];
    let mut next = 0;
    while let Some((path, depth)) = found.get(next).cloned() {
        next += 1;
        // A directory that vanishes meanwhile has no processes.
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            let is_below = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_below && depth < DEPTH_MAX {
                found.push((entry.path(), depth + 1));
            }
        }
    }
    found.into_iter().map(|(path, _)| path).collect()
}

/// Removes a cgroup and those below it.
pub(super) fn remove(top: &Path) -> io::Result<()> {
    match fs::remove_dir(top) {
        // Busy as well while the job's own lie below it.
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        done => return done,
    }
    for path in tree(top).iter().rev() {
        fs::remove_dir(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use rustix::process::{waitid, WaitId, WaitIdOptions};

    use super::*;
    use crate::jobs::run::homes::Homes;
    use crate::kernel::{spawn, Program};

    #[test]
    fn who_is_frozen_is_killed_all_the_same() {
        let Some(cgroup) = Homes::find().make() else {
            return;
        };
        let null = File::open("/dev/null").unwrap();
        let (mut said, output) = io::pipe().unwrap();
        let script = c"trap '' TERM; echo; while :; do :; done";
        let words = [c"sh", c"-c", script].map(CString::from);
        let program = Program {
            path: c"/bin/sh",
            arguments: &words,
            environment: &[],
            streams: [null.as_fd(), output.as_fd(), null.as_fd()],
            cgroup: cgroup.directory(),
        };
        let Ok((pid, end)) = spawn(&program) else {
            assert!(cgroup.remove());
            return;
        };
        // Only then it ignores SIGTERM.
        said.read_exact(&mut [0]).unwrap();
        assert_eq!(cgroup.members().unwrap(), [pid]);
        assert!(!cgroup.remove());
        cgroup.freeze();
        assert_eq!(cgroup.signal(Signal::TERM).unwrap(), 1);
        kill_process(pid, Signal::KILL).unwrap();
        let status = waitid(WaitId::PidFd(end.as_fd()), WaitIdOptions::EXITED).unwrap();
        assert_eq!(status.unwrap().terminating_signal(), Some(9));
        assert!(cgroup.remove());
        assert_eq!(cgroup.signal(Signal::KILL).unwrap(), 0);
    }

    #[test]
    fn an_empty_cgroup_is_known_by_its_events() {
        assert!(is_unpopulated("populated 0\nfrozen 0\n"));
        assert!(!is_unpopulated("populated 1\nfrozen 0\n"));
    }
}
