//! What others hold of the spool, and the loop that serves them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::batch::{Batch, BatchId};
use super::keeper::{Build, Keeper};
use super::{Facts, SpoolError, Stamp};
use crate::clock::Clock;
use crate::durable::{AskError, RealDisk, Store};

/// Requests that may wait for the spool.
const REQUESTS: usize = 16;

/// Flash that does not answer for so long is told of.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is in RAM only gets to flash within this time when the agent ends, or not at all.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What a spool is made from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The kernel's id of this boot.
    pub boot_id: String,
    pub clock: Clock,
    pub place: Place,
}

/// Where reports are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub dir: PathBuf,
    /// Bytes of all segments in RAM.
    pub max: u64,
    /// None = nothing is kept on flash.
    pub flash: Option<Flash>,
}

/// Where on flash reports are kept in long outages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
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

enum Request {
    Append(Build, oneshot::Sender<Result<(), SpoolError>>),
    NextBatch(u64, oneshot::Sender<Option<Batch>>),
    Newest(oneshot::Sender<Option<Batch>>),
    Halve(BatchId, oneshot::Sender<Option<Batch>>),
    Settled(BatchId, Settled, oneshot::Sender<()>),
    ServerDate(u64),
    Settle(Place),
    /// What is in RAM only is to be where it survives.
    Close,
    /// The keeper goes back to who began the thread.
    GiveBack,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settled {
    Delivered,
    KeptBack,
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
    requests: mpsc::Receiver<Request>,
    facts: watch::Sender<Facts>,
}

impl Handle {
    /// A handle, and what [`run`] needs to serve it.
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
        self.ask(|answer| Request::NextBatch(max_bytes, answer))
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

    /// Says that the server takes others, but not these: a later report declares them.
    pub async fn refused(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Settled::Refused).await
    }

    /// Passes on what the server's clock says in its answer, seconds since the epoch.
    pub async fn server_date(&self, date: u64) -> Result<(), Stopped> {
        let request = Request::ServerDate(date);
        self.requests.send(request).await.map_err(|_| Stopped)
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

/// Serves the spool until the last handle is gone.
///
/// A spool on flash works on a thread of its own, so that nobody else waits for flash. A directory
/// that cannot be opened is in the facts and is tried again with each report; reports wait in memory
/// meanwhile.
pub async fn run(settings: Settings, inbox: Inbox) {
    let Inbox {
        mut requests,
        facts,
    } = inbox;
    let mut next = Some(Served::new(settings, facts));
    while let Some(served) = next {
        next = match served.keeper.is_on_flash() {
            true => on_thread(served, &mut requests).await,
            false => here(served, &mut requests).await,
        };
    }
}

/// Serves a spool without flash. Some if it is on flash now.
async fn here(mut served: Served, requests: &mut mpsc::Receiver<Request>) -> Option<Served> {
    while let Some(request) = requests.recv().await {
        served.serve(request);
        if served.keeper.is_on_flash() {
            return Some(served);
        }
    }
    served.serve(Request::Close);
    None
}

/// Serves a spool with flash on a thread. Some if it is to be served in another way now.
async fn on_thread(served: Served, requests: &mut mpsc::Receiver<Request>) -> Option<Served> {
    let (disk, ask) = match RealDisk::start("spool", OnThread(Some(served))) {
        Ok(started) => started,
        Err(error) => {
            log::error!("spool: no thread for it: {error}");
            return None;
        }
    };
    while let Some(request) = requests.recv().await {
        let settles = matches!(request, Request::Settle(_));
        match ask.ask(request, PATIENCE).await {
            Ok(_) => {}
            Err(AskError::Late) => log::error!("spool: flash has not answered for 10 min"),
            Err(error @ (AskError::Busy | AskError::Closed)) => {
                log::error!("spool: {error}; reports are no longer kept");
                return None;
            }
        }
        if settles {
            let answer = ask.ask(Request::GiveBack, PATIENCE).await;
            return answer.ok()?.reply;
        }
    }
    let closed = ask.ask(Request::Close, END_WITHIN).await.is_ok();
    if !closed || !disk.end(END_WITHIN).await {
        log::warn!("spool: flash did not take the newest reports in time");
    }
    None
}

/// The spool with those who want to know of it.
struct Served {
    keeper: Keeper,
    facts: watch::Sender<Facts>,
}

/// A spool on a thread, until it is given back.
struct OnThread(Option<Served>);

impl Store for OnThread {
    type Request = Request;
    type Reply = Option<Served>;

    fn handle(&mut self, request: Request) -> Option<Served> {
        if matches!(request, Request::GiveBack) {
            return self.0.take();
        }
        if let Some(served) = &mut self.0 {
            served.serve(request);
        }
        None
    }

    /// It syncs by itself when it is due: flash wears.
    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Served {
    fn new(settings: Settings, facts: watch::Sender<Facts>) -> Self {
        let keeper = Keeper::new(settings);
        facts.send_replace(keeper.facts());
        Served { keeper, facts }
    }

    /// Does what is asked. The facts are told first, so that who has an answer finds it in them.
    fn serve(&mut self, request: Request) {
        match request {
            Request::Append(build, answer) => self.tell(answer, |keeper| keeper.append(build)),
            Request::NextBatch(max_bytes, answer) => self.tell(answer, |keeper| {
                keeper.with(|spool, now| spool.next_batch(max_bytes, now))
            }),
            Request::Newest(answer) => {
                self.tell(answer, |keeper| keeper.with(|spool, now| spool.newest(now)));
            }
            Request::Halve(id, answer) => self.tell(answer, |keeper| {
                keeper.with(|spool, now| spool.halve(id, now))
            }),
            Request::Settled(id, how, answer) => {
                self.tell(answer, |keeper| keeper.settled(id, how));
            }
            Request::Settle(place) => self.keeper.settle(place),
            Request::ServerDate(date) => self.keeper.server_date(date),
            Request::Close => self.keeper.close(),
            Request::GiveBack => {}
        }
        self.publish();
    }

    fn tell<T>(&mut self, answer: oneshot::Sender<T>, ask: impl FnOnce(&mut Keeper) -> T) {
        let told = ask(&mut self.keeper);
        self.publish();
        // An asker that went away needs no answer.
        let _ = answer.send(told);
    }

    fn publish(&self) {
        let now = self.keeper.facts();
        self.facts
            .send_if_modified(|known| std::mem::replace(known, now.clone()) != now);
    }
}
