//! The disk thread of the ledger. A ledger in RAM, where nothing waits for a medium, has no thread: the way to a thread and
//! back is longer than what it would do.

#[cfg(test)]
mod tests;

use std::future::{self, Future};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use durable::{Answer, AskError, Directory, Handle, Medium, RealDisk};
use tokio::time::{timeout_at, Instant};

use super::register::Register;
use super::store::{Found, Growth, Store};
use super::Whereabouts;
use crate::jobs::table::{Batch, Page, Recalled};
use crate::keep;

/// A batch that is not written and synced by then is late; flash that erases blocks takes seconds.
const LATE: Duration = Duration::from_secs(60);

/// Longest wait for a batch that is late: as long as an agent lives. Nobody else knows what becomes of it.
const WRITE_WITHIN: Duration = Duration::from_secs(365 * 86400);

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = .path.display())]
pub(in crate::jobs) struct OpenError {
    path: PathBuf,
    error: io::Error,
}

impl OpenError {
    pub(in crate::jobs) fn new(path: PathBuf, reason: String) -> Self {
        let error = io::Error::other(reason);
        OpenError { path, error }
    }
}

/// The records of a ledger, and what its register knows.
#[derive(Debug)]
pub(in crate::jobs) struct Opened {
    pub(in crate::jobs) found: Found,
    /// Or why it does not say.
    pub(in crate::jobs) register: Result<Recalled, String>,
    /// `None` if it cannot be found out.
    pub(in crate::jobs) medium: Option<Medium>,
}

/// A batch that the disk has dealt with, or is late with.
#[derive(Debug)]
pub(in crate::jobs) struct Wrote {
    /// The failure, in words.
    pub(in crate::jobs) error: Option<String>,
    /// The disk is still at work with it, and may have done it already.
    pub(in crate::jobs) is_late: bool,
    pub(in crate::jobs) growth: Growth,
    pub(in crate::jobs) registered: Registered,
}

/// The fate of a page.
#[derive(Debug)]
pub(in crate::jobs) enum Registered {
    /// No rewrite was due, or it was not its turn.
    Nothing,
    Written,
    /// The register was opened first, and is to be written with what was in it.
    Opened(Recalled),
    /// The failure, in words.
    Failed(String),
}

enum Request {
    Open(PathBuf, Option<Arc<dyn Whereabouts>>),
    Write(Batch),
    /// The ledger of a directory that was left, and the directory in use.
    Remove(PathBuf, PathBuf, Option<Arc<dyn Whereabouts>>),
    #[cfg(test)]
    Hang(std::sync::mpsc::Receiver<()>),
}

enum Reply {
    /// With the books, if they are in RAM.
    Opened(io::Result<(Option<Box<Books>>, Opened)>),
    Wrote(io::Result<()>, Growth, Registered),
    Removed(io::Result<()>),
}

/// Ledger and register.
struct Books {
    store: Store<Directory>,
    state_dir: PathBuf,
    /// `None` until it could be opened.
    register: Option<Register<Directory>>,
}

impl Books {
    fn open(state_dir: PathBuf) -> io::Result<(Self, Opened)> {
        let (store, found) = Store::open(Directory::open(&state_dir)?)?;
        let medium = Medium::of(&state_dir);
        let mut books = Books {
            store,
            state_dir,
            register: None,
        };
        let register = books.open_register();
        let opened = Opened {
            found,
            register,
            medium,
        };
        Ok((books, opened))
    }

    fn open_register(&mut self) -> Result<Recalled, String> {
        let opened = keep::open(&self.state_dir).and_then(Register::open);
        let (register, recalled) = opened.map_err(|error| self.said(&error))?;
        self.register = Some(register);
        Ok(recalled)
    }

    fn said(&self, error: &io::Error) -> String {
        format!("{}: {error}", keep::path(&self.state_dir).display())
    }

    /// Writes a batch, and syncs it unless that changes nothing; then its page. An id is in the register only if it
    /// is certain to be in the ledger.
    fn write(&mut self, batch: &Batch, syncs: bool) -> (io::Result<()>, Registered) {
        let result = self.store.write(batch, syncs);
        let registered = match &batch.page {
            Some(page) if result.is_ok() => self.register(page),
            _ => Registered::Nothing,
        };
        (result, registered)
    }

