//! A server of files for downloads, over a line that breaks: it answers ranges, knows the entity of a file by its
//! tag, and cuts, slows or holds the line on command. It speaks plain HTTP/1.1; a
//! [`TlsFront`](crate::tls_front::TlsFront) makes it HTTPS.

mod conversation;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use conversation::converse;

/// A request as it came, and what went out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Get {
    pub path: String,
    /// The first byte that was asked for by `Range`.
    pub from: Option<u64>,
    /// `If-Match` or `If-Range`.
    pub tag: Option<String>,
    /// It was `If-Range`: another file is sent whole.
    pub or_whole: bool,
    pub status: u16,
    /// Bytes of the file that were sent.
    pub sent: u64,
    /// The answer is out, or the line was cut.
    pub done: bool,
}

/// Behaviour of the server and its line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The line is cut at these places in the file, once each.
    pub cuts: VecDeque<u64>,
    /// Nothing is sent beyond this place in the file.
    pub held_at: Option<u64>,
    /// So many bytes are sent, then this long nothing.
    pub slow: Option<(usize, Duration)>,
    /// Ranges are ignored: every answer is the whole file.
    pub whole: bool,
    /// No tag is sent with a file, and none is looked at.
    pub untagged: bool,
    /// Every request is answered so.
    pub status: Option<u16>,
}

#[derive(Debug)]
struct File {
    bytes: Arc<[u8]>,
    /// The number of files that its path has had so far.
    version: u32,
}

impl File {
    fn tag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.version, self.bytes.len())
    }
}

#[derive(Debug)]
struct Shelf {
    files: Mutex<BTreeMap<String, File>>,
    line: watch::Sender<Line>,
    gets: watch::Sender<Vec<Get>>,
}

impl Shelf {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happens to a request.
    fn note(&self, number: usize, change: impl FnOnce(&mut Get)) {
        self.gets.send_modify(|gets| {
            if let Some(get) = gets.get_mut(number) {
                change(get);
            }
        });
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Depot {
    addr: SocketAddr,
    shelf: Arc<Shelf>,
    task: JoinHandle<()>,
}

impl Depot {
    /// Listens on `addr` (port 0: any).
    ///
    /// # Errors
    ///
    /// The address is taken.
    pub async fn start(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let shelf = Arc::new(Shelf {
            files: Mutex::default(),
            line: watch::Sender::default(),
            gets: watch::Sender::default(),
        });
        let task = tokio::spawn(serve(listener, shelf.clone()));
        Ok(Depot { addr, shelf, task })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of `path`, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Offers a file from now on; another one at its path has another tag.
    pub fn put(&self, path: &str, bytes: impl Into<Arc<[u8]>>) {
        let mut files = self.shelf.files();
        let version = files.get(path).map_or(1, |file| file.version + 1);
        let bytes = bytes.into();
        files.insert(path.to_owned(), File { bytes, version });
    }

    /// Has the line behave so from now on, for requests that run as well.
    pub fn set(&self, line: Line) {
        self.shelf.line.send_replace(line);
    }

    /// The requests so far.
    pub fn gets(&self) -> Vec<Get> {
        self.shelf.gets.borrow().clone()
    }

    /// To wait for requests without the server at hand.
    pub fn watch(&self) -> Watch {
        Watch(self.shelf.gets.subscribe())
    }

    /// Waits until `wanted` holds of the requests.
    pub async fn when(&self, wanted: impl Fn(&[Get]) -> bool) -> Vec<Get> {
        self.watch().when(wanted).await
    }
}

/// The requests of a depot.
#[derive(Debug, Clone)]
pub struct Watch(watch::Receiver<Vec<Get>>);

impl Watch {
    /// Waits until `wanted` holds of the requests.
    pub async fn when(&self, wanted: impl Fn(&[Get]) -> bool) -> Vec<Get> {
        let mut gets = self.0.clone();
        let found = gets.wait_for(|gets| wanted(gets)).await;
        // Of a depot that is gone nothing more comes.
        found.map(|gets| gets.clone()).unwrap_or_default()
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shelf: Arc<Shelf>) {
    // Goes with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let shelf = shelf.clone();
                    connections.spawn(async move {
                        // The peer may be gone at any point, which is its right.
                        let _ = converse(stream, &shelf).await;
                    });
                }
                Err(error) => {
                    eprintln!("depot: accept: {error}");
                    return;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
