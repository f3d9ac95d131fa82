//! The bus on a unix socket.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::arrivals::Arrivals;
use super::socket::{Connection, Incoming};
use super::{Acl, Bus, Credentials, Message, Outgoing};

/// Whom the daemon takes its clients for.
#[derive(Debug, Clone, Default)]
pub enum Peers {
    /// For those the kernel says they are. One whose user or group has no name is turned away.
    #[default]
    AsTheyAre,
    /// All for this one: lets tests be root, or nobody, whoever runs them.
    All(Credentials),
}

/// Settings of the daemon.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Rights of clients other than root.
    pub acl: Acl,
    pub peers: Peers,
    /// Makes the ids repeatable; random without.
    pub seed: Option<u64>,
}

/// A running bus daemon; dropping it stops it.
#[derive(Debug)]
pub struct Ubusd {
    path: PathBuf,
    reloads: mpsc::Sender<Reload>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Reload {
    acl: Acl,
    done: oneshot::Sender<()>,
}

impl Ubusd {
    /// Listens on `path`, with every option at its default. A socket left there by an earlier
    /// daemon is replaced.
    pub fn start(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::start_with(path, Options::default())
    }

    /// Listens on `path`; has to be called inside a tokio runtime.
    pub fn start_with(path: impl Into<PathBuf>, options: Options) -> io::Result<Self> {
        let path = path.into();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let socket = SocketFile(path.clone());
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        let (reloads, requests) = mpsc::channel(1);
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        let mut daemon = Daemon {
            listener,
            peers: options.peers,
            bus: Bus::new(seed, options.acl),
            sockets: Sockets::default(),
            reloads: requests,
            _socket: socket,
        };
        let task = tokio::spawn(poll_fn(move |cx| daemon.poll(cx)));
        Ok(Ubusd {
            path,
            reloads,
            task,
        })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the access lists; returns when `ubus.acl.sequence` has been sent.
    pub async fn reload(&self, acl: Acl) {
        let (done, announced) = oneshot::channel();
        // The daemon ends with this handle only, so both succeed unless it panicked.
        if self.reloads.send(Reload { acl, done }).await.is_ok() {
            announced.await.expect("the daemon answers every reload");
        }
    }

    /// Closes the listener and all connections and removes the socket.
    pub async fn stop(mut self) {
        self.task.abort();
        if let Err(error) = (&mut self.task).await {
            if error.is_panic() {
                resume_unwind(error.into_panic());
            }
        }
    }
}

impl Drop for Ubusd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Removes the socket from the file system when the daemon ends, however it ends.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            eprintln!("ubusd: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// The connections by client id.
#[derive(Default)]
struct Sockets {
    connections: BTreeMap<u32, Connection>,
    arrivals: Arrivals,
}

impl Outgoing for Sockets {
    fn send(&mut self, client: u32, message: Message) {
        if let Some(connection) = self.connections.get_mut(&client) {
            let idle = connection.queue.is_empty();
            connection.send(message);
            if idle && !connection.queue.is_empty() {
                // Its turn comes again when it can be written to.
                self.arrivals.add(client);
            }
        }
    }

    fn idle(&self, client: u32) -> bool {
        self.connections
            .get(&client)
            .is_some_and(|connection| connection.queue.is_empty())
    }
}

/// The one task that owns everything.
struct Daemon {
    listener: UnixListener,
    peers: Peers,
    bus: Bus,
    sockets: Sockets,
    reloads: mpsc::Receiver<Reload>,
    _socket: SocketFile,
}

impl Daemon {
    /// A round: everybody who woke up before it, in that order. Whoever wakes up meanwhile, or has
    /// more to say than the runtime lets one task handle at once, wakes the daemon for the next.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sockets.arrivals.listen(cx.waker());
        while self.poll_reload(cx) || self.poll_accept(cx) {}
        for client in self.sockets.arrivals.take() {
            let waker = self.sockets.arrivals.waker(client);
            let mut cx = Context::from_waker(&waker);
            self.poll_receive(client, &mut cx);
            self.poll_flush(client, &mut cx);
        }
        Poll::Pending
    }

    fn poll_reload(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(Some(reload)) = self.reloads.poll_recv(cx) else {
            return false;
        };
        self.bus.reload(reload.acl, &mut self.sockets);
        // Whoever asked may have stopped waiting.
        let _ = reload.done.send(());
        true
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> bool {
        match self.listener.poll_accept(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok((stream, _))) => {
                if let Err(error) = self.admit(stream) {
                    eprintln!("ubusd: cannot take a client: {error}");
                }
                true
            }
            Poll::Ready(Err(error)) => {
                eprintln!("ubusd: accept: {error}");
                false
            }
        }
    }

    fn credentials(&self, stream: &UnixStream) -> io::Result<Option<Credentials>> {
        match &self.peers {
            Peers::All(credentials) => Ok(Some(credentials.clone())),
            Peers::AsTheyAre => {
                let peer = stream.peer_cred()?;
                Credentials::resolve(peer.uid(), peer.gid(), peer.pid())
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) -> io::Result<()> {
        let Some(credentials) = self.credentials(&stream)? else {
            eprintln!("ubusd: turned away a client whose user or group has no name");
            return Ok(());
        };
        let connection = Connection::new(stream)?;
        let client = self.bus.admit(credentials);
        self.sockets.connections.insert(client, connection);
        self.bus.greet(client, &mut self.sockets);
        self.sockets.arrivals.add(client);
        Ok(())
    }

    fn poll_receive(&mut self, client: u32, cx: &mut Context<'_>) {
        while let Some(connection) = self.sockets.connections.get_mut(&client) {
            match connection.poll_receive(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(Incoming::Message(message))) => {
                    self.bus.receive(client, message, &mut self.sockets);
                }
                Poll::Ready(Ok(Incoming::Part)) => {}
                // What waits still goes out, should the client be reading.
                Poll::Ready(Ok(Incoming::End)) if !connection.queue.is_empty() => {}
                Poll::Ready(Ok(Incoming::End | Incoming::Malformed) | Err(_)) => {
                    self.disconnect(client);
                }
            }
        }
    }

    fn poll_flush(&mut self, client: u32, cx: &mut Context<'_>) {
        while let Some(connection) = self.sockets.connections.get_mut(&client) {
            match connection.poll_flush(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {
                    if self.sockets.idle(client) {
                        self.bus.resume(client, &mut self.sockets);
                        self.disconnect_if_done(client);
                    }
                }
                Poll::Ready(Err(_)) => self.disconnect(client),
            }
        }
    }

    fn disconnect_if_done(&mut self, client: u32) {
        let connection = self.sockets.connections.get(&client);
        if connection.is_some_and(|connection| connection.ended && connection.queue.is_empty()) {
            self.disconnect(client);
        }
    }

    /// The socket closes last: the client hears what goes with it, if it still reads.
    fn disconnect(&mut self, client: u32) {
        if let Some(connection) = self.sockets.connections.get_mut(&client) {
            connection.queue.clear();
        }
        self.bus.disconnect(client, &mut self.sockets);
        self.sockets.connections.remove(&client);
    }
}