    fn register(&mut self, page: &Page) -> Registered {
        let Some(register) = &mut self.register else {
            return match self.open_register() {
                Ok(recalled) => Registered::Opened(recalled),
                Err(error) => Registered::Failed(error),
            };
        };
        match register.write(page) {
            Ok(()) => Registered::Written,
            Err(error) => Registered::Failed(self.said(&error)),
        }
    }
}

/// The books, once they are open.
#[derive(Default)]
struct Desk {
    books: Option<Box<Books>>,
    /// The last batch is not certain.
    failed: bool,
}

impl durable::Store for Desk {
    type Request = Request;
    type Reply = Reply;

    fn handle(&mut self, request: Request) -> Reply {
        match request {
            Request::Open(path, note) => {
                note.inspect(|note| note.begins(&path));
                Reply::Opened(Books::open(path).map(|(books, opened)| {
                    let books = Some(Box::new(books));
                    if opened.medium == Some(Medium::Memory) {
                        return (books, opened);
                    }
                    self.books = books;
                    (None, opened)
                }))
            }
            Request::Write(batch) => {
                let (result, registered) = match &mut self.books {
                    Some(books) => books.write(&batch, true),
                    None => (Err(io::Error::other("is not open")), Registered::Nothing),
                };
                self.failed = result.is_err();
                let books = self.books.as_ref();
                let growth = books.map_or(Growth::Little, |books| books.store.growth());
                Reply::Wrote(result, growth, registered)
            }
            Request::Remove(left, used, note) => {
                let removed = super::remove_from(&left, &used);
                if removed.is_ok() {
                    note.inspect(|note| note.is_gone(&left));
                }
                Reply::Removed(removed)
            }
            #[cfg(test)]
            Request::Hang(until) => {
                let _ = until.recv();
                Reply::Wrote(Ok(()), Growth::Little, Registered::Nothing)
            }
        }
    }

    /// Batches come one at a time and are synced before their pages are written.
    fn commit(&mut self) -> io::Result<()> {
        match self.failed {
            true => Err(io::Error::other("the last records are not written")),
            false => Ok(()),
        }
    }
}

/// Removes the ledger in `left`, whose records are in the one in the directory `used`, however long the disk takes.
///
/// # Errors
///
/// The disk does not remove it; it is no error if there is none.
pub(in crate::jobs) async fn remove(
    left: PathBuf,
    used: PathBuf,
    note: Option<Arc<dyn Whereabouts>>,
) -> io::Result<()> {
    // The thread ends with the last way to it.
    let (_disk, handle) = RealDisk::start("jobs", Desk::default())?;
    let asked = handle
        .ask(Request::Remove(left, used, note), WRITE_WITHIN)
        .await;
    match asked.map_err(io::Error::other)?.reply {
        Reply::Removed(removed) => removed,
        Reply::Opened(_) | Reply::Wrote(..) => Err(confused()),
    }
}

fn confused() -> io::Error {
    io::Error::other("answered something else")
}

type Writing = Pin<Box<dyn Future<Output = Result<Answer<Reply>, AskError>> + Send>>;

/// The place of the books.
enum Place {
    /// On a thread of its own.
    Thread {
        disk: RealDisk<Desk>,
        handle: Handle<Desk>,
    },
    /// Here. A sync would change nothing.
    Ram(Box<Books>),
}

/// The jobs part's end of the ledger.
pub(in crate::jobs) struct Ledger {
    place: Place,
    path: PathBuf,
    writing: Option<Writing>,
    /// When that is late, unless it is already.
    late_at: Option<Instant>,
}

