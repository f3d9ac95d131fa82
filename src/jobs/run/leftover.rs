//! Processes of a job that outlive its shell or the agent.

use tokio::task::yield_now;

use super::cgroup::Cgroup;
use super::child::Child;
use super::output::Stream;
use super::supervisor;

/// Pipes that background processes still hold, and their cgroup. The processes are left alone, so their
/// output must be read on: by [`Leftover::drain`], or by another process once this is dropped.
#[derive(Debug)]
pub(in crate::jobs) struct Leftover {
    /// Standard output and standard error; one that has ended is closed later than the result is sent.
    streams: [Option<Stream>; 2],
    cgroup: Option<Cgroup>,
    /// It has ended, and is let go later as well.
    shell: Option<Child>,
}

impl Leftover {
    /// Streams and a cgroup, which may be empty; `None` without one and with no open stream.
    pub(super) fn of(shell: Child, streams: [Stream; 2], cgroup: Option<Cgroup>) -> Option<Self> {
        let any = cgroup.is_some() || streams.iter().any(Stream::is_open);
        any.then(|| Leftover {
            streams: streams.map(Some),
            cgroup,
            shell: Some(shell),
        })
    }

    /// Reads and drops until the last writer is gone, and removes the cgroup when the last process is.
    pub(in crate::jobs) async fn drain(mut self) {
        // The job's result goes first.
        yield_now().await;
        self.shell = None;
        self.cgroup = self.cgroup.take().filter(|cgroup| !cgroup.remove());
        let [stdout, stderr] = &mut self.streams;
        tokio::join!(to_end(stdout), to_end(stderr));
        let Some(cgroup) = &self.cgroup else {
            return;
        };
        match cgroup.emptied().await {
            // By being dropped.
            Ok(()) => {}
            Err(error) => log::warn!("the cgroup of a job cannot be watched: {error}"),
        }
    }
}

/// Reads a stream to its end, and closes it.
async fn to_end(stream: &mut Option<Stream>) {
    if let Some(open) = stream {
        open.pump_to_end().await;
        *stream = None;
    }
}

#[cfg(test)]
impl Leftover {
    /// True if no process is left.
    pub(super) fn is_empty(&self) -> bool {
        !self.streams.iter().flatten().any(Stream::is_open)
            && self.cgroup.as_ref().is_none_or(Cgroup::remove)
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            // With processes in it, it is left to the next agent.
            cgroup.remove();
        }
        let pipes = [0, 1].map(|at| self.streams[at].take().and_then(Stream::into_pipe));
        if pipes.iter().all(Option::is_none) {
            return;
        }
        if let Err(error) = supervisor::go_on_reading(pipes) {
            log::warn!("nobody reads the output of a job's background any more: {error}");
        }
    }
}
