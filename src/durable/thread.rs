//! A store on a thread of its own, so that nobody else waits for flash.
//!
//! ```text
//!  Handle ─request─► queue ─► handle ─┐ all that wait, one after the other
//!    ▲                                ▼
//!    └──────────── answers ◄──── commit: one sync for all of them
//! ```

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout_at, Instant};

/// Requests that may wait for a disk, and that share one sync at most.
pub const QUEUE: usize = 64;

/// What a thread serves.
pub trait Store: Send + 'static {
    type Request: Send + 'static;
    type Reply: Send + 'static;

    /// Does what is asked, but for the sync.
    fn handle(&mut self, request: Self::Request) -> Self::Reply;

    /// Makes certain what was handled since the last call, as far as it has to survive.
    ///
    /// # Errors
    ///
    /// Everybody whose request was handled since the last call is told.
    fn commit(&mut self) -> io::Result<()>;
}

/// A request that was handled.
#[derive(Debug)]
pub struct Answer<R> {
    pub reply: R,
    /// Whether what it changed is certain to survive.
    pub synced: Result<(), Arc<io::Error>>,
}

/// A request without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
    thread: thread::JoinHandle<()>,
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
            serve(store, requests);
            // Says that all is done, a panic included: by being dropped.
            drop::<oneshot::Sender<()>>(alive);
        };
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
    /// are refused. True if it is done, false if it is not within `within` or if the thread died: then
    /// it is left behind and does not hold up the end of the process.
    pub async fn end(self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        // No error: a queue that is closed already has nobody to tell.
        if let Err(_elapsed) = timeout_at(deadline, self.queue.send(Message::End)).await {
            return false;
        }
        match timeout_at(deadline, self.ended).await {
            Ok(_ended) => self.thread.join().is_ok(),
            Err(_elapsed) => false,
        }
    }
}

