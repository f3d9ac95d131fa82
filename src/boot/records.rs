//! The thread that keeps the memory, so that nobody waits for flash who does not have to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use durable::{Cell, Directory, RealDisk};
#[cfg(test)]
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::book::{Book, ChangeError};
use super::counters::REBOOTS;
use super::evidence::Evidence;
use super::memory::{Change, Memory, Now};
use crate::keep;
use crate::process::clock::{self, Pace};
use crate::process::facts::publish;

/// Longest wait for the disk; flash that erases blocks takes seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// The last lines of the system log before a reboot, in `state_dir`.
const LOG: &str = "boot_log";

/// The reboots that recovery and guard have left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// In the last 24 h.
    pub used: u8,
    /// 0 as well while none can be recorded.
    pub left: u8,
    /// The outage that goes on has had its reboot, in an earlier boot.
    pub rebooted: bool,
    /// An outage is noted that has not ended.
    pub outage: bool,
}

impl Budget {
    fn of(memory: &Memory) -> Self {
        let counters = &memory.counters;
        let used = counters.used();
        Budget {
            used: used as u8,
            left: (REBOOTS - used) as u8,
            rebooted: counters.has_rebooted(),
            outage: counters.is_in_outage(),
        }
    }
}

/// Everything known about this boot when it begins.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) memory: Memory,
    pub(super) evidence: Evidence,
    /// The system log that was kept last, and in which boot.
    pub(super) log: Option<(String, String)>,
}

enum Request {
    Look,
    Change(Change),
    KeepLog(String),
    /// A disk that hangs, as it says, until the other end is dropped.
    #[cfg(test)]
    Hang(oneshot::Sender<()>, std::sync::mpsc::Receiver<()>),
}

enum Reply {
    Looked(Box<Start>),
    Done(Memory),
    Failed(ChangeError),
}

/// The thread's belongings.
struct Desk {
    state_dir: PathBuf,
    root: PathBuf,
    boot: Arc<str>,
    pace: Pace,
    book: Option<Book<Directory>>,
}

impl Desk {
    fn now(&self) -> Now<'_> {
        Now {
            boot: &self.boot,
            uptime: self.pace.passed(clock::since_boot()),
        }
    }

    fn open(&mut self) -> Result<&mut Book<Directory>, ChangeError> {
        if self.book.is_none() {
            let dir = keep::open(&self.state_dir)?;
            self.book = Some(Book::open(dir, self.now())?);
        }
        let none = || io::Error::other("is not open");
        Ok(self.book.as_mut().ok_or_else(none)?)
    }

    fn change(&mut self, change: Change) -> Result<Memory, ChangeError> {
        let boot = Arc::clone(&self.boot);
        let Now { uptime, .. } = self.now();
        let book = self.open()?;
        book.change(
            change,
            Now {
                boot: &boot,
                uptime,
            },
        )?;
        Ok(book.memory().clone())
    }

    fn keep_log(&mut self, text: &str) -> Result<Memory, ChangeError> {
        let mut dir = Directory::open(&self.state_dir)?;
        let value = format!("{}\n{text}", self.boot);
        Cell::new(LOG).write(&mut dir, value.as_bytes())?;
        Ok(self.open()?.memory().clone())
    }

    fn look(&mut self) -> Start {
        let mut state = Directory::open(&self.state_dir)
            .map_err(|error| log::warn!("{}: {error}", self.state_dir.display()))
            .ok();
        let kept = state.as_mut().and_then(|dir| Cell::new(LOG).read(dir).ok());
        let log = kept.flatten().and_then(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (boot, lines) = text.split_once('\n')?;
            Some((boot.to_owned(), lines.to_owned()))
        });
        Start {
            memory: Memory::default(),
            evidence: Evidence::look(&self.root, state.as_mut()),
            log,
        }
    }
}

impl durable::Store for Desk {
    type Request = Request;
    type Reply = Reply;

    fn handle(&mut self, request: Request) -> Reply {
        let done = match request {
            Request::Look => {
                let mut start = self.look();
                self.open().map(|book| {
                    start.memory = book.memory().clone();
                    Reply::Looked(Box::new(start))
                })
            }
            Request::Change(change) => self.change(change).map(Reply::Done),
            Request::KeepLog(text) => self.keep_log(&text).map(Reply::Done),
            #[cfg(test)]
            Request::Hang(hangs, until) => {
                let _ = (hangs.send(()), until.recv());
                self.open().map(|book| Reply::Done(book.memory().clone()))
            }
        };
        done.unwrap_or_else(Reply::Failed)
    }

