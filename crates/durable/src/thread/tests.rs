//! A store whose syncs a test holds up and lets go.

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
async fn an_end_whose_last_sync_fails_says_so() {
    let mut bench = bench();
    let ended = tokio::spawn(bench.disk.end(LONG));
    assert_eq!(bench.commits.recv().await, Some(0), "the end is a commit");
    bench.go_on.send(Err(io::ErrorKind::Other.into())).unwrap();
    assert!(!ended.await.unwrap());
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
