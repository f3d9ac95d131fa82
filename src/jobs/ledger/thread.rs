//! The disk thread of the ledger.

use std::future::{self, Future};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use super::store::{Found, Store};
use crate::durable::{self, Answer, AskError, Directory, Handle, RealDisk};
use crate::jobs::table::Batch;

/// Longest wait for the disk to be read when the agent starts.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for a batch to be written and synced; flash that erases blocks takes seconds.
const WRITE_WITHIN: Duration = Duration::from_secs(60);

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub(in crate::jobs) enum OpenError {
    #[error("{path}: {error}", path = .path.display())]
    Disk { path: PathBuf, error: io::Error },
    #[error("{path}: {error}", path = .path.display())]
    Ask { path: PathBuf, error: AskError },
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
    Opened(io::Result<Found>),
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
                self.0 = Some(store);
                Ok(found)
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

/// The jobs part's end of the disk thread.
pub(in crate::jobs) struct Ledger {
    disk: RealDisk<Desk>,
    handle: Handle<Desk>,
    path: PathBuf,
    writing: Option<Writing>,
}

impl Ledger {
    /// Opens the ledger in the directory `path`.
    pub(in crate::jobs) async fn open(path: PathBuf) -> Result<(Self, Found), OpenError> {
        let disk_error = |error| OpenError::Disk {
            path: path.clone(),
            error,
        };
        let (disk, handle) = RealDisk::start("jobs", Desk::default()).map_err(disk_error)?;
        let asked = handle.ask(Request::Open(path.clone()), OPEN_WITHIN).await;
        let answer = asked.map_err(|error| OpenError::Ask {
            path: path.clone(),
            error,
        })?;
        match answer.reply {
            Reply::Opened(Ok(found)) => Ok((
                Ledger {
                    disk,
                    handle,
                    path,
                    writing: None,
                },
                found,
            )),
            Reply::Opened(Err(error)) => Err(disk_error(error)),
            Reply::Wrote { .. } => Err(disk_error(io::Error::other("answered something else"))),
        }
    }

    pub(in crate::jobs) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Hands a batch to the disk. The one before has to be [`Ledger::wrote`].
    pub(in crate::jobs) fn write(&mut self, batch: Batch) {
        let handle = self.handle.clone();
        self.writing = Some(Box::pin(async move {
            handle.ask(Request::Write(batch), WRITE_WITHIN).await
        }));
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
        self.disk.end(within).await
    }
}