    /// Cells sync themselves.
    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The way to the memory; cheap to clone.
#[derive(Clone)]
pub struct Records {
    /// None if the system has no room for the thread.
    disk: Option<durable::Handle<Desk>>,
    budget: watch::Sender<Budget>,
    /// A reboot is to end this boot, as far as is known. Said anew with each that is noted, or may be.
    ending: watch::Sender<bool>,
    boot: Arc<str>,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    /// The memory in `state_dir`, for the boot `boot` of the device below `root`. Nothing is read yet.
    pub fn new(state_dir: &Path, root: &Path, boot: &str, pace: Pace) -> Self {
        let boot: Arc<str> = boot.into();
        let desk = Desk {
            state_dir: state_dir.to_owned(),
            root: root.to_owned(),
            boot: Arc::clone(&boot),
            pace,
            book: None,
        };
        let started = RealDisk::start("boot", desk);
        let disk = started.map(|(_thread, handle)| handle);
        let disk = disk.map_err(|error| log::error!("boot: {error}; no reboots"));
        Records {
            disk: disk.ok(),
            budget: watch::Sender::new(Budget::default()),
            ending: watch::Sender::new(false),
            boot,
        }
    }

    /// The kernel's id of this boot.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// The budget as it is, and as it becomes.
    pub fn budget(&self) -> watch::Receiver<Budget> {
        self.budget.subscribe()
    }

    /// Is a reboot to end this boot? Changes with each that is noted or may be, and when it will not come.
    pub(super) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    async fn ask(&self, request: Request) -> Result<Reply, String> {
        let disk = self
            .disk
            .as_ref()
            .ok_or("there is no thread for the disk")?;
        let answer = disk.ask(request, WITHIN).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if let Err(error) = answer.synced {
            return Err(error.to_string());
        }
        let memory = match &answer.reply {
            Reply::Failed(error) => return Err(error.to_string()),
            Reply::Done(memory) => memory,
            Reply::Looked(start) => &start.memory,
        };
        publish(&self.budget, Budget::of(memory));
        if memory.is_ending() {
            publish(&self.ending, true);
        }
        Ok(answer.reply)
    }

    /// Reads everything there is to know about this boot.
    ///
    /// # Errors
    ///
    /// A disk that does not read, in words.
    pub(super) async fn look(&self) -> Result<Start, String> {
        match self.ask(Request::Look).await? {
            Reply::Looked(start) => Ok(*start),
            Reply::Done(_) | Reply::Failed(_) => Err("answered something else".to_owned()),
        }
    }

    /// Applies a change, and waits until it is on flash; returns the memory after it.
    ///
    /// # Errors
    ///
    /// A reboot that may not be, or a disk that does not write within 60 s, in words. The change may
    /// still survive.
    pub async fn change(&self, change: Change) -> Result<Memory, String> {
        let is_reboot = matches!(change, Change::Reboot(_));
        let takes_back = matches!(change, Change::Refused | Change::GivenUp | Change::NotCome);
        if is_reboot {
            // Though this is dropped meanwhile it may be noted, or later.
            self.ending.send_replace(true);
        }
        let reply = self.ask(Request::Change(change)).await;
        if is_reboot {
            // After an error, too. The time to come begins now.
            self.ending.send_replace(true);
        }
        match reply? {
            Reply::Done(memory) => {
                // An answer from before the note of a reboot says nothing about that.
                if is_reboot || takes_back {
                    publish(&self.ending, memory.is_ending());
                }
                Ok(memory)
            }
            Reply::Looked(_) | Reply::Failed(_) => Err("answered something else".to_owned()),
        }
    }

    /// Puts the last lines of the system log on flash.
    ///
    /// # Errors
    ///
    /// A disk that does not write within 60 s, in words.
    pub(super) async fn keep_log(&self, text: String) -> Result<(), String> {
        self.ask(Request::KeepLog(text)).await.map(drop)
    }

    /// Has the disk hang until the sender is dropped.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> std::sync::mpsc::Sender<()> {
        let (hangs, is_hanging) = oneshot::channel();
        let (release, until) = std::sync::mpsc::channel();
        let records = self.clone();
        tokio::spawn(async move { records.ask(Request::Hang(hangs, until)).await.map(drop) });
        is_hanging.await.unwrap();
        release
    }
}
