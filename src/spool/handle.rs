//! The task that owns the spool, and what others hold of it.

use std::collections::VecDeque;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};

use super::batch::{Batch, BatchId};
use super::gap::{Gap, Reason};
use super::store::{Builder, Spool};
use super::{Facts, SpoolError, Stamp};

/// Requests that may wait for the spool.
const REQUESTS: usize = 16;

/// Reports kept, not yet built, while the directory cannot be opened: 16 min at the usual pace.
const UNOPENED_MAX: usize = 64;

/// Where the spool is and how much it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub dir: PathBuf,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// Bytes of all segments.
    pub max: u64,
    /// Each report is a batch of its own.
    pub apart: bool,
}

/// The spool's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the spool has stopped")]
pub struct Stopped;

type Build = Box<Builder<'static>>;

enum Request {
    Append(Build, oneshot::Sender<Result<(), SpoolError>>),
    NextBatch(u64, oneshot::Sender<Option<Batch>>),
    Delivered(BatchId, oneshot::Sender<()>),
    KeptBack(BatchId),
    GivenUp(BatchId, oneshot::Sender<()>),
    Settle { dir: PathBuf, max: u64, apart: bool },
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
    /// `build` may be called more than once. The inner error says that the report was refused; an
    /// `Ok` means that it is kept, if need be in memory.
    pub async fn append(
        &self,
        build: impl Fn(&Stamp<'_>) -> Vec<u8> + Send + 'static,
    ) -> Result<Result<(), SpoolError>, Stopped> {
        self.ask(|answer| Request::Append(Box::new(build), answer))
            .await
    }

    /// The oldest reports, see [`Spool::next_batch`].
    pub async fn next_batch(&self, max_bytes: u64) -> Result<Option<Batch>, Stopped> {
        self.ask(|answer| Request::NextBatch(max_bytes, answer))
            .await
    }

    /// Deletes the batch, which arrived.
    pub async fn delivered(&self, id: BatchId) -> Result<(), Stopped> {
        self.ask(|answer| Request::Delivered(id, answer)).await
    }

    /// Says that the batch did not arrive.
    pub async fn kept_back(&self, id: BatchId) -> Result<(), Stopped> {
        let request = Request::KeptBack(id);
        self.requests.send(request).await.map_err(|_| Stopped)
    }

    /// Says that the batch did not arrive and is not to be sent again, see [`Spool::given_up`].
    pub async fn given_up(&self, id: BatchId) -> Result<(), Stopped> {
        self.ask(|answer| Request::GivenUp(id, answer)).await
    }

    /// Moves the spool to `dir` with all that waits, bounds it to `max` bytes, and makes each report
    /// from now on a batch of its own or not. A directory that cannot be used is in the facts, and the
    /// spool stays where it is.
    pub async fn settle(&self, dir: PathBuf, max: u64, apart: bool) -> Result<(), Stopped> {
        let request = Request::Settle { dir, max, apart };
        self.requests.send(request).await.map_err(|_| Stopped)
    }

    /// The newest facts, and those to come.
    pub fn facts(&self) -> watch::Receiver<Facts> {
        self.facts.clone()
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
/// A directory that cannot be opened is in the facts and is tried again with each report; reports
/// wait in memory meanwhile.
pub async fn run(settings: Settings, inbox: Inbox) {
    let Inbox {
        mut requests,
        facts,
    } = inbox;
    let mut keeper = Keeper::new(settings);
    facts.send_replace(keeper.facts());
    while let Some(request) = requests.recv().await {
        // An asker that went away needs no answer.
        match request {
            Request::Append(build, answer) => {
                let _ = answer.send(keeper.append(build));
            }
            Request::NextBatch(max_bytes, answer) => {
                let spool = keeper.open();
                let _ = answer.send(spool.and_then(|spool| spool.next_batch(max_bytes)));
            }
            Request::Delivered(id, answer) => {
                if let Some(spool) = &mut keeper.spool {
                    spool.delivered(id);
                }
                let _ = answer.send(());
            }
            Request::GivenUp(id, answer) => {
                if let Some(spool) = &mut keeper.spool {
                    spool.given_up(id);
                }
                let _ = answer.send(());
            }
            Request::KeptBack(id) => {
                if let Some(spool) = &mut keeper.spool {
                    spool.kept_back(id);
                }
            }
            Request::Settle { dir, max, apart } => keeper.settle(dir, max, apart),
        }
        let now = keeper.facts();
        facts.send_if_modified(|known| std::mem::replace(known, now.clone()) != now);
    }
}

/// The spool, or what is kept until it opens.
struct Keeper {
    settings: Settings,
    spool: Option<Spool>,
    waiting: VecDeque<Build>,
    /// Reports that `waiting` had no room for.
    overflown: u64,
    error: Option<String>,
}

impl Keeper {
    fn new(settings: Settings) -> Self {
        let mut keeper = Keeper {
            settings,
            spool: None,
            waiting: VecDeque::new(),
            overflown: 0,
            error: None,
        };
        keeper.open();
        keeper
    }

    /// The spool, if it can be opened; what waited for that goes in first.
    fn open(&mut self) -> Option<&mut Spool> {
        if self.spool.is_none() {
            let Settings {
                dir,
                boot_id,
                max,
                apart,
            } = &self.settings;
            match Spool::open(dir, boot_id, *max) {
                Ok(mut spool) => {
                    spool.apart = *apart;
                    self.error = None;
                    spool.lose(Gap {
                        from: None,
                        to: None,
                        count: std::mem::take(&mut self.overflown),
                        reason: Reason::Full,
                    });
                    for build in self.waiting.drain(..) {
                        if let Err(error) = spool.append(&build) {
                            log::error!("{error}");
                        }
                    }
                    self.spool = Some(spool);
                }
                Err(error) => {
                    let text = error.to_string();
                    if self.error.as_ref() != Some(&text) {
                        log::error!("{text}; reports are kept in memory");
                    }
                    self.error = Some(text);
                }
            }
        }
        self.spool.as_mut()
    }

    fn settle(&mut self, dir: PathBuf, max: u64, apart: bool) {
        self.settings.max = max;
        self.settings.apart = apart;
        // What was wrong with another directory counts no longer.
        self.error = None;
        if let Some(spool) = &mut self.spool {
            spool.max = max;
            spool.apart = apart;
        }
        let before = std::mem::replace(&mut self.settings.dir, dir);
        if before == self.settings.dir {
            return;
        }
        let Some(mut old) = self.spool.take() else {
            // What waits for a directory goes to this one.
            return;
        };
        match self.moved(&mut old) {
            Ok(spool) => {
                log::info!("spool: moved to {}", self.settings.dir.display());
                self.spool = Some(spool);
            }
            Err(reason) => {
                let text = format!("{reason}; {} stays in use", before.display());
                log::error!("{text}");
                self.error = Some(text);
                self.settings.dir = before;
                self.spool = Some(old);
            }
        }
    }

    /// The spool as the settings want it, with everything of `old`; else `old` stays as it was.
    fn moved(&self, old: &mut Spool) -> Result<Spool, String> {
        let Settings {
            dir,
            boot_id,
            max,
            apart,
        } = &self.settings;
        let mut spool = Spool::open(dir, boot_id, *max).map_err(|error| error.to_string())?;
        spool.apart = *apart;
        match spool.take_over(old) {
            Ok(()) => Ok(spool),
            Err(error) => Err(format!("spool directory {}: {error}", dir.display())),
        }
    }

    fn append(&mut self, build: Build) -> Result<(), SpoolError> {
        if let Some(spool) = self.open() {
            return spool.append(&build);
        }
        if self.waiting.len() == UNOPENED_MAX {
            self.waiting.pop_front();
            self.overflown += 1;
        }
        self.waiting.push_back(build);
        Ok(())
    }

    fn facts(&self) -> Facts {
        match &self.spool {
            Some(spool) => {
                let facts = spool.facts();
                let last_error = facts.last_error.or_else(|| self.error.clone());
                Facts {
                    last_error,
                    ..facts
                }
            }
            None => Facts {
                reports: self.waiting.len() as u64,
                dropped: self.overflown,
                last_error: self.error.clone(),
                ..Facts::default()
            },
        }
    }
}
