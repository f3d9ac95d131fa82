//! The disk thread of the ledger. In RAM, where nothing waits for a medium, there is none: the way to a thread and
//! back is longer than what it would do.

use std::future::{self, Future};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use super::medium::is_in_ram;
use super::store::{Found, Store};
use crate::durable::{self, Answer, AskError, Directory, Handle, RealDisk};
use crate::jobs::table::Batch;

/// Longest wait for the disk to be read when the agent starts.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for a batch to be written and synced; flash that erases blocks takes seconds.
const WRITE_WITHIN: Duration = Duration::from_secs(60);

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = .path.display())]
pub(in crate::jobs) struct OpenError {
    path: PathBuf,
    error: io::Error,
}

/// A batch that the disk has dealt with.
#[derive(Debug)]
pub(in crate::jobs) struct Wrote {
    /// The failure, in words.
    pub(in crate::jobs) error: Option<String>,
    /// True if most of the log is out of date.
    pub(in crate::jobs) has_grown: bool,
}

enum Request {
    Open(PathBuf),
    Write(Batch),
}

enum Reply {
    /// With the store, if it is in RAM.
    Opened(io::Result<(Option<Store<Directory>>, Found)>),
    Wrote {
        result: io::Result<()>,
        has_grown: bool,
    },
}

/// The store, once it is open.
#[derive(Default)]
struct Desk(Option<Store<Directory>>);

impl durable::Store for Desk {
    type Request = Request;
    type Reply = Reply;

    fn handle(&mut self, request: Request) -> Reply {
        match request {
            Request::Open(path) => Reply::Opened(Directory::open(&path).and_then(|dir| {
                let (store, found) = Store::open(dir)?;
                let store = Some(store);
                if is_in_ram(&path) {
                    return Ok((store, found));
                }
                self.0 = store;
                Ok((None, found))
            })),
            Request::Write(batch) => {
                let result = match &mut self.0 {
                    Some(store) => store.write(&batch),
                    None => Err(io::Error::other("is not open")),
                };
                let has_grown = self.0.as_ref().is_some_and(Store::has_grown);
                Reply::Wrote { result, has_grown }
            }
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Store::sync)
    }
}

type Writing = Pin<Box<dyn Future<Output = Result<Answer<Reply>, AskError>> + Send>>;

/// The place of the store.
enum Place {
    /// On a thread of its own.
    Thread {
        disk: RealDisk<Desk>,
        handle: Handle<Desk>,
    },
    /// Here. A sync would change nothing.
    Ram(Box<Store<Directory>>),
}

/// The jobs part's end of the ledger.
pub(in crate::jobs) struct Ledger {
    place: Place,
    path: PathBuf,
    writing: Option<Writing>,
}

impl Ledger {
    /// Opens the ledger in the directory `path`.
    pub(in crate::jobs) async fn open(path: PathBuf) -> Result<(Self, Found), OpenError> {
        let failed = |error| OpenError {
            path: path.clone(),
            error,
        };
        let (disk, handle) = RealDisk::start("jobs", Desk::default()).map_err(failed)?;
        let asked = handle.ask(Request::Open(path.clone()), OPEN_WITHIN).await;
        let (store, found) = match asked.map_err(io::Error::other).map_err(failed)?.reply {
            Reply::Opened(opened) => opened.map_err(failed)?,
            Reply::Wrote { .. } => return Err(failed(io::Error::other("answered something else"))),
        };
        let place = match store {
            None => Place::Thread { disk, handle },
            // The thread ends: nobody is left to ask it.
            Some(store) => Place::Ram(Box::new(store)),
        };
        let ledger = Ledger {
            place,
            path,
            writing: None,
        };
        Ok((ledger, found))
    }

    pub(in crate::jobs) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Hands a batch to the disk. The one before has to be [`Ledger::wrote`].
    pub(in crate::jobs) fn write(&mut self, batch: Batch) {
        self.writing = Some(match &mut self.place {
            Place::Thread { handle, .. } => {
                let handle = handle.clone();
                Box::pin(async move { handle.ask(Request::Write(batch), WRITE_WITHIN).await })
            }
            Place::Ram(store) => {
                let result = store.write(&batch);
                let has_grown = store.has_grown();
                Box::pin(future::ready(Ok(Answer {
                    reply: Reply::Wrote { result, has_grown },
                    synced: Ok(()),
                })))
            }
        });
    }

    /// Completes when the disk has dealt with the batch it has; never, if it has none. Cancel safe.
    pub(in crate::jobs) async fn wrote(&mut self) -> Wrote {
        let Some(writing) = &mut self.writing else {
            return future::pending().await;
        };
        let answer = writing.await;
        self.writing = None;
        let (error, has_grown) = match answer {
            Ok(Answer { reply, synced }) => match reply {
                Reply::Wrote { result, has_grown } => {
                    let error = result.err().map(|error| error.to_string());
                    let synced = synced.err().map(|error| error.to_string());
                    (error.or(synced), has_grown)
                }
                Reply::Opened(_) => (Some("answered something else".to_owned()), false),
            },
            Err(error) => (Some(error.to_string()), false),
        };
        let error = error.map(|error| format!("{}: {error}", self.path.display()));
        Wrote { error, has_grown }
    }

    /// Has everything written that was handed over, waiting no longer than `within`.
    pub(in crate::jobs) async fn end(self, within: Duration) -> bool {
        match self.place {
            Place::Thread { disk, .. } => disk.end(within).await,
            Place::Ram(_) => true,
        }
    }
}
