//! The API's side: an HTTP server that takes statistics, results of jobs (`…/operations/<id>`) and pings
//! (`…/ping`), and fails on command. It is the init server as well: a GET of [`INIT`] is answered with what
//! [`Collector::offer`] says, one of [`BOOT`] is noted.
//!
//! The reports it accepts are appended to `DIR/collector/reports.ndjson`, line by line as it came.

mod body;
mod raw;
mod record;
mod server;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::address::reserve;

pub use body::BodyError;
pub use record::{Record, ReportId, Request};

/// Path of the page that answers 204, for the web check of health; it is not in the record.
pub const WEB_CHECK: &str = "/generate_204";

/// Path at which devices ask for settings.
pub const INIT: &str = "/init";

/// Path that devices call after a start.
pub const BOOT: &str = "/boot";

/// The server's answer where it takes a request.
#[derive(Debug, Clone)]
struct Words {
    /// The status and the settings for devices that ask; without, it knows none of them.
    offer: Option<(u16, String)>,
    /// The body of an answer that accepts.
    accepted: String,
}

/// The server's treatment of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Takes it.
    Up,
    /// Is not there: connections are refused, open ones are cut.
    Down,
    /// Takes it, and answers after this long.
    Slow(Duration),
    /// Refuses it with this status and, if set, `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// Answers 200 with a web page, as a captive portal does.
    Page,
    /// Answers with bytes that are not HTTP.
    Rubbish,
    /// Cuts the connection in the middle of a request.
    Reset,
    /// Answers 302 to the same place, for ever.
    Redirect,
    /// Answers 200, one byte a second.
    Drip,
    /// Answers 200 with 10 MB.
    Huge,
    /// Takes it, and answers with this `Date`.
    Dated(&'static str),
    /// Answers 413 to requests of more bytes, and takes others.
    AtMost(usize),
    /// Answers 400 to requests with the report of this seq, and takes others.
    Picky(u64),
}

/// Waiting for something to happen took too long.
#[derive(Debug, thiserror::Error)]
#[error("the collector saw nothing of the kind in {0:?}")]
pub struct TimedOut(Duration);

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Collector {
    addr: SocketAddr,
    file: PathBuf,
    mode: watch::Sender<Mode>,
    record: watch::Sender<Record>,
    words: watch::Sender<Words>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Listens on `addr` (port 0: any) and stores below `dir`.
    ///
    /// # Errors
    ///
    /// The address is taken, or the directory cannot be made.
    pub async fn start(addr: SocketAddr, dir: &Path) -> io::Result<Self> {
        let store = dir.join("collector");
        std::fs::create_dir_all(&store)?;
        let file = store.join("reports.ndjson");
        let socket = reserve(addr)?;
        let addr = socket.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Up);
        let (record, _) = watch::channel(Record::default());
        let (words, said) = watch::channel(Words {
            offer: None,
            accepted: "{}".to_owned(),
        });
        let shelf = server::Shelf {
            file: file.clone(),
            record: record.clone(),
            words: said,
        };
        let task = tokio::spawn(server::run(socket, modes, shelf));
        Ok(Collector {
            addr,
            file,
            mode,
            record,
            words,
            task,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of `path`, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Changes what the server does from now on, and returns when it does.
    ///
    /// # Errors
    ///
    /// The server had to give up its address and cannot have it back.
    pub async fn set(&self, mode: Mode) -> io::Result<()> {
        self.mode.send_replace(mode);
        let mut seen = self.record.subscribe();
        let settled = |record: &Record| record.mode == Some(mode) || record.failure.is_some();
        let failure = match seen.wait_for(settled).await {
            Ok(record) => record.failure.clone(),
            Err(_) => Some("the collector has ended".to_owned()),
        };
        failure.map_or(Ok(()), |failure| Err(io::Error::other(failure)))
    }

    /// Has devices that ask for settings answered with this status and body from now on.
    pub fn offer(&self, status: u16, settings: &str) {
        let offer = Some((status, settings.to_owned()));
        self.words.send_modify(|words| words.offer = offer);
    }

    /// Has answers that accept something say this from now on, JSON.
    pub fn say(&self, body: &str) {
        self.words
            .send_modify(|words| words.accepted = body.to_owned());
    }

    /// The requests so far.
    pub fn record(&self) -> Record {
        self.record.borrow().clone()
    }

    /// The requests so far, and those to come.
    pub fn watch(&self) -> watch::Receiver<Record> {
        self.record.subscribe()
    }

    /// Identities of all accepted reports, in the order they came, repeats included.
    pub fn reports(&self) -> Vec<ReportId> {
        self.record.borrow().reports.clone()
    }

    /// The accepted lines, as they came.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn lines(&self) -> io::Result<Vec<String>> {
        match std::fs::read_to_string(&self.file) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Waits until `happened` holds of the record.
    ///
    /// # Errors
    ///
    /// It did not within `deadline`.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        happened: impl FnMut(&Record) -> bool,
    ) -> Result<(), TimedOut> {
        let mut record = self.record.subscribe();
        let waited = tokio::time::timeout(deadline, record.wait_for(happened)).await;
        let happened = matches!(waited, Ok(Ok(_)));
        happened.then_some(()).ok_or(TimedOut(deadline))
    }

    /// The first request of which `wanted` holds, as soon as there is one.
    ///
    /// # Errors
    ///
    /// No report came within `deadline`.
    pub async fn request(
        &self,
        deadline: Duration,
        wanted: impl Fn(&Request) -> bool,
    ) -> Result<Request, TimedOut> {
        let mut found = None;
        let happened = |record: &Record| {
            found = record.requests.iter().find(|one| wanted(one)).cloned();
            found.is_some()
        };
        self.wait_for(deadline, happened).await?;
        found.ok_or(TimedOut(deadline))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}
