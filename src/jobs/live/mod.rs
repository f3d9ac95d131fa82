//! Output of running jobs, published as it comes: topic `live/<base>`.
//!
//! ```text
//!  worker ─pieces─► Live::follow ─► LiveOutput ─messages─► broker link
//! ```
//!
//! Nobody relies on it: a result has everything. So nothing here waits for anybody. A worker that finds
//! its channel full drops output and counts it; the newest [`waiting::WAITING_MAX`] bytes of a job wait
//! here, and only while the link is up; a job has four messages a second and 256 KiB in all. What is
//! dropped is counted in `skipped` of the next message.

mod followed;
mod piece;
mod waiting;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, Instant};

use followed::Followed;

pub use followed::MESSAGE_MAX;
pub use piece::{Piece, StreamName};

/// Jobs followed at once; there are eight workers at most, and those that have ended go first.
const FOLLOWED: usize = 16;

/// Time between two looks at output that nobody publishes.
const SKIP_EVERY: Duration = Duration::from_secs(1);

/// A job to follow.
type Coming = (Arc<str>, mpsc::Receiver<Piece>);

/// The way in: has the output of jobs published. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live(mpsc::Sender<Coming>);

/// The way out: the messages, for who publishes them.
#[derive(Debug)]
pub struct LiveOutput {
    /// `None` once it is switched off.
    coming: Option<mpsc::Receiver<Coming>>,
    followed: VecDeque<Followed>,
}

impl Live {
    /// Both ends.
    pub fn new() -> (Self, LiveOutput) {
        let (sender, coming) = mpsc::channel(FOLLOWED);
        let output = LiveOutput {
            coming: Some(coming),
            followed: VecDeque::new(),
        };
        (Live(sender), output)
    }

    /// Publishes the output of job `id` until its `pieces` end. Where live output is switched off or too
    /// many jobs are followed the receiver is dropped: the worker has nobody to tell then.
    pub fn follow(&self, id: &Arc<str>, pieces: mpsc::Receiver<Piece>) {
        let _nobody = self.0.try_send((Arc::clone(id), pieces));
    }
}

impl LiveOutput {
    /// False once it is switched off.
    pub fn is_on(&self) -> bool {
        self.coming.is_some()
    }

    /// Follows no job any more, for good.
    pub fn switch_off(&mut self) {
        self.coming = None;
        self.followed.clear();
    }

    /// Completes when a message may go, not before `from`. Cancel safe.
    pub async fn due(&mut self, from: Instant) {
        loop {
            let now = Instant::now();
            self.forget(now);
            let dues = self.followed.iter().filter_map(Followed::due);
            let due = dues.min().map(|due| due.max(from));
            if due.is_some_and(|due| due <= now) {
                return;
            }
            let over = self.followed.iter().filter_map(Followed::over);
            let next = over.chain(due).min();
            tokio::select! {
                () = poll_fn(|cx| self.poll_read(cx)) => {}
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
            }
        }
    }

    /// A message of at most `room` bytes, of the job that has waited longest.
    pub fn take(&mut self, room: usize) -> Option<Vec<u8>> {
        let now = Instant::now();
        let is_due = |followed: &Followed| followed.due().is_some_and(|due| due <= now);
        let at = self.followed.iter().position(is_due)?;
        let mut followed = self.followed.remove(at)?;
        let message = followed.take(room, now);
        self.followed.push_back(followed);
        message
    }

    /// Drops output while nobody publishes it; never returns. Cancel safe.
    pub async fn discard(&mut self) -> Infallible {
        loop {
            let now = Instant::now();
            for followed in &mut self.followed {
                followed.skip_all(now);
            }
            self.forget(now);
            match self.followed.is_empty() {
                true => poll_fn(|cx| self.poll_read(cx)).await,
                // Not as fast as it comes: what does not fit into the channel costs nothing.
                false => sleep(SKIP_EVERY).await,
            }
            self.take_new();
        }
    }

    /// Reads new jobs and output; ready if there was something.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let mut read = Poll::Pending;
        while let Some(Poll::Ready(Some(coming))) =
            self.coming.as_mut().map(|coming| coming.poll_recv(cx))
        {
            self.add(coming, now);
            read = Poll::Ready(());
        }
        for followed in &mut self.followed {
            if followed.poll_read(cx, now).is_ready() {
                read = Poll::Ready(());
            }
        }
        read
    }

    fn take_new(&mut self) {
        let now = Instant::now();
        while let Some(Ok(coming)) = self.coming.as_mut().map(mpsc::Receiver::try_recv) {
            self.add(coming, now);
        }
    }

    fn add(&mut self, (id, pieces): Coming, now: Instant) {
        if self.followed.len() >= FOLLOWED {
            let ended = |followed: &Followed| followed.over().is_some();
            let Some(at) = self.followed.iter().position(ended) else {
                return;
            };
            self.followed.remove(at);
        }
        self.followed.push_back(Followed::new(id, pieces, now));
    }

    fn forget(&mut self, now: Instant) {
        let is_over = |followed: &Followed| followed.over().is_some_and(|over| over <= now);
        self.followed.retain(|followed| !is_over(followed));
    }
}

#[cfg(test)]
mod tests;
