//! Handles of the spool for the other parts.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::aside::ReportId;
use super::batch::{Batch, BatchId};
use super::keeper::Build;
use super::{Facts, SpoolError, Stamp};
use crate::Clock;
use crate::Crashes;

/// Requests that may wait for the spool.
const REQUESTS: usize = 16;

/// The settings of a spool.
#[derive(Debug)]
pub struct Settings {
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// Tells when a report is taken.
    pub clock: Box<dyn Clock>,
    /// Where reports are kept.
    pub place: Place,
    /// The things that ended earlier agents, and are not read again.
    pub crashes: Arc<dyn Crashes>,
}

/// Where reports are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// For reports in RAM.
    pub dir: PathBuf,
    /// Bytes of all segments in RAM.
    pub max: u64,
    /// None = nothing is kept on flash.
    pub flash: Option<Flash>,
    /// Directories that take nothing more. What lies there is delivered first, one after the other; until
    /// they are empty nothing is kept in `flash`.
    pub left: Vec<PathBuf>,
}

/// Where on flash reports are kept in long outages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// For copies of reports.
    pub dir: PathBuf,
    /// Bytes of all segments.
    pub max: u64,
    /// Bytes written in a day.
    pub daily: u64,
}

/// The spool's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the spool has stopped")]
pub struct Stopped;

/// The requests of a handle.
pub(super) enum Request {
    Append(Build, oneshot::Sender<Result<(), SpoolError>>),
    NextFew(u64, usize, oneshot::Sender<Option<Batch>>),
    Newest(oneshot::Sender<Option<Batch>>),
    Alone(ReportId, oneshot::Sender<Option<Batch>>),
    TakeBack(Vec<ReportId>, oneshot::Sender<()>),
    TakeBackAll(oneshot::Sender<()>),
    Halve(BatchId, oneshot::Sender<Option<Batch>>),
    Settled(BatchId, Settled, oneshot::Sender<()>),
    ServerDate(u64),
    WantsDate(oneshot::Sender<bool>),
    Settle(Place),
    /// Reports in RAM alone are to be where they survive.
    Close,
    /// The keeper goes back to who began the thread.
    GiveBack,
}

/// The fate of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settled {
    Delivered,
    KeptBack,
    SetAside,
    GivenUp,
    Refused,
}

/// A way to the spool.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    facts: watch::Receiver<Facts>,
}

/// The spool's own end of its handles.
#[derive(Debug)]
pub struct Inbox {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) facts: watch::Sender<Facts>,
}

impl Handle {
    /// A handle, and what [`run`](super::run) needs to serve it.
    pub fn new() -> (Handle, Inbox) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (facts, known) = watch::channel(Facts::default());
        let handle = Handle {
            requests: sender,
            facts: known,
        };
        (handle, Inbox { requests, facts })
    }

    /// Keeps the report that `build` makes of its stamp: one line, without the end of line.
    ///
    /// The inner error says that the report was refused; an `Ok` means that it is kept, if need be
    /// in memory.
    pub async fn append(
        &self,
        build: impl Fn(&Stamp<'_>) -> Vec<u8> + Send + 'static,
    ) -> Result<Result<(), SpoolError>, Stopped> {
        self.ask(|answer| Request::Append(Box::new(build), answer))
            .await
    }

    /// The oldest reports, see [`Spool::next_batch`](super::Spool::next_batch).
    pub async fn next_batch(&self, max_bytes: u64) -> Result<Option<Batch>, Stopped> {
        self.next_few(max_bytes, usize::MAX).await
    }

    /// The oldest reports, and no more than `reports`, see [`Spool::next_few`](super::Spool::next_few).
    pub async fn next_few(&self, max_bytes: u64, reports: usize) -> Result<Option<Batch>, Stopped> {
        self.ask(|answer| Request::NextFew(max_bytes, reports, answer))
            .await
    }

    /// The newest report ahead of the others, see [`Spool::newest`](super::Spool::newest).
    pub async fn newest(&self) -> Result<Option<Batch>, Stopped> {
        self.ask(Request::Newest).await
    }

    /// The older half of a batch, see [`Spool::halve`](super::Spool::halve).
    pub async fn halve(&self, id: BatchId) -> Result<Option<Batch>, Stopped> {
        self.ask(|answer| Request::Halve(id, answer)).await
    }

    /// Puts one report into a batch of its own, see [`Spool::alone`](super::Spool::alone).
    pub async fn alone(&self, report: ReportId) -> Result<Option<Batch>, Stopped> {
        self.ask(|answer| Request::Alone(report, answer)).await
    }

    /// Puts reports back in their place, see [`Spool::take_back`](super::Spool::take_back).
    pub async fn take_back(&self, reports: Vec<ReportId>) -> Result<(), Stopped> {
        self.ask(|answer| Request::TakeBack(reports, answer)).await
    }

    /// Puts all reports back in their place.
    pub async fn take_back_all(&self) -> Result<(), Stopped> {
        self.ask(Request::TakeBackAll).await
    }

    /// Says that the batch arrived: its reports are forgotten.
    pub async fn delivered(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Settled::Delivered).await
    }

    /// Says that the batch did not arrive.
    pub async fn kept_back(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Settled::KeptBack).await
    }

    /// Says that the batch did not arrive and is not to be sent again: a later report declares it.
    pub async fn given_up(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Settled::GivenUp).await
    }

    /// Says that the batch was refused: it stays and the others go on without it, see
    /// [`Spool::set_aside`](super::Spool::set_aside).
    pub async fn set_aside(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Settled::SetAside).await
    }

    /// Says that the server refuses the batch for good: a later report declares it.
    pub async fn refused(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Settled::Refused).await
    }

    /// Passes on what the server's clock says in its answer, seconds since the epoch.
    pub async fn server_date(&self, date: u64) -> Result<(), Stopped> {
        let request = Request::ServerDate(date);
        self.requests.send(request).await.map_err(|_| Stopped)
    }

    /// True if reports wait until a server says what time it is, and none has since the agent started.
    pub async fn wants_date(&self) -> Result<bool, Stopped> {
        self.ask(Request::WantsDate).await
    }

    /// Moves the spool to `place` with all that waits. A place that cannot be used is in the facts, and
    /// the spool stays where it is.
    pub async fn settle(&self, place: Place) -> Result<(), Stopped> {
        let request = Request::Settle(place);
        self.requests.send(request).await.map_err(|_| Stopped)
    }

    /// The newest facts, and those to come.
    pub fn facts(&self) -> watch::Receiver<Facts> {
        self.facts.clone()
    }

    async fn settled(&self, id: BatchId, how: Settled) -> Result<(), Stopped> {
        self.ask(|answer| Request::Settled(id, how, answer)).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Stopped> {
        let (sender, answer) = oneshot::channel();
        self.requests
            .send(request(sender))
            .await
            .map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
