//! Tasks and threads of one type: boxed, so that the runtime's code for a task, 2 to 3 KB, is in the program
//! once instead of once for each part.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, Mutex as Lock};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task by itself, which ends when it has done its work.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let work: Work = Box::pin(work);
    tokio::spawn(work)
}

/// A task among `others`, which ends with them.
pub(crate) fn spawn_among(
    others: &mut JoinSet<()>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let work: Work = Box::pin(work);
    others.spawn(work);
}

/// Tasks that end with this, and what those that are done have brought.
pub(crate) struct Together<T> {
    tasks: JoinSet<()>,
    brought: Arc<Mutex<VecDeque<T>>>,
}

impl<T: Send + 'static> Together<T> {
    pub(crate) fn new() -> Self {
        Together {
            tasks: JoinSet::new(),
            brought: Arc::default(),
        }
    }

    pub(crate) fn add(&mut self, work: impl Future<Output = T> + Send + 'static) {
        let brought = Arc::clone(&self.brought);
        spawn_among(&mut self.tasks, async move {
            let done = work.await;
            held(&brought).push_back(done);
        });
    }

    /// The next that one of them brings; `None` when all are done. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<T> {
        loop {
            if let Some(brought) = held(&self.brought).pop_front() {
                return Some(brought);
            }
            // A task that failed brings nothing.
            drop(self.tasks.join_next().await?);
        }
    }
}

fn held<T>(brought: &Mutex<T>) -> MutexGuard<'_, T> {
    brought.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread, which is given what it does in a box for the same reason.
pub(crate) fn thread(
    thread: std::thread::Builder,
    work: Box<dyn FnOnce() + Send>,
) -> io::Result<std::thread::JoinHandle<()>> {
    thread.spawn(work)
}

/// Why work for the disk has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("no thread for the disk: {0}")]
    NoThread(io::Error),
    /// It may be done later.
    #[error("the disk does not answer in time")]
    Late,
    /// It panicked.
    #[error("the disk's thread ended")]
    Failed,
}

/// Has `work` done on a thread `name` of its own, so that nothing else waits for flash or a program. Dropped before
/// that, it is done all the same.
///
/// # Errors
///
/// There is no thread, or it does not end `within` this time.
pub(crate) async fn aside<T: Send + 'static>(
    name: &'static str,
    within: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    let outcome = Arc::new(Mutex::new(None));
    let place = Arc::clone(&outcome);
    let work = Box::new(move || {
        let done = work();
        *held(&place) = Some(done);
    });
    ended(name, within, work).await?;
    let done = held(&outcome).take();
    done.ok_or(NotDone::Failed)
}

/// [`aside`] without an outcome. In a box, so that it is compiled once.
fn ended(
    name: &'static str,
    within: Option<Duration>,
    work: Box<dyn FnOnce() + Send>,
) -> Pin<Box<dyn Future<Output = Result<(), NotDone>> + Send>> {
    Box::pin(async move {
        let (working, ended) = oneshot::channel::<()>();
        let run = move || {
            work();
            drop(working);
        };
        let builder = std::thread::Builder::new().name(name.to_owned());
        thread(builder, Box::new(run)).map_err(NotDone::NoThread)?;
        // It never answers: that it is gone says that the work is done.
        let ended = match within {
            Some(within) => timeout(within, ended).await,
            None => Ok(ended.await),
        };
        match ended {
            Ok(_) => Ok(()),
            Err(_) => Err(NotDone::Late),
        }
    })
}

/// Tells work that is late whether somebody still waits for it: else it is no longer to be done.
pub(crate) struct Waiting(Weak<()>);

/// Somebody waits until this is dropped.
pub(crate) struct Waits(Arc<()>);

impl Waiting {
    pub(crate) fn new() -> (Waits, Self) {
        let waits = Waits(Arc::new(()));
        let waiting = Waiting(Arc::downgrade(&waits.0));
        (waits, waiting)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Work for the disk of one part, in turn: work that is late is done before anything newer begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct InTurn(Arc<Lock<()>>);

impl InTurn {
    /// [`aside`], after all work before it.
    ///
    /// # Errors
    ///
    /// The errors of [`aside`]. Work before it has not ended `within` the same time: then this is not begun.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        name: &'static str,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let turn = Arc::clone(&self.0).lock_owned();
        let turn = timeout(within, turn).await.map_err(|_| NotDone::Late)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        aside(name, Some(within), work).await
    }

    /// Completes when no work is late. Cancel safe.
    pub(crate) async fn caught_up(&self) {
        drop(self.0.lock().await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_together_bring_everything_in_the_order_they_end() {
        let mut together = Together::new();
        for wait in [20, 0, 10] {
            together.add(async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                wait
            });
        }
        let mut brought = Vec::new();
        while let Some(wait) = together.next().await {
            brought.push(wait);
        }
        assert_eq!(brought, [0, 10, 20]);
    }

    #[tokio::test]
    async fn work_aside_gives_its_outcome_or_says_why_there_is_none() {
        assert_eq!(aside("test", None, || 7).await.unwrap(), 7);
        let panics = aside("test", None, || assert_eq!(1, 2, "on purpose"));
        assert!(matches!(panics.await, Err(NotDone::Failed)));
        let (held, waits) = std::sync::mpsc::channel::<()>();
        let within = Some(Duration::from_millis(10));
        let late = aside("test", within, move || waits.recv().is_ok());
        assert!(matches!(late.await, Err(NotDone::Late)));
        drop(held);
    }
}