/// Handles what comes until it is told to end or the last handle is gone.
fn serve<S: Store>(mut store: S, mut requests: mpsc::Receiver<Message<S>>) {
    let mut handled = Vec::with_capacity(QUEUE);
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
        for (reply, asker) in handled.drain(..) {
            let synced = synced.clone();
            // An asker that went away needs no answer.
            let _ = asker.send(Answer { reply, synced });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Doubles numbers. Each commit tells how many it covers and waits to be let go on.
    struct Doubler {
        uncommitted: usize,
        commits: mpsc::UnboundedSender<usize>,
        go_on: std_mpsc::Receiver<io::Result<()>>,
    }

    impl Store for Doubler {
        type Request = u32;
        type Reply = u32;

        fn handle(&mut self, request: u32) -> u32 {
            assert!(request < 1000, "too large");
            self.uncommitted += 1;
            request * 2
        }

        fn commit(&mut self) -> io::Result<()> {
            let covered = std::mem::take(&mut self.uncommitted);
            self.commits.send(covered).unwrap();
            self.go_on.recv().unwrap_or(Ok(()))
        }
    }

    struct Bench {
        disk: RealDisk<Doubler>,
        handle: Handle<Doubler>,
        commits: mpsc::UnboundedReceiver<usize>,
        go_on: std_mpsc::Sender<io::Result<()>>,
    }

    fn bench() -> Bench {
        let (sender, commits) = mpsc::unbounded_channel();
        let (go_on, receiver) = std_mpsc::channel();
        let store = Doubler {
            uncommitted: 0,
            commits: sender,
            go_on: receiver,
        };
        let (disk, handle) = RealDisk::start("doubler", store).unwrap();
        Bench {
            disk,
            handle,
            commits,
            go_on,
        }
    }

    impl Bench {
        /// Asks `n`, in a task of its own.
        fn ask(&self, n: u32, within: Duration) -> Asked {
            let handle = self.handle.clone();
            tokio::spawn(async move { handle.ask(n, within).await })
        }

        /// Has the thread hang in a commit of one request.
        async fn hang(&mut self) -> Asked {
            let asked = self.ask(1, LONG);
            assert_eq!(self.commits.recv().await, Some(1));
            asked
        }
    }

    type Asked = tokio::task::JoinHandle<Result<Answer<u32>, AskError>>;

    #[tokio::test]
    async fn requests_that_wait_together_share_one_sync_and_none_is_answered_before_it() {
        let mut bench = bench();
        let first = bench.hang().await;
        let mut others: Vec<Asked> = (2..=QUEUE as u32).map(|n| bench.ask(n, LONG)).collect();
        while bench.handle.queue.capacity() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(!first.is_finished());
        bench.go_on.send(Ok(())).unwrap();
        assert_eq!(first.await.unwrap().unwrap().reply, 2);

        assert_eq!(bench.commits.recv().await, Some(QUEUE - 1), "one sync");
        assert!(others.iter().all(|asked| !asked.is_finished()));
        bench.go_on.send(Ok(())).unwrap();
        for (n, asked) in (2..).zip(others.drain(..)) {
            let answer = asked.await.unwrap().unwrap();
            assert_eq!(answer.reply, n * 2);
            answer.synced.unwrap();
        }
        drop(bench.go_on);
        assert!(bench.disk.end(LONG).await);
    }

    #[tokio::test]
    async fn while_a_sync_hangs_the_main_thread_goes_on_and_every_wait_ends() {
        let mut bench = bench();
        let first = bench.hang().await;
        let soon = Duration::from_millis(20);
        let waiting: Vec<Asked> = (0..QUEUE as u32).map(|n| bench.ask(n, soon)).collect();
        for asked in waiting {
            assert_eq!(asked.await.unwrap().unwrap_err(), AskError::Late);
        }
        let refused = bench.ask(7, soon).await.unwrap();
        assert_eq!(refused.unwrap_err(), AskError::Busy, "the queue is full");
        assert!(!first.is_finished(), "the sync has hung all the time");

        // It comes back, and nothing that was in the queue is forgotten.
        drop(bench.go_on);
        first.await.unwrap().unwrap();
        assert_eq!(bench.commits.recv().await, Some(QUEUE));
        assert!(bench.disk.end(LONG).await);
    }

    #[tokio::test]
    async fn a_sync_that_fails_is_told_to_everybody_it_covers_and_to_nobody_else() {
        let mut bench = bench();
        let first = bench.hang().await;
        let others = [bench.ask(2, LONG), bench.ask(3, LONG)];
        while bench.handle.queue.capacity() > QUEUE - 2 {
            tokio::task::yield_now().await;
        }
        bench.go_on.send(Ok(())).unwrap();
        first.await.unwrap().unwrap().synced.unwrap();
        let full = io::ErrorKind::StorageFull;
        bench.go_on.send(Err(full.into())).unwrap();
        for asked in others {
            let synced = asked.await.unwrap().unwrap().synced;
            assert_eq!(synced.unwrap_err().kind(), full);
        }
        drop(bench.go_on);
        bench.handle.ask(4, LONG).await.unwrap().synced.unwrap();
        assert!(bench.disk.end(LONG).await);
    }

    #[tokio::test]
    async fn the_end_handles_what_waits_and_refuses_what_comes_later() {
        let mut bench = bench();
        let first = bench.hang().await;
        let waiting = bench.ask(21, LONG);
        while bench.handle.queue.capacity() == QUEUE {
            tokio::task::yield_now().await;
        }
        let ended = tokio::spawn(bench.disk.end(LONG));
        while bench.handle.queue.capacity() > QUEUE - 2 {
            tokio::task::yield_now().await;
        }
        drop(bench.go_on);
        assert!(ended.await.unwrap());
        first.await.unwrap().unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().reply, 42);
        assert_eq!(bench.commits.recv().await, Some(1));
        let late = bench.handle.ask(1, LONG).await;
        assert_eq!(late.unwrap_err(), AskError::Closed);
    }

    #[tokio::test]
    async fn a_thread_that_hangs_does_not_hold_up_the_end() {
        let mut bench = bench();
        let _first = bench.hang().await;
        assert!(!bench.disk.end(Duration::from_millis(20)).await);
        drop(bench.go_on);
    }

    #[tokio::test]
    async fn a_thread_that_dies_answers_nobody_and_says_so() {
        let bench = bench();
        assert_eq!(
            bench.handle.ask(1000, LONG).await.unwrap_err(),
            AskError::Closed
        );
        assert!(!bench.disk.end(LONG).await);
    }

    #[tokio::test]
    async fn without_handles_the_thread_ends_by_itself() {
        let Bench {
            disk,
            handle,
            mut commits,
            ..
        } = bench();
        drop((disk, handle));
        assert_eq!(commits.recv().await, None, "the store is gone");
    }
}
