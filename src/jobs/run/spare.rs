//! Parts of the next job that can be made before it comes.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use tokio::net::unix::pipe::Receiver;

use super::cgroup::Cgroup;
use super::homes::Homes;

/// The streams of a job: ours are read, those of the job are handed to its first process.
#[derive(Debug)]
pub(super) struct Streams {
    /// Standard output and standard error.
    pub(super) ours: [Receiver; 2],
    pub(super) job: JobStreams,
}

/// Standard input, output and error of a job; nothing is there to be read. They close on exec.
#[derive(Debug)]
pub(super) struct JobStreams {
    null: OwnedFd,
    pipes: [OwnedFd; 2],
}

impl Streams {
    /// Needs a tokio runtime with I/O.
    pub(super) fn new() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, Mode::empty())?;
        let (stdout, out) = io::pipe()?;
        let (stderr, err) = io::pipe()?;
        Ok(Streams {
            ours: [
                Receiver::from_owned_fd(stdout.into())?,
                Receiver::from_owned_fd(stderr.into())?,
            ],
            job: JobStreams {
                null,
                pipes: [out.into(), err.into()],
            },
        })
    }
}

impl JobStreams {
    /// All three.
    pub(super) fn all(&self) -> [BorrowedFd<'_>; 3] {
        let [stdout, stderr] = &self.pipes;
        [self.null.as_fd(), stdout.as_fd(), stderr.as_fd()]
    }

    /// Standard output and standard error.
    pub(super) fn outputs(&self) -> &[OwnedFd; 2] {
        &self.pipes
    }
}

/// A cgroup and streams for the next job. Cgroup and pipes take the kernel some 70 µs, a tenth of a short job; a job that
/// finds them ready does not wait for that.
#[derive(Debug, Default)]
pub(in crate::jobs) struct Spare {
    cgroup: Option<Cgroup>,
    streams: Option<Streams>,
}

impl Spare {
    /// Makes what is not there; what cannot be made is left to the job. Needs a tokio runtime with I/O.
    pub(in crate::jobs) fn prepare(&mut self) {
        if self.cgroup.is_none() {
            self.cgroup = Homes::find().make();
        }
        if self.streams.is_none() {
            self.streams = Streams::new().ok();
        }
    }

    /// Hands it over to a job; none is left.
    pub(in crate::jobs) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// The cgroup, which its new owner removes.
    pub(super) fn take_cgroup(&mut self) -> Option<Cgroup> {
        self.cgroup.take()
    }

    /// The streams.
    pub(super) fn take_streams(&mut self) -> Option<Streams> {
        self.streams.take()
    }
}

#[cfg(test)]
impl Streams {
    pub(super) fn descriptors(&self) -> Vec<i32> {
        use std::os::fd::AsRawFd;
        let job = self.job.all().map(|fd| fd.as_raw_fd());
        let ours = self.ours.iter().map(AsRawFd::as_raw_fd);
        ours.chain(job).collect()
    }
}

#[cfg(test)]
impl Spare {
    pub(super) fn descriptors(&self) -> Option<Vec<i32>> {
        self.streams.as_ref().map(Streams::descriptors)
    }

    pub(super) fn path(&self) -> Option<&std::path::Path> {
        self.cgroup.as_ref().map(Cgroup::path)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove();
        }
    }
}