impl Ledger {
    /// Opens the ledger in the directory `path`, unless the disk needs longer than `within`. It may still be at
    /// work then, or if this is dropped: it must have ended before the directory is opened again.
    pub(in crate::jobs) async fn open(
        path: PathBuf,
        within: Duration,
        note: Option<Arc<dyn Whereabouts>>,
    ) -> Result<(Self, Opened), OpenError> {
        let failed = |error| OpenError {
            path: path.clone(),
            error,
        };
        let (disk, handle) = RealDisk::start("jobs", Desk::default()).map_err(failed)?;
        let asked = handle.ask(Request::Open(path.clone(), note), within).await;
        let (books, opened) = match asked.map_err(io::Error::other).map_err(failed)?.reply {
            Reply::Opened(opened) => opened.map_err(failed)?,
            Reply::Wrote(..) | Reply::Removed(_) => return Err(failed(confused())),
        };
        let place = match books {
            None => Place::Thread { disk, handle },
            // The thread ends: nobody is left to ask it.
            Some(books) => Place::Ram(books),
        };
        let ledger = Ledger {
            place,
            path,
            writing: None,
            late_at: None,
        };
        Ok((ledger, opened))
    }

    pub(in crate::jobs) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands a batch to the disk, which in RAM deals with it at once. The one before has to be
    /// [`Ledger::wrote`].
    pub(in crate::jobs) fn write(&mut self, batch: Batch) -> Option<Wrote> {
        match &mut self.place {
            Place::Thread { handle, .. } => {
                let handle = handle.clone();
                let asked = async move { handle.ask(Request::Write(batch), WRITE_WITHIN).await };
                self.writing = Some(Box::pin(asked));
                self.late_at = Some(Instant::now() + LATE);
                None
            }
            Place::Ram(books) => {
                let (result, registered) = books.write(&batch, false);
                let growth = books.store.growth();
                Some(self.dealt_with(result, growth, registered))
            }
        }
    }

    /// Completes when the disk has dealt with the batch it has, and once before if it is late with it; never, if it has
    /// none. Cancel safe.
    pub(in crate::jobs) async fn wrote(&mut self) -> Wrote {
        let Some(writing) = &mut self.writing else {
            return future::pending().await;
        };
        let answer = match self.late_at {
            Some(late_at) => timeout_at(late_at, &mut *writing).await.ok(),
            None => Some(writing.await),
        };
        self.late_at = None;
        let Some(answer) = answer else {
            let error = io::Error::other(AskError::Late);
            return Wrote {
                is_late: true,
                ..self.dealt_with(Err(error), Growth::Little, Registered::Nothing)
            };
        };
        self.writing = None;
        let error = match answer.map(|answer| answer.reply) {
            Ok(Reply::Wrote(result, growth, registered)) => {
                return self.dealt_with(result, growth, registered);
            }
            Ok(Reply::Opened(_) | Reply::Removed(_)) => confused(),
            Err(error) => io::Error::other(error),
        };
        self.dealt_with(Err(error), Growth::Little, Registered::Nothing)
    }

    fn dealt_with(&self, result: io::Result<()>, growth: Growth, registered: Registered) -> Wrote {
        let said = |error| format!("{}: {error}", self.path.display());
        Wrote {
            error: result.err().map(said),
            is_late: false,
            growth,
            registered,
        }
    }

    /// Has everything written that was handed over, waiting no longer than `within`.
    pub(in crate::jobs) async fn end(self, within: Duration) -> bool {
        match self.place {
            Place::Thread { disk, .. } => disk.end(within).await,
            Place::Ram(_) => true,
        }
    }

    /// The same, however long the disk takes.
    pub(in crate::jobs) async fn ended(self) {
        self.end(WRITE_WITHIN).await;
    }

    /// The ledger on a disk that hangs until the sender is dropped.
    #[cfg(test)]
    pub(in crate::jobs) fn hanging(self) -> (Self, std::sync::mpsc::Sender<()>) {
        let (disk, handle) = match self.place {
            Place::Thread { disk, handle } => (disk, handle),
            Place::Ram(books) => {
                let desk = Desk {
                    books: Some(books),
                    failed: false,
                };
                RealDisk::start("jobs", desk).unwrap()
            }
        };
        let (hangs, until) = std::sync::mpsc::channel();
        let asks = handle.clone();
        let asked = tokio::spawn(async move { asks.ask(Request::Hang(until), WRITE_WITHIN).await });
        let ledger = Ledger {
            place: Place::Thread { disk, handle },
            writing: Some(Box::pin(async { asked.await.unwrap() })),
            ..self
        };
        (ledger, hangs)
    }
}
