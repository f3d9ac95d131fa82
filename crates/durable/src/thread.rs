//! A store on a thread of its own, so that nobody else waits for flash.
//!
//! ```text
//!  Handle ─request─► queue ─► handle ─┐ all that wait, one after the other
//!    ▲                                ▼
//!    └──────────── answers ◄──── commit: one sync for all of them
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout_at, Instant};

/// Requests that may wait for a disk, and that share one sync at most.
pub const QUEUE: usize = 64;

/// A store that a thread serves.
pub trait Store: Send + 'static {
    /// A change or a question.
    type Request: Send + 'static;
    /// The store's word on a request.
    type Reply: Send + 'static;

    /// Does what is asked, but for the sync.
    fn handle(&mut self, request: Self::Request) -> Self::Reply;

    /// Makes certain what was handled since the last call, as far as it has to survive.
    ///
    /// # Errors
    ///
    /// Every request that was handled since the last call fails with it.
    fn commit(&mut self) -> io::Result<()>;
}

/// A request that was handled.
#[derive(Debug)]
pub struct Answer<R> {
    /// The store's own word on it.
    pub reply: R,
    /// `Ok` if the change is certain to survive.
    pub synced: Result<(), Arc<io::Error>>,
}

/// A request without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The queue was full all the time; the request is not there and will not be handled.
    #[error("the disk is busy")]
    Busy,
    /// The request is in the queue or being handled, and what comes of it is not known yet.
    #[error("the disk does not answer in time")]
    Late,
    /// The thread has ended; the request may have been handled if it was asked before.
    #[error("the disk is closed")]
    Closed,
}

enum Message<S: Store> {
    Ask(S::Request, oneshot::Sender<Answer<S::Reply>>),
    End,
}

/// A way to a store.
pub struct Handle<S: Store> {
    queue: mpsc::Sender<Message<S>>,
}

/// The thread of a store, to be ended with [`RealDisk::end`]. Dropping it leaves the thread alone: it
/// ends when the last handle is gone, or with the process.
pub struct RealDisk<S: Store> {
    queue: mpsc::Sender<Message<S>>,
    ended: oneshot::Receiver<()>,
    thread: thread::JoinHandle<bool>,
}

impl<S: Store> Clone for Handle<S> {
    fn clone(&self) -> Self {
        let queue = self.queue.clone();
        Handle { queue }
    }
}

impl<S: Store> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl<S: Store> fmt::Debug for RealDisk<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealDisk").finish_non_exhaustive()
    }
}

impl<S: Store> Handle<S> {
    /// Has `request` handled and synced, waiting no longer than `within`. Needs a tokio runtime with
    /// time. Dropping the future before it is done leaves open whether the request is handled.
    pub async fn ask(
        &self,
        request: S::Request,
        within: Duration,
    ) -> Result<Answer<S::Reply>, AskError> {
        #[cfg(any(test, feature = "test-util"))]
        let _stands_still = is_simulated().then(|| {
            // Simulated time stands still while a blocking task runs, and so while the disk works.
            let (works, done) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || done.recv());
            works
        });
        let deadline = Instant::now() + within;
        let room = match timeout_at(deadline, self.queue.reserve()).await {
            Ok(room) => room.map_err(|_| AskError::Closed)?,
            Err(_) => return Err(AskError::Busy),
        };
        let (sender, answer) = oneshot::channel();
        room.send(Message::Ask(request, sender));
        match timeout_at(deadline, answer).await {
            Ok(answer) => answer.map_err(|_| AskError::Closed),
            Err(_) => Err(AskError::Late),
        }
    }
}

/// True if tokio's clock is paused: it stands still while the system's goes on.
#[cfg(any(test, feature = "test-util"))]
fn is_simulated() -> bool {
    let before = Instant::now();
    let real = std::time::Instant::now();
    while real.elapsed().is_zero() {}
    before == Instant::now()
}

impl<S: Store> RealDisk<S> {
    /// Starts the thread `name` for `store`.
    ///
    /// # Errors
    ///
    /// A system that has no room for one more thread.
    pub fn start(name: &str, store: S) -> io::Result<(RealDisk<S>, Handle<S>)> {
        let (queue, requests) = mpsc::channel(QUEUE);
        let (alive, ended) = oneshot::channel();
        let run = move || {
            let is_certain = serve(store, requests);
            // Says that all is done, a panic included: by being dropped.
            drop::<oneshot::Sender<()>>(alive);
            is_certain
        };
        // In a box, so that one start of a thread is compiled for all stores.
        let run: Box<dyn FnOnce() -> bool + Send> = Box::new(run);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        let handle = Handle {
            queue: queue.clone(),
        };
        let disk = RealDisk {
            queue,
            ended,
            thread,
        };
        Ok((disk, handle))
    }

    /// Has everything handled that waits in the queue, and the thread ended; requests that come later
    /// are refused. True if it is done and the last commit succeeded, false if that failed or the thread
    /// died, or if it is not done within `within`: then it is left behind and does not hold up the end of
    /// the process.
    pub async fn end(self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        // No error: a queue that is closed already has nobody to tell.
        if let Err(_elapsed) = timeout_at(deadline, self.queue.send(Message::End)).await {
            return false;
        }
        match timeout_at(deadline, self.ended).await {
            Ok(_ended) => self.thread.join().unwrap_or(false),
            Err(_elapsed) => false,
        }
    }
}

/// Handles requests until one ends it or the last handle is gone. Returns true if the last commit
/// succeeded.
fn serve<S: Store>(mut store: S, mut requests: mpsc::Receiver<Message<S>>) -> bool {
    let mut handled = Vec::new();
    let mut is_certain = true;
    while let Some(first) = requests.blocking_recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Ask(request, asker) => handled.push((store.handle(request), asker)),
                Message::End => requests.close(),
            }
            let has_room = handled.len() < QUEUE;
            next = has_room.then(|| requests.try_recv().ok()).flatten();
        }
        let synced = store.commit().map_err(Arc::new);
        is_certain = synced.is_ok();
        for (reply, asker) in handled.drain(..) {
            let synced = synced.clone();
            // An asker that went away needs no answer.
            let _ = asker.send(Answer { reply, synced });
        }
    }
    is_certain
}
